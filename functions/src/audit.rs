//! Writes the audit log: one entry per recorded call, never changed afterwards.
//!
//! What is recorded is the domain's decision; reading the log is `admin::audit`'s part.

use jiff::Timestamp;
use rundbrief::account::Account;
use rundbrief::audit::{Actor, AuditEntry, Call};
use rundbrief::id::EventId;
use rundbrief::key::AccountScope;
use rundbrief::record::Expect;
use rundbrief::time::to_millisecond;

use crate::app::{App, Trouble};
use crate::store::WriteError;

/// What the log says when a call that was carried out could not be recorded.
pub const LOST: &str = "audit_lost";

/// Records a call, in the account that it was about, or in the platform's own log.
///
/// # Errors
/// When the store does not answer: the call is not recorded then.
pub async fn record(
    app: &App,
    account: Option<(&Account, &AccountScope)>,
    by: Actor,
    call: Call,
    now: Timestamp,
) -> Result<(), Trouble> {
    let id = EventId::generate(now, app.entropy.as_ref());
    let owner = account.map(|(account, _)| account);
    let entry = AuditEntry::new(id, to_millisecond(now), by, call, owner);
    let put = match account {
        Some((_, scope)) => app.store.put(scope, &entry, Expect::Absent, now).await,
        None => {
            let place = AuditEntry::place(id);
            app.store.put_at(&place, &entry, Expect::Absent, now).await
        }
    };
    match put {
        Ok(()) => Ok(()),
        // Its number is random: nothing else can be there.
        Err(WriteError::Conflict) => Err(Trouble::Contended),
        Err(WriteError::Trouble(trouble)) => Err(trouble),
    }
}
