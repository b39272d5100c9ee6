package s3

import (
	"encoding/xml"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"
)

// ownerEnforced is the ownership of new buckets: ACLs are disabled.
const ownerEnforced = "BucketOwnerEnforced"

// listBuckets answers ListBuckets.
func (s *Service) listBuckets(w http.ResponseWriter, q *request) error {
	limit := 10000
	if text := q.query.Get("max-buckets"); text != "" {
		n, err := strconv.Atoi(text)
		if limit = n; err != nil || n < 1 || n > 10000 {
			return invalidArgument("Argument max-buckets must be an integer between 1 and 10000", "max-buckets", text)
		}
	}
	after := ""
	if token := q.query.Get("continuation-token"); token != "" {
		var ok bool
		if after, ok = readToken(token, ""); !ok {
			return invalidArgument("The continuation token provided is incorrect", "continuation-token", token)
		}
	}
	prefix, region := q.query.Get("prefix"), q.query.Get("bucket-region")
	me := q.Caller.Principal.Account
	res := &listBucketsResult{Owner: ownerXML{ID: owner(me)}, Prefix: prefix}
	for _, b := range s.store.list() {
		if b.Account != me || b.Table != "" || b.Name <= after || !strings.HasPrefix(b.Name, prefix) || region != "" && region != b.Region {
			continue
		}
		if len(res.Buckets) == limit {
			res.ContinuationToken = newToken(res.Buckets[limit-1].Name, "")
			break
		}
		res.Buckets = append(res.Buckets, bucketXML{Name: b.Name, CreationDate: isoTime(b.Created), BucketRegion: b.Region, BucketARN: b.arn()})
	}
	return writeXML(w, res)
}

// createBucket answers CreateBucket.
func (s *Service) createBucket(w http.ResponseWriter, q *request) error {
	if !validBucketName(q.bucket) {
		return apiError(400, "InvalidBucketName", "The specified bucket is not valid.", "BucketName", q.bucket)
	}
	body, err := readBody(q.r, maxXML)
	if err != nil {
		return err
	}
	var conf createConfiguration
	if len(body) > 0 {
		if err := decode(body, &conf); err != nil {
			return err
		}
	}
	region, err := bucketRegion(q.Region, conf.LocationConstraint)
	if err != nil {
		return err
	}
	h := q.r.Header
	if strings.EqualFold(h.Get("X-Amz-Bucket-Object-Lock-Enabled"), "true") {
		return notImplemented("object lock (header x-amz-bucket-object-lock-enabled)")
	}
	if conf.Bucket != nil || conf.Location != nil {
		return notImplemented("directory buckets")
	}
	b := &bucket{Name: q.bucket, Account: q.Caller.Principal.Account, Region: region, Created: q.Now.UTC().Truncate(time.Second),
		Ownership: ownerEnforced, Access: publicAccess{true, true, true, true, true}}
	if v := h.Get("X-Amz-Object-Ownership"); v != "" {
		if !slices.Contains(ownerships, v) {
			return invalidArgument("Invalid x-amz-object-ownership header: "+v, "x-amz-object-ownership", v)
		}
		b.Ownership = v
	}
	if err := refuseACL(b, h); err != nil {
		return err
	}
	if len(conf.Tags) > maxBucketTags {
		return tooManyTags(maxBucketTags)
	}
	if b.Tags, err = tagMap(conf.Tags); err != nil {
		return err
	}
	taken, err := s.store.create(b)
	if err != nil {
		return err
	}
	switch {
	case taken == nil:
	case taken.Account != b.Account:
		return apiError(409, "BucketAlreadyExists", "The requested bucket name is not available. The bucket namespace is shared by all users of the system. "+
			"Please select a different name and try again.", "BucketName", q.bucket)
	// "CreateBucket", S3 API Reference: in us-east-1 the owner is answered
	// with 200.
	case taken.Region != "us-east-1" || region != "us-east-1":
		return apiError(409, "BucketAlreadyOwnedByYou", "Your previous request to create the named bucket succeeded and you already own it.",
			"BucketName", q.bucket)
	}
	w.Header().Set("Location", "/"+q.bucket)
	w.Header().Set("X-Amz-Bucket-Arn", b.arn())
	return nil
}

