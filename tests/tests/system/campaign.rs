//! Campaigns on a whole platform: everybody once, whatever happens meanwhile.
//!
//! The controller here uses the functions' own library; the management API has its tests.

mod identity;
mod tracking;

use std::collections::{BTreeMap, BTreeSet};

use functions::app::App;
use functions::campaign::{ChangeError, cancel, log, pause, report, resume, schedule, send_now};
use jiff::Timestamp;
use local::faults::{Fault, Service};
use rundbrief::account::Account;
use rundbrief::address::EmailAddress;
use rundbrief::campaign::arc::Circle;
use rundbrief::campaign::control::{Control, NoSlot, PauseReason};
use rundbrief::campaign::report::Report;
use rundbrief::campaign::{Campaign, CampaignState, Limits, Problem, Refusal, Sender};
use rundbrief::crypto::PlatformSecrets;
use rundbrief::entropy::SystemEntropy;
use rundbrief::form::FieldValue;
use rundbrief::header::SenderName;
use rundbrief::id::{AccountId, CampaignId, EventId, FieldKey, ListId, TemplateId};
use rundbrief::key::AccountScope;
use rundbrief::page_language::Language;
use rundbrief::person::{LegalBasis, ListConsent, Profile, Proof, Withdrawal};
use rundbrief::personal::PersonalText;
use rundbrief::record::Expect;
use rundbrief::template::{StoredTemplate, TemplateSource};
use rundbrief::time::plus_seconds;
use serde_json::{Value, json};
use tests::{Mail, World};

/// The demo account's controller.
struct Controller {
    app: App,
    account: Account,
    scope: AccountScope,
}

const TEMPLATE: &str = "monthly";

impl Controller {
    async fn of(world: &World) -> Self {
        let now = world.now().await;
        let app = App::new(
            world.settings(&[]),
            std::sync::Arc::new(move || now),
            std::sync::Arc::new(SystemEntropy::new()),
        );
        let demo = AccountId::parse("demo").expect("an id");
        let account = app.store.account(&demo, now).await.expect("the store");
        let account = account.expect("the demo account");
        // Keys of items do not depend on the secret, and no address is looked up here.
        let secrets = PlatformSecrets::parse(&json!({"1": "x".repeat(64)}).to_string());
        let scope = account
            .scope(&secrets.expect("secrets"), now)
            .expect("open");
        Self {
            app,
            account,
            scope,
        }
    }

    /// Subscribers with names and addresses of their own, on one list.
    async fn subscribers(&self, world: &World, list: &str, names: &[String]) {
        let since = plus_seconds(world.now().await, -3_600);
        let puts = names.iter().map(|name| {
            let email = format!("{name}@kunden.example");
            world.keep_private("an address", &email);
            let address = EmailAddress::parse(&email).expect("an address");
            let first_name = PersonalText::parse(&format!("Vorname-{name}")).expect("a name");
            let profile = Profile {
                person: self.scope.person(&address),
                rev: 1,
                address: address.clone(),
                spellings: vec![address],
                values: BTreeMap::from([(
                    FieldKey::parse("first_name").expect("a key"),
                    FieldValue::One(first_name),
                )]),
                lists: BTreeMap::from([(
                    ListId::parse(list).expect("an id"),
                    ListConsent {
                        since,
                        basis: LegalBasis::Consent,
                        proof: Proof::SignUp(EventId::generate(since, self.app.entropy.as_ref())),
                    },
                )]),
                provenance: Vec::new(),
                interests: Vec::new(),
                tracking_since: None,
                profiling_since: None,
                language: Language::De,
                customer: false,
                created_at: since,
                ended_on: None,
                gone_at: None,
            };
            async move {
                let store = &self.app.store;
                let put = store.put(&self.scope, &profile, Expect::Absent, since);
                put.await.expect("a new subscriber");
            }
        });
        for put in puts {
            put.await;
        }
    }

