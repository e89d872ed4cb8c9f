-- When the site last read its whole content library anew, microseconds since 1970; of the site's own row.
ALTER TABLE site_node ADD COLUMN library_verified_at BIGINT;
