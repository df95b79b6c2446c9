//! Sealing: each hour's leaves become a Merkle tree, its root is chained and signed (Ed25519).
//!
//! Decides only. The private key is in the sealing secret, which `retention` alone may read;
//! everybody may have the public one.

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use jiff::Timestamp;
use ring::hkdf;
use ring::signature::{ED25519, Ed25519KeyPair, KeyPair as _, UnparsedPublicKey};
use serde::{Deserialize, Serialize};

use super::{Digest, Leaf, canonical, merkle};
use crate::crypto::hex;
use crate::id::{AccountId, EventId};
use crate::key::{AccountScope, Key};
use crate::record::Stored;
use crate::time::{ShownInstant, plus_seconds};

/// Leaves in a page: a power of two, so that pages are subtrees, and small enough for an item
/// (48 bytes each in base 64: 262 KB of 400 KB, A-25).
pub const PAGE_LEAVES: usize = 4_096;

/// The key that seals are signed with.
pub struct SealingKey {
    pair: Ed25519KeyPair,
    public: PublicKey,
}

/// The sealing secret is too short or the key cannot be made.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the sealing secret is not a long random string")]
pub struct InvalidSealingSecret;

impl SealingKey {
    /// The key of this secret, a random string of at least 32 bytes.
    ///
    /// # Errors
    /// When it is shorter.
    pub fn of(secret: &str) -> Result<Self, InvalidSealingSecret> {
        if secret.len() < 32 {
            return Err(InvalidSealingSecret);
        }
        let mut seed = [0; 32];
        hkdf::Salt::new(hkdf::HKDF_SHA256, b"")
            .extract(secret.as_bytes())
            .expand(&[b"rundbrief sealing key v1"], hkdf::HKDF_SHA256)
            .and_then(|okm| okm.fill(&mut seed))
            .map_err(|_| InvalidSealingSecret)?;
        let pair = Ed25519KeyPair::from_seed_unchecked(&seed).map_err(|_| InvalidSealingSecret)?;
        let public = PublicKey::new(pair.public_key().as_ref());
        Ok(Self { pair, public })
    }

    /// What signatures are checked with.
    pub fn public(&self) -> &PublicKey {
        &self.public
    }
}

/// A public key by which seals are checked.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PublicKey {
    /// The first 16 hex digits of the key's SHA-256.
    pub id: String,
    /// 1.
    pub rev: u64,
    /// `Ed25519`.
    pub algorithm: String,
    /// The 32 bytes in base 64.
    pub key: String,
}

impl PublicKey {
    fn new(bytes: &[u8]) -> Self {
        Self {
            id: hex(&Digest::of(&[bytes]).0[..8]),
            rev: 1,
            algorithm: "Ed25519".to_owned(),
            key: BASE64_STANDARD.encode(bytes),
        }
    }

    /// The partition of all public keys.
    pub fn partition() -> String {
        Key::global(Self::PLACE, "").pk
    }

    const PLACE: &'static str = "sealing-keys";

    /// Where it is kept; it belongs to no account.
    pub fn place(&self) -> Key {
        Key::global(Self::PLACE, self.id.clone())
    }

    /// Whether `signature` over `message` is this key's.
    pub fn verifies(&self, message: &[u8], signature: &[u8]) -> bool {
        BASE64_STANDARD.decode(&self.key).is_ok_and(|key| {
            UnparsedPublicKey::new(&ED25519, key)
                .verify(message, signature)
                .is_ok()
        })
    }
}

impl Stored for PublicKey {
    const KIND: &'static str = "sealing_key";

    fn key(&self, _: &AccountScope) -> Key {
        self.place()
    }

    fn revision(&self) -> u64 {
        self.rev
    }
}

/// What a seal says, all of it signed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sealed {
    /// The version of this shape: 1.
    pub v: u8,
    /// Whose ledger.
    pub account: AccountId,
    /// The first is 1; none is left out.
    pub number: u64,
    /// When it was made, to the millisecond.
    #[serde(serialize_with = "shown")]
    pub sealed_at: Timestamp,
    /// How many leaves the tree has.
    pub leaves: u64,
    /// The tree's root.
    pub root: Digest,
    /// The digest of what the seal before says.
    pub previous: Option<Digest>,
    /// Which key signed it.
    pub key: String,
}

/// What is signed is what answers show.
fn shown<S: serde::Serializer>(at: &Timestamp, serializer: S) -> Result<S::Ok, S::Error> {
    ShownInstant(*at).serialize(serializer)
}

