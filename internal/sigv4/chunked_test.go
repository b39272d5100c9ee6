package sigv4_test

import (
	"bufio"
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"

	"lakeport/internal/sigv4"
)

func bufioReader(s string) *bufio.Reader { return bufio.NewReader(strings.NewReader(s)) }

func sha(s string) string {
	sum := sha256.Sum256([]byte(s))
	return hex.EncodeToString(sum[:])
}

// chunked is a request as in "Signature Calculations for the Authorization
// Header: Transferring Payload in Multiple Chunks" and "… Including Trailing
// Headers", S3 API Reference: 65 KiB and 1 KiB of the letter a.
func chunked(t testing.TB, seed, headers, signed, body string) *http.Request {
	return parse(t, "PUT /examplebucket/chunkObject.txt HTTP/1.1\r\nHost: s3.amazonaws.com"+
		"\r\nx-amz-date: 20130524T000000Z\r\nx-amz-storage-class: REDUCED_REDUNDANCY"+
		"\r\nAuthorization: AWS4-HMAC-SHA256 Credential="+docKey+"/20130524/us-east-1/s3/aws4_request,SignedHeaders="+signed+
		",Signature="+seed+"\r\nContent-Encoding: aws-chunked\r\nx-amz-decoded-content-length: 66560"+headers, body)
}

var (
	big   = strings.Repeat("a", 65536)
	small = strings.Repeat("a", 1024)
)

const signedNames = "content-encoding;content-length;host;x-amz-content-sha256;x-amz-date;x-amz-decoded-content-length;x-amz-storage-class"

func signedExample(t testing.TB, body string) *http.Request {
	return chunked(t, "4f232c4386841ef735655705268965c44a0e4690baa4adea153f7db9fa80a0a9",
		"\r\nContent-Length: 66824\r\nx-amz-content-sha256: STREAMING-AWS4-HMAC-SHA256-PAYLOAD", signedNames, body)
}

func signedBody() string {
	return "10000;chunk-signature=ad80c730a21e5b8d04586a2213dd63b9a0e99e0e2307b0ade35a65485a288648\r\n" + big + "\r\n" +
		"400;chunk-signature=0055627c9e194cb4542bae2aa5492e3c1575bbb81b612b7d234b86a503ef5497\r\n" + small + "\r\n" +
		"0;chunk-signature=b6c6ea8a5354eaf15b3cb7646744f4275b71ea724fed81ceb9323e279d449df9\r\n\r\n"
}

func trailerExample(t testing.TB, body string) *http.Request {
	return chunked(t, "106e2a8a18243abcf37539882f36619c00e2dfc72633413f02d3b74544bfeb8e",
		"\r\nTransfer-Encoding: chunked\r\nx-amz-content-sha256: STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER\r\nx-amz-trailer: x-amz-checksum-crc32c",
		"content-encoding;host;x-amz-content-sha256;x-amz-date;x-amz-decoded-content-length;x-amz-storage-class;x-amz-trailer",
		fmt.Sprintf("%x\r\n%s\r\n0\r\n\r\n", len(body), body))
}

func trailerBody() string {
	return "10000;chunk-signature=b474d8862b1487a5145d686f57f013e54db672cee1c953b3010fb58501ef5aa2\r\n" + big + "\r\n" +
		"400;chunk-signature=1c1344b170168f8e65b41376b44b20fe354e373826ccbbe2c1d40a8cae51e5c7\r\n" + small + "\r\n" +
		"0;chunk-signature=2ca2aba2005185cf7159c6277faf83795951dd77a3a99e6e65d5c9f85863f992\r\n" +
		"x-amz-checksum-crc32c:sOO8/Q==\r\n" +
		"x-amz-trailer-signature:d81f82fc3505edab99d459891051a732e8730629a2e4a59689829ca17fe2e435\r\n\r\n"
}

func TestChunkedExamplesOfTheS3Reference(t *testing.T) {
	for name, r := range map[string]*http.Request{
		"signed":             signedExample(t, signedBody()),
		"signed and trailer": trailerExample(t, trailerBody()),
	} {
		t.Run(name, func(t *testing.T) {
			if _, err := verifier(docTime, "").Verify(r); err != nil {
				t.Fatal(err)
			}
			got, err := io.ReadAll(r.Body)
			if err != nil || string(got) != big+small {
				t.Errorf("got %d bytes, %v", len(got), err)
			}
			if r.ContentLength != 66560 || r.Header.Get("Content-Encoding") != "" {
				t.Errorf("length %d, encoding %q", r.ContentLength, r.Header.Get("Content-Encoding"))
			}
			if name == "signed and trailer" && r.Trailer.Get("x-amz-checksum-crc32c") != "sOO8/Q==" {
				t.Errorf("trailer %v", r.Trailer)
			}
		})
	}
}

