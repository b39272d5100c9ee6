package sandbox_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"

	"lakeport/internal/sandbox"
)

// BenchmarkSignedCall is what the sandbox adds to a service's own work on
// each call: signature, identity, decision and log.
func BenchmarkSignedCall(b *testing.B) {
	l := open(b, sandbox.Options{})
	l.Add(echo{name: "s3"})
	key := l.user(b, "ann", allow("s3:Get*", "arn:aws:s3:::b/*"), allow("s3:*", "*"))
	for _, who := range []struct {
		name string
		aws.Credentials
	}{{"root", l.root}, {"user", key}} {
		b.Run(who.name, func(b *testing.B) {
			r := httptest.NewRequest("GET", l.url+"/b/k", nil)
			r.Header.Set("X-Amz-Content-Sha256", "UNSIGNED-PAYLOAD")
			if err := v4.NewSigner().SignHTTP(b.Context(), who.Credentials, r, "UNSIGNED-PAYLOAD", "s3", "us-east-1", time.Now()); err != nil {
				b.Fatal(err)
			}
			handler := l.Handler()
			b.ReportAllocs()
			for b.Loop() {
				w := httptest.NewRecorder()
				handler.ServeHTTP(w, r)
				if w.Code != http.StatusOK {
					b.Fatal(w.Code, w.Body)
				}
			}
		})
	}
}

// BenchmarkOpen is the start of a sandbox of 200 roles.
func BenchmarkOpen(b *testing.B) {
	var roles []string
	for i := range 200 {
		roles = append(roles, fmt.Sprintf(`"r%d": {"AssumeRolePolicyDocument": %s, "RolePolicyList": [{"PolicyName": "p", "PolicyDocument": %s}]}`,
			i, trusting("Service", "ec2.amazonaws.com"), allow("s3:*", "*")))
	}
	dir := b.TempDir()
	s, err := sandbox.Open(sandbox.Options{Dir: dir, World: strings.NewReader(`{"accounts": {"111111111111": {"roles": {` + strings.Join(roles, ",") + `}}}}`)})
	if err != nil {
		b.Fatal(err)
	}
	if err := s.Close(); err != nil {
		b.Fatal(err)
	}
	for b.Loop() {
		s, err := sandbox.Open(sandbox.Options{Dir: dir})
		if err != nil {
			b.Fatal(err)
		}
		if err := s.Close(); err != nil {
			b.Fatal(err)
		}
	}
}
