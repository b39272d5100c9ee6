package dialect

import (
	"math/big"
	"strings"

	"lakeport/internal/lake"
	"lakeport/internal/sqlerr"
)

// numberTemplate is a template of TO_CHAR and TO_NUMBER for numbers (Redshift's
// Database Developer Guide, "Numeric format strings").
type numberTemplate struct {
	nodes       []string // patterns in upper case, or literal characters
	before      int      // digits before the point
	after       int      // and behind it
	zero        int      // index among the digits of the first 0; -1: there is none
	fill        bool     // without FM
	sign        bool     // S, SG, MI or PR says where the sign stands
	angle       bool     // PR
	hasPoint    bool
	roman       bool
	lastZero    int  // index among the digits behind the point of the last 0
	trailing    bool // S stands behind the digits
	leadingSign bool // S stands before them
}

var patternsOfNumbers = []string{"FM", "SG", "MI", "PL", "PR", "RN", "TH", "9", "0", ".", "D", ",", "G", "L", "S", "V", "EEEE"}

func parseNumberTemplate(text string) (numberTemplate, error) {
	t := numberTemplate{zero: -1, fill: true, lastZero: -1}
next:
	for len(text) > 0 {
		for _, p := range patternsOfNumbers {
			if len(text) < len(p) || !strings.EqualFold(text[:len(p)], p) {
				continue
			}
			text = text[len(p):]
			switch p {
			case "FM":
				t.fill = false
				continue next
			case "V", "EEEE", "TH":
				return t, sqlerr.New(sqlerr.Unsupported, "templates of numbers do not know the pattern %s yet", p)
			case "RN":
				t.roman = true
			case ".", "D":
				if t.hasPoint {
					return t, sqlerr.New(sqlerr.Invalid, "a template of numbers has more than one decimal point")
				}
				t.hasPoint, p = true, "D"
			case ",":
				p = "G"
			case "0", "9":
				if p == "0" && t.zero < 0 && !t.hasPoint {
					t.zero = t.before
				}
				if t.hasPoint {
					if p == "0" {
						t.lastZero = t.after
					}
					t.after++
				} else {
					t.before++
				}
			case "S":
				t.sign = true
				t.leadingSign, t.trailing = t.before+t.after == 0, t.before+t.after > 0
			case "SG", "MI":
				t.sign = true
			case "PR":
				t.sign, t.angle = true, true
			}
			t.nodes = append(t.nodes, p)
			continue next
		}
		literal := text[:1]
		if end := strings.IndexByte(text[1:], '"'); literal == `"` && end >= 0 {
			literal, text = text[1:1+end], text[1+end:]
		}
		t.nodes = append(t.nodes, "'"+literal)
		text = text[1:]
	}
	return t, nil
}

// callToCharNumber writes a number, which comes as its decimal text.
func callToCharNumber(f *lake.Frame) (bool, error) {
	t, err := parseNumberTemplate(string(f.Text(1)))
	if err != nil {
		return false, err
	}
	value, ok := new(big.Rat).SetString(string(f.Text(0)))
	if !ok {
		return false, sqlerr.New(sqlerr.Invalid, "TO_CHAR cannot write %q by a template of numbers", f.Text(0))
	}
	if t.roman {
		f.Bytes = t.appendRoman(f.Bytes, value)
		return true, nil
	}
	f.Bytes = t.appendNumber(f.Bytes, value)
	return true, nil
}

func (t *numberTemplate) appendRoman(b []byte, value *big.Rat) []byte {
	text := "###############"
	if n, _ := value.Float64(); n >= 1 && n < 3999.5 {
		left, out := int(n+0.5), ""
		for _, r := range []struct {
			n    int
			text string
		}{{1000, "M"}, {900, "CM"}, {500, "D"}, {400, "CD"}, {100, "C"}, {90, "XC"}, {50, "L"}, {40, "XL"}, {10, "X"}, {9, "IX"}, {5, "V"}, {4, "IV"}, {1, "I"}} {
			for ; left >= r.n; left -= r.n {
				out += r.text
			}
		}
		text = out
		if t.fill {
			text = strings.Repeat(" ", 15-len(out)) + out
		}
	}
	return append(b, text...)
}

