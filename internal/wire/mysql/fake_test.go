package mysql

import (
	"context"
	"crypto/sha1"
	"crypto/sha256"
	"errors"
	"fmt"
	"math"
	"net"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"lakeport/internal/lake"
	"lakeport/internal/sqlerr"
	"lakeport/internal/wire"
)

// backend is a wire.Handler whose sessions answer a few fixed texts from
// memory, so that the protocol can be tested without an engine.
type backend struct {
	users  map[string]wire.Verifier
	events chan string   // what statements that block say of themselves
	wake   chan struct{} // ends the deaf statement

	mu     sync.Mutex
	kill   map[uint32]func(query bool)
	logins []wire.Login
}

func sum1(password string) []byte {
	once := sha1.Sum([]byte(password))
	twice := sha1.Sum(once[:])
	return twice[:]
}

func sum256(password string) []byte {
	once := sha256.Sum256([]byte(password))
	twice := sha256.Sum256(once[:])
	return twice[:]
}

func newBackend() *backend {
	return &backend{
		users: map[string]wire.Verifier{
			"root":   {Empty: true},
			"native": {Native: sum1("secret")},
			"sha2":   {SHA2: sum256("secret")},
			"both":   {Native: sum1("secret"), SHA2: sum256("secret")},
		},
		events: make(chan string, 16),
		wake:   make(chan struct{}),
		kill:   make(map[uint32]func(bool)),
	}
}

// serve starts a server on a free port, stopped when the test ends.
func serve(t testing.TB, h wire.Handler, o Options) *Server {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s := Serve(context.Background(), l, h, o)
	t.Cleanup(func() {
		ctx, cancel := context.WithCancel(context.Background())
		cancel()
		s.Shutdown(ctx)
	})
	return s
}

// await takes the next event and fails when none comes.
func (b *backend) await(t testing.TB, want string) {
	t.Helper()
	select {
	case got := <-b.events:
		if got != want {
			t.Fatalf("event %q, want %q", got, want)
		}
	case <-time.After(10 * time.Second):
		t.Fatalf("no event, want %q", want)
	}
}

