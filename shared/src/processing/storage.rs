//! Place, period and deadline of storage: every store of the policy, in words.
//!
//! The periods are the policy's own, as the account has set them. A new store does not compile until it has words here.

use super::Basis;
use super::document::{Both, Writer};
use crate::page_language::Language;
use crate::policy::{DeletedBy, Event, InArchive, Kept, Period, Settings, Store};

pub(super) fn write(w: &mut Writer, basis: &Basis<'_>) {
    let facts = basis.facts;
    w.section(
        "storage",
        (
            "Ort, Dauer und Frist der Speicherung",
            "Place, period and deadline of storage",
        ),
    );
    w.text(
        ("Ort", "Place"),
        match w.language {
            Language::De => format!(
                "Rechenzentren von Amazon Web Services in der Europäischen Union: Region {}; im Produktivbetrieb eine zweite, laufend abgeglichene Kopie in {}",
                basis.region, facts.regions.replica
            ),
            Language::En => format!(
                "Data centres of Amazon Web Services in the European Union: region {}; in production a second copy, continuously synchronised, in {}",
                basis.region, facts.regions.replica
            ),
        },
    );
    w.fixed(
        ("Frist der Stammdaten", "Deadline of master data"),
        (
            "Ende der Geschäftsbeziehung + 1 Kalendermonat, spätestens Auflösung des Kontos + 1 Monat; ab dann sind die Daten unlesbar und werden stündlich gelöscht",
            "End of the business relationship + 1 calendar month, at the latest closure of the account + 1 month; from then on the data cannot be read and are deleted hourly",
        ),
    );
    w.fixed(
        ("Keine Aufbewahrungspflicht", "No duty to keep"),
        (
            "Aus der DSGVO folgt keine Pflicht zur Aufbewahrung; eine Löschung wird nicht durch sie aufgehalten (Art. 5 Abs. 1 lit. e).",
            "The GDPR brings no duty to keep data; it never holds up an erasure (Art. 5(1)(e)).",
        ),
    );
    w.fixed(
        ("Gesetzliche Aufbewahrung", "Legal hold"),
        (
            "Nur ein eingetragener Vermerk mit Rechtsgrundlage und letztem Tag (Art. 17 Abs. 3 lit. b und e) schiebt die Löschung einer Person auf; bis dahin sind ihre Daten eingeschränkt (Art. 18), danach wird eine verlangte Löschung ausgeführt. Mit der Auflösung des Kontos endet auch er: die Daten sind dem Verantwortlichen vorher herauszugeben.",
            "Only a record with its legal basis and its last day (Art. 17(3)(b) and (e)) puts off the erasure of a person; until then their data are restricted (Art. 18), then an erasure that was asked for is done. It ends with the account, too: the data are to be handed to the controller before.",
        ),
    );
    let settings = Settings::of(basis.account, basis.setups);
    let rows = Store::ALL
        .into_iter()
        .map(|store| {
            vec![
                w.say(name(store)),
                kept(store.kept().under(&settings), w.language),
                w.say(deleted_by(store.deleted_by())),
                w.say(match store.in_archive() {
                    InArchive::Set(_) => ("ja", "yes"),
                    InArchive::No(_) => ("nein", "no"),
                }),
            ]
        })
        .collect();
    w.table(
        ("Fristen je Datenbestand", "Periods of each store"),
        &[
            ("Datenbestand", "Store"),
            ("Aufbewahrung", "Kept"),
            ("Gelöscht durch", "Deleted by"),
            ("Im Kontoarchiv", "In the account archive"),
        ],
        rows,
    );
    w.text(
        ("Letzte Kopie einer gelöschten Person", "Last copy of an erased person"),
        match w.language {
            Language::De => format!(
                "spätestens nach {} Tagen (Kontoarchiv) und {} Tagen (Vollsicherung); bis dahin verschlüsselt und für den Betrieb nicht lesbar",
                facts.expiration_days("archives"),
                facts.full_copy_days()
            ),
            Language::En => format!(
                "after {} days (account archive) and {} days (full copy) at the latest; encrypted until then and not read by the service",
                facts.expiration_days("archives"),
                facts.full_copy_days()
            ),
        },
    );
}

