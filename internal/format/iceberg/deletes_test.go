package iceberg

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/RoaringBitmap/roaring/v2"

	"lakeport/internal/lake"
	"lakeport/internal/sqlerr"
)

// write stores a query's rows as one Parquet file with field ids.
func (s *shelf) write(key, query, ids string) file {
	s.l.Helper()
	path := filepath.Join(s.l.dir, strings.ReplaceAll(key, "/", "_"))
	_, err := s.l.conn.Exec(s.l.Context(), "COPY ("+query+") TO "+lake.QuoteString(path)+" (FORMAT parquet"+ids+")")
	s.l.must(err)
	data, err := os.ReadFile(path)
	s.l.must(err)
	s.l.put(key, data)
	return file{path: "s3://lake/" + key, format: "parquet", size: int64(len(data)), records: 1}
}

// commit adds files in one snapshot, each under the spec and partition that it
// says.
func (s *shelf) commit(files ...file) {
	s.l.Helper()
	t := s.table()
	m := t.meta
	id, sequence := newSnapshotID(), m.LastSequence+1
	list, err := t.manifests(s.l.Context(), t.snapshot)
	s.l.must(err)
	for n, f := range files {
		data, of, err := m.makeManifest(m.spec(f.spec), min(f.content, 1), id, sequence, []entry{{status: statusAdded, snapshot: id, file: f}})
		s.l.must(err)
		of.path = fmt.Sprintf("s3://lake/manifests/%d-%d.avro", id, n)
		s.l.put(strings.TrimPrefix(of.path, "s3://lake/"), data)
		list = append(list, of)
	}
	a := &appending{t: t, id: id, uuid: newUUID()}
	c := Change{Snapshot: Snapshot{ID: SnapshotID(id), Sequence: sequence, TimestampMS: m.LastUpdatedMS + 1, SchemaID: &m.CurrentSchema, Summary: map[string]string{"operation": "overwrite"}}}
	c.Snapshot.ManifestList, err = a.storeList(s.l.Context(), m, c.Snapshot, list, 1)
	s.l.must(err)
	s.l.must(s.save(s.l.Context(), m, c))
}

// data gives the paths of the table's data files, oldest first.
func (s *shelf) data() []dataFile {
	s.l.Helper()
	t := s.table()
	fs, err := t.plan(s.l.Context(), t.snapshot, nil)
	s.l.must(err)
	slices.SortFunc(fs.data, func(a, b dataFile) int { return int(a.sequence - b.sequence) })
	return fs.data
}

func (s *shelf) expect(query, want string) {
	s.l.Helper()
	got, err := s.l.rows(s.table(), lake.Need{}, query)
	if err != nil || got != want {
		s.l.Errorf("%s: got %v\n%swant\n%s", query, err, got, want)
	}
}

const positionIDs = ", FIELD_IDS {file_path: 2147483546, pos: 2147483545}"

