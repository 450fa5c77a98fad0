INSERT INTO entries (text, length) VALUES (:'text', length(:'text'));
