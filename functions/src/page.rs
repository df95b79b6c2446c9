//! Pages that visitors read: one frame, German or English, no script, nothing from elsewhere.

use askama::Template;
use lambda_http::http::{HeaderValue, StatusCode, header};
use lambda_http::{Body, Response};
use rundbrief::account::Account;
use rundbrief::page_language::Language;

use crate::problem::Problem;

/// A page.
#[derive(Debug, Template)]
#[template(path = "page.html")]
pub struct Page<'a> {
    /// The language it is in.
    pub language: Language,
    /// Heading and window title.
    pub title: String,
    /// Paragraphs.
    pub texts: Vec<String>,
    /// What is to be mended.
    pub problems: Vec<String>,
    /// A form or a single button.
    pub form: Option<Form<'a>>,
    /// Who is responsible.
    pub controller: Option<Controller<'a>>,
}

/// A form on a page.
#[derive(Debug, Default)]
pub struct Form<'a> {
    /// Where it is posted; empty for the page's own address.
    pub action: String,
    /// Text fields.
    pub fields: Vec<FormField>,
    /// Boxes to tick; never ticked beforehand (L-10).
    pub ticks: Vec<Tick>,
    /// The signed time at which it was shown; with it comes the honeypot.
    pub form_time: Option<String>,
    /// What is agreed to.
    pub wording: Option<String>,
    /// The button's label.
    pub button: &'a str,
}

/// A text field.
#[derive(Debug)]
pub struct FormField {
    /// Its name in the form.
    pub name: String,
    /// What visitors read.
    pub label: String,
    /// The kind of input.
    pub input_type: &'static str,
    /// What browsers may fill in (WCAG 2.2, 1.3.5).
    pub autocomplete: Option<&'static str>,
    /// Whether it must be filled in.
    pub required: bool,
    /// What it is asked for.
    pub purpose: Option<String>,
}

/// A box to tick.
#[derive(Debug)]
pub struct Tick {
    /// Its name in the form.
    pub name: &'static str,
    /// What is sent when it is ticked.
    pub value: String,
    /// What visitors read.
    pub label: String,
}

/// Who is responsible for what the page is about.
#[derive(Debug)]
pub struct Controller<'a> {
    /// Name and postal address.
    pub imprint: &'a str,
    /// The privacy notice.
    pub privacy_url: &'a str,
    /// What the link to it is called.
    pub privacy_label: &'static str,
}

impl<'a> Controller<'a> {
    /// The controller of an account.
    pub fn of(account: &'a Account, language: Language) -> Self {
        let imprint = if account.imprint.is_empty() {
            &account.name
        } else {
            &account.imprint
        };
        Self {
            imprint,
            privacy_url: &account.privacy_url,
            privacy_label: privacy_label(language),
        }
    }
}

/// What the link to the privacy notice is called.
pub fn privacy_label(language: Language) -> &'static str {
    match language {
        Language::De => "Datenschutz",
        Language::En => "Privacy notice",
    }
}

impl Page<'_> {
    /// The page as an answer.
    pub fn respond(&self, status: StatusCode) -> Response<Body> {
        let Ok(html) = self.render() else {
            return Problem::INTERNAL.json();
        };
        let mut response = Response::new(Body::Text(html));
        *response.status_mut() = status;
        let headers = response.headers_mut();
        headers.insert(
            header::CONTENT_TYPE,
            HeaderValue::from_static("text/html; charset=utf-8"),
        );
        // The address of the page is a token: it is not cached and not passed on (M-34).
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
        headers.insert(
            header::REFERRER_POLICY,
            HeaderValue::from_static("no-referrer"),
        );
        headers.insert(
            header::X_CONTENT_TYPE_OPTIONS,
            HeaderValue::from_static("nosniff"),
        );
        headers.insert(
            header::CONTENT_SECURITY_POLICY,
            HeaderValue::from_static(
                "default-src 'none'; style-src 'unsafe-inline'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'",
            ),
        );
        response
    }
}

/// The one page for every link that leads nowhere: unknown, forged, expired, void.
pub fn unknown_link() -> Response<Body> {
    Page {
        language: Language::De,
        title: "Dieser Link ist nicht (mehr) gültig".to_owned(),
        texts: vec![
            "Vielleicht ist er abgelaufen oder unvollständig. Bitte fordern Sie über das Formular einen neuen an.".to_owned(),
            "This link is not valid (any more). It may have expired or be incomplete; please use the form again to get a new one.".to_owned(),
        ],
        problems: Vec::new(),
        form: None,
        controller: None,
    }
    .respond(StatusCode::NOT_FOUND)
}

/// A problem as a page.
pub fn problem(problem: Problem, language: Language, problems: Vec<String>) -> Response<Body> {
    let (title, text) = match (language, problem.status) {
        (Language::De, StatusCode::UNPROCESSABLE_ENTITY) => (
            "Bitte prüfen Sie Ihre Angaben",
            "Gehen Sie in Ihrem Browser zurück und berichtigen Sie Folgendes:",
        ),
        (Language::En, StatusCode::UNPROCESSABLE_ENTITY) => (
            "Please check what you entered",
            "Go back in your browser and correct the following:",
        ),
        (Language::De, StatusCode::TOO_MANY_REQUESTS) => (
            "Zu viele Anfragen",
            "Von Ihrem Anschluss kamen zu viele Anfragen. Bitte versuchen Sie es später noch einmal.",
        ),
        (Language::En, StatusCode::TOO_MANY_REQUESTS) => (
            "Too many requests",
            "Too many requests came from your connection. Please try again later.",
        ),
        (Language::De, StatusCode::NOT_FOUND) => ("Nicht gefunden", "Diese Seite gibt es nicht."),
        (Language::En, StatusCode::NOT_FOUND) => ("Not found", "There is no such page."),
        (Language::De, StatusCode::PAYLOAD_TOO_LARGE | StatusCode::UNSUPPORTED_MEDIA_TYPE) => (
            "Das Formular konnte nicht gelesen werden",
            "Es wurde zu viel oder in einem unbekannten Format gesendet.",
        ),
        (Language::En, StatusCode::PAYLOAD_TOO_LARGE | StatusCode::UNSUPPORTED_MEDIA_TYPE) => (
            "The form could not be read",
            "Too much was sent, or in an unknown format.",
        ),
        (Language::De, _) => (
            "Das hat nicht funktioniert",
            "Bitte versuchen Sie es in einigen Minuten noch einmal.",
        ),
        (Language::En, _) => ("That did not work", "Please try again in a few minutes."),
    };
    Page {
        language,
        title: title.to_owned(),
        texts: vec![text.to_owned()],
        problems,
        form: None,
        controller: None,
    }
    .respond(problem.status)
}
