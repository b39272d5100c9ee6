package syntax

import (
	"slices"
	"strings"
)

// Hidden is what stands for every secret in printed text.
const Hidden = "******"

// secretWords mark the property keys whose values are secret. StarRocks shows
// session tokens and external ids; lakeport does not.
var secretWords = []string{"secret", "access_key", "access-key", "accesskey", "password", "token", "credential", "external_id", "external-id"}

// notSecret are keys that hold one of secretWords and are safe to show.
var notSecret = []string{"vended-credentials-enabled", "credentials_provider", "credentials.provider", "token-refresh-enabled", "credentials_source"}

// IsSecret tells whether the value of a property key must not be shown.
func IsSecret(key string) bool {
	key = strings.ToLower(key)
	in := func(part string) bool { return strings.Contains(key, part) }
	return slices.ContainsFunc(secretWords, in) && !slices.ContainsFunc(notSecret, in)
}

// Redacted prints a statement for logs and process lists, without the secrets
// that RedactText finds.
func Redacted(s Statement) string {
	if p, ok := s.(*Prepare); ok && p.Text {
		inner := *p
		inner.From.Text = RedactText(p.From.Text)
		return inner.String()
	}
	return RedactText(s.String())
}

// credentialWords precede a string that is a secret.
var credentialWords = []string{"BY", "PASSWORD", "CREDENTIALS", "SECRET_ACCESS_KEY", "SESSION_TOKEN", "ACCESS_KEY_ID", "SECRET", "TOKEN", "KEY_ID", "MASTER_SYMMETRIC_KEY"}

// RedactText hides, in the text of any statement, string literals that follow
// a secret key or a word such as IDENTIFIED BY. Text that cannot be scanned is
// hidden from the fault on.
func RedactText(text string) string { return RedactTextIn(text, StarRocks) }

// RedactTextIn is RedactText for the statements of a dialect.
func RedactTextIn(text string, d Dialect) string {
	var b strings.Builder
	sc := NewScanner(text, d)
	done := 0
	secret := false
	for {
		t, err := sc.Next()
		if err != nil {
			return b.String() + text[done:sc.last.End] + " " + Hidden
		}
		if t.Kind == EOF {
			return b.String() + text[done:]
		}
		switch {
		case t.Kind == String && secret:
			b.WriteString(text[done:t.Pos] + "'" + Hidden + "'")
			done = t.End
			secret = false
		case t.Kind == String || t.Kind == Quoted:
			secret = IsSecret(t.Value())
		case t.Kind == Word:
			secret = slices.ContainsFunc(credentialWords, t.Is)
		case t.Kind == Op && !t.Is("=") && !t.Is("(") && !t.Is("=>"):
			secret = false
		}
	}
}
