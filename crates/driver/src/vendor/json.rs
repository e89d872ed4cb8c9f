//! The JSON lists: Panasonic's own, and the community's for Surface, whose vendor publishes none.

use serde::Deserialize;

use crate::xml;

use super::value::{self, HashKind};
use super::{
    BYTES_MAX, Findings, Pack, PackCatalog, PackHashes, PackKind, PackModel, PackOs, PackTarget, Vendor,
    VendorError,
};

pub(super) fn read(text: &str) -> Result<PackCatalog, VendorError> {
    if text.starts_with('[') {
        return surface(serde_json::from_str(text)?);
    }
    let list: serde_json::Map<String, serde_json::Value> = serde_json::from_str(text)?;
    if !list.contains_key("Models") {
        return Err(VendorError::Unknown);
    }
    panasonic(serde_json::from_value(list.into())?)
}

/// Reads the community's table of Surface SystemSKUs.
///
/// # Errors
///
/// [`VendorError`] if it is no such table; entries without a SKU are left out.
pub fn surface_skus(bytes: &[u8]) -> Result<Vec<SurfaceSku>, VendorError> {
    let text = xml::decode(bytes, BYTES_MAX)?;
    let entries: Vec<SkuEntry> = serde_json::from_str(&text)?;
    let skus: Vec<SurfaceSku> = entries
        .into_iter()
        .map(|entry| SurfaceSku {
            sku: entry.device.one().to_owned(),
            model: entry.model.one().to_owned(),
            name: entry.system_sku.one().to_owned(),
        })
        .filter(|entry| !entry.sku.is_empty())
        .collect();
    if skus.is_empty() { Err(VendorError::Unknown) } else { Ok(skus) }
}

/// One SystemSKU of a Surface.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SurfaceSku {
    /// What the machine reports, for example `Surface_Pro_7_1866`.
    pub sku: String,
    /// The model, for example `Surface Pro 7`.
    pub model: String,
    /// The variant, for people.
    pub name: String,
}

#[derive(Deserialize, Default)]
#[serde(default, rename_all = "PascalCase")]
struct SkuEntry {
    system_sku: Text,
    model: Text,
    device: Text,
}

#[derive(Deserialize, Default)]
#[serde(default, rename_all = "PascalCase")]
struct PanasonicList {
    last_date_modified: Text,
    manufacturer: Text,
    models: Vec<PanasonicModel>,
}

#[derive(Deserialize, Default)]
#[serde(default, rename_all = "PascalCase")]
struct PanasonicModel {
    alias: Text,
    product: Text,
    driver_packs: Vec<PanasonicPack>,
}

#[derive(Deserialize, Default)]
#[serde(default, rename_all = "PascalCase")]
struct PanasonicPack {
    #[serde(rename = "OSVer")]
    os_ver: Text,
    #[serde(rename = "OSRelease")]
    os_release: Text,
    version: Text,
    #[serde(rename = "URL")]
    url: Text,
    size: Text,
    hash: Text,
    release_date: Text,
}

/// A text that may also be missing, null, or a list of texts; anything else counts as missing.
#[derive(Deserialize, Default)]
#[serde(untagged)]
enum Text {
    One(String),
    Many(Vec<String>),
    Other(serde::de::IgnoredAny),
    #[default]
    None,
}

impl Text {
    fn one(&self) -> &str {
        match self {
            Self::One(text) => text.trim(),
            Self::Many(texts) => texts.first().map(|text| text.trim()).unwrap_or_default(),
            Self::Other(_) | Self::None => "",
        }
    }

    fn all(self) -> Vec<String> {
        let texts = match self {
            Self::One(text) => vec![text],
            Self::Many(texts) => texts,
            Self::Other(_) | Self::None => Vec::new(),
        };
        texts.iter().map(|text| text.trim().to_owned()).filter(|text| !text.is_empty()).collect()
    }
}

fn panasonic(list: PanasonicList) -> Result<PackCatalog, VendorError> {
    if super::choice::manufacturer(list.manufacturer.one()) != Vendor::Panasonic.manufacturer() {
        return Err(VendorError::Unknown);
    }
    let mut findings = Findings::default();
    let mut packs = Vec::new();
    for entry in list.models {
        let (alias, product) = (entry.alias.one(), entry.product.one());
        let model = PackModel {
            name: alias.to_owned(),
            system_ids: Some(product)
                .filter(|product| !product.is_empty())
                .map(str::to_owned)
                .into_iter()
                .collect(),
        };
        if model.system_ids.is_empty() {
            findings.warn("pack_model_without_id", &value::short(alias), "the model has no product");
        }
        packs
            .extend(entry.driver_packs.iter().filter_map(|pack| panasonic_pack(pack, &model, &mut findings)));
    }
    let released = value::date(list.last_date_modified.one(), "the catalog", &mut findings);
    Ok(PackCatalog {
        vendor: Vendor::Panasonic,
        version: list.last_date_modified.one().to_owned(),
        released,
        packs,
        diagnostics: findings.kept,
    })
}

