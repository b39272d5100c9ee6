package e2e

import (
	"bytes"
	"database/sql"
	"encoding/xml"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// sourceDB is what tests need of a database of RDS.
type sourceDB struct {
	engine, host, port, id string
	ca                     string // a file of the authority's certificate
}

const masterPassword = "master-password-1"

// rds calls the RDS API as the root of an account. The API reference says of
// every call what it answers; these are the elements that the tests read.
func (l *lab) rds(account string, params url.Values) (status int, answer rdsAnswer) {
	l.t.Helper()
	params.Set("Version", "2014-10-31")
	status, text := l.form(account, "rds", params)
	if err := xml.Unmarshal(text, &answer); err != nil {
		l.t.Fatalf("HTTP %d: %s: %v", status, text, err)
	}
	return status, answer
}

type rdsAnswer struct {
	Code    string `xml:"Error>Code"`
	Message string `xml:"Error>Message"`
	List    []struct {
		ID      string `xml:"DbiResourceId"`
		Status  string `xml:"DBInstanceStatus"`
		Address string `xml:"Endpoint>Address"`
		Port    string `xml:"Endpoint>Port"`
	} `xml:"DescribeDBInstancesResult>DBInstances>DBInstance"`
	Clusters []struct {
		ID       string `xml:"DbClusterResourceId"`
		Status   string
		Endpoint string
		Reader   string `xml:"ReaderEndpoint"`
		Port     string
	} `xml:"DescribeDBClustersResult>DBClusters>DBCluster"`
}

// ask calls the RDS API, which must agree.
func (l *lab) ask(account, action string, pairs ...string) rdsAnswer {
	l.t.Helper()
	params := url.Values{"Action": {action}}
	for i := 0; i < len(pairs); i += 2 {
		params.Set(pairs[i], pairs[i+1])
	}
	status, a := l.rds(account, params)
	if status != http.StatusOK {
		l.t.Fatalf("%s: %s: %s", action, a.Code, a.Message)
	}
	return a
}

// parameters makes a parameter group whose parameters are 1.
func (l *lab) parameters(account, group string, names ...string) {
	l.t.Helper()
	l.ask(account, "CreateDBParameterGroup", "DBParameterGroupName", group, "DBParameterGroupFamily", "postgres15", "Description", "of a test")
	for _, name := range names {
		l.ask(account, "ModifyDBParameterGroup", "DBParameterGroupName", group, "Parameters.Parameter.1.ParameterName", name,
			"Parameters.Parameter.1.ParameterValue", "1", "Parameters.Parameter.1.ApplyMethod", "pending-reboot")
	}
}

// makeDatabase makes an instance, with those parameters on, and waits until it
// is there.
func (l *lab) makeDatabase(account, engine, name string, iam bool, parameters ...string) *sourceDB {
	l.t.Helper()
	params := url.Values{"Action": {"CreateDBInstance"}, "DBInstanceIdentifier": {name}, "DBInstanceClass": {"db.t4g.micro"}, "Engine": {engine},
		"MasterUsername": {"admin"}, "MasterUserPassword": {masterPassword}, "AllocatedStorage": {"20"}, "DBName": {"shop"},
		"EnableIAMDatabaseAuthentication": {fmt.Sprint(iam)}}
	if len(parameters) > 0 {
		l.parameters(account, name, parameters...)
		params.Set("DBParameterGroupName", name)
	}
	if status, a := l.rds(account, params); status != http.StatusOK {
		l.t.Fatalf("create %s: %s: %s", name, a.Code, a.Message)
	}
	return l.awaitDatabase(account, engine, name)
}

// awaitDatabase waits until an instance is available.
func (l *lab) awaitDatabase(account, engine, name string) *sourceDB {
	l.t.Helper()
	var d *sourceDB
	l.await("database "+name, func() (string, bool) {
		_, a := l.rds(account, url.Values{"Action": {"DescribeDBInstances"}, "DBInstanceIdentifier": {name}})
		if len(a.List) == 1 && a.List[0].Status == "failed" {
			l.t.Fatalf("database %s has failed\n%s", name, l.log)
		}
		if len(a.List) != 1 || a.List[0].Status != "available" {
			return fmt.Sprintf("%+v", a), false
		}
		one := a.List[0]
		d = &sourceDB{engine: engine, host: one.Address, port: one.Port, id: one.ID, ca: l.trustBundle()}
		return "", true
	})
	return d
}

// trustBundle fetches the certificate that the fronts' hang on.
func (l *lab) trustBundle() string {
	l.t.Helper()
	resp, err := http.Get(l.ready["rds"] + "/global/global-bundle.pem")
	if err != nil {
		l.t.Fatal(err)
	}
	defer resp.Body.Close()
	text, _ := io.ReadAll(resp.Body)
	path := filepath.Join(l.dir, "bundle.pem")
	if err := os.WriteFile(path, text, 0o600); err != nil {
		l.t.Fatal(err)
	}
	return path
}

// master sends statements by the stock client as the master user, and gives
// what it prints.
func (d *sourceDB) master(t testing.TB, text string) string {
	t.Helper()
	out, err := d.send("admin", masterPassword, text)
	if err != nil {
		t.Fatalf("%s\n%s\n%v", text, out, err)
	}
	return out
}

// send is one run of the stock client, which trusts the bundle only.
func (d *sourceDB) send(user, password, text string) (string, error) {
	var cmd *exec.Cmd
	if d.engine == "postgres" {
		cmd = exec.Command("psql", "-X", "-q", "-A", "-t", "-v", "ON_ERROR_STOP=1", "-h", d.host, "-p", d.port, "-U", user, "-d", "shop")
		cmd.Env = append(os.Environ(), "PGPASSWORD="+password, "PGSSLMODE=verify-full", "PGSSLROOTCERT="+d.ca)
	} else {
		cmd = exec.Command("mariadb", "--no-defaults", "-h", d.host, "-P", d.port, "-u", user, "--batch", "--skip-column-names", "--default-character-set=utf8mb4",
			"--ssl-verify-server-cert", "--ssl-ca="+d.ca)
		cmd.Env = append(os.Environ(), "MYSQL_PWD="+password)
	}
	cmd.Stdin = strings.NewReader(text)
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	err := cmd.Run()
	return out.String(), err
}

// awaitValue waits until a query gives a value.
func (l *lab) awaitValue(db *sql.DB, query, want string) {
	l.t.Helper()
	l.await(want, func() (string, bool) {
		got, err := value(db, query)
		return fmt.Sprintf("%s gives %s (%v)", query, got, err), err == nil && got == want
	})
}

// awaitPipe waits until a pipe is in a state, and gives its message.
func (l *lab) awaitPipe(name, state string) (message string) {
	l.t.Helper()
	db := l.db()
	l.await(state, func() (string, bool) {
		var source, mode, s, created string
		var tables, loaded, count int64
		var position, m sql.NullString
		if err := db.QueryRow("SHOW PIPES WHERE Name = '"+name+"'").Scan(&source, &source, &mode, &s, &tables, &loaded, &count, &position, &created, &m); err != nil {
			l.t.Fatal(err)
		}
		if message = m.String; s == "FAILED" && s != state {
			l.t.Fatalf("pipe %s has failed: %s\n%s", name, message, l.log)
		}
		return "pipe " + name + " is " + s + ": " + message, s == state
	})
	return message
}

// rdsInstance makes an instance without IAM authentication.
func (w *world) rdsInstance(account, args string) {
	engine, name, _ := strings.Cut(args, " ")
	w.source = w.makeDatabase(account, engine, name, false)
	for k, v := range map[string]string{"rds id": w.source.id, "rds host": w.source.host, "rds port": w.source.port, "rds ca": w.source.ca} {
		w.values[k] = v
	}
}

func (w *world) iamAuthentication(account, name string) {
	if status, a := w.rds(account, url.Values{"Action": {"ModifyDBInstance"}, "DBInstanceIdentifier": {name}, "EnableIAMDatabaseAuthentication": {"true"},
		"ApplyImmediately": {"true"}}); status != http.StatusOK {
		w.t.Fatalf("modify %s: %s: %s", name, a.Code, a.Message)
	}
}
