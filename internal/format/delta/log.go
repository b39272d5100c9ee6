package delta

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"golang.org/x/sync/errgroup"

	"lakeport/internal/lake"
	"lakeport/internal/sqlerr"
)

// readMax is how many files of one log are read at once.
const readMax = 32

// segment is the part of a log that makes up its newest version: a checkpoint,
// unless the log begins at 0, and the commits after it.
type segment struct {
	version    int64
	checkpoint []lake.Object // its parts; none: commits begin at 0
	commits    []lake.Object // oldest first
}

// find lists the log and picks the files of its newest version.
func (t *table) find(ctx context.Context) (segment, error) {
	dir := t.root.in("_delta_log/")
	from, err := t.hint(ctx, dir)
	if err != nil {
		return segment{}, err
	}
	s, err := t.segmentFrom(ctx, dir, from)
	if from > 0 && (err != nil || len(s.checkpoint) == 0) { // the hint may point at nothing
		return t.segmentFrom(ctx, dir, 0)
	}
	return s, err
}

// hint gives the version of a checkpoint by _last_checkpoint, 0 if that file is
// missing or makes no sense: it only saves listing an old log's beginning.
func (t *table) hint(ctx context.Context, dir place) (int64, error) {
	const name = "_last_checkpoint"
	list, err := t.o.List(ctx, dir.String(), dir.in(name[:len(name)-1]).String())
	if err != nil {
		return 0, t.wrap(err, "list "+dir.String())
	}
	if len(list) == 0 || list[0].Key != dir.in(name).key || list[0].Size > 1<<20 {
		return 0, nil
	}
	text, err := t.o.Read(ctx, list[0], 0, list[0].Size)
	if err != nil {
		return 0, t.wrap(err, "read "+list[0].URI())
	}
	var last struct {
		Version int64 `json:"version"`
	}
	if json.Unmarshal(text, &last) != nil || last.Version < 0 {
		return 0, nil
	}
	return last.Version, nil
}

// segmentFrom picks from the files of versions from the given one on.
func (t *table) segmentFrom(ctx context.Context, dir place, from int64) (segment, error) {
	after := dir.String()
	if from > 0 {
		after = dir.in(fmt.Sprintf("%020d", from)).String()
	}
	list, err := t.o.List(ctx, dir.String(), after)
	if err != nil {
		return segment{}, t.wrap(err, "list "+dir.String())
	}
	names := make([]string, len(list))
	for i, o := range list {
		names[i] = strings.TrimPrefix(o.Key, dir.key)
	}
	picked, err := pick(names)
	if err != nil {
		return segment{}, t.wrap(err, dir.String())
	}
	s := segment{version: picked.version}
	for _, i := range picked.checkpoint {
		s.checkpoint = append(s.checkpoint, list[i])
	}
	for _, i := range picked.commits {
		s.commits = append(s.commits, list[i])
	}
	return s, nil
}

// logName takes the names in a log's directory apart that readers need: a
// commit, or a checkpoint that is whole, one part of several, or by its UUID
// (Delta transaction log protocol, "Delta Log Entries", "Checkpoints").
var logName = regexp.MustCompile(`^([0-9]{20})\.(?:(json)|checkpoint\.(?:(parquet)|([0-9]{10})\.([0-9]{10})\.parquet|([0-9A-Fa-f-]{36})\.(?:json|parquet)))$`)

// picks are indexes into a list of names.
type picks struct {
	version    int64
	checkpoint []int
	commits    []int
}

// candidate is a checkpoint and its parts by number.
type candidate struct {
	version int64
	total   int
	parts   map[int]int
}

