package dialect

import (
	_ "embed"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"
	"sync"

	"lakeport/internal/sqlerr"
	"lakeport/internal/syntax"
)

// MacroCatalog is the in-memory database that holds StarRocks' functions.
// Rewritten queries name them in full, so neither the current database nor a
// user's own names can hide them.
const MacroCatalog = "starrocks"

//go:embed functions.sql
var functionsSQL string

// macroNames are the functions of functionsSQL.
var macroNames = macroNamesOf(functionsSQL)

// atName finds the places where functionsSQL names one of its own.
var atName = regexp.MustCompile(`@([a-z_0-9]+)\(`)

// Setup gives the settings that make a database instance compute as StarRocks
// does: NULL sorts lowest, what cannot be divided is NULL. The engine runs them
// once for each instance, and then adds Functions and Macros.
func Setup() []string {
	return []string{
		"SET GLOBAL default_null_order = 'nulls_first_on_asc_last_on_desc'",
		"SET GLOBAL ieee_floating_point_ops = false",
		fmt.Sprintf("ATTACH ':memory:' AS %s", MacroCatalog),
	}
}

// Macros gives the statements that define StarRocks' functions as macros in an
// instance that Setup has made, where Functions are there already.
func Macros() []string {
	var stmts []string
	for _, span := range syntax.Split(functionsSQL, syntax.Redshift) {
		stmts = append(stmts, atName.ReplaceAllString(span.Of(functionsSQL), macro("$1")+"("))
	}
	return append(stmts, redshiftSetup()...)
}

// macro gives the full name of a macro.
func macro(name string) string { return MacroCatalog + ".main." + name }

func macroNamesOf(text string) map[string]bool {
	names := map[string]bool{}
	for line := range strings.SplitSeq(text, "\n") {
		if rest, ok := strings.CutPrefix(line, "CREATE MACRO @"); ok {
			names[rest[:strings.IndexByte(rest, '(')]] = true
		}
	}
	return names
}

// inner are macros that no query calls by name.
var inner = set("reversed all_true any_true keys_of first_entries counts_of sum_entries unix_time not_before_1970 time addend day_like decimal_like whole_operand any_date_trunc summed number number_like text_like time_like dated operand ts to_ts whole as_text split_map json_count week_start year_length week_parts year_and_week weekday_number json_path concat_ws_list json_of json_sorted")

// renamed are functions that DuckDB has under another name, or that are a
// macro of another name.
var renamed = map[string]string{
	// macros under several names
	"date": macro("to_date"), "timestamp": macro("to_ts"), "datetime": macro("to_ts"),
	"current_timestamp": macro("now"), "localtime": macro("now"), "localtimestamp": macro("now"), "sysdate": macro("now"),
	"current_date": macro("curdate"), "current_time": macro("curtime"), "dayofmonth": macro("day"), "week_of_year": macro("weekofyear"),
	"character_length": macro("char_length"), "substr": macro("substring"), "mid": macro("substring"),
	"strleft": macro("left"), "strright": macro("right"), "dsqrt": macro("sqrt"), "dlog1": macro("ln"), "dlog10": macro("log10"),
	"get_json_object": macro("get_json_string"), "json_value": macro("get_json_string"),
	"base64_decode_string": macro("from_base64"), "week_iso": macro("weekofyear"), "day_of_week_iso": macro("dayofweek_iso"), "percentile_disc_lc": "quantile_disc",
	"unnest_bitmap": "unnest", "hll_raw_agg": macro("hll_union"),
	// DuckDB's own names
	"regexp_split": "string_split_regex", "struct": "row",
	"regexp": "regexp_matches", "regexp_like": "regexp_matches", "char": "chr",
	"power": "pow", "dpow": "pow", "fpow": "pow", "dexp": "exp", "dround": "round", "dfloor": "floor", "dceil": "ceil", "ceiling": "ceil", "fmod": "mod",
	"bitxor": "xor", "std": "stddev_pop", "stddev": "stddev_pop", "variance": "var_pop", "variance_pop": "var_pop",
	"variance_samp": "var_samp", "ndv": "approx_count_distinct", "percentile_cont": "quantile_cont",
	"percentile_disc": "quantile_disc", "array_length": "len", "array_flatten": "flatten", "array_max": "list_max", "array_min": "list_min",
	"array_avg": "list_avg", "array_contains_all": "list_has_all",
	"arrays_overlap": "list_has_any", "map_from_arrays": "map", "bool_or_agg": "bool_or",
	"bool_and_agg": "bool_and",
	"boolor_agg":   "bool_or", "booland_agg": "bool_and", "hll_approx": "approx_count_distinct", "json_unquote": "json_extract_string",
}

