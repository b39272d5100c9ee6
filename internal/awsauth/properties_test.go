package awsauth

import (
	"fmt"
	"strings"
	"testing"

	"github.com/cockroachdb/datadriven"
)

// Every combination of the properties and what it means: the identity, then
// each fault and warning. Regenerate with -rewrite and read the difference.
func TestPropertiesPickTheIdentity(t *testing.T) {
	datadriven.RunTest(t, "testdata/properties", func(t *testing.T, d *datadriven.TestData) string {
		props := map[string]string{}
		for line := range strings.SplitSeq(strings.TrimSpace(d.Input), "\n") {
			if k, v, ok := strings.Cut(line, " = "); ok {
				props[k] = v
			}
		}
		prefix := "aws.s3"
		d.MaybeScanArgs(t, "prefix", &prefix)
		s, faults, warnings := FromProperties(prefix, props)
		var b strings.Builder
		fmt.Fprintf(&b, "%s, region %s", s, s.Region)
		if s.Endpoint != "" {
			fmt.Fprintf(&b, ", endpoint %s", s.Endpoint)
		}
		if s.PathStyle {
			b.WriteString(", path style")
		}
		if s.Recheck != 0 {
			fmt.Fprintf(&b, ", recheck %s", s.Recheck)
		}
		b.WriteString("\n")
		for i, h := range s.Chain {
			fmt.Fprintf(&b, "  hop %d: external id %q, session %q, duration %s, tags %v, sts %s %s\n",
				i+1, h.ExternalID.Reveal(), h.SessionName, h.Duration, h.Tags, h.STSRegion, h.STSEndpoint)
		}
		for _, f := range faults {
			fmt.Fprintf(&b, "fault in %s: %s %s\n", map[bool]string{true: "the value", false: "the key"}[f.Value], f.Key, f.Msg)
		}
		for _, f := range warnings {
			fmt.Fprintf(&b, "warning: %s %s\n", f.Key, f.Msg)
		}
		return b.String()
	})
}

func TestEqualSpecsShareAKeyThatShowsNoSecret(t *testing.T) {
	props := map[string]string{
		"aws.s3.access_key": "AKIAEXAMPLEEXAMPLE00", "aws.s3.secret_key": "a-very-secret-key",
		"aws.s3.iam_role_arn": "arn:aws:iam::111111111111:role/a,arn:aws:iam::222222222222:role/b",
	}
	one, _, _ := FromProperties("aws.s3", props)
	two, _, _ := FromProperties("aws.s3", props)
	if one.Key() != two.Key() {
		t.Error("equal Specs have different keys")
	}
	props["aws.s3.external_id"] = "xyz"
	three, _, _ := FromProperties("aws.s3", props)
	if three.Key() == one.Key() {
		t.Error("another external id gives the same key")
	}
	if three.prefixKey(1) != one.prefixKey(1) {
		t.Error("the first hop is the same, so its session must be shared")
	}
	for _, text := range []string{one.Key(), one.String(), fmt.Sprintf("%v %+v %#v", one, one, one)} {
		if strings.Contains(text, "a-very-secret-key") {
			t.Errorf("a secret prints: %s", text)
		}
	}
}
