//! `fields`: the fields an account declares beside the built-in ones (S-05).
//!
//! Their values are kept with each person, as text.

use axum::Router;
use jiff::Timestamp;
use rundbrief::entropy::Entropy;
use rundbrief::id::FieldKey;
use rundbrief::setup::{Field, FieldLabel};
use serde_json::{Value, json};

use super::access::Desk;
use super::answer::Refused;
use super::body::{self, MAX_NAME_CHARACTERS, Object, line, word};
use super::resource::{self, Resource};
use super::setup::{is_built_in, setups};

pub(super) fn routes() -> Router {
    resource::routes::<Field>()
}

impl Resource for Field {
    const PATH: &'static str = "fields";
    const ID: &'static str = "key";
    type Id = FieldKey;

    fn new_id(now: Timestamp, entropy: &dyn Entropy) -> FieldKey {
        FieldKey::generate(now, entropy)
    }

    fn id(&self) -> String {
        self.key.to_string()
    }

    fn read(
        key: FieldKey,
        rev: u64,
        before: Option<&Self>,
        _: Timestamp,
        body: &mut Object,
    ) -> Option<Self> {
        // The key is also shown as `id`, as every resource has one.
        let id: Option<FieldKey> = body.optional("id", body::id);
        let key = match id {
            // A new field whose key was given as `id` only.
            Some(id) if before.is_none() && key.as_str().starts_with(GENERATED) => id,
            Some(id) if id != key => {
                body.problem("id", "cannot_change");
                key
            }
            _ => key,
        };
        if is_built_in(key.as_str()) {
            body.problem("key", "built_in");
        }
        let label = read_label(body);
        let field_type = body.optional("type", word);
        Some(Self {
            key,
            rev,
            label: label?,
            field_type: field_type.unwrap_or_default(),
        })
    }

    fn show(&self, _: &Desk) -> Value {
        json!({"id": self.key, "key": self.key, "label": self.label, "type": self.field_type})
    }

    async fn is_used(&self, desk: &Desk) -> Result<bool, Refused> {
        Ok(setups(desk)
            .await?
            .iter()
            .any(|setup| setup.fields.iter().any(|field| field.key == self.key)))
    }
}

/// One text, or one for each language.
fn read_label(body: &mut Object) -> Option<FieldLabel> {
    let text = || line(MAX_NAME_CHARACTERS);
    if !body.is_object("label") {
        return body.required("label", text()).map(FieldLabel::Same);
    }
    body.object("label", |label| {
        let (de, en) = (label.required("de", text()), label.required("en", text()));
        Some(FieldLabel::Each { de: de?, en: en? })
    })
}

/// What keys begin with that nobody chose.
const GENERATED: &str = "fld_";
