package mysql

import (
	"bytes"
	"io"
	"net"
	"slices"
	"strings"
	"testing"
	"time"
)

// FuzzPacket splits any bytes into packets: what is read is never longer than
// the limit nor than what came, and written again it gives the same bytes.
func FuzzPacket(f *testing.F) {
	f.Add([]byte{1, 0, 0, 0, comPing})
	f.Add([]byte{0xff, 0xff, 0xff, 0, 1})
	f.Add([]byte{0, 0, 0, 0, 0, 0, 0, 1})
	f.Fuzz(func(t *testing.T, b []byte) {
		const limit = 1 << 20
		var out bytes.Buffer
		in := packets{r: bytes.NewReader(b)}
		again := packets{w: &out}
		for {
			p, err := in.read(limit)
			if err != nil {
				break
			}
			if len(p) > limit || len(p) > len(b) {
				t.Fatalf("a packet of %d bytes", len(p))
			}
			if err := again.end(append(again.begin(), p...)); err != nil {
				t.Fatal(err)
			}
		}
		if cap(in.in) > 4*len(b)+256<<10 {
			t.Errorf("%d bytes reserved for %d", cap(in.in), len(b))
		}
		if err := again.flush(); err != nil || !bytes.HasPrefix(b, out.Bytes()) {
			t.Errorf("written again: %x, %v", out.Bytes(), err)
		}
	})
}

// FuzzHandshake takes any bytes for a login and for a change of user.
func FuzzHandshake(f *testing.F) {
	f.Add(hello41(plainCaps, "root"))
	f.Add(append(hello41(plainCaps|capConnectAttrs|capLenencAuth, "root"), "\x00mysql_native_password\x00\x05\x01a\x02bc"...))
	f.Add([]byte("root\x00\x00shop\x00\x21\x00mysql_native_password\x00"))
	f.Fuzz(func(t *testing.T, b []byte) {
		for _, parse := range []func() (hello, error){
			func() (hello, error) { return parseHello(b) },
			func() (hello, error) { return parseChangeUser(b, offered) },
		} {
			h, err := parse()
			if n := len(h.user) + len(h.reply) + len(h.database); err == nil && n > len(b) {
				t.Errorf("%d bytes out of %d: %+v", n, len(b), h)
			}
		}
	})
}

// FuzzExecute reads any bytes as the arguments of three parameters, twice, as
// the types of the first time stay in force.
func FuzzExecute(f *testing.F) {
	f.Add([]byte("\x00\x01\x00\x00\x00\x00\x01\x08\x00\xfe\x00\x0c\x00\x01\x00\x00\x00\x00\x00\x00\x00\x01x\x04\xe8\x07\x01\x01"))
	f.Add([]byte("\x08\x01\x00\x00\x00\x04\x00\x01\x01\x80\x01a\x0b\x00\x01b\x06\x00\x00\xf6\x00\x00\xff\x08\x00\x01\x00\x00\x00\x01\x02\x03\x011"))
	f.Fuzz(func(t *testing.T, b []byte) {
		p := &prepared{long: make([][]byte, 3)}
		for range 2 {
			_, args, err := p.readExecute(&fields{b: b}, offered)
			if err != nil {
				continue
			}
			if len(args) != 3 {
				t.Fatalf("%d arguments", len(args))
			}
			for _, a := range args {
				if s, ok := a.(string); ok && len(s) > len(b)+40 {
					t.Errorf("an argument of %d bytes out of %d", len(s), len(b))
				}
			}
		}
	})
}

// FuzzCommands sends any bytes behind a login; the server answers or closes.
func FuzzCommands(f *testing.F) {
	packet := func(b ...byte) []byte { return append([]byte{byte(len(b)), 0, 0, 0}, b...) }
	prepare := packet(append([]byte{comStmtPrepare}, "echo ?"...)...)
	f.Add(packet(comPing))
	f.Add(packet(append([]byte{comQuery}, "types"...)...))
	f.Add(slices.Concat(prepare, packet(comStmtLongData, 1, 0, 0, 0, 0, 0, 'x'),
		packet(comStmtExecute, 1, 0, 0, 0, 1, 1, 0, 0, 0, 0, 1, 0xfe, 0), packet(comStmtFetch, 1, 0, 0, 0, 9, 0, 0, 0)))
	f.Add(packet(append([]byte{comChangeUser}, "root\x00\x00\x00"...)...))
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		f.Fatal(err)
	}
	s := Serve(f.Context(), l, newBackend(), Options{MaxPacket: 1 << 20})
	f.Cleanup(func() { s.Shutdown(f.Context()) })
	f.Fuzz(func(t *testing.T, b []byte) {
		if text := strings.ToLower(string(b)); strings.Contains(text, "sleep") || strings.Contains(text, "flood") ||
			strings.Contains(text, "long") || strings.Contains(text, "rows") {
			t.Skip("a statement without end")
		}
		client, server := net.Pipe()
		c := newConn(t.Context(), s, 1, server)
		done := make(chan struct{})
		go func() { defer close(done); c.Serve() }()
		client.SetDeadline(time.Now().Add(10 * time.Second))
		pk := packets{r: client, w: client}
		if _, err := pk.read(1 << 10); err != nil {
			t.Fatal(err)
		}
		if err := pk.end(append(pk.begin(), hello41(plainCaps|capMultiStatements, "root")...)); err != nil {
			t.Fatal(err)
		}
		if err := pk.flush(); err != nil {
			t.Fatal(err)
		}
		if _, err := pk.read(1 << 10); err != nil {
			t.Fatal(err)
		}
		go func() {
			client.Write(b)
			client.Close()
		}()
		io.Copy(io.Discard, client)
		<-done
	})
}
