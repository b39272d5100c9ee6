package e2e

import (
	"context"
	"fmt"
	"io"
	"net"
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
		{"the instance's name as resource id of the pipe", nil, [2]string{`"aws.rds.resource_id" = "` + d.id, `"aws.rds.resource_id" = "shop-db`}, `property "aws.rds.resource_id" is "shop-db": a resource id begins with db-, cluster- or prx-`, "-rds-db:connect"},
		{"an instance's resource id beside a cluster's endpoint", nil, [2]string{`"host" = "127.0.0.1"`, `"host" = "shop.cluster-c1x2.us-west-2.rds.amazonaws.com"`}, "the host is a cluster's endpoint", "-rds-db:connect"},
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
	for kind, greeting := range map[string]string{
		// Protocol::HandshakeV10 without CLIENT_SSL; an answer to SSLRequest that says no.
		"MARIADB":  "\x53\x00\x00\x00\x0a10.11.8-MariaDB\x00\x07\x00\x00\x00saltsalt\x00\xfe\xf7\x2d\x02\x00\xff\x81\x15" + strings.Repeat("\x00", 10) + "saltsaltsalt\x00mysql_native_password\x00",
		"POSTGRES": "N",
	} {
		port, heard := withoutTLS(t, greeting)
		_, err := db.Exec("CREATE PIPE p FROM " + kind + " " + strings.Replace(d.properties(), d.port, port, 1) + " TABLES (orders AS lake.orders) MODE INITIAL_LOAD")
		if err == nil || !strings.Contains(err.Error(), "offers no TLS: no token was sent") {
			t.Errorf("%s without TLS: the answer is %v", kind, err)
		}
		if got := <-heard; strings.Contains(got, "X-Amz") || len(got) > 8 { // PostgreSQL is asked for TLS in 8 bytes
			t.Errorf("%s without TLS was told %q", kind, got)
		}
	}
	if strings.Contains(l.log.String(), "X-Amz-Signature") {
		t.Error("the log holds a token")
	}
}

// withoutTLS is a database that greets, and tells all that one client says.
func withoutTLS(t *testing.T, greeting string) (port string, heard chan string) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	heard = make(chan string, 1)
	go func() {
		c, err := l.Accept()
		if err != nil {
			return
		}
		defer c.Close()
		first := make([]byte, 8)
		if greeting == "N" {
			_, _ = io.ReadFull(c, first)
		}
		_, _ = io.WriteString(c, greeting)
		rest, _ := io.ReadAll(c)
		heard <- string(rest)
	}()
	_, port, _ = net.SplitHostPort(l.Addr().String())
	return port, heard
}
