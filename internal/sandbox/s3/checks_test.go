package s3_test

import (
	"bytes"
	"context"
	"crypto/md5"
	"crypto/rand"
	"encoding/hex"
	"fmt"
	"io"
	"net/http"
	"reflect"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/feature/s3/transfermanager"
	awss3 "github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"
)

var ctx = context.Background()

// The list by which S3 servers were compared before this one was written,
// with the newest SDK and its checksum defaults.
func TestThirtyTwoChecks(t *testing.T) {
	l := open(t)
	c := l.bucket("b-checks")
	const b = "b-checks"
	put(t, c, b, "k", "0123456789", func(in *awss3.PutObjectInput) {
		in.ContentType, in.Metadata, in.CacheControl = p("text/plain"), map[string]string{"colour": "blue"}, p("no-cache")
	})

	t.Run("default checksum comes back and is validated", func(t *testing.T) {
		body, out, err := get(c, b, "k", func(in *awss3.GetObjectInput) { in.ChecksumMode = types.ChecksumModeEnabled })
		if err != nil || body != "0123456789" || aws.ToString(out.ChecksumCRC32) != "poTHxg==" || out.ChecksumType != types.ChecksumTypeFullObject {
			t.Errorf("got %q, %v, crc32 %v", body, err, aws.ToString(out.ChecksumCRC32))
		}
	})
	for _, alg := range []types.ChecksumAlgorithm{"CRC32", "CRC32C", "CRC64NVME", "SHA1", "SHA256"} {
		t.Run("checksum "+string(alg), func(t *testing.T) {
			put(t, c, b, "sum", "hello", func(in *awss3.PutObjectInput) { in.ChecksumAlgorithm = alg })
			out, err := c.HeadObject(ctx, &awss3.HeadObjectInput{Bucket: p(b), Key: p("sum"), ChecksumMode: types.ChecksumModeEnabled})
			ok(t, err)
			if v := reflect.ValueOf(*out).FieldByName("Checksum" + string(alg)); v.IsNil() {
				t.Errorf("HEAD tells no %s", alg)
			}
		})
	}
	t.Run("checksum XXHASH64 is refused by name", func(t *testing.T) {
		_, err := c.PutObject(ctx, &awss3.PutObjectInput{Bucket: p(b), Key: p("x"), Body: strings.NewReader("x"), ChecksumXXHASH64: p("AAAAAAAAAAA=")})
		want(t, "put", err, "NotImplemented")
	})
	t.Run("a wrong checksum", func(t *testing.T) {
		_, err := c.PutObject(ctx, &awss3.PutObjectInput{Bucket: p(b), Key: p("bad"), Body: strings.NewReader("x"), ChecksumCRC32: p("AAAAAA==")})
		want(t, "put", err, "BadDigest")
		_, _, err = get(c, b, "bad")
		want(t, "get", err, "NoSuchKey")
	})
	t.Run("a wrong Content-MD5", func(t *testing.T) {
		_, err := c.PutObject(ctx, &awss3.PutObjectInput{Bucket: p(b), Key: p("bad"), Body: strings.NewReader("x"), ContentMD5: p("1B2M2Y8AsgTpgAmY7PhCfg==")})
		want(t, "put", err, "BadDigest")
	})
	t.Run("metadata and content headers", func(t *testing.T) {
		_, out, err := get(c, b, "k")
		ok(t, err)
		if out.Metadata["colour"] != "blue" || *out.ContentType != "text/plain" || *out.CacheControl != "no-cache" ||
			*out.ETag != `"781e5e245d69b566979b86e28d23f2c7"` || out.ServerSideEncryption != "AES256" {
			t.Errorf("got %+v", out)
		}
	})
	t.Run("ranges", func(t *testing.T) {
		for r, body := range map[string]string{"bytes=0-0": "0", "bytes=2-4": "234", "bytes=7-": "789", "bytes=-3": "789", "bytes=-99": "0123456789",
			"bytes=8-99": "89", "bytes=0-1,3-4": "0123456789", "lines=1-2": "0123456789", "bytes=5-2": "0123456789"} {
			got, out, err := get(c, b, "k", func(in *awss3.GetObjectInput) { in.Range = &r })
			if err != nil || got != body {
				t.Errorf("%s: got %q, %v; want %q", r, got, err, body)
			}
			if partial := len(body) < 10 || r == "bytes=-99"; err == nil && partial != (out.ContentRange != nil) {
				t.Errorf("%s: Content-Range %v", r, out.ContentRange)
			}
		}
		_, out, err := get(c, b, "k", func(in *awss3.GetObjectInput) { in.Range = p("bytes=2-4") })
		if err != nil || *out.ContentRange != "bytes 2-4/10" || *out.ContentLength != 3 {
			t.Errorf("got %+v, %v", out, err)
		}
	})
	t.Run("an unsatisfiable range is 416", func(t *testing.T) {
		_, _, err := get(c, b, "k", func(in *awss3.GetObjectInput) { in.Range = p("bytes=10-") })
		want(t, "get", err, "InvalidRange")
		put(t, c, b, "empty", "")
		_, _, err = get(c, b, "empty", func(in *awss3.GetObjectInput) { in.Range = p("bytes=0-0") })
		want(t, "empty", err, "InvalidRange")
	})
	t.Run("NoSuchKey and NoSuchBucket", func(t *testing.T) {
		_, _, err := get(c, b, "none")
		want(t, "get", err, "NoSuchKey")
		_, err = c.HeadObject(ctx, &awss3.HeadObjectInput{Bucket: p(b), Key: p("none")})
		want(t, "head", err, "NotFound")
		_, _, err = get(c, "b-none", "k")
		want(t, "bucket", err, "NoSuchBucket")
	})
	t.Run("If-None-Match on write", func(t *testing.T) {
		_, err := c.PutObject(ctx, &awss3.PutObjectInput{Bucket: p(b), Key: p("k"), IfNoneMatch: p("*")})
		want(t, "put over", err, "PreconditionFailed")
		_, err = c.PutObject(ctx, &awss3.PutObjectInput{Bucket: p(b), Key: p("fresh"), IfNoneMatch: p("*")})
		want(t, "put new", err, "")
	})
	t.Run("If-None-Match of sixteen writers has one winner", func(t *testing.T) {
		var wg sync.WaitGroup
		won := make(chan string, 16)
		for i := range 16 {
			wg.Go(func() {
				body := fmt.Sprint("writer ", i)
				_, err := c.PutObject(ctx, &awss3.PutObjectInput{Bucket: p(b), Key: p("race"), IfNoneMatch: p("*"), Body: strings.NewReader(body)})
				if err == nil {
					won <- body
				} else if code(err) != "PreconditionFailed" {
					t.Error(err)
				}
			})
		}
		wg.Wait()
		close(won)
		got, _, err := get(c, b, "race")
		if first := <-won; err != nil || got != first || len(won) != 0 {
			t.Errorf("stored %q (%v), first winner %q, %d more", got, err, first, len(won))
		}
	})
	t.Run("If-Match on write", func(t *testing.T) {
		out := put(t, c, b, "m", "1")
		_, err := c.PutObject(ctx, &awss3.PutObjectInput{Bucket: p(b), Key: p("m"), IfMatch: p(`"0"`)})
		want(t, "other", err, "PreconditionFailed")
		_, err = c.PutObject(ctx, &awss3.PutObjectInput{Bucket: p(b), Key: p("m"), IfMatch: out.ETag})
		want(t, "same", err, "")
		_, err = c.PutObject(ctx, &awss3.PutObjectInput{Bucket: p(b), Key: p("m-none"), IfMatch: out.ETag})
		want(t, "missing", err, "NoSuchKey")
	})
	t.Run("conditions on read", func(t *testing.T) {
		_, out, err := get(c, b, "k")
		ok(t, err)
		now, past := p(time.Now().Add(time.Hour)), p(time.Now().Add(-time.Hour))
		for name, tt := range map[string]struct {
			in   awss3.GetObjectInput
			want string
		}{
			"If-Match":                              {awss3.GetObjectInput{IfMatch: out.ETag}, ""},
			"If-Match other":                        {awss3.GetObjectInput{IfMatch: p(`"x"`)}, "PreconditionFailed"},
			"If-None-Match":                         {awss3.GetObjectInput{IfNoneMatch: out.ETag}, "NotModified"},
			"If-None-Match other":                   {awss3.GetObjectInput{IfNoneMatch: p(`"x"`)}, ""},
			"If-Modified-Since now":                 {awss3.GetObjectInput{IfModifiedSince: now}, "NotModified"},
			"If-Modified-Since past":                {awss3.GetObjectInput{IfModifiedSince: past}, ""},
			"If-Unmodified-Since past":              {awss3.GetObjectInput{IfUnmodifiedSince: past}, "PreconditionFailed"},
			"If-Match beats If-Unmodified-Since":    {awss3.GetObjectInput{IfMatch: out.ETag, IfUnmodifiedSince: past}, ""},
			"If-None-Match beats If-Modified-Since": {awss3.GetObjectInput{IfNoneMatch: p(`"x"`), IfModifiedSince: now}, ""},
			"If-None-Match with If-Modified-Since":  {awss3.GetObjectInput{IfNoneMatch: out.ETag, IfModifiedSince: past}, "NotModified"},
		} {
			tt.in.Bucket, tt.in.Key = p(b), p("k")
			_, err := c.GetObject(ctx, &tt.in)
			want(t, name, err, tt.want)
		}
	})
	t.Run("listing with delimiter and pages", func(t *testing.T) {
		for _, k := range []string{"l/a", "l/b/1", "l/b/2", "l/b0", "l/c/1", "l/d"} {
			put(t, c, b, k, "")
		}
		var got []string
		pages := awss3.NewListObjectsV2Paginator(c, &awss3.ListObjectsV2Input{Bucket: p(b), Prefix: p("l/"), Delimiter: p("/"), MaxKeys: p(int32(2))})
		for n := 0; pages.HasMorePages(); n++ {
			page, err := pages.NextPage(ctx)
			ok(t, err)
			if n < 2 && *page.KeyCount != 2 {
				t.Errorf("page %d has %d", n, *page.KeyCount)
			}
			for _, x := range page.CommonPrefixes {
				got = append(got, *x.Prefix)
			}
			got = append(got, keysOf(page.Contents)...)
		}
		if s := strings.Join(got, " "); s != "l/b/ l/a l/c/ l/b0 l/d" { // prefixes come first within a page
			t.Errorf("got %s", s)
		}
	})
	t.Run("odd keys", func(t *testing.T) {
		odd := []string{"o/ü ö", "o/a+b%20c", "o/x=1&y<2>", "o//double", "o/quote\"'", "o/ trailing ", "o/~!*();:@$,", "o/dt=2024-01-01 00%3A00/p", "o/\t", "o/日本", "o/..", "o/back\\slash", "o/?#[]"}
		for _, k := range odd {
			put(t, c, b, k, k)
			if body, _, err := get(c, b, k); err != nil || body != k {
				t.Errorf("%q: got %q, %v", k, body, err)
			}
			if _, err := c.CopyObject(ctx, &awss3.CopyObjectInput{Bucket: p(b), Key: p("copy/" + k), CopySource: p(b + "/" + escape(k))}); err != nil {
				t.Errorf("copy %q: %v", k, err)
			}
		}
		for _, encoding := range []types.EncodingType{"", types.EncodingTypeUrl} {
			out, err := c.ListObjectsV2(ctx, &awss3.ListObjectsV2Input{Bucket: p(b), Prefix: p("o/"), EncodingType: encoding})
			ok(t, err)
			names := map[string]bool{}
			for _, k := range keysOf(out.Contents) {
				if encoding != "" {
					k = unescape(t, k)
				}
				names[k] = true
			}
			for _, k := range odd {
				if !names[k] {
					t.Errorf("encoding %q lists no %q: %v", encoding, k, names)
				}
			}
		}
	})
	t.Run("multipart with a -N ETag", func(t *testing.T) { multipart(t, c, b) })
	t.Run("DeleteObjects", func(t *testing.T) {
		put(t, c, b, "d/1", "")
		out, err := c.DeleteObjects(ctx, &awss3.DeleteObjectsInput{Bucket: p(b), Delete: &types.Delete{Objects: []types.ObjectIdentifier{
			{Key: p("d/1")}, {Key: p("d/none")}}}})
		if err != nil || len(out.Deleted) != 2 || len(out.Errors) != 0 {
			t.Errorf("got %+v, %v", out, err)
		}
		_, _, err = get(c, b, "d/1")
		want(t, "get", err, "NoSuchKey")
	})
	t.Run("copy", func(t *testing.T) {
		out, err := c.CopyObject(ctx, &awss3.CopyObjectInput{Bucket: p(b), Key: p("k2"), CopySource: p(b + "/k")})
		ok(t, err)
		body, got, err := get(c, b, "k2")
		if err != nil || body != "0123456789" || got.Metadata["colour"] != "blue" || *got.ETag != *out.CopyObjectResult.ETag {
			t.Errorf("got %q, %+v, %v", body, got, err)
		}
		_, err = c.CopyObject(ctx, &awss3.CopyObjectInput{Bucket: p(b), Key: p("k2"), CopySource: p(b + "/k"), MetadataDirective: "REPLACE",
			Metadata: map[string]string{"a": "b"}})
		ok(t, err)
		if _, got, err = get(c, b, "k2"); err != nil || !reflect.DeepEqual(got.Metadata, map[string]string{"a": "b"}) {
			t.Errorf("replaced: got %v, %v", got.Metadata, err)
		}
		_, err = c.CopyObject(ctx, &awss3.CopyObjectInput{Bucket: p(b), Key: p("k"), CopySource: p(b + "/k")})
		want(t, "onto itself", err, "InvalidRequest")
		_, err = c.CopyObject(ctx, &awss3.CopyObjectInput{Bucket: p(b), Key: p("k3"), CopySource: p(b + "/k"), CopySourceIfMatch: p("x")})
		want(t, "condition", err, "PreconditionFailed")
		_, err = c.CopyObject(ctx, &awss3.CopyObjectInput{Bucket: p(b), Key: p("k3"), CopySource: p(b + "/none")})
		want(t, "missing", err, "NoSuchKey")
	})
	t.Run("versioning", func(t *testing.T) { versions(t, l) })
	t.Run("SSE-C is refused by name", func(t *testing.T) {
		_, err := c.PutObject(ctx, &awss3.PutObjectInput{Bucket: p(b), Key: p("s"), SSECustomerAlgorithm: p("AES256"), SSECustomerKey: p(strings.Repeat("k", 32))})
		want(t, "put", err, "NotImplemented")
	})
	t.Run("presigned", func(t *testing.T) {
		req, err := awss3.NewPresignClient(c).PresignGetObject(ctx, &awss3.GetObjectInput{Bucket: p(b), Key: p("k"), ResponseContentType: p("x/y")})
		ok(t, err)
		resp, err := http.Get(req.URL)
		ok(t, err)
		body, _ := io.ReadAll(resp.Body)
		if string(body) != "0123456789" || resp.Header.Get("Content-Type") != "x/y" {
			t.Errorf("got %d %s %v", resp.StatusCode, body, resp.Header)
		}
		resp, err = http.Get(strings.Replace(req.URL, "/k?", "/k2?", 1))
		ok(t, err)
		if resp.StatusCode != 403 {
			t.Errorf("another key: got %d", resp.StatusCode)
		}
		upload, err := awss3.NewPresignClient(c).PresignPutObject(ctx, &awss3.PutObjectInput{Bucket: p(b), Key: p("pre")})
		ok(t, err)
		r, _ := http.NewRequest("PUT", upload.URL, strings.NewReader("via url"))
		resp, err = http.DefaultClient.Do(r)
		if got, _, gerr := get(c, b, "pre"); err != nil || resp.StatusCode != 200 || gerr != nil || got != "via url" {
			t.Errorf("got %v, %q, %v", err, got, gerr)
		}
	})
	t.Run("a bad signature", func(t *testing.T) {
		bad := keys("ann")
		bad.SecretAccessKey = "other"
		_, _, err := get(l.client(bad), b, "k")
		want(t, "get", err, "SignatureDoesNotMatch")
	})
	t.Run("an unknown key", func(t *testing.T) {
		bad := keys("ann")
		bad.AccessKeyID = "AKIANOBODYNOBODYNOBO"
		_, _, err := get(l.client(bad), b, "k")
		want(t, "get", err, "InvalidAccessKeyId")
	})
	t.Run("a policy allows", func(t *testing.T) {
		_, _, err := get(l.client(keys("lee")), b, "k")
		want(t, "get", err, "")
	})
	t.Run("a policy denies", func(t *testing.T) {
		_, err := l.client(keys("lee")).PutObject(ctx, &awss3.PutObjectInput{Bucket: p(b), Key: p("k")})
		want(t, "put", err, "AccessDenied")
		if text := `User: arn:aws:iam::111111111111:user/lee is not authorized to perform: s3:PutObject on resource: "arn:aws:s3:::b-checks/k" ` +
			`because no identity-based policy allows the s3:PutObject action`; err == nil || !strings.Contains(err.Error(), text) {
			t.Errorf("got %v, want %s", err, text)
		}
	})
	session := l.session(keys("ann"))
	t.Run("a right session token", func(t *testing.T) {
		_, _, err := get(l.client(session), b, "k")
		want(t, "get", err, "")
	})
	t.Run("a wrong session token", func(t *testing.T) {
		session.SessionToken += "x"
		_, _, err := get(l.client(session), b, "k")
		want(t, "get", err, "InvalidToken")
	})
}

