package blob

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/feature/s3/transfermanager"
	managed "github.com/aws/aws-sdk-go-v2/feature/s3/transfermanager/types"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"

	"lakeport/internal/iam"
	"lakeport/internal/lake"
	"lakeport/internal/sqlerr"
)

// Parse splits s3://bucket/key, also with the schemes s3a and s3n that Hadoop's
// tables carry. The key may be empty; it is bytes and is not decoded.
func Parse(uri string) (bucket, key string, err error) {
	scheme, rest, ok := strings.Cut(uri, "://")
	bucket, key, _ = strings.Cut(rest, "/")
	if s := strings.ToLower(scheme); !ok || s != "s3" && s != "s3a" && s != "s3n" || bucket == "" {
		return "", "", sqlerr.New(sqlerr.Invalid, "%q is not the place of an object in S3", uri).
			WithHint("write s3://bucket/key")
	}
	return bucket, key, nil
}

// List gives the objects whose keys begin with prefix, in the order of keys.
// Unless recursive, only those without a slash after the prefix.
func (c *Client) List(ctx context.Context, bucket, prefix string, recursive bool) ([]lake.Object, error) {
	return c.ListAfter(ctx, bucket, prefix, "", recursive)
}

// ListAfter is List of the keys that come after the key after, which need not
// be there. S3 orders keys by their UTF-8 bytes.
func (c *Client) ListAfter(ctx context.Context, bucket, prefix, after string, recursive bool) ([]lake.Object, error) {
	var all []lake.Object
	err := c.pages(ctx, bucket, prefix, after, recursive, func(page *s3.ListObjectsV2Output, decode func(*string) (string, error)) error {
		for _, e := range page.Contents {
			key, err := decode(e.Key)
			if err != nil {
				return err
			}
			all = append(all, lake.Object{
				Bucket: bucket, Key: key, Size: aws.ToInt64(e.Size), ETag: aws.ToString(e.ETag), Modified: aws.ToTime(e.LastModified),
			})
		}
		return nil
	})
	return all, err
}

// Directories gives what keys that begin with prefix have in common up to the
// next slash, which stands at the end of each.
func (c *Client) Directories(ctx context.Context, bucket, prefix string) ([]string, error) {
	var all []string
	err := c.pages(ctx, bucket, prefix, "", false, func(page *s3.ListObjectsV2Output, decode func(*string) (string, error)) error {
		for _, e := range page.CommonPrefixes {
			key, err := decode(e.Prefix)
			if err != nil {
				return err
			}
			all = append(all, key)
		}
		return nil
	})
	return all, err
}

// pages calls each for the pages of a list; decode reads a key of the page.
func (c *Client) pages(ctx context.Context, bucket, prefix, after string, recursive bool, each func(*s3.ListObjectsV2Output, func(*string) (string, error)) error) error {
	in := &s3.ListObjectsV2Input{Bucket: &bucket, Prefix: &prefix, EncodingType: types.EncodingTypeUrl}
	if after != "" {
		in.StartAfter = &after
	}
	if !recursive {
		in.Delimiter = aws.String("/")
	}
	c.asking("s3:ListBucket", bucket, "", listKeys(prefix, recursive))
	uri := "s3://" + bucket + "/" + prefix
	for pages := s3.NewListObjectsV2Paginator(c.api(ctx), in); pages.HasMorePages(); {
		now := c.store.o.Now()
		page, err := pages.NextPage(ctx)
		if err != nil {
			return c.sdkError(ctx, "s3:ListBucket", "s3://"+bucket, fmt.Errorf("list %s: %w", uri, err), now)
		}
		decode := func(key *string) (string, error) {
			if page.EncodingType != types.EncodingTypeUrl {
				return aws.ToString(key), nil
			}
			plain, err := url.QueryUnescape(aws.ToString(key))
			if err != nil {
				err = fmt.Errorf("list %s: S3 sent the key %q: %w", uri, aws.ToString(key), err)
			}
			return plain, err
		}
		if err := each(page, decode); err != nil {
			return err
		}
	}
	return nil
}

// listKeys are the condition keys of a list (Service Authorization Reference,
// "Condition keys for Amazon S3").
func listKeys(prefix string, recursive bool) iam.Context {
	keys := iam.Context{"s3:prefix": {prefix}, "s3:max-keys": {"1000"}}
	if !recursive {
		keys["s3:delimiter"] = []string{"/"}
	}
	return keys
}

