//! Messages as bytes: encoded words, line lengths, and what Python's email package says to them.
//!
//! No SES and no inbox here.

use std::fmt::Write as _;
use std::process::Command;

use super::{headers, raw};
use crate::ses::{Mail, decode};
use crate::trial;

fn encoded_words(header: &str) -> Vec<&str> {
    header
        .split([' ', '\t'])
        .filter(|word| word.starts_with("=?") && word.ends_with("?="))
        .collect()
}

fn mail(subject: &str, sender: &str, text: &str, html: &str) -> Mail {
    Mail {
        seq: 1,
        message_id: "0107-id-000000".to_owned(),
        received_at: jiff::Timestamp::from_second(1_800_000_000).unwrap(),
        region: "eu-central-1".to_owned(),
        sender: sender.to_owned(),
        recipient: "a@x.example".to_owned(),
        to: vec!["a@x.example".to_owned()],
        cc: vec![],
        reply_to: vec![],
        subject: subject.to_owned(),
        headers: vec![(
            "List-Unsubscribe".to_owned(),
            format!("<https://x.example/{}>", "u".repeat(900)),
        )],
        text: Some(text.to_owned()),
        html: Some(html.to_owned()),
        raw: None,
        tags: serde_json::Map::new(),
        configuration_set: None,
        operation: "SendEmail".to_owned(),
    }
}

#[test]
fn every_encoded_word_is_short_and_decodes_alone_at_every_split_offset() {
    let wide = ["ü", "€", "😀", "👩‍👩‍👧", "Grüße aus Köln 😀 "];
    for character in wide {
        for ascii in 0..80 {
            let text = format!("{}{}", "a".repeat(ascii), character.repeat(30));
            let sender = format!("{text} <news@muster.example>");
            let headers = headers(&raw(&mail(&text, &sender, "t", "h")));
            for name in ["Subject", "From"] {
                let value = &headers.iter().find(|(known, _)| known == name).unwrap().1;
                let words = encoded_words(value);
                assert!(!words.is_empty(), "{value}");
                for word in &words {
                    assert!(word.len() <= 75, "{word}");
                    assert_ne!(&decode(word), word, "decodes alone: {word}");
                }
                let expected = if name == "Subject" {
                    text.clone()
                } else {
                    format!("{} <news@muster.example>", text.trim())
                };
                assert_eq!(decode(value).trim(), expected.trim());
                assert!(
                    name == "Subject" || value.ends_with("<news@muster.example>"),
                    "never in an addr-spec"
                );
            }
        }
    }
}

/// Bodies and headers that often go wrong, as (subject, sender, text, HTML).
fn difficult() -> Vec<[String; 4]> {
    let long = "x".repeat(2_000);
    let words = "Wort ".repeat(400);
    vec![
        [
            "S".into(),
            "news@muster.example".into(),
            long.clone(),
            format!("<p>{long}</p>"),
        ],
        [
            words.clone(),
            "\"Shop, Inc.\" <news@muster.example>".into(),
            words,
            "<p>kurz</p>\n".into(),
        ],
        [
            "=?utf-8?Q?looks?= like a word".into(),
            "A <news@muster.example>".into(),
            "ä\r\nö\rü\n".into(),
            "😀".repeat(900),
        ],
        [
            String::new(),
            "=?utf-8?Q?M=C3=BCller?= <news@muster.example>".into(),
            ".\r\n..\r\nFrom x\r\n".into(),
            " ".into(),
        ],
        [
            "Trailing space ".into(),
            "Müller GmbH & Co. <news@muster.example>".into(),
            "end \t\n \n".into(),
            "a=b".into(),
        ],
    ]
}

#[test]
fn every_message_is_seven_bit_with_crlf_and_lines_of_at_most_998_octets() {
    for [subject, sender, text, html] in difficult() {
        let message = raw(&mail(&subject, &sender, &text, &html));
        assert!(message.is_ascii());
        let message = String::from_utf8(message).unwrap();
        assert!(message.ends_with("\r\n"));
        for line in message.split("\r\n") {
            assert!(
                line.len() <= 998 && !line.contains(['\r', '\n']),
                "{}",
                line.len()
            );
        }
        let unsubscribe = format!(
            "\r\nList-Unsubscribe: <https://x.example/{}>\r\n",
            "u".repeat(900)
        );
        assert_eq!(
            message.matches(&unsubscribe).count(),
            1,
            "verbatim, once, not folded"
        );
    }
}

#[test]
fn pythons_email_package_finds_no_defect_and_the_same_texts() {
    const CHECK: &str = r#"
import sys, json, email, email.policy
for path in sys.argv[1:]:
    expected = json.load(open(path + ".json", encoding="utf-8"))
    message = email.message_from_bytes(open(path, "rb").read(), policy=email.policy.default)
    for part in message.walk():
        assert not part.defects, part.defects
        for name, value in part.items():
            assert not value.defects, (name, value.defects)
    assert [part.get_content_type() for part in message.iter_parts()] == ["text/plain", "text/html"]
    assert message["Subject"].strip() == expected["subject"].strip(), message["Subject"]
    assert message["From"].addresses[0].addr_spec == "news@muster.example"
    lines = lambda text: text.replace("\r\n", "\n").replace("\r", "\n").rstrip("\n")
    for part, wanted in zip(message.iter_parts(), (expected["text"], expected["html"])):
        assert lines(part.get_content()) == lines(wanted), part.get_content()[:200]
print("fine")
"#;
    if Command::new("python3").arg("--version").output().is_err() {
        eprintln!("SKIPPED: python3 is not installed, its email package was not asked");
        return;
    }
    let folder = trial::Folder::new("mime");
    let mut arguments = vec!["-c".to_owned(), CHECK.to_owned()];
    for (number, [subject, sender, text, html]) in difficult().into_iter().enumerate() {
        let path = folder.path().join(number.to_string());
        std::fs::write(&path, raw(&mail(&subject, &sender, &text, &html))).unwrap();
        let expected = serde_json::json!({ "subject": subject, "text": text, "html": html });
        let mut beside = path.clone().into_os_string();
        beside.push(".json");
        std::fs::write(beside, expected.to_string()).unwrap();
        arguments.push(path.to_str().unwrap().to_owned());
    }
    let output = Command::new("python3").args(arguments).output().unwrap();
    let mut said = String::from_utf8_lossy(&output.stdout).into_owned();
    let _ = write!(said, "{}", String::from_utf8_lossy(&output.stderr));
    assert_eq!(said.trim(), "fine");
}
