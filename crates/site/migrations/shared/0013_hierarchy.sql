-- The hierarchy: every site of it, and what a site must know of the others' rows (docs/database.md).

-- Rows from before are told under the revision 1.
UPDATE counter SET value = value + 1 WHERE name = 'revision';

CREATE TABLE site_node (
    site_code TEXT PRIMARY KEY NOT NULL,
    site_name TEXT NOT NULL,
    -- 1 secondary, 2 primary, 4 central administration site.
    site_type BIGINT NOT NULL,
    -- NULL at the top.
    parent_code TEXT,
    server_name TEXT NOT NULL,
    -- Ed25519, hex; empty where it has none yet. Endorsements are JSON.
    signing_key TEXT NOT NULL DEFAULT '',
    endorsements TEXT NOT NULL DEFAULT '[]',
    revision BIGINT NOT NULL,
    -- The revision that the site itself gave its row.
    stamp BIGINT NOT NULL DEFAULT 0,
    -- Of children: how they prove who they are.
    secret_hash TEXT UNIQUE,
    certificate_fingerprint TEXT UNIQUE,
    joined_at BIGINT,
    -- Of neighbors: when it was heard of, its revision up to which everything is here, and this site's revision up to
    -- which it has everything.
    last_seen_at BIGINT,
    received_revision BIGINT NOT NULL DEFAULT 0,
    acknowledged_revision BIGINT NOT NULL DEFAULT 0
);
CREATE INDEX site_node_changes ON site_node (revision);
INSERT INTO site_node (site_code, site_name, site_type, server_name, revision)
SELECT site_code, site_name, 2, server_name, 1 FROM site;

-- One-time tokens by which child sites join.
CREATE TABLE site_token (
    secret_hash TEXT PRIMARY KEY NOT NULL,
    site_code TEXT NOT NULL,
    site_type BIGINT NOT NULL,
    created_at BIGINT NOT NULL,
    expires_at BIGINT NOT NULL,
    used_at BIGINT
);
CREATE INDEX site_token_by_site ON site_token (site_code);

-- Whose the distribution point is. name_key of those of other sites ends in '@' and the site's code.
ALTER TABLE dp ADD COLUMN site_code TEXT NOT NULL DEFAULT '';
UPDATE dp SET site_code = (SELECT s.site_code FROM site s);
ALTER TABLE dp ADD COLUMN revision BIGINT NOT NULL DEFAULT 1;
ALTER TABLE dp ADD COLUMN stamp BIGINT NOT NULL DEFAULT 0;
CREATE INDEX dp_changes ON dp (revision);
CREATE INDEX dp_by_site ON dp (site_code);

-- Rises when the package goes to another owner. learned_from is the neighbor that told the row; empty: this site.
ALTER TABLE package ADD COLUMN owner_epoch BIGINT NOT NULL DEFAULT 1;
ALTER TABLE package ADD COLUMN revision BIGINT NOT NULL DEFAULT 1;
ALTER TABLE package ADD COLUMN stamp BIGINT NOT NULL DEFAULT 0;
ALTER TABLE package ADD COLUMN learned_from TEXT NOT NULL DEFAULT '';
-- JSON: who owned it in which epoch, the last few.
ALTER TABLE package ADD COLUMN former_owners TEXT NOT NULL DEFAULT '[]';
CREATE INDEX package_changes ON package (revision);

-- Who answers for a version (JSON); NULL for those from before.
ALTER TABLE package_version ADD COLUMN signature TEXT;

-- The newest version of a package that another site owns, whether or not its bytes are here.
CREATE TABLE offered_version (
    package_id TEXT PRIMARY KEY NOT NULL REFERENCES package (package_id) ON DELETE CASCADE,
    version BIGINT NOT NULL,
    manifest_id TEXT NOT NULL,
    content_hash TEXT NOT NULL,
    files BIGINT NOT NULL,
    folders BIGINT NOT NULL,
    bytes BIGINT NOT NULL,
    published_at BIGINT NOT NULL,
    signature TEXT
);

-- What the package's owner calls the demand: generation within an epoch. Epoch 0: this site demanded it as the owner.
ALTER TABLE distribution ADD COLUMN owner_generation BIGINT NOT NULL DEFAULT 0;
ALTER TABLE distribution ADD COLUMN owner_epoch BIGINT NOT NULL DEFAULT 0;
-- Rises with each change of what was reported, as revision does of what is desired.
ALTER TABLE distribution ADD COLUMN report_revision BIGINT NOT NULL DEFAULT 1;
-- The report_revision of the distribution point's own site, where that is another.
ALTER TABLE distribution ADD COLUMN report_stamp BIGINT NOT NULL DEFAULT 0;
CREATE INDEX distribution_reports ON distribution (report_revision);

-- Calls made at a site that does not own the package. done_at NULL: on the way.
CREATE TABLE site_request (
    request_id TEXT PRIMARY KEY NOT NULL,
    origin TEXT NOT NULL,
    package_id TEXT NOT NULL,
    user_name TEXT NOT NULL,
    requested_at BIGINT NOT NULL,
    -- JSON.
    call TEXT NOT NULL,
    done_at BIGINT,
    refused_code TEXT,
    refused_message TEXT,
    revision BIGINT NOT NULL
);
CREATE INDEX site_request_changes ON site_request (revision);
CREATE INDEX site_request_by_package ON site_request (package_id);

-- What is gone, until everybody has heard.
CREATE TABLE tombstone (
    -- 'site', 'dp', 'package' or 'distribution'.
    kind TEXT NOT NULL,
    -- Site code; SITE\name; PackageID; PackageID\SITE\name. Names in lower case.
    object_key TEXT NOT NULL,
    -- The neighbor that told it; empty: this site.
    learned_from TEXT NOT NULL,
    -- JSON, as neighbors are told.
    record TEXT NOT NULL,
    epoch BIGINT NOT NULL,
    -- Generation or stamp.
    number BIGINT NOT NULL,
    revision BIGINT NOT NULL,
    buried_at BIGINT NOT NULL,
    PRIMARY KEY (kind, object_key)
);
CREATE INDEX tombstone_changes ON tombstone (revision);

-- Of a message about another site's distribution point; empty: this site.
ALTER TABLE status_message ADD COLUMN site_code TEXT NOT NULL DEFAULT '';
