import java.math.BigDecimal;
import java.nio.charset.StandardCharsets;
import java.sql.*;
import java.time.*;
import java.util.*;

/** Does with PostgreSQL's and with Redshift's JDBC driver what applications and database browsers do, and prints what it sees, section by section. */
public class RedshiftJdbc {
    static String address, url, schema;

    interface Work { void run() throws Exception; }

    static void section(String name, Work work) {
        System.out.println("== " + name);
        try {
            work.run();
        } catch (SQLException e) {
            System.out.println("SQLException " + told(e));
        } catch (Exception e) {
            System.out.println(e);
        }
    }

    static String told(SQLException e) { return e.getSQLState() + " " + String.valueOf(e.getMessage()).lines().findFirst().orElse(""); }

    static Connection connect(String options) throws SQLException {
        return DriverManager.getConnection(url + "://" + address + "/default_catalog?user=root&password=&" + options);
    }

    static void print(String name, ResultSet r, String... columns) throws SQLException {
        ResultSetMetaData m = r.getMetaData();
        while (r.next()) {
            StringJoiner line = new StringJoiner(" | ", name.isEmpty() ? "" : name + ": ", "");
            for (int i = 1; columns.length == 0 && i <= m.getColumnCount(); i++) line.add(String.valueOf(r.getString(i)));
            for (String c : columns) line.add(String.valueOf(r.getString(c)));
            System.out.println(line.toString().stripTrailing());
        }
        r.close();
    }

    static void failing(Work work) throws Exception {
        try {
            work.run();
            System.out.println("no error");
        } catch (SQLException e) {
            System.out.println(told(e));
        }
    }

    static String one(Connection c, String query) throws SQLException {
        try (Statement s = c.createStatement(); ResultSet r = s.executeQuery(query)) {
            r.next();
            return r.getString(1);
        }
    }

    public static void main(String[] args) throws Exception {
        address = args[0];
        for (String driver : List.of("postgresql", "redshift")) {
            url = "jdbc:" + driver;
            schema = "jdbc_" + driver;
            String plain = driver.equals("redshift") ? "ssl=false" : "sslmode=disable";
            System.out.println("==== " + driver);
            try (Connection c = connect(plain); Statement s = c.createStatement()) {
                s.execute("CREATE SCHEMA " + schema);
                s.execute("CREATE TABLE " + schema + ".items (id BIGINT NOT NULL PRIMARY KEY, name VARCHAR(50) NOT NULL, price DECIMAL(10,2) DEFAULT 0, d DATE, t TIME,"
                    + " ts TIMESTAMP, tz TIMESTAMPTZ, ok BOOLEAN, f REAL, dd FLOAT8, i2 SMALLINT, i4 INT, c CHAR(3), b VARBYTE(10), j SUPER) DISTKEY(id) SORTKEY(id)");
                s.execute("CREATE VIEW " + schema + ".cheap AS SELECT id, price FROM " + schema + ".items WHERE price < 10");
            }
            section("connect", () -> connecting(plain));
            section("metadata", () -> metadata(plain));
            for (String mode : driver.equals("redshift") ? List.of("") : List.of("&prepareThreshold=-1", "&preferQueryMode=simple")) {
                section("values" + mode, () -> values(plain + mode));
            }
            section("batches", () -> batches(plain));
            section("transactions", () -> transactions(plain));
            section("cursors", () -> cursors(plain));
            section("results", () -> results(plain));
            section("cancel", () -> cancel(plain));
        }
    }

    static void connecting(String options) throws Exception {
        try (Connection c = connect(options)) {
            DatabaseMetaData d = c.getMetaData();
            System.out.println(d.getDatabaseProductName() + " " + d.getDatabaseProductVersion() + " " + d.getDatabaseMajorVersion() + " " + c.isValid(30));
            System.out.println(c.getCatalog() + " " + c.getSchema() + " " + c.getAutoCommit() + " " + c.isReadOnly() + " " + c.getTransactionIsolation() + " " + d.getUserName());
            c.setSchema(schema);
            System.out.println(c.getSchema() + " " + one(c, "SELECT count(*) FROM items"));
            c.setReadOnly(true);
            failing(() -> one(c, "DELETE FROM items"));
            c.setReadOnly(false);
            c.setTransactionIsolation(Connection.TRANSACTION_SERIALIZABLE);
            System.out.println(d.getIdentifierQuoteString() + " " + d.getSQLKeywords().isEmpty() + " " + d.getMaxColumnNameLength() + " " + d.supportsTransactions());
        }
        failing(() -> DriverManager.getConnection(url + "://" + address + "/nosuch?user=root&password=&" + options).close());
        failing(() -> DriverManager.getConnection(url + "://" + address + "/default_catalog?user=nobody&password=x&" + options).close());
    }

