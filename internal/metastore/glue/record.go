package glue

import (
	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/glue/types"

	"lakeport/internal/metastore"
)

// record turns Glue's table into the metastore's.
func (c *Client) record(t *types.Table) *metastore.Table {
	r := &metastore.Table{
		CatalogID:     aws.ToString(t.CatalogId),
		Database:      aws.ToString(t.DatabaseName),
		Name:          aws.ToString(t.Name),
		Owner:         aws.ToString(t.Owner),
		Type:          aws.ToString(t.TableType),
		Description:   aws.ToString(t.Description),
		Storage:       storage(t.StorageDescriptor),
		PartitionKeys: columns(t.PartitionKeys),
		Parameters:    t.Parameters,
		ViewOriginal:  aws.ToString(t.ViewOriginalText),
		ViewExpanded:  aws.ToString(t.ViewExpandedText),
		VersionID:     aws.ToString(t.VersionId),
		Created:       aws.ToTime(t.CreateTime),
		Updated:       aws.ToTime(t.UpdateTime),
	}
	if r.CatalogID == "" {
		r.CatalogID = aws.ToString(c.catalog)
	}
	return r
}

// storage reads a descriptor, which records of tables without files lack.
func storage(d *types.StorageDescriptor) metastore.Storage {
	if d == nil {
		return metastore.Storage{}
	}
	s := metastore.Storage{
		Columns:      columns(d.Columns),
		Location:     aws.ToString(d.Location),
		InputFormat:  aws.ToString(d.InputFormat),
		OutputFormat: aws.ToString(d.OutputFormat),
		Parameters:   d.Parameters,
		Compressed:   d.Compressed,
	}
	if d.SerdeInfo != nil {
		s.SerDe = aws.ToString(d.SerdeInfo.SerializationLibrary)
		s.SerDeParams = d.SerdeInfo.Parameters
	}
	return s
}

func columns(list []types.Column) []metastore.Column {
	var out []metastore.Column
	for _, c := range list {
		out = append(out, metastore.Column{Name: aws.ToString(c.Name), Type: aws.ToString(c.Type), Comment: aws.ToString(c.Comment)})
	}
	return out
}

func partitionRecords(list []types.Partition) []metastore.Partition {
	out := make([]metastore.Partition, len(list))
	for i, p := range list {
		out[i] = metastore.Partition{
			Values:     p.Values,
			Storage:    storage(p.StorageDescriptor),
			Parameters: p.Parameters,
			Created:    aws.ToTime(p.CreationTime),
		}
	}
	return out
}
