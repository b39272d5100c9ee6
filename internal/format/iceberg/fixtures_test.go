package iceberg

import (
	"strings"
	"testing"

	"lakeport/internal/lake"
	"lakeport/internal/sqlerr"
)

// otherEngines are the tables that other engines wrote. The rows were read by
// another reader of Parquet from the data files, and put together by hand with
// the partition values, deletes and defaults that the metadata says.
var otherEngines = []struct {
	name, meta string
	at         lake.At
	query      string // "": all rows
	want       string
}{
	{name: "add_columns_with_defaults", meta: "default.db/add_columns_with_defaults/metadata/00003-3f1801a5-7dfb-4072-b14a-39cd12f9279b.metadata.json",
		query: "SELECT * REPLACE (epoch_us(col_timestamptz) AS col_timestamptz) FROM {t} ORDER BY 1",
		want: `{'col1': click, 'col_boolean': true, 'col_integer': 342342, 'col_long': -9223372036854775808, 'col_float': 0.34234, 'col_double': 0.342343242342342, 'col_decimal': 12345.00, 'col_date': 2003-10-20, 'col_time': '00:00:00.012345', 'col_timestamp': '1970-01-01 00:00:00.012345', 'col_timestamptz': 12345, 'col_string': HELLO, 'col_uuid': f79c3e09-677c-4bbd-a479-3f349cb785e7, 'col_fixed': \x01\x02\x03\xFF\x03, 'col_binary': \x01\x02}
{'col1': purchase, 'col_boolean': true, 'col_integer': 342342, 'col_long': -9223372036854775808, 'col_float': 0.34234, 'col_double': 0.342343242342342, 'col_decimal': 12345.00, 'col_date': 2003-10-20, 'col_time': '00:00:00.012345', 'col_timestamp': '1970-01-01 00:00:00.012345', 'col_timestamptz': 12345, 'col_string': HELLO, 'col_uuid': f79c3e09-677c-4bbd-a479-3f349cb785e7, 'col_fixed': \x01\x02\x03\xFF\x03, 'col_binary': \x01\x02}
{'col1': test, 'col_boolean': false, 'col_integer': 453243, 'col_long': 328725092345834, 'col_float': 23.34342, 'col_double': 23.343424523423433, 'col_decimal': 3423434.23, 'col_date': 0011-03-05, 'col_time': '12:06:45', 'col_timestamp': '0011-03-05 12:06:45', 'col_timestamptz': 1684161045000000, 'col_string': World, 'col_uuid': 020d4fc7-acd6-45ac-b216-7873f4038e1f, 'col_fixed': \x80\x00\x80\x00\x80, 'col_binary': \x80\x00\x80}`},
	{name: "add_columns_with_defaults", meta: "default.db/add_columns_with_defaults/metadata/00003-3f1801a5-7dfb-4072-b14a-39cd12f9279b.metadata.json",
		at: lake.At{Version: "8904642012249016277"}, want: "{'col1': click}\n{'col1': purchase}"},
	{name: "case_sensitive_names", meta: "default.db/case_sensitive_names/metadata/00001-a7a3a44c-4aac-4619-bebd-11be37b27351.metadata.json",
		want: "{'user_id': 1, 'uSeR_Id_1': user_1}\n{'user_id': 2, 'uSeR_Id_1': user_2}\n{'user_id': 3, 'uSeR_Id_1': user_3}"},
	{name: "custom_write_paths", meta: "metadata/00000-acdf842e-3a9d-4b9b-ad87-daf785831925.metadata.json"},
	{name: "expression_filter", meta: "metadata/00001-19739cda-f528-4429-84cc-377ffdd24c75.metadata.json",
		want: "{'id': 1, 'value': foo}\n{'id': 2, 'value': bar}\n{'id': 3, 'value': baz}"},
	{name: "hive_partitioned_table", meta: "metadata/v4.metadata.json", want: `{'event_date': 2024-01-01, 'user_id': 12345, 'event_type': click}
{'event_date': 2024-01-02, 'user_id': 67890, 'event_type': purchase}
{'event_date': 2024-01-03, 'user_id': 13579, 'event_type': view}
{'event_date': 2024-01-03, 'user_id': 24680, 'event_type': click}
{'event_date': 2024-01-04, 'user_id': 86420, 'event_type': view}
{'event_date': 2024-01-04, 'user_id': 97531, 'event_type': purchase}`},
	{name: "iceberg_v1_deprecated", meta: "default/legacy_v1/metadata/v2.metadata.json",
		want: "{'id': 1, 'category': alpha, 'amount': 10}\n{'id': 2, 'category': beta, 'amount': 20}\n{'id': 3, 'category': alpha, 'amount': NULL}"},
	{name: "is_null_is_not_null", meta: "metadata/00001-43ceeb9a-cd0d-4556-b1e2-513b5bf88ff8.metadata.json",
		want: `{'id': 1, 'value': NULL}
{'id': 2, 'value': NULL}
{'id': 3, 'value': NULL}
{'id': 4, 'value': foo}
{'id': 5, 'value': bar}
{'id': 6, 'value': baz}
{'id': 7, 'value': NULL}
{'id': 8, 'value': blah}`},
	{name: "map_stats", meta: "default.db/map_stats/metadata/00002-0e059d4b-e5e8-41af-a763-76cbf3a3d0bc.metadata.json",
		query: "SELECT epoch_us(timestamp) AS t, input, output, metadata FROM {t} ORDER BY 1",
		want:  "{'t': 1767225600000000, 'input': hello, 'output': world, 'metadata': {key=value1}}\n{'t': 1767312000000000, 'input': hello, 'output': world, 'metadata': {key=value1}}"},
	{name: "null_stats", meta: "default/test_nulls/metadata/00003-9d6a621e-8a72-4190-a880-f6ca02e32b86.metadata.json",
		query: "SELECT id, name, epoch_us(ts) // 1000000 AS ts, flag FROM {t} ORDER BY 1",
		want: `{'id': 1, 'name': a, 'ts': 1709300000, 'flag': true}
{'id': 2, 'name': b, 'ts': 1709400000, 'flag': false}
{'id': 3, 'name': c, 'ts': 1709500000, 'flag': true}
{'id': 4, 'name': d, 'ts': 1709600000, 'flag': NULL}
{'id': 5, 'name': e, 'ts': 1709700000, 'flag': NULL}
{'id': 6, 'name': f, 'ts': 1709800000, 'flag': true}
{'id': 7, 'name': g, 'ts': 1709900000, 'flag': NULL}
{'id': 8, 'name': h, 'ts': 1710000000, 'flag': NULL}
{'id': 9, 'name': i, 'ts': 1710100000, 'flag': NULL}`},
	{name: "partition_binary", meta: "metadata/v2.metadata.json",
		want: `{'partition_col': \x01\x02\x03, 'user_id': 12345, 'event_type': click}
{'partition_col': \xAA\xBB\xCC, 'user_id': 67890, 'event_type': purchase}`},
	{name: "partition_decimal_bigint", meta: "metadata/v2.metadata.json", want: `{'partition_col': -9876.54321098765, 'user_id': 222333, 'event_type': view}
{'partition_col': -5432.10987654321, 'user_id': 654321, 'event_type': swipe}
{'partition_col': -0.12345678901, 'user_id': 888999, 'event_type': drag}
{'partition_col': 0.00000000000, 'user_id': 987654, 'event_type': pinch}
{'partition_col': 0.00000000001, 'user_id': 444555, 'event_type': scroll}
{'partition_col': 1.23456789012, 'user_id': 67890, 'event_type': purchase}
{'partition_col': 42.56378901234, 'user_id': 12345, 'event_type': click}
{'partition_col': 123.45678901234, 'user_id': 123456, 'event_type': drop}
{'partition_col': 1234.54321098765, 'user_id': 111213, 'event_type': delete}
{'partition_col': 9999.99999999999, 'user_id': 666777, 'event_type': hover}`},
	{name: "partition_decimal_integer", meta: "metadata/v2.metadata.json", want: `{'partition_col': 1.2300, 'user_id': 67890, 'event_type': purchase}
{'partition_col': 42.5630, 'user_id': 12345, 'event_type': click}
{'partition_col': 1234.5432, 'user_id': 111213, 'event_type': delete}`},
	{name: "partition_double", meta: "metadata/v2.metadata.json",
		want: "{'partition_col': 2.7182817, 'user_id': 67890, 'event_type': purchase}\n{'partition_col': 3.1415927, 'user_id': 12345, 'event_type': click}"},
	{name: "partition_float", meta: "metadata/v2.metadata.json",
		want: "{'partition_col': 1.23, 'user_id': 12345, 'event_type': click}\n{'partition_col': 4.56, 'user_id': 67890, 'event_type': purchase}"},
	{name: "partition_time", meta: "default.db/partition_time/metadata/00001-44546aa6-1ee5-48c5-9e3b-bc6c0bc0a60c.metadata.json",
		want: "{'partition_col': '08:21:09', 'user_id': 67890, 'event_type': purchase}\n{'partition_col': '12:34:56', 'user_id': 12345, 'event_type': click}"},
	{name: "partition_timestamptz", meta: "default.db/partition_timestamptz/metadata/00001-ffeadb58-2a9e-46ba-8b4f-f363f05de68c.metadata.json",
		query: "SELECT epoch_us(partition_col) // 1000000 AS p, user_id, event_type FROM {t} ORDER BY 1",
		want:  "{'p': 1684161045, 'user_id': 12345, 'event_type': click}\n{'p': 1692695720, 'user_id': 67890, 'event_type': purchase}"},
	{name: "uuid", meta: "metadata/00001-43fda1f4-1c96-4376-ad16-91beb71d0759.metadata.json",
		query: "SELECT count(*) AS n, min(uuid) AS low, max(uuid) AS high FROM {t}",
		want:  "{'n': 10, 'low': 1571effb-facd-42a3-90e9-0af522e9b6c2, 'high': f9f28465-51cf-45f1-8985-e01d9a82253c}"},
}

