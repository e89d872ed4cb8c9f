//! What the site itself says: one constructor a message, with the insertion strings that its text needs.
//!
//! Every change that somebody makes is told by [`Message::created`], [`Message::changed`], [`Message::deleted`] or
//! [`Message::called`], or by an audit message of its own where the original has one, and is written with
//! [`super::add`] in the transaction of the change.

use std::borrow::Cow;

use agent::link::RepairRecord;

use super::catalog::{self, Entry};
use super::{MessageType, Severity};
use crate::access::Actor;
use crate::access::scope::SecuredType;
use crate::hierarchy::Need;

/// The modules whose messages these are, as the original names them.
pub(super) const SERVER_MODULE: &str = "SMS Server";
const PROVIDER_MODULE: &str = "SMS Provider";

/// Insertion strings are cut here; a message is for reading.
pub(super) const INSERT_CHARS_MAX: usize = 1024;

/// A message to be written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Message {
    pub(crate) id: u32,
    pub(crate) kind: MessageType,
    pub(crate) severity: Severity,
    pub(crate) component: Cow<'static, str>,
    pub(crate) module: Cow<'static, str>,
    /// Where it comes from; the site server's name where this is empty.
    pub(crate) machine: String,
    pub(crate) package_id: Option<String>,
    pub(crate) dp: Option<String>,
    /// The site whose distribution point it is about; empty for this one.
    pub(crate) site_code: String,
    pub(crate) user: Option<String>,
    /// What else it is about, by its key: only those for whom that exists are told.
    pub(crate) about: Option<(SecuredType, String)>,
    pub(crate) inserts: Vec<String>,
    /// The call that brought it about.
    pub(crate) call: Option<String>,
    pub(crate) win32_error: u32,
    pub(crate) process_id: u32,
    pub(crate) thread_id: u32,
}

impl Message {
    /// A message of the catalog, which says how bad it is and whose.
    fn new(id: u32, inserts: &[&str]) -> Self {
        let Entry { severity, component, .. } = *catalog::find(id).expect("the catalog has every message");
        Self {
            id,
            kind: MessageType::Milestone,
            severity,
            component: Cow::Borrowed(component),
            module: Cow::Borrowed(SERVER_MODULE),
            machine: String::new(),
            package_id: None,
            dp: None,
            site_code: String::new(),
            user: None,
            about: None,
            inserts: inserts.iter().map(|text| stored_insert(text)).collect(),
            call: None,
            win32_error: 0,
            process_id: 0,
            thread_id: 0,
        }
    }

    /// A step on the way, not an end.
    fn detail(mut self) -> Self {
        self.kind = MessageType::Detail;
        self
    }

    /// Otherwise as bad as the catalog says.
    fn with_severity(mut self, severity: Severity) -> Self {
        self.severity = severity;
        self
    }

    /// Of the call that brought it about.
    pub(crate) fn of_call(mut self, call: Option<&str>) -> Self {
        self.call = call.map(str::to_owned);
        self
    }

    /// About a package as well: its attribute 400.
    pub(crate) fn of_package(mut self, package_id: &str) -> Self {
        self.package_id = Some(package_id.to_owned());
        self
    }

    /// About another object that security scopes protect.
    pub(crate) fn about(mut self, object: SecuredType, key: impl Into<String>) -> Self {
        self.about = Some((object, key.into()));
        self
    }

    /// About a distribution point as well, by its name: its attribute 404.
    pub(crate) fn at_dp(mut self, dp: &str) -> Self {
        self.dp = Some(dp.to_owned());
        self
    }

    /// About the distribution point of another site.
    pub(crate) fn of_site(mut self, site_code: &str) -> Self {
        self.site_code = site_code.to_owned();
        self
    }

    /// Seen at a distribution point, not at the site server.
    fn seen_at(mut self, machine: &str) -> Self {
        self.machine = machine.to_owned();
        self
    }