// Head gives size, ETag and version of the object at uri.
func (c *Client) Head(ctx context.Context, uri string) (lake.Object, error) {
	bucket, key, err := Parse(uri)
	if err != nil {
		return lake.Object{}, err
	}
	st := c.store.Begin(ctx)
	defer st.Close()
	return c.head(st, lake.Object{Bucket: bucket, Key: key})
}

// head completes an object of which bucket and key are known. As a refused HEAD
// gives no reason, a GET of one byte asks for it.
func (c *Client) head(st *Statement, o lake.Object) (lake.Object, error) {
	sc := st.scan(c, Hint{})
	method, r := http.MethodHead, span{}
	var refusal error
	for t := new(trial); ; {
		c.store.mu.Lock()
		sc.sending()
		c.store.mu.Unlock()
		x, err := c.send(st.ctx, method, o, r, false)
		key := ""
		if err == nil {
			key = x.key
			var h http.Header
			if _, h, err = st.await(sc, x, make([]byte, r.len())); err == nil {
				if refusal != nil {
					return o, refusal
				}
				return c.described(o, h)
			}
		}
		if e, ok := err.(*Error); ok && method == http.MethodHead && e.Status/100 == 4 && e.Message == "" {
			method, r, refusal = http.MethodGet, span{0, 1}, err
			continue
		}
		if again := st.again(sc, t, key, err); again != nil {
			if e, ok := again.(*Error); ok && refusal != nil && e.Code == "" {
				return o, refusal
			}
			return o, again
		}
		method, r, refusal = http.MethodHead, span{}, nil // the reason is mended
	}
}

// described completes o by the headers of an answer to HEAD.
func (c *Client) described(o lake.Object, h http.Header) (lake.Object, error) {
	size, err := strconv.ParseInt(h.Get("Content-Length"), 10, 64)
	if err != nil || size < 0 || h.Get("ETag") == "" {
		return o, c.final(o, fmt.Errorf("S3 told the size %q and the ETag %q", h.Get("Content-Length"), h.Get("ETag")))
	}
	o.Size, o.ETag = size, h.Get("ETag")
	if v := h.Get("X-Amz-Version-Id"); v != "" && v != "null" && o.Version != "" {
		o.Version = v
	}
	o.Modified, _ = http.ParseTime(h.Get("Last-Modified"))
	// A HEAD of an object under a KMS key does not ask for the key, so that it
	// proves no right to the bytes.
	if strings.HasPrefix(h.Get("X-Amz-Server-Side-Encryption"), "aws:kms") {
		return o, nil
	}
	s := c.store
	s.mu.Lock()
	defer s.mu.Unlock()
	s.grant(c.o.Identity, objectID(o), s.o.Now())
	return o, nil
}

// Read gives n bytes of an object from off, or fewer where the object ends. It
// uses the cache and obeys the same rules as mounted files.
func (c *Client) Read(ctx context.Context, o lake.Object, off, n int64) ([]byte, error) {
	st := c.store.Begin(ctx)
	defer st.Close()
	if o.ETag == "" {
		var err error
		if o, err = c.head(st, o); err != nil {
			return nil, err
		}
	}
	if off < 0 || n < 0 {
		return nil, fmt.Errorf("read %s: %d bytes at %d", o.URI(), n, off)
	}
	n = max(0, min(n, o.Size-off))
	if n == 0 {
		return nil, nil
	}
	sc := st.scan(c, Hint{})
	m := &mount{scan: sc, path: sc.dir, layout: blocks(o.Size)}
	sc.mounts = []*mount{m}
	if err := m.attach(o); err != nil {
		return nil, err
	}
	f, err := os.OpenFile(c.store.file(m.object.id), os.O_RDWR, 0)
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", o.URI(), err)
	}
	defer f.Close()
	if n > blockSize {
		m.layout = m.layout.between(span{off, off + n})
		sc.admit(m)
	}
	p := make([]byte, n)
	if err := m.read(int(f.Fd()), p, off); err != nil {
		return nil, err
	}
	return p, nil
}

// between is the layout cut to the groups that hold bytes of r.
func (l *layout) between(r span) *layout {
	cut := &layout{columns: l.columns}
	for _, g := range l.groups {
		if g.overlaps(r) {
			cut.groups = append(cut.groups, g)
		}
	}
	return cut
}

