package transfer

import (
	"bytes"
	"io"
	"strconv"
	"strings"
	"unicode/utf8"

	"lakeport/internal/delimited"
	"lakeport/internal/sqlerr"
)

// readWidths reads 'label:width,label:width' (Database Developer Guide, "Data
// format parameters", FIXEDWIDTH). The labels say nothing about columns.
func readWidths(spec string) ([]int, *sqlerr.Error) {
	var widths []int
	for part := range strings.SplitSeq(spec, ",") {
		label, digits, found := strings.Cut(part, ":")
		n, err := strconv.Atoi(strings.TrimSpace(digits))
		if !found || strings.TrimSpace(label) == "" || err != nil || n < 1 || n > delimited.MaxRow {
			return nil, sqlerr.New(sqlerr.Invalid, "FIXEDWIDTH: %q is not a label and a width, as in 'id:3,name:25'", part)
		}
		widths = append(widths, n)
	}
	return widths, nil
}

// fixedRows cuts lines into fields of so many characters.
type fixedRows struct {
	lines  *delimited.Reader
	widths []int
	null   string
}

func (c *Copy) fixedReader(in io.Reader) (*fixedRows, error) {
	lines, err := delimited.NewReader(in, delimited.Format{Delimiter: "\n", Skip: c.Text.Skip, SkipBlank: c.Text.SkipBlank})
	return &fixedRows{lines, c.widths, c.Text.Null}, err
}

// Next implements rowReader. Fields that the line ends before are missing; one
// that it ends in is shorter. Blanks that fill a field are part of it.
func (r *fixedRows) Next() (*delimited.Row, error) {
	row, err := r.lines.Next()
	if err != nil || row.Fault != nil {
		return row, err
	}
	row.Fields = row.Fields[:0]
	rest := row.Raw
	for _, width := range r.widths {
		if len(rest) == 0 {
			return row, nil
		}
		at := 0
		for n := 0; n < width && at < len(rest); n++ {
			_, size := utf8.DecodeRune(rest[at:])
			at += size
		}
		text := rest[:at]
		row.Fields = append(row.Fields, delimited.Field{Text: text, Null: string(bytes.TrimRight(text, " ")) == r.null, Quoted: true})
		rest = rest[at:]
	}
	if len(bytes.TrimRight(rest, " ")) > 0 {
		row.Fields = append(row.Fields, delimited.Field{Text: rest, Quoted: true})
	}
	return row, nil
}
