//! What the mail service said, and what that means for each recipient.
//!
//! Says what a status means; carrying on after it is `worker`'s part.

use serde::{Deserialize, Serialize};

use super::control::PauseReason;

/// What became of one recipient of one call.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Outcome {
    /// SES took the mail.
    Sent,
    /// Nobody knows: never repeated blindly.
    Unknown,
    /// Certainly not sent.
    Unsent(Unsent),
    /// Refused for good.
    Failed(Failure),
}

/// Why a mail was certainly not sent, and may be tried again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Unsent {
    /// Too fast: a throttle waits and never loses (P-22).
    Throttled,
    /// The service had a passing failure.
    Transient,
    /// The whole call was refused.
    Refused,
    /// The campaign was held before the call.
    Stopped,
    /// Too long after reading the person.
    TooOld,
}

impl Unsent {
    /// Whether it counts as an attempt: what has nothing to do with the mail never does.
    pub fn counts(self) -> bool {
        match self {
            Self::Transient | Self::Refused => true,
            Self::Throttled | Self::Stopped | Self::TooOld => false,
        }
    }
}

/// Why a mail failed for good.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Failure {
    /// `MESSAGE_REJECTED`.
    Rejected,
    /// `INVALID_PARAMETER`.
    InvalidParameter,
    /// A passing failure, too often.
    Transient,
    /// The call was refused, too often.
    Refused,
}

/// A letter per outcome: an entry's outcomes are one short text.
const LETTERS: [(char, Outcome); 9] = [
    ('s', Outcome::Sent),
    ('u', Outcome::Unknown),
    ('t', Outcome::Unsent(Unsent::Throttled)),
    ('x', Outcome::Unsent(Unsent::Transient)),
    ('c', Outcome::Unsent(Unsent::Refused)),
    ('p', Outcome::Unsent(Unsent::Stopped)),
    ('o', Outcome::Unsent(Unsent::TooOld)),
    ('r', Outcome::Failed(Failure::Rejected)),
    ('i', Outcome::Failed(Failure::InvalidParameter)),
];

/// The outcomes of an entry's recipients, in order.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Outcomes(pub Vec<Outcome>);

/// A letter stands for no outcome.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not a text of outcomes")]
pub struct InvalidOutcomes;

impl TryFrom<String> for Outcomes {
    type Error = InvalidOutcomes;
    fn try_from(text: String) -> Result<Self, InvalidOutcomes> {
        text.chars()
            .map(|letter| {
                LETTERS
                    .iter()
                    .find(|(known, _)| *known == letter)
                    .map(|(_, outcome)| *outcome)
                    .ok_or(InvalidOutcomes)
            })
            .collect::<Result<_, _>>()
            .map(Self)
    }
}

impl From<Outcomes> for String {
    fn from(outcomes: Outcomes) -> String {
        outcomes
            .0
            .iter()
            .filter_map(|outcome| LETTERS.iter().find(|(_, known)| known == outcome))
            .map(|(letter, _)| *letter)
            .collect()
    }
}

/// The service's word on one entry of a bulk call, and what it means for the rest.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Verdict {
    /// For the recipient.
    pub outcome: Outcome,
    /// For the campaign.
    pub then: Then,
}

/// How to go on after a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Then {
    /// Go on.
    GoOn,
    /// Let go of the arc for now.
    Rest,
    /// Hold the campaign until a person looks.
    Hold(PauseReason),
}

impl Verdict {
    const fn new(outcome: Outcome, then: Then) -> Self {
        Self { outcome, then }
    }

