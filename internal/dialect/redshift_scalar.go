package dialect

import (
	"bytes"
	"regexp"
	"strings"
	"sync"
	"unicode/utf8"

	"lakeport/internal/lake"
	"lakeport/internal/sqlerr"
)

// redshiftScalars are called by Redshift's macros.
var redshiftScalars = []lake.Function{
	{Name: "redshift_regexp_count", Params: []lake.Type{text, text, bigint, text}, Result: lake.BigInt, Call: callRegexpCount},
	{Name: "redshift_regexp_instr", Params: []lake.Type{text, text, bigint, bigint, bigint, text}, Result: lake.BigInt, Call: callRegexpInstr},
	{Name: "redshift_regexp_substr", Params: []lake.Type{text, text, bigint, bigint, text}, Result: lake.Varchar, Call: callRegexpSubstr},
	{Name: "redshift_regexp_replace", Params: []lake.Type{text, text, text, bigint, text}, Result: lake.Varchar, Call: callRegexpReplace},
	{Name: "redshift_cut", Params: []lake.Type{text, bigint}, Result: lake.Varchar, Call: callCut},
	{Name: "redshift_soundex", Params: []lake.Type{text}, Result: lake.Varchar, Call: callSoundex},
	{Name: "redshift_difference", Params: []lake.Type{text, text}, Result: lake.Integer, Call: callDifference},
	{Name: "redshift_fnv_hash", Params: []lake.Type{blob, bigint}, Result: lake.BigInt, Call: callFNV},
}

// regexps are the compiled patterns of queries, a few at a time.
var regexps struct {
	sync.Mutex
	compiled map[string]*regexp.Regexp
}

// maxRegexps is how many patterns are kept.
const maxRegexps = 256

// compiled gives a pattern under the parameters of Redshift's functions: c and i
// say whether case matters, e is the caller's. Without p, which allows what
// these patterns cannot say, a pattern is POSIX's (Database Developer Guide,
// "REGEXP_SUBSTR function").
func compiled(pattern, params []byte) (re *regexp.Regexp, extract bool, err error) {
	flags := "s"
	for _, p := range params {
		switch p {
		case 'c':
			flags = "s"
		case 'i':
			flags = "si"
		case 'e':
			extract = true
		default:
			return nil, false, sqlerr.New(sqlerr.Unsupported, "the parameter %q of a REGEXP function is not built yet: it knows c, i and e", string(p))
		}
	}
	key := flags + ":" + string(pattern)
	regexps.Lock()
	defer regexps.Unlock()
	if re = regexps.compiled[key]; re != nil {
		return re, extract, nil
	}
	if re, err = regexp.Compile("(?" + flags + ")" + string(pattern)); err != nil {
		return nil, false, sqlerr.New(sqlerr.Invalid, "the pattern %q is no regular expression that is known here: %v", pattern, err)
	}
	if len(regexps.compiled) >= maxRegexps || regexps.compiled == nil {
		regexps.compiled = map[string]*regexp.Regexp{}
	}
	regexps.compiled[key] = re
	return re, extract, nil
}

// offset is where the character at a position begins, which counts from 1; the
// length where the text has no such character.
func offset(s []byte, position int64) int {
	at := 0
	for ; position > 1 && at < len(s); position-- {
		_, n := utf8.DecodeRune(s[at:])
		at += n
	}
	return at
}

// matches finds the pattern of arguments 1 in argument 0 from the position in
// argument 2, up to n times; all if n < 0.
func matches(f *lake.Frame, params, n int) (found [][]int, extract bool, err error) {
	re, extract, err := compiled(f.Text(1), f.Text(params))
	if err != nil {
		return nil, false, err
	}
	s := f.Text(0)
	from := offset(s, f.Number(2))
	if from == len(s) && from > 0 {
		return nil, extract, nil
	}
	found = re.FindAllSubmatchIndex(s[from:], n)
	for _, m := range found {
		for i := range m {
			if m[i] >= 0 {
				m[i] += from
			}
		}
	}
	return found, extract, nil
}

func callRegexpCount(f *lake.Frame) (bool, error) {
	found, _, err := matches(f, 3, -1)
	f.Int = int64(len(found))
	return true, err
}

// nth finds the match that argument 3 counts; nil: there is none.
func nth(f *lake.Frame, params int) (m []int, extract bool, err error) {
	n := f.Number(3)
	if n < 1 || n > int64(len(f.Text(0)))+1 {
		_, _, err := compiled(f.Text(1), f.Text(params))
		return nil, false, err
	}
	found, extract, err := matches(f, params, int(n))
	if err != nil || int64(len(found)) < n {
		return nil, extract, err
	}
	m = found[n-1]
	if extract && len(m) > 2 {
		m = m[2:]
	}
	if m[0] < 0 { // a subexpression that took no part
		return nil, extract, nil
	}
	return m, extract, nil
}

