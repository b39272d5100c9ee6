package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"lakeport/internal/awsauth"
	"lakeport/internal/blob"
	"lakeport/internal/dialect"
	"lakeport/internal/engine"
	"lakeport/internal/sandbox"
	"lakeport/internal/sandbox/glue"
	"lakeport/internal/sandbox/iamapi"
	"lakeport/internal/sandbox/kms"
	"lakeport/internal/sandbox/lakeformation"
	"lakeport/internal/sandbox/rds"
	"lakeport/internal/sandbox/redshift"
	"lakeport/internal/sandbox/s3"
	"lakeport/internal/sandbox/s3tables"
	"lakeport/internal/sandbox/sts"
	"lakeport/internal/secret"
	"lakeport/internal/session"
	"lakeport/internal/wire"
	"lakeport/internal/wire/mysql"
	"lakeport/internal/wire/pg"
)

// server is a running lakeport: what start opened, in order, to be closed in
// the opposite one.
type server struct {
	mysql     *mysql.Server
	pg        net.Addr // nil: not served
	addresses []string // name=address pairs of the ready line
	awsURL    string
	trust     string // where the certificates of the sandbox's databases are had
	roles     string // where sessions of attached roles are had; empty: nowhere
	closers   []func(context.Context) error
	clock     func() time.Time // of the sandbox; nil: the real one
}

// ready is the line that says where everything listens.
func (s *server) ready() string { return "lakeport is ready " + strings.Join(s.addresses, " ") }

// shutdown lets running statements finish until ctx ends, cancels the rest and
// closes all. Where a statement does not end even then, what is below it stays
// open: the process may end all the same, since all that is committed is safe
// on disk, as after a kill.
func (s *server) shutdown(ctx context.Context) error {
	var errs []error
	for len(s.closers) > 0 {
		last := len(s.closers) - 1
		err := s.closers[last](ctx)
		s.closers = s.closers[:last]
		switch {
		case errors.Is(err, wire.ErrRunning):
			slog.Warn("a statement could not be stopped: ending without closing the database, whose committed state is safe")
			s.closers = nil
			return errors.Join(errs...)
		case errors.Is(err, context.DeadlineExceeded):
			slog.Warn("statements that ran longer than the time to drain were cancelled")
		default:
			errs = append(errs, err)
		}
	}
	return errors.Join(errs...)
}

func (s *server) onClose(f func() error) {
	s.closers = append(s.closers, func(context.Context) error { return f() })
}

// start opens the data directory and listens. What was opened before a
// failure is closed again.
func start(ctx context.Context, o options) (s *server, err error) {
	s = &server{}
	defer func() {
		if err != nil {
			_ = s.shutdown(context.WithoutCancel(ctx))
		}
	}()
	raiseFileLimit()
	log := slog.New(slog.NewTextHandler(os.Stderr, nil))
	if err := os.MkdirAll(o.data, 0o700); err != nil {
		return s, fmt.Errorf("make the data directory: %w", err)
	}
	release, err := lockDirectory(o.data)
	if err != nil {
		return s, err
	}
	s.onClose(release)
	l, err := net.Listen("tcp", o.mysql)
	if err != nil {
		return s, fmt.Errorf("listen for MySQL: %w", err)
	}
	s.addresses = []string{"mysql=" + l.Addr().String()}
	var pgListener net.Listener
	if o.pg != "" {
		if pgListener, err = net.Listen("tcp", o.pg); err != nil {
			return s, errors.Join(fmt.Errorf("listen for PostgreSQL: %w", err), l.Close())
		}
		s.pg = pgListener.Addr()
		s.addresses = append(s.addresses, "pg="+s.pg.String())
	}
	endpoints := map[string]string{}
	s.roles = o.roles
	if !o.sandbox && strings.HasPrefix(o.roles, "/") {
		return s, errors.Join(fmt.Errorf("--cluster-credentials %s is a path of the sandbox: give a URL, or --sandbox", o.roles), l.Close())
	}
	if o.sandbox {
		if endpoints, err = s.startSandbox(o, log); err != nil {
			return s, errors.Join(err, l.Close())
		}
	}
	if err := s.startSQL(ctx, o, l, pgListener, endpoints, log); err != nil {
		return s, errors.Join(err, l.Close())
	}
	return s, writeHolder(o.data, s.ready())
}

