//! Routes through the provider: the original's addresses, and what the classes of a distribution point say of them.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on should stop where it is")]

use cim::{Instance, ObjectPath, Value, wql};
use clock::SystemClock;
use provider::{Caller, Provider, ProviderError};
use site::{Actor, RateLimit, RouteTarget, Site, SiteOptions};
use tempfile::TempDir;

const ADDRESS: &str = "SMS_SCI_Address";

struct World {
    provider: Provider,
    site: Site,
    _dir: TempDir,
}

fn local() -> Caller {
    Caller::from(Actor::local())
}

async fn world() -> World {
    let dir = tempfile::tempdir().unwrap();
    let options = SiteOptions {
        data_dir: dir.path().join("ps1"),
        site_code: "PS1".to_owned(),
        server_name: Some("srv".to_owned()),
        ..SiteOptions::default()
    };
    Site::init(&options, "correct horse battery", SystemClock::shared()).await.unwrap();
    let site = Site::open(&options, SystemClock::shared()).await.unwrap();
    site.create_dp_token(&Actor::local(), "dp1", None).await.unwrap();
    World { provider: Provider::new(site.clone()), site, _dir: dir }
}

impl World {
    async fn only(&self, text: &str) -> Instance {
        let mut found = self.provider.query(&local(), wql::parse(text).unwrap()).await.unwrap().instances;
        assert_eq!(found.len(), 1, "{text}");
        found.remove(0)
    }

    async fn rate(&self) -> RateLimit {
        let target = RouteTarget::DistributionPoint("dp1".to_owned());
        self.site.route_settings(&target).await.unwrap().rate
    }
}

fn numbers(numbers: impl IntoIterator<Item = i128>) -> Value {
    Value::Array(numbers.into_iter().map(Value::Integer).collect())
}

fn embedded(class: &str, properties: &[(&str, Value)]) -> Value {
    let mut object = Instance::new(class);
    properties.iter().for_each(|(name, value)| object.set(name, value.clone()));
    Value::Array(vec![Value::Instance(Box::new(object))])
}

/// Seven days, closed in the first so many hours of each.
fn week(closed: usize) -> Value {
    let usage = (0..24).map(|hour| if hour < closed { 4 } else { 1 });
    let Value::Array(day) = embedded(
        "SMS_SiteControlDaySchedule",
        &[("HourUsage", numbers(usage)), ("update", Value::Boolean(true))],
    ) else {
        unreachable!()
    };
    Value::Array(vec![day[0].clone(); 7])
}

/// An address as scripts make it.
fn address() -> Instance {
    let mut new = Instance::new(ADDRESS);
    new.set("AddressPriorityOrder", 0);
    new.set("AddressType", "MS_LAN");
    new.set("DesSiteCode", "dp1");
    new.set("DestinationType", 1);
    new.set("SiteCode", "PS1");
    new.set("UnlimitedRateForAll", false);
    new.set("UsageSchedule", week(8));
    new.set("RateLimitingSchedule", numbers([50; 24]));
    new.set(
        "Props",
        embedded(
            "SMS_EmbeddedProperty",
            &[("PropertyName", Value::text("Line Rate")), ("Value", Value::Integer(20_000))],
        ),
    );
    new
}

fn hresult<T>(result: Result<T, ProviderError>) -> u32 {
    result.err().expect("the call is refused").hresult()
}

