// Package hmstest runs a real Hive Metastore for tests: a Java process on a
// Derby database of its own, with its warehouse on an S3 that the test names.
package hmstest

import (
	"bufio"
	"context"
	"encoding/xml"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"

	"github.com/apache/thrift/lib/go/thrift"
	api "github.com/beltran/gohive/hive_metastore"
)

// Options says where the metastore keeps its warehouse.
type Options struct {
	Endpoint             string // of S3: "http://127.0.0.1:4566"
	Region               string
	AccessKey, SecretKey string // empty: none, and no location on S3 can be made
	Warehouse            string // "s3a://bucket/dir"; the bucket must exist. Empty: a directory of the test's
}

// Server is a running metastore, which ends with the test.
type Server struct {
	URI string // thrift://127.0.0.1:port
	log output
}

// Log is what the server has said so far.
func (s *Server) Log() string { return s.log.String() }

const parts = ".cache/parts/hms-3.1.3"

// Start runs Hive Metastore 3.1.3 and returns when it accepts connections. It
// fails the test with the command that fetches the server where it is missing.
func Start(t testing.TB, o Options) *Server {
	t.Helper()
	home := filepath.Join(root(t), parts)
	if _, err := os.Stat(home); err != nil {
		t.Fatalf("there is no Hive Metastore: run ./test.sh parts (%v)", err)
	}
	java, err := exec.LookPath("java")
	if err != nil {
		t.Fatal("there is no java: run apt-get install default-jre-headless")
	}
	dir := t.TempDir()
	if err := os.CopyFS(filepath.Join(dir, "db"), os.DirFS(filepath.Join(home, "metastore_db"))); err != nil {
		t.Fatal(err)
	}
	if o.Warehouse == "" {
		o.Warehouse = "file://" + filepath.Join(dir, "warehouse")
	}
	write(t, filepath.Join(dir, "metastore-site.xml"), site(o, filepath.Join(dir, "db")))
	write(t, filepath.Join(dir, "log4j2.properties"), []byte(logging))
	for try := 1; ; try++ {
		port := freePort(t)
		s := &Server{URI: "thrift://127.0.0.1:" + port}
		// What a short life needs: no second compiler, the plainest collector.
		cmd := exec.Command(java, "-Xmx256m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-cp", dir+":"+filepath.Join(home, "lib", "*"),
			"org.apache.hadoop.hive.metastore.HiveMetaStore", "-p", port)
		cmd.Dir = dir
		if s.run(t, cmd) {
			return s
		}
		if try == 3 {
			t.Fatalf("the Hive Metastore ended before it was ready:\n%s", s.Log())
		}
	}
}

// Client opens a connection of its own, through which a test fills the
// metastore. It is not for concurrent use.
func (s *Server) Client(t testing.TB) *api.ThriftHiveMetastoreClient {
	t.Helper()
	cfg := &thrift.TConfiguration{}
	trans := thrift.NewTBufferedTransport(thrift.NewTSocketConf(strings.TrimPrefix(s.URI, "thrift://"), cfg), 64<<10)
	if err := trans.Open(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { trans.Close() })
	proto := thrift.NewTBinaryProtocolConf(trans, cfg)
	return api.NewThriftHiveMetastoreClient(thrift.NewTStandardClient(proto, proto))
}

// CreateTable makes a table and, unless values is nil, its partitions: the
// location of each stands behind its values.
func CreateTable(t testing.TB, c *api.ThriftHiveMetastoreClient, table *api.Table, locations map[string][]string) {
	t.Helper()
	ctx := context.Background()
	if err := c.CreateTable(ctx, table); err != nil {
		t.Fatalf("create table %s.%s: %v", table.DbName, table.TableName, err)
	}
	var list []*api.Partition
	for location, values := range locations {
		sd := *table.Sd
		sd.Location = location
		list = append(list, &api.Partition{DbName: table.DbName, TableName: table.TableName, Values: values, Sd: &sd})
	}
	for part := range slices.Chunk(list, 500) {
		if _, err := c.AddPartitions(ctx, part); err != nil {
			t.Fatalf("add partitions of %s.%s: %v", table.DbName, table.TableName, err)
		}
	}
}

