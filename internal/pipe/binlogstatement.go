package pipe

import (
	"regexp"
	"slices"
	"strings"

	"github.com/go-mysql-org/go-mysql/replication"

	"lakeport/internal/sqlerr"
	"lakeport/internal/syntax"
)

// Statements stand in the log for the frame of transactions on tables without
// any, and for definitions, which change tables without an event for each row.

// query reads a statement of the log. What it does to a table of the pipe is
// followed or ends the stream; nothing of that passes unseen.
func (b *binlog) query(e *replication.QueryEvent) (*transaction, error) {
	toks, err := syntax.Scan(string(e.Query), syntax.StarRocks)
	if err != nil {
		if t := b.mentioned(string(e.Query)); t != nil {
			return nil, sqlerr.New(sqlerr.Unsupported, "a statement of the source that may change %s is not understood: %s", t.Source(), err).WithHint("make the pipe anew")
		}
	}
	w := words{toks}
	if w.skip("SET", "STATEMENT") { // MariaDB: SET STATEMENT variable = value FOR ..
		for len(w.toks) > 0 && !w.skip("FOR") {
			w.toks = w.toks[1:]
		}
	}
	switch {
	case len(w.toks) == 0:
	case w.skip("BEGIN"), w.skip("XA", "START"), w.skip("XA", "BEGIN"), w.skip("START", "TRANSACTION"):
		b.within = true
		return nil, nil
	case w.skip("COMMIT"), w.skip("XA", "COMMIT"):
		return b.commit(e.GSet), nil
	case w.skip("ROLLBACK"), w.skip("XA", "ROLLBACK"):
		if len(b.open) > 0 { // logged only where tables without transactions took part
			return nil, sqlerr.New(sqlerr.Unsupported, "a transaction that was rolled back has changed %s, whose changes may stay: that is not followed", b.open[0].table.Source()).WithHint("make the pipe anew, of tables with transactions only (InnoDB)")
		}
		return b.commit(e.GSet), nil
	default:
		if err := b.statement(w, string(e.Schema)); err != nil {
			return nil, err
		}
		if n := len(toks); n > 2 && toks[n-2].Is("START") && toks[n-1].Is("TRANSACTION") { // CREATE TABLE .. SELECT in MySQL: its rows follow
			b.within = true
		}
	}
	if b.within {
		return nil, nil
	}
	return b.commit(e.GSet), nil
}

// words are what is left of a statement.
type words struct{ toks []syntax.Token }

// skip takes the words if they come next.
func (w *words) skip(list ...string) bool {
	if len(w.toks) < len(list) {
		return false
	}
	for i, word := range list {
		if !w.toks[i].Is(word) {
			return false
		}
	}
	w.toks = w.toks[len(list):]
	return true
}

// name takes [schema.]name.
func (w *words) name(schema string) (in, name string) {
	is := func(i int) bool { // a string is a name where sql_mode has ANSI_QUOTES
		return len(w.toks) > i && (w.toks[i].Kind == syntax.Word || w.toks[i].Kind == syntax.Quoted || w.toks[i].Kind == syntax.String)
	}
	switch {
	case is(0) && is(2) && w.toks[1].Is("."):
		in, name = w.toks[0].Value(), w.toks[2].Value()
		w.toks = w.toks[3:]
	case is(0):
		in, name = schema, w.toks[0].Value()
		w.toks = w.toks[1:]
	}
	return in, name
}

// table takes a name and tells which table of the pipe it is, if any. Letters
// compare without case, for some servers keep tables so; what stops a pipe
// without need is better than what it misses.
func (b *binlog) named(w *words, schema string) *Table {
	in, name := w.name(schema)
	i := slices.IndexFunc(b.tables, func(t Table) bool { return strings.EqualFold(t.Schema, in) && strings.EqualFold(t.Name, name) })
	if i < 0 {
		return nil
	}
	return &b.tables[i]
}

