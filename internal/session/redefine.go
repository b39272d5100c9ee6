package session

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"lakeport/internal/dialect"
	"lakeport/internal/lake"
	"lakeport/internal/sqlerr"
	"lakeport/internal/syntax"
	"lakeport/internal/transfer"
)

// depict describes a table for a snapshot, with the partitions that chosen
// names, all if it is nil. It fails if the description would lose anything.
func (c *session) depict(ctx context.Context, t *described, chosen []syntax.Ident, text string) (transfer.SnapshotTable, error) {
	out := transfer.SnapshotTable{Name: t.name.table, Informational: t.def.Informational}
	kept := *t
	kept.def, kept.columns = t.def.clone(), slices.Clone(t.columns)
	if chosen != nil {
		if _, err := t.within(chosen, text); err != nil {
			return out, err
		}
		kept.def.Partitions = slices.DeleteFunc(kept.def.Partitions, func(p partition) bool { return !names(chosen, p.Name) })
		for _, p := range kept.def.Partitions {
			out.Partitions = append(out.Partitions, p.Name)
		}
	}
	for i, col := range kept.def.Columns {
		kept.columns[i].text = dialect.TypeName(kept.columns[i].Type, false)
		if !strings.Contains(col.Type, "time zone") {
			kept.columns[i].text = col.Type
		}
		out.Columns = append(out.Columns, transfer.SnapshotColumn{Name: col.Name, Spelled: col.Type, Type: transfer.Typed{Type: kept.columns[i].Type}, Length: col.Length})
		if col.AutoIncrement != "" {
			next, err := c.next(ctx, col.AutoIncrement)
			if err != nil {
				return out, err
			}
			out.Next = next
		}
	}
	out.Create = kept.statement()
	if strings.HasPrefix(kept.def.Partition, "RANGE(") {
		for _, p := range kept.def.Partitions {
			out.Ranges = append(out.Ranges, transfer.SnapshotRange{Name: p.Name, Low: plainBound(p.Low), High: plainBound(p.High)})
		}
	}
	again, err := c.redefine(ctx, t.name, &out)
	if err != nil {
		return out, fmt.Errorf("describe table %s: %w", t.name.table, err)
	}
	same, err := alike(kept.def, again, true)
	if err == nil && !same {
		err = sqlerr.New(sqlerr.Unsupported, "table %s cannot be stored in a snapshot: StarRocks' words do not describe it wholly", t.name.table)
	}
	return out, err
}

// names tells whether a name is in a list, in any case.
func names(list []syntax.Ident, name string) bool {
	return slices.ContainsFunc(list, func(n syntax.Ident) bool { return strings.EqualFold(n.Name, name) })
}

// plainBound is the value of a bound as listed.cast spells it, nil if it is
// open.
func plainBound(sql string) *string {
	if sql == "" {
		return nil
	}
	value := sql[len("CAST('"):strings.LastIndex(sql, "' AS ")]
	value = strings.ReplaceAll(value, "''", "'")
	return &value
}

// redefine makes the definition of a table from its description, the way in
// which CREATE TABLE makes one: whatever the description holds, no more becomes
// of it than a client may ask for.
func (c *session) redefine(ctx context.Context, n tableName, t *transfer.SnapshotTable) (*definition, error) {
	text := t.Create
	parsed, err := syntax.Parse(text)
	if err != nil {
		return nil, placeless(err)
	}
	corrupt := func(format string, args ...any) error {
		return sqlerr.New(sqlerr.Corrupt, "the description of table %s in the snapshot is not whole: %s", t.Name, fmt.Sprintf(format, args...))
	}
	st, is := parsed.(*syntax.CreateTable)
	if !is || st.Temporary || st.External || !st.Query.IsZero() || !st.Like.IsZero() || len(st.Columns) != len(t.Columns) {
		return nil, corrupt("it is no CREATE TABLE of %d columns", len(t.Columns))
	}
	if err := c.creatable(ctx, n, st, text); err != nil {
		return nil, placeless(err)
	}
	d, err := define(st, text)
	if err == nil {
		err = c.declare(ctx, d, st.Columns, text)
	}
	if err != nil {
		return nil, placeless(err)
	}
	for i, said := range t.Columns {
		col := &d.Columns[i]
		if col.Name != said.Name || said.Length != 0 && said.Length != col.Length {
			return nil, corrupt("column %s is not column %d of its CREATE TABLE", said.Name, i+1)
		}
		if col.Length = said.Length; said.Type.String() == col.Engine && said.Spelled == col.Type {
			continue
		}
		if spelled := strings.ToLower(said.Type.String()); said.Spelled != spelled && said.Spelled != dialect.TypeName(said.Type.Type, false) && said.Spelled != col.Type {
			return nil, corrupt("column %s is spelled %q", said.Name, said.Spelled)
		}
		col.Type, col.Engine = said.Spelled, said.Type.String()
		if !st.Columns[i].Default.IsZero() {
			if col.Default, col.DefaultSQL, err = defaultValue(st.Columns[i].Default, said.Type.Type, text); err != nil {
				return nil, placeless(err)
			}
		}
	}
	if err := c.complete(ctx, n, d, st, text); err != nil {
		return nil, placeless(err)
	}
	if err := rebound(d, t.Ranges); err != nil {
		return nil, corrupt("%v", err)
	}
	d.Informational = t.Informational
	for _, name := range d.Informational {
		if d.index(name) < 0 {
			return nil, corrupt("it has no column %s", name)
		}
	}
	return d, nil
}

