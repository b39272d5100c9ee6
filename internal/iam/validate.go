package iam

import (
	"fmt"
	"slices"
	"strings"

	"lakeport/internal/sqlerr"
)

// Limits of the size of documents: IAM User Guide, "IAM and STS quotas", and
// the service's own guides. IAM leaves white space out (Document.Size); the
// other services count bytes.
const (
	MaxManaged     = 6144
	MaxInlineUser  = 2048 // sum of the user's inline policies
	MaxInlineRole  = 10240
	MaxInlineGroup = 5120
	MaxTrust       = 2048
	MaxSession     = 2048 // inline session policy and managed policies' ARNs
	MaxBucket      = 20 * 1024
	MaxKey         = 32 * 1024
	MaxTableBucket = 20480
	MaxDocument    = 131072 // any document in a request to IAM
)

// Fault is one reason for which AWS would refuse a document. Code and Message
// are AWS's; Detail says in lakeport's words what is wrong at the place, and
// what to write.
type Fault struct {
	Code, Message string
	Detail        string
	Line, Column  int
}

// Check parses and validates a text. The document is nil if it does not parse;
// then the only fault tells where.
func Check(text []byte, kind PolicyKind) (*Document, []Fault) {
	d, err := Parse(text)
	if err != nil {
		return nil, []Fault{err.(*ParseError).fault(string(text), kind)}
	}
	return d, d.Validate(kind)
}

const syntaxErrors = "Syntax errors in policy."

func (e *ParseError) fault(text string, kind PolicyKind) Fault {
	f := Fault{code(kind), syntaxErrors, e.Msg, e.Line, e.Column}
	if e.Hint != "" {
		f.Detail += "; " + e.Hint
	}
	if kind == ResourcePolicy {
		f.Message = "This policy contains invalid Json"
		if !strings.HasPrefix(text, "{") {
			f.Message = "Policies must be valid JSON and the first byte must be '{'"
		}
	}
	return f
}

// code is the error code by which the owner of such policies refuses one.
func code(kind PolicyKind) string {
	switch kind {
	case ResourcePolicy:
		return "MalformedPolicy"
	case KeyPolicy:
		return "MalformedPolicyDocumentException"
	}
	return "MalformedPolicyDocument"
}

// Validate lists what AWS would refuse in a document of the kind, in the order
// in which AWS looks; the first fault is AWS's answer. ResourcePolicy is read
// as S3 reads bucket policies. Sizes are not checked here.
func (d *Document) Validate(kind PolicyKind) []Fault {
	v := &validator{d: d, kind: kind}
	stages := []func(*validator, *Statement){
		(*validator).shape, nil, (*validator).legacy, (*validator).sid, (*validator).actionsPresent,
		(*validator).resources, (*validator).actions, (*validator).resourcesPresent, (*validator).principals,
	}
	if kind == ResourcePolicy {
		stages = []func(*validator, *Statement){nil, (*validator).bucketStatement}
	}
	v.document()
	for _, stage := range stages {
		if stage == nil {
			v.version()
			continue
		}
		for i := range d.Statements {
			stage(v, &d.Statements[i])
		}
	}
	return v.faults
}

type validator struct {
	d      *Document
	kind   PolicyKind
	faults []Fault
}

func (v *validator) fail(at int, message, detail string, args ...any) {
	pos := sqlerr.At(v.d.text, at)
	v.faults = append(v.faults, Fault{code(v.kind), message, fmt.Sprintf(detail, args...), pos.Line, pos.Column})
}

func (v *validator) document() {
	d := v.d
	none, empty := syntaxErrors, syntaxErrors
	if v.kind == ResourcePolicy {
		none, empty = "Missing required field Statement", "Could not parse the policy: Statement is empty!"
	}
	switch {
	case d.Statements == nil:
		v.fail(0, none, `the document has no Statement; write "Statement": [{...}]`)
	case len(d.Statements) == 0:
		v.fail(0, empty, "Statement is empty; write at least one statement")
	}
	if v.kind == ResourcePolicy {
		return
	}
	if d.Version != "" && d.Version != version2012 && d.Version != "2008-10-17" {
		v.fail(d.versionAt, syntaxErrors, "Version %q is none of AWS's; write %q", d.Version, version2012)
	}
	for i, r := range d.text {
		if r > 0xff || r < ' ' && r != '\t' && r != '\n' && r != '\r' {
			v.fail(i, syntaxErrors, "character %q is beyond U+00FF, which IAM does not take", r)
			break
		}
	}
}

