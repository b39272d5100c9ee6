// Package parts starts the real servers that `make parts` fetches, for tests
// and the demo: a Hive Metastore, a Java process on a Derby database of its own
// or a PostgreSQL, with its warehouse on an S3 that the caller names.
package parts

import (
	"bufio"
	"context"
	"encoding/xml"
	"errors"
	"fmt"
	"net"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"syscall"
)

// MetastoreOptions says which metastore is started and where it keeps its
// warehouse and its records.
type MetastoreOptions struct {
	Version              string // empty: 3.1.3. Others need Records
	Endpoint             string // of S3: "http://127.0.0.1:4566"
	Region               string
	AccessKey, SecretKey string // empty: none, and no location on S3 can be made
	Warehouse            string // "s3a://bucket/dir"; the bucket must exist. Empty: one in the server's directory
	// Records is a PostgreSQL database that has the tables of MetastoreSchema,
	// "postgresql://user:password@host:port/db?parameters"; the parameters are
	// those of its JDBC driver. Empty: a Derby database of its own.
	Records string
}

// Metastore is a running one.
type Metastore struct {
	URI   string // thrift://127.0.0.1:port
	cmd   *exec.Cmd
	log   output
	ended chan struct{}
}

// Log is what the server has warned of so far.
func (s *Metastore) Log() string { return s.log.String() }

// Close ends the server.
func (s *Metastore) Close() {
	_ = s.cmd.Process.Kill()
	<-s.ended
}

const metastoreVersion = "3.1.3"

// MetastoreInstalled gives where the Hive Metastore is that `make parts`
// fetched, and the Java that runs it. Where one is missing, the error is the
// command that fetches it.
func MetastoreInstalled() (home, java string, err error) {
	return installed(metastoreVersion, "make parts")
}

// installed does so for any version, which a command fetches.
func installed(version, fetch string) (home, java string, err error) {
	home, err = above(".cache/parts/hms-" + version)
	if err != nil {
		return "", "", fmt.Errorf("there is no Hive Metastore %s: run `%s`, and lakeport in or below the clone of the repository (%w)", version, fetch, err)
	}
	java, err = exec.LookPath("java")
	if err != nil {
		return "", "", fmt.Errorf("there is no java: run apt-get install default-jre-headless (%w)", err)
	}
	return home, java, nil
}

// MetastoreSchema gives the statements that make the records' tables of a
// version that `make interop` fetched, for PostgreSQL.
func MetastoreSchema(version string) (string, error) {
	home, _, err := installed(version, "make interop")
	if err != nil {
		return "", err
	}
	text, err := os.ReadFile(filepath.Join(home, "schema.sql"))
	return string(text), err
}

// StartMetastore starts a Hive Metastore with its files in dir and returns when
// it accepts connections. It fails if ctx ends before.
func StartMetastore(ctx context.Context, dir string, o MetastoreOptions) (*Metastore, error) {
	home, java, err := MetastoreInstalled()
	if o.Version != "" {
		home, java, err = installed(o.Version, "make interop")
	}
	if err != nil {
		return nil, err
	}
	if o.Warehouse == "" {
		o.Warehouse = "file://" + filepath.Join(dir, "warehouse")
	}
	// The metastore asks for its machine's own name, which a container may not
	// be able to resolve.
	name, err := os.Hostname()
	if err != nil {
		return nil, err
	}
	hosts := filepath.Join(dir, "hosts")
	var records *url.URL
	if o.Records == "" {
		err = os.CopyFS(filepath.Join(dir, "db"), os.DirFS(filepath.Join(home, "metastore_db")))
	} else {
		records, err = url.Parse(o.Records)
	}
	if err != nil {
		return nil, fmt.Errorf("the metastore's records: %w", err)
	}
	err = errors.Join(
		os.WriteFile(hosts, []byte("127.0.0.1 localhost "+name+"\n"), 0o600),
		os.WriteFile(filepath.Join(dir, "metastore-site.xml"), site(o, filepath.Join(dir, "db"), records), 0o600),
		os.WriteFile(filepath.Join(dir, "log4j2.properties"), []byte(logging), 0o600))
	if err != nil {
		return nil, err
	}
	for try := 1; ; try++ {
		port, err := freePort()
		if err != nil {
			return nil, err
		}
		s := &Metastore{URI: "thrift://127.0.0.1:" + port, ended: make(chan struct{})}
		// What a short life needs: no second compiler, the plainest collector.
		s.cmd = exec.Command(java, "-Xmx256m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-Djdk.net.hosts.file="+hosts, "-cp", dir+":"+filepath.Join(home, "lib", "*"),
			"org.apache.hadoop.hive.metastore.HiveMetaStore", "-p", port)
		s.cmd.Dir = dir
		ready, err := s.start(ctx)
		if err != nil {
			return nil, err
		}
		if ready {
			return s, nil
		}
		if try == 3 { // two may have lost their port to another process
			return nil, fmt.Errorf("the Hive Metastore ended before it was ready:\n%s", s.Log())
		}
	}
}

