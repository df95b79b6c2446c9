//! What only a repair meets; how histories end is tested with `histories`.

use super::*;
use crate::address::EmailAddress;
use crate::crypto::{AccountKeyMaterial, PlatformSecrets};
use crate::entropy::SeededEntropy;
use crate::hold::Hold;
use crate::id::{AccountId, PersonKey};
use crate::page_language::Language;
use crate::person::LegalBasis;
use crate::record::Step;
use crate::time::zone;

const KEY: PersonKey = PersonKey::from_bytes([7; 16]);

fn at(text: &str) -> Timestamp {
    text.parse().unwrap()
}

fn scope() -> AccountScope {
    let secrets = PlatformSecrets::parse(r#"{"1":"0123456789abcdef0123456789abcdef"}"#);
    let secrets = secrets.unwrap();
    let key = AccountKeyMaterial::generate(&secrets, &SeededEntropy::new(1));
    let account = AccountId::parse("demo").unwrap();
    AccountScope::new(account, key.key(&secrets).unwrap())
}

#[test]
fn who_had_left_ends_again_but_what_a_hold_keeps_has_no_end() {
    let vienna = zone("Europe/Vienna").unwrap();
    let (joined, left) = (at("2027-01-01T00:00:00Z"), at("2027-02-01T00:00:00Z"));
    let address = EmailAddress::parse("somebody@shop.example").unwrap();
    let consent = ListConsent {
        since: joined,
        basis: LegalBasis::SoftOptInAt,
        proof: Proof::Import(crate::id::ImportId::generate(
            joined,
            &SeededEntropy::new(1),
        )),
    };
    // The write of the profile that stayed knows nothing of the leaving.
    let profile = Profile {
        person: KEY,
        rev: 3,
        address: address.clone(),
        spellings: vec![address],
        values: BTreeMap::new(),
        lists: [(ListId::parse("news").unwrap(), consent)].into(),
        provenance: Vec::new(),
        interests: Vec::new(),
        tracking_since: None,
        profiling_since: None,
        language: Language::De,
        customer: false,
        created_at: joined,
        ended_on: None,
        gone_at: None,
    };
    let until = "2034-12-31".parse().unwrap();
    let hold = Hold::new("§ 132 BAO".to_owned(), until, &vienna, left).unwrap();
    for hold in [None, Some(hold)] {
        let is_held = hold.is_some();
        let mut tombstone = Tombstone::none(KEY);
        tombstone.note(TombstoneKind::Unsubscribed, left);
        let person = Person {
            profile: Some(profile.clone()),
            withdrawal: Some(Withdrawal {
                rev: 1,
                all_at: Some(left),
                hold,
                ..Withdrawal::none(KEY)
            }),
            tombstone: Some(tombstone),
            ..Person::unknown(KEY)
        };
        let remembered = Remembered {
            person: &person,
            sign_ups: &[],
            unsubscriptions: &[],
            erasures: &[],
            suppressed_since: None,
        };
        let transaction = rederive(&scope(), remembered, joined, &vienna).unwrap();
        let profile = transaction.0.iter().find_map(|step| match step {
            Step::Put(Record::Profile(profile), _) => Some(profile),
            _ => None,
        });
        let profile = profile.expect("a profile");
        assert_eq!(profile.ended_on, Some("2027-02-01".parse().unwrap()));
        assert_eq!(profile.gone_at.is_none(), is_held);
    }
}

#[test]
fn either_of_withdrawal_and_tombstone_brings_back_that_a_consent_was_withdrawn() {
    let vienna = zone("Europe/Vienna").unwrap();
    let at = at("2027-02-01T00:00:00Z");
    let mut withdrawal = Withdrawal::none(KEY);
    withdrawal.note_purpose(Purpose::Tracking, Some(at));
    let mut tombstone = Tombstone::none(KEY);
    tombstone.note_purpose(Purpose::Profiling, Some(at));
    let person = Person {
        withdrawal: Some(withdrawal),
        tombstone: Some(tombstone),
        ..Person::unknown(KEY)
    };
    let remembered = Remembered {
        person: &person,
        sign_ups: &[],
        unsubscriptions: &[],
        erasures: &[],
        suppressed_since: None,
    };
    let transaction = rederive(&scope(), remembered, at, &vienna).unwrap();
    let mut found = 0;
    for step in transaction.0 {
        for purpose in Purpose::ALL {
            let known = match &step {
                Step::Put(Record::Withdrawal(one), _) => one.purpose_at(purpose),
                Step::Put(Record::Tombstone(one), _) => one.purpose_at(purpose),
                _ => continue,
            };
            assert_eq!(known, Some(at));
            found += 1;
        }
    }
    assert_eq!(found, 4);
}
