//! What those said that gave nothing, and what follows from it: where every one of them waits for a window, so does whoever
//! asked, and that is no failure.

use std::time::Duration;

use agent::WINDOW_CLOSED;
use jiff::Timestamp;
use net::NetError;

use crate::fault::JobError;

/// What each source said that gave nothing, in their order.
#[derive(Debug, Default)]
pub(super) struct Said {
    texts: Vec<String>,
    /// Of those that wait for a window: until when, and when to ask again.
    closed: Vec<(Option<Timestamp>, Duration)>,
}

impl Said {
    pub(super) fn source(&mut self, name: &str, error: NetError) {
        let text = format!("{name}: {error}");
        match JobError::from(error) {
            JobError::Paused { reason, until, wait, .. } => {
                self.texts.push(format!("{name}: {reason}"));
                self.closed.push((until, wait));
            }
            _ => self.texts.push(text),
        }
    }

    /// Nobody is left to ask.
    pub(super) fn nobody_left(&mut self) -> JobError {
        let Self { texts, closed } = std::mem::take(self);
        if closed.is_empty() || closed.len() < texts.len() {
            return JobError::NoSource(texts.join("; "));
        }
        let wait = closed.iter().map(|(_, wait)| *wait).min().unwrap_or_default();
        // The first that opens is enough.
        let until = closed.iter().filter_map(|(until, _)| *until).min();
        JobError::Paused { code: WINDOW_CLOSED.to_owned(), reason: texts.join("; "), until, wait }
    }

    /// The site, which is asked last, ended it. If its window is closed too, the first that opens counts.
    pub(super) fn after_site(&mut self, error: JobError) -> JobError {
        match error {
            JobError::Paused { reason, until, wait, .. }
                if !self.texts.is_empty() && self.closed.len() == self.texts.len() =>
            {
                self.texts.push(reason);
                self.closed.push((until, wait));
                self.nobody_left()
            }
            other => other,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use net::Refusal;

    fn refused(code: &str, until: Option<&str>, wait_s: u64) -> NetError {
        let until = until.map(|until| until.parse().unwrap());
        let retry_after = Some(Duration::from_secs(wait_s));
        let (code, message) = (code.to_owned(), "later".to_owned());
        let refusal = Refusal { status: 503, code, message, until, retry_after };
        NetError::Refused { url: "http://dp".to_owned(), refusal }
    }

    #[test]
    fn who_can_only_wait_waits_for_the_first_that_opens() {
        let (early, late) = ("2026-03-02T18:00:00Z", "2026-03-02T20:00:00Z");
        let closed = |until| refused(WINDOW_CLOSED, Some(until), 60);
        let never = || refused(WINDOW_CLOSED, None, 300);
        for (sources, site, expect) in [
            (vec![closed(late), closed(early)], None, Ok(Some(early))),
            (vec![never(), closed(late)], None, Ok(Some(late))),
            (vec![never()], None, Ok(None)),
            (vec![closed(early), refused("no_source", None, 5)], None, Err("no_source")),
            (vec![refused("busy", None, 5)], None, Err("no_source")),
            (vec![], None, Err("no_source")),
            (vec![closed(early)], Some(closed(late)), Ok(Some(early))),
            (vec![closed(late)], Some(closed(early)), Ok(Some(early))),
            // The site is the only one known to open.
            (vec![refused("busy", None, 5), closed(early)], Some(closed(late)), Ok(Some(late))),
            (vec![], Some(closed(late)), Ok(Some(late))),
            (vec![closed(early)], Some(refused("busy", None, 5)), Err("site_unreachable")),
        ] {
            let text = format!("{sources:?} {site:?}");
            let mut said = Said::default();
            sources.into_iter().for_each(|error| said.source("dp1", error));
            let ended = match site {
                Some(error) => said.after_site(error.into()),
                None => said.nobody_left(),
            };
            let ended = match &ended {
                JobError::Paused { until, .. } => Ok(*until),
                other => Err(other.code()),
            };
            assert_eq!(ended, expect.map(|until| until.map(|until| until.parse().unwrap())), "{text}");
        }
    }
}
