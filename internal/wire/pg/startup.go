package pg

import (
	"crypto/tls"
	"encoding/binary"
	"fmt"
	"io"
	"maps"
	"net"
	"slices"
	"strings"

	"github.com/jackc/pgx/v5/pgproto3"

	"lakeport/internal/sqlerr"
	"lakeport/internal/wire"
)

// The codes that stand where a startup message has its version.
const (
	codeCancel = 80877102
	codeSSL    = 80877103
	codeGSSENC = 80877104
)

// startupLimit bounds a message of a client that has not proved who it is
// (PostgreSQL's MAX_STARTUP_PACKET_LENGTH).
const startupLimit = 10000

// alpn is the protocol that clients name who start with TLS at once.
const alpn = "postgresql"

// tlsHello is the first byte of a TLS record that holds a ClientHello.
const tlsHello = 0x16

// startup takes the connection from its first byte to a session.
func (c *conn) startup() error {
	for {
		body, err := c.startupPacket()
		if err != nil {
			return err
		}
		switch code := binary.BigEndian.Uint32(body); code {
		case codeSSL:
			if err := c.negotiateTLS(); err != nil {
				return err
			}
		case codeGSSENC:
			if _, err := c.net.Write([]byte{'N'}); err != nil {
				return err
			}
		case codeCancel:
			if len(body) == 12 {
				c.srv.cancelRequest(binary.BigEndian.Uint32(body[4:]), body[8:])
			}
			return wire.ErrQuit
		default:
			return c.login(code, body[4:])
		}
	}
}

// startupPacket reads a message without a type, and nothing behind it: what
// stands there may be TLS. A client may also begin with TLS itself.
func (c *conn) startupPacket() ([]byte, error) {
	head := make([]byte, 4)
	if _, err := io.ReadFull(c.net, head[:1]); err != nil {
		return nil, wire.ErrQuit // a look at the port
	}
	if head[0] == tlsHello && !c.tls {
		if err := c.directTLS(); err != nil {
			return nil, err
		}
		return c.startupPacket()
	}
	if _, err := io.ReadFull(c.net, head[1:]); err != nil {
		return nil, err
	}
	n := int64(binary.BigEndian.Uint32(head)) - 4
	if n < 4 || n > startupLimit {
		return nil, malformed("the first message claims %d bytes: this is not PostgreSQL's protocol", n)
	}
	body := make([]byte, n)
	_, err := io.ReadFull(c.net, body)
	return body, err
}

// negotiateTLS answers an SSLRequest.
func (c *conn) negotiateTLS() error {
	if c.tls {
		return malformed("TLS was asked for inside TLS")
	}
	answer := byte('S')
	if c.srv.o.TLS == nil {
		answer = 'N'
	}
	if _, err := c.net.Write([]byte{answer}); err != nil || answer == 'N' {
		return err
	}
	_, err := c.startTLS(c.net)
	return err
}

// directTLS goes on in TLS whose first byte has been read. Such a client must
// name the protocol, so that no other one's bytes are taken for it.
func (c *conn) directTLS() error {
	if c.srv.o.TLS == nil {
		return malformed("this server has no TLS")
	}
	t, err := c.startTLS(&unread{c.net, []byte{tlsHello}})
	if err == nil && t.ConnectionState().NegotiatedProtocol != alpn {
		err = malformed("a client that starts with TLS must name the protocol %q by ALPN", alpn)
	}
	return err
}

func (c *conn) startTLS(under net.Conn) (*tls.Conn, error) {
	config := c.srv.o.TLS.Clone()
	config.NextProtos = []string{alpn}
	t := tls.Server(under, config)
	if err := t.HandshakeContext(c.Context()); err != nil {
		return nil, fmt.Errorf("start TLS with %s: %w", c.net.RemoteAddr(), err)
	}
	c.net, c.tls, c.out.w = t, true, t
	return t, nil
}

// unread is a connection some of whose bytes have been read already.
type unread struct {
	net.Conn
	first []byte
}

func (u *unread) Read(b []byte) (int, error) {
	if len(u.first) == 0 {
		return u.Conn.Read(b)
	}
	n := copy(b, u.first)
	u.first = u.first[n:]
	return n, nil
}

// login answers a StartupMessage: name and value in turn, each ended by a zero.
func (c *conn) login(version uint32, body []byte) error {
	if version>>16 != 3 {
		return sqlerr.New(sqlerr.Unsupported, "protocol %d.%d is not supported: this server speaks 3.0", version>>16, version&0xffff).With(sqlerr.Code{State: "0A000"})
	}
	params, err := parameters(body)
	if err != nil {
		return err
	}
	if version&0xffff > 0 {
		if err := c.negotiateVersion(params); err != nil {
			return err
		}
	}
	x := &exchange{c: c}
	user := params["user"]
	if user == "" {
		return sqlerr.New(sqlerr.Denied, "no PostgreSQL user name specified in startup packet").With(sqlerr.Code{State: "28000"})
	}
	s, err := c.srv.h.Login(c.Context(), wire.Login{
		Protocol: wire.Postgres, ConnID: c.id, User: user, Database: params["database"], Remote: c.net.RemoteAddr(), TLS: c.tls,
		Attrs: params, UsingPassword: true, Verify: x.verify, Kill: c.kill,
	})
	if err != nil {
		return err
	}
	c.sess = s
	if err := c.out.add(&pgproto3.AuthenticationOk{}); err != nil {
		return err
	}
	// Redshift's drivers ask for rows in a form of Redshift's own (versions 1 and
	// 2 of it); they are given PostgreSQL's, which is version 0.
	if params["client_protocol_version"] != "" {
		if err := c.tell(map[string]string{"server_protocol_version": "0"}); err != nil {
			return err
		}
	}
	if err := c.tell(s.Status().Parameters); err != nil {
		return err
	}
	return c.out.add(&pgproto3.BackendKeyData{ProcessID: c.id, SecretKey: c.key[:]})
}

func parameters(body []byte) (map[string]string, error) {
	params := map[string]string{}
	text, ended := strings.CutSuffix(string(body), "\x00")
	fields := strings.Split(text, "\x00")
	if n := len(fields); !ended || n%2 != 1 || fields[n-1] != "" {
		return nil, malformed("the startup message does not hold pairs of names and values")
	}
	for i := 0; i+1 < len(fields); i += 2 {
		params[fields[i]] = fields[i+1]
	}
	return params, nil
}

// negotiateVersion tells a client of a later 3.x that it is spoken to in 3.0,
// and which of the options it asked for are not known.
func (c *conn) negotiateVersion(params map[string]string) error {
	m := &pgproto3.NegotiateProtocolVersion{NewestMinorProtocol: 0}
	for _, name := range slices.Sorted(maps.Keys(params)) {
		if strings.HasPrefix(name, "_pq_.") {
			m.UnrecognizedOptions = append(m.UnrecognizedOptions, name)
		}
	}
	return c.out.add(m)
}
