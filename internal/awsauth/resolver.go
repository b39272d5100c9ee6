package awsauth

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"strings"
	"sync"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/aws/retry"
	awshttp "github.com/aws/aws-sdk-go-v2/aws/transport/http"
	"github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/credentials/ec2rolecreds"
	"github.com/aws/aws-sdk-go-v2/credentials/stscreds"
	"github.com/aws/aws-sdk-go-v2/feature/ec2/imds"
	"github.com/aws/aws-sdk-go-v2/service/sts"
	ststypes "github.com/aws/aws-sdk-go-v2/service/sts/types"
	"github.com/aws/smithy-go/middleware"
)

// Options configure a Resolver. The zero value is plain AWS.
type Options struct {
	// Endpoints maps a service ("s3", "sts", "glue", and "imds" for instance
	// metadata) to its URL. AWS_ENDPOINT_URL_<SERVICE>, AWS_ENDPOINT_URL and
	// AWS_EC2_METADATA_SERVICE_ENDPOINT come before it.
	Endpoints map[string]string
	// Roles is where sessions of the roles that are attached to a warehouse are
	// had, in the protocol of container credentials with the role as a parameter
	// of the query. Empty: there are none.
	Roles string
	Now   func() time.Time // nil: time.Now
	// TokenTime dates the tokens of DatabaseToken; nil: Now. Signed calls learn
	// from the service's answers how far its clock is off, a token has none.
	TokenTime func() time.Time
	Getenv    func(string) string
}

// Resolver gives each Spec its credentials, one session per chain prefix
// however many statements, services and regions use it.
type Resolver struct {
	endpoints map[string]string
	roles     string
	now       func() time.Time
	tokenTime func() time.Time
	getenv    func(string) string
	client    *awshttp.BuildableClient

	mu       sync.Mutex
	sessions map[string]*session
	callers  map[string]string // session key to caller ARN
}

// New makes a Resolver.
func New(o Options) *Resolver {
	r := &Resolver{
		endpoints: o.Endpoints, roles: o.Roles, now: o.Now, tokenTime: o.TokenTime, getenv: o.Getenv,
		client:   awshttp.NewBuildableClient(),
		sessions: map[string]*session{}, callers: map[string]string{},
	}
	if r.now == nil {
		r.now = time.Now
	}
	if r.tokenTime == nil {
		r.tokenTime = r.now
	}
	if r.getenv == nil {
		r.getenv = os.Getenv
	}
	return r
}

// Config gives the aws.Config with which to call service ("s3", "glue") as s.
// It fetches nothing: credentials are asked for by the first request, and each
// request is signed with the newest ones.
func (r *Resolver) Config(s Spec, service string) aws.Config {
	p := r.provider(s, len(s.Chain))
	if service == "s3" && s.Public {
		p = r.public(s)
	}
	cfg := r.config(p, s.Region)
	cfg.BaseEndpoint = r.endpoint(service, s.Endpoint)
	return cfg
}

func (r *Resolver) config(p aws.CredentialsProvider, region string) aws.Config {
	return aws.Config{
		Region: region, Credentials: p, HTTPClient: r.client,
		RequestChecksumCalculation: aws.RequestChecksumCalculationWhenSupported,
		ResponseChecksumValidation: aws.ResponseChecksumValidationWhenSupported,
		Retryer:                    func() aws.Retryer { return retry.NewStandard() },
		DisableClockSkewCorrection: strings.EqualFold(r.getenv("AWS_DISABLE_CLOCK_SKEW_CORRECTION"), "true"),
		APIOptions:                 []func(*middleware.Stack) error{renewRejected(p)},
	}
}

// Endpoint tells which URL a service is called at; empty means AWS's own.
func (r *Resolver) Endpoint(service string, s Spec) string {
	return aws.ToString(r.endpoint(service, s.Endpoint))
}

// endpoint finds where service answers: the statement wins, then the
// environment, then what the process was given. A statement that spells AWS's
// own host names the service, not an address, and so follows the others.
func (r *Resolver) endpoint(service, stated string) *string {
	if stated != "" && !ownHost(service, stated) {
		return &stated
	}
	variable := strings.ToUpper(strings.ReplaceAll(service, "-", "_"))
	for _, u := range []string{r.getenv("AWS_ENDPOINT_URL_" + variable), r.getenv("AWS_ENDPOINT_URL"), r.endpoints[service], stated} {
		if u != "" {
			return &u
		}
	}
	return nil
}

func ownHost(service, endpoint string) bool {
	u, err := url.Parse(endpoint)
	if err != nil {
		return false
	}
	h := u.Hostname()
	return strings.HasPrefix(h, service+".") && (strings.HasSuffix(h, ".amazonaws.com") || strings.HasSuffix(h, ".amazonaws.com.cn") || strings.HasSuffix(h, ".api.aws"))
}

