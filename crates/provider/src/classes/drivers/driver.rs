use cim::{DateTime, Instance, ObjectPath, Value};
use site::{DriverChange, DriverDraft, DriverFields, NewDriver};

use super::localized;
use crate::error::Fault;
use crate::handler::{Call, ClassHandler, Invocation, Outcome, Work, by_keys, not_implemented};
use crate::rows;

/// `SMS_Driver`: one INF file of the catalog. A client lets the site read the INF (`CreateFromINF`), gets an object
/// that is not stored, and puts it; what is read-only comes from the files at either step.
pub(crate) struct Driver;

/// Writable in the schema, but the site's to say.
const DERIVED: [&str; 6] = [
    "CI_UniqueID",
    "ModelID",
    "ModelName",
    "PlatformCategoryInstance_UniqueIDs",
    "SDMPackageVersion",
    "SourceSite",
];

impl ClassHandler for Driver {
    fn put_changes(&self) -> bool {
        true
    }

    fn derives_read_only(&self) -> bool {
        true
    }

    fn derived(&self) -> &'static [&'static str] {
        &DERIVED
    }

    fn get<'a>(&'a self, call: Call<'a>, path: &'a ObjectPath) -> Work<'a, Instance> {
        Box::pin(async move {
            let found = rows::query(call, &by_keys(call.class, path)).await?.instances.into_iter().next();
            let mut instance = found.ok_or_else(|| Fault::NotFound { what: path.relative() })?;
            let stored = call.site.driver(ci_id(path)?).await?;
            instance.set("SDMPackageXML", stored.sdm_package_xml);
            instance.set("LocalizedInformation", localized::properties_out(&stored.localized));
            Ok(instance)
        })
    }

    fn create<'a>(&'a self, call: Call<'a>, instance: Instance) -> Work<'a, ObjectPath> {
        Box::pin(async move {
            let made = call.site.create_driver(call.actor, new_driver(instance)?).await?;
            Ok(ObjectPath::new(&call.class.name, [("CI_ID".to_owned(), Value::from(made.ci_id))]))
        })
    }

    fn modify<'a>(&'a self, call: Call<'a>, path: &'a ObjectPath, change: Instance) -> Work<'a, ()> {
        Box::pin(async move {
            call.site.update_driver(call.actor, ci_id(path)?, driver_change(change)?).await?;
            Ok(())
        })
    }

    fn delete<'a>(&'a self, call: Call<'a>, path: &'a ObjectPath) -> Work<'a, ()> {
        Box::pin(async move { Ok(call.site.delete_driver(call.actor, ci_id(path)?).await?) })
    }

    fn invoke<'a>(&'a self, call: Call<'a>, invocation: Invocation<'a>) -> Work<'a, Outcome> {
        Box::pin(async move {
            let (site, actor, folder) = (call.site, call.actor, invocation.text("DriverPath"));
            let all = |drafts: Vec<DriverDraft>| {
                Value::Array(drafts.iter().map(|one| unsaved(call, one)).collect())
            };
            let (name, value) = match invocation.method {
                "CreateFromINF" => {
                    let draft = site.analyze_inf(actor, folder, invocation.text("INFFile")).await?;
                    ("Driver", unsaved(call, &draft))
                }
                "CreateFromINFs" => {
                    let infs: Vec<_> = invocation.texts("INFFiles").into_iter().map(str::to_owned).collect();
                    ("Drivers", all(site.analyze_infs(actor, folder, &infs).await?))
                }
                "CreateFromOEM" => {
                    ("Drivers", all(site.analyze_oem(actor, folder, invocation.text("OEMFile")).await?))
                }
                method => return Err(not_implemented(call, method)),
            };
            Ok(Outcome { out: vec![(name.to_owned(), value)], ..Outcome::success() })
        })
    }
}

fn ci_id(path: &ObjectPath) -> Result<i64, Fault> {
    let id = path.key("CI_ID").and_then(Value::as_integer).and_then(|id| i64::try_from(id).ok());
    id.ok_or_else(|| Fault::NotFound { what: path.relative() })
}

