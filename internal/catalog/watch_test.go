package catalog

import (
	"slices"
	"strings"
	"testing"

	"lakeport/internal/awsauth"
	"lakeport/internal/metastore/icerest"
)

// A call to Glue is decided on its objects and all that they are in.
func TestGlueNamesObjectsAndWhatTheyAreIn(t *testing.T) {
	for _, c := range []struct {
		owner string
		tails []string
		want  string
	}{
		{"", nil, ":catalog"},
		{"111111111111", []string{"database/d"}, "111111111111:catalog 111111111111:database/d"},
		{"111111111111:s3tablescatalog/b", []string{"table/d/t"}, "111111111111:catalog 111111111111:catalog/s3tablescatalog 111111111111:catalog/s3tablescatalog/b 111111111111:table/s3tablescatalog/b/d/t"},
		{"s3tablescatalog/b", nil, ":catalog :catalog/s3tablescatalog :catalog/s3tablescatalog/b"},
		{"111111111111:s3tablescatalog:b", []string{"database/d"}, "111111111111:catalog 111111111111:catalog/s3tablescatalog 111111111111:catalog/s3tablescatalog/b 111111111111:database/s3tablescatalog/b/d"},
	} {
		want := strings.Fields(c.want)
		for i := range want {
			want[i] = "arn:aws:glue:r:" + want[i]
		}
		if got := glueARNs("r", c.owner, c.tails...); !slices.Equal(got, want) {
			t.Errorf("%v of %q is %v, want %v", c.tails, c.owner, got, want)
		}
	}
}

// Which table bucket a warehouse shows is told by its name alone.
func TestWarehousesThatAreTableBuckets(t *testing.T) {
	for _, c := range []struct{ signing, warehouse, want string }{
		{"glue", "111111111111:s3tablescatalog/b", "arn:aws:s3tables:r:111111111111:bucket/b"},
		{"glue", "s3tablescatalog/b", "arn:aws:s3tables:r::bucket/b"},
		{"glue", "111111111111", ""},
		{"glue", "111111111111:other/b", ""},
		{"s3tables", "arn:aws:s3tables:r:111111111111:bucket/b", "arn:aws:s3tables:r:111111111111:bucket/b"},
		{"execute-api", "111111111111:s3tablescatalog/b", ""},
	} {
		r := &restStore{name: c.signing, auth: awsauth.Spec{Region: "r"}, Options: icerest.Options{Warehouse: c.warehouse}}
		if got := r.tableBucket(); got != c.want {
			t.Errorf("%s at %s is %q, want %q", c.warehouse, c.signing, got, c.want)
		}
	}
}

// Every operation of the client is worded for both of AWS's endpoints.
func TestEveryOperationIsWorded(t *testing.T) {
	for _, op := range []icerest.Operation{icerest.GetConfig, icerest.ListNamespaces, icerest.LoadNamespace, icerest.CreateNamespace, icerest.DropNamespace, icerest.ListTables,
		icerest.LoadTable, icerest.CreateTable, icerest.CommitTable, icerest.DropTable} {
		if glueREST[op].action == "" || len(tablesREST[op]) == 0 {
			t.Errorf("%s is not worded", op)
		}
	}
}
