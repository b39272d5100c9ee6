package iceberg

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"lakeport/internal/lake"
	"lakeport/internal/sqlerr"
)

// reading is a scan under way: what is known of its files once their footers
// are read, and the SQL over them.
type reading struct {
	table   *Table
	need    lake.Need
	files   *files
	shapes  []fileShape // of the files: data, position deletes, equality deletes
	mounted []int       // the files that the engine reads, as objects of the scan
	fed     []*fed      // the others, as feeds of the scan
	vectors map[int][]int64
	paths   map[int]string // of mounted files
	feeds   []string       // items of FROM
}

// fileShape is how one file's columns become the table's.
type fileShape struct {
	columns []source       // of the table's columns, in order
	keys    map[int]source // of the columns that equality deletes compare
	ids     bool           // the file's fields have ids
	fed     *fed           // nil: the file is mounted
	spelled string         // equal shapes are read by one call
}

// describe takes what the footer of file i says.
func (r *reading) describe(i int, inFile []lake.Column) error {
	f := r.file(i)
	if inFile == nil {
		return r.table.corrupt(f.path, fmt.Errorf("its columns are not understood"))
	}
	shape := fileShape{ids: hasIDs(inFile), keys: map[int]source{}}
	var err error
	if f.content == contentPositionDeletes {
		for _, name := range []string{"file_path", "pos"} {
			if !slices.ContainsFunc(inFile, func(c lake.Column) bool { return c.Name == name }) {
				return r.table.corrupt(f.path, fmt.Errorf("it has position deletes without a column %s", name))
			}
		}
		return nil
	}
	if !shape.ids {
		mapping, err := r.table.meta.nameMapping()
		if err == nil && mapping == nil && len(inFile) > 0 {
			err = fmt.Errorf("its columns have no field ids, and the table has no schema.name-mapping.default")
		}
		if err != nil {
			return r.refuse(f, err)
		}
		inFile = mapping.identify(inFile)
	}
	if f.content == contentData {
		for k := range r.table.schema.Fields {
			field := &r.table.schema.Fields[k]
			s := source{read: r.table.columns[k].Type}
			if s.read.Kind != lake.Invalid {
				if s, err = r.locate(field, inFile, shape.ids); err != nil {
					if wants(r.need, r.table.columns[k].Name) {
						return r.refuse(f, fmt.Errorf("column %s: %w", field.Name, err))
					}
					s = source{read: field.Type.lake(), expr: "CAST(NULL AS " + field.Type.lake().String() + ")"}
				}
			}
			shape.columns = append(shape.columns, s)
		}
	}
	for _, id := range r.compared(i) {
		field := r.table.topLevel(id)
		if field == nil || primitives[field.Type.Name] == lake.Invalid {
			return r.refuse(f, fmt.Errorf("equality deletes compare field %d, which is no column that can be compared", id))
		}
		if shape.keys[id], err = r.locate(field, inFile, shape.ids); err != nil {
			return r.refuse(f, fmt.Errorf("column %s of equality deletes: %w", field.Name, err))
		}
		if f.content == contentEqualityDeletes && shape.keys[id].key == "" {
			return r.table.corrupt(f.path, fmt.Errorf("it has equality deletes by column %s without that column", field.Name))
		}
	}
	shape.spelled = fmt.Sprintf("%v %v %v", shape.ids, shape.columns, shape.keys)
	r.shapes[i] = shape
	return nil
}

func (r *reading) refuse(f *file, err error) error {
	return sqlerr.New(sqlerr.Unsupported, "table %s: %s cannot be read: %w", r.table.o.Name, f.path, err)
}

// file is the i-th file.
func (r *reading) file(i int) *file {
	for _, list := range [][]entry{r.files.positions, r.files.equality} {
		if i >= len(r.files.data) && i-len(r.files.data) < len(list) {
			return &list[i-len(r.files.data)].file
		}
		if i >= len(r.files.data) {
			i -= len(list)
		}
	}
	return &r.files.data[i].file
}

// compared gives the ids by which equality deletes compare rows of a file.
func (r *reading) compared(i int) []int {
	if i >= len(r.files.data) {
		return r.file(i).equality
	}
	var ids []int
	for _, e := range r.files.data[i].equality {
		for _, id := range r.files.equality[e].file.equality {
			if !slices.Contains(ids, id) {
				ids = append(ids, id)
			}
		}
	}
	slices.Sort(ids)
	return ids
}

