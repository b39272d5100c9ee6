package rds

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"

	"go.etcd.io/bbolt"
)

// parameterGroup is a DB parameter group of instances ("Parameter groups for
// Amazon RDS"): a static parameter counts from the next reboot on, a dynamic
// one at once.
type parameterGroup struct {
	Name, Account, Region string
	Family, Description   string
	Values                map[string]string
}

// groups is the kind that ARNs of parameter groups spell.
const groups = "pg"

var groupBucket = []byte("rds-parameters")

func (g *parameterGroup) arn() string { return arnOf(g.Region, g.Account, groups, g.Name) }

// Parameters of PostgreSQL ("Performing logical replication for Amazon RDS for
// PostgreSQL"; IAM authentication of replication connections).
const (
	logicalReplication = "rds.logical_replication"
	tokensReplicate    = "rds.iam_auth_for_replication"
)

// static tells of each parameter that the sandbox has whether it is static.
var static = map[string]bool{logicalReplication: true, tokensReplicate: false}

// family is that of the servers whose parameters the sandbox knows.
func family(version string) string {
	major, _, _ := strings.Cut(version, ".")
	return "postgres" + major
}

type groupXML struct {
	DBParameterGroupName   string
	DBParameterGroupFamily string
	Description            string
	DBParameterGroupArn    string
}

func (g *parameterGroup) shape() any {
	return struct{ DBParameterGroup groupXML }{groupXML{g.Name, g.Family, g.Description, g.arn()}}
}

// group reads a group, nil if there is none.
func (s *Service) group(region, account, name string) (g *parameterGroup, err error) {
	err = s.server.DB().View(func(tx *bbolt.Tx) error {
		text := tx.Bucket(groupBucket).Get([]byte(arnOf(region, account, groups, name)))
		if text == nil {
			return nil
		}
		g = &parameterGroup{}
		return json.Unmarshal(text, g)
	})
	return g, err
}

func (s *Service) saveGroup(g *parameterGroup) error {
	text, err := json.Marshal(g)
	if err != nil {
		return err
	}
	return s.server.DB().Update(func(tx *bbolt.Tx) error { return tx.Bucket(groupBucket).Put([]byte(g.arn()), text) })
}

func (q *call) findGroup(name string) (*parameterGroup, error) {
	g, err := q.group(q.Region, q.account, strings.ToLower(name))
	if err == nil && g == nil {
		return nil, fault(404, "DBParameterGroupNotFound", "DBParameterGroup not found: %s", name)
	}
	return g, err
}

func (q *call) createGroup() (any, error) {
	if old, err := q.group(q.Region, q.account, q.name); err != nil {
		return nil, err
	} else if old != nil {
		return nil, fault(400, "DBParameterGroupAlreadyExists", "Parameter group %s already exists", q.name)
	}
	if of := q.form.Get("DBParameterGroupFamily"); of != family(engines["postgres"].version) {
		return nil, fault(400, "InvalidParameterValue", "The sandbox knows the parameters of %s only, not of %s.", family(engines["postgres"].version), of)
	}
	g := &parameterGroup{Name: q.name, Account: q.account, Region: q.Region, Family: q.form.Get("DBParameterGroupFamily"), Description: q.form.Get("Description"), Values: map[string]string{}}
	return g.shape(), q.saveGroup(g)
}

// parameterField tells the fields of Parameters.Parameter.N.
func parameterField(name string) bool {
	rest, is := strings.CutPrefix(name, "Parameters.Parameter.")
	n, field, _ := strings.Cut(rest, ".")
	return is && n != "" && strings.Trim(n, "0123456789") == "" && slices.Contains([]string{"ParameterName", "ParameterValue", "ApplyMethod"}, field)
}

