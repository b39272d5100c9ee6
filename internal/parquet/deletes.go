package parquet

import (
	"context"
	"iter"

	"lakeport/internal/lake"
)

// deletes makes a feed of the deleted rows of files: the file's index and the
// row's place in it.
func deletes(files []File) (feed lake.Feed, some bool) {
	var parts []int
	for i, f := range files {
		if f.Deleted != nil {
			parts = append(parts, i)
		}
	}
	bigint := lake.Type{Kind: lake.BigInt}
	return lake.Feed{
		Columns: []lake.Column{{Name: "file", Type: bigint}, {Name: "pos", Type: bigint}},
		Parts:   len(parts),
		Open: func(_ context.Context, part int, columns []int) (lake.FeedReader, error) {
			next, stop := iter.Pull(files[parts[part]].Deleted)
			return &positions{file: int64(parts[part]), columns: columns, next: next, stop: stop}, nil
		},
	}, len(parts) > 0
}

// positions reads the deleted rows of one file.
type positions struct {
	file    int64
	columns []int
	next    func() ([]int64, bool)
	stop    func()
	rest    []int64 // of the piece that next gave last
}

// Read fills in up to dst.Rows rows.
func (p *positions) Read(dst *lake.Chunk) (int, error) {
	rows := 0
	for rows < dst.Rows {
		if len(p.rest) == 0 {
			piece, ok := p.next()
			if !ok {
				break
			}
			p.rest = piece
			continue
		}
		n := min(dst.Rows-rows, len(p.rest))
		for i, c := range p.columns {
			out := dst.Columns[i].Data.([]int64)[rows : rows+n]
			if c == 1 {
				copy(out, p.rest)
				continue
			}
			for j := range out {
				out[j] = p.file
			}
		}
		p.rest, rows = p.rest[n:], rows+n
	}
	return rows, nil
}

// Close ends the reading.
func (p *positions) Close() error {
	p.stop()
	return nil
}