// topLevel finds a column by id, also one that was dropped; nil: there is none.
func (t *Table) topLevel(id int) *Field {
	if f := t.schema.field(id); f != nil {
		return f
	}
	for i := len(t.meta.Schemas) - 1; i >= 0; i-- {
		if f := t.meta.Schemas[i].field(id); f != nil {
			return f
		}
	}
	return nil
}

// locate finds a field in a file, by its id.
func (r *reading) locate(f *Field, inFile []lake.Column, ids bool) (source, error) {
	at := slices.IndexFunc(inFile, func(c lake.Column) bool { return c.FieldID == f.ID })
	if at < 0 {
		return source{id: f.ID, read: f.Type.lake()}, nil
	}
	if slices.ContainsFunc(inFile[at+1:], func(c lake.Column) bool { return c.FieldID == f.ID }) {
		return source{}, fmt.Errorf("the file has two columns of id %d", f.ID)
	}
	if inFile[at].Type.Kind == lake.Invalid {
		return source{}, fmt.Errorf("its type in the file is not known")
	}
	name := "f." + column(f.ID)
	read, expr, err := evolve(inFile[at].Type, f.Type, name)
	s := source{id: f.ID, key: strconv.Itoa(f.ID), at: at, from: inFile[at].Type, read: read}
	if !ids {
		s.key = lake.QuoteString(inFile[at].Name)
	}
	if expr != name {
		s.expr = expr
	}
	return s, err
}

// branch is the data files that one call of the reader reads.
type branch struct {
	files []int
	shape *fileShape
	dead  []group // equality deletes that apply to some of the files
}

// group is equality delete files that compare the same columns, in any
// partition or each in its own.
type group struct {
	ids    string
	global bool
	shape  string // of the delete files
}

// sql spells the SELECT that yields the table's columns in order.
func (r *reading) sql(local, feeds []string) string {
	r.feeds, r.paths = feeds, map[int]string{}
	for n, i := range r.mounted {
		r.paths[i] = local[n]
	}
	var list []*branch
	at := map[string]*branch{}
	for i := range r.files.data {
		d := &r.files.data[i]
		dead := r.groups(d)
		key := fmt.Sprintf("%p %s %v %v %v", r.shapes[i].fed, r.shapes[i].spelled, len(d.positions) > 0, d.vector != nil, dead)
		b := at[key]
		if b == nil {
			b = &branch{shape: &r.shapes[i], dead: dead}
			at[key], list = b, append(list, b)
		}
		b.files = append(b.files, i)
	}
	if len(list) == 0 {
		return r.table.empty()
	}
	parts := make([]string, len(list))
	for i, b := range list {
		parts[i] = r.branch(b)
	}
	return strings.Join(parts, "\nUNION ALL\n")
}

// groups gives those equality deletes that apply to a file, in a fixed order.
func (r *reading) groups(d *dataFile) []group {
	var out []group
	for _, e := range d.equality {
		if g := r.group(e); !slices.Contains(out, g) {
			out = append(out, g)
		}
	}
	slices.SortFunc(out, func(a, b group) int { return strings.Compare(fmt.Sprint(a), fmt.Sprint(b)) })
	return out
}

func (r *reading) group(e int) group {
	f := &r.files.equality[e].file
	object := len(r.files.data) + len(r.files.positions) + e
	return group{fmt.Sprint(f.equality), unpartitioned(r.table.meta.spec(f.spec)), fmt.Sprintf("%p %s", r.shapes[object].fed, r.shapes[object].spelled)}
}

// empty yields no row of the right shape.
func (t *Table) empty() string {
	parts := make([]string, len(t.columns))
	for i, c := range t.columns {
		parts[i] = "CAST(NULL AS " + sqlType(c.Type) + ") AS " + lake.QuoteName(c.Name)
	}
	return "SELECT " + strings.Join(parts, ", ") + " WHERE false"
}

func (r *reading) branch(b *branch) string {
	parts := make([]string, len(r.table.columns))
	for i, c := range r.table.columns {
		parts[i] = r.value(&r.table.schema.Fields[i], b.shape.columns[i], b.files) + " AS " + lake.QuoteName(c.Name)
	}
	sql := "SELECT " + strings.Join(parts, ", ") + " FROM " + r.from(b.files, b.shape) + " AS f"
	d := &r.files.data[b.files[0]]
	if len(d.positions) > 0 {
		sql += r.withoutPositions(b)
	}
	if d.vector != nil {
		sql += " ANTI JOIN " + r.feeds[len(r.fed)] + " AS v ON v.pos = f.file_row_number AND v.file = " + pick(b.files, integer, "INTEGER")
	}
	for n, g := range b.dead {
		sql += r.withoutEqual(b, g, "e"+strconv.Itoa(n))
	}
	return sql
}

