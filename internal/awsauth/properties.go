package awsauth

import (
	"fmt"
	"net/url"
	"regexp"
	"sort"
	"strconv"
	"strings"
	"time"

	"lakeport/internal/secret"
)

// Fault is one thing wrong with, or worth saying of, a property. Value tells
// whether it lies in the value rather than the key.
type Fault struct {
	Key   string
	Value bool
	Msg   string
}

// Keys that StarRocks documents and lakeport has no use for.
var unused = map[string]bool{"enable_partitioned_prefix": true, "num_partitioned_prefix": true}

// Known lists the keys of a prefix ("aws.s3" or "aws.glue"), hop keys with
// their number left as <n>; for messages that offer the nearest one.
func Known(prefix string) []string {
	keys := []string{
		"use_aws_sdk_default_behavior", "use_instance_profile", "use_web_identity_token_file",
		"access_key", "secret_key", "session_token", "iam_role_arn", "external_id", "iam_role_external_id",
		"sts.region", "sts.endpoint", "region", "endpoint",
		"hop.<n>.external_id", "hop.<n>.session_name", "hop.<n>.duration", "hop.<n>.tags", "hop.<n>.sts.region", "hop.<n>.sts.endpoint",
	}
	if prefix == "aws.s3" {
		keys = append(keys, "enable_path_style_access", "enable_ssl", "recheck")
		for k := range unused {
			keys = append(keys, k)
		}
	}
	for i := range keys {
		keys[i] = prefix + "." + keys[i]
	}
	sort.Strings(keys)
	return keys
}

// IsKey tells whether key belongs to prefix and is known there.
func IsKey(prefix, key string) bool {
	key = hopNumber.ReplaceAllString(key, ".hop.<n>.")
	for _, k := range Known(prefix) {
		if k == key {
			return true
		}
	}
	return false
}

var (
	hopNumber = regexp.MustCompile(`\.hop\.[0-9]+\.`)
	// AWS's documented shapes: STS API reference, AssumeRole.
	roleARN     = regexp.MustCompile(`^arn:aws[a-z-]*:iam::[0-9]{12}:role/[!-~]{1,576}$`)
	sessionName = regexp.MustCompile(`^[\w+=,.@-]{2,64}$`)
	externalID  = regexp.MustCompile(`^[\w+=,.@:/-]{2,}$`) // 1,224 at most
	accessKey   = regexp.MustCompile(`^(AKIA|ASIA)[A-Z0-9]{12,}$`)
)

// FromProperties reads the Spec under prefix ("aws.s3", "aws.glue") from a
// statement's properties. Keys of other prefixes are left alone; an unknown
// key of this one is the caller's to refuse (IsKey). It returns every fault,
// not just the first; warnings say what is accepted without effect.
func FromProperties(prefix string, props map[string]string) (s Spec, faults, warnings []Fault) {
	r := &reader{prefix: prefix + ".", props: props}
	r.base(&s)
	r.chain(&s)
	s.Region = r.text("region")
	if s.Region == "" {
		s.Region = "us-east-1"
	}
	s.Endpoint = r.endpoint("endpoint")
	if prefix == "aws.s3" {
		s.PathStyle = r.flag("enable_path_style_access")
		s.Recheck = r.recheck()
		for k := range unused {
			if _, ok := r.get(k); ok {
				r.warn(k, "has no effect here")
			}
		}
	}
	return s, r.faults, r.warnings
}

type reader struct {
	prefix           string
	props            map[string]string
	faults, warnings []Fault
}

func (r *reader) get(key string) (string, bool) {
	v, ok := r.props[r.prefix+key]
	return v, ok
}

func (r *reader) text(key string) string {
	v, _ := r.get(key)
	return strings.TrimSpace(v)
}

func (r *reader) fault(key string, value bool, format string, args ...any) {
	r.faults = append(r.faults, Fault{r.prefix + key, value, fmt.Sprintf(format, args...)})
}

func (r *reader) warn(key, format string, args ...any) {
	r.warnings = append(r.warnings, Fault{r.prefix + key, false, fmt.Sprintf(format, args...)})
}

func (r *reader) flag(key string) bool {
	v, ok := r.get(key)
	switch strings.ToLower(strings.TrimSpace(v)) {
	case "true":
		return true
	case "false":
		return false
	}
	if ok {
		r.fault(key, true, "is %q: write \"true\" or \"false\"", v)
	}
	return false
}

