//! The consent certificate: everything that a third party needs to check a sign-up offline.
//!
//! Every byte of it is covered: statements by leaf, path and signature, documents by their digest.
//! `docs/verify.py` checks one without any of this code.

use serde::Serialize;
use serde_json::Value;

use super::document::Document;
use super::seal::{Inclusion, Sealed};
use super::{Digest, Entry, Statement};
use crate::id::EventId;

/// The format's name on the wire.
pub const FORMAT: &str = "rundbrief-certificate-1";

/// A certificate.
#[derive(Debug, Serialize)]
pub struct Certificate {
    /// [`FORMAT`].
    pub format: &'static str,
    /// What is stated, in order.
    pub entries: Vec<CertifiedEntry>,
    /// What the statements name by digest.
    pub documents: Vec<CertifiedDocument>,
}

/// One statement with its proof.
#[derive(Debug, Serialize)]
pub struct CertifiedEntry {
    /// What is stated; its canonical JSON is what was hashed.
    pub statement: Value,
    /// Its salt.
    pub salt: super::Salt,
    /// Its leaf.
    pub leaf: EventId,
    /// Where the leaf stands; `null` until the hour is sealed.
    pub inclusion: Option<Inclusion>,
    /// The seal over it.
    pub seal: Option<CertifiedSeal>,
}

/// A seal in a certificate.
#[derive(Debug, Clone, Serialize)]
pub struct CertifiedSeal {
    /// What is signed.
    pub sealed: Sealed,
    /// Ed25519 over its canonical JSON, in base 64.
    pub signature: String,
}

/// A document in a certificate.
#[derive(Debug, Serialize)]
pub struct CertifiedDocument {
    /// Its digest.
    pub sha256: Digest,
    /// Its words.
    pub text: String,
}

impl CertifiedEntry {
    /// A statement with what is known of its leaf.
    pub fn new(
        statement: &Statement,
        entry: Entry,
        proof: Option<(Inclusion, CertifiedSeal)>,
    ) -> Self {
        let (inclusion, seal) = proof.unzip();
        Self {
            statement: serde_json::from_str(statement.reveal()).unwrap_or_default(),
            salt: entry.salt,
            leaf: entry.leaf,
            inclusion,
            seal,
        }
    }
}

impl From<Document> for CertifiedDocument {
    fn from(document: Document) -> Self {
        Self {
            sha256: document.sha256,
            text: document.text,
        }
    }
}
