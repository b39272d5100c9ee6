package session

import (
	"cmp"
	"context"
	"fmt"
	"sort"
	"strconv"
	"strings"
	"time"

	"lakeport/internal/catalog"
	"lakeport/internal/metastore"
	"lakeport/internal/sqlerr"
	"lakeport/internal/syntax"
	"lakeport/internal/wire"
)

// show answers the statements that only tell; handled is false for others.
func (c *session) show(ctx context.Context, st syntax.Statement, text string, w wire.ResultWriter) (handled bool, err error) {
	switch st := st.(type) {
	case *syntax.ShowCatalogs:
		return true, c.answer(ctx, c.showCatalogs(), "Catalog", st.Filter, text, w)
	case *syntax.ShowCreateCatalog:
		return true, c.showCreateCatalog(ctx, st, text, w)
	case *syntax.ShowAWSIdentity:
		return true, c.showIdentity(ctx, st, text, w)
	case *syntax.ShowDatabases:
		return true, c.showDatabases(ctx, st, text, w)
	case *syntax.ShowTables:
		return true, c.showTables(ctx, st, text, w)
	case *syntax.ShowTableStatus:
		return true, c.showTableStatus(ctx, st, text, w)
	case *syntax.ShowColumns:
		return true, c.showColumns(ctx, st, text, w)
	case *syntax.ShowIndex:
		return true, c.showIndex(ctx, st, text, w)
	case *syntax.ShowCreate:
		return true, c.showCreate(ctx, st, text, w)
	case *syntax.ShowPartitions:
		return true, c.showPartitions(ctx, st, text, w)
	case *syntax.Describe:
		return true, c.describe(ctx, st, text, w)
	case *syntax.ShowWarnings:
		return true, c.showWarnings(ctx, st, text, w)
	case *syntax.ShowVariables:
		return true, c.showVariables(ctx, st, text, w)
	case *syntax.ShowProcesslist:
		return true, c.showProcesslist(ctx, st, text, w)
	case *syntax.AdminShowConfig:
		r := relation{columns: columns("Key", "AliasNames", "Value", "Type", "IsMutable", "Comment")}
		r.add("run_mode", "[]", "shared_nothing", "String", "false", "")
		return true, c.answer(ctx, r, "Key", st.Filter, text, w)
	case *syntax.ShowLoad:
		return true, c.showLoad(ctx, st, text, w)
	case *syntax.ShowRepositories:
		return true, c.showRepositories(ctx, st, text, w)
	case *syntax.ShowSnapshot:
		return true, c.showSnapshot(ctx, st, text, w)
	case *syntax.ShowBackup:
		return true, c.showBackup(ctx, st, text, w)
	case *syntax.ShowPipes:
		return true, c.showPipes(ctx, st, text, w)
	case *syntax.ShowCreatePipe:
		return true, c.showCreatePipe(ctx, st, text, w)
	case *syntax.Show:
		return true, c.showOther(ctx, st, text, w)
	}
	return false, nil
}

func (c *session) showCatalogs() relation {
	r := relation{columns: columns("Catalog", "Type", "Comment")}
	r.add(catalog.Internal, "Internal", "An internal catalog contains this cluster's self-managed tables.")
	for _, ext := range c.srv.catalogs.All() {
		d := ext.Definition()
		var comment any
		if d.Comment != "" {
			comment = d.Comment
		}
		r.add(d.Name, strings.ToUpper(d.Type[:1])+strings.ToLower(d.Type[1:]), comment)
	}
	return r
}

func (c *session) showCreateCatalog(ctx context.Context, st *syntax.ShowCreateCatalog, text string, w wire.ResultWriter) error {
	r := relation{columns: columns("Catalog", "Create Catalog")}
	if st.Name.Name == catalog.Internal {
		r.add(catalog.Internal, "CREATE CATALOG `"+catalog.Internal+"`")
	} else {
		ext, err := c.catalogs().Get(st.Name.Name)
		if err != nil {
			return sqlerr.From(err).WithPos(text, int(st.Name.Pos))
		}
		r.add(st.Name.Name, ext.Definition().Statement())
	}
	return c.answer(ctx, r, "Catalog", syntax.Filter{}, text, w)
}

