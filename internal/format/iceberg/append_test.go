package iceberg

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"sort"
	"strings"
	"sync"
	"testing"
	"time"

	"lakeport/internal/engine"
	"lakeport/internal/lake"
	"lakeport/internal/sqlerr"
)

// shelf is a store that keeps where a table's metadata is, in memory. before is
// called ahead of each commit, and may make it fail.
type shelf struct {
	l      *lab
	mu     sync.Mutex
	at     string
	before func(n int) (lake.Outcome, error)
	lost   bool // the next commit is made, but nobody learns it
	n      int
}

func (s *shelf) Load(ctx context.Context) (*Metadata, error) {
	s.mu.Lock()
	at := s.at
	s.mu.Unlock()
	data, err := s.l.read(ctx, at)
	if err != nil {
		return nil, err
	}
	return Parse(data)
}

func (s *shelf) Commit(ctx context.Context, base *Metadata, c Change) (lake.Outcome, error) {
	s.n++
	if s.before != nil {
		if o, err := s.before(s.n); o != 0 {
			return o, err
		}
	}
	present, err := s.Load(ctx)
	if err != nil {
		return lake.Rejected, err
	}
	if present.CurrentSnapshot != base.CurrentSnapshot {
		return lake.Rejected, sqlerr.New(sqlerr.Conflict, "the table has snapshot %d now", present.CurrentSnapshot)
	}
	if err := s.save(ctx, base, c); err != nil {
		return lake.Rejected, err
	}
	if s.lost {
		s.lost = false
		return lake.Unknown, sqlerr.New(sqlerr.Unreachable, "the answer is lost")
	}
	return lake.Committed, nil
}

func (s *shelf) save(ctx context.Context, base *Metadata, c Change) error {
	next, err := base.With(c, s.at)
	if err != nil {
		return err
	}
	data, err := next.JSON()
	if err != nil {
		return err
	}
	at := next.NextFile(s.at)
	if _, err := s.l.client.Put(ctx, at, bytes.NewReader(data)); err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.at = at
	return nil
}

// make makes a table without rows.
func (l *lab) make(name string, d Definition) *shelf {
	l.Helper()
	d.Location = "s3://lake/" + name
	n, err := d.Plan()
	l.must(err)
	m, err := n.Metadata(time.Now())
	l.must(err)
	s := &shelf{l: l, at: m.NextFile("")}
	data, err := m.JSON()
	l.must(err)
	_, err = l.client.Put(l.Context(), s.at, bytes.NewReader(data))
	l.must(err)
	return s
}

func (s *shelf) table() *Table {
	s.l.Helper()
	m, err := s.Load(s.l.Context())
	s.l.must(err)
	t, err := NewTable(m, lake.At{}, Options{
		Name: "db.t", Read: s.l.read, Head: s.l.client.Head, ReadRange: s.l.client.Read, Store: s,
		Put: func(ctx context.Context, uri string, data []byte) error {
			_, err := s.l.client.Put(ctx, uri, bytes.NewReader(data))
			return err
		},
	})
	s.l.must(err)
	return t
}

// insert writes a query's rows as files and appends them.
func (s *shelf) insert(t *Table, query string, replace bool) (lake.Outcome, error) {
	s.l.Helper()
	layout, err := t.Layout()
	s.l.must(err)
	return t.Append(s.l.Context(), s.files(layout, query), replace)
}

