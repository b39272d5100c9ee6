package delta

import (
	"slices"
	"sort"
	"strings"

	"lakeport/internal/sqlerr"
)

// features are the reader features that are built (Delta transaction log
// protocol, "Valid Feature Names in Table Features"). A column of type variant
// is refused when it is read; the features that allow it change nothing else.
var features = []string{
	"columnMapping", "deletionVectors", "timestampNtz", "timestampWithoutTimezone", "v2Checkpoint", "vacuumProtocolCheck",
	"typeWidening", "typeWidening-preview",
	"variantType", "variantType-preview", "variantShredding", "variantShredding-preview",
}

// maxReader is the highest reader version there is: its features are listed.
const maxReader = 3

// gate refuses tables that need more of a reader than is built.
func (t *table) gate(p *protocol) error {
	if p.MinReaderVersion < 1 || p.MinReaderVersion > maxReader {
		return sqlerr.New(sqlerr.Unsupported, "table %s asks for readers of version %d of the Delta protocol; versions 1 to %d are built", t.name, p.MinReaderVersion, maxReader)
	}
	var unknown []string
	if p.MinReaderVersion == maxReader {
		for _, f := range p.ReaderFeatures {
			if !slices.Contains(features, f) {
				unknown = append(unknown, f)
			}
		}
	}
	if len(unknown) > 0 {
		sort.Strings(unknown)
		return sqlerr.New(sqlerr.Unsupported, "table %s needs the Delta reader feature %s, which is not built", t.name, strings.Join(unknown, ", ")).
			WithHint("built are %s", strings.Join(features, ", "))
	}
	return nil
}

// has tells whether the protocol allows a feature: version 2 brought column
// mapping, version 3 lists all.
func (p *protocol) has(feature string) bool {
	return p.MinReaderVersion == 2 && feature == "columnMapping" ||
		p.MinReaderVersion == maxReader && slices.Contains(p.ReaderFeatures, feature)
}

// mapping is how columns are found in files: "none", "name" or "id". Where the
// protocol does not allow it the property means nothing.
func (t *table) mapping(p *protocol, m *metaData) (string, error) {
	mode := m.Configuration["delta.columnMapping.mode"]
	if mode == "" || !p.has("columnMapping") {
		return "none", nil
	}
	if !slices.Contains([]string{"none", "name", "id"}, mode) {
		return "", sqlerr.New(sqlerr.Unsupported, "table %s has delta.columnMapping.mode %q; none, name and id are built", t.name, mode)
	}
	return mode, nil
}