impl Sealed {
    /// What is signed: canonical JSON.
    pub fn text(&self) -> String {
        canonical(&serde_json::to_value(self).unwrap_or_default())
    }

    /// The digest that the next seal names.
    pub fn digest(&self) -> Digest {
        Digest::of(&[self.text().as_bytes()])
    }
}

/// A seal.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Seal {
    /// What it says.
    pub sealed: Sealed,
    /// Ed25519 over its canonical JSON, in base 64.
    pub signature: String,
    /// The roots of its pages, in order.
    pub pages: Vec<Digest>,
    /// 1.
    pub rev: u64,
}

impl Seal {
    /// What the keys of seals begin with.
    pub const PREFIX: &'static str = "seal#";

    /// The place of a seal made at `at`; seals sort by time.
    pub fn place_text(at: Timestamp) -> String {
        format!("{}{:014}", Self::PREFIX, at.as_millisecond())
    }

    /// Whether the signature is the key's.
    pub fn is_signed_by(&self, key: &PublicKey) -> bool {
        key.id == self.sealed.key
            && BASE64_STANDARD
                .decode(&self.signature)
                .is_ok_and(|signature| key.verifies(self.sealed.text().as_bytes(), &signature))
    }
}

impl Stored for Seal {
    const KIND: &'static str = "seal";

    fn key(&self, scope: &AccountScope) -> Key {
        scope.evidence(Self::place_text(self.sealed.sealed_at))
    }

    fn revision(&self) -> u64 {
        self.rev
    }
}

/// Some leaves of a seal, in order: which they are and their digests.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LeafPage {
    /// The root of the page's own tree, after which it is named.
    pub root: Digest,
    /// 1.
    pub rev: u64,
    /// 16 bytes of identifier and 32 of digest for each leaf, in base 64.
    leaves: String,
}

impl LeafPage {
    fn new(leaves: &[Leaf]) -> Self {
        let bytes: Vec<u8> = leaves
            .iter()
            .flat_map(|leaf| leaf.id.to_bytes().into_iter().chain(leaf.digest.0))
            .collect();
        Self {
            root: merkle::root(&nodes(leaves)),
            rev: 1,
            leaves: BASE64_STANDARD.encode(bytes),
        }
    }

    /// Where the page with this root is.
    pub fn place(scope: &AccountScope, root: Digest) -> Key {
        scope.evidence(format!("page#{root}"))
    }

    /// Its leaves; none of a damaged page.
    pub fn leaves(&self) -> Vec<Leaf> {
        let bytes = BASE64_STANDARD.decode(&self.leaves).unwrap_or_default();
        bytes
            .chunks_exact(48)
            .map(|chunk| {
                let (mut id, mut digest) = ([0; 16], [0; 32]);
                id.copy_from_slice(&chunk[..16]);
                digest.copy_from_slice(&chunk[16..]);
                Leaf {
                    id: EventId::from_bytes(id),
                    rev: 1,
                    digest: Digest(digest),
                }
            })
            .collect()
    }
}

impl Stored for LeafPage {
    const KIND: &'static str = "leaf_page";

    fn key(&self, scope: &AccountScope) -> Key {
        Self::place(scope, self.root)
    }

    fn revision(&self) -> u64 {
        self.rev
    }
}

fn nodes(leaves: &[Leaf]) -> Vec<Digest> {
    leaves
        .iter()
        .map(|leaf| merkle::leaf(leaf.id, &leaf.digest))
        .collect()
}

/// The last seal of an account: whoever seals next depends on it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Head {
    /// Grows with each seal.
    pub rev: u64,
    /// When the last seal was made.
    pub sealed_at: Timestamp,
    /// Its number.
    pub number: u64,
    /// The digest of what it says.
    pub digest: Digest,
}

impl Head {
    /// Where it is.
    pub fn place(scope: &AccountScope) -> Key {
        scope.evidence("head")
    }
}

impl Stored for Head {
    const KIND: &'static str = "ledger_head";

    fn key(&self, scope: &AccountScope) -> Key {
        Self::place(scope)
    }

    fn revision(&self) -> u64 {
        self.rev
    }
}

/// What sealing writes: the pages first, then seal and head together.
#[derive(Debug, Clone, PartialEq)]
pub struct Sealing {
    /// The pages, named after what is in them: writing one twice changes nothing.
    pub pages: Vec<LeafPage>,
    /// The seal.
    pub seal: Seal,
    /// The head after it.
    pub head: Head,
}

impl Sealing {
    /// The leaves that are sealed.
    pub fn leaves(&self) -> Vec<Leaf> {
        self.pages.iter().flat_map(LeafPage::leaves).collect()
    }
}

