// Package metastoretest is the behaviour that every metastore client shows,
// whatever service stands behind it.
package metastoretest

import (
	"context"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"testing"

	"lakeport/internal/metastore"
	"lakeport/internal/sqlerr"
)

// Store is what a client of a metastore offers.
type Store interface {
	Databases(ctx context.Context) ([]string, error)
	Database(ctx context.Context, db string) (*metastore.Database, error)
	Tables(ctx context.Context, db string) ([]string, error)
	Table(ctx context.Context, db, name string) (*metastore.Table, error)
	Partitions(ctx context.Context, t *metastore.Table, w metastore.Wanted) ([]metastore.Partition, error)
}

// World is what a store holds when Run asks it.
type World struct {
	Databases  []metastore.Database
	Tables     []metastore.Table
	Partitions []metastore.Partition // of sales.trips
}

// manyPartitions is more than a store gives in one answer.
const manyPartitions = 2300

// Run checks a client. open fills a fresh store with the world and gives the
// client of it. What the suite wants of partitions is told both ways, by
// expression and by function: stores differ in which they use.
func Run(t *testing.T, open func(t *testing.T, w World) Store) {
	w := world()
	s := open(t, w)
	for name, f := range map[string]func(*testing.T, Store, World){
		"DatabasesAreListed":       databases,
		"DatabaseIsRead":           database,
		"AllTablesAreListed":       tables,
		"TableIsReadWhole":         table,
		"NamesIgnoreCase":          names,
		"PartitionsAreReadWhole":   partitions,
		"ManyPartitionsComeOnce":   many,
		"FilterNarrows":            filter,
		"UnfitFilterIsNoError":     unfit,
		"MissingThingsAreNotFound": missing,
		"CancelEndsCalls":          cancel,
	} {
		t.Run(name, func(t *testing.T) { f(t, s, w) })
	}
}

func world() World {
	w := World{
		Databases: []metastore.Database{
			{Name: "sales", Location: "s3://lake/sales", Description: "what was sold", Parameters: map[string]string{"team": "x"}},
			{Name: "empty"},
		},
	}
	parquet := metastore.Storage{
		Columns: []metastore.Column{
			{Name: "id", Type: "bigint", Comment: "never null"},
			{Name: "tags", Type: "map<string,array<struct<a:int,b:decimal(10,2)>>>"},
		},
		Location:     "s3://lake/sales/trips",
		InputFormat:  "org.apache.hadoop.hive.ql.io.parquet.MapredParquetInputFormat",
		OutputFormat: "org.apache.hadoop.hive.ql.io.parquet.MapredParquetOutputFormat",
		SerDe:        "org.apache.hadoop.hive.ql.io.parquet.serde.ParquetHiveSerDe",
		SerDeParams:  map[string]string{"serialization.format": "1"},
		Parameters:   map[string]string{"classification": "parquet"},
		Compressed:   true,
	}
	w.Tables = []metastore.Table{
		{
			Database: "sales", Name: "trips", Owner: "ann", Type: "EXTERNAL_TABLE", Description: "rides", Storage: parquet,
			PartitionKeys: []metastore.Column{{Name: "city", Type: "string"}, {Name: "n", Type: "int", Comment: "number"}},
			Parameters:    map[string]string{"EXTERNAL": "TRUE"},
		},
		{Database: "sales", Name: "zones", Type: "MANAGED_TABLE", Storage: metastore.Storage{Columns: []metastore.Column{{Name: "z", Type: "uniontype<int,string>"}}, Location: "s3://lake/nowhere"}},
		{Database: "sales", Name: "bare", Type: "VIRTUAL_VIEW", ViewOriginal: "SELECT 1", ViewExpanded: "SELECT 1 AS one"},
	}
	for i := range 120 {
		w.Tables = append(w.Tables, metastore.Table{Database: "sales", Name: fmt.Sprintf("x%03d", i), Type: "EXTERNAL_TABLE"})
	}
	for i := range manyPartitions {
		p := metastore.Partition{Values: []string{"a", strconv.Itoa(i)}, Storage: metastore.Storage{Location: "s3://lake/p"}}
		if i < 4 {
			p.Storage.Location += "/" + strconv.Itoa(i)
			p.Values[0] = []string{"o'dd/=% ü", "", "__HIVE_DEFAULT_PARTITION__", "B"}[i]
			p.Parameters = map[string]string{"rows": "1"}
			p.Storage.SerDe = "org.example.Other"
		}
		w.Partitions = append(w.Partitions, p)
	}
	return w
}

func databases(t *testing.T, s Store, _ World) {
	got, err := s.Databases(t.Context())
	slices.Sort(got)
	got = slices.DeleteFunc(got, func(db string) bool { return db == "default" }) // a Hive metastore's, from the start
	if err != nil || !slices.Equal(got, []string{"empty", "sales"}) {
		t.Errorf("got %v, %v", got, err)
	}
}

func database(t *testing.T, s Store, w World) {
	got, err := s.Database(t.Context(), "sales")
	if err != nil || !reflect.DeepEqual(*got, w.Databases[0]) {
		t.Errorf("got  %+v, %v\nwant %+v", got, err, w.Databases[0])
	}
}

func tables(t *testing.T, s Store, w World) {
	got, err := s.Tables(t.Context(), "sales")
	if err != nil || len(got) != len(w.Tables) || !slices.Contains(got, "bare") || !slices.Contains(got, "x119") {
		t.Errorf("got %d names, %v, want %d with views and broken tables", len(got), err, len(w.Tables))
	}
	if got, err := s.Tables(t.Context(), "empty"); err != nil || len(got) != 0 {
		t.Errorf("got %v, %v, want no tables", got, err)
	}
}

