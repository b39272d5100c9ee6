package mysql

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/binary"
	"fmt"
	"math/big"
	"time"

	"lakeport/internal/sqlerr"
	"lakeport/internal/wire"
)

// loginLimit bounds a packet of a client that has not proved who it is.
// Connection attributes, the longest part, are at most 64 KiB.
const loginLimit = 128 << 10

// codeHandshake is MySQL's ER_HANDSHAKE_ERROR.
var codeHandshake = sqlerr.Code{MySQL: 1043, State: "08S01"}

// hello is what a client says of itself, at login or in COM_CHANGE_USER.
type hello struct {
	caps     uint32
	user     string
	reply    []byte
	database string
	plugin   string
	attrs    map[string]string
}

// greet sends the server's first packet, protocol version 10.
func (c *conn) greet() error {
	caps := offered
	b := append(c.pk.begin(), 10)
	b = append(append(b, c.srv.o.Version...), 0)
	b = binary.LittleEndian.AppendUint32(b, c.id)
	b = append(append(b, c.salt[:8]...), 0)
	b = binary.LittleEndian.AppendUint16(b, uint16(caps))
	b = append(b, charsetUTF8)
	b = binary.LittleEndian.AppendUint16(b, statusAutocommit)
	b = binary.LittleEndian.AppendUint16(b, uint16(caps>>16))
	b = append(b, byte(len(c.salt)+1))
	b = append(b, make([]byte, 10)...)
	b = append(append(b, c.salt[8:]...), 0)
	b = append(append(b, c.srv.o.AuthPlugin...), 0)
	return c.pk.end(b)
}

// handshake greets the client, turns to TLS if it wishes, and logs it in.
func (c *conn) handshake() error {
	if err := c.greet(); err != nil {
		return err
	}
	b, err := c.ask()
	if err != nil {
		return err
	}
	if wantsTLS(b) {
		if err := c.startTLS(); err != nil {
			return err
		}
		if b, err = c.ask(); err != nil {
			return err
		}
	}
	h, err := parseHello(b)
	if err != nil {
		return err
	}
	c.caps = h.caps & offered
	return c.login(h)
}

// wantsTLS tells an SSLRequest, a reply cut off after its fixed part, from a
// whole reply.
func wantsTLS(b []byte) bool {
	return len(b) == 32 && binary.LittleEndian.Uint32(b)&capSSL != 0
}

// startTLS goes on in TLS. Nothing has been read beyond the SSLRequest, as
// login reads without a buffer: the client's TLS hello may stand right behind.
func (c *conn) startTLS() error {
	config, err := c.srv.tlsConfig()
	if err != nil {
		return err
	}
	t := tls.Server(c.net, config)
	if err := t.HandshakeContext(c.Context()); err != nil {
		return fmt.Errorf("start TLS with %s: %w", c.net.RemoteAddr(), err)
	}
	c.net, c.tls = t, true
	c.pk.r, c.pk.w = t, t
	return nil
}

// login asks the handler about the client and answers it.
func (c *conn) login(h hello) error {
	if h.attrs != nil {
		c.libmariadb = h.attrs["_client_name"] == "libmariadb"
	}
	x := &exchange{c: c, plugin: h.plugin, reply: h.reply}
	s, err := c.srv.h.Login(c.Context(), wire.Login{
		ConnID: c.id, User: h.user, Database: h.database, Remote: c.net.RemoteAddr(), TLS: c.tls,
		Attrs: h.attrs, UsingPassword: !x.empty(), Verify: x.verify, Kill: c.kill,
	})
	if err != nil {
		return err
	}
	c.sess = s
	c.database = s.Status().Database
	if err := c.writeOK(headOK, wire.Done{}, 0); err != nil {
		return err
	}
	return c.pk.flush()
}

// badHello is the answer to a reply that cannot be understood.
func badHello() error {
	return sqlerr.New(sqlerr.Invalid, "Bad handshake").With(codeHandshake).
		WithHint("connect with a client of MySQL 4.1 or later")
}

// parseHello reads HandshakeResponse41.
func parseHello(b []byte) (hello, error) {
	f := fields{b: b}
	h := hello{caps: f.uint32()}
	f.take(4 + 1 + 23) // the largest packet it takes, its charset, filler
	if f.broken || h.caps&capProtocol41 == 0 {
		return h, badHello()
	}
	h.user = f.zeroString()
	switch {
	case h.caps&capLenencAuth != 0:
		h.reply = f.lenBytes()
	case h.caps&capSecureConnection != 0:
		h.reply = f.take(uint64(f.uint8()))
	default:
		h.reply = []byte(f.zeroString())
	}
	if h.caps&capConnectWithDB != 0 {
		h.database = f.zeroString()
	}
	h.parsePlugin(&f)
	if f.broken {
		return h, badHello()
	}
	h.reply = append([]byte(nil), h.reply...)
	return h, nil
}

// parseChangeUser reads COM_CHANGE_USER behind its first byte. Whatever
// stands behind the database is optional.
func parseChangeUser(b []byte, caps uint32) (hello, error) {
	f := fields{b: b}
	h := hello{caps: caps, user: f.zeroString()}
	h.reply = append([]byte(nil), f.take(uint64(f.uint8()))...)
	h.database = f.zeroString()
	if len(f.b) > 0 {
		f.take(2) // charset
	}
	h.parsePlugin(&f)
	if f.broken {
		return h, badHello()
	}
	return h, nil
}

// parsePlugin reads the plugin's name and the attributes. A client that names
// no plugin answers by the one that the greeting named.
func (h *hello) parsePlugin(f *fields) {
	h.plugin = pluginNative
	if h.caps&capPluginAuth != 0 && len(f.b) > 0 {
		h.plugin = f.zeroString()
	}
	if h.caps&capConnectAttrs == 0 || len(f.b) == 0 {
		return
	}
	pairs := fields{b: f.lenBytes()}
	h.attrs = make(map[string]string)
	for len(pairs.b) > 0 && !pairs.broken {
		key := pairs.lenBytes()
		value := pairs.lenBytes()
		if !pairs.broken {
			h.attrs[string(key)] = string(value)
		}
	}
	f.broken = f.broken || pairs.broken
}

// SelfSigned makes a server's TLS configuration with a fresh certificate that
// nobody vouches for: it hides what is said, not who says it. Clients that
// verify certificates refuse it.
func SelfSigned() (*tls.Config, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, fmt.Errorf("make TLS key: %w", err)
	}
	now := time.Now()
	cert := &x509.Certificate{
		SerialNumber: big.NewInt(now.UnixNano()),
		Subject:      pkix.Name{CommonName: "lakeport"},
		DNSNames:     []string{"localhost"},
		NotBefore:    now.Add(-time.Hour),
		NotAfter:     now.AddDate(10, 0, 0),
		KeyUsage:     x509.KeyUsageDigitalSignature,
		ExtKeyUsage:  []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
	}
	der, err := x509.CreateCertificate(rand.Reader, cert, cert, key.Public(), key)
	if err != nil {
		return nil, fmt.Errorf("make TLS certificate: %w", err)
	}
	return &tls.Config{
		MinVersion:   tls.VersionTLS12,
		Certificates: []tls.Certificate{{Certificate: [][]byte{der}, PrivateKey: key}},
	}, nil
}

// changeUser logs the connection in again, as another user if need be.
func (c *conn) changeUser(b []byte) error {
	h, err := parseChangeUser(b, c.caps)
	if err != nil {
		return err
	}
	c.closeSession()
	return c.login(h)
}
