package glue

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/glue"
	"github.com/aws/aws-sdk-go-v2/service/glue/types"
	"github.com/aws/smithy-go"
	"go.etcd.io/bbolt"

	"lakeport/internal/iam"
	"lakeport/internal/sandbox"
)

const account = "111122223333"

// lab is the service behind a listener that lets every signature and every
// need pass and notes them, for the SDK to call.
type lab struct {
	*glue.Client
	svc *Service
	now time.Time

	mu    sync.Mutex
	needs []sandbox.Need
}

var signedRegion = regexp.MustCompile(`Credential=[^/]+/[^/]+/([^/]+)/glue/`)

func newLab(t testing.TB) *lab {
	t.Helper()
	return openLab(t, filepath.Join(t.TempDir(), "world"))
}

func openLab(t testing.TB, path string) *lab {
	t.Helper()
	db, err := bbolt.Open(path, 0o600, &bbolt.Options{NoSync: true})
	if err != nil {
		t.Fatal(err)
	}
	l := &lab{now: time.Date(2026, 3, 4, 5, 6, 7, 0, time.UTC)}
	if l.svc, err = New(Options{DB: db, Now: func() time.Time { return l.now }}); err != nil {
		t.Fatal(err)
	}
	srv := httptest.NewServer(l)
	t.Cleanup(func() { srv.Close(); _ = db.Close() })
	l.Client = glue.New(glue.Options{
		Region: "us-west-2", BaseEndpoint: &srv.URL, RetryMaxAttempts: 1,
		Credentials: aws.CredentialsProviderFunc(func(context.Context) (aws.Credentials, error) {
			return aws.Credentials{AccessKeyID: "AKIDEXAMPLE", SecretAccessKey: "secret"}, nil
		}),
	})
	return l
}

func (l *lab) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, _ := io.ReadAll(r.Body)
	c := &sandbox.Call{Request: r, Body: body, Service: "glue", RequestID: "req", Now: l.now, Region: "us-east-1"}
	if m := signedRegion.FindStringSubmatch(r.Header.Get("Authorization")); m != nil {
		c.Region = m[1]
	}
	c.Caller.Principal = iam.Principal{Kind: iam.User, Account: account, ARN: "arn:aws:iam::" + account + ":user/ann"}
	needs, err := l.svc.Needs(c)
	if err == nil {
		l.mu.Lock()
		l.needs = needs
		l.mu.Unlock()
		err = l.svc.Serve(w, c)
	}
	if err != nil {
		api, ok := errors.AsType[*sandbox.APIError](err)
		if !ok {
			api = &sandbox.APIError{Status: 500, Code: "InternalServiceException", Message: err.Error()}
		}
		l.svc.Fail(w, r, "req", api)
	}
}

// post makes a call with any body.
func (l *lab) post(t testing.TB, operation string, body []byte) (int, string) {
	t.Helper()
	r := httptest.NewRequest(http.MethodPost, "/", bytes.NewReader(body))
	r.Header.Set("X-Amz-Target", targetPrefix+operation)
	w := httptest.NewRecorder()
	l.ServeHTTP(w, r)
	return w.Code, w.Body.String()
}

// create makes database db and a table t with the given partition keys.
func (l *lab) create(t *testing.T, keys ...types.Column) {
	t.Helper()
	ctx := t.Context()
	_, err := l.CreateDatabase(ctx, &glue.CreateDatabaseInput{DatabaseInput: &types.DatabaseInput{Name: aws.String("db")}})
	if err != nil {
		t.Fatal(err)
	}
	_, err = l.CreateTable(ctx, &glue.CreateTableInput{DatabaseName: aws.String("db"), TableInput: tableOf("t", keys...)})
	if err != nil {
		t.Fatal(err)
	}
}

