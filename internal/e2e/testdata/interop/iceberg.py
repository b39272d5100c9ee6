"""Shares a table bucket with lakeport from Spark, over Glue's Iceberg REST endpoint and with the credentials that
it hands out: reads what lakeport wrote, writes to it, and makes tables of its own, each read back.

usage: iceberg.py ENDPOINT WAREHOUSE JARS SCRIPT
SCRIPT is a statement a line. The answer to each query is printed as sorted lines of tab-separated text after a line
"-- QUERY". The keys that sign stand in the environment.
"""
import glob
import sys

from pyspark.sql import SparkSession

endpoint, warehouse, jars, script = sys.argv[1:]
builder = SparkSession.builder.master("local[2]")
for name, value in {
    "spark.jars": ",".join(glob.glob(jars + "/*.jar")),
    "spark.driver.memory": "1200m",
    "spark.ui.enabled": "false",
    "spark.sql.shuffle.partitions": "2",
    "spark.sql.session.timeZone": "UTC",
    "spark.sql.extensions": "org.apache.iceberg.spark.extensions.IcebergSparkSessionExtensions",
    "spark.sql.catalog.b": "org.apache.iceberg.spark.SparkCatalog",
    "spark.sql.catalog.b.type": "rest",
    "spark.sql.catalog.b.uri": endpoint + "/iceberg",
    "spark.sql.catalog.b.warehouse": warehouse,
    "spark.sql.catalog.b.rest.sigv4-enabled": "true",
    "spark.sql.catalog.b.rest.signing-name": "glue",
    "spark.sql.catalog.b.rest.signing-region": "us-west-2",
    "spark.sql.catalog.b.header.X-Iceberg-Access-Delegation": "vended-credentials",
    "spark.sql.catalog.b.client.region": "us-west-2",
    "spark.sql.catalog.b.io-impl": "org.apache.iceberg.aws.s3.S3FileIO",
    "spark.sql.catalog.b.s3.endpoint": endpoint,
    "spark.sql.catalog.b.s3.path-style-access": "true",
    # What is asked of the catalog is asked anew, as of another's tables.
    "spark.sql.catalog.b.cache-enabled": "false",
}.items():
    builder = builder.config(name, value)
spark = builder.getOrCreate()
spark.sparkContext.setLogLevel("ERROR")

for statement in open(script):
    statement = statement.strip()
    if not statement or statement.startswith("#"):
        continue
    rows = spark.sql(statement).collect()
    if statement.lower().startswith("select"):
        print("-- " + statement)
        for line in sorted("\t".join("NULL" if v is None else str(v) for v in row) for row in rows):
            print(line)
