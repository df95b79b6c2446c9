//! The hosted form and its words.

use jiff::Timestamp;
use lambda_http::http::StatusCode;
use lambda_http::{Body, Request, RequestExt, Response};
use rundbrief::address::InvalidAddress;
use rundbrief::form::{FieldProblem, FieldProblemCode, SentValue, sent_text, wire_name};
use rundbrief::id::{EventId, FieldKey};
use rundbrief::page_language::Language;
use rundbrief::setup::{FieldType, FormDefinition, Mode, SetupField, age_legend, built_in_label};
use rundbrief::token::Token;

use super::{LoadedForm, load_form, privacy_notice};
use crate::app::App;
use crate::page::{
    self, Controller, FilledIn, Form, FormField, Input, Page, ProblemLine, Tick, TickGroup,
};
use crate::problem::Problem;

/// Shows the form, or the page that follows it.
pub(super) async fn respond(app: &App, request: &Request, now: Timestamp) -> Response<Body> {
    let query = request.query_string_parameters_ref();
    let spoken = query
        .and_then(|query| query.first("lang"))
        .and_then(|code| Language::parse(code).ok());
    let form = match load_form(app, request, spoken, now).await {
        Ok(Some(form)) => form,
        Ok(None) => return page::problem(Problem::NOT_FOUND, Language::default(), Vec::new()),
        Err(trouble) => return page::problem(trouble.into(), Language::default(), Vec::new()),
    };
    if query.is_some_and(|query| query.first("accepted").is_some()) {
        return accepted(&form);
    }
    again(app, &form, (&[], &[]), now).await
}

/// What was refused: what is to be mended, and all that was sent.
type RefusedForm<'a> = (&'a [FieldProblem], &'a [(String, SentValue)]);

/// The form, with what is to be mended and what was typed: the visitor's own words, for nobody
/// else. Nothing is ticked, whatever was: consents least of all (L-10).
pub(super) async fn again(
    app: &App,
    form: &LoadedForm,
    refused: RefusedForm<'_>,
    now: Timestamp,
) -> Response<Body> {
    match app.keys().await {
        Ok(keys) => {
            let token = keys.sealer.seal(&Token::FormTime {
                account: form.account.id.clone(),
                setup: form.definition.setup.id.clone(),
                shown_at: now,
                nonce: EventId::generate(now, app.entropy.as_ref()),
            });
            hosted_form(form, token, refused)
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
        controller: Some(Controller::of(&form.account, language)),
        ..Page::default()
    }
    .respond(StatusCode::OK)
}

fn hosted_form(form: &LoadedForm, form_time: String, refused: RefusedForm<'_>) -> Response<Body> {
    let (problems, _) = refused;
    let definition = &form.definition;
    let language = definition.setup.language;
    let shown = Form {
        form_time: Some(form_time),
        leads_to: definition.setup.redirects.accepted.as_deref(),
        ..filled_in(form, refused)
    };
    let lines = problems
        .iter()
        .map(|problem| ProblemLine {
            text: problem_line(problem, definition),
            field: has_field(&shown, &problem.field).then(|| problem.field.clone()),
        })
        .collect();
    let (title, texts, status) = if problems.is_empty() {
        (title(definition), Vec::new(), StatusCode::OK)
    } else {
        let (title, text) = page::to_be_mended(language);
        let status = StatusCode::UNPROCESSABLE_ENTITY;
        let mut texts = vec![text.to_owned()];
        if !shown.groups.is_empty() {
            let again = language.pick(
                "Häkchen setzen Sie bitte noch einmal.",
                "Please tick your boxes again.",
            );
            texts.push(again.to_owned());
        }
        (title.to_owned(), texts, status)
    };
    Page {
        language,
        title,
        texts,
        problems: lines,
        form: Some(shown),
        controller: Some(Controller::of(&form.account, language)),
        ..Page::default()
    }
    .respond(status)
}

fn has_field(form: &Form<'_>, name: &str) -> bool {
    form.fields.iter().any(|field| field.name == name)
        || form.groups.iter().any(|group| group.name == name)
}

/// What a form is for.
pub(crate) fn title(definition: &FormDefinition) -> String {
    let lists: Vec<&str> = definition
        .lists
        .iter()
        .map(|list| list.name.as_str())
        .collect();
    let language = definition.setup.language;
    format!(
        "{}: {}",
        language.pick("Anmeldung", "Sign-up"),
        lists.join(", ")
    )
}

/// The form, wherever it stands.
pub(crate) fn unsent<'a>(form: &LoadedForm) -> Form<'a> {
    filled_in(form, (&[], &[]))
}

fn filled_in<'a>(form: &LoadedForm, refused: RefusedForm<'_>) -> Form<'a> {
    let definition = &form.definition;
    let language = definition.setup.language;
    Form {
        language,
        action: String::new(),
        fields: form_fields(definition, refused),
        groups: tick_groups(definition, refused.0),
        honeypot: true,
        wording: Some(definition.consent_wording()),
        notice: Some((
            privacy_notice::path(&form.account.id, definition.notice_version),
            language.pick(
                "Hinweise zum Datenschutz (Art. 13 DSGVO)",
                "Privacy notice (Art. 13 GDPR)",
            ),
        )),
        spoken: form.spoken.map(Language::code),
        button: language.pick("Anmelden", "Sign up"),
        ..Form::default()
    }
}

