-- When packages are refreshed by themselves. A package without a schedule has no row.
CREATE TABLE package_schedule (
    package_id TEXT PRIMARY KEY NOT NULL REFERENCES package (package_id) ON DELETE CASCADE,
    -- Interval strings, 16 hexadecimal digits a token (docs/schedules.md).
    schedule TEXT NOT NULL,
    -- NULL when it is never due again.
    next_at BIGINT,
    last_at BIGINT
);
CREATE INDEX package_schedule_by_next ON package_schedule (next_at);
