//! The privacy notice of a setup that names none: what the account says, and what the platform does.
//!
//! Its words follow from account and setup alone, so that every process writes the same ones.

use std::collections::BTreeMap;

use super::{Element, PrivacyNotice};
use crate::account::Account;
use crate::page_language::Language;
use crate::policy::{Kept, Period, Store};
use crate::processing::automated_decisions;
use crate::setup::{Mode, Setup};

/// The notice that follows from account and setup.
pub(super) fn notice(account: &Account, setup: &Setup) -> PrivacyNotice {
    let language = setup.language;
    let text = |element: Element| match element {
        Element::Controller => controller(account, language),
        Element::Purposes => purposes(setup),
        Element::Recipients => RECIPIENTS.pick(language).to_owned(),
        Element::Transfers => TRANSFERS.pick(language).to_owned(),
        Element::Storage => storage(account, setup),
        Element::Rights => rights(account, language),
        Element::Withdrawal => WITHDRAWAL.pick(language).to_owned(),
        Element::Complaint => COMPLAINT.pick(language).to_owned(),
    };
    let elements: BTreeMap<Element, String> = Element::ALL
        .into_iter()
        .map(|element| (element, text(element)))
        .collect();
    let url = Some(account.privacy_url.clone()).filter(|url| !url.is_empty());
    PrivacyNotice::new(language, elements, url)
}

struct Both(&'static str, &'static str);

impl Both {
    fn pick(&self, language: Language) -> &'static str {
        language.pick(self.0, self.1)
    }
}

const RECIPIENTS: Both = Both(
    "Der Betreiber der Versandplattform als Auftragsverarbeiter und Amazon Web Services EMEA SARL, Luxemburg (Speicherung und Versand); Ihr E-Mail-Anbieter, der die E-Mails zustellt.",
    "The operator of the mailing platform as processor and Amazon Web Services EMEA SARL, Luxembourg (storage and mailing); your e-mail provider, who delivers the e-mails.",
);
const TRANSFERS: Both = Both(
    "Keine Übermittlung vorgesehen: Gespeichert und versendet wird ausschließlich in Rechenzentren in der Europäischen Union. Für einen Zugriff der Muttergesellschaft von Amazon Web Services in den USA gelten Standardvertragsklauseln (Art. 46 Abs. 2 lit. c DSGVO).",
    "None intended: data are stored and mailed in data centres in the European Union only. Access by the parent of Amazon Web Services in the USA is covered by standard contractual clauses (Art. 46(2)(c) GDPR).",
);
const WITHDRAWAL: Both = Both(
    "Sie können Ihre Einwilligung jederzeit widerrufen, am einfachsten über den Abmeldelink in jeder E-Mail. Was bis dahin auf ihrer Grundlage geschehen ist, bleibt rechtmäßig.",
    "You can withdraw your consent at any time, most easily through the unsubscribe link in every e-mail. What was done on its basis until then remains lawful.",
);
const COMPLAINT: Both = Both(
    "Sie können sich bei einer Datenschutz-Aufsichtsbehörde beschweren (Art. 77 DSGVO), insbesondere dort, wo Sie leben oder arbeiten; in Österreich bei der Datenschutzbehörde, Barichgasse 40-42, 1030 Wien, dsb.gv.at.",
    "You may complain to a data protection authority (Art. 77 GDPR), in particular where you live or work; in Austria to the Datenschutzbehörde, Barichgasse 40-42, 1030 Wien, dsb.gv.at.",
);
const PURPOSES: Both = Both(
    "Versand von E-Mails zu den gewählten Themen: Ihre Einwilligung (Art. 6 Abs. 1 lit. a DSGVO; in Österreich § 174 TKG 2021, in Deutschland § 7 UWG). Nachweis der Einwilligung mit Zeitpunkt, Inhalt und IP-Adresse: Art. 7 Abs. 1 in Verbindung mit Art. 6 Abs. 1 lit. c und f DSGVO. Nötig ist nur, was als Pflichtfeld gekennzeichnet ist; ohne diese Angaben ist keine Anmeldung möglich.",
    "Sending e-mails on the topics you choose: your consent (Art. 6(1)(a) GDPR; in Austria section 174 TKG 2021, in Germany section 7 UWG). Proof of the consent with time, content and IP address: Art. 7(1) with Art. 6(1)(c) and (f) GDPR. Only what is marked as required is needed; without it no sign-up is possible.",
);
const TRACKING: Both = Both(
    " Nur wenn Sie auch dem zustimmen: Auswertung, ob Sie E-Mails öffnen und welchen Links Sie folgen (Art. 6 Abs. 1 lit. a DSGVO).",
    " Only if you agree to that as well: evaluating whether you open e-mails and which links you follow (Art. 6(1)(a) GDPR).",
);
const PROFILING: Both = Both(
    " Nur wenn Sie auch dem zustimmen: Auswahl der Inhalte nach Ihren Angaben und Ihrem Verhalten (Profiling, Art. 6 Abs. 1 lit. a DSGVO).",
    " Only if you agree to that as well: choosing contents by your details and your behaviour (profiling, Art. 6(1)(a) GDPR).",
);