func (s *shelf) files(layout lake.Layout, query string) []lake.Written {
	s.l.Helper()
	dir, err := os.MkdirTemp(s.l.dir, "out")
	s.l.must(err)
	parts := make([]string, len(layout.Columns))
	for i, c := range layout.Columns {
		parts[i] = fmt.Sprintf("CAST(%s AS %s) AS %[1]s", lake.QuoteName(c.Name), c.Type)
	}
	list, err := s.l.conn.Export(s.l.Context(), engine.Export{Query: "SELECT " + strings.Join(parts, ", ") + " FROM (" + query + ")", Partition: layout.Partition, Dir: dir, Options: layout.Options})
	s.l.must(err)
	var out []lake.Written
	for i, f := range list {
		data, err := os.ReadFile(f.Path)
		s.l.must(err)
		w := f.Written
		w.Object, err = s.l.client.Put(s.l.Context(), layout.Dir+NewFileName(i), bytes.NewReader(data))
		s.l.must(err)
		out = append(out, w)
	}
	sort.Slice(out, func(i, j int) bool { return out[i].Key < out[j].Key })
	return out
}

func columns(spec string) []ColumnDefinition {
	kinds := map[string]lake.Kind{"INT": lake.Integer, "BIGINT": lake.BigInt, "VARCHAR": lake.Varchar, "DOUBLE": lake.Double, "FLOAT": lake.Float,
		"DATE": lake.Date, "TIMESTAMP": lake.Timestamp, "TIMESTAMPTZ": lake.TimestampTZ, "TIME": lake.Time, "BLOB": lake.Blob, "UUID": lake.UUID, "BOOLEAN": lake.Boolean}
	var out []ColumnDefinition
	for _, c := range strings.Split(spec, ", ") {
		name, typ, _ := strings.Cut(c, " ")
		t := lake.Type{Kind: kinds[typ]}
		if typ == "DECIMAL" {
			t = lake.Type{Kind: lake.Decimal, Width: 12, Scale: 3}
		}
		if t.Kind == 0 && typ != "DECIMAL" {
			panic(typ)
		}
		out = append(out, ColumnDefinition{Column: lake.Column{Name: name, Type: t}})
	}
	return out
}

const taxis = "trip_id BIGINT, trip_distance FLOAT, fare_amount DOUBLE, flag VARCHAR, vendor_id BIGINT"

func TestAppendedRowsAreRead(t *testing.T) {
	l := newLab(t)
	for _, version := range []string{"2", "3"} {
		s := l.make("taxis"+version, Definition{Columns: columns(taxis), Partition: []string{"vendor_id"}, Properties: map[string]string{"format-version": version}})
		for range 2 {
			if o, err := s.insert(s.table(), "SELECT * FROM (VALUES (1000371, 1.8, 15.32, 'N', 1), (1000372, 2.5, 22.15, 'N', 2), (1000373, 0.9, 9.01, 'N', 2), (1000374, 8.4, 42.13, 'Y', NULL)) v(trip_id, trip_distance, fare_amount, flag, vendor_id)", false); o != lake.Committed {
				t.Fatal(o, err)
			}
		}
		got, err := l.rows(s.table(), lake.Need{}, "SELECT DISTINCT * FROM {t} ORDER BY ALL")
		want := "{'trip_id': 1000371, 'trip_distance': 1.8, 'fare_amount': 15.32, 'flag': N, 'vendor_id': 1}\n" +
			"{'trip_id': 1000372, 'trip_distance': 2.5, 'fare_amount': 22.15, 'flag': N, 'vendor_id': 2}\n" +
			"{'trip_id': 1000373, 'trip_distance': 0.9, 'fare_amount': 9.01, 'flag': N, 'vendor_id': 2}\n" +
			"{'trip_id': 1000374, 'trip_distance': 8.4, 'fare_amount': 42.13, 'flag': Y, 'vendor_id': NULL}\n"
		if err != nil || got != want {
			t.Errorf("got %v\n%swant\n%s", err, got, want)
		}
		if got, err := l.rows(s.table(), lake.Need{}, "SELECT count(*) AS n FROM {t}"); err != nil || got != "{'n': 8}\n" {
			t.Errorf("got %v, %v", got, err)
		}
	}
}