// multipart uploads three parts and looks at them from all sides.
func multipart(t *testing.T, c *awss3.Client, b string) {
	parts := [][]byte{bytes.Repeat([]byte("a"), 5<<20), bytes.Repeat([]byte("b"), 5<<20), []byte("tail")}
	for name, create := range map[string]awss3.CreateMultipartUploadInput{
		"plain":       {},
		"composite":   {ChecksumAlgorithm: types.ChecksumAlgorithmSha256},
		"full object": {ChecksumAlgorithm: types.ChecksumAlgorithmCrc32c, ChecksumType: types.ChecksumTypeFullObject},
	} {
		key := "multi " + name
		create.Bucket, create.Key, create.Metadata = &b, &key, map[string]string{"m": "1"}
		up, err := c.CreateMultipartUpload(ctx, &create)
		ok(t, err)
		var done []types.CompletedPart
		sum := md5.New()
		for i, body := range parts {
			n := p(int32(i + 1))
			out, err := c.UploadPart(ctx, &awss3.UploadPartInput{Bucket: &b, Key: &key, UploadId: up.UploadId, PartNumber: n, Body: bytes.NewReader(body),
				ChecksumAlgorithm: create.ChecksumAlgorithm})
			ok(t, err)
			raw := md5.Sum(body)
			sum.Write(raw[:])
			done = append(done, types.CompletedPart{PartNumber: n, ETag: out.ETag, ChecksumSHA256: out.ChecksumSHA256, ChecksumCRC32C: out.ChecksumCRC32C})
		}
		list, err := c.ListParts(ctx, &awss3.ListPartsInput{Bucket: &b, Key: &key, UploadId: up.UploadId, MaxParts: p(int32(2))})
		if err != nil || len(list.Parts) != 2 || !*list.IsTruncated || *list.Parts[1].Size != 5<<20 {
			t.Errorf("%s: ListParts %+v, %v", name, list, err)
		}
		complete := func(parts []types.CompletedPart) (*awss3.CompleteMultipartUploadOutput, error) {
			return c.CompleteMultipartUpload(ctx, &awss3.CompleteMultipartUploadInput{Bucket: &b, Key: &key, UploadId: up.UploadId,
				MultipartUpload: &types.CompletedMultipartUpload{Parts: parts}})
		}
		_, err = complete([]types.CompletedPart{done[1], done[0]})
		want(t, name+": order", err, "InvalidPartOrder")
		_, err = complete([]types.CompletedPart{{PartNumber: p(int32(1)), ETag: p("x")}})
		want(t, name+": etag", err, "InvalidPart")
		_, err = complete([]types.CompletedPart{{PartNumber: p(int32(9)), ETag: done[0].ETag}})
		want(t, name+": number", err, "InvalidPart")
		_, err = complete([]types.CompletedPart{done[2], {PartNumber: p(int32(4)), ETag: p("x")}})
		want(t, name+": small", err, "EntityTooSmall")
		out, err := complete(done)
		ok(t, err)
		etag := `"` + hex.EncodeToString(sum.Sum(nil)) + `-3"`
		if *out.ETag != etag {
			t.Errorf("%s: ETag %s, want %s", name, *out.ETag, etag)
		}
		if again, err := complete(done); err != nil || *again.ETag != etag {
			t.Errorf("%s: completing again: %v", name, err)
		}
		body, got, err := get(c, b, key, func(in *awss3.GetObjectInput) { in.ChecksumMode = types.ChecksumModeEnabled })
		if err != nil || body != string(bytes.Join(parts, nil)) || got.Metadata["m"] != "1" {
			t.Errorf("%s: got %d bytes, %v", name, len(body), err)
		}
		switch name {
		case "composite":
			if !strings.HasSuffix(aws.ToString(got.ChecksumSHA256), "-3") || got.ChecksumType != types.ChecksumTypeComposite {
				t.Errorf("got %v %v", aws.ToString(got.ChecksumSHA256), got.ChecksumType)
			}
		case "full object":
			if got.ChecksumCRC32C == nil || got.ChecksumType != types.ChecksumTypeFullObject {
				t.Errorf("got %v %v", got.ChecksumCRC32C, got.ChecksumType)
			}
		}
		body, got, err = get(c, b, key, func(in *awss3.GetObjectInput) { in.PartNumber = p(int32(3)) })
		if err != nil || body != "tail" || *got.PartsCount != 3 {
			t.Errorf("%s: part 3 is %q, %v", name, body, err)
		}
		attr, err := c.GetObjectAttributes(ctx, &awss3.GetObjectAttributesInput{Bucket: &b, Key: &key, ObjectAttributes: types.ObjectAttributes("").Values()})
		if err != nil || *attr.ObjectSize != int64(10<<20+4) || *attr.ObjectParts.TotalPartsCount != 3 {
			t.Errorf("%s: attributes %+v, %v", name, attr, err)
		}
		if n, err := c.CopyObject(ctx, &awss3.CopyObjectInput{Bucket: &b, Key: p("copied"), CopySource: p(b + "/" + escape(key))}); err != nil ||
			strings.Contains(*n.CopyObjectResult.ETag, "-") {
			t.Errorf("%s: copy %+v, %v", name, n, err)
		}
	}
	completeAtOnce(t, c, b)
	key := "left"
	up, err := c.CreateMultipartUpload(ctx, &awss3.CreateMultipartUploadInput{Bucket: &b, Key: &key})
	ok(t, err)
	part, err := c.UploadPartCopy(ctx, &awss3.UploadPartCopyInput{Bucket: &b, Key: &key, UploadId: up.UploadId, PartNumber: p(int32(1)),
		CopySource: p(b + "/k"), CopySourceRange: p("bytes=2-4")})
	if err != nil || *part.CopyPartResult.ETag != `"289dff07669d7a23de0ef88d2f7129e7"` { // of 234
		t.Errorf("copy of a part: %+v, %v", part, err)
	}
	list, err := c.ListMultipartUploads(ctx, &awss3.ListMultipartUploadsInput{Bucket: &b, Prefix: p("le")})
	if err != nil || len(list.Uploads) != 1 || *list.Uploads[0].UploadId != *up.UploadId {
		t.Errorf("uploads: %+v, %v", list, err)
	}
	_, err = c.AbortMultipartUpload(ctx, &awss3.AbortMultipartUploadInput{Bucket: &b, Key: &key, UploadId: up.UploadId})
	want(t, "abort", err, "")
	_, err = c.AbortMultipartUpload(ctx, &awss3.AbortMultipartUploadInput{Bucket: &b, Key: &key, UploadId: up.UploadId})
	want(t, "abort again", err, "NoSuchUpload")
}

