package scan_test

import (
	"bytes"
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"

	"lakeport/internal/blob"
	"lakeport/internal/engine"
	"lakeport/internal/lake"
	"lakeport/internal/scan"
)

// bucket serves files' ranges as S3 does and counts the bytes.
type bucket struct {
	mu    sync.Mutex
	files map[string][]byte
	sent  int64
	gets  int
}

func (b *bucket) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	b.mu.Lock()
	data := b.files[strings.TrimPrefix(r.URL.Path, "/b/")]
	b.gets++
	b.mu.Unlock()
	w.Header().Set("ETag", `"e"`)
	http.ServeContent(counted{w, b}, r, "", time.Time{}, bytes.NewReader(data))
}

type counted struct {
	http.ResponseWriter
	b *bucket
}

func (c counted) Write(p []byte) (int, error) {
	c.b.mu.Lock()
	c.b.sent += int64(len(p))
	c.b.mu.Unlock()
	return c.ResponseWriter.Write(p)
}

// lab is an engine, a store and a bucket with four files of a table of sixteen
// columns.
type lab struct {
	*bucket
	t       *testing.T
	store   *blob.Store
	client  *blob.Client
	conn    *engine.Conn
	objects []lake.Object
	dir     string
}

func newLab(t *testing.T, rows int, copyOptions, ext string) *lab {
	t.Helper()
	l := &lab{t: t, bucket: &bucket{files: map[string][]byte{}}, dir: t.TempDir()}
	srv := httptest.NewServer(l.bucket)
	t.Cleanup(srv.Close)
	var err error
	if l.store, err = blob.Open(blob.Options{Dir: filepath.Join(l.dir, "store")}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.store.Close() })
	db, err := engine.Open(engine.Options{Dirs: []string{l.dir}, Threads: 2, Translate: l.store.Translate})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(db.Close)
	if l.conn, err = db.Connect(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(l.conn.Close)
	l.client = l.store.Client(aws.Config{Region: "eu-west-1", BaseEndpoint: &srv.URL, Credentials: static{}},
		blob.ClientOptions{Identity: "me", PathStyle: true})
	var columns []string
	for i := range 16 {
		columns = append(columns, fmt.Sprintf("hash(range * 16 + %d) %% %d AS c%d", i, 1000*(i+1), i))
	}
	for i := range 4 {
		name := fmt.Sprintf("part-%d.%s", i, ext)
		file := filepath.Join(l.dir, name)
		l.query(fmt.Sprintf("COPY (SELECT range AS id, %s FROM range(%d, %d)) TO '%s' (%s)", strings.Join(columns, ", "), i*rows, (i+1)*rows, file, copyOptions))
		data, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		l.files[name] = data
		l.objects = append(l.objects, lake.Object{Bucket: "b", Key: name, Size: int64(len(data)), ETag: `"e"`})
	}
	return l
}

type static struct{}

func (static) Retrieve(context.Context) (aws.Credentials, error) {
	return aws.Credentials{AccessKeyID: "AKIA", SecretAccessKey: "secret"}, nil
}

// query gives the rows of a statement as text.
func (l *lab) query(sql string) string {
	l.t.Helper()
	out, err := l.try(sql)
	if err != nil {
		l.t.Fatalf("%s: %v", sql, err)
	}
	return out
}

func (l *lab) try(sql string) (string, error) {
	ctx := context.Background()
	rows, err := l.conn.Query(ctx, "SELECT list(x)::VARCHAR FROM ("+sql+") x")
	if strings.HasPrefix(sql, "COPY") {
		_, err := l.conn.Exec(ctx, sql)
		return "", err
	}
	if err != nil {
		return "", err
	}
	defer rows.Close()
	var out strings.Builder
	for {
		c, err := rows.Next(ctx)
		if err != nil || c == nil {
			return out.String(), err
		}
		for i := range c.Rows {
			out.WriteString(c.Columns[0].Text(i))
		}
	}
}

func reader(function string) func(paths, feeds []string) string {
	return func(paths, _ []string) string {
		quoted := make([]string, len(paths))
		for i, p := range paths {
			quoted[i] = lake.QuoteString(p)
		}
		return "SELECT * FROM " + function + "([" + strings.Join(quoted, ", ") + "])"
	}
}

