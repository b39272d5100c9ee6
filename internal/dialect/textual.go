package dialect

import (
	"bytes"
	"math"
	"net/url"
	"sort"
	"strconv"

	"lakeport/internal/lake"
)

// callConv writes the number in one base in another. Like MySQL's CONV it
// computes in 64 bits without sign, reads up to the first character that is no
// digit, and a negative target base means a signed result.
func callConv(f *lake.Frame) (bool, error) {
	from, to := f.Number(1), f.Number(2)
	if from < -36 || from > 36 || from > -2 && from < 2 || to < -36 || to > 36 || to > -2 && to < 2 {
		return false, nil
	}
	s := bytes.TrimSpace(f.Text(0))
	negative := len(s) > 0 && s[0] == '-'
	if negative {
		s = s[1:]
	}
	n := readDigits(s, uint64(max(from, -from)))
	if negative {
		n = -n
	}
	if to < 0 {
		f.Bytes = strconv.AppendInt(f.Bytes, int64(n), int(-to))
	} else {
		f.Bytes = strconv.AppendUint(f.Bytes, n, int(to))
	}
	for i, c := range f.Bytes {
		if 'a' <= c && c <= 'z' {
			f.Bytes[i] = c - 'a' + 'A'
		}
	}
	return true, nil
}

// readDigits reads the number that s begins with, at most the largest there is.
func readDigits(s []byte, base uint64) uint64 {
	var n uint64
	for _, c := range s {
		d := uint64(99)
		switch {
		case '0' <= c && c <= '9':
			d = uint64(c - '0')
		case 'a' <= c|0x20 && c|0x20 <= 'z':
			d = uint64(c|0x20-'a') + 10
		}
		if d >= base {
			break
		}
		if n > (math.MaxUint64-d)/base {
			return math.MaxUint64
		}
		n = n*base + d
	}
	return n
}

// callNgram is the share of the needle's grams that the haystack has, in bytes.
func callNgram(f *lake.Frame) (bool, error) {
	const longest = 1 << 15
	hay, needle, n := f.Text(0), f.Text(1), f.Number(2)
	f.Float = 0
	if n < 1 || int64(len(hay)) < n || int64(len(needle)) < n || len(hay) >= longest {
		return true, nil
	}
	grams := map[string]int{}
	for i := 0; i+int(n) <= len(needle); i++ {
		grams[string(needle[i:i+int(n)])]++
	}
	total, left := len(needle)-int(n)+1, len(needle)-int(n)+1
	for i := 0; i+int(n) <= len(hay); i++ {
		if g := hay[i : i+int(n)]; grams[string(g)] > 0 {
			grams[string(g)]--
			left--
		}
	}
	f.Float = float64(total-left) / float64(total)
	return true, nil
}

func callHost(f *lake.Frame) (bool, error) {
	u, err := url.Parse(string(f.Text(0)))
	if err != nil || u.Hostname() == "" {
		return false, nil
	}
	f.Bytes = append(f.Bytes, u.Hostname()...)
	return true, nil
}

// Modes of window_funnel, added up.
const (
	funnelOnce     = 1 // a repeated event ends the chain
	funnelFixed    = 2 // an event out of turn ends the chain
	funnelIncrease = 4 // events at the same time do not follow each other
)

// funnelEvent is a row: its time, and the first condition that it meets, from 0.
type funnelEvent struct{ at, level int64 }

// callFunnel takes the window, the mode, the times of rows and for each row the
// condition that it meets, from 1; 0 meets none. It gives the length of the
// longest chain. Assumed: of several conditions that one row meets, the first
// counts.
func callFunnel(f *lake.Frame) (bool, error) {
	window, mode := f.Number(0), f.Number(1)
	times, levels := f.Numbers(2), f.Numbers(3)
	var events []funnelEvent
	top := int64(0)
	for i, level := range levels {
		if level > 0 {
			events = append(events, funnelEvent{times[i], level - 1})
			top = max(top, level)
		}
	}
	sort.Slice(events, func(i, j int) bool {
		a, b := events[i], events[j]
		return a.at < b.at || a.at == b.at && a.level < b.level
	})
	f.Int = longestChain(events, int(top), window, mode)
	return true, nil
}

// longestChain keeps, for each level, when the chain that reached it last
// began and went on.
func longestChain(events []funnelEvent, levels int, window, mode int64) int64 {
	type step struct {
		begun, last int64
		is          bool
	}
	chain := make([]step, levels)
	longest := func() int64 {
		n := len(chain)
		for n > 0 && !chain[n-1].is {
			n--
		}
		return int64(n)
	}
	started := false
	for _, e := range events {
		if e.level == 0 {
			if mode&funnelOnce != 0 && chain[0].is {
				return longest()
			}
			chain[0], started = step{e.at, e.at, true}, true
			continue
		}
		before := chain[e.level-1]
		switch {
		case mode&funnelOnce != 0 && chain[e.level].is:
			return longest()
		case mode&funnelFixed != 0 && started && !before.is:
			return longest()
		case !before.is || e.at > before.begun+window || mode&funnelIncrease != 0 && e.at <= before.last:
			continue
		}
		chain[e.level] = step{before.begun, e.at, true}
	}
	return longest()
}
