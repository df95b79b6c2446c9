//! The pages of leaving and their words.

use lambda_http::http::StatusCode;
use lambda_http::{Body, Response};
use rundbrief::page_language::Language;
use rundbrief::unsubscribe_setup::Reason;

use super::{Link, Words};
use crate::page::{Controller, Form, Page, Tick, TickGroup};

/// The button, with the question why where the setup asks it.
pub(super) fn button(link: &Link, words: &Words) -> Response<Body> {
    let language = words.language;
    let text = match (language, &words.list) {
        (Language::De, None) => {
            "Mit einem Klick auf die Schaltfläche erhalten Sie keine Newsletter dieses Absenders mehr."
                .to_owned()
        }
        (Language::En, None) => {
            "By pressing the button you will receive no more newsletters from this sender.".to_owned()
        }
        (Language::De, Some(list)) => format!(
            "Mit einem Klick auf die Schaltfläche erhalten Sie „{list}“ von diesem Absender nicht mehr."
        ),
        (Language::En, Some(list)) => {
            format!("By pressing the button you will no longer receive “{list}” from this sender.")
        }
    };
    let asks_reason =
        link.confirms.is_none() && link.setup.as_ref().is_some_and(|setup| setup.asks_reason);
    let form = Form {
        language,
        groups: asks_reason.then(|| reasons(language)).into_iter().collect(),
        button: language.pick("Abbestellen", "Unsubscribe"),
        ..Form::default()
    };
    let title = language.pick("Newsletter abbestellen", "Unsubscribe");
    shown(link, language, title, text, Some(form))
}

fn reasons(language: Language) -> TickGroup {
    let ticks = Reason::ALL.into_iter().map(|reason| Tick {
        value: reason.name().to_owned(),
        label: reason.text(language).to_owned(),
        required: false,
    });
    TickGroup {
        name: "reason",
        legend: language.pick(
            "Warum möchten Sie abbestellen? (freiwillig)",
            "Why do you want to unsubscribe? (optional)",
        ),
        ticks: ticks.collect(),
        is_radio: true,
        is_choice: false,
        problem: None,
    }
}

/// They are out.
pub(super) fn done(link: &Link, words: &Words) -> Response<Body> {
    let language = words.language;
    let text = match (language, &words.list) {
        (Language::De, None) => "Sie erhalten keine Newsletter dieses Absenders mehr.".to_owned(),
        (Language::En, None) => "You will receive no more newsletters from this sender.".to_owned(),
        (Language::De, Some(list)) => {
            format!("Sie erhalten „{list}“ von diesem Absender nicht mehr.")
        }
        (Language::En, Some(list)) => {
            format!("You will no longer receive “{list}” from this sender.")
        }
    };
    let title = language.pick("Sie sind abgemeldet", "You are unsubscribed");
    shown(link, language, title, text, None)
}

/// They are out once they confirm it.
pub(super) fn asked(link: &Link, words: &Words) -> Response<Body> {
    let language = words.language;
    let title = language.pick("Bitte noch bestätigen", "Please confirm");
    let text = language.pick(
        "Wir haben Ihnen eine E-Mail geschickt. Bitte öffnen Sie den Link darin, um die Abmeldung abzuschließen.",
        "We have sent you an e-mail. Please open the link in it to complete unsubscribing.",
    );
    shown(link, language, title, text.to_owned(), None)
}

fn shown(
    link: &Link,
    language: Language,
    title: &str,
    text: String,
    form: Option<Form<'_>>,
) -> Response<Body> {
    let linked = link.linked.as_ref();
    Page {
        language,
        title: title.to_owned(),
        texts: vec![text],
        form,
        controller: linked.map(|linked| Controller::of(&linked.account, language)),
        ..Page::default()
    }
    .respond(StatusCode::OK)
}