// A position delete file is for its partition's files that are not newer, by
// their exact path, whatever Hadoop calls the store.
func TestPositionDeletes(t *testing.T) {
	l := newLab(t)
	s := l.make("t", Definition{Columns: columns("id BIGINT, part VARCHAR"), Partition: []string{"part"}})
	for range 2 {
		_, err := s.insert(s.table(), "SELECT i AS id, 'a' AS part FROM range(10) r(i)", false)
		l.must(err)
	}
	_, err := s.insert(s.table(), "SELECT i AS id, 'b' AS part FROM range(10) r(i)", false)
	l.must(err)
	d := s.data()
	hadoop := strings.Replace(d[0].file.path, "s3://", "s3a://", 1)
	f := s.write("del-1.parquet", fmt.Sprintf("SELECT * FROM (VALUES ('%s', 0::BIGINT), ('%s', 9), ('%s', 1), ('%s', 3)) v(file_path, pos)", hadoop, hadoop, d[1].file.path, d[2].file.path), positionIDs)
	f.content, f.spec, f.partition = contentPositionDeletes, d[0].file.spec, d[0].file.partition // of partition a: not for b
	s.commit(f)
	s.expect("SELECT part, count(*) AS n, sum(id) AS s FROM {t} GROUP BY part ORDER BY part", "{'part': a, 'n': 17, 's': 80}\n{'part': b, 'n': 10, 's': 45}\n")
	s.expect("SELECT count(*) AS n FROM {t} WHERE id = 9", "{'n': 2}\n")

	_, err = s.insert(s.table(), "SELECT 0 AS id, 'a' AS part", false) // newer than the deletes
	l.must(err)
	g := s.write("del-2.parquet", fmt.Sprintf("SELECT '%s' AS file_path, 5::BIGINT AS pos", d[2].file.path), positionIDs)
	g.content, g.spec, g.partition, g.referenced = contentPositionDeletes, d[2].file.spec, d[2].file.partition, d[2].file.path
	s.commit(g)
	s.expect("SELECT part, count(*) AS n, sum(id) AS s FROM {t} GROUP BY part ORDER BY part", "{'part': a, 'n': 18, 's': 80}\n{'part': b, 'n': 9, 's': 40}\n")
	if got, err := l.rows(s.table(), lake.Need{Filters: []lake.Filter{{Column: "part", Op: lake.Eq, Values: []string{"b"}}}}, "SELECT count(*) AS n FROM {t}"); err != nil || got != "{'n': 9}\n" {
		t.Errorf("got %v, %v, want partition b alone, its deletes applied", got, err)
	}
}

// Equality deletes are for older files: of their own partition, or of all where
// they have none. NULL is equal to NULL, and columns that are not compared do
// not matter.
func TestEqualityDeletes(t *testing.T) {
	l := newLab(t)
	s := l.make("t", Definition{Columns: columns("id BIGINT, part VARCHAR, v INT"), Partition: []string{"part"}})
	fill := func() {
		_, err := s.insert(s.table(), "SELECT * FROM (VALUES (1, 'a', 10), (2, 'a', 20), (NULL, 'a', 30), (1, 'b', 40)) x(id, part, v)", false)
		l.must(err)
	}
	fill()
	part := func(p string) []value {
		for _, d := range s.data() {
			if d.file.partition[0] == p {
				return d.file.partition
			}
		}
		return nil
	}
	f := s.write("eq-1.parquet", "SELECT 1::BIGINT AS id, 'extra' AS another UNION ALL SELECT NULL, 'x'", ", FIELD_IDS {id: 1, another: 77}")
	f.content, f.equality, f.partition = contentEqualityDeletes, []int{1}, part("a")
	s.commit(f)
	s.expect("SELECT * FROM {t} ORDER BY v", "{'id': 2, 'part': a, 'v': 20}\n{'id': 1, 'part': b, 'v': 40}\n")
	fill() // newer rows are not touched
	s.expect("SELECT v, count(*) AS n FROM {t} GROUP BY v ORDER BY v", "{'v': 10, 'n': 1}\n{'v': 20, 'n': 2}\n{'v': 30, 'n': 1}\n{'v': 40, 'n': 2}\n")
	g := s.write("eq-2.parquet", "SELECT 2::BIGINT AS id, 20::INTEGER AS v UNION ALL SELECT 1, 99", ", FIELD_IDS {id: 1, v: 3}")
	g.content, g.equality, g.partition = contentEqualityDeletes, []int{1, 3}, part("a")
	s.commit(g)
	s.expect("SELECT v, count(*) AS n FROM {t} GROUP BY v ORDER BY v", "{'v': 10, 'n': 1}\n{'v': 30, 'n': 1}\n{'v': 40, 'n': 2}\n")
	s.expect("SELECT count(*) AS n FROM {t}", "{'n': 4}\n")

	h := s.write("eq-3.parquet", "SELECT 'b' AS part", ", FIELD_IDS {part: 2}") // by a column, of the partition's own
	h.content, h.equality, h.partition = contentEqualityDeletes, []int{2}, part("b")
	s.commit(h)
	s.expect("SELECT v FROM {t} ORDER BY v", "{'v': 10}\n{'v': 30}\n")

	broken := s.write("eq-4.parquet", "SELECT 1 AS x", ", FIELD_IDS {x: 55}")
	broken.content, broken.equality, broken.partition = contentEqualityDeletes, []int{1}, part("a")
	s.commit(broken)
	if _, err := l.rows(s.table(), lake.Need{}, "SELECT * FROM {t}"); !sqlerr.Is(err, sqlerr.Corrupt) || !strings.Contains(err.Error(), "equality deletes by column id") {
		t.Errorf("got %v, want the delete file without its column", err)
	}
}

