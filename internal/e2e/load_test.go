package e2e

import (
	"bytes"
	"compress/gzip"
	"database/sql"
	"fmt"
	"strings"
	"syscall"
	"testing"
	"time"
)

// loadLab has a bucket of files to load, read by the instance profile.
func loadLab(t *testing.T) (*lab, *sql.DB) {
	l := newLab(t)
	l.prepare()
	for key, text := range map[string]string{
		"csv/a.csv":                            "1,one,1.5\n2,two,x\n3,\\N,2.5\n",
		"csv/b.csv":                            "4,four,4.5\n",
		"csv/_hidden":                          "9,no,9\n",
		"csv/empty":                            "",
		"odd/a.csv":                            "\ufeff1,one,1.5\r\n\r\n2,\xff,2\n",
		"bad/a.csv":                            "1,one,1.5\nx,two,2.5\n3,three\n4," + strings.Repeat("y", 30) + ",1\n5,five,5.5\n",
		"head/a.csv":                           "id;name\n\" 1 \";\"a;\"\"b\"\"\"\n 2 ; b \n",
		"path/dt=2024-01-01/a":                 "1\tone\n",
		"path/dt=2024%2F01/a":                  "2\ttwo\n",
		"path/dt=__HIVE_DEFAULT_PARTITION__/a": "3\tthree\n",
	} {
		l.put(home, "lake", "load/"+key, []byte(text))
	}
	var zipped bytes.Buffer
	z := gzip.NewWriter(&zipped)
	fmt.Fprint(z, "7,seven,7.5\n")
	z.Close()
	l.put(home, "lake", "load/zip/a.csv.gz", zipped.Bytes())
	l.put(home, "lake", "load/p/a.parquet", l.parquet("SELECT i AS id, 'n' || i AS name, i * 1.5 AS amount FROM range(1, 6) t(i)"))
	l.put(home, "lake", "load/p/b.parquet", l.parquet("SELECT 'extra' AS other, 6::BIGINT AS ID, 'n6' AS name"))
	db := l.db()
	l.exec(db, "CREATE DATABASE d")
	return l, db
}

// awaitLoad gives the state and message of a load that has ended.
func (l *lab) awaitLoad(db *sql.DB, label string) (state, message string) {
	l.t.Helper()
	return l.awaitLoadFor(patience, db, label)
}

func (l *lab) awaitLoadFor(patience time.Duration, db *sql.DB, label string) (state, message string) {
	l.t.Helper()
	l.awaitFor(patience, "the end of load "+label, func() (string, bool) {
		err := db.QueryRow("SELECT STATE, coalesce(ERROR_MSG, '') FROM information_schema.loads WHERE LABEL = ? AND STATE IN ('FINISHED', 'CANCELLED') ORDER BY ID DESC", label).Scan(&state, &message)
		if err != nil && err != sql.ErrNoRows {
			l.t.Fatal(err)
		}
		return fmt.Sprint(err), err == nil
	})
	return state, message
}

const byInstance = ` WITH BROKER ("aws.s3.use_instance_profile" = "true", "aws.s3.region" = "` + region + `")`

