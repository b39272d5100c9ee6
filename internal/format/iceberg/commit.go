package iceberg

import (
	"context"
	"crypto/rand"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"

	"lakeport/internal/lake"
	"lakeport/internal/sqlerr"
)

var negativeZero = math.Copysign(0, -1)

// Store keeps what a table's current metadata is.
type Store interface {
	// Load gives the table's present metadata.
	Load(ctx context.Context) (*Metadata, error)
	// Commit makes c the table's next state if base is its present one. Rejected
	// with an error of kind Conflict says that it is not.
	Commit(ctx context.Context, base *Metadata, c Change) (lake.Outcome, error)
}

// Change is a new snapshot for a table's main branch.
type Change struct {
	Snapshot  Snapshot
	AddedRows int64 // v3: row ids that it takes
}

// attempts is how often a commit is tried; between two there is a wait.
const attempts = 8

// append is one Append under way: what it has stored so far.
type appending struct {
	t        *Table
	id       int64 // of the snapshot
	uuid     string
	entries  []entry
	replace  bool
	stored   []string  // metadata files
	manifest *manifest // of the new files, for the base's sequence number or any other
}

// Append adds files to the table, or replaces partitions by them. A table that
// others change meanwhile is read again, and the same snapshot is built on it;
// where a commit's fate is not known, the table is asked whether it has the
// snapshot before anything else is done.
func (t *Table) Append(ctx context.Context, files []lake.Written, replace bool) (lake.Outcome, error) {
	if _, err := t.Layout(); err != nil {
		return lake.Rejected, err
	}
	a := &appending{t: t, id: newSnapshotID(), uuid: newUUID(), replace: replace}
	for _, w := range files {
		e, err := t.added(w, a.id)
		if err != nil {
			return lake.Rejected, sqlerr.New(sqlerr.Internal, "append to table %s: %w", t.o.Name, err)
		}
		a.entries = append(a.entries, e)
	}
	outcome, err := a.commit(ctx)
	if outcome == lake.Rejected {
		a.remove(ctx)
	}
	return outcome, err
}

// commit tries until the outcome is known, or nothing more can be learned.
func (a *appending) commit(ctx context.Context) (lake.Outcome, error) {
	base := a.t.meta
	unsure := false // an earlier attempt may still come through
	give := func(err error) (lake.Outcome, error) {
		if unsure {
			return lake.Unknown, a.unknown(err)
		}
		return lake.Rejected, err
	}
	for try := 1; ; try++ {
		change, err := a.build(ctx, base, try)
		if err != nil {
			return give(err)
		}
		outcome, cause := a.t.o.Store.Commit(ctx, base, change)
		switch {
		case outcome == lake.Committed:
			return lake.Committed, nil
		case outcome == lake.Unknown:
			unsure = true
		case !sqlerr.Is(cause, sqlerr.Conflict):
			return give(cause)
		}
		if err := wait(ctx, try); err != nil {
			return give(err)
		}
		latest, err := a.t.o.Store.Load(ctx)
		switch {
		case err != nil:
			return give(fmt.Errorf("%w (read the table again: %w)", cause, err))
		case latest.snapshot(a.id) != nil:
			return lake.Committed, nil
		case try == attempts:
			return give(cause)
		case latest.UUID != base.UUID:
			return give(sqlerr.New(sqlerr.Conflict, "table %s has been replaced by another table meanwhile", a.t.o.Name))
		case latest.CurrentSchema != base.CurrentSchema || latest.DefaultSpec != base.DefaultSpec || latest.FormatVersion != base.FormatVersion:
			return give(sqlerr.New(sqlerr.Conflict, "the columns or partitions of table %s have changed meanwhile", a.t.o.Name).WithHint("run the statement again"))
		}
		// The same base with the same requirement: of two attempts one can win.
		base = latest
	}
}

