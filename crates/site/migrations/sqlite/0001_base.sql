-- Times are unix microseconds, booleans 0 or 1; docs/database.md explains every table.
-- This file and postgres/0001_base.sql differ only in how a row number is made and in one collation.

CREATE TABLE counter (name TEXT PRIMARY KEY NOT NULL, value BIGINT NOT NULL);
INSERT INTO counter (name, value) VALUES ('package', 0), ('revision', 0);

CREATE TABLE site (
    id BIGINT PRIMARY KEY NOT NULL CHECK (id = 1),
    site_code TEXT NOT NULL,
    site_name TEXT NOT NULL,
    site_guid TEXT NOT NULL,
    server_name TEXT NOT NULL,
    created_at BIGINT NOT NULL
);

CREATE TABLE admin_user (
    id INTEGER PRIMARY KEY AUTOINCREMENT NOT NULL,
    name TEXT NOT NULL,
    name_key TEXT NOT NULL UNIQUE,
    password_hash TEXT NOT NULL,
    role BIGINT NOT NULL,
    created_at BIGINT NOT NULL
);

CREATE TABLE api_token (
    id INTEGER PRIMARY KEY AUTOINCREMENT NOT NULL,
    user_id BIGINT NOT NULL REFERENCES admin_user (id) ON DELETE CASCADE,
    label TEXT NOT NULL,
    secret_hash TEXT NOT NULL UNIQUE,
    created_at BIGINT NOT NULL,
    expires_at BIGINT NOT NULL
);
CREATE INDEX api_token_by_user ON api_token (user_id);

CREATE TABLE package (
    package_id TEXT PRIMARY KEY NOT NULL,
    name TEXT NOT NULL,
    description TEXT NOT NULL,
    manufacturer TEXT NOT NULL,
    language TEXT NOT NULL,
    version TEXT NOT NULL,
    mif_filename TEXT NOT NULL,
    mif_name TEXT NOT NULL,
    mif_publisher TEXT NOT NULL,
    mif_version TEXT NOT NULL,
    isv_string TEXT NOT NULL,
    alternate_content_providers TEXT NOT NULL,
    share_name TEXT NOT NULL,
    share_type BIGINT NOT NULL,
    stored_pkg_path TEXT NOT NULL,
    preferred_address_type TEXT NOT NULL,
    ignore_address_schedule BIGINT NOT NULL,
    forced_disconnect_enabled BIGINT NOT NULL,
    forced_disconnect_delay BIGINT NOT NULL,
    forced_disconnect_num_retries BIGINT NOT NULL,
    num_of_programs BIGINT NOT NULL,
    pkg_flags BIGINT NOT NULL,
    priority BIGINT NOT NULL,
    pkg_source_flag BIGINT NOT NULL,
    pkg_source_path TEXT NOT NULL,
    -- What the site itself maintains.
    package_type BIGINT NOT NULL,
    source_site TEXT NOT NULL,
    action_in_progress BIGINT NOT NULL DEFAULT 0,
    source_version BIGINT NOT NULL DEFAULT 0,
    stored_version BIGINT NOT NULL DEFAULT 0,
    source_bytes BIGINT NOT NULL DEFAULT 0,
    content_hash TEXT,
    source_date BIGINT,
    last_refresh_at BIGINT,
    edition BIGINT NOT NULL DEFAULT 1,
    created_at BIGINT NOT NULL,
    -- Refresh requests are counted; the worker raises refresh_done to what its snapshot answers.
    refresh_requested BIGINT NOT NULL DEFAULT 0,
    refresh_forced BIGINT NOT NULL DEFAULT 0,
    refresh_done BIGINT NOT NULL DEFAULT 0,
    refresh_since BIGINT,
    -- The claim on the running snapshot.
    lease_owner TEXT,
    lease_until BIGINT,
    claimed_request BIGINT NOT NULL DEFAULT 0,
    -- Why the last snapshot failed, and when the next is due.
    snapshot_attempts BIGINT NOT NULL DEFAULT 0,
    snapshot_next_at BIGINT,
    source_fault_code TEXT,
    source_fault_message TEXT,
    source_fault_at BIGINT
);
CREATE INDEX package_by_refresh ON package (priority, refresh_since) WHERE refresh_requested > refresh_done;

