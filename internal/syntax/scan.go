// Package syntax reads the text of statements: a scanner for two dialects, and
// the tree, parser and printer of the statements that lakeport carries out
// itself. Queries and expressions inside them stay text with offsets; the
// engine parses those.
package syntax

import (
	"strings"
	"unicode"
	"unicode/utf8"

	"lakeport/internal/sqlerr"
)

// Dialect chooses what quotes, comments and escapes mean.
type Dialect uint8

// The dialects.
const (
	// StarRocks has '..' and ".." strings with backslash escapes, back-quoted
	// identifiers, comments that do not nest, /*! version */ comments whose
	// content counts, and @ variables.
	StarRocks Dialect = iota
	// Redshift has ".." identifiers, '..' strings without escapes, E'..'
	// strings with them, $$..$$ strings and comments that nest.
	Redshift
)

// Kind classifies a Token.
type Kind uint8

// The kinds of token.
const (
	EOF       Kind = iota
	Word           // keyword or plain identifier
	Quoted         // quoted identifier
	String         // string literal
	Binary         // x'AB'
	Number         // 12, 1.5, 1e3, 0xFF
	SystemVar      // @@name, @@scope.name
	UserVar        // @name, @'name'
	Param          // ?, $1
	Hint           // /*+ .. */
	Op             // operator or punctuation
)

// Token is a piece of text[Pos:End].
type Token struct {
	Kind     Kind
	Pos, End int
	Text     string // as written
	dialect  Dialect
}

// Is tells whether the token is the keyword or operator s; letters compare
// without case. Quoted identifiers are never keywords.
func (t Token) Is(s string) bool {
	return (t.Kind == Word || t.Kind == Op) && strings.EqualFold(t.Text, s)
}

// Value decodes the token: the name that an identifier or variable means, the
// content of a string, the text between a hint's marks, else the text itself.
func (t Token) Value() string {
	switch t.Kind {
	case Quoted:
		return strings.ReplaceAll(t.Text[1:len(t.Text)-1], t.Text[:1]+t.Text[:1], t.Text[:1])
	case String:
		return t.stringValue()
	case Binary:
		return t.Text[2 : len(t.Text)-1]
	case SystemVar:
		return strings.ReplaceAll(t.Text[2:], "`", "")
	case UserVar:
		if name := t.Text[1:]; strings.ContainsAny(name[:1], "'\"`") {
			return name[1 : len(name)-1]
		}
		return t.Text[1:]
	case Hint:
		return strings.TrimSpace(t.Text[3 : len(t.Text)-2])
	}
	return t.Text
}

func (t Token) stringValue() string {
	s := t.Text
	if s[0] == '$' {
		tag := strings.IndexByte(s[1:], '$') + 2
		return s[tag : len(s)-tag]
	}
	escapes := t.dialect == StarRocks
	if s[0] != '\'' && s[0] != '"' { // E'..'
		s, escapes = s[1:], true
	}
	quote := s[0]
	s = s[1 : len(s)-1]
	if strings.IndexByte(s, quote) < 0 && (!escapes || strings.IndexByte(s, '\\') < 0) {
		return s
	}
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		switch {
		case s[i] == quote: // doubled
			i++
			b.WriteByte(quote)
		case s[i] == '\\' && escapes && i+1 < len(s):
			i++
			b.WriteString(unescape(s[i]))
		default:
			b.WriteByte(s[i])
		}
	}
	return b.String()
}