func (q *call) modifyGroup() (any, error) {
	g, err := q.findGroup(q.name)
	if err != nil {
		return nil, err
	}
	at := func(n int, field string) string {
		return q.form.Get(fmt.Sprintf("Parameters.Parameter.%d.%s", n, field))
	}
	dynamic := map[string]string{}
	for n := 1; at(n, "ParameterName") != ""; n++ {
		name, value, method := at(n, "ParameterName"), at(n, "ParameterValue"), at(n, "ApplyMethod")
		fixed, known := static[name]
		switch {
		case !known:
			return nil, fault(400, "InvalidParameterValue", "Could not find parameter with name: %s. The sandbox has: %s.", name, strings.Join(slices.Sorted(maps.Keys(static)), ", "))
		case value != "0" && value != "1":
			return nil, fault(400, "InvalidParameterValue", "Invalid parameter value: %s for: %s allowed values are: 0,1", value, name)
		case method != "immediate" && method != "pending-reboot":
			return nil, fault(400, "InvalidParameterValue", "ApplyMethod of %s is %q: it is immediate or pending-reboot.", name, method)
		case method == "immediate" && fixed:
			return nil, fault(400, "InvalidParameterCombination", "cannot use immediate apply method for static parameter")
		case method == "immediate":
			dynamic[name] = value
		}
		g.Values[name] = value
	}
	if err := q.saveGroup(g); err != nil {
		return nil, err
	}
	all, err := q.list(q.Region, q.account, instance)
	if err != nil {
		return nil, err
	}
	for _, d := range all {
		// A group that was given to an instance counts from a reboot on.
		if d.Parameters != g.Name || d.Waiting || len(dynamic) == 0 {
			continue
		}
		if d.Applied == nil {
			d.Applied = map[string]string{}
		}
		maps.Copy(d.Applied, dynamic)
		if err := q.save(d); err != nil {
			return nil, err
		}
		if err := q.reload(q.Request.Context(), d); err != nil {
			return nil, err
		}
	}
	return struct{ DBParameterGroupName string }{g.Name}, nil
}

func (q *call) describeGroups() (any, error) {
	var out struct {
		DBParameterGroups []groupXML `xml:"DBParameterGroups>DBParameterGroup"`
	}
	if q.name != "" {
		g, err := q.findGroup(q.name)
		if err != nil {
			return nil, err
		}
		out.DBParameterGroups = []groupXML{{g.Name, g.Family, g.Description, g.arn()}}
		return out, nil
	}
	prefix := arnOf(q.Region, q.account, groups, "")
	err := q.server.DB().View(func(tx *bbolt.Tx) error {
		c := tx.Bucket(groupBucket).Cursor()
		for k, v := c.Seek([]byte(prefix)); strings.HasPrefix(string(k), prefix); k, v = c.Next() {
			var g parameterGroup
			if err := json.Unmarshal(v, &g); err != nil {
				return err
			}
			out.DBParameterGroups = append(out.DBParameterGroups, groupXML{g.Name, g.Family, g.Description, g.arn()})
		}
		return nil
	})
	return out, err
}

func (q *call) deleteGroup() (any, error) {
	g, err := q.findGroup(q.name)
	if err != nil {
		return nil, err
	}
	all, err := q.list(q.Region, q.account, instance)
	if err != nil {
		return nil, err
	}
	if slices.ContainsFunc(all, func(d *database) bool { return d.Parameters == g.Name }) {
		return nil, fault(400, "InvalidDBParameterGroupState", "One or more database instances are still members of this parameter group %s, so the group cannot be deleted", g.Name)
	}
	return struct{}{}, q.server.DB().Update(func(tx *bbolt.Tx) error { return tx.Bucket(groupBucket).Delete([]byte(g.arn())) })
}

// useGroup gives an instance the group that the form names, if it names one.
func (q *call) useGroup(d *database) error {
	name := q.form.Get("DBParameterGroupName")
	if name == "" {
		return nil
	}
	g, err := q.findGroup(name)
	if err != nil {
		return err
	}
	if d.Engine != "postgres" {
		return fault(400, "InvalidParameterCombination", "The Parameter Group %s with DBParameterGroupFamily %s cannot be used for this instance.", g.Name, g.Family)
	}
	d.Parameters, d.Waiting = g.Name, true
	return nil
}

// apply takes the values of the database's group over, as a start does.
func (s *Service) apply(d *database) error {
	d.Applied, d.Waiting = map[string]string{}, false
	if d.Parameters == "" {
		return nil
	}
	g, err := s.group(d.Region, d.Account, d.Parameters)
	if err == nil && g != nil {
		maps.Copy(d.Applied, g.Values)
	}
	return err
}

// reboot ends the server of an instance and starts it with its parameters.
func (q *call) reboot() (any, error) {
	d, err := q.find(q.kind, q.name)
	switch {
	case err != nil:
		return nil, err
	case d.Cluster != "":
		return nil, ofCluster("reboot")
	}
	q.mu.Lock()
	r := q.running[d.ID]
	q.mu.Unlock()
	if r != nil {
		r.close()
	}
	if err := q.apply(d); err != nil {
		return nil, err
	}
	if err := q.start(d, ""); err != nil {
		return nil, err
	}
	return d.shape("rebooting"), q.save(d)
}
