-- What follows shared/0007_packages.sql on PostgreSQL: the index for the provider's comparison of texts.

CREATE INDEX folder_item_by_key ON folder_item (LOWER(instance_key COLLATE "C"));
