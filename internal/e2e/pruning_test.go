package e2e

import (
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
)

// span is the bytes of one request or chunk.
type span struct{ from, to int64 }

// gets gives what was asked of objects after a number of the decision log.
func (l *lab) gets(since int64) (list []entry, bytes int64) {
	l.t.Helper()
	log, _ := l.decisions(since, "&action=s3:GetObject")
	for _, e := range log {
		if e.Method == "GET" {
			list, bytes = append(list, e), bytes+e.Bytes
		}
	}
	return list, bytes
}

func (e entry) span(t testing.TB) span {
	var s span
	if _, err := fmt.Sscanf(e.Range, "bytes=%d-%d", &s.from, &s.to); err != nil {
		t.Fatalf("%s %s: range %q: %v", e.Method, e.Path, e.Range, err)
	}
	s.to++
	return s
}

// sorted is the query of a file whose row groups have ids and days that rise.
const sorted = "SELECT i::BIGINT AS id, DATE '2024-01-01' + (i // 20480)::INT AS day, 'name ' || lpad(i::VARCHAR, 8, '0') AS name, hash(i + %d)::VARCHAR AS a, hash(-i)::VARCHAR AS b FROM range(%d) t(i)"

func TestRowGroupsThatCannotMatchAreNotFetched(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	l.prepare()
	db := l.db()
	l.exec(db, catalogStatement("c", instance(), instance()))
	dir := t.TempDir()
	ref := newReference(t, dir)
	l.makeStored("sorted", []string{"id bigint", "day date", "name string", "a string", "b string"}, nil, nil)
	const groups, rows = 8, 20480
	for i, c := range []struct {
		filter, want string
		group        int
	}{
		{"id = 70000", "1", 3},
		{"id BETWEEN 70000 AND 70009", "10", 3},
		{"day = '2024-01-06'", "20480", 5},
		{"name = 'name 00150000'", "1", 7},
		{"id IN (5, 7)", "2", 0},
		{"id > 200000", "0", -1},
	} {
		// Other bytes each time, so that none of them is in the cache.
		body := l.parquet(fmt.Sprintf(sorted, i, groups*rows), "ROW_GROUP_SIZE 20480")
		l.put(home, "lake", "sorted/f.parquet", body)
		local := filepath.Join(dir, fmt.Sprintf("%d.parquet", i))
		l.must(nil, os.WriteFile(local, body, 0o600))
		_, last := l.decisions(0, "&limit=0")
		l.expectLines(db, "SELECT count(a) FROM c.sales.sorted WHERE "+c.filter, c.want)
		column, _, _ := strings.Cut(c.filter, " ")
		chunks, err := lines(ref, fmt.Sprintf(`SELECT least(data_page_offset, coalesce(nullif(dictionary_page_offset, 0), data_page_offset)), total_compressed_size FROM parquet_metadata('%s')
			WHERE row_group_id = %d AND path_in_schema IN ('a', '%s')`, local, c.group, column))
		l.must(nil, err)
		var allowed int64
		for _, line := range chunks {
			var at, n int64
			_, err := fmt.Sscan(line, &at, &n)
			l.must(nil, err)
			allowed += n
		}
		log, bytes := l.gets(last)
		if most := allowed*11/10 + 32<<10; bytes > most {
			var all []span
			for _, e := range log {
				all = append(all, e.span(t))
			}
			t.Errorf("%s fetched %d bytes, %v; the chunks of its row group and the footer are %d", c.filter, bytes, all, most)
		}
	}
}

func TestCountNeedsFootersOnly(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	l.prepare()
	l.wide(4)
	db := l.db()
	l.exec(db, catalogStatement("c", instance(), instance()))
	_, last := l.decisions(0, "&limit=0")
	l.expectLines(db, "SELECT count(*) FROM c.sales.wide", "400000")
	log, bytes := l.gets(last)
	if len(log) > 4 || bytes > 4*64<<10 {
		t.Errorf("%d requests, %d bytes for four footers", len(log), bytes)
	}
}

// A query that wants ten rows must not fetch the 250 MB that it may read.
func TestALimitStopsTheScan(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	l.prepare()
	l.wide(1)
	const files = 24
	out, err := s3.NewFromConfig(l.as(rootKeys[home])).GetObject(context.Background(), &s3.GetObjectInput{Bucket: aws.String("lake"), Key: aws.String("wide/part-0.parquet")})
	l.must(nil, err)
	body, err := io.ReadAll(out.Body)
	l.must(nil, err)
	for f := 1; f < files; f++ {
		l.put(home, "lake", fmt.Sprintf("wide/part-%d.parquet", f), body)
	}
	db := l.db()
	l.exec(db, catalogStatement("c", instance(), instance()))
	_, last := l.decisions(0, "&limit=0")
	got, err := lines(db, "SELECT * FROM c.sales.wide LIMIT 10")
	if err != nil || len(got) != 10 {
		t.Fatalf("%d rows, %v", len(got), err)
	}
	log, bytes := l.gets(last)
	t.Logf("%d requests, %d of %d bytes", len(log), bytes, files*len(body))
	if bytes > int64(files*len(body)/3) {
		t.Errorf("fetched %d bytes of %d", bytes, files*len(body))
	}
}