func TestBrokenChunksFailAtTheirPlace(t *testing.T) {
	for name, c := range map[string]struct {
		old, new string
		want     sigv4.Reason
	}{
		"content changed":          {"aaaa\r\n0;", "aaab\r\n0;", sigv4.BadSignature},
		"first signature changed":  {"=b474", "=b475", sigv4.BadSignature},
		"last signature changed":   {"=2ca2", "=2ca3", sigv4.BadSignature},
		"checksum changed":         {"sOO8", "sOO9", sigv4.BadSignature},
		"trailer signature absent": {"x-amz-trailer-signature:", "x-amz-trailer-signature:0", sigv4.BadSignature},
		"trailer not announced":    {"crc32c:", "crc32:", sigv4.MalformedTrailer},
		"trailer without colon":    {"crc32c:", "crc32c=", sigv4.MalformedTrailer},
		"signature missing":        {";chunk-signature=1c13", ";chunk-sig=1c13", sigv4.IncompleteBody},
		"size not hex":             {"400;", "4z0;", sigv4.IncompleteBody},
		"size too small":           {"400;", "3ff;", sigv4.IncompleteBody},
		"size too large":           {"400;", "401;", sigv4.IncompleteBody},
		"size negative":            {"400;", "-400;", sigv4.IncompleteBody},
		"no end":                   {"\r\n\r\n", "\r\n", sigv4.IncompleteBody},
		"small chunk in between":   {"10000;", "400;", sigv4.IncompleteBody},
	} {
		t.Run(name, func(t *testing.T) {
			if !strings.Contains(trailerBody(), c.old) {
				t.Fatalf("the example has no %q", c.old)
			}
			r := trailerExample(t, strings.Replace(trailerBody(), c.old, c.new, 1))
			if _, err := verifier(docTime, "").Verify(r); err != nil {
				t.Fatal(err)
			}
			_, err := io.ReadAll(r.Body)
			if got := reason(t, err); got != c.want {
				t.Errorf("got %v, want %v", err, c.want)
			}
			if _, again := r.Body.Read(make([]byte, 1)); again != err {
				t.Errorf("a second read gives %v", again)
			}
		})
	}
}

func TestUnsignedTrailer(t *testing.T) {
	send := func(body string, n int) (string, http.Header, error) {
		r := parse(t, fmt.Sprintf("PUT /b/k HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\nContent-Encoding: gzip,aws-chunked"+
			"\r\nx-amz-content-sha256: STREAMING-UNSIGNED-PAYLOAD-TRAILER\r\nx-amz-trailer: x-amz-checksum-crc32"+
			"\r\nx-amz-decoded-content-length: %d", len(body), n), body)
		if _, err := verifier(docTime, "").Verify(r); err != nil {
			t.Fatal(err)
		}
		if got := r.Header.Get("Content-Encoding"); got != "gzip" {
			t.Errorf("encoding %q", got)
		}
		b, err := io.ReadAll(r.Body)
		return string(b), r.Trailer, err
	}
	body, trailer, err := send("5\r\nhello\r\n0\r\nx-amz-checksum-crc32:NhCmhg==\r\n\r\n", 5)
	if body != "hello" || trailer.Get("X-Amz-Checksum-Crc32") != "NhCmhg==" || err != nil {
		t.Errorf("got %q, %v, %v", body, trailer, err)
	}
	if _, _, err = send("1\r\nh\r\n4\r\nello\r\n0\r\nx-amz-checksum-crc32:NhCmhg==\r\n\r\n", 5); reason(t, err) != sigv4.SmallChunk {
		t.Errorf("small chunk: got %v", err)
	}
	if _, _, err = send("5\r\nhello\r\n0\r\n\r\n", 5); reason(t, err) != sigv4.MalformedTrailer {
		t.Errorf("no trailer: got %v", err)
	}
	if _, _, err = send("5\r\nhello\r\n0\r\n\r\n", 6); reason(t, err) != sigv4.IncompleteBody {
		t.Errorf("short: got %v", err)
	}
	if _, _, err = send("5\r\nhello", 5); reason(t, err) != sigv4.IncompleteBody {
		t.Errorf("cut: got %v", err)
	}
}

func FuzzChunked(f *testing.F) {
	f.Add([]byte("5\r\nhello\r\n0\r\nx-amz-checksum-crc32:NhCmhg==\r\n\r\n"), 5)
	f.Add([]byte("2000\r\n"+strings.Repeat("a", 8192)+"\r\n1\r\nb\r\n0\r\n\r\n"), 8193)
	f.Add([]byte("ffffffffffffffff\r\n"), 1)
	f.Add([]byte(signedBody()), 66560)
	f.Fuzz(func(t *testing.T, body []byte, n int) {
		for _, kind := range []string{"STREAMING-UNSIGNED-PAYLOAD-TRAILER", ""} {
			r, err := http.NewRequest("PUT", "http://x/b/k", bytes.NewReader(body))
			if err != nil {
				t.Fatal(err)
			}
			if kind == "" {
				r = signedExample(t, string(body)+strings.Repeat("x", max(0, 66824-len(body))))
			} else {
				r.Header.Set("X-Amz-Content-Sha256", kind)
				r.Header.Set("X-Amz-Decoded-Content-Length", fmt.Sprint(n))
			}
			if _, err = verifier(docTime, "").Verify(r); err != nil {
				return
			}
			got, err := io.ReadAll(r.Body)
			if err == nil && int64(len(got)) != r.ContentLength {
				t.Errorf("accepted %d bytes where %d were announced", len(got), r.ContentLength)
			}
		}
	})
}
