-- Content that a site found damaged in its library and fetched again: JSON, the last few, as the site tells them.
ALTER TABLE site_node ADD COLUMN repairs TEXT NOT NULL DEFAULT '[]';
