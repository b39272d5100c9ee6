package delta

import (
	"cmp"
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"lakeport/internal/engine"
	"lakeport/internal/lake"
)

// shelf is a directory that stands for the bucket b, and an engine that may
// read it: what a plan says is carried out on real files.
type shelf struct {
	t    *testing.T
	dir  string
	db   *engine.DB
	conn *engine.Conn
	read []string // keys that Read was asked for
}

func newShelf(t *testing.T) *shelf {
	t.Helper()
	s := &shelf{t: t, dir: t.TempDir()}
	var err error
	if s.db, err = engine.Open(engine.Options{Dirs: []string{s.dir}, Threads: 2}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.db.Close)
	s.conn = s.connect()
	return s
}

func (s *shelf) connect() *engine.Conn {
	s.t.Helper()
	c, err := s.db.Connect()
	if err != nil {
		s.t.Fatal(err)
	}
	s.t.Cleanup(c.Close)
	return c
}

func (s *shelf) put(key string, body string) {
	s.t.Helper()
	path := filepath.Join(s.dir, key)
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		s.t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(body), 0o600); err != nil {
		s.t.Fatal(err)
	}
}

// parquet writes a query's rows as an object.
func (s *shelf) parquet(key, query string) {
	s.t.Helper()
	s.put(key, "")
	if _, err := s.conn.Exec(s.t.Context(), "COPY ("+query+") TO "+lake.QuoteString(filepath.Join(s.dir, key))+" (FORMAT parquet)"); err != nil {
		s.t.Fatalf("write %s: %v", key, err)
	}
}

// commits writes a log; the schema of the table is spelled "name type, …".
func (s *shelf) commits(table string, list ...string) {
	s.t.Helper()
	for v, text := range list {
		s.put(fmt.Sprintf("%s/_delta_log/%020d.json", table, v), text)
	}
}

// protocolOf and metaOf spell the two actions that every log begins with.
func protocolOf(features ...string) string {
	if len(features) == 0 {
		return `{"protocol":{"minReaderVersion":1,"minWriterVersion":2}}` + "\n"
	}
	return `{"protocol":{"minReaderVersion":3,"minWriterVersion":7,"readerFeatures":["` + strings.Join(features, `","`) + `"]}}` + "\n"
}

func metaOf(columns string, keys ...string) string {
	var fields []string
	for c := range strings.SplitSeq(columns, ", ") {
		name, typ, _ := strings.Cut(c, " ")
		fields = append(fields, fmt.Sprintf(`{\"name\":\"%s\",\"type\":\"%s\",\"nullable\":true,\"metadata\":{}}`, name, typ))
	}
	quoted := make([]string, len(keys))
	for i, k := range keys {
		quoted[i] = fmt.Sprintf("%q", k)
	}
	return `{"metaData":{"id":"x","format":{"provider":"parquet"},"partitionColumns":[` + strings.Join(quoted, ",") +
		`],"configuration":{},"schemaString":"{\"type\":\"struct\",\"fields\":[` + strings.Join(fields, ",") + `]}"}}` + "\n"
}

func adds(path string, more ...string) string {
	return fmt.Sprintf(`{"add":{"path":%q,"size":1,"dataChange":true%s}}`, path, strings.Join(append([]string{""}, cmp.Or(strings.Join(more, ","), `"partitionValues":{}`)), ",")) + "\n"
}

func removes(path string) string {
	return fmt.Sprintf(`{"remove":{"path":%q,"dataChange":true}}`, path) + "\n"
}

func (s *shelf) options() Options {
	return Options{
		List: func(_ context.Context, dir, after string) ([]lake.Object, error) {
			prefix, start := strings.TrimPrefix(dir, "s3://b/"), strings.TrimPrefix(after, "s3://b/")
			entries, err := os.ReadDir(filepath.Join(s.dir, prefix))
			if err != nil && !os.IsNotExist(err) {
				return nil, err
			}
			var list []lake.Object
			for _, e := range entries {
				if info, err := e.Info(); err == nil && !e.IsDir() && prefix+e.Name() > start {
					list = append(list, lake.Object{Bucket: "b", Key: prefix + e.Name(), Size: info.Size()})
				}
			}
			slices.SortFunc(list, func(a, b lake.Object) int { return strings.Compare(a.Key, b.Key) })
			return list, nil
		},
		Read: func(_ context.Context, o lake.Object, off, n int64) ([]byte, error) {
			s.read = append(s.read, o.Key)
			b, err := os.ReadFile(filepath.Join(s.dir, o.Key))
			if err != nil {
				return nil, err
			}
			return b[min(off, int64(len(b))):min(off+n, int64(len(b)))], nil
		},
		Rows: func(ctx context.Context, scan lake.Scan, row func([]byte) error) error {
			conn := s.connect()
			rows, err := conn.Query(ctx, scan.SQL(s.paths(scan), nil))
			if err != nil {
				return err
			}
			defer rows.Close()
			for {
				chunk, err := rows.Next(ctx)
				if err != nil || chunk == nil {
					return err
				}
				for i := range chunk.Rows {
					if err := row(chunk.Columns[0].Strings()[i].Bytes()); err != nil {
						return err
					}
				}
			}
		},
	}
}

func (s *shelf) paths(scan lake.Scan) []string {
	paths := make([]string, len(scan.Objects))
	for i, o := range scan.Objects {
		paths[i] = filepath.Join(s.dir, o.Key)
	}
	return paths
}

func (s *shelf) open(table string) (lake.Table, error) {
	return Open(s.t.Context(), "db."+table, "s3://b/"+table, s.options())
}

// plan plans a table and tells it the columns of its files, as a mount does.
func (s *shelf) plan(table string, n lake.Need) (lake.Scan, error) {
	s.t.Helper()
	t, err := s.open(table)
	if err != nil {
		return lake.Scan{}, err
	}
	scan, err := t.Plan(s.t.Context(), n)
	if err != nil {
		return scan, err
	}
	for i, path := range s.paths(scan) {
		rows, err := s.conn.Query(s.t.Context(), "SELECT * FROM read_parquet("+lake.QuoteString(path)+", hive_partitioning = false) LIMIT 0")
		if err != nil {
			return scan, err
		}
		columns := rows.Columns()
		rows.Close()
		if err := scan.Describe(i, columns); err != nil {
			return scan, err
		}
	}
	return scan, nil
}

// rows gives a table's rows as sorted text, or its error.
func (s *shelf) rows(table string) string {
	s.t.Helper()
	scan, err := s.plan(table, lake.Need{})
	if err != nil {
		return "error: " + err.Error()
	}
	var feeds []string
	for _, f := range scan.Feeds {
		feeds = append(feeds, engine.Offer(s.t.Context(), f))
	}
	rows, err := s.conn.Query(s.t.Context(), "SELECT string_agg(r, '; ' ORDER BY r) FROM (SELECT row(*COLUMNS(*))::VARCHAR AS r FROM ("+scan.SQL(s.paths(scan), feeds)+"))")
	if err != nil {
		return "error: " + err.Error()
	}
	defer rows.Close()
	chunk, err := rows.Next(s.t.Context())
	if err != nil {
		return "error: " + err.Error()
	}
	return chunk.Columns[0].Text(0)
}

// expect compares the rows of a table, or the words of its error.
func (s *shelf) expect(table, want string) {
	s.t.Helper()
	got := s.rows(table)
	if got != want && !(strings.HasPrefix(want, "error: ") && strings.HasPrefix(got, "error: ") && strings.Contains(got, want[len("error: "):])) {
		s.t.Errorf("table %s:\ngot  %s\nwant %s", table, got, want)
	}
}
