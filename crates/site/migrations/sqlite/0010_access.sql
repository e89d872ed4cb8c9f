-- Security scopes, roles as rows, and what a token may do. This file and postgres/0010_access.sql differ only in how a
-- row number is made.

CREATE TABLE security_scope (
    -- Never used again, so that what was in a scope that is gone does not turn up in another.
    id INTEGER PRIMARY KEY AUTOINCREMENT NOT NULL,
    name TEXT NOT NULL,
    name_key TEXT NOT NULL UNIQUE,
    description TEXT NOT NULL,
    created_by TEXT NOT NULL,
    created_at BIGINT NOT NULL
);
INSERT INTO security_scope (id, name, name_key, description, created_by, created_at)
VALUES (1, 'Default', 'default', 'Every object that is in no other scope', '', 0);

-- Which scopes an object is in; without a row it is in the scope 1. Rows outlive their object: its id is never used
-- again, and status messages about it stay as closed as it was.
CREATE TABLE object_scope (
    -- 2 a package of any type, 25 a driver, 43 a group of distribution points, 100001 a driver import.
    object_type BIGINT NOT NULL,
    -- PackageID, CI_ID, GroupID, ImportID.
    object_key TEXT NOT NULL,
    scope_id BIGINT NOT NULL,
    PRIMARY KEY (object_type, object_key, scope_id)
);
CREATE INDEX object_scope_by_scope ON object_scope (scope_id);

-- Which scopes a user works in; without a row in all.
CREATE TABLE user_scope (
    user_id BIGINT NOT NULL REFERENCES admin_user (id) ON DELETE CASCADE,
    scope_id BIGINT NOT NULL REFERENCES security_scope (id),
    PRIMARY KEY (user_id, scope_id)
);
CREATE INDEX user_scope_by_scope ON user_scope (scope_id);

ALTER TABLE admin_user ADD COLUMN disabled BIGINT NOT NULL DEFAULT 0;

-- NULL for the role of the token's user.
ALTER TABLE api_token ADD COLUMN role BIGINT;
ALTER TABLE api_token ADD COLUMN last_used_at BIGINT;

-- Which of its user's scopes a token has; without a row all of them.
CREATE TABLE token_scope (
    token_id BIGINT NOT NULL REFERENCES api_token (id) ON DELETE CASCADE,
    scope_id BIGINT NOT NULL,
    PRIMARY KEY (token_id, scope_id)
);

-- The names of scopes as queries show them, a line for each; of users and tokens none for all scopes.
ALTER TABLE admin_user ADD COLUMN scope_names TEXT NOT NULL DEFAULT '';
ALTER TABLE api_token ADD COLUMN scope_names TEXT NOT NULL DEFAULT '';
ALTER TABLE package ADD COLUMN scope_names TEXT NOT NULL DEFAULT 'Default';
ALTER TABLE driver ADD COLUMN scope_names TEXT NOT NULL DEFAULT 'Default';

-- What else than a package a message is about, as in object_scope: it is for those for whom that exists.
ALTER TABLE status_message ADD COLUMN about_type BIGINT;
ALTER TABLE status_message ADD COLUMN about_key TEXT;

-- Names and addresses that are closed after failed sign-ins, so that they stay closed over a restart.
CREATE TABLE sign_in_closed (
    -- 'user:' and the name's key, or 'address:' and the address.
    subject TEXT PRIMARY KEY NOT NULL,
    until_at BIGINT NOT NULL
);

-- The table of roles, written anew when a site is opened.
CREATE TABLE admin_role (
    number BIGINT PRIMARY KEY NOT NULL,
    name TEXT NOT NULL UNIQUE,
    description TEXT NOT NULL,
    -- A line for each.
    actions TEXT NOT NULL
);
