//! The demo account: made through the management API, and completed on every start.
//!
//! Writes no table of its own accord; it is a client like any other.

mod record;

use axum::http::StatusCode;
use rusqlite::OptionalExtension;
use serde_json::{Value as Json, json};

use crate::gateway::Gateway;
use crate::state::State;

const SCOPES: &[&str] = &[
    "read", "write", "send", "export", "erase", "restore", "admin",
];

/// Brings the demo account to what it should be and answers with its key.
///
/// # Errors
/// Which step the API refused, with its status.
pub async fn complete(
    gateway: &Gateway,
    state: &State,
    platform_key: &str,
    shop: &str,
) -> Result<String, String> {
    let stored = load(state).map_err(|_| "the state file cannot be read")?;
    let known = match &stored {
        Some(key) => {
            ask(gateway, "GET", "/api/v1/accounts/demo", key, None)
                .await?
                .0
                == StatusCode::OK
        }
        None => false,
    };
    let key = match stored {
        Some(key) if known => key,
        _ => {
            let key = new_key(gateway, platform_key).await?;
            store(state, &key).map_err(|_| "the state file cannot be written")?;
            key
        }
    };
    account(gateway, &key, platform_key).await?;
    for (path, key, wanted) in record::stated(&key, platform_key) {
        state_once(gateway, path, key, &wanted).await?;
    }
    let news = json!({"id": "news", "name": "Newsletter"});
    ensure(
        gateway,
        "/api/v1/accounts/demo/lists",
        "news",
        &key,
        platform_key,
        &news,
    )
    .await?;
    for mode in ["single", "confirmed", "double"] {
        let setup = setup(mode, shop);
        ensure(
            gateway,
            "/api/v1/accounts/demo/setups",
            mode,
            &key,
            platform_key,
            &setup,
        )
        .await?;
    }
    Ok(key)
}

/// Makes the account; where it is there already (killed before its key was kept), a new key.
async fn new_key(gateway: &Gateway, platform_key: &str) -> Result<String, String> {
    let account = json!({"id": "demo", "name": "Muster GmbH"});
    let made = ask(
        gateway,
        "POST",
        "/api/v1/accounts",
        platform_key,
        Some(&account),
    )
    .await?;
    let (status, answer) = if made.0 == StatusCode::CONFLICT {
        let key = json!({"name": "Demo", "scopes": SCOPES});
        ask(
            gateway,
            "POST",
            "/api/v1/accounts/demo/keys",
            platform_key,
            Some(&key),
        )
        .await?
    } else {
        made
    };
    match answer.get("key").and_then(Json::as_str) {
        Some(key) if status.is_success() => Ok(key.to_owned()),
        _ => Err(format!("making the account was answered with {status}")),
    }
}

async fn account(gateway: &Gateway, key: &str, platform_key: &str) -> Result<(), String> {
    let path = "/api/v1/accounts/demo";
    let (status, found) = ask(gateway, "GET", path, key, None).await?;
    if status != StatusCode::OK {
        return Err(format!("reading the account was answered with {status}"));
    }
    let wanted = json!({
        "imprint": "Muster GmbH, Mustergasse 1, 1010 Wien, Österreich, office@muster.example",
        "privacy_url": "https://muster.example/datenschutz",
        "language": "de",
        "time_zone": "Europe/Vienna",
        "contact": "datenschutz@muster.example",
        "sender_domains": ["muster.example"],
    });
    let mut missing = serde_json::Map::new();
    for (name, value) in wanted.as_object().into_iter().flatten() {
        let empty = match found.get(name) {
            None | Some(Json::Null) => true,
            Some(Json::String(text)) => text.is_empty(),
            Some(Json::Array(list)) => list.is_empty(),
            Some(_) => false,
        };
        if empty {
            missing.insert(name.clone(), value.clone());
        }
    }
    if missing.is_empty() {
        return Ok(());
    }
    // By the platform key: sender domains are the platform's to verify.
    let (status, _) = ask(
        gateway,
        "PATCH",
        path,
        platform_key,
        Some(&Json::Object(missing)),
    )
    .await?;
    if status.is_success() {
        Ok(())
    } else {
        Err(format!("completing the account was answered with {status}"))
    }
}

async fn ensure(
    gateway: &Gateway,
    collection: &str,
    id: &str,
    key: &str,
    platform_key: &str,
    wanted: &Json,
) -> Result<(), String> {
    let (status, _) = ask(gateway, "GET", &format!("{collection}/{id}"), key, None).await?;
    if status == StatusCode::OK {
        return Ok(());
    }
    // A fixed id is given by the platform key only.
    let (status, _) = ask(gateway, "POST", collection, platform_key, Some(wanted)).await?;
    if status.is_success() {
        Ok(())
    } else {
        Err(format!("making `{id}` was answered with {status}"))
    }
}

/// Puts something of which there is one, unless somebody has stated it already.
async fn state_once(gateway: &Gateway, path: &str, key: &str, wanted: &Json) -> Result<(), String> {
    let (status, found) = ask(gateway, "GET", path, key, None).await?;
    if status != StatusCode::OK {
        return Err(format!("reading {path} was answered with {status}"));
    }
    if record::is_stated(&found) {
        return Ok(());
    }
    let (status, _) = ask(gateway, "PUT", path, key, Some(wanted)).await?;
    if status.is_success() {
        Ok(())
    } else {
        Err(format!("completing {path} was answered with {status}"))
    }
}

fn setup(mode: &str, shop: &str) -> Json {
    let mut setup = json!({
        "id": mode,
        "name": format!("Newsletter ({mode})"),
        "mode": mode,
        "lists": ["news"],
        "fields": [
            {"key": "salutation", "required": false, "purpose": "Persönliche Anrede"},
            {"key": "first_name", "required": false, "purpose": "Persönliche Anrede"},
            {"key": "last_name", "required": false, "purpose": "Persönliche Anrede"},
            {"key": "customer_number", "required": false, "purpose": "Zuordnung zum Kundenkonto"},
        ],
        "form_url": shop,
        "language": "de",
    });
    // Without a confirmation by the mailbox's owner the controller must say why.
    if mode != "double" {
        setup["justification"] = json!("Demo: Anmeldung im Laden, Adresse liegt schriftlich vor");
    }
    setup
}

async fn ask(
    gateway: &Gateway,
    method: &str,
    path: &str,
    key: &str,
    body: Option<&Json>,
) -> Result<(StatusCode, Json), String> {
    gateway
        .call(method, path, key, body)
        .await
        .ok_or_else(|| format!("{method} {path} had no answer"))
}

/// The demo account's key as the last completed step left it.
///
/// # Errors
/// When the state file cannot be read.
pub fn load(state: &State) -> rusqlite::Result<Option<String>> {
    state.with(|db| {
        db.execute_batch("CREATE TABLE IF NOT EXISTS demo (id INTEGER PRIMARY KEY CHECK (id = 1), key TEXT NOT NULL)")?;
        db.query_row("SELECT key FROM demo", [], |row| row.get(0)).optional()
    })
}

fn store(state: &State, key: &str) -> rusqlite::Result<usize> {
    state.with(|db| db.execute("INSERT OR REPLACE INTO demo VALUES (1, ?1)", [key]))
}
