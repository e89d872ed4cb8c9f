//! Changes under way: as many as a user may have, and one whose caller has left.

use std::future::{Future, poll_fn};
use std::net::SocketAddr;
use std::pin::pin;
use std::task::Poll;

use axum::Router;
use axum::body::Body;
use axum::http::Request;
use net::Peer;
use provider::{CHANGES_OF_USER_MAX, UnderWay};
use tower::ServiceExt;

use crate::Stage;

impl Stage {
    /// As many changes of a user as may be under way at once; they end when they are dropped.
    #[must_use]
    pub fn changes_of(&self, user: &str) -> Vec<UnderWay> {
        (0..CHANGES_OF_USER_MAX).map(|_| self.provider.changes().start(user).unwrap()).collect()
    }

    /// Sends a request for a change from this machine, leaves once the change is under way, and waits until it has ended as a
    /// site that is stopped does. The test must run on one thread.
    pub async fn abandon(&self, router: Router, mut request: Request<Body>) {
        let addr = SocketAddr::from(([127, 0, 0, 1], 1));
        let peer = Peer { addr, secure: false, certificate: None, server_certificate: None };
        request.extensions_mut().insert(peer);
        let changes = self.provider.changes();
        {
            let mut answer = pin!(router.oneshot(request));
            while changes.count() == 0 {
                let answered = poll_fn(|cx| Poll::Ready(answer.as_mut().poll(cx).is_ready())).await;
                assert!(!answered, "the change was answered before it could be left alone");
                if changes.count() == 0 {
                    tokio::task::yield_now().await;
                }
            }
        }
        assert_eq!(changes.count(), 1, "the change ended with its caller");
        changes.finish(&*self.clock).await;
    }
}
