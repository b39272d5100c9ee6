package pipe

import (
	"bytes"
	"context"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"io"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/go-mysql-org/go-mysql/mysql"
	"github.com/go-mysql-org/go-mysql/replication"
	"github.com/klauspost/compress/zstd"
)

// The events below are written by hand as the MySQL Source Code Documentation
// has them ("Binary Log", classes of binary_log and mysql::binlog::event), for
// there is no MySQL to be had here. Assumed: that a server writes them so.

const serverID = "3e11fa47-71ca-11e1-9e33-c80aa9429562"

// event puts the header before a body ("Binlog_event", "Binlog event header").
// The reader has asked for no checksums.
func event(typ byte, flags uint16, body []byte) []byte {
	b := []byte{0x48, 0x59, 0x0d, 0x6b, typ, 1, 0, 0, 0}
	b = binary.LittleEndian.AppendUint32(b, uint32(19+len(body)))
	b = append(b, 0, 4, 0, 0)
	return append(binary.LittleEndian.AppendUint16(b, flags), body...)
}

func raw(parts ...string) []byte {
	b, err := hex.DecodeString(strings.ReplaceAll(strings.Join(parts, ""), " ", ""))
	if err != nil {
		panic(err)
	}
	return b
}

// begin is what every stream begins with: the name of the file as an
// artificial ROTATE_EVENT, then FORMAT_DESCRIPTION_EVENT ("Format_description_event").
func begin() [][]byte {
	version := append([]byte("8.4.3"), make([]byte, 45)...)
	format := append(append([]byte{4, 0}, version...), 0, 0, 0, 0, 19)
	format = append(format, raw("00 0d 00 08 00 00 00 00 04 00 04 00 00 00 62 00 04 1a 08 00 00 00 08 08 08 02 00 00 00 0a 0a 0a 2a 2a 00 12 34 00 0a 28 00 00")...)
	return [][]byte{event(4, 0x20, append([]byte{4, 0, 0, 0, 0, 0, 0, 0}, "binlog.000002"...)), event(15, 0, append(format, 0, 0, 0, 0, 0))}
}

// gtid is GTID_LOG_EVENT ("Gtid_event").
func gtid(n byte) []byte {
	return event(33, 0, raw("00 3e11fa4771ca11e19e33c80aa9429562", hex.EncodeToString([]byte{n}), "00000000000000 02 0100000000000000 0200000000000000 4b0a4d1f0e0600 fc2001 17380100"))
}

// varlen is an integer of mysql::serialization: as many ones at the low end as
// bytes follow ("PageLibsMysqlSerialization", varlen_integer_format).
func varlen(v uint64) []byte {
	n := 1
	for v >= 1<<(7*n) {
		n++
	}
	return binary.LittleEndian.AppendUint64(nil, v<<n|(1<<(n-1)-1))[:n]
}

// tagged is GTID_TAGGED_LOG_EVENT ("Gtid_event", write_tagged_event_body):
// version 1, size, last field that may not be ignored, then field by field.
func tagged(tag string, n uint64) []byte {
	body := append(varlen(1), varlen(60)...)
	body = append(body, varlen(0)...)
	field := func(id uint64, values ...[]byte) {
		body = append(append(body, varlen(id)...), bytes.Join(values, nil)...)
	}
	field(0, varlen(0)) // gtid_flags
	var sid []byte
	for _, b := range raw(strings.ReplaceAll(serverID, "-", "")) {
		sid = append(sid, varlen(uint64(b))...)
	}
	field(1, sid)
	field(2, varlen(n<<1)) // signed: the sign is the lowest bit
	field(3, varlen(uint64(len(tag))), []byte(tag))
	field(4, varlen(1<<1))
	field(5, varlen(2<<1))
	field(6, varlen(1795381578000000))
	field(8, varlen(288))
	field(9, varlen(80403))
	return event(42, 0, body)
}

// query is QUERY_EVENT ("Query_event"): thread, time, lengths, schema, text.
func query(schema, text string) []byte {
	b := append([]byte{7, 0, 0, 0, 0, 0, 0, 0, byte(len(schema)), 0, 0, 0, 0}, schema...)
	return event(2, 0, append(append(b, 0), text...))
}

func xid() []byte { return event(16, 0, []byte{9, 0, 0, 0, 0, 0, 0, 0}) }

// column is what TABLE_MAP_EVENT tells of one.
type column struct {
	name      string
	typ       byte
	meta      []byte
	unsigned  bool
	collation int // of text
	names     []string
}

func (c column) isEnum() bool { return c.typ == 254 && c.meta[0] == 0xf7 }
func (c column) isSet() bool  { return c.typ == 254 && c.meta[0] == 0xf8 }

