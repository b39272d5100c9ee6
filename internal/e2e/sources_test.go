package e2e

import (
	"context"
	"crypto"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"database/sql"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"math/big"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/iam"
)

// sdk is use_aws_sdk_default_behavior, with roles on top if any.
func sdk(arns ...string) method {
	m := method{"use_aws_sdk_default_behavior": "true"}
	if len(arns) > 0 {
		m["iam_role_arn"] = strings.Join(arns, ",")
	}
	return m
}

// signers gives the principals of a query's S3 and Glue calls.
func (l *lab) signers(db *sql.DB, create string) (string, error) {
	l.t.Helper()
	l.exec(db, "DROP CATALOG IF EXISTS c", create)
	_, last := l.decisions(0, "&limit=0")
	got, err := value(db, fmt.Sprintf(total, "c"))
	if err != nil {
		return "", err
	}
	if got != "6 31.5" {
		l.t.Errorf("got %q", got)
	}
	log, _ := l.decisions(last, "")
	seen := map[string]bool{}
	for _, e := range log {
		if strings.HasPrefix(e.Action, "s3:") || strings.HasPrefix(e.Action, "glue:") {
			seen[e.Principal[strings.LastIndex(e.Principal, ":")+1:]] = true
		}
	}
	list := ""
	for p := range seen {
		list += p + " "
	}
	return strings.TrimSpace(list), nil
}

func (l *lab) expectSigner(db *sql.DB, create, want string) {
	l.t.Helper()
	got, err := l.signers(db, create)
	if err != nil || !strings.HasPrefix(got, want) || strings.Contains(got, " ") {
		l.t.Errorf("signed by %q, %v; want %s", got, err, want)
	}
}

func TestBaseIdentityFromAProfile(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	l := newLab(t, "AWS_CONFIG_FILE="+filepath.Join(dir, "config"), "AWS_SHARED_CREDENTIALS_FILE="+filepath.Join(dir, "credentials"), "AWS_PROFILE=lake")
	user := l.prepare()
	l.must(nil, os.WriteFile(filepath.Join(dir, "config"), nil, 0o600))
	l.must(nil, os.WriteFile(filepath.Join(dir, "credentials"),
		fmt.Appendf(nil, "[lake]\naws_access_key_id = %s\naws_secret_access_key = %s\n", user.AccessKeyID, user.SecretAccessKey), 0o600))
	db := l.db()
	l.expectSigner(db, catalogStatement("c", sdk(), sdk()), "user/alice")
	both := readLakeAndGlue()
	l.makeRole(home, "both", trusts("arn:aws:iam::"+home+":user/alice"), map[string]*string{"both": both})
	l.expectSigner(db, catalogStatement("c", sdk(role(home, "both")), sdk(role(home, "both"))), "assumed-role/both/lakeport")
	// Only a role: the default chain is its base.
	only := method{"iam_role_arn": role(home, "both")}
	l.expectSigner(db, catalogStatement("c", only, only), "assumed-role/both/lakeport")
}

func readLakeAndGlue() *string {
	return document(allow("s3:GetObject", getObject), allow("s3:ListBucket", listLake), allow(glueReads, allGlue))
}

func TestBaseIdentityFromTheContainer(t *testing.T) {
	t.Parallel()
	var user aws.Credentials
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Authorization") != "the-token" {
			http.Error(w, `{"code": "Denied", "message": "wrong token"}`, http.StatusUnauthorized)
			return
		}
		_ = json.NewEncoder(w).Encode(map[string]string{"AccessKeyId": user.AccessKeyID, "SecretAccessKey": user.SecretAccessKey,
			"Token": user.SessionToken, "Expiration": time.Now().Add(time.Hour).UTC().Format(time.RFC3339)})
	}))
	defer srv.Close()
	l := newLab(t, "AWS_CONTAINER_CREDENTIALS_FULL_URI="+srv.URL+"/creds", "AWS_CONTAINER_AUTHORIZATION_TOKEN=the-token")
	alice := l.prepare()
	l.makeRole(home, "task", trusts("arn:aws:iam::"+home+":user/alice"), map[string]*string{"both": readLakeAndGlue()})
	user = l.assume(alice, role(home, "task"), nil)
	l.expectSigner(l.db(), catalogStatement("c", sdk(), sdk()), "assumed-role/task/byhand")
}