// StarRocks' documentation, BROKER LOAD.
func TestLoadsOfEveryKind(t *testing.T) {
	t.Parallel()
	l, db := loadLab(t)
	for i, c := range []struct {
		name, columns, data, properties string
		rows                            string // of the table, or what the error says
		counts                          string // scanned, filtered, unselected, loaded
	}{
		{"CSV by position", "id INT, name VARCHAR(20), amount DOUBLE", `("s3://lake/load/csv/*") INTO TABLE t COLUMNS TERMINATED BY ","`, "",
			"1 one 1.5|2 two NULL|3 NULL 2.5|4 four 4.5", "4 0 0 4"},
		{"CSV in strict mode", "id INT, name VARCHAR(20), amount DOUBLE", `("s3://lake/load/csv/*") INTO TABLE t COLUMNS TERMINATED BY ","`,
			`"strict_mode" = "true", "max_filter_ratio" = "0.5"`, "1 one 1.5|3 NULL 2.5|4 four 4.5", "4 1 0 3"},
		{"too many bad rows", "id INT NOT NULL, name VARCHAR(20), amount DOUBLE", `("s3://lake/load/bad/*") INTO TABLE t COLUMNS TERMINATED BY ","`, `"max_filter_ratio" = "0.5"`,
			"type:ETL_QUALITY_UNSATISFIED; msg:quality not good enough to cancel", "5 3 0 2"},
		{"few enough bad rows", "id INT NOT NULL, name VARCHAR(20), amount DOUBLE", `("s3://lake/load/bad/*") INTO TABLE t COLUMNS TERMINATED BY ","`, `"max_filter_ratio" = "0.6"`,
			"1 one 1.5|5 five 5.5", "5 3 0 2"},
		{"headers, enclosed, trimmed", "id INT, name VARCHAR(20)", `("s3a://lake/load/head/*") INTO TABLE t COLUMNS TERMINATED BY ";" FORMAT AS "csv" (SKIP_HEADER = 1 TRIM_SPACE = TRUE ENCLOSE = '"')`, "",
			`1 a;"b"|2 b`, "2 0 0 2"},
		{"of a Windows machine", "id INT NOT NULL, name VARCHAR(20), amount DOUBLE", `("s3://lake/load/odd/*") INTO TABLE t COLUMNS TERMINATED BY "\\x2C"`, `"max_filter_ratio" = "0.5"`,
			"1 one 1.5", "2 1 0 1"},
		{"compressed", "id INT, name VARCHAR(20), amount DOUBLE", `("s3://lake/load/zip/*") INTO TABLE t COLUMNS TERMINATED BY ","`, "", "7 seven 7.5", "1 0 0 1"},
		{"a column list, SET and WHERE", "id INT, upper_name VARCHAR(20), twice DOUBLE DEFAULT '0'", `("s3://lake/load/csv/*") INTO TABLE t COLUMNS TERMINATED BY "," (id, n, a) SET (upper_name = upper(n), twice = a * 2) WHERE id <> 2`, "",
			"1 ONE 3|3 NULL 5|4 FOUR 9", "4 0 1 3"},
		{"columns from the path", "id INT, name VARCHAR(20), dt VARCHAR(20)", `("s3://lake/load/path/*/*") INTO TABLE t (id, name) COLUMNS FROM PATH AS (dt)`, "",
			"1 one 2024-01-01|2 two 2024/01|3 three NULL", "3 0 0 3"},
		{"Parquet by name", "id BIGINT, name VARCHAR(20), amount DECIMAL(10, 2)", `("s3://lake/load/p/*.parquet") INTO TABLE t`, "",
			"1 n1 1.50|2 n2 3.00|3 n3 4.50|4 n4 6.00|5 n5 7.50|6 n6 NULL", "6 0 0 6"},
		{"Parquet over a primary key", "id BIGINT, name VARCHAR(20)) PRIMARY KEY (id) DISTRIBUTED BY HASH (id", `("s3://lake/load/p/a.parquet") INTO TABLE t FORMAT AS "parquet" (id, name) SET (name = concat(name, '!')) WHERE id % 2 = 1`, "",
			"1 n1!|3 n3!|5 n5!", "5 0 2 3"},
		{"two descriptions", "id INT, name VARCHAR(20), amount DOUBLE", `("s3://lake/load/zip/*") INTO TABLE t COLUMNS TERMINATED BY ",", DATA INFILE("s3://lake/load/csv/b.csv") INTO TABLE t COLUMNS TERMINATED BY ","`, "",
			"4 four 4.5|7 seven 7.5", "2 0 0 2"},
		{"no files", "id INT", `("s3://lake/load/nothing/*") INTO TABLE t`, "", "No files were found matching the pattern(s) or path(s): 's3://lake/load/nothing/*'", "0 0 0 0"},
		{"a bucket that is not allowed", "id INT", `("s3://lakeb/*") INTO TABLE t`, "", "Denied: s3:ListBucket on arn:aws:s3:::lakeb as role starrocks-ec2: ", "0 0 0 0"},
		{"a column that no file has", "id INT", `("s3://lake/load/p/*.parquet") INTO TABLE t (id, missing)`, "", "column missing is in none of the files", "0 0 0 0"},
		{"a table that lists partitions", "dt DATE, id INT) PARTITION BY RANGE(dt) (PARTITION p1 VALUES [('2024-01-01'), ('2024-01-02'))", `("s3://lake/load/path/*/*") INTO TABLE t (id, name) COLUMNS FROM PATH AS (dt)`,
			`"max_filter_ratio" = "0.9"`, "2024-01-01 1", "3 2 0 1"},
	} {
		t.Run(c.name, func(t *testing.T) {
			label := fmt.Sprintf("l%d", i)
			l.exec(db, "DROP TABLE IF EXISTS d.t", "CREATE TABLE d.t ("+c.columns+")")
			st := "LOAD LABEL d." + label + " (DATA INFILE" + c.data + ")" + byInstance
			if c.properties != "" {
				st += " PROPERTIES (" + c.properties + ")"
			}
			l.exec(db, st)
			state, message := l.awaitLoad(db, label)
			if state == "FINISHED" {
				message = table(t, db, "SELECT * FROM d.t ORDER BY ALL")
			}
			if message != c.rows && (state == "FINISHED" || !strings.Contains(message, c.rows)) {
				t.Errorf("%s: %s\nwant %s", state, message, c.rows)
			}
			counts, err := value(db, "SELECT concat_ws(' ', SCAN_ROWS, FILTERED_ROWS, UNSELECTED_ROWS, SINK_ROWS) FROM information_schema.loads WHERE LABEL = '"+label+"'")
			if err != nil || counts != c.counts {
				t.Errorf("scanned, filtered, unselected, loaded: %s, %v; want %s", counts, err, c.counts)
			}
			if _, err := db.Exec(st); (state == "FINISHED") != (err != nil && strings.Contains(err.Error(), "Label ["+label+"] has already been used.")) {
				t.Errorf("the label again after %s: %v", state, err)
			}
			l.awaitLoad(db, label)
		})
	}
	if got, err := value(db, "SELECT tracking_log FROM information_schema.load_tracking_logs WHERE LABEL = 'l3'"); err != nil || !strings.Contains(got, "Value count does not match column count. Expect 3, but got 2. File: s3://lake/load/bad/a.csv, line: 3. Row: 3,three") ||
		!strings.Contains(got, "a value is longer than the 20 bytes of column 'name': yyy") || !strings.Contains(got, "column id cannot be converted to int(11): x") {
		t.Errorf("tracking log: %s, %v", got, err)
	}
}

