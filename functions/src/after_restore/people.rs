//! The check list's line about people: every tombstone of every account is replayed onto the
//! restored table.
//!
//! Page by page, and what is done is written down after each: memory stays flat, and a command
//! that was killed goes on there. What becomes of a person is the domain's decision.

use rundbrief::id::{EventId, Partition};
use rundbrief::key::{AccountScope, Table};
use rundbrief::person::{Tombstone, Unsubscription};
use rundbrief::record::Transaction;
use rundbrief::restore::full::{FullRestore, Replay, Restored, replay};
use rundbrief::sign_up::SignUp;
use rundbrief::time::zone;

use super::accounts::Accounts;
use super::{Line, Mode, Standing, put_work, work};
use crate::app::{App, Trouble};
use crate::erasure;
use crate::store::{Range, WriteError};

/// Tombstones of one page.
const PAGE: i32 = 100;
/// How often one person is decided anew when somebody else changes them.
const ATTEMPTS: usize = 8;

/// What is found, or was done.
#[derive(Default)]
struct Found {
    tombstones: u64,
    withdrawn: u64,
    erased: u64,
}

pub(super) async fn replay_all(app: &App, mode: Mode) -> Result<Line, Trouble> {
    let step = "tombstones replayed";
    let mut found = Found::default();
    if mode == Mode::Apply {
        let Some(begun) = work(app, mode).await? else {
            return Err(Trouble::Contended);
        };
        let done = Box::pin(apply(app, begun)).await?;
        let note = format!(
            "{} tombstones, {} people had withdrawn since, {} were erased",
            done.tombstones, done.withdrawn, done.erased
        );
        return Ok(Line::new(step, Standing::Done, note));
    }
    let mut accounts = Accounts::after(app, None);
    while let Some(page) = accounts.next().await? {
        for (account, scope) in page {
            let Some(scope) = scope else { continue };
            for partition in Partition::all() {
                let mut after = None;
                loop {
                    let page = tombstones(app, &scope, partition, after).await?;
                    let zone = &account.time_zone;
                    Box::pin(look(app, &scope, zone, page.items, mode, &mut found)).await?;
                    after = page.next;
                    if after.is_none() {
                        break;
                    }
                }
            }
        }
    }
    let open = found.withdrawn + found.erased;
    let note = format!(
        "{} tombstones; the table does not know of {} withdrawals and {} erasures",
        found.tombstones, found.withdrawn, found.erased
    );
    Ok(Line::counted(step, mode, open, note))
}

/// From where the work is to its end. Done before means looked at once more, from the start: the
/// tombstones go on growing until the restored table is the one in use.
async fn apply(app: &App, begun: FullRestore) -> Result<FullRestore, Trouble> {
    let mut at = begun;
    if at.replayed_at.is_some() {
        let again = FullRestore {
            account: None,
            partitions: 0,
            after: None,
            tombstones: 0,
            replayed_at: None,
            ..at.clone()
        };
        at = put_work(app, &at, again).await?;
    }
    let first = at.account.as_ref().map(ToString::to_string);
    let mut accounts = Accounts::after(app, first);
    while let Some(page) = accounts.next().await? {
        for (account, scope) in page {
            let Some(scope) = scope else { continue };
            while let Some(partition) = Partition::new(at.partitions) {
                let page = tombstones(app, &scope, partition, at.after.clone()).await?;
                let mut found = Found::default();
                let zone = &account.time_zone;
                Box::pin(look(app, &scope, zone, page.items, Mode::Apply, &mut found)).await?;
                let mut next = at.clone();
                next.tombstones += found.tombstones;
                next.withdrawn += found.withdrawn;
                next.erased += found.erased;
                next.after = page.next;
                if next.after.is_none() {
                    next.partitions += 1;
                }
                at = put_work(app, &at, next).await?;
            }
            let next = FullRestore {
                account: Some(account.id.clone()),
                partitions: 0,
                after: None,
                ..at.clone()
            };
            at = put_work(app, &at, next).await?;
        }
    }
    let done = FullRestore {
        replayed_at: Some(app.now()),
        ..at.clone()
    };
    put_work(app, &at, done).await
}

async fn tombstones(
    app: &App,
    scope: &AccountScope,
    partition: Partition,
    after: Option<String>,
) -> Result<crate::store::Page<Tombstone>, Trouble> {
    let range = Range {
        table: Table::Tombstones,
        pk: scope.tombstones(partition),
        prefix: String::new(),
        after,
        limit: PAGE,
    };
    app.store.page(&range, app.now()).await
}

async fn look(
    app: &App,
    scope: &AccountScope,
    zone_name: &str,
    tombstones: Vec<Tombstone>,
    mode: Mode,
    found: &mut Found,
) -> Result<(), Trouble> {
    let zone = zone(zone_name).map_err(|_| Trouble::Damaged)?;
    for tombstone in tombstones {
        found.tombstones += 1;
        let mut attempts = 0;
        loop {
            attempts += 1;
            if attempts > ATTEMPTS {
                return Err(Trouble::Contended);
            }
            let now = app.now();
            let key = tombstone.person;
            let (person, sign_ups, unsubscriptions, erasures) = futures::try_join!(
                app.store.person(scope, key, now),
                app.store.records::<SignUp>(scope, key, SignUp::RECORD, now),
                app.store
                    .records::<Unsubscription>(scope, key, Unsubscription::RECORD, now),
                erasure::of_person(app, scope, key, now),
            )?;
            let restored = Restored {
                person: &person,
                sign_ups: &sign_ups,
                unsubscriptions: &unsubscriptions,
                erasures: &erasures,
            };
            let event = EventId::generate(now, app.entropy.as_ref());
            let (count, transaction): (&mut u64, Transaction) =
                match replay(scope, restored, event, &zone, now) {
                    Replay::Same => break,
                    Replay::Withdrawn(transaction) => (&mut found.withdrawn, transaction),
                    Replay::Erased(transaction) => (&mut found.erased, transaction),
                };
            if mode != Mode::Apply {
                *count += 1;
                break;
            }
            match app.store.commit(scope, &transaction, now).await {
                Ok(()) => {
                    *count += 1;
                    break;
                }
                Err(WriteError::Conflict) => {}
                Err(WriteError::Trouble(trouble)) => return Err(trouble),
            }
        }
    }
    Ok(())
}
