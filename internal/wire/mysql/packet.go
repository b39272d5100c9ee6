package mysql

import (
	"encoding/binary"
	"errors"
	"io"
	"slices"

	"lakeport/internal/sqlerr"
)

const (
	// maxPayload is the longest payload of one frame; a frame of exactly this
	// length is followed by another that continues the packet.
	maxPayload = 1<<24 - 1
	// flushSize is how much the writer gathers before it writes.
	flushSize = 64 << 10
	// keepSize is the largest buffer kept for the next packet.
	keepSize = 1 << 20
)

// Codes of broken framing, MySQL's ER_NET_PACKETS_OUT_OF_ORDER and
// ER_NET_PACKET_TOO_LARGE.
var (
	codeOutOfOrder = sqlerr.Code{MySQL: 1156, State: "08S01"}
	codeTooLarge   = sqlerr.Code{MySQL: 1153, State: "08S01"}
)

// packets frames payloads in both directions and counts their sequence ids.
// Written packets gather in out until it holds flushSize bytes or flush runs.
type packets struct {
	r    io.Reader
	w    io.Writer
	seq  uint8
	head [4]byte
	in   []byte // the packet last read
	out  []byte // whole packets to send, then the one being built
	mark int    // where the packet being built starts in out
}

// read returns the next packet's payload, which stays valid until the next
// read. It fails when the payload is longer than limit or out of sequence.
func (p *packets) read(limit int) ([]byte, error) {
	p.in = reuse(p.in)
	for {
		if _, err := io.ReadFull(p.r, p.head[:]); err != nil {
			return nil, err
		}
		n := int(p.head[0]) | int(p.head[1])<<8 | int(p.head[2])<<16
		want := p.seq
		p.seq = p.head[3] + 1 // the answer follows what came, right or wrong
		if p.head[3] != want {
			return nil, sqlerr.New(sqlerr.Invalid, "Got packets out of order: sequence id %d where %d follows",
				p.head[3], want).With(codeOutOfOrder)
		}
		if len(p.in)+n > limit {
			return nil, sqlerr.New(sqlerr.Invalid, "Got a packet bigger than 'max_allowed_packet' bytes (%d)",
				limit).With(codeTooLarge)
		}
		var err error
		if p.in, err = appendFrom(p.in, p.r, n); err != nil {
			return nil, err
		}
		if n < maxPayload {
			return p.in, nil
		}
	}
}

// appendFrom appends n bytes of r to b. It grows b by what has arrived, so a
// header that only claims a long payload reserves little memory.
func appendFrom(b []byte, r io.Reader, n int) ([]byte, error) {
	for n > 0 {
		step := min(n, max(len(b), 64<<10))
		have := len(b)
		b = slices.Grow(b, step)[:have+step]
		if _, err := io.ReadFull(r, b[have:]); err != nil {
			if errors.Is(err, io.EOF) {
				err = io.ErrUnexpectedEOF
			}
			return b, err
		}
		n -= step
	}
	return b, nil
}

// reuse empties a buffer, or drops it when one long packet made it large.
func reuse(b []byte) []byte {
	if cap(b) > keepSize {
		return nil
	}
	return b[:0]
}

// begin opens a packet: the caller appends the payload to the returned slice
// and hands it to end.
func (p *packets) begin() []byte {
	p.mark = len(p.out)
	return append(p.out, 0, 0, 0, 0)
}

// end closes the packet that begin opened, and sends if enough has gathered.
func (p *packets) end(b []byte) error {
	n := len(b) - p.mark - 4
	if n >= maxPayload {
		return p.endLong(b)
	}
	p.out = b
	p.putHead(b[p.mark:], n)
	if len(b) >= flushSize {
		return p.flush()
	}
	return nil
}

