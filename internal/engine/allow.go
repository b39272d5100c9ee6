package engine

import (
	_ "embed"
	"slices"
	"strings"

	"lakeport/internal/sqlerr"
)

//go:embed functions.txt
var functionsText string

// lists is functions.txt: what clients' SQL may call and name.
var lists = readLists(functionsText)

type allowList struct {
	scalar  map[string]bool   // allowed
	table   map[string]bool   // allowed in FROM
	refused map[string]string // the reason
	views   map[string]bool   // DuckDB's own
}

// readLists reads headings, which end in a colon, and the words below them.
func readLists(text string) allowList {
	l := allowList{map[string]bool{}, map[string]bool{}, map[string]string{gateFunction: "it is internal to the engine"}, map[string]bool{}}
	heading := ""
	for line := range strings.Lines(text) {
		line = strings.TrimSpace(line)
		switch {
		case strings.HasPrefix(line, "#"):
		case strings.HasSuffix(line, ":") && !strings.HasPrefix(line, "!"):
			heading = strings.TrimSuffix(line, ":")
		default:
			for _, name := range strings.Fields(line) {
				l.add(heading, name)
			}
		}
	}
	return l
}

func (l allowList) add(heading, name string) {
	switch heading {
	case "allowed":
		l.scalar[name] = true
	case "allowed in FROM":
		l.table[name] = true
	case "system views":
		l.views[name] = true
	default:
		l.refused[name] = strings.TrimPrefix(heading, "refused, ")
	}
}

// Check tells whether a client may run the query: its clauses and expressions
// are known kinds, its functions are on the allow-list, and no name is a file
// or belongs to DuckDB itself. It checks the client's own text, before names
// are replaced. Which tables a client may read is the caller's to decide by
// Names; a name that Check passes and the caller does not replace is looked up
// by DuckDB.
//
// A function that DuckDB does not have passes: it is one of lakeport's macros
// or DuckDB's own error. A table function must be on the list.
//
// own tells names that look like DuckDB's own but that the caller replaces:
// those of its own pg_catalog.
func (t *Tree) Check(own ...func(NameRef) bool) error {
	if len(t.refused) > 0 {
		return t.refused[0]
	}
	for _, f := range t.Functions {
		if reason, no := lists.refused[f.Name]; no {
			return t.deny(f.Offset, "function %s is not allowed: %s", f.Name, reason)
		}
	}
	for _, f := range t.TableFunctions {
		if !lists.table[f.Name] {
			return t.deny(f.Offset, "function %s is not allowed in FROM", f.Name).
				WithHint("allowed are %s", "range, generate_series, unnest, json_each, json_tree and repeat")
		}
	}
	for _, r := range t.Names {
		if slices.ContainsFunc(own, func(is func(NameRef) bool) bool { return !r.quoted && r.Offset >= 0 && is(r) }) {
			continue
		}
		if err := t.checkName(r); err != nil {
			return err
		}
	}
	return nil
}

func (t *Tree) deny(offset int, format string, args ...any) *sqlerr.Error {
	e := sqlerr.New(sqlerr.Denied, format, args...)
	if offset >= 0 {
		e.WithPos(t.Text, offset)
	}
	return e
}

func (t *Tree) checkName(r NameRef) error {
	whole := strings.Join(r.Parts(), ".")
	if r.quoted || r.Offset < 0 {
		return t.deny(r.Offset, "a table must be named, not given as a string: %s", whole)
	}
	for _, part := range r.Parts() {
		if isFile(part) {
			return t.deny(r.Offset, "a file cannot be read by its path: %s", part)
		}
	}
	switch lower(r.Catalog) {
	case "system", "temp", "memory":
		return t.deny(r.Offset, "catalog %s belongs to the engine", r.Catalog)
	}
	switch schema := lower(r.Schema); {
	case schema == "pg_catalog", r.Catalog == "" && (schema == "system" || schema == "temp" || schema == "memory"):
		return t.deny(r.Offset, "schema %s belongs to the engine", r.Schema)
	case (schema == "" || schema == "main") && lists.views[lower(r.Table)]:
		return t.deny(r.Offset, "table %s belongs to the engine", r.Table)
	}
	return nil
}

// fileSuffixes are those by which DuckDB takes an unknown table for a file,
// with and without a compression's suffix behind them.
var fileSuffixes = []string{".parquet", ".csv", ".tsv", ".json", ".jsonl", ".ndjson", ".db", ".duckdb", ".ddb", ".txt", ".arrow", ".xlsx", ".avro"}

// isFile tells whether one part of a name reads as a path. The suffix alone, as
// in db.parquet, is an ordinary name: every directory that SQL may read is
// absolute, and so needs a slash.
func isFile(part string) bool {
	if strings.ContainsAny(part, "/\\*?[") {
		return true
	}
	name := lower(part)
	for _, suffix := range []string{".gz", ".zst", ".gzip", ".zstd"} {
		name = strings.TrimSuffix(name, suffix)
	}
	for _, suffix := range fileSuffixes {
		if strings.HasSuffix(name, suffix) {
			return true
		}
	}
	return false
}
