package blob

import (
	"context"
	"fmt"
	"regexp"
	"strings"

	"lakeport/internal/lake"
	"lakeport/internal/sqlerr"
)

// Glob gives the objects that a pattern s3://bucket/key names, in the order of
// keys. In the key, ? stands for one character and * for any number of them, both
// but a slash; [a-c] and [^a-c] for one of a set, {a,b} for either, and a
// backslash makes the next character plain (Hadoop, FileSystem.globStatus). A
// pattern without any of these is one object, which must be there.
func (c *Client) Glob(ctx context.Context, pattern string) ([]lake.Object, error) {
	bucket, key, err := Parse(pattern)
	if err != nil {
		return nil, err
	}
	prefix, match, err := compileGlob(key)
	if err != nil {
		return nil, sqlerr.New(sqlerr.Invalid, "the pattern %s cannot be understood: %v", pattern, err)
	}
	if match == nil {
		o, err := c.Head(ctx, "s3://"+bucket+"/"+prefix)
		if err != nil {
			return nil, err
		}
		return []lake.Object{o}, nil
	}
	all, err := c.List(ctx, bucket, prefix, true)
	if err != nil {
		return nil, err
	}
	var found []lake.Object
	for _, o := range all {
		if match.MatchString(o.Key) {
			found = append(found, o)
		}
	}
	return found, nil
}

// compileGlob gives the plain text before the first character that stands for
// others, and the expression of the whole; nil if there is no such character.
func compileGlob(pattern string) (prefix string, match *regexp.Regexp, err error) {
	var expr, plain strings.Builder
	special, braces := false, 0
	for i := 0; i < len(pattern); i++ {
		c := pattern[i]
		text := ""
		switch {
		case c == '\\' && i+1 < len(pattern):
			i++
			text = pattern[i : i+1]
		case c == '*':
			special = true
			expr.WriteString("[^/]*")
		case c == '?':
			special = true
			expr.WriteString("[^/]")
		case c == '[':
			end := strings.IndexByte(pattern[i+1:], ']')
			if end < 1 {
				return "", nil, fmt.Errorf("the [ at byte %d has no ]", i)
			}
			special = true
			expr.WriteString(charSet(pattern[i+1 : i+1+end]))
			i += 1 + end
		case c == '{':
			if !strings.Contains(pattern[i:], "}") {
				return "", nil, fmt.Errorf("the { at byte %d has no }", i)
			}
			special = true
			braces++
			expr.WriteString("(?:")
		case c == '}' && braces > 0:
			braces--
			expr.WriteString(")")
		case c == ',' && braces > 0:
			expr.WriteString("|")
		default:
			text = pattern[i : i+1]
		}
		if text != "" {
			expr.WriteString(byteExpr(text[0]))
			if !special {
				plain.WriteString(text)
			}
		}
	}
	if braces > 0 {
		return "", nil, fmt.Errorf("a { has no }")
	}
	if !special {
		return plain.String(), nil, nil
	}
	match, err = regexp.Compile(`(?s)\A` + expr.String() + `\z`)
	return plain.String(), match, err
}

// byteExpr is the expression of one byte of a key. The bytes of a longer
// character follow each other as they do in the text.
func byteExpr(c byte) string {
	if c < 0x80 {
		return regexp.QuoteMeta(string(rune(c)))
	}
	return string([]byte{c})
}

// charSet turns the inside of a [ ] into the expression of one character.
func charSet(inside string) string {
	not := ""
	if inside[0] == '^' || inside[0] == '!' {
		not, inside = "^", inside[1:]
	}
	return "[" + not + strings.NewReplacer(`\`, `\\`, `[`, `\[`, `^`, `\^`, `&`, `\&`).Replace(inside) + "]"
}
