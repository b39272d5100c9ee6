package delimited

import "bytes"

// unquote cuts a row whose fields may be quoted or hold escapes.
func (r *Reader) unquote(raw []byte) {
	for at := 0; ; {
		field, next, fault := r.field(raw, at)
		if fault != "" {
			r.row.Fault = &Fault{Reason: fault, Field: len(r.row.Fields)}
			return
		}
		r.row.Fields = append(r.row.Fields, field)
		if next < 0 {
			return
		}
		at = next
	}
}

// field reads the field at raw[at:]; next is where the one behind it begins, -1
// if it is the last.
func (r *Reader) field(raw []byte, at int) (f Field, next int, fault string) {
	begin := at
	if r.f.Trim || r.f.Outside {
		for begin < len(raw) && blank(raw[begin]) && raw[begin] != r.delim0 {
			begin++
		}
	}
	if begin < len(raw) {
		switch c := raw[begin]; {
		case c == r.f.Quote && r.f.Quote != 0:
			return r.quoted(raw, begin, c)
		case r.f.RemoveQuotes && (c == '"' || c == '\''):
			return r.quoted(raw, begin, c)
		}
	}
	if r.f.Trim {
		at = begin
	}
	return r.bare(raw, at)
}

// bare reads a field that is not quoted.
func (r *Reader) bare(raw []byte, at int) (f Field, next int, fault string) {
	end, escaped := at, false
	for ; end < len(raw); end++ {
		if c := raw[end]; c == r.f.Escape && r.f.Escape != 0 {
			escaped = true
			end++
		} else if c == r.delim0 && bytes.HasPrefix(raw[end:], []byte(r.f.Delimiter)) {
			break
		}
	}
	end, next = min(end, len(raw)), -1
	if end < len(raw) {
		next = end + len(r.f.Delimiter)
	}
	text := raw[at:end]
	if r.f.Trim {
		text = bytes.TrimRight(text, " \t")
	}
	f.Null = r.isNull(text)
	if f.Text = text; escaped && !f.Null {
		f.Text = r.unescape(text, 0)
		f.Null = r.f.NullEscaped && r.isNull(f.Text)
	}
	return f, next, ""
}

// quoted reads a field that the quote at raw[at] opens.
func (r *Reader) quoted(raw []byte, at int, quote byte) (f Field, next int, fault string) {
	doubles := !r.f.RemoveQuotes
	from, changed := at+1, false
	end := from
	for ; ; end++ {
		if end >= len(raw) {
			return f, 0, NoEndQuote
		}
		c := raw[end]
		if c == r.f.Escape && r.f.Escape != 0 && c != quote {
			changed = true
			end++
			continue
		}
		if c != quote {
			continue
		}
		if doubles && end+1 < len(raw) && raw[end+1] == quote {
			changed = true
			end++
			continue
		}
		if !doubles && end+1 < len(raw) && !bytes.HasPrefix(raw[end+1:], []byte(r.f.Delimiter)) {
			continue // an inner quote that is no end
		}
		break
	}
	f.Quoted, f.Text = true, raw[from:end]
	if changed {
		f.Text = r.unescape(f.Text, map[bool]byte{true: quote}[doubles])
	}
	rest := end + 1
	for (r.f.Trim || r.f.Outside) && rest < len(raw) && blank(raw[rest]) && raw[rest] != r.delim0 {
		rest++
	}
	switch {
	case rest == len(raw):
		return f, -1, ""
	case bytes.HasPrefix(raw[rest:], []byte(r.f.Delimiter)):
		return f, rest + len(r.f.Delimiter), ""
	}
	return f, 0, BadQuote
}

// unescape drops the escape before each byte that it makes data, and one of
// each pair of quotes. The result lies in r.plain, and is good as long as the row.
func (r *Reader) unescape(text []byte, quote byte) []byte {
	from := len(r.plain)
	if cap(r.plain)-from < len(text) { // earlier fields keep the old array
		r.plain = make([]byte, 0, 2*(len(text)+cap(r.plain)))
		from = 0
	}
	for i := 0; i < len(text); i++ {
		c := text[i]
		if i+1 < len(text) && (c == r.f.Escape && r.f.Escape != 0 && c != quote || c == quote && quote != 0 && text[i+1] == quote) {
			i++
			c = text[i]
		}
		r.plain = append(r.plain, c)
	}
	return r.plain[from:]
}
