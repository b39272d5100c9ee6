package dialect

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	"lakeport/internal/lake"
	"lakeport/internal/sqlerr"
)

// PostgreSQL's templates, by which TO_CHAR writes dates and TO_DATE and
// TO_TIMESTAMP read them (Redshift's Database Developer Guide, "Datetime format
// strings"; what it leaves open is as PostgreSQL's "Data Type Formatting
// Functions").

// patternsOfDates are the template's patterns; of those that begin alike the
// longest comes first. J is a Julian day, RM a Roman month.
var patternsOfDates = []string{"Y,YYY", "YYYY", "YYY", "YY", "Y", "IYYY", "IYY", "IY", "IDDD", "IW", "ID", "I", "Q", "MONTH", "MON", "MM", "MI", "MS", "DAY", "DDD", "DD", "DY", "D",
	"WW", "W", "HH24", "HH12", "HH", "SSSSS", "SSSS", "SS", "US", "A.M.", "P.M.", "AM", "PM", "B.C.", "A.D.", "BC", "AD", "CC", "J", "RM", "TZ", "OF"}

// node is one piece of a template: a pattern as it is spelled, or literal text.
type node struct {
	pattern string // in upper case; "": literal
	text    string // as spelled
	fill    bool   // without FM: padded
	th      string // TH, th, or none
}

// dateTemplate cuts a template into its pieces.
func dateTemplate(text string) []node {
	var list []node
	fill := true
	literal := func(s string) {
		if n := len(list); n > 0 && list[n-1].pattern == "" {
			list[n-1].text += s
		} else if s != "" {
			list = append(list, node{text: s})
		}
	}
next:
	for len(text) > 0 {
		if len(text) > 1 && strings.EqualFold(text[:2], "FM") {
			fill, text = false, text[2:]
			continue
		}
		for _, p := range patternsOfDates {
			if len(text) < len(p) || !strings.EqualFold(text[:len(p)], p) {
				continue
			}
			n := node{pattern: p, text: text[:len(p)], fill: fill}
			text = text[len(p):]
			if len(text) > 1 && strings.EqualFold(text[:2], "TH") {
				n.th, text = text[:2], text[2:]
			}
			list, fill = append(list, n), true
			continue next
		}
		switch end := strings.IndexByte(text[1:], '"'); {
		case text[0] == '"' && end >= 0:
			literal(text[1 : 1+end])
			text = text[end+2:]
		case text[0] == '\\' && len(text) > 1:
			literal(text[1:2])
			text = text[2:]
		default:
			literal(text[:1])
			text = text[1:]
		}
	}
	return list
}

var roman = []string{"I", "II", "III", "IV", "V", "VI", "VII", "VIII", "IX", "X", "XI", "XII"}

func callToCharTime(f *lake.Frame) (bool, error) {
	t := time.UnixMicro(f.Number(0)).UTC()
	for _, n := range dateTemplate(string(f.Text(1))) {
		var err error
		if f.Bytes, err = n.appendTime(f.Bytes, t); err != nil {
			return false, err
		}
	}
	return true, nil
}

// appendTime writes what the piece stands for.
func (n node) appendTime(b []byte, t time.Time) ([]byte, error) {
	year, month, day := t.Date()
	isoYear, isoWeek := t.ISOWeek()
	isoDay := (int(t.Weekday())+6)%7 + 1
	if year <= 0 {
		year = 1 - year
	}
	hour12 := (t.Hour()+11)%12 + 1
	switch n.pattern {
	case "":
		return append(b, n.text...), nil
	case "Y,YYY":
		return n.number(append(n.number(b, year/1000, 0), ','), year%1000, 3), nil
	case "YYYY":
		return n.number(b, year, 4), nil
	case "YYY":
		return n.number(b, year%1000, 3), nil
	case "YY":
		return n.number(b, year%100, 2), nil
	case "Y":
		return n.number(b, year%10, 1), nil
	case "IYYY":
		return n.number(b, isoYear, 4), nil
	case "IYY":
		return n.number(b, isoYear%1000, 3), nil
	case "IY":
		return n.number(b, isoYear%100, 2), nil
	case "I":
		return n.number(b, isoYear%10, 1), nil
	case "IDDD":
		return n.number(b, (isoWeek-1)*7+isoDay, 3), nil
	case "IW":
		return n.number(b, isoWeek, 2), nil
	case "ID":
		return n.number(b, isoDay, 1), nil
	case "Q":
		return n.number(b, (int(month)+2)/3, 1), nil
	case "MONTH":
		return n.name(b, month.String(), 9), nil
	case "MON":
		return n.name(b, month.String()[:3], 0), nil
	case "MM":
		return n.number(b, int(month), 2), nil
	case "RM":
		return n.name(b, roman[month-1], 4), nil
	case "DAY":
		return n.name(b, t.Weekday().String(), 9), nil
	case "DY":
		return n.name(b, t.Weekday().String()[:3], 0), nil
	case "DDD":
		return n.number(b, t.YearDay(), 3), nil
	case "DD":
		return n.number(b, day, 2), nil
	case "D":
		return n.number(b, int(t.Weekday())+1, 1), nil
	case "WW":
		return n.number(b, (t.YearDay()-1)/7+1, 2), nil
	case "W":
		return n.number(b, (day-1)/7+1, 1), nil
	case "CC":
		return n.number(b, (year+99)/100, 2), nil
	case "J":
		return n.number(b, int(t.Unix()/86400)+2440588, 0), nil
	case "HH24":
		return n.number(b, t.Hour(), 2), nil
	case "HH12", "HH":
		return n.number(b, hour12, 2), nil
	case "MI":
		return n.number(b, t.Minute(), 2), nil
	case "SS":
		return n.number(b, t.Second(), 2), nil
	case "SSSS", "SSSSS":
		return n.number(b, t.Hour()*3600+t.Minute()*60+t.Second(), 0), nil
	case "MS":
		return n.number(b, t.Nanosecond()/1e6, 3), nil
	case "US":
		return n.number(b, t.Nanosecond()/1e3, 6), nil
	case "AM", "PM", "A.M.", "P.M.":
		return n.half(b, t.Hour() < 12, "AM", "PM"), nil
	case "BC", "AD", "B.C.", "A.D.":
		return n.half(b, t.Year() > 0, "AD", "BC"), nil
	}
	return nil, sqlerr.New(sqlerr.Unsupported, "TO_CHAR does not know the pattern %s yet", n.pattern)
}