    async fn withdraw(&self, world: &World, name: &str) {
        let address = EmailAddress::parse(&format!("{name}@kunden.example")).expect("an address");
        let now = world.now().await;
        let withdrawal = Withdrawal {
            rev: 1,
            all_at: Some(now),
            ..Withdrawal::none(self.scope.person(&address))
        };
        let store = &self.app.store;
        let put = store.put(&self.scope, &withdrawal, Expect::Absent, now);
        put.await.expect("a withdrawal");
    }

    /// A draft that could be sent as it is, after `change`.
    async fn draft(
        &self,
        world: &World,
        id: &str,
        change: impl FnOnce(&mut Campaign),
    ) -> CampaignId {
        let now = world.now().await;
        let template = StoredTemplate {
            id: TemplateId::parse(TEMPLATE).expect("an id"),
            rev: 1,
            name: TEMPLATE.to_owned(),
            source: TemplateSource {
                subject: "Für {{ subscriber.first_name }}: \"Neues\" & mehr".to_owned(),
                html: "<p>Hallo {{ subscriber.first_name }}!</p>\
                       <p>{{ imprint }}</p><p><a href=\"{{ unsubscribe_url }}\">Abmelden</a></p>"
                    .to_owned(),
                text: None,
            },
        };
        let store = &self.app.store;
        // The second campaign of a test finds it there.
        let _ = store.put(&self.scope, &template, Expect::Absent, now).await;
        let mut campaign = Campaign {
            id: CampaignId::parse(id).expect("an id"),
            rev: 1,
            name: id.to_owned(),
            template: template.id,
            lists: vec![ListId::parse("news").expect("an id")],
            target_group: None,
            sender: Sender {
                name: SenderName::parse("Müller & Söhne").expect("a name"),
                email: EmailAddress::parse("news@muster.example").expect("an address"),
            },
            scheduled_at: None,
            time_zone: "Europe/Vienna".to_owned(),
            state: CampaignState::Draft,
            started_at: None,
            problem: None,
            created_at: now,
        };
        change(&mut campaign);
        let put = store.put(&self.scope, &campaign, Expect::Absent, now);
        put.await.expect("a draft");
        campaign.id
    }

    async fn send(&self, world: &World, id: &str) -> CampaignId {
        let id = self.draft(world, id, |_| ()).await;
        let now = world.now().await;
        let sent = send_now(&self.app, &self.account, &self.scope, &id, now).await;
        assert_eq!(sent.expect("accepted").state, CampaignState::Scheduled);
        id
    }

    async fn report(&self, world: &World, id: &CampaignId) -> Report {
        let report = report(&self.app, &self.scope, id, world.now().await).await;
        let report = report.expect("a report");
        let skipped: u64 = report.skipped.values().sum();
        let failed: u64 = report.failed.values().sum();
        let all = report.sent + skipped + failed + report.unknown;
        assert_eq!(report.selected, all, "{report:?}");
        report
    }

    /// Minute by minute until the campaign is over.
    async fn finish(&self, world: &World, id: &CampaignId, minutes: usize) -> Report {
        for _ in 0..minutes {
            world.run("campaign").await;
            world.drain().await;
            let report = self.report(world, id).await;
            if report.state == CampaignState::Finished {
                return report;
            }
            world.advance("PT1M").await;
        }
        panic!("not finished: {:?}", self.report(world, id).await);
    }
}

fn names(count: usize) -> Vec<String> {
    (0..count)
        .map(|number| format!("kundin{number:05}"))
        .collect()
}

async fn all_mails(world: &World) -> Vec<Mail> {
    let inbox = world.local("GET", "inbox.json", None).await.expect(200);
    serde_json::from_value(inbox.json()["items"].take()).expect("mails")
}

/// Nobody got two; how many got one.
fn addressees(mails: &[Mail]) -> BTreeSet<String> {
    let all: BTreeSet<String> = mails.iter().map(|mail| mail.to.clone()).collect();
    assert_eq!(all.len(), mails.len(), "nobody is mailed twice");
    all
}

