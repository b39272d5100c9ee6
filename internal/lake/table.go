package lake

import (
	"context"
	"time"
)

// Object is one stored object of a known version. Size is exact: a mounted
// file has this size before a byte is fetched.
type Object struct {
	Bucket   string
	Key      string // bytes, not a path: never cleaned nor decoded
	Size     int64
	ETag     string // with its quotes, as S3 gives it; empty: not known
	Version  string // S3 version id; empty on buckets without versions
	Modified time.Time
}

// URI spells the object as s3://bucket/key.
func (o Object) URI() string { return "s3://" + o.Bucket + "/" + o.Key }

// Need is what a statement wants of one table. A filter that could not be
// understood is simply absent: pruning by a Need only ever drops files that
// cannot hold a matching row.
type Need struct {
	Columns []string // nil: all; empty but not nil: only the number of rows
	Filters []Filter // all must hold
}

// Filter is a simple predicate on one top-level column.
type Filter struct {
	Column string
	Op     Op
	Values []string // text of the constants: one for comparisons, any number for In
}

// Op is a comparison of a Filter.
type Op string

// The comparisons that pruning understands.
const (
	Eq        Op = "="
	NotEq     Op = "<>"
	Less      Op = "<"
	LessEq    Op = "<="
	Greater   Op = ">"
	GreaterEq Op = ">="
	In        Op = "IN"
	IsNull    Op = "IS NULL"
	IsNotNull Op = "IS NOT NULL"
)

// Table is a named table of any lake format.
type Table interface {
	Schema() Schema
	// Plan says which objects hold the rows that n may match, and which SQL
	// reads them. It may list and read metadata, never data.
	Plan(ctx context.Context, n Need) (Scan, error)
}

// Scan is a planned read of one table: its objects and the SELECT over them.
type Scan struct {
	Table   string // for statistics
	Format  string // of the objects: "parquet", or "csv", "json" and so on; empty: "parquet"
	Objects []Object
	Columns []string // names in the files of the columns that will be read; nil: all
	// Describe, unless nil, is told the columns of each Parquet object, by its
	// index in Objects, before SQL is called, from the object's footer. Nil
	// columns could not be understood, one of Kind Invalid has a type that
	// Type cannot say. An error refuses to read the object. It is called many
	// times at once.
	Describe func(i int, columns []Column) error
	// Skip, unless nil, tells whether rows whose value of a column of the files
	// lies between two bounds, both included and spelled as SQL spells them, are
	// certainly not wanted. It is called many times at once.
	Skip func(column, low, high string) bool
	// Feeds are the rows of the scan that the engine cannot read by itself, such
	// as ORC files' and lists of deleted rows.
	Feeds []Feed
	// SQL gives the SELECT that reads the objects from the local paths, one
	// path for each object in the same order, and the feeds from the items of
	// FROM that stand for them, likewise. It yields the table's columns.
	SQL func(local, feeds []string) string
}

// Bytes is the size of all objects together.
func (s Scan) Bytes() int64 {
	var n int64
	for _, o := range s.Objects {
		n += o.Size
	}
	return n
}

// At names a state of a table that keeps its past. The zero At is the present.
type At struct {
	Version string    // a snapshot's id, a branch or a tag
	Time    time.Time // the state at this instant
}

// Outcome is how a change to a table ended.
type Outcome uint8

// Outcomes. The zero Outcome is none.
const (
	Committed Outcome = iota + 1
	Rejected          // the table is as if nothing had been tried
	Unknown           // nobody knows: nothing that the change may stand on is removed
)

// Appender is a table that takes rows. Files of rows are stored first, where
// and as Layout says, and become the table's by Append.
type Appender interface {
	Table
	Layout() (Layout, error)
	// Append adds the files' rows; with replace, they take the place of the rows
	// of the partitions that they belong to, or of all rows where the table has
	// no partitions. After Rejected the files are the caller's to remove.
	Append(ctx context.Context, files []Written, replace bool) (Outcome, error)
}

// Layout is what files of a table's new rows look like.
type Layout struct {
	Columns   []LayoutColumn
	Partition []string // expressions over the columns, by which rows are divided among files
	Options   string   // of COPY in the engine's SQL
	Dir       string   // where the files belong: s3://bucket/key/
}

// LayoutColumn is a column of the files.
type LayoutColumn struct {
	Column
	Required bool   // NULL is refused
	Default  string // SQL of what a statement that leaves the column out writes
}

// Written is a stored file of new rows.
type Written struct {
	Object
	Rows      int64
	Partition []*string // the layout's expressions as text; nil: NULL
	Stats     map[string]ColumnStats
}

// ColumnStats is what is known of one column of a file, or of a field inside
// it. Its name is the path of names to it, joined by zero bytes; a list's
// element is "element" below the list, a map's fields are "key" and "value". Low and High are the bounds
// of its values but for NaN, as SQL spells them; nil: not known.
type ColumnStats struct {
	Size      int64 // bytes
	Values    int64 // NULLs among them
	Nulls     int64
	Low, High *string
	NaN       bool // some value may be NaN
}