// mentioned finds a table of the pipe in a text.
func (b *binlog) mentioned(text string) *Table {
	i := slices.IndexFunc(b.tables, func(t Table) bool { return strings.Contains(strings.ToLower(text), strings.ToLower(t.Name)) })
	if i < 0 {
		return nil
	}
	return &b.tables[i]
}

func notFollowed(what string, t *Table) error {
	return sqlerr.New(sqlerr.Unsupported, "%s of %s in the source is not followed", what, t.Source()).WithHint("make the pipe anew")
}

func asStatement(what string) error {
	return sqlerr.New(sqlerr.Invalid, "%s is logged as a statement, not as rows", what).WithHint("set binlog_format = ROW in the parameter group, and make the pipe anew")
}

// statement follows a definition, or refuses it.
func (b *binlog) statement(w words, schema string) error {
	switch {
	case w.skip("TRUNCATE"):
		w.skip("TABLE")
		if t := b.named(&w, schema); t != nil {
			b.open = append(b.open, change{table: t, kind: truncate})
		}
	case w.skip("DROP", "DATABASE"), w.skip("DROP", "SCHEMA"):
		w.skip("IF", "EXISTS")
		_, name := w.name("")
		if i := slices.IndexFunc(b.tables, func(t Table) bool { return strings.EqualFold(t.Schema, name) }); i >= 0 {
			return notFollowed("DROP DATABASE", &b.tables[i])
		}
	case w.skip("DROP", "TABLE"), w.skip("DROP", "TABLES"):
		w.skip("IF", "EXISTS")
		for {
			if t := b.named(&w, schema); t != nil {
				return notFollowed("DROP TABLE", t)
			}
			if !w.skip(",") {
				return nil
			}
		}
	case w.skip("CREATE", "OR", "REPLACE", "TABLE"):
		if t := b.named(&w, schema); t != nil {
			return notFollowed("CREATE OR REPLACE TABLE", t)
		}
	case w.skip("RENAME", "TABLE"), w.skip("RENAME", "TABLES"):
		w.skip("IF", "EXISTS")
		return b.rename(w, schema)
	case w.skip("ALTER"):
		for w.skip("ONLINE") || w.skip("OFFLINE") || w.skip("IGNORE") {
		}
		if w.skip("TABLE") {
			w.skip("IF", "EXISTS")
			if t := b.named(&w, schema); t != nil {
				return b.alter(t, w.toks)
			}
		}
	case w.skip("INSERT"), w.skip("UPDATE"), w.skip("DELETE"), w.skip("REPLACE"), w.skip("LOAD"), w.skip("WITH"):
		for len(w.toks) > 0 {
			rest := words{w.toks}
			if t := b.named(&rest, schema); t != nil {
				return asStatement("a change of " + t.Source())
			}
			w.toks = w.toks[1:]
		}
	}
	return nil
}

// rename follows the exchange by which the tools of online schema changes end,
// which leaves the rows as they are: gh-ost moves t to _t_del and _t_gho to t,
// pt-online-schema-change t to _t_old and _t_new to t, each in one statement.
func (b *binlog) rename(w words, schema string) error {
	away, back := map[*Table]string{}, map[*Table]string{}
	for {
		from, old := w, w
		source := b.named(&from, schema)
		_, oldName := old.name(schema)
		for len(from.toks) > 0 && !from.skip("TO") { // WAIT n of MariaDB
			from.toks = from.toks[1:]
		}
		to := from
		target := b.named(&from, schema)
		_, newName := to.name(schema)
		if source != nil {
			away[source] = newName
		}
		if target != nil {
			back[target] = oldName
		}
		if w = from; !w.skip(",") {
			break
		}
	}
	for _, some := range []map[*Table]string{away, back} {
		for t := range some {
			name := regexp.QuoteMeta(t.Name)
			if !regexp.MustCompile(`(?i)^_+`+name+`_(\d+_)?(del|old)$`).MatchString(away[t]) || !regexp.MustCompile(`(?i)^_+`+name+`_(gho|new)$`).MatchString(back[t]) {
				return notFollowed("RENAME TABLE", t)
			}
			b.swapped[t] = b.gone[t]
		}
	}
	return nil
}

