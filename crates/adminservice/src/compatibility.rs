//! The state of every protocol operation, as text for `docs/compatibility.md`. The requests of each row are in this
//! crate's tests.

use provider::compatibility::State::{self, Absent, Differs, Works};

/// Each request and its state.
pub const OPERATIONS: &[(&str, State)] = &[
    ("`GET wmi/` (service document), `GET wmi/$metadata`", Works),
    ("`GET wmi/Class`", Works),
    ("`GET wmi/Class/$count`", Works),
    ("`GET wmi/Class('key')`, `(123)`, `(A='x',B=1)`, `/key`: the instance in a `value` array", Works),
    ("`$filter`, `$select`, `$orderby`, `$top`, `$skip`, `$count`, in any case, raw or encoded", Works),
    ("`$expand`, `$apply`, `$search`", Absent("400")),
    ("`POST wmi/Class`: create, or change where the body has the key of an instance that is there", Works),
    ("`PATCH wmi/Class('key')`, `PUT wmi/Class('key')`: both change what the body names", Works),
    ("`DELETE wmi/Class('key')`", Works),
    ("`POST wmi/Class('key')/AdminService.Method`, `wmi/Class/key/AdminService.Method`", Works),
    ("`POST wmi/Class.Method`, `wmi/Class/AdminService.Method`: static methods", Works),
    ("`GET wmi/Class.Method` of static methods that only read", Works),
    (
        "`GET wmi/Class.Method` of static methods that change something",
        Absent("405: proxies and browsers repeat a GET"),
    ),
    ("Basic and Bearer authentication over TLS, or from the site's own machine", Works),
    (
        "Negotiate and NTLM",
        Differs(
            "NTLMv2, raw or in SPNEGO, under `Negotiate` over TLS and HTTP/1.1, for users that are allowed it; not under `NTLM`",
        ),
    ),
    ("Context qualifiers", Differs("as HTTP headers `SMS-Context-*`; the original's REST route has none")),
    ("`LocaleID`", Works),
    (
        "`QueryQualifiers`",
        Absent(
            "its form is checked; `__QUALIFIER_SECURITYVERBS` is a mask whose bits no public page names, so none is \
             made up: it is null in what is read and -1 after a create, and what one may do shows by trying",
        ),
    ),
    (
        "`SessionHandle`, `LimitToCollectionIDs`",
        Absent("taken; there are no copies of the site control file and no collections"),
    ),
    ("`v1.0/`", Absent("404; the modelled entities are about clients")),
    (
        "WQL, with joins and subqueries",
        Differs("`Haulier_Query.Run`, which `haulier query` calls; OData has no form for it"),
    ),
];
