package catalog

import (
	"cmp"
	"maps"
	"sort"
	"strings"

	"lakeport/internal/sqlerr"
)

// Keys of Iceberg catalogs over a metastore beside aws.s3.* and aws.glue.*; the
// value tells whether they change anything here.
var icebergKeys = map[string]bool{
	"type": true, "iceberg.catalog.type": true, "starrocks.catalog-type": true, "iceberg.catalog.warehouse": true,
	"hive.metastore.uris": true, "iceberg.catalog.hive.metastore.uris": true, "hive.metastore.timeout": true,
	"aws.glue.catalog_id": true, "hive.metastore.glue.catalogid": true, "aws.glue.resource_share_type": true,
	"list-all-tables": false, "enable_iceberg_metadata_cache": false, "enable_iceberg_table_cache": false,
	"iceberg_table_cache_refresh_interval_sec": false, "iceberg_meta_cache_ttl_sec": false, "iceberg_table_cache_ttl_sec": false,
	"iceberg_manifest_cache_with_column_statistics": false, "iceberg_manifest_cache_max_num": false, "refresh_iceberg_manifest_min_length": false,
	"iceberg_data_file_cache_memory_usage_ratio": false, "iceberg_delete_file_cache_memory_usage_ratio": false,
	"enable_get_stats_from_external_metadata": false, "iceberg_job_planning_thread_num": false, "background_iceberg_job_planning_thread_num": false,
	"catalog.access.control": false,
}

// iceberg reads the definition of an Iceberg catalog.
func (c *checker) iceberg() (spec, error) {
	s := spec{kind: "iceberg"}
	key := "iceberg.catalog.type"
	if _, given := c.at[key]; !given {
		key = "starrocks.catalog-type"
	}
	store := strings.ToLower(c.props[key])
	pos := c.at[key].ValuePos
	switch store {
	case "":
		return s, cmp.Or(c.err(), error(sqlerr.New(sqlerr.Invalid, "Can't find iceberg native catalog type. You must specify the 'iceberg.catalog.type' property when creating an iceberg catalog in the catalog properties").
			WithHint(`add "iceberg.catalog.type" = "glue", "hive" or "rest"`)))
	case "glue", "hive":
	case "rest":
		c.rest(&s)
		sort.Strings(s.warnings)
		return s, c.err()
	case "jdbc", "hadoop", "custom":
		return s, sqlerr.New(sqlerr.Unsupported, "Iceberg catalogs of type %q are not built yet", store).WithPos(c.text, pos).WithHint(`"glue", "hive" and "rest" are`)
	default:
		return s, sqlerr.New(sqlerr.Invalid, "[%s : %s] is not supported", key, store).WithPos(c.text, pos).WithHint(`write "glue", "hive" or "rest"`)
	}
	c.known(&s, maps.Clone(icebergKeys))
	s.s3 = c.identity("aws.s3", &s)
	if uris, given := c.at["iceberg.catalog.hive.metastore.uris"]; given { // the old spelling
		c.props["hive.metastore.uris"], c.at["hive.metastore.uris"] = uris.Value, uris
	}
	c.props["hive.metastore.type"] = store
	c.metastore(&s)
	s.warehouse = c.props["iceberg.catalog.warehouse"]
	if _, _, err := splitURI(s.warehouse); s.warehouse != "" && err != nil {
		c.fault(c.at["iceberg.catalog.warehouse"].ValuePos, `"iceberg.catalog.warehouse" is %q: give a place in S3, s3://bucket/path`, s.warehouse)
	}
	sort.Strings(s.warnings)
	return s, c.err()
}