// startSandbox serves AWS and gives the endpoints of its services.
func (s *server) startSandbox(o options, log *slog.Logger) (map[string]string, error) {
	dir := filepath.Join(o.data, "sandbox")
	world, err := o.worldFile()
	if err != nil {
		return nil, err
	}
	so := sandbox.Options{Dir: dir, Data: o.data, Reset: o.resetWorld, Log: log}
	if world != nil {
		defer world.Close()
		so.World = io.Reader(world)
	}
	sb, err := sandbox.Open(so)
	if err != nil {
		return nil, fmt.Errorf("open the sandbox: %w", err)
	}
	s.onClose(sb.Close)
	box, err := secret.Open(o.data)
	if err != nil {
		return nil, fmt.Errorf("open the sandbox's KMS: %w", err)
	}
	keys, err := kms.New(kms.Options{DB: sb.DB(), Box: box, Now: sb.Now, Principals: func() kms.Principals { return sb.World().State() }})
	if err != nil {
		return nil, fmt.Errorf("open the sandbox's KMS: %w", err)
	}
	sb.Add(keys)
	objects, err := s3.New(s3.Options{DB: sb.DB(), Dir: filepath.Join(dir, "objects"), Keys: keys, Principals: func() s3.Principals { return sb.World().State() }})
	if err != nil {
		return nil, fmt.Errorf("open the sandbox's S3: %w", err)
	}
	sb.Add(sts.New(sb.World()))
	sb.Add(iamapi.New(sb.World()))
	sb.Add(objects)
	if err := addCatalogs(sb, objects); err != nil {
		return nil, err
	}
	warehouses, err := redshift.New(redshift.Options{DB: sb.DB(), World: sb.World(), Now: sb.Now, Record: sb.Record})
	if err != nil {
		return nil, fmt.Errorf("open the sandbox's Redshift: %w", err)
	}
	sb.Add(warehouses.Clusters())
	sb.Add(warehouses.Serverless())
	databases, err := rds.Open(rds.Options{Server: sb, Dir: filepath.Join(dir, "rds"), Log: log})
	if err != nil {
		return nil, fmt.Errorf("open the sandbox's RDS: %w", err)
	}
	s.onClose(databases.Close)
	sb.Add(databases)
	if s.awsURL, err = s.serveHTTP("aws", o.aws, sb.Handler()); err != nil {
		return nil, err
	}
	imds, err := s.serveHTTP("imds", "127.0.0.1:0", sb.Metadata())
	if err != nil {
		return nil, err
	}
	roles, err := s.serveHTTP("redshift", "127.0.0.1:0", warehouses.Credentials())
	if err != nil {
		return nil, err
	}
	s.useRoles(o, sb, roles)
	if s.trust, err = s.serveHTTP("rds", "127.0.0.1:0", databases.Trust()); err != nil {
		return nil, err
	}
	s.clock = sb.Now
	return map[string]string{"s3": s.awsURL, "sts": s.awsURL, "iam": s.awsURL, "glue": s.awsURL, "kms": s.awsURL, "s3tables": s.awsURL, "lakeformation": s.awsURL, "rds": s.awsURL, "imds": imds}, nil
}

// addCatalogs gives the sandbox Glue, S3 Tables and Lake Formation, which stand
// on each other and on the objects of S3.
func addCatalogs(sb *sandbox.Server, objects *s3.Service) error {
	tables, err := s3tables.New(s3tables.Options{DB: sb.DB(), Objects: objects, Now: sb.Now})
	if err != nil {
		return fmt.Errorf("open the sandbox's S3 Tables: %w", err)
	}
	lake, err := lakeformation.New(lakeformation.Options{DB: sb.DB(), World: sb.World(), Tables: tables, Now: sb.Now, Record: sb.Record})
	if err != nil {
		return fmt.Errorf("open the sandbox's Lake Formation: %w", err)
	}
	objects.KeepTables(lake)
	catalogs, err := glue.New(glue.Options{DB: sb.DB(), Now: sb.Now, Tables: tables, Lake: lake})
	if err != nil {
		return fmt.Errorf("open the sandbox's Glue: %w", err)
	}
	sb.Add(tables)
	sb.Add(lake)
	sb.Add(catalogs)
	return nil
}

