//! Restoring the full copy, rehearsed: a copy of the engine's file is put back as a new table beside
//! the live tombstones, and the check list of `after-restore` is worked through.
//!
//! What a tombstone changes of one person is tested in the domain; an account's own archive is
//! `restore`'s.

use std::collections::BTreeMap;
use std::pin::pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::Poll;

use aws_sdk_dynamodb::types::{
    AttributeDefinition, AttributeValue, BillingMode, GlobalSecondaryIndex, KeySchemaElement,
    KeyType, Projection, ProjectionType, PutRequest, ScalarAttributeType, WriteRequest,
};
use functions::after_restore::{Line, Mode, Options, Standing, run};
use functions::app::App;
use functions::aws::Clients;
use functions::settings::Settings;
use local::clock::Clock;
use local::platform::Wiring;
use rundbrief::entropy::SystemEntropy;
use serde_json::{Value, json};
use tests::{Person, Stored, World};

const NEW: &str = "rundbrief-restored";

/// What the platform was told at its start, and the table that it is told to use from the next one.
#[derive(Clone, Default)]
struct Cutover {
    table: Arc<Mutex<Option<String>>>,
    environment: Arc<Mutex<BTreeMap<String, String>>>,
    clock: Arc<Mutex<Option<Clock>>>,
}

