package e2e

import (
	"fmt"
	"maps"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/kms"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	s3types "github.com/aws/aws-sdk-go-v2/service/s3/types"
)

// with adds properties to a method.
func (m method) with(pairs ...string) method {
	out := maps.Clone(m)
	for i := 0; i < len(pairs); i += 2 {
		out[pairs[i]] = pairs[i+1]
	}
	return out
}

// trustsIf is a trust policy with a condition on the actions.
func trustsIf(arn, actions, condition string) *string {
	return document(fmt.Sprintf(`{"Effect": "Allow", "Principal": {"AWS": %q}, "Action": [%s], "Condition": {%s}}`, arn, quoteList(actions), condition))
}

// Every property of a role chain reaches AWS: the roles' trust policies ask for
// exactly what the properties say, so that only then the query is answered.
func TestEveryPropertyOfAChainReachesAWS(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	alice := l.prepare()
	ec2, first := role(home, "starrocks-ec2"), role(home, "first")
	data := map[string]*string{"both": readLakeAndGlue()}
	l.makeRole(home, "guarded", trustsIf(ec2, "sts:AssumeRole", `"StringEquals": {"sts:ExternalId": "our-id"}`), data)
	l.makeRole(home, "first", trustsIf(ec2, "sts:AssumeRole", `"StringEquals": {"sts:ExternalId": "one"}`), nil)
	l.makeRole(home, "second", trustsIf(first, "sts:AssumeRole sts:TagSession",
		`"StringEquals": {"sts:RoleSessionName": "nightly", "aws:RequestTag/team": "data", "aws:RequestTag/env": "prod", "sts:ExternalId": "two"}, "NumericEquals": {"sts:DurationSeconds": "1800"}`), data)
	l.makeRole(home, "of-alice", trusts("arn:aws:iam::"+home+":user/alice"), data)
	host := strings.TrimPrefix(l.ready["aws"], "http://")
	chain := assumed(first, role(home, "second")).with("hop.1.external_id", "one", "hop.2.external_id", "two",
		"hop.2.session_name", "nightly", "hop.2.duration", "1800", "hop.2.tags", "team=data,env=prod")
	session := l.assume(alice, role(home, "of-alice"), nil)
	const none = ""
	for _, tt := range []struct {
		name   string
		s3     method
		signer string // none: refused
		want   string // of the refusal
	}{
		{"external id", assumed(role(home, "guarded")).with("external_id", "our-id"), "assumed-role/guarded/lakeport", ""},
		{"external id, Iceberg's spelling", assumed(role(home, "guarded")).with("iam_role_external_id", "our-id"), "assumed-role/guarded/lakeport", ""},
		{"external id by hop", assumed(role(home, "guarded")).with("hop.1.external_id", "our-id"), "assumed-role/guarded/lakeport", ""},
		{"another external id", assumed(role(home, "guarded")).with("external_id", "their-id"), none, "Denied: sts:AssumeRole on " + role(home, "guarded")},
		{"no external id", assumed(role(home, "guarded")), none, "Denied: sts:AssumeRole on " + role(home, "guarded")},
		{"a hop's name, duration, tags and external id", chain, "assumed-role/second/nightly", ""},
		{"another session name", chain.with("hop.2.session_name", "daily"), none, "Denied: sts:AssumeRole on " + role(home, "second") + " as role first (from starrocks-ec2)"},
		{"another duration", chain.with("hop.2.duration", "3600"), none, "Denied: sts:AssumeRole on " + role(home, "second")},
		{"another tag", chain.with("hop.2.tags", "team=other,env=prod"), none, "Denied: sts:AssumeRole on " + role(home, "second")},
		{"keys and a role", keys(alice).with("iam_role_arn", role(home, "of-alice")), "assumed-role/of-alice/lakeport", ""},
		{"a session's keys", keys(session), "assumed-role/of-alice/byhand", ""},
		{"instance profile before keys", keys(alice).with("use_instance_profile", "true"), "assumed-role/starrocks-ec2/", ""},
		{"endpoint with a scheme", instance().with("endpoint", l.ready["aws"], "enable_path_style_access", "true"), "assumed-role/starrocks-ec2/", ""},
		{"endpoint without a scheme", instance().with("endpoint", host, "enable_ssl", "false"), "assumed-role/starrocks-ec2/", ""},
		{"AWS's own endpoint", instance().with("endpoint", "https://s3.us-west-2.amazonaws.com"), "assumed-role/starrocks-ec2/", ""},
		{"region and endpoint of STS", assumed(role(home, "guarded")).with("external_id", "our-id", "sts.region", "eu-west-1", "sts.endpoint", l.ready["aws"]), "assumed-role/guarded/lakeport", ""},
		{"the region in STS's endpoint", assumed(role(home, "guarded")).with("external_id", "our-id", "sts.endpoint", "sts.eu-west-1.amazonaws.com"), "assumed-role/guarded/lakeport", ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			db := l.db()
			_, last := l.decisions(0, "&limit=0")
			l.exec(db, "REFRESH CREDENTIALS", "DROP CATALOG IF EXISTS c", catalogStatement("c", tt.s3, instance()))
			got, err := value(db, fmt.Sprintf(total, "c"))
			if tt.signer == none {
				if err == nil || !strings.HasPrefix(err.Error(), tt.want) {
					t.Errorf("got %q, %v; want %s", got, err, tt.want)
				}
				return
			}
			if err != nil || got != "6 31.5" {
				t.Fatalf("got %q, %v", got, err)
			}
			log, _ := l.decisions(last, "")
			for _, e := range log {
				if strings.HasPrefix(e.Action, "s3:") && !strings.Contains(e.Principal, tt.signer) {
					t.Errorf("%s was signed by %s, want %s", e.Action, e.Principal, tt.signer)
				}
				if e.Action == "sts:AssumeRole" && strings.Contains(tt.name, "of STS") && e.Region != "eu-west-1" {
					t.Errorf("STS was asked in %s, want eu-west-1", e.Region)
				}
			}
		})
	}

	t.Run("another account's Glue catalog", func(t *testing.T) {
		db := l.db()
		for _, key := range []string{"hive.metastore.glue.catalogid", "aws.glue.catalog_id"} {
			for account, want := range map[string]string{home: "", partner: "Denied: glue:GetTable on arn:aws:glue:us-west-2:" + partner + ":"} {
				statement := strings.Replace(catalogStatement("c", instance(), instance()), "PROPERTIES (", fmt.Sprintf("PROPERTIES (%q = %q, ", key, account), 1)
				l.exec(db, "DROP CATALOG IF EXISTS c", statement)
				_, err := value(db, fmt.Sprintf(total, "c"))
				if (err != nil) != (want != "") || err != nil && !strings.HasPrefix(err.Error(), want) {
					t.Errorf("%s = %s: got %v, want %q", key, account, err, want)
				}
			}
		}
	})

	t.Run("a chain of ten", func(t *testing.T) {
		db := l.db()
		previous, arns := ec2, []string{}
		for i := range 10 {
			name := fmt.Sprintf("link%d", i)
			l.makeRole(home, name, trusts(previous), data)
			previous = role(home, name)
			arns = append(arns, previous)
		}
		l.expectSigner(db, catalogStatement("c", assumed(arns...), assumed(arns...)), "assumed-role/link9/lakeport")
		if _, err := db.Exec(catalogStatement("d", assumed(append(arns, first)...), instance())); err == nil || !strings.Contains(err.Error(), "a chain has ten at most") {
			t.Errorf("a chain of eleven: %v", err)
		}
	})

	t.Run("an endpoint of STS that names no region", func(t *testing.T) {
		_, err := l.db().Exec(catalogStatement("d", assumed(first).with("sts.endpoint", l.ready["aws"]), instance()))
		if err == nil || !strings.Contains(err.Error(), `property "aws.s3.sts.endpoint" is set to `+l.ready["aws"]+" but no signing region was provided") {
			t.Errorf("got %v", err)
		}
	})
}

