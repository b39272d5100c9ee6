package transfer

import (
	"bytes"
	"context"
	"crypto/md5"
	"encoding/hex"
	"encoding/json"
	"errors"
	"path"
	"regexp"
	"slices"
	"strings"
	"time"

	"golang.org/x/sync/errgroup"

	"lakeport/internal/blob"
	"lakeport/internal/sqlerr"
)

// The names of a repository's objects are those of StarRocks (its source,
// Repository.java); what they hold is lakeport's own:
//
//	<location>/__starrocks_repository_<name>/__repo_info
//	…/__ss_<snapshot>/__info_<timestamp>.<md5 of the object>
//	…/__ss_<snapshot>/__meta.<md5 of the object>
//	…/__ss_<snapshot>/__ss_content/<token>/__tbl_<n>/<n>.parquet
//
// The info is written last: without it, or if its MD5 is another, there is no
// snapshot.
const (
	rootPrefix    = "__starrocks_repository_"
	olderPrefix   = "__palo_repository_" // which StarRocks looks for first
	repoInfoName  = "__repo_info"
	snapshotMark  = "__ss_"
	infoMark      = "__info_"
	metaMark      = "__meta."
	contentMark   = "__ss_content/"
	formatName    = "lakeport"
	formatVersion = 1
)

// TimestampForm is that of backup_timestamp, in UTC.
const TimestampForm = "2006-01-02-15-04-05"

// Repository is the snapshots below one location.
type Repository struct {
	client  *blob.Client
	bucket  string
	root    string // key, with a slash at its end
	Created time.Time
}

// marked begins the JSON of every object, and tells it from StarRocks' own.
type marked struct {
	Format  string `json:"format"`
	Version int    `json:"version"`
}

var mark = marked{formatName, formatVersion}

// check refuses what another program or a newer lakeport has written.
func (m marked) check(what string) error {
	switch {
	case m.Format != formatName:
		return sqlerr.New(sqlerr.Unsupported, "%s was not written by lakeport: the snapshots of StarRocks hold tablets, which lakeport does not read", what).
			WithHint("give lakeport's repository a location of its own")
	case m.Version != formatVersion:
		return sqlerr.New(sqlerr.Unsupported, "%s has version %d of the format; this lakeport knows %d", what, m.Version, formatVersion)
	}
	return nil
}

type repoInfo struct {
	marked
	Name       string `json:"name"`
	CreateTime string `json:"create_time"` // RFC 3339
}

// AttachRepository gives a repository that is known to be there. It contacts
// nobody.
func AttachRepository(client *blob.Client, location, name string) (*Repository, error) {
	bucket, key, err := blob.Parse(location)
	if err != nil {
		return nil, err
	}
	if key = strings.Trim(key, "/"); key != "" {
		key += "/"
	}
	return &Repository{client: client, bucket: bucket, root: key + rootPrefix + name + "/"}, nil
}

// OpenRepository adopts the repository of the name below a location, or makes
// it there unless it is to be read only.
func OpenRepository(ctx context.Context, client *blob.Client, location, name string, readOnly bool, now time.Time) (*Repository, error) {
	r, err := AttachRepository(client, location, name)
	if err != nil {
		return nil, err
	}
	older := strings.TrimSuffix(r.root, rootPrefix+name+"/") + olderPrefix + name + "/"
	if found, err := client.List(ctx, r.bucket, older+repoInfoName, false); err != nil {
		return nil, err
	} else if len(found) > 0 {
		return nil, marked{}.check(found[0].URI())
	}
	found, err := client.List(ctx, r.bucket, r.root+repoInfoName, false)
	if err != nil {
		return nil, err
	}
	switch {
	case len(found) > 0:
		text, err := client.Get(ctx, found[0])
		if err != nil {
			return nil, err
		}
		r.Created, err = readRepoInfo(text, found[0].URI(), name)
		return r, err
	case readOnly:
		return nil, sqlerr.New(sqlerr.NotFound, "there is no repository at %s", r.uri("")).WithHint("without READ ONLY it is made")
	}
	r.Created = now.UTC().Truncate(time.Second)
	text, err := json.Marshal(repoInfo{mark, name, r.Created.Format(time.RFC3339)})
	if err != nil {
		return nil, err
	}
	_, err = client.Put(ctx, r.uri(repoInfoName), bytes.NewReader(text))
	return r, err
}

func readRepoInfo(text []byte, uri, name string) (time.Time, error) {
	info, err := readMarked[repoInfo](text, uri, func(i *repoInfo) marked { return i.marked })
	if err != nil {
		return time.Time{}, err
	}
	if info.Name != name {
		return time.Time{}, sqlerr.New(sqlerr.Corrupt, "%s is of a repository %q, not %q", uri, info.Name, name)
	}
	created, err := time.Parse(time.RFC3339, info.CreateTime)
	if err != nil {
		return created, sqlerr.New(sqlerr.Corrupt, "%s has the create_time %q", uri, info.CreateTime)
	}
	return created, nil
}

// readMarked reads JSON of lakeport's. A field that it does not know is refused,
// as it may change what the others mean.
func readMarked[T any](text []byte, uri string, of func(*T) marked) (*T, error) {
	var head marked
	if err := json.Unmarshal(text, &head); err != nil {
		return nil, sqlerr.New(sqlerr.Corrupt, "%s is no JSON object: %v", uri, err)
	}
	if err := head.check(uri); err != nil {
		return nil, err
	}
	value := new(T)
	d := json.NewDecoder(bytes.NewReader(text))
	d.DisallowUnknownFields()
	if err := d.Decode(value); err != nil {
		return nil, sqlerr.New(sqlerr.Corrupt, "%s is not understood: %v", uri, err)
	}
	return value, of(value).check(uri)
}

