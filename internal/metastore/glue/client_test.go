package glue_test

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	api "github.com/aws/aws-sdk-go-v2/service/glue"
	"github.com/aws/aws-sdk-go-v2/service/glue/types"
	"github.com/aws/smithy-go"

	"lakeport/internal/metastore"
	"lakeport/internal/metastore/glue"
	"lakeport/internal/metastore/metastoretest"
	"lakeport/internal/sandbox"
	sandboxglue "lakeport/internal/sandbox/glue"
	"lakeport/internal/sqlerr"
)

// people is a world of two accounts. Each user is named for what its policy
// leaves out.
const people = `{"accounts": {
  "111111111111": {
    "root": {"access_key_id": "AKIAROOTROOTROOTROO1", "secret_access_key": "rootsecret1"},
    "users": {
      "all": {"AccessKeys": [{"AccessKeyId": "AKIAALLALLALLALLALL1", "SecretAccessKey": "secret"}],
        "UserPolicyList": [{"PolicyName": "p", "PolicyDocument": {"Version": "2012-10-17", "Statement": [
          {"Effect": "Allow", "Action": "glue:*", "Resource": "*"}]}}]},
      "nocatalog": {"AccessKeys": [{"AccessKeyId": "AKIANOCATALOGNOCATA1", "SecretAccessKey": "secret"}],
        "UserPolicyList": [{"PolicyName": "p", "PolicyDocument": {"Version": "2012-10-17", "Statement": [
          {"Effect": "Allow", "Action": "glue:*", "Resource": ["arn:aws:glue:*:*:database/*", "arn:aws:glue:*:*:table/*"]}]}}]},
      "notable": {"AccessKeys": [{"AccessKeyId": "AKIANOTABLENOTABLEN1", "SecretAccessKey": "secret"}],
        "UserPolicyList": [{"PolicyName": "p", "PolicyDocument": {"Version": "2012-10-17", "Statement": [
          {"Effect": "Allow", "Action": "glue:*", "Resource": ["arn:aws:glue:us-west-2:111111111111:catalog", "arn:aws:glue:*:*:database/sales", "arn:aws:glue:*:*:table/sales/zones"]}]}}]},
      "nopartitions": {"AccessKeys": [{"AccessKeyId": "AKIANOPARTITIONSNOP1", "SecretAccessKey": "secret"}],
        "UserPolicyList": [{"PolicyName": "p", "PolicyDocument": {"Version": "2012-10-17", "Statement": [
          {"Effect": "Allow", "Action": ["glue:GetTable", "glue:GetDatabase*"], "Resource": "*"}]}}]}
    }
  },
  "222222222222": {"root": {"access_key_id": "AKIAROOTROOTROOTROO2", "secret_access_key": "rootsecret2"}}
}}`

// cloud is an AWS that has Glue, reached over HTTP with signatures and IAM.
type cloud struct {
	url      string
	segments atomic.Int64 // calls of GetPartitions for one segment
}

