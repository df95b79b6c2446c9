//! Whoever took over from an address; and a former address of somebody who is held: what is stored
//! of it is their evidence too, and its erasure waits for the end of that hold.

use jiff::Timestamp;
use jiff::tz::TimeZone;
use rundbrief::consent;
use rundbrief::erasure::AskedBy;
use rundbrief::hold::{self, Hold};
use rundbrief::id::PersonKey;
use rundbrief::key::AccountScope;
use rundbrief::person::{Person, Unsubscription};
use rundbrief::record::Transaction;

use super::{ATTEMPTS, Erased, MAX_ADDRESSES};
use crate::app::{App, Trouble};
use crate::store::WriteError;

/// Whoever took over from this person, through however many addresses, the nearest first.
pub(super) async fn successors(
    app: &App,
    scope: &AccountScope,
    person: &Person,
    now: Timestamp,
) -> Result<Vec<Person>, Trouble> {
    let mut all: Vec<Person> = Vec::new();
    let mut next = 0;
    loop {
        let known = match next {
            0 => person,
            _ => match all.get(next - 1) {
                Some(known) => known,
                None => return Ok(all),
            },
        };
        next += 1;
        let mut left: Vec<Unsubscription> = app
            .store
            .records(scope, known.key, Unsubscription::RECORD, now)
            .await?;
        if let Some(tombstone) = &known.tombstone {
            left.retain(|left| !tombstone.hides(left.at));
        }
        for successor in consent::successors(&left) {
            // Somebody may have gone back to an address of before.
            let is_known = successor == person.key || all.iter().any(|one| one.key == successor);
            if !is_known && all.len() < MAX_ADDRESSES {
                all.push(app.store.person(scope, successor, now).await?);
            }
        }
    }
}

/// Notes an erasure that waits for `hold`, which is another person's.
pub(super) async fn postpone(
    app: &App,
    scope: &AccountScope,
    person: PersonKey,
    hold: Hold,
    by: AskedBy,
    now: Timestamp,
) -> Result<Erased, Trouble> {
    change(app, scope, person, now, |person| {
        hold::postpone_with(person, &hold, by, now)
    })
    .await?;
    Ok(Erased::Held(Box::new(hold)))
}

/// Ends what was noted with the formers of somebody because of `hold`, which was lifted before its
/// day: the next hourly run erases them.
///
/// # Errors
/// When the store does not answer, or one is changed again and again.
pub(crate) async fn let_go(
    app: &App,
    scope: &AccountScope,
    person: PersonKey,
    hold: &Hold,
    zone: &TimeZone,
    now: Timestamp,
) -> Result<(), Trouble> {
    for former in super::formers(app, scope, person, now).await? {
        change(app, scope, former, now, |former| {
            let noted = former.withdrawal.as_ref()?.hold.as_ref()?;
            if !noted.follows(hold) {
                return None;
            }
            hold::lift(scope, former, zone, now)
        })
        .await?;
    }
    Ok(())
}

/// Carries out what `decide` says of the person as read, until nobody else was faster.
async fn change(
    app: &App,
    scope: &AccountScope,
    person: PersonKey,
    now: Timestamp,
    decide: impl Fn(&Person) -> Option<Transaction>,
) -> Result<(), Trouble> {
    for _ in 0..ATTEMPTS {
        let known = app.store.person(scope, person, now).await?;
        let Some(transaction) = decide(&known) else {
            return Ok(());
        };
        match app.store.commit(scope, &transaction, now).await {
            Ok(()) => return Ok(()),
            Err(WriteError::Conflict) => {}
            Err(WriteError::Trouble(trouble)) => return Err(trouble),
        }
    }
    Err(Trouble::Contended)
}
