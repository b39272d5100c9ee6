"""Does with PyMySQL what scripts do, and prints what it sees."""

import datetime
import decimal
import sys
import threading

import pymysql
import pymysql.cursors

at = {"host": sys.argv[1], "port": int(sys.argv[2]), "user": "root", "password": ""}


def show(name, *values):
    print(name + ":", *[repr(v) for v in values])


def failing(name, f, *args):
    try:
        f(*args)
        print(name + ": no error")
    except pymysql.MySQLError as e:
        print(name + ":", type(e).__name__, e.args[0], str(e.args[1]).splitlines()[0])


c = pymysql.connect(**at)
show("server", c.get_server_info(), c.ping(), c.open)
k = c.cursor()
k.execute("CREATE DATABASE py")
c.select_db("py")
k.execute("SELECT CATALOG(), DATABASE()")
show("database", k.fetchone())
k.execute("CREATE TABLE t (id BIGINT, s STRING, n DECIMAL(10, 2), f DOUBLE, d DATE, ts DATETIME, b BOOLEAN, bin VARBINARY, a ARRAY<INT>) PRIMARY KEY(id)")

row = (1, "it's \"ü\" \\ %", decimal.Decimal("12.50"), 1.5, datetime.date(2024, 2, 29), datetime.datetime(2024, 2, 29, 1, 2, 3, 456789), True, b"\x00'\\\xff", None)
show("inserted", k.execute("INSERT INTO t VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s)", row), k.rowcount)
show("many", k.executemany("INSERT INTO t (id, s) VALUES (%s, %s)", [(i, "n%d" % i) for i in range(2, 102)]))
k.execute("SELECT * FROM t WHERE id = %s", (1,))
show("row", k.fetchone())
show("types", [(d[0], d[1]) for d in k.description])
k.execute("SELECT id, s FROM t WHERE s LIKE 'n%%' AND id IN %s ORDER BY id", ([3, 2, 50],))
show("in", k.fetchall())
k.execute("SELECT s FROM t WHERE id = %(id)s", {"id": 4})
show("named", k.fetchall())
show("updated", k.execute("UPDATE t SET s = %s WHERE id <= 3", ("x",)), k.execute("DELETE FROM t WHERE id > 90"))

with c.cursor(pymysql.cursors.DictCursor) as d:
    d.execute("SELECT count(*) AS n, max(id) AS top FROM t")
    show("dict", d.fetchone())
with c.cursor(pymysql.cursors.SSCursor) as s:
    s.execute("SELECT i, repeat('x', 100) FROM TABLE(generate_series(1, 200000)) AS g(i)")
    first = s.fetchone()[0]
    show("streamed", first, sum(r[0] for r in s) + first)
with c.cursor(pymysql.cursors.SSCursor) as s:
    s.execute("SELECT i FROM TABLE(generate_series(1, 100000)) AS g(i)")
    show("left early", s.fetchmany(2))
k.execute("SELECT 1")
show("and on", k.fetchall())

failing("syntax", k.execute, "SELEC 1")
failing("no table", k.execute, "SELECT * FROM nosuch")
failing("no column", k.execute, "SELECT nosuch FROM t")
failing("null key", k.execute, "INSERT INTO t (id) VALUES (NULL)")
failing("no database", c.select_db, "nosuch")
failing("at connect", lambda: pymysql.connect(database="nosuch", **at))
failing("wrong password", lambda: pymysql.connect(**{**at, "password": "wrong"}))
failing("several", k.execute, "SELECT 1; SELECT 2")
show("warnings", k.execute("SHOW WARNINGS"), k.fetchall())

c.autocommit(False)
show("autocommit", c.get_autocommit())
c.begin()
k.execute("DELETE FROM t")
c.rollback()
k.execute("SELECT count(*) FROM t")
show("after rollback", k.fetchone())
c.begin()
k.execute("DELETE FROM t WHERE id > 10")
c.commit()
k.execute("SELECT count(*) FROM t")
show("after commit", k.fetchone())
c.autocommit(True)

m = pymysql.connect(database="lake.sales", client_flag=pymysql.constants.CLIENT.MULTI_STATEMENTS, **at)
k = m.cursor()
k.execute("SELECT count(*) FROM orders; SET @a = 1; SELECT @a; SHOW TABLES")
results = [k.fetchall()]
while k.nextset():
    results.append(k.fetchall())
show("results", *results)
k.execute("SELECT * FROM orders WHERE dt = %s ORDER BY id LIMIT 1", ("2024-01-02",))
show("lake", k.fetchall())

victim = pymysql.connect(**at)
stopped = []


def run():
    try:
        victim.cursor().execute("SELECT count(*) FROM TABLE(generate_series(1, 1000000)) AS a(x), TABLE(generate_series(1, 1000000)) AS b(y) WHERE a.x * b.y % 7 = 3")
    except pymysql.MySQLError as e:
        stopped.append(e.args)


t = threading.Thread(target=run)
t.start()
while True:
    k.execute("SHOW PROCESSLIST")
    if any((r[-1] or "").startswith("SELECT count(*)") for r in k.fetchall()):
        break
m.kill(victim.thread_id())
t.join(20)
show("killed", t.is_alive(), len(stopped))

tls = pymysql.connect(ssl={"check_hostname": False, "verify_mode": "none"}, **at)
k = tls.cursor()
k.execute("SELECT 1")
show("tls", k.fetchone(), tls._sock.version()[:5])
plain = pymysql.connect(ssl_disabled=True, **at)
k = plain.cursor()
k.execute("SELECT 1")
show("plain", k.fetchone())
