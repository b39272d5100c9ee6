package sandbox_test

import (
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"math/big"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	awsiam "github.com/aws/aws-sdk-go-v2/service/iam"
	awssts "github.com/aws/aws-sdk-go-v2/service/sts"

	"lakeport/internal/sandbox"
)

// issuer is an OpenID Connect provider on this machine.
type issuer struct {
	url string
	rsa *rsa.PrivateKey
	ec  *ecdsa.PrivateKey
}

func b64(b []byte) string { return base64.RawURLEncoding.EncodeToString(b) }

func newIssuer(t testing.TB) *issuer {
	t.Helper()
	i := &issuer{}
	var err error
	if i.rsa, err = rsa.GenerateKey(rand.Reader, 2048); err != nil {
		t.Fatal(err)
	}
	if i.ec, err = ecdsa.GenerateKey(elliptic.P256(), rand.Reader); err != nil {
		t.Fatal(err)
	}
	mux := http.NewServeMux()
	mux.HandleFunc("/.well-known/openid-configuration", func(w http.ResponseWriter, _ *http.Request) {
		fmt.Fprintf(w, `{"issuer": %q, "jwks_uri": %q}`, i.url, i.url+"/keys")
	})
	mux.HandleFunc("/keys", func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, i.keys(t)) })
	s := httptest.NewServer(mux)
	t.Cleanup(s.Close)
	i.url = s.URL
	return i
}

func (i *issuer) keys(t testing.TB) string {
	point, err := i.ec.PublicKey.Bytes()
	if err != nil {
		t.Error(err)
	}
	return fmt.Sprintf(`{"keys": [{"kty": "RSA", "kid": "r", "n": %q, "e": %q}, {"kty": "EC", "kid": "e", "crv": "P-256", "x": %q, "y": %q}]}`,
		b64(i.rsa.N.Bytes()), b64(big.NewInt(int64(i.rsa.E)).Bytes()), b64(point[1:33]), b64(point[33:]))
}

// token signs claims with RS256 or ES256.
func (i *issuer) token(t testing.TB, algorithm string, claims map[string]any) string {
	t.Helper()
	head := fmt.Sprintf(`{"alg": %q, "kid": %q}`, algorithm, map[string]string{"RS256": "r", "ES256": "e"}[algorithm])
	body, err := json.Marshal(claims)
	if err != nil {
		t.Fatal(err)
	}
	signed := b64([]byte(head)) + "." + b64(body)
	sum := sha256.Sum256([]byte(signed))
	var signature []byte
	if algorithm == "ES256" {
		r, s, err := ecdsa.Sign(rand.Reader, i.ec, sum[:])
		if err != nil {
			t.Fatal(err)
		}
		signature = append(r.FillBytes(make([]byte, 32)), s.FillBytes(make([]byte, 32))...)
	} else if signature, err = rsa.SignPKCS1v15(rand.Reader, i.rsa, crypto.SHA256, sum[:]); err != nil {
		t.Fatal(err)
	}
	return signed + "." + b64(signature)
}

