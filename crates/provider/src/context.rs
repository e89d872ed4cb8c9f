//! What a call brings beside its parameters: WMI's context qualifiers (`IWbemContext`). Every front end fills them from
//! what its protocol has: SOAP options, HTTP headers.

use cim::{CimType, Value};
use site::{Actor, Origin};

use crate::error::Fault;

/// The longest text of a qualifier, in characters.
const TEXT_CHARS_MAX: usize = 256;

/// Who calls, and what the call says of itself.
#[derive(Debug, Clone, PartialEq)]
pub struct Caller {
    /// The user. Its origin is what the context names.
    pub actor: Actor,
    /// The qualifiers.
    pub context: Context,
}

/// The context qualifiers that have a meaning here (class page "SMS Provider context qualifiers").
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Context {
    /// `ApplicationName`: the caller's program, for audit.
    pub application_name: Option<String>,
    /// `MachineName`: the caller's computer, for audit and locks.
    pub machine_name: Option<String>,
    /// `LocaleID`: selects localized text. Written `MS\1033` or `MS\0x0409`.
    pub locale_id: Option<u32>,
    /// `InstanceCount`: at most this many instances from a query.
    pub instance_count: Option<u64>,
    /// `QueryQualifiers`: instances carry the caller's rights (SecurityVerbs).
    pub query_qualifiers: bool,
    /// `ObjectLockContext`: the owner of object locks, beside user and machine.
    pub object_lock_context: Option<String>,
    /// `ContextHandle`: a set of qualifiers that the server remembers.
    pub context_handle: Option<String>,
    /// `SessionHandle`: a private copy of the site control file.
    pub session_handle: Option<String>,
    /// The caller's program as its protocol names it (`User-Agent`): what audit shows where no `ApplicationName` is
    /// given, by the call or its handle.
    pub agent: Option<String>,
    /// `LimitToCollectionIDs`: only one element is honored, by queries on resources.
    pub limit_to_collection_ids: Vec<String>,
}

impl Caller {
    /// A user's call.
    #[must_use]
    pub fn new(mut actor: Actor, context: Context) -> Self {
        let named = |name: &Option<String>, unknown: String| name.clone().unwrap_or(unknown);
        let unknown = Origin::default();
        actor.origin = Origin {
            application: named(context.application(), unknown.application),
            machine: named(&context.machine_name, unknown.machine),
            lock_context: context.object_lock_context.clone().unwrap_or_default(),
            locale_id: context.locale_id,
        };
        Self { actor, context }
    }
}

impl From<Actor> for Caller {
    fn from(actor: Actor) -> Self {
        Self::new(actor, Context::default())
    }
}

impl Context {
    /// Reads named values, names in any case; unknown names mean nothing.
    ///
    /// Errors: a value of the wrong type or form is an invalid parameter.
    pub fn from_values(values: impl IntoIterator<Item = (String, Value)>) -> Result<Self, Fault> {
        let mut context = Self::default();
        for (name, value) in values {
            context.set(&name, value)?;
        }
        Ok(context)
    }

    /// The caller's program, however it is known.
    pub(crate) fn application(&self) -> &Option<String> {
        if self.application_name.is_some() { &self.application_name } else { &self.agent }
    }

    fn set(&mut self, name: &str, value: Value) -> Result<(), Fault> {
        if value.is_null() {
            return Ok(());
        }
        match name.to_ascii_lowercase().as_str() {
            "applicationname" => self.application_name = Some(text(name, value)?),
            "machinename" => self.machine_name = Some(text(name, value)?),
            "localeid" => {
                let written = text(name, value)?;
                self.locale_id =
                    Some(locale(&written).ok_or_else(|| invalid(name, "MS\\1033 or MS\\0x0409 is needed"))?);
            }
            "instancecount" => {
                let count =
                    fit(name, &CimType::Uint64, value)?.as_integer().and_then(|n| u64::try_from(n).ok());
                self.instance_count = count;
            }
            "queryqualifiers" => {
                self.query_qualifiers = fit(name, &CimType::Boolean, value)?.as_bool().unwrap_or(false);
            }
            "objectlockcontext" => self.object_lock_context = Some(text(name, value)?),
            "contexthandle" => self.context_handle = Some(text(name, value)?),
            "sessionhandle" => self.session_handle = Some(text(name, value)?),
            "limittocollectionids" => self.limit_to_collection_ids = texts(name, value)?,
            _ => {}
        }
        Ok(())
    }
}

