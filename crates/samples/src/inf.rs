//! INF text: written once, then changed line by line as vendors do.

use std::fmt::Write;

use crate::names::Identity;
use crate::rng::Rng;

/// The text of a driver's INF.
pub(crate) fn text(
    rng: &mut Rng,
    identity: &Identity,
    catalog: &str,
    payload: &[String],
    models: usize,
) -> String {
    let Identity { vendor, class_name, class_guid, product, stem, number, vendor_id, .. } = identity;
    let driver_ver = driver_ver(identity.month, identity.version);
    let mut out = format!(
        "; {vendor} {product} {number:03}\n[Version]\nSignature = \"$WINDOWS NT$\"\nClass = {class_name}\n\
         ClassGuid = {class_guid}\nProvider = %Vendor%\nCatalogFile = {catalog}\n{driver_ver}\nPnpLockdown = 1\n\n\
         [Manufacturer]\n%Vendor% = Models, NTamd64.10.0...16299\n\n[Models.NTamd64.10.0...16299]\n"
    );
    let mut strings = String::new();
    for model in 0..models {
        let device = number * 64 + model;
        let subsystem = rng.below(0x1_0000);
        let id = format!("PCI\\VEN_{vendor_id:04X}&DEV_{device:04X}&SUBSYS_{subsystem:04X}{vendor_id:04X}");
        put(&mut out, format_args!("%Device{model}% = Install_{stem}, {id}\n"));
        put(&mut strings, format_args!("Device{model} = \"{vendor} {product} {number:03} Model {model}\"\n"));
    }
    put(&mut out, format_args!("\n[Install_{stem}]\nCopyFiles = Files_{stem}\nAddReg = Registry_{stem}\n"));
    put(&mut out, format_args!("\n[Install_{stem}.Services]\nAddService = {stem}, 2, Service_{stem}\n"));
    put(
        &mut out,
        format_args!("\n[Service_{stem}]\nDisplayName = %Service%\nServiceType = 1\nStartType = 3\n"),
    );
    put(&mut out, format_args!("ErrorControl = 1\nServiceBinary = %13%\\{stem}.sys\n"));
    put(&mut out, format_args!("\n[Registry_{stem}]\n"));
    for setting in 0..models * 2 {
        let value = rng.below(100);
        put(
            &mut out,
            format_args!("HKR, Settings\\Group{}, Value{setting}, 0x00010001, {value}\n", setting % 7),
        );
    }
    put(&mut out, format_args!("\n[DestinationDirs]\nFiles_{stem} = 13\n\n[Files_{stem}]\n"));
    for file in payload {
        put(&mut out, format_args!("{}\n", file.rsplit('/').next().unwrap_or(file)));
    }
    out.push_str("\n[SourceDisksNames]\n1 = %Disk%\n\n[SourceDisksFiles]\n");
    for file in payload {
        let (folder, name) = file.rsplit_once('/').unwrap_or(("", file));
        put(&mut out, format_args!("{name} = 1, {}\n", folder.replace('/', "\\")));
    }
    put(&mut out, format_args!("\n[Strings]\nVendor = \"{vendor}\"\nDisk = \"{product} disk\"\n"));
    put(&mut out, format_args!("Service = \"{vendor} {product} Service\"\n{strings}"));
    out.replace('\n', "\r\n")
}

fn put(out: &mut String, text: std::fmt::Arguments<'_>) {
    out.write_fmt(text).expect("a String takes everything");
}

fn driver_ver(month: u32, [major, minor, build, revision]: [u16; 4]) -> String {
    let (year, month_of_year) = (2020 + month / 12, month % 12 + 1);
    let day = 1 + (build % 28);
    format!("DriverVer = {month_of_year:02}/{day:02}/{year},{major}.{minor}.{build}.{revision}")
}

