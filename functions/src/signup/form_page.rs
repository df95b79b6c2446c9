//! The hosted form and its words.

use jiff::Timestamp;
use lambda_http::http::StatusCode;
use lambda_http::{Body, Request, RequestExt, Response};
use rundbrief::address::InvalidAddress;
use rundbrief::form::{FieldProblem, FieldProblemCode, wire_name};
use rundbrief::id::{EventId, FieldKey};
use rundbrief::page_language::Language;
use rundbrief::setup::{FieldType, FormDefinition, Mode, built_in_label};
use rundbrief::token::Token;

use super::{LoadedForm, load_form};
use crate::app::App;
use crate::page::{self, Controller, Form, FormField, Page, Tick};
use crate::problem::Problem;

/// Shows the form, or the page that follows it.
pub(super) async fn respond(app: &App, request: &Request, now: Timestamp) -> Response<Body> {
    let form = match load_form(app, request, now).await {
        Ok(Some(form)) => form,
        Ok(None) => return page::problem(Problem::NOT_FOUND, Language::default(), Vec::new()),
        Err(trouble) => return page::problem(trouble.into(), Language::default(), Vec::new()),
    };
    if request
        .query_string_parameters_ref()
        .is_some_and(|query| query.first("accepted").is_some())
    {
        return accepted(&form);
    }
    match app.keys().await {
        Ok(keys) => {
            let token = keys.sealer.seal(&Token::FormTime {
                account: form.account.id.clone(),
                setup: form.definition.setup.id.clone(),
                shown_at: now,
                nonce: EventId::generate(now, app.entropy.as_ref()),
            });
            hosted_form(&form, token)
        }
        Err(trouble) => page::problem(trouble.into(), form.definition.setup.language, Vec::new()),
    }
}

fn accepted(form: &LoadedForm) -> Response<Body> {
    let language = form.definition.setup.language;
    let (title, text) = match (language, form.definition.setup.mode) {
        (Language::De, Mode::Double) => (
            "Fast geschafft",
            "Wir haben Ihnen eine E-Mail geschickt. Bitte öffnen Sie den Link darin und bestätigen Sie Ihre Anmeldung. Wenn Sie schon angemeldet sind, bleibt alles, wie es ist.",
        ),
        (Language::En, Mode::Double) => (
            "Almost done",
            "We have sent you an e-mail. Please open the link in it and confirm your sign-up. If you are subscribed already, everything stays as it is.",
        ),
        (Language::De, Mode::Single | Mode::Confirmed) => {
            ("Vielen Dank", "Ihre Anmeldung ist eingegangen.")
        }
        (Language::En, Mode::Single | Mode::Confirmed) => {
            ("Thank you", "Your sign-up has been received.")
        }
    };
    Page {
        language,
        title: title.to_owned(),
        texts: vec![text.to_owned()],
        problems: Vec::new(),
        form: None,
        controller: Some(Controller::of(&form.account, language)),
    }
    .respond(StatusCode::OK)
}

