package session

import (
	"context"
	"encoding/json"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"lakeport/internal/catalog"
	"lakeport/internal/job"
	"lakeport/internal/sqlerr"
	"lakeport/internal/syntax"
	"lakeport/internal/wire"
)

// brokerLoad is the kind of LOAD LABEL's jobs: what SHOW LOAD calls their type.
const brokerLoad = "BROKER"

// loadLabel checks a LOAD LABEL as far as that needs no AWS, and submits it.
func (c *session) loadLabel(ctx context.Context, st *syntax.LoadLabel, text string, w wire.ResultWriter) error {
	db, label, err := c.labelName(st.Label, text)
	if err != nil {
		return err
	}
	if err := c.findDatabase(ctx, catalog.Internal, db); err != nil {
		return err
	}
	o, err := loadOptions(st.Properties, text)
	if err != nil {
		return err
	}
	l, err := c.openLoad(ctx, db, st, o, text)
	if err != nil {
		return err
	}
	j := job.Job{
		DB: db, Label: label, Kind: brokerLoad, User: c.user, Text: text, Priority: o.priority, Timeout: o.timeout,
		Detail: map[string]string{"timeout": strconv.Itoa(int(o.timeout.Seconds())), "max_filter_ratio": ratio(o.maxFilter), "timezone": c.vars.get("time_zone")},
	}
	j.Progress.Tables = l.tables()
	if _, err := c.srv.jobs.Submit(ctx, j); err != nil {
		return err
	}
	for _, told := range l.warnings {
		c.warn("Warning", told, 1064)
	}
	return w.Done(wire.Done{Tag: "LOAD", Warnings: len(c.warnings)})
}

// labelName gives database and label of [db.]label.
func (c *session) labelName(q syntax.QualifiedName, text string) (db, label string, err error) {
	db, label = c.database, q.Last()
	if len(q.Parts) == 2 {
		db = q.Parts[0].Name
	}
	switch {
	case db == "" || len(q.Parts) == 1 && c.catalog != catalog.Internal:
		return "", "", sqlerr.New(sqlerr.NotFound, "No database selected").With(sqlerr.NoDB).WithPos(text, int(q.Start())).
			WithHint("write LOAD LABEL database.label")
	case !labelForm.MatchString(label):
		return "", "", badLabel(q.Parts[len(q.Parts)-1], text)
	}
	return db, label, nil
}

// loadSettings are the PROPERTIES of a load.
type loadSettings struct {
	timeout   time.Duration
	maxFilter float64
	strict    bool
	priority  job.Priority
	timezone  string // "" is the session's
	warnings  []string
}

// What StarRocks documents of PROPERTIES (BROKER LOAD, opt_properties): true is
// honoured, false has no use here.
var loadKeys = map[string]bool{
	"timeout": true, "max_filter_ratio": true, "strict_mode": true, "timezone": true, "priority": true,
	"load_mem_limit": false, "log_rejected_record_num": false, "cluster": false, "version": false, "spark_load_submit_timeout": false, "warehouse": false, "case_sensitive": false, "load_delete_flag": false,
}

// refusedLoadKeys change what is loaded, and nothing here does it yet.
var refusedLoadKeys = []string{"partial_update", "partial_update_mode", "merge_condition", "jsonpaths", "json_root", "strip_outer_array", "envelope"}

func loadOptions(props syntax.Properties, text string) (loadSettings, error) {
	o := loadSettings{timeout: 4 * time.Hour}
	for _, p := range props {
		key, value := p.Key.Value, p.Value.Value
		bad := func(format string, args ...any) error {
			return sqlerr.New(sqlerr.Invalid, format, args...).WithPos(text, int(p.Value.Pos))
		}
		used, known := loadKeys[key]
		switch {
		case known && !used:
			o.warnings = append(o.warnings, fmt.Sprintf("property %q has no effect here", key))
			continue
		case known:
		case slices.Contains(refusedLoadKeys, key):
			if strings.EqualFold(value, "false") {
				continue
			}
			return o, sqlerr.New(sqlerr.Unsupported, "the load property %q is not built yet", key).WithPos(text, int(p.Key.Pos))
		default:
			err := sqlerr.New(sqlerr.Invalid, "%s is invalid property", key).WithPos(text, int(p.Key.Pos))
			names := slices.Clone(refusedLoadKeys)
			for k := range loadKeys {
				names = append(names, k)
			}
			if near := sqlerr.Nearest(key, names); near != "" {
				err = err.WithHint("did you mean %q?", near)
			}
			return o, err
		}
		switch key {
		case "timeout":
			seconds, err := strconv.Atoi(value)
			if err != nil {
				return o, bad("timeout is not a number.")
			}
			if seconds < 0 {
				return o, bad("timeout must be greater than 0")
			}
			o.timeout = time.Duration(seconds) * time.Second
		case "max_filter_ratio":
			share, err := strconv.ParseFloat(value, 64)
			if err != nil || !(share >= 0 && share <= 1) {
				return o, bad("max_filter_ratio must between 0.0 and 1.0.")
			}
			o.maxFilter = share
		case "strict_mode":
			if !strings.EqualFold(value, "true") && !strings.EqualFold(value, "false") {
				return o, bad("strict_mode is not a boolean")
			}
			o.strict = strings.EqualFold(value, "true")
		case "timezone":
			o.timezone = value
		case "priority":
			priority, err := job.ParsePriority(value)
			if err != nil {
				return o, bad("%s", sqlerr.From(err).Msg)
			}
			o.priority = priority
		}
	}
	return o, nil
}

