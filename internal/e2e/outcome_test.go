package e2e

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/iam"
)

// What refuses a pipe says who it is: lakeport itself, STS, TLS or the
// database; and it is seen in AWS's log who was asked at all.
func TestPipesSayWhoRefuses(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	d := l.makeDatabase(home, "mariadb", "shop-db", true)
	d.master(t, printedMySQLUser+"GRANT SELECT ON shop.* TO 'clickpipes_iam_user'; CREATE USER plain IDENTIFIED BY 'secret-password'; GRANT SELECT ON shop.* TO plain; CREATE TABLE shop.orders (id INT PRIMARY KEY);")
	l.pipeRole(d.id)
	db := l.db()
	l.exec(db, "CREATE DATABASE lake")
	client := iam.NewFromConfig(l.as(rootKeys[home]))
	connect := func(resource string) {
		l.rolePolicy(home, "pipes", "allowed", document(allow("rds-db:connect", "arn:aws:rds-db:"+region+":"+home+":dbuser:"+resource)))
	}
	trust := func(actions ...string) {
		l.must(client.UpdateAssumeRolePolicy(context.Background(), &iam.UpdateAssumeRolePolicyInput{RoleName: aws.String("pipes"),
			PolicyDocument: trustDocument(`{"AWS": "arn:aws:iam::`+home+`:role/starrocks-ec2"}`, actions...)}))
	}
	attempt := func(properties string) string {
		_, err := db.Exec("CREATE PIPE p FROM MARIADB " + properties + " TABLES (orders AS lake.orders) MODE INITIAL_LOAD")
		if err == nil {
			l.exec(db, "DROP PIPE p", "DROP TABLE lake.orders")
			return "made"
		}
		return message(err).Error()
	}
	right := d.id + "/clickpipes_iam_user"
	for _, c := range []struct {
		name    string
		prepare func()
		change  [2]string // of the properties
		want    string
		asked   string // an action that the log has, or with a minus has not
	}{
		{"all is right", nil, [2]string{}, "made", "rds-db:connect"},
		{"the instance's name for its resource id", func() { connect("shop-db/clickpipes_iam_user") }, [2]string{}, "IAM authentication refused: the database", "rds-db:connect"},
		{"a cluster's id for the instance's", func() { connect(strings.Replace(right, "db-", "cluster-", 1)) }, [2]string{}, "IAM authentication refused: the database", "rds-db:connect"},
		{"another user in the policy", func() { connect(d.id + "/clickpipes_IAM_user") }, [2]string{}, "IAM authentication refused: the database", "rds-db:connect"},
		{"the trust does not name the role's tags", func() { connect(right); trust("sts:AssumeRole") }, [2]string{}, "sts:TagSession on arn:aws:iam::" + home + ":role/pipes as role starrocks-ec2", "-rds-db:connect"},
		{"the trust names tags only", func() { trust("sts:TagSession") }, [2]string{}, "Denied: sts:AssumeRole on arn:aws:iam::" + home + ":role/pipes as role starrocks-ec2", "-rds-db:connect"},
		{"no authority that the certificate hangs on", func() { trust("sts:AssumeRole", "sts:TagSession") }, [2]string{fmt.Sprintf(`, "tls_ca" = "%s"`, d.ca), ""}, "the certificate of the database", "-rds-db:connect"},
		{"a user that is none of IAM's", nil, [2]string{`"user" = "clickpipes_iam_user"`, `"user" = "plain"`}, "IAM authentication refused: the database", "-rds-db:connect"},
		{"another host signed", nil, [2]string{`, "tls_ca"`, `, "aws.rds.signing_host" = "localhost", "tls_ca"`}, "IAM authentication refused: the database", "-rds-db:connect"},
		{"another region", nil, [2]string{`"aws.rds.region" = "us-west-2"`, `"aws.rds.region" = "us-east-1"`}, "IAM authentication refused: the database", "-rds-db:connect"},
		{"a password beside tokens", nil, [2]string{`"authentication" = "iam"`, `"authentication" = "iam", "password" = "x"`}, `property "password" has no place beside "authentication" = "iam"`, "-rds-db:connect"},
		{"a mistyped property", nil, [2]string{`"aws.rds.region"`, `"aws.rds.regoin"`}, `property "aws.rds.regoin" is not known: did you mean aws.rds.region?`, "-rds-db:connect"},
		{"all is right again", nil, [2]string{}, "made", "rds-db:connect"},
		{"the switch is off", func() {
			if status, a := l.rds(home, url.Values{"Action": {"ModifyDBInstance"}, "DBInstanceIdentifier": {"shop-db"}, "EnableIAMDatabaseAuthentication": {"false"}, "ApplyImmediately": {"true"}}); status != http.StatusOK {
				t.Fatal(a)
			}
		}, [2]string{}, "IAM authentication refused: the database", "-rds-db:connect"},
	} {
		if c.prepare != nil {
			c.prepare()
		}
		l.exec(db, "REFRESH CREDENTIALS")
		_, last := l.decisions(0, "&limit=0")
		properties := d.properties()
		if c.change[0] != "" {
			properties = strings.Replace(properties, c.change[0], c.change[1], 1)
		}
		if got := attempt(properties); !strings.Contains(got, c.want) {
			t.Errorf("%s: the answer is %s, want %s", c.name, got, c.want)
		}
		action, absent := strings.CutPrefix(c.asked, "-")
		decided := false
		log, _ := l.decisions(last, "")
		for _, e := range log {
			decided = decided || e.Action == action && e.Decision != "none"
		}
		if decided == absent {
			t.Errorf("%s: %s was decided: %v", c.name, action, decided)
		}
	}
	if strings.Contains(l.log.String(), "X-Amz-Signature") {
		t.Error("the log holds a token")
	}
}
