package kms

import (
	"fmt"
	"maps"
	"net/http"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"lakeport/internal/iam"
	"lakeport/internal/sandbox"
)

var (
	keyID     = regexp.MustCompile(`^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$`)
	accountID = regexp.MustCompile(`^[0-9]{12}$`)
)

// where is what KeyId says in one of its four forms.
type where struct {
	account, region string
	id, alias       string // one of them
}

// place reads a KeyId. A bare id or alias is of the caller's account.
func (q *call) place(text string) (where, error) {
	w := where{account: q.account, region: q.Region, id: text}
	if strings.HasPrefix(text, "arn:") {
		part := strings.SplitN(text, ":", 6)
		if len(part) < 6 || part[2] != "kms" || !accountID.MatchString(part[4]) {
			return w, fail("InvalidArnException", "Invalid arn %s", text)
		}
		if part[3] != q.Region {
			return w, notFound("Invalid arn %s", part[3])
		}
		w.account, w.region = part[4], part[3]
		var ok bool
		if w.id, ok = strings.CutPrefix(part[5], "key/"); !ok {
			w.id = part[5]
		}
	}
	if strings.HasPrefix(w.id, "alias/") {
		w.id, w.alias = "", w.id
		return w, nil
	}
	if !keyID.MatchString(w.id) {
		return w, notFound("Invalid keyId '%s'", w.id)
	}
	return w, nil
}

// lookup finds the key that a KeyId names. Of other accounts' keys nobody is
// told whether they exist.
func (q *call) lookup(text string) (*key, string, error) {
	w, err := q.place(text)
	if err != nil {
		return nil, "", err
	}
	arn := "arn:aws:kms:" + w.region + ":" + w.account + ":"
	var k *key
	switch {
	case w.alias == "":
		k = q.store.find(arn + "key/" + w.id)
	case w.alias == aliasS3 && w.account == q.account:
		k, err = q.managed(w.account, w.region)
	default:
		k = q.store.named(arn + w.alias)
	}
	switch {
	case err != nil:
		return nil, "", err
	case k != nil && !k.gone(q.Now):
		return k, w.alias, nil
	case w.account != q.account:
		return nil, "", q.hidden(q.action)
	case w.alias != "":
		return nil, "", notFound("Alias %s is not found.", arn+w.alias)
	}
	return nil, "", notFound("Key '%s' does not exist", arn+"key/"+w.id)
}

// hidden is the denial that does not tell whether a key exists.
func (q *call) hidden(action string) *sandbox.APIError {
	what := " on this resource"
	if action == "kms:Decrypt" || action == "kms:ReEncryptFrom" {
		what = " on the resource associated with this ciphertext"
	}
	return fail("AccessDeniedException", "User: %s is not authorized to perform: %s%s because the resource does not exist in this Region, "+
		"no resource-based policies allow access, or a resource-based policy explicitly denies access", q.Caller.Principal.ARN, action, what)
}

// denied words a need that was refused ("Troubleshooting key access", AWS KMS
// Developer Guide, and messages seen in public).
func (q *call) denied(n sandbox.Need, d iam.Decision) *sandbox.APIError {
	if n.Resource.Account != q.account && (d.Kind == iam.KeyPolicy || d.Reason == iam.NoKeyAllow) {
		return q.hidden(n.Action)
	}
	r := iam.Request{Principal: q.Caller.Principal, Action: n.Action, Resource: n.Resource}
	if q.blob != nil && (n.Action == "kms:Decrypt" || n.Action == "kms:ReEncryptFrom") {
		return fail("AccessDeniedException", "User: %s is not authorized to perform: %s on the resource associated with this ciphertext %s",
			q.Caller.Principal.ARN, n.Action, d.Denial(&r))
	}
	return fail("AccessDeniedException", "%s", d.Message(&r))
}

// foreign are the operations that may name another account's key ("AWS KMS
// permissions", column "Cross-account use").
var foreign = map[string]bool{"kms:CreateGrant": true, "kms:Decrypt": true, "kms:DescribeKey": true, "kms:Encrypt": true, "kms:GenerateDataKey": true,
	"kms:GenerateDataKeyWithoutPlaintext": true, "kms:GetKeyRotationStatus": true, "kms:ListGrants": true, "kms:ReEncrypt": true,
	"kms:RetireGrant": true, "kms:RevokeGrant": true}

// aliased are the operations whose KeyId may be an alias.
var aliased = map[string]bool{"kms:Decrypt": true, "kms:DescribeKey": true, "kms:Encrypt": true, "kms:GenerateDataKey": true,
	"kms:GenerateDataKeyWithoutPlaintext": true, "kms:ReEncrypt": true}

