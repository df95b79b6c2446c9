//! Nothing is sent that hides who sends it or how to be rid of it (L-04, section 7(2) no. 3 UWG).

use serde_json::{Value, json};
use tests::World;

const ACCOUNT: &str = "/accounts/demo";

#[tokio::test]
async fn nothing_is_sent_without_an_imprint_and_a_way_out() {
    let world = World::start().await;
    let api = world.api();
    let anna = world.person("anna");
    world.subscribe(&anna).await;
    // A template that lacks either is refused; the configuration's tests have every way to lack it.
    let template = |html: &str| json!({"name": "Mai", "subject": "Neues", "html": html});
    let templates = format!("{ACCOUNT}/templates");
    for html in [
        "<p>{{ imprint }}</p>",
        "<a href=\"{{ unsubscribe_url }}\">Abmelden</a>",
    ] {
        api.post(&templates, &template(html)).await.expect(422);
    }
    let whole = "<p>{{ imprint }}</p><p><a href=\"{{ unsubscribe_url }}\">Abmelden</a></p>";
    let made = api.post(&templates, &template(whole)).await;
    let campaign = json!({
        "name": "Mai", "template": made.expect(201).json()["id"], "lists": ["news"],
        "sender": {"name": "Muster GmbH", "email": "news@muster.example"},
    });
    let made = api.post(&format!("{ACCOUNT}/campaigns"), &campaign).await;
    let id = made.expect(201).json()["id"].clone();
    let path = format!("{ACCOUNT}/campaigns/{}", id.as_str().expect("an id"));

    // An account that says nowhere who it is sends nothing, now or at a time that was set before.
    let say = async |imprint: &str| {
        let said = api.patch(ACCOUNT, &json!({"imprint": imprint})).await;
        said.expect(200);
    };
    let at = world.now().await + jiff::SignedDuration::from_mins(5);
    let schedule = json!({"scheduled_at": at});
    let scheduled = api.post(&format!("{path}/schedule"), &schedule).await;
    scheduled.expect(202);
    for nobody in ["", " \n"] {
        say(nobody).await;
        for (action, body) in [("send", json!({})), ("schedule", schedule.clone())] {
            let refused = api.post(&format!("{path}/{action}"), &body).await;
            refused.expect_problem(409, "campaign_imprint");
        }
    }
    world.advance("PT6M").await;
    world.run("campaign").await;
    world.drain().await;
    let held = api.get(&path).await.expect(200).json();
    assert_eq!(
        (&held["state"], &held["problem"]),
        (&json!("draft"), &json!("imprint")),
        "{held}"
    );
    assert_eq!(world.inbox(&anna.email).await.len(), 1);

    say("Muster GmbH, Mustergasse 1, 1010 Wien").await;
    let sent = api.post(&format!("{path}/send"), &json!({})).await;
    sent.expect(202);
    let mut report = Value::Null;
    for _ in 0..5 {
        world.run("campaign").await;
        world.drain().await;
        world.advance("PT1M").await;
        report = api.get(&format!("{path}/report")).await.expect(200).json();
    }
    assert_eq!(report["sent"], 1, "{report}");
    let mail = world
        .inbox(&anna.email)
        .await
        .pop()
        .expect("the newsletter");
    let html = mail.html.clone().unwrap_or_default();
    let links = mail.links();
    let way_out = links.iter().find(|link| link.contains("/unsubscribe/"));
    assert!(
        html.contains("Mustergasse 1") && way_out.is_some(),
        "{html}"
    );
    assert_eq!(mail.header("List-Unsubscribe").len(), 1);
    assert!(mail.from.contains("news@muster.example"), "{}", mail.from);
    world.finish().await;
}
