package iamapi

import "lakeport/internal/sandbox/world"

// Parameters of lists.
const (
	paging   = " Marker MaxItems"
	underway = "PathPrefix" + paging
)

// operations is every action of the API that the sandbox has. One that is not
// here is refused.
var operations = map[string]operation{
	"CreateUser": {"UserName", "Path PermissionsBoundary", onUser, createUser},
	"GetUser":    {"", "UserName", onUser, getUser},
	"ListUsers":  {"", underway, onAll("user"), listUsers},
	"UpdateUser": {"UserName", "NewUserName NewPath", onUser, updateUser},
	"DeleteUser": {"UserName", "", onUser, deleteUser},

	"CreateAccessKey":      {"", "UserName", onUser, createAccessKey},
	"ListAccessKeys":       {"", "UserName" + paging, onUser, listAccessKeys},
	"UpdateAccessKey":      {"AccessKeyId Status", "UserName", onUser, updateAccessKey},
	"DeleteAccessKey":      {"AccessKeyId", "UserName", onUser, deleteAccessKey},
	"GetAccessKeyLastUsed": {"AccessKeyId", "", onKeyOwner, accessKeyLastUsed},

	"CreateGroup":         {"GroupName", "Path", onGroup, createGroup},
	"GetGroup":            {"GroupName", paging, onGroup, getGroup},
	"ListGroups":          {"", underway, onAll("group"), listGroups},
	"UpdateGroup":         {"GroupName", "NewGroupName NewPath", onGroup, updateGroup},
	"DeleteGroup":         {"GroupName", "", onGroup, deleteGroup},
	"AddUserToGroup":      {"GroupName UserName", "", onGroup, addUserToGroup},
	"RemoveUserFromGroup": {"GroupName UserName", "", onGroup, removeUserFromGroup},
	"ListGroupsForUser":   {"UserName", paging, onUser, listGroupsForUser},

	"CreateRole":                    {"RoleName AssumeRolePolicyDocument", "Path Description MaxSessionDuration PermissionsBoundary", onRole, createRole},
	"GetRole":                       {"RoleName", "", onRole, getRole},
	"ListRoles":                     {"", underway, onAll("role"), listRoles},
	"UpdateRole":                    {"RoleName", "Description MaxSessionDuration", onRole, updateRole},
	"UpdateRoleDescription":         {"RoleName Description", "", onRole, updateRoleDescription},
	"UpdateAssumeRolePolicy":        {"RoleName PolicyDocument", "", onRole, updateAssumeRolePolicy},
	"DeleteRole":                    {"RoleName", "", onRole, deleteRole},
	"CreateServiceLinkedRole":       {"AWSServiceName", "Description", onAny, createServiceLinkedRole},
	"CreateInstanceProfile":         {"InstanceProfileName", "Path", onProfile, createProfile},
	"GetInstanceProfile":            {"InstanceProfileName", "", onProfile, getProfile},
	"ListInstanceProfiles":          {"", underway, onAll("instance-profile"), listProfiles},
	"DeleteInstanceProfile":         {"InstanceProfileName", "", onProfile, deleteProfile},
	"AddRoleToInstanceProfile":      {"InstanceProfileName RoleName", "", onProfilePassing, addRoleToProfile},
	"RemoveRoleFromInstanceProfile": {"InstanceProfileName RoleName", "", onProfile, removeRoleFromProfile},
	"ListInstanceProfilesForRole":   {"RoleName", paging, onRole, listProfilesForRole},

	"CreatePolicy":            {"PolicyName PolicyDocument", "Path Description", onNewPolicy, createPolicy},
	"GetPolicy":               {"PolicyArn", "", onPolicy, getPolicy},
	"ListPolicies":            {"", "Scope PolicyUsageFilter " + underway, onAll("policy"), listPolicies},
	"DeletePolicy":            {"PolicyArn", "", onPolicy, deletePolicy},
	"CreatePolicyVersion":     {"PolicyArn PolicyDocument", "", onPolicy, createPolicyVersion},
	"GetPolicyVersion":        {"PolicyArn VersionId", "", onPolicy, getPolicyVersion},
	"ListPolicyVersions":      {"PolicyArn", paging, onPolicy, listPolicyVersions},
	"SetDefaultPolicyVersion": {"PolicyArn VersionId", "", onPolicy, setDefaultPolicyVersion},
	"DeletePolicyVersion":     {"PolicyArn VersionId", "", onPolicy, deletePolicyVersion},
	"ListEntitiesForPolicy":   {"PolicyArn", "EntityFilter " + underway, onPolicy, listEntitiesForPolicy},

	"PutUserPolicy":                 {"UserName PolicyName PolicyDocument", "", onUser, inlineOf(users).put},
	"GetUserPolicy":                 {"UserName PolicyName", "", onUser, inlineOf(users).get},
	"ListUserPolicies":              {"UserName", paging, onUser, inlineOf(users).list},
	"DeleteUserPolicy":              {"UserName PolicyName", "", onUser, inlineOf(users).delete},
	"AttachUserPolicy":              {"UserName PolicyArn", "", onUser, inlineOf(users).attach},
	"DetachUserPolicy":              {"UserName PolicyArn", "", onUser, inlineOf(users).detach},
	"ListAttachedUserPolicies":      {"UserName", underway, onUser, inlineOf(users).listAttached},
	"PutGroupPolicy":                {"GroupName PolicyName PolicyDocument", "", onGroup, inlineOf(groups).put},
	"GetGroupPolicy":                {"GroupName PolicyName", "", onGroup, inlineOf(groups).get},
	"ListGroupPolicies":             {"GroupName", paging, onGroup, inlineOf(groups).list},
	"DeleteGroupPolicy":             {"GroupName PolicyName", "", onGroup, inlineOf(groups).delete},
	"AttachGroupPolicy":             {"GroupName PolicyArn", "", onGroup, inlineOf(groups).attach},
	"DetachGroupPolicy":             {"GroupName PolicyArn", "", onGroup, inlineOf(groups).detach},
	"ListAttachedGroupPolicies":     {"GroupName", underway, onGroup, inlineOf(groups).listAttached},
	"PutRolePolicy":                 {"RoleName PolicyName PolicyDocument", "", onRole, inlineOf(roles).put},
	"GetRolePolicy":                 {"RoleName PolicyName", "", onRole, inlineOf(roles).get},
	"ListRolePolicies":              {"RoleName", paging, onRole, inlineOf(roles).list},
	"DeleteRolePolicy":              {"RoleName PolicyName", "", onRole, inlineOf(roles).delete},
	"AttachRolePolicy":              {"RoleName PolicyArn", "", onRole, inlineOf(roles).attach},
	"DetachRolePolicy":              {"RoleName PolicyArn", "", onRole, inlineOf(roles).detach},
	"ListAttachedRolePolicies":      {"RoleName", underway, onRole, inlineOf(roles).listAttached},
	"PutUserPermissionsBoundary":    {"UserName PermissionsBoundary", "", onUser, putUserBoundary},
	"DeleteUserPermissionsBoundary": {"UserName", "", onUser, deleteUserBoundary},
	"PutRolePermissionsBoundary":    {"RoleName PermissionsBoundary", "", onRole, putRoleBoundary},
	"DeleteRolePermissionsBoundary": {"RoleName", "", onRole, deleteRoleBoundary},

	"TagUser":                       {"UserName", "", onUser, tag(userTags)},
	"UntagUser":                     {"UserName", "", onUser, untag(userTags)},
	"ListUserTags":                  {"UserName", paging, onUser, listTags(userTags)},
	"TagRole":                       {"RoleName", "", onRole, tag(roleTags)},
	"UntagRole":                     {"RoleName", "", onRole, untag(roleTags)},
	"ListRoleTags":                  {"RoleName", paging, onRole, listTags(roleTags)},
	"TagPolicy":                     {"PolicyArn", "", onPolicy, tag(policyTags)},
	"UntagPolicy":                   {"PolicyArn", "", onPolicy, untag(policyTags)},
	"ListPolicyTags":                {"PolicyArn", paging, onPolicy, listTags(policyTags)},
	"TagInstanceProfile":            {"InstanceProfileName", "", onProfile, tag(profileTags)},
	"UntagInstanceProfile":          {"InstanceProfileName", "", onProfile, untag(profileTags)},
	"ListInstanceProfileTags":       {"InstanceProfileName", paging, onProfile, listTags(profileTags)},
	"TagOpenIDConnectProvider":      {"OpenIDConnectProviderArn", "", onProvider, tag(providerTags)},
	"UntagOpenIDConnectProvider":    {"OpenIDConnectProviderArn", "", onProvider, untag(providerTags)},
	"ListOpenIDConnectProviderTags": {"OpenIDConnectProviderArn", paging, onProvider, listTags(providerTags)},

	"CreateOpenIDConnectProvider":             {"Url", "", onNewProvider, createProvider},
	"GetOpenIDConnectProvider":                {"OpenIDConnectProviderArn", "", onProvider, getProvider},
	"ListOpenIDConnectProviders":              {"", "", onAny, listProviders},
	"DeleteOpenIDConnectProvider":             {"OpenIDConnectProviderArn", "", onProvider, deleteProvider},
	"AddClientIDToOpenIDConnectProvider":      {"OpenIDConnectProviderArn ClientID", "", onProvider, addClientID},
	"RemoveClientIDFromOpenIDConnectProvider": {"OpenIDConnectProviderArn ClientID", "", onProvider, removeClientID},
	"UpdateOpenIDConnectProviderThumbprint":   {"OpenIDConnectProviderArn", "", onProvider, updateThumbprint},

	"CreateAccountAlias":             {"AccountAlias", "", onAny, createAlias},
	"DeleteAccountAlias":             {"AccountAlias", "", onAny, deleteAlias},
	"ListAccountAliases":             {"", paging, onAny, listAliases},
	"GetAccountSummary":              {"", "", onAny, accountSummary},
	"GetAccountAuthorizationDetails": {"", paging, onAny, authorizationDetails},

	"SimulatePrincipalPolicy":          {"PolicySourceArn", "ResourcePolicy" + paging, onSource, simulatePrincipal},
	"SimulateCustomPolicy":             {"", "ResourcePolicy" + paging, onAny, simulateCustom},
	"GetContextKeysForPrincipalPolicy": {"PolicySourceArn", "", onSource, contextKeysForPrincipal},
	"GetContextKeysForCustomPolicy":    {"", "", onAny, contextKeysForCustom},

	// What nobody in the sandbox has; tools look before they delete a user.
	"ListMFADevices":                 {"", "UserName" + paging, onUser, none("MFADevices")},
	"ListSSHPublicKeys":              {"", "UserName" + paging, onUser, none("SSHPublicKeys")},
	"ListSigningCertificates":        {"", "UserName" + paging, onUser, none("Certificates")},
	"ListServiceSpecificCredentials": {"", "UserName", onUser, none("ServiceSpecificCredentials")},
	"GetLoginProfile":                {"", "UserName", onUser, noLoginProfile},
	"DeleteLoginProfile":             {"", "UserName", onUser, noLoginProfile},
}

// path is the parameter Path, or the root path.
func (r *request) path() string {
	if p := r.get("Path"); p != "" {
		return p
	}
	return "/"
}

// boundary reads PermissionsBoundary, nil if it is absent.
func (r *request) boundary() (*world.Boundary, error) {
	arn := r.get("PermissionsBoundary")
	if arn == "" {
		return nil, nil
	}
	if r.state.PolicyByARN(arn) == nil {
		return nil, refuse("NoSuchEntity", "Scope ARN: "+arn+" does not exist or is not attachable.")
	}
	return &world.Boundary{Type: "Policy", ARN: arn}, nil
}
