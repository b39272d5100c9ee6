package e2e

import (
	"bytes"
	"compress/gzip"
	"context"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/glue"
	gluetypes "github.com/aws/aws-sdk-go-v2/service/glue/types"
)

// makeText makes a table of text files under a serde.
func (l *lab) makeText(name, serde string, columns []string, params map[string]string) {
	l.t.Helper()
	in := &gluetypes.TableInput{Name: aws.String(name), TableType: aws.String("EXTERNAL_TABLE"), StorageDescriptor: &gluetypes.StorageDescriptor{
		Columns: hiveColumns(columns), Location: aws.String("s3://lake/" + name),
		InputFormat: aws.String("org.apache.hadoop.mapred.TextInputFormat"),
		SerdeInfo:   &gluetypes.SerDeInfo{SerializationLibrary: aws.String(serde), Parameters: params},
	}}
	l.must(glue.NewFromConfig(l.as(rootKeys[home])).CreateTable(context.Background(), &glue.CreateTableInput{DatabaseName: aws.String("sales"), TableInput: in}))
}

func zipped(text string) []byte {
	var b bytes.Buffer
	w := gzip.NewWriter(&b)
	_, _ = w.Write([]byte(text))
	_ = w.Close()
	return b.Bytes()
}

func TestHiveTablesOfText(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	l.prepare()
	l.makeText("logs", "org.apache.hadoop.hive.serde2.lazy.LazySimpleSerDe", []string{"a int", "b string"}, map[string]string{"field.delim": "|"})
	l.put(home, "lake", "logs/1.txt", []byte("1|it's\n2|\\N\nx|\n"))
	l.put(home, "lake", "logs/2.gz", zipped(strings.Repeat("4|four\n", 100_000)))
	l.put(home, "lake", "logs/_SUCCESS", []byte("9|no row\n"))
	l.makeText("sheet", "org.apache.hadoop.hive.serde2.OpenCSVSerde", []string{"a int", "b string"}, nil)
	l.put(home, "lake", "sheet/1.csv", []byte("\"1\",\"x, \"\"y\"\"\"\n"))
	l.makeText("events", "org.openx.data.jsonserde.JsonSerDe", []string{"a int", "tags array<string>"}, nil)
	l.put(home, "lake", "events/1.json", []byte(`{"A": 7, "tags": ["p", "q"]}`+"\n"))
	db := l.db()
	l.exec(db, catalogStatement("c", instance(), instance()))
	for query, want := range map[string]string{
		"SELECT * FROM c.sales.logs WHERE coalesce(a, 0) < 4 ORDER BY a NULLS FIRST": "NULL\t\n1\tit's\n2\tNULL\n",
		"SELECT count(*), sum(a) FROM c.sales.logs":                                  "100003\t400003\n",
		"SELECT * FROM c.sales.sheet":                                                "1\tx, \"y\"\n",
		"SELECT a, tags[2] FROM c.sales.events":                                      "7\tq\n",
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
}

func TestPartitionValuesWithOddCharactersAndNull(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	l.prepare()
	ctx := context.Background()
	columns := []string{"id bigint"}
	l.makeTable(ctx, "odd", "s3://lake/odd/", columns, "city string")
	l.makeTable(ctx, "years", "s3://lake/years/", columns, "y int")
	for key, city := range map[string]string{
		"odd/city=S%C3%A3o Paulo%2FBr/f.parquet":           "São Paulo/Br",
		"odd/city=it's =%25/f+1 [a]*.parquet":              "it's =%",
		"odd/city=__HIVE_DEFAULT_PARTITION__/f.parquet":    "__HIVE_DEFAULT_PARTITION__",
		"elsewhere/of the table/at all?/f&x=y;%2F.parquet": "moved",
	} {
		l.put(home, "lake", key, l.parquet("SELECT 1::BIGINT AS id"))
		l.addPartition(ctx, "odd", columns, "s3://lake/"+key[:strings.LastIndexByte(key, '/')], city)
	}
	for dir, year := range map[string]string{"2024": "2024", "07": "07", "none": "__HIVE_DEFAULT_PARTITION__"} {
		l.put(home, "lake", "years/"+dir+"/f.parquet", l.parquet("SELECT 1::BIGINT AS id"))
		l.addPartition(ctx, "years", columns, "s3://lake/years/"+dir, year)
	}
	db := l.db()
	l.exec(db, catalogStatement("c", instance(), instance()))
	for query, want := range map[string]string{
		"SELECT id FROM c.sales.odd WHERE city = 'São Paulo/Br'":        "1\n",
		"SELECT city FROM c.sales.odd WHERE city LIKE 'it''s%'":         "it's =%\n",
		"SELECT count(*), count(city) FROM c.sales.odd":                 "4\t3\n",
		"SELECT city FROM c.sales.odd WHERE city IS NULL":               "NULL\n",
		"SELECT city FROM c.sales.odd WHERE city > 'j'":                 "moved\n",
		"SELECT y FROM c.sales.years WHERE y > 10":                      "2024\n",
		"SELECT y FROM c.sales.years WHERE y IN (7, 8)":                 "7\n",
		"SELECT sum(id), sum(y) FROM c.sales.years WHERE y IS NOT NULL": "2\t2031\n",
		"SELECT count(*) FROM c.sales.years WHERE y IS NULL":            "1\n",
		"SELECT count(*) FROM c.sales.odd WHERE city <> 'moved'":        "2\n",
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
}

func TestSchemaEvolutionByName(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	l.prepare()
	ctx := context.Background()
	columns := []string{"id bigint", "name string", "price decimal(12,2)", "dims struct<w:double,h:double>"}
	l.makeTable(ctx, "items", "s3://lake/items/", columns, "")
	l.put(home, "lake", "items/1.parquet", l.parquet("SELECT 'old' AS NAME, 1::INT AS ID, 5 AS dropped"))
	l.put(home, "lake", "items/2.parquet", l.parquet("SELECT 2::BIGINT AS id, 3::INT AS price, {'h': 1::FLOAT, 'gone': 0} AS dims"))
	db := l.db()
	l.exec(db, catalogStatement("c", instance(), instance()))
	rows, err := db.Query("SELECT id, name, price, dims.w, dims.h FROM c.sales.items ORDER BY id")
	l.must(rows, err)
	if got, want := dump(t, rows), "1\told\tNULL\tNULL\tNULL\n2\tNULL\t3.00\tNULL\t1\n"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}
