//! `lists`: what people subscribe to.
//!
//! Who is on a list is not kept here, but with each person. So a list can be deleted while people
//! are on it, and its identifier is never used again: a later list would find their consents.

use axum::Router;
use jiff::Timestamp;
use lambda_http::http::StatusCode;
use rundbrief::campaign::{Campaign, CampaignState};
use rundbrief::entropy::Entropy;
use rundbrief::id::ListId;
use rundbrief::record::{Expect, Record, Stored, Transaction};
use rundbrief::setup::{List, RetiredList};
use rundbrief::time::to_millisecond;
use serde_json::{Value, json};

use super::access::Desk;
use super::answer::Refused;
use super::body::{MAX_NAME_CHARACTERS, Object, line};
use super::resource::{self, Resource};
use super::setup::setups;
use crate::problem::Problem;
use crate::store::WriteError;

/// The identifier belonged to a list that was deleted.
const ID_WAS_USED: Problem = Problem {
    status: StatusCode::CONFLICT,
    code: "id_was_used",
    title: "A list with this identifier was deleted, and people's consents name it",
};

/// Whether a campaign mails nobody any more.
fn is_over(state: CampaignState) -> bool {
    match state {
        CampaignState::Finished | CampaignState::Cancelled => true,
        CampaignState::Draft
        | CampaignState::Scheduled
        | CampaignState::Sending
        | CampaignState::Paused
        | CampaignState::Interrupted => false,
    }
}

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
        if setups(desk)
            .await?
            .iter()
            .any(|setup| setup.lists.contains(&self.id))
        {
            return Ok(true);
        }
        let prefix = format!("{}#", Campaign::KIND);
        let campaigns: Vec<Campaign> = desk
            .app
            .store
            .all(&desk.scope.configuration_partition(), &prefix, desk.now)
            .await?;
        Ok(campaigns
            .iter()
            .any(|campaign| !is_over(campaign.state) && campaign.lists.contains(&self.id)))
    }

    async fn store_new(&self, desk: &Desk) -> Result<(), Refused> {
        let retired = desk
            .scope
            .configuration(RetiredList::KIND, self.id.as_str());
        let mut transaction = Transaction::default();
        transaction.put(Record::List(Box::new(self.clone())), Expect::Absent);
        transaction.check(retired.clone(), Expect::Absent);
        let store = &desk.app.store;
        match store.commit(&desk.scope, &transaction, desk.now).await {
            Err(WriteError::Conflict) => {
                let retired: Option<RetiredList> = store.get(&retired, desk.now).await?;
                Err(retired.map_or(Problem::CONFLICT, |_| ID_WAS_USED).into())
            }
            done => Ok(done?),
        }
    }

    async fn retire(&self, desk: &Desk) -> Result<(), Refused> {
        let retired = RetiredList {
            id: self.id.clone(),
            rev: 1,
            retired_at: to_millisecond(desk.now),
        };
        let put = desk
            .app
            .store
            .put(&desk.scope, &retired, Expect::Absent, desk.now);
        match put.await {
            // An attempt to delete it got this far before.
            Ok(()) | Err(WriteError::Conflict) => Ok(()),
            Err(WriteError::Trouble(trouble)) => Err(trouble.into()),
        }
    }
}