// Nothing given at all: the default chain, and where that finds no credentials
// public buckets are read without a signature (starrocks.md 1.4). Glue has no
// unsigned calls.
func TestNothingGivenReadsPublicBuckets(t *testing.T) {
	t.Parallel()
	l := newLab(t, "AWS_EC2_METADATA_DISABLED=true")
	alice := l.prepare()
	db, c := l.db(), s3.NewFromConfig(l.as(rootKeys[home]))
	query := fmt.Sprintf(total, "c")
	l.exec(db, catalogStatement("c", method{}, keys(alice)))
	who := "anonymous (the default credential chain found no credentials)"
	if _, err := value(db, query); err == nil || !strings.HasPrefix(err.Error(), "Denied: s3:ListBucket on arn:aws:s3:::lake as "+who+": ") {
		t.Errorf("a bucket that is not public: %v", err)
	}
	l.must(c.DeletePublicAccessBlock(t.Context(), &s3.DeletePublicAccessBlockInput{Bucket: aws.String("lake")}))
	l.must(c.PutBucketPolicy(t.Context(), &s3.PutBucketPolicyInput{Bucket: aws.String("lake"), Policy: document(
		`{"Effect": "Allow", "Principal": "*", "Action": "s3:ListBucket", "Resource": "arn:aws:s3:::lake"}`,
		`{"Effect": "Allow", "Principal": "*", "Action": "s3:GetObject", "Resource": "arn:aws:s3:::lake/*"}`)}))
	_, last := l.decisions(0, "&limit=0")
	if got, err := value(db, query); err != nil || got != "6 31.5" {
		t.Errorf("got %q, %v", got, err)
	}
	log, _ := l.decisions(last, "")
	for _, e := range log {
		if strings.HasPrefix(e.Action, "s3:") && e.Principal != "" && e.Principal != "anonymous" {
			t.Errorf("%s was signed by %s", e.Action, e.Principal)
		}
	}
	l.exec(db, "DROP CATALOG c", catalogStatement("c", method{}, method{}))
	if _, err := value(db, query); err == nil || !strings.HasPrefix(err.Error(), "No credentials: the default chain") {
		t.Errorf("Glue without credentials: %v", err)
	}
	// Asked for by name, the default chain must find credentials.
	l.exec(db, "DROP CATALOG c", catalogStatement("c", sdk(), keys(alice)))
	if _, err := value(db, query); err == nil || !strings.HasPrefix(err.Error(), "No credentials: the default chain") {
		t.Errorf("the default chain without credentials: %v", err)
	}
}