// start starts the process and waits for the line that says that it listens;
// false: it ended before.
func (s *Metastore) start(ctx context.Context) (ready bool, err error) {
	out, err := s.cmd.StdoutPipe()
	if err != nil {
		return false, err
	}
	s.cmd.Stderr = s.cmd.Stdout
	// The kernel ends the server with the thread that started it, should this
	// process die without cleaning up.
	s.cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	started, listens := make(chan error), make(chan bool, 2)
	go func() {
		defer close(s.ended)
		runtime.LockOSThread()
		err := s.cmd.Start()
		if started <- err; err != nil {
			return
		}
		for r := bufio.NewReader(out); err == nil; {
			var line string
			line, err = r.ReadString('\n')
			if !strings.Contains(line, " INFO ") {
				s.log.add(line)
			}
			if strings.Contains(line, "Started the new metaserver on port") {
				listens <- true
			}
		}
		_ = s.cmd.Wait()
		listens <- false
	}()
	if err := <-started; err != nil {
		return false, err
	}
	defer context.AfterFunc(ctx, func() { _ = s.cmd.Process.Kill() })()
	ready = <-listens
	return ready, ctx.Err()
}

type output struct {
	mu   sync.Mutex
	text strings.Builder
}

func (o *output) add(line string) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.text.WriteString(line)
}

func (o *output) String() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.text.String()
}

// logging tells warnings, and when the server listens; version 4 says it by
// another logger.
const logging = `rootLogger.level = error
rootLogger.appenderRef.out.ref = out
logger.start.name = org.apache.hadoop.hive.metastore.HiveMetaStore
logger.start.level = info
logger.start4.name = org.apache.hadoop.hive.metastore.HMSHandler
logger.start4.level = info
logger.audit.name = org.apache.hadoop.hive.metastore.HiveMetaStore.audit
logger.audit.level = error
appender.out.type = Console
appender.out.name = out
appender.out.layout.type = PatternLayout
appender.out.layout.pattern = %d{ABSOLUTE} %p %c{1}: %.-400m%n%throwable{5}
`

// site is metastore-site.xml. Without Hive's own jars, the server can neither
// evaluate serialized expressions nor compact. Its records are in db, or in
// records where that is not nil.
func site(o MetastoreOptions, db string, records *url.URL) []byte {
	props := map[string]string{
		"metastore.warehouse.dir":               o.Warehouse,
		"javax.jdo.option.ConnectionURL":        "jdbc:derby:" + db,
		"javax.jdo.option.ConnectionDriverName": "org.apache.derby.jdbc.EmbeddedDriver",
		"metastore.expression.proxy":            "org.apache.hadoop.hive.metastore.DefaultPartitionExpressionProxy",
		"metastore.task.threads.always":         "org.apache.hadoop.hive.metastore.events.EventCleanerTask",
		// The name with "metastore." in front has no effect.
		"hive.metastore.event.db.notification.api.auth": "false",
		"metastore.server.min.threads":                  "4",
		"metastore.metadata.transformer.class":          " ",     // version 4 would make managed tables external
		"hive.stats.autogather":                         "false", // would list the files of each new partition
		"fs.s3a.endpoint":                               o.Endpoint,
		"fs.s3a.endpoint.region":                        o.Region,
		"fs.s3a.path.style.access":                      "true",
		"fs.s3a.access.key":                             o.AccessKey,
		"fs.s3a.secret.key":                             o.SecretKey,
		// The directories are few and need no markers cleared away.
		"fs.s3a.directory.marker.retention": "keep",
		"fs.s3a.attempts.maximum":           "2",
		"fs.s3a.retry.limit":                "2",
	}
	if records != nil {
		password, _ := records.User.Password()
		props["javax.jdo.option.ConnectionURL"] = "jdbc:postgresql://" + records.Host + records.Path + "?" + records.RawQuery
		props["javax.jdo.option.ConnectionDriverName"] = "org.postgresql.Driver"
		props["javax.jdo.option.ConnectionUserName"], props["javax.jdo.option.ConnectionPassword"] = records.User.Username(), password
	}
	for _, scheme := range []string{"s3", "s3n"} {
		props["fs."+scheme+".impl"] = "org.apache.hadoop.fs.s3a.S3AFileSystem"
	}
	var b strings.Builder
	b.WriteString("<configuration>\n")
	for name, value := range props {
		b.WriteString("<property><name>" + name + "</name><value>")
		_ = xml.EscapeText(&b, []byte(value))
		b.WriteString("</value></property>\n")
	}
	b.WriteString("</configuration>\n")
	return []byte(b.String())
}

// freePort gives a port that nobody listens on just now.
func freePort() (string, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	defer l.Close()
	return fmt.Sprint(l.Addr().(*net.TCPAddr).Port), nil
}

// above finds a path below the working directory or one of those above it.
func above(path string) (string, error) {
	dir, err := os.Getwd()
	if err != nil {
		return "", err
	}
	for {
		found := filepath.Join(dir, path)
		if _, err = os.Stat(found); err == nil {
			return found, nil
		}
		if dir == filepath.Dir(dir) {
			return "", fmt.Errorf("no %s", path)
		}
		dir = filepath.Dir(dir)
	}
}
