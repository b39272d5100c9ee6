package pipe

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/binary"
	"encoding/pem"
	"io"
	"math/big"
	"net"
	"strings"
	"sync"
	"testing"
	"time"
)

// mysqlServer speaks as much of MySQL 8.4's protocol as a reader of its log
// asks for, with answers and events that a test gives it. There is no MySQL to
// be had here. Assumed: that a server sends what its documentation says
// (MySQL Source Code Documentation, "Client/Server Protocol").
type mysqlServer struct {
	t        *testing.T
	listener net.Listener
	tls      *tls.Config // nil: none is offered
	ca       string

	plugin   string // that the login is switched to; "" is caching_sha2_password's full way
	password string

	answers map[string][][]string // by the beginning of the query; none is OK
	events  [][]byte
	failure string // an ERR packet after the events
	refusal string // an ERR packet for COM_REGISTER_SLAVE

	mu     sync.Mutex
	heard  []string // the queries
	dump   []byte   // COM_BINLOG_DUMP_GTID
	secret string   // what came as password
}

// Capabilities ("Capabilities Flags") that the server has.
const (
	capLong = 1 | 1<<2 | 1<<9 | 1<<13 | 1<<15 // LONG_PASSWORD, LONG_FLAG, PROTOCOL_41, TRANSACTIONS, SECURE_CONNECTION
	capTLS  = 1 << 11
	capHigh = 1<<19 | 1<<21 | 1<<24 | 1<<27 // PLUGIN_AUTH, PLUGIN_AUTH_LENENC, DEPRECATE_EOF, QUERY_ATTRIBUTES
)

func newMySQLServer(t *testing.T, encrypted bool) *mysqlServer {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s := &mysqlServer{t: t, listener: l, password: "secret", answers: map[string][][]string{
		"SELECT ID, CHARACTER_SET_NAME":          {{"8", "latin1"}, {"45", "utf8mb4"}, {"63", "binary"}, {"255", "utf8mb4"}, {"54", "utf16"}, {"60", "utf32"}, {"28", "gbk"}},
		"SHOW GLOBAL VARIABLES LIKE 'BINLOG_CHE": {{"binlog_checksum", "CRC32"}},
	}}
	if encrypted {
		key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
		if err != nil {
			t.Fatal(err)
		}
		cert := &x509.Certificate{SerialNumber: big.NewInt(1), NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour), IsCA: true,
			BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign | x509.KeyUsageDigitalSignature, IPAddresses: []net.IP{net.ParseIP("127.0.0.1")}}
		der, err := x509.CreateCertificate(rand.Reader, cert, cert, &key.PublicKey, key)
		if err != nil {
			t.Fatal(err)
		}
		s.tls = &tls.Config{Certificates: []tls.Certificate{{Certificate: [][]byte{der}, PrivateKey: key}}}
		s.ca = string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}))
	}
	var work sync.WaitGroup
	t.Cleanup(func() { l.Close(); work.Wait() })
	work.Go(func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			t.Cleanup(func() { c.Close() })
			work.Go(func() { defer c.Close(); s.serve(c) })
		}
	})
	return s
}

// source is a reader of the server.
func (s *mysqlServer) source() *mysqlSource {
	host, port, _ := net.SplitHostPort(s.listener.Addr().String())
	return &mysqlSource{logins: logins{endpoint: endpoint{host: host, port: port, user: "reader", password: "secret", ca: s.ca, signing: host + ":" + port}}}
}

