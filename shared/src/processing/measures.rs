//! Technical and organisational measures (Art. 32), with every number and name from the facts.
//!
//! The controller's own measures are the controller's to state; here they are only asked for.

use super::document::{Both, By, Writer};
use super::{Access, Basis, FunctionFacts, ScheduleFacts, Service};
use crate::archive::ArchiveSet;
use crate::page_language::Language;

pub(super) fn write(w: &mut Writer, basis: &Basis<'_>) {
    w.section(
        "measures",
        (
            "Technische und organisatorische Maßnahmen",
            "Technical and organisational measures",
        ),
    );
    redundancy(w, basis);
    copies(w, basis);
    protection(w, basis);
    access(w, basis);
}

fn redundancy(w: &mut Writer, basis: &Basis<'_>) {
    let copies = basis.facts.tables.iter().map(|table| table.copies).min();
    let (copies, replica) = (copies.unwrap_or(0), &basis.facts.regions.replica);
    w.text(
        ("Redundanz", "Redundancy"),
        match w.language {
            Language::De => format!(
                "{copies} Kopien der Datenbank in verschiedenen Regionen der EU (Produktivbetrieb), laufend abgeglichen; der Betrieb kann auf {replica} umgeschaltet werden; jede Region speichert in mehreren Rechenzentren"
            ),
            Language::En => format!(
                "{copies} copies of the database in different EU regions (production), continuously synchronised; operation can switch to {replica}; each region stores in several data centres"
            ),
        },
    );
}

fn copies(w: &mut Writer, basis: &Basis<'_>) {
    let facts = basis.facts;
    let (full, marks) = (facts.full_copy_days(), facts.tombstone_copy_days());
    w.text(
        ("Vollsicherung", "Full copy"),
        match w.language {
            Language::De => format!(
                "täglich und fortlaufend, höchstens {full} Tage zurück; Sperrvermerke {marks} Tage, damit eine Wiederherstellung niemanden zurückholt"
            ),
            Language::En => format!(
                "daily and continuously, at most {full} days back; suppression marks {marks} days, so that a restore brings nobody back"
            ),
        },
    );
    let backup = facts.schedules.iter().find(|one| one.function == "backup");
    let when = backup.map_or_else(|| "–".to_owned(), |one| in_words(one, w.language));
    let days = facts.expiration_days("archives");
    w.text(
        ("Kontoarchiv", "Account archive"),
        match w.language {
            Language::De => {
                format!("{when}; {days} Tage verfügbar, dann in jeder Fassung gelöscht")
            }
            Language::En => format!("{when}; there for {days} days, then deleted in every version"),
        },
    );
    let sets = ArchiveSet::ALL.into_iter().map(|set| w.say(set_name(set)));
    let sets = sets.collect();
    w.list(
        ("Das Kontoarchiv enthält", "The account archive contains"),
        sets,
    );
    let not: [Both; 5] = [
        ("Versandstatistik", "mailing statistics"),
        (
            "Daten der Aussendungen, insbesondere das Versandprotokoll",
            "campaign data, notably the send ledger",
        ),
        ("Umfrageergebnisse", "survey results"),
        ("Landingpages", "landing pages"),
        ("Schlüssel und andere Geheimnisse", "keys and other secrets"),
    ];
    let not = not.into_iter().map(|both| w.say(both)).collect();
    w.list(
        (
            "Das Kontoarchiv enthält nicht",
            "The account archive does not contain",
        ),
        not,
    );
}

const fn set_name(set: ArchiveSet) -> Both {
    match set {
        ArchiveSet::Subscribers => ("Empfänger", "subscribers"),
        ArchiveSet::SignUps => ("Anmeldungen", "sign-ups"),
        ArchiveSet::Unsubscriptions => ("Abmeldungen", "unsubscriptions"),
        ArchiveSet::TargetGroups => ("Zielgruppen", "target groups"),
        ArchiveSet::Interests => ("Interessen", "interests"),
        ArchiveSet::Templates => ("Vorlagen", "templates"),
        ArchiveSet::Helpers => ("Personalisierungshilfen", "personalisation helpers"),
        ArchiveSet::DynamicContents => ("Dynamische Inhalte", "dynamic contents"),
        ArchiveSet::Lists => (
            "Listen, auf die sich die anderen beziehen",
            "lists, which the others refer to",
        ),
        ArchiveSet::Fields => (
            "Eigene Felder, auf die sich die anderen beziehen",
            "declared fields, which the others refer to",
        ),
        ArchiveSet::Setups => (
            "Anmeldeverfahren, auf die sich die anderen beziehen",
            "sign-up setups, which the others refer to",
        ),
    }
}

