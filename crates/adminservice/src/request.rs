//! The few things that can be asked of the service, from a method and a URL.

use cim::{ObjectPath, Value};
use http::Method;
use provider::{Operation, Schema};

use crate::error::ApiError;
use crate::metadata::{self, Form};
use crate::options::Options;
use crate::url::{self, Target};

/// One request, understood.
#[derive(Debug, PartialEq)]
pub(crate) enum Request {
    ServiceDocument,
    Metadata {
        form: Form,
    },
    List {
        class: String,
        options: Options,
    },
    Count {
        class: String,
        options: Options,
    },
    Get {
        path: ObjectPath,
        options: Options,
    },
    Create {
        class: String,
    },
    Modify {
        path: ObjectPath,
    },
    Delete {
        path: ObjectPath,
    },
    Invoke {
        class: String,
        path: Option<ObjectPath>,
        method: String,
    },
    /// Which methods the resource takes.
    Allowed {
        methods: &'static str,
    },
}

impl Request {
    /// Reads a method, a path and a query, the last two as sent.
    pub(crate) fn parse(method: &Method, path: &str, query: &str, schema: &Schema) -> Result<Self, ApiError> {
        let target = url::parse(path).map_err(|error| ApiError::NoResource { reason: error.to_string() })?;
        let target = known(target, method, schema);
        let reads = matches!(*method, Method::GET | Method::HEAD);
        let changes = matches!(*method, Method::PATCH | Method::PUT);
        Ok(match target {
            Target::ServiceDocument if reads => Self::ServiceDocument,
            Target::Metadata if reads => Self::Metadata { form: Form::of(query) },
            Target::Collection { class } if reads => Self::List { class, options: Options::parse(query)? },
            Target::Collection { class } if method == Method::POST => Self::Create { class },
            Target::Count { class } if reads => Self::Count { class, options: Options::parse(query)? },
            Target::Entity(path) if reads => Self::Get { path, options: Options::parse(query)? },
            Target::Entity(path) if changes => Self::Modify { path },
            Target::Entity(path) if method == Method::DELETE => Self::Delete { path },
            // Scripts call parameterless static methods with GET; whether the method only reads is the schema's to say.
            Target::StaticMethod { class, method: called } if reads || method == Method::POST => {
                Self::Invoke { class, path: None, method: called }
            }
            Target::InstanceMethod { path, method: called } if method == Method::POST => {
                Self::Invoke { class: path.class.clone(), path: Some(path), method: called }
            }
            target if method == Method::OPTIONS => Self::Allowed { methods: allowed(&target) },
            refused => return Err(ApiError::MethodNotAllowed { allow: allowed(&refused) }),
        })
    }

    /// What the provider is asked to do.
    pub(crate) fn operation(&self) -> Operation {
        match self {
            Self::ServiceDocument
            | Self::Metadata { .. }
            | Self::Allowed { .. }
            | Self::List { .. }
            | Self::Count { .. } => Operation::ExecQuery,
            Self::Get { .. } => Operation::GetObject,
            Self::Create { .. } | Self::Modify { .. } => Operation::PutInstance,
            Self::Delete { .. } => Operation::DeleteInstance,
            Self::Invoke { .. } => Operation::ExecMethod,
        }
    }

    /// The class that is named, if one is.
    pub(crate) fn class(&self) -> &str {
        match self {
            Self::ServiceDocument | Self::Metadata { .. } | Self::Allowed { .. } => "",
            Self::List { class, .. }
            | Self::Count { class, .. }
            | Self::Create { class }
            | Self::Invoke { class, .. } => class,
            Self::Get { path, .. } | Self::Modify { path } | Self::Delete { path } => &path.class,
        }
    }
}

/// What only the schema can tell apart: the name of an action import from that of a class, and in a POST, which makes
/// no sense on a key, `Class/Method` from `Class/key`.
fn known(target: Target, method: &Method, schema: &Schema) -> Target {
    match &target {
        Target::Collection { class } if schema.class(class).is_none() => {
            match metadata::imported(schema, class) {
                Some((class, method)) => {
                    Target::StaticMethod { class: class.name.clone(), method: method.name.clone() }
                }
                None => target,
            }
        }
        Target::Entity(path) if method == Method::POST => {
            match (path.keys.as_slice(), schema.class(&path.class)) {
                ([(name, Value::String(key))], Some(class))
                    if name.is_empty()
                        && class.method(key).is_some_and(|method| method.qualifiers.has("static")) =>
                {
                    Target::StaticMethod { class: path.class.clone(), method: key.clone() }
                }
                _ => target,
            }
        }
        _ => target,
    }
}

fn allowed(target: &Target) -> &'static str {
    match target {
        Target::ServiceDocument | Target::Metadata | Target::Count { .. } => "GET, HEAD",
        Target::Collection { .. } => "GET, HEAD, POST",
        Target::Entity(_) => "GET, HEAD, PATCH, PUT, DELETE",
        Target::StaticMethod { .. } => "GET, POST",
        Target::InstanceMethod { .. } => "POST",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn methods_and_targets_make_requests() {
        let check = |method: Method, target: &str, expect: Result<&str, &str>| {
            let parsed =
                Request::parse(&method, &format!("/AdminService/wmi/{target}"), "", Schema::shipped());
            let name = match &parsed {
                Ok(request) => {
                    Ok(format!("{request:?}").split([' ', '{', '(']).next().unwrap_or_default().to_owned())
                }
                Err(ApiError::MethodNotAllowed { allow }) => Err((*allow).to_owned()),
                Err(other) => panic!("{target}: {other}"),
            };
            assert_eq!(name.as_deref().map_err(String::as_str), expect, "{method} {target}");
        };
        check(Method::GET, "", Ok("ServiceDocument"));
        check(Method::GET, "$metadata", Ok("Metadata"));
        check(Method::GET, "A", Ok("List"));
        check(Method::HEAD, "A", Ok("List"));
        check(Method::GET, "A/$count", Ok("Count"));
        check(Method::GET, "A('x')", Ok("Get"));
        check(Method::POST, "A", Ok("Create"));
        check(Method::PATCH, "A('x')", Ok("Modify"));
        check(Method::PUT, "A/x", Ok("Modify"));
        check(Method::DELETE, "A/x", Ok("Delete"));
        check(Method::POST, "A('x')/AdminService.B", Ok("Invoke"));
        check(Method::POST, "A.B", Ok("Invoke"));
        check(Method::OPTIONS, "A", Ok("Allowed"));
        check(Method::GET, "A.B", Ok("Invoke"));
        check(Method::POST, "SMS_Identification_GetSiteID", Ok("Invoke"));
        check(Method::POST, "sms_distributionpoint/cancelDistribution", Ok("Invoke"));
        check(Method::GET, "SMS_DistributionPoint/CancelDistribution", Ok("Get"));
        check(Method::POST, "", Err("GET, HEAD"));
        check(Method::DELETE, "A", Err("GET, HEAD, POST"));
        check(Method::POST, "A('x')", Err("GET, HEAD, PATCH, PUT, DELETE"));
        check(Method::GET, "A('x')/AdminService.B", Err("POST"));
        check(Method::PUT, "A.B", Err("GET, POST"));
    }
}
