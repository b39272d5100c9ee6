package demo

import (
	"embed"
	"fmt"
	"regexp"
	"strings"

	"golang.org/x/tools/txtar"
)

// pages are the statements and policies that the users' pages print, unchanged,
// one archive for each chapter, and the files that they load.
//
//go:embed pages
var pages embed.FS

// Page gives the printed texts of a chapter by name; names of policies begin
// with "policy".
func Page(chapter string) map[string]string {
	text, err := pages.ReadFile("pages/" + chapter + ".txt")
	if err != nil {
		panic(err) // the binary carries it
	}
	texts := map[string]string{}
	for _, f := range txtar.Parse(text).Files {
		texts[f.Name] = string(f.Data)
	}
	return texts
}

// page is what a chapter has told of its page.
type page struct {
	texts map[string]string
	fill  *strings.Replacer // placeholders
	told  map[string]bool
}

func openPage(chapter string) *page {
	return &page{texts: Page(chapter), fill: strings.NewReplacer(), told: map[string]bool{}}
}

// prompt is what a page shows of a client before what was typed.
var prompt = regexp.MustCompile(`(?m)^(?:StarRocks>| *-> ?)`)

// raw gives a text of the page with its placeholders as printed.
func (p *page) raw(name string) string {
	text, ok := p.texts[name]
	if !ok {
		panic("the page prints no " + name)
	}
	return strings.TrimRight(strings.TrimSpace(prompt.ReplaceAllString(text, "")), ";")
}

// filled gives it with the placeholders filled in, and counts it as told: the
// caller sends it next, and a failure ends the story.
func (p *page) filled(name string) string {
	p.told[name] = true
	return p.fill.Replace(p.raw(name))
}

// Tally counts what a chapter told of the statements and policies of its page.
type Tally struct{ Statements, OfStatements, Policies, OfPolicies int }

func (t Tally) String() string {
	return fmt.Sprintf("%d of %d statements and %d of %d policies", t.Statements, t.OfStatements, t.Policies, t.OfPolicies)
}

// Add gives the sum.
func (t Tally) Add(u Tally) Tally {
	return Tally{t.Statements + u.Statements, t.OfStatements + u.OfStatements, t.Policies + u.Policies, t.OfPolicies + u.OfPolicies}
}

func (p *page) tally() (t Tally) {
	for name := range p.texts {
		one := Tally{OfStatements: 1}
		if strings.HasPrefix(name, "policy") {
			one = Tally{OfPolicies: 1}
		}
		if p.told[name] {
			one.Statements, one.Policies = one.OfStatements, one.OfPolicies
		}
		t = t.Add(one)
	}
	return t
}