func tableOf(name string, keys ...types.Column) *types.TableInput {
	return &types.TableInput{
		Name: &name, TableType: aws.String("EXTERNAL_TABLE"), PartitionKeys: keys,
		Parameters: map[string]string{"EXTERNAL": "TRUE"},
		StorageDescriptor: &types.StorageDescriptor{
			Location: aws.String("s3://b/" + name + "/"),
			Columns:  []types.Column{key("a", "int"), key("S", "struct<x:int>")},
			SerdeInfo: &types.SerDeInfo{
				SerializationLibrary: aws.String("org.apache.hadoop.hive.ql.io.parquet.serde.ParquetHiveSerDe"),
				Parameters:           map[string]string{"serialization.format": "1"},
			},
		},
	}
}

func key(name, kind string) types.Column { return types.Column{Name: &name, Type: &kind} }

// add makes partitions of db.t.
func (l *lab) add(t *testing.T, partitions ...[]string) {
	t.Helper()
	for len(partitions) > 0 {
		n := min(100, len(partitions))
		in := &glue.BatchCreatePartitionInput{DatabaseName: aws.String("db"), TableName: aws.String("t")}
		for _, values := range partitions[:n] {
			in.PartitionInputList = append(in.PartitionInputList, types.PartitionInput{
				Values: values,
				StorageDescriptor: &types.StorageDescriptor{
					Location: aws.String("s3://b/t/" + strings.Join(values, "/")), Columns: []types.Column{key("a", "int")},
				},
			})
		}
		out, err := l.BatchCreatePartition(t.Context(), in)
		if err != nil {
			t.Fatal(err)
		}
		if len(out.Errors) > 0 {
			t.Fatalf("create partition %v: %v", out.Errors[0].PartitionValues, *out.Errors[0].ErrorDetail.ErrorMessage)
		}
		partitions = partitions[n:]
	}
}

// wantError checks code and, where given, message of an answer.
func wantError(t *testing.T, err error, code, message string) {
	t.Helper()
	api, ok := errors.AsType[smithy.APIError](err)
	if !ok || api.ErrorCode() != code || !strings.Contains(api.ErrorMessage(), message) {
		t.Errorf("got error %v, want %s: %s", err, code, message)
	}
}

func TestDatabaseIsKeptInLowerCase(t *testing.T) {
	l, ctx := newLab(t), t.Context()
	in := &glue.CreateDatabaseInput{DatabaseInput: &types.DatabaseInput{
		Name: aws.String("Sales"), LocationUri: aws.String("s3://b/sales"), Parameters: map[string]string{"k": "v"},
	}}
	if _, err := l.CreateDatabase(ctx, in); err != nil {
		t.Fatal(err)
	}
	_, err := l.CreateDatabase(ctx, in)
	wantError(t, err, "AlreadyExistsException", "Database already exists.")

	out, err := l.GetDatabase(ctx, &glue.GetDatabaseInput{Name: aws.String("SALES")})
	if err != nil {
		t.Fatal(err)
	}
	d := out.Database
	if *d.Name != "sales" || *d.LocationUri != "s3://b/sales" || d.Parameters["k"] != "v" || !d.CreateTime.Equal(l.now) || *d.CatalogId != account {
		t.Errorf("got database %+v", d)
	}
	if got := *d.CreateTableDefaultPermissions[0].Principal.DataLakePrincipalIdentifier; got != "IAM_ALLOWED_PRINCIPALS" {
		t.Errorf("got default permissions of %s, want of IAM_ALLOWED_PRINCIPALS", got)
	}

	_, err = l.UpdateDatabase(ctx, &glue.UpdateDatabaseInput{Name: aws.String("sales"), DatabaseInput: &types.DatabaseInput{Name: aws.String("sales"), Description: aws.String("new")}})
	if err != nil {
		t.Fatal(err)
	}
	out, _ = l.GetDatabase(ctx, &glue.GetDatabaseInput{Name: aws.String("sales")})
	if *out.Database.Description != "new" || out.Database.LocationUri != nil {
		t.Errorf("got %+v after an update, want the new record alone", out.Database)
	}
}

