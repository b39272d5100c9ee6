package blob

import "testing"

func TestPatternsMatchAsHadoops(t *testing.T) {
	for _, c := range []struct {
		pattern, prefix string
		yes, no         []string
	}{
		{"a/b.csv", "a/b.csv", nil, nil},
		{"a/*", "a/", []string{"a/", "a/b", "a/b.c"}, []string{"a", "a/b/c"}},
		{"a/*/x?.csv", "a/", []string{"a/b/x1.csv"}, []string{"a/x1.csv", "a/b/x.csv", "a/b/x/.csv"}},
		{"dt=2024-0[1-3]/[^_]*", "dt=2024-0", []string{"dt=2024-02/a"}, []string{"dt=2024-04/a", "dt=2024-02/_a"}},
		{"{a,b{c,d}}/x", "", []string{"a/x", "bc/x", "bd/x"}, []string{"b/x", "c/x"}},
		{`a\*b`, "a*b", nil, nil},
		{"日本/*.txt", "日本/", []string{"日本/語.txt"}, []string{"日/語.txt"}},
		{"a+b(c)/?", "a+b(c)/", []string{"a+b(c)/é"}, []string{"a+b(c)/xy"}},
	} {
		prefix, match, err := compileGlob(c.pattern)
		if err != nil || prefix != c.prefix || (match == nil) != (c.yes == nil) {
			t.Errorf("%s: prefix %q, %v, %v", c.pattern, prefix, match, err)
			continue
		}
		for _, key := range c.yes {
			if !match.MatchString(key) {
				t.Errorf("%s does not match %s", c.pattern, key)
			}
		}
		for _, key := range c.no {
			if match.MatchString(key) {
				t.Errorf("%s matches %s", c.pattern, key)
			}
		}
	}
	for _, bad := range []string{"a[b", "a{b", "a[]", "{a,{b}"} {
		if _, _, err := compileGlob(bad); err == nil {
			t.Errorf("%s is understood", bad)
		}
	}
}

func FuzzGlob(f *testing.F) {
	f.Add(`a/{b,c}*[^x-z]?\d`, "a/bxy")
	f.Fuzz(func(t *testing.T, pattern, key string) {
		if _, match, err := compileGlob(pattern); err == nil && match != nil {
			match.MatchString(key)
		}
	})
}
