package e2e

import (
	"cmp"
	"context"
	"database/sql"
	"fmt"
	"net/url"
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

// makeHudi registers a Hudi table as its sync to a metastore does: whole, or
// read-optimized.
func (l *lab) makeHudi(name, location string, readOptimized bool) {
	l.t.Helper()
	input := "org.apache.hudi.hadoop.realtime.HoodieParquetRealtimeInputFormat"
	if readOptimized {
		input = "org.apache.hudi.hadoop.HoodieParquetInputFormat"
	}
	l.must(glue.NewFromConfig(l.as(rootKeys[home])).CreateTable(context.Background(), &glue.CreateTableInput{DatabaseName: aws.String("sales"),
		TableInput: &gluetypes.TableInput{Name: aws.String(name), TableType: aws.String("EXTERNAL_TABLE"),
			Parameters: map[string]string{"spark.sql.sources.provider": "hudi"},
			StorageDescriptor: &gluetypes.StorageDescriptor{
				Columns: hiveColumns([]string{"_hoodie_commit_time string"}), Location: aws.String(location), InputFormat: aws.String(input),
				SerdeInfo: &gluetypes.SerDeInfo{SerializationLibrary: aws.String("org.apache.hadoop.hive.ql.io.parquet.serde.ParquetHiveSerDe"),
					Parameters: map[string]string{"path": location, "hoodie.query.as.ro.table": fmt.Sprint(readOptimized)}},
			}}}))
}

// spark replays statements of Spark's SQL in the engine: what a Hudi table
// must hold after them.
type spark struct {
	t      *testing.T
	db     *sql.DB
	table  string
	key    []string
	logged bool // changes of rows that are there go to logs, and are not seen
	append bool // INSERT does not look for rows with the same key
}

var (
	sparkComment   = regexp.MustCompile(`(?s)/\*.*?\*/|--[^\n]*`)
	sparkCreate    = regexp.MustCompile(`(?is)^CREATE TABLE (\w+)\s*\((.*)\)\s*USING HUDI(.*)$`)
	sparkKey       = regexp.MustCompile(`(?i)primaryKey'? *= *'([^']*)'`)
	sparkOverwrite = regexp.MustCompile(`(?is)^INSERT OVERWRITE (?:TABLE )?(\w+)\s+(?:PARTITION \((\w+) = '(\w+)'\)\s+)?(SELECT.*)$`)
	sparkInsert    = regexp.MustCompile(`(?is)^INSERT INTO (\w+)\s+(VALUES.*)$`)
	sparkCall      = regexp.MustCompile(`(?i)\b(ARRAY|STRUCT|MAP)\(`)
	sparkWord      = regexp.MustCompile(`\b(STRING|BYTE|SHORT|LONG|BINARY)\b`)
)

// statements splits a script.
func statements(text string) []string {
	var list []string
	quoted, from := false, 0
	text = sparkComment.ReplaceAllString(text, "") + ";"
	for i, c := range text {
		switch {
		case c == '\'':
			quoted = !quoted
		case c == ';' && !quoted:
			if s := strings.TrimSpace(text[from:i]); s != "" {
				list = append(list, s)
			}
			from = i + 1
		}
	}
	return list
}

func (s *spark) exec(query string) {
	s.t.Helper()
	if _, err := s.db.Exec(query); err != nil {
		s.t.Fatalf("%s\n%v", query, err)
	}
}

// run replays one statement; what changes no row does nothing.
func (s *spark) run(text string) {
	s.t.Helper()
	if m := sparkCreate.FindStringSubmatch(text); m != nil {
		s.table = m[1]
		if key := sparkKey.FindStringSubmatch(m[3]); key != nil {
			s.key = strings.Split(key[1], ",")
		}
		s.exec("CREATE TABLE " + s.table + " (" + sparkTypes(m[2]) + ")")
		s.exec("CREATE TABLE news AS FROM " + s.table + " LIMIT 0")
		return
	}
	if m := sparkOverwrite.FindStringSubmatch(text); m != nil {
		query := m[4]
		s.exec("DELETE FROM news")
		if m[2] != "" {
			s.exec("DELETE FROM " + s.table + " WHERE " + m[2] + " = '" + m[3] + "'")
			query = "SELECT *, '" + m[3] + "' FROM (" + query + ")"
		} else {
			s.exec("DELETE FROM " + s.table)
		}
		s.exec("INSERT INTO " + s.table + " " + sparkValues(query))
		return
	}
	if m := sparkInsert.FindStringSubmatch(text); m != nil {
		s.exec("DELETE FROM news")
		s.exec("INSERT INTO news " + sparkValues(m[2]))
		key := "(" + strings.Join(s.key, ", ") + ")"
		if s.append {
			key = ""
		}
		if key != "" && s.logged {
			s.exec("DELETE FROM news WHERE " + key + " IN (SELECT " + key + " FROM " + s.table + ")")
		} else if key != "" {
			s.exec("DELETE FROM " + s.table + " WHERE " + key + " IN (SELECT " + key + " FROM news)")
		}
		s.exec("INSERT INTO " + s.table + " FROM news")
		return
	}
	if verb := strings.ToUpper(strings.Fields(text)[0]); (verb == "UPDATE" || verb == "DELETE") && !s.logged {
		s.exec(text)
	}
}

// sparkList splits a list at its commas; end is where its closing bracket is.
func sparkList(text string, open, close byte) (list []string, end int) {
	depth, quoted, from := 1, false, 0
	for i := 0; i < len(text); i++ {
		switch c := text[i]; {
		case c == '\'':
			quoted = !quoted
		case quoted:
		case c == open || c == '(':
			depth++
		case c == close || c == ')':
			if depth--; depth == 0 {
				return append(list, strings.TrimSpace(text[from:i])), i
			}
		case c == ',' && depth == 1:
			list = append(list, strings.TrimSpace(text[from:i]))
			from = i + 1
		}
	}
	return append(list, strings.TrimSpace(text[from:])), len(text)
}

// sparkTypes spells the columns of CREATE TABLE, or the fields of a struct.
func sparkTypes(text string) string {
	fields, _ := sparkList(text, '<', '>')
	for i, f := range fields {
		name, typ, _ := strings.Cut(strings.Replace(f, ":", " ", 1), " ")
		fields[i] = name + " " + sparkType(strings.TrimSpace(typ))
	}
	return strings.Join(fields, ", ")
}

func sparkType(text string) string {
	name, inner, nested := strings.Cut(text, "<")
	if !nested {
		return sparkWord.ReplaceAllStringFunc(text, func(w string) string {
			return map[string]string{"STRING": "VARCHAR", "BYTE": "TINYINT", "SHORT": "SMALLINT", "LONG": "BIGINT", "BINARY": "BLOB"}[w]
		})
	}
	list, end := sparkList(inner, '<', '>')
	switch name {
	case "ARRAY":
		return sparkType(list[0]) + "[]"
	case "MAP":
		return "MAP(" + sparkType(list[0]) + ", " + sparkType(list[1]) + ")"
	}
	return "STRUCT(" + sparkTypes(inner[:end]) + ")"
}

// sparkValues spells the constructors of nested values.
func sparkValues(text string) string {
	m := sparkCall.FindStringSubmatchIndex(text)
	if m == nil {
		return text
	}
	list, end := sparkList(text[m[1]:], '(', ')')
	rest := sparkValues(text[m[1]+end+1:])
	for i, a := range list {
		list[i] = sparkValues(a)
	}
	out := "row(" + strings.Join(list, ", ") + ")"
	switch strings.ToUpper(text[m[2]:m[3]]) {
	case "ARRAY":
		out = "[" + strings.Join(list, ", ") + "]"
	case "MAP":
		var keys, values []string
		for i := 0; i+1 < len(list); i += 2 {
			keys, values = append(keys, list[i]), append(values, list[i+1])
		}
		out = "MAP([" + strings.Join(keys, ", ") + "], [" + strings.Join(values, ", ") + "])"
	}
	return text[:m[0]] + out + rest
}

// hudiCase is what is special about a fixture. All others give, whole, what
// their script leaves.
type hudiCase struct {
	logs   int    // this many statements at the script's end changed rows in logs; the whole table is refused
	zone   string // in which the script was run
	append bool   // INSERT was Hudi's operation of that name, which makes rows with the same key twice
}

const chicago = "America/Chicago"

var hudiCases = map[string]hudiCase{
	"quickstart_trips_table_mor_avro_v6_trips_8i1u":                {logs: 1},
	"quickstart_trips_table_mor_avro_v8_trips_8i3u1d":              {logs: 1},
	"sample_table_mor_parquet_v6_complexkeygen_hivestyle":          {logs: 1},
	"sample_table_mor_parquet_v6_nonpartitioned":                   {logs: 1},
	"sample_table_mor_avro_v9_timebasedkeygen_nonhivestyle":        {logs: 5, append: true},
	"sample_table_cow_v9_timebasedkeygen_nonhivestyle":             {append: true},
	"sample_table_cow_v9_txns_complex_meta":                        {zone: chicago},
	"sample_table_cow_v9_txns_nonpart_meta":                        {zone: chicago},
	"sample_table_cow_v9_txns_simple_meta":                         {zone: chicago},
	"sample_table_mor_avro_v9_txns_complex_nometa":                 {zone: chicago},
	"sample_table_mor_avro_v9_txns_nonpart_nometa":                 {zone: chicago},
	"sample_table_mor_avro_v9_txns_simple_nometa":                  {zone: chicago},
	"sample_table_cow_v6_simplekeygen_hivestyle_no_metafields":     {zone: chicago},
	"sample_table_cow_v6_simplekeygen_nonhivestyle_overwritetable": {zone: chicago},
}

func TestHudiTablesOfOtherWriters(t *testing.T) {
	t.Parallel()
	list := archives(t, "hudi", ".zip")
	l := newLab(t)
	l.prepare()
	db := l.db()
	l.exec(db, typedCatalog("h", "hudi", instance(), instance()))
	for _, archive := range list {
		name := strings.TrimSuffix(filepath.Base(archive), ".zip")
		dir, special := "", hudiCases[name]
		unzip(t, archive, func(path string, body []byte) {
			if !strings.HasPrefix(path, "__MACOSX/") {
				dir, _, _ = strings.Cut(path, "/")
				l.put(home, "lake", name+"/"+path, body)
			}
		})
		db := l.db("", "time_zone="+url.QueryEscape("'"+cmp.Or(special.zone, "UTC")+"'"))
		script, err := os.ReadFile(strings.TrimSuffix(archive, ".zip") + ".sql")
		l.must(nil, err)
		list := statements(string(script))
		replay := &spark{t: t, db: newReference(t), append: special.append}
		for i, s := range list {
			replay.logged = i >= len(list)-special.logs
			replay.run(s)
		}
		table := "t_" + oddCharacters.ReplaceAllString(strings.ToLower(name), "_")
		l.makeHudi(table, "s3a://lake/"+name+"/"+dir, false)
		l.makeHudi(table+"_ro", "s3a://lake/"+name+"/"+dir, true)
		if special.logs > 0 {
			l.expectError(db, "SELECT * FROM h.sales."+table, "merge-on-read and has changes in logs", ".log.1_")
			table += "_ro"
		}
		all, err := columnsOf(db, "SELECT * FROM h.sales."+table)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		meta := strings.Contains(name, "no_metafields")
		columns := slices.DeleteFunc(all, func(c string) bool { return strings.HasPrefix(c, "_hoodie_") })
		if meta == (len(columns) < len(all)) {
			t.Errorf("%s: the columns are %q", name, all)
		}
		for i, c := range columns {
			columns[i] = lake.QuoteName(c)
		}
		names := strings.Join(columns, ", ")
		want, err := lines(replay.db, "SELECT "+names+" FROM "+replay.table)
		l.must(nil, err)
		got, err := lines(db, "SELECT "+strings.ReplaceAll(names, `"`, "`")+" FROM h.sales."+table)
		if err != nil || !slices.Equal(got, want) {
			t.Errorf("%s:\ngot  %d rows %.900q, %v\nwant %d rows %.900q", name, len(got), got, err, len(want), want)
		}
	}
}
