package catalog

import (
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"

	"lakeport/internal/metastore/glue"
	"lakeport/internal/metastore/hms"
)

// metastore reads which metastore a catalog has: Glue, or Hive's where
// hive.metastore.type is absent.
func (c *checker) metastore(s *spec) {
	if strings.EqualFold(c.props["hive.metastore.type"], "glue") {
		s.glue = c.glue(s)
		c.useless(s, "with Glue", func(key string) bool { return key == "hive.metastore.uris" || key == "hive.metastore.timeout" })
	} else {
		s.hms = c.hms()
		c.useless(s, "with a Hive metastore", func(key string) bool {
			return strings.HasPrefix(key, "aws.glue.") || key == "hive.metastore.glue.catalogid"
		})
	}
	s.cache = c.cache(s)
}

// useless warns of keys that mean nothing here.
func (c *checker) useless(s *spec, here string, is func(key string) bool) {
	for key := range c.at {
		if is(key) {
			s.warnings = append(s.warnings, fmt.Sprintf("property %q has no effect %s", key, here))
		}
	}
}

func (c *checker) glue(s *spec) *glueStore {
	g := &glueStore{auth: c.identity("aws.glue", s), Options: glue.Options{
		CatalogID:         c.either("aws.glue.catalog_id", "hive.metastore.glue.catalogid"),
		ResourceShareType: strings.ToUpper(c.props["aws.glue.resource_share_type"]),
	}}
	switch g.ResourceShareType {
	case "", "FOREIGN", "FEDERATED", "ALL":
	default:
		c.fault(c.at["aws.glue.resource_share_type"].ValuePos, `"aws.glue.resource_share_type" must be FOREIGN, FEDERATED or ALL`)
	}
	return g
}

func (c *checker) either(a, b string) string {
	if va, vb := c.props[a], c.props[b]; va == "" || va == vb {
		return vb
	} else if vb != "" {
		c.fault(c.at[b].ValuePos, "%q and %q name different catalogs", a, b)
	}
	return c.props[a]
}

func (c *checker) hms() *hms.Options {
	o := &hms.Options{Timeout: c.seconds("hive.metastore.timeout", 0)}
	list, given := c.at["hive.metastore.uris"]
	if !given {
		c.fault(c.typePos(), `a Hive metastore needs "hive.metastore.uris" = "thrift://host:9083"; for Glue, add "hive.metastore.type" = "glue"`)
		return o
	}
	var err error
	if o.URIs, err = hms.ParseURIs(list.Value); err != nil {
		c.fault(list.ValuePos, `"hive.metastore.uris": %v`, err)
	}
	return o
}

// typePos is where the statement says what kind of catalog it is about.
func (c *checker) typePos() int {
	for _, key := range []string{"hive.metastore.type", "type"} {
		if p, ok := c.at[key]; ok {
			return p.KeyPos
		}
	}
	return -1
}

// seconds reads a whole number of seconds.
func (c *checker) seconds(key string, absent time.Duration) time.Duration {
	p, given := c.at[key]
	if !given {
		return absent
	}
	n, err := strconv.ParseInt(p.Value, 10, 64)
	if err != nil || n < 1 || n > math.MaxInt32 {
		c.fault(p.ValuePos, "%q must be a whole number of seconds, found %q", key, p.Value)
	}
	return time.Duration(n) * time.Second
}

// isTrue reads a boolean as StarRocks does: only "true" is.
func (c *checker) isTrue(key string) bool { return strings.EqualFold(c.props[key], "true") }

// recheckMax is how old an answer may be that is given to an identity without
// asking whether it may still have it.
const recheckMax = 60 * time.Second

// cache reads how long answers of the metastore are kept. Unlike in StarRocks
// they are not unless enable_metastore_cache says so.
func (c *checker) cache(s *spec) cacheOptions {
	o := cacheOptions{
		age:        min(c.seconds("metastore_cache_refresh_interval_sec", time.Minute), c.seconds("metastore_cache_ttl_sec", 24*time.Hour)),
		partitions: c.props["enable_cache_list_names"] == "" || c.isTrue("enable_cache_list_names"),
	}
	if s.glue != nil {
		o.age = min(o.age, recheckMax)
	}
	if !c.isTrue("enable_metastore_cache") {
		o.age = 0
		for _, key := range []string{"metastore_cache_refresh_interval_sec", "metastore_cache_ttl_sec", "enable_cache_list_names"} {
			if _, given := c.at[key]; given {
				s.warnings = append(s.warnings, fmt.Sprintf(`property %q has no effect without "enable_metastore_cache" = "true": each statement asks the metastore`, key))
			}
		}
	}
	return o
}
