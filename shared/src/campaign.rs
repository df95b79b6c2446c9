//! Campaigns: what one is, and which changes of its state are allowed.
//!
//! Decides only. A change is a transaction over campaign and control item; sending one arc is
//! `worker`, sharing the rate and releasing arcs is `release`.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::address::EmailAddress;
use crate::header::SenderName;
use crate::id::{AccountId, CampaignId, ListId, TargetGroupId, TemplateId};
use crate::key::{AccountScope, Key};
use crate::record::{Due, DueWork, Expect, Record, Stored, Transaction};

pub mod arc;
pub mod audience;
pub mod content;
pub mod control;
pub mod ledger;
pub mod outcome;
pub mod reading;
pub mod release;
pub mod report;
pub mod worker;

#[cfg(test)]
mod simulation;
#[cfg(test)]
mod tests;

use arc::{Circle, Estimate};
use content::Content;
use control::{Control, PauseReason};

/// A campaign as the controller defined it, and how far it is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Campaign {
    /// Its identifier.
    pub id: CampaignId,
    /// Grows with each write.
    pub rev: u64,
    /// What the controller calls it.
    pub name: String,
    /// Which template it sends.
    pub template: TemplateId,
    /// To whom: whoever agreed to one of these lists.
    pub lists: Vec<ListId>,
    /// Narrows the lists down.
    #[serde(default)]
    pub target_group: Option<TargetGroupId>,
    /// In whose name.
    pub sender: Sender,
    /// When it is to start.
    #[serde(default)]
    pub scheduled_at: Option<Timestamp>,
    /// The zone the controller plans in.
    pub time_zone: String,
    /// How far it is; once it runs, the same as in its control item.
    pub state: CampaignState,
    /// When it started: consent must be older.
    #[serde(default)]
    pub started_at: Option<Timestamp>,
    /// Why it did not start when it was due, or was paused by the platform.
    #[serde(default)]
    pub problem: Option<Problem>,
    /// When it was made.
    pub created_at: Timestamp,
}

/// Who a campaign's mails are from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sender {
    /// The display name.
    pub name: SenderName,
    /// An address of one of the account's sender domains.
    pub email: EmailAddress,
}

/// How far a campaign is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CampaignState {
    /// Being written.
    Draft,
    /// Waits for its time.
    Scheduled,
    /// On its way.
    Sending,
    /// Held by a person or by the platform.
    Paused,
    /// Ended by a person; nobody else is mailed.
    Cancelled,
    /// Held by a restore or a change of region.
    Interrupted,
    /// Everybody is accounted for.
    Finished,
}

/// What is wrong with a campaign that did not start or go on by itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Problem {
    /// The template is gone, broken, or lacks imprint or unsubscribe link.
    Template,
    /// A list is gone, or there is none.
    Lists,
    /// The sender's domain is not one of the account's.
    SenderDomain,
    /// It names a target group, and those cannot narrow a campaign yet.
    TargetGroup,
    /// The account says nowhere who the controller is (section 7(2) no. 3 UWG).
    Imprint,
    /// The account was closed.
    AccountClosed,
    /// The controller has not answered the DPIA questionnaire (S-28).
    DpiaUnanswered,
    /// A restore of the account's archive held it (T-02).
    InterruptedByRestore,
    /// The mail service refuses; see the pause's reason.
    MailService(PauseReason),
}

/// Why a change of state is not allowed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// It has started already.
    #[error("the campaign has started")]
    HasStarted,
    /// It has not started yet.
    #[error("the campaign has not started")]
    NotStarted,
    /// It is not being sent.
    #[error("the campaign is not being sent")]
    NotSending,
    /// It is not paused.
    #[error("the campaign is not paused")]
    NotPaused,
    /// It is finished or cancelled.
    #[error("the campaign is over")]
    IsOver,
    /// It is not scheduled for now.
    #[error("the campaign is not due")]
    NotDue,
    /// A restore is going on: nothing is sent until a person releases it.
    #[error("the account's sending is frozen")]
    Frozen,
    /// Something it needs is missing.
    #[error("the campaign cannot be sent as it is")]
    NotReady(Problem),
}

impl Refusal {
    /// Stable code for answers.
    pub const fn code(self) -> &'static str {
        match self {
            Self::HasStarted => "campaign_has_started",
            Self::NotStarted => "campaign_not_started",
            Self::NotSending => "campaign_not_sending",
            Self::NotPaused => "campaign_not_paused",
            Self::IsOver => "campaign_is_over",
            Self::NotDue => "campaign_not_due",
            Self::NotReady(Problem::Template) => "campaign_template",
            Self::NotReady(Problem::Lists) => "campaign_lists",
            Self::NotReady(Problem::SenderDomain) => "campaign_sender_domain",
            Self::NotReady(Problem::TargetGroup) => "campaign_target_group",
            Self::NotReady(Problem::Imprint) => "campaign_imprint",
            Self::NotReady(Problem::AccountClosed) => "account_closed",
            Self::NotReady(Problem::DpiaUnanswered) => "dpia_unanswered",
            Self::Frozen | Self::NotReady(Problem::InterruptedByRestore) => "frozen",
            Self::NotReady(Problem::MailService(_)) => "campaign_mail_service",
        }
    }
}

