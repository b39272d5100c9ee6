CREATE SCHEMA shop;
CREATE TABLE shop.customers (id INT NOT NULL PRIMARY KEY, name VARCHAR(50) NOT NULL DISTKEY, born DATE ENCODE az64, credit DECIMAL(10,2) DEFAULT 0) DISTSTYLE KEY SORTKEY (id);
SET search_path TO shop, public;
INSERT INTO customers (id, name) VALUES (1, 'Ann'), (2, 'Bob');
SELECT * FROM customers ORDER BY id DESC;
UPDATE customers SET credit = id / 2 WHERE name ~ '^B';
SELECT TOP 1 Id, NVL(born, '1970-01-01'), DECODE(id, 1, 'one', 2, 'two'), credit, id / 2 FROM customers ORDER BY born, id DESC;
SELECT DATEDIFF(year, '2023-12-31', '2024-01-01'), DATEADD(m, 1, DATE '2024-01-31'), LISTAGG(name, '+') WITHIN GROUP (ORDER BY id) FROM customers;
\d
\dt+
\d customers
\dn
\l
\du
\df
\dv
\conninfo
\copy customers (id, name) to stdout
COPY customers (id, name) FROM STDIN WITH (FORMAT csv);
3,"Carl, ""C"""
4,
\.
INSERT INTO customers (id, name) VALUES (5, repeat('x', 51));
SELECT count(*) FROM customers;
SELECT missing FROM customers;
SELECT 1 / 0;
BEGIN;
DELETE FROM customers;
ROLLBACK;
\set FETCH_COUNT 1
SELECT id FROM customers ORDER BY id;
SHOW search_path;
SHOW nosuch;
COPY customers FROM 's3://bucket/key' IAM_ROLE default;
