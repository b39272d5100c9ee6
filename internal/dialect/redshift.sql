-- Functions of Redshift and PostgreSQL as DuckDB macros: those that DuckDB
-- lacks, and those of the same name that it computes otherwise. An at sign
-- stands for the schema that holds them.

-- Operators.
CREATE MACRO @divisor(x) AS CASE WHEN x = 0 THEN error('Divide by zero') ELSE x END;
CREATE MACRO @pattern(p) AS '(?s).*(?:' || p || ').*';
CREATE MACRO @pattern_any_case(p) AS '(?si).*(?:' || p || ').*';
CREATE MACRO @similar(p) AS CASE WHEN contains(p, '\') OR contains(p, '[^') THEN error('SIMILAR TO with a backslash or [^ is not built yet')
  ELSE '(?s)(?:' || replace(replace(regexp_replace(p, '([.^$])', '\\\1', 'g'), '%', '.*'), '_', '.') || ')' END;

-- Casts to text. A DOUBLE shows no fraction that it does not have, a string of SUPER no quotes.
CREATE MACRO @text(x) AS CASE WHEN typeof(x) IN ('DOUBLE', 'FLOAT') THEN regexp_replace(CAST(x AS VARCHAR), '\.0$', '') WHEN typeof(x) = 'JSON' THEN json_extract_string(CAST(x AS VARCHAR), '$') ELSE CAST(x AS VARCHAR) END;
CREATE MACRO @cut(s, n) AS redshift_cut(s, n);
CREATE MACRO @char(s, n) AS rtrim(redshift_cut(s, n), ' ');
CREATE MACRO @bytes(x) AS CASE WHEN typeof(x) = 'BLOB' THEN CAST(x AS BLOB) ELSE encode(CAST(x AS VARCHAR)) END;

-- Redshift's own functions.
CREATE MACRO @nvl2(x, a, b) AS CASE WHEN x IS NOT NULL THEN a ELSE b END;
CREATE MACRO @getdate() AS date_trunc('second', CAST(now() AS TIMESTAMP));
CREATE MACRO @charindex(a, b) AS strpos(b, a);
CREATE MACRO @dateadd(part, n, t) AS CASE part
  WHEN 'year' THEN CAST(t AS TIMESTAMP) + to_years(CAST(n AS INTEGER)) WHEN 'quarter' THEN CAST(t AS TIMESTAMP) + to_months(CAST(3 * n AS INTEGER))
  WHEN 'month' THEN CAST(t AS TIMESTAMP) + to_months(CAST(n AS INTEGER)) WHEN 'week' THEN CAST(t AS TIMESTAMP) + to_days(CAST(7 * n AS INTEGER))
  WHEN 'day' THEN CAST(t AS TIMESTAMP) + to_days(CAST(n AS INTEGER)) WHEN 'hour' THEN CAST(t AS TIMESTAMP) + to_hours(CAST(n AS BIGINT))
  WHEN 'minute' THEN CAST(t AS TIMESTAMP) + to_minutes(CAST(n AS BIGINT)) WHEN 'second' THEN CAST(t AS TIMESTAMP) + to_seconds(CAST(n AS BIGINT))
  WHEN 'millisecond' THEN CAST(t AS TIMESTAMP) + to_microseconds(CAST(1000 * n AS BIGINT)) WHEN 'microsecond' THEN CAST(t AS TIMESTAMP) + to_microseconds(CAST(n AS BIGINT))
  WHEN 'decade' THEN CAST(t AS TIMESTAMP) + to_years(CAST(10 * n AS INTEGER)) WHEN 'century' THEN CAST(t AS TIMESTAMP) + to_years(CAST(100 * n AS INTEGER))
  WHEN 'millennium' THEN CAST(t AS TIMESTAMP) + to_years(CAST(1000 * n AS INTEGER)) ELSE error('dateadd does not know the date part ' || part) END;
CREATE MACRO @datediff(part, a, b) AS CASE WHEN part IN ('year', 'quarter', 'month', 'week', 'day', 'hour', 'minute', 'second', 'millisecond', 'microsecond', 'decade', 'century', 'millennium')
  THEN date_diff(part, CAST(a AS TIMESTAMP), CAST(b AS TIMESTAMP)) ELSE error('datediff does not know the date part ' || part) END;
CREATE MACRO @last_day(d) AS last_day(CAST(d AS DATE));
CREATE MACRO @date_part_year(d) AS year(CAST(d AS DATE));
CREATE MACRO @add_months(d, n) AS CASE WHEN CAST(d AS DATE) = last_day(CAST(d AS DATE)) THEN CAST(last_day(CAST(CAST(d AS DATE) + to_months(CAST(n AS INTEGER)) AS DATE)) AS TIMESTAMP) + (CAST(d AS TIMESTAMP) - date_trunc('day', CAST(d AS TIMESTAMP)))
  ELSE CAST(d AS TIMESTAMP) + to_months(CAST(n AS INTEGER)) END;
CREATE MACRO @strtol(s, base) AS CASE CAST(base AS INTEGER) WHEN 16 THEN CAST('0x' || s AS BIGINT) WHEN 10 THEN CAST(s AS BIGINT) ELSE error('strtol knows the bases 10 and 16') END;
CREATE MACRO @regexp_count(s, p) AS redshift_regexp_count(s, p, 1, 'c'), (s, p, start) AS redshift_regexp_count(s, p, start, 'c'), (s, p, start, how) AS redshift_regexp_count(s, p, start, how);
CREATE MACRO @regexp_instr(s, p) AS redshift_regexp_instr(s, p, 1, 1, 0, 'c'), (s, p, start) AS redshift_regexp_instr(s, p, start, 1, 0, 'c'), (s, p, start, nth) AS redshift_regexp_instr(s, p, start, nth, 0, 'c'),
  (s, p, start, nth, side) AS redshift_regexp_instr(s, p, start, nth, side, 'c'), (s, p, start, nth, side, how) AS redshift_regexp_instr(s, p, start, nth, side, how);
CREATE MACRO @regexp_substr(s, p) AS redshift_regexp_substr(s, p, 1, 1, 'c'), (s, p, start) AS redshift_regexp_substr(s, p, start, 1, 'c'), (s, p, start, nth) AS redshift_regexp_substr(s, p, start, nth, 'c'),
  (s, p, start, nth, how) AS redshift_regexp_substr(s, p, start, nth, how);
CREATE MACRO @regexp_replace(s, p) AS redshift_regexp_replace(s, p, '', 1, 'c'), (s, p, r) AS redshift_regexp_replace(s, p, r, 1, 'c'), (s, p, r, start) AS redshift_regexp_replace(s, p, r, start, 'c'),
  (s, p, r, start, how) AS redshift_regexp_replace(s, p, r, start, how);
CREATE MACRO @soundex(s) AS redshift_soundex(s);
CREATE MACRO @difference(a, b) AS redshift_difference(a, b);
CREATE MACRO @fnv(x, seed) AS CASE WHEN typeof(x) IN ('VARCHAR', '"NULL"') THEN redshift_fnv_hash(encode(CAST(x AS VARCHAR)), seed) ELSE error('FNV_HASH of other types than VARCHAR is not built yet') END;
CREATE MACRO @fnv_hash(x) AS @fnv(x, -3750763034362895579), (x, seed) AS @fnv(x, seed);
CREATE MACRO @pg_last_query_id() AS -1;

CREATE MACRO @trunc(x TIMESTAMP) AS CAST(x AS DATE), (x) AS trunc(x), (x, n) AS trunc(x, n);
CREATE MACRO @months_between(a, b) AS CASE
  WHEN day(CAST(a AS TIMESTAMP)) = day(CAST(b AS TIMESTAMP)) OR (CAST(a AS DATE) = last_day(CAST(a AS DATE)) AND CAST(b AS DATE) = last_day(CAST(b AS DATE)))
  THEN CAST((year(CAST(a AS TIMESTAMP)) - year(CAST(b AS TIMESTAMP))) * 12 + month(CAST(a AS TIMESTAMP)) - month(CAST(b AS TIMESTAMP)) AS DOUBLE)
  ELSE (year(CAST(a AS TIMESTAMP)) - year(CAST(b AS TIMESTAMP))) * 12 + month(CAST(a AS TIMESTAMP)) - month(CAST(b AS TIMESTAMP))
    + (day(CAST(a AS TIMESTAMP)) - day(CAST(b AS TIMESTAMP))) / 31
    + (epoch_us(CAST(a AS TIMESTAMP)) % 86400000000 - epoch_us(CAST(b AS TIMESTAMP)) % 86400000000) / 2678400000000 END;
CREATE MACRO @weekday(name) AS CASE lower(left(name, 2)) WHEN 'mo' THEN 1 WHEN 'tu' THEN 2 WHEN 'we' THEN 3 WHEN 'th' THEN 4 WHEN 'fr' THEN 5 WHEN 'sa' THEN 6 WHEN 'su' THEN 7
  ELSE CASE lower(name) WHEN 'm' THEN 1 WHEN 'w' THEN 3 WHEN 'f' THEN 5 ELSE error('next_day does not know the day ' || name) END END;
CREATE MACRO @next_day(x, name) AS CAST(CAST(x AS DATE) + CAST((@weekday(name) - isodow(CAST(x AS DATE)) + 6) % 7 + 1 AS INTEGER) AS DATE);
CREATE MACRO @convert_timezone(zone, t) AS timezone(zone, timezone('UTC', CAST(t AS TIMESTAMP))),
  (source, zone, t) AS timezone(zone, timezone(source, CAST(t AS TIMESTAMP)));
CREATE MACRO @compared(a, b) AS CASE WHEN a < b THEN -1 WHEN a = b THEN 0 WHEN a > b THEN 1 END;
CREATE MACRO @date_cmp(a, b) AS @compared(CAST(a AS DATE), CAST(b AS DATE));
CREATE MACRO @timestamp_cmp(a, b) AS @compared(CAST(a AS TIMESTAMP), CAST(b AS TIMESTAMP));
CREATE MACRO @date_cmp_timestamp(a, b) AS @compared(CAST(a AS TIMESTAMP), CAST(b AS TIMESTAMP));
CREATE MACRO @timestamp_cmp_date(a, b) AS @compared(CAST(a AS TIMESTAMP), CAST(b AS TIMESTAMP));
CREATE MACRO @timestamptz_cmp(a, b) AS @compared(CAST(a AS TIMESTAMPTZ), CAST(b AS TIMESTAMPTZ));
CREATE MACRO @timestamptz_cmp_timestamp(a, b) AS @compared(CAST(a AS TIMESTAMPTZ), CAST(b AS TIMESTAMPTZ));
CREATE MACRO @timestamp_cmp_timestamptz(a, b) AS @compared(CAST(a AS TIMESTAMPTZ), CAST(b AS TIMESTAMPTZ));
CREATE MACRO @timestamptz_cmp_date(a, b) AS @compared(CAST(a AS TIMESTAMPTZ), CAST(b AS TIMESTAMPTZ));
CREATE MACRO @date_cmp_timestamptz(a, b) AS @compared(CAST(a AS TIMESTAMPTZ), CAST(b AS TIMESTAMPTZ));
CREATE MACRO @interval_cmp(a, b) AS @compared(CAST(a AS INTERVAL), CAST(b AS INTERVAL));
CREATE MACRO @bpcharcmp(a, b) AS @compared(rtrim(a), rtrim(b));
CREATE MACRO @timeofday() AS strftime(now(), '%a %b %d %H:%M:%S.%f %Y %Z');
CREATE MACRO @dlog1(x) AS ln(x);
CREATE MACRO @dlog10(x) AS log10(x);
CREATE MACRO @dexp(x) AS exp(CAST(x AS DOUBLE));
CREATE MACRO @dsqrt(x) AS sqrt(CAST(x AS DOUBLE));
CREATE MACRO @dpow(x, y) AS pow(CAST(x AS DOUBLE), CAST(y AS DOUBLE));
CREATE MACRO @concat(a, b) AS CAST(a AS VARCHAR) || CAST(b AS VARCHAR);
CREATE MACRO @substring(s, a) AS substr(CAST(s AS VARCHAR), greatest(CAST(a AS BIGINT), 1)),
  (s, a, n) AS substr(CAST(s AS VARCHAR), greatest(CAST(a AS BIGINT), 1), CASE WHEN n < 0 THEN error('negative substring length not allowed') ELSE greatest(least(CAST(n AS BIGINT), CAST(a AS BIGINT) + n - 1), 0) END);
CREATE MACRO @lpad(s, n) AS lpad(s, n, ' '), (s, n, p) AS lpad(s, n, p);
CREATE MACRO @rpad(s, n) AS rpad(s, n, ' '), (s, n, p) AS rpad(s, n, p);
CREATE MACRO @textlen(s) AS length(s);
CREATE MACRO @initcap(s) AS array_to_string(list_transform(regexp_extract_all(s, '[\p{L}\p{N}]+|[^\p{L}\p{N}]+'), lambda w: upper(w[1]) || lower(w[2:])), '');
CREATE MACRO @func_sha1(s) AS sha1(s);
CREATE MACRO @sha2(s, bits) AS starrocks_sha2(s, CAST(bits AS BIGINT));
CREATE MACRO @crc32(s) AS printf('%08x', starrocks_crc32(s));
CREATE MACRO @json_at(s, keys, lax) AS CASE WHEN s IS NULL OR json_valid(s) THEN json_extract_string(s, '$' || array_to_string(list_transform(keys, lambda k: '."' || replace(k, '"', '\"') || '"'), ''))
  WHEN NOT lax THEN error('JSON parsing error: invalid json object ' || s) END;
CREATE MACRO @json_item(s, n, lax) AS CASE WHEN s IS NULL OR json_valid(s) THEN CASE WHEN n >= 0 THEN json_extract_string(s, '$[' || CAST(n AS VARCHAR) || ']') END
  WHEN NOT lax THEN error('JSON parsing error: invalid json array object ' || s) END;
CREATE MACRO @json_extract_array_element_text(s, n) AS @json_item(s, n, false), (s, n, lax) AS @json_item(s, n, lax);
CREATE MACRO @json_array_length(s) AS json_array_length(CAST(s AS JSON)), (s, lax) AS CASE WHEN s IS NULL OR json_valid(s) THEN json_array_length(CAST(s AS JSON)) WHEN NOT lax THEN error('JSON parsing error: invalid json array object ' || s) END;
CREATE MACRO @is_valid_json(s) AS CASE WHEN s IS NOT NULL THEN CASE WHEN json_valid(s) THEN json_type(s) = 'OBJECT' ELSE false END END;
CREATE MACRO @is_valid_json_array(s) AS CASE WHEN s IS NOT NULL THEN CASE WHEN json_valid(s) THEN json_type(s) = 'ARRAY' ELSE false END END;
CREATE MACRO @can_json_parse(s) AS json_valid(s);
CREATE MACRO @get_array_length(x) AS CASE WHEN json_type(x) = 'ARRAY' THEN json_array_length(x) END;
CREATE MACRO @json_serialize(x) AS CAST(x AS VARCHAR);
CREATE MACRO @json_typeof(x) AS CASE json_type(x) WHEN 'VARCHAR' THEN 'string' WHEN 'UBIGINT' THEN 'number' WHEN 'BIGINT' THEN 'number' WHEN 'DOUBLE' THEN 'number' WHEN 'HUGEINT' THEN 'number' ELSE lower(json_type(x)) END;
CREATE MACRO @is_scalar(x) AS json_type(x) NOT IN ('ARRAY', 'OBJECT');
CREATE MACRO @is_integer(x) AS json_type(x) IN ('BIGINT', 'UBIGINT');
CREATE MACRO @is_bigint(x) AS json_type(x) IN ('BIGINT', 'UBIGINT');
CREATE MACRO @is_float(x) AS json_type(x) = 'DOUBLE';
CREATE MACRO @is_char(x) AS json_type(x) = 'VARCHAR';
CREATE MACRO @array_concat(a, b) AS to_json(list_concat(CAST(a AS JSON[]), CAST(b AS JSON[])));
CREATE MACRO @subarray(x, start) AS to_json(CAST(x AS JSON[])[start + 1 :]), (x, start, n) AS to_json(CAST(x AS JSON[])[start + 1 : start + n]);
CREATE MACRO @is_array(x) AS json_type(x) = 'ARRAY';
CREATE MACRO @is_object(x) AS json_type(x) = 'OBJECT';
CREATE MACRO @is_varchar(x) AS json_type(x) = 'VARCHAR';
CREATE MACRO @is_boolean(x) AS json_type(x) = 'BOOLEAN';
CREATE MACRO @split_to_array(s) AS to_json(string_split(s, ',')), (s, d) AS to_json(string_split(s, d));

-- Templates. Numbers come to them as their decimal text.
CREATE MACRO @to_char(x TIMESTAMP, f) AS redshift_to_char_time(x, f), (x TIMESTAMPTZ, f) AS redshift_to_char_time(CAST(x AS TIMESTAMP), f), (x DATE, f) AS redshift_to_char_time(CAST(x AS TIMESTAMP), f),
  (x VARCHAR, f) AS redshift_to_char_time(CAST(x AS TIMESTAMP), f), (x, f) AS redshift_to_char_number(CAST(x AS VARCHAR), f);
CREATE MACRO @to_date(s, f) AS CAST(redshift_parse_time(s, f) AS DATE), (s, f, strict) AS CAST(CASE WHEN strict THEN redshift_parse_strict(s, f) ELSE redshift_parse_time(s, f) END AS DATE);
CREATE MACRO @to_timestamp(s, f) AS CAST(redshift_parse_time(s, f) AS TIMESTAMPTZ), (s, f, strict) AS CAST(CASE WHEN strict THEN redshift_parse_strict(s, f) ELSE redshift_parse_time(s, f) END AS TIMESTAMPTZ);

-- PostgreSQL's functions about its catalog. There is one user, and it may do all.
CREATE MACRO @pg_get_userbyid(x) AS 'root';
CREATE MACRO @pg_encoding_to_char(x) AS 'UTF8';
CREATE MACRO @shobj_description(x, c) AS CAST(NULL AS VARCHAR);
CREATE MACRO @pg_get_expr(x, r) AS x, (x, r, p) AS x;
CREATE MACRO @pg_get_indexdef(x) AS CAST(NULL AS VARCHAR), (x, n, p) AS CAST(NULL AS VARCHAR);
CREATE MACRO @pg_get_constraintdef(x) AS CAST(NULL AS VARCHAR), (x, p) AS CAST(NULL AS VARCHAR);
CREATE MACRO @pg_get_triggerdef(x) AS CAST(NULL AS VARCHAR), (x, p) AS CAST(NULL AS VARCHAR);
CREATE MACRO @pg_get_ruledef(x) AS CAST(NULL AS VARCHAR), (x, p) AS CAST(NULL AS VARCHAR);
CREATE MACRO @pg_get_function_result(x) AS CAST(NULL AS VARCHAR);
CREATE MACRO @pg_get_function_arguments(x) AS CAST(NULL AS VARCHAR);
CREATE MACRO @pg_get_function_identity_arguments(x) AS CAST(NULL AS VARCHAR);
CREATE MACRO @pg_get_partkeydef(x) AS CAST(NULL AS VARCHAR);
CREATE MACRO @pg_type_is_visible(x) AS true;
CREATE MACRO @pg_function_is_visible(x) AS true;
CREATE MACRO @pg_collation_is_visible(x) AS true;
CREATE MACRO @pg_opclass_is_visible(x) AS true;
CREATE MACRO @format_encoding(x) AS 'none';
CREATE MACRO @pg_table_size(x) AS 0;
CREATE MACRO @pg_relation_size(x) AS 0;
CREATE MACRO @pg_total_relation_size(x) AS 0;
CREATE MACRO @pg_size_pretty(x) AS CAST(x AS VARCHAR) || ' bytes';
CREATE MACRO @pg_relation_is_publishable(x) AS false;
CREATE MACRO @pg_is_in_recovery() AS false;
CREATE MACRO @pg_is_other_temp_schema(x) AS false;
CREATE MACRO @has_schema_privilege(s, p) AS true, (u, s, p) AS true;
CREATE MACRO @has_table_privilege(t, p) AS true, (u, t, p) AS true;
CREATE MACRO @has_database_privilege(d, p) AS true, (u, d, p) AS true;
CREATE MACRO @array_upper(a, n) AS nullif(len(a), 0);
CREATE MACRO @array_lower(a, n) AS CASE WHEN len(a) > 0 THEN 1 END;
CREATE MACRO @quote_ident(s) AS CASE WHEN regexp_full_match(s, '[a-z_][a-z0-9_$]*') THEN s ELSE '"' || replace(s, '"', '""') || '"' END;
CREATE MACRO @quote_literal(s) AS '''' || replace(s, '''', '''''') || '''';
CREATE MACRO @_pg_expandarray(a) AS unnest(list_transform(range(1, len(a) + 1), lambda i: {'x': a[i], 'n': i}));
CREATE MACRO @format_type(t, m) AS CASE CAST(t AS BIGINT) WHEN 16 THEN 'boolean' WHEN 17 THEN 'binary varying' WHEN 20 THEN 'bigint' WHEN 21 THEN 'smallint' WHEN 23 THEN 'integer'
  WHEN 25 THEN 'text' WHEN 26 THEN 'oid' WHEN 114 THEN 'json' WHEN 700 THEN 'real' WHEN 701 THEN 'double precision' WHEN 1082 THEN 'date' WHEN 1083 THEN 'time without time zone'
  WHEN 1114 THEN 'timestamp without time zone' WHEN 1184 THEN 'timestamp with time zone' WHEN 1186 THEN 'interval' WHEN 1266 THEN 'time with time zone' WHEN 1562 THEN 'bit varying'
  WHEN 2950 THEN 'uuid' WHEN 1042 THEN 'character' || CASE WHEN CAST(m AS INTEGER) > 4 THEN '(' || (CAST(m AS INTEGER) - 4) || ')' ELSE '' END
  WHEN 1043 THEN 'character varying' || CASE WHEN CAST(m AS INTEGER) > 4 THEN '(' || (CAST(m AS INTEGER) - 4) || ')' ELSE '' END
  WHEN 1700 THEN 'numeric' || CASE WHEN CAST(m AS INTEGER) > 4 THEN '(' || ((CAST(m AS INTEGER) - 4) >> 16) || ',' || ((CAST(m AS INTEGER) - 4) & 65535) || ')' ELSE '' END
  WHEN 1000 THEN 'boolean[]' WHEN 1005 THEN 'smallint[]' WHEN 1007 THEN 'integer[]' WHEN 1009 THEN 'text[]' WHEN 1015 THEN 'character varying[]' WHEN 1016 THEN 'bigint[]'
  WHEN 1021 THEN 'real[]' WHEN 1022 THEN 'double precision[]' WHEN 1182 THEN 'date[]' WHEN 1115 THEN 'timestamp without time zone[]' WHEN 1231 THEN 'numeric[]' ELSE '???' END;