// use looks up the operation's key.
func (q *call) use(text string) (*key, error) {
	k, alias, err := q.lookup(text)
	switch {
	case err != nil:
		return nil, err
	case alias != "" && !aliased[q.action]:
		return nil, notFound("Invalid keyId '%s'", text)
	case k.Account != q.account && !foreign[q.action]:
		return nil, q.hidden(q.action)
	}
	q.alias = alias
	return k, nil
}

// onKey needs the operation's own action on the key that KeyId names.
func onKey(q *call) (needs []sandbox.Need, err error) {
	if q.key, err = q.use(value(q.in.KeyID)); err != nil {
		return nil, err
	}
	return []sandbox.Need{q.need(q.action, q.key, q.in.EncryptionContext)}, nil
}

// onAll needs the operation's own action, which is not about one key.
func onAll(q *call) ([]sandbox.Need, error) {
	ctx := iam.Context{"kms:calleraccount": {q.account}}
	q.tagContext(ctx)
	return []sandbox.Need{{Action: q.action, Resource: iam.Resource{ARN: "*", Account: q.account}, Context: ctx}}, nil
}

// need is one action on a key with the keys of "AWS KMS condition keys".
func (q *call) need(action string, k *key, context map[string]string) sandbox.Need {
	ctx := iam.Context{"kms:calleraccount": {q.account}, "kms:keyspec": {symmetric}, "kms:keyusage": {"ENCRYPT_DECRYPT"},
		"kms:keyorigin": {"AWS_KMS"}, "kms:multiregion": {"false"}}
	for _, a := range k.Aliases {
		ctx["kms:resourcealiases"] = append(ctx["kms:resourcealiases"], a.Name)
	}
	for _, t := range k.Tags {
		ctx["aws:resourcetag/"+strings.ToLower(t.TagKey)] = []string{t.TagValue}
	}
	for _, name := range slices.Sorted(maps.Keys(context)) {
		ctx["kms:encryptioncontext:"+strings.ToLower(name)] = []string{context[name]}
		ctx["kms:encryptioncontextkeys"] = append(ctx["kms:encryptioncontextkeys"], name)
	}
	if q.alias != "" {
		ctx["kms:requestalias"] = []string{q.alias}
	}
	if context != nil {
		ctx["kms:encryptionalgorithm"] = []string{symmetric}
	}
	if action == "kms:ScheduleKeyDeletion" {
		ctx["kms:scheduledeletionpendingwindowindays"] = []string{strconv.Itoa(q.in.window())}
	}
	if action == "kms:CreateGrant" {
		q.grantContext(ctx)
	}
	if action == "kms:PutKeyPolicy" || action == "kms:CreateKey" {
		ctx["kms:bypasspolicylockoutsafetycheck"] = []string{fmt.Sprint(q.in.Bypass)}
	}
	q.tagContext(ctx)
	return sandbox.Need{Action: action, Resource: iam.Resource{ARN: k.arn(), Account: k.Account}, Context: ctx,
		Grants: k.granted(strings.TrimPrefix(action, "kms:"), context)}
}

func (q *call) tagContext(ctx iam.Context) {
	for _, t := range q.in.Tags {
		ctx["aws:requesttag/"+strings.ToLower(t.TagKey)] = []string{t.TagValue}
		ctx["aws:tagkeys"] = append(ctx["aws:tagkeys"], t.TagKey)
	}
	ctx["aws:tagkeys"] = append(ctx["aws:tagkeys"], q.in.TagKeys...)
	if len(ctx["aws:tagkeys"]) == 0 {
		delete(ctx, "aws:tagkeys")
	}
}

// usable refuses a key that is not in a state to encrypt or decrypt.
func (k *key) usable() error {
	switch k.State {
	case disabled:
		return fail("DisabledException", "%s is disabled.", k.arn())
	case pendingDeletion:
		return k.wrongState("is pending deletion.")
	}
	return nil
}

func (k *key) wrongState(text string) error {
	return fail("KMSInvalidStateException", "%s %s", k.arn(), text)
}

// notPending is the state that most changes of a key ask for.
func (k *key) notPending() error {
	if k.State == pendingDeletion {
		return k.wrongState("is pending deletion.")
	}
	return nil
}

// dryRun is the answer to a call that would have succeeded.
func (q *call) dryRun() error {
	if !q.in.DryRun {
		return nil
	}
	return &sandbox.APIError{Status: http.StatusPreconditionFailed, Code: "DryRunOperationException",
		Message: "The request would have succeeded, but the DryRun option is set."}
}