#[tokio::test]
async fn an_address_that_a_script_puts_is_the_route() {
    let world = world().await;
    let path = world.provider.put(&local(), address()).await.unwrap();
    assert_eq!(path.key("ItemName"), Some(&Value::text("dp1|MS_LAN")));
    let half = RateLimit::Percent { line_bits_per_s: 20_000_000, percent: [50; 24] };
    assert_eq!(world.rate().await, half);
    let whole = world.provider.get(&local(), &path).await.unwrap();
    assert_eq!(whole.get("RateLimitingSchedule"), Some(&numbers([50; 24])));
    let Some(Value::Array(days)) = whole.get("UsageSchedule") else { panic!("{whole:?}") };
    assert_eq!(days.len(), 7);
    let info = world.only("SELECT * FROM SMS_DistributionPointInfo WHERE ServerName = 'dp1'").await;
    for (name, expect) in [
        ("AddressScheduleEnabled", Value::Boolean(true)),
        ("RateLimitsEnabled", Value::Boolean(true)),
        ("TransferRate", Value::Integer(10_000)),
    ] {
        assert_eq!(info.get(name), Some(&expect), "{name}");
    }
    let role = world.only("SELECT * FROM SMS_SCI_SysResUse WHERE RoleName = 'SMS Distribution Point'").await;
    let Some(Value::Array(props)) = role.get("Props") else { panic!("{role:?}") };
    let rate = props.iter().find_map(|prop| match prop {
        Value::Instance(prop) if prop.get("PropertyName") == Some(&Value::text("TransferRate")) => {
            prop.get("Value")
        }
        _ => None,
    });
    assert_eq!(rate, Some(&Value::Integer(10_000)));

    // The whole object comes back with one change; the rest stays what it is.
    let mut again = whole.clone();
    again.set("UsageSchedule", week(0));
    assert_eq!(world.provider.put(&local(), again).await.unwrap(), path);
    let own = world.only("SELECT * FROM Haulier_Route").await;
    assert_eq!(own.get("Hours"), Some(&Value::text("1".repeat(168))));
    assert_eq!(world.rate().await, half);
    let mut unlimited = Instance::new(ADDRESS);
    unlimited.set("UnlimitedRateForAll", true);
    world.provider.modify(&local(), &path, unlimited).await.unwrap();
    assert_eq!(world.rate().await, RateLimit::Unlimited);
    let info = world.only("SELECT * FROM SMS_DistributionPointInfo WHERE ServerName = 'dp1'").await;
    assert_eq!(info.get("AddressScheduleEnabled"), Some(&Value::Boolean(false)));
    world.provider.delete(&local(), &path).await.unwrap();
    assert_eq!(hresult(world.provider.get(&local(), &path).await), 0x8004_1002);
}

#[tokio::test]
async fn an_address_that_means_nothing_is_refused() {
    let world = world().await;
    let without = |name: &str| {
        let mut new = address();
        new.properties.retain(|(known, _)| known != name);
        new
    };
    let with = |name: &str, value: Value| {
        let mut new = without(name);
        new.set(name, value);
        new
    };
    for (new, expect) in [
        (without("Props"), 0x8004_103C),
        (without("DesSiteCode"), 0x8004_1028),
        (with("RateLimitingSchedule", numbers([0; 24])), 0x8004_103C),
        (with("RateLimitingSchedule", numbers([50; 3])), 0x8004_103C),
        (with("UsageSchedule", Value::Array(Vec::new())), 0x8004_103C),
        (with("DestinationType", Value::Integer(7)), 0x8004_103C),
        (with("DesSiteCode", Value::text("dp9")), 0x8004_1002),
    ] {
        assert_eq!(hresult(world.provider.create(&local(), new.clone()).await), expect, "{new:?}");
    }
    assert_eq!(
        world
            .provider
            .query(&local(), wql::parse("SELECT * FROM Haulier_Route").unwrap())
            .await
            .unwrap()
            .instances,
        []
    );
}

#[tokio::test]
async fn a_route_to_a_site_is_an_item_of_site_control() {
    let world = world().await;
    let mut route = Instance::new("Haulier_Route");
    route.set("Destination", "s01");
    route.set("DestinationType", 0);
    route.set("Rate", ["1000000"; 24].join(","));
    world.provider.put(&local(), route.clone()).await.unwrap();
    let item = world.only("SELECT * FROM SMS_SiteControlItem WHERE ItemType = 'Address'").await;
    assert_eq!((item.class.as_str(), item.get("ItemName")), (ADDRESS, Some(&Value::text("S01|MS_LAN"))));
    let address = world.only("SELECT * FROM SMS_SCI_Address WHERE DesSiteCode = 'S01'").await;
    assert_eq!(address.get("UnlimitedRateForAll"), Some(&Value::Boolean(false)));
    assert_eq!(address.get("RateLimitingSchedule"), Some(&numbers([100; 24])));
    // The site writes codes in capitals; what names a key otherwise would change it.
    route.set("Destination", "S01");
    route.set("Rate", "fast");
    assert_eq!(hresult(world.provider.put(&local(), route).await), 0x8004_1008);
    let keys = [("Destination", Value::text("S01")), ("DestinationType", Value::Integer(0))];
    let path = ObjectPath::new("Haulier_Route", keys.map(|(name, value)| (name.to_owned(), value)));
    world.provider.delete(&local(), &path).await.unwrap();
}