// unescape gives what a backslash and c stand for. \% and \_ keep their
// backslash, which LIKE then reads (MySQL manual, "String Literals").
func unescape(c byte) string {
	switch c {
	case 'n':
		return "\n"
	case 't':
		return "\t"
	case 'r':
		return "\r"
	case 'b':
		return "\b"
	case '0':
		return "\x00"
	case 'Z':
		return "\x1a"
	case '%', '_':
		return `\` + string(rune(c))
	}
	return string([]byte{c})
}

// Scanner cuts text into tokens. Make one with NewScanner.
type Scanner struct {
	text    string
	dialect Dialect
	pos     int
	version bool   // inside a /*! comment
	marks   []Span // of the beginnings and ends of version comments
	last    Token
}

// NewScanner starts at the beginning of text.
func NewScanner(text string, d Dialect) *Scanner {
	return &Scanner{text: text, dialect: d}
}

// Scan gives all tokens of text but the final EOF.
func Scan(text string, d Dialect) ([]Token, error) {
	s := NewScanner(text, d)
	toks := make([]Token, 0, len(text)/5+8)
	for {
		t, err := s.Next()
		if err != nil || t.Kind == EOF {
			return toks, err
		}
		toks = append(toks, t)
	}
}

// Unwrap blanks the marks of version comments, so that every piece of the text
// scans alike wherever it is cut; offsets stay the same. Text that cannot be
// scanned comes back as it is.
func Unwrap(text string) string {
	if !strings.Contains(text, "/*!") {
		return text
	}
	s := NewScanner(text, StarRocks)
	for {
		t, err := s.Next()
		if err != nil {
			return text
		}
		if t.Kind == EOF {
			break
		}
	}
	plain := []byte(text)
	for _, m := range s.marks {
		for i := m.Pos; i < m.End; i++ {
			plain[i] = ' '
		}
	}
	return string(plain)
}

// Next gives the next token, EOF at the end. Its error is a *sqlerr.Error of
// kind Syntax that stands where the unfinished token begins; the scanner is
// then at the end.
func (s *Scanner) Next() (Token, error) {
	if err := s.space(); err != nil {
		s.pos = len(s.text)
		return Token{Kind: EOF, Pos: s.pos, End: s.pos}, err
	}
	start := s.pos
	kind, end, err := s.token()
	if err != nil {
		s.pos = len(s.text)
		return Token{Kind: EOF, Pos: s.pos, End: s.pos}, err
	}
	s.pos = end
	s.last = Token{Kind: kind, Pos: start, End: end, Text: s.text[start:end], dialect: s.dialect}
	return s.last, nil
}

// space skips blanks and comments.
func (s *Scanner) space() error {
	for s.pos < len(s.text) {
		rest := s.text[s.pos:]
		r, size := utf8.DecodeRuneInString(rest)
		switch {
		case unicode.IsSpace(r) || r == 0 || r == '\ufeff':
			s.pos += size
		case strings.HasPrefix(rest, "--"):
			n := strings.IndexByte(rest, '\n')
			if n < 0 {
				n = len(rest)
			}
			s.pos += n
		case s.version && strings.HasPrefix(rest, "*/"):
			s.version = false
			s.marks = append(s.marks, Span{s.pos, s.pos + 2})
			s.pos += 2
		case s.dialect == StarRocks && !s.version && strings.HasPrefix(rest, "/*!"):
			s.version = true
			n := 3 + digits(rest[3:])
			s.marks = append(s.marks, Span{s.pos, s.pos + n})
			s.pos += n
		case strings.HasPrefix(rest, "/*") && !strings.HasPrefix(rest, "/*+"):
			n := s.comment(rest)
			if n < 0 {
				return s.unterminated(s.pos, "comment", "a comment", "*/")
			}
			s.pos += n
		default:
			return nil
		}
	}
	if s.version {
		s.version = false
		return s.unterminated(strings.LastIndex(s.text, "/*!"), "comment", "a version comment", "*/")
	}
	return nil
}

// comment gives the length of the comment that rest begins with, -1 if it has
// no end.
func (s *Scanner) comment(rest string) int {
	depth := 1
	for i := 2; i+1 < len(rest); i++ {
		switch {
		case rest[i] == '*' && rest[i+1] == '/':
			i++
			if depth--; depth == 0 {
				return i + 1
			}
		case s.dialect == Redshift && rest[i] == '/' && rest[i+1] == '*':
			i++
			depth++
		}
	}
	return -1
}

func (s *Scanner) unterminated(at int, what, noun, closer string) error {
	return sqlerr.New(sqlerr.Syntax, "unterminated %s: %s that starts here has no closing %s", what, noun, closer).WithPos(s.text, at)
}

// token gives kind and end of the token at pos, which is no blank.
func (s *Scanner) token() (Kind, int, error) {
	if s.pos >= len(s.text) {
		return EOF, s.pos, nil
	}
	rest := s.text[s.pos:]
	c := rest[0]
	switch {
	case strings.HasPrefix(rest, "/*+"):
		if n := strings.Index(rest, "*/"); n >= 0 {
			return Hint, s.pos + n + 2, nil
		}
		return EOF, 0, s.unterminated(s.pos, "comment", "a hint", "*/")
	case c == '`' && s.dialect == StarRocks, c == '"' && s.dialect == Redshift:
		end, err := s.quoted(s.pos, false)
		return Quoted, end, err
	case c == '\'', c == '"':
		end, err := s.quoted(s.pos, s.dialect == StarRocks)
		return String, end, err
	case len(rest) > 1 && rest[1] == '\'' && (c == 'x' || c == 'X'):
		end, err := s.quoted(s.pos+1, false)
		return Binary, end, err
	case len(rest) > 1 && rest[1] == '\'' && (c == 'e' || c == 'E'):
		end, err := s.quoted(s.pos+1, true)
		return String, end, err
	case c == '@' && s.dialect == StarRocks:
		return s.variable()
	case c == '$':
		return s.dollar()
	case c == '?':
		return Param, s.pos + 1, nil
	case isDigit(c), c == '.' && len(rest) > 1 && isDigit(rest[1]) && !s.afterName():
		kind, end := s.number()
		return kind, end, nil
	case c == '#' && s.dialect == Redshift && len(rest) > 1 && isWordStart(rest[1]) && !s.afterName(): // a temporary table
		return Word, s.pos + 1 + wordLen(rest[1:]), nil
	case isWordStart(c):
		return Word, s.pos + wordLen(rest), nil
	}
	return Op, s.pos + opLen(rest), nil
}

