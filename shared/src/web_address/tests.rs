//! Claims of hostile clients, registrations of hurried controllers.

use proptest::prelude::*;

use super::*;

#[test]
fn a_claim_keeps_scheme_host_port_and_path_only() {
    let table = [
        (
            "https://shop.example/newsletter",
            Some("https://shop.example/newsletter"),
        ),
        ("https://shop.example", Some("https://shop.example")),
        (
            "https://shop.example/n?email=max@x.de&x=1#top",
            Some("https://shop.example/n"),
        ),
        (
            "https://shop.example?email=max@x.de",
            Some("https://shop.example"),
        ),
        (
            "https://shop.example/n#email=max@x.de",
            Some("https://shop.example/n"),
        ),
        (
            "https://max:geheim@shop.example/n",
            Some("https://shop.example/n"),
        ),
        ("HTTPS://SHOP.Example:443/N", Some("https://shop.example/N")),
        (
            "http://127.0.0.1:8081/newsletter",
            Some("http://127.0.0.1:8081/newsletter"),
        ),
        ("http://[::1]:80/n", Some("http://[::1]/n")),
        (
            "https://bücher.example/ä",
            Some("https://xn--bcher-kva.example/%C3%A4"),
        ),
        ("null", None),
        ("", None),
        ("/newsletter", None),
        ("javascript:alert(1)", None),
        ("ftp://shop.example/", None),
        ("file:///etc/passwd", None),
        ("https://", None),
        ("https:///n", None),
        ("https://shop.example/a b", None),
        ("https://shop.example/\"><script>", None),
        ("https://shop.example\\@evil.example/", None),
        ("https://shop.example/\r\nSet-Cookie: a=b", None),
        ("https://shop.example/\0", None),
        ("https://shop.example:99999/", None),
    ];
    for (claimed, kept) in table {
        let cleaned = ClaimedAddress::clean(claimed);
        assert_eq!(
            cleaned.as_ref().map(ClaimedAddress::reveal),
            kept,
            "{claimed}"
        );
    }
}

#[test]
fn a_claim_of_any_length_is_cut_to_its_limit() {
    let base = "https://shop.example/";
    for (length, kept) in [(499, 499), (500, 500), (501, 500), (65_536, 500)] {
        let claimed = format!("{base}{}", "p".repeat(length - base.len()));
        let cleaned = ClaimedAddress::clean(&claimed).unwrap();
        assert_eq!(cleaned.reveal().len(), kept);
        assert!(claimed.starts_with(cleaned.reveal()));
    }
    let half_a_code = format!("{base}{}ä", "p".repeat(498 - base.len()));
    assert_eq!(
        ClaimedAddress::clean(&half_a_code).unwrap().reveal().len(),
        498
    );
    let query = format!("{base}n?email={}", "e".repeat(65_536));
    assert_eq!(
        ClaimedAddress::clean(&query).unwrap().reveal(),
        format!("{base}n")
    );
}

#[test]
fn an_unusable_referer_leaves_the_origin() {
    let of = |referer, origin| {
        ClaimedAddress::of_request(referer, origin).map(|claimed| claimed.reveal().to_owned())
    };
    let (page, origin) = ("https://shop.example/n", "https://shop.example");
    assert_eq!(of(Some(page), Some(origin)).as_deref(), Some(page));
    assert_eq!(of(None, Some(origin)).as_deref(), Some(origin));
    assert_eq!(
        of(Some("about:blank"), Some(origin)).as_deref(),
        Some(origin)
    );
    assert_eq!(of(None, Some("null")), None);
    assert_eq!(of(None, None), None);
    let printed = format!("{:?}", ClaimedAddress::clean(page));
    assert_eq!(printed, "Some(ClaimedAddress(***))");
}

