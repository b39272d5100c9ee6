package engine

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"lakeport/internal/lake"
	"lakeport/internal/sqlerr"
)

// Export says what rows become files, and how.
type Export struct {
	Query     string   // SELECT of exactly the files' columns
	Partition []string // expressions over the query's columns that divide rows among files
	Drop      []string // columns of the query that serve Partition only
	Dir       string   // an empty directory that the database may write to
	Options   string   // further options of COPY, such as FIELD_IDS
	FileSize  int64    // about how many bytes a file without partitions may have; 0: 512 MB
}

// Exported is one file of rows on disk. Of the lake.Written only the object is
// not known yet.
type Exported struct {
	Path string
	Size int64
	lake.Written
}

// partitionTable numbers the partitions of one Export.
const partitionTable = "temp.main.lakeport_partitions"

// Export writes a query's rows as Parquet files, some for each partition, and
// none for no rows.
func (c *Conn) Export(ctx context.Context, e Export) ([]Exported, error) {
	target, query, tail := filepath.Join(e.Dir, "rows"), e.Query, ""
	var tuples [][]*string
	if len(e.Partition) > 0 {
		defer func() {
			for _, t := range []string{partitionTable, exportTable} {
				_, _ = c.Exec(context.WithoutCancel(ctx), "DROP TABLE IF EXISTS "+t)
			}
		}()
		var err error
		if query, tuples, err = c.divide(ctx, e); err != nil {
			return nil, err
		}
		tail = ", PARTITION_BY (lakeport_part)"
	} else {
		size := e.FileSize
		if size == 0 {
			size = 512_000_000
		}
		tail = ", FILE_SIZE_BYTES " + strconv.FormatInt(size, 10)
	}
	if err := os.Mkdir(target, 0o700); err != nil {
		return nil, fmt.Errorf("export rows: %w", err)
	}
	rows, err := c.Query(ctx, "COPY ("+query+") TO "+lake.QuoteString(target)+" (FORMAT parquet, RETURN_STATS"+tail+options(e.Options)+")")
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var files []Exported
	for {
		chunk, err := rows.Next(ctx)
		if err != nil || chunk == nil {
			return files, err
		}
		for i := range chunk.Rows {
			f, err := exported(chunk, i, tuples)
			if err != nil {
				return nil, err
			}
			if f.Rows > 0 {
				files = append(files, f)
			}
		}
	}
}

func options(text string) string {
	if text == "" {
		return ""
	}
	return ", " + text
}

// exportTable gathers the rows of a partitioned Export.
const exportTable = "temp.main.lakeport_export"

// divide gathers the rows with a number for the partition of each, and gives
// the query over them and the partitions' values as text.
func (c *Conn) divide(ctx context.Context, e Export) (query string, tuples [][]*string, err error) {
	var keys, same []string
	for i, p := range e.Partition {
		keys = append(keys, fmt.Sprintf("%s AS lakeport_%d", p, i))
		same = append(same, fmt.Sprintf("r.lakeport_%d IS NOT DISTINCT FROM p.lakeport_%[1]d", i))
	}
	var names, texts []string
	for i := range e.Partition {
		names = append(names, fmt.Sprintf("lakeport_%d", i))
		texts = append(texts, fmt.Sprintf("CAST(lakeport_%d AS VARCHAR)", i))
	}
	list := strings.Join(names, ", ")
	for _, step := range []string{
		"CREATE OR REPLACE TEMP TABLE lakeport_export AS SELECT *, " + strings.Join(keys, ", ") + " FROM (" + e.Query + ")",
		"CREATE OR REPLACE TEMP TABLE lakeport_partitions AS SELECT row_number() OVER () - 1 AS lakeport_part, " + list +
			" FROM (SELECT DISTINCT " + list + " FROM " + exportTable + ")",
	} {
		if _, err := c.Exec(ctx, step); err != nil {
			return "", nil, err
		}
	}
	rows, err := c.Query(ctx, "SELECT "+strings.Join(texts, ", ")+" FROM "+partitionTable+" ORDER BY lakeport_part")
	if err != nil {
		return "", nil, err
	}
	defer rows.Close()
	for {
		chunk, err := rows.Next(ctx)
		if err != nil || chunk == nil {
			return "SELECT r.* EXCLUDE (" + strings.Join(append(names, e.Drop...), ", ") + "), p.lakeport_part FROM " + exportTable + " r JOIN " + partitionTable + " p ON " + strings.Join(same, " AND "), tuples, err
		}
		for i := range chunk.Rows {
			tuple := make([]*string, len(chunk.Columns))
			for k := range chunk.Columns {
				tuple[k] = textOrNull(&chunk.Columns[k], i)
			}
			tuples = append(tuples, tuple)
		}
	}
}

func textOrNull(v *lake.Vector, i int) *string {
	if v.IsNull(i) {
		return nil
	}
	s := v.Text(i)
	return &s
}

// exported reads a row of what COPY returns of the files that it has written
// (DuckDB, "COPY … RETURN_STATS").
func exported(chunk *lake.Chunk, row int, tuples [][]*string) (Exported, error) {
	unsigned := func(i int) int64 { return int64(chunk.Columns[i].Data.([]uint64)[row]) }
	f := Exported{Path: chunk.Columns[0].Text(row), Size: unsigned(2)}
	f.Rows, f.Stats = unsigned(1), map[string]lake.ColumnStats{}
	entries(&chunk.Columns[4], row, func(path string, stats *lake.Vector, i int) {
		var s lake.ColumnStats
		number := func(text string) int64 {
			n, _ := strconv.ParseInt(text, 10, 64)
			return n
		}
		entries(stats, i, func(what string, texts *lake.Vector, i int) {
			text := textOrNull(texts, i)
			if text == nil {
				return
			}
			switch what {
			case "column_size_bytes":
				s.Size = number(*text)
			case "num_values":
				s.Values = number(*text)
			case "null_count":
				s.Nulls = number(*text)
			case "min":
				s.Low = text
			case "max":
				s.High = text
			case "has_nan":
				s.NaN = *text != "false"
			}
		})
		f.Stats[strings.Join(unquoted(path), "\x00")] = s
	})
	if tuples == nil {
		return f, nil
	}
	part := int64(-1)
	entries(&chunk.Columns[5], row, func(_ string, texts *lake.Vector, i int) {
		part, _ = strconv.ParseInt(texts.Text(i), 10, 64)
	})
	if part < 0 || part >= int64(len(tuples)) {
		return f, sqlerr.New(sqlerr.Internal, "export rows: a file belongs to partition %d of %d", part, len(tuples))
	}
	f.Partition = tuples[part]
	return f, nil
}

// entries calls each for the entries of a map whose keys are text.
func entries(v *lake.Vector, row int, each func(key string, values *lake.Vector, i int)) {
	if v.IsNull(row) {
		return
	}
	e, pair := v.Data.([]lake.Entry)[row], &v.Child[0]
	for i := int(e.Offset); i < int(e.Offset+e.Length); i++ {
		each(pair.Child[0].Text(i), &pair.Child[1], i)
	}
}

// unquoted splits a dotted path of quoted names.
func unquoted(path string) []string {
	var parts []string
	for at := 0; at < len(path); at++ {
		var part string
		end, ok := scanPart(path, at, &part)
		if !ok {
			return []string{path}
		}
		parts, at = append(parts, part), end
	}
	return parts
}
