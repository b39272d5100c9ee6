// Package pipe carries rows of PostgreSQL, MySQL and MariaDB databases into
// lakeport's tables: an initial load, and the changes from then on. It logs in
// by password or by the tokens of AWS IAM database authentication, one for
// each connection.
//
// Names and defaults of settings and the states of a pipe are those of
// ClickPipes ("ClickPipes for Postgres", "ClickPipes for MySQL").
package pipe

import (
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"lakeport/internal/awsauth"
	"lakeport/internal/secret"
	"lakeport/internal/sqlerr"
	"lakeport/internal/syntax"
)

// Mode says what of a source a pipe carries.
type Mode string

// The modes.
const (
	Load        Mode = "INITIAL_LOAD"
	CDC         Mode = "CDC"
	LoadThenCDC Mode = "INITIAL_LOAD_AND_CDC"
)

// Definition is a pipe as CREATE PIPE says it.
type Definition struct {
	Name       string
	Kind       string // POSTGRES, MYSQL, MARIADB
	Properties map[string]string
	Tables     []Table
	Mode       Mode
	Settings   Settings
}

// Table is one table of the source and where its rows go.
type Table struct {
	Schema, Name     string // of the source; Schema is MySQL's database
	Database, Target string
	Exclude, Key     []string
	KeyGiven         bool     // Key is the pipe's, not the source's
	Columns          []Column // as the source had them when the pipe was made
	ID               uint32   `json:",omitempty"` // of PostgreSQL, which outlives a name
	Partitioned      bool     `json:",omitempty"`
	From             string   `json:"-"` // changes before that place are in the table already
}

// Source names the table as its database does.
func (t *Table) Source() string { return t.Schema + "." + t.Name }

// Settings are the knobs of ClickPipes' "advanced settings".
type Settings struct {
	SyncInterval      int // seconds: a batch of changes is gathered this long at most
	PullBatchSize     int // changes in a batch, but for those of one transaction
	Parallelism       int // connections that load one table
	RowsPerPartition  int // of the initial load
	TablesInParallel  int
	Publication, Slot string // of PostgreSQL

	// They were not named: the pipe makes them and drops them.
	MakePublication, MakeSlot bool `json:",omitempty"`
}

// numbers are the settings that are numbers: ClickPipes' default, the least
// and the greatest value.
var numbers = map[string]struct {
	into        func(*Settings) *int
	def, lo, hi int
}{
	"sync_interval":               {func(s *Settings) *int { return &s.SyncInterval }, 60, 1, 86_400},
	"pull_batch_size":             {func(s *Settings) *int { return &s.PullBatchSize }, 100_000, 1, 10_000_000},
	"snapshot_parallelism":        {func(s *Settings) *int { return &s.Parallelism }, 4, 1, 64},
	"snapshot_rows_per_partition": {func(s *Settings) *int { return &s.RowsPerPartition }, 100_000, 100, 1_000_000_000},
	"snapshot_tables_in_parallel": {func(s *Settings) *int { return &s.TablesInParallel }, 1, 1, 64},
}

// endpoint is where a source is and how to log in; made from the properties.
type endpoint struct {
	host, port, database, user, password string
	iam                                  bool
	spec                                 awsauth.Spec
	region, resource                     string
	signing                              string // host:port that tokens are made for
	ca                                   string // PEM, or a file of it
}

const prefix = "aws.rds"

// plainKeys are the properties beside those of an AWS identity.
var plainKeys = []string{"host", "port", "database", "user", "authentication", "password", "tls_ca", prefix + ".resource_id", prefix + ".signing_host"}

var defaultPorts = map[string]string{"POSTGRES": "5432", "MYSQL": "3306", "MARIADB": "3306"}

// regionOfHost finds the region in an endpoint's name ("Connecting to your DB
// instance", Amazon RDS User Guide).
var regionOfHost = regexp.MustCompile(`\.([a-z]{2}(?:-[a-z]+)+-\d)\.rds\.amazonaws\.com(?:\.cn)?$`)

