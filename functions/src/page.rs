//! Pages that visitors read: one frame, German or English, no script, nothing from elsewhere.

use askama::Template;
use lambda_http::http::{HeaderValue, StatusCode, header};
use lambda_http::{Body, Response};
use rundbrief::account::Account;
use rundbrief::page_language::Language;

use crate::problem::Problem;

/// A page.
#[derive(Debug, Default, Template)]
#[template(path = "page.html")]
pub struct Page<'a> {
    /// The language it is in.
    pub language: Language,
    /// Heading and window title.
    pub title: String,
    /// Paragraphs.
    pub texts: Vec<String>,
    /// A paragraph in another language, which screen readers speak in that one (WCAG 2.2, 3.1.2).
    pub translation: Option<(Language, &'a str)>,
    /// What is to be mended.
    pub problems: Vec<ProblemLine>,
    /// A form or a single button.
    pub form: Option<Form<'a>>,
    /// Who is responsible.
    pub controller: Option<Controller<'a>>,
}

/// Something to be mended.
#[derive(Debug)]
pub struct ProblemLine {
    /// In the visitor's words.
    pub text: String,
    /// The name of the form's field that it is about, if the page has that field.
    pub field: Option<String>,
}

/// A form on a page.
#[derive(Debug, Default)]
pub struct Form<'a> {
    /// The language of its own words.
    pub language: Language,
    /// Where it is posted; empty for the page's own address.
    pub action: String,
    /// Text fields.
    pub fields: Vec<FormField>,
    /// Boxes to tick, each group apart from the others; never ticked beforehand (L-10).
    pub groups: Vec<TickGroup>,
    /// Whether it has the field that people leave empty.
    pub honeypot: bool,
    /// The signed time at which it was shown.
    pub form_time: Option<String>,
    /// What is agreed to.
    pub wording: Option<String>,
    /// Where the privacy notice is, and what the link to it is called (L-14).
    pub notice: Option<(String, &'static str)>,
    /// The language of the form, where it is not the setup's own.
    pub spoken: Option<&'static str>,
    /// The button's label.
    pub button: &'a str,
    /// Where its answer may redirect to, beside our own pages.
    pub leads_to: Option<&'a str>,
}

/// What stands in a field: a person's own words, so nothing prints it but a template.
#[derive(Default, Clone)]
pub struct FilledIn(String);

impl FilledIn {
    /// What somebody sent, or what is stored of them.
    pub fn new(text: &str) -> Self {
        Self(text.to_owned())
    }

    /// The words themselves.
    pub fn reveal(&self) -> &str {
        &self.0
    }
}

impl std::fmt::Debug for FilledIn {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("FilledIn(***)")
    }
}

/// A text field.
#[derive(Debug)]
pub struct FormField {
    /// Its name in the form.
    pub name: String,
    /// What visitors read.
    pub label: String,
    /// The kind of input.
    pub input: Input,
    /// What stands in it.
    pub value: FilledIn,
    /// What browsers may fill in (WCAG 2.2, 1.3.5).
    pub autocomplete: Option<&'static str>,
    /// Whether it must be filled in.
    pub required: bool,
    /// Which hint says what it is asked for.
    pub hint: Option<usize>,
    /// That hint, at the last of the fields that share it.
    pub hint_text: Option<String>,
    /// What is wrong with it.
    pub problem: Option<String>,
}

/// How a field is filled in.
#[derive(Debug)]
pub enum Input {
    /// By typing; the type of `<input>`.
    Typed(&'static str),
    /// By choosing one of these: what is sent, and what is read.
    Chosen(Vec<(&'static str, &'static str)>),
}

impl Form<'_> {
    /// What the star at a label means.
    pub(crate) fn required_note(&self) -> Option<&'static str> {
        let is_required = self.fields.iter().any(|field| field.required)
            || self
                .groups
                .iter()
                .any(|group| group.is_choice || group.has_required());
        is_required.then_some(self.language.pick("* Pflichtfeld", "* Required"))
    }
}

impl TickGroup {
    fn has_required(&self) -> bool {
        self.ticks.iter().any(|tick| tick.required)
    }
}

impl FormField {
    /// The type of `<input>`. Browsers show nothing of what does not fit a type, so what is to be
    /// mended stands in a field that shows it (WCAG 2.2, 3.3.1).
    pub(crate) fn kind<'a>(&self, kind: &'a str) -> &'a str {
        let hides = matches!(kind, "date" | "number") && !self.value.reveal().is_empty();
        if hides && self.problem.is_some() {
            "text"
        } else {
            kind
        }
    }

    /// Whether this choice is the one that was made.
    pub(crate) fn is_chosen(&self, choice: &str) -> bool {
        !choice.is_empty() && self.value.reveal() == choice
    }

    /// The identifiers of the texts that describe it, for `aria-describedby`.
    pub(crate) fn described_by(&self) -> Option<String> {
        let hint = self.hint.map(|number| format!("hint-{number}"));
        let problem = self.problem.as_ref().map(|_| format!("p-{}", self.name));
        let all: Vec<String> = problem.into_iter().chain(hint).collect();
        (!all.is_empty()).then(|| all.join(" "))
    }
}

