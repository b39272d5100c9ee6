package hive

import (
	"os"
	"slices"
	"strings"
	"testing"

	"lakeport/internal/lake"
)

// orc stores a file of package orc's tests as an object.
func (s *shelf) orc(key, file string) {
	s.t.Helper()
	b, err := os.ReadFile("../../orc/testdata/" + file)
	if err != nil {
		s.t.Fatal(err)
	}
	s.text(key, string(b))
}

// nameless.orc has _col0 int, _col1 string: (1, one), (2, two). renamed.orc has
// NAME, id bigint, more, rec<B, z>: (three, 3, true, {b, 1.5}).

func TestORCColumnsAreFoundByNameUnlessAFileHasNone(t *testing.T) {
	s := newShelf(t, "orc", "id bigint; name string; rec struct<b:string,c:int>; added date", "day string")
	s.orc("t/day=1/a", "nameless.orc")
	s.orc("t/day=2/b", "renamed.orc")
	s.orc("t/day=2/c", "renamed.orc")
	s.add("s3://b/t/day=1", "1")
	s.add("s3://b/t/day=2", "2")
	got := s.rows("SELECT id, name, rec, added, day FROM t ORDER BY id, name")
	want := []string{
		"{'id': 1, 'name': one, 'rec': NULL, 'added': NULL, 'day': 1}",
		"{'id': 2, 'name': two, 'rec': NULL, 'added': NULL, 'day': 1}",
		"{'id': 3, 'name': three, 'rec': {'b': b, 'c': NULL}, 'added': NULL, 'day': 2}",
		"{'id': 3, 'name': three, 'rec': {'b': b, 'c': NULL}, 'added': NULL, 'day': 2}",
	}
	if !slices.Equal(got, want) {
		t.Errorf("got\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}

func TestORCColumnsAreFoundByPositionWhereTheTableSaysSo(t *testing.T) {
	for key, value := range map[string]string{"orc.column.index.access": "true", "orc.force.positional.evolution": "TRUE"} {
		s := newShelf(t, "orc", "first string; second bigint", "")
		s.record.Parameters[key] = value
		s.orc("t/a", "renamed.orc")
		if got := s.rows("SELECT * FROM t"); !slices.Equal(got, []string{"{'first': three, 'second': 3}"}) {
			t.Errorf("%s: got %s", key, got)
		}
	}
}

func TestORCAndParquetMixInOneTable(t *testing.T) {
	s := newShelf(t, "orc", "id bigint; name string", "day string")
	s.orc("t/day=1/a", "renamed.orc")
	s.parquet("t/day=2/b", "SELECT 7::BIGINT AS id, 'seven' AS name")
	s.add("s3://b/t/day=1", "1")
	s.add("s3://b/t/day=2", "2")
	s.parts[1].Storage.InputFormat = serdes["parquet"].InputFormat
	s.parts[1].Storage.SerDe = serdes["parquet"].SerDe
	if got := s.rows("SELECT * FROM t ORDER BY id"); !slices.Equal(got, []string{"{'id': 3, 'name': three, 'day': 1}", "{'id': 7, 'name': seven, 'day': 2}"}) {
		t.Errorf("got %s", got)
	}
	if got := s.rows("SELECT count(*) AS n FROM t"); !slices.Equal(got, []string{"{'n': 2}"}) {
		t.Errorf("got %s", got)
	}
}

func TestORCColumnsOfAnotherTypeAreRefusedWhereTheyAreNeeded(t *testing.T) {
	s := newShelf(t, "orc", "id boolean; name string", "")
	s.orc("t/a", "renamed.orc")
	if _, err := s.plan(t, lake.Need{Columns: []string{"name"}}); err != nil {
		t.Error(err)
	}
	_, err := s.plan(t, lake.Need{Columns: []string{"ID"}})
	const want = "column id of table db.t is boolean, but s3://b/t/a has it as bigint"
	if err == nil || !strings.Contains(err.Error(), want) {
		t.Errorf("got %v, want %s", err, want)
	}
}

func TestORCStripesArePrunedByFiltersOfTheTable(t *testing.T) {
	s := newShelf(t, "orc", "id int", "")
	s.orc("t/a", "stripes.orc")
	scan, err := s.plan(t, lake.Need{Columns: []string{"id"}, Filters: []lake.Filter{{Column: "id", Op: lake.Less, Values: []string{"10"}}}})
	if err != nil {
		t.Fatal(err)
	}
	if len(scan.Feeds) != 1 || scan.Feeds[0].Parts != 1 {
		t.Errorf("%d parts of %d feeds are read for 10 rows", scan.Feeds[0].Parts, len(scan.Feeds))
	}
}