// number writes a number in at least width digits, and its ordinal suffix.
func (n node) number(b []byte, value, width int) []byte {
	if !n.fill {
		width = 0
	}
	if b = appendPadded(b, value, width); n.th == "" {
		return b
	}
	suffix := ordinal(value % 100)
	if n.th[0] == 'T' {
		suffix = strings.ToUpper(suffix)
	}
	return append(b, suffix...)
}

// name writes a name in the letters of the pattern, padded to width.
func (n node) name(b []byte, name string, width int) []byte {
	switch {
	case n.text[0] >= 'a':
		name = strings.ToLower(name)
	case len(n.text) == 1 || n.text[1] < 'a':
		name = strings.ToUpper(name)
	}
	if n.fill {
		name = fmt.Sprintf("%-*s", width, name)
	}
	return append(b, name...)
}

// half writes one of two marks, dotted and in the letters of the pattern.
func (n node) half(b []byte, first bool, one, other string) []byte {
	mark := other
	if first {
		mark = one
	}
	if strings.Contains(n.text, ".") {
		mark = mark[:1] + "." + mark[1:] + "."
	}
	if n.text[0] >= 'a' {
		mark = strings.ToLower(mark)
	}
	return append(b, mark...)
}

// clock is what a text read by a template has told.
type clock struct {
	year, month, day, ofYear    int
	hour, minute, second, micro int
	twelve, after, before       bool // HH12; PM; BC
	julian, seconds             int  // -1: not told
}

// widths are how many digits a pattern reads at most.
var widths = map[string]int{"YYYY": 4, "YYY": 3, "YY": 2, "Y": 1, "MM": 2, "DD": 2, "DDD": 3, "HH24": 2, "HH12": 2, "HH": 2, "MI": 2, "SS": 2, "MS": 3, "US": 6, "J": 7,
	"SSSS": 5, "SSSSS": 5, "D": 1, "Q": 1, "W": 1, "WW": 2, "CC": 2}

// callParseTemplate reads a time by a template, as a TIMESTAMP. A value beyond
// its range counts on, as in TO_DATE and TO_TIMESTAMP unless they are strict.
func callParseTemplate(f *lake.Frame) (bool, error) {
	t, err := parseTemplate(string(f.Text(0)), string(f.Text(1)))
	f.Int = t.UnixMicro()
	return err == nil, err
}

// callParseStrict refuses a value beyond its range.
func callParseStrict(f *lake.Frame) (bool, error) {
	text, template := string(f.Text(0)), string(f.Text(1))
	c, err := readTemplate(text, template)
	if err != nil {
		return false, err
	}
	t := c.time()
	f.Int = t.UnixMicro()
	if c.julian < 0 && (t.Minute() != c.minute || t.Second() != c.second || c.hour > 23 || c.ofYear == 0 && (t.Day() != c.day || int(t.Month()) != c.month)) {
		return false, sqlerr.New(sqlerr.Invalid, "date/time field value out of range: %q", text).With(sqlerr.Code{State: "22008"})
	}
	return true, nil
}

func parseTemplate(text, template string) (time.Time, error) {
	c, err := readTemplate(text, template)
	return c.time(), err
}

func (c *clock) time() time.Time {
	hour := c.hour
	if c.twelve {
		if hour %= 12; c.after {
			hour += 12
		}
	}
	year := c.year
	if c.before {
		year = 1 - year
	}
	t := time.Date(year, time.Month(c.month), c.day, hour, c.minute, c.second, c.micro*1000, time.UTC)
	switch {
	case c.julian >= 0:
		t = time.Unix(int64(c.julian-2440588)*86400, 0).UTC().Add(t.Sub(t.Truncate(24 * time.Hour)))
	case c.ofYear > 0:
		t = t.AddDate(0, 1-int(t.Month()), c.ofYear-t.Day())
	}
	if c.seconds >= 0 {
		t = t.Truncate(24 * time.Hour).Add(time.Duration(c.seconds) * time.Second)
	}
	return t
}

