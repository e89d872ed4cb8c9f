//! The catalog of messages: ids and insertion strings as in the original, texts of our own.

use super::Severity;
use crate::access::Actor;

const DISTRIBUTION_MANAGER: &str = "SMS_DISTRIBUTION_MANAGER";
const DP_MONITOR: &str = "SMS_DISTRIBUTION_POINT_MONITOR";
const PROVIDER: &str = "SMS_PROVIDER";
const DRIVER_CATALOG: &str = "HAULIER_DRIVER_CATALOG";
const AGENT_SERVICE: &str = "HAULIER_AGENT_SERVICE";

/// Insertion strings are cut here; a message is for reading.
const INSERT_CHARS_MAX: usize = 1024;

/// A message to be written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Message {
    pub(crate) id: u32,
    pub(crate) severity: Severity,
    pub(crate) component: &'static str,
    pub(crate) package_id: Option<String>,
    pub(crate) dp: Option<String>,
    pub(crate) user: Option<String>,
    pub(crate) inserts: Vec<String>,
}

/// Each id once: its text, with `%1` for the first insertion string.
const TEXTS: &[(u32, &str)] = &[
    (2300, "Package %1 (%2): processing started."),
    (2301, "Package %1 (%2) was processed: version %3."),
    (2302, "Package %1 (%2) could not be processed: %3"),
    (2306, "The source folder %3 of package %1 (%2) is missing or cannot be read: %4"),
    (2311, "Package %1 (%2) was created or updated at this site: version %3, %4 bytes."),
    (2328, "Package %1 could not be brought to distribution point %2: %3 (%4)"),
    (2330, "Package %1, version %3, is on distribution point %2; %4 bytes were received."),
    (2342, "Package %1, version %3, is being distributed to distribution point %2."),
    (2376, "A snapshot of package %1 (%2) was taken: %3 files, %4 bytes."),
    (2382, "Distribution point %2 found damage in package %1 and repaired it: %3"),
    (2383, "Distribution point %2 refused an object of package %1 and fetches it again: %3 (%4)"),
    (2384, "Distribution point %2 verified %4 files of package %1, version %3."),
    (30000, "%1 created package %3 (%2)."),
    (30001, "%1 changed package %3 (%2)."),
    (30002, "%1 deleted package %3 (%2)."),
    (30009, "%1 added package %2 to distribution point %3."),
    (30010, "%1 removed package %2 from distribution point %3."),
    (30011, "%1 refreshed package %2 on %3."),
    (30012, "%1 asked distribution point %3 to verify package %2."),
    (30152, "%1 created driver %3 (%2)."),
    (30153, "%1 changed driver %3 (%2)."),
    (30154, "%1 deleted driver %3 (%2)."),
    (39001, "%1: user %2 was %3."),
    (39002, "%1: distribution point %2 was %3."),
    (39003, "Distribution point %1 enrolled; it serves content at %2."),
    (39005, "The source of package %1 (%2) is odd: %3"),
    (39004, "Package %1 was removed from distribution point %2."),
    (
        39006,
        "Refused content was damaged in %1 packs: %2 pieces were repaired, %3 files could not be; refresh their packages.",
    ),
    (39007, "%1: driver category %2 was %3."),
    (39008, "%1 asked for driver import %2: %3"),
    (39009, "%1 cancelled driver import %2."),
    (39010, "Driver import %1 ended: %2 imported, %3 already there, %4 failed."),
    (39020, "%1 added the content of driver %3 to package %2, in its subfolder %4."),
    (39021, "%1 removed the content of driver %3, subfolder %4, from package %2."),
    (39022, "%1 rebuilt package %2 (%3): %4 contents were not as they were imported."),
    (39023, "%1: subfolder %3 of package %2 was restored from %4."),
    (39024, "%1 asked the site to look at package %2 (%3) again."),
    (39025, "%1 gave package %2 (%3) to site %4."),
    (39026, "%1 found the stored version of package %2 (%3) in %4."),
    (39011, "Driver import %1 could not go on: %2"),
];