func (v *validator) version() {
	d := v.d
	switch v.kind {
	case ResourcePolicy:
		if d.Version != "" && d.Version != version2012 && d.Version != "2008-10-17" {
			v.fail(d.versionAt, "The policy must contain a valid version string", "Version %q is none of AWS's; write %q", d.Version, version2012)
		}
	case IdentityPolicy, Boundary, ServiceControl, ResourceControl:
		if d.Version == "" || d.Version == "2008-10-17" {
			v.fail(d.versionAt, "Policy document must be version 2012-10-17 or greater.", `write "Version": %q`, version2012)
		}
	}
}

// shape is what the grammar asks beyond the JSON types.
func (v *validator) shape(s *Statement) {
	switch strings.ToLower(s.Effect) {
	case "allow", "deny":
	case "":
		v.fail(s.effectAt, syntaxErrors, `the statement has no Effect; write "Allow" or "Deny"`)
	default:
		v.fail(s.effectAt, syntaxErrors, `Effect is "Allow" or "Deny", found %q`, s.Effect)
	}
	for _, pair := range []struct {
		name string
		both bool
	}{
		{"Principal", s.Principal != nil && s.NotPrincipal != nil},
		{"Action", s.Action != nil && s.NotAction != nil},
		{"Resource", s.Resource != nil && s.NotResource != nil},
	} {
		if pair.both {
			v.fail(s.at, syntaxErrors, "the statement has both %s and Not%[1]s; keep one", pair.name)
		}
	}
	if strings.Trim(s.Sid, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789") != "" && v.kind != KeyPolicy {
		v.fail(s.sidAt, syntaxErrors, "Sid %q holds more than letters and digits", s.Sid)
	}
	v.operators(s, syntaxErrors)
}

// operators refuses an operator that AWS does not have, by its name.
func (v *validator) operators(s *Statement, message string) {
	for i := range s.Conditions {
		c := &s.Conditions[i]
		if _, _, _, ok := parseOperator(c.Operator); ok {
			continue
		}
		detail := fmt.Sprintf("unknown condition operator %q", c.Operator)
		if n := nearestOperator(c.Operator); n != "" {
			detail += fmt.Sprintf("; did you mean %q?", n)
		}
		v.fail(c.at, message, "%s", detail)
	}
}

// nearestOperator is the operator closest to a misspelled one, with the
// modifiers that it was given.
func nearestOperator(name string) string {
	prefix, base := "", name
	if i := strings.LastIndexByte(name, ':'); i >= 0 {
		if prefix = nearest(name[:i], []string{"ForAnyValue", "ForAllValues"}); prefix == "" {
			return ""
		}
		prefix, base = prefix+":", name[i+1:]
	}
	suffix := ""
	if n := len(base) - len("IfExists"); n > 0 && strings.EqualFold(base[n:], "IfExists") {
		base, suffix = base[:n], "IfExists"
	}
	var names []string
	for _, op := range operators {
		names = append(names, op.name)
	}
	slices.Sort(names)
	n := nearest(base, names)
	if n == "" {
		return ""
	}
	if n == "Null" {
		return n
	}
	return prefix + n + suffix
}

const legacyParsing = "The policy failed legacy parsing"

func (v *validator) legacy(s *Statement) {
	if s.Effect != "Allow" && s.Effect != "Deny" && (strings.EqualFold(s.Effect, "allow") || strings.EqualFold(s.Effect, "deny")) {
		v.fail(s.effectAt, legacyParsing, `Effect is "Allow" or "Deny" in this case, found %q`, s.Effect)
	}
	for i := range s.Conditions {
		c := &s.Conditions[i]
		op, _, _, ok := parseOperator(c.Operator)
		if !ok || !strings.HasPrefix(op.name, "Date") {
			continue
		}
		for _, value := range c.Values {
			if _, ok := parseDate(value.Text); !ok {
				v.fail(value.at, legacyParsing, "%q is no date; write 2026-01-31T00:00:00Z or seconds since 1970", value.Text)
			}
		}
	}
	for _, r := range slices.Concat(s.Resource, s.NotResource) {
		parts := strings.SplitN(r.Text, ":", 6)
		if parts[0] == "arn" && (len(parts) < 6 && strings.Contains(r.Text, "::") || len(parts) > 2 && parts[2] == "") {
			v.fail(r.at, legacyParsing, "%q is not of the form arn:partition:service:region:account:resource", r.Text)
		}
	}
}

func (v *validator) sid(s *Statement) {
	if s.Sid == "" {
		return
	}
	for i := range v.d.Statements {
		if first := &v.d.Statements[i]; first.at < s.at && first.Sid == s.Sid {
			v.fail(s.sidAt, "Statement IDs (SID) in a single policy must be unique.", "Sid %q was used at %d:%d",
				s.Sid, first.Start.Line, first.Start.Column)
			return
		}
	}
}

