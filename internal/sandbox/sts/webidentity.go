package sts

import (
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/big"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"time"

	"lakeport/internal/iam"
	"lakeport/internal/sandbox"
	"lakeport/internal/sandbox/query"
	"lakeport/internal/sandbox/world"
)

// webIdentity is a verified token.
type webIdentity struct {
	provider *world.Provider
	claims   claims
}

// claims is the part of a JSON Web Token (RFC 7519) that STS reads.
type claims struct {
	Issuer          string   `json:"iss"`
	Subject         string   `json:"sub"`
	Audiences       audience `json:"aud"`
	AuthorizedParty string   `json:"azp"`
	Methods         []string `json:"amr"`
	Expires         float64  `json:"exp"`
	NotBefore       float64  `json:"nbf"`
	SourceIdentity  string   `json:"https://aws.amazon.com/source_identity"`
	Tags            struct {
		Principal  map[string][]string `json:"principal_tags"`
		Transitive []string            `json:"transitive_tag_keys"`
	} `json:"https://aws.amazon.com/tags"`
}

// audience is a string or a list of them.
type audience []string

// UnmarshalJSON reads either form.
func (a *audience) UnmarshalJSON(b []byte) error {
	var one string
	if err := json.Unmarshal(b, &one); err == nil {
		*a = audience{one}
		return nil
	}
	return json.Unmarshal(b, (*[]string)(a))
}

// audience is the client that the token was made for. Where there is an
// authorized party, AWS reads that (IAM User Guide, "Available keys for AWS
// web identity federation").
func (c claims) audience() string {
	if c.AuthorizedParty != "" {
		return c.AuthorizedParty
	}
	if len(c.Audiences) > 0 {
		return c.Audiences[0]
	}
	return ""
}

func (w *webIdentity) context() iam.Context {
	ctx := iam.Context{"aws:federatedprovider": {w.provider.ARN}}
	set := func(claim string, values ...string) {
		if len(values) > 0 && values[0] != "" {
			ctx[strings.ToLower(w.provider.URL)+":"+claim] = values
		}
	}
	set("aud", w.claims.audience())
	if w.claims.AuthorizedParty != "" && len(w.claims.Audiences) > 0 {
		set("oaud", w.claims.Audiences[0])
	}
	set("sub", w.claims.Subject)
	set("amr", w.claims.Methods...)
	return ctx
}

// prepareWebIdentity checks an AssumeRoleWithWebIdentity call. The token is
// the caller's proof of identity.
func (s *Service) prepareWebIdentity(c *sandbox.Call) ([]sandbox.Need, error) {
	a, err := readAssumption(c.Form(), "RoleArn", "RoleSessionName", "WebIdentityToken")
	if err != nil {
		return nil, err
	}
	if c.Form().Get("ProviderId") != "" {
		return nil, query.Invalid("ProviderId is for OAuth 2.0 access tokens, which the sandbox does not take.")
	}
	account := s.world.State().Accounts[roleAccount(a.arn)]
	if account == nil {
		return nil, refused("InvalidIdentityToken", "No OpenIDConnect provider found in your account for the role "+a.arn)
	}
	if a.identity, err = s.verify(c.Request.Context(), account, c.Form().Get("WebIdentityToken"), c.Now); err != nil {
		return nil, err
	}
	t := a.identity.claims
	a.sourceIdentity, a.transitive, a.tags = t.SourceIdentity, t.Tags.Transitive, map[string]string{}
	for key, values := range t.Tags.Principal {
		if len(values) != 1 {
			return nil, refused("InvalidIdentityToken", "The session tag "+key+" in the identity token does not have one value.")
		}
		a.tags[key] = values[0]
	}
	c.Caller.Principal = iam.Principal{Kind: iam.Federated, ARN: a.identity.provider.ARN}
	c.Prepared = a
	return s.needs(c, a, "sts:AssumeRoleWithWebIdentity"), nil
}