// pick finds the newest version in the names of a log's files and what of them
// makes it up: the newest complete checkpoint and every commit after it.
func pick(names []string) (picks, error) {
	p := picks{version: -1}
	commits := map[int64]int{}
	checkpoints := map[string]*candidate{}
	for i, name := range names {
		m := logName.FindStringSubmatch(name)
		if m == nil {
			continue
		}
		version, err := strconv.ParseInt(m[1], 10, 64)
		if err != nil {
			continue
		}
		part, total := 1, 1
		switch {
		case m[2] != "":
			commits[version] = i
			p.version = max(p.version, version)
			continue
		case m[4] != "":
			part, _ = strconv.Atoi(m[4])
			total, _ = strconv.Atoi(m[5])
		}
		set := fmt.Sprintf("%d %d %s%s", version, total, m[3], m[6])
		if checkpoints[set] == nil {
			checkpoints[set] = &candidate{version: version, total: total, parts: map[int]int{}}
		}
		if part >= 1 && part <= total {
			checkpoints[set].parts[part] = i
		}
	}
	start := int64(0)
	if c := newest(checkpoints); c != nil {
		for part := 1; part <= c.total; part++ {
			p.checkpoint = append(p.checkpoint, c.parts[part])
		}
		start, p.version = c.version+1, max(p.version, c.version)
	}
	if p.version < 0 {
		return p, sqlerr.New(sqlerr.NotFound, "there is no Delta log: no commit and no whole checkpoint")
	}
	for v := start; v <= p.version; v++ {
		i, ok := commits[v]
		if !ok {
			return p, sqlerr.New(sqlerr.Corrupt, "the Delta log has no commit %d, though it goes on to version %d", v, p.version).
				WithHint("the log's older files may have been removed without a checkpoint; restore %020d.json", v)
		}
		p.commits = append(p.commits, i)
	}
	return p, nil
}

// newest gives the checkpoint of the highest version that is complete; nil if
// there is none.
func newest(all map[string]*candidate) *candidate {
	list := make([]*candidate, 0, len(all))
	for _, c := range all {
		if c.total > 0 && len(c.parts) == c.total {
			list = append(list, c)
		}
	}
	if len(list) == 0 {
		return nil
	}
	return slices.MaxFunc(list, func(a, b *candidate) int {
		return cmp.Or(cmp.Compare(a.version, b.version), cmp.Compare(b.total, a.total))
	})
}

// replay is what the commits after the checkpoint say.
type replay struct {
	protocol *protocol
	metaData *metaData
	live     []add           // in no order that means anything
	seen     map[string]bool // logical files that are added or removed in a commit
}

// id names a logical file.
func (t *table) id(f *logical) (string, error) {
	p, err := t.root.resolve(f.Path)
	if err != nil {
		return "", err
	}
	id := p.String()
	if dv := f.DeletionVector; dv != nil {
		id += "\x00" + dv.StorageType + dv.PathOrInlineDv
		if dv.Offset != nil {
			id += "@" + strconv.FormatInt(*dv.Offset, 10)
		}
	}
	return id, nil
}

// commits reads all commits of the segment, many at once, and replays them
// from the newest to the oldest: what is said of a file last holds.
func (t *table) commits(ctx context.Context, s segment) (replay, error) {
	lists := make([][]action, len(s.commits))
	g, gctx := errgroup.WithContext(ctx)
	g.SetLimit(readMax)
	for i, o := range s.commits {
		g.Go(func() error {
			text, err := t.o.Read(gctx, o, 0, o.Size)
			if err != nil {
				return t.wrap(err, "read "+o.URI())
			}
			if lists[i], err = parseActions(text); err != nil {
				return t.corrupt(o, err)
			}
			return nil
		})
	}
	r := replay{seen: map[string]bool{}}
	if err := g.Wait(); err != nil {
		return r, err
	}
	for i, list := range slices.Backward(lists) {
		for _, a := range list {
			if r.protocol == nil && a.Protocol != nil {
				r.protocol = a.Protocol
			}
			if r.metaData == nil && a.MetaData != nil {
				r.metaData = a.MetaData
			}
		}
		if err := t.files(&r, list); err != nil {
			return r, t.wrap(err, s.commits[i].URI())
		}
	}
	return r, nil
}

// files takes a commit's adds and removes. Within a commit their order means
// nothing; an add of a file stands against a remove of the same.
func (t *table) files(r *replay, list []action) error {
	for _, removes := range []bool{false, true} {
		for _, a := range list {
			f := a.file()
			if f == nil || (a.Remove != nil) != removes {
				continue
			}
			id, err := t.id(f)
			if err != nil {
				return err
			}
			if !r.seen[id] && a.Add != nil {
				r.live = append(r.live, *a.Add)
			}
			r.seen[id] = true
		}
	}
	return nil
}
