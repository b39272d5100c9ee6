package hms_test

import (
	"context"
	"errors"
	"fmt"
	"net"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/apache/thrift/lib/go/thrift"
	api "github.com/beltran/gohive/hive_metastore"
	"golang.org/x/sync/errgroup"

	"lakeport/internal/metastore"
	"lakeport/internal/metastore/hms"
	"lakeport/internal/sqlerr"
)

// handler is a metastore of one table, sales.trips, partitioned by city and n.
// It stands in for servers of other versions, and for servers that fail.
type handler struct {
	api.ThriftHiveMetastore // nil: other calls break the connection
	names                   []string
	filtered                int   // partitions that a filter finds
	refusal                 error // of filters

	mu      sync.Mutex
	filters []string
	asked   []string // names of partitions
	block   chan struct{}
	calls   chan struct{}
}

func (h *handler) GetAllDatabases(context.Context) ([]string, error) {
	if h.calls != nil {
		h.calls <- struct{}{}
	}
	if h.block != nil {
		<-h.block
	}
	return []string{"sales"}, nil
}

func (h *handler) table() *api.Table { return &api.Table{DbName: "sales", TableName: "trips"} }

func (h *handler) GetTableReq(context.Context, *api.GetTableRequest) (*api.GetTableResult_, error) {
	return &api.GetTableResult_{Table: h.table()}, nil
}

func (h *handler) GetTable(context.Context, string, string) (*api.Table, error) {
	return h.table(), nil
}

func (h *handler) GetPartitionNames(context.Context, string, string, int16) ([]string, error) {
	return h.names, nil
}

func (h *handler) GetPartitionsByFilter(_ context.Context, _, _, filter string, _ int16) ([]*api.Partition, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.filters = append(h.filters, filter)
	list := make([]*api.Partition, h.filtered)
	for i := range list {
		list[i] = &api.Partition{Values: []string{"by filter", fmt.Sprint(i)}}
	}
	return list, h.refusal
}

func (h *handler) GetPartitionsByNames(_ context.Context, _, _ string, names []string) ([]*api.Partition, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.asked = append(h.asked, names...)
	var list []*api.Partition
	for _, n := range names {
		list = append(list, &api.Partition{Values: []string{"by name", n}})
	}
	return list, nil
}

func (h *handler) GetPartitionsByNamesReq(ctx context.Context, r *api.GetPartitionsByNamesRequest) (*api.GetPartitionsByNamesResult_, error) {
	list, err := h.GetPartitionsByNames(ctx, r.DbName, r.TblName, r.Names)
	return &api.GetPartitionsByNamesResult_{Partitions: list}, err
}

// fake is a listening server of a handler.
type fake struct {
	net.Listener
	mu       sync.Mutex
	accepted int
	open     []net.Conn
}

func (f *fake) uri() string { return "thrift://" + f.Addr().String() }

// stop ends the server and all of its connections.
func (f *fake) stop() {
	f.Close()
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, c := range f.open {
		c.Close()
	}
}

// serve answers calls, except those of the methods that it lacks.
func serve(t testing.TB, h *handler, lacks ...string) *fake {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	f := &fake{Listener: l}
	t.Cleanup(f.stop)
	processor := api.NewThriftHiveMetastoreProcessor(h)
	for _, m := range lacks {
		delete(processor.ProcessorMap(), m)
	}
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			f.mu.Lock()
			f.accepted++
			f.open = append(f.open, c)
			f.mu.Unlock()
			go func() {
				defer c.Close()
				trans := thrift.NewTBufferedTransport(thrift.NewTSocketFromConnConf(c, nil), 4096)
				proto := thrift.NewTBinaryProtocolConf(trans, nil)
				for {
					if _, err := processor.Process(context.Background(), proto, proto); err != nil {
						if e, ok := errors.AsType[thrift.TApplicationException](err); !ok || e.TypeId() != thrift.UNKNOWN_METHOD {
							return
						}
					}
				}
			}()
		}
	}()
	return f
}

func client(servers ...*fake) *hms.Client {
	var o hms.Options
	for _, s := range servers {
		o.URIs = append(o.URIs, s.uri())
	}
	return hms.New(o)
}

