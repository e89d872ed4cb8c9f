//! The few things that can be asked of the service, from a method and a URL.

use cim::ObjectPath;
use http::Method;

use crate::error::ApiError;
use crate::options::Options;
use crate::url::{self, Target};

/// One request, understood.
#[derive(Debug, PartialEq)]
pub(crate) enum Request {
    ServiceDocument,
    Metadata,
    List { class: String, options: Options },
    Count { class: String, options: Options },
    Get { path: ObjectPath, options: Options },
    Create { class: String },
    Modify { path: ObjectPath },
    Delete { path: ObjectPath },
    Invoke { class: String, path: Option<ObjectPath>, method: String },
}

impl Request {
    /// Reads a method, a path and a query, the last two as sent.
    pub(crate) fn parse(method: &Method, path: &str, query: &str) -> Result<Self, ApiError> {
        let target = url::parse(path).map_err(|error| ApiError::NoResource { reason: error.to_string() })?;
        let reads = matches!(*method, Method::GET | Method::HEAD);
        let changes = matches!(*method, Method::PATCH | Method::PUT);
        Ok(match target {
            Target::ServiceDocument if reads => Self::ServiceDocument,
            Target::Metadata if reads => Self::Metadata,
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
            refused => return Err(ApiError::MethodNotAllowed { allow: allowed(&refused) }),
        })
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
            let parsed = Request::parse(&method, &format!("/AdminService/wmi/{target}"), "");
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
        check(Method::GET, "A.B", Ok("Invoke"));
        check(Method::POST, "", Err("GET, HEAD"));
        check(Method::DELETE, "A", Err("GET, HEAD, POST"));
        check(Method::POST, "A('x')", Err("GET, HEAD, PATCH, PUT, DELETE"));
        check(Method::GET, "A('x')/AdminService.B", Err("POST"));
        check(Method::PUT, "A.B", Err("GET, POST"));
    }
}