// maxGet is the largest object that Get holds in memory.
const maxGet = 256 << 20

// Get gives a whole small object.
func (c *Client) Get(ctx context.Context, o lake.Object) ([]byte, error) {
	if o.ETag == "" {
		var err error
		if o, err = c.Head(ctx, o.URI()); err != nil {
			return nil, err
		}
	}
	if o.Size > maxGet {
		return nil, sqlerr.New(sqlerr.Unsupported, "%s has %d bytes; at most %d are read into memory", o.URI(), o.Size, maxGet)
	}
	return c.Read(ctx, o, 0, o.Size)
}

// Put writes an object from r, in parts if it is long. A fault removes the parts
// that were sent, as far as the identity may.
func (c *Client) Put(ctx context.Context, uri string, r io.Reader) (lake.Object, error) {
	return c.PutEncrypted(ctx, uri, r, Encryption{})
}

// Encryption is how S3 shall encrypt an object. The zero value leaves that to
// the bucket.
type Encryption struct {
	Managed bool   // by keys of S3
	KMSKey  string // by this KMS key: an id, ARN or alias
}

// Conditions are the condition keys of a write with this encryption (Service
// Authorization Reference, "Condition keys for Amazon S3").
func (e Encryption) Conditions() iam.Context {
	switch {
	case e.KMSKey != "":
		return iam.Context{"s3:x-amz-server-side-encryption": {"aws:kms"}, "s3:x-amz-server-side-encryption-aws-kms-key-id": {e.KMSKey}}
	case e.Managed:
		return iam.Context{"s3:x-amz-server-side-encryption": {"AES256"}}
	}
	return nil
}

// PutEncrypted is Put of an object that is not encrypted as its bucket says.
func (c *Client) PutEncrypted(ctx context.Context, uri string, r io.Reader, e Encryption) (lake.Object, error) {
	bucket, key, err := Parse(uri)
	if err != nil {
		return lake.Object{}, err
	}
	o := lake.Object{Bucket: bucket, Key: key}
	counted := &counter{r: r}
	now := c.store.o.Now()
	if c.o.Asking != nil {
		c.asking("s3:PutObject", bucket, key[:strings.LastIndexByte(key, '/')+1]+"*", e.Conditions())
		_, err := io.Copy(io.Discard, counted)
		o.Size, o.ETag, o.Modified = counted.n, `"not written"`, now
		return o, err
	}
	in := &transfermanager.UploadObjectInput{Bucket: &bucket, Key: &key, Body: counted}
	switch {
	case e.KMSKey != "":
		in.ServerSideEncryption, in.SSEKMSKeyID = managed.ServerSideEncryptionAwsKms, &e.KMSKey
	case e.Managed:
		in.ServerSideEncryption = managed.ServerSideEncryptionAes256
	}
	out, err := transfermanager.New(c.api(ctx)).UploadObject(ctx, in)
	if err != nil {
		return o, c.sdkError(ctx, "s3:PutObject", uri, fmt.Errorf("write %s: %w", uri, err), now)
	}
	o.Size, o.ETag, o.Version, o.Modified = counted.n, aws.ToString(out.ETag), aws.ToString(out.VersionID), now
	return o, nil
}

// Delete removes an object. One that is not there is removed already.
func (c *Client) Delete(ctx context.Context, uri string) error {
	bucket, key, err := Parse(uri)
	if err != nil {
		return err
	}
	if c.o.Asking != nil {
		c.asking("s3:DeleteObject", bucket, key, nil)
		return nil
	}
	now := c.store.o.Now()
	if _, err := c.s3.DeleteObject(ctx, &s3.DeleteObjectInput{Bucket: &bucket, Key: &key}); err != nil {
		return c.sdkError(ctx, "s3:DeleteObject", uri, fmt.Errorf("remove %s: %w", uri, err), now)
	}
	return nil
}

// counter counts what is read through it. It hides other methods of the reader,
// so that a file is sent as the stream that it is handed as.
type counter struct {
	r io.Reader
	n int64
}

func (c *counter) Read(p []byte) (int, error) {
	n, err := c.r.Read(p)
	c.n += int64(n)
	return n, err
}

func (c *Client) sdkError(ctx context.Context, op, uri string, err error, signed time.Time) error {
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	return sdkError(op, uri, err, signed)
}
