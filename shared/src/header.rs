//! Values that go into mail headers, checked so that nothing can add a header line (M-23).
//!
//! Builds names and values only. Folding, MIME and the body are done by SES.

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::{Deserialize, Serialize};

use crate::address::{EmailAddress, is_atext};
use crate::web_address::WebAddress;

#[cfg(test)]
mod tests;

/// RFC 5322 section 2.1.1: a line has at most 998 octets. A longer subject could not be
/// written unfolded, and no mail program shows a tenth of it.
pub const MAX_HEADER_TEXT_CHARACTERS: usize = 998;
/// Engineering: mail programs show about 30 characters of a sender's name.
pub const MAX_SENDER_NAME_CHARACTERS: usize = 100;
/// SES `MessageHeader`: a value has at most 995 characters.
const MAX_VALUE_OCTETS: usize = 995;
/// SES `MessageHeader`: name and value together.
const MAX_NAME_AND_VALUE_OCTETS: usize = 996;
/// RFC 2919 section 3: a list identifier is at most 255 octets.
const MAX_LIST_ID_OCTETS: usize = 255;
/// RFC 2047 section 2: an encoded word has at most 75 characters. `=?UTF-8?B?` and `?=` are
/// 12 of them, which leaves 15 groups of 4 base64 digits: 45 octets.
const MAX_ENCODED_WORD_OCTETS: usize = 45;

/// A header's name and value.
pub type Header = (&'static str, String);

/// Why something is not fit for a mail header. Carries nothing of the input.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, thiserror::Error)]
pub enum InvalidHeader {
    /// CR, LF, NUL or another control character.
    #[error("the value contains a control character")]
    ControlCharacter,
    /// Longer than the header allows.
    #[error("the value is too long")]
    TooLong,
    /// Nothing but white space.
    #[error("the value is empty")]
    Empty,
    /// An identifier or domain that is no RFC 5322 `dot-atom-text`.
    #[error("the identifier is not a dot-atom")]
    NotDotAtom,
    /// Not an absolute HTTPS URL (or, on one machine, HTTP to the machine itself), or one
    /// with characters that `List-Unsubscribe` separates by.
    #[error("the URL cannot be used for unsubscribing")]
    UnusableUrl,
}

impl InvalidHeader {
    /// Stable code for answers.
    pub const fn code(self) -> &'static str {
        match self {
            Self::ControlCharacter => "header_control_character",
            Self::TooLong => "header_too_long",
            Self::Empty => "header_empty",
            Self::NotDotAtom => "header_not_dot_atom",
            Self::UnusableUrl => "header_unusable_url",
        }
    }
}

/// Text of a header without any control character: a subject, mostly.
///
/// May hold a person's name once rendered, so it is not printed.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct HeaderText(String);

impl HeaderText {
    /// Takes one line of at most [`MAX_HEADER_TEXT_CHARACTERS`]; refuses controls.
    pub fn parse(text: &str) -> Result<Self, InvalidHeader> {
        check_text(text, MAX_HEADER_TEXT_CHARACTERS)?;
        Ok(Self(text.to_owned()))
    }

    /// Takes what a template made of a person's values: every run of controls becomes one
    /// space, so that a value cannot add a header and one odd value cannot stop a mail.
    pub fn from_rendered(text: &str) -> Result<Self, InvalidHeader> {
        let line = if text.chars().any(breaks_lines) {
            text.split(breaks_lines)
                .filter(|piece| !piece.is_empty())
                .collect::<Vec<_>>()
                .join(" ")
        } else {
            text.to_owned()
        };
        Self::parse(line.trim())
    }

    /// The text in clear.
    pub fn reveal(&self) -> &str {
        &self.0
    }

    /// The text in clear, owned.
    pub fn into_revealed(self) -> String {
        self.0
    }
}

impl fmt::Debug for HeaderText {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("HeaderText(***)")
    }
}

/// The display name in `From`: the controller's, not a person's datum.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct SenderName(String);

impl SenderName {
    /// Takes one line of 1 to [`MAX_SENDER_NAME_CHARACTERS`], trimmed; refuses controls.
    pub fn parse(name: &str) -> Result<Self, InvalidHeader> {
        let trimmed = name.trim_matches(' ');
        check_text(trimmed, MAX_SENDER_NAME_CHARACTERS)?;
        if trimmed.trim().is_empty() {
            return Err(InvalidHeader::Empty);
        }
        Ok(Self(trimmed.to_owned()))
    }

