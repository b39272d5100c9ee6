package demo

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/apache/thrift/lib/go/thrift"
	api "github.com/beltran/gohive/hive_metastore"

	"lakeport/internal/parts"
)

// metastore is a real Hive Metastore that starts beside the story.
type metastore struct {
	missing error // how to get one
	started chan struct{}
	server  *parts.Metastore
	err     error
}

// start starts it, if that was not done yet, for as long as lakeport is up.
func (m *metastore) start(ctx context.Context, s *story) {
	if m.started != nil {
		return
	}
	m.started = make(chan struct{})
	if _, _, m.missing = parts.MetastoreInstalled(); m.missing != nil {
		return
	}
	dir := filepath.Join(s.Dir, "hive")
	go func() {
		defer close(m.started)
		if m.err = os.Mkdir(dir, 0o700); m.err != nil {
			return
		}
		m.server, m.err = parts.StartMetastore(ctx, dir, parts.MetastoreOptions{Endpoint: s.AWS, Region: Region,
			AccessKey: s.metastoreKey.id, SecretKey: s.metastoreKey.secret, Warehouse: "s3a://" + bucket + "/warehouse"})
	}()
	s.AtEnd(func() {
		<-m.started
		if m.server != nil {
			m.server.Close()
		}
	})
}

// metastoreCatalogs tells the page's catalogs over a Hive metastore, by each of
// the three methods.
func (s *story) metastoreCatalogs(ctx context.Context, m *metastore) error {
	s.chapter("Hive metastore: the same table, by each of the three methods")
	if m.missing != nil {
		s.note("Left out: %v", m.missing)
		return nil
	}
	begin := time.Now()
	s.progress("waiting for the Hive Metastore")
	<-m.started
	if m.err != nil {
		return m.err
	}
	if err := s.fillMetastore(ctx, m.server.URI); err != nil {
		return fmt.Errorf("fill the Hive Metastore: %w", err)
	}
	s.step("a real Hive Metastore at %s, table taxi.trips with %d partitions; waited %s for it", m.server.URI, len(s.files), round(time.Since(begin)))
	uri := strings.NewReplacer("thrift://xx.xx.xx:9083", m.server.URI)
	for _, method := range methods {
		if err := s.quiet(ctx, "DROP CATALOG IF EXISTS hive_catalog_hms"); err != nil {
			return err
		}
		create := uri.Replace(s.filled("metastore-" + method.name))
		if method.name == "iam-user" { // the page prints the key id where the secret belongs
			if err := s.refused(ctx, create, "is the same text as aws.s3.access_key"); err != nil {
				return err
			}
			mended := strings.Replace(s.raw("metastore-iam-user"), `"aws.s3.secret_key" = "<iam_user_access_key>"`, `"aws.s3.secret_key" = "<iam_user_secret_key>"`, 1)
			create = uri.Replace(s.fill.Replace(mended))
		}
		if err := s.tell(ctx, create, strings.Replace(question, "hive_catalog_glue", "hive_catalog_hms", 1)); err != nil {
			return err
		}
	}
	return nil
}

// fillMetastore makes the trips' table, as Hive itself would.
func (s *story) fillMetastore(ctx context.Context, uri string) (err error) {
	cfg := &thrift.TConfiguration{}
	trans := thrift.NewTBufferedTransport(thrift.NewTSocketConf(strings.TrimPrefix(uri, "thrift://"), cfg), 64<<10)
	if err := trans.Open(); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, trans.Close()) }()
	proto := thrift.NewTBinaryProtocolConf(trans, cfg)
	c := api.NewThriftHiveMetastoreClient(thrift.NewTStandardClient(proto, proto))

	storage := func(location string) *api.StorageDescriptor {
		columns := make([]*api.FieldSchema, len(tripColumns))
		for i, col := range tripColumns {
			columns[i] = &api.FieldSchema{Name: col.name, Type: col.hive}
		}
		return &api.StorageDescriptor{Cols: columns, Location: "s3a://" + bucket + "/" + location,
			InputFormat:  parquetInput,
			OutputFormat: parquetOutput,
			SerdeInfo:    &api.SerDeInfo{SerializationLib: parquetSerde}}
	}
	if err := c.CreateDatabase(ctx, &api.Database{Name: "taxi", LocationUri: "s3a://" + bucket + "/warehouse/taxi"}); err != nil {
		return err
	}
	if err := c.CreateTable(ctx, &api.Table{DbName: "taxi", TableName: "trips", TableType: "EXTERNAL_TABLE", Parameters: map[string]string{"EXTERNAL": "TRUE"},
		Sd: storage("trips"), PartitionKeys: []*api.FieldSchema{{Name: "pickup_month", Type: "string"}}}); err != nil {
		return err
	}
	list := make([]*api.Partition, len(s.files))
	for i, f := range s.files {
		list[i] = &api.Partition{DbName: "taxi", TableName: "trips", Values: []string{f.month}, Sd: storage(strings.TrimSuffix(f.prefix(), "/"))}
	}
	_, err = c.AddPartitions(ctx, list)
	return err
}
