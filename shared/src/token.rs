//! Sealed tokens: what links in mails and forms carry.
//!
//! Encrypted and authenticated, so a URL shows no stable identifier and needs no look-up index.
//! Whether a token still means anything is decided by the state it points to, not here.

use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use jiff::Timestamp;
use ring::{aead, hmac};

use crate::crypto::PlatformSecrets;
use crate::id::{AccountId, CampaignId, EventId, ListId, PersonKey, SetupId};
use crate::unsubscribe_setup::Reason;

/// What a token is good for. One purpose is never accepted as another.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Token {
    /// Completes this double opt-in; dead when the sign-up expires (M-33).
    Confirm {
        /// The account.
        account: AccountId,
        /// Who is to confirm.
        person: PersonKey,
        /// Which sign-up.
        sign_up: EventId,
    },
    /// Ends list mail; has no expiry of its own (M-08).
    Unsubscribe {
        /// The account.
        account: AccountId,
        /// Who leaves.
        person: PersonKey,
        /// Where the link stood.
        origin: MailOrigin,
    },
    /// Confirms that somebody wants to leave; has no expiry of its own.
    Leave {
        /// The account.
        account: AccountId,
        /// Who leaves.
        person: PersonKey,
        /// The campaign whose mail the first link stood in.
        campaign: Option<CampaignId>,
        /// One list, or all list mail.
        list: Option<ListId>,
        /// Why, if they said so.
        reason: Option<Reason>,
    },
    /// Opens the preference page.
    Preferences {
        /// The account.
        account: AccountId,
        /// Whose preferences.
        person: PersonKey,
        /// Where the link stood.
        origin: MailOrigin,
    },
    /// Opens a person's data: it was just mailed to their mailbox, and whoever has it reads that
    /// mailbox (P-06). Dead [`MAILBOX_PROOF_MINUTES`] later.
    MailboxProof {
        /// The account.
        account: AccountId,
        /// Whose data.
        person: PersonKey,
        /// When it was mailed, to the millisecond.
        mailed_at: Timestamp,
    },
    /// Says that somebody else filled in the form (M-32); dead with the sign-up.
    NotMe {
        /// The account.
        account: AccountId,
        /// Whose mailbox it is.
        person: PersonKey,
        /// Which sign-up.
        sign_up: EventId,
    },
    /// The time at which a form was shown (fill time and nonce, M-31).
    FormTime {
        /// The account.
        account: AccountId,
        /// The setup.
        setup: SetupId,
        /// When it was shown, to the millisecond.
        shown_at: Timestamp,
        /// Makes each form's token its own.
        nonce: EventId,
    },
}

/// How long a mailbox proof is fresh (engineering): as long as somebody may need to find the mail and
/// to read what it opens.
pub const MAILBOX_PROOF_MINUTES: i64 = 60;

/// The mail that a link stood in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum MailOrigin {
    /// A mail of a campaign, through this list.
    Campaign {
        /// Which campaign.
        campaign: CampaignId,
        /// The list that the person got it through.
        list: Option<ListId>,
    },
    /// An information mail after this sign-up.
    SignUp(EventId),
}

/// The token is forged, damaged, of another purpose, or sealed with a secret that is gone.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not a valid token")]
pub struct InvalidToken;

/// Longest token text that is looked at: well below the 10,240 bytes of request line and headers
/// (A-41).
pub const MAX_TOKEN_LENGTH: usize = 600;

const NONCE_LENGTH: usize = aead::NONCE_LEN;

/// Seals and opens tokens under the platform's secrets.
#[derive(Debug, Clone)]
pub struct TokenSealer(PlatformSecrets);

impl TokenSealer {
    /// A sealer for these secrets; new tokens use the newest.
    pub fn new(secrets: PlatformSecrets) -> Self {
        Self(secrets)
    }

