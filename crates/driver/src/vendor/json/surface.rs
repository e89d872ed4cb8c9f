//! The community's lists for Surface: packs with the SystemSKUs that they are for, and a table of these.

use serde::Deserialize;

use super::Text;
use crate::vendor::value::{self, HashKind};
use crate::vendor::{
    BYTES_MAX, Findings, Pack, PackCatalog, PackHashes, PackKind, PackModel, PackOs, PackTarget, Vendor,
    VendorError,
};
use crate::xml;

#[derive(Deserialize, Default)]
#[serde(default, rename_all = "PascalCase")]
pub(super) struct SurfaceEntry {
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

pub(super) fn read(entries: Vec<SurfaceEntry>) -> Result<PackCatalog, VendorError> {
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
            let os = PackOs::new(entry.operating_system.one(), &release, or_later, architecture);
            let model = PackModel::new(entry.model.one(), entry.system_id.all());
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
