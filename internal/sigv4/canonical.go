package sigv4

import (
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"
)

var buffers = sync.Pool{New: func() any { b := make([]byte, 0, 2048); return &b }}

// readSigned keeps the list of signed headers in the order in which they are
// signed, whatever order was sent.
func (a *auth) readSigned(list string) {
	a.signed = strings.Split(list, ";")
	slices.Sort(a.signed)
}

// unsignedHeaders lists what must be signed and is not: host and every x-amz-
// header.
func unsignedHeaders(r *http.Request, signed []string) []string {
	var missing []string
	if _, ok := slices.BinarySearch(signed, "host"); !ok {
		missing = append(missing, "host")
	}
	for name := range r.Header {
		if !strings.HasPrefix(name, "X-Amz-") {
			continue
		}
		if lower := strings.ToLower(name); !slices.Contains(signed, lower) {
			missing = append(missing, lower)
		}
	}
	slices.Sort(missing)
	return missing
}

// appendCanonical writes the canonical request.
func appendCanonical(b []byte, r *http.Request, a *auth, payloadHash string) ([]byte, error) {
	b = append(b, r.Method...)
	b = append(b, '\n')
	path := r.URL.EscapedPath()
	var err error
	if a.isS3() {
		b, err = appendPath(b, path)
	} else {
		b, err = appendTwice(b, path)
	}
	if err != nil {
		return b, err
	}
	b = append(b, '\n')
	if b, err = appendQuery(b, r.URL.RawQuery, a.presigned); err != nil {
		return b, err
	}
	b = append(b, '\n')
	for _, name := range a.signed {
		b = append(b, name...)
		b = append(b, ':')
		b = appendValues(b, headerValues(r, name))
		b = append(b, '\n')
	}
	b = append(b, '\n')
	for i, name := range a.signed {
		if i > 0 {
			b = append(b, ';')
		}
		b = append(b, name...)
	}
	b = append(b, '\n')
	return append(b, payloadHash...), nil
}

// headerValues gives back the headers that net/http takes out of the map.
func headerValues(r *http.Request, name string) []string {
	switch name {
	case "host":
		return []string{r.Host}
	case "transfer-encoding":
		return r.TransferEncoding
	}
	v := r.Header.Values(name)
	if v == nil && name == "content-length" && r.ContentLength >= 0 {
		return []string{strconv.FormatInt(r.ContentLength, 10)}
	}
	return v
}

// appendValues joins values by commas, each trimmed, inner runs of blanks
// as one.
func appendValues(b []byte, values []string) []byte {
	for i, v := range values {
		if i > 0 {
			b = append(b, ',')
		}
		v = strings.Trim(v, " \t")
		blank := false
		for j := range len(v) {
			c := v[j]
			if c == ' ' && blank {
				continue
			}
			blank = c == ' '
			b = append(b, c)
		}
	}
	return b
}

// appendPath writes S3's canonical URI: each segment decoded and encoded once.
func appendPath(b []byte, escaped string) ([]byte, error) {
	if escaped == "" {
		return append(b, '/'), nil
	}
	for i, segment := range splitPath(escaped) {
		if i > 0 {
			b = append(b, '/')
		}
		plain, err := unescape(segment, false)
		if err != nil {
			return b, err
		}
		b = appendEscaped(b, plain)
	}
	return b, nil
}

// appendTwice writes the canonical URI of the other services: empty and dot
// segments removed, each remaining one encoded once more than it was sent, as
// every SDK does. A character that was sent plain, such as the colons of a Glue
// catalog's id, is therefore encoded once.
func appendTwice(b []byte, escaped string) ([]byte, error) {
	var kept []string
	for _, segment := range splitPath(escaped) {
		switch segment {
		case "", ".":
		case "..":
			kept = kept[:max(len(kept)-1, 0)]
		default:
			kept = append(kept, segment)
		}
	}
	for _, segment := range kept {
		if _, err := unescape(segment, false); err != nil {
			return b, err
		}
		b = append(b, '/')
		b = appendEscaped(b, segment)
	}
	if len(kept) == 0 || strings.HasSuffix(escaped, "/") {
		b = append(b, '/')
	}
	return b, nil
}

func splitPath(escaped string) []string { return strings.Split(escaped, "/") }

// appendQuery writes the canonical query: names and values encoded, sorted by
// name, then value, without the signature itself.
func appendQuery(b []byte, raw string, presigned bool) ([]byte, error) {
	if raw == "" {
		return b, nil
	}
	type param struct{ name, value string }
	params := make([]param, 0, 16)
	for part := range strings.SplitSeq(raw, "&") {
		if part == "" {
			continue
		}
		name, value, _ := strings.Cut(part, "=")
		name, err := unescape(name, true)
		if err != nil {
			return b, err
		}
		if presigned && name == "X-Amz-Signature" {
			continue
		}
		if value, err = unescape(value, true); err != nil {
			return b, err
		}
		params = append(params, param{escape(name), escape(value)})
	}
	slices.SortFunc(params, func(x, y param) int {
		return cmp.Or(strings.Compare(x.name, y.name), strings.Compare(x.value, y.value))
	})
	for i, p := range params {
		if i > 0 {
			b = append(b, '&')
		}
		b = append(b, p.name...)
		b = append(b, '=')
		b = append(b, p.value...)
	}
	return b, nil
}

func appendStringToSign(b []byte, a *auth, canonical []byte) []byte {
	b = append(b, algorithm+"\n"...)
	b = append(b, a.timestamp...)
	b = append(b, '\n')
	b = append(b, a.scope()...)
	b = append(b, '\n')
	sum := sha256.Sum256(canonical)
	return hex.AppendEncode(b, sum[:])
}

// unescape undoes percent-encoding; plus also reads + as a blank, as queries
// have it.
func unescape(s string, plus bool) (string, error) {
	if !strings.ContainsRune(s, '%') && !(plus && strings.ContainsRune(s, '+')) {
		return s, nil
	}
	b := make([]byte, 0, len(s))
	for i := 0; i < len(s); i++ {
		switch c := s[i]; {
		case c == '%':
			if i+2 >= len(s) || unhex(s[i+1]) < 0 || unhex(s[i+2]) < 0 {
				return "", fmt.Errorf("bad percent-encoding at byte %d of %.60q", i, s)
			}
			b = append(b, byte(unhex(s[i+1])<<4|unhex(s[i+2])))
			i += 2
		case c == '+' && plus:
			b = append(b, ' ')
		default:
			b = append(b, c)
		}
	}
	return string(b), nil
}

func unhex(c byte) int {
	switch {
	case '0' <= c && c <= '9':
		return int(c - '0')
	case 'a' <= c && c <= 'f':
		return int(c-'a') + 10
	case 'A' <= c && c <= 'F':
		return int(c-'A') + 10
	}
	return -1
}

func unreserved(c byte) bool {
	return 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9' || c == '-' || c == '_' || c == '.' || c == '~'
}

// escape percent-encodes all but the unreserved characters of RFC 3986.
func escape(s string) string {
	for i := range len(s) {
		if !unreserved(s[i]) {
			return string(appendEscaped(nil, s))
		}
	}
	return s
}

func appendEscaped(b []byte, s string) []byte {
	const digits = "0123456789ABCDEF"
	for i := range len(s) {
		if c := s[i]; unreserved(c) {
			b = append(b, c)
		} else {
			b = append(b, '%', digits[c>>4], digits[c&15])
		}
	}
	return b
}