func TestTablesOfOtherEnginesGiveTheirRows(t *testing.T) {
	l := newLab(t)
	for _, c := range otherEngines {
		l.upload(c.name)
		table, err := l.open("data/persistent/"+c.name+"/"+c.meta, c.at)
		if err != nil {
			t.Errorf("%s: %v", c.name, err)
			continue
		}
		if c.query == "" {
			c.query = "SELECT * FROM {t} ORDER BY ALL"
		}
		got, err := l.rows(table, lake.Need{}, c.query)
		if err != nil || strings.TrimSuffix(got, "\n") != c.want {
			t.Errorf("%s: got %v\n%swant\n%s", c.name, err, got, c.want)
		}
	}
}

// The snapshot ids of one table's manifests have 65 bits as Avro's zigzag.
func TestSnapshotIdsBeyondTheSign(t *testing.T) {
	l := newLab(t)
	l.upload("equality_delete_extra_column")
	const metadata = "data/persistent/equality_delete_extra_column/warehouse/ns/t/metadata/vfinal.metadata.json"
	for at, want := range map[lake.At]string{
		{}:                               "{'id': 1, 'val': a}\n{'id': 3, 'val': c}\n",
		{Version: "2904628372548660858"}: "{'id': 1, 'val': a}\n{'id': 2, 'val': b}\n{'id': 3, 'val': c}\n",
		{Version: "9876543210123456789"}: "{'id': 1, 'val': a}\n{'id': 3, 'val': c}\n",
	} {
		table, err := l.open(metadata, at)
		l.must(err)
		if got, err := l.rows(table, lake.Need{}, "SELECT * FROM {t} ORDER BY 1"); err != nil || got != want {
			t.Errorf("%v: got %v, %v, want %v", at, got, err, want)
		}
	}
}

func TestBrokenMetadataIsRefused(t *testing.T) {
	l := newLab(t)
	l.upload("bad_data")
	_, err := l.open("data/persistent/bad_data/bad_iceberg_metadata.json", lake.At{})
	if !sqlerr.Is(err, sqlerr.Corrupt) || !strings.Contains(err.Error(), "metadata is not readable") {
		t.Errorf("got %v, want a broken metadata file", err)
	}
}
