package hudi

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"

	"github.com/twmb/avro/ocf"
)

// commit is what readers need of HoodieCommitMetadata and
// HoodieReplaceCommitMetadata.
type commit struct {
	Written  map[string][]writeStat `json:"partitionToWriteStats"`
	Replaced map[string][]string    `json:"partitionToReplaceFileIds"`
	Extra    map[string]string      `json:"extraMetadata"`
}

type writeStat struct {
	Path string `json:"path"` // relative to the table
}

// avroMagic begins an Avro object container file.
var avroMagic = []byte("Obj\x01")

// parseCommit reads a finished instant's content: JSON in layout 1 of the
// timeline, an Avro object container file in layout 2; nothing at all says
// nothing.
func parseCommit(text []byte) (commit, error) {
	var c commit
	switch {
	case len(bytes.TrimSpace(text)) == 0:
		return c, nil
	case bytes.HasPrefix(text, avroMagic):
		record, err := avroRecord(text)
		if err != nil {
			return c, err
		}
		// The two forms have the same fields.
		if text, err = json.Marshal(map[string]any{
			"partitionToWriteStats": record["partitionToWriteStats"], "extraMetadata": record["extraMetadata"],
			"partitionToReplaceFileIds": record["partitionToReplaceFileIds"],
		}); err != nil {
			return c, fmt.Errorf("commit metadata in Avro: %w", err)
		}
	}
	if err := json.Unmarshal(text, &c); err != nil {
		return c, fmt.Errorf("not commit metadata: %w", err)
	}
	return c, nil
}

// avroRecord reads the one record of a container file. The decoder's panics
// over hostile bytes are errors like its others.
func avroRecord(data []byte) (record map[string]any, err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("commit metadata in Avro: %v", p)
		}
	}()
	r, err := ocf.NewReader(bytes.NewReader(data))
	if err != nil {
		return nil, fmt.Errorf("commit metadata in Avro: %w", err)
	}
	var v any
	if err := r.Decode(&v); errors.Is(err, io.EOF) {
		return nil, nil
	} else if err != nil {
		return nil, fmt.Errorf("commit metadata in Avro: %w", err)
	}
	record, ok := v.(map[string]any)
	if !ok {
		return nil, errors.New("commit metadata in Avro is no record")
	}
	return record, nil
}
