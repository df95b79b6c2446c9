//! `GET`, `POST` and `OPTIONS /signup/{account}/{setup}`: the hosted form, and what forms post; and
//! the page for every address that leads nowhere.
//!
//! Every accepted request does the same work and gives the same answer, whether the address is
//! new, known, suppressed or a bot's (M-28); what it leads to is the domain's decision.

mod evidence_keys;
pub(crate) mod form_page;
mod guards;
pub(crate) mod privacy_notice;

use std::sync::Arc;

use jiff::Timestamp;
use jiff::tz::TimeZone;
use lambda_http::http::{HeaderValue, Method, StatusCode, header};
use lambda_http::{Body, Request, Response};
use rundbrief::account::Account;
use rundbrief::consent::{self, FormOrigin, SignUpRequest};
use rundbrief::evidence::Entry;
use rundbrief::evidence::document::{Document, Subject};
use rundbrief::form::{FieldProblem, SentValue, Submission};
use rundbrief::guard::screening::Outcome;
use rundbrief::id::{AccountId, EventId, PersonKey, SetupId};
use rundbrief::key::AccountScope;
use rundbrief::message::{MESSAGE_VERSION, NoticeMessage};
use rundbrief::page_language::Language;
use rundbrief::privacy_notice::InForce;
use rundbrief::setup::{Field, FormDefinition, Interest, List, Setup};
use rundbrief::time::day_in;
use serde_json::{Value, json};

use crate::app::{App, Trouble};
use crate::function::{self, Failure};
use crate::page;
use crate::problem::{FieldError, Problem};
use crate::store::WriteError;
use crate::visitor;

/// How often a decision is made again after somebody else changed the person meanwhile.
const ATTEMPTS: usize = 5;

/// What the log says of a setup that is over its hourly budget; the template's metric filter looks
/// for it.
pub const OVER_BUDGET: &str = "setup_over_budget";

/// Handles an API Gateway event.
///
/// # Errors
/// When the event is none.
pub async fn handle(app: Arc<App>, event: Value) -> Result<Value, Failure> {
    function::http(&app, event, respond).await
}

/// Answers one request.
pub async fn respond(app: &App, request: Request) -> Response<Body> {
    let now = app.now();
    if request.uri().path().ends_with(evidence_keys::PATH) {
        return match *request.method() {
            Method::GET | Method::HEAD => evidence_keys::respond(app, now).await,
            _ => Problem::METHOD_NOT_ALLOWED.json(),
        };
    }
    let json = visitor::wants_json(request.headers());
    if visitor::path_parameter(&request, privacy_notice::VERSION).is_some() {
        return match *request.method() {
            Method::GET | Method::HEAD => privacy_notice::respond(app, &request, now).await,
            _ => page::method_not_allowed(json, "GET, HEAD"),
        };
    }
    if visitor::path_parameter(&request, "setup").is_none() {
        return nowhere(&request, json);
    }
    let mut response = match *request.method() {
        Method::GET | Method::HEAD => form_page::respond(app, &request, now).await,
        Method::POST => match submit(app, &request, now).await {
            Ok(accepted) => accepted.respond(json),
            Err(refused) => refused.respond(app, json, now).await,
        },
        Method::OPTIONS => preflight(),
        _ => page::method_not_allowed(json, "GET, HEAD, POST, OPTIONS"),
    };
    // Any page may post here, without credentials; nowhere else.
    response.headers_mut().insert(
        header::ACCESS_CONTROL_ALLOW_ORIGIN,
        HeaderValue::from_static("*"),
    );
    response
}

/// What API Gateway has no other route for, by its default route. A link without its token is as
/// good as one with a wrong token.
fn nowhere(request: &Request, as_json: bool) -> Response<Body> {
    let path = request.uri().path();
    if as_json || path.starts_with("/api/") {
        Problem::NOT_FOUND.json()
    } else if ["/confirm", "/unsubscribe", "/not-me", "/preferences"]
        .iter()
        .any(|link| path.starts_with(link))
    {
        page::unknown_link()
    } else {
        page::problem(Problem::NOT_FOUND, Language::default(), Vec::new())
    }
}

