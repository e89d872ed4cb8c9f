-- How distribution points are run: maintenance mode, whom they pull from, when they are validated.

-- By which the agent learns of a change of these settings.
ALTER TABLE dp ADD COLUMN settings_revision BIGINT NOT NULL DEFAULT 0;
-- When maintenance mode began; NULL when it is off.
ALTER TABLE dp ADD COLUMN maintenance_since BIGINT;
ALTER TABLE dp ADD COLUMN is_pull BIGINT NOT NULL DEFAULT 0;
-- Whether a pull distribution point may fetch from the site what no source has.
ALTER TABLE dp ADD COLUMN pull_fallback BIGINT NOT NULL DEFAULT 1;
ALTER TABLE dp ADD COLUMN validation_enabled BIGINT NOT NULL DEFAULT 0;
-- Interval strings (docs/schedules.md).
ALTER TABLE dp ADD COLUMN validation_schedule TEXT NOT NULL DEFAULT '00011700001F2000';
-- NULL when it is not, or never again, due.
ALTER TABLE dp ADD COLUMN validation_next_at BIGINT;
-- When the round that is under way began; NULL when none is.
ALTER TABLE dp ADD COLUMN validation_since BIGINT;
-- When the last round ended.
ALTER TABLE dp ADD COLUMN validation_last_at BIGINT;

-- Whom a pull distribution point fetches from. They never form a loop.
CREATE TABLE dp_source (
    dp_id BIGINT NOT NULL REFERENCES dp (id) ON DELETE CASCADE,
    source_id BIGINT NOT NULL REFERENCES dp (id) ON DELETE CASCADE,
    -- The lowest is asked first.
    rank BIGINT NOT NULL,
    PRIMARY KEY (dp_id, source_id)
);
CREATE INDEX dp_source_by_source ON dp_source (source_id);
