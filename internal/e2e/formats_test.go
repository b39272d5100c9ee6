package e2e

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/glue"
	gluetypes "github.com/aws/aws-sdk-go-v2/service/glue/types"
)

// makeEvents writes a Delta table of n files, a day each, and an orders table
// of Hudi.
func (l *lab) makeEvents(n int) {
	l.t.Helper()
	var log strings.Builder
	log.WriteString(`{"protocol":{"minReaderVersion":1,"minWriterVersion":2}}` + "\n" +
		`{"metaData":{"id":"x","format":{"provider":"parquet"},"partitionColumns":["day"],"configuration":{},` +
		`"schemaString":"{\"type\":\"struct\",\"fields\":[{\"name\":\"id\",\"type\":\"long\",\"metadata\":{\"comment\":\"the number\"}},{\"name\":\"day\",\"type\":\"date\",\"metadata\":{}},{\"name\":\"at\",\"type\":\"timestamp\",\"metadata\":{}}]}"}}` + "\n")
	for i := range n {
		day := fmt.Sprintf("2024-%02d-%02d", i/28+1, i%28+1)
		key := fmt.Sprintf("day=%s/part-%d.parquet", day, i)
		body := l.parquet(fmt.Sprintf("SELECT %d::BIGINT AS id, TIMESTAMPTZ '%s 23:30:00+00' AS at", i, day))
		l.put(home, "lake", "events/"+key, body)
		fmt.Fprintf(&log, `{"add":{"path":%q,"size":%d,"dataChange":true,"partitionValues":{"day":%q},"stats":"{\"numRecords\":1,\"minValues\":{\"id\":%d},\"maxValues\":{\"id\":%d},\"nullCount\":{\"id\":0}}"}}`+"\n",
			key, len(body), day, i, i)
	}
	l.put(home, "lake", "events/_delta_log/00000000000000000000.json", []byte(log.String()))
	l.makeDelta("events", "s3://lake/events")
	const instant = "20240101000001000"
	l.put(home, "lake", "orders_hudi/.hoodie/hoodie.properties", []byte("hoodie.table.version=6\nhoodie.timeline.layout.version=1\nhoodie.table.type=COPY_ON_WRITE\n"+
		"hoodie.table.partition.fields=city\nhoodie.table.keygenerator.type=SIMPLE\nhoodie.datasource.write.hive_style_partitioning=true\n"))
	l.put(home, "lake", "orders_hudi/.hoodie/"+instant+".commit", []byte(`{"extraMetadata":{"schema":"{\"type\":\"record\",\"name\":\"r\",\"fields\":[{\"name\":\"id\",\"type\":[\"null\",\"long\"]},{\"name\":\"city\",\"type\":[\"null\",\"string\"]}]}"}}`))
	for i, city := range []string{"oslo", "rome"} {
		l.put(home, "lake", fmt.Sprintf("orders_hudi/city=%s/f%d-0_0-1-2_%s.parquet", city, i, instant),
			l.parquet(fmt.Sprintf("SELECT '%s' AS _hoodie_commit_time, '%s' AS city, %d::BIGINT AS id", instant, city, i)))
	}
	l.makeHudi("orders_hudi", "s3n://lake/orders_hudi", false)
}

