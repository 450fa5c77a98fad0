-- What a bad release does to a good database.
ALTER TABLE entries RENAME COLUMN signed TO written;
DELETE FROM entries WHERE id % 2 = 0;
