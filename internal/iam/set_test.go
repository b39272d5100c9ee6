package iam

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

var words = struct{ actions, resources, accounts, principals, conditions, keys []string }{
	actions:   []string{"s3:GetObject", "s3:get*", "s3:*", "*", "sts:AssumeRole", "s3:?etObject"},
	resources: []string{"*", "arn:aws:s3:::b/k", "arn:aws:s3:::b/*", "arn:aws:s3:::b", "arn:aws:s3:::${aws:username}/*", "arn:*:s3:*:*:b/?"},
	accounts:  []string{"111111111111", "222222222222"},
	principals: []string{`"*"`, `{"AWS": "*"}`, `{"AWS": "111111111111"}`, `{"AWS": "arn:aws:iam::222222222222:root"}`,
		`{"AWS": "arn:aws:iam::111111111111:user/ann"}`, `{"AWS": ["arn:aws:iam::111111111111:role/r", "111111111111"]}`,
		`{"AWS": "arn:aws:sts::111111111111:assumed-role/r/s"}`, `{"AWS": "AIDAANN"}`, `{"AWS": "AROAR"}`, `{"Service": "ec2.amazonaws.com"}`},
	conditions: []string{`{"StringEquals": {"a:k": ["x", "${aws:username}"]}}`, `{"ForAllValues:StringLike": {"a:k": "x*"}}`,
		`{"StringNotEqualsIfExists": {"a:k": "x"}}`, `{"Null": {"a:k": "true"}}`, `{"NumericLessThan": {"a:n": 5}}`,
		`{"Wrong": {"a:k": "x"}}`, `{"ForAnyValue:StringNotLike": {"a:k": "*"}}`, `{"IpAddress": {"a:n": "10.0.0.0/8"}}`},
	keys: []string{"", "x", "ann", "5", "10.1.1.1"},
}

func drawStatement(t *rapid.T, named bool) string {
	pick := func(from []string) string { return rapid.SampledFrom(from).Draw(t, "pick") }
	not := func(name string) string {
		if rapid.IntRange(0, 4).Draw(t, "not") == 0 {
			return `"Not` + name + `"`
		}
		return `"` + name + `"`
	}
	s := fmt.Sprintf(`{"Effect": %q, %s: %q, %s: %q`, pick([]string{"Allow", "Allow", "Deny"}),
		not("Action"), pick(words.actions), not("Resource"), pick(words.resources))
	if named {
		s += fmt.Sprintf(`, %s: %s`, not("Principal"), pick(words.principals))
	}
	if rapid.Bool().Draw(t, "conditional") {
		s += `, "Condition": ` + pick(words.conditions)
	}
	return s + "}"
}

func drawPolicy(t *rapid.T, kind PolicyKind) Policy {
	n := rapid.IntRange(0, 3).Draw(t, "statements")
	list := make([]string, n)
	for i := range list {
		list[i] = drawStatement(t, guards(kind))
	}
	d, err := Parse([]byte(`{"Version": "2012-10-17", "Statement": [` + strings.Join(list, ", ") + `]}`))
	if err != nil {
		t.Fatal(err)
	}
	return Policy{Kind: kind, Name: "p", Document: d}
}

func drawPolicies(t *rapid.T) (p Policies) {
	for range rapid.IntRange(0, 2).Draw(t, "identity") {
		p.Identity = append(p.Identity, drawPolicy(t, IdentityPolicy))
	}
	some := func() bool { return rapid.IntRange(0, 2).Draw(t, "some") == 0 }
	if some() {
		b := drawPolicy(t, Boundary)
		p.Boundary = &b
	}
	if some() {
		p.Session = []Policy{drawPolicy(t, SessionPolicy)}
	}
	if !some() {
		r := drawPolicy(t, rapid.SampledFrom([]PolicyKind{ResourcePolicy, TrustPolicy, KeyPolicy}).Draw(t, "guard"))
		p.Resource = &r
	}
	if some() {
		p.Service = [][]Policy{{drawPolicy(t, ServiceControl)}, {drawPolicy(t, ServiceControl)}}
	}
	if some() {
		p.ResourceControl = [][]Policy{{drawPolicy(t, ResourceControl)}}
	}
	return p
}