// tableMap is TABLE_MAP_EVENT with all optional metadata ("Table_map_event").
func tableMap(table string, columns ...column) []byte {
	b := append([]byte{90, 0, 0, 0, 0, 0, 1, 0, 4}, "shop\x00"...)
	b = append(append(append(b, byte(len(table))), table...), 0)
	b = lengthEncoded(b, len(columns))
	var meta, signs, charsets, enumCharsets, names, enums, sets []byte
	numeric := 0
	for _, c := range columns {
		b, meta = append(b, c.typ), append(meta, c.meta...)
		names = append(append(names, byte(len(c.name))), c.name...)
		switch {
		case c.isEnum() || c.isSet():
			list := lengthEncoded(nil, len(c.names))
			for _, n := range c.names {
				list = append(lengthEncoded(list, len(n)), n...)
			}
			if enumCharsets = lengthEncoded(enumCharsets, c.collation); c.isEnum() {
				enums = append(enums, list...)
			} else {
				sets = append(sets, list...)
			}
		case c.collation > 0:
			charsets = lengthEncoded(charsets, c.collation)
		case bytes.IndexByte([]byte{1, 2, 9, 3, 8, 246, 4, 5, 13}, c.typ) >= 0: // from the highest bit down
			if numeric%8 == 0 {
				signs = append(signs, 0)
			}
			if c.unsigned {
				signs[numeric/8] |= 0x80 >> (numeric % 8)
			}
			numeric++
		}
	}
	b = append(lengthEncoded(b, len(meta)), meta...)
	b = append(b, bytes.Repeat([]byte{0xff}, (len(columns)+7)/8)...)
	for _, part := range []struct {
		id   byte
		text []byte
	}{{1, signs}, {3, charsets}, {4, names}, {5, sets}, {6, enums}, {8, []byte{0}}, {11, enumCharsets}, {12, bytes.Repeat([]byte{0xff}, (len(columns)+7)/8)}} {
		if len(part.text) > 0 {
			b = append(lengthEncoded(append(b, part.id), len(part.text)), part.text...)
		}
	}
	return event(19, 0, b)
}

// Types of ROWS_EVENT, version 2.
const (
	writeRows, updateRows, deleteRows, partialRows = 30, 31, 32, 39
)

// rows is a ROWS_EVENT ("Rows_event") at the end of its statement: for each
// image the bits of its nulls, then the values.
func rows(typ byte, columns int, images ...[]byte) []byte {
	b := []byte{90, 0, 0, 0, 0, 0, 1, 0, 2, 0, byte(columns)}
	all := bytes.Repeat([]byte{0xff}, (columns+7)/8)
	if b = append(b, all...); typ == updateRows || typ == partialRows {
		b = append(b, all...)
	}
	return event(typ, 0, append(b, bytes.Join(images, nil)...))
}

// payload is TRANSACTION_PAYLOAD_EVENT ("Transaction_payload_event"): fields of
// type, length and value, a zero, and the events under zstd.
func payload(events ...[]byte) []byte {
	w, err := zstd.NewWriter(nil)
	if err != nil {
		panic(err)
	}
	all := bytes.Join(events, nil)
	inner := w.EncodeAll(all, nil)
	size := func(n int) []byte { return lengthEncoded(nil, n) }
	b := append([]byte{2, 1, 0, 3, byte(len(size(len(all))))}, size(len(all))...)
	b = append(append(b, 1, byte(len(size(len(inner))))), size(len(inner))...)
	return event(40, 0, append(append(b, 0), inner...))
}

// The table of most cases: id INT, v VARCHAR(20) in utf8mb4.
var (
	idColumn = column{name: "id", typ: 3}
	vColumn  = column{name: "v", typ: 15, meta: []byte{80, 0}, collation: 255}
	orders   = tableMap("orders", idColumn, vColumn)
)

func order(id byte, v string) []byte {
	return append([]byte{0, id, 0, 0, 0, byte(len(v))}, v...)
}

// read follows the server's log from a position until it fails or has given
// as many transactions.
func (s *mysqlServer) read(position string, tables []Table, want int) (list []string, err error) {
	src := s.source()
	defer src.close()
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	log, err := src.changes(ctx, position, tables)
	if err != nil {
		return nil, err
	}
	defer log.close()
	for len(list) < want {
		t, err := log.next(ctx)
		if err != nil {
			return list, err
		}
		text := strings.TrimPrefix(t.position, serverID+":")
		for _, c := range t.changes {
			text += " " + map[kind]string{upsert: "+", remove: "-", truncate: "0"}[c.kind]
			for i, v := range c.row {
				text += map[bool]string{true: "|", false: ""}[i > 0]
				if v == nil {
					text += "NULL"
				} else if c.table.Columns[i].Binary {
					text += hex.EncodeToString(v)
				} else {
					text += string(v)
				}
			}
		}
		list = append(list, text)
	}
	return list, nil
}

