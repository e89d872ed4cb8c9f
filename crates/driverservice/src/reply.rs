//! Answers as JSON. Names are ours, in the style of the request; a machine reads them with a line of script.

use serde_json::{Map, Value, json};
use site::{ContentPlace, DeviceMatch, MatchReport, MatchedDriver, OfferedPackage, PackageChoice};

/// The drivers for a machine.
pub(crate) fn report(report: &MatchReport) -> Value {
    let devices: Vec<Value> = report.devices.iter().map(device).collect();
    let components: Vec<Value> = report.components.iter().map(device).collect();
    let package = |(id, package): (&String, &OfferedPackage)| (id.clone(), offered(package));
    let packages: Map<String, Value> = report.packages.iter().map(package).collect();
    let found = report.devices.iter().filter(|device| device.best.is_some()).count();
    json!({
        "devices": devices,
        "components": components,
        "packages": packages,
        "matched": found,
        "unmatched": report.devices.len() - found,
        "ci_ids": report.ci_ids(),
    })
}

/// Named once, whichever drivers are in it.
fn offered(package: &OfferedPackage) -> Value {
    json!({
        "name": package.name,
        "version": package.version,
        "source_version": package.stored_version,
        "urls": package.urls,
    })
}

fn device(device: &DeviceMatch) -> Value {
    let extensions: Vec<Value> = device.extensions.iter().map(driver).collect();
    json!({
        "hardware_ids": device.ids.hardware_ids,
        "compatible_ids": device.ids.compatible_ids,
        "best": device.best.as_ref().map(driver),
        "extensions": extensions,
    })
}

fn driver(driver: &MatchedDriver) -> Value {
    let place =
        |place: &ContentPlace| json!({ "package_id": place.package_id, "sub_folder": place.sub_folder });
    let packages: Vec<Value> = driver.places.iter().map(place).collect();
    json!({
        "ci_id": driver.ci_id,
        "ci_unique_id": driver.unique_id,
        "name": driver.name,
        "class": driver.class,
        "provider": driver.provider,
        "version": driver.version,
        "inf_file": driver.inf_file,
        "rank": format!("{:08X}", driver.rank),
        "matched_id": driver.matched_id,
        "reasons": driver.reasons,
        "packages": packages,
    })
}

/// The package for a model.
pub(crate) fn choice(choice: &PackageChoice) -> Value {
    let reason_of =
        |id: &str| choice.verdicts.iter().find(|verdict| verdict.package_id == id).map(|v| &v.reason);
    let package = choice.chosen.as_ref().map(|chosen| {
        json!({
            "package_id": chosen.package_id,
            "name": chosen.name,
            "version": chosen.version,
            "source_version": chosen.stored_version,
            "reason": reason_of(&chosen.package_id),
            "urls": chosen.urls,
        })
    });
    let rejected: Vec<Value> = choice
        .verdicts
        .iter()
        .filter(|verdict| !verdict.chosen)
        .map(|verdict| {
            json!({ "package_id": verdict.package_id, "name": verdict.name, "reason": verdict.reason })
        })
        .collect();
    json!({ "package": package, "rejected": rejected })
}
