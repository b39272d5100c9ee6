// Package transfer moves rows between objects and tables: it opens the files of
// a load as one table, whatever their format, and words the statement that lets
// their good rows in.
package transfer

import (
	"context"
	"encoding/hex"
	"fmt"
	"path"
	"slices"
	"strings"
	"sync"

	"golang.org/x/sync/errgroup"

	"lakeport/internal/blob"
	"lakeport/internal/delimited"
	"lakeport/internal/lake"
	"lakeport/internal/orc"
	"lakeport/internal/parquet"
	"lakeport/internal/sqlerr"
)

// FaultColumn is a column that every Source has beside those of its files: why
// a row could not be read, NULL if it could.
const FaultColumn = "lakeport_fault"

// Format is a format of files.
type Format string

// The formats that a Source reads.
const (
	Parquet   Format = "parquet"
	ORC       Format = "orc"
	Delimited Format = "csv"
)

// Formats of text that only COPY reads.
const (
	JSON       Format = "json"
	FixedWidth Format = "fixedwidth"
)

// Columnar tells formats whose columns have names and types of their own.
func (f Format) Columnar() bool { return f == Parquet || f == ORC }

// Files says what a Source reads.
type Files struct {
	Store   *blob.Store
	Client  *blob.Client
	Objects []lake.Object
	Format  Format
	Text    delimited.Format // of delimited files
	// Names are the files' columns: of delimited text in the order of its fields,
	// else those to be read by name. Nil: all that Parquet and ORC files have.
	Names []string
	// FromPath are columns whose values stand in the objects' keys, as name=value.
	FromPath []string
	// Alike refuses Parquet and ORC files whose columns are not named alike in the
	// same order: then the columns are known by position.
	Alike bool
}

// Source is the rows of files.
type Source struct {
	files  Files
	schema lake.Schema
	paths  [][]parquet.Constant // by object: the values of FromPath
	orc    []*orc.File
}

// Open finds out which columns the files have. It reads footers, no rows.
func Open(ctx context.Context, f Files) (*Source, error) {
	s := &Source{files: f}
	if err := s.readPaths(); err != nil {
		return nil, err
	}
	var columns []lake.Column
	var err error
	switch f.Format {
	case Parquet:
		columns, err = s.parquetColumns(ctx)
	case ORC:
		columns, err = s.orcColumns(ctx)
	case Delimited:
		for _, name := range f.Names {
			columns = append(columns, lake.Column{Name: name, Type: text})
		}
	default:
		err = fmt.Errorf("files of format %q are not read", f.Format)
	}
	if err != nil {
		return nil, err
	}
	s.schema.Columns = columns
	for _, name := range f.FromPath {
		s.schema.Columns = append(s.schema.Columns, lake.Column{Name: name, Type: text})
	}
	s.schema.Columns = append(s.schema.Columns, lake.Column{Name: FaultColumn, Type: text})
	return s, nil
}

var text = lake.Type{Kind: lake.Varchar}

// Schema implements lake.Table.
func (s *Source) Schema() lake.Schema { return s.schema }

// Bytes is the size of the files together.
func (s *Source) Bytes() int64 { return lake.Scan{Objects: s.files.Objects}.Bytes() }

// Files is how many files there are.
func (s *Source) Files() int { return len(s.files.Objects) }

// Has tells whether the files have a column.
func (s *Source) Has(name string) bool {
	for _, c := range s.schema.Columns {
		if strings.EqualFold(c.Name, name) {
			return true
		}
	}
	return false
}

// Plan implements lake.Table.
func (s *Source) Plan(_ context.Context, n lake.Need) (lake.Scan, error) {
	switch s.files.Format {
	case Parquet:
		return s.parquetScan(n)
	case ORC:
		return s.orcScan()
	}
	return s.delimitedScan(), nil
}

