package e2e

import (
	"context"
	"fmt"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/iam"
	iamtypes "github.com/aws/aws-sdk-go-v2/service/iam/types"
	"github.com/aws/aws-sdk-go-v2/service/s3"
)

const total = "SELECT concat(count(*), ' ', sum(amount)) FROM %s.sales.orders"

func TestEveryMixtureOfMethodsReadsTheLake(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	user := l.prepare()
	db := l.db()
	s3Methods := map[string]method{"instance": instance(), "role": assumed(role(home, "s3_assumed_role")), "user": keys(user)}
	glueMethods := map[string]method{"instance": instance(), "role": assumed(role(home, "glue_assumed_role")), "user": keys(user)}
	signer := map[string]string{"instance": "assumed-role/starrocks-ec2/", "s3role": "assumed-role/s3_assumed_role/", "gluerole": "assumed-role/glue_assumed_role/", "user": "user/alice"}
	for s, sm := range s3Methods {
		for g, gm := range glueMethods {
			t.Run("s3 "+s+" glue "+g, func(t *testing.T) {
				name := "c_" + s + "_" + g
				l.exec(db, catalogStatement(name, sm, gm))
				_, last := l.decisions(0, "&limit=0")
				got, err := value(db, fmt.Sprintf(total, name))
				if err != nil || got != "6 31.5" {
					t.Fatalf("got %q, %v", got, err)
				}
				log, _ := l.decisions(last, "")
				for _, e := range log {
					want := signer[s]
					switch service, _, _ := strings.Cut(e.Action, ":"); {
					case service == "s3" && s == "role":
						want = signer["s3role"]
					case service == "glue" && g == "role":
						want = signer["gluerole"]
					case service == "glue":
						want = signer[g]
					case service == "sts":
						continue
					}
					if !strings.Contains(e.Principal, want) {
						t.Errorf("%s was signed by %s, want %s", e.Action, e.Principal, want)
					}
				}
			})
		}
	}
}

