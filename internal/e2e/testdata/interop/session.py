"""Runs statements with Spark and prints what its queries answer.

usage: session.py JARS SCRIPT NAME=VALUE...
JARS are directories of jars with commas between, SCRIPT has a statement a line, the others are settings. The answer to
each query is printed as sorted lines of tab-separated text after a line "-- QUERY".
"""
import glob
import sys

from pyspark.sql import SparkSession

jars, script = sys.argv[1:3]
settings = {
    "spark.jars": ",".join(jar for directory in jars.split(",") for jar in glob.glob(directory + "/*.jar")),
    "spark.driver.memory": "1200m",
    "spark.ui.enabled": "false",
    "spark.sql.shuffle.partitions": "2",
    "spark.sql.session.timeZone": "UTC",
}
settings.update(s.split("=", 1) for s in sys.argv[3:])
builder = SparkSession.builder.master("local[2]")
for name, value in settings.items():
    builder = builder.config(name, value)
if "spark.hadoop.hive.metastore.uris" in settings:
    builder = builder.enableHiveSupport()
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
