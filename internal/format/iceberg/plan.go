package iceberg

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"golang.org/x/sync/errgroup"

	"lakeport/internal/sqlerr"
)

// manifestsMax is how many manifests of one table are read at once.
const manifestsMax = 16

// files is what a snapshot's rows are made of.
type files struct {
	data      []dataFile
	positions []entry // position delete files that apply to some data file
	equality  []entry // equality delete files that apply to some data file
}

// dataFile is a data file with the deletes that apply to it.
type dataFile struct {
	entry
	positions []int // in files.positions
	equality  []int // in files.equality
	vector    *file // deletion vector; nil: none
}

// manifests reads a snapshot's list of manifests.
func (t *Table) manifests(ctx context.Context, s *Snapshot) ([]manifest, error) {
	if s == nil {
		return nil, nil
	}
	if s.KeyID != "" {
		return nil, sqlerr.New(sqlerr.Unsupported, "snapshot %d of table %s is encrypted (key-id), which lakeport does not read", s.ID, t.o.Name)
	}
	if s.ManifestList == "" {
		list := make([]manifest, len(s.Manifests))
		for i, path := range s.Manifests {
			list[i] = manifest{path: path, spec: untold, counts: [3]int64{-1, -1, -1}, snapshot: int64(s.ID)}
		}
		return list, nil
	}
	data, err := t.o.Read(ctx, s.ManifestList)
	if err != nil {
		return nil, err
	}
	list, err := readManifestList(data)
	if err != nil {
		return nil, t.corrupt("manifest list "+s.ManifestList, err)
	}
	return list, nil
}

// corrupt says which of the table's files is broken, and leaves refusals as
// they are.
func (t *Table) corrupt(what string, err error) error {
	if e, ok := errors.AsType[*sqlerr.Error](err); ok {
		told := *e
		told.Msg = fmt.Sprintf("table %s: %s", t.o.Name, e.Msg)
		return &told
	}
	return sqlerr.New(sqlerr.Corrupt, "table %s: %s is broken: %w", t.o.Name, what, err)
}

// entries reads manifests, many at once, in their order, and keeps the files
// that keep says matter.
func (t *Table) entries(ctx context.Context, list []manifest, keep func(f *file) bool) ([]entry, error) {
	found := make([][]entry, len(list))
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(manifestsMax)
	for i, of := range list {
		g.Go(func() error {
			data, err := t.o.Read(ctx, of.path)
			if err != nil {
				return err
			}
			entries, err := t.meta.readManifest(data, of)
			if err != nil {
				return t.corrupt("manifest "+of.path, err)
			}
			found[i] = slices.DeleteFunc(entries, func(e entry) bool { return !keep(&e.file) })
			return nil
		})
	}
	if err := g.Wait(); err != nil {
		return nil, err
	}
	return slices.Concat(found...), nil
}

// plan finds the data files that may hold rows of which the predicates are
// true, and the deletes that apply to them.
func (t *Table) plan(ctx context.Context, s *Snapshot, preds []predicate) (*files, error) {
	list, err := t.manifests(ctx, s)
	if err != nil {
		return nil, err
	}
	specs := map[int][][]predicate{}
	for i := range t.meta.Specs {
		specs[t.meta.Specs[i].ID] = partitionPredicates(&t.meta.Specs[i], preds)
	}
	list = slices.DeleteFunc(list, func(m manifest) bool { return !manifestMatters(m, specs[m.spec]) })
	data := slices.DeleteFunc(slices.Clone(list), func(m manifest) bool { return m.content != contentData })
	deletes := slices.DeleteFunc(list, func(m manifest) bool { return m.content == contentData })
	out := &files{}
	entries, err := t.entries(ctx, data, func(f *file) bool {
		return partitionMatters(f.partition, specs[f.spec]) && fileMatters(f, preds)
	})
	if err != nil || len(entries) == 0 {
		return out, err
	}
	for _, e := range entries {
		out.data = append(out.data, dataFile{entry: e})
	}
	// A delete file's partition is pruned as the data's; a global one has none.
	found, err := t.entries(ctx, deletes, func(f *file) bool { return partitionMatters(f.partition, specs[f.spec]) })
	if err != nil {
		return nil, err
	}
	return out, t.attach(out, found)
}

