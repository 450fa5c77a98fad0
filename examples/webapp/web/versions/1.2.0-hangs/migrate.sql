-- What a bad release does to a good database.
ALTER TABLE entries DROP COLUMN IF EXISTS signed;
