//! Every member and every value of a closed list that an export can have has its words.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use rundbrief::address::EmailAddress;
use rundbrief::campaign::ledger::Skip;
use rundbrief::campaign::outcome::Failure;
use rundbrief::erasure::{AskedBy, Erasure, Left, SesEntries, SesReason, Task, Told};
use rundbrief::evidence::{Digest, Entry};
use rundbrief::form::FieldValue;
use rundbrief::hold::{Hold, Postponed};
use rundbrief::id::{
    AccountId, CampaignId, EventId, FieldKey, ImportId, InterestId, ListId, PersonKey, RecordId,
    SetupId, UnsubscribeSetupId, WebhookId,
};
use rundbrief::import::{Provenance, SoftOptInCondition};
use rundbrief::legal::AuditedAction;
use rundbrief::outbox::{Notice, Outbox};
use rundbrief::person::{
    ImportedConsent, LegalBasis, ListConsent, Profile, Proof, Tombstone, TombstoneKind,
    UnsubscribedVia, Unsubscription, Withdrawal,
};
use rundbrief::person_request::{PersonRequest, RequestKind, RequestState};
use rundbrief::personal::{ClientIp, PersonalText};
use rundbrief::setup::Mode;
use rundbrief::sign_up::{Channel, FieldAnswer, ListSnapshot, MailEvidence, SignUp, SignUpState};
use rundbrief::unsubscribe_setup::Reason;
use rundbrief::web_address::ClaimedAddress;
use rundbrief::webhook::Topic;
use rundbrief::webhook::delivery::Delivery;
use serde::Serialize;
use serde_json::{Value, json};

use super::*;

const AT: Timestamp = Timestamp::UNIX_EPOCH;
fn event() -> EventId {
    EventId::from_bytes([1; 16])
}

fn words(language: Language) -> Words<'static> {
    Words {
        language,
        fields: &[],
        lists: &[],
    }
}

fn person() -> PersonKey {
    PersonKey::from_bytes([7; 16])
}

fn address() -> EmailAddress {
    EmailAddress::parse("anna@kundin.example").unwrap()
}

fn list() -> ListId {
    ListId::parse("news").unwrap()
}

fn entry() -> Entry {
    Entry::generate(AT, &rundbrief::entropy::SeededEntropy::new(1))
}

fn consents() -> BTreeMap<ListId, ListConsent> {
    let by = |proof| ListConsent {
        since: AT,
        basis: LegalBasis::Consent,
        proof,
    };
    BTreeMap::from([
        (list(), by(Proof::SignUp(event()))),
        (
            ListId::parse("event").unwrap(),
            by(Proof::Import(ImportId::parse("imp_1").unwrap())),
        ),
    ])
}

fn imported() -> Vec<ImportedConsent> {
    vec![ImportedConsent {
        import: ImportId::parse("imp_1").unwrap(),
        at: AT,
        list: list(),
        data_only: true,
        provenance: Provenance {
            source: "Messe".to_owned(),
            legal_basis: LegalBasis::SoftOptInAt,
            consented_on: Some(jiff::civil::date(2027, 1, 1)),
            proof: Some("Formular".to_owned()),
            conditions: SoftOptInCondition::ALL.into_iter().collect(),
        },
    }]
}

fn profile() -> Profile {
    let text = |text| FieldValue::One(PersonalText::parse(text).unwrap());
    Profile {
        person: person(),
        rev: 1,
        address: address(),
        spellings: vec![address()],
        values: BTreeMap::from([
            (FieldKey::parse("first_name").unwrap(), text("Anna")),
            (FieldKey::parse("event").unwrap(), text("Hochzeit")),
            (FieldKey::parse("state").unwrap(), text("open")),
        ]),
        lists: consents(),
        provenance: imported(),
        interests: vec![InterestId::parse("garden").unwrap()],
        tracking_since: Some(AT),
        profiling_since: Some(AT),
        language: Language::De,
        customer: true,
        created_at: AT,
        ended_on: Some(jiff::civil::date(2027, 1, 1)),
        gone_at: Some(AT),
    }
}

