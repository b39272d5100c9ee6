package catalog

import (
	"context"
	"fmt"
	"sort"

	"lakeport/internal/awsauth"
	"lakeport/internal/blob"
	"lakeport/internal/iam"
	"lakeport/internal/sqlerr"
)

// Storage is S3 as one identity: that of a catalog, or of a statement that
// brings its own properties.
type Storage struct {
	who      awsauth.Spec
	resolver *awsauth.Resolver
	objects  *blob.Client
	clause   string            // that names a region in the statement; empty: the property aws.s3.region
	see      func(iam.Request) // told of requests; nil: nobody watches
}

// Objects reads and writes the storage as its identity.
func (s *Storage) Objects() *blob.Client { return s.objects }

// ExplainS3 says why a request to the storage was refused.
func (s *Storage) ExplainS3(ctx context.Context, err error) error {
	return s.resolver.Explain(ctx, err, awsauth.Ask{Spec: s.who, Service: "s3", Clause: s.clause})
}

// Storage opens the storage that a statement's aws.s3.* properties name. It
// contacts nobody. text is the statement; other tells which further keys the
// statement itself understands, nil: none.
func (s *Store) Storage(props []Property, text string, other func(key string) bool) (*Storage, []string, error) {
	c := checker{text: text, props: map[string]string{}, at: map[string]Property{}}
	c.take(props)
	for key, p := range c.at {
		if awsauth.IsKey("aws.s3", key) || other != nil && other(key) {
			continue
		}
		near := sqlerr.Nearest(key, awsauth.Known("aws.s3"))
		if near != "" {
			near = fmt.Sprintf(": did you mean %q?", near)
		}
		c.fault(p.KeyPos, "unknown property %q%s", key, near)
	}
	var checked spec
	who := c.identity("aws.s3", &checked)
	sort.Strings(checked.warnings)
	return s.storage(who), checked.warnings, c.err()
}

func (s *Store) storage(who awsauth.Spec) *Storage {
	if s.watch != nil {
		return s.watchedStorage(who)
	}
	return &Storage{who: who, resolver: s.resolver, objects: s.objects.Client(s.resolver.Config(who, "s3"), blob.ClientOptions{
		Identity: who.Key(), PathStyle: who.PathStyle, Recheck: who.Recheck,
	})}
}

// StorageOf opens the storage as an identity that Redshift's clauses spell. It
// contacts nobody.
func (s *Store) StorageOf(who awsauth.Spec) *Storage {
	storage := s.storage(who)
	storage.clause = "REGION"
	return storage
}
