//! Small drivers of the tests' own: an INF file with one network device, and the file that it copies.

use std::path::Path;

/// The share of the site's source folders.
pub const SHARE: &str = r"\\srv.example.test\src";

/// What differs between the tests' drivers.
#[derive(Debug)]
pub struct DriverFile<'a> {
    /// The INF file's name.
    pub inf: &'a str,
    /// The device's hardware id.
    pub hardware_id: &'a str,
    /// The decoration of its models section, for example `NTamd64`.
    pub decoration: &'a str,
    /// The device's description.
    pub device: &'a str,
}

impl Default for DriverFile<'_> {
    fn default() -> Self {
        Self {
            inf: "net.inf",
            hardware_id: r"PCI\VEN_1AF4&DEV_1000",
            decoration: "NTamd64",
            device: "Example Gigabit Adapter",
        }
    }
}

/// The UNC path of a folder of the share.
#[must_use]
pub fn unc(folder: &str) -> String {
    format!(r"{SHARE}\{folder}")
}

impl DriverFile<'_> {
    /// Writes the driver into a folder.
    pub fn write(&self, folder: &Path) {
        std::fs::create_dir_all(folder).unwrap();
        std::fs::write(folder.join(self.inf), self.text()).unwrap();
        std::fs::write(folder.join("exnet.sys"), vec![0x5a; 20_000]).unwrap();
    }

    fn text(&self) -> String {
        let Self { hardware_id, decoration, device, .. } = self;
        let lines = [
            "[Version]",
            "Signature=\"$WINDOWS NT$\"",
            "Class=Net",
            "ClassGuid={4d36e972-e325-11ce-bfc1-08002be10318}",
            "Provider=%Maker%",
            "DriverVer=05/17/2024,1.2.3.4",
            "[Manufacturer]",
            &format!("%Maker%=Models,{decoration}"),
            &format!("[Models.{decoration}]"),
            &format!("%Device%=Install,{hardware_id}"),
            "[Install]",
            "CopyFiles=Files",
            "[Install.Services]",
            "AddService=exnet,2,Service",
            "[Service]",
            "ServiceType=1",
            "StartType=3",
            "ErrorControl=1",
            r"ServiceBinary=%12%\exnet.sys",
            "[Files]",
            "exnet.sys",
            "[DestinationDirs]",
            "Files=12",
            "[SourceDisksNames]",
            "1=\"Disk\"",
            "[SourceDisksFiles]",
            "exnet.sys=1",
            "[Strings]",
            "Maker=\"Example Networks\"",
            &format!("Device=\"{device}\""),
            "",
        ];
        lines.join("\r\n")
    }
}
