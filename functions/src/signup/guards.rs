//! Who may sign up how often, and who is taken for a bot (M-28 to M-31): carries out what the
//! domain's screening asks for.

use jiff::Timestamp;
use rundbrief::consent::REPEAT_SECONDS;
use rundbrief::form::Submission;
use rundbrief::guard::screening::{
    FormTime, Limited, NONCE_LIMIT, Outcome, Screening, Signs, Step,
};
use rundbrief::guard::{CLIENT_LIMIT, HourlyBudget};
use rundbrief::id::{EventId, PersonKey};
use rundbrief::personal::ClientIp;
use rundbrief::sign_up::SignUp;
use rundbrief::time::plus_seconds;
use rundbrief::token::Token;

use super::{LoadedForm, OVER_BUDGET};
use crate::app::{App, Trouble};
use crate::store::Range;

/// Sign-ups of one person that are looked at: more of the last minutes are somebody's attack,
/// and each of them was held back already.
const RECENT_SIGN_UPS: i32 = 100;

/// Counts the request for client and setup, and looks for signs of a bot.
pub(super) async fn admit(
    app: &App,
    form: &LoadedForm,
    ip: ClientIp,
    submission: &Submission,
    now: Timestamp,
) -> Result<Outcome, Trouble> {
    let keys = app.keys().await?;
    let setup = &form.definition.setup;
    let form_time = match &submission.form_time {
        None => FormTime::Absent,
        Some(sealed) => match keys.sealer.open(sealed) {
            Ok(Token::FormTime {
                account,
                setup,
                shown_at,
                nonce,
            }) => FormTime::Shown {
                account,
                setup,
                at: shown_at,
                nonce,
            },
            _ => FormTime::Forged,
        },
    };
    let mut screening = Screening::new(Signs {
        account: form.account.id.clone(),
        setup: setup.id.clone(),
        honeypot: submission.honeypot,
        form_time,
        now,
    });
    loop {
        let answer = match screening.step() {
            Step::CountClient => {
                let client = keys.guard.client(ip);
                app.store.count(&CLIENT_LIMIT, &client, now).await?
            }
            Step::CountSetup => {
                let mut first = [0];
                app.entropy.fill(&mut first);
                let budget = HourlyBudget(setup.hourly_budget);
                let (account, setup) = (&form.account.id, &setup.id);
                app.store
                    .count_for_setup(account, setup, budget, first[0], now)
                    .await?
            }
            Step::CountNonce(nonce) => {
                let nonce = keys.guard.nonce(nonce);
                app.store.count(&NONCE_LIMIT, &nonce, now).await?
            }
            Step::Done(outcome) => {
                let limited = matches!(
                    outcome,
                    Outcome::TooMany {
                        of: Limited::Setup,
                        ..
                    }
                );
                if limited {
                    // The template's metric filter counts these lines, and its alarm tells.
                    tracing::warn!(
                        event = OVER_BUDGET,
                        account = %form.account.id,
                        setup = %setup.id,
                        "a setup is over its hourly budget"
                    );
                }
                return Ok(outcome);
            }
        };
        screening.counted(answer);
    }
}

/// The person's sign-ups of the last minutes: what a request may be a repetition of.
pub(super) async fn recent(
    app: &App,
    form: &LoadedForm,
    person: PersonKey,
    now: Timestamp,
) -> Result<Vec<SignUp>, Trouble> {
    let since = plus_seconds(now, -REPEAT_SECONDS);
    let before = form
        .scope
        .record(person, SignUp::RECORD, EventId::earliest(since));
    let range = Range {
        table: before.table,
        pk: before.pk,
        prefix: format!("{person}#{}#", SignUp::RECORD),
        after: Some(before.sk),
        limit: RECENT_SIGN_UPS,
    };
    Ok(app.store.page(&range, now).await?.items)
}
