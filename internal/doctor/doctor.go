// Package doctor judges what a statement asks of AWS, call by call: who would
// sign it, whether AWS would allow it, why not, and the smallest policy that
// mends it. It reads the documents that decide by signed calls as identities
// that the configuration names, and says so where it may not read them. It
// leaves to others which calls a statement makes.
//
// What it cannot read, it does not judge by: session policies, the policies of
// an organization, and Lake Formation's grants on other than the tables of table
// buckets, which may all refuse what is told as allowed here; and a KMS key's
// grants, which may allow what is denied.
//
// A permission of Lake Formation is told as an action lakeformation:PERMISSION,
// in capitals, on Glue's name of the object.
package doctor

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"lakeport/internal/awsauth"
	"lakeport/internal/iam"
)

// Options say as whom documents are read.
type Options struct {
	Resolver *awsauth.Resolver
	// Profiles of the shared configuration files, one for each account whose
	// documents are to be read. Empty: the identities that statements start from.
	Profiles []string
	Now      func() time.Time // nil: time.Now
}

// Answer is what AWS would say to a call.
type Answer string

// The answers. Unknown is given where a document that may decide otherwise
// cannot be read, or hangs on what only the call itself shows.
const (
	Allowed Answer = "allowed"
	Denied  Answer = "denied"
	Unknown Answer = "unknown"
)

// Step is one call, in the order in which a statement makes them.
type Step struct {
	Principal string // ARN of the role or user; where AWS does not tell it, the source of the credentials
	Action    string // empty: the credentials themselves
	Resource  string // ARN
	Answer    Answer
	Reason    string
	Fixes     []Fix // all together, with what Reason says of conditions, let a denied call pass
}

// Fix is what to add, and to what.
type Fix struct {
	To     string // "the identity-based policies of …", "the trust policy of …", "the grants of Lake Formation in account …"
	Policy string // a whole policy document; the request of GrantPermissions; a member of other settings
}

// Exam judges the calls of one statement. It reads each document once.
type Exam struct {
	o        Options
	named    bool                    // Profiles were given
	readers  map[string]awsauth.Spec // by account
	unread   []string                // why a profile reads nothing
	accounts map[string]*account
	buckets  map[string]*guard
	owners   map[string]string // of buckets
	listed   map[string]bool   // accounts whose buckets are in owners
	catalogs map[string]*guard
	keys     map[string]*guard
	heads    map[string]head // by the ARN of an object
	defaults map[string]head // by bucket
	callers  map[string]*caller
	lakes    map[string]*lake      // by region:account
	made     map[string]string     // by the ARN of an object of Glue's, who makes it
	tables   map[[3]string]string  // ARNs by the bucket's, namespace and name; empty: not there
	guards   map[string]*guard     // of table buckets and tables
	rds      map[string]*databases // by region:account
}

// Begin starts an Exam.
func Begin(ctx context.Context, o Options) *Exam {
	if o.Now == nil {
		o.Now = time.Now
	}
	e := &Exam{o: o, named: len(o.Profiles) > 0, readers: map[string]awsauth.Spec{}, accounts: map[string]*account{}, buckets: map[string]*guard{},
		owners: map[string]string{}, listed: map[string]bool{}, catalogs: map[string]*guard{}, keys: map[string]*guard{}, heads: map[string]head{}, defaults: map[string]head{}, callers: map[string]*caller{},
		lakes: map[string]*lake{}, made: map[string]string{}, tables: map[[3]string]string{}, guards: map[string]*guard{}, rds: map[string]*databases{}}
	for _, name := range o.Profiles {
		spec := awsauth.Spec{Source: awsauth.Default, Profile: name, Region: "us-east-1"}
		arn, err := o.Resolver.Caller(ctx, spec, 0)
		if err != nil {
			e.unread = append(e.unread, fmt.Sprintf("profile %s: %s", name, e.told(ctx, err, spec, "sts:GetCallerIdentity")))
			continue
		}
		e.readers[accountOf(arn)] = spec
	}
	return e
}

// Readers gives, one after the other, what to try where an identity may not look
// at metadata itself: the reader of its own account, then each reader for all.
func (e *Exam) Readers(ctx context.Context) []func(awsauth.Spec) awsauth.Spec {
	list := []func(awsauth.Spec) awsauth.Spec{func(s awsauth.Spec) awsauth.Spec {
		e.callerOf(ctx, s, 0) // without profiles, the base identity is the reader
		if spec, ok := e.readers[e.callerOf(ctx, s, len(s.Chain)).Account]; ok {
			return spec
		}
		return s
	}}
	for _, id := range slices.Sorted(maps.Keys(e.readers)) {
		list = append(list, func(awsauth.Spec) awsauth.Spec { return e.readers[id] })
	}
	return list
}

