// Package iceresttest is an Iceberg REST catalog in memory, for tests of what
// speaks to one over HTTP: configuration, namespaces, tables, commits whose
// requirements are checked, pages, tokens, and credentials handed out. It keeps
// metadata itself and writes no metadata files.
package iceresttest

import (
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
)

// Server is a catalog. Its fields may be set before and changed under Lock
// while it runs.
type Server struct {
	URL string

	sync.Mutex
	Prefix string            // of paths, as the configuration tells it
	Keys   map[string]string // config of every table: s3.access-key-id and the like
	Page   int               // names of one page of a list; 0: all
	Token  string            // a bearer token that is asked for; empty: none
	// Before is asked ahead of each request and answers it by giving true.
	Before func(w http.ResponseWriter, r *http.Request) bool
	// After is called when a commit has been made, before the answer.
	After func(w http.ResponseWriter) (answered bool)

	Requests   []string // method and path of each
	namespaces map[string]map[string]string
	tables     map[string]map[string]json.RawMessage // by namespace and name
}

// New starts a catalog that ends with the test. Tables without a location stand
// below warehouse.
func New(t testing.TB, warehouse string) *Server {
	s := &Server{namespaces: map[string]map[string]string{}, tables: map[string]map[string]json.RawMessage{}}
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { s.serve(w, r, warehouse) }))
	t.Cleanup(srv.Close)
	s.URL = srv.URL
	return s
}

func fail(w http.ResponseWriter, status int, kind, format string, args ...any) {
	answer(w, status, map[string]any{"error": map[string]any{"message": fmt.Sprintf(format, args...), "type": kind, "code": status}})
}

func answer(w http.ResponseWriter, status int, body any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	if body != nil {
		_ = json.NewEncoder(w).Encode(body)
	}
}

func (s *Server) serve(w http.ResponseWriter, r *http.Request, warehouse string) {
	s.Lock()
	before := s.Before
	s.Requests = append(s.Requests, r.Method+" "+r.URL.EscapedPath())
	s.Unlock()
	if before != nil && before(w, r) {
		return
	}
	s.Lock()
	defer s.Unlock()
	path, ok := strings.CutPrefix(r.URL.Path, "/v1/")
	switch {
	case ok && path == "config":
		answer(w, 200, map[string]any{"defaults": map[string]string{}, "overrides": map[string]string{"prefix": s.Prefix}})
		return
	case ok && path == "oauth/tokens":
		answer(w, 200, map[string]any{"access_token": s.Token, "token_type": "bearer", "expires_in": 3600})
		return
	case s.Token != "" && r.Header.Get("Authorization") != "Bearer "+s.Token:
		fail(w, 401, "NotAuthorizedException", "the token is not accepted")
		return
	}
	parts := strings.Split(strings.Trim(strings.TrimPrefix(path, s.Prefix), "/"), "/")
	var body map[string]json.RawMessage
	if r.Method == http.MethodPost {
		if err := json.NewDecoder(r.Body).Decode(&body); err != nil {
			fail(w, 400, "BadRequestException", "%v", err)
			return
		}
	}
	switch {
	case parts[0] != "namespaces":
		fail(w, 404, "NotFoundException", "there is no %s", path)
	case len(parts) == 1:
		s.serveNamespaces(w, r, body)
	case s.namespaces[parts[1]] == nil:
		fail(w, 404, "NoSuchNamespaceException", "Namespace does not exist: %s", parts[1])
	case len(parts) == 2:
		s.serveNamespace(w, r, parts[1])
	case len(parts) == 3:
		s.serveTables(w, r, parts[1], body, warehouse)
	default:
		s.serveTable(w, r, parts[1], parts[3], body)
	}
}

// page cuts a list to the page that is asked for.
func (s *Server) page(r *http.Request, names []string) (list []string, next any) {
	from := 0
	_, _ = fmt.Sscan(r.URL.Query().Get("pageToken"), &from)
	names = names[min(from, len(names)):]
	if s.Page > 0 && len(names) > s.Page {
		return names[:s.Page], fmt.Sprint(from + s.Page)
	}
	return names, nil
}

func (s *Server) serveNamespaces(w http.ResponseWriter, r *http.Request, body map[string]json.RawMessage) {
	if r.Method == http.MethodGet {
		parent := r.URL.Query().Get("parent")
		var names []string
		for _, ns := range slices.Sorted(maps.Keys(s.namespaces)) {
			if rest, inside := strings.CutPrefix(ns, parent); parent == "" && !strings.Contains(ns, "\x1f") || parent != "" && inside && strings.LastIndex(rest, "\x1f") == 0 {
				names = append(names, ns)
			}
		}
		names, next := s.page(r, names)
		list := [][]string{}
		for _, n := range names {
			list = append(list, strings.Split(n, "\x1f"))
		}
		answer(w, 200, map[string]any{"namespaces": list, "next-page-token": next})
		return
	}
	var in struct {
		Namespace  []string          `json:"namespace"`
		Properties map[string]string `json:"properties"`
	}
	raw, _ := json.Marshal(body)
	_ = json.Unmarshal(raw, &in)
	name := strings.Join(in.Namespace, "\x1f")
	if s.namespaces[name] != nil {
		fail(w, 409, "AlreadyExistsException", "Namespace already exists: %s", name)
		return
	}
	s.namespaces[name], s.tables[name] = map[string]string{"owner": "test"}, map[string]json.RawMessage{}
	maps.Copy(s.namespaces[name], in.Properties)
	answer(w, 200, in)
}

