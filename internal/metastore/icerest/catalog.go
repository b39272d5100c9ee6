package icerest

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"lakeport/internal/lake"
	"lakeport/internal/metastore"
	"lakeport/internal/sqlerr"
)

// Loaded is a table as the catalog gives it.
type Loaded struct {
	MetadataLocation string            `json:"metadata-location"`
	Metadata         json.RawMessage   `json:"metadata"`
	Config           map[string]string `json:"config"`
	Storage          []StorageKeys     `json:"storage-credentials"`
}

// StorageKeys are credentials for the objects below a prefix.
type StorageKeys struct {
	Prefix string            `json:"prefix"`
	Config map[string]string `json:"config"`
}

// parts splits a database's name into its namespaces.
func (c *Client) parts(db string) []string {
	if c.o.Nested {
		return strings.Split(db, ".")
	}
	return []string{db}
}

// at spells the URL of a namespace, or of something in it.
func (c *Client) at(ctx context.Context, db string, more ...string) (string, error) {
	cfg, err := c.settings(ctx)
	if err != nil {
		return "", err
	}
	u := cfg.base + "/namespaces"
	if db != "" {
		var parts []string
		for _, p := range c.parts(db) {
			parts = append(parts, url.PathEscape(p))
		}
		u += "/" + strings.Join(parts, cfg.separator)
	}
	for _, m := range more {
		u += "/" + url.PathEscape(m)
	}
	return u, nil
}

// missing words what is not there.
func missing(err error, code sqlerr.Code, format string, args ...any) error {
	e, ok := errors.AsType[*Error](err)
	if !ok || e.Status != http.StatusNotFound {
		return err
	}
	out := sqlerr.New(sqlerr.NotFound, format, args...).With(code)
	out.Err = err
	return out
}

// pages reads a list to its end.
func (c *Client) pages(ctx context.Context, r request, each func(page map[string]json.RawMessage) error) error {
	if r.query == nil {
		r.query = url.Values{}
	}
	for seen := map[string]bool{}; ; {
		var page map[string]json.RawMessage
		if err := c.do(ctx, r, &page); err != nil {
			return err
		}
		if err := each(page); err != nil {
			return sqlerr.New(sqlerr.Corrupt, "%s: the catalog's answer is not understood: %w", r.op, err)
		}
		var next string
		if raw := page["next-page-token"]; raw != nil {
			_ = json.Unmarshal(raw, &next) // null: the end
		}
		if next == "" || seen[next] {
			return nil
		}
		seen[next] = true
		r.query.Set("pageToken", next)
	}
}

// Databases lists the namespaces, in order; where they nest, those inside
// others too, as "a.b".
func (c *Client) Databases(ctx context.Context) ([]string, error) {
	names := []string{}
	err := c.below(ctx, nil, &names)
	slices.Sort(names)
	return names, err
}

// depthMax bounds how deep namespaces are listed.
const depthMax = 16

func (c *Client) below(ctx context.Context, parent []string, names *[]string) error {
	u, err := c.at(ctx, "")
	if err != nil {
		return err
	}
	query := url.Values{}
	if len(parent) > 0 {
		query.Set("parent", strings.Join(parent, "\x1f"))
	}
	c.asking(ListNamespaces, "", "")
	var found [][]string
	err = c.pages(ctx, request{op: "list namespaces", method: http.MethodGet, url: u, query: query}, func(page map[string]json.RawMessage) error {
		var list [][]string
		if err := json.Unmarshal(page["namespaces"], &list); err != nil {
			return err
		}
		found = append(found, list...)
		return nil
	})
	if err != nil {
		return err
	}
	for _, ns := range found {
		if len(ns) != len(parent)+1 {
			continue
		}
		*names = append(*names, strings.Join(ns, "."))
		if c.o.Nested && len(ns) < depthMax {
			if err := c.below(ctx, ns, names); err != nil {
				return err
			}
		}
	}
	return nil
}