/// Waits until this many mails were taken.
async fn until_mails(world: &World, count: u64) {
    for _ in 0..20_000 {
        if world.mail_count().await >= count {
            return;
        }
        tokio::task::yield_now().await;
    }
    panic!("only {} mails", world.mail_count().await);
}

#[tokio::test]
async fn a_campaign_reaches_everybody_once_and_its_report_reconciles() {
    let world = World::start().await;
    let controller = Controller::of(&world).await;
    let names = names(260);
    controller.subscribers(&world, "news", &names).await;
    let others = ["andere1".to_owned(), "andere2".to_owned()];
    controller.subscribers(&world, "other", &others).await;
    for name in &names[..5] {
        controller.withdraw(&world, name).await;
    }

    let id = controller.send(&world, "cmp_first").await;
    let first = world.run("campaign").await;
    assert_eq!(first["started"], 1, "{first}");
    world.drain().await;
    let report = controller.finish(&world, &id, 2).await;
    assert_eq!((report.selected, report.sent), (260, 255), "{report:?}");
    let told = serde_json::to_value(&report).expect("JSON");
    assert_eq!(told["skipped"], json!({"unsubscribed": 5}));
    assert_eq!(
        (told["state"].as_str(), report.unknown),
        (Some("finished"), 0)
    );
    assert_eq!((report.delivered, report.bounced), (255, 0), "{report:?}");

    let mails = all_mails(&world).await;
    let addressees = addressees(&mails);
    assert_eq!(addressees.len(), 255);
    for mail in &mails {
        let name = mail.to.split('@').next().expect("a name");
        assert_eq!(
            mail.subject,
            format!("Für Vorname-{name}: \"Neues\" & mehr")
        );
        let html = mail.html.as_deref().expect("HTML");
        assert!(
            html.contains(&format!("<p>Hallo Vorname-{name}!</p>")),
            "{html}"
        );
        assert!(mail.text().contains("Mustergasse 1"), "{}", mail.text());
        assert_eq!(mail.header("List-Unsubscribe").len(), 1);
        assert_eq!(
            mail.header("List-Unsubscribe-Post"),
            ["List-Unsubscribe=One-Click"]
        );
        assert_eq!(mail.header("List-Id"), ["<news.demo.muster.example>"]);
        assert_eq!(mail.tags["campaign"], "cmp_first");
        assert!(!names[..5].iter().any(|gone| gone == name));
    }

    // Every recipient can be looked up.
    let (mut items, mut cursor) = (Vec::new(), None::<String>);
    loop {
        let now = world.now().await;
        let page = log(
            &controller.app,
            &controller.scope,
            &id,
            cursor.as_deref(),
            now,
        )
        .await;
        let page = page.expect("the log");
        items.extend(page.items);
        match page.next {
            Some(next) => cursor = Some(next),
            None => break,
        }
    }
    let people: BTreeSet<_> = items.iter().map(|item| item.subscriber).collect();
    assert_eq!((items.len(), people.len()), (260, 260));
    let skipped = items.iter().filter(|item| item.state == "skipped").count();
    assert_eq!(skipped, 5);

    // What mailbox providers report keeps people out of the next one.
    for (mail, kind) in [(&mails[0], "bounce"), (&mails[1], "complaint")] {
        let event = json!({"type": kind});
        let path = format!("mail/{}/event", mail.id);
        let answer = world.local("POST", &path, Some(event)).await;
        assert!(answer.status < 300, "{}", answer.text());
    }
    let left = world.unsubscribe_one_click(&mails[2]).send().await;
    assert_eq!(left.status, 200);
    world.drain().await;
    let report = controller.report(&world, &id).await;
    assert_eq!((report.bounced, report.complained), (1, 1), "{report:?}");
    let id = controller.send(&world, "cmp_second").await;
    let report = controller.finish(&world, &id, 3).await;
    let told: Value = serde_json::to_value(&report).expect("JSON");
    assert_eq!(
        told["skipped"],
        json!({"bounced": 1, "complained": 1, "unsubscribed": 6}),
        "{report:?}"
    );
    assert_eq!(report.sent, 252);
    world.finish().await;
}

