package doctor

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/xml"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"

	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"
	"github.com/aws/smithy-go"

	"lakeport/internal/awsauth"
	"lakeport/internal/iam"
)

// database is an instance or cluster of RDS, as its lists tell it.
type database struct {
	Instance string `xml:"DBInstanceIdentifier"`
	Cluster  string `xml:"DBClusterIdentifier"`
	OfOne    string `xml:"DbiResourceId"`
	OfAll    string `xml:"DbClusterResourceId"`
	IAM      bool   `xml:"IAMDatabaseAuthenticationEnabled"`
}

// databases are those of an account in a region.
type databases struct {
	unread string
	list   []database
}

// listed are the lists and what their answers hold ("DescribeDBInstances" and
// "DescribeDBClusters", Amazon RDS API Reference).
type listed struct {
	Instances []database `xml:"DescribeDBInstancesResult>DBInstances>DBInstance"`
	Clusters  []database `xml:"DescribeDBClustersResult>DBClusters>DBCluster"`
	Marker    string     `xml:"DescribeDBInstancesResult>Marker"`
	After     string     `xml:"DescribeDBClustersResult>Marker"`
}

// pagesMax bounds how many pages of a list are read, of a hundred databases each.
const pagesMax = 100

// databases reads which databases let tokens in.
func (e *Exam) databases(ctx context.Context, region, account string) *databases {
	key := region + ":" + account
	if d := e.rds[key]; d != nil {
		return d
	}
	d := &databases{}
	e.rds[key] = d
	reader, why := e.reader(account)
	if why != "" {
		d.unread = why
		return d
	}
	reader.Region = region
	for _, action := range []string{"DescribeDBInstances", "DescribeDBClusters"} {
		marker := ""
		for range pagesMax {
			body, err := e.askRDS(ctx, reader, url.Values{"Action": {action}, "Version": {"2014-10-31"}, "MaxRecords": {"100"}, "Marker": {marker}})
			var page listed
			if err == nil {
				page, err = parseDatabases(body)
			}
			if err != nil {
				d.unread = e.told(ctx, err, reader, "rds:"+action)
				return d
			}
			d.list = append(append(d.list, page.Instances...), page.Clusters...)
			if marker = page.Marker + page.After; marker == "" {
				break
			}
		}
	}
	return d
}

func parseDatabases(body []byte) (page listed, err error) {
	if err = xml.Unmarshal(body, &page); err != nil {
		err = fmt.Errorf("read the answer of RDS: %w", err)
	}
	return page, err
}

// askRDS sends a call in RDS's form-encoded protocol and gives the answer's body.
func (e *Exam) askRDS(ctx context.Context, s awsauth.Spec, form url.Values) ([]byte, error) {
	if form.Get("Marker") == "" {
		form.Del("Marker")
	}
	at := e.o.Resolver.Endpoint("rds", s)
	if at == "" {
		at = "https://rds." + s.Region + ".amazonaws.com"
	}
	text := form.Encode()
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, strings.TrimRight(at, "/")+"/", strings.NewReader(text))
	if err != nil {
		return nil, fmt.Errorf("ask RDS: %w", err)
	}
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded; charset=utf-8")
	cfg := e.o.Resolver.Config(s, "rds")
	keys, err := cfg.Credentials.Retrieve(ctx)
	if err != nil {
		return nil, err
	}
	sum := sha256.Sum256([]byte(text))
	if err := v4.NewSigner().SignHTTP(ctx, keys, req, hex.EncodeToString(sum[:]), "rds", s.Region, time.Now()); err != nil {
		return nil, fmt.Errorf("sign for RDS: %w", err)
	}
	resp, err := cfg.HTTPClient.Do(req)
	if err != nil {
		return nil, fmt.Errorf("ask RDS: %w", err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(io.LimitReader(resp.Body, 16<<20))
	if err != nil {
		return nil, fmt.Errorf("read the answer of RDS: %w", err)
	}
	if resp.StatusCode == http.StatusOK {
		return body, nil
	}
	refusal := struct {
		Code    string `xml:"Error>Code"`
		Message string `xml:"Error>Message"`
	}{Code: resp.Status}
	_ = xml.Unmarshal(body, &refusal) // else the status tells enough
	return nil, &smithy.GenericAPIError{Code: refusal.Code, Message: refusal.Message}
}

// switched judges an allowed login further: the database must have IAM
// authentication switched on ("Enabling and disabling IAM database
// authentication", Amazon RDS User Guide).
func (e *Exam) switched(ctx context.Context, r iam.Request, step *Step) {
	parts := strings.SplitN(step.Resource, ":", 7) // arn:aws:rds-db:region:account:dbuser:id/user
	if r.Action != "rds-db:connect" || step.Answer != Allowed || len(parts) < 7 {
		return
	}
	id, _, _ := strings.Cut(parts[6], "/")
	all := e.databases(ctx, parts[3], parts[4])
	if all.unread != "" {
		step.Answer, step.Reason = Unknown, "whether the database has IAM authentication switched on cannot be read: "+all.unread
		return
	}
	for _, d := range all.list {
		name, call := d.Instance, "ModifyDBInstance"
		switch {
		case d.OfAll == id:
			name, call = d.Cluster, "ModifyDBCluster"
		case d.OfOne != id:
			continue
		}
		if !d.IAM {
			step.Answer, step.Reason = Denied, "IAM authentication is switched off for the database "+name
			step.Fixes = []Fix{{To: "the settings of database " + name + " in account " + parts[4] + " by " + call, Policy: `{"EnableIAMDatabaseAuthentication":true}`}}
		}
		return
	}
	step.Answer, step.Reason = Unknown, "account "+parts[4]+" has no database of resource id "+id+" in "+parts[3]
}
