//! Which operations there are, and what each takes.

use super::{Answer, Exchange, Service};
use crate::contexts::Kind;
use crate::message::Parameters;
use crate::status::OperationError;

/// Operations with their parameters (DSP0200, 5.4). Those that are refused are named too, so that the refusal says why.
pub(crate) const OPERATIONS: &[(&str, &[&str])] = &[
    (
        "GetInstance",
        &["InstanceName", "LocalOnly", "IncludeQualifiers", "IncludeClassOrigin", "PropertyList"],
    ),
    (
        "EnumerateInstances",
        &[
            "ClassName",
            "LocalOnly",
            "DeepInheritance",
            "IncludeQualifiers",
            "IncludeClassOrigin",
            "PropertyList",
        ],
    ),
    ("EnumerateInstanceNames", &["ClassName"]),
    ("CreateInstance", &["NewInstance"]),
    ("ModifyInstance", &["ModifiedInstance", "IncludeQualifiers", "PropertyList"]),
    ("DeleteInstance", &["InstanceName"]),
    ("GetClass", &["ClassName", "LocalOnly", "IncludeQualifiers", "IncludeClassOrigin", "PropertyList"]),
    ("EnumerateClassNames", &["ClassName", "DeepInheritance"]),
    (
        "EnumerateClasses",
        &["ClassName", "DeepInheritance", "LocalOnly", "IncludeQualifiers", "IncludeClassOrigin"],
    ),
    ("ExecQuery", &["QueryLanguage", "Query"]),
    (
        "Associators",
        &[
            "ObjectName",
            "AssocClass",
            "ResultClass",
            "Role",
            "ResultRole",
            "IncludeQualifiers",
            "IncludeClassOrigin",
            "PropertyList",
        ],
    ),
    ("AssociatorNames", &["ObjectName", "AssocClass", "ResultClass", "Role", "ResultRole"]),
    (
        "References",
        &["ObjectName", "ResultClass", "Role", "IncludeQualifiers", "IncludeClassOrigin", "PropertyList"],
    ),
    ("ReferenceNames", &["ObjectName", "ResultClass", "Role"]),
    ("GetProperty", &["InstanceName", "PropertyName"]),
    ("SetProperty", &["InstanceName", "PropertyName", "NewValue"]),
    ("GetQualifier", &["QualifierName"]),
    ("EnumerateQualifiers", &[]),
    (
        "OpenEnumerateInstances",
        &[
            "ClassName",
            "DeepInheritance",
            "IncludeClassOrigin",
            "PropertyList",
            "FilterQueryLanguage",
            "FilterQuery",
            "OperationTimeout",
            "ContinueOnError",
            "MaxObjectCount",
        ],
    ),
    (
        "OpenEnumerateInstancePaths",
        &[
            "ClassName",
            "FilterQueryLanguage",
            "FilterQuery",
            "OperationTimeout",
            "ContinueOnError",
            "MaxObjectCount",
        ],
    ),
    (
        "OpenAssociatorInstances",
        &[
            "InstanceName",
            "AssocClass",
            "ResultClass",
            "Role",
            "ResultRole",
            "IncludeClassOrigin",
            "PropertyList",
            "FilterQueryLanguage",
            "FilterQuery",
            "OperationTimeout",
            "ContinueOnError",
            "MaxObjectCount",
        ],
    ),
    (
        "OpenAssociatorInstancePaths",
        &[
            "InstanceName",
            "AssocClass",
            "ResultClass",
            "Role",
            "ResultRole",
            "FilterQueryLanguage",
            "FilterQuery",
            "OperationTimeout",
            "ContinueOnError",
            "MaxObjectCount",
        ],
    ),
    (
        "OpenReferenceInstances",
        &[
            "InstanceName",
            "ResultClass",
            "Role",
            "IncludeClassOrigin",
            "PropertyList",
            "FilterQueryLanguage",
            "FilterQuery",
            "OperationTimeout",
            "ContinueOnError",
            "MaxObjectCount",
        ],
    ),
    (
        "OpenReferenceInstancePaths",
        &[
            "InstanceName",
            "ResultClass",
            "Role",
            "FilterQueryLanguage",
            "FilterQuery",
            "OperationTimeout",
            "ContinueOnError",
            "MaxObjectCount",
        ],
    ),
    (
        "OpenQueryInstances",
        &[
            "FilterQueryLanguage",
            "FilterQuery",
            "ReturnQueryResultClass",
            "OperationTimeout",
            "ContinueOnError",
            "MaxObjectCount",
        ],
    ),
    ("PullInstancesWithPath", &["EnumerationContext", "MaxObjectCount"]),
    ("PullInstancePaths", &["EnumerationContext", "MaxObjectCount"]),
    ("PullInstances", &["EnumerationContext", "MaxObjectCount"]),
    ("CloseEnumeration", &["EnumerationContext"]),
    ("EnumerationCount", &["EnumerationContext"]),
    ("CreateClass", &["NewClass"]),
    ("ModifyClass", &["ModifiedClass"]),
    ("DeleteClass", &["ClassName"]),
    ("SetQualifier", &["QualifierDeclaration"]),
    ("DeleteQualifier", &["QualifierName"]),
];

