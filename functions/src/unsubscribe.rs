//! `GET` and `POST /unsubscribe/{token}`: ends list mail, by our button or by RFC 8058 one-click;
//! and `/not-me/{token}`.
//!
//! A valid token always answers 200, also when there is nobody (any more) to unsubscribe (M-08).
//! One-click acts at once; what the button leads to, the account's unsubscribe setup says (P-14).

mod not_me;
mod pages;

use std::sync::Arc;

use jiff::Timestamp;
use lambda_http::{Body, Request, Response};
use rundbrief::account::Account;
use rundbrief::consent::{self, Leaving, Terms};
use rundbrief::evidence::Entry;
use rundbrief::form::SentValue;
use rundbrief::id::{CampaignId, EventId, ListId, PersonKey};
use rundbrief::key::AccountScope;
use rundbrief::message::{MESSAGE_VERSION, NoticeMessage};
use rundbrief::outbox::{Notice, Outbox};
use rundbrief::page_language::Language;
use rundbrief::person::{Person, UnsubscribedVia};
use rundbrief::record::{Expect, Stored};
use rundbrief::setup::List;
use rundbrief::token::{MailOrigin, Token};
use rundbrief::unsubscribe_setup::{LeavingMode, LeavingScope, Reason, UnsubscribeSetup};
use serde_json::Value;

use crate::app::{App, Trouble};
use crate::function::{self, Failure};
use crate::person_link::{self, Linked};
use crate::settings::InvalidSetting;
use crate::store::WriteError;
use crate::visitor;

/// How often a decision is made again after somebody else changed the person meanwhile.
const ATTEMPTS: usize = 8;

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
    if request.uri().path().starts_with(not_me::PATH) {
        return Box::pin(not_me::respond(app, &request, now)).await;
    }
    // Not a 200: the mailbox provider is to try again (RFC 8058, section 3.1).
    let (look, press) = (
        Box::pin(look(app, &request, now)),
        Box::pin(leave(app, &request, now)),
    );
    person_link::respond(&request, look, press).await
}

/// What a link is for, read up to who it is about.
struct Link {
    person: PersonKey,
    campaign: Option<CampaignId>,
    /// The list to leave; none for all list mail.
    list: Option<ListId>,
    /// What was said by the button, where this is the link that confirms it.
    #[expect(
        clippy::option_option,
        reason = "no link of a request, or one with the reason that was given or not"
    )]
    confirms: Option<Option<Reason>>,
    /// `None` when the account is gone.
    linked: Option<Linked>,
    /// The setup in force.
    setup: Option<UnsubscribeSetup>,
}

async fn find(app: &App, request: &Request, now: Timestamp) -> Result<Option<Link>, Trouble> {
    let (account, person, campaign, list, confirms) = match person_link::token(app, request).await?
    {
        Some(Token::Unsubscribe {
            account,
            person,
            origin,
        }) => {
            let (campaign, list) = match origin {
                MailOrigin::Campaign { campaign, list } => (Some(campaign), list),
                MailOrigin::SignUp(_) => (None, None),
            };
            (account, person, campaign, list, None)
        }
        Some(Token::Leave {
            account,
            person,
            campaign,
            list,
            reason,
        }) => (account, person, campaign, list, Some(reason)),
        _ => return Ok(None),
    };
    let linked = person_link::account(app, &account, now).await?;
    let setup = match &linked {
        Some(linked) => in_force(app, &linked.account, &linked.scope, now).await?,
        None => None,
    };
    // What was asked for by the button stands; else the setup says what a mail's list means.
    let by_list = confirms.is_some()
        || setup
            .as_ref()
            .is_some_and(|setup| setup.scope == LeavingScope::List);
    Ok(Some(Link {
        person,
        campaign,
        list: list.filter(|_| by_list),
        confirms,
        linked,
        setup,
    }))
}

/// The account's unsubscribe setup, if it names one.
///
/// # Errors
/// When the table cannot be read.
pub(crate) async fn in_force(
    app: &App,
    account: &Account,
    scope: &AccountScope,
    now: Timestamp,
) -> Result<Option<UnsubscribeSetup>, Trouble> {
    let Some(id) = &account.unsubscribe_setup else {
        return Ok(None);
    };
    let key = scope.configuration(UnsubscribeSetup::KIND, id.as_str());
    app.store.get(&key, now).await
}

/// What pages say: the language the person is written to in, and what the list is called.
struct Words {
    language: Language,
    list: Option<String>,
}

async fn words(app: &App, link: &Link, now: Timestamp) -> Result<Words, Trouble> {
    let Some(linked) = &link.linked else {
        return Ok(Words {
            language: Language::default(),
            list: None,
        });
    };
    let person = app.store.person(&linked.scope, link.person, now).await?;
    let list = match &link.list {
        Some(list) => {
            let key = linked.scope.configuration(List::KIND, list.as_str());
            let found: Option<List> = app.store.get(&key, now).await?;
            Some(found.map_or_else(|| list.to_string(), |list| list.name))
        }
        None => None,
    };
    Ok(Words {
        language: person
            .profile
            .map_or(linked.account.language, |profile| profile.language),
        list,
    })
}

async fn look(
    app: &App,
    request: &Request,
    now: Timestamp,
) -> Result<Option<Response<Body>>, Trouble> {
    let Some(link) = find(app, request, now).await? else {
        return Ok(None);
    };
    let words = words(app, &link, now).await?;
    Ok(Some(pages::button(&link, &words)))
}

