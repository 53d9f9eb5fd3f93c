-- What the shop has besides `routes/seed.sql`.
INSERT INTO shop.orders VALUES (5, 'eve', 12.50, '2024-01-02T12:00:00Z');
ALTER TABLE shop.lines ADD COLUMN price_secret numeric;
UPDATE shop.lines SET price_secret = 99;
INSERT INTO archive.orders VALUES (101, false), (102, true), (103, NULL);
CREATE SCHEMA crm;
CREATE TABLE crm.contacts
  (id integer PRIMARY KEY, email text, phone text, address jsonb, changed_at timestamp NOT NULL);
INSERT INTO crm.contacts VALUES
  (1, 'ann@example.com', '+1', '{"city": "Oslo", "lines": ["a", "b"]}', '2024-01-01T00:00:00'),
  (2, 'bob@example.com', '+2', NULL, '2024-01-02T00:00:00'),
  (3, 'cid@example.com', '+3', '{}', '2024-01-03T00:00:00.123456'),
  (4, 'dan@example.com', '+4', '{"city": null}', '2024-01-04T00:00:00.654321');
