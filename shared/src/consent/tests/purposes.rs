//! Withdrawing what somebody agreed to beside lists.

use super::*;
use crate::person::Purpose;
use crate::restore::replay::{ArchivedSubscriber, Fate, Known, subscriber};

#[test]
fn a_withdrawn_consent_is_remembered_and_neither_an_archive_nor_an_old_link_brings_it_back() {
    let mut model = Model::new();
    let key = model.scope.person(&EmailAddress::parse(WHO).unwrap());
    let zone = zone("Europe/Vienna").unwrap();
    model.sign_up(Mode::Single, &["news"], WHO);
    let given = model.now;
    let mut profile = model.person(key).profile.unwrap();
    profile.tracking_since = Some(given);
    let place = model.scope.profile(key);
    let stored = Record::Profile(Box::new(profile.clone()));
    model.items.insert(place, stored);
    assert_eq!(
        model.person(key).agrees_since(Purpose::Tracking),
        Some(given)
    );
    model.wait(60);
    let left = model.now;
    let end =
        |model: &Model, purpose| end_purpose(&model.scope, &model.person(key), purpose, model.now);
    assert_eq!(end(&model, Purpose::Profiling), None, "never given");
    let ended = end(&model, Purpose::Tracking).unwrap();
    model.commit(&ended).unwrap();
    assert_eq!(end(&model, Purpose::Tracking), None, "once");
    let person = model.person(key);
    assert_eq!(person.agrees_since(Purpose::Tracking), None);
    assert_eq!(person.withdrew_at(Purpose::Tracking), Some(left));
    assert_eq!(
        person
            .profile
            .as_ref()
            .unwrap()
            .agreed_at(Purpose::Tracking),
        Some(given),
        "until when it counted can be shown"
    );
    assert_eq!(model.active(WHO), ["news"], "the lists are another consent");

    // The profile is lost with all that stood beside it, and an archive of before comes back.
    let archived = ArchivedSubscriber {
        profile,
        withdrawal: None,
    };
    let live = Person {
        tombstone: person.tombstone.clone(),
        ..Person::unknown(key)
    };
    let back = subscriber(&archived, &live, Known::Absent, &zone, model.now);
    assert_eq!(back.fate, Fate::Added);
    let profile = back.profile.unwrap();
    let withdrawal = back.withdrawal.as_ref();
    assert_eq!(profile.agrees_since(Purpose::Tracking, withdrawal), None);

    // A form from before does not bring it back, one from after does once it is confirmed, and
    // one that nobody confirms never.
    let asked = SignUp {
        mode: Mode::Double,
        tracking_consent: Some(true),
        ..model.sign_ups(key).remove(0)
    };
    model.wait(60);
    let later = SignUp {
        signed_up_at: model.now,
        ..asked.clone()
    };
    let unconfirmed = SignUp {
        mode: Mode::Single,
        ..later.clone()
    };
    for (sign_up, back) in [(asked, false), (later, true), (unconfirmed, false)] {
        for known in [person.clone(), live.clone()] {
            let profile = subscribed(&known, &sign_up, model.now);
            let since = profile.agrees_since(Purpose::Tracking, known.withdrawal.as_ref());
            assert_eq!(since.is_some(), back, "{:?}", sign_up.mode);
        }
    }
}
