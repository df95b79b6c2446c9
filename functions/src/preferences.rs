//! `GET` and `POST /preferences/{token}`: what a person may decide about their data.
//!
//! The link in a mail may have been forwarded: it leaves lists and asks for a link to the mailbox,
//! and nothing else. That link, fresh for an hour, opens the rest (P-06). A GET shows a button and
//! no data: scanners follow every link in a mail.

mod act;
mod view;

use std::sync::Arc;

use jiff::Timestamp;
use lambda_http::http::StatusCode;
use lambda_http::{Body, Request, Response};
use rundbrief::form::SentValue;
use rundbrief::id::{CampaignId, ListId, PersonKey};
use rundbrief::page_language::Language;
use rundbrief::person::Person;
use rundbrief::setup::List;
use rundbrief::time::plus_seconds;
use rundbrief::token::{MAILBOX_PROOF_MINUTES, MailOrigin, Token};
use serde_json::Value;

use self::act::Done;
use crate::app::{App, Trouble};
use crate::function::{self, Failure};
use crate::person_link::{self, Linked};
use crate::problem::Problem;
use crate::visitor;

/// Handles an API Gateway event.
///
/// # Errors
/// When the event is none.
pub async fn handle(app: Arc<App>, event: Value) -> Result<Value, Failure> {
    function::http(&app, event, respond).await
}

/// Answers one request.
pub async fn respond(app: &App, request: Request) -> Response<Body> {
    let now = app.now();
    let (look, press) = (
        look(app, &request, now),
        Box::pin(press(app, &request, now)),
    );
    person_link::respond(&request, look, press).await
}

/// What a link opens.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Reach {
    /// It stood in a mail that may have been forwarded.
    Mail { campaign: Option<CampaignId> },
    /// It was mailed to the person within the last hour.
    Mailbox,
}

/// Somebody with a link, and whom it is about.
struct Visit {
    linked: Linked,
    person: Person,
    reach: Reach,
    lists: Vec<List>,
    language: Language,
    now: Timestamp,
}

impl Visit {
    async fn of(app: &App, request: &Request, now: Timestamp) -> Result<Option<Self>, Trouble> {
        let token = person_link::token(app, request).await?;
        let (account, key, reach) = match token {
            Some(Token::Preferences {
                account,
                person,
                origin,
            }) => {
                let campaign = match origin {
                    MailOrigin::Campaign { campaign, .. } => Some(campaign),
                    MailOrigin::SignUp(_) => None,
                };
                (account, person, Reach::Mail { campaign })
            }
            Some(Token::MailboxProof {
                account,
                person,
                mailed_at,
            }) if now < plus_seconds(mailed_at, MAILBOX_PROOF_MINUTES * 60) => {
                (account, person, Reach::Mailbox)
            }
            _ => return Ok(None),
        };
        let Some(linked) = person_link::account(app, &account, now).await? else {
            return Ok(None);
        };
        Box::pin(Self::at(app, linked, key, reach, now)).await
    }

    async fn at(
        app: &App,
        linked: Linked,
        key: PersonKey,
        reach: Reach,
        now: Timestamp,
    ) -> Result<Option<Self>, Trouble> {
        let (person, lists) = futures::try_join!(
            app.store.person(&linked.scope, key, now),
            app.store.configured::<List>(&linked.scope, now),
        )?;
        // Nobody's data are shown, and whoever is gone looks like a link that is.
        if reach == Reach::Mailbox && person.profile.is_none() {
            return Ok(None);
        }
        let spoken = person.profile.as_ref().map(|profile| profile.language);
        Ok(Some(Self {
            language: spoken.unwrap_or(linked.account.language),
            linked,
            person,
            reach,
            lists,
            now,
        }))
    }

    /// The same after something was changed.
    async fn again(self, app: &App) -> Result<Option<Self>, Trouble> {
        let now = app.now();
        Box::pin(Self::at(app, self.linked, self.person.key, self.reach, now)).await
    }

    /// The lists that the person is on, with their names.
    fn active(&self) -> Vec<(ListId, &str)> {
        let active = self.person.active_lists();
        active
            .into_iter()
            .map(|id| {
                let known = self.lists.iter().find(|list| list.id == id);
                let name = known.map_or("–", |list| list.name.as_str());
                (id, name)
            })
            .collect()
    }
}

async fn look(
    app: &App,
    request: &Request,
    now: Timestamp,
) -> Result<Option<Response<Body>>, Problem> {
    let Some(visit) = Visit::of(app, request, now).await? else {
        return Ok(None);
    };
    Ok(Some(match visit.reach {
        Reach::Mail { .. } => view::of_a_mail(&visit, None),
        Reach::Mailbox => view::door(&visit),
    }))
}

/// The names and values of a form; an empty body has none.
async fn sent(request: &Request) -> Result<Vec<(String, SentValue)>, Problem> {
    let is_empty = match request.body() {
        Body::Text(text) => text.is_empty(),
        Body::Binary(bytes) => bytes.is_empty(),
        _ => true,
    };
    if is_empty {
        Ok(Vec::new())
    } else {
        visitor::form_pairs(request).await
    }
}

async fn press(
    app: &App,
    request: &Request,
    now: Timestamp,
) -> Result<Option<Response<Body>>, Problem> {
    let Some(visit) = Visit::of(app, request, now).await? else {
        return Ok(None);
    };
    let sent = sent(request).await?;
    let action = match sent.iter().find(|(name, _)| name == "action") {
        None => "",
        Some((_, SentValue::Text(action))) => action.as_str(),
        Some(_) => return Err(Problem::MALFORMED),
    };
    let done = match (&visit.reach, action) {
        (_, "leave") => act::leave(app, &visit, &sent).await?,
        (_, "leave_all") => act::leave_all(app, &visit).await?,
        (Reach::Mail { .. }, "" | "proof") => act::ask_for_proof(app, &visit).await?,
        (Reach::Mailbox, "" | "show") => Done::Shown,
        (Reach::Mailbox, "save") => act::save(app, &visit, &sent).await?,
        (Reach::Mailbox, "end_tracking" | "end_profiling") => {
            act::end_consent(app, &visit, action).await?
        }
        (Reach::Mailbox, "object") => act::object(app, &visit).await?,
        // Nobody could confirm it in a closed account.
        (Reach::Mailbox, "address") if visit.linked.account.is_open(visit.now) => {
            act::change_address(app, request, &visit, &sent).await?
        }
        (Reach::Mailbox, "export" | "export_json" | "portable_json" | "portable_csv") => {
            return act::hand_out(app, &visit, action).await.map(Some);
        }
        (Reach::Mailbox, "erase") => act::erase(app, &visit, &sent).await?,
        // What another link may do, this one may not; and what no link may do.
        _ => {
            let language = visit.language;
            return Ok(Some(view::refused(&visit, language)));
        }
    };
    if done == Done::Erased {
        return Ok(Some(view::erased(&visit)));
    }
    let Some(visit) = visit.again(app).await? else {
        return Ok(None);
    };
    Ok(Some(match visit.reach {
        Reach::Mail { .. } => view::of_a_mail(&visit, Some(&done)),
        Reach::Mailbox => view::of_the_mailbox(app, &visit, &done, &sent).await?,
    }))
}

/// Of every page here.
const OK: StatusCode = StatusCode::OK;
