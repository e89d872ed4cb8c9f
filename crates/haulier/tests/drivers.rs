//! Drivers as an administrator handles them: from a vendor's folder into the catalog, into a package, onto a
//! distribution point, and to the machine whose devices they are for.
#![allow(clippy::unwrap_used, reason = "a fixture that cannot be made fails its test")]

use std::collections::BTreeSet;
use std::path::Path;

use processes::{Hierarchy, fetch};
use serde_json::{Value, json};

mod processes;

/// The drivers of a generated pack, imported.
async fn imported(hierarchy: &Hierarchy, seed: u64) -> (std::path::PathBuf, Vec<Value>) {
    let folder = hierarchy.folder.path().join("vendor");
    let spec = samples::PackSpec { seed, drivers: 6, large_files: 0, large_file_bytes: 0 };
    samples::write_pack(&folder, &spec).unwrap();
    let report = hierarchy.json(&["driver", "import", folder.to_str().unwrap()]).await;
    assert_eq!(report["import"]["StateName"], "done", "{report}");
    assert_eq!(report["import"]["Failed"], 0, "{report}");
    let drivers = hierarchy.json(&["driver", "list"]).await.as_array().unwrap().clone();
    assert_eq!(report["import"]["Imported"].as_u64().unwrap() as usize, drivers.len());
    assert!(drivers.len() >= 6);
    (folder, drivers)
}

fn id_of(driver: &Value) -> String {
    driver["CI_ID"].to_string()
}