/// Boxes that ask one thing.
#[derive(Debug)]
pub struct TickGroup {
    /// Their name in the form.
    pub name: &'static str,
    /// What is asked.
    pub legend: &'static str,
    /// The boxes.
    pub ticks: Vec<Tick>,
    /// Whether one of them at most is chosen.
    pub is_radio: bool,
    /// Whether an empty value is sent along, so that none ticked is not all.
    pub is_choice: bool,
    /// What is wrong with it.
    pub problem: Option<String>,
}

/// A box to tick.
#[derive(Debug)]
pub struct Tick {
    /// What is sent when it is ticked.
    pub value: String,
    /// What visitors read.
    pub label: String,
    /// Whether there is no sign-up without it.
    pub required: bool,
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
        html_response(html, status, self.policy())
    }

    /// Browsers hold `form-action` against redirects too (CSP level 3, navigation directives), so the page
    /// that the controller wants shown next must be on it.
    fn policy(&self) -> HeaderValue {
        self.form
            .as_ref()
            .and_then(|form| origin(form.leads_to?))
            .and_then(|origin| HeaderValue::from_str(&format!("{POLICY} {origin}")).ok())
            .unwrap_or(HeaderValue::from_static(POLICY))
    }
}

/// Nothing from elsewhere, no script, no frame.
const POLICY: &str = "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; frame-ancestors 'none'; form-action 'self'";

/// A page without a form as an answer.
pub fn html(html: String) -> Response<Body> {
    html_response(html, StatusCode::OK, HeaderValue::from_static(POLICY))
}

fn html_response(html: String, status: StatusCode, policy: HeaderValue) -> Response<Body> {
    let mut response = Response::new(Body::Text(html));
    *response.status_mut() = status;
    let headers = response.headers_mut();
    for (name, value) in [
        (header::CONTENT_TYPE, "text/html; charset=utf-8"),
        // The address of the page is a token: it is not cached and not passed on (M-34).
        (header::CACHE_CONTROL, "no-store"),
        (header::REFERRER_POLICY, "no-referrer"),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
    ] {
        headers.insert(name, HeaderValue::from_static(value));
    }
    headers.insert(header::CONTENT_SECURITY_POLICY, policy);
    response
}

/// Scheme, host and port of an address that was checked when it was stored.
fn origin(address: &str) -> Option<&str> {
    let (scheme, rest) = address.split_once("://")?;
    let host = rest.split(['/', '?', '#']).next()?;
    let is_plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | ':' | '-' | '[' | ']');
    host.chars()
        .all(is_plain)
        .then(|| &address[..scheme.len() + "://".len() + host.len()])
}

/// The one page for every link that leads nowhere: unknown, forged, expired, void.
pub fn unknown_link() -> Response<Body> {
    Page {
        language: Language::De,
        title: "Dieser Link ist nicht (mehr) gültig".to_owned(),
        texts: vec![
            "Vielleicht ist er abgelaufen oder unvollständig. Bitte fordern Sie über das Formular einen neuen an.".to_owned(),
        ],
        translation: Some((
            Language::En,
            "This link is not valid (any more). It may have expired or be incomplete; please use the form again to get a new one.",
        )),
        ..Page::default()
    }
    .respond(StatusCode::NOT_FOUND)
}

/// A method that an address does not offer (RFC 9110, section 15.5.6).
pub fn method_not_allowed(as_json: bool, allow: &'static str) -> Response<Body> {
    let mut response = if as_json {
        Problem::METHOD_NOT_ALLOWED.json()
    } else {
        problem(Problem::METHOD_NOT_ALLOWED, Language::default(), Vec::new())
    };
    let allow = HeaderValue::from_static(allow);
    response.headers_mut().insert(header::ALLOW, allow);
    response
}

/// Title and text above what is to be mended.
pub fn to_be_mended(language: Language) -> (&'static str, &'static str) {
    match language {
        Language::De => (
            "Bitte prüfen Sie Ihre Angaben",
            "Ihre Angaben wurden nicht gespeichert. Bitte berichtigen Sie Folgendes:",
        ),
        Language::En => (
            "Please check what you entered",
            "Nothing of it was stored. Please correct the following:",
        ),
    }
}

