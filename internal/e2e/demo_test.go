package e2e

import (
	"strings"
	"testing"

	"lakeport/internal/demo"
)

// The chapters tell what the conformance suite runs, to the letter.
func TestDemoPrintsWhatThePagesPrint(t *testing.T) {
	for _, c := range conformanceCases(t) {
		chapter, name, _ := strings.Cut(c.name, "-")
		told := demo.Page(chapter)[name]
		if told == "" {
			t.Errorf("chapter %s does not tell %s", chapter, name)
			continue
		}
		found := false
		for section, text := range c.sections {
			found = found || text == told && (section == "statement" || strings.HasSuffix(section, ".json"))
		}
		if !found {
			t.Errorf("chapter %s tells %s otherwise than the page:\n%s", chapter, name, told)
		}
	}
}