fn controller(account: &Account, language: Language) -> String {
    let mut said = account.name.clone();
    if !account.imprint.is_empty() {
        said.push('\n');
        said.push_str(&account.imprint);
    }
    if !account.contact.is_empty() {
        said.push('\n');
        said.push_str(language.pick("Datenschutz: ", "Data protection: "));
        said.push_str(&account.contact);
    }
    said
}

fn purposes(setup: &Setup) -> String {
    let mut said = PURPOSES.pick(setup.language).to_owned();
    if setup.asks_tracking_consent {
        said.push_str(TRACKING.pick(setup.language));
    }
    if setup.asks_profiling_consent {
        said.push_str(PROFILING.pick(setup.language));
    }
    said
}

/// The days of a store, as the policy declares them.
fn days(store: Store) -> u32 {
    match store.kept() {
        Kept::For(_, Period::Days { days, .. }) => days,
        Kept::For(..) | Kept::WithAccount | Kept::WithPlatform => 0,
    }
}

fn storage(account: &Account, setup: &Setup) -> String {
    let language = setup.language;
    let mut said = String::new();
    if setup.mode == Mode::Double {
        let days = setup.confirm_days;
        said.push_str(&match language {
            Language::De => format!(
                "Eine Anmeldung, die Sie nicht bestätigen, wird nach {days} Tagen gelöscht. "
            ),
            Language::En => {
                format!("A sign-up that you do not confirm is deleted after {days} days. ")
            }
        });
    }
    let (archive, full) = (days(Store::Archive), days(Store::FullCopy));
    let sealed = after_an_erasure(account.evidence_years_after_erasure, language);
    said.push_str(&match language {
        Language::De => format!(
            "Ihre Daten werden einen Kalendermonat nach dem Ende der Beziehung gelöscht, etwa nachdem Sie sich von allem abgemeldet haben. Der Nachweis von Einwilligung und Abmeldung wird aufbewahrt, solange der Verantwortliche diese Plattform nutzt{sealed}. Sicherungen werden nach {archive} und {full} Tagen gelöscht."
        ),
        Language::En => format!(
            "Your data are deleted one calendar month after the end of the relationship, for instance after you unsubscribed from everything. The proof of consent and unsubscription is kept as long as the controller uses this platform{sealed}. Backups are deleted after {archive} and {full} days."
        ),
    });
    said
}

/// How long the proof is kept of whom was erased.
fn after_an_erasure(years: u8, language: Language) -> String {
    match (years, language) {
        (0, Language::De) => ", und mit Ihren Daten gelöscht, wenn Sie das verlangen".to_owned(),
        (0, Language::En) => ", and erased with your data if you ask for that".to_owned(),
        (1, Language::De) => ", nach einer Löschung versiegelt höchstens ein Jahr".to_owned(),
        (1, Language::En) => ", after an erasure sealed for one year at most".to_owned(),
        (_, Language::De) => format!(", nach einer Löschung versiegelt höchstens {years} Jahre"),
        (_, Language::En) => format!(", after an erasure sealed for {years} years at most"),
    }
}

