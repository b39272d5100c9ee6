// Package e2e drives the whole binary as its users do: real clients over real
// ports, the AWS SDK and command line against the sandbox.
package e2e

import (
	"bufio"
	"bytes"
	"context"
	"crypto/sha256"
	"database/sql"
	"encoding/hex"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/aws/signer/v4"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/go-sql-driver/mysql"
)

const (
	home    = "081976408565"
	partner = "222222222222"
	region  = "us-west-2"
)

// Of all tests: lakeport, built once, and a directory that ends with them.
var binary, scratch string

func TestMain(m *testing.M) {
	flag.Parse()
	// Most of a test is waiting for other processes.
	if n := flag.Lookup("test.parallel"); n.Value.String() == n.DefValue {
		_ = n.Value.Set(strconv.Itoa(2 * runtime.GOMAXPROCS(0)))
	}
	var err error
	if scratch, err = os.MkdirTemp("", "lakeport-e2e-"); err != nil {
		panic(err)
	}
	binary = filepath.Join(scratch, "lakeport")
	if out, err := exec.Command("go", "build", "-o", binary, "lakeport/cmd/lakeport").CombinedOutput(); err != nil {
		fmt.Fprintf(os.Stderr, "%s\n", out)
		os.Exit(1)
	}
	code := m.Run()
	stopShared()
	os.RemoveAll(scratch)
	os.Exit(code)
}

// root keys of the two accounts; the sandbox takes any well-formed pair.
var rootKeys = map[string]aws.Credentials{
	home:          {AccessKeyID: "AKIAROOTHOMEHOMEHOME", SecretAccessKey: "home-root-secret-home-root-secret-home-r"},
	partner:       {AccessKeyID: "AKIAROOTPARTNERPARTN", SecretAccessKey: "partner-root-secret-partner-root-secret-"},
	elsewhereHome: {AccessKeyID: "AKIAROOTELSEWHEREELS", SecretAccessKey: "elsewhere-root-secret-elsewhere-root-sec"},
}

// profiles are the machine's instance profiles by its account.
var profiles = map[string]string{home: "starrocks-ec2", elsewhereHome: "kettle-host"}

// lab is one running server with its sandbox.
type lab struct {
	t      testing.TB
	dir    string
	cmd    *exec.Cmd
	env    []string
	flags  []string          // of serve, beyond those that all have
	ready  map[string]string // mysql, aws, imds
	log    *bytes.Buffer
	done   chan error
	offset *time.Duration // of the sandbox from the real clock, for signing
}

// lookAtSources tells go test's cache which files the binary is built from: it
// does not see TestMain build it, and would answer for one of other sources.
var lookAtSources = sync.OnceValue(func() error {
	return filepath.WalkDir("../..", func(path string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case d.IsDir() && path != "../.." && strings.HasPrefix(d.Name(), "."):
			return filepath.SkipDir
		case !d.IsDir() && !strings.HasSuffix(path, "_test.go"):
			_, err = os.Stat(path)
		}
		return err
	})
})

// newLab starts a server on an empty directory. env adds to its environment.
func newLab(t testing.TB, env ...string) *lab {
	t.Helper()
	return newLabOn(t, home, env...)
}

// newLabOn starts a server whose machine belongs to the account.
func newLabOn(t testing.TB, host string, env ...string) *lab {
	t.Helper()
	if err := lookAtSources(); err != nil {
		t.Fatal(err)
	}
	l := &lab{t: t, dir: t.TempDir(), env: env}
	world := map[string]any{
		"accounts": map[string]any{},
		"host":     map[string]string{"account": host, "instance_profile": profiles[host]},
	}
	for id, k := range rootKeys {
		world["accounts"].(map[string]any)[id] = map[string]any{"root": map[string]string{"access_key_id": k.AccessKeyID, "secret_access_key": k.SecretAccessKey}}
	}
	text, _ := json.Marshal(world)
	if err := os.WriteFile(filepath.Join(l.dir, "world.json"), text, 0o600); err != nil {
		t.Fatal(err)
	}
	l.start()
	t.Cleanup(func() { l.stop(syscall.SIGKILL) })
	return l
}

