-- Queries that clients may run; each line is one.
SELECT 1
SELECT * FROM t
SELECT * FROM db.t
SELECT * FROM cat.db.t
SELECT * FROM "cat"."d b"."t.x"
SELECT * FROM "a""b"
SELECT * FROM cat . db /* c */ . t -- end
SELECT * FROM "tä", öö.b, 日本.表
SELECT 'é', x FROM "tä" WHERE 'ü' = x
FROM t
FROM t SELECT a
TABLE t
VALUES (1, 2), (3, 4)
SELECT * FROM (VALUES (1), (2)) v(x)
SELECT t.a, db.t.b, cat.db.t.c FROM cat.db.t
SELECT a.x FROM t AS a JOIN u b ON a.k = b.k
SELECT * FROM t a(x, y)
SELECT * FROM t JOIN u USING (k) LEFT JOIN v ON v.k = t.k
SELECT * FROM t NATURAL JOIN u
SELECT * FROM t SEMI JOIN u ON t.a = u.a
SELECT * FROM t ANTI JOIN u USING (a)
SELECT * FROM t ASOF JOIN u ON t.k = u.k AND t.ts >= u.ts
SELECT * FROM t POSITIONAL JOIN u
SELECT * FROM t CROSS JOIN u
SELECT * FROM t, LATERAL (SELECT t.a + 1) x
SELECT * FROM t, LATERAL (SELECT * FROM u WHERE u.k = t.k LIMIT 1) x
SELECT (SELECT max(a) FROM u WHERE u.k = t.k) FROM t
SELECT * FROM t WHERE a IN (SELECT b FROM u)
SELECT * FROM t WHERE EXISTS (SELECT 1 FROM u WHERE u.k = t.k)
SELECT * FROM t WHERE a > ALL (SELECT b FROM u) OR a = ANY (SELECT c FROM v)
WITH x AS (SELECT * FROM t) SELECT * FROM x
WITH x AS (SELECT * FROM t), y AS (SELECT * FROM x JOIN u USING (k)) SELECT * FROM y, x
WITH x AS (SELECT * FROM x) SELECT * FROM x
WITH x AS (SELECT * FROM y), y AS (SELECT 1) SELECT * FROM x, y
WITH x AS (SELECT 1) SELECT * FROM db.x
WITH X AS (SELECT 1) SELECT * FROM x
WITH "É" AS (SELECT 1) SELECT * FROM "é"
WITH x AS (SELECT 1) SELECT * FROM (WITH x AS (SELECT * FROM x) SELECT * FROM x) s
WITH x AS (SELECT 1) SELECT * FROM t WHERE a IN (SELECT * FROM x)
SELECT * FROM (WITH x AS (SELECT 1) SELECT * FROM x), x
SELECT * FROM (WITH x AS (SELECT 1) SELECT * FROM x UNION ALL SELECT * FROM y) s JOIN y ON true
WITH RECURSIVE r(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM r WHERE n < 5) SELECT * FROM r
WITH RECURSIVE r AS (SELECT id FROM tree WHERE p IS NULL UNION ALL SELECT c.id FROM tree c, r WHERE c.p = r.id) SELECT * FROM r
WITH RECURSIVE r AS (SELECT * FROM r UNION ALL SELECT * FROM r) SELECT * FROM r
WITH x AS MATERIALIZED (SELECT * FROM t) SELECT * FROM x a, x b
WITH x AS NOT MATERIALIZED (SELECT * FROM t) SELECT * FROM x a, x b
SELECT * FROM t UNION SELECT * FROM u
SELECT * FROM t UNION ALL BY NAME SELECT * FROM u
SELECT * FROM t INTERSECT SELECT * FROM u EXCEPT ALL SELECT * FROM v
(SELECT * FROM t ORDER BY a LIMIT 1) UNION ALL (SELECT * FROM u)
WITH x AS (SELECT 1) SELECT * FROM t UNION ALL SELECT * FROM x ORDER BY (SELECT max(a) FROM u)
SELECT * FROM t ORDER BY a DESC NULLS LAST LIMIT 10 OFFSET 5
SELECT * FROM t ORDER BY ALL LIMIT 10%
SELECT * FROM t LIMIT (SELECT count(*) FROM u)
SELECT DISTINCT a FROM t
SELECT DISTINCT ON (a) a, b FROM t ORDER BY a, b
SELECT a, sum(b) FROM t GROUP BY a HAVING sum(b) > 5
SELECT a, b, sum(c) FROM t GROUP BY ROLLUP (a, b)
SELECT a, b, grouping(a) FROM t GROUP BY CUBE (a, b)
SELECT a, sum(b) FROM t GROUP BY GROUPING SETS ((a), ())
SELECT a, sum(b) FROM t GROUP BY ALL
SELECT a, row_number() OVER (PARTITION BY b ORDER BY c) r FROM t QUALIFY r = 1
SELECT sum(a) OVER w, lag(a, 1, 0) OVER w FROM t WINDOW w AS (PARTITION BY b ORDER BY c ROWS BETWEEN 1 PRECEDING AND CURRENT ROW)
SELECT first_value(a IGNORE NULLS) OVER (ORDER BY b RANGE BETWEEN INTERVAL 1 DAY PRECEDING AND CURRENT ROW EXCLUDE TIES) FROM t
SELECT sum(a) FILTER (WHERE b > 1), string_agg(c, ',' ORDER BY c), count(DISTINCT d) FROM t
SELECT CASE a WHEN 1 THEN 'x' WHEN 2 THEN (SELECT max(b) FROM u) ELSE 'z' END FROM t
SELECT CAST(a AS DECIMAL(10,2)), TRY_CAST(b AS DATE), c::VARCHAR[], d::STRUCT(x INT) FROM t
SELECT a BETWEEN 1 AND 2, b LIKE 'x%', c ILIKE 'Y', d SIMILAR TO '[a-z]+', e GLOB 'x*', f IS DISTINCT FROM g FROM t
SELECT coalesce(a, b), nullif(a, 1), ifnull(a, 2), greatest(a, b), if(a, 1, 2) FROM t
SELECT date_trunc('month', d), extract(year FROM d), d + INTERVAL 1 MONTH, date_diff('day', d, e), strftime(d, '%Y') FROM t
SELECT current_date, current_timestamp, now(), today() FROM t
SELECT [x + 1 FOR x IN l IF x > 1], list_transform(l, lambda x: x * 2), l[1], l[2:3] FROM t
SELECT {'a': 1, 'b': s.x}, MAP {'k': v}, s.x.y, m['k'] FROM t
SELECT j->'$.a', j->>'$.b', json_extract(j, '$.c'), json_extract_string(j, '$.d') FROM t
SELECT unnest(l) FROM t
SELECT * FROM t, unnest(t.l) u(x)
SELECT * FROM range(10) r(i), generate_series(1, 5) s(j)
SELECT * FROM t, json_each(t.j)
SELECT * FROM unnest([1, 2, 3]) WITH ORDINALITY
SELECT * EXCLUDE (a), t.* REPLACE (b + 1 AS b), COLUMNS('c.*') FROM t
SELECT * RENAME (a AS z) FROM t
SELECT * FROM t TABLESAMPLE 10%
SELECT * FROM t USING SAMPLE reservoir(10 ROWS)
SELECT a COLLATE NOCASE FROM t ORDER BY a COLLATE de
PIVOT t ON a IN (1, 2) USING sum(b) GROUP BY c
PIVOT cat.db.t ON a IN ('x') USING count(*)
SELECT * FROM t PIVOT (sum(b) FOR a IN (1, 2))
UNPIVOT t ON a, b INTO NAME n VALUE v
SELECT * FROM t UNPIVOT (v FOR n IN (a, b))
DESCRIBE t
DESCRIBE SELECT * FROM db.t
SUMMARIZE cat.db.t
SELECT column_name FROM (DESCRIBE t)
SELECT * FROM (SUMMARIZE SELECT a FROM t)
SELECT * FROM t WHERE a = ? AND b = ?
SELECT * FROM t WHERE a = $1
SELECT #1 FROM t
SELECT 0x1F, 1e10, 1_000, 'it''s', E'\n', $$x$$, X'00'
SELECT TRY(a / 0) FROM t
SELECT md5(a), sha256(a), hash(a), uuid(), random(), regexp_replace(a, 'x', 'y', 'g') FROM t
SELECT approx_count_distinct(a), quantile_cont(a, 0.5), arg_max(a, b), histogram(a), list(a) FROM t
SELECT "select" FROM "from" WHERE "where" = 1
SELECT my_macro(a) FROM t
SELECT * FROM information_schema.tables
SELECT * FROM cat.db.parquet, db.csv, json
SELECT 1 FROM (SELECT 1) x, (FROM t) y, (TABLE u) z
SELECT (FROM t SELECT max(a)), ARRAY(SELECT b FROM u)
SELECT t FROM t
SELECT d.t.a, "d"."t".b FROM d.t
SELECT d.t.a FROM d.t AS x, d.t
