package transfer

import (
	"bytes"
	"compress/bzip2"
	"context"
	"encoding/json"
	"errors"
	"io"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"

	"lakeport/internal/blob"
	"lakeport/internal/delimited"
	"lakeport/internal/lake"
	"lakeport/internal/sqlerr"
)

// LoadError is a bad row of a COPY, as stl_load_errors tells it.
type LoadError struct {
	File     string
	Line     int64
	Column   string
	Type     string
	Length   string
	Position int
	RawLine  string
	RawValue string
	Code     int
	Reason   string
	Time     time.Time
}

// LoadedFile is a file that a COPY has read to its end.
type LoadedFile struct {
	File   string
	Lines  int64
	Errors int64
	Time   time.Time
}

// Loading is a COPY under way.
type Loading struct {
	copy    *Copy
	client  *blob.Client
	objects []lake.Object
	convert *converter

	mu     sync.Mutex
	bad    int64
	errors []LoadError
	files  []LoadedFile
}

// keptErrors is how many bad rows are told of one COPY.
const keptErrors = 1000

// ErrTooMany ends a load that has met too many bad rows.
var ErrTooMany = errors.New("too many rows could not be loaded")

// Load readies the rows of text objects for the targets.
func (c *Copy) Load(client *blob.Client, objects []lake.Object, targets []Target, zone *time.Location) (*Loading, error) {
	for _, t := range targets {
		if !readable(t.Type) {
			return nil, unreadable(t)
		}
	}
	switch {
	case c.paths != nil && len(c.paths) != len(targets):
		return nil, sqlerr.New(sqlerr.Invalid, "Number of jsonpaths and the number of columns should match. JSONPath size: %d, Number of columns in table or column list: %d", len(c.paths), len(targets))
	case c.Format == FixedWidth && len(c.widths) != len(targets):
		return nil, sqlerr.New(sqlerr.Invalid, "FIXEDWIDTH gives the widths of %d columns, but %d are filled", len(c.widths), len(targets))
	}
	return &Loading{copy: c, client: client, objects: objects, convert: c.converter(targets, zone)}, nil
}

// Bad is how many rows were left out, or have made the load fail.
func (l *Loading) Bad() int64 {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.bad
}

// Failed tells whether the load has met as many bad rows as make it fail.
func (l *Loading) Failed() bool { return l.copy.Most > 0 && l.Bad() >= int64(l.copy.Most) }

// Told gives the bad rows that are told of, and the files that were read.
func (l *Loading) Told() ([]LoadError, []LoadedFile) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.errors, l.files
}

// Feed is the good rows, each object a part of it.
func (l *Loading) Feed() lake.Feed {
	f := lake.Feed{Parts: len(l.objects), Open: func(ctx context.Context, part int, wanted []int) (lake.FeedReader, error) {
		return l.open(ctx, l.objects[part], wanted)
	}}
	for _, t := range l.convert.targets {
		f.Columns = append(f.Columns, t.Column)
	}
	return f
}

func (l *Loading) open(ctx context.Context, o lake.Object, wanted []int) (*loadRows, error) {
	raw := &objectReader{ctx: ctx, o: o, read: l.client.Read}
	in, stop, err := unpack(l.copy.Packed, raw)
	if err != nil {
		raw.stop()
		return nil, corrupt(o, err)
	}
	rows, err := l.copy.reader(in, l.convert.targets)
	if err != nil {
		stop()
		raw.stop()
		return nil, sqlerr.New(sqlerr.Invalid, "%v", err)
	}
	r := &loadRows{l: l, object: o, in: rows, close: func() { stop(); raw.stop() }, at: make([]int, len(l.convert.targets))}
	for i := range r.at {
		r.at[i] = -1
	}
	for i, c := range wanted {
		r.at[c] = i
	}
	return r, nil
}

// rowReader reads a text's rows, io.EOF after the last.
type rowReader interface {
	Next() (*delimited.Row, error)
}

// reader splits a text as its format says.
func (c *Copy) reader(in io.Reader, targets []Target) (rowReader, error) {
	switch c.Format {
	case JSON:
		return c.jsonReader(in, targets), nil
	case FixedWidth:
		return c.fixedReader(in)
	}
	return delimited.NewReader(in, c.Text)
}

// unpack undoes the compression that an option names.
func unpack(packed string, in io.Reader) (out io.Reader, stop func(), err error) {
	nothing := func() {}
	switch packed {
	case "GZIP":
		out, err = gzip.NewReader(in)
		return out, nothing, err
	case "BZIP2":
		return bzip2.NewReader(in), nothing, nil
	case "ZSTD":
		d, err := zstd.NewReader(in, zstd.WithDecoderConcurrency(1), zstd.WithDecoderMaxMemory(128<<20))
		if err != nil {
			return nil, nothing, err
		}
		return d, d.Close, nil
	}
	return in, nothing, nil
}