fn tick_groups(definition: &FormDefinition, problems: &[FieldProblem]) -> Vec<TickGroup> {
    let language = definition.setup.language;
    let group = |name: &'static str, legend, ticks| TickGroup {
        name,
        legend,
        ticks,
        is_radio: false,
        is_choice: false,
        problem: problem_with(problems, name, language),
    };
    let tick = |value: &str, label: &str| Tick {
        value: value.to_owned(),
        label: label.to_owned(),
        required: false,
    };
    let mut groups = Vec::new();
    // One purpose is agreed to by sending the form; of several, each on its own (L-10).
    if definition.lists.len() > 1 {
        let lists = definition.lists.iter();
        let ticks = lists.map(|list| tick(list.id.as_str(), &list.name));
        groups.push(TickGroup {
            is_choice: true,
            ..group("list", list_label(language), ticks.collect())
        });
    }
    if !definition.interests.is_empty() {
        let interests = definition.interests.iter();
        let ticks = interests.map(|one| tick(one.id.as_str(), &one.name));
        let legend = language.pick("Interessen (freiwillig)", "Interests (optional)");
        groups.push(group("interest", legend, ticks.collect()));
    }
    for declared in definition.declarations() {
        let ticks = vec![Tick {
            required: declared.required,
            ..tick("true", &declared.words)
        }];
        groups.push(group(declared.name, declared.legend, ticks));
    }
    groups
}

fn list_label(language: Language) -> &'static str {
    language.pick(
        "Was möchten Sie erhalten?",
        "What would you like to receive?",
    )
}

fn problem_with(problems: &[FieldProblem], name: &str, language: Language) -> Option<String> {
    problems
        .iter()
        .find(|problem| problem.field == name)
        .map(|problem| problem_text(problem, FieldType::Text, language).to_owned())
}

fn form_fields(definition: &FormDefinition, (problems, sent): RefusedForm<'_>) -> Vec<FormField> {
    let language = definition.setup.language;
    let problem_with = |name: &str, field_type| {
        let problem = problems.iter().find(|problem| problem.field == name)?;
        Some(problem_text(problem, field_type, language).to_owned())
    };
    let value = |name: &str| FilledIn::new(sent_text(sent, name).unwrap_or_default());
    // The address stands first and has its hint to itself.
    let email_purpose = definition.setup.email_purpose.clone();
    let mut hint = usize::from(email_purpose.is_some());
    let mut fields = vec![FormField {
        name: "email".to_owned(),
        label: built_in_label("email", language)
            .unwrap_or_default()
            .to_owned(),
        input: Input::Typed("email"),
        autocomplete: Some("email"),
        required: true,
        hint: email_purpose.as_ref().map(|_| 0),
        hint_text: email_purpose,
        problem: problem_with("email", FieldType::Text),
        value: value("email"),
    }];
    let asked = &definition.setup.fields;
    for (index, field) in asked.iter().enumerate() {
        let name = wire_name(field.key.as_str());
        // Neighbours that are asked for the same share one hint, below the last of them.
        let is_last = asked
            .get(index + 1)
            .is_none_or(|next| next.purpose != field.purpose);
        let field_type = definition.type_of(&field.key);
        let input = input(field, field_type, language);
        fields.push(FormField {
            label: definition.label(&field.key) + format_hint(field_type, language),
            autocomplete: autocomplete(field.key.as_str(), field_type),
            input,
            required: field.required,
            hint: field.purpose.as_ref().map(|_| hint),
            hint_text: field.purpose.clone().filter(|_| is_last),
            problem: problem_with(&name, field_type),
            value: value(&name),
            name,
        });
        hint += usize::from(is_last);
    }
    fields
}

