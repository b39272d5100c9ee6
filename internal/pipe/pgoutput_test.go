package pipe

import (
	"bytes"
	"encoding/hex"
	"encoding/json"
	"reflect"
	"strings"
	"testing"
)

// packed reads bytes written as hexadecimal and 'text' in between.
func packed(t testing.TB, s string) (b []byte) {
	t.Helper()
	for field := range strings.FieldsSeq(s) {
		if text, quoted := strings.CutPrefix(field, "'"); quoted {
			b = append(b, strings.TrimSuffix(text, "'")...)
			continue
		}
		some, err := hex.DecodeString(field)
		if err != nil {
			t.Fatal(err)
		}
		b = append(b, some...)
	}
	return b
}

// Messages written by hand from PostgreSQL's "Logical Replication Message
// Formats", and what they say.
var messages = []struct {
	packed string
	want   message
}{
	{"'B' 00000000016b3748 0002a1b2c3d4e5f6 000002f1", message{kind: 'B', at: 0x16b3748}},
	{"'C' 00 00000000016b3748 00000000016b3780 0002a1b2c3d4e5f6", message{kind: 'C', at: 0x16b3780}},
	{"'R' 00004001 'public' 00 'orders' 00 'd' 0002 01 'id' 00 00000014 ffffffff 00 'v' 00 00000019 0000000e", message{kind: 'R', relation: 0x4001,
		described: &relation{"public", "orders", 'd', []relationColumn{{"id", true, 20, -1}, {"v", false, 25, 14}}}}},
	{"'R' 00000001 00 'pg_class' 00 'n' 0000", message{kind: 'R', relation: 1, described: &relation{"pg_catalog", "pg_class", 'n', nil}}},
	{"'I' 00004001 'N' 0003 't' 00000002 '42' 'n' 't' 00000000", message{kind: 'I', relation: 0x4001, row: tuple{{'t', []byte("42")}, {'n', nil}, {'t', []byte{}}}}},
	{"'U' 00004001 'N' 0002 't' 00000001 '1' 'u'", message{kind: 'U', relation: 0x4001, row: tuple{{'t', []byte("1")}, {'u', nil}}}},
	{"'U' 00004001 'K' 0002 't' 00000001 '1' 'n' 'N' 0002 't' 00000001 '2' 'u'", message{kind: 'U', relation: 0x4001, old: tuple{{'t', []byte("1")}, {'n', nil}}, row: tuple{{'t', []byte("2")}, {'u', nil}}}},
	{"'U' 00004001 'O' 0001 'n' 'N' 0001 'n'", message{kind: 'U', relation: 0x4001, old: tuple{{'n', nil}}, whole: true, row: tuple{{'n', nil}}}},
	{"'D' 00004001 'K' 0001 't' 00000001 '1'", message{kind: 'D', relation: 0x4001, old: tuple{{'t', []byte("1")}}}},
	{"'T' 00000002 01 00004001 00004002", message{kind: 'T', relations: []uint32{0x4001, 0x4002}}},
	{"'O' 0000000000000001 'elsewhere' 00", message{kind: 'O'}},
}

func TestMessagesOfReplicationAreRead(t *testing.T) {
	for _, c := range messages {
		b := packed(t, c.packed)
		got, err := readMessage(b)
		if err != nil || !reflect.DeepEqual(got, c.want) {
			t.Errorf("%s\nis %+v (%v)\nwant %+v", c.packed, got, err, c.want)
		}
		for n := range b {
			if _, err := readMessage(b[:n]); err == nil && n > 0 && c.want.kind != 'O' {
				t.Errorf("%s: its first %d bytes are taken for a message", c.packed, n)
			}
		}
	}
	for _, bad := range []string{"'I' 00000001 'O' 0001 'n'", "'I' 00000001 'N' 0001 'b' 00000001 00", "'D' 00000001 'N' 0001 'n'", "'I' 00000001 'N' 0001 't' ffffffff"} {
		if m, err := readMessage(packed(t, bad)); err == nil {
			t.Errorf("%s is taken for %+v", bad, m)
		}
	}
}