// missing are StarRocks' functions that lakeport does not have. A query that
// calls one is refused by its name.
var missing = set(`murmur_hash3_32_sp xx_hash32 xx_hash64 sm3 intersect_count bitmap_hash64 bitmap_to_base64 bitmap_to_binary bitmap_from_binary
	base64_to_bitmap hll_serialize hll_deserialize histogram dict_mapping dict_merge last_query_id is_role_in_session sleep host_name
	current_warehouse get_query_profile distinct_map_keys_agg array_agg_weighted covar_weighted
	approx_count_distinct_hll_sketch ds_hll_count_distinct ds_theta_count_distinct min_n max_n md5sum_numeric percentile_approx_weight equiwidth_bucket arrays_zip array_flatten_depth str_to_varbinary encode_sort_key
	encode_row_id encode_fingerprint_sha256 encrypt_aes translate_sql st_astext st_aswkt st_circle st_contains st_distance_sphere
	st_geometryfromtext st_geomfromtext st_linefromtext st_linestringfromtext st_point st_polyfromtext st_polygon st_polygonfromtext st_x st_y
	current_group inspect_mv_meta lookup_string files mann_whitney_u_test ks_2samp_test ttest_1samp ttest_2samp percentile_approx_weighted
	ds_hll_combine ds_hll_estimate ds_hll_accumulate ds_theta_combine ds_theta_estimate ds_theta_accumulate`)

// provided gives, sorted, all functions by StarRocks' names that lakeport
// defines or knows to mean the same in DuckDB.
var provided = sync.OnceValue(func() []string {
	names := append([]string(nil), native...)
	for n := range macroNames {
		if !inner[n] {
			names = append(names, n)
		}
	}
	names = slices.AppendSeq(names, maps.Keys(renamed))
	names = slices.AppendSeq(names, maps.Keys(calls))
	names = slices.AppendSeq(names, maps.Keys(goNames))
	slices.Sort(names)
	return slices.Compact(names)
})

// native are functions that mean the same in both, for hints.
var native = strings.Fields(`sum min max avg count any_value count_if bool_or bool_and min_by max_by string_agg array_agg approx_count_distinct stddev_pop
	stddev_samp var_pop var_samp covar_pop covar_samp corr grouping grouping_id row_number rank dense_rank cume_dist percent_rank ntile lead lag first_value
	last_value abs ceil floor round mod pow exp sin cos tan atan atan2 sinh cosh tanh degrees radians pi cbrt if ifnull nullif coalesce
	lower upper trim ltrim rtrim instr position replace reverse repeat starts_with ends_with bin md5 url_encode url_decode regexp_extract
	regexp_extract_all translate uuid extract json_object json_array to_json json_each array_concat unnest generate_series map_keys
	map_values map_entries map_concat row typeof`)

// Unknown gives a hint for a function that the engine does not know: the
// nearest name that it does, "" if none is near.
func Unknown(name string) (hint string) {
	if near := sqlerr.Nearest(name, provided()); near != "" && !strings.EqualFold(near, name) {
		return "did you mean " + near + "?"
	}
	return ""
}
