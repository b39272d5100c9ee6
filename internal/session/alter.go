package session

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"lakeport/internal/lake"
	"lakeport/internal/sqlerr"
	"lakeport/internal/syntax"
	"lakeport/internal/wire"
)

// alteration is an ALTER TABLE under way: what the definition becomes, and
// where the values of its columns come from.
type alteration struct {
	c     *session
	text  string
	t     *described
	def   *definition
	from  map[string]string // old column of a new one, by lower-case name
	gone  []string          // conditions of rows that go
	moved bool              // the engine's table must be made again
}

// alterTable changes the definition action by action and then, once, the
// table: where columns or partitions change, rows move into a new one, in the
// same transaction. Either all actions are done or none.
func (c *session) alterTable(ctx context.Context, st *syntax.AlterTable, text string, w wire.ResultWriter) error {
	t, err := c.target(ctx, st.Table, "ALTER TABLE", text)
	if err != nil {
		return err
	}
	a := &alteration{c: c, text: text, t: t, def: t.def.clone(), from: map[string]string{}}
	for _, col := range t.def.Columns {
		a.from[strings.ToLower(col.Name)] = col.Name
	}
	err = c.atomically(ctx, func() error {
		for _, action := range st.Actions {
			if action.Op == syntax.RenameTable || action.Op == syntax.SwapTable {
				if len(st.Actions) > 1 {
					return sqlerr.New(sqlerr.Unsupported, "renaming a table together with other changes is not supported").WithPos(text, int(action.Pos))
				}
				return a.rename(ctx, action)
			}
			if err := a.do(ctx, action); err != nil {
				return err
			}
		}
		return a.apply(ctx)
	})
	if why := refusedRow(err); why != "" {
		return sqlerr.New(sqlerr.Invalid, "the rows do not fit the table as it would be: %s", why)
	}
	if err != nil {
		return err
	}
	return w.Done(wire.Done{Tag: "ALTER TABLE", Warnings: len(c.warnings)})
}

func (a *alteration) refuse(pos syntax.Pos, format string, args ...any) error {
	return sqlerr.New(sqlerr.Invalid, format, args...).WithPos(a.text, int(pos))
}

// do applies one action to the definition.
func (a *alteration) do(ctx context.Context, act syntax.AlterAction) error {
	switch act.Op {
	case syntax.AddColumns:
		return a.addColumns(ctx, act)
	case syntax.DropColumn:
		return a.dropColumn(act)
	case syntax.ModifyColumn:
		return a.modifyColumn(ctx, act)
	case syntax.RenameColumn:
		return a.renameColumn(act)
	case syntax.SetComment:
		a.def.Comment = act.Comment.Value
	case syntax.SetProperties:
		if err := a.c.tableProperties(act.Properties, a.text); err != nil {
			return err
		}
		for _, p := range act.Properties {
			a.def.setProperty(p.Key.Value, p.Value.Value)
		}
	case syntax.AddPartitions:
		if act.Distribution != nil {
			return sqlerr.New(sqlerr.Unsupported, "DISTRIBUTED BY of a partition is not supported").WithPos(a.text, int(act.Distribution.Pos))
		}
		a.moved = true
		return a.c.addPartitions(ctx, a.def, act.Partition, a.text)
	case syntax.DropPartitions, syntax.TruncatePartitions:
		return a.dropPartitions(act)
	case syntax.RenamePartition:
		i := a.def.partitionIndex(act.Column.Name)
		switch {
		case i < 0:
			return unknownPartition(act.Column, a.t.name, a.text)
		case a.def.partitionIndex(act.NewName.Name) >= 0:
			return a.refuse(act.NewName.Pos, "Duplicate partition name %s", act.NewName.Name)
		}
		a.def.Partitions[i].Name = act.NewName.Name
	}
	return nil
}

