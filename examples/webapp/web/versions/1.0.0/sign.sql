INSERT INTO entries (text) VALUES (:'text');
