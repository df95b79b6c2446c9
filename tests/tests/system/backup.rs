//! The daily archive of an account: what is in it, what is not, how long it is there.
//! Not restoring it.

use std::collections::{BTreeMap, BTreeSet};

use aws_sdk_dynamodb::types::{AttributeValue, PutRequest, WriteRequest};
use jiff::{Timestamp, ToSpan};
use local::faults::{Fault, Service};
use rundbrief::crypto::sha256_hex;
use serde_json::{Value, json};
use tests::{Person, World};

const SETS: [&str; 11] = [
    "dynamic_contents",
    "fields",
    "helpers",
    "interests",
    "lists",
    "setups",
    "signups",
    "subscribers",
    "target_groups",
    "templates",
    "unsubscriptions",
];

/// An archive as somebody has it who fetched it.
struct Fetched {
    /// By key, as stored.
    objects: BTreeMap<String, Vec<u8>>,
    /// By set, decompressed.
    sets: BTreeMap<String, Vec<u8>>,
}

impl Fetched {
    async fn of(world: &World, backup: &Value) -> Self {
        let clients = world.clients();
        let (mut objects, mut sets) = (BTreeMap::new(), BTreeMap::new());
        for set in SETS {
            sets.insert(set.to_owned(), Vec::new());
        }
        for key in backup["objects"].as_array().expect("objects") {
            let key = key.as_str().expect("a key");
            let got = clients
                .s3()
                .get_object()
                .bucket(world.endpoint("bucket"))
                .key(key)
                .send()
                .await
                .expect("the object is there");
            let bytes = got.body.collect().await.expect("bytes").to_vec();
            let name = key.rsplit('/').next().expect("a name");
            let set = name.split('-').next().expect("a set");
            let lines = zstd::decode_all(bytes.as_slice()).expect("zstd");
            sets.get_mut(set).expect("one of the sets").extend(lines);
            objects.insert(key.to_owned(), bytes);
        }
        Self { objects, sets }
    }

    fn records(&self, set: &str) -> Vec<Value> {
        self.sets[set]
            .split(|byte| *byte == b'\n')
            .filter(|line| !line.is_empty())
            .map(|line| serde_json::from_slice(line).expect("JSON"))
            .collect()
    }

    /// Whether these bytes are anywhere in it, compressed or not.
    fn holds(&self, text: &str) -> bool {
        let within = |bytes: &Vec<u8>| {
            bytes
                .windows(text.len())
                .any(|window| window == text.as_bytes())
        };
        self.objects.values().any(within)
            || self.sets.values().any(within)
            || self.objects.keys().any(|key| key.contains(text))
    }
}

/// Everything under `archives/` in the bucket.
async fn stored_objects(world: &World) -> BTreeSet<String> {
    let listed = world
        .clients()
        .s3()
        .list_object_versions()
        .bucket(world.endpoint("bucket"))
        .prefix("archives/")
        .send()
        .await
        .expect("the bucket answers");
    listed
        .versions()
        .iter()
        .filter_map(|version| version.key().map(str::to_owned))
        .collect()
}

async fn backups(world: &World) -> Vec<Value> {
    world.api().all("/accounts/demo/backups").await
}

async fn join(world: &World, setup: &str, person: &Person) {
    let sign_up = world.sign_up(setup).email(&person.email);
    let sign_up = sign_up.field("last_name", &person.last_name);
    let sign_up = sign_up.field("customer_number", &person.customer_number);
    sign_up
        .from(world.fresh_client())
        .send()
        .await
        .expect_accepted();
    world.drain().await;
}

/// Somebody who came and left.
async fn leave(world: &World, person: &Person) {
    join(world, "confirmed", person).await;
    let mail = world.only_mail(&person.email).await;
    world.unsubscribe(&mail).send().await.expect_page(200);
}

async fn plant(world: &World, pk: &str, sk: &str, kind: &str, canary: &str) {
    let text = |text: &str| AttributeValue::S(text.to_owned());
    let put = world
        .clients()
        .dynamodb()
        .put_item()
        .table_name(world.endpoint("table"))
        .item("pk", text(pk))
        .item("sk", text(sk))
        .item("kind", text(kind))
        .item("rev", AttributeValue::N("1".to_owned()))
        .item("note", text(canary))
        .send()
        .await;
    assert!(put.is_ok(), "planted");
}

