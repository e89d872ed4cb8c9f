//! WQL patterns with character sets, for back ends whose `LIKE` has none: GLOB for SQLite, a regular
//! expression for PostgreSQL. Both match lower-cased text, so the patterns are lower-cased here.

use cim::query::{CharRange, LikePattern, LikePiece};

/// The pattern for `LIKE ... ESCAPE '\'`, lower-cased; none if it has a character set.
pub(super) fn like(pattern: &LikePattern) -> Option<String> {
    pattern.as_sql('\\').map(|sql| sql.to_ascii_lowercase())
}

/// Plain text as part of a `LIKE` pattern, lower-cased.
pub(super) fn like_text(text: &str) -> String {
    like(&LikePattern { pieces: vec![LikePiece::Text(text.to_owned())] }).expect("text has no character set")
}

/// The pattern for SQLite's `GLOB`.
pub(super) fn glob(pattern: &LikePattern) -> String {
    let mut glob = String::new();
    for piece in &pattern.pieces {
        match piece {
            LikePiece::Any => glob.push('*'),
            LikePiece::One => glob.push('?'),
            LikePiece::Text(text) => {
                for plain in text.to_ascii_lowercase().chars() {
                    match plain {
                        '*' | '?' | '[' => glob.extend(['[', plain, ']']),
                        plain => glob.push(plain),
                    }
                }
            }
            LikePiece::Set { negated, ranges } => glob_set(&mut glob, *negated, ranges),
        }
    }
    glob
}

/// In a GLOB set `]` must come first, `-` last, and `^` not first.
fn glob_set(glob: &mut String, negated: bool, ranges: &[CharRange]) {
    let mut plain = Vec::new();
    let mut special = [false; 3];
    const SPECIAL: [char; 3] = [']', '^', '-'];
    for range in fold(ranges) {
        let CharRange { mut first, mut last } = range;
        for (seen, c) in special.iter_mut().zip(SPECIAL) {
            *seen |= (first..=last).contains(&c);
        }
        while first < last && SPECIAL.contains(&first) {
            first = next(first);
        }
        while first < last && SPECIAL.contains(&last) {
            last = previous(last);
        }
        if !SPECIAL.contains(&first) {
            plain.push(CharRange { first, last });
        }
    }
    let [bracket, caret, dash] = special;
    if caret && !negated && !bracket && plain.is_empty() {
        // Only `^`, perhaps with `-`: a dash in front is plain, and a lone caret needs no set.
        glob.push_str(if dash { "[-^]" } else { "^" });
        return;
    }
    glob.push('[');
    glob.push_str(if negated { "^" } else { "" });
    glob.push_str(if bracket { "]" } else { "" });
    for CharRange { first, last } in plain {
        glob.push(first);
        if first < last {
            glob.extend(['-', last]);
        }
    }
    glob.push_str(if caret { "^" } else { "" });
    glob.push_str(if dash { "-" } else { "" });
    glob.push(']');
}

/// The pattern for PostgreSQL's `~`.
pub(super) fn regex(pattern: &LikePattern) -> String {
    let mut regex = String::from("^");
    let push_plain = |regex: &mut String, plain: char| {
        if plain.is_ascii() && !plain.is_ascii_alphanumeric() {
            regex.push('\\');
        }
        regex.push(plain);
    };
    for piece in &pattern.pieces {
        match piece {
            LikePiece::Any => regex.push_str(".*"),
            LikePiece::One => regex.push('.'),
            LikePiece::Text(text) => {
                text.to_ascii_lowercase().chars().for_each(|c| push_plain(&mut regex, c))
            }
            LikePiece::Set { negated, ranges } => {
                regex.push_str(if *negated { "[^" } else { "[" });
                for CharRange { first, last } in fold(ranges) {
                    push_plain(&mut regex, first);
                    if first < last {
                        regex.push('-');
                        push_plain(&mut regex, last);
                    }
                }
                regex.push(']');
            }
        }
    }
    regex.push('$');
    regex
}

/// The ranges, and the lower-case image of what upper-case letters they have.
fn fold(ranges: &[CharRange]) -> Vec<CharRange> {
    let mut folded = ranges.to_vec();
    for range in ranges {
        let (first, last) = (range.first.max('A'), range.last.min('Z'));
        if first <= last {
            folded.push(CharRange { first: first.to_ascii_lowercase(), last: last.to_ascii_lowercase() });
        }
    }
    folded
}

/// Only called with ASCII characters.
fn next(c: char) -> char {
    char::from_u32(u32::from(c) + 1).unwrap_or(c)
}

fn previous(c: char) -> char {
    char::from_u32(u32::from(c) - 1).unwrap_or(c)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(pattern: &str, expect_like: Option<&str>, expect_glob: &str, expect_regex: &str) {
        let parsed = LikePattern::parse(pattern);
        assert_eq!(like(&parsed).as_deref(), expect_like, "{pattern}");
        assert_eq!(glob(&parsed), expect_glob, "{pattern}");
        assert_eq!(regex(&parsed), expect_regex, "{pattern}");
    }

    #[test]
    fn patterns_of_each_kind() {
        check("Dell%", Some("dell%"), "dell*", "^dell.*$");
        check("a_c", Some("a_c"), "a?c", "^a.c$");
        check("100[%]", Some("100\\%"), "100%", "^100\\%$");
        check("a*b?", Some("a*b?"), "a[*]b[?]", "^a\\*b\\?$");
        check("back\\slash", Some("back\\\\slash"), "back\\slash", "^back\\\\slash$");
        check("[A-C]x", None, "[A-Ca-c]x", "^[A-Ca-c]x$");
        check("[^0-9]%", None, "[^0-9]*", "^[^0-9].*$");
        check("[a^]", None, "[a^]", "^[\\^a]$");
    }
}