/// What a store is called.
pub(super) const fn name(store: Store) -> Both {
    match store {
        Store::Account => ("Konto des Verantwortlichen", "The controller's account"),
        Store::Directory => ("Verzeichnis der Konten", "Directory of accounts"),
        Store::ApiKey => (
            "Zugangsschlüssel (nur als Prüfsumme)",
            "API keys (as hashes only)",
        ),
        Store::Processing => (
            "Angaben zu diesem Verzeichnis",
            "Statements for this record",
        ),
        Store::Dpia => (
            "Antworten zur Datenschutz-Folgenabschätzung",
            "Answers on the DPIA",
        ),
        Store::Operator => (
            "Angaben des Auftragsverarbeiters",
            "The processor's statements",
        ),
        Store::List => ("Listen", "Lists"),
        Store::RetiredList => (
            "Kennungen gelöschter Listen",
            "Identifiers of deleted lists",
        ),
        Store::Field => ("Eigene Felder", "Declared fields"),
        Store::UnsubscribeSetup => ("Abmeldeverfahren", "Unsubscribe setups"),
        Store::Setup => ("Anmeldeverfahren", "Sign-up setups"),
        Store::Interest => ("Interessen", "Interests"),
        Store::TargetGroup => ("Zielgruppen", "Target groups"),
        Store::Template => ("Vorlagen", "Templates"),
        Store::Helper => ("Personalisierungshilfen", "Personalisation helpers"),
        Store::DynamicContent => ("Dynamische Inhalte", "Dynamic contents"),
        Store::Profile => ("Stammdaten der Empfänger", "Subscribers' master data"),
        Store::Withdrawal => ("Widerrufe", "Withdrawals"),
        Store::Tombstone => (
            "Sperrvermerke ohne Adresse",
            "Suppression marks without address",
        ),
        Store::PendingSignUp => ("Unbestätigte Anmeldungen", "Unconfirmed sign-ups"),
        Store::SignUp => ("Einwilligungsnachweise", "Consent evidence"),
        Store::Unsubscription => ("Abmeldungen", "Unsubscriptions"),
        Store::AddressChange => (
            "Beantragte Adressänderungen (Schlüsselwerte)",
            "Changes of address that wait (keyed hashes)",
        ),
        Store::Outbox => (
            "Zu versendende Einzel-E-Mails",
            "Mails to one person, waiting to be sent",
        ),
        Store::Campaign => ("Aussendungen und Summen", "Campaigns and their totals"),
        Store::Ledger => ("Versandprotokoll je Empfänger", "Send ledger per recipient"),
        Store::Import => ("Importe und ihre Summen", "Imports and their totals"),
        Store::ImportReport => (
            "Berichte der Importe (nur Zeilennummern)",
            "Reports of imports (line numbers only)",
        ),
        Store::ImportFile => ("Importdateien", "Import files"),
        Store::ExportFile => ("Exportdateien", "Export files"),
        Store::Archive => ("Kontoarchiv (täglich)", "Account archive (daily)"),
        Store::ArchivePart => (
            "Zwischenstand eines Kontoarchivs",
            "Progress of an account archive",
        ),
        Store::GuardCounter => (
            "Zähler gegen Missbrauch (Schlüsselwerte, keine IP-Adressen)",
            "Counters against abuse (keyed hashes, no IP addresses)",
        ),
        Store::FormNonce => (
            "Einmalwerte gesendeter Formulare (zufällig)",
            "Nonces of forms that were sent (random)",
        ),
        Store::IdempotencyKey => (
            "Gemerkte Antworten der Schnittstelle",
            "Remembered answers of the API",
        ),
        Store::DeletionReport => (
            "Löschberichte (nur Zahlen)",
            "Deletion reports (numbers only)",
        ),
        Store::ClosingReport => (
            "Abschlussberichte aufgelöster Konten (nur Zahlen)",
            "Closing reports of accounts that are gone (numbers only)",
        ),
        Store::EvidenceLedger => (
            "Siegel über die Nachweise (nur Prüfsummen)",
            "Seals over the evidence (digests only)",
        ),
        Store::Document => (
            "Gezeigte Texte (Formulare, Hinweise, E-Mails)",
            "Words shown (forms, notices, mails)",
        ),
        Store::SealingKey => (
            "Öffentliche Schlüssel der Siegel",
            "Public keys of the seals",
        ),
        Store::Suppression => (
            "Sperrliste (Adressen nur als Schlüsselwerte)",
            "Suppressions (addresses as keyed hashes only)",
        ),
        Store::EcgList => ("ECG-Liste (nur Prüfsummen)", "The ECG list (digests only)"),
        Store::Restore => (
            "Wiederherstellungen (Zahlen und Schlüsselwerte)",
            "Restores (numbers and keyed hashes)",
        ),
        Store::Quarantine => (
            "Wiederherzustellendes in Quarantäne",
            "What is to be restored, in quarantine",
        ),
        Store::Erasure => (
            "Löschnachweise (Schlüsselwert, Zeitpunkte)",
            "Proofs of erasure (keyed hash, times)",
        ),
        Store::SealedEvidence => (
            "Versiegelte Nachweise gelöschter Personen (verschlüsselt, nur für Rechtsansprüche)",
            "Sealed evidence of erased people (encrypted, for legal claims only)",
        ),
        Store::Webhook => (
            "Empfänger von Benachrichtigungen",
            "Recipients of notifications",
        ),
        Store::Delivery => (
            "Benachrichtigungen an Empfänger (Schlüsselwert, Zeitpunkte)",
            "Notifications of recipients (keyed hash, times)",
        ),
        Store::LegalKey => (
            "Öffentlicher Schlüssel der versiegelten Nachweise",
            "Public key of the sealed evidence",
        ),
        Store::Audit => (
            "Protokoll der Einsicht in versiegelte Nachweise",
            "Log of who opened sealed evidence",
        ),
        Store::PersonRequest => (
            "Anträge betroffener Personen und ihre Erledigung (Schlüsselwert)",
            "Requests of data subjects and their answers (keyed hash)",
        ),
        Store::AuditLog => (
            "Zugriffsprotokoll der Schnittstelle (nur Kennungen)",
            "Audit log of the API (identifiers only)",
        ),
        Store::FullCopy => ("Vollsicherung", "Full copy"),
        Store::Log => (
            "Betriebsprotokolle (ohne personenbezogene Daten)",
            "Logs (without personal data)",
        ),
    }
}

