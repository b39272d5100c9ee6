package s3_test

import (
	"bufio"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"
)

// BenchmarkRangeGet asks for ranges with signed headers and decisions by an
// identity policy, over four connections. The client is as cheap as can be: a
// request signed once and sent again.
func BenchmarkRangeGet(b *testing.B) {
	l := open(b)
	c := l.bucket("b-bench")
	put(b, c, "b-bench", "part-00000.parquet", strings.Repeat("x", 16<<20))
	for _, size := range []int{8 << 10, 1 << 20} {
		b.Run(fmt.Sprintf("%dKiB", size>>10), func(b *testing.B) {
			r, err := http.NewRequest("GET", l.url+"/b-bench/part-00000.parquet", nil)
			if err != nil {
				b.Fatal(err)
			}
			sum := sha256.Sum256(nil)
			hash := hex.EncodeToString(sum[:])
			r.Header.Set("Range", fmt.Sprintf("bytes=1048576-%d", 1<<20+size-1))
			r.Header.Set("X-Amz-Content-Sha256", hash)
			if err := v4.NewSigner().SignHTTP(context.Background(), keys("lee"), r, hash, "s3", "us-east-1", time.Now()); err != nil {
				b.Fatal(err)
			}
			var text strings.Builder
			if err := r.Write(&text); err != nil {
				b.Fatal(err)
			}
			b.SetBytes(int64(size))
			b.SetParallelism(2)
			b.RunParallel(func(pb *testing.PB) { ask(b, pb, r.Host, text.String()) })
		})
	}
}

func ask(b *testing.B, pb *testing.PB, host, request string) {
	conn, err := net.Dial("tcp", host)
	if err != nil {
		b.Error(err)
		return
	}
	defer conn.Close()
	in := bufio.NewReaderSize(conn, 64<<10)
	for pb.Next() {
		if _, err := io.WriteString(conn, request); err != nil {
			b.Error(err)
			return
		}
		resp, err := http.ReadResponse(in, nil)
		if err != nil || resp.StatusCode != http.StatusPartialContent {
			b.Errorf("got %v, %v", resp, err)
			return
		}
		if _, err := io.Copy(io.Discard, resp.Body); err != nil {
			b.Error(err)
			return
		}
	}
}

// BenchmarkPut stores objects of 4 KiB and 16 MiB through the SDK.
func BenchmarkPut(b *testing.B) {
	l := open(b)
	c := l.bucket("b-bench")
	for _, size := range []int{4 << 10, 16 << 20} {
		body := strings.Repeat("x", size)
		b.Run(fmt.Sprintf("%dKiB", size>>10), func(b *testing.B) {
			b.SetBytes(int64(size))
			b.SetParallelism(2)
			b.RunParallel(func(pb *testing.PB) {
				for pb.Next() {
					put(b, c, "b-bench", "k", body)
				}
			})
		})
	}
}