func mustColumn(t testing.TB, name, typ string) Column {
	c, err := mysqlColumn(name, typ)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func ordersTable(t testing.TB) []Table {
	return []Table{{Schema: "shop", Name: "orders", Database: "lake", Target: "orders", Key: []string{"id"},
		Columns: []Column{mustColumn(t, "id", "int"), mustColumn(t, "v", "varchar(20)")}}}
}

func join(lists ...[][]byte) (all [][]byte) {
	for _, l := range lists {
		all = append(all, l...)
	}
	return all
}

// one is a transaction with GTID n.
func one(n byte, events ...[]byte) [][]byte {
	return join([][]byte{gtid(n), query("", "BEGIN")}, events, [][]byte{xid()})
}

// ddl is a definition with GTID n.
func ddl(n byte, text string) [][]byte { return [][]byte{gtid(n), query("shop", text)} }

func TestTransactionsOfMySQLsLog(t *testing.T) {
	insert := func(n byte, v string) [][]byte { return one(n, orders, rows(writeRows, 2, order(n, v))) }
	for _, c := range []struct {
		name   string
		events [][]byte
		want   string // transactions, and the error that ends the stream if any
	}{
		{"insert, update, delete", join(insert(6, "a"), one(7, orders, rows(updateRows, 2, order(6, "a"), order(6, "b"))), one(8, orders, rows(deleteRows, 2, order(6, "b")))),
			"1-6 +6|a; 1-7 -6|a +6|b; 1-8 -6|b"},
		{"rows of other tables and heartbeats", join(one(6, tableMap("other", column{name: "x", typ: 240}), rows(writeRows, 1, []byte{0, 1})), [][]byte{event(27, 0, []byte("binlog.000002"))}, insert(7, "a")),
			"1-6; 1-7 +7|a"},
		{"a tag", join([][]byte{tagged("audit", 1), query("", "BEGIN"), orders, rows(writeRows, 2, order(1, "a")), xid()}, insert(6, "b")),
			"1-5:audit:1 +1|a; 1-6:audit:1 +6|b"},
		{"a compressed transaction", join([][]byte{gtid(6), payload(query("", "BEGIN"), orders, rows(writeRows, 2, order(6, "a")), xid())}, insert(7, "b")),
			"1-6 +6|a; 1-7 +7|b"},
		{"a table without transactions", [][]byte{gtid(6), query("", "BEGIN"), orders, rows(writeRows, 2, order(6, "a")), query("", "COMMIT")}, "1-6 +6|a"},
		{"TRUNCATE", join(insert(6, "a"), ddl(7, "TRUNCATE TABLE `orders`"), ddl(8, "truncate shop.orders /* generated by server */")), "1-6 +6|a; 1-7 0; 1-8 0"},
		{"rows after CREATE TABLE .. SELECT", [][]byte{gtid(6), query("shop", "CREATE TABLE c (id INT) START TRANSACTION"), orders, rows(writeRows, 2, order(6, "a")), xid()}, "1-6 +6|a"},
		{"definitions of no account", join(ddl(6, "ALTER TABLE orders ADD INDEX (v), RENAME INDEX i TO j, ENGINE=InnoDB"), ddl(7, "ALTER TABLE o2 ADD CONSTRAINT f FOREIGN KEY (x) REFERENCES orders (id) ON DELETE CASCADE"),
			ddl(8, "DROP TABLE IF EXISTS `_orders_del`"), ddl(9, "CREATE USER 'orders'"), ddl(10, "DROP INDEX orders ON o2"), ddl(11, "garbage ' of no account")), "1-6; 1-7; 1-8; 1-9; 1-10; 1-11"},
		{"gh-ost's exchange", join(ddl(6, "rename /* gh-ost */ table `shop`.`orders` to `shop`.`_orders_del`, `shop`.`_orders_gho` to `shop`.`orders`"), insert(7, "a")), "1-6; 1-7 +7|a"},
		{"pt-online-schema-change's exchange", join(ddl(6, "RENAME TABLE `shop`.`orders` TO `shop`.`_orders_old`, `shop`.`_orders_new` TO `shop`.`orders`"), insert(7, "a")), "1-6; 1-7 +7|a"},
		{"an exchange that takes a column away", join(ddl(6, "RENAME TABLE orders TO _orders_old, _orders_new TO orders"), one(7, tableMap("orders", idColumn, column{name: "w", typ: 3}), rows(writeRows, 2, []byte{0, 7, 0, 0, 0, 1, 0, 0, 0}))),
			"1-6; an online schema change that takes away v and adds a column, which may be the same, of shop.orders in the source is not followed"},
		{"an exchange after a column was taken away", join(one(6, tableMap("orders", idColumn), rows(writeRows, 1, []byte{0, 6, 0, 0, 0})), ddl(7, "RENAME TABLE orders TO _orders_old, _orders_new TO orders"),
			one(8, tableMap("orders", idColumn, column{name: "w", typ: 3}), rows(writeRows, 2, []byte{0, 7, 0, 0, 0, 1, 0, 0, 0}))), "1-6 +6|NULL; 1-7; the columns of shop.orders have changed"},
		{"another table in its place", ddl(6, "RENAME TABLE orders TO orders_2025, orders_2026 TO orders"), "RENAME TABLE of shop.orders in the source is not followed"},
		{"a new column", one(6, tableMap("orders", idColumn, column{name: "more", typ: 3}, vColumn), rows(writeRows, 3, append([]byte{0, 6, 0, 0, 0, 1, 0, 0, 0, 1}, 'a'))), "the columns of shop.orders have changed"},
		{"a column that is gone", one(6, tableMap("orders", idColumn), rows(writeRows, 1, []byte{0, 6, 0, 0, 0})), "1-6 +6|NULL"},
		{"the key that is gone", one(6, tableMap("orders", vColumn), rows(writeRows, 1, []byte{0, 1, 'a'})), "DROP of the key column id of shop.orders in the source is not followed"},
		{"columns in another order", one(6, tableMap("orders", vColumn, idColumn), rows(writeRows, 2, []byte{0, 1, 'a', 6, 0, 0, 0})), "1-6 +6|a"},
		{"a wider integer", one(6, tableMap("orders", column{name: "id", typ: 8}, vColumn), rows(writeRows, 2, []byte{0, 6, 0, 0, 0, 0, 0, 0, 1, 1, 'a'})), "1-6 +72057594037927942|a"},
		{"a type that the target does not hold", one(6, tableMap("orders", column{name: "id", typ: 5, meta: []byte{8}}, vColumn), rows(writeRows, 2)),
			"column id of shop.orders: its type in the source has changed, and the target's INT does not hold what it may have now"},
		{"another character set", one(6, tableMap("orders", idColumn, column{name: "v", typ: 15, meta: []byte{80, 0}, collation: 54}), rows(writeRows, 2, order(6, "\x00n\x00\xe9\xd8\x3d\xde\x00"))), "1-6 +6|né😀"},
		{"a character set of one byte", one(6, tableMap("orders", idColumn, column{name: "v", typ: 15, meta: []byte{20, 0}, collation: 8}), rows(writeRows, 2, order(6, "n\xe9\x80"))), "1-6 +6|né€"},
		{"a character set of Asia", one(6, tableMap("orders", idColumn, column{name: "v", typ: 15, meta: []byte{20, 0}, collation: 28}), rows(writeRows, 2, order(6, "x"))), "changes of text in the character set gbk are not followed"},
		{"text turned into bytes", one(6, tableMap("orders", idColumn, column{name: "v", typ: 15, meta: []byte{20, 0}, collation: 63}), rows(writeRows, 2, order(6, "x"))), "its type in the source has changed"},
		{"no names of columns", one(6, event(19, 0, append(raw("5a0000000000 0100 04 73686f7000 06 6f726465727300 02 030f 02 5000 ff"), 1, 1, 0)), rows(writeRows, 2, order(6, "x"))), "the binary log does not name the columns of shop.orders"},
		{"rows in part", one(6, orders, event(deleteRows, 0, []byte{90, 0, 0, 0, 0, 0, 1, 0, 2, 0, 2, 0x01, 0, 6, 0, 0, 0})), "the binary log has no whole rows of shop.orders"},
		{"documents in part", one(6, orders, event(partialRows, 0, raw("5a0000000000 0100 0200 02 ff ff 00 06000000 01 61 01"))), "the binary log has parts of JSON values of shop.orders"},
		{"DROP TABLE", join(insert(6, "a"), ddl(7, "DROP TABLE `x`, `shop`.`orders` /* generated by server */")), "1-6 +6|a; DROP TABLE of shop.orders in the source is not followed"},
		{"DROP DATABASE", ddl(6, "DROP DATABASE IF EXISTS shop"), "DROP DATABASE of shop.orders"},
		{"a table made anew", ddl(6, "CREATE OR REPLACE TABLE orders (id INT)"), "CREATE OR REPLACE TABLE of shop.orders"},
		{"a table renamed by ALTER", ddl(6, "ALTER TABLE orders ADD COLUMN z INT, RENAME TO orders_old"), "RENAME of shop.orders"},
		{"a column renamed", ddl(6, "ALTER TABLE orders ADD COLUMN z DECIMAL(3,1), CHANGE `v` `w` VARCHAR(30) NOT NULL"), "column v of shop.orders is now w"},
		{"names exchanged", ddl(6, "ALTER TABLE orders RENAME COLUMN v TO id, RENAME COLUMN id TO v"), "the exchange of columns' names of shop.orders"},
		{"another key", ddl(6, "ALTER TABLE orders DROP PRIMARY KEY, ADD PRIMARY KEY (v)"), "a change of the primary key of shop.orders"},
		{"partitions taken away", ddl(6, "ALTER TABLE orders TRUNCATE PARTITION p1"), "ALTER TABLE .. TRUNCATE PARTITION of shop.orders"},
		{"a foreign key that changes rows", ddl(6, "ALTER TABLE orders ADD FOREIGN KEY (v) REFERENCES o2 (id) ON DELETE CASCADE"), "a new foreign key of shop.orders lets the source delete or change rows by CASCADE or SET"},
		{"a statement that is not understood", ddl(6, "ALTER TABLE orders COMMENT 'unterminated"), "a statement of the source that may change shop.orders is not understood"},
		{"rows as a statement", [][]byte{gtid(6), query("", "BEGIN"), query("shop", "UPDATE o2, orders SET v = NOW()"), xid()}, "a change of shop.orders is logged as a statement, not as rows"},
		{"a rollback", [][]byte{gtid(6), query("", "BEGIN"), orders, rows(writeRows, 2, order(6, "a")), query("", "ROLLBACK")}, "a transaction that was rolled back has changed shop.orders"},
		{"a rollback of nothing", join([][]byte{gtid(6), query("", "BEGIN"), query("", "ROLLBACK")}, insert(7, "a")), "1-6; 1-7 +7|a"},
		{"an XA transaction", [][]byte{gtid(6), query("", "XA START X'61',X'',1"), orders, rows(writeRows, 2, order(6, "a")), query("", "XA END X'61',X'',1"), event(38, 0, make([]byte, 14))}, "an XA transaction has changed shop.orders"},
		{"an XA transaction on others", join([][]byte{gtid(6), query("", "XA START X'61',X'',1"), query("", "XA END X'61',X'',1"), event(38, 0, make([]byte, 14)), gtid(7), query("", "XA COMMIT X'61',X'',1")}, insert(8, "a")), "1-7; 1-8 +8|a"},
		{"a transaction without a GTID", join(insert(6, "a"), [][]byte{event(34, 0, gtid(0)[19:]), query("", "BEGIN"), orders, rows(writeRows, 2, order(7, "b")), xid()}), "1-6 +6|a; the binary log has a transaction without a GTID"},
		{"an incident", [][]byte{event(26, 0, []byte{1, 0, 0})}, "the binary log tells of an incident"},
		{"an event of the future", [][]byte{event(99, 0, []byte{1})}, "the binary log holds an event of type 99, which is not followed"},
		{"one that may be ignored", join([][]byte{event(99, 0x80, []byte{1})}, insert(6, "a")), "1-6 +6|a"},
		{"rows without their table", one(6, rows(writeRows, 2, order(6, "a"))), "the binary log holds WriteRowsEventV2 at 1024 that is not understood: "},
		{"a row cut short", one(6, orders, rows(writeRows, 2, order(6, "abc")[:7])), "the binary log holds WriteRowsEventV2 at 1024 that is not understood: "},
		{"a table cut short", one(6, event(19, 0, orders[19:40])), "the binary log holds "},
		{"an event of another size than it says", one(6, orders[:40]), "the binary log holds an event that is not understood: invalid data size 21"},
		{"a payload that is none", [][]byte{gtid(6), event(40, 0, []byte{2, 1, 0, 0, 1, 2, 3})}, "the binary log holds TransactionPayloadEvent at 1024 that is not understood: "},
		{"a length beyond the end", [][]byte{event(2, 0, []byte{7, 0, 0, 0, 0, 0, 0, 0, 200, 0, 0, 0, 0})}, "the binary log holds an event that is not understood: runtime error: "},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			s := newMySQLServer(t, false)
			s.plugin, s.password = "mysql_native_password", string(mysql.CalcNativePassword([]byte("saltsaltsaltsaltsalt"), []byte("secret")))
			s.answers["SELECT CONVERT(CONVERT(X'"] = [][]string{{latin1()}}
			s.events = join(begin(), c.events)
			want := strings.Split(c.want, "; ")
			got, err := s.read(serverID+":1-5", ordersTable(t), len(want))
			if err != nil {
				got = append(got, strings.Split(err.Error(), "\n")[0])
			}
			for i, w := range want {
				if i >= len(got) || got[i] != w && (err == nil || i < len(want)-1 || !strings.HasPrefix(got[i], w) && !strings.Contains(got[i], w)) {
					t.Fatalf("the log gives\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
				}
			}
		})
	}
}