func FuzzMessageOfReplication(f *testing.F) {
	for _, c := range messages {
		f.Add(packed(f, c.packed))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		kept := bytes.Clone(b)
		m, err := readMessage(b)
		if err != nil {
			return
		}
		l := walLayout{table: &Table{Columns: []Column{postgresColumn("a", "bytea", "bU"), postgresColumn("b", "integer[]", "bA")}, Key: []string{"a"}}, from: []int{0, 1}, wide: 2}
		if m.kind == 'I' || m.kind == 'U' || m.kind == 'D' {
			_, _ = l.change(&m)
		}
		if !bytes.Equal(b, kept) {
			t.Error("the bytes of the connection were changed")
		}
	})
}

// A value as PostgreSQL writes it, its type, and what the target reads.
var values = []struct{ typ, value, want string }{
	{"bytea", `\x00ff`, "\x00\xff"},
	{"bytea", `\x`, ""},
	{"character(6)", "né    ", "né"},
	{"character varying(6)", "né  ", "né  "},
	{"boolean", "t", "t"},
	{"timestamp with time zone", "2026-01-02 03:04:05.678901+00", "2026-01-02 03:04:05.678901"},
	{"timestamp(0) with time zone", "0044-03-15 12:00:00+00 BC", "0044-03-15 (BC) 12:00:00"},
	{"timestamp without time zone", "infinity", "infinity"},
	{"date", "0044-03-15 BC", "0044-03-15 (BC)"},
	{"text", "0044 BC", "0044 BC"},
	{"integer[]", "{1,NULL,-3}", "[1,null,-3]"},
	{"integer[]", "{}", "[]"},
	{"integer[]", "[0:1]={1,2}", "[1,2]"},
	{"integer[]", "{{1,2},{3,4}}", "[[1,2],[3,4]]"},
	{"double precision[]", "{NaN,1e+20,-0}", `["NaN",1e+20,-0]`},
	{"numeric(10,2)[]", "{1.50}", "[1.50]"},
	{"boolean[]", "{t,f,NULL}", "[true,false,null]"},
	{"text[]", `{a,"b c","NULL",NULL,"say \"yes\" \\ no","{}","","<&>"}`, `["a","b c","NULL",null,"say \"yes\" \\ no","{}","","<&>"]`},
	{"jsonb[]", `{"{\"a\": [1, 2]}","null"}`, `[{"a": [1, 2]},null]`},
	{"box[]", `{(1,1),(0,0);(2,2),(1,1)}`, `["(1,1),(0,0)","(2,2),(1,1)"]`},
}

func TestValuesOfPostgresAreReadAsTheTargetReadsThem(t *testing.T) {
	for _, c := range values {
		col := postgresColumn("c", c.typ, "bX")
		got, err := col.fromPostgres([]byte(c.value))
		if err != nil || string(got) != c.want {
			t.Errorf("%s %s is %q (%v), want %q", c.typ, c.value, got, err, c.want)
		}
		if col.Type == "JSON" && !json.Valid(got) {
			t.Errorf("%s %s gives what is no JSON: %s", c.typ, c.value, got)
		}
	}
	for _, c := range [][2]string{{"bytea", "00ff"}, {"bytea", `\x0`}, {"integer[]", ""}, {"integer[]", "{1"}, {"integer[]", "{1}}"}, {"integer[]", "{1,}"}, {"integer[]", "{{{{{{{1}}}}}}}"}, {"text[]", `{"a"b}`}} {
		col := postgresColumn("c", c[0], "bX")
		if got, err := col.fromPostgres([]byte(c[1])); err == nil {
			t.Errorf("%s %s is taken for %s", c[0], c[1], got)
		}
	}
}

func FuzzArrayOfPostgres(f *testing.F) {
	for _, c := range values {
		if element, is := strings.CutSuffix(c.typ, "[]"); is {
			f.Add([]byte(c.value), element)
		}
	}
	f.Fuzz(func(t *testing.T, v []byte, element string) {
		if out, err := arrayJSON(v, element); err == nil && !json.Valid(out) {
			t.Errorf("%q of %s becomes %q", v, element, out)
		}
	})
}
