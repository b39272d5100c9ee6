package transfer

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
	"unicode/utf16"
	"unicode/utf8"

	"lakeport/internal/blob"
	"lakeport/internal/delimited"
	"lakeport/internal/sqlerr"
)

// Values of JSON become the rows of COPY (Database Developer Guide, "Data format
// parameters", "COPY from JSON format"): each object or array of the text is a
// row, whose members or elements are the fields.

// jsonRows reads a text of values, one after the other.
type jsonRows struct {
	in    *bufio.Reader
	pick  func(r *jsonRows, value []byte) (field int, fault string) // fills row.Fields
	skip  int                                                       // lines
	begun bool
	line  int64
	raw   []byte
	plain []byte // of the row's strings
	row   delimited.Row
}

// Next implements rowReader. The line of a row is that of its end, as
// stl_load_errors has it.
func (r *jsonRows) Next() (*delimited.Row, error) {
	if !r.begun {
		if err := r.begin(); err != nil {
			return nil, err
		}
	}
	fault, err := r.value()
	if err != nil {
		return nil, err
	}
	r.row.Raw, r.row.Line, r.row.Fault, r.plain = r.raw, r.line, nil, r.plain[:0]
	at := 0
	if fault == "" {
		fault = invalidJSON(r.raw)
	}
	if fault == "" {
		at, fault = r.pick(r, r.raw)
	}
	if fault != "" {
		r.row.Fault = &delimited.Fault{Reason: fault, Field: at}
	}
	return &r.row, nil
}

// begin passes over a byte order mark and the lines of IGNOREHEADER.
func (r *jsonRows) begin() error {
	r.begun, r.line = true, 1
	if mark, err := r.in.Peek(3); err == nil && string(mark) == "\xef\xbb\xbf" {
		_, _ = r.in.Discard(3)
	}
	for ; r.skip > 0; r.skip-- {
		for {
			_, err := r.in.ReadSlice('\n')
			if err == nil {
				break
			}
			if err != bufio.ErrBufferFull {
				return err
			}
		}
		r.line++
	}
	return nil
}

// value reads the next value into raw. One that is neither an object nor an array
// ends with its line, one that is too long is not kept.
func (r *jsonRows) value() (fault string, err error) {
	r.raw = r.raw[:0]
	depth, quoted, escaped := 0, false, false
	for {
		c, err := r.in.ReadByte()
		switch {
		case err == io.EOF && len(r.raw) > 0 && fault == "":
			return invalidText + ": the text ends inside a value", nil
		case err == io.EOF && len(r.raw) > 0:
			return fault, nil
		case err != nil:
			return "", err
		}
		if c == '\n' {
			r.line++
		}
		if blankJSON(c) && len(r.raw) == 0 {
			continue
		}
		if len(r.raw) < delimited.MaxRow {
			r.raw = append(r.raw, c)
		} else if fault == "" {
			fault = delimited.TooLong
		}
		switch {
		case escaped:
			escaped = false
		case quoted:
			escaped, quoted = c == '\\', c != '"'
		case depth == 0 && c != '{' && c != '[': // the value is none that makes a row
			if fault = invalidText + ": a row is an object or an array"; c == '\n' {
				return fault, nil
			}
		case depth == 0 && fault != "" && fault != delimited.TooLong: // on a line that is given up
		case c == '"':
			quoted = true
		case c == '{', c == '[':
			depth++
		case c == '}', c == ']':
			if depth--; depth == 0 {
				return fault, nil
			}
		}
	}
}

// invalidText begins the reasons of rows that are no JSON, or not what a path
// leads through.
const invalidText = "Invalid JSON"

func blankJSON(c byte) bool { return c == ' ' || c == '\t' || c == '\n' || c == '\r' }

// invalidJSON tells what is wrong with a value, "" if nothing is.
func invalidJSON(value []byte) string {
	if json.Valid(value) {
		return ""
	}
	var into json.RawMessage
	err := json.Unmarshal(value, &into)
	if bad, ok := errors.AsType[*json.SyntaxError](err); ok {
		return fmt.Sprintf("%s at byte %d: %v", invalidText, bad.Offset, bad)
	}
	return invalidText
}

// byName fills the columns that an object has members for. With ignore, letters
// of both cases are alike.
func byName(targets []Target, ignore bool) func(*jsonRows, []byte) (int, string) {
	fold := func(s string) string {
		if ignore {
			return strings.ToLower(s)
		}
		return s
	}
	at := map[string]int{}
	for i, t := range targets {
		at[strings.ToLower(t.Name)] = i
	}
	return func(r *jsonRows, value []byte) (int, string) {
		r.allNull(len(targets))
		if value[0] != '{' {
			return 0, invalidText + ": an array needs a JSONPaths file"
		}
		for key, member := range membersOf(value) {
			if i, known := at[fold(string(r.decode(key)))]; known {
				r.row.Fields[i] = r.field(member)
			}
		}
		return 0, ""
	}
}

