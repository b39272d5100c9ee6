// Package lakeformation is the sandbox's AWS Lake Formation: data lake settings
// with the switch for external engines, registered locations, grants on
// catalogs, databases and tables by name, and credentials for one table's data
// that end by themselves. LF-tags, filters of rows, columns and cells, opt-ins
// and transactions are refused by name.
//
// Shapes follow the Lake Formation API Reference (2017-03-31), decisions the
// pages "Lake Formation permissions reference", "Implicit Lake Formation
// permissions" and "Application integration for full table access" of its
// Developer Guide.
package lakeformation

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"

	"go.etcd.io/bbolt"

	"lakeport/internal/iam"
	"lakeport/internal/sandbox"
	"lakeport/internal/sandbox/s3tables"
	"lakeport/internal/sandbox/world"
)

// Options is what a Service stands on.
type Options struct {
	DB     *bbolt.DB    // the world's file; the Service keeps to its own bucket
	World  *world.World // the roles of registered locations
	Tables *s3tables.Service
	Now    func() time.Time    // nil: time.Now
	Record func(sandbox.Entry) // hears of roles that the service assumes; nil: nobody does
}

// Service is Lake Formation of all accounts and regions. It implements
// sandbox.Service and is safe for concurrent use.
type Service struct {
	db     *bbolt.DB
	world  *world.World
	tables *s3tables.Service
	now    func() time.Time
	record func(sandbox.Entry)
}

