//! Sealed conversations with other people's clients: over plain HTTP everything after the negotiation is sealed.

use std::path::Path;

use site::{Actor, NewUser, Role};
use stage::{Clients, Stage, succeeds};

#[tokio::test]
async fn other_peoples_clients_negotiate_and_seal() {
    let scripts = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/clients");
    let clients = match Clients::python(&scripts, "pypsrp and pywinrm with NTLM") {
        Ok(clients) => clients,
        Err(not_run) => return eprintln!("{not_run}"),
    };
    let stage = Stage::new(Stage::fixed_clock()).await;
    let password = "correct horse bättery";
    let new = NewUser { name: "winrm", password, role: Role::Operator, scopes: &[], allow_ntlm: true };
    stage.site.add_user(&Actor::local(), new).await.unwrap();
    let router =
        || wsman::WsMan::new(stage.provider.clone(), stage.sign_in.clone(), stage.clock.clone()).router();
    let (plain, tls) = (stage.listen(router()).await, stage.listen_tls(router()).await);
    let mut script = clients.script("negotiated.py", &stage, &plain);
    script.env("HAULIER_TLS_URL", &tls.url).env("HAULIER_USER", "winrm").env("HAULIER_PASSWORD", password);
    succeeds(&mut script).await;
}
