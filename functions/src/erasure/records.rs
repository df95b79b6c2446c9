//! A person's records: evidence sealed for the legal role and deleted in clear, the rest deleted,
//! what was written about them cleared.
//!
//! Record by record, sealing and deleting in one transaction: nothing is ever lost, and nothing
//! is ever there twice. Without a published legal key the evidence waits, hidden by the tombstone.

use jiff::Timestamp;
use rundbrief::account::Account;
use rundbrief::address_change::AddressChange;
use rundbrief::erasure::{
    Erasure, leaves_evidence, sealed_imports, sealed_sign_up, sealed_unsubscription, sealed_until,
};
use rundbrief::id::EventId;
use rundbrief::key::{AccountScope, Key};
use rundbrief::legal::{LegalKey, Seal, SealedEvidence};
use rundbrief::outbox::Outbox;
use rundbrief::person::Unsubscription;
use rundbrief::record::{Expect, Record, Stored, Transaction};
use rundbrief::sign_up::SignUp;
use serde_json::Value;

use crate::app::{App, Trouble};
use crate::store::WriteError;

/// How often the records are looked through while somebody else still writes to them.
const PASSES: usize = 4;

struct Work<'a> {
    app: &'a App,
    account: &'a Account,
    scope: &'a AccountScope,
    /// Until when evidence is kept, if at all.
    until: Option<Timestamp>,
    key: Option<LegalKey>,
    now: Timestamp,
}

/// Seals and deletes; whether nothing is left.
pub(super) async fn clean(
    app: &App,
    account: &Account,
    scope: &AccountScope,
    erasure: &mut Erasure,
) -> Result<bool, Trouble> {
    let now = app.now();
    let zone = rundbrief::time::zone(&account.time_zone).map_err(|_| Trouble::Damaged)?;
    let until = sealed_until(account, erasure.requested_at, &zone).filter(|until| *until > now);
    let key = app.store.get::<LegalKey>(&LegalKey::place(), now).await?;
    let work = Work {
        app,
        account,
        scope,
        until,
        key,
        now,
    };
    for _ in 0..PASSES {
        if !work.pass(erasure).await? {
            // Another pass helps against somebody else's write, not against a missing key.
            if work.must_wait() {
                return Ok(false);
            }
            continue;
        }
        let prefix = scope.erasure_prefix(erasure.person);
        let partition = scope.sealed_partition(erasure.person.partition());
        let sealed: Vec<SealedEvidence> = app.store.all(&partition, &prefix, now).await?;
        let sealed = sealed
            .iter()
            .filter(|one| one.sealed_at >= erasure.requested_at);
        erasure.sealed_until = sealed.clone().map(|one| one.gone_at).max();
        erasure.sealed = u32::try_from(sealed.count()).unwrap_or(u32::MAX);
        return Ok(true);
    }
    Ok(false)
}

impl Work<'_> {
    fn must_wait(&self) -> bool {
        self.until.is_some() && self.key.is_none()
    }

    async fn pass(&self, erasure: &Erasure) -> Result<bool, Trouble> {
        let (store, scope, person) = (&self.app.store, self.scope, erasure.person);
        let account = &self.account.id;
        let mut all = super::texts::clear(self.app, scope, person, self.now).await?;
        let outbox: Vec<Outbox> = store
            .records_even_expired(scope, person, Outbox::RECORD)
            .await?;
        for record in outbox {
            // Promised since: the person came again.
            if record.event.made_at() > erasure.requested_at {
                continue;
            }
            all &= self.delete(&record.key(scope), record.rev).await?;
        }
        let sign_ups: Vec<SignUp> = store
            .records_even_expired(scope, person, SignUp::RECORD)
            .await?;
        for record in sign_ups {
            if record.signed_up_at > erasure.requested_at {
                continue;
            }
            let kept = leaves_evidence(&record).then(|| sealed_sign_up(account, &record));
            all &= self.replace(erasure, &record, record.event, kept).await?;
        }
        let changes: Vec<AddressChange> = store
            .records_even_expired(scope, person, AddressChange::RECORD)
            .await?;
        for change in changes {
            if change.asked_at <= erasure.requested_at {
                all &= self.forget(&change).await?;
            }
        }
        let left: Vec<Unsubscription> = store
            .records_even_expired(scope, person, Unsubscription::RECORD)
            .await?;
        for record in left {
            if record.at > erasure.requested_at {
                continue;
            }
            let kept = Some(sealed_unsubscription(account, &record));
            all &= self.replace(erasure, &record, record.event, kept).await?;
        }
        if let (Some(until), Some(kept)) =
            (self.until, erasure.left.as_ref().and_then(sealed_imports))
        {
            all &= match self.seal(erasure, erasure.event, until, &kept)? {
                None => false,
                Some(sealed) => {
                    let put = store.put(scope, &sealed, Expect::Absent, self.now).await;
                    match put {
                        // A run before this one sealed it.
                        Ok(()) | Err(WriteError::Conflict) => true,
                        Err(WriteError::Trouble(trouble)) => return Err(trouble),
                    }
                }
            };
        }
        Ok(all)
    }

    /// `None` while there is no key.
    fn seal(
        &self,
        erasure: &Erasure,
        event: EventId,
        gone_at: Timestamp,
        kept: &Value,
    ) -> Result<Option<SealedEvidence>, Trouble> {
        let Some(key) = &self.key else {
            return Ok(None);
        };
        let seal = Seal {
            person: erasure.person,
            event,
            now: self.now,
            gone_at,
        };
        key.seal(
            &self.account.id,
            seal,
            &kept.to_string(),
            self.app.entropy.as_ref(),
        )
        .map(Some)
        .map_err(|_| Trouble::Damaged)
    }

    async fn replace<T: Stored>(
        &self,
        erasure: &Erasure,
        record: &T,
        event: EventId,
        kept: Option<Value>,
    ) -> Result<bool, Trouble> {
        let place = record.key(self.scope);
        let (Some(until), Some(kept)) = (self.until, kept) else {
            return self.delete(&place, record.revision()).await;
        };
        let Some(sealed) = self.seal(erasure, event, until, &kept)? else {
            return Ok(false);
        };
        let mut transaction = Transaction::default();
        transaction
            .put(Record::SealedEvidence(Box::new(sealed)), Expect::Absent)
            .delete(place, Expect::Revision(record.revision()));
        done(
            self.app
                .store
                .commit(self.scope, &transaction, self.now)
                .await,
        )
    }

    /// Deletes a change of address that nobody confirmed where it waits, under the new address, and
    /// then what points to it.
    async fn forget(&self, change: &AddressChange) -> Result<bool, Trouble> {
        let place = change.sign_up(self.scope);
        let asked: Option<SignUp> = self.app.store.get_even_expired(&place).await?;
        let waits =
            asked.filter(|asked| asked.former == Some(change.person) && !leaves_evidence(asked));
        if let Some(asked) = waits
            && !self.delete(&place, asked.rev).await?
        {
            return Ok(false);
        }
        self.delete(&change.key(self.scope), change.rev).await
    }

    async fn delete(&self, key: &Key, revision: u64) -> Result<bool, Trouble> {
        done(self.app.store.delete(key, revision).await)
    }
}

/// Whether a write happened; somebody else's in between asks for another pass.
fn done(result: Result<(), WriteError>) -> Result<bool, Trouble> {
    match result {
        Ok(()) => Ok(true),
        Err(WriteError::Conflict) => Ok(false),
        Err(WriteError::Trouble(trouble)) => Err(trouble),
    }
}
