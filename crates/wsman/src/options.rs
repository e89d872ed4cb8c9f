//! What options and headers say to the provider: WMI's context qualifiers arrive as options, `wmi:Name` for a value and
//! `wmiarray:Name` for an element of a list (MS-WSMV 2.2.4.24).

use cim::Value;
use http::HeaderMap;
use provider::{Context, Fault};

use crate::envelope::{Headers, RequestOption};
use crate::fault::WsmanFault;

/// Before the name of an element of a list of WMI's context.
const ELEMENT: &str = "wmiarray:";
/// The list of the properties that a client has changed in an instance.
const MODIFIED: &str = "__MIInstanceModifiedPropertiesList";
/// The qualifier that selects a language.
const LOCALE: &str = "LocaleID";

/// The options that clients of Windows send and that mean nothing here, or are asked for by [`is_set`].
const KNOWN: [&str; 11] = [
    "__MI_CallbackRegistration",
    "__MI_OPERATIONOPTIONS_CHANNELVALUE",
    "__MI_OPERATIONOPTIONS_WRITEERRORMODE",
    "__MI_OPERATIONOPTIONS_PROMPTUSERMODE",
    MODIFIED,
    "UsePreciseArrays",
    "IncludePropertyMetadata",
    "IncludeQualifiers",
    "IncludeInheritanceHierarchy",
    "IncludeInheritedElements",
    "IncludeClassOrigin",
];

/// The context qualifiers (class page "SMS Provider context qualifiers"), of which other names mean nothing.
const QUALIFIERS: [&str; 9] = [
    "ApplicationName",
    "MachineName",
    LOCALE,
    "SessionHandle",
    "ContextHandle",
    "InstanceCount",
    "LimitToCollectionIDs",
    "QueryQualifiers",
    "ObjectLockContext",
];

/// Windows' numbers of the languages that Configuration Manager speaks, by their tags (MS-LCID).
const LANGUAGES: [(&str, &str, u32); 22] = [
    ("cs", "cs-CZ", 1029),
    ("da", "da-DK", 1030),
    ("de", "de-DE", 1031),
    ("el", "el-GR", 1032),
    ("en", "en-US", 1033),
    ("es", "es-ES", 3082),
    ("fi", "fi-FI", 1035),
    ("fr", "fr-FR", 1036),
    ("hu", "hu-HU", 1038),
    ("it", "it-IT", 1040),
    ("ja", "ja-JP", 1041),
    ("ko", "ko-KR", 1042),
    ("nb", "nb-NO", 1044),
    ("nl", "nl-NL", 1043),
    ("pl", "pl-PL", 1045),
    ("pt", "pt-BR", 1046),
    ("pt", "pt-PT", 2070),
    ("ru", "ru-RU", 1049),
    ("sv", "sv-SE", 1053),
    ("tr", "tr-TR", 1055),
    ("zh", "zh-CN", 2052),
    ("zh", "zh-TW", 1028),
];

/// The context of a request.
///
/// Errors: a value that is not of its qualifier's form, or an unknown option that insists on being known.
pub(crate) fn context(headers: &Headers, http: &HeaderMap) -> Result<Context, WsmanFault> {
    let mut values: Vec<(String, Value)> = Vec::new();
    for option in &headers.options {
        let name = bare(&option.name);
        let qualifier = QUALIFIERS.iter().find(|known| known.eq_ignore_ascii_case(name));
        let Some(qualifier) = qualifier else {
            refuse_unknown(option)?;
            continue;
        };
        let value = option.value.as_deref().map_or(Value::Null, Value::text);
        let is_element = prefixed(&option.name, ELEMENT);
        match values.iter_mut().find(|(known, _)| known == qualifier) {
            Some((_, Value::Array(elements))) if is_element => elements.push(value),
            Some((_, known)) => *known = value,
            None if is_element => values.push(((*qualifier).to_owned(), Value::Array(vec![value]))),
            None => values.push(((*qualifier).to_owned(), value)),
        }
    }
    let context = Context::from_values(values).map_err(|fault| match fault {
        Fault::InvalidContext { name, reason } => WsmanFault::InvalidOption { name, known: true, reason },
        other => {
            WsmanFault::InvalidOption { name: "OptionSet".to_owned(), known: true, reason: other.to_string() }
        }
    })?;
    let locale_id = context.locale_id.or_else(|| headers.locale.as_deref().and_then(language));
    Ok(Context { agent: signin::agent(http), locale_id, ..context })
}

/// The names of the properties that the client says it has changed; none where it says nothing of it.
pub(crate) fn modified_properties(headers: &Headers) -> Option<Vec<&str>> {
    let listed = headers.options.iter().filter(|option| bare(&option.name).eq_ignore_ascii_case(MODIFIED));
    let names: Vec<_> = listed.filter_map(|option| option.value.as_deref()).map(str::trim).collect();
    (!names.is_empty()).then_some(names)
}

/// What an option says that is true or false; none where it is not there. The prefix of its name says nothing.
pub(crate) fn is_set(headers: &Headers, name: &str) -> Option<bool> {
    let option = headers.options.iter().find(|option| bare(&option.name).eq_ignore_ascii_case(name))?;
    let value = option.value.as_deref()?.trim();
    Some(value.eq_ignore_ascii_case("true") || value == "1")
}

