package hms

import (
	"context"
	"errors"
	"maps"
	"os"
	"time"

	api "github.com/beltran/gohive/hive_metastore"

	"lakeport/internal/lake"
	"lakeport/internal/metastore"
	"lakeport/internal/sqlerr"
)

// change makes calls that change something, on one new connection and never
// again on another: a server that broke off may have done them.
func (c *Client) change(ctx context.Context, what string, f call) (lake.Outcome, error) {
	p := &c.pool
	var conn *conn
	var err error
	for n := range p.o.URIs {
		if conn, err = p.dial(ctx, n); err == nil {
			break
		}
	}
	if err != nil {
		e := sqlerr.New(sqlerr.Unreachable, "%s: no Hive metastore answers", what)
		e.Err = err
		return lake.Rejected, e
	}
	defer conn.Close()
	err = conn.call(ctx, f)
	if err == nil {
		return lake.Committed, nil
	}
	if _, worded := errors.AsType[*sqlerr.Error](err); worded {
		return lake.Rejected, err
	}
	outcome := lake.Unknown
	if answered(err) {
		outcome = lake.Rejected
	}
	e := sqlerr.New(sqlerr.Unreachable, "the Hive metastore %s could not %s: %s", p.o.URIs[conn.at], what, said(err))
	if notFound(err) {
		e.Kind = sqlerr.NotFound
	}
	if _, exists := errors.AsType[*api.AlreadyExistsException](err); exists {
		e.Kind = sqlerr.Exists
	}
	e.Err = err
	return outcome, e
}

// CreateDatabase makes a database; Exists if there is one of the name. Without
// a location it stands where the server puts it.
func (c *Client) CreateDatabase(ctx context.Context, d *metastore.Database) error {
	_, err := c.change(ctx, "create database "+d.Name, func(ctx context.Context, s *api.ThriftHiveMetastoreClient) error {
		return s.CreateDatabase(ctx, &api.Database{Name: d.Name, LocationUri: d.Location, Description: d.Description, Parameters: d.Parameters})
	})
	if sqlerr.Is(err, sqlerr.Exists) {
		return exists(err, sqlerr.DBExists, "Can't create database '%s'; database exists", d.Name)
	}
	return err
}

func exists(err error, code sqlerr.Code, format string, args ...any) error {
	e := sqlerr.New(sqlerr.Exists, format, args...).With(code)
	e.Err = err
	return e
}

// DropDatabase removes a database without tables.
func (c *Client) DropDatabase(ctx context.Context, db string) error {
	_, err := c.change(ctx, "drop database "+db, func(ctx context.Context, s *api.ThriftHiveMetastoreClient) error {
		return s.DropDatabase(ctx, db, false, false)
	})
	if _, full := errors.AsType[*api.InvalidOperationException](err); full {
		e := sqlerr.New(sqlerr.Conflict, "Can't drop database '%s': it is not empty", db).WithHint("drop the tables first")
		e.Err = err
		return e
	}
	return missing(err, sqlerr.DBMissing, "Can't drop database '%s'; database doesn't exist", db)
}

// CreateTable makes a table's record; Exists if there is one of the name.
func (c *Client) CreateTable(ctx context.Context, t *metastore.Table) (lake.Outcome, error) {
	outcome, err := c.change(ctx, "create table "+t.Database+"."+t.Name, func(ctx context.Context, s *api.ThriftHiveMetastoreClient) error {
		return s.CreateTable(ctx, thriftTable(t))
	})
	if sqlerr.Is(err, sqlerr.Exists) {
		err = exists(err, sqlerr.TableExists, "Table '%s' already exists", t.Name)
	}
	return outcome, missing(err, sqlerr.BadDB, "Unknown database '%s'", t.Database)
}

// ReplaceTable gives a record t's parameters under the table's lock, if it
// still has the parameters was; Rejected with kind Conflict if it has not. What
// else the record says stays.
func (c *Client) ReplaceTable(ctx context.Context, t *metastore.Table, was map[string]string) (lake.Outcome, error) {
	name := t.Database + "." + t.Name
	outcome, err := c.change(ctx, "update table "+name, func(ctx context.Context, s *api.ThriftHiveMetastoreClient) error {
		return locked(ctx, s, t.Database, t.Name, func() error {
			present, err := present(ctx, s, t.Database, t.Name)
			if err != nil {
				return err
			}
			for key, value := range was {
				if present.Parameters[key] != value {
					return sqlerr.New(sqlerr.Conflict, "table %s has been changed meanwhile", name)
				}
			}
			changed := *present
			changed.Parameters = maps.Clone(present.Parameters)
			maps.Copy(changed.Parameters, t.Parameters)
			return s.AlterTable(ctx, t.Database, t.Name, &changed)
		})
	})
	return outcome, missing(err, sqlerr.BadTable, "Unknown table '%s'", name)
}