func TestDeletedDatabaseTakesItsTablesAlong(t *testing.T) {
	l, ctx := newLab(t), t.Context()
	l.create(t, key("dt", "string"))
	l.add(t, []string{"x"})
	if _, err := l.DeleteDatabase(ctx, &glue.DeleteDatabaseInput{Name: aws.String("db")}); err != nil {
		t.Fatal(err)
	}
	_, err := l.GetTable(ctx, &glue.GetTableInput{DatabaseName: aws.String("db"), Name: aws.String("t")})
	wantError(t, err, "EntityNotFoundException", "Database db not found.")
	l.create(t, key("dt", "string"))
	out, err := l.GetPartitions(ctx, &glue.GetPartitionsInput{DatabaseName: aws.String("db"), TableName: aws.String("t")})
	if err != nil || len(out.Partitions) != 0 {
		t.Errorf("got %v, %v from the table made anew, want no partitions", out, err)
	}
}

func TestListsComeInPages(t *testing.T) {
	l, ctx := newLab(t), t.Context()
	for i := range 7 {
		in := &types.DatabaseInput{Name: aws.String(fmt.Sprintf("db%d", i))}
		if _, err := l.CreateDatabase(ctx, &glue.CreateDatabaseInput{DatabaseInput: in}); err != nil {
			t.Fatal(err)
		}
	}
	var sizes []int
	p := glue.NewGetDatabasesPaginator(l.Client, &glue.GetDatabasesInput{MaxResults: aws.Int32(3)})
	for p.HasMorePages() {
		page, err := p.NextPage(ctx)
		if err != nil {
			t.Fatal(err)
		}
		sizes = append(sizes, len(page.DatabaseList))
	}
	if fmt.Sprint(sizes) != "[3 3 1]" {
		t.Errorf("got pages of %v, want [3 3 1]", sizes)
	}
	_, err := l.GetDatabases(ctx, &glue.GetDatabasesInput{MaxResults: aws.Int32(101)})
	wantError(t, err, "ValidationException", "between 1 and 100")
	_, err = l.GetDatabases(ctx, &glue.GetDatabasesInput{NextToken: aws.String("!")})
	wantError(t, err, "InvalidInputException", "NextToken")
}

func TestTableComesBackAsGiven(t *testing.T) {
	l, ctx := newLab(t), t.Context()
	l.create(t, key("dt", "date"))
	out, err := l.GetTable(ctx, &glue.GetTableInput{DatabaseName: aws.String("DB"), Name: aws.String("T")})
	if err != nil {
		t.Fatal(err)
	}
	got := out.Table
	want := tableOf("t", key("dt", "date"))
	for _, c := range []struct{ got, want any }{
		{*got.Name, "t"}, {*got.DatabaseName, "db"}, {*got.VersionId, "0"}, {*got.CatalogId, account},
		{*got.CreatedBy, "arn:aws:iam::" + account + ":user/ann"}, {got.CreateTime.UTC(), l.now},
		{*got.StorageDescriptor.Location, *want.StorageDescriptor.Location},
		{*got.StorageDescriptor.Columns[1].Name, "S"}, {*got.StorageDescriptor.Columns[1].Type, "struct<x:int>"},
		{*got.StorageDescriptor.SerdeInfo.SerializationLibrary, *want.StorageDescriptor.SerdeInfo.SerializationLibrary},
		{*got.PartitionKeys[0].Type, "date"}, {got.Parameters["EXTERNAL"], "TRUE"},
	} {
		if c.got != c.want {
			t.Errorf("got %v, want %v", c.got, c.want)
		}
	}
	_, err = l.CreateTable(ctx, &glue.CreateTableInput{DatabaseName: aws.String("db"), TableInput: want})
	wantError(t, err, "AlreadyExistsException", "Table already exists.")
	_, err = l.GetTable(ctx, &glue.GetTableInput{DatabaseName: aws.String("db"), Name: aws.String("Gone")})
	wantError(t, err, "EntityNotFoundException", "Table gone not found.")
}

