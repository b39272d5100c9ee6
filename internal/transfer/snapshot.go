package transfer

import (
	"bytes"
	"context"
	"crypto/md5"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"os"
	"slices"
	"strings"
	"time"

	"golang.org/x/sync/errgroup"

	"lakeport/internal/engine"
	"lakeport/internal/lake"
	"lakeport/internal/sqlerr"
)

// SnapshotMeta describes the tables of a snapshot.
type SnapshotMeta struct {
	marked
	Tables []SnapshotTable `json:"tables"`
}

// SnapshotTable is one table: what makes it again, and its rows. It holds
// StarRocks' words and plain values but no SQL of the engine, so that whoever may write
// to the bucket cannot have the engine run what a client may not.
type SnapshotTable struct {
	Name          string           `json:"name"`
	Create        string           `json:"create"` // StarRocks' statement, by which columns and clauses are known
	Columns       []SnapshotColumn `json:"columns"`
	Ranges        []SnapshotRange  `json:"ranges,omitempty"` // of the RANGE partitions that Create lists
	Informational []string         `json:"informational,omitempty"`
	Next          int64            `json:"auto_increment,omitempty"` // the next value
	Partitions    []string         `json:"partitions,omitempty"`     // that were chosen of those that the table listed; nil: all
	Files         []SnapshotFile   `json:"files"`
}

// SnapshotColumn is a column as it is kept, where Create can say it only nearly.
type SnapshotColumn struct {
	Name    string `json:"name"`
	Spelled string `json:"spelled"` // as DESC tells the type
	Type    Typed  `json:"type"`
	Length  int    `json:"length,omitempty"` // bytes; 0: no limit
}

// SnapshotRange bounds a RANGE partition; nil is open.
type SnapshotRange struct {
	Name string  `json:"name"`
	Low  *string `json:"low,omitempty"`
	High *string `json:"high,omitempty"`
}

// SnapshotFile is one file of rows.
type SnapshotFile struct {
	Path   string `json:"path"` // below the snapshot
	Bytes  int64  `json:"bytes"`
	Rows   int64  `json:"rows"`
	SHA256 string `json:"sha256"`
}

// Rows is how many rows the table has.
func (t *SnapshotTable) Rows() (n int64) {
	for _, f := range t.Files {
		n += f.Rows
	}
	return n
}

// Typed is a type that JSON spells by the names of its kinds.
type Typed struct{ lake.Type }

type typedText struct {
	Kind   string      `json:"kind"`
	Width  uint8       `json:"width,omitempty"`
	Scale  uint8       `json:"scale,omitempty"`
	Size   int         `json:"size,omitempty"`
	Key    *Typed      `json:"key,omitempty"`
	Elem   *Typed      `json:"elem,omitempty"`
	Fields []typeField `json:"fields,omitempty"`
}

type typeField struct {
	Name string `json:"name"`
	Type Typed  `json:"type"`
}

// typeKinds are those that a table's columns may have, by name.
var typeKinds = func() map[string]lake.Kind {
	named := map[string]lake.Kind{"DECIMAL": lake.Decimal, "LIST": lake.List, "ARRAY": lake.Array, "MAP": lake.Map, "STRUCT": lake.Struct}
	for k := lake.Boolean; k < lake.Struct; k++ {
		switch k {
		case lake.Decimal, lake.Enum, lake.List, lake.Array, lake.Map:
		default:
			named[lake.Type{Kind: k}.String()] = k
		}
	}
	return named
}()

var typeKindNames = func() map[lake.Kind]string {
	names := map[lake.Kind]string{}
	for name, k := range typeKinds {
		names[k] = name
	}
	return names
}()