var trips = &metastore.Table{Database: "sales", Name: "trips", PartitionKeys: []metastore.Column{{Name: "city", Type: "string"}, {Name: "n", Type: "int"}}}

func TestServersOfAllVersionsAreRead(t *testing.T) {
	for version, lacks := range map[string][]string{"2": {"get_table_req"}, "3": nil, "4": {"get_table", "get_partitions_by_names"}} {
		t.Run(version, func(t *testing.T) {
			s := serve(t, &handler{names: []string{"city=a/n=1"}}, lacks...)
			c := client(s)
			if got, err := c.Table(t.Context(), "sales", "trips"); err != nil || got.Name != "trips" {
				t.Errorf("got %+v, %v", got, err)
			}
			if got, err := c.Partitions(t.Context(), trips, metastore.Wanted{}); err != nil || len(got) != 1 {
				t.Errorf("got %+v, %v, want one partition", got, err)
			}
			if s.accepted != 1 {
				t.Errorf("got %d connections, want one: an unknown method does not end it", s.accepted)
			}
		})
	}
	c := client(serve(t, &handler{}, "get_table", "get_table_req"))
	if _, err := c.Table(t.Context(), "sales", "trips"); !sqlerr.Is(err, sqlerr.Unsupported) {
		t.Errorf("got %v, want Unsupported from a server that gives no tables", err)
	}
}

func TestTheNextServerAnswersWhenOneIsGone(t *testing.T) {
	first, second := serve(t, &handler{}), serve(t, &handler{})
	c := client(first, second)
	ask := func() {
		t.Helper()
		if got, err := c.Databases(t.Context()); err != nil || !slices.Equal(got, []string{"sales"}) {
			t.Errorf("got %v, %v", got, err)
		}
	}
	ask()
	ask()
	if first.accepted != 1 || second.accepted != 0 {
		t.Errorf("got %d and %d connections, want one kept to the first server", first.accepted, second.accepted)
	}
	first.stop()
	ask()
	ask()
	if second.accepted != 1 {
		t.Errorf("got %d connections to the second server, want one", second.accepted)
	}
	second.stop()
	_, err := c.Databases(t.Context())
	if !sqlerr.Is(err, sqlerr.Unreachable) || !strings.Contains(err.Error(), first.uri()) || !strings.Contains(err.Error(), second.uri()) {
		t.Errorf("got %v, want Unreachable with both servers", err)
	}
}

func TestAClientOpensFewConnections(t *testing.T) {
	s := serve(t, &handler{})
	c := client(s)
	var g errgroup.Group
	for range 100 {
		g.Go(func() error { _, err := c.Databases(t.Context()); return err })
	}
	if err := g.Wait(); err != nil || s.accepted > 8 {
		t.Errorf("got %d connections, %v, want at most 8", s.accepted, err)
	}
}

func TestIdleConnectionsAreClosed(t *testing.T) {
	closed := make(chan struct{})
	s := serve(t, &handler{})
	c := hms.New(hms.Options{URIs: []string{s.uri()}, Idle: time.Nanosecond, Dial: func(ctx context.Context, network, address string) (net.Conn, error) {
		nc, err := new(net.Dialer).DialContext(ctx, network, address)
		return &told{Conn: nc, closed: closed}, err
	}})
	if _, err := c.Databases(t.Context()); err != nil {
		t.Fatal(err)
	}
	<-closed
}

// told is a connection that tells when it is closed.
type told struct {
	net.Conn
	once   sync.Once
	closed chan struct{}
}

func (c *told) Close() error {
	c.once.Do(func() { close(c.closed) })
	return c.Conn.Close()
}

func TestASilentServerIsGivenUp(t *testing.T) {
	h := &handler{block: make(chan struct{})}
	s := serve(t, h)
	defer close(h.block)
	c := hms.New(hms.Options{URIs: []string{s.uri()}, Timeout: 20 * time.Millisecond})
	_, err := c.Databases(t.Context())
	if !sqlerr.Is(err, sqlerr.Unreachable) || !strings.Contains(err.Error(), s.uri()+" did not answer within 20ms") {
		t.Errorf("got %v, want Unreachable with the time-out", err)
	}
}

