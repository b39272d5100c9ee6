"""Walks the Redshift APIs with boto3 and prints what came of each step."""
import sys
import boto3
from botocore.config import Config
from botocore.exceptions import ClientError

endpoint = sys.argv[1]
home = "111111111111"


def client(service, who):
    return boto3.client(service, endpoint_url=endpoint, region_name="us-east-1", aws_access_key_id="AKIA" + who.upper() * 5 + "1",
                        aws_secret_access_key=who + "secret", config=Config(retries={"max_attempts": 0}))


def role(name):
    return f"arn:aws:iam::{home}:role/{name}"


def step(name, call, pick=lambda r: "done", **args):
    try:
        print(f"{name}: {pick(call(**args))}")
    except ClientError as e:
        print(f"{name}: {e.response['Error']['Code']}: {e.response['Error']['Message']}")


def attached(r):
    c = r.get("Cluster") or r["Clusters"][0]
    return " ".join([c["ClusterStatus"]] + [x["IamRoleArn"].rsplit("/", 1)[1] + "=" + x["ApplyStatus"] for x in c["IamRoles"]] +
                    ["default " + c.get("DefaultIamRoleArn", "none").rsplit("/", 1)[-1]])


ann, lee = client("redshift", "ann"), client("redshift", "lee")
make = dict(ClusterIdentifier="lake", NodeType="ra3.large", MasterUsername="admin", MasterUserPassword="Secret123", ClusterType="single-node")
step("create without PassRole", lee.create_cluster, attached, IamRoles=[role("RoleB")], **make)
step("create", ann.create_cluster, attached, IamRoles=[role("RoleB")], **make)
step("create again", ann.create_cluster, attached, **make)
step("create with what is not built", ann.create_cluster, attached, **dict(make, ClusterIdentifier="b", Encrypted=True))
step("a bad name", ann.create_cluster, attached, **dict(make, ClusterIdentifier="B-"))
step("attach", ann.modify_cluster_iam_roles, attached, ClusterIdentifier="lake", AddIamRoles=[role("closed")], DefaultIamRoleArn=role("RoleB"))
step("attach nobody", ann.modify_cluster_iam_roles, attached, ClusterIdentifier="lake", AddIamRoles=[role("none")])
step("a default that is not attached", ann.modify_cluster_iam_roles, attached, ClusterIdentifier="lake", DefaultIamRoleArn=role("loose"))
step("describe", ann.describe_clusters, attached, ClusterIdentifier="lake")
step("describe as lee", lee.describe_clusters, attached, ClusterIdentifier="lake")
step("describe all", ann.describe_clusters, lambda r: len(r["Clusters"]))
step("describe what is not there", ann.describe_clusters, attached, ClusterIdentifier="none")
step("an operation that is not there", ann.reboot_cluster, ClusterIdentifier="lake")

def names(r):
    n = r["namespace"]
    return " ".join([n["status"], n["defaultIamRoleArn"].rsplit("/", 1)[1] if n.get("defaultIamRoleArn") else "none"] + n["iamRoles"])


ann, lee = client("redshift-serverless", "ann"), client("redshift-serverless", "lee")
step("create a namespace", ann.create_namespace, names, namespaceName="work", iamRoles=[role("RoleB"), role("RoleS")], defaultIamRoleArn=role("RoleS"))
step("create it again", ann.create_namespace, names, namespaceName="work")
step("update without PassRole", lee.update_namespace, names, namespaceName="work", iamRoles=[role("RoleS")])
step("update", ann.update_namespace, names, namespaceName="work", iamRoles=[role("RoleS")], defaultIamRoleArn=role("RoleS"))
step("update to what is not built", ann.update_namespace, names, namespaceName="work", kmsKeyId="alias/x")
step("get", ann.get_namespace, names, namespaceName="work")
step("get what is not there", ann.get_namespace, names, namespaceName="none")
step("list", ann.list_namespaces, lambda r: [n["namespaceName"] for n in r["namespaces"]])
