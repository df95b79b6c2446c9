//! Restoring an archive: through quarantine, past every tombstone, with sending frozen.
//!
//! What becomes of one record in which order of events is tested in the domain.

use std::fmt::Write as _;

use aws_sdk_dynamodb::types::AttributeValue;
use aws_sdk_s3::primitives::ByteStream;
use serde_json::{Value, json};
use tests::stored::Stored;
use tests::{Person, World};

const PLATFORM: &str = env!("CARGO_BIN_EXE_platform");

/// A new archive of the demo account, complete.
pub(crate) async fn backup(world: &World) -> Value {
    let asked = world.api().post("/accounts/demo/backups", &json!({})).await;
    let id = asked.expect(202).json()["id"].clone();
    world.drain().await;
    let path = format!("/accounts/demo/backups/{}", id.as_str().expect("an id"));
    world.api().get(&path).await.expect(200).json()
}

/// Begins a restore; answers with its path.
pub(crate) async fn begin(world: &World, backup: &Value) -> String {
    let body = json!({"backup": backup["id"]});
    let begun = world.api().post("/accounts/demo/restores", &body).await;
    let begun = begun.expect(202).json();
    format!(
        "/accounts/demo/restores/{}",
        begun["id"].as_str().expect("an id")
    )
}

async fn read(world: &World, path: &str) -> Value {
    world.api().get(path).await.expect(200).json()
}

pub(crate) async fn release(world: &World, path: &str) -> Value {
    let release = world
        .api()
        .post(&format!("{path}/release"), &json!({}))
        .await;
    release.expect(202);
    world.drain().await;
    let restore = read(world, path).await;
    assert_eq!(restore["state"], "released", "{restore}");
    restore
}

/// An accident: the items whose kind and text fit are gone.
pub(crate) async fn lose(world: &World, fits: impl Fn(&Value) -> bool) -> usize {
    let stored = world.scan_table().await;
    let mut lost = 0;
    for ((table, pk, sk), item) in &stored.0 {
        if *table == world.endpoint("table") && fits(item) {
            delete(world, table, pk, sk).await;
            lost += 1;
        }
    }
    lost
}

async fn delete(world: &World, table: &str, pk: &str, sk: &str) {
    let gone = world
        .clients()
        .dynamodb()
        .delete_item()
        .table_name(table)
        .key("pk", AttributeValue::S(pk.to_owned()))
        .key("sk", AttributeValue::S(sk.to_owned()))
        .send()
        .await;
    assert!(gone.is_ok(), "the item can be deleted");
}

/// Whether it is the person's, and not in quarantine.
fn is_persons(item: &Value, id: &str) -> bool {
    let begins = |name: &str, with: &str| {
        let text = item[name].as_str();
        text.is_some_and(|text| text.starts_with(with))
    };
    begins("sk", id) && (begins("pk", "A#demo#P#") || begins("pk", "A#demo#R#"))
}

async fn erase(world: &World, id: &str) {
    let path = format!("/accounts/demo/subscribers/{id}");
    world.api().delete(&path).await.expect(202);
}

async fn id_of(world: &World, person: &Person) -> String {
    let subscriber = world.subscriber(&person.email).await.expect("a subscriber");
    subscriber["id"].as_str().expect("an id").to_owned()
}

async fn state_of(world: &World, person: &Person) -> Option<String> {
    let subscriber = world.subscriber(&person.email).await?;
    subscriber["state"].as_str().map(str::to_owned)
}

async fn campaign(world: &World) -> String {
    let api = world.api();
    let template = json!({
        "name": "Mai", "subject": "Neues",
        "html": "<p>{{ imprint }}</p><p><a href=\"{{ unsubscribe_url }}\">Abmelden</a></p>",
    });
    let template = api.post("/accounts/demo/templates", &template).await;
    let campaign = json!({
        "name": "Mai", "template": template.expect(201).json()["id"], "lists": ["news"],
        "sender": {"name": "Muster GmbH", "email": "news@muster.example"},
    });
    let campaign = api.post("/accounts/demo/campaigns", &campaign).await;
    let id = campaign.expect(201).json()["id"].clone();
    format!("/accounts/demo/campaigns/{}", id.as_str().expect("an id"))
}

