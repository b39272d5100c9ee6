// Package glue reads and writes the AWS Glue Data Catalog as a metastore. It turns Glue's
// records into those of package metastore and leaves their meaning to the
// table formats.
//
// Errors of AWS stay in the chain, so that errors.As finds the smithy error
// with its code; what is not there is a sqlerr.NotFound besides.
package glue

import (
	"context"
	"errors"
	"fmt"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/glue"
	"github.com/aws/aws-sdk-go-v2/service/glue/types"
	"golang.org/x/sync/errgroup"

	"lakeport/internal/metastore"
	"lakeport/internal/sqlerr"
)

// Options narrows a Client. The zero Options reads the caller's own catalog.
type Options struct {
	CatalogID string // aws.glue.catalog_id: another account's catalog; empty: the caller's own
	// ResourceShareType widens Databases to shared ones: FOREIGN, ALL or
	// FEDERATED, as GetDatabases takes it. Empty: the account's own.
	ResourceShareType string
}

// Client reads one Data Catalog. It is safe for concurrent use and keeps
// nothing between calls.
type Client struct {
	api     *glue.Client
	catalog *string
	share   types.ResourceShareType
}

// New returns a client that calls Glue with cfg, which carries region,
// endpoint and credentials.
func New(cfg aws.Config, o Options) *Client {
	c := &Client{api: glue.NewFromConfig(cfg), share: types.ResourceShareType(o.ResourceShareType)}
	if o.CatalogID != "" {
		c.catalog = &o.CatalogID
	}
	return c
}

// Databases lists the names of all databases.
func (c *Client) Databases(ctx context.Context) ([]string, error) {
	in := &glue.GetDatabasesInput{CatalogId: c.catalog, ResourceShareType: c.share}
	names := []string{}
	for p := glue.NewGetDatabasesPaginator(c.api, in); p.HasMorePages(); {
		page, err := p.NextPage(ctx)
		if err != nil {
			return nil, fmt.Errorf("list databases: %w", err)
		}
		for _, d := range page.DatabaseList {
			names = append(names, aws.ToString(d.Name))
		}
	}
	return names, nil
}

// Database reads one database's record.
func (c *Client) Database(ctx context.Context, db string) (*metastore.Database, error) {
	out, err := c.api.GetDatabase(ctx, &glue.GetDatabaseInput{CatalogId: c.catalog, Name: &db})
	if err != nil {
		return nil, fmt.Errorf("get database %s: %w", db, missing(err, sqlerr.BadDB, "Unknown database '%s'", db))
	}
	d := out.Database
	return &metastore.Database{
		Name:        aws.ToString(d.Name),
		Location:    aws.ToString(d.LocationUri),
		Description: aws.ToString(d.Description),
		Parameters:  d.Parameters,
	}, nil
}

// Tables lists the names of all tables and views of a database, whatever their
// format and even where their records make no sense.
func (c *Client) Tables(ctx context.Context, db string) ([]string, error) {
	in := &glue.GetTablesInput{CatalogId: c.catalog, DatabaseName: &db, AttributesToGet: []types.TableAttributes{types.TableAttributesName}}
	names := []string{}
	for p := glue.NewGetTablesPaginator(c.api, in); p.HasMorePages(); {
		page, err := p.NextPage(ctx)
		if err != nil {
			return nil, fmt.Errorf("list tables of %s: %w", db, missing(err, sqlerr.BadDB, "Unknown database '%s'", db))
		}
		for _, t := range page.TableList {
			names = append(names, aws.ToString(t.Name))
		}
	}
	return names, nil
}

// Table reads one table's record. A resource link is followed: the record is
// that of the table it points to, in the owner's catalog.
func (c *Client) Table(ctx context.Context, db, name string) (*metastore.Table, error) {
	t, err := c.table(ctx, c.catalog, db, name)
	if err != nil {
		return nil, err
	}
	if to := t.TargetTable; to != nil {
		// One step: Lake Formation makes no links to links.
		t, err = c.table(ctx, to.CatalogId, aws.ToString(to.DatabaseName), aws.ToString(to.Name))
		if err != nil {
			return nil, fmt.Errorf("follow resource link %s.%s: %w", db, name, err)
		}
	}
	return c.record(t), nil
}

