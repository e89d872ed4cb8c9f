//! Panasonic's list: models with their packs.

use std::sync::Arc;

use serde::Deserialize;

use super::Text;
use crate::vendor::value::{self, HashKind};
use crate::vendor::{
    Findings, Pack, PackCatalog, PackHashes, PackKind, PackModel, PackOs, PackTarget, Vendor, VendorError,
    choice,
};

pub(super) fn read(list: PanasonicList) -> Result<PackCatalog, VendorError> {
    if choice::manufacturer(list.manufacturer.one()) != Vendor::Panasonic.manufacturer() {
        return Err(VendorError::Unknown);
    }
    let mut findings = Findings::default();
    let mut packs = Vec::new();
    for entry in list.models {
        let (alias, product) = (entry.alias.one(), entry.product.one());
        let system_ids = Some(product).filter(|product| !product.is_empty());
        let model = PackModel::new(alias, system_ids.map(str::to_owned).into_iter().collect());
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

fn panasonic_pack(entry: &PanasonicPack, model: &Arc<PackModel>, findings: &mut Findings) -> Option<Pack> {
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
    let os = PackOs::new(&name, entry.os_release.one(), false, crate::inf::Architecture::Amd64);
    Some(Pack {
        name: id.clone(),
        version: entry.version.one().to_owned(),
        kind: PackKind::Drivers,
        targets: vec![PackTarget { model: Arc::clone(model), os }],
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
pub(super) struct PanasonicList {
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