/// A problem as a page.
pub fn problem(problem: Problem, language: Language, problems: Vec<ProblemLine>) -> Response<Body> {
    let (title, text) = match (language, problem.status) {
        (language, StatusCode::UNPROCESSABLE_ENTITY) => to_be_mended(language),
        // Whosever limit it is: nobody is blamed for what others sent.
        (Language::De, StatusCode::TOO_MANY_REQUESTS) => (
            "Zu viele Anfragen",
            "Zurzeit kommen zu viele Anfragen. Bitte versuchen Sie es später noch einmal.",
        ),
        (Language::En, StatusCode::TOO_MANY_REQUESTS) => (
            "Too many requests",
            "There are too many requests at the moment. Please try again later.",
        ),
        (Language::De, StatusCode::METHOD_NOT_ALLOWED) => (
            "Das geht hier nicht",
            "Diese Seite kann so nicht aufgerufen werden.",
        ),
        (Language::En, StatusCode::METHOD_NOT_ALLOWED) => {
            ("Not possible here", "This page cannot be called like that.")
        }
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
        ..Page::default()
    }
    .respond(problem.status)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Relative luminance (WCAG 2.2, glossary) of `#rgb` or `#rrggbb`.
    fn luminance(colour: &str) -> f64 {
        let digits = colour.trim_start_matches('#');
        let width = digits.len() / 3;
        let part = |index: usize| {
            let digit = &digits[index * width..(index + 1) * width];
            let value =
                u32::from_str_radix(&digit.repeat(if width == 1 { 2 } else { 1 }), 16).unwrap();
            let share = f64::from(value) / 255.0;
            if share <= 0.040_45 {
                share / 12.92
            } else {
                ((share + 0.055) / 1.055).powf(2.4)
            }
        };
        0.2126 * part(0) + 0.7152 * part(1) + 0.0722 * part(2)
    }

    #[test]
    fn what_is_read_stands_out_from_what_is_behind_it() {
        let style = include_str!("../templates/style.css");
        let (light, dark) = style
            .split_once("@media (prefers-color-scheme:dark)")
            .unwrap();
        assert!(light.contains(":focus-visible{outline:3px solid #1d4ed8"));
        assert!(dark.contains(":focus-visible{outline-color:#9ec5ff}"));
        for (what, front, behind, least) in [
            ("text", "#1c1c1a", "#f4f4f2", 4.5),
            ("hints", "#4a4a46", "#f4f4f2", 4.5),
            ("problems", "#a30b0b", "#f4f4f2", 4.5),
            ("the button", "#fff", "#14532d", 4.5),
            ("inputs", "#1c1c1a", "#fff", 4.5),
            ("the edge of inputs", "#6b6b66", "#f4f4f2", 3.0),
            ("focus", "#1d4ed8", "#f4f4f2", 3.0),
            ("text in the dark", "#eeeeea", "#1b1b1a", 4.5),
            ("hints in the dark", "#c4c4be", "#1b1b1a", 4.5),
            ("problems in the dark", "#ffb4ab", "#1b1b1a", 4.5),
            ("links in the dark", "#9ec5ff", "#1b1b1a", 4.5),
            ("the button in the dark", "#0c1f13", "#86d9a5", 4.5),
            ("focus in the dark", "#9ec5ff", "#1b1b1a", 3.0),
        ] {
            let is_dark = what.ends_with("in the dark");
            for colour in [front, behind] {
                let scheme = if is_dark { dark } else { light };
                assert!(scheme.contains(colour), "{what}: {colour}");
            }
            let (one, two) = (luminance(front), luminance(behind));
            let contrast = (one.max(two) + 0.05) / (one.min(two) + 0.05);
            assert!(contrast >= least, "{what}: {contrast:.2}");
        }
    }

    #[test]
    fn a_form_may_lead_to_the_origin_of_its_redirect_only() {
        for (leads_to, expected) in [
            (None, "'self'"),
            (
                Some("https://shop.example/thanks?a=1"),
                "'self' https://shop.example",
            ),
            (
                Some("http://127.0.0.1:8081"),
                "'self' http://127.0.0.1:8081",
            ),
            (Some("https://shop.example; script-src *"), "'self'"),
            (Some("nowhere"), "'self'"),
        ] {
            let page = Page {
                language: Language::De,
                form: Some(Form {
                    leads_to,
                    ..Form::default()
                }),
                ..Page::default()
            };
            let response = page.respond(StatusCode::OK);
            let policy = response.headers()[header::CONTENT_SECURITY_POLICY].to_str();
            let allowed = policy.unwrap().split("form-action ").nth(1);
            assert_eq!(allowed, Some(expected), "{leads_to:?}");
        }
    }
}