// showIdentity tells the ARNs to write into trust policies.
func (c *session) showIdentity(ctx context.Context, st *syntax.ShowAWSIdentity, text string, w wire.ResultWriter) error {
	r := relation{columns: columns("Catalog", "Service", "Chain", "ARN", "Session", "Error")}
	var list []catalog.Identity
	if st.Catalog == nil {
		list = c.srv.catalogs.Base(ctx)
	} else {
		ext, err := c.catalogs().Get(st.Catalog.Name)
		if err != nil {
			return sqlerr.From(err).WithPos(text, int(st.Catalog.Pos))
		}
		list = ext.Identities(ctx)
	}
	for _, id := range list {
		if id.Err != nil {
			r.add(id.Catalog, id.Service, id.Chain, nil, nil, sqlerr.From(id.Err).Error())
			continue
		}
		r.add(id.Catalog, id.Service, id.Chain, id.ARN, id.Session, nil)
	}
	return c.answer(ctx, r, "Catalog", syntax.Filter{}, text, w)
}

// databases lists a catalog's databases; every catalog has information_schema.
func (c *session) databases(ctx context.Context, cat string) ([]string, error) {
	names := []string{"information_schema"}
	if cat != catalog.Internal {
		ext, err := c.catalogs().Get(cat)
		if err != nil {
			return nil, err
		}
		list, err := ext.Databases(ctx)
		return append(list, names...), err
	}
	rows, err := c.conn.Query(ctx, "SELECT schema_name FROM duckdb_schemas() WHERE database_name = ? AND NOT internal AND schema_name <> ? ORDER BY 1",
		catalog.Internal, catalog.Schema)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	for {
		chunk, err := rows.Next(ctx)
		if err != nil || chunk == nil {
			return names, err
		}
		for i := range chunk.Rows {
			names = append(names, chunk.Columns[0].Text(i))
		}
	}
}

func (c *session) showDatabases(ctx context.Context, st *syntax.ShowDatabases, text string, w wire.ResultWriter) error {
	cat := c.catalog
	if st.Catalog != nil {
		cat = st.Catalog.Name
		if !c.isCatalog(cat) {
			return sqlerr.New(sqlerr.NotFound, "Unknown catalog '%s'", cat).With(sqlerr.BadCatalog).WithPos(text, int(st.Catalog.Pos))
		}
	}
	names, err := c.databases(ctx, cat)
	if err != nil {
		return err
	}
	r := relation{columns: columns("Database")}
	for _, n := range names {
		r.add(n)
	}
	return c.answer(ctx, r, "Database", st.Filter, text, w)
}

// tables lists a database's tables and views by name, readable or not, with
// what they are.
func (c *session) tables(ctx context.Context, cat, db string) (names []string, kinds map[string]string, err error) {
	kinds = map[string]string{}
	if system(db) {
		names = systemTables(db)
		for _, n := range names {
			kinds[n] = "SYSTEM VIEW"
		}
		return names, kinds, nil
	}
	if cat != catalog.Internal {
		ext, err := c.catalogs().Get(cat)
		if err != nil {
			return nil, nil, err
		}
		names, err = ext.Tables(ctx, db)
		return names, kinds, err
	}
	if err := c.findDatabase(ctx, cat, db); err != nil {
		return nil, nil, err
	}
	list, err := c.internalTables(ctx, tableName{catalog: cat, database: db})
	for _, t := range list {
		names, kinds[t.name.table] = append(names, t.name.table), t.kind()
	}
	return names, kinds, err
}