fn preflight() -> Response<Body> {
    let mut response = Response::new(Body::Empty);
    *response.status_mut() = StatusCode::NO_CONTENT;
    let headers = response.headers_mut();
    headers.insert(
        header::ACCESS_CONTROL_ALLOW_METHODS,
        HeaderValue::from_static("GET, POST"),
    );
    headers.insert(
        header::ACCESS_CONTROL_ALLOW_HEADERS,
        HeaderValue::from_static("content-type, accept"),
    );
    headers.insert(
        header::ACCESS_CONTROL_MAX_AGE,
        HeaderValue::from_static("86400"),
    );
    response
}

/// A form that exists, with its account.
pub(crate) struct LoadedForm {
    pub(crate) account: Account,
    pub(crate) scope: AccountScope,
    pub(crate) definition: FormDefinition,
    /// The privacy notice in force.
    pub(crate) notice: InForce,
    /// The language that was asked for, where the setup speaks it and it is not its own.
    pub(crate) spoken: Option<Language>,
}

/// Reads the setup that the path names, with all that its form shows in the language that the
/// visitor asked for. What is not published is not there.
async fn load_form(
    app: &App,
    request: &Request,
    spoken: Option<Language>,
    now: Timestamp,
) -> Result<Option<LoadedForm>, Trouble> {
    let id = |name| visitor::path_parameter(request, name);
    let (Some(account), Some(setup)) = (id("account"), id("setup")) else {
        return Ok(None);
    };
    let (Ok(account), Ok(setup)) = (AccountId::parse(&account), SetupId::parse(&setup)) else {
        return Ok(None);
    };
    let Some(account) = app
        .store
        .account(&account, now)
        .await?
        .filter(|account| account.is_open(now))
    else {
        return Ok(None);
    };
    let Some(scope) = account.scope(&app.keys().await?.secrets, now) else {
        return Ok(None);
    };
    let Some(setup) = app
        .store
        .get::<Setup>(&scope.configuration("setup", setup.as_str()), now)
        .await?
        .filter(|setup| rundbrief::privacy_notice::is_published(&account, setup))
    else {
        return Ok(None);
    };
    form_of(app, account, scope, setup, spoken, now)
        .await
        .map(Some)
}

/// A setup with all that its form shows.
pub(crate) async fn form_of(
    app: &App,
    account: Account,
    scope: AccountScope,
    mut setup: Setup,
    spoken: Option<Language>,
    now: Timestamp,
) -> Result<LoadedForm, Trouble> {
    // Nobody agrees to words in one language that the evidence says were in another.
    let spoken = spoken.filter(|language| *language != setup.language && setup.speaks(*language));
    setup.language = spoken.unwrap_or(setup.language);
    let lists = futures::future::try_join_all(setup.lists.iter().map(|list| {
        let key = scope.configuration("list", list.as_str());
        async move { app.store.get::<List>(&key, now).await }
    }));
    let declared = futures::future::try_join_all(
        setup
            .fields
            .iter()
            .filter(|field| !rundbrief::setup::BUILT_IN_FIELDS.contains(&field.key.as_str()))
            .map(|field| {
                let key = scope.configuration("field", field.key.as_str());
                async move { app.store.get::<Field>(&key, now).await }
            }),
    );
    let interests = futures::future::try_join_all(setup.interests.iter().map(|interest| {
        let key = scope.configuration("interest", interest.as_str());
        async move { app.store.get::<Interest>(&key, now).await }
    }));
    let (lists, declared, interests) = futures::try_join!(lists, declared, interests)?;
    let notice = InForce::of(&account, &setup);
    let definition = FormDefinition {
        lists: lists.into_iter().flatten().collect(),
        declared: declared.into_iter().flatten().collect(),
        interests: interests.into_iter().flatten().collect(),
        controller: account.name.clone(),
        notice_version: notice.version(),
        setup,
    };
    Ok(LoadedForm {
        account,
        scope,
        definition,
        notice,
        spoken,
    })
}

