-- Up to here version numbers may have been used that this database does not know, since it was restored from a backup.
ALTER TABLE package ADD COLUMN version_floor BIGINT NOT NULL DEFAULT 0;