// endLong sends a payload that needs several frames.
func (p *packets) endLong(b []byte) error {
	payload := b[p.mark+4:]
	p.out = b[:p.mark]
	if err := p.flush(); err != nil {
		return err
	}
	p.out = nil
	for {
		n := min(len(payload), maxPayload)
		p.putHead(p.head[:], n)
		if _, err := p.w.Write(p.head[:]); err != nil {
			return err
		}
		if _, err := p.w.Write(payload[:n]); err != nil {
			return err
		}
		payload = payload[n:]
		if n < maxPayload {
			return nil
		}
	}
}

func (p *packets) putHead(b []byte, n int) {
	b[0], b[1], b[2], b[3] = byte(n), byte(n>>8), byte(n>>16), p.seq
	p.seq++
}

// flush sends what has gathered.
func (p *packets) flush() error {
	if len(p.out) == 0 {
		return nil
	}
	_, err := p.w.Write(p.out)
	p.out = reuse(p.out)
	return err
}

// appendLenInt appends n as a length-encoded integer.
func appendLenInt(b []byte, n uint64) []byte {
	switch {
	case n < 251:
		return append(b, byte(n))
	case n < 1<<16:
		return append(b, 0xfc, byte(n), byte(n>>8))
	case n < 1<<24:
		return append(b, 0xfd, byte(n), byte(n>>8), byte(n>>16))
	}
	return binary.LittleEndian.AppendUint64(append(b, 0xfe), n)
}

// appendLenString appends s behind its length-encoded length.
func appendLenString[S string | []byte](b []byte, s S) []byte {
	return append(appendLenInt(b, uint64(len(s))), s...)
}

// sealLen turns the byte at start-1, which the caller left free, and all that
// follows it into a length-encoded string.
func sealLen(b []byte, start int) []byte {
	n := len(b) - start
	if n < 251 {
		b[start-1] = byte(n)
		return b
	}
	var room [9]byte
	head := appendLenInt(room[:0], uint64(n))
	b[start-1] = head[0]
	return slices.Insert(b, start, head[1:]...)
}

// fields takes a payload apart from its front. The first access beyond the
// end marks it broken; from then on every access yields zero.
type fields struct {
	b      []byte
	broken bool
}

// take returns the next n bytes.
func (f *fields) take(n uint64) []byte {
	if f.broken || n > uint64(len(f.b)) {
		f.b, f.broken = nil, true
		return nil
	}
	v := f.b[:n]
	f.b = f.b[n:]
	return v
}

func (f *fields) uint8() uint8 {
	if b := f.take(1); b != nil {
		return b[0]
	}
	return 0
}

func (f *fields) uint16() uint16 {
	if b := f.take(2); b != nil {
		return binary.LittleEndian.Uint16(b)
	}
	return 0
}

func (f *fields) uint32() uint32 {
	if b := f.take(4); b != nil {
		return binary.LittleEndian.Uint32(b)
	}
	return 0
}

func (f *fields) uint64() uint64 {
	if b := f.take(8); b != nil {
		return binary.LittleEndian.Uint64(b)
	}
	return 0
}

// lenInt reads a length-encoded integer.
func (f *fields) lenInt() uint64 {
	switch n := f.uint8(); n {
	case 0xfc:
		return uint64(f.uint16())
	case 0xfd:
		b := f.take(3)
		if b == nil {
			return 0
		}
		return uint64(b[0]) | uint64(b[1])<<8 | uint64(b[2])<<16
	case 0xfe:
		return f.uint64()
	case 0xfb, 0xff: // NULL and ERR: no length
		f.b, f.broken = nil, true
		return 0
	default:
		return uint64(n)
	}
}

// lenBytes reads a length-encoded string.
func (f *fields) lenBytes() []byte { return f.take(f.lenInt()) }

// zeroString reads a string that a NUL byte ends. The end of the payload ends
// it as well: some clients leave the last NUL out.
func (f *fields) zeroString() string {
	for i, c := range f.b {
		if c == 0 {
			s := string(f.b[:i])
			f.b = f.b[i+1:]
			return s
		}
	}
	return string(f.rest())
}

// rest reads all that is left.
func (f *fields) rest() []byte { return f.take(uint64(len(f.b))) }
