// Package hmstest runs a real Hive Metastore for tests: a Java process on a
// Derby database of its own, with its warehouse on an S3 that the test names.
package hmstest

import (
	"bufio"
	"context"
	"encoding/xml"
	"errors"
	"fmt"
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

// Server is a running metastore.
type Server struct {
	URI   string // thrift://127.0.0.1:port
	cmd   *exec.Cmd
	log   output
	ended chan struct{}
}

// Log is what the server has warned of so far.
func (s *Server) Log() string { return s.log.String() }

// Close ends the server.
func (s *Server) Close() {
	_ = s.cmd.Process.Kill()
	<-s.ended
}

// Start runs Hive Metastore 3.1.3 as long as the test and returns when it
// accepts connections.
func Start(t testing.TB, o Options) *Server {
	t.Helper()
	s, err := Run(t.TempDir(), o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		s.Close()
		if t.Failed() {
			t.Logf("the Hive Metastore's log:\n%s", s.Log())
		}
	})
	return s
}

const parts = ".cache/parts/hms-3.1.3"

// Run starts Hive Metastore 3.1.3 with its files in dir and returns when it
// accepts connections. Where the server is missing, the error is the command
// that fetches it.
func Run(dir string, o Options) (*Server, error) {
	root, err := root()
	if err != nil {
		return nil, err
	}
	home := filepath.Join(root, parts)
	if _, err := os.Stat(home); err != nil {
		return nil, fmt.Errorf("there is no Hive Metastore: run ./test.sh parts (%w)", err)
	}
	java, err := exec.LookPath("java")
	if err != nil {
		return nil, fmt.Errorf("there is no java: run apt-get install default-jre-headless (%w)", err)
	}
	if o.Warehouse == "" {
		o.Warehouse = "file://" + filepath.Join(dir, "warehouse")
	}
	err = errors.Join(
		os.CopyFS(filepath.Join(dir, "db"), os.DirFS(filepath.Join(home, "metastore_db"))),
		os.WriteFile(filepath.Join(dir, "metastore-site.xml"), site(o, filepath.Join(dir, "db")), 0o600),
		os.WriteFile(filepath.Join(dir, "log4j2.properties"), []byte(logging), 0o600))
	if err != nil {
		return nil, err
	}
	for try := 1; ; try++ {
		port, err := freePort()
		if err != nil {
			return nil, err
		}
		s := &Server{URI: "thrift://127.0.0.1:" + port, ended: make(chan struct{})}
		// What a short life needs: no second compiler, the plainest collector.
		s.cmd = exec.Command(java, "-Xmx256m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-cp", dir+":"+filepath.Join(home, "lib", "*"),
			"org.apache.hadoop.hive.metastore.HiveMetaStore", "-p", port)
		s.cmd.Dir = dir
		ready, err := s.start()
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

// CreateTable makes a table and its partitions: their values by location.
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

// start starts the process and waits for the line that says that it listens;
// false: it ended before.
func (s *Server) start() (ready bool, err error) {
	out, err := s.cmd.StdoutPipe()
	if err != nil {
		return false, err
	}
	s.cmd.Stderr = s.cmd.Stdout
	// The kernel ends the server with the thread that started it, should the
	// test die without cleaning up.
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
	return <-listens, nil
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

// freePort gives a port that nobody listens on just now.
func freePort() (string, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	defer l.Close()
	return fmt.Sprint(l.Addr().(*net.TCPAddr).Port), nil
}

// root is the repository's.
func root() (string, error) {
	dir, err := os.Getwd()
	if err != nil {
		return "", err
	}
	for ; dir != filepath.Dir(dir); dir = filepath.Dir(dir) {
		if _, err := os.Stat(filepath.Join(dir, "go.mod")); err == nil {
			return dir, nil
		}
	}
	return "", errors.New("there is no go.mod above the test")
}
