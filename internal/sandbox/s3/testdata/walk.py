"""Walks through S3 with boto3's defaults; prints nothing if all is well."""
import io
import os
import sys

import boto3
import botocore.exceptions
from boto3.s3.transfer import TransferConfig

endpoint = sys.argv[1]
s3 = boto3.client("s3", endpoint_url=endpoint, region_name="us-east-1")


def check(ok, what):
    if not ok:
        raise SystemExit("boto3: " + what)


def refused(code, call, **args):
    try:
        call(**args)
    except botocore.exceptions.ClientError as e:
        check(e.response["Error"]["Code"] == code, f"{code} wanted, got {e}")
        return e.response
    check(False, f"{code} wanted, got success")


s3.create_bucket(Bucket="py-walk")
check([b["Name"] for b in s3.list_buckets()["Buckets"]] == ["py-walk"], "list_buckets")
s3.head_bucket(Bucket="py-walk")
check(s3.get_bucket_location(Bucket="py-walk")["LocationConstraint"] is None, "location of us-east-1")

put = s3.put_object(Bucket="py-walk", Key="a b+c/ü.txt", Body=b"0123456789", Metadata={"who": "me"}, ContentType="text/plain")
check("ChecksumCRC32" in put, "default checksum")
got = s3.get_object(Bucket="py-walk", Key="a b+c/ü.txt")
check(got["Body"].read() == b"0123456789" and got["Metadata"] == {"who": "me"} and got["ChecksumCRC32"] == put["ChecksumCRC32"], "get_object")
got = s3.get_object(Bucket="py-walk", Key="a b+c/ü.txt", Range="bytes=-3")
check(got["Body"].read() == b"789" and got["ContentRange"] == "bytes 7-9/10", "range")
refused("InvalidRange", s3.get_object, Bucket="py-walk", Key="a b+c/ü.txt", Range="bytes=99-")
refused("NoSuchKey", s3.get_object, Bucket="py-walk", Key="none")
refused("NoSuchBucket", s3.get_object, Bucket="py-none", Key="none")
refused("PreconditionFailed", s3.put_object, Bucket="py-walk", Key="a b+c/ü.txt", Body=b"", IfNoneMatch="*")

big = os.urandom(20 << 20)
for name, extra in {"crc32": {}, "sha256": {"ChecksumAlgorithm": "SHA256"}, "sha1": {"ChecksumAlgorithm": "SHA1"}}.items():
    s3.upload_fileobj(io.BytesIO(big), "py-walk", "big/" + name, ExtraArgs=extra)
    back = io.BytesIO()
    s3.download_fileobj("py-walk", "big/" + name, back, Config=TransferConfig(max_concurrency=4))
    check(back.getvalue() == big, "upload and download with " + name)
    check(s3.head_object(Bucket="py-walk", Key="big/" + name)["ETag"].endswith('-3"'), "ETag of " + name)
s3.copy({"Bucket": "py-walk", "Key": "big/crc32"}, "py-walk", "big/copy")  # by parts
check(s3.head_object(Bucket="py-walk", Key="big/copy")["ContentLength"] == len(big), "copy")

for i in range(25):
    s3.put_object(Bucket="py-walk", Key=f"many/{i % 5}/{i:02}", Body=b"")
pages = s3.get_paginator("list_objects_v2").paginate(Bucket="py-walk", Prefix="many/", PaginationConfig={"PageSize": 7})
check([o["Key"] for p in pages for o in p["Contents"]] == sorted(f"many/{i % 5}/{i:02}" for i in range(25)), "pages v2")
pages = s3.get_paginator("list_objects").paginate(Bucket="py-walk", Prefix="many/", Delimiter="/", PaginationConfig={"PageSize": 2})
check([o["Prefix"] for p in pages for o in p.get("CommonPrefixes", [])] == [f"many/{i}/" for i in range(5)], "prefixes v1")
check([o["Key"] for o in s3.list_objects_v2(Bucket="py-walk", Prefix="a b+")["Contents"]] == ["a b+c/ü.txt"], "odd key")
out = s3.delete_objects(Bucket="py-walk", Delete={"Objects": [{"Key": f"many/{i % 5}/{i:02}"} for i in range(25)]})
check(len(out["Deleted"]) == 25, "delete_objects")

eu = boto3.client("s3", endpoint_url=endpoint, region_name="eu-west-1")
eu.create_bucket(Bucket="py-eu", CreateBucketConfiguration={"LocationConstraint": "eu-west-1"})
s3.put_object(Bucket="py-eu", Key="k", Body=b"x")  # botocore learns the region and signs again
check(s3.get_bucket_location(Bucket="py-eu")["LocationConstraint"] == "eu-west-1", "location")
