//! In which order a request meets the limits, and what makes it a bot's (M-28 to M-31).
//!
//! A state machine: it says what to count next, and is told what came of it. Counting, and opening
//! the form's token, are the caller's part.

use jiff::Timestamp;

use super::{GuardAnswer, SlidingLimit};
use crate::id::{AccountId, EventId, SetupId};

/// Nobody fills in a form faster than this, in seconds (engineering).
pub const MIN_FILL_SECONDS: i64 = 2;
/// A form that was shown longer ago than this is a stored one, in seconds: a week (engineering).
pub const MAX_FORM_AGE_SECONDS: i64 = 7 * 86_400;

/// A form's nonce is good for one post.
pub const NONCE_LIMIT: SlidingLimit = SlidingLimit {
    kind: "nonce",
    count: 1,
    window_seconds: MAX_FORM_AGE_SECONDS,
    gap_seconds: 0,
};

/// What a form says of the time when it was shown.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum FormTime {
    /// Nothing: a plain form on a shop's page carries none.
    Absent,
    /// Something that we did not put there.
    Forged,
    /// It was shown then, for this setup.
    Shown {
        /// The account.
        account: AccountId,
        /// The setup.
        setup: SetupId,
        /// When.
        at: Timestamp,
        /// Names this one showing.
        nonce: EventId,
    },
}

/// What is looked at of a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Signs {
    /// The account it was posted to.
    pub account: AccountId,
    /// The setup it was posted to.
    pub setup: SetupId,
    /// Whether the field that nobody sees is filled in.
    pub honeypot: bool,
    /// When the form was shown.
    pub form_time: FormTime,
    /// When it was posted.
    pub now: Timestamp,
}

/// What to do next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    /// Count the client by [`super::CLIENT_LIMIT`].
    CountClient,
    /// Count the setup by its [`super::HourlyBudget`].
    CountSetup,
    /// Count this nonce by [`NONCE_LIMIT`].
    CountNonce(EventId),
    /// Nothing more: this is the answer.
    Done(Outcome),
}

/// What the limits say.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// Go on.
    Human,
    /// Look as if it had worked.
    Bot,
    /// Not before this instant.
    TooMany {
        /// The instant.
        from: Timestamp,
        /// Whose limit it is.
        of: Limited,
    },
}

/// Whose limit was reached.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Limited {
    /// The client's.
    Client,
    /// The setup's.
    Setup,
}

/// A request on its way past the limits.
#[derive(Debug)]
pub struct Screening {
    signs: Signs,
    step: Step,
}

impl Screening {
    /// Begins with the client: whom its own limit stops uses up nothing of the setup's.
    pub fn new(signs: Signs) -> Self {
        Self {
            signs,
            step: Step::CountClient,
        }
    }

    /// What to do next.
    pub fn step(&self) -> Step {
        self.step
    }

    /// Takes what came of the step.
    pub fn counted(&mut self, answer: GuardAnswer) {
        self.step = match (self.step, answer) {
            (Step::CountClient, GuardAnswer::Counted) => Step::CountSetup,
            (Step::CountClient, GuardAnswer::NotBefore(from)) => too_many(from, Limited::Client),
            (Step::CountSetup, GuardAnswer::Counted) => self.signs_of_a_bot(),
            (Step::CountSetup, GuardAnswer::NotBefore(from)) => too_many(from, Limited::Setup),
            (Step::CountNonce(_), GuardAnswer::Counted) => Step::Done(Outcome::Human),
            (Step::CountNonce(_), GuardAnswer::NotBefore(_)) => Step::Done(Outcome::Bot),
            (done @ Step::Done(_), _) => done,
        };
    }

    /// A bot's request has been counted like any other: it must not be answered faster.
    fn signs_of_a_bot(&self) -> Step {
        let signs = &self.signs;
        match &signs.form_time {
            _ if signs.honeypot => Step::Done(Outcome::Bot),
            FormTime::Absent => Step::Done(Outcome::Human),
            FormTime::Forged => Step::Done(Outcome::Bot),
            FormTime::Shown {
                account,
                setup,
                at,
                nonce,
            } => {
                let age = signs.now.as_second() - at.as_second();
                let fits = *account == signs.account
                    && *setup == signs.setup
                    && (MIN_FILL_SECONDS..=MAX_FORM_AGE_SECONDS).contains(&age);
                if fits {
                    Step::CountNonce(*nonce)
                } else {
                    Step::Done(Outcome::Bot)
                }
            }
        }
    }
}

fn too_many(from: Timestamp, of: Limited) -> Step {
    Step::Done(Outcome::TooMany { from, of })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::time::plus_seconds;

    fn signs(honeypot: bool, form_time: FormTime) -> Signs {
        Signs {
            account: AccountId::parse("a").unwrap(),
            setup: SetupId::parse("s").unwrap(),
            honeypot,
            form_time,
            now: "2027-03-01T10:00:00Z".parse().unwrap(),
        }
    }

    fn shown(account: &str, setup: &str, seconds_ago: i64) -> FormTime {
        FormTime::Shown {
            account: AccountId::parse(account).unwrap(),
            setup: SetupId::parse(setup).unwrap(),
            at: plus_seconds("2027-03-01T10:00:00Z".parse().unwrap(), -seconds_ago),
            nonce: EventId::from_bytes([7; 16]),
        }
    }

    #[test]
    fn signs_of_a_bot_are_looked_at_once_the_request_is_counted() {
        let week = MAX_FORM_AGE_SECONDS;
        let (human, bot) = (Some(Outcome::Human), Some(Outcome::Bot));
        for (honeypot, form_time, expected) in [
            (false, FormTime::Absent, human),
            (true, FormTime::Absent, bot),
            (false, FormTime::Forged, bot),
            (true, shown("a", "s", 5), bot),
            (false, shown("a", "s", 1), bot),
            (false, shown("a", "s", 2), None),
            (false, shown("a", "s", week), None),
            (false, shown("a", "s", week + 1), bot),
            (false, shown("a", "s", -5), bot),
            (false, shown("b", "s", 5), bot),
            (false, shown("a", "t", 5), bot),
        ] {
            let mut screening = Screening::new(signs(honeypot, form_time.clone()));
            assert_eq!(screening.step(), Step::CountClient);
            screening.counted(GuardAnswer::Counted);
            assert_eq!(screening.step(), Step::CountSetup);
            screening.counted(GuardAnswer::Counted);
            let step = expected.map_or(Step::CountNonce(EventId::from_bytes([7; 16])), Step::Done);
            assert_eq!(screening.step(), step, "{honeypot} {form_time:?}");
        }
    }

    #[test]
    fn a_limit_says_whose_it_is_and_a_nonce_is_good_for_one_post() {
        let from = "2027-03-01T11:00:00Z".parse().unwrap();
        let refused = GuardAnswer::NotBefore(from);
        let ok = GuardAnswer::Counted;
        let too_many = |of| Outcome::TooMany { from, of };
        for (answers, expected) in [
            (&[refused][..], too_many(Limited::Client)),
            (&[ok, refused], too_many(Limited::Setup)),
            (&[ok, ok, refused], Outcome::Bot),
            (&[ok, ok, ok], Outcome::Human),
            (&[ok, ok, ok, refused], Outcome::Human),
        ] {
            let mut screening = Screening::new(signs(false, shown("a", "s", 5)));
            for answer in answers {
                screening.counted(*answer);
            }
            assert_eq!(screening.step(), Step::Done(expected));
        }
    }
}