// uri is the place of an object whose key continues the root.
func (r *Repository) uri(tail string) string { return "s3://" + r.bucket + "/" + r.root + tail }

// snapshot begins the keys of a snapshot's objects.
func snapshot(name string) string { return snapshotMark + name + "/" }

// Listed is a snapshot that SHOW SNAPSHOT tells of.
type Listed struct {
	Name, Timestamp string
	Info            *SnapshotInfo // nil: Err says why
	Err             error
}

// SnapshotInfo is what the last object of a snapshot says of it.
type SnapshotInfo struct {
	marked
	Name      string                  `json:"name"`
	Database  string                  `json:"database"`
	Timestamp string                  `json:"timestamp"`
	Token     string                  `json:"token"` // of the job that made it
	Meta      string                  `json:"meta"`  // the object that describes the tables
	Tables    map[string]TableSummary `json:"tables"`
}

// TableSummary tells how much there is of a table.
type TableSummary struct {
	Rows       int64    `json:"rows"`
	Bytes      int64    `json:"bytes"`
	Files      int      `json:"files"`
	Partitions []string `json:"partitions,omitempty"`
}

// listers is how many snapshots are looked at at once.
const listers = 16

// Snapshots lists all snapshots by name and time.
func (r *Repository) Snapshots(ctx context.Context) ([]Listed, error) {
	below := r.root + snapshotMark
	dirs, err := r.client.Directories(ctx, r.bucket, below)
	if err != nil {
		return nil, err
	}
	lists := make([][]Listed, len(dirs))
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(listers)
	for i, dir := range dirs {
		group.Go(func() (err error) {
			lists[i], err = r.Find(ctx, strings.TrimSuffix(strings.TrimPrefix(dir, below), "/"))
			return err
		})
	}
	err = group.Wait()
	return slices.Concat(lists...), err
}

// infoName is the name of an info: time and MD5.
var infoName = regexp.MustCompile(`^` + infoMark + `(\d{4}-\d{2}-\d{2}-\d{2}-\d{2}-\d{2})\.([0-9a-f]{32})$`)

// Find lists the snapshots of a name by time. What is half written is none.
func (r *Repository) Find(ctx context.Context, name string) ([]Listed, error) {
	objects, err := r.client.List(ctx, r.bucket, r.root+snapshot(name)+infoMark, false)
	if err != nil {
		return nil, err
	}
	var list []Listed
	for _, o := range objects {
		m := infoName.FindStringSubmatch(path.Base(o.Key))
		if m == nil {
			continue
		}
		text, err := r.client.Get(ctx, o)
		if err != nil {
			return nil, err
		}
		if !hasMD5(text, m[2]) {
			continue
		}
		l := Listed{Name: name, Timestamp: m[1]}
		l.Info, l.Err = readInfo(text, o.URI(), name, m[1])
		list = append(list, l)
	}
	return list, nil
}

func hasMD5(text []byte, want string) bool {
	sum := md5.Sum(text)
	return hex.EncodeToString(sum[:]) == want
}

var metaName = regexp.MustCompile(`^__meta\.[0-9a-f]{32}$`)

func readInfo(text []byte, uri, name, timestamp string) (*SnapshotInfo, error) {
	info, err := readMarked[SnapshotInfo](text, uri, func(i *SnapshotInfo) marked { return i.marked })
	if err != nil {
		return nil, err
	}
	if info.Name != name || info.Timestamp != timestamp || !metaName.MatchString(info.Meta) || info.Database == "" {
		return nil, sqlerr.New(sqlerr.Corrupt, "%s does not describe snapshot %s of %s", uri, name, timestamp)
	}
	return info, nil
}

// Snapshot gives the one snapshot of a name and time.
func (r *Repository) Snapshot(ctx context.Context, name, timestamp string) (*SnapshotInfo, error) {
	list, err := r.Find(ctx, name)
	if err != nil {
		return nil, err
	}
	list = slices.DeleteFunc(list, func(l Listed) bool { return l.Timestamp != timestamp })
	switch {
	case len(list) == 0:
		return nil, sqlerr.New(sqlerr.NotFound, "Failed to get info of snapshot '%s' because: there is none of %s. Maybe specified wrong backup timestamp", name, timestamp).
			With(sqlerr.Code{MySQL: 1064, State: "HY000"}).WithHint("SHOW SNAPSHOT ON the repository tells names and timestamps")
	case len(list) > 1:
		return nil, sqlerr.New(sqlerr.Conflict, "there are %d snapshots '%s' of %s below %s", len(list), name, timestamp, r.uri(snapshot(name)))
	}
	return list[0].Info, list[0].Err
}

// Meta reads the description of a snapshot's tables.
func (r *Repository) Meta(ctx context.Context, info *SnapshotInfo) (*SnapshotMeta, error) {
	uri := r.uri(snapshot(info.Name) + info.Meta)
	o, err := r.client.Head(ctx, uri)
	if err != nil {
		return nil, absent(err, uri)
	}
	text, err := r.client.Get(ctx, o)
	if err != nil {
		return nil, absent(err, uri)
	}
	if !hasMD5(text, strings.TrimPrefix(info.Meta, metaMark)) {
		return nil, sqlerr.New(sqlerr.Corrupt, "the snapshot is damaged: %s has changed", uri)
	}
	return readMeta(text, uri)
}

// absent words the error of an object that is not there.
func absent(err error, uri string) error {
	if e, ok := errors.AsType[*blob.Error](err); ok && e.Code == "NoSuchKey" {
		return sqlerr.New(sqlerr.Corrupt, "the snapshot is damaged: %s is missing", uri)
	}
	return err
}