CREATE TABLE package_version (
    package_id TEXT NOT NULL REFERENCES package (package_id) ON DELETE CASCADE,
    version BIGINT NOT NULL,
    manifest_id TEXT NOT NULL,
    content_hash TEXT NOT NULL,
    files BIGINT NOT NULL,
    folders BIGINT NOT NULL,
    bytes BIGINT NOT NULL,
    stored_new_bytes BIGINT NOT NULL,
    published_at BIGINT NOT NULL,
    retained BIGINT NOT NULL,
    PRIMARY KEY (package_id, version)
);

CREATE TABLE dp (
    id INTEGER PRIMARY KEY AUTOINCREMENT NOT NULL,
    name TEXT NOT NULL,
    name_key TEXT NOT NULL UNIQUE,
    nal_path TEXT NOT NULL,
    content_url TEXT NOT NULL DEFAULT '',
    agent_version TEXT NOT NULL DEFAULT '',
    identity_guid TEXT NOT NULL,
    secret_hash TEXT UNIQUE,
    certificate_fingerprint TEXT UNIQUE,
    created_at BIGINT NOT NULL,
    enrolled_at BIGINT,
    last_seen_at BIGINT
);

CREATE INDEX dp_by_nal_path ON dp (LOWER(nal_path));

CREATE TABLE enrol_token (
    secret_hash TEXT PRIMARY KEY NOT NULL,
    dp_id BIGINT NOT NULL REFERENCES dp (id) ON DELETE CASCADE,
    created_at BIGINT NOT NULL,
    expires_at BIGINT NOT NULL,
    used_at BIGINT
);
CREATE INDEX enrol_token_by_dp ON enrol_token (dp_id);

CREATE TABLE distribution (
    package_id TEXT NOT NULL REFERENCES package (package_id),
    dp_id BIGINT NOT NULL REFERENCES dp (id),
    -- Desired.
    absent BIGINT NOT NULL,
    desired_version BIGINT NOT NULL,
    verify BIGINT NOT NULL,
    generation BIGINT NOT NULL,
    revision BIGINT NOT NULL,
    demanded_at BIGINT NOT NULL,
    -- Reported.
    state BIGINT NOT NULL,
    installed_version BIGINT NOT NULL DEFAULT 0,
    attempts BIGINT NOT NULL DEFAULT 0,
    next_attempt_at BIGINT,
    bytes_total BIGINT NOT NULL DEFAULT 0,
    bytes_done BIGINT NOT NULL DEFAULT 0,
    bytes_received BIGINT NOT NULL DEFAULT 0,
    files_verified BIGINT NOT NULL DEFAULT 0,
    fault_code TEXT,
    fault_message TEXT,
    fault_file TEXT,
    fault_at BIGINT,
    last_copied_at BIGINT,
    last_verified_at BIGINT,
    reported_at BIGINT,
    changed_at BIGINT NOT NULL,
    PRIMARY KEY (package_id, dp_id)
);
CREATE UNIQUE INDEX distribution_by_revision ON distribution (dp_id, revision);
CREATE INDEX distribution_changes ON distribution (revision);

CREATE TABLE status_message (
    id INTEGER PRIMARY KEY AUTOINCREMENT NOT NULL,
    at BIGINT NOT NULL,
    severity BIGINT NOT NULL,
    message_id BIGINT NOT NULL,
    component TEXT NOT NULL,
    package_id TEXT,
    dp_name TEXT,
    user_name TEXT,
    inserts TEXT NOT NULL
);
CREATE INDEX status_message_by_package ON status_message (package_id, id);
CREATE INDEX status_message_by_time ON status_message (at);
