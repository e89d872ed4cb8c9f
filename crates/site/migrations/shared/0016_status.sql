-- Which call is behind what happens, how fast transfers are, and which rows changed since when.

-- The call whose refresh is to be answered, and the one behind what is demanded.
ALTER TABLE package ADD COLUMN refresh_call TEXT;
ALTER TABLE distribution ADD COLUMN call_id TEXT;
ALTER TABLE status_message ADD COLUMN call_id TEXT;
-- When somebody, or a schedule, asked for what is demanded.
ALTER TABLE distribution ADD COLUMN requested_at BIGINT;

ALTER TABLE distribution ADD COLUMN files_total BIGINT NOT NULL DEFAULT 0;
ALTER TABLE distribution ADD COLUMN files_done BIGINT NOT NULL DEFAULT 0;
-- The window over which the rate is measured: where it begins, and a later point where the next one will.
ALTER TABLE distribution ADD COLUMN window_at BIGINT;
ALTER TABLE distribution ADD COLUMN window_done BIGINT NOT NULL DEFAULT 0;
ALTER TABLE distribution ADD COLUMN window_received BIGINT NOT NULL DEFAULT 0;
ALTER TABLE distribution ADD COLUMN next_window_at BIGINT;
ALTER TABLE distribution ADD COLUMN next_window_done BIGINT NOT NULL DEFAULT 0;
ALTER TABLE distribution ADD COLUMN next_window_received BIGINT NOT NULL DEFAULT 0;
-- Bytes in a second: content put in place, and received.
ALTER TABLE distribution ADD COLUMN rate_done BIGINT NOT NULL DEFAULT 0;
ALTER TABLE distribution ADD COLUMN rate_received BIGINT NOT NULL DEFAULT 0;