    /// The token as URL-safe text.
    ///
    /// The nonce is computed from the content under a key of its own (as in SIV), so sealing
    /// needs no randomness and the same content gives the same text.
    pub fn seal(&self, token: &Token) -> String {
        let version = self.0.newest();
        let content = token.encode();
        // The newest version exists: it comes from the secrets themselves.
        let Some((sealing, nonces)) = self.keys(version) else {
            return String::new();
        };
        let tag = hmac::sign(&nonces, &content);
        let mut nonce = [0; NONCE_LENGTH];
        nonce.copy_from_slice(&tag.as_ref()[..NONCE_LENGTH]);
        let version_bytes = version.to_be_bytes();
        let mut sealed = content;
        let done = sealing.seal_in_place_append_tag(
            aead::Nonce::assume_unique_for_key(nonce),
            aead::Aad::from(version_bytes),
            &mut sealed,
        );
        if done.is_err() {
            return String::new();
        }
        let mut bytes = Vec::with_capacity(4 + NONCE_LENGTH + sealed.len());
        bytes.extend_from_slice(&version_bytes);
        bytes.extend_from_slice(&nonce);
        bytes.extend_from_slice(&sealed);
        BASE64_URL_SAFE_NO_PAD.encode(bytes)
    }

    /// Opens a token.
    ///
    /// # Errors
    /// When any bit differs from what was sealed.
    pub fn open(&self, text: &str) -> Result<Token, InvalidToken> {
        if text.len() > MAX_TOKEN_LENGTH {
            return Err(InvalidToken);
        }
        let bytes = BASE64_URL_SAFE_NO_PAD
            .decode(text)
            .map_err(|_| InvalidToken)?;
        let (version_bytes, rest) = bytes.split_first_chunk::<4>().ok_or(InvalidToken)?;
        let (nonce, sealed) = rest
            .split_first_chunk::<NONCE_LENGTH>()
            .ok_or(InvalidToken)?;
        let (sealing, _) = self
            .keys(u32::from_be_bytes(*version_bytes))
            .ok_or(InvalidToken)?;
        let mut sealed = sealed.to_vec();
        let content = sealing
            .open_in_place(
                aead::Nonce::assume_unique_for_key(*nonce),
                aead::Aad::from(*version_bytes),
                &mut sealed,
            )
            .map_err(|_| InvalidToken)?;
        Token::decode(content).ok_or(InvalidToken)
    }

    fn keys(&self, version: u32) -> Option<(aead::LessSafeKey, hmac::Key)> {
        let sealing = self.0.derive(version, b"", b"rundbrief token sealing v1")?;
        let nonces = self.0.derive(version, b"", b"rundbrief token nonce v1")?;
        let sealing = aead::UnboundKey::new(&aead::CHACHA20_POLY1305, &sealing).ok()?;
        Some((
            aead::LessSafeKey::new(sealing),
            hmac::Key::new(hmac::HMAC_SHA256, &nonces),
        ))
    }
}

impl Token {
    fn encode(&self) -> Vec<u8> {
        let mut out = Encoder(Vec::with_capacity(64));
        match self {
            Self::Confirm {
                account,
                person,
                sign_up,
            } => {
                out.byte(1)
                    .text(account.as_str())
                    .bytes(person.as_bytes())
                    .bytes(&sign_up.to_bytes());
            }
            Self::Unsubscribe {
                account,
                person,
                origin,
            } => {
                out.byte(2)
                    .text(account.as_str())
                    .bytes(person.as_bytes())
                    .origin(origin);
            }
            Self::Leave {
                account,
                person,
                campaign,
                list,
                reason,
            } => {
                out.byte(8)
                    .text(account.as_str())
                    .bytes(person.as_bytes())
                    .text(campaign.as_ref().map_or("", CampaignId::as_str))
                    .text(list.as_ref().map_or("", ListId::as_str))
                    .text(reason.map_or("", Reason::name));
            }
            Self::Preferences {
                account,
                person,
                origin,
            } => {
                out.byte(3)
                    .text(account.as_str())
                    .bytes(person.as_bytes())
                    .origin(origin);
            }
            Self::NotMe {
                account,
                person,
                sign_up,
            } => {
                out.byte(7)
                    .text(account.as_str())
                    .bytes(person.as_bytes())
                    .bytes(&sign_up.to_bytes());
            }
            Self::FormTime {
                account,
                setup,
                shown_at,
                nonce,
            } => {
                out.byte(4)
                    .text(account.as_str())
                    .text(setup.as_str())
                    .bytes(&shown_at.as_millisecond().to_be_bytes())
                    .bytes(&nonce.to_bytes());
            }
            Self::MailboxProof {
                account,
                person,
                mailed_at,
            } => {
                out.byte(6)
                    .text(account.as_str())
                    .bytes(person.as_bytes())
                    .bytes(&mailed_at.as_millisecond().to_be_bytes());
            }
        }
        out.0
    }

