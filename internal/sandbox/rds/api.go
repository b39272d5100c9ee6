package rds

import (
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"lakeport/internal/iam"
	"lakeport/internal/sandbox"
	"lakeport/internal/sandbox/query"
)

const namespace = "http://rds.amazonaws.com/doc/2014-10-31/"

// operation names its parameters and what it works on.
type operation struct {
	kind               string
	required, optional string
	run                func(*call) (any, error)
}

// call is one call of the API.
type call struct {
	*Service
	*sandbox.Call
	kind    string
	form    url.Values
	account string
	name    string
}

var operations = map[string]operation{
	"CreateDBInstance": {instance, "DBInstanceIdentifier DBInstanceClass Engine",
		"MasterUsername MasterUserPassword EngineVersion DBName AllocatedStorage Port EnableIAMDatabaseAuthentication DBClusterIdentifier DBParameterGroupName", (*call).create},
	"ModifyDBInstance":    {instance, "DBInstanceIdentifier", "EnableIAMDatabaseAuthentication ApplyImmediately DBParameterGroupName", (*call).modify},
	"DescribeDBInstances": {instance, "", "DBInstanceIdentifier MaxRecords Marker", (*call).describe},
	"DeleteDBInstance":    {instance, "DBInstanceIdentifier", "SkipFinalSnapshot DeleteAutomatedBackups", (*call).delete},
	"RebootDBInstance":    {instance, "DBInstanceIdentifier", "", (*call).reboot},
	"CreateDBCluster": {cluster, "DBClusterIdentifier Engine MasterUsername MasterUserPassword",
		"EngineVersion DatabaseName Port EnableIAMDatabaseAuthentication", (*call).create},
	"ModifyDBCluster":    {cluster, "DBClusterIdentifier", "EnableIAMDatabaseAuthentication ApplyImmediately", (*call).modify},
	"DescribeDBClusters": {cluster, "", "DBClusterIdentifier MaxRecords Marker", (*call).describe},
	"DeleteDBCluster":    {cluster, "DBClusterIdentifier", "SkipFinalSnapshot", (*call).delete},

	"CreateDBParameterGroup":    {groups, "DBParameterGroupName DBParameterGroupFamily Description", "", (*call).createGroup},
	"ModifyDBParameterGroup":    {groups, "DBParameterGroupName", "", (*call).modifyGroup},
	"DescribeDBParameterGroups": {groups, "", "DBParameterGroupName", (*call).describeGroups},
	"DeleteDBParameterGroup":    {groups, "DBParameterGroupName", "", (*call).deleteGroup},
}

// Rules of the API reference: an identifier has "1 to 63 letters, numbers, or
// hyphens", begins with a letter, does not end with a hyphen and has no two in
// a row.
var rules = map[string]query.Rule{
	"DBInstanceIdentifier": query.Text(1, 63, `[A-Za-z](-?[A-Za-z0-9])*`), "DBClusterIdentifier": query.Text(1, 63, `[A-Za-z](-?[A-Za-z0-9])*`),
	"MasterUsername": query.Text(1, 32, `[A-Za-z][A-Za-z0-9_]*`), "MasterUserPassword": query.Text(8, 128, `[^/"@]*`),
	"DBName": query.Text(1, 64, `[A-Za-z][A-Za-z0-9_]*`), "DatabaseName": query.Text(1, 64, `[A-Za-z][A-Za-z0-9_]*`),
	"Port": query.Number(1150, 65535), "AllocatedStorage": query.Number(5, 65536), "MaxRecords": query.Number(20, 100),
	"DBParameterGroupName": query.Text(1, 255, `[A-Za-z](-?[A-Za-z0-9])*`), "DBParameterGroupFamily": query.Text(1, 255, `[a-z0-9.-]+`), "Description": query.Text(1, 1000, `(?s).*`),
	"EnableIAMDatabaseAuthentication": query.OneOf("true", "false"), "ApplyImmediately": query.OneOf("true", "false"),
}

// Name is the signing name.
func (s *Service) Name() string { return "rds" }

