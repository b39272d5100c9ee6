package iceberg

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"lakeport/internal/lake"
)

// formats is a table that Spark 3.5 with Iceberg 1.12 wrote at s3://lake/formats:
// rows 0 to 5 in ORC, 10 to 15 in Avro, of which a position delete file in the
// same format takes one each, and after changes to the columns 20 and 21 in
// Parquet.
func (l *lab) formats() *shelf {
	l.Helper()
	var metadata string
	for _, dir := range []string{"data", "metadata"} {
		names, err := filepath.Glob("testdata/formats/" + dir + "/*")
		l.must(err)
		for _, name := range names {
			data, err := os.ReadFile(name)
			l.must(err)
			key := "formats/" + dir + "/" + filepath.Base(name)
			l.put(key, data)
			if strings.HasSuffix(key, ".metadata.json") {
				metadata = "s3://lake/" + key
			}
		}
	}
	return &shelf{l: l, at: metadata}
}

// The rows are those that Spark reads.
func TestFilesOfEveryFormatAreRead(t *testing.T) {
	l := newLab(t)
	s := l.formats()
	s.expect("SELECT id, label, price, f, n, wall, day, raw FROM {t} WHERE id IN (0, 2, 5, 10, 14, 20) ORDER BY id", `{'id': 0, 'label': n0, 'price': -1.00, 'f': 0.0, 'n': 0, 'wall': '1969-12-31 23:59:57', 'day': 0011-01-01, 'raw': NULL}
{'id': 2, 'label': n2, 'price': -0.50, 'f': 1.0, 'n': 2, 'wall': '1969-12-31 23:59:59.000002', 'day': 0996-08-24, 'raw': NULL}
{'id': 5, 'label': NULL, 'price': NULL, 'f': NULL, 'n': NULL, 'wall': NULL, 'day': NULL, 'raw': NULL}
{'id': 10, 'label': n10, 'price': -9.50, 'f': 5.0, 'n': 10, 'wall': '1969-12-31 23:59:57.00001', 'day': 0503-10-29, 'raw': NULL}
{'id': 14, 'label': n14, 'price': -8.50, 'f': 7.0, 'n': 14, 'wall': '1970-01-01 00:00:01.000014', 'day': 0700-12-15, 'raw': NULL}
{'id': 20, 'label': p, 'price': 1.50, 'f': 2.5, 'n': 4294967296, 'wall': NULL, 'day': NULL, 'raw': new}
`)
	s.expect("SELECT id, epoch_us(\"at\") AS at_, tags, counts, im, st, big, b, d FROM {t} WHERE id IN (0, 5, 12, 21) ORDER BY id", `{'id': 0, 'at_': -40000000, 'tags': [a, NULL, t0], 'counts': {k=0}, 'im': {0=v}, 'st': {'xx': 0, 'y': y0, 'z': NULL}, 'big': -1.0000000000, 'b': true, 'd': 0.0}
{'id': 5, 'at_': NULL, 'tags': NULL, 'counts': NULL, 'im': NULL, 'st': NULL, 'big': NULL, 'b': NULL, 'd': NULL}
{'id': 12, 'at_': 43160000000, 'tags': [a, NULL, t12], 'counts': {k=12}, 'im': {12=v}, 'st': {'xx': 12, 'y': y12, 'z': NULL}, 'big': -9.2857142860, 'b': true, 'd': 4.0}
{'id': 21, 'at_': NULL, 'tags': NULL, 'counts': NULL, 'im': NULL, 'st': {'xx': 1, 'y': y, 'z': 9}, 'big': NULL, 'b': NULL, 'd': NULL}
`)
	s.expect("SELECT list(id ORDER BY id) AS ids FROM {t}", "{'ids': [0, 1, 2, 4, 5, 10, 11, 12, 14, 15, 20, 21]}\n")
	for _, f := range []lake.Filter{{Column: "label", Op: lake.Eq, Values: []string{"n12"}}, {Column: "n", Op: lake.Eq, Values: []string{"12"}}, {Column: "price", Op: lake.Less, Values: []string{"-9"}}} {
		got, err := l.rows(s.table(), lake.Need{Columns: []string{"id", f.Column}, Filters: []lake.Filter{f}}, "SELECT id FROM {t} WHERE "+f.Column+" "+string(f.Op)+" '"+f.Values[0]+"' AND id = "+map[bool]string{true: "12", false: "11"}[f.Op == lake.Eq])
		if want := map[bool]string{true: "{'id': 12}\n", false: "{'id': 11}\n"}[f.Op == lake.Eq]; err != nil || got != want {
			t.Errorf("%v: got %v, %v, want %v", f, got, err, want)
		}
	}
}

// Equality deletes in ORC and Avro are for rows in any format. Each is a copy of
// the data file whose only row has the id.
func TestDeleteFilesOfEveryFormat(t *testing.T) {
	l := newLab(t)
	s := l.formats()
	const ids = "SELECT list(id ORDER BY id) AS ids FROM {t}"
	for _, d := range s.data() {
		if d.file.records == 1 {
			f := d.file
			f.content, f.equality = contentEqualityDeletes, []int{1}
			s.commit(f)
		}
	}
	s.expect(ids, "{'ids': [0, 1, 2, 4, 10, 11, 12, 14, 20, 21]}\n")
	f := s.write("del.parquet", "SELECT 10::BIGINT AS id UNION ALL SELECT 0", ", FIELD_IDS {id: 1}")
	f.content, f.equality = contentEqualityDeletes, []int{1}
	s.commit(f)
	s.expect(ids, "{'ids': [1, 2, 4, 11, 12, 14, 20, 21]}\n")
}

// Where nobody has told bounds, any value may be there.
func TestFilesWithoutBoundsAreRead(t *testing.T) {
	l := newLab(t)
	s := l.make("t", Definition{Columns: columns("s VARCHAR, b BLOB, n BIGINT, u UUID")})
	s.commit(s.write("bare.parquet", "SELECT 'q' AS s, 'q'::BLOB AS b, 7::BIGINT AS n, '00000000-0000-0000-0000-000000000001'::UUID AS u", ", FIELD_IDS {s: 1, b: 2, n: 3, u: 4}"))
	for _, f := range []lake.Filter{{Column: "s", Op: lake.Greater, Values: []string{"m"}}, {Column: "s", Op: lake.Eq, Values: []string{"q"}}, {Column: "b", Op: lake.Eq, Values: []string{"q"}},
		{Column: "n", Op: lake.Eq, Values: []string{"7"}}, {Column: "s", Op: lake.IsNotNull}} {
		got, err := l.rows(s.table(), lake.Need{Filters: []lake.Filter{f}}, "SELECT n FROM {t}")
		if err != nil || got != "{'n': 7}\n" {
			t.Errorf("%v: got %v, %v, want the row", f, got, err)
		}
	}
}