fn withdrawal() -> Withdrawal {
    Withdrawal {
        person: person(),
        rev: 1,
        all_at: Some(AT),
        lists: BTreeMap::from([(list(), AT)]),
        bounced_at: Some(AT),
        complained_at: Some(AT),
        restricted_at: Some(AT),
        restriction_lifted_at: Some(AT),
        suppressed_at: Some(AT),
        tracking_withdrawn_at: Some(AT),
        profiling_withdrawn_at: Some(AT),
        hold: Some(Hold {
            basis: "§ 132 BAO".to_owned(),
            required_until: jiff::civil::date(2028, 1, 1),
            until: AT,
            since: AT,
            erasure: Some(Postponed {
                asked_at: AT,
                by: AskedBy::Person,
            }),
        }),
    }
}

fn tombstone() -> Tombstone {
    use TombstoneKind::{Bounced, Complained, Erased, Objected, Restricted, Unsubscribed};
    let kinds = [
        Bounced,
        Complained,
        Erased,
        Objected,
        Restricted,
        Unsubscribed,
    ];
    Tombstone {
        person: person(),
        rev: 1,
        at: kinds.into_iter().map(|kind| (kind, AT)).collect(),
        lists: BTreeMap::from([(list(), AT)]),
        lifted_at: Some(AT),
        suppressed_at: Some(AT),
        tracking_withdrawn_at: Some(AT),
        profiling_withdrawn_at: Some(AT),
        not_me: BTreeMap::from([(SetupId::parse("double").unwrap(), AT)]),
    }
}

fn sign_up() -> SignUp {
    SignUp {
        event: event(),
        person: person(),
        rev: 1,
        setup: SetupId::parse("double").unwrap(),
        mode: Mode::Double,
        channel: Some(Channel::Email),
        state: SignUpState::Confirmed,
        email: address(),
        form_url: "https://muster.example/".to_owned(),
        form_url_claimed: ClaimedAddress::clean("https://muster.example/"),
        form_ip: ClientIp::parse("192.0.2.1").unwrap(),
        confirm_ip: Some(ClientIp::parse("192.0.2.2").unwrap()),
        signed_up_at: AT,
        confirmed_at: Some(AT),
        fields: vec![FieldAnswer {
            key: FieldKey::parse("city").unwrap(),
            label: "Ort".to_owned(),
            required: true,
            value: Some(FieldValue::One(PersonalText::parse("Wien").unwrap())),
        }],
        lists: vec![ListSnapshot {
            id: list(),
            name: "Neues".to_owned(),
        }],
        interests: vec![InterestId::parse("garden").unwrap()],
        tracking_consent: Some(true),
        profiling_consent: Some(true),
        age_confirmed: Some(true),
        subscriber: Some(person()),
        form_version: "0".repeat(64),
        consent_wording: "Ja.".to_owned(),
        notice_version: Some("0".repeat(64)),
        language: Language::De,
        gone_at: Some(AT),
        entry: Some(entry()),
        confirmed_entry: Some(entry()),
        former: Some(person()),
        mails: vec![MailEvidence {
            mail: "confirmation".to_owned(),
            mailed_at: AT,
            message_id: Some("1".to_owned()),
            document: Digest::of(&[]),
            sha256: Digest::of(&[]),
            entry: entry(),
        }],
    }
}

fn unsubscription() -> Unsubscription {
    Unsubscription {
        event: event(),
        person: person(),
        rev: 1,
        at: AT,
        via: UnsubscribedVia::Page,
        lists: vec![list()],
        all: true,
        campaign: Some(CampaignId::parse("cmp_1").unwrap()),
        entry: Some(entry()),
        setup: Some(UnsubscribeSetupId::parse("bye").unwrap()),
        reason: Some(Reason::TooMany),
        anonymise_at: Some(AT),
        anonymised_at: Some(AT),
        successor: Some(person()),
    }
}

fn notices() -> [Notice; 6] {
    [
        Notice::Confirmation { sign_up: event() },
        Notice::Reminder { sign_up: event() },
        Notice::Information { sign_up: event() },
        Notice::MailboxProof,
        Notice::LeaveRequest {
            campaign: Some(CampaignId::parse("cmp_1").unwrap()),
            list: Some(list()),
            reason: Some(Reason::Other),
        },
        Notice::Farewell {
            unsubscription: event(),
        },
    ]
}

fn outbox(notice: Notice) -> Outbox {
    Outbox {
        event: event(),
        person: person(),
        rev: 1,
        notice,
        not_before: AT,
        given_up: true,
        retry_at: AT,
        leased_until: Some(AT),
        attempts: 1,
        mailed_at: Some(AT),
        gone_at: AT,
    }
}

