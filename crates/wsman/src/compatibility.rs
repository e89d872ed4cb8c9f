//! The state of every protocol operation, as text for `docs/compatibility.md`. The requests of each row are in this
//! crate's tests.

use provider::compatibility::State::{self, Absent, Differs, Works};

/// Each operation and its state.
pub const OPERATIONS: &[(&str, State)] = &[
    (
        "`POST /wsman`, `/wsman/`: SOAP 1.2 in UTF-8 or UTF-16, as `application/soap+xml`, `text/xml` or without a type",
        Works,
    ),
    ("SOAP 1.1", Absent("s:VersionMismatch")),
    ("Identify, with credentials and without", Works),
    (
        "Resource URIs of Microsoft (`wmi/root/sms/site_XXX/Class`) and of the DMTF (`wscim/1/cim-schema/2/Class` with \
         `__cimnamespace`), of other hosts in the same shape, and with selectors behind `?`",
        Works,
    ),
    ("`wmi/root/cimv2/...` and other namespaces", Absent("wsa:DestinationUnreachable")),
    ("Get, by all keys, lazy properties included", Works),
    (
        "FragmentTransfer in Get and Put",
        Differs(
            "of one property: `Name`, in Get also `Name[2]` and `Name/text()`; else w:SchemaValidationError; with other \
             operations w:UnsupportedFeature, FragmentLevelAccess",
        ),
    ),
    ("Put: absent properties stay, `xsi:nil` is null", Works),
    (
        "`__MIInstanceModifiedPropertiesList` in Put: nothing else changes, an array without elements is emptied, and an old \
         SedoObjectVersion is w:Concurrency",
        Works,
    ),
    (
        "`UsePreciseArrays`, `includepropertymetadata`: null and empty arrays told apart, values with their types",
        Works,
    ),
    ("Create", Works),
    ("Delete", Works),
    ("Invoke, of instances and classes", Works),
    (
        "Methods under `WBEM_E_METHOD_NOT_IMPLEMENTED`",
        Absent("wsa:ActionNotSupported with 0x80041055 in its SMS_ExtendedStatus"),
    ),
    ("Enumerate, Pull and Release of a class, optimized or not; objects, EPRs or both", Works),
    ("Filters in WQL, of selectors, and of associations", Works),
    ("Filters in CQL and XPath", Absent("wsen:FilterDialectRequestedUnavailable")),
    ("Expirations of enumerations (`wsen:Expires`)", Absent("wsen:UnsupportedExpirationType")),
    (
        "Class metadata (`cim-xml/2/cim-schema/2/*`): Get and Enumerate",
        Differs(
            "Enumerate with a `ClassName` answers the classes below it, with references too where these are asked for",
        ),
    ),
    (
        "Enumerations go on only behind what was sent",
        Differs(
            "one whose answer the connection did not take is over: wsen:InvalidEnumerationContext, enumerate anew",
        ),
    ),
    ("Class metadata as XML schema (`ws-cim/1`)", Absent("wsa:DestinationUnreachable, as Windows answers")),
    ("Subscribe, Unsubscribe, Renew, GetStatus", Absent("wsa:ActionNotSupported")),
    ("Shells and configuration (`windows/shell`, `config`)", Absent("wsa:DestinationUnreachable")),
    ("MaxEnvelopeSize", Differs("as sent, at most 8 MiB; 500 KiB where a request names none")),
    (
        "OperationTimeout",
        Differs(
            "as sent, at most 120 seconds; a change goes on when its time is over, and w:TimedOut says so",
        ),
    ),
    (
        "`p:OperationID` and the keep-alives of robust connections",
        Absent("passed over; no answer offers them"),
    ),
    ("Answers to other addresses than the anonymous one", Absent("w:UnsupportedFeature, AddressingMode")),
    ("Locale", Differs("texts are in English; another that is insisted on is w:UnsupportedFeature, Locale")),
    ("Basic and Bearer authentication over TLS, or from the site's own machine", Works),
    (
        "Negotiate: NTLMv2, raw or in SPNEGO, messages sealed over plain HTTP from anywhere",
        Differs("for users that are allowed it; not through proxies that say so"),
    ),
    ("Kerberos, with a keytab", Differs("where the program was built with the feature `kerberos`")),
    ("CredSSP, client certificates", Absent("401 does not offer them")),
    ("Context qualifiers", Differs("as options `wmi:Name` and `wmiarray:Name`, or with their plain names")),
    ("Errors", Differs("WSManFault with ProviderFault and SMS_ExtendedStatus, for both families of URIs")),
];