// Define checks a CREATE PIPE by itself and lists every fault of its
// properties and settings at once. database is the current one. It contacts
// nobody.
func Define(st *syntax.CreatePipe, database, text string) (*Definition, error) {
	d := &Definition{Name: st.Name.Name, Kind: st.Source, Properties: map[string]string{}, Mode: Mode(st.Mode)}
	if d.Mode == "" {
		d.Mode = LoadThenCDC
	}
	places := map[string]syntax.Property{}
	var faults []awsauth.Fault
	for _, p := range st.Properties {
		if _, twice := places[p.Key.Value]; twice {
			faults = append(faults, awsauth.Fault{Key: p.Key.Value, Msg: "is given twice"})
		}
		d.Properties[p.Key.Value], places[p.Key.Value] = p.Value.Value, p
	}
	_, more := d.endpoint()
	if faults = append(faults, more...); len(faults) > 0 {
		return nil, refused(faults, places, "property", int(st.Properties[0].Key.Pos), text)
	}
	clear(places)
	if d.Kind == "POSTGRES" && d.Mode != Load {
		d.Settings.Publication, d.Settings.MakePublication = newName("pub", d.Name), true
		d.Settings.Slot, d.Settings.MakeSlot = newName("slot", d.Name), true
	}
	for _, p := range st.Settings {
		if _, twice := places[p.Key.Value]; twice {
			faults = append(faults, awsauth.Fault{Key: p.Key.Value, Msg: "is given twice"})
		}
		places[p.Key.Value] = p
	}
	if faults = append(faults, d.settings(places)...); len(faults) > 0 {
		return nil, refused(faults, places, "setting", int(st.Pos), text)
	}
	for _, t := range st.Tables {
		one, err := d.table(t, database, text)
		if err != nil {
			return nil, err
		}
		d.Tables = append(d.Tables, one)
	}
	return d, nil
}

func (d *Definition) table(t syntax.PipeTable, database, text string) (Table, error) {
	one := Table{Schema: d.Properties["database"], Name: t.Source.Last(), Database: database, Target: t.Source.Last()}
	if d.Kind == "POSTGRES" {
		one.Schema = "public"
	}
	if n := t.Source.Names(); len(n) == 2 {
		one.Schema = n[0]
	}
	at := t.Source.Start()
	if n := t.Target.Names(); len(n) > 0 {
		one.Target, at = n[len(n)-1], t.Target.Start()
		if len(n) == 2 {
			one.Database = n[0]
		}
	}
	for _, c := range t.Exclude {
		one.Exclude = append(one.Exclude, c.Name)
	}
	for _, c := range t.Key {
		one.Key, one.KeyGiven = append(one.Key, c.Name), true
	}
	switch {
	case one.Schema == "":
		return one, sqlerr.New(sqlerr.Invalid, "the table %s is in no database", one.Name).WithHint("write database.%s, or give the property database", one.Name).WithPos(text, int(t.Source.Start()))
	case one.Database == "":
		return one, sqlerr.New(sqlerr.NotFound, "No database selected").With(sqlerr.NoDB).WithHint("USE a database, or write %s AS database.%s", t.Source, one.Target).WithPos(text, int(at))
	}
	for _, other := range d.Tables {
		if strings.EqualFold(other.Database, one.Database) && strings.EqualFold(other.Target, one.Target) {
			return one, sqlerr.New(sqlerr.Unsupported, "two tables of the pipe go into %s.%s", one.Database, one.Target).WithPos(text, int(at))
		}
	}
	return one, nil
}

