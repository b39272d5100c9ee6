package demo

import (
	"fmt"
	"io"
	"strconv"
	"strings"
	"sync"
	"unicode/utf8"
)

// screen writes for a person: coloured on a terminal, plain text elsewhere.
type screen struct {
	out      io.Writer
	terminal bool
	width    int
	prompt   string // of whom statements are sent to

	mu      sync.Mutex
	partial bool // a progress line stands unfinished
}

const (
	bold  = "\x1b[1m"
	dim   = "\x1b[2m"
	cyan  = "\x1b[36m"
	green = "\x1b[32m"
	red   = "\x1b[31m"
	reset = "\x1b[0m"
)

// columns is how wide a line may be.
func (s *screen) columns() int { return min(s.width, 100) }

func (s *screen) paint(style, text string) string {
	if !s.terminal {
		return text
	}
	return style + text + reset
}

func (s *screen) line(text string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.partial {
		fmt.Fprint(s.out, "\r\x1b[K")
		s.partial = false
	}
	fmt.Fprintln(s.out, text)
}

func (s *screen) title(name, what string) {
	s.line("")
	s.line(s.paint(bold, name) + "  " + what)
}

func (s *screen) chapter(title string) {
	s.line("")
	rule := max(s.columns()-utf8.RuneCountInString(title)-4, 0)
	s.line(s.paint(bold, "── "+title+" ") + s.paint(dim, strings.Repeat("─", rule)))
}

func (s *screen) plain(text string) { s.line(text) }

// step tells a thing that was done.
func (s *screen) step(format string, args ...any) {
	for i, part := range wrap(fmt.Sprintf(format, args...), s.columns()-2) {
		s.line([]string{s.paint(green, "✓ "), "  "}[min(i, 1)] + part)
	}
}

// progress tells what is under way, on a terminal only.
func (s *screen) progress(format string, args ...any) {
	if !s.terminal {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	fmt.Fprint(s.out, "\r\x1b[K"+dim+"  "+fmt.Sprintf(format, args...)+" …"+reset)
	s.partial = true
}

func (s *screen) statement(text string) {
	for i, l := range strings.Split(text, "\n") {
		prompt := "       -> "
		if i == 0 {
			prompt = fmt.Sprintf("%8s> ", s.prompt)
		}
		for _, part := range wrap(l, s.columns()-len("       ->   ")) {
			s.line(s.paint(dim, prompt) + s.paint(cyan, part))
			prompt = "       ->   "
		}
	}
}

// command tells a command line of a shell.
func (s *screen) command(text string) {
	s.line(s.paint(dim, "       $ ") + s.paint(cyan, text))
}

func (s *screen) note(format string, args ...any) {
	for _, part := range wrap(fmt.Sprintf(format, args...), s.columns()-2) {
		s.line(s.paint(dim, "  "+part))
	}
}

// failure tells an error as a client sees it.
func (s *screen) failure(text string) {
	for l := range strings.SplitSeq(text, "\n") {
		for _, part := range wrap(l, s.columns()-4) {
			s.line(s.paint(red, "  "+part))
		}
	}
}

// wrap cuts a line at blanks so that no part is wider than width, unless a
// single word is.
func wrap(text string, width int) []string {
	indent := text[:len(text)-len(strings.TrimLeft(text, " "))]
	line, out := indent, []string(nil)
	for word := range strings.SplitSeq(text[len(indent):], " ") {
		switch {
		case line == indent:
			line += word
		case utf8.RuneCountInString(line)+1+utf8.RuneCountInString(word) > width:
			out, line = append(out, line), word
			indent = ""
		default:
			line += " " + word
		}
	}
	return append(out, line)
}

// table draws rows as the mysql command line does; rows that are too wide, as
// names and values.
func (s *screen) table(head []string, rows [][]string) {
	width := make([]int, len(head))
	for i, h := range head {
		width[i] = utf8.RuneCountInString(h)
	}
	for _, r := range rows {
		for i, c := range r {
			width[i] = max(width[i], utf8.RuneCountInString(c))
		}
	}
	rule, format := "  +", ""
	for _, w := range width {
		rule += strings.Repeat("-", w+2) + "+"
		format += "| %-" + strconv.Itoa(w) + "s "
	}
	if len(rule) > s.columns() {
		for _, r := range rows {
			cells := make([]string, len(r))
			for i, c := range r {
				cells[i] = head[i] + ": " + c
			}
			for i, part := range wrap(strings.Join(cells, ", "), s.columns()-6) {
				s.line([]string{"  - ", "    "}[min(i, 1)] + part)
			}
		}
		return
	}
	print := func(cells []string) {
		args := make([]any, len(cells))
		for i, c := range cells {
			args[i] = c
		}
		s.line("  " + fmt.Sprintf(format+"|", args...))
	}
	s.line(rule)
	print(head)
	s.line(rule)
	for _, r := range rows {
		print(r)
	}
	s.line(rule)
}

// signers tells who signed which calls.
func (s *screen) signers(list []signed) {
	for _, x := range list {
		bytes := ""
		if x.action == "s3:GetObject" {
			bytes = fmt.Sprintf(", %.1f MB", float64(x.bytes)/1e6)
		}
		s.line(fmt.Sprintf("  %-27s %3d×  signed by %s%s", x.action, x.calls, x.principal, bytes))
	}
}

func thousands(n int) string {
	text := strconv.Itoa(n)
	for i := len(text) - 3; i > 0; i -= 3 {
		text = text[:i] + "," + text[i:]
	}
	return text
}
