//! The devices of a machine, as its own tools print them.
//!
//! Two forms are read: what `pnputil /enum-devices /ids` prints, and plain lists of ids with an empty line between
//! devices. Windows' own shells write text as UTF-16 or in a code page; ids are ASCII in all of them.

use encoding_rs::{UTF_8, UTF_16BE, UTF_16LE, WINDOWS_1252};

use crate::rank::DeviceIds;

/// The longest text that is read, in bytes: so many devices print less.
pub const TEXT_BYTES_MAX: usize = 4 * 1024 * 1024;
/// The most devices of one machine; a well-equipped one shows some hundreds.
pub const DEVICES_MAX: usize = 1024;
/// The most ids of one device; the longest lists seen have about thirty.
pub const DEVICE_IDS_MAX: usize = 256;
/// The longest id, in characters: Windows' MAX_DEVICE_ID_LEN.
pub const ID_CHARS_MAX: usize = 200;

/// Why a list of devices was refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DevicesError {
    /// The text is longer than [`TEXT_BYTES_MAX`].
    #[error("the list of devices is longer than {TEXT_BYTES_MAX} bytes")]
    TooLong,
    /// More than [`DEVICES_MAX`] devices.
    #[error("the list has more than {DEVICES_MAX} devices")]
    TooManyDevices,
    /// More than [`DEVICE_IDS_MAX`] ids for one device.
    #[error("the device before line {line} has more than {DEVICE_IDS_MAX} ids")]
    TooManyIds {
        /// From 1.
        line: usize,
    },
    /// Not one id was found.
    #[error(
        "the text names no device; print it with `pnputil /enum-devices /ids`, or write one hardware id a line \
         with an empty line between devices"
    )]
    Empty,
}

impl DevicesError {
    /// A stable code.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            Self::TooLong => "devices_too_long",
            Self::TooManyDevices => "devices_too_many",
            Self::TooManyIds { .. } => "device_ids_too_many",
            Self::Empty => "devices_empty",
        }
    }
}

/// Which list of a device a line belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum List {
    Hardware,
    Compatible,
    /// Other properties that pnputil prints.
    Other,
}

/// Reads the devices of a text; devices without any id are left out.
///
/// A line `Hardware IDs:` or `Compatible IDs:` begins a list, also with its first id on the same line; other labels
/// of pnputil end it. Without labels every line is a hardware id.
pub fn read(bytes: &[u8]) -> Result<Vec<DeviceIds>, DevicesError> {
    if bytes.len() > TEXT_BYTES_MAX {
        return Err(DevicesError::TooLong);
    }
    let text = decode(bytes);
    let (mut devices, mut device, mut list) = (Vec::new(), DeviceIds::default(), List::Hardware);
    for (number, line) in text.lines().enumerate() {
        let line = line.trim();
        if line.is_empty() {
            end(&mut devices, &mut device)?;
            list = List::Hardware;
            continue;
        }
        let id = match label(line) {
            Some((begun, rest)) => {
                list = begun;
                rest
            }
            None => line,
        };
        if id.is_empty() || !is_id(id) {
            continue;
        }
        match list {
            List::Hardware => device.hardware_ids.push(id.to_owned()),
            List::Compatible => device.compatible_ids.push(id.to_owned()),
            List::Other => {}
        }
        if device.hardware_ids.len() + device.compatible_ids.len() > DEVICE_IDS_MAX {
            return Err(DevicesError::TooManyIds { line: number + 1 });
        }
    }
    end(&mut devices, &mut device)?;
    if devices.is_empty() { Err(DevicesError::Empty) } else { Ok(devices) }
}

fn end(devices: &mut Vec<DeviceIds>, device: &mut DeviceIds) -> Result<(), DevicesError> {
    let device = std::mem::take(device);
    if device.hardware_ids.is_empty() && device.compatible_ids.is_empty() {
        return Ok(());
    }
    if devices.len() >= DEVICES_MAX {
        return Err(DevicesError::TooManyDevices);
    }
    devices.push(device);
    Ok(())
}

/// A line `label: value`. Ids hold no colon followed by a blank, labels have one.
fn label(line: &str) -> Option<(List, &str)> {
    let (name, rest) = line.split_once(':')?;
    if !(rest.is_empty() || rest.starts_with([' ', '\t'])) {
        return None;
    }
    let name = name.trim().to_ascii_lowercase();
    let list = match name.as_str() {
        "hardware ids" | "hardware id" | "hardwareid" => List::Hardware,
        "compatible ids" | "compatible id" | "compatibleid" => List::Compatible,
        _ => List::Other,
    };
    Some((list, rest.trim()))
}

