package session

import (
	"context"
	"crypto/rand"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"lakeport/internal/dialect"
	"lakeport/internal/engine"
	"lakeport/internal/lake"
	"lakeport/internal/sqlerr"
	"lakeport/internal/syntax"
)

// declare adds the columns of a CREATE TABLE or ADD COLUMN to those that
// d has. Expressions are read last, since they may use all other columns.
func (c *session) declare(ctx context.Context, d *definition, list []syntax.ColumnDef, text string) error {
	for _, col := range list {
		if d.index(col.Name.Name) >= 0 {
			return sqlerr.New(sqlerr.Exists, "Duplicate column name '%s'", col.Name.Name).With(sqlerr.Code{MySQL: 1060, State: "42S21"}).WithPos(text, int(col.Name.Pos))
		}
		said, err := c.column(ctx, col, text)
		if err != nil {
			return err
		}
		d.Columns = append(d.Columns, said)
	}
	for _, col := range list {
		if col.Generated.IsZero() {
			continue
		}
		said := &d.Columns[d.index(col.Name.Name)]
		if err := c.computed(ctx, d, said, col, text); err != nil {
			return err
		}
	}
	return nil
}

// column reads one column; its GENERATED expression is computed's.
func (c *session) column(ctx context.Context, col syntax.ColumnDef, text string) (declared, error) {
	if err := refusedColumn(col, text); err != nil {
		return declared{}, err
	}
	t, spelled, err := columnType(col.Type)
	if err != nil {
		return declared{}, sqlerr.From(err).WithPos(text, int(col.Type.Pos))
	}
	said := declared{Name: col.Name.Name, Type: spelled, Engine: t.String(), Length: length(col.Type), NotNull: col.Null == syntax.NotNull}
	if col.Comment != nil {
		said.Comment = col.Comment.Value
	}
	switch {
	case col.AutoIncrement:
		if t.Kind != lake.BigInt && (c.pg == nil || t.Kind != lake.Integer) { // Redshift's IDENTITY may be an INT too
			return said, sqlerr.New(sqlerr.Invalid, "The AUTO_INCREMENT column must be BIGINT").WithPos(text, int(col.Type.Pos))
		}
		said.NotNull = true
	case !col.Default.IsZero():
		shown, sql, err := defaultValue(col.Default, t, text)
		if err != nil {
			return said, err
		}
		said.Default, said.DefaultSQL = shown, sql
		if why := c.misfit(ctx, said); why != "" {
			return said, sqlerr.New(sqlerr.Invalid, "Invalid default value for '%s': %s", said.Name, why).
				With(sqlerr.Code{MySQL: 1067, State: "42000"}).WithPos(text, int(col.Default.Pos))
		}
	}
	return said, nil
}

// misfit tells why a column cannot hold its own default, "" if it can.
func (c *session) misfit(ctx context.Context, col declared) string {
	if col.DefaultSQL == "" {
		if col.NotNull {
			return "the column is NOT NULL"
		}
		return ""
	}
	_, err := c.conn.Exec(ctx, "SELECT "+col.DefaultSQL)
	switch {
	case err != nil:
		return sqlerr.From(err).Msg
	case col.Length > 0 && len(*col.Default) > col.Length && strings.Contains(col.DefaultSQL, "'"):
		return fmt.Sprintf("it is longer than %d bytes", col.Length)
	}
	return ""
}

