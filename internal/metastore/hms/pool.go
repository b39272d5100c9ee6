package hms

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/url"
	"os"
	"strings"
	"sync"
	"time"

	"github.com/apache/thrift/lib/go/thrift"
	api "github.com/beltran/gohive/hive_metastore"

	"lakeport/internal/sqlerr"
)

// ParseURIs reads a list of metastores as hive.metastore.uris has it:
// "thrift://host:port,thrift://host:port". Its error tells what is wrong with
// the first one that is none.
func ParseURIs(list string) ([]string, error) {
	var uris []string
	for uri := range strings.SplitSeq(list, ",") {
		uri = strings.TrimSpace(uri)
		u, err := url.Parse(uri)
		switch {
		case err != nil || u.Scheme != "thrift" || u.Hostname() == "" || strings.ContainsAny(u.Host, "<>${} "):
			return nil, fmt.Errorf("%q is not of the form thrift://host:port", uri)
		case u.Port() == "":
			return nil, fmt.Errorf("%q names no port; metastores listen on 9083 by default: thrift://%s:9083", uri, u.Host)
		case u.User != nil || u.Path != "" || u.RawQuery != "" || u.Fragment != "":
			return nil, fmt.Errorf("%q has more than a host and a port", uri)
		}
		uris = append(uris, uri)
	}
	return uris, nil
}

// connMax is how many connections a client opens: a metastore gives each a
// thread of its own.
const connMax = 8

// Bounds of an answer, in bytes and elements. A million partitions' names fit;
// lists and maps within records are short.
const (
	messageMax  = 256 << 20
	elementsMax = 4 << 20
	nestedMax   = 16 << 10
)

// bounded refuses counts of elements that no record has: the generated code
// makes room for as many as a server says before it has seen one.
type bounded struct {
	thrift.TProtocol
	depth int // of lists
}

func (p *bounded) ReadMessageBegin(ctx context.Context) (string, thrift.TMessageType, int32, error) {
	p.depth = 0
	return p.TProtocol.ReadMessageBegin(ctx)
}

func (p *bounded) ReadListBegin(ctx context.Context) (elem thrift.TType, size int, err error) {
	elem, size, err = p.TProtocol.ReadListBegin(ctx)
	if p.depth++; p.depth > 1 && err == nil {
		err = checkNested(size)
	}
	return elem, size, err
}

func (p *bounded) ReadListEnd(ctx context.Context) error {
	p.depth--
	return p.TProtocol.ReadListEnd(ctx)
}

func (p *bounded) ReadSetBegin(ctx context.Context) (elem thrift.TType, size int, err error) {
	if elem, size, err = p.TProtocol.ReadSetBegin(ctx); err == nil {
		err = checkNested(size)
	}
	return elem, size, err
}

func (p *bounded) ReadMapBegin(ctx context.Context) (key, value thrift.TType, size int, err error) {
	if key, value, size, err = p.TProtocol.ReadMapBegin(ctx); err == nil {
		err = checkNested(size)
	}
	return key, value, size, err
}

func checkNested(size int) error {
	if size > nestedMax {
		return thrift.NewTProtocolExceptionWithType(thrift.SIZE_LIMIT, fmt.Errorf("a record's part has %d elements, more than %d", size, nestedMax))
	}
	return nil
}

// call is one exchange with a server. It may be made again on another
// connection, so it only reads.
type call func(ctx context.Context, s *api.ThriftHiveMetastoreClient) error

// pool is the connections of a client. A connection serves one call at a time.
type pool struct {
	o     Options
	slots chan struct{} // one element for each connection in use

	mu    sync.Mutex
	idle  []*conn
	first int // index of the URI to try first
}

type conn struct {
	net.Conn
	api    *api.ThriftHiveMetastoreClient
	at     int // index of its URI
	expire *time.Timer
}

