package awsauth

import (
	"context"
	"fmt"
	"net/http"
	"strings"

	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"

	"lakeport/internal/secret"
)

// emptyHash is the SHA-256 of no bytes.
const emptyHash = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"

// DatabaseToken makes the password by which s logs in to a database of RDS as
// user: a request for the action connect of rds-db, presigned for endpoint
// ("host:port", as RDS names it) and valid for 15 minutes ("Generate an IAM
// authentication token", Amazon RDS User Guide). No call is made but those that
// get credentials: whether the token is accepted shows at the login.
func (r *Resolver) DatabaseToken(ctx context.Context, s Spec, endpoint, region, user string) (secret.String, error) {
	creds, err := r.provider(s, len(s.Chain)).Retrieve(ctx)
	if err != nil {
		return secret.String{}, err
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "https://"+endpoint+"/", nil)
	if err != nil {
		return secret.String{}, fmt.Errorf("make a token for %s: %w", endpoint, err)
	}
	q := req.URL.Query()
	q.Set("Action", "connect")
	q.Set("DBUser", user)
	q.Set("X-Amz-Expires", "900")
	req.URL.RawQuery = q.Encode()
	signed, _, err := v4.NewSigner().PresignHTTP(ctx, creds, req, emptyHash, "rds-db", region, r.tokenTime().UTC())
	if err != nil {
		return secret.String{}, fmt.Errorf("sign a token for %s: %w", endpoint, err)
	}
	return secret.New(strings.TrimPrefix(signed, "https://")), nil
}
