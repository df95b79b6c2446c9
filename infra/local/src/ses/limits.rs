//! SES's limits on headers, tags, addresses and template data (A-01, A-03, A-11, M-19, M-25).
//!
//! Refuses only; what is fine is not changed.

use super::refusal::Refusal;
use super::request::NameValue;

/// Destinations of one call, over all entries.
pub(super) const MAX_DESTINATIONS: usize = 50;
const MAX_HEADERS: usize = 15;
const MAX_HEADER_NAME: usize = 126;
const MAX_HEADER_VALUE: usize = 995;
const MAX_HEADER_LINE: usize = 996;
const MAX_TEMPLATE_DATA: usize = 262_144;
const MAX_TAG: usize = 256;

/// Headers that SES writes itself (developer guide, "header fields"), refused as custom ones.
const RESERVED: [&str; 14] = [
    "bcc",
    "cc",
    "content-disposition",
    "content-transfer-encoding",
    "content-type",
    "date",
    "dkim-signature",
    "from",
    "message-id",
    "mime-version",
    "reply-to",
    "return-path",
    "subject",
    "to",
];

pub(super) fn headers(headers: &[NameValue]) -> Result<(), Refusal> {
    if headers.len() > MAX_HEADERS {
        return Err(Refusal::BadRequest("a message takes at most 15 headers"));
    }
    for (index, NameValue { name, value }) in headers.iter().enumerate() {
        // `^[!-9;-@A-~]+$`: printable ASCII without the colon.
        let name_fits = (1..=MAX_HEADER_NAME).contains(&name.len())
            && name
                .bytes()
                .all(|byte| byte.is_ascii_graphic() && byte != b':');
        if !name_fits {
            return Err(Refusal::BadRequest(
                "a header's name is empty, longer than 126 or has other characters",
            ));
        }
        let value_fits = (1..=MAX_HEADER_VALUE).contains(&value.len())
            && value
                .bytes()
                .all(|byte| byte == b' ' || byte.is_ascii_graphic());
        if !value_fits || name.len() + value.len() > MAX_HEADER_LINE {
            return Err(Refusal::BadRequest(
                "a header's value is empty, too long or not printable ASCII",
            ));
        }
        if RESERVED
            .iter()
            .any(|reserved| name.eq_ignore_ascii_case(reserved))
        {
            return Err(Refusal::BadRequest(
                "a header is one that SES writes itself",
            ));
        }
        if headers[..index]
            .iter()
            .any(|earlier| earlier.name.eq_ignore_ascii_case(name))
        {
            return Err(Refusal::BadRequest("a header is given twice"));
        }
    }
    Ok(())
}

pub(super) fn tags(tags: &[NameValue]) -> Result<(), Refusal> {
    let fits = |text: &str| {
        (1..=MAX_TAG).contains(&text.len())
            && text.bytes().all(|byte| {
                byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-' | b'.' | b'@' | b':')
            })
    };
    // Stricter than SES on purpose where A-11 is: nothing that could be an address.
    if tags
        .iter()
        .any(|tag| !fits(&tag.name) || !fits(&tag.value) || tag.value.contains('@'))
    {
        return Err(Refusal::BadRequest(
            "a tag has other characters than letters, digits, _ and -",
        ));
    }
    if tags.len() > 50 {
        return Err(Refusal::BadRequest("a message takes at most 50 tags"));
    }
    Ok(())
}

pub(super) fn template_data(data: Option<&str>) -> Result<(), Refusal> {
    if data.is_some_and(|data| data.chars().count() > MAX_TEMPLATE_DATA) {
        return Err(Refusal::BadRequest(
            "template data is longer than 262144 characters",
        ));
    }
    Ok(())
}

