//! What travels in queues: versioned messages that carry identifiers only.
//!
//! No personal data fits in here: a message's parts must be [`Impersonal`], and the personal
//! types are not.

use serde::{Deserialize, Serialize};

use crate::id::{AccountId, CampaignId, EventId, ImportId, Partition, PersonKey, WebhookId};
use crate::webhook::Topic;

/// Marks types that may leave the store: identifiers and numbers, never an address, a name, an
/// IP or a token.
pub trait Impersonal {}

impl Impersonal for u8 {}
impl Impersonal for u16 {}
impl Impersonal for u32 {}
impl Impersonal for u64 {}
impl<T: Impersonal> Impersonal for Option<T> {}
impl<T: Impersonal> Impersonal for Vec<T> {}

/// A queue message: only types that this module makes.
pub trait Message: Serialize + for<'de> Deserialize<'de> + sealed::Sealed {
    /// What it is called in logs.
    const NAME: &'static str;

    /// Its version.
    fn version(&self) -> u8;

    /// Whose it is.
    fn account(&self) -> &AccountId;
}

mod sealed {
    pub trait Sealed {}
}

macro_rules! messages {
    ($($(#[$doc:meta])* $name:ident { $($(#[$field_doc:meta])* $field:ident: $type:ty,)+ })+) => {$(
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
        #[serde(deny_unknown_fields)]
        pub struct $name {
            /// The message's version; a consumer refuses one it does not know.
            pub v: u8,
            $($(#[$field_doc])* pub $field: $type,)+
        }

        impl sealed::Sealed for $name {}
        impl Message for $name {
            const NAME: &'static str = stringify!($name);

            fn version(&self) -> u8 {
                self.v
            }

            fn account(&self) -> &AccountId {
                &self.account
            }
        }

        const _: () = {
            const fn carries_identifiers_only<T: Impersonal>() {}
            $(carries_identifiers_only::<$type>();)+
        };
    )+};
}

messages! {
    /// Send the mail that this outbox record describes, if there is one.
    NoticeMessage {
        /// Whose outbox.
        account: AccountId,
        /// The person the mail is for.
        person: PersonKey,
        /// The record; there is none after a sign-up that leads to no mail.
        outbox: EventId,
    }

    /// Send one arc of a campaign.
    ArcMessage {
        /// Whose campaign.
        account: AccountId,
        /// Which one.
        campaign: CampaignId,
        /// The round: 0 is the first send.
        round: u16,
        /// The arc's number.
        arc: u32,
    }

    /// Read one chunk of an import's lines, or first of all find the chunks.
    ImportMessage {
        /// Whose import.
        account: AccountId,
        /// Which one.
        import: ImportId,
        /// The chunk's number, from 0; none for an uploaded file whose chunks are not known.
        chunk: Option<u32>,
    }

    /// Write one partition of an account's archive of one day.
    BackupMessage {
        /// Whose archive.
        account: AccountId,
        /// Which one.
        backup: crate::id::BackupId,
        /// The partition; none for the configuration that is written last.
        partition: Option<u8>,
    }

    /// Go on with a restore.
    RestoreMessage {
        /// Whose restore.
        account: AccountId,
        /// Which one.
        restore: crate::id::RestoreId,
        /// Which leg of the way: an older one was handed over already.
        leg: u32,
    }

    /// Tell one recipient what happened to a person.
    WebhookMessage {
        /// Whose recipient.
        account: AccountId,
        /// To whom it happened.
        person: PersonKey,
        /// Which time.
        event: EventId,
        /// What happened.
        topic: Topic,
        /// Who is told.
        webhook: WebhookId,
    }
}

impl NoticeMessage {
    /// The partition of the person, for tests and metrics.
    pub fn partition(&self) -> Partition {
        self.person.partition()
    }
}

/// The version of the messages written today.
pub const MESSAGE_VERSION: u8 = 1;
