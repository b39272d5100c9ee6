package sandbox_test

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"

	"lakeport/internal/iam"
	"lakeport/internal/sandbox"
)

// echo is a service of any name that answers OK, or shows its errors as text.
type echo struct {
	name    string
	silent  bool // asks for no decision
	unknown bool // has no entry for the action
}

func (e echo) Name() string { return e.name }

func (e echo) Needs(c *sandbox.Call) ([]sandbox.Need, error) {
	c.Action = e.name + ":Echo"
	if e.silent {
		return nil, nil
	}
	if e.unknown {
		return nil, errors.New("no such action")
	}
	return []sandbox.Need{{Action: c.Action, Resource: iam.Resource{ARN: "*", Account: c.Caller.Principal.Account}}}, nil
}

func (echo) Policy(string) *iam.Policy { return nil }

func (echo) Serve(w http.ResponseWriter, c *sandbox.Call) error {
	w.Header().Set("Content-Length", "2")
	if _, err := io.Copy(io.Discard, c.Request.Body); err != nil {
		w.Header().Del("Content-Length")
		return err
	}
	_, err := w.Write([]byte("ok"))
	return err
}

func (echo) Fail(w http.ResponseWriter, _ *http.Request, _ string, err *sandbox.APIError) {
	w.WriteHeader(err.Status)
	fmt.Fprintf(w, "%s|%s|%v", err.Code, err.Message, err.Fields)
}

