package catalog

import (
	"context"
	"encoding/json"
	"fmt"
	"sort"
	"sync"

	"lakeport/internal/awsauth"
	"lakeport/internal/blob"
	"lakeport/internal/engine"
	"lakeport/internal/secret"
	"lakeport/internal/sqlerr"
)

// Schema is the schema of the database file that holds lakeport's own records.
// Clients neither see nor reach it.
const Schema = "_lakeport"

// Store keeps the definitions in the database file, secrets sealed, and opens
// them on first use.
type Store struct {
	box      *secret.Box
	resolver *awsauth.Resolver
	objects  *blob.Store
	db       *engine.DB
	watch    *watch // nil: nobody watches

	mu   sync.Mutex // one writer; guards all below
	conn *engine.Conn
	open map[string]*Catalog

	repos map[string]*Repository
}

// Open reads the definitions that the database holds, through conn, which the
// store keeps. It contacts no AWS. Metadata in Parquet is read by db.
func Open(ctx context.Context, db *engine.DB, conn *engine.Conn, box *secret.Box, resolver *awsauth.Resolver, objects *blob.Store) (*Store, error) {
	s := &Store{box: box, resolver: resolver, objects: objects, db: db, conn: conn, open: map[string]*Catalog{}, repos: map[string]*Repository{}}
	for _, text := range []string{
		"CREATE SCHEMA IF NOT EXISTS " + engine.Catalog + "." + Schema,
		"CREATE TABLE IF NOT EXISTS " + table + " (name VARCHAR NOT NULL, definition BLOB NOT NULL)",
	} {
		if _, err := conn.Exec(ctx, text); err != nil {
			return nil, fmt.Errorf("prepare the catalogs' table: %w", err)
		}
	}
	if err := s.loadRepositories(ctx); err != nil {
		return nil, err
	}
	return s, s.load(ctx)
}

const table = engine.Catalog + "." + Schema + ".catalogs"

func (s *Store) load(ctx context.Context) error {
	return s.stored(ctx, table, "catalog", where, func(name string, plain []byte) error {
		var d Definition
		if err := json.Unmarshal(plain, &d); err != nil {
			return fmt.Errorf("read catalog %s: %w", name, err)
		}
		checked, err := check(d, "")
		if err != nil {
			return fmt.Errorf("check catalog %s: %w", name, err)
		}
		s.open[name] = s.build(d, checked)
		return nil
	})
}

// stored unseals each definition of a table; place is what binds it to its name.
func (s *Store) stored(ctx context.Context, table, what string, place func(string) string, each func(name string, plain []byte) error) error {
	rows, err := s.conn.Query(ctx, "SELECT name, definition FROM "+table)
	if err != nil {
		return fmt.Errorf("read the definitions of each %s: %w", what, err)
	}
	defer rows.Close()
	for {
		chunk, err := rows.Next(ctx)
		if err != nil || chunk == nil {
			return err
		}
		names, sealed := chunk.Columns[0].Strings(), chunk.Columns[1].Strings()
		for i := range chunk.Rows {
			name := string(names[i].Bytes())
			plain, err := s.box.Unseal(sealed[i].Bytes(), place(name))
			if err != nil {
				return fmt.Errorf("unseal %s %s: %w", what, name, err)
			}
			if err := each(name, plain); err != nil {
				return err
			}
		}
	}
}

// where binds a sealed definition to its place.
func where(name string) string { return "catalog/" + name }

// Create checks and stores a definition; text is its statement, for positions.
// The warnings tell what is accepted without effect.
func (s *Store) Create(ctx context.Context, d Definition, text string, ifNotExists bool) (warnings []string, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if d.Name == Internal {
		return nil, sqlerr.New(sqlerr.Invalid, "External catalog name can't be the same as internal catalog name '%s'", Internal)
	}
	if s.open[d.Name] != nil {
		if ifNotExists {
			return nil, nil
		}
		return nil, sqlerr.New(sqlerr.Exists, "Catalog '%s' already exists", d.Name).With(sqlerr.CatalogExists)
	}
	checked, err := check(d, text)
	if err != nil {
		return nil, err
	}
	return checked.warnings, s.save(ctx, d, checked)
}