// latin1 is MySQL's character set of that name, which is cp1252 with the holes
// filled ("West European Character Sets"), byte by byte.
func latin1() string {
	high := []rune("€\u0081‚ƒ„…†‡ˆ‰Š‹Œ\u008dŽ\u008f\u0090‘’“”•–—˜™š›œ\u009džŸ")
	var b strings.Builder
	for i := range 256 {
		if i >= 0x80 && i < 0xa0 {
			b.WriteRune(high[i-0x80])
		} else {
			b.WriteRune(rune(i))
		}
	}
	return b.String()
}

// Every type of the type map, its value as the log has it and as text; the
// text is what CAST AS CHAR, with which the initial load reads, is documented
// to give.
func TestValuesOfMySQLsLog(t *testing.T) {
	blob := func(s string) string { return fmt.Sprintf("%02x00", len(s)) + hex.EncodeToString([]byte(s)) }
	short := func(s string) string { return fmt.Sprintf("%02x", len(s)) + hex.EncodeToString([]byte(s)) }
	document := "00 0300 2800 1900 0100 1a00 0100 1b00 0100 050100 0c1c00 021e00 616263 0178 0200 0a00 040100 040000" // JSON's binary form ("JSON_BINARY_FORMAT")
	for _, c := range []struct {
		source string
		column column
		value  string
		want   string
	}{
		{"tinyint", column{typ: 1}, "80", "-128"},
		{"tinyint(1)", column{typ: 1}, "01", "1"},
		{"tinyint unsigned", column{typ: 1, unsigned: true}, "ff", "255"},
		{"smallint unsigned", column{typ: 2, unsigned: true}, "ffff", "65535"},
		{"mediumint", column{typ: 9}, "000080", "-8388608"},
		{"mediumint unsigned", column{typ: 9, unsigned: true}, "ffffff", "16777215"},
		{"int unsigned", column{typ: 3, unsigned: true}, "ffffffff", "4294967295"},
		{"bigint", column{typ: 8}, "0000000000000080", "-9223372036854775808"},
		{"bigint unsigned", column{typ: 8, unsigned: true}, "ffffffffffffffff", "18446744073709551615"},
		{"year", column{typ: 13}, "7e", "2026"},
		{"year", column{typ: 13}, "00", "0"},
		{"bit(12)", column{typ: 16, meta: []byte{4, 1}}, "0abc", "2748"},
		{"bit(64)", column{typ: 16, meta: []byte{0, 8}}, "ffffffffffffffff", "18446744073709551615"},
		{"decimal(10,2)", column{typ: 246, meta: []byte{10, 2}}, "8012d68759", "1234567.89"},
		{"decimal(10,2)", column{typ: 246, meta: []byte{10, 2}}, "7fed2978a6", "-1234567.89"},
		{"decimal(65,30)", column{typ: 246, meta: []byte{65, 30}}, "7fffffff ffffffff ffffffff fffffffe ffffffff ffffffff ffffffff fffe", "-1.000000000000000000000000000001"},
		{"float", column{typ: 4, meta: []byte{4}}, "cdcccc3d", "0.1"},
		{"double", column{typ: 5, meta: []byte{8}}, "9a9999999999b93f", "0.1"},
		{"char(10)", column{typ: 254, meta: []byte{0xfe, 40}, collation: 255}, short("né"), "né"},
		{"char(255)", column{typ: 254, meta: []byte{0xce, 0xfc}, collation: 255}, blob("né"), "né"},
		{"char(10)", column{typ: 254, meta: []byte{0xfe, 10}, collation: 8}, short("n\xe9\x93"), "né“"},
		{"varchar(100)", column{typ: 15, meta: []byte{0x90, 1}, collation: 255}, blob("日本"), "日本"},
		{"text", column{typ: 252, meta: []byte{2}, collation: 45}, blob("long"), "long"},
		{"text", column{typ: 252, meta: []byte{2}, collation: 60}, blob("\x00\x01\xf6\x00"), "😀"},
		{"text", column{typ: 252, meta: []byte{2}, collation: 60}, blob(""), ""},
		{"text", column{typ: 252, meta: []byte{2}, collation: 54}, blob(""), ""},
		{"varchar(10)", column{typ: 15, meta: []byte{10, 0}, collation: 8}, short(""), ""},
		{"binary(6)", column{typ: 254, meta: []byte{0xfe, 6}, collation: 63}, short("\x01"), "010000000000"},
		{"varbinary(20)", column{typ: 15, meta: []byte{20, 0}, collation: 63}, short("\x00\xff\x00"), "00ff00"},
		{"blob", column{typ: 252, meta: []byte{2}, collation: 63}, blob("\xde\xad"), "dead"},
		{"enum('a','né')", column{typ: 254, meta: []byte{0xf7, 1}, collation: 255, names: []string{"a", "né"}}, "02", "né"},
		{"enum('a','né')", column{typ: 254, meta: []byte{0xf7, 1}, collation: 8, names: []string{"b", "a", "n\xe9"}}, "03", "né"}, // the log's own names count
		{"enum('a')", column{typ: 254, meta: []byte{0xf7, 1}, collation: 255, names: []string{"a"}}, "00", ""},
		{"set('x','y','z')", column{typ: 254, meta: []byte{0xf8, 1}, collation: 255, names: []string{"x", "y", "z"}}, "05", "x,z"},
		{"json", column{typ: 245, meta: []byte{4}}, "29000000" + document, `{"a": 1, "b": "x", "c": [true, null]}`},
		{"json", column{typ: 245, meta: []byte{4}}, "00000000", "null"},
		{"json", column{typ: 245, meta: []byte{4}}, "09000000 0b 000000000000f03f", "1.0"},
		{"date", column{typ: 10}, "5cd40f", "2026-02-28"},
		{"date", column{typ: 10}, "000000", "NULL"},
		{"date", column{typ: 10}, "40d40f", "NULL"}, // 2026-02-00
		{"datetime(6)", column{typ: 18, meta: []byte{6}}, "99b9485187 01e240", "2026-03-04 05:06:07.123456"},
		{"datetime", column{typ: 18, meta: []byte{0}}, "8000000000", "NULL"},
		{"datetime", column{typ: 18, meta: []byte{0}}, "99b8800000", "NULL"}, // 2026-00-00
		{"timestamp(3)", column{typ: 17, meta: []byte{3}}, "69a7bdbf 04b0", "2026-03-04 05:06:07.120"},
		{"timestamp", column{typ: 17, meta: []byte{0}}, "00000000", "NULL"},
		{"time(2)", column{typ: 19, meta: []byte{2}}, "79bfbd ce", "-100:01:02.50"},
		{"time(2)", column{typ: 19, meta: []byte{2}}, "800000 00", "00:00:00.00"},
		{"time(3)", column{typ: 19, meta: []byte{3}}, "801042 0000", "01:01:02.000"},
		{"time", column{typ: 19, meta: []byte{0}}, "b46efb", "838:59:59"},
		{"time", column{typ: 11}, "010000", "refused: its times are in the format of MySQL 5.5"},
	} {
		t.Run(c.source, func(t *testing.T) {
			t.Parallel()
			s := newMySQLServer(t, true)
			s.answers["SELECT CONVERT(CONVERT(X'"] = [][]string{{latin1()}}
			tables := ordersTable(t)
			tables[0].Columns[1] = mustColumn(t, "v", c.source)
			c.column.name = "v"
			s.events = join(begin(), one(6, tableMap("orders", idColumn, c.column), rows(writeRows, 2, append([]byte{0, 6, 0, 0, 0}, raw(c.value)...), []byte{2, 7, 0, 0, 0})))
			got, err := s.read("", tables, 1)
			if refusal, ok := strings.CutPrefix(c.want, "refused: "); ok {
				if err == nil || !strings.Contains(err.Error(), refusal) {
					t.Errorf("the answer is %q, %v, want %s", got, err, refusal)
				}
			} else if want := "6 +6|" + c.want + " +7|NULL"; err != nil || len(got) != 1 || got[0] != want {
				t.Errorf("the log gives %q, %v, want %q", got, err, want)
			}
		})
	}
}