// verify checks a token against the account's providers (AssumeRoleWithWebIdentity
// in the STS API reference has the codes).
func (s *Service) verify(ctx context.Context, account *world.Account, token string, now time.Time) (*webIdentity, error) {
	t, err := parseToken(token)
	if err != nil {
		return nil, refused("InvalidIdentityToken", "The ID Token provided is not a valid JWT. (You may see this error if you sent an Access Token)")
	}
	provider := account.Providers.Find(withoutScheme(t.claims.Issuer))
	if provider == nil {
		return nil, refused("InvalidIdentityToken", "No OpenIDConnect provider found in your account for "+t.claims.Issuer)
	}
	keys, err := s.keys.of(ctx, provider, t.claims.Issuer, now)
	if err != nil {
		return nil, refused("InvalidIdentityToken", "Couldn't retrieve verification key from your identity provider,  please reference AssumeRoleWithWebIdentity documentation for requirements")
	}
	if err := t.check(keys); err != nil {
		return nil, refused("InvalidIdentityToken", "The ID Token provided is not a valid JWT. (You may see this error if you sent an Access Token)")
	}
	if end := unix(t.claims.Expires); !now.Before(end) {
		return nil, refused("ExpiredTokenException", fmt.Sprintf("Token expired: current date/time %d must be before the expiration date/time %d",
			now.Unix(), end.Unix()))
	}
	if begin := unix(t.claims.NotBefore); t.claims.NotBefore != 0 && now.Before(begin) {
		return nil, refused("InvalidIdentityToken", fmt.Sprintf("Token is not valid before %d", begin.Unix()))
	}
	if !slices.ContainsFunc(t.claims.Audiences, func(a string) bool { return slices.Contains(provider.ClientIDs, a) }) {
		return nil, refused("InvalidIdentityToken", "Incorrect token audience")
	}
	return &webIdentity{provider, t.claims}, nil
}

func unix(seconds float64) time.Time { return time.Unix(int64(seconds), 0) }

func withoutScheme(issuer string) string {
	_, rest, ok := strings.Cut(issuer, "://")
	if !ok {
		return issuer
	}
	return rest
}

// jwt is a token in its parts.
type jwt struct {
	algorithm, keyID string
	claims           claims
	signed           string // what the signature is over
	signature        []byte
}

func parseToken(text string) (*jwt, error) {
	parts := strings.Split(text, ".")
	if len(parts) != 3 {
		return nil, errors.New("a token has three parts")
	}
	var header struct {
		Algorithm string `json:"alg"`
		KeyID     string `json:"kid"`
	}
	t := &jwt{signed: parts[0] + "." + parts[1]}
	for i, into := range []any{&header, &t.claims} {
		b, err := base64.RawURLEncoding.DecodeString(parts[i])
		if err != nil {
			return nil, fmt.Errorf("decode part %d of token: %w", i+1, err)
		}
		if err := json.Unmarshal(b, into); err != nil {
			return nil, fmt.Errorf("read part %d of token: %w", i+1, err)
		}
	}
	var err error
	if t.signature, err = base64.RawURLEncoding.DecodeString(parts[2]); err != nil {
		return nil, fmt.Errorf("decode signature of token: %w", err)
	}
	t.algorithm, t.keyID = header.Algorithm, header.KeyID
	return t, nil
}

// webKey is one JSON Web Key (RFC 7517) of the kinds that AWS takes.
type webKey struct {
	Type  string `json:"kty"`
	ID    string `json:"kid"`
	N     string `json:"n"`
	E     string `json:"e"`
	Curve string `json:"crv"`
	X     string `json:"x"`
	Y     string `json:"y"`
}

// check verifies the signature with RS256 or ES256 (RFC 7518).
func (t *jwt) check(keys []webKey) error {
	digest := sha256.Sum256([]byte(t.signed))
	for _, k := range keys {
		if t.keyID != "" && k.ID != "" && k.ID != t.keyID {
			continue
		}
		switch {
		case t.algorithm == "RS256" && k.Type == "RSA":
			key, err := k.rsa()
			if err == nil && rsa.VerifyPKCS1v15(key, crypto.SHA256, digest[:], t.signature) == nil {
				return nil
			}
		case t.algorithm == "ES256" && k.Type == "EC":
			key, err := k.ecdsa()
			if err == nil && len(t.signature) == 64 && ecdsa.Verify(key, digest[:],
				new(big.Int).SetBytes(t.signature[:32]), new(big.Int).SetBytes(t.signature[32:])) {
				return nil
			}
		}
	}
	return fmt.Errorf("no key of %d verifies the %s signature", len(keys), t.algorithm)
}

