package secret_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// TestWhoReveals holds every caller of Reveal in the module, tests apart, to
// testdata/reveal.txt: one file with its reason per line. Add a line only
// where the text itself must leave lakeport or be compared.
func TestWhoReveals(t *testing.T) {
	root := filepath.Join("..", "..")
	text, err := os.ReadFile(filepath.Join("testdata", "reveal.txt"))
	if err != nil {
		t.Fatal(err)
	}
	allowed := map[string]bool{}
	for line := range strings.Lines(string(text)) {
		if line = strings.TrimSpace(line); line == "" || strings.HasPrefix(line, "#") {
			continue
		}
		file, reason, ok := strings.Cut(line, ": ")
		if !ok || reason == "" {
			t.Errorf("testdata/reveal.txt: %q gives no reason", line)
		}
		allowed[file] = true
	}
	callers := revealers(t, root)
	if len(callers) == 0 {
		t.Fatal("no caller of Reveal was found: the search is broken")
	}
	for _, file := range callers {
		if !allowed[file] {
			t.Errorf("%s calls Reveal; pass the secret on instead, or add the file with its reason to internal/secret/testdata/reveal.txt", file)
		}
	}
	for file := range allowed {
		if !slices.Contains(callers, file) {
			t.Errorf("testdata/reveal.txt: %s does not call Reveal; remove the line", file)
		}
	}
}

// revealers lists the files with a mention of Reveal as a method: a call, or a
// method value that something else may call.
func revealers(t *testing.T, root string) (files []string) {
	err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case d.IsDir() && path != root && (strings.HasPrefix(d.Name(), ".") || d.Name() == "testdata"):
			return filepath.SkipDir
		case d.IsDir() || !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go"):
			return nil
		}
		f, err := parser.ParseFile(token.NewFileSet(), path, nil, parser.SkipObjectResolution)
		if err != nil {
			return err
		}
		ast.Inspect(f, func(n ast.Node) bool {
			if sel, ok := n.(*ast.SelectorExpr); ok && sel.Sel.Name == "Reveal" {
				rel, _ := filepath.Rel(root, path)
				files = append(files, filepath.ToSlash(rel))
			}
			return true
		})
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	slices.Sort(files)
	return slices.Compact(files)
}