// over runs a query over the mounted table t and gives rows and statistics.
func (l *lab) over(sql string, s lake.Scan) (string, blob.Stats) {
	l.t.Helper()
	ctx := context.Background()
	st := l.store.Begin(ctx)
	defer st.Close()
	table, err := scan.Prepare(ctx, st, l.client, s)
	if err != nil {
		l.t.Fatal(err)
	}
	got, err := l.try(strings.Replace(sql, "{t}", "("+table+")", 1))
	if cause := st.Err(); cause != nil {
		l.t.Fatalf("%s: %v", sql, cause)
	}
	if err != nil {
		l.t.Fatalf("%s: %v", sql, err)
	}
	return got, st.Stats()[0]
}

func TestScansGiveTheRowsOfLocalFiles(t *testing.T) {
	for _, f := range []struct {
		ext      string
		rows     int
		copy     string
		function string
	}{
		{"parquet", 100_000, "FORMAT parquet, COMPRESSION zstd, ROW_GROUP_SIZE 10000", "read_parquet"},
		{"csv", 5_000, "FORMAT csv, HEADER", "read_csv"},
		{"csv.gz", 5_000, "FORMAT csv, HEADER, COMPRESSION gzip", "read_csv"},
		{"json", 5_000, "FORMAT json", "read_json"},
	} {
		t.Run(f.ext, func(t *testing.T) {
			l := newLab(t, f.rows, f.copy, f.ext)
			if f.function != "read_parquet" { // the engine takes its time over the dialect of each file
				l.objects = l.objects[:1]
			}
			var local []string
			for _, o := range l.objects {
				local = append(local, filepath.Join(l.dir, o.Key))
			}
			s := lake.Scan{Table: "t", Format: strings.TrimSuffix(f.ext, ".gz"), Objects: l.objects, SQL: reader(f.function)}
			for _, q := range []struct {
				sql     string
				columns []string
			}{
				{"SELECT count(*) FROM {t}", []string{}},
				{"SELECT sum(c3), max(c9) FROM {t}", []string{"c3", "c9"}},
				{"SELECT sum(c3), max(c9) FROM {t}", []string{"c1"}}, // a wrong hint costs time only
				{"SELECT sum(c1) FROM {t} WHERE c7 < 10 AND id > 3456", nil},
				{"SELECT * FROM {t} ORDER BY id DESC LIMIT 5", nil},
				{"SELECT c2, count(*) AS n FROM {t} GROUP BY c2 ORDER BY n DESC, c2 LIMIT 3", []string{"c2"}},
			} {
				want := l.query(strings.Replace(q.sql, "{t}", "("+s.SQL(local, nil)+")", 1))
				s.Columns = q.columns
				for _, turn := range []string{"first", "again"} {
					if got, _ := l.over(q.sql, s); got != want {
						t.Errorf("%s, %s: got %s, want %s", q.sql, turn, got, want)
					}
				}
			}
		})
	}
}

func TestTwoColumnsOfSeventeenFetchTheirChunksOnly(t *testing.T) {
	l := newLab(t, 100_000, "FORMAT parquet, COMPRESSION zstd, ROW_GROUP_SIZE 10000", "parquet")
	var chunks, footers int64
	for _, o := range l.objects {
		file := lake.QuoteString(filepath.Join(l.dir, o.Key))
		var n, f int64
		fmt.Sscan(strings.Trim(l.query("SELECT sum(total_compressed_size) FROM parquet_metadata("+file+") WHERE path_in_schema IN ('c3', 'c9')"), "[{}'sum(total_compressed_size)': "), &n)
		fmt.Sscan(strings.Trim(l.query("SELECT max(footer_size) + 8 AS n FROM parquet_file_metadata("+file+")"), "[{}'n': "), &f)
		chunks, footers = chunks+n, footers+f
	}
	if chunks == 0 || footers == 0 {
		t.Fatalf("chunks %d, footers %d", chunks, footers)
	}
	_, s := l.over("SELECT sum(c3), max(c9) FROM {t}", lake.Scan{Table: "t", Objects: l.objects, Columns: []string{"c3", "c9"}, SQL: reader("read_parquet")})
	if float64(l.sent) > 1.1*float64(chunks)+float64(footers) {
		t.Errorf("fetched %d bytes for %d of chunks and %d of footers: %+v", l.sent, chunks, footers, s)
	}
	if s.Most <= 8 {
		t.Errorf("%d requests at once: %+v", s.Most, s)
	}
	t.Logf("chunks %d, footers %d, %+v", chunks, footers, s)
	if _, s := l.over("SELECT sum(c3), max(c9) FROM {t}", lake.Scan{Table: "t", Objects: l.objects, Columns: []string{"c3", "c9"}, SQL: reader("read_parquet")}); s.Bytes != 0 || s.Requests != 0 {
		t.Errorf("cached scan: %+v", s)
	}
}

