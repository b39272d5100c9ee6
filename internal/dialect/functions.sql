-- StarRocks' functions as DuckDB macros: those that DuckDB lacks, and those of
-- the same name that it computes otherwise. An at sign stands for the schema
-- that holds them. NULL gives NULL, and a value that cannot be converted gives
-- NULL too. Macros whose names are not StarRocks' own serve the others or a
-- rewrite of syntax.

-- Conversion. A string of 8 or 14 digits is a date or a time too.
CREATE MACRO @ts(x) AS coalesce(TRY_CAST(x AS TIMESTAMP), try_strptime(CAST(x AS VARCHAR), ['%Y%m%d', '%Y%m%d%H%M%S', '%Y/%m/%d', '%Y/%m/%d %H:%M:%S']));
CREATE MACRO @whole(x) AS CASE
  WHEN typeof(x) IN ('FLOAT', 'DOUBLE') THEN TRY_CAST(trunc(TRY_CAST(x AS DOUBLE)) AS HUGEINT)
  WHEN starts_with(typeof(x), 'DECIMAL') THEN TRY_CAST(trunc(TRY_CAST(x AS DECIMAL(38, 9))) AS HUGEINT)
  WHEN typeof(x) IN ('VARCHAR', 'JSON') THEN TRY_CAST(regexp_extract(CAST(x AS VARCHAR), '^"?\s*([+-]?\d+)\s*"?$', 1) AS HUGEINT)
  WHEN typeof(x) = 'DATE' THEN TRY_CAST(strftime(TRY_CAST(CAST(x AS VARCHAR) AS TIMESTAMP), '%Y%m%d') AS HUGEINT)
  WHEN typeof(x) IN ('TIMESTAMP', 'TIMESTAMP_S', 'TIMESTAMP_MS', 'TIMESTAMP_NS') THEN TRY_CAST(strftime(TRY_CAST(CAST(x AS VARCHAR) AS TIMESTAMP), '%Y%m%d%H%M%S') AS HUGEINT)
  ELSE TRY_CAST(x AS HUGEINT) END;
CREATE MACRO @as_text(x VARCHAR) AS CAST(x AS VARCHAR),
  (x) AS CASE typeof(x) WHEN 'BOOLEAN' THEN CAST(TRY_CAST(x AS INTEGER) AS VARCHAR) ELSE CAST(x AS VARCHAR) END;

-- Implicit conversion. t is the value whose type decides. Where its type is not
-- known all overloads fit: k, always NULL, makes the one for BIT the cheapest.
CREATE MACRO @number(t BIT, x, k BOOLEAN) AS x, (t VARCHAR, x, k) AS TRY_CAST(x AS DOUBLE), (t, x, k) AS x;
CREATE MACRO @dated(t BIT, x, k BOOLEAN) AS x, (t VARCHAR, x, k) AS @ts(x), (t, x, k) AS x;
CREATE MACRO @time(t BIT, x, k BOOLEAN) AS @ts(x), (t TIMESTAMP, x, k) AS x, (t DATE, x, k) AS x, (t, x, k) AS @ts(x);
CREATE MACRO @addend(t BIT, x, k BOOLEAN) AS x, (t VARCHAR, x, k) AS TRY_CAST(x AS DOUBLE), (t BOOLEAN, x, k) AS CAST(x AS TINYINT), (t, x, k) AS x;
CREATE MACRO @operand(t BIT, x, k BOOLEAN) AS x, (t VARCHAR, x, k) AS TRY_CAST(x AS DOUBLE), (t BOOLEAN, x, k) AS CAST(x AS TINYINT),
  (t TINYINT, x, k) AS CAST(x AS SMALLINT), (t SMALLINT, x, k) AS CAST(x AS INTEGER), (t INTEGER, x, k) AS CAST(x AS BIGINT), (t, x, k) AS x;
CREATE MACRO @whole_operand(t BIT, x, k BOOLEAN) AS x, (t BIGINT, x, k) AS x, (t HUGEINT, x, k) AS x, (t DOUBLE, x, k) AS TRY_CAST(trunc(x) AS BIGINT),
  (t VARCHAR, x, k) AS TRY_CAST(trunc(TRY_CAST(x AS DOUBLE)) AS BIGINT), (t, x, k) AS x;
CREATE MACRO @summed(t BIT, x, k BOOLEAN) AS x, (t BIGINT, x, k) AS CAST(x AS BIGINT), (t BOOLEAN, x, k) AS CAST(x AS BIGINT), (t, x, k) AS x;
CREATE MACRO @number_like(t VARCHAR, n) AS CAST(n AS VARCHAR), (t, n) AS n;
CREATE MACRO @text_like(t VARCHAR, s) AS s, (t, s) AS TRY(CASE WHEN false THEN t ELSE s END);
CREATE MACRO @day_like(t VARCHAR, s, d) AS s, (t, s, d) AS coalesce(TRY(CASE WHEN false THEN t ELSE s END), TRY(CASE WHEN false THEN t ELSE d END));
CREATE MACRO @decimal_like(t VARCHAR, s, n) AS s, (t, s, n) AS n;
CREATE MACRO @time_like(t VARCHAR, s) AS s, (t, s) AS TRY_CAST(s AS TIMESTAMP);

