package lake

import "context"

// Feed is rows that lakeport decodes itself, because the engine has no reader
// for them. The engine pulls them while a statement runs.
type Feed struct {
	Columns []Column
	// Parts is how many pieces can be read by themselves. They are opened in
	// rising order, several at a time, and their rows mix: a Feed has no order.
	Parts int
	Rows  int64 // about how many, for the engine's plans; 0: not known
	// Open starts to read a part. columns are the indexes of Columns that are
	// wanted, in the order in which Read delivers them; empty: only the number
	// of rows counts. ctx ends when the statement does, and with it every Read.
	Open func(ctx context.Context, part int, columns []int) (FeedReader, error)
}

// FeedReader gives the rows of one part. It is used by one thread at a time.
type FeedReader interface {
	// Read gives up to dst.Rows rows of the wanted columns, which are
	// dst.Columns with their types set. Each vector's Data is a slice of that
	// many rows to be filled in place; a reader may as well put a slice of its
	// own there, and must for the children of a List or Map (a Struct's
	// children too, where the Struct is such a child). Valid is nil on entry: a
	// reader that has NULLs puts a mask of its own there (SetNull does). What it
	// puts there, and bytes that a String points to, must stay unchanged until
	// the next Read or Close; the engine copies them.
	//
	// Read returns the number of rows, 0 at the end and only there.
	Read(dst *Chunk) (rows int, err error)
	Close() error
}

// SetNull makes row i NULL. It makes Valid if there is none, and longer if it
// is too short; rows are not NULL unless set so.
func (v *Vector) SetNull(i int) {
	for i>>6 >= len(v.Valid) {
		v.Valid = append(v.Valid, ^uint64(0))
	}
	v.Valid[i>>6] &^= 1 << (uint(i) & 63)
}
