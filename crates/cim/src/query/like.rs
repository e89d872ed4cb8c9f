use std::fmt;

/// A WQL LIKE pattern: `%` any text, `_` one character, `[a-f]`, `[=]` one of a set, `[^a]` none of it.
///
/// A bracket that is never closed stands for itself, as in the original.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LikePattern {
    /// The pieces, in order; two texts never follow each other.
    pub pieces: Vec<LikePiece>,
}

/// One piece of a pattern.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LikePiece {
    /// This text.
    Text(String),
    /// Any text, also none.
    Any,
    /// Any one character.
    One,
    /// One character of a set.
    Set {
        /// One that is not in the set.
        negated: bool,
        /// The set; not empty.
        ranges: Vec<CharRange>,
    },
}

/// A range of characters, both ends included.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CharRange {
    /// The first.
    pub first: char,
    /// The last, not below the first.
    pub last: char,
}

impl LikePattern {
    /// Reads a pattern; every text is one.
    #[must_use]
    pub fn parse(text: &str) -> Self {
        let mut pattern = Self { pieces: Vec::new() };
        let mut rest = text;
        // Behind the last closing bracket no set begins, and looking for one at each opening bracket would take long.
        let sets_end = text.rfind(']').map_or(0, |last| last + 1);
        while let Some(first) = rest.chars().next() {
            let after = &rest[first.len_utf8()..];
            let set = match first {
                '[' if text.len() - rest.len() < sets_end => read_set(after),
                _ => None,
            };
            rest = match (first, set) {
                ('%', _) => pattern.push(LikePiece::Any, after),
                ('_', _) => pattern.push(LikePiece::One, after),
                (_, Some((set, after))) => {
                    pattern.push_set(set);
                    after
                }
                (plain, None) => {
                    pattern.push_char(plain);
                    after
                }
            };
        }
        pattern
    }

    fn push<'a>(&mut self, piece: LikePiece, rest: &'a str) -> &'a str {
        self.pieces.push(piece);
        rest
    }

    /// A set of one character is that character: the pattern's way to escape.
    fn push_set(&mut self, set: LikePiece) {
        match &set {
            LikePiece::Set { negated: false, ranges } => match ranges.as_slice() {
                [CharRange { first, last }] if first == last => self.push_char(*first),
                _ => self.pieces.push(set),
            },
            _ => self.pieces.push(set),
        }
    }

    fn push_char(&mut self, plain: char) {
        match self.pieces.last_mut() {
            Some(LikePiece::Text(text)) => text.push(plain),
            _ => self.pieces.push(LikePiece::Text(plain.to_string())),
        }
    }

    /// Whether a text matches, without regard to the case of ASCII letters. Takes time in proportion to the
    /// lengths of both, whatever the pattern.
    #[must_use]
    pub fn matches(&self, text: &str) -> bool {
        let chars: Vec<char> = text.chars().map(|c| c.to_ascii_lowercase()).collect();
        // reachable[n]: the pieces so far can take exactly the first n characters.
        let mut reachable = vec![false; chars.len() + 1];
        reachable[0] = true;
        for piece in &self.pieces {
            reachable = piece.advance(&reachable, &chars);
        }
        reachable[chars.len()]
    }

    /// The pattern for SQL `LIKE ... ESCAPE escape`; `None` if it has a character set, which SQL has not.
    #[must_use]
    pub fn as_sql(&self, escape: char) -> Option<String> {
        let mut sql = String::new();
        for piece in &self.pieces {
            match piece {
                LikePiece::Any => sql.push('%'),
                LikePiece::One => sql.push('_'),
                LikePiece::Set { .. } => return None,
                LikePiece::Text(text) => {
                    for plain in text.chars() {
                        if plain == '%' || plain == '_' || plain == escape {
                            sql.push(escape);
                        }
                        sql.push(plain);
                    }
                }
            }
        }
        Some(sql)
    }
}

impl LikePiece {
    fn advance(&self, reachable: &[bool], chars: &[char]) -> Vec<bool> {
        let mut after = vec![false; reachable.len()];
        let mut take = |from: usize, count: usize| {
            if let Some(slot) = after.get_mut(from + count) {
                *slot = true;
            }
        };
        for from in (0..reachable.len()).filter(|&from| reachable[from]) {
            let rest = &chars[from..];
            match self {
                // Everything behind the first reachable place is reachable.
                Self::Any => {
                    after[from..].fill(true);
                    return after;
                }
                Self::One => take(from, 1),
                Self::Text(text) => {
                    let count = text.chars().count();
                    if rest.len() >= count
                        && text.chars().zip(rest).all(|(c, known)| c.to_ascii_lowercase() == *known)
                    {
                        take(from, count);
                    }
                }
                Self::Set { negated, ranges } => {
                    let within = |c: char| ranges.iter().any(|range| (range.first..=range.last).contains(&c));
                    let member = |c: &char| within(*c) || within(c.to_ascii_uppercase());
                    if rest.first().is_some_and(|c| member(c) != *negated) {
                        take(from, 1);
                    }
                }
            }
        }
        after
    }
}

/// The set after an opening bracket and the text behind it.
fn read_set(text: &str) -> Option<(LikePiece, &str)> {
    let (inside, rest) = text.split_at(text.find(']')?);
    let (negated, inside) = match inside.strip_prefix('^') {
        Some(inside) => (true, inside),
        None => (false, inside),
    };
    let mut ranges = Vec::new();
    let mut chars = inside.chars().peekable();
    while let Some(first) = chars.next() {
        let mut ahead = chars.clone();
        let last = match (ahead.next(), ahead.next()) {
            (Some('-' | '='), Some(last)) => {
                chars = ahead;
                last
            }
            _ => first,
        };
        ranges.push(CharRange { first: first.min(last), last: first.max(last) });
    }
    let closed = rest.strip_prefix(']')?;
    merge(&mut ranges);
    (!ranges.is_empty()).then_some((LikePiece::Set { negated, ranges }, closed))
}

