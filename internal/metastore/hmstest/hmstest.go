// Package hmstest gives tests a real Hive Metastore and fills it.
package hmstest

import (
	"context"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/apache/thrift/lib/go/thrift"
	api "github.com/beltran/gohive/hive_metastore"

	"lakeport/internal/metastore"
	"lakeport/internal/parts"
)

// Start runs a Hive Metastore as long as the test and returns when it accepts
// connections.
func Start(t testing.TB, o parts.MetastoreOptions) *parts.Metastore {
	t.Helper()
	s, err := parts.StartMetastore(t.Context(), t.TempDir(), o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		s.Close()
		if t.Failed() {
			t.Logf("the Hive Metastore's log:\n%s", s.Log())
		}
	})
	return s
}

// Client opens a connection of its own, through which a test fills the
// metastore. It is not for concurrent use.
func Client(t testing.TB, s *parts.Metastore) *api.ThriftHiveMetastoreClient {
	t.Helper()
	cfg := &thrift.TConfiguration{}
	trans := thrift.NewTBufferedTransport(thrift.NewTSocketConf(strings.TrimPrefix(s.URI, "thrift://"), cfg), 64<<10)
	if err := trans.Open(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { trans.Close() })
	proto := thrift.NewTBinaryProtocolConf(trans, cfg)
	return api.NewThriftHiveMetastoreClient(thrift.NewTStandardClient(proto, proto))
}

// CreateTable makes a table and its partitions: their values by location.
func CreateTable(t testing.TB, c *api.ThriftHiveMetastoreClient, table *api.Table, locations map[string][]string) {
	t.Helper()
	ctx := context.Background()
	if err := c.CreateTable(ctx, table); err != nil {
		t.Fatalf("create table %s.%s: %v", table.DbName, table.TableName, err)
	}
	var list []*api.Partition
	for location, values := range locations {
		sd := *table.Sd
		sd.Location = location
		list = append(list, &api.Partition{DbName: table.DbName, TableName: table.TableName, Values: values, Sd: &sd})
	}
	for part := range slices.Chunk(list, 500) {
		if _, err := c.AddPartitions(ctx, part); err != nil {
			t.Fatalf("add partitions of %s.%s: %v", table.DbName, table.TableName, err)
		}
	}
}

// Fill makes databases, tables and the partitions of tables "db.name". What has
// no location gets one below the warehouse: databases in every version, tables
// in 4.0, do not choose theirs.
func Fill(t testing.TB, c *api.ThriftHiveMetastoreClient, warehouse string, databases []metastore.Database, tables []metastore.Table, partitions map[string][]metastore.Partition) {
	t.Helper()
	ctx := context.Background()
	for _, d := range databases {
		if d.Location == "" {
			d.Location = warehouse + "/" + d.Name
		}
		if err := c.CreateDatabase(ctx, &api.Database{Name: d.Name, LocationUri: d.Location, Description: d.Description, Parameters: d.Parameters}); err != nil {
			t.Fatalf("create database %s: %v", d.Name, err)
		}
	}
	for _, r := range tables {
		table := &api.Table{DbName: r.Database, TableName: r.Name, Owner: r.Owner, TableType: r.Type, Parameters: map[string]string{},
			Sd: storage(r.Storage), PartitionKeys: columns(r.PartitionKeys), ViewOriginalText: r.ViewOriginal, ViewExpandedText: r.ViewExpanded}
		maps.Copy(table.Parameters, r.Parameters)
		if r.Description != "" {
			table.Parameters["comment"] = r.Description
		}
		if table.Sd.Location == "" && r.ViewOriginal == "" {
			table.Sd.Location = warehouse + "/" + r.Database + "/" + r.Name
		}
		CreateTable(t, c, table, nil)
	}
	for name, list := range partitions {
		db, table, _ := strings.Cut(name, ".")
		var all []*api.Partition
		for _, p := range list {
			all = append(all, &api.Partition{DbName: db, TableName: table, Values: p.Values, Sd: storage(p.Storage), Parameters: p.Parameters})
		}
		if _, err := c.AddPartitions(ctx, all); err != nil {
			t.Fatalf("add partitions of %s: %v", name, err)
		}
	}
}

func columns(list []metastore.Column) []*api.FieldSchema {
	out := []*api.FieldSchema{}
	for _, c := range list {
		out = append(out, &api.FieldSchema{Name: c.Name, Type: c.Type, Comment: c.Comment})
	}
	return out
}

func storage(s metastore.Storage) *api.StorageDescriptor {
	return &api.StorageDescriptor{Cols: columns(s.Columns), Location: s.Location, InputFormat: s.InputFormat, OutputFormat: s.OutputFormat,
		Compressed: s.Compressed, Parameters: s.Parameters, SerdeInfo: &api.SerDeInfo{SerializationLib: s.SerDe, Parameters: s.SerDeParams}}
}
