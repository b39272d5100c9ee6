package glue

import (
	"encoding/json"
	"regexp"
	"slices"
	"strings"

	"lakeport/internal/iam"
	"lakeport/internal/sandbox"
)

// scope is what the members that every input shares say of the objects that a
// call touches. Names are folded to lower case, as Glue folds them.
type scope struct {
	region  string
	account string
	nested  string // path of a nested catalog; empty: the account's own
	in      scopeInput
}

type scopeInput struct {
	CatalogID       *string `json:"CatalogId"`
	ParentCatalogID *string `json:"ParentCatalogId"`
	Name            string
	DatabaseName    string
	TableName       string
	DatabaseInput   struct{ Name string }
	TableInput      struct{ Name string }
	TablesToDelete  []string
	ResourceARN     string `json:"ResourceArn"`
	Tags            map[string]string
	TagsToAdd       map[string]string
	TagsToRemove    []string
}

var accountID = regexp.MustCompile(`^[0-9]{12}$`)

// parseScope reads the shared members. The catalog is the caller's account
// unless CatalogId names another: an account, or a path below one.
func parseScope(c *sandbox.Call) (*scope, error) {
	s := &scope{region: c.Region, account: c.Caller.Principal.Account}
	if err := json.Unmarshal(c.Body, &s.in); err != nil {
		return nil, malformed(err)
	}
	id := s.in.CatalogID
	if id == nil {
		id = s.in.ParentCatalogID
	}
	if id == nil {
		return s, nil
	}
	owner, path, found := strings.Cut(*id, ":")
	switch {
	case accountID.MatchString(owner):
		s.account, s.nested = owner, path
	case found || owner == "":
		return nil, invalid("CatalogId %q is neither an account nor a catalog's path", *id)
	default:
		s.nested = owner
	}
	return s, nil
}

// arn spells a resource of the call's catalog, or gives an ARN as it is.
func (s *scope) arn(tail string) string {
	if strings.HasPrefix(tail, "arn:") {
		return tail
	}
	return "arn:aws:glue:" + s.region + ":" + s.account + ":" + tail
}

// context holds the tags that the call sets or takes away (aws:RequestTag,
// aws:TagKeys of the service authorization reference).
func (s *scope) context() iam.Context {
	keys := slices.Clone(s.in.TagsToRemove)
	ctx := iam.Context{}
	for _, tags := range []map[string]string{s.in.Tags, s.in.TagsToAdd} {
		for k, v := range tags {
			ctx["aws:requesttag/"+strings.ToLower(k)] = []string{v}
			keys = append(keys, k)
		}
	}
	if len(keys) == 0 {
		return nil
	}
	ctx["aws:tagkeys"] = keys
	return ctx
}

// inCatalog prefixes a resource's path with that of a nested catalog.
func (s *scope) inCatalog(kind string, parts ...string) string {
	path := []string{kind}
	if s.nested != "" {
		path = append(path, s.nested)
	}
	for _, p := range parts {
		path = append(path, fold(p))
	}
	return strings.Join(path, "/")
}

// The scopes of 'Specifying AWS Glue resource ARNs': every call needs its
// object and all ancestors, the catalog first.

func onCatalog(s *scope) []string {
	tails := []string{"catalog"}
	for i, c := range s.nested {
		if c == '/' {
			tails = append(tails, "catalog/"+s.nested[:i])
		}
	}
	if s.nested != "" {
		tails = append(tails, "catalog/"+s.nested)
	}
	return tails
}

// onNewCatalog is the scope of a catalog that is made in the account's own.
func onNewCatalog(s *scope) []string { return append(onCatalog(s), "catalog/"+s.in.Name) }

func inDatabase(s *scope, db string) []string {
	return append(onCatalog(s), s.inCatalog("database", db))
}

func onDatabase(s *scope) []string    { return inDatabase(s, s.in.Name) }
func onNewDatabase(s *scope) []string { return inDatabase(s, s.in.DatabaseInput.Name) }

func onDatabaseAndBelow(s *scope) []string {
	return append(onDatabase(s), s.inCatalog("table", s.in.Name, "*"), s.inCatalog("userDefinedFunction", s.in.Name, "*"))
}

func inTable(s *scope, table string) []string {
	return append(inDatabase(s, s.in.DatabaseName), s.inCatalog("table", s.in.DatabaseName, table))
}

func onTable(s *scope) []string     { return inTable(s, s.in.Name) }
func onTables(s *scope) []string    { return inTable(s, "*") }
func onPartition(s *scope) []string { return inTable(s, s.in.TableName) }

func onTableInput(s *scope) []string {
	if s.in.Name != "" {
		return inTable(s, s.in.Name)
	}
	return inTable(s, s.in.TableInput.Name)
}

func onListedTables(s *scope) []string {
	tails := inDatabase(s, s.in.DatabaseName)
	for _, t := range s.in.TablesToDelete {
		tails = append(tails, s.inCatalog("table", s.in.DatabaseName, t))
	}
	return tails
}

// onAllTables is the scope of SearchTables, which is decided once for the
// whole catalog. Assumed: AWS filters the hits by permission instead.
func onAllTables(s *scope) []string {
	return append(onCatalog(s), s.inCatalog("database", "*"), s.inCatalog("table", "*", "*"))
}

// onFunctions is the scope of the lists of user-defined functions.
func onFunctions(s *scope) []string {
	db := s.in.DatabaseName
	if db == "" {
		db = "*"
	}
	return append(inDatabase(s, db), s.inCatalog("userDefinedFunction", db, "*"))
}

func onTagged(s *scope) []string { return []string{s.in.ResourceARN} }

// fold is how Glue keeps names: in lower case, for Hive's sake ("DatabaseInput:
// for Hive compatibility, this is folded to lowercase when it is stored").
func fold(name string) string { return strings.ToLower(name) }