func TestTablesAreFilteredByNameAndNarrowed(t *testing.T) {
	l, ctx := newLab(t), t.Context()
	l.create(t)
	for _, name := range []string{"trips_2024", "trips_2025", "zones"} {
		if _, err := l.CreateTable(ctx, &glue.CreateTableInput{DatabaseName: aws.String("db"), TableInput: tableOf(name)}); err != nil {
			t.Fatal(err)
		}
	}
	for expr, want := range map[string]string{"": "[t trips_2024 trips_2025 zones]", "trips.*": "[trips_2024 trips_2025]", "zone": "[]", "zones|t": "[t zones]"} {
		out, err := l.GetTables(ctx, &glue.GetTablesInput{DatabaseName: aws.String("db"), Expression: &expr, AttributesToGet: []types.TableAttributes{"NAME"}})
		if err != nil {
			t.Fatal(err)
		}
		names := []string{}
		for _, tab := range out.TableList {
			names = append(names, *tab.Name)
			if tab.StorageDescriptor != nil || tab.TableType != nil {
				t.Errorf("got more than the name of %s", *tab.Name)
			}
		}
		if fmt.Sprint(names) != want {
			t.Errorf("expression %q: got %v, want %s", expr, names, want)
		}
	}
}

func TestUpdateCountsVersionsAndChecksThem(t *testing.T) {
	l, ctx := newLab(t), t.Context()
	l.create(t)
	update := func(comment, version string, skip bool) error {
		in := tableOf("t")
		in.Description = &comment
		u := &glue.UpdateTableInput{DatabaseName: aws.String("db"), TableInput: in, SkipArchive: &skip}
		if version != "" {
			u.VersionId = &version
		}
		_, err := l.UpdateTable(ctx, u)
		return err
	}
	for _, step := range []struct {
		comment, version string
		skip             bool
	}{{"one", "0", false}, {"two", "", true}, {"three", "2", false}} {
		if err := update(step.comment, step.version, step.skip); err != nil {
			t.Fatal(err)
		}
	}
	wantError(t, update("late", "1", false), "ConcurrentModificationException", "")

	var got []string
	p := glue.NewGetTableVersionsPaginator(l.Client, &glue.GetTableVersionsInput{DatabaseName: aws.String("db"), TableName: aws.String("t"), MaxResults: aws.Int32(1)})
	for p.HasMorePages() {
		page, err := p.NextPage(ctx)
		if err != nil {
			t.Fatal(err)
		}
		for _, v := range page.TableVersions {
			got = append(got, *v.VersionId+"="+aws.ToString(v.Table.Description))
		}
	}
	if fmt.Sprint(got) != "[3=three 2=two 0=]" {
		t.Errorf("got versions %v, want 3=three, 2=two and 0 (1 was not archived)", got)
	}
	_, err := l.GetTableVersion(ctx, &glue.GetTableVersionInput{DatabaseName: aws.String("db"), TableName: aws.String("t"), VersionId: aws.String("1")})
	wantError(t, err, "EntityNotFoundException", "Version not found.")
	out, err := l.BatchDeleteTableVersion(ctx, &glue.BatchDeleteTableVersionInput{DatabaseName: aws.String("db"), TableName: aws.String("t"), VersionIds: []string{"0", "1", "x"}})
	if err != nil || len(out.Errors) != 2 {
		t.Errorf("got %+v, %v, want two errors", out, err)
	}
}