// byPath fills each column with what a path leads to.
func byPath(paths []jsonPath) func(*jsonRows, []byte) (int, string) {
	return func(r *jsonRows, value []byte) (int, string) {
		r.allNull(len(paths))
		for i, p := range paths {
			found, fault := r.follow(value, p)
			if fault != "" {
				return i, fault
			}
			if found != nil {
				r.row.Fields[i] = r.field(found)
			}
		}
		return 0, ""
	}
}

func (r *jsonRows) allNull(n int) {
	if r.row.Fields = r.row.Fields[:0]; cap(r.row.Fields) < n {
		r.row.Fields = make([]delimited.Field, 0, n)
	}
	for range n {
		r.row.Fields = append(r.row.Fields, delimited.Field{Null: true})
	}
}

// field is a value as a column takes it: a string's text, else what is written.
func (r *jsonRows) field(value []byte) delimited.Field {
	switch {
	case value[0] == '"':
		return delimited.Field{Text: r.decode(value), Quoted: true}
	case string(value) == "null":
		return delimited.Field{Null: true}
	}
	return delimited.Field{Text: value}
}

// decode gives the text of a string in quotes, which lies in r.plain if it differs
// from what is written. Half a surrogate pair becomes bytes that are not UTF-8.
func (r *jsonRows) decode(quoted []byte) []byte {
	s := quoted[1 : len(quoted)-1]
	if bytes.IndexByte(s, '\\') < 0 {
		return s
	}
	if cap(r.plain)-len(r.plain) < len(s) {
		r.plain = make([]byte, 0, 2*(len(s)+cap(r.plain)))
	}
	from := len(r.plain)
	for i := 0; i < len(s); i++ {
		if s[i] != '\\' {
			r.plain = append(r.plain, s[i])
			continue
		}
		i++
		if s[i] != 'u' {
			r.plain = append(r.plain, escapes[s[i]])
			continue
		}
		c := unit(s[i+1:])
		i += 4
		if i+6 < len(s) && s[i+1] == '\\' && s[i+2] == 'u' {
			if pair := utf16.DecodeRune(c, unit(s[i+3:])); pair != utf8.RuneError {
				c = pair
				i += 6
			}
		}
		if utf16.IsSurrogate(c) {
			r.plain = append(r.plain, 0xe0|byte(c>>12), 0x80|byte(c>>6)&0x3f, 0x80|byte(c)&0x3f)
			continue
		}
		r.plain = utf8.AppendRune(r.plain, c)
	}
	return r.plain[from:len(r.plain):len(r.plain)]
}

// escapes are the characters that a backslash and a letter stand for (RFC 8259, 7).
var escapes = map[byte]byte{'"': '"', '\\': '\\', '/': '/', 'b': '\b', 'f': '\f', 'n': '\n', 'r': '\r', 't': '\t'}

// unit reads the four hexadecimal digits of an escaped UTF-16 code unit.
func unit(s []byte) rune {
	n, _ := strconv.ParseUint(string(s[:4]), 16, 32)
	return rune(n)
}

// endOf finds the end of the value at the beginning of valid JSON.
func endOf(s []byte) int {
	depth := 0
	for i := 0; i < len(s); i++ {
		switch s[i] {
		case '"':
			for i++; s[i] != '"'; i++ {
				if s[i] == '\\' {
					i++
				}
			}
		case '{', '[':
			depth++
			continue
		case '}', ']':
			if depth == 0 {
				return i // of what the value stands in
			}
			depth--
		case ',', ':', ' ', '\t', '\n', '\r':
			if depth == 0 {
				return i
			}
			continue
		default:
			continue
		}
		if depth == 0 {
			return i + 1
		}
	}
	return len(s)
}

// membersOf yields the keys in quotes and values of a valid object.
func membersOf(object []byte) func(yield func(key, value []byte) bool) {
	return func(yield func(key, value []byte) bool) {
		s := bytes.TrimLeft(object[1:], " \t\r\n")
		for s[0] == '"' {
			key := s[:endOf(s)]
			s = bytes.TrimLeft(s[len(key):], ": \t\r\n")
			value := s[:endOf(s)]
			s = bytes.TrimLeft(s[len(value):], ", \t\r\n")
			if !yield(key, value) {
				return
			}
		}
	}
}

// element is that of an index in a valid array, nil if it has fewer.
func element(array []byte, index int) []byte {
	s := bytes.TrimLeft(array[1:], " \t\r\n")
	for ; s[0] != ']'; index-- {
		value := s[:endOf(s)]
		if index == 0 {
			return value
		}
		s = bytes.TrimLeft(s[len(value):], ", \t\r\n")
	}
	return nil
}

// jsonPath leads from a row's value to a field, from the outside in.
type jsonPath []jsonStep

