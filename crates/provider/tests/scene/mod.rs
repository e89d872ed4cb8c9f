//! What these tests begin with: a site in a temporary folder, and a driver.

#![allow(dead_code, reason = "each test uses its part")]

use std::path::Path;

use clock::SystemClock;
use provider::Caller;
use site::{Actor, Site, SiteOptions};

/// The driver of a network adapter for 64-bit Windows.
pub(crate) const INF: &str = "[Version]\r\nSignature=\"$WINDOWS NT$\"\r\nClass=Net\r\n\
    ClassGuid={4d36e972-e325-11ce-bfc1-08002be10318}\r\nProvider=Maker\r\nDriverVer=05/17/2024,1.2.3.4\r\n\
    [Manufacturer]\r\nMaker=Models,NTamd64\r\n\
    [Models.NTamd64]\r\nAdapter=Install.NT,PCI\\VEN_1AF4&DEV_1000\r\n\
    [Install.NT]\r\nCopyFiles=@net.sys\r\n[DestinationDirs]\r\nDefaultDestDir=12\r\n";

/// The administrator at the machine itself.
pub(crate) fn local() -> Caller {
    Caller::from(Actor::local())
}

/// Makes a folder with the driver's files; its path.
pub(crate) fn driver(folder: &Path) -> String {
    std::fs::create_dir_all(folder).unwrap();
    std::fs::write(folder.join("net.inf"), INF).unwrap();
    std::fs::write(folder.join("net.sys"), "bytes").unwrap();
    folder.to_str().unwrap().to_owned()
}

/// The site PS1 on the server `srv`, with these distribution points, below a folder.
pub(crate) async fn site(folder: &Path, points: &[&str]) -> Site {
    let options = SiteOptions {
        data_dir: folder.join("ps1"),
        site_code: "PS1".to_owned(),
        site_name: "Test".to_owned(),
        server_name: Some("srv".to_owned()),
        ..SiteOptions::default()
    };
    Site::init(&options, "correct horse battery", SystemClock::shared()).await.unwrap();
    let site = Site::open(&options, SystemClock::shared()).await.unwrap();
    for name in points {
        site.create_dp_token(&Actor::local(), name, None).await.unwrap();
    }
    site
}
