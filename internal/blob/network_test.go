package blob_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"

	"lakeport/internal/blob"
)

func config(endpoint string) aws.Config {
	return aws.Config{Region: "eu-west-1", BaseEndpoint: &endpoint, Credentials: &keys{id: "AKIA1", next: "AKIA2"}}
}

// A server whose clock is off takes signatures by its own clock only. As with
// the AWS SDKs, the first refusal tells the time, unless that is switched off.
func TestSignaturesFollowTheServersClock(t *testing.T) {
	for _, off := range []time.Duration{-time.Hour, 40 * time.Minute} {
		for _, fixed := range []bool{false, true} {
			s := newServer(t)
			o := s.put("k", []byte("0123456789"))
			refused := 0
			s.fault = func(_ int, r *http.Request, w http.ResponseWriter) bool {
				now := time.Now().Add(off)
				w.Header().Set("Date", now.UTC().Format(http.TimeFormat))
				signed, err := time.Parse("20060102T150405Z", r.Header.Get("X-Amz-Date"))
				if d := now.Sub(signed); err == nil && d.Abs() < 15*time.Minute {
					return false
				}
				refused++
				refuse(w, http.StatusForbidden, "RequestTimeTooSkewed", "The difference between the request time and the current time is too large.")
				return true
			}
			store, err := blob.Open(blob.Options{Dir: t.TempDir()})
			if err != nil {
				t.Fatal(err)
			}
			cfg := config(s.URL)
			cfg.DisableClockSkewCorrection = fixed
			c := store.Client(cfg, blob.ClientOptions{Identity: "i", PathStyle: true})
			o.ETag = ""
			got, err := c.Get(t.Context(), o)
			switch {
			case fixed:
				e, ok := errors.AsType[*blob.Error](err)
				if !ok || e.Code != "RequestTimeTooSkewed" || e.ServerTime.Sub(e.LocalTime).Round(time.Minute) != off {
					t.Errorf("off by %s, correction switched off: %v", off, err)
				}
			case err != nil || string(got) != "0123456789":
				t.Errorf("off by %s: got %q, %v", off, got, err)
			case refused > 3: // HEAD, the GET that asks for its reason, and no more
				t.Errorf("off by %s: refused %d times", off, refused)
			}
			if err := store.Close(); err != nil {
				t.Error(err)
			}
		}
	}
}

// proxy passes on what is asked in absolute form, and tunnels CONNECT, to the
// one server there is, whatever host is named.
func proxy(t *testing.T, to string, passed *atomic.Int64) *url.URL {
	t.Helper()
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Proxy-Authorization") != "Basic bWU6c2VjcmV0" {
			w.WriteHeader(http.StatusProxyAuthRequired)
			return
		}
		passed.Add(1)
		peer, err := net.Dial("tcp", to)
		if err != nil {
			t.Error(err)
			return
		}
		defer peer.Close()
		if r.Method != http.MethodConnect {
			if r.URL.Host != "s3.lake.test:80" {
				t.Errorf("the proxy is asked for %q", r.URL)
			}
			r.Header.Del("Proxy-Authorization")
			if err := r.Write(peer); err != nil {
				t.Error(err)
			}
			resp, err := http.ReadResponse(bufio.NewReader(peer), r)
			if err != nil {
				t.Error(err)
				return
			}
			defer resp.Body.Close()
			for k, v := range resp.Header {
				w.Header()[k] = v
			}
			w.WriteHeader(resp.StatusCode)
			_, _ = io.Copy(w, resp.Body)
			return
		}
		conn, _, err := w.(http.Hijacker).Hijack()
		if err != nil {
			t.Error(err)
			return
		}
		defer conn.Close()
		fmt.Fprint(conn, "HTTP/1.1 200 Connection established\r\n\r\n")
		go func() { _, _ = io.Copy(peer, conn); peer.Close() }()
		_, _ = io.Copy(conn, peer)
	}))
	t.Cleanup(srv.Close)
	u, err := url.Parse(srv.URL)
	if err != nil {
		t.Fatal(err)
	}
	u.User = url.UserPassword("me", "secret")
	return u
}

func TestReadsGoThroughAProxy(t *testing.T) {
	for _, scheme := range []string{"http", "https"} {
		s := newServer(t)
		options := blob.Options{Dir: t.TempDir()}
		if scheme == "https" {
			s.Server.Close()
			s.Server = httptest.NewTLSServer(s)
			options.TLS = s.Client().Transport.(*http.Transport).TLSClientConfig.Clone()
			options.TLS.ServerName = "example.com"
		}
		o := s.put("k", []byte("0123456789"))
		var passed atomic.Int64
		via := proxy(t, s.Listener.Addr().String(), &passed)
		options.Proxy = func(u *url.URL) (*url.URL, error) {
			if u.Hostname() != "s3.lake.test" {
				t.Errorf("asked for the proxy of %s", u)
			}
			return via, nil
		}
		store, err := blob.Open(options)
		if err != nil {
			t.Fatal(err)
		}
		c := store.Client(config(scheme+"://s3.lake.test"), blob.ClientOptions{Identity: "i", PathStyle: true})
		if got, err := c.Get(t.Context(), o); err != nil || string(got) != "0123456789" || passed.Load() == 0 {
			t.Errorf("%s: got %q through the proxy %d times, %v", scheme, got, passed.Load(), err)
		}
		via.User = url.UserPassword("me", "wrong")
		if err := store.Close(); err != nil {
			t.Error(err)
		}
	}
}

func TestProxiesThatAreNotBuiltAreRefusedByName(t *testing.T) {
	s := newServer(t)
	o := s.put("k", []byte("x"))
	store, err := blob.Open(blob.Options{Dir: t.TempDir(), Proxy: func(*url.URL) (*url.URL, error) { return url.Parse("socks5://me:secret@127.0.0.1:1080") }})
	if err != nil {
		t.Fatal(err)
	}
	defer store.Close()
	_, err = store.Client(config(s.URL), blob.ClientOptions{Identity: "i", PathStyle: true}).Get(t.Context(), o)
	if err == nil || !strings.Contains(err.Error(), `scheme "socks5"`) || strings.Contains(err.Error(), "secret") {
		t.Errorf("got %v", err)
	}
}

// An identity that turns out to have no keys asks without a signature: reads,
// lists and heads alike.
func TestAnIdentityWithoutKeysAsksUnsigned(t *testing.T) {
	s := newServer(t)
	o := s.put("k", []byte("0123456789"))
	s.fault = func(_ int, r *http.Request, w http.ResponseWriter) bool {
		if a := r.Header.Get("Authorization"); a != "" {
			t.Errorf("%s %s is signed: %s", r.Method, r.URL, a)
		}
		return false
	}
	store, err := blob.Open(blob.Options{Dir: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	defer store.Close()
	cfg := config(s.URL)
	cfg.Credentials = aws.CredentialsProviderFunc(func(context.Context) (aws.Credentials, error) { return aws.Credentials{}, nil })
	c := store.Client(cfg, blob.ClientOptions{Identity: "i", PathStyle: true})
	o.ETag = ""
	if got, err := c.Get(t.Context(), o); err != nil || string(got) != "0123456789" {
		t.Errorf("get: %q, %v", got, err)
	}
	if list, err := c.List(t.Context(), "b", "", true); err != nil || len(list) != 1 {
		t.Errorf("list: %v, %v", list, err)
	}
}
