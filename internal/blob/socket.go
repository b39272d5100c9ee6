package blob

import (
	"bufio"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"net/url"
	"sync"
	"sync/atomic"
	"syscall"
	"time"
	"unsafe"
)

// conn is one HTTP/1.1 connection on a blocking socket. A net.Conn would wake
// the netpoller for each packet of an answer that nobody reads yet; here the
// kernel keeps the answer until a thread receives it into its own buffer.
type conn struct {
	raw  *rawConn
	rw   net.Conn // raw, or TLS over it
	in   *bufio.Reader
	key  string
	idle time.Time
	used bool // has answered before, so that the peer may have closed it
	// Through a proxy without a tunnel: what stands before the path, and the
	// value of Proxy-Authorization.
	via, login string
}

// headSize is the buffer for an answer's head: body bytes that arrive with the
// head are copied out of it, all others go where they belong.
const headSize = 4096

// parked is how much of an answer the kernel is asked to hold.
const parked = 2 << 20

// rawConn is a blocking socket as a net.Conn, for crypto/tls.
type rawConn struct {
	fd      int
	waitAll bool // large reads are of known length: sleep until all is there
	closed  atomic.Bool
	silence time.Duration
}

var errSilent = errors.New("no byte arrived in time")

// Read receives into p. A signal or the socket's timeout may cut it short.
func (c *rawConn) Read(p []byte) (int, error) {
	if len(p) == 0 {
		return 0, nil
	}
	flags := 0
	if c.waitAll && len(p) > headSize {
		flags = syscall.MSG_WAITALL
	}
	for {
		n, _, errno := syscall.Syscall6(syscall.SYS_RECVFROM, uintptr(c.fd), uintptr(unsafe.Pointer(&p[0])), uintptr(len(p)), uintptr(flags), 0, 0)
		switch {
		case errno == syscall.EINTR:
		case errno == syscall.EAGAIN:
			return 0, fmt.Errorf("%w (%s)", errSilent, c.silence)
		case errno != 0:
			return 0, errno
		case n == 0:
			return 0, io.EOF
		default:
			return int(n), nil
		}
	}
}

// Write sends all of p.
func (c *rawConn) Write(p []byte) (int, error) {
	for done := 0; done < len(p); {
		n, _, errno := syscall.Syscall6(syscall.SYS_SENDTO, uintptr(c.fd), uintptr(unsafe.Pointer(&p[done])), uintptr(len(p)-done), syscall.MSG_NOSIGNAL, 0, 0)
		switch {
		case errno == syscall.EINTR:
		case errno == syscall.EAGAIN:
			return done, fmt.Errorf("peer takes no bytes for %s", c.silence)
		case errno != 0:
			return done, errno
		default:
			done += int(n)
		}
	}
	return len(p), nil
}

// Close closes the socket. Nobody may be reading: see wake.
func (c *rawConn) Close() error {
	if c.closed.Swap(true) {
		return nil
	}
	return syscall.Close(c.fd)
}

// wake makes a blocked Read return. It leaves the descriptor to its owner, for
// a number closed under a reader may already be another file.
func (c *rawConn) wake() {
	if !c.closed.Load() {
		_ = syscall.Shutdown(c.fd, syscall.SHUT_RDWR)
	}
}

func (c *rawConn) LocalAddr() net.Addr              { return nil }
func (c *rawConn) RemoteAddr() net.Addr             { return nil }
func (c *rawConn) SetDeadline(time.Time) error      { return nil }
func (c *rawConn) SetReadDeadline(time.Time) error  { return nil }
func (c *rawConn) SetWriteDeadline(time.Time) error { return nil }

// stale tells whether the peer has closed an idle connection, or sent what
// nobody asked for.
func (c *conn) stale() bool {
	var b [1]byte
	_, _, errno := syscall.Syscall6(syscall.SYS_RECVFROM, uintptr(c.raw.fd), uintptr(unsafe.Pointer(&b[0])), 1, syscall.MSG_PEEK|syscall.MSG_DONTWAIT, 0, 0)
	return errno != syscall.EAGAIN
}

func (c *conn) close() { _ = c.raw.Close() }

// pool keeps idle connections by scheme and address.
type pool struct {
	tls     *tls.Config
	proxy   func(*url.URL) (*url.URL, error)
	silence time.Duration
	mu      sync.Mutex
	hosts   map[string]addresses
	idle    map[string][]*conn
	count   int
	closed  bool
	turn    atomic.Uint32 // spreads dials over a host's addresses
}

const (
	maxIdle = 192              // connections of all hosts
	idleFor = 20 * time.Second // S3 closes sooner or later; a stale one costs a look
)

// take gives an idle connection, or nil.
func (p *pool) take(key string) *conn {
	for {
		p.mu.Lock()
		list := p.idle[key]
		if len(list) == 0 {
			p.mu.Unlock()
			return nil
		}
		c := list[len(list)-1]
		p.idle[key] = list[:len(list)-1]
		p.count--
		p.mu.Unlock()
		if time.Since(c.idle) < idleFor && !c.stale() {
			return c
		}
		c.close()
	}
}