func (a *alteration) addColumns(ctx context.Context, act syntax.AlterAction) error {
	before := len(a.def.Columns)
	for _, col := range act.Columns {
		if col.Key || col.PrimaryKey || col.AutoIncrement {
			what := map[bool]string{true: "an AUTO_INCREMENT column", false: "a key column"}[col.AutoIncrement]
			return sqlerr.New(sqlerr.Unsupported, "adding %s is not supported", what).WithPos(a.text, int(col.Name.Pos))
		}
	}
	if err := a.c.declare(ctx, a.def, act.Columns, a.text); err != nil {
		return err
	}
	a.moved = true
	added := slices.Clone(a.def.Columns[before:])
	return a.place(act, before, added)
}

// place moves columns from where they are to where the action wants them.
func (a *alteration) place(act syntax.AlterAction, from int, cols []declared) error {
	to := from
	switch {
	case act.First:
		to = 0
	case act.After != nil:
		i := a.def.index(act.After.Name)
		if i < 0 || i >= from && i < from+len(cols) {
			return unknownColumn(act.After.Name, "'"+a.t.name.table+"'", a.text, act.After.Pos)
		}
		if to = i + 1; i > from {
			to -= len(cols)
		}
	}
	a.def.Columns = slices.Insert(slices.Delete(a.def.Columns, from, from+len(cols)), to, cols...)
	for i, k := range a.def.Keys {
		if !strings.EqualFold(a.def.Columns[i].Name, k) {
			return a.refuse(act.Pos, "key columns must stay the first columns of the table, in order")
		}
	}
	return nil
}

// used tells what else of the table needs a column, "" if nothing does.
func (a *alteration) used(name string) string {
	for _, col := range a.def.Columns {
		if col.Generated != nil && mentions(col.Generated.Text, name) {
			return "the generated column " + col.Name
		}
	}
	switch {
	case mentions(a.def.Partition, name):
		return "PARTITION BY"
	case mentions(a.def.Distribution, name):
		return "DISTRIBUTED BY"
	case slices.ContainsFunc(a.def.OrderBy, func(k string) bool { return strings.EqualFold(k, name) }):
		return "ORDER BY"
	}
	return ""
}

func (a *alteration) find(name syntax.Ident) (int, error) {
	i := a.def.index(name.Name)
	if i < 0 {
		return i, unknownColumn(name.Name, "'"+a.t.name.table+"'", a.text, name.Pos)
	}
	return i, nil
}

func (a *alteration) dropColumn(act syntax.AlterAction) error {
	i, err := a.find(act.Column)
	if err != nil {
		return err
	}
	name := a.def.Columns[i].Name
	by := a.used(name)
	switch {
	case a.def.isKey(name) && a.def.upserts():
		by = "the " + strings.ToLower(a.def.Model) + " key"
	case len(a.def.stored()) == 1 && a.def.Columns[i].Generated == nil:
		by = "the table, which has no other,"
	}
	if by != "" {
		return a.refuse(act.Column.Pos, "column %s cannot be dropped: %s needs it", name, by)
	}
	a.def.Keys = slices.DeleteFunc(a.def.Keys, func(k string) bool { return strings.EqualFold(k, name) })
	a.def.Columns = slices.Delete(a.def.Columns, i, i+1)
	delete(a.from, strings.ToLower(name))
	a.moved = true
	return nil
}

