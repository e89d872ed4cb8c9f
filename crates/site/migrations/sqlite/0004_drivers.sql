-- The driver catalog. This file and postgres/0004_drivers.sql differ only in the collation of indexes.

INSERT INTO counter (name, value)
VALUES ('driver', 16777216), ('driver_content', 16777216), ('category', 16777216), ('driver_import', 0);

-- A folder's content, shared by the drivers whose INF files lie in such a folder.
CREATE TABLE driver_content (
    content_id BIGINT PRIMARY KEY NOT NULL,
    content_hash TEXT NOT NULL UNIQUE,
    content_unique_id TEXT NOT NULL UNIQUE,
    files BIGINT NOT NULL,
    bytes BIGINT NOT NULL,
    created_at BIGINT NOT NULL
);

CREATE TABLE driver (
    ci_id BIGINT PRIMARY KEY NOT NULL,
    unique_id TEXT NOT NULL UNIQUE,
    content_id BIGINT NOT NULL REFERENCES driver_content (content_id),
    -- What the INF and its catalogs say.
    inf_file TEXT NOT NULL,
    class TEXT NOT NULL,
    class_guid TEXT NOT NULL,
    provider TEXT NOT NULL,
    driver_date BIGINT,
    driver_version TEXT NOT NULL,
    -- The four parts of 16 bits in one number, as two's complement; NULL if there is no valid version.
    version_number BIGINT,
    kind BIGINT NOT NULL,
    extension_id TEXT NOT NULL,
    -- The software components that it adds, lower case, a line for each.
    component_ids TEXT NOT NULL,
    signature_state BIGINT NOT NULL,
    signed BIGINT NOT NULL,
    signer TEXT NOT NULL,
    signer_program TEXT NOT NULL,
    whql BIGINT NOT NULL,
    boot_start BIGINT NOT NULL,
    boot_critical BIGINT NOT NULL,
    devices BIGINT NOT NULL,
    payload_files BIGINT NOT NULL,
    payload_missing BIGINT NOT NULL,
    -- What clients may write.
    content_source_path TEXT NOT NULL,
    is_enabled BIGINT NOT NULL,
    is_expired BIGINT NOT NULL,
    is_hidden BIGINT NOT NULL,
    is_user_defined BIGINT NOT NULL,
    permitted_uses BIGINT NOT NULL,
    applicability_condition TEXT NOT NULL,
    -- What the site itself maintains.
    ci_version BIGINT NOT NULL,
    edition BIGINT NOT NULL DEFAULT 1,
    source_site TEXT NOT NULL,
    created_by TEXT NOT NULL,
    created_at BIGINT NOT NULL,
    modified_by TEXT NOT NULL,
    modified_at BIGINT NOT NULL,
    -- What other tables say, for queries: the localized properties and lists with a newline between elements.
    display_name TEXT NOT NULL,
    description TEXT NOT NULL,
    informative_url TEXT NOT NULL,
    locale_id BIGINT NOT NULL,
    category_unique_ids TEXT NOT NULL DEFAULT '',
    category_names TEXT NOT NULL DEFAULT '',
    platform_ids TEXT NOT NULL
);
CREATE INDEX driver_by_content ON driver (content_id);
CREATE INDEX driver_by_unique_id ON driver (LOWER(unique_id));
CREATE INDEX driver_by_source ON driver (content_source_path);

-- The long texts of a driver, apart so that lists of drivers do not read them.
CREATE TABLE driver_document (
    ci_id BIGINT PRIMARY KEY NOT NULL REFERENCES driver (ci_id) ON DELETE CASCADE,
    sdm_package_xml TEXT NOT NULL,
    -- JSON.
    localized TEXT NOT NULL,
    payload TEXT NOT NULL,
    -- A line for each.
    missing_files TEXT NOT NULL,
    diagnostics TEXT NOT NULL
);

-- A models section as a manufacturer line names it, empty ones included: of one line, one section applies.
CREATE TABLE driver_models (
    ci_id BIGINT NOT NULL REFERENCES driver (ci_id) ON DELETE CASCADE,
    models_index BIGINT NOT NULL,
    manufacturer TEXT NOT NULL,
    line BIGINT NOT NULL,
    -- As the INF spells it, for example NTamd64.10.0; NULL for the undecorated section.
    decoration TEXT,
    PRIMARY KEY (ci_id, models_index)
);

-- A hardware or compatible id of a device.
CREATE TABLE driver_device (
    ci_id BIGINT NOT NULL REFERENCES driver (ci_id) ON DELETE CASCADE,
    models_index BIGINT NOT NULL,
    device_index BIGINT NOT NULL,
    -- 0 for the hardware id, then the compatible ids from 1.
    compatible_index BIGINT NOT NULL,
    -- Lower case.
    id_key TEXT NOT NULL,
    description TEXT NOT NULL,
    install_section TEXT NOT NULL,
    feature_score BIGINT NOT NULL,
    -- Lower case, a line for each.
    exclude_ids TEXT NOT NULL,
    nt_section BIGINT NOT NULL,
    -- The DriverVer of the install section, which counts instead of the driver's; as in the table driver.
    own_date BIGINT,
    own_version BIGINT,
    PRIMARY KEY (ci_id, models_index, device_index, compatible_index)
);
CREATE INDEX driver_device_by_id ON driver_device (id_key);

