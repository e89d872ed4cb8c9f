//! A hostile distribution point at a real site: it lies, asks for what is not its own, sends what nobody can bear, and
//! floods. Each is refused or counted; the site's memory stays bounded, and the honest distribution point beside it gets
//! its versions meanwhile.
#![allow(clippy::unwrap_used, reason = "a fixture that cannot be made fails its test")]

use std::path::Path;
use std::time::Duration;

use agent::{EnrolReply, Event, FACTS_MAX, Fact, Facts};
use clock::{Clock, SystemClock};
use hostile::attacker::Attacker;
use processes::{Hierarchy, fetch, wait_until};
use serde_json::Value;

#[path = "hostile"]
mod hostile {
    pub(crate) mod attacker;
}
mod processes;

const HONEST: &str = "dp1.example.test";
const EVIL: &str = "evil.example.test";
/// Connections of one address, as `haulier.toml` has it.
const CONNECTIONS_MAX: usize = 300;
/// Requests that post as much as they may and never end: more than [`MEMORY_MAX`] if all were kept.
const HALF_BODIES: usize = 280;
const HALF_BODY_BYTES: usize = 1024 * 1024 - 1;
/// What all of it may cost the site, in bytes of resident memory.
const MEMORY_MAX: u64 = 200 * 1024 * 1024;
/// A refresh reaches an honest distribution point within this time while all of it goes on.
const HONEST_WITHIN: Duration = Duration::from_secs(30);

fn write(source: &Path, version: u64) {
    std::fs::create_dir_all(source).unwrap();
    std::fs::write(source.join("a.sys"), content(version)).unwrap();
}

fn content(version: u64) -> Vec<u8> {
    samples::Rng::new(version).bytes(1_000_000)
}

/// A site, an honest distribution point with both packages, and a hostile one that is targeted with one of them.
struct Scene {
    hierarchy: Hierarchy,
    attacker: Attacker,
    /// For the honest one alone.
    secret: String,
    /// For both.
    shared: String,
}

impl Scene {
    async fn set() -> Self {
        let mut hierarchy = Hierarchy::start(1).await;
        let config = hierarchy.site.data.join("haulier.toml");
        let limits = format!("[limits]\nconnections_per_address = {CONNECTIONS_MAX}\n");
        let limited = std::fs::read_to_string(&config).unwrap().replace("[limits]\n", &limits);
        std::fs::write(config, limited).unwrap();
        hierarchy.site.kill().await;
        hierarchy.site.start().await;
        let token = hierarchy.token(EVIL).await;
        let attacker = Attacker::new(&hierarchy.site.address);
        let reply = attacker.enrol(&token, EVIL).await;
        let reply: EnrolReply = serde_json::from_slice(&reply.expect(200)).unwrap();
        let attacker = attacker.known_by(&reply.secret);
        let mut packages = Vec::new();
        for name in ["secret", "shared"] {
            let source = hierarchy.folder.path().join(name);
            write(&source, 1);
            packages.push(hierarchy.create_package(name, &source).await);
        }
        let [secret, shared] = packages.try_into().unwrap();
        hierarchy.text(&["package", "distribute", &secret, HONEST]).await;
        hierarchy.text(&["package", "distribute", &shared, HONEST, EVIL]).await;
        let scene = Self { hierarchy, attacker, secret, shared };
        scene.honest_holds(1).await;
        scene
    }

    async fn state(&self, package: &str, name: &str) -> Option<Value> {
        self.hierarchy.states(package).await.into_iter().find(|state| state["ServerName"] == name)
    }

    /// Waits until the honest one says so and it is so.
    async fn honest_holds(&self, version: u64) {
        for package in [&self.secret, &self.shared] {
            wait_until(&format!("the honest one holds version {version} of {package}"), || async {
                let state = self.state(package, HONEST).await.unwrap();
                state["State"] == 0 && state["InstalledVersion"] == version
            })
            .await;
            let served = fetch(&self.hierarchy.points[0].address, &format!("{package}/a.sys")).await;
            assert!(served == Some(content(version)), "version {version} of {package} is served");
        }
    }

    async fn refresh(&self, version: u64) {
        for (package, name) in [(&self.secret, "secret"), (&self.shared, "shared")] {
            write(&self.hierarchy.folder.path().join(name), version);
            self.hierarchy.text(&["package", "refresh", package]).await;
        }
    }

