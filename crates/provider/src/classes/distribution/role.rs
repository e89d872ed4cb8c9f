use std::collections::HashMap;

use cim::query::{Query, Select, Selected};
use cim::{Instance, Value};
use site::DistributionPoint;

use crate::handler::{Answer, Call, ClassHandler, Work};
use crate::rows;

/// `SMS_SCI_SysResUse`: one role of one server. What scripts look for is in its embedded properties, put together
/// here from what the site knows of the server; nothing is stored for them, and nothing can be written.
pub(crate) struct Role;

/// The validation schedule that the original's distribution points have until somebody sets another: every Saturday.
const VALIDATION_SCHEDULE: &str = "00011700001F2000";
/// The original's lowest priority of validation.
const VALIDATION_PRIORITY: i64 = 4;

impl ClassHandler for Role {
    fn query<'a>(&'a self, call: Call<'a>, query: &'a Query) -> Work<'a, Answer> {
        Box::pin(async move {
            if !selects(query, "Props") && !selects(query, "PropLists") {
                return rows::query(call, query).await;
            }
            let whole = Query { select: Select::All, ..query.clone() };
            let mut answer = rows::query(call, &whole).await?;
            let points = call.site.distribution_points().await?;
            let points: HashMap<_, _> = points.iter().map(|point| (point.nal_path.as_str(), point)).collect();
            for role in &mut answer.instances {
                let props = properties(role, &points);
                role.set("Props", props);
                // The lists of the original belong to pull distribution points.
                role.set("PropLists", Value::Array(Vec::new()));
                role.properties.retain(|(name, _)| {
                    call.class.property(name).is_some_and(|property| property.qualifiers.has("key"))
                        || selects(query, name)
                });
            }
            Ok(answer)
        })
    }
}

fn selects(query: &Query, property: &str) -> bool {
    match &query.select {
        Select::All => true,
        Select::Items(items) => items.iter().any(|item| match item {
            Selected::Property(chosen) => chosen.name.eq_ignore_ascii_case(property),
            Selected::Source(_) => true,
        }),
        Select::Count(_) => false,
    }
}

fn properties(role: &Instance, points: &HashMap<&str, &DistributionPoint>) -> Value {
    let text = |name: &str| role.get(name).and_then(Value::as_str).unwrap_or("");
    let server = text("NetworkOSPath").trim_start_matches('\\');
    let mut all = vec![embedded("Server Remote Name", 0, server)];
    if let Some(point) = points.get(text("NALPath")).filter(|_| text("RoleName") == "SMS Distribution Point")
    {
        all.push(embedded("IdentityGUID", 0, &point.identity_guid));
        all.push(embedded("Version", 0, &point.agent_version));
        all.push(embedded("DPMonEnabled", 0, ""));
        all.push(embedded("DPMonPriority", VALIDATION_PRIORITY, ""));
        all.push(embedded("DPMonSchedule", 0, VALIDATION_SCHEDULE));
        // What this site's distribution points are not.
        for name in ["IsActive", "IsMulticast", "IsPullDP", "IsPXE", "TransferRate", "UdaSetting"] {
            all.push(embedded(name, 0, ""));
        }
    }
    Value::Array(all)
}

/// `SMS_EmbeddedProperty`
fn embedded(name: &str, value: i64, text: &str) -> Value {
    let mut property = Instance::new("SMS_EmbeddedProperty");
    property.set("PropertyName", name);
    property.set("Value", value);
    property.set("Value1", text);
    property.set("Value2", "");
    Value::Instance(Box::new(property))
}
