//! What a person decides on the preference page, carried out.
//!
//! Each may come twice and says the same then; who may ask is checked before.

use jiff::tz::TimeZone;
use lambda_http::http::{HeaderValue, header};
use lambda_http::{Body, Request, Response};
use rundbrief::address::EmailAddress;
use rundbrief::consent::{self, Leaving, Rectified};
use rundbrief::erasure::AskedBy;
use rundbrief::evidence::Entry;
use rundbrief::form::{FieldProblem, FieldProblemCode, SentValue, sent_text};
use rundbrief::id::{EventId, ListId, PersonKey};
use rundbrief::message::{MESSAGE_VERSION, NoticeMessage};
use rundbrief::outbox::{Notice, Outbox};
use rundbrief::person::{Person, Purpose, UnsubscribedVia};
use rundbrief::person_request::{PersonRequest, RequestKind};
use rundbrief::record::{Expect, Transaction};
use rundbrief::setup::Field;
use rundbrief::time::plus_seconds;
use rundbrief::token::MAILBOX_PROOF_MINUTES;
use rundbrief::unsubscribe_setup::UnsubscribeSetup;

use super::{Reach, Visit};
use crate::address_change::{self, Begun};
use crate::app::{App, Trouble};
use crate::erasure::{self, Erased};
use crate::export::{answer, portable};
use crate::problem::Problem;
use crate::settings::InvalidSetting;
use crate::store::WriteError;
use crate::{unsubscribe, visitor};

/// How often a decision is made again after somebody else changed the person meanwhile.
const ATTEMPTS: usize = 8;

/// What became of a wish.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Done {
    /// Nothing was asked but to see.
    Shown,
    /// No list was chosen.
    NothingChosen,
    /// The chosen lists, or all, were left.
    Left,
    /// A link is on its way to the mailbox.
    ProofAsked,
    /// The data say what was sent.
    Saved,
    /// These fields have values that do not fit; nothing was saved.
    Invalid(Vec<FieldProblem>),
    /// Nothing is changed while processing is restricted.
    Restricted,
    /// A consent beside those of lists is withdrawn.
    ConsentEnded,
    /// The new address is asked to confirm.
    AddressAsked,
    /// There is nothing to take along to a new address.
    SignUpAnew,
    /// The person objected.
    Objected,
    /// A legal hold stands, on this basis: it is noted, and done when that ends.
    Held(String),
    /// The tick that says it is meant is missing.
    NotConfirmed,
    /// Nothing of the person is left.
    Erased,
}

fn leaving(app: &App, visit: &Visit, list: Option<ListId>) -> Leaving {
    Leaving {
        list,
        via: UnsubscribedVia::Preferences,
        campaign: match &visit.reach {
            Reach::Mail { campaign } => campaign.clone(),
            Reach::Mailbox => None,
        },
        event: EventId::generate(visit.now, app.entropy.as_ref()),
        entry: Entry::generate(visit.now, app.entropy.as_ref()),
        now: visit.now,
    }
}

/// Commits what `decide` says of the person as read, until nobody else was faster.
async fn carry_out<T>(
    app: &App,
    visit: &Visit,
    decide: impl FnMut(&Person) -> Result<Transaction, T>,
) -> Result<Option<T>, Trouble> {
    carry_out_for(app, visit, visit.person.key, decide).await
}

async fn carry_out_for<T>(
    app: &App,
    visit: &Visit,
    key: PersonKey,
    mut decide: impl FnMut(&Person) -> Result<Transaction, T>,
) -> Result<Option<T>, Trouble> {
    let scope = &visit.linked.scope;
    for _ in 0..ATTEMPTS {
        let person = app.store.person(scope, key, visit.now).await?;
        let transaction = match decide(&person) {
            Ok(transaction) => transaction,
            Err(nothing) => return Ok(Some(nothing)),
        };
        match app.store.commit(scope, &transaction, visit.now).await {
            Ok(()) => return Ok(None),
            Err(WriteError::Conflict) => {}
            Err(WriteError::Trouble(trouble)) => return Err(trouble),
        }
    }
    Err(Trouble::Contended)
}

/// What the account says of whoever leaves, whichever way they take.
struct Terms {
    zone: TimeZone,
    setup: Option<UnsubscribeSetup>,
}

impl Terms {
    async fn of(app: &App, visit: &Visit) -> Result<Self, Trouble> {
        let linked = &visit.linked;
        let setup = unsubscribe::in_force(app, &linked.account, &linked.scope, visit.now);
        Ok(Self {
            zone: zone(visit)?,
            setup: setup.await?,
        })
    }

    async fn leave(&self, app: &App, visit: &Visit, list: Option<ListId>) -> Result<(), Trouble> {
        let leaving = leaving(app, visit, list);
        carry_out::<()>(app, visit, |person| {
            let left = consent::leave(&visit.linked.scope, person, &leaving, &self.zone);
            let mut left = left.ok_or(())?;
            consent::note_terms(&mut left, self.setup.as_ref());
            Ok(left)
        })
        .await?;
        Ok(())
    }

