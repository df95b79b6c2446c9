//! Where a message may go: by https, to an address that is reachable from everywhere.
//!
//! A controller names the URL and we call it from inside: it must not lead to what only we reach
//! (the instance metadata service, a private network, this machine). Asked when it is registered
//! and of the very address that is connected to, because a name may lead elsewhere by then.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use crate::web_address::WebAddress;

/// Why a message may not go there; a stable code for answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Barred {
    /// Not by https.
    #[error("not by https")]
    NotProtected,
    /// A port that other services have: mail, remote shells, file shares.
    #[error("a port of another service")]
    Port,
    /// An address that is not reachable from everywhere.
    #[error("not a public address")]
    NotPublic,
}

impl Barred {
    /// Stable code for answers.
    pub const fn code(self) -> &'static str {
        match self {
            Self::NotProtected => "webhook_not_https",
            Self::Port => "webhook_port",
            Self::NotPublic => "webhook_address_not_public",
        }
    }
}

/// Whether messages may go to this machine: on the one-machine platform only.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Local {
    /// `http` and `https` to `127.0.0.1` and `localhost`.
    Allowed,
    /// Nothing of it.
    Barred,
}

/// What can be said of a URL before its host is looked up.
///
/// # Errors
/// When no message may go there.
pub fn check(url: &WebAddress, local: Local) -> Result<(), Barred> {
    if local == Local::Allowed && is_this_machine(url.host()) {
        return Ok(());
    }
    if !url.is_secure() {
        return Err(Barred::NotProtected);
    }
    // Below 1024 stand the services of old; https has one of them.
    if url.port() != 443 && url.port() < 1_024 {
        return Err(Barred::Port);
    }
    let literal = url.host().trim_start_matches('[').trim_end_matches(']');
    match literal.parse::<IpAddr>() {
        Ok(address) => connect(url.host(), address, local),
        // A name that only a resolver of this machine or network would answer.
        Err(_) if !url.host().contains('.') => Err(Barred::NotPublic),
        Err(_) => Ok(()),
    }
}

/// Whether this host, which was found to be at this address, may be connected to.
///
/// # Errors
/// When it may not.
pub fn connect(host: &str, address: IpAddr, local: Local) -> Result<(), Barred> {
    let may = is_public(address)
        || (local == Local::Allowed && is_this_machine(host) && address.is_loopback());
    if may { Ok(()) } else { Err(Barred::NotPublic) }
}

fn is_this_machine(host: &str) -> bool {
    matches!(host, "127.0.0.1" | "localhost")
}

/// Whether an address is reachable from everywhere (IANA's special-purpose registries).
pub fn is_public(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(address) => is_public_v4(address),
        IpAddr::V6(address) => is_public_v6(address),
    }
}

fn is_public_v4(address: Ipv4Addr) -> bool {
    let [a, b, c, _] = address.octets();
    !matches!(
        (a, b, c),
        // This network, private use (RFC 1918), this machine; groups, reserved, everybody.
        (0 | 10 | 127 | 224..=255, _, _)
            | (172, 16..=31, _)
            | (192, 168, _)
            // Shared between a provider and its customers (RFC 6598).
            | (100, 64..=127, _)
            // This link; the metadata service of every cloud.
            | (169, 254, _)
            // Protocol assignments, examples, relays of 6to4.
            | (192, 0, 0 | 2)
            | (192, 88, 99)
            | (198, 51, 100)
            | (203, 0, 113)
            // Measurements (RFC 2544).
            | (198, 18 | 19, _)
    )
}

/// Of the global range only, and nothing of it that carries another address or is an example:
/// everything else (`::1`, `fc00::/7`, `fe80::/10`, `::ffff:0:0/96`, `64:ff9b::/96`) is not in it.
fn is_public_v6(address: Ipv6Addr) -> bool {
    let [a, b, ..] = address.segments();
    match (a, b) {
        // Protocol assignments with Teredo, examples, 6to4, examples again.
        (0x2001, 0x0000..=0x01ff | 0x0db8) | (0x2002, _) | (0x3fff, 0x0000..=0x0fff) => false,
        (0x2000..=0x3fff, _) => true,
        _ => false,
    }
}