#[tokio::test]
async fn a_pause_holds_at_once_and_what_is_left_goes_on_later() {
    let world = World::start_with(|options| options.send_rate = 40.0).await;
    let controller = Controller::of(&world).await;
    controller.subscribers(&world, "news", &names(120)).await;
    let id = controller.send(&world, "cmp_held").await;
    world.run("campaign").await;
    until_mails(&world, 1).await;
    let (app, scope) = (&controller.app, &controller.scope);
    let now = world.now().await;
    let paused = pause(app, scope, &id, PauseReason::Person, now).await;
    assert_eq!(paused.expect("paused").state, CampaignState::Paused);
    world.drain().await;
    let held = world.mail_count().await;
    // Of the rate, 36 are for campaigns: one call each of at most two workers was under way.
    assert!(held < 120, "{held}");
    world.run("campaign").await;
    world.drain().await;
    assert_eq!(world.mail_count().await, held);
    let again = pause(app, scope, &id, PauseReason::Person, now).await;
    assert_eq!(
        again.unwrap_err(),
        ChangeError::Refused(Refusal::NotSending)
    );

    resume(app, scope, &id, now).await.expect("resumed");
    let report = controller.finish(&world, &id, 20).await;
    assert_eq!((report.selected, report.sent), (120, 120), "{report:?}");
    assert_eq!(addressees(&all_mails(&world).await).len(), 120);
    for refused in [
        pause(app, scope, &id, PauseReason::Person, now).await,
        resume(app, scope, &id, now).await,
        cancel(app, scope, &id, now).await,
    ] {
        assert_eq!(refused.unwrap_err(), ChangeError::Refused(Refusal::IsOver));
    }
    world.finish().await;
}

#[tokio::test]
async fn a_call_whose_answer_is_lost_is_unknown_and_not_repeated() {
    let world = World::start().await;
    let controller = Controller::of(&world).await;
    controller.subscribers(&world, "news", &names(40)).await;
    let id = controller.send(&world, "cmp_lost").await;
    world.fail_next(Service::Ses, Fault::After, 1);
    let report = controller.finish(&world, &id, 30).await;
    assert!(report.unknown > 0, "{report:?}");
    assert_eq!(report.unknown + report.sent, 40);
    assert_eq!(addressees(&all_mails(&world).await).len(), 40);
    world.finish().await;
}

#[tokio::test]
async fn a_killed_platform_goes_on_where_the_ledger_ends() {
    let mut world = World::start_with(|options| options.send_rate = 60.0).await;
    let controller = Controller::of(&world).await;
    controller.subscribers(&world, "news", &names(150)).await;
    let id = controller.send(&world, "cmp_killed").await;
    world.run("campaign").await;
    until_mails(&world, 30).await;
    world.kill_and_restart().await;
    let before = world.mail_count().await;
    assert!((30..150).contains(&before), "{before}");
    let controller = Controller::of(&world).await;
    world.run("campaign").await;
    world.drain().await;
    // What was under way is settled after 15 minutes.
    world.advance("PT16M").await;
    let report = controller.finish(&world, &id, 10).await;
    assert_eq!(report.selected, 150, "{report:?}");
    assert_eq!(report.sent + report.unknown, 150, "{report:?}");
    let mails = addressees(&all_mails(&world).await).len() as u64;
    assert!(mails >= report.sent, "{mails} {report:?}");
    world.finish().await;
}

/// Spoils a draft.
type Change = fn(&mut Campaign);