// completeAtOnce ends one upload from several clients: all are told the same.
func completeAtOnce(t *testing.T, c *awss3.Client, b string) {
	key := "at once"
	for i := range 8 {
		up, err := c.CreateMultipartUpload(ctx, &awss3.CreateMultipartUploadInput{Bucket: &b, Key: &key})
		ok(t, err)
		part, err := c.UploadPart(ctx, &awss3.UploadPartInput{Bucket: &b, Key: &key, UploadId: up.UploadId, PartNumber: p(int32(1)),
			Body: strings.NewReader(fmt.Sprint("upload ", i))})
		ok(t, err)
		var wg sync.WaitGroup
		for range 4 {
			wg.Go(func() {
				_, err := c.CompleteMultipartUpload(ctx, &awss3.CompleteMultipartUploadInput{Bucket: &b, Key: &key, UploadId: up.UploadId,
					MultipartUpload: &types.CompletedMultipartUpload{Parts: []types.CompletedPart{{PartNumber: p(int32(1)), ETag: part.ETag}}}})
				want(t, "complete", err, "")
			})
		}
		wg.Wait()
		if got, _, err := get(c, b, key); err != nil || got != fmt.Sprint("upload ", i) {
			t.Errorf("upload %d: got %q, %v", i, got, err)
		}
	}
}