// A clock that is off by an hour is corrected by AWS's answer, for reads as for
// the SDK's own calls.
func TestAClockThatIsOffIsCorrected(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	alice := l.prepare()
	db := l.db()
	l.moveClock(-40 * time.Minute)
	defer l.moveClock(0)
	l.exec(db, catalogStatement("c", keys(alice), keys(alice)))
	if got, err := value(db, fmt.Sprintf(total, "c")); err != nil || got != "6 31.5" {
		t.Errorf("got %q, %v", got, err)
	}
}

// Objects under a KMS key need the key too: each lock of it is told as its own.
func TestObjectsUnderAKeyNeedTheKey(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	l.prepare()
	db, root := l.db(), l.as(rootKeys[home])
	keyPolicy := func(statement string) *string {
		return document(fmt.Sprintf(`{"Effect": "Allow", "Principal": {"AWS": "arn:aws:iam::%s:root"}, "Action": "kms:*", "Resource": "*"}`, home), statement)
	}
	use := fmt.Sprintf(`{"Effect": "Allow", "Principal": {"AWS": %q}, "Action": "kms:Decrypt", "Resource": "*"}`, role(home, "s3_assumed_role"))
	k := kms.NewFromConfig(root)
	key, err := k.CreateKey(t.Context(), &kms.CreateKeyInput{Policy: keyPolicy(use)})
	l.must(key, err)
	id, c := key.KeyMetadata.Arn, s3.NewFromConfig(root)
	for _, dt := range []string{"2024-01-01", "2024-01-02"} {
		at := "orders/dt=" + dt + "/part-0.parquet"
		l.must(c.CopyObject(t.Context(), &s3.CopyObjectInput{Bucket: aws.String("lake"), Key: &at, CopySource: aws.String("lake/" + at),
			ServerSideEncryption: s3types.ServerSideEncryptionAwsKms, SSEKMSKeyId: id}))
	}
	l.exec(db, catalogStatement("c", assumed(role(home, "s3_assumed_role")).with("recheck", "always"), instance()))
	query := fmt.Sprintf("SELECT sum(amount) FROM %s.sales.orders", "c")
	if got, err := value(db, query); err != nil || got != "31.5" {
		t.Fatalf("got %q, %v", got, err)
	}
	object := "arn:aws:s3:::lake/orders/dt=2024-01-0"
	for _, lock := range []struct {
		name   string
		broken func()
		want   string
	}{
		{"the key's policy", func() {
			l.must(k.PutKeyPolicy(t.Context(), &kms.PutKeyPolicyInput{KeyId: id, Policy: keyPolicy(strings.Replace(use, `"Allow"`, `"Deny"`, 1))}))
		}, "Denied: kms:Decrypt on the key of " + object},
		{"the caller's own policy", func() {
			l.must(k.PutKeyPolicy(t.Context(), &kms.PutKeyPolicyInput{KeyId: id, Policy: keyPolicy(strings.Replace(use, "s3_assumed_role", "glue_assumed_role", 1))}))
		}, "Denied: kms:Decrypt on the key of " + object},
		{"a disabled key", func() {
			l.must(k.PutKeyPolicy(t.Context(), &kms.PutKeyPolicyInput{KeyId: id, Policy: keyPolicy(use)}))
			l.must(k.DisableKey(t.Context(), &kms.DisableKeyInput{KeyId: id}))
		}, "Unusable key: Disabled on the key of " + object},
	} {
		lock.broken()
		if got, err := value(db, query); err == nil || !strings.HasPrefix(err.Error(), lock.want) {
			t.Errorf("%s: got %q, %v; want %s", lock.name, got, err, lock.want)
		}
	}
}