func (b *backend) Login(_ context.Context, l wire.Login) (wire.Session, error) {
	v := b.users[l.User]
	ok, err := l.Verify(v)
	if err != nil {
		return nil, err
	}
	if !ok {
		using := "NO"
		if l.UsingPassword {
			using = "YES"
		}
		return nil, sqlerr.New(sqlerr.Denied, "Access denied for user '%s' (using password: %s)", l.User, using).
			With(sqlerr.AccessDenied)
	}
	if l.Database == "missing" {
		return nil, sqlerr.New(sqlerr.NotFound, "Unknown database 'missing'").With(sqlerr.BadDB)
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	b.kill[l.ConnID] = l.Kill
	b.logins = append(b.logins, l)
	return &session{b: b, login: l, database: l.Database}, nil
}

// lastLogin is what the newest session was opened with.
func (b *backend) lastLogin() wire.Login {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.logins[len(b.logins)-1]
}

// killer is what a connection's login gave to stop it.
func (b *backend) killer(id uint32) func(query bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.kill[id]
}

type session struct {
	b        *backend
	login    wire.Login
	database string
	tx       bool
}

func (s *session) Close() error {
	s.b.mu.Lock()
	defer s.b.mu.Unlock()
	delete(s.b.kill, s.login.ConnID)
	return nil
}

func (s *session) Status() wire.Status {
	return wire.Status{Autocommit: true, InTransaction: s.tx, Whole: s.tx, Database: s.database}
}

func (s *session) Reset(context.Context) error { s.tx = false; return nil }

func (s *session) Use(_ context.Context, db string) error {
	if db == "missing" {
		return sqlerr.New(sqlerr.NotFound, "Unknown database 'missing'").With(sqlerr.BadDB)
	}
	s.database = db
	return nil
}

func (s *session) Columns(_ context.Context, table string) ([]lake.Column, error) {
	if table != "t" {
		return nil, sqlerr.New(sqlerr.NotFound, "Unknown table '%s'", table)
	}
	return benchColumns, nil
}

func (s *session) Exec(ctx context.Context, text string, w wire.ResultWriter) error {
	parts := strings.Split(strings.TrimRight(text, "; \n"), ";")
	if m, ok := w.(wire.MultiStatements); len(parts) > 1 && (!ok || !m.MultiStatements()) {
		return sqlerr.New(sqlerr.Syntax, "several statements").WithPos(text, len(parts[0]))
	}
	for i, part := range parts {
		if err := s.one(ctx, strings.TrimSpace(part), i < len(parts)-1, w); err != nil {
			return err
		}
	}
	return nil
}

var (
	comment  = regexp.MustCompile(`(?s)/\*.*?\*/`)
	variable = regexp.MustCompile(`@@(?:session\.|global\.)?(\w+)`)
)

// bare strips comments, and the SELECT that Connector/J wants to see in front
// of whatever returns rows.
func bare(text string) string {
	text = strings.TrimSpace(comment.ReplaceAllString(text, ""))
	if rest, ok := strings.CutPrefix(text, "select "); ok {
		switch verb, _, _ := strings.Cut(rest, " "); verb {
		case "types", "rows", "half", "echo":
			return rest
		}
	}
	return text
}

// one runs a statement: a verb and an argument.
func (s *session) one(ctx context.Context, text string, more bool, w wire.ResultWriter) error {
	text = bare(text)
	verb, rest, _ := strings.Cut(text, " ")
	n, _ := strconv.Atoi(rest)
	switch strings.ToLower(verb) {
	case "rows":
		return writeRows(w, n, more)
	case "types":
		c := everyType()
		return writeChunk(w, c, more)
	case "long":
		return writeStrings(w, []string{"v"}, []string{strings.Repeat("x", n)}, more)
	case "len":
		return writeStrings(w, []string{"v"}, []string{strconv.Itoa(len(rest))}, more)
	case "sleep":
		s.b.events <- "asleep"
		<-ctx.Done()
		s.b.events <- "stopped"
		return fmt.Errorf("sleep: %w", ctx.Err())
	case "deaf": // to its cancellation
		s.b.events <- "asleep"
		<-s.b.wake
		return nil
	case "flood":
		defer func() { s.b.events <- "stopped" }()
		return writeRows(w, math.MaxInt, more)
	case "fail":
		return sqlerr.New(sqlerr.NotFound, "Unknown table '%s'", rest).With(sqlerr.BadTable).
			WithPos(text, 5).WithHint("create it")
	case "panic":
		panic("a broken invariant")
	case "half":
		if err := w.Columns(benchColumns); err != nil {
			return err
		}
		if err := w.Chunk(benchChunk(3)); err != nil {
			return err
		}
		return errors.New("read s3://b/k: connection reset")
	case "insert":
		return w.Done(wire.Done{Tag: "INSERT", Affected: 3, Warnings: 1, Info: "{'label':'insert_1'}", More: more})
	case "begin":
		s.tx = true
	case "use":
		s.database = rest
	case "kill":
		kill := s.b.killer(uint32(idOf(rest)))
		if kill == nil {
			return sqlerr.New(sqlerr.NotFound, "Unknown thread id: %s", rest).With(sqlerr.NoSuchThread)
		}
		kill(strings.HasPrefix(strings.ToLower(rest), "query"))
	case "show":
		return writeStrings(w, []string{"Id", "User"}, []string{strconv.Itoa(int(s.login.ConnID)), s.login.User}, more)
	case "select":
		return s.selectOne(rest, more, w)
	}
	return w.Done(wire.Done{Tag: strings.ToUpper(verb), More: more})
}

func idOf(text string) int {
	words := strings.Fields(text)
	n, _ := strconv.Atoi(words[len(words)-1])
	return n
}

// variables are what Connector/J asks for when it connects.
var variables = map[string]string{
	"auto_increment_increment": "1", "character_set_client": "utf8", "character_set_connection": "utf8",
	"character_set_results": "utf8", "character_set_server": "utf8", "collation_server": "utf8_general_ci",
	"collation_connection": "utf8_general_ci", "init_connect": "", "interactive_timeout": "3600",
	"license": "Apache License 2.0", "lower_case_table_names": "0", "max_allowed_packet": "33554432",
	"net_write_timeout": "60", "performance_schema": "0", "sql_mode": "ONLY_FULL_GROUP_BY",
	"system_time_zone": "UTC", "time_zone": "UTC", "transaction_isolation": "REPEATABLE-READ",
	"wait_timeout": "28800", "version_comment": "lakeport",
}

func (s *session) selectOne(rest string, more bool, w wire.ResultWriter) error {
	var names, values []string
	for _, m := range variable.FindAllStringSubmatch(rest, -1) {
		names, values = append(names, m[1]), append(values, variables[m[1]])
	}
	switch {
	case strings.EqualFold(rest, "database()"):
		names, values = []string{"DATABASE()"}, []string{s.database}
	case names == nil:
		n, _ := strconv.ParseInt(rest, 10, 64)
		c := &lake.Chunk{Rows: 1, Columns: []lake.Vector{{Type: kind(lake.BigInt), Data: []int64{n}}}}
		return writeNamed(w, []string{rest}, c, more)
	}
	return writeStrings(w, names, values, more)
}

func (s *session) Prepare(_ context.Context, text string) (wire.Statement, error) {
	if strings.HasPrefix(text, "fail") {
		return nil, sqlerr.New(sqlerr.Syntax, "unexpected word").WithPos(text, 0)
	}
	return &statement{s: s, text: bare(text), n: strings.Count(text, "?")}, nil
}

// statement is prepared: echo prints its arguments, else they fill the ? of a
// text that runs as a query.
type statement struct {
	s    *session
	text string
	n    int
}

func (st *statement) Params() int { return st.n }

func (st *statement) Columns() []lake.Column {
	switch verb, _, _ := strings.Cut(st.text, " "); verb {
	case "rows":
		return benchColumns
	}
	return nil
}

func (st *statement) Close() error { return nil }

func (st *statement) Exec(ctx context.Context, args []any, w wire.ResultWriter) error {
	if strings.HasPrefix(st.text, "echo") {
		names, values := make([]string, len(args)), make([]string, len(args))
		for i, a := range args {
			names[i], values[i] = "a"+strconv.Itoa(i), describe(a)
		}
		return writeStrings(w, names, values, false)
	}
	text := st.text
	for _, a := range args {
		text = strings.Replace(text, "?", fmt.Sprint(a), 1)
	}
	return st.s.one(ctx, text, false, w)
}

// describe prints an argument with its Go type.
func describe(a any) string {
	switch v := a.(type) {
	case time.Time:
		return "time.Time " + v.Format("2006-01-02 15:04:05.999999 MST")
	case string:
		if len(v) > 100 {
			return fmt.Sprintf("string of %d bytes", len(v))
		}
	case []byte:
		return fmt.Sprintf("[]byte %x", v)
	}
	return fmt.Sprintf("%T %v", a, a)
}

func kind(k lake.Kind) lake.Type { return lake.Type{Kind: k} }

func writeNamed(w wire.ResultWriter, names []string, c *lake.Chunk, more bool) error {
	cols := make([]lake.Column, len(names))
	for i, name := range names {
		cols[i] = lake.Column{Name: name, Type: c.Columns[i].Type}
	}
	if err := w.Columns(cols); err != nil {
		return err
	}
	if err := w.Chunk(c); err != nil {
		return err
	}
	return w.Done(wire.Done{Tag: "SELECT", Affected: int64(c.Rows), More: more})
}

func writeChunk(w wire.ResultWriter, c *lake.Chunk, more bool) error {
	names := make([]string, len(c.Columns))
	for i := range names {
		names[i] = "c" + strconv.Itoa(i)
	}
	return writeNamed(w, names, c, more)
}

func writeStrings(w wire.ResultWriter, names, values []string, more bool) error {
	c := &lake.Chunk{Rows: 1}
	for _, v := range values {
		c.Columns = append(c.Columns, stringVector(lake.Varchar, v))
	}
	return writeNamed(w, names, c, more)
}

// alive keeps the bytes that lake.String points to, which the collector does
// not see there.
var alive struct {
	sync.Mutex
	bytes [][]byte
}

func stringVector(k lake.Kind, values ...string) lake.Vector {
	data := make([]lake.String, len(values))
	alive.Lock()
	defer alive.Unlock()
	for i, v := range values {
		b := []byte(v)
		alive.bytes = append(alive.bytes, b)
		data[i] = lake.MakeString(b)
	}
	return lake.Vector{Type: kind(k), Data: data}
}

// benchColumns is the table that rows are measured with.
var benchColumns = []lake.Column{
	{Name: "id", Type: kind(lake.BigInt)}, {Name: "name", Type: kind(lake.Varchar)},
	{Name: "price", Type: kind(lake.Double)}, {Name: "note", Type: kind(lake.Varchar)},
	{Name: "qty", Type: kind(lake.BigInt)},
}

func benchChunk(rows int) *lake.Chunk {
	id, qty, price := make([]int64, rows), make([]int64, rows), make([]float64, rows)
	name, note := make([]string, rows), make([]string, rows)
	for i := range rows {
		id[i], qty[i], price[i] = int64(i)*7919, int64(i%50), float64(i)*0.25+0.01
		name[i], note[i] = fmt.Sprintf("item %06d", i), fmt.Sprintf("a note on item number %d", i)
	}
	return &lake.Chunk{Rows: rows, Columns: []lake.Vector{
		{Type: kind(lake.BigInt), Data: id}, stringVector(lake.Varchar, name...),
		{Type: kind(lake.Double), Data: price}, stringVector(lake.Varchar, note...),
		{Type: kind(lake.BigInt), Data: qty},
	}}
}

var fullChunk = benchChunk(2048)

// writeRows writes n rows in chunks of 2,048.
func writeRows(w wire.ResultWriter, n int, more bool) error {
	if err := w.Columns(benchColumns); err != nil {
		return err
	}
	for left := n; left > 0; left -= fullChunk.Rows {
		c := *fullChunk
		c.Rows = min(left, c.Rows)
		if err := w.Chunk(&c); err != nil {
			return err
		}
	}
	return w.Done(wire.Done{Tag: "SELECT", Affected: int64(n), More: more})
}

// everyType is one row of each kind with a value, then one of NULLs.
func everyType() *lake.Chunk {
	str := func(k lake.Kind, v string) lake.Vector { return stringVector(k, v, "") }
	list := func(v lake.Vector) lake.Vector {
		elem := v.Type
		return lake.Vector{Type: lake.Type{Kind: lake.List, Elem: &elem},
			Data: []lake.Entry{{Offset: 0, Length: 2}, {}}, Child: []lake.Vector{v}}
	}
	key, value := kind(lake.Varchar), kind(lake.Integer)
	pair := lake.Vector{Type: lake.Type{Kind: lake.Struct, Fields: []lake.Column{{Name: "key"}, {Name: "value"}}},
		Child: []lake.Vector{str(lake.Varchar, "k"), {Type: value, Data: []int32{1, 0}}}}
	c := &lake.Chunk{Rows: 2, Columns: []lake.Vector{
		{Type: kind(lake.Null)},
		{Type: kind(lake.Boolean), Data: []bool{true, false}},
		{Type: kind(lake.TinyInt), Data: []int8{-128, 0}},
		{Type: kind(lake.SmallInt), Data: []int16{-32768, 0}},
		{Type: kind(lake.Integer), Data: []int32{math.MinInt32, 0}},
		{Type: kind(lake.BigInt), Data: []int64{math.MinInt64, 0}},
		{Type: kind(lake.UTinyInt), Data: []uint8{255, 0}},
		{Type: kind(lake.USmallInt), Data: []uint16{65535, 0}},
		{Type: kind(lake.UInteger), Data: []uint32{math.MaxUint32, 0}},
		{Type: kind(lake.UBigInt), Data: []uint64{math.MaxUint64, 0}},
		{Type: kind(lake.HugeInt), Data: []lake.Int128{{Lo: 1, Hi: math.MinInt64}, {}}},
		{Type: kind(lake.UHugeInt), Data: []lake.Int128{{Lo: math.MaxUint64, Hi: -1}, {}}},
		{Type: kind(lake.Float), Data: []float32{0.1, 0}},
		{Type: kind(lake.Double), Data: []float64{1e20, 0}},
		{Type: lake.Type{Kind: lake.Decimal, Width: 9, Scale: 2}, Data: []int32{-5, 0}},
		{Type: lake.Type{Kind: lake.Decimal, Width: 38, Scale: 10}, Data: []lake.Int128{{Lo: 0, Hi: 1 << 40}, {}}},
		str(lake.Varchar, "grüße, a longer text"),
		str(lake.Blob, "\x00\xff'"),
		str(lake.JSON, `{"a": [1, 2]}`),
		str(lake.Bit, "\x03\x15"),
		{Type: kind(lake.Date), Data: []int32{19782, 0}},
		{Type: kind(lake.Time), Data: []int64{86399_000001, 0}},
		{Type: kind(lake.TimeTZ), Data: []uint64{uint64(3600_000000)<<24 | (57599 - 7200), 0}},
		{Type: kind(lake.Timestamp), Data: []int64{1709210096_000000, 0}},
		{Type: kind(lake.TimestampS), Data: []int64{1709210096, 0}},
		{Type: kind(lake.TimestampMS), Data: []int64{1709210096_789, 0}},
		{Type: kind(lake.TimestampNS), Data: []int64{1709210096_789012345, 0}},
		{Type: kind(lake.TimestampTZ), Data: []int64{-1, 0}},
		{Type: kind(lake.Interval), Data: []lake.Span{{Days: 1, Micros: -1}, {}}},
		{Type: kind(lake.UUID), Data: []lake.Int128{{Lo: 0x8899aabbccddeeff, Hi: -0x7feeddccbbaa9989}, {}}},
		{Type: lake.Type{Kind: lake.Enum, Names: []string{"red", "green"}}, Data: []uint8{1, 0}},
		list(str(lake.Varchar, `say "a\b"`)),
		list(stringVector(lake.JSON, `{"a": 'x'}`, "null")),
		list(lake.Vector{Type: kind(lake.Date), Data: []int32{0, 1}}),
		{Type: lake.Type{Kind: lake.Array, Size: 2, Elem: &value},
			Child: []lake.Vector{{Type: value, Data: []int32{1, 2, 3, 4}, Valid: []uint64{0b1101}}}},
		{Type: lake.Type{Kind: lake.Map, Key: &key, Elem: &value}, Data: []lake.Entry{{Length: 1}, {}}, Child: []lake.Vector{pair}},
		{Type: lake.Type{Kind: lake.Struct, Fields: []lake.Column{{Name: "f"}}}, Child: []lake.Vector{{Type: value, Data: []int32{1, 0}}}},
	}}
	for i := range c.Columns {
		c.Columns[i].Valid = []uint64{1}
	}
	return c
}
