use cim::{Instance, ObjectPath, Value};
use site::{RouteSettings, RouteTarget};

use crate::error::Fault;
use crate::handler::{Call, ClassHandler, Work};

/// `Haulier_Route`: when and how fast content goes to one destination. A put sets it, whether or not there was one.
pub(crate) struct Route;

impl ClassHandler for Route {
    fn put_changes(&self) -> bool {
        true
    }

    fn create<'a>(&'a self, call: Call<'a>, instance: Instance) -> Work<'a, ObjectPath> {
        Box::pin(async move {
            call.site.require_may_route(call.actor)?;
            let key = |name: &str| {
                let missing = || Fault::IllegalNull { property: name.to_owned() };
                let value = instance.get(name).cloned().ok_or_else(missing)?;
                Ok::<_, Fault>((name.to_owned(), value))
            };
            let path = ObjectPath::new(&call.class.name, [key("Destination")?, key("DestinationType")?]);
            let settings = changed(RouteSettings::default(), instance)?;
            call.site.set_route(call.actor, &target(&path)?, &settings).await?;
            Ok(path)
        })
    }

    fn modify<'a>(&'a self, call: Call<'a>, path: &'a ObjectPath, change: Instance) -> Work<'a, ()> {
        Box::pin(async move {
            call.site.require_may_route(call.actor)?;
            let target = target(path)?;
            let settings = changed(call.site.route_settings(&target).await?, change)?;
            Ok(call.site.set_route(call.actor, &target, &settings).await?)
        })
    }

    fn delete<'a>(&'a self, call: Call<'a>, path: &'a ObjectPath) -> Work<'a, ()> {
        Box::pin(async move { Ok(call.site.clear_route(call.actor, &target(path)?).await?) })
    }
}

/// `DestinationType` 0 is a site, 1 a distribution point, here as in `SMS_SCI_Address`.
pub(crate) fn route_target(kind: Option<i128>, destination: &str) -> Result<RouteTarget, Fault> {
    match kind {
        Some(0) => Ok(RouteTarget::Site(destination.to_owned())),
        Some(1) => Ok(RouteTarget::DistributionPoint(destination.to_owned())),
        _ => {
            let reason = "0 (a site) or 1 (a distribution point) is needed".to_owned();
            Err(Fault::OutOfRange { property: "DestinationType".to_owned(), reason })
        }
    }
}

fn target(path: &ObjectPath) -> Result<RouteTarget, Fault> {
    let destination = path.key("Destination").and_then(Value::as_str).unwrap_or("");
    route_target(path.key("DestinationType").and_then(Value::as_integer), destination)
}

fn changed(mut settings: RouteSettings, change: Instance) -> Result<RouteSettings, Fault> {
    for (name, value) in change.properties {
        let text = value.as_str().unwrap_or("");
        match name.as_str() {
            "Hours" if text.is_empty() => settings.hours = site::Grid::default(),
            "Hours" => settings.hours = text.parse()?,
            "Rate" => settings.rate = text.parse()?,
            "TimeZone" => settings.time_zone = Some(text.to_owned()).filter(|zone| !zone.is_empty()),
            "Destination" | "DestinationType" => {}
            _ => return Err(Fault::ReadOnly { property: name }),
        }
    }
    Ok(settings)
}
