package hive

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"

	"golang.org/x/sync/errgroup"

	"lakeport/internal/lake"
	"lakeport/internal/sqlerr"
)

// listMax is how many directories of one table are listed at once.
const listMax = 32

// file is one object to read, the partition that it belongs to and how it is
// read.
type file struct {
	object lake.Object
	part   *part
	format format
}

// files lists the parts' directories, many at once, in the order of parts.
func (t *table) files(ctx context.Context, parts []part) ([]file, error) {
	lists := make([][]lake.Object, len(parts))
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(listMax)
	for i := range parts {
		g.Go(func() (err error) {
			if t.o.Files != nil {
				lists[i], err = t.o.Files(ctx)
			} else {
				lists[i], err = t.list(ctx, parts[i].storage.Location)
			}
			return err
		})
	}
	if err := g.Wait(); err != nil {
		return nil, err
	}
	var files []file
	for i, list := range lists {
		for _, o := range list {
			how, err := t.formatOfFile(&parts[i], o.Key)
			if err != nil {
				return nil, err
			}
			files = append(files, file{o, &parts[i], how})
		}
	}
	return files, nil
}

// s3URI takes the schemes that Hadoop knows for S3 apart.
var s3URI = regexp.MustCompile(`^(?i:s3|s3a|s3n)://([^/]+)(?:/(.*))?$`)

// list gives the data files of one directory.
func (t *table) list(ctx context.Context, location string) ([]lake.Object, error) {
	m := s3URI.FindStringSubmatch(location)
	if m == nil {
		return nil, sqlerr.New(sqlerr.Unsupported, "table %s.%s has files at %q, which is not on S3", t.record.Database, t.record.Name, location)
	}
	dir := m[2]
	if dir != "" && !strings.HasSuffix(dir, "/") {
		dir += "/"
	}
	uri := "s3://" + m[1] + "/" + dir
	objects, err := t.o.List(ctx, uri)
	if e, ok := errors.AsType[*sqlerr.Error](err); ok { // what is told comes first, for whom it was asked second
		told := *e
		told.Msg += fmt.Sprintf("\nlisting %s for table %s.%s", uri, t.record.Database, t.record.Name)
		return nil, &told
	}
	if err != nil {
		return nil, fmt.Errorf("list files of table %s.%s in %s: %w", t.record.Database, t.record.Name, uri, err)
	}
	return slices.DeleteFunc(objects, func(o lake.Object) bool {
		return o.Size == 0 || !t.visible(strings.TrimPrefix(o.Key, dir))
	}), nil
}

// visible applies Hive's rule of hidden files, which it shares with Hadoop's
// FileInputFormat: names that begin with "_" or "." on any level are not data,
// nor are the markers that older tools write for directories.
func (t *table) visible(key string) bool {
	if strings.HasSuffix(key, "/") || strings.HasSuffix(key, "_$folder$") {
		return false
	}
	names := strings.Split(key, "/")
	if len(names) > 1 && !t.o.Recursive {
		return false
	}
	return !slices.ContainsFunc(names, func(n string) bool { return strings.HasPrefix(n, "_") || strings.HasPrefix(n, ".") })
}
