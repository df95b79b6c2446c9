//! `dpia`: the questionnaire on the data protection impact assessment, read and answered.
//!
//! What the answers come to and what they change is `rundbrief::processing`'s part.

use axum::Router;
use axum::routing::get;
use jiff::Timestamp;
use lambda_http::http::StatusCode;
use rundbrief::account::{Account, Scope};
use rundbrief::processing::{Dpia, DpiaProblem, Question, Risk};
use rundbrief::record::Expect;
use rundbrief::setup::Setup;
use rundbrief::time::ShownInstant;
use serde_json::{Map, Value, json};

use super::access::{Access, Desk, Sent};
use super::answer::{Answer, Refused, etag, found_at, if_match, lost_race};
use super::body::{
    MAX_BODY_OCTETS, MAX_NAME_CHARACTERS, Object, boolean, line_or_empty, lines, word,
};
use super::resource::ATTEMPTS;
use super::setup::setups;
use crate::app::Trouble;
use crate::problem::Problem;
use crate::store::WriteError;

/// Longest reference to an assessment, in characters.
const MAX_REFERENCE_CHARACTERS: usize = 500;
/// Longest reasons, in characters.
const MAX_REASONS_CHARACTERS: usize = 4_000;

/// A high risk ends tracking; setups that ask for consent to it must stop first.
const SETUPS_ASK_TRACKING: Problem = Problem {
    status: StatusCode::CONFLICT,
    code: "setups_ask_tracking_consent",
    title: "A setup asks for consent to tracking, which a high risk rules out",
};

pub(super) fn routes() -> Router {
    Router::new().route("/accounts/{account}/dpia", get(read).put(replace))
}

async fn current(desk: &Desk) -> Result<Option<Dpia>, Refused> {
    let key = Dpia::place(&desk.scope);
    Ok(desk.app.store.get(&key, desk.now).await?)
}

fn revision(dpia: Option<&Dpia>) -> u64 {
    dpia.map_or(0, |dpia| dpia.rev)
}

/// Open questions are null; until all are answered nothing is sent.
fn show(dpia: Option<&Dpia>, desk: &Desk) -> Value {
    let answers: Map<String, Value> = Question::ALL
        .iter()
        .map(|question| {
            let answer = dpia.and_then(|dpia| {
                let (yes, no) = (dpia.yes.contains(question), dpia.no.contains(question));
                (yes || no).then_some(yes)
            });
            (question.key().to_owned(), json!(answer))
        })
        .collect();
    let questions: Vec<Value> = Question::ALL
        .iter()
        .map(|one| json!({"key": one.key(), "text": one.text(desk.account.language)}))
        .collect();
    let answered = dpia.filter(|dpia| dpia.is_answered());
    json!({
        "answered": answered.is_some(),
        "result": answered.map(Dpia::result),
        "risk": dpia.map_or(Risk::Normal, |dpia| dpia.risk),
        "high_since": dpia.and_then(|dpia| dpia.high_since).map(ShownInstant),
        "allows_open_tracking": dpia.is_none_or(Dpia::allows_open_tracking),
        "reference": dpia.and_then(|dpia| dpia.reference.as_ref()),
        "reasons": dpia.map_or("", |dpia| dpia.reasons.as_str()),
        "answered_by": dpia.map_or("", |dpia| dpia.answered_by.as_str()),
        "answered_at": dpia.map(|dpia| ShownInstant(dpia.answered_at)),
        "answers": answers,
        "questions": questions,
    })
}

async fn read(access: Access) -> Answer {
    let desk = access.with(Scope::Read)?;
    let dpia = current(&desk).await?;
    Ok(found_at(
        &etag(revision(dpia.as_ref())),
        &show(dpia.as_ref(), &desk),
    ))
}

/// Takes answers to all questions, none left out.
fn take(body: &mut Object, before: Option<&Dpia>, now: Timestamp) -> Dpia {
    body.ignore(&[
        "answered",
        "result",
        "high_since",
        "allows_open_tracking",
        "answered_at",
        "questions",
    ]);
    if !body.has("answers") {
        body.problem("answers", "missing");
    }
    let (mut yes, mut no) = (Vec::new(), Vec::new());
    body.object("answers", |answers| {
        for question in Question::ALL {
            match answers.required(question.key(), boolean) {
                Some(true) => yes.push(question),
                Some(false) => no.push(question),
                None => {}
            }
        }
        Some(())
    });
    let risk: Risk = body.optional("risk", word).unwrap_or_default();
    let reference = body.optional("reference", line_or_empty(MAX_REFERENCE_CHARACTERS));
    let reasons = body.optional("reasons", lines(MAX_REASONS_CHARACTERS));
    let answered_by = body.optional("answered_by", line_or_empty(MAX_NAME_CHARACTERS));
    let dpia = Dpia {
        rev: revision(before) + 1,
        yes,
        no,
        risk,
        reference: reference.filter(|reference| !reference.is_empty()),
        reasons: reasons.unwrap_or_default(),
        answered_by: answered_by.unwrap_or_default(),
        answered_at: now,
        high_since: match risk {
            Risk::Normal => None,
            Risk::High => before.and_then(|before| before.high_since).or(Some(now)),
        },
    };
    match dpia.check() {
        Ok(()) => {}
        Err(DpiaProblem::ReferenceMissing) => body.problem("reference", "missing"),
    }
    dpia
}

/// The account's own decision: scope `admin`.
async fn replace(access: Access, sent: Sent) -> Answer {
    let desk = access.with(Scope::Admin)?;
    for _ in 0..ATTEMPTS {
        let before = current(&desk).await?;
        if_match(&desk.headers, &etag(revision(before.as_ref())))?;
        let mut body = sent.object(MAX_BODY_OCTETS)?;
        let dpia = take(&mut body, before.as_ref(), desk.now);
        let dpia = body.finish(Some(dpia))?;
        let asks = |setup: &Setup| setup.asks_tracking_consent;
        if !dpia.allows_open_tracking() && setups(&desk).await?.iter().any(asks) {
            return Err(SETUPS_ASK_TRACKING.into());
        }
        let expect = Expect::unchanged(before.as_ref());
        let written = desk
            .app
            .store
            .put(&desk.scope, &dpia, expect, desk.now)
            .await;
        match written {
            Ok(()) => {
                tell_the_account(&desk).await?;
                return Ok(found_at(&etag(dpia.rev), &show(Some(&dpia), &desk)));
            }
            Err(WriteError::Conflict) => {}
            Err(WriteError::Trouble(trouble)) => return Err(trouble.into()),
        }
    }
    Err(lost_race(&desk.headers))
}

/// Says in the account what the answers say of automated decisions: forms and notices are made
/// from the account alone. Read anew each time, so that the last of two writers is right.
async fn tell_the_account(desk: &Desk) -> Result<(), Refused> {
    let store = &desk.app.store;
    for _ in 0..ATTEMPTS {
        let account = store.account(&desk.account.id, desk.now).await?;
        let account = account.ok_or(Problem::NOT_FOUND)?;
        let says = current(desk)
            .await?
            .is_some_and(|dpia| dpia.says_automated_decisions());
        if account.automated_decisions == says {
            return Ok(());
        }
        let expect = Expect::Revision(account.rev);
        let told = Account {
            rev: account.rev + 1,
            automated_decisions: says,
            ..account
        };
        match store.put(&desk.scope, &told, expect, desk.now).await {
            Ok(()) | Err(WriteError::Conflict) => {}
            Err(WriteError::Trouble(trouble)) => return Err(trouble.into()),
        }
    }
    Err(Trouble::Contended.into())
}
