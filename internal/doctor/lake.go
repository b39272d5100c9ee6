package doctor

import (
	"context"
	"encoding/json"
	"path"
	"slices"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/glue"
	"github.com/aws/aws-sdk-go-v2/service/lakeformation"
	"github.com/aws/aws-sdk-go-v2/service/lakeformation/types"

	"lakeport/internal/awsauth"
	"lakeport/internal/iam"
)

// lakeFormation is the service as trust policies name it.
const lakeFormation = "lakeformation.amazonaws.com"

// object is what Lake Formation grants permissions on: a table, all tables of a
// database ("*"), a database, or a catalog.
type object struct{ catalog, database, table string }

// objectOf reads Glue's name of an object of a table bucket's catalog. The
// account stands before the catalog's path.
func objectOf(arn string) object {
	kind, rest, _ := strings.Cut(strings.SplitN(arn, ":", 6)[5], "/")
	parts := strings.Split(rest, "/")
	o := object{}
	switch n := len(parts); {
	case kind == "table" && n > 2:
		parts, o.database, o.table = parts[:n-2], parts[n-2], parts[n-1]
	case kind == "database" && n > 1:
		parts, o.database = parts[:n-1], parts[n-1]
	}
	o.catalog = accountOf(arn) + ":" + strings.Join(parts, "/")
	return o
}

// resource is the object as the API takes it.
func (o object) resource() map[string]any {
	switch {
	case o.table != "":
		return map[string]any{"Table": map[string]string{"CatalogId": o.catalog, "DatabaseName": o.database, "Name": o.table}}
	case o.database != "":
		return map[string]any{"Database": map[string]string{"CatalogId": o.catalog, "Name": o.database}}
	}
	return map[string]any{"Catalog": map[string]string{"Id": o.catalog}}
}

// grant is what a principal holds on an object.
type grant struct {
	who         string
	on          object
	permissions []types.Permission
	odd         bool // by tag, for some columns or under a condition: what it covers is not known
}

// lake is what Lake Formation says of an account in a region.
type lake struct {
	unread    string
	open      string // why IAM alone decides about table buckets, if it does
	admins    []string
	external  bool // engines outside of AWS may access whole tables
	locations []types.ResourceInfo
	grants    []grant
	partial   string // why some grants may not be shown
}

// lake reads settings, registered locations and grants of an account.
func (e *Exam) lake(ctx context.Context, region, account string) *lake {
	key := region + ":" + account
	if l := e.lakes[key]; l != nil {
		return l
	}
	l := &lake{}
	e.lakes[key] = l
	reader, why := e.reader(account)
	if why != "" {
		l.unread = why
		return l
	}
	reader.Region = region
	action, err := l.read(ctx, glue.NewFromConfig(e.o.Resolver.Config(reader, "glue")), lakeformation.NewFromConfig(e.o.Resolver.Config(reader, "lakeformation")), account)
	if err != nil {
		l.unread = e.told(ctx, err, reader, action)
		return l
	}
	// "ListPermissions": the answer is filtered by the caller's permissions.
	if who := e.callerOf(ctx, reader, len(reader.Chain)).name(); !slices.Contains(l.admins, who) {
		l.partial = "grants may be hidden from " + who + ", who is no administrator of the data lake"
	}
	return l
}