fn erasure() -> Erasure {
    let webhook = |id| WebhookId::parse(id).unwrap();
    Erasure {
        event: event(),
        person: person(),
        rev: 1,
        requested_at: AT,
        by: AskedBy::Person,
        done: Task::ALL.into_iter().map(|task| (task, AT)).collect(),
        sealed: 2,
        sealed_until: Some(AT),
        recipients: BTreeMap::from([
            (webhook("wh_1"), Told::Waiting),
            (webhook("wh_2"), Told::Acknowledged(AT)),
            (webhook("wh_3"), Told::NotAcknowledged(AT)),
        ]),
        linked: vec![RecordId {
            person: person(),
            event: event(),
        }],
        ses: SesEntries {
            spellings: 3,
            removed: [SesReason::Bounce, SesReason::Complaint, SesReason::Other]
                .into_iter()
                .map(|reason| (reason, 1))
                .collect(),
            failed_calls: 1,
        },
        archives_gone_by: Some(AT),
        left: Some(Left {
            spellings: vec![address()],
            lists: consents(),
            provenance: imported(),
        }),
    }
}

fn request() -> PersonRequest {
    PersonRequest {
        event: event(),
        person: person(),
        rev: 1,
        request: RequestKind::Access,
        by_person: true,
        received_on: jiff::civil::date(2027, 1, 1),
        state: RequestState::Answered,
        extended_because: Some("viel".to_owned()),
        closed_at: Some(AT),
        closed_because: Some("erledigt".to_owned()),
        gone_at: Some(AT),
    }
}

fn delivery() -> Delivery {
    Delivery {
        account: AccountId::parse("demo").unwrap(),
        webhook: WebhookId::parse("wh_1").unwrap(),
        topic: Topic::Erasure,
        person: person(),
        event: event(),
        is_record: true,
        at: AT,
        rev: 1,
        attempts: 1,
        next_at: AT,
        acknowledged_at: Some(AT),
        given_up_at: Some(AT),
        written_at: AT,
        gone_at: AT,
    }
}

/// Everything that an export can have, with each member it may have. What the export shapes
/// itself stands here as it does there.
fn everything() -> Value {
    json!({
        "profile": profile(),
        "withdrawal": withdrawal(),
        "suppression": tombstone(),
        "sign_ups": [sign_up()],
        "unsubscriptions": [unsubscription()],
        "address_changes": [{
            "asked_at": AT, "until": AT, "successor": person(), "email": address(),
            "lists": sign_up().lists, "form_ip": sign_up().form_ip,
        }],
        "single_mails": notices().map(outbox),
        "campaigns": [{
            "campaign": "cmp_1", "name": "A", "subject": "B", "at": AT, "state": "sent",
            "reason": null, "events": ["delivered", "bounced", "complained"],
        }],
        "erasures": [erasure()],
        "restricted_evidence": [{"sealed_at": AT, "kept_until": AT}],
        "audit": [{
            "at": AT, "action": AuditedAction::OpenedSealedEvidence, "reason": "Klage",
        }],
        "requests": [request()],
        "told_to_recipients": [delivery()],
        "suppressed_address": {"note": "auf Wunsch", "created_at": AT},
    })
}

/// The members below a value that are ours, wherever they stand.
fn members(below: Below, value: &Value, found: &mut BTreeSet<String>) {
    match value {
        Value::Object(all) => {
            for (name, value) in all {
                let next = if below == Below::Members {
                    found.insert(name.clone());
                    Below::of(name)
                } else {
                    Below::Members
                };
                // Of an evidence entry nothing is shown.
                if words(Language::De).name(below, name).is_some() {
                    members(next, value, found);
                }
            }
        }
        Value::Array(all) => {
            for value in all {
                members(Below::Members, value, found);
            }
        }
        _ => {}
    }
}

#[test]
fn every_member_that_an_export_can_have_has_its_words_or_says_nothing_to_a_person() {
    let everything = everything();
    let mut found = BTreeSet::new();
    for store in rundbrief::policy::Store::ALL {
        let Some(name) = store.exported().name() else {
            continue;
        };
        assert!(!everything[name].is_null(), "{name} is not among these");
        members(Below::Members, &everything[name], &mut found);
    }
    let known = |member: &str| {
        TECHNICAL.contains(&member) || NAMES.iter().any(|(known, ..)| *known == member)
    };
    let without: Vec<&String> = found.iter().filter(|member| !known(member)).collect();
    assert!(without.is_empty(), "{without:?}");
    // And nothing stands in the list that no export has.
    let unused: Vec<&str> = NAMES
        .iter()
        .map(|(member, ..)| *member)
        .filter(|member| !found.contains(*member))
        .collect();
    assert!(unused.is_empty(), "{unused:?}");
    assert!(NAMES.is_sorted() && TECHNICAL.is_sorted());
}

