package lakeformation

import (
	"encoding/json"
	"net/http"
	"slices"
	"strings"
	"time"

	"lakeport/internal/iam"
	"lakeport/internal/sandbox"
	"lakeport/internal/sandbox/iceberg"
	"lakeport/internal/sandbox/s3tables"
	"lakeport/internal/sandbox/world"
)

// principal is the service as trust policies name it.
const principal = "lakeformation.amazonaws.com"

// Keys are credentials for the objects of one table.
type Keys struct {
	AccessKeyID, Secret, Token string
	Expires                    time.Time
}

// lifetime is the longest session of a registered location's role.
const lifetime = time.Hour

// granteeTag carries for whom a session was made. Assumed: Lake Formation's own
// sessions carry it in a form that is not published.
const granteeTag = "LakeFormationGrantee"

// catalogOf is the Glue catalog of a table bucket ("Integrating Amazon S3 Tables
// with AWS analytics services").
func catalogOf(bucketARN string) (account, region, catalog string) {
	part := strings.SplitN(bucketARN, ":", 6)
	return part[4], part[3], part[4] + ":s3tablescatalog/" + strings.TrimPrefix(part[5], "bucket/")
}

// objectOf is the table in the catalog.
func objectOf(t *s3tables.Table) (account, region string, o Object) {
	account, region, catalog := catalogOf(t.Bucket)
	return account, region, Object{catalog, t.Namespace, t.Name}
}

// Vend makes a session for the table's objects alone, to read them and, where
// the caller may insert, to write them. It takes IAM's lakeformation:
// GetDataAccess, Lake Formation's SELECT on the whole table, and the account's
// leave for engines outside of AWS; nil where the location is not registered.
func (s *Service) Vend(c *sandbox.Call, t *s3tables.Table, want time.Duration) (*Keys, error) {
	need := all(c, "lakeformation:GetDataAccess")
	if d := c.May(need); d.Effect != iam.Allow {
		return nil, c.Denied(need, d)
	}
	account, region, o := objectOf(t)
	readable, err := s.decide(c, account, region, Select, o)
	if err != nil {
		return nil, err
	}
	if !readable {
		return nil, &sandbox.APIError{Status: http.StatusForbidden, Code: "AccessDeniedException",
			Message: "Insufficient Lake Formation permission(s). Unable to fetch credentials for table: " + t.Name}
	}
	write, err := s.Allowed(account, region, c.Caller.Principal, Insert, o)
	if err != nil {
		return nil, err
	}
	d, err := read[settings](s, account, region, settingsKind)
	if err != nil {
		return nil, err
	}
	if d.AllowFullTableExternalDataAccess == nil || !*d.AllowFullTableExternalDataAccess {
		c.Note(need.Action, need.Resource.ARN, false, "the data lake settings do not let external engines access data with full table access")
		// Assumed: what follows the first sentence.
		return nil, &sandbox.APIError{Status: http.StatusForbidden, Code: "AccessDeniedException", Message: "Access is not allowed. " +
			"The data lake settings of account " + account + " do not let external engines access data with full table access (AllowFullTableExternalDataAccess)."}
	}
	locations, err := read[[]location](s, account, region, locationsKind)
	if err != nil {
		return nil, err
	}
	i := slices.IndexFunc(locations, func(l location) bool { return l.covers(t.Bucket) })
	if i < 0 {
		return nil, nil
	}
	return s.assume(c, locations[i].RoleARN, t, write, min(want, lifetime))
}

// assume takes the location's role with a session policy for the table alone.
func (s *Service) assume(c *sandbox.Call, arn string, t *s3tables.Table, write bool, life time.Duration) (*Keys, error) {
	refused := func(why string) error {
		return &sandbox.APIError{Status: http.StatusForbidden, Code: "AccessDeniedException",
			Message: "Access is not allowed. Lake Formation cannot assume the role " + arn + " of the registered location: " + why}
	}
	role := s.world.State().RoleByARN(arn)
	if role == nil {
		return nil, refused("it does not exist")
	}
	actions := []string{"s3tables:GetTableData"}
	if write {
		actions = append(actions, "s3tables:PutTableData")
	}
	policy, err := json.Marshal(map[string]any{"Version": "2012-10-17", "Statement": []any{
		map[string]any{"Effect": "Allow", "Action": actions, "Resource": t.ARN()}}})
	if err != nil {
		return nil, err
	}
	session := &world.Session{Name: "AWSLF-" + iceberg.NewUUID()[:13], Policies: []string{string(policy)},
		Tags: map[string]string{granteeTag: grantee(c.Caller.Principal)}}
	token, d, err := s.world.AssumeForService(principal, role, session, life, iam.Context{"sts:rolesessionname": {session.Name}})
	if err != nil {
		return nil, err
	}
	e := sandbox.Entry{Time: s.now().UTC(), Service: "lakeformation", Region: c.Region, Action: "sts:AssumeRole", Principal: principal, Resource: arn,
		Method: c.Request.Method, Path: c.Request.URL.Path, Status: http.StatusOK, UserAgent: c.Request.UserAgent(), Decision: d.Effect.String(), Reason: d.Short()}
	if d.Effect != iam.Allow {
		e.Status, e.Error = http.StatusForbidden, "AccessDenied"
		s.record(e)
		return nil, refused("its trust policy does not let " + principal + " in")
	}
	e.Decision = "allow"
	s.record(e)
	return &Keys{session.AccessKeyID, session.Secret.Reveal(), token, session.Expires}, nil
}