func start(t *testing.T) *cloud {
	t.Helper()
	s, err := sandbox.Open(sandbox.Options{Dir: t.TempDir(), World: strings.NewReader(people)})
	if err != nil {
		t.Fatal(err)
	}
	svc, err := sandboxglue.New(sandboxglue.Options{DB: s.DB(), Now: s.Now})
	if err != nil {
		t.Fatal(err)
	}
	s.Add(svc)
	a := new(cloud)
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		if bytes.Contains(body, []byte(`"TotalSegments"`)) {
			a.segments.Add(1)
		}
		r.Body = io.NopCloser(bytes.NewReader(body))
		s.Handler().ServeHTTP(w, r)
	}))
	a.url = srv.URL
	t.Cleanup(func() {
		srv.Close()
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return a
}

func (a *cloud) config(id, secret string) aws.Config {
	return aws.Config{Region: "us-west-2", BaseEndpoint: &a.url, RetryMaxAttempts: 1,
		Credentials: credentials.NewStaticCredentialsProvider(id, secret, "")}
}

func (a *cloud) root(n int) aws.Config {
	return a.config(fmt.Sprintf("AKIAROOTROOTROOTROO%d", n), fmt.Sprintf("rootsecret%d", n))
}

// fill writes the suite's world through the API.
func fill(t *testing.T, c *api.Client, w metastoretest.World) {
	t.Helper()
	ctx := t.Context()
	for _, d := range w.Databases {
		in := &types.DatabaseInput{Name: &d.Name, Parameters: d.Parameters}
		if d.Location != "" {
			in.LocationUri, in.Description = &d.Location, &d.Description
		}
		if _, err := c.CreateDatabase(ctx, &api.CreateDatabaseInput{DatabaseInput: in}); err != nil {
			t.Fatal(err)
		}
	}
	for _, r := range w.Tables {
		in := &types.TableInput{Name: &r.Name, Owner: some(r.Owner), Description: some(r.Description), TableType: &r.Type,
			Parameters: r.Parameters, PartitionKeys: columns(r.PartitionKeys), StorageDescriptor: storage(r.Storage),
			ViewOriginalText: some(r.ViewOriginal), ViewExpandedText: some(r.ViewExpanded)}
		if _, err := c.CreateTable(ctx, &api.CreateTableInput{DatabaseName: &r.Database, TableInput: in}); err != nil {
			t.Fatal(err)
		}
	}
	for rest := w.Partitions; len(rest) > 0; {
		n := min(100, len(rest))
		in := &api.BatchCreatePartitionInput{DatabaseName: aws.String("sales"), TableName: aws.String("trips")}
		for _, p := range rest[:n] {
			in.PartitionInputList = append(in.PartitionInputList, types.PartitionInput{Values: p.Values, Parameters: p.Parameters, StorageDescriptor: storage(p.Storage)})
		}
		if out, err := c.BatchCreatePartition(ctx, in); err != nil || len(out.Errors) > 0 {
			t.Fatal(err, out)
		}
		rest = rest[n:]
	}
}

func some(s string) *string {
	if s == "" {
		return nil
	}
	return &s
}

func columns(list []metastore.Column) []types.Column {
	var out []types.Column
	for _, c := range list {
		out = append(out, types.Column{Name: &c.Name, Type: &c.Type, Comment: some(c.Comment)})
	}
	return out
}

func storage(s metastore.Storage) *types.StorageDescriptor {
	return &types.StorageDescriptor{Columns: columns(s.Columns), Location: some(s.Location), InputFormat: some(s.InputFormat),
		OutputFormat: some(s.OutputFormat), Parameters: s.Parameters, Compressed: s.Compressed,
		SerdeInfo: &types.SerDeInfo{SerializationLibrary: some(s.SerDe), Parameters: s.SerDeParams}}
}

func TestGlueIsAMetastore(t *testing.T) {
	a := start(t)
	metastoretest.Run(t, func(t *testing.T, w metastoretest.World) metastoretest.Store {
		fill(t, api.NewFromConfig(a.root(1)), w)
		return glue.New(a.config("AKIAALLALLALLALLALL1", "secret"), glue.Options{})
	})
}

func TestOnlyLongListsOfPartitionsAreSplit(t *testing.T) {
	a, w := start(t), small()
	for i := 2; i <= 1000; i++ {
		w.Partitions = append(w.Partitions, metastore.Partition{Values: []string{fmt.Sprint(i)}})
	}
	root := api.NewFromConfig(a.root(1))
	fill(t, root, w)
	c, trips := glue.New(a.root(1), glue.Options{}), &w.Tables[0]
	if parts, err := c.Partitions(t.Context(), trips, metastore.Wanted{}); err != nil || len(parts) != 1000 || a.segments.Load() != 0 {
		t.Errorf("got %d partitions, %v, in %d segments, want one page of 1000", len(parts), err, a.segments.Load())
	}
	_, err := root.CreatePartition(t.Context(), &api.CreatePartitionInput{DatabaseName: aws.String("sales"), TableName: aws.String("trips"),
		PartitionInput: &types.PartitionInput{Values: []string{"1001"}}})
	if err != nil {
		t.Fatal(err)
	}
	if parts, err := c.Partitions(t.Context(), trips, metastore.Wanted{}); err != nil || len(parts) != 1001 || a.segments.Load() < 2 {
		t.Errorf("got %d partitions, %v, in %d segments, want 1001 in several", len(parts), err, a.segments.Load())
	}
}

func small() metastoretest.World {
	return metastoretest.World{
		Databases:  []metastore.Database{{Name: "sales"}},
		Tables:     []metastore.Table{{Database: "sales", Name: "trips", PartitionKeys: []metastore.Column{{Name: "n", Type: "int"}}}},
		Partitions: []metastore.Partition{{Values: []string{"1"}}},
	}
}

func TestDenialsNameWhatIsMissing(t *testing.T) {
	a := start(t)
	fill(t, api.NewFromConfig(a.root(1)), small())
	trips := &metastore.Table{Database: "sales", Name: "trips"}
	for _, c := range []struct {
		key  string
		call func(c *glue.Client) error
		want string
	}{
		{"AKIANOCATALOGNOCATA1", func(c *glue.Client) error { _, err := c.Databases(t.Context()); return err },
			"glue:GetDatabases on resource: arn:aws:glue:us-west-2:111111111111:catalog because no identity-based policy allows the glue:GetDatabases action"},
		{"AKIANOCATALOGNOCATA1", func(c *glue.Client) error { _, err := c.Table(t.Context(), "sales", "trips"); return err },
			"glue:GetTable on resource: arn:aws:glue:us-west-2:111111111111:catalog"},
		{"AKIANOTABLENOTABLEN1", func(c *glue.Client) error { _, err := c.Table(t.Context(), "sales", "trips"); return err },
			"glue:GetTable on resource: arn:aws:glue:us-west-2:111111111111:table/sales/trips"},
		{"AKIANOTABLENOTABLEN1", func(c *glue.Client) error { _, err := c.Table(t.Context(), "none", "trips"); return err },
			"glue:GetTable on resource: arn:aws:glue:us-west-2:111111111111:database/none"},
		{"AKIANOPARTITIONSNOP1", func(c *glue.Client) error { _, err := c.Partitions(t.Context(), trips, metastore.Wanted{}); return err },
			"glue:GetPartitions on resource: arn:aws:glue:us-west-2:111111111111:catalog"},
	} {
		err := c.call(glue.New(a.config(c.key, "secret"), glue.Options{}))
		refusal, ok := errors.AsType[smithy.APIError](err)
		if !ok || refusal.ErrorCode() != "AccessDeniedException" || !strings.Contains(refusal.ErrorMessage(), c.want) {
			t.Errorf("%s: got %v, want a denial of %s", c.key, err, c.want)
		}
	}
}

func TestOtherAccountNeedsItsPolicyAndOurs(t *testing.T) {
	a := start(t)
	owner := api.NewFromConfig(a.root(2))
	fill(t, owner, small())
	ours := glue.New(a.config("AKIAALLALLALLALLALL1", "secret"), glue.Options{CatalogID: "222222222222"})
	_, err := ours.Table(t.Context(), "sales", "trips")
	if err == nil || !strings.Contains(err.Error(), "because no resource-based policy allows the glue:GetTable action") {
		t.Errorf("got %v, want a denial by the other side", err)
	}
	share(t, owner)
	got, err := ours.Table(t.Context(), "sales", "trips")
	if err != nil || got.CatalogID != "222222222222" {
		t.Fatalf("got %+v, %v, want the other account's table", got, err)
	}
	if parts, err := ours.Partitions(t.Context(), got, metastore.Wanted{Expression: "n = 1"}); err != nil || len(parts) != 1 {
		t.Errorf("got %v, %v, want its partition", parts, err)
	}
}

// The link stands in our catalog, the table and its partitions in another's.
func TestResourceLinkIsFollowed(t *testing.T) {
	a := start(t)
	ours, owner := api.NewFromConfig(a.root(1)), api.NewFromConfig(a.root(2))
	fill(t, owner, small())
	share(t, owner)
	if _, err := ours.CreateDatabase(t.Context(), &api.CreateDatabaseInput{DatabaseInput: &types.DatabaseInput{Name: aws.String("here")}}); err != nil {
		t.Fatal(err)
	}
	link := &types.TableInput{Name: aws.String("link"), TargetTable: &types.TableIdentifier{CatalogId: aws.String("222222222222"), DatabaseName: aws.String("sales"), Name: aws.String("trips")}}
	if _, err := ours.CreateTable(t.Context(), &api.CreateTableInput{DatabaseName: aws.String("here"), TableInput: link}); err != nil {
		t.Fatal(err)
	}
	c := glue.New(a.root(1), glue.Options{})
	got, err := c.Table(t.Context(), "here", "link")
	if err != nil || got.Name != "trips" || got.CatalogID != "222222222222" {
		t.Fatalf("got %+v, %v, want the target's record", got, err)
	}
	if parts, err := c.Partitions(t.Context(), got, metastore.Wanted{}); err != nil || len(parts) != 1 {
		t.Errorf("got %v, %v, want the target's partition", parts, err)
	}
}

// share lets account 111111111111 read the owner's catalog.
func share(t *testing.T, owner *api.Client) {
	t.Helper()
	_, err := owner.PutResourcePolicy(t.Context(), &api.PutResourcePolicyInput{PolicyInJson: aws.String(`{"Version": "2012-10-17", "Statement": [
		{"Effect": "Allow", "Principal": {"AWS": "arn:aws:iam::111111111111:root"}, "Action": "glue:Get*", "Resource": "arn:aws:glue:us-west-2:222222222222:*"}]}`)})
	if err != nil {
		t.Fatal(err)
	}
}

func TestErrorsKeepTheirCause(t *testing.T) {
	a := start(t)
	_, err := glue.New(a.root(1), glue.Options{}).Table(t.Context(), "no", "t")
	if _, ok := errors.AsType[*types.EntityNotFoundException](err); !ok || !sqlerr.Is(err, sqlerr.NotFound) {
		t.Errorf("got %v, want both the cause of AWS and NotFound", err)
	}
	down := httptest.NewServer(http.NotFoundHandler())
	down.Close()
	a.url = down.URL
	_, err = glue.New(a.root(1), glue.Options{}).Databases(t.Context())
	if err == nil || !strings.HasPrefix(err.Error(), "list databases: ") || sqlerr.Is(err, sqlerr.NotFound) {
		t.Errorf("got %v, want a wrapped error of the network", err)
	}
}
