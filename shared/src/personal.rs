//! Personal data that is not an address: free text, client addresses.
//!
//! `Debug` is masked and there is no `Display`; one named method reveals. `Serialize` writes the
//! value, for the store and the controller's API only: logs and queues take other types.

use std::fmt;
use std::net::IpAddr;

use serde::{Deserialize, Serialize};

/// Longest value of a form field in characters (engineering; the form's own limit is 64 KB).
pub const MAX_TEXT_CHARACTERS: usize = 500;

/// The text is too long or has a control character.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum InvalidText {
    /// More than [`MAX_TEXT_CHARACTERS`].
    #[error("too long")]
    TooLong,
    /// CR, LF, NUL or another control character (M-23).
    #[error("contains a control character")]
    Control,
}

/// One line of text somebody gave about a person: a name, a street, a customer number.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct PersonalText(String);

impl PersonalText {
    /// Takes one line; white space around it goes, leading zeros stay (S-06).
    ///
    /// # Errors
    /// When it is too long or has control characters.
    pub fn parse(text: &str) -> Result<Self, InvalidText> {
        let text = text.trim();
        if text
            .chars()
            .any(|c| c.is_control() || matches!(c, '\u{2028}' | '\u{2029}'))
        {
            return Err(InvalidText::Control);
        }
        if text.chars().count() > MAX_TEXT_CHARACTERS {
            return Err(InvalidText::TooLong);
        }
        Ok(Self(text.to_owned()))
    }

    /// The text itself.
    pub fn reveal(&self) -> &str {
        &self.0
    }

    /// Whether nothing is in it.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl fmt::Debug for PersonalText {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("PersonalText(***)")
    }
}

impl TryFrom<String> for PersonalText {
    type Error = InvalidText;
    fn try_from(text: String) -> Result<Self, InvalidText> {
        Self::parse(&text)
    }
}

impl From<PersonalText> for String {
    fn from(text: PersonalText) -> String {
        text.0
    }
}

/// The address a request came from, as the trusted hop saw it. Evidence only (T-07).
#[derive(Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct ClientIp(IpAddr);

impl ClientIp {
    /// An address without port, as `requestContext.http.sourceIp` has it.
    ///
    /// # Errors
    /// When it is no IP address.
    pub fn parse(text: &str) -> Result<Self, std::net::AddrParseError> {
        text.parse().map(Self)
    }

    /// The address as text.
    pub fn reveal(&self) -> String {
        self.0.to_string()
    }

    /// What the limits count as one client: an IPv4 address, or an IPv6 /64 (M-30).
    pub fn client_bytes(&self) -> [u8; 8] {
        match self.0 {
            IpAddr::V4(v4) => {
                let [a, b, c, d] = v4.octets();
                [0, 0, 0, 4, a, b, c, d]
            }
            IpAddr::V6(v6) => match v6.to_ipv4_mapped() {
                Some(v4) => Self(IpAddr::V4(v4)).client_bytes(),
                None => {
                    let mut network = [0; 8];
                    network.copy_from_slice(&v6.octets()[..8]);
                    network
                }
            },
        }
    }
}

impl fmt::Debug for ClientIp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ClientIp(***)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_is_one_line_and_never_printed() {
        assert_eq!(PersonalText::parse("  00042 ").unwrap().reveal(), "00042");
        assert_eq!(
            PersonalText::parse("a\r\nBcc: x"),
            Err(InvalidText::Control)
        );
        assert_eq!(PersonalText::parse("a\u{0}b"), Err(InvalidText::Control));
        assert_eq!(
            PersonalText::parse(&"ä".repeat(501)),
            Err(InvalidText::TooLong)
        );
        assert_eq!(
            format!("{:?}", PersonalText::parse("Erika").unwrap()),
            "PersonalText(***)"
        );
    }

    #[test]
    fn a_client_is_an_ipv4_address_or_an_ipv6_network() {
        let client = |text: &str| ClientIp::parse(text).unwrap().client_bytes();
        assert_eq!(client("2001:db8::1"), client("2001:db8::ffff"));
        assert_ne!(client("2001:db8::1"), client("2001:db8:0:1::1"));
        assert_eq!(client("::ffff:192.0.2.1"), client("192.0.2.1"));
        assert_ne!(client("192.0.2.2"), client("192.0.2.1"));
        assert!(ClientIp::parse("192.0.2.1:80").is_err());
        assert_eq!(
            format!("{:?}", ClientIp::parse("192.0.2.1").unwrap()),
            "ClientIp(***)"
        );
    }
}
