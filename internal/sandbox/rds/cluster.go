package rds

import (
	"strings"
	"time"
)

// A cluster's server is one: it comes up with the cluster, is reached once an
// instance has joined, and by the writer's endpoint, the reader's and the
// instance's own alike. Users, IAM authentication and the port are the
// cluster's ("Amazon Aurora DB clusters", Amazon Aurora User Guide).

// join makes the instance of a cluster.
func (q *call) join() (any, error) {
	of, err := q.find(cluster, strings.ToLower(q.form.Get("DBClusterIdentifier")))
	if err != nil {
		return nil, err
	}
	if engine := q.form.Get("Engine"); engine != of.Engine {
		return nil, fault(400, "InvalidParameterCombination", "The engine name requested for your DB instance (%s) is incompatible with the engine name of your DB cluster (%s).", engine, of.Engine)
	}
	for _, one := range [][2]string{{"MasterUsername", "master user name"}, {"MasterUserPassword", "master user password"}, {"DBName", "database name"},
		{"Port", "port"}, {"AllocatedStorage", "storage"}, {"EnableIAMDatabaseAuthentication", "IAM database authentication"}} {
		if q.form.Has(one[0]) {
			return nil, ofCluster(one[1])
		}
	}
	if of.Member != "" {
		return nil, fault(400, "InvalidParameterCombination", "The sandbox runs one server for a cluster and no Aurora Replicas: %s has its instance, %s.", of.Name, of.Member)
	}
	if version := q.form.Get("EngineVersion"); version != "" && version != of.Version {
		return nil, fault(400, "InvalidParameterCombination", "The engine version that you requested for your DB instance (%s) does not match the engine version of your DB cluster (%s).", version, of.Version)
	}
	d := &database{Kind: instance, Name: q.name, Account: q.account, Region: q.Region, ID: newID(instance), Cluster: of.Name, Engine: of.Engine, Version: of.Version,
		Class: q.form.Get("DBInstanceClass"), Storage: 1, Created: q.Now.UTC().Truncate(time.Second)}
	of.Member = d.Name
	if err := q.save(d, of); err != nil {
		return nil, err
	}
	return d.within(of).shape("creating"), nil
}

// ofCluster refuses to set for an instance what its cluster has. The words are
// those that RDS has for the master user's password; Assumed: for the rest.
func ofCluster(what string) error {
	return fault(400, "InvalidParameterCombination", "The requested DB Instance will be a member of a DB Cluster. Set %s for the DB Cluster.", what)
}

// within is the instance with what it has of its cluster.
func (d *database) within(of *database) *database {
	x := *d
	x.Port, x.IAM, x.User, x.Initial = of.Port, of.IAM, of.User, of.Initial
	return &x
}

// leave takes the instance out of its cluster, whose files stay.
func (q *call) leave(d *database) (any, error) {
	of, err := q.find(cluster, d.Cluster)
	if err != nil {
		return nil, err
	}
	of.Member = ""
	if err := q.save(of); err != nil {
		return nil, err
	}
	return d.within(of).shape("deleting"), q.remove(d)
}