// MarshalJSON implements json.Marshaler.
func (t Typed) MarshalJSON() ([]byte, error) {
	text := typedText{Kind: typeKindNames[t.Kind], Width: t.Width, Scale: t.Scale, Size: t.Size}
	if text.Kind == "" {
		return nil, sqlerr.New(sqlerr.Unsupported, "values of type %s cannot be stored in snapshots", strings.ToLower(t.String()))
	}
	if t.Key != nil {
		text.Key = &Typed{*t.Key}
	}
	if t.Elem != nil {
		text.Elem = &Typed{*t.Elem}
	}
	for _, f := range t.Fields {
		text.Fields = append(text.Fields, typeField{f.Name, Typed{f.Type}})
	}
	return json.Marshal(text)
}

// UnmarshalJSON implements json.Unmarshaler.
func (t *Typed) UnmarshalJSON(data []byte) error {
	var text typedText
	d := json.NewDecoder(bytes.NewReader(data))
	d.DisallowUnknownFields()
	if err := d.Decode(&text); err != nil {
		return err
	}
	kind, known := typeKinds[text.Kind]
	t.Type = lake.Type{Kind: kind, Width: text.Width, Scale: text.Scale, Size: text.Size}
	if text.Key != nil {
		t.Key = &text.Key.Type
	}
	if text.Elem != nil {
		t.Elem = &text.Elem.Type
	}
	for _, f := range text.Fields {
		t.Fields = append(t.Fields, lake.Column{Name: f.Name, Type: f.Type.Type})
	}
	decimal, nested := kind == lake.Decimal, kind == lake.List || kind == lake.Array || kind == lake.Map
	switch {
	case !known, decimal != (t.Width > 0), t.Width > 38 || t.Scale > t.Width, nested != (t.Elem != nil), (kind == lake.Map) != (t.Key != nil),
		(kind == lake.Struct) != (len(t.Fields) > 0), (kind == lake.Array) != (t.Size > 0):
		return fmt.Errorf("%s is no type", data)
	}
	return nil
}

// stored is the type of a column's values in the files: one that Parquet keeps
// exactly (DuckDB writes a HUGEINT as a DOUBLE, and an INTERVAL in milliseconds).
func stored(t lake.Type) lake.Type {
	switch t.Kind {
	case lake.HugeInt, lake.UHugeInt, lake.TimeTZ, lake.Interval, lake.Bit:
		return lake.Type{Kind: lake.Varchar}
	}
	if t.Elem != nil {
		e := stored(*t.Elem)
		t.Elem = &e
	}
	if t.Key != nil {
		k := stored(*t.Key)
		t.Key = &k
	}
	t.Fields = slices.Clone(t.Fields)
	for i := range t.Fields {
		t.Fields[i].Type = stored(t.Fields[i].Type)
	}
	return t
}

// selecting spells the columns with the types that to gives.
func (t *SnapshotTable) selecting(to func(lake.Type) lake.Type) string {
	list := make([]string, len(t.Columns))
	for i, c := range t.Columns {
		name := lake.QuoteName(c.Name)
		list[i] = name
		if stored(c.Type.Type).String() != c.Type.String() {
			list[i] = "CAST(" + name + " AS " + to(c.Type.Type).String() + ") AS " + name
		}
	}
	return "SELECT " + strings.Join(list, ", ")
}

// Query is the SELECT of the rows of files on disk, all columns in order.
func (t *SnapshotTable) Query(paths []string) string {
	quoted := make([]string, len(paths))
	for i, p := range paths {
		quoted[i] = lake.QuoteString(p)
	}
	return t.selecting(func(t lake.Type) lake.Type { return t }) + " FROM read_parquet([" + strings.Join(quoted, ", ") + "])"
}

