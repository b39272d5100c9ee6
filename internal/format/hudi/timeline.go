package hudi

import (
	"cmp"
	"context"
	"regexp"
	"slices"
	"strings"

	"golang.org/x/sync/errgroup"

	"lakeport/internal/lake"
	"lakeport/internal/sqlerr"
)

// readMax is how many files of one timeline are read at once.
const readMax = 32

// An instant is an action on the table at a time. Its name says how far it has
// come; completed ones hold what they did (Apache Hudi Technical Specification,
// "Timeline").
type instant struct {
	requested string // the time that its files carry
	completed string // in layout 2; in layout 1 as requested
	action    string
	done      bool
	object    lake.Object
}

// The instants' names in both layouts. In layout 1 the name of a finished
// action has one time, in layout 2 two. A commit under way has no action in its
// name.
var instantName = regexp.MustCompile(`^([0-9]{14,17})(?:_([0-9]{14,17}))?\.(?:(inflight)|([a-z]+)(?:\.(requested|inflight))?)$`)

// actions are what instants do; the value tells whether it may write data.
var actions = map[string]bool{
	"commit": true, "deltacommit": true, "replacecommit": true, "clustering": true, "compaction": true, "logcompaction": true,
	"clean": false, "rollback": false, "restore": false, "savepoint": false, "indexing": false, "schemacommit": false,
}

// timeline is the active timeline.
type timeline struct {
	done    map[string]instant // by requested time: finished writes
	pending map[string]string  // actions of writes under way, or abandoned
	first   string             // the oldest finished write; what is older has been archived
}

// sortable makes times of seconds comparable with those of milliseconds.
func sortable(t string) string {
	if len(t) == len("20060102150405") {
		return t + "999"
	}
	return t
}

// readTimeline sorts the names of a timeline's files. layout is 1 or 2.
func readTimeline(list []lake.Object, layout int) (timeline, error) {
	t := timeline{done: map[string]instant{}, pending: map[string]string{}}
	for _, o := range list {
		name := o.Key[strings.LastIndexByte(o.Key, '/')+1:]
		m := instantName.FindStringSubmatch(name)
		if m == nil {
			continue
		}
		i := instant{requested: m[1], completed: cmp.Or(m[2], m[1]), action: m[4], done: m[3] == "" && m[5] == "", object: o}
		if m[3] != "" {
			i.action = "commit"
		}
		writes, known := actions[i.action]
		switch {
		case !known:
			return t, sqlerr.New(sqlerr.Unsupported, "the action %q in %s is not known", i.action, o.URI())
		case i.done && (m[2] != "") != (layout == 2):
			return t, sqlerr.New(sqlerr.Unsupported, "%s is not named as layout %d of the timeline does", o.URI(), layout)
		case !writes:
		case i.done:
			t.done[i.requested] = i
			if t.first == "" || sortable(i.requested) < sortable(t.first) {
				t.first = i.requested
			}
		default:
			t.pending[i.requested] = i.action
		}
	}
	for requested := range t.done {
		delete(t.pending, requested)
	}
	return t, nil
}

// visible tells whether files written at a time are to be seen: the write is
// finished, or so old that it has left the active timeline.
func (t timeline) visible(at string) bool {
	if _, done := t.done[at]; done {
		return true
	}
	_, pending := t.pending[at]
	return !pending && t.first != "" && sortable(at) < sortable(t.first)
}

// newest gives the finished writes, the last to finish first.
func (t timeline) newest() []instant {
	list := make([]instant, 0, len(t.done))
	for _, i := range t.done {
		list = append(list, i)
	}
	slices.SortFunc(list, func(a, b instant) int { return strings.Compare(sortable(b.completed), sortable(a.completed)) })
	return list
}

// group is a file group: the versions of one set of rows.
type group struct{ partition, id string }

// replaced reads which file groups finished replacecommits have put others in
// the place of.
func (t *table) replaced(ctx context.Context) (map[group]bool, error) {
	var list []instant
	for _, i := range t.timeline.done {
		if i.action == "replacecommit" || i.action == "clustering" {
			list = append(list, i)
		}
	}
	metadata := make([]commit, len(list))
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(readMax)
	for n, i := range list {
		g.Go(func() (err error) {
			metadata[n], err = t.commit(ctx, i)
			return err
		})
	}
	if err := g.Wait(); err != nil {
		return nil, err
	}
	gone := map[group]bool{}
	for _, c := range metadata {
		for partition, ids := range c.Replaced {
			for _, id := range ids {
				gone[group{partition, id}] = true
			}
		}
	}
	return gone, nil
}

// commit reads what a finished write has done.
func (t *table) commit(ctx context.Context, i instant) (commit, error) {
	text, err := t.o.Read(ctx, i.object, 0, i.object.Size)
	if err != nil {
		return commit{}, t.wrap(err, "read "+i.object.URI())
	}
	c, err := parseCommit(text)
	if err != nil {
		return commit{}, sqlerr.New(sqlerr.Corrupt, "Hudi table %s: %s: %w", t.name, i.object.URI(), err)
	}
	return c, nil
}
