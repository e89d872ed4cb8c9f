//! Dell's DriverPackCatalog, schema 2.3 as of 2018 and its successors, which add `Cryptography`.

use std::sync::Arc;

use roxmltree::Node;

use super::value::{self, HashKind};
use super::{
    Findings, Pack, PackCatalog, PackFormat, PackHashes, PackKind, PackModel, PackOs, PackTarget, Vendor,
};

pub(super) fn read(root: Node<'_, '_>) -> PackCatalog {
    let mut findings = Findings::default();
    let base = root.attribute("baseLocation").unwrap_or_default().trim();
    let packs =
        children(root, "DriverPackage").filter_map(|node| read_pack(node, base, &mut findings)).collect();
    PackCatalog {
        vendor: Vendor::Dell,
        version: attribute(root, "version"),
        released: value::date(&attribute(root, "dateTime"), "the catalog", &mut findings),
        packs,
        diagnostics: findings.kept,
    }
}

fn read_pack(node: Node<'_, '_>, base: &str, findings: &mut Findings) -> Option<Pack> {
    let path = attribute(node, "path");
    let file_name = value::file_name(&path);
    let id = match attribute(node, "releaseID") {
        id if id.is_empty() => file_name.to_owned(),
        id => id,
    };
    let address = if base.is_empty() || path.is_empty() {
        String::new()
    } else if base.contains("://") {
        format!("{base}/{path}")
    } else {
        // `baseLocationAccessProtocols` offers HTTP and FTP; the host serves HTTPS, and nothing else is safe.
        format!("https://{base}/{path}")
    };
    let url = value::url(&address, &id, findings)?;
    let name = children(node, "Name").next().and_then(|name| children(name, "Display").next());
    let name = name.map(content).filter(|name| !name.is_empty());
    let kind = match node.attribute("type") {
        Some("winpe") => PackKind::WindowsPe,
        _ => PackKind::Drivers,
    };
    let format = match node.attribute("format").unwrap_or_default().to_ascii_lowercase().as_str() {
        "cab" => PackFormat::Cabinet,
        "exe" => PackFormat::Program,
        "zip" => PackFormat::Zip,
        _ => value::format(file_name),
    };
    Some(Pack {
        name: name.unwrap_or_else(|| file_name.to_owned()),
        version: attribute(node, "dellVersion"),
        targets: targets(node, &kind, &id, findings),
        kind,
        url,
        format,
        size_bytes: value::size(&attribute(node, "size"), &id, findings),
        size_exact: true,
        hashes: hashes(node, &id, findings),
        released: value::date(&attribute(node, "dateTime"), &id, findings),
        id,
    })
}

fn hashes(node: Node<'_, '_>, id: &str, findings: &mut Findings) -> PackHashes {
    let mut hashes = PackHashes::default();
    value::hash(&mut hashes, HashKind::Md5, &attribute(node, "hashMD5"), id, findings);
    for hash in children(node, "Cryptography").flat_map(|node| children(node, "Hash")) {
        let kind = match hash.attribute("algorithm") {
            Some("MD5") => HashKind::Md5,
            Some("SHA1") => HashKind::Sha1,
            Some("SHA256") => HashKind::Sha256,
            _ => continue,
        };
        value::hash(&mut hashes, kind, &content(hash), id, findings);
    }
    hashes
}

/// Every model with every system.
fn targets(node: Node<'_, '_>, kind: &PackKind, id: &str, findings: &mut Findings) -> Vec<PackTarget> {
    let systems: Vec<PackOs> = children(node, "SupportedOperatingSystems")
        .flat_map(|node| children(node, "OperatingSystem"))
        .filter_map(|node| system(node, id, findings))
        .collect();
    let mut models: Vec<Arc<PackModel>> = children(node, "SupportedSystems")
        .flat_map(|node| children(node, "Brand"))
        .flat_map(|node| children(node, "Model"))
        .map(|node| model(node, id, findings))
        .collect();
    if models.is_empty() {
        if *kind == PackKind::Drivers {
            findings.warn("pack_without_models", id, "it names no model");
            return Vec::new();
        }
        models.push(Arc::default());
    }
    if systems.is_empty() {
        findings.warn("pack_without_os", id, "it names no operating system");
    }
    let pairs = models.iter().flat_map(|model| systems.iter().map(move |os| (model, os)));
    pairs
        .take_while(|_| findings.may_add_target(id))
        .map(|(model, os)| PackTarget { model: Arc::clone(model), os: os.clone() })
        .collect()
}

fn model(node: Node<'_, '_>, id: &str, findings: &mut Findings) -> Arc<PackModel> {
    let name = attribute(node, "name");
    let system_id = attribute(node, "systemID");
    if system_id.is_empty() {
        let text = format!("the model {} has no system id", value::short(&name));
        findings.warn("pack_model_without_id", id, &text);
        return PackModel::new(&name, Vec::new());
    }
    PackModel::new(&name, vec![system_id])
}

fn system(node: Node<'_, '_>, id: &str, findings: &mut Findings) -> Option<PackOs> {
    let code = attribute(node, "osCode");
    let Some(architecture) = value::architecture(&attribute(node, "osArch")) else {
        let text = format!("{} has an unknown architecture", value::short(&code));
        findings.warn("pack_os_unknown", id, &text);
        return None;
    };
    Some(PackOs::new(&os_name(&code), "", false, architecture))
}

/// `Windows11` -> `Windows 11`, `winpe10x` -> `Windows PE 10`, `Vista` -> `Windows Vista`.
fn os_name(code: &str) -> String {
    if let Some(rest) = code.strip_prefix("winpe") {
        return format!("Windows PE {}", rest.trim_end_matches('x'));
    }
    match code.strip_prefix("Windows") {
        Some(rest) => format!("Windows {}", rest.trim()),
        None => format!("Windows {code}"),
    }
}

fn children<'a, 'input: 'a>(
    node: Node<'a, 'input>,
    name: &'static str,
) -> impl Iterator<Item = Node<'a, 'input>> {
    node.children().filter(move |child| child.is_element() && child.tag_name().name() == name)
}

fn attribute(node: Node<'_, '_>, name: &str) -> String {
    node.attribute(name).unwrap_or_default().trim().to_owned()
}

fn content(node: Node<'_, '_>) -> String {
    node.text().unwrap_or_default().trim().to_owned()
}
