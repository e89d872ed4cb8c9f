//! The folder of one driver, in memory: how it is made, how a twin is made of it, how its next release comes about.

use std::collections::BTreeMap;

use crate::catalog::{Catalog, Signer, Stamp};
use crate::code;
use crate::image::{Image, message};
use crate::inf;
use crate::names::Identity;
use crate::pe;
use crate::rebuild::rebuild;
use crate::rng::Rng;
use crate::sign;

/// Content by path relative to the driver's folder, '/' between the parts.
pub(crate) type Files = BTreeMap<String, Vec<u8>>;

/// Shared components have it in their names; releases leave them alone.
pub(crate) const SHARED_MARK: &str = "CoInst";

const MIB: usize = 1 << 20;

/// A new driver.
pub(crate) fn new(rng: &mut Rng, identity: &Identity) -> Files {
    let mut files = Files::new();
    for number in 0..payload_count(rng) {
        let (name, content) = payload(rng, identity, number);
        files.insert(name, content);
    }
    let names: Vec<String> = files.keys().cloned().collect();
    let infs = if rng.chance(0.85) { 1 } else { rng.between(2, 4) };
    for number in 0..infs {
        let suffix = if number == 0 { String::new() } else { format!("_ext{number}") };
        let catalog = format!("{}{suffix}.cat", identity.stem);
        let models = (rng.log_normal(8.0, 1.0) as usize).clamp(1, 300);
        let text = inf::text(rng, identity, &catalog, &names, models);
        files.insert(format!("{}{suffix}.inf", identity.stem), inf::store(&text, rng.chance(0.3)));
        files.insert(catalog, Vec::new());
    }
    seal(&mut files, rng);
    files
}

/// The same driver under another name: a few bytes, INF and catalog differ.
pub(crate) fn twin(original: &Files, old: &Identity, new: &Identity, rng: &mut Rng) -> Files {
    let mut files = Files::new();
    for (name, content) in original {
        let name =
            name.replace(&old.stem, &new.stem).replace(&old.stem.to_uppercase(), &new.stem.to_uppercase());
        let content = if is_kind(&name, &["inf"]) {
            let (text, utf16) = inf::load(content);
            inf::store(&text.replace(&old.stem, &new.stem), utf16)
        } else if let Some(mut image) = pe::decode(content) {
            let size = rng.between(20, 200).min(image.data.len());
            rng.fill(&mut image.data[..size]);
            pe::encode(&image, rng)
        } else {
            content.clone()
        };
        files.insert(name, content);
    }
    seal(&mut files, rng);
    files
}

/// The next release with `binaries` of its binaries (all when `None`) rebuilt, INFs and catalogs included.
pub(crate) fn release(files: &mut Files, binaries: Option<usize>, rng: &mut Rng) {
    let version = next_infs(files, 0.15, rng);
    let mut candidates: Vec<&mut Vec<u8>> = files
        .iter_mut()
        .filter(|(name, _)| is_kind(name, &["sys", "dll", "exe"]) && !name.contains(SHARED_MARK))
        .map(|(_, content)| content)
        .collect();
    let first = rng.below(candidates.len());
    let count = binaries.unwrap_or(usize::MAX).min(candidates.len());
    for number in 0..count {
        let place = (first + number) % candidates.len();
        if let Some(mut image) = pe::decode(candidates[place]) {
            rebuild(&mut image, version, rng);
            *candidates[place] = pe::encode(&image, rng);
        }
    }
    seal(files, rng);
}

/// New dates and signatures, no code touched. Copies of one binary stay copies.
pub(crate) fn sign_again(files: &mut Files, rng: &mut Rng) {
    next_infs(files, 0.0, rng);
    let round = rng.next_u64();
    for (_, content) in files.iter_mut().filter(|(name, _)| is_kind(name, &["sys", "dll", "exe"])) {
        let hash = sign::sha256(&[content]);
        let seed = u64::from_le_bytes(hash[..8].try_into().expect("a hash has 32 bytes"));
        let mut own = Rng::new(round ^ seed);
        if let Some(signed) = pe::sign_again(content, &mut own) {
            *content = signed;
        }
    }
    seal(files, rng);
}

/// Writes every catalog anew over what the folder holds now.
fn seal(files: &mut Files, rng: &mut Rng) {
    let members: Vec<(String, Vec<u8>)> = files
        .iter()
        .filter(|(name, _)| !is_kind(name, &["cat"]))
        .map(|(name, content)| (name.rsplit('/').next().unwrap_or(name).to_owned(), content.clone()))
        .collect();
    let catalogs: Vec<String> = files.keys().filter(|name| is_kind(name, &["cat"])).cloned().collect();
    for catalog in catalogs {
        let inf = format!("{}inf", &catalog[..catalog.len() - 3]);
        let ids = files.get(&inf).map(|content| inf::hardware_ids(&inf::load(content).0)).unwrap_or_default();
        let mut made = new_catalog(rng);
        for (name, content) in &members {
            made = made.file(name, content);
        }
        for id in &ids {
            made = made.hardware_id(id);
        }
        files.insert(catalog, made.build());
    }
}

