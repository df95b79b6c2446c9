//! What the demo's controller and the local operator state for the record of processing.
//!
//! All of it is invented: the domains are reserved (RFC 2606), the numbers are not in use.

use serde_json::{Value as Json, json};

/// Each statement with its path and the key it is made with.
pub(super) fn stated<'a>(
    key: &'a str,
    platform_key: &'a str,
) -> [(&'static str, &'a str, Json); 3] {
    [
        ("/api/v1/operator", platform_key, operator()),
        ("/api/v1/accounts/demo/processing", key, processing()),
        ("/api/v1/accounts/demo/dpia", key, dpia()),
    ]
}

/// Whether what was found has been stated before, by the demo or by a person.
pub(super) fn is_stated(found: &Json) -> bool {
    match found.get("answered") {
        Some(answered) => answered == true,
        None => found.pointer("/office/name").is_some_and(|name| name != ""),
    }
}

fn operator() -> Json {
    json!({
        "office": {
            "name": "Beispiel Plattformbetrieb GmbH (erfunden)",
            "address": "Beispielstraße 2\n1020 Wien\nÖsterreich",
            "email": "betrieb@plattform.example",
            "phone": "+43 1 000000-20",
        },
        "dpo": {
            "name": "Datenschutz der Beispiel Plattformbetrieb GmbH",
            "email": "dsb@plattform.example",
            "phone": "+43 1 000000-21",
        },
        "staff": [
            {
                "role": "Betrieb",
                "access": "Infrastruktur, befristet und protokolliert",
                "confidentiality_on": "2026-01-12",
                "trained_on": "2026-03-02",
            },
            {
                "role": "Rechtsstelle",
                "access": "versiegelte Nachweise, nur für Rechtsansprüche",
                "confidentiality_on": "2026-01-12",
                "trained_on": "2026-03-02",
            },
        ],
    })
}

fn processing() -> Json {
    json!({
        "description": "Newsletter und Aktionen der Muster GmbH an Kundinnen und Kunden, die sich im Geschäft oder auf der Website angemeldet haben.",
        "office": {
            "name": "Muster GmbH",
            "address": "Mustergasse 1\n1010 Wien\nÖsterreich",
            "email": "office@muster.example",
            "phone": "+43 1 000000-10",
        },
        "representative": {"required": false},
        "dpo": {
            "name": "Datenschutz der Muster GmbH",
            "email": "datenschutz@muster.example",
            "phone": "+43 1 000000-11",
        },
        "staff": [
            {
                "role": "Marketing",
                "access": "Empfänger, Vorlagen, Aussendungen",
                "confidentiality_on": "2026-02-02",
                "trained_on": "2026-02-16",
            },
        ],
        "measures": [
            "Zugangsschlüssel nur für benannte Rollen, jährlich erneuert",
            "Jährliche Schulung zum Datenschutz",
        ],
    })
}

fn dpia() -> Json {
    json!({
        "answers": {
            "large_scale": false,
            "special_categories": false,
            "celebrities": false,
            "vulnerable_persons": false,
            "minors": false,
            "profiling": false,
            "automated_decisions": false,
            "systematic_monitoring": false,
            "combined_data": false,
            "new_technology": false,
            "kept_from_rights": false,
        },
        "risk": "normal",
        "reasons": "Newsletter an eigene Kunden mit deren Einwilligung.",
        "answered_by": "Geschäftsführung",
    })
}
