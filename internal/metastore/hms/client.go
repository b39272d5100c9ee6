// Package hms reads and writes a Hive Metastore over Thrift as a metastore: binary
// protocol on plain TCP, no SASL. It turns the server's records into those of
// package metastore and leaves their meaning to the table formats.
//
// It speaks to servers of Hive 2 to 4: where a newer request replaces an older
// one, the newer is asked first.
package hms

import (
	"context"
	"errors"
	"fmt"
	"net"
	"slices"
	"strings"
	"time"

	"github.com/apache/thrift/lib/go/thrift"
	api "github.com/beltran/gohive/hive_metastore"

	"lakeport/internal/metastore"
	"lakeport/internal/sqlerr"
)

// DefaultTimeout is StarRocks' for a metastore (hive_meta_store_timeout_s).
const DefaultTimeout = 10 * time.Second

// Options says where the metastore is. Only URIs is needed.
type Options struct {
	// URIs are tried in order, as ParseURIs gives them; all must be servers of
	// one metastore. The one that answered last is tried first.
	URIs []string
	// Timeout bounds a connect, and each wait for the server to go on with its
	// answer; zero: DefaultTimeout.
	Timeout time.Duration
	// Idle is how long an unused connection is kept; zero: a minute.
	Idle time.Duration
	// Dial opens connections; nil: TCP.
	Dial func(ctx context.Context, network, address string) (net.Conn, error)
}

// Client reads one metastore. It is safe for concurrent use and keeps no
// answers, only a few connections.
type Client struct {
	pool pool
}

// New returns a client. It contacts nobody.
func New(o Options) *Client {
	if o.Timeout <= 0 {
		o.Timeout = DefaultTimeout
	}
	if o.Idle <= 0 {
		o.Idle = time.Minute
	}
	if o.Dial == nil {
		o.Dial = (&net.Dialer{}).DialContext
	}
	return &Client{pool: pool{o: o, slots: make(chan struct{}, connMax)}}
}

// Databases lists the names of all databases, in order.
func (c *Client) Databases(ctx context.Context) ([]string, error) {
	var names []string
	err := c.do(ctx, "list databases", func(ctx context.Context, s *api.ThriftHiveMetastoreClient) (err error) {
		names, err = s.GetAllDatabases(ctx)
		return err
	})
	slices.Sort(names)
	return names, err
}

// Database reads one database's record.
func (c *Client) Database(ctx context.Context, db string) (*metastore.Database, error) {
	var d *api.Database
	err := c.do(ctx, "get database "+db, func(ctx context.Context, s *api.ThriftHiveMetastoreClient) (err error) {
		d, err = s.GetDatabase(ctx, db)
		return err
	})
	if err != nil {
		return nil, missing(err, sqlerr.BadDB, "Unknown database '%s'", db)
	}
	return &metastore.Database{Name: d.Name, Location: d.LocationUri, Description: d.Description, Parameters: parameters(d.Parameters)}, nil
}

// Tables lists the names of all tables and views of a database, in order,
// whatever their format and even where their records make no sense.
func (c *Client) Tables(ctx context.Context, db string) ([]string, error) {
	var names []string
	err := c.do(ctx, "list tables of "+db, func(ctx context.Context, s *api.ThriftHiveMetastoreClient) (err error) {
		names, err = s.GetAllTables(ctx, db)
		return err
	})
	if err == nil && len(names) == 0 { // a server lists no tables of no database
		_, err = c.Database(ctx, db)
	}
	slices.Sort(names)
	return names, missing(err, sqlerr.BadDB, "Unknown database '%s'", db)
}

// Table reads one table's record.
func (c *Client) Table(ctx context.Context, db, name string) (*metastore.Table, error) {
	var t *api.Table
	err := c.do(ctx, "get table "+db+"."+name, func(ctx context.Context, s *api.ThriftHiveMetastoreClient) error {
		// Hive 2 does not know the request, Hive 4 no longer the call that it
		// replaces.
		out, err := s.GetTableReq(ctx, &api.GetTableRequest{DbName: db, TblName: name})
		if unknownMethod(err) {
			t, err = s.GetTable(ctx, db, name)
		} else if err == nil {
			t = out.Table
		}
		return err
	})
	if err != nil {
		return nil, missing(err, sqlerr.BadTable, "Unknown table '%s.%s'", db, name)
	}
	return tableRecord(t), nil
}

// do makes one call and words its failure. What the server answered stays in
// the chain.
func (c *Client) do(ctx context.Context, what string, f call) error {
	uri, err := c.pool.do(ctx, f)
	if err == nil {
		return nil
	}
	if _, ok := errors.AsType[*sqlerr.Error](err); ok || ctx.Err() != nil {
		return fmt.Errorf("%s: %w", what, err)
	}
	e := sqlerr.New(sqlerr.Unreachable, "the Hive metastore %s could not %s: %s", uri, what, said(err))
	switch {
	case unknownMethod(err):
		e.Kind = sqlerr.Unsupported
		e.Hint = "metastores of Hive 2 to 4 are read"
	case notFound(err):
		e.Kind = sqlerr.NotFound
	}
	e.Err = err
	return e
}

// said gives the server's words of an exception, with its name.
func said(err error) string {
	name := strings.TrimPrefix(fmt.Sprintf("%T", err), "*hive_metastore.")
	if m, ok := err.(interface{ GetMessage() string }); ok {
		return name + ": " + m.GetMessage()
	}
	return err.Error()
}

func unknownMethod(err error) bool {
	e, ok := errors.AsType[thrift.TApplicationException](err)
	return ok && e.TypeId() == thrift.UNKNOWN_METHOD
}

func notFound(err error) bool {
	_, object := errors.AsType[*api.NoSuchObjectException](err)
	_, db := errors.AsType[*api.UnknownDBException](err)
	_, table := errors.AsType[*api.UnknownTableException](err)
	return object || db || table
}

// missing gives an error that tells in the user's words what is not there, if
// that is what the server says; any other error is given back as it is.
func missing(err error, code sqlerr.Code, format string, args ...any) error {
	if err == nil || !notFound(err) {
		return err
	}
	e := sqlerr.New(sqlerr.NotFound, format, args...).With(code)
	e.Err = err
	return e
}
