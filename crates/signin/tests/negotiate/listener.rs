//! The same over a real listener, with other people's clients.

use std::path::Path;

use axum::Router;
use axum::extract::State;
use axum::http::header::{CONNECTION, WWW_AUTHENTICATE};
use axum::http::{HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use signin::SignIn;
use stage::{Clients, succeeds};

use crate::{PASSWORD, stage};

/// Answers who the caller is.
fn router(sign_in: SignIn) -> Router {
    Router::new().fallback(answer).with_state(sign_in)
}

async fn answer(State(sign_in): State<SignIn>, request: axum::extract::Request) -> Response {
    let (parts, _) = request.into_parts();
    match sign_in.authenticate(&parts).await {
        Ok(signed_in) => {
            let mut response = signed_in.actor.name.into_response();
            if let Some(reply) = signed_in.reply {
                response.headers_mut().insert(WWW_AUTHENTICATE, reply);
            }
            response
        }
        Err(refused) => {
            let status = refused.status().unwrap_or(StatusCode::TOO_MANY_REQUESTS);
            let mut response = (status, refused.to_string()).into_response();
            for challenge in refused.challenges() {
                response.headers_mut().append(WWW_AUTHENTICATE, challenge);
            }
            if refused.ends_connection() {
                response.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
            }
            response
        }
    }
}

#[tokio::test]
async fn other_peoples_clients_sign_in() {
    let stage = stage().await;
    let scripts = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/clients");
    let clients = match Clients::python(&scripts, "requests_ntlm and pypsrp's Negotiate") {
        Ok(clients) => clients,
        Err(not_run) => return eprintln!("{not_run}"),
    };
    let plain = stage.listen(router(stage.sign_in.clone())).await;
    let tls = stage.listen_tls(router(stage.sign_in.clone())).await;
    let mut command = clients.script("who_am_i.py", &stage, &plain);
    succeeds(command.args([&plain.url, &tls.url, "winrm", PASSWORD])).await;
}

#[tokio::test]
async fn curls_ntlm_is_not_offered() {
    let stage = stage().await;
    let plain = stage.listen(router(stage.sign_in.clone())).await;
    let output = tokio::process::Command::new("curl")
        .args(["--silent", "--ntlm", "--user", &format!("winrm:{PASSWORD}"), "--write-out", "%{http_code}"])
        .args(["--output", "/dev/null", &plain.url])
        .output()
        .await;
    match output {
        Ok(output) => assert_eq!(String::from_utf8_lossy(&output.stdout), "401"),
        Err(error) => eprintln!("NOT RUN: curl: {error}"),
    }
}
