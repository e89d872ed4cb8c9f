//! `haulier status --watch`: what happens until every distribution point is current, drawn, in lines, or as JSON.

use std::collections::HashMap;
use std::time::Duration;

use anyhow::Result;
use clock::{Clock, SystemClock};
use indicatif::{MultiProgress, ProgressBar, ProgressDrawTarget, ProgressStyle};
use serde_json::{Value, json};

use super::{given_up, is_settled, progress_bar, show_progress, states, unpublished};
use crate::commands::rows;
use crate::output::{self, Format};
use crate::remote::{Event, Events, Remote};

/// How long to rely on events before everything is asked for again.
const LOOK_AGAIN: Duration = Duration::from_secs(10);
/// Distributions that are drawn at once, each in a line; a terminal has few.
const LINES_MAX: usize = 12;

/// Shows progress until every accepted refresh is published and every distribution point is settled; the last states are
/// returned.
pub(super) async fn watch(remote: &Remote, package_id: Option<&str>, format: Format) -> Result<Vec<Value>> {
    // First listen, then look: what happens in between is heard.
    let mut events = remote.events(package_id).await?;
    let mut view = View::new(format);
    loop {
        let unpublished = unpublished(remote, package_id).await?;
        let mut states = states(remote, package_id).await?;
        view.show(unpublished.as_deref(), &states);
        if unpublished.is_none() && states.iter().all(is_settled) {
            view.end();
            given_up(remote, package_id).await?;
            return Ok(states);
        }
        follow(&mut events, &mut view, unpublished.as_deref(), &mut states).await?;
    }
}

/// Takes in events until it is time to look again: after a while, when a package changed, when all seems done.
async fn follow(
    events: &mut Events<'_>,
    view: &mut View,
    unpublished: Option<&str>,
    states: &mut Vec<Value>,
) -> Result<()> {
    let mut enough = SystemClock.sleep(LOOK_AGAIN);
    loop {
        let event = tokio::select! {
            event = events.next() => event?,
            () = &mut enough => return Ok(()),
        };
        view.happened(&event);
        match event.kind.as_str() {
            "state" => take_in(states, event.instance),
            // A message of no distribution point is of the package itself: a version may be there.
            "status" if rows::text(&event.instance, "ServerName").is_empty() => return Ok(()),
            _ => continue,
        }
        view.show(unpublished, states);
        if unpublished.is_none() && states.iter().all(is_settled) {
            return Ok(());
        }
    }
}

/// Puts a state in the place of the one before it.
fn take_in(states: &mut Vec<Value>, new: Value) {
    let key = |state: &Value| ["PackageID", "NALPath"].map(|name| rows::text(state, name));
    match states.iter_mut().find(|state| key(state) == key(&new)) {
        Some(state) => *state = new,
        None => states.push(new),
    }
}

/// Where it is shown, and how.
enum View {
    /// A terminal: bars that are drawn again and again.
    Bars { all: MultiProgress, sum: ProgressBar, lines: Vec<ProgressBar> },
    /// Not a terminal: a line when something is different.
    Lines { said: HashMap<[String; 2], String>, waits_for: String },
    /// One JSON object in a line for each event.
    Json,
}

impl View {
    fn new(format: Format) -> Self {
        match format {
            Format::Json => Self::Json,
            Format::Text if output::draws_progress() => {
                let all = MultiProgress::with_draw_target(ProgressDrawTarget::stderr());
                let sum = all.add(progress_bar());
                Self::Bars { all, sum, lines: Vec::new() }
            }
            Format::Text => Self::Lines { said: HashMap::new(), waits_for: String::new() },
        }
    }

    fn happened(&self, event: &Event) {
        if let Self::Json = self {
            output::json_line(&json!({ "event": event.kind, "instance": event.instance }));
        }
    }

    fn show(&mut self, unpublished: Option<&str>, states: &[Value]) {
        match self {
            Self::Json => {}
            Self::Bars { all, sum, lines } => {
                show_progress(sum, unpublished, states, is_settled);
                let mut open = states.iter().filter(|state| !is_settled(state));
                let shown: Vec<String> = open.by_ref().take(LINES_MAX).map(describe).collect();
                while lines.len() < shown.len() {
                    lines.push(all.add(line_of_text()));
                }
                for (at, line) in lines.iter().enumerate() {
                    line.set_message(shown.get(at).cloned().unwrap_or_default());
                }
            }
            Self::Lines { said, waits_for } => {
                let reason = unpublished.unwrap_or_default();
                if *waits_for != reason && !reason.is_empty() {
                    output::line(reason);
                }
                reason.clone_into(waits_for);
                for state in states {
                    let key = ["PackageID", "ServerName"].map(|name| rows::text(state, name));
                    let coarse = format!("{} {:?}", rows::text(state, "StateName"), tenths(state));
                    if said.insert(key, coarse.clone()) != Some(coarse) {
                        output::line(describe(state));
                    }
                }
            }
        }
    }

