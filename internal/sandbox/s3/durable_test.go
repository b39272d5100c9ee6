package s3_test

import (
	"bytes"
	"io/fs"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"
	awss3 "github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"
)

// contents lists the files that hold objects and parts.
func (l *lab) contents() (names []string) {
	err := filepath.WalkDir(filepath.Join(l.dir, "s3"), func(path string, d fs.DirEntry, err error) error {
		if err == nil && !d.IsDir() {
			names = append(names, path)
		}
		return err
	})
	if err != nil {
		l.Error(err)
	}
	return names
}

func TestContentsGoWithTheirRecords(t *testing.T) {
	l := open(t)
	c := l.bucket("b-files")
	const b = "b-files"
	count := func(what string, n int) {
		t.Helper()
		if got := l.contents(); len(got) != n {
			t.Errorf("%s: %d files, want %d: %v", what, len(got), n, got)
		}
	}
	put(t, c, b, "k", "1")
	put(t, c, b, "k", "2")
	put(t, c, b, "empty", "")
	count("overwritten", 1)
	_, err := c.CopyObject(ctx, &awss3.CopyObjectInput{Bucket: p(b), Key: p("k2"), CopySource: p(b + "/k")})
	ok(t, err)
	count("copied", 2)
	_, err = c.PutObject(ctx, &awss3.PutObjectInput{Bucket: p(b), Key: p("k"), IfNoneMatch: p("*"), Body: strings.NewReader("3")})
	want(t, "condition", err, "PreconditionFailed")
	count("refused", 2)
	up, err := c.CreateMultipartUpload(ctx, &awss3.CreateMultipartUploadInput{Bucket: p(b), Key: p("m")})
	ok(t, err)
	for range 2 {
		_, err = c.UploadPart(ctx, &awss3.UploadPartInput{Bucket: p(b), Key: p("m"), UploadId: up.UploadId, PartNumber: p(int32(1)), Body: strings.NewReader("part")})
		ok(t, err)
	}
	count("a part sent twice", 3)
	_, err = c.AbortMultipartUpload(ctx, &awss3.AbortMultipartUploadInput{Bucket: p(b), Key: p("m"), UploadId: up.UploadId})
	ok(t, err)
	_, err = c.DeleteObjects(ctx, &awss3.DeleteObjectsInput{Bucket: p(b), Delete: &types.Delete{Objects: []types.ObjectIdentifier{{Key: p("k")}, {Key: p("k2")}}}})
	ok(t, err)
	count("all deleted", 0)
}

func TestStateSurvivesARestart(t *testing.T) {
	dir := t.TempDir()
	stray := filepath.Join(dir, "s3", "ab", strings.Repeat("ab", 16))
	t.Run("before", func(t *testing.T) {
		l := openIn(t, dir, false)
		c := l.bucket("b-stay")
		put(t, c, "b-stay", "k", "body", func(in *awss3.PutObjectInput) { in.Metadata = map[string]string{"a": "b"} })
		_, err := c.PutBucketPolicy(ctx, &awss3.PutBucketPolicyInput{Bucket: p("b-stay"), Policy: policy(
			`{"Effect": "Allow", "Principal": {"AWS": "222222222222"}, "Action": "s3:GetObject", "Resource": "arn:aws:s3:::b-stay/*"}`)})
		ok(t, err)
		ok(t, os.MkdirAll(filepath.Dir(stray), 0o700))
		ok(t, os.WriteFile(stray, []byte("left by a crash"), 0o600))
	})
	t.Run("after", func(t *testing.T) {
		l := openIn(t, dir, false)
		if _, err := os.Stat(stray); !os.IsNotExist(err) {
			t.Errorf("the stray content is still there: %v", err)
		}
		for _, who := range []aws.Credentials{keys("ann"), zoe} {
			if got, out, err := get(l.client(who), "b-stay", "k"); err != nil || got != "body" || out.Metadata["a"] != "b" {
				t.Errorf("got %q, %v", got, err)
			}
		}
	})
}

// Readers see one whole version while writers replace it.
func TestReadersSeeWholeObjectsWhileTheyAreReplaced(t *testing.T) {
	l := open(t)
	c := l.bucket("b-busy")
	bodies := []string{strings.Repeat("a", 300<<10), strings.Repeat("b", 300<<10)}
	put(t, c, "b-busy", "k", bodies[0])
	var readers sync.WaitGroup
	done := make(chan struct{})
	for range 3 {
		readers.Go(func() {
			for {
				select {
				case <-done:
					return
				default:
				}
				if got, _, err := get(c, "b-busy", "k"); err != nil || got != bodies[0] && got != bodies[1] {
					t.Errorf("got %d bytes, %v", len(got), err)
					return
				}
			}
		})
	}
	for i := range 30 {
		put(t, c, "b-busy", "k", bodies[i%2])
	}
	close(done)
	readers.Wait()
}

// raw sends a request signed over hash, whatever the body is.
func (l *lab) raw(t *testing.T, method, path, hash, body string, headers map[string]string) (int, string) {
	t.Helper()
	r, err := http.NewRequest(method, l.url+path, strings.NewReader(body))
	ok(t, err)
	for k, v := range headers {
		r.Header.Set(k, v)
	}
	r.Header.Set("X-Amz-Content-Sha256", hash)
	ok(t, v4.NewSigner().SignHTTP(ctx, keys("ann"), r, hash, "s3", "us-east-1", time.Now(), func(o *v4.SignerOptions) { o.DisableURIPathEscaping = true }))
	resp, err := http.DefaultClient.Do(r)
	ok(t, err)
	defer resp.Body.Close()
	var b bytes.Buffer
	_, err = b.ReadFrom(resp.Body)
	ok(t, err)
	return resp.StatusCode, b.String()
}

