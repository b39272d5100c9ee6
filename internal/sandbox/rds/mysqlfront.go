package rds

import (
	"bytes"
	"context"
	"crypto/tls"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"slices"
	"strings"

	"lakeport/internal/syntax"
)

// The front of MariaDB shows the server's own greeting, with TLS offered, so
// that the ordinary login of users with passwords is relayed as it is.

// Capabilities (MySQL, "Capabilities Flags").
const (
	capConnectWithDB = 1 << 3
	capCompress      = 1 << 5
	capSSL           = 1 << 11
	capSecure        = 1 << 15
	capPluginAuth    = 1 << 19
	capLenencAuth    = 1 << 21
)

// Commands whose text the front reads.
const (
	comQuery   = 0x03
	comPrepare = 0x16
)

// maxLogin bounds a packet before the login is over, maxText the statements
// that are read for CREATE USER.
const (
	maxLogin = 1 << 16
	maxText  = 1 << 20
)

var errShort = errors.New("a packet of the handshake is cut short")

// readPacket gives the payload of one frame and its number.
func readPacket(r io.Reader, limit int) (payload []byte, seq byte, err error) {
	var head [4]byte
	if _, err := io.ReadFull(r, head[:]); err != nil {
		return nil, 0, err
	}
	n := length(head)
	if n > limit {
		return nil, 0, fmt.Errorf("a packet of %d bytes before the login is over", n)
	}
	payload = make([]byte, n)
	_, err = io.ReadFull(r, payload)
	return payload, head[3], err
}

func length(head [4]byte) int { return int(head[0]) | int(head[1])<<8 | int(head[2])<<16 }

func writePacket(w io.Writer, seq byte, payload []byte) error {
	n := len(payload)
	_, err := w.Write(append([]byte{byte(n), byte(n >> 8), byte(n >> 16), seq}, payload...))
	return err
}

// greeting is the server's first packet.
type greeting struct {
	payload []byte
	caps    int // where the lower half of the capabilities stands
	salt    []byte
}

func parseGreeting(b []byte) (*greeting, error) {
	end := bytes.IndexByte(b, 0)
	if len(b) == 0 || b[0] != 10 || end < 0 || len(b) < end+45 {
		return nil, errors.New("the server's greeting is not understood")
	}
	g := &greeting{payload: b, caps: end + 14}
	g.salt = append(slices.Clone(b[end+5:end+13]), b[end+32:end+44]...)
	return g, nil
}

// forClient offers TLS and takes compression away, which hides commands.
func (g *greeting) forClient() []byte {
	b := slices.Clone(g.payload)
	low := binary.LittleEndian.Uint16(b[g.caps:])
	binary.LittleEndian.PutUint16(b[g.caps:], (low|capSSL)&^capCompress)
	return b
}

// hello is a client's HandshakeResponse41, in the parts that the front changes.
type hello struct {
	head     []byte // capabilities to filler
	caps     uint32
	user     string
	database []byte // with its NUL, if given
	rest     []byte // connection attributes
}

func parseHello(b []byte) (*hello, error) {
	if len(b) < 33 {
		return nil, errShort
	}
	h := &hello{head: slices.Clone(b[:32]), caps: binary.LittleEndian.Uint32(b)}
	text := func() ([]byte, bool) {
		end := bytes.IndexByte(b, 0)
		if end < 0 {
			return nil, false
		}
		s := b[:end+1]
		b = b[end+1:]
		return s, true
	}
	b = b[32:]
	user, ok := text()
	if !ok || h.caps&(capSecure|capLenencAuth) == 0 || len(b) == 0 {
		return nil, errShort
	}
	h.user = string(user[:len(user)-1])
	// The length of a reply is below 251, and so one byte in either form.
	n := int(b[0])
	if n > 250 || len(b) < n+1 {
		return nil, errShort
	}
	b = b[n+1:]
	if h.caps&capConnectWithDB != 0 {
		if h.database, ok = text(); !ok {
			return nil, errShort
		}
	}
	if h.caps&capPluginAuth != 0 {
		if _, ok = text(); !ok {
			return nil, errShort
		}
	}
	h.rest = b
	return h, nil
}