async fn leave(
    app: &App,
    request: &Request,
    now: Timestamp,
) -> Result<Option<Response<Body>>, Trouble> {
    let Some(link) = find(app, request, now).await? else {
        return Ok(None);
    };
    let words = words(app, &link, now).await?;
    let Some(linked) = &link.linked else {
        return Ok(Some(pages::done(&link, &words)));
    };
    let via = if visitor::is_one_click(request).await {
        UnsubscribedVia::OneClick
    } else {
        UnsubscribedVia::Page
    };
    let reason = match link.confirms {
        Some(reason) => reason,
        None => said(request, link.setup.as_ref()).await,
    };
    let asks_first = link.confirms.is_none()
        && via == UnsubscribedVia::Page
        && link
            .setup
            .as_ref()
            .is_some_and(|setup| setup.mode == LeavingMode::Double);
    if asks_first && Box::pin(ask(app, linked, &link, reason, now)).await? {
        return Ok(Some(pages::asked(&link, &words)));
    }
    if !asks_first {
        Box::pin(carry_out(app, linked, &link, via, reason, now)).await?;
    }
    Ok(Some(pages::done(&link, &words)))
}

/// The reason that was chosen, where one was asked for; whatever else is sent is none.
async fn said(request: &Request, setup: Option<&UnsubscribeSetup>) -> Option<Reason> {
    if !setup?.asks_reason {
        return None;
    }
    // The button's POST needs no body, and one that cannot be read is none.
    let pairs = visitor::form_pairs(request).await.ok()?;
    pairs.iter().find_map(|(name, value)| match value {
        SentValue::Text(text) if name == "reason" => Reason::parse(text),
        _ => None,
    })
}

/// Whether the person is on what is to be left.
fn is_on(person: &Person, list: Option<&ListId>) -> bool {
    let active = person.active_lists();
    list.map_or(!active.is_empty(), |list| active.contains(list))
}

/// Promises the mail that asks to confirm, unless one is on its way or came within a day; false when there is nothing to leave.
async fn ask(
    app: &App,
    linked: &Linked,
    link: &Link,
    reason: Option<Reason>,
    now: Timestamp,
) -> Result<bool, Trouble> {
    let person = app.store.person(&linked.scope, link.person, now).await?;
    if !is_on(&person, link.list.as_ref()) {
        return Ok(false);
    }
    // Somebody else may press the button of a mail that was forwarded, as often as they like: it
    // must not fill the mailbox, nor use up what the address may be mailed (M-30).
    let answered = match &link.list {
        Some(list) => person.left_list_at(list),
        None => person.withdrawal.as_ref().and_then(|known| known.all_at),
    };
    let (scope, key) = (&linked.scope, link.person);
    let known: Vec<Outbox> = app.store.records(scope, key, Outbox::RECORD, now).await?;
    let list = link.list.as_ref();
    if known
        .iter()
        .any(|one| one.asks_to_leave(list, answered, now))
    {
        return Ok(true);
    }
    let event = EventId::generate(now, app.entropy.as_ref());
    let notice = Notice::LeaveRequest {
        campaign: link.campaign.clone(),
        list: link.list.clone(),
        reason,
    };
    let outbox = Outbox::new(event, link.person, notice, now, Outbox::waits_until(now));
    let put = app.store.put(&linked.scope, &outbox, Expect::Absent, now);
    match put.await {
        Ok(()) => {}
        Err(WriteError::Conflict) => return Err(Trouble::Contended),
        Err(WriteError::Trouble(trouble)) => return Err(trouble),
    }
    announce(app, linked, link.person, event).await?;
    Ok(true)
}

/// Says that there is a mail to send; without the message it is found through the due index.
async fn announce(
    app: &App,
    linked: &Linked,
    person: PersonKey,
    outbox: EventId,
) -> Result<(), Trouble> {
    let setting = InvalidSetting("NOTICE_QUEUE_URL");
    let queue = app.settings.notice_queue_url.as_deref().ok_or(setting)?;
    let message = NoticeMessage {
        v: MESSAGE_VERSION,
        account: linked.account.id.clone(),
        person,
        outbox,
    };
    if app.enqueue(queue, &message).await.is_err() {
        tracing::warn!("a notice will be sent later, because its message could not be queued");
    }
    Ok(())
}

/// Withdraws, and tries again while others change the same person.
async fn carry_out(
    app: &App,
    linked: &Linked,
    link: &Link,
    via: UnsubscribedVia,
    reason: Option<Reason>,
    now: Timestamp,
) -> Result<(), Trouble> {
    let zone = rundbrief::time::zone(&linked.account.time_zone).map_err(|_| Trouble::Damaged)?;
    let leaving = Leaving {
        list: link.list.clone(),
        via,
        campaign: link.campaign.clone(),
        event: EventId::generate(now, app.entropy.as_ref()),
        entry: Entry::generate(now, app.entropy.as_ref()),
        now,
    };
    let outbox = EventId::generate(now, app.entropy.as_ref());
    let terms = Terms {
        setup: link.setup.as_ref(),
        reason,
        outbox,
    };
    for _ in 0..ATTEMPTS {
        let person = app.store.person(&linked.scope, link.person, now).await?;
        let decided = consent::leave_under(&linked.scope, &person, &leaving, &zone, terms);
        let Some((transaction, is_told)) = decided else {
            return Ok(());
        };
        match app.store.commit(&linked.scope, &transaction, now).await {
            Ok(()) if is_told => return announce(app, linked, link.person, outbox).await,
            Ok(()) => return Ok(()),
            Err(WriteError::Conflict) => {}
            Err(WriteError::Trouble(trouble)) => return Err(trouble),
        }
    }
    Err(Trouble::Contended)
}
