//! What a store can be told: how long, by whom, whether in an archive or an export.

use jiff::tz::TimeZone;
use jiff::{Timestamp, ToSpan};

use crate::account::Account;
use crate::archive::ArchiveSet;
use crate::setup::Setup;
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
        setting: Option<(Setting, u32)>,
    },
    /// Calendar months.
    Months {
        /// How many.
        months: u32,
        /// The setting, and the most it may say.
        setting: Option<(Setting, u32)>,
    },
    /// Hours.
    Hours(u32),
}

/// A setting that a period follows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Setting {
    /// `confirm_days` of the sign-up setups.
    ConfirmDays,
    /// `evidence_years_after_erasure` of the account, in months.
    EvidenceYears,
    /// `audit_months` of the account.
    AuditMonths,
}

/// What an account has set, in the unit of each period.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Settings {
    confirm_days: Option<u32>,
    evidence_months: u32,
    audit_months: Option<u32>,
}

impl Settings {
    /// The settings of an account; of several setups the longest period counts.
    pub fn of(account: &Account, setups: &[Setup]) -> Self {
        Self {
            confirm_days: setups.iter().map(|setup| setup.confirm_days).max(),
            evidence_months: u32::from(account.evidence_years_after_erasure) * 12,
            audit_months: account.audit_months,
        }
    }

    fn of_setting(&self, setting: Setting) -> Option<u32> {
        match setting {
            Setting::ConfirmDays => self.confirm_days,
            Setting::EvidenceYears => Some(self.evidence_months),
            Setting::AuditMonths => self.audit_months,
        }
    }
}

/// Who deletes it when its time has come. The first is the promise, the rest backstops.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DeletedBy {
    /// The hourly sweeper, the table's TTL behind it.
    Sweeper,
    /// The hourly sweeper, each version of each object first, then the entry; a lifecycle rule
    /// and the TTL behind it.
    SweeperWithObjects,
    /// The hourly sweeper, each version of each object; no entry leads to them. A lifecycle rule
    /// behind it.
    SweeperOfObjects,
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
    /// What the controller noted when it suppressed the address.
    SuppressedAddress,
    /// Nothing, for this reason.
    Nothing(&'static str),
}

impl Exported {
    /// The member of the copy; `None` for nothing.
    pub const fn name(self) -> Option<&'static str> {
        Some(match self {
            Self::Profile => "profile",
            Self::Withdrawal => "withdrawal",
            Self::Suppression => "suppression",
            Self::SignUps => "sign_ups",
            Self::Unsubscriptions => "unsubscriptions",
            Self::AddressChanges => "address_changes",
            Self::SingleMails => "single_mails",
            Self::Campaigns => "campaigns",
            Self::Erasures => "erasures",
            Self::SealedEvidence => "restricted_evidence",
            Self::Audit => "audit",
            Self::Requests => "requests",
            Self::Disclosures => "told_to_recipients",
            Self::SuppressedAddress => "suppressed_address",
            Self::Nothing(_) => return None,
        })
    }
}

impl Period {
    /// The period that an account has set; as declared where it sets none.
    #[must_use]
    pub fn under(self, settings: &Settings) -> Self {
        match self {
            Self::Days {
                days,
                setting: Some((setting, most)),
            } => Self::Days {
                days: settings.of_setting(setting).unwrap_or(days),
                setting: Some((setting, most)),
            },
            Self::Months {
                months,
                setting: Some((setting, most)),
            } => Self::Months {
                months: settings.of_setting(setting).unwrap_or(months),
                setting: Some((setting, most)),
            },
            Self::Days { setting: None, .. }
            | Self::Months { setting: None, .. }
            | Self::Hours(_) => self,
        }
    }

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
    /// How long it is kept in an account with these settings.
    #[must_use]
    pub fn under(self, settings: &Settings) -> Self {
        match self {
            Self::For(event, period) => Self::For(event, period.under(settings)),
            Self::WithAccount | Self::WithPlatform => self,
        }
    }

    /// When something written at `start` is due, where that is all it depends on.
    pub fn until(self, start: Timestamp) -> Option<Timestamp> {
        match self {
            Self::For(Event::Written, period) => Some(period.after(start, &TimeZone::UTC)),
            Self::For(..) | Self::WithAccount | Self::WithPlatform => None,
        }
    }
}