func (s *Server) serveNamespace(w http.ResponseWriter, r *http.Request, ns string) {
	switch {
	case r.Method == http.MethodGet:
		answer(w, 200, map[string]any{"namespace": strings.Split(ns, "\x1f"), "properties": s.namespaces[ns]})
	case len(s.tables[ns]) > 0:
		fail(w, 409, "NamespaceNotEmptyException", "Namespace %s is not empty", ns)
	default:
		delete(s.namespaces, ns)
		answer(w, 204, nil)
	}
}

func (s *Server) loaded(ns, name string) map[string]any {
	return map[string]any{"metadata-location": "memory:" + ns + "/" + name, "metadata": s.tables[ns][name], "config": s.Keys}
}

func (s *Server) serveTables(w http.ResponseWriter, r *http.Request, ns string, body map[string]json.RawMessage, warehouse string) {
	if r.Method == http.MethodGet {
		names, next := s.page(r, slices.Sorted(maps.Keys(s.tables[ns])))
		list := []any{}
		for _, n := range names {
			list = append(list, map[string]any{"namespace": strings.Split(ns, "\x1f"), "name": n})
		}
		answer(w, 200, map[string]any{"identifiers": list, "next-page-token": next})
		return
	}
	text := func(key string) (v string) {
		_ = json.Unmarshal(body[key], &v)
		return v
	}
	name, location := text("name"), text("location")
	if s.tables[ns][name] != nil {
		fail(w, 409, "AlreadyExistsException", "Table already exists: %s", name)
		return
	}
	if location == "" {
		location = warehouse + "/" + strings.ReplaceAll(ns, "\x1f", "/") + "/" + name
	}
	var spec map[string]any
	_ = json.Unmarshal(body["partition-spec"], &spec)
	var properties map[string]string
	_ = json.Unmarshal(body["properties"], &properties)
	version := 2
	_, _ = fmt.Sscan(properties["format-version"], &version)
	delete(properties, "format-version")
	metadata, _ := json.Marshal(map[string]any{
		"format-version": version, "table-uuid": "00000000-0000-4000-8000-" + fmt.Sprintf("%012d", len(s.Requests)), "location": location, "last-sequence-number": 0,
		"last-updated-ms": 1, "last-column-id": 1000, "schemas": []any{body["schema"]}, "current-schema-id": 0, "partition-specs": []any{spec}, "default-spec-id": 0,
		"last-partition-id": 1999, "sort-orders": []any{map[string]any{"order-id": 0, "fields": []any{}}}, "default-sort-order-id": 0,
		"properties": properties, "snapshots": []any{}, "refs": map[string]any{}, "next-row-id": 0,
	})
	s.tables[ns][name] = metadata
	answer(w, 200, s.loaded(ns, name))
}

func (s *Server) serveTable(w http.ResponseWriter, r *http.Request, ns, name string, body map[string]json.RawMessage) {
	if s.tables[ns][name] == nil {
		fail(w, 404, "NoSuchTableException", "Table does not exist: %s.%s", ns, name)
		return
	}
	switch {
	case strings.HasSuffix(r.URL.Path, "/credentials"):
		fail(w, 404, "NotFoundException", "no such endpoint")
	case r.Method == http.MethodGet:
		answer(w, 200, s.loaded(ns, name))
	case r.Method == http.MethodDelete:
		delete(s.tables[ns], name)
		answer(w, 204, nil)
	default:
		s.commit(w, ns, name, body)
	}
}

// commit checks the requirements and makes the updates of an append.
func (s *Server) commit(w http.ResponseWriter, ns, name string, body map[string]json.RawMessage) {
	var in struct {
		Requirements []struct {
			Type     string
			UUID     string
			Ref      string
			Snapshot *int64 `json:"snapshot-id"`
		}
		Updates []struct {
			Action   string
			Snapshot json.RawMessage
			ID       int64  `json:"snapshot-id"`
			Ref      string `json:"ref-name"`
		}
	}
	raw, _ := json.Marshal(body)
	var m struct {
		UUID    string `json:"table-uuid"`
		Current *int64 `json:"current-snapshot-id"`
	}
	if err := json.Unmarshal(raw, &in); err != nil {
		fail(w, 400, "BadRequestException", "%v", err)
		return
	}
	_ = json.Unmarshal(s.tables[ns][name], &m)
	for _, q := range in.Requirements {
		same := q.Snapshot == nil && m.Current == nil || q.Snapshot != nil && m.Current != nil && *q.Snapshot == *m.Current
		if q.Type == "assert-table-uuid" && q.UUID != m.UUID || q.Type == "assert-ref-snapshot-id" && !same {
			fail(w, 409, "CommitFailedException", "Requirement failed: %s", q.Type)
			return
		}
	}
	var all map[string]json.RawMessage
	_ = json.Unmarshal(s.tables[ns][name], &all)
	set := func(key string, v any) { all[key], _ = json.Marshal(v) }
	for _, u := range in.Updates {
		switch u.Action {
		case "add-snapshot":
			var list []json.RawMessage
			_ = json.Unmarshal(all["snapshots"], &list)
			var snapshot map[string]any
			d := json.NewDecoder(strings.NewReader(string(u.Snapshot)))
			d.UseNumber()
			_ = d.Decode(&snapshot)
			set("snapshots", append(list, u.Snapshot))
			set("last-sequence-number", snapshot["sequence-number"])
		case "set-snapshot-ref":
			set("current-snapshot-id", u.ID)
			set("refs", map[string]any{u.Ref: map[string]any{"type": "branch", "snapshot-id": u.ID}})
		default:
			fail(w, 400, "BadRequestException", "unknown update %s", u.Action)
			return
		}
	}
	s.tables[ns][name], _ = json.Marshal(all)
	if s.After != nil && s.After(w) {
		return
	}
	answer(w, 200, s.loaded(ns, name))
}
