package scan_test

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	awss3 "github.com/aws/aws-sdk-go-v2/service/s3"

	"lakeport/internal/blob"
	"lakeport/internal/engine"
	"lakeport/internal/lake"
	"lakeport/internal/sandbox"
	"lakeport/internal/sandbox/s3"
	"lakeport/internal/scan"
)

// benchWorld has one user, who may read and write one bucket.
const benchWorld = `{"accounts": {"111111111111": {
    "root": {"access_key_id": "AKIAROOTROOTROOTROO1", "secret_access_key": "rootsecret1"},
    "users": {"ann": {"AccessKeys": [{"AccessKeyId": "AKIAANNANNANNANNANN1", "SecretAccessKey": "annsecret"}],
      "UserPolicyList": [{"PolicyName": "lake", "PolicyDocument": {"Version": "2012-10-17", "Statement": [
        {"Effect": "Allow", "Action": ["s3:GetObject", "s3:PutObject", "s3:AbortMultipartUpload", "s3:CreateBucket", "s3:ListBucket"],
         "Resource": ["arn:aws:s3:::lake", "arn:aws:s3:::lake/*"]}]}}]}}
  }}, "host": {"account": "111111111111", "instance_profile": "none"}}`

var benchQueries = []struct {
	name, sql string
	columns   []string
}{
	{"sum", "SELECT sum(l_quantity), sum(l_extendedprice) FROM {t}", []string{"l_quantity", "l_extendedprice"}},
	{"filter", `SELECT sum(l_extendedprice * l_discount) FROM {t} WHERE l_shipdate >= DATE '1994-01-01'
		AND l_shipdate < DATE '1995-01-01' AND l_discount BETWEEN 0.05 AND 0.07 AND l_quantity < 24`,
		[]string{"l_extendedprice", "l_discount", "l_shipdate", "l_quantity"}},
	{"group", "SELECT l_shipmode, max(l_comment) FROM {t} GROUP BY l_shipmode ORDER BY l_shipmode", []string{"l_shipmode", "l_comment"}},
}

// bench is the sandbox with TPC-H's lineitem in it, and an engine.
type bench struct {
	url     string
	delay   atomic.Int64 // before each answer to a GET
	conn    *engine.Conn
	mounts  string // where stores are made
	local   []string
	objects []lake.Object
}

func newBench(b *testing.B) *bench {
	b.Helper()
	data := os.Getenv("LAKEPORT_BENCH_DATA")
	if data == "" {
		cache, err := os.UserCacheDir()
		if err != nil {
			b.Fatal(err)
		}
		data = filepath.Join(cache, "lakeport-bench")
	}
	w := &bench{}
	w.local, _ = filepath.Glob(filepath.Join(data, "lineitem", "*.parquet"))
	if len(w.local) != 4 {
		b.Fatalf("%s holds %d files of lineitem, want 4; make them with\n"+
			"pip install tpchgen-cli==4.0.0 && tpchgen-cli parquet -s 5 --tables lineitem --parts 4 -c 'zstd(3)' --output-dir %s",
			filepath.Join(data, "lineitem"), len(w.local), data)
	}
	w.mounts = b.TempDir()
	srv, err := sandbox.Open(sandbox.Options{Dir: filepath.Join(w.mounts, "sandbox"), World: strings.NewReader(benchWorld)})
	if err != nil {
		b.Fatal(err)
	}
	service, err := s3.New(s3.Options{DB: srv.DB(), Dir: filepath.Join(w.mounts, "sandbox", "s3"), Principals: func() s3.Principals { return srv.World().State() }})
	if err != nil {
		b.Fatal(err)
	}
	srv.Add(service)
	handler := srv.Handler()
	listener := httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		time.Sleep(time.Duration(w.delay.Load()))
		handler.ServeHTTP(rw, r)
	}))
	w.url = listener.URL
	db, err := engine.Open(engine.Options{Dirs: []string{w.mounts, data}, Threads: 2})
	if err != nil {
		b.Fatal(err)
	}
	if w.conn, err = db.Connect(); err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() {
		w.conn.Close()
		db.Close()
		listener.Close()
		_ = srv.Close()
	})
	w.upload(b)
	return w
}

func (w *bench) config() aws.Config {
	return aws.Config{Region: "us-east-1", BaseEndpoint: &w.url, Credentials: credentials.StaticCredentialsProvider{
		Value: aws.Credentials{AccessKeyID: "AKIAANNANNANNANNANN1", SecretAccessKey: "annsecret"}}}
}

func (w *bench) store(b *testing.B, dir string) (*blob.Store, *blob.Client) {
	b.Helper()
	s, err := blob.Open(blob.Options{Dir: dir})
	if err != nil {
		b.Fatal(err)
	}
	return s, s.Client(w.config(), blob.ClientOptions{Identity: "ann", PathStyle: true})
}

// upload puts the files into the sandbox.
func (w *bench) upload(b *testing.B) {
	b.Helper()
	ctx := context.Background()
	s, c := w.store(b, filepath.Join(w.mounts, "upload"))
	defer s.Close()
	plain := awss3.NewFromConfig(w.config(), func(o *awss3.Options) { o.UsePathStyle = true })
	if _, err := plain.CreateBucket(ctx, &awss3.CreateBucketInput{Bucket: aws.String("lake")}); err != nil {
		b.Fatal(err)
	}
	for _, path := range w.local {
		f, err := os.Open(path)
		if err != nil {
			b.Fatal(err)
		}
		if _, err := c.Put(ctx, "s3://lake/lineitem/"+filepath.Base(path), f); err != nil {
			b.Fatal(err)
		}
		_ = f.Close()
	}
	var err error
	if w.objects, err = c.List(ctx, "lake", "lineitem/", true); err != nil {
		b.Fatal(err)
	}
}