func table(t *testing.T, s Store, w World) {
	for _, want := range w.Tables[:3] {
		got, err := s.Table(t.Context(), want.Database, want.Name)
		if err != nil {
			t.Fatal(err)
		}
		if got.Created.IsZero() {
			t.Errorf("%s: got no time of creation", want.Name)
		}
		// What the store itself sets is not compared.
		got.Parameters = given(got.Parameters)
		want.Created, want.Updated, want.CatalogID, want.VersionID = got.Created, got.Updated, got.CatalogID, got.VersionID
		if !reflect.DeepEqual(*got, want) {
			t.Errorf("%s:\ngot  %+v\nwant %+v", want.Name, *got, want)
		}
	}
}

// given leaves out the parameter that a Hive metastore sets itself.
func given(parameters map[string]string) map[string]string {
	m := maps.Clone(parameters)
	delete(m, "transient_lastDdlTime")
	if len(m) == 0 {
		return nil
	}
	return m
}

func names(t *testing.T, s Store, _ World) {
	got, err := s.Table(t.Context(), "Sales", "TRIPS")
	if err != nil || got.Database != "sales" || got.Name != "trips" {
		t.Errorf("got %+v, %v, want sales.trips", got, err)
	}
}

// list reads partitions of sales.trips, by the second value.
func list(t *testing.T, s Store, w metastore.Wanted) map[string]metastore.Partition {
	t.Helper()
	trips, err := s.Table(t.Context(), "sales", "trips")
	if err != nil {
		t.Fatal(err)
	}
	parts, err := s.Partitions(t.Context(), trips, w)
	if err != nil {
		t.Fatal(err)
	}
	found := map[string]metastore.Partition{}
	for _, p := range parts {
		if len(p.Values) != 2 {
			t.Fatalf("got values %q, want two", p.Values)
		}
		if _, ok := found[p.Values[1]]; ok {
			t.Errorf("got partition %q twice", p.Values)
		}
		found[p.Values[1]] = p
	}
	return found
}

func partitions(t *testing.T, s Store, w World) {
	found := list(t, s, metastore.Wanted{})
	for _, want := range w.Partitions[:4] {
		got := found[want.Values[1]]
		if !slices.Equal(got.Values, want.Values) || got.Storage.Location != want.Storage.Location ||
			got.Storage.SerDe != want.Storage.SerDe || !reflect.DeepEqual(given(got.Parameters), want.Parameters) || got.Created.IsZero() {
			t.Errorf("got  %+v\nwant %+v", got, want)
		}
	}
}

func many(t *testing.T, s Store, _ World) {
	if found := list(t, s, metastore.Wanted{}); len(found) != manyPartitions {
		t.Errorf("got %d partitions, want %d", len(found), manyPartitions)
	}
	if found := list(t, s, metastore.Wanted{Expression: "n < 2000", Keep: below(2000)}); len(found) != 2000 {
		t.Errorf("got %d partitions, want the first 2000", len(found))
	}
}

// below keeps the partitions whose second value is less than n.
func below(n int) func([]string) bool {
	return func(v []string) bool {
		i, err := strconv.Atoi(v[1])
		return err != nil || i < n
	}
}

func filter(t *testing.T, s Store, _ World) {
	odd := func(v []string) bool { return v[0] == "o'dd/=% ü" && below(10)(v) }
	if found := list(t, s, metastore.Wanted{Expression: "city = 'o''dd/=% ü' AND n < 10", Keep: odd}); len(found) != 1 || found["0"].Values == nil {
		t.Errorf("got %v, want the partition with odd characters", found)
	}
	b := func(v []string) bool { return v[0] == "B" }
	if found := list(t, s, metastore.Wanted{Expression: "city = 'B'", Keep: b}); len(found) != 1 || found["3"].Values == nil {
		t.Errorf("got %v, want the partition of city B", found)
	}
	none := func([]string) bool { return false }
	if found := list(t, s, metastore.Wanted{Expression: "city = 'b'", Keep: none}); len(found) != 0 {
		t.Errorf("got %v, want no partition of city b", found)
	}
}

func unfit(t *testing.T, s Store, _ World) {
	if found := list(t, s, metastore.Wanted{Expression: "no = such AND expression"}); len(found) != manyPartitions {
		t.Errorf("got %d partitions, want all %d: a filter is a hint", len(found), manyPartitions)
	}
	if found := list(t, s, metastore.Wanted{Expression: strings.Repeat("n = 1 OR ", 1000) + "n = 1"}); len(found) == 0 {
		t.Error("got nothing by a filter that is too long, want a superset")
	}
}

func missing(t *testing.T, s Store, _ World) {
	ctx := t.Context()
	_, database := s.Database(ctx, "none")
	_, tables := s.Tables(ctx, "none")
	_, tableInNone := s.Table(ctx, "none", "t")
	_, table := s.Table(ctx, "sales", "none")
	_, partitions := s.Partitions(ctx, &metastore.Table{Database: "sales", Name: "none"}, metastore.Wanted{})
	for what, err := range map[string]error{"database": database, "tables": tables, "table of no database": tableInNone, "table": table, "partitions": partitions} {
		if !sqlerr.Is(err, sqlerr.NotFound) || !strings.Contains(err.Error(), "none") {
			t.Errorf("%s: got %v, want NotFound with the name", what, err)
		}
	}
}

func cancel(t *testing.T, s Store, _ World) {
	ctx, stop := context.WithCancel(t.Context())
	stop()
	if _, err := s.Databases(ctx); err == nil {
		t.Error("got no error from a call that was cancelled before it began")
	}
}