fn input(field: &SetupField, field_type: FieldType, language: Language) -> Input {
    let none = match (language, field.required) {
        (Language::De, false) => "keine Angabe",
        (Language::En, false) => "no answer",
        (Language::De, true) => "bitte wählen",
        (Language::En, true) => "please choose",
    };
    // What other forms send is taken too.
    if field.key.as_str() == "salutation" {
        return Input::Chosen(match language {
            Language::De => vec![
                ("", none),
                ("Frau", "Frau"),
                ("Herr", "Herr"),
                ("Divers", "Divers"),
            ],
            Language::En => vec![("", none), ("Ms", "Ms"), ("Mr", "Mr"), ("Mx", "Mx")],
        });
    }
    input_of(field_type, none, language)
}

/// How a value of a type is filled in; `none` is what stands for no value.
pub(crate) fn input_of(field_type: FieldType, none: &'static str, language: Language) -> Input {
    match field_type {
        FieldType::Date => Input::Typed("date"),
        FieldType::Number => Input::Typed("number"),
        FieldType::Boolean => Input::Chosen(vec![
            ("", none),
            ("true", language.pick("ja", "yes")),
            ("false", language.pick("nein", "no")),
        ]),
        FieldType::Text | FieldType::Birthday => Input::Typed("text"),
    }
}

/// How a birthday is written: browsers have no input for it.
pub(crate) fn format_hint(field_type: FieldType, language: Language) -> &'static str {
    match field_type {
        FieldType::Birthday => language.pick(" (MM-TT)", " (MM-DD)"),
        FieldType::Text | FieldType::Number | FieldType::Date | FieldType::Boolean => "",
    }
}

/// What browsers may fill in (WCAG 2.2, 1.3.5): they know a date of birth with its year only, and
/// one line of an address.
pub(crate) fn autocomplete(key: &str, field_type: FieldType) -> Option<&'static str> {
    Some(match key {
        "salutation" => "honorific-prefix",
        "first_name" => "given-name",
        "last_name" => "family-name",
        "street" => "address-line1",
        "postal_code" => "postal-code",
        "city" => "address-level2",
        "country" => "country-name",
        "date_of_birth" if field_type == FieldType::Date => "bday",
        _ => return None,
    })
}

/// A problem with the name of what it is about, as visitors know it.
fn problem_line(problem: &FieldProblem, definition: &FormDefinition) -> String {
    let language = definition.setup.language;
    let field = problem.field.as_str();
    let key = field.strip_prefix("field.").unwrap_or(field);
    let of_a_group = match key {
        "list" => Some(list_label(language)),
        "age_confirmed" => Some(age_legend(language)),
        _ => None,
    };
    let parsed = FieldKey::parse(key).ok();
    let field_type = parsed
        .as_ref()
        .map_or(FieldType::Text, |key| definition.type_of(key));
    let label = built_in_label(key, language)
        .or(of_a_group)
        .map(str::to_owned)
        .or_else(|| parsed.map(|key| definition.label(&key)))
        .unwrap_or_else(|| field.to_owned());
    format!("{label}: {}", problem_text(problem, field_type, language))
}

/// What a problem means, in the visitor's words, and what would be right where that can be said
/// (WCAG 2.2, 3.3.3).
pub(crate) fn problem_text(
    problem: &FieldProblem,
    field_type: FieldType,
    language: Language,
) -> &'static str {
    match (language, problem.code) {
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
        (_, FieldProblemCode::ControlCharacter) => language.pick(
            "enthält Zeichen, die hier nicht stehen dürfen, etwa einen Zeilenumbruch",
            "has characters that cannot stand here, such as a line break",
        ),
        (_, FieldProblemCode::Invalid) => match field_type {
            FieldType::Number => language.pick(
                "ist keine ganze Zahl, zum Beispiel 38",
                "is no whole number, for example 38",
            ),
            FieldType::Date => language.pick(
                "ist kein Datum in der Form JJJJ-MM-TT, zum Beispiel 1990-12-31",
                "is no date like YYYY-MM-DD, for example 1990-12-31",
            ),
            FieldType::Birthday => language.pick(
                "ist kein Tag in der Form MM-TT, zum Beispiel 12-31",
                "is no day like MM-DD, for example 12-31",
            ),
            FieldType::Text | FieldType::Boolean => language.pick("ist ungültig", "is not valid"),
        },
        (Language::De, _) => "ist ungültig",
        (Language::En, _) => "is not valid",
    }
}
