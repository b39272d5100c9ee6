package mysql

import (
	"io"
	"net"
	"runtime"
	"testing"
)

// openCursor prepares text and opens a cursor over it; it gives the id.
func (r *raw) openCursor(text string) uint32 {
	r.t.Helper()
	b := r.command(comStmtPrepare, text)
	if b[0] != headOK {
		r.t.Fatalf("prepare: %q", b)
	}
	id := uint32(b[1]) | uint32(b[2])<<8
	r.skip(int(b[5]))
	if b = r.command(comStmtExecute, id, byte(execReadOnlyCursor), uint32(1)); b[0] != 5 {
		r.t.Fatalf("execute: %q", b)
	}
	r.skip(5)
	return id
}

// skip reads n columns, if any, and the EOF packet behind them.
func (r *raw) skip(n int) {
	r.t.Helper()
	if n == 0 {
		return
	}
	for range n + 1 {
		r.read()
	}
}

// fetch fetches n rows and gives how many came and the packet behind them.
func (r *raw) fetch(id, n uint32) (rows int, end []byte) {
	r.t.Helper()
	for b := r.command(comStmtFetch, id, n); ; b = r.read() {
		if b[0] != headOK {
			return rows, b
		}
		rows++
	}
}

func TestACursorFetchesAcrossChunks(t *testing.T) {
	r := dial(t, newBackend(), Options{})
	r.login(plainCaps)
	id := r.openCursor("rows 5000")
	total := 0
	for {
		n, end := r.fetch(id, 999)
		total += n
		if end[0] != headEOF {
			t.Fatalf("fetch: %q", end)
		}
		if end[3]&statusLastRowSent != 0 {
			break
		}
		if n != 999 {
			t.Fatalf("%d rows where 999 were to come", n)
		}
	}
	if total != 5000 {
		t.Errorf("%d rows", total)
	}
}

func TestAStatementUnderACursorStopsWhenItIsLeft(t *testing.T) {
	for _, leave := range []struct {
		name string
		how  func(r *raw, id uint32, b *backend)
	}{
		{"close", func(r *raw, id uint32, _ *backend) { r.send(true, payloadOf(r.t, byte(comStmtClose), id)) }},
		{"reset", func(r *raw, id uint32, _ *backend) { r.command(comStmtReset, id) }},
		{"execute again", func(r *raw, id uint32, _ *backend) { r.command(comStmtExecute, id, byte(1), uint32(1)) }},
		{"reset connection", func(r *raw, _ uint32, _ *backend) { r.command(comResetConnection) }},
		{"disconnect", func(r *raw, _ uint32, _ *backend) { r.n.Close() }},
		{"kill", func(_ *raw, _ uint32, b *backend) { b.lastLogin().Kill(false) }},
	} {
		t.Run(leave.name, func(t *testing.T) {
			b := newBackend()
			r := dial(t, b, Options{})
			r.login(plainCaps)
			id := r.openCursor("flood")
			if n, end := r.fetch(id, 10); n != 10 || end[0] != headEOF {
				t.Fatalf("%d rows, %q", n, end)
			}
			leave.how(r, id, b)
			b.await(t, "stopped")
		})
	}
}

func TestAnErrorUnderACursorReachesTheFetch(t *testing.T) {
	r := dial(t, newBackend(), Options{})
	r.login(plainCaps)
	id := r.openCursor("half")
	if n, end := r.fetch(id, 3); n != 3 || end[0] != headEOF {
		t.Fatalf("%d rows, %q", n, end)
	}
	if n, end := r.fetch(id, 3); n != 0 || end[0] != headErr {
		t.Errorf("%d rows, %q, want an error", n, end)
	}
}

func TestLongDataIsBoundedAndReset(t *testing.T) {
	r := dial(t, newBackend(), Options{MaxPacket: 100})
	r.login(plainCaps)
	r.command(comStmtPrepare, "echo ?")
	r.skip(1)
	long := func(param uint16, text string) {
		r.send(true, payloadOf(t, byte(comStmtLongData), uint32(1), param, text))
	}
	bound := []any{uint32(1), byte(0), uint32(1), "\x00\x01\xfe\x00"}
	value := func() string {
		t.Helper()
		if b := r.command(comStmtExecute, bound...); b[0] == headErr {
			return string(b[9:])
		}
		r.skip(1)
		text := string(r.read()[3:])
		r.read()
		return text
	}
	long(0, "first, ")
	long(0, "second")
	if got := value(); got != "string first, second" {
		t.Errorf("argument %q", got)
	}
	long(7, "x")
	if got := value(); got != "Incorrect arguments to COM_STMT_SEND_LONG_DATA: no parameter 7" {
		t.Errorf("beyond the parameters: %q", got)
	}
	for range 2 {
		long(0, "sixty bytes and more, sixty bytes and more, sixty bytes and more")
	}
	if got := value(); got != "Parameters sent by COM_STMT_SEND_LONG_DATA exceed 'max_allowed_packet' bytes (100)" {
		t.Errorf("beyond the limit: %q", got)
	}
	long(0, "dropped")
	r.command(comStmtReset, uint32(1))
	bound = append(bound, "\x04kept")
	if got := value(); got != "string kept" {
		t.Errorf("after reset: %q", got)
	}
}

// Rows pass through buffers of a fixed size, however many there are.
func TestRowsLeaveMemoryFlat(t *testing.T) {
	s := serve(t, newBackend(), Options{})
	n, err := net.Dial("tcp", s.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	r := &raw{t: t, n: n, pk: packets{r: n, w: n}}
	defer n.Close()
	r.login(plainCaps)
	r.send(true, append([]byte{comQuery}, "rows 3000000"...))
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	bytes, err := io.CopyN(io.Discard, n, 3_000_000*45)
	runtime.ReadMemStats(&after)
	if err != nil {
		t.Fatalf("%d bytes: %v", bytes, err)
	}
	if grown := after.TotalAlloc - before.TotalAlloc; grown > 4<<20 {
		t.Errorf("%d bytes allocated for %d bytes of rows", grown, bytes)
	}
}

// Rows that must be read whole come with the execute, and no cursor is open.
func TestRowsThatMustBeReadWholeComeWithoutACursor(t *testing.T) {
	r := dial(t, newBackend(), Options{})
	r.login(plainCaps)
	if b := r.command(comQuery, "BEGIN"); b[0] != headOK {
		t.Fatalf("begin: %q", b)
	}
	b := r.command(comStmtPrepare, "rows 3000")
	id := uint32(b[1]) | uint32(b[2])<<8
	r.skip(int(b[5]))
	r.command(comStmtExecute, id, byte(execReadOnlyCursor), uint32(1))
	r.skip(5)
	rows := 0
	for b = r.read(); b[0] == headOK; b = r.read() {
		rows++
	}
	if rows != 3000 || b[0] != headEOF || b[3]&statusCursorExists != 0 {
		t.Errorf("%d rows, then %q", rows, b)
	}
}
