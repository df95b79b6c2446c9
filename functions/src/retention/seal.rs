//! Seals the evidence of the hour: each account's waiting leaves into a signed tree.
//!
//! What a seal is and says, `rundbrief::evidence::seal` decides. A run that is cut short is gone
//! on with by the next; of two at once one seals.

use std::collections::HashSet;

use jiff::Timestamp;
use rundbrief::evidence::Leaf;
use rundbrief::evidence::seal::{Head, LeafPage, Seal, SealingKey, first_account, is_late, seal};
use rundbrief::id::AccountId;
use rundbrief::key::{AccountScope, Table};
use rundbrief::record::{Expect, Record, Stored, Transaction};
use serde_json::{Value, json};
use tokio::time::Instant;

use super::marks;
use crate::app::{App, Trouble};
use crate::settings::InvalidSetting;
use crate::store::{Range, WriteError};

/// Accounts per page of the directory.
const ACCOUNTS: i32 = 100;
/// Leaves of an account in one seal: what a run holds in memory (some 10 MB).
const LEAVES: usize = 100_000;

/// What a run sealed.
#[derive(Default)]
struct Went {
    seals: usize,
    leaves: usize,
    failed: usize,
    /// Accounts with leaves that had waited for too long.
    late: usize,
}

/// Seals what waits in all accounts until `stop_at`; answers in numbers.
pub(super) async fn seal_all(app: &App, stop_at: Instant) -> Result<Value, Trouble> {
    let now = app.now();
    let key = sealing_key(app).await?;
    // Published before anything is signed with it: a seal without its key proves nothing.
    match app
        .store
        .put_at(&key.public().place(), key.public(), Expect::Absent, now)
        .await
    {
        Ok(()) | Err(WriteError::Conflict) => {}
        Err(WriteError::Trouble(trouble)) => return Err(trouble),
    }
    let (mut went, mut more) = (Went::default(), false);
    for account in &accounts(app, now).await? {
        if Instant::now() >= stop_at {
            more = true;
            break;
        }
        // The others are not to wait for this one; the next run comes back to it.
        if let Err(trouble) = seal_one(app, account, &key, &mut went).await {
            went.failed += 1;
            tracing::error!(%account, %trouble, "an account's evidence could not be sealed");
        }
    }
    if went.late > 0 {
        // By this event the log is watched (docs/runbooks/retention.md).
        tracing::error!(
            event = "leaves_unsealed",
            accounts = went.late,
            "evidence has waited for its seal for hours"
        );
    }
    Ok(json!({
        "seals": went.seals,
        "leaves": went.leaves,
        "failed": went.failed,
        "late": went.late,
        "more": more,
    }))
}

/// All accounts, from another one on each hour.
async fn accounts(app: &App, now: Timestamp) -> Result<Vec<AccountId>, Trouble> {
    let (mut all, mut after) = (Vec::new(), None);
    loop {
        let page = app.store.accounts(after, ACCOUNTS, now).await?;
        all.extend(page.items);
        after = page.next;
        if after.is_none() {
            let first = first_account(all.len(), now);
            all.rotate_left(first);
            return Ok(all);
        }
    }
}

async fn sealing_key(app: &App) -> Result<SealingKey, Trouble> {
    #[derive(serde::Deserialize)]
    struct Sealing {
        key: String,
    }
    let setting = InvalidSetting("SEALING_SECRET_ARN");
    let arn = app.settings.sealing_secret_arn.as_deref().ok_or(setting)?;
    let secret: Sealing =
        serde_json::from_str(&app.secret(arn).await?).map_err(|_| Trouble::Secret)?;
    SealingKey::of(&secret.key).map_err(|_| Trouble::Secret)
}

/// Seals what waits in one account.
async fn seal_one(
    app: &App,
    account: &AccountId,
    key: &SealingKey,
    went: &mut Went,
) -> Result<(), Trouble> {
    let now = app.now();
    let Some((account, scope)) = app.account(account, now).await? else {
        return Ok(());
    };
    // This is the hour's one walk over all accounts.
    marks::mark(app, &account, &scope, now).await?;
    let mut waiting = waiting(app, &scope, now).await?;
    if waiting.is_empty() {
        return Ok(());
    }
    // After they were read: none of them was written later than the seal says.
    let now = app.now();
    went.late += usize::from(is_late(&waiting, now));
    let head: Option<Head> = app.store.get(&Head::place(&scope), now).await?;
    // A run that was cut short after its seal leaves sealed leaves behind.
    if let Some(head) = &head {
        let sealed = leaves_of(app, &scope, head, now).await?;
        let (done, rest): (Vec<_>, Vec<_>) =
            waiting.into_iter().partition(|leaf| sealed.contains(leaf));
        clear(app, &scope, &done).await?;
        waiting = rest;
    }
    let Some(sealing) = seal(&account.id, waiting, head.as_ref(), key, now) else {
        return Ok(());
    };
    let sealed = sealing.leaves();
    for page in &sealing.pages {
        match app.store.put(&scope, page, Expect::Absent, now).await {
            // Pages are named after what is in them.
            Ok(()) | Err(WriteError::Conflict) => {}
            Err(WriteError::Trouble(trouble)) => return Err(trouble),
        }
    }
    let mut transaction = Transaction::default();
    transaction
        .put(Record::Seal(Box::new(sealing.seal)), Expect::Absent)
        .put(
            Record::LedgerHead(sealing.head),
            Expect::unchanged(head.as_ref()),
        );
    match app.store.commit(&scope, &transaction, now).await {
        Ok(()) => {}
        // Another run sealed meanwhile, and clears what it sealed.
        Err(WriteError::Conflict) => return Ok(()),
        Err(WriteError::Trouble(trouble)) => return Err(trouble),
    }
    went.seals += 1;
    went.leaves += sealed.len();
    clear(app, &scope, &sealed).await
}

async fn waiting(app: &App, scope: &AccountScope, now: Timestamp) -> Result<Vec<Leaf>, Trouble> {
    let mut range = Range {
        table: Table::Main,
        pk: scope.evidence_partition(),
        prefix: Leaf::PREFIX.to_owned(),
        after: None,
        limit: 1_000,
    };
    let mut leaves = Vec::new();
    loop {
        let page = app.store.page::<Leaf>(&range, now).await?;
        leaves.extend(page.items);
        range.after = page.next;
        if range.after.is_none() || leaves.len() >= LEAVES {
            return Ok(leaves);
        }
    }
}

async fn leaves_of(
    app: &App,
    scope: &AccountScope,
    head: &Head,
    now: Timestamp,
) -> Result<HashSet<Leaf>, Trouble> {
    let place = scope.evidence(Seal::place_text(head.sealed_at));
    let last: Seal = app.store.get(&place, now).await?.ok_or(Trouble::Damaged)?;
    let mut leaves = HashSet::new();
    for root in &last.pages {
        let page: Option<LeafPage> = app.store.get(&LeafPage::place(scope, *root), now).await?;
        leaves.extend(page.ok_or(Trouble::Damaged)?.leaves());
    }
    Ok(leaves)
}

/// Sealed leaves stand in their page: as items they would be sealed again.
async fn clear(app: &App, scope: &AccountScope, leaves: &[Leaf]) -> Result<(), Trouble> {
    let keys: Vec<_> = leaves.iter().map(|leaf| leaf.key(scope)).collect();
    app.store.delete_all(&keys).await
}
