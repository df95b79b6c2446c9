//! Sealed evidence: what is kept of an erased person for a legal claim (Art. 17(3)(e) GDPR).
//!
//! Encrypted to a public key (HPKE, RFC 9180) whose private half only the function `legal` may
//! read; when it is sealed and for how long is `erasure`'s part.

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use hpke::aead::ChaCha20Poly1305;
use hpke::kdf::HkdfSha256;
use hpke::kem::X25519HkdfSha256;
use hpke::rand_core::{TryCryptoRng, TryRng};
use hpke::{Deserializable as _, Kem as _, OpModeR, OpModeS, Serializable as _};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::crypto::sha256_hex;
use crate::entropy::Entropy;
use crate::id::{AccountId, EventId, PersonKey};
use crate::key::{AccountScope, Key};
use crate::policy::Store;
use crate::record::{Due, DueWork, Stored};

/// What the key schedule is bound to (RFC 9180, section 5.1).
const INFO: &[u8] = b"rundbrief sealed evidence v1";
/// Shortest secret that a key pair is derived from: 256 bits of base64 and more.
const MIN_SECRET_OCTETS: usize = 44;

type Private = <X25519HkdfSha256 as hpke::Kem>::PrivateKey;
type Public = <X25519HkdfSha256 as hpke::Kem>::PublicKey;
type Encapsulated = <X25519HkdfSha256 as hpke::Kem>::EncappedKey;

/// The secret is too short, or what was sealed does not open with it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not the legal secret of what was sealed")]
pub struct InvalidSecret;

/// The published half: whoever erases seals with it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LegalKey {
    /// 1: written once.
    pub rev: u64,
    /// The X25519 public key, base64.
    pub public: String,
}

/// The private half.
pub struct LegalSecret {
    private: Private,
    public: Public,
}

impl std::fmt::Debug for LegalSecret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("LegalSecret(***)")
    }
}

/// A record of an erased person: whose, and nothing that can be read without the legal secret.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SealedEvidence {
    /// Whose.
    pub person: PersonKey,
    /// Which record it was.
    pub event: EventId,
    /// 1: written once.
    pub rev: u64,
    /// Names the key that it was sealed with.
    pub key: String,
    /// The encapsulated key, base64.
    pub enc: String,
    /// The ciphertext, base64.
    pub sealed: String,
    /// When it was sealed.
    pub sealed_at: Timestamp,
    /// When it counts as absent.
    pub gone_at: Timestamp,
}

/// Which record of whom, and until when it is kept.
#[derive(Debug, Clone, Copy)]
pub struct Seal {
    /// Whose.
    pub person: PersonKey,
    /// Which record.
    pub event: EventId,
    /// Now.
    pub now: Timestamp,
    /// When it counts as absent.
    pub gone_at: Timestamp,
}

/// What the text is bound to: it opens at its own place only.
fn place(account: &AccountId, person: PersonKey, event: EventId) -> Vec<u8> {
    format!("{account}|{person}|{event}").into_bytes()
}

impl LegalKey {
    /// Where it is published.
    pub fn place() -> Key {
        Key::global("legal-key", "public")
    }

    /// Names it in sealed evidence.
    pub fn name(&self) -> String {
        sha256_hex(self.public.as_bytes())[..16].to_owned()
    }

    /// Seals a text.
    ///
    /// # Errors
    /// When what was published is no X25519 key.
    pub fn seal(
        &self,
        account: &AccountId,
        seal: Seal,
        text: &str,
        entropy: &dyn Entropy,
    ) -> Result<SealedEvidence, InvalidSecret> {
        let bytes = BASE64_STANDARD
            .decode(&self.public)
            .map_err(|_| InvalidSecret)?;
        let public = Public::from_bytes(&bytes).map_err(|_| InvalidSecret)?;
        let (enc, sealed) =
            hpke::single_shot_seal_with_rng::<ChaCha20Poly1305, HkdfSha256, X25519HkdfSha256>(
                &OpModeS::Base,
                &public,
                INFO,
                text.as_bytes(),
                &place(account, seal.person, seal.event),
                &mut Randomness(entropy),
            )
            .map_err(|_| InvalidSecret)?;
        Ok(SealedEvidence {
            person: seal.person,
            event: seal.event,
            rev: 1,
            key: self.name(),
            enc: BASE64_STANDARD.encode(enc.to_bytes()),
            sealed: BASE64_STANDARD.encode(sealed),
            sealed_at: seal.now,
            gone_at: seal.gone_at,
        })
    }
}

