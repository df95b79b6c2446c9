//! Erasing a person: the transaction from which on they are gone, and the clean-up behind it.
//!
//! `admin` begins and cleans up at once, `retention` goes on with what is left; each part can be
//! done twice, and two at once do no harm. What is decided is `rundbrief::erasure`'s part.

mod files;
pub(crate) mod held;
mod ledgers;
mod quarantine;
mod records;

use std::time::Duration;

use aws_smithy_types::error::metadata::ProvideErrorMetadata;
use jiff::Timestamp;
use rundbrief::account::Account;
use rundbrief::archive::Archive;
use rundbrief::erasure::{self, AskedBy, Decision, Erasure, Known, Task, Told};
use rundbrief::hold::Hold;
use rundbrief::id::{AccountId, EventId, PersonKey};
use rundbrief::key::{AccountScope, Key, Table};
use rundbrief::person::Unsubscription;
use rundbrief::record::{Expect, Stored};
use rundbrief::sign_up::SignUp;
use rundbrief::webhook::Topic;
use rundbrief::webhook::delivery::Delivery;
use tokio::time::Instant;

use crate::app::{App, Trouble};
use crate::store::{Range, WriteError};

/// How often a decision is made again after somebody else changed the person meanwhile.
const ATTEMPTS: usize = 8;
/// Addresses of one person that are followed (engineering).
const MAX_ADDRESSES: usize = 20;
/// How long a request may clean up: it ends after 29 s, and the rest is `retention`'s.
pub(crate) const AT_ONCE: Duration = Duration::from_secs(12);

/// What a request to erase led to.
#[derive(Debug)]
pub(crate) enum Erased {
    /// Nobody with this key is known.
    Nobody,
    /// A legal hold stands: it is noted, and done when that ends.
    Held(Box<Hold>),
    /// The person is gone for every reader.
    Begun(Box<Erasure>),
}

/// Erases a person with the addresses they had before; `None` when nobody with this key is known.
///
/// The former ones first: as long as the person is there, so is what names them.
///
/// # Errors
/// When the store does not answer, or the person is changed again and again.
pub(crate) async fn erase(
    app: &App,
    scope: &AccountScope,
    person: PersonKey,
    by: AskedBy,
    now: Timestamp,
) -> Result<Erased, Trouble> {
    // Who is held is held with what they were before.
    let known = app.store.person(scope, person, now).await?;
    if !known.is_held(now) {
        if let Some(hold) = Box::pin(held::by_successor(app, scope, &known, now)).await? {
            return Box::pin(held::postpone(app, scope, person, hold, by, now)).await;
        }
        for former in formers(app, scope, person, now).await? {
            Box::pin(erase_one(app, scope, former, by, now)).await?;
        }
    }
    Box::pin(erase_one(app, scope, person, by, now)).await
}

/// The persons of all addresses that this one took over from, the nearest first.
///
/// # Errors
/// When the store does not answer.
pub(crate) async fn formers(
    app: &App,
    scope: &AccountScope,
    person: PersonKey,
    now: Timestamp,
) -> Result<Vec<PersonKey>, Trouble> {
    let mut all = vec![person];
    let mut next = 0;
    while let Some(one) = all.get(next).copied() {
        next += 1;
        let sign_ups: Vec<SignUp> = app.store.records(scope, one, SignUp::RECORD, now).await?;
        for former in rundbrief::consent::formers(&sign_ups) {
            // Somebody may have gone back to an address of before.
            if !all.contains(&former) && all.len() < MAX_ADDRESSES {
                all.push(former);
            }
        }
    }
    all.remove(0);
    Ok(all)
}

