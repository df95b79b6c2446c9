//! `templates`: what campaigns say, refused at once when it could not be mailed.
//!
//! The language and its limits are `rundbrief::template`'s part.

use axum::Router;
use jiff::Timestamp;
use rundbrief::entropy::Entropy;
use rundbrief::id::TemplateId;
use rundbrief::template::{
    MAX_HTML_OCTETS, MAX_TEXT_OCTETS, StoredTemplate, Template, TemplateSource, UnknownName,
};
use serde_json::{Value, json};

use super::access::Desk;
use super::answer::Refused;
use super::body::{MAX_NAME_CHARACTERS, Object, line, string};
use super::resource::{self, Resource};
use super::setup::declared_fields;
use crate::problem::FieldError;

pub(super) fn routes() -> Router {
    resource::routes::<StoredTemplate>()
}

impl Resource for StoredTemplate {
    const PATH: &'static str = "templates";
    /// Both parts, with room for what JSON escapes.
    const MAX_BODY_OCTETS: usize = MAX_HTML_OCTETS * 3 / 2 + MAX_TEXT_OCTETS * 3 / 2;
    type Id = TemplateId;

    fn new_id(now: Timestamp, entropy: &dyn Entropy) -> TemplateId {
        TemplateId::generate(now, entropy)
    }

    fn id(&self) -> String {
        self.id.to_string()
    }

    fn read(
        id: TemplateId,
        rev: u64,
        _: Option<&Self>,
        _: Timestamp,
        body: &mut Object,
    ) -> Option<Self> {
        let name = body.required("name", line(MAX_NAME_CHARACTERS));
        let subject = body.required("subject", line(MAX_HTML_OCTETS));
        let html = body.required("html", string);
        let text = body.optional("text", string);
        let source = TemplateSource {
            subject: subject?,
            html: html?,
            text,
        };
        if let Err(invalid) = Template::parse(&source) {
            body.problem(invalid.part().name(), invalid.code());
        }
        Some(Self {
            id,
            rev,
            name: name.unwrap_or_default(),
            source,
        })
    }

    /// A name that no mail has would be empty in everybody's mail.
    async fn check(&self, desk: &Desk) -> Result<(), Refused> {
        let declared = declared_fields(desk).await?;
        let is_declared = |key: &str| declared.iter().any(|field| field.key.as_str() == key);
        let unknown = self.source.unknown_names(is_declared);
        if unknown.is_empty() {
            return Ok(());
        }
        let error = |unknown: UnknownName| FieldError {
            about: Some(("variable", unknown.name)),
            ..FieldError::new(unknown.part.name(), "unknown_variable")
        };
        Err(Refused::errors(unknown.into_iter().map(error).collect()))
    }

    fn show(&self, _: &Desk) -> Value {
        json!({
            "id": self.id,
            "name": self.name,
            "subject": self.source.subject,
            "html": self.source.html,
            "text": self.source.text,
        })
    }
}
