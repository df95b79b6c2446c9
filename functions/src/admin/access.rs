//! Who calls, and what they may reach: keys, scopes, accounts.
//!
//! A handler gets at an account's data through [`Access::with`] only, so none can forget the
//! scope; another account's anything is not found, whatever the key may do in its own.

use std::sync::Arc;

use axum::body::Bytes;
use axum::extract::{FromRequestParts, RawPathParams};
use axum::http::request::Parts;
use jiff::Timestamp;
use lambda_http::http::{HeaderMap, Method, header};
use rundbrief::account::{Account, ApiKey, Scope};
use rundbrief::crypto::KeySecret;
use rundbrief::id::{AccountId, InvalidId, KeyId};
use rundbrief::key::{AccountScope, Key};
use rundbrief::processing::Dpia;

use super::answer::{ACCOUNT_CLOSED, Refused};
use crate::app::App;
use crate::problem::Problem;

/// What every account key begins with, so that scanners for leaked secrets can know it.
const KEY_PREFIX: &str = "rbk_";

/// Everything about a request that is not its route.
#[derive(Clone)]
pub(super) struct Context {
    pub(super) app: Arc<App>,
    pub(super) caller: Arc<Caller>,
    pub(super) now: Timestamp,
    pub(super) body: Bytes,
}

/// Who calls.
pub(super) enum Caller {
    /// The platform's operators: everything in every account.
    Platform,
    /// A key of one account.
    Account(Box<AccountCaller>),
}

/// A key of one account.
pub(super) struct AccountCaller {
    account: Account,
    scope: AccountScope,
    key: ApiKey,
    /// Read for keys that can let data out, which a high risk restricts.
    dpia: Option<Dpia>,
}

/// The text of an account key: shown once, when it is made.
pub(super) fn key_text(account: &AccountId, id: &KeyId, secret: &KeySecret) -> String {
    format!("{KEY_PREFIX}{account}.{id}.{}", secret.reveal())
}

impl Caller {
    /// Who presents this key.
    pub(super) async fn authenticate(
        app: &App,
        headers: &HeaderMap,
        now: Timestamp,
    ) -> Result<Self, Refused> {
        let presented = bearer(headers).ok_or(Problem::UNAUTHORIZED)?;
        let Some(parts) = presented.strip_prefix(KEY_PREFIX) else {
            return if KeySecret::presented(presented).matches(app.platform_key_hash().await?) {
                Ok(Self::Platform)
            } else {
                Err(Problem::UNAUTHORIZED.into())
            };
        };
        let mut parts = parts.splitn(3, '.');
        let (Some(account), Some(key), Some(secret)) = (parts.next(), parts.next(), parts.next())
        else {
            return Err(Problem::UNAUTHORIZED.into());
        };
        let (Ok(account), Ok(key)) = (AccountId::parse(account), KeyId::parse(key)) else {
            return Err(Problem::UNAUTHORIZED.into());
        };
        let key = Key::api_key(&account, &key);
        let (account, key) = futures::try_join!(
            app.store.account(&account, now),
            app.store.get::<ApiKey>(&key, now),
        )?;
        match (account, key) {
            (Some(account), Some(key))
                if KeySecret::presented(secret).matches(&key.secret_hash) =>
            {
                let scope = account
                    .scope(&app.keys().await?.secrets, now)
                    .ok_or(Problem::UNAUTHORIZED)?;
                let discloses = |scope: &Scope| matches!(scope, Scope::Export | Scope::Restore);
                let dpia = if key.scopes.iter().any(discloses) {
                    app.store.get(&Dpia::place(&scope), now).await?
                } else {
                    None
                };
                Ok(Self::Account(Box::new(AccountCaller {
                    account,
                    scope,
                    key,
                    dpia,
                })))
            }
            _ => Err(Problem::UNAUTHORIZED.into()),
        }
    }

    /// Whether the key has the scope, and the account's risk lets this key use it.
    fn may(&self, needed: Scope) -> bool {
        self.has(needed)
            && match self {
                Self::Platform => true,
                Self::Account(caller) => {
                    let admits = |dpia: &Dpia| dpia.admits(&caller.key, needed);
                    caller.dpia.as_ref().is_none_or(admits)
                }
            }
    }

    /// Whether the key has the scope, so that it can hand it on.
    pub(super) fn has(&self, scope: Scope) -> bool {
        match self {
            Self::Platform => true,
            Self::Account(caller) => caller.key.scopes.contains(&scope),
        }
    }

    pub(super) fn is_platform(&self) -> bool {
        matches!(self, Self::Platform)
    }

    /// The account's scope, if it is an account's key.
    pub(super) fn account_scope(&self) -> Option<&AccountScope> {
        match self {
            Self::Platform => None,
            Self::Account(caller) => Some(&caller.scope),
        }
    }

    /// The account, its scope and the key, if it is an account's key.
    pub(super) fn own(&self) -> Option<(&Account, &AccountScope, &ApiKey)> {
        match self {
            Self::Platform => None,
            Self::Account(caller) => Some((&caller.account, &caller.scope, &caller.key)),
        }
    }

