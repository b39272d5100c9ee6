package demo

import (
	"context"
	"crypto/x509"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"time"
)

const (
	pipeRole       = "rds_access"
	pipeUser       = "clickpipes_iam_user"
	masterUser     = "admin"
	masterPassword = "master-password-1"
)

// source is a database of RDS.
type source struct {
	engine, name    string // as RDS spells them
	id, addr        string // once it is available
	master          client
	setup           []string // the database's own: tables and grants
	create, changes string   // CREATE PIPE: the engine's word, the mode
}

// pipes is the walk of ClickPipes' page "AWS IAM DB Authentication": a real
// PostgreSQL and a real MariaDB behind RDS, a role that may log in to them, and
// pipes that do so by a token.
func (s *story) pipes(ctx context.Context) error {
	c, err := newMySQL(login{addr: s.MySQL, user: "root"})
	if err != nil {
		return err
	}
	s.connect(c)
	sources := []*source{
		{engine: "postgres", name: "shop-pg", create: "POSTGRES", changes: "INITIAL_LOAD", setup: []string{
			"CREATE TABLE orders (id int PRIMARY KEY, amount numeric(10,2), note text)",
			"INSERT INTO orders SELECT i, i * 1.5, 'order ' || i FROM generate_series(1, 10000) i",
			"GRANT SELECT ON orders TO " + pipeUser}},
		{engine: "mariadb", name: "shop-maria", create: "MARIADB", changes: "INITIAL_LOAD_AND_CDC", setup: []string{
			"CREATE TABLE orders (id INT PRIMARY KEY, amount DECIMAL(10,2), note VARCHAR(20)) DEFAULT CHARSET utf8mb4",
			"INSERT INTO orders SELECT seq, seq * 1.5, CONCAT('order ', seq) FROM seq_1_to_10000",
			"GRANT SELECT ON shop.* TO '" + pipeUser + "'",
			"GRANT REPLICATION CLIENT, REPLICATION SLAVE ON *.* TO '" + pipeUser + "'"}},
	}
	if err := s.databases(ctx, sources); err != nil {
		return err
	}
	if err := s.databaseUsers(ctx, sources); err != nil {
		return err
	}
	if err := s.pipeRole(ctx, sources); err != nil {
		return err
	}
	s.chapter("Pipes: a token for each connection, signed by the role")
	if err := s.tell(ctx, "CREATE DATABASE warehouse"); err != nil {
		return err
	}
	for _, src := range sources {
		if _, err := s.background(ctx, s.createPipe(src, "loaded", src.changes),
			"SELECT n AS orders, total FROM (SELECT count(*) AS n, sum(amount) AS total FROM warehouse."+src.engine+") loaded WHERE n = 10000"); err != nil {
			return err
		}
	}
	s.chapter("Changes of MariaDB arrive")
	if err := s.follow(ctx, sources[1], "mariadb"); err != nil {
		return err
	}
	if err := s.refusals(ctx, sources); err != nil {
		return err
	}
	return s.byPassword(ctx, sources[0])
}

// databases makes the instances, turns IAM authentication on, and logs in as
// their master users.
func (s *story) databases(ctx context.Context, sources []*source) error {
	s.chapter("Preparations in account " + Account + ", by calls signed with its root key")
	begin := time.Now()
	a := s.account(ctx, Account)
	const group = "logical"
	a.rds(url.Values{"Action": {"CreateDBParameterGroup"}, "DBParameterGroupName": {group}, "DBParameterGroupFamily": {"postgres15"}, "Description": {"changes can be followed"}})
	a.rds(url.Values{"Action": {"ModifyDBParameterGroup"}, "DBParameterGroupName": {group}, "Parameters.Parameter.1.ParameterName": {"rds.logical_replication"},
		"Parameters.Parameter.1.ParameterValue": {"1"}, "Parameters.Parameter.1.ApplyMethod": {"pending-reboot"}})
	for _, src := range sources {
		instance := url.Values{"Action": {"CreateDBInstance"}, "DBInstanceIdentifier": {src.name}, "DBInstanceClass": {"db.t4g.micro"}, "Engine": {src.engine},
			"MasterUsername": {masterUser}, "MasterUserPassword": {masterPassword}, "AllocatedStorage": {"20"}, "DBName": {"shop"}}
		if src.engine == "postgres" {
			instance.Set("DBParameterGroupName", group)
		}
		a.rds(instance)
	}
	for _, src := range sources {
		s.progress("starting %s", src.engine)
		if err := a.available(src); err != nil {
			return err
		}
		a.rds(url.Values{"Action": {"ModifyDBInstance"}, "DBInstanceIdentifier": {src.name}, "EnableIAMDatabaseAuthentication": {"true"}, "ApplyImmediately": {"true"}})
	}
	bundle, err := s.trustBundle(ctx)
	if err = errors.Join(a.err, err); err != nil {
		return err
	}
	pool := x509.NewCertPool()
	pool.AppendCertsFromPEM(bundle)
	for _, src := range sources {
		l := login{addr: src.addr, user: masterUser, password: masterPassword, database: "shop", trust: pool}
		if src.engine == "postgres" {
			src.master, err = newPostgres(ctx, l)
		} else {
			src.master, err = newMySQL(l)
		}
		if err != nil {
			return fmt.Errorf("log in to %s: %w", src.name, err)
		}
		s.closers = append(s.closers, src.master.close)
		s.step("rds: a real %s behind instance %s, resource id %s, with password and IAM authentication", src.engine, src.name, src.id)
	}
	s.note("both up in %s", round(time.Since(begin)))
	return nil
}

