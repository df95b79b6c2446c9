//! `campaigns`: drafts and plans, sending, holding, ending, and what became of it.
//!
//! What a campaign may do in which state is `rundbrief::campaign`'s part; the minute's run of the
//! `campaign` function starts what is due.

use axum::Router;
use axum::routing::{get, post};
use jiff::Timestamp;
use jiff::civil::DateTime;
use lambda_http::http::{StatusCode, Uri};
use rundbrief::account::Scope;
use rundbrief::address::{EmailAddress, InvalidAddress};
use rundbrief::campaign::control::PauseReason;
use rundbrief::campaign::{Campaign, CampaignState, Refusal, Sender};
use rundbrief::entropy::Entropy;
use rundbrief::header::{InvalidHeader, SenderName};
use rundbrief::id::{CampaignId, ListId, TargetGroupId, TemplateId};
use rundbrief::setup::List;
use rundbrief::template::StoredTemplate;
use rundbrief::time::{ShownInstant, zone};
use serde_json::{Value, json};

use super::access::{Access, Desk, Sent};
use super::answer::{Answer, Refused, found, json as answer};
use super::body::{self, Code, MAX_BODY_OCTETS, MAX_NAME_CHARACTERS, Object, line, string};
use super::listing::Parameters;
use super::resource::{self, Resource};
use crate::campaign::{self, ChangeError};
use crate::problem::Problem;

/// Lists of one campaign at most (engineering).
const MAX_LISTS: usize = 50;

pub(super) fn routes() -> Router {
    let action = |name: &str| format!("/accounts/{{account}}/campaigns/{{id}}/{name}");
    resource::routes::<Campaign>()
        .route(&action("send"), post(send))
        .route(&action("schedule"), post(schedule))
        .route(&action("unschedule"), post(unschedule))
        .route(&action("pause"), post(pause))
        .route(&action("resume"), post(resume))
        .route(&action("cancel"), post(cancel))
        .route(&action("report"), get(report))
        .route(&action("log"), get(log))
}

impl Resource for Campaign {
    const PATH: &'static str = "campaigns";
    type Id = CampaignId;

    fn new_id(now: Timestamp, entropy: &dyn Entropy) -> CampaignId {
        CampaignId::generate(now, entropy)
    }

    fn id(&self) -> String {
        self.id.to_string()
    }

    fn read(
        id: CampaignId,
        rev: u64,
        before: Option<&Self>,
        now: Timestamp,
        body: &mut Object,
    ) -> Option<Self> {
        body.ignore(&["state", "started_at", "problem", "created_at"]);
        let name = body.required("name", line(MAX_NAME_CHARACTERS));
        let template = body.required("template", body::id::<TemplateId>);
        let lists = body.filled_array("lists", MAX_LISTS, body::id::<ListId>);
        let target_group = body.optional("target_group", body::id::<TargetGroupId>);
        if !body.has("sender") {
            body.problem("sender", "missing");
        }
        let sender = body.object("sender", read_sender);
        let time_zone = body.optional("time_zone", time_zone);
        let zone_name = time_zone.unwrap_or_default();
        let scheduled_at = body.optional("scheduled_at", |value| instant(value, &zone_name));
        Some(Self {
            id,
            rev,
            name: name.unwrap_or_default(),
            template: template?,
            lists,
            target_group,
            sender: sender?,
            scheduled_at,
            time_zone: zone_name,
            state: before.map_or(CampaignState::Draft, |before| before.state),
            started_at: before.and_then(|before| before.started_at),
            problem: before.and_then(|before| before.problem),
            created_at: before.map_or(now, |before| before.created_at),
        })
    }

    fn show(&self, desk: &Desk) -> Value {
        json!({
            "id": self.id,
            "name": self.name,
            "template": self.template,
            "lists": self.lists,
            "target_group": self.target_group,
            "sender": {"name": self.sender.name.as_str(), "email": self.sender.email.reveal()},
            "scheduled_at": self.scheduled_at.map(ShownInstant),
            "time_zone": zone_of(self, desk),
            "state": self.state,
            "started_at": self.started_at.map(ShownInstant),
            "problem": self.problem,
            "created_at": ShownInstant(self.created_at),
        })
    }

    async fn check(&self, desk: &Desk) -> Result<(), Refused> {
        self.editable().map_err(refused)?;
        let mut problems = Vec::new();
        let place = |kind, id: &str| desk.scope.configuration(kind, id);
        let template: Option<StoredTemplate> = desk
            .app
            .store
            .get(&place("template", self.template.as_str()), desk.now)
            .await?;
        if template.is_none() {
            problems.push(("template".to_owned(), "unknown"));
        }
        for (index, id) in self.lists.iter().enumerate() {
            let key = place("list", id.as_str());
            let list: Option<List> = desk.app.store.get(&key, desk.now).await?;
            if list.is_none() {
                problems.push((format!("lists.{index}"), "unknown"));
            }
        }
        let domain = self.sender.email.domain();
        if !desk.account.sender_domains.iter().any(|own| own == domain) {
            problems.push(("sender.email".to_owned(), "not_a_sender_domain"));
        }
        if problems.is_empty() {
            Ok(())
        } else {
            Err(Refused::fields(problems))
        }
    }

    /// A campaign that has started stays: its report and log belong to it. One that was cancelled
    /// before has neither.
    async fn is_used(&self, _: &Desk) -> Result<bool, Refused> {
        Ok(self.started_at.is_some())
    }
}