// loadRows reads one object.
type loadRows struct {
	l      *Loading
	object lake.Object
	in     rowReader
	close  func()
	at     []int       // by target: the vector that takes it, -1: none
	blocks [][]byte    // text of the chunk's rows
	spare  lake.Vector // takes what is only checked
	lines  int64
	bad    int64
	ended  bool
}

// blockSize is how much text stands in one piece.
const blockSize = 256 << 10

// keep copies text where it stays until the next Read: what a String points to
// must not move.
func (r *loadRows) keep(text []byte) []byte {
	last := len(r.blocks) - 1
	if last < 0 || cap(r.blocks[last])-len(r.blocks[last]) < len(text) {
		r.blocks = append(r.blocks, make([]byte, 0, max(blockSize, len(text))))
		last++
	}
	from := len(r.blocks[last])
	r.blocks[last] = append(r.blocks[last], text...)
	return r.blocks[last][from:len(r.blocks[last]):len(r.blocks[last])]
}

// Read implements lake.FeedReader.
func (r *loadRows) Read(dst *lake.Chunk) (int, error) {
	r.blocks = r.blocks[:0]
	n := 0
	for n < dst.Rows && !r.ended && (n == 0 || len(r.blocks) < 64) {
		if n == 0 { // what bad rows have left
			r.blocks = r.blocks[:0]
		}
		row, err := r.in.Next()
		if err == io.EOF {
			r.ended = true
			r.l.finished(r)
			break
		}
		if err != nil {
			return 0, corrupt(r.object, err)
		}
		r.lines++
		column, bad := r.put(dst, n, row)
		if bad == nil {
			n++
			continue
		}
		r.bad++
		if !r.l.told(r.object, row, column, bad) {
			return 0, ErrTooMany
		}
	}
	return n, nil
}

// put converts a row; column is the one that is at fault, -1 if none is.
func (r *loadRows) put(dst *lake.Chunk, n int, row *delimited.Row) (column int, bad *fault) {
	k := r.l.convert
	if row.Fault != nil {
		return min(row.Fault.Field, len(k.targets)-1), rowFault(row.Fault)
	}
	fields := row.Fields
	if len(fields) == len(k.targets)+1 && len(fields[len(fields)-1].Text) == 0 && !fields[len(fields)-1].Quoted {
		fields = fields[:len(k.targets)] // a delimiter may end the row
	}
	switch {
	case len(fields) > len(k.targets):
		return -1, &fault{codeExtra, 0, "Extra column(s) found"}
	case len(fields) < len(k.targets) && !k.fill:
		return len(fields) - 1, &fault{codeDelimiter, 0, "Delimiter not found"}
	}
	for i := range k.targets {
		v := &r.spare
		if at := r.at[i]; at >= 0 {
			v = &dst.Columns[at]
		} else {
			*v = scratch(k.targets[i].Type)
		}
		row := n
		if r.at[i] < 0 {
			row = 0
		}
		f := delimited.Field{Null: i >= len(fields) && k.targets[i].Type.Kind != lake.Varchar}
		if i < len(fields) {
			f = fields[i]
		}
		if bad := k.put(v, row, &k.targets[i], f, r.keep); bad != nil {
			return i, bad
		}
	}
	return -1, nil
}

// scratch is a vector of one row.
func scratch(t lake.Type) lake.Vector {
	v := lake.Vector{Type: t}
	switch t.Kind {
	case lake.Boolean:
		v.Data = make([]bool, 1)
	case lake.TinyInt:
		v.Data = make([]int8, 1)
	case lake.SmallInt:
		v.Data = make([]int16, 1)
	case lake.Integer, lake.Date:
		v.Data = make([]int32, 1)
	case lake.BigInt, lake.Time, lake.Timestamp, lake.TimestampTZ:
		v.Data = make([]int64, 1)
	case lake.Float:
		v.Data = make([]float32, 1)
	case lake.Double:
		v.Data = make([]float64, 1)
	case lake.Decimal:
		v.Data = make([]lake.Int128, 1)
	case lake.Varchar:
		v.Data = make([]lake.String, 1)
	}
	return v
}

// rowFault gives the code of a row that cannot be split.
func rowFault(f *delimited.Fault) *fault {
	switch {
	case f.Reason == delimited.TooLong:
		return &fault{codeLine, 0, "Input row exceeds 4 MB"}
	case strings.HasPrefix(f.Reason, invalidText):
		return &fault{codeLine, 0, f.Reason}
	}
	return &fault{codeDelimiter, 0, f.Reason}
}