// modifyColumn gives a column another type, default, comment or place. Values
// are converted, and none may lose anything.
func (a *alteration) modifyColumn(ctx context.Context, act syntax.AlterAction) error {
	col := act.Columns[0]
	i, err := a.find(col.Name)
	if err != nil {
		return err
	}
	old := a.def.Columns[i]
	said, err := a.c.column(ctx, col, a.text)
	if err != nil {
		return err
	}
	switch {
	case (old.Generated != nil) != !col.Generated.IsZero() || !col.Generated.IsZero():
		return sqlerr.New(sqlerr.Unsupported, "MODIFY of a generated column is not supported: drop and add it").WithPos(a.text, int(col.Name.Pos))
	case col.AutoIncrement != (old.AutoIncrement != ""):
		return sqlerr.New(sqlerr.Unsupported, "AUTO_INCREMENT cannot be given or taken by MODIFY").WithPos(a.text, int(col.Name.Pos))
	case col.PrimaryKey:
		return sqlerr.New(sqlerr.Unsupported, "MODIFY cannot change the key").WithPos(a.text, int(col.Name.Pos))
	}
	if by := a.used(old.Name); by != "" && said.Engine != old.Engine {
		return a.refuse(col.Type.Pos, "the type of column %s cannot change: %s needs it", old.Name, by)
	}
	if a.def.isKey(old.Name) && !keyType(said.Type) {
		return a.refuse(col.Type.Pos, "column %s of type %s cannot be a key", old.Name, strings.ToUpper(said.Type))
	}
	said.Name, said.AutoIncrement = old.Name, old.AutoIncrement
	if old.AutoIncrement != "" {
		said.DefaultSQL = old.DefaultSQL
	}
	said.NotNull = said.NotNull || a.def.Model == "PRIMARY" && a.def.isKey(old.Name)
	if col.Comment == nil {
		said.Comment = old.Comment
	}
	a.def.Columns[i], a.moved = said, true
	return a.place(act, i, []declared{said})
}

func (a *alteration) renameColumn(act syntax.AlterAction) error {
	i, err := a.find(act.Column)
	if err != nil {
		return err
	}
	old, name := a.def.Columns[i].Name, act.NewName.Name
	if other := a.def.index(name); other >= 0 && other != i {
		return sqlerr.New(sqlerr.Exists, "Duplicate column name '%s'", name).With(sqlerr.Code{MySQL: 1060, State: "42S21"}).WithPos(a.text, int(act.NewName.Pos))
	}
	if by := a.used(old); by != "" && by != "DISTRIBUTED BY" && by != "ORDER BY" {
		return a.refuse(act.Column.Pos, "column %s cannot be renamed: %s needs it", old, by)
	}
	rename := func(list []string) {
		for i, k := range list {
			if strings.EqualFold(k, old) {
				list[i] = name
			}
		}
	}
	rename(a.def.Keys)
	rename(a.def.OrderBy)
	spread := strings.Split(a.def.Distribution, "`") // names stand between backquotes
	rename(spread)
	a.def.Distribution = strings.Join(spread, "`")
	a.def.Columns[i].Name, a.moved = name, true
	source := a.from[strings.ToLower(old)]
	delete(a.from, strings.ToLower(old))
	if source != "" {
		a.from[strings.ToLower(name)] = source
	}
	return nil
}

// dropPartitions takes the rows of partitions, and the partitions unless the
// action is TRUNCATE.
func (a *alteration) dropPartitions(act syntax.AlterAction) error {
	for _, name := range act.Names {
		i := a.def.partitionIndex(name.Name)
		if i < 0 && act.IfExists {
			continue
		}
		if i < 0 {
			return unknownPartition(name, a.t.name, a.text)
		}
		a.gone = append(a.gone, "coalesce("+a.def.Partitions[i].Where+", false)")
		if act.Op == syntax.TruncatePartitions {
			continue
		}
		if len(a.def.Partitions) == 1 {
			return a.refuse(name.Pos, "the last partition of a table cannot be dropped")
		}
		a.def.Partitions = slices.Delete(a.def.Partitions, i, i+1)
		a.moved = true
	}
	return nil
}