async fn finish(world: &World, campaign: &str) -> Value {
    for _ in 0..5 {
        world.run("campaign").await;
        world.drain().await;
        let report = read(world, &format!("{campaign}/report")).await;
        if report["state"] == "finished" {
            return report;
        }
        world.advance("PT1M").await;
    }
    panic!("the campaign did not finish");
}

fn tally(added: u64, present: u64, dropped_tombstone: u64, dropped_expired: u64) -> Value {
    json!({
        "added": added, "present": present,
        "dropped_tombstone": dropped_tombstone, "dropped_expired": dropped_expired,
    })
}

#[tokio::test]
async fn an_accident_is_undone_and_nobody_who_left_or_was_erased_comes_back() {
    let world = World::start().await;
    let names = ["anna", "berta", "clara", "dora", "emil"];
    let people = names.map(|name| world.person(name));
    let [anna, berta, clara, dora, emil] = &people;
    for person in &people {
        world.subscribe(person).await;
    }
    let (berta_id, clara_id) = (id_of(&world, berta).await, id_of(&world, clara).await);
    let (emil_id, before) = (id_of(&world, emil).await, world.stored().await);
    let backup = backup(&world).await;

    // One leaves, one is erased, one leaves after staging, one is new.
    let path = format!("/accounts/demo/subscribers/{berta_id}/unsubscribe");
    world.api().post(&path, &json!({})).await.expect(200);
    erase(&world, &clara_id).await;
    let frieda = world.person("frieda");
    world.subscribe(&frieda).await;
    let frieda_id = id_of(&world, &frieda).await;
    let dora_id = id_of(&world, dora).await;
    let kept = [&frieda_id, &dora_id];
    let lost = lose(&world, |item| {
        let is_a_list = item["kind"] == "list" || item["kind"] == "setup";
        let kinds = ["profile", "withdrawal", "sign_up", "unsubscription"];
        let is_theirs = kinds.iter().any(|kind| item["kind"] == *kind)
            && !kept.iter().any(|id| is_persons(item, id));
        is_a_list || is_theirs
    })
    .await;
    assert!(lost > 8, "{lost}");
    assert_eq!(state_of(&world, anna).await, None);

    let path = begin(&world, &backup).await;
    let body = json!({"backup": backup["id"]});
    let second = world.api().post("/accounts/demo/restores", &body).await;
    second.expect_problem(409, "restore_running");
    world.drain().await;
    let staged = read(&world, &path).await;
    assert_eq!(staged["state"], "staged", "{staged}");
    let difference = &staged["difference"];
    assert_eq!(difference["subscribers"], tally(3, 1, 1, 0));
    assert_eq!(difference["signups"], tally(3, 1, 1, 0));
    assert_eq!(difference["unsubscriptions"], tally(0, 0, 0, 0));
    assert_eq!(difference["lists"], tally(1, 0, 0, 0));
    assert_eq!(difference["setups"], tally(3, 0, 0, 0));
    assert_eq!(
        staged["dropped"],
        json!({"persons": [clara_id], "more": false})
    );
    for person in &people {
        assert!(
            !staged.to_string().contains(&person.email),
            "named by key only"
        );
    }
    // Nobody sees them yet, and nothing of the erased person is in quarantine.
    assert_eq!(state_of(&world, anna).await, None);
    assert_eq!(world.api().all("/accounts/demo/lists").await.len(), 0);
    let quarantined = world.scan_table().await;
    let quarantined: Vec<_> = quarantined.of_kind("staged").into_iter().collect();
    assert!(!quarantined.is_empty());
    let holds = |text: &str| {
        quarantined
            .iter()
            .any(|item| item.to_string().contains(text))
    };
    assert!(holds(&anna.email) && !holds(&clara.email) && !holds(&clara_id));

    // Who leaves for good between staging and release stays away, too.
    assert!(holds(&emil.email));
    erase(&world, &emil_id).await;
    let left = world.scan_table().await;
    for item in left.of_kind("staged") {
        let text = item.to_string();
        assert!(
            !text.contains(&emil.email) && !text.contains(&emil_id),
            "{text}"
        );
    }
    let done = release(&world, &path).await;
    assert_eq!(done["released"]["subscribers"], tally(2, 0, 0, 0));
    assert_eq!(done["released"]["signups"], tally(2, 0, 0, 0));
    let again = world
        .api()
        .post(&format!("{path}/release"), &json!({}))
        .await;
    again.expect_problem(409, "restore_state");
    for (person, state) in [
        (anna, Some("active")),
        (berta, Some("unsubscribed")),
        (clara, None),
        (dora, Some("active")),
        (emil, None),
        (&frieda, Some("active")),
    ] {
        assert_eq!(state_of(&world, person).await.as_deref(), state);
    }
    // What came back is what it was, to the last attribute.
    let anna_id = id_of(&world, anna).await;
    let after = world.stored().await;
    let of = |stored: &Stored, id: &str| -> Vec<Value> {
        let kinds = ["profile", "sign_up", "list", "setup"];
        let items = stored.0.values();
        items
            .filter(|item| kinds.iter().any(|kind| item["kind"] == *kind))
            .filter(|item| id.is_empty() || is_persons(item, id))
            .filter(|item| !id.is_empty() || item["pk"] == "A#demo")
            .cloned()
            .collect()
    };
    for id in [anna_id.as_str(), ""] {
        assert!(!of(&before, id).is_empty());
        assert_eq!(of(&after, id), of(&before, id));
    }
    let sent = campaign(&world).await;
    world
        .api()
        .post(&format!("{sent}/send"), &json!({}))
        .await
        .expect(202);
    let report = finish(&world, &sent).await;
    assert_eq!(report["sent"], 3, "{report}");
    assert_eq!(report["skipped"], json!({"unsubscribed": 1}));
    for (person, mails) in [(anna, 2), (berta, 1), (clara, 1), (dora, 2), (emil, 1)] {
        assert_eq!(world.inbox(&person.email).await.len(), mails);
    }
    world.finish().await;
}

