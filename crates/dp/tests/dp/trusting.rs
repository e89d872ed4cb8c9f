//! Whom a distribution point believes, and how it stays believed itself.

use std::time::Duration;

use agent::Goal;
use agent::token::EnrolToken;
use agent::trust::VersionSignature;
use clock::{Clock, ManualClock, SystemClock};
use trust::SigningKey;

use crate::site::{PACKAGE, Running, Site, signed_by};

const DAY: Duration = Duration::from_secs(86_400);

fn hold(site: &Site, version: u32, signature: Option<VersionSignature>) -> i64 {
    site.demand(Goal::Hold { version, manifest: site.manifest(version), verify: false, signature })
}

#[tokio::test(flavor = "multi_thread")]
async fn a_forged_version_is_refused_and_the_old_one_is_served() {
    let (site, dir) = (Site::start().await, tempfile::tempdir().unwrap());
    site.write("a.inf", b"genuine");
    site.publish(1);
    let dp = Running::start(site.options(dir.path())).await;
    site.installed(site.hold(1, false)).await;
    site.write("a.inf", b"forged");
    site.publish(2);
    let fetched = site.script.faults.content_bytes.load(std::sync::atomic::Ordering::SeqCst);

    // The signature of another manifest, of another version, of nobody, of a stranger, of a site that owns nothing here.
    let stranger = SigningKey::generate().unwrap();
    let neighbor = SigningKey::generate().unwrap();
    site.vouch("S01", &neighbor);
    let (first, second) = (site.manifest(1), site.manifest(2));
    for (signature, code) in [
        (Some(site.sign(2, &first)), "signature_wrong"),
        (Some(site.sign(1, &second)), "signature_wrong"),
        (None, "version_unsigned"),
        (Some(signed_by("PS1", &stranger, 2, &second, 1)), "signer_unknown"),
        (Some(signed_by("XXX", &stranger, 2, &second, 2)), "signer_unknown"),
        (Some(signed_by("S01", &neighbor, 2, &second, 1)), "signer_not_owner"),
    ] {
        let demanded = hold(&site, 2, signature);
        assert_eq!(site.failed(demanded).await, code);
    }
    assert_eq!(dp.bytes(&format!("{PACKAGE}/a.inf")).await, "genuine");
    let fetched_now = site.script.faults.content_bytes.load(std::sync::atomic::Ordering::SeqCst);
    assert_eq!(fetched_now, fetched, "not a byte of them was fetched");
    // The same bytes with their own signature are taken.
    site.installed(site.hold(2, false)).await;
    assert_eq!(dp.bytes(&format!("{PACKAGE}/a.inf")).await, "forged");
    dp.stop().await;
    site.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_that_the_site_vouches_for_is_learned_and_kept() {
    let (site, dir) = (Site::start().await, tempfile::tempdir().unwrap());
    site.write("a.inf", b"moved");
    site.publish(1);
    let dp = Running::start(site.options(dir.path())).await;
    let (owner, forger) = (SigningKey::generate().unwrap(), SigningKey::generate().unwrap());
    site.vouch("S01", &owner);
    site.installed(hold(&site, 1, Some(signed_by("S01", &owner, 1, &site.manifest(1), 2)))).await;
    // The site is taken over and vouches for another key under the same code.
    site.script.keys.lock().unwrap().pop();
    site.vouch("S01", &forger);
    let demanded = hold(&site, 1, Some(signed_by("S01", &forger, 1, &site.manifest(1), 2)));
    assert_eq!(site.failed(demanded).await, "signer_unknown");
    dp.stop().await;
    // What it believes outlives a restart.
    let dp = Running::start(site.options(dir.path())).await;
    site.forget_facts();
    let demanded = hold(&site, 1, Some(signed_by("S01", &forger, 1, &site.manifest(1), 2)));
    assert_eq!(site.failed(demanded).await, "signer_unknown");
    dp.stop().await;
    site.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_certificate_is_renewed_before_it_ends() {
    let (site, dir) = (Site::start_with(true).await, tempfile::tempdir().unwrap());
    site.write("a.inf", b"x");
    site.publish(1);
    let clock = ManualClock::new(SystemClock.now());
    let dp = Running::start_at(site.options(dir.path()), clock.clone()).await;
    site.installed(site.hold(1, false)).await;
    let identity = || std::fs::read_to_string(dir.path().join("identity.json")).unwrap();
    let before = identity();
    let mut renewals = site.script.faults.renewals.subscribe();
    clock.advance(DAY * 59);
    assert_eq!(*renewals.borrow_and_update(), 0);
    clock.advance(DAY * 2);
    tokio::time::timeout(Duration::from_secs(60), renewals.wait_for(|count| *count == 1))
        .await
        .unwrap()
        .unwrap();
    // A demand that is met after it was met by the new certificate or the old: both are good.
    site.publish(2);
    site.installed(site.hold(2, false)).await;
    dp.stop().await;
    assert_ne!(identity(), before, "the new certificate is on the disk");
    site.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_new_token_makes_a_new_identity_and_a_refused_one_harms_nothing() {
    let (site, dir) = (Site::start().await, tempfile::tempdir().unwrap());
    site.write("a.inf", b"x");
    site.publish(1);
    let dp = Running::start(site.options(dir.path())).await;
    site.installed(site.hold(1, false)).await;
    dp.stop().await;
    let identity = || std::fs::read_to_string(dir.path().join("identity.json")).unwrap();
    let first = identity();
    let mut options = site.options(dir.path());
    options.token = Some(EnrolToken::new(&"6f".repeat(32), None).unwrap());
    let dp = Running::start(options.clone()).await;
    dp.stop().await;
    let second = identity();
    assert_ne!(second, first);
    // The first token is another one than that of the second identity, and it is spent: it serves on.
    let dp = Running::start(site.options(dir.path())).await;
    assert_eq!(dp.bytes(&format!("{PACKAGE}/a.inf")).await, "x");
    dp.stop().await;
    assert_eq!(identity(), second);
    site.stop().await;
}
