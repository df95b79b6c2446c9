//! What is stored, how long, who deletes it, and whether an archive holds it: DESIGN's table as
//! one declared policy.
//!
//! Declares only. Whatever reads, sweeps, exports or archives asks here; every answer is an
//! exhaustive match, so a new store does not compile until it has given each.

mod terms;

use crate::account::MAX_EVIDENCE_YEARS;
use crate::archive::ArchiveSet;
use crate::setup::Setup;

pub use self::terms::{DeletedBy, Event, Exported, InArchive, Kept, Period, Setting, Settings};

/// Everything that is stored, in a table, in the bucket or as a copy of either.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Store {
    /// A controller's account, with what its keys are derived from.
    Account,
    /// The entry of an account in the list of all.
    Directory,
    /// A key of the management API, hashed.
    ApiKey,
    /// What the controller states for the record of processing.
    Processing,
    /// The answers to the DPIA questionnaire.
    Dpia,
    /// Who operates the platform.
    Operator,
    /// A list.
    List,
    /// The identifier of a list that was deleted, so that it is not given out again.
    RetiredList,
    /// A declared field.
    Field,
    /// A sign-up setup.
    Setup,
    /// An unsubscribe setup.
    UnsubscribeSetup,
    /// An interest.
    Interest,
    /// A target group.
    TargetGroup,
    /// A template.
    Template,
    /// A personalisation helper.
    Helper,
    /// A dynamic content.
    DynamicContent,
    /// A subscriber's data.
    Profile,
    /// What a subscriber withdrew.
    Withdrawal,
    /// What must outlive a profile.
    Tombstone,
    /// A sign-up nobody has confirmed, or that led to nothing.
    PendingSignUp,
    /// The evidence of a sign-up that led to a subscriber.
    SignUp,
    /// The evidence of leaving.
    Unsubscription,
    /// A change of address that waits: who is to take over from whom, by key.
    AddressChange,
    /// A mail to one person that was promised.
    Outbox,
    /// A campaign: definition, frozen content, control item.
    Campaign,
    /// A campaign's send ledger, and the arcs it is cut into: who was mailed, and what came of it.
    Ledger,
    /// An import: its state and its counts.
    Import,
    /// What became of each line of an import, in numbers and codes.
    ImportReport,
    /// An imported file.
    ImportFile,
    /// An exported file.
    ExportFile,
    /// An account's archive: its objects and its catalogue entry.
    Archive,
    /// What one part of an archive has written so far.
    ArchivePart,
    /// A counter of the sign-up limits, under a keyed hash.
    GuardCounter,
    /// That a form was sent once: the random name of its showing.
    FormNonce,
    /// The remembered answer to a request that may be repeated.
    IdempotencyKey,
    /// What a run of the sweeper deleted, in numbers.
    DeletionReport,
    /// What went with an account, in numbers.
    ClosingReport,
    /// The evidence ledger: salted digests, their trees and seals.
    EvidenceLedger,
    /// The words that forms, notices and mails showed.
    Document,
    /// The public keys of seals.
    SealingKey,
    /// Whom the controller writes to no more: keyed hashes, domains, patterns.
    Suppression,
    /// The Austrian ECG list, as digests.
    EcgList,
    /// A restore of an archive: how far it is, and what it changed in numbers.
    Restore,
    /// What a restore would bring back, until a person releases it.
    Quarantine,
    /// An erasure: who by key, when, what is done.
    Erasure,
    /// Evidence of an erased person, encrypted to the legal key.
    SealedEvidence,
    /// Who is told what happens to people.
    Webhook,
    /// What a recipient was told, or is to be: who by key, what, when.
    Delivery,
    /// The public half of the legal key.
    LegalKey,
    /// Who looked into sealed evidence, and why.
    Audit,
    /// What persons asked for under their rights.
    PersonRequest,
    /// The audit log of the management API: identifiers only.
    AuditLog,
    /// Point-in-time recovery of the main table.
    FullCopy,
    /// The functions' logs.
    Log,
}

