package hms_test

import (
	"net/http/httptest"
	"path/filepath"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/s3"

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

func TestMetastoreSuite(t *testing.T) {
	metastoretest.Run(t, func(t *testing.T, w metastoretest.World) metastoretest.Store {
		s := start(t)
		hmstest.Fill(t, hmstest.Client(t, s), "s3a://lake/warehouse", w.Databases, w.Tables, map[string][]metastore.Partition{"sales.trips": w.Partitions})
		return hms.New(hms.Options{URIs: []string{s.URI}})
	})
}