// run starts the process and waits for the line that says that it listens;
// false: it ended before.
func (s *Server) run(t testing.TB, cmd *exec.Cmd) bool {
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	cmd.Stderr = cmd.Stdout
	// The kernel ends the server with the thread that started it, should the
	// test die without cleaning up.
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	started, ready, ended := make(chan error), make(chan bool, 1), make(chan struct{})
	go func() {
		defer close(ended)
		runtime.LockOSThread()
		err := cmd.Start()
		if started <- err; err != nil {
			return
		}
		r := bufio.NewReader(out)
		for {
			line, err := r.ReadString('\n')
			s.log.add(line)
			if strings.Contains(line, "Started the new metaserver on port") {
				ready <- true
			}
			if err != nil {
				break
			}
		}
		_, _ = io.Copy(io.Discard, out)
		_ = cmd.Wait()
		ready <- false
	}()
	if err := <-started; err != nil {
		t.Fatal(err)
	}
	ok := <-ready
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		<-ended
		if t.Failed() {
			t.Logf("the Hive Metastore's log:\n%s", s.Log())
		}
	})
	return ok
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

// logging tells warnings, and when the server listens.
const logging = `rootLogger.level = error
rootLogger.appenderRef.out.ref = out
logger.start.name = org.apache.hadoop.hive.metastore.HiveMetaStore
logger.start.level = info
logger.audit.name = org.apache.hadoop.hive.metastore.HiveMetaStore.audit
logger.audit.level = error
appender.out.type = Console
appender.out.name = out
appender.out.layout.type = PatternLayout
appender.out.layout.pattern = %d{ABSOLUTE} %p %c{1}: %.-400m%n%throwable{5}
`

// site is metastore-site.xml. Without Hive's own jars, the server can neither
// evaluate serialized expressions nor compact.
func site(o Options, db string) []byte {
	props := map[string]string{
		"metastore.warehouse.dir":               o.Warehouse,
		"javax.jdo.option.ConnectionURL":        "jdbc:derby:" + db,
		"javax.jdo.option.ConnectionDriverName": "org.apache.derby.jdbc.EmbeddedDriver",
		"metastore.expression.proxy":            "org.apache.hadoop.hive.metastore.DefaultPartitionExpressionProxy",
		"metastore.task.threads.always":         "org.apache.hadoop.hive.metastore.events.EventCleanerTask",
		// The name with "metastore." in front has no effect.
		"hive.metastore.event.db.notification.api.auth": "false",
		"metastore.server.min.threads":                  "4",
		"hive.stats.autogather":                         "false", // would list the files of each new partition
		"fs.s3a.endpoint":                               o.Endpoint,
		"fs.s3a.endpoint.region":                        o.Region,
		"fs.s3a.path.style.access":                      "true",
		"fs.s3a.access.key":                             o.AccessKey,
		"fs.s3a.secret.key":                             o.SecretKey,
		// A test's directories are few and need no markers cleared away.
		"fs.s3a.directory.marker.retention": "keep",
		"fs.s3a.attempts.maximum":           "2",
		"fs.s3a.retry.limit":                "2",
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

func write(t testing.TB, path string, text []byte) {
	t.Helper()
	if err := os.WriteFile(path, text, 0o600); err != nil {
		t.Fatal(err)
	}
}

// freePort gives a port that nobody listens on just now.
func freePort(t testing.TB) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return fmt.Sprint(l.Addr().(*net.TCPAddr).Port)
}

// root is the repository's.
func root(t testing.TB) string {
	t.Helper()
	dir, err := os.Getwd()
	if err != nil {
		t.Fatal(err)
	}
	for {
		if _, err := os.Stat(filepath.Join(dir, "go.mod")); err == nil {
			return dir
		}
		if dir == filepath.Dir(dir) {
			t.Fatal("there is no go.mod above the test")
		}
		dir = filepath.Dir(dir)
	}
}
