//! The preference pages in words, German and English.

use askama::Template;
use lambda_http::{Body, Response};
use rundbrief::consent::changeable;
use rundbrief::form::{FieldProblem, FieldValue, SentValue, sent_text, wire_name};
use rundbrief::page_language::Language;
use rundbrief::person::Purpose;
use rundbrief::setup::{Field, FieldType, built_in_label};

use super::act::Done;
use super::{OK, Visit};
use crate::app::{App, Trouble};
use crate::page::{self, Controller, FilledIn, Form, FormField, Input, Page, ProblemLine};
use crate::problem::Problem;
use crate::signup::form_page::{autocomplete, format_hint, input_of, problem_text};

/// A page with forms, each with an action of its own.
#[derive(Template)]
#[template(path = "preferences.html")]
struct Printed<'a> {
    language: Language,
    title: &'a str,
    /// What became of the last wish.
    said: Option<String>,
    /// Whether that is a problem.
    is_problem: bool,
    /// What is to be mended, each with the field that it is about.
    problems: Vec<ProblemLine>,
    sections: Vec<Section<'a>>,
    controller: Controller<'a>,
}

/// One thing that a person may decide.
#[derive(Default)]
struct Section<'a> {
    heading: &'a str,
    text: String,
    /// Names and values that are shown only.
    shown: Vec<(String, String)>,
    ticks: Vec<Ticked<'a>>,
    inputs: Vec<FormField>,
    /// Actions with their labels.
    buttons: Vec<(&'a str, &'a str)>,
}

struct Ticked<'a> {
    name: &'a str,
    value: String,
    label: String,
    required: bool,
    invalid: bool,
}

fn print(
    visit: &Visit,
    title: (&str, &str),
    done: Option<&Done>,
    sections: Vec<Section<'_>>,
) -> Response<Body> {
    let language = visit.language;
    let problems = problems(&sections, language);
    let said = done.and_then(|done| said(done, language));
    let printed = Printed {
        language,
        title: language.pick(title.0, title.1),
        is_problem: matches!(
            done,
            Some(
                Done::NothingChosen
                    | Done::Invalid(_)
                    | Done::Restricted
                    | Done::NotConfirmed
                    | Done::Held(_)
                    | Done::SignUpAnew
            )
        ),
        said,
        problems,
        sections,
        controller: Controller::of(&visit.linked.account, language),
    };
    match printed.render() {
        Ok(html) => page::html(html),
        Err(_) => Problem::INTERNAL.json(),
    }
}

