package iceberg

import (
	"context"
	"fmt"
	"strings"

	"golang.org/x/sync/errgroup"

	"lakeport/internal/avro"
	"lakeport/internal/lake"
	"lakeport/internal/orc"
)

// tailsMax is how many tails of one table's files are read at once.
const tailsMax = 64

// fed is files that lakeport decodes itself, as one feed: their columns have the
// same types, and the same deletes apply to data files.
type fed struct {
	number  int           // of the feed
	files   []int         // of the reading; file_index counts them
	columns []lake.Column // beside those of the decoder's own
	orc     []orc.Input   // of files in ORC,
	avro    []avro.Input  // or of ones in Avro
}

// decoded is a file that lakeport decodes itself, its columns known.
type decoded struct {
	columns []lake.Column
	orc     *orc.File // nil: it is in Avro
	avro    *avro.File
}

// places gives the files by their places among those that begin with first.
func (f *fed) places(first int) []int {
	out := make([]int, len(f.files))
	for n, i := range f.files {
		out[n] = i - first
	}
	return out
}

// decode opens the files that the engine does not read, many at once, and makes
// feeds of them.
func (r *reading) decode(ctx context.Context, files []int) ([]lake.Feed, error) {
	opened := make([]decoded, len(files))
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(tailsMax)
	for n, i := range files {
		g.Go(func() (err error) {
			if opened[n], err = r.table.openFile(ctx, r.file(i)); err != nil {
				return err
			}
			return r.describe(i, opened[n].columns)
		})
	}
	if err := g.Wait(); err != nil {
		return nil, err
	}
	at := map[string]*fed{}
	for n, i := range files {
		columns, from := r.columnsOf(i, opened[n].columns)
		key := fmt.Sprint(r.file(i).format, r.together(i), columns)
		if at[key] == nil {
			at[key] = &fed{number: len(r.fed), columns: columns}
			r.fed = append(r.fed, at[key])
		}
		f := at[key]
		index := int64(len(f.files))
		if opened[n].orc != nil {
			f.orc = append(f.orc, orc.Input{File: opened[n].orc, Columns: from, Index: index, Filters: r.filters(i)})
		} else {
			f.avro = append(f.avro, avro.Input{File: opened[n].avro, Columns: from, Index: index, Rows: r.file(i).records})
		}
		f.files, r.shapes[i].fed = append(f.files, i), f
	}
	feeds := make([]lake.Feed, len(r.fed))
	for n, f := range r.fed {
		if f.avro != nil {
			feeds[n] = avro.Feed(f.columns, f.avro)
			continue
		}
		var err error
		if feeds[n], err = orc.Feed(f.columns, f.orc); err != nil {
			return nil, err
		}
	}
	return feeds, nil
}

// openFile reads what a file says of its columns.
func (t *Table) openFile(ctx context.Context, f *file) (out decoded, err error) {
	o, err := t.o.Head(ctx, f.path)
	if err != nil {
		return out, err
	}
	read := func(ctx context.Context, off, n int64) ([]byte, error) { return t.o.ReadRange(ctx, o, off, n) }
	out.columns = []lake.Column{}
	if f.format == "avro" {
		if out.avro, err = avro.Open(ctx, avro.Source{Name: f.path, Size: o.Size, Read: read}); err != nil {
			return out, err
		}
		for _, c := range out.avro.Columns() {
			out.columns = append(out.columns, c.Column)
		}
		return out, nil
	}
	if out.orc, err = orc.Open(ctx, orc.Source{Name: f.path, Size: o.Size, Proleptic: true, Read: read}); err != nil {
		return out, err
	}
	for _, c := range out.orc.Columns() {
		out.columns = append(out.columns, c.Column)
	}
	return out, nil
}

// together is equal for files that one feed may give: those of which the SQL
// makes one branch, or one list of deletes.
func (r *reading) together(i int) string {
	f := r.file(i)
	switch f.content {
	case contentPositionDeletes:
		return "positions"
	case contentEqualityDeletes:
		return fmt.Sprint(f.equality, unpartitioned(r.table.meta.spec(f.spec)), r.shapes[i].spelled)
	}
	d := &r.files.data[i]
	return fmt.Sprint(len(d.positions) > 0, d.vector != nil, d.equality, r.shapes[i].spelled)
}

// columnsOf gives the columns that a feed has of a file, and which of the file's
// they are.
func (r *reading) columnsOf(i int, inFile []lake.Column) (columns []lake.Column, from []int) {
	if r.file(i).content == contentPositionDeletes {
		for k, c := range inFile {
			switch c.Name {
			case "file_path":
				columns, from = append(columns, lake.Column{Name: "path", Type: c.Type}), append(from, k)
			case "pos":
				columns, from = append(columns, lake.Column{Name: "pos", Type: c.Type}), append(from, k)
			}
		}
		return columns, from
	}
	for _, s := range r.shapes[i].inFile() {
		columns, from = append(columns, lake.Column{Name: fmt.Sprintf("c%d", s.id), Type: s.from}), append(from, s.at)
	}
	return columns, from
}

// filters gives those conditions on rows of a file that its own statistics can
// decide: of columns that stand there as they are, in the same or a narrower type.
func (r *reading) filters(i int) (list []orc.Filter) {
	for k, s := range r.shapes[i].columns {
		for _, x := range r.need.Filters {
			if s.key != "" && s.expr == "" && strings.EqualFold(x.Column, r.table.columns[k].Name) {
				list = append(list, orc.Filter{Filter: x, Column: s.at, Type: r.table.columns[k].Type})
			}
		}
	}
	return list
}

// fromFeed spells the item of FROM that gives a feed's rows, their columns of
// the types that the mounted files' reader would give them.
func (r *reading) fromFeed(shape *fileShape) string {
	parts := []string{"CAST(" + orc.IndexColumn + " AS UBIGINT) AS file_index", orc.RowColumn + " AS file_row_number"}
	for _, s := range shape.inFile() {
		name := column(s.id)
		parts = append(parts, lake.Convert(name, s.from, s.read)+" AS "+name)
	}
	return "(SELECT " + strings.Join(parts, ", ") + " FROM " + r.feeds[shape.fed.number] + ")"
}
