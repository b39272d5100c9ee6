package e2e

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/glue"
	gluetypes "github.com/aws/aws-sdk-go-v2/service/glue/types"

	"lakeport/internal/lake"
)

// fixtures is where files of other writers are; its README tells whose.
const fixtures = "../../../shared/fixtures/parquet"

// fixtureFiles gives the Parquet files below a folder of the fixtures.
func fixtureFiles(t *testing.T, folder string) (root string, names []string) {
	t.Helper()
	root, err := filepath.Abs(filepath.Join(fixtures, folder))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(root); os.IsNotExist(err) {
		t.Skipf("no fixtures: %s is absent", root)
	}
	err = fs.WalkDir(os.DirFS(root), ".", func(name string, d fs.DirEntry, err error) error {
		if strings.HasSuffix(name, ".parquet") || strings.HasSuffix(name, ".parquet.encrypted") {
			names = append(names, name)
		}
		return err
	})
	if err != nil || len(names) == 0 {
		t.Fatalf("no Parquet files below %s: %v", root, err)
	}
	return root, names
}

// hiveTypes spells types as Hive does; what is missing Hive cannot say.
var hiveTypes = map[string]string{
	"BOOLEAN": "boolean", "TINYINT": "tinyint", "SMALLINT": "smallint", "INTEGER": "int", "BIGINT": "bigint",
	"UTINYINT": "smallint", "USMALLINT": "int", "UINTEGER": "bigint", "UBIGINT": "decimal(20,0)",
	"FLOAT": "float", "DOUBLE": "double", "VARCHAR": "string", "BLOB": "binary", "DATE": "date",
	"TIMESTAMP": "timestamp", "TIMESTAMP_NS": "timestamp", "TIMESTAMP WITH TIME ZONE": "timestamp with local time zone",
}

var decimalType = regexp.MustCompile(`^DECIMAL\(\d+,\d+\)$`)

// hiveType spells a type that DESCRIBE printed; empty: Hive has no such type.
func hiveType(typ string) string {
	switch {
	case decimalType.MatchString(typ):
		return strings.ToLower(typ)
	case strings.HasSuffix(typ, "[]"):
		if elem := hiveType(strings.TrimSuffix(typ, "[]")); elem != "" {
			return "array<" + elem + ">"
		}
	case strings.HasPrefix(typ, "MAP("):
		key, value, _ := strings.Cut(strings.TrimSuffix(strings.TrimPrefix(typ, "MAP("), ")"), ", ")
		if k, v := hiveType(key), hiveType(value); k != "" && v != "" {
			return "map<" + k + "," + v + ">"
		}
	case strings.HasPrefix(typ, "STRUCT("):
		return hiveStruct(strings.TrimSuffix(strings.TrimPrefix(typ, "STRUCT("), ")"))
	}
	return hiveTypes[typ]
}

// hiveStruct spells a list of fields, "name TYPE, name TYPE".
func hiveStruct(list string) string {
	var fields []string
	depth, from := 0, 0
	for i := 0; i <= len(list); i++ {
		switch {
		case i == len(list) || list[i] == ',' && depth == 0:
			name, typ, _ := strings.Cut(strings.TrimSpace(list[from:i]), " ")
			t := hiveType(typ)
			if t == "" {
				return ""
			}
			fields = append(fields, strings.ToLower(strings.Trim(name, `"`))+":"+t)
			from = i + 1
		case list[i] == '(':
			depth++
		case list[i] == ')':
			depth--
		}
	}
	return "struct<" + strings.Join(fields, ",") + ">"
}

// fixture is a file as a table of the lake and as the engine sees it.
type fixture struct {
	name    string
	table   string   // c.sales.<table>
	object  string   // its URI
	source  string   // the subquery over the local file; empty: the engine cannot describe it
	columns []string // lower-case names of those that Hive can say
	types   []string // of the columns, in DuckDB's spelling
	unsaid  []string // "name TYPE" of the others
}

