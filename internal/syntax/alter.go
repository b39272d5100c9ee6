package syntax

// AlterTable is ALTER TABLE with one or more actions, in order.
type AlterTable struct {
	Pos
	Table   QualifiedName
	Actions []AlterAction
	Ignored []Ident // clauses of Redshift's that have no use here
}

// AlterOp says what an AlterAction does and which of its fields it reads.
type AlterOp uint8

// The actions.
const (
	AddColumns         AlterOp = iota // Columns, First, After
	DropColumn                        // Column
	ModifyColumn                      // Columns[0], First, After
	RenameColumn                      // Column, NewName
	RenameTable                       // NewName
	SwapTable                         // NewName
	SetComment                        // Comment
	SetProperties                     // Properties
	AddPartitions                     // Partition, Distribution
	DropPartitions                    // Names, IfExists, Force
	TruncatePartitions                // Names
	RenamePartition                   // Column, NewName
)

// AlterAction is one action of an ALTER TABLE.
type AlterAction struct {
	Pos
	Op           AlterOp
	Columns      []ColumnDef
	Column       Ident // the partition of RenamePartition
	NewName      Ident
	First        bool
	After        *Ident
	Comment      *StringLit
	Properties   Properties
	Partition    PartitionDef
	Distribution *Distribution
	Names        []Ident
	IfExists     bool
	Force        bool
}

// alterTable reads what follows ALTER TABLE. Actions on rollups, branches
// and the like are refused by name.
func (p *parser) alterTable(start Pos) Statement {
	s := &AlterTable{Pos: start, Table: p.table()}
	var refused string
	p.commas(func() {
		if refused == "" {
			refused = p.refusedAction()
		}
		if refused == "" {
			s.Actions = append(s.Actions, p.alterAction())
		}
	})
	if refused != "" {
		return p.refused(start, "ALTER TABLE "+refused)
	}
	return s
}

// refusedActions are known and not built; for each the words it begins with.
var refusedActions = [][]string{
	{"ADD", "PARTITION", "COLUMN"}, {"ADD", "TEMPORARY", "PARTITION"}, {"ADD", "ROLLUP"},
	{"ADD", "INDEX"}, {"ADD", "FIELD"}, {"ADD", "PRIMARY", "KEY"}, {"ADD", "CONSTRAINT"}, {"ADD", "KEY"}, {"ADD", "UNIQUE"},
	{"DROP", "PARTITION", "COLUMN"}, {"DROP", "PARTITIONS", "WHERE"}, {"DROP", "PARTITION", "WHERE"}, {"DROP", "PARTITIONS", "START"},
	{"DROP", "TEMPORARY", "PARTITION"}, {"DROP", "ROLLUP"},
	{"DROP", "INDEX"}, {"DROP", "FIELD"}, {"DROP", "BRANCH"}, {"DROP", "TAG"}, {"DROP", "PRIMARY", "KEY"}, {"DROP", "PERSISTENT", "INDEX"},
	{"MODIFY", "PARTITION"}, {"RENAME", "ROLLUP"}, {"REPLACE", "PARTITION"}, {"COMPACT"}, {"CUMULATIVE", "COMPACT"}, {"BASE", "COMPACT"}, {"CREATE", "BRANCH"}, {"CREATE", "TAG"}, {"CREATE", "OR", "REPLACE"},
	{"EXECUTE"}, {"SPLIT"}, {"ORDER", "BY"}, {"DISTRIBUTED", "BY"}, {"PARTITION", "BY"}, {"ENGINE"}, {"CHANGE"}, {"CONVERT"}, {"DISABLE"}, {"ENABLE"},
	{"ALTER", "COLUMN"}, {"APPEND"},
}

func (p *parser) refusedAction() string {
	for _, action := range refusedActions {
		if p.at(action...) {
			p.i = len(p.toks)
			name := action[0]
			for _, w := range action[1:] {
				name += " " + w
			}
			return name
		}
	}
	return ""
}

