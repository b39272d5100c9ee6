package mysql

import (
	"bufio"
	"database/sql"
	"database/sql/driver"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"
)

// benchRows is the result that the bar for rows is measured with.
const benchRows = 1_000_000

// BenchmarkRows reads a million rows of five columns with Go's driver: from
// this server, and the same rows from MariaDB's memory. The two take turns, so
// that both meet the same machine; x/mariadb is the ratio of the medians of
// wall time. The CPU metrics are seconds for a million rows: of this process,
// which is client and server, of the client alone, and of MariaDB's server.
func BenchmarkRows(b *testing.B) {
	s := serve(b, newBackend(), Options{})
	maria, pid := startMariaDB(b)
	for _, mode := range []struct {
		name, params string
		ours, theirs string
		args         []any
	}{
		{"text", "", "rows 1000000", "select * from b.t", nil},
		{"prepared", "", "rows ?", "select * from b.t limit ?", []any{benchRows}},
		{"tls", "tls=skip-verify", "rows 1000000", "", nil},
	} {
		b.Run(mode.name, func(b *testing.B) {
			db := open(b, s, "root", mode.params)
			var ours, theirs, cpu, clientCPU, mariaCPU []time.Duration
			for b.Loop() {
				used := cpuTime(b, os.Getpid())
				ours = append(ours, timed(func() { readAll(b, db, mode.ours, mode.args...) }))
				cpu = append(cpu, cpuTime(b, os.Getpid())-used)
				if mode.theirs == "" {
					continue
				}
				used, usedThere := cpuTime(b, os.Getpid()), cpuTime(b, pid)
				theirs = append(theirs, timed(func() { readAll(b, maria, mode.theirs, mode.args...) }))
				clientCPU = append(clientCPU, cpuTime(b, os.Getpid())-used)
				mariaCPU = append(mariaCPU, cpuTime(b, pid)-usedThere)
			}
			b.ReportMetric(benchRows/median(ours).Seconds(), "rows/s")
			b.ReportMetric(median(cpu).Seconds(), "cpu-s")
			if theirs != nil {
				b.ReportMetric(benchRows/median(theirs).Seconds(), "mariadb-rows/s")
				b.ReportMetric(float64(median(theirs))/float64(median(ours)), "x/mariadb")
				b.ReportMetric(median(clientCPU).Seconds(), "client-cpu-s")
				b.ReportMetric(median(mariaCPU).Seconds(), "mariadb-cpu-s")
			}
		})
	}
}

func timed(f func()) time.Duration {
	began := time.Now()
	f()
	return time.Since(began)
}

// cpuTime is the CPU time that a process has used: fields 14 and 15 of
// proc(5)'s stat, in hundredths of a second.
func cpuTime(b *testing.B, pid int) time.Duration {
	b.Helper()
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		b.Fatal(err)
	}
	_, rest, _ := strings.Cut(string(text), ") ") // behind the program's name
	f := strings.Fields(rest)
	user, _ := strconv.Atoi(f[11])
	system, _ := strconv.Atoi(f[12])
	return time.Duration(user+system) * 10 * time.Millisecond
}

func median(d []time.Duration) time.Duration {
	d = slices.Sorted(slices.Values(d))
	return d[len(d)/2]
}

// startMariaDB starts Debian's MariaDB in a directory of its own, with the
// bench's rows in a table of engine MEMORY.
func startMariaDB(b *testing.B) (db *sql.DB, pid int) {
	b.Helper()
	const install = "apt-get install -y mariadb-server"
	needProgram(b, "mariadbd", install)
	needProgram(b, "mariadb-install-db", install)
	dir, err := os.MkdirTemp("", "maria") // b.TempDir is too long for a socket's path
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { os.RemoveAll(dir) })
	common := []string{"--no-defaults", "--datadir=" + dir + "/data"}
	if os.Getuid() == 0 {
		common = append(common, "--user=root")
	}
	run(b, nil, "mariadb-install-db", append(common, "--auth-root-authentication-method=normal", "--skip-test-db")...)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		b.Fatal(err)
	}
	port := l.Addr().(*net.TCPAddr).Port
	l.Close()
	cmd := exec.Command("mariadbd", append(common, "--bind-address=127.0.0.1", "--port="+strconv.Itoa(port),
		"--socket="+dir+"/s", "--max-heap-table-size=2G", "--skip-name-resolve")...)
	log, err := cmd.StderrPipe()
	if err != nil {
		b.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { cmd.Process.Kill(); cmd.Wait() })
	for lines := bufio.NewScanner(log); !strings.Contains(lines.Text(), "ready for connections"); {
		if !lines.Scan() {
			b.Fatal("mariadbd ended before it was ready")
		}
	}
	go io.Copy(io.Discard, log)
	db, err = sql.Open("mysql", fmt.Sprintf("root@tcp(127.0.0.1:%d)/", port))
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { db.Close() })
	for _, text := range []string{
		"create database b",
		"create table b.t (id bigint, name varchar(16), price double, note varchar(40), qty bigint) engine=memory charset=utf8mb4",
		"insert into b.t select n * 7919, concat('item ', lpad(n, 6, '0')), n * 0.25e0 + 0.01e0, " +
			"concat('a note on item number ', n), n % 50 from (select seq % 2048 as n from b.seq_0_to_999999) s",
	} {
		if _, err := db.Exec(text); err != nil {
			b.Fatal(err)
		}
	}
	return db, cmd.Process.Pid
}

// readAll reads a result through the driver alone: what database/sql does to
// each value costs more than either server.
func readAll(b testing.TB, db *sql.DB, query string, args ...any) {
	b.Helper()
	c, err := db.Conn(b.Context())
	if err != nil {
		b.Fatal(err)
	}
	defer c.Close()
	named := make([]driver.NamedValue, len(args))
	for i, a := range args {
		named[i] = driver.NamedValue{Ordinal: i + 1, Value: int64(a.(int))}
	}
	n := 0
	err = c.Raw(func(c any) error {
		ask := func() (driver.Rows, error) { return c.(driver.QueryerContext).QueryContext(b.Context(), query, nil) }
		if len(args) > 0 {
			st, err := c.(driver.ConnPrepareContext).PrepareContext(b.Context(), query)
			if err != nil {
				return err
			}
			defer st.Close()
			ask = func() (driver.Rows, error) { return st.(driver.StmtQueryContext).QueryContext(b.Context(), named) }
		}
		rows, err := ask()
		if err != nil {
			return err
		}
		defer rows.Close()
		row := make([]driver.Value, 5)
		for err = rows.Next(row); err == nil; err = rows.Next(row) {
			n++
		}
		if err == io.EOF {
			err = nil
		}
		return err
	})
	if err != nil || n != benchRows {
		b.Fatalf("%d rows, %v", n, err)
	}
}

// BenchmarkWriter measures the row writer alone.
func BenchmarkWriter(b *testing.B) {
	pk := &packets{w: io.Discard}
	for name, write := range map[string]func() error{
		"text":   func() error { return pk.textRows(fullChunk) },
		"binary": func() error { return pk.binaryRows(fullChunk, benchColumns, 0, fullChunk.Rows) },
	} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if err := write(); err != nil {
					b.Fatal(err)
				}
			}
			b.ReportMetric(float64(fullChunk.Rows)*float64(b.N)/b.Elapsed().Seconds(), "rows/s")
		})
	}
}
