//! Hostile values, exact header bytes, and limits plus and minus one.

use proptest::prelude::*;

use super::*;

fn decode(phrase: &str) -> String {
    phrase
        .split(' ')
        .map(|word| {
            assert!(word.len() <= 75, "{word}");
            let inner = word
                .strip_prefix("=?UTF-8?B?")
                .and_then(|word| word.strip_suffix("?="))
                .unwrap();
            String::from_utf8(STANDARD.decode(inner).unwrap()).unwrap()
        })
        .collect()
}

#[test]
fn no_header_text_takes_a_control_character() {
    for hostile in [
        "News\r\nBcc: eve@x.de",
        "News\nX: y",
        "News\r",
        "a\0b",
        "a\tb",
        "a\u{7f}",
        "a\u{85}b",
        "a\u{2028}b",
    ] {
        assert_eq!(
            HeaderText::parse(hostile),
            Err(InvalidHeader::ControlCharacter)
        );
        assert_eq!(
            SenderName::parse(hostile),
            Err(InvalidHeader::ControlCharacter)
        );
        let rendered = HeaderText::from_rendered(hostile).unwrap();
        assert!(!rendered.reveal().contains(breaks_lines));
    }
    assert_eq!(
        HeaderText::from_rendered("Hallo\r\n\tMax ")
            .unwrap()
            .reveal(),
        "Hallo Max"
    );
}

#[test]
fn header_texts_have_a_limit_in_characters() {
    assert!(HeaderText::parse(&"ä".repeat(998)).is_ok());
    assert_eq!(
        HeaderText::parse(&"ä".repeat(999)),
        Err(InvalidHeader::TooLong)
    );
    assert!(SenderName::parse(&"ä".repeat(100)).is_ok());
    assert_eq!(
        SenderName::parse(&"ä".repeat(101)),
        Err(InvalidHeader::TooLong)
    );
    assert_eq!(SenderName::parse("  "), Err(InvalidHeader::Empty));
    assert!(serde_json::from_str::<SenderName>(r#""a\nb""#).is_err());
}

#[test]
fn a_sender_is_quoted_or_encoded_and_its_address_never() {
    let address = EmailAddress::parse("news@muster.example").unwrap();
    let table = [
        ("Muster GmbH", r#""Muster GmbH" <news@muster.example>"#),
        (r#"A "B" \ C"#, r#""A \"B\" \\ C" <news@muster.example>"#),
        (
            "Eve <eve@x.de>,",
            r#""Eve <eve@x.de>," <news@muster.example>"#,
        ),
        ("Müller", "=?UTF-8?B?TcO8bGxlcg==?= <news@muster.example>"),
    ];
    for (name, expected) in table {
        let name = SenderName::parse(name).unwrap();
        assert_eq!(name.mailbox(&address), expected);
    }
}

#[test]
fn a_list_id_is_made_of_ids_and_bounded() {
    assert_eq!(
        list_id("demo", "News", "rundbrief.example"),
        Ok(vec![(
            "List-Id",
            "<news.demo.rundbrief.example>".to_owned()
        )])
    );
    for (account, list, namespace) in [
        ("demo", "a b", "x.de"),
        ("demo", "", "x.de"),
        ("demo", "a.b", "x.de"),
        ("demo", "news", "localhost"),
        ("demo", "news", "x..de"),
        ("demo", "n\u{e4}ws", "x.de"),
        ("demo", "news>", "x.de"),
        ("demo\r\n", "news", "x.de"),
    ] {
        assert_eq!(
            list_id(account, list, namespace),
            Err(InvalidHeader::NotDotAtom)
        );
    }
    let fixed = "..x.de".len();
    let of = |octets: usize| list_id("demo", &"l".repeat(octets - fixed - 4), "x.de");
    assert!(of(255).is_ok());
    assert_eq!(of(256), Err(InvalidHeader::TooLong));
}

#[test]
fn unsubscribing_is_exactly_two_headers() {
    let headers = |value: &str| {
        Ok(vec![
            ("List-Unsubscribe", value.to_owned()),
            (
                "List-Unsubscribe-Post",
                "List-Unsubscribe=One-Click".to_owned(),
            ),
        ])
    };
    assert_eq!(
        list_unsubscribe("https://m.example/unsubscribe/abc-_1", None),
        headers("<https://m.example/unsubscribe/abc-_1>")
    );
    assert_eq!(
        list_unsubscribe(
            "https://m.example/unsubscribe/abc",
            Some("mailto:leave@m.example?subject=abc")
        ),
        headers("<https://m.example/unsubscribe/abc>, <mailto:leave@m.example?subject=abc>")
    );
    assert!(list_unsubscribe("http://127.0.0.1:8080/unsubscribe/abc", None).is_ok());
    for (url, mailto) in [
        ("http://m.example/u", None),
        ("mailto:leave@m.example", None),
        ("https://m.example/u,v", None),
        ("https://m.example/u>", None),
        ("https://m.example/u v", None),
        ("https://m.example/u\r\nBcc: x", None),
        ("https://m.example/ü", None),
        ("https://m.example/u", Some("leave@m.example")),
        ("https://m.example/u", Some("mailto:leave")),
        ("https://m.example/u", Some("mailto:a@m.example>, <b")),
    ] {
        assert_eq!(
            list_unsubscribe(url, mailto),
            Err(InvalidHeader::UnusableUrl),
            "{url} {mailto:?}"
        );
    }
}

#[test]
fn an_unsubscribe_header_fits_what_ses_takes() {
    // 16 octets of name leave 980 of value, two of them angle brackets.
    let base = "https://m.example/";
    let of = |octets: usize| {
        list_unsubscribe(&format!("{base}{}", "t".repeat(octets - base.len())), None)
    };
    assert!(of(978).is_ok());
    assert_eq!(of(979), Err(InvalidHeader::TooLong));
}

proptest! {
    #[test]
    fn every_encoded_word_decodes_alone(name in "[a-z]{0,60}[äöü😀é日本 ]{1,40}[a-z ]{0,20}") {
        if let Ok(name) = SenderName::parse(&name) && !name.as_str().is_ascii() {
            prop_assert_eq!(decode(&phrase(name.as_str())), name.as_str());
        }
    }
}