// endpoint reads the properties.
func (d *Definition) endpoint() (e endpoint, faults []awsauth.Fault) {
	fault := func(key string, value bool, format string, args ...any) {
		faults = append(faults, awsauth.Fault{Key: key, Value: value, Msg: fmt.Sprintf(format, args...)})
	}
	get := func(key string) string { return d.Properties[key] }
	for key := range d.Properties {
		if !slices.Contains(plainKeys, key) && (!awsauth.IsKey(prefix, key) || key == prefix+".endpoint") {
			near := ""
			if n := sqlerr.Nearest(key, append(awsauth.Known(prefix), plainKeys...)); n != "" {
				near = ": did you mean " + n + "?"
			}
			fault(key, false, "is not known%s", near)
		}
	}
	e = endpoint{host: get("host"), port: get("port"), database: get("database"), user: get("user"), password: get("password"),
		region: get(prefix + ".region"), resource: get(prefix + ".resource_id"), ca: get("tls_ca")}
	for _, key := range []string{"host", "user"} {
		if get(key) == "" {
			fault(key, false, "is needed")
		}
	}
	if e.port == "" {
		e.port = defaultPorts[d.Kind]
	}
	if n, err := strconv.Atoi(e.port); err != nil || n < 1 || n > 65535 {
		fault("port", true, "is %q: a port is a number from 1 to 65535", e.port)
	}
	if d.Kind == "POSTGRES" && e.database == "" {
		fault("database", false, "is needed")
	}
	var more []awsauth.Fault
	if e.spec, more, _ = awsauth.FromProperties(prefix, d.Properties); len(more) > 0 {
		faults = append(faults, more...)
	}
	e.spec.Public = false
	switch get("authentication") {
	case "iam":
		e.iam = true
		if _, given := d.Properties["password"]; given {
			fault("password", false, "has no place beside \"authentication\" = \"iam\": the password is a token, made for each connection")
		}
		if m := regionOfHost.FindStringSubmatch(e.host); e.region == "" && m != nil {
			e.region = m[1]
		}
		if e.region == "" {
			fault(prefix+".region", false, "is needed: the host %s does not tell it", e.host)
		}
		e.spec.Region = e.region
		if msg := e.wrongResource(); msg != "" {
			fault(prefix+".resource_id", true, "is %q: %s", e.resource, msg)
		}
	case "password", "":
		for key := range d.Properties {
			if strings.HasPrefix(key, prefix+".") {
				fault(key, false, "has no use without \"authentication\" = \"iam\"")
			}
		}
		if _, given := d.Properties["password"]; !given {
			fault("password", false, "is needed, or \"authentication\" = \"iam\"")
		}
	default:
		fault("authentication", true, "is %q: write \"iam\" or \"password\"", get("authentication"))
	}
	if e.signing = get(prefix + ".signing_host"); e.signing == "" {
		e.signing = e.host
	}
	if !strings.Contains(e.signing, ":") {
		e.signing += ":" + e.port
	}
	slices.SortFunc(faults, func(a, b awsauth.Fault) int { return strings.Compare(a.Key, b.Key) })
	return e, faults
}

// resourceID is what policies name of a database ("Creating and using an IAM
// policy for IAM database access"): of an instance, a cluster or a proxy.
var resourceID = regexp.MustCompile(`^(db|cluster|prx)-[A-Za-z0-9]+$`)

// wrongResource tells what is wrong with the resource id that is given, as far
// as it can be seen from here: cluster endpoints have names of their own.
func (e *endpoint) wrongResource() string {
	switch m := resourceID.FindStringSubmatch(e.resource); {
	case e.resource == "":
	case m == nil:
		return "a resource id begins with db-, cluster- or prx- (see the tab Configuration); the database's name is none"
	case m[1] == "db" && strings.Contains(e.host, ".cluster-") && strings.Contains(e.host, ".rds.amazonaws.com"):
		return "that is an instance's, and the host is a cluster's endpoint: policies name the cluster's resource id, cluster-…"
	}
	return ""
}

// settings reads SETTINGS.
func (d *Definition) settings(given map[string]syntax.Property) (faults []awsauth.Fault) {
	var names []string
	for name, n := range numbers {
		*n.into(&d.Settings) = n.def
		names = append(names, name)
	}
	names = append(names, "publication_name", "replication_slot_name")
	for name, p := range given {
		n, isNumber := numbers[name]
		switch v, err := strconv.Atoi(p.Value.Value); {
		case isNumber && (err != nil || v < n.lo || v > n.hi):
			faults = append(faults, awsauth.Fault{Key: name, Value: true, Msg: fmt.Sprintf("is %q: write a number from %d to %d", p.Value.Value, n.lo, n.hi)})
		case isNumber:
			*n.into(&d.Settings) = v
		case (name == "publication_name" || name == "replication_slot_name") && (d.Kind != "POSTGRES" || d.Mode == Load):
			faults = append(faults, awsauth.Fault{Key: name, Msg: "has a use only where changes of PostgreSQL are followed"})
		case name == "publication_name":
			d.Settings.Publication, d.Settings.MakePublication = p.Value.Value, false
		case name == "replication_slot_name" && !slotName.MatchString(p.Value.Value):
			faults = append(faults, awsauth.Fault{Key: name, Value: true, Msg: fmt.Sprintf("is %q: the name of a slot is of lower-case letters, digits and _, 63 at most", p.Value.Value)})
		case name == "replication_slot_name":
			d.Settings.Slot, d.Settings.MakeSlot = p.Value.Value, false
		default:
			msg, known := elsewhere[strings.ToLower(name)]
			if !known {
				msg = "is not known"
			}
			if near := sqlerr.Nearest(name, names); near != "" && !known {
				msg += ": did you mean " + near + "?"
			}
			faults = append(faults, awsauth.Fault{Key: name, Msg: msg})
		}
	}
	if d.Mode == CDC && d.Settings.MakePublication && !d.Settings.MakeSlot {
		faults = append(faults, awsauth.Fault{Key: "replication_slot_name", Msg: "needs publication_name beside it in MODE CDC: a publication made now has none of the changes that the slot has kept"})
	}
	return faults
}

