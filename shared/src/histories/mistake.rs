//! Mistakes that a decision could make, to show that the oracle finds each of them.
//!
//! Made around the decisions, never in them.

use super::command::Command;
use crate::id::ListId;
use crate::person::Person;
use crate::record::{Record, Step, Transaction};
use crate::sign_up::SignUpState;

/// A mistake.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mistake {
    /// Nobody writes tombstones.
    NoTombstones,
    /// Nobody writes withdrawal items.
    NoWithdrawals,
    /// What has expired is still read.
    ExpiredIsThere,
    /// Writes happen whatever was read.
    ConditionsIgnored,
    /// A link of before leaving confirms.
    OldLinksConfirm,
    /// A link confirms as often as it is pressed.
    LinksConfirmAgain,
    /// A double opt-in is active at once.
    DoubleIsSingle,
    /// An import does not look at what was withdrawn.
    ImportsReviveAnybody,
    /// An import without proof passes for one with proof.
    ImportsNeedNoProof,
    /// A restore does not look at tombstones.
    RestoresReviveAnybody,
    /// A restore brings back nothing.
    RestoresBringNothing,
    /// An erasure leaves the profile.
    ErasuresKeepProfiles,
    /// A relationship's end sets no time for its deletion.
    EndsNeverCome,
    /// A restriction is acknowledged and forgotten.
    RestrictionsForgotten,
    /// Bounces and complaints are not taken in.
    ReportsIgnored,
    /// A suppression is acknowledged and forgotten.
    SuppressionsForgotten,
    /// A confirmation adds no list.
    ConfirmationsAddNothing,
    /// A sign-up leaves no evidence.
    NoEvidence,
    /// The address of the confirming click is not kept.
    NoConfirmAddress,
    /// After a region switch nothing is repaired.
    NoRepair,
    /// A form that nobody confirms brings back to a list that was left.
    FormsReviveLists,
}

impl Mistake {
    /// All of them.
    pub const ALL: [Self; 21] = [
        Self::NoTombstones,
        Self::NoWithdrawals,
        Self::ExpiredIsThere,
        Self::ConditionsIgnored,
        Self::OldLinksConfirm,
        Self::LinksConfirmAgain,
        Self::DoubleIsSingle,
        Self::ImportsReviveAnybody,
        Self::ImportsNeedNoProof,
        Self::RestoresReviveAnybody,
        Self::RestoresBringNothing,
        Self::ErasuresKeepProfiles,
        Self::EndsNeverCome,
        Self::RestrictionsForgotten,
        Self::ReportsIgnored,
        Self::SuppressionsForgotten,
        Self::ConfirmationsAddNothing,
        Self::NoEvidence,
        Self::NoConfirmAddress,
        Self::NoRepair,
        Self::FormsReviveLists,
    ];

    /// The person as whoever makes the mistake sees them.
    pub(super) fn sees(self, command: &Command, person: &mut Person) {
        let forgets = matches!(
            (self, command),
            (Self::ImportsReviveAnybody, Command::Import { .. })
                | (Self::RestoresReviveAnybody, Command::Release { .. })
        );
        if forgets {
            if let Some(withdrawal) = &mut person.withdrawal {
                let (key, rev) = (withdrawal.person, withdrawal.rev);
                *withdrawal = crate::person::Withdrawal::none(key);
                withdrawal.rev = rev;
            }
            if let Some(tombstone) = &mut person.tombstone {
                let (key, rev) = (tombstone.person, tombstone.rev);
                *tombstone = crate::person::Tombstone::none(key);
                tombstone.rev = rev;
            }
        }
        if self == Self::FormsReviveLists && matches!(command, Command::SignUp { .. }) {
            let out: Vec<ListId> = person
                .profile
                .iter()
                .flat_map(|one| one.lists.keys())
                .cloned()
                .collect();
            let out: Vec<ListId> = out
                .into_iter()
                .filter(|list| person.has_left(list))
                .collect();
            for list in out {
                if let Some(profile) = &mut person.profile {
                    profile.lists.remove(&list);
                }
            }
            if let Some(withdrawal) = &mut person.withdrawal {
                withdrawal.lists.clear();
            }
            if let Some(tombstone) = &mut person.tombstone {
                tombstone.lists.clear();
            }
        }
    }

    /// What is written instead.
    pub(super) fn spoil(self, command: &Command, transaction: &mut Transaction) {
        let steps = &mut transaction.0;
        let is = |wanted: fn(&Record) -> bool| move |step: &Step| !matches!(step, Step::Put(record, _) if wanted(record));
        match self {
            Self::NoTombstones => steps.retain(is(|one| matches!(one, Record::Tombstone(_)))),
            Self::NoWithdrawals => steps.retain(is(|one| matches!(one, Record::Withdrawal(_)))),
            Self::NoEvidence => steps.retain(is(|one| matches!(one, Record::SignUp(_)))),
            Self::ErasuresKeepProfiles if matches!(command, Command::Erase { .. }) => {
                steps.retain(|step| !matches!(step, Step::Delete(..)));
            }
            Self::RestoresBringNothing if matches!(command, Command::Release { .. }) => {
                steps.clear();
            }
            Self::RestrictionsForgotten if matches!(command, Command::Restrict { .. }) => {
                steps.clear();
            }
            Self::ReportsIgnored if matches!(command, Command::Report { .. }) => steps.clear(),
            Self::SuppressionsForgotten if matches!(command, Command::Suppress { .. }) => {
                steps.clear();
            }
            Self::EndsNeverCome if matches!(command, Command::End { .. }) => {
                for step in steps {
                    if let Step::Put(Record::Profile(profile), _) = step {
                        profile.gone_at = None;
                    }
                }
            }
            Self::ConfirmationsAddNothing if matches!(command, Command::Confirm { .. }) => {
                for step in steps {
                    if let Step::Put(Record::Profile(profile), _) = step {
                        profile.lists.clear();
                    }
                }
            }
            Self::NoConfirmAddress => {
                for step in steps {
                    if let Step::Put(Record::SignUp(sign_up), _) = step
                        && sign_up.state == SignUpState::Confirmed
                    {
                        sign_up.confirm_ip = None;
                    }
                }
            }
            _ => {}
        }
    }

    /// Whether an old link passes for a new one: what was withdrawn is not looked at.
    pub(super) fn renews_links(self) -> bool {
        self == Self::OldLinksConfirm
    }
}