#[test]
fn every_value_of_a_closed_list_has_its_words() {
    fn named<T: Serialize>(values: impl IntoIterator<Item = T>) -> Vec<String> {
        let names = values.into_iter().map(|value| json!(value));
        names
            .map(|name| name.as_str().unwrap().to_owned())
            .collect()
    }
    use RequestState::{Answered, Extended, Open, Refused};
    use SignUpState::{Active, Confirmed, Pending, Superseded, Suppressed};
    use UnsubscribedVia::{AddressChanged, Controller, OneClick, Page, Preferences};
    let skips = [
        Skip::Unsubscribed,
        Skip::Restricted,
        Skip::Bounced,
        Skip::Complained,
        Skip::Suppressed,
        Skip::NoProof,
        Skip::ConsentAfterStart,
        Skip::NotInList,
        Skip::TemplateFailed,
        Skip::Cancelled,
    ];
    let failures = [
        Failure::Rejected,
        Failure::InvalidParameter,
        Failure::Transient,
        Failure::Refused,
    ];
    let kinds: Vec<Value> = notices().iter().map(|notice| json!(notice)).collect();
    let kinds = kinds.iter().map(|notice| &notice["kind"]);
    let told = [
        Told::Waiting,
        Told::Acknowledged(AT),
        Told::NotAcknowledged(AT),
    ];
    let told = told.map(|told| json!(told)["state"].clone());
    let letters = ["confirmation", "reminder", "information", "farewell"];
    let fates = ["sent", "skipped", "failed", "unknown", "pending"];
    for (member, values) in [
        (
            "state",
            named([Pending, Confirmed, Active, Superseded, Suppressed]),
        ),
        ("state", named([Open, Extended, Answered, Refused])),
        ("state", named(told)),
        ("state", named(fates)),
        (
            "via",
            named([OneClick, Page, Preferences, AddressChanged, Controller]),
        ),
        ("mode", named([Mode::Single, Mode::Confirmed, Mode::Double])),
        ("channel", named([Channel::Email])),
        ("language", named(Language::ALL)),
        ("kind", named(kinds)),
        ("mail", named(letters)),
        ("request", named(RequestKind::ALL)),
        ("topic", named(Topic::ALL)),
        ("basis", named(LegalBasis::NAMES)),
        ("legal_basis", named(LegalBasis::NAMES)),
        ("conditions", named(SoftOptInCondition::ALL)),
        (
            "by",
            named([AskedBy::Controller, AskedBy::Person, AskedBy::Restore]),
        ),
        ("reason", named(Reason::ALL)),
        ("reason", named(skips)),
        ("reason", named(failures)),
        ("action", named([AuditedAction::OpenedSealedEvidence])),
        ("events", named(["delivered", "bounced", "complained"])),
    ] {
        for value in values {
            let de = words(Language::De).value(member, &value).to_owned();
            let en = words(Language::En).value(member, &value).to_owned();
            assert_ne!(de, en, "{member}: {value}");
        }
    }
    // What people write stays as it is.
    assert_eq!(words(Language::De).value("basis", "§ 132 BAO"), "§ 132 BAO");
}

#[test]
fn a_person_reads_names_and_no_revisions() {
    for (below, name, de, en) in [
        (
            Below::Members,
            "form_ip",
            Some("IP-Adresse der Anmeldung"),
            Some("IP address of the sign-up"),
        ),
        (
            Below::Fields,
            "first_name",
            Some("Vorname"),
            Some("First name"),
        ),
        (
            Below::Fields,
            "shoe_size",
            Some("shoe_size"),
            Some("shoe_size"),
        ),
        (Below::Members, "rev", None, None),
        (Below::Members, "confirmed_entry", None, None),
        // What a controller calls a field or a list says something, whatever we call so.
        (Below::Fields, "rev", Some("rev"), Some("rev")),
        (Below::Fields, "event", Some("event"), Some("event")),
        (Below::Lists, "person", Some("person"), Some("person")),
        (
            Below::Identifiers,
            "document",
            Some("document"),
            Some("document"),
        ),
    ] {
        assert_eq!(words(Language::De).name(below, name).as_deref(), de);
        assert_eq!(words(Language::En).name(below, name).as_deref(), en);
    }
}