/// Sorts ranges and joins those that overlap, so that equal sets are equal.
fn merge(ranges: &mut Vec<CharRange>) {
    ranges.sort_by_key(|range| (range.first, range.last));
    ranges.dedup_by(|next, kept| {
        let overlaps = next.first <= kept.last;
        if overlaps {
            kept.last = kept.last.max(next.last);
        }
        overlaps
    });
}

impl fmt::Display for LikePattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.pieces.iter().try_for_each(|piece| piece.fmt(f))
    }
}

impl fmt::Display for LikePiece {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Any => f.write_str("%"),
            Self::One => f.write_str("_"),
            Self::Text(text) => text.chars().try_for_each(|plain| match plain {
                '%' | '_' | '[' => write!(f, "[{plain}]"),
                plain => write!(f, "{plain}"),
            }),
            Self::Set { negated, ranges } => print_set(f, *negated, ranges),
        }
    }
}

/// Ranges whose short form could be read as something else are written out, and `^` never comes first.
fn print_set(f: &mut fmt::Formatter<'_>, negated: bool, ranges: &[CharRange]) -> fmt::Result {
    f.write_str(if negated { "[^" } else { "[" })?;
    let plain = ranges.iter().all(|range| range.first.is_alphanumeric());
    let (carets, others): (Vec<_>, Vec<_>) = ranges.iter().partition(|range| range.first == '^');
    for CharRange { first, last } in others.into_iter().chain(carets) {
        match first {
            _ if plain && first == last => write!(f, "{first}")?,
            '^' => write!(f, "{last}-{first}")?,
            _ => write!(f, "{first}-{last}")?,
        }
    }
    f.write_str("]")
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn set(negated: bool, ranges: &[(char, char)]) -> LikePiece {
        let ranges = ranges.iter().map(|&(first, last)| CharRange { first, last }).collect();
        LikePiece::Set { negated, ranges }
    }

    #[test]
    fn patterns_are_read_as_the_original_reads_them() {
        let text = |text: &str| LikePiece::Text(text.to_owned());
        for (pattern, expect, sql) in [
            ("Dell%", vec![text("Dell"), LikePiece::Any], Some("Dell%")),
            ("a_c", vec![text("a"), LikePiece::One, text("c")], Some("a_c")),
            ("[a-f]x", vec![set(false, &[('a', 'f')]), text("x")], None),
            ("[a=f]", vec![set(false, &[('a', 'f')])], None),
            ("[^abc]", vec![set(true, &[('a', 'a'), ('b', 'b'), ('c', 'c')])], None),
            ("[%]5[_]", vec![text("%5_")], Some("!%5!_")),
            ("[^%]", vec![set(true, &[('%', '%')])], None),
            ("[open", vec![text("[open")], Some("[open")),
            ("[]", vec![text("[]")], Some("[]")),
            ("50!", vec![text("50!")], Some("50!!")),
            ("a]b[c", vec![text("a]b[c")], Some("a]b[c")),
            ("[a][b", vec![text("a[b")], Some("a[b")),
            ("", vec![], Some("")),
        ] {
            let parsed = LikePattern::parse(pattern);
            assert_eq!(parsed.pieces, expect, "{pattern}");
            assert_eq!(parsed.as_sql('!').as_deref(), sql, "{pattern}");
        }
    }

    /// Each of these took time in the square of its length, when every character looked for its set.
    #[test]
    fn long_patterns_are_read_at_once() {
        const CHARS: usize = 1 << 20;
        for (unit, end) in [("[", ""), ("a", "]"), ("[", "]"), ("[]", ""), ("[^]", ""), ("[a]", "[")] {
            let pattern = unit.repeat(CHARS / unit.len()) + end;
            assert!(LikePattern::parse(&pattern).pieces.len() <= 2, "{unit} {end}");
        }
    }

    #[test]
    fn patterns_match_as_in_the_original() {
        for (pattern, text, expect) in [
            ("Dell%", "dell 7440", true),
            ("%7440", "Dell 7440", true),
            ("%4%4%", "Dell 7440", true),
            ("%4%4%4%", "Dell 7440", false),
            ("Dell", "Dell 7440", false),
            ("D_ll%", "Dell", true),
            ("____", "Dell", true),
            ("_____", "Dell", false),
            ("[a-e]ell", "Dell", true),
            ("[^a-e]ell", "Dell", false),
            ("[^a-e]ell", "Xell", true),
            ("100[%]", "100%", true),
            ("", "", true),
            ("%", "", true),
            ("", "x", false),
            ("É%", "Éa", true),
        ] {
            assert_eq!(LikePattern::parse(pattern).matches(text), expect, "{pattern} on {text}");
        }
        let hard = LikePattern::parse(&"%a".repeat(200));
        assert!(!hard.matches(&"b".repeat(2_000)));
    }

    proptest! {
        #[test]
        fn what_is_printed_means_the_same(text in "[a-c%_\\[\\]^=é-]{0,16}") {
            let pattern = LikePattern::parse(&text);
            prop_assert_eq!(LikePattern::parse(&pattern.to_string()), pattern);
        }
    }
}
