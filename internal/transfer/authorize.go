package transfer

import (
	"regexp"
	"strings"

	"lakeport/internal/awsauth"
	"lakeport/internal/secret"
	"lakeport/internal/sqlerr"
	"lakeport/internal/syntax"
)

// maxRoles is how long a chain may be ("Chaining IAM roles in Amazon Redshift").
const maxRoles = 10

var roleARN = regexp.MustCompile(`^arn:aws[a-z-]*:iam::\d{12}:role/[\w+=,.@/-]+$`)

// Authorize reads who a COPY or UNLOAD acts as: a chain of roles, the default
// role, or an access key (Database Developer Guide, "Authorization parameters").
// user is the database user. It asks nobody anything.
func Authorize(st syntax.Statement, o syntax.TransferOptions, r *awsauth.Resolver, user, text string) (awsauth.Spec, error) {
	a := authorizing{r: r, user: user, text: text}
	if region := o.Find("REGION"); region != nil {
		if a.region = region.Value.Value; !regionForm.MatchString(a.region) {
			return awsauth.Spec{}, a.refuse(region.Value.Pos, "%q is no AWS region", a.region).WithHint("write REGION 'us-east-1'")
		}
	}
	role, key, credentials := o.Find("IAM_ROLE"), keyOption(o), o.Find("CREDENTIALS")
	switch {
	case role != nil && key != nil:
		return awsauth.Spec{}, a.refuse(max(role.Pos, key.Pos), "IAM_ROLE cannot stand beside %s", key.Name)
	case role != nil && credentials != nil:
		return awsauth.Spec{}, a.refuse(max(role.Pos, credentials.Pos), "IAM_ROLE cannot stand beside CREDENTIALS")
	case key != nil && credentials != nil:
		return awsauth.Spec{}, a.refuse(max(key.Pos, credentials.Pos), "CREDENTIALS cannot stand beside %s", key.Name)
	case role != nil && role.Value.Value == "DEFAULT" && text[role.Value.Pos] != '\'':
		return a.byDefault(role.Value.Pos)
	case role != nil:
		return a.chain(*role.Value, role.Value.Value, 0)
	case key != nil:
		return a.keys(o)
	case credentials != nil:
		return a.arguments(*credentials.Value)
	}
	return awsauth.Spec{}, a.refuse(st.Start(), "no authorization is given").
		WithHint("add IAM_ROLE 'arn:aws:iam::<account>:role/<name>', IAM_ROLE default, or ACCESS_KEY_ID '…' SECRET_ACCESS_KEY '…'")
}

var regionForm = regexp.MustCompile(`^[a-z]{2}(-[a-z]+)+-\d$`)

func keyOption(o syntax.TransferOptions) *syntax.TransferOption {
	for _, name := range []string{"ACCESS_KEY_ID", "SECRET_ACCESS_KEY", "SESSION_TOKEN"} {
		if t := o.Find(name); t != nil {
			return t
		}
	}
	return nil
}

type authorizing struct {
	r                  *awsauth.Resolver
	user, region, text string
}

func (a *authorizing) refuse(at syntax.Pos, format string, args ...any) *sqlerr.Error {
	return sqlerr.New(sqlerr.Invalid, format, args...).WithPos(a.text, int(at))
}

func (a *authorizing) byDefault(at syntax.Pos) (awsauth.Spec, error) {
	if !a.r.HasRoles() {
		return awsauth.Spec{}, a.refuse(at, "there is no default role: this server is no cluster to which roles are attached").
			WithHint("name the role, or start lakeport with --cluster-credentials")
	}
	return a.r.RoleSpec([]string{awsauth.DefaultRole}, a.user, a.region), nil
}

