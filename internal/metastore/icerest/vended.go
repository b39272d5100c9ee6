package icerest

import (
	"context"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"

	"lakeport/internal/secret"
	"lakeport/internal/sqlerr"
)

// Keys are the credentials that a catalog hands out for a table's storage.
type Keys struct {
	AccessKeyID string
	Secret      secret.String
	Token       secret.String
	Expires     time.Time // zero: not told
	Region      string    // empty: not told
	Endpoint    string    // likewise
	PathStyle   bool
}

// Keys gives the credentials for objects below location: those of the longest
// prefix, else those that stand in the table's configuration. False: none are
// handed out.
func (t *Loaded) Keys(location string) (Keys, bool) {
	from, best := t.Config, -1
	for _, s := range t.Storage {
		if strings.HasPrefix(fold(location), fold(s.Prefix)) && len(s.Prefix) > best && s.Config["s3.access-key-id"] != "" {
			from, best = s.Config, len(s.Prefix)
		}
	}
	k := Keys{
		AccessKeyID: from["s3.access-key-id"], Secret: secret.New(from["s3.secret-access-key"]), Token: secret.New(from["s3.session-token"]),
		Region: from["client.region"], Endpoint: from["s3.endpoint"], PathStyle: strings.EqualFold(from["s3.path-style-access"], "true"),
	}
	if k.Region == "" {
		k.Region = t.Config["client.region"]
	}
	if k.Endpoint == "" {
		k.Endpoint = t.Config["s3.endpoint"]
	}
	if ms, err := strconv.ParseInt(from["s3.session-token-expires-at-ms"], 10, 64); err == nil {
		k.Expires = time.UnixMilli(ms)
	}
	return k, k.AccessKeyID != "" && !k.Secret.Empty()
}

// fold spells a location with the scheme s3.
func fold(uri string) string {
	for _, scheme := range []string{"s3a://", "s3n://"} {
		if strings.HasPrefix(uri, scheme) {
			return "s3://" + uri[len(scheme):]
		}
	}
	return uri
}

// renewal is how long before their end credentials are renewed.
const renewal = 2 * time.Minute

// Vended are a table's credentials, renewed from the catalog before they end
// and when S3 says that they have ended.
type Vended struct {
	c             *Client
	db, name      string
	location      string
	mu            sync.Mutex
	keys          Keys
	rejected      string // key id that S3 does not take any more
	now           func() time.Time
	keysWithTable bool // the catalog has no endpoint for credentials alone
}

// Vended gives the credentials of a table that t was loaded as; nil if none are
// handed out.
func (c *Client) Vended(db, name, location string, t *Loaded) *Vended {
	keys, ok := t.Keys(location)
	if !ok {
		return nil
	}
	return &Vended{c: c, db: db, name: name, location: location, keys: keys, now: c.o.Now}
}

// Keys gives the credentials at hand.
func (v *Vended) Keys() Keys {
	v.mu.Lock()
	defer v.mu.Unlock()
	return v.keys
}

// Retrieve implements aws.CredentialsProvider.
func (v *Vended) Retrieve(ctx context.Context) (aws.Credentials, error) {
	v.mu.Lock() // one renewal for all who wait
	defer v.mu.Unlock()
	ending := !v.keys.Expires.IsZero() && v.now().After(v.keys.Expires.Add(-renewal))
	if ending || v.rejected == v.keys.AccessKeyID {
		keys, err := v.renew(ctx)
		if err != nil {
			return aws.Credentials{}, err
		}
		v.keys = keys
	}
	k := v.keys
	return aws.Credentials{AccessKeyID: k.AccessKeyID, SecretAccessKey: k.Secret.Reveal(), SessionToken: k.Token.Reveal(),
		CanExpire: !k.Expires.IsZero(), Expires: k.Expires, Source: "iceberg catalog"}, nil
}

// Reject tells that S3 does not take a key any more. It tells whether another
// is worth asking for.
func (v *Vended) Reject(accessKeyID string) bool {
	v.mu.Lock()
	defer v.mu.Unlock()
	if v.keys.AccessKeyID == accessKeyID {
		v.rejected = accessKeyID
	}
	return true
}

// renew asks for credentials alone, or where the catalog has no such endpoint
// for the table again.
func (v *Vended) renew(ctx context.Context) (Keys, error) {
	t := &Loaded{}
	if !v.keysWithTable {
		u, err := v.c.at(ctx, v.db, "tables", v.name, "credentials")
		if err == nil {
			v.c.asking(LoadCredentials, v.db, v.name)
			err = v.c.do(ctx, request{op: "get credentials of table " + v.db + "." + v.name, method: http.MethodGet, url: u}, t)
		}
		v.keysWithTable = err != nil
	}
	keys, ok := t.Keys(v.location)
	if !ok {
		var err error
		if t, err = v.c.Load(ctx, v.db, v.name); err != nil {
			return keys, err
		}
		keys, ok = t.Keys(v.location)
	}
	if !ok {
		return keys, sqlerr.New(sqlerr.Denied, "the catalog hands out no credentials for table %s.%s any more", v.db, v.name)
	}
	return keys, nil
}
