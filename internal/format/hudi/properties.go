package hudi

import (
	"slices"
	"strings"

	"lakeport/internal/sqlerr"
)

// properties is .hoodie/hoodie.properties.
type properties map[string]string

// parseProperties reads Java's form of properties as far as Hudi writes it
// (java.util.Properties, "load"): comments, escapes, continued lines.
func parseProperties(text string) properties {
	p := properties{}
	lines := strings.Split(strings.ReplaceAll(text, "\r\n", "\n"), "\n")
	for i := 0; i < len(lines); i++ {
		line := strings.TrimLeft(lines[i], " \t\f")
		for continued(line) && i+1 < len(lines) {
			i++
			line = line[:len(line)-1] + strings.TrimLeft(lines[i], " \t\f")
		}
		if line == "" || line[0] == '#' || line[0] == '!' {
			continue
		}
		end := 0
		for end < len(line) && !strings.ContainsRune("=: \t\f", rune(line[end])) {
			if line[end] == '\\' {
				end++
			}
			end++
		}
		end = min(end, len(line))
		value := strings.TrimLeft(line[end:], " \t\f")
		if value != "" && (value[0] == '=' || value[0] == ':') {
			value = strings.TrimLeft(value[1:], " \t\f")
		}
		p[unescape(line[:end])] = unescape(value)
	}
	return p
}

// continued tells whether a line ends in an odd number of backslashes.
func continued(line string) bool {
	return (len(line)-len(strings.TrimRight(line, `\`)))%2 == 1
}

// unescape takes backslashes off.
func unescape(s string) string {
	if !strings.Contains(s, `\`) {
		return s
	}
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		if s[i] != '\\' || i+1 == len(s) {
			b.WriteByte(s[i])
			continue
		}
		i++
		switch s[i] {
		case 't':
			b.WriteByte('\t')
		case 'n':
			b.WriteByte('\n')
		case 'r':
			b.WriteByte('\r')
		case 'f':
			b.WriteByte('\f')
		case 'u':
			n := 0
			digits := s[i+1 : min(i+5, len(s))]
			for _, c := range []byte(digits) {
				n = n<<4 | max(strings.IndexByte("0123456789abcdef", c|0x20), 0)
			}
			b.WriteRune(rune(n))
			i += len(digits)
		default:
			b.WriteByte(s[i])
		}
	}
	return b.String()
}

func (p properties) is(key, value string) bool { return strings.EqualFold(p[key], value) }

// list is a property of names with commas between.
func (p properties) list(key string) []string {
	var names []string
	for _, n := range strings.Split(p[key], ",") {
		// Custom key generators add ":type" to a name.
		if n, _, _ = strings.Cut(strings.TrimSpace(n), ":"); n != "" {
			names = append(names, n)
		}
	}
	return names
}

// layouts gives the layout of the timeline that each table version that is
// built has: 5 (Hudi 0.12) and 6 (0.14) have their instants in .hoodie, 8 (1.0)
// and 9 (1.1) in a directory of their own.
var layouts = map[string]int{"5": 1, "6": 1, "8": 2, "9": 2}

// gate refuses tables that need more of a reader than is built, and gives the
// layout of the timeline.
func (p properties) gate(name string) (layout int, err error) {
	refuse := func(what string, args ...any) error {
		return sqlerr.New(sqlerr.Unsupported, "Hudi table "+strings.ReplaceAll(name, "%", "%%")+" "+what, args...)
	}
	version := p["hoodie.table.version"]
	layout, ok := layouts[version]
	told := map[string]int{"": layout, "1": 1, "2": 2}[p["hoodie.timeline.layout.version"]]
	switch {
	case !ok:
		return 0, refuse("has version %q; versions 5, 6, 8 and 9 are read", version)
	case told != layout:
		return 0, refuse("of version %s has layout %q of the timeline, not %d", version, p["hoodie.timeline.layout.version"], layout)
	case !p.is("hoodie.table.type", "COPY_ON_WRITE") && !p.is("hoodie.table.type", "MERGE_ON_READ"):
		return 0, refuse("has the type %q; COPY_ON_WRITE and MERGE_ON_READ are read", p["hoodie.table.type"])
	case p["hoodie.table.format"] != "" && !p.is("hoodie.table.format", "native"):
		return 0, refuse("has its timeline in the format %q (hoodie.table.format); native is read", p["hoodie.table.format"])
	case p["hoodie.table.base.file.format"] != "" && !p.is("hoodie.table.base.file.format", "PARQUET"):
		return 0, refuse("has base files of format %q; PARQUET is read", p["hoodie.table.base.file.format"])
	case p.is("hoodie.table.multiple.base.file.formats.enable", "true"):
		return 0, refuse("has base files of several formats (hoodie.table.multiple.base.file.formats.enable); PARQUET is read")
	case p["hoodie.bootstrap.base.path"] != "":
		return 0, refuse("was bootstrapped (hoodie.bootstrap.base.path), which is not built")
	}
	return layout, nil
}

// generator is how partition paths are made of columns: SIMPLE, COMPLEX and
// NON_PARTITION say them plainly.
func (p properties) generator() string {
	if kind := strings.ToUpper(p["hoodie.table.keygenerator.type"]); kind != "" {
		return strings.TrimSuffix(kind, "_AVRO")
	}
	class := p["hoodie.table.keygenerator.class"]
	class = strings.TrimSuffix(class[strings.LastIndexByte(class, '.')+1:], "KeyGenerator")
	return strings.ToUpper(strings.TrimSuffix(class, "Avro"))
}

// plainPaths tells whether a partition's path is its values as they are.
func (p properties) plainPaths() bool {
	return slices.Contains([]string{"SIMPLE", "COMPLEX"}, p.generator()) &&
		!p.is("hoodie.datasource.write.slash.separated.date.partitioning", "true")
}
