//! The form of a sealed body: two parts, of which the first says what the second was before it was sealed. It looks like
//! MIME and is not: no empty line ends a part's header, and the second part's content is bytes of a stated length.

use bytes::Bytes;
use http::HeaderValue;

use crate::sealing::SealError;

/// What the parts are told apart by.
const BOUNDARY: &str = "Encrypted Boundary";
/// The longest boundary that a client may name (RFC 2046 5.1.1), in bytes.
const BOUNDARY_BYTES_MAX: usize = 70;
/// The longest line of a part's header, in bytes.
const LINE_BYTES_MAX: usize = 512;
/// Lines in the header of the first part.
const LINES_MAX: usize = 8;
/// The longest signature, in bytes; that of NTLM has 16, that of Kerberos some more.
const SIGNATURE_BYTES_MAX: usize = 256;

/// How a client calls what it seals with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Protocol {
    Negotiate,
    Kerberos,
}

/// What is in a sealed body.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Sealed<'a> {
    pub(crate) signature: &'a [u8],
    pub(crate) message: &'a [u8],
}

impl Protocol {
    const fn name(self) -> &'static str {
        match self {
            Self::Negotiate => "application/HTTP-SPNEGO-session-encrypted",
            Self::Kerberos => "application/HTTP-Kerberos-session-encrypted",
        }
    }
}

/// What a request's body is sealed with, by its content type; none if it is not sealed in a way that is known here.
pub(crate) fn protocol(content_type: &str) -> Option<Protocol> {
    let (media, _) = content_type.split_once(';')?;
    if !media.trim().eq_ignore_ascii_case("multipart/encrypted") {
        return None;
    }
    let name = parameter(content_type, "protocol")?;
    [Protocol::Negotiate, Protocol::Kerberos]
        .into_iter()
        .find(|known| known.name().eq_ignore_ascii_case(name))
}

/// The content type of a sealed answer.
pub(crate) fn header(protocol: Protocol) -> HeaderValue {
    let header = format!("multipart/encrypted;protocol=\"{}\";boundary=\"{BOUNDARY}\"", protocol.name());
    HeaderValue::try_from(header).expect("names and the boundary are plain text")
}

/// The body of a sealed answer. No line break stands before the last boundary: most clients would take it for content.
pub(crate) fn write(protocol: Protocol, content_type: &str, signature: &[u8], message: &[u8]) -> Bytes {
    let mut body = format!(
        "--{BOUNDARY}\r\n\tContent-Type: {}\r\n\tOriginalContent: type={content_type};Length={}\r\n\
         --{BOUNDARY}\r\n\tContent-Type: application/octet-stream\r\n",
        protocol.name(),
        message.len(),
    )
    .into_bytes();
    let length = u32::try_from(signature.len()).expect("a signature is short");
    body.extend_from_slice(&length.to_le_bytes());
    body.extend_from_slice(signature);
    body.extend_from_slice(message);
    body.extend_from_slice(format!("--{BOUNDARY}--\r\n").as_bytes());
    body.into()
}

/// What is in a request's body.
pub(crate) fn read<'a>(content_type: &str, body: &'a [u8]) -> Result<Sealed<'a>, SealError> {
    const MALFORMED: SealError = SealError::Malformed("its parts are not as their boundary says");
    protocol(content_type).ok_or(SealError::Unsealed)?;
    let boundary = parameter(content_type, "boundary").unwrap_or(BOUNDARY);
    if boundary.is_empty() || boundary.len() > BOUNDARY_BYTES_MAX {
        return Err(SealError::Malformed("its boundary is empty or too long"));
    }
    let mut rest = body;
    if delimiter(line(&mut rest)?, boundary) != Some(false) {
        return Err(MALFORMED);
    }
    let length = original_length(&mut rest, boundary)?;
    let octets = line(&mut rest)?.trim();
    let (name, value) = octets.split_once(':').ok_or(MALFORMED)?;
    if !name.eq_ignore_ascii_case("Content-Type")
        || !value.trim().eq_ignore_ascii_case("application/octet-stream")
    {
        return Err(MALFORMED);
    }
    let signature_bytes = take(&mut rest, 4)?.try_into().map(u32::from_le_bytes).unwrap_or(u32::MAX);
    let signature_bytes = usize::try_from(signature_bytes).unwrap_or(usize::MAX);
    if signature_bytes > SIGNATURE_BYTES_MAX {
        return Err(SealError::Malformed("its signature is too long"));
    }
    let sealed = Sealed { signature: take(&mut rest, signature_bytes)?, message: take(&mut rest, length)? };
    // Some clients end the content with a line break, most do not.
    let mut end = rest.strip_prefix(b"\r\n").unwrap_or(rest);
    let last = line(&mut end)?;
    if delimiter(last, boundary) != Some(true) || !end.is_empty() {
        return Err(MALFORMED);
    }
    Ok(sealed)
}