func ratio(f float64) string {
	s := strconv.FormatFloat(f, 'f', -1, 64)
	if !strings.Contains(s, ".") {
		s += ".0"
	}
	return s
}

func (c *session) cancelLoad(ctx context.Context, st *syntax.CancelLoad, w wire.ResultWriter) error {
	db, err := c.loadDatabase(st.In)
	if err == nil {
		err = c.srv.jobs.Cancel(ctx, db, st.Label.Value)
	}
	if err != nil {
		return err
	}
	return ok(w, "CANCEL LOAD")
}

func (c *session) alterLoad(ctx context.Context, st *syntax.AlterLoad, text string, w wire.ResultWriter) error {
	db, label, err := c.labelName(st.Label, text)
	if err != nil {
		return err
	}
	for _, p := range st.Properties {
		if p.Key.Value != "priority" {
			return sqlerr.New(sqlerr.Invalid, "%s is invalid property", p.Key.Value).WithPos(text, int(p.Key.Pos)).WithHint(`ALTER LOAD sets "priority" only`)
		}
		priority, err := job.ParsePriority(p.Value.Value)
		if err != nil {
			return sqlerr.From(err).WithPos(text, int(p.Value.Pos))
		}
		if err := c.srv.jobs.Prioritize(ctx, db, label, priority); err != nil {
			return err
		}
	}
	return ok(w, "ALTER LOAD")
}

// loadDatabase is the database of FROM db, or the current one.
func (c *session) loadDatabase(in syntax.QualifiedName) (string, error) {
	_, db, err := c.databaseName(in)
	return db, err
}

// showLoad answers SHOW LOAD with the columns that recent servers send.
func (c *session) showLoad(ctx context.Context, st *syntax.ShowLoad, text string, w wire.ResultWriter) error {
	if st.Warnings {
		return c.showLoadWarnings(ctx, st, text, w)
	}
	db, err := c.loadDatabase(st.In)
	if err != nil && !st.All {
		return err
	}
	list, err := c.srv.jobs.List(ctx, db, "")
	if err != nil {
		return err
	}
	r := relation{columns: columns("JobId#", "Label", "State", "Progress", "Type", "Priority", "ScanRows#", "FilteredRows#", "UnselectedRows#", "SinkRows#",
		"EtlInfo", "TaskInfo", "ErrorMsg", "CreateTime", "EtlStartTime", "EtlFinishTime", "LoadStartTime", "LoadFinishTime", "TrackingSQL", "JobDetails")}
	for _, j := range list {
		r.add(j.ID, j.Label, string(j.State), progress(j), j.Kind, j.Priority.String(), j.Progress.Scanned, j.Progress.Filtered, j.Progress.Unselected, j.Progress.Loaded,
			etlInfo(j), "resource:N/A; timeout(s):"+j.Detail["timeout"]+"; max_filter_ratio:"+j.Detail["max_filter_ratio"], message(j), moment(j.Created), moment(j.Started),
			moment(j.Started), moment(j.Started), moment(j.Ended), tracking(j), details(j))
	}
	f := st.Filter
	f.Where.Text = likeIsPart.ReplaceAllString(f.Where.Text, `$1 '%$2%'`)
	return c.answer(ctx, r, "Label", f, text, w)
}

// likeIsPart finds the LIKE of a SHOW LOAD, which looks for a part of the label.
var likeIsPart = regexp.MustCompile(`(?i)(\bLABEL\s+LIKE)\s*["']([^"'%]*)["']`)