    /// What an entry's status means, by its name in the API. A name that is not known yet is
    /// as ambiguous as `FAILED`.
    pub fn of_status(status: &str) -> Self {
        use Outcome::{Failed, Sent, Unknown};
        let hold = |why| Self::new(Outcome::Unsent(Unsent::Stopped), Then::Hold(why));
        match status {
            "SUCCESS" => Self::new(Sent, Then::GoOn),
            "ACCOUNT_THROTTLED" => Self::new(Outcome::Unsent(Unsent::Throttled), Then::Rest),
            "TRANSIENT_FAILURE" => Self::new(Outcome::Unsent(Unsent::Transient), Then::GoOn),
            "MESSAGE_REJECTED" => Self::new(Failed(Failure::Rejected), Then::GoOn),
            "INVALID_PARAMETER" => Self::new(Failed(Failure::InvalidParameter), Then::GoOn),
            "ACCOUNT_SUSPENDED" => hold(PauseReason::AccountSuspended),
            "ACCOUNT_SENDING_PAUSED" | "CONFIGURATION_SET_SENDING_PAUSED" => {
                hold(PauseReason::SendingPaused)
            }
            "ACCOUNT_DAILY_QUOTA_EXCEEDED" => hold(PauseReason::DailyQuota),
            "MAIL_FROM_DOMAIN_NOT_VERIFIED" => hold(PauseReason::SenderNotVerified),
            "CONFIGURATION_SET_NOT_FOUND" | "TEMPLATE_NOT_FOUND" | "INVALID_SENDING_POOL_NAME" => {
                hold(PauseReason::Misconfigured)
            }
            _ => Self::new(Unknown, Then::GoOn),
        }
    }
}

/// What came back from one bulk call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CallAnswer {
    /// One verdict per recipient, in order.
    Entries(Vec<Verdict>),
    /// The whole call was refused: certainly nobody was mailed.
    Refused(CallRefusal),
    /// No answer, or one that does not say: anybody may have been mailed.
    Uncertain,
}

/// Why a whole call was refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CallRefusal {
    /// `TooManyRequestsException`, `ThrottlingException`.
    Throttled,
    /// The daily quota, also as `LimitExceededException`.
    DailyQuota,
    /// `AccountSuspendedException`.
    Suspended,
    /// `SendingPausedException`.
    SendingPaused,
    /// `MailFromDomainNotVerifiedException`.
    SenderNotVerified,
    /// `NotFoundException`, or no right to send.
    Misconfigured,
    /// `BadRequestException`, `MessageRejected`: the mails themselves.
    BadRequest,
    /// No connection to the service.
    Unreachable,
}

impl CallAnswer {
    /// What it means for each of so many recipients, and for the rest.
    pub fn verdicts(&self, recipients: usize) -> (Vec<Outcome>, Then) {
        let all = |outcome| vec![outcome; recipients];
        match self {
            Self::Entries(entries) => {
                let mut outcomes: Vec<Outcome> =
                    entries.iter().map(|verdict| verdict.outcome).collect();
                // An answer that is too short says nothing about the rest.
                outcomes.resize(recipients, Outcome::Unknown);
                let then =
                    entries
                        .iter()
                        .fold(Then::GoOn, |then, verdict| match (then, verdict.then) {
                            (Then::Hold(why), _) | (_, Then::Hold(why)) => Then::Hold(why),
                            (Then::Rest, _) | (_, Then::Rest) => Then::Rest,
                            (Then::GoOn, Then::GoOn) => Then::GoOn,
                        });
                (outcomes, then)
            }
            Self::Refused(why) => {
                let stopped = Outcome::Unsent(Unsent::Stopped);
                match why {
                    CallRefusal::Throttled => (all(Outcome::Unsent(Unsent::Throttled)), Then::Rest),
                    CallRefusal::Unreachable => (all(stopped), Then::Rest),
                    CallRefusal::BadRequest => (all(Outcome::Unsent(Unsent::Refused)), Then::GoOn),
                    CallRefusal::DailyQuota => (all(stopped), Then::Hold(PauseReason::DailyQuota)),
                    CallRefusal::Suspended => {
                        (all(stopped), Then::Hold(PauseReason::AccountSuspended))
                    }
                    CallRefusal::SendingPaused => {
                        (all(stopped), Then::Hold(PauseReason::SendingPaused))
                    }
                    CallRefusal::SenderNotVerified => {
                        (all(stopped), Then::Hold(PauseReason::SenderNotVerified))
                    }
                    CallRefusal::Misconfigured => {
                        (all(stopped), Then::Hold(PauseReason::Misconfigured))
                    }
                }
            }
            // Whoever did not answer once may not answer again: do not make more unknown.
            Self::Uncertain => (all(Outcome::Unknown), Then::Rest),
        }
    }
}
