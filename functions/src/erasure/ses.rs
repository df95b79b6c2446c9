//! The person's entries in SES's own suppression list: looked at, noted by their reason, taken off.
//!
//! In each spelling that was ever mailed: the calls are case-exact, sending is not. The
//! tombstone remembers that they must not be mailed (T-14).

use aws_sdk_sesv2::types::{SuppressedDestination, SuppressionListReason};
use aws_smithy_types::error::metadata::ProvideErrorMetadata;
use rundbrief::address::EmailAddress;
use rundbrief::erasure::{Erasure, SesReason};

use crate::app::{App, Trouble};

/// Whether no entry is left.
pub(super) async fn clean(app: &App, erasure: &mut Erasure) -> Result<bool, Trouble> {
    let spellings = match &erasure.left {
        Some(left) => left.spellings.clone(),
        None => Vec::new(),
    };
    erasure.ses.spellings = u32::try_from(spellings.len()).unwrap_or(u32::MAX);
    for spelling in &spellings {
        match take_off(app, spelling).await {
            Ok(None) => {}
            Ok(Some(reason)) => erasure.ses.note(reason),
            Err(trouble) => {
                erasure.ses.failed_calls += 1;
                return Err(trouble);
            }
        }
    }
    Ok(true)
}

/// Takes an address off the list; why it was there, if it was.
async fn take_off(app: &App, spelling: &EmailAddress) -> Result<Option<SesReason>, Trouble> {
    let ses = app.clients.ses();
    let listed = ses
        .get_suppressed_destination()
        .email_address(spelling.reveal())
        .send()
        .await;
    let listed = match listed {
        Ok(listed) => listed,
        Err(error) => return absent(error.code(), "look up"),
    };
    let entry = listed.suppressed_destination();
    let reason = match entry.map(SuppressedDestination::reason) {
        Some(SuppressionListReason::Bounce) => SesReason::Bounce,
        Some(SuppressionListReason::Complaint) => SesReason::Complaint,
        _ => SesReason::Other,
    };
    let gone = ses
        .delete_suppressed_destination()
        .email_address(spelling.reveal())
        .send()
        .await;
    match gone {
        Ok(_) => Ok(Some(reason)),
        // Another run of the same erasure was faster, and notes it.
        Err(error) => absent(error.code(), "take off"),
    }
}

/// That an address is not on the list is as good as taken off. The template's metric filter counts
/// the line of any other refusal, and its alarm tells.
fn absent(code: Option<&str>, call: &'static str) -> Result<Option<SesReason>, Trouble> {
    if code == Some("NotFoundException") {
        return Ok(None);
    }
    tracing::error!(code, call, "SES did not take an address off its list");
    Err(Trouble::Mail)
}
