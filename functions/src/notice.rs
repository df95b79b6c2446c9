//! `notice`: every mail to one person, from the outbox record that promised it.
//!
//! For these mails a rare second copy beats a lost one: the record is leased, the mail sent, the
//! sending recorded; what got lost in between is found again through the due index.

mod change;
mod letter;
mod parting;

use std::sync::Arc;

use aws_sdk_sesv2::operation::send_email::SendEmailError;
use aws_sdk_sesv2::types::{
    Body, Content, Destination, EmailContent, Message, MessageHeader, MessageTag,
};
use aws_smithy_types::error::metadata::ProvideErrorMetadata;
use jiff::Timestamp;
use rundbrief::account::Account;
use rundbrief::address::EmailAddress;
use rundbrief::evidence::document::{Document, Subject};
use rundbrief::evidence::{Entry, Statement};
use rundbrief::guard::{ADDRESS_LIMIT, PROOF_LIMIT};
use rundbrief::id::EventId;
use rundbrief::key::{AccountScope, Table};
use rundbrief::message::{MESSAGE_VERSION, NoticeMessage};
use rundbrief::outbox::{Attempt, Notice, Outbox};
use rundbrief::person::Person;
use rundbrief::record::{DueWork, Expect, Record, Stored, Transaction};
use rundbrief::sign_up::{MailEvidence, SignUp, SignUpState};
use rundbrief::time::to_millisecond;
use serde_json::Value;

use self::letter::Letter;
use self::parting::About;
use crate::app::{App, Trouble};
use crate::due;
use crate::function::{self, Failure, Verdict};
use crate::settings::InvalidSetting;
use crate::store::{GuardAnswer, WriteError};

/// Outbox records put back into the queue per minute at most.
const REQUEUE_LIMIT: usize = 1_000;
/// How often a sending is recorded again after somebody changed the sign-up meanwhile.
const ATTEMPTS: usize = 8;

/// Handles an SQS event.
///
/// # Errors
/// When the event is none.
pub async fn handle(app: Arc<App>, event: Value) -> Result<Value, Failure> {
    function::messages(&app, event, send).await
}

async fn send(app: &App, message: NoticeMessage) -> Result<Verdict, Trouble> {
    let now = app.now();
    let Some((account, scope)) = app.account(&message.account, now).await? else {
        return Ok(Verdict::Done);
    };
    let key = scope.record(message.person, Outbox::RECORD, message.outbox);
    // No record: the sign-up led to no mail, or the record's time is over.
    let Some(outbox) = app.store.get::<Outbox>(&key, now).await? else {
        return Ok(Verdict::Done);
    };
    // A closed account mails nobody, but for the link by which a person exercises their rights: these
    // last as long as the data do.
    if !account.is_open(now) && outbox.notice != Notice::MailboxProof {
        return Ok(Verdict::Done);
    }
    let leased = match outbox.attempt(now) {
        Attempt::Done | Attempt::NotYet => return Ok(Verdict::Done),
        Attempt::Busy(_) => return Ok(Verdict::Again),
        Attempt::Lease(leased) => leased,
    };
    match app
        .store
        .put(&scope, leased.as_ref(), Expect::Revision(outbox.rev), now)
        .await
    {
        Ok(()) => {}
        Err(WriteError::Conflict) => return Ok(Verdict::Again),
        Err(WriteError::Trouble(trouble)) => return Err(trouble),
    }

    let composed = Box::pin(compose(app, &account, &scope, &leased, now)).await?;
    let Some(composed) = composed else {
        return finish(app, &scope, &leased, leased.given_up(now), now).await;
    };
    // Counted here and not where people sign up: so every sign-up does the same work, and what is
    // limited is what is sent (M-28, M-30).
    let address = app.keys().await?.guard.address(&composed.to);
    let limit = match leased.notice {
        Notice::MailboxProof => &PROOF_LIMIT,
        Notice::Confirmation { .. }
        | Notice::Reminder { .. }
        | Notice::Information { .. }
        | Notice::LeaveRequest { .. }
        | Notice::Farewell { .. } => &ADDRESS_LIMIT,
    };
    let counted = app
        .store
        .count_once(limit, &address, leased.event, now)
        .await?;
    if let GuardAnswer::NotBefore(from) = counted {
        return finish(app, &scope, &leased, leased.held_back(from, now), now).await;
    }
    match hand_over(app, &account, &composed.to, &composed.letter).await {
        Ok(message_id) => mailed(app, &scope, &leased, &composed, message_id).await,
        Err(Handover::Refused) => {
            // Trying the same again at once would be refused again; the due index brings it back.
            finish(app, &scope, &leased, leased.released(), now).await
        }
        Err(Handover::NotNow) => {
            finish(app, &scope, &leased, leased.released(), now).await?;
            Ok(Verdict::Again)
        }
    }
}