fn protection(w: &mut Writer, basis: &Basis<'_>) {
    let facts = basis.facts;
    let all = |holds: bool| if holds { ("ja", "yes") } else { ("nein", "no") };
    let tables = facts.tables.iter().all(|table| table.encryption == "KMS");
    let buckets = facts.buckets.iter().all(|one| one.encryption == "aws:kms");
    let queues = facts.queues.iter().all(|queue| queue.encrypted);
    w.fixed(
        (
            "Verschlüsselung ruhender Daten (Datenbank, Dateien, Warteschlangen)",
            "Encryption at rest (database, files, queues)",
        ),
        all(tables && buckets && queues),
    );
    let tls = facts.buckets.iter().all(|bucket| bucket.tls_only);
    w.fixed(
        (
            "Verschlüsselte Übertragung (TLS), auch zum Speicher erzwungen",
            "Encrypted transport (TLS), enforced for storage too",
        ),
        all(tls),
    );
    let closed = facts.buckets.iter().all(|one| one.public_access_blocked);
    w.fixed(
        (
            "Öffentlicher Zugriff auf Dateien gesperrt",
            "Public access to files blocked",
        ),
        all(closed),
    );
    let protected = facts.tables.iter().all(|table| table.deletion_protection);
    w.fixed(
        (
            "Datenbank gegen Löschen geschützt",
            "Database protected against deletion",
        ),
        all(protected),
    );
    w.fixed(
        (
            "Öffnungen und Klicks werden bei jeder E-Mail erfasst",
            "Openings and clicks are recorded for every mail",
        ),
        all(facts.mail.opens_and_clicks),
    );
    let days = facts.log_days();
    w.text(
        ("Betriebsprotokolle", "Logs"),
        match w.language {
            Language::De => format!("{days} Tage, ohne personenbezogene Daten"),
            Language::En => format!("{days} days, without personal data"),
        },
    );
    w.fixed(
        ("Pseudonymisierung", "Pseudonymisation"),
        (
            "Personen werden intern mit einem Schlüsselwert geführt, der nur mit dem Geheimnis des Kontos aus der Adresse berechnet werden kann; Nachrichten zwischen Funktionen enthalten nur Kennungen",
            "People are kept under a keyed hash that only the account's secret can derive from the address; messages between functions carry identifiers only",
        ),
    );
    w.fixed(
        ("Trennung der Konten", "Separation of accounts"),
        (
            "eigene Schlüsselbereiche je Konto; eine Anfrage kann keinen Schlüssel eines anderen Kontos bilden",
            "key ranges of its own for each account; a request cannot form a key of another",
        ),
    );
    let runs = facts.schedules.iter();
    let runs = runs.map(|one| format!("{}: {}", one.function, in_words(one, w.language)));
    w.list(("Regelmäßige Läufe", "Regular runs"), runs.collect());
}

/// Who has access: programs by their roles, people by what operator and controller state.
fn access(w: &mut Writer, basis: &Basis<'_>) {
    let rows = basis
        .facts
        .functions
        .iter()
        .map(|function| vec![function.name.clone(), reach(function, w.language)])
        .collect();
    w.table(
        (
            "Zugriff der Programme (je eine eigene Rolle, nur die genannten Rechte)",
            "Access of the programs (a role each, the rights named and no others)",
        ),
        &[("Funktion", "Function"), ("Rechte", "Rights")],
        rows,
    );
    w.fixed(
        ("Zugriff von Menschen", "Access of people"),
        (
            "beim Verantwortlichen über Zugangsschlüssel mit einzelnen Rechten (lesen, schreiben, senden, exportieren, löschen, wiederherstellen, verwalten); beim Auftragsverarbeiter nur die im Abschnitt Umgebung genannten, geschulten Rollen",
            "with the controller by API keys of single scopes (read, write, send, export, erase, restore, admin); with the processor only the trained roles named under environment",
        ),
    );
}

/// What the controller adds.
pub(super) fn own(w: &mut Writer, basis: &Basis<'_>) {
    w.all_stated(
        (
            "Eigene Maßnahmen des Verantwortlichen",
            "The controller's own measures",
        ),
        "measures",
        By::Controller,
        basis.controller.measures.clone(),
    );
}

pub(super) fn operator_staff(w: &mut Writer, basis: &Basis<'_>) {
    w.staff(
        (
            "Personal des Auftragsverarbeiters mit Zugang zur Infrastruktur",
            "The processor's staff with access to the infrastructure",
        ),
        "operator.staff",
        By::Operator,
        &basis.operator.staff,
    );
}

/// Rights in words: what matters is whether a function reads, writes, deletes or mails.
fn reach(function: &FunctionFacts, language: Language) -> String {
    let rights = function.access.iter();
    let rights = rights.map(|one| format!("{}: {}", place(one), deeds(one, language)));
    rights.collect::<Vec<_>>().join("; ")
}

fn place(access: &Access) -> String {
    let service = match access.service.as_str() {
        "dynamodb" => "DynamoDB",
        "s3" => "S3",
        "sqs" => "SQS",
        "ses" => "SES",
        "secretsmanager" => "Secrets Manager",
        other => other,
    };
    if access.resource == "*" {
        service.to_owned()
    } else {
        format!("{service} {}", access.resource)
    }
}