/// Signed on some day of 2026, with an id of its own.
fn new_catalog(rng: &mut Rng) -> Catalog {
    let mut id = [0; 16];
    rng.fill(&mut id);
    let created = format!("26{:02}{:02}120000Z", rng.between(1, 12), rng.between(1, 28));
    let catalog = Catalog::new(2).id(id).created(&created).attribute("OS", "_v100_X64");
    catalog.signed(Signer::HardwareLabs).stamped(Stamp::Token)
}

fn next_infs(files: &mut Files, new_devices: f64, rng: &mut Rng) -> [u16; 4] {
    let mut latest = [1, 0, 0, 0];
    for (_, content) in files.iter_mut().filter(|(name, _)| is_kind(name, &["inf"])) {
        let (text, utf16) = inf::load(content);
        let Some((mut text, version)) = inf::next_release(&text, rng) else { continue };
        if rng.chance(new_devices) {
            for _ in 0..rng.between(1, 5) {
                text = inf::add_device(&text, rng);
            }
        }
        *content = inf::store(&text, utf16);
        latest = version;
    }
    latest
}

/// Whether the name ends with one of the extensions, in any case.
pub(crate) fn is_kind(name: &str, extensions: &[&str]) -> bool {
    let extension = name.rsplit('.').next().unwrap_or_default().to_ascii_lowercase();
    extensions.contains(&extension.as_str())
}

fn payload_count(rng: &mut Rng) -> usize {
    match rng.unit() {
        draw if draw < 0.12 => 0, // the INF only includes one of Windows
        draw if draw < 0.67 => rng.between(1, 3),
        draw if draw < 0.92 => rng.between(4, 12),
        _ => rng.between(13, 40),
    }
}

fn payload(rng: &mut Rng, identity: &Identity, number: usize) -> (String, Vec<u8>) {
    if number == 0 {
        return binary(rng, identity, "", "sys", (45_000.0, 1.1, MIB));
    }
    let suffix = number.to_string();
    match rng.below(60) {
        draw if draw < 12 => binary(rng, identity, &suffix, "sys", (45_000.0, 1.1, MIB)),
        draw if draw < 34 => binary(rng, identity, &suffix, "dll", (120_000.0, 1.2, 4 * MIB)),
        draw if draw < 38 => binary(rng, identity, &suffix, "exe", (150_000.0, 1.0, 2 * MIB)),
        draw if draw < 46 => text_file(rng, identity, number),
        _ => firmware(rng, identity, number),
    }
}

fn binary(
    rng: &mut Rng,
    identity: &Identity,
    suffix: &str,
    extension: &str,
    (median, sigma, limit): (f64, f64, usize),
) -> (String, Vec<u8>) {
    let name = identity.file(rng, suffix, extension);
    let bytes = (rng.log_normal(median, sigma) as usize).clamp(6_000, limit);
    let content = image_file(rng, &name, identity.version, bytes);
    let folder = if extension == "dll" && rng.chance(0.4) { "x64/" } else { "" };
    (format!("{folder}{name}"), content)
}

/// One signed or unsigned image as a file.
pub(crate) fn image_file(rng: &mut Rng, name: &str, version: [u16; 4], bytes: usize) -> Vec<u8> {
    let image = Image::new(rng, name, version, bytes);
    pe::encode(&image, rng)
}

fn text_file(rng: &mut Rng, identity: &Identity, number: usize) -> (String, Vec<u8>) {
    let lines = rng.between(10, 400);
    let text: String = (0..lines).map(|_| format!("<Setting name=\"{}\" />\r\n", message(rng))).collect();
    (format!("Config Files/{} Tuning {number}.xml", identity.product), text.into_bytes())
}

/// Firmware: code, tables of zeros, and an encrypted or packed part.
fn firmware(rng: &mut Rng, identity: &Identity, number: usize) -> (String, Vec<u8>) {
    let bytes = (rng.log_normal(12_000.0, 1.6) as usize).clamp(64, MIB);
    let mut content = code::plain(rng, bytes * 6 / 10);
    content.extend(std::iter::repeat_n(0, bytes / 10));
    content.extend(rng.bytes(bytes * 3 / 10));
    (format!("Firmware/{}_{number}.bin", identity.stem), content)
}
