-- Who may sign in, as what, and where.

CREATE VIEW "Haulier_User" AS
SELECT
    CAST(CASE WHEN u.nt_hash IS NULL THEN 0 ELSE 1 END AS BIGINT) AS "AllowNtlm",
    CAST(CASE WHEN u.scope_names = '' THEN 1 ELSE 0 END AS BIGINT) AS "AllScopes",
    u.created_at AS "Created",
    CAST(CASE WHEN u.disabled = 0 THEN 1 ELSE 0 END AS BIGINT) AS "IsEnabled",
    -- At the address where it is closed longest; what was opened by hand has a negative time.
    (SELECT MAX(c.until_at) FROM sign_in_closed c
        WHERE c.until_at > 0 AND (c.subject = 'user:' || u.name_key
            OR substr(c.subject, 1, length(u.name_key) + 6) = 'user:' || u.name_key || ' ')) AS "LockedUntil",
    u.name AS "Name",
    r.name AS "Role",
    u.scope_names AS "ScopeNames"
FROM admin_user u
JOIN admin_role r ON r.number = u.role;

CREATE VIEW "Haulier_Role" AS
SELECT
    actions AS "Actions",
    description AS "Description",
    name AS "Name"
FROM admin_role;

CREATE VIEW "Haulier_SecurityScope" AS
SELECT
    s.created_at AS "Created",
    s.created_by AS "CreatedBy",
    s.description AS "Description",
    s.name AS "Name",
    s.id AS "ScopeID"
FROM security_scope s;

CREATE VIEW "Haulier_Token" AS
SELECT
    CAST(CASE WHEN t.scope_names = '' THEN 1 ELSE 0 END AS BIGINT) AS "AllScopes",
    t.created_at AS "Created",
    t.expires_at AS "Expires",
    t.label AS "Label",
    t.last_used_at AS "LastUsed",
    r.name AS "Role",
    t.scope_names AS "ScopeNames",
    t.id AS "TokenID",
    u.name AS "UserName"
FROM api_token t
JOIN admin_user u ON u.id = t.user_id
JOIN admin_role r ON r.number = COALESCE(t.role, u.role);
