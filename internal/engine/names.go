package engine

import (
	"slices"
	"strings"

	"lakeport/internal/lake"
)

// Edit replaces Length bytes at Offset by Text.
type Edit struct {
	Offset, Length int
	Text           string
}

// Splice applies edits that do not overlap, given in any order; the same edit
// given twice counts once.
func Splice(query string, edits []Edit) string {
	edits = slices.SortedFunc(slices.Values(edits), func(a, b Edit) int { return a.Offset - b.Offset })
	edits = slices.Compact(edits)
	var b strings.Builder
	done := 0
	for _, e := range edits {
		b.WriteString(query[done:e.Offset])
		b.WriteString(e.Text)
		done = e.Offset + e.Length
	}
	b.WriteString(query[done:])
	return b.String()
}

// Unsplice maps an offset in Splice's result back to the query; what lies in a
// replacement is where it begins.
func Unsplice(edits []Edit, offset int) int {
	edits = slices.SortedFunc(slices.Values(edits), func(a, b Edit) int { return a.Offset - b.Offset })
	shift := 0 // from the query to the result, before the edit at hand
	for _, e := range slices.Compact(edits) {
		start := e.Offset + shift
		if offset < start {
			break
		}
		if offset < start+len(e.Text) {
			return e.Offset
		}
		shift += len(e.Text) - e.Length
	}
	return offset - shift
}

// Spliced tells whether an offset in Splice's result lies in what an edit has
// put there.
func Spliced(edits []Edit, offset int) bool {
	at := Unsplice(edits, offset)
	return slices.ContainsFunc(edits, func(e Edit) bool { return e.Offset == at && e.Text != "" })
}

// Replace gives the edits that put subquery, a SELECT without parentheses, in
// the place of name r. The subquery keeps the name's last part as its alias,
// and columns qualified by the whole name lose the rest of it.
func (t *Tree) Replace(r NameRef, subquery string) []Edit {
	alias := ""
	if r.Alias == "" {
		alias = " AS " + lake.QuoteName(r.Table)
	}
	e := Edit{r.Offset, r.Length, "(" + subquery + ")" + alias}
	switch start, word := wordBefore(t.Text, r.Offset); word {
	case "table":
		e = Edit{start, r.Offset + r.Length - start, "FROM " + e.Text}
	case "describe", "desc", "summarize", "show":
		e.Text = " FROM " + e.Text // no blank need stand before a quoted name
	}
	edits := []Edit{e}
	if r.Unit != "" {
		edits = append(edits, Edit{r.atOffset, r.atLength, ""})
	}
	if prefix := r.Parts(); len(prefix) > 1 && r.Alias == "" {
		for _, c := range t.Columns {
			edits = append(edits, t.shorten(c, prefix)...)
		}
	}
	return edits
}

// shorten cuts catalog and schema off a column that is qualified by name, or
// by its last two parts.
func (t *Tree) shorten(c ColumnRef, name []string) []Edit {
	for ; len(name) > 1; name = name[1:] {
		if qualifies(name, c.Parts) {
			break
		}
	}
	if len(name) < 2 || c.Offset < 0 {
		return nil
	}
	at := c.Offset
	for range len(name) - 1 {
		end, ok := scanPart(t.Text, at, nil)
		if !ok {
			return nil
		}
		end = skipBlank(t.Text, end)
		if end >= len(t.Text) || t.Text[end] != '.' {
			return nil
		}
		at = skipBlank(t.Text, end+1)
	}
	return []Edit{{c.Offset, at - c.Offset, ""}}
}

// qualifies tells whether a column's parts begin with all of name.
func qualifies(name, column []string) bool {
	if len(column) <= len(name) {
		return false
	}
	for i, p := range name {
		if lower(p) != lower(column[i]) {
			return false
		}
	}
	return true
}

// scanName reads a dotted name at offset and returns its parts without quotes
// and its length in bytes; no parts if no name stands there.
func scanName(text string, offset int) (parts []string, length int) {
	if offset < 0 {
		return nil, 0
	}
	at := offset
	for {
		var part string
		end, ok := scanPart(text, at, &part)
		if !ok {
			return parts, length
		}
		parts, length = append(parts, part), end-offset
		end = skipBlank(text, end)
		if end >= len(text) || text[end] != '.' {
			return parts, length
		}
		at = skipBlank(text, end+1)
	}
}

