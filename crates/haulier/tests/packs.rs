//! Driver packs of a vendor's list: found by model, fetched from a server or taken from a file, proved, imported.
#![allow(clippy::unwrap_used, reason = "a fixture that cannot be made fails its test")]

use std::io::{Read, Write};
use std::net::TcpListener;
use std::path::{Path, PathBuf};

use aws_lc_rs::digest::{SHA256, digest};
use driver::archive::ZipWriter;
use processes::Hierarchy;
use serde_json::Value;

mod processes;

/// The drivers of a pack as a zip file.
fn pack(folder: &Path) -> Vec<u8> {
    let drivers = folder.join("drivers");
    let spec = samples::PackSpec { seed: 21, drivers: 2, large_files: 0, large_file_bytes: 0 };
    samples::write_pack(&drivers, &spec).unwrap();
    let mut zip = ZipWriter::new(Vec::new());
    for file in files_below(&drivers) {
        let bytes = std::fs::read(&file).unwrap();
        let name = file.strip_prefix(&drivers).unwrap().to_str().unwrap();
        zip.add(name, bytes.len() as u64, &mut &bytes[..]).unwrap();
    }
    zip.finish().unwrap()
}

fn files_below(folder: &Path) -> Vec<PathBuf> {
    let mut files = Vec::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() { files.extend(files_below(&path)) } else { files.push(path) }
    }
    files
}

/// Serves one file to everybody who asks, as long as the test runs; its address.
fn serve(bytes: Vec<u8>) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = format!("http://{}", listener.local_addr().unwrap());
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let mut stream = stream;
            let mut request = [0; 4096];
            let _ = stream.read(&mut request);
            let head =
                format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\nConnection: close\r\n\r\n", bytes.len());
            let _ = stream.write_all(head.as_bytes()).and_then(|()| stream.write_all(&bytes));
        }
    });
    address
}

/// A list in Dell's form with one pack.
fn write_list(file: &Path, base: &str, size: usize, sha256: &str) {
    let xml = format!(
        r#"<?xml version="1.0" encoding="utf-8"?>
<DriverPackManifest xmlns="openmanage/cm/dm" baseLocation="{base}" version="26.01.01" dateTime="2026-01-02T00:00:00+00:00">
  <DriverPackage format="zip" size="{size}" dateTime="2026-01-02T00:00:00+00:00" dellVersion="A01" path="packs/latitude.zip" releaseID="K4C5T" type="win">
    <Name><Display lang="en"><![CDATA[Latitude-7440]]></Display></Name>
    <SupportedOperatingSystems>
      <OperatingSystem osCode="Windows11" osArch="x64" majorVersion="10" minorVersion="0"><Display lang="en">Windows 11 x64</Display></OperatingSystem>
    </SupportedOperatingSystems>
    <SupportedSystems><Brand key="1" prefix="LAT"><Display lang="en">Latitude</Display><Model systemID="0C06" name="Latitude 7440"/></Brand></SupportedSystems>
    <Cryptography><Hash algorithm="SHA256">{sha256}</Hash></Cryptography>
  </DriverPackage>
</DriverPackManifest>"#
    );
    std::fs::write(file, xml).unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_pack_is_found_by_model_fetched_proved_and_imported() {
    let hierarchy = Hierarchy::start(0).await;
    let folder = hierarchy.folder.path();
    let zip = pack(folder);
    let right = hex::encode(digest(&SHA256, &zip));
    let list = folder.join("list.xml");
    let list_text = list.to_str().unwrap();
    let base = serve(zip.clone());
    write_list(&list, &base, zip.len(), &right);

    let search =
        ["driver", "packs", "list", list_text, "--model", "latitude", "--sku", "0c06", "--os", "windows 11"];
    let found = hierarchy.json(&search).await;
    let packs = found["packs"].as_array().unwrap();
    assert_eq!(packs.len(), 1, "{found}");
    assert_eq!(packs[0]["url"], format!("{base}/packs/latitude.zip"));
    let none = hierarchy.json(&["driver", "packs", "list", list_text, "--model", "optiplex"]).await;
    assert_eq!(none["packs"], Value::Array(Vec::new()));

    let report = hierarchy.json(&["driver", "packs", "import", list_text, "K4C5T"]).await;
    assert_eq!(report["import"]["StateName"], "done", "{report}");
    assert!(report["import"]["Imported"].as_u64() >= Some(2), "{report}");

    // The same bytes from a file of the administrator's are the same pack, and its drivers the same drivers.
    let local = folder.join("downloaded.zip");
    std::fs::write(&local, &zip).unwrap();
    let from = ["driver", "packs", "import", list_text, "K4C5T", "--from", local.to_str().unwrap()];
    let again = hierarchy.json(&from).await;
    assert_eq!(again["import"]["Imported"], 0, "{again}");
    assert_eq!(again["import"]["AlreadyImported"], report["import"]["Imported"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_pack_that_is_a_program_is_refused_before_it_is_fetched() {
    let hierarchy = Hierarchy::start(0).await;
    let list = hierarchy.folder.path().join("list.xml");
    write_list(&list, "http://127.0.0.1:9", 5, &"0".repeat(64));
    let program = std::fs::read_to_string(&list).unwrap().replace("format=\"zip\"", "format=\"exe\"");
    std::fs::write(&list, program).unwrap();
    let output = hierarchy.haulier(&["driver", "packs", "import", list.to_str().unwrap(), "K4C5T"]).await;
    assert_eq!(output.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&output.stderr).contains("is a program"), "{output:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_pack_with_other_bytes_than_the_vendors_is_refused() {
    let hierarchy = Hierarchy::start(0).await;
    let folder = hierarchy.folder.path();
    let zip = pack(folder);
    let list = folder.join("list.xml");
    let list_text = list.to_str().unwrap();
    let local = folder.join("downloaded.zip");
    std::fs::write(&local, &zip).unwrap();
    let base = serve(zip.clone());
    let import = ["driver", "packs", "import", list_text, "K4C5T", "--json"];
    let from = [import.as_slice(), &["--from", local.to_str().unwrap()]].concat();
    let right = hex::encode(digest(&SHA256, &zip));
    for (size, sha256, why) in
        [(zip.len(), "0".repeat(64), "its SHA-256 is"), (zip.len() - 1, right, "bytes")]
    {
        write_list(&list, &base, size, &sha256);
        for command in [import.as_slice(), &from] {
            let output = hierarchy.haulier(command).await;
            assert_eq!(output.status.code(), Some(1));
            let report: Value = serde_json::from_slice(&output.stdout).unwrap();
            let items = report["items"].as_array().unwrap();
            assert!(
                items.iter().any(|item| item["Reason"].as_str().unwrap().contains(why)),
                "{why}: {report}"
            );
        }
    }
    assert_eq!(hierarchy.json(&["driver", "list"]).await, Value::Array(Vec::new()), "nothing was imported");
}
