//! What a machine says about itself: JSON, or text with the system in the query.

use driver::devices::{self, DEVICE_IDS_MAX, DEVICES_MAX, ID_CHARS_MAX};
use driver::inf::Architecture;
use driver::platform::{Os, OsError};
use driver::rank::DeviceIds;
use driver::vendor::choice::{MachineModel, TargetOs};
use serde::Deserialize;
use site::ModelRequest;

use crate::error::ServiceError;

/// The longest body, in bytes: [`DEVICES_MAX`] devices say less.
pub(crate) const BODY_BYTES_MAX: usize = devices::TEXT_BYTES_MAX;

/// A workstation, as Windows numbers products.
const WORKSTATION: u8 = 1;

/// A machine that looks for drivers.
#[derive(Debug, PartialEq)]
pub(crate) struct Machine {
    pub(crate) os: Os,
    pub(crate) devices: Vec<DeviceIds>,
}

/// The body of a match.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct MatchBody {
    os: OsBody,
    devices: Vec<DeviceBody>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct OsBody {
    version: String,
    architecture: String,
    #[serde(default = "workstation")]
    product_type: u8,
    #[serde(default)]
    suite_mask: u32,
}

/// A device, with the property names of Win32_PnPEntity or our own. Other properties may stand beside them.
#[derive(Debug, Deserialize)]
struct DeviceBody {
    #[serde(default, alias = "HardwareID", alias = "HardwareIDs")]
    hardware_ids: Option<Ids>,
    #[serde(default, alias = "CompatibleID", alias = "CompatibleIDs")]
    compatible_ids: Option<Ids>,
}

/// PowerShell writes a list of one element as the element.
#[derive(Debug, Deserialize)]
#[serde(untagged)]
enum Ids {
    Several(Vec<String>),
    One(String),
}

fn workstation() -> u8 {
    WORKSTATION
}

impl Machine {
    /// From a JSON body.
    pub(crate) fn from_json(body: &[u8]) -> Result<Self, ServiceError> {
        let body: MatchBody = serde_json::from_slice(body)
            .map_err(|error| ServiceError::InvalidBody { reason: error.to_string() })?;
        let os = os(&body.os.version, &body.os.architecture, body.os.product_type, body.os.suite_mask)?;
        if body.devices.len() > DEVICES_MAX {
            return Err(ServiceError::Devices(devices::DevicesError::TooManyDevices));
        }
        let devices = body.devices.into_iter().map(device).collect::<Result<Vec<_>, _>>()?;
        Ok(Self { os, devices })
    }

    /// From a text body and the query `os=...&architecture=...[&product_type=...][&suite_mask=...]`.
    pub(crate) fn from_text(body: &[u8], query: &str) -> Result<Self, ServiceError> {
        let (mut version, mut architecture, mut product, mut suites) = (None, None, WORKSTATION, 0);
        for (name, value) in query.split('&').filter_map(|pair| pair.split_once('=')) {
            let value = percent_encoding::percent_decode_str(value).decode_utf8_lossy().into_owned();
            match name {
                "os" => version = Some(value),
                "architecture" => architecture = Some(value),
                "product_type" => product = number("product_type", &value)?,
                "suite_mask" => suites = number("suite_mask", &value)?,
                _ => {}
            }
        }
        let missing = |name| ServiceError::InvalidValue {
            name,
            reason:
                "it is missing from the address; ask like /drivers/v1/match?os=10.0.22631&architecture=x64"
                    .to_owned(),
        };
        let version = version.ok_or_else(|| missing("os"))?;
        let architecture = architecture.ok_or_else(|| missing("architecture"))?;
        Ok(Self { os: os(&version, &architecture, product, suites)?, devices: devices::read(body)? })
    }
}

/// The body of a question for a package.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct ModelBody {
    manufacturer: String,
    #[serde(default)]
    model: String,
    #[serde(default)]
    sku: String,
    #[serde(default)]
    fallback_sku: String,
    os: String,
    #[serde(default)]
    release: String,
    architecture: String,
    #[serde(default)]
    older_releases: bool,
}

/// A machine that asks for its package.
pub(crate) fn model(body: &[u8]) -> Result<ModelRequest, ServiceError> {
    let body: ModelBody = serde_json::from_slice(body)
        .map_err(|error| ServiceError::InvalidBody { reason: error.to_string() })?;
    Ok(ModelRequest {
        machine: MachineModel {
            manufacturer: body.manufacturer,
            model: body.model,
            sku: body.sku,
            fallback_sku: body.fallback_sku,
        },
        os: TargetOs {
            name: body.os,
            architecture: named_architecture(&body.architecture)?,
            release: body.release,
            older_releases: body.older_releases,
        },
    })
}