/// T-01: three years, the limitation period.
const MAX_EVIDENCE_MONTHS: u32 = MAX_EVIDENCE_YEARS as u32 * 12;
const SECRET: &str = "secrets never enter an archive (S-25)";
const CAMPAIGN: &str = "campaign data and statistics are excluded (S-24)";
const OPERATION: &str = "it serves the running platform only";
const NAMED_BY_NOBODY: &str = "it is none of the sets that an archive is made of (S-23)";

const fn days(days: u32) -> Period {
    Period::Days {
        days,
        setting: None,
    }
}

impl Store {
    /// All stores.
    pub const ALL: [Self; 54] = [
        Self::Account,
        Self::Directory,
        Self::ApiKey,
        Self::Processing,
        Self::Dpia,
        Self::Operator,
        Self::List,
        Self::RetiredList,
        Self::Field,
        Self::Setup,
        Self::UnsubscribeSetup,
        Self::Interest,
        Self::TargetGroup,
        Self::Template,
        Self::Helper,
        Self::DynamicContent,
        Self::Profile,
        Self::Withdrawal,
        Self::Tombstone,
        Self::PendingSignUp,
        Self::SignUp,
        Self::Unsubscription,
        Self::AddressChange,
        Self::Outbox,
        Self::Campaign,
        Self::Ledger,
        Self::Import,
        Self::ImportReport,
        Self::ImportFile,
        Self::ExportFile,
        Self::Archive,
        Self::ArchivePart,
        Self::GuardCounter,
        Self::FormNonce,
        Self::IdempotencyKey,
        Self::DeletionReport,
        Self::ClosingReport,
        Self::EvidenceLedger,
        Self::Document,
        Self::SealingKey,
        Self::Suppression,
        Self::EcgList,
        Self::Restore,
        Self::Quarantine,
        Self::Erasure,
        Self::SealedEvidence,
        Self::Webhook,
        Self::Delivery,
        Self::LegalKey,
        Self::Audit,
        Self::PersonRequest,
        Self::AuditLog,
        Self::FullCopy,
        Self::Log,
    ];

