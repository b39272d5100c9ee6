package transfer

import (
	"compress/gzip"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/klauspost/compress/zstd"

	"lakeport/internal/blob"
	"lakeport/internal/lake"
	"lakeport/internal/sqlerr"
	"lakeport/internal/wire/pg"
)

// Sink writes the files of one UNLOAD.
type Sink struct {
	u       *Unload
	client  *blob.Client
	columns []lake.Column // of the files
	files   []unloaded
	cleaned map[string]bool
	Rows    int64
}

// unloaded is a file that is written.
type unloaded struct {
	uri  string
	size int64
	rows int64 // its header line among them
}

// Rows are what a Sink takes, chunk by chunk; nil ends them.
type Rows interface {
	Next(ctx context.Context) (*lake.Chunk, error)
}

// Sink readies the place: it refuses one that is not empty, or cleans it.
func (u *Unload) Sink(ctx context.Context, client *blob.Client, columns []lake.Column) (*Sink, error) {
	s := &Sink{u: u, client: client, columns: columns, cleaned: map[string]bool{}}
	found, err := u.Found(ctx, client)
	if err != nil {
		return nil, err
	}
	return s, s.remove(ctx, found)
}

// Found lists what CLEANPATH removes before the first file. Where it is not
// given, there must be nothing, unless ALLOWOVERWRITE is.
func (u *Unload) Found(ctx context.Context, client *blob.Client) ([]lake.Object, error) {
	if u.overwrite || u.clean && u.Partition != nil {
		return nil, nil
	}
	bucket, prefix, err := blob.Parse(u.To)
	if err != nil {
		return nil, err
	}
	found, err := client.List(ctx, bucket, prefix, true)
	if err != nil {
		return nil, err
	}
	if len(found) > 0 && !u.clean {
		return nil, sqlerr.New(sqlerr.Conflict, "Specified unload destination on S3 is not empty. Consider using a different bucket / prefix, manually removing the target files in S3, or using the ALLOWOVERWRITE option.").
			With(sqlerr.Code{State: "XX000"}).WithHint("the first object there is %s", found[0].URI())
	}
	return found, nil
}

// CleansPartitions tells whether each partition's directory is cleaned before
// its first file.
func (u *Unload) CleansPartitions() bool { return u.clean && u.Partition != nil }

func (s *Sink) remove(ctx context.Context, objects []lake.Object) error {
	for _, o := range objects {
		if err := s.client.Delete(ctx, o.URI()); err != nil {
			return err
		}
	}
	return nil
}

// enter cleans the directory of a partition before its first file.
func (s *Sink) enter(ctx context.Context, directory string) error {
	if !s.u.clean || s.u.Partition == nil || s.cleaned[directory] {
		return nil
	}
	s.cleaned[directory] = true
	bucket, prefix, err := blob.Parse(s.u.prefix() + directory)
	if err != nil {
		return err
	}
	found, err := s.client.List(ctx, bucket, prefix, true)
	if err != nil {
		return err
	}
	return s.remove(ctx, found)
}

// Text writes rows as text: the files' columns, then the values of the
// partition as text, by which the rows are sorted.
func (s *Sink) Text(ctx context.Context, rows Rows) error {
	var part *textPart
	defer func() { part.abort() }()
	directory, inDirectory := "", 0
	width := len(s.columns)
	var line []byte
	for {
		chunk, err := rows.Next(ctx)
		if err != nil {
			return err
		}
		if chunk == nil {
			break
		}
		for i := range chunk.Rows {
			if s.u.Partition != nil {
				values := make([]*string, len(s.u.Partition))
				for k := range values {
					if v := &chunk.Columns[width+k]; !v.IsNull(i) {
						text := v.Text(i)
						values[k] = &text
					}
				}
				if d := s.u.directory(values); d != directory {
					if err := part.end(); err != nil {
						return err
					}
					part, directory, inDirectory = nil, d, 0
				}
			}
			line = s.u.line(line[:0], chunk.Columns[:width], i)
			if part != nil && !part.fits(len(line)) {
				if err := part.end(); err != nil {
					return err
				}
				part = nil
			}
			if part == nil {
				if part, err = s.begin(ctx, directory, inDirectory); err != nil {
					return err
				}
				inDirectory++
			}
			if err := part.write(line); err != nil {
				return err
			}
			s.Rows++
		}
	}
	if part == nil && len(s.files) == 0 && s.u.Partition == nil { // an empty result leaves an empty file
		var err error
		if part, err = s.begin(ctx, "", 0); err != nil {
			return err
		}
	}
	err := part.end()
	part = nil
	return err
}

