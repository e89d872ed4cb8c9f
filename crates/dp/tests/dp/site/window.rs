//! The window towards whoever asks for content.

use std::sync::atomic::Ordering;

use agent::{ErrorReply, PACKAGE_HEADER, WINDOW_CLOSED};
use axum::Json;
use axum::response::{IntoResponse, Response};
use http::{HeaderMap, StatusCode, header};

use super::Script;

/// For what content is given.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Window {
    #[default]
    Open,
    /// For the package alone, not for what is asked for without a name.
    PackageOnly,
    /// For nothing until [`OPENS_AT`].
    Closed,
}

pub(crate) const OPENS_AT: &str = "2100-01-01T18:00:00Z";

/// The refusal of a request that the window is closed to.
pub(super) fn closed(script: &Script, headers: &HeaderMap) -> Option<Response> {
    let is_named = headers.get(PACKAGE_HEADER).is_some_and(|package| package == "PS100001");
    match *script.faults.window.lock().unwrap() {
        Window::Open => return None,
        Window::PackageOnly if is_named => return None,
        Window::PackageOnly | Window::Closed => {}
    }
    script.faults.fired.fetch_add(1, Ordering::SeqCst);
    let (code, message) = (WINDOW_CLOSED.to_owned(), "the window is closed".to_owned());
    let reply = ErrorReply { code, message, until: Some(OPENS_AT.to_owned()) };
    Some((StatusCode::SERVICE_UNAVAILABLE, [(header::RETRY_AFTER, "1")], Json(reply)).into_response())
}
