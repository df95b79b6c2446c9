//! Who may sign up how often, and who is taken for a bot (M-28 to M-31).

use jiff::Timestamp;
use rundbrief::crypto::hex;
use rundbrief::form::Submission;
use rundbrief::guard::{ADDRESS_LIMIT, CLIENT_LIMIT, SlidingLimit};
use rundbrief::id::PersonKey;
use rundbrief::personal::ClientIp;
use rundbrief::sign_up::{SignUp, SignUpState};
use rundbrief::time::plus_seconds;
use rundbrief::token::Token;

use super::LoadedForm;
use crate::app::{App, Trouble};
use crate::store::GuardAnswer;

/// Nobody fills in a form faster than this, in seconds (engineering).
const MIN_FILL_SECONDS: i64 = 2;
/// A form that was shown longer ago than this is a stored one, in seconds: a week (engineering).
const MAX_FORM_AGE_SECONDS: i64 = 7 * 86_400;

/// A form's nonce is good for one post.
const NONCE_LIMIT: SlidingLimit = SlidingLimit {
    kind: "nonce",
    count: 1,
    window_seconds: MAX_FORM_AGE_SECONDS,
    gap_seconds: 0,
};

/// What the guards say.
pub(super) enum Outcome {
    /// Go on.
    Human,
    /// Look as if it had worked.
    Bot,
    /// Not before this instant.
    TooMany { from: Timestamp },
}

/// Counts the request for client and setup, and looks for signs of a bot.
pub(super) async fn admit(
    app: &App,
    form: &LoadedForm,
    ip: ClientIp,
    submission: &Submission,
    now: Timestamp,
) -> Result<Outcome, Trouble> {
    let keys = app.keys().await?;
    if let GuardAnswer::NotBefore(from) = app
        .store
        .count(&CLIENT_LIMIT, &keys.guard.client(ip), now)
        .await?
    {
        return Ok(Outcome::TooMany { from });
    }
    let setup = &form.definition.setup;
    let mut shard = [0];
    app.entropy.fill(&mut shard);
    let answer = app
        .store
        .count_for_setup(
            &form.account.id,
            &setup.id,
            setup.hourly_budget,
            shard[0],
            now,
        )
        .await?;
    if let GuardAnswer::NotBefore(from) = answer {
        tracing::warn!(account = %form.account.id, setup = %setup.id, "a setup is over its hourly budget");
        return Ok(Outcome::TooMany { from });
    }
    if submission.honeypot {
        return Ok(Outcome::Bot);
    }
    let Some(form_time) = &submission.form_time else {
        return Ok(Outcome::Human);
    };
    let Ok(Token::FormTime {
        account,
        setup,
        shown_at,
        nonce,
    }) = keys.sealer.open(form_time)
    else {
        return Ok(Outcome::Bot);
    };
    let age = now.as_second() - shown_at.as_second();
    if account != form.account.id
        || setup != form.definition.setup.id
        || !(MIN_FILL_SECONDS..=MAX_FORM_AGE_SECONDS).contains(&age)
    {
        return Ok(Outcome::Bot);
    }
    match app
        .store
        .count(&NONCE_LIMIT, &keys.guard.nonce(nonce), now)
        .await?
    {
        GuardAnswer::Counted => Ok(Outcome::Human),
        GuardAnswer::NotBefore(_) => Ok(Outcome::Bot),
    }
}

/// From when on the address may be mailed; `None` when the sign-up is to lead to nothing.
///
/// A repeat while a sign-up of this account is pending leads to nothing within the 10 minutes; a
/// mail that another account's sign-up holds up is sent when they are over. Who has had three
/// mails within a day gets no fourth.
pub(super) async fn mail_from(
    app: &App,
    form: &LoadedForm,
    submission: &Submission,
    person: PersonKey,
    would_mail: bool,
    now: Timestamp,
) -> Result<Option<Timestamp>, Trouble> {
    let hash = if would_mail {
        app.keys().await?.guard.address(&submission.address)
    } else {
        // Counts nothing that matters, so that every request does the same work.
        let mut random = [0; 16];
        app.entropy.fill(&mut random);
        hex(&random)
    };
    match app.store.count(&ADDRESS_LIMIT, &hash, now).await? {
        GuardAnswer::Counted => Ok(Some(now)),
        GuardAnswer::NotBefore(from) if from > plus_seconds(now, ADDRESS_LIMIT.gap_seconds) => {
            Ok(None)
        }
        GuardAnswer::NotBefore(from) => {
            let sign_ups: Vec<SignUp> = app
                .store
                .records(&form.scope, person, SignUp::RECORD, now)
                .await?;
            let recent = plus_seconds(now, -ADDRESS_LIMIT.gap_seconds);
            let repeated = sign_ups.iter().any(|sign_up| {
                sign_up.signed_up_at > recent && sign_up.state != SignUpState::Suppressed
            });
            if repeated {
                return Ok(None);
            }
            // The later mail takes its place in the count now: otherwise all that wait for the
            // same instant would be sent at it. Who finds the place taken gets none.
            Ok(match app.store.count(&ADDRESS_LIMIT, &hash, from).await? {
                GuardAnswer::Counted => Some(from),
                GuardAnswer::NotBefore(_) => None,
            })
        }
    }
}
