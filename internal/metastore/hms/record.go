package hms

import (
	"maps"
	"strconv"
	"time"

	api "github.com/beltran/gohive/hive_metastore"

	"lakeport/internal/metastore"
)

// What Hive keeps among a table's parameters and others beside them.
const (
	commentParameter = "comment"
	changedParameter = "transient_lastDdlTime" // seconds since the epoch
)

// tableRecord turns an answer into a record. Thrift leaves out what a server
// has no value for, so that any part may be nil.
func tableRecord(t *api.Table) *metastore.Table {
	if t == nil {
		t = &api.Table{}
	}
	r := &metastore.Table{
		Database: t.DbName, Name: t.TableName, Owner: t.Owner, Type: t.TableType,
		Storage: storage(t.Sd), PartitionKeys: columns(t.PartitionKeys), Parameters: parameters(t.Parameters),
		ViewOriginal: t.ViewOriginalText, ViewExpanded: t.ViewExpandedText, Created: seconds(int64(t.CreateTime)),
	}
	if text, ok := r.Parameters[commentParameter]; ok {
		r.Description = text
		r.Parameters = maps.Clone(r.Parameters)
		delete(r.Parameters, commentParameter)
	}
	if n, err := strconv.ParseInt(r.Parameters[changedParameter], 10, 64); err == nil {
		r.Updated = seconds(n)
	}
	return r
}

func partitionRecord(p *api.Partition) metastore.Partition {
	r := metastore.Partition{Values: p.Values, Storage: storage(p.Sd), Parameters: parameters(p.Parameters), Created: seconds(int64(p.CreateTime))}
	r.Storage.Columns = nil // for all formats they are the table's
	return r
}

func storage(s *api.StorageDescriptor) metastore.Storage {
	if s == nil {
		return metastore.Storage{}
	}
	r := metastore.Storage{
		Columns: columns(s.Cols), Location: s.Location, InputFormat: s.InputFormat, OutputFormat: s.OutputFormat,
		Parameters: parameters(s.Parameters), Compressed: s.Compressed,
	}
	if s.SerdeInfo != nil {
		r.SerDe, r.SerDeParams = s.SerdeInfo.SerializationLib, parameters(s.SerdeInfo.Parameters)
	}
	return r
}

func columns(list []*api.FieldSchema) []metastore.Column {
	var out []metastore.Column
	for _, f := range list {
		out = append(out, metastore.Column{Name: f.Name, Type: f.Type, Comment: f.Comment})
	}
	return out
}

// parameters gives nil for none: records are the same whether a server leaves
// an empty map out or sends it.
func parameters(m map[string]string) map[string]string {
	if len(m) == 0 {
		return nil
	}
	return m
}

func seconds(n int64) time.Time {
	if n == 0 {
		return time.Time{}
	}
	return time.Unix(n, 0).UTC()
}