// Policy: nothing of RDS has a policy.
func (s *Service) Policy(string) *iam.Policy { return nil }

// Fail implements sandbox.Service.
func (s *Service) Fail(w http.ResponseWriter, _ *http.Request, requestID string, err *sandbox.APIError) {
	query.Fail(w, requestID, namespace, err)
}

func identifier(kind string) string {
	return map[string]string{instance: "DBInstanceIdentifier", cluster: "DBClusterIdentifier", groups: "DBParameterGroupName"}[kind]
}

// Needs checks the parameters and declares the action.
func (s *Service) Needs(c *sandbox.Call) ([]sandbox.Need, error) {
	form := c.Form()
	action := form.Get("Action")
	op, ok := operations[action]
	if !ok {
		return nil, query.UnknownAction(form)
	}
	c.Action = "rds:" + action
	known := strings.Fields(op.required + " " + op.optional + " Action Version")
	for _, name := range slices.Sorted(maps.Keys(form)) {
		if !slices.Contains(known, name) && !strings.HasPrefix(name, "X-Amz-") && !(action == "ModifyDBParameterGroup" && parameterField(name)) {
			return nil, fault(400, "InvalidParameterCombination", "The sandbox does not implement the parameter %s of %s.", name, action)
		}
	}
	if err := query.Check(form, rules).Required(strings.Fields(op.required)...).Optional(strings.Fields(op.optional)...).Err(); err != nil {
		return nil, err
	}
	// Identifiers are kept in lower case, as RDS keeps them.
	q := &call{Service: s, Call: c, kind: op.kind, form: form, account: c.Caller.Principal.Account, name: strings.ToLower(form.Get(identifier(op.kind)))}
	c.Prepared = q
	name := q.name
	if name == "" {
		name = "*"
	}
	needs := []sandbox.Need{q.need(op.kind, name)}
	if of := form.Get("DBClusterIdentifier"); op.kind == instance && of != "" { // CreateDBInstance names both ("Actions, resources, and condition keys for Amazon RDS")
		needs = append(needs, q.need(cluster, strings.ToLower(of)))
	}
	if of := form.Get("DBParameterGroupName"); op.kind == instance && of != "" {
		needs = append(needs, q.need(groups, strings.ToLower(of)))
	}
	return needs, nil
}

func (q *call) need(kind, name string) sandbox.Need {
	return sandbox.Need{Action: q.Action, Resource: iam.Resource{ARN: arnOf(q.Region, q.account, kind, name), Account: q.account}}
}

// Serve carries out the operation.
func (s *Service) Serve(w http.ResponseWriter, c *sandbox.Call) error {
	out, err := operations[strings.TrimPrefix(c.Action, "rds:")].run(c.Prepared.(*call))
	if err != nil {
		return err
	}
	return query.Write(w, c, namespace, out)
}

func fault(status int, code, format string, args ...any) *sandbox.APIError {
	return &sandbox.APIError{Status: status, Code: code, Message: fmt.Sprintf(format, args...)}
}

type endpointXML struct {
	Address string
	Port    int
}

type instanceXML struct {
	DBInstanceIdentifier             string
	DBInstanceArn                    string
	DbiResourceId                    string
	DBInstanceClass                  string
	DBInstanceStatus                 string
	Engine                           string
	EngineVersion                    string
	MasterUsername                   string
	DBClusterIdentifier              string       `xml:",omitempty"`
	DBName                           string       `xml:",omitempty"`
	Endpoint                         *endpointXML `xml:",omitempty"`
	AllocatedStorage                 int
	InstanceCreateTime               string
	IAMDatabaseAuthenticationEnabled bool
	CACertificateIdentifier          string
}

type clusterXML struct {
	DBClusterIdentifier              string
	DBClusterArn                     string
	DbClusterResourceId              string
	Status                           string
	Engine                           string
	EngineVersion                    string
	MasterUsername                   string
	DatabaseName                     string `xml:",omitempty"`
	Endpoint                         string
	ReaderEndpoint                   string
	Port                             int
	ClusterCreateTime                string
	IAMDatabaseAuthenticationEnabled bool
	DBClusterMembers                 []memberXML `xml:"DBClusterMembers>DBClusterMember"`
}

