//! Who gets the data and where they go: recipients, sub-processors, third countries.

use super::document::{By, Writer};
use super::{Basis, SubProcessorChange, measures};

pub(super) fn recipients(w: &mut Writer, basis: &Basis<'_>) {
    w.section("recipients", ("Empfänger", "Recipients"));
    let operator = &basis.operator.office.name;
    w.stated(
        (
            "Auftragsverarbeiter (Betrieb von Rundbrief)",
            "Processor (operation of Rundbrief)",
        ),
        "operator.office.name",
        By::Operator,
        operator,
    );
    sub_processors(w, basis);
    w.fixed(
        (
            "Postfachanbieter der Empfänger",
            "Mailbox providers of the recipients",
        ),
        (
            "erhalten Adresse und Inhalt jeder an sie gerichteten E-Mail",
            "get address and content of each e-mail sent to them",
        ),
    );
    notified(w, basis);
    let own: Vec<String> = basis
        .controller
        .recipients
        .iter()
        .map(|one| named(&one.name, &one.purpose))
        .collect();
    if own.is_empty() {
        w.fixed(
            (
                "Weitere Empfänger des Verantwortlichen",
                "Further recipients of the controller",
            ),
            ("keine angegeben", "none stated"),
        );
    } else {
        w.list(
            (
                "Weitere Empfänger des Verantwortlichen",
                "Further recipients of the controller",
            ),
            own,
        );
    }
}

/// Whom the platform tells of what happens to people, for the controller. The host alone: the rest
/// of the address may be a secret of the recipient's.
fn notified(w: &mut Writer, basis: &Basis<'_>) {
    let rows: Vec<Vec<String>> = basis
        .webhooks
        .iter()
        .map(|webhook| {
            let topics = webhook.events.iter().map(|topic| topic.text(w.language));
            vec![
                webhook.url.host().to_owned(),
                topics.collect::<Vec<_>>().join(", "),
            ]
        })
        .collect();
    if !rows.is_empty() {
        w.table(
            (
                "Selbsttätig benachrichtigte Empfänger (Kennung und Zeitpunkt)",
                "Recipients that are notified automatically (identifier and time)",
            ),
            &[("Empfänger", "Recipient"), ("Worüber", "Of what")],
            rows,
        );
    }
}

fn named(name: &str, purpose: &str) -> String {
    if purpose.is_empty() {
        name.to_owned()
    } else {
        format!("{name}: {purpose}")
    }
}

/// L-21: the provider with the services that the template uses, and what the operator adds.
pub(super) fn sub_processors(w: &mut Writer, basis: &Basis<'_>) {
    let services = basis
        .facts
        .services
        .iter()
        .map(|service| {
            let (name, what) = measures::service(*service);
            vec![name.to_owned(), w.say(what)]
        })
        .collect();
    w.text(
        ("Unterauftragsverarbeiter", "Sub-processor"),
        format!(
            "{AWS} ({})",
            w.say((
                "Rechenzentrum und E-Mail-Versand",
                "data centre and mailing"
            ))
        ),
    );
    w.table(
        (
            "Genutzte Dienste von Amazon Web Services",
            "Services of Amazon Web Services in use",
        ),
        &[("Dienst", "Service"), ("Wofür", "What for")],
        services,
    );
    let today = basis.day(basis.made_at);
    let others = basis
        .operator
        .sub_processors
        .iter()
        .map(|one| {
            let who = if one.address.is_empty() {
                one.name.clone()
            } else {
                format!("{}, {}", one.name, one.address.replace('\n', ", "))
            };
            let who = named(&who, &one.purpose);
            match one.from.filter(|from| *from > today) {
                Some(from) => format!("{who} ({} {from})", w.say(("ab", "from"))),
                None => who,
            }
        })
        .collect();
    w.list(
        ("Weitere Unterauftragsverarbeiter", "Further sub-processors"),
        others,
    );
    notices(w, basis);
}

/// What was announced of them (Art. 28(2)).
fn notices(w: &mut Writer, basis: &Basis<'_>) {
    let told = basis.operator.sub_processor_notices.iter();
    let rows: Vec<Vec<String>> = told
        .map(|notice| {
            let change = match notice.change {
                SubProcessorChange::Added => ("kommt hinzu", "is added"),
                SubProcessorChange::Changed => ("geänderte Angaben", "changed particulars"),
                SubProcessorChange::Removed => ("entfällt", "is removed"),
            };
            vec![
                basis.day(notice.at).to_string(),
                notice.name.clone(),
                w.say(change),
                notice.from.to_string(),
            ]
        })
        .collect();
    if !rows.is_empty() {
        w.table(
            (
                "Bekanntgegebene Änderungen (Art. 28 Abs. 2 DSGVO)",
                "Announced changes (Art. 28(2) GDPR)",
            ),
            &[
                ("Bekanntgegeben am", "Announced on"),
                ("Wer", "Who"),
                ("Was", "What"),
                ("Ab", "From"),
            ],
            rows,
        );
    }
}

/// The contracting party for customers in Europe.
const AWS: &str = "Amazon Web Services EMEA SARL, 38 Avenue John F. Kennedy, L-1855 Luxembourg";

pub(super) fn transfers(w: &mut Writer, basis: &Basis<'_>) {
    w.section(
        "transfers",
        (
            "Übermittlung in Drittländer und Garantien",
            "Third-country transfers and safeguards",
        ),
    );
    let allowed = basis.facts.regions.allowed.join(", ");
    w.text(
        ("Grundsatz", "Principle"),
        w.say((
            "Keine Übermittlung vorgesehen: Speicherung und Versand finden ausschließlich in Regionen der Europäischen Union statt. Zulässig sind nur: ",
            "None intended: data are stored and mailed in regions of the European Union only. Allowed are only: ",
        )) + &allowed,
    );
    w.fixed(
        ("Muttergesellschaft des Unterauftragsverarbeiters", "Parent of the sub-processor"),
        (
            "Amazon Web Services hat eine Muttergesellschaft in den USA. Für einen Zugriff von dort gelten die Vertragsbedingungen zur Auftragsverarbeitung mit Standardvertragsklauseln (Art. 46 Abs. 2 lit. c DSGVO) und, solange er gilt, der Angemessenheitsbeschluss zum EU-US-Datenschutzrahmen (Art. 45); vom Verantwortlichen zu prüfen.",
            "Amazon Web Services has a parent in the USA. Access from there is covered by the data processing addendum with standard contractual clauses (Art. 46(2)(c) GDPR) and, as long as it is in force, by the adequacy decision on the EU-US Data Privacy Framework (Art. 45); for the controller to verify.",
        ),
    );
    w.fixed(
        ("Postfachanbieter", "Mailbox providers"),
        (
            "Wer ein Postfach bei einem Anbieter außerhalb der EU angibt, erhält die E-Mails dort; die Wahl trifft die Person.",
            "Whoever gives a mailbox with a provider outside of the EU gets the e-mails there; the choice is the person's.",
        ),
    );
    let own = basis.controller.recipients.iter();
    let own = own.filter_map(|one| Some(format!("{}: {}", one.name, one.transfer.as_ref()?)));
    let others = basis.operator.sub_processors.iter();
    let others = others.filter_map(|one| Some(format!("{}: {}", one.name, one.transfer.as_ref()?)));
    w.list(
        ("Weitere Übermittlungen", "Further transfers"),
        own.chain(others).collect(),
    );
}