func (v *validator) actionsPresent(s *Statement) {
	if len(s.Action)+len(s.NotAction) == 0 {
		v.fail(s.at, "Policy statement must contain actions.", "the statement has neither Action nor NotAction")
	}
}

func (v *validator) resources(s *Statement) {
	list := slices.Concat(s.Resource, s.NotResource)
	if v.kind == TrustPolicy {
		if s.Resource != nil || s.NotResource != nil {
			v.fail(s.at, "Has prohibited field Resource.", "a trust policy is about its role alone; remove Resource")
		}
		return
	}
	for _, r := range list {
		if message := resourceFault(r.Text); message != "" {
			v.fail(r.at, message, "resource %q", r.Text)
		}
	}
}

// iamPaths are the kinds of resource that IAM has.
var iamPaths = []string{"user/", "federated-user/", "role/", "group/", "instance-profile/", "mfa/", "server-certificate/",
	"policy/", "sms-mfa/", "saml-provider/", "oidc-provider/", "report/", "access-report/"}

// resourceFault is IAM's text for a malformed resource, "" for a good one.
func resourceFault(text string) string {
	if text == "*" {
		return ""
	}
	parts := strings.SplitN(text, ":", 6)
	if len(parts) == 1 {
		return fmt.Sprintf(`Resource %s must be in ARN format or "*".`, text)
	}
	if !validPartition(parts[1]) {
		shown := [4]string{"*", "*", "*", "*"}
		copy(shown[:], parts[2:])
		return fmt.Sprintf(`Partition %q is not valid for resource "arn:%s:%s".`, parts[1], parts[1], strings.Join(shown[:], ":"))
	}
	if len(parts) == 2 || strings.ContainsAny(parts[2], "*?") {
		return "Resource vendor must be fully qualified and cannot contain regexes."
	}
	if len(parts) < 6 {
		return ""
	}
	region, path := parts[3], parts[5]
	switch parts[2] {
	case "iam":
		if region != "" {
			return fmt.Sprintf("IAM resource %s cannot contain region information.", text)
		}
		if path != "*" && !slices.ContainsFunc(iamPaths, func(p string) bool { return strings.HasPrefix(path, p) }) {
			return `IAM resource path must either be "*" or start with ` + strings.Join(iamPaths, ", ") + "."
		}
	case "s3":
		if region != "" && !strings.HasPrefix(path, "accesspoint/") {
			return fmt.Sprintf("Resource %s can not contain region information.", text)
		}
	}
	return ""
}

func validPartition(p string) bool {
	return p == "aws" || p == "aws-cn" || p == "aws-us-gov" || p == "*"
}

// trustActions are what a trust policy may speak of.
var trustActions = []string{"sts:assumerole", "sts:assumerolewithsaml", "sts:assumerolewithwebidentity",
	"sts:tagsession", "sts:setsourceidentity", "sts:setcontext", "sts:*"}

func (v *validator) actions(s *Statement) {
	for _, a := range slices.Concat(s.Action, s.NotAction) {
		if message := actionFault(a.Text); message != "" {
			v.fail(a.at, message, "action %q", a.Text)
		} else if v.kind == TrustPolicy && !slices.Contains(trustActions, strings.ToLower(a.Text)) {
			v.fail(a.at, "Trust Policy statement actions can only be sts:AssumeRole, sts:AssumeRoleWithSAML,  and sts:AssumeRoleWithWebIdentity",
				"action %q", a.Text)
		}
	}
}

