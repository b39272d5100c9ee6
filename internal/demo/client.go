package demo

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"database/sql"
	"fmt"
	"net"
	"strings"
	"unicode/utf8"

	"github.com/go-sql-driver/mysql"
	"github.com/jackc/pgx/v5/pgconn"
)

// client sends statements by one of the protocols, all on one connection.
type client interface {
	query(ctx context.Context, text string) (answer, error)
	close() error
}

// answer is what a statement gives: rows if it has columns, and notices.
type answer struct {
	head    []string
	rows    [][]string
	notices []string
}

// login says where a server is and as whom to come.
type login struct {
	addr           string // host:port
	user, password string
	database       string
	trust          *x509.CertPool // of the server's certificate; nil: no TLS
}

type mysqlClient struct{ db *sql.DB }

func newMySQL(l login) (*mysqlClient, error) {
	cfg := mysql.NewConfig()
	cfg.User, cfg.Passwd, cfg.Net, cfg.Addr, cfg.DBName = l.user, l.password, "tcp", l.addr, l.database
	cfg.CheckConnLiveness = true
	if l.trust != nil {
		host, _, _ := net.SplitHostPort(l.addr)
		cfg.TLS = &tls.Config{RootCAs: l.trust, ServerName: host}
	}
	connector, err := mysql.NewConnector(cfg)
	if err != nil {
		return nil, err
	}
	db := sql.OpenDB(connector)
	db.SetMaxOpenConns(1) // what a statement sets, the next one sees
	return &mysqlClient{db}, nil
}

func (c *mysqlClient) close() error { return c.db.Close() }

func (c *mysqlClient) query(ctx context.Context, text string) (a answer, err error) {
	r, err := c.db.QueryContext(ctx, text)
	if err != nil {
		return a, err
	}
	defer r.Close()
	if a.head, err = r.Columns(); err != nil {
		return a, err
	}
	for r.Next() {
		cells, ptrs := make([]sql.NullString, len(a.head)), make([]any, len(a.head))
		for i := range cells {
			ptrs[i] = &cells[i]
		}
		if err := r.Scan(ptrs...); err != nil {
			return a, err
		}
		row := make([]string, len(a.head))
		for i, c := range cells {
			if row[i] = c.String; !c.Valid {
				row[i] = "NULL"
			}
		}
		a.rows = append(a.rows, row)
	}
	return a, r.Err()
}

type pgClient struct {
	conn    *pgconn.PgConn
	notices []string
}

func newPostgres(ctx context.Context, l login) (*pgClient, error) {
	cfg, err := pgconn.ParseConfig("postgres://" + l.addr + "/?sslmode=disable")
	if err != nil {
		return nil, fmt.Errorf("connect to %s: %w", l.addr, err)
	}
	cfg.User, cfg.Password, cfg.Database = l.user, l.password, l.database
	if l.trust != nil {
		cfg.TLSConfig = &tls.Config{RootCAs: l.trust, ServerName: cfg.Host}
	}
	c := &pgClient{}
	cfg.OnNotice = func(_ *pgconn.PgConn, n *pgconn.Notice) { c.notices = append(c.notices, n.Severity+":  "+n.Message) }
	c.conn, err = pgconn.ConnectConfig(ctx, cfg)
	return c, err
}

func (c *pgClient) close() error { return c.conn.Close(context.Background()) }

func (c *pgClient) query(ctx context.Context, text string) (a answer, err error) {
	c.notices = nil
	results, err := c.conn.Exec(ctx, text).ReadAll()
	if err != nil {
		return a, err
	}
	a.notices = c.notices
	for _, r := range results {
		for _, f := range r.FieldDescriptions {
			a.head = append(a.head, f.Name)
		}
		for _, values := range r.Rows {
			row := make([]string, len(values))
			for i, v := range values {
				if row[i] = string(v); v == nil {
					row[i] = "NULL"
				}
			}
			a.rows = append(a.rows, row)
		}
	}
	return a, nil
}

// clientError is an error as a stock client of the protocol prints it.
func clientError(text string, err error) string {
	switch e := err.(type) {
	case *mysql.MySQLError:
		return fmt.Sprintf("ERROR %d (%s): %s", e.Number, e.SQLState, e.Message)
	case *pgconn.PgError:
		out := e.Severity + ":  " + e.Message
		if at := int(e.Position); at > 0 {
			out += pointer([]rune(text), at)
		}
		if e.Hint != "" {
			out += "\nHINT:  " + e.Hint
		}
		return out
	}
	return err.Error()
}

// pointer shows where in a text of one line a fault is, from 1, with what
// stands around it.
func pointer(text []rune, at int) string {
	if at > len(text) || strings.ContainsRune(string(text), '\n') {
		return ""
	}
	const around = 30
	from, to := max(at-1-around, 0), min(at-1+around, len(text))
	before, after := "LINE 1: ", ""
	if from > 0 {
		before += "…"
	}
	if to < len(text) {
		after = "…"
	}
	return "\n" + before + string(text[from:to]) + after + "\n" + strings.Repeat(" ", utf8.RuneCountInString(before)+at-1-from) + "^"
}