// readPaths takes the values of FromPath from the keys (Hive's layout: a
// directory name=value, whose value may be encoded as Hive does).
func (s *Source) readPaths() error {
	for _, o := range s.files.Objects {
		var values []parquet.Constant
		for _, name := range s.files.FromPath {
			v, found := pathValue(o.Key, name)
			if !found {
				return sqlerr.New(sqlerr.Invalid, "%s has no directory %s=… for the column from its path", o.URI(), name)
			}
			values = append(values, v)
		}
		s.paths = append(s.paths, values)
	}
	return nil
}

// nullDirectory stands for NULL in Hive's layout.
const nullDirectory = "__HIVE_DEFAULT_PARTITION__"

func pathValue(key, name string) (parquet.Constant, bool) {
	for dir := range strings.SplitSeq(path.Dir(key), "/") {
		k, v, ok := strings.Cut(dir, "=")
		if ok && strings.EqualFold(k, name) {
			return parquet.Constant{Text: unescape(v), Null: v == nullDirectory}, true
		}
	}
	return parquet.Constant{}, false
}

// unescape decodes %XX as Hive writes it; other percent signs stay.
func unescape(s string) string {
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		if s[i] == '%' && i+2 < len(s) {
			if c, err := hex.DecodeString(s[i+1 : i+3]); err == nil {
				b.Write(c)
				i += 2
				continue
			}
		}
		b.WriteByte(s[i])
	}
	return b.String()
}

// merge gathers the columns of files: those that are named, or all, with the
// type of the first file that has each. Files whose types do not fit are
// refused when they are read.
func (s *Source) merge(files [][]lake.Column) ([]lake.Column, error) {
	if s.files.Alike {
		if err := s.alike(files); err != nil {
			return nil, err
		}
	}
	types := map[string]lake.Column{}
	var order []string
	for _, columns := range files {
		for _, c := range columns {
			key := strings.ToLower(c.Name)
			if _, known := types[key]; !known {
				types[key] = c
				order = append(order, key)
			}
		}
	}
	if s.files.Names != nil {
		order = nil
		for _, name := range s.files.Names {
			c, known := types[strings.ToLower(name)]
			if !known {
				return nil, sqlerr.New(sqlerr.NotFound, "column %s is in none of the files, of which the first is %s", name, s.files.Objects[0].URI())
			}
			c.Name = name
			types[strings.ToLower(name)] = c
			order = append(order, strings.ToLower(name))
		}
	}
	list := make([]lake.Column, len(order))
	for i, key := range order {
		list[i] = types[key]
	}
	return list, nil
}

// alike finds a file whose columns are others than the first's.
func (s *Source) alike(files [][]lake.Column) error {
	same := func(a, b lake.Column) bool { return strings.EqualFold(a.Name, b.Name) }
	for i, columns := range files {
		if !slices.EqualFunc(columns, files[0], same) {
			return sqlerr.New(sqlerr.Unsupported, "%s has other columns than %s, or in another order", s.files.Objects[i].URI(), s.files.Objects[0].URI()).
				WithHint("load these files by a COPY of their own")
		}
	}
	return nil
}

// parquetColumns reads the footers. The bytes stay in the store for the scan.
func (s *Source) parquetColumns(ctx context.Context) ([]lake.Column, error) {
	st := s.files.Store.Begin(ctx)
	defer st.Close()
	files := make([][]lake.Column, len(s.files.Objects))
	var mu sync.Mutex
	hint := blob.Hint{Format: "parquet", Columns: []string{}, Describe: func(i int, columns []lake.Column) error {
		mu.Lock()
		defer mu.Unlock()
		files[i] = columns
		if columns == nil {
			return sqlerr.New(sqlerr.Corrupt, "the footer of %s is not understood", s.files.Objects[i].URI())
		}
		return nil
	}}
	if _, err := st.Mount(ctx, s.files.Client, s.files.Objects, hint); err != nil {
		return nil, err
	}
	return s.merge(files)
}

