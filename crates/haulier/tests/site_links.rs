//! Between a parent and a child site as real processes: bad equipment on the way, and small changes of large files.
#![allow(clippy::unwrap_used, reason = "a fixture that cannot be made fails its test")]

use std::path::Path;

use processes::{Hierarchy, fetch, wait_until};
use relay::{Mischief, Relay};
use serde_json::Value;

mod processes;
#[path = "network/relay.rs"]
mod relay;

const BELOW: &str = "dp1.s01.example.test";
const FILE_BYTES: usize = 3_000_000;
const LARGE_BYTES: usize = 20 * 1024 * 1024;
/// What a change of a kibibyte in a file of 20 MiB may cost on the wire.
const PATCH_BYTES_MAX: u64 = 1024 * 1024;

fn write(source: &Path, bytes: &[u8]) {
    std::fs::create_dir_all(source).unwrap();
    std::fs::write(source.join("a.sys"), bytes).unwrap();
}

/// Bytes that neither compress nor repeat.
fn noise(seed: u64) -> Vec<u8> {
    samples::Rng::new(seed).bytes(FILE_BYTES)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_relay_that_corrupts_truncates_and_stalls_costs_a_child_site_time_and_never_a_byte() {
    let parent = Hierarchy::start_central(1).await;
    let relay = Relay::start(parent.site.address.trim_start_matches("http://").parse().unwrap()).await;
    let child = parent.child_through(&format!("http://{}", relay.address), "S01", "primary", 1).await;
    let (near, far) = (&parent.points[0], &child.points[0]);
    let source = parent.folder.path().join("source");
    write(&source, &noise(1));
    let id = parent.create_package("Relayed", &source).await;
    parent.knows_point(BELOW).await;
    parent.text(&["package", "distribute", &id, &near.name, BELOW]).await;
    parent.wait_for_version(&id, 1).await;
    let kinds = [Mischief::Corrupt(1_000_000), Mischief::Truncate(1_000_000), Mischief::Stall(1_000_000)];
    for (version, mischief) in (2..).zip(kinds) {
        let done = relay.done();
        relay.does(mischief);
        write(&source, &noise(version));
        parent.text(&["package", "refresh", &id]).await;
        wait_until(&format!("{mischief:?} happens"), || async { relay.done() > done }).await;
        // Whoever has a good wire does not wait for who has not.
        let has =
            |state: &Value| state["ServerName"] == near.name.as_str() && state["InstalledVersion"] == version;
        parent.wait_for_states(&id, |states| states.iter().any(has)).await;
        // What goes on for ever ends all transfers; a wire that stalled is cut at last.
        relay.does(Mischief::None);
        if matches!(mischief, Mischief::Stall(_)) {
            relay.cut();
        }
        let carried = relay.carried_bytes();
        parent.wait_for_version(&id, version).await;
        let carried = relay.carried_bytes() - carried;
        assert!(carried < 2 * FILE_BYTES as u64, "after {mischief:?} it took {carried} bytes");
        let served = fetch(&far.address, &format!("{id}/a.sys")).await;
        assert!(served == Some(noise(version)), "{mischief:?} changed what is served");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_small_change_of_a_large_file_travels_as_a_patch_both_ways() {
    let parent = Hierarchy::start_central(1).await;
    let child = parent.child("S01", "primary", 1).await;
    parent.knows_point(BELOW).await;
    child.knows_point(&parent.points[0].name).await;
    let sent = async |site: &Hierarchy, to: &str| {
        site.counter(&format!("haulier_site_sent_bytes_total{{to=\"{to}\"}}")).await
    };
    for (number, (owner, holder, to)) in
        [(&parent, &child, "child_site"), (&child, &parent, "parent_site")].into_iter().enumerate()
    {
        let source = owner.folder.path().join("source");
        let mut bytes = samples::Rng::new(number as u64 + 1).bytes(LARGE_BYTES);
        write(&source, &bytes);
        let id = owner.create_package("Large", &source).await;
        owner.text(&["package", "distribute", &id, &holder.points[0].name]).await;
        owner.wait_for_version(&id, 1).await;
        let before = sent(owner, to).await;
        assert!(before >= LARGE_BYTES as u64, "all of it went to the {to}: {before} bytes");
        let change = samples::Rng::new(99).bytes(1024);
        bytes[LARGE_BYTES / 2..][..change.len()].copy_from_slice(&change);
        write(&source, &bytes);
        owner.text(&["package", "refresh", &id]).await;
        owner.wait_for_version(&id, 2).await;
        let patched = sent(owner, to).await - before;
        assert!((1..PATCH_BYTES_MAX).contains(&patched), "{patched} bytes went to the {to}");
        let served = fetch(&holder.points[0].address, &format!("{id}/a.sys")).await;
        assert!(served.as_ref() == Some(&bytes), "it is what the source is");
    }
}
