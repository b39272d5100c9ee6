package e2e

import (
	"context"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/glue"
	gluetypes "github.com/aws/aws-sdk-go-v2/service/glue/types"
)

// makeORC makes a table of ORC files.
func (l *lab) makeORC(name string, columns []string) {
	l.t.Helper()
	in := &gluetypes.TableInput{Name: aws.String(name), TableType: aws.String("EXTERNAL_TABLE"), StorageDescriptor: &gluetypes.StorageDescriptor{
		Columns: hiveColumns(columns), Location: aws.String("s3://lake/" + name),
		InputFormat: aws.String("org.apache.hadoop.hive.ql.io.orc.OrcInputFormat"),
		SerdeInfo:   &gluetypes.SerDeInfo{SerializationLibrary: aws.String("org.apache.hadoop.hive.ql.io.orc.OrcSerde")},
	}}
	l.must(glue.NewFromConfig(l.as(rootKeys[home])).CreateTable(context.Background(), &glue.CreateTableInput{DatabaseName: aws.String("sales"), TableInput: in}))
}

func TestHiveTablesOfORC(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	l.prepare()
	l.makeORC("stripes", []string{"id bigint", "txt string", "day date", "half double"})
	l.put(home, "lake", "stripes/a.orc", orcFile(t, "stripes.orc"))
	l.put(home, "lake", "stripes/b.orc", orcFile(t, "stripes.orc"))
	l.makeORC("broken", []string{"id bigint", "txt string"})
	bad := orcFile(t, "stripes.orc")
	for i := 1000; i < 20000; i++ {
		bad[i] = 0x5a
	}
	l.put(home, "lake", "broken/bad.orc", bad)
	db := l.db()
	l.exec(db, catalogStatement("c", instance(), instance()))
	for query, want := range map[string]string{
		"SELECT count(*), sum(id), max(txt), count(half) FROM c.sales.stripes":                               "120000\t3599940000\t059999\t60000\n",
		"SELECT day, count(*) FROM c.sales.stripes WHERE id BETWEEN 150 AND 249 GROUP BY day ORDER BY day":   "1970-01-02\t100\n1970-01-03\t100\n",
		"SELECT count(*) FROM c.sales.stripes a JOIN c.sales.stripes b ON a.id = b.id + 1":                   "239996\n",
		"WITH s AS (SELECT id FROM c.sales.stripes) SELECT (SELECT max(id) FROM s), (SELECT min(id) FROM s)": "59999\t0\n",
	} {
		rows, err := db.Query(query)
		if err != nil {
			t.Errorf("%s: %v", query, err)
			continue
		}
		if got := dump(t, rows); got != want {
			t.Errorf("%s: got %q, want %q", query, got, want)
		}
	}
	if n, err := value(db, "SELECT count(*) FROM (SELECT id FROM c.sales.stripes LIMIT 10) q"); err != nil || n != "10" {
		t.Errorf("a limit gives %s rows: %v", n, err)
	}
	if _, err := db.Exec("SELECT max(id), max(txt) FROM c.sales.broken"); err == nil || !strings.Contains(err.Error(), "s3://lake/broken/bad.orc is not a sound ORC file") {
		t.Errorf("a broken file gives %v", err)
	}
	l.rolePolicy(home, "starrocks-ec2", "deny", document(`{"Effect": "Deny", "Action": "s3:GetObject", "Resource": "arn:aws:s3:::lake/stripes/*"}`))
	l.exec(db, catalogStatement("fresh", method{"use_instance_profile": "true", "recheck": "always"}, instance()))
	if _, err := db.Exec("SELECT max(id) FROM fresh.sales.stripes"); err == nil || !strings.Contains(err.Error(), "Denied: s3:GetObject on arn:aws:s3:::lake/stripes/") {
		t.Errorf("a denied read gives %v", err)
	}
}
