//! Content by the route of whoever asks: windows, priorities and rates over real connections, on a clock that stands still.
#![allow(clippy::unwrap_used, reason = "a fixture that cannot be made fails its test")]

use std::sync::Arc;
use std::time::Duration;

use agent::{PACKAGE_HEADER, PackRef, WINDOW_CLOSED};
use clock::{Clock, ManualClock};
use content::{ObjectKey, PackId};
use net::{Client, NetError};
use site::{Availability, Grid, PackageChange, RateLimit, RouteSettings, RouteTarget};

mod rig;

use rig::{Agent, Rig, Transport, not_hanging, refused};

/// Monday noon.
const NOON: &str = "2026-03-02T12:00:00Z";
const OBJECT_BYTES: usize = 4 << 20;

fn hours(digits: &str) -> Grid {
    digits.repeat(168 / digits.len()).parse().unwrap()
}

/// The same at all hours.
fn always(availability: Availability, rate: RateLimit) -> RouteSettings {
    let hours = hours(&availability.number().to_string());
    RouteSettings { hours, rate, time_zone: Some("UTC".to_owned()) }
}

struct World {
    rig: Rig,
    clock: Arc<ManualClock>,
    agent: Agent,
    package_id: String,
    pack: PackRef,
}

impl World {
    async fn start() -> Self {
        let clock = ManualClock::new(NOON.parse().unwrap());
        let rig = Rig::start_at(Transport::Plain, clock.clone()).await;
        let agent = rig.enrol("dp1").await;
        let package_id = rig.package("dp1").await;
        agent.until_version(0, 1).await;
        let pack = agent.largest_pack(&package_id, 1).await;
        Self { rig, clock, agent, package_id, pack }
    }

    async fn route(&self, settings: &RouteSettings) {
        let target = RouteTarget::DistributionPoint("dp1".to_owned());
        self.rig.site.set_route(&self.rig.admin, &target, settings).await.unwrap();
    }

    /// The agent as it asks for a package's content.
    fn asking_for(&self, package: &str) -> Client {
        self.agent.client.clone().saying(PACKAGE_HEADER, package).unwrap()
    }

    async fn prioritize(&self, priority: u8) {
        let change = PackageChange { priority: Some(u32::from(priority)), ..PackageChange::default() };
        self.rig.site.update_package(&self.rig.admin, &self.package_id, change).await.unwrap();
    }

    async fn first_bytes(&self, client: &Client) -> Result<Vec<u8>, NetError> {
        not_hanging(async { client.get_range(&path(&self.pack.id), 0..10).await?.read_all().await }).await
    }

    /// An object that takes long; its path.
    async fn large_object(&self) -> String {
        let library = self.rig.site.library().await.unwrap();
        let id = PackId::of(b"large");
        library.store().put_bytes(ObjectKey::Pack(id), &vec![7; OBJECT_BYTES]).unwrap();
        path(&id.to_string())
    }

    /// Lets time pass while the network keeps up.
    async fn pass(&self, time: Duration) {
        let end = self.clock.monotonic() + time;
        while self.clock.monotonic() < end {
            self.clock.advance(Duration::from_millis(20));
            for _ in 0..20 {
                tokio::task::yield_now().await;
            }
        }
    }
}

fn path(id: &str) -> String {
    format!("/content/v1/packs/{id}")
}

