package sts

import "testing"

func FuzzWebIdentityToken(f *testing.F) {
	keys := `{"keys": [{"kty": "EC", "crv": "P-256", "x": "MKBCTNIcKUSDii11ySs3526iDZ8AiTo7Tu6KPAqv7D4", "y": "4Etl6SRW2YiLUrN5vfvVHuhp7x8PxltmWWlbbM4IFyM"},
	  {"kty": "RSA", "n": "AQAB", "e": "AQAB"}]}`
	f.Add("eyJhbGciOiJFUzI1NiJ9.eyJpc3MiOiJ4IiwiYXVkIjpbImEiXSwiYXpwIjoiYiIsImV4cCI6MWUzMDB9.AAAA", keys)
	f.Add("eyJhbGciOiJSUzI1NiJ9.eyJhdWQiOiJhIn0.AAAA", keys)
	f.Add("..", `{"keys": [{"kty": "EC", "crv": "P-256"}]}`)
	f.Fuzz(func(t *testing.T, text, keys string) {
		token, err := parseToken(text)
		if err != nil {
			return
		}
		token.claims.audience()
		unix(token.claims.Expires)
		set, err := parseKeys([]byte(keys))
		if err != nil {
			return
		}
		if token.check(set) == nil && token.algorithm != "ES256" && token.algorithm != "RS256" {
			t.Errorf("algorithm %q verifies", token.algorithm)
		}
	})
}
