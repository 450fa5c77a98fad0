CREATE SCHEMA IF NOT EXISTS guestbook;
CREATE TABLE IF NOT EXISTS entries (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, text text NOT NULL, signed timestamptz NOT NULL DEFAULT now());
-- Every later entry has a length, which 1.0.0 does not write: there is no way back but with a dump.
ALTER TABLE entries ADD COLUMN IF NOT EXISTS length int;
UPDATE entries SET length = length(text) WHERE length IS NULL;
ALTER TABLE entries ALTER COLUMN length SET NOT NULL;
