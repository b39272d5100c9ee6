package iceberg

import (
	"bytes"
	"compress/flate"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	awss3 "github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/twmb/avro/ocf"

	"lakeport/internal/blob"
	"lakeport/internal/engine"
	"lakeport/internal/lake"
	"lakeport/internal/sandbox"
	"lakeport/internal/sandbox/s3"
	"lakeport/internal/scan"
)

const world = `{"accounts": {"111111111111": {"root": {"access_key_id": "AKIAROOTROOTROOTROO1", "secret_access_key": "rootsecret1"}}},
  "host": {"account": "111111111111", "instance_profile": "none"}}`

// lab is an S3 with the bucket "lake", and an engine that reads it.
type lab struct {
	testing.TB
	client *blob.Client
	store  *blob.Store
	conn   *engine.Conn
	dir    string
}

func newLab(t testing.TB) *lab {
	t.Helper()
	l := &lab{TB: t, dir: t.TempDir()}
	sb, err := sandbox.Open(sandbox.Options{Dir: filepath.Join(l.dir, "sandbox"), World: strings.NewReader(world)})
	l.must(err)
	objects, err := s3.New(s3.Options{DB: sb.DB(), Dir: filepath.Join(l.dir, "objects")})
	l.must(err)
	sb.Add(objects)
	srv := httptest.NewServer(sb.Handler())
	t.Cleanup(func() { srv.Close(); l.must(sb.Close()) })
	l.store, err = blob.Open(blob.Options{Dir: filepath.Join(l.dir, "store")})
	l.must(err)
	t.Cleanup(func() { _ = l.store.Close() })
	cfg := aws.Config{Region: "us-east-1", BaseEndpoint: &srv.URL, Credentials: credentials.NewStaticCredentialsProvider("AKIAROOTROOTROOTROO1", "rootsecret1", "")}
	l.client = l.store.Client(cfg, blob.ClientOptions{Identity: "root", PathStyle: true})
	_, err = awss3.NewFromConfig(cfg, func(o *awss3.Options) { o.UsePathStyle = true }).CreateBucket(t.Context(), &awss3.CreateBucketInput{Bucket: aws.String("lake")})
	l.must(err)
	db, err := engine.Open(engine.Options{Dirs: []string{l.dir}, Threads: 2, Translate: l.store.Translate})
	l.must(err)
	t.Cleanup(db.Close)
	l.conn, err = db.Connect()
	l.must(err)
	t.Cleanup(l.conn.Close)
	_, err = l.conn.Exec(t.Context(), "SET timezone = 'Asia/Kathmandu'") // nobody's default
	l.must(err)
	return l
}

func (l *lab) must(err error) {
	l.Helper()
	if err != nil {
		l.Fatal(err)
	}
}

// put stores an object in the bucket.
func (l *lab) put(key string, data []byte) {
	l.Helper()
	_, err := l.client.Put(l.Context(), "s3://lake/"+key, bytes.NewReader(data))
	l.must(err)
}

func (l *lab) read(ctx context.Context, uri string) ([]byte, error) {
	bucket, key, err := blob.Parse(uri)
	if err != nil {
		return nil, err
	}
	return l.client.Get(ctx, lake.Object{Bucket: bucket, Key: key})
}

// open opens the table of a metadata file in the bucket.
func (l *lab) open(key string, at lake.At) (*Table, error) {
	data, err := l.read(l.Context(), "s3://lake/"+key)
	l.must(err)
	m, err := Parse(data)
	if err != nil {
		return nil, err
	}
	return NewTable(m, at, Options{Name: "db.t", Read: l.read, Head: l.client.Head, ReadRange: l.client.Read})
}

// rows plans a table and gives the rows of a query over it, {t}.
func (l *lab) rows(t lake.Table, n lake.Need, query string) (string, error) {
	l.Helper()
	s, err := t.Plan(l.Context(), n)
	if err != nil {
		return "", err
	}
	st := l.store.Begin(l.Context())
	defer st.Close()
	sql, err := scan.Prepare(l.Context(), st, l.client, s)
	if err != nil {
		return "", err
	}
	out, err := l.query(strings.ReplaceAll(query, "{t}", "("+sql+")"))
	return out, errors.Join(st.Err(), err)
}

