//! INF files for tests, and the folders that they lie in.

use crate::stage::Stage;

/// A network driver for Windows 10 and later on x64 with one device of this id and one file.
pub(crate) fn inf(id: &str) -> String {
    inf_for("NTamd64.10.0", id)
}

/// The same for another decoration.
pub(crate) fn inf_for(decoration: &str, id: &str) -> String {
    format!(
        "[Version]\r\nSignature=\"$WINDOWS NT$\"\r\nClass=Net\r\n\
         ClassGuid={{4d36e972-e325-11ce-bfc1-08002be10318}}\r\nProvider=%Vendor%\r\n\
         DriverVer=03/04/2025,1.2.3.4\r\n[Manufacturer]\r\n%Vendor%=Models,{decoration}\r\n\
         [Models.{decoration}]\r\n%Device%=Install,PCI\\{id},PCI\\CC_0200\r\n[Install]\r\nCopyFiles=Files\r\n\
         [Files]\r\nnic.sys\r\n[DestinationDirs]\r\nFiles=12\r\n[SourceDisksNames]\r\n1=Disk\r\n\
         [SourceDisksFiles]\r\nnic.sys=1\r\n[Strings]\r\nVendor=\"Norvik\"\r\nDevice=\"Norvik NIC {id}\"\r\n"
    )
}

/// What is no driver.
pub(crate) const INVALID: &str = "[Version]\r\nSignature=\"$WINDOWS NT$\"\r\nClass=Net\r\n";

/// A folder with one driver in it; its UNC path.
pub(crate) fn driver_folder(stage: &Stage, name: &str, id: &str) -> String {
    stage.source(name, &[("nic.inf", &inf(id)), ("nic.sys", id)]);
    unc(name)
}

/// The UNC path of a source folder.
pub(crate) fn unc(name: &str) -> String {
    format!(r"\\srv\src\{}", name.replace('/', "\\"))
}
