//! The fuzz target as a plain test: hand-written documents, changed at random from a fixed seed.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on should stop where it is")]

mod exercise;

use mutations::Mutations;

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

#[test]
fn mutated_documents_are_read() {
    let mut mutations = Mutations::of_bytes(0x4861_756c_6965_7225, &PIECES);
    let mut read = 0;
    for sample in SAMPLES {
        assert!(xml::parse(sample).is_ok(), "{sample}");
        exercise::document(sample.as_bytes());
    }
    for _ in 0..CASES {
        let bytes = mutations.bytes(&SAMPLES, 3);
        exercise::document(&bytes);
        read += u32::from(xml::decode(&bytes, None).is_ok_and(|text| xml::parse(&text).is_ok()));
    }
    assert!(read > CASES / 20, "{read} of {CASES} changed documents are still documents");
}