var oddCharacters = regexp.MustCompile(`[^a-z0-9]+`)

// shelve makes a table of a local Parquet file. The types are those that the
// engine reads the file with.
func (l *lab) shelve(ref *sql.DB, root, name string) fixture {
	l.t.Helper()
	f := fixture{name: name, table: "f_" + oddCharacters.ReplaceAllString(strings.ToLower(name), "_")}
	f.object = "s3://lake/" + f.table + "/" + filepath.Base(name)
	path := filepath.Join(root, name)
	body, err := os.ReadFile(path)
	l.must(nil, err)
	l.put(home, "lake", f.table+"/"+filepath.Base(name), body)
	read := "read_parquet(" + lake.QuoteString(path) + ")"
	described, err := lines(ref, "SELECT column_name, column_type FROM (DESCRIBE SELECT * FROM "+read+")")
	var columns []gluetypes.Column
	var names []string
	for _, line := range described {
		name, typ, _ := strings.Cut(line, "\t")
		t := hiveType(typ)
		if t == "" {
			f.unsaid = append(f.unsaid, name+" "+typ)
			continue
		}
		lower := strings.ToLower(name)
		f.columns, f.types = append(f.columns, lower), append(f.types, typ)
		columns = append(columns, gluetypes.Column{Name: aws.String(lower), Type: aws.String(t)})
		names = append(names, lake.QuoteName(name)+" AS "+lake.QuoteName(lower))
	}
	if len(columns) > 0 {
		f.source = "(SELECT " + strings.Join(names, ", ") + " FROM " + read + ")"
	} else {
		// What the engine cannot describe gets a column that must not be answered.
		columns = []gluetypes.Column{{Name: aws.String("a"), Type: aws.String("int")}}
	}
	storage := parquetStorage(nil, "s3://lake/"+f.table+"/")
	storage.Columns = columns
	l.must(glue.NewFromConfig(l.as(rootKeys[home])).CreateTable(context.Background(), &glue.CreateTableInput{DatabaseName: aws.String("sales"),
		TableInput: &gluetypes.TableInput{Name: aws.String(f.table), TableType: aws.String("EXTERNAL_TABLE"), StorageDescriptor: storage}}))
	return f
}

var plainText = regexp.MustCompile(`^[A-Za-z0-9 .:+-]+$`)

// queries gives what is asked of a file, with %s for its name: all of it, some
// columns, and filters by which row groups are pruned.
func (f fixture) queries(ref *sql.DB) []string {
	first, last := f.columns[0], f.columns[len(f.columns)-1]
	q := []string{"SELECT * FROM %s", "SELECT count(*) FROM %s", fmt.Sprintf("SELECT `%s`, `%s` FROM %%s", last, first)}
	for i, c := range f.columns {
		if strings.ContainsAny(f.types[i], "[(") && !decimalType.MatchString(f.types[i]) || i > 2 && c != last {
			continue
		}
		q = append(q, fmt.Sprintf("SELECT count(*), count(`%s`) FROM %%s WHERE `%s` IS NULL", first, c),
			fmt.Sprintf("SELECT `%s` FROM %%s WHERE `%s` IS NOT NULL", first, c))
		for op, bound := range map[string]string{"=": "min", "<": "max", ">=": "quantile_disc"} {
			if bound == "quantile_disc" {
				bound += "(" + lake.QuoteName(c) + ", 0.5)"
			} else {
				bound += "(" + lake.QuoteName(c) + ")"
			}
			v, err := value(ref, "SELECT CAST("+bound+" AS VARCHAR) FROM "+f.source)
			if err == nil && plainText.MatchString(v) {
				q = append(q, fmt.Sprintf("SELECT * FROM %%s WHERE `%s` %s CAST('%s' AS %s)", c, op, v, f.types[i]))
			}
		}
	}
	return q
}

