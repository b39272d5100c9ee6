package e2e

import (
	"context"
	"database/sql"
	"fmt"
	"strconv"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
)

// dump gives a result as lines of tab-separated values.
func dump(t testing.TB, rows *sql.Rows) string {
	t.Helper()
	defer rows.Close()
	names, err := rows.Columns()
	if err != nil {
		t.Fatal(err)
	}
	var b strings.Builder
	for rows.Next() {
		cells, ptrs := make([]sql.NullString, len(names)), make([]any, len(names))
		for i := range cells {
			ptrs[i] = &cells[i]
		}
		if err := rows.Scan(ptrs...); err != nil {
			t.Fatal(err)
		}
		for i, c := range cells {
			if i > 0 {
				b.WriteByte('\t')
			}
			if !c.Valid {
				c.String = "NULL"
			}
			b.WriteString(c.String)
		}
		b.WriteByte('\n')
	}
	if err := rows.Err(); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

// wide makes a table of 16 columns in files of several row groups.
func (l *lab) wide(files int) {
	l.t.Helper()
	columns := []string{}
	for i := range 16 {
		columns = append(columns, fmt.Sprintf("c%d bigint", i))
	}
	l.makeTable(context.Background(), "wide", "s3://lake/wide/", columns, "")
	l.wideFiles(files, 0)
}

// wideFiles writes the files of that table. Another seed makes other bytes, of
// which nothing is cached.
func (l *lab) wideFiles(files, seed int) {
	l.t.Helper()
	selects := []string{}
	for i := range 16 {
		selects = append(selects, fmt.Sprintf("(hash(i * 16 + %d) // 2)::BIGINT AS c%d", seed*10_000_000+i, i))
	}
	for f := range files {
		query := fmt.Sprintf("SELECT %s FROM range(%d, %d) t(i)", strings.Join(selects, ", "), f*100_000, (f+1)*100_000)
		l.put(home, "lake", fmt.Sprintf("wide/part-%d.parquet", f), l.parquet(query, "ROW_GROUP_SIZE 20480", "COMPRESSION zstd"))
	}
}

func TestTwoColumnsOfSixteenFetchTheirChunksAndFootersOnly(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	l.prepare()
	const files = 6
	l.wide(files)
	db := l.db()
	l.exec(db, catalogStatement("c", instance(), instance()))
	// Each answer waits a little, so that requests under way at once are seen.
	l.instrument("POST", "faults", map[string]any{"service": "s3", "action": "s3:GetObject", "delay": "100ms"}, nil)
	_, last := l.decisions(0, "&limit=0")
	got, err := value(db, "SELECT count(*) FROM c.sales.wide WHERE c3 > 0 AND c11 >= 0")
	if err != nil || got != strconv.Itoa(files*100_000) {
		t.Fatalf("got %q, %v", got, err)
	}
	log, _ := l.decisions(last, "&action=s3:GetObject")
	var fetched, whole int64
	gets := 0
	var size int64
	for _, o := range l.list("lake", "wide/") {
		size += o
	}
	for _, e := range log {
		if e.Method != "GET" {
			continue
		}
		gets++
		fetched += e.Bytes
		if e.Range == "" {
			whole++
		}
	}
	// 16 columns of the same random width: two are an eighth of the data.
	chunks := size * 2 / 16
	tails := int64(files) * 64 << 10
	if float64(fetched) > 1.1*float64(chunks)+float64(tails) {
		t.Errorf("fetched %d bytes for chunks of %d and footers of at most %d", fetched, chunks, tails)
	}
	if whole > 0 {
		t.Errorf("%d whole objects were fetched", whole)
	}
	if most := l.most(log); most <= 8 {
		t.Errorf("%d requests at once of %d, want more than 8", most, gets)
	}
}

// most counts the requests that were under way at the same time.
func (l *lab) most(log []entry) int {
	best := 0
	for _, a := range log {
		n := 0
		for _, b := range log {
			end := b.Time
			begin := end.Add(-usec(b.Micros))
			at := a.Time.Add(-usec(a.Micros))
			if !begin.After(at) && end.After(at) {
				n++
			}
		}
		best = max(best, n)
	}
	return best
}

func (l *lab) list(bucket, prefix string) map[string]int64 {
	l.t.Helper()
	out, err := s3.NewFromConfig(l.as(rootKeys[home])).ListObjectsV2(context.Background(), &s3.ListObjectsV2Input{Bucket: aws.String(bucket), Prefix: aws.String(prefix)})
	l.must(out, err)
	sizes := map[string]int64{}
	for _, o := range out.Contents {
		sizes[aws.ToString(o.Key)] = aws.ToInt64(o.Size)
	}
	return sizes
}

func TestPartitionsPruneByGlueExpressionAndFiles(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	l.prepare()
	db := l.db()
	l.exec(db, catalogStatement("c", instance(), instance()))
	_, last := l.decisions(0, "&limit=0")
	if got, err := value(db, "SELECT concat(min(id), ' ', max(id)) FROM c.sales.orders WHERE dt = '2024-01-02'"); err != nil || got != "4 6" {
		t.Fatalf("got %q, %v", got, err)
	}
	log, _ := l.decisions(last, "")
	for _, e := range log {
		if strings.Contains(e.Path, "2024-01-01") {
			t.Errorf("the other partition was touched: %s %s", e.Method, e.Path)
		}
	}
}

func TestABrokenTableDoesNotBreakShowTables(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	l.prepare()
	ctx := context.Background()
	l.makeTable(ctx, "broken", "not-a-uri", []string{"a nosuchtype"}, "")
	l.put(home, "lake", "garbage/x.parquet", []byte("this is no Parquet file, though its name says so"))
	l.makeTable(ctx, "garbage", "s3://lake/garbage/", []string{"a int"}, "")
	db := l.db()
	l.exec(db, catalogStatement("c", instance(), instance()))
	rows, err := db.Query("SHOW TABLES FROM c.sales")
	l.must(rows, err)
	if got := dump(t, rows); got != "broken\nforeign\ngarbage\norders\n" {
		t.Errorf("got %q", got)
	}
	for table, want := range map[string]string{"broken": `type "nosuchtype"`, "garbage": "s3://lake/garbage/x.parquet"} {
		if _, err := value(db, "SELECT count(a) FROM c.sales."+table); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: got %v, want %q in it", table, err, want)
		}
	}
	if got, err := value(db, fmt.Sprintf(total, "c")); err != nil || got != "6 31.5" {
		t.Errorf("got %q, %v", got, err)
	}
}

func TestAnObjectThatChangesFailsTheStatementClearly(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	l.prepare()
	l.wide(2)
	db := l.db()
	l.exec(db, catalogStatement("c", instance(), instance()))
	rows, err := db.Query("SELECT * FROM c.sales.wide")
	l.must(rows, err)
	defer rows.Close()
	if !rows.Next() {
		t.Fatal(rows.Err())
	}
	for f := range 2 {
		l.put(home, "lake", fmt.Sprintf("wide/part-%d.parquet", f), l.parquet("SELECT 1::BIGINT AS c0"))
	}
	n := 1
	for rows.Next() {
		n++
	}
	if err := rows.Err(); err != nil && !strings.Contains(err.Error(), "changed while the statement read it") {
		t.Errorf("got %v", err)
	} else if err == nil && n != 200_000 {
		t.Errorf("got %d rows and no error", n)
	}
}