    async fn object(&self, app: &App, visit: &Visit, who: PersonKey) -> Result<(), Trouble> {
        let leaving = leaving(app, visit, None);
        carry_out_for::<()>(app, visit, who, |person| {
            let scope = &visit.linked.scope;
            let mut objected = consent::object(scope, person, &leaving, &self.zone);
            consent::note_terms(&mut objected, self.setup.as_ref());
            Ok(objected)
        })
        .await?;
        Ok(())
    }
}

/// Leaves the lists that were ticked, one by one.
pub(super) async fn leave(
    app: &App,
    visit: &Visit,
    sent: &[(String, SentValue)],
) -> Result<Done, Problem> {
    let mut chosen = Vec::new();
    for (_, value) in sent.iter().filter(|(name, _)| name == "list") {
        let SentValue::Text(text) = value else {
            return Err(Problem::MALFORMED);
        };
        // What is no list of theirs is nothing to leave.
        chosen.extend(ListId::parse(text).ok());
    }
    chosen.truncate(visit.lists.len());
    if chosen.is_empty() {
        return Ok(Done::NothingChosen);
    }
    let terms = Terms::of(app, visit).await?;
    for list in chosen {
        terms.leave(app, visit, Some(list)).await?;
    }
    Ok(Done::Left)
}

fn zone(visit: &Visit) -> Result<TimeZone, Trouble> {
    rundbrief::time::zone(&visit.linked.account.time_zone).map_err(|_| Trouble::Damaged)
}

/// Ends all list mail.
pub(super) async fn leave_all(app: &App, visit: &Visit) -> Result<Done, Problem> {
    Terms::of(app, visit).await?.leave(app, visit, None).await?;
    Ok(Done::Left)
}

/// Objects to direct marketing, whatever its ground.
pub(super) async fn object(app: &App, visit: &Visit) -> Result<Done, Problem> {
    let terms = Terms::of(app, visit).await?;
    terms.object(app, visit, visit.person.key).await?;
    // The objection is of the person, whatever address they had.
    for former in erasure::formers(app, &visit.linked.scope, visit.person.key, visit.now).await? {
        terms.object(app, visit, former).await?;
    }
    note(app, visit, RequestKind::Objection).await?;
    Ok(Done::Objected)
}

/// Promises a link to the mailbox; whether there is one, the answer does not tell.
pub(super) async fn ask_for_proof(app: &App, visit: &Visit) -> Result<Done, Problem> {
    let (scope, now) = (&visit.linked.scope, visit.now);
    let key = visit.person.key;
    if visit.person.profile.is_none() {
        return Ok(Done::ProofAsked);
    }
    let known: Vec<Outbox> = app.store.records(scope, key, Outbox::RECORD, now).await?;
    let waits = |outbox: &Outbox| {
        let is_proof = outbox.notice == Notice::MailboxProof;
        is_proof && outbox.mailed_at.is_none() && !outbox.given_up
    };
    if known.iter().any(waits) {
        return Ok(Done::ProofAsked);
    }
    let event = EventId::generate(now, app.entropy.as_ref());
    let until = plus_seconds(now, MAILBOX_PROOF_MINUTES * 60);
    let outbox = Outbox::new(event, key, Notice::MailboxProof, now, until);
    match app.store.put(scope, &outbox, Expect::Absent, now).await {
        Ok(()) | Err(WriteError::Conflict) => {}
        Err(WriteError::Trouble(trouble)) => return Err(trouble.into()),
    }
    let setting = InvalidSetting("NOTICE_QUEUE_URL");
    let queue = app.settings.notice_queue_url.as_deref();
    let queue = queue.ok_or(setting).map_err(Trouble::from)?;
    let message = NoticeMessage {
        v: MESSAGE_VERSION,
        account: visit.linked.account.id.clone(),
        person: key,
        outbox: event,
    };
    // The record stands: without the message it is found again through the due index.
    if app.enqueue(queue, &message).await.is_err() {
        tracing::warn!("a notice will be sent later, because its message could not be queued");
    }
    Ok(Done::ProofAsked)
}

/// Rectifies what is stored (Art. 16 GDPR).
pub(super) async fn save(
    app: &App,
    visit: &Visit,
    sent: &[(String, SentValue)],
) -> Result<Done, Problem> {
    let scope = &visit.linked.scope;
    let declared: Vec<Field> = app.store.configured(scope, visit.now).await?;
    let mut told_at = visit.now;
    let refused = carry_out(app, visit, |person| {
        let now = told_at;
        told_at = plus_seconds(now, 1);
        Err(
            match consent::rectify(scope, person, &declared, sent, now) {
                Rectified::Write(transaction) => return Ok(transaction),
                Rectified::Unchanged => Done::Saved,
                Rectified::Invalid(fields) => Done::Invalid(fields),
                Rectified::Restricted => Done::Restricted,
            },
        )
    })
    .await?;
    if refused.is_none() {
        note(app, visit, RequestKind::Rectification).await?;
    }
    Ok(refused.unwrap_or(Done::Saved))
}