    /// A message of type Audit: who did it, with which program, at which machine.
    fn audit(id: u32, actor: &Actor, inserts: &[&str]) -> Self {
        let mut all = vec![actor.name.as_str()];
        all.extend_from_slice(inserts);
        let mut message = Self::new(id, &all);
        message.component = Cow::Owned(actor.origin.application.clone());
        message.machine = actor.origin.machine.clone();
        message.kind = MessageType::Audit;
        message.module = Cow::Borrowed(PROVIDER_MODULE);
        message.user = Some(actor.name.clone());
        message.call = actor.call.clone();
        message
    }

    /// Somebody made an object. `class` is its provider class, `object` its key or name.
    pub(crate) fn created(actor: &Actor, class: &str, object: &str) -> Self {
        Self::audit(39050, actor, &[class, object])
    }

    /// Somebody changed an object; `properties` are those that were written.
    pub(crate) fn changed(actor: &Actor, class: &str, object: &str, properties: &[&str]) -> Self {
        Self::audit(39051, actor, &[class, object, &properties.join(", ")])
    }

    /// Somebody deleted an object.
    pub(crate) fn deleted(actor: &Actor, class: &str, object: &str) -> Self {
        Self::audit(39052, actor, &[class, object])
    }

    /// Somebody called a method that changed something; `object` is what it changed.
    pub(crate) fn called(actor: &Actor, class: &str, method: &str, object: &str) -> Self {
        Self::audit(39053, actor, &[class, method, object])
    }

    pub(crate) fn messages_deleted(actor: &Actor, count: u64, which: &str) -> Self {
        Self::audit(39054, actor, &[&count.to_string(), which])
    }

    pub(crate) fn package_created(actor: &Actor, id: &str, name: &str) -> Self {
        Self::audit(30000, actor, &[id, name]).of_package(id)
    }

    pub(crate) fn package_changed(actor: &Actor, id: &str, name: &str, properties: &[&str]) -> Self {
        Self::audit(30001, actor, &[id, name, &properties.join(", ")]).of_package(id)
    }

    pub(crate) fn package_deleted(actor: &Actor, id: &str, name: &str) -> Self {
        Self::audit(30002, actor, &[id, name]).of_package(id)
    }

