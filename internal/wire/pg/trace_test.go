package pg

import (
	"bytes"
	"crypto/tls"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgproto3"

	"lakeport/internal/sqlerr"
	"lakeport/internal/wire"
)

func dial(t testing.TB, s *Server) net.Conn {
	t.Helper()
	c, err := net.Dial("tcp", s.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	c.SetDeadline(time.Now().Add(time.Minute))
	t.Cleanup(func() { c.Close() })
	return c
}

func encode(t testing.TB, list ...pgproto3.FrontendMessage) []byte {
	t.Helper()
	var b []byte
	for _, m := range list {
		var err error
		if b, err = m.Encode(b); err != nil {
			t.Fatal(err)
		}
	}
	return b
}

func hello(params ...string) *pgproto3.StartupMessage {
	m := &pgproto3.StartupMessage{ProtocolVersion: pgproto3.ProtocolVersionNumber, Parameters: map[string]string{"user": "root"}}
	for i := 0; i+1 < len(params); i += 2 {
		m.Parameters[params[i]] = params[i+1]
	}
	return m
}

func query(text string) pgproto3.FrontendMessage { return &pgproto3.Query{String: text} }

// conversations are what clients send; testdata/<name>.txt is what they get.
var conversations = map[string][]pgproto3.FrontendMessage{
	"simple":      {hello(), query("rows 2; warn slow down; set"), query(""), query("fail table"), query("rows 0")},
	"redshift":    {hello("client_protocol_version", "2", "driver_version", "x", "_pq_.compression", "lz4")},
	"transaction": {hello(), query("begin"), query("commit")},
	"extended": {hello(),
		&pgproto3.Parse{Name: "s", Query: "rows $1", ParameterOIDs: []uint32{20}}, &pgproto3.Describe{ObjectType: 'S', Name: "s"},
		&pgproto3.Bind{PreparedStatement: "s", ParameterFormatCodes: []int16{1}, Parameters: [][]byte{{0, 0, 0, 0, 0, 0, 0, 3}}, ResultFormatCodes: []int16{1}},
		&pgproto3.Describe{ObjectType: 'P'}, &pgproto3.Execute{}, &pgproto3.Close{ObjectType: 'S', Name: "s"}, &pgproto3.Sync{},
		&pgproto3.Parse{Query: "words äb c"}, &pgproto3.Bind{}, &pgproto3.Execute{}, &pgproto3.Flush{}, &pgproto3.Sync{},
		&pgproto3.Parse{Query: ""}, &pgproto3.Bind{}, &pgproto3.Describe{ObjectType: 'P'}, &pgproto3.Execute{}, &pgproto3.Sync{}},
	"portal": {hello(), query("begin"),
		&pgproto3.Parse{Query: "rows 3"}, &pgproto3.Bind{DestinationPortal: "p"}, &pgproto3.Execute{Portal: "p", MaxRows: 2}, &pgproto3.Sync{},
		&pgproto3.Execute{Portal: "p", MaxRows: 2}, &pgproto3.Execute{Portal: "p"}, &pgproto3.Sync{},
		&pgproto3.Bind{DestinationPortal: "q"}, &pgproto3.Execute{Portal: "q", MaxRows: 1}, &pgproto3.Parse{Name: "other", Query: "set"}, &pgproto3.Execute{Portal: "q", MaxRows: 1}, &pgproto3.Sync{},
		query("commit"), &pgproto3.Execute{Portal: "p"}, &pgproto3.Sync{}},
	"errors": {hello(), &pgproto3.Parse{Query: "bad text"}, &pgproto3.Bind{}, &pgproto3.Execute{}, &pgproto3.Sync{},
		&pgproto3.Bind{PreparedStatement: "nosuch"}, &pgproto3.Sync{},
		&pgproto3.Parse{Query: "rows $1", ParameterOIDs: []uint32{987654}}, &pgproto3.Sync{},
		&pgproto3.Parse{Query: "rows $1"}, &pgproto3.Bind{}, &pgproto3.Sync{},
		&pgproto3.Bind{ParameterFormatCodes: []int16{1}, Parameters: [][]byte{{1}}}, &pgproto3.Sync{},
		&pgproto3.Bind{Parameters: [][]byte{{0xff}}}, &pgproto3.Sync{}},
	"copy_in": {hello(), query("in text"), &pgproto3.CopyData{Data: []byte("1\ta\n2\t")}, &pgproto3.CopyData{Data: []byte("\\N\n\\.\n")}, &pgproto3.CopyDone{},
		query("in csv"), &pgproto3.CopyData{Data: []byte("1,\"a\n\"\"b\"\n,\n")}, &pgproto3.CopyDone{},
		query("in csv"), &pgproto3.CopyData{Data: []byte("1\n")}, &pgproto3.CopyDone{},
		query("in text"), &pgproto3.CopyFail{Message: "enough"}, query("rows 1")},
	"copy_out": {hello(), query("out text; out csv; out binary")},
}

func TestConversations(t *testing.T) {
	for name, list := range conversations {
		t.Run(name, func(t *testing.T) {
			s := serve(t, newBackend(), Options{})
			c := dial(t, s)
			if _, err := c.Write(encode(t, append(list, &pgproto3.Terminate{})...)); err != nil {
				t.Fatal(err)
			}
			answer, err := io.ReadAll(c)
			if err != nil {
				t.Fatal(err)
			}
			compare(t, name, dump(answer))
		})
	}
}

// dump prints messages one to a line: type, length, bytes, text.
func dump(b []byte) string {
	var out strings.Builder
	for len(b) >= 5 {
		n := int(binary.BigEndian.Uint32(b[1:])) + 1
		body := bytes.Clone(b[5:n])
		if b[0] == 'K' {
			copy(body[4:], make([]byte, 4)) // the secret key
		}
		text := strings.Map(func(r rune) rune {
			if r < ' ' || r > '~' {
				return '.'
			}
			return r
		}, string(body))
		fmt.Fprintf(&out, "%c %d %s %s\n", b[0], n-1, hex.EncodeToString(body), text)
		b = b[n:]
	}
	return out.String() + hex.EncodeToString(b)
}

func compare(t *testing.T, name, got string) {
	t.Helper()
	path := filepath.Join("testdata", name+".txt")
	if *rewrite {
		if err := os.WriteFile(path, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if got != string(want) {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
}

func TestStartupRefusesWhatIsNotTheProtocol(t *testing.T) {
	s := serve(t, newBackend(), Options{})
	for name, b := range map[string][]byte{
		"HTTP":        []byte("GET / HTTP/1.1\r\n\r\n"),
		"version 2":   {0, 0, 0, 8, 0, 2, 0, 0},
		"no user":     {0, 0, 0, 9, 0, 3, 0, 0, 0},
		"odd strings": append([]byte{0, 0, 0, 14, 0, 3, 0, 0}, "user\x00x"...),
	} {
		c := dial(t, s)
		c.Write(b)
		answer, _ := io.ReadAll(c)
		if len(answer) == 0 || answer[0] != 'E' || !bytes.Contains(answer, []byte("FATAL")) {
			t.Errorf("%s: got %q, want a fatal error", name, answer)
		}
	}
}

func TestNegotiation(t *testing.T) {
	config := selfSigned(t)
	s := serve(t, newBackend(), Options{TLS: config})
	c := dial(t, s)
	one := make([]byte, 1)
	c.Write([]byte{0, 0, 0, 8, 0x04, 0xd2, 0x16, 0x30}) // GSSENCRequest
	if io.ReadFull(c, one); one[0] != 'N' {
		t.Errorf("GSSENCRequest: got %q, want N", one)
	}
	c.Write([]byte{0, 0, 0, 8, 0x04, 0xd2, 0x16, 0x2f}) // SSLRequest
	if io.ReadFull(c, one); one[0] != 'S' {
		t.Errorf("SSLRequest: got %q, want S", one)
	}
	ask := func(c net.Conn) string {
		c.Write(encode(t, hello(), query("rows 1"), &pgproto3.Terminate{}))
		b, _ := io.ReadAll(c)
		return dump(b)
	}
	if got := ask(tls.Client(c, &tls.Config{InsecureSkipVerify: true})); !strings.Contains(got, "SELECT 1") {
		t.Errorf("TLS by request: got %s", got)
	}
	// libpq 17's sslnegotiation=direct starts with TLS and names the protocol.
	direct := tls.Client(dial(t, s), &tls.Config{InsecureSkipVerify: true, NextProtos: []string{"postgresql"}})
	if got := ask(direct); !strings.Contains(got, "SELECT 1") {
		t.Errorf("TLS at once: got %s", got)
	}
	if got := ask(tls.Client(dial(t, s), &tls.Config{InsecureSkipVerify: true})); strings.Contains(got, "SELECT 1") {
		t.Error("TLS at once without ALPN was let in")
	}
	plain := serve(t, newBackend(), Options{})
	c = dial(t, plain)
	c.Write([]byte{0, 0, 0, 8, 0x04, 0xd2, 0x16, 0x2f})
	if io.ReadFull(c, one); one[0] != 'N' {
		t.Errorf("SSLRequest without TLS: got %q, want N", one)
	}
	later := dial(t, plain)
	later.Write(encode(t, &pgproto3.StartupMessage{ProtocolVersion: 3<<16 | 2, Parameters: map[string]string{"user": "root", "_pq_.x": "1"}}, &pgproto3.Terminate{}))
	if b, _ := io.ReadAll(later); !strings.HasPrefix(dump(b), "v 19 0000000000000001") {
		t.Errorf("protocol 3.2: got %s", dump(b))
	}
}

// A statement ends when another connection asks with the right key, and when
// its client leaves.
func TestStatementsEnd(t *testing.T) {
	b := newBackend()
	s := serve(t, b, Options{})
	c := dial(t, s)
	c.Write(encode(t, hello()))
	front := pgproto3.NewFrontend(c, c)
	var key *pgproto3.BackendKeyData
	for {
		m, err := front.Receive()
		if err != nil {
			t.Fatal(err)
		}
		if k, is := m.(*pgproto3.BackendKeyData); is {
			key = &pgproto3.BackendKeyData{ProcessID: k.ProcessID, SecretKey: bytes.Clone(k.SecretKey)}
		}
		if _, is := m.(*pgproto3.ReadyForQuery); is {
			break
		}
	}
	c.Write(encode(t, query("wait")))
	<-b.started
	cancel := func(secret []byte) {
		other := dial(t, s)
		other.Write(encode(t, &pgproto3.CancelRequest{ProcessID: key.ProcessID, SecretKey: secret}))
		io.ReadAll(other)
	}
	cancel([]byte{1, 2, 3, 4})
	select {
	case err := <-b.ended:
		t.Fatalf("a wrong key ended the statement: %v", err)
	default:
	}
	cancel(key.SecretKey)
	if err := <-b.ended; !sqlerr.Is(err, sqlerr.Canceled) {
		t.Errorf("cancelled: got %v", err)
	}
	c.Write(encode(t, query("wait")))
	<-b.started
	c.Close()
	if err := <-b.ended; !errors.Is(err, wire.ErrGone) {
		t.Errorf("left: got %v", err)
	}
}