// appendNumber writes one cell for each node, and the sign before the first
// digit where no pattern places it.
func (t *numberTemplate) appendNumber(b []byte, value *big.Rat) []byte {
	negative := value.Sign() < 0
	text := new(big.Rat).Abs(value).FloatString(t.after)
	if negative && strings.Trim(text, "0.") == "" {
		negative = false
	}
	whole, fraction, _ := strings.Cut(text, ".")
	if whole == "0" && (t.hasPoint && t.after > 0 || strings.Trim(fraction, "0") != "") {
		whole = ""
	}
	overflow := len(whole) > t.before
	var cells []string
	signAt := -1 // the cell before which the sign stands
	place, behind, started, point := 0, 0, false, false
	blank := func() string {
		if t.fill {
			return " "
		}
		return ""
	}
	mark := func(yes bool, is, not string) string {
		if yes {
			return is
		}
		return not
	}
	begin := func() {
		if !started {
			started, signAt = true, len(cells)
		}
	}
	kept := t.after // digits behind the point; FM leaves out zeros that a 9 stands for
	if !t.fill {
		for kept > t.lastZero+1 && fraction[kept-1] == '0' {
			kept--
		}
	}
	if !t.fill && whole == "" && kept == 0 && t.before > 0 {
		whole = "0" // FM leaves one digit
	}
	for _, n := range t.nodes {
		switch n {
		case "9", "0":
			switch digit := place - (t.before - len(whole)); {
			case overflow:
				begin()
				cells = append(cells, "#")
			case point:
				begin()
				if behind < kept {
					cells = append(cells, fraction[behind:behind+1])
				}
				behind++
			case digit >= 0:
				begin()
				cells = append(cells, whole[digit:digit+1])
			case t.zero >= 0 && place >= t.zero:
				begin()
				cells = append(cells, "0")
			default:
				cells = append(cells, blank())
			}
			if !point {
				place++
			}
		case "D":
			begin()
			point = true
			cells = append(cells, ".")
		case "G":
			cells = append(cells, mark(started, ",", blank()))
		case "L":
			cells = append(cells, "$")
		case "S":
			if t.trailing {
				cells = append(cells, mark(negative, "-", "+"))
			}
		case "SG":
			cells = append(cells, mark(negative, "-", "+"))
		case "MI":
			cells = append(cells, mark(negative, "-", blank()))
		case "PL":
			cells = append(cells, mark(!negative, "+", blank()))
		case "PR":
			cells = append(cells, mark(negative, ">", blank()))
		default:
			cells = append(cells, n[1:])
		}
	}
	if signAt < 0 {
		signAt = len(cells)
	}
	sign := ""
	switch {
	case t.leadingSign:
		sign = mark(negative, "-", "+")
	case t.angle:
		sign = mark(negative, "<", blank())
	case !t.sign:
		sign = mark(negative, "-", blank())
	}
	for i, cell := range cells {
		if i == signAt {
			b = append(b, sign...)
		}
		b = append(b, cell...)
	}
	if signAt == len(cells) {
		b = append(b, sign...)
	}
	return b
}

// callToNumber gives the decimal text of a number that a template describes.
func callToNumber(f *lake.Frame) (bool, error) {
	t, err := parseNumberTemplate(string(f.Text(1)))
	if err != nil {
		return false, err
	}
	text := strings.TrimSpace(string(f.Text(0)))
	negative := strings.HasPrefix(text, "<") && t.angle
	var out []byte
	for i := 0; i < len(text); i++ {
		switch c := text[i]; {
		case c >= '0' && c <= '9', c == '.':
			out = append(out, c)
		case c == '-':
			negative = true
		case c == '+', c == ',', c == '$', c == ' ', c == '<' && t.angle, c == '>' && t.angle:
		default:
			return false, sqlerr.New(sqlerr.Invalid, "TO_NUMBER cannot read %q", text).With(sqlerr.Code{State: "22P02"})
		}
	}
	whole, fraction, _ := strings.Cut(string(out), ".")
	if len(fraction) > t.after {
		fraction = fraction[:t.after]
	}
	if whole == "" && fraction == "" || strings.Contains(fraction, ".") {
		return false, sqlerr.New(sqlerr.Invalid, "TO_NUMBER cannot read %q", text).With(sqlerr.Code{State: "22P02"})
	}
	if negative {
		f.Bytes = append(f.Bytes, '-')
	}
	f.Bytes = append(append(append(f.Bytes, "0"+whole...), '.'), fraction+"0"...)
	return true, nil
}
