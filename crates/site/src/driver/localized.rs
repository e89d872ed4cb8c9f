//! Names in several languages: kept as JSON, one of them shown.

use serde::{Deserialize, Serialize};

use crate::error::{Result, SiteError};

/// English (United States): the language in which the site answers when an object has it.
pub(crate) const LOCALE_DEFAULT: u32 = 1033;
/// Languages of one object.
const LOCALES_MAX: usize = 64;
/// Characters of a name, a description or an address.
const TEXT_CHARS_MAX: usize = 512;

/// What a driver is called in one language; SMS_CI_LocalizedProperties.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct LocalizedProperties {
    /// The Windows language id, for example 1033.
    pub locale_id: u32,
    /// The name.
    pub display_name: String,
    /// A description.
    pub description: String,
    /// An address with more.
    pub informative_url: String,
}

/// What a category is called in one language; SMS_Category_LocalizedProperties.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct LocalizedName {
    /// The Windows language id, for example 1033.
    pub locale_id: u32,
    /// The name.
    pub name: String,
}

/// Something that is said in one language.
pub(crate) trait Localized {
    fn locale_id(&self) -> u32;
    fn texts(&self) -> Vec<&str>;
}

impl Localized for LocalizedProperties {
    fn locale_id(&self) -> u32 {
        self.locale_id
    }

    fn texts(&self) -> Vec<&str> {
        vec![&self.display_name, &self.description, &self.informative_url]
    }
}

impl Localized for LocalizedName {
    fn locale_id(&self) -> u32 {
        self.locale_id
    }

    fn texts(&self) -> Vec<&str> {
        vec![&self.name]
    }
}

/// The one to show: the site's language, else the first.
pub(crate) fn shown<T: Localized>(all: &[T]) -> Option<&T> {
    all.iter().find(|one| one.locale_id() == LOCALE_DEFAULT).or_else(|| all.first())
}

/// Refuses what cannot be kept: too many languages, one twice, texts that are too long or hold control characters.
pub(crate) fn check<T: Localized>(all: &[T]) -> Result<()> {
    let refuse = |reason: String| Err(SiteError::invalid("LocalizedInformation", reason));
    if all.len() > LOCALES_MAX {
        return refuse(format!("at most {LOCALES_MAX} languages are allowed"));
    }
    for (index, one) in all.iter().enumerate() {
        if all[..index].iter().any(|other| other.locale_id() == one.locale_id()) {
            return refuse(format!("LocaleID {} is there twice", one.locale_id()));
        }
        for text in one.texts() {
            if text.chars().count() > TEXT_CHARS_MAX {
                return refuse(format!("at most {TEXT_CHARS_MAX} characters are allowed in a text"));
            }
            if text.chars().any(|c| c.is_control() && !matches!(c, '\r' | '\n' | '\t')) {
                return refuse("control characters are not allowed".to_owned());
            }
        }
    }
    Ok(())
}

/// As it is stored.
pub(crate) fn to_json<T: Serialize>(all: &[T]) -> String {
    serde_json::to_string(all).expect("texts and numbers always become JSON")
}

/// From how it is stored.
pub(crate) fn from_json<T: for<'de> Deserialize<'de>>(stored: &str, column: &'static str) -> Result<Vec<T>> {
    serde_json::from_str(stored).map_err(|_| SiteError::corrupt(column))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn name(locale_id: u32, name: &str) -> LocalizedName {
        LocalizedName { locale_id, name: name.to_owned() }
    }

    #[test]
    fn the_sites_language_is_shown() {
        let check = |all: &[LocalizedName], expect: Option<&str>| {
            assert_eq!(shown(all).map(|one| one.name.as_str()), expect);
        };
        check(&[], None);
        check(&[name(1031, "Netz"), name(1033, "Net")], Some("Net"));
        check(&[name(1031, "Netz"), name(1036, "Réseau")], Some("Netz"));
    }

    #[test]
    fn languages_have_limits() {
        let refused = |all: &[LocalizedName]| check(all).is_err();
        assert!(!refused(&[name(1031, "Netz"), name(1033, &"ü".repeat(512))]));
        assert!(refused(&[name(1033, &"x".repeat(513))]));
        assert!(refused(&[name(1033, "a"), name(1033, "b")]));
        assert!(refused(&[name(1033, "a\0b")]));
        assert!(refused(&(0..65).map(|locale| name(locale, "a")).collect::<Vec<_>>()));
    }

    #[test]
    fn what_is_stored_is_read_back() {
        let all = vec![name(1033, "a \"b\"\n"), name(7, "ü")];
        assert_eq!(from_json::<LocalizedName>(&to_json(&all), "x").unwrap(), all);
        assert_eq!(from_json::<LocalizedName>("{", "x").unwrap_err().code(), "database_corrupt");
    }
}