/// Withdraws the consent to tie opens and clicks to the person (L-24), or to make a profile of
/// them.
pub(super) async fn end_consent(app: &App, visit: &Visit, action: &str) -> Result<Done, Problem> {
    let purpose = if action == "end_tracking" {
        Purpose::Tracking
    } else {
        Purpose::Profiling
    };
    let mut told_at = visit.now;
    carry_out(app, visit, |person| {
        let now = told_at;
        told_at = plus_seconds(now, 1);
        consent::end_purpose(&visit.linked.scope, person, purpose, now).ok_or(())
    })
    .await?;
    Ok(Done::ConsentEnded)
}

/// Begins the change to a new address, which has to confirm (L-18).
pub(super) async fn change_address(
    app: &App,
    request: &Request,
    visit: &Visit,
    sent: &[(String, SentValue)],
) -> Result<Done, Problem> {
    if visit.person.is_restricted() {
        return Ok(Done::Restricted);
    }
    let given = sent_text(sent, "email").unwrap_or_default();
    let address = match EmailAddress::parse(given) {
        Ok(address) => address,
        Err(invalid) => {
            return Ok(Done::Invalid(vec![FieldProblem {
                field: "email".to_owned(),
                code: FieldProblemCode::Address(invalid),
            }]));
        }
    };
    // API Gateway always says where a request came from; without it there is no evidence.
    let ip = visitor::client_ip(request).ok_or(Problem::INTERNAL)?;
    let whose = (&visit.linked.account, &visit.linked.scope);
    let begun = address_change::begin(app, whose, &visit.person, address, ip, visit.now);
    Ok(match Box::pin(begun).await? {
        Begun::Asked => Done::AddressAsked,
        Begun::Same => Done::Saved,
        Begun::OnNoList | Begun::NoSetup => Done::SignUpAnew,
        Begun::TooMany => return Err(Problem::TOO_MANY),
    })
}

/// Writes down that a request was answered while the person watched (L-15).
async fn note(app: &App, visit: &Visit, kind: RequestKind) -> Result<(), Trouble> {
    let zone = zone(visit)?;
    let request = PersonRequest::answered_at_once(visit.person.key, kind, visit.now, &zone);
    let scope = &visit.linked.scope;
    match app
        .store
        .put(scope, &request, Expect::Absent, visit.now)
        .await
    {
        Ok(()) | Err(WriteError::Conflict) => Ok(()),
        Err(WriteError::Trouble(trouble)) => Err(trouble),
    }
}

/// Erases (Art. 17 GDPR): gone for every reader with the answer; `retention` cleans up within the
/// hour.
pub(super) async fn erase(
    app: &App,
    visit: &Visit,
    sent: &[(String, SentValue)],
) -> Result<Done, Problem> {
    let meant = ("sure".to_owned(), SentValue::Text("true".to_owned()));
    if !sent.contains(&meant) {
        return Ok(Done::NotConfirmed);
    }
    let (scope, key) = (&visit.linked.scope, visit.person.key);
    let erased = Box::pin(erasure::erase(app, scope, key, AskedBy::Person, visit.now)).await?;
    if let Erased::Held(hold) = erased {
        return Ok(Done::Held(hold.basis));
    }
    note(app, visit, RequestKind::Erasure).await?;
    Ok(Done::Erased)
}

/// Hands out the person's data: to read, or to take along.
pub(super) async fn hand_out(
    app: &App,
    visit: &Visit,
    action: &str,
) -> Result<Response<Body>, Problem> {
    let (account, scope) = (&visit.linked.account, &visit.linked.scope);
    let person = &visit.person;
    let profile = person.profile.as_ref().ok_or(Problem::NOT_FOUND)?;
    let json = |value: serde_json::Value| format!("{value:#}");
    let asked = match action {
        "portable_csv" | "portable_json" => RequestKind::Portability,
        _ => RequestKind::Access,
    };
    note(app, visit, asked).await?;
    let (kind, name, text) = match action {
        "portable_csv" => (
            "text/csv; charset=utf-8; header=present",
            Some("data.csv"),
            portable::csv(profile)?,
        ),
        "portable_json" => (
            "application/json",
            Some("data.json"),
            json(portable::json(person, profile)?),
        ),
        _ => {
            let language = Some(visit.language);
            let access = answer::Access::of(app, (account, scope), person, language, visit.now);
            let access = Box::pin(access).await?.ok_or(Problem::NOT_FOUND)?;
            match action {
                "export_json" => ("application/json", Some("access.json"), json(access.json())),
                _ => ("text/html; charset=utf-8", None, access.html()?),
            }
        }
    };
    let mut response = Response::new(Body::Text(text));
    let headers = response.headers_mut();
    for (name, value) in [
        (header::CONTENT_TYPE, kind),
        (header::CACHE_CONTROL, "no-store"),
        (header::REFERRER_POLICY, "no-referrer"),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (
            header::CONTENT_SECURITY_POLICY,
            "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
        ),
    ] {
        headers.insert(name, HeaderValue::from_static(value));
    }
    if let Some(name) = name {
        let value = format!("attachment; filename=\"{name}\"");
        if let Ok(value) = HeaderValue::from_str(&value) {
            headers.insert(header::CONTENT_DISPOSITION, value);
        }
    }
    Ok(response)
}