// Judge gives the steps of a statement's calls: before the first call of each
// identity, the roles that it assumes. A call that is made again is told once.
func (e *Exam) Judge(ctx context.Context, calls []awsauth.Access) []Step {
	for _, a := range calls { // who reads documents is known before the first is read
		e.callerOf(ctx, a.Spec, 0)
	}
	e.readHeads(ctx, calls)
	var steps []Step
	told := map[[3]string]bool{}
	add := func(s Step) {
		key := [3]string{s.Principal, s.Action, s.Resource}
		if !told[key] {
			told[key] = true
			steps = append(steps, s)
		}
	}
	for _, a := range calls {
		if a.Lent != "" {
			e.lend(ctx, a, add)
		} else {
			e.sign(ctx, a, add)
		}
	}
	return fold(steps)
}

// sign judges the chain of an identity and its requests.
func (e *Exam) sign(ctx context.Context, a awsauth.Access, add func(Step)) {
	e.chain(ctx, a.Spec, add)
	n := len(a.Spec.Chain)
	for _, r := range a.Requests {
		if permission(r.Action) != "" {
			if step, decides := e.lakeStep(ctx, a.Spec, r); decides {
				add(step)
			}
			continue
		}
		r.Resource = owned(r.Resource, e.callerOf(ctx, a.Spec, n).Account)
		r = e.table(ctx, r, a.Spec.Region)
		step := e.judge(ctx, a.Spec, n, r)
		e.make(ctx, a.Spec, r)
		e.switched(ctx, r, &step)
		key, use, unread := e.encryption(ctx, a.Spec, r)
		if unread != "" && step.Answer == Allowed {
			step.Answer, step.Reason = Unknown, unread
		}
		add(step)
		if key != "" {
			add(e.judge(ctx, a.Spec, n, e.keyRequest(ctx, a.Spec, r, use, key)))
		}
	}
}

// chain judges the roles that an identity assumes.
func (e *Exam) chain(ctx context.Context, s awsauth.Spec, add func(Step)) {
	if base := e.callerOf(ctx, s, 0); base.err != nil {
		add(Step{Principal: s.Source.String(), Answer: Unknown, Reason: e.told(ctx, base.err, s, "sts:GetCallerIdentity")})
	}
	if s.Source == awsauth.Attached {
		if step, ok := e.attached(ctx, s); ok {
			add(step)
		}
	}
	for n := range s.Chain {
		for _, r := range assumes(s, n) {
			add(e.judge(ctx, s, n, r))
		}
	}
}

// assumes is what the link after the first n hops of a chain needs (STS API
// Reference, "AssumeRole").
func assumes(s awsauth.Spec, n int) []iam.Request {
	hop := s.Chain[n]
	ctx := iam.Context{"sts:rolesessionname": {sessionName(hop)}}
	if !hop.ExternalID.Empty() {
		ctx["sts:externalid"] = []string{hop.ExternalID.Reveal()}
	}
	for _, t := range hop.Tags {
		ctx["aws:requesttag/"+strings.ToLower(t.Key)] = []string{t.Value}
		ctx["aws:tagkeys"] = append(ctx["aws:tagkeys"], t.Key)
	}
	role := iam.Resource{ARN: hop.RoleARN, Account: accountOf(hop.RoleARN)}
	list := []iam.Request{{Action: "sts:AssumeRole", Resource: role, Context: ctx}}
	if len(hop.Tags) > 0 {
		list = append(list, iam.Request{Action: "sts:TagSession", Resource: role, Context: ctx})
	}
	return list
}

func sessionName(h awsauth.Hop) string {
	if h.SessionName != "" {
		return h.SessionName
	}
	return awsauth.SessionName
}

// foldAbove is how many steps of one kind are told one by one.
const foldAbove = 50

// fold tells many equal steps on objects of one directory as one.
func fold(steps []Step) []Step {
	type group struct{ principal, action, dir, reason string }
	of := func(s Step) group {
		return group{s.Principal, s.Action, s.Resource[:strings.LastIndexByte(s.Resource, '/')+1], string(s.Answer) + s.Reason}
	}
	count := map[group]int{}
	for _, s := range steps {
		count[of(s)]++
	}
	out := steps[:0]
	told := map[group]bool{}
	for _, s := range steps {
		g := of(s)
		if g.dir == "" || count[g] <= foldAbove {
			out = append(out, s)
			continue
		}
		if told[g] {
			continue
		}
		told[g] = true
		s.Reason += fmt.Sprintf(" (%d objects)", count[g])
		for i := range s.Fixes {
			s.Fixes[i].Policy = strings.ReplaceAll(s.Fixes[i].Policy, s.Resource+`"`, g.dir+`*"`)
		}
		s.Resource = g.dir + "*"
		out = append(out, s)
	}
	return out
}

// accountOf is the account of an ARN, "" if it tells none.
func accountOf(arn string) string {
	parts := strings.SplitN(arn, ":", 6)
	if len(parts) < 6 {
		return ""
	}
	return parts[4]
}

func lastPart(arn string) string { return arn[strings.LastIndexByte(arn, '/')+1:] }
