package dialect

import (
	"regexp"
	"strings"

	"lakeport/internal/sqlerr"
	"lakeport/internal/syntax"
)

// A macro puts its argument into its body at every mention, so that nested
// calls multiply: the engine would bind the innermost argument thousands of
// millions of times before it reads a row, and cannot be interrupted meanwhile.

// maxCopies bounds how often the engine may bind one argument; it takes a few
// seconds for so many.
const maxCopies = 50_000

// mentions tells, for each macro, how often it copies the argument that it
// copies most, the macros in its body included.
var mentions = countMentions()

var (
	overload = regexp.MustCompile(`,\s*\([a-z_A-Z0-9, ]*\) AS `)
	typed    = regexp.MustCompile(`^\([a-z]+ [A-Z]`)
)

var macroHead = regexp.MustCompile(`^\s*CREATE\s+MACRO\s+@([a-z_0-9]+)`)

func countMentions() map[string]int {
	counts := map[string]int{}
	// The file defines a macro before the ones that use it.
	for _, span := range syntax.Split(functionsSQL, syntax.Redshift) {
		text := span.Of(functionsSQL)
		head := macroHead.FindStringSubmatch(text)
		if head == nil {
			continue
		}
		overloads := splitOverloads(text[len(head[0]):])
		most, least := 1, maxCopies
		for _, o := range overloads {
			n := mentionsIn(o, counts)
			most, least = max(most, n), min(least, n)
		}
		if typed.MatchString(overloads[0]) {
			// The argument is bound once to choose the overload by its type and
			// again in the body that is chosen, which is seldom the longest.
			most = 2 * least
		}
		counts[head[1]] = most
	}
	return counts
}

// splitOverloads cuts "(x) AS a, (x, y) AS b".
func splitOverloads(text string) []string {
	var list []string
	from := 0
	for _, at := range overload.FindAllStringIndex(text, -1) {
		list = append(list, text[from:at[0]])
		from = at[0] + 1
	}
	return append(list, text[from:])
}

// mentionsIn counts the parameter that one overload, "(x, y) AS body",
// mentions most, times the copies of the calls around it.
func mentionsIn(overload string, counts map[string]int) int {
	parameters, body, found := strings.Cut(overload, ") AS ")
	if !found {
		return 1
	}
	seen := map[string]int{}
	for p := range strings.SplitSeq(strings.TrimLeft(parameters, "( \n"), ",") {
		if f := strings.Fields(p); len(f) > 0 {
			seen[f[0]] = 0
		}
	}
	walkCalls(strings.ReplaceAll(body, "@", macroMark), counts, func(word string, copies int) {
		if _, is := seen[word]; is {
			seen[word] += copies
		}
	})
	most := 1
	for _, n := range seen {
		most = max(most, n)
	}
	return most
}

// macroMark begins the names of macros where calls are walked.
const macroMark = "lakeport_macro_"

// walkCalls tells every word of text with the copies that the macro calls
// around it make.
func walkCalls(text string, counts map[string]int, word func(name string, copies int)) {
	toks, err := syntax.Scan(text, syntax.Redshift)
	if err != nil {
		return
	}
	around := []int{1}
	for i, t := range toks {
		last := around[len(around)-1]
		switch {
		case t.Is("("):
			copies := 1
			if i > 0 {
				if name, is := strings.CutPrefix(toks[i-1].Text, macroMark); is {
					copies = max(counts[name], 1)
				}
			}
			around = append(around, min(last*copies, maxCopies+1))
		case t.Is(")") && len(around) > 1:
			around = around[:len(around)-1]
		case t.Kind == syntax.Word:
			word(t.Text, last)
		}
	}
}

// checkNesting refuses a rewritten query whose macros would copy an argument
// beyond maxCopies.
func checkNesting(sql string) error {
	if !strings.Contains(sql, MacroCatalog+".main.") {
		return nil
	}
	most := 1
	walkCalls(strings.ReplaceAll(sql, MacroCatalog+".main.", macroMark), mentions, func(_ string, copies int) { most = max(most, copies) })
	if most > maxCopies {
		return sqlerr.New(sqlerr.Unsupported, "function calls are nested too deep in each other: planning would take too long").
			WithHint("compute the inner calls in a subquery, and the outer ones over it")
	}
	return nil
}