async fn finish(
    app: &App,
    scope: &AccountScope,
    leased: &Outbox,
    record: Outbox,
    now: Timestamp,
) -> Result<Verdict, Trouble> {
    match app
        .store
        .put(scope, &record, Expect::Revision(leased.rev), now)
        .await
    {
        // Another attempt took over after the lease ran out: it records its own sending.
        Ok(()) | Err(WriteError::Conflict) => Ok(Verdict::Done),
        Err(WriteError::Trouble(trouble)) => Err(trouble),
    }
}

/// Records that SES took the mail: in the outbox, and by its digests in the sign-up's evidence.
async fn mailed(
    app: &App,
    scope: &AccountScope,
    leased: &Outbox,
    composed: &Composed,
    message_id: Option<String>,
) -> Result<Verdict, Trouble> {
    let now = app.now();
    let Some(sign_up) = &composed.sign_up else {
        return finish(app, scope, leased, leased.mailed(now), now).await;
    };
    let letter = &composed.letter;
    let document = Document::new(Subject::Mail, letter.document.clone(), now);
    let mail = MailEvidence {
        mail: letter.kind.to_owned(),
        mailed_at: to_millisecond(now),
        message_id,
        document: document.sha256,
        sha256: letter.digest(),
        entry: Entry::generate(now, app.entropy.as_ref()),
    };
    app.keep_document(scope, document, now).await?;
    let key = sign_up.key(scope);
    for _ in 0..ATTEMPTS {
        let known: Option<SignUp> = app.store.get(&key, now).await?;
        let mut transaction = Transaction::default();
        transaction.put(
            Record::Outbox(Box::new(leased.mailed(now))),
            Expect::Revision(leased.rev),
        );
        // It may have been erased meanwhile: then nothing more is stated of it.
        if let Some(mut sign_up) = known {
            let statement = Statement::mailed(scope.account(), &sign_up, &mail);
            let expect = Expect::Revision(sign_up.rev);
            transaction.put(Record::Leaf(mail.entry.leaf_of(&statement)), Expect::Absent);
            sign_up.rev += 1;
            sign_up.mails.push(mail.clone());
            transaction.put(Record::SignUp(Box::new(sign_up)), expect);
        }
        match app.store.commit(scope, &transaction, now).await {
            Ok(()) => return Ok(Verdict::Done),
            Err(WriteError::Conflict) => {
                let place = leased.key(scope);
                let outbox: Option<Outbox> = app.store.get(&place, now).await?;
                if outbox.is_none_or(|outbox| outbox.rev != leased.rev) {
                    // Another attempt took over after the lease ran out: it records its own
                    // sending.
                    return Ok(Verdict::Done);
                }
            }
            Err(WriteError::Trouble(trouble)) => return Err(trouble),
        }
    }
    Err(Trouble::Contended)
}

/// A mail, to whom it goes, and the sign-up that it is about, if it is about one.
struct Composed {
    to: EmailAddress,
    letter: Letter,
    sign_up: Option<SignUp>,
}

/// The mail that a record promises; `None` when its cause is void by now.
async fn compose(
    app: &App,
    account: &Account,
    scope: &AccountScope,
    outbox: &Outbox,
    now: Timestamp,
) -> Result<Option<Composed>, Trouble> {
    let about = About {
        app,
        account,
        scope,
        outbox,
        now,
    };
    match outbox.notice.clone() {
        Notice::Confirmation { sign_up }
        | Notice::Reminder { sign_up }
        | Notice::Information { sign_up } => Box::pin(about_sign_up(&about, &sign_up)).await,
        Notice::LeaveRequest {
            campaign,
            list,
            reason,
        } => Box::pin(about.request(campaign, list, reason)).await,
        Notice::MailboxProof => Box::pin(mailbox_proof(&about)).await,
        Notice::Farewell { unsubscription } => Box::pin(about.farewell(unsubscription)).await,
    }
}