fn rights(account: &Account, language: Language) -> String {
    let contact = &account.contact;
    let automated = automated_decisions(account, language);
    match language {
        Language::De => format!(
            "Auskunft (Art. 15), Berichtigung (Art. 16), Löschung (Art. 17), Einschränkung (Art. 18), Datenübertragbarkeit (Art. 20) und Widerspruch (Art. 21 DSGVO). Wenden Sie sich dafür an: {contact}. {automated}"
        ),
        Language::En => format!(
            "Access (Art. 15), rectification (Art. 16), erasure (Art. 17), restriction (Art. 18), portability (Art. 20) and objection (Art. 21 GDPR). Please turn to: {contact}. {automated}"
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Element, InForce, Missing, PrivacyNotice, is_published, missing};
    use super::*;
    use crate::setup::Publication;
    use crate::setup::tests::{account, setup};

    type Take = fn(&mut Account);

    #[test]
    fn a_derived_notice_has_every_element_in_both_languages_and_changes_with_what_it_says() {
        let (account, mut setup) = (account(), setup());
        let mut versions = Vec::new();
        for language in Language::ALL {
            setup.language = language;
            let InForce::Derived { version, text } = InForce::of(&account, &setup) else {
                panic!("the setup names none");
            };
            let notice = PrivacyNotice::of_text(&text).unwrap();
            assert_eq!(notice.missing(), []);
            assert_eq!(notice.language, language);
            assert!(notice.elements[&Element::Rights].contains(&account.contact));
            assert!(notice.elements[&Element::Controller].contains(&account.imprint));
            assert!(notice.elements[&Element::Storage].contains("14"));
            versions.push(version);
        }
        setup.asks_profiling_consent = true;
        versions.push(InForce::of(&account, &setup).version());
        setup.confirm_days = 3;
        versions.push(InForce::of(&account, &setup).version());
        let mut moved = account.clone();
        moved.imprint = "Elsewhere".to_owned();
        versions.push(InForce::of(&moved, &setup).version());
        moved.automated_decisions = true;
        versions.push(InForce::of(&moved, &setup).version());
        let told = &notice(&moved, &setup).elements[&Element::Rights];
        assert!(told.contains("there are automated decisions"), "{told}");
        versions.sort_unstable();
        versions.dedup();
        assert_eq!(versions.len(), 6, "each says something else");
    }

    #[test]
    fn the_proof_is_kept_after_an_erasure_for_as_long_as_the_account_says() {
        let (mut account, mut setup) = (account(), setup());
        for (years, de, en) in [
            (0, "mit Ihren Daten gelöscht", "erased with your data"),
            (1, "höchstens ein Jahr", "one year at most"),
            (2, "höchstens 2 Jahre", "2 years at most"),
        ] {
            account.evidence_years_after_erasure = years;
            for (language, words) in [(Language::De, de), (Language::En, en)] {
                setup.language = language;
                let told = &notice(&account, &setup).elements[&Element::Storage];
                assert!(told.contains(words), "{told}");
                assert!(!told.contains("0 Jahre") && !told.contains("0 years"));
            }
        }
    }

    #[test]
    fn what_an_account_lacks_is_named_and_keeps_the_form_from_everybody() {
        let setup = setup();
        let table: [(Take, Missing); 3] = [
            (|account| account.imprint.clear(), Missing::Imprint),
            (|account| account.privacy_url.clear(), Missing::PrivacyUrl),
            (|account| account.contact = " ".to_owned(), Missing::Contact),
        ];
        for (take, what) in table {
            let mut lacking = account();
            take(&mut lacking);
            assert_eq!(missing(&lacking, &setup), [what]);
            assert!(!is_published(&lacking, &setup));
        }
        assert!(is_published(&account(), &setup));
        let mut held_back = setup.clone();
        held_back.publication = Publication::HeldBack;
        assert!(!is_published(&account(), &held_back));
        // A notice of the controller's own says whom to turn to.
        let mut named = setup;
        named.notice_version = Some("0".repeat(64));
        let mut lacking = account();
        lacking.contact.clear();
        lacking.privacy_url.clear();
        assert!(is_published(&lacking, &named));
        lacking.imprint.clear();
        assert_eq!(missing(&lacking, &named), [Missing::Imprint]);
    }
}
