package e2e

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	s3types "github.com/aws/aws-sdk-go-v2/service/s3/types"

	"lakeport/internal/metastore/hmstest"
	"lakeport/internal/parts"
)

// sparkHome gives the directory of a Spark 3.5 with its jars for S3. The tests that
// use it take minutes and are run by ./test.sh interop.
func sparkHome(t *testing.T) string {
	t.Helper()
	dir := os.Getenv("LAKEPORT_SPARK")
	if dir == "" {
		t.Skip("compares with Spark only in ./test.sh interop")
	}
	return dir
}

// Spark writes Hive tables on the sandbox's S3 into a real metastore; each query
// of hive.sql must read the same by Spark and by lakeport.
func TestInteropHiveTablesOfSpark(t *testing.T) {
	spark := sparkHome(t)
	l := newLab(t)
	l.prepare()
	c := s3.NewFromConfig(l.as(rootKeys[home]))
	l.must(c.CreateBucket(t.Context(), &s3.CreateBucketInput{Bucket: aws.String("warehouse"),
		CreateBucketConfiguration: &s3types.CreateBucketConfiguration{LocationConstraint: region}}))
	l.rolePolicy(home, "starrocks-ec2", "warehouse", document(allow("s3:GetObject", "arn:aws:s3:::warehouse/*"), allow("s3:ListBucket", "arn:aws:s3:::warehouse")))
	key := rootKeys[home]
	m := hmstest.Start(t, parts.MetastoreOptions{Endpoint: l.ready["aws"], Region: region, AccessKey: key.AccessKeyID, SecretKey: key.SecretAccessKey, Warehouse: "s3a://warehouse/hive"})
	queries, err := os.ReadFile("testdata/interop/hive.sql")
	l.must(nil, err)
	cmd := exec.Command(filepath.Join(spark, "bin", "python"), "testdata/interop/hive.py", m.URI, l.ready["aws"], key.AccessKeyID, key.SecretAccessKey,
		filepath.Join(spark, "jars"), "testdata/interop/hive.sql")
	cmd.Env = append(clean(os.Environ()), "SPARK_LOCAL_IP=127.0.0.1")
	var complaints strings.Builder
	cmd.Stderr = &complaints
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("Spark: %v\n%s", err, complaints.String())
	}
	db := l.db()
	l.exec(db, metastoreCatalog("hms", m.URI))
	l.exec(db, "SET CATALOG hms")
	answers := map[string]string{}
	for _, part := range strings.Split("\n"+string(out), "\n-- ")[1:] {
		query, answer, _ := strings.Cut(part, "\n")
		answers[query] = strings.TrimSuffix(answer, "\n")
	}
	for query := range strings.Lines(string(queries)) {
		query = strings.TrimSpace(query)
		want, ok := answers[query]
		if !ok || want == "" {
			t.Errorf("Spark does not answer %s", query)
			continue
		}
		l.expectLines(db, query, want)
	}
}