// line appends one row as text.
func (u *Unload) line(b []byte, columns []lake.Vector, row int) []byte {
	for i := range columns {
		if i > 0 {
			b = append(b, u.delimiter)
		}
		v := &columns[i]
		if v.IsNull(row) {
			b = append(b, u.null...)
			continue
		}
		from := len(b)
		b = pg.AppendText(b, v, row)
		b = u.dress(b, from, v.Type.Kind == lake.Varchar)
	}
	return append(b, '\n')
}

// dress quotes and escapes the field at b[from:].
func (u *Unload) dress(b []byte, from int, text bool) []byte {
	switch {
	case u.csv:
		if strings.ContainsAny(string(b[from:]), "\"\r\n"+string(rune(u.delimiter))) {
			quoted := `"` + strings.ReplaceAll(string(b[from:]), `"`, `""`) + `"`
			return append(b[:from], quoted...)
		}
	case u.escape && text:
		var out []byte
		for _, c := range b[from:] {
			if c == '\n' || c == '\r' || c == '\\' || c == u.delimiter || u.quotes && (c == '"' || c == '\'') {
				out = append(out, '\\')
			}
			out = append(out, c)
		}
		b = append(b[:from], out...)
	}
	if u.quotes && !u.csv {
		quoted := `"` + string(b[from:]) + `"`
		b = append(b[:from], quoted...)
	}
	return b
}

// textPart is a file under way.
type textPart struct {
	s    *Sink
	uri  string
	to   *io.PipeWriter
	out  io.Writer
	pack io.Closer
	sent *sent
	held int64 // bytes that the compression may still hold
	rows int64
	done chan result
}

type result struct {
	object lake.Object
	err    error
}

// sent counts what goes out.
type sent struct {
	io.Writer
	n int64
}

// Write implements io.Writer.
func (s *sent) Write(p []byte) (int, error) {
	n, err := s.Writer.Write(p)
	s.n += int64(n)
	return n, err
}

func (s *Sink) begin(ctx context.Context, directory string, n int) (*textPart, error) {
	if err := s.enter(ctx, directory); err != nil {
		return nil, err
	}
	r, w := io.Pipe()
	p := &textPart{s: s, uri: s.u.name(directory, n), to: w, done: make(chan result, 1), sent: &sent{Writer: w}}
	p.out = p.sent
	switch s.u.packed {
	case "GZIP":
		z := gzip.NewWriter(p.sent)
		p.out, p.pack = z, z
	case "ZSTD":
		z, err := zstd.NewWriter(p.sent, zstd.WithEncoderConcurrency(1))
		if err != nil {
			return nil, err
		}
		p.out, p.pack = z, z
	}
	go func() {
		o, err := s.client.PutEncrypted(ctx, p.uri, r, s.u.Encrypt)
		r.CloseWithError(errors.Join(err, io.ErrClosedPipe))
		p.done <- result{o, err}
	}()
	if s.u.header {
		var line []byte
		for i, c := range s.columns {
			if i > 0 {
				line = append(line, s.u.delimiter)
			}
			from := len(line)
			line = s.u.dress(append(line, c.Name...), from, true)
		}
		return p, p.write(append(line, '\n'))
	}
	return p, nil
}

// fits tells whether a row still belongs into the file.
func (p *textPart) fits(size int) bool {
	return p.rows == 0 || p.sent.n+p.held+int64(size) <= p.s.u.most
}

func (p *textPart) write(line []byte) error {
	before := p.sent.n
	if _, err := p.out.Write(line); err != nil {
		return p.failed(err)
	}
	if p.rows++; p.pack != nil {
		if p.held += int64(len(line)); p.sent.n > before {
			p.held = 0
		}
	}
	return nil
}

// failed prefers the reason why the object could not be stored.
func (p *textPart) failed(err error) error {
	p.to.CloseWithError(err)
	if r := <-p.done; r.err != nil {
		err = r.err
	}
	p.done <- result{err: err}
	return err
}

// end finishes the file.
func (p *textPart) end() error {
	if p == nil {
		return nil
	}
	if p.pack != nil {
		if err := p.pack.Close(); err != nil {
			return p.failed(err)
		}
	}
	p.to.Close()
	r := <-p.done
	p.done <- r
	if r.err != nil {
		return r.err
	}
	p.s.files = append(p.s.files, unloaded{p.uri, r.object.Size, p.rows})
	return nil
}