// refusedColumn names what a column cannot be or cannot be yet.
func refusedColumn(col syntax.ColumnDef, text string) error {
	at := func(e *sqlerr.Error, pos syntax.Pos) error { return e.WithPos(text, int(pos)) }
	invalid := func(pos syntax.Pos, what string) error {
		return at(sqlerr.New(sqlerr.Invalid, "column %s: %s", col.Name.Name, what), pos)
	}
	switch {
	case col.Aggregate != "":
		return at(sqlerr.New(sqlerr.Unsupported, "aggregate type %s is not built yet", col.Aggregate), col.Name.Pos)
	case strings.HasPrefix(col.Name.Name, "__op") || strings.HasPrefix(col.Name.Name, "__row"):
		return at(sqlerr.New(sqlerr.Invalid, "column names that start with __op or __row are reserved"), col.Name.Pos)
	case col.AutoIncrement && col.Null == syntax.Null:
		return invalid(col.Name.Pos, "an AUTO_INCREMENT column cannot be NULL")
	case col.AutoIncrement && !col.Default.IsZero():
		return invalid(col.Default.Pos, "an AUTO_INCREMENT column has no DEFAULT")
	case !col.Generated.IsZero() && (col.AutoIncrement || !col.Default.IsZero() || col.Key || col.PrimaryKey):
		return invalid(col.Generated.Pos, "a generated column has no DEFAULT and no AUTO_INCREMENT and is no key")
	case !col.Generated.IsZero() && col.Null == syntax.NotNull:
		return invalid(col.Generated.Pos, "a generated column is always NULL-able")
	}
	return nil
}

// changing are functions whose value is not that of their arguments alone.
var changing = []string{"now", "current_timestamp", "localtimestamp", "current_date", "curdate", "current_time", "curtime", "localtime", "utc_timestamp",
	"utc_time", "unix_timestamp", "rand", "random", "uuid", "uuid_numeric", "user", "session_user", "current_user", "current_role", "database", "schema",
	"catalog", "connection_id", "last_query_id", "sleep"}

// computed translates the expression of a generated column and tries it
// against the table's other columns.
func (c *session) computed(ctx context.Context, d *definition, said *declared, col syntax.ColumnDef, text string) error {
	toks, err := syntax.Scan(col.Generated.Text, syntax.StarRocks)
	if err != nil {
		return err
	}
	for _, t := range toks {
		if t.Kind == syntax.UserVar || t.Kind == syntax.SystemVar || slices.ContainsFunc(changing, t.Is) {
			return sqlerr.New(sqlerr.Invalid, "the generated column %s cannot use %s, whose value changes", said.Name, t.Text).WithPos(text, int(col.Generated.Pos)+t.Pos)
		}
	}
	sql, err := c.condition(ctx, " AS x, ", col.Generated, text)
	if err != nil {
		return err
	}
	said.Generated = &expression{Text: col.Generated.Text, SQL: sql}
	var fields []string
	for _, other := range d.stored() {
		fields = append(fields, "CAST(NULL AS "+other.Engine+") AS "+lake.QuoteName(other.Name))
	}
	const head = "SELECT ("
	probe, err := c.conn.Prepare(ctx, head+sql+") FROM (SELECT "+strings.Join(fields, ", ")+")")
	if err != nil {
		e := *sqlerr.From(knownFunction(err))
		return e.WithPos(text, int(col.Generated.Pos))
	}
	probe.Close()
	return nil
}

// sequences makes the engine's sequence of an AUTO_INCREMENT column that has
// none yet.
func (c *session) sequences(ctx context.Context, n tableName, d *definition) error {
	for i := range d.Columns {
		col := &d.Columns[i]
		if col.AutoIncrement == "" || col.DefaultSQL != "" {
			continue
		}
		if _, err := c.conn.Exec(ctx, "CREATE SEQUENCE "+col.AutoIncrement); err != nil {
			return err
		}
		col.DefaultSQL = "nextval(" + lake.QuoteString(col.AutoIncrement) + ")"
	}
	return nil
}

// sequenceName gives a new sequence beside a table. Its name is never reused,
// so that a table may be renamed and another take its name.
func sequenceName(n tableName) string {
	return engine.Catalog + "." + lake.QuoteName(n.database) + "." + lake.QuoteName("lakeport_"+strings.ToLower(rand.Text()))
}

// The longest strings that a column may hold, in bytes (starrocks.io, "CHAR"
// and "VARCHAR").
const (
	maxChar    = 255
	maxVarchar = 1048576
)