fn deeds(access: &Access, language: Language) -> String {
    // Who works through a queue reads and removes its messages: one deed.
    let kinds: &[(&[&str], Both)] = if access.service == "sqs" {
        &[
            (&["Send"], ("senden", "send")),
            (
                &["Receive", "Delete", "Get", "ChangeMessage"],
                ("abarbeiten", "work through"),
            ),
        ]
    } else {
        &[
            (
                &["Get", "BatchGet", "Query", "Scan", "List", "ConditionCheck"],
                ("lesen", "read"),
            ),
            (
                &["Put", "Update", "BatchWrite", "Create"],
                ("schreiben", "write"),
            ),
            (&["Delete", "BatchWrite"], ("löschen", "delete")),
            (&["Send"], ("senden", "send")),
        ]
    };
    let is_of = |action: &String, prefixes: &[&str]| {
        prefixes.iter().any(|prefix| action.starts_with(prefix))
    };
    let has_words = |action: &String| kinds.iter().any(|(prefixes, _)| is_of(action, prefixes));
    if !access.actions.iter().all(has_words) {
        // An action nobody has put into words is named as it is.
        return access.actions.join(", ");
    }
    let words = kinds.iter().filter_map(|(prefixes, (de, en))| {
        let done = access.actions.iter().any(|action| is_of(action, prefixes));
        done.then(|| language.pick(de, en))
    });
    words.collect::<Vec<_>>().join(", ")
}

/// `rate(1 hour)`, `cron(0 4 * * ? *)`; what it does not know is shown as it is.
fn in_words(schedule: &ScheduleFacts, language: Language) -> String {
    let (text, zone) = (schedule.expression.as_str(), &schedule.time_zone);
    let inner = text
        .split_once('(')
        .and_then(|(_, rest)| rest.strip_suffix(')'));
    let fields: Vec<&str> = inner.unwrap_or_default().split(' ').collect();
    match fields.as_slice() {
        ["1", "minute"] => language.pick("jede Minute", "each minute").to_owned(),
        ["1", "hour"] => language.pick("stündlich", "hourly").to_owned(),
        ["1", "day"] => language.pick("täglich", "daily").to_owned(),
        [minute, hour, "*", "*", "?", "*"] => format!(
            "{} {hour:0>2}:{minute:0>2} ({zone})",
            language.pick("täglich um", "daily at")
        ),
        _ => format!("{text} ({zone})"),
    }
}

/// A service of the provider and what it is used for.
pub(super) const fn service(service: Service) -> (&'static str, Both) {
    match service {
        Service::ApiGateway => (
            "Amazon API Gateway",
            (
                "nimmt Anfragen von Formularen, Links und Schnittstelle entgegen",
                "takes requests of forms, links and the API",
            ),
        ),
        Service::Lambda => (
            "AWS Lambda",
            ("führt die Programme aus", "runs the programs"),
        ),
        Service::DynamoDb => (
            "Amazon DynamoDB",
            ("Datenbank und Vollsicherung", "database and full copy"),
        ),
        Service::S3 => (
            "Amazon S3",
            (
                "Kontoarchive, Import- und Exportdateien",
                "account archives, import and export files",
            ),
        ),
        Service::Sqs => (
            "Amazon SQS",
            (
                "Aufträge zwischen den Programmen, nur Kennungen",
                "jobs between the programs, identifiers only",
            ),
        ),
        Service::Ses => ("Amazon SES", ("versendet die E-Mails", "sends the e-mails")),
        Service::Sns => (
            "Amazon SNS",
            (
                "Alarme an den Betrieb, keine personenbezogenen Daten",
                "alarms to the operators, no personal data",
            ),
        ),
        Service::EventBridge => (
            "Amazon EventBridge",
            (
                "meldet Zustellung, Rückläufer und Beschwerden zurück",
                "reports deliveries, bounces and complaints",
            ),
        ),
        Service::Scheduler => (
            "Amazon EventBridge Scheduler",
            (
                "startet regelmäßige Läufe, keine personenbezogenen Daten",
                "starts regular runs, no personal data",
            ),
        ),
        Service::SecretsManager => (
            "AWS Secrets Manager",
            (
                "verwahrt die Geheimnisse der Plattform",
                "keeps the platform's secrets",
            ),
        ),
        Service::Kms => (
            "AWS KMS",
            ("Schlüssel der Verschlüsselung", "keys of the encryption"),
        ),
        Service::CloudWatchLogs => (
            "Amazon CloudWatch Logs",
            (
                "Betriebsprotokolle, keine personenbezogenen Daten",
                "logs, no personal data",
            ),
        ),
        Service::CloudWatch => (
            "Amazon CloudWatch",
            (
                "Messwerte und Alarme, keine personenbezogenen Daten",
                "metrics and alarms, no personal data",
            ),
        ),
    }
}
