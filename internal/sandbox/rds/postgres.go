package rds

import (
	"bytes"
	"context"
	"crypto/tls"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"github.com/jackc/pgx/v5"
)

// postgres is a PostgreSQL server that only listens on a socket in its
// directory.
type postgres struct {
	db  *database
	dir string
}

const (
	postgresSocket = ".s.PGSQL.5432"
	postgresReady  = "database system is ready to accept connections"
	postgresAdmin  = "rdsadmin"
)

// access is the server's pg_hba.conf. Only the front reaches the socket: users
// of rds_iam are its own decision, others prove their password to the server.
const access = "local all " + postgresAdmin + " trust\nlocal all +rds_iam trust\nlocal all all scram-sha-256\nlocal replication all scram-sha-256\n"

func (p *postgres) data() string { return filepath.Join(p.dir, "data") }

// unprivileged lets a server run that refuses root: in a user namespace where
// this process' user has another number, so that its files stay the user's.
// Where the kernel makes none, in a chroot or in a container that may not, it
// runs as nobody, whom dir is given to.
func unprivileged(dir string) (*syscall.SysProcAttr, error) {
	if os.Geteuid() != 0 {
		return &syscall.SysProcAttr{}, nil
	}
	const other = 1000
	attr := syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWUSER,
		UidMappings: []syscall.SysProcIDMap{{ContainerID: other, HostID: os.Geteuid(), Size: 1}},
		GidMappings: []syscall.SysProcIDMap{{ContainerID: other, HostID: os.Getegid(), Size: 1}}}
	probe, trial := exec.Command("true"), attr
	probe.SysProcAttr = &trial
	if probe.Run() == nil {
		return &attr, nil
	}
	return &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: nobody, Gid: nobody}, AmbientCaps: []uintptr{capSearch}}, handOver(dir)
}

const (
	nobody    = 65534 // Debian's user of that name, and its group
	capSearch = 2     // CAP_DAC_READ_SEARCH: to pass through the directories above its own
)

// handOver gives a server's directory to nobody.
func handOver(dir string) error {
	return filepath.WalkDir(dir, func(path string, _ fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		return os.Lchown(path, nobody, nobody)
	})
}

// run implements engine.
func (p *postgres) run(ctx context.Context, password string, up func()) error {
	server, err := find("postgres", "postgresql", postgresDirs)
	if err != nil {
		return err
	}
	if err := os.MkdirAll(p.dir, 0o700); err != nil {
		return err
	}
	data, err := filepath.Abs(p.data())
	if err != nil {
		return err
	}
	if password != "" {
		install, err := find("initdb", "postgresql", postgresDirs)
		if err != nil {
			return err
		}
		cmd := exec.CommandContext(ctx, install, "--no-sync", "--auth=trust", "--encoding=UTF8", "--locale=C.UTF-8", "--username="+postgresAdmin, "-D", data)
		if cmd.SysProcAttr, err = unprivileged(p.dir); err != nil {
			return err
		}
		if out, err := cmd.CombinedOutput(); err != nil {
			return fmt.Errorf("make the files of PostgreSQL: %w: %s", err, out)
		}
		if err := os.WriteFile(filepath.Join(p.data(), "pg_hba.conf"), []byte(access), 0o600); err != nil {
			return err
		}
	}
	if err := p.configure(p.db); err != nil {
		return err
	}
	for end := time.Now().Add(leftBehind); ; {
		cmd := exec.Command(server, "-D", data)
		if cmd.SysProcAttr, err = unprivileged(p.dir); err != nil {
			return err
		}
		err = daemon(ctx, cmd, filepath.Join(p.dir, "log"), postgresReady, syscall.SIGINT, func() error { return p.prepare(ctx, password) }, up)
		if err == nil || time.Now().After(end) || !strings.Contains(err.Error(), "another postmaster") && !strings.Contains(err.Error(), "old server processes") {
			return err
		}
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(postgresPause):
		}
	}
}

// Where this process was killed, the server's own processes take a moment to
// see that they are alone, and the next server does not start before.
const (
	leftBehind    = 20 * time.Second
	postgresPause = 200 * time.Millisecond
)