// start runs the server and waits for its ready line.
func (l *lab) start() {
	l.t.Helper()
	if err := l.tryStart(); err != nil {
		l.t.Fatalf("start lakeport: %v\n%s", err, l.log)
	}
}

func (l *lab) tryStart() error {
	l.cmd = exec.Command(binary, "serve", "--sandbox", "--data", filepath.Join(l.dir, "data"), "--mysql", "127.0.0.1:0", "--pg", "127.0.0.1:0", "--aws", "127.0.0.1:0",
		"--world", filepath.Join(l.dir, "world.json"))
	l.cmd.Args = append(l.cmd.Args, l.flags...)
	l.cmd.Env = append(clean(os.Environ()), l.env...)
	l.log, l.done = &bytes.Buffer{}, make(chan error, 1)
	l.cmd.Stderr = &lockedWriter{w: l.log}
	out, err := l.cmd.StdoutPipe()
	if err != nil {
		return err
	}
	if err := l.cmd.Start(); err != nil {
		return err
	}
	r := bufio.NewReader(out)
	line, err := r.ReadString('\n')
	go func() {
		_, _ = io.Copy(io.Discard, r)
		l.done <- l.cmd.Wait()
	}()
	if err != nil {
		<-l.done
		return fmt.Errorf("no ready line: %w", err)
	}
	rest, ok := strings.CutPrefix(strings.TrimSpace(line), "lakeport is ready ")
	if !ok {
		return fmt.Errorf("the first line is %q", line)
	}
	l.ready = map[string]string{}
	for pair := range strings.FieldsSeq(rest) {
		k, v, _ := strings.Cut(pair, "=")
		l.ready[k] = v
	}
	return nil
}

// clean drops the machine's own AWS settings.
func clean(env []string) []string {
	var out []string
	for _, e := range env {
		if !strings.HasPrefix(e, "AWS_") {
			out = append(out, e)
		}
	}
	return out
}

type lockedWriter struct {
	mu sync.Mutex
	w  io.Writer
}

func (w *lockedWriter) Write(b []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.w.Write(b)
}

// stop signals the server and waits for its end.
func (l *lab) stop(sig syscall.Signal) error {
	if l.cmd == nil || l.done == nil {
		return nil
	}
	_ = l.cmd.Process.Signal(sig)
	err := <-l.done
	l.done <- err
	return err
}

// as gives an aws.Config that signs with the credentials.
func (l *lab) as(c aws.Credentials) aws.Config {
	return aws.Config{
		Region: region, BaseEndpoint: aws.String(l.ready["aws"]),
		Credentials:                credentials.StaticCredentialsProvider{Value: c},
		RequestChecksumCalculation: aws.RequestChecksumCalculationWhenSupported,
		DisableClockSkewCorrection: true,
	}
}

// db opens the server as root, optionally with a current database.
func (l *lab) db(params ...string) *sql.DB {
	l.t.Helper()
	dsn := "root@tcp(" + l.ready["mysql"] + ")/"
	if len(params) > 0 {
		dsn += strings.Join(params, "?")
	}
	return l.open(dsn)
}

// open opens the server by a DSN of the Go driver.
func (l *lab) open(dsn string) *sql.DB {
	l.t.Helper()
	db, err := sql.Open("mysql", dsn)
	if err != nil {
		l.t.Fatal(err)
	}
	l.t.Cleanup(func() { db.Close() })
	return db
}

// exec runs statements that must succeed.
func (l *lab) exec(db *sql.DB, statements ...string) {
	l.t.Helper()
	for _, s := range statements {
		if _, err := db.Exec(s); err != nil {
			l.t.Fatalf("%s\n%v", s, err)
		}
	}
}