/// `MS\1033` or `MS\0x0409`, in any case; no other form is understood.
fn locale(written: &str) -> Option<u32> {
    let prefix = written.get(..3).filter(|prefix| prefix.eq_ignore_ascii_case("MS\\"))?;
    let number = &written[prefix.len()..];
    match number.strip_prefix("0x").or_else(|| number.strip_prefix("0X")) {
        Some(digits) if digits.bytes().all(|b| b.is_ascii_hexdigit()) => u32::from_str_radix(digits, 16).ok(),
        None if number.bytes().all(|b| b.is_ascii_digit()) => number.parse().ok(),
        _ => None,
    }
}

fn text(name: &str, value: Value) -> Result<String, Fault> {
    match fit(name, &CimType::String, value)? {
        Value::String(text) if text.chars().count() <= TEXT_CHARS_MAX && !text.contains(char::is_control) => {
            Ok(text)
        }
        _ => Err(invalid(name, "a shorter text without control characters is needed")),
    }
}

fn texts(name: &str, value: Value) -> Result<Vec<String>, Fault> {
    match value {
        Value::Array(elements) => elements.into_iter().map(|element| text(name, element)).collect(),
        single => text(name, single).map(|only| vec![only]),
    }
}

fn fit(name: &str, kind: &CimType, value: Value) -> Result<Value, Fault> {
    kind.fit(value).map_err(|mismatch| invalid(name, &mismatch.to_string()))
}

fn invalid(name: &str, reason: &str) -> Fault {
    Fault::InvalidContext { name: name.to_owned(), reason: reason.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn qualifiers_are_read_in_any_case() {
        let context = Context::from_values([
            ("applicationname".to_owned(), Value::text("Import tool")),
            ("MACHINENAME".to_owned(), Value::text("ADMIN1")),
            ("LocaleID".to_owned(), Value::text("ms\\0x0407")),
            ("InstanceCount".to_owned(), Value::text("10")),
            ("QueryQualifiers".to_owned(), Value::Boolean(true)),
            ("LimitToCollectionIDs".to_owned(), Value::text("SMS00001")),
            ("Something".to_owned(), Value::Integer(1)),
        ])
        .unwrap();
        assert_eq!(context.locale_id, Some(0x0407));
        assert_eq!(context.instance_count, Some(10));
        assert!(context.query_qualifiers);
        assert_eq!(context.limit_to_collection_ids, ["SMS00001"]);
        let caller = Caller::new(Actor::local(), context);
        assert_eq!(caller.actor.origin.application, "Import tool");
        assert_eq!(caller.actor.origin.machine, "ADMIN1");
        assert_eq!(Caller::from(Actor::local()).actor.origin, Origin::default());
    }

    #[test]
    fn wrong_values_are_refused() {
        let check = |name: &str, value: Value| {
            let refused = Context::from_values([(name.to_owned(), value)]).unwrap_err();
            assert_eq!(refused.hresult(), 0x8004_1008, "{name}");
        };
        check("LocaleID", Value::text("1033"));
        check("LocaleID", Value::text("MS\\0x"));
        check("LocaleID", Value::text("MS\\-1"));
        check("InstanceCount", Value::text("many"));
        check("InstanceCount", Value::Integer(-1));
        check("QueryQualifiers", Value::text("perhaps"));
        check("ApplicationName", Value::text("x".repeat(TEXT_CHARS_MAX + 1)));
        check("MachineName", Value::text("a\nb"));
    }
}