// read gives the action that failed with an error.
func (l *lake) read(ctx context.Context, catalogs *glue.Client, api *lakeformation.Client, account string) (string, error) {
	c, err := catalogs.GetCatalog(ctx, &glue.GetCatalogInput{CatalogId: aws.String(account + ":s3tablescatalog")})
	if err != nil {
		return "glue:GetCatalog", err
	}
	for _, p := range c.Catalog.CreateDatabaseDefaultPermissions {
		if p.Principal != nil && aws.ToString(p.Principal.DataLakePrincipalIdentifier) == "IAM_ALLOWED_PRINCIPALS" {
			l.open = "IAM alone decides in the catalog s3tablescatalog of account " + account
			return "", nil
		}
	}
	s, err := api.GetDataLakeSettings(ctx, &lakeformation.GetDataLakeSettingsInput{})
	if err != nil {
		return "lakeformation:GetDataLakeSettings", err
	}
	l.external = aws.ToBool(s.DataLakeSettings.AllowFullTableExternalDataAccess)
	for _, p := range slices.Concat(s.DataLakeSettings.DataLakeAdmins, s.DataLakeSettings.ReadOnlyAdmins) {
		l.admins = append(l.admins, aws.ToString(p.DataLakePrincipalIdentifier))
	}
	for pages := lakeformation.NewListResourcesPaginator(api, &lakeformation.ListResourcesInput{}); pages.HasMorePages(); {
		page, err := pages.NextPage(ctx)
		if err != nil {
			return "lakeformation:ListResources", err
		}
		l.locations = append(l.locations, page.ResourceInfoList...)
	}
	// Assumed: without a filter the list also has the grants on catalogs within
	// the account's own, such as those of table buckets.
	for pages := lakeformation.NewListPermissionsPaginator(api, &lakeformation.ListPermissionsInput{}); pages.HasMorePages(); {
		page, err := pages.NextPage(ctx)
		if err != nil {
			return "lakeformation:ListPermissions", err
		}
		for _, p := range page.PrincipalResourcePermissions {
			l.grants = append(l.grants, grantOf(account, p))
		}
	}
	return "", nil
}

func grantOf(account string, p types.PrincipalResourcePermissions) grant {
	g := grant{permissions: p.Permissions, odd: p.Condition != nil}
	if p.Principal != nil {
		g.who = aws.ToString(p.Principal.DataLakePrincipalIdentifier)
	}
	in := func(id *string) string {
		if s := aws.ToString(id); s != "" {
			return s
		}
		return account
	}
	switch r := p.Resource; {
	case r == nil:
		g.odd = true
	case r.Table != nil:
		g.on = object{in(r.Table.CatalogId), aws.ToString(r.Table.DatabaseName), aws.ToString(r.Table.Name)}
		if r.Table.TableWildcard != nil {
			g.on.table = "*"
		}
	case r.TableWithColumns != nil:
		t := r.TableWithColumns
		g.on = object{in(t.CatalogId), aws.ToString(t.DatabaseName), aws.ToString(t.Name)}
		g.odd = g.odd || len(t.ColumnNames) > 0 || t.ColumnWildcard == nil || len(t.ColumnWildcard.ExcludedColumnNames) > 0
	case r.Database != nil:
		g.on = object{catalog: in(r.Database.CatalogId), database: aws.ToString(r.Database.Name)}
	case r.Catalog != nil:
		g.on.catalog = in(r.Catalog.Id)
	default: // by tag; or on a location or filter, which are none of these objects
		g.odd = true
	}
	return g
}

// holds tells whether a grant is a principal's: its own, or that of all
// principals of the account.
func (g *grant) holds(who string) bool {
	return g.who == who || g.who == "IAM_ALLOWED_PRINCIPALS" || g.who == accountOf(who)+":IAMPrincipals"
}

// gives tells whether a grant implies a permission on an object ("Lake Formation
// permissions reference"). Any permission on an object shows it, and what it
// lies in.
func (g *grant) gives(permission types.Permission, o object) bool {
	if g.odd || g.on.catalog != o.catalog {
		return false
	}
	if slices.Contains(g.permissions, types.PermissionSuperUser) {
		return true
	}
	among := o.table != "" && g.on.table == "*" && g.on.database == o.database
	if permission == types.PermissionDescribe && (o.database == "" || g.on.database == o.database && (o.table == "" || g.on.table == o.table || among)) {
		return true
	}
	return (g.on == o || among) && (slices.Contains(g.permissions, permission) || slices.Contains(g.permissions, types.PermissionAll))
}

