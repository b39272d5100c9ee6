package s3tables

import (
	"bytes"
	"encoding/json"
	"strconv"
	"strings"
	"time"

	"lakeport/internal/sandbox/iceberg"
)

// decode reads a body; a member that the sandbox does not know is refused by
// name.
func (q *call) decode(into any) error {
	dec := json.NewDecoder(bytes.NewReader(q.Body))
	dec.DisallowUnknownFields()
	if err := dec.Decode(into); err != nil {
		return badRequest("The sandbox does not take this body of %s: %s", q.op.name, strings.TrimPrefix(err.Error(), "json: "))
	}
	return nil
}

// limit reads the size of a page, 1 to 1000.
func (q *call) limit(name string) (int, error) {
	text := q.query.Get(name)
	if text == "" {
		return 1000, nil
	}
	n, err := strconv.Atoi(text)
	if err != nil || n < 1 || n > 1000 {
		return 0, badRequest("%s is a number from 1 to 1000, found %s", name, text)
	}
	return n, nil
}

func (s *Service) putBucket(q *call) (any, error) {
	var in struct {
		Name       string `json:"name"`
		Encryption *struct {
			Algorithm string `json:"sseAlgorithm"`
		} `json:"encryptionConfiguration"`
	}
	if err := q.decode(&in); err != nil {
		return nil, err
	}
	if in.Encryption != nil && in.Encryption.Algorithm != "AES256" {
		return nil, badRequest("The sandbox does not encrypt tables with %s.", in.Encryption.Algorithm)
	}
	b := &Bucket{Name: in.Name, Account: q.Caller.Principal.Account, Region: q.Region, ID: iceberg.NewUUID(), Created: s.now().UTC()}
	return map[string]string{"arn": b.ARN()}, s.createBucket(b)
}

type bucketShape struct {
	ARN     string `json:"arn"`
	Name    string `json:"name"`
	Owner   string `json:"ownerAccountId"`
	Created string `json:"createdAt"`
	ID      string `json:"tableBucketId"`
	Type    string `json:"type"`
}

func (b *Bucket) shape() bucketShape {
	return bucketShape{b.ARN(), b.Name, b.Account, iso(b.Created), b.ID, "customer"}
}

func iso(t time.Time) string { return t.UTC().Format("2006-01-02T15:04:05.000000Z") }

func (s *Service) getBucket(q *call) (any, error) { return q.b.shape(), nil }

func (s *Service) listBuckets(q *call) (any, error) {
	limit, err := q.limit("maxBuckets")
	if err != nil {
		return nil, err
	}
	all, err := s.Buckets(q.Caller.Principal.Account, q.Region)
	if err != nil {
		return nil, err
	}
	out := struct {
		Buckets []bucketShape `json:"tableBuckets"`
		Next    string        `json:"continuationToken,omitempty"`
	}{Buckets: []bucketShape{}}
	all = prefixed(all, (*Bucket).name, q.query.Get("prefix"))
	all, out.Next = page(all, (*Bucket).name, q.query.Get("continuationToken"), limit)
	for _, b := range all {
		out.Buckets = append(out.Buckets, b.shape())
	}
	return out, nil
}

func (b *Bucket) name() string    { return b.Name }
func (n *Namespace) name() string { return n.Name }
func (t *Table) path() string     { return t.Namespace + "\x00" + t.Name }

func prefixed[T any](all []T, name func(T) string, prefix string) (kept []T) {
	for _, t := range all {
		if strings.HasPrefix(name(t), prefix) {
			kept = append(kept, t)
		}
	}
	return kept
}

func (s *Service) deleteBucket(q *call) (any, error) { return nil, s.dropBucket(q.b) }

func (s *Service) putNamespace(q *call) (any, error) {
	var in struct {
		Namespace []string `json:"namespace"`
	}
	if err := q.decode(&in); err != nil {
		return nil, err
	}
	if len(in.Namespace) != 1 {
		return nil, badRequest("namespace has one element, found %d", len(in.Namespace))
	}
	err := s.CreateNamespace(q.b, in.Namespace[0], q.Caller.Principal.Account)
	return map[string]any{"tableBucketARN": q.b.ARN(), "namespace": in.Namespace}, err
}

type namespaceShape struct {
	Namespace []string `json:"namespace"`
	Created   string   `json:"createdAt"`
	By        string   `json:"createdBy"`
	Owner     string   `json:"ownerAccountId"`
	ID        string   `json:"namespaceId"`
	Bucket    string   `json:"tableBucketId"`
}

func (n *Namespace) shape(b *Bucket) namespaceShape {
	return namespaceShape{[]string{n.Name}, iso(n.Created), n.By, b.Account, n.ID, b.ID}
}

func (s *Service) getNamespace(q *call) (any, error) {
	n, err := s.Namespace(q.b, q.ns)
	if err != nil {
		return nil, err
	}
	return n.shape(q.b), nil
}

func (s *Service) listNamespaces(q *call) (any, error) {
	limit, err := q.limit("maxNamespaces")
	if err != nil {
		return nil, err
	}
	all, err := s.Namespaces(q.b)
	if err != nil {
		return nil, err
	}
	out := struct {
		Namespaces []namespaceShape `json:"namespaces"`
		Next       string           `json:"continuationToken,omitempty"`
	}{Namespaces: []namespaceShape{}}
	all = prefixed(all, (*Namespace).name, q.query.Get("prefix"))
	all, out.Next = page(all, (*Namespace).name, q.query.Get("continuationToken"), limit)
	for _, n := range all {
		out.Namespaces = append(out.Namespaces, n.shape(q.b))
	}
	return out, nil
}