func readMeta(text []byte, uri string) (*SnapshotMeta, error) {
	meta, err := readMarked[SnapshotMeta](text, uri, func(m *SnapshotMeta) marked { return m.marked })
	if err != nil {
		return nil, err
	}
	seen := map[string]bool{}
	for _, t := range meta.Tables {
		if t.Name == "" || seen[t.Name] || len(t.Columns) == 0 {
			return nil, sqlerr.New(sqlerr.Corrupt, "%s describes no table %q", uri, t.Name)
		}
		seen[t.Name] = true
		for _, c := range t.Columns {
			if c.Name == "" || c.Type.Kind == lake.Invalid {
				return nil, sqlerr.New(sqlerr.Corrupt, "%s describes no column %q of table %s", uri, c.Name, t.Name)
			}
		}
		for _, f := range t.Files {
			if !strings.HasPrefix(f.Path, contentMark) || f.Bytes < 0 || f.Rows < 0 || len(f.SHA256) != 2*sha256.Size {
				return nil, sqlerr.New(sqlerr.Corrupt, "%s describes no file %q", uri, f.Path)
			}
		}
	}
	return meta, nil
}

// Writing is a snapshot that is being written.
type Writing struct {
	r    *Repository
	info SnapshotInfo
	meta SnapshotMeta
}

// Begin starts a snapshot. token tells it from others that were begun under
// the name. Nothing of it is seen before Publish.
func (r *Repository) Begin(name, database, timestamp, token string) *Writing {
	return &Writing{r: r, info: SnapshotInfo{marked: mark, Name: name, Database: database, Timestamp: timestamp, Token: token, Tables: map[string]TableSummary{}},
		meta: SnapshotMeta{marked: mark}}
}

// senders is how many files are sent or fetched at once.
const senders = 4

// snapshotFile is about how many bytes a file has.
const snapshotFile = 128_000_000

// Table writes the rows of a table, those for which where holds, and describes
// it; where is "" for all rows. name is the table in the engine's SQL, dir an
// empty directory that the engine may write to. progress is told of each file.
func (w *Writing) Table(ctx context.Context, c *engine.Conn, t SnapshotTable, name, where, dir string, progress func(SnapshotFile)) error {
	query := t.selecting(stored) + " FROM " + name
	if where != "" {
		query += " WHERE " + where
	}
	files, err := c.Export(ctx, engine.Export{Query: query, Dir: dir, Options: "COMPRESSION zstd", FileSize: snapshotFile})
	if err != nil {
		return err
	}
	slices.SortFunc(files, func(a, b engine.Exported) int { return strings.Compare(a.Path, b.Path) })
	t.Files = make([]SnapshotFile, len(files))
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(senders)
	for i, f := range files {
		t.Files[i] = SnapshotFile{Path: fmt.Sprintf("%s%s/__tbl_%d/%05d.parquet", contentMark, w.info.Token, len(w.meta.Tables), i), Rows: f.Rows}
		group.Go(func() error {
			if err := w.send(ctx, f.Path, &t.Files[i]); err != nil {
				return err
			}
			progress(t.Files[i])
			return nil
		})
	}
	err = group.Wait()
	summary := TableSummary{Rows: t.Rows(), Files: len(t.Files), Partitions: t.Partitions}
	for _, f := range t.Files {
		summary.Bytes += f.Bytes
	}
	w.meta.Tables, w.info.Tables[t.Name] = append(w.meta.Tables, t), summary
	return err
}

// send stores a file and notes its size and hash.
func (w *Writing) send(ctx context.Context, local string, f *SnapshotFile) error {
	file, err := os.Open(local)
	if err != nil {
		return fmt.Errorf("store rows: %w", err)
	}
	defer file.Close()
	sum := sha256.New()
	o, err := w.r.client.Put(ctx, w.uri(f.Path), io.TeeReader(file, sum))
	f.Bytes, f.SHA256 = o.Size, hex.EncodeToString(sum.Sum(nil))
	return err
}

func (w *Writing) uri(tail string) string { return w.r.uri(snapshot(w.info.Name) + tail) }

// SaveMeta writes the description of the tables.
func (w *Writing) SaveMeta(ctx context.Context) error {
	text, err := json.Marshal(w.meta)
	if err != nil {
		return err
	}
	sum := md5.Sum(text)
	w.info.Meta = metaMark + hex.EncodeToString(sum[:])
	_, err = w.r.client.Put(ctx, w.uri(w.info.Meta), bytes.NewReader(text))
	return err
}