// length is the declared length of a string in bytes, 0 if it has none.
func length(t syntax.Type) int {
	switch t.Name {
	case "CHAR", "VARCHAR", "BINARY", "VARBINARY":
		if len(t.Args) > 0 {
			return max(t.Args[0], 0)
		}
	}
	if t.Name == "CHAR" || t.Name == "VARCHAR" {
		return 1 // StarRocks' VARCHAR without a length
	}
	return 0
}

// timesOfRedshift are types that StarRocks does not have. Only Redshift's parser
// gives types of these names.
var timesOfRedshift = map[string]lake.Kind{"TIMESTAMP WITH TIME ZONE": lake.TimestampTZ, "TIME WITH TIME ZONE": lake.TimeTZ}

// columnType gives the engine's type of a column, with StarRocks' own spelling
// beside it.
func columnType(t syntax.Type) (lake.Type, string, error) {
	if kind, zoned := timesOfRedshift[t.Name]; zoned {
		return lake.Type{Kind: kind}, strings.ToLower(t.Name), nil
	}
	typ, err := dialect.TypeOf(t)
	if err == nil && t.Unsigned {
		err = sqlerr.New(sqlerr.Unsupported, "UNSIGNED is not a StarRocks column type").WithHint("use the next larger type")
	}
	if err != nil {
		return lake.Type{}, "", err
	}
	switch t.Name {
	case "CHAR", "VARCHAR", "BINARY", "VARBINARY":
		n := length(t)
		if limit := map[bool]int{true: maxChar, false: maxVarchar}[t.Name == "CHAR"]; n > limit {
			return lake.Type{}, "", sqlerr.New(sqlerr.Invalid, "%s(%d): the length must be 1 to %d bytes", t.Name, n, limit)
		}
		switch {
		case n == 0 && t.Name != "CHAR" && t.Name != "VARCHAR":
		case len(t.Args) > 0 && t.Args[0] < 0: // VARCHAR(*)
			return typ, "varchar(1048576)", nil
		default:
			return typ, fmt.Sprintf("%s(%d)", strings.ToLower(t.Name), n), nil
		}
	}
	return typ, dialect.TypeName(typ, false), nil
}

// defaultValue gives a DEFAULT as SHOW tells it and as the engine's SQL, which
// is "" for NULL. Besides literals StarRocks has the current time and uuid()
// (starrocks.io, "CREATE TABLE"). The SQL uses the engine's own functions only:
// it is read when the database opens, before there are any others.
func defaultValue(f syntax.Fragment, t lake.Type, text string) (shown *string, sql string, err error) {
	expr := strings.TrimSpace(f.Text)
	for strings.HasPrefix(expr, "(") && strings.HasSuffix(expr, ")") {
		expr = strings.TrimSpace(expr[1 : len(expr)-1])
	}
	name, args, called := strings.Cut(strings.TrimSuffix(strings.ToLower(strings.ReplaceAll(expr, " ", "")), ")"), "(")
	value := ""
	switch v, literal := (syntax.Fragment{Text: expr}).Literal(); {
	case name == "null" && !called:
		return nil, "", nil
	case name == "current_timestamp", called && (name == "now" || name == "localtimestamp"):
		digits, err := strconv.Atoi("0" + args)
		if err != nil || digits > 6 {
			return nil, "", sqlerr.New(sqlerr.Invalid, "the precision of %s is 0 to 6", f.Text).WithPos(text, int(f.Pos))
		}
		unit := 1
		for range 6 - digits {
			unit *= 10
		}
		value = fmt.Sprintf("make_timestamp(epoch_us(CAST(now() AS TIMESTAMP)) // %d * %d)", unit, unit)
	case called && name == "uuid" && args == "":
		value = "uuid()"
	case literal:
		return &v, "CAST(" + lake.QuoteString(v) + " AS " + t.String() + ")", nil
	default:
		return nil, "", sqlerr.New(sqlerr.Unsupported, "DEFAULT %s is not supported", f.Text).
			WithHint("a default is a literal, CURRENT_TIMESTAMP or uuid()").WithPos(text, int(f.Pos))
	}
	return &f.Text, "CAST(" + value + " AS " + t.String() + ")", nil
}
