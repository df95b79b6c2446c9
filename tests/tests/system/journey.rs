//! A controller's whole day over the API alone: import, template, campaign, report; with people
//! leaving meanwhile, every message delivered twice, and the platform killed in the middle.
//!
//! `RUNDBRIEF_PEOPLE=10000` makes it large; a thousand people otherwise.

use std::collections::BTreeSet;
use std::fmt::Write as _;

use serde_json::{Value, json};
use tests::World;

const PLATFORM: &str = env!("CARGO_BIN_EXE_platform");
/// How many of them leave between the plan and the sending.
const LEAVING: usize = 100;

#[expect(
    clippy::disallowed_methods,
    reason = "the documented way to make this test large"
)]
fn people() -> usize {
    let wanted = std::env::var("RUNDBRIEF_PEOPLE").ok();
    wanted
        .and_then(|number| number.parse().ok())
        .unwrap_or(1_000)
}

/// Imports everybody and waits until all are subscribers.
async fn import(world: &World, everybody: &[String]) {
    let mut file = "email,first_name,last_name,city\n".to_owned();
    for (number, address) in everybody.iter().enumerate() {
        let _ = writeln!(file, "{address},Vorname{number},Nachname{number},Wien");
    }
    let path = "/accounts/demo/imports?list=news&source=Messe&legal_basis=consent\
                &consented_on=2026-01-31&proof=Formular";
    let api = world.api();
    let answer = api
        .call_with("POST", path, Some("text/csv"), file.into_bytes())
        .await
        .expect(202)
        .json();
    world.drain().await;
    let path = format!(
        "/accounts/demo/imports/{}",
        answer["id"].as_str().expect("an id")
    );
    let import = api.get(&path).await.expect(200).json();
    assert_eq!(import["state"], "finished");
    assert_eq!(import["created"], everybody.len());
}

/// Plans the campaign for much later, so that no minute's run starts it before its time here.
async fn order(world: &World) -> String {
    let api = world.api();
    let template = json!({
        "name": "Mai",
        "subject": "Neues für {{ subscriber.first_name }}",
        "html": "<p>Guten Tag {{ subscriber.first_name }} {{ subscriber.last_name }}!</p>\
                 <p>{{ imprint }}</p><p><a href=\"{{ unsubscribe_url }}\">Abmelden</a></p>",
    });
    let template = api
        .post("/accounts/demo/templates", &template)
        .await
        .expect(201)
        .json();
    let campaign = json!({
        "name": "Mai",
        "template": template["id"],
        "lists": ["news"],
        "sender": {"name": "Muster GmbH", "email": "news@muster.example"},
    });
    let campaign = api
        .post("/accounts/demo/campaigns", &campaign)
        .await
        .expect(201)
        .json();
    let path = format!(
        "/accounts/demo/campaigns/{}",
        campaign["id"].as_str().expect("an id")
    );
    let plan = json!({"scheduled_at": "2099-01-01T10:00:00", "time_zone": "Europe/Vienna"});
    let planned = api
        .post(&format!("{path}/schedule"), &plan)
        .await
        .expect(202)
        .json();
    assert_eq!(planned["state"], "scheduled");
    path
}

/// The first hundred leave.
async fn leave(world: &World, everybody: &[String]) {
    let api = world.api();
    for address in &everybody[..LEAVING] {
        let subscriber = world.subscriber(address).await.expect("a subscriber");
        let id = subscriber["id"].as_str().expect("an id");
        let path = format!("/accounts/demo/subscribers/{id}/unsubscribe");
        api.post(&path, &json!({})).await.expect(200);
    }
}

/// Runs the minute's work until the campaign is over, at most `minutes` of them.
async fn finish(world: &World, campaign: &str, minutes: usize) -> Value {
    for _ in 0..minutes {
        world.run("campaign").await;
        world.drain().await;
        let report = world
            .api()
            .get(&format!("{campaign}/report"))
            .await
            .expect(200)
            .json();
        if report["state"] == "finished" {
            return report;
        }
        world.advance("PT1M").await;
    }
    panic!("the campaign did not finish within {minutes} minutes");
}