fn held<T>(of: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    of.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Cutover {
    async fn world(&self) -> World {
        let own = self.clone();
        World::start_with(move |options| {
            let own = own.clone();
            let real = options.functions.clone();
            options.functions = Arc::new(move |mut wiring: Wiring| {
                let restore = wiring.environments.get("restore").cloned();
                *held(&own.environment) = restore.unwrap_or_default();
                *held(&own.clock) = Some(wiring.clock.clone());
                if let Some(table) = held(&own.table).clone() {
                    for environment in wiring.environments.values_mut() {
                        if environment.contains_key("TABLE") {
                            environment.insert("TABLE".to_owned(), table.clone());
                        }
                    }
                }
                real(wiring)
            });
        })
        .await
    }

    /// What the command works with: an operator's settings for the restored table.
    fn app(&self) -> App {
        let mut environment = held(&self.environment).clone();
        environment.insert("TABLE".to_owned(), NEW.to_owned());
        let settings = Settings::read(&|name| environment.get(name).cloned());
        let clock = held(&self.clock).clone().expect("it started");
        App::new(
            settings.expect("complete settings"),
            Arc::new(move || clock.now()),
            Arc::new(SystemEntropy::new()),
        )
    }

    /// Works through the check list.
    async fn run(&self, mode: Mode) -> Vec<Line> {
        let options = Options {
            mode,
            replicated: false,
        };
        run(&self.app(), options, &mut |_| {}).await
    }

    /// The same, killed after the work was gone on with so many times.
    async fn killed_after(&self, mode: Mode, turns: usize) -> Option<Vec<Line>> {
        let app = self.app();
        let options = Options {
            mode,
            replicated: false,
        };
        let mut tell = |_| {};
        let mut work = pin!(run(&app, options, &mut tell));
        let mut left = turns;
        std::future::poll_fn(|context| {
            if left == 0 {
                return Poll::Ready(None);
            }
            left -= 1;
            work.as_mut().poll(context).map(Some)
        })
        .await
    }
}

fn standing(lines: &[Line], step: &str) -> Standing {
    let found = lines.iter().find(|line| line.step == step);
    found
        .unwrap_or_else(|| panic!("{step}: {lines:#?}"))
        .standing
}

/// As the service restores to a new table: items and index, and neither TTL nor anything else.
async fn put_back(world: &World, copy: &std::path::Path) {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0")
        .await
        .expect("a port");
    let address = listener.local_addr().expect("an address");
    let engine = local::engine::serve(copy, listener).expect("the copy opens");
    let mut settings = world.settings(&[]);
    settings.endpoints.dynamodb = Some(format!("http://{address}"));
    let from = Clients::new(settings);
    let clients = world.clients();
    let to = clients.dynamodb();
    let attribute = |name: &str, kind| {
        let built = AttributeDefinition::builder()
            .attribute_name(name)
            .attribute_type(kind);
        built.build().expect("an attribute")
    };
    let key = |name: &str, kind| {
        let built = KeySchemaElement::builder()
            .attribute_name(name)
            .key_type(kind);
        built.build().expect("a key")
    };
    let index = GlobalSecondaryIndex::builder()
        .index_name("due")
        .key_schema(key("due_shard", KeyType::Hash))
        .key_schema(key("due_at", KeyType::Range))
        .projection(
            Projection::builder()
                .projection_type(ProjectionType::KeysOnly)
                .build(),
        )
        .build()
        .expect("an index");
    let made = to
        .create_table()
        .table_name(NEW)
        .billing_mode(BillingMode::PayPerRequest)
        .attribute_definitions(attribute("pk", ScalarAttributeType::S))
        .attribute_definitions(attribute("sk", ScalarAttributeType::S))
        .attribute_definitions(attribute("due_shard", ScalarAttributeType::S))
        .attribute_definitions(attribute("due_at", ScalarAttributeType::N))
        .key_schema(key("pk", KeyType::Hash))
        .key_schema(key("sk", KeyType::Range))
        .global_secondary_indexes(index)
        .send()
        .await;
    assert!(made.is_ok(), "the new table");
    let mut items = from
        .dynamodb()
        .scan()
        .table_name(world.endpoint("table"))
        .into_paginator()
        .items()
        .send();
    let mut batch = Vec::new();
    let mut is_over = false;
    while !is_over {
        match items.next().await {
            Some(item) => {
                let put = PutRequest::builder().set_item(Some(item.expect("an item")));
                let put = put.build().expect("a put");
                batch.push(WriteRequest::builder().put_request(put).build());
            }
            None => is_over = true,
        }
        if batch.len() == 25 || (is_over && !batch.is_empty()) {
            let some = std::mem::take(&mut batch);
            let put = to.batch_write_item().request_items(NEW, some).send().await;
            assert!(put.is_ok(), "the items");
        }
    }
    engine.abort();
}

async fn restored(world: &World) -> Stored {
    Stored::scan(world.clients().dynamodb(), &[NEW]).await
}

async fn id_of(world: &World, person: &Person) -> String {
    let subscriber = world.subscriber(&person.email).await.expect("a subscriber");
    subscriber["id"].as_str().expect("an id").to_owned()
}

async fn act(world: &World, person: &Person, action: &str) {
    let id = id_of(world, person).await;
    let path = format!("/accounts/demo/subscribers/{id}/{action}");
    let answer = world.api().post(&path, &json!({})).await;
    assert!((200..300).contains(&answer.status), "{action}: {answer:?}");
}

async fn campaign(world: &World, name: &str) -> String {
    let api = world.api();
    let html = "<p>{{ imprint }}</p><p><a href=\"{{ unsubscribe_url }}\">Abmelden</a></p>";
    let template = json!({"name": name, "subject": name, "html": html});
    let template = api
        .post("/accounts/demo/templates", &template)
        .await
        .expect(201)
        .json();
    let campaign = json!({
        "name": name, "template": template["id"], "lists": ["news"],
        "sender": {"name": "Muster GmbH", "email": "news@muster.example"},
    });
    let campaign = api
        .post("/accounts/demo/campaigns", &campaign)
        .await
        .expect(201)
        .json();
    format!(
        "/accounts/demo/campaigns/{}",
        campaign["id"].as_str().expect("an id")
    )
}

async fn state_of(world: &World, campaign: &str) -> Value {
    world.api().get(campaign).await.expect(200).json()["state"].clone()
}

/// Runs the minute's work until the campaign is over.
async fn finish(world: &World, campaign: &str) {
    for _ in 0..60 {
        world.run("campaign").await;
        world.drain().await;
        if state_of(world, campaign).await == "finished" {
            return;
        }
        world.advance("PT1M").await;
    }
    panic!("the campaign did not finish");
}

async fn mails_of(world: &World, people: &[&Person]) -> Vec<usize> {
    let mut counts = Vec::new();
    for person in people {
        counts.push(world.inbox(&person.email).await.len());
    }
    counts
}

#[tokio::test]
async fn a_full_copy_that_is_put_back_brings_nobody_back_and_mails_nobody() {
    let cutover = Cutover::default();
    let mut world = cutover.world().await;
    let api = world.api();
    let mut setup = api
        .get("/accounts/demo/setups/double")
        .await
        .expect(200)
        .json();
    setup["confirm_days"] = json!(2);
    api.put("/accounts/demo/setups/double", &setup)
        .await
        .expect(200);
    let [left, erased, restricted, stays] =
        ["left", "erased", "restricted", "stays"].map(|name| world.person(name));
    for person in [&left, &erased, &restricted, &stays] {
        world.subscribe(person).await;
    }
    let erased_id = id_of(&world, &erased).await;
    // Somebody who will never confirm, and somebody whose second mail waits for its turn.
    let [never, waits] = ["never", "waits"].map(|name| world.person(name));
    for setup in ["double", "confirmed"] {
        for person in [&never, &waits] {
            if setup == "confirmed" && person.email == never.email {
                continue;
            }
            let form = world.sign_up(setup).email(&person.email);
            form.from(world.fresh_client())
                .send()
                .await
                .expect_accepted();
            world.drain().await;
        }
    }
    assert_eq!(mails_of(&world, &[&never, &waits]).await, [1, 1]);
    // A campaign on its way, and one that is planned.
    let running = campaign(&world, "Unterwegs").await;
    world
        .api()
        .post(&format!("{running}/send"), &json!({}))
        .await
        .expect(202);
    world.run("campaign").await;
    world.drain().await;
    assert_eq!(state_of(&world, &running).await, "sending");
    let planned = campaign(&world, "Geplant").await;
    let at = (world.now().await + jiff::SignedDuration::from_hours(6)).to_string();
    let plan = json!({"scheduled_at": at});
    world
        .api()
        .post(&format!("{planned}/schedule"), &plan)
        .await
        .expect(202);

    // The copy; and then life goes on.
    let copy = world.data().join("copy.db");
    local::engine::copy(&world.data().join("engine.db"), &copy).expect("a copy");
    world.advance("PT11M").await;
    crate::notice::next_minute(&world).await;
    assert_eq!(
        mails_of(&world, &[&waits]).await,
        [3],
        "its turn has come, beside the campaign"
    );
    finish(&world, &running).await;
    act(&world, &left, "unsubscribe").await;
    act(&world, &restricted, "restrict").await;
    let path = format!("/accounts/demo/subscribers/{erased_id}");
    world.api().delete(&path).await.expect(202);
    world.advance("P3D").await;
    finish(&world, &planned).await;
    let everybody = [&left, &erased, &restricted, &stays, &never, &waits];
    let before = mails_of(&world, &everybody).await;

    // The table is lost; its copy comes back under another name.
    put_back(&world, &copy).await;
    let looked = cutover.run(Mode::Check).await;
    for step in [
        "time to live",
        "campaigns held",
        "mails not repeated",
        "tombstones replayed",
        "expired items dropped",
        "sending frozen",
    ] {
        assert_eq!(
            standing(&looked, step),
            Standing::ToDo,
            "{step}: {looked:#?}"
        );
    }
    // The engine here has no recovery window, and nobody says that it has.
    assert_eq!(standing(&looked, "recovery window"), Standing::NotSupported);
    let replayed = looked
        .iter()
        .find(|line| line.step == "tombstones replayed");
    let note = &replayed.expect("a line").note;
    assert!(note.contains("2 withdrawals and 1 erasures"), "{note}");
    // Released before it is done it would be mailed to.
    let early = cutover.run(Mode::Release).await;
    assert_eq!(standing(&early, "sending released"), Standing::Failed);

    // Killed after every so many steps, and begun again.
    let mut turns = 3;
    let lines = loop {
        // A write of the killed one may still arrive: the next one finds it and stops, too.
        if let Some(lines) = cutover.killed_after(Mode::Apply, turns).await
            && lines.iter().all(|line| line.standing != Standing::Failed)
        {
            break lines;
        }
        turns += turns / 2;
        assert!(turns < 1_000_000, "it never ends");
    };
    assert!(turns > 100, "it was killed {turns}");
    for lines in [
        lines,
        cutover.run(Mode::Apply).await,
        cutover.run(Mode::Check).await,
    ] {
        for line in &lines {
            let expected = match line.step {
                "recovery window" => Standing::NotSupported,
                // Said by the engine, or not known to it; never taken for granted.
                "deletion protection" if line.standing == Standing::NotSupported => continue,
                _ => Standing::Done,
            };
            assert_eq!(line.standing, expected, "{lines:#?}");
        }
    }
    let stored = restored(&world).await;
    assert!(
        stored.holding(&erased.email).is_empty(),
        "gone, its evidence sealed"
    );
    assert!(stored.holding(&never.email).is_empty(), "expired since");

    // From now on it is the platform's table.
    *held(&cutover.table) = Some(NEW.to_owned());
    world.kill_and_restart().await;
    assert!(world.subscriber(&erased.email).await.is_none());
    let state = async |person: &Person| {
        let found = world.subscriber(&person.email).await.expect("a subscriber");
        found["state"].clone()
    };
    assert_eq!(state(&left).await, "unsubscribed");
    assert_eq!(state(&restricted).await, "restricted");
    assert_eq!(state(&stays).await, "active");
    assert_eq!(state_of(&world, &running).await, "interrupted");
    assert_eq!(state_of(&world, &planned).await, "draft");
    for _ in 0..3 {
        world.advance("PT10M").await;
        crate::notice::next_minute(&world).await;
    }
    assert_eq!(
        mails_of(&world, &everybody).await,
        before,
        "nobody is mailed by itself"
    );
    let fresh = campaign(&world, "Danach").await;
    let path = format!("{fresh}/send");
    world.api().post(&path, &json!({})).await.expect(409);
    world
        .api()
        .post(&format!("{running}/resume"), &json!({}))
        .await
        .expect(409);

    // A person releases it: who left since the copy is not mailed.
    let released = cutover.run(Mode::Release).await;
    assert_eq!(
        standing(&released, "sending released"),
        Standing::Done,
        "{released:#?}"
    );
    world
        .api()
        .post(&format!("{running}/cancel"), &json!({}))
        .await
        .expect(202);
    world.api().post(&path, &json!({})).await.expect(202);
    finish(&world, &fresh).await;
    let after = mails_of(&world, &everybody).await;
    let more: Vec<usize> = after.iter().zip(&before).map(|(a, b)| a - b).collect();
    assert_eq!(
        more,
        [0, 0, 0, 1, 0, 1],
        "who stays, and who signed up before the copy"
    );
    world.finish().await;
}

#[tokio::test]
async fn the_check_list_stops_at_once_where_going_on_would_do_harm() {
    let cutover = Cutover::default();
    let world = cutover.world().await;
    // No such table; then the wrong one; then a secret that derives no key.
    let lines = cutover.run(Mode::Apply).await;
    assert_eq!(standing(&lines, "tables"), Standing::Failed);
    let tombstones = world.endpoint("tombstone_table").to_owned();
    let options = Options {
        mode: Mode::Apply,
        replicated: false,
    };
    let app = |table: &str| {
        let mut environment = held(&cutover.environment).clone();
        environment.insert("TABLE".to_owned(), table.to_owned());
        let settings = Settings::read(&|name| environment.get(name).cloned());
        let clock = held(&cutover.clock).clone().expect("it started");
        let settings = settings.expect("complete settings");
        App::new(
            settings,
            Arc::new(move || clock.now()),
            Arc::new(SystemEntropy::new()),
        )
    };
    let before = world.scan_table().await;
    let lines = run(&app(&tombstones), options, &mut |_| {}).await;
    assert_eq!(lines.len(), 2, "{lines:#?}");
    assert_eq!(standing(&lines, "tables"), Standing::Failed);
    let mut app = app(world.endpoint("table"));
    let platform_secret = app.settings.platform_secret_arn.clone();
    app.settings.platform_secret_arn = app
        .settings
        .platform_secret_arn
        .map(|arn| format!("{arn}x"));
    let lines = run(&app, options, &mut |_| {}).await;
    assert_eq!(standing(&lines, "keys"), Standing::Failed, "{lines:#?}");
    assert_eq!(lines.len(), 2, "nothing was frozen, changed or deleted");
    world
        .scan_table()
        .await
        .without_counters()
        .expect_same(&before.without_counters(), "this");

    // The right tables, but the one of the tombstones is empty: nobody knows who left.
    let lose = async || {
        let clients = world.clients();
        let gone = clients.dynamodb().delete_item().table_name(&tombstones);
        let gone = gone
            .key("pk", AttributeValue::S("A#demo#T".to_owned()))
            .key("sk", AttributeValue::S("mark".to_owned()));
        assert!(gone.send().await.is_ok(), "the mark is gone");
    };
    lose().await;
    app.settings.platform_secret_arn = platform_secret;
    for mode in [Mode::Check, Mode::Apply, Mode::Release] {
        let options = Options {
            mode,
            replicated: false,
        };
        let lines = run(&app, options, &mut |_| {}).await;
        assert_eq!(standing(&lines, "tombstones known"), Standing::Failed);
        let said = lines.last().expect("a line");
        assert!(said.note.contains("1 accounts, 1 without"), "{lines:#?}");
        assert_eq!(lines.len(), 3, "nothing was frozen, changed or deleted");
    }
    // What had a mark is given no other one; what never had, is once.
    world.run("retention").await;
    assert!(
        world
            .scan_table()
            .await
            .of_kind("tombstone_mark")
            .is_empty()
    );
    let old = world.clients();
    let old = old.dynamodb().update_item();
    let old = old
        .table_name(world.endpoint("table"))
        .key("pk", AttributeValue::S("A#demo".to_owned()))
        .key("sk", AttributeValue::S("account".to_owned()))
        .update_expression("REMOVE tombstones_marked");
    assert!(old.send().await.is_ok(), "made before there were marks");
    world.run("retention").await;
    world.run("retention").await;
    let stored = world.scan_table().await;
    assert_eq!(stored.of_kind("tombstone_mark").len(), 1);
    let account = stored.of_kind("account")[0];
    assert_eq!(account["tombstones_marked"], true, "{account}");
    lose().await;
    world.run("retention").await;
    let stored = world.scan_table().await;
    assert!(stored.of_kind("tombstone_mark").is_empty());
    world.finish().await;
}
