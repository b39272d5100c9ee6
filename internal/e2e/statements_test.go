package e2e

import (
	"errors"
	"fmt"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/cockroachdb/datadriven"
	"github.com/go-mysql-org/go-mysql/client"
	"github.com/go-mysql-org/go-mysql/mysql"
)

// Each file of testdata/sql is a topic: statements sent over the wire on one
// connection, each with its answer.
//
//	sql [on=other] [types] [args=(i:1, s:text, f:1.5, null)]
//
// runs a text. on names a second connection, types shows MySQL's column types,
// args prepares the text and executes it with the binary protocol. $KEY and
// $SECRET are alice's. Regenerate with -rewrite, then read what changed as
// closely as code: what is written here is what users get.
func TestStatementsOverTheWire(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	alice := l.prepare()
	files, err := filepath.Glob("testdata/sql/*.txt")
	if err != nil || len(files) == 0 {
		t.Fatalf("no files: %v", err)
	}
	fill := strings.NewReplacer("$KEY", alice.AccessKeyID, "$SECRET", alice.SecretAccessKey)
	mask := strings.NewReplacer(alice.AccessKeyID, "$KEY", alice.SecretAccessKey, "$SECRET")
	for _, file := range files {
		topic := strings.TrimSuffix(filepath.Base(file), ".txt")
		t.Run(topic, func(t *testing.T) {
			conns := map[string]*client.Conn{}
			defer func() {
				for _, c := range conns {
					c.Close()
				}
			}()
			datadriven.RunTest(t, file, func(t *testing.T, d *datadriven.TestData) string {
				if d.Cmd != "sql" {
					d.Fatalf(t, "unknown command %s", d.Cmd)
				}
				name := "first"
				d.MaybeScanArgs(t, "on", &name)
				if conns[name] == nil {
					c, err := client.Connect(l.ready["mysql"], "root", "", "", func(c *client.Conn) error {
						return c.SetCapability(mysql.CLIENT_MULTI_STATEMENTS)
					})
					if err != nil {
						d.Fatalf(t, "connect: %v", err)
					}
					conns[name] = c
				}
				return mask.Replace(run(t, d, conns[name], fill.Replace(d.Input)))
			})
		})
	}
}

// run sends one text and renders every result of it.
func run(t *testing.T, d *datadriven.TestData, c *client.Conn, text string) string {
	var b strings.Builder
	if d.HasArg("args") {
		r, err := c.Execute(text, arguments(t, d)...)
		render(&b, r, err, d.HasArg("types"))
		return b.String()
	}
	_, err := c.ExecuteMultiple(text, func(r *mysql.Result, err error) {
		render(&b, r, err, d.HasArg("types"))
	})
	if err != nil {
		render(&b, nil, err, false)
	}
	return b.String()
}

func arguments(t *testing.T, d *datadriven.TestData) []any {
	var args []any
	for _, a := range d.CmdArgs {
		if a.Key != "args" {
			continue
		}
		for _, v := range a.Vals {
			kind, text, _ := strings.Cut(v, ":")
			switch kind {
			case "i":
				n, err := strconv.ParseInt(text, 10, 64)
				if err != nil {
					d.Fatalf(t, "%v", err)
				}
				args = append(args, n)
			case "f":
				f, err := strconv.ParseFloat(text, 64)
				if err != nil {
					d.Fatalf(t, "%v", err)
				}
				args = append(args, f)
			case "s":
				args = append(args, text)
			case "null":
				args = append(args, nil)
			default:
				d.Fatalf(t, "unknown kind of argument %q", v)
			}
		}
	}
	return args
}

// What differs from run to run: addresses, and times that the files themselves
// do not use.
var (
	changing = regexp.MustCompile(`127\.0\.0\.1:\d+`)
	now      = regexp.MustCompile(`20(?:2[6-9]|[3-9]\d)-\d\d-\d\d \d\d:\d\d:\d\d`)
)

func render(b *strings.Builder, r *mysql.Result, err error, types bool) {
	if e := (*mysql.MyError)(nil); errors.As(err, &e) {
		fmt.Fprintf(b, "ERROR %d (%s): %s\n", e.Code, e.State, changing.ReplaceAllString(e.Message, "127.0.0.1:PORT"))
		return
	}
	if err != nil {
		fmt.Fprintf(b, "BROKEN: %v\n", err)
		return
	}
	if !r.HasResultset() {
		b.WriteString("ok")
		if r.AffectedRows > 0 {
			fmt.Fprintf(b, ", %d rows", r.AffectedRows)
		}
		if r.Warnings > 0 {
			fmt.Fprintf(b, ", %d warnings", r.Warnings)
		}
		b.WriteString("\n")
		return
	}
	heads := make([]string, len(r.Fields))
	for i, f := range r.Fields {
		heads[i] = string(f.Name)
		if types {
			heads[i] += ":" + typeName(f.Type)
		}
	}
	fmt.Fprintf(b, "%s\n", strings.Join(heads, " | "))
	for i := range r.RowNumber() {
		cells := make([]string, len(r.Fields))
		for j := range cells {
			if null, _ := r.IsNull(i, j); null {
				cells[j] = "NULL"
				continue
			}
			s, err := r.GetString(i, j)
			if err != nil {
				s = err.Error()
			}
			if !utf8.ValidString(s) || strings.ContainsRune(s, 0) {
				s = fmt.Sprintf("x'%x'", s)
			}
			cells[j] = now.ReplaceAllString(changing.ReplaceAllString(s, "127.0.0.1:PORT"), "<now>")
		}
		fmt.Fprintf(b, "%s\n", strings.TrimRight(strings.Join(cells, " | "), " "))
	}
}

// typeName is MySQL's name of a column type on the wire.
func typeName(t byte) string {
	names := map[byte]string{mysql.MYSQL_TYPE_TINY: "tiny", mysql.MYSQL_TYPE_SHORT: "short", mysql.MYSQL_TYPE_LONG: "long",
		mysql.MYSQL_TYPE_LONGLONG: "longlong", mysql.MYSQL_TYPE_FLOAT: "float", mysql.MYSQL_TYPE_DOUBLE: "double",
		mysql.MYSQL_TYPE_NEWDECIMAL: "newdecimal", mysql.MYSQL_TYPE_DATE: "date", mysql.MYSQL_TYPE_DATETIME: "datetime",
		mysql.MYSQL_TYPE_TIME: "time", mysql.MYSQL_TYPE_STRING: "string", mysql.MYSQL_TYPE_VAR_STRING: "var_string",
		mysql.MYSQL_TYPE_BLOB: "blob", mysql.MYSQL_TYPE_JSON: "json", mysql.MYSQL_TYPE_NULL: "null"}
	if n, ok := names[t]; ok {
		return n
	}
	return strconv.Itoa(int(t))
}