// Each lock is broken, read through, and mended; each must give an error of
// its own that tells what is wrong.
func TestEachBrokenLockGivesItsOwnError(t *testing.T) {
	t.Parallel()
	l := newLab(t, "AWS_DISABLE_CLOCK_SKEW_CORRECTION=true")
	user := l.prepare()
	db := l.db()
	ctx := context.Background()
	c := iam.NewFromConfig(l.as(rootKeys[home]))
	s3Role, glueRole, lender := assumed(role(home, "s3_assumed_role")), assumed(role(home, "glue_assumed_role")), assumed(role(partner, "lender"))
	keyStatus := func(s iamtypes.StatusType) {
		l.must(c.UpdateAccessKey(ctx, &iam.UpdateAccessKeyInput{UserName: aws.String("alice"), AccessKeyId: aws.String(user.AccessKeyID), Status: s}))
	}
	objects := s3.NewFromConfig(l.as(rootKeys[home]))
	wrongSecret := user
	wrongSecret.SecretAccessKey = strings.Repeat("x", 40)
	noGet := document(allow("s3:ListBucket", listLake))
	l.must(c.CreatePolicy(ctx, &iam.CreatePolicyInput{PolicyName: aws.String("edge"), PolicyDocument: noGet}))

	seen := map[string]string{}
	for _, lock := range []struct {
		name     string
		s3, glue method
		table    string // orders unless given
		broken   func()
		mended   func() // nil: the catalog itself is what is wrong
		want     string
	}{
		{name: "AssumeRole permission across accounts", s3: lender, glue: instance(), table: "foreign",
			broken: func() {
				l.rolePolicy(home, "starrocks-ec2", "assume", document(allow("sts:AssumeRole", role(home, "s3_assumed_role"))))
			},
			mended: func() {
				l.rolePolicy(home, "starrocks-ec2", "assume", document(allow("sts:AssumeRole", role(home, "*")+" "+role(partner, "lender"))))
			},
			want: `^Denied: sts:AssumeRole on arn:aws:iam::222222222222:role/lender as role starrocks-ec2: `},
		{name: "trust", s3: s3Role, glue: instance(),
			broken: func() { l.trust(home, "s3_assumed_role", trusts(role(home, "glue_assumed_role"))) },
			mended: func() { l.trust(home, "s3_assumed_role", trusts(role(home, "starrocks-ec2"))) },
			want:   `^Denied: sts:AssumeRole on arn:aws:iam::081976408565:role/s3_assumed_role as role starrocks-ec2: `},
		{name: "S3 list", s3: s3Role, glue: glueRole,
			broken: func() { l.rolePolicy(home, "s3_assumed_role", "s3", document(allow("s3:GetObject", getObject))) },
			mended: func() { l.rolePolicy(home, "s3_assumed_role", "s3", readLake()) },
			want:   `^Denied: s3:ListBucket on arn:aws:s3:::lake as role s3_assumed_role \(from starrocks-ec2\): no identity-based policy allows it`},
		{name: "S3 get", s3: s3Role, glue: glueRole,
			broken: func() { l.rolePolicy(home, "s3_assumed_role", "s3", noGet) },
			mended: func() { l.rolePolicy(home, "s3_assumed_role", "s3", readLake()) },
			want:   `^Denied: s3:GetObject on arn:aws:s3:::lake/orders/dt=2024-01-0[12]/part-0.parquet as role s3_assumed_role \(from starrocks-ec2\): no identity-based policy allows it`},
		{name: "Glue database", s3: s3Role, glue: glueRole,
			broken: func() {
				l.rolePolicy(home, "glue_assumed_role", "glue", document(allow(glueReads, glueARN+"catalog "+glueARN+"table/sales/*")))
			},
			mended: func() { l.rolePolicy(home, "glue_assumed_role", "glue", readGlue()) },
			want:   `^Denied: glue:GetTable on arn:aws:glue:us-west-2:081976408565:database/sales as role glue_assumed_role \(from starrocks-ec2\): no identity-based policy allows it`},
		{name: "Glue table", s3: s3Role, glue: glueRole,
			broken: func() {
				l.rolePolicy(home, "glue_assumed_role", "glue", document(allow(glueReads, glueARN+"catalog "+glueARN+"database/sales")))
			},
			mended: func() { l.rolePolicy(home, "glue_assumed_role", "glue", readGlue()) },
			want:   `^Denied: glue:GetTable on arn:aws:glue:us-west-2:081976408565:table/sales/orders as role glue_assumed_role \(from starrocks-ec2\): no identity-based policy allows it`},
		{name: "Glue partitions", s3: s3Role, glue: glueRole,
			broken: func() {
				l.rolePolicy(home, "glue_assumed_role", "glue", document(allow("glue:GetDatabase glue:GetTable", allGlue)))
			},
			mended: func() { l.rolePolicy(home, "glue_assumed_role", "glue", readGlue()) },
			want:   `^Denied: glue:GetPartitions on \S+ as role glue_assumed_role \(from starrocks-ec2\): no identity-based policy allows it`},
		{name: "bucket policy deny", s3: s3Role, glue: glueRole,
			broken: func() {
				l.must(objects.PutBucketPolicy(ctx, &s3.PutBucketPolicyInput{Bucket: aws.String("lake"), Policy: document(
					fmt.Sprintf(`{"Effect": "Deny", "Principal": {"AWS": %q}, "Action": "s3:GetObject", "Resource": %q}`, role(home, "s3_assumed_role"), getObject))}))
			},
			mended: func() {
				l.must(objects.DeleteBucketPolicy(ctx, &s3.DeleteBucketPolicyInput{Bucket: aws.String("lake")}))
			},
			want: `^Denied: s3:GetObject on \S+ as role s3_assumed_role \(from starrocks-ec2\): an explicit deny in a resource-based policy`},
		{name: "boundary", s3: s3Role, glue: glueRole,
			broken: func() {
				l.must(c.PutRolePermissionsBoundary(ctx, &iam.PutRolePermissionsBoundaryInput{RoleName: aws.String("s3_assumed_role"),
					PermissionsBoundary: aws.String("arn:aws:iam::" + home + ":policy/edge")}))
			},
			mended: func() {
				l.must(c.DeleteRolePermissionsBoundary(ctx, &iam.DeleteRolePermissionsBoundaryInput{RoleName: aws.String("s3_assumed_role")}))
			},
			want: `^Denied: s3:GetObject on \S+ as role s3_assumed_role \(from starrocks-ec2\): no permissions boundary allows it`},
		{name: "session policy", s3: keys(l.assumeAsAlice(user, noGet)), glue: glueRole,
			want: `^Denied: s3:GetObject on \S+ as role s3_assumed_role: no session policy allows it`},
		{name: "deactivated key", s3: keys(user), glue: glueRole,
			broken: func() { keyStatus(iamtypes.StatusTypeInactive) },
			mended: func() { keyStatus(iamtypes.StatusTypeActive) },
			want:   `^Unknown access key: s3 does not know the key of key AKIA[A-Z0-9]+, or it is deactivated or deleted`},
		{name: "wrong secret", s3: keys(wrongSecret), glue: glueRole,
			want: `^Wrong secret key: s3 does not accept the signature of key AKIA[A-Z0-9]+`},
		{name: "wrong region", s3: method{"use_instance_profile": "true", "region": "eu-central-1"}, glue: glueRole,
			want: `^Wrong region: s3 refused the region "eu-central-1": it expects "us-west-2"`},
	} {
		t.Run(lock.name, func(t *testing.T) {
			if lock.table == "" {
				lock.table = "orders"
			}
			l.exec(db, "DROP CATALOG IF EXISTS c", catalogStatement("c", lock.s3, lock.glue))
			query := "SELECT sum(amount) FROM c.sales." + lock.table
			if lock.broken != nil {
				if _, err := value(db, query); err != nil {
					t.Fatalf("before the lock is broken: %v", err)
				}
				lock.broken()
				l.exec(db, "REFRESH CREDENTIALS FOR CATALOG c")
				// Cached bytes stay readable for the recheck time: ask always.
				l.exec(db, `ALTER CATALOG c SET ("aws.s3.recheck" = "always")`)
			}
			_, err := value(db, query)
			if lock.mended != nil {
				lock.mended()
			}
			if err == nil {
				t.Fatal("the lock is broken, and the query is answered")
			}
			if !regexp.MustCompile(lock.want).MatchString(err.Error()) {
				t.Errorf("got  %v\nwant %s", err, lock.want)
			}
			first, _, _ := strings.Cut(err.Error(), "\n")
			if other, twice := seen[first]; twice {
				t.Errorf("the same error as %s: %s", other, first)
			}
			seen[first] = lock.name
			if lock.mended != nil {
				l.exec(db, "REFRESH CREDENTIALS")
				if _, err := value(db, query); err != nil {
					t.Errorf("after the lock is mended: %v", err)
				}
			}
		})
	}

	t.Run("expired session", func(t *testing.T) {
		// The session is made on a clock 14 minutes behind and used 14 minutes
		// ahead: its 15 minutes are over, and the signatures' clock still fits.
		l.moveClock(-14 * time.Minute)
		session := l.assumeAsAlice(user, nil)
		l.moveClock(14 * time.Minute)
		defer l.moveClock(0)
		l.exec(db, "DROP CATALOG IF EXISTS c", catalogStatement("c", keys(session), keys(session)))
		_, err := value(db, "SELECT sum(amount) FROM c.sales.orders")
		if err == nil || !regexp.MustCompile(`^Expired credentials: glue says that the session of key ASIA[A-Z0-9]+ has ended`).MatchString(err.Error()) {
			t.Errorf("got %v", err)
		}
	})
	t.Run("clock off by an hour", func(t *testing.T) {
		l.moveClock(time.Hour)
		defer l.moveClock(0)
		for service, c := range map[string]string{"glue": catalogStatement("c", keys(user), keys(user)), "sts": catalogStatement("c", instance(), glueRole)} {
			l.exec(db, "DROP CATALOG IF EXISTS c", c)
			_, err := value(db, "SELECT sum(amount) FROM c.sales.orders")
			want := `^Clock skew: ` + service + `.* refused the signature's time: this host says 20\S+Z, AWS says 20\S+Z: this host is (1h0m|59m5[0-9])\S* behind AWS`
			if err == nil || !regexp.MustCompile(want).MatchString(err.Error()) {
				t.Errorf("got %v", err)
			}
		}
	})
}