func TestMySQLGoesOnAfterASetOfGTIDs(t *testing.T) {
	s := newMySQLServer(t, true)
	s.answers["SELECT @@GLOBAL.gtid_executed"] = [][]string{{"3e11fa47-71ca-11e1-9e33-c80aa9429562:1-5:audit:1-2,\n4e11fa47-71ca-11e1-9e33-c80aa9429562:7", "ON"}}
	src := s.source()
	defer src.close()
	position, err := src.cut(context.Background(), true)
	if want := "3e11fa47-71ca-11e1-9e33-c80aa9429562:1-5:audit:1-2,4e11fa47-71ca-11e1-9e33-c80aa9429562:7"; err != nil || position != want {
		t.Fatalf("the position is %q, %v, want %q", position, err, want)
	}
	s.events = join(begin(), one(6, orders))
	got, err := s.read(position, ordersTable(t), 1)
	if want := "1-6:audit:1-2,4e11fa47-71ca-11e1-9e33-c80aa9429562:7"; err != nil || got[0] != want {
		t.Errorf("the next position is %q, %v, want %q", got, err, want)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	// COM_BINLOG_DUMP_GTID: flags, server id, file name, position 4, then the set: in the tagged form its first
	// byte and its last before the end are 1 with the number of sets between ("Gtid_set::encode").
	if !bytes.Contains(s.dump, []byte("audit")) || !bytes.Contains(s.dump, raw("4e11fa4771ca11e19e33c80aa9429562")) {
		t.Errorf("the log was asked for by %x", s.dump)
	}
	const notGiven = "\xff\xcb\x04#42000Access denied; you need (at least one of) the REPLICATION SLAVE privilege(s) for this operation"
	for _, denied := range []*mysqlServer{{failure: notGiven}, {refusal: notGiven}} {
		d := newMySQLServer(t, true)
		d.events, d.failure, d.refusal = begin(), denied.failure, denied.refusal
		if _, err := d.read(position, ordersTable(t), 1); err == nil || !strings.Contains(err.Error(), "the source does not give its binary log to user reader: Access denied; you need (at least one of) the REPLICATION SLAVE privilege(s)") {
			t.Errorf("a user without the right is answered %v", err)
		}
	}
	// ER_MASTER_FATAL_ERROR_READING_BINLOG, whose text tells why.
	large := newMySQLServer(t, true)
	large.events, large.failure = begin(), "\xff\xd4\x04#HY000log event entry exceeded max_allowed_packet; Increase max_allowed_packet on source"
	if _, err := large.read(position, ordersTable(t), 1); err == nil || !strings.Contains(err.Error(), "the source cannot send its binary log: log event entry exceeded max_allowed_packet") {
		t.Errorf("an event that is too large is answered %v", err)
	}
	gone := newMySQLServer(t, true)
	gone.events, gone.failure = begin(), "\xff\xd4\x04#HY000Cannot replicate because the source purged required binary logs."
	if _, err := gone.read(position, ordersTable(t), 1); err == nil || !strings.Contains(err.Error(), "no longer has the changes that come next: Cannot replicate because the source purged required binary logs.") {
		t.Errorf("a log that is gone is answered %v", err)
	}
}

func TestLoginsToMySQL(t *testing.T) {
	for _, c := range []struct {
		name      string
		encrypted bool
		plugin    string
		password  string // as the server wants it to come
		want      string
		told      string
	}{
		{"caching_sha2_password over TLS", true, "", "secret", "", "secret"},
		{"mysql_clear_password over TLS", true, "mysql_clear_password", "secret", "", "secret"},
		{"another password", true, "mysql_clear_password", "other", "does not let in user reader: ERROR 1045 (28000): Access denied", "secret"},
		{"mysql_clear_password without TLS", false, "mysql_clear_password", "secret", "asks for the password in the clear without TLS: it was not sent", ""},
		{"mysql_native_password without TLS", false, "mysql_native_password", string(mysql.CalcNativePassword([]byte("saltsaltsaltsaltsalt"), []byte("secret"))), "", ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := newMySQLServer(t, c.encrypted)
			s.plugin, s.password = c.plugin, c.password
			src := s.source()
			defer src.close()
			_, err := src.query(context.Background(), "ask", "SELECT ID, CHARACTER_SET_NAME")
			if c.want == "" && err != nil || c.want != "" && (err == nil || !strings.Contains(err.Error(), c.want)) {
				t.Errorf("the login gives %v, want %q", err, c.want)
			}
			s.mu.Lock()
			defer s.mu.Unlock()
			if c.told != "" && s.secret != c.told || strings.Contains(c.name, "without") && s.secret == "secret" {
				t.Errorf("the server was told %q", s.secret)
			}
		})
	}
}