/// The length in the header of the first part, which the second part's boundary ends.
fn original_length(rest: &mut &[u8], boundary: &str) -> Result<usize, SealError> {
    let mut length = None;
    for _ in 0..LINES_MAX {
        let line = line(rest)?;
        match delimiter(line, boundary) {
            Some(false) => return length.ok_or(SealError::Malformed("it does not say its length")),
            Some(true) => break,
            None => {}
        }
        let (name, value) = line.trim().split_once(':').unwrap_or_default();
        if name.eq_ignore_ascii_case("OriginalContent") {
            let stated = parameter(value, "Length").and_then(|digits| digits.parse().ok());
            if length.is_some() || stated.is_none() {
                return Err(SealError::Malformed("its length is not one number"));
            }
            length = stated;
        }
    }
    Err(SealError::Malformed("it has no second part"))
}

/// Whether a line is a boundary, and the last one. Some clients write a space after the dashes.
fn delimiter(line: &str, boundary: &str) -> Option<bool> {
    match line.strip_prefix("--")?.trim_start().strip_prefix(boundary)?.trim_end() {
        "" => Some(false),
        "--" => Some(true),
        _ => None,
    }
}

/// The next line, without its end; the last one of a body may have none.
fn line<'a>(rest: &mut &'a [u8]) -> Result<&'a str, SealError> {
    let searched = &rest[..rest.len().min(LINE_BYTES_MAX)];
    let (line, after) = match searched.windows(2).position(|pair| pair == b"\r\n") {
        Some(end) => (&rest[..end], &rest[end + 2..]),
        None if rest.len() < LINE_BYTES_MAX => (*rest, &[][..]),
        None => return Err(SealError::Malformed("a line is too long")),
    };
    *rest = after;
    std::str::from_utf8(line).map_err(|_| SealError::Malformed("a line is not text"))
}

fn take<'a>(rest: &mut &'a [u8], length: usize) -> Result<&'a [u8], SealError> {
    let (taken, after) =
        rest.split_at_checked(length).ok_or(SealError::Malformed("it is shorter than it says"))?;
    *rest = after;
    Ok(taken)
}