// put gives back a connection whose last answer was read to its end.
func (p *pool) put(c *conn) {
	c.idle, c.used = time.Now(), true
	p.mu.Lock()
	full := p.closed || p.count >= maxIdle
	if !full {
		p.idle[c.key] = append(p.idle[c.key], c)
		p.count++
	}
	p.mu.Unlock()
	if full {
		c.close()
	}
}

func (p *pool) close() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.closed = true
	for _, list := range p.idle {
		for _, c := range list {
			c.close()
		}
	}
	p.idle, p.count = nil, 0
}

// addresses are what a name stands for, for a while: a scan opens many
// connections at once and one question is enough.
type addresses struct {
	list  []netip.Addr
	until time.Time
}

const resolveFor = 5 * time.Second // as long as the records of S3's endpoints live

func (p *pool) resolve(ctx context.Context, host string) ([]netip.Addr, error) {
	p.mu.Lock()
	known := p.hosts[host]
	p.mu.Unlock()
	if time.Now().Before(known.until) {
		return known.list, nil
	}
	list, err := net.DefaultResolver.LookupNetIP(ctx, "ip", host)
	if err != nil {
		return nil, err
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.hosts[host] = addresses{list, time.Now().Add(resolveFor)}
	return list, nil
}

// dial opens a connection, through a proxy unless via is the zero route. It
// blocks at most for the pool's silence per address.
func (p *pool) dial(ctx context.Context, via route, scheme, host, port string) (*conn, error) {
	next, nextPort := host, port
	if via.host != "" {
		next, nextPort = via.host, via.port
	}
	addrs, err := p.resolve(ctx, next)
	if err != nil {
		return nil, err
	}
	turn := int(p.turn.Add(1))
	for i := range addrs {
		var raw *rawConn
		if raw, err = p.connect(addrs[(turn+i)%len(addrs)], nextPort); err != nil {
			continue
		}
		c := &conn{raw: raw, rw: raw, key: via.key(scheme, host, port)}
		if via.host != "" && scheme == "http" {
			c.via, c.login = "http://"+net.JoinHostPort(host, port), via.login
		}
		if scheme == "https" {
			if err = via.tunnel(c, host, port); err == nil {
				err = p.secure(ctx, c, host)
			}
			if err != nil {
				c.close()
				continue
			}
		} else {
			raw.waitAll = true
		}
		c.in = bufio.NewReaderSize(c.rw, headSize)
		return c, nil
	}
	return nil, fmt.Errorf("connect to %s: %w", net.JoinHostPort(next, nextPort), err)
}

func (p *pool) secure(ctx context.Context, c *conn, host string) error {
	cfg := &tls.Config{}
	if p.tls != nil {
		cfg = p.tls.Clone()
	}
	if cfg.ServerName == "" {
		cfg.ServerName = host
	}
	t := tls.Client(c.raw, cfg)
	if err := ctx.Err(); err != nil {
		return err
	}
	if err := t.Handshake(); err != nil {
		return fmt.Errorf("TLS handshake: %w", err)
	}
	c.rw = t
	return nil
}

func (p *pool) connect(addr netip.Addr, port string) (*rawConn, error) {
	n, err := net.LookupPort("tcp", port)
	if err != nil {
		return nil, err
	}
	family, sa := syscall.AF_INET, syscall.Sockaddr(&syscall.SockaddrInet4{Port: n})
	if addr = addr.Unmap(); addr.Is4() {
		sa = &syscall.SockaddrInet4{Port: n, Addr: addr.As4()}
	} else {
		family, sa = syscall.AF_INET6, &syscall.SockaddrInet6{Port: n, Addr: addr.As16()}
	}
	fd, err := syscall.Socket(family, syscall.SOCK_STREAM|syscall.SOCK_CLOEXEC, 0)
	if err != nil {
		return nil, fmt.Errorf("open a socket: %w", err)
	}
	c := &rawConn{fd: fd, silence: p.silence}
	tv := syscall.NsecToTimeval(p.silence.Nanoseconds())
	for _, o := range []int{syscall.SO_SNDTIMEO, syscall.SO_RCVTIMEO} {
		if err := syscall.SetsockoptTimeval(fd, syscall.SOL_SOCKET, o, &tv); err != nil {
			_ = c.Close()
			return nil, fmt.Errorf("set a socket's timeout: %w", err)
		}
	}
	_ = syscall.SetsockoptInt(fd, syscall.IPPROTO_TCP, syscall.TCP_NODELAY, 1)
	err = syscall.Connect(fd, sa)
	for err == syscall.EINTR { // the attempt goes on; asking again waits for it
		err = syscall.Connect(fd, sa)
	}
	if err != nil && err != syscall.EISCONN {
		_ = c.Close()
		return nil, err
	}
	// A low-water mark makes the kernel grow the receive buffer to hold it and
	// leaves autotuning on, which SO_RCVBUF would switch off.
	_ = syscall.SetsockoptInt(fd, syscall.SOL_SOCKET, syscall.SO_RCVLOWAT, parked)
	_ = syscall.SetsockoptInt(fd, syscall.SOL_SOCKET, syscall.SO_RCVLOWAT, 1)
	return c, nil
}
