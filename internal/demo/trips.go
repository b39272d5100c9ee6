package demo

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"lakeport/internal/engine"
	"lakeport/internal/lake"
)

const (
	trips  = 3_000_000
	months = 12
)

// partition is one month's file.
type partition struct{ month, file string }

func (p partition) prefix() string { return "trips/pickup_month=" + p.month + "/" }

// tripColumns are the columns of the files, how Hive calls their types, and
// how row i of a month is made: a stand-in for New York's yellow cabs.
var tripColumns = []struct{ name, hive, sql string }{
	{"trip_id", "bigint", "i"},
	{"vendor_id", "int", "(1 + h % 2)::INTEGER"},
	{"pickup_at", "timestamp", "start + to_seconds((i % 250000) * 10)"},
	{"dropoff_at", "timestamp", "pickup_at + to_seconds(180 + h % 2700)"},
	{"passenger_count", "int", "(1 + (h // 7) % 6 * ((h // 11) % 3 // 2))::INTEGER"},
	{"trip_distance", "double", "round(0.4 + (h % 2700) / 230.0, 2)"},
	{"rate_code", "int", "(1 + (h // 13) % 6)::INTEGER"},
	{"pickup_zone", "int", "(1 + (h // 17) % 263)::INTEGER"},
	{"dropoff_zone", "int", "(1 + (h // 4643) % 263)::INTEGER"},
	{"payment_type", "string", "['cash', 'card', 'card', 'dispute'][1 + (h // 19) % 4]"},
	{"fare_amount", "double", "round(3 + trip_distance * 2.8, 2)"},
	{"tip_amount", "double", "round(CASE payment_type WHEN 'card' THEN fare_amount * ((h // 23) % 30) / 100 ELSE 0 END, 2)"},
	{"tolls_amount", "double", "CASE WHEN (h // 29) % 20 = 0 THEN 6.94 ELSE 0 END"},
	{"total_amount", "double", "round(fare_amount + tip_amount + tolls_amount + 1.5, 2)"},
}

// makeTrips writes one Parquet file a month with an engine of its own, two at a
// time: a month's rows come from one thread.
func (s *story) makeTrips(ctx context.Context) ([]partition, error) {
	db, err := engine.Open(engine.Options{Dirs: []string{s.Dir}})
	if err != nil {
		return nil, err
	}
	defer db.Close()
	list := make([]partition, months)
	errs := make([]error, 2)
	var wg sync.WaitGroup
	for worker := range errs {
		wg.Go(func() { errs[worker] = s.makeMonths(ctx, db, list, worker, len(errs)) })
	}
	wg.Wait()
	return list, errors.Join(errs...)
}

// makeMonths writes every step-th month from first on.
func (s *story) makeMonths(ctx context.Context, db *engine.DB, list []partition, first, step int) error {
	conn, err := db.Connect()
	if err != nil {
		return err
	}
	defer conn.Close()
	for m := first; m < months; m += step {
		start := time.Date(2024, time.Month(m+1), 1, 0, 0, 0, 0, time.UTC)
		list[m] = partition{start.Format("2006-01"), filepath.Join(s.Dir, start.Format("2006-01")+".parquet")}
		s.progress("making trips of %s", list[m].month)
		if _, err := conn.Exec(ctx, monthQuery(m, start, list[m].file)); err != nil {
			return err
		}
	}
	return nil
}

// monthQuery writes month m: 250,000 trips that begin ten seconds apart.
func monthQuery(m int, start time.Time, file string) string {
	const each = trips / months
	columns := make([]string, len(tripColumns))
	for i, c := range tripColumns {
		columns[i] = c.sql + " AS " + c.name
	}
	source := fmt.Sprintf("(SELECT i, (hash(i) %% 1000000007)::BIGINT AS h, TIMESTAMP '%s' AS start FROM range(%d, %d) AS r(i))",
		start.Format(time.DateTime), m*each, (m+1)*each)
	return "COPY (SELECT " + strings.Join(columns, ", ") + " FROM " + source + ") TO " + lake.QuoteString(file) +
		" (FORMAT parquet, COMPRESSION zstd, ROW_GROUP_SIZE 122880)"
}