#[tokio::test]
async fn sending_is_frozen_until_a_person_releases_or_discards() {
    let world = World::start().await;
    for name in ["anna", "berta"] {
        world.subscribe(&world.person(name)).await;
    }
    let (running, waiting, draft) = (
        campaign(&world).await,
        campaign(&world).await,
        campaign(&world).await,
    );
    let archive = backup(&world).await;
    let act = async |campaign: &str, action: &str| {
        let path = format!("{campaign}/{action}");
        world.api().post(&path, &json!({})).await
    };
    let state = async |campaign: &str| read(&world, campaign).await["state"].clone();
    let confirmations = world.mail_count().await;
    act(&running, "send").await.expect(202);
    world.run("campaign").await;
    world.drain().await;
    let mails = world.mail_count().await;
    assert_eq!(state(&running).await, "sending");
    act(&waiting, "send").await.expect(202);

    let path = begin(&world, &archive).await;
    world.drain().await;
    assert_eq!(read(&world, &path).await["state"], "staged");
    assert_eq!(state(&running).await, "interrupted");
    let held = read(&world, &running).await;
    assert_eq!(held["problem"], "interrupted_by_restore");
    for (campaign, action) in [(&draft, "send"), (&running, "resume")] {
        act(campaign, action).await.expect_problem(409, "frozen");
    }
    let plan = json!({"scheduled_at": "2099-01-01T10:00:00Z"});
    let planned = world.api().post(&format!("{draft}/schedule"), &plan).await;
    planned.expect_problem(409, "frozen");
    world.advance("PT3M").await;
    world.drain().await;
    assert_eq!(state(&waiting).await, "scheduled");
    assert_eq!(state(&running).await, "interrupted");
    assert_eq!(world.mail_count().await, mails, "nothing leaves");

    release(&world, &path).await;
    act(&running, "resume").await.expect(202);
    let report = finish(&world, &running).await;
    assert_eq!(
        (report["sent"].clone(), &report["unknown"]),
        (json!(2), &json!(0))
    );
    let report = finish(&world, &waiting).await;
    assert_eq!(report["sent"], 2, "what was due starts after the release");
    let sent = world.mail_count().await - confirmations;
    assert_eq!(sent, 4, "nobody is mailed twice");

    // Discarding changes nothing either, and lifts the freeze.
    let path = begin(&world, &archive).await;
    act(&draft, "send").await.expect_problem(409, "frozen");
    act(&path, "discard").await.expect(202);
    act(&path, "discard")
        .await
        .expect_problem(409, "restore_state");
    act(&path, "release")
        .await
        .expect_problem(409, "restore_state");
    world.drain().await;
    assert_eq!(read(&world, &path).await["state"], "discarded");
    act(&draft, "send").await.expect(202);
    finish(&world, &draft).await;
    world.finish().await;
}

