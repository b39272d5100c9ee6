package transfer

import (
	"bytes"
	"slices"
	"strconv"
	"strings"
	"time"

	"lakeport/internal/sqlerr"
)

// Date and time formats of COPY (Database Developer Guide, "DATEFORMAT and
// TIMEFORMAT strings", "Using automatic recognition with DATEFORMAT and
// TIMEFORMAT"). HH means HH24 here, other than in TO_DATE.

// patternParts are the parts of a format, longer ones first.
var patternParts = []string{"YYYY", "HH24", "HH12", "MON", "YY", "MM", "DD", "HH", "MI", "SS", "AM", "PM", "OF"}

// splitPattern cuts a format into its parts and single separators.
func splitPattern(format string) []string {
	var parts []string
	for rest := format; rest != ""; {
		n := 1
		for _, p := range patternParts {
			if len(rest) >= len(p) && strings.EqualFold(rest[:len(p)], p) {
				n = len(p)
				break
			}
		}
		part := rest[:n]
		if n > 1 {
			part = strings.ToUpper(part)
		}
		parts, rest = append(parts, part), rest[n:]
	}
	return parts
}

// checkPattern refuses formats that hold other letters than those of parts.
func checkPattern(option, format string, words ...string) *sqlerr.Error {
	if slices.Contains(words, format) {
		return nil
	}
	known := false
	for _, part := range splitPattern(format) {
		known = known || len(part) > 1 && part != "OF"
		if c := part[0]; len(part) == 1 && (c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z') && c != 'T' && c != 'Z' || part == "OF" {
			return sqlerr.New(sqlerr.Invalid, "%s '%s': '%s' is no part of a format", option, format, part).
				WithHint("the parts are YYYY YY MM MON DD HH HH24 HH12 MI SS AM PM; the words are %s", strings.Join(words, " "))
		}
	}
	if !known {
		return sqlerr.New(sqlerr.Invalid, "%s '%s' holds no part of a date or time", option, format)
	}
	return nil
}

// moment is a date and time of day in pieces.
type moment struct {
	year, month, day, hour, minute, second, micros int
	offset                                         int // seconds east
	zoned                                          bool
	half                                           byte // 'A' or 'P'; 0: none
}

// valid tells whether there is such a moment, and settles the hour.
func (m *moment) valid() bool {
	if m.half != 0 {
		if m.hour < 1 || m.hour > 12 {
			return false
		}
		m.hour = m.hour%12 + map[byte]int{'A': 0, 'P': 12}[m.half]
	}
	return m.year >= 1 && m.year <= 9999 && m.month >= 1 && m.month <= 12 && m.day >= 1 && m.day <= 31 && m.hour < 24 && m.minute < 60 && m.second < 60 &&
		time.Date(m.year, time.Month(m.month), m.day, 0, 0, 0, 0, time.UTC).Day() == m.day
}

// micro gives the moment in microseconds since 1970, the zone's offset taken off.
func (m *moment) micro() int64 {
	return time.Date(m.year, time.Month(m.month), m.day, m.hour, m.minute, m.second, 0, time.UTC).UnixMicro() + int64(m.micros) - int64(m.offset)*1e6
}

func (m *moment) days() int32 {
	return int32(time.Date(m.year, time.Month(m.month), m.day, 0, 0, 0, 0, time.UTC).Unix() / 86400)
}

var monthNames = []string{"january", "february", "march", "april", "may", "june", "july", "august", "september", "october", "november", "december"}

// byPattern reads text by the parts of a format. What follows the format must be
// blank, unless rest allows a time of day there, which is dropped.
func byPattern(text []byte, parts []string, rest bool) (m moment, ok bool) {
	m.year, m.month, m.day = 1970, 1, 1
	number := func(most int) (int, bool) {
		n := 0
		for n < len(text) && n < most && text[n] >= '0' && text[n] <= '9' {
			n++
		}
		v, err := strconv.Atoi(string(text[:n]))
		text = text[n:]
		return v, err == nil
	}
	for _, part := range parts {
		ok := true
		switch part {
		case "YYYY":
			before := len(text)
			m.year, ok = number(4)
			ok = ok && before-len(text) == 4
		case "YY":
			before := len(text)
			m.year, ok = number(2)
			if ok = ok && before-len(text) == 2; m.year < 70 { // PostgreSQL's window of two-digit years
				m.year += 100
			}
			m.year += 1900
		case "MM":
			m.month, ok = number(2)
		case "DD":
			m.day, ok = number(2)
		case "HH", "HH24", "HH12":
			m.hour, ok = number(2)
		case "MI":
			m.minute, ok = number(2)
		case "SS":
			if m.second, ok = number(2); ok {
				m.micros, text = fraction(text)
			}
		case "MON":
			m.month, text = monthName(text)
			ok = m.month > 0
		case "AM", "PM":
			if ok = len(text) >= 2 && (text[1]|32) == 'm' && ((text[0]|32) == 'a' || (text[0]|32) == 'p'); ok {
				m.half, text = text[0]&^32, text[2:]
			}
		case "OF":
			m.offset, m.zoned, text, ok = zone(text)
		default:
			if ok = len(text) > 0 && text[0] == part[0]; ok {
				text = text[1:]
			}
		}
		if !ok {
			return m, false
		}
	}
	if len(bytes.TrimSpace(text)) > 0 && !(rest && (text[0] == ' ' || text[0] == 'T')) {
		return m, false
	}
	return m, m.valid()
}

