//! Newsletters as controllers write them, and pages nobody should have written.

use proptest::prelude::*;

use super::*;

#[test]
fn text_keeps_what_a_reader_sees_and_every_url() {
    let table = [
        ("<p>Hallo &amp; guten Tag</p>", "Hallo & guten Tag\n"),
        ("<h1>Neu</h1><p>Eins<br>Zwei</p>", "Neu\n\nEins\nZwei\n"),
        (
            "<p>Mehr <a href=\"https://x.de/a?b=1&amp;c=2\">hier</a>.</p>",
            "Mehr hier ( https://x.de/a?b=1&c=2 ).\n",
        ),
        (
            "<a href='https://x.de/'>https://x.de</a>",
            "https://x.de/\n",
        ),
        ("<a href='mailto:a@x.de'>a@x.de</a>", "a@x.de\n"),
        ("<a href='#top'>nach oben</a>", "nach oben\n"),
        (
            "<a href='https://x.de/1'>eins</a><a href='https://x.de/2'>zwei</a>",
            "eins ( https://x.de/1 ) zwei ( https://x.de/2 )\n",
        ),
        (
            "<a href='https://x.de/1'>x.de/1</a><a href='https://x.de/2'>https://x.de/2</a>und",
            "https://x.de/1 https://x.de/2 und\n",
        ),
        (
            "<p>(<a href='https://x.de'>https://x.de</a>), sonst<a href='https://x.de/3'>x.de/3</a>!</p>",
            "(https://x.de), sonst https://x.de/3!\n",
        ),
        (
            "<a href='https://x.de/1'>eins</a><b>zwei</b><a href='#a'>drei</a><a href='#b'>vier</a>",
            "eins ( https://x.de/1 ) zweidreivier\n",
        ),
        (
            "<a href='https://x.de/b'><img src=b.png alt='Zum Angebot'></a>",
            "Zum Angebot ( https://x.de/b )\n",
        ),
        ("<ul><li>Eins</li><li>Zwei</li></ul>", "* Eins\n* Zwei\n"),
        (
            "<table><tr><td>Links</td><td>Rechts</td></tr></table>",
            "Links\nRechts\n",
        ),
        (
            "<html><head><title>T</title><style>p{}</style></head><body><script>x()</script><p>Da</p></body></html>",
            "Da\n",
        ),
        (
            "<div style='DISPLAY : none'>Vorschau</div><p hidden>weg</p><p>Da</p><!-- c -->",
            "Da\n",
        ),
        ("<p>Oben</p><hr><p>Unten</p>", "Oben\n\nUnten\n"),
        ("", ""),
        ("<img src=x>", ""),
    ];
    for (html, text) in table {
        assert_eq!(from_html(html).as_deref(), Ok(text), "{html}");
    }
}

#[test]
fn lines_end_at_76_characters_but_a_url_stays_whole() {
    let url = format!("https://x.de/{}", "u".repeat(300));
    let html = format!(
        "<blockquote>{}</blockquote><p>{} <a href='{url}'>hier</a></p>",
        "Zitat ".repeat(40),
        "Wörter ".repeat(50)
    );
    let text = from_html(&html).unwrap();
    let mut long_lines = 0;
    for line in text.lines() {
        if line.chars().count() > LINE_CHARACTERS {
            assert_eq!(line, format!("( {url} )"));
            long_lines += 1;
        }
    }
    assert_eq!(long_lines, 1);
    assert!(text.starts_with("> Zitat") && text.contains("\n> Zitat"));
}

#[test]
fn a_link_is_visible_only_with_something_to_click_on() {
    let html = "<a href='https://x.de/1'>eins</a><a href='https://x.de/2'> </a>\
        <!-- <a href='https://x.de/3'>drei</a> --><p hidden><a href='https://x.de/4'>vier</a></p>\
        <a href='https://x.de/5'><img src=x></a><div><a href='https://x.de/6'><b>sechs</b></a></div>";
    let links = read_page(html).unwrap().links;
    assert_eq!(links, ["https://x.de/1", "https://x.de/6"]);
}

#[test]
fn pages_that_are_too_long_or_too_deep_are_refused() {
    let page = |octets: usize| "a".repeat(octets);
    assert!(from_html(&page(MAX_HTML_OCTETS)).is_ok());
    assert_eq!(
        from_html(&page(MAX_HTML_OCTETS + 1)),
        Err(PlainTextError::TooLong)
    );
    let nested = |depth: usize| format!("{}tief{}", "<div>".repeat(depth), "</div>".repeat(depth));
    assert_eq!(from_html(&nested(300)).as_deref(), Ok("tief\n"));
    assert_eq!(from_html(&nested(2_000)), Err(PlainTextError::TooDeep));
}

proptest! {
    #[test]
    fn links_never_run_together(
        links in proptest::collection::vec(("[a-z]{1,5}", "[a-z]{1,5}"), 1..6),
        between in "[a-z]{0,3}",
    ) {
        let html: Vec<String> = links
            .iter()
            .map(|(label, path)| format!("<a href='https://x.de/{path}'>{label}</a>{between}"))
            .collect();
        let text = from_html(&html.concat()).unwrap();
        let urls: Vec<String> = text
            .split_whitespace()
            .filter(|word| word.contains("https"))
            .map(str::to_owned)
            .collect();
        let expected: Vec<String> = links
            .iter()
            .map(|(_, path)| format!("https://x.de/{path}"))
            .collect();
        prop_assert_eq!(urls, expected);
    }

    #[test]
    fn no_page_makes_the_converter_panic(html in "(<(p|a href='x'|table|tr|td|li|ul|b|/a|/p|/ul|!--|pre|img alt=y)>|[ a-z&;\u{fdd0}{}%\n]){0,40}") {
        let text = from_html(&html).unwrap();
        prop_assert_eq!(text.find(is_mark), None);
    }
}