// cost is wall and processor time of this process, server included.
type cost struct{ wall, cpu time.Duration }

func (w *bench) timed(b *testing.B, f func() string) (cost, string) {
	b.Helper()
	var before, after syscall.Rusage
	_ = syscall.Getrusage(syscall.RUSAGE_SELF, &before)
	start := time.Now()
	out := f()
	wall := time.Since(start)
	_ = syscall.Getrusage(syscall.RUSAGE_SELF, &after)
	cpu := func(r syscall.Rusage) time.Duration { return time.Duration(r.Utime.Nano() + r.Stime.Nano()) }
	return cost{wall, cpu(after) - cpu(before)}, out
}

func (w *bench) run(b *testing.B, sql string) string {
	b.Helper()
	rows, err := w.conn.Query(context.Background(), "SELECT list(x)::VARCHAR FROM ("+sql+") x")
	if err != nil {
		b.Fatal(err)
	}
	defer rows.Close()
	c, err := rows.Next(context.Background())
	if err != nil || c == nil {
		b.Fatalf("%s: %v", sql, err)
	}
	return c.Columns[0].Text(0)
}

// remote runs a query over the objects as one statement.
func (w *bench) remote(b *testing.B, s *blob.Store, c *blob.Client, q int) (string, blob.Stats) {
	b.Helper()
	ctx := context.Background()
	st := s.Begin(ctx)
	defer st.Close()
	table, err := scan.Prepare(ctx, st, c, lake.Scan{Table: "lineitem", Objects: w.objects, Columns: benchQueries[q].columns, SQL: reader("read_parquet")})
	if err != nil {
		b.Fatal(err)
	}
	out := w.run(b, strings.Replace(benchQueries[q].sql, "{t}", "("+table+")", 1))
	return out, st.Stats()[0]
}

// BenchmarkLineitem compares scans of lineitem through the sandbox's S3, with
// signatures and IAM, with scans of the same files on disk. Each round runs
// local and remote in turn; the ratio is that of the medians of the sums over
// the three queries. Cold has an empty cache of its own each time.
func BenchmarkLineitem(b *testing.B) {
	w := newBench(b)
	local := reader("read_parquet")(w.local, nil)
	for _, m := range []struct {
		name  string
		cold  bool
		delay time.Duration
	}{{"warm", false, 0}, {"cold", true, 0}, {"cold-5ms", true, 5 * time.Millisecond}, {"cold-20ms", true, 20 * time.Millisecond}, {"cold-50ms", true, 50 * time.Millisecond}} {
		b.Run(m.name, func(b *testing.B) {
			w.delay.Store(0)
			dir := filepath.Join(w.mounts, m.name)
			s, c := w.store(b, dir)
			for q := range benchQueries {
				if !m.cold {
					w.remote(b, s, c, q)
				}
			}
			_ = s.Close()
			w.delay.Store(int64(m.delay))
			const rounds = 5
			var here, there [rounds]cost
			var per [3][2][rounds]time.Duration
			var total blob.Stats
			for range b.N {
				total = blob.Stats{}
				for r := range rounds {
					for q := range benchQueries {
						l, want := w.timed(b, func() string { return w.run(b, strings.Replace(benchQueries[q].sql, "{t}", "("+local+")", 1)) })
						at := dir
						if m.cold {
							at = filepath.Join(w.mounts, fmt.Sprintf("%s-%d-%d", m.name, r, q))
						}
						s, c := w.store(b, at)
						var st blob.Stats
						remote, got := w.timed(b, func() string {
							out, stats := w.remote(b, s, c, q)
							st = stats
							return out
						})
						_ = s.Close()
						if m.cold {
							_ = os.RemoveAll(at)
						}
						if got != want {
							b.Fatalf("%s: got %s, want %s", benchQueries[q].name, got, want)
						}
						here[r].wall, here[r].cpu = here[r].wall+l.wall, here[r].cpu+l.cpu
						there[r].wall, there[r].cpu = there[r].wall+remote.wall, there[r].cpu+remote.cpu
						per[q][0][r], per[q][1][r] = l.wall, remote.wall
						total.Requests += st.Requests
						total.Bytes += st.Bytes
						total.Read += st.Read
					}
				}
			}
			lw, lc := median(here[:])
			rw, rc := median(there[:])
			b.ReportMetric(lw.Seconds(), "local-s")
			b.ReportMetric(rw.Seconds(), "remote-s")
			b.ReportMetric(rw.Seconds()/lw.Seconds(), "ratio")
			b.ReportMetric(rc.Seconds()/lc.Seconds(), "cpu-ratio")
			b.ReportMetric(float64(total.Requests)/rounds, "requests")
			b.ReportMetric(float64(total.Bytes)/float64(max(total.Read, 1)), "fetched/read")
			b.ReportMetric(0, "ns/op")
			for q := range per {
				slices.Sort(per[q][0][:])
				slices.Sort(per[q][1][:])
				b.Logf("%s: local %s, remote %s", benchQueries[q].name, per[q][0][rounds/2], per[q][1][rounds/2])
			}
		})
	}
}

func median(c []cost) (wall, cpu time.Duration) {
	var walls, cpus []time.Duration
	for _, x := range c {
		walls, cpus = append(walls, x.wall), append(cpus, x.cpu)
	}
	slices.Sort(walls)
	slices.Sort(cpus)
	return walls[len(walls)/2], cpus[len(cpus)/2]
}
