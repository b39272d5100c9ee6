package pipe

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"os"
	"strings"

	"lakeport/internal/awsauth"
	"lakeport/internal/iam"
	"lakeport/internal/lake"
	"lakeport/internal/sqlerr"
)

// source is a database that a pipe reads. Its methods may be called from many
// goroutines but for close.
type source interface {
	// describe finds the columns and the key of a table, and refuses what could
	// not be read, or not be followed where changes are wanted.
	describe(ctx context.Context, t *Table, changes bool) error
	// cut fixes the point from which the changes are to be read, and from which
	// on the initial load may see rows. It is "" where only a load is wanted
	// and the source needs none.
	cut(ctx context.Context, changes bool) (position string, err error)
	// parts divides a table for reading side by side.
	parts(ctx context.Context, t *Table, rows int) ([]part, error)
	// read gives the wanted columns of a part, by their places in t.Columns.
	read(ctx context.Context, t *Table, p part, columns []int) (lake.FeedReader, error)
	// follows refuses where the source's changes cannot be followed.
	follows(ctx context.Context) error
	// changes gives the transactions after a position.
	changes(ctx context.Context, position string, tables []Table) (changes, error)
	close()
}

// part is a condition in the source's SQL; "" is the whole table.
type part string

// Column is one column of a source's table and what becomes of it.
type Column struct {
	Name   string
	Source string // the source's own type, in full
	Type   string // StarRocks' spelling
	Read   string // the expression that the source is asked for
	Binary bool   // bytes, not text
}

// feedType is how a value travels: as text, or as bytes.
func (c *Column) feedType() lake.Type {
	if c.Binary {
		return lake.Type{Kind: lake.Blob}
	}
	return lake.Type{Kind: lake.Varchar}
}

// logins makes the connections of one pipe.
type logins struct {
	endpoint
	resolver *awsauth.Resolver
}

// password gives what to log in with, new for each connection.
func (l *logins) secret(ctx context.Context) (string, error) {
	if !l.iam {
		return l.password, nil
	}
	token, err := l.resolver.DatabaseToken(ctx, l.spec, l.signing, l.region, l.user)
	if err != nil {
		return "", l.resolver.Explain(ctx, err, awsauth.Ask{Spec: l.spec, Service: "rds-db", Action: "rds-db:connect", Resource: l.resourceARN()})
	}
	return token.Reveal(), nil
}

func (l *logins) resourceARN() string {
	account := "*"
	if n := len(l.spec.Chain); n > 0 {
		account = strings.Split(l.spec.Chain[n-1].RoleARN, ":")[4]
	}
	return l.userARN(account)
}

// userARN is the database's user as policies name it ("Creating and using an
// IAM policy for IAM database access", Amazon RDS User Guide); * stands for what
// is not told.
func (e *endpoint) userARN(account string) string {
	resource := e.resource
	if resource == "" {
		resource = "*"
	}
	return fmt.Sprintf("arn:aws:rds-db:%s:%s:dbuser:%s/%s", e.region, account, resource, e.user)
}

// Access is what the pipe asks of AWS: to log in by IAM, where it does. The
// account is that of who logs in.
func (d *Definition) Access() []awsauth.Access {
	e, _ := d.endpoint()
	if !e.iam {
		return nil
	}
	return []awsauth.Access{{Spec: e.spec, Requests: []iam.Request{{Action: "rds-db:connect", Resource: iam.Resource{ARN: e.userARN("")}}}}}
}

// again runs connect a second time, with new credentials, where the database
// refused the first token: a session that the service has ended is not told
// apart from a wrong password.
func (l *logins) again(ctx context.Context, connect func() error, denied func(error) bool) error {
	err := connect()
	if err == nil || !denied(err) {
		return l.explain(err, false)
	}
	if l.iam {
		l.resolver.Forget(l.spec)
		if err = connect(); err == nil || !denied(err) {
			return l.explain(err, false)
		}
	}
	return l.explain(err, true)
}