func TestPartitionBatchesReportEachItem(t *testing.T) {
	l, ctx := newLab(t), t.Context()
	l.create(t, key("y", "int"), key("c", "string"))
	l.add(t, []string{"2024", "a/b=c"}, []string{"2024", "''"})
	create, err := l.BatchCreatePartition(ctx, &glue.BatchCreatePartitionInput{DatabaseName: aws.String("db"), TableName: aws.String("t"),
		PartitionInputList: []types.PartitionInput{{Values: []string{"2024", "a/b=c"}}, {Values: []string{"2025"}}, {Values: []string{"2025", "x"}}}})
	if err != nil {
		t.Fatal(err)
	}
	if len(create.Errors) != 2 || *create.Errors[0].ErrorDetail.ErrorCode != "AlreadyExistsException" || *create.Errors[1].ErrorDetail.ErrorCode != "InvalidInputException" {
		t.Errorf("got errors %+v", create.Errors)
	}
	ref := func(values ...string) types.PartitionValueList { return types.PartitionValueList{Values: values} }
	get, err := l.BatchGetPartition(ctx, &glue.BatchGetPartitionInput{DatabaseName: aws.String("db"), TableName: aws.String("t"),
		PartitionsToGet: []types.PartitionValueList{ref("2024", "a/b=c"), ref("1999", "x"), ref("2025", "x")}})
	if err != nil || len(get.Partitions) != 2 || get.Partitions[0].Values[1] != "a/b=c" {
		t.Errorf("got %+v, %v, want the two that exist", get, err)
	}
	_, err = l.UpdatePartition(ctx, &glue.UpdatePartitionInput{DatabaseName: aws.String("db"), TableName: aws.String("t"),
		PartitionValueList: []string{"2025", "x"}, PartitionInput: &types.PartitionInput{Values: []string{"2026", "x"}, Parameters: map[string]string{"n": "1"}}})
	if err != nil {
		t.Fatal(err)
	}
	_, err = l.GetPartition(ctx, &glue.GetPartitionInput{DatabaseName: aws.String("db"), TableName: aws.String("t"), PartitionValues: []string{"2025", "x"}})
	wantError(t, err, "EntityNotFoundException", "Cannot find partition.")
	update, err := l.BatchUpdatePartition(ctx, &glue.BatchUpdatePartitionInput{DatabaseName: aws.String("db"), TableName: aws.String("t"),
		Entries: []types.BatchUpdatePartitionRequestEntry{{PartitionValueList: []string{"2025", "x"}, PartitionInput: &types.PartitionInput{}}}})
	if err != nil || len(update.Errors) != 1 || update.Errors[0].PartitionValueList[0] != "2025" {
		t.Errorf("got %+v, %v, want one error", update, err)
	}
	del, err := l.BatchDeletePartition(ctx, &glue.BatchDeletePartitionInput{DatabaseName: aws.String("db"), TableName: aws.String("t"),
		PartitionsToDelete: []types.PartitionValueList{ref("2026", "x"), ref("2026", "x")}})
	if err != nil || len(del.Errors) != 1 {
		t.Errorf("got %+v, %v, want one error", del, err)
	}
}

func TestSegmentsSplitTheirTable(t *testing.T) {
	l, ctx := newLab(t), t.Context()
	l.create(t, key("n", "int"))
	var all [][]string
	for i := range 250 {
		all = append(all, []string{fmt.Sprint(i)})
	}
	l.add(t, all...)
	seen := map[string]int{}
	for n := range int32(4) {
		count := 0
		p := glue.NewGetPartitionsPaginator(l.Client, &glue.GetPartitionsInput{DatabaseName: aws.String("db"), TableName: aws.String("t"),
			Expression: aws.String("n < 200"), MaxResults: aws.Int32(20), ExcludeColumnSchema: aws.Bool(true),
			Segment: &types.Segment{SegmentNumber: n, TotalSegments: aws.Int32(4)}})
		for p.HasMorePages() {
			page, err := p.NextPage(ctx)
			if err != nil {
				t.Fatal(err)
			}
			for _, part := range page.Partitions {
				seen[part.Values[0]]++
				count++
				if part.StorageDescriptor.Columns != nil || part.StorageDescriptor.Location == nil {
					t.Fatalf("got storage %+v, want all but the columns", part.StorageDescriptor)
				}
			}
		}
		if count < 20 {
			t.Errorf("segment %d holds %d of 200 partitions", n, count)
		}
	}
	if len(seen) != 200 || seen["7"] != 1 {
		t.Errorf("got %d partitions, want each of 200 once", len(seen))
	}
}

