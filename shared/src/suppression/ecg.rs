//! The Austrian ECG list (§ 7(2) ECG): who does not want unasked advertising, as 20-byte SHA-1
//! digests of addresses and of `@domain`, in lower case, one after the other without anything in
//! between. A hit bars a soft opt-in (§ 174(4) TKG 2021); a consent it does not touch.
//!
//! Where the list comes from is the controller's affair; here it is kept and looked up.

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD_NO_PAD;
use jiff::Timestamp;
use ring::digest::{SHA1_FOR_LEGACY_USE_ONLY, digest};
use serde::{Deserialize, Serialize};

use crate::address::EmailAddress;
use crate::id::{EventId, InvalidId};
use crate::key::{AccountScope, Key};
use crate::record::Stored;

/// Octets of a digest.
const OCTETS: usize = 20;
/// Largest file: what one request may carry.
pub const MAX_FILE_OCTETS: usize = 4 << 20;
/// Digests of one item: 320,000 characters of the 400 KB that it may have.
const CHUNK: usize = 12_000;

type Digest = [u8; OCTETS];

/// The file is no ECG list.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum InvalidEcgFile {
    /// Nothing is in it.
    #[error("empty")]
    Empty,
    /// It is longer than a request may be.
    #[error("too long")]
    TooLong,
    /// A digest has 20 octets.
    #[error("not a multiple of 20 octets")]
    NotWhole,
}

impl InvalidEcgFile {
    /// Stable code for answers.
    pub const fn code(self) -> &'static str {
        match self {
            Self::Empty => "empty",
            Self::TooLong => "too_long",
            Self::NotWhole => "not_a_multiple_of_20",
        }
    }
}

/// Digests in order, each once.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct EcgDigests(Vec<Digest>);

impl EcgDigests {
    /// Reads the file.
    ///
    /// # Errors
    /// When it is none.
    pub fn parse(file: &[u8]) -> Result<Self, InvalidEcgFile> {
        if file.is_empty() {
            return Err(InvalidEcgFile::Empty);
        }
        if file.len() > MAX_FILE_OCTETS {
            return Err(InvalidEcgFile::TooLong);
        }
        let (digests, rest) = file.as_chunks::<OCTETS>();
        if !rest.is_empty() {
            return Err(InvalidEcgFile::NotWhole);
        }
        let mut digests = digests.to_vec();
        digests.sort_unstable();
        digests.dedup();
        Ok(Self(digests))
    }

    /// The list out of its chunks, in their order.
    pub fn of(chunks: Vec<EcgChunk>) -> Self {
        Self(
            chunks
                .into_iter()
                .flat_map(|chunk| chunk.digests.0)
                .collect(),
        )
    }

    /// How many there are.
    pub fn count(&self) -> usize {
        self.0.len()
    }

    /// The items to keep.
    pub fn chunks(&self, version: EventId) -> Vec<EcgChunk> {
        (0..)
            .zip(self.0.chunks(CHUNK))
            .map(|(number, digests)| EcgChunk {
                version,
                number,
                rev: 1,
                digests: Packed(digests.to_vec()),
            })
            .collect()
    }

    /// Whether the address, or its whole domain, is listed.
    pub fn lists(&self, address: &EmailAddress) -> bool {
        let folded = address.folded();
        let domain = format!("@{}", address.domain());
        [folded.reveal_bytes(), domain.as_bytes()]
            .into_iter()
            .any(|text| self.holds(text))
    }

    fn holds(&self, text: &[u8]) -> bool {
        let wanted = digest(&SHA1_FOR_LEGACY_USE_ONLY, text);
        self.0
            .binary_search_by(|known| known.as_slice().cmp(wanted.as_ref()))
            .is_ok()
    }
}

/// Digests as an item has them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Packed(Vec<Digest>);

impl TryFrom<String> for Packed {
    type Error = InvalidId;
    fn try_from(text: String) -> Result<Self, InvalidId> {
        let bytes = BASE64_STANDARD_NO_PAD.decode(text).map_err(|_| InvalidId)?;
        let (digests, rest) = bytes.as_chunks::<OCTETS>();
        if rest.is_empty() {
            Ok(Self(digests.to_vec()))
        } else {
            Err(InvalidId)
        }
    }
}