    static void metadata(String options) throws Exception {
        try (Connection c = connect(options)) {
            DatabaseMetaData d = c.getMetaData();
            print("catalog", d.getCatalogs());
            print("schema", d.getSchemas(null, "jdbc_%"), "TABLE_SCHEM");
            print("type", d.getTableTypes());
            print("table", d.getTables(null, schema, "%", new String[] {"TABLE", "VIEW"}), "TABLE_SCHEM", "TABLE_NAME", "TABLE_TYPE");
            print("view", d.getTables(c.getCatalog(), schema, "ch%", new String[] {"VIEW"}), "TABLE_NAME");
            print("column", d.getColumns(null, schema, "items", "%"), "COLUMN_NAME", "DATA_TYPE", "TYPE_NAME", "COLUMN_SIZE", "DECIMAL_DIGITS", "NULLABLE", "COLUMN_DEF", "ORDINAL_POSITION", "IS_NULLABLE");
            print("of a view", d.getColumns(null, schema, "cheap", "p%"), "COLUMN_NAME", "DATA_TYPE", "COLUMN_SIZE");
            print("key", d.getPrimaryKeys(null, schema, "items"), "COLUMN_NAME", "KEY_SEQ", "PK_NAME");
            print("index", d.getIndexInfo(null, schema, "items", true, true), "COLUMN_NAME", "NON_UNIQUE");
            print("imported", d.getImportedKeys(null, schema, "items"));
            print("exported", d.getExportedKeys(null, schema, "items"));
            print("best row", d.getBestRowIdentifier(null, schema, "items", DatabaseMetaData.bestRowSession, true), "COLUMN_NAME");
            print("function", d.getFunctions(null, schema, "%"), "FUNCTION_NAME");
            print("procedure", d.getProcedures(null, schema, "%"), "PROCEDURE_NAME");
            print("privilege", d.getTablePrivileges(null, schema, "items"), "TABLE_NAME", "PRIVILEGE");
            print("user type", d.getUDTs(null, schema, "%", null));
            int types = 0;
            for (ResultSet r = d.getTypeInfo(); r.next(); types++) {
                if (Set.of("int4", "varchar", "numeric", "timestamptz").contains(r.getString("TYPE_NAME"))) System.out.println("type: " + r.getString("TYPE_NAME") + " " + r.getInt("DATA_TYPE"));
            }
            System.out.println(types > 10);
        }
    }