/// What is to be mended, with the names and places of the fields (WCAG 2.2, 3.3.1).
fn problems(sections: &[Section<'_>], language: Language) -> Vec<ProblemLine> {
    let inputs = sections.iter().flat_map(|section| &section.inputs);
    let of_inputs =
        inputs.filter_map(|input| Some((&input.name, &input.label, input.problem.as_deref()?)));
    let ticks = sections.iter().flat_map(|section| &section.ticks);
    let missing = language.pick("fehlt", "is missing");
    let of_ticks = ticks.filter(|tick| tick.invalid);
    of_inputs
        .map(|(name, label, problem)| line(name, label, problem))
        .chain(of_ticks.map(|tick| line(tick.name, &tick.label, missing)))
        .collect()
}

fn line(name: &str, label: &str, problem: &str) -> ProblemLine {
    ProblemLine {
        text: format!("{label}: {problem}"),
        field: Some(name.to_owned()),
    }
}

fn said(done: &Done, language: Language) -> Option<String> {
    let (de, en) = match done {
        Done::Shown | Done::Erased => return None,
        Done::NothingChosen => ("Sie haben nichts ausgewählt.", "You have chosen nothing."),
        Done::Left => (
            "Erledigt: Sie sind abgemeldet. Ihre verbleibenden Abonnements stehen unten.",
            "Done: you are unsubscribed. What you still receive is listed below.",
        ),
        Done::ProofAsked => (
            "Wenn Ihre Adresse bei uns gespeichert ist, erhalten Sie jetzt eine E-Mail mit einem Link. Er gilt eine Stunde.",
            "If your address is stored with us, you will receive an e-mail with a link now. It is valid for one hour.",
        ),
        Done::Saved => ("Ihre Angaben sind gespeichert.", "Your details are saved."),
        Done::Invalid(_) => (
            "Es wurde nichts gespeichert. Bitte berichtigen Sie Folgendes:",
            "Nothing was saved. Please correct the following:",
        ),
        Done::Restricted => (
            "Die Verarbeitung Ihrer Daten ist eingeschränkt: Die Daten werden aufbewahrt, aber weder verwendet noch geändert.",
            "Processing of your data is restricted: the data are kept, but neither used nor changed.",
        ),
        Done::ConsentEnded => (
            "Ihr Widerruf ist gespeichert.",
            "Your withdrawal is stored.",
        ),
        Done::AddressAsked => (
            "Wir haben der neuen Adresse eine E-Mail geschickt. Erst wenn Sie sie dort bestätigen, ersetzt sie die bisherige.",
            "We have sent an e-mail to the new address. Only when you confirm it there does it replace the present one.",
        ),
        Done::SignUpAnew => (
            "Unter dieser Adresse gibt es kein Abonnement, das mitkommen könnte. Bitte melden Sie die neue Adresse über das Formular an.",
            "There is no subscription under this address to take along. Please sign up with the new address by the form.",
        ),
        Done::Objected => (
            "Ihr Widerspruch ist vermerkt: Sie erhalten keine Werbung dieses Absenders mehr.",
            "Your objection is noted: you will receive no more advertising from this sender.",
        ),
        Done::Held(basis) => {
            return Some(match language {
                Language::De => format!(
                    "Ihre Daten müssen noch aufbewahrt werden ({basis}). Bis dahin werden sie nicht mehr verwendet; sobald die Frist endet, werden sie gelöscht."
                ),
                Language::En => format!(
                    "Your data must still be kept ({basis}). They are no longer used and will be deleted when the period ends."
                ),
            });
        }
        Done::NotConfirmed => (
            "Es wurde nichts gelöscht. Bitte bestätigen Sie das Löschen mit dem Häkchen.",
            "Nothing was deleted. Please tick the box to confirm the deletion.",
        ),
    };
    Some(language.pick(de, en).to_owned())
}

fn lists<'a>(visit: &Visit) -> Section<'a> {
    let language = visit.language;
    let active = visit.active();
    let heading = language.pick("Ihre Abonnements", "Your subscriptions");
    if active.is_empty() {
        return Section {
            heading,
            text: language
                .pick(
                    "Sie erhalten keine Newsletter dieses Absenders.",
                    "You receive no newsletters from this sender.",
                )
                .to_owned(),
            ..Section::default()
        };
    }
    Section {
        heading,
        text: language
            .pick(
                "Wählen Sie, was Sie nicht mehr erhalten möchten.",
                "Choose what you do not want to receive any more.",
            )
            .to_owned(),
        ticks: active
            .into_iter()
            .map(|(id, name)| Ticked {
                name: "list",
                value: id.to_string(),
                label: name.to_owned(),
                required: false,
                invalid: false,
            })
            .collect(),
        buttons: vec![
            (
                "leave",
                language.pick("Ausgewählte abbestellen", "Unsubscribe from chosen"),
            ),
            (
                "leave_all",
                language.pick("Alle abbestellen", "Unsubscribe from all"),
            ),
        ],
        ..Section::default()
    }
}

/// What a link in a mail opens: it may have been forwarded, so it shows no data.
pub(super) fn of_a_mail(visit: &Visit, done: Option<&Done>) -> Response<Body> {
    let language = visit.language;
    let sections = vec![
        lists(visit),
        Section {
            heading: language.pick("Ihre Daten", "Your data"),
            text: language
                .pick(
                    "Um Ihre Daten zu sehen, zu berichtigen, mitzunehmen oder zu löschen, lassen Sie sich einen Link an Ihre Adresse schicken. So stellen wir sicher, dass nur Sie das können.",
                    "To see, correct, take along or delete your data, have a link sent to your address. This makes sure that only you can do that.",
                )
                .to_owned(),
            buttons: vec![("proof", language.pick("Link anfordern", "Request a link"))],
            ..Section::default()
        },
    ];
    let title = ("Ihre Einstellungen", "Your preferences");
    print(visit, title, done, sections)
}

/// Before the data: whoever only follows links sees none.
pub(super) fn door(visit: &Visit) -> Response<Body> {
    let language = visit.language;
    Page {
        language,
        title: language.pick("Ihre Daten", "Your data").to_owned(),
        texts: vec![
            language
                .pick(
                    "Mit einem Klick auf die Schaltfläche sehen Sie, was zu Ihrer Adresse gespeichert ist.",
                    "By pressing the button you will see what is stored about your address.",
                )
                .to_owned(),
        ],
        form: Some(Form {
            button: language.pick("Meine Daten anzeigen", "Show my data"),
            ..Form::default()
        }),
        controller: Some(Controller::of(&visit.linked.account, language)),
        ..Page::default()
    }
    .respond(OK)
}

/// What the link just mailed opens; what was sent stands there again where it was refused.
pub(super) async fn of_the_mailbox(
    app: &App,
    visit: &Visit,
    done: &Done,
    sent: &[(String, SentValue)],
) -> Result<Response<Body>, Trouble> {
    let language = visit.language;
    let Some(profile) = &visit.person.profile else {
        return Err(Trouble::Damaged);
    };
    let declared: Vec<Field> = app.store.configured(&visit.linked.scope, visit.now).await?;
    let label = |key: &str| {
        built_in_label(key, language).map_or_else(
            || {
                let known = declared.iter().find(|field| field.key.as_str() == key);
                known.map_or_else(
                    || key.to_owned(),
                    |field| field.label.text(language).to_owned(),
                )
            },
            str::to_owned,
        )
    };
    let changeable = changeable(profile, &declared);
    let may_change = !visit.person.is_restricted();
    let mut shown = vec![(label("email"), profile.address.reveal().to_owned())];
    for (key, value) in &profile.values {
        if may_change && changeable.iter().any(|(known, _)| known == key) {
            continue;
        }
        let text = match value {
            FieldValue::One(text) => text.reveal().to_owned(),
            FieldValue::Many(texts) => {
                let texts: Vec<&str> = texts
                    .iter()
                    .map(rundbrief::personal::PersonalText::reveal)
                    .collect();
                texts.join(", ")
            }
        };
        shown.push((label(key.as_str()), text));
    }
    let (refused, sent): (&[FieldProblem], _) = match done {
        Done::Invalid(problems) => (problems.as_slice(), sent),
        _ => (&[][..], &[][..]),
    };
    let field = |key: &str, field_type: FieldType, stored: &str| {
        let name = wire_name(key);
        let problem = refused.iter().find(|problem| problem.field == name);
        FormField {
            label: label(key) + format_hint(field_type, language),
            input: input_of(
                field_type,
                language.pick("keine Angabe", "no answer"),
                language,
            ),
            value: FilledIn::new(sent_text(sent, &name).unwrap_or(stored)),
            autocomplete: autocomplete(key, field_type),
            required: false,
            hint: None,
            hint_text: None,
            problem: problem.map(|one| problem_text(one, field_type, language).to_owned()),
            name,
        }
    };
    let inputs = changeable
        .iter()
        .filter(|_| may_change)
        .filter_map(|(key, field_type)| {
            let FieldValue::One(text) = profile.values.get(key)? else {
                return None;
            };
            let field_type = match field_type {
                // Without its year it is no date that browsers know (T-08).
                FieldType::Date if text.reveal().len() != 10 => FieldType::Birthday,
                known => *known,
            };
            Some(field(key.as_str(), field_type, text.reveal()))
        })
        .collect::<Vec<_>>();
    let has_inputs = !inputs.is_empty();
    let mut sections = vec![
        lists(visit),
        Section {
            heading: language.pick("Ihre Angaben", "Your details"),
            shown,
            inputs,
            text: if has_inputs {
                language
                    .pick(
                        "Leeren Sie ein Feld, um die Angabe zu löschen.",
                        "Empty a field to delete what it says.",
                    )
                    .to_owned()
            } else {
                String::new()
            },
            buttons: if has_inputs {
                vec![("save", language.pick("Speichern", "Save"))]
            } else {
                Vec::new()
            },
            ..Section::default()
        },
    ];
    let consents = [
        (
            visit.person.agrees_since(Purpose::Tracking),
            language.pick("Auswertung", "Evaluation"),
            language.pick(
                "Sie haben eingewilligt, dass Öffnungen und Klicks Ihnen zugeordnet werden.",
                "You have agreed that opens and clicks are tied to you.",
            ),
            "end_tracking",
        ),
        (
            visit.person.agrees_since(Purpose::Profiling),
            language.pick("Interessenprofil", "Profile of interests"),
            language.pick(
                "Sie haben eingewilligt, dass aus Ihren Klicks ein Interessenprofil entsteht.",
                "You have agreed that a profile of interests is built from your clicks.",
            ),
            "end_profiling",
        ),
    ];
    for (since, heading, text, action) in consents {
        if since.is_some() {
            sections.push(Section {
                heading,
                text: text.to_owned(),
                buttons: vec![(
                    action,
                    language.pick("Einwilligung widerrufen", "Withdraw consent"),
                )],
                ..Section::default()
            });
        }
    }
    if may_change && visit.linked.account.is_open(visit.now) && !visit.active().is_empty() {
        sections.push(Section {
            heading: language.pick("Neue Adresse", "New address"),
            text: language
                .pick(
                    "Die neue Adresse wird erst verwendet, wenn Sie sie bestätigt haben.",
                    "The new address is used only once you have confirmed it.",
                )
                .to_owned(),
            inputs: vec![new_address(label("email"), refused, sent, language)],
            buttons: vec![("address", language.pick("Adresse ändern", "Change address"))],
            ..Section::default()
        });
    }
    sections.extend(rights(language, *done == Done::NotConfirmed));
    let title = ("Ihre Daten", "Your data");
    Ok(print(visit, title, Some(done), sections))
}

/// The field for a new address; empty unless what was sent is none.
fn new_address(
    label: String,
    refused: &[FieldProblem],
    sent: &[(String, SentValue)],
    language: Language,
) -> FormField {
    let problem = refused.iter().find(|problem| problem.field == "email");
    let value = problem.and_then(|_| sent_text(sent, "email"));
    FormField {
        name: "email".to_owned(),
        label,
        input: Input::Typed("email"),
        value: FilledIn::new(value.unwrap_or_default()),
        autocomplete: Some("email"),
        required: false,
        hint: None,
        hint_text: None,
        problem: problem.map(|one| problem_text(one, FieldType::Text, language).to_owned()),
    }
}

fn rights<'a>(language: Language, tick_is_missing: bool) -> [Section<'a>; 3] {
    [
        Section {
            heading: language.pick("Auskunft und Kopie", "Access and copy"),
            text: language
                .pick(
                    "Alles, was zu Ihnen gespeichert ist, woher es kommt und wie lange es bleibt (Art. 15 DSGVO); und Ihre eigenen Angaben zum Mitnehmen (Art. 20 DSGVO): Adresse und Felder als CSV, als JSON auch Abonnements, Interessen und Sprache.",
                    "Everything that is stored about you, where it comes from and how long it stays (Art. 15 GDPR); and what you provided, to take along (Art. 20 GDPR): address and fields as CSV, as JSON also subscriptions, interests and language.",
                )
                .to_owned(),
            buttons: vec![
                ("export", language.pick("Auskunft lesen", "Read it")),
                ("export_json", language.pick("Auskunft als Datei", "Access as a file")),
                ("portable_csv", language.pick("Angaben als CSV", "Your data as CSV")),
                ("portable_json", language.pick("Angaben als JSON", "Your data as JSON")),
            ],
            ..Section::default()
        },
        Section {
            heading: language.pick("Widerspruch", "Objection"),
            text: language
                .pick(
                    "Sie können der Verwendung Ihrer Daten für Werbung jederzeit widersprechen (Art. 21 DSGVO).",
                    "You may object to the use of your data for advertising at any time (Art. 21 GDPR).",
                )
                .to_owned(),
            buttons: vec![("object", language.pick("Werbung widersprechen", "Object to advertising"))],
            ..Section::default()
        },
        Section {
            heading: language.pick("Löschen", "Deletion"),
            text: language
                .pick(
                    "Ihre Daten werden gelöscht (Art. 17 DSGVO). Das lässt sich nicht rückgängig machen.",
                    "Your data will be deleted (Art. 17 GDPR). This cannot be undone.",
                )
                .to_owned(),
            ticks: vec![Ticked {
                name: "sure",
                value: "true".to_owned(),
                label: language
                    .pick("Ja, meine Daten löschen", "Yes, delete my data")
                    .to_owned(),
                required: true,
                invalid: tick_is_missing,
            }],
            buttons: vec![("erase", language.pick("Endgültig löschen", "Delete for good"))],
            ..Section::default()
        },
    ]
}