/// A period as people read it.
pub(super) fn kept(kept: Kept, language: Language) -> String {
    match kept {
        Kept::WithAccount => language
            .pick("solange das Konto besteht", "as long as the account")
            .to_owned(),
        Kept::WithPlatform => language
            .pick(
                "solange die Plattform betrieben wird",
                "as long as the platform is run",
            )
            .to_owned(),
        Kept::For(event, period) => {
            let (de, en) = match event {
                Event::Written => ("ab dem Schreiben", "from when it was written"),
                Event::SignedUp => ("ab der Anmeldung", "from the sign-up"),
                Event::RelationshipEnded => (
                    "ab dem Ende der Geschäftsbeziehung",
                    "from the end of the business relationship",
                ),
                Event::Erased => ("ab der Löschung der Person", "from the person's erasure"),
                Event::AccountClosed => (
                    "ab der Auflösung des Kontos",
                    "from the closure of the account",
                ),
            };
            if let Period::Months { months: 0, .. } = period {
                return language
                    .pick("wird nicht aufbewahrt", "not kept")
                    .to_owned();
            }
            format!("{} {}", length(period, language), language.pick(de, en))
        }
    }
}

fn length(period: Period, language: Language) -> String {
    let (number, setting, one, many): (u32, _, Both, Both) = match period {
        Period::Hours(hours) => (hours, None, ("Stunde", "hour"), ("Stunden", "hours")),
        Period::Days { days, setting } => (days, setting, ("Tag", "day"), ("Tage", "days")),
        Period::Months { months, setting } => (
            months,
            setting,
            ("Kalendermonat", "calendar month"),
            ("Kalendermonate", "calendar months"),
        ),
    };
    let (de, en) = if number == 1 { one } else { many };
    let unit = language.pick(de, en);
    match setting {
        Some((_, most)) if most > number => format!(
            "{number} {unit} ({} {most})",
            language.pick("einstellbar bis", "may be set up to")
        ),
        _ => format!("{number} {unit}"),
    }
}

const fn deleted_by(by: DeletedBy) -> Both {
    match by {
        DeletedBy::Sweeper => (
            "stündlicher Löschlauf, dahinter die Ablaufzeit der Datenbank",
            "the hourly sweeper, the database's time to live behind it",
        ),
        DeletedBy::SweeperWithObjects | DeletedBy::SweeperOfObjects => (
            "stündlicher Löschlauf, jede Fassung jeder Datei, dahinter die Ablaufregel des Speichers",
            "the hourly sweeper, each version of each file, the bucket's lifecycle rule behind it",
        ),
        DeletedBy::TimeToLive => ("Ablaufzeit der Datenbank", "the database's time to live"),
        // S3 rounds up to the next midnight; a promise to the hour it is not.
        DeletedBy::Lifecycle => (
            "Ablaufregel des Speichers, gerundet auf die nächste Mitternacht (UTC)",
            "the bucket's lifecycle rule, rounded up to the next midnight (UTC)",
        ),
        DeletedBy::AccountClosure => ("Auflösung des Kontos", "closure of the account"),
        DeletedBy::Controller => (
            "Verantwortlicher, spätestens Auflösung des Kontos",
            "the controller, at the latest closure of the account",
        ),
        DeletedBy::Service => ("Frist des Dienstes", "the service's retention"),
        DeletedBy::Operator => ("Auftragsverarbeiter", "the processor"),
    }
}