func TestBaseIdentityFromAWebIdentityToken(t *testing.T) {
	t.Parallel()
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	var issuer string
	mux := http.NewServeMux()
	mux.HandleFunc("/.well-known/openid-configuration", func(w http.ResponseWriter, _ *http.Request) {
		_ = json.NewEncoder(w).Encode(map[string]string{"issuer": issuer, "jwks_uri": issuer + "/keys"})
	})
	b64 := base64.RawURLEncoding.EncodeToString
	mux.HandleFunc("/keys", func(w http.ResponseWriter, _ *http.Request) {
		_ = json.NewEncoder(w).Encode(map[string]any{"keys": []map[string]string{{"kty": "RSA", "kid": "one", "alg": "RS256", "use": "sig",
			"n": b64(key.N.Bytes()), "e": b64(big.NewInt(int64(key.E)).Bytes())}}})
	})
	srv := httptest.NewServer(mux)
	defer srv.Close()
	issuer = srv.URL
	token := filepath.Join(t.TempDir(), "token")
	sign := func(audience string) {
		head := b64([]byte(`{"alg":"RS256","kid":"one","typ":"JWT"}`))
		body := b64(fmt.Appendf(nil, `{"iss":%q,"aud":%q,"sub":"system:serviceaccount:data:lakeport","iat":%d,"exp":%d}`, issuer, audience, time.Now().Unix(), time.Now().Add(time.Hour).Unix()))
		sum := sha256.Sum256([]byte(head + "." + body))
		sig, err := rsa.SignPKCS1v15(rand.Reader, key, crypto.SHA256, sum[:])
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(token, []byte(head+"."+body+"."+b64(sig)), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	l := newLab(t, "AWS_WEB_IDENTITY_TOKEN_FILE="+token, "AWS_ROLE_ARN="+role(home, "pod"))
	l.prepare()
	host := strings.TrimPrefix(issuer, "http://")
	c := iam.NewFromConfig(l.as(rootKeys[home]))
	l.must(c.CreateOpenIDConnectProvider(context.Background(), &iam.CreateOpenIDConnectProviderInput{Url: aws.String(issuer), ClientIDList: []string{"sts.amazonaws.com"}}))
	l.makeRole(home, "pod", document(fmt.Sprintf(`{"Effect": "Allow", "Principal": {"Federated": "arn:aws:iam::%s:oidc-provider/%s"}, "Action": "sts:AssumeRoleWithWebIdentity",
		"Condition": {"StringEquals": {"%s:sub": "system:serviceaccount:data:lakeport"}}}`, home, host, host)), map[string]*string{"both": readLakeAndGlue()})
	sign("sts.amazonaws.com")
	web := method{"use_web_identity_token_file": "true"}
	db := l.db()
	l.expectSigner(db, catalogStatement("c", web, web), "assumed-role/pod/lakeport")

	sign("somebody else")
	l.exec(db, "REFRESH CREDENTIALS")
	if _, err := value(db, fmt.Sprintf(total, "c")); err == nil || !strings.HasPrefix(err.Error(), "No web identity: InvalidIdentityToken: ") {
		t.Errorf("got %v", err)
	}
}

func TestNoMetadataServiceIsToldApart(t *testing.T) {
	t.Parallel()
	l := newLab(t, "AWS_EC2_METADATA_SERVICE_ENDPOINT=http://127.0.0.1:1")
	l.prepare()
	db := l.db()
	l.exec(db, catalogStatement("c", instance(), instance()))
	if _, err := value(db, fmt.Sprintf(total, "c")); err == nil || !strings.HasPrefix(err.Error(), "No instance metadata service: http://127.0.0.1:1 does not answer") {
		t.Errorf("got %v", err)
	}
	gone := method{"use_instance_profile": "false", "access_key": "AKIAIOSFODNN7EXAMPLE", "secret_key": "x", "endpoint": "http://127.0.0.1:1"}
	l.exec(db, "DROP CATALOG c", catalogStatement("c", gone, gone))
	if _, err := value(db, fmt.Sprintf(total, "c")); err == nil || !strings.HasPrefix(err.Error(), "Unreachable: glue at http://127.0.0.1:1: ") {
		t.Errorf("got %v", err)
	}
}

// A session that AWS ends while a statement runs is renewed inside it, once for
// all the requests that were refused.
func TestASessionThatEndsInsideAStatementIsRenewed(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	l.prepare()
	l.wide(12)
	db := l.db()
	l.exec(db, catalogStatement("c", assumed(role(home, "s3_assumed_role")), instance()))
	rows, err := db.Query("SELECT * FROM c.sales.wide")
	l.must(rows, err)
	defer rows.Close()
	if !rows.Next() {
		t.Fatal(rows.Err())
	}
	_, last := l.decisions(0, "&limit=0")
	l.instrument("POST", "faults", map[string]any{"service": "s3", "status": 400, "code": "ExpiredToken", "message": "The provided token has expired.", "count": 5}, nil)
	n := 1
	for rows.Next() {
		n++
	}
	if err := rows.Err(); err != nil || n != 1_200_000 {
		t.Fatalf("%d rows, %v", n, err)
	}
	refused := 0
	log, _ := l.decisions(last, "")
	for _, e := range log {
		if e.Status == 400 {
			refused++
		}
	}
	if log, _ := l.decisions(last, "&action=sts:AssumeRole"); len(log) != 1 || refused != 5 {
		t.Errorf("%d AssumeRole calls after %d refusals, want 1 after 5", len(log), refused)
	}
}
