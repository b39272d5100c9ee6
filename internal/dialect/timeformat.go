package dialect

import (
	"bytes"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"time"
	_ "time/tzdata" // the machine may have no zones

	"lakeport/internal/lake"
)

// longestDate is how many bytes date_format gives at most; more is NULL
// (StarRocks' documentation of date_format).
const longestDate = 128

// javaFormats are the formats in Java's letters that StarRocks knows beside
// MySQL's.
var javaFormats = map[string]string{"yyyyMMdd": "%Y%m%d", "yyyy-MM-dd": "%Y-%m-%d", "yyyy-MM-dd HH:mm:ss": "%Y-%m-%d %H:%i:%s"}

// mysqlFormat gives the format in MySQL's letters.
func mysqlFormat(format []byte) []byte {
	if f, ok := javaFormats[string(format)]; ok {
		return []byte(f)
	}
	return format
}

func callDateFormat(f *lake.Frame) (bool, error) {
	t := time.UnixMicro(f.Number(0)).UTC()
	if t.Year() < 0 || t.Year() > 9999 {
		return false, nil
	}
	format := mysqlFormat(f.Text(1))
	for i := 0; i < len(format); i++ {
		if format[i] != '%' || i+1 == len(format) {
			f.Bytes = append(f.Bytes, format[i])
			continue
		}
		i++
		f.Bytes = appendPart(f.Bytes, t, format[i])
	}
	return len(f.Bytes) <= longestDate, nil
}

// appendPart writes what a letter after % stands for (MySQL's manual,
// DATE_FORMAT); an unknown letter stands for itself.
func appendPart(b []byte, t time.Time, letter byte) []byte {
	switch letter {
	case 'a':
		return append(b, t.Weekday().String()[:3]...)
	case 'b':
		return append(b, t.Month().String()[:3]...)
	case 'c':
		return strconv.AppendInt(b, int64(t.Month()), 10)
	case 'D':
		return append(strconv.AppendInt(b, int64(t.Day()), 10), ordinal(t.Day())...)
	case 'd':
		return appendPadded(b, t.Day(), 2)
	case 'e':
		return strconv.AppendInt(b, int64(t.Day()), 10)
	case 'f':
		return appendPadded(b, t.Nanosecond()/1000, 6)
	case 'H':
		return appendPadded(b, t.Hour(), 2)
	case 'h', 'I':
		return appendPadded(b, (t.Hour()+11)%12+1, 2)
	case 'i':
		return appendPadded(b, t.Minute(), 2)
	case 'j':
		return appendPadded(b, t.YearDay(), 3)
	case 'k':
		return strconv.AppendInt(b, int64(t.Hour()), 10)
	case 'l':
		return strconv.AppendInt(b, int64((t.Hour()+11)%12+1), 10)
	case 'M':
		return append(b, t.Month().String()...)
	case 'm':
		return appendPadded(b, int(t.Month()), 2)
	case 'p':
		return t.AppendFormat(b, "PM")
	case 'r':
		return t.AppendFormat(b, "03:04:05 PM")
	case 'S', 's':
		return appendPadded(b, t.Second(), 2)
	case 'T':
		return t.AppendFormat(b, "15:04:05")
	case 'U', 'u', 'V', 'v':
		_, week := weekOf(t, weekModes[letter])
		return appendPadded(b, week, 2)
	case 'X', 'x':
		year, _ := weekOf(t, weekModes[letter])
		return appendPadded(b, year, 4)
	case 'W':
		return append(b, t.Weekday().String()...)
	case 'w':
		return strconv.AppendInt(b, int64(t.Weekday()), 10)
	case 'Y':
		return appendPadded(b, t.Year(), 4)
	case 'y':
		return appendPadded(b, t.Year()%100, 2)
	}
	return append(b, letter)
}

func appendPadded(b []byte, n, width int) []byte {
	s := strconv.Itoa(n)
	for range width - len(s) {
		b = append(b, '0')
	}
	return append(b, s...)
}

func ordinal(day int) string {
	if day/10 != 1 {
		switch day % 10 {
		case 1:
			return "st"
		case 2:
			return "nd"
		case 3:
			return "rd"
		}
	}
	return "th"
}

// weekModes are the modes of WEEK() that the letters of formats ask for.
var weekModes = map[byte]int{'U': 0, 'u': 1, 'V': 2, 'X': 2, 'v': 3, 'x': 3}

