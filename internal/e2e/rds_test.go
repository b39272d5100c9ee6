package e2e

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
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
	"time"

	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"
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
	body := params.Encode()
	req, err := http.NewRequest(http.MethodPost, l.ready["aws"]+"/", strings.NewReader(body))
	if err != nil {
		l.t.Fatal(err)
	}
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded; charset=utf-8")
	sum := sha256.Sum256([]byte(body))
	now := time.Now()
	if l.offset != nil {
		now = now.Add(*l.offset)
	}
	if err := v4.NewSigner().SignHTTP(context.Background(), rootKeys[account], req, hex.EncodeToString(sum[:]), "rds", region, now); err != nil {
		l.t.Fatal(err)
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		l.t.Fatal(err)
	}
	defer resp.Body.Close()
	text, _ := io.ReadAll(resp.Body)
	if err := xml.Unmarshal(text, &answer); err != nil {
		l.t.Fatalf("HTTP %d: %s: %v", resp.StatusCode, text, err)
	}
	return resp.StatusCode, answer
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

// makeDatabase makes an instance and waits until it is there.
func (l *lab) makeDatabase(account, engine, name string, iam bool) *sourceDB {
	l.t.Helper()
	if status, a := l.rds(account, url.Values{"Action": {"CreateDBInstance"}, "DBInstanceIdentifier": {name}, "DBInstanceClass": {"db.t4g.micro"}, "Engine": {engine},
		"MasterUsername": {"admin"}, "MasterUserPassword": {masterPassword}, "AllocatedStorage": {"20"}, "DBName": {"shop"},
		"EnableIAMDatabaseAuthentication": {fmt.Sprint(iam)}}); status != http.StatusOK {
		l.t.Fatalf("create %s: %s: %s", name, a.Code, a.Message)
	}
	deadline := time.Now().Add(2 * time.Minute)
	for {
		_, a := l.rds(account, url.Values{"Action": {"DescribeDBInstances"}, "DBInstanceIdentifier": {name}})
		if len(a.List) == 1 && a.List[0].Status == "available" {
			one := a.List[0]
			return &sourceDB{engine: engine, host: one.Address, port: one.Port, id: one.ID, ca: l.trustBundle()}
		}
		if len(a.List) == 1 && a.List[0].Status == "failed" || time.Now().After(deadline) {
			l.t.Fatalf("database %s does not come up: %+v\n%s", name, a, l.log)
		}
		time.Sleep(50 * time.Millisecond) // as a caller of the API polls
	}
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

// awaitPipe waits until a pipe is in a state, and gives its message.
func (l *lab) awaitPipe(name, state string) {
	l.t.Helper()
	db := l.db()
	for deadline := time.Now().Add(2 * time.Minute); ; {
		found, message := "", ""
		err := db.QueryRow("SELECT 1").Err()
		rows, err2 := db.Query("SHOW PIPES")
		if err != nil || err2 != nil {
			l.t.Fatal(err, err2)
		}
		for rows.Next() {
			var n, source, mode, s, created string
			var tables, loaded, count int64
			var position, m *string
			if err := rows.Scan(&n, &source, &mode, &s, &tables, &loaded, &count, &position, &created, &m); err != nil {
				l.t.Fatal(err)
			}
			if n == name {
				if found = s; m != nil {
					message = *m
				}
			}
		}
		rows.Close()
		if found == state {
			return
		}
		if time.Now().After(deadline) || found == "FAILED" || found == "" {
			l.t.Fatalf("pipe %s is %s, not %s: %s\n%s", name, found, state, message, l.log)
		}
		time.Sleep(50 * time.Millisecond) // as a user asks again
	}
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
