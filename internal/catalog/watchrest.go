package catalog

import (
	"strings"

	"lakeport/internal/awsauth"
	"lakeport/internal/iam"
	"lakeport/internal/metastore/icerest"
)

// restNeed is what an operation of Glue's Iceberg endpoint is decided on:
// Glue's action and the objects below the catalog ("Permissions for AWS Glue
// Iceberg REST APIs", AWS Glue Developer Guide), and in the catalogs of table
// buckets Lake Formation's permission on one of these ("Lake Formation
// permissions reference").
type restNeed struct {
	action     string
	tails      func(c icerest.Call) []string
	permission string                      // empty: what may be seen is shown
	on         func(c icerest.Call) string // empty: the catalog
}

func noTails(icerest.Call) []string      { return nil }
func spaceTails(c icerest.Call) []string { return []string{database(c.Database)} }
func tableTails(c icerest.Call) []string {
	return []string{database(c.Database), below(c.Database, c.Table)}
}

func theCatalog(icerest.Call) string   { return "" }
func theSpace(c icerest.Call) string   { return database(c.Database) }
func theIceberg(c icerest.Call) string { return below(c.Database, c.Table) }
func allTables(c icerest.Call) []string {
	return []string{database(c.Database), below(c.Database, "*")}
}
func allOf(c icerest.Call) []string { return append(allTables(c), functions(c.Database)) }

var glueREST = map[icerest.Operation]restNeed{
	icerest.GetConfig:       {"glue:GetCatalog", noTails, "", nil},
	icerest.ListNamespaces:  {"glue:GetDatabase", noTails, "", nil},
	icerest.LoadNamespace:   {"glue:GetDatabase", spaceTails, "DESCRIBE", theSpace},
	icerest.CreateNamespace: {"glue:CreateDatabase", spaceTails, "CREATE_DATABASE", theCatalog},
	icerest.DropNamespace:   {"glue:DeleteDatabase", allOf, "DROP", theSpace},
	icerest.ListTables:      {"glue:GetTables", allTables, "DESCRIBE", theSpace},
	icerest.LoadTable:       {"glue:GetTable", tableTails, "DESCRIBE", theIceberg},
	icerest.LoadCredentials: {"glue:GetTable", tableTails, "DESCRIBE", theIceberg},
	icerest.CreateTable:     {"glue:CreateTable", tableTails, "CREATE_TABLE", theSpace},
	icerest.CommitTable:     {"glue:UpdateTable", tableTails, "ALTER", theIceberg},
	icerest.DropTable:       {"glue:DeleteTable", tableTails, "DROP", theIceberg},
}

// tablesREST are the actions of each operation of S3 Tables' own endpoint
// ("Accessing tables using the Amazon S3 Tables Iceberg REST endpoint", S3 User
// Guide).
var tablesREST = map[icerest.Operation][]string{
	icerest.GetConfig: {"GetTableBucket"}, icerest.ListNamespaces: {"ListNamespaces"}, icerest.LoadNamespace: {"GetNamespace"},
	icerest.CreateNamespace: {"CreateNamespace"}, icerest.DropNamespace: {"DeleteNamespace"}, icerest.ListTables: {"ListTables"},
	icerest.LoadTable: {"GetTableMetadataLocation", "GetTableData"}, icerest.CreateTable: {"CreateTable", "PutTableData"},
	icerest.CommitTable: {"UpdateTableMetadataLocation", "PutTableData", "GetTableData"}, icerest.DropTable: {"DeleteTable"},
}

// lends tells of the operations with whose answers Glue hands out credentials.
var lends = map[icerest.Operation]bool{icerest.LoadTable: true, icerest.LoadCredentials: true, icerest.CreateTable: true}

// federatedName is the catalog in which Glue shows an account's table buckets
// ("Integrating Amazon S3 Tables with AWS analytics services", S3 User Guide).
const federatedName = "s3tablescatalog/"

// tableBucket is the ARN of the table bucket that a catalog of AWS's shows, ""
// if it is none. An account that is not given is left empty.
func (r *restStore) tableBucket() string {
	switch r.name {
	case "s3tables":
		return r.Warehouse
	case "glue":
		account, path, nested := strings.Cut(r.Warehouse, ":")
		if !nested {
			account, path = "", r.Warehouse
		}
		if name, ok := strings.CutPrefix(strings.ReplaceAll(path, ":", "/"), federatedName); ok {
			return "arn:aws:s3tables:" + r.auth.Region + ":" + account + ":bucket/" + name
		}
	}
	return ""
}

