package sigv4

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"io"
	"net/http"
	"strconv"
	"strings"
)

// The words that stand in x-amz-content-sha256 in place of a hash.
const (
	unsignedPayload    = "UNSIGNED-PAYLOAD"
	unsignedTrailer    = "STREAMING-UNSIGNED-PAYLOAD-TRAILER"
	signedChunks       = "STREAMING-AWS4-HMAC-SHA256-PAYLOAD"
	signedChunkTrailer = "STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER"
	streamingV4A       = "STREAMING-AWS4-ECDSA-P256-SHA256-PAYLOAD"
)

// wrapBody puts the reader that fits contentHash around r.Body. key signs
// chunks.
func wrapBody(r *http.Request, a *auth, contentHash string, key []byte) *Error {
	if r.Body == nil {
		r.Body = http.NoBody
	}
	switch contentHash {
	case unsignedPayload:
		r.Body = &wholeBody{src: r.Body, left: r.ContentLength}
		return nil
	case unsignedTrailer:
		return decodeChunks(r, &chunkReader{})
	case signedChunks, signedChunkTrailer:
		return decodeChunks(r, &chunkReader{key: key, timestamp: a.timestamp, scope: a.scope(), previous: a.signature,
			signedTrailer: contentHash == signedChunkTrailer})
	}
	if strings.HasPrefix(contentHash, streamingV4A) {
		return &Error{Reason: Unsupported, Detail: "x-amz-content-sha256 is " + contentHash}
	}
	if len(contentHash) != 2*sha256.Size || strings.ContainsFunc(contentHash, func(c rune) bool { return c > 127 || unhex(byte(c)) < 0 }) {
		return &Error{Reason: BadHash, Detail: fmt.Sprintf("x-amz-content-sha256 is %.80q", contentHash)}
	}
	if r.ContentLength == 0 {
		if !strings.EqualFold(contentHash, emptySHA256) {
			return &Error{Reason: BodyMismatch, ClaimedSHA256: contentHash, ReceivedSHA256: emptySHA256}
		}
		return nil
	}
	r.Body = &wholeBody{src: r.Body, left: r.ContentLength, sum: sha256.New(), want: contentHash}
	return nil
}

// decodeAnonymous undoes unsigned chunk framing. Signed framing without a
// signature on the request has no seed.
func decodeAnonymous(r *http.Request) error {
	var e *Error
	switch h := r.Header.Get("X-Amz-Content-Sha256"); {
	case h == unsignedTrailer:
		e = decodeChunks(r, &chunkReader{})
	case strings.HasPrefix(h, "STREAMING-"):
		e = &Error{Reason: BadHash, Detail: "an anonymous request cannot have signed chunks"}
	}
	if e != nil {
		return e
	}
	return nil
}

func decodeChunks(r *http.Request, c *chunkReader) *Error {
	text := r.Header.Get("X-Amz-Decoded-Content-Length")
	if text == "" {
		return &Error{Reason: MissingLength, Detail: "aws-chunked requests carry the header x-amz-decoded-content-length"}
	}
	n, err := strconv.ParseInt(text, 10, 64)
	if err != nil || n < 0 {
		return &Error{Reason: MissingLength, Detail: fmt.Sprintf("x-amz-decoded-content-length is %.40q", text)}
	}
	for name := range strings.SplitSeq(r.Header.Get("X-Amz-Trailer"), ",") {
		if name = strings.ToLower(strings.TrimSpace(name)); name != "" {
			c.announced = append(c.announced, name)
		}
	}
	r.Trailer = make(http.Header)
	c.init(r.Body, n, r.Trailer)
	r.Body = c
	r.ContentLength = n
	dropChunkedEncoding(r.Header)
	return nil
}

// dropChunkedEncoding removes aws-chunked, which describes the transfer and
// not the object, from Content-Encoding.
func dropChunkedEncoding(h http.Header) {
	values := h.Values("Content-Encoding")
	if len(values) == 0 {
		return
	}
	var kept []string
	for part := range strings.SplitSeq(strings.Join(values, ","), ",") {
		if part = strings.TrimSpace(part); part != "" && !strings.EqualFold(part, "aws-chunked") {
			kept = append(kept, part)
		}
	}
	if kept == nil {
		h.Del("Content-Encoding")
		return
	}
	h.Set("Content-Encoding", strings.Join(kept, ","))
}

// wholeBody is a body in one piece. It checks length and, if sum is set, the
// hash.
type wholeBody struct {
	src  io.ReadCloser
	left int64 // -1: unknown length
	sum  hash.Hash
	want string
	err  error
}

func (b *wholeBody) Read(p []byte) (int, error) {
	if b.err != nil {
		return 0, b.err
	}
	n, err := b.src.Read(p)
	if b.sum != nil {
		b.sum.Write(p[:n])
	}
	if b.left > 0 {
		b.left -= int64(n)
	}
	if err == nil {
		return n, nil
	}
	b.err = b.end(err)
	return n, b.err
}

func (b *wholeBody) end(err error) error {
	switch {
	case errors.Is(err, io.ErrUnexpectedEOF), err == io.EOF && b.left > 0:
		return &Error{Reason: IncompleteBody, Detail: "the connection ended before Content-Length bytes", Err: io.ErrUnexpectedEOF}
	case err != io.EOF:
		return err
	case b.sum == nil:
		return io.EOF
	}
	if got := hex.EncodeToString(b.sum.Sum(nil)); !strings.EqualFold(got, b.want) {
		return &Error{Reason: BodyMismatch, ClaimedSHA256: b.want, ReceivedSHA256: got}
	}
	return io.EOF
}

func (b *wholeBody) Close() error { return b.src.Close() }
