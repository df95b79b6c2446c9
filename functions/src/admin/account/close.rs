//! `POST accounts/{a}/close`: from the answer on nobody is served; a month later all of it is gone.
//!
//! Deletes nothing itself: that is `retention`'s part. Doing it again changes nothing. What the
//! owner is to take along is made at once: a last archive.

use lambda_http::http::StatusCode;
use rundbrief::account::{Account, Scope};
use rundbrief::campaign::Campaign;
use rundbrief::id::BackupId;
use rundbrief::record::Expect;
use serde_json::json;

use super::super::access::{Access, Desk, Sent};
use super::super::answer::{Answer, Refused, etag, if_match, json as answer, lost_race};
use super::super::body::MAX_BODY_OCTETS;
use super::super::resource::ATTEMPTS;
use super::show;
use crate::backup;
use crate::campaign::{self, ChangeError};
use crate::problem::Problem;
use crate::store::WriteError;

pub(super) async fn close(access: Access, sent: Sent) -> Answer {
    let desk = access.even_closed(Scope::Admin)?;
    sent.object_if_any(MAX_BODY_OCTETS)?.finish(Some(()))?;
    let account = closed(&desk).await?;
    // After the account, so that none is planned behind; again when the first time was cut short.
    cancel_all(&desk).await?;
    let export = last_archive(&desk, &account).await?;
    let mut shown = show(&account);
    shown["export"] = json!({"backup": export});
    Ok(answer(StatusCode::ACCEPTED, &shown))
}

/// Begins the account's last archive, for its owner to take along (L-21). It is named by the
/// closing, so that closing again asks for the same one; its two weeks are over before the month
/// is.
async fn last_archive(desk: &Desk, account: &Account) -> Result<BackupId, Refused> {
    let closed_at = account.closed_at.unwrap_or(desk.now);
    let id = backup::name(closed_at, "-closing")?;
    backup::begin(&desk.app, &desk.scope, &id, desk.now).await?;
    Ok(id)
}

async fn closed(desk: &Desk) -> Result<Account, Refused> {
    let store = &desk.app.store;
    for _ in 0..ATTEMPTS {
        let before = store.account(&desk.account.id, desk.now).await?;
        let before = before.ok_or(Problem::NOT_FOUND)?;
        if_match(&desk.headers, &etag(before.rev))?;
        let Some(account) = before.closed(desk.now)? else {
            return Ok(before);
        };
        let expect = Expect::Revision(before.rev);
        match store.put(&desk.scope, &account, expect, desk.now).await {
            Ok(()) => return Ok(account),
            Err(WriteError::Conflict) => {}
            Err(WriteError::Trouble(trouble)) => return Err(trouble.into()),
        }
    }
    Err(lost_race(&desk.headers))
}

/// Ends every campaign that waits or runs: a worker that is at it gets no slot any more.
async fn cancel_all(desk: &Desk) -> Result<(), Refused> {
    let campaigns: Vec<Campaign> = desk.app.store.configured(&desk.scope, desk.now).await?;
    for campaign in campaigns {
        match campaign::cancel(&desk.app, &desk.scope, &campaign.id, desk.now).await {
            // A draft, or over already.
            Ok(_) | Err(ChangeError::Refused(_) | ChangeError::NotFound) => {}
            Err(ChangeError::Trouble(trouble)) => return Err(trouble.into()),
        }
    }
    Ok(())
}