type memberXML struct {
	DBInstanceIdentifier string
	IsClusterWriter      bool
	PromotionTier        int
}

// one is the answer about one database; many about a list.
type one struct {
	DBInstance *instanceXML `xml:",omitempty"`
	DBCluster  *clusterXML  `xml:",omitempty"`
}

type instances struct {
	DBInstances []*instanceXML `xml:"DBInstances>DBInstance"`
	Marker      string         `xml:",omitempty"`
}

type clusters struct {
	DBClusters []*clusterXML `xml:"DBClusters>DBCluster"`
	Marker     string        `xml:",omitempty"`
}

// shape tells a database in its given state; no endpoint is told before it is
// there.
func (d *database) shape(state string) one {
	created := d.Created.UTC().Format(time.RFC3339)
	if d.Kind == cluster {
		x := &clusterXML{DBClusterIdentifier: d.Name, DBClusterArn: d.arn(), DbClusterResourceId: d.ID, Status: state, Engine: d.Engine, EngineVersion: d.Version,
			MasterUsername: d.User, DatabaseName: d.Initial, Endpoint: host, ReaderEndpoint: readerHost, Port: d.Port, ClusterCreateTime: created,
			IAMDatabaseAuthenticationEnabled: d.IAM}
		if d.Member != "" {
			x.DBClusterMembers = []memberXML{{d.Member, true, 1}}
		}
		return one{DBCluster: x}
	}
	x := &instanceXML{DBInstanceIdentifier: d.Name, DBInstanceArn: d.arn(), DbiResourceId: d.ID, DBInstanceClass: d.Class, DBInstanceStatus: state, DBClusterIdentifier: d.Cluster,
		Engine: d.Engine, EngineVersion: d.Version, MasterUsername: d.User, DBName: d.Initial, AllocatedStorage: d.Storage,
		InstanceCreateTime: created, IAMDatabaseAuthenticationEnabled: d.IAM, CACertificateIdentifier: "lakeport-sandbox"}
	if state != "creating" {
		x.Endpoint = &endpointXML{host, d.Port}
		if d.Cluster != "" {
			x.Endpoint.Address = memberHost
		}
	}
	return one{DBInstance: x}
}

func (q *call) create() (any, error) {
	if old, err := q.byARN(arnOf(q.Region, q.account, q.kind, q.name)); err != nil {
		return nil, err
	} else if old != nil {
		if q.kind == cluster {
			return nil, fault(400, "DBClusterAlreadyExistsFault", "DB Cluster already exists")
		}
		return nil, fault(400, "DBInstanceAlreadyExists", "DB instance already exists")
	}
	if q.kind == instance && q.form.Get("DBClusterIdentifier") != "" {
		return q.join()
	}
	engine, ok := engines[q.form.Get("Engine")]
	switch {
	case ok && engine.kinds == cluster && q.kind == instance:
		return nil, fault(400, "InvalidParameterCombination", "An instance of %s is a member of a cluster: the sandbox needs DBClusterIdentifier.", q.form.Get("Engine"))
	case !ok || engine.kinds != q.kind:
		return nil, fault(400, "InvalidParameterValue", "The sandbox has no engine %s of this kind: it runs real servers, which are %s.",
			q.form.Get("Engine"), strings.Join(slices.Sorted(maps.Keys(engines)), ", "))
	}
	if err := query.Check(q.form, rules).Required("MasterUsername", "MasterUserPassword").Err(); err != nil {
		return nil, err
	}
	d := &database{Kind: q.kind, Name: q.name, Account: q.account, Region: q.Region, ID: newID(q.kind), Engine: q.form.Get("Engine"), Version: q.form.Get("EngineVersion"),
		Class: q.form.Get("DBInstanceClass"), User: q.form.Get("MasterUsername"), Initial: q.form.Get("DBName") + q.form.Get("DatabaseName"), Storage: 20,
		IAM: q.form.Get("EnableIAMDatabaseAuthentication") == "true", Seed: newID("seed"), Created: q.Now.UTC().Truncate(time.Second)}
	if d.Version == "" {
		d.Version = engine.version
	}
	if n, err := strconv.Atoi(q.form.Get("AllocatedStorage")); err == nil {
		d.Storage = n
	}
	if n, err := strconv.Atoi(q.form.Get("Port")); err == nil {
		d.Port = n
	}
	if err := q.useGroup(d); err != nil {
		return nil, err
	}
	if err := q.apply(d); err != nil {
		return nil, err
	}
	if err := q.start(d, q.form.Get("MasterUserPassword")); err != nil {
		return nil, err
	}
	if err := q.save(d); err != nil {
		return nil, err
	}
	return d.shape("creating"), nil
}

