"""Psycopg 3 and 2 against the PostgreSQL port: parameters of every form, COPY,
server-side cursors, pipelines, cancelling."""
import datetime
import decimal
import sys
import threading

import psycopg
import psycopg2

dsn = f"host={sys.argv[1]} port={sys.argv[2]} user=root dbname=default_catalog"
day, moment = datetime.date(2020, 2, 29), datetime.datetime(2020, 2, 29, 1, 2, 3, 456)

conn = psycopg.connect(dsn)
cur = conn.cursor()
cur.execute("CREATE TABLE t (id BIGINT, name VARCHAR(20), amount DECIMAL(10,2), d DATE, ts TIMESTAMP, ok BOOLEAN)")
cur.executemany("INSERT INTO t VALUES (%s, %s, %s, %s, %s, %s)", [(i, f"o'{i}\\n", decimal.Decimal(i) / 4, day, moment, i > 2) for i in range(1, 6)] + [(6, None, None, None, None, None)])
print("inserted", cur.rowcount)
conn.commit()
print(cur.execute("SELECT * FROM t ORDER BY id LIMIT %s", (2,)).fetchall())
print(conn.cursor(binary=True).execute("SELECT * FROM t WHERE amount > %b ORDER BY id", (decimal.Decimal("0.9"),)).fetchone())
print(cur.execute("SELECT %s::int + 1, %s, %s, %s, %s", (41, "text", decimal.Decimal("1.25"), day, None)).fetchall())
print(cur.execute("SELECT count(*) FROM t WHERE id = ANY(%s)", ([1, 2, 99],)).fetchone())
for _ in range(7):  # prepared by the driver at the fifth
    cur.execute("SELECT name FROM t WHERE id = %s", (3,))
print(cur.fetchone())
cur.execute("UPDATE t SET name = %s WHERE id = %s", ("new", 1))
print("updated", cur.rowcount)
with cur.copy("COPY t (id, name, d) FROM STDIN") as copy:
    for i in range(200, 204):
        copy.write_row((i, "a\tb\\c" if i % 2 else None, day))
with cur.copy("COPY (SELECT id, name, d FROM t WHERE id >= 200 ORDER BY id) TO STDOUT (FORMAT csv)") as copy:
    print(b"".join(bytes(b) for b in copy))
with conn.cursor("named") as named:
    named.itersize = 2
    named.execute("SELECT id FROM t ORDER BY id")
    print([row[0] for row in named])
conn.commit()
try:
    cur.execute("SELECT nope")
except psycopg.Error as e:
    print(type(e).__name__, e.diag.sqlstate, e.diag.statement_position, conn.info.transaction_status.name)
conn.rollback()
conn.autocommit = True
threading.Timer(0.5, conn.cancel).start()
try:
    cur.execute("SELECT count(*) FROM range(10000000000) a(x), range(1000) b(y) WHERE x * y % 7 = 3")
except psycopg.Error as e:
    print(type(e).__name__, e)
with conn.pipeline():
    one, two = conn.execute("SELECT 1"), conn.execute("SELECT %s::text", ("two",))
    print(one.fetchone(), two.fetchone())

try:
    with conn.pipeline():
        conn.execute("INSERT INTO t (id) VALUES (%s)", (900,))
        conn.execute("INSERT INTO t (id) VALUES (%s)", ("x",))
        conn.execute("INSERT INTO t (id) VALUES (%s)", (901,))
except psycopg.Error as e:
    print(type(e).__name__, conn.execute("SELECT count(*) FROM t WHERE id >= 900").fetchone())

conn2 = psycopg2.connect(dsn)
cur = conn2.cursor()
cur.execute("SELECT id, name, d, ts, ok, amount FROM t WHERE id = %s", (2,))
print(conn2.server_version, cur.fetchall())
cur = conn2.cursor("named2")
cur.execute("SELECT id FROM t ORDER BY id")
print(cur.fetchmany(2), cur.fetchall()[-1])
conn2.rollback()