func TestFilesAreRuledOut(t *testing.T) {
	l := newLab(t)
	s := l.make("t", Definition{Columns: columns("id BIGINT, s VARCHAR, at TIMESTAMPTZ, d DOUBLE"), Partition: []string{"bucket(id, 8)", "day(at)"}})
	for day := range 3 {
		_, err := s.insert(s.table(), fmt.Sprintf("SELECT %d AS id, 'text %[1]d' AS s, TIMESTAMPTZ '1970-01-01 00:00:00+00' + to_days(%[1]d) AS at, CASE WHEN %[1]d = 2 THEN 'nan'::DOUBLE ELSE %[1]d END AS d", day), false)
		l.must(err)
	}
	f := func(column string, op lake.Op, values ...string) lake.Filter {
		return lake.Filter{Column: column, Op: op, Values: values}
	}
	for _, c := range []struct {
		filter lake.Filter
		want   int
	}{
		{f("id", lake.Eq, "1"), 1}, {f("id", lake.In, "0", "2"), 2}, {f("ID", lake.Greater, "0"), 2}, {f("id", lake.Eq, "77"), 0},
		{f("id", lake.NotEq, "1"), 2}, {f("id", lake.IsNull), 0}, {f("id", lake.IsNotNull), 3}, {f("id", lake.Eq, "1.5"), 3},
		{f("at", lake.GreaterEq, "1970-01-02 00:00:00+00"), 2}, {f("at", lake.Less, "1970-01-02 05:45:00+05:45"), 1}, {f("at", lake.Eq, "1970-01-02 00:00:00"), 3},
		{f("s", lake.LessEq, "text 0"), 1}, {f("s", lake.Eq, "text"), 0}, {f("s", lake.Greater, "text 2"), 0},
		{f("d", lake.Greater, "100"), 1}, {f("d", lake.Less, "1"), 2}, {f("nothing", lake.Eq, "1"), 3},
	} {
		scan, err := s.table().Plan(t.Context(), lake.Need{Filters: []lake.Filter{c.filter}})
		if err != nil || len(scan.Objects) != c.want {
			t.Errorf("%v: got %d files, %v, want %d", c.filter, len(scan.Objects), err, c.want)
		}
	}
}

// Bounds are cut as write.metadata.metrics says, upper ones raised.
func TestBoundsAreCut(t *testing.T) {
	for _, c := range []struct{ high, want string }{
		{"short", "short"}, {"0123456789abcdef", "0123456789abcdef"}, {"0123456789abcdefg", "0123456789abcdeg"},
		{"0123456789abcde\U0010FFFFx", "0123456789abcdf"}, {strings.Repeat("\U0010FFFF", 17), ""}, {"0123456789abcde\uD7FFx", "0123456789abcde\uE000"},
	} {
		low, high, ok := boundsOf(Type{Name: "string"}, c.high, c.high, 16)
		if !ok || string(high) != c.want || !strings.HasPrefix(c.high, string(low)) {
			t.Errorf("%q: got %q to %q, want %q", c.high, low, high, c.want)
		}
	}
	low, high, _ := boundsOf(Type{Name: "double"}, "0.0", "0.0", 16)
	if low[7] != 0x80 || high[7] != 0 {
		t.Errorf("zeros: got % x to % x, want -0 to 0", low, high)
	}
	s := columns("a VARCHAR, b VARCHAR, c VARCHAR")
	d := Definition{Columns: s, Location: "s3://x/t"}
	n, _ := d.Plan()
	text := "a value"
	stats := map[string]lake.ColumnStats{}
	for _, c := range s {
		stats[c.Name] = lake.ColumnStats{Values: 2, Low: &text, High: &text}
	}
	f := file{sizes: map[int]int64{}, values: map[int]int64{}, nulls: map[int]int64{}, nans: map[int]int64{}, lower: map[int][]byte{}, upper: map[int][]byte{}}
	f.measure(n.Schema.Fields, "", stats, metricsOf(map[string]string{"write.metadata.metrics.default": "none",
		"write.metadata.metrics.column.b": "counts", "write.metadata.metrics.column.c": "truncate(3)"}), false)
	if len(f.values) != 2 || len(f.lower) != 1 || string(f.lower[3]) != "a v" || string(f.upper[3]) != "a w" {
		t.Errorf("got %v, %v, %v", f.values, f.lower, f.upper)
	}
}

