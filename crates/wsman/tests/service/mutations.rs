//! Recorded requests, changed at random from a fixed seed: every one is answered, by HTTP or by a fault, and every
//! envelope that comes back can be read.

use std::path::PathBuf;

use crate::harness::Service;

/// How many changed requests are sent; each is a connection.
const CASES: u32 = 400;

/// Pieces that the protocol knows.
const PIECES: [&str; 24] = [
    "<",
    ">",
    "</",
    "/>",
    "\"",
    "&amp;",
    "&#0;",
    "]]>",
    "<![CDATA[",
    "<!--",
    "xmlns:s=\"\"",
    " xsi:nil=\"true\"",
    " s:mustUnderstand=\"true\"",
    "s:",
    "w:Selector",
    "__cimnamespace",
    "http://schemas.microsoft.com/wbem/wsman/1/wmi/",
    "*",
    "?a=b+c=d",
    "%00",
    "PT0S",
    "-1",
    "99999999999999999999",
    "\u{e9}\u{1f600}",
];

/// xorshift64*: enough to choose places, the same everywhere.
struct Random(u64);

impl Random {
    fn below(&mut self, end: usize) -> usize {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        let number = self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 33;
        usize::try_from(number).unwrap() % end.max(1)
    }
}

fn mutate(chars: &mut Vec<char>, other: &[char], random: &mut Random) {
    const PART_CHARS_MAX: usize = 32;
    let at = random.below(chars.len() + 1);
    let end = (at + random.below(PART_CHARS_MAX)).min(chars.len());
    match random.below(5) {
        0 => drop(chars.drain(at..end)),
        1 => {
            let part = chars[at..end].to_vec();
            let to = random.below(chars.len());
            drop(chars.splice(to..to, part));
        }
        2 | 3 => drop(chars.splice(at..at, PIECES[random.below(PIECES.len())].chars())),
        _ => {
            let from = random.below(other.len());
            let until = (from + PART_CHARS_MAX).min(other.len());
            drop(chars.splice(at..end, other[from..until].iter().copied()));
        }
    }
}

/// Whole values in the place of others, which keep the document well-formed.
fn exchange(text: &str, random: &mut Random) -> String {
    let values: Vec<&str> = text.split(['<', '>', '"']).filter(|part| !part.trim().is_empty()).collect();
    let (from, to) = (values[random.below(values.len())], values[random.below(values.len())]);
    text.replacen(from, to, 1)
}

#[tokio::test]
async fn mutated_requests_are_answered() {
    let service = Service::start().await;
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/cimcmdlets");
    let mut files: Vec<_> = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    let samples: Vec<String> = files.iter().map(|file| std::fs::read_to_string(file).unwrap()).collect();
    let mut random = Random(0x4861_756c_6965_7225);
    let mut statuses = std::collections::BTreeMap::<u16, u32>::new();
    for case in 0..CASES {
        let sample = &samples[random.below(samples.len())];
        let text = if case % 2 == 0 {
            exchange(sample, &mut random)
        } else {
            let other: Vec<char> = samples[random.below(samples.len())].chars().collect();
            let mut chars: Vec<char> = sample.chars().collect();
            mutate(&mut chars, &other, &mut random);
            chars.into_iter().collect()
        };
        // A reader, so that what is mutated into something well-meant changes nothing.
        let answer = service.send("reader", &text).await;
        assert!(matches!(answer.status, 200 | 400 | 500), "{text}: {answer:?}");
        assert!(answer.status == 400 || xml::parse(&answer.body).is_ok(), "{text}: {answer:?}");
        assert!(!answer.body.contains("failed inside"), "{text}: {answer:?}");
        *statuses.entry(answer.status).or_default() += 1;
    }
    assert!([200, 400, 500].iter().all(|status| statuses.contains_key(status)), "{statuses:?}");
}