/// The mail about a sign-up.
async fn about_sign_up(about: &About<'_>, event: &EventId) -> Result<Option<Composed>, Trouble> {
    let About {
        app,
        account,
        scope,
        outbox,
        now,
    } = *about;
    let key = scope.record(outbox.person, SignUp::RECORD, *event);
    let Some(sign_up) = app.store.get::<SignUp>(&key, now).await? else {
        return Ok(None);
    };
    let sealer = &app.keys().await?.sealer;
    let public_url = app.settings.public_url()?;
    let person = app.store.person(scope, outbox.person, now).await?;
    let letter = match outbox.notice {
        Notice::Confirmation { .. } => {
            if !Box::pin(waits(app, scope, &person, &sign_up, now)).await? {
                return Ok(None);
            }
            Letter::confirmation(account, &sign_up, sealer, public_url)
        }
        Notice::Reminder { .. } => {
            if !Box::pin(may_remind(app, scope, &sign_up, now)).await? {
                return Ok(None);
            }
            Letter::reminder(account, &sign_up, sealer, public_url)
        }
        Notice::Information { .. } => {
            // It may have waited: who left meanwhile knows. A list they left before is not theirs.
            let on = person.active_lists();
            let mut told = sign_up.clone();
            told.lists.retain(|list| on.contains(&list.id));
            if told.lists.is_empty() || person.is_restricted() {
                return Ok(None);
            }
            Letter::information(account, &told, sealer, public_url)
        }
        Notice::MailboxProof | Notice::LeaveRequest { .. } | Notice::Farewell { .. } => {
            return Ok(None);
        }
    };
    Ok(Some(Composed {
        to: sign_up.email.clone(),
        letter,
        sign_up: Some(sign_up),
    }))
}

/// The link to a person's data; nobody's when they are gone.
async fn mailbox_proof(about: &About<'_>) -> Result<Option<Composed>, Trouble> {
    let About {
        app,
        account,
        scope,
        outbox,
        now,
    } = *about;
    let person = app.store.person(scope, outbox.person, now).await?;
    let Some(profile) = &person.profile else {
        return Ok(None);
    };
    let links = (&app.keys().await?.sealer, app.settings.public_url()?);
    Ok(Some(Composed {
        to: profile.address.clone(),
        letter: Letter::mailbox_proof(account, profile, links, now),
        sign_up: None,
    }))
}

/// Whether pressing the button would lead somewhere: for a change of address, only as long as there
/// is something to take over.
async fn waits(
    app: &App,
    scope: &AccountScope,
    person: &Person,
    sign_up: &SignUp,
    now: Timestamp,
) -> Result<bool, Trouble> {
    let waits = sign_up.state == SignUpState::Pending
        && rundbrief::consent::confirmable(person, Some(sign_up)).is_ok();
    let Some(former) = sign_up.former.filter(|_| waits) else {
        return Ok(waits);
    };
    let former = app.store.person(scope, former, now).await?;
    Ok(rundbrief::consent::taken(&former, sign_up).is_ok())
}

/// Whether the person is reminded of this sign-up: it still waits, its first mail went out, no
/// later one asks the same, and nothing was sent about it since.
async fn may_remind(
    app: &App,
    scope: &AccountScope,
    sign_up: &SignUp,
    now: Timestamp,
) -> Result<bool, Trouble> {
    let (person, sign_ups) = futures::try_join!(
        app.store.person(scope, sign_up.person, now),
        app.store
            .records::<SignUp>(scope, sign_up.person, SignUp::RECORD, now),
    )?;
    let waits = waits(app, scope, &person, sign_up, now).await?;
    let is_last = sign_ups
        .iter()
        .filter(|other| other.state == SignUpState::Pending && other.setup == sign_up.setup)
        .all(|other| other.signed_up_at <= sign_up.signed_up_at);
    let mails: Vec<&str> = sign_up
        .mails
        .iter()
        .map(|mail| mail.mail.as_str())
        .collect();
    Ok(waits
        && is_last
        && mails.contains(&letter::CONFIRMATION)
        && !mails.contains(&letter::REMINDER))
}

