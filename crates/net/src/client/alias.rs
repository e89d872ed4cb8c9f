//! A server whose certificate is for a name that no name service knows: the name stands for the real host's addresses.

use reqwest::dns::{Name, Resolve, Resolving};

use super::Endpoint;

/// Resolves every name to the addresses of one host.
#[derive(Debug)]
pub(super) struct Alias {
    host: String,
}

impl Alias {
    pub(super) fn of(endpoint: &Endpoint) -> Self {
        Self { host: endpoint.host().to_owned() }
    }
}

impl Resolve for Alias {
    fn resolve(&self, _name: Name) -> Resolving {
        let host = self.host.clone();
        Box::pin(async move {
            // The port is the URL's.
            let found: Vec<_> = tokio::net::lookup_host((host, 0)).await?.collect();
            Ok(Box::new(found.into_iter()) as Box<dyn Iterator<Item = std::net::SocketAddr> + Send>)
        })
    }
}
