//! The one place that talks to a server whose certificate it cannot verify: to learn the site's authority.
//!
//! Nothing secret is sent, and the answer counts only if its fingerprint is the one that the administrator
//! carried over by hand, inside the enrolment token.

use reqwest::Method;
use serde::de::DeserializeOwned;

use super::{Client, ClientOptions, Endpoint, builder, chain};
use crate::NetError;
use crate::ca::fingerprint_of_pem;

/// Fetches the authority that `path` serves, with `pem_in` picking its PEM from the JSON answer, and returns
/// the PEM if its SHA-256 is `fingerprint` (lower-case hex).
pub async fn fetch_authority<T: DeserializeOwned>(
    endpoint: &Endpoint,
    path: &str,
    fingerprint: &str,
    pem_in: impl FnOnce(T) -> Option<String>,
) -> Result<String, NetError> {
    let options = ClientOptions::new(endpoint.clone());
    let http = builder(&options)
        .tls_danger_accept_invalid_certs(true)
        .build()
        .map_err(|e| NetError::Tls(chain(&e)))?;
    let client = Client {
        http,
        endpoint: endpoint.clone(),
        bearer: None,
        said: Default::default(),
        received_bytes: Default::default(),
    };
    let response = client.send(client.request(Method::GET, path)?).await?;
    let wrong = |found: String| NetError::WrongAuthority { expected: fingerprint.to_owned(), found };
    let Some(pem) = pem_in(client.read_json(response).await?) else {
        return Err(wrong("none".to_owned()));
    };
    let found = fingerprint_of_pem(&pem)?;
    if found != fingerprint {
        return Err(wrong(found));
    }
    first_certificate(&pem)
}

/// Only the certificate that was checked may be trusted, not what may follow it in the same text.
fn first_certificate(pem: &str) -> Result<String, NetError> {
    const END: &str = "-----END CERTIFICATE-----";
    let end = pem.find(END).ok_or_else(|| NetError::Certificate("not a PEM certificate".to_owned()))?;
    Ok(format!("{}\n", &pem[..end + END.len()]))
}
