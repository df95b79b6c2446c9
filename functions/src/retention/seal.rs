//! Seals the evidence of the hour: each account's waiting leaves into a signed tree.
//!
//! What a seal is and says, `rundbrief::evidence::seal` decides. A run that is cut short is gone
//! on with by the next; of two at once one seals.

use std::collections::HashSet;

use jiff::Timestamp;
use rundbrief::evidence::Leaf;
use rundbrief::evidence::seal::{Head, LeafPage, Seal, SealingKey, seal};
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

/// Seals what waits in all accounts until `stop_at`; answers in numbers.
pub(super) async fn seal_all(
    app: &App,
    now: Timestamp,
    stop_at: Instant,
) -> Result<Value, Trouble> {
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
    let (mut seals, mut leaves, mut failed, mut after) = (0_usize, 0_usize, 0_usize, None);
    loop {
        let page = app.store.accounts(after, ACCOUNTS, now).await?;
        for account in &page.items {
            if Instant::now() >= stop_at {
                return Ok(
                    json!({"seals": seals, "leaves": leaves, "failed": failed, "more": true}),
                );
            }
            match seal_one(app, account, &key, now).await {
                Ok(0) => {}
                Ok(count) => {
                    seals += 1;
                    leaves += count;
                }
                // The others are not to wait for this one; the next run comes back to it.
                Err(trouble) => {
                    failed += 1;
                    tracing::error!(%account, %trouble, "an account's evidence could not be sealed");
                }
            }
        }
        after = page.next;
        if after.is_none() {
            return Ok(json!({"seals": seals, "leaves": leaves, "failed": failed, "more": false}));
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

/// Seals what waits in one account; answers how many leaves.
async fn seal_one(
    app: &App,
    account: &AccountId,
    key: &SealingKey,
    now: Timestamp,
) -> Result<usize, Trouble> {
    let Some(account) = app.store.account(account, now).await? else {
        return Ok(0);
    };
    let Some(scope) = account.scope(&app.keys().await?.secrets, now) else {
        return Ok(0);
    };
    // This is the hour's one walk over all accounts.
    marks::mark(app, &account, &scope, now).await?;
    let mut waiting = waiting(app, &scope, now).await?;
    if waiting.is_empty() {
        return Ok(0);
    }
    let head: Option<Head> = app.store.get(&Head::place(&scope), now).await?;
    // A run that was cut short after its seal leaves sealed leaves behind.
    if let Some(head) = &head {
        let sealed = leaves_of(app, &scope, head, now).await?;
        let (done, rest): (Vec<_>, Vec<_>) =
            waiting.into_iter().partition(|leaf| sealed.contains(leaf));
        clear(app, &scope, &done).await?;
        waiting = rest;
    }
    let Some(sealing) = seal(&account.id, waiting.clone(), head.as_ref(), key, now) else {
        return Ok(0);
    };
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
        Err(WriteError::Conflict) => return Ok(0),
        Err(WriteError::Trouble(trouble)) => return Err(trouble),
    }
    clear(app, &scope, &waiting).await?;
    Ok(waiting.len())
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
