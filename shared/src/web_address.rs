//! Web addresses: where a form says it stands, where it was registered, where to go next.
//!
//! A small strict reader of absolute `http` and `https` URLs. Not a browser's parser: what it
//! does not understand at once, it refuses.

use std::fmt;

use idna::uts46::{AsciiDenyList, DnsLength, Hyphens, Uts46};
use serde::{Deserialize, Serialize};

#[cfg(test)]
mod tests;

/// Longest registered address in characters. Engineering: the 2,000 that all browsers take.
pub const MAX_WEB_ADDRESS_CHARACTERS: usize = 2_000;
/// What is kept of a claimed address, in characters; the rest is cut off (S-15,
/// engineering). A client writes this value, so it must not decide how much we store.
pub const MAX_CLAIMED_CHARACTERS: usize = 500;

/// Why a text is not a web address. Carries nothing of the text.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, thiserror::Error)]
pub enum InvalidWebAddress {
    /// A control character.
    #[error("the web address contains a control character")]
    ControlCharacter,
    /// More than [`MAX_WEB_ADDRESS_CHARACTERS`].
    #[error("the web address is too long")]
    TooLong,
    /// Relative, or with a scheme other than `http` and `https`.
    #[error("the web address does not begin with https:// or http://")]
    UnknownScheme,
    /// `https://user:password@host`: hides the true host from the reader.
    #[error("the web address contains a user name")]
    UserInfo,
    /// No host, or one that is neither a domain nor an IP address.
    #[error("the web address has no valid host")]
    InvalidHost,
    /// Not a number from 1 to 65535.
    #[error("the web address has no valid port")]
    InvalidPort,
    /// A space, a quote, an angle bracket, a backslash and the like.
    #[error("the web address contains a character that must be encoded")]
    UnencodedCharacter,
    /// Plain `http` where it would show personal data on the way.
    #[error("the web address must begin with https://")]
    NotProtected,
    /// A host that is not on the list of allowed ones.
    #[error("the web address leads to another host")]
    ForeignHost,
}

impl InvalidWebAddress {
    /// Stable code for answers.
    pub const fn code(self) -> &'static str {
        match self {
            Self::ControlCharacter => "web_address_control_character",
            Self::TooLong => "web_address_too_long",
            Self::UnknownScheme => "web_address_unknown_scheme",
            Self::UserInfo => "web_address_user_info",
            Self::InvalidHost => "web_address_invalid_host",
            Self::InvalidPort => "web_address_invalid_port",
            Self::UnencodedCharacter => "web_address_unencoded_character",
            Self::NotProtected => "web_address_not_protected",
            Self::ForeignHost => "web_address_foreign_host",
        }
    }
}

/// An absolute `http` or `https` URL that a controller registered: a form's page, a redirect
/// target. Scheme and host are lower-case, the host in A-labels, the rest as written.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct WebAddress {
    text: String,
    secure: bool,
    host: String,
}

impl WebAddress {
    /// Reads a registered address; surrounding spaces are dropped.
    pub fn parse(text: &str) -> Result<Self, InvalidWebAddress> {
        let text = text.trim_matches(' ');
        if text.len() > MAX_WEB_ADDRESS_CHARACTERS * 4 {
            return Err(InvalidWebAddress::TooLong);
        }
        if text.chars().any(char::is_control) {
            return Err(InvalidWebAddress::ControlCharacter);
        }
        let parts = Parts::split(text)?;
        if parts.user_info {
            return Err(InvalidWebAddress::UserInfo);
        }
        let host = canonical_host(parts.host)?;
        let mut whole = origin(&parts, &host);
        push_encoded(&mut whole, parts.rest)?;
        if whole.len() > MAX_WEB_ADDRESS_CHARACTERS {
            return Err(InvalidWebAddress::TooLong);
        }
        Ok(Self {
            text: whole,
            secure: parts.secure,
            host,
        })
    }

    /// Reads a redirect target: on one of `allowed_hosts` exactly (no sub-domains, no other
    /// port logic: a host is a name), by `https`, or by `http` on this machine.
    ///
    /// An open redirect would lend our domain's good name to anybody's phishing page.
    pub fn parse_redirect<H: AsRef<str>>(
        text: &str,
        allowed_hosts: &[H],
    ) -> Result<Self, InvalidWebAddress> {
        let address = Self::parse(text)?;
        if !address.is_protected() {
            return Err(InvalidWebAddress::NotProtected);
        }
        if allowed_hosts
            .iter()
            .any(|allowed| allowed.as_ref() == address.host)
        {
            Ok(address)
        } else {
            Err(InvalidWebAddress::ForeignHost)
        }
    }

