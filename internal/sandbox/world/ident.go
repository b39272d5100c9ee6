package world

import (
	"crypto/rand"
	"encoding/base32"
	"encoding/base64"
	"encoding/binary"
	"math/big"
	"strconv"
	"strings"
)

// Prefixes of AWS's unique identifiers (IAM User Guide, "IAM identifiers").
const (
	prefixUser     = "AIDA"
	prefixRole     = "AROA"
	prefixGroup    = "AGPA"
	prefixProfile  = "AIPA"
	prefixPolicy   = "ANPA"
	prefixKey      = "AKIA"
	prefixTempKey  = "ASIA"
	accountMask    = 0x7fffffffff80
	accountShift   = 7
	accountTopBit  = 1 << 47
	identifierBody = 16
)

var base32Upper = base32.StdEncoding.WithPadding(base32.NoPadding)

// randomBytes draws from the system's generator, which does not fail on Linux.
func randomBytes(n int) []byte {
	b := make([]byte, n)
	rand.Read(b)
	return b
}

// identifier makes prefix and 16 base32 characters whose first 48 bits are a
// one, the account number and noise, as AWS's have been since 2019.
func identifier(prefix, account string) string {
	b := randomBytes(10)
	number, _ := strconv.ParseUint(account, 10, 64)
	head := uint64(accountTopBit) | number<<accountShift&accountMask | uint64(b[5]&0x7f)
	var wide [8]byte
	binary.BigEndian.PutUint64(wide[:], head)
	copy(b[:6], wide[2:])
	return prefix + base32Upper.EncodeToString(b)
}

// uniqueID is an identifier of 21 characters, as entities have.
func uniqueID(prefix, account string) string {
	return identifier(prefix, account) + base32Upper.EncodeToString(randomBytes(1))[:1]
}

// AccountOf reads the account number out of an access key id or unique id;
// ok is false for text of another form. It does not say that the id exists.
func AccountOf(id string) (account string, ok bool) {
	if len(id) < 4+identifierBody {
		return "", false
	}
	b, err := base32Upper.DecodeString(id[4 : 4+identifierBody])
	if err != nil || b[0]&0x80 == 0 {
		return "", false
	}
	var wide [8]byte
	copy(wide[2:], b[:6])
	number := binary.BigEndian.Uint64(wide[:]) & accountMask >> accountShift
	text := strconv.FormatUint(number, 10)
	if len(text) > 12 {
		return "", false
	}
	return strings.Repeat("0", 12-len(text)) + text, true
}

// newSecret makes the 40 characters of a secret access key.
func newSecret() string { return base64.StdEncoding.EncodeToString(randomBytes(30)) }

// newAccount draws an account number.
func newAccount() string {
	n, _ := rand.Int(rand.Reader, big.NewInt(899_999_999_999))
	return strconv.FormatInt(100_000_000_000+n.Int64(), 10)
}

func isAccount(s string) bool {
	if len(s) != 12 {
		return false
	}
	for _, c := range []byte(s) {
		if c < '0' || c > '9' {
			return false
		}
	}
	return true
}

// ARN is arn:aws:iam::account:kind + path + name; kind is "user", "role",
// "group", "instance-profile" or "policy", and path begins and ends with "/".
func ARN(account, kind, path, name string) string {
	return "arn:aws:iam::" + account + ":" + kind + path + name
}

// RootARN is the ARN of the account's root user.
func RootARN(account string) string { return "arn:aws:iam::" + account + ":root" }

// Token is an unguessable text, for the metadata service.
func Token() string { return base64.RawURLEncoding.EncodeToString(randomBytes(42)) }
