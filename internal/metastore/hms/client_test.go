package hms_test

import (
	"context"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	api "github.com/beltran/gohive/hive_metastore"

	"lakeport/internal/metastore"
	"lakeport/internal/metastore/hms"
	"lakeport/internal/metastore/hmstest"
	"lakeport/internal/metastore/metastoretest"
	"lakeport/internal/parts"
	"lakeport/internal/sandbox"
	sandboxs3 "lakeport/internal/sandbox/s3"
)

const world = `{"accounts": {"111111111111": {"root": {"access_key_id": "AKIAROOTROOTROOTROO1", "secret_access_key": "rootsecret1"}}}}`

// start runs a metastore whose warehouse is in a bucket of a sandbox.
func start(t *testing.T) *parts.Metastore {
	t.Helper()
	dir := t.TempDir()
	sb, err := sandbox.Open(sandbox.Options{Dir: dir, World: strings.NewReader(world)})
	if err != nil {
		t.Fatal(err)
	}
	objects, err := sandboxs3.New(sandboxs3.Options{DB: sb.DB(), Dir: filepath.Join(dir, "objects"), Principals: func() sandboxs3.Principals { return sb.World().State() }})
	if err != nil {
		t.Fatal(err)
	}
	sb.Add(objects)
	srv := httptest.NewServer(sb.Handler())
	t.Cleanup(func() {
		srv.Close()
		if err := sb.Close(); err != nil {
			t.Error(err)
		}
	})
	c := s3.NewFromConfig(aws.Config{Region: "us-east-1", BaseEndpoint: &srv.URL, Credentials: credentials.NewStaticCredentialsProvider("AKIAROOTROOTROOTROO1", "rootsecret1", "")})
	if _, err := c.CreateBucket(t.Context(), &s3.CreateBucketInput{Bucket: aws.String("lake")}); err != nil {
		t.Fatal(err)
	}
	return hmstest.Start(t, parts.MetastoreOptions{Endpoint: srv.URL, Region: "us-east-1", AccessKey: "AKIAROOTROOTROOTROO1", SecretKey: "rootsecret1", Warehouse: "s3a://lake/warehouse"})
}

// fill writes the suite's world into the metastore.
func fill(t *testing.T, c *api.ThriftHiveMetastoreClient, w metastoretest.World) {
	t.Helper()
	ctx := context.Background()
	for _, d := range w.Databases {
		if d.Location == "" { // which this server does not choose itself
			d.Location = "s3a://lake/warehouse/" + d.Name
		}
		if err := c.CreateDatabase(ctx, &api.Database{Name: d.Name, LocationUri: d.Location, Description: d.Description, Parameters: d.Parameters}); err != nil {
			t.Fatalf("create database %s: %v", d.Name, err)
		}
	}
	for _, r := range w.Tables {
		table := &api.Table{DbName: r.Database, TableName: r.Name, Owner: r.Owner, TableType: r.Type, Parameters: map[string]string{},
			Sd: storage(r.Storage), PartitionKeys: columns(r.PartitionKeys), ViewOriginalText: r.ViewOriginal, ViewExpandedText: r.ViewExpanded}
		for k, v := range r.Parameters {
			table.Parameters[k] = v
		}
		if r.Description != "" {
			table.Parameters["comment"] = r.Description
		}
		hmstest.CreateTable(t, c, table, nil)
	}
	var list []*api.Partition
	for _, p := range w.Partitions {
		list = append(list, &api.Partition{DbName: "sales", TableName: "trips", Values: p.Values, Sd: storage(p.Storage), Parameters: p.Parameters})
	}
	if _, err := c.AddPartitions(ctx, list); err != nil {
		t.Fatal(err)
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

func TestMetastoreSuite(t *testing.T) {
	metastoretest.Run(t, func(t *testing.T, w metastoretest.World) metastoretest.Store {
		s := start(t)
		fill(t, hmstest.Client(t, s), w)
		return hms.New(hms.Options{URIs: []string{s.URI}})
	})
}
