-- Which text made the views that are there (docs/database.md).
CREATE TABLE view_set (id BIGINT PRIMARY KEY NOT NULL CHECK (id = 1), digest TEXT NOT NULL);
