//! Messages that the original has no identifier for.

use super::{
    AGENT_SERVICE, DISTRIBUTION_MANAGER, DRIVER_CATALOG, Entry, RAISED, SIGN_IN, error, information, warning,
};

pub(super) const ENTRIES: &[Entry] = &[
    information(
        39003,
        AGENT_SERVICE,
        "distribution point, address",
        "Distribution point %1 enrolled; it serves content at %2.",
        "Nothing, if somebody made a token for it. Else remove it: `haulier dp remove NAME`.",
    ),
    information(
        39004,
        DISTRIBUTION_MANAGER,
        "package, distribution point",
        "Package %1 was removed from distribution point %2.",
        "Nothing.",
    ),
    warning(
        39005,
        DISTRIBUTION_MANAGER,
        "name, package, what is odd",
        "The source of package %1 (%2) is odd: %3",
        "Look whether it is meant; the version was published.",
    ),
    warning(
        39006,
        DISTRIBUTION_MANAGER,
        "packs, pieces repaired, files lost",
        "Refused content was damaged in %1 packs: %2 pieces were repaired, %3 files could not be; refresh their packages.",
        "Look after the site's disk. As an error: `haulier content verify` names the files; refresh their packages.",
    ),
    information(
        39010,
        DRIVER_CATALOG,
        "import, imported, already there, failed",
        "Driver import %1 ended: %2 imported, %3 already there, %4 failed.",
        "As a warning: `haulier driver import` shows why each file failed.",
    ),
    error(
        39011,
        DRIVER_CATALOG,
        "import, reason",
        "Driver import %1 could not go on: %2",
        "Mend what the reason says and start the import again; what was imported is passed over.",
    ),
    information(
        39027,
        DISTRIBUTION_MANAGER,
        "name, package",
        "The refresh schedule of package %1 (%2) is due; a version is published if its source changed.",
        "Nothing.",
    ),
    information(
        39045,
        DISTRIBUTION_MANAGER,
        "package, distribution point, time, reason",
        "The distribution of package %1 to distribution point %2 is paused until %3: %4",
        "Nothing: the route's window is closed, and what was fetched is kept. To go on now, open the window.",
    ),
    warning(
        39055,
        SIGN_IN,
        "who or where, seconds",
        "Signing in is closed for %2 s after failed attempts: %1.",
        "Find out who tries. `haulier user unlock NAME` opens it before the time.",
    ),
    information(
        39056,
        DISTRIBUTION_MANAGER,
        "package, distribution point",
        "Package %1 is being removed from distribution point %2.",
        "Nothing. It waits for the distribution point if that is off.",
    ),
    error(
        39057,
        DISTRIBUTION_MANAGER,
        "package, distribution point, fault, what is next",
        "Package %1 could not be removed from distribution point %2: %3 (%4)",
        "Read the fault; attempts go on. For a machine that is gone: `haulier dp remove NAME`.",
    ),
    error(
        39060,
        DISTRIBUTION_MANAGER,
        "user, package, call, reason",
        "The call %3 that %1 made for package %2 was refused at the package's source site: %4",
        "Read the reason, and call again at this site or at the package's own.",
    ),
    information(
        39071,
        AGENT_SERVICE,
        "site, name",
        "Site %1 (%2) joined below this site.",
        "Nothing, if somebody made a token for it. Else remove it.",
    ),
    error(
        39072,
        DISTRIBUTION_MANAGER,
        "name, package, version, reason, code",
        "Version %3 of package %1 (%2) did not come to this site and is tried again: %4 (%5)",
        "By the code: see [Trust](#trust).",
    ),
    information(39997, RAISED, "text", "%1", "A script wrote it; ask its author."),
    warning(39998, RAISED, "text", "%1", "A script wrote it; ask its author."),
    error(39999, RAISED, "text", "%1", "A script wrote it; ask its author."),
];