impl LegalSecret {
    /// The key pair that belongs to a secret text (RFC 9180, section 7.1.3).
    ///
    /// # Errors
    /// When it is too short to be one.
    pub fn of(secret: &str) -> Result<Self, InvalidSecret> {
        if secret.len() < MIN_SECRET_OCTETS {
            return Err(InvalidSecret);
        }
        let (private, public) = X25519HkdfSha256::derive_keypair(secret.as_bytes());
        Ok(Self { private, public })
    }

    /// The half that is published.
    pub fn public(&self) -> LegalKey {
        LegalKey {
            rev: 1,
            public: BASE64_STANDARD.encode(self.public.to_bytes()),
        }
    }

    /// Opens what was sealed in this account.
    ///
    /// # Errors
    /// When it was sealed with another key, elsewhere, or was altered.
    pub fn open(
        &self,
        account: &AccountId,
        evidence: &SealedEvidence,
    ) -> Result<String, InvalidSecret> {
        let decode = |text: &str| BASE64_STANDARD.decode(text).map_err(|_| InvalidSecret);
        let enc = Encapsulated::from_bytes(&decode(&evidence.enc)?).map_err(|_| InvalidSecret)?;
        let text = hpke::single_shot_open::<ChaCha20Poly1305, HkdfSha256, X25519HkdfSha256>(
            &OpModeR::Base,
            &self.private,
            &enc,
            INFO,
            &decode(&evidence.sealed)?,
            &place(account, evidence.person, evidence.event),
        )
        .map_err(|_| InvalidSecret)?;
        String::from_utf8(text).map_err(|_| InvalidSecret)
    }
}

/// Our randomness as the crate takes it.
struct Randomness<'a>(&'a dyn Entropy);

impl TryRng for Randomness<'_> {
    type Error = std::convert::Infallible;

    fn try_next_u32(&mut self) -> Result<u32, Self::Error> {
        let mut bytes = [0; 4];
        self.0.fill(&mut bytes);
        Ok(u32::from_le_bytes(bytes))
    }

    fn try_next_u64(&mut self) -> Result<u64, Self::Error> {
        let mut bytes = [0; 8];
        self.0.fill(&mut bytes);
        Ok(u64::from_le_bytes(bytes))
    }

    fn try_fill_bytes(&mut self, out: &mut [u8]) -> Result<(), Self::Error> {
        self.0.fill(out);
        Ok(())
    }
}

impl TryCryptoRng for Randomness<'_> {}

impl Stored for LegalKey {
    const KIND: &'static str = "legal_key";

    fn key(&self, _: &AccountScope) -> Key {
        Self::place()
    }

    fn revision(&self) -> u64 {
        self.rev
    }
}

impl Stored for SealedEvidence {
    const KIND: &'static str = "sealed_evidence";

    fn key(&self, scope: &AccountScope) -> Key {
        scope.sealed(self.person, self.event)
    }

    fn revision(&self) -> u64 {
        self.rev
    }

    fn expires_at(&self) -> Option<Timestamp> {
        Some(self.gone_at)
    }

    fn due(&self) -> Option<Due> {
        Some(Due {
            work: DueWork::Expire,
            at: self.gone_at,
        })
    }
}

