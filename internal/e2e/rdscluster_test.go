package e2e

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/iam"
)

// awaitCluster waits until the cluster's server answers, and gives the writer's
// endpoint with the reader's address.
func (l *lab) awaitCluster(name string) (d *sourceDB, reader string) {
	l.t.Helper()
	l.await("cluster "+name, func() (string, bool) {
		_, a := l.rds(home, url.Values{"Action": {"DescribeDBClusters"}, "DBClusterIdentifier": {name}})
		if len(a.Clusters) != 1 || a.Clusters[0].Status != "available" {
			return fmt.Sprint(a), false
		}
		one := a.Clusters[0]
		d, reader = &sourceDB{engine: "mariadb", host: one.Endpoint, port: one.Port, id: one.ID, ca: l.trustBundle()}, one.Reader
		return "", true
	})
	return d, reader
}

// An Aurora cluster as the AWS command line makes it: users, the switch of IAM
// authentication and the resource id of policies are the cluster's, and a pipe
// comes in by any of its endpoints.
func TestPipeReadsAuroraCluster(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	s := awsShell(t, l, rootKeys[home])
	c := s.awsCommands()
	s.mask = regexp.MustCompile(`(?:db|cluster)-[A-Z0-9]{26}|20\d\d-\d\d-\d\dT[0-9:+Z]+`)
	cli := func(line string) { c.aws("rds " + line) }
	refusal := func(want, params string) {
		t.Helper()
		form, err := url.ParseQuery(params)
		l.must(nil, err)
		if _, a := l.rds(home, form); !strings.Contains(a.Code+": "+a.Message, want) {
			t.Errorf("%s is answered %s: %s, want %s", params, a.Code, a.Message, want)
		}
	}
	const member = "Action=CreateDBInstance&DBInstanceIdentifier=shop-1&DBInstanceClass=db.r6g.large&Engine=aurora-mysql"
	refusal("InvalidParameterCombination: An instance of aurora-mysql is a member of a cluster", member)
	refusal("DBClusterNotFoundFault: DBCluster shop not found.", member+"&DBClusterIdentifier=shop")
	cli("create-db-cluster --db-cluster-identifier shop --engine aurora-mysql --master-username admin --master-user-password " + masterPassword + " --database-name shop --query DBCluster.[Status,Engine,DbClusterResourceId,IAMDatabaseAuthenticationEnabled,DBClusterMembers]")
	refusal("DBClusterAlreadyExistsFault: DB Cluster already exists", "Action=CreateDBCluster&DBClusterIdentifier=shop&Engine=aurora-mysql&MasterUsername=admin&MasterUserPassword="+masterPassword)
	d, reader := l.awaitCluster("shop")
	if out, err := d.send("admin", masterPassword, "SELECT 1"); err == nil {
		t.Errorf("a cluster without an instance answers %s", out)
	}
	refusal("The engine name requested for your DB instance (mariadb) is incompatible with the engine name of your DB cluster (aurora-mysql).",
		strings.Replace(member, "aurora-mysql", "mariadb", 1)+"&DBClusterIdentifier=shop")
	refusal("Set master user password for the DB Cluster.", member+"&DBClusterIdentifier=shop&MasterUserPassword=x1234567")
	refusal("Set IAM database authentication for the DB Cluster.", member+"&DBClusterIdentifier=shop&EnableIAMDatabaseAuthentication=true")
	cli("create-db-instance --db-instance-identifier shop-1 --db-instance-class db.r6g.large --engine aurora-mysql --db-cluster-identifier shop --query DBInstance.[DBClusterIdentifier,DbiResourceId,MasterUsername]")
	refusal("no Aurora Replicas: shop has its instance, shop-1.", strings.Replace(member, "shop-1", "shop-2", 1)+"&DBClusterIdentifier=shop")
	refusal("Set IAM database authentication for the DB Cluster.", "Action=ModifyDBInstance&DBInstanceIdentifier=shop-1&ApplyImmediately=true&EnableIAMDatabaseAuthentication=true")
	refusal("InvalidDBClusterStateFault: Cluster cannot be deleted, it still contains DB instances in non-deleting state.", "Action=DeleteDBCluster&DBClusterIdentifier=shop&SkipFinalSnapshot=true")
	cli("modify-db-cluster --db-cluster-identifier shop --enable-iam-database-authentication --apply-immediately --query DBCluster.IAMDatabaseAuthenticationEnabled")
	cli("describe-db-clusters --db-cluster-identifier shop --query DBClusters[].[Status,Endpoint,ReaderEndpoint,DBClusterMembers[0].DBInstanceIdentifier,DBClusterMembers[0].IsClusterWriter]")
	cli("describe-db-instances --query DBInstances[].[DBInstanceStatus,DBClusterIdentifier,Endpoint.Address,IAMDatabaseAuthenticationEnabled]")
	d.master(t, printedMySQLUser+"GRANT SELECT ON shop.* TO 'clickpipes_iam_user'; GRANT REPLICATION CLIENT, REPLICATION SLAVE ON *.* TO 'clickpipes_iam_user';"+
		"CREATE TABLE shop.orders (id INT PRIMARY KEY, v INT); INSERT INTO shop.orders VALUES (1, 10), (2, 20);")
	l.pipeRole(d.id)
	db := l.db()
	l.exec(db, "CREATE DATABASE lake")
	pipe := func(host string) string {
		at := *d
		at.host = host
		return "CREATE PIPE p FROM MARIADB " + at.properties() + " TABLES (orders AS lake.orders) SETTINGS (sync_interval = 1)"
	}
	_, instances := l.rds(home, url.Values{"Action": {"DescribeDBInstances"}, "DBInstanceIdentifier": {"shop-1"}})
	one := instances.List[0]
	for _, host := range []string{d.host, reader, one.Address} {
		l.exec(db, pipe(host))
		l.awaitPipe("p", "RUNNING")
		d.master(t, "UPDATE shop.orders SET v = v + 1")
		l.awaitValue(db, "SELECT SUM(v) FROM lake.orders", strings.TrimSpace(d.master(t, "SELECT SUM(v) FROM shop.orders")))
		l.exec(db, "DROP PIPE p", "DROP TABLE lake.orders")
	}
	refused := func(why string) {
		t.Helper()
		l.exec(db, "REFRESH CREDENTIALS")
		if _, err := db.Exec(pipe(d.host)); err == nil || !strings.Contains(err.Error(), "IAM authentication refused: the database") {
			t.Errorf("%s: the pipe is answered %v", why, err)
		}
	}
	client := iam.NewFromConfig(l.as(rootKeys[home]))
	l.rolePolicy(home, "pipes", "allowed", document(allow("rds-db:connect", "arn:aws:rds-db:"+region+":"+home+":dbuser:"+one.ID+"/clickpipes_iam_user")))
	refused("the instance's id for the cluster's")
	l.must(client.DeleteRolePolicy(context.Background(), &iam.DeleteRolePolicyInput{RoleName: aws.String("pipes"), PolicyName: aws.String("allowed")}))
	l.rolePolicy(home, "pipes", "allowed", document(allow("rds-db:connect", "arn:aws:rds-db:"+region+":"+home+":dbuser:cluster-*/clickpipes_iam_user")))
	l.exec(db, "REFRESH CREDENTIALS", pipe(d.host), "DROP PIPE p", "DROP TABLE lake.orders")
	if status, a := l.rds(home, url.Values{"Action": {"ModifyDBCluster"}, "DBClusterIdentifier": {"shop"}, "EnableIAMDatabaseAuthentication": {"false"}, "ApplyImmediately": {"true"}}); status != http.StatusOK {
		t.Fatal(fmt.Sprint(a))
	}
	refused("the cluster's switch is off")
	cli("delete-db-instance --db-instance-identifier shop-1 --query DBInstance.DBInstanceStatus")
	cli("delete-db-cluster --db-cluster-identifier shop --skip-final-snapshot --query DBCluster.Status")
	refusal("DBClusterNotFoundFault: DBCluster shop not found.", "Action=DescribeDBClusters&DBClusterIdentifier=shop")
	golden(t, "aws-rds-cluster.txt", s.out.String())
}