/// What can be an id at all: printable ASCII without blanks or commas.
fn is_id(text: &str) -> bool {
    text.len() <= ID_CHARS_MAX && text.bytes().all(|byte| byte.is_ascii_graphic() && byte != b',')
}

fn decode(bytes: &[u8]) -> String {
    let encoding = match bytes {
        [0xFF, 0xFE, ..] => UTF_16LE,
        [0xFE, 0xFF, ..] => UTF_16BE,
        [_, 0, ..] => UTF_16LE,
        _ if std::str::from_utf8(bytes).is_ok() => UTF_8,
        _ => WINDOWS_1252,
    };
    encoding.decode(bytes).0.into_owned()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const PNPUTIL: &str = "Microsoft PnP Utility\r\n\r\n\
        Instance ID:                PCI\\VEN_8086&DEV_15FB\\3&11583659\r\n\
        Device Description:         Intel(R) Ethernet Connection\r\n\
        Class GUID:                 {4d36e972-e325-11ce-bfc1-08002be10318}\r\n\
        Hardware IDs:               PCI\\VEN_8086&DEV_15FB&SUBSYS_0B071028\r\n\
        \x20                           PCI\\VEN_8086&DEV_15FB\r\n\
        Compatible IDs:             PCI\\VEN_8086&DEV_15FB&REV_11\r\n\
        \x20                           PCI\\VEN_8086\r\n\
        Status:                     Started\r\n\r\n\
        Instance ID:                ROOT\\SYSTEM\\0000\r\n\
        Status:                     Started\r\n";

    fn device(hardware: &[&str], compatible: &[&str]) -> DeviceIds {
        let owned = |ids: &[&str]| ids.iter().map(|id| (*id).to_owned()).collect();
        DeviceIds { hardware_ids: owned(hardware), compatible_ids: owned(compatible) }
    }

    fn utf16(text: &str) -> Vec<u8> {
        [0xFEFFu16].into_iter().chain(text.encode_utf16()).flat_map(u16::to_le_bytes).collect()
    }

    #[test]
    fn what_pnputil_prints_is_read_in_either_encoding() {
        let expect = vec![device(
            &["PCI\\VEN_8086&DEV_15FB&SUBSYS_0B071028", "PCI\\VEN_8086&DEV_15FB"],
            &["PCI\\VEN_8086&DEV_15FB&REV_11", "PCI\\VEN_8086"],
        )];
        assert_eq!(read(PNPUTIL.as_bytes()), Ok(expect.clone()));
        assert_eq!(read(&utf16(PNPUTIL)), Ok(expect));
    }

    #[test]
    fn plain_lists_have_a_device_between_empty_lines() {
        let expect = vec![device(&["USB\\VID_1", "USB\\CLASS"], &[]), device(&["*PNP0F13"], &["*X"])];
        assert_eq!(
            read(b"USB\\VID_1\nUSB\\CLASS\n\n\n*PNP0F13\nCompatible IDs:\n*X\n\nnot an id, surely\n"),
            Ok(expect)
        );
    }

    #[test]
    fn endless_lists_are_refused() {
        let many_ids = "A\\B\n".repeat(DEVICE_IDS_MAX + 1);
        assert_eq!(read(many_ids.as_bytes()), Err(DevicesError::TooManyIds { line: DEVICE_IDS_MAX + 1 }));
        let many_devices = "A\\B\n\n".repeat(DEVICES_MAX + 1);
        assert_eq!(read(many_devices.as_bytes()), Err(DevicesError::TooManyDevices));
        assert_eq!(read(&vec![b' '; TEXT_BYTES_MAX + 1]), Err(DevicesError::TooLong));
        assert_eq!(read(b""), Err(DevicesError::Empty));
    }

    proptest! {
        #[test]
        fn any_bytes_are_read_or_refused(bytes in proptest::collection::vec(any::<u8>(), 0..400)) {
            if let Ok(devices) = read(&bytes) {
                prop_assert!(devices.iter().all(|d| !d.hardware_ids.is_empty() || !d.compatible_ids.is_empty()));
            }
        }
    }
}