// TestAuthenticationErrors is the matrix of what each family of services says
// to requests that do not authenticate.
func TestAuthenticationErrors(t *testing.T) {
	l := open(t, sandbox.Options{World: strings.NewReader(twoAccounts)})
	l.Add(echo{name: "s3"})
	l.Add(echo{name: "glue"})
	root := aws.Credentials{AccessKeyID: "AKIAROOTROOTROOTROO1", SecretAccessKey: "rootsecret1"}
	form := "Action=GetCallerIdentity&Version=2011-06-15"
	type want struct {
		status int
		text   string
	}
	token := must(l.sts(root).GetSessionToken(t.Context(), nil))(t).Credentials
	session := aws.Credentials{AccessKeyID: *token.AccessKeyId, SecretAccessKey: *token.SecretAccessKey, SessionToken: *token.SessionToken}
	with := func(c aws.Credentials, change func(*aws.Credentials)) aws.Credentials { change(&c); return c }
	for _, tt := range []struct {
		name          string
		who           aws.Credentials
		signed        string // service in the scope, if not the right one
		region        string
		skew          time.Duration
		query, js, s3 want
	}{
		{name: "sound", who: root, query: want{200, "AKIA"}, js: want{200, "ok"}, s3: want{200, "ok"}},
		{name: "unknown key", who: aws.Credentials{AccessKeyID: "AKIAUNKNOWNUNKNOWN00", SecretAccessKey: "x"},
			query: want{403, "<Code>InvalidClientTokenId</Code><Message>The security token included in the request is invalid.</Message>"},
			js:    want{400, "UnrecognizedClientException|The security token included in the request is invalid."},
			s3:    want{403, "InvalidAccessKeyId|The AWS Access Key Id you provided does not exist in our records.|[[AWSAccessKeyId AKIAUNKNOWNUNKNOWN00]]"}},
		{name: "wrong secret", who: with(root, func(c *aws.Credentials) { c.SecretAccessKey = "wrong" }),
			query: want{403, "<Code>SignatureDoesNotMatch</Code><Message>The request signature we calculated does not match the signature you provided. Check your AWS Secret Access Key and signing method. Consult the service documentation for details.</Message>"},
			js:    want{400, "InvalidSignatureException|The request signature we calculated does not match"},
			s3:    want{403, "SignatureDoesNotMatch|The request signature we calculated does not match the signature you provided. Check your key and signing method.|[[AWSAccessKeyId AKIAROOTROOTROOTROO1] [StringToSign AWS4-HMAC-SHA256"}},
		{name: "temporary key without its token", who: with(session, func(c *aws.Credentials) { c.SessionToken = "" }),
			query: want{403, "InvalidClientTokenId"}, js: want{400, "UnrecognizedClientException"}, s3: want{403, "InvalidAccessKeyId"}},
		{name: "long-term key with a token", who: with(root, func(c *aws.Credentials) { c.SessionToken = session.SessionToken }),
			query: want{403, "InvalidClientTokenId"}, js: want{400, "UnrecognizedClientException"},
			s3: want{400, "InvalidToken|The provided token is malformed or otherwise invalid."}},
		{name: "damaged token", who: with(session, func(c *aws.Credentials) { c.SessionToken = c.SessionToken[:300] }),
			query: want{403, "InvalidClientTokenId"}, js: want{400, "UnrecognizedClientException"}, s3: want{400, "InvalidToken"}},
		{name: "clock an hour behind", who: root, skew: -time.Hour,
			query: want{403, "<Code>SignatureDoesNotMatch</Code><Message>Signature expired: "},
			js:    want{400, "InvalidSignatureException|Signature expired: "},
			s3:    want{403, "RequestTimeTooSkewed|The difference between the request time and the current time is too large.|[[RequestTime "}},
		{name: "clock an hour ahead", who: root, skew: time.Hour,
			query: want{403, "Signature not yet current: "}, js: want{400, "Signature not yet current: "}, s3: want{403, "RequestTimeTooSkewed"}},
		{name: "no such region", who: root, region: "us-esat-1",
			query: want{403, "<Code>SignatureDoesNotMatch</Code><Message>Credential should be scoped to a valid region.</Message>"},
			js:    want{400, "InvalidSignatureException|Credential should be scoped to a valid region."},
			s3:    want{400, "AuthorizationHeaderMalformed|The authorization header is malformed; the region 'us-esat-1' is wrong; expecting 'us-east-1'|[[Region us-east-1]]"}},
		{name: "another service's scope", who: root, signed: "ec2",
			query: want{403, "<Code>SignatureDoesNotMatch</Code><Message>Credential should be scoped to correct service: &#39;sts&#39;.</Message>"},
			js:    want{400, "InvalidSignatureException|Credential should be scoped to correct service: 'glue'."},
			s3:    want{501, "The sandbox has no service"}},
		{name: "unsigned",
			query: want{403, "<Code>MissingAuthenticationToken</Code><Message>Request is missing Authentication Token</Message>"},
			js:    want{400, "MissingAuthenticationTokenException|Request is missing Authentication Token"},
			s3:    want{403, "AccessDenied|Access Denied"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if tt.region == "" {
				tt.region = "eu-central-1"
			}
			at := l.Now().Add(tt.skew)
			for _, c := range []struct {
				service, method, path, body string
				headers                     []string
				want                        want
			}{
				{"sts", "POST", "/", form, []string{"Content-Type", "application/x-www-form-urlencoded"}, tt.query},
				{"glue", "POST", "/", "{}", []string{"X-Amz-Target", "AWSGlue.GetDatabases"}, tt.js},
				{"s3", "GET", "/bucket/key", "", nil, tt.s3},
			} {
				scope := c.service
				if tt.signed != "" {
					scope = tt.signed
				}
				status, text := l.call(t, tt.who, scope, tt.region, at, c.method, c.path, c.body, c.headers...)
				if tt.name == "sound" && c.service == "sts" {
					c.want.text = "111111111111"
				}
				if status != c.want.status || !strings.Contains(text, c.want.text) {
					t.Errorf("%s: got %d %s\nwant %d with %s", c.service, status, text, c.want.status, c.want.text)
				}
			}
		})
	}
}