func TestWebIdentityAssumesTheRoleThatTrustsIt(t *testing.T) {
	l, i := open(t, sandbox.Options{}), newIssuer(t)
	ctx, c := context.Background(), l.iam(l.root)
	provider := must(c.CreateOpenIDConnectProvider(ctx, &awsiam.CreateOpenIDConnectProviderInput{Url: &i.url, ClientIDList: []string{"sts.amazonaws.com"}}))(t)
	host := strings.TrimPrefix(i.url, "http://")
	trust := fmt.Sprintf(`{"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Principal": {"Federated": %q}, "Action": "sts:AssumeRoleWithWebIdentity",
	  "Condition": {"StringEquals": {"%[2]s:aud": "sts.amazonaws.com", "%[2]s:sub": "system:serviceaccount:lab:lakeport"}}}]}`,
		*provider.OpenIDConnectProviderArn, host)
	role := must(c.CreateRole(ctx, &awsiam.CreateRoleInput{RoleName: aws.String("irsa"), AssumeRolePolicyDocument: &trust}))(t).Role
	now := l.Now().Unix()
	claims := func(change ...any) map[string]any {
		m := map[string]any{"iss": i.url, "sub": "system:serviceaccount:lab:lakeport", "aud": []string{"sts.amazonaws.com"}, "exp": now + 600, "nbf": now - 10}
		for j := 0; j < len(change); j += 2 {
			m[change[j].(string)] = change[j+1]
		}
		return m
	}
	forged := i.token(t, "RS256", claims())
	forged = forged[:len(forged)-6] + "AAAAAA"
	for _, tt := range []struct{ name, token, code, text string }{
		{"RS256", i.token(t, "RS256", claims()), "", ""},
		{"ES256", i.token(t, "ES256", claims("aud", "sts.amazonaws.com")), "", ""},
		{"another subject", i.token(t, "RS256", claims("sub", "eve")), "AccessDenied", "Not authorized to perform sts:AssumeRoleWithWebIdentity"},
		{"another audience", i.token(t, "RS256", claims("aud", "eve")), "InvalidIdentityToken", "Incorrect token audience"},
		{"expired", i.token(t, "RS256", claims("exp", now-1)), "ExpiredTokenException", "Token expired: current date/time"},
		{"not yet valid", i.token(t, "RS256", claims("nbf", now+100)), "InvalidIdentityToken", "not valid before"},
		{"another issuer", i.token(t, "RS256", claims("iss", "https://oidc.example.com")), "InvalidIdentityToken", "No OpenIDConnect provider found in your account for https://oidc.example.com"},
		{"forged", forged, "InvalidIdentityToken", "not a valid JWT"},
		{"no token", "a.b.c", "InvalidIdentityToken", "not a valid JWT"},
		{"unwanted session tags", i.token(t, "RS256", claims("https://aws.amazon.com/tags", map[string]any{"principal_tags": map[string][]string{"k": {"v"}}})),
			"AccessDenied", "Not authorized to perform sts:TagSession"},
	} {
		out, err := l.sts(aws.Credentials{}).AssumeRoleWithWebIdentity(ctx, &awssts.AssumeRoleWithWebIdentityInput{
			RoleArn: role.Arn, RoleSessionName: aws.String("pod"), WebIdentityToken: &tt.token, DurationSeconds: aws.Int32(900)})
		if code(err) != tt.code || err != nil && !strings.Contains(err.Error(), tt.text) {
			t.Errorf("%s: got %v, want %s with %q", tt.name, err, tt.code, tt.text)
		}
		if tt.code != "" || err != nil {
			continue
		}
		who := must(l.sts(aws.Credentials{AccessKeyID: *out.Credentials.AccessKeyId, SecretAccessKey: *out.Credentials.SecretAccessKey,
			SessionToken: *out.Credentials.SessionToken}).GetCallerIdentity(ctx, nil))(t)
		if !strings.HasSuffix(*who.Arn, ":assumed-role/irsa/pod") || *out.SubjectFromWebIdentityToken != "system:serviceaccount:lab:lakeport" ||
			*out.Audience != "sts.amazonaws.com" || *out.Provider != *provider.OpenIDConnectProviderArn {
			t.Errorf("%s: %s, %+v", tt.name, *who.Arn, out)
		}
	}
}

func TestKeysOfTheWorldFileSpareTheCallToTheIssuer(t *testing.T) {
	i := newIssuer(t)
	l := open(t, sandbox.Options{World: strings.NewReader(fmt.Sprintf(`{"accounts": {"111111111111": {
	  "oidc_providers": {"https://oidc.example.com/id": {"ClientIDList": ["c"], "JWKS": %s}},
	  "roles": {"r": {"AssumeRolePolicyDocument": {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "sts:AssumeRoleWithWebIdentity",
	    "Principal": {"Federated": "arn:aws:iam::111111111111:oidc-provider/oidc.example.com/id"}}]}}}}}}`, i.keys(t)))})
	token := i.token(t, "ES256", map[string]any{"iss": "https://oidc.example.com/id", "sub": "s", "aud": "c", "exp": time.Now().Unix() + 60})
	must(l.sts(aws.Credentials{}).AssumeRoleWithWebIdentity(context.Background(), &awssts.AssumeRoleWithWebIdentityInput{
		RoleArn: roleARN("r"), RoleSessionName: aws.String("s1"), WebIdentityToken: &token}))(t)
}