// assumeAsAlice gives a session of s3_assumed_role that was fetched by hand.
func (l *lab) assumeAsAlice(user aws.Credentials, policy *string) aws.Credentials {
	l.trust(home, "s3_assumed_role", document(
		fmt.Sprintf(`{"Effect": "Allow", "Principal": {"AWS": [%q, "arn:aws:iam::%s:user/alice"]}, "Action": "sts:AssumeRole"}`, role(home, "starrocks-ec2"), home)))
	return l.assume(user, role(home, "s3_assumed_role"), policy)
}

// moveClock sets the sandbox's clock against the real one.
func (l *lab) moveClock(by time.Duration) {
	l.t.Helper()
	l.instrument("POST", "clock", map[string]string{"offset": by.String()}, nil)
	l.offset = &by
}

func TestAThousandStatementsOverAChainOfThreeAssumeThreeRoles(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	l.prepare()
	chain := []string{role(home, "one"), role(partner, "two"), role(home, "three")}
	previous := role(home, "starrocks-ec2")
	for i, arn := range chain {
		account := strings.Split(arn, ":")[4]
		policies := map[string]*string{"s3": readLake()}
		if i+1 < len(chain) {
			policies["assume"] = document(allow("sts:AssumeRole", chain[i+1]))
		}
		l.makeRole(account, arn[strings.LastIndex(arn, "/")+1:], trusts(previous), policies)
		previous = arn
	}
	l.rolePolicy(home, "starrocks-ec2", "assume", document(allow("sts:AssumeRole", chain[0])))
	db := l.db()
	db.SetMaxOpenConns(1000)
	l.exec(db, catalogStatement("c", assumed(chain...), instance()))
	var wg sync.WaitGroup
	errs := make(chan error, 1000)
	for range 1000 {
		wg.Go(func() {
			if got, err := value(db, fmt.Sprintf(total, "c")); err != nil || got != "6 31.5" {
				errs <- fmt.Errorf("got %q, %v", got, err)
			}
		})
	}
	wg.Wait()
	close(errs)
	for err := range errs {
		t.Fatal(err)
	}
	log, _ := l.decisions(0, "&action=sts:AssumeRole")
	var calls []string
	for _, e := range log {
		if e.Principal != "" && !strings.Contains(e.Principal, "ec2.amazonaws.com") {
			calls = append(calls, e.Principal+" -> "+e.Resource)
		}
	}
	if len(calls) != 3 {
		t.Errorf("%d AssumeRole calls, want 3:\n%s", len(calls), strings.Join(calls, "\n"))
	}
}