    /// How long it is kept.
    pub const fn kept(self) -> Kept {
        match self {
            Self::Account => Kept::For(
                Event::AccountClosed,
                Period::Months {
                    months: 1,
                    setting: None,
                },
            ),
            // S-08: one calendar month after the end. The account's own end comes first where it
            // is earlier (S-09): nothing in an account that is gone is read.
            Self::Profile => Kept::For(
                Event::RelationshipEnded,
                Period::Months {
                    months: 1,
                    setting: None,
                },
            ),
            // Goes with the sign-up that it points to.
            Self::PendingSignUp | Self::AddressChange => Kept::For(
                Event::SignedUp,
                Period::Days {
                    days: Setup::DEFAULT_CONFIRM_DAYS,
                    setting: Some((Setting::ConfirmDays, Setup::MAX_CONFIRM_DAYS)),
                },
            ),
            // A sent one is kept a day against duplicates of its message; an unsent one is given
            // up with its sign-up.
            Self::Outbox => Kept::For(Event::Written, days(14)),
            // T-01: the limitation period, or what the controller sets instead.
            Self::SealedEvidence => Kept::For(
                Event::Erased,
                Period::Months {
                    months: MAX_EVIDENCE_MONTHS,
                    setting: Some((Setting::EvidenceYears, MAX_EVIDENCE_MONTHS)),
                },
            ),
            // A ledger's time begins with each entry, not with the campaign's end: a part that was
            // written early is gone early.
            Self::Ledger | Self::DeletionReport | Self::Restore | Self::Audit => Kept::For(
                Event::Written,
                Period::Months {
                    months: 12,
                    setting: None,
                },
            ),
            Self::AuditLog => Kept::For(
                Event::Written,
                Period::Months {
                    months: crate::audit::DEFAULT_MONTHS,
                    setting: Some((Setting::AuditMonths, crate::audit::MAX_MONTHS)),
                },
            ),
            Self::GuardCounter | Self::IdempotencyKey | Self::ImportFile => {
                Kept::For(Event::Written, Period::Hours(24))
            }
            // A nonce as long as a form may have been open (`guard::screening`).
            Self::ExportFile | Self::Quarantine | Self::FormNonce => {
                Kept::For(Event::Written, days(7))
            }
            Self::ImportReport => Kept::For(Event::Written, days(30)),
            // The proof that a processor owes (Art. 28(3)(g)), as long as claims from it.
            Self::ClosingReport => Kept::For(
                Event::Written,
                Period::Months {
                    months: 36,
                    setting: None,
                },
            ),
            // S-22: exactly two weeks, not a second more or less (T-06).
            Self::Archive => Kept::For(Event::Written, days(14)),
            // Tried for a week; then the proof of an erasure names who did not acknowledge.
            Self::Delivery => Kept::For(Event::Written, days(14)),
            // Three years, as claims from them may be brought (§ 1489 ABGB, § 195 BGB).
            Self::PersonRequest => Kept::For(
                Event::Written,
                Period::Months {
                    months: 36,
                    setting: None,
                },
            ),
            // As long as a message of the backup queue may live: later nothing completes it.
            Self::ArchivePart => Kept::For(Event::Written, days(4)),
            Self::FullCopy => Kept::For(Event::Written, days(7)),
            Self::Log => Kept::For(Event::Written, days(14)),
            Self::Operator => Kept::WithPlatform,
            Self::Directory
            | Self::ApiKey
            | Self::Processing
            | Self::Dpia
            | Self::List
            | Self::RetiredList
            | Self::Field
            | Self::Setup
            | Self::UnsubscribeSetup
            | Self::Interest
            | Self::TargetGroup
            | Self::Template
            | Self::Helper
            | Self::DynamicContent
            | Self::Withdrawal
            | Self::Tombstone
            | Self::SignUp
            | Self::Unsubscription
            | Self::Campaign
            | Self::EvidenceLedger
            | Self::Document
            | Self::Suppression
            | Self::EcgList
            | Self::Import
            | Self::Webhook
            | Self::Erasure => Kept::WithAccount,
            Self::SealingKey | Self::LegalKey => Kept::WithPlatform,
        }
    }

    /// Who deletes it.
    pub const fn deleted_by(self) -> DeletedBy {
        match self {
            Self::Profile
            | Self::PendingSignUp
            | Self::AddressChange
            | Self::Outbox
            | Self::Ledger
            | Self::ImportReport
            | Self::ArchivePart
            | Self::Restore
            | Self::Quarantine
            | Self::DeletionReport
            | Self::ClosingReport
            | Self::SealedEvidence
            | Self::PersonRequest
            | Self::AuditLog
            | Self::Delivery
            | Self::Audit => DeletedBy::Sweeper,
            Self::Archive => DeletedBy::SweeperWithObjects,
            Self::GuardCounter | Self::FormNonce | Self::IdempotencyKey => DeletedBy::TimeToLive,
            Self::ImportFile => DeletedBy::SweeperOfObjects,
            Self::ExportFile => DeletedBy::Lifecycle,
            Self::ApiKey
            | Self::List
            | Self::Field
            | Self::Setup
            | Self::UnsubscribeSetup
            | Self::Interest
            | Self::TargetGroup
            | Self::Template
            | Self::Helper
            | Self::Suppression
            | Self::EcgList
            | Self::Webhook
            | Self::DynamicContent => DeletedBy::Controller,
            Self::Operator => DeletedBy::Operator,
            Self::Account
            | Self::Directory
            | Self::Processing
            | Self::Dpia
            | Self::RetiredList
            | Self::Withdrawal
            | Self::Tombstone
            | Self::SignUp
            | Self::Unsubscription
            | Self::Campaign
            | Self::EvidenceLedger
            | Self::Document
            | Self::Import
            | Self::Erasure => DeletedBy::AccountClosure,
            Self::SealingKey | Self::LegalKey => DeletedBy::Operator,
            Self::FullCopy | Self::Log => DeletedBy::Service,
        }
    }