// abort gives a file up that is not finished.
func (p *textPart) abort() {
	if p != nil {
		p.to.CloseWithError(errors.New("the statement has failed"))
		<-p.done
	}
}

// Store writes files of rows that lie on disk: their paths, rows and partitions.
func (s *Sink) Store(ctx context.Context, path string, rows int64, partition []*string, n int) error {
	directory := s.u.directory(partition)
	if err := s.enter(ctx, directory); err != nil {
		return err
	}
	f, err := os.Open(path)
	if err != nil {
		return fmt.Errorf("store rows: %w", err)
	}
	defer f.Close()
	uri := s.u.name(directory, n)
	o, err := s.client.PutEncrypted(ctx, uri, f, s.u.Encrypt)
	if err != nil {
		return err
	}
	s.files = append(s.files, unloaded{uri, o.Size, rows})
	s.Rows += rows
	return nil
}

// Finish writes the manifest, if there is to be one.
func (s *Sink) Finish(ctx context.Context) error {
	if !s.u.manifest {
		return nil
	}
	text, err := json.Marshal(s.manifest())
	if err != nil {
		return err
	}
	_, err = s.client.PutEncrypted(ctx, s.u.prefix()+"manifest", strings.NewReader(string(text)), s.u.Encrypt)
	return err
}

// The manifest that UNLOAD writes ("MANIFEST [ VERBOSE ]").
type (
	outManifest struct {
		Entries []outEntry `json:"entries"`
		Schema  *outSchema `json:"schema,omitempty"`
		Meta    *outMeta   `json:"meta,omitempty"`
		Author  *outAuthor `json:"author,omitempty"`
	}
	outEntry struct {
		URL  string   `json:"url"`
		Meta *outMeta `json:"meta,omitempty"`
	}
	outMeta struct {
		Length  int64  `json:"content_length"`
		Records *int64 `json:"record_count,omitempty"`
	}
	outSchema struct {
		Elements []outElement `json:"elements"`
	}
	outElement struct {
		Name string         `json:"name"`
		Type map[string]any `json:"type"`
	}
	outAuthor struct {
		Name    string `json:"name"`
		Version string `json:"version"`
	}
)

func (s *Sink) manifest() outManifest {
	m := outManifest{Entries: []outEntry{}}
	var all outMeta
	var records int64
	for _, f := range s.files {
		e := outEntry{URL: f.uri}
		if s.u.verbose || s.u.Format == Parquet {
			e.Meta = &outMeta{Length: f.size}
		}
		if s.u.verbose {
			rows := f.rows
			e.Meta.Records = &rows
		}
		all.Length += f.size
		records += f.rows
		m.Entries = append(m.Entries, e)
	}
	if !s.u.verbose {
		return m
	}
	all.Records = &records
	m.Meta, m.Author, m.Schema = &all, &outAuthor{"Amazon Redshift", "1.0.0"}, &outSchema{Elements: []outElement{}}
	for _, c := range s.columns {
		t := map[string]any{"base": baseName(c.Type)}
		if c.Type.Kind == lake.Decimal {
			t["precision"], t["scale"] = c.Type.Width, c.Type.Scale
		}
		m.Schema.Elements = append(m.Schema.Elements, outElement{c.Name, t})
	}
	return m
}

var baseNames = map[lake.Kind]string{lake.Boolean: "boolean", lake.SmallInt: "smallint", lake.Integer: "integer", lake.BigInt: "bigint", lake.Float: "real",
	lake.Double: "double precision", lake.Decimal: "numeric", lake.Varchar: "character varying", lake.Date: "date", lake.Timestamp: "timestamp without time zone",
	lake.TimestampTZ: "timestamp with time zone"}

func baseName(t lake.Type) string {
	if name, known := baseNames[t.Kind]; known {
		return name
	}
	return strings.ToLower(t.String())
}

// Undo removes what an UNLOAD that failed has written, as far as the identity
// may, and adds to its error what is left.
func (s *Sink) Undo(ctx context.Context, err error) error {
	ctx = context.WithoutCancel(ctx)
	var left []string
	for _, f := range s.files {
		if s.client.Delete(ctx, f.uri) != nil {
			left = append(left, f.uri)
		}
	}
	if len(left) == 0 {
		return err
	}
	told := *sqlerr.From(err)
	if told.Hint != "" {
		told.Hint += "; "
	}
	told.Hint += "these files of the failed UNLOAD could not be removed: " + strings.Join(left[:min(len(left), 20)], ", ")
	return &told
}
