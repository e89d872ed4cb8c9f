//! The fuzz target as a plain test: hand-written documents, changed at random from a fixed seed.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on should stop where it is")]

mod exercise;

const CASES: u32 = 20_000;

const SAMPLES: [&str; 5] = [
    "<?xml version=\"1.0\" encoding=\"utf-8\" ?>\n<CIM CIMVERSION=\"2.0\" DTDVERSION=\"2.0\"><MESSAGE ID=\"1\"><SIMPLEREQ><IMETHODCALL NAME=\"GetClass\"><LOCALNAMESPACEPATH><NAMESPACE NAME=\"root\"/></LOCALNAMESPACEPATH></IMETHODCALL></SIMPLEREQ></MESSAGE></CIM>",
    "<s:Envelope xmlns:s=\"http://www.w3.org/2003/05/soap-envelope\" xmlns:a='urn:a'><s:Header><a:To s:mustUnderstand='true'>http://x/</a:To></s:Header><s:Body/></s:Envelope>",
    "<a>x &amp; y &#x20AC; <![CDATA[<b> ]] ]]><!-- no -->\r\n<b c='&lt;&#10;'/></a>",
    "\u{feff}<?xml version='1.0'?><?p i?><a xmlns='urn:1'><b xmlns=''><c xmlns:d='urn:2' d:e='f'/></b></a><!-- end -->",
    "<VALUE>&lt;INSTANCE CLASSNAME=&quot;A&quot;&gt;&lt;/INSTANCE&gt;</VALUE>",
];

/// Pieces that the grammar knows.
const PIECES: [&str; 24] = [
    "<",
    ">",
    "</",
    "/>",
    "<a>",
    "</a>",
    "<!--",
    "-->",
    "<![CDATA[",
    "]]>",
    "<?",
    "?>",
    "&",
    "&amp;",
    "&#0;",
    "&x;",
    "'",
    "\"",
    "=",
    " xmlns:z='u'",
    "<!DOCTYPE a [<!ENTITY x 'y'>]>",
    "\0",
    "\u{e9}",
    "\r",
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

fn mutate(bytes: &mut Vec<u8>, other: &[u8], random: &mut Random) {
    const PART_BYTES_MAX: usize = 24;
    let at = random.below(bytes.len() + 1);
    let end = (at + random.below(PART_BYTES_MAX)).min(bytes.len());
    match random.below(6) {
        0 => drop(bytes.drain(at..end)),
        1 => {
            let part = bytes[at..end].to_vec();
            let to = random.below(bytes.len());
            drop(bytes.splice(to..to, part));
        }
        2 | 3 => drop(bytes.splice(at..at, PIECES[random.below(PIECES.len())].bytes())),
        4 => {
            let from = random.below(other.len());
            drop(bytes.splice(at..end, other[from..].iter().take(2 * PART_BYTES_MAX).copied()));
        }
        _ if at < end => bytes[at] = u8::try_from(random.below(256)).unwrap(),
        _ => {}
    }
}

#[test]
fn mutated_documents_are_read() {
    let mut random = Random(0x4861_756c_6965_7225);
    let mut read = 0;
    for sample in SAMPLES {
        assert!(xml::parse(sample).is_ok(), "{sample}");
        exercise::document(sample.as_bytes());
    }
    for _ in 0..CASES {
        let (sample, other) = (SAMPLES[random.below(SAMPLES.len())], SAMPLES[random.below(SAMPLES.len())]);
        let mut bytes = sample.as_bytes().to_vec();
        for _ in 0..=random.below(3) {
            mutate(&mut bytes, other.as_bytes(), &mut random);
        }
        exercise::document(&bytes);
        read += u32::from(xml::decode(&bytes, None).is_ok_and(|text| xml::parse(&text).is_ok()));
    }
    assert!(read > CASES / 20, "{read} of {CASES} changed documents are still documents");
}