    pub(crate) fn package_rolled_back(actor: &Actor, id: &str, name: &str, to: u32, version: u32) -> Self {
        Self::audit(39080, actor, &[id, name, &to.to_string(), &version.to_string()]).of_package(id)
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

    pub(crate) fn dp_cancelled(actor: &Actor, id: &str, dp: &str) -> Self {
        Self::audit(39030, actor, &[id, dp]).of_package(id).at_dp(dp)
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

    pub(crate) fn import_requested(actor: &Actor, import_id: i64, sources: &str) -> Self {
        Self::audit(39008, actor, &[&import_id.to_string(), sources])
            .about(SecuredType::DriverImport, import_id.to_string())
    }

    pub(crate) fn import_cancelled(actor: &Actor, import_id: i64) -> Self {
        Self::audit(39009, actor, &[&import_id.to_string()])
            .about(SecuredType::DriverImport, import_id.to_string())
    }

    pub(crate) fn import_ended(import_id: i64, imported: u64, already: u64, failed: u64) -> Self {
        let severity = if failed == 0 { Severity::Information } else { Severity::Warning };
        let inserts = [import_id.to_string(), imported.to_string(), already.to_string(), failed.to_string()];
        Self::new(39010, &inserts.each_ref().map(String::as_str))
            .with_severity(severity)
            .about(SecuredType::DriverImport, import_id.to_string())
    }

    pub(crate) fn import_failed(import_id: i64, reason: &str) -> Self {
        Self::new(39011, &[&import_id.to_string(), reason])
            .about(SecuredType::DriverImport, import_id.to_string())
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

    pub(crate) fn refresh_due(id: &str, name: &str) -> Self {
        Self::new(39027, &[name, id]).of_package(id)
    }

    pub(crate) fn user_changed(actor: &Actor, user: &str, what: &str) -> Self {
        Self::audit(39001, actor, &[user, what])
    }

    pub(crate) fn sign_in_closed(subject: &str, seconds: u64) -> Self {
        Self::new(39055, &[subject, &seconds.to_string()])
    }

    pub(crate) fn scope_changed(actor: &Actor, scope: &str, what: &str) -> Self {
        Self::audit(39032, actor, &[scope, what])
    }

    pub(crate) fn object_scope_changed(
        actor: &Actor,
        object: SecuredType,
        key: &str,
        scope: &str,
        put_in: bool,
    ) -> Self {
        let what = match object {
            SecuredType::Package => "package",
            SecuredType::Driver => "driver",
            SecuredType::DpGroup => "group",
            SecuredType::DriverImport => "driver import",
        };
        let id = if put_in { 39033 } else { 39034 };
        let message = Self::audit(id, actor, &[&format!("{what} {key}"), scope]);
        if object == SecuredType::Package { message.of_package(key) } else { message.about(object, key) }
    }

    pub(crate) fn dp_server_changed(actor: &Actor, dp: &str, what: &str) -> Self {
        Self::audit(39002, actor, &[dp, what]).at_dp(dp)
    }

    pub(crate) fn site_changed(actor: &Actor, site_code: &str, what: &str) -> Self {
        Self::audit(39070, actor, &[site_code, what])
    }

    pub(crate) fn site_joined(site_code: &str, name: &str) -> Self {
        Self::new(39071, &[site_code, name])
    }

    pub(crate) fn content_failed(id: &str, name: &str, version: u32, code: &str, reason: &str) -> Self {
        let version = version.to_string();
        let inserts = [name, id, &version, reason, code];
        Self::new(39072, &inserts).of_package(id)
    }

    pub(crate) fn content_paused(need: &Need, until: &str, reason: &str) -> Self {
        let Need { package_id, name, version, from_site, .. } = need;
        let inserts = [name, package_id, &version.to_string(), from_site, until, reason];
        Self::new(39075, &inserts).of_package(package_id)
    }

    pub(crate) fn dp_enrolled(dp: &str, content_url: &str) -> Self {
        Self::new(39003, &[dp, content_url]).at_dp(dp)
    }

    pub(crate) fn processing_started(id: &str, name: &str) -> Self {
        Self::new(2300, &[name, id]).of_package(id).detail()
    }

    pub(crate) fn snapshot_taken(id: &str, name: &str, files: u64, bytes: u64) -> Self {
        let inserts = [name, id, &files.to_string(), &bytes.to_string()];
        Self::new(2376, &inserts).of_package(id).detail()
    }

    pub(crate) fn source_warning(id: &str, name: &str, warning: &str) -> Self {
        Self::new(39005, &[name, id, warning]).of_package(id)
    }

    pub(crate) fn content_arrived(id: &str, name: &str, version: u32, source_site: &str) -> Self {
        let inserts = [name, id, &version.to_string(), source_site];
        Self::new(4400, &inserts).of_package(id)
    }

    /// Damage in a site's library, as it tells it.
    /// What another site's distribution point found in its copy, or that this is whole again; as that site says it itself.
    pub(crate) fn point_repair(site_code: &str, dp: &str, repair: &RepairRecord) -> Self {
        let (id, version, files) = (&repair.package_id, repair.version, damaged_files(repair));
        let message = match (&repair.repaired_at, repair.missing) {
            (Some(_), _) => Self::repaired(id, dp, &files),
            (None, true) => Self::files_missing(id, dp, version, &files),
            (None, false) => Self::files_damaged(id, dp, version, &files),
        };
        message.of_site(site_code)
    }

    pub(crate) fn site_repair(site_code: &str, repair: &RepairRecord) -> Self {
        let files = damaged_files(repair);
        let outcome = match repair.repaired_at {
            Some(_) => format!("it is repaired from site {}", repair.from_site),
            None => format!("it is fetched again from site {}", repair.from_site),
        };
        let (id, version) = (&repair.package_id, repair.version.to_string());
        let message = Self::new(39074, &[site_code, id, &version, &files, &outcome]).of_package(id);
        message.of_site(site_code)
    }

    pub(crate) fn content_released(id: &str, name: &str, version: u32) -> Self {
        Self::new(39073, &[name, id, &version.to_string()]).of_package(id)
    }

    pub(crate) fn request_refused(user: &str, id: &str, call: &str, reason: &str) -> Self {
        Self::new(39060, &[user, id, call, reason]).of_package(id)
    }

    pub(crate) fn package_updated(id: &str, name: &str, version: u32, bytes: u64) -> Self {
        let inserts = [name, id, &version.to_string(), &bytes.to_string()];
        Self::new(2311, &inserts).of_package(id)
    }

    pub(crate) fn processed(id: &str, name: &str, version: u32) -> Self {
        let inserts = [name, id, &version.to_string()];
        Self::new(2301, &inserts).of_package(id)
    }

    pub(crate) fn processing_failed(id: &str, name: &str, reason: &str) -> Self {
        Self::new(2302, &[name, id, reason]).of_package(id)
    }

    pub(crate) fn source_unusable(id: &str, name: &str, path: &str, reason: &str) -> Self {
        Self::new(2306, &[name, id, path, reason]).of_package(id)
    }

    pub(crate) fn distribution_started(id: &str, dp: &str, version: u32) -> Self {
        let inserts = [id, dp, &version.to_string()];
        Self::new(2342, &inserts).of_package(id).detail().at_dp(dp)
    }

    pub(crate) fn installed(id: &str, dp: &str, version: u32, bytes_received: u64) -> Self {
        let inserts = [id, dp, &version.to_string(), &bytes_received.to_string()];
        Self::new(2330, &inserts).of_package(id).at_dp(dp)
    }

    /// An attempt failed; `number` is that of [`failure_id`], `exhausted` whether somebody should look.
    pub(crate) fn attempt_failed(
        number: u32,
        id: &str,
        dp: &str,
        fault: &str,
        next: &str,
        exhausted: bool,
    ) -> Self {
        let severity = if exhausted { Severity::Error } else { Severity::Warning };
        let message = Self::new(number, &[id, dp, fault, next]).with_severity(severity);
        message.of_package(id).at_dp(dp)
    }

    /// The distribution point was told to fetch the version.
    pub(crate) fn told_to_fetch(id: &str, dp: &str, version: u32) -> Self {
        Self::new(2357, &[id, dp, &version.to_string()]).detail().of_package(id).at_dp(dp)
    }

    /// There is no version yet that could be fetched.
    pub(crate) fn waits_for_content(id: &str, dp: &str) -> Self {
        Self::new(2372, &[id, dp]).detail().of_package(id).at_dp(dp)
    }

    pub(crate) fn content_on_its_way(id: &str, dp: &str, version: u32) -> Self {
        Self::new(8204, &[id, dp, &version.to_string()]).detail().of_package(id).at_dp(dp)
    }

    pub(crate) fn sent(id: &str, dp: &str, version: u32, bytes: u64) -> Self {
        Self::new(8200, &[id, dp, &version.to_string(), &bytes.to_string()]).of_package(id).at_dp(dp)
    }

    /// A redistribution came to its end.
    pub(crate) fn refreshed(id: &str, dp: &str, version: u32) -> Self {
        Self::new(2303, &[id, dp, &version.to_string()]).of_package(id).at_dp(dp)
    }

    pub(crate) fn verification_queued(id: &str, dp: &str) -> Self {
        Self::new(2381, &[id, dp]).detail().of_package(id).at_dp(dp)
    }

    pub(crate) fn verification_started(id: &str, dp: &str) -> Self {
        Self::new(2380, &[id, dp]).detail().of_package(id).at_dp(dp).seen_at(dp)
    }

    pub(crate) fn paused(id: &str, dp: &str, until: &str, reason: &str) -> Self {
        Self::new(39045, &[id, dp, until, reason]).of_package(id).detail().at_dp(dp)
    }

    /// A verification found files whose bytes are others.
    pub(crate) fn files_damaged(id: &str, dp: &str, version: u32, files: &str) -> Self {
        Self::found(2382, id, dp, version, files)
    }

    /// A verification found that files are not there.
    pub(crate) fn files_missing(id: &str, dp: &str, version: u32, files: &str) -> Self {
        Self::found(2385, id, dp, version, files)
    }

    fn found(number: u32, id: &str, dp: &str, version: u32, files: &str) -> Self {
        let next = format!("version {version}; they are repaired now");
        Self::new(number, &[id, dp, files, &next]).of_package(id).at_dp(dp).seen_at(dp)
    }

    pub(crate) fn repaired(id: &str, dp: &str, files: &str) -> Self {
        Self::new(39090, &[id, dp, files]).of_package(id).at_dp(dp).seen_at(dp)
    }

    pub(crate) fn orphan_collected(id: &str, dp: &str, versions: usize, bytes: u64) -> Self {
        let inserts = [id, dp, &versions.to_string(), &bytes.to_string()];
        Self::new(39091, &inserts).of_package(id).at_dp(dp).seen_at(dp)
    }

    /// A distribution point says so much that it is not written down any more.
    pub(crate) fn messages_dropped(dp: &str, messages_max: u32) -> Self {
        Self::new(39092, &[dp, &messages_max.to_string()]).at_dp(dp)
    }

    pub(crate) fn refused(id: &str, dp: &str, object: &str, reason: &str) -> Self {
        Self::new(2383, &[id, dp, reason, object]).of_package(id).at_dp(dp).seen_at(dp)
    }

    pub(crate) fn verified(id: &str, dp: &str, version: u32, files: u64) -> Self {
        let inserts = [id, dp, &version.to_string(), &files.to_string()];
        Self::new(2384, &inserts).of_package(id).at_dp(dp).seen_at(dp)
    }

    pub(crate) fn content_mended(packs: usize, repaired: u64, lost: usize) -> Self {
        let severity = if lost == 0 { Severity::Warning } else { Severity::Error };
        let inserts = [packs.to_string(), repaired.to_string(), lost.to_string()];
        Self::new(39006, &inserts.each_ref().map(String::as_str)).with_severity(severity)
    }

    pub(crate) fn removed(id: &str, dp: &str) -> Self {
        Self::new(39004, &[id, dp]).of_package(id).at_dp(dp)
    }
}

/// The message of a failed attempt: what the view `content_status` shows for it too.
pub(crate) fn failure_id(is_removal: bool, fault_code: &str, verifies: bool, holds_some: bool) -> u32 {
    match fault_code {
        _ if is_removal => 39057,
        "site_unreachable" | "unauthorized" => 2391,
        "refused" => 2382,
        "no_source" => 8212,
        "incomplete" => 2385,
        _ if verifies => 2383,
        _ if holds_some => 8203,
        _ => 2328,
    }
}

/// An insertion string as it is stored: no longer than allowed, and without NUL, which PostgreSQL cannot read from JSON.
pub(super) fn stored_insert(text: &str) -> String {
    text.chars().take(INSERT_CHARS_MAX).map(|c| if c == '\0' { ' ' } else { c }).collect()
}

/// The first files by name, and how many more.
fn damaged_files(repair: &RepairRecord) -> String {
    let more = repair.files_damaged.saturating_sub(repair.files.len() as u64);
    match (repair.files.is_empty(), more) {
        (true, _) => "the manifest".to_owned(),
        (false, 0) => repair.files.join(", "),
        (false, more) => format!("{} and {more} more", repair.files.join(", ")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn insertion_strings_are_cut_and_hold_no_nul() {
        let message = Message::processing_failed("PS100001", "a\0b", &"ü".repeat(5000));
        assert_eq!(message.inserts[2].chars().count(), INSERT_CHARS_MAX);
        assert_eq!(message.inserts[0], "a b");
    }

    #[test]
    fn an_audit_message_names_who_and_what() {
        let actor = Actor::local();
        for (message, expect) in [
            (Message::created(&actor, "SMS_X", "k"), "local created SMS_X k."),
            (Message::changed(&actor, "SMS_X", "k", &["A", "B"]), "local changed SMS_X k: A, B."),
            (Message::deleted(&actor, "SMS_X", "k"), "local deleted SMS_X k."),
            (Message::called(&actor, "SMS_X", "Do", "k"), "local called SMS_X.Do: k."),
        ] {
            assert_eq!(catalog::text(message.id, &message.inserts), expect);
            assert_eq!((message.kind, message.user.as_deref()), (MessageType::Audit, Some("local")));
        }
    }
}