-- Now. StarRocks' now() has whole seconds and no zone.
CREATE MACRO @now() AS date_trunc('second', CAST(now() AS TIMESTAMP)), (p) AS CAST(now() AS TIMESTAMP);
CREATE MACRO @curdate() AS CAST(CAST(now() AS TIMESTAMP) AS DATE);
CREATE MACRO @curtime() AS CAST(date_trunc('second', CAST(now() AS TIMESTAMP)) AS TIME);
CREATE MACRO @utc_timestamp() AS date_trunc('second', make_timestamp(epoch_us(now())));
CREATE MACRO @utc_date() AS CAST(make_timestamp(epoch_us(now())) AS DATE);
CREATE MACRO @utc_time() AS CAST(date_trunc('second', make_timestamp(epoch_us(now()))) AS TIME);

-- Parts of dates. Where a call gives a date or time, its rewrite has made it a
-- DATE or a TIMESTAMP.
CREATE MACRO @to_date(x) AS CAST(x AS DATE);
CREATE MACRO @to_ts(x) AS CAST(x AS TIMESTAMP);
CREATE MACRO @year(x) AS CAST(year(x) AS INTEGER);
CREATE MACRO @quarter(x) AS CAST(quarter(x) AS INTEGER);
CREATE MACRO @month(x) AS CAST(month(x) AS INTEGER);
CREATE MACRO @day(x) AS CAST(day(x) AS INTEGER);
CREATE MACRO @hour(x) AS CAST(hour(x) AS INTEGER);
CREATE MACRO @minute(x) AS CAST(minute(x) AS INTEGER);
CREATE MACRO @second(x) AS CAST(second(x) AS INTEGER);
CREATE MACRO @microsecond(x) AS CAST(microsecond(x) % 1000000 AS INTEGER);
CREATE MACRO @dayofyear(x) AS CAST(dayofyear(x) AS INTEGER);
CREATE MACRO @dayofweek(x) AS CAST(dayofweek(x) + 1 AS INTEGER);
CREATE MACRO @dayofweek_iso(x) AS CAST(isodow(x) AS INTEGER);
CREATE MACRO @weekday(x) AS CAST(isodow(x) - 1 AS INTEGER);
CREATE MACRO @weekofyear(x) AS CAST(weekofyear(x) AS INTEGER);
CREATE MACRO @to_iso8601(x) AS CASE WHEN typeof(x) = 'DATE' THEN strftime(x, '%Y-%m-%d') ELSE strftime(x, '%Y-%m-%dT%H:%M:%S.%f') END;
CREATE MACRO @dayname(x) AS dayname(x);
CREATE MACRO @monthname(x) AS monthname(x);
CREATE MACRO @to_days(x) AS CAST(date_diff('day', DATE '1970-01-01', CAST(x AS DATE)) + 719528 AS INTEGER);
CREATE MACRO @from_days(n) AS CASE WHEN n BETWEEN 1 AND 3652424 THEN CAST(DATE '1970-01-01' + CAST(n - 719528 AS INTEGER) AS DATE) END;
CREATE MACRO @last_day(x) AS last_day(x), (x, unit) AS CASE lower(unit)
  WHEN 'month' THEN last_day(x)
  WHEN 'quarter' THEN CAST(date_trunc('quarter', x) + INTERVAL 3 MONTH - INTERVAL 1 DAY AS DATE)
  WHEN 'year' THEN make_date(year(x), 12, 31)
  ELSE error('last_day knows month, quarter and year') END;
CREATE MACRO @weekday_number(name) AS CASE
  WHEN lower(name) IN ('mo', 'mon', 'monday') THEN 1 WHEN lower(name) IN ('tu', 'tue', 'tuesday') THEN 2
  WHEN lower(name) IN ('we', 'wed', 'wednesday') THEN 3 WHEN lower(name) IN ('th', 'thu', 'thursday') THEN 4
  WHEN lower(name) IN ('fr', 'fri', 'friday') THEN 5 WHEN lower(name) IN ('sa', 'sat', 'saturday') THEN 6
  WHEN lower(name) IN ('su', 'sun', 'sunday') THEN 7 ELSE error(name || ' is no day of the week') END;
CREATE MACRO @next_day(x, name) AS CAST(CAST(x AS DATE) + CAST((@weekday_number(name) - isodow(x) + 6) % 7 + 1 AS INTEGER) AS DATE);
CREATE MACRO @previous_day(x, name) AS CAST(CAST(x AS DATE) - CAST((isodow(x) - @weekday_number(name) + 6) % 7 + 1 AS INTEGER) AS DATE);
CREATE MACRO @makedate(y, n) AS CASE WHEN n BETWEEN 1 AND 366 AND year(make_date(y, 1, 1) + CAST(n - 1 AS INTEGER)) = y THEN CAST(make_date(y, 1, 1) + CAST(n - 1 AS INTEGER) AS DATE) END;

-- A DATE stays a DATE. t and k are as above; a literal's rewrite is ts.
CREATE MACRO @date_trunc(unit, t BIT, x, k BOOLEAN) AS date_trunc(unit, @ts(x)), (unit, t DATE, x, k) AS CAST(date_trunc(unit, x) AS DATE),
  (unit, t TIMESTAMP, x, k) AS date_trunc(unit, x), (unit, t VARCHAR, x, k) AS date_trunc(unit, @ts(x)), (unit, t, x, k) AS date_trunc(unit, @ts(x));
CREATE MACRO @any_date_trunc(unit, x) AS date_trunc(unit, @ts(x));