// Without a partition spec, equality deletes are for all older files.
func TestGlobalEqualityDeletes(t *testing.T) {
	l := newLab(t)
	s := l.make("t", Definition{Columns: columns("id BIGINT, v INT")})
	for v := range 3 {
		_, err := s.insert(s.table(), fmt.Sprintf("SELECT i AS id, %d AS v FROM range(4) r(i)", v), false)
		l.must(err)
		f := s.write(fmt.Sprintf("eq-%d.parquet", v), fmt.Sprintf("SELECT %d::BIGINT AS id", v), ", FIELD_IDS {id: 1}")
		f.content, f.equality = contentEqualityDeletes, []int{1}
		s.commit(f)
	}
	s.expect("SELECT id, count(*) AS n FROM {t} GROUP BY id ORDER BY id", "{'id': 0, 'n': 2}\n{'id': 1, 'n': 1}\n{'id': 3, 'n': 3}\n")
}

// vectorOf spells a deletion vector as Iceberg's writers do.
func vectorOf(positions ...uint32) []byte {
	b := roaring.BitmapOf(positions...)
	bitmap, _ := b.ToBytes()
	body := append([]byte("\xd1\xd3\x39\x64"), binary.LittleEndian.AppendUint64(nil, 1)...)
	body = append(binary.LittleEndian.AppendUint32(body, 0), bitmap...)
	out := append(binary.BigEndian.AppendUint32(nil, uint32(len(body))), body...)
	return binary.BigEndian.AppendUint32(out, crc32.ChecksumIEEE(body))
}

func TestDeletionVectors(t *testing.T) {
	l := newLab(t)
	s := l.make("t", Definition{Columns: columns("id BIGINT"), Properties: map[string]string{"format-version": "3"}})
	for range 3 {
		_, err := s.insert(s.table(), "SELECT i AS id FROM range(5000) r(i)", false)
		l.must(err)
	}
	d := s.data()
	var many []uint32
	for i := range uint32(3000) {
		many = append(many, i)
	}
	puffin := append([]byte("PFA1"), vectorOf(many...)...)
	second := len(puffin)
	puffin = append(puffin, vectorOf(0, 4999)...)
	l.put("dv.puffin", puffin)
	vector := func(of int, offset, length, records int64) file {
		return file{content: contentPositionDeletes, path: "s3://lake/dv.puffin", format: "puffin", size: int64(len(puffin)), records: records,
			referenced: d[of].file.path, offset: offset, length: length}
	}
	s.commit(vector(0, 4, int64(second-4), 3000), vector(1, int64(second), int64(len(puffin)-second), 2))
	s.expect("SELECT count(*) AS n, sum(id) AS s, min(id) AS low FROM {t}", "{'n': 11998, 's': 32989001, 'low': 0}\n")
	s.expect("SELECT count(*) AS n FROM {t} WHERE id = 4999", "{'n': 2}\n")

	s.commit(vector(2, int64(second), int64(len(puffin)-second), 3)) // the manifest says another number of rows
	if _, err := l.rows(s.table(), lake.Need{}, "SELECT * FROM {t}"); !sqlerr.Is(err, sqlerr.Corrupt) || !strings.Contains(err.Error(), "names 2 rows, the manifest says 3") {
		t.Errorf("got %v, want the vector refused", err)
	}
}

func TestBrokenDeletionVectorsAreRefused(t *testing.T) {
	good := vectorOf(1, 2, 70000)
	if got, err := readVector(good); err != nil || !slices.Equal(got, []int64{1, 2, 70000}) {
		t.Fatal(got, err)
	}
	for i := range good {
		broken := bytes.Clone(good)
		broken[i] ^= 0x41
		if got, err := readVector(broken); err == nil {
			t.Errorf("byte %d changed: got %v, want an error", i, got)
		}
	}
}