func versions(t *testing.T, l *lab) {
	const b = "b-versions"
	c := l.bucket(b)
	put(t, c, b, "k", "null")
	_, err := c.PutBucketVersioning(ctx, &awss3.PutBucketVersioningInput{Bucket: p(b), VersioningConfiguration: &types.VersioningConfiguration{Status: "Enabled"}})
	ok(t, err)
	one, two := put(t, c, b, "k", "one"), put(t, c, b, "k", "two")
	gone, err := c.DeleteObject(ctx, &awss3.DeleteObjectInput{Bucket: p(b), Key: p("k")})
	if err != nil || !*gone.DeleteMarker || *one.VersionId == *two.VersionId {
		t.Fatalf("delete: %+v, %v", gone, err)
	}
	_, _, err = get(c, b, "k")
	want(t, "behind a marker", err, "NoSuchKey")
	list, err := c.ListObjectsV2(ctx, &awss3.ListObjectsV2Input{Bucket: p(b)})
	if err != nil || len(list.Contents) != 0 {
		t.Errorf("listed %v, %v", keysOf(list.Contents), err)
	}
	for id, body := range map[string]string{*one.VersionId: "one", *two.VersionId: "two", "null": "null"} {
		if got, _, err := get(c, b, "k", func(in *awss3.GetObjectInput) { in.VersionId = &id }); err != nil || got != body {
			t.Errorf("version %s: got %q, %v", id, got, err)
		}
	}
	for id, code := range map[string]string{"no version": "InvalidArgument", strings.Repeat("0", 32): "NoSuchVersion"} {
		_, _, err = get(c, b, "k", func(in *awss3.GetObjectInput) { in.VersionId = &id })
		want(t, "version "+id, err, code)
	}
	_, _, err = get(c, b, "k", func(in *awss3.GetObjectInput) { in.VersionId = gone.VersionId })
	want(t, "the marker", err, "MethodNotAllowed")
	var seen []string
	in := &awss3.ListObjectVersionsInput{Bucket: p(b), MaxKeys: p(int32(1))}
	for {
		page, err := c.ListObjectVersions(ctx, in)
		ok(t, err)
		for _, v := range page.Versions {
			seen = append(seen, *v.VersionId)
		}
		for _, v := range page.DeleteMarkers {
			seen = append(seen, *v.VersionId)
		}
		if !*page.IsTruncated {
			break
		}
		in.KeyMarker, in.VersionIdMarker = page.NextKeyMarker, page.NextVersionIdMarker
	}
	if wanted := []string{*gone.VersionId, *two.VersionId, *one.VersionId, "null"}; !reflect.DeepEqual(seen, wanted) {
		t.Errorf("versions %v, want %v", seen, wanted)
	}
	_, err = c.DeleteObject(ctx, &awss3.DeleteObjectInput{Bucket: p(b), Key: p("k"), VersionId: gone.VersionId})
	ok(t, err)
	if got, _, err := get(c, b, "k"); err != nil || got != "two" {
		t.Errorf("without the marker: got %q, %v", got, err)
	}
	_, err = c.PutBucketVersioning(ctx, &awss3.PutBucketVersioningInput{Bucket: p(b), VersioningConfiguration: &types.VersioningConfiguration{Status: "Suspended"}})
	ok(t, err)
	put(t, c, b, "k", "new null")
	if got, _, err := get(c, b, "k", func(in *awss3.GetObjectInput) { in.VersionId = p("null") }); err != nil || got != "new null" {
		t.Errorf("suspended: null is %q, %v", got, err)
	}
	_, err = c.DeleteBucket(ctx, &awss3.DeleteBucketInput{Bucket: p(b)})
	want(t, "with versions", err, "BucketNotEmpty")
}