    /// The name as typed.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The mailbox for `From`: `"Muster GmbH" <news@muster.example>`, the name as encoded
    /// words where it is not ASCII (M-24), the address never.
    pub fn mailbox(&self, address: &EmailAddress) -> String {
        format!("{} <{}>", phrase(&self.0), address.reveal())
    }
}

impl TryFrom<String> for SenderName {
    type Error = InvalidHeader;

    fn try_from(name: String) -> Result<Self, InvalidHeader> {
        Self::parse(&name)
    }
}

impl From<SenderName> for String {
    fn from(name: SenderName) -> Self {
        name.0
    }
}

/// `List-Id` of an account's list (M-12): `<list.account.namespace>`.
///
/// Made of the ids, so renaming a list keeps it (RFC 2919 section 3: the identifier must not
/// change), and without a phrase, so the name is in no header at all.
pub fn list_id(account: &str, list: &str, namespace: &str) -> Result<Vec<Header>, InvalidHeader> {
    let identifier = format!("{list}.{account}.{namespace}").to_ascii_lowercase();
    let is_dot_atom = identifier
        .split('.')
        .all(|atom| !atom.is_empty() && atom.bytes().all(is_atext));
    if !is_dot_atom || list.contains('.') || account.contains('.') || !namespace.contains('.') {
        return Err(InvalidHeader::NotDotAtom);
    }
    if identifier.len() > MAX_LIST_ID_OCTETS {
        return Err(InvalidHeader::TooLong);
    }
    Ok(vec![("List-Id", format!("<{identifier}>"))])
}

/// The two headers of one-click unsubscription (M-01, M-13; RFC 8058 section 3.1).
///
/// `mailto` is a whole `mailto:` URL and comes second: RFC 2369 section 2 lets a reader
/// prefer from left to right.
pub fn list_unsubscribe(url: &str, mailto: Option<&str>) -> Result<Vec<Header>, InvalidHeader> {
    let usable = WebAddress::parse(url)
        .is_ok_and(|address| address.is_protected() && address.as_str() == url);
    if !usable || !is_plain_url(url) {
        return Err(InvalidHeader::UnusableUrl);
    }
    let mut value = format!("<{url}>");
    if let Some(mailto) = mailto {
        let usable = mailto
            .strip_prefix("mailto:")
            .is_some_and(|rest| rest.contains('@') && is_plain_url(rest));
        if !usable {
            return Err(InvalidHeader::UnusableUrl);
        }
        value.push_str(", <");
        value.push_str(mailto);
        value.push('>');
    }
    let name = "List-Unsubscribe";
    if value.len() > MAX_VALUE_OCTETS || name.len() + value.len() > MAX_NAME_AND_VALUE_OCTETS {
        return Err(InvalidHeader::TooLong);
    }
    Ok(vec![
        (name, value),
        (
            "List-Unsubscribe-Post",
            "List-Unsubscribe=One-Click".to_owned(),
        ),
    ])
}

/// Printable ASCII without space and without what separates the URLs of a list header.
fn is_plain_url(url: &str) -> bool {
    url.bytes()
        .all(|octet| octet.is_ascii_graphic() && !matches!(octet, b'<' | b'>' | b',' | b'"'))
}

fn check_text(text: &str, max_characters: usize) -> Result<(), InvalidHeader> {
    if text.chars().any(breaks_lines) {
        return Err(InvalidHeader::ControlCharacter);
    }
    if text.chars().count() > max_characters {
        return Err(InvalidHeader::TooLong);
    }
    Ok(())
}

/// Controls, and the two separators that some programs treat as a line end.
fn breaks_lines(character: char) -> bool {
    character.is_control() || matches!(character, '\u{2028}' | '\u{2029}')
}

/// RFC 5322 section 3.2.5: a phrase; quoted if ASCII, in encoded words if not.
fn phrase(text: &str) -> String {
    if text.is_ascii() {
        return format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\""));
    }
    let mut words: Vec<String> = Vec::new();
    let mut piece = String::new();
    for character in text.chars() {
        if piece.len() + character.len_utf8() > MAX_ENCODED_WORD_OCTETS {
            words.push(encoded_word(&piece));
            piece.clear();
        }
        piece.push(character);
    }
    words.push(encoded_word(&piece));
    // RFC 2047 section 6.2: the space between two encoded words is not part of the text.
    words.join(" ")
}

fn encoded_word(text: &str) -> String {
    format!("=?UTF-8?B?{}?=", STANDARD.encode(text))
}
