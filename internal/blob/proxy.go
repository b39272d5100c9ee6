package blob

import (
	"bufio"
	"encoding/base64"
	"fmt"
	"net"
	"net/http"
	"net/url"

	"lakeport/internal/sqlerr"
)

// route is the proxy on the way to a host; the zero route is none.
type route struct{ host, port, login string }

// route asks which proxy leads to an endpoint. Proxies that are themselves
// reached over TLS or SOCKS are refused by name.
func (p *pool) route(to *url.URL) (route, error) {
	if p.proxy == nil {
		return route{}, nil
	}
	u, err := p.proxy(to)
	if err != nil || u == nil {
		return route{}, err
	}
	if u.Scheme != "http" {
		return route{}, sqlerr.New(sqlerr.Unsupported, "the proxy %s is one of scheme %q, which is not built for S3", u.Redacted(), u.Scheme).
			WithHint("give an http:// proxy in HTTPS_PROXY or HTTP_PROXY, or except the endpoint's host in NO_PROXY")
	}
	r := route{host: u.Hostname(), port: u.Port()}
	if r.port == "" {
		r.port = "80"
	}
	if u.User != nil {
		secret, _ := u.User.Password()
		r.login = "Basic " + base64.StdEncoding.EncodeToString([]byte(u.User.Username()+":"+secret))
	}
	return r, nil
}

// key is where a connection leads: those of one key serve for one another.
func (r route) key(scheme, host, port string) string {
	key := scheme + "://" + net.JoinHostPort(host, port)
	if r.host != "" {
		key += " through " + net.JoinHostPort(r.host, r.port)
	}
	return key
}

// tunnel asks the proxy at the other end of c to connect it with a host (RFC
// 9110, section 9.3.6). The zero route needs none.
func (r route) tunnel(c *conn, host, port string) error {
	if r.host == "" {
		return nil
	}
	to := net.JoinHostPort(host, port)
	text := "CONNECT " + to + " HTTP/1.1\r\nHost: " + to + "\r\n"
	if r.login != "" {
		text += "Proxy-Authorization: " + r.login + "\r\n"
	}
	if _, err := c.raw.Write([]byte(text + "\r\n")); err != nil {
		return fmt.Errorf("ask the proxy for %s: %w", to, err)
	}
	// The server speaks only after the client, so that nothing behind the
	// proxy's answer is lost in the buffer.
	resp, err := http.ReadResponse(bufio.NewReaderSize(c.raw, headSize), &http.Request{Method: http.MethodConnect})
	if err != nil {
		return fmt.Errorf("read the answer of the proxy %s: %w", net.JoinHostPort(r.host, r.port), err)
	}
	if resp.StatusCode != http.StatusOK {
		return fmt.Errorf("the proxy %s does not connect to %s: HTTP %s", net.JoinHostPort(r.host, r.port), to, resp.Status)
	}
	return nil
}
