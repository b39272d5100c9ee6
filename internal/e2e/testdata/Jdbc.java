import java.math.BigDecimal;
import java.sql.*;
import java.util.*;
import java.util.concurrent.*;

/** Does with Connector/J what applications and database browsers do, and prints what it sees, section by section. */
public class Jdbc {
    static String base;

    interface Work { void run() throws Exception; }

    static void section(String name, Work work) {
        System.out.println("== " + name);
        try {
            work.run();
        } catch (SQLException e) {
            System.out.println("SQLException " + e.getErrorCode() + " " + e.getSQLState() + " " + e.getClass().getSimpleName() + ": " + first(e));
        } catch (Exception e) {
            System.out.println(e);
        }
    }

    static String first(SQLException e) { return String.valueOf(e.getMessage()).lines().findFirst().orElse(""); }

    static Connection connect(String database, String options) throws SQLException {
        return DriverManager.getConnection("jdbc:mysql://" + base + "/" + database + "?" + options, "root", "");
    }

    static void print(String name, ResultSet r, String... columns) throws SQLException {
        ResultSetMetaData m = r.getMetaData();
        while (r.next()) {
            StringJoiner line = new StringJoiner(" | ", name.isEmpty() ? "" : name + ": ", "");
            if (columns.length == 0) {
                for (int i = 1; i <= m.getColumnCount(); i++) line.add(String.valueOf(r.getString(i)));
            }
            for (String c : columns) line.add(String.valueOf(r.getString(c)));
            System.out.println(line.toString().stripTrailing());
        }
        r.close();
    }

    static String one(Connection c, String query) throws SQLException {
        try (Statement s = c.createStatement(); ResultSet r = s.executeQuery(query)) {
            r.next();
            return r.getString(1);
        }
    }

    public static void main(String[] args) throws Exception {
        base = args[0];
        String plain = "sslMode=DISABLED&";
        section("connect", () -> {
            for (String mode : List.of("sslMode=DISABLED", "sslMode=REQUIRED", "sslMode=PREFERRED", "useSSL=false&characterEncoding=UTF-8&serverTimezone=UTC")) {
                try (Connection c = connect("", mode)) {
                    DatabaseMetaData d = c.getMetaData();
                    System.out.println(mode + ": " + d.getDatabaseProductName() + " " + d.getDatabaseProductVersion() + " " + c.isValid(5) + " " + one(c, "SELECT 1"));
                }
            }
            try (Connection c = connect("lake.sales", plain)) {
                System.out.println(c.getCatalog() + ": " + one(c, "SELECT CATALOG()") + " " + one(c, "SELECT count(*) FROM orders"));
            }
            try (Connection c = connect("nosuch", plain)) {
                System.out.println("connected to nosuch");
            } catch (SQLException e) {
                System.out.println(e.getErrorCode() + " " + e.getSQLState() + " " + first(e));
            }
        });
        try (Connection c = connect("", plain); Statement s = c.createStatement()) {
            s.execute("CREATE DATABASE jdbc");
            s.execute("CREATE TABLE jdbc.items (id BIGINT NOT NULL COMMENT 'the key', name VARCHAR(50) NOT NULL, price DECIMAL(10,2) DEFAULT '0', d DATE, ts DATETIME,"
                + " ok BOOLEAN, f FLOAT, dd DOUBLE, t TINYINT, big LARGEINT, b VARBINARY, j JSON) PRIMARY KEY(id) COMMENT 'things'");
            s.execute("CREATE TABLE jdbc.log (at DATETIME, line STRING)");
        }
        for (boolean schema : new boolean[] {true, false}) {
            section("metadata useInformationSchema=" + schema, () -> metadata(plain + "useInformationSchema=" + schema));
        }
        for (boolean server : new boolean[] {false, true}) {
            section("statements useServerPrepStmts=" + server, () -> statements(plain + "useServerPrepStmts=" + server));
            section("batches useServerPrepStmts=" + server, () -> batches(plain + "useServerPrepStmts=" + server));
        }
        section("cursor", () -> cursor(plain + "useCursorFetch=true"));
        section("stream", () -> {
            try (Connection c = connect("", plain); Statement s = c.createStatement()) {
                s.setFetchSize(Integer.MIN_VALUE);
                ResultSet r = s.executeQuery("SELECT i FROM TABLE(generate_series(1, 100000)) AS g(i)");
                long sum = 0;
                while (r.next()) sum += r.getLong(1);
                System.out.println(sum);
            }
        });
        section("transactions", () -> transactions(plain));
        section("stopping", () -> stopping(plain));
        section("several", () -> {
            try (Connection c = connect("jdbc", plain + "allowMultiQueries=true"); Statement s = c.createStatement()) {
                boolean rows = s.execute("SELECT 1; SET @a = 2; SELECT @a");
                for (int i = 0; i < 3; i++) {
                    if (rows) print("rows", s.getResultSet());
                    else System.out.println("count: " + s.getUpdateCount());
                    rows = s.getMoreResults();
                }
            }
        });
        section("refused several", () -> {
            try (Connection c = connect("jdbc", plain); Statement s = c.createStatement()) {
                try {
                    s.execute("CREATE DATABASE half; SELECT 1");
                } finally {
                    System.out.println(one(c, "SELECT count(*) FROM information_schema.schemata WHERE schema_name = 'half'"));
                }
            }
        });
        section("errors", () -> {
            try (Connection c = connect("jdbc", plain); Statement s = c.createStatement()) {
                for (String bad : List.of("SELEC 1", "SELECT * FROM nosuch", "SELECT nosuch FROM items", "USE nosuch", "INSERT INTO items (id) VALUES (1)", "CREATE TABLE items (id INT)")) {
                    try {
                        s.execute(bad);
                        System.out.println(bad + ": no error");
                    } catch (SQLException e) {
                        System.out.println(e.getErrorCode() + " " + e.getSQLState() + " " + e.getClass().getSimpleName() + ": " + first(e));
                    }
                }
            }
        });
    }