/// The language that our own form says it was shown in.
fn spoken(pairs: &[(String, SentValue)]) -> Option<Language> {
    pairs.iter().find_map(|(name, value)| match value {
        SentValue::Text(code) if name == "_lang" => Language::parse(code).ok(),
        _ => None,
    })
}

/// The answer to every accepted request of a setup: it depends on the setup alone.
struct Accepted {
    location: String,
}

impl Accepted {
    fn respond(&self, as_json: bool) -> Response<Body> {
        let mut response = if as_json {
            let mut response = Response::new(Body::Text(json!({"status": "accepted"}).to_string()));
            *response.status_mut() = StatusCode::ACCEPTED;
            response.headers_mut().insert(
                header::CONTENT_TYPE,
                HeaderValue::from_static("application/json"),
            );
            response
        } else {
            let mut response = Response::new(Body::Empty);
            *response.status_mut() = StatusCode::SEE_OTHER;
            match HeaderValue::from_str(&self.location) {
                Ok(location) => response.headers_mut().insert(header::LOCATION, location),
                Err(_) => return Problem::INTERNAL.json(),
            };
            response
        };
        response
            .headers_mut()
            .insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
        response
    }
}

/// Why a request was not accepted; nothing was stored.
struct Refused {
    problem: Problem,
    language: Language,
    fields: Vec<FieldProblem>,
    /// The form that the fields belong to.
    form: Option<Box<LoadedForm>>,
    /// What was sent to it.
    sent: Vec<(String, SentValue)>,
    retry_after_seconds: Option<i64>,
}

impl From<Problem> for Refused {
    fn from(problem: Problem) -> Self {
        Self {
            problem,
            language: Language::default(),
            fields: Vec::new(),
            form: None,
            sent: Vec::new(),
            retry_after_seconds: None,
        }
    }
}

impl From<Trouble> for Refused {
    fn from(trouble: Trouble) -> Self {
        Problem::from(trouble).into()
    }
}

impl Refused {
    async fn respond(&self, app: &App, as_json: bool, now: Timestamp) -> Response<Body> {
        let mut response = if as_json {
            let errors: Vec<FieldError> = self.fields.iter().map(error_of).collect();
            self.problem.json_with(&errors)
        } else if let Some(form) = &self.form {
            form_page::again(app, form, (&self.fields, &self.sent), now).await
        } else {
            page::problem(self.problem, self.language, Vec::new())
        };
        if let Some(seconds) = self.retry_after_seconds {
            response
                .headers_mut()
                .insert(header::RETRY_AFTER, HeaderValue::from(seconds.max(1)));
        }
        response
    }
}

fn error_of(problem: &FieldProblem) -> FieldError {
    FieldError {
        about: problem
            .code
            .expected()
            .map(|expected| ("expected", expected.name().to_owned())),
        ..FieldError::new(problem.field.as_str(), problem.code.code())
    }
}