/// The value of a parameter of a header; quotes are taken off.
fn parameter<'a>(header: &'a str, wanted: &str) -> Option<&'a str> {
    header.split(';').skip(1).find_map(|parameter| {
        let (name, value) = parameter.split_once('=')?;
        name.trim().eq_ignore_ascii_case(wanted).then(|| value.trim().trim_matches('"'))
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const TYPE: &str = "multipart/encrypted;protocol=\"application/HTTP-SPNEGO-session-encrypted\";boundary=\"Encrypted Boundary\"";

    #[test]
    fn content_types_say_what_seals() {
        let check = |content_type: &str, expect: Option<Protocol>| {
            assert_eq!(protocol(content_type), expect, "{content_type}");
        };
        check(TYPE, Some(Protocol::Negotiate));
        check(&TYPE.to_lowercase(), Some(Protocol::Negotiate));
        check(&TYPE.replace("SPNEGO", "Kerberos").replace(';', " ; "), Some(Protocol::Kerberos));
        check(&TYPE.replace("SPNEGO", "CredSSP"), None);
        check("multipart/encrypted", None);
        check("application/soap+xml;charset=UTF-8", None);
        for known in [Protocol::Negotiate, Protocol::Kerberos] {
            check(header(known).to_str().unwrap(), Some(known));
        }
    }

    #[test]
    fn bodies_of_all_clients_are_read() {
        let message = b"a--Encrypted Boundary--\r\nb";
        let body = write(Protocol::Negotiate, "application/soap+xml;charset=UTF-8", &[9; 16], message);
        let body = String::from_utf8(body.to_vec()).unwrap();
        let check = |body: &str| {
            let expect = Sealed { signature: &[9; 16], message };
            assert_eq!(read(TYPE, body.as_bytes()), Ok(expect), "{body}");
        };
        check(&body);
        check(&body.replace("\tContent", "Content").replace("\tOriginal", "Original"));
        check(&format!(
            "{}\r\n--Encrypted Boundary--\r\n",
            body.strip_suffix("--Encrypted Boundary--\r\n").unwrap()
        ));
        check(body.strip_suffix("\r\n").unwrap());
        let spaced = body.replacen("--Encrypted", "-- Encrypted", 2);
        check(&spaced);
        assert_eq!(
            body.lines().nth(2),
            Some("\tOriginalContent: type=application/soap+xml;charset=UTF-8;Length=26")
        );
    }

    #[test]
    fn what_is_not_of_the_form_is_refused() {
        let body = write(Protocol::Negotiate, "text/xml", &[9; 16], b"message");
        let body = String::from_utf8(body.to_vec()).unwrap();
        let check = |what: &str, body: &str| {
            assert!(matches!(read(TYPE, body.as_bytes()), Err(SealError::Malformed(_))), "{what}");
        };
        check("empty", "");
        check("longer", &body.replace("Length=7", "Length=8"));
        check("shorter", &body.replace("Length=7", "Length=6"));
        check("endless", &body.replace("Length=7", "Length=99999999999999999999"));
        check("no length", &body.replace(";Length=7", ""));
        check(
            "two lengths",
            &body.replace("\tContent-Type: application/HTTP", "\tOriginalContent: a;Length=7\r\n\tx: "),
        );
        check("more after it", &format!("{body}x"));
        check("another type", &body.replace("octet-stream", "xml"));
        check("another boundary", &body.replace("Encrypted Boundary", "Boundary"));
        check("lines", &body.replacen("\r\n\t", &"\r\n\tx: y".repeat(LINES_MAX + 1), 1));
        check(
            "a long line",
            &body.replacen("\r\n\t", &format!("\r\n\tx: {}\r\n\t", "y".repeat(LINE_BYTES_MAX)), 1),
        );
        let long = TYPE.replace("Encrypted Boundary", &"b".repeat(BOUNDARY_BYTES_MAX + 1));
        assert!(read(&long, body.as_bytes()).is_err());
        assert_eq!(read("text/xml", body.as_bytes()), Err(SealError::Unsealed));
    }

    proptest! {
        #[test]
        fn what_is_written_is_read_and_nothing_shorter(
            signature in prop::collection::vec(any::<u8>(), 0..64),
            message in prop::collection::vec(any::<u8>(), 0..2000),
            cut in any::<prop::sample::Index>(),
        ) {
            let body = write(Protocol::Kerberos, "application/soap+xml;charset=UTF-8", &signature, &message);
            let content_type = header(Protocol::Kerberos);
            let content_type = content_type.to_str().unwrap();
            prop_assert_eq!(read(content_type, &body), Ok(Sealed { signature: &signature, message: &message }));
            let cut = cut.index(body.len() - 2);
            prop_assert!(read(content_type, &body[..cut]).is_err());
        }

        #[test]
        fn any_bytes_are_read_or_refused(bytes in prop::collection::vec(any::<u8>(), 0..600), from in 0..250usize) {
            let mut body = write(Protocol::Negotiate, "text/xml", &[1; 16], &bytes).to_vec();
            for (place, byte) in bytes.iter().take(3).enumerate() {
                let place = (from + place * 41) % body.len();
                body[place] = *byte;
            }
            let _ = read(TYPE, &body);
            let _ = read(TYPE, &bytes);
        }
    }
}
