//! Reading RFC 2047 encoded words, to show a header to people.
//!
//! Writing them is `mail-builder`'s part. What cannot be read stays as it is.

use base64::Engine as _;

/// The header's text with its UTF-8 encoded words read.
pub(crate) fn decode(header: &str) -> String {
    let mut out = String::with_capacity(header.len());
    let mut rest = header;
    let mut after_word = false;
    while let Some(at) = rest.find("=?") {
        let Some((text, len)) = word(&rest[at..]) else {
            out.push_str(&rest[..at + 2]);
            rest = &rest[at + 2..];
            after_word = false;
            continue;
        };
        // White space between two encoded words is not shown (RFC 2047 section 6.2).
        if !(after_word && rest[..at].trim().is_empty()) {
            out.push_str(&rest[..at]);
        }
        out.push_str(&text);
        rest = &rest[at + len..];
        after_word = true;
    }
    out.push_str(rest);
    out
}

/// The encoded word at the start: its text and its length.
fn word(input: &str) -> Option<(String, usize)> {
    let mut parts = input.strip_prefix("=?")?.splitn(3, '?');
    let (charset, encoding, rest) = (parts.next()?, parts.next()?, parts.next()?);
    let (payload, _) = rest.split_once("?=")?;
    if !["utf-8", "us-ascii"]
        .iter()
        .any(|known| charset.eq_ignore_ascii_case(known))
    {
        return None;
    }
    let bytes = if encoding.eq_ignore_ascii_case("b") {
        base64::engine::general_purpose::STANDARD
            .decode(payload)
            .ok()?
    } else if encoding.eq_ignore_ascii_case("q") {
        percent_encoding::percent_decode_str(
            &payload
                .replace('%', "=25")
                .replace('=', "%")
                .replace('_', " "),
        )
        .collect()
    } else {
        return None;
    };
    let len = 2 + charset.len() + 1 + encoding.len() + 1 + payload.len() + 2;
    Some((String::from_utf8(bytes).ok()?, len))
}
