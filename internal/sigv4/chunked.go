package sigv4

import (
	"bufio"
	"bytes"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/hex"
	"fmt"
	"hash"
	"io"
	"net/http"
	"slices"
	"strconv"
	"strings"
)

const (
	minChunk   = 8 << 10
	maxLine    = 4 << 10 // of a chunk header or trailer
	maxTrailer = 16      // lines
)

// chunkReader decodes aws-chunked framing: header lines "size[;chunk-signature=…]",
// each followed by that many bytes, a chunk of size zero, trailing headers and
// an empty line. A nil key means that chunks are not signed.
type chunkReader struct {
	key           []byte
	timestamp     string
	scope         string
	previous      string // signature of the request, then of each chunk
	signedTrailer bool
	announced     []string // lower-case names of the header x-amz-trailer

	src     io.Closer
	in      *bufio.Reader
	want    int64 // bytes of content still announced
	left    int64 // of the current chunk
	open    bool  // inside a chunk: its CRLF and signature are still due
	small   bool  // the current or last chunk is under minChunk
	sig     string
	sum     hash.Hash // of the current chunk, if signed
	trailer http.Header
	err     error
}

func (c *chunkReader) init(src io.ReadCloser, length int64, trailer http.Header) {
	c.src, c.in, c.want, c.trailer = src, bufio.NewReaderSize(src, 64<<10), length, trailer
	if c.key != nil {
		c.sum = sha256.New()
	}
}

func (c *chunkReader) Read(p []byte) (int, error) {
	if c.err != nil || len(p) == 0 {
		return 0, c.err
	}
	for c.left == 0 {
		if c.err = c.next(); c.err != nil {
			return 0, c.err
		}
	}
	if int64(len(p)) > c.left {
		p = p[:c.left]
	}
	n, err := c.in.Read(p)
	c.left -= int64(n)
	if c.sum != nil {
		c.sum.Write(p[:n])
	}
	if err != nil {
		c.err = incomplete("the body ends inside a chunk", err)
	}
	return n, c.err
}

func (c *chunkReader) Close() error { return c.src.Close() }

// next ends the current chunk and begins another. It returns io.EOF after a
// correct end of the body.
func (c *chunkReader) next() error {
	if c.open {
		c.open = false
		if err := c.crlf(); err != nil {
			return err
		}
		if err := c.checkChunk(); err != nil {
			return err
		}
	}
	line, err := c.line()
	if err != nil {
		return err
	}
	size, err := c.chunkHeader(line)
	if err != nil {
		return err
	}
	if size == 0 {
		return c.finish()
	}
	if c.small {
		return &Error{Reason: SmallChunk, Detail: "Only the last chunk is allowed to have a size less than 8192 bytes"}
	}
	if size > c.want {
		return incomplete("the chunks hold more than x-amz-decoded-content-length", nil)
	}
	c.want -= size
	c.left, c.open, c.small = size, true, size < minChunk
	return nil
}

func (c *chunkReader) chunkHeader(line string) (int64, error) {
	digits, extension, _ := strings.Cut(line, ";")
	size, err := strconv.ParseInt(digits, 16, 64)
	if err != nil || size < 0 {
		return 0, incomplete(fmt.Sprintf("chunk header %.80q has no size", line), nil)
	}
	if c.key == nil {
		return size, nil
	}
	sig, ok := strings.CutPrefix(extension, "chunk-signature=")
	if !ok {
		return 0, incomplete(fmt.Sprintf("chunk header %.80q has no chunk-signature", line), nil)
	}
	c.sig = sig
	return size, nil
}

// finish checks what follows the header of the empty chunk.
func (c *chunkReader) finish() error {
	if c.want > 0 {
		return incomplete(fmt.Sprintf("the chunks hold %d bytes less than x-amz-decoded-content-length", c.want), nil)
	}
	if err := c.checkChunk(); err != nil {
		return err
	}
	var signed bytes.Buffer
	signature := ""
	for range maxTrailer {
		line, err := c.line()
		if err != nil {
			return err
		}
		if line == "" {
			return c.checkTrailer(signed.Bytes(), signature)
		}
		name, value, ok := strings.Cut(line, ":")
		name, value = strings.ToLower(strings.TrimSpace(name)), strings.TrimSpace(value)
		switch {
		case !ok:
			return &Error{Reason: MalformedTrailer, Detail: fmt.Sprintf("the line %.80q is not name:value", line)}
		case name == "x-amz-trailer-signature":
			signature = value
		case !slices.Contains(c.announced, name):
			return &Error{Reason: MalformedTrailer, Detail: fmt.Sprintf("the trailer %.80q is not announced in x-amz-trailer", name)}
		default:
			c.trailer.Add(name, value)
			signed.WriteString(name + ":" + value + "\n")
		}
	}
	return &Error{Reason: MalformedTrailer, Detail: fmt.Sprintf("more than %d trailers", maxTrailer)}
}

// checkChunk compares the signature of the chunk that was just read.
func (c *chunkReader) checkChunk() error {
	if c.key == nil {
		return nil
	}
	text := algorithm + "-PAYLOAD\n" + c.timestamp + "\n" + c.scope + "\n" + c.previous + "\n" + emptySHA256 + "\n" +
		hex.EncodeToString(c.sum.Sum(nil))
	c.sum.Reset()
	c.previous = c.sig
	return c.check(text, c.sig, "a chunk's signature")
}

func (c *chunkReader) checkTrailer(lines []byte, signature string) error {
	for _, name := range c.announced {
		if len(c.trailer.Values(name)) == 0 {
			return &Error{Reason: MalformedTrailer, Detail: fmt.Sprintf("the announced trailer %.80q is missing", name)}
		}
	}
	if c.key == nil || !c.signedTrailer {
		return io.EOF
	}
	text := algorithm + "-TRAILER\n" + c.timestamp + "\n" + c.scope + "\n" + c.previous + "\n" + hexSum(lines)
	if err := c.check(text, signature, "the trailer's signature"); err != nil {
		return err
	}
	return io.EOF
}

func (c *chunkReader) check(text, signature, what string) error {
	if subtle.ConstantTimeCompare(sign(c.key, []byte(text)), []byte(signature)) != 1 {
		return &Error{Reason: BadSignature, Detail: what, StringToSign: text, SignatureProvided: signature}
	}
	return nil
}

// line reads up to CRLF, which it drops.
func (c *chunkReader) line() (string, error) {
	line, err := c.in.ReadSlice('\n')
	switch {
	case err != nil && err != bufio.ErrBufferFull:
		return "", incomplete("the body ends inside a line of its framing", err)
	case err != nil || len(line) > maxLine:
		return "", incomplete(fmt.Sprintf("a line of the framing has more than %d bytes", maxLine), nil)
	}
	return string(bytes.TrimRight(line, "\r\n")), nil
}

func (c *chunkReader) crlf() error {
	line, err := c.line()
	if err != nil {
		return err
	}
	if line != "" {
		return incomplete("a chunk is longer than its header says", nil)
	}
	return nil
}

func incomplete(detail string, err error) error {
	if err == io.EOF {
		err = io.ErrUnexpectedEOF // an end that callers must not take for a good one
	}
	return &Error{Reason: IncompleteBody, Detail: detail, Err: err}
}
