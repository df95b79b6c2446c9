//! Starting a campaign: checks it, freezes its content, estimates its audience.
//!
//! What is missing puts it back into draft with the problem named; nothing half started is left.

use jiff::Timestamp;
use rundbrief::account::Account;
use rundbrief::campaign::arc::{Estimate, Span};
use rundbrief::campaign::audience::{Audience, Judgement};
use rundbrief::campaign::content::Content;
use rundbrief::campaign::reading::Reader;
use rundbrief::campaign::{Campaign, Limits, Problem, Refusal};
use rundbrief::id::{AccountId, CampaignId};
use rundbrief::key::{AccountScope, Key};
use rundbrief::processing::Dpia;
use rundbrief::record::Expect;
use rundbrief::restore::Freeze;
use rundbrief::setup::List;
use rundbrief::template::{StoredTemplate, Template, TemplateSource};

use super::change::{ChangeError, is_frozen, unschedule};
use crate::app::{App, Trouble};
use crate::store::WriteError;

/// People per query of the estimate: a page of `DynamoDB` is at most 1 MB.
const ESTIMATE_PAGE: usize = 1_000;

/// Starts the campaign that this key of the `due` index names, if it is due; whether it did.
///
/// # Errors
/// When the store does not answer.
pub(super) async fn due(app: &App, key: &Key, now: Timestamp) -> Result<bool, Trouble> {
    let Some((account, id)) = names(key) else {
        return Ok(false);
    };
    // The index lags: what it names may have changed.
    let campaign: Option<Campaign> = app.store.get(key, now).await?;
    let Some(campaign) = campaign.filter(|campaign| campaign.is_due(now)) else {
        return Ok(false);
    };
    let Some((account, scope)) = app.account(&account, now).await? else {
        return Ok(false);
    };
    // It stays due: it starts once a person has released the restore.
    if is_frozen(app, &scope, now).await? {
        return Ok(false);
    }
    let source = match check(app, &account, &scope, &campaign, now).await {
        Ok(source) => source,
        Err(ChangeError::Refused(Refusal::NotReady(problem))) => {
            tracing::warn!(account = %account.id, campaign = %id, ?problem, "a due campaign cannot be sent as it is");
            return match unschedule(app, &scope, &id, Some(problem), now).await {
                Err(ChangeError::Trouble(trouble)) => Err(trouble),
                _ => Ok(false),
            };
        }
        Err(ChangeError::Trouble(trouble)) => return Err(trouble),
        Err(_) => return Ok(false),
    };
    let content = Content {
        campaign: id.clone(),
        rev: 1,
        source,
        sender: campaign.sender.clone(),
        lists: campaign.lists.clone(),
        imprint: account.imprint.clone(),
        controller: account.name.clone(),
        privacy_url: account.privacy_url.clone(),
        language: account.language,
        started_at: now,
    };
    let estimate = estimate(app, &scope, &campaign, now).await?;
    let Ok(mut transaction) =
        campaign.start(&account.id, content, estimate, &Limits::default(), now)
    else {
        return Ok(false);
    };
    transaction.check(Freeze::place(&scope), Expect::Absent);
    match app.store.commit(&scope, &transaction, now).await {
        Ok(()) => {
            tracing::info!(account = %account.id, campaign = %id, "a campaign starts");
            Ok(true)
        }
        // Another firing started it, or somebody changed it just now.
        Err(WriteError::Conflict) => Ok(false),
        Err(WriteError::Trouble(trouble)) => Err(trouble),
    }
}

fn names(key: &Key) -> Option<(AccountId, CampaignId)> {
    let account = AccountId::parse(key.pk.strip_prefix("A#")?).ok()?;
    let campaign = CampaignId::parse(key.sk.strip_prefix("campaign#")?).ok()?;
    Some((account, campaign))
}

/// Whether the campaign could be sent now; its template's source.
///
/// # Errors
/// [`Refusal::NotReady`] with what is missing.
pub(super) async fn check(
    app: &App,
    account: &Account,
    scope: &AccountScope,
    campaign: &Campaign,
    now: Timestamp,
) -> Result<TemplateSource, ChangeError> {
    let missing = |problem| ChangeError::Refused(Refusal::NotReady(problem));
    if !account.is_open(now) {
        return Err(missing(Problem::AccountClosed));
    }
    let dpia: Option<Dpia> = app.store.get(&Dpia::place(scope), now).await?;
    if !dpia.is_some_and(|dpia| dpia.is_answered()) {
        return Err(missing(Problem::DpiaUnanswered));
    }
    if account.imprint.trim().is_empty() {
        return Err(missing(Problem::Imprint));
    }
    if campaign.target_group.is_some() {
        return Err(missing(Problem::TargetGroup));
    }
    let domain = campaign.sender.email.domain();
    let owns = |own: &String| own.eq_ignore_ascii_case(domain);
    if !account.sender_domains.iter().any(owns) {
        return Err(missing(Problem::SenderDomain));
    }
    if campaign.lists.is_empty() {
        return Err(missing(Problem::Lists));
    }
    for list in &campaign.lists {
        let key = scope.configuration("list", list.as_str());
        let found: Option<List> = app.store.get(&key, now).await?;
        found.ok_or(missing(Problem::Lists))?;
    }
    let key = scope.configuration("template", campaign.template.as_str());
    let stored: Option<StoredTemplate> = app.store.get(&key, now).await?;
    let source = stored.ok_or(missing(Problem::Template))?.source;
    Template::parse(&source).map_err(|_| missing(Problem::Template))?;
    Ok(source)
}

async fn estimate(
    app: &App,
    scope: &AccountScope,
    campaign: &Campaign,
    now: Timestamp,
) -> Result<Estimate, Trouble> {
    let audience = Audience {
        lists: &campaign.lists,
        started_at: now,
    };
    let (mut estimate, mut at) = (Estimate::default(), Some(Span::SAMPLE.from));
    while let Some(from) = at {
        let mut reader = Reader::new(Span::SAMPLE, from, ESTIMATE_PAGE);
        while let Some(query) = reader.query() {
            let (items, more) = app.store.people(scope, &query).await?;
            reader.take(items, more, now);
        }
        let page = reader.finish();
        for found in &page.people {
            estimate.people += u32::from(found.profile.is_some());
            estimate.hits += u32::from(audience.judge(found) != Judgement::Outside);
        }
        at = page.next;
    }
    Ok(estimate)
}