// partitionKey tells partitions apart across specs.
func partitionKey(f *file) string {
	var b strings.Builder
	fmt.Fprintf(&b, "%d", f.spec)
	for _, v := range f.partition {
		if v, ok := v.(fmt.Stringer); ok { // *big.Int
			fmt.Fprintf(&b, "/%s", v)
			continue
		}
		fmt.Fprintf(&b, "/%T:%#v", v, v)
	}
	return b.String()
}

// attach finds the data files that each delete applies to (Iceberg, "Scan
// Planning"). A deletion vector replaces position delete files.
func (t *Table) attach(fs *files, deletes []entry) error {
	byPath, byPartition := map[string][]int{}, map[string][]int{}
	for i, d := range fs.data {
		byPath[fold(d.file.path)] = append(byPath[fold(d.file.path)], i)
		byPartition[partitionKey(&d.file)] = append(byPartition[partitionKey(&d.file)], i)
	}
	all := make([]int, len(fs.data))
	for i := range all {
		all[i] = i
	}
	var plain []entry
	for _, e := range deletes {
		if e.file.content != contentPositionDeletes || e.file.format != "puffin" {
			plain = append(plain, e)
			continue
		}
		if e.file.referenced == "" {
			return t.corrupt("deletion vector "+e.file.path, errors.New("it names no data file"))
		}
		for _, i := range byPath[fold(e.file.referenced)] {
			d := &fs.data[i]
			if d.sequence > e.sequence {
				continue
			}
			if d.vector != nil {
				return t.corrupt("snapshot", fmt.Errorf("%s has two deletion vectors", d.file.path))
			}
			d.vector = &e.file
		}
	}
	for _, e := range plain {
		candidates := byPartition[partitionKey(&e.file)]
		spec := t.meta.spec(e.file.spec)
		if e.file.content == contentEqualityDeletes && unpartitioned(spec) {
			candidates = all
		}
		target := only(&e.file)
		used := false
		for _, i := range candidates {
			d := &fs.data[i]
			switch {
			case e.file.content == contentEqualityDeletes && d.sequence < e.sequence:
				d.equality = append(d.equality, len(fs.equality))
			case e.file.content == contentPositionDeletes && d.sequence <= e.sequence && d.vector == nil && (target == "" || target == fold(d.file.path)):
				d.positions = append(d.positions, len(fs.positions))
			default:
				continue
			}
			used = true
		}
		switch {
		case used && e.file.content == contentEqualityDeletes:
			fs.equality = append(fs.equality, e)
		case used:
			fs.positions = append(fs.positions, e)
		}
	}
	return nil
}

// unpartitioned tells whether a spec puts all rows into one partition.
func unpartitioned(s *Spec) bool {
	return !slices.ContainsFunc(s.Fields, func(f PartField) bool { return f.Transform.Name != "void" })
}

// only gives the one data file that a position delete file is for, by its own
// word or by the bounds of its paths; "": it may be for many.
func only(f *file) string {
	if f.referenced != "" {
		return fold(f.referenced)
	}
	const pathID = 2147483546 // the reserved id of file_path
	low, high := f.lower[pathID], f.upper[pathID]
	if len(low) > 0 && string(low) == string(high) {
		return fold(string(low))
	}
	return ""
}

// fold spells a path with the scheme s3, of which Hadoop's s3a and s3n are
// other names.
func fold(path string) string {
	for _, scheme := range []string{"s3a://", "s3n://"} {
		if strings.HasPrefix(path, scheme) {
			return "s3://" + path[len(scheme):]
		}
	}
	return path
}
