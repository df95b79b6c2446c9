//! What is due is deleted: seen in full scans of the tables, not only through the API.
//! Not the archives, whose end is in `backup`.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use functions::app::App;
use functions::retention::{self, Bounds};
use jiff::{Timestamp, ToSpan};
use rundbrief::entropy::SystemEntropy;
use rundbrief::key::{AccountScope, Key};
use rundbrief::policy::Store;
use rundbrief::record::{Due, DueWork, Expect, Stored};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use tests::World;

/// Something with an end, in nobody's account.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Note {
    name: String,
    rev: u64,
    gone_at: Option<Timestamp>,
    work: DueWork,
}

impl Note {
    fn due_at(name: &str, gone_at: Timestamp) -> Self {
        Self {
            name: name.to_owned(),
            rev: 1,
            gone_at: Some(gone_at),
            work: DueWork::Expire,
        }
    }

    fn place(&self) -> Key {
        Key::global("notes", self.name.as_str())
    }
}

impl Stored for Note {
    const KIND: &'static str = "note";

    fn key(&self, _: &AccountScope) -> Key {
        self.place()
    }

    fn revision(&self) -> u64 {
        self.rev
    }

    fn expires_at(&self) -> Option<Timestamp> {
        self.gone_at
    }

    fn due(&self) -> Option<Due> {
        self.gone_at.map(|at| Due {
            work: self.work,
            at,
        })
    }
}

/// The functions' own code on a world's tables, with a clock of its own.
struct Desk {
    app: App,
    clock: Arc<AtomicI64>,
}

impl Desk {
    fn at(world: &World, now: &str) -> Self {
        let clock = Arc::new(AtomicI64::new(0));
        let read = Arc::clone(&clock);
        let app = App::new(
            world.settings(&[]),
            Arc::new(move || {
                Timestamp::from_millisecond(read.load(Ordering::SeqCst)).expect("a time")
            }),
            Arc::new(SystemEntropy::new()),
        );
        let desk = Self { app, clock };
        desk.set(now.parse().expect("a time"));
        desk
    }

    fn set(&self, now: Timestamp) {
        self.clock.store(now.as_millisecond(), Ordering::SeqCst);
    }

    async fn put(&self, note: &Note) {
        let (place, now) = (note.place(), self.app.now());
        let put = self.app.store.put_at(&place, note, Expect::Absent, now);
        put.await.expect("it is stored");
    }

    async fn sweep(&self) -> Value {
        let report = retention::run(&self.app, Bounds::default()).await;
        report.expect("the index answers")
    }
}

fn deleted(report: &Value, kind: &str) -> u64 {
    report["deleted"][kind].as_u64().unwrap_or(0)
}

#[tokio::test]
async fn eight_days_later_nothing_is_left_of_who_never_confirmed() {
    let world = World::start().await;
    let (anna, berta) = (world.person("anna"), world.person("berta"));
    let sign_up = world.sign_up("double").email(&anna.email);
    sign_up
        .field("first_name", &anna.first_name)
        .send()
        .await
        .expect_accepted();
    world.drain().await;
    world.only_mail(&anna.email).await;
    // No mail of this account can be sent: its outbox record is never done with.
    let made = world
        .platform_api()
        .post("/accounts", &json!({"name": "Ohne Absender"}))
        .await;
    let made = made.expect(201).json();
    let account = made["id"].as_str().expect("an id").to_owned();
    let api = world.api_with_key(made["key"].as_str().expect("a key"));
    api.state_legal_elements(&account).await;
    let list = api
        .post(
            &format!("/accounts/{account}/lists"),
            &json!({"name": "Neues"}),
        )
        .await;
    let list = list.expect(201).json()["id"].clone();
    let setup = json!({
        "name": "Anmeldung", "mode": "double", "lists": [list],
        "fields": [], "form_url": "https://ohne.example/",
    });
    let setup = api
        .post(&format!("/accounts/{account}/setups"), &setup)
        .await;
    let setup = setup.expect(201).json()["id"]
        .as_str()
        .expect("an id")
        .to_owned();
    let sign_up = world.sign_up_at(&account, &setup).email(&berta.email);
    sign_up
        .from(world.fresh_client())
        .send()
        .await
        .expect_accepted();
    world.drain().await;

    let before = world.scan_table().await;
    assert_eq!(before.holding(&anna.email).len(), 1);
    assert_eq!(before.of_kind("sign_up").len(), 2);
    assert_eq!(before.of_kind("outbox").len(), 2);

    world.advance("P8D").await;
    let after = world.scan_table().await;
    for person in [&anna, &berta] {
        assert_eq!(after.holding(&person.email), Vec::<&Value>::new());
    }
    assert_eq!(after.of_kind("sign_up"), Vec::<&Value>::new());
    assert_eq!(after.of_kind("outbox"), Vec::<&Value>::new());
    // What was done stands in the reports: of the platform, and of each account.
    let reports = after.of_kind("deletion_report");
    let sum = |account: &Value| -> u64 {
        let of_account = reports
            .iter()
            .filter(|report| report["account"] == *account);
        of_account.map(|report| deleted(report, "sign_up")).sum()
    };
    assert_eq!(sum(&Value::Null), 2);
    assert_eq!(sum(&json!("demo")), 1);
    assert_eq!(sum(&json!(account)), 1);
    world.finish().await;
}