func (s *mysqlServer) serve(c net.Conn) {
	send := func(seq byte, payload []byte) {
		n := len(payload)
		_, _ = c.Write(append([]byte{byte(n), byte(n >> 8), byte(n >> 16), seq}, payload...)) // a reader that is gone is seen by receive
	}
	receive := func() (byte, []byte) {
		var head [4]byte
		if _, err := io.ReadFull(c, head[:]); err != nil {
			return 0, nil
		}
		payload := make([]byte, int(head[0])|int(head[1])<<8|int(head[2])<<16)
		if _, err := io.ReadFull(c, payload); err != nil {
			return 0, nil
		}
		return head[3], payload
	}
	ok := []byte{0, 0, 0, 2, 0, 0, 0}

	// "Protocol::HandshakeV10".
	caps := uint32(capLong | capHigh)
	if s.tls != nil {
		caps |= capTLS
	}
	b := append([]byte{10}, "8.4.3\x00"...)
	b = append(b, 7, 0, 0, 0)
	b = append(b, "saltsalt\x00"...)
	b = append(b, byte(caps), byte(caps>>8), 255, 2, 0, byte(caps>>16), byte(caps>>24), 21)
	b = append(b, make([]byte, 10)...)
	send(0, append(b, "saltsaltsalt\x00caching_sha2_password\x00"...))
	seq, packet := receive()
	if s.tls != nil && len(packet) == 32 { // "Protocol::SSLRequest"
		over := tls.Server(c, s.tls)
		if over.Handshake() != nil {
			return
		}
		c = over
		seq, packet = receive()
	}
	if packet == nil {
		return
	}
	if s.plugin != "" { // "Protocol::AuthSwitchRequest"
		send(seq+1, []byte("\xfe"+s.plugin+"\x00saltsaltsaltsaltsalt\x00"))
	} else { // "Caching_sha2_password information": perform_full_authentication
		send(seq+1, []byte{1, 4})
	}
	seq, packet = receive()
	given := strings.TrimRight(string(packet), "\x00")
	s.mu.Lock()
	s.secret = given
	s.mu.Unlock()
	if given != s.password {
		send(seq+1, []byte("\xff\x15\x04#28000Access denied for user 'reader'@'127.0.0.1' (using password: YES)"))
		return
	}
	send(seq+1, ok)
	for {
		_, packet := receive()
		switch {
		case len(packet) == 0 || packet[0] == 1: // COM_QUIT
			return
		case packet[0] == 3: // COM_QUERY, with no attributes before the text
			s.answer(string(packet[3:]), send, ok)
		case packet[0] == 0x15 && s.refusal != "": // COM_REGISTER_SLAVE
			send(1, []byte(s.refusal))
		case packet[0] == 0x1e: // COM_BINLOG_DUMP_GTID
			s.mu.Lock()
			s.dump = packet
			s.mu.Unlock()
			for i, e := range s.events {
				send(byte(i+1), append([]byte{0}, e...))
			}
			if s.failure != "" {
				send(byte(len(s.events)+1), []byte(s.failure))
			}
		default:
			send(1, ok)
		}
	}
}

// answer sends the rows of a query as text ("Text Resultset").
func (s *mysqlServer) answer(query string, send func(byte, []byte), ok []byte) {
	s.mu.Lock()
	s.heard = append(s.heard, query)
	s.mu.Unlock()
	rows, given := [][]string(nil), false
	for beginning, answer := range s.answers {
		if strings.HasPrefix(query, beginning) {
			rows, given = answer, true
		}
	}
	if !given {
		send(1, ok)
		return
	}
	columns := 1
	if len(rows) > 0 {
		columns = len(rows[0])
	}
	send(1, []byte{byte(columns)})
	seq := byte(2)
	for range columns { // "Protocol::ColumnDefinition41": a VARCHAR in utf8mb4
		send(seq, []byte("\x03def\x00\x00\x00\x01c\x00\x0c\xff\x00\xff\xff\x00\x00\xfd\x00\x00\x00\x00\x00"))
		seq++
	}
	for _, r := range rows {
		var b []byte
		for _, v := range r {
			b = append(lengthEncoded(b, len(v)), v...)
		}
		send(seq, b)
		seq++
	}
	send(seq, append([]byte{0xfe}, ok[1:]...))
}

// lengthEncoded appends "Protocol::LengthEncodedInteger".
func lengthEncoded(b []byte, n int) []byte {
	switch {
	case n < 251:
		return append(b, byte(n))
	case n < 1<<16:
		return binary.LittleEndian.AppendUint16(append(b, 0xfc), uint16(n))
	}
	return append(b, 0xfd, byte(n), byte(n>>8), byte(n>>16))
}