fn number<T: std::str::FromStr>(name: &'static str, value: &str) -> Result<T, ServiceError> {
    value
        .parse()
        .map_err(|_| ServiceError::InvalidValue { name, reason: format!("{value:?} is no number for it") })
}

fn device(body: DeviceBody) -> Result<DeviceIds, ServiceError> {
    let list = |ids: Option<Ids>| match ids {
        None => Vec::new(),
        Some(Ids::One(id)) => vec![id],
        Some(Ids::Several(ids)) => ids,
    };
    let device =
        DeviceIds { hardware_ids: list(body.hardware_ids), compatible_ids: list(body.compatible_ids) };
    let ids = || device.hardware_ids.iter().chain(&device.compatible_ids);
    let refused = |reason: String| Err(ServiceError::InvalidValue { name: "devices", reason });
    if ids().count() > DEVICE_IDS_MAX {
        return refused(format!("a device has more than {DEVICE_IDS_MAX} ids"));
    }
    if ids().any(|id| id.chars().count() > ID_CHARS_MAX) {
        return refused(format!("an id is longer than {ID_CHARS_MAX} characters"));
    }
    Ok(device)
}

fn os(version: &str, architecture: &str, product_type: u8, suite_mask: u32) -> Result<Os, ServiceError> {
    Os::parse(version, architecture, product_type, suite_mask).map_err(|error| wrong_os(&error))
}

fn named_architecture(name: &str) -> Result<Architecture, ServiceError> {
    Architecture::by_name(name).ok_or_else(|| wrong_os(&OsError::Architecture { name: name.to_owned() }))
}

fn wrong_os(error: &OsError) -> ServiceError {
    let name = match error {
        OsError::Version { .. } => "os",
        OsError::Architecture { .. } => "architecture",
        OsError::ProductType { .. } => "product_type",
    };
    ServiceError::InvalidValue { name, reason: error.to_string() }
}

#[cfg(test)]
mod tests {
    use super::*;

    const X64: &str = r#""os":{"version":"10.0.22631","architecture":"x64"}"#;

    fn ids(hardware: &[&str], compatible: &[&str]) -> DeviceIds {
        let owned = |ids: &[&str]| ids.iter().map(|id| (*id).to_owned()).collect();
        DeviceIds { hardware_ids: owned(hardware), compatible_ids: owned(compatible) }
    }

    fn windows_11(architecture: Architecture, product_type: u8) -> Os {
        Os { architecture, major: 10, minor: 0, build: 22631, product_type, suite_mask: 0 }
    }

    #[test]
    fn json_is_taken_in_the_words_of_powershell_and_in_ours() {
        for devices in [
            r#"[{"HardwareID":["A","B"],"CompatibleID":["C"],"Name":"x"}]"#,
            r#"[{"hardware_ids":["A","B"],"compatible_ids":"C"}]"#,
        ] {
            let machine = Machine::from_json(format!("{{{X64},\"devices\":{devices}}}").as_bytes()).unwrap();
            assert_eq!(machine.devices, [ids(&["A", "B"], &["C"])]);
            assert_eq!(machine.os, windows_11(Architecture::Amd64, 1));
        }
        let bare = format!("{{{X64},\"devices\":[{{\"HardwareID\":null}}]}}");
        assert_eq!(Machine::from_json(bare.as_bytes()).unwrap().devices, [ids(&[], &[])]);
    }

    #[test]
    fn text_takes_the_system_from_the_address() {
        let query = "os=10.0.22631&architecture=ARM64&product_type=3&other=1";
        let machine = Machine::from_text(b"PCI\\VEN_1\r\nPCI\\CC_2\r\n", query).unwrap();
        assert_eq!(machine.os, windows_11(Architecture::Arm64, 3));
        assert_eq!(machine.devices, [ids(&["PCI\\VEN_1", "PCI\\CC_2"], &[])]);
    }

    #[test]
    fn what_is_missing_or_wrong_is_named() {
        let text = |query: &str| Machine::from_text(b"A\\B", query).unwrap_err().to_string();
        assert!(text("architecture=x64").starts_with("os: it is missing"));
        assert!(text("os=10.0.1").starts_with("architecture: it is missing"));
        assert!(text("os=10&architecture=x64").starts_with("os: \"10\" is no version"));
        assert!(text("os=10.0.1&architecture=vax").starts_with("architecture: \"vax\" is none"));
        let json = |body: &str| Machine::from_json(body.as_bytes()).unwrap_err().to_string();
        assert!(json("{").starts_with("the body is not valid"));
        let long = "x".repeat(ID_CHARS_MAX + 1);
        let body = format!("{{{X64},\"devices\":[{{\"HardwareID\":[\"{long}\"]}}]}}");
        assert!(json(&body).starts_with("devices: an id is longer"));
    }
}