// granted judges whether a principal holds a permission of Lake Formation.
func (e *Exam) granted(ctx context.Context, who *caller, permission string, arn string) (answer Answer, reason string, fix *Fix) {
	l := e.lake(ctx, strings.SplitN(arn, ":", 6)[3], accountOf(arn))
	name, o, p := arnOf(&who.Principal), objectOf(arn), types.Permission(permission)
	odd := false
	switch {
	case l.unread != "":
		return Unknown, "the grants of Lake Formation cannot be read: " + l.unread, nil
	case l.open != "":
		return Allowed, l.open, nil
	case e.made[arn] == name:
		return Allowed, "who makes an object holds all permissions on it", nil
	case slices.Contains(l.admins, name) && (p == types.PermissionDescribe || p == types.PermissionCreateDatabase):
		return Allowed, "an administrator of the data lake may", nil
	}
	for i := range l.grants {
		if g := &l.grants[i]; g.holds(name) && g.gives(p, o) {
			return Allowed, "granted by Lake Formation", nil
		}
		odd = odd || l.grants[i].odd && l.grants[i].holds(name)
	}
	switch {
	case l.partial != "":
		return Unknown, l.partial, nil
	case odd:
		return Unknown, "it hangs on a grant by tag, column or condition", nil
	}
	text, err := json.Marshal(map[string]any{"Principal": map[string]string{"DataLakePrincipalIdentifier": name}, "Permissions": []string{permission}, "Resource": o.resource()})
	if err != nil {
		panic("doctor: a grant does not marshal: " + err.Error())
	}
	return Denied, "no grant of Lake Formation gives it", &Fix{To: "the grants of Lake Formation in account " + accountOf(arn), Policy: string(text)}
}

// permission is Lake Formation's permission that a request is about, "" if it is
// an action of IAM's: permissions are written in capitals.
func permission(action string) string {
	name, ours := strings.CutPrefix(action, "lakeformation:")
	if !ours || name != strings.ToUpper(name) {
		return ""
	}
	return name
}

// lakeStep judges a permission of Lake Formation's; false: IAM alone decides.
func (e *Exam) lakeStep(ctx context.Context, s awsauth.Spec, r iam.Request) (Step, bool) {
	who := *e.callerOf(ctx, s, len(s.Chain))
	r.Resource = owned(r.Resource, who.Account)
	step := Step{Principal: who.name(), Action: r.Action, Resource: r.Resource.ARN, Answer: Unknown, Reason: "AWS does not say who that is"}
	if who.err != nil {
		step.Principal = s.Source.String()
		return step, true
	}
	if e.lake(ctx, strings.SplitN(r.Resource.ARN, ":", 6)[3], accountOf(r.Resource.ARN)).open != "" {
		return step, false
	}
	e.identify(ctx, &who, &evidence{})
	step.Principal = who.name()
	var fix *Fix
	if step.Answer, step.Reason, fix = e.granted(ctx, &who, permission(r.Action), r.Resource.ARN); fix != nil {
		step.Fixes = []Fix{*fix}
	}
	return step, true
}

// make notes what a request makes: its maker will hold all permissions on it
// ("Implicit Lake Formation permissions").
func (e *Exam) make(ctx context.Context, s awsauth.Spec, r iam.Request) {
	kind := map[string]string{"glue:CreateDatabase": "database/", "glue:CreateTable": "table/"}[r.Action]
	who := *e.callerOf(ctx, s, len(s.Chain))
	arn := r.Resource.ARN
	if parts := strings.SplitN(arn, ":", 6); kind != "" && len(parts) == 6 && strings.HasPrefix(parts[5], kind) {
		e.identify(ctx, &who, &evidence{})
		e.made[arn] = arnOf(&who.Principal)
	}
}