// value runs a query whose first column of the first row is the answer.
func value(db *sql.DB, query string) (string, error) {
	var v sql.NullString
	err := db.QueryRow(query).Scan(&v)
	return v.String, message(err)
}

// message shortens a driver's error to the server's text.
func message(err error) error {
	if e, ok := err.(*mysql.MySQLError); ok {
		return fmt.Errorf("%s", e.Message)
	}
	return err
}

// form calls a service of AWS in its form-encoded protocol.
func (l *lab) form(account, service string, params url.Values) (status int, answer []byte) {
	l.t.Helper()
	return l.call(account, service, http.MethodPost, "/", "application/x-www-form-urlencoded; charset=utf-8", []byte(params.Encode()))
}

// call sends a request to AWS, signed by the root of an account.
func (l *lab) call(account, service, method, path, contentType string, body []byte) (status int, answer []byte) {
	l.t.Helper()
	req, err := http.NewRequest(method, l.ready["aws"]+path, bytes.NewReader(body))
	l.must(req, err)
	if contentType != "" {
		req.Header.Set("Content-Type", contentType)
	}
	sum := sha256.Sum256(body)
	now := time.Now()
	if l.offset != nil {
		now = now.Add(*l.offset)
	}
	l.must(nil, v4.NewSigner().SignHTTP(context.Background(), rootKeys[account], req, hex.EncodeToString(sum[:]), service, region, now))
	resp, err := http.DefaultClient.Do(req)
	l.must(resp, err)
	defer resp.Body.Close()
	answer, err = io.ReadAll(resp.Body)
	l.must(answer, err)
	return resp.StatusCode, answer
}

// instrument calls one of the sandbox's instruments.
func (l *lab) instrument(method, path string, body any, out any) {
	l.t.Helper()
	var payload []byte
	if body != nil {
		payload, _ = json.Marshal(body)
	}
	status, text := l.call(home, "lakeport", method, "/_lakeport/"+path, "", payload)
	if status != http.StatusOK {
		l.t.Fatalf("%s %s: HTTP %d: %s", method, path, status, text)
	}
	if out != nil {
		if err := json.Unmarshal(text, out); err != nil {
			l.t.Fatal(err)
		}
	}
}

// entry is what the tests read of the decision log.
type entry struct {
	Action, Principal, Resource, Region, Decision, Reason, Range, Method, Path string
	Decisions                                                                  []judgment // all, if there is more than one
	Status                                                                     int
	Bytes, Micros                                                              int64
	Time                                                                       time.Time
}

// judgment is one decision of a call.
type judgment struct{ Action, Resource string }

func usec(n int64) time.Duration { return time.Duration(n) * time.Microsecond }

// decisions gives the log after seq, and its newest number.
func (l *lab) decisions(seq int64, filter string) ([]entry, int64) {
	l.t.Helper()
	var out struct {
		Last      int64
		Decisions []entry
	}
	l.instrument("GET", fmt.Sprintf("decisions?since=%d%s", seq, filter), nil, &out)
	return out.Decisions, out.Last
}

// patience is how long a test waits for what should take moments.
const patience = 2 * time.Minute

// await asks again, as a user would, until done says so or patience is over;
// done gives what it has found.
func (l *lab) await(what string, done func() (found string, is bool)) {
	l.t.Helper()
	l.awaitFor(patience, what, done)
}

// awaitFor waits longer, and then asks more seldom.
func (l *lab) awaitFor(patience time.Duration, what string, done func() (found string, is bool)) {
	l.t.Helper()
	tick := time.NewTicker(patience / 6000)
	defer tick.Stop()
	end := time.After(patience)
	for {
		found, is := done()
		if is {
			return
		}
		select {
		case <-tick.C:
		case <-end:
			l.t.Fatalf("%s is not reached: %s\n%s", what, found, l.log)
		}
	}
}
