"""Calls every action of the sandbox's IAM with boto3 and checks the answers.

Arguments: endpoint, access key id, secret access key, account.
Prints the names of the actions called, one a line.
"""
import json
import sys

import boto3
from botocore.exceptions import ClientError

endpoint, key, secret, account = sys.argv[1:]
session = boto3.Session(aws_access_key_id=key, aws_secret_access_key=secret, region_name="eu-west-1")
iam = session.client("iam", endpoint_url=endpoint)
called = set()
iam.meta.events.register("before-call.iam", lambda model, **_: called.add(model.name))


def expect(code, call, **kw):
    try:
        call(**kw)
    except ClientError as e:
        assert e.response["Error"]["Code"] == code, (code, e)
        return e.response["Error"]["Message"]
    raise AssertionError(f"{call} was not refused with {code}")


def names(items, key):
    return [i[key] for i in items]


def doc(action="s3:GetObject", resource="*"):
    return {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": action, "Resource": resource}]}


def trust(**principal):
    return {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Principal": principal, "Action": "sts:AssumeRole"}]}


# Users.
user = iam.create_user(UserName="ann", Path="/lab/", Tags=[{"Key": "team", "Value": "lake at sea"}])["User"]
assert user["Arn"] == f"arn:aws:iam::{account}:user/lab/ann", user
assert iam.get_user(UserName="ann")["User"]["Tags"] == [{"Key": "team", "Value": "lake at sea"}]
assert iam.get_user()["User"]["Arn"] == f"arn:aws:iam::{account}:root"
iam.update_user(UserName="ann", NewUserName="anna")
assert names(iam.list_users(PathPrefix="/lab/")["Users"], "UserName") == ["anna"]
assert iam.list_users(PathPrefix="/none/")["Users"] == []
expect("NoSuchEntity", iam.get_user, UserName="ann")
message = expect("ValidationError", iam.create_user, UserName="a b")
assert message == r"1 validation error detected: Value 'a b' at 'userName' failed to satisfy constraint: Member must satisfy regular expression pattern: [\w+=,.@-]+", message

iam.tag_user(UserName="anna", Tags=[{"Key": "Team", "Value": "sea"}, {"Key": "x", "Value": ""}])
assert iam.list_user_tags(UserName="anna")["Tags"] == [{"Key": "Team", "Value": "sea"}, {"Key": "x", "Value": ""}]
iam.untag_user(UserName="anna", TagKeys=["x"])
assert names(iam.list_user_tags(UserName="anna")["Tags"], "Key") == ["Team"]

access = iam.create_access_key(UserName="anna")["AccessKey"]
assert len(access["AccessKeyId"]) == 20 and len(access["SecretAccessKey"]) == 40
iam.create_access_key(UserName="anna")
expect("LimitExceeded", iam.create_access_key, UserName="anna")
iam.update_access_key(UserName="anna", AccessKeyId=access["AccessKeyId"], Status="Inactive")
status = {k["AccessKeyId"]: k["Status"] for k in iam.list_access_keys(UserName="anna")["AccessKeyMetadata"]}
assert sorted(status.values()) == ["Active", "Inactive"], status
assert iam.get_access_key_last_used(AccessKeyId=access["AccessKeyId"])["AccessKeyLastUsed"]["ServiceName"] == "N/A"
for k in status:
    iam.delete_access_key(UserName="anna", AccessKeyId=k)
expect("NoSuchEntity", iam.delete_access_key, UserName="anna", AccessKeyId=access["AccessKeyId"])

# Managed policies.
policy = iam.create_policy(PolicyName="read", Path="/lab/", Description="reads", PolicyDocument=json.dumps(doc()), Tags=[{"Key": "a", "Value": "b"}])["Policy"]
arn = policy["Arn"]
assert policy["DefaultVersionId"] == "v1" and policy["AttachmentCount"] == 0, policy
expect("EntityAlreadyExists", iam.create_policy, PolicyName="READ", PolicyDocument=json.dumps(doc()))
message = expect("MalformedPolicyDocument", iam.create_policy, PolicyName="bad", PolicyDocument="{")
assert message == "Syntax errors in policy.", message
for i in range(4):
    iam.create_policy_version(PolicyArn=arn, PolicyDocument=json.dumps(doc("s3:List*")), SetAsDefault=i == 3)
expect("LimitExceeded", iam.create_policy_version, PolicyArn=arn, PolicyDocument=json.dumps(doc()))
assert iam.get_policy(PolicyArn=arn)["Policy"]["DefaultVersionId"] == "v5"
assert iam.get_policy_version(PolicyArn=arn, VersionId="v1")["PolicyVersion"]["Document"] == doc()
iam.set_default_policy_version(PolicyArn=arn, VersionId="v1")
expect("DeleteConflict", iam.delete_policy_version, PolicyArn=arn, VersionId="v1")
iam.delete_policy_version(PolicyArn=arn, VersionId="v5")
assert names(iam.list_policy_versions(PolicyArn=arn)["Versions"], "VersionId") == ["v4", "v3", "v2", "v1"]
assert names(iam.list_policies(Scope="Local")["Policies"], "Arn") == [arn]
assert "AdministratorAccess" in names(iam.list_policies(Scope="AWS")["Policies"], "PolicyName")
iam.tag_policy(PolicyArn=arn, Tags=[{"Key": "c", "Value": "d"}])
iam.untag_policy(PolicyArn=arn, TagKeys=["a"])
assert names(iam.list_policy_tags(PolicyArn=arn)["Tags"], "Key") == ["c"]

# Groups.
group = iam.create_group(GroupName="team")["Group"]
iam.add_user_to_group(GroupName="team", UserName="anna")
iam.update_group(GroupName="team", NewGroupName="crew", NewPath="/lab/")
assert names(iam.get_group(GroupName="crew")["Users"], "UserName") == ["anna"]
assert names(iam.list_groups()["Groups"], "GroupName") == ["crew"]
assert names(iam.list_groups_for_user(UserName="anna")["Groups"], "GroupName") == ["crew"]
expect("DeleteConflict", iam.delete_group, GroupName="crew")

# Roles.
role = iam.create_role(RoleName="runner", Path="/lab/", AssumeRolePolicyDocument=json.dumps(trust(AWS=user["Arn"].replace("ann", "anna"))),
                       Description="runs", MaxSessionDuration=7200, PermissionsBoundary=arn, Tags=[{"Key": "k", "Value": "v"}])["Role"]
assert role["AssumeRolePolicyDocument"] == trust(AWS=f"arn:aws:iam::{account}:user/lab/anna"), role
assert role["MaxSessionDuration"] == 7200 and role["PermissionsBoundary"]["PermissionsBoundaryArn"] == arn
iam.update_assume_role_policy(RoleName="runner", PolicyDocument=json.dumps(trust(Service="ec2.amazonaws.com")))
iam.update_role(RoleName="runner", Description="walks", MaxSessionDuration=3600)
iam.update_role_description(RoleName="runner", Description="sits & <stands>")
role = iam.get_role(RoleName="runner")["Role"]
assert role["Description"] == "sits & <stands>" and role["AssumeRolePolicyDocument"] == trust(Service="ec2.amazonaws.com")
assert names(iam.list_roles()["Roles"], "RoleName") == ["runner"]
iam.tag_role(RoleName="runner", Tags=[{"Key": "l", "Value": "w"}])
iam.untag_role(RoleName="runner", TagKeys=["K"])
assert names(iam.list_role_tags(RoleName="runner")["Tags"], "Key") == ["l"]
iam.delete_role_permissions_boundary(RoleName="runner")
iam.put_role_permissions_boundary(RoleName="runner", PermissionsBoundary=arn)
iam.put_user_permissions_boundary(UserName="anna", PermissionsBoundary=arn)
expect("DeleteConflict", iam.delete_policy, PolicyArn=arn)
entities = iam.list_entities_for_policy(PolicyArn=arn, PolicyUsageFilter="PermissionsBoundary")
assert names(entities["PolicyRoles"], "RoleName") == ["runner"] and names(entities["PolicyUsers"], "UserName") == ["anna"], entities
linked = iam.create_service_linked_role(AWSServiceName="lakeformation.amazonaws.com")["Role"]
assert linked["RoleName"] == "AWSServiceRoleForLakeFormationDataAccess"

# Policies of users, groups and roles.
for kind, name in (("user", "anna"), ("group", "crew"), ("role", "runner")):
    who = {kind.capitalize() + "Name": name}

    def call(verb, suffix, **kw):
        return getattr(iam, f"{verb}_{kind}_{suffix}")(**who, **kw)

    call("put", "policy", PolicyName="inline", PolicyDocument=json.dumps(doc("s3:Put*", "arn:aws:s3:::b/${aws:username}/*")))
    got = call("get", "policy", PolicyName="inline")
    assert got["PolicyDocument"] == doc("s3:Put*", "arn:aws:s3:::b/${aws:username}/*"), got
    assert got[kind.capitalize() + "Name"] == name
    assert call("list", "policies")["PolicyNames"] == ["inline"]
    call("attach", "policy", PolicyArn=arn)
    attached = getattr(iam, f"list_attached_{kind}_policies")(**who)["AttachedPolicies"]
    assert attached == [{"PolicyName": "read", "PolicyArn": arn}], attached
    expect("NoSuchEntity", lambda **kw: call("attach", "policy", **kw), PolicyArn=f"arn:aws:iam::{account}:policy/none")
    expect("LimitExceeded", lambda **kw: call("put", "policy", **kw), PolicyName="big",
           PolicyDocument=json.dumps({"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "s3:*", "Resource": ["arn:aws:s3:::" + "x" * 100 + str(i) for i in range(100)]}]}))
assert iam.list_policies(OnlyAttached=True)["Policies"][0]["AttachmentCount"] == 3

# Instance profiles.
iam.create_instance_profile(InstanceProfileName="host")
iam.add_role_to_instance_profile(InstanceProfileName="host", RoleName="runner")
assert names(iam.get_instance_profile(InstanceProfileName="host")["InstanceProfile"]["Roles"], "RoleName") == ["runner"]
expect("LimitExceeded", iam.add_role_to_instance_profile, InstanceProfileName="host", RoleName="runner")
assert names(iam.list_instance_profiles_for_role(RoleName="runner")["InstanceProfiles"], "InstanceProfileName") == ["host"]
assert len(iam.list_instance_profiles()["InstanceProfiles"]) == 1
iam.tag_instance_profile(InstanceProfileName="host", Tags=[{"Key": "a", "Value": "b"}])
assert iam.list_instance_profile_tags(InstanceProfileName="host")["Tags"]
iam.untag_instance_profile(InstanceProfileName="host", TagKeys=["a"])

# The account.
iam.create_account_alias(AccountAlias="lab-1")
assert iam.list_account_aliases()["AccountAliases"] == ["lab-1"]
iam.delete_account_alias(AccountAlias="lab-1")
assert iam.get_account_summary()["SummaryMap"]["Users"] == 1
details = {}
for found in iam.get_paginator("get_account_authorization_details").paginate(PaginationConfig={"PageSize": 1}):
    for k, v in found.items():
        if isinstance(v, list):
            details.setdefault(k, []).extend(v)
assert names(details["UserDetailList"], "UserName") == ["anna"] and details["UserDetailList"][0]["GroupList"] == ["crew"]
assert details["UserDetailList"][0]["UserPolicyList"][0]["PolicyDocument"]["Statement"][0]["Action"] == "s3:Put*"
assert details["RoleDetailList"][1]["InstanceProfileList"][0]["InstanceProfileName"] == "host"
assert len(details["Policies"]) == 1 and details["Policies"][0]["PolicyVersionList"]

# The simulator.
source = f"arn:aws:iam::{account}:user/lab/anna"
results = iam.simulate_principal_policy(PolicySourceArn=source, ActionNames=["s3:GetObject", "s3:DeleteObject"],
                                        ResourceArns=["arn:aws:s3:::b/k"])["EvaluationResults"]
assert [(r["EvalActionName"], r["EvalDecision"]) for r in results] == [("s3:GetObject", "allowed"), ("s3:DeleteObject", "implicitDeny")], results
assert results[0]["MatchedStatements"][0]["StartPosition"]["Line"] == 1
assert results[0]["PermissionsBoundaryDecisionDetail"]["AllowedByPermissionsBoundary"] is True
deny = {"Version": "2012-10-17", "Statement": {"Effect": "Deny", "Action": "s3:*", "Resource": "arn:aws:s3:::b/secret*",
                                                "Condition": {"Bool": {"aws:SecureTransport": "false"}}}}
# Of a caller that nobody named nothing is known; organizations are not built.
named = doc("s3:*")
named["Statement"][0]["Condition"] = {"StringEquals": {"aws:username": "ann"}}
for entries, want in [([], ("implicitDeny", ["aws:username"])),
                      ([{"ContextKeyName": "aws:username", "ContextKeyValues": ["ann"], "ContextKeyType": "string"}], ("allowed", []))]:
    result = iam.simulate_custom_policy(PolicyInputList=[json.dumps(named)], ActionNames=["s3:GetObject"], ContextEntries=entries)["EvaluationResults"][0]
    assert (result["EvalDecision"], result["MissingContextValues"]) == want, result
expect("InvalidInput", iam.simulate_custom_policy, PolicyInputList=[json.dumps(named)], ActionNames=["ec2:RunInstances"], ResourceHandlingOption="EC2-VPC-EBS")

results = iam.simulate_custom_policy(PolicyInputList=[json.dumps(doc("s3:*")), json.dumps(deny)], ActionNames=["s3:GetObject"],
                                     ResourceArns=["arn:aws:s3:::b/k", "arn:aws:s3:::b/secret"],
                                     ContextEntries=[{"ContextKeyName": "aws:SecureTransport", "ContextKeyValues": ["false"], "ContextKeyType": "boolean"}])["EvaluationResults"]
assert results[0]["EvalDecision"] == "explicitDeny", results
assert [r["EvalResourceDecision"] for r in results[0]["ResourceSpecificResults"]] == ["allowed", "explicitDeny"]
assert iam.get_context_keys_for_custom_policy(PolicyInputList=[json.dumps(deny)])["ContextKeyNames"] == ["aws:SecureTransport"]
assert iam.get_context_keys_for_principal_policy(PolicySourceArn=source)["ContextKeyNames"] == ["aws:username"]

# OpenID Connect providers.
provider = iam.create_open_id_connect_provider(Url="https://oidc.example.com/id/1", ClientIDList=["sts.amazonaws.com"], ThumbprintList=["0" * 40])["OpenIDConnectProviderArn"]
assert provider == f"arn:aws:iam::{account}:oidc-provider/oidc.example.com/id/1", provider
iam.add_client_id_to_open_id_connect_provider(OpenIDConnectProviderArn=provider, ClientID="other")
iam.remove_client_id_from_open_id_connect_provider(OpenIDConnectProviderArn=provider, ClientID="sts.amazonaws.com")
iam.update_open_id_connect_provider_thumbprint(OpenIDConnectProviderArn=provider, ThumbprintList=["1" * 40])
iam.tag_open_id_connect_provider(OpenIDConnectProviderArn=provider, Tags=[{"Key": "a", "Value": "b"}])
got = iam.get_open_id_connect_provider(OpenIDConnectProviderArn=provider)
assert got["ClientIDList"] == ["other"] and got["ThumbprintList"] == ["1" * 40] and got["Url"] == "oidc.example.com/id/1", got
assert iam.list_open_id_connect_provider_tags(OpenIDConnectProviderArn=provider)["Tags"]
iam.untag_open_id_connect_provider(OpenIDConnectProviderArn=provider, TagKeys=["a"])
assert iam.list_open_id_connect_providers()["OpenIDConnectProviderList"] == [{"Arn": provider}]
iam.delete_open_id_connect_provider(OpenIDConnectProviderArn=provider)

# Everything goes again, in the order that IAM enforces.
expect("DeleteConflict", iam.delete_instance_profile, InstanceProfileName="host")
expect("DeleteConflict", iam.delete_role, RoleName="runner")
iam.remove_role_from_instance_profile(InstanceProfileName="host", RoleName="runner")
iam.delete_instance_profile(InstanceProfileName="host")
for kind, name in (("user", "anna"), ("group", "crew"), ("role", "runner")):
    who = {kind.capitalize() + "Name": name}
    getattr(iam, f"detach_{kind}_policy")(**who, PolicyArn=arn)
    getattr(iam, f"delete_{kind}_policy")(**who, PolicyName="inline")
iam.delete_user_permissions_boundary(UserName="anna")
assert iam.list_mfa_devices(UserName="anna")["MFADevices"] == []
assert iam.list_ssh_public_keys(UserName="anna")["SSHPublicKeys"] == []
assert iam.list_signing_certificates(UserName="anna")["Certificates"] == []
assert iam.list_service_specific_credentials(UserName="anna")["ServiceSpecificCredentials"] == []
expect("NoSuchEntity", iam.get_login_profile, UserName="anna")
expect("NoSuchEntity", iam.delete_login_profile, UserName="anna")
iam.remove_user_from_group(GroupName="crew", UserName="anna")
iam.delete_group(GroupName="crew")
iam.delete_user(UserName="anna")
iam.delete_role(RoleName="runner")
for version in ("v2", "v3", "v4"):
    iam.delete_policy_version(PolicyArn=arn, VersionId=version)
iam.delete_policy(PolicyArn=arn)

# Pages.
for i in range(7):
    iam.create_user(UserName=f"u{i}")
pages = list(iam.get_paginator("list_users").paginate(PaginationConfig={"PageSize": 3}))
assert [len(p["Users"]) for p in pages] == [3, 3, 1], pages

expect("AccessDenied", session.client("sts", endpoint_url=endpoint).assume_role, RoleArn=linked["Arn"], RoleSessionName="s1")
print("\n".join(sorted(called)))
