package iceberg

import (
	"testing"

	"lakeport/internal/lake"
	"lakeport/internal/sqlerr"
)

// What the metadata says of a table is asked in SQL.
func TestInspections(t *testing.T) {
	l := newLab(t)
	s := l.make("t", Definition{Columns: columns("id BIGINT, day DATE, s VARCHAR"), Partition: []string{"day", "truncate(s, 1)"}})
	for _, q := range []string{"SELECT 1 AS id, DATE '1969-12-31' AS day, 'ab' AS s", "SELECT i AS id, NULL AS day, 'b' AS s FROM range(2, 5) r(i)"} {
		_, err := s.insert(s.table(), q, false)
		l.must(err)
	}
	d := s.data()[1]
	f := s.write("del.parquet", "SELECT 2::BIGINT AS id", ", FIELD_IDS {id: 1}")
	f.content, f.equality, f.spec, f.partition = contentEqualityDeletes, []int{1}, d.file.spec, d.file.partition
	s.commit(f)
	for _, c := range []struct{ name, query, want string }{
		{"snapshots", "SELECT count(*) AS n, count(parent_id) AS parents, list(operation ORDER BY committed_at) AS ops, sum(CAST(summary['added-records'] AS INT)) AS added FROM {t}",
			"{'n': 3, 'parents': 1, 'ops': [append, append, overwrite], 'added': 4}\n"},
		{"history", "SELECT count(*) AS n, min(made_current_at) > TIMESTAMPTZ '2020-01-01 00:00:00+00' AS recent FROM {t}", "{'n': 3, 'recent': true}\n"},
		{"refs", "SELECT name, type, min_snapshots_to_keep FROM {t}", "{'name': main, 'type': BRANCH, 'min_snapshots_to_keep': NULL}\n"},
		{"manifests", "SELECT added_data_files_count AS files, added_rows_count AS added, partition_summaries AS p FROM {t} ORDER BY 1, 2",
			"{'files': 0, 'added': 0, 'p': [{'contains_null': true, 'contains_nan': false, 'lower_bound': NULL, 'upper_bound': NULL}, {'contains_null': false, 'contains_nan': false, 'lower_bound': b, 'upper_bound': b}]}\n" +
				"{'files': 1, 'added': 1, 'p': [{'contains_null': false, 'contains_nan': false, 'lower_bound': 1969-12-31, 'upper_bound': 1969-12-31}, {'contains_null': false, 'contains_nan': false, 'lower_bound': a, 'upper_bound': a}]}\n" +
				"{'files': 1, 'added': 3, 'p': [{'contains_null': true, 'contains_nan': false, 'lower_bound': NULL, 'upper_bound': NULL}, {'contains_null': false, 'contains_nan': false, 'lower_bound': b, 'upper_bound': b}]}\n"},
		{"files", "SELECT content, file_format, record_count, value_counts[1] AS n, hex(upper_bounds[1]) AS high, equality_ids FROM {t} ORDER BY 1, 3",
			"{'content': 0, 'file_format': PARQUET, 'record_count': 1, 'n': 1, 'high': 0100000000000000, 'equality_ids': NULL}\n" +
				"{'content': 0, 'file_format': PARQUET, 'record_count': 3, 'n': 3, 'high': 0400000000000000, 'equality_ids': NULL}\n" +
				"{'content': 2, 'file_format': PARQUET, 'record_count': 1, 'n': NULL, 'high': NULL, 'equality_ids': [1]}\n"},
		{"partitions", "SELECT partition_value AS p, record_count AS n, file_count AS f, equality_delete_file_count AS e FROM {t} ORDER BY 2",
			"{'p': {'day': 1969-12-31, 's_trunc': a}, 'n': 1, 'f': 1, 'e': 0}\n{'p': {'day': NULL, 's_trunc': b}, 'n': 3, 'f': 1, 'e': 1}\n"},
	} {
		i, err := s.table().Inspect(c.name)
		l.must(err)
		got, err := l.rows(i, lake.Need{}, c.query)
		if err != nil || got != c.want {
			t.Errorf("%s: got %v\n%swant\n%s", c.name, err, got, c.want)
		}
	}
	if _, err := s.table().Inspect("metadata_log_entries"); !sqlerr.Is(err, sqlerr.Unsupported) {
		t.Errorf("got %v, want a refusal", err)
	}
	for name, want := range map[string]bool{"t$files": true, "t$Files": true, "a$b": false, "$files": false, "files": false} {
		if _, _, ok := SplitInspection(name); ok != want {
			t.Errorf("%s: got %v, want %v", name, ok, want)
		}
	}
}