// Alter sets properties of a catalog. They hold from the next statement on:
// sessions and cached permissions of the old definition are not used again.
func (s *Store) Alter(ctx context.Context, name string, set []Property, text string) (warnings []string, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	c := s.open[name]
	if c == nil {
		return nil, unknown(name)
	}
	d := Definition{Name: name, Type: c.def.Type, Comment: c.def.Comment}
	changed := map[string]bool{}
	for _, p := range set {
		changed[p.Key] = true
	}
	for _, p := range c.def.Properties {
		if !changed[p.Key] {
			d.Properties = append(d.Properties, p)
		}
	}
	d.Properties = append(d.Properties, set...)
	checked, err := check(d, text)
	if err != nil {
		return nil, err
	}
	return checked.warnings, s.save(ctx, d, checked)
}

// save replaces the stored definition, then the open catalog.
func (s *Store) save(ctx context.Context, d Definition, checked spec) error {
	for i := range d.Properties { // positions mean nothing without the text
		d.Properties[i].KeyPos, d.Properties[i].ValuePos = -1, -1
		if d.Properties[i].Key == "type" {
			d.Type = d.Properties[i].Value
		}
	}
	plain, err := json.Marshal(d)
	if err != nil {
		return err
	}
	err = s.conn.InTx(ctx, func(c *engine.Conn) error {
		if _, err := c.Exec(ctx, "DELETE FROM "+table+" WHERE name = ?", d.Name); err != nil {
			return err
		}
		_, err := c.Exec(ctx, "INSERT INTO "+table+" VALUES (?, ?)", d.Name, s.box.Seal(plain, where(d.Name)))
		return err
	})
	if err != nil {
		return fmt.Errorf("store catalog %s: %w", d.Name, err)
	}
	s.open[d.Name] = s.build(d, checked)
	return nil
}

// Drop forgets a catalog and its sessions. No data is touched.
func (s *Store) Drop(ctx context.Context, name string, ifExists bool) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if name == Internal {
		return sqlerr.New(sqlerr.Invalid, "Can't drop the default internal catalog")
	}
	c := s.open[name]
	if c == nil {
		if ifExists {
			return nil
		}
		return unknown(name)
	}
	if _, err := s.conn.Exec(ctx, "DELETE FROM "+table+" WHERE name = ?", name); err != nil {
		return fmt.Errorf("drop catalog %s: %w", name, err)
	}
	c.Forget()
	delete(s.open, name)
	return nil
}

// Get gives an open external catalog.
func (s *Store) Get(name string) (*Catalog, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	c := s.open[name]
	if c == nil {
		return nil, unknown(name)
	}
	return c, nil
}

// All lists the external catalogs by name.
func (s *Store) All() []*Catalog {
	s.mu.Lock()
	defer s.mu.Unlock()
	list := make([]*Catalog, 0, len(s.open))
	for _, c := range s.open {
		list = append(list, c)
	}
	sort.Slice(list, func(i, j int) bool { return list[i].def.Name < list[j].def.Name })
	return list
}

func unknown(name string) error {
	return sqlerr.New(sqlerr.NotFound, "Unknown catalog '%s'", name).With(sqlerr.BadCatalog)
}

// Base tells as whom the process itself would call AWS: by the default chain
// and by the instance profile.
func (s *Store) Base(ctx context.Context) []Identity {
	var list []Identity
	for _, source := range []awsauth.Source{awsauth.Default, awsauth.InstanceProfile} {
		list = append(list, identity(ctx, s.resolver, "", "sts", awsauth.Spec{Source: source, Region: "us-east-1"}))
	}
	return list
}

// Close ends the store's connection.
func (s *Store) Close() { s.conn.Close() }