func (q *call) find(kind, name string) (*database, error) {
	d, err := q.byARN(arnOf(q.Region, q.account, kind, name))
	if err == nil && d == nil {
		if kind == cluster {
			return nil, fault(404, "DBClusterNotFoundFault", "DBCluster %s not found.", name)
		}
		return nil, fault(404, "DBInstanceNotFound", "DBInstance %s not found.", name)
	}
	return d, err
}

func (q *call) modify() (any, error) {
	d, err := q.find(q.kind, q.name)
	if err != nil {
		return nil, err
	}
	if v := q.form.Get("EnableIAMDatabaseAuthentication"); v != "" {
		if d.Cluster != "" {
			return nil, ofCluster("IAM database authentication")
		}
		// Without ApplyImmediately the change waits for a maintenance window,
		// which never comes here.
		if q.form.Get("ApplyImmediately") != "true" {
			return nil, fault(400, "InvalidParameterCombination", "The sandbox has no maintenance windows: set ApplyImmediately to true.")
		}
		d.IAM = v == "true"
	}
	if err := q.useGroup(d); err != nil {
		return nil, err
	}
	if err := q.save(d); err != nil {
		return nil, err
	}
	return q.told(d)
}

// told is a database as it now stands.
func (q *call) told(d *database) (one, error) {
	if d.Cluster == "" {
		return d.shape(q.state(d.ID)), nil
	}
	of, err := q.find(cluster, d.Cluster)
	if err != nil {
		return one{}, err
	}
	return d.within(of).shape(q.state(of.ID)), nil
}

func (q *call) describe() (any, error) {
	all, err := q.list(q.Region, q.account, q.kind)
	if err != nil {
		return nil, err
	}
	if q.name != "" {
		d, err := q.find(q.kind, q.name)
		if err != nil {
			return nil, err
		}
		all = []*database{d}
	}
	limit := 100
	if n, err := strconv.Atoi(q.form.Get("MaxRecords")); err == nil {
		limit = n
	}
	all = slices.DeleteFunc(all, func(d *database) bool { return d.Name <= q.form.Get("Marker") })
	marker := ""
	if len(all) > limit {
		all, marker = all[:limit], all[limit-1].Name
	}
	some, list := clusters{Marker: marker}, instances{Marker: marker}
	for _, d := range all {
		x, err := q.told(d)
		if err != nil {
			return nil, err
		}
		if q.kind == cluster {
			some.DBClusters = append(some.DBClusters, x.DBCluster)
		} else {
			list.DBInstances = append(list.DBInstances, x.DBInstance)
		}
	}
	if q.kind == cluster {
		return some, nil
	}
	return list, nil
}

func (q *call) delete() (any, error) {
	d, err := q.find(q.kind, q.name)
	if err != nil {
		return nil, err
	}
	switch {
	case d.Cluster != "":
		return q.leave(d)
	case d.Member != "":
		return nil, fault(400, "InvalidDBClusterStateFault", "Cluster cannot be deleted, it still contains DB instances in non-deleting state.")
	case q.form.Get("SkipFinalSnapshot") != "true":
		return nil, fault(400, "InvalidParameterCombination", "The sandbox takes no snapshots: set SkipFinalSnapshot to true.")
	}
	if err := q.remove(d); err != nil {
		return nil, err
	}
	return d.shape("deleting"), q.drop(d)
}

var _ sandbox.Service = (*Service)(nil)
