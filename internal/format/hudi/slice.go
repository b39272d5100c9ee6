package hudi

import (
	"context"
	"regexp"
	"slices"
	"strings"

	"lakeport/internal/lake"
	"lakeport/internal/sqlerr"
)

// Names of files in a partition: a base file is <file group>_<write token>_
// <instant>.<format>, a log .<file group>_<instant>.log.<version>_<write token>
// (Apache Hudi Technical Specification, "File Layout").
var (
	baseName = regexp.MustCompile(`^([^_./][^_/]*)_([^_/]+)_([0-9]{14,17})\.([a-z]+)$`)
	logName  = regexp.MustCompile(`^\.([^_/]+)_([0-9]{14,17})\.log\.[0-9]+(?:_[^./]+)?(\.cdc)?$`)
)

// slice is the newest version of a file group: a base file and the logs of
// changes to it.
type slice struct {
	partition string
	id        string
	instant   string        // of the base
	bases     []lake.Object // more than one: attempts at the same write
	logs      []logFile
}

// logFile is a log and the time in its name.
type logFile struct {
	instant string
	object  lake.Object
}

// slices sorts the objects of the table into the newest slices of its file
// groups, without those that were replaced.
func (t *table) slices(objects []lake.Object, gone map[group]bool) ([]*slice, error) {
	groups := map[group]*slice{}
	of := func(g group) *slice {
		if groups[g] == nil {
			groups[g] = &slice{partition: g.partition, id: g.id}
		}
		return groups[g]
	}
	for _, o := range objects {
		dir, name, ok := t.relative(o)
		if !ok {
			continue
		}
		if m := baseName.FindStringSubmatch(name); m != nil {
			g := group{dir, m[1]}
			if gone[g] || !t.timeline.visible(m[3]) {
				continue
			}
			if m[4] != "parquet" {
				return nil, sqlerr.New(sqlerr.Unsupported, "Hudi table %s has the base file %s; Parquet is read", t.name, o.URI())
			}
			of(g).addBase(m[3], o)
		} else if m := logName.FindStringSubmatch(name); m != nil && m[3] == "" && !gone[group{dir, m[1]}] {
			s := of(group{dir, m[1]})
			s.logs = append(s.logs, logFile{m[2], o})
		}
	}
	list := make([]*slice, 0, len(groups))
	for _, s := range groups {
		s.logs = slices.DeleteFunc(s.logs, func(l logFile) bool { return !t.applies(l, s.instant) })
		list = append(list, s)
	}
	slices.SortFunc(list, func(a, b *slice) int { return strings.Compare(a.partition+"/"+a.id, b.partition+"/"+b.id) })
	return list, nil
}

// relative splits an object's key into the partition's path and a name; false:
// it is no file of a partition.
func (t *table) relative(o lake.Object) (dir, name string, ok bool) {
	rest, ok := strings.CutPrefix(o.Key, t.dir)
	if !ok || strings.HasPrefix(rest, ".hoodie/") {
		return "", "", false
	}
	i := strings.LastIndexByte(rest, '/')
	return rest[:max(i, 0)], rest[i+1:], true
}

func (s *slice) addBase(instant string, o lake.Object) {
	switch {
	case s.instant == "" || sortable(instant) > sortable(s.instant):
		s.instant, s.bases = instant, []lake.Object{o}
	case instant == s.instant:
		s.bases = append(s.bases, o)
	}
}

// applies tells whether a log may hold changes that the base of an instant does
// not have. In layout 1 the log's name has the time of its base, or of a
// compaction that is still to make it, or of the write that began the file
// group. In layout 2 it has the time of the write itself, and a base holds what
// was finished when its own write began; when an archived write was finished is
// no longer known.
func (t *table) applies(l logFile, base string) bool {
	if t.layout == 1 {
		return t.timeline.pending[l.instant] != "deltacommit" && sortable(l.instant) >= sortable(base)
	}
	if i, done := t.timeline.done[l.instant]; done {
		return sortable(i.completed) >= sortable(base)
	}
	return t.timeline.visible(l.instant)
}

// base picks the slice's base file. Of several attempts at one write, the
// write's own metadata names the one that counts.
func (t *table) base(ctx context.Context, s *slice) (lake.Object, error) {
	if len(s.bases) == 1 {
		return s.bases[0], nil
	}
	i, done := t.timeline.done[s.instant]
	if done {
		c, err := t.commit(ctx, i)
		if err != nil {
			return lake.Object{}, err
		}
		for _, stats := range c.Written {
			for _, w := range stats {
				for _, o := range s.bases {
					if o.Key == t.dir+w.Path {
						return o, nil
					}
				}
			}
		}
	}
	return lake.Object{}, sqlerr.New(sqlerr.Corrupt, "Hudi table %s has several base files of file group %s at instant %s, such as %s, and no commit says which one counts",
		t.name, s.id, s.instant, s.bases[0].URI())
}
