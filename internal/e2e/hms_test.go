package e2e

import (
	"context"
	"database/sql"
	"fmt"
	"strings"
	"testing"

	api "github.com/beltran/gohive/hive_metastore"

	"lakeport/internal/metastore/hmstest"
)

// metastoreCatalog spells CREATE EXTERNAL CATALOG over a Hive Metastore.
func metastoreCatalog(name, uris string, more ...string) string {
	props := append([]string{`"type" = "hive"`, `"aws.s3.use_instance_profile" = "true"`, fmt.Sprintf(`"aws.s3.region" = %q`, region),
		fmt.Sprintf(`"hive.metastore.uris" = %q`, uris)}, more...)
	return "CREATE EXTERNAL CATALOG " + name + " PROPERTIES (" + strings.Join(props, ", ") + ")"
}

// hiveLab is a lab with a Hive Metastore that has the database sales, and the
// catalog c over it as the instance profile.
func hiveLab(t *testing.T) (*lab, *sql.DB, *api.ThriftHiveMetastoreClient, string) {
	l := newLab(t)
	l.prepare()
	uri, hms := hiveMetastore(t)
	l.must(nil, hms.CreateDatabase(t.Context(), &api.Database{Name: "sales", LocationUri: "s3a://warehouse/sales", Description: "what was sold"}))
	db := l.db()
	l.exec(db, metastoreCatalog("c", uri))
	return l, db, hms, uri
}

func TestHiveMetastoreTables(t *testing.T) {
	t.Parallel()
	l, db, hms, _ := hiveLab(t)
	// Locations say s3, s3a and s3n as the writers before lakeport did.
	hmstest.CreateTable(t, hms, hiveTable("sales.orders", "parquet", "s3n://lake/orders", "id bigint, amount double", "dt string, hour int"), map[string][]string{
		"s3a://lake/orders/dt=2024-01-01": {"2024-01-01", "7"}, "s3n://lake/orders/dt=2024-01-02": {"2024-01-02", "11"}, "s3://lake/nothing/here": {"__HIVE_DEFAULT_PARTITION__", "12"},
	})
	logs := hiveTable("sales.logs", "text", "s3a://lake/logs", "a int, b string", "")
	logs.Sd.SerdeInfo.Parameters = map[string]string{"field.delim": "|"}
	hmstest.CreateTable(t, hms, logs, nil)
	l.put(home, "lake", "logs/1.txt", []byte("1|it's\n2|\\N\nx|\n"))
	// What nobody can read is told of when it is asked for.
	sequence := hiveTable("sales.seq", "text", "s3://lake/seq", "a int", "")
	sequence.Sd.InputFormat = "org.apache.hadoop.mapred.SequenceFileInputFormat"
	hmstest.CreateTable(t, hms, sequence, nil)
	hmstest.CreateTable(t, hms, &api.Table{DbName: "sales", TableName: "v", TableType: "VIRTUAL_VIEW", Sd: &api.StorageDescriptor{Location: "s3://lake/v", Cols: hiveFields("a int"), SerdeInfo: &api.SerDeInfo{}},
		PartitionKeys: hiveFields(""), ViewOriginalText: "SELECT 1", ViewExpandedText: "SELECT 1"}, nil)
	hmstest.CreateTable(t, hms, hiveTable("sales.odd", "parquet", "s3://lake/orders/dt=2024-01-01", "id bigint, u uniontype<int,string>", ""), nil)

	for _, c := range []struct{ query, want string }{
		{"SHOW DATABASES FROM c", "default\ninformation_schema\nsales"},
		{"SHOW TABLES FROM c.sales", "logs\nodd\norders\nseq\nv"},
		{"SELECT id, amount, dt, hour FROM c.sales.orders WHERE dt = '2024-01-02'", "4\t6\t2024-01-02\t11\n5\t7.5\t2024-01-02\t11\n6\t9\t2024-01-02\t11"},
		{"SELECT count(*), count(dt), min(hour), max(hour) FROM c.sales.orders", "6\t6\t7\t11"},
		{"SELECT count(*) FROM c.sales.orders WHERE hour > 7", "3"},
		{"SELECT count(*) FROM c.sales.orders WHERE dt IS NULL", "0"},
		{"SELECT count(*) FROM c.sales.orders WHERE dt >= '2024-01-02' AND hour IN (7, 11)", "3"},
		{"SELECT count(*) FROM c.sales.orders WHERE dt = 'none'", "0"},
		{"SELECT a, b FROM c.sales.logs", "1\tit's\n2\tNULL\nNULL\t"},
		{"SELECT id FROM c.sales.odd WHERE id = 2", "2"},
		{"SELECT o.id, l.b FROM c.SALES.Orders o JOIN c.sales.logs l ON o.id = l.a", "1\tit's\n2\tNULL"},
	} {
		l.expectLines(db, c.query, c.want)
	}
	l.expectError(db, "SELECT u FROM c.sales.odd", "uniontype")
	l.expectError(db, "SELECT * FROM c.sales.seq", "table sales.seq has sequence files")
	l.expectError(db, "SELECT * FROM c.sales.v", "sales.v is a view")
	l.expectError(db, "SELECT * FROM c.sales.gone", "Unknown table 'c.sales.gone'")
	l.expectError(db, "SHOW TABLES FROM c.gone", "Unknown database 'c.gone'")
	if got, err := value(db, "SELECT count(*) FROM information_schema.tables WHERE table_catalog = 'c'"); err != nil {
		t.Errorf("information_schema: %s, %v", got, err)
	}
}

