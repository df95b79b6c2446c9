//! The vector file is the table; what it cannot say (masking, serde, limits of folding) is
//! here.

use proptest::prelude::*;

use super::*;

#[derive(Deserialize)]
struct Vectors {
    version: u32,
    cases: Vec<Case>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Case {
    input: String,
    sendable: Option<String>,
    folded: Option<String>,
    error: Option<String>,
}

#[test]
fn every_vector_of_canonical_form_v1_holds() {
    let vectors: Vectors =
        serde_json::from_str(include_str!("../../vectors/address-v1.json")).unwrap();
    assert_eq!(vectors.version, 1);
    assert!(vectors.cases.len() >= 60);
    for case in vectors.cases {
        let input = &case.input;
        match EmailAddress::parse(input) {
            Ok(address) => {
                assert_eq!(Some(address.reveal()), case.sendable.as_deref(), "{input}");
                assert_eq!(
                    Some(address.folded().reveal_bytes()),
                    case.folded.as_deref().map(str::as_bytes),
                    "{input}"
                );
                assert_eq!(case.error, None, "{input}");
            }
            Err(error) => {
                assert_eq!(Some(error.code()), case.error.as_deref(), "{input}");
                assert_eq!(case.sendable, None, "{input}");
            }
        }
    }
}

#[test]
fn gmail_variants_count_as_one_mailbox_for_limits_and_stay_two_people() {
    let rate = |typed: &str| EmailAddress::parse(typed).unwrap().rate_key_form();
    let table = [
        ("m.a.x@gmail.com", "max@gmail.com", true),
        ("Max+shop@gmail.com", "max@gmail.com", true),
        ("max@googlemail.com", "max@gmail.com", true),
        ("Max@X.DE", "max@x.de", true),
        ("m.a.x@x.de", "max@x.de", false),
        ("max+shop@x.de", "max@x.de", false),
        ("max@gmail.com.example.org", "max@gmail.com", false),
    ];
    for (one, other, same) in table {
        assert_eq!(rate(one) == rate(other), same, "{one} {other}");
    }
    let folded = |typed: &str| EmailAddress::parse(typed).unwrap().folded();
    assert_ne!(folded("m.a.x@gmail.com"), folded("max@gmail.com"));
    assert_eq!(folded("MAX@gmail.com"), folded("max@GMAIL.com"));
}

#[test]
fn no_debug_output_shows_an_address() {
    let address = EmailAddress::parse("Zacharias.Quux@x.de").unwrap();
    let printed = format!(
        "{address:?} {:?} {:?}",
        address.folded(),
        address.rate_key_form()
    );
    assert_eq!(
        printed,
        "EmailAddress(***) FoldedAddress(***) RateKeyForm(***)"
    );
}

#[test]
fn deserializing_goes_through_parse_and_does_not_echo() {
    let address: EmailAddress = serde_json::from_str(r#""Max@X.DE""#).unwrap();
    assert_eq!(serde_json::to_string(&address).unwrap(), r#""Max@x.de""#);
    let error = serde_json::from_str::<EmailAddress>(r#""Zacharias""#).unwrap_err();
    assert!(error.to_string().starts_with("the address has no @"));
    let escaped = serde_json::from_str::<EmailAddress>(r#""a@x.de\r\nBcc: b@x.de""#).unwrap_err();
    assert!(escaped.to_string().contains("control character"));
}

#[test]
fn parts_are_the_two_sides_of_the_last_at() {
    let address = EmailAddress::parse("Max.Muster@Bücher.Example").unwrap();
    assert_eq!(address.reveal_local_part(), "Max.Muster");
    assert_eq!(address.domain(), "xn--bcher-kva.example");
}

proptest! {
    #[test]
    fn parsing_what_was_revealed_changes_nothing(
        typed in "[ ]?[a-zA-Z0-9.!#$%&'*+/=?^_{|}~-]{1,70}@[a-zA-Z0-9äöüßé。-]{1,20}[.][a-zA-Z]{1,10}[ ]?"
    ) {
        if let Ok(address) = EmailAddress::parse(&typed) {
            prop_assert_eq!(&EmailAddress::parse(address.reveal()).unwrap(), &address);
            let folded = String::from_utf8(address.folded().reveal_bytes().to_vec()).unwrap();
            prop_assert_eq!(EmailAddress::parse(&folded).unwrap().folded(), address.folded());
            prop_assert!(address.reveal().is_ascii());
            prop_assert!(address.reveal().len() <= MAX_ADDRESS_OCTETS);
        }
    }

    #[test]
    fn no_text_makes_parsing_panic_or_lets_a_control_through(typed in any::<String>()) {
        if let Ok(address) = EmailAddress::parse(&typed) {
            prop_assert!(!address.reveal().contains(|c: char| c.is_control() || c == ' '));
        }
    }
}