// renamedColumn is the error of a column that has a new name.
type renamedColumn struct {
	table    *Table
	old, new string
}

func (e *renamedColumn) Error() string {
	return "column " + e.old + " of " + e.table.Source() + " is now " + e.new
}

// clauses cuts the actions of ALTER TABLE at the commas between them.
func clauses(toks []syntax.Token) (list []words) {
	depth, from := 0, 0
	for i, tok := range toks {
		switch {
		case tok.Is("("):
			depth++
		case tok.Is(")"):
			depth--
		case tok.Is(",") && depth == 0:
			list, from = append(list, words{toks[from:i]}), i+1
		}
	}
	return append(list, words{toks[from:]})
}

// alter judges ALTER TABLE. Columns that are added, dropped or of another type
// are seen by the rows that follow.
func (b *binlog) alter(t *Table, toks []syntax.Token) error {
	var renamed []*renamedColumn
	for _, c := range clauses(toks) {
		all := c.toks
		switch {
		case c.skip("CHANGE"):
			c.skip("COLUMN")
			c.skip("IF", "EXISTS")
			_, old := c.name("")
			_, name := c.name("")
			renamed = append(renamed, &renamedColumn{t, old, name})
		case c.skip("RENAME", "COLUMN"):
			c.skip("IF", "EXISTS")
			_, old := c.name("")
			c.skip("TO")
			_, name := c.name("")
			renamed = append(renamed, &renamedColumn{t, old, name})
		case c.skip("RENAME", "INDEX"), c.skip("RENAME", "KEY"):
		case c.skip("RENAME"):
			return notFollowed("RENAME", t)
		case c.skip("DROP", "PARTITION"), c.skip("TRUNCATE", "PARTITION"), c.skip("EXCHANGE", "PARTITION"), c.skip("CONVERT", "PARTITION"), c.skip("CONVERT", "TABLE"):
			return notFollowed("ALTER TABLE .. "+strings.ToUpper(all[0].Text+" "+all[1].Text), t)
		case c.skip("DISCARD"), c.skip("IMPORT"):
			return notFollowed("ALTER TABLE .. "+strings.ToUpper(all[0].Text)+" TABLESPACE", t)
		}
		for i := range all {
			rest := words{all[i:]}
			switch {
			case rest.skip("PRIMARY", "KEY") && !t.KeyGiven:
				return notFollowed("a change of the primary key", t)
			case rest.skip("ON", "DELETE", "CASCADE"), rest.skip("ON", "UPDATE", "CASCADE"), rest.skip("ON", "DELETE", "SET"), rest.skip("ON", "UPDATE", "SET"):
				return unlogged(t, "a new foreign key")
			}
		}
	}
	for _, r := range renamed {
		if strings.EqualFold(r.old, r.new) || t.column(r.old) < 0 || t.excludes(r.old) {
			continue // excluded, or followed already before a stop
		}
		if t.column(r.new) >= 0 || t.excludes(r.new) || slices.ContainsFunc(renamed, func(o *renamedColumn) bool { return o != r && strings.EqualFold(o.new, r.old) }) {
			return notFollowed("the exchange of columns' names", t)
		}
		return r
	}
	return nil
}

// unlogged refuses what the log does not tell of: rows that a foreign key
// changes (MySQL, "Replication and Row Changes by Foreign Keys": the storage
// engine makes them, beneath the log).
func unlogged(t *Table, key string) error {
	return sqlerr.New(sqlerr.Unsupported, "%s of %s lets the source delete or change rows by CASCADE or SET, which its binary log does not tell of", key, t.Source()).
		WithHint("load the table only: MODE INITIAL_LOAD, or replace the rule of the foreign key in the source by RESTRICT")
}