#[tokio::test]
async fn an_archive_holds_its_eleven_sets_and_nothing_else() {
    let world = World::start().await;
    let (anna, berta, clara) = (
        world.person("anna"),
        world.person("berta"),
        world.person("clara"),
    );
    join(&world, "single", &anna).await;
    leave(&world, &berta).await;
    join(&world, "double", &clara).await;
    let interest = json!({"name": "Wanderungen"});
    let interest = world
        .api()
        .post("/accounts/demo/interests", &interest)
        .await;
    let interest = interest.expect(201).json();
    let canary = "kanarienvogel-4711";
    for (pk, sk, kind) in [
        ("A#demo", "campaign#cmp_1", "campaign"),
        ("A#demo", "deletion_report#x", "deletion_report"),
        ("A#demo", "landing_page#x", "landing_page"),
        ("A#demo#C#cmp_1", "control", "control"),
        ("A#demo#C#cmp_1#0#1", "e#00000001", "entry"),
        (
            "A#demo#R#0",
            "00000000000000000000000000000000#survey#1",
            "survey",
        ),
        (
            "A#demo#P#0",
            "00000000000000000000000000000000!s",
            "statistics",
        ),
        ("A#demo#E#0", "sealed", "sealed"),
        ("A#demo#I#imp_1", "row#1", "import_row"),
    ] {
        plant(&world, pk, sk, kind, canary).await;
    }

    let report = world.run("backup").await;
    assert_eq!(report["accounts"], 1);
    world.drain().await;
    let listed = backups(&world).await;
    assert_eq!(listed.len(), 1, "{listed:?}");
    let backup = &listed[0];
    let path = format!(
        "/accounts/demo/backups/{}",
        backup["id"].as_str().expect("an id")
    );
    assert_eq!(&world.api().get(&path).await.expect(200).json(), backup);

    let sets = backup["manifest"]["sets"].as_object().expect("sets");
    assert_eq!(sets.keys().map(String::as_str).collect::<Vec<_>>(), SETS);
    let fetched = Fetched::of(&world, backup).await;
    for (set, count) in [
        ("subscribers", 2),
        ("signups", 3),
        ("unsubscriptions", 1),
        ("lists", 1),
        ("setups", 3),
        ("interests", 1),
        ("fields", 0),
        ("templates", 0),
        ("target_groups", 0),
        ("helpers", 0),
        ("dynamic_contents", 0),
    ] {
        assert_eq!(sets[set]["count"], count, "{set}");
        assert_eq!(fetched.records(set).len(), count, "{set}");
        assert_eq!(sets[set]["sha256"], sha256_hex(&fetched.sets[set]), "{set}");
    }
    // The bucket holds what is named, and the manifest beside it.
    let mut named: BTreeSet<String> = fetched.objects.keys().cloned().collect();
    let prefix = format!("archives/demo/{}/", backup["id"].as_str().expect("an id"));
    assert!(
        named.iter().all(|key| key.starts_with(&prefix)),
        "{named:?}"
    );
    named.insert(format!("{prefix}manifest.json"));
    assert_eq!(stored_objects(&world).await, named);

    // A subscriber's state goes with the profile; numbers keep their zeros (S-06).
    let subscribers = fetched.records("subscribers");
    let of = |person: &Person| {
        let mut all = subscribers.iter();
        all.find(|line| line["address"] == person.email.as_str())
            .expect("a line")
    };
    assert_eq!(of(&anna)["withdrawal"], Value::Null);
    assert!(of(&berta)["withdrawal"]["all_at"].is_string());
    assert_eq!(of(&anna)["values"]["customer_number"], anna.customer_number);
    assert!(fetched.holds(&clara.email), "unconfirmed sign-ups are in");
    let interests = fetched.records("interests");
    assert_eq!(interests[0]["id"], interest["id"]);

    let stored = world.scan_table().await;
    assert!(stored.holding(canary).len() >= 9);
    let secrets = stored
        .of_kind("key")
        .into_iter()
        .map(|key| key["secret_hash"].clone());
    let material = stored
        .of_kind("account")
        .into_iter()
        .map(|account| account["key"]["random"].clone());
    for secret in secrets.chain(material).chain([json!(canary)]) {
        if let Some(text) = secret.as_str() {
            assert!(!fetched.holds(text));
        }
    }
    assert!(!fetched.holds("secret_hash"));
    world.finish().await;
}