// present reads a record as the server has it.
func present(ctx context.Context, s *api.ThriftHiveMetastoreClient, db, name string) (*api.Table, error) {
	out, err := s.GetTableReq(ctx, &api.GetTableRequest{DbName: db, TblName: name})
	if unknownMethod(err) {
		return s.GetTable(ctx, db, name)
	}
	if err != nil {
		return nil, err
	}
	return out.Table, nil
}

// DropTable removes a table's record; no data is touched.
func (c *Client) DropTable(ctx context.Context, db, name string) error {
	_, err := c.change(ctx, "drop table "+db+"."+name, func(ctx context.Context, s *api.ThriftHiveMetastoreClient) error {
		return s.DropTable(ctx, db, name, false)
	})
	return missing(err, sqlerr.BadTable, "Unknown table '%s.%s'", db, name)
}

// lockPatience is how long a lock that others hold is waited for.
const lockPatience = 30 * time.Second

// locked runs f while it holds the exclusive lock on a table, as Iceberg's
// engines do when they commit.
func locked(ctx context.Context, s *api.ThriftHiveMetastoreClient, db, name string, f func() error) error {
	host, _ := os.Hostname()
	lock, err := s.Lock(ctx, &api.LockRequest{User: "lakeport", Hostname: host, AgentInfo: "lakeport", Component: []*api.LockComponent{
		{Type: api.LockType_EXCLUSIVE, Level: api.LockLevel_TABLE, Dbname: db, Tablename: &name, OperationType: api.DataOperationType_UNSET}}})
	if err != nil {
		return err
	}
	defer func() { _ = s.Unlock(context.WithoutCancel(ctx), &api.UnlockRequest{Lockid: lock.Lockid}) }() // one that stays times out by itself
	for began, pause := time.Now(), 20*time.Millisecond; lock.State == api.LockState_WAITING; pause = min(2*pause, time.Second) {
		if time.Since(began) > lockPatience {
			return sqlerr.New(sqlerr.Conflict, "table %s.%s is locked by another writer", db, name)
		}
		timer := time.NewTimer(pause)
		select {
		case <-timer.C:
		case <-ctx.Done():
			timer.Stop()
			return context.Cause(ctx)
		}
		if lock, err = s.CheckLock(ctx, &api.CheckLockRequest{Lockid: lock.Lockid}); err != nil {
			return err
		}
	}
	if lock.State != api.LockState_ACQUIRED {
		return sqlerr.New(sqlerr.Conflict, "the lock on table %s.%s is %s", db, name, lock.State)
	}
	return f()
}

// thriftTable turns a record into what the server takes.
func thriftTable(t *metastore.Table) *api.Table {
	now := int32(time.Now().Unix())
	fields := func(list []metastore.Column) []*api.FieldSchema {
		out := []*api.FieldSchema{}
		for _, c := range list {
			out = append(out, &api.FieldSchema{Name: c.Name, Type: c.Type, Comment: c.Comment})
		}
		return out
	}
	parameters := maps.Clone(t.Parameters)
	if t.Description != "" {
		parameters[commentParameter] = t.Description
	}
	return &api.Table{
		DbName: t.Database, TableName: t.Name, Owner: t.Owner, TableType: t.Type, CreateTime: now, LastAccessTime: now,
		PartitionKeys: fields(t.PartitionKeys), Parameters: parameters, ViewOriginalText: t.ViewOriginal, ViewExpandedText: t.ViewExpanded,
		Sd: &api.StorageDescriptor{Cols: fields(t.Storage.Columns), Location: t.Storage.Location, InputFormat: t.Storage.InputFormat,
			OutputFormat: t.Storage.OutputFormat, Parameters: t.Storage.Parameters, SerdeInfo: &api.SerDeInfo{SerializationLib: t.Storage.SerDe, Parameters: t.Storage.SerDeParams}},
	}
}
