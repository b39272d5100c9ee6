package pipe

import (
	"bytes"
	"encoding/binary"

	"github.com/jackc/pglogrepl"

	"lakeport/internal/sqlerr"
)

// message is one of pgoutput's, version 1, where whole transactions come at
// their commits (PostgreSQL, "Logical Replication Message Formats").
type message struct {
	kind      byte          // B, C, R, I, U, D or T; others carry no rows
	at        pglogrepl.LSN // of B where the commit stands, of C where it ends
	relation  uint32
	relations []uint32 // of T
	described *relation
	old       tuple // of U and D: the row before, or its identity
	whole     bool  // old is the whole row
	row       tuple
}

// relation is a table as the stream describes it before its first change.
type relation struct {
	schema, name string
	identity     byte // d, n, f or i, as pg_class.relreplident
	columns      []relationColumn
}

type relationColumn struct {
	name     string
	identity bool // of the replica identity
	typ      uint32
	modifier int32
}

// tuple is the values of a row by the columns of its relation.
type tuple []value

// value is one of them; data is nil unless kind is asText.
type value struct {
	kind byte
	data []byte
}

const (
	asNull    = 'n'
	unchanged = 'u' // a large value, stored apart, that the change left alone
	asText    = 't'
)

// cursor reads a message; once it has run out it gives zeros.
type cursor struct {
	rest []byte
	out  bool
}

func (c *cursor) take(n int) []byte {
	if n < 0 || n > len(c.rest) {
		c.out, c.rest = true, nil
		return nil
	}
	b := c.rest[:n]
	c.rest = c.rest[n:]
	return b
}

func (c *cursor) byte() byte {
	if b := c.take(1); b != nil {
		return b[0]
	}
	return 0
}

func (c *cursor) uint16() int {
	if b := c.take(2); b != nil {
		return int(binary.BigEndian.Uint16(b))
	}
	return 0
}

func (c *cursor) uint32() uint32 {
	if b := c.take(4); b != nil {
		return binary.BigEndian.Uint32(b)
	}
	return 0
}

func (c *cursor) lsn() pglogrepl.LSN {
	if b := c.take(8); b != nil {
		return pglogrepl.LSN(binary.BigEndian.Uint64(b))
	}
	return 0
}

func (c *cursor) string() string {
	end := bytes.IndexByte(c.rest, 0)
	s := string(c.take(end))
	c.take(1)
	return s
}

// tuple copies a row's values out of the connection's memory.
func (c *cursor) tuple() tuple {
	n := c.uint16()
	t := make(tuple, 0, min(n, len(c.rest)))
	for range n {
		v := value{kind: c.byte()}
		switch v.kind {
		case asNull, unchanged:
		case asText:
			v.data = append([]byte{}, c.take(int(c.uint32()))...)
		default:
			c.out = true
		}
		if c.out {
			return nil
		}
		t = append(t, v)
	}
	return t
}

// readMessage takes a message apart.
func readMessage(b []byte) (m message, err error) {
	c := cursor{rest: b}
	switch m.kind = c.byte(); m.kind {
	case 'B':
		m.at = c.lsn()
		c.take(8 + 4) // when, and the transaction's number
	case 'C':
		c.take(1 + 8) // no flags yet, and where the commit stands
		m.at = c.lsn()
		c.take(8)
	case 'R':
		m.relation = c.uint32()
		r := &relation{schema: c.string(), name: c.string(), identity: c.byte()}
		if r.schema == "" {
			r.schema = "pg_catalog"
		}
		for n := c.uint16(); n > 0 && !c.out; n-- {
			flags := c.byte()
			r.columns = append(r.columns, relationColumn{identity: flags&1 != 0, name: c.string(), typ: c.uint32(), modifier: int32(c.uint32())})
		}
		m.described = r
	case 'I':
		m.relation = c.uint32()
		c.newRow(&m, c.byte())
	case 'U':
		m.relation = c.uint32()
		mark := c.byte()
		if mark == 'K' || mark == 'O' {
			m.old, m.whole = c.tuple(), mark == 'O'
			mark = c.byte()
		}
		c.newRow(&m, mark)
	case 'D':
		m.relation = c.uint32()
		mark := c.byte()
		m.old, m.whole = c.tuple(), mark == 'O'
		c.out = c.out || mark != 'K' && mark != 'O'
	case 'T':
		n := c.uint32()
		c.byte() // CASCADE and RESTART IDENTITY: the tables are named all the same
		for ; n > 0 && !c.out; n-- {
			m.relations = append(m.relations, c.uint32())
		}
	default:
		c.rest = nil
	}
	if c.out || len(c.rest) > 0 {
		return m, sqlerr.New(sqlerr.Corrupt, "a message of logical replication of kind %q and %d bytes is not what its kind says", m.kind, len(b))
	}
	return m, nil
}

func (c *cursor) newRow(m *message, mark byte) {
	m.row = c.tuple()
	c.out = c.out || mark != 'N'
}