// do makes a call on the connection used last, or else on new ones to each
// server in turn until one answers. It gives the URI of the server that did.
// An error is what that server said, ctx's, or a sqlerr that no server answers.
func (p *pool) do(ctx context.Context, f call) (uri string, err error) {
	select {
	case p.slots <- struct{}{}:
		defer func() { <-p.slots }()
	case <-ctx.Done():
		return "", ctx.Err()
	}
	var failures []string
	for tried := 0; tried < len(p.o.URIs); {
		c, at := p.take()
		fresh := c == nil
		if fresh {
			at = (at + tried) % len(p.o.URIs)
			tried++
			c, err = p.dial(ctx, at)
		}
		if err == nil {
			err = c.call(ctx, f)
			if answered(err) {
				p.put(c, err)
				return p.o.URIs[at], err
			}
			c.Close()
		}
		if ctx.Err() != nil {
			return "", context.Cause(ctx)
		}
		// A server that went away took the other connections with it.
		p.drain()
		if fresh {
			failures = append(failures, p.o.URIs[at]+" "+p.why(err))
		}
		err = nil
	}
	return "", sqlerr.New(sqlerr.Unreachable, "no Hive metastore answers:\n%s", strings.Join(failures, "\n")).
		WithHint(`check "hive.metastore.uris", and that the metastore runs and can be reached from this machine`)
}

// take gives the idle connection used last; nil and the URI to try first if
// there is none.
func (p *pool) take() (*conn, int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	n := len(p.idle)
	if n == 0 {
		return nil, p.first
	}
	c := p.idle[n-1]
	p.idle = p.idle[:n-1]
	c.expire.Stop()
	return c, c.at
}

// put keeps a connection for the next call, unless what err says leaves doubt
// about what comes next on it.
func (p *pool) put(c *conn, err error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.first = c.at
	if _, ok := errors.AsType[thrift.TApplicationException](err); ok && !unknownMethod(err) {
		c.Close()
		return
	}
	c.expire = time.AfterFunc(p.o.Idle, func() { p.remove(c) })
	p.idle = append(p.idle, c)
}

// remove closes a connection that nobody has used for long.
func (p *pool) remove(c *conn) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for i := range p.idle {
		if p.idle[i] == c {
			p.idle = append(p.idle[:i], p.idle[i+1:]...)
			c.Close()
			return
		}
	}
}

// drain closes all idle connections.
func (p *pool) drain() {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, c := range p.idle {
		c.expire.Stop()
		c.Close()
	}
	p.idle = nil
}

func (p *pool) dial(ctx context.Context, at int) (*conn, error) {
	ctx, cancel := context.WithTimeout(ctx, p.o.Timeout)
	defer cancel()
	nc, err := p.o.Dial(ctx, "tcp", strings.TrimPrefix(p.o.URIs[at], "thrift://"))
	if err != nil {
		return nil, err
	}
	cfg := &thrift.TConfiguration{SocketTimeout: p.o.Timeout, MaxMessageSize: messageMax, MaxContainerSize: elementsMax}
	trans := thrift.NewTBufferedTransport(thrift.NewTSocketFromConnConf(nc, cfg), 64<<10)
	proto := &bounded{TProtocol: thrift.NewTBinaryProtocolConf(trans, cfg)}
	return &conn{Conn: nc, api: api.NewThriftHiveMetastoreClient(thrift.NewTStandardClient(proto, proto)), at: at}, nil
}

// call runs f; the end of ctx breaks the connection off. Bytes that are no
// answer are an error, whatever they make of the generated code.
func (c *conn) call(ctx context.Context, f call) (err error) {
	stop := context.AfterFunc(ctx, func() { c.Close() })
	defer stop()
	defer func() {
		if r := recover(); r != nil {
			err = thrift.NewTProtocolException(fmt.Errorf("malformed answer: %v", r))
		}
	}()
	return f(ctx, c.api)
}

// answered tells whether a server answered, be it with an exception.
func answered(err error) bool {
	if err == nil {
		return true
	}
	e, ok := errors.AsType[thrift.TException](err)
	return ok && (e.TExceptionType() == thrift.TExceptionTypeCompiled || e.TExceptionType() == thrift.TExceptionTypeApplication)
}

// why words a failure of the transport.
func (p *pool) why(err error) string {
	if ne, ok := errors.AsType[net.Error](err); ok && ne.Timeout() || errors.Is(err, os.ErrDeadlineExceeded) || errors.Is(err, context.DeadlineExceeded) {
		return fmt.Sprintf("did not answer within %v", p.o.Timeout)
	}
	if op, ok := errors.AsType[*net.OpError](err); ok && op.Op == "dial" {
		return "cannot be reached: " + op.Err.Error()
	}
	if _, ok := errors.AsType[thrift.TProtocolException](err); ok {
		return "answers with something else than a metastore's protocol: " + err.Error()
	}
	return "closed the connection: " + err.Error()
}