/// The message in words.
pub(crate) fn text(id: u32, inserts: &[String]) -> String {
    let template = TEXTS.iter().find(|(known, _)| *known == id).map_or("", |(_, text)| *text);
    if template.is_empty() {
        return format!("Message {id}: {}", inserts.join(", "));
    }
    let mut pieces = template.split('%');
    let mut text = pieces.next().unwrap_or_default().to_owned();
    for piece in pieces {
        let mut chars = piece.chars();
        let number = chars.next().and_then(|c| c.to_digit(10)).map_or(0, |digit| digit as usize);
        text.push_str(number.checked_sub(1).and_then(|n| inserts.get(n)).map_or("", String::as_str));
        text.push_str(chars.as_str());
    }
    text
}

impl Message {
    fn new(id: u32, severity: Severity, component: &'static str, inserts: &[&str]) -> Self {
        let cut = |text: &&str| text.chars().take(INSERT_CHARS_MAX).collect();
        let inserts = inserts.iter().map(cut).collect();
        Self { id, severity, component, package_id: None, dp: None, user: None, inserts }
    }

    fn of_package(mut self, package_id: &str) -> Self {
        self.package_id = Some(package_id.to_owned());
        self
    }

    fn at_dp(mut self, dp: &str) -> Self {
        self.dp = Some(dp.to_owned());
        self
    }

    fn by(mut self, actor: &Actor) -> Self {
        self.user = Some(actor.name.clone());
        self
    }

    fn audit(id: u32, actor: &Actor, inserts: &[&str]) -> Self {
        let mut all = vec![actor.name.as_str()];
        all.extend_from_slice(inserts);
        Self::new(id, Severity::Information, PROVIDER, &all).by(actor)
    }

    pub(crate) fn package_created(actor: &Actor, id: &str, name: &str) -> Self {
        Self::audit(30000, actor, &[id, name]).of_package(id)
    }

    pub(crate) fn package_changed(actor: &Actor, id: &str, name: &str) -> Self {
        Self::audit(30001, actor, &[id, name]).of_package(id)
    }

    pub(crate) fn package_deleted(actor: &Actor, id: &str, name: &str) -> Self {
        Self::audit(30002, actor, &[id, name]).of_package(id)
    }

    pub(crate) fn package_refreshed(actor: &Actor, id: &str, _name: &str) -> Self {
        Self::audit(30011, actor, &[id, "all its distribution points"]).of_package(id)
    }

    pub(crate) fn dp_added(actor: &Actor, id: &str, dp: &str) -> Self {
        Self::audit(30009, actor, &[id, dp]).of_package(id).at_dp(dp)
    }

    pub(crate) fn dp_removed(actor: &Actor, id: &str, dp: &str) -> Self {
        Self::audit(30010, actor, &[id, dp]).of_package(id).at_dp(dp)
    }

    pub(crate) fn dp_refreshed(actor: &Actor, id: &str, dp: &str) -> Self {
        Self::audit(30011, actor, &[id, &format!("distribution point {dp}")]).of_package(id).at_dp(dp)
    }

    pub(crate) fn dp_validated(actor: &Actor, id: &str, dp: &str) -> Self {
        Self::audit(30012, actor, &[id, dp]).of_package(id).at_dp(dp)
    }

    pub(crate) fn driver_created(actor: &Actor, unique_id: &str, name: &str) -> Self {
        Self::audit(30152, actor, &[unique_id, name])
    }

    pub(crate) fn driver_changed(actor: &Actor, unique_id: &str, name: &str) -> Self {
        Self::audit(30153, actor, &[unique_id, name])
    }

    pub(crate) fn driver_deleted(actor: &Actor, unique_id: &str, name: &str) -> Self {
        Self::audit(30154, actor, &[unique_id, name])
    }

    pub(crate) fn category_changed(actor: &Actor, name: &str, what: &str) -> Self {
        Self::audit(39007, actor, &[name, what])
    }

    pub(crate) fn import_requested(actor: &Actor, import_id: i64, sources: &str) -> Self {
        Self::audit(39008, actor, &[&import_id.to_string(), sources])
    }