// rebound gives RANGE partitions their bounds, which the words of a partition
// tell only together with the partition before it.
func rebound(d *definition, ranges []transfer.SnapshotRange) error {
	if !strings.HasPrefix(d.Partition, "RANGE(") || len(ranges) == 0 && len(d.Partitions) == 0 {
		if len(ranges) > 0 {
			return fmt.Errorf("it has ranges and no RANGE partitions")
		}
		return nil
	}
	name, _ := syntax.Fragment{Text: strings.TrimSpace(strings.TrimSuffix(strings.TrimPrefix(d.Partition, "RANGE("), ")"))}.Literal()
	i := d.index(name)
	if i < 0 || len(ranges) != len(d.Partitions) {
		return fmt.Errorf("it lists %d partitions and bounds %d", len(d.Partitions), len(ranges))
	}
	l := &listed{column: lake.QuoteName(d.Columns[i].Name), engine: d.Columns[i].Engine}
	for k, r := range ranges {
		if r.Name != d.Partitions[k].Name {
			return fmt.Errorf("partition %s is not partition %d", r.Name, k+1)
		}
		p := &d.Partitions[k]
		p.Low, p.High = "", ""
		if r.Low != nil {
			p.Low = l.cast(*r.Low)
		}
		if r.High != nil {
			p.High = l.cast(*r.High)
		}
		p.Where = l.inRange(p.Low, p.High)
	}
	return nil
}

// alike tells whether two definitions are the same: wholly, or but for what may
// differ between a table and its snapshot, which are partitions, properties,
// comments and buckets.
func alike(a, b *definition, wholly bool) (bool, error) {
	var texts [2][]byte
	for i, d := range []*definition{a, b} {
		n := d.clone()
		for k := range n.Columns {
			if col := &n.Columns[k]; col.AutoIncrement != "" {
				col.AutoIncrement, col.DefaultSQL = "auto", ""
			}
			if !wholly {
				n.Columns[k].Comment = ""
			}
		}
		n.Distribution = n.distributed() // as SHOW CREATE TABLE tells what nobody has said
		if len(n.Properties) == 0 {
			n.Properties = [][2]string{{"replication_num", "1"}}
		}
		if !wholly {
			n.Partitions, n.Properties, n.Comment = nil, nil, ""
			n.Distribution, _, _ = strings.Cut(n.Distribution, " BUCKETS")
		}
		text, err := json.Marshal(n)
		if err != nil {
			return false, err
		}
		texts[i] = text
	}
	return bytes.Equal(texts[0], texts[1]), nil
}

// next is the value that an AUTO_INCREMENT column's sequence gives next.
func (c *session) next(ctx context.Context, sequence string) (int64, error) {
	name := strings.Trim(sequence[strings.LastIndex(sequence, ".")+1:], `"`)
	rows, err := c.conn.Query(ctx, "SELECT coalesce(last_value + increment_by, start_value) FROM duckdb_sequences() WHERE sequence_name = ?", name)
	if err != nil {
		return 0, err
	}
	defer rows.Close()
	chunk, err := rows.Next(ctx)
	if err != nil || chunk == nil {
		return 1, err
	}
	return chunk.Columns[0].Data.([]int64)[0], nil
}