func (a *appending) unknown(err error) error {
	return sqlerr.New(sqlerr.Unreachable, "it is not known whether table %s has taken the rows: snapshot %d was sent, and the table does not show it yet: %w", a.t.o.Name, a.id, err).
		WithHint("look for the snapshot before running the statement again; no file has been removed")
}

// wait is the pause before another attempt: longer each time, and never the
// same for two that met.
func wait(ctx context.Context, try int) error {
	most := min(50*time.Millisecond<<try, 2*time.Second)
	timer := time.NewTimer(time.Duration(randomInt63() % int64(most)))
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// build makes the snapshot on a base: its manifests and their list are stored.
func (a *appending) build(ctx context.Context, base *Metadata, try int) (Change, error) {
	sequence := base.LastSequence + 1
	var list []manifest
	if base.CurrentSnapshot != 0 {
		on := *a.t
		on.meta = base
		var err error
		if list, err = on.manifests(ctx, base.snapshot(base.CurrentSnapshot)); err != nil {
			return Change{}, err
		}
		for i := range list { // counts that v1 left out
			if slices.Contains(list[i].counts[:], -1) {
				return Change{}, sqlerr.New(sqlerr.Unsupported, "table %s has manifests of format-version 1 without counts; have its manifests rewritten", a.t.o.Name)
			}
		}
	}
	gone := totals{}
	if a.replace {
		var err error
		if list, gone, err = a.without(ctx, base, list, sequence, try); err != nil {
			return Change{}, err
		}
	}
	if len(a.entries) > 0 {
		of, err := a.newFiles(ctx, base, sequence)
		if err != nil {
			return Change{}, err
		}
		list = slices.Insert(list, 0, of)
	}
	c := Change{Snapshot: Snapshot{ID: SnapshotID(a.id), Sequence: sequence, TimestampMS: max(time.Now().UnixMilli(), base.LastUpdatedMS), SchemaID: &base.CurrentSchema}}
	if base.CurrentSnapshot != 0 {
		parent := SnapshotID(base.CurrentSnapshot)
		c.Snapshot.Parent = &parent
	}
	if base.FormatVersion >= 3 {
		first := base.NextRowID
		for i := range list {
			if list[i].content == contentData && list[i].firstRowID == nil {
				from := first + c.AddedRows
				list[i].firstRowID = &from
				c.AddedRows += list[i].rows[0] + list[i].rows[1]
			}
		}
		c.Snapshot.FirstRowID, c.Snapshot.AddedRows = &first, &c.AddedRows
	}
	c.Snapshot.Summary = a.summary(base, gone)
	path, err := a.storeList(ctx, base, c.Snapshot, list, try)
	c.Snapshot.ManifestList = path
	return c, err
}

// newFiles stores the manifest of the new files, once: entries inherit the
// sequence number that the list gives.
func (a *appending) newFiles(ctx context.Context, base *Metadata, sequence int64) (manifest, error) {
	if a.manifest == nil {
		data, of, err := base.makeManifest(base.spec(base.DefaultSpec), contentData, a.id, sequence, a.entries)
		if err != nil {
			return of, sqlerr.New(sqlerr.Internal, "write a manifest of table %s: %w", a.t.o.Name, err)
		}
		of.path = a.t.metadataDir() + "/" + a.uuid + "-m0.avro"
		if err := a.put(ctx, of.path, data); err != nil {
			return of, err
		}
		a.manifest = &of
	}
	of := *a.manifest
	of.sequence, of.minimum = sequence, sequence
	return of, nil
}

func (a *appending) put(ctx context.Context, uri string, data []byte) error {
	a.stored = append(a.stored, uri)
	return a.t.o.Put(ctx, uri, data)
}

// storeList stores a manifest list. Each attempt has its own.
func (a *appending) storeList(ctx context.Context, base *Metadata, s Snapshot, list []manifest, try int) (string, error) {
	schema, err := listSchema(base.FormatVersion)
	if err != nil {
		return "", err
	}
	rows := make([]object, len(list))
	for i, of := range list {
		rows[i] = manifestRow(of, base.FormatVersion)
	}
	parent := "null"
	if s.Parent != nil {
		parent = strconv.FormatInt(int64(*s.Parent), 10)
	}
	meta := map[string]string{"snapshot-id": strconv.FormatInt(a.id, 10), "parent-snapshot-id": parent,
		"sequence-number": strconv.FormatInt(s.Sequence, 10), "format-version": strconv.Itoa(base.FormatVersion)}
	if s.FirstRowID != nil {
		meta["first-row-id"] = strconv.FormatInt(*s.FirstRowID, 10)
	}
	data, err := writeAvro(schema, meta, rows)
	if err != nil {
		return "", sqlerr.New(sqlerr.Internal, "write a manifest list of table %s: %w", a.t.o.Name, err)
	}
	path := fmt.Sprintf("%s/snap-%d-%d-%s.avro", a.t.metadataDir(), a.id, try, a.uuid)
	return path, a.put(ctx, path, data)
}

// totals counts files and rows that a snapshot takes away.
type totals struct {
	data, deletes                 int64 // files
	records, size                 int64 // of data files
	positions, equality, partials int64 // rows of delete files; files of them by position
	partitions                    map[string]bool
}

// without gives the manifests without the files whose partitions are replaced.
func (a *appending) without(ctx context.Context, base *Metadata, list []manifest, sequence int64, try int) ([]manifest, totals, error) {
	out, gone := []manifest{}, totals{partitions: map[string]bool{}}
	spec := base.spec(base.DefaultSpec)
	all := unpartitioned(spec)
	replaced := map[string]bool{}
	for _, e := range a.entries {
		replaced[partitionKey(&e.file)] = true
	}
	on := *a.t
	on.meta = base
	for n, of := range list {
		entries, err := on.entries(ctx, []manifest{of}, func(*file) bool { return true })
		if err != nil {
			return nil, gone, err
		}
		changed := false
		for i := range entries {
			e := &entries[i]
			if !all && e.file.spec != spec.ID && e.file.content == contentData {
				return nil, gone, sqlerr.New(sqlerr.Unsupported, "table %s has rows that are partitioned in an older way (partition spec %d): which of them to replace is not known", a.t.o.Name, e.file.spec).
					WithHint("INSERT INTO works; so does overwriting once another engine has rewritten the table's data files")
			}
			if !all && !replaced[partitionKey(&e.file)] {
				e.status = statusExisting
				continue
			}
			e.status, e.snapshot, changed = statusDeleted, a.id, true
			gone.take(&e.file)
		}
		if !changed {
			out = append(out, of)
			continue
		}
		data, next, err := base.makeManifest(base.spec(of.spec), of.content, a.id, sequence, entries)
		if err != nil {
			return nil, gone, sqlerr.New(sqlerr.Internal, "write a manifest of table %s: %w", a.t.o.Name, err)
		}
		next.path = fmt.Sprintf("%s/%s-r%d-%d.avro", a.t.metadataDir(), a.uuid, try, n)
		if next.content == contentData {
			next.firstRowID = of.firstRowID
		}
		if err := a.put(ctx, next.path, data); err != nil {
			return nil, gone, err
		}
		out = append(out, next)
	}
	return out, gone, nil
}

func (g *totals) take(f *file) {
	g.partitions[partitionKey(f)] = true
	switch f.content {
	case contentData:
		g.data++
		g.records += f.records
		g.size += f.size
	case contentPositionDeletes:
		g.deletes++
		g.positions += f.records
	case contentEqualityDeletes:
		g.deletes++
		g.equality += f.records
	}
}

// summary tells what the snapshot does (Iceberg, "Optional Snapshot Summary
// Fields"). Totals go on only where the base has them.
func (a *appending) summary(base *Metadata, gone totals) map[string]string {
	s := map[string]string{"operation": "append", "engine-name": "lakeport"}
	if a.replace {
		s["operation"] = "overwrite"
	}
	var records, size int64
	partitions := map[string]bool{}
	for p := range gone.partitions {
		partitions[p] = true
	}
	for _, e := range a.entries {
		records += e.file.records
		size += e.file.size
		partitions[partitionKey(&e.file)] = true
	}
	set := func(key string, n int64) {
		if n > 0 {
			s[key] = strconv.FormatInt(n, 10)
		}
	}
	set("added-data-files", int64(len(a.entries)))
	set("added-records", records)
	set("added-files-size", size)
	set("deleted-data-files", gone.data)
	set("deleted-records", gone.records)
	set("removed-files-size", gone.size)
	set("removed-delete-files", gone.deletes)
	set("removed-position-deletes", gone.positions)
	set("removed-equality-deletes", gone.equality)
	set("changed-partition-count", int64(len(partitions)))
	before := map[string]string{}
	if base.CurrentSnapshot != 0 {
		before = base.snapshot(base.CurrentSnapshot).Summary
	}
	for key, by := range map[string]int64{
		"total-records": records - gone.records, "total-files-size": size - gone.size, "total-data-files": int64(len(a.entries)) - gone.data,
		"total-delete-files": -gone.deletes, "total-position-deletes": -gone.positions, "total-equality-deletes": -gone.equality,
	} {
		n, err := strconv.ParseInt(before[key], 10, 64)
		if err == nil || base.CurrentSnapshot == 0 {
			s[key] = strconv.FormatInt(max(n+by, 0), 10)
		}
	}
	return s
}

// remove takes back what was stored for a commit that was refused.
func (a *appending) remove(ctx context.Context) {
	if a.t.o.Remove == nil {
		return
	}
	for _, uri := range a.stored {
		_ = a.t.o.Remove(context.WithoutCancel(ctx), uri) // a file more does no harm
	}
}

func randomInt63() int64 {
	var b [8]byte
	_, _ = rand.Read(b[:]) // it never fails
	return int64(binary.LittleEndian.Uint64(b[:]) >> 1)
}

func newSnapshotID() int64 { return max(randomInt63(), 1) }

func newUUID() string {
	var b [16]byte
	_, _ = rand.Read(b[:])
	b[6], b[8] = b[6]&0x0f|0x40, b[8]&0x3f|0x80 // version 4
	return uuidString(string(b[:]))
}

// NewFileName gives a name that no other file of the table has.
func NewFileName(n int) string { return fmt.Sprintf("%05d-%s.parquet", n, strings.ToLower(newUUID())) }

// Files lists everything that the table's snapshots are made of, and its past
// metadata files: what a dropped table leaves behind. The present metadata file
// is the store's to know.
func (t *Table) Files(ctx context.Context) ([]string, error) {
	seen := map[string]bool{}
	var out []string
	add := func(uri string) bool {
		if uri == "" || seen[uri] {
			return false
		}
		seen[uri], out = true, append(out, uri)
		return true
	}
	for i := range t.meta.Snapshots {
		s := &t.meta.Snapshots[i]
		list, err := t.manifests(ctx, s)
		if err != nil {
			return nil, err
		}
		add(s.ManifestList)
		var fresh []manifest
		for _, of := range list {
			if add(of.path) {
				fresh = append(fresh, of)
			}
		}
		entries, err := t.entries(ctx, fresh, func(*file) bool { return true })
		if err != nil {
			return nil, err
		}
		for _, e := range entries {
			add(e.file.path)
		}
	}
	var log []struct {
		File string `json:"metadata-file"`
	}
	if raw := t.meta.raw["metadata-log"]; raw != nil {
		if err := json.Unmarshal(raw, &log); err != nil {
			return nil, t.corrupt("metadata-log", err)
		}
	}
	for _, e := range log {
		add(e.File)
	}
	return out, nil
}