// withoutPositions leaves out rows that position delete files name. A delete
// file is for files of its own partition that are not newer.
func (r *reading) withoutPositions(b *branch) string {
	var deletes []int
	rows := make([]string, len(b.files))
	parts := numbers{}
	for n, i := range b.files {
		d := &r.files.data[i]
		for _, e := range d.positions {
			if !slices.Contains(deletes, e) {
				deletes = append(deletes, e)
			}
		}
		rows[n] = fmt.Sprintf("(%s, %d::UBIGINT, %d, %d)", lake.QuoteString(fold(d.file.path)), n, d.sequence, parts.of(partitionKey(&d.file)))
	}
	slices.Sort(deletes)
	var lists []string
	for _, from := range r.positionLists(deletes) {
		sequence := pick(from.files, func(e int) string { return bigint(r.files.positions[e].sequence) }, "BIGINT")
		part := pick(from.files, func(e int) string { return integer(parts.of(partitionKey(&r.files.positions[e].file))) }, "INTEGER")
		lists = append(lists, "SELECT f.path, f.pos, "+sequence+" AS seq, "+part+" AS part FROM "+from.sql+" AS f")
	}
	return " ANTI JOIN (SELECT m.file, d.pos FROM (" + strings.Join(lists, " UNION ALL ") + ") AS d" +
		" JOIN (VALUES " + strings.Join(rows, ", ") + ") AS m(path, file, seq, part)" +
		" ON regexp_replace(d.path, '^s3[an]://', 's3://') = m.path AND m.seq <= d.seq AND m.part = d.part" +
		") AS p ON p.pos = f.file_row_number AND p.file = f.file_index"
}

// positionList is position delete files that one call reads.
type positionList struct {
	files []int // in files.positions
	sql   string
}

// positionLists says how to read position delete files. A feed gives more than
// is asked for: who asks compares paths, partitions and sequence numbers anyway.
func (r *reading) positionLists(deletes []int) []positionList {
	var list []positionList
	var mounted positionList
	var paths []string
	first := len(r.files.data)
	for _, e := range deletes {
		f := r.shapes[first+e].fed
		switch {
		case f == nil:
			mounted.files, paths = append(mounted.files, e), append(paths, lake.QuoteString(r.paths[first+e]))
		case !slices.ContainsFunc(list, func(p positionList) bool { return p.sql == r.feeds[f.number] }):
			list = append(list, positionList{f.places(first), r.feeds[f.number]})
		}
	}
	if paths != nil {
		mounted.sql = "read_parquet([" + strings.Join(paths, ", ") + "], hive_partitioning = false, schema = MAP {" +
			"'file_path': {name: 'path', type: 'VARCHAR', default_value: NULL}, 'pos': {name: 'pos', type: 'BIGINT', default_value: NULL}})"
		list = append(list, mounted)
	}
	return list
}

// withoutEqual leaves out rows that are equal to one of a group of equality
// delete files, which must be newer and, unless global, in the row's partition.
// NULL is equal to NULL.
func (r *reading) withoutEqual(b *branch, g group, as string) string {
	var deletes []int
	parts := numbers{}
	for _, i := range b.files {
		for _, e := range r.files.data[i].equality {
			if r.group(e) == g && !slices.Contains(deletes, e) {
				deletes = append(deletes, e)
			}
		}
	}
	slices.Sort(deletes)
	first := len(r.files.data) + len(r.files.positions)
	shape := &r.shapes[first+deletes[0]]
	if shape.fed != nil { // it gives them all: what does not apply is told by partition and sequence number
		deletes = shape.fed.places(first)
	}
	objects := make([]int, len(deletes))
	for n, e := range deletes {
		objects[n] = first + e
	}
	entry := func(e int) *entry { return &r.files.equality[e] }
	part := func(f *file) string {
		if g.global {
			return integer(0)
		}
		return integer(parts.of(partitionKey(f)))
	}
	inner := []string{
		pick(deletes, func(e int) string { return bigint(entry(e).sequence) }, "BIGINT") + " AS seq",
		pick(deletes, func(e int) string { return part(&entry(e).file) }, "INTEGER") + " AS part",
	}
	on := []string{
		as + ".part = " + pick(b.files, func(i int) string { return part(&r.files.data[i].file) }, "INTEGER"),
		as + ".seq > " + pick(b.files, func(i int) string { return bigint(r.files.data[i].sequence) }, "BIGINT"),
	}
	for _, id := range entry(deletes[0]).file.equality {
		field := r.table.topLevel(id)
		inner = append(inner, r.value(field, shape.keys[id], nil)+" AS "+column(id))
		on = append(on, r.value(field, b.shape.keys[id], b.files)+" IS NOT DISTINCT FROM "+as+"."+column(id))
	}
	return " ANTI JOIN (SELECT " + strings.Join(inner, ", ") + " FROM " + r.from(objects, shape) + " AS f) AS " + as + " ON " + strings.Join(on, " AND ")
}