func TestMalformedAnswersOfMySQLAreRefused(t *testing.T) {
	for name, greeting := range map[string]string{
		"empty": "\x00\x00\x00\x00", "short": "\x02\x00\x00\x00\x0a8", "no salt": "\x0c\x00\x00\x00\x0a8.4.3\x00\x01\x00\x00\x00s",
		"HTTP": "HTTP/1.1 400 Bad Request\r\n\r\n", "an error": "\x17\x00\x00\x00\xff\x10\x04Too many connections",
	} {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		go func() {
			c, err := l.Accept()
			if err == nil {
				_, _ = io.WriteString(c, greeting)
				c.Close()
			}
		}()
		host, port, _ := net.SplitHostPort(l.Addr().String())
		src := &mysqlSource{logins: logins{endpoint: endpoint{host: host, port: port, user: "reader", password: "secret"}}}
		if _, err := src.query(context.Background(), "ask", "SELECT 1"); err == nil {
			t.Errorf("%s: a greeting of %q is accepted", name, greeting)
		}
		src.close()
		l.Close()
	}
}

func TestMySQLMustBeSetUpForChanges(t *testing.T) {
	for _, c := range []struct{ name, value, want string }{
		{"", "", ""},
		{"log_bin", "OFF", "the source writes no binary log"},
		{"binlog_format", "MIXED", "binlog_format of the source is 'MIXED': changes can be followed with 'ROW' only"},
		{"binlog_row_image", "MINIMAL", "binlog_row_image of the source is 'MINIMAL': changes can be followed with 'FULL' only"},
		{"binlog_row_metadata", "MINIMAL", "binlog_row_metadata of the source is 'MINIMAL': changes can be followed with 'FULL' only"},
		{"binlog_row_metadata", "-", "the source has no setting binlog_row_metadata: changes are followed from MySQL 8.0.1 and MariaDB 10.5 on"},
		{"binlog_row_value_options", "PARTIAL_JSON", "binlog_row_value_options of the source is 'PARTIAL_JSON': changes can be followed with '' only"},
		{"gtid_mode", "ON_PERMISSIVE", "gtid_mode of the source is 'ON_PERMISSIVE': changes can be followed with 'ON' only"},
		{"log_replica_updates", "OFF", "log_replica_updates of the source is OFF"},
	} {
		s := newMySQLServer(t, true)
		var settings [][]string
		for _, v := range [][2]string{{"log_bin", "ON"}, {"binlog_format", "ROW"}, {"binlog_row_image", "FULL"}, {"binlog_row_metadata", "FULL"}, {"binlog_row_value_options", ""},
			{"gtid_mode", "ON"}, {"log_replica_updates", "ON"}} {
			if v[0] == c.name {
				v[1] = c.value
			}
			if v[1] != "-" {
				settings = append(settings, v[:])
			}
		}
		s.answers["SHOW GLOBAL VARIABLES WHERE"] = settings
		s.answers["SELECT @@GLOBAL.gtid_executed"] = [][]string{{"", "ON"}}
		src := s.source()
		err := src.follows(context.Background())
		src.close()
		if c.want == "" && err != nil || c.want != "" && (err == nil || !strings.Contains(err.Error(), c.want)) {
			t.Errorf("%s = %q gives %v, want %q", c.name, c.value, err, c.want)
		}
	}
}

