import java.sql.*;
import java.util.concurrent.CompletableFuture;

/** Drives a server with Connector/J and prints what it sees. */
public class Client {
    public static void main(String[] args) throws Exception {
        String url = "jdbc:mysql://" + args[0] + "/shop?allowPublicKeyRetrieval=true&";
        for (String mode : new String[] {"sslMode=DISABLED", "sslMode=REQUIRED"}) {
            for (String user : new String[] {"root", "native", "sha2"}) {
                try (Connection c = connect(url + mode, user); Statement s = c.createStatement()) {
                    System.out.println(mode + " " + user + ": " + single(s, "select 42"));
                }
            }
        }
        types(url + "useServerPrepStmts=false", "text");
        types(url + "useServerPrepStmts=true", "binary");
        cursor(url + "useCursorFetch=true&defaultFetchSize=100");
        several(url + "allowMultiQueries=true");
        cancel(url);
    }

    static Connection connect(String url, String user) throws SQLException {
        return DriverManager.getConnection(url, user, user.equals("root") ? "" : "secret");
    }

    static String single(Statement s, String query) throws SQLException {
        try (ResultSet r = s.executeQuery(query)) {
            r.next();
            return r.getString(1);
        }
    }

    static void types(String url, String name) throws Exception {
        try (Connection c = connect(url, "root"); PreparedStatement p = c.prepareStatement("select types")) {
            ResultSet r = p.executeQuery();
            ResultSetMetaData m = r.getMetaData();
            r.next();
            StringBuilder out = new StringBuilder(name + ":");
            for (int i = 1; i <= m.getColumnCount(); i++) {
                out.append(' ').append(m.getColumnTypeName(i)).append('=');
                out.append(m.getColumnType(i) == Types.LONGVARBINARY ? r.getBytes(i).length + " bytes" : r.getString(i));
            }
            System.out.println(out);
            System.out.println(name + ": " + r.getTimestamp(24) + " " + r.getBigDecimal(15) + " " + r.getLong(6));
            PreparedStatement e = c.prepareStatement("select echo ? ? ? ? ? ?");
            e.setLong(1, -7);
            e.setString(2, "grüße");
            e.setDouble(3, 1.5);
            e.setBigDecimal(4, new java.math.BigDecimal("12.30"));
            e.setNull(5, Types.INTEGER);
            e.setBytes(6, new byte[] {0, (byte) 0xff});
            if (name.equals("binary")) {
                r = e.executeQuery();
                r.next();
                for (int i = 1; i <= 6; i++) System.out.println("argument: " + r.getString(i));
            }
        }
    }

    static void cursor(String url) throws Exception {
        try (Connection c = connect(url, "root"); PreparedStatement p = c.prepareStatement("select rows 5000")) {
            ResultSet r = p.executeQuery();
            int n = 0;
            long sum = 0;
            while (r.next()) {
                n++;
                sum += r.getLong("id");
                if (n == 2500) {
                    try (Statement other = c.createStatement()) {
                        System.out.println("beside the cursor: " + single(other, "select 7"));
                    }
                }
            }
            System.out.println("cursor: " + n + " rows, sum " + sum);
            r = p.executeQuery();
            r.next();
            r.close();
            PreparedStatement none = c.prepareStatement("insert");
            System.out.println("without rows: " + none.executeUpdate());
            try {
                c.prepareStatement("select half").executeQuery();
            } catch (SQLException e) {
                System.out.println("half: " + e.getErrorCode() + " " + e.getMessage());
            }
        }
    }

    static void several(String url) throws Exception {
        try (Connection c = connect(url, "root"); Statement s = c.createStatement()) {
            boolean rows = s.execute("select 1; insert; select 2");
            while (rows || s.getUpdateCount() != -1) {
                if (rows) {
                    s.getResultSet().next();
                    System.out.println("result: " + s.getResultSet().getString(1));
                } else {
                    System.out.println("updated: " + s.getUpdateCount());
                }
                rows = s.getMoreResults();
            }
            try {
                s.execute("select 1; fail x");
            } catch (SQLException e) {
                System.out.println("failed: " + e.getErrorCode() + " " + e.getSQLState());
            }
            try (Connection single = connect(url.replace("allowMultiQueries=true", ""), "root")) {
                single.createStatement().execute("select 1; select 2");
            } catch (SQLException e) {
                System.out.println("refused: " + e.getErrorCode());
            }
        }
    }

    static void cancel(String url) throws Exception {
        try (Connection c = connect(url, "root"); Statement s = c.createStatement()) {
            CompletableFuture<Void> canceller = CompletableFuture.runAsync(() -> {
                try {
                    System.in.read(); // the test tells when the statement runs
                    s.cancel();
                } catch (Exception e) {
                    throw new RuntimeException(e);
                }
            });
            try {
                s.execute("sleep");
            } catch (SQLException e) {
                // 0 is the driver's own error, given if cancel() has returned by then.
                System.out.println("cancelled: " + (e.getErrorCode() == 1317 || e.getErrorCode() == 0));
            }
            canceller.get();
            System.out.println("still there: " + single(s, "select 1"));
        }
    }
}