func (s *Service) deleteNamespace(q *call) (any, error) { return nil, s.DropNamespace(q.b, q.ns) }

// simpleSchema is the columns that CreateTable takes: primitives by name
// ("SchemaField", S3 Tables API Reference).
type simpleSchema struct {
	Fields []struct {
		ID       int    `json:"id,omitempty"`
		Name     string `json:"name"`
		Type     string `json:"type"`
		Required bool   `json:"required"`
	} `json:"fields"`
}

func (s *Service) putTable(q *call) (any, error) {
	var in struct {
		Name     string `json:"name"`
		Format   string `json:"format"`
		Metadata *struct {
			Iceberg *struct {
				Schema     *simpleSchema     `json:"schema"`
				SchemaV2   json.RawMessage   `json:"schemaV2"`
				Spec       json.RawMessage   `json:"partitionSpec"`
				Order      json.RawMessage   `json:"writeOrder"`
				Properties map[string]string `json:"properties"`
			} `json:"iceberg"`
		} `json:"metadata"`
	}
	if err := q.decode(&in); err != nil {
		return nil, err
	}
	if in.Format != "ICEBERG" {
		return nil, badRequest("format is ICEBERG, found %q", in.Format)
	}
	var d *iceberg.Definition
	if in.Metadata != nil && in.Metadata.Iceberg != nil {
		m := in.Metadata.Iceberg
		if m.SchemaV2 != nil || m.Spec != nil || m.Order != nil || m.Schema == nil {
			return nil, badRequest("The sandbox's CreateTable takes metadata.iceberg.schema and properties: nested types, partitions and orders are made through the Iceberg endpoint.")
		}
		for i := range m.Schema.Fields {
			if m.Schema.Fields[i].ID == 0 {
				m.Schema.Fields[i].ID = i + 1
			}
		}
		text, err := json.Marshal(m.Schema)
		if err != nil {
			return nil, err
		}
		d = &iceberg.Definition{Schema: text, Properties: m.Properties}
	}
	t, err := s.CreateTable(q.b, q.ns, in.Name, q.Caller.Principal.Account, d)
	if err != nil {
		return nil, err
	}
	return map[string]string{"tableARN": t.ARN(), "versionToken": t.Version}, nil
}

func (s *Service) getTable(q *call) (any, error) {
	t := q.t
	out := map[string]any{"name": t.Name, "type": "customer", "tableARN": t.ARN(), "namespace": []string{t.Namespace}, "versionToken": t.Version,
		"warehouseLocation": t.Location(), "createdAt": iso(t.Created), "createdBy": t.CreatedBy, "modifiedAt": iso(t.Modified), "modifiedBy": t.CreatedBy,
		"ownerAccountId": t.Account, "format": "ICEBERG", "tableBucketId": q.b.ID}
	if t.Metadata != "" {
		out["metadataLocation"] = t.Metadata
	}
	return out, nil
}

func (s *Service) listTables(q *call) (any, error) {
	limit, err := q.limit("maxTables")
	if err != nil {
		return nil, err
	}
	all, err := s.Tables(q.b, q.query.Get("namespace"))
	if err != nil {
		return nil, err
	}
	type shape struct {
		Namespace []string `json:"namespace"`
		Name      string   `json:"name"`
		Type      string   `json:"type"`
		ARN       string   `json:"tableARN"`
		Created   string   `json:"createdAt"`
		Modified  string   `json:"modifiedAt"`
		Bucket    string   `json:"tableBucketId"`
	}
	out := struct {
		Tables []shape `json:"tables"`
		Next   string  `json:"continuationToken,omitempty"`
	}{Tables: []shape{}}
	all = prefixed(all, func(t *Table) string { return t.Name }, q.query.Get("prefix"))
	all, out.Next = page(all, (*Table).path, q.query.Get("continuationToken"), limit)
	for _, t := range all {
		out.Tables = append(out.Tables, shape{[]string{t.Namespace}, t.Name, "customer", t.ARN(), iso(t.Created), iso(t.Modified), q.b.ID})
	}
	return out, nil
}

func (s *Service) deleteTable(q *call) (any, error) {
	return nil, s.DropTable(q.t, q.query.Get("versionToken"))
}

func (s *Service) renameTable(q *call) (any, error) {
	var in struct {
		Namespace string `json:"newNamespaceName"`
		Name      string `json:"newName"`
		Token     string `json:"versionToken"`
	}
	if err := q.decode(&in); err != nil {
		return nil, err
	}
	return nil, s.Rename(q.b, q.t, in.Namespace, in.Name, in.Token)
}

func (s *Service) getLocation(q *call) (any, error) {
	out := map[string]string{"versionToken": q.t.Version, "warehouseLocation": q.t.Location()}
	if q.t.Metadata != "" {
		out["metadataLocation"] = q.t.Metadata
	}
	return out, nil
}

func (s *Service) putLocation(q *call) (any, error) {
	var in struct {
		Token    string `json:"versionToken"`
		Location string `json:"metadataLocation"`
	}
	if err := q.decode(&in); err != nil {
		return nil, err
	}
	t, err := s.SetMetadata(q.t, in.Token, in.Location)
	if err != nil {
		return nil, err
	}
	return map[string]any{"name": t.Name, "tableARN": t.ARN(), "namespace": []string{t.Namespace}, "versionToken": t.Version, "metadataLocation": t.Metadata}, nil
}