fn read_sender(sender: &mut Object) -> Option<Sender> {
    let name = sender.required("name", |value| {
        SenderName::parse(&string(value)?).map_err(InvalidHeader::code)
    });
    let email = sender.required("email", |value| {
        EmailAddress::parse(&string(value)?).map_err(InvalidAddress::code)
    });
    Some(Sender {
        name: name?,
        email: email?,
    })
}

fn time_zone(value: Value) -> Result<String, Code> {
    let name = string(value)?;
    zone(&name).map_err(|_| "unknown_time_zone")?;
    Ok(name)
}

/// An instant (RFC 3339), or a local time in the campaign's zone: one that a change of clocks
/// skips is taken as much later, one that occurs twice the first time.
fn instant(value: Value, zone_name: &str) -> Result<Timestamp, Code> {
    let text = string(value)?;
    if let Ok(instant) = text.parse::<Timestamp>() {
        return Ok(instant);
    }
    let local: DateTime = text.parse().map_err(|_| "not_a_time")?;
    let zone = zone(zone_name).map_err(|_| "needs_a_time_zone")?;
    local
        .to_zoned_datetime(zone)
        .map(|zoned| zoned.timestamp())
        .map_err(|_| "not_a_time")
}

fn refused(refusal: Refusal) -> Refused {
    Refused::from(Problem {
        code: refusal.code(),
        title: "The campaign does not allow this now",
        ..Problem::CONFLICT
    })
}

impl From<ChangeError> for Refused {
    fn from(error: ChangeError) -> Self {
        match error {
            ChangeError::NotFound => Problem::NOT_FOUND.into(),
            ChangeError::Refused(refusal) => refused(refusal),
            ChangeError::Trouble(trouble) => trouble.into(),
        }
    }
}

fn accepted(campaign: &Campaign, desk: &Desk) -> axum::response::Response {
    answer(StatusCode::ACCEPTED, &campaign.show(desk))
}

async fn send(access: Access, sent: Sent) -> Answer {
    let desk = access.with(Scope::Send)?;
    sent.object_if_any(MAX_BODY_OCTETS)?.finish(Some(()))?;
    let id = desk.id()?;
    let (app, account, scope) = (&desk.app, &desk.account, &desk.scope);
    let changed = campaign::send_now(app, account, scope, &id, desk.now).await?;
    Ok(accepted(&changed, &desk))
}

/// Plans it for the time in the body, or for the one it was given before.
async fn schedule(access: Access, sent: Sent) -> Answer {
    let desk = access.with(Scope::Send)?;
    let id: CampaignId = desk.id()?;
    let key = desk.scope.configuration("campaign", id.as_str());
    let known: Option<Campaign> = desk.app.store.get(&key, desk.now).await?;
    let known = known.ok_or(Problem::NOT_FOUND)?;
    let mut body = sent.object_if_any(MAX_BODY_OCTETS)?;
    let zone_name = body
        .optional("time_zone", time_zone)
        .unwrap_or_else(|| zone_of(&known, &desk));
    let given = body.has("scheduled_at");
    let at = body
        .optional("scheduled_at", |value| instant(value, &zone_name))
        .or(known.scheduled_at);
    if at.is_none() && !given {
        body.problem("scheduled_at", "missing");
    }
    let at = body.finish(at)?;
    let (app, account, scope) = (&desk.app, &desk.account, &desk.scope);
    let changed = campaign::schedule(app, account, scope, &id, at, desk.now).await?;
    Ok(accepted(&changed, &desk))
}

fn zone_of(campaign: &Campaign, desk: &Desk) -> String {
    if campaign.time_zone.is_empty() {
        desk.account.time_zone.clone()
    } else {
        campaign.time_zone.clone()
    }
}

async fn unschedule(access: Access) -> Answer {
    let desk = access.with(Scope::Send)?;
    let changed = campaign::unschedule(&desk.app, &desk.scope, &desk.id()?, None, desk.now).await?;
    Ok(accepted(&changed, &desk))
}

async fn pause(access: Access) -> Answer {
    let desk = access.with(Scope::Send)?;
    let (id, why) = (desk.id()?, PauseReason::Person);
    let changed = campaign::pause(&desk.app, &desk.scope, &id, why, desk.now).await?;
    Ok(accepted(&changed, &desk))
}

async fn resume(access: Access) -> Answer {
    let desk = access.with(Scope::Send)?;
    let changed = campaign::resume(&desk.app, &desk.scope, &desk.id()?, desk.now).await?;
    Ok(accepted(&changed, &desk))
}

async fn cancel(access: Access) -> Answer {
    let desk = access.with(Scope::Send)?;
    let changed = campaign::cancel(&desk.app, &desk.scope, &desk.id()?, desk.now).await?;
    Ok(accepted(&changed, &desk))
}

async fn report(access: Access) -> Answer {
    let desk = access.with(Scope::Read)?;
    let report = campaign::report(&desk.app, &desk.scope, &desk.id()?, desk.now).await?;
    Ok(found(&json!(report)))
}

async fn log(access: Access, uri: Uri) -> Answer {
    let desk = access.with(Scope::Read)?;
    let parameters = Parameters::of(&uri);
    let cursor = parameters.get("cursor");
    let page = campaign::log(&desk.app, &desk.scope, &desk.id()?, cursor, desk.now).await?;
    Ok(found(&json!(page)))
}
