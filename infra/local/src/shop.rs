//! A shop's page with a newsletter form, on an origin of its own.
//!
//! Stands for a controller's web site: plain HTML, no script, nothing of ours in it.

use std::collections::HashMap;

use axum::Router;
use axum::extract::{Query, State};
use axum::response::Html;
use axum::routing::get;

/// The shop's site; its form posts to this API.
pub fn router(api: &str) -> Router {
    Router::new()
        .route("/newsletter", get(page))
        .with_state(api.to_owned())
}

struct Words {
    lang: &'static str,
    other: (&'static str, &'static str),
    title: &'static str,
    intro: &'static str,
    mode: &'static str,
    modes: [(&'static str, &'static str); 3],
    email: &'static str,
    salutation: &'static str,
    salutations: [&'static str; 2],
    first_name: &'static str,
    last_name: &'static str,
    customer_number: &'static str,
    trap: &'static str,
    submit: &'static str,
    note: &'static str,
}

const GERMAN: Words = Words {
    lang: "de",
    other: ("en", "English"),
    title: "Newsletter der Muster GmbH",
    intro: "Neuigkeiten und Angebote, etwa einmal im Monat. Abmelden geht jederzeit mit einem Klick.",
    mode: "Anmeldeverfahren",
    modes: [
        ("double", "Double-Opt-in"),
        ("confirmed", "Confirmed-Opt-in"),
        ("single", "Single-Opt-in"),
    ],
    email: "E-Mail-Adresse (Pflichtfeld)",
    salutation: "Anrede",
    salutations: ["Frau", "Herr"],
    first_name: "Vorname",
    last_name: "Nachname",
    customer_number: "Kundennummer",
    trap: "Dieses Feld bitte leer lassen",
    submit: "Anmelden",
    note: "Alle Angaben außer der E-Mail-Adresse sind freiwillig.",
};

const ENGLISH: Words = Words {
    lang: "en",
    other: ("de", "Deutsch"),
    title: "Newsletter of Muster GmbH",
    intro: "News and offers, about once a month. Unsubscribe at any time with one click.",
    mode: "Way of signing up",
    modes: [
        ("double", "Double opt-in"),
        ("confirmed", "Confirmed opt-in"),
        ("single", "Single opt-in"),
    ],
    email: "E-mail address (required)",
    salutation: "Salutation",
    salutations: ["Ms", "Mr"],
    first_name: "First name",
    last_name: "Last name",
    customer_number: "Customer number",
    trap: "Please leave this field empty",
    submit: "Sign up",
    note: "Everything but the e-mail address is optional.",
};

async fn page(
    State(api): State<String>,
    Query(asked): Query<HashMap<String, String>>,
) -> Html<String> {
    let words = if asked.get("lang").is_some_and(|lang| lang == "en") {
        &ENGLISH
    } else {
        &GERMAN
    };
    let wanted = asked.get("setup").map_or("double", String::as_str);
    let (setup, _) = words
        .modes
        .iter()
        .find(|(id, _)| *id == wanted)
        .unwrap_or(&words.modes[0]);
    Html(render(words, setup, &api))
}

fn render(words: &Words, setup: &str, api: &str) -> String {
    let Words {
        lang,
        title,
        intro,
        mode,
        email,
        salutation,
        first_name,
        last_name,
        ..
    } = words;
    let Words {
        customer_number,
        trap,
        submit,
        note,
        other: (other, other_name),
        ..
    } = words;
    let [woman, man] = words.salutations;
    let mut modes = String::new();
    for (id, name) in &words.modes {
        let current = if *id == setup {
            " aria-current=\"page\""
        } else {
            ""
        };
        modes.extend([
            &format!("<a href=\"/newsletter?lang={lang}&amp;setup={id}\"{current}>"),
            *name,
            "</a>\n",
        ]);
    }
    format!(
        "<!doctype html>
<html lang=\"{lang}\">
<head>
<meta charset=\"utf-8\">
<meta name=\"viewport\" content=\"width=device-width\">
<title>{title}</title>
<style>
body {{ font: 1rem/1.5 Georgia, serif; max-width: 32rem; margin: 2rem auto; padding: 0 1rem; color: #222; background: #fdfcf8 }}
label, input, select, button {{ display: block; font: inherit; width: 100%; box-sizing: border-box }}
input, select {{ padding: .4rem; margin-bottom: .8rem; border: 1px solid #777 }}
button {{ padding: .6rem; border: 0; background: #7a1f1f; color: #fff; cursor: pointer }}
nav a {{ margin-right: 1rem }}
nav a[aria-current] {{ font-weight: bold }}
.trap {{ position: absolute; left: -100rem }}
</style>
</head>
<body>
<p><a href=\"/newsletter?lang={other}&amp;setup={setup}\" hreflang=\"{other}\" lang=\"{other}\">{other_name}</a></p>
<main>
<h1>{title}</h1>
<p>{intro}</p>
<nav aria-label=\"{mode}\">
{modes}</nav>
<form method=\"post\" action=\"{api}/signup/demo/{setup}\">
<label for=\"email\">{email}</label>
<input id=\"email\" name=\"email\" type=\"email\" autocomplete=\"email\" required>
<label for=\"salutation\">{salutation}</label>
<select id=\"salutation\" name=\"salutation\"><option value=\"\"></option><option>{woman}</option><option>{man}</option></select>
<label for=\"first_name\">{first_name}</label>
<input id=\"first_name\" name=\"first_name\" autocomplete=\"given-name\">
<label for=\"last_name\">{last_name}</label>
<input id=\"last_name\" name=\"last_name\" autocomplete=\"family-name\">
<label for=\"customer_number\">{customer_number}</label>
<input id=\"customer_number\" name=\"customer_number\" autocomplete=\"off\">
<div class=\"trap\" aria-hidden=\"true\">
<label for=\"website\">{trap}</label>
<input id=\"website\" name=\"website\" tabindex=\"-1\" autocomplete=\"off\">
</div>
<p>{note}</p>
<button type=\"submit\">{submit}</button>
</form>
</main>
</body>
</html>
"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_form_posts_to_each_setup_in_both_languages() {
        for (words, submit) in [(&GERMAN, "Anmelden"), (&ENGLISH, "Sign up")] {
            for setup in ["single", "confirmed", "double"] {
                let html = render(words, setup, "http://127.0.0.1:8080");
                let action = format!("action=\"http://127.0.0.1:8080/signup/demo/{setup}\"");
                assert!(html.contains(&action) && html.contains(submit), "{setup}");
                for name in [
                    "email",
                    "salutation",
                    "first_name",
                    "last_name",
                    "customer_number",
                    "website",
                ] {
                    assert!(html.contains(&format!("name=\"{name}\"")), "{name}");
                }
            }
        }
    }
}