// New opens Lake Formation over the world's file.
func New(o Options) (*Service, error) {
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Record == nil {
		o.Record = func(sandbox.Entry) {}
	}
	err := o.DB.Update(func(tx *bbolt.Tx) error {
		_, err := tx.CreateBucketIfNotExists(bucketName)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("make the bucket of Lake Formation: %w", err)
	}
	return &Service{db: o.DB, world: o.World, tables: o.Tables, now: o.Now, record: o.Record}, nil
}

// Name is the signing name.
func (s *Service) Name() string { return "lakeformation" }

// Policy: nothing of Lake Formation has a resource policy.
func (s *Service) Policy(string) *iam.Policy { return nil }

// call is one call of the API.
type call struct {
	*sandbox.Call
	account string
}

var operations = map[string]func(*Service, *call) (any, error){
	"GetDataLakeSettings": (*Service).getSettings, "PutDataLakeSettings": (*Service).putSettings,
	"GrantPermissions": (*Service).grantOne, "RevokePermissions": (*Service).revokeOne,
	"BatchGrantPermissions": (*Service).grantMany, "BatchRevokePermissions": (*Service).revokeMany, "ListPermissions": (*Service).listPermissions,
	"RegisterResource": (*Service).register, "DeregisterResource": (*Service).deregister, "DescribeResource": (*Service).describe,
	"ListResources":                    (*Service).listResources,
	"GetTemporaryGlueTableCredentials": (*Service).tableCredentials,
}

// Needs declares the operation, whose name is the action, on everything:
// Lake Formation's actions have no resources ("Actions, resources, and
// condition keys for AWS Lake Formation").
func (s *Service) Needs(c *sandbox.Call) ([]sandbox.Need, error) {
	name := strings.TrimPrefix(c.Request.URL.Path, "/")
	c.Action = "lakeformation:" + name
	if c.Request.Method != http.MethodPost || operations[name] == nil {
		return nil, fail(http.StatusNotImplemented, "UnknownOperationException", "The sandbox has no operation %s of Lake Formation.", name)
	}
	if name == "GetTemporaryGlueTableCredentials" {
		// "lakeformation:GetDataAccess" stands for all that hands out credentials.
		return []sandbox.Need{all(c, "lakeformation:GetDataAccess")}, nil
	}
	needs := []sandbox.Need{all(c, c.Action)}
	if name == "RegisterResource" {
		var in struct {
			RoleARN string `json:"RoleArn"`
		}
		_ = json.Unmarshal(c.Body, &in) // a faulty body is refused when it is served
		if in.RoleARN != "" {
			needs = append(needs, sandbox.Need{Action: "iam:PassRole", Resource: iam.Resource{ARN: in.RoleARN, Account: c.Caller.Principal.Account},
				Context: iam.Context{"iam:passedtoservice": {principal}}})
		}
	}
	return needs, nil
}

// all is an action on "*".
func all(c *sandbox.Call, action string) sandbox.Need {
	return sandbox.Need{Action: action, Resource: iam.Resource{ARN: "*", Account: c.Caller.Principal.Account}}
}

// Serve carries out the operation.
func (s *Service) Serve(w http.ResponseWriter, c *sandbox.Call) error {
	name := strings.TrimPrefix(c.Request.URL.Path, "/")
	out, err := operations[name](s, &call{c, c.Caller.Principal.Account})
	if err != nil {
		return err
	}
	if out == nil {
		out = struct{}{}
	}
	body, err := json.Marshal(out)
	if err != nil {
		return fmt.Errorf("encode the answer of %s: %w", name, err)
	}
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("X-Amzn-RequestId", c.RequestID)
	_, err = w.Write(body)
	return err
}

// Fail answers in REST-JSON's form.
func (s *Service) Fail(w http.ResponseWriter, _ *http.Request, requestID string, err *sandbox.APIError) {
	body, _ := json.Marshal(map[string]string{"Message": err.Message})
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("X-Amzn-ErrorType", err.Code)
	w.Header().Set("X-Amzn-RequestId", requestID)
	w.WriteHeader(err.Status)
	_, _ = w.Write(body) // a client that is gone hears nothing
}

// decode reads the body; a member that the sandbox does not know is refused by
// name.
func (c *call) decode(into any) error {
	dec := json.NewDecoder(bytes.NewReader(c.Body))
	dec.DisallowUnknownFields()
	if err := dec.Decode(into); err != nil {
		if wrong, ok := errors.AsType[*json.UnmarshalTypeError](err); ok {
			return fail(http.StatusBadRequest, "SerializationException", "%s is no %s", wrong.Field, wrong.Type)
		}
		return invalid("The sandbox does not take this body: %s", strings.TrimPrefix(err.Error(), "json: "))
	}
	return nil
}

// owns refuses a catalog of another account.
func (c *call) owns(catalog string) error {
	account, _, _ := strings.Cut(catalog, ":")
	if catalog != "" && account != c.account {
		return invalid("The sandbox's Lake Formation answers for the caller's own account, not for catalog %s.", catalog)
	}
	return nil
}

func fail(status int, code, format string, args ...any) *sandbox.APIError {
	return &sandbox.APIError{Status: status, Code: code, Message: fmt.Sprintf(format, args...)}
}

func invalid(format string, args ...any) *sandbox.APIError {
	return fail(http.StatusBadRequest, "InvalidInputException", format, args...)
}

func notFound(format string, args ...any) *sandbox.APIError {
	return fail(http.StatusBadRequest, "EntityNotFoundException", format, args...)
}

func denied(format string, args ...any) *sandbox.APIError {
	return fail(http.StatusBadRequest, "AccessDeniedException", format, args...)
}

// The state is one record of each kind per account and region.
var bucketName = []byte("lakeformation")

func storeKey(account, region, kind string) []byte {
	return []byte(account + "\x00" + region + "\x00" + kind)
}

// load reads a record; its zero value where there is none.
func load[T any](tx *bbolt.Tx, account, region, kind string) (record T, err error) {
	if text := tx.Bucket(bucketName).Get(storeKey(account, region, kind)); text != nil {
		if err = json.Unmarshal(text, &record); err != nil {
			err = fmt.Errorf("read the %s of account %s: %w", kind, account, err)
		}
	}
	return record, err
}

func read[T any](s *Service, account, region, kind string) (record T, err error) {
	err = s.db.View(func(tx *bbolt.Tx) error {
		record, err = load[T](tx, account, region, kind)
		return err
	})
	return record, err
}

// change replaces a record by what f makes of it.
func change[T any](s *Service, account, region, kind string, f func(*T) error) error {
	return s.db.Update(func(tx *bbolt.Tx) error {
		record, err := load[T](tx, account, region, kind)
		if err != nil {
			return err
		}
		if err := f(&record); err != nil {
			return err
		}
		text, err := json.Marshal(record)
		if err != nil {
			return err
		}
		return tx.Bucket(bucketName).Put(storeKey(account, region, kind), text)
	})
}

var _ sandbox.Service = (*Service)(nil)