// chain reads a list of roles, which begins off bytes into a literal.
func (a *authorizing) chain(lit syntax.StringLit, list string, off int) (awsauth.Spec, error) {
	at := func(n int) syntax.Pos { return lit.Pos + syntax.Pos(1+off+n) }
	if strings.EqualFold(list, "default") {
		return awsauth.Spec{}, a.refuse(lit.Pos, "the default role is named without quotes").WithHint("write IAM_ROLE default")
	}
	if n := strings.IndexAny(list, " \t\r\n"); n >= 0 {
		return awsauth.Spec{}, a.refuse(at(n), "the list of roles holds a blank").WithHint("write IAM_ROLE '%s'", strings.Join(strings.Fields(list), ""))
	}
	roles := strings.Split(list, ",")
	n := 0
	for _, arn := range roles {
		if !roleARN.MatchString(arn) {
			return awsauth.Spec{}, a.refuse(at(n), "%q is not the ARN of a role", arn).WithHint("a role's ARN is arn:aws:iam::<12 digits>:role/<name>; several are joined by commas")
		}
		n += len(arn) + 1
	}
	if len(roles) > maxRoles {
		return awsauth.Spec{}, a.refuse(lit.Pos, "the chain has %d roles; at most %d may be chained", len(roles), maxRoles)
	}
	return a.r.RoleSpec(roles, a.user, a.region), nil
}

func (a *authorizing) keys(o syntax.TransferOptions) (awsauth.Spec, error) {
	id, key, token := o.Find("ACCESS_KEY_ID"), o.Find("SECRET_ACCESS_KEY"), o.Find("SESSION_TOKEN")
	if id == nil || key == nil {
		return awsauth.Spec{}, a.refuse(keyOption(o).Pos, "ACCESS_KEY_ID and SECRET_ACCESS_KEY belong together")
	}
	k := awsauth.Keys{AccessKeyID: id.Value.Value, Secret: secret.New(key.Value.Value)}
	if token != nil {
		k.Token = secret.New(token.Value.Value)
	}
	return a.key(k, key.Value.Value == id.Value.Value, key.Value.Pos)
}

// key refuses what is certainly no key.
func (a *authorizing) key(k awsauth.Keys, same bool, at syntax.Pos) (awsauth.Spec, error) {
	switch {
	case k.AccessKeyID == "" || k.Secret.Empty():
		return awsauth.Spec{}, a.refuse(at, "the access key or its secret is empty")
	case same:
		return awsauth.Spec{}, a.refuse(at, "the secret is the key id").WithHint("the secret is the longer text that came with the key, of 40 characters")
	}
	return a.r.KeySpec(k, a.region), nil
}

// arguments reads the text of CREDENTIALS.
func (a *authorizing) arguments(lit syntax.StringLit) (awsauth.Spec, error) {
	malformed := a.refuse(lit.Pos, "Invalid credentials. Must be of the format: credentials 'aws_iam_role=...' or 'aws_access_key_id=...;aws_secret_access_key=...[;token=...]'")
	given := map[string]string{}
	off := 0
	roleAt := 0
	for part := range strings.SplitSeq(lit.Value, ";") {
		name, value, ok := strings.Cut(part, "=")
		if _, twice := given[name]; !ok || twice || strings.ContainsAny(part, " \t\r\n") {
			return awsauth.Spec{}, malformed
		}
		switch name {
		case "aws_iam_role":
			roleAt = off + len(name) + 1
		case "aws_access_key_id", "aws_secret_access_key", "token":
		case "master_symmetric_key":
			return awsauth.Spec{}, sqlerr.New(sqlerr.Unsupported, "client-side encryption is not built yet").WithPos(a.text, int(lit.Pos))
		default:
			return awsauth.Spec{}, malformed
		}
		given[name] = value
		off += len(part) + 1
	}
	if list, ok := given["aws_iam_role"]; ok {
		if len(given) > 1 {
			return awsauth.Spec{}, malformed
		}
		return a.chain(lit, list, roleAt)
	}
	id, key := given["aws_access_key_id"], given["aws_secret_access_key"]
	if id == "" || key == "" {
		return awsauth.Spec{}, malformed
	}
	return a.key(awsauth.Keys{AccessKeyID: id, Secret: secret.New(key), Token: secret.New(given["token"])}, id == key, lit.Pos)
}
