package redshift

import (
	"encoding/json"
	"net/http"
	"slices"
	"strings"
	"time"

	"lakeport/internal/iam"
	"lakeport/internal/sandbox"
	"lakeport/internal/sandbox/world"
)

// lifetime is how long a session of an attached role lives.
const lifetime = time.Hour

// Credentials is what a warehouse asks for sessions of its attached roles, in
// the protocol of container credentials ("Container credential provider", AWS
// SDKs and Tools Reference Guide):
//
//	GET /<region>/<account>/cluster/<identifier>?role=<arn>[&user=<name>]
//	GET /<region>/<account>/namespace/<name>?role=<arn>[&user=<name>]
//
// The role must be attached and trust Redshift; role=default is the default
// one. user is the database user, whom a trust policy may ask for as external
// id. Like the metadata service it is for the host alone: nothing is signed.
func (r *Redshift) Credentials() http.Handler { return credentials{r} }

type credentials struct{ *Redshift }

// trusted are the services in whose name a warehouse may assume a role.
// Serverless also takes roles that trust Redshift itself ("Authorizing Amazon
// Redshift to access AWS services on your behalf").
var trusted = map[string][]string{
	cluster:   {"redshift.amazonaws.com"},
	namespace: {"redshift-serverless.amazonaws.com", "redshift.amazonaws.com"},
}

// ServeHTTP answers GET.
func (h credentials) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.Method != http.MethodGet {
		refuse(w, http.StatusMethodNotAllowed, "MethodNotAllowed", "Credentials are asked for with GET.")
		return
	}
	part := strings.Split(strings.Trim(r.URL.Path, "/"), "/")
	if len(part) != 4 || trusted[part[2]] == nil {
		refuse(w, http.StatusNotFound, "NotFound", "The path is /<region>/<account>/cluster/<identifier> or /<region>/<account>/namespace/<name>.")
		return
	}
	house, err := h.find(part[0], part[1], part[2], part[3])
	switch {
	case err != nil:
		refuse(w, http.StatusInternalServerError, "InternalFailure", "The records of Redshift cannot be read.")
	case house == nil:
		refuse(w, http.StatusNotFound, "NotFound", "There is no "+part[2]+" "+part[3]+" in account "+part[1]+" and region "+part[0]+".")
	default:
		h.give(w, r, house)
	}
}

// give makes a session of an attached role and logs the decision.
func (h credentials) give(w http.ResponseWriter, r *http.Request, house *warehouse) {
	arn := r.URL.Query().Get("role")
	if arn == "default" {
		if arn = house.Default; arn == "" {
			refuse(w, http.StatusForbidden, "AccessDenied", "The "+house.Kind+" "+house.Name+" has no default IAM role.")
			return
		}
	}
	role := h.world.State().RoleByARN(arn)
	e := sandbox.Entry{Time: h.now().UTC(), Service: "redshift", Region: house.Region, Action: "sts:AssumeRole", Principal: "redshift.amazonaws.com",
		Resource: arn, Method: r.Method, Path: r.URL.Path, Status: http.StatusForbidden, Error: "AccessDenied", UserAgent: r.UserAgent(),
		Decision: "implicitDeny", Reason: "the role is not attached to the " + house.Kind + " " + house.Name}
	defer func() { h.record(e) }()
	session := &world.Session{Name: "RedshiftIamRoleSession"}
	token := ""
	if role != nil && slices.Contains(house.Roles, arn) {
		for _, service := range trusted[house.Kind] {
			var d iam.Decision
			var err error
			if token, d, err = h.world.AssumeForService(service, role, session, lifetime, house.context(r.URL.Query().Get("user"))); err != nil {
				e.Status, e.Error = http.StatusInternalServerError, "InternalFailure"
				refuse(w, e.Status, e.Error, "The session cannot be made.")
				return
			}
			e.Decision, e.Reason = d.Effect.String(), d.Short()
			if d.Effect == iam.Allow {
				e.Decision, e.Status, e.Error = "allow", http.StatusOK, ""
				break
			}
		}
	}
	if token == "" {
		// One text for both, as Redshift has it: "The role is not associated
		// to the cluster" and "does not trust Redshift" look alike.
		refuse(w, http.StatusForbidden, "AccessDenied", "Not authorized to get credentials of role "+arn)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	body, _ := json.Marshal(map[string]string{"AccessKeyId": session.AccessKeyID, "SecretAccessKey": session.Secret.Reveal(), "Token": token,
		"Expiration": session.Expires.UTC().Format(time.RFC3339), "RoleArn": arn, "AccountId": house.Account})
	_, _ = w.Write(body) // a client that is gone hears nothing
}

// context is what trust policies may ask of a warehouse's session: "Restricting
// access to IAM roles" names the external id of a database user.
func (w *warehouse) context(user string) iam.Context {
	ctx := iam.Context{"aws:sourcearn": {w.arn()}, "sts:rolesessionname": {"RedshiftIamRoleSession"}}
	if user != "" {
		ctx["sts:externalid"] = []string{"arn:aws:redshift:" + w.Region + ":" + w.Account + ":dbuser:" + w.Name + "/" + user}
	}
	return ctx
}

// refuse answers an error as SDKs read it.
func refuse(w http.ResponseWriter, status int, code, message string) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	body, _ := json.Marshal(map[string]string{"code": code, "message": message})
	_, _ = w.Write(body)
}
