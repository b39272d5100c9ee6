package iceberg

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"path/filepath"
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
		Name: "db.t", Read: s.l.read, ReadRange: s.l.readRange, Store: s,
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
		fmt.Println(s.at)
	}
	_ = filepath.Join
}