func actionFault(text string) string {
	if text == "*" {
		return ""
	}
	vendor, _, found := strings.Cut(text, ":")
	switch {
	case !found:
		return "Actions/Conditions must be prefaced by a vendor, e.g., iam, sdb, ec2, etc."
	case strings.Count(text, ":") > 1:
		return "Actions/Condition can contain only one colon."
	case vendor == "" || strings.Trim(vendor, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789.-") != "":
		return fmt.Sprintf("Vendor %s is not valid", vendor)
	}
	return ""
}

func (v *validator) resourcesPresent(s *Statement) {
	if v.kind != TrustPolicy && len(s.Resource)+len(s.NotResource) == 0 {
		v.fail(s.at, "Policy statement must contain resources.", "the statement has neither Resource nor NotResource")
	}
}

func (v *validator) principals(s *Statement) {
	named := s.Principal != nil || s.NotPrincipal != nil
	switch v.kind {
	case TrustPolicy:
		if len(s.Principal)+len(s.NotPrincipal) == 0 {
			v.fail(s.at, "Missing required field Principal cannot be empty!", "say who may assume the role: \"Principal\": {\"AWS\": \"arn:...\"}")
		}
		// Assumed: AWS's documentation advises against it without a text.
		if s.NotPrincipal != nil && s.Effect == "Allow" {
			v.fail(s.at, syntaxErrors, "NotPrincipal with Allow would let everyone else in; name who may assume the role")
		}
	case KeyPolicy:
		if len(s.Principal)+len(s.NotPrincipal) == 0 {
			v.fail(s.at, syntaxErrors, "the statement names no Principal")
		}
	default:
		if named && v.kind != ResourceControl {
			v.fail(s.at, "Policy document should not specify a principal.", "remove Principal: the policy applies to whom it is attached to")
		}
		return
	}
	for _, p := range slices.Concat(s.Principal, s.NotPrincipal) {
		if !p.Valid() || p.Kind == "CanonicalUser" {
			message := fmt.Sprintf("Invalid principal in policy: %q:%q", p.Kind, p.Value)
			if v.kind == KeyPolicy {
				message = "Policy contains a statement with one or more invalid principals."
			}
			v.fail(p.at, message, "%s principal %q", p.Kind, p.Value)
		}
	}
}

// bucketStatement checks one statement as S3 does: Amazon S3 User Guide,
// "Policies and permissions in Amazon S3".
func (v *validator) bucketStatement(s *Statement) {
	const invalidJSON = "This policy contains invalid Json"
	if s.Effect != "Allow" && s.Effect != "Deny" {
		v.fail(s.effectAt, "Invalid effect: "+s.Effect, `Effect is "Allow" or "Deny"`) // Assumed: the text
	}
	if s.Principal != nil && s.NotPrincipal != nil || s.Action != nil && s.NotAction != nil || s.Resource != nil && s.NotResource != nil {
		v.fail(s.at, invalidJSON, "the statement has an element and its Not form; keep one")
	}
	v.operators(s, invalidJSON) // Assumed: the text
	who := slices.Concat(s.Principal, s.NotPrincipal)
	if len(who) == 0 {
		v.fail(s.at, "Missing required field Principal", `say for whom: "Principal": {"AWS": "arn:..."}`)
	}
	for _, p := range who {
		if !p.Valid() {
			v.fail(p.at, "Invalid principal in policy", "%s principal %q", p.Kind, p.Value)
		}
	}
	actions, resources := slices.Concat(s.Action, s.NotAction), slices.Concat(s.Resource, s.NotResource)
	if len(actions) == 0 {
		v.fail(s.at, "Missing required field Action", "the statement has neither Action nor NotAction")
	}
	for _, a := range actions {
		if _, name, _ := strings.Cut(a.Text, ":"); a.Text != "*" && (!strings.EqualFold(a.Text, "s3:"+name) || name == "") {
			v.fail(a.at, "Policy has invalid action", "action %q is none of S3's", a.Text)
		}
	}
	if len(resources) == 0 {
		v.fail(s.at, "Missing required field Resource", "the statement has neither Resource nor NotResource")
	}
	for _, r := range resources {
		if a := splitARN(r.Text); r.Text != "*" && (!a.ok || a.parts[0] != "arn" || !validPartition(a.parts[1]) || a.parts[2] != "s3" || a.parts[5] == "") {
			v.fail(r.at, "Policy has invalid resource", "resource %q is no bucket nor object", r.Text)
		}
	}
	if s.Action != nil && s.Resource != nil {
		v.bucketLevels(s)
	}
}

// bucketLevels refuses an action that none of the statement's resources can
// be meant for: one on objects where only buckets are named, or the reverse.
func (v *validator) bucketLevels(s *Statement) {
	var buckets, objects bool
	for _, r := range s.Resource {
		path := splitARN(r.Text).parts[5]
		bucket, _, isObject := strings.Cut(path, "/")
		buckets = buckets || !isObject || r.Text == "*"
		objects = objects || isObject || r.Text == "*" || strings.HasSuffix(bucket, "*")
	}
	for _, a := range s.Action {
		name := strings.ToLower(a.Text)
		if strings.ContainsAny(name, "*?") {
			continue
		}
		if onObject := objectAction(name); onObject && !objects || !onObject && !buckets {
			v.fail(a.at, "Action does not apply to any resource(s) in statement",
				"%s acts on %s; the statement names none", a.Text, map[bool]string{true: "objects (arn:aws:s3:::bucket/*)", false: "buckets (arn:aws:s3:::bucket)"}[onObject])
		}
	}
}

// objectAction tells whether S3's action, in lower case, acts on objects:
// Service Authorization Reference, "Actions, resources, and condition keys for
// Amazon S3".
func objectAction(action string) bool {
	switch name := strings.TrimPrefix(action, "s3:"); name {
	case "abortmultipartupload", "listmultipartuploadparts", "bypassgovernanceretention", "replicatedelete", "replicatetags":
		return true
	default:
		return strings.Contains(name, "object") && !strings.Contains(name, "bucketobjectlock") && !strings.Contains(name, "objectlambda")
	}
}