/// A hardware id of a driver, as a machine would report it.
async fn hardware_id(hierarchy: &Hierarchy, ci_id: &str) -> String {
    let shown = hierarchy.json(&["driver", "show", ci_id]).await;
    let source = shown["driver"]["ContentSourcePath"].as_str().unwrap();
    let inf =
        std::fs::read(Path::new(source).join(shown["driver"]["DriverINFFile"].as_str().unwrap())).unwrap();
    let text: String = inf.iter().filter(|byte| **byte != 0).map(|byte| char::from(*byte)).collect();
    let at = text.find("PCI\\VEN").or_else(|| text.find("USB\\VID")).expect("a generated INF names a device");
    text[at..].split([',', '\r', '\n', ' ']).next().unwrap().to_owned()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn drivers_go_from_a_folder_into_a_package_and_out_again() {
    let hierarchy = Hierarchy::start(1).await;
    let (_, drivers) = imported(&hierarchy, 11).await;
    let source = hierarchy.folder.path().join("package");
    std::fs::create_dir(&source).unwrap();
    let id = hierarchy.create_package("Latitude 7440", &source).await;
    hierarchy.distribute(&id).await;
    let ids: Vec<String> = drivers.iter().map(id_of).collect();
    let all: Vec<&str> = ids.iter().map(String::as_str).collect();
    let added = hierarchy.json(&[&["package", "add-driver", &id], all.as_slice()].concat()).await;
    assert_eq!(added["AlreadyThere"], 0);
    let again = hierarchy.json(&[&["package", "add-driver", &id], all.as_slice()].concat()).await;
    assert_eq!((again["Added"].clone(), again["AlreadyThere"].clone()), (json!(0), added["Added"].clone()));

    let point = &hierarchy.points[0];
    let listed = hierarchy.json(&["package", "drivers", &id]).await;
    assert_eq!(listed["drivers"].as_array().unwrap().len(), drivers.len());
    for content in listed["contents"].as_array().unwrap() {
        let folder = content["ContentSubFolder"].as_str().unwrap();
        let on_disk: BTreeSet<_> =
            std::fs::read_dir(source.join(folder)).unwrap().map(|entry| entry.unwrap().file_name()).collect();
        let file = on_disk.iter().find(|name| source.join(folder).join(name).is_file()).unwrap();
        let bytes = std::fs::read(source.join(folder).join(file)).unwrap();
        let path = format!("{id}/{folder}/{}", file.to_str().unwrap());
        processes::wait_until("the driver is served", || async {
            fetch(&point.address, &path.replace(' ', "%20")).await.as_deref() == Some(&bytes[..])
        })
        .await;
    }

    let first = &ids[0];
    hierarchy.text(&["package", "remove-driver", &id, first]).await;
    let left = hierarchy.json(&["package", "drivers", &id]).await;
    assert!(left["drivers"].as_array().unwrap().iter().all(|row| id_of(row) != *first));
    let folders: BTreeSet<String> = std::fs::read_dir(&source)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    let expect: BTreeSet<String> = left["contents"]
        .as_array()
        .unwrap()
        .iter()
        .map(|row| row["ContentSubFolder"].as_str().unwrap().to_owned())
        .collect();
    assert_eq!(folders, expect, "the package's source holds its drivers and nothing else");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_package_is_rebuilt_and_moved() {
    let hierarchy = Hierarchy::start(1).await;
    let (_, drivers) = imported(&hierarchy, 12).await;
    let source = hierarchy.folder.path().join("package");
    std::fs::create_dir(&source).unwrap();
    let id = hierarchy.create_package("Rebuilt", &source).await;
    hierarchy.distribute(&id).await;
    hierarchy.text(&["package", "add-driver", &id, &id_of(&drivers[0])]).await;
    hierarchy.wait_until_settled(&id).await;
    let version = hierarchy.json(&["package", "show", &id]).await["package"]["StoredPkgVersion"].clone();

    let listed = hierarchy.json(&["package", "drivers", &id]).await;
    let folder = source.join(listed["contents"][0]["ContentSubFolder"].as_str().unwrap());
    std::fs::remove_dir_all(&folder).unwrap();
    hierarchy.text(&["package", "rebuild", &id]).await;
    assert!(std::fs::read_dir(&folder).unwrap().count() > 0, "the driver is back");
    hierarchy.wait_until_settled(&id).await;

    let moved = hierarchy.folder.path().join("moved");
    let moved_text = moved.to_str().unwrap();
    std::fs::create_dir(&moved).unwrap();
    let refused = hierarchy.haulier(&["package", "validate-source", &id, moved_text, "--move"]).await;
    assert_eq!(refused.status.code(), Some(1), "an empty folder is no source of this package");
    copy_all(&source, &moved);
    hierarchy.text(&["package", "validate-source", &id, moved_text, "--move"]).await;
    let package = hierarchy.json(&["package", "show", &id]).await["package"].clone();
    assert_eq!(package["PkgSourcePath"], moved_text);
    hierarchy.text(&["package", "refresh", &id]).await;
    hierarchy.wait_until_settled(&id).await;
    let after = hierarchy.json(&["package", "show", &id]).await["package"]["StoredPkgVersion"].clone();
    assert!(after.as_u64() > version.as_u64(), "the new folder is what is published: {version} {after}");
}

fn copy_all(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let target = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            copy_all(&entry.path(), &target);
        } else {
            std::fs::copy(entry.path(), target).unwrap();
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_machine_finds_its_drivers_and_downloads_just_them() {
    let hierarchy = Hierarchy::start(1).await;
    let (_, drivers) = imported(&hierarchy, 13).await;
    let ci_id = id_of(&drivers[0]);
    let hardware_id = hardware_id(&hierarchy, &ci_id).await;
    let zip = hierarchy.folder.path().join("drivers.zip");
    let ask = ["driver", "match", "--id", &hardware_id, "--zip", zip.to_str().unwrap()];
    let report = hierarchy.json(&ask).await;
    assert_eq!(report["devices"].as_array().unwrap().len(), 1);
    let best = &report["devices"][0]["best"];
    assert!(best["ci_id"].is_number(), "{report}");
    let names = unzipped(&zip);
    assert!(names.iter().any(|name| name.to_lowercase().ends_with(".inf")), "{names:?}");

    hierarchy.text(&["driver", "disable", &best["ci_id"].to_string()]).await;
    let after = hierarchy.json(&["driver", "match", "--id", &hardware_id]).await;
    assert_ne!(after["devices"][0]["best"]["ci_id"], best["ci_id"], "a disabled driver is for no machine");
    hierarchy.text(&["driver", "enable", &best["ci_id"].to_string()]).await;
    let again = hierarchy.json(&["driver", "match", "--id", &hardware_id]).await;
    assert_eq!(again["devices"][0]["best"]["ci_id"], best["ci_id"]);
    let unknown = hierarchy.json(&["driver", "match", "--id", "PCI\\VEN_FFFF&DEV_FFFF"]).await;
    assert_eq!(unknown["devices"][0]["best"], Value::Null);
}

/// The names in a zip file, read by a program that is not ours.
fn unzipped(zip: &Path) -> Vec<String> {
    let listing = std::process::Command::new("python3")
        .args(["-c", "import sys,zipfile; z=zipfile.ZipFile(sys.argv[1]); assert z.testzip() is None; print('\\n'.join(z.namelist()))"])
        .arg(zip)
        .output()
        .unwrap();
    assert!(listing.status.success(), "{}", String::from_utf8_lossy(&listing.stderr));
    String::from_utf8(listing.stdout).unwrap().lines().map(str::to_owned).collect()
}

/// What `pnputil /enum-devices /ids` prints, as PowerShell redirects it: UTF-16 with a byte order mark.
fn pnputil(hardware_id: &str) -> Vec<u8> {
    let text = format!(
        "Microsoft PnP Utility\r\n\r\nInstance ID:                {hardware_id}\\0\r\n\
         Device Description:         Device\r\nHardware IDs:               {hardware_id}&REV_01\r\n\
         \x20                           {hardware_id}\r\nStatus:                     Problem\r\n"
    );
    [0xFEFF_u16].into_iter().chain(text.encode_utf16()).flat_map(u16::to_le_bytes).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_machine_in_windows_pe_asks_with_a_token_and_what_pnputil_prints() {
    let hierarchy = Hierarchy::start(0).await;
    let (_, drivers) = imported(&hierarchy, 15).await;
    let hardware_id = hardware_id(&hierarchy, &id_of(&drivers[0])).await;
    let password_file = hierarchy.folder.path().join("pw");
    let user =
        ["user", "create", "pe", "--role", "reader", "--password-file", password_file.to_str().unwrap()];
    hierarchy.text(&user).await;
    let token = hierarchy.text(&["token", "create", "pe", "--label", "deployment"]).await.trim().to_owned();
    let http = reqwest::Client::builder().no_proxy().build().unwrap();
    let ask = async |path: &str, token: Option<&str>, body: Vec<u8>| {
        let request = http.post(format!("{}/drivers/v1/{path}", hierarchy.site.address)).body(body);
        let request = match token {
            Some(token) => request.bearer_auth(token),
            None => request,
        };
        let reply = request.send().await.unwrap();
        (reply.status().as_u16(), reply.bytes().await.unwrap())
    };
    let system = "os=10.0.22631&architecture=x64";
    let (status, found) = ask(&format!("match?{system}"), Some(&token), pnputil(&hardware_id)).await;
    assert_eq!(status, 200);
    let found: Value = serde_json::from_slice(&found).unwrap();
    assert_eq!(found["devices"][0]["best"]["matched_id"], hardware_id.as_str(), "{found}");
    let (status, zip) = ask(&format!("match.zip?{system}"), Some(&token), pnputil(&hardware_id)).await;
    assert_eq!(status, 200);
    let file = hierarchy.folder.path().join("pe.zip");
    std::fs::write(&file, zip).unwrap();
    assert!(!unzipped(&file).is_empty());

    for (path, token, body, expect, code) in [
        (format!("match?{system}"), None, pnputil(&hardware_id), 401, "unauthenticated"),
        (format!("match?{system}"), Some("wrong"), pnputil(&hardware_id), 401, "invalid_token"),
        ("match?os=10.0.22631".to_owned(), Some(&*token), pnputil(&hardware_id), 400, "invalid_value"),
        (format!("match?{system}"), Some(&*token), b"no device, no id".to_vec(), 400, "devices_empty"),
        ("match".to_owned(), Some(&*token), b"{\"os\":1}".to_vec(), 400, "invalid_body"),
        ("package".to_owned(), Some(&*token), b"[]".to_vec(), 400, "invalid_body"),
        ("nothing".to_owned(), Some(&*token), Vec::new(), 404, "no_resource"),
        // Last: what is not read to its end closes the connection.
        (
            format!("match?{system}"),
            Some(&*token),
            vec![b'A'; driver::devices::TEXT_BYTES_MAX + 1],
            413,
            "body_too_long",
        ),
    ] {
        let (status, body) = ask(&path, token, body).await;
        let body: Value = serde_json::from_slice(&body).unwrap();
        assert_eq!((status, &body["error"]["code"]), (expect, &json!(code)), "{path}: {body}");
    }
    let get = http.get(format!("{}/drivers/v1/match", hierarchy.site.address)).send().await.unwrap();
    assert_eq!((get.status().as_u16(), get.headers()["allow"].to_str().unwrap()), (405, "POST"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_package_is_chosen_for_a_model() {
    let hierarchy = Hierarchy::start(1).await;
    let mut ids = Vec::new();
    for (name, description) in [
        ("Drivers - Dell Latitude 7440 - Windows 11 23H2 x64", "(Models included:0C06;0C07)"),
        ("Drivers - Dell OptiPlex 7010 - Windows 11 23H2 x64", "(Models included:0B00)"),
    ] {
        let source = hierarchy.folder.path().join(&name[15..18]);
        std::fs::create_dir(&source).unwrap();
        std::fs::write(source.join("a.inf"), name).unwrap();
        let create = ["package", "create", name, "--manufacturer", "Dell", "--description", description];
        let create = [create.as_slice(), &["--source", source.to_str().unwrap()]].concat();
        let id = hierarchy.text(&create).await.trim().to_owned();
        hierarchy.distribute(&id).await;
        hierarchy.wait_until_settled(&id).await;
        ids.push(id);
    }
    let ask = ["package", "choose", "--manufacturer", "Dell Inc.", "--sku", "0c07", "--release", "23H2"];
    let choice = hierarchy.json(&ask).await;
    assert_eq!(choice["package"]["package_id"], ids[0].as_str(), "{choice}");
    assert_eq!(choice["rejected"][0]["package_id"], ids[1].as_str());
    let url = choice["package"]["urls"][0].as_str().unwrap().to_owned();
    let served = reqwest::get(format!("{}/a.inf", url.trim_end_matches('/'))).await.unwrap();
    assert_eq!(served.status().as_u16(), 200, "{url}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_bad_file_is_named_and_the_others_are_imported() {
    let hierarchy = Hierarchy::start(0).await;
    let folder = hierarchy.folder.path().join("mixed");
    let spec = samples::PackSpec { seed: 14, drivers: 2, large_files: 0, large_file_bytes: 0 };
    samples::write_pack(&folder, &spec).unwrap();
    let bad = folder.join("broken");
    std::fs::create_dir(&bad).unwrap();
    std::fs::write(bad.join("text.inf"), "this is no driver").unwrap();
    std::fs::write(bad.join("nul.inf"), [0u8; 4000]).unwrap();
    let output = hierarchy.haulier(&["driver", "import", folder.to_str().unwrap(), "--json"]).await;
    assert_eq!(output.status.code(), Some(1), "some of it could not be imported");
    let report: Value = serde_json::from_slice(&output.stdout).unwrap();
    let items = report["items"].as_array().unwrap();
    let outcome = |end: &str| {
        let item = items.iter().find(|item| item["Path"].as_str().unwrap().ends_with(end)).unwrap();
        (item["Outcome"].clone(), item["ErrorCode"].clone())
    };
    assert_eq!(outcome("text.inf"), (json!("invalid"), json!(13)));
    assert_eq!(outcome("nul.inf"), (json!("invalid"), json!(13)));
    assert!(items.iter().filter(|item| item["Outcome"] == "imported").count() >= 2);

    std::fs::remove_dir_all(&bad).unwrap();
    let again = hierarchy.json(&["driver", "import", folder.to_str().unwrap()]).await;
    assert_eq!(again["import"]["Imported"], 0, "{again}");
    assert_eq!(again["import"]["AlreadyImported"], report["import"]["Imported"]);
}
