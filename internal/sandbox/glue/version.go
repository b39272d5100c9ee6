package glue

import (
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
)

// versionKey orders a table's old versions newest first.
func (c *call) versionKey(t *table, version string) []byte {
	n, err := strconv.ParseUint(version, 10, 32)
	if err != nil {
		return c.key(t.DatabaseName, t.Name, "none") // no version has this key
	}
	return c.key(t.DatabaseName, t.Name, fmt.Sprintf("%010d", 9_999_999_999-n))
}

type tableVersion struct {
	Table     *table
	VersionID string `json:"VersionId"`
}

type versionInput struct {
	DatabaseName string
	TableName    string
	VersionID    string   `json:"VersionId"`
	VersionIDs   []string `json:"VersionIds"`
	NextToken    string
	MaxResults   *int
}

type versionOutput struct {
	TableVersion tableVersion
}

// getTableVersion answers the current version when none is named.
func getTableVersion(c *call, in *versionInput) (*versionOutput, error) {
	t, err := c.table(in.DatabaseName, in.TableName)
	if err != nil {
		return nil, err
	}
	if in.VersionID == "" || in.VersionID == t.VersionID {
		return &versionOutput{tableVersion{t, t.VersionID}}, nil
	}
	old := new(table)
	ok, err := c.get(bucketVersions, c.versionKey(t, in.VersionID), old)
	if err == nil && !ok {
		err = notFound("Version not found.")
	}
	return &versionOutput{tableVersion{old, old.VersionID}}, err
}

type versionsOutput struct {
	TableVersions []tableVersion
	NextToken     string `json:",omitempty"`
}

// getTableVersions lists newest first, the current version before the archive.
func getTableVersions(c *call, in *versionInput) (*versionsOutput, error) {
	max, err := pageSize(in.MaxResults, 100)
	if err != nil {
		return nil, err
	}
	t, err := c.table(in.DatabaseName, in.TableName)
	if err != nil {
		return nil, err
	}
	out := new(versionsOutput)
	// The current version stands outside the archive, at the head of the first
	// page.
	if in.NextToken == "" {
		out.TableVersions = append(out.TableVersions, tableVersion{t, t.VersionID})
		max--
	}
	out.NextToken, err = c.page(bucketVersions, c.key(t.DatabaseName, t.Name), in.NextToken, max, func(_, v []byte) (bool, error) {
		old := new(table)
		if err := json.Unmarshal(v, old); err != nil {
			return false, err
		}
		out.TableVersions = append(out.TableVersions, tableVersion{old, old.VersionID})
		return true, nil
	})
	return out, err
}

// deleteTableVersion removes an archived version. Assumed: the current one
// cannot be removed and is told as an invalid input.
func deleteTableVersion(c *call, in *versionInput) (none, error) {
	t, err := c.table(in.DatabaseName, in.TableName)
	if err != nil {
		return none{}, err
	}
	if in.VersionID == t.VersionID {
		return none{}, invalid("Version %s is the current version of table %s.", in.VersionID, t.Name)
	}
	key := c.versionKey(t, in.VersionID)
	if !c.has(bucketVersions, key) {
		return none{}, notFound("Version not found.")
	}
	return none{}, c.delete(bucketVersions, key)
}

func batchDeleteTableVersion(c *call, in *versionInput) (*errorsOutput[tableError], error) {
	if err := checkBatch("versionIds", len(in.VersionIDs), 100); err != nil {
		return nil, err
	}
	out := new(errorsOutput[tableError])
	for _, v := range slices.Compact(slices.Sorted(slices.Values(in.VersionIDs))) {
		_, err := deleteTableVersion(c, &versionInput{DatabaseName: in.DatabaseName, TableName: in.TableName, VersionID: v})
		detail, err := itemError(err)
		if err != nil {
			return nil, err
		}
		if detail != nil {
			out.Errors = append(out.Errors, tableError{fold(in.TableName), v, *detail})
		}
	}
	return out, nil
}
