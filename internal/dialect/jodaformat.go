package dialect

import (
	"bytes"
	"fmt"
	"strconv"
	"strings"
	"time"

	"lakeport/internal/lake"
)

// jodaPart is a run of one letter of a Joda format, or text that stands for
// itself (letter 0).
type jodaPart struct {
	letter byte
	n      int
	text   []byte
}

// jodaParts cuts a format of Joda-Time's DateTimeFormat: text in single quotes
// and what is no letter stands for itself.
func jodaParts(format []byte) []jodaPart {
	var parts []jodaPart
	for i := 0; i < len(format); {
		c := format[i]
		n := 1
		switch {
		case c == '\'' && i+1 < len(format) && format[i+1] == '\'':
			parts = append(parts, jodaPart{text: format[i : i+1]})
			n = 2
		case c == '\'':
			end := bytes.IndexByte(format[i+1:], '\'')
			if end < 0 {
				end = len(format) - i - 1
			}
			parts = append(parts, jodaPart{text: format[i+1 : i+1+end]})
			n = min(end+2, len(format)-i)
		case 'a' <= c|0x20 && c|0x20 <= 'z':
			for i+n < len(format) && format[i+n] == c {
				n++
			}
			parts = append(parts, jodaPart{letter: c, n: n})
		default:
			parts = append(parts, jodaPart{text: format[i : i+1]})
		}
		i += n
	}
	return parts
}

func callJodaFormat(f *lake.Frame) (bool, error) {
	t := time.UnixMicro(f.Number(0)).UTC()
	if t.Year() < 0 || t.Year() > 9999 {
		return false, nil
	}
	for _, p := range jodaParts(f.Text(1)) {
		if p.letter == 0 {
			f.Bytes = append(f.Bytes, p.text...)
			continue
		}
		var err error
		if f.Bytes, err = appendJoda(f.Bytes, t, p); err != nil {
			return false, err
		}
	}
	return true, nil
}

func appendJoda(b []byte, t time.Time, p jodaPart) ([]byte, error) {
	isoYear, isoWeek := t.ISOWeek()
	number := map[byte]int{
		'C': t.Year() / 100, 'Y': t.Year(), 'y': t.Year(), 'x': isoYear, 'w': isoWeek, 'e': (int(t.Weekday())+6)%7 + 1, 'D': t.YearDay(),
		'd': t.Day(), 'K': t.Hour() % 12, 'h': (t.Hour()+11)%12 + 1, 'H': t.Hour(), 'k': (t.Hour()+23)%24 + 1, 'm': t.Minute(), 's': t.Second(),
	}
	switch {
	case p.letter == 'G':
		return append(b, "AD"...), nil
	case p.letter == 'a':
		return t.AppendFormat(b, "PM"), nil
	case p.letter == 'E':
		name := t.Weekday().String()
		if p.n < 4 {
			name = name[:3]
		}
		return append(b, name...), nil
	case p.letter == 'M' && p.n == 3:
		return append(b, t.Month().String()[:3]...), nil
	case p.letter == 'M' && p.n > 3:
		return append(b, t.Month().String()...), nil
	case p.letter == 'M':
		return appendPadded(b, int(t.Month()), p.n), nil
	case p.letter == 'S':
		digits := fmt.Sprintf("%09d", t.Nanosecond()) + strings.Repeat("0", max(p.n-9, 0))
		return append(b, digits[:p.n]...), nil
	case (p.letter == 'y' || p.letter == 'Y' || p.letter == 'x') && p.n == 2:
		return appendPadded(b, number[p.letter]%100, 2), nil
	}
	n, ok := number[p.letter]
	if !ok {
		return b, fmt.Errorf("the letter %q of a date format is not supported", p.letter)
	}
	return appendPadded(b, n, p.n), nil
}

func callParseJoda(f *lake.Frame) (bool, error) {
	p := parsed{-1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1}
	s := f.Text(0)
	for _, part := range jodaParts(f.Text(1)) {
		ok, err := p.joda(&s, part)
		if !ok || err != nil {
			return false, err
		}
	}
	t, ok := p.time()
	f.Int = t.UnixMicro()
	return ok && len(s) == 0, nil
}

// joda reads one part of a Joda format.
func (p *parsed) joda(s *[]byte, part jodaPart) (bool, error) {
	switch part.letter {
	case 0:
		if !bytes.HasPrefix(*s, part.text) {
			return false, nil
		}
		*s = (*s)[len(part.text):]
		return true, nil
	case 'y', 'Y':
		if part.n == 2 {
			return p.part(s, 'y'), nil
		}
		return digits(s, max(part.n, 4), 0, 9999, &p.year), nil
	case 'M':
		switch part.n {
		case 1, 2:
			return p.part(s, 'm'), nil
		case 3:
			return p.part(s, 'b'), nil
		}
		return p.part(s, 'M'), nil
	case 'd':
		return p.part(s, 'd'), nil
	case 'D':
		return p.part(s, 'j'), nil
	case 'E':
		if part.n < 4 {
			return p.part(s, 'a'), nil
		}
		return p.part(s, 'W'), nil
	case 'H':
		return p.part(s, 'H'), nil
	case 'h':
		return p.part(s, 'h'), nil
	case 'a':
		return p.part(s, 'p'), nil
	case 'm':
		return p.part(s, 'i'), nil
	case 's':
		return p.part(s, 's'), nil
	case 'S':
		n := 0
		for n < len(*s) && n < part.n && '0' <= (*s)[n] && (*s)[n] <= '9' {
			n++
		}
		micros, err := strconv.Atoi((string((*s)[:n]) + "000000")[:6])
		p.micros, *s = micros, (*s)[n:]
		return n > 0 && err == nil, nil
	}
	return false, fmt.Errorf("the letter %q of a date format is not supported", part.letter)
}
