-- A renewed certificate may be lost on its way: the one that asked for it stays good beside it until it ends.
ALTER TABLE dp ADD COLUMN previous_fingerprint TEXT;
CREATE INDEX dp_by_previous_fingerprint ON dp (previous_fingerprint) WHERE previous_fingerprint IS NOT NULL;
ALTER TABLE site_node ADD COLUMN previous_fingerprint TEXT;

-- The keys that this site believes. What other sites tell of theirs is in site_node and may change; this may not.
CREATE TABLE trusted_key (
    site_code TEXT PRIMARY KEY NOT NULL,
    public_key TEXT NOT NULL,
    learned_at BIGINT NOT NULL
);
