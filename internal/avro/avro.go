// Package avro reads Avro object container files (Apache Avro 1.12,
// "Specification") as feeds: Open reads a file's header, Feed turns the records of
// files into rows that the engine pulls, column by column. Fields that nobody
// wants are passed over.
//
// Where bytes come from is the caller's affair (Source), and so is what a table's
// columns mean: the package delivers the types that a file has, timestamps with
// and without a zone told apart as Iceberg does. It trusts no number in a file.
package avro

import (
	"context"
	"errors"
	"fmt"

	"github.com/twmb/avro"

	"lakeport/internal/lake"
	"lakeport/internal/sqlerr"
)

// Source is the bytes of one file. Name, such as an object's URI, is what errors
// call it.
type Source struct {
	Name string
	Size int64
	// Read gives n bytes from off. It is called many times at once; the bytes are
	// the caller's, who does not change them.
	Read func(ctx context.Context, off, n int64) ([]byte, error)
}

// Column is a field of a file's records. Its Type's Kind is Invalid where Err
// says why it cannot be read.
type Column struct {
	lake.Column
	Err error
}

// File is a file whose header has been read.
type File struct {
	src     Source
	codec   codec
	sync    [16]byte
	start   int64 // of the first block
	columns []Column
	root    *node // the records; its children are in the order of columns
	meta    map[string]string
}

const (
	magic     = "Obj\x01"
	headGuess = 64 << 10 // bytes read at once from a file's beginning
	headMax   = 16 << 20 // a longer header is refused
)

// Open reads a file's header. A file of no bytes has no columns and no rows.
func Open(ctx context.Context, src Source) (*File, error) {
	f := &File{src: src}
	if src.Size == 0 {
		return f, nil
	}
	for n := int64(headGuess); ; n *= 4 {
		n = min(n, src.Size)
		head, err := f.read(ctx, 0, n)
		if err == nil {
			err = f.header(head)
		}
		if errors.Is(err, errShort) && n < src.Size && n < headMax {
			continue
		}
		if err != nil {
			return nil, f.wrap(err)
		}
		return f, nil
	}
}

func (f *File) read(ctx context.Context, off, n int64) ([]byte, error) {
	b, err := f.src.Read(ctx, off, n)
	if err == nil && int64(len(b)) != n {
		err = errShort
	}
	return b, err
}

// Columns gives the fields of the file's records.
func (f *File) Columns() []Column { return f.columns }

// fault is what is wrong with a file, refusal a feature that is not read.
type (
	fault   string
	refusal string
)

func (e fault) Error() string   { return string(e) }
func (e refusal) Error() string { return string(e) }

func faultf(format string, args ...any) error { return fault(fmt.Sprintf(format, args...)) }

var errShort error = fault("it ends too early")

// wrap names the file in an error. What the source says is left as it is.
func (f *File) wrap(err error) error {
	if _, ok := errors.AsType[fault](err); ok {
		return sqlerr.New(sqlerr.Corrupt, "%s is not a sound Avro file: %s", f.src.Name, err)
	}
	if e, ok := errors.AsType[refusal](err); ok {
		return sqlerr.New(sqlerr.Unsupported, "%s %s, which lakeport does not read", f.src.Name, string(e))
	}
	return err
}

// header reads the container's header: a magic number, a map with the schema and
// the codec, and the marker that ends each block.
func (f *File) header(b []byte) error {
	in := &input{b: b}
	if string(in.take(len(magic))) != magic {
		if in.err != nil {
			return in.err
		}
		return faultf("it does not begin as Avro files do")
	}
	f.meta = map[string]string{}
	in.blocks(1, func() {
		key := string(in.bytes())
		f.meta[key] = string(in.bytes())
	})
	copy(f.sync[:], in.take(len(f.sync)))
	if in.err != nil {
		return in.err
	}
	f.start = int64(len(b) - len(in.b))
	name := f.meta["avro.codec"]
	if name == "" {
		name = "null"
	}
	f.codec = codecs[name]
	if f.codec == nil {
		return refusal("is compressed by " + name)
	}
	schema, err := avro.Parse(f.meta["avro.schema"])
	if err != nil {
		return faultf("its schema is not readable: %v", err)
	}
	return f.describe(schema)
}

// describe makes the columns of a schema.
func (f *File) describe(schema *avro.Schema) (err error) {
	defer func() { // the library has been given anybody's text
		if p := recover(); p != nil {
			err = faultf("its schema is not readable: %v", p)
		}
	}()
	root := schema.Root().ExpandReferences()
	if root.Type != "record" || len(root.Fields) == 0 {
		return refusal("has rows that are no records with fields")
	}
	f.root = &node{kind: kindRecord}
	for i := range root.Fields {
		field := &root.Fields[i]
		n, err := f.root.field(field, 0)
		if err != nil {
			return err
		}
		c := Column{Column: lake.Column{Name: field.Name, Type: n.typ, FieldID: max(0, f.root.ids[i])}}
		if n.typ.Kind == lake.Invalid {
			c.Err = errors.New(n.why)
		}
		f.columns = append(f.columns, c)
	}
	if f.root.least == 0 {
		return refusal("has rows without bytes")
	}
	return nil
}
