"""Writes Hive tables with Spark and prints what Spark itself reads back.

usage: hive.py METASTORE S3 ACCESS_KEY SECRET_KEY JARS QUERIES
QUERIES is a file of one query a line. Each answer is printed as sorted lines of
tab-separated text after a line "-- QUERY".
"""
import glob
import sys

from pyspark.sql import SparkSession

metastore, s3, key, secret, jars, queries = sys.argv[1:]
builder = SparkSession.builder.master("local[2]").enableHiveSupport()
for name, value in {
    "spark.jars": ",".join(glob.glob(jars + "/*.jar")),
    "spark.driver.memory": "1200m",
    "spark.ui.enabled": "false",
    "spark.sql.shuffle.partitions": "2",
    "spark.sql.session.timeZone": "UTC",
    "spark.sql.warehouse.dir": "s3a://warehouse/spark",
    "spark.hadoop.hive.metastore.uris": metastore,
    "spark.hadoop.hive.exec.dynamic.partition.mode": "nonstrict",
    "spark.hadoop.fs.s3a.endpoint": s3,
    "spark.hadoop.fs.s3a.endpoint.region": "us-west-2",
    "spark.hadoop.fs.s3a.path.style.access": "true",
    "spark.hadoop.fs.s3a.connection.ssl.enabled": "false",
    "spark.hadoop.fs.s3a.access.key": key,
    "spark.hadoop.fs.s3a.secret.key": secret,
    # Hive's own writers for every format, not Spark's.
    "spark.sql.hive.convertMetastoreParquet": "false",
    "spark.sql.hive.convertMetastoreOrc": "false",
}.items():
    builder = builder.config(name, value)
spark = builder.getOrCreate()
spark.sparkContext.setLogLevel("ERROR")

spark.sql("create database spark location 's3a://warehouse/spark'")
columns = """b boolean, i8 tinyint, i16 smallint, i int, l bigint, f float, d double, n decimal(10,2), s string, c char(5), v varchar(9),
  day date, ts timestamp, xs array<int>, m map<string,int>, st struct<x:int,y:string>"""
rows = """
  (true, 1Y, 2S, 3, 4L, 1.5F, 2.25D, 12.34BD, 'plain', 'ab', 'vc', date'2024-02-29', timestamp'2024-02-29 12:34:56.789', array(1, 2, null), map('k', 1), named_struct('x', 1, 'y', 'z'), '2024-01-01', 7),
  (false, -128Y, -32768S, -2147483648, -9223372036854775808L, -0.5F, 1e100D, -99999999.99BD, '', '', '', date'1970-01-01', timestamp'1970-01-01 00:00:00', array(), map(), named_struct('x', null, 'y', ''), '2024-01-01', 8),
  (null, null, null, null, null, null, null, null, null, null, null, null, null, null, null, null, 'o''dd /=%é', 7),
  (true, 127Y, 32767S, 2147483647, 9223372036854775807L, 3.25F, -2.5D, 0BD, 'tab\\there, "quoted" \\\\ back|slash é', 'abcde', 'é', date'2262-04-11', timestamp'1999-12-31 23:59:59.000001', array(5), map('a', 1, 'b', null), named_struct('x', 9, 'y', 'a b'), null, null)
"""
spark.sql("create temporary view source as select * from values " + rows + " as t(b, i8, i16, i, l, f, d, n, s, c, v, day, ts, xs, m, st, dt, h)")

formats = {
    "parquet": "stored as parquet",
    "orc": "stored as orc",
    "txt": "stored as textfile",
    "piped": "row format delimited fields terminated by '|' escaped by '\\\\' collection items terminated by ';' map keys terminated by '=' null defined as 'nil' stored as textfile",
}
for name, stored in formats.items():
    spark.sql(f"create table spark.{name} ({columns}) partitioned by (dt string, h int) {stored}")
    spark.sql(f"insert into spark.{name} partition (dt, h) select * from source")

spark.sql("create table spark.sheet (a string, b string, c string) row format serde 'org.apache.hadoop.hive.serde2.OpenCSVSerde' stored as textfile")
spark.sql("""insert into spark.sheet values ('1', 'plain', 'x'), ('2', 'with "quotes", commas', ''), ('3', 'back\\\\slash', 'é')""")

conf = spark.sparkContext._jsc.hadoopConfiguration()
for codec, cls in {"gz": "GzipCodec", "bz2": "BZip2Codec", "deflate": "DeflateCodec"}.items():
    spark.sql(f"create table spark.packed_{codec} (id bigint, s string) stored as textfile")
    spark.sql("set hive.exec.compress.output=true")
    spark.sql("set mapreduce.output.fileoutputformat.compress=true")
    spark.sql(f"set mapreduce.output.fileoutputformat.compress.codec=org.apache.hadoop.io.compress.{cls}")
    spark.sql(f"insert into spark.packed_{codec} select id, concat('row ', id) from range(0, 20000)")
    spark.sql("set hive.exec.compress.output=false")

for query in open(queries):
    query = query.strip()
    lines = sorted("\t".join("NULL" if v is None else str(v) for v in row) for row in spark.sql(query).collect())
    print("-- " + query)
    for line in lines:
        print(line)
