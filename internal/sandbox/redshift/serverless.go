package redshift

import (
	"bytes"
	"encoding/json"
	"errors"
	"net/http"
	"regexp"
	"strings"
	"time"

	"lakeport/internal/iam"
	"lakeport/internal/sandbox"
)

// Serverless is the JSON API of Redshift Serverless's namespaces; it
// implements sandbox.Service.
type Serverless struct{ *Redshift }

const serverlessTarget = "RedshiftServerless."

// serverlessInput is the members of all operations. Any other is refused by
// name.
type serverlessInput struct {
	NamespaceName     string   `json:"namespaceName"`
	DBName            string   `json:"dbName"`
	AdminUsername     string   `json:"adminUsername"`
	AdminUserPassword string   `json:"adminUserPassword"` // not kept
	IamRoles          []string `json:"iamRoles"`
	DefaultIamRoleARN *string  `json:"defaultIamRoleArn"`
	MaxResults        int      `json:"maxResults"`
	NextToken         string   `json:"nextToken"`
}

type serverlessCall struct {
	*Redshift
	*sandbox.Call
	in      serverlessInput
	account string
	found   *warehouse
}

var serverlessOperations = map[string]func(*serverlessCall) (any, error){
	"CreateNamespace": (*serverlessCall).create, "GetNamespace": (*serverlessCall).get, "UpdateNamespace": (*serverlessCall).update,
	"DeleteNamespace": (*serverlessCall).delete, "ListNamespaces": (*serverlessCall).listAll,
}

var namespaceName = regexp.MustCompile(`^[a-z0-9-]{3,64}$`)

// Name is the signing name.
func (s *Serverless) Name() string { return "redshift-serverless" }

// Policy: nothing of Redshift has a policy here.
func (s *Serverless) Policy(string) *iam.Policy { return nil }

// Fail answers in JSON 1.1's form.
func (s *Serverless) Fail(w http.ResponseWriter, _ *http.Request, requestID string, err *sandbox.APIError) {
	body, _ := json.Marshal(map[string]string{"__type": err.Code, "message": err.Message})
	w.Header().Set("Content-Type", "application/x-amz-json-1.1")
	w.Header().Set("X-Amzn-RequestId", requestID)
	w.WriteHeader(err.Status)
	_, _ = w.Write(body) // a client that is gone hears nothing
}

func invalidJSON(format string, args ...any) error {
	return fault(400, "ValidationException", format, args...)
}

// Needs checks the members and declares the action and every role that is
// handed to Redshift.
func (s *Serverless) Needs(c *sandbox.Call) ([]sandbox.Need, error) {
	name, ok := strings.CutPrefix(c.Request.Header.Get("X-Amz-Target"), serverlessTarget)
	if _, known := serverlessOperations[name]; !ok || !known {
		return nil, fault(400, "UnknownOperationException", "the sandbox has no operation %q of Redshift Serverless", c.Request.Header.Get("X-Amz-Target"))
	}
	c.Action = "redshift-serverless:" + name
	q := &serverlessCall{Redshift: s.Redshift, Call: c, account: c.Caller.Principal.Account}
	dec := json.NewDecoder(bytes.NewReader(c.Body))
	dec.DisallowUnknownFields()
	if err := dec.Decode(&q.in); err != nil {
		var wrong *json.UnmarshalTypeError
		if errors.As(err, &wrong) || !strings.Contains(err.Error(), "unknown field") {
			return nil, fault(400, "SerializationException", "the body does not fit %s: %v", name, err)
		}
		return nil, invalidJSON("The sandbox does not implement the member%s of %s.", strings.TrimPrefix(err.Error(), "json: unknown field"), name)
	}
	if name != "ListNamespaces" && !namespaceName.MatchString(q.in.NamespaceName) {
		return nil, invalidJSON("1 validation error detected: Value '%s' at 'namespaceName' failed to satisfy constraint: Member must satisfy regular expression pattern: ^[a-z0-9-]+$ and have length between 3 and 64", q.in.NamespaceName)
	}
	c.Prepared = q
	resource := "arn:aws:redshift-serverless:" + c.Region + ":" + q.account + ":namespace/*"
	var err error
	if q.found, err = s.find(c.Region, q.account, namespace, q.in.NamespaceName); err != nil {
		return nil, err
	}
	if q.found != nil {
		resource = q.found.arn()
	}
	needs := []sandbox.Need{{Action: c.Action, Resource: iam.Resource{ARN: resource, Account: q.account}}}
	return append(needs, passing(q.account, "redshift-serverless.amazonaws.com", q.in.IamRoles)...), nil
}

