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

// moved is how much each load and unload of the memory test moves.
var moved = []int64{1 << 30, 5 << 30}

// Loading and unloading stays within the engine's limit and what the server, its
// sandbox and the cache take beside it, however much is moved. The files are of
// forty megabytes, put to the sandbox's S3 under many keys.
func TestMemoryOfLoads(t *testing.T) {
	if os.Getenv("LAKEPORT_LOADS") == "" {
		t.Skip("moves 24 GB only in ./test.sh memory")
	}
	const limit, beside = 1 << 30, 1 << 30
	const rows = "SELECT i AS id, (hash(i) >> 1)::BIGINT AS a, hash(i + 1) / 7.0 AS b, md5(i::VARCHAR) AS c, md5((i + 1)::VARCHAR) AS d FROM range(%d) t(i)"
	c := newCopier(t, "LAKEPORT_MEMORY=1GB")
	files := map[string][]byte{
		"parquet": c.parquet(fmt.Sprintf(rows, 800_000), "COMPRESSION zstd"),
		"csv":     textRows(400_000),
	}
	for _, size := range moved {
		for _, format := range []string{"parquet", "csv"} {
			dir := fmt.Sprintf("in/%d/%s/", size, format)
			n := int(size/int64(len(files[format]))) + 1
			for i := range n {
				c.put(home, "hall", fmt.Sprintf("%s%d", dir, i), files[format])
			}
			c.do("CREATE TABLE t (id BIGINT, a BIGINT, b DOUBLE PRECISION, c VARCHAR(32), d VARCHAR(32))")
			for _, step := range []struct{ name, statement string }{
				{"load " + format, "COPY t FROM 's3://hall/" + dir + "' " + c.carol + " FORMAT AS " + format},
				{"unload " + format, fmt.Sprintf("UNLOAD ('SELECT * FROM t') TO 's3://hall/out/%d/%s/' %s FORMAT AS %s", size, format, c.carol, format)},
			} {
				c.forgetPeak()
				begin := time.Now()
				c.do(step.statement)
				peak := c.peak()
				if peak > limit+beside {
					t.Errorf("%s of %d MB takes %d MB of memory", step.name, size>>20, peak>>20)
				}
				t.Logf("%s of %d files of %d MB: %v, peak of memory %d MB", step.name, n, len(files[format])>>20, time.Since(begin).Round(time.Second), peak>>20)
			}
			c.do("DROP TABLE t")
			c.empty("hall")
		}
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

// empty deletes a bucket's objects.
func (c *copier) empty(bucket string) {
	for keys := c.keys(bucket, ""); keys != ""; keys = c.keys(bucket, "") {
		for key := range strings.FieldsSeq(keys) {
			_, err := c.owner(bucket).DeleteObject(c.ctx, &s3.DeleteObjectInput{Bucket: &bucket, Key: aws.String(key)})
			c.must(nil, err)
		}
	}
}
