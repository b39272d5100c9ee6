package world

import (
	"strconv"
	"time"

	"lakeport/internal/iam"
)

// AssumeForService makes a session of a role that an AWS service takes for
// itself: EC2 for its instances, Redshift for its clusters. The role's trust
// policy must name the service; the decision says so where it does not, and
// then the token is empty. The session's account, subject and times are filled
// in here; context has keys beyond those of the service and the time.
func (w *World) AssumeForService(service string, role *Role, session *Session, lifetime time.Duration, context iam.Context) (token string, d iam.Decision, err error) {
	now, account := w.now().UTC(), accountOf(role.ARN)
	r := iam.Request{Principal: iam.Principal{Kind: iam.Service, ARN: service}, Action: "sts:AssumeRole",
		Resource: iam.Resource{ARN: role.ARN, Account: account}, Context: iam.Context{}}
	r.Principal.Identify(r.Context)
	r.Context["aws:currenttime"] = []string{now.Format(time.RFC3339)}
	r.Context["aws:epochtime"] = []string{strconv.FormatInt(now.Unix(), 10)}
	r.Context["aws:sourceaccount"] = []string{account}
	for k, v := range context {
		r.Context[k] = v
	}
	if d = w.Set(nil, w.State().TrustPolicy(role.ARN)).Explain(&r); d.Effect != iam.Allow {
		return "", d, nil
	}
	session.Account, session.Subject = account, role.ID
	session.IssuedAt = now.Truncate(time.Second)
	session.Expires = session.IssuedAt.Add(lifetime)
	token, _, err = w.Issue(session)
	return token, d, err
}
