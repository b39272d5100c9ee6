package e2e

import (
	"bytes"
	"crypto/sha256"
	le "encoding/binary"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
)

// Loading and unloading stays within the engine's limit and what the server, its
// sandbox and the cache take beside it, however much is moved: LAKEPORT_LOADS
// gigabytes by each statement. The files are of forty megabytes, put to the
// sandbox's S3 under many keys.
func TestMemoryOfLoads(t *testing.T) {
	gigabytes, err := strconv.ParseFloat(os.Getenv("LAKEPORT_LOADS"), 64)
	if err != nil {
		t.Skip("moves 5 GB six times only in ./test.sh memory")
	}
	const limit, beside = 1 << 30, 1 << 30
	const rows = "SELECT i AS id, (hash(i) >> 1)::BIGINT AS a, hash(i + 1) / 7.0 AS b, md5(i::VARCHAR) AS c, md5((i + 1)::VARCHAR) AS d FROM range(%d) t(i)"
	c := newCopier(t, "LAKEPORT_MEMORY=1GB")
	db := c.db()
	for _, of := range []struct {
		format, separator string
		file              []byte
	}{
		{"parquet", "", c.parquet(fmt.Sprintf(rows, 800_000), "COMPRESSION zstd")},
		{"csv", `COLUMNS TERMINATED BY ","`, textRows(400_000)},
	} {
		format, file := of.format, of.file
		n := int(gigabytes*(1<<30)/float64(len(file))) + 1
		for i := range n {
			c.put(home, "hall", fmt.Sprintf("in/%d", i), file)
		}
		step := func(name string, run func()) {
			c.do("CREATE TABLE IF NOT EXISTS t (id BIGINT, a BIGINT, b DOUBLE PRECISION, c VARCHAR(32), d VARCHAR(32))")
			c.forgetPeak()
			begin := time.Now()
			run()
			peak := c.peak()
			if peak > limit+beside {
				t.Errorf("%s of %g GB takes %d MB of memory", name, gigabytes, peak>>20)
			}
			t.Logf("%s of %d files of %d MB: %v, peak of memory %d MB", name, n, len(file)>>20, time.Since(begin).Round(time.Second), peak>>20)
		}
		step("COPY "+format, func() { c.do("COPY t FROM 's3://hall/in/' " + c.carol + " FORMAT AS " + format) })
		step("UNLOAD "+format, func() { c.do("UNLOAD ('SELECT * FROM t') TO 's3://hall/out/' " + c.carol + " FORMAT AS " + format) })
		c.do("DROP TABLE t")
		c.empty("hall", "out/")
		step("LOAD LABEL "+format, func() {
			c.exec(db, fmt.Sprintf(`LOAD LABEL public.load_%s (DATA INFILE ("s3://hall/in/*") INTO TABLE t %s FORMAT AS "%[1]s")
				WITH BROKER ("aws.s3.access_key" = "%[3]s", "aws.s3.secret_key" = "%[4]s", "aws.s3.region" = "%[5]s")`, format, of.separator, c.values["key carol"], c.values["secret carol"], region))
			if state, message := c.awaitLoadFor(time.Hour, db, "load_"+format); state != "FINISHED" {
				t.Errorf("LOAD LABEL: %s: %s", state, message)
			}
		})
		c.do("DROP TABLE t")
		c.empty("hall", "in/")
	}
}

// textRows are rows of the same columns as CSV.
func textRows(n int) []byte {
	var b bytes.Buffer
	for i := range n {
		sum, next := sha256.Sum256(fmt.Append(nil, i)), sha256.Sum256(fmt.Append(nil, i+1))
		fmt.Fprintf(&b, "%d,%d,%g,%x,%x\n", i, le.LittleEndian.Uint64(sum[:])>>1, float64(le.LittleEndian.Uint64(next[:]))/7, sum[:16], next[:16])
	}
	return b.Bytes()
}

// forgetPeak lets the peak of the server's memory begin anew (proc(5), clear_refs).
func (l *lab) forgetPeak() {
	l.t.Helper()
	l.must(nil, os.WriteFile(l.proc("clear_refs"), []byte("5"), 0))
}

func (l *lab) proc(file string) string {
	return filepath.Join("/proc", strconv.Itoa(l.cmd.Process.Pid), file)
}

// empty deletes a bucket's objects under a prefix.
func (c *copier) empty(bucket, prefix string) {
	for keys := c.keys(bucket, prefix); keys != ""; keys = c.keys(bucket, prefix) {
		for key := range strings.FieldsSeq(keys) {
			_, err := c.owner(bucket).DeleteObject(c.ctx, &s3.DeleteObjectInput{Bucket: &bucket, Key: aws.String(key)})
			c.must(nil, err)
		}
	}
}