func callRegexpInstr(f *lake.Frame) (bool, error) {
	m, _, err := nth(f, 5)
	if err != nil || m == nil {
		f.Int = 0
		return true, err
	}
	end := f.Number(4)
	if end != 0 && end != 1 {
		return false, sqlerr.New(sqlerr.Invalid, "the option of REGEXP_INSTR is 0 or 1, found %d", end)
	}
	f.Int = int64(utf8.RuneCount(f.Text(0)[:m[end]])) + 1
	return true, nil
}

func callRegexpSubstr(f *lake.Frame) (bool, error) {
	m, _, err := nth(f, 4)
	if m != nil {
		f.Bytes = append(f.Bytes, f.Text(0)[m[0]:m[1]]...)
	}
	return f.Number(3) > 0, err
}

// callRegexpReplace replaces every match; $1 to $9 in the replacement are the
// subexpressions.
func callRegexpReplace(f *lake.Frame) (bool, error) {
	re, _, err := compiled(f.Text(1), f.Text(4))
	if err != nil {
		return false, err
	}
	s, with := f.Text(0), template(f.Text(2))
	at := offset(s, f.Number(3))
	if at == len(s) && at > 0 {
		f.Bytes = append(f.Bytes, s...)
		return true, nil
	}
	f.Bytes = append(f.Bytes, s[:at]...)
	s = s[at:]
	last := 0
	for _, m := range re.FindAllSubmatchIndex(s, -1) {
		f.Bytes = append(f.Bytes, s[last:m[0]]...)
		f.Bytes = re.Expand(f.Bytes, with, s, m)
		last = m[1]
	}
	f.Bytes = append(f.Bytes, s[last:]...)
	return true, nil
}

// template spells a replacement for Expand: a dollar sign with a digit is a
// subexpression, another one stands for itself.
func template(s []byte) []byte {
	return subexpression.ReplaceAll(bytes.ReplaceAll(s, []byte("$"), []byte("$$")), []byte("$${$1}"))
}

var subexpression = regexp.MustCompile(`\$\$([0-9])`)

// callCut keeps as many whole characters as fit into a number of bytes, as a
// cast to CHAR and VARCHAR does ("SUBSTRING function", usage notes).
func callCut(f *lake.Frame) (bool, error) {
	s, n := f.Text(0), int(f.Number(1))
	if len(s) > n {
		for n > 0 && !utf8.RuneStart(s[n]) {
			n--
		}
		s = s[:n]
	}
	f.Bytes = append(f.Bytes, s...)
	return true, nil
}

// soundexDigits are American Soundex's codes of a to z: 0 for the vowels, which
// part equal codes, '-' for h and w, which do not.
const soundexDigits = "01230120022455012623010202"

// soundex codes the letters of a text, "" if it has none ("SOUNDEX function").
func soundex(s []byte) string {
	code := make([]byte, 0, 4)
	last := byte('0')
	for _, c := range s {
		c |= 0x20
		if c < 'a' || c > 'z' {
			continue
		}
		digit := soundexDigits[c-'a']
		switch {
		case len(code) == 0:
			code = append(code, c&^0x20)
		case c == 'h' || c == 'w':
			continue
		case digit != '0' && digit != last:
			code = append(code, digit)
		}
		if last = digit; len(code) == 4 {
			break
		}
	}
	if len(code) == 0 {
		return ""
	}
	return string(code) + strings.Repeat("0", 4-len(code))
}

func callSoundex(f *lake.Frame) (bool, error) {
	f.Bytes = append(f.Bytes, soundex(f.Text(0))...)
	return true, nil
}

// callDifference counts the places at which two codes agree ("DIFFERENCE
// function"; two texts without letters give 1 there).
func callDifference(f *lake.Frame) (bool, error) {
	a, b := soundex(f.Text(0)), soundex(f.Text(1))
	f.Int = 0
	if a == "" && b == "" {
		f.Int = 1
	}
	for i := range min(len(a), len(b)) {
		if a[i] == b[i] {
			f.Int++
		}
	}
	return true, nil
}

// callFNV is FNV-1a of 64 bits, which gives the values of "FNV_HASH function".
func callFNV(f *lake.Frame) (bool, error) {
	h := uint64(f.Number(1))
	for _, c := range f.Text(0) {
		h = (h ^ uint64(c)) * 0x100000001b3
	}
	f.Int = int64(h)
	return true, nil
}