// What a load reads of its files, S3 sends once.
func TestLoadsFetchEachByteOnce(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	l.prepare()
	db := l.db()
	l.exec(db, "CREATE DATABASE d")
	for format, file := range map[string][]byte{
		"parquet": l.parquet("SELECT i AS id, md5(i::VARCHAR) AS txt FROM range(60000) t(i)", "ROW_GROUP_SIZE 10000"),
		"csv":     textRows(20000),
		"orc":     orcFile(t, "stripes.orc"),
	} {
		for i := range 3 {
			l.put(home, "lake", fmt.Sprintf("once/%s/%d", format, i), file)
		}
		columns, separator := "id BIGINT, txt VARCHAR(60)", ""
		if format == "csv" {
			separator = `COLUMNS TERMINATED BY ","`
			columns = "id BIGINT, a BIGINT, b DOUBLE, c VARCHAR(32), d VARCHAR(32)"
		}
		_, seq := l.decisions(0, "")
		l.exec(db, "CREATE TABLE d."+format+" ("+columns+")",
			`LOAD LABEL d.once_`+format+` (DATA INFILE("s3://lake/once/`+format+`/*") INTO TABLE `+format+` `+separator+` FORMAT AS "`+format+`")`+byInstance)
		if state, message := l.awaitLoad(db, "once_"+format); state != "FINISHED" {
			t.Errorf("%s: %s: %s", format, state, message)
		}
		entries, _ := l.decisions(seq, "")
		var sent, calls int64
		for _, e := range entries {
			if e.Action == "s3:GetObject" && e.Method == "GET" {
				sent, calls = sent+e.Bytes, calls+1
			}
		}
		all := 3 * int64(len(file))
		most := all + all/20
		if format == "parquet" {
			most = all + all/10 // footers, and a group of a thread that was held up
		}
		if sent == 0 || sent > most {
			t.Errorf("a load of %d bytes of %s is sent %d in %d calls", all, format, sent, calls)
		}
	}
}