    interface Call { ResultSet run() throws SQLException; }

    /** Prints what a call gives, or why it gives nothing: a browser goes on as well. */
    static void list(String name, Call call, String... columns) {
        try {
            print(name, call.run(), columns);
        } catch (SQLException e) {
            System.out.println(name + ": " + e.getErrorCode() + " " + e.getSQLState() + " " + first(e));
        }
    }

    static void metadata(String options) throws Exception {
        try (Connection c = connect("jdbc", options)) {
            DatabaseMetaData d = c.getMetaData();
            list("catalog", () -> d.getCatalogs());
            list("schema", () -> d.getSchemas());
            list("table type", () -> d.getTableTypes());
            list("table", () -> d.getTables("jdbc", null, "%", null), "TABLE_CAT", "TABLE_SCHEM", "TABLE_NAME", "TABLE_TYPE", "REMARKS");
            list("only tables", () -> d.getTables("jdbc", null, "%", new String[] {"TABLE", "VIEW"}), "TABLE_NAME", "TABLE_TYPE");
            list("system", () -> d.getTables("information_schema", null, "table%s", new String[] {"SYSTEM VIEW"}), "TABLE_NAME", "TABLE_TYPE");
            list("column", () -> d.getColumns("jdbc", null, "items", "%"), "TABLE_NAME", "COLUMN_NAME", "DATA_TYPE", "TYPE_NAME", "COLUMN_SIZE", "DECIMAL_DIGITS",
                "NULLABLE", "REMARKS", "COLUMN_DEF", "ORDINAL_POSITION", "IS_NULLABLE", "IS_AUTOINCREMENT");
            list("one column", () -> d.getColumns("jdbc", null, "%", "line"), "TABLE_NAME", "COLUMN_NAME");
            list("primary key", () -> d.getPrimaryKeys("jdbc", null, "items"));
            list("index", () -> d.getIndexInfo("jdbc", null, "items", false, true), "TABLE_NAME", "NON_UNIQUE", "INDEX_NAME", "ORDINAL_POSITION", "COLUMN_NAME");
            list("imported", () -> d.getImportedKeys("jdbc", null, "items"));
            list("exported", () -> d.getExportedKeys("jdbc", null, "items"));
            list("cross", () -> d.getCrossReference("jdbc", null, "items", "jdbc", null, "log"));
            list("best row", () -> d.getBestRowIdentifier("jdbc", null, "items", DatabaseMetaData.bestRowSession, true), "COLUMN_NAME", "TYPE_NAME");
            list("version column", () -> d.getVersionColumns("jdbc", null, "items"));
            list("procedure", () -> d.getProcedures("jdbc", null, "%"));
            list("function", () -> d.getFunctions("jdbc", null, "%"));
            list("procedure column", () -> d.getProcedureColumns("jdbc", null, "%", "%"));
            list("table privilege", () -> d.getTablePrivileges("jdbc", null, "items"));
            list("column privilege", () -> d.getColumnPrivileges("jdbc", null, "items", "%"));
            list("udt", () -> d.getUDTs("jdbc", null, "%", null));
            int types = 0;
            for (ResultSet r = d.getTypeInfo(); r.next(); ) types++;
            System.out.println("types: " + (types > 20));
            Set<String> words = new TreeSet<>(List.of(d.getSQLKeywords().split(",")));
            System.out.println("keywords: " + (words.size() > 20) + " " + words.contains("LARGEINT"));
            System.out.println("user: " + d.getUserName() + ", read only: " + d.isReadOnly() + ", isolation: " + c.getTransactionIsolation());
            list("lake table", () -> d.getTables("sales", null, "%", null), "TABLE_NAME");
        }
        try (Connection c = connect("lake.sales", options)) {
            DatabaseMetaData d = c.getMetaData();
            list("lake schema", () -> d.getCatalogs());
            list("lake table", () -> d.getTables("sales", null, "%", null), "TABLE_CAT", "TABLE_NAME", "TABLE_TYPE");
            list("lake column", () -> d.getColumns("sales", null, "orders", "%"), "COLUMN_NAME", "TYPE_NAME", "DATA_TYPE");
            list("lake key", () -> d.getPrimaryKeys("sales", null, "orders"));
        }
    }

