package e2e

import (
	"context"
	"fmt"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/glue"
	gluetypes "github.com/aws/aws-sdk-go-v2/service/glue/types"
)

// makeStored makes a table of sales with its own parameters and partition keys,
// in s3://lake/<name>/.
func (l *lab) makeStored(name string, columns, keys []string, params map[string]string) {
	l.t.Helper()
	l.must(glue.NewFromConfig(l.as(rootKeys[home])).CreateTable(context.Background(), &glue.CreateTableInput{DatabaseName: aws.String("sales"),
		TableInput: &gluetypes.TableInput{Name: aws.String(name), TableType: aws.String("EXTERNAL_TABLE"), Parameters: params,
			PartitionKeys: hiveColumns(keys), StorageDescriptor: parquetStorage(columns, "s3://lake/"+name+"/")}}))
}

// TestTypesEvolve reads one file's column v under a table's column v. A want
// that begins with "error: " names what the error says; every such error names
// the file. Rows are never those of another value.
func TestTypesEvolve(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	l.prepare()
	db := l.db()
	l.exec(db, catalogStatement("c", instance(), instance()), "SET sql_mode = ''")
	for i, c := range []struct{ file, table, want string }{
		// Wider types.
		{"7::TINYINT", "bigint", "7"}, {"-7::INT", "bigint", "-7"}, {"7::INT", "decimal(12,2)", "7.00"}, {"7::INT", "double", "7"},
		{"1.5::FLOAT", "double", "1.5"}, {"1.25::DECIMAL(5,2)", "decimal(20,4)", "1.2500"}, {"1.25::DECIMAL(5,2)", "double", "1.25"},
		{"DATE '2024-02-29'", "timestamp", "2024-02-29 00:00:00"}, {"7::INT", "string", "7"}, {"true", "string", "true"},
		{"TIMESTAMP_NS '2024-02-29 01:02:03.123456789'", "timestamp", "2024-02-29 01:02:03.123456"},
		{"TIMESTAMP_MS '2024-02-29 01:02:03.123'", "timestamp", "2024-02-29 01:02:03.123000"},
		{"NULL::INT", "bigint", "NULL"},
		// Unsigned.
		{"255::UTINYINT", "smallint", "255"}, {"4294967295::UINTEGER", "bigint", "4294967295"},
		{"18446744073709551615::UBIGINT", "decimal(20,0)", "18446744073709551615"}, {"18446744073709551615::UBIGINT", "bigint", "error: out of range"},
		// Narrower types: values that fit are right, others errors.
		{"5::BIGINT", "int", "5"}, {"5000000000::BIGINT", "int", "error: out of range"}, {"70000::INT", "smallint", "error: out of range"},
		{"1.5::DECIMAL(9,1)", "decimal(3,1)", "1.5"}, {"99999.5::DECIMAL(9,1)", "decimal(3,1)", "error: out of range"},
		// Other types: what the engine would round, parse or reinterpret.
		{"2.6::DOUBLE", "int", "error: column v of table sales.t%d is int, but"}, {"2.0::DOUBLE", "bigint", "error: has it as double"},
		{"2.6::FLOAT", "int", "error: has it as float"}, {"0.1::DOUBLE", "float", "error: has it as double"}, {"0.1::DOUBLE", "decimal(5,1)", "error: has it as double"},
		{"2.65::DECIMAL(5,2)", "int", "error: has it as decimal(5,2)"}, {"2.65::DECIMAL(5,2)", "decimal(5,1)", "error: has it as decimal(5,2)"},
		{"TIMESTAMP '2024-02-29 01:02:03'", "date", "error: has it as timestamp"}, {"5", "boolean", "error: has it as integer"},
		{"true", "int", "error: has it as boolean"}, {"'12'", "int", "error: has it as varchar"}, {"'2024-02-29'", "date", "error: has it as varchar"},
		{"5", "date", "error: has it as integer"}, {"5::BIGINT", "timestamp", "error: has it as bigint"}, {"'é'", "binary", "error: has it as varchar"},
		{"[1]", "int", "error: has it as integer[]"}, {"{'a': 1}", "string", "error: has it as struct"}, {"1", "array<int>", "error: has it as integer"},
		// Text that nothing annotates, as old writers left it.
		{"encode('é \\x41')", "string", `é \x41`}, {"[encode('é')]", "array<string>", `["é"]`}, {"'\\xFF'::BLOB", "binary", "\xff"},
		{"'\\xFF'::BLOB", "string", "error: UTF"},
		// Nested types.
		{"{'X': 5::INT, 'gone': 1}", "struct<x:bigint,added:string>", `{"x":5,"added":null}`},
		{"{'b': 2, 'a': 1}", "struct<a:int,b:int>", `{"a":1,"b":2}`},
		{"[{'a': 1::SMALLINT}]", "array<struct<a:int,b:date>>", `[{"a":1,"b":null}]`},
		{"MAP {'k': {'a': 1}}", "map<string,struct<a:bigint>>", `{"k":{"a":1}}`},
		{"{'a': {'b': 2.6::DOUBLE}}", "struct<a:struct<b:int>>", "error: has it as struct"},
		{"[2.6::DOUBLE]", "array<int>", "error: has it as double[]"}, {"MAP {'k': 2.6::DOUBLE}", "map<string,int>", "error: has it as map(varchar, double)"},
		{"{'a': 1}", "struct<b:int>", "error: has it as struct"},
	} {
		name := fmt.Sprintf("t%d", i)
		l.makeStored(name, []string{"v " + c.table, "other int"}, nil, nil)
		l.put(home, "lake", name+"/f.parquet", l.parquet("SELECT "+c.file+" AS v, 1 AS other"))
		query := "SELECT v FROM c.sales." + name
		if why, wrong := strings.CutPrefix(c.want, "error: "); wrong {
			if strings.Contains(why, "%d") {
				why = fmt.Sprintf(why, i)
			}
			l.expectError(db, query, why, "s3://lake/"+name+"/f.parquet")
			l.expectLines(db, "SELECT other FROM c.sales."+name, "1")
			l.expectLines(db, "SELECT count(*) FROM c.sales."+name, "1")
		} else {
			l.expectLines(db, query, c.want)
		}
	}
}