    /// The most memory that the site ever had, in bytes.
    fn memory_peak_bytes(&self) -> u64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.hierarchy.site.pid())).unwrap();
        let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
        line.trim().trim_end_matches(" kB").parse::<u64>().unwrap() * 1024
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_hostile_distribution_point_harms_nobody_but_itself() {
    let scene = Scene::set().await;
    lies_are_about_itself_alone(&scene).await;
    others_content_is_not_told(&scene).await;
    what_nobody_can_bear_is_refused(&scene).await;
    floods_delay_nobody_else(&scene).await;
}

fn fact(package_id: &str, generation: i64, event: Event) -> Fact {
    Fact {
        package_id: package_id.to_owned(),
        generation,
        at: SystemClock.now().to_string(),
        serial: None,
        event,
    }
}

fn installed(version: u32) -> Event {
    Event::Installed {
        version,
        files: u64::MAX,
        bytes_total: u64::MAX,
        bytes_received: u64::MAX,
        files_verified: 0,
    }
}

/// What it says of packages that are not its own, of versions that never were, under names of others.
async fn lies_are_about_itself_alone(scene: &Scene) {
    let Scene { hierarchy, attacker, secret, shared } = scene;
    let before = hierarchy.states(secret).await;
    let generation = attacker.generation_of(shared).await;
    let facts = [
        fact(secret, 1, installed(1)),
        fact(secret, generation, Event::Removed),
        fact("S0100001", 1, installed(1)),
        fact("PS1FFFFF", 1, installed(1)),
        fact(shared, generation, installed(77)),
        fact(shared, generation - 1, installed(1)),
        fact(shared, i64::MAX, installed(u32::MAX)),
        fact(
            shared,
            generation,
            Event::Verified {
                version: 3,
                files_verified: u64::MAX,
                files_repaired: vec!["x".repeat(1000); 300],
            },
        ),
    ];
    attacker.report(&Facts { facts: facts.into() }).await.expect(204);
    let after = hierarchy.states(secret).await;
    assert_eq!(before, after, "what it said of a package that it is not to hold is passed over");
    let state = scene.state(shared, EVIL).await.unwrap();
    assert_ne!(state["State"], 0, "a version that was not asked for is no success: {state}");
    let honest = scene.state(shared, HONEST).await.unwrap();
    assert_eq!((&honest["State"], &honest["InstalledVersion"]), (&0.into(), &1.into()), "{honest}");

    // A token is good for its own name alone, and a name is nobody's without a token.
    let token = hierarchy.token("other.example.test").await;
    for token in [token.as_str(), "hdp1.00", ""] {
        assert_eq!(attacker.enrol(token, HONEST).await.code(403), "token_unknown", "{token:?}");
    }
    let records = attacker.post("/agent/v1/site/records", br#"{"after":0,"revision":9,"records":[]}"#).await;
    assert_eq!(records.code(401), "agent_unknown", "a distribution point is no site");
    assert!(hierarchy.counter("haulier_site_agents_unauthenticated_total").await > 0);
    assert!(hierarchy.counter("haulier_site_agents_enrol_refused_total").await >= 2);
    scene.refresh(2).await;
    scene.honest_holds(2).await;
}

/// Routes and wishes of others, and objects whose names it can only guess.
async fn others_content_is_not_told(scene: &Scene) {
    let Scene { attacker, secret, .. } = scene;
    for version in [1, 2, 3] {
        let route = attacker.get(&format!("/agent/v1/packages/{secret}/versions/{version}/route")).await;
        assert_eq!(route.code(404), "package_not_assigned", "version {version}");
    }
    for query in ["after=0", "after=-1", "after=0&dp=1", "after=0&name=dp1.example.test"] {
        let told = attacker.get(&format!("/agent/v1/desired?{query}")).await.expect(200);
        let told = String::from_utf8(told).unwrap();
        assert!(!told.contains(secret.as_str()), "{query}: {told}");
    }
    let guessed = "0".repeat(64);
    for (path, status) in [
        (format!("/content/v1/packs/{guessed}"), 404),
        (format!("/content/v1/manifests/{guessed}"), 404),
        ("/content/v1/packs/".to_owned(), 404),
        ("/content/v1/manifests".to_owned(), 404),
        ("/content/v1/".to_owned(), 404),
        ("/content/v1/packs/..%2f..%2fsite.db".to_owned(), 400),
        ("/content/v1/packs/%2e%2e%2f%2e%2e%2fsigning-key.p8".to_owned(), 400),
        ("/agent/v1/site/records?after=0".to_owned(), 401),
        ("/agent/v1/site/wants".to_owned(), 401),
        ("/AdminService/wmi/SMS_DriverPackage".to_owned(), 401),
    ] {
        attacker.get(&path).await.expect(status);
    }
}

/// Too much at once, what never ends, and what means nothing.
async fn what_nobody_can_bear_is_refused(scene: &Scene) {
    let Scene { attacker, shared, .. } = scene;
    let many = vec![fact(shared, 1, Event::Removed); FACTS_MAX + 1];
    assert_eq!(attacker.report(&Facts { facts: many }).await.code(413), "too_many_facts");
    let huge = fact(
        shared,
        1,
        Event::Refused { object: "0".repeat(64), reason: "x".repeat(2 * 1024 * 1024), source: None },
    );
    assert_eq!(attacker.report(&Facts { facts: vec![huge] }).await.code(413), "body_too_large");
    for garbage in [&b"{"[..], b"[]", b"\xff\xfe\x00", b"null", &[b'['; 100_000]] {
        assert_eq!(attacker.post("/agent/v1/facts", garbage).await.code(400), "bad_request");
    }
    let sent = attacker.send_without_end("/agent/v1/facts").await;
    assert!((1024 * 1024..16 * 1024 * 1024).contains(&sent), "it was let send {sent} bytes");
    for (bytes, expect) in [
        (b"GET /\r\n\r\n\0\0\0".to_vec(), Some(400)),
        (samples::Rng::new(5).bytes(100_000), Some(400)),
        (format!("GET /healthz HTTP/1.1\r\nX: {}\r\n\r\n", "x".repeat(200_000)).into_bytes(), Some(431)),
        (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\xff\xff\xff\xff\xff\xff\xff\xff\xff".to_vec(), None),
    ] {
        let told = attacker.say(&bytes).await;
        assert_eq!(told, expect, "{:?}", String::from_utf8_lossy(&bytes[..16]));
    }
}

/// Connections, waits, reports, requests and bodies, as many as it can, while versions are to reach others.
async fn floods_delay_nobody_else(scene: &Scene) {
    let Scene { hierarchy, attacker, shared, .. } = scene;
    let before = scene.memory_peak_bytes();
    let refused = hierarchy.counter("haulier_site_listener_refused_per_peer_total").await;
    let bodies = hierarchy.counter("haulier_site_listener_bodies_refused_total").await;
    let held = attacker.half_bodies("/agent/v1/enrol", HALF_BODIES, HALF_BODY_BYTES).await;
    let more = attacker.connections(CONNECTIONS_MAX).await;
    wait_until("connections and bodies are refused", || async {
        hierarchy.counter("haulier_site_listener_refused_per_peer_total").await > refused
            && hierarchy.counter("haulier_site_listener_bodies_refused_total").await > bodies
    })
    .await;
    scene.refresh(3).await;
    scene.honest_holds(3).await;
    drop((held, more));

    let generation = attacker.generation_of(shared).await;
    let facts: Vec<Fact> =
        (0..FACTS_MAX as u32).map(|n| fact(shared, generation, installed(n + 50))).collect();
    let flood = attacker.flood(&Facts { facts });
    wait_until("the flood is on", || async { flood.refused() > 0 }).await;
    let started = SystemClock.monotonic();
    scene.refresh(4).await;
    scene.honest_holds(4).await;
    let took = SystemClock.monotonic() - started;
    let (taken, refused) = flood.stop().await;
    assert!(taken > 0 && refused > 0, "{taken} requests were answered, {refused} refused");
    assert!(took < HONEST_WITHIN, "the honest one waited {took:?} for its version");
    let grown = scene.memory_peak_bytes() - before;
    assert!(grown < MEMORY_MAX, "the site's memory grew by {grown} bytes");
    let honest = scene.state(shared, HONEST).await.unwrap();
    assert_eq!((&honest["FaultCode"], &honest["InstalledVersion"]), (&"".into(), &4.into()), "{honest}");
}
