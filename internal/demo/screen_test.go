package demo

import (
	"strings"
	"testing"
)

// What is told fits 100 columns: statements go on at a prompt, wide rows become
// names and values.
func TestScreenKeepsItsWidth(t *testing.T) {
	long := strings.TrimSpace(strings.Repeat("word ", 30))
	for _, c := range []struct {
		name string
		tell func(*screen)
		want string
	}{
		{"a statement", func(s *screen) { s.statement("SELECT 1\n    FROM t") }, "lakeport> SELECT 1\n       ->     FROM t\n"},
		{"a long statement", func(s *screen) { s.statement("  " + long) },
			"lakeport>   " + strings.TrimSpace(strings.Repeat("word ", 17)) + "\n       ->   " + strings.TrimSpace(strings.Repeat("word ", 13)) + "\n"},
		{"a word that is too long", func(s *screen) { s.note("a %s b", strings.Repeat("x", 120)) }, "  a\n  " + strings.Repeat("x", 120) + "\n  b\n"},
		{"rows", func(s *screen) { s.table([]string{"a", "name"}, [][]string{{"1", "né"}}) }, "  +---+------+\n  | a | name |\n  +---+------+\n  | 1 | né   |\n  +---+------+\n"},
		{"wide rows", func(s *screen) { s.table([]string{"a", "b"}, [][]string{{"1", long}}) },
			"  - a: 1, b: " + strings.TrimSpace(strings.Repeat("word ", 17)) + "\n    " + strings.TrimSpace(strings.Repeat("word ", 13)) + "\n"},
		{"a step", func(s *screen) { s.step("%s", long) }, "✓ " + strings.TrimSpace(strings.Repeat("word ", 19)) + "\n  " + strings.TrimSpace(strings.Repeat("word ", 11)) + "\n"},
		{"who signed", func(s *screen) { s.signers([]signed{{"role a/b", "s3:GetObject", 3, 2_500_000}}) }, "  s3:GetObject                  3×  signed by role a/b, 2.5 MB\n"},
	} {
		var b strings.Builder
		c.tell(&screen{out: &b, width: 120, prompt: "lakeport"})
		if b.String() != c.want {
			t.Errorf("%s:\n%swant\n%s", c.name, b.String(), c.want)
		}
	}
}

// A fault is shown in its line, as psql does.
func TestPointer(t *testing.T) {
	for _, c := range []struct {
		text string
		at   int
		want string
	}{
		{"SELECT x", 8, "\nLINE 1: SELECT x\n               ^"},
		{strings.Repeat("é", 50) + "!", 51, "\nLINE 1: …" + strings.Repeat("é", 30) + "!\n" + strings.Repeat(" ", 39) + "^"},
		{"a\nb", 3, ""},
		{"a", 9, ""},
	} {
		if got := pointer([]rune(c.text), c.at); got != c.want {
			t.Errorf("%q at %d:%s\nwant%s", c.text, c.at, got, c.want)
		}
	}
}

func TestPagesAreCounted(t *testing.T) {
	names, err := Chapters("all")
	if err != nil {
		t.Fatal(err)
	}
	var all Tally
	for _, name := range names {
		p := openPage(name)
		for text := range p.texts {
			p.filled(text)
		}
		all = all.Add(p.tally())
		if got := openPage(name).tally(); got.Statements != 0 || got.Policies != 0 {
			t.Errorf("%s counts %v before it is told", name, got)
		}
	}
	if got := all.String(); got != "24 of 24 statements and 7 of 7 policies" {
		t.Errorf("the pages have %s", got)
	}
	if _, err := Chapters("taxis"); err == nil {
		t.Error("there is a chapter taxis")
	}
}