fn plain(visit: &Visit, title: &str, text: &str) -> Response<Body> {
    let language = visit.language;
    Page {
        language,
        title: title.to_owned(),
        texts: vec![text.to_owned()],
        controller: Some(Controller::of(&visit.linked.account, language)),
        ..Page::default()
    }
    .respond(OK)
}

/// What is left of an erased person, by the setting of the account.
fn left(evidence_years: u8, language: Language) -> String {
    let live = match (evidence_years, language) {
        (0, Language::De) => "Niemand kann sie mehr lesen.".to_owned(),
        (0, Language::En) => "Nobody can read them any more.".to_owned(),
        (years, Language::De) => {
            let years = if years == 1 {
                "ein Jahr".to_owned()
            } else {
                format!("{years} Jahre")
            };
            format!(
                "Aufbewahrt wird nur der Nachweis Ihrer Einwilligungen und Abmeldungen: verschlüsselt, höchstens {years}, und nur für Rechtsansprüche zu öffnen."
            )
        }
        (years, Language::En) => {
            let years = if years == 1 {
                "one year".to_owned()
            } else {
                format!("{years} years")
            };
            format!(
                "Only the proof of your consents and unsubscriptions is kept: encrypted, for {years} at most, to be opened for legal claims only."
            )
        }
    };
    let copies = language.pick(
        "Sicherungskopien werden innerhalb von zwei Wochen gelöscht und stellen nichts davon wieder her.",
        "Backup copies are deleted within two weeks and bring nothing of them back.",
    );
    format!("{live} {copies}")
}