#[tokio::test]
async fn an_archive_is_there_for_two_weeks_and_not_a_second_longer() {
    let world = World::start().await;
    let anna = world.person("anna");
    join(&world, "single", &anna).await;
    let begun: Timestamp = "2027-03-20T23:59:59Z".parse().expect("a time");
    // The schedules see that the clock was moved, too, and begin an archive of their own.
    world.hold_clock(begun);
    world.run("backup").await;
    world.drain().await;
    let is_ours = |backup: &Value| backup["id"] == "bak_20270320t235959z";
    let mut listed = backups(&world).await;
    listed.retain(is_ours);
    let id = listed[0]["id"].as_str().expect("an id");
    let path = format!("/accounts/demo/backups/{id}");
    let end: Timestamp = listed[0]["expires_at"]
        .as_str()
        .expect("a time")
        .parse()
        .expect("a time");
    assert_eq!(end, begun + (14 * 24).hours());
    let object = listed[0]["objects"][0].as_str().expect("a key");
    let name = object.rsplit('/').next().expect("a name");
    let link = format!("{path}/objects/{name}");

    world.hold_clock(end - 1.seconds());
    world.run("retention").await;
    let mut still = backups(&world).await;
    still.retain(is_ours);
    assert_eq!(still, listed);
    world.api().get(&path).await.expect(200);
    let url = world.api().get(&link).await.expect(200).json();
    assert!(url["url"].as_str().is_some_and(|url| url.contains(object)));
    Fetched::of(&world, &listed[0]).await;

    // Absent from the instant on, whether or not anybody has deleted it.
    world.hold_clock(end);
    for gone in [&path, &link] {
        world.api().get(gone).await.expect_problem(404, "not_found");
    }
    assert!(!backups(&world).await.iter().any(is_ours));

    world.hold_clock(end + 1.seconds());
    world.run("retention").await;
    world.drain().await;
    let left = stored_objects(&world).await;
    assert!(!left.iter().any(|key| key.contains(id)), "{left:?}");
    let stored = world.scan_table().await;
    assert!(!stored.of_kind("backup").iter().any(|entry| is_ours(entry)));
    assert!(
        !stored
            .of_kind("backup_part")
            .iter()
            .any(|part| part["backup"] == id)
    );
    world.release_clock();
    world.finish().await;
}

#[tokio::test]
async fn an_archive_that_never_completed_is_not_listed_and_leaves_nothing() {
    let world = World::start().await;
    join(&world, "single", &world.person("anna")).await;
    // Some of its messages never get into the queue: the SDK asks three times, then it is over.
    world.fail_next(Service::Sqs, Fault::Before, 40);
    let refused = world.local("POST", "run/backup", None).await;
    assert_eq!(refused.status, 500);
    while world.faults_left() > 0 {
        world.local("POST", "run/backup", None).await;
    }
    world.drain().await;
    let stored = world.scan_table().await;
    let incomplete: Vec<Value> = stored
        .of_kind("backup")
        .into_iter()
        .filter(|entry| entry.get("manifest").is_none_or(Value::is_null))
        .map(|entry| entry["id"].clone())
        .collect();
    let named = |ids: &[Value], text: &str| {
        ids.iter()
            .any(|id| text.contains(id.as_str().expect("an id")))
    };
    assert!(!incomplete.is_empty());
    assert!(
        !backups(&world)
            .await
            .iter()
            .any(|backup| incomplete.contains(&backup["id"]))
    );
    let id = incomplete[0].as_str().expect("an id");
    world
        .api()
        .get(&format!("/accounts/demo/backups/{id}"))
        .await
        .expect_problem(404, "not_found");

    world.hold_clock(world.now().await + (14 * 24).hours() + 10.seconds());
    world.run("retention").await;
    world.drain().await;
    let left = stored_objects(&world).await;
    assert!(!left.iter().any(|key| named(&incomplete, key)), "{left:?}");
    let stored = world.scan_table().await;
    assert!(
        !stored
            .of_kind("backup")
            .iter()
            .any(|entry| incomplete.contains(&entry["id"]))
    );
    world.release_clock();
    world.finish().await;
}

#[tokio::test]
async fn a_platform_that_is_killed_halfway_completes_the_archive() {
    let mut world = World::start().await;
    for name in ["anna", "berta"] {
        join(&world, "single", &world.person(name)).await;
    }
    world.run("backup").await;
    world.kill_and_restart().await;
    world.drain().await;
    let listed = backups(&world).await;
    assert_eq!(listed.len(), 1);
    let fetched = Fetched::of(&world, &listed[0]).await;
    assert_eq!(fetched.records("subscribers").len(), 2);
    world.finish().await;
}