// watchREST words the calls to a catalog as what AWS decides. A catalog that
// is not signed for is none of AWS's.
func (s *Store) watchREST(r *restStore) func(icerest.Call) {
	return func(c icerest.Call) {
		a := awsauth.Access{Spec: r.auth}
		need := func(action, arn string, conditions iam.Context) {
			a.Requests = append(a.Requests, iam.Request{Action: action, Resource: iam.Resource{ARN: arn}, Context: conditions})
		}
		bucket := r.tableBucket()
		switch {
		case !r.signed:
			return
		case r.name == "glue":
			n := glueREST[c.Operation]
			arns := glueARNs(r.auth.Region, r.Warehouse, n.tails(c)...)
			for _, arn := range arns {
				need(n.action, arn, nil)
			}
			if bucket != "" && n.permission != "" {
				need("lakeformation:"+n.permission, lakeObject(r, n.on(c)), nil)
			}
			s.watch.see(a)
			if bucket != "" && r.Vended && lends[c.Operation] {
				s.watch.see(awsauth.Access{Spec: r.auth, Requests: []iam.Request{{Action: "lakeformation:SELECT", Resource: iam.Resource{ARN: lakeObject(r, theIceberg(c))}}}})
				s.watch.see(awsauth.Access{Spec: r.auth, Lent: bucket})
			}
			return
		case r.name == "s3tables":
			for _, action := range tablesREST[c.Operation] {
				arn, conditions := bucket, iam.Context{}
				if c.Table != "" {
					arn = bucket + "/table/*"
				}
				if c.Database != "" {
					conditions["s3tables:namespace"] = []string{c.Database}
				}
				if c.Table != "" && c.Operation != icerest.CreateTable {
					conditions["s3tables:tablename"] = []string{c.Table}
				}
				need("s3tables:"+action, arn, conditions)
			}
		default: // a gateway, which decides by rules of its own
			need(r.name+":*", "*", nil)
		}
		s.watch.see(a)
	}
}

// lakeObject names an object as Lake Formation's permissions are told of it.
func lakeObject(r *restStore, tail string) string {
	var tails []string
	if tail != "" {
		tails = append(tails, tail)
	}
	arns := glueARNs(r.auth.Region, r.Warehouse, tails...)
	return arns[len(arns)-1]
}

// watchedTable is the storage of a table of a REST catalog, asked with the
// credentials that are lent for it, if there are any. A table that is not there
// yet has no place for its metadata; Glue will lend credentials for it.
func (c *Catalog) watchedTable(db, name string, loaded *icerest.Loaded, v *icerest.Vended) *Storage {
	r, who := c.spec.rest, c.spec.s3
	a := awsauth.Access{Spec: who}
	who = c.store.asks(who)
	bucket, glue := r.tableBucket(), r.signed && r.name == "glue"
	if v != nil || loaded.MetadataLocation == "" && r.Vended && glue && bucket != "" {
		a = awsauth.Access{Spec: r.auth, Lent: bucket, Own: c.spec.s3}
		if bucket == "" || !glue {
			a.Lent = "catalog " + c.def.Name
		}
	}
	if v != nil {
		who = c.lent(v)
	}
	return c.store.watchedAs(who, v, tableObjects(bucket, db, name, func(r iam.Request) {
		told := a
		told.Requests = []iam.Request{r}
		c.store.watch.see(told)
	}))
}

// tableObjects words requests for the objects of a table of a table bucket as
// S3 Tables decides them: on the table, which is named by an id ("S3 API
// operations for tables", S3 User Guide).
func tableObjects(bucket, db, name string, see func(iam.Request)) func(iam.Request) {
	words := map[string]string{"s3:GetObject": "s3tables:GetTableData", "s3:PutObject": "s3tables:PutTableData"}
	return func(r iam.Request) {
		if action := words[r.Action]; action != "" && bucket != "" {
			r = iam.Request{Action: action, Resource: iam.Resource{ARN: bucket + "/table/*"}, Context: iam.Context{
				"s3tables:namespace": {db}, "s3tables:tablename": {name}}}
		}
		see(r)
	}
}
