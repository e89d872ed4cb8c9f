//! Tickets of a real realm: a throw-away KDC on this machine, and clients that it gives tickets to.
//!
//! The Kerberos library reads its environment, which a running process does not change: the test starts itself anew with
//! what belongs there.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on should stop where it is")]

mod realm;

use std::path::Path;
use std::process::Command;

use clock::SystemClock;
use realm::Realm;
use signin::Kerberos;
use stage::{Clients, NotRun, Stage, succeeds};

/// Set where the environment is a server's; names the tickets that are to be used.
const TICKETS: &str = "HAULIER_TEST_TICKETS";
/// What `kerberos_client.py` is told.
const EXPECT: &str = "HAULIER_TEST_TICKETS_ARE";
/// A Python with pypsrp, pyspnego and gssapi.
const PYTHON: &str = "HAULIER_TEST_KERBEROS_PYTHON";
const THIS_TEST: &str = "tickets_of_users_are_accepted_once_and_all_others_refused";

#[test]
#[allow(clippy::print_stderr, reason = "the summary of `cargo xtask test` says what could not run")]
fn tickets_of_users_are_accepted_once_and_all_others_refused() {
    let done = match std::env::var_os(TICKETS) {
        Some(tickets) => serve(Path::new(&tickets)),
        None => in_a_realm(),
    };
    if let Err(missing) = done {
        eprintln!("{missing}");
    }
}

/// Runs this program again, as a server of the realm, for each user's tickets.
fn in_a_realm() -> Result<(), NotRun> {
    clients()?;
    // The site has an administrator `admin` and none of the others.
    let users = [("admin", "accepted"), ("ghost", "refused"), ("admin/other", "refused")];
    let realm = Realm::start(&users.map(|(user, _)| user))?;
    for (user, expect) in users {
        let mut again = Command::new(std::env::current_exe().unwrap());
        realm.dress(&mut again);
        again
            .args(["--exact", THIS_TEST, "--nocapture"])
            .env(TICKETS, realm.tickets(user))
            .env(EXPECT, expect);
        let output = again.output().unwrap();
        let said = String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned();
        assert!(output.status.success() && said.contains("1 passed"), "{user}: {said}");
    }
    Ok(())
}

#[tokio::main]
async fn serve(tickets: &Path) -> Result<(), NotRun> {
    let clients = clients()?;
    let stage = Stage::new(SystemClock::shared()).await;
    stage.run_workers();
    let sign_in = stage.sign_in.clone().with_kerberos(Kerberos::from_environment().unwrap());
    let router = wsman::WsMan::new(stage.provider.clone(), sign_in, stage.clock.clone()).router();
    let (open, tls) = (stage.listen(router.clone()).await, stage.listen_tls(router).await);
    let mut script = clients.script("kerberos_client.py", &stage, &open);
    script
        .arg(std::env::var_os(EXPECT).unwrap())
        .env("HAULIER_URL", format!("http://localhost:{}", open.addr.port()))
        .env("HAULIER_TLS_URL", format!("https://localhost:{}", tls.addr.port()))
        .env("KRB5CCNAME", tickets)
        // A client has no keys of a service.
        .env_remove("KRB5_KTNAME");
    succeeds(&mut script).await;
    Ok(())
}

fn clients() -> Result<Clients, NotRun> {
    Clients::named(PYTHON, &Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/clients"), "kerberos_client.py")
}