func (c *session) showTables(ctx context.Context, st *syntax.ShowTables, text string, w wire.ResultWriter) error {
	cat, db, err := c.databaseName(st.Database)
	if err != nil {
		return err
	}
	names, kinds, err := c.tables(ctx, cat, db)
	if err != nil {
		return err
	}
	title := "Tables_in_" + db
	r := relation{columns: columns(title)}
	if st.Full {
		r.columns = columns(title, "Table_type")
	}
	for _, n := range names {
		row := []any{n, cmp.Or(kinds[n], "BASE TABLE")}
		r.add(row[:len(r.columns)]...)
	}
	return c.answer(ctx, r, title, st.Filter, text, w)
}

// showTemporaryTables lists the session's own tables of a database.
func (c *session) showTemporaryTables(ctx context.Context, st *syntax.Show, text string, w wire.ResultWriter) error {
	_, db, err := c.databaseName(st.In)
	if err != nil {
		return err
	}
	list, err := c.temporaryTables(ctx)
	if err != nil {
		return err
	}
	title := "Tables_in_" + db
	r := relation{columns: columns(title)}
	for _, n := range list {
		if n.database == db {
			r.add(n.table)
		}
	}
	return c.answer(ctx, r, title, st.Filter, text, w)
}

func (c *session) showTableStatus(ctx context.Context, st *syntax.ShowTableStatus, text string, w wire.ResultWriter) error {
	cat, db, err := c.databaseName(st.Database)
	if err != nil {
		return err
	}
	names, _, err := c.tables(ctx, cat, db)
	if err != nil {
		return err
	}
	r := relation{columns: columns("Name", "Engine", "Version#", "Row_format", "Rows#", "Avg_row_length#", "Data_length#", "Max_data_length#",
		"Index_length#", "Data_free#", "Auto_increment#", "Create_time", "Update_time", "Check_time", "Collation", "Checksum#", "Create_options", "Comment")}
	comments, err := c.comments(ctx, cat, db)
	if err != nil {
		return err
	}
	for _, n := range names {
		r.add(n, "StarRocks", nil, nil, nil, nil, nil, nil, nil, nil, nil, nil, nil, nil, "utf8_general_ci", nil, nil, comments[n])
	}
	return c.answer(ctx, r, "Name", st.Filter, text, w)
}

// named gives the table of a SHOW whose database may stand in a second FROM.
func (c *session) named(table, database syntax.QualifiedName) (tableName, error) {
	if database.IsZero() {
		return c.name(table)
	}
	return c.parts(append(database.Names(), table.Last()))
}

func (c *session) showColumns(ctx context.Context, st *syntax.ShowColumns, text string, w wire.ResultWriter) error {
	n, err := c.named(st.Table, st.Database)
	if err != nil {
		return err
	}
	t, err := c.describeTable(ctx, n)
	if err != nil {
		return err
	}
	r := relation{columns: columns("Field", "Type", "Null", "Key", "Default", "Extra")}
	if st.Full {
		r.columns = columns("Field", "Type", "Collation", "Null", "Key", "Default", "Extra", "Privileges", "Comment")
	}
	for _, col := range t.columns {
		if st.Full {
			r.add(col.Name, col.text, collation(col), yes(col.null), t.keyKind(col), value(col.def), col.extra(), "", col.Comment)
		} else {
			r.add(col.Name, col.text, yes(col.null), t.keyKind(col), value(col.def), col.extra())
		}
	}
	return c.answer(ctx, r, "Field", st.Filter, text, w)
}

func collation(col describedColumn) any {
	if strings.HasPrefix(col.text, "varchar") || strings.HasPrefix(col.text, "char") {
		return "utf8_general_ci"
	}
	return nil
}

func yes(b bool) string {
	if b {
		return "YES"
	}
	return "NO"
}

func value(s *string) any {
	if s == nil {
		return nil
	}
	return *s
}

func (col describedColumn) extra() string {
	switch {
	case col.partition:
		return "partition key"
	case col.auto:
		return "auto_increment"
	case col.generated != nil:
		return "AS " + col.generated.Text
	}
	return ""
}

