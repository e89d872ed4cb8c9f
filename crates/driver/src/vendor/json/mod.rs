//! The JSON lists: Panasonic's own, and the community's for Surface, whose vendor publishes none.

mod panasonic;
mod surface;

use serde::Deserialize;

use super::{PackCatalog, VendorError};

pub use surface::{SurfaceSku, surface_skus};

pub(super) fn read(text: &str) -> Result<PackCatalog, VendorError> {
    if text.starts_with('[') {
        return surface::read(serde_json::from_str(text)?);
    }
    let list: serde_json::Map<String, serde_json::Value> = serde_json::from_str(text)?;
    if !list.contains_key("Models") {
        return Err(VendorError::Unknown);
    }
    panasonic::read(serde_json::from_value(list.into())?)
}

/// A text that may also be missing, null, or a list of texts; anything else counts as missing.
#[derive(Deserialize, Default)]
#[serde(untagged)]
pub(super) enum Text {
    One(String),
    Many(Vec<String>),
    Other(serde::de::IgnoredAny),
    #[default]
    None,
}

impl Text {
    pub(super) fn one(&self) -> &str {
        match self {
            Self::One(text) => text.trim(),
            Self::Many(texts) => texts.first().map(|text| text.trim()).unwrap_or_default(),
            Self::Other(_) | Self::None => "",
        }
    }

    pub(super) fn all(self) -> Vec<String> {
        let texts = match self {
            Self::One(text) => vec![text],
            Self::Many(texts) => texts,
            Self::Other(_) | Self::None => Vec::new(),
        };
        texts.iter().map(|text| text.trim().to_owned()).filter(|text| !text.is_empty()).collect()
    }
}