func TestLakeFormatsThroughTheirCatalogs(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	alice := l.prepare()
	const files = 40
	l.makeEvents(files)
	l.makeDelta("broken", "s3://lake/nothing")
	l.makeHudi("broken_hudi", "s3://lake/nothing", false)
	db := l.db()
	glues := []method{instance(), assumed(role(home, "glue_assumed_role")), keys(alice)}
	for i, s3 := range []method{instance(), assumed(role(home, "s3_assumed_role")), keys(alice)} {
		d, h := fmt.Sprintf("delta_%d", i), fmt.Sprintf("hudi_%d", i)
		l.exec(db, typedCatalog(d, "deltalake", s3, glues[i]), typedCatalog(h, "hudi", s3, glues[i]))
		clear := l.fault(map[string]any{"service": "s3", "delay": "100ms"})
		_, last := l.decisions(0, "")
		l.expectLines(db, "SELECT count(*), sum(id), min(day), max(at) FROM "+d+".sales.events", "40\t780\t2024-01-01\t2024-02-12 23:30:00")
		l.expectLines(db, "SELECT id, city, _hoodie_commit_time FROM "+h+".sales.orders_hudi", "0\toslo\t20240101000001000\n1\trome\t20240101000001000")
		clear()
		log, _ := l.decisions(last, "")
		signer := []string{"assumed-role/starrocks-ec2/", "assumed-role/s3_assumed_role/", "user/alice"}[i]
		asked := map[string]int{}
		for _, e := range log {
			if strings.HasPrefix(e.Action, "s3:") && !strings.Contains(e.Principal, signer) {
				t.Errorf("%s of %s was signed by %s, want %s", e.Action, e.Resource, e.Principal, signer)
			}
			if e.Action == "s3:GetObject" && e.Method == "GET" {
				asked[e.Path+" "+e.Range]++
			}
		}
		for what, n := range asked {
			if n > 1 {
				t.Errorf("%s was fetched %d times", what, n)
			}
		}
		if most := l.most(log); i == 0 && most < 8 {
			t.Errorf("at most %d requests were under way at once", most)
		}
	}
	// Partitions and statistics leave one file of forty.
	for filter, want := range map[string]string{"day = '2024-02-01'": "28", "id = 7": "7", "id > 38": "39"} {
		_, last := l.decisions(0, "")
		l.expectLines(db, "SELECT id FROM delta_0.sales.events WHERE "+filter, want)
		gets, _ := l.gets(last)
		if n := len(slices.DeleteFunc(gets, func(e entry) bool { return !strings.Contains(e.Path, "part-") })); n > 2 {
			t.Errorf("%s: %d requests of data files", filter, n)
		}
	}
	l.expectLines(db, "SELECT city FROM hudi_0.sales.orders_hudi WHERE city = 'rome'", "rome")
	l.expectLines(l.db("", "time_zone=%27Asia%2FTokyo%27"), "SELECT count(*), max(at) FROM delta_0.sales.events WHERE at >= '2024-02-02 08:30:00'", "12\t2024-02-13 08:30:00")

	sh := mariadbShell(l)
	golden(t, "lake_formats", sh.run("mariadb", "-t", "-e", "SHOW TABLES FROM delta_0.sales; DESC delta_0.sales.events; SHOW CREATE TABLE delta_0.sales.events\\G DESC hudi_0.sales.orders_hudi; SHOW CATALOGS"))
	for query, want := range map[string]string{
		"SELECT * FROM delta_0.sales.broken":      "there is no Delta log",
		"SELECT * FROM hudi_0.sales.broken_hudi":  "there is no s3://lake/nothing/.hoodie/hoodie.properties",
		"SELECT * FROM delta_0.sales.orders_hudi": `is a Hudi table, not a Delta Lake table`,
		"SELECT * FROM hudi_0.sales.events":       `is a Delta Lake table, not a Hudi table`,
		"SELECT * FROM delta_0.sales.orders":      `is a Hive table, not a Delta Lake table`,
	} {
		l.expectError(db, query, want)
	}
}

// Engines and crawlers say in different ways of what format a table is.
func TestLakeFormatsAreRecognised(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	l.prepare()
	l.makeEvents(1)
	g := glue.NewFromConfig(l.as(rootKeys[home]))
	for name, in := range map[string]*gluetypes.TableInput{
		"crawled": {Parameters: map[string]string{"table_type": "delta"}, StorageDescriptor: &gluetypes.StorageDescriptor{Location: aws.String("s3://lake/events/")}},
		"handled": {Parameters: map[string]string{"storage_handler": "io.delta.hive.DeltaStorageHandler"}, StorageDescriptor: &gluetypes.StorageDescriptor{Location: aws.String("s3://lake/events/")}},
		"synced": {StorageDescriptor: &gluetypes.StorageDescriptor{Location: aws.String("s3://lake/orders_hudi"),
			InputFormat: aws.String("org.apache.hudi.hadoop.HoodieParquetInputFormat")}},
	} {
		in.Name, in.TableType = aws.String(name), aws.String("EXTERNAL_TABLE")
		l.must(g.CreateTable(context.Background(), &glue.CreateTableInput{DatabaseName: aws.String("sales"), TableInput: in}))
	}
	db := l.db()
	l.exec(db, typedCatalog("d", "DeltaLake", instance(), instance()), typedCatalog("h", "Hudi", instance(), instance()))
	l.expectLines(db, "SELECT id FROM d.sales.crawled", "0")
	l.expectLines(db, "SELECT id FROM d.sales.handled", "0")
	l.expectLines(db, "SELECT count(*) FROM h.sales.synced", "2")
}
