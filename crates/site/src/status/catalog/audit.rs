//! Who changed what. The component is the caller's program.

use super::{Entry, audit};

pub(super) const ENTRIES: &[Entry] = &[
    audit(30000, "user, package, name", "%1 created package %3 (%2)."),
    audit(30001, "user, package, name, properties", "%1 changed package %3 (%2): %4"),
    audit(30002, "user, package, name", "%1 deleted package %3 (%2)."),
    audit(30009, "user, package, distribution point", "%1 added package %2 to distribution point %3."),
    audit(30010, "user, package, distribution point", "%1 removed package %2 from distribution point %3."),
    audit(30011, "user, package, where", "%1 refreshed package %2 on %3."),
    audit(30012, "user, package, distribution point", "%1 asked distribution point %3 to verify package %2."),
    audit(30152, "user, unique id, name", "%1 created driver %3 (%2)."),
    audit(30153, "user, unique id, name", "%1 changed driver %3 (%2)."),
    audit(30154, "user, unique id, name", "%1 deleted driver %3 (%2)."),
    audit(39001, "user, other user, change", "%1: user %2 was %3."),
    audit(39002, "user, distribution point, change", "%1: distribution point %2 was %3."),
    audit(39007, "user, category, change", "%1: driver category %2 was %3."),
    audit(39008, "user, import, sources", "%1 asked for driver import %2: %3"),
    audit(39009, "user, import", "%1 cancelled driver import %2."),
    audit(
        39020,
        "user, package, driver, subfolder",
        "%1 added the content of driver %3 to package %2, in its subfolder %4.",
    ),
    audit(
        39021,
        "user, package, driver, subfolder",
        "%1 removed the content of driver %3, subfolder %4, from package %2.",
    ),
    audit(
        39022,
        "user, package, name, contents",
        "%1 rebuilt package %2 (%3): %4 contents were not as they were imported.",
    ),
    audit(39023, "user, package, subfolder, origin", "%1: subfolder %3 of package %2 was restored from %4."),
    audit(39024, "user, package, name", "%1 asked the site to look at package %2 (%3) again."),
    audit(39025, "user, package, name, site", "%1 gave package %2 (%3) to site %4."),
    audit(39026, "user, package, name, path", "%1 found the stored version of package %2 (%3) in %4."),
    audit(
        39030,
        "user, package, distribution point",
        "%1 cancelled the distribution of package %2 to distribution point %3.",
    ),
    audit(39032, "user, scope, change", "%1: security scope %2 was %3."),
    audit(39033, "user, object, scope", "%1 put %2 into the security scope %3."),
    audit(39034, "user, object, scope", "%1 took %2 out of the security scope %3."),
    audit(39050, "user, class, object", "%1 created %2 %3."),
    audit(39051, "user, class, object, properties", "%1 changed %2 %3: %4."),
    audit(39052, "user, class, object", "%1 deleted %2 %3."),
    audit(39053, "user, class, method, object", "%1 called %2.%3: %4."),
    audit(39054, "user, messages, which", "%1 deleted %2 status messages: %3"),
    audit(39070, "user, site, change", "%1: site %2 was %3."),
    audit(
        39080,
        "user, package, name, earlier version, new version",
        "%1 rolled package %3 (%2) back to version %4, which is version %5 now.",
    ),
];
