//! What all configured things have in common: list, create, read, replace, delete.
//!
//! What each of them is made of is said in its own file.

use std::fmt::Display;
use std::future::Future;

use axum::Router;
use axum::routing::get;
use jiff::Timestamp;
use lambda_http::http::Uri;
use rundbrief::account::Scope;
use rundbrief::entropy::Entropy;
use rundbrief::id::InvalidId;
use rundbrief::key::{AccountScope, Key, Table};
use rundbrief::record::{Expect, Stored};
use serde_json::Value;

use super::access::{Access, Desk, Sent};
use super::answer::{
    Answer, IN_USE, Refused, created, etag, found, found_at, gone, if_match, lost_race,
};
use super::body::{self, MAX_BODY_OCTETS, Object};
use super::listing::{Parameters, Window, listed};
use crate::problem::Problem;
use crate::store::{Range, WriteError};

/// How often a change is decided anew when somebody else was faster.
pub(super) const ATTEMPTS: usize = 3;

/// A thing that an account configures.
pub(super) trait Resource: Stored + Send + Sync + 'static {
    /// Its collection in the path.
    const PATH: &'static str;
    /// The member with its identifier.
    const ID: &'static str = "id";
    /// Longest body in octets.
    const MAX_BODY_OCTETS: usize = MAX_BODY_OCTETS;
    /// The scope for reading.
    const READ: Scope = Scope::Read;
    /// The scope for changing.
    const WRITE: Scope = Scope::Write;
    /// Its identifier.
    type Id: TryFrom<String, Error = InvalidId> + Display + PartialEq + Send + Sync;

    /// A new identifier.
    fn new_id(now: Timestamp, entropy: &dyn Entropy) -> Self::Id;

    /// Which one.
    fn id(&self) -> String;

    /// Where the one with this identifier stands; the key of all begins as that of none.
    fn place(scope: &AccountScope, id: &str) -> Key {
        scope.configuration(Self::KIND, id)
    }

    /// Reads everything but the identifier; `before` is what it replaces. Where a member was wrong,
    /// the record may hold anything: it is only checked further, never kept.
    fn read(
        id: Self::Id,
        rev: u64,
        before: Option<&Self>,
        now: Timestamp,
        body: &mut Object,
    ) -> Option<Self>;

    /// As callers see it. Reading it back must be possible: what cannot be sent is ignored by
    /// [`Resource::read`].
    fn show(&self, desk: &Desk) -> Value;

    /// Whether it suits the rest of the account.
    fn check(&self, _desk: &Desk) -> impl Future<Output = Result<(), Refused>> + Send {
        async { Ok(()) }
    }

    /// Stores a new one.
    fn store_new(&self, desk: &Desk) -> impl Future<Output = Result<(), Refused>> + Send {
        async {
            let put = desk
                .app
                .store
                .put(&desk.scope, self, Expect::Absent, desk.now);
            Ok(put.await?)
        }
    }

    /// What must be written before it is deleted.
    fn retire(&self, _desk: &Desk) -> impl Future<Output = Result<(), Refused>> + Send {
        async { Ok(()) }
    }

    /// Whether something else depends on it.
    fn is_used(&self, _desk: &Desk) -> impl Future<Output = Result<bool, Refused>> + Send {
        async { Ok(false) }
    }
}

/// All five routes.
pub(super) fn routes<R: Resource>() -> Router {
    Router::new()
        .route(&collection::<R>(), get(list::<R>).post(create::<R>))
        .route(&element::<R>(), one::<R>())
}

/// The path of all of them.
pub(super) fn collection<R: Resource>() -> String {
    format!("/accounts/{{account}}/{}", R::PATH)
}

/// The path of one.
pub(super) fn element<R: Resource>() -> String {
    format!("/accounts/{{account}}/{}/{{id}}", R::PATH)
}

/// Read, replace, delete.
pub(super) fn one<R: Resource>() -> axum::routing::MethodRouter {
    get(read::<R>).put(replace::<R>).delete(remove::<R>)
}

fn key<R: Resource>(desk: &Desk, id: &R::Id) -> Key {
    R::place(&desk.scope, &id.to_string())
}

pub(super) async fn list<R: Resource>(access: Access, uri: Uri) -> Answer {
    let desk = access.with(R::READ)?;
    let window = Window::of(&Parameters::of(&uri), desk.account.id.as_str(), R::PATH)?;
    let Key { pk, sk: prefix, .. } = R::place(&desk.scope, "");
    let mut range = Range {
        table: Table::Main,
        pk,
        after: window.after_in(&prefix)?,
        prefix,
        limit: i32::try_from(window.limit).unwrap_or(1),
    };
    let mut records: Vec<R> = Vec::new();
    let next = loop {
        let page = desk.app.store.page(&range, desk.now).await?;
        records.extend(page.items);
        if page.next.is_none() || records.len() >= window.limit {
            break page.next;
        }
        range.after = page.next;
        range.limit = i32::try_from(window.limit - records.len()).unwrap_or(1);
    };
    let items = records.iter().map(|record| record.show(&desk)).collect();
    let next = next.map(|after| window.cursor(0, &after));
    Ok(found(&listed(items, next)))
}