/// The bare address of a mailbox (`Name <a@b>` or `a@b`), if SES would take it.
pub(super) fn bare_address(mailbox: &str) -> Result<&str, Refusal> {
    let refusal = Refusal::BadRequest("an address is malformed or not ASCII before the @");
    if mailbox.chars().any(char::is_control) || mailbox.len() > 1_000 {
        return Err(refusal);
    }
    let bare = match mailbox.rfind('<') {
        Some(at) => mailbox[at + 1..]
            .trim_end()
            .strip_suffix('>')
            .ok_or(refusal)?,
        None => mailbox.trim(),
    };
    let (local, domain) = bare.rsplit_once('@').ok_or(refusal)?;
    let quoted = local.len() > 2 && local.starts_with('"') && local.ends_with('"');
    let local_fits = (1..=64).contains(&local.len())
        && local.is_ascii()
        && (quoted
            || !local
                .bytes()
                .any(|byte| byte <= b' ' || b"()<>,;:\\\"[]@".contains(&byte)));
    let domain_fits = (1..=255).contains(&domain.len())
        && domain.is_ascii()
        && domain.split('.').all(|label| {
            (1..=63).contains(&label.len())
                && label
                    .bytes()
                    .all(|byte| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_')
        });
    if local_fits && domain_fits {
        Ok(bare)
    } else {
        Err(refusal)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn header(name: &str, value: &str) -> Vec<NameValue> {
        vec![NameValue {
            name: name.to_owned(),
            value: value.to_owned(),
        }]
    }

    #[test]
    fn headers_are_taken_up_to_their_limits_and_not_beyond() {
        let long = |n: usize| "a".repeat(n);
        let table = [
            (header("List-Unsubscribe", "<https://x.example/u/1>"), true),
            (header("X", &long(995)), true),
            (header("X", &long(996)), false),
            (header("XX", &long(995)), false),
            (header(&long(126), &long(870)), true),
            (header(&long(127), "v"), false),
            (header(&long(126), &long(871)), false),
            (header("X:Y", "v"), false),
            (header("X Y", "v"), false),
            (header("", "v"), false),
            (header("X", ""), false),
            (header("X", "ü"), false),
            (header("X", "a\r\nBcc: b@x.example"), false),
            (header("Subject", "v"), false),
            (
                (0..15)
                    .flat_map(|n| header(&format!("X{n}"), "v"))
                    .collect(),
                true,
            ),
            (
                (0..16)
                    .flat_map(|n| header(&format!("X{n}"), "v"))
                    .collect(),
                false,
            ),
            ([header("X-A", "1"), header("x-a", "2")].concat(), false),
        ];
        for (input, fits) in table {
            let shown = input
                .first()
                .map(|header| (header.name.len(), header.value.len()));
            assert_eq!(headers(&input).is_ok(), fits, "{shown:?}");
        }
    }

    #[test]
    fn addresses_are_ascii_and_within_their_lengths() {
        let table = [
            ("max@x.example", Some("max@x.example")),
            ("Max Müller <Max@X.example>", Some("Max@X.example")),
            ("\"a b\"@x.example", Some("\"a b\"@x.example")),
            ("δοκιμή@x.example", None),
            ("max@bücher.example", None),
            ("max", None),
            ("max@", None),
            ("@x.example", None),
            ("a b@x.example", None),
            ("max@x..example", None),
            ("max@x.example\r\nBcc: a@b.example", None),
        ];
        for (input, expected) in table {
            assert_eq!(bare_address(input).ok(), expected, "{input}");
        }
        assert!(bare_address(&format!("{}@x.example", "a".repeat(64))).is_ok());
        assert!(bare_address(&format!("{}@x.example", "a".repeat(65))).is_err());
    }

    #[test]
    fn template_data_and_tags_have_limits() {
        assert!(template_data(Some(&"ü".repeat(262_144))).is_ok());
        assert!(template_data(Some(&"ü".repeat(262_145))).is_err());
        for (value, fits) in [
            ("c1-a_b", true),
            ("", false),
            ("a b", false),
            ("a@b", false),
            ("ü", false),
        ] {
            assert_eq!(tags(&header("campaign", value)).is_ok(), fits, "{value}");
        }
    }
}