// provider gives the renewing credentials after the first n hops of s.
func (r *Resolver) provider(s Spec, n int) aws.CredentialsProvider {
	if n == 0 && s.Source == Static {
		return credentials.StaticCredentialsProvider{Value: aws.Credentials{
			AccessKeyID: s.Static.AccessKeyID, SecretAccessKey: s.Static.Secret.Reveal(),
			SessionToken: s.Static.Token.Reveal(), Source: Static.String(),
		}}
	}
	key := s.prefixKey(n)
	r.mu.Lock()
	p := r.sessions[key]
	r.mu.Unlock()
	if p != nil {
		return p
	}
	return r.shared(key, r.fetcher(s, n))
}

// shared gives the one session of a key.
func (r *Resolver) shared(key string, fetch aws.CredentialsProvider) *session {
	r.mu.Lock()
	defer r.mu.Unlock()
	if p := r.sessions[key]; p != nil {
		return p
	}
	made := &session{fetch: fetch, now: r.now}
	r.sessions[key] = made
	return made
}

// public gives what the default chain finds, or no keys at all: then requests
// go unsigned. That nothing was found is kept for a while, since the chain ends
// at instance metadata, which takes seconds to be found missing.
func (r *Resolver) public(s Spec) aws.CredentialsProvider {
	return r.shared(s.prefixKey(0)+" public", aws.CredentialsProviderFunc(func(ctx context.Context) (aws.Credentials, error) {
		creds, err := r.base(s).Retrieve(ctx)
		if e, ok := errors.AsType[*HopError](err); ok && e.Nothing {
			return aws.Credentials{Source: anonymous, CanExpire: true, Expires: r.now().Add(publicFor)}, nil
		}
		return creds, err
	}))
}

const (
	anonymous = "anonymous"
	publicFor = 5 * time.Minute
)

// fetcher asks for new credentials each time, without a cache of its own.
func (r *Resolver) fetcher(s Spec, n int) aws.CredentialsProvider {
	if n == 0 {
		return r.base(s)
	}
	hop := s.Chain[n-1]
	cfg := r.config(r.provider(s, n-1), s.Region)
	if hop.STSRegion != "" {
		cfg.Region = hop.STSRegion
	}
	cfg.BaseEndpoint = r.endpoint("sts", hop.STSEndpoint)
	assume := stscreds.NewAssumeRoleProvider(sts.NewFromConfig(cfg), hop.RoleARN, func(o *stscreds.AssumeRoleOptions) {
		o.RoleSessionName, o.Duration = hop.SessionName, hop.Duration
		if o.RoleSessionName == "" {
			o.RoleSessionName = SessionName
		}
		if o.Duration == 0 {
			o.Duration = time.Hour
		}
		if !hop.ExternalID.Empty() {
			o.ExternalID = aws.String(hop.ExternalID.Reveal())
		}
		for _, t := range hop.Tags {
			o.Tags = append(o.Tags, ststypes.Tag{Key: aws.String(t.Key), Value: aws.String(t.Value)})
		}
	})
	return aws.CredentialsProviderFunc(func(ctx context.Context) (aws.Credentials, error) {
		creds, err := assume.Retrieve(ctx)
		if err != nil {
			return creds, &HopError{Hop: n, Spec: s, Err: err}
		}
		return creds, nil
	})
}