// unsayable are the columns of the fixtures that Hive has no type for.
var unsayable = map[string]string{
	"geospatial/crs-arbitrary-value.parquet": "geometry GEOMETRY",
	"geospatial/crs-projjson.parquet":        "geometry GEOMETRY",
	"geospatial/geography-lines.parquet":     "geometry GEOMETRY",
	"geospatial/geography-polygons.parquet":  "geometry GEOMETRY",
	"geospatial/geospatial.parquet":          "geometry GEOMETRY",
}

// refused are the fixtures that cannot be read, with a word of the reason.
var refused = map[string]string{
	"aes256/encrypt_columns_and_footer_ctr.parquet.encrypted":   "encrypted",
	"aes256/encrypt_columns_plaintext_footer.parquet.encrypted": "encrypted",
	"encrypt_columns_and_footer_aad.parquet.encrypted":          "encrypted",
	"encrypt_columns_and_footer_ctr.parquet.encrypted":          "encrypted",
	"encrypt_columns_plaintext_footer.parquet.encrypted":        "encrypted",
	"hadoop_lz4_compressed.parquet":                             `codec "LZ4"`,
	"non_hadoop_lz4_compressed.parquet":                         `codec "LZ4"`,
	"map_no_value.parquet":                                      "MAP_KEY_VALUE requires two children",
}

func TestParquetOfOtherWriters(t *testing.T) {
	t.Parallel()
	root, names := fixtureFiles(t, "data")
	ref := newReference(t, root)
	l := newLab(t)
	l.prepare()
	db := l.db()
	l.exec(db, catalogStatement("c", instance(), instance()))
	for _, name := range names {
		f := l.shelve(ref, root, name)
		if why, ok := refused[name]; ok {
			l.expectError(db, "SELECT * FROM c.sales."+f.table, f.object, why)
			continue
		}
		if got := strings.Join(f.unsaid, ", "); got != unsayable[name] && !strings.HasPrefix(got, unsayable[name]+"(") {
			t.Errorf("%s: Hive has no type for %.200s, want %q", name, got, unsayable[name])
		}
		for _, q := range f.queries(ref) {
			want, err := lines(ref, strings.ReplaceAll(fmt.Sprintf(q, f.source), "`", `"`))
			l.must(nil, err)
			if got, err := lines(db, fmt.Sprintf(q, "c.sales."+f.table)); err != nil || !slices.Equal(got, want) {
				t.Errorf("%s: %s\ngot  %.300q, %v\nwant %.300q", name, q, got, err, want)
			}
		}
	}
}

// A hostile file gives the rows that the engine finds in it, or an error that
// names it. Neither of them may end the server or keep it.
func TestHostileParquetNamesItselfOrGivesItsRows(t *testing.T) {
	t.Parallel()
	root, names := fixtureFiles(t, "bad_data")
	ref := newReference(t, root)
	l := newLab(t)
	l.prepare()
	db := l.db()
	l.exec(db, catalogStatement("c", instance(), instance()))
	for _, name := range names {
		f := l.shelve(ref, root, name)
		queries := []string{"SELECT * FROM %s", "SELECT count(a) FROM %s"}
		if f.source != "" {
			queries = f.queries(ref)
		}
		for _, q := range queries {
			var want []string
			wrong := errors.New("the engine cannot describe the file")
			if f.source != "" {
				want, wrong = lines(ref, strings.ReplaceAll(fmt.Sprintf(q, f.source), "`", `"`))
			}
			got, err := lines(db, fmt.Sprintf(q, "c.sales."+f.table))
			switch {
			case err != nil && !strings.Contains(err.Error(), f.object):
				t.Errorf("%s: %s\ngot %q, which does not name the object; the engine says %v", name, q, err, wrong)
			case err == nil && (wrong != nil || !slices.Equal(got, want)):
				t.Errorf("%s: %s\ngot  %.300q\nwant %.300q, %v", name, q, got, want, wrong)
			}
			l.alive(db)
		}
	}
}