// base picks the source in StarRocks' order: the first that is given wins.
func (r *reader) base(s *Spec) {
	s.Static = Keys{AccessKeyID: r.text("access_key"), Secret: secret.New(r.text("secret_key")), Token: secret.New(r.text("session_token"))}
	k := s.Static
	given := map[string]bool{
		"use_aws_sdk_default_behavior": r.flag("use_aws_sdk_default_behavior"),
		"use_instance_profile":         r.flag("use_instance_profile"),
		"use_web_identity_token_file":  r.flag("use_web_identity_token_file"),
	}
	hasKeys := k.AccessKeyID != "" || !k.Secret.Empty()
	winner := ""
	for _, c := range []struct {
		key    string
		source Source
	}{{"use_aws_sdk_default_behavior", Default}, {"use_instance_profile", InstanceProfile}, {"use_web_identity_token_file", WebIdentity}} {
		switch {
		case !given[c.key]:
		case winner == "":
			winner, s.Source = c.key, c.source
		default:
			r.warn(c.key, "has no effect: %s%s comes first", r.prefix, winner)
		}
	}
	switch {
	case winner != "" && hasKeys:
		r.warn("access_key", "has no effect: %s%s comes first", r.prefix, winner)
		s.Static = Keys{}
	case winner != "":
	case hasKeys:
		s.Source = Static
		r.keys(k)
	default:
		if v, ok := r.get("use_instance_profile"); ok && strings.EqualFold(strings.TrimSpace(v), "false") {
			r.fault("use_instance_profile", true, "is \"false\", but %saccess_key and %ssecret_key are not both given", r.prefix, r.prefix)
		}
		if !k.Token.Empty() {
			r.fault("session_token", false, "needs %saccess_key and %ssecret_key beside it", r.prefix, r.prefix)
		}
		_, stated := r.get("use_aws_sdk_default_behavior")
		s.Public = !stated && r.text("iam_role_arn") == ""
	}
}

func (r *reader) keys(k Keys) {
	switch {
	case k.AccessKeyID == "":
		r.fault("secret_key", false, "is given without %saccess_key", r.prefix)
	case k.Secret.Empty():
		r.fault("access_key", false, "is given without %ssecret_key", r.prefix)
	case k.Secret.Reveal() == k.AccessKeyID:
		r.fault("secret_key", true, "is the same text as %saccess_key: put the secret that belongs to the key here", r.prefix)
	case accessKey.MatchString(k.Secret.Reveal()):
		r.fault("secret_key", true, "holds an access key id (it starts with AKIA or ASIA): put the secret here")
	case !strings.HasPrefix(k.AccessKeyID, "ASIA") && !k.Token.Empty() && strings.HasPrefix(k.AccessKeyID, "AKIA"):
		r.fault("session_token", false, "is given with a long-term key (AKIA…), which has no session token")
	case strings.HasPrefix(k.AccessKeyID, "ASIA") && k.Token.Empty():
		r.fault("access_key", true, "is a temporary key (ASIA…): give its %ssession_token too", r.prefix)
	}
}

func (r *reader) chain(s *Spec) {
	list := r.text("iam_role_arn")
	if list != "" {
		for i, arn := range strings.Split(list, ",") {
			arn = strings.TrimSpace(arn)
			switch {
			case arn == "":
				r.fault("iam_role_arn", true, "has an empty role at place %d of the list", i+1)
			case !roleARN.MatchString(arn):
				r.fault("iam_role_arn", true, "has %q where the ARN of a role is expected, such as arn:aws:iam::123456789012:role/name", arn)
			}
			s.Chain = append(s.Chain, Hop{RoleARN: arn})
		}
		if len(s.Chain) > 10 {
			r.fault("iam_role_arn", true, "lists %d roles: a chain has ten at most", len(s.Chain))
		}
	}
	r.everyHop(s)
	r.lastHop(s)
	r.hops(s)
}

// everyHop reads sts.region and sts.endpoint, which hold for all hops.
func (r *reader) everyHop(s *Spec) {
	region, endpoint := r.text("sts.region"), r.endpoint("sts.endpoint")
	if region == "" && endpoint != "" {
		if region = regionOf(endpoint); region == "" {
			r.fault("sts.endpoint", true, "is set to %s but no signing region was provided: give %ssts.region too", endpoint, r.prefix)
		}
	}
	for i := range s.Chain {
		s.Chain[i].STSRegion, s.Chain[i].STSEndpoint = region, endpoint
	}
	for _, k := range []string{"sts.region", "sts.endpoint"} {
		if r.text(k) != "" && len(s.Chain) == 0 {
			r.warn(k, "has no effect without %siam_role_arn", r.prefix)
		}
	}
}

