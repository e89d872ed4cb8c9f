//! Enrolment over TLS and plain loopback, and each way in which it is refused.

use agent::token::EnrolToken;
use clock::SystemClock;
use dp::{Dp, DpOptions};

use crate::site::{Running, Site};

async fn refused(options: DpOptions) -> &'static str {
    match Dp::start(options, SystemClock::shared()).await {
        Ok(_) => "started",
        Err(error) => error.code(),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn over_tls_the_agent_trusts_only_the_authority_that_its_token_names() {
    let (site, dir) = (Site::start_with(true).await, tempfile::tempdir().unwrap());
    site.write("a.inf", b"x");
    site.publish(1);
    let mut options = site.options(dir.path());
    options.token = Some(EnrolToken::new(site.token().secret(), Some(&"00".repeat(32))).unwrap());
    assert_eq!(refused(options.clone()).await, "wrong_authority");
    options.token = Some(EnrolToken::new(site.token().secret(), None).unwrap());
    assert_eq!(refused(options).await, "token_without_ca");

    let dp = Running::start(site.options(dir.path())).await;
    site.installed(site.hold(1, false)).await;
    dp.stop().await;
    let identity = std::fs::read_to_string(dir.path().join("identity.json")).unwrap();
    assert!(identity.contains("BEGIN CERTIFICATE"), "it has a client certificate");
    site.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_is_spent_once_and_a_lost_identity_says_so() {
    let (site, dir) = (Site::start().await, tempfile::tempdir().unwrap());
    let dp = Running::start(site.options(dir.path())).await;
    dp.stop().await;
    // The same command line again is no second enrolment.
    let dp = Running::start(site.options(dir.path())).await;
    dp.stop().await;
    // As after a kill between the site's reply and the save.
    std::fs::remove_file(dir.path().join("identity.json")).unwrap();
    assert_eq!(refused(site.options(dir.path())).await, "token_used");
    let mut options = site.options(dir.path());
    options.token = None;
    assert_eq!(refused(options).await, "not_enrolled");
    // No token crosses a network in the clear, whether it names an authority or not; nothing is sent.
    for authority in [Some("00".repeat(32)), None] {
        let mut options = site.options(dir.path());
        options.site_url = Some("http://192.0.2.1:8530".to_owned());
        options.token = Some(EnrolToken::new(site.token().secret(), authority.as_deref()).unwrap());
        assert_eq!(refused(options).await, "token_needs_tls", "{authority:?}");
    }
    site.stop().await;
}
