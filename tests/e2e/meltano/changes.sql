-- What happens between two runs.
INSERT INTO shop.orders VALUES (4, 'dan', 7, '2024-01-04T00:00:00Z');
UPDATE shop.orders SET customer = 'robert', updated_at = '2024-01-05T00:00:00Z' WHERE id = 2;
UPDATE shop.lines SET item = 'screw' WHERE (order_id, line_no) = (1, 1);
INSERT INTO archive.orders VALUES (104, false);
INSERT INTO crm.contacts VALUES (5, 'fay@example.com', '+5', '{"city": "Paris"}', '2024-01-05T00:00:00');
UPDATE crm.contacts SET email = 'ann@example.org', changed_at = '2024-01-06T00:00:00' WHERE id = 1;
