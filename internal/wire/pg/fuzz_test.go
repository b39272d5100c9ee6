package pg

import (
	"bufio"
	"bytes"
	"testing"

	"github.com/jackc/pgx/v5/pgproto3"

	"lakeport/internal/lake"
	"lakeport/internal/wire"
)

func FuzzMessages(f *testing.F) {
	for _, list := range conversations {
		var b []byte
		for _, m := range list[1:] {
			b, _ = m.Encode(b)
		}
		f.Add(b)
	}
	f.Add([]byte{'B', 0xff, 0xff, 0xff, 0xff})
	f.Fuzz(func(t *testing.T, b []byte) {
		r := bufio.NewReader(bytes.NewReader(b))
		var buf []byte
		for {
			m, next, err := readMessage(r, buf, 1<<20)
			if err != nil {
				return
			}
			buf = next
			if msg, err := m.decode(); err == nil {
				if bind, is := msg.(*pgproto3.Bind); is {
					arguments(make([]uint32, len(bind.Parameters)), bind)
					formatsOf(bind.ResultFormatCodes, 3)
				}
			}
		}
	})
}

func FuzzStartup(f *testing.F) {
	f.Add([]byte("user\x00root\x00\x00"))
	f.Add([]byte("\x00"))
	f.Fuzz(func(t *testing.T, b []byte) {
		if params, err := parameters(b); err == nil && len(params) > len(b) {
			t.Error("more parameters than bytes")
		}
		splitFirst(string(b))
		attributes(string(b))
	})
}

func FuzzBinaryValues(f *testing.F) {
	for oid := range declared {
		f.Add(oid, []byte{0, 0, 0, 1, 0, 0, 0, 0})
	}
	f.Add(typeNumeric.oid, []byte{0, 2, 0, 0, 0x40, 0, 0, 2, 0, 12, 13, 128})
	f.Add(typeInt4.array, []byte{0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 23, 0, 0, 0, 1, 0, 0, 0, 1, 0, 0, 0, 4, 0, 0, 0, 7})
	f.Fuzz(func(t *testing.T, oid uint32, b []byte) {
		text, err := binaryText(nil, oid, b)
		if err == nil && len(text) > 64*len(b)+1024 {
			t.Errorf("%d bytes of text from %d bytes", len(text), len(b))
		}
	})
}

func FuzzCopyRows(f *testing.F) {
	f.Add(uint8(0), []byte("1\ta\\x41\\101\\n\n\\N\t\\\\\n\\.\nrest"))
	f.Add(uint8(1), []byte("1,\"a\n\"\"b\"\n,\n"))
	f.Add(uint8(2), append(append([]byte{}, binaryHeader...), 0, 2, 0, 0, 0, 8, 0, 0, 0, 0, 0, 0, 0, 1, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff))
	columns := []lake.Column{{Name: "a", Type: lake.Type{Kind: lake.BigInt}}, {Name: "b", Type: lake.Type{Kind: lake.Varchar}}}
	f.Fuzz(func(t *testing.T, kind uint8, b []byte) {
		o := wire.Copy{Format: []wire.CopyFormat{wire.CopyText, wire.CopyCSV, wire.CopyBinary}[kind%3], Header: kind&8 != 0}
		if kind&16 != 0 {
			o.Escape = '\\'
		}
		r := newCopyRows(bytes.NewReader(b), o, columns)
		for range len(b) + 2 {
			fields, err := r.Next()
			if err != nil {
				return
			}
			if len(fields) != 2 {
				t.Fatal("a row without two fields")
			}
		}
		t.Error("more rows than bytes")
	})
}
