"""Does with boto3 what scripts do over the lake, and prints what it sees."""

import io
import sys
import urllib.request

import boto3
import botocore.exceptions
from boto3.s3.transfer import TransferConfig


def show(name, f):
    try:
        print(name + ":", f())
    except botocore.exceptions.ClientError as e:
        print(name + ":", e.response["ResponseMetadata"]["HTTPStatusCode"], e)


sts, iam, s3, glue = (boto3.client(n) for n in ("sts", "iam", "s3", "glue"))
show("identity", lambda: sts.get_caller_identity()["Arn"])
show("assume", lambda: sts.assume_role(RoleArn=sys.argv[1], RoleSessionName="boto")["AssumedRoleUser"]["Arn"])
show("users", lambda: [u["UserName"] for p in iam.get_paginator("list_users").paginate() for u in p["Users"]])
show("roles by ones", lambda: [r["RoleName"] for p in iam.get_paginator("list_roles").paginate(PaginationConfig={"PageSize": 1}) for r in p["Roles"]])
show("policy", lambda: iam.get_user_policy(UserName="alice", PolicyName="s3")["PolicyDocument"]["Statement"][0]["Action"])
show("keys by ones", lambda: [o["Key"] for p in s3.get_paginator("list_objects_v2").paginate(Bucket="lake", PaginationConfig={"PageSize": 1}) for o in p.get("Contents", [])])
show("prefixes", lambda: [p["Prefix"] for p in s3.list_objects_v2(Bucket="lake", Prefix="orders/", Delimiter="/")["CommonPrefixes"]])
KEY = "orders/dt=2024-01-01/part-0.parquet"
etag = s3.head_object(Bucket="lake", Key=KEY)["ETag"]
show("range", lambda: s3.get_object(Bucket="lake", Key=KEY, Range="bytes=0-3")["Body"].read())
show("tail", lambda: s3.get_object(Bucket="lake", Key=KEY, Range="bytes=-4")["Body"].read())
show("beyond", lambda: s3.get_object(Bucket="lake", Key=KEY, Range="bytes=999999999-"))
show("matches", lambda: s3.get_object(Bucket="lake", Key=KEY, IfMatch=etag)["ETag"] == etag)
show("does not match", lambda: s3.get_object(Bucket="lake", Key=KEY, IfMatch='"0"'))
show("not modified", lambda: s3.get_object(Bucket="lake", Key=KEY, IfNoneMatch=etag))
show("no key", lambda: s3.get_object(Bucket="lake", Key="nosuch"))
show("no bucket", lambda: s3.list_objects_v2(Bucket="no-such-bucket"))
show("presigned", lambda: urllib.request.urlopen(s3.generate_presigned_url("get_object", {"Bucket": "lake", "Key": KEY})).read(4))
show("put", lambda: s3.put_object(Bucket="lake", Key="boto/x", Body=b"x", ChecksumAlgorithm="SHA256")["ChecksumSHA256"])


def parts():
    body = b"0123456789abcdef" * (12 << 16)
    s3.upload_fileobj(io.BytesIO(body), "lake", "boto/large", Config=TransferConfig(multipart_threshold=5 << 20, multipart_chunksize=5 << 20))
    got = io.BytesIO()
    s3.download_fileobj("lake", "boto/large", got)
    return len(body), got.getvalue() == body, s3.head_object(Bucket="lake", Key="boto/large")["ETag"][-3:]


show("parts", parts)
show("copy", lambda: s3.copy_object(Bucket="lake", Key="boto/y", CopySource={"Bucket": "lake", "Key": KEY})["CopyObjectResult"]["ETag"] == etag)
show("delete", lambda: [d["Key"] for d in s3.delete_objects(Bucket="lake", Delete={"Objects": [{"Key": "boto/x"}, {"Key": "boto/y"}]}).get("Deleted", [])])
show("refused deletes", lambda: [(e["Key"], e["Code"]) for e in s3.delete_objects(Bucket="lake", Delete={"Objects": [{"Key": KEY + ".nosuch"}]}).get("Errors", [])])
show("databases", lambda: [d["Name"] for p in glue.get_paginator("get_databases").paginate() for d in p["DatabaseList"]])
show("tables by ones", lambda: [t["Name"] for p in glue.get_paginator("get_tables").paginate(DatabaseName="sales", PaginationConfig={"PageSize": 1}) for t in p["TableList"]])
show("partitions", lambda: [v["Values"] for p in glue.get_paginator("get_partitions").paginate(DatabaseName="sales", TableName="orders", Expression="dt >= '2024-01-02'") for v in p["Partitions"]])
show("bad expression", lambda: glue.get_partitions(DatabaseName="sales", TableName="orders", Expression="dt >"))
show("create", lambda: glue.create_database(DatabaseInput={"Name": "boto"})["ResponseMetadata"]["HTTPStatusCode"])
show("create again", lambda: glue.create_database(DatabaseInput={"Name": "boto"})["ResponseMetadata"]["HTTPStatusCode"])
