//! The state of every protocol operation, as text for `docs/compatibility.md`. The requests of each row are in this
//! crate's tests.

use provider::compatibility::State::{self, Absent, Differs, Works};

/// Each operation of DSP0200 and its state.
pub const OPERATIONS: &[(&str, State)] = &[
    ("`POST /cimom`, on a listener of its own also `POST /`", Works),
    ("`M-POST`", Absent("501; clients then send POST")),
    ("More than one request in a message", Absent("501, `CIMError: multiple-requests-unsupported`")),
    ("Basic authentication over TLS, or from the site's own machine", Works),
    (
        "`GetInstance`",
        Differs(
            "`LocalOnly` and `IncludeQualifiers` change nothing: instances are whole and have no qualifiers",
        ),
    ),
    (
        "`EnumerateInstances`, `EnumerateInstanceNames`",
        Differs("lazy properties are null, as in the original; a list of any length leaves while it is read"),
    ),
    ("`CreateInstance`, `ModifyInstance`, `DeleteInstance`", Works),
    ("`GetProperty`, `SetProperty`", Works),
    (
        "`GetClass`, `EnumerateClasses`, `EnumerateClassNames`",
        Differs("an unknown class is error 5 in every operation"),
    ),
    ("`CreateClass`, `ModifyClass`, `DeleteClass`", Absent("error 7: the schema is the server's")),
    ("`GetQualifier`, `EnumerateQualifiers`", Works),
    ("`SetQualifier`, `DeleteQualifier`", Absent("error 7")),
    ("`ExecQuery`", Differs("WQL, `ASSOCIATORS OF` and `REFERENCES OF` included; `DMTF:CQL` is error 14")),
    ("`Associators`, `AssociatorNames`, `References`, `ReferenceNames` of an instance", Works),
    ("The same of a class", Differs("the classes at the other ends, by the schema")),
    ("Methods of instances and classes", Works),
    (
        "`OpenEnumerateInstances`, `OpenEnumerateInstancePaths`",
        Differs("a filter is a WQL query on the class; `DMTF:FQL` is error 14"),
    ),
    ("`OpenQueryInstances`", Differs("`ReturnQueryResultClass` is error 7")),
    (
        "`OpenAssociatorInstances`, `OpenAssociatorInstancePaths`, `OpenReferenceInstances`, `OpenReferenceInstancePaths`",
        Differs("a filter is error 25"),
    ),
    ("`PullInstancesWithPath`, `PullInstancePaths`, `PullInstances`, `CloseEnumeration`", Works),
    ("`OperationTimeout`", Differs("1 to 900 seconds, else error 22; 300 where it is left out")),
    ("`ContinueOnError`", Absent("error 26")),
    ("`EnumerationCount`", Absent("error 7")),
    ("Indications", Absent("error 7; read SMS_StatusMessage")),
    (
        "Namespaces `interop` and `root/interop`",
        Differs(
            "CIM_ObjectManager and CIM_Namespace; no CIM_RegisteredProfile, since the SMS classes belong to none",
        ),
    ),
    (
        "Errors",
        Differs(
            "the status code with `CIM_ERR_...: text`, and the provider's SMS_ExtendedStatus inside; not to wbemcli",
        ),
    ),
];