// ObjectNeed is the need of an action on a table's objects. Of a session that
// Vend has made, the permissions of its principal are looked at again, so that
// a revocation ends it. Assumed: AWS tells only that permissions are checked
// when credentials are handed out.
func (s *Service) ObjectNeed(c *sandbox.Call, action, table string) (sandbox.Need, error) {
	n, err := s.tables.ObjectNeed(c, action, table)
	who := c.Caller.Tags[granteeTag]
	if err != nil || who == "" {
		return n, err
	}
	t, err := s.tables.TableByARN(table)
	if err != nil || t == nil {
		return n, err
	}
	permission := Select
	if action == "s3tables:PutTableData" {
		permission = Insert
	}
	account, region, o := objectOf(t)
	ok, err := s.allowed(account, region, who, permission, o)
	if err == nil && !ok {
		note(c, region, permission, o, false)
		err = &sandbox.APIError{Status: http.StatusForbidden, Code: "AccessDenied",
			Message: "Insufficient Lake Formation permission(s): Required " + spelled[permission] + " on " + o.name()}
	}
	return n, err
}

// tableCredentials answers GetTemporaryGlueTableCredentials for the tables of
// table buckets.
func (s *Service) tableCredentials(c *call) (any, error) {
	var in struct {
		TableARN                 string `json:"TableArn"`
		Permissions              []string
		DurationSeconds          *int
		SupportedPermissionTypes []string
		S3Path                   string
		AuditContext             json.RawMessage
	}
	if err := c.decode(&in); err != nil {
		return nil, err
	}
	life := lifetime
	if in.DurationSeconds != nil {
		if *in.DurationSeconds < 900 || *in.DurationSeconds > 43200 {
			return nil, invalid("DurationSeconds is 900 to 43200, found %d.", *in.DurationSeconds)
		}
		life = time.Duration(*in.DurationSeconds) * time.Second
	}
	t, err := s.tableOfGlue(in.TableARN)
	if err != nil {
		return nil, err
	}
	account, region, o := objectOf(t)
	for _, p := range in.Permissions {
		ok, err := s.Allowed(account, region, c.Caller.Principal, p, o)
		if err != nil {
			return nil, err
		}
		if !ok {
			return nil, denied("Access is not allowed.")
		}
	}
	k, err := s.Vend(c.Call, t, life)
	if err != nil {
		return nil, err
	}
	if k == nil {
		return nil, invalid("The location of the table %s is not registered with Lake Formation.", in.TableARN)
	}
	return map[string]any{"AccessKeyId": k.AccessKeyID, "SecretAccessKey": k.Secret, "SessionToken": k.Token, "Expiration": float64(k.Expires.Unix()),
		"VendedS3Path": []string{t.Location()}}, nil
}

// tableOfGlue finds the table of arn:aws:glue:R:A:table/s3tablescatalog/B/N/T.
// A table that is not there is refused as one that may not be seen.
func (s *Service) tableOfGlue(arn string) (*s3tables.Table, error) {
	part := strings.SplitN(arn, ":", 6)
	if len(part) != 6 || part[2] != "glue" {
		return nil, invalid("TableArn %s is not the ARN of a table.", arn)
	}
	path := strings.Split(part[5], "/")
	if len(path) != 5 || path[0] != "table" || path[1] != "s3tablescatalog" {
		return nil, invalid("The sandbox hands out credentials for tables of s3tablescatalog, found %s.", arn)
	}
	b, err := s.tables.Bucket(part[4], part[3], path[2])
	if err != nil {
		return nil, err
	}
	if b == nil {
		return nil, denied("Access is not allowed.")
	}
	t, err := s.tables.Table(b, path[3], path[4])
	if _, missing := err.(*sandbox.APIError); missing {
		return nil, denied("Access is not allowed.")
	}
	return t, err
}
