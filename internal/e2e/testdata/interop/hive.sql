SELECT CASE WHEN b THEN 'yes' WHEN NOT b THEN 'no' END, i8, i16, i, l, cast(f AS string), cast(d AS string), cast(n AS string), s, rtrim(c), v, cast(day AS string), nullif(dt, '__HIVE_DEFAULT_PARTITION__'), h FROM spark.parquet WHERE d < 1e9 OR d IS NULL
SELECT l, cast(ts AS string) FROM spark.parquet WHERE year(ts) = 2024 OR ts IS NULL
SELECT count(*), count(dt), min(h), sum(i), count(day), count(DISTINCT ts) FROM spark.parquet WHERE h >= 7
SELECT dt, h, count(*) FROM spark.parquet WHERE dt = '2024-01-01' GROUP BY dt, h
SELECT count(*) FROM spark.parquet WHERE dt IS NULL
SELECT CASE WHEN b THEN 'yes' WHEN NOT b THEN 'no' END, i8, i16, i, l, cast(f AS string), cast(d AS string), cast(n AS string), s, rtrim(c), v, cast(day AS string), nullif(dt, '__HIVE_DEFAULT_PARTITION__'), h FROM spark.orc WHERE d < 1e9 OR d IS NULL
SELECT l, cast(ts AS string) FROM spark.orc WHERE year(ts) = 2024 OR ts IS NULL
SELECT count(*), count(dt), min(h), sum(i), count(day), count(DISTINCT ts) FROM spark.orc WHERE h >= 7
SELECT dt, h, count(*) FROM spark.orc WHERE dt = '2024-01-01' GROUP BY dt, h
SELECT count(*) FROM spark.orc WHERE dt IS NULL
SELECT CASE WHEN b THEN 'yes' WHEN NOT b THEN 'no' END, i8, i16, i, l, cast(f AS string), cast(d AS string), cast(n AS string), s, rtrim(c), v, cast(day AS string), nullif(dt, '__HIVE_DEFAULT_PARTITION__'), h FROM spark.txt WHERE d < 1e9 OR d IS NULL
SELECT l, cast(ts AS string) FROM spark.txt WHERE year(ts) = 2024 OR ts IS NULL
SELECT count(*), count(dt), min(h), sum(i), count(day), count(DISTINCT ts) FROM spark.txt WHERE h >= 7
SELECT dt, h, count(*) FROM spark.txt WHERE dt = '2024-01-01' GROUP BY dt, h
SELECT count(*) FROM spark.txt WHERE dt IS NULL
SELECT CASE WHEN b THEN 'yes' WHEN NOT b THEN 'no' END, i8, i16, i, l, cast(f AS string), cast(d AS string), cast(n AS string), s, rtrim(c), v, cast(day AS string), nullif(dt, '__HIVE_DEFAULT_PARTITION__'), h FROM spark.piped WHERE d < 1e9 OR d IS NULL
SELECT l, cast(ts AS string) FROM spark.piped WHERE year(ts) = 2024 OR ts IS NULL
SELECT count(*), count(dt), min(h), sum(i), count(day), count(DISTINCT ts) FROM spark.piped WHERE h >= 7
SELECT dt, h, count(*) FROM spark.piped WHERE dt = '2024-01-01' GROUP BY dt, h
SELECT count(*) FROM spark.piped WHERE dt IS NULL
SELECT a, b, c FROM spark.sheet
SELECT count(*), sum(id), min(s), max(s) FROM spark.packed_gz
SELECT count(*), sum(id), min(s), max(s) FROM spark.packed_bz2
SELECT count(*), sum(id), min(s), max(s) FROM spark.packed_deflate
SELECT l, array_max(xs), array_min(xs), CASE WHEN array_contains(xs, 5) THEN 'y' ELSE 'n' END, st.x, st.y, array_max(map_keys(m)), array_max(map_values(m)) FROM spark.parquet
SELECT l, array_max(xs), array_min(xs), CASE WHEN array_contains(xs, 5) THEN 'y' ELSE 'n' END, st.x, st.y, array_max(map_keys(m)), array_max(map_values(m)) FROM spark.orc
SELECT l, array_max(xs), array_min(xs), CASE WHEN array_contains(xs, 5) THEN 'y' ELSE 'n' END, st.x, st.y, array_max(map_keys(m)), array_max(map_values(m)) FROM spark.txt
SELECT l, array_max(xs), array_min(xs), CASE WHEN array_contains(xs, 5) THEN 'y' ELSE 'n' END, st.x, st.y, array_max(map_keys(m)), array_max(map_values(m)) FROM spark.piped