// expression is that of a computed column.
func (col describedColumn) expression() string {
	if col.generated == nil {
		return ""
	}
	return col.generated.Text
}

func (c *session) describe(ctx context.Context, st *syntax.Describe, text string, w wire.ResultWriter) error {
	if st.Files != nil {
		return sqlerr.New(sqlerr.Unsupported, "DESC FILES is not built yet").WithPos(text, int(st.Pos))
	}
	n, err := c.name(st.Table)
	if err != nil {
		return err
	}
	t, err := c.describeTable(ctx, n)
	if err != nil {
		return err
	}
	r := relation{columns: columns("Field", "Type", "Null", "Key", "Default", "Extra", "Comment")}
	if st.All {
		r.columns = columns("IndexName", "IndexKeysType", "Field", "Type", "Null", "Key", "Default", "Extra", "Comment")
	}
	for i, col := range t.columns {
		row := []any{col.Name, col.text, yes(col.null), fmt.Sprint(col.key), value(col.def), col.extra(), col.Comment}
		if st.All {
			head := []any{"", ""}
			if i == 0 && t.def != nil {
				head = []any{n.table, t.def.Model + "_KEYS"}
			}
			row = append(head, row...)
		}
		r.rows = append(r.rows, row)
	}
	f := syntax.Filter{}
	if st.Column != "" {
		f.Like = &syntax.StringLit{Value: st.Column}
	}
	return c.answer(ctx, r, "Field", f, text, w)
}

func (c *session) showIndex(ctx context.Context, st *syntax.ShowIndex, text string, w wire.ResultWriter) error {
	n, err := c.named(st.Table, st.Database)
	if err != nil {
		return err
	}
	t, err := c.describeTable(ctx, n)
	if err != nil {
		return err
	}
	r := relation{columns: columns("Table", "Non_unique#", "Key_name", "Seq_in_index#", "Column_name", "Collation", "Cardinality#", "Sub_part#",
		"Packed", "Null", "Index_type", "Comment", "Index_comment", "Properties")}
	for i, key := range t.uniqueKey() {
		r.add(n.table, 0, "PRIMARY", i+1, key, "A", nil, nil, nil, "", "BTREE", "", "", "")
	}
	return c.answer(ctx, r, "Table", st.Filter, text, w)
}

func (c *session) showPartitions(ctx context.Context, st *syntax.ShowPartitions, text string, w wire.ResultWriter) error {
	n, err := c.name(st.Table)
	if err != nil {
		return err
	}
	t, err := c.describeTable(ctx, n)
	if err != nil {
		return err
	}
	if t.external == nil {
		by, count, _ := strings.Cut(t.def.distributed(), " BUCKETS ")
		var buckets any
		if n, err := strconv.Atoi(count); err == nil {
			buckets = n
		}
		r := relation{columns: columns("PartitionId#", "PartitionName", "State", "PartitionKey", "Range", "DistributionKey", "Buckets#", "RowCount#")}
		for i, p := range t.def.Partitions {
			r.add(i+1, p.Name, "NORMAL", t.def.partitionKey(), p.Values, by, buckets, nil)
		}
		if len(t.def.Partitions) == 0 {
			r.add(1, n.table, "NORMAL", t.def.partitionKey(), "", by, buckets, nil)
		}
		return c.answer(ctx, r, "PartitionName", st.Filter, text, w)
	}
	parts, err := t.external.Catalog.Partitions(ctx, t.external)
	if err != nil {
		return err
	}
	r := relation{columns: columns("Partition Name", "Location", "Created")}
	for _, p := range parts {
		r.add(partitionName(t.record, p), p.Storage.Location, p.Created.UTC().Format(time.DateTime))
	}
	return c.answer(ctx, r, "Partition Name", st.Filter, text, w)
}