    /// Whether an account's archive holds it, and where.
    pub const fn in_archive(self) -> InArchive {
        match self {
            Self::Profile | Self::Withdrawal => InArchive::Set(ArchiveSet::Subscribers),
            // The unconfirmed ones too: a restore keeps their links working, and drops what has
            // expired by then (T-05).
            Self::PendingSignUp | Self::SignUp => InArchive::Set(ArchiveSet::SignUps),
            Self::Unsubscription => InArchive::Set(ArchiveSet::Unsubscriptions),
            Self::TargetGroup => InArchive::Set(ArchiveSet::TargetGroups),
            Self::Interest => InArchive::Set(ArchiveSet::Interests),
            Self::Template => InArchive::Set(ArchiveSet::Templates),
            Self::Helper => InArchive::Set(ArchiveSet::Helpers),
            Self::DynamicContent => InArchive::Set(ArchiveSet::DynamicContents),
            Self::List => InArchive::Set(ArchiveSet::Lists),
            Self::Field => InArchive::Set(ArchiveSet::Fields),
            Self::Setup => InArchive::Set(ArchiveSet::Setups),
            Self::Account | Self::ApiKey | Self::Webhook => InArchive::No(SECRET),
            Self::Erasure | Self::SealedEvidence => {
                InArchive::No("a restore must not bring back what was erased (T-02)")
            }
            Self::Campaign | Self::Ledger => InArchive::No(CAMPAIGN),
            Self::Tombstone => {
                InArchive::No("a table of its own keeps them longer than any copy (T-02, T-03)")
            }
            Self::Import
            | Self::ImportReport
            | Self::ImportFile
            | Self::ExportFile
            | Self::Processing
            | Self::Dpia
            | Self::Suppression
            | Self::EcgList
            | Self::EvidenceLedger
            | Self::UnsubscribeSetup
            | Self::Document => InArchive::No(NAMED_BY_NOBODY),
            Self::Directory
            | Self::Operator
            | Self::RetiredList
            | Self::AddressChange
            | Self::Outbox
            | Self::Archive
            | Self::ArchivePart
            | Self::GuardCounter
            | Self::FormNonce
            | Self::IdempotencyKey
            | Self::DeletionReport
            | Self::ClosingReport
            | Self::SealingKey
            | Self::Restore
            | Self::Quarantine
            | Self::Delivery
            | Self::LegalKey
            | Self::Audit
            | Self::PersonRequest
            | Self::AuditLog
            | Self::FullCopy
            | Self::Log => InArchive::No(OPERATION),
        }
    }

    /// What the copy of a person's data has of it.
    pub const fn exported(self) -> Exported {
        const CONFIGURATION: &str = "it is the controller's configuration";
        const COPY: &str = "it is a copy of what is exported, and gone by itself";
        match self {
            Self::Profile => Exported::Profile,
            Self::Withdrawal => Exported::Withdrawal,
            Self::Tombstone => Exported::Suppression,
            // One kind of item, whatever it has come to: exported once.
            Self::SignUp => Exported::SignUps,
            Self::PendingSignUp => Exported::Nothing("it is exported with the sign-ups"),
            Self::Unsubscription => Exported::Unsubscriptions,
            Self::AddressChange => Exported::AddressChanges,
            Self::Outbox => Exported::SingleMails,
            Self::Ledger => Exported::Campaigns,
            Self::Erasure => Exported::Erasures,
            Self::SealedEvidence => Exported::SealedEvidence,
            Self::Audit => Exported::Audit,
            Self::PersonRequest => Exported::Requests,
            Self::AuditLog => {
                Exported::Nothing("it names a person by key only, and says nothing of them")
            }
            Self::Delivery => Exported::Disclosures,
            Self::Account
            | Self::Directory
            | Self::ApiKey
            | Self::Processing
            | Self::Dpia
            | Self::Operator
            | Self::List
            | Self::RetiredList
            | Self::Field
            | Self::Setup
            | Self::UnsubscribeSetup
            | Self::Interest
            | Self::TargetGroup
            | Self::Template
            | Self::Helper
            | Self::DynamicContent
            | Self::Campaign
            | Self::Webhook
            | Self::Document => Exported::Nothing(CONFIGURATION),
            Self::Import | Self::ImportReport => {
                Exported::Nothing("it has numbers only; what it said of a person is in the profile")
            }
            Self::ImportFile
            | Self::ExportFile
            | Self::Archive
            | Self::Quarantine
            | Self::FullCopy => Exported::Nothing(COPY),
            Self::GuardCounter | Self::FormNonce | Self::EcgList => {
                Exported::Nothing("it cannot be tied to the person")
            }
            // Of an address alone; a domain or a pattern is about nobody in particular.
            Self::Suppression => Exported::SuppressedAddress,
            Self::ArchivePart
            | Self::IdempotencyKey
            | Self::DeletionReport
            | Self::ClosingReport
            | Self::EvidenceLedger
            | Self::SealingKey
            | Self::Restore
            | Self::LegalKey
            | Self::Log => Exported::Nothing("it has no personal data"),
        }
    }