// rds calls RDS as its API reference of 2014-10-31 says.
func (a *account) rds(params url.Values) []byte {
	params.Set("Version", "2014-10-31")
	return a.form("rds", params)
}

// available waits until an instance is there.
func (a *account) available(src *source) error {
	for {
		var answer struct {
			List []struct {
				ID      string `xml:"DbiResourceId"`
				Status  string `xml:"DBInstanceStatus"`
				Address string `xml:"Endpoint>Address"`
				Port    string `xml:"Endpoint>Port"`
			} `xml:"DescribeDBInstancesResult>DBInstances>DBInstance"`
		}
		text := a.rds(url.Values{"Action": {"DescribeDBInstances"}, "DBInstanceIdentifier": {src.name}})
		if a.err != nil {
			return a.err
		}
		if err := xml.Unmarshal(text, &answer); err != nil || len(answer.List) != 1 {
			return fmt.Errorf("describe instance %s: %w", src.name, errors.Join(err, fmt.Errorf("%s", text)))
		}
		switch i := answer.List[0]; i.Status {
		case "available":
			src.id, src.addr = i.ID, i.Address+":"+i.Port
			return nil
		case "failed":
			return fmt.Errorf("instance %s does not come up: what its server says stands in the log above", src.name)
		}
		select {
		case <-a.ctx.Done():
			return a.ctx.Err()
		case <-time.After(50 * time.Millisecond): // as a caller of the API polls
		}
	}
}

// trustBundle fetches the certificates that databases of RDS hang on into a
// file of the scratch directory, and gives their text.
func (s *story) trustBundle(ctx context.Context) ([]byte, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, s.Trust+"/global/global-bundle.pem", nil)
	if err != nil {
		return nil, err
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return nil, fmt.Errorf("fetch the certificate bundle: %w", err)
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err == nil {
		err = os.WriteFile(s.bundle(), text, 0o600)
	}
	return text, err
}

func (s *story) bundle() string { return filepath.Join(s.Dir, "global-bundle.pem") }

// databaseUsers sends the page's statements to the databases.
func (s *story) databaseUsers(ctx context.Context, sources []*source) error {
	s.chapter("The databases' users: the page's statements, sent as the master user")
	printed := map[string][]string{"postgres": {"postgres-create-user", "postgres-grant"}, "mariadb": {"mysql-create-user"}}
	for _, src := range sources {
		if err := s.at(src, func() error {
			for _, name := range printed[src.engine] {
				if err := s.tell(ctx, s.filled(name)); err != nil {
					return err
				}
			}
			return s.quiet(ctx, src.setup...)
		}); err != nil {
			return err
		}
	}
	s.step("each database: table orders of 10,000 rows, which %s may read", pipeUser)
	return nil
}

// at tells a part at a source's own prompt.
func (s *story) at(src *source, tell func() error) error {
	here, prompt := s.client, s.prompt
	defer func() { s.client, s.prompt = here, prompt }()
	s.client, s.prompt = src.master, src.engine
	return tell()
}

// pipeRole makes the role of the page, with its trust policy and its policy for
// each instance.
func (s *story) pipeRole(ctx context.Context, sources []*source) error {
	a := s.account(ctx, Account)
	a.host()
	a.role("someone_else", trusts(`"Service": "ec2.amazonaws.com"`))
	a.role(pipeRole, s.trustOfPipes())
	for _, src := range sources {
		a.rolePolicy(pipeRole, src.name, s.connectPolicy(src.id))
	}
	if a.err != nil {
		return a.err
	}
	s.step("iam: role %s with the printed trust policy, and the printed policy for each resource id", pipeRole)
	return nil
}

func (s *story) trustOfPipes() string {
	s.fill = strings.NewReplacer("{ClickHouse_IAM_ARN}", roleARN(Account, instanceRole))
	return s.filled("policy-trust")
}

func (s *story) connectPolicy(resource string) string {
	s.fill = strings.NewReplacer("{RDS_RESOURCE_ID}", resource, "{RDS_REGION}", Region, "{AWS_ACCOUNT}", Account)
	return s.filled("policy-connect")
}

func (s *story) createPipe(src *source, name, mode string) string {
	host, port, _ := strings.Cut(src.addr, ":")
	return fmt.Sprintf(`CREATE PIPE %s_%s FROM %s
PROPERTIES ("host" = "%s", "port" = "%s", "database" = "shop",
    "user" = "%s", "authentication" = "iam",
    "aws.rds.iam_role_arn" = "%s",
    "aws.rds.hop.1.tags" = "pipe=%s", "aws.rds.region" = "%s",
    "aws.rds.resource_id" = "%s",
    "tls_ca" = "%s")
TABLES (orders AS warehouse.%s) MODE %s SETTINGS (sync_interval = 1)`,
		src.engine, name, src.create, host, port, pipeUser, roleARN(Account, pipeRole), name, Region, src.id, s.bundle(), src.engine, mode)
}