fn panasonic_pack(entry: &PanasonicPack, model: &PackModel, findings: &mut Findings) -> Option<Pack> {
    let url = value::url(entry.url.one(), &value::short(&model.name), findings)?;
    let id = value::file_name(&url).to_owned();
    let mut hashes = PackHashes::default();
    value::hash(&mut hashes, HashKind::Md5, entry.hash.one(), &id, findings);
    let os = entry.os_ver.one();
    let name = match os.to_ascii_lowercase().strip_prefix("win") {
        Some(number) => format!("Windows {number}"),
        None => {
            findings.warn("pack_os_unknown", &id, &format!("the system `{}` is not known", value::short(os)));
            os.to_owned()
        }
    };
    let os = PackOs {
        name,
        release: entry.os_release.one().to_owned(),
        or_later: false,
        architecture: crate::inf::Architecture::Amd64,
    };
    Some(Pack {
        name: id.clone(),
        version: entry.version.one().to_owned(),
        kind: PackKind::Drivers,
        targets: vec![PackTarget { model: model.clone(), os }],
        format: value::format(&id),
        url,
        size_bytes: rounded_size(entry.size.one(), &id, findings),
        size_exact: false,
        hashes,
        released: value::date(entry.release_date.one(), &id, findings),
        id,
    })
}

/// `3.23GB`, `850 MB`.
fn rounded_size(text: &str, id: &str, findings: &mut Findings) -> Option<u64> {
    if text.is_empty() {
        return None;
    }
    let upper = text.to_ascii_uppercase();
    let units = [("GB", 1_000_000_000_u64), ("MB", 1_000_000), ("KB", 1000)];
    let size = units.iter().find_map(|(unit, bytes)| {
        let number = upper.strip_suffix(unit)?.trim();
        let (whole, part) = number.split_once('.').unwrap_or((number, ""));
        let digits = u32::try_from(part.len()).ok().filter(|digits| *digits <= 3)?;
        let part = if part.is_empty() { 0 } else { part.parse::<u64>().ok()? };
        whole.parse::<u64>().ok()?.checked_mul(*bytes)?.checked_add(part * bytes / 10_u64.pow(digits))
    });
    if size.is_none() {
        let text = format!("`{}` is no size", value::short(text));
        findings.warn("pack_size_invalid", id, &text);
    }
    size
}

#[derive(Deserialize, Default)]
#[serde(default, rename_all = "PascalCase")]
struct SurfaceEntry {
    catalog_version: Text,
    release_date: Text,
    name: Text,
    model: Text,
    system_id: Text,
    file_name: Text,
    url: Text,
    operating_system: Text,
    #[serde(rename = "OSArchitecture")]
    os_architecture: Text,
    #[serde(rename = "HashMD5")]
    hash_md5: Text,
}

fn surface(entries: Vec<SurfaceEntry>) -> Result<PackCatalog, VendorError> {
    // The table of SystemSKUs is a list as well, but names no files.
    if entries.iter().all(|entry| entry.url.one().is_empty() && entry.file_name.one().is_empty()) {
        return Err(VendorError::Unknown);
    }
    let mut findings = Findings::default();
    let version =
        entries.iter().map(|entry| entry.catalog_version.one()).max().unwrap_or_default().to_owned();
    let released = value::date(&version, "the catalog", &mut findings);
    let packs = entries.into_iter().filter_map(|entry| surface_pack(entry, &mut findings)).collect();
    Ok(PackCatalog { vendor: Vendor::Microsoft, version, released, packs, diagnostics: findings.kept })
}

fn surface_pack(entry: SurfaceEntry, findings: &mut Findings) -> Option<Pack> {
    let name = entry.name.one().to_owned();
    let url = value::url(entry.url.one(), &value::short(&name), findings)?;
    let id = match entry.file_name.one() {
        "" => value::file_name(&url),
        file_name => file_name,
    }
    .to_owned();
    let (release, version) = surface_file(&id);
    let mut hashes = PackHashes::default();
    value::hash(&mut hashes, HashKind::Md5, entry.hash_md5.one(), &id, findings);
    let mut targets = Vec::new();
    match value::architecture(entry.os_architecture.one()) {
        Some(architecture) => {
            let or_later = !release.is_empty();
            let os =
                PackOs { name: entry.operating_system.one().to_owned(), release, or_later, architecture };
            let model = PackModel { name: entry.model.one().to_owned(), system_ids: entry.system_id.all() };
            if model.system_ids.is_empty() {
                findings.warn("pack_model_without_id", &id, "the model has no SystemSKU");
            }
            targets.push(PackTarget { model, os });
        }
        None => findings.warn("pack_os_unknown", &id, "it has an unknown architecture"),
    }
    Some(Pack {
        name,
        version,
        kind: PackKind::Drivers,
        targets,
        format: value::format(&id),
        url,
        size_bytes: None,
        size_exact: true,
        hashes,
        released: value::date(entry.release_date.one(), &id, findings),
        id,
    })
}

/// The least release and the pack's version from a name like `SurfaceBook3_Win11_22621_25.013.34389.0.msi`.
fn surface_file(file_name: &str) -> (String, String) {
    let stem = file_name.rsplit_once('.').map_or(file_name, |(stem, _)| stem);
    let parts: Vec<&str> = stem.split('_').collect();
    let Some(at) = parts.iter().position(|part| matches!(*part, "Win10" | "Win11")) else {
        return (String::new(), String::new());
    };
    let build: Option<u32> =
        parts.get(at + 1).filter(|part| part.len() == 5).and_then(|part| part.parse().ok());
    let release = build.and_then(value::release_of_build).unwrap_or_default();
    let version = parts.get(at + 1 + usize::from(build.is_some())).copied().unwrap_or_default();
    (release.to_owned(), version.to_owned())
}
