-- The content hash of the version whose files the new source was found to hold. Absent when the contents changed since.
ALTER TABLE package ADD COLUMN validated_hash TEXT;

-- Who began the change that is under way, so that whoever ends it can say so.
ALTER TABLE package_content ADD COLUMN actor TEXT;
