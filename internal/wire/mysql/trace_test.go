package mysql

import (
	"context"
	"encoding/hex"
	"fmt"
	"io"
	"net"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/cockroachdb/datadriven"
)

// raw speaks to a connection in packets of its own making.
type raw struct {
	t  testing.TB
	n  net.Conn
	pk packets
}

// dial opens a connection with a challenge that is always the same.
func dial(t testing.TB, b *backend, o Options) *raw {
	t.Helper()
	s := serve(t, b, o)
	client, server := net.Pipe()
	c := newConn(context.Background(), s, 7, server)
	copy(c.salt[:], "abcdefghijklmnopqrst")
	done := make(chan struct{})
	go func() { defer close(done); c.Serve() }()
	t.Cleanup(func() { client.Close(); <-done })
	client.SetDeadline(time.Now().Add(10 * time.Second))
	return &raw{t: t, n: client, pk: packets{r: client, w: client}}
}

// read gives the next packet.
func (r *raw) read() []byte {
	r.t.Helper()
	b, err := r.pk.read(1 << 30)
	if err != nil {
		r.t.Fatalf("read packet: %v", err)
	}
	return b
}

// send sends a payload; a command begins a new sequence.
func (r *raw) send(command bool, payload []byte) {
	r.t.Helper()
	if command {
		r.pk.seq = 0
	}
	if err := r.pk.end(append(r.pk.begin(), payload...)); err != nil {
		r.t.Fatal(err)
	}
	if err := r.pk.flush(); err != nil {
		r.t.Fatalf("send packet: %v", err)
	}
}

// command sends a command and gives the first packet of the answer.
func (r *raw) command(code byte, payload ...any) []byte {
	r.t.Helper()
	r.send(true, append([]byte{code}, payloadOf(r.t, payload...)...))
	return r.read()
}

// login reads the greeting and logs in as root.
func (r *raw) login(caps uint32) {
	r.t.Helper()
	r.read()
	r.send(false, hello41(caps, "root"))
	if b := r.read(); b[0] != headOK {
		r.t.Fatalf("login: %q", b)
	}
}

func hello41(caps uint32, user string) []byte {
	b := []byte{byte(caps), byte(caps >> 8), byte(caps >> 16), byte(caps >> 24), 0, 0, 0, 1, charsetUTF8}
	b = append(b, make([]byte, 23)...)
	return append(append(b, user...), 0, 0)
}

// payloadOf joins strings, bytes and little-endian integers.
func payloadOf(t testing.TB, parts ...any) []byte {
	var b []byte
	for _, p := range parts {
		switch p := p.(type) {
		case string:
			b = append(b, p...)
		case byte:
			b = append(b, p)
		case uint16:
			b = append(b, byte(p), byte(p>>8))
		case uint32:
			b = append(b, byte(p), byte(p>>8), byte(p>>16), byte(p>>24))
		case []byte:
			b = append(b, p...)
		default:
			t.Fatalf("payload of %T", p)
		}
	}
	return b
}

// parsePayload reads hex bytes and quoted strings.
func parsePayload(t testing.TB, text string) []byte {
	var b []byte
	for text = strings.TrimSpace(text); text != ""; text = strings.TrimSpace(text) {
		if text[0] == '"' {
			quoted, err := strconv.QuotedPrefix(text)
			if err != nil {
				t.Fatal(err)
			}
			s, _ := strconv.Unquote(quoted)
			b, text = append(b, s...), text[len(quoted):]
			continue
		}
		word, rest, _ := strings.Cut(text, " ")
		h, err := hex.DecodeString(word)
		if err != nil {
			t.Fatalf("%q: %v", word, err)
		}
		b, text = append(b, h...), rest
	}
	return b
}

// dump prints a packet: sequence id, length, and the bytes in hex and text.
func dump(out *strings.Builder, seq uint8, b []byte) {
	fmt.Fprintf(out, "packet %d, %d bytes\n", seq, len(b))
	for len(b) > 0 {
		n := min(len(b), 16)
		text := []byte(strings.Map(func(r rune) rune {
			if r < ' ' || r > '~' {
				return '.'
			}
			return r
		}, string([]rune(latin1(b[:n])))))
		fmt.Fprintf(out, "  %-47s  %s\n", fmt.Sprintf("% x", b[:n]), text)
		b = b[n:]
	}
}

