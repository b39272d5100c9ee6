// Package catalog keeps the external catalogs: their definitions, checked and
// sealed, and the open catalogs that answer with databases and tables as the
// identity that the definition names.
package catalog

import (
	"cmp"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"sort"
	"strings"

	"lakeport/internal/awsauth"
	"lakeport/internal/metastore/glue"
	"lakeport/internal/metastore/hms"
	"lakeport/internal/secret"
	"lakeport/internal/sqlerr"
	"lakeport/internal/syntax"
)

// Internal is the name of the one catalog that lakeport stores itself.
const Internal = "default_catalog"

// Property is one "key" = "value" of a statement, with the offsets of both in
// the statement's text; -1 where there is no text.
type Property struct {
	Key, Value       string
	KeyPos, ValuePos int
}

// Definition is what CREATE EXTERNAL CATALOG says.
type Definition struct {
	Name       string
	Type       string // "hive", "iceberg", "deltalake" or "hudi"
	Comment    string
	Properties []Property
}

// spec is a checked definition.
type spec struct {
	kind      string // the type in lower case
	s3        awsauth.Spec
	glue      *glueStore   // the metastore, if it is Glue
	hms       *hms.Options // the metastore, if it is Hive's
	rest      *restStore   // the Iceberg REST catalog, if it is one
	cache     cacheOptions
	recursive bool
	warehouse string // Iceberg: where databases without a location stand
	warnings  []string
}

type glueStore struct {
	auth awsauth.Spec
	glue.Options
}

// Catalog types that StarRocks has; the value tells whether lakeport opens it.
var types = map[string]bool{
	"hive": true, "iceberg": true, "hudi": true, "deltalake": true, "unified": false, "jdbc": false, "es": false,
	"elasticsearch": false, "paimon": false, "odps": false, "kudu": false,
}

// Keys of Hive, Hudi and Delta Lake catalogs beside aws.s3.* and aws.glue.*;
// the value tells whether they change anything here.
var hiveKeys = map[string]bool{
	"type": true, "hive.metastore.type": true, "hive.metastore.uris": true, "hive.metastore.glue.catalogid": true,
	"aws.glue.catalog_id": true, "aws.glue.resource_share_type": true, "enable_recursive_listing": true,
	"hive.metastore.timeout": true, "enable_metastore_cache": true, "metastore_cache_refresh_interval_sec": true,
	"metastore_cache_ttl_sec": true, "enable_cache_list_names": true,
	"enable_remote_file_cache": false, "remote_file_cache_refresh_interval_sec": false, "remote_file_cache_ttl_sec": false,
	"remote_file_cache_memory_ratio": false, "catalog.access.control": false, "ranger.plugin.hive.service.name": false,
}

// Keys of Delta Lake catalogs alone: none changes anything here.
var deltaKeys = []string{
	"enable_deltalake_table_cache", "enable_deltalake_json_meta_cache", "deltalake_json_meta_cache_ttl_sec",
	"deltalake_json_meta_cache_memory_usage_ratio", "enable_deltalake_checkpoint_meta_cache",
	"deltalake_checkpoint_meta_cache_ttl_sec", "deltalake_checkpoint_meta_cache_memory_usage_ratio",
}

var nameShape = regexp.MustCompile(`^[A-Za-z][A-Za-z0-9_]*$`)

// check reads the definition and reports all its faults in one error. text is
// the statement, for positions.
func check(d Definition, text string) (spec, error) {
	c := checker{text: text, props: map[string]string{}, at: map[string]Property{}}
	if !nameShape.MatchString(d.Name) || len(d.Name) > 1023 {
		c.fault(-1, "the name %q must start with a letter and hold only letters, digits and underscores", d.Name)
	}
	c.take(d.Properties)
	if err := c.kind(); err != nil {
		return spec{}, cmp.Or(c.err(), err)
	}
	if strings.EqualFold(c.props["type"], "iceberg") {
		return c.iceberg()
	}
	s := c.hive()
	return s, c.err()
}

type checker struct {
	text   string
	props  map[string]string
	at     map[string]Property
	faults []fault
}

type fault struct {
	pos int
	msg string
}

// take reads the properties, each of which may be given once.
func (c *checker) take(props []Property) {
	for _, p := range props {
		if _, twice := c.at[p.Key]; twice {
			c.fault(p.KeyPos, "property %q is given twice", p.Key)
		}
		c.props[p.Key], c.at[p.Key] = p.Value, p
	}
}

func (c *checker) fault(pos int, format string, args ...any) {
	c.faults = append(c.faults, fault{pos, fmt.Sprintf(format, args...)})
}

