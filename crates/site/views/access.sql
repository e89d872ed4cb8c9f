-- Who may sign in.

CREATE VIEW "Haulier_User" AS
SELECT
    created_at AS "Created",
    name AS "Name",
    CAST(CASE role
        WHEN 1 THEN 'administrator'
        WHEN 2 THEN 'operator'
        WHEN 3 THEN 'author'
        ELSE 'reader'
    END AS TEXT) AS "Role"
FROM admin_user;

CREATE VIEW "Haulier_Token" AS
SELECT
    t.created_at AS "Created",
    t.expires_at AS "Expires",
    t.label AS "Label",
    t.id AS "TokenID",
    u.name AS "UserName"
FROM api_token t
JOIN admin_user u ON u.id = t.user_id;
