package rds

import (
	"context"
	"crypto/sha1"
	"encoding/hex"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"

	"github.com/go-mysql-org/go-mysql/client"
)

// mariadb is a MariaDB server that only listens on a socket in its directory.
type mariadb struct {
	db  *database
	dir string

	mu    sync.Mutex
	admin *client.Conn // as the server's own root, for questions about accounts
}

const (
	mariadbSocket = "mysql.sock"
	mariadbReady  = "ready for connections"
)

func (m *mariadb) data() string { return filepath.Join(m.dir, "data") }

// run implements engine.
func (m *mariadb) run(ctx context.Context, password string, up func()) error {
	server, err := find("mariadbd", "mariadb-server", mariadbDir)
	if err != nil {
		return err
	}
	if err := os.MkdirAll(m.dir, 0o700); err != nil {
		return err
	}
	if password != "" {
		install, err := find("mariadb-install-db", "mariadb-server")
		if err != nil {
			return err
		}
		cmd := exec.CommandContext(ctx, install, "--no-defaults", "--datadir="+m.data(), "--auth-root-authentication-method=normal", "--skip-test-db")
		cmd.Env = m.environment()
		if out, err := cmd.CombinedOutput(); err != nil {
			return fmt.Errorf("make the files of MariaDB: %w: %s", err, out)
		}
	}
	args := []string{"--no-defaults", "--datadir=" + m.data(), "--socket=" + mariadbSocket, "--skip-networking", "--skip-name-resolve", "--pid-file=pid",
		"--innodb-buffer-pool-size=32M", "--innodb-log-file-size=16M", "--innodb-flush-log-at-trx-commit=2", "--performance-schema=off", "--max-connections=200"}
	if os.Geteuid() == 0 {
		args = append(args, "--user=root")
	}
	// What the setup of a source asks of the parameter group.
	args = append(args, "--server-id=1", "--log-bin=binlog", "--binlog-format=ROW", "--binlog-row-image=FULL", "--binlog-row-metadata=FULL")
	cmd := exec.Command(server, args...)
	cmd.Env = m.environment()
	return daemon(ctx, cmd, filepath.Join(m.dir, "log"), mariadbReady, syscall.SIGTERM, func() error { return m.prepare(password) }, up)
}

// environment keeps temporary files of servers that start at once apart.
func (m *mariadb) environment() []string { return append(os.Environ(), "TMPDIR="+m.dir) }

// masterRights are those of the master user ("Master user account privileges",
// Amazon RDS User Guide).
const masterRights = "SELECT, INSERT, UPDATE, DELETE, CREATE, DROP, RELOAD, PROCESS, REFERENCES, INDEX, ALTER, SHOW DATABASES, CREATE TEMPORARY TABLES, " +
	"LOCK TABLES, EXECUTE, REPLICATION SLAVE, REPLICATION CLIENT, CREATE VIEW, SHOW VIEW, CREATE ROUTINE, ALTER ROUTINE, CREATE USER, EVENT, TRIGGER"

// prepare makes the master user and the first database of a new server.
func (m *mariadb) prepare(password string) error {
	if password == "" {
		return nil
	}
	master := quote(m.db.User) + "@'%'"
	statements := []string{
		"DELETE FROM mysql.global_priv WHERE User = ''", // an anonymous account would hide those of other hosts
		"FLUSH PRIVILEGES",
		"CREATE OR REPLACE USER " + master + " IDENTIFIED BY " + quote(password),
		"GRANT " + masterRights + " ON *.* TO " + master + " WITH GRANT OPTION",
	}
	if m.db.Initial != "" {
		statements = append(statements, "CREATE DATABASE IF NOT EXISTS `"+strings.ReplaceAll(m.db.Initial, "`", "``")+"`")
	}
	for _, text := range statements {
		if _, err := m.ask(text); err != nil {
			return fmt.Errorf("prepare MariaDB: %w", err)
		}
	}
	return nil
}

// quote writes a string literal for MariaDB.
func quote(s string) string {
	return "'" + strings.NewReplacer(`\`, `\\`, `'`, `\'`, "\x00", `\0`).Replace(s) + "'"
}

// ask runs a statement as the server's own root, and tells whether it gave rows.
func (m *mariadb) ask(text string) (rows bool, err error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.admin == nil {
		dialer := func(context.Context, string, string) (net.Conn, error) { return dial(m.data(), mariadbSocket) }
		if m.admin, err = client.ConnectWithDialer(context.Background(), "unix", mariadbSocket, "root", "", "", dialer); err != nil {
			m.admin = nil
			return false, err
		}
	}
	result, err := m.admin.Execute(text)
	if err != nil {
		_ = m.admin.Close()
		m.admin = nil
		return false, err
	}
	defer result.Close()
	return result.Resultset != nil && len(result.Values) > 0, nil
}

// marked tells whether a user logs in by tokens: its password is then the one
// that only the front knows.
func (m *mariadb) marked(d *door, user string) (bool, error) {
	return m.ask("SELECT 1 FROM mysql.user WHERE User = " + quote(user) + " AND authentication_string = " + quote(nativeHash(d.password(user))) + " LIMIT 1")
}

// nativeHash is what a server keeps of a password under mysql_native_password
// (MySQL, "Native Pluggable Authentication").
func nativeHash(password string) string {
	first := sha1.Sum([]byte(password))
	second := sha1.Sum(first[:])
	return "*" + strings.ToUpper(hex.EncodeToString(second[:]))
}

// nativeReply answers a challenge: SHA1(password) XOR SHA1(salt, SHA1(SHA1(password))).
func nativeReply(password string, salt []byte) []byte {
	first := sha1.Sum([]byte(password))
	second := sha1.Sum(first[:])
	mix := sha1.Sum(append(append([]byte{}, salt...), second[:]...))
	for i := range mix {
		mix[i] ^= first[i]
	}
	return mix[:]
}
