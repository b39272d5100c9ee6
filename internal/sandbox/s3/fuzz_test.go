package s3

import (
	"encoding/xml"
	"math"
	"net/http"
	"net/http/httptest"
	"net/url"
	"path/filepath"
	"strings"
	"testing"

	"go.etcd.io/bbolt"

	"lakeport/internal/sandbox"
)

func FuzzXMLBodies(f *testing.F) {
	f.Add([]byte(`<Delete xmlns="http://s3.amazonaws.com/doc/2006-03-01/"><Quiet>true</Quiet><Object><Key>k</Key></Object></Delete>`))
	f.Add([]byte(`<CompleteMultipartUpload><Part><PartNumber>1</PartNumber><ETag>"x"</ETag></Part></CompleteMultipartUpload>`))
	f.Add([]byte(`<Tagging><TagSet><Tag><Key>k</Key><Value>v</Value></Tag></TagSet></Tagging>`))
	f.Add([]byte(`<CreateBucketConfiguration><LocationConstraint>EU</LocationConstraint></CreateBucketConfiguration>`))
	f.Add([]byte(`<!DOCTYPE x [<!ENTITY a "b">]><Delete>&a;</Delete>`))
	f.Fuzz(func(t *testing.T, body []byte) {
		if b, err := readBatch(body); err == nil && (len(b.Object) == 0 || len(b.Object) > maxBatch) {
			t.Errorf("accepted a batch of %d", len(b.Object))
		}
		if c, err := readComplete(body); err == nil {
			if _, err := choose(&upload{}, nil, c); err == nil {
				t.Error("parts were found where there are none")
			}
		}
		for _, v := range []any{&taggingXML{}, &versioningXML{}, &encryptionXML{}, &publicAccessXML{}, &ownershipXML{}, &createConfiguration{}} {
			if decode(body, v) != nil {
				continue
			}
			if _, err := xml.Marshal(v); err != nil {
				t.Errorf("%T does not go back to XML: %v", v, err)
			}
		}
	})
}

// FuzzListParameters lists a small bucket by pages of any parameters: each
// entry comes once, in order, and the pages end.
func FuzzListParameters(f *testing.F) {
	f.Add("a/", "/", "", 2)
	f.Add("", "/", "a", 1)
	f.Add("a", "b/", "a/b/", 3)
	f.Add("\xff", "\xff", "\xff\xff", 1)
	db, err := bbolt.Open(filepath.Join(f.TempDir(), "db"), 0o600, nil)
	if err != nil {
		f.Fatal(err)
	}
	s, err := New(Options{DB: db, Dir: f.TempDir()})
	if err != nil {
		f.Fatal(err)
	}
	if _, err := s.store.create(&bucket{Name: "b"}); err != nil {
		f.Fatal(err)
	}
	all := []string{"a", "a/", "a/b", "a/b/c", "a/b/d", "a//", "ab/c", "b", "b/ü", "z\u00ff"}
	err = s.store.update("b", func(t *tx) error {
		for _, k := range all {
			if err := t.put(k, &object{}); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, prefix, delimiter, after string, limit int) {
		l := listing{prefix: prefix, delimiter: delimiter, limit: min(max(limit, 1), 20)}
		seen := map[string]bool{}
		last, more := after, true
		for pages := 0; more; pages++ {
			if pages > len(all) {
				t.Fatalf("the pages do not end: %v", seen)
			}
			err := s.store.view("b", func(x *tx) (err error) {
				add := func(name string) {
					if seen[name] {
						t.Errorf("%q comes twice", name)
					}
					seen[name] = true
				}
				last, more, err = l.walk(x.objects, l.resume(last), func(key string, _ *object) { add(key) }, add)
				return err
			})
			if err != nil {
				t.Fatal(err)
			}
		}
		for _, k := range all {
			if g := ""; k > after && strings.HasPrefix(k, prefix) {
				if g = l.group([]byte(k)); g == "" && !seen[k] {
					t.Errorf("%q is missing (prefix %q, delimiter %q, after %q): %v", k, prefix, delimiter, after, seen)
				}
			}
		}
	})
}

// FuzzAddresses reads requests of any method, host, path, query and headers.
func FuzzAddresses(f *testing.F) {
	f.Add("GET", "b.s3.amazonaws.com", "/k", "versionId=1", "bytes=0-1", "/b/k?versionId=2")
	f.Add("PUT", "127.0.0.1:1", "/b/k", "uploadId=x&partNumber=1", "bytes=-", "b%2Fk")
	f.Add("POST", "", "", "delete&%zz", "bytes=9999999999999999999-", "?")
	db, err := bbolt.Open(filepath.Join(f.TempDir(), "db"), 0o600, nil)
	if err != nil {
		f.Fatal(err)
	}
	s, err := New(Options{DB: db, Dir: f.TempDir()})
	if err != nil {
		f.Fatal(err)
	}
	if _, err := s.store.create(&bucket{Name: "b"}); err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, method, host, path, query, rng, source string) {
		r := &http.Request{Method: method, Host: host, URL: &url.URL{Path: path, RawQuery: query}, Body: http.NoBody,
			Header: http.Header{"X-Amz-Copy-Source": {source}, "X-Amz-Tagging": {query}, "Range": {rng}}}
		c := &sandbox.Call{Request: r, Region: "us-east-1"}
		needs, err := s.Needs(c)
		if err == nil && len(needs) == 0 && c.Action != "s3:DeleteObject" {
			t.Errorf("%s %s?%s needs nothing", method, path, query)
		}
		if err, isAPI := err.(*apiErr); isAPI {
			s.Fail(httptest.NewRecorder(), r, "id", err)
		}
		for _, size := range []int64{0, 1, 10, math.MaxInt64} {
			start, n, ok, err := readRange(rng, size)
			if ok && err == nil && (start < 0 || n <= 0 || start > size-n) {
				t.Errorf("range %q of %d bytes is %d+%d", rng, size, start, n)
			}
		}
	})
}

// FuzzEncryptionHeaders reads what a write says of its encryption.
func FuzzEncryptionHeaders(f *testing.F) {
	f.Add("", "", "", "")
	f.Add("AES256", "alias/x", "", "true")
	f.Add("aws:kms", "arn:aws:kms:us-east-1:111111111111:key/x", "eyJhIjoiYiJ9", "false")
	f.Add("aws:kms", "", "bnVsbA==", "maybe")
	f.Fuzz(func(t *testing.T, algorithm, key, context, bucketKey string) {
		h := http.Header{}
		for name, v := range map[string]string{sseHeader: algorithm, sseKeyHeader: key, sseContextHeader: context, sseBucketKey: bucketKey} {
			if v != "" {
				h.Set(name, v)
			}
		}
		e, err := readEncryption(&bucket{Name: "b"}, h)
		if err == nil && (e != nil) != (algorithm == kmsAlgorithm) {
			t.Errorf("%q gives %+v", algorithm, e)
		}
		if e != nil && e.context(&bucket{Name: "b"}, "k")["aws:s3:arn"] == "" {
			t.Error("the context lacks the object")
		}
	})
}
