package catalog

import (
	"strings"
	"testing"

	"lakeport/internal/sqlerr"
	"lakeport/internal/syntax"
)

// defined reads a CREATE EXTERNAL CATALOG as the session does.
func defined(t testing.TB, text string) Definition {
	t.Helper()
	st, err := syntax.Parse(text)
	if err != nil {
		t.Fatalf("%s: %v", text, err)
	}
	create := st.(*syntax.CreateCatalog)
	d := Definition{Name: create.Name.Name}
	for _, p := range create.Properties {
		d.Properties = append(d.Properties, Property{p.Key.Value, p.Value.Value, int(p.Key.Pos), int(p.Value.Pos)})
	}
	return d
}

// Each fault of a definition is told with its place, all in one error.
func TestFaultsOfADefinitionAreToldTogether(t *testing.T) {
	for _, c := range []struct {
		name, properties string
		want             []string // parts of the error, in order; none: it is right
	}{
		{"c", `"type" = "hive", "hive.metastore.type" = "glue", "aws.s3.use_instance_profile" = "true", "aws.glue.use_instance_profile" = "true"`, nil},
		{"c", `"hive.metastore.type" = "glue"`, []string{"'type' can not be null or empty"}},
		{"c", `"type" = "hvie"`, []string{"1:50: [type : hvie] is not supported"}},
		{"c", `"type" = "jdbc"`, []string{`1:50: catalogs of type "jdbc" are not built yet`}},
		{"1c", `"type" = "hive"`, []string{`the name "1c" must start with a letter`}},
		{"c", `"type" = "hive", "type" = "hive"`, []string{`1:58: property "type" is given twice`}},
		{"c", `"type" = "hive", "hive.metastore.type" = "glue", "aws.s3.use_instance_profile" = "true", "aws.glue.use_instance_profile" = "true", "aws.s3.reigon" = "x", "nosuch.key.at.all" = "y"`,
			[]string{`unknown property "aws.s3.reigon": did you mean "aws.s3.region"?`, `unknown property "nosuch.key.at.all"`}},
		{"c", `"type" = "hive", "hive.metastore.type" = "glue", "aws.glue.use_instance_profile" = "true", "aws.s3.use_instance_profile" = "false", "aws.s3.access_key" = "AKIAEXAMPLE"`,
			[]string{"aws.s3."}},
	} {
		text := "CREATE EXTERNAL CATALOG `" + c.name + "` PROPERTIES (" + c.properties + ")"
		_, err := check(defined(t, text), text)
		if len(c.want) == 0 {
			if err != nil {
				t.Errorf("%s: %v", c.properties, err)
			}
			continue
		}
		if err == nil {
			t.Errorf("%s: no fault is found", c.properties)
			continue
		}
		rest := sqlerr.From(err).Error()
		for _, part := range c.want {
			_, after, found := strings.Cut(rest, part)
			if !found {
				t.Errorf("%s\ngot %v\nwant %q in it", c.properties, err, part)
			}
			rest = after
		}
	}
}

func TestWhatHasNoEffectIsWarnedOf(t *testing.T) {
	text := `CREATE EXTERNAL CATALOG c PROPERTIES ("type" = "hive", "hive.metastore.type" = "glue", "enable_remote_file_cache" = "true", ` +
		`"aws.s3.use_instance_profile" = "true", "aws.glue.use_instance_profile" = "true")`
	s, err := check(defined(t, text), text)
	if err != nil || len(s.warnings) != 1 || !strings.Contains(s.warnings[0], `"enable_remote_file_cache" has no effect here`) {
		t.Errorf("got %q, %v", s.warnings, err)
	}
}

func TestADefinitionPrintsNoSecret(t *testing.T) {
	d := defined(t, `CREATE EXTERNAL CATALOG c PROPERTIES ("type" = "hive", "aws.s3.access_key" = "AKIAEXAMPLE", "aws.s3.secret_key" = "geheim", "aws.s3.region" = "a\"b")`)
	got := d.Statement()
	if strings.Contains(got, "geheim") || strings.Contains(got, "AKIAEXAMPLE") || strings.Count(got, "******") != 2 {
		t.Errorf("got %s", got)
	}
	if again := defined(t, got); again.Name != "c" || len(again.Properties) != 4 {
		t.Errorf("what it prints reads as %v", again)
	}
}