// afterName tells whether the text at pos touches an identifier, so that the
// dot of t.1a is no decimal point.
func (s *Scanner) afterName() bool {
	return s.pos > 0 && s.last.End == s.pos && (s.last.Kind == Word || s.last.Kind == Quoted)
}

// quoted gives the end of the quoted text that begins at start.
func (s *Scanner) quoted(start int, escapes bool) (int, error) {
	quote := s.text[start]
	for i := start + 1; i < len(s.text); i++ {
		switch {
		case s.text[i] == '\\' && escapes:
			i++
		case s.text[i] != quote:
		case i+1 < len(s.text) && s.text[i+1] == quote:
			i++
		default:
			return i + 1, nil
		}
	}
	if quote == '`' || quote == '"' && s.dialect == Redshift {
		return 0, s.unterminated(start, "identifier", "the name", "quote")
	}
	return 0, s.unterminatedString(start)
}

// unterminatedString words the commonest slip of pasted samples: a role list
// whose closing quote is missing swallows the clauses after it.
func (s *Scanner) unterminatedString(start int) error {
	body := s.text[start+1:]
	if !s.last.Is("IAM_ROLE") {
		err := sqlerr.New(sqlerr.Syntax, "unterminated string: the text that starts here has no closing quote")
		return err.WithHint("close it with %c; a quote inside is written twice", s.text[start]).WithPos(s.text, start)
	}
	list, tail, _ := strings.Cut(strings.TrimRight(body, "; \n\t"), " ")
	err := sqlerr.New(sqlerr.Syntax, "unterminated string: the role list that starts here has no closing quote")
	return err.WithHint("write IAM_ROLE '%s' %s", list, tail).WithPos(s.text, start)
}

func (s *Scanner) variable() (Kind, int, error) {
	rest := s.text[s.pos:]
	kind, n := UserVar, 1
	if strings.HasPrefix(rest, "@@") {
		kind, n = SystemVar, 2
	}
	if kind == UserVar && n < len(rest) && strings.IndexByte("'\"`", rest[n]) >= 0 {
		end, err := s.quoted(s.pos+n, false)
		return UserVar, end, err
	}
	length := n
	for length < len(rest) && (isWordPart(rest[length]) || rest[length] == '.' || rest[length] == '`') {
		length++
	}
	if length == n {
		return Op, s.pos + 1, nil
	}
	return kind, s.pos + length, nil
}

// dollar reads $1, and $$..$$ or $tag$..$tag$ strings, which DuckDB has in
// either dialect.
func (s *Scanner) dollar() (Kind, int, error) {
	rest := s.text[s.pos:]
	n := 1
	for n < len(rest) && rest[n] != '$' && isWordPart(rest[n]) {
		n++
	}
	if n < len(rest) && rest[n] == '$' && (n == 1 || !isDigit(rest[1])) {
		tag := rest[:n+1]
		if end := strings.Index(rest[n+1:], tag); end >= 0 {
			return String, s.pos + n + 1 + end + len(tag), nil
		}
		return EOF, 0, s.unterminated(s.pos, "string", "the text", tag)
	}
	if n == 1 {
		return Op, s.pos + 1, nil
	}
	return Param, s.pos + n, nil
}