/// Seals those of `leaves` that are not newer than the seal, so that no seal says to be older than
/// what is in it; `None` when there are none. `head` is the last seal's.
pub fn seal(
    account: &AccountId,
    mut leaves: Vec<Leaf>,
    head: Option<&Head>,
    key: &SealingKey,
    now: Timestamp,
) -> Option<Sealing> {
    let now = crate::time::to_millisecond(now);
    // Seals sort by time: a clock that went back does not put one before its predecessor.
    let sealed_at = head.map_or(now, |head| {
        now.max(
            Timestamp::from_millisecond(head.sealed_at.as_millisecond() + 1)
                .unwrap_or(Timestamp::MAX),
        )
    });
    // The clock of who wrote a leaf may be ahead: it waits for the next seal.
    leaves.retain(|leaf| leaf.id.made_at() <= sealed_at);
    if leaves.is_empty() {
        return None;
    }
    leaves.sort_unstable_by_key(|leaf| leaf.id);
    leaves.dedup_by_key(|leaf| leaf.id);
    let pages: Vec<LeafPage> = leaves.chunks(PAGE_LEAVES).map(LeafPage::new).collect();
    let roots: Vec<Digest> = pages.iter().map(|page| page.root).collect();
    let sealed = Sealed {
        v: 1,
        account: account.clone(),
        number: head.map_or(1, |head| head.number + 1),
        sealed_at,
        leaves: leaves.len() as u64,
        root: merkle::root(&roots),
        previous: head.map(|head| head.digest),
        key: key.public.id.clone(),
    };
    let signature = BASE64_STANDARD.encode(key.pair.sign(sealed.text().as_bytes()));
    Some(Sealing {
        head: Head {
            rev: head.map_or(1, |head| head.rev + 1),
            sealed_at,
            number: sealed.number,
            digest: sealed.digest(),
        },
        seal: Seal {
            sealed,
            signature,
            pages: roots,
            rev: 1,
        },
        pages,
    })
}

/// After so long a leaf is late: three hourly runs had passed it by.
const LATE_SECONDS: i64 = 3 * 3_600;

/// Whether one of these leaves has waited for its seal for too long.
pub fn is_late(waiting: &[Leaf], now: Timestamp) -> bool {
    waiting
        .iter()
        .any(|leaf| plus_seconds(leaf.id.made_at(), LATE_SECONDS) <= now)
}

/// Which of so many accounts the run of this hour begins with.
///
/// A run that is cut short seals the first ones only, so each begins elsewhere: by the golden ratio
/// of the circle further, which leaves the smallest gaps after any number of runs. Where a run
/// manages an eighth of the accounts, each has had its turn after 13 hours.
pub fn first_account(accounts: usize, now: Timestamp) -> usize {
    /// 2^64 divided by the golden ratio.
    const GOLDEN: u64 = 0x9E37_79B9_7F4A_7C15;
    let hour = u64::try_from(now.as_second().div_euclid(3_600)).unwrap_or(0);
    let turn = u128::from(hour.wrapping_mul(GOLDEN));
    usize::try_from((turn * accounts as u128) >> 64).unwrap_or(0)
}

/// Where a leaf stands under a seal.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Inclusion {
    /// Counted from 0.
    pub index: u64,
    /// From the leaf's node to the root.
    pub path: Vec<Digest>,
}