    static void values(String options) throws Exception {
        try (Connection c = connect(options); Statement s = c.createStatement()) {
            s.execute("DELETE FROM " + schema + ".items");
            try (PreparedStatement p = c.prepareStatement("INSERT INTO " + schema + ".items VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, JSON_PARSE(?))")) {
                p.setLong(1, 9007199254740993L);
                p.setString(2, "it's \\ \"ü\" €");
                p.setBigDecimal(3, new BigDecimal("1234.56"));
                p.setDate(4, java.sql.Date.valueOf("2024-02-29"));
                p.setTime(5, Time.valueOf("23:59:58"));
                p.setTimestamp(6, Timestamp.valueOf("1999-12-31 23:59:59.123456"));
                p.setObject(7, OffsetDateTime.parse("2024-07-01T12:00:00+02:00"));
                p.setBoolean(8, true);
                p.setFloat(9, 1.5f);
                p.setDouble(10, -2.5e100);
                p.setShort(11, (short) -7);
                p.setInt(12, Integer.MIN_VALUE);
                p.setString(13, "abc");
                p.setBytes(14, "ab\0c".getBytes(StandardCharsets.UTF_8));
                p.setString(15, "{\"a\":[1,2]}");
                System.out.println("inserted " + p.executeUpdate());
                p.setLong(1, 2);
                p.setString(2, "");
                p.setNull(3, Types.NUMERIC);
                p.setNull(4, Types.DATE);
                p.setNull(5, Types.TIME);
                p.setNull(6, Types.TIMESTAMP);
                p.setNull(7, Types.TIMESTAMP);
                p.setNull(8, Types.BOOLEAN);
                p.setNull(9, Types.REAL);
                p.setNull(10, Types.DOUBLE);
                p.setNull(11, Types.SMALLINT);
                p.setNull(12, Types.INTEGER);
                p.setNull(13, Types.VARCHAR);
                p.setNull(14, Types.BINARY);
                p.setNull(15, Types.VARCHAR);
                System.out.println("inserted " + p.executeUpdate());
            }
            try (PreparedStatement p = c.prepareStatement("SELECT * FROM " + schema + ".items WHERE id > ? ORDER BY id")) {
                for (int times = 0; times < 2; times++) { // the second time in the form that the driver then prefers
                    p.setLong(1, times);
                    ResultSet r = p.executeQuery();
                    ResultSetMetaData m = r.getMetaData();
                    while (r.next()) {
                        StringJoiner line = new StringJoiner(" | ");
                        for (int i = 1; i <= m.getColumnCount(); i++) {
                            Object o = r.getObject(i);
                            if (o instanceof byte[] b) o = HexFormat.of().formatHex(b);
                            line.add(o instanceof Timestamp t ? t.toInstant().toString() : String.valueOf(o));
                        }
                        System.out.println(line);
                        System.out.println(r.getLong(1) + " " + r.getBigDecimal("price") + " " + r.getDate("d") + " " + r.getTime("t") + " " + r.getBoolean("ok") + " " + r.getFloat("f") + " " + r.getShort("i2") + " " + r.wasNull());
                    }
                }
            }
            for (Object o : new Object[] {1, 1L, "x", new BigDecimal("0.10"), true, 1.5, LocalDate.of(2024, 2, 29), LocalDateTime.of(2024, 2, 29, 1, 2, 3), LocalTime.of(4, 5, 6)}) {
                try (PreparedStatement p = c.prepareStatement("SELECT ?::" + Map.of("Integer", "int", "Long", "bigint", "String", "varchar", "BigDecimal", "decimal(9,2)", "Boolean", "bool", "Double", "float8",
                        "LocalDate", "date", "LocalDateTime", "timestamp", "LocalTime", "time").get(o.getClass().getSimpleName()) + " AS v, count(*) FROM " + schema + ".items WHERE id = ? GROUP BY 1")) {
                    p.setObject(1, o);
                    p.setInt(2, 2);
                    ResultSetMetaData m = p.getMetaData();
                    ResultSet r = p.executeQuery();
                    r.next();
                    System.out.println(m.getColumnTypeName(1) + " " + m.getColumnName(1) + " " + r.getString(1) + " " + r.getInt(2) + " of " + p.getParameterMetaData().getParameterCount());
                }
            }
        }
    }

    static void batches(String options) throws Exception {
        try (Connection c = connect(options); Statement s = c.createStatement()) {
            s.execute("CREATE TABLE " + schema + ".batch (a INT NOT NULL, b VARCHAR(5))");
            try (PreparedStatement p = c.prepareStatement("INSERT INTO " + schema + ".batch VALUES (?, ?)")) {
                for (int i = 0; i < 300; i++) {
                    p.setInt(1, i);
                    p.setString(2, "n" + i);
                    p.addBatch();
                }
                System.out.println("batch of " + Arrays.stream(p.executeBatch()).sum());
                for (String text : List.of("ok", "much too long", "late")) {
                    p.setInt(1, 1000);
                    p.setString(2, text);
                    p.addBatch();
                }
                try {
                    p.executeBatch();
                } catch (BatchUpdateException e) {
                    System.out.println("refused: " + e.getSQLState() + " " + Arrays.toString(e.getUpdateCounts()));
                }
            }
            System.out.println("what a failed batch leaves: " + one(c, "SELECT count(*) FROM " + schema + ".batch WHERE a = 1000"));
            s.addBatch("UPDATE " + schema + ".batch SET b = 'x' WHERE a < 10");
            s.addBatch("DELETE FROM " + schema + ".batch WHERE a >= 200");
            s.addBatch("SET query_group TO 'q'");
            System.out.println(Arrays.toString(s.executeBatch()) + " " + one(c, "SELECT count(*) FROM " + schema + ".batch WHERE b = 'x' OR a > 190"));
        }
    }

