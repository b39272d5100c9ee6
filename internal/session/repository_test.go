package session

import (
	"fmt"
	"testing"

	"lakeport/internal/job"
	"lakeport/internal/lake"
	"lakeport/internal/syntax"
	"lakeport/internal/transfer"
)

func TestConditionsThatNameASnapshot(t *testing.T) {
	for where, want := range map[string]string{
		"":                                   "map[]",
		"SNAPSHOT = 's'":                     "map[SNAPSHOT:s]",
		`snapshot="s" and TimeStamp = 't'`:   "map[SNAPSHOT:s TIMESTAMP:t]",
		"SNAPSHOT = 's' OR SNAPSHOT = 't'":   "map[]",
		"SNAPSHOT LIKE 's'":                  "map[]",
		"SNAPSHOT = 's' AND TIMESTAMP > '1'": "map[]",
		"SNAPSHOT = 's' AND":                 "map[SNAPSHOT:s]", // which the engine refuses
		"SNAPSHOT = upper('s')":              "map[]",
	} {
		got, err := wanting(syntax.Fragment{Text: where})
		if err != nil || fmt.Sprint(got) != want {
			t.Errorf("%s names %v, %v; want %s", where, got, err, want)
		}
	}
}

// Ranges mean the same whatever partitions stand before them.
func TestRangesOfSnapshotsKeepTheirBounds(t *testing.T) {
	value := func(s string) *string { return &s }
	kept := []partition{{Name: "p1"}, {Name: "p3"}}
	d := &definition{Partition: "RANGE(`a b`)", Columns: []declared{{Name: "a b", Engine: "DATE"}}, Partitions: kept}
	if err := rebound(d, []transfer.SnapshotRange{{Name: "p1", High: value("it's")}, {Name: "p3", Low: value("2024"), High: value("2025")}}); err != nil {
		t.Fatal(err)
	}
	for i, want := range []string{`("a b" IS NULL OR "a b" < CAST('it''s' AS DATE) AND true)`, `"a b" >= CAST('2024' AS DATE) AND "a b" < CAST('2025' AS DATE)`} {
		if got := d.Partitions[i].Where; got != want {
			t.Errorf("%s, want %s", got, want)
		}
	}
	if low := plainBound("CAST(" + lake.QuoteString("it's' AS x") + " AS DATE)"); low == nil || *low != "it's' AS x" {
		t.Errorf("a bound is read as %v", low)
	}
	for _, ranges := range [][]transfer.SnapshotRange{nil, {{Name: "p1"}}, {{Name: "p3"}, {Name: "p1"}}} {
		if err := rebound(d, ranges); err == nil {
			t.Errorf("%v bounds partitions p1 and p3", ranges)
		}
	}
}

func TestStatesAndStatusOfBackups(t *testing.T) {
	at := func(steps ...string) (p job.Progress) {
		for _, s := range steps {
			p.Steps = append(p.Steps, job.Step{Name: s})
		}
		return p
	}
	for _, c := range []struct {
		j             job.Job
		state, status string
	}{
		{job.Job{Kind: backupJob, State: job.Queueing}, "PENDING", "[OK]"},
		{job.Job{Kind: backupJob, State: job.Loading, Progress: at(snapshoting, uploadSnapshot, uploading)}, "UPLOADING", "[OK]"},
		{job.Job{Kind: backupJob, State: job.Prepared, Progress: at(snapshoting, uploadInfo)}, "UPLOAD_INFO", "[OK]"},
		{job.Job{Kind: restoreJob, State: job.Prepared, Progress: at(snapshoting, commit)}, "COMMITTING", "[OK]"},
		{job.Job{Kind: restoreJob, State: job.Finished, Progress: at(snapshoting, commit)}, "FINISHED", "[OK]"},
		{job.Job{State: job.Cancelled, Message: "type:LOAD_RUN_FAIL; msg:a; msg:b"}, "CANCELLED", "[COMMON_ERROR, msg: a; msg:b]"},
		{job.Job{State: job.Cancelled, Message: "type:USER_CANCEL; msg:user cancel"}, "CANCELLED", "[COMMON_ERROR, msg: user cancelled]"},
		{job.Job{State: job.Cancelled, Message: "type:TIMEOUT; msg:timeout"}, "CANCELLED", "[TIMEOUT, msg: the job was cancelled after its timeout]"},
	} {
		if state, status := backupState(c.j), backupStatus(c.j); state != c.state || status != c.status {
			t.Errorf("%+v is %s %s, want %s %s", c.j, state, status, c.state, c.status)
		}
	}
}
