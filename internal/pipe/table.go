package pipe

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"lakeport/internal/engine"
	"lakeport/internal/lake"
	"lakeport/internal/sqlerr"
)

func (t *Table) excludes(column string) bool {
	return slices.ContainsFunc(t.Exclude, func(c string) bool { return strings.EqualFold(c, column) })
}

func (t *Table) column(name string) int {
	return slices.IndexFunc(t.Columns, func(c Column) bool { return strings.EqualFold(c.Name, name) })
}

// check ends the description of a table.
func (t *Table) check() error {
	for _, k := range t.Key {
		if t.column(k) < 0 {
			return sqlerr.New(sqlerr.Invalid, "the key column %s of %s is left out or not there", k, t.Source())
		}
	}
	if len(t.Columns) == 0 {
		return sqlerr.New(sqlerr.Invalid, "no column of %s is left", t.Source())
	}
	// StarRocks wants the columns of a key first.
	slices.SortStableFunc(t.Columns, func(a, b Column) int { return t.keyPlace(a.Name) - t.keyPlace(b.Name) })
	return nil
}

func (t *Table) keyPlace(column string) int {
	if i := slices.IndexFunc(t.Key, func(k string) bool { return strings.EqualFold(k, column) }); i >= 0 {
		return i
	}
	return len(t.Key)
}

func (t *Table) isKey(column string) bool { return t.keyPlace(column) < len(t.Key) }

// CreateStatement is the CREATE TABLE of the target, in StarRocks' words.
func (t *Table) CreateStatement() string {
	list := make([]string, len(t.Columns))
	for i, c := range t.Columns {
		list[i] = backquote(c.Name) + " " + c.Type
		if t.isKey(c.Name) {
			list[i] += " NOT NULL"
		}
	}
	key := ""
	if len(t.Key) > 0 {
		names := make([]string, len(t.Key))
		for i, k := range t.Key {
			names[i] = backquote(t.Columns[t.column(k)].Name)
		}
		key = " PRIMARY KEY (" + strings.Join(names, ", ") + ")"
	}
	return fmt.Sprintf("CREATE TABLE %s.%s (%s)%s", backquote(t.Database), backquote(t.Target), strings.Join(list, ", "), key)
}

// target is the table in the engine's SQL.
func (t *Table) target() string {
	return engine.Catalog + "." + lake.QuoteName(t.Database) + "." + lake.QuoteName(t.Target)
}

// names lists the columns for the engine.
func (t *Table) names() string {
	list := make([]string, len(t.Columns))
	for i, c := range t.Columns {
		list[i] = lake.QuoteName(c.Name)
	}
	return strings.Join(list, ", ")
}

// keyNames lists the columns of the key for the engine.
func (t *Table) keyNames() []string {
	list := make([]string, len(t.Key))
	for i, k := range t.Key {
		list[i] = lake.QuoteName(k)
	}
	return list
}

// feed is the source's rows: values as text, which the target's column types
// read.
func (t *Table) feed(s source, parts []part, slots chan struct{}) lake.Feed {
	f := t.columnsOnly()
	f.Parts = len(parts)
	f.Open = func(ctx context.Context, n int, columns []int) (lake.FeedReader, error) {
		select {
		case slots <- struct{}{}:
		case <-ctx.Done():
			return nil, context.Cause(ctx)
		}
		r, err := s.read(ctx, t, parts[n], columns)
		if err != nil {
			<-slots
			return nil, err
		}
		return &slotted{r, slots}, nil
	}
	return f
}

// columnsOnly is a feed of the table that has no rows yet.
func (t *Table) columnsOnly() (f lake.Feed) {
	for _, c := range t.Columns {
		f.Columns = append(f.Columns, lake.Column{Name: c.Name, Type: c.feedType()})
	}
	return f
}

// slotted gives its slot back when it is closed.
type slotted struct {
	lake.FeedReader
	slots chan struct{}
}

func (s *slotted) Close() error {
	defer func() { <-s.slots }()
	return s.FeedReader.Close()
}

// onePerKey lets one row of each key through where the pipe was given a key
// that is not the source's own.
func (t *Table) onePerKey() string {
	if !t.KeyGiven {
		return ""
	}
	return " QUALIFY row_number() OVER (PARTITION BY " + strings.Join(t.keyNames(), ", ") + ") = 1"
}