    static void transactions(String options) throws Exception {
        try (Connection c = connect(options); Statement s = c.createStatement()) {
            String count = "SELECT count(*) FROM " + schema + ".tx";
            c.setAutoCommit(false);
            s.execute("CREATE TABLE " + schema + ".tx (a INT)");
            s.executeUpdate("INSERT INTO " + schema + ".tx VALUES (1), (2)");
            System.out.println("inside " + one(c, count));
            c.rollback();
            failing(() -> one(c, count));
            failing(() -> one(c, "SELECT 1"));
            c.rollback();
            s.execute("CREATE TABLE " + schema + ".tx (a INT)");
            c.commit();
            s.executeUpdate("INSERT INTO " + schema + ".tx VALUES (1), (2)");
            c.setAutoCommit(true); // which commits
            System.out.println("after " + one(c, count));
            failing(() -> s.execute("INSERT INTO " + schema + ".tx VALUES (3); SELECT 1/0"));
            System.out.println("after a failed text " + one(c, count));
        }
    }

    static void cursors(String options) throws Exception {
        try (Connection c = connect(options); Statement s = c.createStatement()) {
            c.setAutoCommit(false);
            s.setFetchSize(7);
            ResultSet r = s.executeQuery("SELECT a, b FROM " + schema + ".batch ORDER BY a");
            long sum = 0, n = 0;
            for (; r.next(); n++) sum += r.getInt(1);
            System.out.println(n + " rows, sum " + sum);
            r = s.executeQuery("SELECT a FROM " + schema + ".batch ORDER BY a");
            r.next();
            r.close(); // with rows left
            s.executeUpdate("DELETE FROM " + schema + ".batch WHERE a = 0");
            c.commit();
            System.out.println(one(c, "SELECT min(a) FROM " + schema + ".batch"));
            s.setFetchSize(0);
            s.setMaxRows(3);
            print("at most three", s.executeQuery("SELECT a FROM " + schema + ".batch ORDER BY a"));
            c.rollback();
        }
    }

    static void results(String options) throws Exception {
        try (Connection c = connect(options); Statement s = c.createStatement()) {
            boolean rows = s.execute("SELECT 1; DELETE FROM " + schema + ".tx WHERE a = 99; SELECT 'x' AS y");
            for (int n = 0; rows || s.getUpdateCount() >= 0; n++, rows = s.getMoreResults()) {
                if (rows) print("result " + n, s.getResultSet()); else System.out.println("result " + n + ": " + s.getUpdateCount() + " changed");
            }
            System.out.println(s.executeLargeUpdate("UPDATE " + schema + ".tx SET a = a + 1"));
            ResultSetMetaData m = s.executeQuery("SELECT id, price, ts AS t, 1 + 1, count(*) OVER () AS n FROM " + schema + ".items").getMetaData();
            for (int i = 1; i <= m.getColumnCount(); i++) System.out.println(m.getColumnLabel(i) + " " + m.getColumnTypeName(i) + " " + m.getColumnClassName(i) + " " + m.getPrecision(i) + " " + m.getScale(i));
            failing(() -> s.executeQuery("SELECT nosuch FROM " + schema + ".items"));
            failing(() -> s.executeQuery("SELECT 1/0"));
            failing(() -> s.executeUpdate("INSERT INTO " + schema + ".batch VALUES (NULL, 'x')"));
            s.execute("VACUUM");
            s.execute("ANALYZE " + schema + ".items");
        }
    }

    static void cancel(String options) throws Exception {
        String text = "SELECT count(*) FROM range(10000000000) a(x), range(1000) b(y) WHERE x * y % 7 = 3";
        try (Connection c = connect(options); Statement s = c.createStatement(); Connection other = connect(options)) {
            Thread t = new Thread(() -> {
                try {
                    while (!one(other, "SELECT count(*) FROM pg_stat_activity WHERE query LIKE 'SELECT count(*) FROM range%'").equals("1")) Thread.onSpinWait();
                    s.cancel();
                } catch (Exception e) {
                    System.out.println(e);
                }
            });
            t.start();
            failing(() -> s.executeQuery(text));
            t.join();
        }
    }
}