func TestTransferManagerOverTLSWithASession(t *testing.T) {
	l := openIn(t, t.TempDir(), true)
	insecure := &http.Client{Transport: insecureTransport()}
	c := l.client(keys("ann"), func(o *awss3.Options) { o.HTTPClient = insecure })
	_, err := c.CreateBucket(ctx, &awss3.CreateBucketInput{Bucket: p("b-tls")})
	ok(t, err)
	// Over TLS the SDK sends unsigned chunks with a trailing checksum for
	// bodies that cannot seek.
	for _, alg := range []types.ChecksumAlgorithm{"CRC32", "CRC32C", "CRC64NVME", "SHA1", "SHA256"} {
		_, err = c.PutObject(ctx, &awss3.PutObjectInput{Bucket: p("b-tls"), Key: p("stream"), Body: io.MultiReader(strings.NewReader("a stream")),
			ContentLength: p(int64(8)), ChecksumAlgorithm: alg})
		ok(t, err)
		if got, _, err := get(c, "b-tls", "stream"); err != nil || got != "a stream" {
			t.Errorf("%s: got %q, %v", alg, got, err)
		}
	}
	body := make([]byte, 20<<20)
	rand.Read(body)
	long := l.clientSession(insecure)
	up, err := transfermanager.New(long).UploadObject(ctx, &transfermanager.UploadObjectInput{Bucket: p("b-tls"), Key: p("big"), Body: bytes.NewReader(body)})
	ok(t, err)
	if !strings.HasSuffix(strings.Trim(*up.ETag, `"`), "-3") {
		t.Errorf("ETag %s", *up.ETag)
	}
	got, _, err := get(long, "b-tls", "big")
	if err != nil || got != string(body) {
		t.Errorf("got %d bytes, %v", len(got), err)
	}
}