    static void statements(String options) throws Exception {
        try (Connection c = connect("jdbc", options); Statement s = c.createStatement()) {
            s.executeUpdate("TRUNCATE TABLE items");
            try (PreparedStatement p = c.prepareStatement("INSERT INTO items VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)")) {
                p.setLong(1, Long.MAX_VALUE);
                p.setString(2, "it's \"ü\" \\ %");
                p.setBigDecimal(3, new BigDecimal("-12345678.90"));
                p.setDate(4, java.sql.Date.valueOf("2024-02-29"));
                p.setTimestamp(5, Timestamp.valueOf("2024-02-29 23:59:58.123456"));
                p.setBoolean(6, true);
                p.setFloat(7, 1.5f);
                p.setDouble(8, -2.25e-10);
                p.setByte(9, (byte) -7);
                p.setString(10, "170141183460469231731687303715884105727");
                p.setBytes(11, new byte[] {0, 39, 92, (byte) 0xff});
                p.setString(12, "{\"a\": 1}");
                System.out.println("inserted: " + p.executeUpdate());
                p.setLong(1, 2);
                p.setString(2, "");
                for (int i = 3; i <= 12; i++) p.setNull(i, Types.VARCHAR);
                System.out.println("inserted: " + p.executeUpdate());
            }
            try (PreparedStatement p = c.prepareStatement("SELECT * FROM items WHERE id > ? AND name LIKE ? ORDER BY id DESC")) {
                p.setInt(1, 1);
                p.setString(2, "%");
                ResultSet r = p.executeQuery();
                ResultSetMetaData m = r.getMetaData();
                for (int i = 1; i <= m.getColumnCount(); i++) {
                    System.out.println(m.getColumnLabel(i) + " " + m.getColumnTypeName(i) + " " + m.getPrecision(i) + " " + m.getScale(i) + " " + m.getColumnClassName(i));
                }
                while (r.next()) {
                    System.out.println(r.getLong(1) + " | " + r.getString(2) + " | " + r.getBigDecimal(3) + " | " + r.getDate(4) + " | " + r.getTimestamp(5) + " | "
                        + r.getObject(6) + " | " + r.getFloat(7) + " | " + r.getDouble(8) + " | " + r.getByte(9) + " | " + r.getObject(10) + " | "
                        + (r.getBytes(11) == null ? null : HexFormat.of().formatHex(r.getBytes(11))) + " | " + r.getString(12) + " | " + r.wasNull());
                }
            }
            try (PreparedStatement p = c.prepareStatement("UPDATE items SET price = price + ? WHERE id = ?")) {
                p.setBigDecimal(1, new BigDecimal("0.05"));
                p.setLong(2, Long.MAX_VALUE);
                System.out.println("updated: " + p.executeUpdate());
            }
            System.out.println("price: " + one(c, "SELECT price FROM items WHERE price IS NOT NULL"));
            s.setMaxRows(3);
            try (ResultSet r = s.executeQuery("SELECT i FROM TABLE(generate_series(1, 10)) AS g(i)")) {
                int n = 0;
                while (r.next()) n++;
                System.out.println("max rows: " + n);
            }
            try (PreparedStatement p = c.prepareStatement("SELECT ?, ? + 1")) {
                System.out.println("parameters: " + p.getParameterMetaData().getParameterCount());
                p.setObject(1, java.time.LocalDateTime.of(2024, 1, 2, 3, 4, 5));
                p.setObject(2, 41);
                print("row", p.executeQuery());
            }
            System.out.println("deleted: " + s.executeUpdate("DELETE FROM items WHERE id > 0"));
        }
    }