// with gives the packet with another reply to the challenge.
func (h *hello) with(reply []byte) []byte {
	b := slices.Clone(h.head)
	binary.LittleEndian.PutUint32(b, (h.caps|capSecure)&^(capSSL|capCompress))
	b = append(append(b, h.user...), 0, byte(len(reply)))
	b = append(append(b, reply...), h.database...)
	if h.caps&capPluginAuth != 0 {
		b = append(b, "mysql_native_password\x00"...)
	}
	return append(b, h.rest...)
}

// serve implements engine.
func (m *mariadb) serve(_ context.Context, conn net.Conn, d *door) error {
	server, err := dial(m.data(), mariadbSocket)
	if err != nil {
		return err
	}
	defer server.Close()
	first, _, err := readPacket(server, maxLogin)
	if err != nil {
		return err
	}
	g, err := parseGreeting(first)
	if err != nil {
		return errors.Join(err, writePacket(conn, 0, first)) // an error of the server's, as too many connections
	}
	if err := writePacket(conn, 0, g.forClient()); err != nil {
		return err
	}
	packet, seq, err := readPacket(conn, maxLogin)
	if err != nil {
		return err
	}
	client, secure := conn, false
	if len(packet) == 32 && binary.LittleEndian.Uint32(packet)&capSSL != 0 {
		over := tls.Server(conn, d.authority.server)
		if err := over.Handshake(); err != nil {
			return fmt.Errorf("TLS handshake: %w", err)
		}
		client, secure = over, true
		if packet, seq, err = readPacket(client, maxLogin); err != nil {
			return err
		}
	}
	h, err := parseHello(packet)
	if err != nil {
		return err
	}
	byToken, err := m.marked(d, h.user)
	if err != nil {
		return err
	}
	l := &mysqlLogin{client: client, server: server, seq: seq}
	if byToken {
		err = l.byToken(d, h, g, secure)
	} else {
		binary.LittleEndian.PutUint32(packet, binary.LittleEndian.Uint32(packet)&^(capSSL|capCompress))
		err = l.relay(packet)
	}
	if err != nil || !l.in {
		return err
	}
	return splice(client, server, func() error { return m.commands(client, server, d) })
}

// mysqlLogin is the part of a connection between greeting and first command.
type mysqlLogin struct {
	client, server net.Conn
	seq            byte // of the client's last packet
	in             bool // the server has let the user in
}

// byToken asks for the token, decides it and logs in with the front's password.
func (l *mysqlLogin) byToken(d *door, h *hello, g *greeting, secure bool) error {
	if !secure { // the plugin of tokens takes none without TLS
		return l.refuse(h.user)
	}
	if err := writePacket(l.client, l.seq+1, []byte("\xfemysql_clear_password\x00")); err != nil {
		return err
	}
	token, seq, err := readPacket(l.client, maxLogin)
	if err != nil {
		return err
	}
	l.seq = seq
	if !d.admit(h.user, strings.TrimRight(string(token), "\x00")) {
		return l.refuse(h.user)
	}
	if err := writePacket(l.server, 1, h.with(nativeReply(d.password(h.user), g.salt))); err != nil {
		return err
	}
	answer, seq, err := readPacket(l.server, maxLogin)
	if err != nil {
		return err
	}
	if plugin, salt, ok := authSwitch(answer); ok && plugin == "mysql_native_password" {
		if err := writePacket(l.server, seq+1, nativeReply(d.password(h.user), salt)); err != nil {
			return err
		}
		if answer, _, err = readPacket(l.server, maxLogin); err != nil {
			return err
		}
	}
	l.in = len(answer) > 0 && answer[0] == 0
	return writePacket(l.client, l.seq+1, answer)
}