func latin1(b []byte) string {
	r := make([]rune, len(b))
	for i, c := range b {
		r[i] = rune(c)
	}
	return string(r)
}

// The traces in testdata/trace fix the bytes of handshake, results and errors.
// Each packet was checked against the protocol's description when written.
func TestTraces(t *testing.T) {
	datadriven.Walk(t, "testdata/trace", func(t *testing.T, path string) {
		r := dial(t, newBackend(), Options{})
		datadriven.RunTest(t, path, func(t *testing.T, d *datadriven.TestData) string {
			r.t = t
			packets := 1
			d.MaybeScanArgs(t, "packets", &packets)
			payload := parsePayload(t, strings.ReplaceAll(d.Input, "\n", " "))
			switch d.Cmd {
			case "connect":
			case "reply":
				r.send(false, payload)
			case "command":
				r.send(true, payload)
			default:
				d.Fatalf(t, "unknown directive %q", d.Cmd)
			}
			var out strings.Builder
			for range packets {
				seq := r.pk.seq
				b, err := r.pk.read(1 << 20)
				if err != nil {
					if err == io.EOF {
						out.WriteString("closed\n")
						break
					}
					t.Fatal(err)
				}
				dump(&out, seq, b)
			}
			return out.String()
		})
	})
}

const plainCaps = capProtocol41 | capSecureConnection | capPluginAuth | capMultiResults

func TestCommandsThatNeedNoStatement(t *testing.T) {
	r := dial(t, newBackend(), Options{})
	r.read()
	r.send(false, append(hello41(plainCaps|capMultiStatements, "root"), "mysql_native_password\x00"...))
	r.read()
	if b := r.command(comPing); b[0] != headOK {
		t.Errorf("ping: %q", b)
	}
	if b := r.command(comStatistics); !strings.HasPrefix(string(b), "Uptime: ") {
		t.Errorf("statistics: %q", b)
	}
	if b := r.command(comSetOption, uint16(1)); b[0] != headEOF {
		t.Errorf("set option: %q", b)
	}
	if b := r.command(comQuery, "select 1; select 2"); b[0] != headErr {
		t.Errorf("several statements while they are switched off: %q", b)
	}
	if b := r.command(comSetOption, uint16(9)); b[0] != headErr {
		t.Errorf("set unknown option: %q", b)
	}
	if b := r.command(0x77); b[0] != headErr || b[1] != 1047&0xff || b[2] != 1047>>8 {
		t.Errorf("unknown command: %q", b)
	}
	if b := r.command(comResetConnection); b[0] != headOK {
		t.Errorf("reset: %q", b)
	}
	if b := r.command(comInitDB, "other"); b[0] != headOK {
		t.Errorf("init db: %q", b)
	}
}

func TestPacketsOutOfOrderEndTheConnection(t *testing.T) {
	r := dial(t, newBackend(), Options{})
	r.login(plainCaps)
	r.pk.seq = 5
	r.send(false, []byte{comPing})
	if b := r.read(); b[0] != headErr || b[1] != 1156&0xff || b[2] != 1156>>8 {
		t.Errorf("answer %q, want error 1156", b)
	}
	if _, err := r.pk.read(1); err == nil {
		t.Error("the connection lives on")
	}
}

func TestPacketsBeyondTheLimitEndTheConnection(t *testing.T) {
	r := dial(t, newBackend(), Options{MaxPacket: 1000})
	r.login(plainCaps)
	if b := r.command(comQuery, "len "+strings.Repeat("x", 995)); b[0] == headErr {
		t.Errorf("a packet of 1000 bytes: %q", b)
	}
	for range 4 { // column, EOF, row, EOF
		r.read()
	}
	go r.n.Write(append([]byte{0xe9, 3, 0, 0}, make([]byte, 1001)...))
	r.pk.seq = 1
	if b := r.read(); b[0] != headErr || b[1] != 1153&0xff || b[2] != 1153>>8 {
		t.Errorf("answer %q, want error 1153", b)
	}
}

