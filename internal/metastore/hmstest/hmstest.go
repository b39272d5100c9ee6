// Package hmstest gives tests a real Hive Metastore and fills it.
package hmstest

import (
	"context"
	"slices"
	"strings"
	"testing"

	"github.com/apache/thrift/lib/go/thrift"
	api "github.com/beltran/gohive/hive_metastore"

	"lakeport/internal/parts"
)

// Start runs Hive Metastore 3.1.3 as long as the test and returns when it
// accepts connections.
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