// fraction reads .digits, to microseconds.
func fraction(text []byte) (micros int, rest []byte) {
	if len(text) < 2 || text[0] != '.' || text[1] < '0' || text[1] > '9' {
		return 0, text
	}
	unit, n := 100000, 1
	for ; n < len(text) && text[n] >= '0' && text[n] <= '9'; n++ {
		micros += int(text[n]-'0') * unit
		unit /= 10
	}
	return micros, text[n:]
}

// monthName reads a month's name, whole or its first three letters; 0: none.
func monthName(text []byte) (month int, rest []byte) {
	n := 0
	for n < len(text) && (text[n]|32) >= 'a' && (text[n]|32) <= 'z' {
		n++
	}
	word := strings.ToLower(string(text[:n]))
	for i, name := range monthNames {
		if word == name || word == name[:3] {
			return i + 1, text[n:]
		}
	}
	return 0, text
}

// zones are the names of zones that are understood.
var zones = map[string]int{"Z": 0, "UTC": 0, "GMT": 0, "PST": -8, "PDT": -7, "MST": -7, "MDT": -6, "CST": -6, "CDT": -5, "EST": -5, "EDT": -4}

// zone reads nothing, Z, a name, or an offset such as -08 or +05:30.
func zone(text []byte) (offset int, zoned bool, rest []byte, ok bool) {
	text = bytes.TrimSpace(text)
	if len(text) == 0 {
		return 0, false, text, true
	}
	if hours, named := zones[strings.ToUpper(string(text))]; named {
		return hours * 3600, true, nil, true
	}
	sign := map[byte]int{'+': 1, '-': -1}[text[0]]
	digits := bytes.Replace(text[1:], []byte(":"), nil, 1)
	if sign == 0 || len(digits) != 2 && len(digits) != 4 {
		return 0, false, text, false
	}
	n, err := strconv.ParseUint(string(digits), 10, 16)
	if err != nil {
		return 0, false, text, false
	}
	hours, minutes := int(n), 0
	if len(digits) == 4 {
		hours, minutes = int(n)/100, int(n)%100
	}
	return sign * (hours*3600 + minutes*60), true, nil, hours < 16 && minutes < 60
}

// automatic are the forms that 'auto' knows, but for days of a year, Julian days
// and dates before Christ.
var automatic = func() [][]string {
	var all [][]string
	for _, date := range []string{"YYYY-MM-DD", "YYYY/MM/DD", "MM/DD/YYYY", "MM.DD.YYYY", "MM-DD-YYYY", "DD MON YYYY", "MON-DD-YYYY", "DD-MON-YYYY"} {
		for _, clock := range []string{" HH:MI:SSOF", "THH:MI:SSOF", " HH:MI", ""} {
			all = append(all, splitPattern(date+clock))
		}
	}
	for _, whole := range []string{"YYYYMMDD HHMISS", "YYYYMMDD", "YYMMDD HHMISS", "YYMMDD", "DD MON HH:MI:SS YYYYOF"} {
		all = append(all, splitPattern(whole))
	}
	return all
}()

// byRecognition reads what 'auto' knows.
func byRecognition(text []byte) (m moment, ok bool) {
	for _, parts := range automatic {
		if m, ok = byPattern(text, parts, false); ok {
			return m, true
		}
	}
	if n, err := strconv.Atoi(strings.TrimPrefix(string(text), "J")); err == nil && text[0] == 'J' && n > 1721425 && n < 5373485 {
		day := time.Unix(int64(n-2440588)*86400, 0).UTC() // the Julian day of 1970-01-01
		return moment{year: day.Year(), month: int(day.Month()), day: day.Day()}, true
	}
	if y, d, cut := strings.Cut(string(text), "."); cut && len(y) == 4 && len(d) == 3 {
		year, err := strconv.Atoi(y)
		n, err2 := strconv.Atoi(d)
		if day := time.Date(year, 1, n, 0, 0, 0, 0, time.UTC); err == nil && err2 == nil && n > 0 && day.Year() == year {
			return moment{year: year, month: int(day.Month()), day: day.Day()}, true
		}
	}
	return m, false
}
