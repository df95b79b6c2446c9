//! A change of address that waits to be confirmed, as it stands with the person of the address
//! before: who is to take over from them.
//!
//! The question itself is the new person's sign-up, which a former person's key does not lead to.
//! By this pointer their erasure and their Art. 15 copy find it without a scan. It holds no
//! address, and goes with the sign-up.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::id::{EventId, PersonKey};
use crate::key::{AccountScope, Key};
use crate::record::{Due, DueWork, Stored};
use crate::sign_up::SignUp;

/// From whom to whom.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AddressChange {
    /// The sign-up of the new address.
    pub event: EventId,
    /// The person of the address before.
    pub person: PersonKey,
    /// 1: it is written once.
    pub rev: u64,
    /// The person of the new address.
    pub successor: PersonKey,
    /// When it was asked for.
    pub asked_at: Timestamp,
    /// When it counts as absent: with the sign-up, or some days after that was confirmed.
    #[serde(default)]
    pub gone_at: Option<Timestamp>,
}

impl AddressChange {
    /// The kind of record in keys.
    pub const RECORD: &'static str = "change";

    /// What points from `former` to a sign-up that waits.
    pub fn to(sign_up: &SignUp, former: PersonKey) -> Self {
        Self {
            event: sign_up.event,
            person: former,
            rev: 1,
            successor: sign_up.person,
            asked_at: sign_up.signed_up_at,
            gone_at: sign_up.gone_at,
        }
    }

    /// Where the sign-up is.
    pub fn sign_up(&self, scope: &AccountScope) -> Key {
        scope.record(self.successor, SignUp::RECORD, self.event)
    }
}

impl Stored for AddressChange {
    const KIND: &'static str = "address_change";

    fn key(&self, scope: &AccountScope) -> Key {
        scope.record(self.person, Self::RECORD, self.event)
    }

    fn revision(&self) -> u64 {
        self.rev
    }

    fn expires_at(&self) -> Option<Timestamp> {
        self.gone_at
    }

    fn due(&self) -> Option<Due> {
        self.gone_at.map(|at| Due {
            work: DueWork::Expire,
            at,
        })
    }
}
