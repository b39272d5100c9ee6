package rds

import (
	"crypto/hmac"
	"crypto/sha256"
	"crypto/tls"
	"encoding/hex"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"time"

	"lakeport/internal/iam"
	"lakeport/internal/sandbox"
	"lakeport/internal/sigv4"
)

// door decides who may log in to one database by a token.
type door struct {
	*Service
	db       *database
	endpoint string // the host and port that the client has come to, and its token is made for
}

// How long a token lives, and how far its time may lie ahead ("IAM database
// authentication": a lifetime of 15 minutes). Assumed: the tolerance, which is
// that of other signed requests to AWS.
const (
	maxLifetime = 15 * time.Minute
	tolerance   = 5 * time.Minute
)

// password is what only the front knows of a user that logs in by tokens.
func (d *door) password(user string) string {
	mac := hmac.New(sha256.New, []byte(d.db.Seed))
	mac.Write([]byte(user))
	return hex.EncodeToString(mac.Sum(nil))
}

// admit decides a login by token over TLS. The client hears no reason, as on
// RDS; the decision log has it.
func (d *door) admit(user, token string) bool {
	call, err := d.check(user, token)
	code, detail := "", ""
	if err != nil {
		code, detail = "AccessDenied", err.Error()
	}
	d.server.Settle(call, code, detail)
	return err == nil
}

func (d *door) check(user, token string) (*sandbox.Call, error) {
	u, err := url.Parse("http://" + token)
	if err != nil {
		err = errors.New("the token is no URL") // url's own error would show it
		u = &url.URL{Path: "/"}
	}
	r := &http.Request{Method: http.MethodGet, URL: u, Host: u.Host, Header: http.Header{}, TLS: &tls.ConnectionState{}}
	call, result, verified := d.server.Foreign(r)
	call.Service, call.Action, call.Region = "rds-db", "rds-db:connect", d.db.Region
	switch q := u.Query(); {
	case err != nil:
		return call, err
	case verified != nil:
		var auth *sigv4.Error
		if errors.As(verified, &auth) {
			return call, fmt.Errorf("the token's signature: %w", auth)
		}
		return call, verified
	case result.Anonymous || !result.Presigned:
		return call, errors.New("the password is no token: it carries no signature")
	case q.Get("Action") != "connect":
		return call, fmt.Errorf("the token is for the action %q, not connect", q.Get("Action"))
	case q.Get("DBUser") != user:
		return call, fmt.Errorf("the token is for the user %q, the login for %q", q.Get("DBUser"), user)
	case u.Host != d.endpoint || u.Path != "/" && u.Path != "":
		return call, fmt.Errorf("the token is for %s, the endpoint is %s", u.Host, d.endpoint)
	case result.Service != "rds-db" || result.Region != d.db.Region:
		return call, fmt.Errorf("the token is scoped to %s in %s, the database is in %s", result.Service, result.Region, d.db.Region)
	case result.Lifetime > maxLifetime:
		return call, fmt.Errorf("the token asks for %s, a token lives %s at most", result.Lifetime, maxLifetime)
	case result.Date.After(call.Now.Add(tolerance)):
		return call, fmt.Errorf("the token is dated %s, the time is %s", result.Date.Format(time.RFC3339), call.Now.UTC().Format(time.RFC3339))
	case !d.db.IAM:
		return call, errors.New("IAM database authentication is off: modify the database with --enable-iam-database-authentication")
	}
	need := sandbox.Need{Action: call.Action, Resource: iam.Resource{ARN: fmt.Sprintf("arn:aws:rds-db:%s:%s:dbuser:%s/%s",
		d.db.Region, d.db.Account, d.db.ID, user), Account: d.db.Account}}
	decision := call.May(need)
	if decision.Effect != iam.Allow {
		return call, call.Denied(need, decision)
	}
	return call, nil
}
