"""Writes groups_java_*.orc and types_lzo.orc with Spark 3.5, whose writer is ORC's Java one: the rows of make.py's types, in
row groups of 1000 and chunks of 1 KiB, with Bloom filters. Those that Spark's formulas make otherwise are not in types_lzo.orc."""

import glob
import shutil
import sys

from pyspark.sql import SparkSession

spark = SparkSession.builder.master("local[1]").config("spark.ui.enabled", "false").config("spark.sql.session.timeZone", "UTC") \
    .config("spark.driver.extraJavaOptions", "-Duser.timezone=UTC").getOrCreate()
rows = """SELECT id, if(id % 7 = 0, NULL, id % 3 = 0) yes, CAST(if(id % 5 = 0, NULL, id % 256 - 128) AS TINYINT) tiny,
    CAST(id % 60000 - 30000 AS SMALLINT) small, CAST(if(id % 11 = 0, NULL, (id * 7919) % 1000003 * if(id % 2 = 0, 1, -1)) AS INT) num,
    CAST(CAST(id * 2654435761 AS DECIMAL(19,0)) * CAST(id * 2654435761 AS DECIMAL(19,0)) % 4611686018427387904BD - 2305843009213693952BD AS BIGINT) big,
    CAST(if(id % 13 = 0, NULL, id / 4) AS FLOAT) f, id / 8D d, if(id % 3 = 0, NULL, concat('the text of row ', id)) txt,
    if(id % 4 = 0, NULL, concat('word ', id % 10)) word, unhex(concat('FF', printf('%02X', id % 200))) bin,
    if(id % 9 = 0, NULL, date_add(DATE '1900-01-01', CAST(id * 7 AS INT))) day,
    if(id % 6 = 0, NULL, to_timestamp_ntz(timestamp_micros((id - 1000) * 86399 * 1000000 + id))) ts,
    CAST(if(id % 8 = 0, NULL, (id % 1000) / 10BD) AS DECIMAL(4,1)) d4, CAST((id - 500) * 1000000BD AS DECIMAL(18,4)) d18,
    CAST((id - 500) * 100000000000000000.0000000001BD AS DECIMAL(38,10)) d38,
    if(id % 10 = 0, NULL, transform(filter(array(0, 1, 2, 3), k -> k < id % 4), k -> CAST(if(k % 3 = 0, NULL, id + k) AS INT))) l,
    if(id % 12 = 0, NULL, map_from_entries(transform(filter(array(0, 1, 2), k -> k < id % 3), k -> struct(concat('key ', k), id * k)))) m,
    if(id % 14 = 0, NULL, named_struct('a', CAST(id AS INT), 'b', concat('b', id))) st,
    transform(filter(array(0, 1, 2), k -> k < id % 3), k -> named_struct('x', array(CAST(id AS STRING), 'y'))) ls
    FROM range(0, 5300, 1, 1)"""
for codec, name, n, without in [("zlib", "groups_java_zlib", 5300, []), ("none", "groups_java_none", 5300, []), ("lzo", "types_lzo", 700, ["ts", "d38"])]:
    spark.sql(rows.replace("5300", str(n))).drop(*without).write.options(compression=codec, **{
        "orc.compress.size": "1024", "orc.row.index.stride": "1000", "orc.stripe.size": "4194304",
        "orc.dictionary.key.threshold": "0.1", "orc.bloom.filter.columns": "id,tiny,small,num,d,txt,word,day"}).orc("out")
    shutil.copy(glob.glob("out/*.orc")[0], f"{name}.orc")
    shutil.rmtree("out")