/// That somebody looked into sealed evidence: who, when, why, and nothing that it says.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AuditEntry {
    /// Which.
    pub event: EventId,
    /// 1: written once.
    pub rev: u64,
    /// When.
    pub at: Timestamp,
    /// What was done.
    pub action: AuditedAction,
    /// Whose evidence.
    pub person: PersonKey,
    /// The operator, as they named themselves.
    pub operator: String,
    /// Why, in their words.
    pub reason: String,
    /// How many records were opened.
    pub records: u32,
    /// When it counts as absent.
    pub gone_at: Timestamp,
}

/// What is written down.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AuditedAction {
    /// Sealed evidence was opened for a legal claim.
    OpenedSealedEvidence,
}

impl AuditEntry {
    /// What the keys of all entries begin with, in the account's partition.
    pub fn prefix() -> String {
        format!("{}#", Self::KIND)
    }

    /// When an entry of `at` is gone.
    pub fn gone_at(at: Timestamp) -> Timestamp {
        Store::Audit.kept().until(at).unwrap_or(Timestamp::MAX)
    }
}

impl Stored for AuditEntry {
    const KIND: &'static str = "evidence_access";

    fn key(&self, scope: &AccountScope) -> Key {
        scope.configuration(Self::KIND, &self.event.to_string())
    }

    fn revision(&self) -> u64 {
        self.rev
    }

    fn expires_at(&self) -> Option<Timestamp> {
        Some(self.gone_at)
    }

    fn due(&self) -> Option<Due> {
        Some(Due {
            work: DueWork::Expire,
            at: self.gone_at,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::entropy::SeededEntropy;

    const SECRET: &str = "0123456789abcdef0123456789abcdef0123456789abcdef";

    fn seal(event: u8) -> Seal {
        let now: Timestamp = "2027-03-01T10:00:00Z".parse().unwrap();
        Seal {
            person: PersonKey::at(5),
            event: EventId::from_bytes([event; 16]),
            now,
            gone_at: now,
        }
    }

    #[test]
    fn what_is_sealed_opens_with_the_secret_at_its_own_place_only() {
        let account = AccountId::parse("demo").unwrap();
        let secret = LegalSecret::of(SECRET).unwrap();
        let entropy = SeededEntropy::new(1);
        let text = "anna@example.org, 127.0.0.1";
        let sealed = secret
            .public()
            .seal(&account, seal(1), text, &entropy)
            .unwrap();
        assert!(!format!("{sealed:?}").contains("anna"));
        assert_eq!(secret.open(&account, &sealed).as_deref(), Ok(text));
        let other = LegalSecret::of(&SECRET.replace('0', "z")).unwrap();
        assert_eq!(other.open(&account, &sealed), Err(InvalidSecret));
        let elsewhere = AccountId::parse("other").unwrap();
        assert_eq!(secret.open(&elsewhere, &sealed), Err(InvalidSecret));
        for moved in [
            SealedEvidence {
                person: PersonKey::at(6),
                ..sealed.clone()
            },
            SealedEvidence {
                event: EventId::from_bytes([2; 16]),
                ..sealed.clone()
            },
            SealedEvidence {
                sealed: BASE64_STANDARD.encode([0; 60]),
                ..sealed.clone()
            },
            SealedEvidence {
                enc: String::new(),
                ..sealed.clone()
            },
        ] {
            assert_eq!(secret.open(&account, &moved), Err(InvalidSecret));
        }
    }

    #[test]
    fn the_same_secret_gives_the_same_key_and_a_short_one_none() {
        let key = LegalSecret::of(SECRET).unwrap().public();
        assert_eq!(key, LegalSecret::of(SECRET).unwrap().public());
        assert!(LegalSecret::of("short").is_err());
        let broken = LegalKey {
            rev: 1,
            public: "AAAA".to_owned(),
        };
        let account = AccountId::parse("demo").unwrap();
        let entropy = SeededEntropy::new(1);
        assert!(broken.seal(&account, seal(1), "x", &entropy).is_err());
    }
}