// apply writes the new definition, and moves the rows where it must.
func (a *alteration) apply(ctx context.Context) error {
	n := a.t.name
	if len(a.gone) > 0 {
		if _, err := a.c.own(ctx, "DELETE FROM "+n.internal()+" WHERE "+strings.Join(a.gone, " OR ")); err != nil {
			return err
		}
	}
	if !a.moved {
		return a.c.remember(ctx, n, a.def)
	}
	if err := a.lossless(ctx); err != nil {
		return err
	}
	made := n
	made.table = "lakeport\x1falter"
	if err := a.c.make(ctx, made, a.def); err != nil {
		return err
	}
	var names, values []string
	for _, col := range a.def.stored() {
		if old := a.from[strings.ToLower(col.Name)]; old != "" {
			names, values = append(names, lake.QuoteName(col.Name)), append(values, "CAST("+lake.QuoteName(old)+" AS "+col.Engine+") AS "+lake.QuoteName(col.Name))
		} else if col.DefaultSQL != "" {
			names, values = append(names, lake.QuoteName(col.Name)), append(values, col.DefaultSQL+" AS "+lake.QuoteName(col.Name))
		} else {
			names, values = append(names, lake.QuoteName(col.Name)), append(values, "CAST(NULL AS "+col.Engine+") AS "+lake.QuoteName(col.Name))
		}
	}
	source := "SELECT " + strings.Join(values, ", ") + " FROM " + n.internal()
	outer := "*"
	for _, col := range a.def.Columns {
		if col.Generated != nil {
			names, outer = append(names, lake.QuoteName(col.Name)), outer+", ("+col.Generated.SQL+")"
		}
	}
	for _, step := range []string{
		"INSERT INTO " + made.internal() + " (" + strings.Join(names, ", ") + ") SELECT " + outer + " FROM (" + source + ")",
		"DROP TABLE " + n.internal(),
		"ALTER TABLE " + made.internal() + " RENAME TO " + lake.QuoteName(n.local()),
	} {
		if _, err := a.c.own(ctx, step); err != nil {
			return err
		}
	}
	return nil
}

// lossless refuses a change of type that some value does not survive: turned
// into the new type and back, it must be what it was.
func (a *alteration) lossless(ctx context.Context) error {
	for _, col := range a.def.stored() {
		source := a.from[strings.ToLower(col.Name)]
		i := a.t.def.index(source)
		if i < 0 || a.t.def.Columns[i].Engine == col.Engine {
			continue
		}
		name, old := lake.QuoteName(source), a.t.def.Columns[i]
		lost, err := a.c.exists(ctx, fmt.Sprintf("SELECT 1 FROM %s WHERE TRY_CAST(TRY_CAST(%s AS %s) AS %s) IS DISTINCT FROM %s LIMIT 1",
			a.t.name.internal(), name, col.Engine, old.Engine, name))
		if err != nil {
			return err
		}
		if lost {
			return sqlerr.New(sqlerr.Invalid, "column %s cannot become %s: a value of it would change", col.Name, col.Type).
				WithHint("change such values first, or add a column of the new type and fill it")
		}
	}
	return nil
}

// rename gives the table another name, or exchanges the names of two.
func (a *alteration) rename(ctx context.Context, act syntax.AlterAction) error {
	n, to := a.t.name, a.t.name
	to.table = act.NewName.Name
	renaming := func(from, to tableName) string {
		return "ALTER TABLE " + from.internal() + " RENAME TO " + lake.QuoteName(to.local())
	}
	if n.temporary {
		return sqlerr.New(sqlerr.Unsupported, "renaming a temporary table is not supported").WithPos(a.text, int(act.Pos))
	}
	steps := []string{renaming(n, to)}
	if act.Op == syntax.SwapTable {
		other, err := a.c.describeInternal(ctx, to)
		switch {
		case err != nil:
			return sqlerr.From(err).WithPos(a.text, int(act.NewName.Pos))
		case other.isView() || other.name.temporary || to.table == n.table:
			return a.refuse(act.NewName.Pos, "'%s' is not another table to swap with", to.table)
		}
		between := n
		between.table = "lakeport\x1fswap"
		steps = []string{renaming(n, between), renaming(to, n), renaming(between, to)}
	} else if taken, err := a.c.taken(ctx, to); err != nil {
		return err
	} else if taken {
		return sqlerr.From(tableExists(to)).WithPos(a.text, int(act.NewName.Pos))
	}
	for _, step := range steps {
		if _, err := a.c.own(ctx, step); err != nil {
			return err
		}
	}
	return nil
}
