package sandbox_test

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"lakeport/internal/sandbox"
)

// FuzzQueryBody sends any form to the services of the query protocol, signed
// by root: whatever it says, there is an answer in XML.
func FuzzQueryBody(f *testing.F) {
	l := open(f, sandbox.Options{World: strings.NewReader(twoAccounts)})
	for _, seed := range []string{
		"Action=GetCallerIdentity&Version=2011-06-15",
		"Action=AssumeRole&RoleArn=arn:aws:iam::111111111111:role/named&RoleSessionName=s1&Tags.member.1.Key=a&Tags.member.1.Value=b&PolicyArns.member.1.arn=arn:aws:iam::aws:policy/ReadOnlyAccess&Policy={}",
		"Action=AssumeRoleWithWebIdentity&RoleArn=arn:aws:iam::111111111111:role/named&RoleSessionName=s1&WebIdentityToken=eyJhbGciOiJSUzI1NiJ9.eyJpc3MiOiJ4In0.AAAA",
		"Action=CreateRole&Version=2010-05-08&RoleName=r&AssumeRolePolicyDocument={\"Statement\":[]}&Tags.member.1.Key=k",
		"Action=SimulateCustomPolicy&Version=2010-05-08&ActionNames.member.1=s3:Get*&PolicyInputList.member.1={\"Statement\":{\"Effect\":\"Allow\"}}&ContextEntries.member.1.ContextKeyName=a",
		"Action=ListPolicies&Version=2010-05-08&Marker=ZnJvbTox&MaxItems=1&PathPrefix=/",
		"Action=UntagUser&Version=2010-05-08&UserName=bob&TagKeys.member.1=a",
	} {
		f.Add(seed)
	}
	handler := l.Handler()
	f.Fuzz(func(t *testing.T, body string) {
		for _, service := range []string{"sts", "iam"} {
			r := l.signed(t, service, body)
			w := httptest.NewRecorder()
			handler.ServeHTTP(w, r)
			if w.Code == 0 || w.Code >= http.StatusInternalServerError || !strings.HasPrefix(w.Body.String(), "<") {
				t.Errorf("%d %s", w.Code, w.Body)
			}
		}
	})
}