-- Weeks. Bits of the mode: 1 Monday first, 2 weeks run on into the year before
-- or after, 4 the other rule for the first week (MySQL manual, WEEK()). A lambda
-- over a list of one value names it, so that it is computed once. week_start
-- gives the day, from 0, on which the first week begins in a year whose first
-- day is day w of a week.
CREATE MACRO @week_start(w, whole) AS CASE WHEN whole THEN (7 - w) % 7 WHEN w <= 3 THEN -w ELSE 7 - w END;
CREATE MACRO @year_length(y) AS CASE WHEN y % 4 = 0 AND (y % 100 <> 0 OR y % 400 = 0) THEN 366 ELSE 365 END;
CREATE MACRO @week_parts(x, m) AS list_transform(list_transform([x], lambda d: {'y': year(d), 'd': dayofyear(d) - 1,
    'w': ((CASE WHEN m & 1 = 1 THEN isodow(d) - 1 ELSE dayofweek(d) END - dayofyear(d) + 1) % 7 + 7) % 7, 'p': @year_length(year(d) - 1), 't': @year_length(year(d))}),
  lambda v: {'y': v.y, 'd': v.d, 'p': v.p, 't': v.t, 'here': @week_start(v.w, (m & 1 = 1) = (m & 4 = 4)),
    'before': @week_start((v.w - v.p % 7 + 7) % 7, (m & 1 = 1) = (m & 4 = 4)), 'after': @week_start((v.w + v.t) % 7, (m & 1 = 1) = (m & 4 = 4))});