/// Names a running campaign to the `campaign` function, among all accounts'.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Running {
    /// Whose.
    pub account: AccountId,
    /// Which.
    pub campaign: CampaignId,
    /// Grows with each write.
    pub rev: u64,
    /// When it counts as absent: from the campaign's end on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub gone_at: Option<Timestamp>,
}

impl Running {
    /// The partition of all running campaigns.
    pub fn partition() -> String {
        Key::global("running", "").pk
    }

    /// Where it is kept.
    pub fn place(account: &AccountId, campaign: &CampaignId) -> Key {
        Key::global("running", format!("{account}#{campaign}"))
    }
}

/// What cutting a campaign into arcs and settling its calls goes by; settings with defaults.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Most recipients of one bulk call.
    pub call_recipients: u16,
    /// Most bytes of one bulk call: measured well below the service's limit.
    pub call_bytes: usize,
    /// Expected recipients of an arc.
    pub arc_recipients: u32,
    /// Most people of an arc, whether or not they are recipients: a small list of a large
    /// account must not make arcs that take hours to read.
    pub arc_people: u32,
    /// How long a call may stay without outcome before it counts as unknown.
    pub settling_seconds: i64,
    /// Longest wait for a slot.
    pub slot_wait_seconds: i64,
    /// Longest time from reading a person to handing the mail over.
    pub read_age_seconds: i64,
    /// How long people wait for their next attempt.
    pub retry_after_seconds: i64,
    /// Attempts for one person that the service turned down for reasons of its own.
    pub attempts: u8,
    /// How long a released arc is left to its worker: longer than a worker runs (300 s).
    pub release_seconds: i64,
    /// Without progress for this long after settling, an arc is stuck.
    pub stuck_seconds: i64,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            call_recipients: 50,
            call_bytes: 900_000,
            arc_recipients: 500,
            arc_people: 5_000,
            settling_seconds: 15 * 60,
            slot_wait_seconds: 5,
            read_age_seconds: 10,
            retry_after_seconds: 30,
            attempts: 3,
            release_seconds: 6 * 60,
            stuck_seconds: 15 * 60,
        }
    }
}

impl Campaign {
    /// Whether its definition may still be changed.
    ///
    /// # Errors
    /// Once it has started or was cancelled.
    pub fn editable(&self) -> Result<(), Refusal> {
        match self.state {
            CampaignState::Draft | CampaignState::Scheduled => Ok(()),
            state => Err(refused(state, Refusal::HasStarted)),
        }
    }

    /// The campaign waiting for `at`; an instant that is over means at once.
    ///
    /// # Errors
    /// Once it has started.
    pub fn scheduled(&self, at: Timestamp, now: Timestamp) -> Result<Self, Refusal> {
        self.editable()?;
        Ok(Self {
            rev: self.rev + 1,
            state: CampaignState::Scheduled,
            scheduled_at: Some(at.max(now)),
            problem: None,
            ..self.clone()
        })
    }

    /// The campaign back in draft, because it cannot be sent as it is or its plan was dropped.
    ///
    /// # Errors
    /// Once it has started.
    pub fn unscheduled(&self, problem: Option<Problem>) -> Result<Self, Refusal> {
        self.editable()?;
        Ok(Self {
            rev: self.rev + 1,
            state: CampaignState::Draft,
            problem,
            ..self.clone()
        })
    }

    /// Whether it is to be started at `now`.
    pub fn is_due(&self, now: Timestamp) -> bool {
        self.state == CampaignState::Scheduled && self.scheduled_at.is_some_and(|at| at <= now)
    }

    /// Freezes the content and begins: campaign, control, content and running entry together.
    ///
    /// # Errors
    /// When it is not scheduled for now.
    pub fn start(
        &self,
        account: &AccountId,
        content: Content,
        estimate: Estimate,
        limits: &Limits,
        now: Timestamp,
    ) -> Result<Transaction, Refusal> {
        if !self.is_due(now) {
            return Err(match self.state {
                CampaignState::Draft | CampaignState::Scheduled => Refusal::NotDue,
                state => refused(state, Refusal::HasStarted),
            });
        }
        let started = Self {
            rev: self.rev + 1,
            state: CampaignState::Sending,
            started_at: Some(now),
            problem: None,
            ..self.clone()
        };
        let control = Control::new(self.id.clone(), Circle::for_audience(estimate, limits), now);
        let running = Running {
            account: account.clone(),
            campaign: self.id.clone(),
            rev: 1,
            gone_at: None,
        };
        let mut transaction = Transaction::default();
        transaction
            .put(
                Record::Campaign(Box::new(started)),
                Expect::Revision(self.rev),
            )
            .put(Record::Control(Box::new(control)), Expect::Absent)
            .put(Record::Content(Box::new(content)), Expect::Absent)
            .put(Record::Running(running), Expect::Absent);
        Ok(transaction)
    }

