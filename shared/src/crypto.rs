//! Keys derived from the platform's secret, and what they hash.
//!
//! The platform's secret never leaves this type; what tokens seal with it is in `token`.

use std::collections::BTreeMap;
use std::fmt;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use ring::{digest, hkdf, hmac};
use serde::{Deserialize, Serialize};

use crate::address::EmailAddress;
use crate::entropy::Entropy;
use crate::id::PersonKey;
use crate::personal::ClientIp;

/// The platform's secrets by version: one is added now and then, none is ever replaced.
#[derive(Clone)]
pub struct PlatformSecrets(BTreeMap<u32, Vec<u8>>);

/// The secret is not a JSON object of versions (from 1) and strings of at least 32 bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the platform secret is not an object of versions and long random strings")]
pub struct InvalidPlatformSecret;

impl PlatformSecrets {
    /// Reads `{"1":"...", "2":"..."}`.
    ///
    /// # Errors
    /// When it has another shape, or a string is shorter than 32 bytes.
    pub fn parse(json: &str) -> Result<Self, InvalidPlatformSecret> {
        let texts: BTreeMap<String, String> =
            serde_json::from_str(json).map_err(|_| InvalidPlatformSecret)?;
        let secrets = texts
            .into_iter()
            .map(|(version, secret)| {
                let version = version.parse().map_err(|_| InvalidPlatformSecret)?;
                if version == 0 || secret.len() < 32 {
                    return Err(InvalidPlatformSecret);
                }
                Ok((version, secret.into_bytes()))
            })
            .collect::<Result<BTreeMap<_, _>, _>>()?;
        if secrets.is_empty() {
            Err(InvalidPlatformSecret)
        } else {
            Ok(Self(secrets))
        }
    }

    /// The newest version: what new accounts and tokens use.
    pub fn newest(&self) -> u32 {
        self.0.keys().next_back().copied().unwrap_or(1)
    }

    /// A 32-byte key for one purpose (HKDF-SHA-256, RFC 5869).
    pub(crate) fn derive(&self, version: u32, salt: &[u8], purpose: &[u8]) -> Option<[u8; 32]> {
        let secret = self.0.get(&version)?;
        let pseudorandom = hkdf::Salt::new(hkdf::HKDF_SHA256, salt).extract(secret);
        let mut key = [0; 32];
        pseudorandom
            .expand(&[purpose], hkdf::HKDF_SHA256)
            .ok()?
            .fill(&mut key)
            .ok()?;
        Some(key)
    }
}

impl fmt::Debug for PlatformSecrets {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("PlatformSecrets(***)")
    }
}

/// What an account item keeps of its key: deleting the bytes makes the account's hashes
/// meaningless.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AccountKeyMaterial {
    /// Which platform secret the key is derived from.
    pub secret_version: u32,
    /// The account's own 32 random bytes, in base 64.
    salt: String,
}

impl AccountKeyMaterial {
    /// New random bytes under the newest platform secret.
    pub fn generate(secrets: &PlatformSecrets, entropy: &dyn Entropy) -> Self {
        let mut salt = [0; 32];
        entropy.fill(&mut salt);
        Self {
            secret_version: secrets.newest(),
            salt: BASE64_STANDARD.encode(salt),
        }
    }

    /// The account's key, if the platform still has the secret.
    pub fn key(&self, secrets: &PlatformSecrets) -> Option<AccountKey> {
        let salt = BASE64_STANDARD.decode(&self.salt).ok()?;
        let key = secrets.derive(self.secret_version, &salt, b"rundbrief account key v1")?;
        Some(AccountKey(hmac::Key::new(hmac::HMAC_SHA256, &key)))
    }
}

impl fmt::Debug for AccountKeyMaterial {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("AccountKeyMaterial(***)")
    }
}

/// The key that turns an address into a person of one account.
#[derive(Clone)]
pub struct AccountKey(hmac::Key);

impl AccountKey {
    /// The person with this address: all spellings by case are one person (M-21).
    pub fn person(&self, address: &EmailAddress) -> PersonKey {
        let tag = hmac::sign(&self.0, address.folded().reveal_bytes());
        let mut first_half = [0; 16];
        first_half.copy_from_slice(&tag.as_ref()[..16]);
        PersonKey::from_bytes(first_half)
    }

    /// Names the key without giving it away: an archive and a stack can be compared by it.
    pub fn fingerprint(&self) -> String {
        let tag = hmac::sign(&self.0, b"rundbrief account key fingerprint v1");
        hex(&tag.as_ref()[..16])
    }
}

impl fmt::Debug for AccountKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("AccountKey(***)")
    }
}

/// Keyed hashes for the platform-wide limits: the counters hold no address and no IP (T-07).
///
/// One key for all days: a key per day would forget at midnight who was mailed a minute ago.
/// What is counted under it is gone after 24 hours.
#[derive(Clone)]
pub struct GuardKey(hmac::Key);

impl GuardKey {
    /// The platform's key.
    pub fn of(secrets: &PlatformSecrets) -> Option<Self> {
        let key = secrets.derive(secrets.newest(), b"", b"rundbrief guard key v1")?;
        Some(Self(hmac::Key::new(hmac::HMAC_SHA256, &key)))
    }

