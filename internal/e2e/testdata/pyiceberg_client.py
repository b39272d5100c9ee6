"""PyIceberg over Glue: reads the tables that lakeport wrote, prunes them by
their bounds and partitions, and writes ones that lakeport reads."""
import datetime
import decimal
import os

import pyarrow as pa
from pyiceberg.catalog.glue import GlueCatalog
from pyiceberg.expressions import EqualTo, GreaterThan
from pyiceberg.schema import Schema
from pyiceberg.transforms import IdentityTransform
from pyiceberg.partitioning import PartitionField, PartitionSpec
from pyiceberg.types import (BinaryType, DateType, DecimalType, DoubleType, ListType, LongType, MapType,
                             NestedField, StringType, StructType, TimestampType, TimestamptzType)

url, region = os.environ["AWS_ENDPOINT_URL"], os.environ["AWS_DEFAULT_REGION"]
catalog = GlueCatalog("glue", **{
    "glue.endpoint": url, "glue.region": region, "s3.endpoint": url, "s3.region": region,
    "s3.access-key-id": os.environ["AWS_ACCESS_KEY_ID"], "s3.secret-access-key": os.environ["AWS_SECRET_ACCESS_KEY"],
})

for name in ("plain", "parts", "three"):
    table = catalog.load_table("d." + name)
    rows = table.scan().to_arrow().sort_by("id").to_pylist()
    print(name, "format", table.metadata.format_version, "files", len(list(table.scan().plan_files())))
    for row in rows:
        print(" ", row)
table = catalog.load_table("d.parts")
print("pruned by bucket", len(list(table.scan(row_filter=EqualTo("id", 3)).plan_files())))
print("pruned by bounds", len(list(table.scan(row_filter=GreaterThan("id", 3)).plan_files())))
print("partitions", sorted(str(p["partition"]) for p in table.inspect.partitions().to_pylist()))
print("bounds", [(f["lower_bounds"], f["upper_bounds"]) for f in catalog.load_table("d.plain").inspect.files().to_pylist()][0][0][:2])

schema = Schema(
    NestedField(1, "id", LongType(), required=True),
    NestedField(2, "name", StringType()),
    NestedField(3, "price", DecimalType(10, 2)),
    NestedField(4, "day", DateType()),
    NestedField(5, "at", TimestampType()),
    NestedField(6, "instant", TimestamptzType()),
    NestedField(7, "point", StructType(NestedField(8, "x", DoubleType()), NestedField(9, "y", DoubleType()))),
    NestedField(10, "tags", ListType(11, StringType(), element_required=False)),
    NestedField(12, "counts", MapType(13, StringType(), 14, LongType(), value_required=False)),
    NestedField(15, "raw", BinaryType()),
)
spec = PartitionSpec(PartitionField(4, 1000, IdentityTransform(), "day"))
made = catalog.create_table("d.made", schema, location="s3://ice/wh/d.db/made", partition_spec=spec)


def rows_of(ids):
    return pa.Table.from_pylist([{
        "id": i, "name": f"n{i}", "price": decimal.Decimal(i) / 4, "day": datetime.date(2024, 1, i), "at": datetime.datetime(2024, 1, i, 1, 2, 3, 4),
        "instant": datetime.datetime(2024, 1, i, tzinfo=datetime.timezone.utc), "point": {"x": i / 2, "y": None}, "tags": ["a", None],
        "counts": [("k", i)], "raw": bytes([i, 255])} for i in ids], schema=made.schema().as_arrow())


made.append(rows_of([1, 2, 3]))
with made.update_schema() as change:
    change.rename_column("name", "label")
    change.rename_column("point.x", "left")
    change.add_column(("point", "z"), LongType())
    change.add_column("extra", StringType())
    change.delete_column("raw")
    change.move_first("name")
made = catalog.load_table("d.made")
made.append(pa.Table.from_pylist([{"id": 4, "label": "n4", "point": {"left": 9.5, "y": 1.0, "z": 7}, "extra": "e"}], schema=made.schema().as_arrow()))
made.delete(EqualTo("id", 2))
print("made", made.scan().to_arrow().num_rows)
