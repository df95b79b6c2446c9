//! The erasures of the addresses that somebody had before: they are cleaned up with theirs, which is
//! not done before.

use rundbrief::account::Account;
use rundbrief::erasure::{Erasure, Task};
use rundbrief::key::AccountScope;
use tokio::time::Instant;

use super::clean_one;
use crate::app::{App, Trouble};

/// How far the erasures of the addresses before are.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Linked {
    /// Whether the live data of all of them are gone.
    pub(super) are_gone: bool,
    /// Whether everybody who is told of any is told.
    pub(super) are_told: bool,
}

/// Goes on with them; how far they are then.
///
/// # Errors
/// When the store does not answer.
pub(super) async fn clean(
    app: &App,
    account: &Account,
    scope: &AccountScope,
    erasure: &Erasure,
    stop_at: Instant,
) -> Result<Linked, Trouble> {
    let mut linked = Linked {
        are_gone: true,
        are_told: true,
    };
    for id in &erasure.linked {
        let key = scope.erasure(id.person, id.event);
        // One that is lost cannot be waited for.
        let Some(mut former) = app.store.get::<Erasure>(&key, app.now()).await? else {
            continue;
        };
        if former.live_gone_at().is_none() {
            // One that has some before it, too, is due on its own.
            let (whose, linked) = ((account, scope), Linked::default());
            match Box::pin(clean_one(app, whose, former.clone(), linked, stop_at)).await {
                Ok(cleaned) => former = cleaned,
                Err(trouble) => {
                    tracing::warn!(account = %account.id, %trouble, "a linked erasure waits");
                }
            }
        }
        linked.are_gone &= former.live_gone_at().is_some();
        linked.are_told &= former.has(Task::Recipients);
    }
    Ok(linked)
}
