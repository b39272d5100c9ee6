// Package lakeport_test guards the house: which package may import which.
package lakeport_test

import (
	"encoding/json"
	"errors"
	"io"
	"os/exec"
	"strings"
	"testing"
)

// layers is ARCHITECTURE.md's table, lowest first. A package imports only
// layers below its own, never a neighbour.
var layers = [][]string{
	{"sqlerr", "secret", "syntax", "dialect", "lake", "metastore", "iam", "wire", "parquet"},
	{"awsauth", "sigv4", "blob", "delimited", "engine", "orc", "avro", "parts", "wire/mysql", "wire/pg"},
	{"metastore/glue", "metastore/hms", "metastore/hmstest", "metastore/icerest", "metastore/iceresttest", "metastore/metastoretest", "format/hive", "format/iceberg", "scan", "format/delta", "format/hudi"},
	{"catalog", "account"},
	{"job", "transfer", "doctor", "pipe"},
	{"session"},
	{"demo"},
}

// exempt are the imports between neighbours that are part of the design.
func exempt(from, to string) bool {
	return to == "sqlerr" || level(from) == 0 && to == "lake" || from == "dialect" && to == "syntax"
}

// sdk lists the packages that may speak to AWS, duckdb the one that may know
// the engine's bindings.
var (
	sdk    = []string{"internal/awsauth", "internal/blob", "internal/metastore/glue", "internal/metastore/icerest", "internal/metastore/metastoretest", "internal/doctor", "internal/demo", "cmd/lakeport", "internal/e2e"}
	duckdb = []string{"internal/engine"}
)

type pkg struct {
	ImportPath string
	Imports    []string
}

func level(name string) int {
	for i, names := range layers {
		for _, n := range names {
			if n == name {
				return i
			}
		}
	}
	return -1
}

func TestPackagesImportOnlyLayersBelow(t *testing.T) {
	out, err := exec.Command("go", "list", "-json=ImportPath,Imports", "./...").Output()
	if err != nil {
		t.Fatal(err)
	}
	dec := json.NewDecoder(strings.NewReader(string(out)))
	for {
		var p pkg
		if err := dec.Decode(&p); errors.Is(err, io.EOF) {
			break
		} else if err != nil {
			t.Fatal(err)
		}
		for _, to := range p.Imports {
			if why := wrong(strings.TrimPrefix(p.ImportPath, "lakeport/"), to); why != "" {
				t.Errorf("%s imports %s: %s", p.ImportPath, to, why)
			}
		}
	}
}

func wrong(from, to string) string {
	switch {
	case strings.HasPrefix(to, "github.com/aws/") && !contains(sdk, from):
		return "the AWS SDK belongs in " + strings.Join(sdk, ", ")
	case strings.HasPrefix(to, "github.com/duckdb/") && !contains(duckdb, from):
		return "DuckDB's bindings belong in " + strings.Join(duckdb, ", ")
	}
	to, ours := strings.CutPrefix(to, "lakeport/internal/")
	if !ours {
		return ""
	}
	from, internal := strings.CutPrefix(from, "internal/")
	if !internal { // cmd wires everything together
		return ""
	}
	sandbox := func(p string) bool { return p == "sandbox" || strings.HasPrefix(p, "sandbox/") }
	switch {
	case from == "e2e":
		return ""
	case sandbox(from):
		if sandbox(to) || level(to) == 0 || to == "sigv4" || strings.HasPrefix(to, "wire/") {
			return ""
		}
		return "the sandbox stands beside the product and may use only its words, sigv4 and wire"
	case sandbox(to):
		return "no product package knows the sandbox; only cmd and e2e do"
	case level(from) < 0:
		return from + " is in no layer: give it one in layers_test.go and ARCHITECTURE.md"
	case level(to) < 0:
		return to + " is in no layer: give it one in layers_test.go and ARCHITECTURE.md"
	case level(to) >= level(from) && !exempt(from, to):
		return "a package imports only layers below its own"
	}
	return ""
}

func contains(list []string, s string) bool {
	for _, l := range list {
		if l == s {
			return true
		}
	}
	return false
}