/// The place of the leaf `id` under `seal`, of whose pages `page` is number `number`.
pub fn inclusion(seal: &Seal, number: usize, page: &LeafPage, id: EventId) -> Option<Inclusion> {
    let leaves = page.leaves();
    let at = leaves.iter().position(|leaf| leaf.id == id)?;
    let mut path = merkle::path(&nodes(&leaves), at)?;
    path.extend(merkle::path(&seal.pages, number)?);
    Some(Inclusion {
        index: (number * PAGE_LEAVES + at) as u64,
        path,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::entropy::SeededEntropy;

    const SECRET: &str = "0123456789abcdef0123456789abcdef";

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_second(1_800_000_000 + seconds).unwrap()
    }

    fn leaves(count: u32, seed: u64) -> Vec<Leaf> {
        let entropy = SeededEntropy::new(seed);
        (0..count)
            .map(|number| Leaf {
                id: EventId::generate(at(i64::from(number % 60)), &entropy),
                rev: 1,
                digest: Digest::of(&[&number.to_be_bytes()]),
            })
            .collect()
    }

    #[test]
    fn every_leaf_can_be_proven_also_across_pages_and_a_changed_one_cannot() {
        let key = SealingKey::of(SECRET).unwrap();
        let account = AccountId::parse("shop").unwrap();
        for count in [1, 2, 4_095, 4_096, 4_097, 9_000] {
            let leaves = leaves(count, 1);
            let Sealing { pages, seal, .. } =
                super::seal(&account, leaves.clone(), None, &key, at(60)).unwrap();
            assert!(seal.is_signed_by(key.public()));
            for leaf in leaves.iter().step_by(997) {
                let proofs: Vec<_> = pages
                    .iter()
                    .enumerate()
                    .filter_map(|(number, page)| inclusion(&seal, number, page, leaf.id))
                    .collect();
                assert_eq!(proofs.len(), 1);
                let Inclusion { index, path } = &proofs[0];
                let index = usize::try_from(*index).unwrap();
                let climb = |digest: &Digest| {
                    merkle::climb(merkle::leaf(leaf.id, digest), index, leaves.len(), path)
                };
                assert_eq!(climb(&leaf.digest), Some(seal.sealed.root));
                assert_ne!(climb(&Digest([1; 32])), Some(seal.sealed.root));
            }
        }
    }

    #[test]
    fn seals_are_a_chain_also_when_the_clock_goes_back() {
        let key = SealingKey::of(SECRET).unwrap();
        let account = AccountId::parse("shop").unwrap();
        let first = super::seal(&account, leaves(3, 1), None, &key, at(60)).unwrap();
        let second = super::seal(&account, leaves(3, 2), Some(&first.head), &key, at(0)).unwrap();
        assert_eq!(second.seal.sealed.number, 2);
        assert_eq!(
            second.seal.sealed.previous,
            Some(first.seal.sealed.digest())
        );
        assert!(second.seal.sealed.sealed_at > first.seal.sealed.sealed_at);
        assert_eq!(
            super::seal(&account, vec![], Some(&second.head), &key, at(99)),
            None
        );
    }

    #[test]
    fn no_seal_says_to_be_older_than_a_leaf_in_it() {
        let key = SealingKey::of(SECRET).unwrap();
        let account = AccountId::parse("shop").unwrap();
        // Of the seconds 0 to 9.
        let leaves = leaves(10, 1);
        let first = super::seal(&account, leaves.clone(), None, &key, at(4)).unwrap();
        assert_eq!(first.seal.sealed.leaves, 5);
        assert_eq!(first.leaves().len(), 5);
        let is_older = |leaf: &Leaf| leaf.id.made_at() <= first.seal.sealed.sealed_at;
        assert!(first.leaves().iter().all(is_older));
        // The others come with the next.
        let waiting: Vec<Leaf> = leaves.into_iter().filter(|leaf| !is_older(leaf)).collect();
        let early = super::seal(&account, waiting.clone(), Some(&first.head), &key, at(4));
        assert_eq!(early, None);
        let second = super::seal(&account, waiting, Some(&first.head), &key, at(60)).unwrap();
        assert_eq!(second.seal.sealed.leaves, 5);
        assert!(!is_late(&second.leaves(), at(5 + 3 * 3_600 - 1)));
        assert!(is_late(&second.leaves(), at(5 + 3 * 3_600)));
    }

    #[test]
    fn where_runs_are_cut_short_each_account_has_its_turn() {
        for (share, hours) in [(2, 3), (4, 13), (8, 13), (16, 21)] {
            for accounts in [1_usize, 7, 1_000] {
                let managed = (accounts / share).max(1);
                for first_hour in 0..50 {
                    let mut sealed = vec![false; accounts];
                    for hour in first_hour..first_hour + hours {
                        let first = first_account(accounts, at(hour * 3_600));
                        for number in first..first + managed {
                            sealed[number % accounts] = true;
                        }
                    }
                    assert!(sealed.iter().all(|one| *one), "{accounts} by 1/{share}");
                }
            }
        }
        assert_eq!(first_account(0, at(0)), 0);
    }

    #[test]
    fn a_seal_that_says_something_else_is_not_signed() {
        let key = SealingKey::of(SECRET).unwrap();
        let account = AccountId::parse("shop").unwrap();
        let seal = super::seal(&account, leaves(3, 1), None, &key, at(60))
            .unwrap()
            .seal;
        let mut changed = seal.clone();
        changed.sealed.leaves += 1;
        assert!(!changed.is_signed_by(key.public()));
        let other = SealingKey::of("fedcba9876543210fedcba9876543210").unwrap();
        assert!(!seal.is_signed_by(other.public()));
        assert!(SealingKey::of("short").is_err());
    }
}