    fn decode(content: &[u8]) -> Option<Self> {
        let mut from = Decoder(content);
        let token = match from.byte()? {
            1 => Self::Confirm {
                account: from.account()?,
                person: from.person()?,
                sign_up: from.event()?,
            },
            2 => Self::Unsubscribe {
                account: from.account()?,
                person: from.person()?,
                origin: from.origin()?,
            },
            3 => Self::Preferences {
                account: from.account()?,
                person: from.person()?,
                origin: from.origin()?,
            },
            6 => Self::MailboxProof {
                account: from.account()?,
                person: from.person()?,
                mailed_at: Timestamp::from_millisecond(i64::from_be_bytes(from.array()?)).ok()?,
            },
            4 => Self::FormTime {
                account: from.account()?,
                setup: SetupId::parse(from.text()?).ok()?,
                shown_at: Timestamp::from_millisecond(i64::from_be_bytes(from.array()?)).ok()?,
                nonce: from.event()?,
            },
            7 => Self::NotMe {
                account: from.account()?,
                person: from.person()?,
                sign_up: from.event()?,
            },
            8 => Self::Leave {
                account: from.account()?,
                person: from.person()?,
                campaign: from.optional(|text| CampaignId::parse(text).ok())?,
                list: from.optional(|text| ListId::parse(text).ok())?,
                reason: from.optional(Reason::parse)?,
            },
            _ => return None,
        };
        from.0.is_empty().then_some(token)
    }
}

struct Encoder(Vec<u8>);

impl Encoder {
    fn byte(&mut self, byte: u8) -> &mut Self {
        self.0.push(byte);
        self
    }

    fn bytes(&mut self, bytes: &[u8]) -> &mut Self {
        self.0.extend_from_slice(bytes);
        self
    }

    fn text(&mut self, text: &str) -> &mut Self {
        // Identifiers have at most 48 bytes.
        self.byte(u8::try_from(text.len()).unwrap_or(u8::MAX))
            .bytes(text.as_bytes())
    }

    fn origin(&mut self, origin: &MailOrigin) -> &mut Self {
        match origin {
            MailOrigin::Campaign { campaign, list } => self
                .byte(1)
                .text(campaign.as_str())
                .text(list.as_ref().map_or("", ListId::as_str)),
            MailOrigin::SignUp(sign_up) => self.byte(2).bytes(&sign_up.to_bytes()),
        }
    }
}

struct Decoder<'a>(&'a [u8]);

impl<'a> Decoder<'a> {
    fn byte(&mut self) -> Option<u8> {
        let (first, rest) = self.0.split_first()?;
        self.0 = rest;
        Some(*first)
    }

    fn array<const N: usize>(&mut self) -> Option<[u8; N]> {
        let (first, rest) = self.0.split_first_chunk::<N>()?;
        self.0 = rest;
        Some(*first)
    }