    /// The `kind`s of items that belong to it; none for what is no item of a table.
    ///
    /// A sign-up has one kind, whatever it has come to.
    pub const fn kinds(self) -> &'static [&'static str] {
        match self {
            Self::Account => &["account"],
            Self::Directory => &["directory"],
            Self::ApiKey => &["key"],
            Self::Processing => &["processing"],
            Self::Dpia => &["dpia"],
            Self::Operator => &["operator"],
            Self::List => &["list"],
            Self::RetiredList => &["retired_list"],
            Self::Field => &["field"],
            Self::Setup => &["setup"],
            Self::UnsubscribeSetup => &["unsubscribe_setup"],
            Self::Interest => &["interest"],
            Self::TargetGroup => &["target_group"],
            Self::Template => &["template"],
            Self::Helper => &["helper"],
            Self::DynamicContent => &["dynamic_content"],
            Self::Profile => &["profile"],
            Self::Withdrawal => &["withdrawal"],
            // The mark says whose tombstones stand here: it comes and goes with the account.
            Self::Tombstone => &["tombstone", "tombstone_mark"],
            Self::PendingSignUp | Self::SignUp => &["sign_up"],
            Self::Unsubscription => &["unsubscription"],
            Self::AddressChange => &["address_change"],
            Self::Outbox => &["outbox"],
            Self::Campaign => &["campaign", "content", "control", "running"],
            Self::Ledger => &["entry", "arc"],
            Self::Import => &["import"],
            Self::ImportReport => &["import_chunk", "import_row"],
            Self::Archive => &["backup"],
            Self::ArchivePart => &["backup_part"],
            Self::IdempotencyKey => &["idempotency"],
            Self::DeletionReport => &["deletion_report"],
            Self::ClosingReport => &["closing_report"],
            Self::EvidenceLedger => &["leaf", "leaf_page", "seal", "ledger_head"],
            Self::Document => &["document", "notice"],
            Self::SealingKey => &["sealing_key"],
            Self::Suppression => &["suppression"],
            Self::EcgList => &["ecg_list", "ecg_chunk"],
            Self::Restore => &["restore", "freeze", "full_restore"],
            Self::Quarantine => &["staged"],
            Self::Erasure => &["erasure"],
            Self::SealedEvidence => &["sealed_evidence"],
            Self::Webhook => &["webhook"],
            Self::Delivery => &["delivery"],
            Self::LegalKey => &["legal_key"],
            Self::PersonRequest => &["person_request"],
            Self::Audit => &["evidence_access"],
            Self::AuditLog => &["audit"],
            // A counter has no kind: nothing reads it but its own update.
            Self::GuardCounter
            | Self::FormNonce
            | Self::ImportFile
            | Self::ExportFile
            | Self::FullCopy
            | Self::Log => &[],
        }
    }

    /// The stores whose items have this kind.
    pub fn of_kind(kind: &str) -> impl Iterator<Item = Self> {
        Self::ALL
            .into_iter()
            .filter(move |store| store.kinds().contains(&kind))
    }
}

#[cfg(test)]
mod tests;
