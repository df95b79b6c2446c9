//! `GET /accounts/{a}/sender-domains`: the DNS records a domain needs, and how far SES is.
//!
//! Reads only: domains are added by the platform, records by whoever owns the zone.

use aws_sdk_sesv2::operation::get_email_identity::GetEmailIdentityOutput;
use aws_smithy_types::error::metadata::ProvideErrorMetadata as _;
use axum::Router;
use axum::routing::get;
use rundbrief::account::Scope;
use serde_json::{Value, json};

use super::access::{Access, Desk};
use super::answer::{Answer, Refused, found};
use super::listing::listed;
use crate::app::Trouble;

pub(super) fn routes() -> Router {
    Router::new().route("/accounts/{account}/sender-domains", get(read))
}

async fn read(access: Access) -> Answer {
    let desk = access.with(Scope::Read)?;
    let mut items = Vec::new();
    for domain in &desk.account.sender_domains {
        let identity = identity(&desk, domain).await?;
        items.push(show(domain, &desk.app.settings.region, identity.as_ref()));
    }
    Ok(found(&listed(items, None)))
}

async fn identity(desk: &Desk, domain: &str) -> Result<Option<GetEmailIdentityOutput>, Refused> {
    let answer = desk
        .app
        .clients
        .ses()
        .get_email_identity()
        .email_identity(domain)
        .send()
        .await;
    match answer {
        Ok(identity) => Ok(Some(identity)),
        Err(error) if error.code() == Some("NotFoundException") => Ok(None),
        Err(error) => {
            tracing::error!(code = error.code(), "an identity could not be read");
            Err(Trouble::Mail.into())
        }
    }
}

/// Record names and values by the SES developer guide: "Easy DKIM", "custom MAIL FROM domain",
/// "Complying with DMARC".
fn show(domain: &str, region: &str, identity: Option<&GetEmailIdentityOutput>) -> Value {
    let dkim = identity.and_then(GetEmailIdentityOutput::dkim_attributes);
    let state = |status: Option<&str>| match status {
        Some("SUCCESS") => "verified",
        Some("PENDING" | "TEMPORARY_FAILURE") => "pending",
        Some("FAILED") => "failed",
        _ => "missing",
    };
    let dkim_state = state(
        dkim.and_then(|dkim| dkim.status())
            .map(aws_sdk_sesv2::types::DkimStatus::as_str),
    );
    let dkim_records: Vec<Value> = dkim
        .map(aws_sdk_sesv2::types::DkimAttributes::tokens)
        .unwrap_or_default()
        .iter()
        .map(|token| {
            record(
                "CNAME",
                &format!("{token}._domainkey.{domain}"),
                &format!("{token}.dkim.amazonses.com"),
            )
        })
        .collect();
    let mail_from = identity.and_then(GetEmailIdentityOutput::mail_from_attributes);
    let mail_from_domain = mail_from.map_or_else(
        || format!("bounce.{domain}"),
        |mail_from| mail_from.mail_from_domain().to_owned(),
    );
    let mail_from_state =
        state(mail_from.map(|mail_from| mail_from.mail_from_domain_status().as_str()));
    let verified = identity.is_some_and(GetEmailIdentityOutput::verified_for_sending_status);
    json!({
        "domain": domain,
        "state": if verified { "verified" } else if identity.is_some() { "pending" } else { "missing" },
        "verified": verified,
        "dkim": {"state": dkim_state, "records": dkim_records},
        "spf": {
            "state": mail_from_state,
            "records": [
                record(
                    "MX",
                    &mail_from_domain,
                    &format!("10 feedback-smtp.{region}.amazonses.com"),
                ),
                record("TXT", &mail_from_domain, "v=spf1 include:amazonses.com ~all"),
            ],
        },
        // SES does not look at it, and neither do we: DNS is not asked here.
        "dmarc": {
            "state": "not_checked",
            "records": [record("TXT", &format!("_dmarc.{domain}"), "v=DMARC1; p=none")],
        },
    })
}

fn record(kind: &str, name: &str, value: &str) -> Value {
    json!({"type": kind, "name": name, "value": value})
}