// What the footers say is what the engine reads the files as.
func TestDescribeTellsTheTypesThatTheEngineReads(t *testing.T) {
	l := newLab(t, 10, "FORMAT parquet", "parquet")
	for i, want := range []string{
		"a BOOLEAN", "a TINYINT, b SMALLINT, c INTEGER, d BIGINT", "a UTINYINT, b USMALLINT, c UINTEGER, d UBIGINT",
		"a FLOAT, b DOUBLE", "a DECIMAL(4,1), b DECIMAL(9,2), c DECIMAL(18,3), d DECIMAL(38,10)",
		"a VARCHAR, b BLOB, c UUID", "a DATE, b TIMESTAMP, c TIMESTAMP WITH TIME ZONE, d TIMESTAMP_NS, e TIME",
		"a INTEGER[], b VARCHAR[][]", "a MAP(VARCHAR, INTEGER[]), b MAP(INTEGER, MAP(DATE, DOUBLE))",
		`A STRUCT("x y" INTEGER, "l" STRUCT("z" DATE)[]), b SMALLINT`,
	} {
		name := fmt.Sprintf("typed-%d.parquet", i)
		file := filepath.Join(l.dir, name)
		l.query("COPY (SELECT * FROM (SELECT NULL::STRUCT(" + want + ") AS s) t(s)) TO '" + file + "' (FORMAT parquet)")
		data, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		l.files[name] = data
		st := l.store.Begin(t.Context())
		got := ""
		_, err = scan.Prepare(t.Context(), st, l.client, lake.Scan{
			Objects: []lake.Object{{Bucket: "b", Key: name, Size: int64(len(data))}},
			Describe: func(_ int, columns []lake.Column) error {
				for i, c := range columns[0].Type.Fields {
					if i > 0 {
						got += ", "
					}
					got += c.Name + " " + c.Type.String()
				}
				return nil
			},
			SQL: func([]string, []string) string { return "" },
		})
		if err != nil || got != want {
			t.Errorf("got %s, %v\nwant %s", got, err, want)
		}
		_ = st.Close()
	}
}

// Spark 2, and later ones if told to, count days before 1582-10-15 by another
// calendar than the engine: a file with such days is refused.
func TestDaysOfTheJulianCalendarAreRefused(t *testing.T) {
	l := newLab(t, 1, "FORMAT parquet", "parquet")
	const refused = "has days before 1582-10-15 that Spark counted by the Julian calendar"
	for i, c := range []struct{ rows, metadata, want string }{
		{"DATE '1582-10-14'", "'org.apache.spark.legacyDateTime': ''", refused},
		{"TIMESTAMPTZ '1582-10-14 23:59:59+00'", "'org.apache.spark.legacyDateTime': ''", refused},
		{"TIMESTAMP '0001-01-01 00:00:00'", "'org.apache.spark.version': '2.4.8'", refused},
		{"DATE '1582-10-15'", "'org.apache.spark.legacyDateTime': ''", "1582-10-15"},
		{"DATE '1500-01-01'", "'org.apache.spark.version': '3.5.9'", "1500-01-01"},
		{"-999999", "'org.apache.spark.legacyDateTime': ''", "-999999"},
	} {
		name := fmt.Sprintf("days-%d.parquet", i)
		file := filepath.Join(l.dir, name)
		l.query("COPY (SELECT " + c.rows + " AS d) TO '" + file + "' (FORMAT parquet, KV_METADATA {" + c.metadata + "})")
		data, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		l.files[name] = data
		st := l.store.Begin(t.Context())
		sql, err := scan.Prepare(t.Context(), st, l.client, lake.Scan{Objects: []lake.Object{{Bucket: "b", Key: name, Size: int64(len(data))}}, SQL: reader("read_parquet")})
		got := ""
		if err == nil {
			got = l.query("SELECT d::VARCHAR FROM (" + sql + ")")
		} else {
			got = err.Error()
		}
		if !strings.Contains(got, c.want) || c.want == refused && !strings.Contains(got, "s3://b/"+name) {
			t.Errorf("%s, %s: got %s, want %s", c.rows, c.metadata, got, c.want)
		}
		_ = st.Close()
	}
}
