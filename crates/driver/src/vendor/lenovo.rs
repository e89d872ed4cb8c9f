//! Lenovo's catalogv2: models with their packs as addresses. The form of 2020 knows only Windows 10 and no hashes.

use std::collections::HashMap;
use std::sync::Arc;

use roxmltree::Node;

use super::value::{self, HashKind};
use super::{Findings, Pack, PackCatalog, PackHashes, PackKind, PackModel, PackOs, PackTarget, Vendor};
use crate::inf::Architecture;

pub(super) fn read(root: Node<'_, '_>) -> PackCatalog {
    let mut findings = Findings::default();
    let mut packs = Packs::default();
    for node in root.children().filter(|node| node.tag_name().name() == "Model") {
        let model = read_model(node, &mut findings);
        for entry in node.children().filter(Node::is_element) {
            let kind = match entry.tag_name().name() {
                "SCCM" => PackKind::Drivers,
                "GFX" => PackKind::Graphics(entry.attribute("brand").unwrap_or_default().trim().to_owned()),
                "HSA" => PackKind::StoreApps,
                _ => continue,
            };
            packs.add(entry, kind, &model, &mut findings);
        }
    }
    PackCatalog {
        vendor: Vendor::Lenovo,
        version: root.attribute("version").unwrap_or_default().to_owned(),
        released: None,
        packs: packs.list,
        diagnostics: findings.kept,
    }
}

fn read_model(node: Node<'_, '_>, findings: &mut Findings) -> Arc<PackModel> {
    let name = node.attribute("name").unwrap_or_default().trim().to_owned();
    let types = node.children().filter(|child| child.tag_name().name() == "Types");
    let system_ids: Vec<String> = types
        .flat_map(|types| types.children())
        .filter(|child| child.tag_name().name() == "Type")
        .filter_map(|child| child.text())
        .map(|text| text.trim().to_owned())
        .filter(|text| !text.is_empty())
        .collect();
    if system_ids.is_empty() {
        findings.warn("pack_model_without_id", &value::short(&name), "the model has no machine type");
    }
    PackModel::new(&name, system_ids)
}

/// Many models name the same address: it is one pack.
#[derive(Default)]
struct Packs {
    list: Vec<Pack>,
    by_url: HashMap<String, usize>,
}

impl Packs {
    fn add(&mut self, entry: Node<'_, '_>, kind: PackKind, model: &Arc<PackModel>, findings: &mut Findings) {
        let address = entry.text().unwrap_or_default().trim();
        let Some(url) = value::url(address, &value::short(&model.name), findings) else { return };
        let index = match self.by_url.get(&url) {
            Some(index) => *index,
            None => {
                self.list.push(pack(entry, kind, &url, findings));
                self.by_url.insert(url, self.list.len() - 1);
                self.list.len() - 1
            }
        };
        let pack = &mut self.list[index];
        if !findings.may_add_target(&pack.id) {
            return;
        }
        let target = PackTarget { model: Arc::clone(model), os: system(entry, &pack.id, findings) };
        // An entry that is there twice stands twice in a row.
        if pack.targets.last() != Some(&target) {
            pack.targets.push(target);
        }
    }
}

fn pack(entry: Node<'_, '_>, kind: PackKind, url: &str, findings: &mut Findings) -> Pack {
    let file_name = value::file_name(url);
    let id = file_name.to_owned();
    let mut hashes = PackHashes::default();
    // In spite of its name the attribute holds a SHA-256.
    value::hash(&mut hashes, HashKind::Sha256, entry.attribute("crc").unwrap_or_default(), &id, findings);
    value::hash(&mut hashes, HashKind::Md5, entry.attribute("md5").unwrap_or_default(), &id, findings);
    Pack {
        name: file_name.to_owned(),
        version: String::new(),
        kind,
        targets: Vec::new(),
        format: value::format(file_name),
        url: url.to_owned(),
        size_bytes: None,
        size_exact: true,
        hashes,
        released: value::date(entry.attribute("date").unwrap_or_default(), &id, findings),
        id,
    }
}

fn system(entry: Node<'_, '_>, id: &str, findings: &mut Findings) -> PackOs {
    let os = entry.attribute("os").unwrap_or("win10").trim();
    let name = match os.strip_prefix("win") {
        Some(number) => format!("Windows {number}"),
        None => {
            findings.warn("pack_os_unknown", id, &format!("the system `{}` is not known", value::short(os)));
            os.to_owned()
        }
    };
    let release = match entry.attribute("version").unwrap_or_default().trim() {
        "*" => "",
        release => release,
    };
    // The list has no architecture: these machines are x64.
    PackOs::new(&name, release, false, Architecture::Amd64)
}
