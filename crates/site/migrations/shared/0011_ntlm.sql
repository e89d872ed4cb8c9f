-- Who may sign in with NTLM.

-- The NT hash of the user's password (hex), as good as the password itself: only for users that are allowed NTLM. NULL for
-- everybody else.
ALTER TABLE admin_user ADD COLUMN nt_hash TEXT;