    static void batches(String options) throws Exception {
        for (boolean rewrite : new boolean[] {false, true}) {
            try (Connection c = connect("jdbc", options + "&rewriteBatchedStatements=" + rewrite)) {
                try (PreparedStatement p = c.prepareStatement("INSERT INTO items (id, name) VALUES (?, ?)")) {
                    for (int i = 0; i < 500; i++) {
                        p.setInt(1, i);
                        p.setString(2, "n" + i);
                        p.addBatch();
                    }
                    System.out.println("batch of " + p.executeBatch().length + ": " + one(c, "SELECT concat(count(*), ' ', min(name), ' ', max(id)) FROM items"));
                }
                try (PreparedStatement p = c.prepareStatement("UPDATE items SET name = ? WHERE id = ?")) {
                    for (int i = 0; i < 5; i++) {
                        p.setString(1, "u" + i);
                        p.setInt(2, i);
                        p.addBatch();
                    }
                    System.out.println("updates: " + Arrays.toString(p.executeBatch()));
                }
                try (Statement s = c.createStatement()) {
                    s.addBatch("DELETE FROM items WHERE id < 100");
                    s.addBatch("DELETE FROM items WHERE id >= 100");
                    System.out.println("deletes: " + Arrays.toString(s.executeBatch()));
                }
            }
        }
    }

    static void cursor(String options) throws Exception {
        try (Connection c = connect("jdbc", options); PreparedStatement p = c.prepareStatement("SELECT i, concat('row ', i) FROM TABLE(generate_series(1, ?)) AS g(i)")) {
            p.setFetchSize(1000);
            p.setInt(1, 25000);
            int n = 0;
            long sum = 0;
            try (ResultSet r = p.executeQuery()) {
                while (r.next()) {
                    n++;
                    sum += r.getLong(1);
                    if (n == 5000) System.out.println("beside it: " + one(c, "SELECT 7"));
                }
            }
            System.out.println(n + " rows, sum " + sum);
            p.setInt(1, 3);
            print("again", p.executeQuery());
            p.setInt(1, 25000);
            ResultSet left = p.executeQuery();
            left.next();
            left.close();
            System.out.println("left early: " + one(c, "SELECT 8"));
            c.setAutoCommit(false);
            n = 0;
            try (ResultSet r = p.executeQuery()) {
                while (r.next()) {
                    if (++n % 5000 == 0) one(c, "SELECT count(*) FROM TABLE(generate_series(1, 100000)) AS g(i)");
                }
            }
            c.commit();
            System.out.println("in a transaction: " + n + " rows");
        }
    }

    static void transactions(String options) throws Exception {
        try (Connection c = connect("jdbc", options); Statement s = c.createStatement()) {
            s.execute("BEGIN");
            s.executeUpdate("INSERT INTO log VALUES ('2024-01-01', 'one')");
            System.out.println("inside: " + one(c, "SELECT count(*) FROM log"));
            s.execute("ROLLBACK");
            System.out.println("after rollback: " + one(c, "SELECT count(*) FROM log"));
            c.setAutoCommit(false);
            System.out.println("autocommit: " + c.getAutoCommit());
            s.executeUpdate("INSERT INTO log VALUES ('2024-01-01', 'two')");
            c.commit();
            System.out.println("after commit: " + one(c, "SELECT count(*) FROM log"));
            c.setAutoCommit(true);
            c.setTransactionIsolation(Connection.TRANSACTION_READ_COMMITTED);
            c.setReadOnly(true);
            System.out.println("read only: " + one(c, "SELECT count(*) FROM log"));
            c.setReadOnly(false);
            c.setCatalog("information_schema");
            System.out.println("catalog: " + c.getCatalog());
            System.out.println("valid: " + c.isValid(1));
        }
    }

    static final String LONG = "SELECT count(*) FROM TABLE(generate_series(1, 100000)) AS a(x), TABLE(generate_series(1, 100000)) AS b(y) WHERE a.x * b.y % 7 = 3";

    static void stopping(String options) throws Exception {
        try (Connection c = connect("jdbc", options); Statement s = c.createStatement()) {
            s.setQueryTimeout(1);
            try {
                s.executeQuery(LONG);
                System.out.println("no timeout");
            } catch (SQLTimeoutException e) {
                System.out.println("timeout: " + first(e));
            }
            s.setQueryTimeout(0);
            CompletableFuture<String> stopped = CompletableFuture.supplyAsync(() -> {
                try {
                    s.executeQuery(LONG);
                    return "no cancel";
                } catch (SQLException e) {
                    return "cancelled"; // by the server, or by the driver if it notices first
                }
            });
            try (Connection other = connect("", options); Statement watch = other.createStatement()) {
                for (boolean running = false; !running; ) {
                    try (ResultSet r = watch.executeQuery("SHOW PROCESSLIST")) {
                        while (r.next()) running |= String.valueOf(r.getString("Info")).startsWith("SELECT count(*)");
                    }
                }
            }
            s.cancel();
            System.out.println(stopped.get(20, TimeUnit.SECONDS));
            System.out.println("still usable: " + one(c, "SELECT 9"));
        }
    }
}
