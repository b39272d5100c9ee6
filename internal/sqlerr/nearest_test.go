package sqlerr

import "testing"

func TestNearestOffersOnlyWhatIsClose(t *testing.T) {
	words := []string{"aws.s3.region", "aws.s3.access_key", "aws.s3.secret_key", "type"}
	for in, want := range map[string]string{
		"aws.s3.reigon":     "aws.s3.region",
		"AWS.S3.REGION":     "aws.s3.region",
		"aws.s3.accesskey":  "aws.s3.access_key",
		"aws.s3.secret_kye": "aws.s3.secret_key",
		"tpye":              "type",
		"warehouse":         "",
		"xyz":               "",
	} {
		if got := Nearest(in, words); got != want {
			t.Errorf("Nearest(%q) = %q, want %q", in, got, want)
		}
	}
}

func TestAtCountsLinesAndCharacters(t *testing.T) {
	text := "SELECT 'é'\n  x"
	if got := At(text, 14); got != (Pos{14, 2, 3}) {
		t.Errorf("At = %+v", got)
	}
	if got := At(text, 999); got.Line != 2 {
		t.Errorf("At past the end = %+v", got)
	}
}
