package hms

import (
	"context"
	"regexp"
	"slices"
	"strconv"
	"strings"

	api "github.com/beltran/gohive/hive_metastore"
	"golang.org/x/sync/errgroup"

	"lakeport/internal/metastore"
	"lakeport/internal/sqlerr"
)

// batch is how many partitions one request asks for.
const batch = 1000

// Partitions reads the records of t's partitions that w wants, or more. The
// records leave out the columns, which for all formats are the table's. The
// order is not defined.
//
// What of w.Expression every server decides alike, equality on keys of type
// string, is sent to the server. Everything else is decided here: the names of
// all partitions are listed, w.Keep chooses among them, and the records are
// read in batches. A server's filter is no truth: one that finds nothing is
// asked again by names, as Hive 4 answers a filter that it cannot evaluate with
// no partitions.
func (c *Client) Partitions(ctx context.Context, t *metastore.Table, w metastore.Wanted) ([]metastore.Partition, error) {
	what := "list partitions of " + t.Database + "." + t.Name
	unknown := func(err error) error {
		return missing(err, sqlerr.BadTable, "Unknown table '%s.%s'", t.Database, t.Name)
	}
	if f := filter(t, w.Expression); f != "" {
		parts, err := c.byFilter(ctx, what, t, f)
		if err == nil && len(parts) > 0 && len(parts) < batch {
			return parts, nil
		}
		if err != nil && !refused(err) {
			return nil, unknown(err)
		}
	}
	names, err := c.names(ctx, what, t)
	if err != nil {
		return nil, unknown(err)
	}
	if len(names) == 0 { // a server lists no partitions of no table
		_, err := c.Table(ctx, t.Database, t.Name)
		return nil, err
	}
	if w.Keep != nil {
		names = slices.DeleteFunc(names, func(name string) bool {
			values := nameValues(name)
			return len(values) == len(t.PartitionKeys) && !w.Keep(values)
		})
	}
	parts, err := c.byNames(ctx, what, t, names)
	return parts, unknown(err)
}

// refused tells whether a server understood a call and would not answer it.
func refused(err error) bool { return sqlerr.Is(err, sqlerr.Unreachable) && answered(err) }

func (c *Client) byFilter(ctx context.Context, what string, t *metastore.Table, filter string) (parts []metastore.Partition, err error) {
	err = c.do(ctx, what, func(ctx context.Context, s *api.ThriftHiveMetastoreClient) error {
		list, err := s.GetPartitionsByFilter(ctx, t.Database, t.Name, filter, batch)
		parts = partitionRecords(list)
		return err
	})
	return parts, err
}

func (c *Client) names(ctx context.Context, what string, t *metastore.Table) (names []string, err error) {
	err = c.do(ctx, what, func(ctx context.Context, s *api.ThriftHiveMetastoreClient) (err error) {
		names, err = s.GetPartitionNames(ctx, t.Database, t.Name, -1)
		return err
	})
	return names, err
}

// byNames reads records in batches, some at once. Partitions that have gone
// meanwhile are left out.
func (c *Client) byNames(ctx context.Context, what string, t *metastore.Table, names []string) ([]metastore.Partition, error) {
	batches := slices.Collect(slices.Chunk(names, batch))
	found := make([][]metastore.Partition, len(batches))
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(connMax / 2)
	for i, names := range batches {
		g.Go(func() error {
			return c.do(ctx, what, func(ctx context.Context, s *api.ThriftHiveMetastoreClient) error {
				list, err := s.GetPartitionsByNames(ctx, t.Database, t.Name, names)
				if unknownMethod(err) {
					var out *api.GetPartitionsByNamesResult_
					out, err = s.GetPartitionsByNamesReq(ctx, &api.GetPartitionsByNamesRequest{DbName: t.Database, TblName: t.Name, Names: names})
					list = out.GetPartitions()
				}
				found[i] = partitionRecords(list)
				return err
			})
		})
	}
	if err := g.Wait(); err != nil {
		return nil, err
	}
	return slices.Concat(found...), nil
}

func partitionRecords(list []*api.Partition) []metastore.Partition {
	out := make([]metastore.Partition, len(list))
	for i, p := range list {
		out[i] = partitionRecord(p)
	}
	return out
}

// nameValues gives the values of a partition's name, key=value/key=value, in
// which Hive escapes some characters as % and two hexadecimal digits
// (org.apache.hadoop.hive.common.FileUtils).
func nameValues(name string) []string {
	values := strings.Split(name, "/")
	for i, v := range values {
		_, v, _ = strings.Cut(v, "=")
		values[i] = unescape(v)
	}
	return values
}

func unescape(text string) string {
	if !strings.Contains(text, "%") {
		return text
	}
	var b strings.Builder
	for i := 0; i < len(text); i++ {
		if text[i] == '%' && i+2 < len(text) {
			if n, err := strconv.ParseUint(text[i+1:i+3], 16, 8); err == nil {
				b.WriteRune(rune(n))
				i += 2
				continue
			}
		}
		b.WriteByte(text[i])
	}
	return b.String()
}

// term is one condition of an expression: a key, an operator, and one literal
// or a list of them.
var (
	term     = regexp.MustCompile(`^([a-z_][a-z0-9_]*) (=|<>|<=|>=|<|>|IN) (` + literal + `|\(` + literal + `(?:, ` + literal + `)*\))(?: AND |$)`)
	constant = regexp.MustCompile(literal)
)

const literal = `(?:'(?:[^']|'')*'|[-+.0-9]+)`

// filter gives what of an expression, terms joined by AND, is sent: in Hive's
// own language, which knows no escapes in strings. Order is not asked for: how
// strings compare is the database's affair that the server keeps them in, as
// are other characters than ASCII's.
func filter(t *metastore.Table, expression string) string {
	var terms []string
	for rest := expression; rest != ""; {
		m := term.FindStringSubmatch(rest)
		if m == nil {
			return ""
		}
		rest = rest[len(m[0]):]
		if f, ok := equality(t, m[1], m[2], m[3]); ok {
			terms = append(terms, f)
		}
	}
	return strings.Join(terms, " and ")
}

func equality(t *metastore.Table, key, op, constants string) (string, bool) {
	isString := slices.ContainsFunc(t.PartitionKeys, func(k metastore.Column) bool {
		return strings.EqualFold(k.Name, key) && strings.EqualFold(k.Type, "string")
	})
	if !isString || op != "=" && op != "IN" {
		return "", false
	}
	var any []string
	for _, c := range constant.FindAllString(constants, -1) {
		c, ok := strings.CutPrefix(strings.TrimSuffix(c, "'"), "'")
		if !ok || c == "" || strings.ContainsFunc(c, func(r rune) bool { return r < ' ' || r > '~' || r == '"' || r == '\\' || r == '\'' }) {
			return "", false
		}
		any = append(any, key+` = "`+c+`"`)
	}
	return "(" + strings.Join(any, " or ") + ")", true
}
