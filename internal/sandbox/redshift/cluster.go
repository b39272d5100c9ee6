package redshift

import (
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

const clusterNamespace = "http://redshift.amazonaws.com/doc/2012-12-01/"

// Clusters is the query API of provisioned clusters; it implements
// sandbox.Service.
type Clusters struct{ *Redshift }

// clusterOperation names its parameters, lists without their numbers.
type clusterOperation struct {
	required, optional string
	run                func(*clusterCall) (any, error)
}

type clusterCall struct {
	*Redshift
	*sandbox.Call
	form    url.Values
	account string
	name    string
}

var clusterOperations = map[string]clusterOperation{
	"CreateCluster": {"ClusterIdentifier NodeType MasterUsername",
		"DBName ClusterType NumberOfNodes MasterUserPassword Port IamRoles.IamRoleArn DefaultIamRoleArn", (*clusterCall).create},
	"DescribeClusters":      {"", "ClusterIdentifier MaxRecords Marker", (*clusterCall).describe},
	"ModifyClusterIamRoles": {"ClusterIdentifier", "AddIamRoles.IamRoleArn RemoveIamRoles.IamRoleArn DefaultIamRoleArn", (*clusterCall).modify},
	"DeleteCluster":         {"ClusterIdentifier", "SkipFinalClusterSnapshot", (*clusterCall).delete},
}

var clusterRules = map[string]query.Rule{
	// "Must contain from 1 to 63 alphanumeric characters or hyphens. Alphabetic
	// characters must be lowercase. First character must be a letter."
	"ClusterIdentifier": query.Text(1, 63, `[a-z](-?[a-z0-9])*`),
	"NodeType":          query.Text(1, 64, ""), "MasterUsername": query.Text(1, 128, ""), "DBName": query.Text(1, 64, ""),
	"NumberOfNodes": query.Number(1, 128), "Port": query.Number(1150, 65535), "MaxRecords": query.Number(20, 100),
	"ClusterType": query.OneOf("single-node", "multi-node"),
}

// Name is the signing name.
func (s *Clusters) Name() string { return "redshift" }

// Policy: nothing of Redshift has a policy here.
func (s *Clusters) Policy(string) *iam.Policy { return nil }

// Fail implements sandbox.Service.
func (s *Clusters) Fail(w http.ResponseWriter, _ *http.Request, requestID string, err *sandbox.APIError) {
	query.Fail(w, requestID, clusterNamespace, err)
}

// numbered gives the values of name.1, .2, ... in order.
func numbered(form url.Values, name string) []string {
	var out []string
	for i := 1; form.Has(name + "." + strconv.Itoa(i)); i++ {
		out = append(out, form.Get(name+"."+strconv.Itoa(i)))
	}
	return out
}

// Needs checks the parameters and declares the action and every role that is
// handed to Redshift.
func (s *Clusters) Needs(c *sandbox.Call) ([]sandbox.Need, error) {
	form := c.Form()
	action := form.Get("Action")
	op, ok := clusterOperations[action]
	if !ok {
		return nil, query.UnknownAction(form)
	}
	c.Action = "redshift:" + action
	known := strings.Fields(op.required + " " + op.optional + " Action Version")
	for _, name := range slices.Sorted(maps.Keys(form)) {
		list := name[:max(0, strings.LastIndexByte(name, '.'))]
		if !slices.Contains(known, name) && !slices.Contains(known, list) && !strings.HasPrefix(name, "X-Amz-") {
			return nil, fault(400, "UnsupportedOperation", "The sandbox does not implement the parameter %s of %s.", name, action)
		}
	}
	if err := query.Check(form, clusterRules).Required(strings.Fields(op.required)...).Optional(strings.Fields(op.optional)...).Err(); err != nil {
		return nil, err
	}
	q := &clusterCall{Redshift: s.Redshift, Call: c, form: form, account: c.Caller.Principal.Account, name: form.Get("ClusterIdentifier")}
	c.Prepared = q
	name := q.name
	if name == "" {
		name = "*"
	}
	needs := []sandbox.Need{{Action: c.Action, Resource: iam.Resource{ARN: clusterARN(c.Region, q.account, name), Account: q.account}}}
	return append(needs, passing(q.account, "redshift.amazonaws.com", q.added())...), nil
}

// added are the roles that the call attaches.
func (q *clusterCall) added() []string {
	return append(numbered(q.form, "IamRoles.IamRoleArn"), numbered(q.form, "AddIamRoles.IamRoleArn")...)
}

// Serve carries out the operation.
func (s *Clusters) Serve(w http.ResponseWriter, c *sandbox.Call) error {
	out, err := clusterOperations[strings.TrimPrefix(c.Action, "redshift:")].run(c.Prepared.(*clusterCall))
	if err != nil {
		return err
	}
	return query.Write(w, c, clusterNamespace, out)
}

type clusterRole struct {
	IamRoleArn  string
	ApplyStatus string
}

type endpointXML struct {
	Address string
	Port    int
}

type clusterXML struct {
	ClusterIdentifier         string
	NodeType                  string
	ClusterStatus             string
	ClusterAvailabilityStatus string
	MasterUsername            string
	DBName                    string
	Endpoint                  endpointXML
	ClusterCreateTime         string
	NumberOfNodes             int
	IamRoles                  []clusterRole `xml:"IamRoles>ClusterIamRole"`
	DefaultIamRoleArn         string        `xml:",omitempty"`
	ClusterNamespaceArn       string
}

type clusterOutput struct{ Cluster clusterXML }

func (w *warehouse) xml() clusterXML {
	x := clusterXML{ClusterIdentifier: w.Name, NodeType: w.NodeType, ClusterStatus: "available", ClusterAvailabilityStatus: "Available",
		MasterUsername: w.User, DBName: w.Database, ClusterCreateTime: w.Created.UTC().Format(time.RFC3339), NumberOfNodes: w.Nodes,
		Endpoint:          endpointXML{w.Name + ".sandbox." + w.Region + ".redshift.amazonaws.com", w.Port},
		DefaultIamRoleArn: w.Default, ClusterNamespaceArn: "arn:aws:redshift:" + w.Region + ":" + w.Account + ":namespace:" + w.ID}
	for _, arn := range w.Roles {
		x.IamRoles = append(x.IamRoles, clusterRole{arn, "in-sync"})
	}
	return x
}

func invalidParameter(format string, args ...any) error {
	return fault(400, "InvalidParameterValue", format, args...)
}

// setDefault makes one of the attached roles the default.
func (w *warehouse) setDefault(arn string) error {
	if arn == "" {
		return nil
	}
	if !slices.Contains(w.Roles, arn) {
		return invalidParameter("The default IAM role %s is not attached to %s %s", arn, w.Kind, w.Name)
	}
	w.Default = arn
	return nil
}

func (q *clusterCall) create() (any, error) {
	w := &warehouse{Kind: cluster, Name: q.name, Account: q.account, Region: q.Region, ID: newID(), Created: q.Now.UTC().Truncate(time.Second),
		Database: q.form.Get("DBName"), User: q.form.Get("MasterUsername"), NodeType: q.form.Get("NodeType"), Nodes: 1, Port: 5439}
	if w.Database == "" {
		w.Database = "dev"
	}
	if n, err := strconv.Atoi(q.form.Get("NumberOfNodes")); err == nil {
		w.Nodes = n
	}
	if n, err := strconv.Atoi(q.form.Get("Port")); err == nil {
		w.Port = n
	}
	if kind := q.form.Get("ClusterType"); kind == "single-node" && w.Nodes > 1 || kind == "multi-node" && w.Nodes < 2 {
		return nil, fault(400, "InvalidParameterCombination", "Number of nodes %d does not fit the cluster type %s", w.Nodes, kind)
	}
	if err := q.checkRoles(q.account, q.added()); err != nil {
		return nil, invalidParameter("%s", err)
	}
	w.attach(q.added(), nil)
	if len(w.Roles) > maxRoles {
		return nil, invalidParameter("A cluster has at most %d IAM roles", maxRoles)
	}
	if err := w.setDefault(q.form.Get("DefaultIamRoleArn")); err != nil {
		return nil, err
	}
	err := q.change(q.Region, q.account, cluster, q.name, func(old *warehouse) (*warehouse, error) {
		if old != nil {
			return nil, fault(400, "ClusterAlreadyExists", "Cluster already exists")
		}
		return w, nil
	})
	return clusterOutput{w.xml()}, err
}

func notFound(name string) error {
	return fault(404, "ClusterNotFound", "Cluster %s not found.", name)
}

type clustersOutput struct {
	Clusters []clusterXML `xml:"Clusters>Cluster"`
	Marker   string       `xml:",omitempty"`
}

func (q *clusterCall) describe() (any, error) {
	limit := 100
	if n, err := strconv.Atoi(q.form.Get("MaxRecords")); err == nil {
		limit = n
	}
	all, err := q.list(q.Region, q.account, cluster)
	if err != nil {
		return nil, err
	}
	var out clustersOutput
	for _, w := range all {
		switch {
		case q.name != "" && w.Name != q.name || w.Name <= q.form.Get("Marker"):
		case len(out.Clusters) == limit:
			out.Marker = out.Clusters[limit-1].ClusterIdentifier
			return out, nil
		default:
			out.Clusters = append(out.Clusters, w.xml())
		}
	}
	if q.name != "" && len(out.Clusters) == 0 {
		return nil, notFound(q.name)
	}
	return out, nil
}

func (q *clusterCall) modify() (any, error) {
	var out clusterOutput
	if err := q.checkRoles(q.account, q.added()); err != nil {
		return nil, invalidParameter("%s", err)
	}
	return &out, q.change(q.Region, q.account, cluster, q.name, func(w *warehouse) (*warehouse, error) {
		if w == nil {
			return nil, notFound(q.name)
		}
		w.attach(q.added(), numbered(q.form, "RemoveIamRoles.IamRoleArn"))
		if len(w.Roles) > maxRoles {
			return nil, invalidParameter("A cluster has at most %d IAM roles", maxRoles)
		}
		err := w.setDefault(q.form.Get("DefaultIamRoleArn"))
		out.Cluster = w.xml()
		return w, err
	})
}

func (q *clusterCall) delete() (any, error) {
	if q.form.Get("SkipFinalClusterSnapshot") != "true" {
		return nil, fault(400, "UnsupportedOperation", "The sandbox takes no snapshots: set SkipFinalClusterSnapshot to true.")
	}
	var out clusterOutput
	return &out, q.change(q.Region, q.account, cluster, q.name, func(w *warehouse) (*warehouse, error) {
		if w == nil {
			return nil, notFound(q.name)
		}
		out.Cluster = w.xml()
		out.Cluster.ClusterStatus = "deleting"
		return nil, nil
	})
}