/// As stored: UTF-16LE with a byte order mark, or plain bytes.
pub(crate) fn store(text: &str, utf16: bool) -> Vec<u8> {
    if !utf16 {
        return text.as_bytes().to_vec();
    }
    [0xFEFF].into_iter().chain(text.encode_utf16()).flat_map(u16::to_le_bytes).collect()
}

/// The text of a stored INF, and whether it was UTF-16.
pub(crate) fn load(bytes: &[u8]) -> (String, bool) {
    let Some(units) = bytes.strip_prefix(&[0xFF, 0xFE]) else {
        return (String::from_utf8_lossy(bytes).into_owned(), false);
    };
    let units: Vec<u16> = units.chunks_exact(2).map(|pair| u16::from_le_bytes([pair[0], pair[1]])).collect();
    (String::from_utf16_lossy(&units), true)
}

/// Date and version of the next release: months pass, the build number grows. `None` without a DriverVer line.
pub(crate) fn next_release(text: &str, rng: &mut Rng) -> Option<(String, [u16; 4])> {
    let line = text.lines().find(|line| line.starts_with("DriverVer"))?;
    let (date, version) = line.split_once('=')?.1.trim().split_once(',')?;
    let numbers: Vec<u32> = date.split('/').filter_map(|part| part.parse().ok()).collect();
    let &[month_of_year, _, year] = numbers.as_slice() else { return None };
    let month = (year.checked_sub(2020)?) * 12 + month_of_year.checked_sub(1)? + rng.between(1, 4) as u32;
    let parts: Vec<u16> = version.split('.').filter_map(|part| part.parse().ok()).collect();
    let mut version: [u16; 4] = parts.try_into().ok()?;
    version[2] = version[2].wrapping_add(rng.between(1, 40) as u16);
    version[3] = rng.between(1, 9000) as u16;
    Some((text.replacen(line, &driver_ver(month, version), 1), version))
}

/// Adds a device to the models that exist.
pub(crate) fn add_device(text: &str, rng: &mut Rng) -> String {
    let Some(line) = text.lines().rev().find(|line| line.contains("PCI\\VEN_")) else {
        return text.to_owned();
    };
    let Some((start, _)) = line.split_once("&SUBSYS_") else { return text.to_owned() };
    let added = format!("{line}\r\n{start}&SUBSYS_{:08X}", rng.next_u64() as u32);
    text.replacen(line, &added, 1)
}

/// The hardware ids that the text names, lower case, as a catalog lists them.
pub(crate) fn hardware_ids(text: &str) -> Vec<String> {
    text.lines()
        .filter_map(|line| line.split_once(", PCI\\"))
        .map(|(_, id)| format!("pci\\{}", id.trim().to_lowercase()))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample() -> String {
        let mut rng = Rng::new(5);
        let identity = Identity::new(&mut rng, 3);
        text(&mut rng, &identity, "a.cat", &["a.sys".to_owned(), "x64/a.dll".to_owned()], 4)
    }

    #[test]
    fn stored_text_comes_back() {
        for utf16 in [false, true] {
            assert_eq!(load(&store(&sample(), utf16)), (sample(), utf16));
        }
    }

    #[test]
    fn a_release_changes_one_line() {
        let before = sample();
        let (after, version) = next_release(&before, &mut Rng::new(1)).expect("it has a DriverVer line");
        let changed: Vec<&str> = before
            .lines()
            .zip(after.lines())
            .filter(|(left, right)| left != right)
            .map(|pair| pair.1)
            .collect();
        let [line] = changed.as_slice() else { panic!("{changed:?}") };
        assert!(line.starts_with("DriverVer = ") && line.ends_with(&format!(".{}", version[3])), "{line}");
        assert!(next_release("[Version]\r\nDriverVer = soon\r\n", &mut Rng::new(1)).is_none());
    }

    #[test]
    fn added_devices_are_listed() {
        let before = sample();
        assert_eq!(hardware_ids(&before).len(), 4);
        assert_eq!(hardware_ids(&add_device(&before, &mut Rng::new(1))).len(), 5);
    }
}