// lend judges requests that are signed with credentials that s is lent for a
// table ("Application integration for full table access", Lake Formation
// Developer Guide): IAM must let s have them, the account's settings must let
// engines outside of AWS, and the role of the registered location signs.
func (e *Exam) lend(ctx context.Context, a awsauth.Access, add func(Step)) {
	parts := strings.SplitN(a.Lent, ":", 6)
	if len(parts) < 6 || parts[2] != "s3tables" {
		for _, r := range a.Requests {
			add(Step{Principal: a.Lent, Action: r.Action, Resource: r.Resource.ARN, Answer: Unknown, Reason: "it is signed with credentials that the " + a.Lent + " hands out"})
		}
		return
	}
	s := a.Spec
	borrower := e.callerOf(ctx, s, len(s.Chain))
	bucket := owned(iam.Resource{ARN: a.Lent}, borrower.Account).ARN
	l := e.lake(ctx, parts[3], accountOf(bucket))
	if l.open != "" {
		if len(a.Requests) > 0 {
			e.sign(ctx, awsauth.Access{Spec: a.Own, Requests: a.Requests}, add)
		}
		return
	}
	e.chain(ctx, s, add)
	step := e.judge(ctx, s, len(s.Chain), iam.Request{Action: "lakeformation:GetDataAccess", Resource: iam.Resource{ARN: "*", Account: borrower.Account}})
	if step.Answer == Allowed {
		switch {
		case l.unread != "":
			step.Answer, step.Reason = Unknown, "the settings of Lake Formation cannot be read: "+l.unread
		case !l.external:
			step.Answer, step.Reason = Denied, "the data lake settings do not let external engines access data with full table access"
			step.Fixes = []Fix{{To: "the data lake settings of account " + accountOf(bucket), Policy: `{"AllowFullTableExternalDataAccess":true}`}}
		}
	}
	add(step)
	i := slices.IndexFunc(l.locations, func(r types.ResourceInfo) bool {
		covers, err := path.Match(aws.ToString(r.ResourceArn), bucket)
		return err == nil && covers
	})
	if i < 0 {
		why := "no location that is registered with Lake Formation holds " + bucket
		if l.unread != "" {
			why = "the registered locations cannot be read: " + l.unread
		}
		add(Step{Principal: lakeFormation, Action: "sts:AssumeRole", Answer: Unknown, Reason: why})
		for _, r := range a.Requests {
			add(Step{Principal: lakeFormation, Action: r.Action, Resource: owned(r.Resource, borrower.Account).ARN, Answer: Unknown, Reason: why})
		}
		return
	}
	role := aws.ToString(l.locations[i].RoleArn)
	service := caller{Principal: iam.Principal{Kind: iam.Service, ARN: lakeFormation}}
	in := awsauth.Spec{Region: parts[3]}
	add(e.judgeAs(ctx, service, in, 0, iam.Request{Action: "sts:AssumeRole", Resource: iam.Resource{ARN: role, Account: accountOf(role)}}))
	// The session's name is Lake Formation's; its policy is for the table alone.
	lent := *e.callerOf(ctx, awsauth.Spec{Chain: []awsauth.Hop{{RoleARN: role, SessionName: "AWSLF"}}}, 1)
	for _, r := range a.Requests {
		r.Resource = owned(r.Resource, borrower.Account)
		add(e.lentStep(ctx, *borrower, lent, in, r))
	}
}

// lentStep judges a request of a lent session: to write, its borrower must be
// granted to insert.
func (e *Exam) lentStep(ctx context.Context, borrower, lent caller, in awsauth.Spec, r iam.Request) Step {
	step := e.judgeAs(ctx, lent, in, 0, e.table(ctx, r, in.Region))
	if r.Action != "s3tables:PutTableData" || step.Answer != Allowed {
		return step
	}
	e.identify(ctx, &borrower, &evidence{})
	space, name := r.Context["s3tables:namespace"], r.Context["s3tables:tablename"]
	bucket, _, _ := strings.Cut(r.Resource.ARN, "/table/")
	parts := strings.SplitN(bucket, ":", 6)
	if len(space) != 1 || len(name) != 1 || len(parts) < 6 {
		return step
	}
	arn := "arn:aws:glue:" + parts[3] + ":" + parts[4] + ":table/s3tablescatalog/" + strings.TrimPrefix(parts[5], "bucket/") + "/" + space[0] + "/" + name[0]
	if answer, why, fix := e.granted(ctx, &borrower, string(types.PermissionInsert), arn); answer != Allowed {
		step.Answer, step.Reason = answer, "INSERT of "+borrower.name()+" on "+arn+": "+why
		if fix != nil {
			step.Fixes = []Fix{*fix}
		}
	}
	return step
}