// table prints rows as fields with blanks and rows with bars between.
func table(t testing.TB, db *sql.DB, query string) string {
	t.Helper()
	rows, err := db.Query(query)
	if err != nil {
		t.Fatal(err)
	}
	defer rows.Close()
	names, _ := rows.Columns()
	var out []string
	for rows.Next() {
		cells := make([]sql.NullString, len(names))
		into := make([]any, len(names))
		for i := range cells {
			into[i] = &cells[i]
		}
		if err := rows.Scan(into...); err != nil {
			t.Fatal(err)
		}
		var line []string
		for _, c := range cells {
			if !c.Valid {
				c.String = "NULL"
			}
			line = append(line, c.String)
		}
		out = append(out, strings.Join(line, " "))
	}
	return strings.Join(out, "|")
}

// A killed server's loads run again at its next start: their rows are there
// once, or not at all, and the label says which. The steps are those of
// job.Queue and session's runLoad, as far as they show outside.
func TestLoadsSurviveKills(t *testing.T) {
	t.Parallel()
	l, db := loadLab(t)
	l.exec(db, "CREATE TABLE d.t (id INT, name VARCHAR(20), amount DOUBLE)")
	clear := l.fault(map[string]any{"service": "s3", "delay": "30ms"}) // so that a step can be met
	asked := func(action string, times int) func(since int64, label string) bool {
		return func(since int64, _ string) bool {
			log, _ := l.decisions(since, "")
			n := 0
			for _, e := range log {
				if e.Action == action {
					n++
				}
			}
			return n >= times
		}
	}
	state := func(want string) func(int64, string) bool {
		return func(_ int64, label string) bool {
			got, err := value(db, "SELECT STATE FROM information_schema.loads WHERE LABEL = '"+label+"'")
			return err == nil && (got == want || got == "FINISHED")
		}
	}
	steps := []struct {
		name    string
		reached func(since int64, label string) bool
	}{
		{"submitted", func(int64, string) bool { return true }},
		{"loading", state("LOADING")},
		{"lists", asked("s3:ListBucket", 1)},
		{"reads", asked("s3:GetObject", 1)},
		{"has read", asked("s3:GetObject", 2)},
		{"commits", state("PREPARED")},
		{"finished", state("FINISHED")},
	}
	for i, step := range steps {
		_, since := l.decisions(0, "&limit=0")
		label := fmt.Sprintf("k%d", i)
		l.exec(db, fmt.Sprintf("LOAD LABEL d.%s (DATA INFILE('s3://lake/load/csv/*') INTO TABLE t COLUMNS TERMINATED BY ',')", label)+byInstance)
		l.await("the load "+step.name, func() (string, bool) { return "not yet", step.reached(since, label) })
		l.stop(syscall.SIGKILL)
		l.start()
		db = l.db()
		clear()
		clear = l.fault(map[string]any{"service": "s3", "delay": "30ms"})
	}
	for i, step := range steps {
		if got, message := l.awaitLoad(db, fmt.Sprintf("k%d", i)); got != "FINISHED" {
			t.Errorf("killed when it %s: %s: %s", step.name, got, message)
		}
	}
	if got, err := value(db, "SELECT concat(count(*), ' ', sum(id)) FROM d.t"); err != nil || got != fmt.Sprintf("%d %d", 4*len(steps), 10*len(steps)) {
		t.Errorf("the table holds %s rows, %v; want %d of %d loads", got, err, 4*len(steps), len(steps))
	}
}

func TestLoadsAreCancelled(t *testing.T) {
	t.Parallel()
	l, db := loadLab(t)
	l.exec(db, "CREATE TABLE d.t (id INT, name VARCHAR(20), amount DOUBLE)")
	l.fault(map[string]any{"service": "s3", "delay": "60s"})
	l.exec(db, "LOAD LABEL d.slow (DATA INFILE('s3://lake/load/csv/*') INTO TABLE t)"+byInstance)
	if _, err := db.Exec("USE d"); err != nil {
		t.Fatal(err)
	}
	l.exec(db, "CANCEL LOAD FROM d WHERE LABEL = 'slow'")
	if state, message := l.awaitLoad(db, "slow"); state != "CANCELLED" || message != "type:USER_CANCEL; msg:user cancel" {
		t.Errorf("%s: %s", state, message)
	}
	if got, err := value(db, "SELECT count(*) FROM d.t"); err != nil || got != "0" {
		t.Errorf("%s rows, %v", got, err)
	}
	if _, err := db.Exec("CANCEL LOAD FROM d WHERE LABEL = 'slow'"); err == nil || !strings.Contains(err.Error(), "Load job does not exist") {
		t.Errorf("cancelled twice: %v", err)
	}
}
