-- Packages of other types than drivers, what partners keep with packages, console folders, locks, cancelled distributions.

-- Of SMS_Package only.
ALTER TABLE package ADD COLUMN default_image_flags BIGINT NOT NULL DEFAULT 0;
ALTER TABLE package ADD COLUMN transform_analysis_date BIGINT;
ALTER TABLE package ADD COLUMN transform_readiness BIGINT NOT NULL DEFAULT 0;

-- Bytes as base64, and their lengths, which lists show. The lengths are first: SQLite reads a long row up to the last
-- column that is asked for. A package without any has no row.
CREATE TABLE package_data (
    package_id TEXT PRIMARY KEY NOT NULL REFERENCES package (package_id) ON DELETE CASCADE,
    icon_bytes BIGINT NOT NULL,
    extended_data_bytes BIGINT NOT NULL,
    isv_data_bytes BIGINT NOT NULL,
    icon TEXT,
    extended_data TEXT,
    isv_data TEXT
);

-- The agent shall transfer nothing until the next demand.
ALTER TABLE distribution ADD COLUMN cancelled BIGINT NOT NULL DEFAULT 0;
ALTER TABLE distribution ADD COLUMN isv_string TEXT NOT NULL DEFAULT '';
ALTER TABLE distribution ADD COLUMN isv_data_bytes BIGINT NOT NULL DEFAULT 0;
-- Base64.
ALTER TABLE distribution ADD COLUMN isv_data TEXT;

-- Console folders count from 16777217, so that an object path ends in eight digits; parent 0 is the root of a type.
INSERT INTO counter (name, value) VALUES ('folder', 16777216), ('folder item', 16777216);

CREATE TABLE folder (
    folder_id BIGINT PRIMARY KEY NOT NULL,
    name TEXT NOT NULL,
    name_key TEXT NOT NULL,
    object_type BIGINT NOT NULL,
    parent_id BIGINT NOT NULL,
    folder_flags BIGINT NOT NULL,
    folder_guid TEXT NOT NULL,
    search_folder BIGINT NOT NULL,
    search_string TEXT NOT NULL,
    source_site TEXT NOT NULL,
    UNIQUE (object_type, parent_id, name_key)
);
CREATE INDEX folder_by_parent ON folder (parent_id);

-- What is in the root has no row.
CREATE TABLE folder_item (
    member_id BIGINT PRIMARY KEY NOT NULL,
    member_guid TEXT NOT NULL,
    folder_id BIGINT NOT NULL REFERENCES folder (folder_id),
    object_type BIGINT NOT NULL,
    instance_key TEXT NOT NULL,
    source_site TEXT NOT NULL,
    UNIQUE (object_type, instance_key)
);
CREATE INDEX folder_item_by_folder ON folder_item (folder_id);

-- Explicit locks of serialized editing. An object is its relative path as the site writes it.
CREATE TABLE object_lock (
    object TEXT PRIMARY KEY NOT NULL,
    user_name TEXT NOT NULL,
    machine TEXT NOT NULL,
    context TEXT NOT NULL,
    site_code TEXT NOT NULL,
    assigned_at BIGINT NOT NULL,
    used_at BIGINT NOT NULL
);
CREATE INDEX object_lock_by_user ON object_lock (user_name);

-- How requests for locks ended, for those who ask later.
CREATE TABLE lock_request (
    request_id TEXT PRIMARY KEY NOT NULL,
    object TEXT NOT NULL,
    user_name TEXT NOT NULL,
    state BIGINT NOT NULL,
    requested_at BIGINT NOT NULL
);
CREATE INDEX lock_request_by_user ON lock_request (user_name, requested_at);