    /// Holds it: from the write on, no slot is given any more.
    ///
    /// # Errors
    /// When it is not being sent.
    pub fn pause(
        &self,
        control: &Control,
        why: PauseReason,
        now: Timestamp,
    ) -> Result<Transaction, Refusal> {
        match control.state {
            CampaignState::Sending => {}
            state => return Err(refused(state, Refusal::NotSending)),
        }
        let problem = match why {
            PauseReason::Person => None,
            why => Some(Problem::MailService(why)),
        };
        Ok(self.moved(control, CampaignState::Paused, problem, now))
    }

    /// Holds it because an archive of the account is being restored; `None` when it is not being
    /// sent, so that there is nothing to hold.
    pub fn interrupt(&self, control: &Control, now: Timestamp) -> Option<Transaction> {
        let why = Some(Problem::InterruptedByRestore);
        (control.state == CampaignState::Sending)
            .then(|| self.moved(control, CampaignState::Interrupted, why, now))
    }

    /// Goes on. Also after a restore: its ledger is in no archive, so it was not touched, and
    /// nobody who was mailed is mailed again.
    ///
    /// # Errors
    /// When it is not held.
    pub fn resume(&self, control: &Control, now: Timestamp) -> Result<Transaction, Refusal> {
        match control.state {
            CampaignState::Paused | CampaignState::Interrupted => {
                Ok(self.moved(control, CampaignState::Sending, None, now))
            }
            state => Err(refused(state, Refusal::NotPaused)),
        }
    }

    /// Ends it for good: one that waits never starts, and one that runs gets no slot any more.
    ///
    /// A draft is nothing that could be ended: it is deleted.
    ///
    /// # Errors
    /// When it is a draft, or over.
    pub fn cancel(
        &self,
        account: &AccountId,
        control: Option<&Control>,
        now: Timestamp,
    ) -> Result<Transaction, Refusal> {
        use CampaignState::{Cancelled, Draft, Finished, Interrupted, Paused, Scheduled, Sending};
        // Once there is a control item, the state that counts is in it.
        match (control.map_or(self.state, |control| control.state), control) {
            (Finished | Cancelled, _) => Err(Refusal::IsOver),
            (Sending | Paused | Interrupted, Some(control)) => {
                let mut transaction = self.moved(control, Cancelled, None, now);
                transaction.put(self.not_running(account, now), Expect::Revision(1));
                Ok(transaction)
            }
            (Scheduled, None) => {
                let mut transaction = Transaction::default();
                let cancelled = Self {
                    rev: self.rev + 1,
                    state: Cancelled,
                    ..self.clone()
                };
                transaction.put(
                    Record::Campaign(Box::new(cancelled)),
                    Expect::Revision(self.rev),
                );
                Ok(transaction)
            }
            (Draft | Scheduled | Sending | Paused | Interrupted, _) => Err(Refusal::NotStarted),
        }
    }

    /// The control item with every arc folded in, and the end of it all.
    pub fn finish(&self, account: &AccountId, folded: &Control, now: Timestamp) -> Transaction {
        let mut transaction = self.moved(folded, CampaignState::Finished, None, now);
        transaction.put(self.not_running(account, now), Expect::Revision(1));
        transaction
    }

    fn not_running(&self, account: &AccountId, now: Timestamp) -> Record {
        Record::Running(Running {
            account: account.clone(),
            campaign: self.id.clone(),
            rev: 2,
            gone_at: Some(now),
        })
    }

    fn moved(
        &self,
        control: &Control,
        state: CampaignState,
        problem: Option<Problem>,
        now: Timestamp,
    ) -> Transaction {
        let mut transaction = Transaction::default();
        transaction
            .put(
                Record::Control(Box::new(Control {
                    rev: control.rev + 1,
                    state,
                    changed_at: now,
                    ..control.clone()
                })),
                Expect::Revision(control.rev),
            )
            .put(
                Record::Campaign(Box::new(Self {
                    rev: self.rev + 1,
                    state,
                    problem,
                    ..self.clone()
                })),
                Expect::Revision(self.rev),
            );
        transaction
    }
}

fn refused(state: CampaignState, otherwise: Refusal) -> Refusal {
    match state {
        CampaignState::Finished | CampaignState::Cancelled => Refusal::IsOver,
        CampaignState::Draft | CampaignState::Scheduled => Refusal::NotStarted,
        _ => otherwise,
    }
}

impl Stored for Campaign {
    const KIND: &'static str = "campaign";

    fn key(&self, scope: &AccountScope) -> Key {
        scope.configuration(Self::KIND, self.id.as_str())
    }

    fn revision(&self) -> u64 {
        self.rev
    }

    fn due(&self) -> Option<Due> {
        match self.state {
            CampaignState::Scheduled => self.scheduled_at.map(|at| Due {
                work: DueWork::Start,
                at,
            }),
            _ => None,
        }
    }
}

impl Stored for Running {
    const KIND: &'static str = "running";

    fn key(&self, _scope: &AccountScope) -> Key {
        Self::place(&self.account, &self.campaign)
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