fn sum(of: &Value) -> u64 {
    of.as_object()
        .expect("reasons")
        .values()
        .filter_map(Value::as_u64)
        .sum()
}

async fn campaign_of(world: &mut World, killed: bool) {
    let people = people();
    let tag = format!("w{}", if killed { "killed" } else { "whole" });
    let everybody: Vec<String> = (0..people)
        .map(|n| format!("{tag}.person{n}@kunden.example"))
        .collect();
    import(world, &everybody).await;
    let campaign = order(world).await;
    leave(world, &everybody).await;
    let api = world.api();
    api.post(&format!("{campaign}/send"), &json!({}))
        .await
        .expect(202);

    world.run("campaign").await;
    if killed {
        // Somewhere in the middle: as soon as a third of the mails is out.
        let third = u64::try_from(people / 3).expect("a small number");
        while world.mail_count().await < third {
            tokio::task::yield_now().await;
        }
        world.kill_and_restart().await;
    }
    let report = finish(world, &campaign, 40).await;

    let selected = u64::try_from(people).expect("a small number");
    let (sent, unknown) = (
        report["sent"].as_u64().expect("a number"),
        report["unknown"].as_u64().expect("a number"),
    );
    assert_eq!(report["selected"], selected);
    assert_eq!(
        sent + unknown + sum(&report["skipped"]) + sum(&report["failed"]),
        selected,
        "{report}"
    );
    assert_eq!(report["skipped"], json!({"unsubscribed": LEAVING}));
    assert_eq!(report["failed"], json!({}));

    let inbox = world
        .local("GET", "inbox.json", None)
        .await
        .expect(200)
        .json();
    let mails = inbox["items"].as_array().expect("mails");
    let reached: BTreeSet<&str> = mails
        .iter()
        .filter_map(|mail| mail["to"].as_str())
        .collect();
    assert_eq!(reached.len(), mails.len(), "nobody is mailed twice");
    assert!(
        everybody[..LEAVING]
            .iter()
            .all(|gone| !reached.contains(gone.as_str()))
    );
    let mailed = u64::try_from(mails.len()).expect("a small number");
    assert!(
        (sent..=sent + unknown).contains(&mailed),
        "{mailed} mails, {report}"
    );
    if killed {
        // At most the calls under way when it was killed: two workers, fifty recipients each,
        // doubled for the second delivery.
        assert!(unknown <= 200, "{report}");
    } else {
        assert_eq!(
            (unknown, mailed),
            (0, selected - LEAVING as u64),
            "{report}"
        );
    }
    for mail in mails.iter().step_by(37) {
        let headers = mail["headers"].as_array().expect("headers");
        let values = |wanted: &str| -> Vec<&str> {
            let named = headers.iter().filter(|header| {
                header[0]
                    .as_str()
                    .is_some_and(|name| name.eq_ignore_ascii_case(wanted))
            });
            named.filter_map(|header| header[1].as_str()).collect()
        };
        assert_eq!(values("List-Unsubscribe").len(), 1);
        assert_eq!(
            values("List-Unsubscribe-Post"),
            ["List-Unsubscribe=One-Click"]
        );
        assert_eq!(values("List-Id").len(), 1);
        let number = mail["to"]
            .as_str()
            .expect("an address")
            .trim_start_matches(|c: char| !c.is_ascii_digit());
        let number = number.split('@').next().expect("a number");
        assert!(
            mail["text"]
                .as_str()
                .expect("text")
                .contains(&format!("Vorname{number} Nachname{number}!"))
        );
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_thousand_are_imported_and_reached_once_each_but_who_left_meanwhile() {
    let mut world = World::start_apart(PLATFORM).await;
    campaign_of(&mut world, false).await;
    world.finish().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_platform_killed_in_the_middle_of_a_campaign_mails_nobody_twice_and_accounts_for_all() {
    let mut world = World::start_apart(PLATFORM).await;
    campaign_of(&mut world, true).await;
    world.finish().await;
}