fn hosted_form(form: &LoadedForm, form_time: String) -> Response<Body> {
    let definition = &form.definition;
    let language = definition.setup.language;
    let mut fields = vec![FormField {
        name: "email".to_owned(),
        label: built_in_label("email", language)
            .unwrap_or_default()
            .to_owned(),
        input_type: "email",
        autocomplete: Some("email"),
        required: true,
        purpose: None,
    }];
    fields.extend(definition.setup.fields.iter().map(|field| FormField {
        name: wire_name(field.key.as_str()),
        label: definition.label(&field.key),
        input_type: input_type(&field.key, definition),
        autocomplete: autocomplete(field.key.as_str()),
        required: field.required,
        purpose: field.purpose.clone(),
    }));
    let mut ticks: Vec<Tick> = definition
        .setup
        .interests
        .iter()
        .map(|interest| Tick {
            name: "interest",
            value: interest.to_string(),
            label: interest.to_string(),
        })
        .collect();
    if definition.setup.asks_tracking_consent {
        ticks.push(Tick {
            name: "tracking_consent",
            value: "true".to_owned(),
            label: match language {
                Language::De => "Ich bin einverstanden, dass ausgewertet wird, ob ich die E-Mails öffne und welche Links ich anklicke (freiwillig).",
                Language::En => "I agree that it is evaluated whether I open the e-mails and which links I follow (optional).",
            }
            .to_owned(),
        });
    }
    let (title, button) = match language {
        Language::De => ("Anmeldung", "Anmelden"),
        Language::En => ("Sign-up", "Sign up"),
    };
    let lists: Vec<&str> = definition
        .lists
        .iter()
        .map(|list| list.name.as_str())
        .collect();
    Page {
        language,
        title: format!("{title}: {}", lists.join(", ")),
        texts: Vec::new(),
        problems: Vec::new(),
        form: Some(Form {
            action: String::new(),
            fields,
            ticks,
            form_time: Some(form_time),
            wording: Some(definition.consent_wording()),
            button,
        }),
        controller: Some(Controller::of(&form.account, language)),
    }
    .respond(StatusCode::OK)
}

fn input_type(key: &FieldKey, definition: &FormDefinition) -> &'static str {
    if key.as_str() == "date_of_birth" {
        return "date";
    }
    match definition
        .declared
        .iter()
        .find(|field| field.key == *key)
        .map(|field| field.field_type)
    {
        Some(FieldType::Date) => "date",
        Some(FieldType::Number) => "number",
        Some(FieldType::Text | FieldType::Boolean) | None => "text",
    }
}

fn autocomplete(key: &str) -> Option<&'static str> {
    Some(match key {
        "salutation" => "honorific-prefix",
        "first_name" => "given-name",
        "last_name" => "family-name",
        "street" => "street-address",
        "postal_code" => "postal-code",
        "city" => "address-level2",
        "country" => "country-name",
        "date_of_birth" => "bday",
        _ => return None,
    })
}

/// What visitors call the field that a problem is about.
pub(super) fn label_of(field: &str, definition: &FormDefinition) -> String {
    let key = field.strip_prefix("field.").unwrap_or(field);
    let built_in = built_in_label(key, definition.setup.language).map(str::to_owned);
    built_in
        .or_else(|| FieldKey::parse(key).ok().map(|key| definition.label(&key)))
        .unwrap_or_else(|| field.to_owned())
}

/// What a problem means, in the visitor's words.
pub(super) fn problem_line(problem: &FieldProblem, label: &str, language: Language) -> String {
    let text = match (language, problem.code) {
        (Language::De, FieldProblemCode::Missing) => "fehlt",
        (Language::En, FieldProblemCode::Missing) => "is missing",
        (Language::De, FieldProblemCode::NotAsked) => "wird hier nicht abgefragt",
        (Language::En, FieldProblemCode::NotAsked) => "is not asked here",
        (Language::De, FieldProblemCode::TooMany) => "kommt zu oft vor",
        (Language::En, FieldProblemCode::TooMany) => "was sent too often",
        (Language::De, FieldProblemCode::TooLong) => "ist zu lang",
        (Language::En, FieldProblemCode::TooLong) => "is too long",
        (Language::De, FieldProblemCode::Address(InvalidAddress::LocalPartNotAscii)) => {
            "enthält vor dem @ Zeichen, an die wir nicht zustellen können"
        }
        (Language::En, FieldProblemCode::Address(InvalidAddress::LocalPartNotAscii)) => {
            "has characters before the @ that we cannot deliver to"
        }
        (Language::De, FieldProblemCode::Address(_)) => "ist keine gültige E-Mail-Adresse",
        (Language::En, FieldProblemCode::Address(_)) => "is not a valid e-mail address",
        (Language::De, _) => "ist ungültig",
        (Language::En, _) => "is not valid",
    };
    format!("{label}: {text}")
}
