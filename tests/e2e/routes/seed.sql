-- What each database of a test begins with.
CREATE SCHEMA shop;
CREATE SCHEMA archive;
CREATE TABLE shop.orders (id integer PRIMARY KEY, customer text, amount numeric(38, 10), updated_at timestamptz NOT NULL);
INSERT INTO shop.orders VALUES
  (1, 'ann', 1234567890123456789012345678.0123456789, '2024-01-01T00:00:00Z'),
  (2, 'bob', 0.1, '2024-01-02T00:00:00Z'),
  (3, 'cid', NULL, '2024-01-03T00:00:00Z');
CREATE TABLE shop.lines (order_id integer, line_no smallint, item varchar(40), PRIMARY KEY (order_id, line_no));
INSERT INTO shop.lines VALUES (1, 1, 'nut'), (1, 2, 'bolt'), (2, 1, 'washer');
CREATE TABLE archive.orders (id integer PRIMARY KEY, closed boolean);
INSERT INTO archive.orders VALUES (100, true);
-- Whoever reads this gets as far as its second row.
CREATE VIEW shop.wrong AS SELECT id, 10 / (2 - id) AS part FROM shop.orders;