// follow changes the source and sees the changes arrive in a table.
func (s *story) follow(ctx context.Context, src *source, table string) error {
	if err := s.at(src, func() error {
		return s.tell(ctx, "INSERT INTO orders VALUES (10001, 99.99, 'one more')", "UPDATE orders SET note = 'changed' WHERE id = 7", "DELETE FROM orders WHERE id = 1")
	}); err != nil {
		return err
	}
	begin := time.Now()
	for _, sign := range []string{"id = 10001", "note = 'changed'", "(SELECT count(*) FROM warehouse." + table + " WHERE id = 1) = 0"} {
		if _, err := s.until(ctx, "SELECT 1 FROM warehouse."+table+" WHERE "+sign+" LIMIT 1"); err != nil {
			return err
		}
	}
	s.step("followed within %s", round(time.Since(begin)))
	return s.tell(ctx, "SELECT id, amount, note FROM warehouse."+table+" WHERE id IN (1, 7, 10001) ORDER BY id", "SHOW PIPES")
}

// byPassword follows PostgreSQL's changes as the page says that it can be done.
func (s *story) byPassword(ctx context.Context, src *source) error {
	s.chapter("By password, PostgreSQL's changes are followed too")
	s.secrets = append(s.secrets, masterPassword)
	host, port, _ := strings.Cut(src.addr, ":")
	if _, err := s.background(ctx, fmt.Sprintf(`CREATE PIPE postgres_followed FROM POSTGRES
PROPERTIES ("host" = "%s", "port" = "%s", "database" = "shop",
    "user" = "%s", "authentication" = "password", "password" = "%s",
    "tls_ca" = "%s")
TABLES (orders AS warehouse.followed) MODE INITIAL_LOAD_AND_CDC
SETTINGS (sync_interval = 1)`, host, port, masterUser, masterPassword, s.bundle()),
		"SELECT n AS orders, total FROM (SELECT count(*) AS n, sum(amount) AS total FROM warehouse.followed) loaded WHERE n = 10000"); err != nil {
		return err
	}
	return s.follow(ctx, src, "followed")
}

// refusals shows who refuses a pipe whose set-up has a fault: AWS's token
// service, the database, or lakeport itself.
func (s *story) refusals(ctx context.Context, sources []*source) error {
	maria := sources[1]
	again := s.createPipe(maria, "again", "INITIAL_LOAD")
	printed := s.trustOfPipes()
	a := s.account(ctx, Account)
	for _, c := range []struct {
		title, done    string
		change, mend   func()
		statement, why string
	}{
		{"STS refuses: the trust policy without sts:TagSession", "iam UpdateAssumeRolePolicy: " + pipeRole + " may be assumed, but not with tags",
			func() { a.trust(pipeRole, withoutTags.Replace(printed)) }, func() { a.trust(pipeRole, printed) }, again, "sts:TagSession"},
		{"STS refuses: the trust policy names another role; no database is asked", "iam UpdateAssumeRolePolicy: " + pipeRole + " trusts the account's role someone_else",
			func() { a.trust(pipeRole, strings.Replace(printed, instanceRole, "someone_else", 1)) }, func() { a.trust(pipeRole, printed) }, again, "Denied: sts:AssumeRole"},
		{"The database refuses: the policy names the instance, not its resource id", "iam PutRolePolicy: rds-db:connect on …:dbuser:" + maria.name + "/" + pipeUser,
			func() { a.rolePolicy(pipeRole, maria.name, s.connectPolicy(maria.name)) }, func() { a.rolePolicy(pipeRole, maria.name, s.connectPolicy(maria.id)) }, again, "IAM authentication refused"},
		{"The database refuses: " + masterUser + " is none of IAM's users", "",
			func() {}, func() {}, strings.Replace(again, pipeUser, masterUser, 1), "IAM authentication refused"},
		{"lakeport refuses: PostgreSQL takes no token for replication", "",
			func() {}, func() {}, s.createPipe(sources[0], "followed", "CDC"), "rds.iam_auth_for_replication"},
	} {
		s.chapter(c.title)
		if c.change(); a.err != nil {
			return a.err
		}
		if c.done != "" {
			s.step("%s", c.done)
		}
		if err := s.quiet(ctx, "REFRESH CREDENTIALS"); err != nil {
			return err
		}
		if err := s.refused(ctx, c.statement, c.why); err != nil {
			return err
		}
		if c.mend(); a.err != nil {
			return a.err
		}
	}
	return nil
}

// withoutTags takes the right to tag sessions out of the page's trust policy.
var withoutTags = strings.NewReplacer(`"sts:AssumeRole",`, `"sts:AssumeRole"`, `"sts:TagSession"`, "")
