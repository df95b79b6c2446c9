//! `subscribers/{id}/hold`: a duty to keep a person's data, with the provision it rests on.
//!
//! What it does and when it ends is decided in `rundbrief::hold`.

use lambda_http::http::StatusCode;
use rundbrief::account::Scope;
use rundbrief::hold::{self, Hold};
use rundbrief::id::PersonKey;
use rundbrief::person::Person;
use rundbrief::time::ShownInstant;
use serde_json::{Value, json};
use tokio::time::Instant;

use super::super::access::{Access, Desk, Sent};
use super::super::answer::{Answer, Refused, found, gone, json as answer, lost_race};
use super::super::body::{MAX_BODY_OCTETS, date, line};
use super::super::erasure::show as show_erasure;
use super::super::resource::ATTEMPTS;
use crate::erasure::{AT_ONCE, held};
use crate::problem::Problem;
use crate::store::WriteError;

/// Longest basis in characters: a provision and a case, not a file.
const MAX_BASIS_CHARACTERS: usize = 500;

const HELD: Problem = Problem {
    status: StatusCode::CONFLICT,
    code: "legal_hold",
    title: "The data must be kept; the erasure is noted and done when the hold ends",
};

fn show(hold: &Hold) -> Value {
    json!({
        "basis": hold.basis,
        "until": hold.required_until,
        "since": ShownInstant(hold.since),
        "ends_at": ShownInstant(hold.until),
        "erasure_asked_at": hold.erasure.map(|asked| ShownInstant(asked.asked_at)),
    })
}

/// The hold of a person that stands now.
fn standing<'a>(desk: &Desk, person: &'a Person) -> Result<&'a Hold, Refused> {
    let hold = person.withdrawal.as_ref().and_then(|one| one.hold.as_ref());
    hold.filter(|hold| hold.stands(desk.now))
        .ok_or_else(|| Problem::NOT_FOUND.into())
}

async fn read_person(desk: &Desk) -> Result<Person, Refused> {
    let key: PersonKey = desk.id()?;
    Ok(desk.app.store.person(&desk.scope, key, desk.now).await?)
}

pub(super) async fn read(access: Access) -> Answer {
    let desk = access.with(Scope::Read)?;
    let person = read_person(&desk).await?;
    Ok(found(&show(standing(&desk, &person)?)))
}

pub(super) async fn place(access: Access, sent: Sent) -> Answer {
    let desk = access.with(Scope::Erase)?;
    let mut body = sent.object(MAX_BODY_OCTETS)?;
    let basis = body.required("basis", line(MAX_BASIS_CHARACTERS));
    let until = body.required("until", date);
    let (basis, until) = body.finish(basis.zip(until))?;
    let zone = rundbrief::time::zone(&desk.account.time_zone)?;
    let hold = Hold::new(basis, until, &zone, desk.now)
        .map_err(|invalid| Refused::field("until", invalid.code()))?;
    for _ in 0..ATTEMPTS {
        let person = read_person(&desk).await?;
        let transaction = hold::place(&desk.scope, &person, hold.clone());
        let transaction = transaction.ok_or(Problem::NOT_FOUND)?;
        let committed = desk.app.store.commit(&desk.scope, &transaction, desk.now);
        match committed.await {
            Ok(()) => {
                let person = read_person(&desk).await?;
                return Ok(found(&show(standing(&desk, &person)?)));
            }
            Err(WriteError::Conflict) => {}
            Err(WriteError::Trouble(trouble)) => return Err(trouble.into()),
        }
    }
    Err(lost_race(&desk.headers))
}

/// Ends it. An erasure that was asked for meanwhile is done now: `202` with its proof.
pub(super) async fn lift(access: Access) -> Answer {
    let desk = access.with(Scope::Erase)?;
    let zone = rundbrief::time::zone(&desk.account.time_zone)?;
    for _ in 0..ATTEMPTS {
        let person = read_person(&desk).await?;
        let held = standing(&desk, &person)?;
        let transaction = hold::lift(&desk.scope, &person, &zone, desk.now);
        let transaction = transaction.ok_or(Problem::NOT_FOUND)?;
        let committed = desk.app.store.commit(&desk.scope, &transaction, desk.now);
        match committed.await {
            Ok(()) => {
                let (app, scope, key) = (&desk.app, &desk.scope, person.key);
                held::let_go(app, scope, key, held, &zone, desk.now).await?;
                return Box::pin(lifted(&desk, key)).await;
            }
            Err(WriteError::Conflict) => {}
            Err(WriteError::Trouble(trouble)) => return Err(trouble.into()),
        }
    }
    Err(lost_race(&desk.headers))
}

async fn lifted(desk: &Desk, key: PersonKey) -> Answer {
    let stop_at = Instant::now() + AT_ONCE;
    let erased = crate::hold::carry_out(
        &desk.app,
        &desk.account,
        &desk.scope,
        key,
        desk.now,
        stop_at,
    )
    .await?;
    Ok(match erased {
        None => gone(),
        Some(erasure) => answer(StatusCode::ACCEPTED, &show_erasure(&erasure)),
    })
}

/// What an erasure is answered with while a hold stands: why, and until when.
pub(super) fn refused(hold: &Hold) -> Refused {
    Refused::from(HELD).with("hold", show(hold))
}