// A file whose columns have no ids is read by the table's mapping of names; a
// column that both lack is NULL, and without a mapping nothing is read.
func TestFilesWithoutIDs(t *testing.T) {
	l := newLab(t)
	mapping := `[{"field-id": 1, "names": ["id", "old_id"]}, {"field-id": 2, "names": ["st"], "fields": [{"field-id": 4, "names": ["y"]}]}]`
	for name, properties := range map[string]map[string]string{"mapped": {"schema.name-mapping.default": mapping}, "bare": {}} {
		d := Definition{Columns: columns("id BIGINT"), Properties: properties}
		d.Columns = append(d.Columns, ColumnDefinition{Column: lake.Column{Name: "st", Type: lake.Type{Kind: lake.Struct, Fields: []lake.Column{
			{Name: "x", Type: lake.Type{Kind: lake.Integer}}, {Name: "z", Type: lake.Type{Kind: lake.BigInt}}}}}})
		s := l.make(name, d)
		f := s.write(name+".parquet", "SELECT 5::INTEGER AS old_id, {'x': 1, 'y': 2::INTEGER} AS st, 9 AS other", "")
		s.commit(f)
		got, err := l.rows(s.table(), lake.Need{}, "SELECT * FROM {t}")
		if name == "mapped" && (err != nil || got != "{'id': 5, 'st': {'x': NULL, 'z': 2}}\n") {
			t.Errorf("got %v, %v, want the columns of the mapping", got, err)
		}
		if name == "bare" && (!sqlerr.Is(err, sqlerr.Unsupported) || !strings.Contains(err.Error(), "no field ids")) {
			t.Errorf("got %v, %v, want a refusal", got, err)
		}
	}
}

func TestWhatIsNotKnownIsRefused(t *testing.T) {
	const base = `{"format-version": 2, "location": "s3://b/t", "current-schema-id": 0, "schemas": [{"schema-id": 0, "fields": [{"id": 1, "name": "a", "type": "int", "required": false}]}], "partition-specs": [{"spec-id": 0, "fields": []}]}`
	if _, err := Parse([]byte(base)); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct{ was, is, want string }{
		{`"format-version": 2`, `"format-version": 4`, "format-version 4"},
		{`"location"`, `"encryption-keys": [{}], "location"`, "encrypted"},
		{`"type": "int"`, `"type": "int128"`, `type "int128" is not known`},
		{`"type": "int"`, `"type": {"type": "bag"}`, `type "bag" is not known`},
		{`"id": 1`, `"id": 0`, "not positive"},
		{`"current-schema-id": 0`, `"current-schema-id": 3`, "no schema 3"},
		{`"location"`, `"current-snapshot-id": 5, "location"`, "no snapshot 5"},
		{`"location"`, `"default-spec-id": 5, "location"`, "no partition spec 5"},
	} {
		_, err := Parse([]byte(strings.Replace(base, c.was, c.is, 1)))
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: got %v, want %q", c.is, err, c.want)
		}
	}
	m, err := Parse([]byte(strings.Replace(base, `"type": "int"`, `"type": "variant"`, 1)))
	if err != nil {
		t.Fatal(err)
	}
	table, err := NewTable(m, lake.At{}, Options{Name: "d.t"})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := table.Plan(t.Context(), lake.Need{}); !sqlerr.Is(err, sqlerr.Unsupported) || !strings.Contains(err.Error(), "column a of table d.t has type variant") {
		t.Errorf("got %v, want the column refused", err)
	}
	if _, err := table.Plan(t.Context(), lake.Need{Columns: []string{}}); err != nil {
		t.Errorf("got %v, want the column not needed", err)
	}
}