// bucketRegion is where CreateBucket makes a bucket: the endpoint of us-east-1
// makes them anywhere, every other one in its own region only.
func bucketRegion(endpoint, constraint string) (string, error) {
	wanted := constraint
	switch {
	case constraint == "" && endpoint == "us-east-1":
		return endpoint, nil
	case constraint == "":
		return "", apiError(400, "IllegalLocationConstraintException",
			"The unspecified location constraint is incompatible for the region specific endpoint this request was sent to.")
	case constraint == "EU":
		wanted = "eu-west-1"
	case constraint == "us-east-1", strings.Count(constraint, "-") < 2:
		return "", apiError(400, "InvalidLocationConstraint", "The specified location-constraint is not valid", "LocationConstraint", constraint)
	}
	if endpoint != "us-east-1" && endpoint != wanted {
		return "", apiError(400, "IllegalLocationConstraintException", "The "+constraint+
			" location constraint is incompatible for the region specific endpoint this request was sent to.")
	}
	return wanted, nil
}

// headBucket answers HeadBucket.
func (s *Service) headBucket(w http.ResponseWriter, q *request) error {
	w.Header().Set("X-Amz-Bucket-Region", q.b.Region)
	w.Header().Set("X-Amz-Bucket-Arn", q.b.arn())
	w.Header().Set("X-Amz-Access-Point-Alias", "false")
	return nil
}

// deleteBucket answers DeleteBucket.
func (s *Service) deleteBucket(w http.ResponseWriter, q *request) error {
	if err := s.store.delete(q.bucket); err != nil {
		return err
	}
	w.WriteHeader(http.StatusNoContent)
	return nil
}

// getLocation answers GetBucketLocation, which gives the oldest regions names
// of their own.
func (s *Service) getLocation(w http.ResponseWriter, q *request) error {
	region := q.b.Region
	if region == "us-east-1" {
		region = ""
	}
	return writeXML(w, &locationResult{Region: region})
}

func (s *Service) getVersioning(w http.ResponseWriter, q *request) error {
	return writeXML(w, &versioningXML{Status: q.b.Versioning})
}

func (s *Service) putVersioning(_ http.ResponseWriter, q *request) error {
	var v versioningXML
	if err := q.decode(&v); err != nil {
		return err
	}
	switch {
	case v.MFADelete == "Enabled":
		return notImplemented("MFA delete")
	case v.Status != "Enabled" && v.Status != "Suspended":
		return apiError(400, "IllegalVersioningConfigurationException", "The Versioning element must be specified")
	}
	return s.change(q, func(b *bucket) { b.Versioning = v.Status })
}

// change stores a changed record of the bucket.
func (s *Service) change(q *request, f func(*bucket)) error {
	return s.store.update(q.bucket, func(t *tx) error { return t.change(f) })
}

// changed is change for calls that answer 204.
func (s *Service) changed(w http.ResponseWriter, q *request, f func(*bucket)) error {
	if err := s.change(q, f); err != nil {
		return err
	}
	w.WriteHeader(http.StatusNoContent)
	return nil
}

func (s *Service) getPublicAccess(w http.ResponseWriter, q *request) error {
	a := q.b.Access
	if !a.Set {
		return apiError(404, "NoSuchPublicAccessBlockConfiguration", "The public access block configuration was not found", "BucketName", q.bucket)
	}
	return writeXML(w, &publicAccessXML{BlockAcls: a.BlockAcls, IgnoreAcls: a.IgnoreAcls, Policy: a.Policy, Restrict: a.Restrict})
}

func (s *Service) putPublicAccess(_ http.ResponseWriter, q *request) error {
	var x publicAccessXML
	if err := q.decode(&x); err != nil {
		return err
	}
	return s.change(q, func(b *bucket) { b.Access = publicAccess{true, x.BlockAcls, x.IgnoreAcls, x.Policy, x.Restrict} })
}

func (s *Service) deletePublicAccess(w http.ResponseWriter, q *request) error {
	return s.changed(w, q, func(b *bucket) { b.Access = publicAccess{} })
}

var ownerships = []string{ownerEnforced, "BucketOwnerPreferred", "ObjectWriter"}

func (s *Service) getOwnership(w http.ResponseWriter, q *request) error {
	if q.b.Ownership == "" {
		return apiError(404, "OwnershipControlsNotFoundError", "The bucket ownership controls were not found", "BucketName", q.bucket)
	}
	x := &ownershipXML{}
	x.Rule = append(x.Rule, ownershipRule{q.b.Ownership})
	return writeXML(w, x)
}