impl Service {
    pub(super) async fn intrinsic(
        &self,
        exchange: &Exchange<'_>,
        name: &str,
        given: &Parameters,
    ) -> Result<Answer, OperationError> {
        let known = OPERATIONS.iter().find(|(known, _)| known.eq_ignore_ascii_case(name));
        let unknown = || OperationError::unsupported(format!("there is no operation {name}"));
        let (name, parameters) = known.ok_or_else(unknown)?;
        given.check(parameters)?;
        match *name {
            "GetInstance" => self.get_instance(exchange, given).await,
            "EnumerateInstances" => self.enumerate(exchange, given, false).await,
            "EnumerateInstanceNames" => self.enumerate(exchange, given, true).await,
            "CreateInstance" => self.create_instance(exchange, given).await,
            "ModifyInstance" => self.modify_instance(exchange, given).await,
            "DeleteInstance" => self.delete_instance(exchange, given).await,
            "GetClass" => exchange.get_class(given),
            "EnumerateClassNames" => exchange.enumerate_class_names(given),
            "EnumerateClasses" => exchange.enumerate_classes(given),
            "ExecQuery" => self.exec_query(exchange, given).await,
            "Associators" | "AssociatorNames" | "References" | "ReferenceNames" => {
                self.related(exchange, given, name).await
            }
            "GetProperty" => self.get_property(exchange, given).await,
            "SetProperty" => self.set_property(exchange, given).await,
            "GetQualifier" => exchange.get_qualifier(given),
            "EnumerateQualifiers" => Ok(exchange.enumerate_qualifiers()),
            "OpenEnumerateInstances" => self.open_enumerate(exchange, given, Kind::InstancesWithPath).await,
            "OpenEnumerateInstancePaths" => self.open_enumerate(exchange, given, Kind::Paths).await,
            "OpenQueryInstances" => self.open_query(exchange, given).await,
            "OpenAssociatorInstances"
            | "OpenAssociatorInstancePaths"
            | "OpenReferenceInstances"
            | "OpenReferenceInstancePaths" => self.open_related(exchange, given, name).await,
            "PullInstancesWithPath" => self.pull(exchange, given, Kind::InstancesWithPath),
            "PullInstancePaths" => self.pull(exchange, given, Kind::Paths),
            "PullInstances" => self.pull(exchange, given, Kind::Instances),
            "CloseEnumeration" => self.close(exchange, given),
            "CreateClass" | "ModifyClass" | "DeleteClass" | "SetQualifier" | "DeleteQualifier" => {
                Err(OperationError::unsupported("the schema is the server's; clients cannot change it"))
            }
            _ => Err(OperationError::unsupported(format!("{name} is not served"))),
        }
    }
}
