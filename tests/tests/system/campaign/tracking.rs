//! Who reads a campaign mail, and when: no mail asks, and what SES tells of it is kept nowhere.
//!
//! That tracking needs a consent of its own is told in `setups`; so far none is made use of.

use serde_json::json;
use tests::World;

const ACCOUNT: &str = "/accounts/demo";
const LINKS: &str = "<p><a href=\"https://shop.example/a?x=1&amp;y=2\">A</a> \
                     <a href=\"https://shop.example/b#c\">B</a></p>";

#[tokio::test]
async fn no_mail_tracks_its_reader_and_nothing_is_kept_of_what_ses_tells_of_reading() {
    let world = World::start().await;
    let api = world.api();
    let [anna, bert] = ["anna", "bert"].map(|name| world.person(name));
    let setup = json!({
        "name": "Stand", "mode": "single", "justification": "Am Messestand", "lists": ["news"],
        "form_url": "https://shop.example/newsletter", "asks_tracking_consent": true,
    });
    let made = api.post(&format!("{ACCOUNT}/setups"), &setup).await;
    let setup = made.expect(201).json()["id"].clone();
    let setup = setup.as_str().expect("an id");
    for (person, consent) in [(&anna, "true"), (&bert, "")] {
        let form = world.sign_up(setup).email(&person.email);
        let form = form.field("tracking_consent", consent);
        let sent = form.from(world.fresh_client()).send().await;
        sent.expect_accepted();
        let known = world.subscriber(&person.email).await.expect("a subscriber");
        let agreed = known["tracking_consent_since"].is_string();
        assert_eq!(agreed, consent == "true", "{known}");
    }
    world.drain().await;
    world.advance("PT1M").await;

    let html = format!(
        "{LINKS}<p>{{{{ imprint }}}}</p><p><a href=\"{{{{ unsubscribe_url }}}}\">Abmelden</a></p>"
    );
    let template = json!({"name": "Mai", "subject": "Neues", "html": html});
    let made = api.post(&format!("{ACCOUNT}/templates"), &template).await;
    let campaign = json!({
        "name": "Mai", "template": made.expect(201).json()["id"], "lists": ["news"],
        "sender": {"name": "Muster GmbH", "email": "news@muster.example"},
    });
    let made = api.post(&format!("{ACCOUNT}/campaigns"), &campaign).await;
    let id = made.expect(201).json()["id"].clone();
    let path = format!("{ACCOUNT}/campaigns/{}", id.as_str().expect("an id"));
    let sent = api.post(&format!("{path}/send"), &json!({})).await;
    sent.expect(202);
    let mut report = json!(null);
    for _ in 0..40 {
        world.run("campaign").await;
        world.drain().await;
        report = api.get(&format!("{path}/report")).await.expect(200).json();
        if report["state"] == "finished" {
            break;
        }
        world.advance("PT1M").await;
    }
    assert_eq!(report["sent"], 2, "{report}");

    let before = world.stored().await;
    for person in [&anna, &bert] {
        let mail = world.inbox(&person.email).await.pop().expect("a mail");
        assert_eq!(mail.subject, "Neues");
        // With consent as without (L-23): no beacon, and each link as the template has it.
        let html = mail.html.clone().unwrap_or_default();
        assert!(html.contains(LINKS), "{html}");
        for beacon in ["<img", "url(", "background=", "@import", "/o/", "/r/"] {
            assert!(!html.contains(beacon), "{beacon}: {html}");
        }
        assert_eq!(html.matches("href=").count(), 3, "and the way out: {html}");
        for event in [
            json!({"type": "open", "machine": true}),
            json!({"type": "click", "link": "https://shop.example/b#c", "automated": "prefetch"}),
        ] {
            let path = format!("mail/{}/event", mail.id);
            let told = world.local("POST", &path, Some(event)).await;
            assert!(told.status < 300, "{told:?}");
        }
    }
    world.drain().await;
    let what = "what SES tells of opens and clicks";
    world.stored().await.expect_same(&before, what);
    world.finish().await;
}
