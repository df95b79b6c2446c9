//! `POST subscribers/{id}/unsubscribe`, `…/object`, `…/restrict`, `…/lift-restriction`,
//! `…/end-relationship`.
//!
//! Each says the same when it comes again: done, and how the person stands now. Leaving, objecting
//! and restricting go on in a closed account: the rights end with the data, not before.

use axum::response::Response;
use lambda_http::http::StatusCode;
use rundbrief::account::Scope;
use rundbrief::consent::{self, Leaving};
use rundbrief::evidence::Entry;
use rundbrief::id::{EventId, ListId, PersonKey};
use rundbrief::person::{Person, UnsubscribedVia};
use rundbrief::record::{Expect, Record, Transaction};

use super::super::access::{Access, Desk, Sent};
use super::super::answer::{Answer, RESTRICTED, Refused, if_match, lost_race};
use super::super::body::{self, MAX_BODY_OCTETS, date};
use super::super::idempotency::Keep;
use super::super::resource::ATTEMPTS;
use super::{PATH, etag, known, shown};
use crate::problem::Problem;
use crate::store::WriteError;
use crate::unsubscribe;

/// The day is later than an end that has come already.
const HAS_ENDED: Problem = Problem {
    status: StatusCode::CONFLICT,
    code: "relationship_ended",
    title: "The relationship has ended already; only an earlier day can be told",
};

/// The person as they stand; a repetition reads again instead of keeping personal data.
async fn stands(desk: &Desk, key: PersonKey) -> Answer {
    let person = desk.app.store.person(&desk.scope, key, desk.now).await?;
    Ok(kept(desk, key, shown(&person)?))
}

fn kept(desk: &Desk, key: PersonKey, mut response: Response) -> Response {
    response.extensions_mut().insert(Keep::Read {
        path: desk.path(PATH, &key.to_string()),
    });
    response
}

/// Commits what `decide` says of the person as read, until nobody else was faster.
async fn decide(
    desk: &Desk,
    mut decide: impl FnMut(&Person) -> Result<Option<Transaction>, Refused>,
) -> Result<PersonKey, Refused> {
    for _ in 0..ATTEMPTS {
        let (person, profile) = known(desk).await?;
        if_match(&desk.headers, &etag(&profile, person.withdrawal.as_ref()))?;
        let Some(transaction) = decide(&person)? else {
            return Ok(person.key);
        };
        match desk
            .app
            .store
            .commit(&desk.scope, &transaction, desk.now)
            .await
        {
            Ok(()) => return Ok(person.key),
            Err(WriteError::Conflict) => {}
            Err(WriteError::Trouble(trouble)) => return Err(trouble.into()),
        }
    }
    Err(lost_race(&desk.headers))
}

pub(super) async fn unsubscribe(access: Access, sent: Sent) -> Answer {
    let desk = access.even_closed(Scope::Write)?;
    let mut body = sent.object_if_any(MAX_BODY_OCTETS)?;
    let list = body.optional("list", body::id::<ListId>);
    let list = body.finish(Some(list))?;
    let zone = rundbrief::time::zone(&desk.account.time_zone)?;
    let leaving = leaving(&desk, list);
    let setup = unsubscribe::in_force(&desk.app, &desk.account, &desk.scope, desk.now).await?;
    let key = decide(&desk, |person| {
        let mut left = consent::leave(&desk.scope, person, &leaving, &zone);
        if let Some(left) = &mut left {
            consent::note_terms(left, setup.as_ref());
        }
        Ok(left)
    })
    .await?;
    stands(&desk, key).await
}

pub(super) async fn restrict(access: Access, sent: Sent) -> Answer {
    let desk = access.even_closed(Scope::Write)?;
    sent.object_if_any(MAX_BODY_OCTETS)?.finish(Some(()))?;
    let key = decide(&desk, |person| Ok(consent::restrict(person, desk.now))).await?;
    stands(&desk, key).await
}

pub(super) async fn lift_restriction(access: Access, sent: Sent) -> Answer {
    let desk = access.with(Scope::Write)?;
    sent.object_if_any(MAX_BODY_OCTETS)?.finish(Some(()))?;
    let key = decide(&desk, |person| {
        Ok(consent::lift_restriction(person, desk.now))
    })
    .await?;
    stands(&desk, key).await
}

/// The person told the controller, and not us, that they object (Art. 21(3) GDPR).
pub(super) async fn object(access: Access, sent: Sent) -> Answer {
    let desk = access.even_closed(Scope::Write)?;
    sent.object_if_any(MAX_BODY_OCTETS)?.finish(Some(()))?;
    let zone = rundbrief::time::zone(&desk.account.time_zone)?;
    let leaving = leaving(&desk, None);
    let setup = unsubscribe::in_force(&desk.app, &desk.account, &desk.scope, desk.now).await?;
    let key = decide(&desk, |person| {
        let mut objected = consent::object(&desk.scope, person, &leaving, &zone);
        consent::note_terms(&mut objected, setup.as_ref());
        Ok(Some(objected))
    })
    .await?;
    stands(&desk, key).await
}

fn leaving(desk: &Desk, list: Option<ListId>) -> Leaving {
    Leaving {
        list,
        via: UnsubscribedVia::Controller,
        campaign: None,
        event: EventId::generate(desk.now, desk.app.entropy.as_ref()),
        entry: Entry::generate(desk.now, desk.app.entropy.as_ref()),
        now: desk.now,
    }
}

pub(super) async fn end(access: Access, sent: Sent) -> Answer {
    let desk = access.with(Scope::Write)?;
    let mut body = sent.object(MAX_BODY_OCTETS)?;
    let on = body.required("on", date);
    let on = body.finish(on)?;
    let zone = rundbrief::time::zone(&desk.account.time_zone)?;
    let mut last = None;
    let key = decide(&desk, |person| {
        if person.is_restricted() {
            return Err(RESTRICTED.into());
        }
        let Some(profile) = &person.profile else {
            return Ok(None);
        };
        let Some(ended) =
            consent::end(profile, on, &zone, desk.now).map_err(|consent::HasEnded| HAS_ENDED)?
        else {
            return Ok(None);
        };
        let mut transaction = Transaction::default();
        transaction.put(
            Record::Profile(Box::new(ended.clone())),
            Expect::Revision(profile.rev),
        );
        transaction.check(
            desk.scope.withdrawal(person.key),
            Expect::unchanged(person.withdrawal.as_ref()),
        );
        last = Some(Person {
            profile: Some(ended),
            ..person.clone()
        });
        Ok(Some(transaction))
    })
    .await?;
    // Whose month is over already is gone at once: this answer is the last that shows them.
    match last {
        Some(person) => Ok(kept(&desk, key, shown(&person)?)),
        None => stands(&desk, key).await,
    }
}
