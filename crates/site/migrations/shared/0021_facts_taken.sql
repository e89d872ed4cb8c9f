-- The highest number of a fact that was taken of each of the last runs of the agent, as JSON: what comes again is known by it.
ALTER TABLE dp ADD COLUMN facts_taken TEXT NOT NULL DEFAULT '[]';