// weekOf gives the week of a day and the year that it belongs to, by a mode of
// MySQL's WEEK(): 1 Monday first, 2 weeks run on into the year before or after,
// 4 the other rule for the first week.
func weekOf(t time.Time, mode int) (year, week int) {
	mondayFirst := mode&1 != 0
	whole := mondayFirst == (mode&4 != 0) // the first week has seven days, not four
	start := firstWeek(t.Year(), mondayFirst, whole)
	day := t.YearDay() - 1
	switch {
	case day < start && mode&2 == 0:
		return t.Year(), 0
	case day < start:
		last := daysIn(t.Year() - 1)
		return t.Year() - 1, (day+last-firstWeek(t.Year()-1, mondayFirst, whole))/7 + 1
	case mode&2 != 0 && day-daysIn(t.Year()) >= firstWeek(t.Year()+1, mondayFirst, whole):
		return t.Year() + 1, 1
	}
	return t.Year(), (day-start)/7 + 1
}

// firstWeek gives the day of the year, from 0, on which its first week begins;
// it may lie before the year.
func firstWeek(year int, mondayFirst, whole bool) int {
	w := int(time.Date(year, 1, 1, 0, 0, 0, 0, time.UTC).Weekday())
	if mondayFirst {
		w = (w + 6) % 7
	}
	switch {
	case whole:
		return (7 - w) % 7
	case w <= 3:
		return -w
	}
	return 7 - w
}

func daysIn(year int) int {
	return time.Date(year, 12, 31, 0, 0, 0, 0, time.UTC).YearDay()
}

// zones keeps the time zones that convert_tz has met.
var zones sync.Map

var zoneOffset = regexp.MustCompile(`^([+-])(\d{1,2}):(\d\d)$`)

// zone gives a time zone by its name or its offset, +08:00.
func zone(name []byte) *time.Location {
	if z, ok := zones.Load(string(name)); ok {
		return z.(*time.Location)
	}
	var z *time.Location
	if m := zoneOffset.FindSubmatch(name); m != nil {
		hours, _ := strconv.Atoi(string(m[2]))
		minutes, _ := strconv.Atoi(string(m[3]))
		seconds := hours*3600 + minutes*60
		if string(m[1]) == "-" {
			seconds = -seconds
		}
		z = time.FixedZone(string(name), seconds)
	} else if len(name) > 0 && string(name) != "Local" {
		z, _ = time.LoadLocation(string(name))
	}
	if z != nil {
		zones.Store(string(name), z)
	}
	return z
}

func callConvertZone(f *lake.Frame) (bool, error) {
	from, to := zone(f.Text(1)), zone(f.Text(2))
	if from == nil || to == nil {
		return false, nil
	}
	t := time.UnixMicro(f.Number(0)).UTC()
	t = time.Date(t.Year(), t.Month(), t.Day(), t.Hour(), t.Minute(), t.Second(), t.Nanosecond(), from)
	_, offset := t.In(to).Zone()
	f.Int = t.UnixMicro() + int64(offset)*1e6
	return true, nil
}

// parsed is what a text says of a date. A part that it does not name is -1.
type parsed struct {
	year, month, day, yearDay    int
	week, weekday, weekMode      int // weekday from 0, Sunday
	hour, minute, second, micros int
	afternoon                    int // 0 AM, 1 PM
}

func callParseDate(f *lake.Frame) (bool, error) {
	p := parsed{-1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1}
	s := f.Text(0)
	if !p.read(&s, mysqlFormat(f.Text(1))) {
		return false, nil
	}
	t, ok := p.time()
	f.Int = t.UnixMicro()
	return ok, nil
}

// read reads s by a format of MySQL's letters; text that is left over does not
// matter. Blanks of the format match any blanks.
func (p *parsed) read(s *[]byte, format []byte) bool {
	for i := 0; i < len(format); i++ {
		c := format[i]
		if c == ' ' {
			*s = bytes.TrimLeft(*s, " \t\n\r")
			continue
		}
		if c != '%' || i+1 == len(format) {
			if !skipByte(s, c) {
				return false
			}
			continue
		}
		i++
		if !p.part(s, format[i]) {
			return false
		}
	}
	return true
}

func skipByte(s *[]byte, c byte) bool {
	if *s = bytes.TrimLeft(*s, " "); len(*s) == 0 || (*s)[0] != c {
		return false
	}
	*s = (*s)[1:]
	return true
}

