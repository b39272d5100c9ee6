package rds

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"time"
)

// engine is a real database server and the front that speaks its protocol.
type engine interface {
	// run makes the server's files where there are none, starts it and calls up
	// once it answers. It returns when the server has ended: nil after ctx.
	run(ctx context.Context, password string, up func()) error
	// serve is one client's connection, from the greeting on.
	serve(ctx context.Context, client net.Conn, d *door) error
}

// engines are the servers behind RDS's names of engines. PostgreSQL stands in
// for the Aurora that is compatible with it, and MariaDB for the one that is
// compatible with MySQL, of which there is no server to be had: what a MySQL
// client does otherwise with MariaDB it does otherwise here.
var engines = map[string]struct {
	version string // told where the caller names none
	kinds   string
	make    func(d *database, dir string) engine
}{
	"mariadb":           {"10.11.8", instance, func(d *database, dir string) engine { return &mariadb{db: d, dir: dir} }},
	"postgres":          {"15.8", instance, func(d *database, dir string) engine { return &postgres{db: d, dir: dir} }},
	"aurora-mysql":      {"10.11.8", cluster, func(d *database, dir string) engine { return &mariadb{db: d, dir: dir} }},
	"aurora-postgresql": {"15.8", cluster, func(d *database, dir string) engine { return &postgres{db: d, dir: dir} }},
}

func newEngine(d *database, dir string) engine { return engines[d.Engine].make(d, dir) }

// Installed fails, with the command that installs it, where a server that
// stands behind instances is missing.
func Installed() error {
	_, mariadb := find("mariadbd", "mariadb-server", mariadbDir)
	_, postgres := find("postgres", "postgresql", postgresDirs)
	return errors.Join(mariadb, postgres)
}

// Where Debian keeps the servers.
const (
	mariadbDir   = "/usr/sbin"
	postgresDirs = "/usr/lib/postgresql/*/bin"
)

// find gives the path of a server's program, which Debian keeps out of PATH.
func find(program, install string, dirs ...string) (string, error) {
	if path, err := exec.LookPath(program); err == nil {
		return path, nil
	}
	for _, pattern := range dirs {
		if found, _ := filepath.Glob(filepath.Join(pattern, program)); len(found) > 0 {
			return found[len(found)-1], nil
		}
	}
	return "", fmt.Errorf("%s is not installed: apt-get install %s", program, install)
}

// daemon runs a server until ctx ends: it is asked to stop by signal, then
// killed. It dies with this process, however that ends. ready is what it
// writes when it answers, and prepare comes before it is up.
func daemon(ctx context.Context, cmd *exec.Cmd, log, ready string, signal syscall.Signal, prepare func() error, up func()) error {
	out, err := os.OpenFile(log, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	defer out.Close()
	errors_, err := cmd.StderrPipe()
	if err != nil {
		return err
	}
	if cmd.SysProcAttr == nil {
		cmd.SysProcAttr = &syscall.SysProcAttr{}
	}
	// The kernel sends the signal when the thread ends that started the server,
	// so that this one must live as long. Setpgid keeps a terminal's Ctrl-C off.
	cmd.SysProcAttr.Pdeathsig, cmd.SysProcAttr.Setpgid = syscall.SIGKILL, true
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	if err := cmd.Start(); err != nil {
		return fmt.Errorf("start %s: %w", filepath.Base(cmd.Path), err)
	}
	told := make(chan struct{})
	var last string
	failed := make(chan error, 1) // of prepare; the server then ends
	go func() {
		defer close(told)
		lines := bufio.NewScanner(io.TeeReader(errors_, out))
		lines.Buffer(nil, 1<<20)
		for once := false; lines.Scan(); {
			if last = lines.Text(); !once && strings.Contains(last, ready) {
				once = true
				go func() {
					if err := prepare(); err != nil {
						failed <- err
						_ = cmd.Process.Kill()
						return
					}
					up()
				}()
			}
		}
		_, _ = io.Copy(out, errors_) // what no line ends
	}()
	stop := context.AfterFunc(ctx, func() {
		_ = cmd.Process.Signal(signal)
		time.AfterFunc(killAfter, func() { _ = cmd.Process.Kill() })
	})
	defer stop()
	<-told
	err = cmd.Wait()
	if ctx.Err() != nil {
		return nil
	}
	select {
	case err := <-failed:
		return err
	default:
	}
	return errors.Join(fmt.Errorf("%s ended: %s (see %s)", filepath.Base(cmd.Path), last, log), err)
}

// killAfter is how long a server may take to stop.
const killAfter = 10 * time.Second

// dial connects to a socket in dir. Sockets' paths must be short, data
// directories' are not: the open directory stands for its path.
func dial(dir, name string) (net.Conn, error) {
	d, err := os.Open(dir)
	if err != nil {
		return nil, err
	}
	defer d.Close()
	return net.Dial("unix", fmt.Sprintf("/proc/self/fd/%d/%s", d.Fd(), name))
}

// splice copies both ways until one side ends; towards the server through
// forward.
func splice(client, server net.Conn, forward func() error) error {
	ended := make(chan error, 1)
	go func() {
		_, err := io.Copy(client, server)
		_ = client.Close()
		ended <- err
	}()
	err := forward()
	_ = server.Close()
	<-ended
	if errors.Is(err, io.EOF) || errors.Is(err, net.ErrClosed) {
		return nil
	}
	return err
}
