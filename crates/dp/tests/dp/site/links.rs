//! Who fetches from whom, and who is in maintenance mode.

use std::collections::BTreeMap;
use std::sync::atomic::Ordering;

use agent::{PullSource, Puller, Sources};

use super::Site;

/// Who fetches from whom, by name.
#[derive(Debug, Default)]
pub(super) struct Links {
    /// When they changed.
    pub(super) revision: i64,
    pub(super) sources: BTreeMap<String, Sources>,
    pub(super) pullers: BTreeMap<String, Vec<Puller>>,
}

impl Site {
    /// Lets one distribution point fetch from others, as the site would tell both ends.
    pub(crate) fn pull(&self, name: &str, sources: &[(&str, &str, u32)], sources_only: bool) {
        let secure = self.script.ca.is_some();
        let ticket = format!("ticket of {name}");
        let puller = Puller {
            name: name.to_owned(),
            certificate: self.script.certificates.lock().unwrap().get(name).cloned(),
            ticket_hash: (!secure).then(|| content::FileHash::of(ticket.as_bytes()).to_string()),
        };
        let source = |(source, url, rank): &(&str, &str, u32)| PullSource {
            name: (*source).to_owned(),
            url: if secure { url.replace("http://", "https://") } else { (*url).to_owned() },
            rank: *rank,
            ticket: (!secure).then(|| ticket.clone()),
        };
        let mut links = self.script.links.lock().unwrap();
        let told = Sources { sources: sources.iter().map(source).collect(), sources_only };
        links.sources.insert(name.to_owned(), told);
        for (source, ..) in sources {
            links.pullers.entry((*source).to_owned()).or_default().push(puller.clone());
        }
        drop(links);
        self.settings_changed();
    }

    /// Begins or ends maintenance mode of all distribution points.
    pub(crate) fn maintain(&self, on: bool) {
        self.script.maintenance.store(on, Ordering::SeqCst);
        self.settings_changed();
    }

    /// Waits until every distribution point that asks has heard of the latest settings.
    pub(crate) async fn settled(&self) {
        let revision = self.script.links.lock().unwrap().revision;
        self.told(revision).await;
    }

    fn settings_changed(&self) {
        let mut demand = self.script.demand.lock().unwrap();
        demand.0 += 1;
        self.script.links.lock().unwrap().revision = demand.0;
        self.script.demanded.notify_waiters();
    }
}