func (s *Source) parquetScan(n lake.Need) (lake.Scan, error) {
	t := parquet.Table{Name: "the files"}
	for _, c := range s.FileColumns() {
		col := parquet.Column{Column: c, File: c}
		if c.Type.Kind == lake.Invalid {
			col.Err = fmt.Errorf("the files have it in a type that is not read")
		}
		t.Columns = append(t.Columns, col)
	}
	for _, name := range s.files.FromPath {
		t.Columns = append(t.Columns, parquet.Column{Column: lake.Column{Name: name, Type: text}, Constant: true})
	}
	files := make([]parquet.File, len(s.files.Objects))
	for i, o := range s.files.Objects {
		files[i] = parquet.File{Object: o, Values: s.paths[i]}
	}
	scan, err := t.Scan(n, files)
	if err != nil {
		return scan, err
	}
	inner := scan.SQL
	scan.SQL = func(local, feeds []string) string {
		return "SELECT *, CAST(NULL AS VARCHAR) AS " + FaultColumn + " FROM (" + inner(local, feeds) + ")"
	}
	return scan, nil
}

// FileColumns are the columns that stand in the files themselves.
func (s *Source) FileColumns() []lake.Column {
	return s.schema.Columns[:len(s.schema.Columns)-1-len(s.files.FromPath)]
}

// tails is how many ORC files are opened at once.
const tails = 16

func (s *Source) orcColumns(ctx context.Context) ([]lake.Column, error) {
	s.orc = make([]*orc.File, len(s.files.Objects))
	files := make([][]lake.Column, len(s.files.Objects))
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(tails)
	for i, o := range s.files.Objects {
		group.Go(func() (err error) {
			s.orc[i], err = orc.Open(ctx, orc.Source{Name: o.URI(), Size: o.Size, Read: func(ctx context.Context, off, n int64) ([]byte, error) {
				return s.files.Client.Read(ctx, o, off, n)
			}})
			if err != nil {
				return err
			}
			for _, c := range s.orc[i].Columns() {
				files[i] = append(files[i], c.Column)
			}
			return nil
		})
	}
	if err := group.Wait(); err != nil {
		return nil, err
	}
	return s.merge(files)
}

func (s *Source) orcScan() (lake.Scan, error) {
	columns := s.FileColumns()
	inputs := make([]orc.Input, len(s.orc))
	for i, f := range s.orc {
		inputs[i] = orc.Input{File: f, Index: int64(i)}
		for _, want := range columns {
			at := -1
			for k, c := range f.Columns() {
				if !strings.EqualFold(c.Name, want.Name) {
					continue
				}
				if c.Type.String() != want.Type.String() || c.Err != nil {
					return lake.Scan{}, sqlerr.New(sqlerr.Unsupported, "column %s is %s in %s, but %s elsewhere", c.Name, strings.ToLower(c.Type.String()), f.Name(), strings.ToLower(want.Type.String()))
				}
				at = k
			}
			inputs[i].Columns = append(inputs[i].Columns, at)
		}
	}
	feed, err := orc.Feed(columns, inputs)
	return lake.Scan{Table: "the files", Format: "orc", Feeds: []lake.Feed{feed}, SQL: func(_, feeds []string) string {
		return s.fromFeed(columns, feeds[0], orc.IndexColumn, "CAST(NULL AS VARCHAR)")
	}}, err
}

// fromFeed words the SELECT over a feed that has the files' columns and the
// index of each row's file.
func (s *Source) fromFeed(columns []lake.Column, feed, index, fault string) string {
	var b strings.Builder
	b.WriteString("SELECT ")
	for _, c := range columns {
		b.WriteString(lake.QuoteName(c.Name) + ", ")
	}
	for k, name := range s.files.FromPath {
		values := make([]string, len(s.paths))
		for i, p := range s.paths {
			values[i] = "NULL"
			if !p[k].Null {
				values[i] = lake.QuoteString(p[k].Text)
			}
		}
		fmt.Fprintf(&b, "CAST([%s] AS VARCHAR[])[%s + 1] AS %s, ", strings.Join(values, ", "), index, lake.QuoteName(name))
	}
	b.WriteString(fault + " AS " + FaultColumn + " FROM " + feed)
	return b.String()
}