impl From<Packed> for String {
    fn from(packed: Packed) -> String {
        BASE64_STANDARD_NO_PAD.encode(packed.0.as_flattened())
    }
}

/// The list that is in force.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct EcgList {
    /// Names its chunks.
    pub version: EventId,
    /// Grows with each write.
    pub rev: u64,
    /// How many digests it has.
    pub entries: usize,
    /// The file's SHA-256.
    pub sha256: String,
    /// Since when it is in force.
    pub uploaded_at: Timestamp,
}

impl EcgList {
    /// Where it is kept.
    pub fn place(scope: &AccountScope) -> Key {
        scope.configuration(Self::KIND, "at")
    }
}

/// Some of its digests.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct EcgChunk {
    /// Of which list.
    pub version: EventId,
    /// Its number, from 0.
    pub number: u32,
    /// 1: written once.
    pub rev: u64,
    /// In order.
    pub digests: Packed,
}

impl EcgChunk {
    /// What the keys of a list's chunks begin with, in the account's partition.
    pub fn prefix(version: EventId) -> String {
        format!("{}#{version}#", Self::KIND)
    }
}

impl Stored for EcgList {
    const KIND: &'static str = "ecg_list";

    fn key(&self, scope: &AccountScope) -> Key {
        Self::place(scope)
    }

    fn revision(&self) -> u64 {
        self.rev
    }
}

impl Stored for EcgChunk {
    const KIND: &'static str = "ecg_chunk";

    fn key(&self, scope: &AccountScope) -> Key {
        // Numbers sort as text.
        let id = format!("{}#{:04}", self.version, self.number);
        scope.configuration(Self::KIND, &id)
    }

    fn revision(&self) -> u64 {
        self.rev
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sha1(text: &str) -> Vec<u8> {
        digest(&SHA1_FOR_LEGACY_USE_ONLY, text.as_bytes())
            .as_ref()
            .to_vec()
    }

    #[test]
    fn an_address_is_listed_by_itself_or_by_its_domain_in_any_case() {
        // FIPS 180-1, appendix A: the digest of `abc`.
        let known = "a9993e364706816aba3e25717850c26c9cd0d89d";
        assert_eq!(crate::crypto::hex(&sha1("abc")), known);
        let mut file = sha1("max@shop.example");
        file.extend(sha1("@listed.example"));
        file.extend(sha1("max@shop.example"));
        let list = EcgDigests::parse(&file).unwrap();
        assert_eq!(list.count(), 2);
        let kept = EcgDigests::of(list.chunks(EventId::from_bytes([1; 16])));
        assert_eq!(kept, list);
        for (address, listed) in [
            ("max@shop.example", true),
            ("MAX@Shop.Example", true),
            ("moritz@shop.example", false),
            ("anybody@LISTED.example", true),
            ("anybody@sub.listed.example", false),
        ] {
            let address = EmailAddress::parse(address).unwrap();
            assert_eq!(kept.lists(&address), listed);
        }
    }

    #[test]
    fn a_file_of_another_length_is_refused_and_a_large_one_is_kept_in_items_that_fit() {
        let whole = vec![7; MAX_FILE_OCTETS / OCTETS * OCTETS];
        for (file, error) in [
            (&[][..], InvalidEcgFile::Empty),
            (&[0; 19], InvalidEcgFile::NotWhole),
            (&[0; 41], InvalidEcgFile::NotWhole),
            (&vec![0; MAX_FILE_OCTETS + 1], InvalidEcgFile::TooLong),
        ] {
            assert_eq!(EcgDigests::parse(file), Err(error), "{}", file.len());
        }
        assert_eq!(EcgDigests::parse(&whole).unwrap().count(), 1);
        let many: Vec<u8> = (0..100_000_u32)
            .flat_map(|number| sha1(&number.to_string()))
            .collect();
        let list = EcgDigests::parse(&many).unwrap();
        let chunks = list.chunks(EventId::from_bytes([1; 16]));
        assert_eq!(chunks.len(), 9);
        for chunk in &chunks {
            assert!(serde_json::to_string(chunk).unwrap().len() < 350_000);
        }
        assert_eq!(EcgDigests::of(chunks), list);
    }
}