#[tokio::test]
async fn a_relationship_that_ended_on_31_january_is_gone_at_the_end_of_28_february() {
    let world = World::start().await;
    let anna = world.person("anna");
    let at = |text: &str| text.parse::<Timestamp>().expect("a time");
    world.hold_clock(at("2027-01-31T12:00:00+01:00"));
    let sign_up = world.sign_up("confirmed").email(&anna.email);
    sign_up.send().await.expect_accepted();
    world.drain().await;
    let mail = world.only_mail(&anna.email).await;
    // Two withdrawals at one instant would be one: a moment later.
    world.hold_clock(at("2027-01-31T12:05:00+01:00"));
    world.unsubscribe(&mail).send().await.expect_page(200);

    // The last second of 28 February in Vienna.
    world.hold_clock(at("2027-02-28T23:59:59+01:00"));
    world.run("retention").await;
    assert_eq!(world.scan_table().await.of_kind("profile").len(), 1);
    world.hold_clock(at("2027-03-01T00:00:00+01:00"));
    // By this run, or by the schedule's own.
    world.run("retention").await;
    let after = world.scan_table().await;
    assert_eq!(after.of_kind("profile"), Vec::<&Value>::new());
    // Their terms are their own: as long as the account.
    for kept in ["withdrawal", "tombstone", "sign_up", "unsubscription"] {
        assert_eq!(after.of_kind(kept).len(), 1, "{kept}");
    }
    world.release_clock();
    world.finish().await;
}

#[tokio::test]
async fn whoever_comes_back_between_the_look_and_the_deletion_stays() {
    let world = World::start_with(|options| options.demo = false).await;
    let desk = Desk::at(&world, "2027-03-01T10:00:00Z");
    let now = desk.app.now();
    let over = Note::due_at("anna", now - 1.hours());
    desk.put(&over).await;
    let ending = desk
        .app
        .store
        .ending(&over.place())
        .await
        .expect("it answers");
    assert!(ending.is_some_and(|ending| ending.expires_at <= Some(now)));
    // Expired is absent: coming back puts a whole new item.
    let back = Note {
        gone_at: None,
        ..over
    };
    desk.put(&back).await;
    let swept = desk.app.store.delete_expired(&back.place(), &[], now).await;
    assert_eq!(swept, Ok(None));
    desk.sweep().await;
    let kept: Option<Note> = desk
        .app
        .store
        .get(&back.place(), now)
        .await
        .expect("it answers");
    assert_eq!(kept, Some(back));
    world.finish().await;
}

#[tokio::test]
async fn two_runs_at_once_delete_everything_once_and_a_third_finds_nothing() {
    let world = World::start_with(|options| options.demo = false).await;
    let desk = Desk::at(&world, "2027-03-01T10:00:00Z");
    let now = desk.app.now();
    for number in 0..600_i32 {
        let ended = now + (number - 550).minutes();
        desk.put(&Note::due_at(&format!("n{number:03}"), ended))
            .await;
    }
    let (one, other) = tokio::join!(desk.sweep(), desk.sweep());
    assert_eq!(deleted(&one, "note") + deleted(&other, "note"), 551);
    let third = desk.sweep().await;
    assert_eq!(third["deleted"], json!({}));
    assert_eq!(
        (&third["more"], &third["failed"]),
        (&json!(false), &json!(0))
    );
    assert_eq!(world.scan_table().await.of_kind("note").len(), 49);
    world.finish().await;
}