// part reads what a letter after % stands for.
func (p *parsed) part(s *[]byte, letter byte) bool {
	*s = bytes.TrimLeft(*s, " ")
	switch letter {
	case 'Y':
		return digits(s, 4, 0, 9999, &p.year)
	case 'y':
		if !digits(s, 2, 0, 99, &p.year) {
			return false
		}
		if p.year += 1900; p.year < 1970 {
			p.year += 100
		}
		return true
	case 'm', 'c':
		return digits(s, 2, 1, 12, &p.month)
	case 'd', 'e':
		return digits(s, 2, 1, 31, &p.day)
	case 'D':
		if !digits(s, 2, 1, 31, &p.day) || len(*s) < 2 {
			return false
		}
		*s = (*s)[2:]
		return true
	case 'j':
		return digits(s, 3, 1, 366, &p.yearDay)
	case 'H', 'k':
		return digits(s, 2, 0, 23, &p.hour)
	case 'h', 'I', 'l':
		return digits(s, 2, 1, 12, &p.hour) && p.half(-1)
	case 'i':
		return digits(s, 2, 0, 59, &p.minute)
	case 's', 'S':
		return digits(s, 2, 0, 59, &p.second)
	case 'f':
		return p.fraction(s)
	case 'p':
		n := -1
		return oneOf(s, []string{"AM", "PM"}, &n) && p.half(n)
	case 'r':
		return p.read(s, []byte("%h:%i:%s %p"))
	case 'T':
		return p.read(s, []byte("%H:%i:%s"))
	case 'M', 'b':
		return p.monthName(s, letter == 'b')
	case 'W', 'a':
		return p.dayName(s, letter == 'a')
	case 'w':
		return digits(s, 1, 0, 6, &p.weekday)
	case 'U', 'u', 'V', 'v':
		p.weekMode = weekModes[letter]
		return digits(s, 2, 0, 53, &p.week)
	case 'X', 'x':
		return digits(s, 4, 0, 9999, &p.year)
	case '%':
		return skipByte(s, '%')
	}
	return false
}

// half keeps whether a clock of twelve hours reads before or after noon; -1 is
// not known yet.
func (p *parsed) half(n int) bool {
	if p.afternoon < 0 || n >= 0 {
		p.afternoon = max(n, 0)
	}
	return true
}

func (p *parsed) fraction(s *[]byte) bool {
	n := 0
	for n < 6 && n < len(*s) && '0' <= (*s)[n] && (*s)[n] <= '9' {
		n++
	}
	if n == 0 {
		return false
	}
	micros, _ := strconv.Atoi(string((*s)[:n]) + strings.Repeat("0", 6-n))
	p.micros, *s = micros, (*s)[n:]
	return true
}

func (p *parsed) monthName(s *[]byte, short bool) bool {
	names := make([]string, 12)
	for i := range names {
		if names[i] = time.Month(i + 1).String(); short {
			names[i] = names[i][:3]
		}
	}
	n := -1
	if !oneOf(s, names, &n) {
		return false
	}
	p.month = n + 1
	return true
}

func (p *parsed) dayName(s *[]byte, short bool) bool {
	names := make([]string, 7)
	for i := range names {
		if names[i] = time.Weekday(i).String(); short {
			names[i] = names[i][:3]
		}
	}
	return oneOf(s, names, &p.weekday)
}

// digits reads a number of at most width digits between low and high.
func digits(s *[]byte, width, low, high int, to *int) bool {
	n := 0
	for n < width && n < len(*s) && '0' <= (*s)[n] && (*s)[n] <= '9' {
		n++
	}
	v, err := strconv.Atoi(string((*s)[:n]))
	if err != nil || v < low || v > high {
		return false
	}
	*to, *s = v, (*s)[n:]
	return true
}

// oneOf reads one of the words, whatever its case, and gives its index.
func oneOf(s *[]byte, words []string, to *int) bool {
	for i, word := range words {
		if len(*s) >= len(word) && strings.EqualFold(string((*s)[:len(word)]), word) {
			*to, *s = i, (*s)[len(word):]
			return true
		}
	}
	return false
}

// time puts the parts together. Assumed: a month or day that the format leaves
// out is the first; without a year there is no date.
func (p *parsed) time() (time.Time, bool) {
	if p.year < 0 {
		return time.Time{}, false
	}
	hour := max(p.hour, 0)
	if p.afternoon >= 0 {
		hour = hour%12 + 12*p.afternoon
	}
	month, day := max(p.month, 1), max(p.day, 1)
	switch {
	case p.yearDay > 0 && p.month < 0:
		month, day = 1, p.yearDay
		if p.yearDay > daysIn(p.year) {
			return time.Time{}, false
		}
	case p.week >= 0 && p.weekday >= 0 && p.month < 0:
		mondayFirst := p.weekMode&1 != 0
		weekday := p.weekday
		if mondayFirst {
			weekday = (weekday + 6) % 7
		}
		month, day = 1, firstWeek(p.year, mondayFirst, mondayFirst == (p.weekMode&4 != 0))+(p.week-1)*7+weekday+1
	default:
		if d := time.Date(p.year, time.Month(month), day, 0, 0, 0, 0, time.UTC); d.Day() != day {
			return time.Time{}, false
		}
	}
	return time.Date(p.year, time.Month(month), day, hour, max(p.minute, 0), max(p.second, 0), max(p.micros, 0)*1000, time.UTC), true
}
