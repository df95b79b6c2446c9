//! `backup`: the daily archive of each account, by queue messages: one for a small account, one
//! per partition for a large one.
//!
//! Reads the table and writes objects; deleting them is `retention`'s part. Any message may come
//! twice or again: a part counts once, and whoever sees the last one completes the archive.

mod finish;
mod objects;
mod part;

use std::sync::Arc;

use jiff::Timestamp;
use rundbrief::archive::{Archive, ArchivePart, PartName};
use rundbrief::id::{AccountId, BackupId, Partition};
use rundbrief::key::AccountScope;
use rundbrief::message::{BackupMessage, MESSAGE_VERSION};
use rundbrief::record::{Expect, Stored};
use serde_json::{Value, json};

use crate::app::{App, Trouble};
use crate::function::{self, Failure, Verdict};
use crate::settings::InvalidSetting;
use crate::store::WriteError;

/// Records that the first partition's message writes before it leaves the other partitions to
/// messages of their own: some seconds of the function's 300.
const INLINE_RECORDS: u64 = 5_000;
/// Partitions read at the same time, after the first.
const AT_ONCE: usize = 5;
/// Accounts per page of the directory.
const ACCOUNTS: i32 = 100;

/// Handles the schedule's call or an SQS event.
///
/// # Errors
/// When the event has another shape or a service does not answer.
pub async fn handle(app: Arc<App>, event: Value) -> Result<Value, Failure> {
    if event.get("Records").is_some() {
        return function::messages(&app, event, take).await;
    }
    let now = app.now();
    // A firing that comes twice names the same time, and so the same archives.
    let scheduled = event
        .get("scheduled")
        .and_then(Value::as_str)
        .and_then(|text| text.parse().ok())
        .unwrap_or(now);
    Ok(begin_all(&app, scheduled).await?)
}

/// Names an archive by the second it was asked for.
pub fn name(asked_at: Timestamp, suffix: &str) -> Result<BackupId, Trouble> {
    let stamp = asked_at.strftime("%Y%m%dt%H%M%Sz");
    BackupId::parse(&format!("bak_{stamp}{suffix}")).map_err(|_| Trouble::Damaged)
}

/// Begins the archive of every account.
async fn begin_all(app: &App, scheduled: Timestamp) -> Result<Value, Trouble> {
    let id = name(scheduled, "")?;
    let (mut begun, mut failure, mut after) = (0_usize, None, None);
    loop {
        let page = app.store.accounts(after, ACCOUNTS, app.now()).await?;
        for account in &page.items {
            match begin_one(app, account, &id).await {
                Ok(one) => begun += usize::from(one),
                // The others are not to go without; the schedule's retry comes back to this one.
                Err(trouble) => {
                    tracing::error!(%account, %trouble, "an archive could not be begun");
                    failure = Some(trouble);
                }
            }
        }
        after = page.next;
        if after.is_none() {
            break;
        }
    }
    match failure {
        Some(trouble) => Err(trouble),
        None => Ok(json!({"id": id, "accounts": begun})),
    }
}

async fn begin_one(app: &App, account: &AccountId, id: &BackupId) -> Result<bool, Trouble> {
    // In a closed account nothing changes any more: its last archives outlast their two weeks, and
    // none is left when the account goes.
    match app.open_account(account, app.now()).await? {
        Some((_, scope)) => begin(app, &scope, id, app.now()).await,
        None => Ok(false),
    }
}

/// Begins an archive, or asks again for one that is not complete; `false` when there is nothing
/// to do. Its entry is written before anything else, so that nothing of it can be forgotten.
///
/// # Errors
/// When the store or the queue does not answer.
pub async fn begin(
    app: &App,
    scope: &AccountScope,
    id: &BackupId,
    now: Timestamp,
) -> Result<bool, Trouble> {
    let archive = Archive::begin(scope.account().clone(), id.clone(), now);
    match app.store.put(scope, &archive, Expect::Absent, now).await {
        Ok(()) => {}
        Err(WriteError::Conflict) => {
            let known: Option<Archive> = app.store.get(&Archive::place(scope, id), now).await?;
            if known.is_none_or(|known| known.manifest.is_some() || known.is_over(now)) {
                return Ok(false);
            }
        }
        Err(WriteError::Trouble(trouble)) => return Err(trouble),
    }
    if let Some(first) = Partition::new(0) {
        ask(app, scope, id, first).await?;
    }
    Ok(true)
}

