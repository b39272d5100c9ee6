package syntax

import (
	"reflect"
	"strings"
	"testing"

	"lakeport/internal/sqlerr"
)

// Options stand in any order, and print as the manual spells them.
func TestCopyAndUnloadPrintWhatTheyMean(t *testing.T) {
	for text, want := range map[string]string{
		"copy S.T (A, \"b c\") from 's3://b/k' iam_role default csv quote as '%' ignoreheader 1": `COPY "s"."t" ("a", "b c") FROM 's3://b/k' IAM_ROLE DEFAULT CSV QUOTE '%' IGNOREHEADER 1`,
		"COPY t FROM 's3://b' DELIMITER ',' REMOVEQUOTES IAM_ROLE 'a,b'":                         `COPY "t" FROM 's3://b' DELIMITER ',' REMOVEQUOTES IAM_ROLE 'a,b'`,
		"COPY t FROM 's3://b' WITH CREDENTIALS AS 'x' NULL AS 'n''s' FORMAT AS PARQUET":          `COPY "t" FROM 's3://b' CREDENTIALS 'x' NULL 'n''s' PARQUET`,
		"COPY t FROM 's3://b' ACCESS_KEY_ID 'k' SECRET_ACCESS_KEY 's' TOKEN 't'":                 `COPY "t" FROM 's3://b' ACCESS_KEY_ID 'k' SECRET_ACCESS_KEY 's' SESSION_TOKEN 't'`,
		"COPY t FROM 's3://b' ACCEPTINVCHARS MAXERROR AS 7 COMPUPDATE PRESET STATUPDATE ON":      `COPY "t" FROM 's3://b' ACCEPTINVCHARS MAXERROR 7 COMPUPDATE PRESET STATUPDATE ON`,
		"COPY t FROM 's3://b' ENCODING utf8 JSON 'auto' ACCEPTINVCHARS AS '^'":                   `COPY "t" FROM 's3://b' ENCODING UTF8 JSON 'auto' ACCEPTINVCHARS '^'`,
		"UNLOAD ('select ''x''') TO 's3://b/p' iam_role 'r' KMS_KEY_ID 'k' ENCRYPTED":            `UNLOAD ('select ''x''') TO 's3://b/p' IAM_ROLE 'r' KMS_KEY_ID 'k' ENCRYPTED`,
		"UNLOAD ($$select 'x'$$) TO 's3://b/p' PARTITION BY (A, b) INCLUDE MANIFEST VERBOSE":     `UNLOAD ('select ''x''') TO 's3://b/p' PARTITION BY ("a", "b") INCLUDE MANIFEST VERBOSE`,
		"UNLOAD ('select 1') TO 's3://b/p' PARALLEL OFF MAXFILESIZE 6.2 GB ENCRYPTED AUTO CSV":   `UNLOAD ('select 1') TO 's3://b/p' PARALLEL OFF MAXFILESIZE 6.2 GB ENCRYPTED AUTO CSV`,
	} {
		st, err := ParseRedshift(text)
		if err != nil {
			t.Errorf("%s: %v", text, err)
			continue
		}
		if got := st.String(); got != want {
			t.Errorf("%s: got %s, want %s", text, got, want)
		}
		again, err := ParseRedshift(st.String())
		if err != nil || !reflect.DeepEqual(stripped(st), stripped(again)) {
			t.Errorf("%s: prints as %s, which reads as %v, %v", text, st, again, err)
		}
	}
}

// A ^ stands before the place of the fault.
func TestFaultsOfCopyAndUnload(t *testing.T) {
	for text, want := range map[string]string{
		"COPY t FROM 's3://b' CSV GZIP ^CSV":                            "CSV is given twice",
		"COPY t FROM 's3://b' CSV ^FORMAT AS PARQUET":                   "PARQUET cannot stand beside CSV: there is one format",
		"COPY t FROM 's3://b' IAM_ROLE ^arn:aws:iam::1:role/RoleB CSV":  "write IAM_ROLE 'arn:aws:iam::1:role/RoleB'",
		"COPY t FROM 's3://b' IAM_ROLE ^<YOUR_ROLE> CSV":                "write IAM_ROLE 'YOUR_ROLE'",
		"COPY t FROM ^s3://b/k IAM_ROLE default":                        "write FROM 's3://b/k'",
		"COPY t FROM 's3://b' SECRET_ACCESS_KEY ^hushhush":              "write SECRET_ACCESS_KEY '******'",
		"COPY t FROM 's3://b' ^DELIMITR ','":                            "did you mean DELIMITER?",
		"COPY t FROM 's3://b' FORMAT AS ^XML":                           "expected AVRO, CSV, FIXEDWIDTH, JSON, ORC, PARQUET or SHAPEFILE",
		"COPY t FROM 's3://b' MAXERROR ^'x'":                            "expected AS or number",
		"UNLOAD ('select 1') TO 's3://b' KMS_KEY_ID ^ARN_KMS ENCRYPTED": "write KMS_KEY_ID 'ARN_KMS'",
		"UNLOAD (^select 1) TO 's3://b'":                                "expected string",
		"UNLOAD ('select 1') TO 's3://b' ^REMOVEQUOTES":                 "expected an option",
	} {
		at := strings.IndexByte(text, '^')
		_, err := ParseRedshift(text[:at] + text[at+1:])
		if err == nil {
			t.Errorf("%s: no error", text)
			continue
		}
		e := sqlerr.From(err)
		if !strings.Contains(e.Msg+" "+e.Hint, want) || e.Pos.Offset != at {
			t.Errorf("%s: got %d: %s (%s), want %d: %s", text, e.Pos.Offset, e.Msg, e.Hint, at, want)
		}
		if strings.Contains(e.Error(), "hushhush") {
			t.Errorf("%s: the error shows a secret: %v", text, e)
		}
	}
}

func TestCopyJobsAreRefusedByName(t *testing.T) {
	for text, want := range map[string]string{
		"COPY t FROM 's3://b' IAM_ROLE default JOB CREATE j AUTO ON": "COPY … JOB CREATE",
		"COPY JOB LIST":  "COPY JOB",
		"COPY JOB RUN j": "COPY JOB",
	} {
		st, err := ParseRedshift(text)
		u, ok := st.(*Unsupported)
		if err != nil || !ok || u.Name != want {
			t.Errorf("%s: got %v, %v, want %s refused", text, st, err, want)
		}
	}
}
