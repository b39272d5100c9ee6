package delta

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"regexp"
	"strings"

	"lakeport/internal/sqlerr"
)

// action is one line of a commit, or one row of a checkpoint: exactly one
// member is set, none for actions that do not matter to readers (Delta
// transaction log protocol, "Actions").
type action struct {
	Protocol *protocol `json:"protocol"`
	MetaData *metaData `json:"metaData"`
	Add      *add      `json:"add"`
	Remove   *remove   `json:"remove"`
	Sidecar  *sidecar  `json:"sidecar"`
}

type protocol struct {
	MinReaderVersion int      `json:"minReaderVersion"`
	ReaderFeatures   []string `json:"readerFeatures"`
}

type metaData struct {
	Format struct {
		Provider string `json:"provider"`
	} `json:"format"`
	SchemaString     string            `json:"schemaString"`
	PartitionColumns []string          `json:"partitionColumns"`
	Configuration    map[string]string `json:"configuration"`
}

// logical is what names a file in the log: the same object with another
// deletion vector is another logical file.
type logical struct {
	Path           string          `json:"path"`
	DeletionVector *deletionVector `json:"deletionVector"`
}

type add struct {
	logical
	PartitionValues map[string]*string `json:"partitionValues"`
	Size            int64              `json:"size"`
	Stats           string             `json:"stats"`
}

type remove struct {
	logical
}

type sidecar struct {
	Path        string `json:"path"`
	SizeInBytes int64  `json:"sizeInBytes"`
}

type deletionVector struct {
	StorageType    string `json:"storageType"`
	PathOrInlineDv string `json:"pathOrInlineDv"`
	Offset         *int64 `json:"offset"`
	SizeInBytes    int64  `json:"sizeInBytes"`
	Cardinality    int64  `json:"cardinality"`
}

// parseActions reads the lines of a commit or of a checkpoint in JSON.
func parseActions(text []byte) ([]action, error) {
	var list []action
	for n, line := range bytes.Split(text, []byte{'\n'}) {
		if len(bytes.TrimSpace(line)) == 0 {
			continue
		}
		a, err := parseAction(line)
		if err != nil {
			return nil, fmt.Errorf("line %d: %w", n+1, err)
		}
		list = append(list, a)
	}
	return list, nil
}

// parseAction reads one action. Members that it does not know are left out, as
// the protocol says.
func parseAction(line []byte) (a action, err error) {
	if err := json.Unmarshal(line, &a); err != nil {
		return a, fmt.Errorf("not an action of a Delta log: %w", err)
	}
	if f := a.file(); f != nil && f.Path == "" {
		return a, errors.New("an add or remove without a path")
	}
	if a.Sidecar != nil && (a.Sidecar.Path == "" || strings.Contains(a.Sidecar.Path, "/") && !hasScheme.MatchString(a.Sidecar.Path)) {
		return a, fmt.Errorf("a sidecar with the path %q", a.Sidecar.Path)
	}
	return a, nil
}

// file is the file that the action is about; nil: none.
func (a action) file() *logical {
	switch {
	case a.Add != nil:
		return &a.Add.logical
	case a.Remove != nil:
		return &a.Remove.logical
	}
	return nil
}

var hasScheme = regexp.MustCompile(`^[A-Za-z][A-Za-z0-9+.-]*:/`)

// place is an object in S3.
type place struct{ bucket, key string }

func (p place) String() string { return "s3://" + p.bucket + "/" + p.key }

// in gives what is below p, a directory or a bucket.
func (p place) in(name string) place {
	key := p.key
	if key != "" && !strings.HasSuffix(key, "/") {
		key += "/"
	}
	return place{p.bucket, key + name}
}

// parsePlace reads an absolute location. Hadoop's schemes for S3 mean the same
// store.
func parsePlace(uri string) (place, bool) {
	scheme, rest, ok := strings.Cut(uri, "://")
	bucket, key, _ := strings.Cut(rest, "/")
	switch strings.ToLower(scheme) {
	case "s3", "s3a", "s3n":
		return place{bucket, key}, ok && bucket != ""
	}
	return place{}, false
}

// resolve finds the object of a path in the log, which is a URI: relative to
// the table's root or absolute, percent-encoded once.
func (root place) resolve(path string) (place, error) {
	decoded, err := url.PathUnescape(path)
	if err != nil {
		return place{}, sqlerr.New(sqlerr.Corrupt, "the path %q: %w", path, err)
	}
	if !hasScheme.MatchString(path) && !strings.HasPrefix(path, "/") {
		return root.in(decoded), nil
	}
	p, ok := parsePlace(decoded)
	if !ok {
		return place{}, sqlerr.New(sqlerr.Unsupported, "the path %q is not on S3", path).
			WithHint("files of Delta tables are read from S3 only")
	}
	return p, nil
}