func TestNeedsNameTheObjectAndItsAncestors(t *testing.T) {
	l, ctx := newLab(t), t.Context()
	l.create(t, key("n", "int"))
	db, tab := aws.String("Db"), aws.String("T")
	for _, c := range []struct {
		name string
		call func()
		want string
	}{
		{"databases", func() { _, _ = l.GetDatabases(ctx, &glue.GetDatabasesInput{}) }, "glue:GetDatabases catalog"},
		{"database", func() { _, _ = l.GetDatabase(ctx, &glue.GetDatabaseInput{Name: db}) }, "glue:GetDatabase catalog database/db"},
		{"tables", func() { _, _ = l.GetTables(ctx, &glue.GetTablesInput{DatabaseName: db}) }, "glue:GetTables catalog database/db table/db/*"},
		{"table", func() { _, _ = l.GetTable(ctx, &glue.GetTableInput{DatabaseName: db, Name: tab}) }, "glue:GetTable catalog database/db table/db/t"},
		{"partitions", func() { _, _ = l.GetPartitions(ctx, &glue.GetPartitionsInput{DatabaseName: db, TableName: tab}) }, "glue:GetPartitions catalog database/db table/db/t"},
		{"update", func() {
			_, _ = l.UpdateTable(ctx, &glue.UpdateTableInput{DatabaseName: db, TableInput: tableOf("T")})
		}, "glue:UpdateTable catalog database/db table/db/t"},
		{"batch", func() {
			_, _ = l.BatchDeleteTable(ctx, &glue.BatchDeleteTableInput{DatabaseName: db, TablesToDelete: []string{"x", "Y"}})
		}, "glue:BatchDeleteTable catalog database/db table/db/x table/db/y"},
		{"drop", func() { _, _ = l.DeleteDatabase(ctx, &glue.DeleteDatabaseInput{Name: db}) },
			"glue:DeleteDatabase catalog database/db table/db/* userDefinedFunction/db/*"},
		{"nested", func() {
			_, _ = l.GetDatabase(ctx, &glue.GetDatabaseInput{Name: db, CatalogId: aws.String("s3tablescatalog/bkt")})
		}, "glue:GetDatabase catalog catalog/s3tablescatalog catalog/s3tablescatalog/bkt database/s3tablescatalog/bkt/db"},
	} {
		t.Run(c.name, func(t *testing.T) {
			c.call()
			got := l.needs[0].Action
			for _, n := range l.needs {
				got += " " + strings.TrimPrefix(n.Resource.ARN, "arn:aws:glue:us-west-2:"+account+":")
			}
			if got != c.want {
				t.Errorf("got  %s\nwant %s", got, c.want)
			}
		})
	}
}

func TestCatalogIDReachesAnotherAccount(t *testing.T) {
	l, ctx := newLab(t), t.Context()
	l.create(t)
	other := aws.String("444455556666")
	_, err := l.GetDatabase(ctx, &glue.GetDatabaseInput{Name: aws.String("db"), CatalogId: other})
	wantError(t, err, "EntityNotFoundException", "Database db not found.")
	if got := l.needs[0].Resource; got.Account != *other || got.ARN != "arn:aws:glue:us-west-2:444455556666:catalog" {
		t.Errorf("got resource %+v, want the other account's catalog", got)
	}
	_, err = l.GetDatabase(ctx, &glue.GetDatabaseInput{Name: aws.String("db"), CatalogId: aws.String("x:y")})
	wantError(t, err, "InvalidInputException", "neither an account nor")
}

