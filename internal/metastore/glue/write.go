package glue

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/glue"
	"github.com/aws/aws-sdk-go-v2/service/glue/types"
	"github.com/aws/smithy-go"

	"lakeport/internal/lake"
	"lakeport/internal/metastore"
	"lakeport/internal/sqlerr"
)

// CreateDatabase makes a database; Exists if there is one of the name.
func (c *Client) CreateDatabase(ctx context.Context, d *metastore.Database) error {
	in := &types.DatabaseInput{Name: &d.Name, Parameters: d.Parameters, LocationUri: some(d.Location), Description: some(d.Description)}
	_, err := c.api.CreateDatabase(ctx, &glue.CreateDatabaseInput{CatalogId: c.catalog, DatabaseInput: in})
	if err != nil {
		return fmt.Errorf("create database %s: %w", d.Name, taken(err, sqlerr.DBExists, "Can't create database '%s'; database exists", d.Name))
	}
	return nil
}

// DropDatabase removes a database without tables: Glue itself would drop the
// tables with it.
func (c *Client) DropDatabase(ctx context.Context, db string) error {
	names, err := c.Tables(ctx, db)
	if err != nil {
		return err
	}
	if len(names) > 0 {
		return sqlerr.New(sqlerr.Conflict, "Can't drop database '%s': it has %d tables, %s among them", db, len(names), names[0]).WithHint("drop the tables first")
	}
	if _, err := c.api.DeleteDatabase(ctx, &glue.DeleteDatabaseInput{CatalogId: c.catalog, Name: &db}); err != nil {
		return fmt.Errorf("drop database %s: %w", db, missing(err, sqlerr.DBMissing, "Can't drop database '%s'; database doesn't exist", db))
	}
	return nil
}

// CreateTable makes a table's record; Exists if there is one of the name.
func (c *Client) CreateTable(ctx context.Context, t *metastore.Table) (lake.Outcome, error) {
	_, err := c.api.CreateTable(ctx, &glue.CreateTableInput{CatalogId: c.of(t), DatabaseName: &t.Database, TableInput: input(t)})
	if err == nil {
		return lake.Committed, nil
	}
	outcome := fate(err)
	err = missing(taken(err, sqlerr.TableExists, "Table '%s' already exists", t.Name), sqlerr.BadDB, "Unknown database '%s'", t.Database)
	return outcome, fmt.Errorf("create table %s.%s: %w", t.Database, t.Name, err)
}

// ReplaceTable puts t in the place of the record that it was read from, without
// keeping the old one as a version. Rejected with kind Conflict: the record has
// changed since t was read, by its version, in whatever way.
func (c *Client) ReplaceTable(ctx context.Context, t *metastore.Table, _ map[string]string) (lake.Outcome, error) {
	_, err := c.api.UpdateTable(ctx, &glue.UpdateTableInput{CatalogId: c.of(t), DatabaseName: &t.Database, TableInput: input(t),
		SkipArchive: aws.Bool(true), VersionId: some(t.VersionID)})
	if err == nil {
		return lake.Committed, nil
	}
	outcome := fate(err)
	if _, ok := errors.AsType[*types.ConcurrentModificationException](err); ok {
		e := sqlerr.New(sqlerr.Conflict, "table %s.%s has been changed meanwhile", t.Database, t.Name)
		e.Err = err
		return outcome, e
	}
	return outcome, fmt.Errorf("update table %s.%s: %w", t.Database, t.Name, missing(err, sqlerr.BadTable, "Unknown table '%s.%s'", t.Database, t.Name))
}

// DropTable removes a table's record; no data is touched.
func (c *Client) DropTable(ctx context.Context, db, name string) error {
	_, err := c.api.DeleteTable(ctx, &glue.DeleteTableInput{CatalogId: c.catalog, DatabaseName: &db, Name: &name})
	if err != nil {
		return fmt.Errorf("drop table %s.%s: %w", db, name, missing(err, sqlerr.BadTable, "Unknown table '%s.%s'", db, name))
	}
	return nil
}

// of is the catalog that a record stands in.
func (c *Client) of(t *metastore.Table) *string {
	if t.CatalogID != "" {
		return &t.CatalogID
	}
	return c.catalog
}

// fate tells whether a failed change may have been made: it may where Glue has
// not answered, or says that it does not know itself.
func fate(err error) lake.Outcome {
	api, ok := errors.AsType[smithy.APIError](err)
	if !ok || api.ErrorFault() == smithy.FaultServer {
		return lake.Unknown
	}
	switch code := api.ErrorCode(); {
	case strings.Contains(code, "Timeout"), strings.Contains(code, "Internal"), strings.Contains(code, "Unavailable"):
		return lake.Unknown
	}
	return lake.Rejected
}

// taken is missing's twin for what exists already.
func taken(err error, code sqlerr.Code, format string, args ...any) error {
	if _, ok := errors.AsType[*types.AlreadyExistsException](err); !ok {
		return err
	}
	e := sqlerr.New(sqlerr.Exists, format, args...).With(code)
	e.Err = err
	return e
}

// input turns a record into what Glue takes.
func input(t *metastore.Table) *types.TableInput {
	return &types.TableInput{
		Name: &t.Name, Owner: some(t.Owner), TableType: some(t.Type), Description: some(t.Description), Parameters: t.Parameters,
		PartitionKeys: inputColumns(t.PartitionKeys), ViewOriginalText: some(t.ViewOriginal), ViewExpandedText: some(t.ViewExpanded),
		StorageDescriptor: &types.StorageDescriptor{
			Columns: inputColumns(t.Storage.Columns), Location: some(t.Storage.Location), InputFormat: some(t.Storage.InputFormat),
			OutputFormat: some(t.Storage.OutputFormat), Parameters: t.Storage.Parameters, Compressed: t.Storage.Compressed,
			SerdeInfo: &types.SerDeInfo{SerializationLibrary: some(t.Storage.SerDe), Parameters: t.Storage.SerDeParams},
		},
	}
}

func inputColumns(list []metastore.Column) []types.Column {
	out := []types.Column{}
	for _, c := range list {
		out = append(out, types.Column{Name: &c.Name, Type: some(c.Type), Comment: some(c.Comment)})
	}
	return out
}

func some(s string) *string {
	if s == "" {
		return nil
	}
	return &s
}
