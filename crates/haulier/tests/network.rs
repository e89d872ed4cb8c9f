//! Bad networks between real processes: slow, lossy and cut wires between machines of their own, and a relay that delays,
//! truncates, corrupts and stalls. Each fault is seen to have fired before the recovery is judged.
#![allow(clippy::unwrap_used, reason = "a fixture that cannot be made fails its test")]

use std::path::Path;
use std::time::Duration;

use network::relay::{Mischief, Relay};
use network::wires::Machines;
use processes::{Hierarchy, fetch, wait_until};
use serde_json::Value;

#[path = "network"]
mod network {
    pub(crate) mod relay;
    pub(crate) mod wires;
}
mod processes;

const FILE_BYTES: usize = 4_000_000;

/// Bytes that neither compress nor repeat.
fn noise(seed: u64) -> Vec<u8> {
    samples::Rng::new(seed).bytes(FILE_BYTES)
}

fn write(source: &Path, version: u64) {
    std::fs::create_dir_all(source).unwrap();
    std::fs::write(source.join("a.sys"), noise(version)).unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn cut_lossy_and_slow_wires_delay_what_they_carry_and_nothing_else() {
    let Some(machines) = Machines::start(2).await else {
        eprintln!("NOT RUN: cut_lossy_and_slow_wires: network namespaces need root and iproute2");
        return;
    };
    // Machine 1 is the one whose wire is bad.
    wires_that_are_bad(&machines, 1, 2).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn cut_lossy_and_slow_wires_to_a_child_site_delay_what_they_carry_and_nothing_else() {
    let Some(machines) = Machines::start_tree().await else {
        eprintln!(
            "NOT RUN: cut_lossy_and_slow_wires_to_a_child_site: network namespaces need root and iproute2"
        );
        return;
    };
    let known = "SELECT ServerName FROM SMS_DistributionPointInfo WHERE SiteCode = 'S01'";
    wait_until("the child's distribution point is known", || async {
        machines.haulier(&["query", known, "--json"]).await.contains(&machines.name(2))
    })
    .await;
    wires_that_are_bad(&machines, 2, 1).await;
}

/// The wire to one machine is slow and cut in mid-transfer, then it loses packets; the other machine has a good one.
async fn wires_that_are_bad(machines: &Machines, bad: usize, good: usize) {
    let source = machines.folder.path().join("source");
    write(&source, 1);
    let create = ["package", "create", "Wired", "--source", source.to_str().unwrap()];
    let id = machines.haulier(&create).await.trim().to_owned();
    let (far, near) = (machines.name(bad), machines.name(good));
    machines.haulier(&["package", "distribute", &id, &far, &near]).await;
    let state = async |name: &str| {
        let states = machines.haulier(&["status", &id, "--json"]).await;
        let Value::Array(states) = serde_json::from_str(&states).unwrap() else { panic!("{states}") };
        states.into_iter().find(|state| state["ServerName"] == name).unwrap()
    };
    let holds = async |name: &str, version: u64| {
        let what = format!("{name} holds version {version}");
        wait_until(&what, || async {
            let state = state(name).await;
            state["State"] == 0 && state["InstalledVersion"] == version
        })
        .await;
    };
    for name in [&far, &near] {
        holds(name, 1).await;
    }

    // Cut in mid-transfer: slow enough that it is.
    machines.slow_down(bad, "16mbit").await;
    let before = machines.received_bytes(bad).await;
    write(&source, 2);
    machines.haulier(&["package", "refresh", &id]).await;
    let begun = before + FILE_BYTES as u64 / 8;
    wait_until("the first bytes are there", || async { machines.received_bytes(bad).await > begun }).await;
    machines.rule(bad, &["-j", "DROP"]).await;
    holds(&near, 2).await;
    let cut = state(&far).await;
    assert_eq!(cut["InstalledVersion"], 1, "the fault fired: nothing comes through");
    let dropped = machines.end_rules(bad).await;
    assert!(dropped > 0, "packets were dropped");
    holds(&far, 2).await;
    let (received, needed) = (machines.received_bytes(bad).await - before, FILE_BYTES as u64);
    assert!(received < needed * 3 / 2, "it went on where it was: {received} of {needed} bytes");
    assert!(machines.fetch(bad, &format!("{id}/a.sys")).await == noise(2));

    machines.slow_down(bad, "1gbit").await;
    machines.rule(bad, &["-m", "statistic", "--mode", "random", "--probability", "0.05", "-j", "DROP"]).await;
    write(&source, 3);
    machines.haulier(&["package", "refresh", &id]).await;
    holds(&far, 3).await;
    let lost = machines.end_rules(bad).await;
    assert!(lost > 0, "packets were lost");
    assert!(machines.fetch(bad, &format!("{id}/a.sys")).await == noise(3));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_relay_that_delays_truncates_and_corrupts_costs_time_and_never_a_byte() {
    let mut hierarchy = Hierarchy::start(1).await;
    let site = hierarchy.site.address.trim_start_matches("http://").parse().unwrap();
    let relay = Relay::start(site).await;
    hierarchy.add_point_through("dp2.example.test", &format!("http://{}", relay.address)).await;
    let source = hierarchy.folder.path().join("source");
    write(&source, 1);
    let id = hierarchy.create_package("Relayed", &source).await;
    hierarchy.distribute(&id).await;
    hierarchy.wait_for_version(&id, 1).await;
    let kinds = [
        Mischief::Delay(Duration::from_millis(5)),
        Mischief::Truncate(1_500_000),
        Mischief::Corrupt(1_000_000),
    ];
    for (version, mischief) in (2..).zip(kinds) {
        let done = relay.done();
        relay.does(mischief);
        write(&source, version);
        hierarchy.text(&["package", "refresh", &id]).await;
        // Whoever has a good wire does not wait for who has not.
        let near = hierarchy.points[0].name.clone();
        let has =
            |state: &Value| state["ServerName"] == near.as_str() && state["InstalledVersion"] == version;
        hierarchy.wait_for_states(&id, |states| states.iter().any(has)).await;
        wait_until(&format!("{mischief:?} happens"), || async { relay.done() > done }).await;
        if !matches!(mischief, Mischief::Delay(_)) {
            // What goes on for ever ends all transfers.
            relay.does(Mischief::None);
        }
        let carried = relay.carried_bytes();
        hierarchy.wait_for_version(&id, version).await;
        let carried = relay.carried_bytes() - carried;
        assert!(carried < 2 * FILE_BYTES as u64, "after {mischief:?} it took {carried} bytes");
        let served = fetch(&hierarchy.points[1].address, &format!("{id}/a.sys")).await;
        assert!(served == Some(noise(version)), "{mischief:?} changed what is served");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stalled_transfer_delays_no_other_package_or_destination_and_gives_way_to_a_newer_version() {
    let mut hierarchy = Hierarchy::start(1).await;
    let site = hierarchy.site.address.trim_start_matches("http://").parse().unwrap();
    let relay = Relay::start(site).await;
    hierarchy.add_point_through("dp2.example.test", &format!("http://{}", relay.address)).await;
    let source = hierarchy.folder.path().join("source");
    write(&source, 1);
    let id = hierarchy.create_package("Stalled", &source).await;
    hierarchy.distribute(&id).await;
    hierarchy.wait_for_version(&id, 1).await;

    relay.does(Mischief::Stall(1_000_000));
    write(&source, 2);
    hierarchy.text(&["package", "refresh", &id]).await;
    wait_until("the transfer stalls", || async { relay.done() > 0 }).await;
    relay.does(Mischief::None);
    // The stalled connection stays as it is: whoever has a good wire gets the version all the same.
    let [near, far] = [0, 1].map(|number| hierarchy.points[number].name.clone());
    let of = |states: &[Value], name: &str| {
        states.iter().find(|state| state["ServerName"] == name).unwrap()["InstalledVersion"].as_u64()
    };
    let states = hierarchy.wait_for_states(&id, |states| of(states, &near) == Some(2)).await;
    assert_eq!(of(&states, &far), Some(1), "the fault fired: this one waits for bytes");
    let small = hierarchy.folder.path().join("small");
    std::fs::create_dir(&small).unwrap();
    std::fs::write(small.join("a.inf"), "[Version]").unwrap();
    let other = hierarchy.create_package("Other", &small).await;
    hierarchy.distribute(&other).await;
    hierarchy.wait_for_version(&other, 1).await;
    write(&source, 3);
    hierarchy.text(&["package", "refresh", &id]).await;
    hierarchy.wait_for_version(&id, 3).await;
    assert!(fetch(&hierarchy.points[1].address, &format!("{id}/a.sys")).await == Some(noise(3)));
}
