//! Confirming the change of an address (L-18): what its page says, and the person of the address
//! before beside the decision.
//!
//! A stranger whose address was mistyped reads here what they would take over, and of whom nothing.

use jiff::Timestamp;
use lambda_http::http::StatusCode;
use lambda_http::{Body, Response};
use rundbrief::consent::{self, ConfirmRefusal, Confirmation, Leaving, Press, Succession};
use rundbrief::evidence::Entry;
use rundbrief::id::{EventId, PersonKey};
use rundbrief::page_language::Language;
use rundbrief::person::{Person, UnsubscribedVia};
use rundbrief::sign_up::SignUpState;

use crate::app::{App, Trouble};
use crate::page::{Controller, Form, Page};
use crate::person_link::LinkedSignUp;
use crate::unsubscribe;

/// The page with the button, or the one after it; none when there is nothing to take over any more.
pub(super) async fn look(
    app: &App,
    found: &LinkedSignUp,
    former: PersonKey,
    now: Timestamp,
) -> Result<Option<Response<Body>>, Trouble> {
    if found.sign_up.state != SignUpState::Pending {
        return Ok(Some(super::done(found)));
    }
    let former = app.store.person(&found.linked.scope, former, now).await?;
    let waits = consent::taken(&former, &found.sign_up).is_ok();
    Ok(waits.then(|| button(found)))
}

/// What pressing the button leads to.
pub(super) async fn decide(
    app: &App,
    found: &LinkedSignUp,
    person: &Person,
    former: PersonKey,
    by: Press,
) -> Result<Result<Confirmation, ConfirmRefusal>, Trouble> {
    let (scope, account) = (&found.linked.scope, &found.linked.account);
    let former = app.store.person(scope, former, by.now).await?;
    let zone = rundbrief::time::zone(&account.time_zone).map_err(|_| Trouble::Damaged)?;
    let leaving = Leaving {
        list: None,
        via: UnsubscribedVia::AddressChanged,
        campaign: None,
        event: EventId::generate(by.now, app.entropy.as_ref()),
        entry: Entry::generate(by.now, app.entropy.as_ref()),
        now: by.now,
    };
    let from = Succession {
        former: &former,
        leaving: &leaving,
        zone: &zone,
    };
    let (sign_up, others) = (&found.sign_up, &found.others);
    let mut decided = consent::take_over(scope, person, sign_up, others, by, from);
    if let Ok(Confirmation::Complete(transaction)) = &mut decided {
        let setup = unsubscribe::in_force(app, account, scope, by.now).await?;
        consent::note_terms(transaction, setup.as_ref());
    }
    Ok(decided)
}

fn button(found: &LinkedSignUp) -> Response<Body> {
    let (language, account) = (found.sign_up.language, &found.linked.account);
    let name = &account.name;
    let (title, text, warning) = match language {
        Language::De => (
            "Bitte bestätigen Sie die Änderung Ihrer Adresse",
            format!(
                "Jemand, der bei {name} mit einer anderen E-Mail-Adresse gespeichert ist, hat diese Adresse als neue angegeben. Mit einem Klick auf die Schaltfläche übernimmt sie die Daten und Abonnements der anderen Adresse, und diese wird abgemeldet."
            ),
            "Wenn Sie das nicht selbst verlangt haben, drücken Sie die Schaltfläche nicht und schließen Sie diese Seite: Dann ändert sich nichts. Sie würden sonst die Daten einer anderen Person übernehmen.",
        ),
        Language::En => (
            "Please confirm the change of your address",
            format!(
                "Somebody whom {name} knows under another e-mail address has given this one as their new address. By pressing the button it takes over the data and subscriptions of the other address, which is unsubscribed."
            ),
            "If you did not ask for this yourself, do not press the button and close this page: then nothing changes. Otherwise you would take over the data of another person.",
        ),
    };
    Page {
        language,
        title: title.to_owned(),
        texts: vec![
            text,
            warning.to_owned(),
            found.sign_up.consent_wording.clone(),
        ],
        translation: None,
        problems: Vec::new(),
        form: Some(Form {
            button: language.pick("Änderung bestätigen", "Confirm the change"),
            ..Form::default()
        }),
        controller: Some(Controller::of(account, language)),
    }
    .respond(StatusCode::OK)
}

/// What the page says once it is done: title and text.
pub(super) fn done(language: Language) -> (&'static str, String) {
    let title = language.pick(
        "Ihre neue Adresse ist bestätigt",
        "Your new address is confirmed",
    );
    let text = language.pick(
        "Was unter der bisherigen Adresse gespeichert und abonniert war, gehört jetzt zu dieser; die bisherige ist abgemeldet. In jeder E-Mail steht ein Link, mit dem Sie sich wieder abmelden können.",
        "What was stored and subscribed under the address before now belongs to this one; the address before is unsubscribed. Every e-mail contains a link to unsubscribe again.",
    );
    (title, text.to_owned())
}