fn refuse_unknown(option: &RequestOption) -> Result<(), WsmanFault> {
    let known = KNOWN.iter().any(|known| known.eq_ignore_ascii_case(bare(&option.name)));
    if known || !option.must_comply {
        return Ok(());
    }
    let reason = "it is not known here, and MustComply asks for that".to_owned();
    Err(WsmanFault::InvalidOption { name: option.name.clone(), known: false, reason })
}

/// The name without the prefix that says what it is for.
fn bare(name: &str) -> &str {
    name.split_once(':').map_or(name, |(_, bare)| bare)
}

fn prefixed(name: &str, prefix: &str) -> bool {
    name.get(..prefix.len()).is_some_and(|start| start.eq_ignore_ascii_case(prefix))
}

/// The number of a language tag: of the tag as a whole, else of its language.
fn language(tag: &str) -> Option<u32> {
    let whole = LANGUAGES.iter().find(|(_, known, _)| known.eq_ignore_ascii_case(tag));
    let short = tag.split('-').next().unwrap_or(tag);
    let found = whole.or_else(|| LANGUAGES.iter().find(|(known, _, _)| known.eq_ignore_ascii_case(short)));
    found.map(|(_, _, number)| *number)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use http::header::USER_AGENT;

    use super::*;
    use crate::resource::ResourceUri;

    fn headers(options: &[(&str, &str)], locale: Option<&str>) -> Headers {
        let uri = "http://schemas.dmtf.org/wbem/wscim/1/cim-schema/2/SMS_X";
        let option = |(name, value): &(&str, &str)| RequestOption {
            name: (*name).to_owned(),
            value: Some((*value).to_owned()),
            must_comply: false,
        };
        Headers {
            action: String::new(),
            resource: ResourceUri::parse(uri).unwrap().0,
            selectors: Vec::new(),
            options: options.iter().map(option).collect(),
            message_id: String::new(),
            max_envelope_bytes: 8192,
            timeout: Duration::from_secs(1),
            locale: locale.map(str::to_owned),
            fragment: None,
        }
    }

    #[test]
    fn options_become_context() {
        let sent = headers(
            &[
                ("__MI_CallbackRegistration", "11"),
                ("wmi:ApplicationName", "Import"),
                ("WMI:machinename", "ADMIN1"),
                ("InstanceCount", "10"),
                ("wmiarray:LimitToCollectionIDs", "SMS00001"),
                ("wmiarray:LimitToCollectionIDs", "SMS00002"),
                ("wmi:LocaleID", "MS\\0x0407"),
                ("wmi:Nothing", "x"),
            ],
            Some("fr-FR"),
        );
        let mut http = HeaderMap::new();
        http.insert(USER_AGENT, "Microsoft WinRM Client".parse().unwrap());
        let expect = Context {
            application_name: Some("Import".to_owned()),
            machine_name: Some("ADMIN1".to_owned()),
            instance_count: Some(10),
            limit_to_collection_ids: vec!["SMS00001".to_owned(), "SMS00002".to_owned()],
            locale_id: Some(0x407),
            agent: Some("Microsoft WinRM Client".to_owned()),
            ..Context::default()
        };
        assert_eq!(context(&sent, &http).unwrap(), expect);
    }

    #[test]
    fn the_language_is_that_of_the_locale_where_no_option_names_one() {
        for (locale, expect) in [
            ("en-us", Some(1033)),
            ("de-AT", Some(1031)),
            ("pt-PT", Some(2070)),
            ("zh-TW", Some(1028)),
            ("tlh", None),
            ("", None),
        ] {
            let got = context(&headers(&[], Some(locale)), &HeaderMap::new()).unwrap().locale_id;
            assert_eq!(got, expect, "{locale}");
        }
    }

    #[test]
    fn wrong_values_and_unknown_names_that_insist_are_refused() {
        for (name, value) in [("wmi:LocaleID", "1033"), ("InstanceCount", "many")] {
            let refused = context(&headers(&[(name, value)], None), &HeaderMap::new()).unwrap_err();
            assert_eq!(refused.line().detail, Some("InvalidValue"), "{name}");
        }
        let mut sent = headers(&[("wmi:Nothing", "x"), ("msftwinrm:UsePreciseArrays", "true")], None);
        assert!(context(&sent, &HeaderMap::new()).is_ok());
        assert_eq!(is_set(&sent, "useprecisearrays"), Some(true));
        assert_eq!(is_set(&sent, "IncludeQualifiers"), None);
        sent.options.iter_mut().for_each(|option| option.must_comply = true);
        let refused = context(&sent, &HeaderMap::new()).unwrap_err();
        assert_eq!(refused.line().detail, Some("NotSupported"));
        sent.options.remove(0);
        assert!(context(&sent, &HeaderMap::new()).is_ok());
    }

    #[test]
    fn the_list_of_changed_properties_is_read() {
        let name = "wmiarray:__MIInstanceModifiedPropertiesList";
        let sent = headers(&[(name, "Name"), (name, " Version ")], None);
        assert_eq!(modified_properties(&sent), Some(vec!["Name", "Version"]));
        assert_eq!(modified_properties(&headers(&[], None)), None);
    }
}
