package hive

import (
	"context"
	"fmt"
	"regexp"
	"slices"
	"strings"

	"golang.org/x/sync/errgroup"

	"lakeport/internal/lake"
	"lakeport/internal/metastore"
	"lakeport/internal/orc"
	"lakeport/internal/sqlerr"
)

// orcFiles reads ORC files by package orc. By position, whatever the names in
// the files say; else by name, unless a file has no names of its own but _col0,
// _col1, as Hive wrote before 2.0.
type orcFiles struct{ byPosition bool }

// The parameters that choose, Athena's and Hive's.
var orcPositional = map[string]string{"orc.column.index.access": "true", "orc.force.positional.evolution": "true"}

func orcOf(t *metastore.Table, s metastore.Storage) orcFiles {
	for _, from := range []map[string]string{s.SerDeParams, t.Storage.SerDeParams, t.Parameters} {
		for key, value := range orcPositional {
			if strings.EqualFold(from[key], value) {
				return orcFiles{byPosition: true}
			}
		}
	}
	return orcFiles{}
}

func (orcFiles) reads(column) error { return nil }

func (orcFiles) from(*table, []string) string { return "" } // orcGroup does

func (orcFiles) column(*table, int) string { return "" }

// orcGroup is files whose columns have the same types: one feed, and a branch of
// its own.
type orcGroup struct {
	orcFiles
	columns []lake.Column // of the feed
	exprs   []string      // of the table's data columns, over the feed's
	files   []file
	inputs  []orc.Input
}

func (*orcGroup) from(_ *table, paths []string) string { return paths[0] }

func (g *orcGroup) column(_ *table, i int) string { return g.exprs[i] }

// tailsMax is how many tails of one table are read at once.
const tailsMax = 64

// orcFeeds opens ORC files, many at once, and makes a feed and a branch of
// those whose columns have the same types.
func (t *table) orcFeeds(ctx context.Context, files []file, n lake.Need) ([]lake.Feed, []branch, error) {
	opened := make([]*orc.File, len(files))
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(tailsMax)
	for i, f := range files {
		g.Go(func() (err error) {
			opened[i], err = orc.Open(ctx, orc.Source{Name: f.object.URI(), Size: f.object.Size, Read: func(ctx context.Context, off, n int64) ([]byte, error) {
				return t.o.Read(ctx, f.object, off, n)
			}})
			return err
		})
	}
	if err := g.Wait(); err != nil {
		return nil, nil, err
	}
	var groups []*orcGroup
	for i, f := range files {
		if opened[i].Rows() == 0 {
			continue
		}
		if err := t.matchORC(&groups, f, opened[i], n); err != nil {
			return nil, nil, err
		}
	}
	var feeds []lake.Feed
	var branches []branch
	for _, g := range groups {
		feed, err := orc.Feed(g.columns, g.inputs)
		if err != nil {
			return nil, nil, err
		}
		feeds, branches = append(feeds, feed), append(branches, branch{format: g, files: g.files})
	}
	return feeds, branches, nil
}

// matchORC finds the table's columns in a file and puts it into its group.
func (t *table) matchORC(groups *[]*orcGroup, f file, opened *orc.File, n lake.Need) error {
	inFile := opened.Columns()
	if acid(inFile) {
		return unsupported(t.record, "has the file "+f.object.URI()+" of a transactional (ACID) table")
	}
	place := orcPlaces(inFile, f.format.(orcFiles).byPosition)
	g := &orcGroup{}
	in := orc.Input{File: opened}
	for i, c := range t.data {
		at := place(c.name, i)
		if at >= 0 && wants(n, c.name) && c.err == nil {
			if err := inFile[at].Err; err != nil {
				return sqlerr.New(sqlerr.Unsupported, "column %s of %s cannot be read: %w", c.name, f.object.URI(), err).WithHint("select the other columns by name")
			}
			if !lake.Becomes(inFile[at].Type, c.typ) {
				return t.mismatch(c, f.object, inFile[at].Type)
			}
		}
		if at < 0 || c.err != nil || inFile[at].Err != nil || !lake.Becomes(inFile[at].Type, c.typ) {
			g.exprs = append(g.exprs, c.typ.Null())
			continue
		}
		name := fmt.Sprintf("c%d", i)
		g.exprs = append(g.exprs, lake.Convert(name, inFile[at].Type, c.typ))
		g.columns = append(g.columns, lake.Column{Name: name, Type: inFile[at].Type})
		in.Columns = append(in.Columns, at)
		for _, x := range n.Filters {
			if strings.EqualFold(x.Column, c.name) {
				in.Filters = append(in.Filters, orc.Filter{Filter: x, Column: at, Type: c.typ})
			}
		}
	}
	if at := slices.IndexFunc(*groups, func(o *orcGroup) bool { return sameColumns(o.columns, g.columns) }); at >= 0 {
		g = (*groups)[at]
	} else {
		*groups = append(*groups, g)
	}
	in.Index = int64(len(g.files))
	g.files, g.inputs = append(g.files, f), append(g.inputs, in)
	return nil
}

func sameColumns(a, b []lake.Column) bool {
	return slices.EqualFunc(a, b, func(a, b lake.Column) bool { return a.Name == b.Name && a.Type.String() == b.Type.String() })
}

var namelessColumn = regexp.MustCompile(`^_col[0-9]+$`)

// orcPlaces gives the function that finds a table's column in a file, -1 where
// it is not there.
func orcPlaces(inFile []orc.Column, byPosition bool) func(name string, position int) int {
	nameless := !slices.ContainsFunc(inFile, func(c orc.Column) bool { return !namelessColumn.MatchString(c.Name) })
	return func(name string, position int) int {
		if !byPosition && !nameless {
			return slices.IndexFunc(inFile, func(c orc.Column) bool { return strings.EqualFold(c.Name, name) })
		}
		if position < len(inFile) {
			return position
		}
		return -1
	}
}

// acid tells whether a file has rows as transactional tables keep them, with
// what was done to each (Hive, "ACID File Format").
func acid(columns []orc.Column) bool {
	want := []string{"operation", "originalTransaction", "bucket", "rowId", "currentTransaction", "row"}
	return slices.EqualFunc(columns, want, func(c orc.Column, name string) bool { return c.Name == name })
}