// scanAt finds AT (UNIT => expression) after a table's name, which ends at
// offset, and its alias. It returns where the clause begins and ends, and the
// expression's text; an end of -1: it does not stand there.
func scanAt(text string, offset int, aliased bool) (start, end int, expr string) {
	var word string
	next := func() bool {
		start = skipBlank(text, offset)
		stop, ok := scanPart(text, start, &word)
		offset = stop
		return ok
	}
	if !next() {
		return 0, -1, ""
	}
	if aliased {
		if lower(word) == "as" && text[start] != '"' && !next() {
			return 0, -1, ""
		}
		if at := skipBlank(text, offset); at < len(text) && text[at] == '(' { // names of columns
			if offset = closing(text, at); offset < 0 {
				return 0, -1, ""
			}
		}
		if !next() {
			return 0, -1, ""
		}
	}
	at := skipBlank(text, offset)
	if lower(word) != "at" || at >= len(text) || text[at] != '(' {
		return 0, -1, ""
	}
	end = closing(text, at)
	from := strings.Index(text[at:], "=>")
	if end < 0 || from < 0 {
		return 0, -1, ""
	}
	return start, end, strings.TrimSpace(text[at+from+len("=>") : end-1])
}

// closing gives the offset after the parenthesis that closes the one at at; -1:
// there is none.
func closing(text string, at int) int {
	for depth := 0; at < len(text); at++ {
		switch c := text[at]; c {
		case '(':
			depth++
		case ')':
			if depth--; depth == 0 {
				return at + 1
			}
		case '\'', '"':
			n := strings.IndexByte(text[at+1:], c)
			if n < 0 {
				return -1
			}
			at += n + 1
		case '-', '/':
			if next := skipBlank(text, at); next > at {
				at = next - 1
			}
		}
	}
	return -1
}

// scanPart reads one identifier at offset, stores it in part if that is not
// nil, and returns where it ends.
func scanPart(text string, offset int, part *string) (end int, ok bool) {
	if offset >= len(text) {
		return offset, false
	}
	if text[offset] != '"' {
		end = offset
		for end < len(text) && isWord(text[end]) {
			end++
		}
		if part != nil {
			*part = text[offset:end]
		}
		return end, end > offset
	}
	for end = offset + 1; end < len(text); end++ {
		if text[end] != '"' {
			continue
		}
		if end+1 < len(text) && text[end+1] == '"' {
			end++
			continue
		}
		if part != nil {
			*part = strings.ReplaceAll(text[offset+1:end], `""`, `"`)
		}
		return end + 1, true
	}
	return offset, false
}

func isWord(c byte) bool {
	return c == '_' || c == '$' || c >= 0x80 || '0' <= c && c <= '9' || 'a' <= c|0x20 && c|0x20 <= 'z'
}

// skipBlank passes white space and comments.
func skipBlank(text string, at int) int {
	for at < len(text) {
		rest := text[at:]
		switch {
		case strings.IndexByte(" \t\r\n\f\v", rest[0]) >= 0:
			at++
		case strings.HasPrefix(rest, "--"):
			if i := strings.IndexByte(rest, '\n'); i >= 0 {
				at += i + 1
			} else {
				at = len(text)
			}
		case strings.HasPrefix(rest, "/*"):
			at += comment(rest)
		default:
			return at
		}
	}
	return at
}

// comment is the length of the block comment, which may hold others, at the
// start of s.
func comment(s string) int {
	depth := 0
	for i := 0; i+1 < len(s); i++ {
		switch s[i : i+2] {
		case "/*":
			depth++
			i++
		case "*/":
			depth--
			i++
			if depth == 0 {
				return i + 1
			}
		}
	}
	return len(s)
}

// wordBefore is the word, in lower case, that ends right before the blanks
// before offset.
func wordBefore(text string, offset int) (start int, word string) {
	end := len(strings.TrimRight(text[:offset], " \t\r\n"))
	start = end
	for start > 0 && isWord(text[start-1]) {
		start--
	}
	return start, lower(text[start:end])
}
