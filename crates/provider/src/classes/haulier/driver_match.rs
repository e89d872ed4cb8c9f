use cim::{Instance, Value};
use site::{
    Architecture, ContentPlace, DeviceIds, DeviceMatch, MachineModel, MatchRequest, MatchedDriver,
    ModelRequest, OfferedPackage, Os, OsError, PackageChoice, PackageVerdict, TargetOs,
};

use crate::error::Fault;
use crate::handler::{Call, ClassHandler, Invocation, Outcome, Work, not_implemented};

/// `Haulier_DriverMatch`: which drivers, and which package, a machine needs.
pub(crate) struct DriverMatch;

impl ClassHandler for DriverMatch {
    fn invoke<'a>(&'a self, call: Call<'a>, invocation: Invocation<'a>) -> Work<'a, Outcome> {
        Box::pin(async move {
            let out = match invocation.method {
                "Match" => {
                    let report = call.site.match_drivers(call.actor, machine(&invocation)?).await?;
                    vec![
                        ("Matches", list(&report.devices, device_out)),
                        ("Components", list(&report.components, device_out)),
                        ("Packages", Value::Array(report.packages.iter().map(package_out).collect())),
                    ]
                }
                "ChoosePackage" => {
                    choice_out(call.site.choose_package(call.actor, model(&invocation)?).await?)
                }
                method => return Err(not_implemented(call, method)),
            };
            let out = out.into_iter().map(|(name, value)| (name.to_owned(), value)).collect();
            Ok(Outcome { out, ..Outcome::success() })
        })
    }
}

fn machine(invocation: &Invocation<'_>) -> Result<MatchRequest, Fault> {
    let os = invocation.object("OS").expect("a parameter that is not optional is bound");
    let ids = |object: &Instance| DeviceIds {
        hardware_ids: texts(object, "HardwareID"),
        compatible_ids: texts(object, "CompatibleID"),
    };
    Ok(MatchRequest {
        os: system(invocation.method, os)?,
        devices: invocation.objects("Devices").into_iter().map(ids).collect(),
    })
}

fn system(method: &str, os: &Instance) -> Result<Os, Fault> {
    let text = |name: &str| os.get(name).and_then(Value::as_str).unwrap_or("");
    let number = |name: &str| os.get(name).and_then(Value::as_integer);
    let product_type = number("ProductType").and_then(|number| u8::try_from(number).ok()).unwrap_or(1);
    let suite_mask = number("SuiteMask").and_then(|number| u32::try_from(number).ok()).unwrap_or(0);
    Os::parse(text("Version"), text("Architecture"), product_type, suite_mask)
        .map_err(|error| wrong(method, error.to_string()))
}

fn architecture(method: &str, name: &str) -> Result<Architecture, Fault> {
    let unknown = || OsError::Architecture { name: name.to_owned() };
    Architecture::by_name(name).ok_or_else(|| wrong(method, unknown().to_string()))
}

fn wrong(method: &str, reason: String) -> Fault {
    Fault::InvalidParameters { method: method.to_owned(), reason }
}

fn model(invocation: &Invocation<'_>) -> Result<ModelRequest, Fault> {
    let text = |name: &str| invocation.text(name).to_owned();
    Ok(ModelRequest {
        machine: MachineModel {
            manufacturer: text("Manufacturer"),
            model: text("Model"),
            sku: text("SKU"),
            fallback_sku: text("FallbackSKU"),
        },
        os: TargetOs {
            name: text("OSName"),
            architecture: architecture(invocation.method, invocation.text("Architecture"))?,
            release: text("Release"),
            older_releases: invocation.truth("OlderReleases"),
        },
    })
}

fn choice_out(choice: PackageChoice) -> Vec<(&'static str, Value)> {
    let verdicts = list(&choice.verdicts, verdict_out);
    let chosen = choice.chosen;
    let urls = chosen.as_ref().map_or_else(Vec::new, |chosen| chosen.urls.clone());
    let stored = chosen.as_ref().map_or(Value::Null, |chosen| chosen.stored_version.into());
    let [id, name, version] = match chosen {
        Some(chosen) => [chosen.package_id, chosen.name, chosen.version].map(Value::String),
        None => [Value::Null, Value::Null, Value::Null],
    };
    vec![
        ("PackageID", id),
        ("Name", name),
        ("Version", version),
        ("StoredPkgVersion", stored),
        ("Urls", strings(&urls)),
        ("Verdicts", verdicts),
    ]
}

fn verdict_out(verdict: &PackageVerdict) -> Value {
    let mut object = Instance::new("Haulier_PackageVerdict");
    object.set("IsChosen", verdict.chosen);
    object.set("Name", verdict.name.as_str());
    object.set("PackageID", verdict.package_id.as_str());
    object.set("Reason", verdict.reason.as_str());
    Value::Instance(Box::new(object))
}

fn device_out(found: &DeviceMatch) -> Value {
    let mut object = Instance::new("Haulier_DeviceMatch");
    object.set("Best", found.best.as_ref().map_or(Value::Null, driver_out));
    object.set("CompatibleID", strings(&found.ids.compatible_ids));
    object.set("Extensions", list(&found.extensions, driver_out));
    object.set("HardwareID", strings(&found.ids.hardware_ids));
    Value::Instance(Box::new(object))
}

fn driver_out(driver: &MatchedDriver) -> Value {
    let mut object = Instance::new("Haulier_MatchedDriver");
    object.set("CI_ID", driver.ci_id);
    object.set("CI_UniqueID", driver.unique_id.as_str());
    object.set("ContentID", driver.content_id);
    object.set("DriverClass", driver.class.as_str());
    object.set("DriverINFFile", driver.inf_file.as_str());
    object.set("DriverProvider", driver.provider.as_str());
    object.set("DriverVersion", driver.version.as_str());
    object.set("MatchedID", driver.matched_id.as_str());
    object.set("Name", driver.name.as_str());
    object.set("Places", list(&driver.places, place_out));
    object.set("Rank", driver.rank);
    object.set("Reasons", strings(&driver.reasons));
    Value::Instance(Box::new(object))
}

fn place_out(place: &ContentPlace) -> Value {
    let mut object = Instance::new("Haulier_ContentPlace");
    object.set("ContentSubFolder", place.sub_folder.as_str());
    object.set("PackageID", place.package_id.as_str());
    Value::Instance(Box::new(object))
}

fn package_out((id, package): (&String, &OfferedPackage)) -> Value {
    let mut object = Instance::new("Haulier_OfferedPackage");
    object.set("Name", package.name.as_str());
    object.set("PackageID", id.as_str());
    object.set("StoredPkgVersion", package.stored_version);
    object.set("Urls", strings(&package.urls));
    object.set("Version", package.version.as_str());
    Value::Instance(Box::new(object))
}

fn list<T>(all: &[T], out: fn(&T) -> Value) -> Value {
    Value::Array(all.iter().map(out).collect())
}

fn strings(texts: &[String]) -> Value {
    Value::Array(texts.iter().map(Value::text).collect())
}

fn texts(object: &Instance, name: &str) -> Vec<String> {
    match object.get(name) {
        Some(Value::Array(elements)) => {
            elements.iter().filter_map(|element| element.as_str().map(str::to_owned)).collect()
        }
        _ => Vec::new(),
    }
}
