package e2e

import (
	"archive/tar"
	"archive/zip"
	"bytes"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/glue"
	gluetypes "github.com/aws/aws-sdk-go-v2/service/glue/types"
	"github.com/klauspost/compress/zstd"

	"lakeport/internal/lake"
)

// archives gives the archives of a folder beside the fixtures of Parquet.
func archives(t *testing.T, folder, suffix string) []string {
	t.Helper()
	dir := filepath.Join(filepath.Dir(fixtures), folder)
	if _, err := os.Stat(dir); os.IsNotExist(err) {
		t.Skipf("no fixtures: %s is absent", dir)
	}
	list, err := filepath.Glob(filepath.Join(dir, "*"+suffix))
	if err != nil || len(list) == 0 {
		t.Fatalf("no archives in %s: %v", dir, err)
	}
	return list
}

// untar hands the files of a .tar.zst to f by the path in it.
func untar(t *testing.T, name string, f func(path string, body []byte)) {
	t.Helper()
	file, err := os.Open(name)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	z, err := zstd.NewReader(file)
	if err != nil {
		t.Fatal(err)
	}
	defer z.Close()
	for r := tar.NewReader(z); ; {
		h, err := r.Next()
		if errors.Is(err, io.EOF) {
			return
		}
		if err != nil {
			t.Fatal(err)
		}
		if h.Typeflag != tar.TypeReg {
			continue
		}
		body, err := io.ReadAll(r)
		if err != nil {
			t.Fatal(err)
		}
		f(strings.TrimPrefix(h.Name, "./"), body)
	}
}

// unzip hands the files of a .zip to f by the path in it.
func unzip(t *testing.T, name string, f func(path string, body []byte)) {
	t.Helper()
	z, err := zip.OpenReader(name)
	if err != nil {
		t.Fatal(err)
	}
	defer z.Close()
	for _, e := range z.File {
		if e.FileInfo().IsDir() {
			continue
		}
		r, err := e.Open()
		if err != nil {
			t.Fatal(err)
		}
		var body bytes.Buffer
		if _, err := body.ReadFrom(r); err != nil {
			t.Fatal(err)
		}
		r.Close()
		f(e.Name, body.Bytes())
	}
}

// makeDelta registers a Delta table as Spark does: the schema is in the log.
func (l *lab) makeDelta(name, location string) {
	l.t.Helper()
	l.must(glue.NewFromConfig(l.as(rootKeys[home])).CreateTable(context.Background(), &glue.CreateTableInput{DatabaseName: aws.String("sales"),
		TableInput: &gluetypes.TableInput{Name: aws.String(name), TableType: aws.String("EXTERNAL_TABLE"),
			Parameters: map[string]string{"spark.sql.sources.provider": "delta"},
			StorageDescriptor: &gluetypes.StorageDescriptor{
				Columns:   hiveColumns([]string{"col array<string>"}),
				Location:  aws.String("s3://lake/nowhere-__PLACEHOLDER__"),
				SerdeInfo: &gluetypes.SerDeInfo{Parameters: map[string]string{"path": location}},
			}}}))
}

func typedCatalog(name, typ string, s3, glue method) string {
	return strings.Replace(catalogStatement(name, s3, glue), `"type" = "hive"`, fmt.Sprintf("%q = %q", "type", typ), 1)
}

// refusedDelta are the fixtures without expected rows, with a word of the
// reason why they are refused.
var refusedDelta = map[string]string{
	"canonicalized-paths-normal-b":                                   "is not on S3",
	"canonicalized-paths-special-b":                                  "is not on S3",
	"deltalog-commit-info":                                           "schema",
	"deltalog-invalid-protocol-version":                              "readers of version 99",
	"deltalog-state-reconstruction-without-protocol":                 "no protocol",
	"deltalog-state-reconstruction-from-checkpoint-missing-protocol": "no protocol",
	"no-delta-log-folder":                                            "no Delta log",
	"versions-not-contiguous":                                        "no commit 1",
}

// expectedRows unpacks the rows that a fixture expects and spells the query of
// them, of the columns in the order of the lake's.
func expectedRows(ref *sql.DB, dir string, columns []string) ([]string, error) {
	from := "read_parquet(" + lake.QuoteString(dir+"/**/*.parquet") + ", hive_partitioning = false)"
	described, err := lines(ref, "SELECT column_name FROM (DESCRIBE SELECT * FROM "+from+")")
	if err != nil {
		return nil, err
	}
	var names []string
	for _, c := range columns {
		names = append(names, lake.QuoteName(c))
	}
	if sorted := slices.Sorted(slices.Values(columns)); !slices.Equal(sorted, described) {
		return nil, fmt.Errorf("the columns are %q, expected are %q", sorted, described)
	}
	return lines(ref, "SELECT "+strings.Join(names, ", ")+" FROM "+from)
}

func columnsOf(db *sql.DB, query string) ([]string, error) {
	rows, err := db.Query(query)
	if err != nil {
		return nil, message(err)
	}
	defer rows.Close()
	return rows.Columns()
}

func TestDeltaTablesOfOtherWriters(t *testing.T) {
	t.Parallel()
	list := archives(t, "delta", ".tar.zst")
	root := t.TempDir()
	ref := newReference(t, root)
	l := newLab(t)
	l.prepare()
	db := l.db()
	l.exec(db, typedCatalog("d", "deltalake", instance(), instance()))
	for _, archive := range list {
		name := strings.TrimSuffix(filepath.Base(archive), ".tar.zst")
		untar(t, archive, func(path string, body []byte) {
			_, path, _ = strings.Cut(path, "/")
			if rest, ok := strings.CutPrefix(path, "delta/"); ok {
				l.put(home, "lake", name+"/"+rest, body)
				return
			}
			to := filepath.Join(root, name, path)
			l.must(nil, os.MkdirAll(filepath.Dir(to), 0o700))
			l.must(nil, os.WriteFile(to, body, 0o600))
		})
		table := "d.sales.t_" + oddCharacters.ReplaceAllString(strings.ToLower(name), "_")
		l.makeDelta(strings.TrimPrefix(table, "d.sales."), "s3a://lake/"+name)
		if why, ok := refusedDelta[name]; ok {
			l.expectError(db, "SELECT * FROM "+table, table[len("d."):], why)
			continue
		}
		columns, err := columnsOf(db, "SELECT * FROM "+table)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		want, err := expectedRows(ref, filepath.Join(root, name, "expected"), columns)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		got, err := lines(db, "SELECT * FROM "+table)
		if err != nil || !slices.Equal(got, want) {
			t.Errorf("%s:\ngot  %d rows %.600q, %v\nwant %d rows %.600q", name, len(got), got, err, len(want), want)
		}
		if n, err := value(db, "SELECT count(*) FROM "+table); err != nil || n != fmt.Sprint(len(want)) {
			t.Errorf("%s: count(*) is %s, %v; want %d", name, n, err, len(want))
		}
	}
	if got, err := lines(db, "SHOW TABLES FROM d.sales"); err != nil || len(got) != len(list)+2 {
		t.Errorf("SHOW TABLES gives %d tables, %v; want %d", len(got), err, len(list)+2)
	}
}