/// Reads a new one from a request and checks it.
pub(super) async fn new_from<R: Resource>(desk: &Desk, sent: &Sent) -> Result<R, Refused> {
    let mut sent = sent.object(R::MAX_BODY_OCTETS)?;
    let given = sent.has(R::ID);
    let id = match sent.optional(R::ID, body::id::<R::Id>) {
        Some(id) => Some(id),
        // A wrong one is a problem already.
        None if given => None,
        None => Some(R::new_id(desk.now, desk.app.entropy.as_ref())),
    };
    let id = match id {
        Some(id) => id,
        // Goes on reading, so that all problems are named at once.
        None => R::new_id(desk.now, desk.app.entropy.as_ref()),
    };
    let record = R::read(id, 1, None, desk.now, &mut sent);
    checked(desk, sent, record).await
}

/// Names what the body lacks and what the account lacks together.
async fn checked<R: Resource>(desk: &Desk, sent: Object, record: Option<R>) -> Result<R, Refused> {
    let (record, mut errors) = sent.done(record);
    if let Some(record) = &record
        && let Err(refused) = record.check(desk).await
    {
        let further = match refused.into_errors() {
            Ok(further) => further,
            Err(refused) if errors.is_empty() => return Err(refused),
            Err(_) => Vec::new(),
        };
        for error in further {
            // A member that could not be read stands for nothing in the account.
            let is_unread = errors.iter().any(|known| known.field == error.field);
            if !(is_unread && error.code == "unknown") {
                errors.push(error);
            }
        }
    }
    match record {
        Some(record) if errors.is_empty() => Ok(record),
        _ => Err(Refused::errors(errors)),
    }
}

async fn create<R: Resource>(access: Access, sent: Sent) -> Answer {
    let desk = access.with(R::WRITE)?;
    let record: R = new_from(&desk, &sent).await?;
    record.store_new(&desk).await?;
    Ok(created(
        &desk.path(R::PATH, &record.id()),
        &etag(record.revision()),
        &record.show(&desk),
    ))
}

pub(super) async fn current<R: Resource>(desk: &Desk, id: &R::Id) -> Result<R, Refused> {
    let found: Option<R> = desk.app.store.get(&key::<R>(desk, id), desk.now).await?;
    found.ok_or_else(|| Problem::NOT_FOUND.into())
}

async fn read<R: Resource>(access: Access) -> Answer {
    let desk = access.with(R::READ)?;
    let record: R = current(&desk, &desk.id()?).await?;
    Ok(found_at(&etag(record.revision()), &record.show(&desk)))
}

async fn replace<R: Resource>(access: Access, sent: Sent) -> Answer {
    let desk = access.with(R::WRITE)?;
    for _ in 0..ATTEMPTS {
        let id: R::Id = desk.id()?;
        let before: R = current(&desk, &id).await?;
        if_match(&desk.headers, &etag(before.revision()))?;
        let mut sent = sent.object(R::MAX_BODY_OCTETS)?;
        if sent
            .optional(R::ID, body::id::<R::Id>)
            .is_some_and(|sent| sent != id)
        {
            sent.problem(R::ID, "cannot_change");
        }
        let record = R::read(
            id,
            before.revision() + 1,
            Some(&before),
            desk.now,
            &mut sent,
        );
        let record = checked(&desk, sent, record).await?;
        let expect = Expect::Revision(before.revision());
        match desk
            .app
            .store
            .put(&desk.scope, &record, expect, desk.now)
            .await
        {
            Ok(()) => return Ok(found_at(&etag(record.revision()), &record.show(&desk))),
            Err(WriteError::Conflict) => {}
            Err(WriteError::Trouble(trouble)) => return Err(trouble.into()),
        }
    }
    Err(lost_race(&desk.headers))
}

async fn remove<R: Resource>(access: Access) -> Answer {
    let desk = access.with(R::WRITE)?;
    for _ in 0..ATTEMPTS {
        let id: R::Id = desk.id()?;
        let record: R = current(&desk, &id).await?;
        if_match(&desk.headers, &etag(record.revision()))?;
        if record.is_used(&desk).await? {
            return Err(IN_USE.into());
        }
        record.retire(&desk).await?;
        let key = key::<R>(&desk, &id);
        match desk.app.store.delete(&key, record.revision()).await {
            Ok(()) => return Ok(gone()),
            Err(WriteError::Conflict) => {}
            Err(WriteError::Trouble(trouble)) => return Err(trouble.into()),
        }
    }
    Err(lost_race(&desk.headers))
}
