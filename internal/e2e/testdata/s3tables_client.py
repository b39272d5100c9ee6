"""PyIceberg over Glue's Iceberg REST endpoint, signed with the keys of a user:
reads a table that lakeport wrote to a table bucket, writes to it, and makes one
that lakeport reads. The data is reached with the credentials that the catalog
hands out."""
import os

import pyarrow as pa
from pyiceberg.catalog.rest import RestCatalog
from pyiceberg.exceptions import CommitFailedException, ForbiddenError, NoSuchTableError
from pyiceberg.partitioning import PartitionField, PartitionSpec
from pyiceberg.schema import Schema
from pyiceberg.transforms import IdentityTransform
from pyiceberg.types import LongType, NestedField, StringType

url, region = os.environ["AWS_ENDPOINT_URL"], os.environ["AWS_DEFAULT_REGION"]
catalog = RestCatalog("tables", **{
    "uri": url + "/iceberg", "warehouse": os.environ["WAREHOUSE"], "rest.sigv4-enabled": "true", "rest.signing-name": "glue",
    "rest.signing-region": region, "s3.endpoint": url, "s3.region": region, "py-io-impl": "pyiceberg.io.pyarrow.PyArrowFileIO",
})
print("namespaces", catalog.list_namespaces())
print("tables", catalog.list_tables("s3table_db"))
taxis = catalog.load_table("s3table_db.taxis")
print(taxis.spec())
for row in taxis.scan().to_arrow().sort_by("trip_id").to_pylist():
    print(" ", row)
stale = catalog.load_table("s3table_db.taxis")
taxis.append(pa.Table.from_pylist([{"trip_id": 5, "trip_distance": 0.5, "fare_amount": 1.25, "store_and_fwd_flag": "P", "vendor_id": 3}], schema=taxis.schema().as_arrow()))
with taxis.update_schema() as change:
    change.add_column("tip", LongType())
try:
    with stale.update_schema() as change:
        change.add_column("other", LongType())
except CommitFailedException as e:
    print("stale:", str(e).split(":", 1)[0])

made = catalog.create_table("s3table_db.made", Schema(NestedField(1, "id", LongType(), required=True), NestedField(2, "name", StringType())),
                            partition_spec=PartitionSpec(PartitionField(1, 1000, IdentityTransform(), "id")), properties={"owner": "us"})
made.append(pa.Table.from_pylist([{"id": i, "name": f"n{i}"} for i in range(6)], schema=made.schema().as_arrow()))
made.delete("id = 2")
print("made", made.scan().to_arrow().num_rows, made.properties.get("owner"))
try:
    catalog.load_table("s3table_db.none")
except (NoSuchTableError, ForbiddenError) as e:
    print("none:", type(e).__name__)