async fn erase_one(
    app: &App,
    scope: &AccountScope,
    person: PersonKey,
    by: AskedBy,
    now: Timestamp,
) -> Result<Erased, Trouble> {
    for _ in 0..ATTEMPTS {
        let (known, sign_ups, unsubscriptions, before, quarantined) = futures::try_join!(
            app.store.person(scope, person, now),
            app.store
                .records::<SignUp>(scope, person, SignUp::RECORD, now),
            app.store
                .records::<Unsubscription>(scope, person, Unsubscription::RECORD, now),
            of_person(app, scope, person, now),
            quarantine::of_person(app, scope, person, now),
        )?;
        let known = Known {
            person: &known,
            sign_ups: &sign_ups,
            unsubscriptions: &unsubscriptions,
            before: &before,
            is_quarantined: !quarantined.is_empty(),
        };
        let event = EventId::generate(now, app.entropy.as_ref());
        match erasure::erase(scope, known, event, by, now) {
            Decision::Unknown => return Ok(Erased::Nobody),
            Decision::Done(erasure) => return Ok(Erased::Begun(erasure)),
            Decision::Held(None, hold) => return Ok(Erased::Held(hold)),
            Decision::Held(Some(noted), hold) => match app.store.commit(scope, &noted, now).await {
                Ok(()) => return Ok(Erased::Held(hold)),
                Err(WriteError::Conflict) => {}
                Err(WriteError::Trouble(trouble)) => return Err(trouble),
            },
            Decision::Erase(transaction, erasure) => {
                match app.store.commit(scope, &transaction, now).await {
                    Ok(()) => return Ok(Erased::Begun(erasure)),
                    Err(WriteError::Conflict) => {}
                    Err(WriteError::Trouble(trouble)) => return Err(trouble),
                }
            }
        }
    }
    Err(Trouble::Contended)
}

/// All erasures of a person.
pub(crate) async fn of_person(
    app: &App,
    scope: &AccountScope,
    person: PersonKey,
    now: Timestamp,
) -> Result<Vec<Erasure>, Trouble> {
    let prefix = scope.erasure_prefix(person);
    app.store
        .all(&scope.erasures_partition(), &prefix, now)
        .await
}

/// Does what is left of the clean-up until `stop_at`; the erasure as it is then.
///
/// # Errors
/// When what was done cannot be written down.
pub(crate) async fn clean_up(
    app: &App,
    account: &Account,
    scope: &AccountScope,
    before: Erasure,
    stop_at: Instant,
) -> Result<Erasure, Trouble> {
    let mut after = before.clone();
    for task in Task::ALL {
        if after.has(task) || Instant::now() >= stop_at {
            continue;
        }
        let done = match task {
            Task::Records => records::clean(app, account, scope, &mut after).await,
            Task::Quarantine => quarantine::clean(app, scope, &after).await,
            Task::Ledgers => ledgers::clean(app, scope, &after, stop_at).await,
            Task::ImportFiles => files::clean(app, scope).await,
            Task::Ses => ses(app, &after).await,
            Task::Recipients => recipients(app, scope, &mut after).await,
        };
        match done {
            Ok(true) => after.note(task, app.now()),
            Ok(false) => {}
            Err(trouble) => {
                tracing::warn!(account = %account.id, ?task, %trouble, "a part of an erasure waits");
            }
        }
    }
    if after == before {
        return Ok(before);
    }
    write(app, scope, before, after).await
}

/// Writes down what was done, beside what another run did meanwhile.
async fn write(
    app: &App,
    scope: &AccountScope,
    mut before: Erasure,
    mut after: Erasure,
) -> Result<Erasure, Trouble> {
    for _ in 0..ATTEMPTS {
        let now = app.now();
        if after.live_gone_at().is_some() && after.archives_gone_by.is_none() {
            after.archives_gone_by = last_archive(app, scope, now).await?;
        }
        after.rev = before.rev + 1;
        let expect = Expect::Revision(before.rev);
        match app.store.put(scope, &after, expect, now).await {
            Ok(()) => return Ok(after),
            Err(WriteError::Conflict) => {}
            Err(WriteError::Trouble(trouble)) => return Err(trouble),
        }
        let key = after.key(scope);
        let Some(current) = app.store.get::<Erasure>(&key, now).await? else {
            return Ok(after);
        };
        let mut merged = current.clone();
        for (task, at) in &after.done {
            merged.note(*task, *at);
        }
        merged.tell(after.recipients.clone());
        if after.has(Task::Records) {
            merged.sealed = after.sealed;
            merged.sealed_until = after.sealed_until;
        }
        (before, after) = (current, merged);
    }
    Err(Trouble::Contended)
}

