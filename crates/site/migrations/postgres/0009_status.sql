-- What a status message says beside its text, attributes that callers give, and two settings.
-- The two files differ only in the functions and the repair at the end of the one for PostgreSQL.

ALTER TABLE status_message ADD COLUMN message_type BIGINT NOT NULL DEFAULT 256;
ALTER TABLE status_message ADD COLUMN module_name TEXT NOT NULL DEFAULT 'SMS Server';
-- Empty: the site server.
ALTER TABLE status_message ADD COLUMN machine_name TEXT NOT NULL DEFAULT '';
ALTER TABLE status_message ADD COLUMN win32_error BIGINT NOT NULL DEFAULT 0;
ALTER TABLE status_message ADD COLUMN process_id BIGINT NOT NULL DEFAULT 0;
ALTER TABLE status_message ADD COLUMN thread_id BIGINT NOT NULL DEFAULT 0;
UPDATE status_message SET message_type = 768, module_name = 'SMS Provider' WHERE user_name IS NOT NULL;
UPDATE status_message SET machine_name = dp_name
WHERE component = 'SMS_DISTRIBUTION_POINT_MONITOR' AND dp_name IS NOT NULL;
UPDATE status_message SET message_type = 512 WHERE message_id IN (2300, 2342, 2376);
-- The last message of a package at a distribution point.
CREATE INDEX status_message_by_dp ON status_message (dp_name, package_id, id);

-- Attributes beyond those that every message has of itself (package, user, distribution point).
CREATE TABLE status_attribute (
    record_id BIGINT NOT NULL REFERENCES status_message (id) ON DELETE CASCADE,
    attribute_id BIGINT NOT NULL,
    value TEXT NOT NULL,
    PRIMARY KEY (record_id, attribute_id, value)
);

-- SMS_DistributionDPStatus.MessageState after the last allowed attempt failed: 3 as documented, or 4.
ALTER TABLE site ADD COLUMN failed_message_state BIGINT NOT NULL DEFAULT 3;

-- What an administrator said of a platform with SMS_SupportedPlatforms.Enable. Not a column of supported_platform, which
-- is made anew when the program's own table differs.
CREATE TABLE platform_choice (platform_id TEXT PRIMARY KEY NOT NULL, is_supported BIGINT NOT NULL);

-- Two functions of SQLite, so that the views are one file for both back ends.
CREATE FUNCTION json_extract(stored TEXT, path TEXT) RETURNS TEXT LANGUAGE SQL IMMUTABLE STRICT AS
    $$ SELECT jsonb_path_query_first(stored::jsonb, path::jsonpath) #>> '{}' $$;
CREATE FUNCTION instr(whole TEXT, part TEXT) RETURNS BIGINT LANGUAGE SQL IMMUTABLE STRICT AS
    $$ SELECT strpos(whole, part)::BIGINT $$;

-- PostgreSQL cannot read NUL from JSON; new messages hold none.
UPDATE status_message SET inserts = regexp_replace(inserts, '(?<!\\)((?:\\\\)*)\\u0000', '\1 ', 'g')
WHERE strpos(inserts, '\u0000') > 0;
