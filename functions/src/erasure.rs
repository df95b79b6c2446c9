//! Erasing a person: the transaction from which on they are gone, and the clean-up behind it.
//!
//! `admin` begins and cleans up at once, `retention` goes on with what is left; each part can be
//! done twice, and two at once do no harm. What is decided is `rundbrief::erasure`'s part.

mod files;
pub(crate) mod held;
mod ledgers;
mod linked;
mod quarantine;
mod records;
mod ses;
mod texts;
mod traces;

use std::time::Duration;

use jiff::Timestamp;
use rundbrief::account::Account;
use rundbrief::archive::Archive;
use rundbrief::erasure::{self, AskedBy, Decision, Erasure, Known, Task, Told};
use rundbrief::hold::Hold;
use rundbrief::id::{AccountId, EventId, PersonKey, RecordId};
use rundbrief::key::{AccountScope, Key, Table};
use rundbrief::person::{Profile, Unsubscription};
use rundbrief::record::{Expect, Stored};
use rundbrief::sign_up::SignUp;
use rundbrief::webhook::Topic;
use rundbrief::webhook::delivery::Delivery;
use tokio::time::Instant;

use self::linked::Linked;
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

/// Erases a person with the addresses they had before, and asked by the controller with those that
/// took over from this one, too: it is the same person. Whoever has a former mailbox now may have
/// that alone erased.
///
/// The others first: as long as the person is there, so is what names them.
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
    let mut linked = Vec::new();
    if !known.is_held(now) {
        let successors = Box::pin(held::successors(app, scope, &known, now)).await?;
        let mut holds = successors.iter().filter_map(|one| one.held(now));
        if let Some(hold) = holds.next().cloned() {
            return Box::pin(held::postpone(app, scope, person, hold, by, now)).await;
        }
        let mut others = formers(app, scope, person, now).await?;
        if by == AskedBy::Controller {
            others.extend(successors.iter().map(|one| one.key));
        }
        for other in others {
            let erased = Box::pin(erase_one(app, scope, other, by, &[], now)).await?;
            if let Erased::Begun(erasure) = erased {
                linked.push(erasure.id());
            }
        }
    }
    Box::pin(erase_one(app, scope, person, by, &linked, now)).await
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
    linked: &[RecordId],
    now: Timestamp,
) -> Result<Erased, Trouble> {
    let profile = scope.profile(person);
    let mut is_named = false;
    for _ in 0..ATTEMPTS {
        let (known, profile, sign_ups, unsubscriptions, before, quarantined) = futures::try_join!(
            app.store.person(scope, person, now),
            app.store.get_even_expired::<Profile>(&profile),
            app.store
                .records::<SignUp>(scope, person, SignUp::RECORD, now),
            app.store
                .records::<Unsubscription>(scope, person, Unsubscription::RECORD, now),
            of_person(app, scope, person, now),
            quarantine::of_person(app, scope, person, now),
        )?;
        let expired = profile.filter(|one| one.expires_at().is_some_and(|at| at <= now));
        let known = Known {
            person: &known,
            sign_ups: &sign_ups,
            unsubscriptions: &unsubscriptions,
            before: &before,
            is_quarantined: !quarantined.is_empty(),
            expired: expired.as_ref(),
            is_named,
            linked,
        };
        let event = EventId::generate(now, app.entropy.as_ref());
        match erasure::erase(scope, known, event, by, now) {
            Decision::Unknown => {
                // Looked for only now: it takes a read of every campaign.
                if is_named || !traces::name(app, scope, person, now).await? {
                    return Ok(Erased::Nobody);
                }
                is_named = true;
            }
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

/// Does what is left of the clean-up until `stop_at`, that of the addresses before first; the
/// erasure as it is then.
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
    let linked = linked::clean(app, account, scope, &before, stop_at).await?;
    clean_one(app, (account, scope), before, linked, stop_at).await
}

/// The same of one address; `linked`: how far those before are, where somebody looked.
async fn clean_one(
    app: &App,
    (account, scope): (&Account, &AccountScope),
    before: Erasure,
    linked: Linked,
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
            Task::Ses => ses::clean(app, &mut after).await,
            Task::Linked => Ok(linked.are_gone),
            Task::Recipients => recipients(app, scope, &mut after)
                .await
                .map(|told| told && (after.linked.is_empty() || linked.are_told)),
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
        merged.ses = merged.ses.with(&before.ses, &after.ses);
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

/// Goes on with an erasure that the index named; the erasure as it is then, `None` when there is
/// nothing to go on with.
///
/// # Errors
/// When the store does not answer.
pub(crate) async fn resume(
    app: &App,
    key: &Key,
    now: Timestamp,
    stop_at: Instant,
) -> Result<Option<Erasure>, Trouble> {
    let account = key
        .pk
        .strip_prefix("A#")
        .and_then(|rest| AccountId::parse(rest.split('#').next()?).ok());
    let Some(account) = account else {
        return Ok(None);
    };
    let Some((account, scope)) = app.account(&account, now).await? else {
        return Ok(None);
    };
    let Some(erasure) = app.store.get::<Erasure>(key, now).await? else {
        return Ok(None);
    };
    clean_up(app, &account, &scope, erasure, stop_at)
        .await
        .map(Some)
}