/// The driver as it would be, whole but without what its storing gives it.
fn unsaved(call: Call<'_>, draft: &DriverDraft) -> Value {
    let mut driver = Instance::new(&call.class.name);
    for property in &call.class.properties {
        driver.properties.push((property.name.clone(), property.default.clone()));
    }
    let facts = &draft.facts;
    driver.set("CI_UniqueID", draft.unique_id.as_str());
    driver.set("ContentSourcePath", draft.content_source_path.as_str());
    driver.set("DriverBootCritical", facts.boot_critical);
    driver.set("DriverClass", facts.class.as_str());
    driver.set(
        "DriverDate",
        facts.date.as_ref().map_or(Value::Null, |date| day(date.year, date.month, date.day)),
    );
    driver.set("DriverINFFile", facts.inf_file.as_str());
    driver.set("DriverProvider", facts.provider.as_str());
    driver.set("DriverSigned", facts.signature.state.is_signed());
    driver.set("DriverSigner", facts.signature.signer.as_str());
    driver.set("DriverVersion", facts.version_text.as_str());
    driver.set("LocalizedDisplayName", facts.display_name.as_str());
    driver.set("ModelName", draft.unique_id.as_str());
    driver.set("PlatformCategoryInstance_UniqueIDs", list(&facts.platforms));
    driver.set("SDMPackageXML", draft.sdm_package_xml.as_str());
    driver.set("SourceSite", call.site.identity().site_code.as_str());
    Value::Instance(Box::new(driver))
}

/// A driver's date, as the catalog has it: midnight.
fn day(year: u16, month: u8, day: u8) -> Value {
    let text = format!("{year:04}{month:02}{day:02}000000.000000+***");
    text.parse::<DateTime>().map_or(Value::Null, Value::DateTime)
}

fn list(texts: &[String]) -> Value {
    Value::Array(texts.iter().map(Value::text).collect())
}

fn new_driver(instance: Instance) -> Result<NewDriver, Fault> {
    let mut new = NewDriver {
        fields: DriverFields { is_user_defined: true, ..DriverFields::default() },
        ..NewDriver::default()
    };
    for (name, value) in instance.properties {
        match (name.as_str(), value) {
            ("SDMPackageXML", Value::String(xml)) => new.sdm_package_xml = xml,
            ("ContentSourcePath", Value::String(path)) => new.content_source_path = path,
            ("CategoryInstance_UniqueIDs", value) => new.categories = texts(value),
            ("LocalizedInformation", value) => new.fields.localized = localized::properties_in(&value),
            ("ApplicabilityCondition", Value::String(text)) => new.fields.applicability_condition = text,
            ("IsEnabled", value) => new.fields.is_enabled = value == Value::Boolean(true),
            ("IsExpired", value) => new.fields.is_expired = value == Value::Boolean(true),
            ("IsHidden", value) => new.fields.is_hidden = value == Value::Boolean(true),
            ("IsUserDefined", value) => new.fields.is_user_defined = value == Value::Boolean(true),
            ("PermittedUses", value) => new.fields.permitted_uses = number(&value),
            _ => return Err(Fault::ReadOnly { property: name }),
        }
    }
    for (property, text) in
        [("SDMPackageXML", &new.sdm_package_xml), ("ContentSourcePath", &new.content_source_path)]
    {
        if text.is_empty() {
            return Err(Fault::IllegalNull { property: property.to_owned() });
        }
    }
    Ok(new)
}

fn driver_change(instance: Instance) -> Result<DriverChange, Fault> {
    let mut change = DriverChange::default();
    for (name, value) in instance.properties {
        match (name.as_str(), value) {
            ("SedoObjectVersion", Value::String(version)) => change.sedo_object_version = Some(version),
            ("SDMPackageXML", Value::String(xml)) => change.sdm_package_xml = Some(xml),
            ("ContentSourcePath", Value::String(path)) => change.content_source_path = Some(path),
            ("CategoryInstance_UniqueIDs", value) => change.categories = Some(texts(value)),
            // A driver without names is what lists show; every driver has one.
            ("LocalizedInformation", Value::Array(names)) if names.is_empty() => {}
            ("LocalizedInformation", value) => change.localized = Some(localized::properties_in(&value)),
            ("ApplicabilityCondition", Value::String(text)) => change.applicability_condition = Some(text),
            ("IsEnabled", Value::Boolean(truth)) => change.is_enabled = Some(truth),
            ("IsExpired", Value::Boolean(truth)) => change.is_expired = Some(truth),
            ("IsHidden", Value::Boolean(truth)) => change.is_hidden = Some(truth),
            ("IsUserDefined", Value::Boolean(truth)) => change.is_user_defined = Some(truth),
            ("PermittedUses", value @ Value::Integer(_)) => change.permitted_uses = Some(number(&value)),
            ("SDMPackageXML" | "ContentSourcePath", _) => return Err(Fault::IllegalNull { property: name }),
            _ => return Err(Fault::ReadOnly { property: name }),
        }
    }
    Ok(change)
}

/// Null means none.
fn texts(value: Value) -> Vec<String> {
    match value {
        Value::Array(elements) => {
            elements.into_iter().filter_map(|element| element.as_str().map(str::to_owned)).collect()
        }
        _ => Vec::new(),
    }
}

/// Of a checked `uint32`.
fn number(value: &Value) -> u32 {
    value.as_integer().and_then(|number| u32::try_from(number).ok()).unwrap_or(0)
}