// elsewhere are settings that ClickPipes and PeerDB know, under names of theirs
// or for what is not built here ("ClickPipes for Postgres"; PeerDB, CREATE
// MIRROR).
var elsewhere = map[string]string{
	"sync_interval_seconds": "is sync_interval here", "idle_timeout_seconds": "is sync_interval here", "max_batch_size": "is pull_batch_size here",
	"initial_load_parallelism": "is snapshot_parallelism here", "snapshot_max_parallel_workers": "is snapshot_parallelism here",
	"snapshot_num_rows_per_partition": "is snapshot_rows_per_partition here", "snapshot_num_tables_in_parallel": "is snapshot_tables_in_parallel here",
	"snapshot_number_of_parallel_tables": "is snapshot_tables_in_parallel here",
	"do_initial_copy":                    "is MODE here", "do_initial_snapshot": "is MODE here", "initial_copy_only": "is MODE here", "initial_snapshot_only": "is MODE here", "replication_mode": "is MODE here",
	"snapshot_num_partitions_override": "is not supported: parts are of snapshot_rows_per_partition rows",
	"soft_delete_col_name":             "is not supported: what the source deletes is deleted", "delete_on_merge": "is not supported: what the source deletes is deleted",
	"synced_at_col_name": "is not supported: targets have the source's columns only", "resync": "is not supported: drop the pipe and its tables, and make it anew",
	"allow_nullable_columns": "is not supported: all columns but the key's take NULL", "enable_failover_slots": "is not supported",
}

// Statement is the CREATE PIPE that makes such a pipe, with all its settings,
// those of the default too. It shows no secret.
func (d *Definition) Statement() string {
	lit := func(s string) syntax.StringLit { return syntax.StringLit{Value: s} }
	st := &syntax.CreatePipe{Name: syntax.Ident{Name: d.Name}, Source: d.Kind, Mode: string(d.Mode)}
	for _, key := range slices.Sorted(maps.Keys(d.Properties)) {
		value := d.Properties[key]
		if syntax.IsSecret(key) {
			value = secret.Mask
		}
		st.Properties = append(st.Properties, syntax.Property{Key: lit(key), Value: lit(value)})
	}
	idents := func(names ...string) (list []syntax.Ident) {
		for _, n := range names {
			list = append(list, syntax.Ident{Name: n})
		}
		return list
	}
	for _, t := range d.Tables {
		one := syntax.PipeTable{Source: syntax.QualifiedName{Parts: idents(t.Schema, t.Name)}, Target: syntax.QualifiedName{Parts: idents(t.Database, t.Target)}, Exclude: idents(t.Exclude...)}
		if t.KeyGiven {
			one.Key = idents(t.Key...)
		}
		st.Tables = append(st.Tables, one)
	}
	for _, name := range slices.Sorted(maps.Keys(numbers)) {
		st.Settings = append(st.Settings, syntax.Property{Key: lit(name), Value: lit(strconv.Itoa(*numbers[name].into(&d.Settings)))})
	}
	for _, named := range []struct {
		name, value string
		made        bool
	}{{"publication_name", d.Settings.Publication, d.Settings.MakePublication}, {"replication_slot_name", d.Settings.Slot, d.Settings.MakeSlot}} {
		if named.value != "" && !named.made {
			st.Settings = append(st.Settings, syntax.Property{Key: lit(named.name), Value: lit(named.value)})
		}
	}
	return st.String()
}

// refused words faults as one error at the place of the first.
func refused(faults []awsauth.Fault, places map[string]syntax.Property, what string, at int, text string) error {
	var lines []string
	for i, f := range faults {
		p, given := places[f.Key]
		if given && i == 0 {
			at = int(p.Key.Pos)
			if f.Value {
				at = int(p.Value.Pos)
			}
		}
		lines = append(lines, fmt.Sprintf("%s %q %s", what, f.Key, f.Msg))
	}
	return sqlerr.New(sqlerr.Invalid, "%s", strings.Join(lines, "; ")).WithPos(text, at)
}
