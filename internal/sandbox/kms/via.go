package kms

import (
	"crypto/rand"

	"lakeport/internal/iam"
	"lakeport/internal/sandbox"
)

// A service such as S3 uses keys in its caller's name: the caller's policies
// and the key's decide, with kms:ViaService saying through whom ("Permissions
// for AWS services in key policies" and "Forward access sessions").

// DataKey makes 32 bytes for the caller of c, in plain and sealed under the
// key that id names in one of KeyId's forms; "" is the account's own key of
// the service. arn is the key's.
func (s *Service) DataKey(c *sandbox.Call, id string, context map[string]string) (plain, sealed []byte, arn string, err error) {
	q := s.via(c, "kms:GenerateDataKey")
	if id == "" {
		id = aliasS3
	}
	k, alias, err := q.lookup(id)
	if err != nil {
		return nil, nil, "", err
	}
	q.alias = alias
	if err := q.decide("kms:GenerateDataKey", k, context); err != nil {
		return nil, nil, "", err
	}
	plain = make([]byte, 32)
	rand.Read(plain) // never fails
	sealed, err = s.encrypt(k, plain, context)
	return plain, sealed, k.arn(), err
}

// OpenDataKey gives back the plain bytes of what DataKey sealed, if the caller
// of c may decrypt with the key.
func (s *Service) OpenDataKey(c *sandbox.Call, sealed []byte, context map[string]string) ([]byte, error) {
	q := s.via(c, "kms:Decrypt")
	var err error
	if q.blob, err = readBlob(sealed); err != nil {
		return nil, err
	}
	k := s.store.identified(q.blob.id)
	if k == nil || k.gone(c.Now) {
		return nil, q.hidden("kms:Decrypt")
	}
	if err := q.decide("kms:Decrypt", k, context); err != nil {
		return nil, err
	}
	return s.decrypt(k, q.blob, context)
}

// via is a call of KMS inside the call of another service.
func (s *Service) via(c *sandbox.Call, action string) *call {
	return &call{Service: s, Call: c, action: action, account: c.Caller.Principal.Account, in: &input{}}
}

// decide asks for one action in the name of the outer call's caller.
func (q *call) decide(action string, k *key, context map[string]string) error {
	n := q.need(action, k, context)
	n.Context["kms:viaservice"] = []string{q.Call.Service + "." + k.Region + ".amazonaws.com"}
	n.Context["aws:viaawsservice"] = []string{"true"}
	for _, name := range []string{"aws:calledvia", "aws:calledviafirst", "aws:calledvialast"} {
		n.Context[name] = []string{q.Call.Service + ".amazonaws.com"}
	}
	if d := q.May(n); d.Effect != iam.Allow {
		return q.denied(n, d)
	}
	return k.usable()
}