// partitionName spells a partition's values as k1=v1/k2=v2.
func partitionName(t *metastore.Table, p metastore.Partition) string {
	parts := make([]string, len(p.Values))
	for i, v := range p.Values {
		key := "?"
		if i < len(t.PartitionKeys) {
			key = t.PartitionKeys[i].Name
		}
		parts[i] = key + "=" + v
	}
	return strings.Join(parts, "/")
}

func (c *session) showWarnings(ctx context.Context, st *syntax.ShowWarnings, text string, w wire.ResultWriter) error {
	r := relation{columns: columns("Level", "Code#", "Message")}
	for _, x := range c.warnings {
		if !st.Errors || x.level == "Error" {
			r.add(x.level, x.code, x.text)
		}
	}
	if st.Count {
		r = relation{columns: columns("@@session.warning_count#"), rows: [][]any{{len(r.rows)}}}
	}
	return c.answer(ctx, r, "Level", syntax.Filter{Limit: st.Limit}, text, w)
}

func (c *session) showProcesslist(ctx context.Context, st *syntax.ShowProcesslist, text string, w wire.ResultWriter) error {
	r := relation{columns: columns("Id#", "User", "Host", "Db", "Command", "ConnectionStartTime", "Time#", "State", "Info")}
	for _, o := range c.srv.list() {
		o.mu.Lock()
		command, info := "Sleep", any(nil)
		if o.running != "" {
			command, info = "Query", o.running
			if !st.Full && len(o.running) > 100 {
				info = o.running[:100]
			}
		}
		r.add(int64(o.id), o.user, o.host, o.database, command, "", int64(time.Since(o.since).Seconds()), "", info)
		o.mu.Unlock()
	}
	return c.answer(ctx, r, "User", syntax.Filter{}, text, w)
}

func (c *session) showCreate(ctx context.Context, st *syntax.ShowCreate, text string, w wire.ResultWriter) error {
	if st.Object == "DATABASE" {
		cat, db, err := c.databaseName(st.Name)
		if err == nil {
			err = c.findDatabase(ctx, cat, db)
		}
		if err != nil {
			return err
		}
		r := relation{columns: columns("Database", "Create Database")}
		r.add(db, "CREATE DATABASE `"+db+"`")
		return c.answer(ctx, r, "Database", syntax.Filter{}, text, w)
	}
	if st.Object != "TABLE" && st.Object != "VIEW" {
		return sqlerr.New(sqlerr.Unsupported, "SHOW CREATE %s is not built yet", st.Object).WithPos(text, int(st.Pos))
	}
	n, err := c.name(st.Name)
	if err != nil {
		return err
	}
	t, err := c.describeTable(ctx, n)
	if err != nil {
		return err
	}
	if t.isView() {
		r := relation{columns: columns("View", "Create View", "character_set_client", "collation_connection")}
		r.add(n.table, t.def.viewStatement(n), "utf8", "utf8_general_ci")
		return c.answer(ctx, r, "View", syntax.Filter{}, text, w)
	}
	if st.Object == "VIEW" {
		return notAView(n, text, st.Name.Start())
	}
	r := relation{columns: columns("Table", "Create Table")}
	spelled := t.statement()
	if t.def != nil && t.def.File != nil {
		clauses, err := c.fileClauses(t)
		if err != nil {
			return err
		}
		head, _, _ := strings.Cut(spelled, " ENGINE=OLAP")
		spelled = "CREATE EXTERNAL " + strings.TrimPrefix(head, "CREATE ") + clauses
	}
	r.add(n.table, spelled)
	return c.answer(ctx, r, "Table", syntax.Filter{}, text, w)
}