// readTemplate reads text piece by piece. A separator of the template stands for
// any others, and blanks may stand before values.
func readTemplate(text, template string) (clock, error) {
	c := clock{year: 1, month: 1, day: 1, julian: -1, seconds: -1}
	rest := text
	list := dateTemplate(template)
	for i, n := range list {
		if n.pattern == "" {
			rest = passLiteral(rest, n.text)
			continue
		}
		rest = strings.TrimLeft(rest, " ")
		next := i+1 < len(list) && list[i+1].pattern != ""
		took, err := c.read(n, rest, next)
		if err != nil {
			return c, err
		}
		rest = rest[took:]
		if n.th != "" && len(rest) > 1 {
			rest = rest[2:]
		}
	}
	return c, nil
}

// passLiteral takes what stands for the template's literal text off rest.
func passLiteral(rest, literal string) string {
	for i := 0; i < len(literal) && rest != ""; i++ {
		isLetter := literal[i] >= '0' && literal[i] <= '9' || literal[i]|0x20 >= 'a' && literal[i]|0x20 <= 'z'
		switch separates := strings.IndexByte("-/:.,;' _", rest[0]) >= 0; {
		case isLetter, separates, rest[0] == literal[i]:
			rest = rest[1:]
		}
	}
	return rest
}

// read takes the value of a piece off the start of text. beside tells that the
// next pattern follows without a separator, so that a number ends at its width.
func (c *clock) read(n node, text string, beside bool) (int, error) {
	switch n.pattern {
	case "MONTH", "MON":
		for m := time.January; m <= time.December; m++ {
			if full := m.String(); len(text) >= len(full) && strings.EqualFold(text[:len(full)], full) {
				c.month = int(m)
				return len(full), nil
			}
		}
		for m := time.January; m <= time.December; m++ {
			if len(text) >= 3 && strings.EqualFold(text[:3], m.String()[:3]) {
				c.month = int(m)
				return 3, nil
			}
		}
		return 0, badTemplateValue(n, text)
	case "DAY", "DY":
		return len(text) - len(strings.TrimLeft(text, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ")), nil
	case "AM", "PM", "A.M.", "P.M.", "BC", "AD", "B.C.", "A.D.":
		if len(text) < len(n.text) {
			return 0, badTemplateValue(n, text)
		}
		switch mark := strings.ToUpper(strings.ReplaceAll(text[:len(n.text)], ".", "")); mark {
		case "AM", "PM":
			c.twelve, c.after = true, mark == "PM"
		case "BC", "AD":
			c.before = mark == "BC"
		default:
			return 0, badTemplateValue(n, text)
		}
		return len(n.text), nil
	case "RM":
		for m := len(roman); m > 0; m-- { // VIII before VII before VI
			if r := roman[m-1]; len(text) >= len(r) && strings.EqualFold(text[:len(r)], r) && (len(text) == len(r) || strings.IndexByte("IVXivx", text[len(r)]) < 0) {
				c.month = m
				return len(r), nil
			}
		}
		return 0, badTemplateValue(n, text)
	}
	width, known := widths[n.pattern]
	if !known {
		return 0, sqlerr.New(sqlerr.Unsupported, "TO_DATE and TO_TIMESTAMP do not know the pattern %s yet", n.pattern)
	}
	end := 0
	for end < len(text) && text[end] >= '0' && text[end] <= '9' && (end < width || !beside && !isFraction(n.pattern)) {
		end++
	}
	value, err := strconv.Atoi(text[:end])
	if err != nil {
		return 0, badTemplateValue(n, text)
	}
	c.set(n.pattern, value, end)
	return end, nil
}

func isFraction(pattern string) bool { return pattern == "MS" || pattern == "US" }

// set notes a number that was read in so many digits.
func (c *clock) set(pattern string, value, digits int) {
	switch pattern {
	case "YYYY", "YYY", "YY", "Y":
		switch { // Redshift's years of fewer digits are those next to 2020
		case digits > 2 || pattern == "YYYY" && digits > 2:
		case value < 70:
			value += 2000
		default:
			value += 1900
		}
		c.year = value
	case "MM":
		c.month = value
	case "DD":
		c.day = value
	case "DDD":
		c.ofYear = value
	case "J":
		c.julian = value
	case "HH24":
		c.hour = value
	case "HH12", "HH":
		c.hour, c.twelve = value, true
	case "MI":
		c.minute = value
	case "SS":
		c.second = value
	case "SSSS", "SSSSS":
		c.seconds = value
	case "MS", "US":
		for ; digits < 6; digits++ {
			value *= 10
		}
		c.micro = value
	}
}

func badTemplateValue(n node, text string) error {
	if len(text) > 20 {
		text = text[:20] + "…"
	}
	return sqlerr.New(sqlerr.Invalid, "invalid value %q for %q", text, n.text).With(sqlerr.Code{State: "22007"})
}