func (c *Client) table(ctx context.Context, catalog *string, db, name string) (*types.Table, error) {
	out, err := c.api.GetTable(ctx, &glue.GetTableInput{CatalogId: catalog, DatabaseName: &db, Name: &name})
	if err != nil {
		return nil, fmt.Errorf("get table %s.%s: %w", db, name, missing(err, sqlerr.BadTable, "Unknown table '%s.%s'", db, name))
	}
	return out.Table, nil
}

// segments is in how many parts a table of more than one page of partitions is
// read at once; Glue allows ten.
const segments = 8

// filterMax is the longest expression that GetPartitions takes.
const filterMax = 2048

// Partitions reads the records of t's partitions that w.Expression matches.
// The records leave out the columns, which for all formats are the table's. The
// order is not defined. Where Glue cannot evaluate the expression, all
// partitions come back.
func (c *Client) Partitions(ctx context.Context, t *metastore.Table, w metastore.Wanted) ([]metastore.Partition, error) {
	filter := w.Expression
	if len(filter) > filterMax {
		filter = ""
	}
	parts, err := c.partitions(ctx, t, filter)
	if filter != "" && unfit(err) {
		parts, err = c.partitions(ctx, t, "")
	}
	if err != nil {
		return nil, fmt.Errorf("list partitions of %s.%s: %w", t.Database, t.Name,
			missing(err, sqlerr.BadTable, "Unknown table '%s.%s'", t.Database, t.Name))
	}
	return parts, nil
}

// partitions reads one page; if there are more, it starts over in segments,
// because a segment cannot continue a list that began without.
func (c *Client) partitions(ctx context.Context, t *metastore.Table, filter string) ([]metastore.Partition, error) {
	in := glue.GetPartitionsInput{
		CatalogId: c.catalog, DatabaseName: &t.Database, TableName: &t.Name,
		ExcludeColumnSchema: aws.Bool(true), MaxResults: aws.Int32(1000),
	}
	if t.CatalogID != "" {
		in.CatalogId = &t.CatalogID
	}
	if filter != "" {
		in.Expression = &filter
	}
	first, err := c.api.GetPartitions(ctx, &in)
	if err != nil {
		return nil, err
	}
	if aws.ToString(first.NextToken) == "" {
		return partitionRecords(first.Partitions), nil
	}
	var found [segments][]metastore.Partition
	g, ctx := errgroup.WithContext(ctx)
	for n := range found {
		g.Go(func() error {
			in := in
			in.Segment = &types.Segment{SegmentNumber: int32(n), TotalSegments: aws.Int32(segments)}
			for p := glue.NewGetPartitionsPaginator(c.api, &in); p.HasMorePages(); {
				page, err := p.NextPage(ctx)
				if err != nil {
					return err
				}
				found[n] = append(found[n], partitionRecords(page.Partitions)...)
			}
			return nil
		})
	}
	if err := g.Wait(); err != nil {
		return nil, err
	}
	var all []metastore.Partition
	for _, part := range found {
		all = append(all, part...)
	}
	return all, nil
}

// unfit tells whether Glue could not evaluate an expression: it does not know
// the key's type, or a partition's value is not of that type.
func unfit(err error) bool {
	_, input := errors.AsType[*types.InvalidInputException](err)
	_, state := errors.AsType[*types.InvalidStateException](err)
	return input || state
}

// missing gives an error that tells in the user's words what is not there, if
// that is what AWS says; any other error is given back as it is.
func missing(err error, code sqlerr.Code, format string, args ...any) error {
	if _, ok := errors.AsType[*types.EntityNotFoundException](err); !ok {
		return err
	}
	e := sqlerr.New(sqlerr.NotFound, format, args...).With(code)
	e.Err = err
	return e
}