// explain says which of the parties refused: a refusal of STS has its words
// already.
func (l *logins) explain(err error, denied bool) error {
	var told *sqlerr.Error
	where := net.JoinHostPort(l.host, l.port)
	var unknown x509.UnknownAuthorityError
	var name x509.HostnameError
	switch {
	case err == nil || errors.As(err, &told) || errors.Is(err, context.Canceled):
		return err
	case denied && l.iam:
		who := l.spec.String()
		resource := l.resource
		if resource == "" {
			resource = "its resource id"
		}
		return (&sqlerr.Error{Kind: sqlerr.Denied, Err: err, Msg: fmt.Sprintf("IAM authentication refused: the database %s does not let in user %s with a token of %s, signed for %s in %s: %s",
			where, l.user, who, l.signing, l.region, cause(err))}).
			WithHint("the identity needs rds-db:connect on %s (the resource id, db-… or cluster-…, not the name); IAM authentication must be on; the user must be one of IAM's (%s)",
				strings.Replace(l.resourceARN(), "/"+l.user, "/"+l.user, 1), "GRANT rds_iam, or IDENTIFIED WITH AWSAuthenticationPlugin AS 'RDS'")
	case strings.Contains(err.Error(), "does not support TLS required by the client") || strings.Contains(err.Error(), "server refused TLS connection"):
		return (&sqlerr.Error{Kind: sqlerr.Unreachable, Err: err, Msg: fmt.Sprintf("the database %s offers no TLS: no %s was sent", where, map[bool]string{true: "token", false: "password"}[l.iam])}).
			WithHint("turn TLS on in the database, or name the endpoint of RDS itself as host: what stands between must not end TLS")
	case denied:
		return &sqlerr.Error{Kind: sqlerr.Denied, Err: err, Msg: fmt.Sprintf("the database %s does not let in user %s: %s", where, l.user, cause(err))}
	case errors.As(err, &unknown) || errors.As(err, &name):
		return (&sqlerr.Error{Kind: sqlerr.Unreachable, Err: err, Msg: fmt.Sprintf("the certificate of the database %s is not trusted: %s", where, cause(err))}).
			WithHint("give the authority's certificate as tls_ca: PEM text or a file of it; that of RDS is at https://truststore.pki.rds.amazonaws.com/global/global-bundle.pem")
	}
	return &sqlerr.Error{Kind: sqlerr.Unreachable, Err: err, Msg: fmt.Sprintf("connect to the database %s: %s", where, cause(err))}
}

// cause is the last text of a chain of errors, without a library's traces.
func cause(err error) string {
	for next := errors.Unwrap(err); next != nil; next = errors.Unwrap(err) {
		err = next
	}
	return err.Error()
}

// tls gives the configuration of connections; nil where neither tokens nor
// tls_ca ask for TLS. Certificates are always verified.
func (l *logins) tls() (*tls.Config, error) {
	if !l.iam && l.ca == "" {
		return nil, nil
	}
	host, _, err := net.SplitHostPort(l.signing)
	if err != nil {
		return nil, sqlerr.New(sqlerr.Invalid, "property %q is %q: write a host", prefix+".signing_host", l.signing)
	}
	c := &tls.Config{ServerName: host, MinVersion: tls.VersionTLS12}
	if l.ca == "" {
		return c, nil
	}
	text := []byte(l.ca)
	if !strings.Contains(l.ca, "-----BEGIN") {
		if text, err = os.ReadFile(l.ca); err != nil {
			return nil, sqlerr.New(sqlerr.Invalid, "property \"tls_ca\" is neither PEM text nor a file that can be read")
		}
	}
	c.RootCAs = x509.NewCertPool()
	if !c.RootCAs.AppendCertsFromPEM(text) {
		return nil, sqlerr.New(sqlerr.Invalid, "property \"tls_ca\" holds no certificate")
	}
	return c, nil
}