func drawRequest(t *rapid.T) *Request {
	r := &Request{
		Action:   rapid.SampledFrom([]string{"s3:GetObject", "sts:AssumeRole"}).Draw(t, "action"),
		Resource: Resource{"arn:aws:s3:::b/k", rapid.SampledFrom(words.accounts).Draw(t, "owner")},
		Context:  Context{},
	}
	r.Principal = rapid.SampledFrom([]Principal{
		{},
		{Kind: Root, Account: "111111111111", ARN: "arn:aws:iam::111111111111:root", ID: "111111111111"},
		{Kind: User, Account: "111111111111", ARN: "arn:aws:iam::111111111111:user/ann", ID: "AIDAANN"},
		{Kind: Role, Account: "111111111111", ARN: "arn:aws:sts::111111111111:assumed-role/r/s", ID: "AROAR:s",
			RoleARN: "arn:aws:iam::111111111111:role/r", RoleID: "AROAR"},
		{Kind: Service, ARN: "ec2.amazonaws.com"},
	}).Draw(t, "principal")
	r.Principal.Identify(r.Context)
	for _, key := range []string{"a:k", "a:n"} {
		if v := rapid.SliceOfN(rapid.SampledFrom(words.keys), 0, 2).Draw(t, key); len(v) > 0 {
			r.Context[key] = v
		}
	}
	return r
}

// TestDecideAgreesWithExplain also holds every decision to the rules that no
// combination of policies may break.
func TestDecideAgreesWithExplain(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		p, r := drawPolicies(t), drawRequest(t)
		set := Compile(p)
		d := set.Explain(r)
		if got := set.Decide(r); got != d.Effect {
			t.Fatalf("Decide says %v, Explain %v (%s)", got, d.Effect, d.Short())
		}
		denies := slices.ContainsFunc(d.Matched, func(m Match) bool { return m.Deny })
		allows := slices.ContainsFunc(d.Matched, func(m Match) bool { return !m.Deny })
		switch {
		case denies != (d.Effect == ExplicitDeny):
			t.Fatalf("a deny matched: %v, decision: %v", denies, d.Effect)
		case d.Effect == Allow && !allows && d.Reason != AllowedAsRoot:
			t.Fatalf("allowed without a statement: %s", d.Short())
		case d.By == nil && d.Effect != ImplicitDeny && d.Reason != AllowedAsRoot:
			t.Fatalf("no statement decided: %s", d.Short())
		case (d.Denial(r) == "") != (d.Effect == Allow):
			t.Fatalf("denial %q of %v", d.Denial(r), d.Effect)
		}
	})
}

func TestMoreDeniesNeverAllowMore(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		p, r := drawPolicies(t), drawRequest(t)
		before := Compile(p).Decide(r)
		deny := drawPolicy(t, IdentityPolicy)
		for i := range deny.Document.Statements {
			deny.Document.Statements[i].Effect = "Deny"
		}
		p.Identity = append(p.Identity, deny)
		if after := Compile(p).Decide(r); before != Allow && after == Allow {
			t.Fatalf("%v became an allow", before)
		}
	})
}

func TestMessages(t *testing.T) {
	user := Principal{Kind: User, Account: "111111111111", ARN: "arn:aws:iam::111111111111:user/ann"}
	get := &Request{Principal: user, Action: "s3:GetObject", Resource: Resource{"arn:aws:s3:::b/k", "111111111111"}}
	list := &Request{Principal: user, Action: "glue:GetDatabases", Resource: Resource{"*", "111111111111"}}
	unsigned := &Request{Action: "s3:GetObject", Resource: Resource{"arn:aws:s3:::b/k", "111111111111"}}
	none := Compile(Policies{})
	for _, c := range []struct{ got, want string }{
		{none.Explain(get).Message(get), "User: arn:aws:iam::111111111111:user/ann is not authorized to perform: s3:GetObject on resource: arn:aws:s3:::b/k because no identity-based policy allows the s3:GetObject action"},
		{none.Explain(get).QuotedMessage(get), `User: arn:aws:iam::111111111111:user/ann is not authorized to perform: s3:GetObject on resource: "arn:aws:s3:::b/k" because no identity-based policy allows the s3:GetObject action`},
		{none.Explain(list).Message(list), "User: arn:aws:iam::111111111111:user/ann is not authorized to perform: glue:GetDatabases because no identity-based policy allows the glue:GetDatabases action"},
		{none.Explain(unsigned).Message(unsigned), "User: anonymous is not authorized to perform: s3:GetObject on resource: arn:aws:s3:::b/k because no resource-based policy allows the s3:GetObject action"},
	} {
		if c.got != c.want {
			t.Errorf("got  %s\nwant %s", c.got, c.want)
		}
	}
}