// configure writes the server's postgresql.conf. Its parameters that RDS adds
// can be shown, as there.
func (p *postgres) configure(d *database) error {
	level, word := "replica", func(name string) string {
		if d.Applied[name] == "1" {
			return "on"
		}
		return "off"
	}
	if word(logicalReplication) == "on" {
		level = "logical"
	}
	// What processes share is in files of the server's own: a container's
	// /dev/shm may be closed to nobody, and keeps what a killed server leaves.
	text := "dynamic_shared_memory_type = mmap\nlisten_addresses = ''\nunix_socket_directories = '.'\nsynchronous_commit = off\nshared_buffers = 32MB\nmax_connections = 200\n" +
		"lc_messages = 'C'\nlc_monetary = 'C'\nlc_numeric = 'C'\nlc_time = 'C'\nwal_level = " + level + "\n"
	for name := range static {
		text += name + " = " + word(name) + "\n"
	}
	return os.WriteFile(filepath.Join(p.data(), "postgresql.conf"), []byte(text), 0o600)
}

// reload lets the running server read its parameters again.
func (p *postgres) reload(ctx context.Context, d *database) error {
	if err := p.configure(d); err != nil {
		return err
	}
	c, err := p.admin(ctx)
	if err != nil {
		return err
	}
	defer c.Close(ctx)
	_, err = c.Exec(ctx, "SELECT pg_reload_conf()")
	return err
}

// admin connects as the server's own superuser.
func (p *postgres) admin(ctx context.Context) (*pgx.Conn, error) {
	config, err := pgx.ParseConfig("host=socket user=" + postgresAdmin + " dbname=postgres sslmode=disable")
	if err != nil {
		return nil, err
	}
	config.LookupFunc = func(context.Context, string) ([]string, error) { return []string{"socket"}, nil }
	config.DialFunc = func(context.Context, string, string) (net.Conn, error) { return dial(p.data(), postgresSocket) }
	return pgx.ConnectConfig(ctx, config)
}

// prepare makes the roles of RDS, the master user and the first database of a
// new server ("Master user account privileges", Amazon RDS User Guide).
func (p *postgres) prepare(ctx context.Context, password string) error {
	if password == "" {
		return nil
	}
	c, err := p.admin(ctx)
	if err != nil {
		return fmt.Errorf("prepare PostgreSQL: %w", err)
	}
	defer c.Close(ctx)
	master := pgx.Identifier{p.db.User}.Sanitize()
	statements := []string{"CREATE ROLE rds_iam NOLOGIN", "CREATE ROLE rds_superuser NOLOGIN", "CREATE ROLE rds_replication NOLOGIN", "CREATE ROLE rds_password NOLOGIN",
		"CREATE ROLE " + master + " LOGIN CREATEDB CREATEROLE PASSWORD '" + strings.ReplaceAll(password, "'", "''") + "'",
		"GRANT rds_superuser, rds_replication, pg_monitor, pg_signal_backend TO " + master + " WITH ADMIN OPTION"}
	if p.db.Initial != "" && p.db.Initial != "postgres" {
		statements = append(statements, "CREATE DATABASE "+pgx.Identifier{p.db.Initial}.Sanitize()+" OWNER "+master)
	}
	for _, text := range statements {
		if _, err := c.Exec(ctx, text); err != nil {
			return fmt.Errorf("prepare PostgreSQL: %w", err)
		}
	}
	return nil
}

// byToken tells whether a user logs in by tokens: membership of rds_iam comes
// before any password ("Creating a database account using IAM authentication").
// It gives members of rds_replication, and nobody else, the attribute by which
// the server lets users replicate: RDS has the role in its place ("Performing
// logical replication for Amazon RDS for PostgreSQL").
func (p *postgres) byToken(ctx context.Context, user string) (is bool, err error) {
	c, err := p.admin(ctx)
	if err != nil {
		return false, err
	}
	defer c.Close(ctx)
	var may, does bool
	err = c.QueryRow(ctx, "SELECT pg_has_role(oid, 'rds_iam', 'MEMBER'), pg_has_role(oid, 'rds_replication', 'MEMBER'), rolreplication FROM pg_roles WHERE rolname = $1 AND NOT rolsuper", user).Scan(&is, &may, &does)
	if errors.Is(err, pgx.ErrNoRows) {
		return false, nil
	}
	if err == nil && may != does {
		attribute := map[bool]string{true: " REPLICATION", false: " NOREPLICATION"}[may]
		_, err = c.Exec(ctx, "ALTER ROLE "+pgx.Identifier{user}.Sanitize()+attribute)
	}
	return is, err
}

// Codes in the place of the version of a startup packet (PostgreSQL, "Message
// Formats").
const (
	codeCancel = 80877102
	codeTLS    = 80877103
	codeGSS    = 80877104
)

