package kms

import (
	"regexp"
	"slices"
	"strings"
	"time"

	"lakeport/internal/iam"
	"lakeport/internal/sandbox"
)

var aliasName = regexp.MustCompile(`^alias/[a-zA-Z0-9/_-]+$`)

// aliasS3 is the alias of the key that S3 makes for an account.
const aliasS3 = "alias/aws/s3"

// aliasNeeds is the action on the alias and on each key that it leads to
// before or after.
func aliasNeeds(q *call) ([]sandbox.Need, error) {
	name := value(q.in.AliasName)
	switch {
	case !strings.HasPrefix(name, "alias/"):
		return nil, invalid("Invalid identifier: %s", name)
	case !aliasName.MatchString(name):
		return nil, fail("InvalidAliasNameException", "Alias must not contain characters other than letters, digits, '/', '_' and '-'")
	case strings.HasPrefix(name, "alias/aws/"):
		return nil, invalid("Alias must not start with alias/aws/")
	}
	q.alias = name
	arn := "arn:aws:kms:" + q.Region + ":" + q.account + ":" + name
	needs := []sandbox.Need{{Action: q.action, Resource: iam.Resource{ARN: arn, Account: q.account},
		Context: iam.Context{"kms:calleraccount": {q.account}}}}
	present := q.store.named(arn)
	if q.action != "kms:CreateAlias" {
		if present == nil || present.gone(q.Now) {
			return nil, notFound("Alias %s is not found.", arn)
		}
		q.key = present
		needs = append(needs, q.need(q.action, present, nil))
	}
	if q.in.TargetKeyID == nil || q.action == "kms:DeleteAlias" {
		return needs, nil
	}
	target, alias, err := q.lookup(*q.in.TargetKeyID)
	switch {
	case err != nil:
		return nil, err
	case alias != "":
		return nil, invalid("Aliases must refer to keys. Not aliases")
	case target.Account != q.account:
		return nil, q.hidden(q.action)
	}
	q.other = target
	return append(needs, q.need(q.action, target, nil)), nil
}

func createAlias(q *call) (any, error) {
	q.store.write.Lock()
	defer q.store.write.Unlock()
	arn := q.other.aliasARN(q.alias)
	if old := q.store.named(arn); old != nil && !old.gone(q.Now) {
		return nil, fail("AlreadyExistsException", "An alias with the name %s already exists", arn)
	} else if old != nil {
		if err := q.store.put(old.without(q.alias)); err != nil {
			return nil, err
		}
	}
	if err := q.other.notPending(); err != nil {
		return nil, err
	}
	now := q.Now.UTC().Truncate(time.Millisecond)
	k := q.store.find(q.other.arn()).clone()
	k.Aliases = append(k.Aliases, alias{q.alias, now, now})
	return nil, q.store.put(k)
}

// updateAlias leads the alias to another key.
func updateAlias(q *call) (any, error) {
	q.store.write.Lock()
	defer q.store.write.Unlock()
	from, to := q.store.find(q.key.arn()), q.store.find(q.other.arn())
	if err := to.notPending(); err != nil {
		return nil, err
	}
	at := slices.IndexFunc(from.Aliases, func(a alias) bool { return a.Name == q.alias })
	if at < 0 {
		return nil, notFound("Alias %s is not found.", from.aliasARN(q.alias))
	}
	a := from.Aliases[at]
	a.Updated = q.Now.UTC().Truncate(time.Millisecond)
	if from == to {
		to = to.without(q.alias)
		to.Aliases = append(to.Aliases, a)
		return nil, q.store.put(to)
	}
	to = to.clone()
	to.Aliases = append(to.Aliases, a)
	return nil, q.store.put(from.without(q.alias), to)
}

// without is a copy of k that lacks an alias.
func (k *key) without(name string) *key {
	c := k.clone()
	c.Aliases = slices.DeleteFunc(c.Aliases, func(a alias) bool { return a.Name == name })
	return c
}

func deleteAlias(q *call) (any, error) {
	return nil, q.store.change(q.key, func(k *key) error {
		k.Aliases = k.without(q.alias).Aliases
		return nil
	})
}

type aliasEntry struct {
	AliasName       string
	AliasArn        string
	TargetKeyID     string `json:"TargetKeyId"`
	CreationDate    float64
	LastUpdatedDate float64
}

type aliasesOutput struct {
	Aliases    []aliasEntry
	Truncated  bool
	NextMarker string `json:",omitempty"`
}

// listAliases lists those of one key if KeyId is given. It needs its
// permission for no key in particular.
func listAliases(q *call) (any, error) {
	keys := q.store.list(q.account, q.Region)
	if q.in.KeyID != nil {
		k, alias, err := q.lookup(*q.in.KeyID)
		switch {
		case err != nil:
			return nil, err
		case alias != "":
			return nil, notFound("Invalid keyId '%s'", *q.in.KeyID)
		}
		keys = []*key{k}
	}
	var all []aliasEntry
	for _, k := range keys {
		if k.gone(q.Now) {
			continue
		}
		for _, a := range k.Aliases {
			all = append(all, aliasEntry{a.Name, k.aliasARN(a.Name), k.ID, epoch(a.Created), epoch(a.Updated)})
		}
	}
	slices.SortFunc(all, func(a, b aliasEntry) int { return strings.Compare(a.AliasName, b.AliasName) })
	list, next, err := page(q.in, all, 50, func(a aliasEntry) string { return a.AliasName })
	return aliasesOutput{list, next != "", next}, err
}

// managed is the account's AWS managed key for S3, made when it is first
// asked for. Its policy is AWS's own ("AWS managed keys"): whoever may use S3
// in the account may use the key, through S3 only.
func (s *Service) managed(account, region string) (*key, error) {
	arn := "arn:aws:kms:" + region + ":" + account + ":" + aliasS3
	if k := s.store.named(arn); k != nil {
		return k, nil
	}
	s.store.write.Lock()
	defer s.store.write.Unlock()
	if k := s.store.named(arn); k != nil {
		return k, nil
	}
	now := s.now().UTC().Truncate(time.Millisecond)
	k := s.store.make(account, region, now)
	k.Manager, k.Description = "AWS", "Default key that protects my S3 objects when no other key is defined"
	k.Aliases = []alias{{aliasS3, now, now}}
	k.Policy = `{
  "Version" : "2012-10-17",
  "Id" : "auto-s3-2",
  "Statement" : [ {
    "Sid" : "Allow access through S3 for all principals in the account that are authorized to use S3",
    "Effect" : "Allow",
    "Principal" : { "AWS" : "*" },
    "Action" : [ "kms:Encrypt", "kms:Decrypt", "kms:ReEncrypt*", "kms:GenerateDataKey*", "kms:DescribeKey" ],
    "Resource" : "*",
    "Condition" : { "StringEquals" : { "kms:CallerAccount" : "` + account + `", "kms:ViaService" : "s3.` + region + `.amazonaws.com" } }
  }, {
    "Sid" : "Allow direct access to key metadata to the account",
    "Effect" : "Allow",
    "Principal" : { "AWS" : "arn:aws:iam::` + account + `:root" },
    "Action" : [ "kms:Describe*", "kms:Get*", "kms:List*", "kms:RevokeGrant" ],
    "Resource" : "*"
  } ]
}`
	return k, s.store.put(k)
}
