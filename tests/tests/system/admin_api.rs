//! The management API as a controller uses it: keys, configuration, subscribers, evidence.
//!
//! What visitors do is only told here as far as it makes something to read.

mod access;
mod configuration;
mod people;
mod requests;

use serde_json::{Value, json};
use tests::World;
use tests::answer::Answer;

const DEMO: &str = "/accounts/demo";

async fn new_account(world: &World, name: &str) -> (String, String) {
    let made = world
        .platform_api()
        .post("/accounts", &json!({"name": name}))
        .await
        .expect(201)
        .json();
    let text = |name: &str| made[name].as_str().expect("a text").to_owned();
    world.keep_private("a key", &text("key"));
    (text("id"), text("key"))
}

async fn key_with(world: &World, scopes: &[&str]) -> String {
    let body = json!({"name": "Some", "scopes": scopes});
    let made = world
        .api()
        .post("/accounts/demo/keys", &body)
        .await
        .expect(201);
    let key = made.json()["key"].as_str().expect("a key").to_owned();
    world.keep_private("a key", &key);
    key
}

fn errors(answer: &Answer) -> Vec<(String, String)> {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let mut errors: Vec<_> = answer.json()["errors"]
        .as_array()
        .into_iter()
        .flatten()
        .map(|error| (text(&error["field"]), text(&error["code"])))
        .collect();
    errors.sort();
    errors
}

fn setup() -> Value {
    json!({
        "name": "Newsletter", "mode": "double", "lists": ["news"],
        "form_url": "https://shop.example/newsletter",
    })
}

fn template() -> Value {
    json!({
        "name": "March",
        "subject": "Hello {{ subscriber.first_name }}",
        "html": "<p>Hi {{ subscriber.first_name }}</p>\
                 <p><a href=\"{{ unsubscribe_url }}\">Unsubscribe</a></p><p>{{ imprint }}</p>",
    })
}