// told keeps a bad row, and says whether the load goes on.
func (l *Loading) told(o lake.Object, row *delimited.Row, column int, bad *fault) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.bad++
	if len(l.errors) < keptErrors {
		e := LoadError{File: o.URI(), Line: row.Line, Position: bad.position, RawLine: shown(row.Raw), Code: bad.code, Reason: bad.reason, Time: time.Now().UTC()}
		if column >= 0 {
			t := l.convert.targets[column]
			e.Column, e.Type = t.Name, t.Declared
			if t.Length > 0 {
				e.Length = strconv.Itoa(t.Length)
			}
			if row.Fault == nil && column < len(row.Fields) {
				e.RawValue = shown(row.Fields[column].Text)
			}
		}
		l.errors = append(l.errors, e)
	}
	return l.copy.Most == 0 || l.bad < int64(l.copy.Most)
}

// shown cuts text to the 1,024 bytes of stl_load_errors' columns.
func shown(b []byte) string { return printable(b[:min(len(b), 1024)]) }

func (l *Loading) finished(r *loadRows) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.files = append(l.files, LoadedFile{File: r.object.URI(), Lines: r.lines, Errors: r.bad, Time: time.Now().UTC()})
}

// Close implements lake.FeedReader.
func (r *loadRows) Close() error {
	r.close()
	return nil
}

// Objects finds what a COPY reads: the objects of a prefix, or those of a
// manifest.
func (c *Copy) Objects(ctx context.Context, client *blob.Client) ([]lake.Object, error) {
	if c.Manifest {
		return c.listed(ctx, client)
	}
	bucket, prefix, err := blob.Parse(c.From)
	if err != nil {
		return nil, err
	}
	found, err := client.List(ctx, bucket, prefix, true)
	if err != nil {
		return nil, err
	}
	var objects []lake.Object
	for _, o := range found {
		if !strings.HasSuffix(o.Key, "/") {
			objects = append(objects, o)
		}
	}
	if len(objects) == 0 {
		return nil, sqlerr.New(sqlerr.NotFound, "The specified S3 prefix '%s' does not exist", prefix)
	}
	return nonempty(objects), nil
}

func nonempty(objects []lake.Object) []lake.Object {
	var some []lake.Object
	for _, o := range objects {
		if o.Size > 0 {
			some = append(some, o)
		}
	}
	return some
}

// manifest is the file of MANIFEST ("Using a manifest to specify data files").
// Keys that are not known are passed over.
type manifest struct {
	Entries []struct {
		URL       string `json:"url"`
		Mandatory bool   `json:"mandatory"`
		Meta      *struct {
			ContentLength *int64 `json:"content_length"`
		} `json:"meta"`
	} `json:"entries"`
}

func readManifest(uri string, body []byte) (m manifest, err error) {
	if err := json.Unmarshal(bytes.TrimPrefix(body, []byte("\xef\xbb\xbf")), &m); err != nil {
		return m, sqlerr.New(sqlerr.Corrupt, "the manifest %s is not what COPY reads: %v", uri, err).
			WithHint(`a manifest is {"entries":[{"url":"s3://bucket/key","mandatory":true}]}`)
	}
	if len(m.Entries) == 0 {
		return m, sqlerr.New(sqlerr.Corrupt, "the manifest %s has no entries", uri)
	}
	for i, e := range m.Entries {
		bucket, key, err := blob.Parse(e.URL)
		if err != nil || key == "" || bucket == "" {
			return m, sqlerr.New(sqlerr.Corrupt, "entry %d of the manifest %s has no url of an object: %q", i+1, uri, e.URL)
		}
	}
	return m, nil
}

func (c *Copy) listed(ctx context.Context, client *blob.Client) ([]lake.Object, error) {
	at, err := client.Head(ctx, c.From)
	if err != nil {
		return nil, err
	}
	body, err := client.Get(ctx, at)
	if err != nil {
		return nil, err
	}
	m, err := readManifest(c.From, body)
	if err != nil {
		return nil, err
	}
	var objects []lake.Object
	for _, e := range m.Entries {
		o, err := client.Head(ctx, e.URL)
		if Missing(err) {
			if e.Mandatory {
				return nil, sqlerr.New(sqlerr.NotFound, "Problem reading manifest file - The specified key does not exist: %s is mandatory and not there", e.URL)
			}
			continue
		}
		if err != nil {
			return nil, err
		}
		if c.Format.Columnar() {
			if e.Meta == nil || e.Meta.ContentLength == nil {
				return nil, sqlerr.New(sqlerr.Invalid, "the manifest gives no meta.content_length for %s, which %s files need", e.URL, strings.ToUpper(string(c.Format)))
			}
			if *e.Meta.ContentLength != o.Size {
				return nil, sqlerr.New(sqlerr.Invalid, "%s has %d bytes; the manifest says %d", e.URL, o.Size, *e.Meta.ContentLength)
			}
		}
		objects = append(objects, o)
	}
	if len(objects) == 0 {
		return nil, sqlerr.New(sqlerr.NotFound, "none of the files of the manifest %s is there", c.From)
	}
	return nonempty(objects), nil
}

// Missing tells an object that is not there from one that may not be read.
func Missing(err error) bool {
	var status interface{ HTTPStatusCode() int }
	return errors.As(err, &status) && status.HTTPStatusCode() == 404
}