// Serve carries out the operation.
func (s *Serverless) Serve(w http.ResponseWriter, c *sandbox.Call) error {
	out, err := serverlessOperations[strings.TrimPrefix(c.Action, "redshift-serverless:")](c.Prepared.(*serverlessCall))
	if err != nil {
		return err
	}
	body, err := json.Marshal(out)
	if err != nil {
		return err
	}
	w.Header().Set("Content-Type", "application/x-amz-json-1.1")
	w.Header().Set("X-Amzn-RequestId", c.RequestID)
	_, err = w.Write(body)
	return err
}

type namespaceJSON struct {
	NamespaceArn      string   `json:"namespaceArn"`
	NamespaceID       string   `json:"namespaceId"`
	NamespaceName     string   `json:"namespaceName"`
	AdminUsername     string   `json:"adminUsername"`
	DBName            string   `json:"dbName"`
	DefaultIamRoleArn string   `json:"defaultIamRoleArn,omitempty"`
	IamRoles          []string `json:"iamRoles"`
	Status            string   `json:"status"`
	CreationDate      string   `json:"creationDate"`
}

type namespaceOutput struct {
	Namespace namespaceJSON `json:"namespace"`
}

// json writes roles as Redshift Serverless prints them, not as bare ARNs.
// Assumed: as public logs have it.
func (w *warehouse) json(status string) namespaceOutput {
	n := namespaceJSON{w.arn(), w.ID, w.Name, w.User, w.Database, w.Default, []string{}, status, w.Created.UTC().Format(time.RFC3339)}
	for _, arn := range w.Roles {
		n.IamRoles = append(n.IamRoles, "IamRole(applyStatus=in-sync, iamRoleArn="+arn+")")
	}
	return namespaceOutput{n}
}

func (q *serverlessCall) missing() error {
	return fault(400, "ResourceNotFoundException", "The specified namespace doesn't exist.")
}

// apply sets the roles that the call gives; the list replaces the old one.
func (q *serverlessCall) apply(w *warehouse) error {
	if err := q.checkRoles(q.account, q.in.IamRoles); err != nil {
		return invalidJSON("%s", err)
	}
	if q.in.IamRoles != nil {
		w.Roles = nil
		w.attach(q.in.IamRoles, nil)
	}
	if q.in.DefaultIamRoleARN == nil {
		return nil
	}
	w.Default = ""
	if err := w.setDefault(*q.in.DefaultIamRoleARN); err != nil {
		return invalidJSON("The default IAM role %s is not among iamRoles", *q.in.DefaultIamRoleARN)
	}
	return nil
}

func (q *serverlessCall) create() (any, error) {
	w := &warehouse{Kind: namespace, Name: q.in.NamespaceName, Account: q.account, Region: q.Region, ID: newID(), Created: q.Now.UTC().Truncate(time.Second),
		Database: q.in.DBName, User: q.in.AdminUsername}
	if w.Database == "" {
		w.Database = "dev"
	}
	if w.User == "" {
		w.User = "admin"
	}
	if err := q.apply(w); err != nil {
		return nil, err
	}
	err := q.change(q.Region, q.account, namespace, w.Name, func(old *warehouse) (*warehouse, error) {
		if old != nil {
			return nil, fault(400, "ConflictException", "A namespace with the name %s already exists.", w.Name)
		}
		return w, nil
	})
	return w.json("AVAILABLE"), err
}

func (q *serverlessCall) get() (any, error) {
	if q.found == nil {
		return nil, q.missing()
	}
	return q.found.json("AVAILABLE"), nil
}

func (q *serverlessCall) update() (any, error) {
	var out namespaceOutput
	return &out, q.change(q.Region, q.account, namespace, q.in.NamespaceName, func(w *warehouse) (*warehouse, error) {
		if w == nil {
			return nil, q.missing()
		}
		err := q.apply(w)
		out = w.json("AVAILABLE")
		return w, err
	})
}

func (q *serverlessCall) delete() (any, error) {
	var out namespaceOutput
	return &out, q.change(q.Region, q.account, namespace, q.in.NamespaceName, func(w *warehouse) (*warehouse, error) {
		if w == nil {
			return nil, q.missing()
		}
		out = w.json("DELETING")
		return nil, nil
	})
}

type namespacesOutput struct {
	Namespaces []namespaceJSON `json:"namespaces"`
	NextToken  string          `json:"nextToken,omitempty"`
}

func (q *serverlessCall) listAll() (any, error) {
	limit := 100
	if q.in.MaxResults > 0 {
		limit = min(limit, q.in.MaxResults)
	}
	all, err := q.list(q.Region, q.account, namespace)
	out := namespacesOutput{Namespaces: []namespaceJSON{}}
	for _, w := range all {
		switch {
		case w.Name <= q.in.NextToken:
		case len(out.Namespaces) == limit:
			out.NextToken = out.Namespaces[limit-1].NamespaceName
			return out, nil
		default:
			out.Namespaces = append(out.Namespaces, w.json("AVAILABLE").Namespace)
		}
	}
	return out, err
}
