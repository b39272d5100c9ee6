package blob_test

import (
	"encoding/binary"
	"fmt"
	"math/rand/v2"
)

// A file with the outline of Parquet: groups of chunks of random bytes and a
// footer that says where they are. No engine need understand the chunks.
type outline struct {
	data   []byte
	chunks [][][2]int64 // group, column: offset and length
	footer int64        // length with its 8 bytes
}

// compact writes the thrift compact protocol.
type compact struct{ b []byte }

func (c *compact) field(delta, kind byte) { c.b = append(c.b, delta<<4|kind) }
func (c *compact) i64(v int64)            { c.b = binary.AppendUvarint(c.b, uint64(v<<1)^uint64(v>>63)) }
func (c *compact) stop()                  { c.b = append(c.b, 0) }
func (c *compact) text(s string) {
	c.b = append(binary.AppendUvarint(c.b, uint64(len(s))), s...)
}
func (c *compact) list(n int, kind byte) {
	if n < 15 {
		c.b = append(c.b, byte(n)<<4|kind)
	} else {
		c.b = binary.AppendUvarint(append(c.b, 15<<4|kind), uint64(n))
	}
}

// newOutline makes a file of groups with the given chunk sizes; columns are
// called c0, c1 and so on.
func newOutline(groups int, sizes []int) *outline {
	o := &outline{data: []byte("PAR1")}
	r := rand.New(rand.NewPCG(1, uint64(groups)))
	for range groups {
		var g [][2]int64
		for _, n := range sizes {
			g = append(g, [2]int64{int64(len(o.data)), int64(n)})
			for range n / 8 {
				o.data = binary.LittleEndian.AppendUint64(o.data, r.Uint64())
			}
			o.data = append(o.data, make([]byte, n%8)...)
		}
		o.chunks = append(o.chunks, g)
	}
	c := &compact{}
	c.field(1, 5) // version
	c.i64(2)
	c.field(1, 9) // schema: skipped, with a list of booleans inside
	c.list(1, 12)
	c.field(4, 8)
	c.text("root")
	c.stop()
	c.field(1, 6) // num_rows
	c.i64(1000)
	c.field(1, 9) // row_groups
	c.list(groups, 12)
	for _, g := range o.chunks {
		c.field(1, 9)
		c.list(len(g), 12)
		for i, ch := range g {
			c.field(2, 6) // file_offset
			c.i64(ch[0])
			c.field(1, 12) // meta_data
			c.field(1, 5)
			c.i64(1)
			c.field(2, 9) // path_in_schema
			c.list(1, 8)
			c.text(fmt.Sprintf("C%d", i))
			c.field(4, 6) // total_compressed_size
			c.i64(ch[1])
			c.field(2, 6) // data_page_offset
			if i%2 == 0 {
				c.i64(ch[0])
			} else {
				c.i64(ch[0] + 10)
				c.field(2, 6) // dictionary_page_offset
				c.i64(ch[0])
			}
			c.stop()
			c.stop()
		}
		c.field(1, 6)
		c.i64(1)
		c.stop()
	}
	c.stop()
	o.footer = int64(len(c.b)) + 8
	o.data = append(o.data, c.b...)
	o.data = binary.LittleEndian.AppendUint32(o.data, uint32(len(c.b)))
	o.data = append(o.data, "PAR1"...)
	return o
}