func (p *parser) alterAction() AlterAction {
	a := AlterAction{Pos: p.pos()}
	switch {
	case p.at("ADD", "PARTITION"), p.at("ADD", "PARTITIONS"):
		p.next()
		p.accept("PARTITIONS")
		a.Op = AddPartitions
		a.Partition, _ = p.partitionDef()
		if start := p.pos(); p.accept("DISTRIBUTED", "BY") {
			a.Distribution = p.distribution(start)
		}
	case p.accept("ADD"):
		p.accept("COLUMN")
		p.addColumns(&a)
	case p.accept("DROP", "PARTITIONS"), p.accept("DROP", "PARTITION"):
		a.Op, a.IfExists = DropPartitions, p.ifExists()
		a.Names = p.oneOrMore("partition name")
		a.Force = p.accept("FORCE")
	case p.accept("DROP"):
		p.accept("COLUMN")
		a.Op, a.Column = DropColumn, p.ident("column name")
	case p.accept("TRUNCATE"):
		p.expectAny("PARTITION", "PARTITIONS")
		a.Op, a.Names = TruncatePartitions, p.oneOrMore("partition name")
	case p.accept("SWAP", "WITH"):
		a.Op, a.NewName = SwapTable, p.ident("table name")
	case p.accept("MODIFY"):
		if p.at("COMMENT") {
			a.Op, a.Comment = SetComment, p.comment()
			break
		}
		p.accept("COLUMN")
		a.Op, a.Columns = ModifyColumn, []ColumnDef{p.column()}
		p.position(&a)
	case p.accept("RENAME"):
		p.rename(&a)
	case p.at("COMMENT"):
		a.Op, a.Comment = SetComment, p.comment()
	default:
		p.expect("SET")
		a.Op, a.Properties = SetProperties, p.propertyList()
	}
	return a
}

// addColumns reads column [FIRST|AFTER c] or (column, ..).
func (p *parser) addColumns(a *AlterAction) {
	a.Op = AddColumns
	if p.at("(") {
		p.list(func() { a.Columns = append(a.Columns, p.column()) })
		return
	}
	a.Columns = []ColumnDef{p.column()}
	p.position(a)
}

// oneOrMore reads a or (a, b, ..).
func (p *parser) oneOrMore(what string) []Ident {
	if p.at("(") {
		return p.idents(what)
	}
	return []Ident{p.ident(what)}
}

func (p *parser) position(a *AlterAction) {
	switch {
	case p.accept("FIRST"):
		a.First = true
	case p.accept("AFTER"):
		after := p.ident("column name")
		a.After = &after
	}
}

func (p *parser) rename(a *AlterAction) {
	if p.accept("COLUMN") {
		a.Op, a.Column = RenameColumn, p.ident("column name")
		p.expect("TO")
		a.NewName = p.ident("column name")
		return
	}
	if p.at("PARTITION") && p.peek(1).Kind != EOF && !p.peek(1).Is(",") {
		p.next()
		a.Op, a.Column, a.NewName = RenamePartition, p.ident("partition name"), p.ident("partition name")
		return
	}
	p.acceptAny("TO", "AS")
	a.Op, a.NewName = RenameTable, p.ident("table name")
}

func (s *AlterTable) String() string {
	return words("ALTER TABLE", s.Table.String(), join(s.Actions, ", "))
}

// String prints the action.
func (a AlterAction) String() string {
	switch a.Op {
	case AddColumns:
		if len(a.Columns) == 1 {
			return words("ADD COLUMN", a.Columns[0].String(), a.place())
		}
		return "ADD COLUMN " + parens(a.Columns)
	case DropColumn:
		return "DROP COLUMN " + a.Column.String()
	case ModifyColumn:
		return words("MODIFY COLUMN", a.Columns[0].String(), a.place())
	case RenameColumn:
		return words("RENAME COLUMN", a.Column.String(), "TO", a.NewName.String())
	case RenameTable:
		return "RENAME " + a.NewName.String()
	case SwapTable:
		return "SWAP WITH " + a.NewName.String()
	case AddPartitions:
		return words("ADD", opt(a.Partition.Name.Name == "", "PARTITIONS"), a.Partition.String(), a.Distribution.text())
	case DropPartitions:
		return words("DROP PARTITIONS", opt(a.IfExists, "IF EXISTS"), parens(a.Names), opt(a.Force, "FORCE"))
	case TruncatePartitions:
		return "TRUNCATE PARTITION " + parens(a.Names)
	case RenamePartition:
		return words("RENAME PARTITION", a.Column.String(), a.NewName.String())
	case SetComment:
		return "COMMENT = " + quoted(a.Comment)
	}
	return "SET " + a.Properties.String()
}

func (a AlterAction) place() string {
	switch {
	case a.First:
		return "FIRST"
	case a.After != nil:
		return "AFTER " + a.After.String()
	}
	return ""
}