// authSwitch reads the server's wish for another plugin and challenge.
func authSwitch(b []byte) (plugin string, salt []byte, ok bool) {
	if len(b) < 2 || b[0] != 0xfe {
		return "", nil, false
	}
	name, rest, ok := bytes.Cut(b[1:], []byte{0})
	return string(name), bytes.TrimRight(rest, "\x00"), ok
}

// relay hands packets on until the server has decided. The client's numbers
// are ahead of the server's by its request for TLS.
func (l *mysqlLogin) relay(packet []byte) error {
	next := byte(1)
	for {
		if err := writePacket(l.server, next, packet); err != nil {
			return err
		}
		answer, seq, err := readPacket(l.server, maxLogin)
		if err != nil {
			return err
		}
		if err := writePacket(l.client, l.seq+1, answer); err != nil {
			return err
		}
		if len(answer) == 0 || answer[0] == 0 || answer[0] == 0xff {
			l.in = len(answer) > 0 && answer[0] == 0
			return nil
		}
		if packet, l.seq, err = readPacket(l.client, maxLogin); err != nil {
			return err
		}
		next = seq + 1
	}
}

// refuse is the answer to any login that fails (ER_ACCESS_DENIED_ERROR).
func (l *mysqlLogin) refuse(user string) error {
	from, _, _ := net.SplitHostPort(l.client.RemoteAddr().String())
	return writePacket(l.client, l.seq+1, fmt.Appendf(nil, "\xff\x15\x04#28000Access denied for user '%s'@'%s' (using password: YES)", user, from))
}

// commands hands the client's packets on and reads those that may make users.
func (m *mariadb) commands(client io.Reader, server io.Writer, d *door) error {
	for {
		var head [4]byte
		if _, err := io.ReadFull(client, head[:]); err != nil {
			return err
		}
		n := length(head)
		if head[3] != 0 || n == 0 || n > maxText {
			if _, err := server.Write(head[:]); err != nil {
				return err
			}
			if _, err := io.CopyN(server, client, int64(n)); err != nil {
				return err
			}
			continue
		}
		payload := make([]byte, n)
		if _, err := io.ReadFull(client, payload); err != nil {
			return err
		}
		if payload[0] == comQuery || payload[0] == comPrepare {
			text := withAccounts(string(payload[1:]), func(user string) string { return nativeHash(d.password(user)) })
			payload = append(payload[:1:1], text...)
		}
		if err := writePacket(server, 0, payload); err != nil {
			return err
		}
	}
}

// withAccounts gives accounts that a statement makes for tokens, IDENTIFIED
// WITH AWSAuthenticationPlugin AS 'RDS', the password that only the front
// knows. Other texts stay as they are.
func withAccounts(text string, hash func(user string) string) string {
	const plugin = "AWSAuthenticationPlugin" // RDS knows it in these capitals
	if !strings.Contains(text, plugin) {
		return text
	}
	toks, err := syntax.Scan(text, syntax.StarRocks)
	if err != nil {
		return text
	}
	var out strings.Builder
	done := 0
	for i := 3; i < len(toks)-2; i++ {
		if toks[i].Value() != plugin || !toks[i-2].Is("IDENTIFIED") || !toks[i-1].Is("WITH") && !toks[i-1].Is("VIA") ||
			!toks[i+1].Is("AS") && !toks[i+1].Is("USING") || toks[i+2].Kind != syntax.String || toks[i+2].Value() != "RDS" {
			continue
		}
		out.WriteString(text[done:toks[i-2].Pos] + "IDENTIFIED BY PASSWORD '" + hash(accountName(toks[:i-2])) + "'")
		done = toks[i+2].End
	}
	return out.String() + text[done:]
}

// accountName reads the user of 'user'[@'host'] at the end of the tokens.
func accountName(toks []syntax.Token) string {
	n := len(toks) - 1
	switch {
	case n >= 1 && toks[n].Kind == syntax.UserVar:
		n--
	case n >= 2 && toks[n-1].Is("@"):
		n -= 2
	}
	return toks[n].Value()
}
