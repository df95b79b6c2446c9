//! `lists`: what people subscribe to.
//!
//! Who is on a list is not kept here, but with each person.

use axum::Router;
use jiff::Timestamp;
use rundbrief::entropy::Entropy;
use rundbrief::id::ListId;
use rundbrief::setup::List;
use serde_json::{Value, json};

use super::access::Desk;
use super::answer::Refused;
use super::body::{MAX_NAME_CHARACTERS, Object, line};
use super::resource::{self, Resource};
use super::setup::setups;

pub(super) fn routes() -> Router {
    resource::routes::<List>()
}

impl Resource for List {
    const PATH: &'static str = "lists";
    type Id = ListId;

    fn new_id(now: Timestamp, entropy: &dyn Entropy) -> ListId {
        ListId::generate(now, entropy)
    }

    fn id(&self) -> String {
        self.id.to_string()
    }

    fn read(
        id: ListId,
        rev: u64,
        _: Option<&Self>,
        _: Timestamp,
        body: &mut Object,
    ) -> Option<Self> {
        let name = body.required("name", line(MAX_NAME_CHARACTERS));
        Some(Self {
            id,
            rev,
            name: name?,
        })
    }

    fn show(&self, _: &Desk) -> Value {
        json!({"id": self.id, "name": self.name})
    }

    async fn is_used(&self, desk: &Desk) -> Result<bool, Refused> {
        Ok(setups(desk)
            .await?
            .iter()
            .any(|setup| setup.lists.contains(&self.id)))
    }
}
