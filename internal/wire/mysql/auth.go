package mysql

import (
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha1"
	"crypto/sha256"
	"crypto/subtle"
	"crypto/x509"
	"encoding/pem"
	"fmt"

	"lakeport/internal/sqlerr"
	"lakeport/internal/wire"
)

const (
	pluginNative = "mysql_native_password"
	pluginSHA2   = "caching_sha2_password"
)

// Second bytes of the packets in which caching_sha2_password goes on: MySQL
// Internals Manual, "Caching_sha2_password information".
const (
	sha2KeyRequest = 0x02
	sha2FastOK     = 0x03
	sha2Full       = 0x04
)

// codeOldClient is MySQL's ER_NOT_SUPPORTED_AUTH_MODE.
var codeOldClient = sqlerr.Code{MySQL: 1251, State: "08004"}

// exchange is one login's proof of the password.
type exchange struct {
	c      *conn
	plugin string
	reply  []byte
}

// verify decides whether the client knows the password behind v. It answers
// with the client's own plugin where v allows it and switches where not.
func (x *exchange) verify(v wire.Verifier) (bool, error) {
	if want := choosePlugin(x.plugin, v); want != x.plugin {
		if err := x.switchTo(want); err != nil {
			return false, err
		}
	}
	if x.empty() || v.Empty {
		return x.empty() && v.Empty, nil
	}
	if x.plugin == pluginNative {
		return checkNative(x.c.salt[:], x.reply, v.Native), nil
	}
	if v.SHA2 == nil && v.Native != nil {
		return x.full(v)
	}
	if !checkSHA2(x.c.salt[:], x.reply, v.SHA2) {
		return false, nil
	}
	return true, x.c.writeFlush(headMoreAuth, sha2FastOK)
}

// empty tells whether the reply stands for the empty password. Some clients
// of caching_sha2_password say so with a NUL byte.
func (x *exchange) empty() bool {
	return len(x.reply) == 0 || x.plugin == pluginSHA2 && len(x.reply) == 1 && x.reply[0] == 0
}

// choosePlugin picks the plugin that can check v: the client's if it can, and
// also if none can. caching_sha2_password always can, since its full
// authentication yields the password itself.
func choosePlugin(client string, v wire.Verifier) string {
	switch {
	case client == pluginSHA2:
		return pluginSHA2
	case v.SHA2 != nil && v.Native == nil && !v.Empty:
		return pluginSHA2
	}
	return pluginNative
}

// switchTo has the client answer again by another plugin. The challenge stays
// the greeting's, which is what COM_CHANGE_USER is answered with as well.
func (x *exchange) switchTo(plugin string) error {
	if x.c.caps&capPluginAuth == 0 {
		return sqlerr.New(sqlerr.Denied, "Client does not support authentication protocol requested by server (%s)",
			plugin).With(codeOldClient).WithHint("connect with a client that knows authentication plugins")
	}
	b := append(x.c.pk.begin(), headAuthSwitch)
	b = append(append(b, plugin...), 0)
	b = append(append(b, x.c.salt[:]...), 0)
	if err := x.c.pk.end(b); err != nil {
		return err
	}
	reply, err := x.c.ask()
	if err != nil {
		return err
	}
	x.plugin, x.reply = plugin, append([]byte(nil), reply...)
	return nil
}

// full obtains the password itself, in TLS or under the server's RSA key, and
// checks it against what is stored.
func (x *exchange) full(v wire.Verifier) (bool, error) {
	if err := x.c.pk.end(append(x.c.pk.begin(), headMoreAuth, sha2Full)); err != nil {
		return false, err
	}
	b, err := x.c.ask()
	if err != nil {
		return false, err
	}
	if !x.c.tls {
		if b, err = x.decrypt(b); err != nil {
			return false, err
		}
	}
	if n := len(b); n > 0 && b[n-1] == 0 {
		return checkClear(b[:n-1], v), nil
	}
	return false, nil
}

// decrypt reads a password that RSA protects: OAEP over the password XORed
// with the challenge. The client may first ask for the key. Bytes that do not
// decrypt yield nothing, as a wrong password does.
func (x *exchange) decrypt(b []byte) ([]byte, error) {
	key, err := x.c.srv.rsaKey()
	if err != nil {
		return nil, err
	}
	if len(b) == 1 && b[0] == sha2KeyRequest {
		der, err := x509.MarshalPKIXPublicKey(&key.PublicKey)
		if err != nil {
			return nil, fmt.Errorf("encode RSA key: %w", err)
		}
		text := pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der})
		if err := x.c.pk.end(append(append(x.c.pk.begin(), headMoreAuth), text...)); err != nil {
			return nil, err
		}
		if b, err = x.c.ask(); err != nil {
			return nil, err
		}
	}
	clear, err := rsa.DecryptOAEP(sha1.New(), nil, key, b, nil)
	if err != nil {
		return nil, nil
	}
	for i := range clear {
		clear[i] ^= x.c.salt[i%len(x.c.salt)]
	}
	return clear, nil
}

// checkNative checks SHA1(password) XOR SHA1(salt + SHA1(SHA1(password)))
// against the stored SHA1(SHA1(password)).
func checkNative(salt, reply, stored []byte) bool {
	if len(reply) != sha1.Size || len(stored) != sha1.Size {
		return false
	}
	mask := sha1.Sum(append(append([]byte(nil), salt...), stored...))
	for i := range mask {
		mask[i] ^= reply[i]
	}
	again := sha1.Sum(mask[:])
	return subtle.ConstantTimeCompare(again[:], stored) == 1
}

// checkSHA2 checks SHA256(password) XOR SHA256(SHA256(SHA256(password)) +
// salt) against the stored SHA256(SHA256(password)).
func checkSHA2(salt, reply, stored []byte) bool {
	if len(reply) != sha256.Size || len(stored) != sha256.Size {
		return false
	}
	mask := sha256.Sum256(append(append([]byte(nil), stored...), salt...))
	for i := range mask {
		mask[i] ^= reply[i]
	}
	again := sha256.Sum256(mask[:])
	return subtle.ConstantTimeCompare(again[:], stored) == 1
}

// checkClear checks the password itself against whichever form is stored.
func checkClear(password []byte, v wire.Verifier) bool {
	if v.SHA2 != nil {
		once := sha256.Sum256(password)
		twice := sha256.Sum256(once[:])
		return subtle.ConstantTimeCompare(twice[:], v.SHA2) == 1
	}
	once := sha1.Sum(password)
	twice := sha1.Sum(once[:])
	return subtle.ConstantTimeCompare(twice[:], v.Native) == 1
}

// newSalt makes a challenge. It holds neither NUL, which ends it on the wire,
// nor the high bit, which some clients take for text.
func newSalt() (salt [20]byte) {
	rand.Read(salt[:])
	for i, c := range salt {
		salt[i] = c%94 + '!'
	}
	return salt
}
