-- When and how fast content may go to a distribution point or a child site. Who has no row is reached at any time, as fast
-- as the network allows.
CREATE TABLE route (
    -- `dp:` and the name's key, or `site:` and the code.
    destination TEXT PRIMARY KEY NOT NULL,
    -- One of these two.
    dp_id BIGINT UNIQUE REFERENCES dp (id) ON DELETE CASCADE,
    site_code TEXT UNIQUE,
    -- 168 digits, an hour each from Sunday 00:00: 1 all priorities, 2 medium and high, 3 high only, 4 closed.
    hours TEXT NOT NULL,
    -- `unlimited`, bit/s, 24 of them, or 24 percents of a line (docs/routes.md).
    rate TEXT NOT NULL,
    -- The line's rate in kbit/s that percents are of, or the highest of the rates; 0 without a limit.
    line_kbit_per_s BIGINT NOT NULL,
    -- The highest rate of any hour in kbit/s; 0 without a limit.
    rate_kbit_per_s BIGINT NOT NULL,
    -- What percent of the line each hour may use, 24 numbers with a comma between.
    percents TEXT NOT NULL,
    -- The name of the zone of the hours; empty for the site's.
    time_zone TEXT NOT NULL
);

-- What a distribution point waits for, while a closed window holds a transfer up. `paused_until` is NULL when nothing is
-- known to open; `paused_reason` is NULL when it does not wait.
ALTER TABLE distribution ADD COLUMN paused_until BIGINT;
ALTER TABLE distribution ADD COLUMN paused_reason TEXT;

-- How often routes have changed, by which each server of the site sees that it must read them again.
INSERT INTO counter (name, value) VALUES ('route', 0);