func TestColumnsEvolve(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	l.prepare()
	db := l.db()
	l.exec(db, catalogStatement("c", instance(), instance()))

	// Added, missing, reordered, of other case, widened from one file to another.
	l.makeStored("items", []string{"id bigint", "name string", "price decimal(12,2)", "seen timestamp"}, nil, nil)
	l.put(home, "lake", "items/1.parquet", l.parquet("SELECT 'one' AS NAME, 1::INT AS Id, 5 AS dropped"))
	l.put(home, "lake", "items/2.parquet", l.parquet("SELECT DATE '2024-02-29' AS seen, 2.5::DECIMAL(4,1) AS price, 2::BIGINT AS id"))
	l.put(home, "lake", "items/3.parquet", l.parquet("SELECT 'nothing of the table' AS other"))
	l.expectLines(db, "SELECT * FROM c.sales.items", "1\tone\tNULL\tNULL\n2\tNULL\t2.50\t2024-02-29 00:00:00\nNULL\tNULL\tNULL\tNULL")
	l.expectLines(db, "SELECT id FROM c.sales.items WHERE price IS NULL", "1\nNULL")
	l.expectLines(db, "SELECT id FROM c.sales.items WHERE seen >= '2024-02-29' AND price < 3", "2")
	l.expectLines(db, "SELECT count(*) FROM c.sales.items WHERE name = 'one'", "1")

	// One file of another type is refused, the others are read around it.
	l.put(home, "lake", "items/4.parquet", l.parquet("SELECT 4.5::DOUBLE AS PRICE, 4 AS id"))
	l.expectError(db, "SELECT sum(price) FROM c.sales.items", "s3://lake/items/4.parquet has it as double", "price")
	l.expectLines(db, "SELECT sum(id) FROM c.sales.items", "7")

	// A key that stands in the files too has the partition's value.
	l.makeStored("keyed", []string{"id int"}, []string{"dt string", "n int"}, nil)
	l.put(home, "lake", "keyed/a/f.parquet", l.parquet("SELECT 1 AS id, 'in the file' AS dt, 2.5::DOUBLE AS n"))
	l.addPartition(context.Background(), "keyed", []string{"id int"}, "s3://lake/keyed/a/", "of the partition", "7")
	l.expectLines(db, "SELECT * FROM c.sales.keyed WHERE n = 7 AND dt > 'of'", "1\tof the partition\t7")

	// Text as bytes beside real bytes: each by itself.
	l.makeStored("legacy", []string{"s string", "b binary"}, nil, nil)
	l.put(home, "lake", "legacy/f.parquet", l.parquet(`SELECT encode('é') AS s, '\xFF\x00'::BLOB AS b`))
	l.expectLines(db, "SELECT s FROM c.sales.legacy WHERE s = 'é'", "é")
	l.expectLines(db, "SELECT hex(b) FROM c.sales.legacy", "FF00")
	l.expectError(db, "SELECT * FROM c.sales.legacy", "s3://lake/legacy/f.parquet does not say which of its columns are text")
}

func TestColumnsByPosition(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	l.prepare()
	db := l.db()
	l.exec(db, catalogStatement("c", instance(), instance()))
	l.makeStored("places", []string{"a int", "b string", "c bigint"}, nil, map[string]string{"parquet.column.index.access": "true"})
	l.put(home, "lake", "places/1.parquet", l.parquet("SELECT 1 AS x, 'p' AS a"))
	l.put(home, "lake", "places/2.parquet", l.parquet("SELECT 2 AS b, 'q' AS c, 3::INT AS a, 4 AS more"))
	l.expectLines(db, "SELECT * FROM c.sales.places", "1\tp\tNULL\n2\tq\t3")
	l.expectLines(db, "SELECT b FROM c.sales.places WHERE a = 2", "q")
	l.expectLines(db, "SELECT count(*), count(c) FROM c.sales.places", "2\t1")
	l.put(home, "lake", "places/3.parquet", l.parquet("SELECT 1.5::DOUBLE AS a"))
	l.expectError(db, "SELECT a FROM c.sales.places", "s3://lake/places/3.parquet has it as double")
	l.expectLines(db, "SELECT b FROM c.sales.places WHERE b IS NOT NULL", "p\nq")
}