func integer(n int) string  { return "CAST(" + strconv.Itoa(n) + " AS INTEGER)" }
func bigint(n int64) string { return "CAST(" + strconv.FormatInt(n, 10) + " AS BIGINT)" }

// numbers gives a small number to each text.
type numbers map[string]int

func (n numbers) of(text string) int {
	if _, ok := n[text]; !ok {
		n[text] = len(n)
	}
	return n[text]
}

// value spells a column's value in files. A file that lacks the column has the
// value of its identity partition, else the column's default.
func (r *reading) value(f *Field, s source, files []int) string {
	switch {
	case s.expr != "":
		return s.expr
	case s.key != "":
		return "f." + column(f.ID)
	case s.read.Kind == lake.Invalid:
		return "CAST(NULL AS VARCHAR)"
	}
	return pick(files, func(i int) string { return r.constant(f, &r.files.data[i].file) }, f.Type.lake().String())
}

// constant is the value that a whole file has of a column it does not hold.
func (r *reading) constant(f *Field, in *file) string {
	for i, p := range r.table.meta.spec(in.spec).Fields {
		if p.SourceID == f.ID && p.Transform.Name == "identity" {
			return literal(f.Type, in.partition[i])
		}
	}
	text, err := f.absent()
	if err != nil {
		// The engine tells it where the column is used, and nowhere else.
		return "CAST(error(" + lake.QuoteString(err.Error()) + ") AS " + f.Type.lake().String() + ")"
	}
	return text
}

// pick spells a value of the file at hand: one constant of the type, or a list
// that the reader's file_index picks from.
func pick(files []int, of func(i int) string, typ string) string {
	texts := make([]string, len(files))
	for i, n := range files {
		texts[i] = of(n)
	}
	if !slices.ContainsFunc(texts, func(s string) bool { return s != texts[0] }) {
		return texts[0]
	}
	return "CAST([" + strings.Join(texts, ", ") + "] AS " + typ + "[])[CAST(f.file_index AS BIGINT) + 1]"
}

// inFile gives the columns that are read of files of the shape.
func (s *fileShape) inFile() []source {
	var list []source
	seen := map[string]bool{}
	add := func(s source) {
		if s.key != "" && !seen[s.key] {
			seen[s.key] = true
			list = append(list, s)
		}
	}
	for _, c := range s.columns {
		add(c)
	}
	for _, id := range slices.Sorted(maps.Keys(s.keys)) {
		add(s.keys[id])
	}
	return list
}

// from spells the item of FROM that reads files of one shape. A mounted file's
// columns are read by id, or by name where the files have no ids.
func (r *reading) from(files []int, shape *fileShape) string {
	if shape.fed != nil {
		return r.fromFeed(shape)
	}
	quoted := make([]string, len(files))
	for n, i := range files {
		quoted[n] = lake.QuoteString(r.paths[i])
	}
	var fields []string
	for _, s := range shape.inFile() {
		fields = append(fields, fmt.Sprintf("%s: {name: 'c%d', type: %s, default_value: NULL}", s.key, s.id, lake.QuoteString(s.read.String())))
	}
	if len(fields) == 0 { // the reader wants at least one; this one is in no file
		fields = []string{"2147483000: {name: 'absent', type: 'BOOLEAN', default_value: NULL}"}
		if !shape.ids {
			fields = []string{"'\x01absent': {name: 'absent', type: 'BOOLEAN', default_value: NULL}"}
		}
	}
	return "read_parquet([" + strings.Join(quoted, ", ") + "], hive_partitioning = false, schema = MAP {" + strings.Join(fields, ", ") + "})"
}