// statement spells the table as StarRocks' SHOW CREATE TABLE does.
func (t *described) statement() string {
	lines := make([]string, len(t.columns))
	for i, col := range t.columns {
		lines[i] = "  `" + col.Name + "` " + col.text
		switch {
		case t.external != nil:
			lines[i] += map[bool]string{true: " DEFAULT NULL", false: " NOT NULL"}[col.null]
			if col.Comment != "" {
				lines[i] += " COMMENT " + syntax.Quote(col.Comment)
			}
		default:
			lines[i] += map[bool]string{true: " NULL", false: " NOT NULL"}[col.null]
			switch {
			case col.auto:
				lines[i] += " AUTO_INCREMENT"
			case col.generated != nil:
				lines[i] += " AS " + col.generated.Text
			case col.def != nil && t.def.Columns[t.def.index(col.Name)].computedDefault():
				lines[i] += " DEFAULT " + *col.def
			case col.def != nil:
				lines[i] += " DEFAULT " + syntax.Quote(*col.def)
			}
			lines[i] += " COMMENT " + syntax.Quote(col.Comment)
		}
	}
	head := "CREATE TABLE `" + t.name.table + "` (\n" + strings.Join(lines, ",\n") + "\n)"
	if t.external != nil {
		return "CREATE EXTERNAL " + strings.TrimPrefix(head, "CREATE ") + t.externalClauses()
	}
	return head + " ENGINE=OLAP \n" + t.internalClauses()
}

func (t *described) externalClauses() string {
	out := ""
	schema := t.external.Schema()
	by := schema.PartitionBy
	if by == nil {
		by = schema.Partition
	}
	if len(by) > 0 {
		out += "\nPARTITION BY (" + strings.Join(by, ", ") + ")"
	}
	if t.comment != "" {
		out += "\nCOMMENT (" + syntax.Quote(t.comment) + ")"
	}
	props := map[string]string{"location": t.record.Storage.Location}
	for k, v := range t.record.Parameters {
		if k != "comment" {
			props[k] = v
		}
	}
	keys := make([]string, 0, len(props))
	for k := range props {
		keys = append(keys, k)
	}
	sort.Strings(keys)
	for i, k := range keys {
		keys[i] = syntax.Quote(k) + " = " + syntax.Quote(props[k])
	}
	return out + "\nPROPERTIES (" + strings.Join(keys, ",") + ");"
}

func (t *described) internalClauses() string {
	d := t.def
	var b strings.Builder
	if len(d.Keys) > 0 {
		b.WriteString(d.Model + " KEY(`" + strings.Join(d.Keys, "`, `") + "`)\n")
	}
	if d.Comment != "" {
		b.WriteString("COMMENT " + syntax.Quote(d.Comment) + "\n")
	}
	if d.Partition != "" {
		b.WriteString("PARTITION BY " + d.Partition)
		for i, p := range d.Partitions {
			b.WriteString(map[bool]string{true: "\n(", false: ",\n"}[i == 0] + "PARTITION " + p.Name + " VALUES " + p.Values)
		}
		if len(d.Partitions) > 0 {
			b.WriteString(")")
		}
		b.WriteString("\n")
	}
	b.WriteString("DISTRIBUTED BY " + d.distributed() + " \n")
	if len(d.OrderBy) > 0 {
		b.WriteString("ORDER BY(`" + strings.Join(d.OrderBy, "`, `") + "`)\n")
	}
	props := make([]string, len(d.Properties))
	for i, p := range d.Properties {
		props[i] = syntax.Quote(p[0]) + " = " + syntax.Quote(p[1])
	}
	if len(props) == 0 {
		props = []string{`"replication_num" = "1"`}
	}
	b.WriteString("PROPERTIES (\n" + strings.Join(props, ",\n") + "\n);")
	return b.String()
}