CREATE TABLE driver_platform (
    ci_id BIGINT NOT NULL REFERENCES driver (ci_id) ON DELETE CASCADE,
    platform_id TEXT NOT NULL,
    PRIMARY KEY (ci_id, platform_id)
);
CREATE INDEX driver_platform_by_platform ON driver_platform (platform_id);

-- The table of the driver reader, written anew when a site is opened.
CREATE TABLE supported_platform (
    platform_id TEXT PRIMARY KEY NOT NULL,
    position BIGINT NOT NULL,
    display_text TEXT NOT NULL,
    os_name TEXT NOT NULL,
    os_platform TEXT NOT NULL,
    os_min_version TEXT NOT NULL,
    os_max_version TEXT NOT NULL,
    condition_xml TEXT NOT NULL,
    resource_dll TEXT NOT NULL,
    string_id BIGINT NOT NULL,
    is_supported BIGINT NOT NULL
);

CREATE TABLE category (
    category_id BIGINT PRIMARY KEY NOT NULL,
    unique_id TEXT NOT NULL UNIQUE,
    type_name TEXT NOT NULL,
    -- JSON.
    localized TEXT NOT NULL,
    name TEXT NOT NULL,
    locale_id BIGINT NOT NULL,
    source_site TEXT NOT NULL
);
CREATE UNIQUE INDEX category_by_unique_id ON category (LOWER(unique_id));

CREATE TABLE driver_category (
    ci_id BIGINT NOT NULL REFERENCES driver (ci_id) ON DELETE CASCADE,
    category_id BIGINT NOT NULL REFERENCES category (category_id) ON DELETE CASCADE,
    PRIMARY KEY (ci_id, category_id)
);
CREATE INDEX driver_category_by_category ON driver_category (category_id);

CREATE TABLE driver_import (
    import_id BIGINT PRIMARY KEY NOT NULL,
    state BIGINT NOT NULL,
    requested_by TEXT NOT NULL,
    requested_at BIGINT NOT NULL,
    -- JSON, and for queries a line for each.
    sources TEXT NOT NULL,
    source_names TEXT NOT NULL,
    categories TEXT NOT NULL,
    enable BIGINT NOT NULL,
    duplicates BIGINT NOT NULL,
    started_at BIGINT,
    finished_at BIGINT,
    cancel_requested BIGINT NOT NULL DEFAULT 0,
    lease_owner TEXT,
    lease_until BIGINT,
    -- How far it is.
    sources_done BIGINT NOT NULL DEFAULT 0,
    files BIGINT NOT NULL DEFAULT 0,
    bytes_read BIGINT NOT NULL DEFAULT 0,
    infs_found BIGINT NOT NULL DEFAULT 0,
    infs_done BIGINT NOT NULL DEFAULT 0,
    imported BIGINT NOT NULL DEFAULT 0,
    already_imported BIGINT NOT NULL DEFAULT 0,
    failed BIGINT NOT NULL DEFAULT 0,
    fault_code TEXT NOT NULL DEFAULT '',
    fault_text TEXT NOT NULL DEFAULT '',
    -- Of the sources that are done, so that one that is begun again is not counted twice.
    files_before BIGINT NOT NULL DEFAULT 0,
    infs_before BIGINT NOT NULL DEFAULT 0
);
CREATE INDEX driver_import_open ON driver_import (import_id) WHERE state < 2;

-- What became of each INF file, written with the driver itself.
CREATE TABLE driver_import_item (
    import_id BIGINT NOT NULL REFERENCES driver_import (import_id) ON DELETE CASCADE,
    item BIGINT NOT NULL,
    source_index BIGINT NOT NULL,
    -- Relative to the source, with '/'; the source's own fault has none.
    path TEXT NOT NULL,
    outcome BIGINT NOT NULL,
    error_code BIGINT NOT NULL,
    reason TEXT NOT NULL,
    diagnostics TEXT NOT NULL,
    ci_id BIGINT,
    PRIMARY KEY (import_id, item)
);
CREATE UNIQUE INDEX driver_import_item_by_path ON driver_import_item (import_id, source_index, path);

-- The subfolder of a package's source that has a driver's content. A driver that is deleted leaves its content in
-- packages, so what identifies it is kept here.
CREATE TABLE package_content (
    package_id TEXT NOT NULL REFERENCES package (package_id) ON DELETE CASCADE,
    content_id BIGINT NOT NULL,
    content_hash TEXT NOT NULL,
    content_unique_id TEXT NOT NULL,
    sub_folder TEXT NOT NULL,
    content_version BIGINT NOT NULL,
    -- Whether the stored version has it, and the first version that does; expected while none does.
    published BIGINT NOT NULL,
    min_package_version BIGINT NOT NULL,
    -- 0 there, 1 being added, 2 being removed, 3 being replaced; and whether a refresh is asked for with that.
    state BIGINT NOT NULL,
    refresh BIGINT NOT NULL,
    PRIMARY KEY (package_id, content_id)
);
CREATE UNIQUE INDEX package_content_by_folder ON package_content (package_id, sub_folder);
CREATE INDEX package_content_by_content ON package_content (content_id);
CREATE INDEX package_content_open ON package_content (package_id) WHERE state <> 0;

-- Who changes the contents now, whether they changed since a refresh was last asked for, and the folder that was found
-- to hold the stored version.
ALTER TABLE package ADD COLUMN content_owner TEXT;
ALTER TABLE package ADD COLUMN content_owned_until BIGINT;
ALTER TABLE package ADD COLUMN content_changed BIGINT NOT NULL DEFAULT 0;
ALTER TABLE package ADD COLUMN validated_source TEXT;
