//! The texts of messages: ids and insertion strings as in the original where it has them, texts of our own.

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
    (30001, "%1 changed package %3 (%2): %4"),
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
    (39027, "The refresh schedule of package %1 (%2) is due; a version is published if its source changed."),
    (39030, "%1 cancelled the distribution of package %2 to distribution point %3."),
    (39011, "Driver import %1 could not go on: %2"),
    (39032, "%1: security scope %2 was %3."),
    (39033, "%1 put %2 into the security scope %3."),
    (39034, "%1 took %2 out of the security scope %3."),
    (39045, "The distribution of package %1 to distribution point %2 is paused until %3: %4"),
    (39050, "%1 created %2 %3."),
    (39051, "%1 changed %2 %3: %4."),
    (39052, "%1 deleted %2 %3."),
    (39053, "%1 called %2.%3: %4."),
    (39054, "%1 deleted %2 status messages: %3"),
    (39056, "Package %1 is being removed from distribution point %2."),
    (39057, "Package %1 could not be removed from distribution point %2: %3 (%4)"),
    (39055, "Signing in is closed for %2 s after failed attempts: %1."),
    (39070, "%1: site %2 was %3."),
    (39071, "Site %1 (%2) joined below this site."),
    (39072, "Version %3 of package %1 (%2) did not come to this site and is tried again: %4 (%5)"),
    (39997, "%1"),
    (39998, "%1"),
    (39999, "%1"),
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
    fn every_id_has_one_text() {
        let mut ids: Vec<u32> = TEXTS.iter().map(|(id, _)| *id).collect();
        ids.sort_unstable();
        ids.dedup();
        assert_eq!(ids.len(), TEXTS.len());
    }
}