    /// Names the key, for what is kept per key.
    pub(super) fn name(&self) -> String {
        match self {
            Self::Platform => "platform".to_owned(),
            Self::Account(caller) => format!("{}.{}", caller.account.id, caller.key.id),
        }
    }
}

/// The key in `Authorization: Bearer KEY` (RFC 6750 section 2.1; the scheme's case is free).
fn bearer(headers: &HeaderMap) -> Option<&str> {
    let (scheme, key) = headers
        .get(header::AUTHORIZATION)?
        .to_str()
        .ok()?
        .split_once(' ')?;
    let key = key.trim();
    (scheme.eq_ignore_ascii_case("bearer") && !key.is_empty()).then_some(key)
}

/// The platform's own requests, such as making accounts.
pub(super) struct PlatformAccess(pub(super) Context);

impl<S: Send + Sync> FromRequestParts<S> for PlatformAccess {
    type Rejection = Refused;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Refused> {
        let context = context(parts)?;
        if context.caller.is_platform() {
            Ok(Self(context))
        } else {
            Err(Problem::FORBIDDEN.into())
        }
    }
}

/// A request for something in the account that its path names, before its scope is checked.
pub(super) struct Access(Desk);

impl Access {
    /// What the request works with, if its key has this scope and the account is open, or the
    /// request only reads.
    pub(super) fn with(self, needed: Scope) -> Result<Desk, Refused> {
        let desk = self.even_closed(needed)?;
        if desk.reads || desk.account.is_open(desk.now) {
            Ok(desk)
        } else {
            Err(ACCOUNT_CLOSED.into())
        }
    }

    /// The same, also for a request that changes something in a closed account.
    pub(super) fn even_closed(self, needed: Scope) -> Result<Desk, Refused> {
        if self.0.caller.may(needed) {
            Ok(self.0)
        } else {
            Err(Problem::FORBIDDEN.into())
        }
    }
}

/// What a request in an account works with.
pub(super) struct Desk {
    pub(super) app: Arc<App>,
    pub(super) caller: Arc<Caller>,
    pub(super) account: Account,
    pub(super) scope: AccountScope,
    pub(super) now: Timestamp,
    pub(super) headers: HeaderMap,
    reads: bool,
    id: Option<String>,
}

impl Desk {
    /// The identifier at the end of the path; what none can be is not found.
    pub(super) fn id<T: TryFrom<String, Error = InvalidId>>(&self) -> Result<T, Refused> {
        self.id
            .clone()
            .and_then(|id| T::try_from(id).ok())
            .ok_or_else(|| Problem::NOT_FOUND.into())
    }

    /// The path of something in the account.
    pub(super) fn path(&self, collection: &str, id: &str) -> String {
        format!(
            "{}/accounts/{}/{collection}/{id}",
            super::PREFIX,
            self.account.id
        )
    }
}

fn context(parts: &Parts) -> Result<Context, Refused> {
    parts
        .extensions
        .get::<Context>()
        .cloned()
        .ok_or_else(|| Problem::INTERNAL.into())
}

impl<S: Send + Sync> FromRequestParts<S> for Access {
    type Rejection = Refused;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Refused> {
        let context = context(parts)?;
        // A path that is no UTF-8 once decoded names nothing.
        let parameters = RawPathParams::from_request_parts(parts, state)
            .await
            .map_err(|_| Problem::NOT_FOUND)?;
        let parameter = |wanted: &str| {
            parameters
                .iter()
                .find(|(name, _)| *name == wanted)
                .map(|(_, value)| value.to_owned())
        };
        let named = parameter("account")
            .and_then(|account| AccountId::parse(&account).ok())
            .ok_or(Problem::NOT_FOUND)?;
        let (account, scope) = match context.caller.as_ref() {
            Caller::Account(caller) if caller.account.id == named => {
                (caller.account.clone(), caller.scope.clone())
            }
            Caller::Account(_) => return Err(Problem::NOT_FOUND.into()),
            Caller::Platform => {
                let account = context
                    .app
                    .store
                    .account(&named, context.now)
                    .await?
                    .ok_or(Problem::NOT_FOUND)?;
                let scope = account
                    .scope(&context.app.keys().await?.secrets, context.now)
                    .ok_or(Problem::NOT_FOUND)?;
                (account, scope)
            }
        };
        Ok(Self(Desk {
            app: context.app,
            caller: context.caller,
            account,
            scope,
            now: context.now,
            headers: parts.headers.clone(),
            reads: matches!(parts.method, Method::GET | Method::HEAD),
            id: parameter("id"),
        }))
    }
}

/// The request's body, not yet read.
pub(super) struct Sent {
    pub(super) bytes: Bytes,
    pub(super) content_type: Option<String>,
}

impl<S: Send + Sync> FromRequestParts<S> for Sent {
    type Rejection = Refused;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Refused> {
        Ok(Self {
            bytes: context(parts)?.body,
            content_type: parts
                .headers
                .get(header::CONTENT_TYPE)
                .and_then(|value| value.to_str().ok())
                .map(str::to_owned),
        })
    }
}