func (r *Resolver) base(s Spec) aws.CredentialsProvider {
	if s.Source == Attached {
		return r.attached(s)
	}
	metadata := r.getenv("AWS_EC2_METADATA_SERVICE_ENDPOINT")
	if metadata == "" {
		metadata = r.endpoints["imds"]
	}
	fail := func(err error) (aws.Credentials, error) {
		return aws.Credentials{}, &HopError{Spec: s, Endpoint: metadata, Err: err}
	}
	return aws.CredentialsProviderFunc(func(ctx context.Context) (aws.Credentials, error) {
		var p aws.CredentialsProvider
		switch s.Source {
		case InstanceProfile:
			p = ec2rolecreds.New(func(o *ec2rolecreds.Options) {
				// The metadata service is of this machine: no proxy reaches it.
				direct := r.client.WithTimeout(2 * time.Second).WithTransportOptions(func(t *http.Transport) { t.Proxy = nil })
				o.Client = imds.New(imds.Options{Endpoint: metadata, HTTPClient: direct})
			})
		case WebIdentity:
			file, role := r.getenv("AWS_WEB_IDENTITY_TOKEN_FILE"), r.getenv("AWS_ROLE_ARN")
			if file == "" || role == "" {
				return fail(fmt.Errorf("AWS_WEB_IDENTITY_TOKEN_FILE and AWS_ROLE_ARN are not both set in the server's environment"))
			}
			cfg := r.config(aws.AnonymousCredentials{}, s.Region)
			cfg.BaseEndpoint = r.endpoint("sts", "")
			p = stscreds.NewWebIdentityRoleProvider(sts.NewFromConfig(cfg), role, stscreds.IdentityTokenFile(file), func(o *stscreds.WebIdentityRoleOptions) {
				o.RoleSessionName = r.getenv("AWS_ROLE_SESSION_NAME")
				if o.RoleSessionName == "" {
					o.RoleSessionName = "lakeport"
				}
			})
		default:
			cfg, err := config.LoadDefaultConfig(ctx, config.WithHTTPClient(r.client), config.WithRegion(s.Region), config.WithEC2IMDSEndpoint(metadata), config.WithSharedConfigProfile(s.Profile))
			if err != nil {
				return fail(err)
			}
			p = cfg.Credentials
		}
		creds, err := p.Retrieve(ctx)
		if err != nil {
			// The default chain ends at instance metadata: where that fails,
			// nothing before it was configured.
			nothing := s.Source == Default && aws.IsCredentialsProvider(p, (*ec2rolecreds.Provider)(nil))
			return aws.Credentials{}, &HopError{Spec: s, Endpoint: metadata, Nothing: nothing, Err: err}
		}
		return creds, nil
	})
}

// Caller asks AWS who s is after n hops and remembers the answer with the
// session. GetCallerIdentity needs no permission (STS API reference).
func (r *Resolver) Caller(ctx context.Context, s Spec, n int) (string, error) {
	key := s.prefixKey(n)
	r.mu.Lock()
	arn := r.callers[key]
	r.mu.Unlock()
	if arn != "" {
		return arn, nil
	}
	cfg := r.config(r.provider(s, n), s.Region)
	endpoint := ""
	if n > 0 {
		endpoint = s.Chain[n-1].STSEndpoint
	}
	cfg.BaseEndpoint = r.endpoint("sts", endpoint)
	out, err := sts.NewFromConfig(cfg).GetCallerIdentity(ctx, &sts.GetCallerIdentityInput{})
	if err != nil {
		return "", fmt.Errorf("get caller identity: %w", err)
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.callers[key] = aws.ToString(out.Arn)
	return r.callers[key], nil
}

// Forget drops every session of s, base included: the next request walks the
// whole chain again.
func (r *Resolver) Forget(s Spec) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for n := range len(s.Chain) + 1 {
		key := s.prefixKey(n)
		for _, key := range []string{key, key + " public"} {
			if p := r.sessions[key]; p != nil {
				p.forget()
			}
		}
		delete(r.callers, key)
	}
}

// ForgetAll drops every session.
func (r *Resolver) ForgetAll() {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, p := range r.sessions {
		p.forget()
	}
	r.callers = map[string]string{}
}

// renewRejected repeats a call once with new credentials when AWS says that
// the ones it was signed with have ended before their time.
func renewRejected(p aws.CredentialsProvider) func(*middleware.Stack) error {
	s, ok := p.(*session)
	if !ok {
		return func(*middleware.Stack) error { return nil }
	}
	return func(stack *middleware.Stack) error {
		return stack.Initialize.Add(middleware.InitializeMiddlewareFunc("lakeport.RenewRejected",
			func(ctx context.Context, in middleware.InitializeInput, next middleware.InitializeHandler) (middleware.InitializeOutput, middleware.Metadata, error) {
				used, _ := s.Retrieve(ctx)
				out, meta, err := next.HandleInitialize(ctx, in)
				if err != nil && expired(err) && s.Reject(used.AccessKeyID) {
					return next.HandleInitialize(ctx, in)
				}
				return out, meta, err
			}), middleware.Before)
	}
}

// HopError is a failure to get the credentials of one link: Hop 0 is the base
// identity, Hop n the n-th role of Spec.Chain.
type HopError struct {
	Hop      int
	Spec     Spec
	Endpoint string // instance metadata's, where that was asked
	Nothing  bool   // the default chain found no source of credentials
	Err      error
}

// Error names the link.
func (e *HopError) Error() string {
	if e.Hop == 0 {
		return fmt.Sprintf("get credentials from %s: %v", e.Spec.Source, e.Err)
	}
	return fmt.Sprintf("assume %s (hop %d of %d): %v", e.Spec.Chain[e.Hop-1].RoleARN, e.Hop, len(e.Spec.Chain), e.Err)
}

// Unwrap gives the cause.
func (e *HopError) Unwrap() error { return e.Err }