    /// The address, ASCII only.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// The host: a domain in A-labels, an IPv4 address, or an IPv6 address in brackets.
    pub fn host(&self) -> &str {
        &self.host
    }

    /// The port: its own, or the scheme's.
    pub fn port(&self) -> u16 {
        let usual = if self.secure { 443 } else { 80 };
        Parts::split(&self.text)
            .ok()
            .and_then(|parts| parts.port)
            .unwrap_or(usual)
    }

    /// Whether it is `https`.
    pub fn is_secure(&self) -> bool {
        self.secure
    }

    /// Whether nobody on the way can read along: `https`, or `http` to `127.0.0.1` or
    /// `localhost`, where there is no way.
    pub fn is_protected(&self) -> bool {
        self.secure || matches!(self.host.as_str(), "127.0.0.1" | "localhost")
    }
}

impl TryFrom<String> for WebAddress {
    type Error = InvalidWebAddress;

    fn try_from(text: String) -> Result<Self, InvalidWebAddress> {
        Self::parse(&text)
    }
}

impl From<WebAddress> for String {
    fn from(address: WebAddress) -> Self {
        address.text
    }
}

/// The page that a request said it came from: `Referer` or `Origin`, cleaned (S-15).
///
/// Client-controlled, so evidence of a claim only; never a link, a redirect or a decision.
#[derive(Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct ClaimedAddress(String);

impl ClaimedAddress {
    /// The claimed page of a request: the `Referer` if it is usable, else the `Origin`.
    pub fn of_request(referer: Option<&str>, origin: Option<&str>) -> Option<Self> {
        referer
            .and_then(Self::clean)
            .or_else(|| origin.and_then(Self::clean))
    }

    /// Keeps scheme, host, port and path, at most [`MAX_CLAIMED_CHARACTERS`] of them.
    ///
    /// Query and fragment go because forms sent by GET carry the address there, the user
    /// name because it is a secret. Nothing is left of what is no web address.
    pub fn clean(claimed: &str) -> Option<Self> {
        let end = claimed.find(['?', '#']).unwrap_or(claimed.len());
        let claimed = claimed[..end].trim_matches(' ');
        if claimed.chars().any(char::is_control) {
            return None;
        }
        let parts = Parts::split(claimed).ok()?;
        let host = canonical_host(parts.host).ok()?;
        let mut whole = origin(&parts, &host);
        // A character becomes at least one octet, so the cut loses nothing that stays.
        let path_end = parts
            .rest
            .char_indices()
            .nth(MAX_CLAIMED_CHARACTERS)
            .map_or(parts.rest.len(), |(index, _)| index);
        push_encoded(&mut whole, &parts.rest[..path_end]).ok()?;
        whole.truncate(MAX_CLAIMED_CHARACTERS);
        // Not half a percent code at the end.
        if whole.len() == MAX_CLAIMED_CHARACTERS
            && let Some(percent) = whole.rfind('%')
            && percent + 3 > whole.len()
        {
            whole.truncate(percent);
        }
        Some(Self(whole))
    }

    /// The cleaned address in clear; a path can name a person.
    pub fn reveal(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for ClaimedAddress {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("ClaimedAddress(***)")
    }
}

impl TryFrom<String> for ClaimedAddress {
    type Error = InvalidWebAddress;

    fn try_from(text: String) -> Result<Self, InvalidWebAddress> {
        Self::clean(&text).ok_or(InvalidWebAddress::UnknownScheme)
    }
}

impl From<ClaimedAddress> for String {
    fn from(claimed: ClaimedAddress) -> Self {
        claimed.0
    }
}

/// An absolute URL, cut at its joints.
struct Parts<'a> {
    secure: bool,
    user_info: bool,
    host: &'a str,
    port: Option<u16>,
    rest: &'a str,
}