#[tokio::test]
async fn what_cannot_be_sent_is_refused_and_says_why() {
    let world = World::start().await;
    let controller = Controller::of(&world).await;
    let (app, scope) = (&controller.app, &controller.scope);
    let now = world.now().await;
    let cases: [(Change, Problem); 5] = [
        (|c| c.lists.clear(), Problem::Lists),
        (
            |c| c.lists = vec![ListId::parse("gone").expect("an id")],
            Problem::Lists,
        ),
        (
            |c| c.template = TemplateId::parse("gone").expect("an id"),
            Problem::Template,
        ),
        (
            |c| c.sender.email = EmailAddress::parse("a@elsewhere.example").expect("an address"),
            Problem::SenderDomain,
        ),
        (
            |c| c.target_group = Some(rundbrief::id::TargetGroupId::parse("x").expect("an id")),
            Problem::TargetGroup,
        ),
    ];
    for (number, (change, problem)) in cases.into_iter().enumerate() {
        let id = controller
            .draft(&world, &format!("cmp_{number}"), change)
            .await;
        let refused = schedule(app, &controller.account, scope, &id, now, now).await;
        let wanted = ChangeError::Refused(Refusal::NotReady(problem));
        assert_eq!(refused.unwrap_err(), wanted);
    }
    // What goes missing between plan and start puts the campaign back into draft.
    let id = controller.draft(&world, "cmp_planned", |_| ()).await;
    let later = plus_seconds(now, 3_600);
    let planned = schedule(app, &controller.account, scope, &id, later, now).await;
    let planned = planned.expect("planned");
    assert_eq!(world.run("campaign").await["started"], 0);
    let template = scope.configuration("template", TEMPLATE);
    app.store.delete(&template, 1).await.expect("deleted");
    world.advance("PT61M").await;
    world.run("campaign").await;
    let found: Campaign = app
        .store
        .get(&scope.configuration("campaign", id.as_str()), later)
        .await
        .expect("the store")
        .expect("the campaign");
    assert_eq!(found.state, CampaignState::Draft, "{planned:?}");
    assert_eq!(found.problem, Some(Problem::Template));
    let unknown = CampaignId::parse("nobody").expect("an id");
    let missing = report(app, scope, &unknown, now).await;
    assert_eq!(missing.unwrap_err(), ChangeError::NotFound);
    world.finish().await;
}

#[tokio::test]
async fn a_campaign_starts_at_its_time_although_the_clock_is_moved_by_days() {
    let world = World::start().await;
    let controller = Controller::of(&world).await;
    controller.subscribers(&world, "news", &names(3)).await;
    let id = controller.draft(&world, "cmp_ten", |_| ()).await;
    let now = world.now().await;
    let day = rundbrief::time::day_in(plus_seconds(now, 2 * 86_400), &jiff::tz::TimeZone::UTC);
    let at: Timestamp = format!("{day}T10:00:00Z").parse().expect("a time");
    let (app, scope) = (&controller.app, &controller.scope);
    let planned = schedule(app, &controller.account, scope, &id, at, now).await;
    planned.expect("planned");
    world.advance("P4D").await;
    assert_eq!(addressees(&all_mails(&world).await).len(), 3);
    let key = scope.configuration("campaign", id.as_str());
    let started: Option<Campaign> = app.store.get(&key, now).await.expect("the store");
    let started = started.and_then(|campaign| campaign.started_at);
    assert_eq!(started, Some(at));
    world.drain().await;
    world.finish().await;
}

#[tokio::test]
async fn a_planned_campaign_that_is_cancelled_never_starts_and_may_be_deleted() {
    let world = World::start().await;
    let controller = Controller::of(&world).await;
    controller.subscribers(&world, "news", &names(1)).await;
    let id = controller.draft(&world, "cmp_dropped", |_| ()).await;
    let (api, path) = (world.api(), "/accounts/demo/campaigns/cmp_dropped");
    let cancel = format!("{path}/cancel");
    api.post(&cancel, &json!({}))
        .await
        .expect_problem(409, "campaign_not_started");
    let at = plus_seconds(world.now().await, 3_600);
    let plan = json!({"scheduled_at": at.to_string()});
    api.post(&format!("{path}/schedule"), &plan)
        .await
        .expect(202);
    let cancelled = api.post(&cancel, &json!({})).await.expect(202).json();
    assert_eq!(cancelled["state"], "cancelled", "{cancelled}");
    for action in ["schedule", "send", "pause", "resume", "cancel"] {
        let refused = api.post(&format!("{path}/{action}"), &json!({})).await;
        refused.expect_problem(409, "campaign_is_over");
    }
    world.advance("PT2H").await;
    world.drain().await;
    assert_eq!(world.mail_count().await, 0);
    let report = controller.report(&world, &id).await;
    assert_eq!(
        (report.state, report.selected),
        (CampaignState::Cancelled, 0)
    );
    api.delete(path).await.expect(204);
    world.finish().await;
}