// Publish makes the snapshot seen. If S3's answer is lost, it looks whether it
// is.
func (w *Writing) Publish(ctx context.Context) error {
	text, err := json.Marshal(w.info)
	if err != nil {
		return err
	}
	sum := md5.Sum(text)
	_, err = w.r.client.Put(ctx, w.uri(infoMark+w.info.Timestamp+"."+hex.EncodeToString(sum[:])), bytes.NewReader(text))
	if err == nil {
		return nil
	}
	if published, _ := w.Published(ctx); published {
		return nil
	}
	return err
}

// Published tells whether the snapshot is seen already. Another one of its name
// is an error: a name stands for one snapshot of a repository.
func (w *Writing) Published(ctx context.Context) (bool, error) {
	list, err := w.r.Find(ctx, w.info.Name)
	for _, l := range list {
		if l.Info != nil && l.Info.Token == w.info.Token {
			return true, nil
		}
	}
	if len(list) > 0 {
		err = sqlerr.New(sqlerr.Exists, "Snapshot with name '%s' already exist in repository", w.info.Name).With(sqlerr.Code{MySQL: 1064, State: "HY000"})
	}
	return false, err
}

// undoing is how long Undo may keep a job that has failed, whose S3 may not
// answer.
const undoing = 2 * time.Second

// Undo removes the files of a snapshot that will not be published, as far as
// the identity may and time allows.
func (w *Writing) Undo(ctx context.Context) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), undoing)
	defer cancel()
	found, err := w.r.client.List(ctx, w.r.bucket, w.r.root+snapshot(w.info.Name)+contentMark+w.info.Token+"/", true)
	if err != nil {
		return
	}
	for _, o := range found {
		if w.r.client.Delete(ctx, o.URI()) != nil {
			return
		}
	}
}

// stretch is how many bytes are asked for at once.
const stretch = 8 << 20

// Files are the places of a table's files of rows.
func (r *Repository) Files(info *SnapshotInfo, t *SnapshotTable) []string {
	uris := make([]string, len(t.Files))
	for i, f := range t.Files {
		uris[i] = r.uri(snapshot(info.Name) + f.Path)
	}
	return uris
}

// Fetch copies a table's files into a directory and gives their paths. A file
// that is missing or not what it was is an error.
func (r *Repository) Fetch(ctx context.Context, info *SnapshotInfo, t *SnapshotTable, dir string, progress func(SnapshotFile)) ([]string, error) {
	paths := make([]string, len(t.Files))
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(senders)
	uris := r.Files(info, t)
	for i, f := range t.Files {
		paths[i] = fmt.Sprintf("%s/%05d.parquet", dir, i)
		group.Go(func() error {
			if err := r.fetch(ctx, uris[i], f, paths[i]); err != nil {
				return err
			}
			progress(f)
			return nil
		})
	}
	return paths, group.Wait()
}

func (r *Repository) fetch(ctx context.Context, uri string, f SnapshotFile, local string) error {
	o, err := r.client.Head(ctx, uri)
	if err != nil {
		return absent(err, uri)
	}
	damaged := sqlerr.New(sqlerr.Corrupt, "the snapshot is damaged: %s has changed", uri)
	if o.Size != f.Bytes {
		return damaged
	}
	file, err := os.Create(local)
	if err != nil {
		return fmt.Errorf("fetch rows: %w", err)
	}
	defer file.Close()
	sum := sha256.New()
	for off := int64(0); off < o.Size; off += stretch {
		b, err := r.client.Read(ctx, o, off, stretch)
		if err != nil {
			return absent(err, uri)
		}
		sum.Write(b)
		if _, err := file.Write(b); err != nil {
			return fmt.Errorf("fetch rows: %w", err)
		}
	}
	if hex.EncodeToString(sum.Sum(nil)) != f.SHA256 {
		return damaged
	}
	return file.Close()
}

// TableNames are those of the snapshot, sorted.
func (i *SnapshotInfo) TableNames() []string { return slices.Sorted(maps.Keys(i.Tables)) }
