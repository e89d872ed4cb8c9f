-- The id of the call, by which what it brings about is found at every site.
ALTER TABLE site_request ADD COLUMN call_id TEXT;
