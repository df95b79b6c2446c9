//! E-mail addresses: parsed once at the border, in canonical form v1.
//!
//! Syntax and identity only. Whether a mailbox exists, is suppressed or belongs to a
//! subscriber is decided elsewhere.
//!
//! **Canonical form v1** (M-18 to M-21): the local part exactly as typed, `@`, the domain as
//! lower-case A-labels. The file `vectors/address-v1.json` fixes it, not the version of a
//! crate: whoever updates `idna` and breaks a vector has changed people's keys.

use std::borrow::Cow;
use std::fmt;

use idna::uts46::{AsciiDenyList, DnsLength, Hyphens, Uts46};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

#[cfg(test)]
mod tests;

/// RFC 5321 section 4.5.3.1.1.
const MAX_LOCAL_PART_OCTETS: usize = 64;
/// 255 octets on the wire (RFC 1035 section 2.3.4) are 253 in dotted form.
const MAX_DOMAIN_OCTETS: usize = 253;
/// RFC 1035 section 2.3.4.
const MAX_LABEL_OCTETS: usize = 63;
/// A path is at most 256 octets, its two angle brackets included: RFC 5321 section 4.5.3.1.3.
const MAX_ADDRESS_OCTETS: usize = 254;
/// What is looked at at all. A domain of 253 octets decodes to at most 240 characters of 4
/// octets, so nothing valid is longer, and IDNA never sees more than this.
const MAX_INPUT_OCTETS: usize = 1_100;

/// An address that a mail can be sent to.
///
/// Equality compares the sendable form, so `Max@x.de` and `max@x.de` differ here. Whether
/// two addresses are the same person is asked of [`EmailAddress::folded`].
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct EmailAddress {
    sendable: Box<str>,
}

/// Why a text is not an [`EmailAddress`]. Carries nothing of the text.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, thiserror::Error)]
pub enum InvalidAddress {
    /// Nothing but spaces.
    #[error("the address is empty")]
    Empty,
    /// A control character: what header injection is made of (M-23).
    #[error("the address contains a control character")]
    ControlCharacter,
    /// More than 254 octets after IDNA.
    #[error("the address is too long")]
    TooLong,
    /// No `@`.
    #[error("the address has no @")]
    MissingAt,
    /// Nothing before the `@`.
    #[error("the address has nothing before the @")]
    MissingLocalPart,
    /// SES has no SMTPUTF8, so such a mailbox cannot be reached (M-19).
    #[error("the part before the @ has characters outside ASCII")]
    LocalPartNotAscii,
    /// More than 64 octets before the `@`.
    #[error("the part before the @ is too long")]
    LocalPartTooLong,
    /// Not an RFC 5321 `Dot-string`. Quoted strings and comments are refused on purpose:
    /// nobody's mailbox needs them, and every parser reads them differently.
    #[error("the part before the @ is malformed")]
    MalformedLocalPart,
    /// Nothing after the `@`.
    #[error("the address has nothing after the @")]
    MissingDomain,
    /// `[192.0.2.1]`, `192.0.2.1` and the like.
    #[error("the address names a host by its IP address")]
    IpAddressDomain,
    /// `user@localhost`: not a public mail domain.
    #[error("the domain has only one label")]
    SingleLabelDomain,
    /// A label of more than 63 octets after IDNA.
    #[error("a label of the domain is too long")]
    LabelTooLong,
    /// More than 253 octets after IDNA.
    #[error("the domain is too long")]
    DomainTooLong,
    /// Refused by UTS 46, or an empty label.
    #[error("the domain is malformed")]
    MalformedDomain,
}

impl InvalidAddress {
    /// Stable code for answers and import reports.
    pub const fn code(self) -> &'static str {
        match self {
            Self::Empty => "address_empty",
            Self::ControlCharacter => "address_control_character",
            Self::TooLong => "address_too_long",
            Self::MissingAt => "address_missing_at",
            Self::MissingLocalPart => "address_missing_local_part",
            Self::LocalPartNotAscii => "address_local_part_not_ascii",
            Self::LocalPartTooLong => "address_local_part_too_long",
            Self::MalformedLocalPart => "address_malformed_local_part",
            Self::MissingDomain => "address_missing_domain",
            Self::IpAddressDomain => "address_ip_address_domain",
            Self::SingleLabelDomain => "address_single_label_domain",
            Self::LabelTooLong => "address_label_too_long",
            Self::DomainTooLong => "address_domain_too_long",
            Self::MalformedDomain => "address_malformed_domain",
        }
    }
}

impl EmailAddress {
    /// Reads what somebody typed.
    ///
    /// Surrounding spaces are dropped, because phone keyboards add one after a completed
    /// word. Tabs and line ends are not: no keyboard adds them, header injection does.
    pub fn parse(typed: &str) -> Result<Self, InvalidAddress> {
        let typed = typed.trim_matches(' ');
        if typed.is_empty() {
            return Err(InvalidAddress::Empty);
        }
        if typed.len() > MAX_INPUT_OCTETS {
            return Err(InvalidAddress::TooLong);
        }
        if typed.chars().any(char::is_control) {
            return Err(InvalidAddress::ControlCharacter);
        }
        let (local, domain) = typed.rsplit_once('@').ok_or(InvalidAddress::MissingAt)?;
        check_local_part(local)?;
        let domain = canonical_domain(domain)?;
        if local.len() + 1 + domain.len() > MAX_ADDRESS_OCTETS {
            return Err(InvalidAddress::TooLong);
        }
        Ok(Self {
            sendable: format!("{local}@{domain}").into_boxed_str(),
        })
    }

    /// The address in clear, as it is mailed: `Max@x.de` for `Max@X.DE`.
    pub fn reveal(&self) -> &str {
        &self.sendable
    }