// jsonStep is a member's name or, if name is nil, an element's index.
type jsonStep struct {
	name  *string
	index int
}

// follow gives what a path leads to, nil where a member is missing or on the way
// a null.
func (r *jsonRows) follow(value []byte, p jsonPath) (found []byte, fault string) {
	for _, step := range p {
		switch {
		case string(value) == "null":
			return nil, ""
		case step.name == nil:
			if value[0] != '[' {
				return nil, invalidText + "Path format: Not an array or index out of range."
			}
			if value = element(value, step.index); value == nil {
				return nil, invalidText + "Path format: Not an array or index out of range."
			}
			continue
		case value[0] != '{':
			return nil, invalidText + "Path format: Member is not an object."
		}
		var member []byte
		for key, v := range membersOf(value) {
			if string(r.decode(key)) == *step.name {
				member = v
			}
		}
		if value = member; value == nil {
			return nil, ""
		}
	}
	return value, ""
}

// readPath reads $['a']['b'][0] or $.a.b[0]; the two ways to write a name do not
// mix.
func readPath(text string) (jsonPath, error) {
	rest, ok := strings.CutPrefix(text, "$")
	if !ok {
		return nil, errors.New("a path begins with $")
	}
	var p jsonPath
	var dots, brackets bool
	for rest != "" {
		switch {
		case rest[0] == '.':
			end := len(rest)
			if i := strings.IndexAny(rest[1:], ".["); i >= 0 {
				end = i + 1
			}
			name := rest[1:end]
			if name == "" || strings.ContainsAny(name, "*?@'\" ") {
				return nil, fmt.Errorf("%q is no name of a member", name)
			}
			dots, rest = true, rest[end:]
			p = append(p, jsonStep{name: &name})
		case strings.HasPrefix(rest, "['"), strings.HasPrefix(rest, `["`):
			name, after, found := strings.Cut(rest[2:], rest[1:2]+"]")
			if !found || name == "" || strings.Contains(name, `\`) {
				return nil, fmt.Errorf("%q is no name of a member in brackets", rest)
			}
			brackets, rest = true, after
			p = append(p, jsonStep{name: &name})
		case rest[0] == '[':
			digits, after, found := strings.Cut(rest[1:], "]")
			n, err := strconv.ParseUint(digits, 10, 31)
			if !found || err != nil {
				return nil, fmt.Errorf("%q is no index of an array", rest)
			}
			rest = after
			p = append(p, jsonStep{index: int(n)})
		default:
			return nil, fmt.Errorf("expected . or [, found %q", rest)
		}
	}
	if dots && brackets {
		return nil, errors.New("names with dots and names in brackets do not mix")
	}
	return p, nil
}

// readPaths reads a JSONPaths file.
func readPaths(uri string, body []byte) ([]jsonPath, error) {
	var file struct {
		Paths []*string `json:"jsonpaths"`
	}
	refuse := func(format string, args ...any) error {
		return sqlerr.New(sqlerr.Corrupt, "the JSONPaths file %s %s", uri, fmt.Sprintf(format, args...)).
			WithHint(`a JSONPaths file is {"jsonpaths": ["$['member']", "$['list'][0]"]}, a path for each column`)
	}
	if err := json.Unmarshal(bytes.TrimPrefix(body, []byte("\xef\xbb\xbf")), &file); err != nil {
		return nil, refuse("is not what COPY reads: %v", err)
	}
	if len(file.Paths) == 0 {
		return nil, refuse("has no paths")
	}
	paths := make([]jsonPath, len(file.Paths))
	for i, text := range file.Paths {
		if text == nil || *text == "" {
			return nil, refuse("has an empty path %d", i+1)
		}
		p, err := readPath(*text)
		if err != nil {
			return nil, refuse("has path %d, %s, that is not understood: %v", i+1, *text, err)
		}
		paths[i] = p
	}
	return paths, nil
}

// Needs names the object that a COPY reads before its files: the JSONPaths file;
// "" if there is none.
func (c *Copy) Needs() string { return c.pathsAt }

// Ready fetches what a COPY needs before its files: the JSONPaths file, if the
// statement names one.
func (c *Copy) Ready(ctx context.Context, client *blob.Client) error {
	if c.pathsAt == "" {
		return nil
	}
	at, err := client.Head(ctx, c.pathsAt)
	if err != nil {
		return err
	}
	body, err := client.Get(ctx, at)
	if err != nil {
		return err
	}
	c.paths, err = readPaths(c.pathsAt, body)
	return err
}

// jsonReader reads a text of JSON for the targets.
func (c *Copy) jsonReader(in io.Reader, targets []Target) *jsonRows {
	r := &jsonRows{in: bufio.NewReaderSize(in, 256<<10), skip: c.Text.Skip}
	if r.pick = byName(targets, c.ignoreCase); c.paths != nil {
		r.pick = byPath(c.paths)
	}
	return r
}