// Rows that a foreign key changes are not in the log, and a key that MySQL has
// made by itself is a column like others.
func TestTablesOfMySQL(t *testing.T) {
	for _, c := range []struct{ name, create, want string }{
		{"invisible key", "CREATE TABLE `orders` (\n  `my_row_id` bigint unsigned NOT NULL AUTO_INCREMENT /*!80023 INVISIBLE */,\n  PRIMARY KEY (`my_row_id`)\n)", "my_row_id LARGEINT, v VARCHAR(1048576), g BIGINT"},
		{"cascade", "CREATE TABLE `orders` (\n  `id` int NOT NULL,\n  CONSTRAINT `a``b` FOREIGN KEY (`v`) REFERENCES `o` (`id`) ON DELETE CASCADE\n)", "the foreign key a`b of shop.orders lets the source delete or change rows by CASCADE or SET, which its binary log does not tell of"},
		{"restrict", "CREATE TABLE `orders` (\n  CONSTRAINT `f` FOREIGN KEY (`v`) REFERENCES `o` (`id`) ON DELETE RESTRICT\n) COMMENT='ON DELETE CASCADE'", "my_row_id LARGEINT, v VARCHAR(1048576), g BIGINT"},
	} {
		s := newMySQLServer(t, true)
		s.answers["SELECT COLUMN_NAME, COLUMN_TYPE"] = [][]string{{"v", "varchar(20)", "utf8mb4", "", "shop", "orders"}, {"g", "bigint", "", "VIRTUAL GENERATED", "shop", "orders"},
			{"my_row_id", "bigint unsigned", "", "auto_increment INVISIBLE", "shop", "orders"}}
		s.answers["SELECT COLUMN_NAME FROM information_schema.STATISTICS"] = [][]string{{"my_row_id"}}
		s.answers["SHOW CREATE TABLE"] = [][]string{{"orders", c.create}}
		src := s.source()
		table := Table{Schema: "SHOP", Name: "Orders"}
		err := src.describe(context.Background(), &table, true)
		src.close()
		var list []string
		for _, col := range table.Columns {
			list = append(list, col.Name+" "+col.Type)
		}
		got := strings.Join(list, ", ")
		if err != nil {
			got = err.Error()
		}
		if !strings.HasPrefix(got, c.want) || table.Source() != "shop.orders" {
			t.Errorf("%s: %s gives %s, want %s", c.name, table.Source(), got, c.want)
		}
	}
}