async fn submit(app: &App, request: &Request, now: Timestamp) -> Result<Accepted, Refused> {
    let pairs = visitor::form_pairs(request).await?;
    let form = load_form(app, request, spoken(&pairs), now)
        .await?
        .ok_or(Problem::NOT_FOUND)?;
    let language = form.definition.setup.language;
    let submission = match Submission::parse(&pairs, &form.definition, day_in(now, &TimeZone::UTC))
    {
        Ok(submission) => submission,
        Err(fields) => {
            return Err(Refused {
                language,
                fields,
                form: Some(Box::new(form)),
                sent: pairs,
                ..Problem::INVALID.into()
            });
        }
    };
    // API Gateway always says where a request came from; without it there is no evidence.
    let ip = visitor::client_ip(request).ok_or(Problem::INTERNAL)?;
    let origin = FormOrigin {
        ip,
        claimed: visitor::claimed_page(request.headers()),
    };

    let looks_human = match guards::admit(app, &form, ip, &submission, now).await? {
        Outcome::TooMany { from, .. } => {
            let wait = from.as_second() - now.as_second();
            return Err(Refused {
                language,
                retry_after_seconds: Some(wait),
                ..Problem::TOO_MANY.into()
            });
        }
        Outcome::Human => true,
        Outcome::Bot => false,
    };

    let outbox = EventId::generate(now, app.entropy.as_ref());
    let person = form.scope.person(&submission.address);
    let asked = Asked {
        submission,
        origin,
        outbox,
        looks_human,
        former: None,
    };
    Box::pin(record(app, &form, asked, now)).await?;

    let message = NoticeMessage {
        v: MESSAGE_VERSION,
        account: form.account.id.clone(),
        person,
        outbox,
    };
    let queue = app
        .settings
        .notice_queue_url
        .as_deref()
        .ok_or(Problem::INTERNAL)?;
    // The outbox record stands: without the message it is found again through the due index.
    if app.enqueue(queue, &message).await.is_err() {
        tracing::warn!("a notice will be sent later, because its message could not be queued");
    }

    let location = match &form.definition.setup.redirects.accepted {
        Some(page) => page.clone(),
        None => {
            let public_url = app.settings.public_url().map_err(Trouble::from)?;
            let lang = form.spoken.map_or("", |language| match language {
                Language::De => "&lang=de",
                Language::En => "&lang=en",
            });
            format!(
                "{public_url}/signup/{}/{}?accepted{lang}",
                form.account.id, form.definition.setup.id
            )
        }
    };
    Ok(Accepted { location })
}

/// A sign-up as it was asked for.
pub(crate) struct Asked {
    pub(crate) submission: Submission,
    pub(crate) origin: FormOrigin,
    /// Of the outbox record that it may promise.
    pub(crate) outbox: EventId,
    pub(crate) looks_human: bool,
    /// Whose address it is to replace.
    pub(crate) former: Option<PersonKey>,
}

/// Writes what the sign-up leads to: evidence, subscriber, outbox, in one transaction. A bot's
/// request and a repetition lead to nothing, with the same work. How much an address is mailed is
/// `notice`'s to limit: whatever it has had, each sign-up has its evidence (S-11).
pub(crate) async fn record(
    app: &App,
    form: &LoadedForm,
    asked: Asked,
    now: Timestamp,
) -> Result<(), Trouble> {
    let Asked {
        submission,
        origin,
        outbox,
        looks_human,
        former,
    } = asked;
    let shown = Document::new(Subject::Form, form.definition.shown(), now);
    app.keep_document(&form.scope, shown, now).await?;
    privacy_notice::keep(app, form, now).await?;
    let key = form.scope.person(&submission.address);
    let event = EventId::generate(now, app.entropy.as_ref());
    let entry = Entry::generate(now, app.entropy.as_ref());
    let is_suppressed = form.account.has_address_rules
        && app
            .store
            .address_rules(&form.scope, now)
            .await?
            .match_address(&submission.address);
    for _ in 0..ATTEMPTS {
        let (person, mut recent) = futures::try_join!(
            app.store.person(&form.scope, key, now),
            guards::recent(app, form, key, now),
        )?;
        // Who asks to take over from somebody asks for something else than a form does.
        recent.retain(|known| known.former == former);
        let setup = &form.definition.setup;
        if !looks_human || consent::repeats(setup, &submission, &recent, now) {
            return app.store.commit_nothing(&form.scope, now).await;
        }
        let request = SignUpRequest {
            form: &form.definition,
            submission: submission.clone(),
            origin: origin.clone(),
            is_suppressed,
            event,
            entry,
            outbox,
            now,
        };
        let mut transaction = consent::sign_up(&form.scope, &person, request).transaction;
        if let Some(former) = former {
            let former = app.store.person(&form.scope, former, now).await?;
            if !consent::follow(&mut transaction, &form.scope, &former) {
                return app.store.commit_nothing(&form.scope, now).await;
            }
        }
        match app.store.commit(&form.scope, &transaction, now).await {
            Ok(()) => return Ok(()),
            Err(WriteError::Conflict) => {}
            Err(WriteError::Trouble(trouble)) => return Err(trouble),
        }
    }
    Err(Trouble::Contended)
}