func (k webKey) rsa() (*rsa.PublicKey, error) {
	n, err := base64.RawURLEncoding.DecodeString(k.N)
	if err != nil {
		return nil, err
	}
	e, err := base64.RawURLEncoding.DecodeString(k.E)
	if err != nil || len(e) > 4 || len(n) < 128 {
		return nil, errors.New("no RSA key")
	}
	return &rsa.PublicKey{N: new(big.Int).SetBytes(n), E: int(new(big.Int).SetBytes(e).Int64())}, nil
}

func (k webKey) ecdsa() (*ecdsa.PublicKey, error) {
	x, errX := base64.RawURLEncoding.DecodeString(k.X)
	y, errY := base64.RawURLEncoding.DecodeString(k.Y)
	if errX != nil || errY != nil || k.Curve != "P-256" || len(x) != 32 || len(y) != 32 {
		return nil, errors.New("no P-256 key")
	}
	point := append(append([]byte{4}, x...), y...)
	return ecdsa.ParseUncompressedPublicKey(elliptic.P256(), point)
}

// keySource finds the keys of providers: those given in the world file, else
// the issuer's own if the issuer is on this machine. The sandbox calls nobody
// else: it works without a network, and a token must not choose whom it calls.
type keySource struct {
	mu      sync.Mutex
	fetched map[string]fetchedKeys
}

type fetchedKeys struct {
	keys []webKey
	at   time.Time
}

const keyLifetime = 5 * time.Minute

func (s *keySource) of(ctx context.Context, p *world.Provider, issuer string, now time.Time) ([]webKey, error) {
	if len(p.Keys) > 0 {
		return parseKeys(p.Keys)
	}
	u, err := url.Parse(issuer)
	if err != nil {
		return nil, err
	}
	if ip := net.ParseIP(u.Hostname()); u.Hostname() != "localhost" && (ip == nil || !ip.IsLoopback()) {
		return nil, fmt.Errorf("issuer %s is not on this machine, and the world file gives no JWKS", issuer)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if f, ok := s.fetched[issuer]; ok && now.Sub(f.at).Abs() < keyLifetime {
		return f.keys, nil
	}
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	var discovery struct {
		Keys string `json:"jwks_uri"`
	}
	text, err := fetch(ctx, strings.TrimSuffix(issuer, "/")+"/.well-known/openid-configuration")
	if err != nil {
		return nil, err
	}
	if err := json.Unmarshal(text, &discovery); err != nil {
		return nil, fmt.Errorf("read discovery document: %w", err)
	}
	if keys, err := url.Parse(discovery.Keys); err != nil || keys.Host != u.Host {
		return nil, fmt.Errorf("jwks_uri %q is not at the issuer", discovery.Keys)
	}
	if text, err = fetch(ctx, discovery.Keys); err != nil {
		return nil, err
	}
	keys, err := parseKeys(text)
	if err != nil {
		return nil, err
	}
	if s.fetched == nil {
		s.fetched = map[string]fetchedKeys{}
	}
	s.fetched[issuer] = fetchedKeys{keys, now}
	return keys, nil
}

func parseKeys(text []byte) ([]webKey, error) {
	var set struct {
		Keys []webKey `json:"keys"`
	}
	if err := json.Unmarshal(text, &set); err != nil {
		return nil, fmt.Errorf("read key set: %w", err)
	}
	return set.Keys, nil
}

// issuers follows no redirect, which could lead away from this machine.
var issuers = &http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}

func fetch(ctx context.Context, address string) ([]byte, error) {
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, address, nil)
	if err != nil {
		return nil, err
	}
	answer, err := issuers.Do(r)
	if err != nil {
		return nil, fmt.Errorf("fetch %s: %w", address, err)
	}
	defer answer.Body.Close()
	if answer.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("fetch %s: %s", address, answer.Status)
	}
	return io.ReadAll(io.LimitReader(answer.Body, 1<<20))
}
