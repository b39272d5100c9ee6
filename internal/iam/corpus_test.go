package iam

import (
	"fmt"
	"strings"
	"testing"

	"github.com/cockroachdb/datadriven"
)

// TestCorpus runs testdata/: one file per rule, each naming the page of AWS's
// documentation behind its answers. Run with -rewrite to regenerate, then read
// the difference.
func TestCorpus(t *testing.T) {
	datadriven.Walk(t, "testdata/corpus", func(t *testing.T, path string) {
		datadriven.RunTest(t, path, func(t *testing.T, td *datadriven.TestData) string {
			switch td.Cmd {
			case "evaluate":
				return evaluateCase(t, td)
			case "parse":
				d, err := Parse([]byte(td.Input))
				if err != nil {
					return err.Error() + "\n"
				}
				return fmt.Sprintf("%d statements\n", len(d.Statements))
			case "validate":
				return validateCase(t, td)
			case "keys":
				return strings.Join(mustParse(t, td.Input).ContextKeys(), "\n") + "\n"
			}
			td.Fatalf(t, "unknown command %s", td.Cmd)
			return ""
		})
	})
}

func mustParse(t testing.TB, text string) *Document {
	t.Helper()
	d, err := Parse([]byte(text))
	if err != nil {
		t.Fatal(err)
	}
	return d
}

var kindNames = map[string]PolicyKind{
	"identity": IdentityPolicy, "resource": ResourcePolicy, "trust": TrustPolicy, "key": KeyPolicy,
	"boundary": Boundary, "session": SessionPolicy, "scp": ServiceControl, "rcp": ResourceControl,
}

func validateCase(t *testing.T, td *datadriven.TestData) string {
	kind := "identity"
	td.MaybeScanArgs(t, "kind", &kind)
	_, faults := Check([]byte(td.Input), kindNames[kind])
	if len(faults) == 0 {
		return "valid\n"
	}
	var b strings.Builder
	for _, f := range faults {
		fmt.Fprintf(&b, "%d:%d: %s: %s\n    %s\n", f.Line, f.Column, f.Code, f.Message, f.Detail)
	}
	return b.String()
}

// evaluateCase reads policies as sections "kind [name]:" over their JSON; text
// without a section is an identity policy. A section "missing KIND:" is a
// policy without document. scp and rcp sections are levels, root first.
func evaluateCase(t *testing.T, td *datadriven.TestData) string {
	var action, resource, owner string
	principal := "arn:aws:iam::111111111111:user/ann"
	td.ScanArgs(t, "action", &action)
	td.MaybeScanArgs(t, "resource", &resource)
	td.MaybeScanArgs(t, "principal", &principal)
	r := &Request{Principal: principalOf(principal), Action: action, Resource: Resource{ARN: resource}, Context: Context{}}
	owner = r.Principal.Account
	td.MaybeScanArgs(t, "owner", &owner)
	r.Resource.Account = owner
	td.MaybeScanArgs(t, "id", &r.Principal.ID)
	td.MaybeScanArgs(t, "roleid", &r.Principal.RoleID)
	td.MaybeScanArgs(t, "role", &r.Principal.RoleARN)
	r.Principal.Identify(r.Context)
	if arg, ok := td.Arg("context"); ok {
		for _, pair := range arg.Vals {
			k, v, _ := strings.Cut(pair, "=")
			k = strings.ToLower(k)
			r.Context[k] = append(r.Context[k], v)
		}
	}
	set := Compile(policiesOf(t, td.Input))
	d := set.Explain(r)
	if got := set.Decide(r); got != d.Effect {
		t.Errorf("%s: Decide says %v, Explain %v", td.Pos, got, d.Effect)
	}
	if n := testing.AllocsPerRun(3, func() { set.Decide(r) }); n != 0 {
		t.Errorf("%s: Decide allocates %v times", td.Pos, n)
	}
	return describe(d, r)
}

// principalOf makes a principal of an ARN. A role session's role has no path
// unless the case says so.
func principalOf(text string) Principal {
	a := splitARN(text)
	p := Principal{ARN: text, Account: a.parts[4]}
	switch {
	case text == "anonymous":
		return Principal{}
	case !a.ok:
		return Principal{Kind: Service, ARN: text}
	case strings.Contains(text, "-provider/"):
		return Principal{Kind: Federated, ARN: text}
	case a.parts[5] == "root":
		p.Kind = Root
	case a.parts[2] == "sts":
		p.Kind = Role
		p.RoleARN = "arn:aws:iam::" + p.Account + ":role/" + strings.Split(a.parts[5], "/")[1]
	default:
		p.Kind = User
	}
	return p
}

func policiesOf(t *testing.T, input string) Policies {
	if strings.HasPrefix(input, "{") {
		input = "identity:\n" + input
	}
	var p Policies
	var head string
	var body strings.Builder
	flush := func() {
		if head == "" {
			return
		}
		kind, name, _ := strings.Cut(head, " ")
		missing := kind == "missing"
		if missing {
			kind, name = name, "gone"
		}
		k, ok := kindNames[kind]
		if !ok {
			t.Fatalf("unknown section %q", head)
		}
		policy := Policy{Kind: k, Name: name}
		if strings.HasPrefix(name, "arn:aws:iam:") {
			policy.ARN, policy.Name = name, name[strings.LastIndexByte(name, '/')+1:]
		}
		if !missing {
			policy.Document = mustParse(t, body.String())
		}
		switch k {
		case IdentityPolicy:
			p.Identity = append(p.Identity, policy)
		case Boundary:
			p.Boundary = &policy
		case SessionPolicy:
			p.Session = append(p.Session, policy)
		case ServiceControl:
			p.Service = append(p.Service, []Policy{policy})
		case ResourceControl:
			p.ResourceControl = append(p.ResourceControl, []Policy{policy})
		default:
			p.Resource = &policy
		}
	}
	for line := range strings.Lines(input) {
		if text := strings.TrimSuffix(line, "\n"); strings.HasSuffix(text, ":") && !strings.ContainsAny(text, "{\"") {
			flush()
			head = strings.TrimSuffix(text, ":")
			body.Reset()
			continue
		}
		body.WriteString(line)
	}
	flush()
	return p
}

func describe(d Decision, r *Request) string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s: %s", [...]string{"implicit deny", "explicit deny", "allow"}[d.Effect], d.Short())
	if d.By != nil {
		fmt.Fprintf(&b, ", statement %d", d.By.Index+1)
		if d.By.Sid != "" {
			fmt.Fprintf(&b, " (%s)", d.By.Sid)
		}
	}
	b.WriteByte('\n')
	for _, m := range d.Missed {
		fmt.Fprintf(&b, "missed: %s", m.Kind)
		if m.Policy != "" {
			fmt.Fprintf(&b, " %s", m.Policy)
		}
		fmt.Fprintf(&b, " statement %d", m.Index+1)
		for _, f := range m.Failed {
			fmt.Fprintf(&b, ", %s", f.Element)
			if f.Key != "" {
				fmt.Fprintf(&b, " %s", f.Key)
			}
			fmt.Fprintf(&b, ": want %s, got %s", strings.Join(f.Want, "|"), strings.Join(f.Found, "|"))
			if f.Unknown {
				b.WriteString(" (unknown operator)")
			}
		}
		b.WriteByte('\n')
	}
	if len(d.Missing) > 0 {
		fmt.Fprintf(&b, "missing: %s\n", strings.Join(d.Missing, ", "))
	}
	if s := d.Denial(r); s != "" {
		fmt.Fprintf(&b, "aws: %s\n", s)
	}
	return b.String()
}