/// `cargo test -p tests --test system ten_thousand -- --ignored --nocapture` tells how long it
/// takes.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "takes minutes"]
async fn ten_thousand_people_are_reached_once_each() {
    let world = World::start().await;
    let controller = Controller::of(&world).await;
    controller.subscribers(&world, "news", &names(10_000)).await;
    let id = controller.send(&world, "cmp_large").await;
    let started = std::time::Instant::now();
    world.run("campaign").await;
    world.drain().await;
    assert_eq!(world.mail_count().await, 10_000);
    eprintln!("10,000 mails in {:?}", started.elapsed());
    let report = controller.finish(&world, &id, 5).await;
    eprintln!("finished after {:?}", started.elapsed());
    assert_eq!((report.selected, report.sent), (10_000, 10_000));
    assert_eq!(report.delivered, 10_000);
    assert_eq!(addressees(&all_mails(&world).await).len(), 10_000);
    world.finish().await;
}

/// The table's slots are those of the model that the simulation runs on.
#[tokio::test]
async fn slots_on_the_table_are_those_of_the_model() {
    let world = World::start().await;
    let controller = Controller::of(&world).await;
    let (store, scope) = (&controller.app.store, &controller.scope);
    let limits = Limits::default();
    let start: Timestamp = world.now().await;
    let id = CampaignId::parse("cmp_slots").expect("an id");
    let mut model = Control {
        spacing: 50_000,
        ..Control::new(id, Circle::of(3), start)
    };
    store
        .put(scope, &model, Expect::Absent, start)
        .await
        .expect("a control item");
    // What a worker last saw, which others may have changed since.
    let mut seen = [model.clone(), model.clone()];
    for (step, (worker, recipients, seconds)) in [
        (0, 50, 0),
        (1, 10, 0),
        (0, 0, 0),
        (1, 50, 1),
        (0, 50, 1),
        (1, 50, 1),
        (0, 50, 1),
        (0, 50, 2),
        (1, 1, 3_600),
        (0, 50, 3_600),
    ]
    .into_iter()
    .enumerate()
    {
        let now = plus_seconds(start, seconds);
        let known = seen[worker].clone();
        let (control, got) = store
            .take_slot(scope, known, recipients, &limits, now)
            .await
            .expect("the store");
        let wanted = match model.slot(recipients, &limits, now) {
            Ok(update) => {
                let (after, begins) = model.with_slot(update).expect("its condition holds");
                model = after;
                Ok(begins)
            }
            Err(why) => Err(why),
        };
        assert_eq!(got, wanted, "step {step}");
        if got.is_ok() {
            assert_eq!(control, model, "step {step}");
        }
        seen[worker] = control;
    }
    let paused = Control {
        rev: model.rev + 1,
        state: CampaignState::Paused,
        ..model.clone()
    };
    let late = plus_seconds(start, 7_200);
    let put = store.put(scope, &paused, Expect::Revision(model.rev), late);
    put.await.expect("paused");
    for recipients in [0, 1] {
        let (_, got) = store
            .take_slot(scope, model.clone(), recipients, &limits, late)
            .await
            .expect("the store");
        assert_eq!(got, Err(NoSlot::State(CampaignState::Paused)));
    }
    world.finish().await;
}