// useRoles settles where sessions of attached roles are had: from the sandbox,
// unless the flag names another place.
func (s *server) useRoles(o options, sb *sandbox.Server, sandboxRoles string) {
	if s.roles = o.roles; s.roles == "" {
		host := sb.World().State().Host
		s.roles = "/" + cmp.Or(os.Getenv("AWS_REGION"), os.Getenv("AWS_DEFAULT_REGION"), host.Region, "us-east-1") + "/" + host.Account + "/cluster/lakeport"
	}
	if strings.HasPrefix(s.roles, "/") {
		s.roles = sandboxRoles + s.roles
	}
}

func (s *server) serveHTTP(name, addr string, h http.Handler) (url string, err error) {
	l, err := net.Listen("tcp", addr)
	if err != nil {
		return "", fmt.Errorf("listen for %s: %w", name, err)
	}
	srv := &http.Server{Handler: h, ReadHeaderTimeout: 10 * time.Second}
	go func() { _ = srv.Serve(l) }()
	s.closers = append(s.closers, func(context.Context) error { return srv.Close() })
	url = "http://" + l.Addr().String()
	s.addresses = append(s.addresses, name+"="+url)
	return url, nil
}

func (s *server) startSQL(ctx context.Context, o options, l, pgListener net.Listener, endpoints map[string]string, log *slog.Logger) error {
	box, err := secret.Open(o.data)
	if err != nil {
		return fmt.Errorf("open the sealing key: %w", err)
	}
	objects, err := blob.Open(blob.Options{Dir: filepath.Join(o.data, "blob")})
	if err != nil {
		return fmt.Errorf("open the object cache: %w", err)
	}
	s.onClose(objects.Close)
	db, err := engine.Open(engine.Options{
		Path: filepath.Join(o.data, engine.Catalog+".duckdb"), Dirs: []string{objects.Mounts()}, Translate: objects.Translate, Setup: dialect.Setup(), Functions: dialect.Functions(), Macros: dialect.Macros(),
		Memory: o.memory,
	})
	if err != nil {
		return err
	}
	s.onClose(func() error { db.Close(); return nil })
	handler, err := session.NewServer(ctx, session.Options{
		DB: db, Box: box, Objects: objects, Log: log, Resolver: awsauth.New(awsauth.Options{Endpoints: endpoints, Roles: s.roles, TokenTime: s.clock}), DoctorProfiles: o.doctor,
	})
	if err != nil {
		return err
	}
	s.onClose(func() error { handler.Close(); return nil })
	certificate, err := mysql.SelfSigned()
	if err != nil {
		return err
	}
	s.mysql = mysql.Serve(context.WithoutCancel(ctx), l, handler, mysql.Options{Log: log, TLS: certificate})
	s.closers = append(s.closers, s.mysql.Shutdown)
	if pgListener != nil {
		served := pg.Serve(context.WithoutCancel(ctx), pgListener, handler, pg.Options{Log: log, TLS: certificate})
		s.closers = append(s.closers, served.Shutdown)
	}
	handler.Start()
	return nil
}

// lockDirectory keeps a second server off the data directory. The kernel lets
// go of the lock when the process ends, however it ends.
func lockDirectory(dir string) (release func() error, err error) {
	f, err := os.OpenFile(filepath.Join(dir, "lock"), os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, fmt.Errorf("lock the data directory: %w", err)
	}
	if err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		holder, _ := io.ReadAll(io.LimitReader(f, 1000))
		_ = f.Close()
		return nil, fmt.Errorf("the data directory %s is in use by %s: stop that server or give this one another --data", dir, strings.TrimSpace(string(holder)))
	}
	return f.Close, writeHolder(dir, "starting")
}

// writeHolder says in the lock file who holds it.
func writeHolder(dir, state string) error {
	return os.WriteFile(filepath.Join(dir, "lock"), fmt.Appendf(nil, "lakeport, process %d (%s)\n", os.Getpid(), state), 0o600)
}

// raiseFileLimit lets answers wait in many sockets at once.
func raiseFileLimit() {
	var l syscall.Rlimit
	if syscall.Getrlimit(syscall.RLIMIT_NOFILE, &l) == nil && l.Cur < l.Max {
		l.Cur = l.Max
		_ = syscall.Setrlimit(syscall.RLIMIT_NOFILE, &l)
	}
}

// probe tells whether addr can be listened on.
func probe(addr string) bool {
	l, err := net.Listen("tcp", addr)
	if err != nil {
		return false
	}
	return l.Close() == nil
}