func TestBodiesThatAreNotWhatWasSignedStoreNothing(t *testing.T) {
	l := open(t)
	c := l.bucket("b-raw")
	trailer := map[string]string{"X-Amz-Decoded-Content-Length": "5", "X-Amz-Trailer": "x-amz-checksum-crc32", "Content-Encoding": "aws-chunked"}
	const unsigned = "STREAMING-UNSIGNED-PAYLOAD-TRAILER"
	for name, tt := range map[string]struct {
		hash, body string
		headers    map[string]string
		want       string
	}{
		"another body":           {strings.Repeat("0", 64), "hello", nil, "XAmzContentSHA256Mismatch"},
		"another trailing sum":   {unsigned, "5\r\nhello\r\n0\r\nx-amz-checksum-crc32:AAAAAA==\r\n\r\n", trailer, "BadDigest"},
		"a malformed sum":        {unsigned, "5\r\nhello\r\n0\r\nx-amz-checksum-crc32:AA\r\n\r\n", trailer, "InvalidRequest"},
		"cut short":              {unsigned, "5\r\nhel", trailer, "IncompleteBody"},
		"without its trailer":    {unsigned, "5\r\nhello\r\n0\r\n\r\n", trailer, "MalformedTrailerError"},
		"two checksums":          {"UNSIGNED-PAYLOAD", "hello", map[string]string{"X-Amz-Checksum-Crc32": "NhCmhg==", "X-Amz-Checksum-Sha1": "qvTGHdzF6KLavt4PO0gs2a6pQ00="}, "InvalidRequest"},
		"a checksum that is not": {"UNSIGNED-PAYLOAD", "hello", map[string]string{"X-Amz-Checksum-Crc32": "x"}, "InvalidRequest"},
		"good":                   {unsigned, "5\r\nhello\r\n0\r\nx-amz-checksum-crc32:NhCmhg==\r\n\r\n", trailer, ""},
	} {
		t.Run(name, func(t *testing.T) {
			status, body := l.raw(t, "PUT", "/b-raw/k", tt.hash, tt.body, tt.headers)
			_, out, err := get(c, "b-raw", "k")
			if tt.want == "" {
				if status != 200 || err != nil || out.ContentEncoding != nil {
					t.Errorf("got %d %s, then %+v, %v", status, body, out, err)
				}
				_, err = c.DeleteObject(ctx, &awss3.DeleteObjectInput{Bucket: p("b-raw"), Key: p("k")})
				ok(t, err)
				return
			}
			if !strings.Contains(body, "<Code>"+tt.want+"</Code>") || code(err) != "NoSuchKey" {
				t.Errorf("got %d %s, then %v", status, body, err)
			}
		})
	}
	if got := l.contents(); len(got) != 0 {
		t.Errorf("files are left: %v", got)
	}
}

func TestFaultyRequests(t *testing.T) {
	l := open(t)
	l.bucket("b-faulty")
	const b = "/b-faulty"
	for _, tt := range []struct{ method, path, body, want string }{
		{"GET", b + "?list-type=2&max-keys=-1", "", "InvalidArgument"},
		{"GET", b + "?list-type=2&max-keys=x", "", "InvalidArgument"},
		{"GET", b + "?list-type=2&continuation-token=AAAAAAAAAAA%3D", "", "InvalidArgument"},
		{"GET", b + "?list-type=2&encoding-type=x", "", "InvalidArgument"},
		{"GET", b + "?versions&version-id-marker=x", "", "InvalidArgument"},
		{"GET", b + "/k%00", "", "InvalidArgument"},
		{"GET", b + "/%FF", "", "InvalidURI"},
		{"GET", b + "/" + strings.Repeat("k", 1025), "", "KeyTooLongError"},
		{"PATCH", b + "/k", "", "MethodNotAllowed"},
		{"PUT", b + "?versioning", "<VersioningConfiguration/>", "IllegalVersioningConfigurationException"},
		{"PUT", b + "?versioning", "<Other/>", "MalformedXML"},
		{"PUT", b + "?tagging", "<Tagging><TagSet><Tag><Key>a</Key><Value>1</Value></Tag></TagSet></Tagging>junk", "MalformedXML"},
		{"POST", b + "?delete", "<Delete><Object><Key>k</Key></Object></Delete>", "InvalidRequest"}, // no checksum
		{"PUT", b + "/k?partNumber=0&uploadId=x", "", "InvalidArgument"},
		{"PUT", b + "/k?partNumber=1&uploadId=x", "", "NoSuchUpload"},
		{"POST", b + "/k?uploadId=x", "", "InvalidRequest"},
		{"POST", b + "/k?uploadId=x", "<CompleteMultipartUpload/>", "MalformedXML"},
		{"GET", b + "/k?partNumber=0", "", "NoSuchKey"},
	} {
		if status, got := l.raw(t, tt.method, tt.path, "UNSIGNED-PAYLOAD", tt.body, nil); status < 400 || !strings.Contains(got, "<Code>"+tt.want+"</Code>") {
			t.Errorf("%s %.60s: got %d %s, want %s", tt.method, tt.path, status, got, tt.want)
		}
	}
}