// readStartup reads a packet without a type, and no byte more.
func readStartup(r io.Reader) (packet []byte, code uint32, err error) {
	head := make([]byte, 8)
	if _, err := io.ReadFull(r, head); err != nil {
		return nil, 0, err
	}
	n := binary.BigEndian.Uint32(head)
	if n < 8 || n > 10_000 {
		return nil, 0, fmt.Errorf("a startup packet of %d bytes", n)
	}
	packet = append(head, make([]byte, n-8)...)
	_, err = io.ReadFull(r, packet[8:])
	return packet, binary.BigEndian.Uint32(head[4:]), err
}

// parameters reads the names and values of a startup packet.
func parameters(packet []byte) map[string]string {
	fields := bytes.Split(packet[8:], []byte{0})
	out := map[string]string{}
	for i := 0; i+1 < len(fields) && len(fields[i]) > 0; i += 2 {
		out[string(fields[i])] = string(fields[i+1])
	}
	return out
}

// serve implements engine.
func (p *postgres) serve(ctx context.Context, conn net.Conn, d *door) error {
	client, secure := conn, false
	packet, code, err := readStartup(client)
	for ; err == nil && (code == codeTLS || code == codeGSS); packet, code, err = readStartup(client) {
		if code == codeGSS || secure {
			if _, err := client.Write([]byte{'N'}); err != nil {
				return err
			}
			continue
		}
		if _, err := client.Write([]byte{'S'}); err != nil {
			return err
		}
		over := tls.Server(conn, d.authority.server)
		if err := over.Handshake(); err != nil {
			return fmt.Errorf("TLS handshake: %w", err)
		}
		client, secure = over, true
	}
	if err != nil {
		return err
	}
	if code != codeCancel {
		if in, err := p.login(ctx, client, secure, parameters(packet), d); err != nil || !in {
			return err
		}
	}
	server, err := dial(p.data(), postgresSocket)
	if err != nil {
		return err
	}
	defer server.Close()
	if _, err := server.Write(packet); err != nil {
		return err
	}
	return splice(client, server, func() error { _, err := io.Copy(server, client); return err })
}

// login decides the users of rds_iam; the server itself decides the others.
func (p *postgres) login(ctx context.Context, client net.Conn, secure bool, params map[string]string, d *door) (in bool, err error) {
	user := params["user"]
	if user == postgresAdmin { // nobody logs in as RDS itself
		return false, fatal(client, "28000", fmt.Sprintf("pg_hba.conf rejects connection for user %q", user))
	}
	byToken, err := p.byToken(ctx, user)
	if err != nil || !byToken {
		return err == nil, err
	}
	from, _, _ := net.SplitHostPort(client.RemoteAddr().String())
	database := params["database"]
	if database == "" {
		database = user
	}
	switch replication := params["replication"]; {
	case !secure:
		return false, fatal(client, "28000", fmt.Sprintf("no pg_hba.conf entry for host %q, user %q, database %q, no encryption", from, user, database))
	case d.db.Applied[tokensReplicate] != "1" && replication != "" && replication != "false" && replication != "off" && replication != "no" && replication != "0":
		// Without rds.iam_auth_for_replication tokens open no replication
		// connection. Assumed: the text.
		return false, fatal(client, "28000", fmt.Sprintf("no pg_hba.conf entry for replication connection from host %q, user %q, SSL encryption", from, user))
	}
	if _, err := client.Write([]byte{'R', 0, 0, 0, 8, 0, 0, 0, 3}); err != nil { // AuthenticationCleartextPassword
		return false, err
	}
	var head [5]byte
	if _, err := io.ReadFull(client, head[:]); err != nil {
		return false, err
	}
	n := binary.BigEndian.Uint32(head[1:])
	if head[0] != 'p' || n < 5 || n > maxLogin {
		return false, errors.New("no password was sent")
	}
	token := make([]byte, n-4)
	if _, err := io.ReadFull(client, token); err != nil {
		return false, err
	}
	if !d.admit(user, strings.TrimRight(string(token), "\x00")) {
		return false, fatal(client, "28000", fmt.Sprintf("PAM authentication failed for user %q", user))
	}
	return true, nil
}

// fatal ends a login (PostgreSQL, "ErrorResponse").
func fatal(client io.Writer, state, message string) error {
	body := "SFATAL\x00VFATAL\x00C" + state + "\x00M" + message + "\x00\x00"
	_, err := client.Write(append(binary.BigEndian.AppendUint32([]byte{'E'}, uint32(len(body)+4)), body...))
	return err
}