func TestIdentify(t *testing.T) {
	for _, c := range []struct {
		p    Principal
		want string
	}{
		{Principal{Kind: User, Account: "1", ARN: "arn:aws:iam::1:user/path/ann", ID: "AIDA1"},
			"map[aws:principalaccount:[1] aws:principalarn:[arn:aws:iam::1:user/path/ann] aws:principalisawsservice:[false] aws:principaltype:[User] aws:userid:[AIDA1] aws:username:[ann]]"},
		{Principal{Kind: Role, Account: "1", ARN: "arn:aws:sts::1:assumed-role/r/s", ID: "AROA1:s", RoleARN: "arn:aws:iam::1:role/p/r"},
			"map[aws:principalaccount:[1] aws:principalarn:[arn:aws:iam::1:role/p/r] aws:principalisawsservice:[false] aws:principaltype:[AssumedRole] aws:userid:[AROA1:s]]"},
		{Principal{}, "map[aws:principalisawsservice:[false] aws:principaltype:[Anonymous] aws:userid:[anonymous]]"},
	} {
		ctx := Context{}
		c.p.Identify(ctx)
		if got := fmt.Sprint(ctx); got != c.want {
			t.Errorf("got  %s\nwant %s", got, c.want)
		}
	}
}

// tenStatements is a realistic data policy whose last statement decides.
func tenStatements(tb testing.TB) (*Set, *Request) {
	var list []string
	for i := range 6 {
		list = append(list, fmt.Sprintf(`{"Effect": "Allow", "Action": ["s3:GetObject", "s3:PutObject"], "Resource": "arn:aws:s3:::bucket-%d/*"}`, i))
	}
	list = append(list,
		`{"Effect": "Allow", "Action": "glue:*", "Resource": "*"}`,
		`{"Effect": "Deny", "Action": "*", "Resource": "*", "Condition": {"Bool": {"aws:SecureTransport": "false"}}}`,
		`{"Effect": "Deny", "Action": "s3:Delete*", "Resource": "arn:aws:s3:::lake/*"}`,
		`{"Effect": "Allow", "Action": "s3:Get*", "Resource": "arn:aws:s3:::lake/home/${aws:username}/*", "Condition": {"StringEquals": {"aws:PrincipalAccount": "111111111111"}}}`)
	d := mustParse(tb, `{"Version": "2012-10-17", "Statement": [`+strings.Join(list, ",")+`]}`)
	r := &Request{
		Principal: Principal{Kind: User, Account: "111111111111", ARN: "arn:aws:iam::111111111111:user/ann"},
		Action:    "s3:GetObject",
		Resource:  Resource{"arn:aws:s3:::lake/home/ann/2026/part-0.parquet", "111111111111"},
		Context:   Context{"aws:securetransport": {"true"}},
	}
	r.Principal.Identify(r.Context)
	return Compile(Policies{Identity: []Policy{{Document: d}}}), r
}

func TestDecideAllocatesNothing(t *testing.T) {
	set, r := tenStatements(t)
	if got := set.Decide(r); got != Allow {
		t.Fatalf("got %v", got)
	}
	if n := testing.AllocsPerRun(100, func() { set.Decide(r) }); n != 0 {
		t.Errorf("Decide allocates %v times", n)
	}
}

// BenchmarkDecide is held to 300 ns and no allocation.
func BenchmarkDecide(b *testing.B) {
	set, r := tenStatements(b)
	b.ReportAllocs()
	for b.Loop() {
		set.Decide(r)
	}
}

// FuzzDecide decides requests of any text by policies of any text: nothing
// panics, and Decide agrees with Explain.
func FuzzDecide(f *testing.F) {
	f.Add(`{"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Principal": "*", "Action": "s3:*", "Resource": "arn:aws:s3:::${k, 'd'}*", "Condition": {"StringLike": {"k": "a*"}}}]}`, "s3:GetObject", "arn:aws:s3:::b", "ab")
	f.Add(`{"Statement": [{"Effect": "Deny", "NotPrincipal": {"AWS": "1"}, "NotAction": "*?*", "NotResource": "::::::", "Condition": {"DateLessThan": {"k": "2026"}, "IpAddress": {"k": "::/0"}, "NumericEquals": {"k": "1e400"}}}]}`, "", "", "1e999")
	for _, text := range corpusInputs(f, "testdata/corpus/conditions") {
		f.Add(text, "s3:GetObject", "arn:aws:s3:::b/k", "x")
	}
	f.Fuzz(func(t *testing.T, text, action, resource, value string) {
		d, err := Parse([]byte(text))
		if err != nil {
			return
		}
		r := &Request{Principal: Principal{Kind: User, Account: "111111111111", ARN: "arn:aws:iam::111111111111:user/ann"},
			Action: action, Resource: Resource{resource, "111111111111"}, Context: Context{}}
		for _, key := range d.ContextKeys() {
			r.Context[strings.ToLower(key)] = []string{value}
		}
		for kind := range kinds {
			p := Policies{Identity: []Policy{{Document: d}}}
			if guards(kind) {
				p.Resource = &Policy{Kind: kind, Document: d}
			}
			set := Compile(p)
			if got, why := set.Decide(r), set.Explain(r); got != why.Effect {
				t.Fatalf("Decide says %v, Explain %v", got, why.Effect)
			}
		}
	})
}
