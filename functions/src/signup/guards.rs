//! Who may sign up how often, and who is taken for a bot (M-28 to M-31).

use jiff::Timestamp;
use rundbrief::consent::REPEAT_SECONDS;
use rundbrief::form::Submission;
use rundbrief::guard::{CLIENT_LIMIT, SlidingLimit};
use rundbrief::id::{EventId, PersonKey};
use rundbrief::personal::ClientIp;
use rundbrief::sign_up::SignUp;
use rundbrief::time::plus_seconds;
use rundbrief::token::Token;

use super::LoadedForm;
use crate::app::{App, Trouble};
use crate::store::{GuardAnswer, Range};

/// Nobody fills in a form faster than this, in seconds (engineering).
const MIN_FILL_SECONDS: i64 = 2;
/// A form that was shown longer ago than this is a stored one, in seconds: a week (engineering).
const MAX_FORM_AGE_SECONDS: i64 = 7 * 86_400;

/// Sign-ups of one person that are looked at: more of the last minutes are somebody's attack,
/// and each of them was held back already.
const RECENT_SIGN_UPS: i32 = 100;

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

/// The person's sign-ups of the last minutes: what a request may be a repetition of.
pub(super) async fn recent(
    app: &App,
    form: &LoadedForm,
    person: PersonKey,
    now: Timestamp,
) -> Result<Vec<SignUp>, Trouble> {
    let since = plus_seconds(now, -REPEAT_SECONDS);
    let before = form
        .scope
        .record(person, SignUp::RECORD, EventId::earliest(since));
    let range = Range {
        table: before.table,
        pk: before.pk,
        prefix: format!("{person}#{}#", SignUp::RECORD),
        after: Some(before.sk),
        limit: RECENT_SIGN_UPS,
    };
    Ok(app.store.page(&range, now).await?.items)
}
