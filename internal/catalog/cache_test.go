package catalog

import (
	"context"
	"errors"
	"testing"
	"time"

	"lakeport/internal/metastore"
)

// counted is a metastore that tells how often it is asked.
type counted struct {
	Metastore
	tables, lists int
	wanted        metastore.Wanted
	err           error
}

func (m *counted) Table(_ context.Context, db, name string) (*metastore.Table, error) {
	m.tables++
	return &metastore.Table{Database: "db", Name: "t"}, m.err
}

func (m *counted) Partitions(_ context.Context, _ *metastore.Table, w metastore.Wanted) ([]metastore.Partition, error) {
	m.lists++
	m.wanted = w
	return []metastore.Partition{{Values: []string{"a"}}, {Values: []string{"b"}}}, m.err
}

func TestAnswersAreKeptForAWhile(t *testing.T) {
	now := time.Now()
	m := &counted{}
	c := newCached(m, cacheOptions{age: time.Minute, partitions: true}, func() time.Time { return now })
	ask := func(spelling string, tables, lists int) {
		t.Helper()
		record, err := c.Table(t.Context(), "DB", spelling)
		if err != nil {
			t.Fatal(err)
		}
		onlyB := metastore.Wanted{Expression: "k = 'b'", Keep: func(v []string) bool { return v[0] == "b" }}
		for w, want := range map[*metastore.Wanted]int{{}: 2, &onlyB: 1} {
			if got, err := c.Partitions(t.Context(), record, *w); err != nil || len(got) != want {
				t.Errorf("got %v, %v, want %d partitions", got, err, want)
			}
		}
		if m.tables != tables || m.lists != lists {
			t.Errorf("asked %d times for the table and %d times for its partitions, want %d and %d", m.tables, m.lists, tables, lists)
		}
	}
	ask("t", 1, 1)
	now = now.Add(time.Minute - 1)
	ask("T", 1, 1)
	now = now.Add(1)
	ask("t", 2, 2)
	c.forget("db", "other")
	ask("t", 2, 2)
	c.forget("db", "T")
	ask("t", 3, 3)
	c.forget("", "")
	ask("t", 4, 4)
	if m.wanted.Keep != nil || m.wanted.Expression != "" {
		t.Error("a list that is kept must be whole")
	}
}

func TestFailuresAreNotKept(t *testing.T) {
	m := &counted{err: errors.New("away")}
	c := newCached(m, cacheOptions{age: time.Minute, partitions: true}, time.Now)
	for range 2 {
		if _, err := c.Table(t.Context(), "db", "t"); err == nil {
			t.Error("got no error")
		}
	}
	m.err = nil
	record, err := c.Table(t.Context(), "db", "t")
	if err != nil || m.tables != 3 {
		t.Errorf("got %v after %d questions, want the third to be answered", err, m.tables)
	}
	m.err = errors.New("away")
	if _, err := c.Partitions(t.Context(), record, metastore.Wanted{}); err == nil {
		t.Error("got no error")
	}
	m.err = nil
	if got, err := c.Partitions(t.Context(), record, metastore.Wanted{}); err != nil || len(got) != 2 {
		t.Errorf("got %v, %v", got, err)
	}
}

func TestListsOfPartitionsAreAskedForWhereNotKept(t *testing.T) {
	m := &counted{}
	c := newCached(m, cacheOptions{age: time.Minute}, time.Now)
	record, err := c.Table(t.Context(), "db", "t")
	if err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if _, err := c.Partitions(t.Context(), record, metastore.Wanted{Expression: "k = 'b'"}); err != nil {
			t.Fatal(err)
		}
	}
	if m.lists != 2 || m.wanted.Expression == "" {
		t.Errorf("asked %d times with %+v, want two questions with what is wanted", m.lists, m.wanted)
	}
}

// Glue decides for whom it answers; no answer of it is older than a permission
// is taken for granted.
func TestGlueAnswersAreKeptNoLongerThanPermissions(t *testing.T) {
	glue := []Property{{Key: "type", Value: "hive"}, {Key: "hive.metastore.type", Value: "glue"}, {Key: "enable_metastore_cache", Value: "true"}}
	hive := []Property{{Key: "type", Value: "hive"}, {Key: "hive.metastore.uris", Value: "thrift://a:1"}, {Key: "enable_metastore_cache", Value: "TRUE"}}
	interval := Property{Key: "metastore_cache_refresh_interval_sec", Value: "3600"}
	for _, c := range []struct {
		props []Property
		want  time.Duration
	}{
		{glue[:2], 0}, {hive[:2], 0}, {glue, time.Minute}, {hive, time.Minute},
		{append(glue, interval), time.Minute}, {append(hive, interval), time.Hour},
		{append(hive, interval, Property{Key: "metastore_cache_ttl_sec", Value: "7"}), 7 * time.Second},
		{append(glue[:2:2], interval), 0},
	} {
		s, err := check(Definition{Name: "c", Properties: c.props}, "")
		if err != nil || s.cache.age != c.want {
			t.Errorf("%v: kept for %v, %v, want %v", c.props, s.cache.age, err, c.want)
		}
	}
}
