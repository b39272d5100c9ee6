package query

import (
	"net/url"
	"strings"
	"testing"
)

func TestListsKeepTheirOrder(t *testing.T) {
	form, err := url.ParseQuery("Tags.member.2.Key=b&Tags.member.1.Key=a&Tags.member.1.Value=1&Tags.member.4.Key=d&Keys.member.1=x&Keys.member.2=y&Keys.member.4=z")
	if err != nil {
		t.Fatal(err)
	}
	if got := strings.Join(Members(form, "Keys"), ","); got != "x,y" {
		t.Errorf("Members = %s, want x,y: a gap ends the list", got)
	}
	structs := Structs(form, "Tags")
	if len(structs) != 2 || structs[0].Get("Key") != "a" || structs[0].Get("Value") != "1" || structs[1].Get("Key") != "b" {
		t.Errorf("Structs = %v", structs)
	}
}

func TestFaultsOfParametersAreToldTogether(t *testing.T) {
	rules := map[string]Rule{"UserName": Text(2, 4, `[a-z]*`), "MaxItems": Number(1, 10), "Status": OneOf("On", "Off")}
	for _, tt := range []struct{ form, want string }{
		{"UserName=abc&MaxItems=10&Status=On", ""},
		{"", "1 validation error detected: Value null at 'userName' failed to satisfy constraint: Member must not be null"},
		{"UserName=ABCDE", "2 validation errors detected: Value 'ABCDE' at 'userName' failed to satisfy constraint: Member must have length less than or equal to 4; " +
			"Value 'ABCDE' at 'userName' failed to satisfy constraint: Member must satisfy regular expression pattern: [a-z]*"},
		{"UserName=a", "Member must have length greater than or equal to 2"},
		{"UserName=abc&MaxItems=11", "Value '11' at 'maxItems' failed to satisfy constraint: Member must have value less than or equal to 10"},
		{"UserName=abc&MaxItems=x", "Member must be a number"},
		{"UserName=abc&Status=Maybe", "Value 'Maybe' at 'status' failed to satisfy constraint: Member must satisfy enum value set: [On, Off]"},
	} {
		form, err := url.ParseQuery(tt.form)
		if err != nil {
			t.Fatal(err)
		}
		err = Check(form, rules).Required("UserName").Optional("MaxItems", "Status").Err()
		if (err == nil) != (tt.want == "") || err != nil && !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: got %v, want %s", tt.form, err, tt.want)
		}
	}
}