#[tokio::test]
async fn two_accounts_have_archives_of_their_own() {
    let world = World::start().await;
    let (anna, berta) = (world.person("anna"), world.person("berta"));
    join(&world, "single", &anna).await;
    let made = world
        .platform_api()
        .post("/accounts", &json!({"name": "Andere"}))
        .await;
    let made = made.expect(201).json();
    let other = made["id"].as_str().expect("an id");
    let api = world.api_with_key(made["key"].as_str().expect("a key"));
    api.state_legal_elements(other).await;
    let list = api
        .post(
            &format!("/accounts/{other}/lists"),
            &json!({"name": "Neues"}),
        )
        .await;
    let list = list.expect(201).json()["id"].clone();
    let setup = json!({
        "name": "Laden", "mode": "single", "lists": [list], "fields": [],
        "form_url": "https://andere.example/", "justification": "im Laden unterschrieben",
    });
    let setup = api
        .post(&format!("/accounts/{other}/setups"), &setup)
        .await
        .expect(201)
        .json();
    let setup = setup["id"].as_str().expect("an id").to_owned();
    let sign_up = world.sign_up_at(other, &setup).email(&berta.email);
    sign_up
        .from(world.fresh_client())
        .send()
        .await
        .expect_accepted();
    world.drain().await;

    // One by the schedule for both, one more that a controller asks for.
    assert_eq!(world.run("backup").await["accounts"], 2);
    let asked = api
        .post(&format!("/accounts/{other}/backups"), &json!({}))
        .await;
    let asked = asked.expect(202).json()["id"].clone();
    world.drain().await;
    let ours = backups(&world).await;
    let theirs = api.all(&format!("/accounts/{other}/backups")).await;
    assert_eq!((ours.len(), theirs.len()), (1, 2));
    assert!(theirs.iter().any(|backup| backup["id"] == asked));
    for (backups, own, foreign) in [(&ours, &anna, &berta), (&theirs, &berta, &anna)] {
        for backup in backups {
            let fetched = Fetched::of(&world, backup).await;
            assert_eq!(backup["manifest"]["sets"]["subscribers"]["count"], 1);
            assert!(fetched.holds(&own.email) && !fetched.holds(&foreign.email));
        }
    }
    let asked = asked.as_str().expect("an id");
    for path in [
        format!("/accounts/{other}/backups"),
        format!("/accounts/{other}/backups/{asked}"),
        format!("/accounts/demo/backups/{asked}"),
        "/accounts/demo/backups/bak_nothing".to_owned(),
    ] {
        world
            .api()
            .get(&path)
            .await
            .expect_problem(404, "not_found");
    }
    world.finish().await;
}

#[tokio::test]
async fn a_large_account_is_written_by_a_message_per_partition() {
    let world = World::start().await;
    let anna = world.person("anna");
    join(&world, "single", &anna).await;
    let clients = world.clients();
    let text = |text: String| AttributeValue::S(text);
    // More than one message writes, all of them in the first partition.
    for batch in 0..260_u32 {
        let puts = (0..25_u32).map(|number| {
            let person = format!("0{:031x}", batch * 25 + number);
            let put = PutRequest::builder()
                .item("pk", text("A#demo#R#0".to_owned()))
                .item("sk", text(format!("{person}#unsub#{person}")))
                .item("kind", text("unsubscription".to_owned()))
                .item("person", text(person))
                .build();
            WriteRequest::builder()
                .put_request(put.expect("complete"))
                .build()
        });
        let written = clients
            .dynamodb()
            .batch_write_item()
            .request_items(world.endpoint("table"), puts.collect())
            .send()
            .await;
        assert!(written.is_ok(), "planted");
    }
    world.run("backup").await;
    world.drain().await;
    let listed = backups(&world).await;
    assert_eq!(listed.len(), 1);
    let sets = &listed[0]["manifest"]["sets"];
    assert_eq!(sets["unsubscriptions"]["count"], 6_500);
    assert_eq!(sets["subscribers"]["count"], 1);
    let fetched = Fetched::of(&world, &listed[0]).await;
    assert_eq!(
        sets["unsubscriptions"]["sha256"],
        sha256_hex(&fetched.sets["unsubscriptions"])
    );
    let parts = world.scan_table().await;
    assert_eq!(parts.of_kind("backup_part").len(), 17);
    world.finish().await;
}