/// What somebody may do to an archive.
enum Harm {
    /// One byte of an object is another one.
    Byte(&'static str),
    /// An object is cut off.
    Cut(&'static str),
    /// An object is not there.
    Gone(&'static str),
    /// The manifest says something else.
    Manifest(&'static str, Value),
}

#[tokio::test]
async fn a_damaged_truncated_or_foreign_archive_is_refused_and_changes_nothing() {
    let world = World::start().await;
    for name in ["anna", "berta"] {
        world.subscribe(&world.person(name)).await;
    }
    let backup = backup(&world).await;
    let lost = lose(&world, |item| item["kind"] == "profile").await;
    assert_eq!(lost, 2);
    let clients = world.clients();
    let (s3, bucket) = (clients.s3(), world.endpoint("bucket"));
    let keys = backup["objects"].as_array().expect("objects");
    let key_of = |set: &str| -> String {
        let mut keys = keys.iter().filter_map(Value::as_str);
        let key = keys.find(|key| key.contains(&format!("/{set}-")));
        key.expect("an object").to_owned()
    };
    let manifest_key = format!(
        "archives/demo/{}/manifest.json",
        backup["id"].as_str().expect("an id")
    );
    let put = async |key: &str, bytes: Vec<u8>| {
        let put = s3.put_object().bucket(bucket).key(key);
        assert!(put.body(ByteStream::from(bytes)).send().await.is_ok());
    };
    for (harm, code) in [
        (Harm::Byte("subscribers"), "object_damaged"),
        (Harm::Byte("setups"), "object_damaged"),
        (Harm::Cut("signups"), "object_damaged"),
        (Harm::Gone("subscribers"), "object_missing"),
        (Harm::Gone("manifest"), "manifest_missing"),
        (Harm::Cut("manifest"), "manifest_damaged"),
        (Harm::Manifest("format", json!(2)), "unknown_format"),
        (Harm::Manifest("account", json!("other")), "foreign_account"),
        (
            Harm::Manifest("key_fingerprint", json!("00")),
            "foreign_key",
        ),
        (
            Harm::Manifest("created_at", json!("2020-01-01T00:00:00Z")),
            "manifest_damaged",
        ),
    ] {
        let set = match &harm {
            Harm::Byte(set) | Harm::Cut(set) | Harm::Gone(set) => *set,
            Harm::Manifest(..) => "manifest",
        };
        let key = match set {
            "manifest" => manifest_key.clone(),
            set => key_of(set),
        };
        let got = s3.get_object().bucket(bucket).key(&key).send().await;
        let whole = got.expect("an object").body.collect().await;
        let whole = whole.expect("bytes").to_vec();
        let mut bytes = whole.clone();
        match harm {
            Harm::Byte(_) => {
                let middle = bytes.len() / 2;
                bytes[middle] ^= 1;
                put(&key, bytes).await;
            }
            Harm::Cut(_) => {
                bytes.truncate(whole.len() - 5);
                put(&key, bytes).await;
            }
            Harm::Gone(_) => {
                let gone = s3.delete_object().bucket(bucket).key(&key).send().await;
                assert!(gone.is_ok());
            }
            Harm::Manifest(member, value) => {
                let mut manifest: Value = serde_json::from_slice(&bytes).expect("JSON");
                manifest[member] = value;
                put(&key, manifest.to_string().into_bytes()).await;
            }
        }
        let before = world.stored().await.without(&["restore", "freeze"]);
        let path = begin(&world, &backup).await;
        world.drain().await;
        let refused = read(&world, &path).await;
        assert_eq!(refused["state"], "refused", "{code}: {refused}");
        let problem = &refused["problems"][0];
        assert_eq!(problem["code"], code, "{refused}");
        if set != "manifest" {
            assert_eq!(problem["set"], set);
            assert_eq!(problem["object"], key.as_str());
        }
        let after = world.stored().await.without(&["restore", "freeze"]);
        after.expect_same(&before, code);
        put(&key, whole).await;
    }
    // A stack without the account's tombstones knows nobody who must not come back; and the hourly
    // run does not make up for it.
    let tombstones = world.endpoint("tombstone_table").to_owned();
    let marks = world.scan_table().await;
    let mark = marks.of_kind("tombstone_mark");
    assert_eq!(mark.len(), 1, "the demo account's: {mark:?}");
    let text = |name: &str| AttributeValue::S(mark[0][name].as_str().expect("text").to_owned());
    delete(&world, &tombstones, "A#demo#T", "mark").await;
    world.run("retention").await;
    let path = begin(&world, &backup).await;
    world.drain().await;
    let refused = read(&world, &path).await;
    assert_eq!(refused["state"], "refused", "{refused}");
    assert_eq!(refused["problems"][0]["code"], "tombstones_missing");
    let put = async |fingerprint: &str| {
        let item = ["pk", "sk", "kind", "account", "at"].map(|name| (name.to_owned(), text(name)));
        let request = world.clients().dynamodb().put_item();
        let request = request
            .table_name(&tombstones)
            .set_item(Some(item.into()))
            .item("rev", AttributeValue::N("1".to_owned()))
            .item("key_fingerprint", AttributeValue::S(fingerprint.to_owned()));
        assert!(request.send().await.is_ok(), "the item can be put");
    };
    // A table in which another account of this name has its tombstones is no better.
    put("00").await;
    let path = begin(&world, &backup).await;
    world.drain().await;
    let refused = read(&world, &path).await;
    assert_eq!(refused["problems"][0]["code"], "tombstones_missing");
    put(mark[0]["key_fingerprint"].as_str().expect("text")).await;
    // Whole again, it is taken: nothing of the refused ones is in the way.
    let path = begin(&world, &backup).await;
    world.drain().await;
    let done = release(&world, &path).await;
    assert_eq!(done["released"]["subscribers"], tally(2, 0, 0, 0));
    for body in [
        json!({"backup": "bak_none"}),
        json!({}),
        json!({"backup": 1}),
    ] {
        let refused = world.api().post("/accounts/demo/restores", &body).await;
        refused.expect_problem(422, "invalid");
    }
    world.finish().await;
}

#[tokio::test]
async fn what_expired_since_the_backup_stays_away() {
    let world = World::start().await;
    let (anna, berta, clara) = (
        world.person("anna"),
        world.person("berta"),
        world.person("clara"),
    );
    for person in [&anna, &berta] {
        world.subscribe(person).await;
    }
    let pending = world.sign_up("double").email(&clara.email);
    pending
        .from(world.fresh_client())
        .send()
        .await
        .expect_accepted();
    world.drain().await;
    let path = format!(
        "/accounts/demo/subscribers/{}/end-relationship",
        id_of(&world, &berta).await
    );
    let day = (world.now().await - jiff::SignedDuration::from_hours(26 * 24))
        .to_zoned_datetime(jiff::tz::TimeZone::UTC)
        .date();
    world
        .api()
        .post(&path, &json!({"on": day}))
        .await
        .expect(200);
    let archive = backup(&world).await;
    world.advance("P8D").await;
    world.drain().await;
    lose(&world, |item| item["kind"] == "profile").await;
    let path = begin(&world, &archive).await;
    world.drain().await;
    let staged = read(&world, &path).await;
    assert_eq!(staged["difference"]["subscribers"], tally(1, 0, 0, 1));
    assert_eq!(staged["difference"]["signups"], tally(0, 2, 0, 1));
    release(&world, &path).await;
    assert_eq!(state_of(&world, &anna).await.as_deref(), Some("active"));
    assert_eq!(state_of(&world, &berta).await, None);

    // What was staged is not kept longer than seven days.
    let path = begin(&world, &archive).await;
    world.drain().await;
    world.hold_clock(world.now().await + jiff::SignedDuration::from_hours(7 * 24 + 1));
    let late = world
        .api()
        .post(&format!("{path}/release"), &json!({}))
        .await;
    late.expect_problem(409, "restore_expired");
    let discard = world
        .api()
        .post(&format!("{path}/discard"), &json!({}))
        .await;
    discard.expect(202);
    world.run("retention").await;
    assert!(world.scan_table().await.of_kind("staged").is_empty());
    // Nor is the archive itself beyond its two weeks.
    let body = json!({"backup": archive["id"]});
    let late = world.api().post("/accounts/demo/restores", &body).await;
    late.expect_problem(422, "invalid");
    world.release_clock();
    world.finish().await;
}

#[tokio::test]
async fn a_platform_that_is_killed_at_any_step_completes_the_restore_exactly() {
    let mut world = World::start_apart(PLATFORM).await;
    let mut file = "email,first_name\n".to_owned();
    for number in 0..90 {
        let email = format!("wieder-{number}@kunden.example");
        world.keep_private("an address", &email);
        writeln!(file, "{email},Vorname").expect("a text");
    }
    let query = "list=news&source=Messe&legal_basis=consent&consented_on=2026-03-01&proof=F1";
    let path = format!("/accounts/demo/imports?{query}");
    let csv = Some("text/csv");
    let taken = world.api().call_with("POST", &path, csv, file.into()).await;
    taken.expect(202);
    world.drain().await;
    let backup = backup(&world).await;
    let before = world.stored().await;
    assert_eq!(lose(&world, |item| item["kind"] == "profile").await, 90);

    let path = begin(&world, &backup).await;
    for _ in 0..3 {
        world.kill_and_restart().await;
    }
    world.drain().await;
    let staged = read(&world, &path).await;
    assert_eq!(staged["state"], "staged", "{staged}");
    assert_eq!(staged["difference"]["subscribers"], tally(90, 0, 0, 0));
    let release = world
        .api()
        .post(&format!("{path}/release"), &json!({}))
        .await;
    release.expect(202);
    for _ in 0..3 {
        world.kill_and_restart().await;
    }
    world.drain().await;
    let done = read(&world, &path).await;
    assert_eq!(done["state"], "released", "{done}");
    assert_eq!(done["released"]["subscribers"], tally(90, 0, 0, 0));
    let after = world.stored().await;
    assert_eq!(after.of_kind("profile"), before.of_kind("profile"));
    world.finish().await;
}

#[tokio::test]
async fn only_a_key_for_it_restores_and_no_other_account_sees_it() {
    let world = World::start().await;
    let archive = backup(&world).await;
    let made = json!({"name": "Lesen", "scopes": ["read", "write", "send", "export"]});
    let made = world.api().post("/accounts/demo/keys", &made).await;
    let made = made.expect(201).json();
    let reader = world.api_with_key(made["key"].as_str().expect("a key"));
    let body = json!({"backup": archive["id"]});
    let refused = reader.post("/accounts/demo/restores", &body).await;
    refused.expect_problem(403, "missing_scope");
    let path = begin(&world, &archive).await;
    world.drain().await;
    for action in ["release", "discard"] {
        let refused = reader.post(&format!("{path}/{action}"), &json!({})).await;
        refused.expect_problem(403, "missing_scope");
    }
    reader.get(&path).await.expect(200);
    let other = world.platform_api();
    let other = other.post("/accounts", &json!({"name": "Andere"})).await;
    let other = other.expect(201).json();
    let api = world.api_with_key(other["key"].as_str().expect("a key"));
    let foreign = path.replace(
        "/demo/",
        &format!("/{}/", other["id"].as_str().expect("an id")),
    );
    for path in [&path, &foreign] {
        api.get(path).await.expect_problem(404, "not_found");
        let released = api.post(&format!("{path}/release"), &json!({})).await;
        released.expect_problem(404, "not_found");
    }
    let mine = format!(
        "/accounts/{}/restores",
        other["id"].as_str().expect("an id")
    );
    let theirs = api.post(&mine, &body).await;
    theirs.expect_problem(422, "invalid");
    assert_eq!(world.api().all("/accounts/demo/restores").await.len(), 1);
    release(&world, &path).await;
    world.finish().await;
}