func TestExpiredSessionIsTold(t *testing.T) {
	l := open(t, sandbox.Options{World: strings.NewReader(twoAccounts)})
	l.Add(echo{name: "s3"})
	l.Add(echo{name: "glue"})
	root := aws.Credentials{AccessKeyID: "AKIAROOTROOTROOTROO1", SecretAccessKey: "rootsecret1"}
	token := must(l.sts(root).GetSessionToken(t.Context(), nil))(t).Credentials
	session := aws.Credentials{AccessKeyID: *token.AccessKeyId, SecretAccessKey: *token.SecretAccessKey, SessionToken: *token.SessionToken}
	l.root = root
	l.instrument(t, "POST", "clock", `{"advance": "3601s"}`, nil)
	for _, tt := range []struct {
		service, path, target, body string
		status                      int
		want                        string
	}{
		{"sts", "/", "", "Action=GetCallerIdentity&Version=2011-06-15", 403, "<Code>ExpiredToken</Code><Message>The security token included in the request is expired</Message>"},
		{"glue", "/", "AWSGlue.GetTable", "{}", 400, "ExpiredTokenException|The security token included in the request is expired"},
		{"s3", "/b/k", "", "", 400, "ExpiredToken|The provided token has expired."},
	} {
		headers := []string{"Content-Type", "application/x-www-form-urlencoded"}
		if tt.target != "" {
			headers = []string{"X-Amz-Target", tt.target}
		}
		status, text := l.call(t, session, tt.service, "us-east-1", l.Now(), "POST", tt.path, tt.body, headers...)
		if status != tt.status || !strings.Contains(text, tt.want) {
			t.Errorf("%s: got %d %s, want %d with %s", tt.service, status, text, tt.status, tt.want)
		}
	}
}

// A service that forgets its check lets nobody in, nor does one without an
// entry for the action.
func TestCallWithoutDecisionIsDenied(t *testing.T) {
	l := open(t, sandbox.Options{})
	l.Add(echo{name: "glue", silent: true})
	l.Add(echo{name: "s3", silent: true})
	status, text := l.call(t, l.root, "glue", "us-east-1", l.Now(), "POST", "/", "{}", "X-Amz-Target", "AWSGlue.Echo")
	if status != 400 || !strings.Contains(text, "AccessDeniedException|User: arn:aws:iam::"+l.root.AccountID+":root is not authorized to perform: glue:Echo") {
		t.Errorf("got %d %s", status, text)
	}
	status, text = l.call(t, l.root, "s3", "us-east-1", l.Now(), "GET", "/b/k", "")
	if status != 403 || !strings.Contains(text, "AccessDenied|Access Denied") {
		t.Errorf("got %d %s", status, text)
	}
	l.Add(echo{name: "kms", unknown: true})
	status, text = l.call(t, l.root, "kms", "us-east-1", l.Now(), "POST", "/", "{}", "X-Amz-Target", "KMS.Rocket")
	if status != 400 || !strings.Contains(text, "AccessDeniedException") {
		t.Errorf("got %d %s", status, text)
	}
	status, text = l.call(t, l.root, "athena", "us-east-1", l.Now(), "POST", "/", "{}", "X-Amz-Target", "AmazonAthena.ListWorkGroups")
	if status != 501 || !strings.Contains(text, `{"__type":"NotImplemented","message":"The sandbox has no service \"athena\": it has glue, iam, kms, s3, sts."}`) {
		t.Errorf("got %d %s", status, text)
	}
	status, text = l.call(t, l.root, "ec2", "us-east-1", l.Now(), "GET", "/vpc", "")
	if status != 501 || !strings.Contains(text, "<Code>NotImplemented</Code>") {
		t.Errorf("got %d %s", status, text)
	}
	status, text = l.call(t, l.root, "iam", "us-east-1", l.Now(), "POST", "/", "Action=LaunchRocket&Version=2010-05-08",
		"Content-Type", "application/x-www-form-urlencoded")
	if status != 400 || !strings.Contains(text, "<Code>InvalidAction</Code><Message>Could not find operation LaunchRocket for version 2010-05-08</Message>") {
		t.Errorf("got %d %s", status, text)
	}
}