    pub(crate) fn import_cancelled(actor: &Actor, import_id: i64) -> Self {
        Self::audit(39009, actor, &[&import_id.to_string()])
    }

    pub(crate) fn import_ended(import_id: i64, imported: u64, already: u64, failed: u64) -> Self {
        let severity = if failed == 0 { Severity::Information } else { Severity::Warning };
        let inserts = [import_id.to_string(), imported.to_string(), already.to_string(), failed.to_string()];
        Self::new(39010, severity, DRIVER_CATALOG, &inserts.each_ref().map(String::as_str))
    }

    pub(crate) fn import_failed(import_id: i64, reason: &str) -> Self {
        Self::new(39011, Severity::Error, DRIVER_CATALOG, &[&import_id.to_string(), reason])
    }

    pub(crate) fn content_added(actor: &Actor, id: &str, driver: &str, sub_folder: &str) -> Self {
        Self::audit(39020, actor, &[id, driver, sub_folder]).of_package(id)
    }

    pub(crate) fn content_removed(actor: &Actor, id: &str, driver: &str, sub_folder: &str) -> Self {
        Self::audit(39021, actor, &[id, driver, sub_folder]).of_package(id)
    }

    pub(crate) fn package_rebuilt(actor: &Actor, id: &str, name: &str, restored: usize) -> Self {
        Self::audit(39022, actor, &[id, name, &restored.to_string()]).of_package(id)
    }

    pub(crate) fn content_restored(actor: &Actor, id: &str, sub_folder: &str, from: &str) -> Self {
        Self::audit(39023, actor, &[id, sub_folder, from]).of_package(id)
    }

    pub(crate) fn package_looked_at(actor: &Actor, id: &str, name: &str) -> Self {
        Self::audit(39024, actor, &[id, name]).of_package(id)
    }

    pub(crate) fn package_given(actor: &Actor, id: &str, name: &str, site_code: &str) -> Self {
        Self::audit(39025, actor, &[id, name, site_code]).of_package(id)
    }

    pub(crate) fn source_validated(actor: &Actor, id: &str, name: &str, path: &str) -> Self {
        Self::audit(39026, actor, &[id, name, path]).of_package(id)
    }

    pub(crate) fn user_changed(actor: &Actor, user: &str, what: &str) -> Self {
        Self::audit(39001, actor, &[user, what])
    }

    pub(crate) fn dp_server_changed(actor: &Actor, dp: &str, what: &str) -> Self {
        Self::audit(39002, actor, &[dp, what]).at_dp(dp)
    }

    pub(crate) fn dp_enrolled(dp: &str, content_url: &str) -> Self {
        Self::new(39003, Severity::Information, AGENT_SERVICE, &[dp, content_url]).at_dp(dp)
    }

    pub(crate) fn processing_started(id: &str, name: &str) -> Self {
        Self::new(2300, Severity::Information, DISTRIBUTION_MANAGER, &[name, id]).of_package(id)
    }

    pub(crate) fn snapshot_taken(id: &str, name: &str, files: u64, bytes: u64) -> Self {
        let inserts = [name, id, &files.to_string(), &bytes.to_string()];
        Self::new(2376, Severity::Information, DISTRIBUTION_MANAGER, &inserts).of_package(id)
    }

    pub(crate) fn source_warning(id: &str, name: &str, warning: &str) -> Self {
        Self::new(39005, Severity::Warning, DISTRIBUTION_MANAGER, &[name, id, warning]).of_package(id)
    }

    pub(crate) fn package_updated(id: &str, name: &str, version: u32, bytes: u64) -> Self {
        let inserts = [name, id, &version.to_string(), &bytes.to_string()];
        Self::new(2311, Severity::Information, DISTRIBUTION_MANAGER, &inserts).of_package(id)
    }

    pub(crate) fn processed(id: &str, name: &str, version: u32) -> Self {
        let inserts = [name, id, &version.to_string()];
        Self::new(2301, Severity::Information, DISTRIBUTION_MANAGER, &inserts).of_package(id)
    }