// others are the SHOW statements that tools send at connect and whose answer
// has at most a row or two on one process. The columns are StarRocks' and
// MySQL's; a name that ends in # is a number.
var others = map[string]struct {
	columns []string
	rows    [][]any
}{
	"ENGINES":          {[]string{"Engine", "Support", "Comment", "Transactions", "XA", "Savepoints"}, [][]any{{"OLAP", "YES", "Default storage engine of StarRocks", "NO", "NO", "NO"}}},
	"STORAGE ENGINES":  {[]string{"Engine", "Support", "Comment", "Transactions", "XA", "Savepoints"}, [][]any{{"OLAP", "YES", "Default storage engine of StarRocks", "NO", "NO", "NO"}}},
	"CHARSET":          {[]string{"Charset", "Description", "Default collation", "Maxlen#"}, [][]any{{"utf8", "UTF-8 Unicode", "utf8_general_ci", 3}}},
	"CHARACTER SET":    {[]string{"Charset", "Description", "Default collation", "Maxlen#"}, [][]any{{"utf8", "UTF-8 Unicode", "utf8_general_ci", 3}}},
	"COLLATION":        {[]string{"Collation", "Charset", "Id#", "Default", "Compiled", "Sortlen#"}, [][]any{{"utf8_general_ci", "utf8", 33, "Yes", "Yes", 1}}},
	"PLUGINS":          {[]string{"Name", "Status", "Type", "Library", "License"}, nil},
	"GRANTS":           {[]string{"UserIdentity", "Catalog", "Grants"}, [][]any{{"'root'@'%'", nil, "GRANT 'root' TO 'root'@'%'"}}},
	"PRIVILEGES":       {[]string{"Privilege", "Context", "Comment"}, nil},
	"EVENTS":           {[]string{"Db", "Name", "Definer", "Time zone", "Type", "Status"}, nil},
	"TRIGGERS":         {[]string{"Trigger", "Event", "Table", "Statement", "Timing", "Created"}, nil},
	"PROCEDURE STATUS": {[]string{"Db", "Name", "Type", "Definer", "Modified", "Created", "Security_type", "Comment"}, nil},
	"FUNCTION STATUS":  {[]string{"Db", "Name", "Type", "Definer", "Modified", "Created", "Security_type", "Comment"}, nil},
	"OPEN TABLES":      {[]string{"Database", "Table", "In_use#", "Name_locked#"}, nil},
	"BACKENDS":         {[]string{"BackendId#", "IP", "Alive", "Version"}, [][]any{{1, "127.0.0.1", "true", starRocksVersion}}},
	"FRONTENDS":        {[]string{"Id#", "Name", "IP", "Role", "Alive", "Version"}, [][]any{{1, "lakeport", "127.0.0.1", "LEADER", "true", starRocksVersion}}},
	"COMPUTE NODES":    {[]string{"ComputeNodeId#", "IP", "Alive"}, nil},
	"BROKER":           {[]string{"Name", "IP", "Port#", "Alive"}, nil},
	"WAREHOUSES":       {[]string{"Id#", "Name", "State"}, [][]any{{0, "default_warehouse", "AVAILABLE"}}},
	"ALTER TABLE COLUMN": {[]string{"JobId#", "TableName", "CreateTime", "FinishTime", "IndexName", "IndexId#", "OriginIndexId#", "SchemaVersion", "TransactionId#",
		"State", "Msg", "Progress", "Timeout#"}, nil}, // ALTER TABLE is done when it returns
	"RESOURCES":       {[]string{"Name", "ResourceType", "Key", "Value"}, nil},
	"STORAGE VOLUMES": {[]string{"Storage Volume"}, nil},
	"FUNCTIONS":       {[]string{"Function Name"}, nil},
	"USERS":           {[]string{"User"}, [][]any{{"'root'@'%'"}}},
	"PROFILES":        {[]string{"Query_ID#", "Duration", "Query"}, nil},
}

func (c *session) showOther(ctx context.Context, st *syntax.Show, text string, w wire.ResultWriter) error {
	if st.What == "TEMPORARY TABLES" {
		return c.showTemporaryTables(ctx, st, text, w)
	}
	o, known := others[st.What]
	if !known {
		return sqlerr.New(sqlerr.Unsupported, "SHOW %s is not built yet", st.What).WithPos(text, int(st.Pos))
	}
	r := relation{columns: columns(o.columns...), rows: o.rows}
	return c.answer(ctx, r, r.columns[0].Name, st.Filter, text, w)
}
