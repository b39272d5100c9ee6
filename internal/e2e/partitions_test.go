package e2e

import (
	"context"
	"fmt"
	"path"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/glue"
	gluetypes "github.com/aws/aws-sdk-go-v2/service/glue/types"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"golang.org/x/sync/errgroup"
)

// hiveNull is what metastores keep for a NULL key.
const hiveNull = "__HIVE_DEFAULT_PARTITION__"

// fill makes a partition of rows n whose directory has a name of its own,
// unlike the value.
func (l *lab) fill(table string, n int, values ...string) {
	l.t.Helper()
	dir := fmt.Sprintf("%s/%d", table, n)
	l.put(home, "lake", dir+"/f.parquet", l.parquet(fmt.Sprintf("SELECT %d::BIGINT AS id", n)))
	l.addPartition(context.Background(), table, []string{"id bigint"}, "s3://lake/"+dir, values...)
}

// Every string is a value like another; a question for it finds its row, and
// no other question does.
func TestPartitionValuesOfEveryKindAreFound(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	l.prepare()
	db := l.db()
	l.exec(db, catalogStatement("c", instance(), instance()))
	l.makeStored("texts", []string{"id bigint"}, []string{"k string"}, nil)
	texts := []string{"plain", " space ", "São Paulo", "日本/語", "😀", "a=b&c", "100%", "%2F", "it's", `quo"te`, `back\slash`, "*?[a]{b}", "tab\tand\nline", "NULL", "null",
		"a/b", "a%2Fb", strings.Repeat("long ", 100), "0", "00", "-", "é", "e\u0301", "ABC", "abc", "s3://lake/x", "../..", "semi;colon--", "$1 :x ?"}
	for i, k := range texts {
		l.fill("texts", i, k)
	}
	l.fill("texts", 900, hiveNull)
	for i, k := range texts {
		literal := "'" + strings.NewReplacer(`\`, `\\`, "'", `\'`).Replace(k) + "'"
		l.expectLines(db, "SELECT id FROM c.sales.texts WHERE k = "+literal, fmt.Sprint(i))
		if got, err := value(db, "SELECT k FROM c.sales.texts WHERE id = "+fmt.Sprint(i)); err != nil || got != k {
			t.Errorf("key of %d: got %q, %v, want %q", i, got, err, k)
		}
	}
	n := len(texts)
	for query, want := range map[string]string{
		"SELECT count(*), count(k), count(DISTINCT k) FROM c.sales.texts": fmt.Sprintf("%d\t%d\t%d", n+1, n, n),
		"SELECT id FROM c.sales.texts WHERE k IS NULL":                    "900",
		"SELECT count(*) FROM c.sales.texts WHERE k IS NOT NULL":          fmt.Sprint(n),
		"SELECT count(*) FROM c.sales.texts WHERE k <> 'plain'":           fmt.Sprint(n - 1),
		"SELECT id FROM c.sales.texts WHERE k IN ('0', 'abc', 'none')":    "18\n24",
		"SELECT id FROM c.sales.texts WHERE k LIKE 'a%2Fb'":               "16",
		"SELECT id FROM c.sales.texts WHERE k > '日' AND k < '😀'":          "3",
		"SELECT id FROM c.sales.texts WHERE upper(k) = 'ABC'":             "23\n24",
		"SELECT id FROM c.sales.texts WHERE k = '" + hiveNull + "'":       "",
	} {
		l.expectLines(db, query, want)
	}
}

func TestPartitionKeysCompareAsTheirTypes(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	l.prepare()
	db := l.db()
	l.exec(db, catalogStatement("c", instance(), instance()))
	for name, c := range map[string]struct {
		typ    string
		values []string
		asked  map[string]string // condition: ids
	}{
		"ints": {"int", []string{"2", "10", "007", "-3", hiveNull}, map[string]string{
			"k > 9": "1", "k < 10": "0\n2\n3", "k = 7": "2", "k IN (2, -3, 99)": "0\n3", "k IS NULL": "4", "k <> 7": "0\n1\n3", "k BETWEEN -5 AND 2": "0\n3", "k = 7.0": "2", "k > 6.5 AND k < 7.5": "2"}},
		"bigints":  {"bigint", []string{"9223372036854775807", "-9223372036854775808"}, map[string]string{"k > 0": "0", "k = -9223372036854775808": "1"}},
		"days":     {"date", []string{"2024-02-29", "1999-12-31", "2024-03-01"}, map[string]string{"k >= '2024-01-01'": "0\n2", "k = DATE '2024-02-29'": "0", "year(k) = 1999": "1", "k > '2024-02-29 12:00:00'": "2", "k < '2024-02-29 12:00:00'": "0\n1"}},
		"moments":  {"timestamp", []string{"2024-02-29 01:02:03", "2024-02-29 01:02:03.5", "2024-03-01 00:00:00"}, map[string]string{"k > '2024-02-29 01:02:03'": "1\n2", "k = '2024-03-01'": "2"}},
		"decimals": {"decimal(10,2)", []string{"1.50", "10", "-0.5"}, map[string]string{"k < 9": "0\n2", "k = 1.5": "0", "k = 10.00": "1"}},
		"flags":    {"boolean", []string{"true", "FALSE", hiveNull}, map[string]string{"k": "0", "NOT k": "1", "k IS NULL": "2"}},
		"doubles":  {"double", []string{"1.5", "-2", "1e3"}, map[string]string{"k >= 1.5": "0\n2", "k = -2": "1"}},
		"bytes":    {"tinyint", []string{"-128", "127"}, map[string]string{"k < 0": "0"}},
		"chars":    {"varchar(10)", []string{"a", "", hiveNull}, map[string]string{"k = 'a'": "0", "k = ''": "1", "k IS NULL": "2"}},
	} {
		l.makeStored(name, []string{"id bigint"}, []string{"k " + c.typ}, nil)
		for i, v := range c.values {
			l.fill(name, i, v)
		}
		for condition, want := range c.asked {
			l.expectLines(db, "SELECT id FROM c.sales."+name+" WHERE "+condition, want)
		}
	}
}

func TestPartitionsElsewhereMissingAndRefused(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	l.prepare()
	ctx := context.Background()
	db := l.db()
	l.exec(db, catalogStatement("c", instance(), instance()))
	columns := []string{"id bigint"}
	l.makeStored("spread", columns, []string{"k string"}, nil)
	l.fill("spread", 1, "here")
	l.put(partner, "lakeb", "away/f.parquet", l.parquet("SELECT 2::BIGINT AS id"))
	l.addPartition(ctx, "spread", columns, "s3://lakeb/away/", "away")
	l.addPartition(ctx, "spread", columns, "s3://lake/nothing/is/here/", "empty")
	l.put(home, "lake", "secret/f.parquet", l.parquet("SELECT 3::BIGINT AS id"))
	l.addPartition(ctx, "spread", columns, "s3://lake/secret/", "refused")

	// lakeb is another account's and not open to us.
	l.expectError(db, "SELECT * FROM c.sales.spread WHERE k = 'away'", "Denied: s3:ListBucket on arn:aws:s3:::lakeb as")
	l.expectLines(db, "SELECT id FROM c.sales.spread WHERE k = 'here'", "1")
	l.rolePolicy(home, "starrocks-ec2", "lakeb", document(allow("s3:GetObject", "arn:aws:s3:::lakeb/*"), allow("s3:ListBucket", "arn:aws:s3:::lakeb")))
	l.must(s3.NewFromConfig(l.as(rootKeys[partner])).PutBucketPolicy(ctx, &s3.PutBucketPolicyInput{Bucket: aws.String("lakeb"),
		Policy: document(fmt.Sprintf(`{"Effect": "Allow", "Principal": {"AWS": %q}, "Action": ["s3:GetObject", "s3:ListBucket"],
			"Resource": ["arn:aws:s3:::lakeb", "arn:aws:s3:::lakeb/*"]}`, role(home, "starrocks-ec2")))}))
	l.expectLines(db, "SELECT * FROM c.sales.spread WHERE k = 'away'", "2\taway")
	l.expectLines(db, "SELECT * FROM c.sales.spread WHERE k = 'empty'", "")

	l.rolePolicy(home, "starrocks-ec2", "hide", document(`{"Effect": "Deny", "Action": "s3:GetObject", "Resource": "arn:aws:s3:::lake/secret/*"}`))
	l.expectError(db, "SELECT * FROM c.sales.spread", "Denied: s3:GetObject on arn:aws:s3:::lake/secret/f.parquet as", "explicit deny")
	l.rolePolicy(home, "starrocks-ec2", "hide", document(`{"Effect": "Deny", "Action": "s3:ListBucket", "Resource": "arn:aws:s3:::lake", "Condition": {"StringLike": {"s3:prefix": "secret/*"}}}`))
	l.expectError(db, "SELECT * FROM c.sales.spread", "Denied: s3:ListBucket on arn:aws:s3:::lake as", "explicit deny", "\nlisting s3://lake/secret/ for table sales.spread")
	l.expectLines(db, "SELECT * FROM c.sales.spread WHERE k <> 'refused'", "1\there\n2\taway")
}

// Three thousand partitions: a filter on the key costs a page of Glue and one
// listing, whatever else the table has; all of it costs one listing and one
// footer each.
func TestThousandsOfPartitions(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	l.prepare()
	ctx := context.Background()
	db := l.db()
	l.exec(db, catalogStatement("c", instance(), instance()))
	const many = 3000
	columns := []string{"id bigint"}
	l.makeStored("many", columns, []string{"k int"}, nil)
	api, file := glue.NewFromConfig(l.as(rootKeys[home])), l.parquet("SELECT 1::BIGINT AS id")
	var g errgroup.Group
	g.SetLimit(8)
	for from := 0; from < many; from += 100 {
		g.Go(func() error {
			var list []gluetypes.PartitionInput
			for k := from; k < from+100; k++ {
				dir := path.Join("many", fmt.Sprintf("k=%d", k))
				l.put(home, "lake", dir+"/f.parquet", file)
				list = append(list, gluetypes.PartitionInput{Values: []string{fmt.Sprint(k)}, StorageDescriptor: parquetStorage(columns, "s3://lake/"+dir)})
			}
			_, err := api.BatchCreatePartition(ctx, &glue.BatchCreatePartitionInput{DatabaseName: aws.String("sales"), TableName: aws.String("many"), PartitionInputList: list})
			return err
		})
	}
	l.must(nil, g.Wait())
	for _, c := range []struct {
		query, want       string
		pages, lists, get int // at most
	}{
		{"SELECT sum(id) FROM c.sales.many WHERE k = 1234", "1", 1, 1, 2},
		{"SELECT sum(k) FROM c.sales.many WHERE k BETWEEN 100 AND 119", "2190", 1, 20, 40},
		{"SELECT count(*) FROM c.sales.many WHERE k < 0", "0", 1, 0, 0},
		{"SELECT sum(id) FROM c.sales.many", "3000", 30, many, 2 * many},
	} {
		_, last := l.decisions(0, "&limit=0")
		began := time.Now()
		l.expectLines(db, c.query, c.want)
		took := time.Since(began)
		calls := map[string]int{}
		log, _ := l.decisions(last, "")
		for _, e := range log {
			calls[e.Action]++
		}
		t.Logf("%s: %v, calls %v", c.query, took.Round(time.Millisecond), calls)
		if calls["glue:GetPartitions"] > c.pages || calls["s3:ListBucket"] > c.lists || calls["s3:GetObject"] > c.get {
			t.Errorf("%s: calls %v, want at most %d pages of partitions, %d listings, %d reads", c.query, calls, c.pages, c.lists, c.get)
		}
	}
}