// Database reads a namespace's properties.
func (c *Client) Database(ctx context.Context, db string) (*metastore.Database, error) {
	u, err := c.at(ctx, db)
	if err != nil {
		return nil, err
	}
	c.asking(LoadNamespace, db, "")
	var out struct {
		Properties map[string]string `json:"properties"`
	}
	if err := c.do(ctx, request{op: "load namespace " + db, method: http.MethodGet, url: u}, &out); err != nil {
		return nil, missing(err, sqlerr.BadDB, "Unknown database '%s'", db)
	}
	return &metastore.Database{Name: db, Location: out.Properties["location"], Description: out.Properties["comment"], Parameters: out.Properties}, nil
}

// CreateDatabase makes a namespace; Exists if there is one.
func (c *Client) CreateDatabase(ctx context.Context, d *metastore.Database) error {
	u, err := c.at(ctx, "")
	if err != nil {
		return err
	}
	if c.asking(CreateNamespace, d.Name, "") {
		return nil
	}
	properties := map[string]string{}
	if d.Location != "" {
		properties["location"] = d.Location
	}
	err = c.do(ctx, request{op: "create namespace " + d.Name, method: http.MethodPost, url: u,
		body: map[string]any{"namespace": c.parts(d.Name), "properties": properties}}, nil)
	return taken(err, sqlerr.DBExists, "Can't create database '%s'; database exists", d.Name)
}

// taken words what exists already.
func taken(err error, code sqlerr.Code, format string, args ...any) error {
	e, ok := errors.AsType[*Error](err)
	if !ok || e.Status != http.StatusConflict {
		return err
	}
	out := sqlerr.New(sqlerr.Exists, format, args...).With(code)
	out.Err = err
	return out
}

// DropDatabase removes a namespace, which must be empty.
func (c *Client) DropDatabase(ctx context.Context, db string) error {
	u, err := c.at(ctx, db)
	if err != nil {
		return err
	}
	if c.asking(DropNamespace, db, "") {
		return nil
	}
	err = c.do(ctx, request{op: "drop namespace " + db, method: http.MethodDelete, url: u}, nil)
	if e, ok := errors.AsType[*Error](err); ok && (e.Status == http.StatusConflict || strings.Contains(e.Type, "NotEmpty")) {
		out := sqlerr.New(sqlerr.Conflict, "Can't drop database '%s': it is not empty", db).WithHint("drop the tables first")
		out.Err = err
		return out
	}
	return missing(err, sqlerr.DBMissing, "Can't drop database '%s'; database doesn't exist", db)
}

// Tables lists a namespace's tables, in order.
func (c *Client) Tables(ctx context.Context, db string) ([]string, error) {
	u, err := c.at(ctx, db, "tables")
	if err != nil {
		return nil, err
	}
	c.asking(ListTables, db, "")
	names := []string{}
	err = c.pages(ctx, request{op: "list tables of " + db, method: http.MethodGet, url: u}, func(page map[string]json.RawMessage) error {
		var list []struct {
			Name string `json:"name"`
		}
		if err := json.Unmarshal(page["identifiers"], &list); err != nil {
			return err
		}
		for _, t := range list {
			names = append(names, t.Name)
		}
		return nil
	})
	slices.Sort(names)
	return names, missing(err, sqlerr.BadDB, "Unknown database '%s'", db)
}

// Load reads a table.
func (c *Client) Load(ctx context.Context, db, name string) (*Loaded, error) {
	u, err := c.at(ctx, db, "tables", name)
	if err != nil {
		return nil, err
	}
	c.asking(LoadTable, db, name)
	out := &Loaded{}
	if err := c.do(ctx, request{op: "load table " + db + "." + name, method: http.MethodGet, url: u}, out); err != nil {
		return nil, missing(err, sqlerr.BadTable, "Unknown table '%s.%s'", db, name)
	}
	return out, nil
}

// Table gives a table as a metastore's record, which points to its metadata.
func (c *Client) Table(ctx context.Context, db, name string) (*metastore.Table, error) {
	t, err := c.Load(ctx, db, name)
	if err != nil {
		return nil, err
	}
	return t.Record(db, name), nil
}