// number reads 12, 1.5, .5, 1e3, 0xFF; a word that begins with digits, such
// as 2024_t, is a Word in StarRocks.
func (s *Scanner) number() (Kind, int) {
	rest := s.text[s.pos:]
	word := wordLen(rest)
	n := digits(rest)
	if len(rest) > 2 && rest[0] == '0' && (rest[1] == 'x' || rest[1] == 'X') {
		return Number, s.pos + word
	}
	if n > 0 && s.afterNameDot() {
		return Word, s.pos + word
	}
	if n < len(rest) && rest[n] == '.' && (n+1 == len(rest) || rest[n+1] != '.') {
		n++
		n += digits(rest[n:])
	} else if word > n && exponent(rest[n:]) == 0 {
		return Word, s.pos + word
	}
	n += exponent(rest[n:])
	return Number, s.pos + n
}

func (s *Scanner) afterNameDot() bool {
	return s.pos > 1 && s.text[s.pos-1] == '.' && s.last.Kind == Op && s.last.Text == "." &&
		(isWordPart(s.text[s.pos-2]) || s.text[s.pos-2] == '`')
}

// exponent gives the length of the exponent that text begins with; 0 if none,
// or if letters follow it.
func exponent(text string) int {
	if len(text) < 2 || text[0] != 'e' && text[0] != 'E' {
		return 0
	}
	n := 1
	if text[1] == '+' || text[1] == '-' {
		n++
	}
	d := digits(text[n:])
	if d == 0 || n+d < len(text) && isWordPart(text[n+d]) {
		return 0
	}
	return n + d
}

func digits(text string) int {
	n := 0
	for n < len(text) && isDigit(text[n]) {
		n++
	}
	return n
}

// operators of more than one character, longest first. Besides StarRocks' own
// they are DuckDB's, so that its language passes through whole.
var operators = []string{"!~~*", "<=>", "->>", "<->", "!~~", "~~*", "...", "!~*", "~~~",
	"->", ":=", "||", "&&", "<=", ">=", "<>", "!=", "::", "<<", ">>", "==", "//", "=>", "**", "~~", "~*", "!~", "^@", "@>"}

func opLen(rest string) int {
	if len(rest) < 2 || strings.IndexByte("~=>-<.:|&*/@", rest[1]) < 0 {
		_, size := utf8.DecodeRuneInString(rest)
		return size
	}
	for _, op := range operators {
		if strings.HasPrefix(rest, op) {
			return len(op)
		}
	}
	_, size := utf8.DecodeRuneInString(rest)
	return size
}

func wordLen(text string) int {
	n := 0
	for n < len(text) && isWordPart(text[n]) {
		n++
	}
	return n
}

func isDigit(c byte) bool { return '0' <= c && c <= '9' }

func isWordStart(c byte) bool {
	return 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || c == '_' || c >= utf8.RuneSelf
}

func isWordPart(c byte) bool { return isWordStart(c) || isDigit(c) || c == '$' }

// Span is text[Pos:End] of the text it was cut from.
type Span struct{ Pos, End int }

// Of gives the text of the span.
func (s Span) Of(text string) string { return text[s.Pos:s.End] }

// Split finds the statements of text, which semicolons separate. Spans hold no
// semicolon and no outer blanks; statements without a token are left out. Text
// that cannot be scanned belongs to the last statement, whose parser reports it.
func Split(text string, d Dialect) []Span {
	var spans []Span
	s := NewScanner(text, d)
	start, seen := 0, false
	for {
		t, err := s.Next()
		if err != nil {
			return append(spans, trim(text, start, len(text)))
		}
		end := t.Kind == EOF || t.Is(";") && !s.version
		if !end {
			seen = true
			continue
		}
		if seen {
			spans = append(spans, trim(text, start, t.Pos))
		}
		if t.Kind == EOF {
			return spans
		}
		start, seen = t.End, false
	}
}

func trim(text string, from, to int) Span {
	piece := text[from:to]
	from += len(piece) - len(strings.TrimLeftFunc(piece, unicode.IsSpace))
	return Span{from, from + len(strings.TrimSpace(piece))}
}