#[tokio::test]
async fn a_closed_window_says_when_it_opens_and_to_whom() {
    let world = World::start().await;
    // From 08:00 for high only, from 18:00 for all.
    world
        .route(&RouteSettings {
            hours: hours("111111113333333333111111"),
            ..always(Availability::All, RateLimit::Unlimited)
        })
        .await;
    let own = world.asking_for(&world.package_id);
    let error = world.first_bytes(&own).await.unwrap_err();
    let refusal = error.refusal().unwrap();
    assert_eq!((refusal.status, refusal.code.as_str()), (503, WINDOW_CLOSED));
    assert_eq!(refusal.until, Some("2026-03-02T18:00:00Z".parse().unwrap()));
    assert_eq!(refusal.retry_after, Some(Duration::from_secs(6 * 3600 + 1)));
    assert!(refusal.message.contains("priority 2"), "{}", refusal.message);

    // Its metadata goes at any time, and so does what has no body.
    world.agent.route(&world.package_id, 1).await;
    world.prioritize(1).await;
    assert_eq!(world.first_bytes(&own).await.unwrap().len(), 10);
    // The name of a package opens nothing for what is not meant for the caller.
    for other in [world.agent.client.clone(), world.asking_for("PS1FFFFF")] {
        assert_eq!(refused(world.first_bytes(&other).await), (503, WINDOW_CLOSED.to_owned()));
    }
    let bad = world.first_bytes(&world.asking_for("../etc")).await;
    assert_eq!(refused(bad), (400, "bad_package_id".to_owned()));
    world.prioritize(3).await;
    assert_eq!(refused(world.first_bytes(&own).await).0, 503);
    world.clock.advance(Duration::from_secs(6 * 3600 + 1));
    // The old connections have outlived themselves.
    let own = world.rig.client_of(&world.agent.reply, &world.agent.key_pem);
    let own = own.saying(PACKAGE_HEADER, &world.package_id).unwrap();
    assert_eq!(world.first_bytes(&own).await.unwrap().len(), 10);

    world.route(&always(Availability::Closed, RateLimit::Unlimited)).await;
    let error = world.first_bytes(&own).await.unwrap_err();
    assert_eq!(error.refusal().unwrap().until, None, "nothing is known to open");
    assert!(error.refusal().unwrap().retry_after.is_some());
}

#[tokio::test]
async fn a_rate_holds_over_all_connections_of_a_destination_and_slows_no_other() {
    let world = World::start().await;
    let object = world.large_object().await;
    let sick = world.rig.enrol("dp2").await;
    let target = RouteTarget::DistributionPoint("dp2".to_owned());
    let slowest = always(Availability::All, RateLimit::Fixed { bits_per_s: 1_000 });
    world.rig.site.set_route(&world.rig.admin, &target, &slowest).await.unwrap();
    world.route(&always(Availability::All, RateLimit::Fixed { bits_per_s: 800_000 })).await;
    let take = |client: Client| {
        let (object, counted) = (object.clone(), client.clone());
        let taking = tokio::spawn(async move {
            let mut stream = client.get_range(&object, 0..OBJECT_BYTES as u64).await?;
            while stream.next().await?.is_some() {}
            Ok::<_, NetError>(())
        });
        (counted, taking)
    };
    // A destination that takes many answers at once, and slowly.
    let many: Vec<_> = (0..20).map(|_| take(world.rig.client_of(&sick.reply, &sick.key_pem))).collect();
    let own = || world.rig.client_of(&world.agent.reply, &world.agent.key_pem);
    let two = [take(own()), take(own())];
    let received = || two.iter().map(|(client, _)| client.received_bytes()).sum::<u64>();
    world.pass(Duration::from_secs(1)).await;
    let before = received();
    world.pass(Duration::from_secs(10)).await;
    let bytes = received() - before;
    assert!(bytes.abs_diff(1_000_000) <= 50_000, "{bytes} bytes in ten seconds of 100000 a second");
    let one = two[0].0.received_bytes();
    assert!(one.abs_diff(received() - one) < 100_000, "{one} of {} bytes", received());
    let of_the_sick = many.iter().map(|(client, _)| client.received_bytes()).sum::<u64>();
    assert!(of_the_sick < 3_000, "{of_the_sick} bytes in eleven seconds of 125 a second");

    // A window that closes ends them all, and what came stays what it is.
    world.route(&always(Availability::Closed, RateLimit::Unlimited)).await;
    for (client, taking) in two {
        not_hanging(taking).await.unwrap().unwrap_err();
        assert_eq!(refused(client.get_range(&object, 0..10).await), (503, WINDOW_CLOSED.to_owned()));
    }
    many.iter().for_each(|(_, taking)| taking.abort());
}