func TestTheEndOfAStatementEndsItsCall(t *testing.T) {
	h := &handler{block: make(chan struct{}), calls: make(chan struct{}, 1)}
	c := hms.New(hms.Options{URIs: []string{serve(t, h).uri()}, Timeout: time.Hour}) // which nobody waits for
	defer close(h.block)
	ctx, stop := context.WithCancel(t.Context())
	go func() {
		<-h.calls
		stop()
	}()
	if _, err := c.Databases(ctx); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v, want the context's end", err)
	}
}

func TestOnlyEqualityOfStringKeysIsSent(t *testing.T) {
	for expression, want := range map[string]string{
		"":                                    "",
		"city = 'x'":                          `(city = "x")`,
		"city = 'x' AND n < 10":               `(city = "x")`,
		"n = 5":                               "",
		"city IN ('x', 'y z')":                `(city = "x" or city = "y z")`,
		"city IN ('x', 'é')":                  "",
		"city = 'it''s'":                      "",
		`city = 'a"b'`:                        "",
		`city = 'a\b'`:                        "",
		"city = ''":                           "",
		"city > 'x'":                          "",
		"city <> 'x'":                         "",
		"city = ' AND n = 1' AND n IN (1, 2)": `(city = " AND n = 1")`,
		"city = 'x' OR city = 'y'":            "",
		"city = 'x' AND no such":              "",
		"other = 'x'":                         "",
		"city = '__HIVE_DEFAULT_PARTITION__'": `(city = "__HIVE_DEFAULT_PARTITION__")`,
		"city = 'a' AND city IN ('a', 'b')":   `(city = "a") and (city = "a" or city = "b")`,
	} {
		h := &handler{filtered: 1, names: []string{"city=x/n=1"}}
		if _, err := client(serve(t, h)).Partitions(t.Context(), trips, metastore.Wanted{Expression: expression}); err != nil {
			t.Errorf("%s: %v", expression, err)
		}
		if got := strings.Join(h.filters, "; "); got != want {
			t.Errorf("%s: sent %q, want %q", expression, got, want)
		}
	}
}

// What a server's filter finds is taken only where nothing speaks against it.
func TestFiltersOfServersAreNotTrusted(t *testing.T) {
	names := []string{"city=x/n=1", "city=y/n=2", "city=a%2Fb%3D%25/n=3", "city=__HIVE_DEFAULT_PARTITION__/n=__HIVE_DEFAULT_PARTITION__", "garbage"}
	var kept [][]string
	w := metastore.Wanted{Expression: "city = 'x'", Keep: func(v []string) bool {
		kept = append(kept, v)
		return v[0] == "x" || v[0] == "a/b=%"
	}}
	for what, h := range map[string]*handler{
		"finds nothing":           {names: names},
		"refuses":                 {names: names, refusal: &api.MetaException{Message: "Filtering is supported only on partition keys of type string"}},
		"finds more than it says": {names: names, filtered: 1000},
	} {
		kept = nil
		got, err := client(serve(t, h)).Partitions(t.Context(), trips, w)
		// Of a name that is none, its record decides.
		if want := []string{"city=x/n=1", "city=a%2Fb%3D%25/n=3", "garbage"}; err != nil || !slices.Equal(h.asked, want) || len(got) != 3 {
			t.Errorf("a filter that %s: got %v, %v, asked for %q, want %q", what, got, err, h.asked, want)
		}
		if len(kept) != 4 || !slices.Equal(kept[2], []string{"a/b=%", "3"}) {
			t.Errorf("a filter that %s: decided on %q", what, kept)
		}
	}
	h := &handler{names: names, filtered: 2}
	if got, err := client(serve(t, h)).Partitions(t.Context(), trips, w); err != nil || len(got) != 2 || len(h.asked) != 0 {
		t.Errorf("got %v, %v, asked for %q, want the filter's two", got, err, h.asked)
	}
}

func TestManyPartitionsComeInBatches(t *testing.T) {
	h := &handler{}
	for i := range 2500 {
		h.names = append(h.names, fmt.Sprintf("city=x/n=%d", i))
	}
	got, err := client(serve(t, h)).Partitions(t.Context(), trips, metastore.Wanted{})
	slices.Sort(h.asked)
	slices.Sort(h.names)
	if err != nil || len(got) != 2500 || !slices.Equal(h.asked, h.names) {
		t.Errorf("got %d partitions, %v, asked for %d names", len(got), err, len(h.asked))
	}
}