// Record is the table as a metastore's record.
func (t *Loaded) Record(db, name string) *metastore.Table {
	var m struct {
		Location   string            `json:"location"`
		Properties map[string]string `json:"properties"`
	}
	_ = json.Unmarshal(t.Metadata, &m) // what is wrong with it, who reads it tells
	parameters := map[string]string{"table_type": "ICEBERG", "metadata_location": t.MetadataLocation}
	for k, v := range m.Properties {
		parameters[k] = v
	}
	return &metastore.Table{Database: db, Name: name, Type: "EXTERNAL_TABLE", Description: m.Properties["comment"],
		Parameters: parameters, Storage: metastore.Storage{Location: m.Location}}
}

// Partitions gives none: Iceberg's stand in its manifests.
func (c *Client) Partitions(context.Context, *metastore.Table, metastore.Wanted) ([]metastore.Partition, error) {
	return nil, nil
}

// Definition is a table to be made, its parts as the API takes them.
type Definition struct {
	Name       string            `json:"name"`
	Location   string            `json:"location,omitempty"`
	Schema     any               `json:"schema"`
	Spec       any               `json:"partition-spec"`
	Properties map[string]string `json:"properties"`
}

// CreateTable makes a table without rows; Exists if there is one. To who
// watches it gives a table without metadata.
func (c *Client) CreateTable(ctx context.Context, db string, d Definition) (*Loaded, error) {
	u, err := c.at(ctx, db, "tables")
	if err != nil {
		return nil, err
	}
	out := &Loaded{}
	if c.asking(CreateTable, db, d.Name) {
		return out, nil
	}
	err = c.do(ctx, request{op: "create table " + db + "." + d.Name, method: http.MethodPost, url: u, body: d}, out)
	if err != nil {
		err = missing(err, sqlerr.BadDB, "Unknown database '%s'", db)
		return nil, taken(err, sqlerr.TableExists, "Table '%s' already exists", d.Name)
	}
	return out, nil
}

// Commit changes a table. Rejected with kind Conflict: a requirement does not
// hold any more. Unknown: the catalog may have done it (Iceberg REST API,
// "Commit updates to a table": 500, 502, 504).
func (c *Client) Commit(ctx context.Context, db, name string, requirements, updates any) (lake.Outcome, error) {
	u, err := c.at(ctx, db, "tables", name)
	if err != nil {
		return lake.Rejected, err
	}
	if c.asking(CommitTable, db, name) {
		return lake.Committed, nil
	}
	body := map[string]any{"identifier": map[string]any{"namespace": c.parts(db), "name": name}, "requirements": requirements, "updates": updates}
	err = c.do(ctx, request{op: "commit to table " + db + "." + name, method: http.MethodPost, url: u, body: body}, nil)
	if err == nil {
		return lake.Committed, nil
	}
	e, answered := errors.AsType[*Error](err)
	switch {
	case errors.Is(err, errNotSent):
		return lake.Rejected, err
	case !answered:
		return lake.Unknown, err
	case e.Status == http.StatusConflict:
		out := sqlerr.New(sqlerr.Conflict, "table %s.%s has been changed meanwhile: %s", db, name, e.Message)
		out.Err = err
		return lake.Rejected, out
	case e.Status/100 == 5 && e.Status != http.StatusServiceUnavailable && e.Status != http.StatusNotImplemented:
		return lake.Unknown, err
	}
	return lake.Rejected, missing(err, sqlerr.BadTable, "Unknown table '%s.%s'", db, name)
}

// DropTable removes a table, with purge its files too.
func (c *Client) DropTable(ctx context.Context, db, name string, purge bool) error {
	u, err := c.at(ctx, db, "tables", name)
	if err != nil {
		return err
	}
	if c.asking(DropTable, db, name) {
		return nil
	}
	query := url.Values{"purgeRequested": {"false"}}
	if purge {
		query.Set("purgeRequested", "true")
	}
	err = c.do(ctx, request{op: "drop table " + db + "." + name, method: http.MethodDelete, url: u, query: query}, nil)
	return missing(err, sqlerr.BadTable, "Unknown table '%s.%s'", db, name)
}
