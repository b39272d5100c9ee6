package session

import (
	"slices"
	"strings"

	"lakeport/internal/lake"
)

// StarRocks has no type for instants: those of the lake are DATETIME, wall
// clock in the session's time zone. The engine casts them so.

// datetimes gives a schema with its instants as wall clock.
func datetimes(s lake.Schema) lake.Schema {
	s.Columns = slices.Clone(s.Columns)
	for i, c := range s.Columns {
		if c.Type.Kind == lake.TimestampTZ {
			s.Columns[i].Type.Kind = lake.Timestamp
		}
	}
	return s
}

// without leaves out the filters on instants, which are on wall clock.
func without(filters []lake.Filter, s lake.Schema) []lake.Filter {
	return slices.DeleteFunc(slices.Clone(filters), func(f lake.Filter) bool {
		return slices.ContainsFunc(s.Columns, func(c lake.Column) bool {
			return c.Type.Kind == lake.TimestampTZ && strings.EqualFold(c.Name, f.Column)
		})
	})
}

// wallClock wraps the SELECT over a table of schema s.
func wallClock(sql string, s lake.Schema) string {
	var casts []string
	for _, c := range s.Columns {
		if c.Type.Kind == lake.TimestampTZ {
			name := lake.QuoteName(c.Name)
			casts = append(casts, "CAST("+name+" AS TIMESTAMP) AS "+name)
		}
	}
	if len(casts) == 0 {
		return sql
	}
	return "SELECT * REPLACE (" + strings.Join(casts, ", ") + ") FROM (" + sql + ")"
}