    /// What counts a client.
    pub fn client(&self, ip: ClientIp) -> String {
        self.hash(b"client", &ip.client_bytes())
    }

    /// What counts mails to an address, whatever its dots and plus signs (M-22).
    pub fn address(&self, address: &EmailAddress) -> String {
        self.hash(b"address", address.rate_key_form().reveal_bytes())
    }

    /// What counts the uses of a form's nonce.
    pub fn nonce(&self, nonce: crate::id::EventId) -> String {
        self.hash(b"nonce", &nonce.to_bytes())
    }

    fn hash(&self, kind: &[u8], value: &[u8]) -> String {
        let mut context = hmac::Context::with_key(&self.0);
        context.update(kind);
        context.update(&[0]);
        context.update(value);
        hex(&context.sign().as_ref()[..16])
    }
}

impl fmt::Debug for GuardKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("GuardKey(***)")
    }
}

/// SHA-256 as 64 hex digits.
pub fn sha256_hex(bytes: &[u8]) -> String {
    hex(digest::digest(&digest::SHA256, bytes).as_ref())
}

/// Lower-case hex digits.
pub fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write as _;
    bytes
        .iter()
        .fold(String::with_capacity(bytes.len() * 2), |mut text, byte| {
            let _ = write!(text, "{byte:02x}");
            text
        })
}

/// The secret part of a management API key, compared by its hash only.
#[derive(Clone)]
pub struct KeySecret(String);

impl KeySecret {
    /// A new secret of 256 bits.
    pub fn generate(entropy: &dyn Entropy) -> Self {
        let mut bytes = [0; 32];
        entropy.fill(&mut bytes);
        Self(base64::prelude::BASE64_URL_SAFE_NO_PAD.encode(bytes))
    }

    /// A secret somebody presented.
    pub fn presented(text: &str) -> Self {
        Self(text.to_owned())
    }

    /// What is stored: the SHA-256 of the secret, which has too many bits to be guessed.
    pub fn hash(&self) -> String {
        sha256_hex(self.0.as_bytes())
    }

    /// Whether this secret is the one with `hash`, in constant time.
    pub fn matches(&self, hash: &str) -> bool {
        // Equal lengths always: both are 64 hex digits unless the stored one is damaged.
        let own = self.hash();
        own.len() == hash.len()
            && own
                .bytes()
                .zip(hash.bytes())
                .fold(0, |different, (a, b)| different | (a ^ b))
                == 0
    }

    /// The secret, shown once to whoever made the key.
    pub fn reveal(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for KeySecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("KeySecret(***)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::entropy::SeededEntropy;

    fn secrets(json: &str) -> PlatformSecrets {
        PlatformSecrets::parse(json).unwrap()
    }

    const ONE: &str = r#"{"1":"0123456789abcdef0123456789abcdef"}"#;
    const TWO: &str =
        r#"{"1":"0123456789abcdef0123456789abcdef","2":"fedcba9876543210fedcba9876543210"}"#;

    #[test]
    fn a_malformed_platform_secret_is_refused() {
        for bad in [
            "",
            "{}",
            "[]",
            r#"{"1":"short"}"#,
            r#"{"0":"0123456789abcdef0123456789abcdef"}"#,
            r#"{"x":"0123456789abcdef0123456789abcdef"}"#,
        ] {
            assert!(PlatformSecrets::parse(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn a_person_is_the_same_in_every_case_and_another_in_every_account() {
        let entropy = SeededEntropy::new(1);
        let secrets = secrets(ONE);
        let a = AccountKeyMaterial::generate(&secrets, &entropy)
            .key(&secrets)
            .unwrap();
        let b = AccountKeyMaterial::generate(&secrets, &entropy)
            .key(&secrets)
            .unwrap();
        let small = EmailAddress::parse("max@x.example").unwrap();
        let large = EmailAddress::parse("Max@X.EXAMPLE").unwrap();
        assert_eq!(a.person(&small), a.person(&large));
        assert_ne!(a.person(&small), b.person(&small));
        assert_ne!(
            a.person(&small),
            a.person(&EmailAddress::parse("max@y.example").unwrap())
        );
    }

    #[test]
    fn a_new_platform_secret_leaves_old_accounts_as_they_are() {
        let before = secrets(ONE);
        let material = AccountKeyMaterial::generate(&before, &SeededEntropy::new(2));
        let address = EmailAddress::parse("max@x.example").unwrap();
        let person = material.key(&before).unwrap().person(&address);
        assert_eq!(
            material.key(&secrets(TWO)).unwrap().person(&address),
            person
        );
        assert_eq!(secrets(TWO).newest(), 2);
    }

    #[test]
    fn a_key_secret_matches_its_own_hash_only() {
        let entropy = SeededEntropy::new(3);
        let (a, b) = (KeySecret::generate(&entropy), KeySecret::generate(&entropy));
        assert!(KeySecret::presented(a.reveal()).matches(&a.hash()));
        assert!(!a.matches(&b.hash()));
        assert!(!a.matches(""));
    }
}