func (s *Service) putOwnership(_ http.ResponseWriter, q *request) error {
	var x ownershipXML
	if err := q.decode(&x); err != nil {
		return err
	}
	if len(x.Rule) != 1 || !slices.Contains(ownerships, x.Rule[0].ObjectOwnership) {
		return malformedXML()
	}
	return s.change(q, func(b *bucket) { b.Ownership = x.Rule[0].ObjectOwnership })
}

func (s *Service) deleteOwnership(w http.ResponseWriter, q *request) error {
	return s.changed(w, q, func(b *bucket) { b.Ownership = "" })
}

// getACL answers what every bucket and object has without ACLs: its owner's
// full control.
func (s *Service) getACL(w http.ResponseWriter, q *request) error {
	if q.key != "" {
		if _, err := s.readable(w, q); err != nil {
			return err
		}
	}
	id := owner(q.b.Account)
	x := &aclXML{Owner: ownerXML{ID: id}}
	x.Grant = append(x.Grant, grantXML{Grantee: granteeXML{Type: "CanonicalUser", NS: "http://www.w3.org/2001/XMLSchema-instance", ID: id}, Permission: "FULL_CONTROL"})
	return writeXML(w, x)
}

func (s *Service) putACL(_ http.ResponseWriter, q *request) error {
	if err := refuseACL(q.b, q.r.Header); err != nil {
		return err
	}
	if hasACL(q.r.Header) {
		return nil
	}
	if q.b.Ownership == ownerEnforced {
		return apiError(400, "AccessControlListNotSupported", "The bucket does not allow ACLs")
	}
	return notImplemented("ACLs other than private and bucket-owner-full-control")
}

// unset are the configurations that the sandbox does not have: reading them
// says that none is set, as Terraform asks, and writing them is refused by
// name.
var unset = []struct {
	sub, name, action string
	get               func(*Service, http.ResponseWriter, *request) error
}{
	{"cors", "Cors", "BucketCORS", notFound("NoSuchCORSConfiguration", "The CORS configuration does not exist")},
	{"lifecycle", "LifecycleConfiguration", "LifecycleConfiguration", notFound("NoSuchLifecycleConfiguration", "The lifecycle configuration does not exist")},
	{"website", "Website", "BucketWebsite", notFound("NoSuchWebsiteConfiguration", "The specified bucket does not have a website configuration")},
	{"replication", "Replication", "ReplicationConfiguration", notFound("ReplicationConfigurationNotFoundError", "The replication configuration was not found")},
	{"object-lock", "ObjectLockConfiguration", "BucketObjectLockConfiguration",
		notFound("ObjectLockConfigurationNotFoundError", "Object Lock configuration does not exist for this bucket")},
	{"notification", "Notification", "BucketNotification", empty("NotificationConfiguration")},
	{"logging", "Logging", "BucketLogging", empty("BucketLoggingStatus")},
	{"accelerate", "Accelerate", "AccelerateConfiguration", empty("AccelerateConfiguration")},
	{"requestPayment", "RequestPayment", "BucketRequestPayment", func(_ *Service, w http.ResponseWriter, _ *request) error {
		return writeXML(w, &requestPaymentXML{Payer: "BucketOwner"})
	}},
	{"analytics", "Analytics", "AnalyticsConfiguration", empty("ListBucketAnalyticsConfigurationsResult")},
	{"inventory", "Inventory", "InventoryConfiguration", empty("ListInventoryConfigurationsResult")},
	{"metrics", "Metrics", "MetricsConfiguration", empty("ListMetricsConfigurationsResult")},
	{"intelligent-tiering", "IntelligentTiering", "IntelligentTieringConfiguration", empty("ListBucketIntelligentTieringConfigurationsResult")},
}

func notFound(code, message string) func(*Service, http.ResponseWriter, *request) error {
	return func(_ *Service, _ http.ResponseWriter, q *request) error {
		return apiError(404, code, message, "BucketName", q.bucket)
	}
}

func empty(root string) func(*Service, http.ResponseWriter, *request) error {
	return func(_ *Service, w http.ResponseWriter, _ *request) error {
		return writeXML(w, &struct{ XMLName xml.Name }{xml.Name{Space: namespace, Local: root}})
	}
}