func TestResourcePolicyIsConditionalAndGuardsItsCatalog(t *testing.T) {
	l, ctx := newLab(t), t.Context()
	arn := "arn:aws:glue:us-west-2:" + account + ":database/db"
	if l.svc.Policy(arn) != nil {
		t.Fatal("got a policy before one was put")
	}
	doc := `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":"*","Action":"glue:*","Resource":"*"}]}`
	put, err := l.PutResourcePolicy(ctx, &glue.PutResourcePolicyInput{PolicyInJson: &doc, PolicyExistsCondition: "NOT_EXIST"})
	if err != nil {
		t.Fatal(err)
	}
	if p := l.svc.Policy(arn); p == nil || p.Document == nil || p.Kind != iam.ResourcePolicy {
		t.Errorf("got policy %+v, want the one put", p)
	}
	if l.svc.Policy("arn:aws:glue:eu-west-1:"+account+":catalog") != nil {
		t.Error("got the policy of another region")
	}
	_, err = l.PutResourcePolicy(ctx, &glue.PutResourcePolicyInput{PolicyInJson: &doc, PolicyExistsCondition: "NOT_EXIST"})
	wantError(t, err, "ConditionCheckFailureException", "")
	for text, want := range map[string]string{
		"{": "malformed",
		`{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"glue:*","Resource":"*"}]}`:                              "statement 1 has no Principal",
		`{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":"*","Resource":"*"}]}`:                                "statement 1 has no Action",
		`{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":"*","Action":"glue:*","Resource":"arn:aws:s3:::b"}]}`: "arn:aws:s3:::b is not one of AWS Glue",
	} {
		_, err = l.PutResourcePolicy(ctx, &glue.PutResourcePolicyInput{PolicyInJson: &text})
		wantError(t, err, "InvalidInputException", want)
	}
	got, err := l.GetResourcePolicy(ctx, &glue.GetResourcePolicyInput{})
	if err != nil || *got.PolicyInJson != doc || *got.PolicyHash != *put.PolicyHash {
		t.Errorf("got %+v, %v", got, err)
	}
	if _, err := l.DeleteResourcePolicy(ctx, &glue.DeleteResourcePolicyInput{PolicyHashCondition: put.PolicyHash}); err != nil {
		t.Fatal(err)
	}
	if l.svc.Policy(arn) != nil {
		t.Error("got a policy after its removal")
	}
}

func TestTagsStandOnDatabases(t *testing.T) {
	l, ctx := newLab(t), t.Context()
	l.create(t)
	arn := aws.String("arn:aws:glue:us-west-2:" + account + ":database/db")
	if _, err := l.TagResource(ctx, &glue.TagResourceInput{ResourceArn: arn, TagsToAdd: map[string]string{"Team": "x", "old": "y"}}); err != nil {
		t.Fatal(err)
	}
	if got := l.needs[0].Context["aws:requesttag/team"]; len(got) != 1 || got[0] != "x" {
		t.Errorf("got request tag %v, want x", got)
	}
	if _, err := l.UntagResource(ctx, &glue.UntagResourceInput{ResourceArn: arn, TagsToRemove: []string{"old"}}); err != nil {
		t.Fatal(err)
	}
	out, err := l.GetTags(ctx, &glue.GetTagsInput{ResourceArn: arn})
	if err != nil || fmt.Sprint(out.Tags) != "map[Team:x]" {
		t.Errorf("got %v, %v, want Team=x", out, err)
	}
	_, err = l.GetTags(ctx, &glue.GetTagsInput{ResourceArn: aws.String(*arn + "/t")})
	wantError(t, err, "InvalidInputException", "takes tags")
}

func TestStateSurvivesReopening(t *testing.T) {
	path := filepath.Join(t.TempDir(), "world")
	t.Run("write", func(t *testing.T) {
		l := openLab(t, path)
		l.create(t, key("n", "int"))
		l.add(t, []string{"1"})
	})
	l := openLab(t, path)
	out, err := l.GetPartition(t.Context(), &glue.GetPartitionInput{DatabaseName: aws.String("db"), TableName: aws.String("t"), PartitionValues: []string{"1"}})
	if err != nil || *out.Partition.StorageDescriptor.Location != "s3://b/t/1" {
		t.Errorf("got %+v, %v, want the partition made before", out, err)
	}
}

func TestUnknownOperationsAreRefusedByName(t *testing.T) {
	l, ctx := newLab(t), t.Context()
	_, err := l.GetCrawlers(ctx, &glue.GetCrawlersInput{})
	wantError(t, err, "UnknownOperationException", "glue:GetCrawlers")
	l.create(t)
	_, err = l.CreateTable(ctx, &glue.CreateTableInput{DatabaseName: aws.String("db"), TableInput: tableOf("x"),
		OpenTableFormatInput: &types.OpenTableFormatInput{IcebergInput: &types.IcebergInput{MetadataOperation: "CREATE"}}})
	wantError(t, err, "InvalidInputException", "OpenTableFormatInput")
}