/// When the last archive is gone that was begun before now, complete or not.
async fn last_archive(
    app: &App,
    scope: &AccountScope,
    now: Timestamp,
) -> Result<Option<Timestamp>, Trouble> {
    let mut range = Range {
        table: Table::Main,
        pk: scope.configuration_partition(),
        prefix: Archive::catalogue_prefix(),
        after: None,
        limit: 100,
    };
    let mut last = None;
    loop {
        let page = app.store.page::<Archive>(&range, now).await?;
        last = page
            .items
            .iter()
            .map(|archive| Some(archive.gone_at))
            .fold(last, Option::max);
        range.after = page.next;
        if range.after.is_none() {
            return Ok(last);
        }
    }
}

/// Looks what came of telling the recipients: their messages were written with the erasure, so
/// that none can be forgotten. Whether each has acknowledged it or was given up on.
async fn recipients(
    app: &App,
    scope: &AccountScope,
    erasure: &mut Erasure,
) -> Result<bool, Trouble> {
    let now = app.now();
    let prefix = Delivery::event_prefix(erasure.person, erasure.event, Topic::Erasure);
    let messages: Vec<Delivery> = app
        .store
        .all(&scope.webhooks_partition(), &prefix, now)
        .await?;
    let found: Vec<_> = messages
        .into_iter()
        .map(|message| {
            let told = match (message.acknowledged_at, message.given_up_at) {
                (Some(at), _) => Told::Acknowledged(at),
                (None, Some(at)) => Told::NotAcknowledged(at),
                (None, None) => Told::Waiting,
            };
            (message.webhook, told)
        })
        .collect();
    // A message that is gone was given up long before.
    let lost: Vec<_> = erasure
        .recipients
        .keys()
        .filter(|known| found.iter().all(|(webhook, _)| webhook != *known))
        .map(|webhook| (webhook.clone(), Told::NotAcknowledged(now)))
        .collect();
    Ok(erasure.tell(found.into_iter().chain(lost)))
}

/// Takes the person off SES's suppression list, in each spelling that was ever mailed: the call
/// is case-exact, sending is not. The tombstone remembers why they must not be mailed.
async fn ses(app: &App, erasure: &Erasure) -> Result<bool, Trouble> {
    for spelling in erasure.left.iter().flat_map(|left| &left.spellings) {
        let result = app
            .clients
            .ses()
            .delete_suppressed_destination()
            .email_address(spelling.reveal())
            .send()
            .await;
        match result.as_ref().map_err(ProvideErrorMetadata::code) {
            Ok(_) | Err(Some("NotFoundException")) => {}
            Err(code) => {
                tracing::error!(code, "SES did not take an address off its list");
                return Err(Trouble::Mail);
            }
        }
    }
    Ok(true)
}

/// Goes on with an erasure that the index named; whether it is complete.
///
/// # Errors
/// When the store does not answer.
pub(crate) async fn resume(
    app: &App,
    key: &Key,
    now: Timestamp,
    stop_at: Instant,
) -> Result<bool, Trouble> {
    let account = key
        .pk
        .strip_prefix("A#")
        .and_then(|rest| AccountId::parse(rest.split('#').next()?).ok());
    let Some(account) = account else {
        return Ok(true);
    };
    let Some(account) = app.store.account(&account, now).await? else {
        return Ok(true);
    };
    let Some(scope) = account.scope(&app.keys().await?.secrets, now) else {
        return Ok(true);
    };
    let Some(erasure) = app.store.get::<Erasure>(key, now).await? else {
        return Ok(true);
    };
    let erasure = clean_up(app, &account, &scope, erasure, stop_at).await?;
    Ok(erasure.is_complete())
}