// FuzzBinlogEvent gives the reader events of any bytes: it may refuse them, and
// always ends.
func FuzzBinlogEvent(f *testing.F) {
	for _, e := range [][]byte{orders, rows(writeRows, 2, order(6, "a")), rows(updateRows, 2, order(6, "a"), order(6, "b")), query("shop", "ALTER TABLE orders CHANGE v w INT, RENAME COLUMN a TO b"),
		query("shop", "RENAME TABLE orders TO _orders_old, _orders_new TO orders"), query("shop", "SET STATEMENT a = 1 FOR DROP TABLE x, orders"), payload(orders), gtid(6), tagged("t", 3),
		tableMap("orders", idColumn, column{name: "v", typ: 254, meta: []byte{0xf7, 1}, collation: 255, names: []string{"a"}})} {
		f.Add(e, rows(writeRows, 2, order(6, "a")))
	}
	server := newMySQLServer(&testing.T{}, false)
	server.plugin, server.password = "mysql_native_password", string(mysql.CalcNativePassword([]byte("saltsaltsaltsaltsalt"), []byte("secret")))
	f.Fuzz(func(t *testing.T, first, second []byte) {
		b := &binlog{source: server.source(), tables: ordersTable(t), gone: map[*Table][]string{}, swapped: map[*Table][]string{}, charsets: &charsets{byID: map[uint64]string{255: "utf8mb4", 63: "binary", 54: "utf16"}}}
		parser := replication.NewBinlogParser()
		parser.SetRowsEventDecodeFunc(b.decode)
		parser.SetRenderJSONAsMySQLText(true)
		parse := func(data []byte) (e *replication.BinlogEvent) {
			defer func() { _ = recover() }() // as the library's reader of a stream does
			e, err := parser.Parse(data)
			if err != nil {
				return nil
			}
			return e
		}
		for _, data := range append(begin(), first, second) {
			if len(data) < 19 {
				return
			}
			e := parse(data)
			if e == nil {
				return
			}
			b.queue = append(b.queue, e)
			for len(b.queue) > 0 {
				e, b.queue = b.queue[0], b.queue[1:]
				if err := parsed(func() error { _, err := b.event(context.Background(), e); return err }); err != nil {
					_ = b.ended(err)
					return
				}
			}
		}
	})
}