/// Nothing of the person is left in what the service works with.
pub(super) fn erased(visit: &Visit) -> Response<Body> {
    let language = visit.language;
    plain(
        visit,
        language.pick("Ihre Daten sind gelöscht", "Your data are deleted"),
        &left(visit.linked.account.evidence_years_after_erasure, language),
    )
}

/// The link does not reach that far, or nobody asks for that.
pub(super) fn refused(visit: &Visit, language: Language) -> Response<Body> {
    let mut response = plain(
        visit,
        language.pick("Das geht mit diesem Link nicht", "Not possible with this link"),
        language.pick(
            "Mit dem Link aus einem Newsletter können Sie sich abmelden. Für alles Weitere lassen Sie sich bitte einen frischen Link an Ihre Adresse schicken.",
            "With the link from a newsletter you can unsubscribe. For everything else please have a fresh link sent to your address.",
        ),
    );
    *response.status_mut() = lambda_http::http::StatusCode::FORBIDDEN;
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whoever_erased_themselves_is_told_what_is_left() {
        for (years, de, en) in [
            (0, "Niemand kann sie mehr lesen.", "Nobody can read them"),
            (
                1,
                "verschlüsselt, höchstens ein Jahr,",
                "for one year at most",
            ),
            (
                3,
                "verschlüsselt, höchstens 3 Jahre,",
                "for 3 years at most",
            ),
        ] {
            for (language, words) in [(Language::De, de), (Language::En, en)] {
                let told = left(years, language);
                assert!(told.contains(words), "{told}");
                // That nobody can read it any more is so of everything or is not said.
                let claims = told.contains("Niemand") || told.contains("Nobody");
                assert_eq!(claims, years == 0, "{told}");
            }
        }
    }
}