enum Handover {
    /// SES does not take this mail.
    Refused,
    /// SES did not take it this time.
    NotNow,
}

async fn hand_over(
    app: &App,
    account: &Account,
    recipient: &EmailAddress,
    letter: &Letter,
) -> Result<Option<String>, Handover> {
    let Some(sender) = account.notice_sender() else {
        tracing::error!(account = %account.id, "the account has no sender domain: its notices wait");
        return Err(Handover::Refused);
    };
    let Ok(name) = rundbrief::header::SenderName::parse(&account.name) else {
        tracing::error!(account = %account.id, "the account's name cannot be a sender's name: its notices wait");
        return Err(Handover::Refused);
    };
    let text = |data: &str| {
        Content::builder()
            .data(data)
            .charset("UTF-8")
            .build()
            .map_err(|_| Handover::Refused)
    };
    let header = |name: &str, value: &str| {
        MessageHeader::builder()
            .name(name)
            .value(value)
            .build()
            .map_err(|_| Handover::Refused)
    };
    let tag = |name: &str, value: &str| {
        MessageTag::builder()
            .name(name)
            .value(value)
            .build()
            .map_err(|_| Handover::Refused)
    };
    let message = Message::builder()
        .subject(text(&letter.subject)?)
        .body(
            Body::builder()
                .text(text(&letter.text)?)
                .html(text(&letter.html)?)
                .build(),
        )
        // RFC 3834, section 5: nobody's autoresponder answers this (M-11).
        .headers(header("Auto-Submitted", "auto-generated")?)
        .build();
    let result = app
        .clients
        .ses()
        .send_email()
        .from_email_address(name.mailbox(&sender))
        .destination(
            Destination::builder()
                .to_addresses(recipient.reveal())
                .build(),
        )
        .content(EmailContent::builder().simple(message).build())
        .set_configuration_set_name(app.settings.configuration_set.clone())
        .email_tags(tag("account", account.id.as_str())?)
        .email_tags(tag("notice", letter.kind)?)
        .send()
        .await;
    let error = match result {
        Ok(answer) => return Ok(answer.message_id),
        Err(error) => error,
    };
    let code = error.code();
    match error.as_service_error() {
        Some(
            SendEmailError::MessageRejected(_)
            | SendEmailError::BadRequestException(_)
            | SendEmailError::MailFromDomainNotVerifiedException(_),
        ) => {
            tracing::error!(code, account = %account.id, "SES refused a notice");
            Err(Handover::Refused)
        }
        _ => {
            tracing::warn!(code, "SES did not take a notice this time");
            Err(Handover::NotNow)
        }
    }
}

/// Puts outbox records back into the queue whose message got lost or whose time has come;
/// returns how many.
///
/// # Errors
/// When index or queue do not answer.
pub async fn requeue_due(app: &App, now: Timestamp) -> Result<usize, Trouble> {
    let setting = InvalidSetting("NOTICE_QUEUE_URL");
    let queue = app.settings.notice_queue_url.as_deref().ok_or(setting)?;
    let keys = due::keys(app, DueWork::Outbox, now, REQUEUE_LIMIT).await?;
    for message in keys.iter().filter_map(message_of) {
        app.enqueue(queue, &message).await?;
    }
    Ok(keys.len())
}

/// The message that belongs to an outbox record's key.
fn message_of(key: &rundbrief::key::Key) -> Option<NoticeMessage> {
    if key.table != Table::Main {
        return None;
    }
    let account = key.pk.strip_prefix("A#")?.split('#').next()?;
    let mut parts = key.sk.split('#');
    let (person, kind, event) = (parts.next()?, parts.next()?, parts.next()?);
    (kind == Outbox::RECORD).then_some(())?;
    Some(NoticeMessage {
        v: MESSAGE_VERSION,
        account: rundbrief::id::AccountId::parse(account).ok()?,
        person: rundbrief::id::PersonKey::parse(person).ok()?,
        outbox: rundbrief::id::EventId::parse(event).ok()?,
    })
}
