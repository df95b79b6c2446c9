//! Templates of hurried, creative and hostile controllers, and people with odd names.

use super::*;

const HTML: &str = "<p>Hallo {{ subscriber.first_name }}</p>\
    <p><a href=\"{{ unsubscribe_url }}\">Abmelden</a></p><p>{{ imprint }}</p>";
const FOOTER: &str = "<a href=\"{{ unsubscribe_url }}\">Abmelden</a> {{ imprint }}";

fn source(subject: &str, html: &str, text: Option<&str>) -> TemplateSource {
    TemplateSource {
        subject: subject.to_owned(),
        html: html.to_owned(),
        text: text.map(str::to_owned),
    }
}

fn erika<'a>() -> Subscriber<'a> {
    Subscriber::default()
        .with("first_name", "Erika")
        .with("last_name", "Müller & <Söhne>")
        .with("email", "erika@x.de")
        .with("customer_number", "00042")
        .with_field("size", "XL")
}

fn context(subscriber: Subscriber<'_>) -> Context<'_> {
    Context::new(
        subscriber,
        "https://m.example/unsubscribe/abc?a=1&b=2",
        "https://m.example/preferences/abc",
        "Muster GmbH\nMusterweg 1 & 2",
    )
}

fn render(source: &TemplateSource, subscriber: Subscriber<'_>) -> Result<Rendered, RenderError> {
    Template::compile(source)
        .unwrap()
        .render(&context(subscriber))
}

#[test]
fn a_mail_has_its_values_escaped_for_their_part() {
    let html = format!("<p>{{{{ subscriber.last_name }}}}</p>{FOOTER}");
    let source = source("Für {{ subscriber.last_name }}", &html, None);
    let template = Template::parse(&source).unwrap();
    let mail = template.render(&context(erika())).unwrap();
    assert_eq!(mail.subject, "Für Müller & <Söhne>");
    assert_eq!(
        mail.html,
        "<p>Müller &amp; &lt;Söhne&gt;</p>\
        <a href=\"https://m.example/unsubscribe/abc?a=1&amp;b=2\">Abmelden</a> \
        Muster GmbH<br>\nMusterweg 1 &amp; 2"
    );
    assert_eq!(
        mail.text,
        "Müller & <Söhne>\n\nAbmelden ( https://m.example/unsubscribe/abc?a=1&b=2 ) \
        Muster GmbH\nMusterweg 1 & 2\n"
    );
    assert_eq!(format!("{mail:?}"), "Rendered(***)");
}

#[test]
fn what_is_not_known_of_a_person_renders_as_nothing() {
    let table = [
        ("[{{ subscriber.first_name }}]", "[]"),
        ("[{{ subscriber.fields.size }}]", "[]"),
        ("[{{ subscriber.fields.size.deeper }}]", "[]"),
        ("[{{ nothing.at.all }}]", "[]"),
        ("[{{ subscriber.first_name|upper }}]", "[]"),
        ("[{{ subscriber.first_name|default('du') }}]", "[du]"),
        (
            "{% if subscriber.first_name %}ja{% else %}nein{% endif %}",
            "nein",
        ),
        (
            "{% for c in subscriber.advertising_criteria %}x{% endfor %}.",
            ".",
        ),
    ];
    for (subject, expected) in table {
        let mail = render(&source(subject, HTML, None), Subscriber::default());
        assert_eq!(mail.unwrap().subject, expected, "{subject}");
    }
    let known = render(
        &source(
            "{{ subscriber.fields.size }} {{ subscriber.customer_number }}",
            HTML,
            None,
        ),
        erika().with("password", "geheim"),
    );
    assert_eq!(known.unwrap().subject, "XL 00042");
}

#[test]
fn no_value_adds_a_header_line_by_the_subject() {
    let hostile = Subscriber::default().with("first_name", "Eve\r\nBcc: all@x.de\0");
    let source = source("Hallo {{ subscriber.first_name }}\n", HTML, None);
    let mail = render(&source, hostile).unwrap();
    assert_eq!(mail.subject, "Hallo Eve Bcc: all@x.de");
}

#[test]
fn the_law_s_elements_are_missed_by_name() {
    let link = Required::UnsubscribeLink;
    let missing = |part, required| Err(InvalidTemplate::Missing { part, required });
    let text = "{{ unsubscribe_url }} {{ imprint }}";
    let table = [
        (HTML, None, Ok(())),
        (HTML, Some(text), Ok(())),
        (
            "<p>{{ imprint }}</p>",
            Some(text),
            missing(Part::Html, link),
        ),
        (
            "<p>{{ unsubscribe_url }} {{ imprint }}</p>",
            Some(text),
            missing(Part::Html, link),
        ),
        (
            "<!-- <a href='{{ unsubscribe_url }}'>x</a> -->{{ imprint }}",
            Some(text),
            missing(Part::Html, link),
        ),
        (
            "<a href='{{ unsubscribe_url }}'></a>{{ imprint }}",
            Some(text),
            missing(Part::Html, link),
        ),
        (
            "<p style='display: none'><a href='{{ unsubscribe_url }}'>x</a></p>{{ imprint }}",
            Some(text),
            missing(Part::Html, link),
        ),
        (
            "<a href='{{ preferences_url }}'>x</a>{{ imprint }}",
            Some(text),
            missing(Part::Html, link),
        ),
        (
            "{% if subscriber.customer_number %}<a href='{{ unsubscribe_url }}'>x</a>{% endif %}{{ imprint }}",
            Some(text),
            missing(Part::Html, link),
        ),
        (
            "{% if not subscriber.first_name %}<a href='{{ unsubscribe_url }}'>x</a>{% endif %}{{ imprint }}",
            Some(text),
            missing(Part::Html, link),
        ),
        (
            "<a href='{{ unsubscribe_url }}'>x</a>",
            Some(text),
            missing(Part::Html, Required::Imprint),
        ),
        (
            "<a href='{{ unsubscribe_url }}'>x</a><!-- {{ imprint }} -->",
            None,
            missing(Part::Html, Required::Imprint),
        ),
        (HTML, Some("{{ imprint }}"), missing(Part::Text, link)),
        (
            HTML,
            Some("{{ unsubscribe_url }}"),
            missing(Part::Text, Required::Imprint),
        ),
    ];
    for (html, text, expected) in table {
        let answer = Template::parse(&source("Neues", html, text)).map(|_| ());
        assert_eq!(answer, expected, "{html}");
    }
    assert!(Template::compile(&source("Neues", "<p>Entwurf</p>", None)).is_ok());
}

#[test]
fn a_syntax_error_names_part_and_line() {
    let table = [
        ("{{ a", HTML, None, Part::Subject, 1),
        ("a", "<p>\n{% if x %}\n</p>", None, Part::Html, 2),
        ("a", HTML, Some("x\n{% endif %}"), Part::Text, 2),
        ("a", "{% include 'subject' %}", None, Part::Html, 1),
        ("a", "{% extends 'subject' %}", None, Part::Html, 1),
        ("a", "\n{% import 'subject' as s %}", None, Part::Html, 2),
    ];
    for (subject, html, text, part, line) in table {
        assert_eq!(
            Template::compile(&source(subject, html, text)).map(|_| ()),
            Err(InvalidTemplate::Syntax { part, line }),
            "{subject} {html}"
        );
    }
    let unknown = source("a", &format!("\n{{{{ 1|no_such_filter }}}}{FOOTER}"), None);
    assert!(matches!(
        Template::parse(&unknown).unwrap_err(),
        InvalidTemplate::Unrenderable {
            part: Part::Html,
            ..
        } | InvalidTemplate::Syntax { .. }
    ));
}

#[test]
fn each_part_has_its_limit() {
    let sized = |subject: usize, html: usize, text: usize| {
        let html = format!("{FOOTER}{}", "h".repeat(html - FOOTER.len()));
        let text = format!(
            "{{{{ unsubscribe_url }}}} {{{{ imprint }}}}{}",
            "t".repeat(text - 35)
        );
        Template::compile(&source(&"s".repeat(subject), &html, Some(&text)))
            .map(|_| ())
            .map_err(InvalidTemplate::code)
    };
    assert_eq!(sized(998, 300_000, 80_000), Ok(()));
    assert_eq!(
        sized(999, 300_000, 80_000),
        Err("template_subject_too_long")
    );
    assert_eq!(sized(998, 300_001, 80_000), Err("template_html_too_long"));
    assert_eq!(sized(998, 300_000, 80_001), Err("template_text_too_long"));
}

#[test]
fn a_template_without_end_stops_when_its_fuel_is_used_up() {
    for html in [
        "{% for a in range(10000) %}{% for b in range(10000) %}x{% endfor %}{% endfor %}",
        "{% set ns = namespace(s='x') %}{% for a in range(100) %}{% set ns.s = ns.s ~ ns.s %}{% endfor %}{{ ns.s }}",
        "{{ 'x' * 100000000 }}",
        "{% macro m() %}{{ m() }}{{ m() }}{% endmacro %}{{ m() }}",
    ] {
        let error = render(&source("a", html, Some("t")), erika()).unwrap_err();
        assert_eq!(error.part(), Part::Html, "{html}");
        assert!(!matches!(error, RenderError::TooLong { .. }), "{html}");
    }
    let long =
        "{% for a in range(600) %}{% for b in range(10) %}{{ 'x' * 100 }}{% endfor %}{% endfor %}";
    assert_eq!(
        render(&source("a", long, Some("t")), erika()),
        Err(RenderError::TooLong { part: Part::Html })
    );
}

#[test]
fn a_template_that_fails_for_one_person_works_for_the_next() {
    let source = source("{{ 10 // subscriber.fields.size|int }}", HTML, None);
    let template = Template::compile(&source).unwrap();
    let of = |size| template.render(&context(Subscriber::default().with_field("size", size)));
    let error = of("Quux").unwrap_err();
    assert_eq!(
        error,
        RenderError::Failed {
            part: Part::Subject,
            line: 1
        }
    );
    assert!(!error.to_string().contains("Quux"));
    assert_eq!(of("5").unwrap().subject, "2");
}

#[test]
fn a_made_text_keeps_the_template_s_logic() {
    let table = [
        (
            "<p>{% if subscriber.first_name %}Liebe {{ subscriber.first_name }}{% else %}Guten Tag{% endif %},</p>",
            "Liebe Erika,\n",
        ),
        (
            "<table>{% for n in ['a', 'b'] %}<tr><td>{{ n }}</td><td><a href='https://x.de/{{ n }}'>mehr</a></td></tr>{% endfor %}</table>",
            "a\nmehr ( https://x.de/a )\nb\nmehr ( https://x.de/b )\n",
        ),
        (
            "<p>A</p>\n{% if subscriber.first_name %}\n<p>B</p>\n{% endif %}\n<p>C</p>",
            "A\n\nB\n\nC\n",
        ),
        ("<p>{{ \"}}\" }}{{ '<b>' }}{# weg #}!</p>", "}}<b>!\n"),
        (
            "<p>&#123;&#123; subscriber.first_name }} &#123;{{ subscriber.first_name }}</p>",
            "{{ subscriber.first_name }} {Erika\n",
        ),
        ("<p>{% raw %}{{ x }}{% endraw %}</p>", "{{ x }}\n"),
        (
            "<p class=\"{% if subscriber.first_name %}a{% endif %}\">Da {{ subscriber.first_name }}</p>",
            "Da Erika\n",
        ),
        (
            "<ul>{% for n in [1, 2] %}<li>Nr. {{ n }}</li>{% endfor %}</ul>",
            "* Nr. 1\n* Nr. 2\n",
        ),
        (
            "<ol>\n{% for n in ['a', 'b'] %}\n<li>{{ n }}</li>\n{% endfor %}\n</ol>",
            "1. a\n2. b\n",
        ),
    ];
    for (html, expected) in table {
        let mail = render(&source("a", html, None), erika()).unwrap();
        assert_eq!(mail.text, expected, "{html}");
    }
}

#[test]
fn a_statement_within_a_tag_leaves_the_text_to_the_rendered_html() {
    let of = |html: &str| Template::compile(&source("a", html, None)).unwrap().text;
    assert_eq!(of(HTML), TextPart::Compiled);
    assert_eq!(
        of("<p class='{% if a %}b{% endif %}'>x</p>"),
        TextPart::FromRenderedHtml
    );
}