func progress(j job.Job) string {
	switch {
	case j.State == job.Finished:
		return "ETL:100%; LOAD:100%"
	case j.State == job.Loading || j.State == job.Prepared:
		return "ETL:100%; LOAD:" + map[bool]string{true: "99", false: "0"}[j.State == job.Prepared] + "%"
	}
	return "ETL:N/A; LOAD:N/A"
}

func etlInfo(j job.Job) any {
	if j.State != job.Finished && j.Progress.Scanned == 0 {
		return nil
	}
	return fmt.Sprintf("unselected.rows=%d; dpp.abnorm.ALL=%d; dpp.norm.ALL=%d", j.Progress.Unselected, j.Progress.Filtered, j.Progress.Loaded)
}

func message(j job.Job) any {
	if j.Message == "" {
		return nil
	}
	return j.Message
}

// moment spells a time in UTC, as the server's own zone; NULL if there is none.
func moment(t time.Time) any {
	if t.IsZero() {
		return nil
	}
	return t.UTC().Format(time.DateTime)
}

// tracking is the query that shows the rows left out.
func tracking(j job.Job) any {
	if len(j.Progress.Rejected) == 0 {
		return nil
	}
	return fmt.Sprintf("select tracking_log from information_schema.load_tracking_logs where job_id=%d", j.ID)
}

func details(j job.Job) string {
	text, _ := json.Marshal(map[string]any{
		"All backends": map[string]any{}, "FileNumber": j.Progress.Files, "FileSize": j.Progress.Bytes, "ScannedRows": j.Progress.Scanned,
		"TaskNumber": len(j.Progress.Tables), "Unfinished backends": map[string]any{},
	})
	return string(text)
}

// showLoadWarnings answers with the rows that a load left out.
func (c *session) showLoadWarnings(ctx context.Context, st *syntax.ShowLoad, text string, w wire.ResultWriter) error {
	if st.URL != nil {
		return sqlerr.New(sqlerr.Unsupported, "SHOW LOAD WARNINGS ON a URL is not supported").WithPos(text, int(st.URL.Pos)).
			WithHint("write SHOW LOAD WARNINGS FROM db WHERE LABEL = '…'")
	}
	db, err := c.loadDatabase(st.In)
	if err != nil {
		return err
	}
	list, err := c.srv.jobs.List(ctx, db, "")
	if err != nil {
		return err
	}
	r := relation{columns: columns("JobId#", "Label", "ErrorMsgDetail")}
	for _, j := range list {
		for _, reason := range j.Progress.Rejected {
			r.add(j.ID, j.Label, reason)
		}
	}
	return c.answer(ctx, r, "Label", st.Filter, text, w)
}

// loadColumns are those of information_schema.loads, with the older names that
// scripts use at the end.
var loadColumns = []string{"ID#", "LABEL", "PROFILE_ID", "DB_NAME", "TABLE_NAME", "USER", "WAREHOUSE", "STATE", "PROGRESS", "TYPE", "PRIORITY", "SCAN_ROWS#", "SCAN_BYTES#",
	"FILTERED_ROWS#", "UNSELECTED_ROWS#", "SINK_ROWS#", "RUNTIME_DETAILS", "CREATE_TIME", "LOAD_START_TIME", "LOAD_COMMIT_TIME", "LOAD_FINISH_TIME", "PROPERTIES", "ERROR_MSG",
	"TRACKING_SQL", "REJECTED_RECORD_PATH", "JOB_ID#", "DATABASE_NAME"}

func fillLoads(ctx context.Context, c *session, _ string, _ wanted, r *relation) error {
	list, err := c.srv.jobs.List(ctx, "", "")
	for _, j := range list {
		properties, _ := json.Marshal(map[string]string{"timeout": j.Detail["timeout"], "max_filter_ratio": j.Detail["max_filter_ratio"]})
		r.add(j.ID, j.Label, nil, j.DB, strings.Join(j.Progress.Tables, ", "), j.User, "default_warehouse", string(j.State), progress(j), j.Kind, j.Priority.String(),
			j.Progress.Scanned, j.Progress.Bytes, j.Progress.Filtered, j.Progress.Unselected, j.Progress.Loaded, details(j), moment(j.Created), moment(j.Started), moment(j.Ended),
			moment(j.Ended), string(properties), message(j), tracking(j), nil, j.ID, j.DB)
	}
	return err
}

func fillTrackingLogs(ctx context.Context, c *session, _ string, _ wanted, r *relation) error {
	list, err := c.srv.jobs.List(ctx, "", "")
	for _, j := range list {
		if len(j.Progress.Rejected) > 0 {
			r.add(j.ID, j.ID, j.Label, j.DB, strings.Join(j.Progress.Rejected, "\n"), j.Kind)
		}
	}
	return err
}