    /// The part before the `@`, as typed. As personal as the whole.
    pub fn reveal_local_part(&self) -> &str {
        self.parts().0
    }

    /// The domain in lower-case A-labels.
    pub fn domain(&self) -> &str {
        self.parts().1
    }

    /// What a person is recognised by: a withdrawal by `Max@x.de` stops `max@x.de` (M-21).
    ///
    /// Dots and `+tags` stay: they make different mailboxes at most providers (M-20).
    pub fn folded(&self) -> FoldedAddress {
        FoldedAddress(self.sendable.to_ascii_lowercase())
    }

    /// What sign-up limits count: Gmail delivers `m.a.x+shop@` and `max@` to one mailbox, and
    /// attackers use that to flood it (M-22). Never an identity.
    pub fn rate_key_form(&self) -> RateKeyForm {
        let (local, domain) = self.parts();
        if !matches!(domain, "gmail.com" | "googlemail.com") {
            return RateKeyForm(self.folded().0);
        }
        let mut form: String = local
            .split('+')
            .next()
            .unwrap_or_default()
            .chars()
            .filter(|&character| character != '.')
            .map(|character| character.to_ascii_lowercase())
            .collect();
        form.push_str("@gmail.com");
        RateKeyForm(form)
    }

    fn parts(&self) -> (&str, &str) {
        // Every value went through `parse`, so there is an `@`.
        self.sendable
            .rsplit_once('@')
            .unwrap_or((&self.sendable, ""))
    }
}

impl fmt::Debug for EmailAddress {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("EmailAddress(***)")
    }
}

/// Writes the address in clear: for storage and the API's answers only. Nothing that is
/// logged, tagged or queued may hold a field of this type.
impl Serialize for EmailAddress {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.reveal())
    }
}

impl<'de> Deserialize<'de> for EmailAddress {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let typed = Cow::<'de, str>::deserialize(deserializer)?;
        Self::parse(&typed).map_err(serde::de::Error::custom)
    }
}

/// An address without regard to case: the input of the person key, of duplicate checks and
/// of suppression. Not for mailing: the local part's case is lost.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct FoldedAddress(String);

impl FoldedAddress {
    /// The folded address in clear, for the HMAC of the person key.
    pub fn reveal_bytes(&self) -> &[u8] {
        self.0.as_bytes()
    }
}

impl fmt::Debug for FoldedAddress {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("FoldedAddress(***)")
    }
}

/// The mailbox that a sign-up limit counts. A type of its own, so that it cannot become a
/// person key.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct RateKeyForm(String);

impl RateKeyForm {
    /// The form in clear, for the HMAC of the guard counter.
    pub fn reveal_bytes(&self) -> &[u8] {
        self.0.as_bytes()
    }
}

impl fmt::Debug for RateKeyForm {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("RateKeyForm(***)")
    }
}

/// RFC 5321 section 4.1.2: `Dot-string = Atom *("." Atom)`.
fn check_local_part(local: &str) -> Result<(), InvalidAddress> {
    if local.is_empty() {
        return Err(InvalidAddress::MissingLocalPart);
    }
    if !local.is_ascii() {
        return Err(InvalidAddress::LocalPartNotAscii);
    }
    if local.len() > MAX_LOCAL_PART_OCTETS {
        return Err(InvalidAddress::LocalPartTooLong);
    }
    let is_dot_string = local
        .split('.')
        .all(|atom| !atom.is_empty() && atom.bytes().all(is_atext));
    if is_dot_string {
        Ok(())
    } else {
        Err(InvalidAddress::MalformedLocalPart)
    }
}

/// RFC 5322 section 3.2.3.
pub(crate) const fn is_atext(octet: u8) -> bool {
    octet.is_ascii_alphanumeric()
        || matches!(
            octet,
            b'!' | b'#'
                | b'$'
                | b'%'
                | b'&'
                | b'\''
                | b'*'
                | b'+'
                | b'-'
                | b'/'
                | b'='
                | b'?'
                | b'^'
                | b'_'
                | b'`'
                | b'{'
                | b'|'
                | b'}'
                | b'~'
        )
}

/// UTS 46 without transitional processing, letters, digits and hyphens only.
///
/// Hyphens in the third and fourth place are allowed: such domains are registered. Lengths
/// are checked here rather than by the crate, so that each has its own answer.
fn canonical_domain(typed: &str) -> Result<Cow<'_, str>, InvalidAddress> {
    if typed.is_empty() {
        return Err(InvalidAddress::MissingDomain);
    }
    if typed.starts_with('[') {
        return Err(InvalidAddress::IpAddressDomain);
    }
    let domain = Uts46::new()
        .to_ascii(
            typed.as_bytes(),
            AsciiDenyList::STD3,
            Hyphens::CheckFirstLast,
            DnsLength::Ignore,
        )
        .map_err(|_| InvalidAddress::MalformedDomain)?;
    if domain.split('.').any(str::is_empty) {
        return Err(InvalidAddress::MalformedDomain);
    }
    if domain
        .split('.')
        .any(|label| label.len() > MAX_LABEL_OCTETS)
    {
        return Err(InvalidAddress::LabelTooLong);
    }
    if domain.len() > MAX_DOMAIN_OCTETS {
        return Err(InvalidAddress::DomainTooLong);
    }
    match domain.rsplit_once('.') {
        None => Err(InvalidAddress::SingleLabelDomain),
        // No top-level domain is numeric (RFC 3696 section 2), so this is an IPv4 address.
        Some((_, top)) if top.bytes().all(|octet| octet.is_ascii_digit()) => {
            Err(InvalidAddress::IpAddressDomain)
        }
        Some(_) => Ok(domain),
    }
}
