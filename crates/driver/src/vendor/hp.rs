//! HP's HPClientDriverPackCatalog: packs (SoftPaqs), and a list that links products and systems with them.

use std::collections::HashMap;

use roxmltree::Node;

use super::choice::release_number;
use super::value::{self, HashKind};
use super::{Findings, Pack, PackCatalog, PackHashes, PackKind, PackModel, PackOs, PackTarget, Vendor};

/// `None` if the root holds something else.
pub(super) fn read(root: Node<'_, '_>) -> Option<PackCatalog> {
    let is_catalog = |node: &Node<'_, '_>| node.tag_name().name() == "HPClientDriverPackCatalog";
    let catalog = if is_catalog(&root) { root } else { root.children().find(is_catalog)? };
    let mut findings = Findings::default();
    let mut packs: Vec<Pack> =
        items(catalog, "SoftPaqList", "SoftPaq").filter_map(|node| read_pack(node, &mut findings)).collect();
    let by_id: HashMap<String, usize> =
        packs.iter().enumerate().map(|(index, pack)| (pack.id.to_ascii_lowercase(), index)).collect();
    for link in items(catalog, "ProductOSDriverPackList", "ProductOSDriverPack") {
        let id = text(link, "SoftPaqId");
        let Some(index) = by_id.get(&id.to_ascii_lowercase()) else {
            findings.warn("pack_reference_missing", &id, "a product refers to it, and it is not in the list");
            continue;
        };
        if !findings.may_add_target(&id) {
            break;
        }
        packs[*index].targets.extend(target(link, &id, &mut findings));
    }
    for pack in packs.iter().filter(|pack| pack.targets.is_empty()) {
        findings.note("pack_without_models", &pack.id, "no product refers to it");
    }
    Some(PackCatalog {
        vendor: Vendor::Hp,
        version: catalog.attribute("SchemaVersion").unwrap_or_default().to_owned(),
        released: value::date(
            catalog.attribute("DateReleased").unwrap_or_default(),
            "the catalog",
            &mut findings,
        ),
        packs,
        diagnostics: findings.kept,
    })
}

fn read_pack(node: Node<'_, '_>, findings: &mut Findings) -> Option<Pack> {
    let id = text(node, "Id");
    let url = value::url(&text(node, "Url"), &id, findings)?;
    let mut hashes = PackHashes::default();
    value::hash(&mut hashes, HashKind::Md5, &text(node, "MD5"), &id, findings);
    value::hash(&mut hashes, HashKind::Sha256, &text(node, "SHA256"), &id, findings);
    Some(Pack {
        name: text(node, "Name"),
        version: text(node, "Version"),
        kind: PackKind::Drivers,
        targets: Vec::new(),
        format: value::format(value::file_name(&url)),
        url,
        size_bytes: value::size(&text(node, "Size"), &id, findings),
        size_exact: true,
        hashes,
        released: value::date(&text(node, "DateReleased"), &id, findings),
        id,
    })
}

fn target(link: Node<'_, '_>, id: &str, findings: &mut Findings) -> Option<PackTarget> {
    let name = text(link, "SystemName");
    let system_ids: Vec<String> = text(link, "SystemId")
        .split(',')
        .map(|id| id.trim().to_owned())
        .filter(|id| !id.is_empty())
        .collect();
    if system_ids.is_empty() {
        let text = format!("the model {} has no system id", value::short(&name));
        findings.warn("pack_model_without_id", id, &text);
    }
    let os_text = text(link, "OSName");
    let Some(architecture) = value::architecture(&text(link, "Architecture")) else {
        let text = format!("{} has an unknown architecture", value::short(&os_text));
        findings.warn("pack_os_unknown", id, &text);
        return None;
    };
    let (os_name, release) = os(&os_text);
    let os = PackOs::new(&os_name, &release, false, architecture);
    Some(PackTarget { model: PackModel::new(&name, system_ids), os })
}

/// `Windows 11 64-bit, 24H2` -> `Windows 11`, `24H2`. Other editions keep their whole name.
fn os(text: &str) -> (String, String) {
    let mut release = String::new();
    let mut name = Vec::new();
    for part in text.split(',') {
        let part = part.trim();
        if release_number(part).is_some() {
            part.clone_into(&mut release);
            continue;
        }
        name.extend(part.split_whitespace().filter(|word| value::architecture(word).is_none()));
    }
    (name.join(" "), release)
}

fn items<'a, 'input: 'a>(
    catalog: Node<'a, 'input>,
    list: &'static str,
    item: &'static str,
) -> impl Iterator<Item = Node<'a, 'input>> {
    let named =
        |name: &'static str| move |node: &Node<'_, '_>| node.is_element() && node.tag_name().name() == name;
    catalog.children().filter(named(list)).flat_map(move |list| list.children().filter(named(item)))
}

fn text(node: Node<'_, '_>, name: &str) -> String {
    let child = node.children().find(|child| child.is_element() && child.tag_name().name() == name);
    child.and_then(|child| child.text()).unwrap_or_default().trim().to_owned()
}
