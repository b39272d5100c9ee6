package pg

import (
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"encoding/binary"
	"io"
	"slices"
	"strconv"
	"strings"

	"github.com/jackc/pgx/v5/pgproto3"

	"lakeport/internal/sqlerr"
	"lakeport/internal/wire"
)

const mechanism = "SCRAM-SHA-256"

// exchange proves the client's password (RFC 5802, RFC 7677; PostgreSQL manual,
// "SASL Authentication").
type exchange struct{ c *conn }

// verify is wire.Login's. An account with an empty password asks for none.
func (x *exchange) verify(v wire.Verifier) (bool, error) {
	if v.Empty {
		return true, nil
	}
	if v.SCRAM == nil {
		return false, sqlerr.New(sqlerr.Denied, "the stored password has no form for %s", mechanism).With(sqlerr.AccessDenied).
			WithHint("set it again")
	}
	return x.scram(v.SCRAM)
}

func (x *exchange) scram(v *wire.SCRAM) (bool, error) {
	if err := x.send(&pgproto3.AuthenticationSASL{AuthMechanisms: []string{mechanism}}); err != nil {
		return false, err
	}
	var first pgproto3.SASLInitialResponse
	if err := x.receive(&first); err != nil {
		return false, err
	}
	if first.AuthMechanism != mechanism {
		return false, malformed("the client chose %q, which was not offered", first.AuthMechanism)
	}
	header, bare, err := splitFirst(string(first.Data))
	if err != nil {
		return false, err
	}
	fields := attributes(bare)
	if fields["r"] == "" {
		return false, malformed("the client's first SCRAM message has no nonce")
	}
	nonce := fields["r"] + rand.Text()
	challenge := "r=" + nonce + ",s=" + base64.StdEncoding.EncodeToString(v.Salt) + ",i=" + strconv.Itoa(v.Iterations)
	if err := x.send(&pgproto3.AuthenticationSASLContinue{Data: []byte(challenge)}); err != nil {
		return false, err
	}
	var last pgproto3.SASLResponse
	if err := x.receive(&last); err != nil {
		return false, err
	}
	text := string(last.Data)
	at := strings.LastIndex(text, ",p=")
	if at < 0 {
		return false, malformed("the client's last SCRAM message has no proof")
	}
	fields = attributes(text[:at])
	proof, err := base64.StdEncoding.DecodeString(text[at+3:])
	if err != nil || len(proof) != sha256.Size {
		return false, malformed("the client's SCRAM proof cannot be read")
	}
	if fields["r"] != nonce || fields["c"] != base64.StdEncoding.EncodeToString([]byte(header)) {
		return false, malformed("the client's last SCRAM message does not belong to its first")
	}
	signed := []byte(bare + "," + challenge + "," + text[:at])
	if !proves(v, signed, proof) {
		return false, nil
	}
	signature := base64.StdEncoding.EncodeToString(mac(v.ServerKey, signed))
	return true, x.c.out.add(&pgproto3.AuthenticationSASLFinal{Data: []byte("v=" + signature)})
}

// splitFirst cuts a first message into its channel binding header and the
// rest. Channel binding is not offered, so the header is n or, from a client
// that could bind, y.
func splitFirst(text string) (header, bare string, err error) {
	parts := strings.SplitN(text, ",", 3)
	if len(parts) != 3 || !slices.Contains([]string{"n", "y"}, parts[0]) {
		return "", "", malformed("the client's first SCRAM message cannot be read")
	}
	return parts[0] + "," + parts[1] + ",", parts[2], nil
}

func attributes(text string) map[string]string {
	fields := map[string]string{}
	for part := range strings.SplitSeq(text, ",") {
		if name, value, ok := strings.Cut(part, "="); ok {
			fields[name] = value
		}
	}
	return fields
}

// proves tells whether the proof was made with the password: it is the client's
// key, hidden by its signature, and the verifier holds that key's hash.
func proves(v *wire.SCRAM, signed, proof []byte) bool {
	key := mac(v.StoredKey, signed)
	for i := range key {
		key[i] ^= proof[i]
	}
	hash := sha256.Sum256(key)
	return subtle.ConstantTimeCompare(hash[:], v.StoredKey) == 1
}

func mac(key, text []byte) []byte {
	h := hmac.New(sha256.New, key)
	h.Write(text)
	return h.Sum(nil)
}

func (x *exchange) send(m pgproto3.BackendMessage) error {
	if err := x.c.out.add(m); err != nil {
		return err
	}
	return x.c.out.flush()
}

// receive reads a message of type p, which all answers to a challenge have.
func (x *exchange) receive(m pgproto3.FrontendMessage) error {
	head := make([]byte, 5)
	if _, err := io.ReadFull(x.c.net, head); err != nil {
		return wire.ErrQuit // psql asks its user for a password and connects again
	}
	n := int64(binary.BigEndian.Uint32(head[1:])) - 4
	if head[0] != 'p' || n < 0 || n > startupLimit {
		return malformed("expected the answer to a SASL challenge, found a message of type %q", head[0])
	}
	body := make([]byte, n)
	if _, err := io.ReadFull(x.c.net, body); err != nil {
		return err
	}
	if err := m.Decode(body); err != nil {
		return malformed("the answer to a SASL challenge cannot be read: %v", err)
	}
	return nil
}
