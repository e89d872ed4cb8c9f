-- Distribution point groups. Which package a distribution point shall hold stays in `distribution`; a group adds only who
-- belongs together, and what is sent to whoever joins.

CREATE TABLE dp_group (
    group_id TEXT PRIMARY KEY NOT NULL,
    name TEXT NOT NULL,
    name_key TEXT NOT NULL UNIQUE,
    description TEXT NOT NULL,
    source_site TEXT NOT NULL,
    created_by TEXT NOT NULL,
    created_at BIGINT NOT NULL,
    modified_by TEXT NOT NULL,
    modified_at BIGINT NOT NULL
);

-- A distribution point that is removed from the site leaves its groups.
CREATE TABLE dp_group_member (
    group_id TEXT NOT NULL REFERENCES dp_group (group_id) ON DELETE CASCADE,
    dp_id BIGINT NOT NULL REFERENCES dp (id) ON DELETE CASCADE,
    PRIMARY KEY (group_id, dp_id)
);
CREATE INDEX dp_group_member_by_dp ON dp_group_member (dp_id, group_id);

CREATE TABLE dp_group_package (
    group_id TEXT NOT NULL REFERENCES dp_group (group_id) ON DELETE CASCADE,
    package_id TEXT NOT NULL REFERENCES package (package_id) ON DELETE CASCADE,
    PRIMARY KEY (group_id, package_id)
);
CREATE INDEX dp_group_package_by_package ON dp_group_package (package_id, group_id);
