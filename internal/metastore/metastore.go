// Package metastore is the records that metastores return, whatever service
// keeps them: databases, tables and partitions as Hive defined them.
package metastore

import "time"

// Database is a namespace of tables.
type Database struct {
	Name        string
	Location    string
	Description string
	Parameters  map[string]string
}

// Column is a column with its type in Hive's spelling, such as
// "array<struct<a:int>>".
type Column struct {
	Name    string
	Type    string
	Comment string
}

// Storage says where and how rows are stored.
type Storage struct {
	Columns      []Column
	Location     string
	InputFormat  string
	OutputFormat string
	SerDe        string // the serialization library's class
	SerDeParams  map[string]string
	Parameters   map[string]string
	Compressed   bool
}

// Table is one table's record.
type Table struct {
	CatalogID     string // Glue: the owning account
	Database      string
	Name          string
	Owner         string
	Type          string // EXTERNAL_TABLE, MANAGED_TABLE, VIRTUAL_VIEW
	Description   string
	Storage       Storage
	PartitionKeys []Column
	Parameters    map[string]string
	ViewOriginal  string
	ViewExpanded  string
	VersionID     string
	Created       time.Time
	Updated       time.Time
}

// Partition is one partition's record. Values stand in the order of the
// table's PartitionKeys, as text.
type Partition struct {
	Values     []string
	Storage    Storage
	Parameters map[string]string
	Created    time.Time
}

// Wanted narrows a list of partitions; the zero Wanted is all of them. Both
// parts are hints: a store may give more partitions than they say, never fewer.
type Wanted struct {
	// Expression is a condition on the partition keys as AWS Glue's
	// GetPartitions takes it; empty: none.
	Expression string
	// Keep tells whether a partition of these values is wanted; nil: all are.
	Keep func(values []string) bool
}