// err joins all faults, in the order of the text; the first gives the position.
func (c *checker) err() error {
	if len(c.faults) == 0 {
		return nil
	}
	sort.SliceStable(c.faults, func(i, j int) bool { return c.faults[i].pos < c.faults[j].pos })
	lines := make([]string, len(c.faults))
	for i, f := range c.faults {
		lines[i] = f.msg
		if i > 0 && f.pos >= 0 {
			at := sqlerr.At(c.text, f.pos)
			lines[i] = fmt.Sprintf("%d:%d: %s", at.Line, at.Column, f.msg)
		}
	}
	e := sqlerr.New(sqlerr.Invalid, "%s", strings.Join(lines, "\n"))
	if c.faults[0].pos >= 0 {
		e.WithPos(c.text, c.faults[0].pos)
	}
	return e
}

func (c *checker) kind() error {
	kind := c.props["type"]
	built, known := types[strings.ToLower(kind)]
	switch {
	case kind == "":
		return sqlerr.New(sqlerr.Invalid, "'type' can not be null or empty").WithHint(`add "type" = "hive" to PROPERTIES`)
	case !known:
		return sqlerr.New(sqlerr.Invalid, "[type : %s] is not supported", kind).WithPos(c.text, c.at["type"].ValuePos)
	case !built:
		return sqlerr.New(sqlerr.Unsupported, "catalogs of type %q are not built yet", kind).
			WithPos(c.text, c.at["type"].ValuePos).WithHint(`catalogs of type "hive", "iceberg", "hudi" and "deltalake" are`)
	}
	switch store := strings.ToLower(c.props["hive.metastore.type"]); store {
	case "glue", "", "hive":
	default:
		return sqlerr.New(sqlerr.Invalid, "[hive.metastore.type : %s] is not supported", store).
			WithPos(c.text, c.at["hive.metastore.type"].ValuePos).WithHint(`write "glue" or "hive"`)
	}
	return nil
}

func (c *checker) hive() spec {
	s := spec{kind: strings.ToLower(c.props["type"])}
	keys := maps.Clone(hiveKeys)
	if s.kind == "deltalake" {
		for _, k := range deltaKeys {
			keys[k] = false
		}
	}
	c.known(&s, keys)
	s.s3 = c.identity("aws.s3", &s)
	c.metastore(&s)
	s.recursive = !strings.EqualFold(c.props["enable_recursive_listing"], "false")
	sort.Strings(s.warnings)
	return s
}

// known refuses keys that are none of aws.s3.*, aws.glue.* and keys, whose
// values tell whether they change anything here.
func (c *checker) known(s *spec, keys map[string]bool) {
	known := append(awsauth.Known("aws.s3"), awsauth.Known("aws.glue")...)
	known = slices.AppendSeq(known, maps.Keys(keys))
	for key, p := range c.at {
		used, plain := keys[key]
		switch {
		case plain && !used:
			s.warnings = append(s.warnings, fmt.Sprintf("property %q has no effect here", key))
		case plain, awsauth.IsKey("aws.s3", key), awsauth.IsKey("aws.glue", key):
		default:
			near := sqlerr.Nearest(key, known)
			if near != "" {
				near = fmt.Sprintf(": did you mean %q?", near)
			}
			c.fault(p.KeyPos, "unknown property %q%s", key, near)
		}
	}
}

func (c *checker) identity(prefix string, s *spec) awsauth.Spec {
	who, faults, warnings := awsauth.FromProperties(prefix, c.props)
	for _, f := range faults {
		pos := c.at[f.Key].KeyPos
		if f.Value {
			pos = c.at[f.Key].ValuePos
		}
		c.fault(pos, "property %q %s", f.Key, f.Msg)
	}
	for _, w := range warnings {
		s.warnings = append(s.warnings, fmt.Sprintf("property %q %s", w.Key, w.Msg))
	}
	return who
}

// Statement spells the definition as SHOW CREATE CATALOG does, secrets masked.
func (d Definition) Statement() string {
	var b strings.Builder
	fmt.Fprintf(&b, "CREATE EXTERNAL CATALOG `%s`\n", d.Name)
	if d.Comment != "" {
		fmt.Fprintf(&b, "comment %q\n", d.Comment)
	}
	b.WriteString("PROPERTIES (")
	props := append([]Property(nil), d.Properties...)
	sort.Slice(props, func(i, j int) bool { return props[i].Key < props[j].Key })
	for i, p := range props {
		if i > 0 {
			b.WriteString(",\n")
		}
		value := p.Value
		if syntax.IsSecret(p.Key) {
			value = secret.Mask
		}
		fmt.Fprintf(&b, `"%s"  =  "%s"`, escape(p.Key), escape(value))
	}
	b.WriteString("\n)")
	return b.String()
}

func escape(s string) string { return strings.NewReplacer(`\`, `\\`, `"`, `\"`).Replace(s) }