// query gives rows as text, one a line.
func (l *lab) query(sql string) (string, error) {
	rows, err := l.conn.Query(l.Context(), "SELECT x::VARCHAR FROM ("+sql+") x")
	if err != nil {
		return "", fmt.Errorf("%w in %s", err, sql)
	}
	defer rows.Close()
	var out strings.Builder
	for {
		c, err := rows.Next(l.Context())
		if err != nil {
			return "", fmt.Errorf("%w in %s", err, sql)
		}
		if c == nil {
			return out.String(), nil
		}
		for i := range c.Rows {
			out.WriteString(c.Columns[0].Text(i) + "\n")
		}
	}
}

// shared is where tables written by other engines may be.
const shared = "../../../../shared/fixtures/iceberg"

// upload stores a fixture in the bucket, its paths, which are relative to the
// project that made it, turned into ones on S3.
func (l *lab) upload(name string) {
	l.Helper()
	if _, err := os.Stat(shared); err != nil {
		l.Skipf("no tables of other engines are at %s", shared)
	}
	root := filepath.Join(shared, name)
	l.must(filepath.Walk(root, func(path string, info os.FileInfo, err error) error {
		if err != nil || info.IsDir() || strings.HasSuffix(path, ".crc") || strings.HasSuffix(path, ".db") {
			return err
		}
		data, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		switch filepath.Ext(path) {
		case ".json":
			data = []byte(relocate(string(data)))
		case ".avro":
			data = l.relocateAvro(data)
		}
		key, err := filepath.Rel(shared, path)
		l.put("data/persistent/"+filepath.ToSlash(key), data)
		return err
	}))
}

func relocate(s string) string {
	s = strings.ReplaceAll(s, "file://data/persistent/", "data/persistent/")
	return strings.ReplaceAll(s, "data/persistent/", "s3://lake/data/persistent/")
}

func (l *lab) relocateAvro(data []byte) []byte {
	l.Helper()
	r, err := ocf.NewReader(bytes.NewReader(data))
	l.must(err)
	var out bytes.Buffer
	w, err := ocf.NewWriter(&out, r.Schema())
	l.must(err)
	for {
		var v any
		if err := r.Decode(&v); err == io.EOF {
			break
		} else if err != nil {
			return l.relocateBytes(data) // numbers that the library does not take
		}
		l.must(w.Encode(relocated(v)))
	}
	l.must(w.Close())
	return out.Bytes()
}

// relocateBytes moves the paths in a container whose blocks are deflated,
// without a look at its records: each path stands behind its length, of two bytes
// before and after.
func (l *lab) relocateBytes(data []byte) []byte {
	l.Helper()
	marker := data[len(data)-16:]
	start := bytes.Index(data, marker) + 16
	out, rest := bytes.Clone(data[:start]), data[start:]
	for len(rest) > 0 {
		count, n := binary.Varint(rest)
		size, m := binary.Varint(rest[n:])
		plain, err := io.ReadAll(flate.NewReader(bytes.NewReader(rest[n+m:][:size])))
		l.must(err)
		rest = rest[n+m+int(size)+16:]
		var moved []byte
		for {
			at := bytes.Index(plain, []byte("data/persistent/"))
			if at < 0 {
				break
			}
			length, _ := binary.Varint(plain[at-2:])
			moved = append(binary.AppendVarint(append(moved, plain[:at-2]...), length+int64(len("s3://lake/"))), "s3://lake/data/persistent/"...)
			plain = plain[at+len("data/persistent/"):]
		}
		moved = append(moved, plain...)
		var packed bytes.Buffer
		w, err := flate.NewWriter(&packed, 1)
		l.must(err)
		_, err = w.Write(moved)
		l.must(err)
		l.must(w.Close())
		out = append(binary.AppendVarint(binary.AppendVarint(out, count), int64(packed.Len())), packed.Bytes()...)
		out = append(out, marker...)
	}
	return out
}

func relocated(v any) any {
	switch v := v.(type) {
	case string:
		return relocate(v)
	case map[string]any:
		for k := range v {
			v[k] = relocated(v[k])
		}
	case []any:
		for i := range v {
			v[i] = relocated(v[i])
		}
	}
	return v
}
