package e2e

import (
	"context"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	api "github.com/beltran/gohive/hive_metastore"

	"lakeport/internal/metastore/hmstest"
	"lakeport/internal/parts"
	"lakeport/internal/sandbox"
	sandboxs3 "lakeport/internal/sandbox/s3"
)

// shared is one Hive Metastore for all tests of the package, started by the
// first that needs it. It has a sandbox of its own, in which it makes the
// directories of what is created; what it tells are only records.
var shared struct {
	sync.Mutex // held by the test that uses it
	once       sync.Once
	server     *parts.Metastore
	err        error
	stop       []func()
}

// warehouses are the buckets that the shared metastore may make directories in.
var warehouses = []string{"warehouse", "lake", "mere"}

// hiveMetastore gives the shared metastore, empty, to this test until it ends.
func hiveMetastore(t testing.TB) (uri string, c *api.ThriftHiveMetastoreClient) {
	t.Helper()
	shared.Lock()
	t.Cleanup(shared.Unlock)
	shared.once.Do(func() { shared.err = startShared() })
	if shared.err != nil {
		t.Fatal(shared.err)
	}
	c = hmstest.Client(t, shared.server)
	t.Cleanup(func() {
		ctx := context.Background()
		names, err := c.GetAllDatabases(ctx)
		for _, db := range names {
			if db != "default" && err == nil {
				err = c.DropDatabase(ctx, db, false, true)
			}
		}
		if err != nil {
			t.Errorf("empty the Hive Metastore: %v", err)
		}
		if t.Failed() {
			t.Logf("the Hive Metastore's log:\n%s", shared.server.Log())
		}
	})
	return shared.server.URI, c
}

func startShared() error {
	dir, err := os.MkdirTemp("", "lakeport-hms-")
	if err != nil {
		return err
	}
	shared.stop = append(shared.stop, func() { os.RemoveAll(dir) })
	sb, err := sandbox.Open(sandbox.Options{Dir: filepath.Join(dir, "sandbox"), World: strings.NewReader(
		`{"accounts": {"111111111111": {"root": {"access_key_id": "AKIAWAREHOUSEWAREHOU", "secret_access_key": "warehouse"}}}}`)})
	if err != nil {
		return err
	}
	shared.stop = append(shared.stop, func() { _ = sb.Close() })
	objects, err := sandboxs3.New(sandboxs3.Options{DB: sb.DB(), Dir: filepath.Join(dir, "objects"), Principals: func() sandboxs3.Principals { return sb.World().State() }})
	if err != nil {
		return err
	}
	sb.Add(objects)
	srv := httptest.NewServer(sb.Handler())
	shared.stop = append(shared.stop, srv.Close)
	o := parts.MetastoreOptions{Endpoint: srv.URL, Region: "us-east-1", AccessKey: "AKIAWAREHOUSEWAREHOU", SecretKey: "warehouse", Warehouse: "s3a://warehouse/hive"}
	c := s3.NewFromConfig(aws.Config{Region: o.Region, BaseEndpoint: &srv.URL, Credentials: credentials.NewStaticCredentialsProvider(o.AccessKey, o.SecretKey, "")})
	for _, b := range warehouses {
		if _, err := c.CreateBucket(context.Background(), &s3.CreateBucketInput{Bucket: &b}); err != nil {
			return err
		}
	}
	if err := os.Mkdir(filepath.Join(dir, "hms"), 0o700); err != nil {
		return err
	}
	if shared.server, err = parts.StartMetastore(context.Background(), filepath.Join(dir, "hms"), o); err == nil {
		shared.stop = append(shared.stop, shared.server.Close)
	}
	return err
}

// stopShared ends what startShared started.
func stopShared() {
	for i := len(shared.stop) - 1; i >= 0; i-- {
		shared.stop[i]()
	}
}

// serdes of Hive by the name that STORED AS gives them.
var hiveFormats = map[string]api.StorageDescriptor{
	"parquet": {
		InputFormat:  "org.apache.hadoop.hive.ql.io.parquet.MapredParquetInputFormat",
		OutputFormat: "org.apache.hadoop.hive.ql.io.parquet.MapredParquetOutputFormat",
		SerdeInfo:    &api.SerDeInfo{SerializationLib: "org.apache.hadoop.hive.ql.io.parquet.serde.ParquetHiveSerDe"},
	},
	"text": {
		InputFormat:  "org.apache.hadoop.mapred.TextInputFormat",
		OutputFormat: "org.apache.hadoop.hive.ql.io.HiveIgnoreKeyTextOutputFormat",
		SerdeInfo:    &api.SerDeInfo{SerializationLib: "org.apache.hadoop.hive.serde2.lazy.LazySimpleSerDe"},
	},
}

// hiveTable describes an external table; columns and keys are "name type, ...".
func hiveTable(name, format, location, columns, keys string) *api.Table {
	db, table, _ := strings.Cut(name, ".")
	sd := hiveFormats[format]
	sd.Cols, sd.Location = hiveFields(columns), location
	return &api.Table{DbName: db, TableName: table, TableType: "EXTERNAL_TABLE", Parameters: map[string]string{"EXTERNAL": "TRUE"},
		Sd: &sd, PartitionKeys: hiveFields(keys)}
}

func hiveFields(list string) []*api.FieldSchema {
	fields := []*api.FieldSchema{}
	for f := range strings.SplitSeq(list, ", ") {
		if name, typ, ok := strings.Cut(f, " "); ok {
			fields = append(fields, &api.FieldSchema{Name: name, Type: typ})
		}
	}
	return fields
}