func TestChangeUserLogsInAgain(t *testing.T) {
	b := newBackend()
	r := dial(t, b, Options{})
	r.login(plainCaps)
	r.command(comStmtPrepare, "insert")
	if got := r.command(comChangeUser, "root\x00", byte(0), "shop\x00", uint16(33), "mysql_native_password\x00"); got[0] != headOK {
		t.Fatalf("change user: %q", got)
	}
	if l := b.lastLogin(); l.Database != "shop" || l.ConnID != 7 {
		t.Errorf("login %+v", l)
	}
	if got := r.command(comStmtExecute, uint32(1), byte(0), uint32(1)); got[0] != headErr {
		t.Errorf("a prepared statement outlives its user: %q", got)
	}
	// A switch of plugin in the middle, with an empty answer to it.
	if got := r.command(comChangeUser, "root\x00", byte(0), "\x00", uint16(33), "dialog\x00"); got[0] != headAuthSwitch {
		t.Fatalf("change user by an unknown plugin: %q", got)
	}
	r.send(false, nil)
	if got := r.read(); got[0] != headOK {
		t.Errorf("change user after the switch: %q", got)
	}
	if got := r.command(comChangeUser, "native\x00", byte(0), "\x00", uint16(33), "mysql_native_password\x00"); got[0] != headErr {
		t.Errorf("change user without the password: %q", got)
	}
	if _, err := r.pk.read(1); err == nil {
		t.Error("the connection outlives a refused change of user")
	}
}

func TestConnectionAttributesReachTheHandler(t *testing.T) {
	b := newBackend()
	r := dial(t, b, Options{})
	r.read()
	h := hello41(plainCaps|capConnectWithDB|capConnectAttrs, "root")
	h = append(h, "c.db\x00mysql_native_password\x00\x0e\x03pid\x0242\x02os\x03lin"...)
	r.send(false, h)
	if got := r.read(); got[0] != headOK {
		t.Fatalf("login: %q", got)
	}
	l := b.lastLogin()
	if l.Database != "c.db" || l.Attrs["pid"] != "42" || l.Attrs["os"] != "lin" || l.TLS || l.UsingPassword {
		t.Errorf("login %+v", l)
	}
}

func TestQueryAttributesAreReadOver(t *testing.T) {
	r := dial(t, newBackend(), Options{})
	r.login(plainCaps | capQueryAttributes)
	// One attribute: its NULL bit, new types, type string, name, value.
	b := r.command(comQuery, "\x01\x01\x00\x01\xfe\x00\x04name\x05value", "select 9")
	if len(b) != 1 || b[0] != 1 {
		t.Errorf("answer %q, want one column", b)
	}
	for range 4 {
		r.read()
	}
	if b := r.command(comQuery, "\x00\x01insert"); b[0] != headOK {
		t.Errorf("without attributes: %q", b)
	}
	if b := r.command(comQuery, "\x02\x01\x00"); b[0] != headErr {
		t.Errorf("attributes that end too early: %q", b)
	}
}

func TestLoginTakesNoLongerThanItsLimit(t *testing.T) {
	r := dial(t, newBackend(), Options{LoginTimeout: 20 * time.Millisecond})
	r.read()
	if _, err := r.n.Read(make([]byte, 1)); err == nil {
		// The error packet, if it got through; then the end.
		io.Copy(io.Discard, r.n)
	}
}

func TestServeEndsWithItsContext(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	b := newBackend()
	ctx, cancel := context.WithCancel(t.Context())
	s := Serve(ctx, l, b, Options{})
	failed := make(chan error, 1)
	db := open(t, s, "root", "")
	go func() {
		_, err := db.Exec("sleep")
		failed <- err
	}()
	b.await(t, "asleep")
	cancel()
	b.await(t, "stopped")
	if <-failed == nil {
		t.Error("the statement did not fail")
	}
	if err := s.Shutdown(t.Context()); err != nil {
		t.Error(err)
	}
}