func (r *reader) lastHop(s *Spec) {
	for _, k := range []string{"external_id", "iam_role_external_id"} {
		id := r.text(k)
		switch {
		case id == "":
		case len(s.Chain) == 0:
			r.warn(k, "has no effect without %siam_role_arn", r.prefix)
		case !externalID.MatchString(id) || len(id) > 1224:
			r.fault(k, true, "must have 2 to 1224 letters, digits or any of +=,.@:/-")
		default:
			s.Chain[len(s.Chain)-1].ExternalID = secret.New(id)
		}
	}
}

func (r *reader) hops(s *Spec) {
	var keys []string
	for k := range r.props {
		if strings.HasPrefix(k, r.prefix+"hop.") {
			keys = append(keys, strings.TrimPrefix(k, r.prefix))
		}
	}
	sort.Strings(keys)
	for _, k := range keys {
		number, name, _ := strings.Cut(strings.TrimPrefix(k, "hop."), ".")
		n, err := strconv.Atoi(number)
		if err != nil || n < 1 || n > len(s.Chain) {
			r.fault(k, false, "names hop %s, but %siam_role_arn lists %d", number, r.prefix, len(s.Chain))
			continue
		}
		r.hop(&s.Chain[n-1], k, name)
	}
}

func (r *reader) hop(h *Hop, key, name string) {
	v := r.text(key)
	switch name {
	case "external_id":
		if !externalID.MatchString(v) || len(v) > 1224 {
			r.fault(key, true, "must have 2 to 1224 letters, digits or any of +=,.@:/-")
		}
		h.ExternalID = secret.New(v)
	case "session_name":
		if !sessionName.MatchString(v) {
			r.fault(key, true, "is %q: a session name has 2 to 64 letters, digits or any of +=,.@-", v)
		}
		h.SessionName = v
	case "duration":
		d, err := duration(v)
		if err != nil || d < 15*time.Minute || d > 12*time.Hour {
			r.fault(key, true, "is %q: give seconds from 900 to 43200, or a span such as 1h", v)
		}
		h.Duration = d
	case "tags":
		for pair := range strings.SplitSeq(v, ",") {
			k, val, ok := strings.Cut(strings.TrimSpace(pair), "=")
			if !ok || k == "" || len(k) > 128 || len(val) > 256 {
				r.fault(key, true, "has %q where key=value is expected", pair)
				continue
			}
			h.Tags = append(h.Tags, Tag{k, val})
		}
	case "sts.region":
		h.STSRegion = v
	case "sts.endpoint":
		h.STSEndpoint = r.endpoint(key)
		if h.STSRegion == "" {
			h.STSRegion = regionOf(h.STSEndpoint)
		}
	}
}

func (r *reader) recheck() time.Duration {
	v := r.text("recheck")
	switch v {
	case "":
		return 0
	case "always":
		return -1
	}
	d, err := duration(v)
	if err != nil || d <= 0 {
		r.fault("recheck", true, "is %q: give \"always\", seconds, or a span such as 60s", v)
	}
	return d
}

// endpoint reads a URL whose scheme may be missing, as StarRocks allows.
func (r *reader) endpoint(key string) string {
	v := r.text(key)
	if v == "" {
		return ""
	}
	if !strings.Contains(v, "://") {
		scheme := "https://"
		if ssl, ok := r.get("enable_ssl"); ok && strings.EqualFold(ssl, "false") {
			scheme = "http://"
		}
		v = scheme + v
	}
	u, err := url.Parse(v)
	if err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" || u.User != nil {
		r.fault(key, true, "is %q: give a host, or an http or https URL", v)
		return ""
	}
	return strings.TrimSuffix(v, "/")
}

// awsHost matches a regional endpoint: sts.eu-west-1.amazonaws.com.
var awsHost = regexp.MustCompile(`^[a-z0-9-]+\.([a-z]{2}(?:-[a-z]+)+-[0-9])\.(?:amazonaws\.com|api\.aws)`)

func regionOf(endpoint string) string {
	u, err := url.Parse(endpoint)
	if err != nil {
		return ""
	}
	if m := awsHost.FindStringSubmatch(u.Hostname()); m != nil {
		return m[1]
	}
	return ""
}

func duration(v string) (time.Duration, error) {
	if n, err := strconv.Atoi(v); err == nil {
		return time.Duration(n) * time.Second, nil
	}
	return time.ParseDuration(v)
}