func TestServerErrorsAreTold(t *testing.T) {
	h := &handler{refusal: &api.MetaException{Message: "no space left"}}
	s := serve(t, h, "get_partition_names")
	_, err := client(s).Partitions(t.Context(), trips, metastore.Wanted{Expression: "city = 'x'"})
	if !sqlerr.Is(err, sqlerr.Unsupported) || !strings.Contains(err.Error(), "the Hive metastore "+s.uri()+" could not list partitions of sales.trips") {
		t.Errorf("got %v", err)
	}
}

func TestListsOfMetastoresAreRead(t *testing.T) {
	for list, want := range map[string]string{
		"thrift://a:9083":                      "thrift://a:9083",
		"thrift://a:9083, thrift://[::1]:9084": "thrift://a:9083 thrift://[::1]:9084",
		"":                                     `"" is not of the form thrift://host:port`,
		"thrift://a:9083,":                     `"" is not of the form thrift://host:port`,
		"thrift://a:9083,b:9083":               `"b:9083" is not of the form thrift://host:port`,
		"http://a:9083":                        `"http://a:9083" is not of the form thrift://host:port`,
		"thrift://a":                           `"thrift://a" names no port; metastores listen on 9083 by default: thrift://a:9083`,
		"thrift://a:9083/db":                   `"thrift://a:9083/db" has more than a host and a port`,
		"thrift://user@a:9083":                 `"thrift://user@a:9083" has more than a host and a port`,
		"thrift://<host>:9083":                 `"thrift://<host>:9083" is not of the form thrift://host:port`,
	} {
		uris, err := hms.ParseURIs(list)
		got := strings.Join(uris, " ")
		if err != nil {
			got = err.Error()
		}
		if got != want {
			t.Errorf("%s: got %q, want %q", list, got, want)
		}
	}
}

// FuzzAnswer feeds the client bytes in place of a server's answers.
func FuzzAnswer(f *testing.F) {
	f.Add([]byte("HTTP/1.1 400 Bad Request\r\n\r\n"))
	f.Add([]byte{0x80, 1, 0, 2, 0, 0, 0, 17, 'g', 'e', 't', '_', 'a', 'l', 'l', '_', 'd', 'a', 't', 'a', 'b', 'a', 's', 'e', 's', 0, 0, 0, 1, 15, 0, 0, 11, 0x7f, 0xff, 0xff, 0xff})
	f.Add([]byte{0x80, 1, 0, 2, 0, 0, 0, 13, 'g', 'e', 't', '_', 't', 'a', 'b', 'l', 'e', '_', 'r', 'e', 'q', 0, 0, 0, 1, 12, 0, 0, 0, 0})
	f.Fuzz(func(t *testing.T, answer []byte) {
		c := hms.New(hms.Options{URIs: []string{"thrift://a:1"}, Dial: func(context.Context, string, string) (net.Conn, error) {
			return &canned{rest: answer}, nil
		}})
		_, _ = c.Databases(t.Context())
		_, _ = c.Table(t.Context(), "a", "b")
		_, _ = c.Partitions(t.Context(), trips, metastore.Wanted{Keep: func(v []string) bool { return len(v) == 2 }})
	})
}

// canned is a connection whose other side has said all that it will.
type canned struct {
	net.Conn
	rest []byte
}

func (c *canned) Read(b []byte) (int, error) {
	n := copy(b, c.rest)
	c.rest = c.rest[n:]
	if n == 0 {
		return 0, net.ErrClosed
	}
	return n, nil
}
func (c *canned) Write(b []byte) (int, error)      { return len(b), nil }
func (c *canned) Close() error                     { return nil }
func (c *canned) SetDeadline(time.Time) error      { return nil }
func (c *canned) SetReadDeadline(time.Time) error  { return nil }
func (c *canned) SetWriteDeadline(time.Time) error { return nil }
func (c *canned) LocalAddr() net.Addr              { return &net.TCPAddr{} }
func (c *canned) RemoteAddr() net.Addr             { return &net.TCPAddr{} }