CREATE MACRO @week(x) AS CAST((dayofyear(x) + 6 - dayofweek(x)) // 7 AS INTEGER), (x, m) AS CAST(list_transform(@week_parts(x, m), lambda v: CASE
  WHEN m & 2 = 0 AND v.d < v.here THEN 0
  WHEN v.d < v.here THEN (v.d + v.p - v.before) // 7 + 1
  WHEN m & 2 = 2 AND v.d - v.t >= v.after THEN 1
  ELSE (v.d - v.here) // 7 + 1 END)[1] AS INTEGER);
CREATE MACRO @year_and_week(x, m) AS CAST(list_transform(@week_parts(x, m), lambda v: CASE
  WHEN v.d < v.here THEN (v.y - 1) * 100 + (v.d + v.p - v.before) // 7 + 1
  WHEN v.d - v.t >= v.after THEN (v.y + 1) * 100 + 1
  ELSE v.y * 100 + (v.d - v.here) // 7 + 1 END)[1] AS INTEGER);
CREATE MACRO @yearweek(x) AS @year_and_week(x, 2), (x, m) AS @year_and_week(x, m | 2);

-- Arithmetic on dates.
CREATE MACRO @timestampadd(unit, n, x) AS x + CASE lower(unit)
  WHEN 'year' THEN to_years(CAST(n AS INTEGER)) WHEN 'quarter' THEN to_months(CAST(n * 3 AS INTEGER)) WHEN 'month' THEN to_months(CAST(n AS INTEGER))
  WHEN 'week' THEN to_weeks(CAST(n AS INTEGER)) WHEN 'day' THEN to_days(CAST(n AS INTEGER)) WHEN 'hour' THEN to_hours(CAST(n AS BIGINT))
  WHEN 'minute' THEN to_minutes(CAST(n AS BIGINT)) WHEN 'second' THEN to_seconds(CAST(n AS BIGINT))
  WHEN 'millisecond' THEN to_milliseconds(CAST(n AS BIGINT)) WHEN 'microsecond' THEN to_microseconds(CAST(n AS BIGINT)) END;

-- Differences: datediff counts midnights, the others whole units.
CREATE MACRO @datediff(a, b) AS CAST(date_diff('day', CAST(b AS DATE), CAST(a AS DATE)) AS INTEGER);
CREATE MACRO @date_diff(unit, a, b) AS date_sub(lower(unit), b, a);
CREATE MACRO @timestampdiff(unit, a, b) AS date_sub(lower(unit), a, b);
CREATE MACRO @timediff(a, b) AS CAST(a AS TIMESTAMP) - CAST(b AS TIMESTAMP);
CREATE MACRO @time_to_sec(x) AS CAST(epoch(TRY_CAST(CAST(x AS VARCHAR) AS INTERVAL)) AS BIGINT);
CREATE MACRO @sec_to_time(n) AS CASE WHEN n < 0 THEN '-' ELSE '' END || printf('%02d:%02d:%02d', abs(CAST(n AS BIGINT)) // 3600, abs(CAST(n AS BIGINT)) // 60 % 60, abs(CAST(n AS BIGINT)) % 60);
CREATE MACRO @time_slice(x, i) AS time_bucket(i, CAST(x AS TIMESTAMP), TIMESTAMP '0001-01-01'),
  (x, i, edge) AS CASE WHEN lower(edge) = 'ceil' THEN time_bucket(i, CAST(x AS TIMESTAMP), TIMESTAMP '0001-01-01') + i ELSE time_bucket(i, CAST(x AS TIMESTAMP), TIMESTAMP '0001-01-01') END;

-- Seconds since 1970, in the session's zone. Times before are 0, and numbers that
-- are no such time NULL.
CREATE MACRO @str2date(s, f) AS CAST(starrocks_str_to_date(s, f) AS DATE);
CREATE MACRO @not_before_1970(n) AS CAST(CASE WHEN n < 0 THEN 0 ELSE floor(n) END AS BIGINT);
CREATE MACRO @unix_timestamp() AS CAST(floor(epoch(now())) AS BIGINT), (x) AS @not_before_1970(epoch(CAST(x AS TIMESTAMPTZ))),
  (x, f) AS @not_before_1970(epoch(CAST(starrocks_str_to_date(x, f) AS TIMESTAMPTZ)));
CREATE MACRO @unix_time(n) AS CASE WHEN TRY_CAST(n AS BIGINT) BETWEEN 0 AND 253402243199 THEN CAST(to_timestamp(TRY_CAST(n AS BIGINT)) AS TIMESTAMP) END;
CREATE MACRO @from_unixtime(n) AS strftime(@unix_time(n), '%Y-%m-%d %H:%M:%S'), (n, f) AS starrocks_date_format(@unix_time(n), f);
CREATE MACRO @from_unixtime_ms(n) AS @from_unixtime(n // 1000);
CREATE MACRO @hour_from_unixtime(n) AS CAST(hour(@unix_time(n)) AS INTEGER);
CREATE MACRO @to_datetime(n) AS CAST(to_timestamp(CAST(n AS BIGINT)) AS TIMESTAMP), (n, scale) AS CAST(to_timestamp(n / pow(10, scale)) AS TIMESTAMP);

-- Strings. Lengths are in bytes, positions in characters.
CREATE MACRO @length(s VARCHAR) AS strlen(s), (s BLOB) AS octet_length(s), (s) AS strlen(@as_text(s));
CREATE MACRO @char_length(s) AS length(@as_text(s));
CREATE MACRO @substring(s, p) AS CASE WHEN p = 0 OR -p > length(@as_text(s)) THEN '' ELSE substring(@as_text(s), p) END,
  (s, p, n) AS CASE WHEN p = 0 OR n <= 0 OR -p > length(@as_text(s)) THEN '' ELSE substring(@as_text(s), p, n) END;
CREATE MACRO @left(s, n) AS left(@as_text(s), CASE WHEN n < 0 THEN 0 ELSE n END);
CREATE MACRO @right(s, n) AS right(@as_text(s), CASE WHEN n < 0 THEN 0 ELSE n END);
CREATE MACRO @lpad(s, n) AS CASE WHEN n >= 0 THEN lpad(@as_text(s), CAST(n AS INTEGER), ' ') END, (s, n, p) AS CASE WHEN n < 0 THEN NULL WHEN p = '' THEN left(@as_text(s), n) ELSE lpad(@as_text(s), CAST(n AS INTEGER), p) END;
CREATE MACRO @rpad(s, n) AS CASE WHEN n >= 0 THEN rpad(@as_text(s), CAST(n AS INTEGER), ' ') END, (s, n, p) AS CASE WHEN n < 0 THEN NULL WHEN p = '' THEN left(@as_text(s), n) ELSE rpad(@as_text(s), CAST(n AS INTEGER), p) END;
CREATE MACRO @substring_index(s, d, n) AS CASE WHEN n = 0 OR d = '' THEN ''
  WHEN n > 0 THEN array_to_string(list_slice(string_split(s, d), 1, n), d)
  ELSE array_to_string(list_slice(string_split(s, d), greatest(len(string_split(s, d)) + n + 1, 1), len(string_split(s, d))), d) END;
CREATE MACRO @reversed(x VARCHAR) AS reverse(x), (x BIGINT[]) AS list_reverse(x), (x DOUBLE[]) AS list_reverse(x), (x VARCHAR[]) AS list_reverse(x), (x DATE[]) AS list_reverse(x), (x TIMESTAMP[]) AS list_reverse(x),
  (x BOOLEAN[]) AS list_reverse(x), (x) AS CASE WHEN ends_with(typeof(x), ']') THEN error('reverse is not built for ' || typeof(x)) ELSE reverse(@as_text(x)) END;
CREATE MACRO @locate(p, s) AS instr(@as_text(s), @as_text(p)), (p, s, n) AS CASE WHEN n <= 0 THEN 0
  WHEN instr(substring(@as_text(s), n), @as_text(p)) = 0 THEN 0 ELSE instr(substring(@as_text(s), n), @as_text(p)) + n - 1 END;
CREATE MACRO @space(n) AS repeat(' ', CASE WHEN n < 0 THEN 0 ELSE n END);
CREATE MACRO @split_part(s, d, n) AS CASE WHEN n = 0 THEN NULL ELSE string_split(s, d)[n] END;
CREATE MACRO @split_map(s, a, b) AS map_from_entries(list_transform(string_split(s, a), lambda item: {'k': string_split(item, b)[1], 'v': string_split(item, b)[2]}));
CREATE MACRO @str_to_map(s) AS @split_map(s, ',', ':'), (s, a) AS @split_map(s, a, ':'), (s, a, b) AS @split_map(s, a, b);
CREATE MACRO @find_in_set(s, items) AS CASE WHEN contains(s, ',') THEN 0 ELSE coalesce(list_position(string_split(items, ','), s), CASE WHEN s IS NOT NULL AND items IS NOT NULL THEN 0 END) END;
CREATE MACRO @ascii(s) AS CASE WHEN s = '' THEN 0 ELSE ascii(@as_text(s)) END;
CREATE MACRO @hex(x) AS CASE WHEN typeof(x) IN ('FLOAT', 'DOUBLE') THEN hex(TRY_CAST(trunc(TRY_CAST(x AS DOUBLE)) AS BIGINT)) ELSE hex(x) END;
CREATE MACRO @unhex(s) AS CASE WHEN regexp_full_match(s, '([0-9A-Fa-f]{2})*') THEN TRY(decode(unhex(s))) ELSE '' END;
CREATE MACRO @to_base64(s BLOB) AS to_base64(s), (s VARCHAR) AS to_base64(encode(s)), (s) AS to_base64(encode(@as_text(s)));
CREATE MACRO @to_binary(s) AS TRY(unhex(s)), (s, form) AS CASE lower(form) WHEN 'hex' THEN TRY(unhex(s)) WHEN 'encode64' THEN TRY(from_base64(s)) WHEN 'utf8' THEN encode(s) END;
CREATE MACRO @from_binary(b) AS hex(b), (b, form) AS CASE lower(form) WHEN 'hex' THEN hex(b) WHEN 'encode64' THEN to_base64(b) WHEN 'utf8' THEN TRY(decode(b)) END;
CREATE MACRO @base64_decode_binary(s) AS TRY(from_base64(s));
CREATE MACRO @from_base64(s) AS TRY(decode(from_base64(s)));
CREATE MACRO @parse_url(u, part) AS nullif(CASE upper(part)
  WHEN 'PROTOCOL' THEN regexp_extract(u, '^([A-Za-z][A-Za-z0-9+.-]*):', 1)
  WHEN 'HOST' THEN regexp_extract(u, '^[A-Za-z][A-Za-z0-9+.-]*://(?:[^@/?#]*@)?([^/:?#]*)', 1)
  WHEN 'PORT' THEN regexp_extract(u, '^[A-Za-z][A-Za-z0-9+.-]*://(?:[^@/?#]*@)?[^/:?#]*:(\d+)', 1)
  WHEN 'AUTHORITY' THEN regexp_extract(u, '^[A-Za-z][A-Za-z0-9+.-]*://([^/?#]*)', 1)
  WHEN 'USERINFO' THEN regexp_extract(u, '^[A-Za-z][A-Za-z0-9+.-]*://([^@/?#]*)@', 1)
  WHEN 'PATH' THEN regexp_extract(u, '^[A-Za-z][A-Za-z0-9+.-]*://[^/?#]*([^?#]*)', 1)
  WHEN 'FILE' THEN regexp_extract(u, '^[A-Za-z][A-Za-z0-9+.-]*://[^/?#]*([^#]*)', 1)
  WHEN 'QUERY' THEN regexp_extract(u, '\?([^#]*)', 1)
  WHEN 'REF' THEN regexp_extract(u, '#(.*)$', 1) END, '');
CREATE MACRO @url_extract_parameter(u, k) AS nullif(url_decode(regexp_extract(u, '[?&]' || regexp_escape(k) || '=([^&#]*)', 1)), '');
CREATE MACRO @regexp_replace(s, p, r) AS regexp_replace(s, p, r, 'g');
CREATE MACRO @regexp_count(s, p) AS len(regexp_extract_all(s, p));
CREATE MACRO @uuid_numeric() AS CAST(hash(uuid()) >> 1 AS HUGEINT) * 18446744073709551616 + hash(uuid());
CREATE MACRO @strcmp(a, b) AS CASE WHEN a < b THEN -1 WHEN a > b THEN 1 WHEN a = b THEN 0 END;
CREATE MACRO @initcap(s) AS array_to_string(list_transform(regexp_extract_all(s, '[\p{L}\p{N}]+|[^\p{L}\p{N}]+'), lambda w: upper(w[1]) || lower(w[2:])), '');
CREATE MACRO @null_or_empty(s) AS s IS NULL OR s = '';
CREATE MACRO @append_trailing_char_if_absent(s, c) AS CASE WHEN length(c) <> 1 THEN NULL WHEN s = '' OR ends_with(s, c) THEN s ELSE s || c END;
CREATE MACRO @money_format(x) AS format('{:,.2f}', round(CAST(x AS DOUBLE), 2));
CREATE MACRO @concat_ws_list(sep, items) AS CASE WHEN sep IS NULL THEN NULL ELSE array_to_string(items, sep) END;
CREATE MACRO @field(x, items) AS coalesce(list_position(items, x), 0);

-- Numbers. What has no result is NULL, where DuckDB reports an error.
CREATE MACRO @sqrt(x) AS CASE WHEN x >= 0 THEN sqrt(x) END;
CREATE MACRO @ln(x) AS CASE WHEN x > 0 THEN ln(x) END;
CREATE MACRO @log(x) AS CASE WHEN x > 0 THEN ln(x) END, (b, x) AS CASE WHEN b > 0 AND b <> 1 AND x > 0 THEN ln(x) / ln(b) END;
CREATE MACRO @log2(x) AS CASE WHEN x > 0 THEN log2(x) END;
CREATE MACRO @log10(x) AS CASE WHEN x > 0 THEN log10(x) END;
CREATE MACRO @asin(x) AS CASE WHEN x BETWEEN -1 AND 1 THEN asin(x) END;
CREATE MACRO @acos(x) AS CASE WHEN x BETWEEN -1 AND 1 THEN acos(x) END;
CREATE MACRO @truncate(x) AS trunc(x), (x, d) AS CASE
  WHEN starts_with(typeof(x), 'DECIMAL') OR typeof(x) LIKE '%INT%' THEN CAST(trunc(TRY_CAST(x AS DECIMAL(38, 9)) * pow(10, d)) / pow(10, d) AS DOUBLE)
  ELSE trunc(CAST(x AS DOUBLE) * pow(10, d)) / pow(10, d) END;
CREATE MACRO @width_bucket(x, lo, hi, n) AS CASE WHEN x < lo THEN 0 WHEN x >= hi THEN n + 1 ELSE CAST(floor((x - lo) / ((hi - lo) / n)) AS BIGINT) + 1 END;
CREATE MACRO @pmod(a, b) AS (a % b + b) % b;
CREATE MACRO @square(x) AS CAST(x AS DOUBLE) * CAST(x AS DOUBLE);
CREATE MACRO @cot(x) AS CASE WHEN x <> 0 THEN cot(x) END;
CREATE MACRO @positive(x) AS +x;
CREATE MACRO @negative(x) AS -x;
CREATE MACRO @bitand(a, b) AS a & b;
CREATE MACRO @bitor(a, b) AS a | b;
CREATE MACRO @bitnot(a) AS ~a;
CREATE MACRO @bit_shift_left(a, n) AS CAST(a AS BIGINT) << CAST(n AS BIGINT);
CREATE MACRO @bit_shift_right(a, n) AS CAST(a AS BIGINT) >> CAST(n AS BIGINT);
CREATE MACRO @bit_shift_right_logical(a, n) AS CASE WHEN n <= 0 THEN CAST(a AS BIGINT) ELSE (CAST(a AS BIGINT) >> CAST(n AS BIGINT)) & ((1::HUGEINT << (64 - CAST(n AS HUGEINT))) - 1)::BIGINT END;
CREATE MACRO @e() AS exp(1);
CREATE MACRO @sign(x) AS CAST(sign(x) AS DOUBLE);

-- Arrays. Positions count from 1; what is not there is 0 or NULL.
CREATE MACRO @all_true(flags) AS CASE WHEN list_contains(flags, false) THEN false WHEN len(list_filter(flags, lambda f: f IS NULL)) > 0 THEN NULL WHEN flags IS NOT NULL THEN true END;
CREATE MACRO @any_true(flags) AS CASE WHEN list_contains(flags, true) THEN true WHEN len(list_filter(flags, lambda f: f IS NULL)) > 0 THEN NULL WHEN flags IS NOT NULL THEN false END;
CREATE MACRO @array_append(a, x) AS CASE WHEN a IS NOT NULL THEN list_append(a, x) END;
CREATE MACRO @array_distinct(a) AS list_concat(list_distinct(a), CASE WHEN len(list_filter(a, lambda y: y IS NULL)) > 0 THEN [NULL] ELSE [] END);
CREATE MACRO @array_sum(a BIGINT[]) AS CAST(list_sum(a) AS BIGINT), (a) AS list_sum(a);
CREATE MACRO @array_position(a, x) AS CASE WHEN a IS NULL THEN NULL ELSE coalesce(list_position(a, x), 0) END;
CREATE MACRO @array_remove(a, x) AS list_filter(a, lambda y: y IS DISTINCT FROM x);
CREATE MACRO @array_repeat(x, n) AS repeat([x], CAST(n AS BIGINT));
CREATE MACRO @array_slice(a, p, n) AS CASE WHEN p = 0 OR n <= 0 THEN a[1:0] WHEN p > 0 THEN list_slice(a, p, p + n - 1)
  ELSE list_slice(a, greatest(len(a) + p + 1, 1), len(a) + p + n) END;
CREATE MACRO @array_sort(a) AS list_sort(a, 'ASC', 'NULLS FIRST');
CREATE MACRO @array_sortby(a, b) AS list_transform(list_sort(list_zip(b, a), 'ASC', 'NULLS FIRST'), lambda z: z[2]);
CREATE MACRO @array_top_n(a, n) AS list_slice(list_sort(a, 'DESC', 'NULLS LAST'), 1, n);
CREATE MACRO @array_join(a, sep) AS array_to_string(a, sep), (a, sep, n) AS array_to_string(list_transform(a, lambda x: coalesce(CAST(x AS VARCHAR), n)), sep);
CREATE MACRO @array_cum_sum(a) AS list_transform(a, lambda x, i: CASE WHEN x IS NOT NULL THEN @array_sum(a[1:i]) END);
CREATE MACRO @array_difference(a) AS list_transform(a, lambda x, i: CASE WHEN i = 1 THEN x - x ELSE x - a[i - 1] END);
CREATE MACRO @array_generate(n) AS generate_series(1, n), (a, b) AS CASE WHEN a <= b THEN generate_series(a, b) ELSE generate_series(a, b, -1) END,
  (a, b, s) AS generate_series(a, b, s);
CREATE MACRO @array_contains_seq(a, b) AS len(b) = 0 OR list_bool_or(list_transform(a, lambda x, i: a[i:i + len(b) - 1] = b));
CREATE MACRO @array_contains(a, x) AS CASE WHEN x IS NULL THEN len(list_filter(a, lambda y: y IS NULL)) > 0 ELSE list_contains(a, x) END;
CREATE MACRO @element_at(a, i) AS a[i];
CREATE MACRO @cardinality(a) AS CAST(CASE WHEN starts_with(typeof(a), 'MAP') THEN len(json_keys(to_json(a))) ELSE json_array_length(to_json(a)) END AS INTEGER);
CREATE MACRO @distinct_map_keys(m) AS m;
CREATE MACRO @map_size(m) AS CAST(len(map_keys(m)) AS INTEGER);

-- JSON. A path may lack its leading "$.".
CREATE MACRO @json_path(p) AS CASE WHEN starts_with(p, '$') THEN p WHEN p = '' THEN '$' WHEN starts_with(p, '[') THEN '$' || p ELSE '$.' || p END;
CREATE MACRO @parse_json(s) AS CAST(starrocks_json_form(CAST(s AS VARCHAR)) AS JSON);
CREATE MACRO @json_sorted(j) AS @parse_json(j);
CREATE MACRO @json_of(x) AS CASE WHEN typeof(x) IN ('VARCHAR', 'JSON') THEN coalesce(@parse_json(x), to_json(x)) ELSE @json_sorted(to_json(x)) END;
CREATE MACRO @json_query(j, p) AS json_extract(TRY_CAST(j AS JSON), @json_path(p));
CREATE MACRO @get_json_string(j, p) AS json_extract_string(TRY_CAST(j AS JSON), @json_path(p));
CREATE MACRO @get_json_int(j, p) AS TRY_CAST(trunc(TRY_CAST(json_extract_string(TRY_CAST(j AS JSON), @json_path(p)) AS DECIMAL(38, 9))) AS BIGINT);
CREATE MACRO @get_json_double(j, p) AS TRY_CAST(json_extract_string(TRY_CAST(j AS JSON), @json_path(p)) AS DOUBLE);
CREATE MACRO @get_json_bool(j, p) AS TRY_CAST(json_extract_string(TRY_CAST(j AS JSON), @json_path(p)) AS BOOLEAN);
CREATE MACRO @json_exists(j, p) AS json_exists(TRY_CAST(j AS JSON), @json_path(p));
CREATE MACRO @json_count(j, p) AS CAST(CASE json_type(j, p) WHEN 'ARRAY' THEN json_array_length(j, p) WHEN 'OBJECT' THEN len(json_keys(j, p)) ELSE CASE WHEN json_exists(j, p) THEN 1 ELSE 0 END END AS INTEGER);
CREATE MACRO @json_length(j) AS @json_count(TRY_CAST(j AS JSON), '$'), (j, p) AS @json_count(TRY_CAST(j AS JSON), @json_path(p));
CREATE MACRO @keys_of(j, p) AS CASE WHEN json_type(j, p) = 'OBJECT' THEN to_json(json_keys(j, p)) END;
CREATE MACRO @json_keys(j) AS @keys_of(TRY_CAST(j AS JSON), '$'), (j, p) AS @keys_of(TRY_CAST(j AS JSON), @json_path(p));
CREATE MACRO @is_json_scalar(j) AS json_type(TRY_CAST(j AS JSON)) NOT IN ('ARRAY', 'OBJECT');
CREATE MACRO @json_string(j) AS starrocks_json_form(CAST(j AS VARCHAR));
CREATE MACRO @json_pretty(j) AS starrocks_json_pretty(CAST(j AS VARCHAR));
CREATE MACRO @json_contains(j, x) AS json_contains(TRY_CAST(j AS JSON), TRY_CAST(x AS JSON));

-- Aggregates that need more than another name. They take no OVER or DISTINCT.
CREATE MACRO @array_unique_agg(a) AS list_distinct(flatten(list(a)));
CREATE MACRO @first_entries(items) AS map_from_entries(list_filter(items, lambda e, i: list_position(list_transform(items, lambda f: f.k), e.k) = i));
CREATE MACRO @map_agg(k, v) AS list_transform([list({'k': k, 'v': v}) FILTER (WHERE k IS NOT NULL)], lambda items: @first_entries(items))[1];
CREATE MACRO @retention(conds) AS list_transform(generate_series(1, len(any_value(conds))), lambda i: CAST(list_contains(flatten(list(CASE WHEN conds[1] THEN [1] ELSE [] END)), 1) AND list_bool_or(list_transform(list(conds), lambda c: c[i])) AS TINYINT));
CREATE MACRO @window_funnel(width, x, mode, conds) AS starrocks_window_funnel(
  CAST(width AS BIGINT) * CASE WHEN any_value(typeof(x)) = 'DATE' THEN 86400000000 ELSE 1000000 END, CAST(mode AS BIGINT),
  list(epoch_us(CAST(x AS TIMESTAMP))) FILTER (WHERE x IS NOT NULL), list(CAST(coalesce(list_position(conds, true), 0) AS BIGINT)) FILTER (WHERE x IS NOT NULL));
CREATE MACRO @counts_of(h, n) AS list_transform(list_slice(list_reverse_sort(list_transform(map_entries(h), lambda e: {'count': CAST(e.value AS BIGINT), 'item': e.key})), 1, n), lambda e: {'item': e.item, 'count': e.count});
CREATE MACRO @approx_top_k(x) AS @counts_of(histogram(x), 5), (x, n) AS @counts_of(histogram(x), n), (x, n, counters) AS @counts_of(histogram(x), n);
CREATE MACRO @sum_entries(items) AS map_from_entries(list_transform(list_distinct(list_transform(items, lambda e: e.key)), lambda k: {'k': k, 'v': list_sum(list_transform(list_filter(items, lambda e: e.key = k), lambda e: e.value))}));
CREATE MACRO @sum_map(m) AS list_transform([flatten(list(map_entries(m)))], lambda items: @sum_entries(items))[1];

-- Bitmaps and HLL sketches are lists of distinct numbers, and so exact.
CREATE MACRO @bitmap_empty() AS CAST([] AS BIGINT[]);
CREATE MACRO @to_bitmap(x) AS CASE WHEN TRY_CAST(x AS BIGINT) >= 0 THEN [TRY_CAST(x AS BIGINT)] END;
CREATE MACRO @bitmap_hash(s) AS CASE WHEN s IS NULL THEN CAST([] AS BIGINT[]) ELSE [starrocks_murmur_hash3_32(@as_text(s)) & 4294967295] END;
CREATE MACRO @bitmap_count(b) AS CAST(coalesce(len(b), 0) AS BIGINT);
CREATE MACRO @bitmap_to_array(b) AS list_sort(b, 'ASC');
CREATE MACRO @array_to_bitmap(a) AS list_distinct(list_filter(CAST(a AS BIGINT[]), lambda x: x >= 0));
CREATE MACRO @bitmap_to_string(b) AS array_to_string(list_sort(b, 'ASC'), ',');
CREATE MACRO @bitmap_from_string(s) AS CASE WHEN s = '' THEN CAST([] AS BIGINT[]) WHEN regexp_full_match(s, '\s*\d+\s*(,\s*\d+\s*)*') THEN list_distinct(CAST(string_split(s, ',') AS BIGINT[])) END;
CREATE MACRO @bitmap_contains(b, x) AS list_contains(b, CAST(x AS BIGINT));
CREATE MACRO @bitmap_has_any(a, b) AS list_has_any(a, b);
CREATE MACRO @bitmap_and(a, b) AS list_intersect(a, b), (a, b, c) AS list_intersect(list_intersect(a, b), c);
CREATE MACRO @bitmap_or(a, b) AS list_distinct(list_concat(a, b)), (a, b, c) AS list_distinct(list_concat(list_concat(a, b), c));
CREATE MACRO @bitmap_andnot(a, b) AS list_filter(a, lambda x: NOT list_contains(b, x));
CREATE MACRO @bitmap_xor(a, b) AS list_concat(@bitmap_andnot(a, b), @bitmap_andnot(b, a));
CREATE MACRO @bitmap_remove(b, x) AS list_filter(b, lambda y: y <> x);
CREATE MACRO @bitmap_min(b) AS list_min(b);
CREATE MACRO @bitmap_max(b) AS list_max(b);
CREATE MACRO @sub_bitmap(b, p, n) AS nullif(@array_slice(list_sort(b, 'ASC'), CASE WHEN p < 0 THEN p ELSE p + 1 END, n), []);
CREATE MACRO @bitmap_subset_limit(b, low, n) AS nullif(CASE WHEN n >= 0 THEN list_slice(list_sort(list_filter(b, lambda x: x >= low), 'ASC'), 1, n)
  ELSE list_slice(list_sort(list_filter(b, lambda x: x <= low), 'ASC'), n, -1) END, []);
CREATE MACRO @bitmap_subset_in_range(b, low, high) AS nullif(list_filter(b, lambda x: x >= low AND x < high), []);
CREATE MACRO @bitmap_union(b) AS coalesce(list_distinct(flatten(list(b))), CAST([] AS BIGINT[]));
CREATE MACRO @bitmap_union_count(b) AS CAST(coalesce(len(list_distinct(flatten(list(b)))), 0) AS BIGINT);
CREATE MACRO @bitmap_agg(x) AS coalesce(list(DISTINCT TRY_CAST(x AS BIGINT)) FILTER (WHERE TRY_CAST(x AS BIGINT) >= 0), CAST([] AS BIGINT[]));
CREATE MACRO @bitmap_intersect(b) AS list_reduce(list(b) FILTER (WHERE b IS NOT NULL), lambda u, v: list_intersect(u, v));
CREATE MACRO @hll_empty() AS CAST([] AS UBIGINT[]);
CREATE MACRO @hll_hash(x) AS CASE WHEN x IS NULL THEN CAST([] AS UBIGINT[]) ELSE [hash(x)] END;
CREATE MACRO @hll_cardinality(h) AS CAST(coalesce(len(h), 0) AS BIGINT);
CREATE MACRO @hll_union(h) AS coalesce(list_distinct(flatten(list(h))), CAST([] AS UBIGINT[]));
CREATE MACRO @hll_union_agg(h) AS CAST(coalesce(len(list_distinct(flatten(list(h)))), 0) AS BIGINT);

-- Percentile sketches are lists of the numbers.
CREATE MACRO @percentile_empty() AS CAST([] AS DOUBLE[]);
CREATE MACRO @percentile_hash(x) AS [CAST(x AS DOUBLE)];
CREATE MACRO @percentile_union(p) AS flatten(list(p));
CREATE MACRO @percentile_approx_raw(p, q) AS list_aggregate(p, 'quantile_cont', q);

-- Miscellaneous.
CREATE MACRO @assert_true(c) AS CASE WHEN c THEN true ELSE error('assert_true failed due to false value') END,
  (c, message) AS CASE WHEN c THEN true ELSE error(message) END;
CREATE MACRO @bar(x, lo, hi, width) AS bar(x, lo, hi, width);
CREATE MACRO @l2_distance(a, b) AS list_distance(CAST(a AS DOUBLE[]), CAST(b AS DOUBLE[]));
CREATE MACRO @cosine_similarity(a, b) AS list_cosine_similarity(CAST(a AS DOUBLE[]), CAST(b AS DOUBLE[]));
