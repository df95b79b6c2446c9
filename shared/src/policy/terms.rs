//! What a store can be told: how long, by whom, whether in an archive or an export.

use jiff::tz::TimeZone;
use jiff::{Timestamp, ToSpan};

use crate::archive::ArchiveSet;
use crate::time::{plus_days, plus_seconds};

/// How long something is kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kept {
    /// As long as the account it belongs to.
    WithAccount,
    /// As long as the platform is run: it belongs to no account and says nothing of a subscriber.
    WithPlatform,
    /// For a period after an event, never longer than the account.
    For(Event, Period),
}

/// What a period begins with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Event {
    /// It was written.
    Written,
    /// The visitor sent the form.
    SignedUp,
    /// The relationship with the subscriber, or the account, ended.
    RelationshipEnded,
    /// The campaign ended.
    CampaignEnded,
    /// The account was closed.
    AccountClosed,
    /// The person was erased.
    Erased,
}

/// A length of time, with the setting that may change it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Period {
    /// Days of exactly 24 hours.
    Days {
        /// How many.
        days: u32,
        /// The setting, and the most it may say.
        setting: Option<(&'static str, u32)>,
    },
    /// Calendar months.
    Months {
        /// How many.
        months: u32,
        /// The setting, and the most it may say.
        setting: Option<(&'static str, u32)>,
    },
    /// Hours.
    Hours(u32),
}

/// Who deletes it when its time has come. The first is the promise, the rest backstops.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DeletedBy {
    /// The hourly sweeper, the table's TTL behind it.
    Sweeper,
    /// The hourly sweeper, each version of each object first, then the entry; a lifecycle rule
    /// and the TTL behind it.
    SweeperWithObjects,
    /// The table's TTL alone: it is absent at once and holds no personal data in clear.
    TimeToLive,
    /// The bucket's lifecycle rule.
    Lifecycle,
    /// The end of the account it belongs to.
    AccountClosure,
    /// Whoever may change it, through the API.
    Controller,
    /// The service that keeps it, by its configuration in the template.
    Service,
    /// The operator of the platform.
    Operator,
}

/// Whether an account's archive holds it (S-23 to S-25).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum InArchive {
    /// In this set.
    Set(ArchiveSet),
    /// Not, for this reason.
    No(&'static str),
}

/// What the copy of a person's data (Art. 15(3) GDPR) has of a store.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Exported {
    /// The profile as it is.
    Profile,
    /// What was withdrawn, and when.
    Withdrawal,
    /// That the person must not be added again, and why.
    Suppression,
    /// The evidence of sign-ups, IP addresses included.
    SignUps,
    /// The evidence of leaving.
    Unsubscriptions,
    /// Which other address is to take over.
    AddressChanges,
    /// Mails to this person alone, sent or waiting.
    SingleMails,
    /// What was sent in campaigns, and what came of it.
    Campaigns,
    /// Erasures before.
    Erasures,
    /// That there is sealed evidence, and until when.
    SealedEvidence,
    /// Who looked into it, and why.
    Audit,
    /// What the person asked for, and what became of it.
    Requests,
    /// What recipients were told.
    Disclosures,
    /// Nothing, for this reason.
    Nothing(&'static str),
}

impl Period {
    /// When the period is over that began at `start`; months are counted in `zone`.
    pub fn after(self, start: Timestamp, zone: &TimeZone) -> Timestamp {
        match self {
            Self::Hours(hours) => plus_seconds(start, i64::from(hours) * 3_600),
            Self::Days { days, .. } => plus_days(start, days),
            Self::Months { months, .. } => start
                .to_zoned_datetime(zone.clone())
                .checked_add(i64::from(months).months())
                .map_or(Timestamp::MAX, |end| end.timestamp()),
        }
    }
}

impl Kept {
    /// When something written at `start` is due, where that is all it depends on.
    pub fn until(self, start: Timestamp) -> Option<Timestamp> {
        match self {
            Self::For(Event::Written, period) => Some(period.after(start, &TimeZone::UTC)),
            Self::For(..) | Self::WithAccount | Self::WithPlatform => None,
        }
    }
}