impl<'a> Parts<'a> {
    fn split(text: &'a str) -> Result<Self, InvalidWebAddress> {
        let (secure, after_scheme) = if let Some(rest) = strip_scheme(text, "https://") {
            (true, rest)
        } else if let Some(rest) = strip_scheme(text, "http://") {
            (false, rest)
        } else {
            return Err(InvalidWebAddress::UnknownScheme);
        };
        let authority_end = after_scheme
            .find(['/', '?', '#'])
            .unwrap_or(after_scheme.len());
        let (authority, rest) = after_scheme.split_at(authority_end);
        // Browsers take a backslash for a slash: what we call a user name, they call a host.
        if authority.contains('\\') {
            return Err(InvalidWebAddress::UnencodedCharacter);
        }
        let (user_info, host_and_port) = match authority.rsplit_once('@') {
            Some((_, host_and_port)) => (true, host_and_port),
            None => (false, authority),
        };
        // A colon inside brackets belongs to an IPv6 address.
        let bracket = host_and_port.rfind(']').map_or(0, |index| index + 1);
        let (host, port) = match host_and_port[bracket..].find(':') {
            None => (host_and_port, None),
            Some(colon) => {
                let (host, port) = host_and_port.split_at(bracket + colon);
                (host, Some(parse_port(&port[1..])?))
            }
        };
        Ok(Self {
            secure,
            user_info,
            host,
            port,
            rest,
        })
    }
}

fn strip_scheme<'a>(text: &'a str, scheme: &str) -> Option<&'a str> {
    let head = text.get(..scheme.len())?;
    head.eq_ignore_ascii_case(scheme)
        .then(|| &text[scheme.len()..])
}

fn parse_port(digits: &str) -> Result<u16, InvalidWebAddress> {
    if digits.is_empty() || !digits.bytes().all(|octet| octet.is_ascii_digit()) {
        return Err(InvalidWebAddress::InvalidPort);
    }
    match digits.parse() {
        Ok(0) | Err(_) => Err(InvalidWebAddress::InvalidPort),
        Ok(port) => Ok(port),
    }
}

fn canonical_host(host: &str) -> Result<String, InvalidWebAddress> {
    if let Some(inner) = host.strip_prefix('[') {
        return inner
            .strip_suffix(']')
            .and_then(|inner| inner.parse::<std::net::Ipv6Addr>().ok())
            .map(|address| format!("[{address}]"))
            .ok_or(InvalidWebAddress::InvalidHost);
    }
    // 253 octets in A-labels are at most 240 characters of 4 octets.
    if host.is_empty() || host.len() > 1_000 {
        return Err(InvalidWebAddress::InvalidHost);
    }
    let host = Uts46::new()
        .to_ascii(
            host.as_bytes(),
            AsciiDenyList::STD3,
            Hyphens::CheckFirstLast,
            DnsLength::Verify,
        )
        .map_err(|_| InvalidWebAddress::InvalidHost)?;
    let last = host.rsplit('.').next().unwrap_or_default();
    // Browsers read `2130706433` and `0x7f.1` as IPv4 addresses; only the plain form is one.
    let looks_numeric = last.bytes().all(|octet| octet.is_ascii_digit()) || last.starts_with("0x");
    if looks_numeric && host.parse::<std::net::Ipv4Addr>().is_err() {
        return Err(InvalidWebAddress::InvalidHost);
    }
    Ok(host.into_owned())
}

/// Scheme, host and port, without the scheme's own port.
fn origin(parts: &Parts<'_>, host: &str) -> String {
    let (scheme, usual_port) = if parts.secure {
        ("https", 443)
    } else {
        ("http", 80)
    };
    match parts.port {
        Some(port) if port != usual_port => format!("{scheme}://{host}:{port}"),
        _ => format!("{scheme}://{host}"),
    }
}

/// Appends path, query and fragment; what is not ASCII in percent codes (RFC 3986 section
/// 2.5), what no URL may contain is refused.
fn push_encoded(whole: &mut String, rest: &str) -> Result<(), InvalidWebAddress> {
    use fmt::Write as _;
    for octet in rest.bytes() {
        match octet {
            b'"' | b'<' | b'>' | b'\\' | b'^' | b'`' | b'{' | b'|' | b'}' => {
                return Err(InvalidWebAddress::UnencodedCharacter);
            }
            0x21..=0x7e => whole.push(char::from(octet)),
            0x80.. => {
                // Writing to a String cannot fail.
                let _ = write!(whole, "%{octet:02X}");
            }
            _ => return Err(InvalidWebAddress::UnencodedCharacter),
        }
    }
    Ok(())
}