async fn ask(
    app: &App,
    scope: &AccountScope,
    id: &BackupId,
    partition: Partition,
) -> Result<(), Trouble> {
    let setting = InvalidSetting("BACKUP_QUEUE_URL");
    let queue = app.settings.backup_queue_url.as_deref().ok_or(setting)?;
    let message = BackupMessage {
        v: MESSAGE_VERSION,
        account: scope.account().clone(),
        backup: id.clone(),
        partition: Some(partition.number()),
    };
    app.enqueue(queue, &message).await
}

async fn take(app: &App, message: BackupMessage) -> Result<Verdict, Trouble> {
    let Some(name) = PartName::of(message.partition) else {
        tracing::error!(account = %message.account, "there is no such part of an archive; its message is dropped");
        return Ok(Verdict::Done);
    };
    work(app, &message, name).await.inspect_err(|_| {
        tracing::warn!(backup = %message.backup, "a part of an archive could not be written yet");
    })?;
    Ok(Verdict::Done)
}

async fn work(app: &App, message: &BackupMessage, name: PartName) -> Result<(), Trouble> {
    let now = app.now();
    let Some((_, scope)) = app.account(&message.account, now).await? else {
        return Ok(());
    };
    let place = Archive::place(&scope, &message.backup);
    let Some(archive) = app.store.get::<Archive>(&place, now).await? else {
        return Ok(());
    };
    if archive.manifest.is_some() || archive.is_over(now) {
        return Ok(());
    }
    let mut parts = parts(app, &scope, &archive, now).await?;
    let missing: Vec<Partition> = wanted(name)
        .filter(|partition| !has(&parts, PartName::People(*partition)))
        .collect();
    let mut room = INLINE_RECORDS;
    // The first alone: people are spread evenly, so it tells how large the others are.
    let (first, others) = missing.split_at(missing.len().min(1));
    for some in [first].into_iter().chain(others.chunks(AT_ONCE)) {
        if room == 0 {
            for partition in some {
                ask(app, &scope, &archive.id, *partition).await?;
            }
            continue;
        }
        let written = some
            .iter()
            .map(|partition| write(app, &scope, &archive, PartName::People(*partition), now));
        for part in futures::future::try_join_all(written).await? {
            room = room.saturating_sub(part.records());
            parts.push(part);
        }
    }
    if !Archive::has_all_people(&parts) {
        // Others may have written what is missing here.
        parts = self::parts(app, &scope, &archive, now).await?;
        if !Archive::has_all_people(&parts) {
            return Ok(());
        }
    }
    if !has(&parts, PartName::Configuration) {
        parts.push(write(app, &scope, &archive, PartName::Configuration, now).await?);
    }
    finish::finish(app, &scope, &archive, &parts, now).await
}

/// The partitions that a message is about: the first one's goes on with the others, so that a
/// small account takes one message and not sixteen.
fn wanted(name: PartName) -> impl Iterator<Item = Partition> {
    let (first, last) = match name {
        PartName::People(partition) if partition.number() == 0 => (0, 15),
        PartName::People(partition) => (partition.number(), partition.number()),
        // The configuration alone: when the people are written and it was not come to.
        PartName::Configuration => (1, 0),
    };
    (first..=last).filter_map(Partition::new)
}

async fn write(
    app: &App,
    scope: &AccountScope,
    archive: &Archive,
    name: PartName,
    now: Timestamp,
) -> Result<ArchivePart, Trouble> {
    let sets = part::write(app, scope, archive, name, now).await?;
    let part = ArchivePart::new(archive.id.clone(), name, sets, now);
    match app.store.put(scope, &part, Expect::Absent, now).await {
        Ok(()) => Ok(part),
        // Somebody else wrote it meanwhile: theirs counts, though it be another.
        Err(WriteError::Conflict) => {
            let theirs = app.store.get(&part.key(scope), now).await?;
            theirs.ok_or(Trouble::Contended)
        }
        Err(WriteError::Trouble(trouble)) => Err(trouble),
    }
}

fn has(parts: &[ArchivePart], name: PartName) -> bool {
    parts.iter().any(|part| part.part == name)
}

async fn parts(
    app: &App,
    scope: &AccountScope,
    archive: &Archive,
    now: Timestamp,
) -> Result<Vec<ArchivePart>, Trouble> {
    let prefix = ArchivePart::prefix(&archive.id);
    app.store
        .all(&scope.configuration_partition(), &prefix, now)
        .await
}