#[tokio::test]
async fn a_run_that_is_cut_short_is_gone_on_with_by_the_next() {
    let world = World::start_with(|options| options.demo = false).await;
    let desk = Desk::at(&world, "2027-03-01T10:00:00Z");
    let now = desk.app.now();
    for number in 0..40_i32 {
        let ended = now + (number - 41).hours();
        desk.put(&Note::due_at(&format!("n{number:02}"), ended))
            .await;
    }
    let bounds = Bounds {
        items: 15,
        ..Bounds::default()
    };
    let mut counts = Vec::new();
    loop {
        let report = retention::run(&desk.app, bounds)
            .await
            .expect("the index answers");
        counts.push(deleted(&report, "note"));
        if report["more"] == json!(false) {
            break;
        }
        assert!(counts.len() < 20, "it comes to an end: {counts:?}");
    }
    assert!(counts.len() > 1, "it was cut short: {counts:?}");
    assert_eq!(counts.iter().sum::<u64>(), 40);
    // No time at all: nothing is begun, nothing is lost.
    desk.put(&Note::due_at("late", now)).await;
    let none = Bounds {
        time: Duration::ZERO,
        ..bounds
    };
    let report = retention::run(&desk.app, none)
        .await
        .expect("the index answers");
    assert_eq!(
        (deleted(&report, "note"), &report["more"]),
        (0, &json!(true))
    );
    assert_eq!(deleted(&desk.sweep().await, "note"), 1);
    world.finish().await;
}

#[tokio::test]
async fn years_without_a_run_are_caught_up_with_in_one() {
    let world = World::start_with(|options| options.demo = false).await;
    let desk = Desk::at(&world, "2027-03-01T10:00:00Z");
    let now = desk.app.now();
    desk.sweep().await;
    for (number, days) in [0, 8, 31, 200, 400, 729].into_iter().enumerate() {
        let due = now + (24 * days).hours();
        desk.put(&Note::due_at(&format!("n{number}"), due)).await;
    }
    desk.set(now + (24 * 730).hours());
    let report = desk.sweep().await;
    assert_eq!(deleted(&report, "note"), 6);
    world.finish().await;
}

#[tokio::test]
async fn what_was_over_when_it_was_written_is_found_too() {
    let world = World::start_with(|options| options.demo = false).await;
    let desk = Desk::at(&world, "2027-03-01T10:00:00Z");
    let now = desk.app.now();
    desk.sweep().await;
    desk.set(now + 48.hours());
    desk.sweep().await;
    desk.put(&Note::due_at("long ago", now - 9_000.hours()))
        .await;
    let unsent = Note {
        work: DueWork::Outbox,
        ..Note::due_at("unsent", now - 24.hours())
    };
    desk.put(&unsent).await;
    assert_eq!(deleted(&desk.sweep().await, "note"), 2);
    world.finish().await;
}

/// The `kind`s that items are written with, by the sources.
fn kinds_in(folder: &std::path::Path, kinds: &mut BTreeSet<String>) {
    for entry in std::fs::read_dir(folder).expect("a folder") {
        let path = entry.expect("an entry").path();
        if path.is_dir() {
            kinds_in(&path, kinds);
            continue;
        }
        let text = std::fs::read_to_string(&path).unwrap_or_default();
        let declared = text.split("const KIND: &'static str = \"").skip(1);
        kinds.extend(declared.filter_map(|rest| Some(rest.split('"').next()?.to_owned())));
    }
}

#[test]
fn every_kind_of_item_belongs_to_a_store_of_the_policy() {
    let mut kinds = BTreeSet::new();
    for sources in ["../shared/src", "../functions/src"] {
        let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join(sources);
        kinds_in(&folder, &mut kinds);
    }
    assert!(kinds.len() > 15, "{kinds:?}");
    let without: Vec<_> = kinds
        .iter()
        .filter(|kind| Store::of_kind(kind).next().is_none())
        .collect();
    assert_eq!(
        without,
        Vec::<&String>::new(),
        "say in `policy` how long it is kept"
    );
}

#[tokio::test]
async fn evidence_of_a_subscriber_stays_as_long_as_the_subscriber() {
    let world = World::start().await;
    let anna = world.person("anna");
    world.subscribe(&anna).await;
    let before = world.evidence(&anna.email).await;
    assert_eq!(before.len(), 1);
    // Ten years on a machine that was off, and then everything that is due.
    let ten_years = jiff::SignedDuration::from_hours(24 * 3_653);
    world.skip(ten_years).await;
    for function in ["retention", "campaign", "retention"] {
        world.run(function).await;
    }
    world.drain().await;
    assert_eq!(
        world.subscriber(&anna.email).await.unwrap()["state"],
        "active"
    );
    assert_eq!(world.evidence(&anna.email).await, before);
    let id = before[0]["id"].as_str().unwrap();
    let certificate = format!("/accounts/demo/signups/{id}/certificate");
    let certificate = world.api().get(&certificate).await.expect(200).json();
    assert!(certificate.to_string().contains(&anna.email));
    world.finish().await;
}