// A statement sees what was written a moment ago, unless the catalog keeps
// answers: then REFRESH EXTERNAL TABLE makes it look.
func TestHiveMetastoreAnswersAreKeptWhereAskedFor(t *testing.T) {
	t.Parallel()
	l, db, hms, uri := hiveLab(t)
	orders := hiveTable("sales.orders", "parquet", "s3a://lake/orders", "id bigint", "dt string")
	hmstest.CreateTable(t, hms, orders, map[string][]string{"s3a://lake/orders/dt=2024-01-01": {"2024-01-01"}})
	l.exec(db, metastoreCatalog("kept", uri, `"enable_metastore_cache" = "true"`, `"metastore_cache_refresh_interval_sec" = "100000"`, `"metastore_cache_ttl_sec" = "100000"`))
	l.exec(db, metastoreCatalog("lists", uri, `"enable_metastore_cache" = "true"`, `"enable_cache_list_names" = "false"`))
	for _, c := range []string{"c", "kept", "lists"} {
		l.expectLines(db, "SELECT count(*) FROM "+c+".sales.orders", "3")
	}
	sd := *orders.Sd
	sd.Location = "s3a://lake/orders/dt=2024-01-02"
	l.must(hms.AddPartition(context.Background(), &api.Partition{DbName: "sales", TableName: "orders", Values: []string{"2024-01-02"}, Sd: &sd}))
	l.expectLines(db, "SELECT count(*) FROM c.sales.orders", "6")
	l.expectLines(db, "SELECT count(*) FROM lists.sales.orders", "6")
	l.expectLines(db, "SELECT count(*) FROM kept.sales.orders", "3")
	l.exec(db, "REFRESH EXTERNAL TABLE kept.sales.orders")
	l.expectLines(db, "SELECT count(*) FROM kept.sales.orders", "6")
	l.expectLines(db, "SELECT count(*) FROM kept.sales.orders WHERE dt = '2024-01-02'", "3")
	l.expectError(db, "REFRESH EXTERNAL TABLE kept.sales.gone", "refresh external table failed: Unknown table")
}

// The second server is asked where the first is gone, in one statement.
func TestHiveMetastoreFailover(t *testing.T) {
	t.Parallel()
	l, db, _, uri := hiveLab(t)
	l.exec(db, metastoreCatalog("ha", "thrift://127.0.0.1:1,"+uri))
	l.expectLines(db, "SHOW DATABASES FROM ha", "default\ninformation_schema\nsales")
	l.exec(db, metastoreCatalog("none", "thrift://127.0.0.1:1,thrift://no-such-host.invalid:9083"))
	l.expectError(db, "SHOW DATABASES FROM none", "no Hive metastore answers:", "thrift://127.0.0.1:1 cannot be reached: connect: connection refused", "thrift://no-such-host.invalid:9083 cannot be reached")
	l.exec(db, `ALTER CATALOG none SET ("hive.metastore.uris" = "`+uri+`")`)
	l.expectLines(db, "SHOW DATABASES FROM none", "default\ninformation_schema\nsales")
}