    fn text(&mut self) -> Option<&'a str> {
        let length = usize::from(self.byte()?);
        let (text, rest) = self.0.split_at_checked(length)?;
        self.0 = rest;
        std::str::from_utf8(text).ok()
    }

    fn account(&mut self) -> Option<AccountId> {
        AccountId::parse(self.text()?).ok()
    }

    fn person(&mut self) -> Option<PersonKey> {
        self.array().map(PersonKey::from_bytes)
    }

    fn event(&mut self) -> Option<EventId> {
        self.array().map(EventId::from_bytes)
    }

    /// A text that may be empty; what cannot be read is no token.
    #[expect(
        clippy::option_option,
        reason = "the outer one is whether the token can be read"
    )]
    fn optional<T>(&mut self, read: impl FnOnce(&str) -> Option<T>) -> Option<Option<T>> {
        match self.text()? {
            "" => Some(None),
            text => read(text).map(Some),
        }
    }

    fn origin(&mut self) -> Option<MailOrigin> {
        match self.byte()? {
            1 => {
                let campaign = CampaignId::parse(self.text()?).ok()?;
                let list = match self.text()? {
                    "" => None,
                    list => Some(ListId::parse(list).ok()?),
                };
                Some(MailOrigin::Campaign { campaign, list })
            }
            2 => Some(MailOrigin::SignUp(self.event()?)),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::entropy::SeededEntropy;

    fn sealer() -> TokenSealer {
        TokenSealer::new(
            PlatformSecrets::parse(r#"{"1":"0123456789abcdef0123456789abcdef"}"#).unwrap(),
        )
    }

    fn tokens() -> Vec<Token> {
        let entropy = SeededEntropy::new(7);
        let now: Timestamp = "2026-11-23T12:00:00.123Z".parse().unwrap();
        let account = AccountId::parse("demo").unwrap();
        let person = PersonKey::at(0x0011_2233_4455_6677_8899_aabb_ccdd_eeff);
        let event = EventId::generate(now, &entropy);
        let campaign = CampaignId::generate(now, &entropy);
        let list = Some(ListId::parse(&"l".repeat(48)).unwrap());
        let origin = MailOrigin::Campaign {
            campaign: campaign.clone(),
            list,
        };
        vec![
            Token::Confirm {
                account: account.clone(),
                person,
                sign_up: event,
            },
            Token::Unsubscribe {
                account: account.clone(),
                person,
                origin: origin.clone(),
            },
            Token::Unsubscribe {
                account: account.clone(),
                person,
                origin: MailOrigin::SignUp(event),
            },
            Token::Preferences {
                account: account.clone(),
                person,
                origin: MailOrigin::Campaign {
                    campaign,
                    list: None,
                },
            },
            Token::NotMe {
                account: account.clone(),
                person,
                sign_up: event,
            },
            Token::Leave {
                account: account.clone(),
                person,
                campaign: None,
                list: Some(ListId::parse("news").unwrap()),
                reason: Some(Reason::Other),
            },
            Token::FormTime {
                account,
                setup: SetupId::parse("double").unwrap(),
                shown_at: now,
                nonce: event,
            },
        ]
    }

    #[test]
    fn a_token_opens_to_what_was_sealed_and_shows_nothing_of_it() {
        for token in tokens() {
            let text = sealer().seal(&token);
            assert_eq!(sealer().open(&text), Ok(token.clone()));
            assert!(text.len() < 300 && !text.contains("demo"), "{text}");
        }
    }

    #[test]
    fn every_flipped_bit_every_truncation_and_every_other_key_is_refused() {
        let other = TokenSealer::new(
            PlatformSecrets::parse(r#"{"1":"abcdef0123456789abcdef0123456789"}"#).unwrap(),
        );
        for token in tokens() {
            let text = sealer().seal(&token);
            assert_eq!(other.open(&text), Err(InvalidToken));
            let bytes = BASE64_URL_SAFE_NO_PAD.decode(&text).unwrap();
            for bit in 0..bytes.len() * 8 {
                let mut damaged = bytes.clone();
                damaged[bit / 8] ^= 1 << (bit % 8);
                assert_eq!(
                    sealer().open(&BASE64_URL_SAFE_NO_PAD.encode(damaged)),
                    Err(InvalidToken)
                );
            }
            for length in 0..text.len() {
                assert_eq!(sealer().open(&text[..length]), Err(InvalidToken));
            }
        }
        for hostile in [
            "",
            "AAAA",
            "%00",
            "ä",
            &"A".repeat(601),
            "=",
            "../../etc/passwd",
        ] {
            assert_eq!(sealer().open(hostile), Err(InvalidToken));
        }
    }

    #[test]
    fn tokens_of_an_older_secret_still_open() {
        let old = sealer();
        let new = TokenSealer::new(
            PlatformSecrets::parse(r#"{"1":"0123456789abcdef0123456789abcdef","2":"fedcba9876543210fedcba9876543210"}"#).unwrap(),
        );
        let token = tokens().remove(0);
        assert_eq!(new.open(&old.seal(&token)), Ok(token.clone()));
        assert_eq!(old.open(&new.seal(&token)), Err(InvalidToken));
    }
}
