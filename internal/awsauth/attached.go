package awsauth

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"

	"lakeport/internal/sqlerr"
)

// DefaultRole is the Role of a Spec that means the warehouse's default one.
const DefaultRole = "default"

// RoleSpec is the identity of a chain of roles as Redshift walks it: the
// warehouse's own session of the first role assumes the others. Where roles are
// not attached to anything, the process's own identity assumes the first.
func (r *Resolver) RoleSpec(roles []string, user, region string) Spec {
	if region == "" {
		region = r.Region()
	}
	s := Spec{Region: region}
	if r.roles != "" {
		s.Source, s.Role, s.User, roles = Attached, roles[0], user, roles[1:]
	}
	for _, arn := range roles {
		s.Chain = append(s.Chain, Hop{RoleARN: arn})
	}
	return s
}

// KeySpec is the identity of an access key that a statement gives.
func (r *Resolver) KeySpec(k Keys, region string) Spec {
	if region == "" {
		region = r.Region()
	}
	return Spec{Source: Static, Static: k, Region: region}
}

// HasRoles tells whether roles are attached to the warehouse, its default role
// among them.
func (r *Resolver) HasRoles() bool { return r.roles != "" }

// Region is the process's own: where its warehouse is.
func (r *Resolver) Region() string {
	for _, name := range []string{"AWS_REGION", "AWS_DEFAULT_REGION"} {
		if v := r.getenv(name); v != "" {
			return v
		}
	}
	return "us-east-1"
}

// attached asks for a session of a role ("Container credential provider", AWS
// SDKs and Tools Reference Guide).
func (r *Resolver) attached(s Spec) aws.CredentialsProvider {
	return aws.CredentialsProviderFunc(func(ctx context.Context) (aws.Credentials, error) {
		creds, err := r.fetchRole(ctx, s)
		if err != nil {
			return creds, &HopError{Spec: s, Endpoint: r.roles, Err: err}
		}
		return creds, nil
	})
}

// fetchLimit bounds an answer with credentials.
const fetchLimit = 64 << 10

func (r *Resolver) fetchRole(ctx context.Context, s Spec) (aws.Credentials, error) {
	var none aws.Credentials
	u, err := url.Parse(r.roles)
	if err != nil {
		return none, fmt.Errorf("the URL of the cluster's credentials: %w", err)
	}
	u.RawQuery = url.Values{"role": {s.Role}, "user": {s.User}}.Encode()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, u.String(), nil)
	if err != nil {
		return none, err
	}
	direct := r.client.WithTimeout(10 * time.Second).WithTransportOptions(func(t *http.Transport) { t.Proxy = nil })
	resp, err := direct.Do(req)
	if err != nil {
		return none, err
	}
	defer resp.Body.Close()
	var got struct {
		AccessKeyID     string `json:"AccessKeyId"`
		SecretAccessKey string
		Token           string
		Expiration      time.Time
		Code            string `json:"code"`
		Message         string `json:"message"`
	}
	body, err := io.ReadAll(io.LimitReader(resp.Body, fetchLimit))
	if err == nil {
		err = json.Unmarshal(body, &got)
	}
	switch {
	case resp.StatusCode != http.StatusOK:
		return none, &roleError{resp.StatusCode, got.Message}
	case err != nil:
		return none, fmt.Errorf("read the credentials: %w", err)
	case got.AccessKeyID == "" || got.SecretAccessKey == "":
		return none, errors.New("the answer holds no credentials")
	}
	return aws.Credentials{AccessKeyID: got.AccessKeyID, SecretAccessKey: got.SecretAccessKey, SessionToken: got.Token,
		Source: Attached.String(), CanExpire: !got.Expiration.IsZero(), Expires: got.Expiration}, nil
}

// roleError is an answer without credentials.
type roleError struct {
	status  int
	message string
}

// Error gives the answer's own message.
func (e *roleError) Error() string {
	if e.message == "" {
		return fmt.Sprintf("HTTP %d", e.status)
	}
	return e.message
}

// roleRefused words a first hop that failed, as Redshift does where it can.
func roleRefused(h *HopError, e *sqlerr.Error) *sqlerr.Error {
	refused, ok := errors.AsType[*roleError](h.Err)
	switch {
	case !ok:
		e.Kind = sqlerr.Unreachable
		e.Msg = fmt.Sprintf("Unreachable: the cluster's credentials at %s: %s", h.Endpoint, root(h.Err))
		e.Hint = "look at --cluster-credentials"
	case refused.status == http.StatusForbidden:
		e.Msg = fmt.Sprintf("%s (hop 1 of %d)", refused.Error(), len(h.Spec.Chain)+1)
		e.Hint = "attach the role to the cluster or namespace, and let its trust policy name redshift.amazonaws.com"
	default:
		e.Msg = fmt.Sprintf("No session of role %s (hop 1 of %d): %s", h.Spec.Role, len(h.Spec.Chain)+1, refused.Error())
		e.Hint = "look at --cluster-credentials"
	}
	return e
}