    pub(crate) fn processing_failed(id: &str, name: &str, reason: &str) -> Self {
        Self::new(2302, Severity::Error, DISTRIBUTION_MANAGER, &[name, id, reason]).of_package(id)
    }

    pub(crate) fn source_unusable(id: &str, name: &str, path: &str, reason: &str) -> Self {
        Self::new(2306, Severity::Error, DISTRIBUTION_MANAGER, &[name, id, path, reason]).of_package(id)
    }

    pub(crate) fn distribution_started(id: &str, dp: &str, version: u32) -> Self {
        let inserts = [id, dp, &version.to_string()];
        Self::new(2342, Severity::Information, DISTRIBUTION_MANAGER, &inserts).of_package(id).at_dp(dp)
    }

    pub(crate) fn installed(id: &str, dp: &str, version: u32, bytes_received: u64) -> Self {
        let inserts = [id, dp, &version.to_string(), &bytes_received.to_string()];
        Self::new(2330, Severity::Information, DISTRIBUTION_MANAGER, &inserts).of_package(id).at_dp(dp)
    }

    pub(crate) fn distribution_failed(id: &str, dp: &str, fault: &str, next: &str, exhausted: bool) -> Self {
        let severity = if exhausted { Severity::Error } else { Severity::Warning };
        Self::new(2328, severity, DISTRIBUTION_MANAGER, &[id, dp, fault, next]).of_package(id).at_dp(dp)
    }

    pub(crate) fn repaired(id: &str, dp: &str, files: &str) -> Self {
        Self::new(2382, Severity::Warning, DP_MONITOR, &[id, dp, files]).of_package(id).at_dp(dp)
    }

    pub(crate) fn refused(id: &str, dp: &str, object: &str, reason: &str) -> Self {
        Self::new(2383, Severity::Warning, DP_MONITOR, &[id, dp, reason, object]).of_package(id).at_dp(dp)
    }

    pub(crate) fn verified(id: &str, dp: &str, version: u32, files: u64) -> Self {
        let inserts = [id, dp, &version.to_string(), &files.to_string()];
        Self::new(2384, Severity::Information, DP_MONITOR, &inserts).of_package(id).at_dp(dp)
    }

    pub(crate) fn content_mended(packs: usize, repaired: u64, lost: usize) -> Self {
        let severity = if lost == 0 { Severity::Warning } else { Severity::Error };
        let inserts = [packs.to_string(), repaired.to_string(), lost.to_string()];
        Self::new(39006, severity, DISTRIBUTION_MANAGER, &inserts.each_ref().map(String::as_str))
    }

    pub(crate) fn removed(id: &str, dp: &str) -> Self {
        Self::new(39004, Severity::Information, DISTRIBUTION_MANAGER, &[id, dp]).of_package(id).at_dp(dp)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(id: u32, inserts: &[&str], expect: &str) {
        let inserts: Vec<String> = inserts.iter().map(|&s| s.to_owned()).collect();
        assert_eq!(text(id, &inserts), expect);
    }

    #[test]
    fn texts_are_built_from_their_inserts() {
        check(2301, &["Dell", "PS100001", "2"], "Package Dell (PS100001) was processed: version 2.");
        check(2301, &["100 %", "PS100001"], "Package 100 % (PS100001) was processed: version .");
        check(9, &["a", "b"], "Message 9: a, b");
    }

    #[test]
    fn every_id_has_one_text_and_messages_are_cut() {
        let mut ids: Vec<u32> = TEXTS.iter().map(|(id, _)| *id).collect();
        ids.sort_unstable();
        ids.dedup();
        assert_eq!(ids.len(), TEXTS.len());
        let message = Message::processing_failed("PS100001", "x", &"ü".repeat(5000));
        assert_eq!(message.inserts[2].chars().count(), INSERT_CHARS_MAX);
        let removed = Message::removed("PS100001", "dp1");
        assert!(TEXTS.iter().any(|(id, _)| *id == removed.id));
    }
}