#[test]
fn registered_addresses_are_absolute_and_plain() {
    use InvalidWebAddress as E;
    let table = [
        (
            " https://Shop.Example/newsletter?a=b#form ",
            Ok("https://shop.example/newsletter?a=b#form"),
        ),
        ("http://shop.example:8080/", Ok("http://shop.example:8080/")),
        (
            "http://localhost:8081/danke",
            Ok("http://localhost:8081/danke"),
        ),
        (
            "https://müller.example/größe",
            Ok("https://xn--mller-kva.example/gr%C3%B6%C3%9Fe"),
        ),
        ("shop.example/newsletter", Err(E::UnknownScheme)),
        ("//shop.example/", Err(E::UnknownScheme)),
        ("data:text/html,x", Err(E::UnknownScheme)),
        ("https://max@shop.example/", Err(E::UserInfo)),
        ("https://", Err(E::InvalidHost)),
        ("https://.example/", Err(E::InvalidHost)),
        ("https://shop_.example/", Err(E::InvalidHost)),
        ("https://2130706433/", Err(E::InvalidHost)),
        ("https://0x7f.1/", Err(E::InvalidHost)),
        ("https://127.1/", Err(E::InvalidHost)),
        ("https://[::1]x/", Err(E::InvalidHost)),
        ("https://shop.example:/", Err(E::InvalidPort)),
        ("https://shop.example:0/", Err(E::InvalidPort)),
        ("https://shop.example:65536/", Err(E::InvalidPort)),
        ("https://shop.example:+80/", Err(E::InvalidPort)),
        ("https://shop.example/a b", Err(E::UnencodedCharacter)),
        ("https://shop.example/a\\b", Err(E::UnencodedCharacter)),
        ("https://shop.example/\n", Err(E::ControlCharacter)),
    ];
    for (typed, expected) in table {
        let address = WebAddress::parse(typed);
        assert_eq!(
            address.as_ref().map(WebAddress::as_str),
            expected.as_ref().copied(),
            "{typed}"
        );
    }
    let of =
        |length: usize| WebAddress::parse(&format!("https://x.de/{}", "p".repeat(length - 13)));
    assert!(of(2_000).is_ok());
    assert_eq!(of(2_001), Err(E::TooLong));
}

#[test]
fn a_redirect_stays_on_an_allowed_host() {
    use InvalidWebAddress as E;
    let allowed = ["shop.example", "127.0.0.1"];
    let table = [
        ("https://shop.example/danke", Ok(())),
        ("https://SHOP.example/danke", Ok(())),
        ("http://127.0.0.1:8081/danke", Ok(())),
        ("http://shop.example/danke", Err(E::NotProtected)),
        ("https://www.shop.example/", Err(E::ForeignHost)),
        ("https://shop.example.evil.example/", Err(E::ForeignHost)),
        ("https://evil.example/shop.example", Err(E::ForeignHost)),
        ("https://shop.example@evil.example/", Err(E::UserInfo)),
        (
            "https://evil.example\\@shop.example/",
            Err(E::UnencodedCharacter),
        ),
        ("http://localhost/danke", Err(E::ForeignHost)),
        ("http://127.0.0.1.evil.example/", Err(E::NotProtected)),
        ("//evil.example/", Err(E::UnknownScheme)),
    ];
    for (target, expected) in table {
        let answer = WebAddress::parse_redirect(target, &allowed).map(|_| ());
        assert_eq!(answer, expected, "{target}");
    }
}

proptest! {
    #[test]
    fn cleaning_twice_changes_nothing(claimed in "https?://[a-zA-Zäü.:@0-9\\[\\]]{0,20}[ -~ä€]{0,40}") {
        if let Some(once) = ClaimedAddress::clean(&claimed) {
            prop_assert!(once.reveal().is_ascii());
            prop_assert!(!once.reveal().contains(['?', '#', ' ']));
            let again = ClaimedAddress::clean(once.reveal());
            prop_assert_eq!(again, Some(once));
        }
    }

    #[test]
    fn parsing_a_registered_address_twice_changes_nothing(typed in "https?://[a-zäü.0-9]{1,20}(:[0-9]{1,5})?(/[!-~ä€]{0,40})?") {
        if let Ok(address) = WebAddress::parse(&typed) {
            prop_assert_eq!(WebAddress::parse(address.as_str()), Ok(address));
        }
    }
}
