//! The controller: calls of the management API with a key.

use serde_json::Value;

use crate::answer::Answer;
use crate::world::World;

/// Every instant that the API tells has three decimals and is in UTC; a day is no instant.
#[track_caller]
fn expect_one_form_of_times(value: &Value) {
    match value {
        Value::Array(values) => values.iter().for_each(expect_one_form_of_times),
        Value::Object(members) => members.values().for_each(expect_one_form_of_times),
        Value::String(text) => {
            if let Ok(instant) = text.parse::<jiff::Timestamp>() {
                assert_eq!(*text, format!("{instant:.3}"));
            }
        }
        _ => {}
    }
}

/// A caller of the management API.
pub struct Api<'a> {
    world: &'a World,
    key: String,
    headers: Vec<(String, String)>,
}

impl<'a> Api<'a> {
    pub(crate) fn new(world: &'a World, key: &str) -> Self {
        Self {
            world,
            key: key.to_owned(),
            headers: Vec::new(),
        }
    }

    /// Adds a header to every call.
    #[must_use]
    pub fn header(mut self, name: &str, value: &str) -> Self {
        self.headers.push((name.to_owned(), value.to_owned()));
        self
    }

    /// `path` is what comes after `/api/v1`.
    pub async fn get(&self, path: &str) -> Answer {
        self.call("GET", path, None).await
    }

    /// Creates or does something.
    pub async fn post(&self, path: &str, body: &Value) -> Answer {
        self.call("POST", path, Some(body)).await
    }

    /// Replaces something.
    pub async fn put(&self, path: &str, body: &Value) -> Answer {
        self.call("PUT", path, Some(body)).await
    }

    /// Changes some members of something.
    pub async fn patch(&self, path: &str, body: &Value) -> Answer {
        self.call("PATCH", path, Some(body)).await
    }

    /// Deletes something.
    pub async fn delete(&self, path: &str) -> Answer {
        self.call("DELETE", path, None).await
    }

    /// Any call with a JSON body or none.
    pub async fn call(&self, method: &'static str, path: &str, body: Option<&Value>) -> Answer {
        let json = body.map(|_| "application/json");
        let body = body.map(Value::to_string).unwrap_or_default();
        self.call_with(method, path, json, body.into_bytes()).await
    }

    /// Any call with any body, such as CSV.
    pub async fn call_with(
        &self,
        method: &'static str,
        path: &str,
        content_type: Option<&str>,
        body: Vec<u8>,
    ) -> Answer {
        let mut headers = self.headers.clone();
        if !self.key.is_empty() {
            let bearer = format!("Bearer {}", self.key);
            headers.push(("authorization".to_owned(), bearer));
        }
        if let Some(content_type) = content_type {
            headers.push(("content-type".to_owned(), content_type.to_owned()));
        }
        let answer = self
            .world
            .send(
                self.world.client(250),
                method,
                &format!("/api/v1{path}"),
                &headers,
                body,
            )
            .await;
        if method != "HEAD" && answer.header("content-type") == Some("application/json") {
            expect_one_form_of_times(&answer.json());
        }
        answer
    }

    /// Says of an account what the law demands before a form of it is shown to anybody.
    pub async fn state_legal_elements(&self, account: &str) {
        let elements = serde_json::json!({
            "imprint": "Gasse 1, 1010 Wien",
            "privacy_url": "https://muster.example/datenschutz",
            "contact": "datenschutz@muster.example",
        });
        let path = format!("/accounts/{account}");
        self.patch(&path, &elements).await.expect(200);
    }

    /// All items of a list, page by page.
    pub async fn all(&self, path: &str) -> Vec<Value> {
        let mut items = Vec::new();
        let mut cursor = String::new();
        loop {
            let mark = if path.contains('?') { '&' } else { '?' };
            let page = match cursor.as_str() {
                "" => self.get(path).await,
                cursor => self.get(&format!("{path}{mark}cursor={cursor}")).await,
            };
            let page = page.expect(200).json();
            items.extend(page["items"].as_array().expect("items").iter().cloned());
            match page["next"].as_str() {
                Some(next) => next.clone_into(&mut cursor),
                None => return items,
            }
        }
    }
}