    fn end(&self) {
        if let Self::Bars { sum, lines, .. } = self {
            lines.iter().for_each(ProgressBar::finish_and_clear);
            sum.finish_and_clear();
        }
    }
}

fn line_of_text() -> ProgressBar {
    let style = ProgressStyle::with_template("{wide_msg}").expect("the template is a constant and valid");
    ProgressBar::new_spinner().with_style(style)
}

/// How far it is, in tenths; none where nothing is on its way.
fn tenths(state: &Value) -> Option<u64> {
    let (done, total) = (rows::number(state, "BytesDone"), rows::number(state, "BytesTotal"));
    (!is_settled(state) && total > 0).then(|| done.saturating_mul(10) / total)
}

/// One distribution in a line: how far, how fast, how long still, and what is wrong.
fn describe(state: &Value) -> String {
    let number = |name| rows::number(state, name);
    let mut text = format!(
        "{} {}: {}",
        rows::text(state, "PackageID"),
        rows::text(state, "ServerName"),
        super::describe(state)
    );
    if number("BytesPerSecond") > 0 {
        let rates = ["BytesPerSecond", "BytesReceivedPerSecond"].map(|name| output::bytes(number(name)));
        text.push_str(&format!(", {}/s ({}/s received)", rates[0], rates[1]));
    }
    if !is_settled(state) && number("FilesTotal") > 0 {
        text.push_str(&format!(", {} of {} files", number("FilesDone"), number("FilesTotal")));
    }
    if let Some(seconds) = state["SecondsLeft"].as_u64() {
        text.push_str(&format!(", {} left", output::duration(seconds)));
    }
    if number("Attempts") > 1 {
        text.push_str(&format!(", attempt {}", number("Attempts")));
    }
    for (property, label) in
        [("FaultText", ""), ("NextAttempt", "next attempt "), ("PausedUntil", "paused until ")]
    {
        let value = rows::text(state, property);
        if !value.is_empty() {
            text.push_str(&format!("; {label}{value}"));
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_distribution_is_told_in_a_line() {
        let state = |more: Value| {
            let mut state = json!({
                "PackageID": "PS100001", "ServerName": "dp1", "NALPath": "n", "State": 7, "StateName": "updating",
                "BytesDone": 450, "BytesTotal": 1000, "Attempts": 1, "SecondsLeft": null
            });
            state.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
            state
        };
        for (more, expect) in [
            (json!({}), "PS100001 dp1: updating, 45 %"),
            (
                json!({ "BytesPerSecond": 2_000_000, "BytesReceivedPerSecond": 300_000, "SecondsLeft": 75, "FilesDone": 3, "FilesTotal": 9 }),
                "PS100001 dp1: updating, 45 %, 2.0 MB/s (300.0 KB/s received), 3 of 9 files, 1 min 15 s left",
            ),
            (
                json!({ "Attempts": 3, "FaultText": "The disk is full.", "NextAttempt": "2026-01-01T00:05:00Z" }),
                "PS100001 dp1: updating, 45 %, attempt 3; The disk is full.; next attempt 2026-01-01T00:05:00Z",
            ),
            (json!({ "State": 0, "StateName": "installed", "FilesTotal": 9 }), "PS100001 dp1: installed"),
        ] {
            assert_eq!(describe(&state(more)), expect);
        }
        assert_eq!((tenths(&state(json!({}))), tenths(&state(json!({ "State": 0 })))), (Some(4), None));
    }

    #[test]
    fn a_newer_state_takes_the_place_of_the_older() {
        let state =
            |dp: &str, done: u64| json!({ "PackageID": "PS100001", "NALPath": dp, "BytesDone": done });
        let mut states = vec![state("a", 1), state("b", 1)];
        take_in(&mut states, state("b", 2));
        take_in(&mut states, state("c", 3));
        assert_eq!(states, [state("a", 1), state("b", 2), state("c", 3)]);
    }
}
