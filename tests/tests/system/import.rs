//! CSV imports: a controller's file becomes subscribers, each row once, nobody brought back.
//!
//! What each kind of person leads to is tested in the domain; here the whole way of a file.

use std::fmt::Write as _;
use std::time::Instant;

use local::faults::{Fault, Service};
use rundbrief::person::Profile;
use serde_json::{Value, json};
use tests::{Answer, World};

mod proof;
mod upload;

const GOOD: &str = "list=news&source=Messe+Wien&legal_basis=consent\
                    &consented_on=2026-03-01&proof=Formular+17";

async fn post(world: &World, query: &str, file: impl Into<Vec<u8>>) -> Answer {
    let path = format!("/accounts/demo/imports?{query}");
    let csv = Some("text/csv");
    world.api().call_with("POST", &path, csv, file.into()).await
}

/// Imports a file to its end; answers with the import and its report.
async fn import(world: &World, query: &str, file: impl Into<Vec<u8>>) -> (Value, String) {
    let taken = post(world, query, file).await.expect(202).json();
    assert!(
        ["queued", "finished"].contains(&taken["state"].as_str().expect("a state")),
        "{taken}"
    );
    world.drain().await;
    let id = taken["id"].as_str().expect("an id");
    ended(world, id).await
}

async fn ended(world: &World, id: &str) -> (Value, String) {
    let path = format!("/accounts/demo/imports/{id}");
    let import = world.api().get(&path).await.expect(200).json();
    let report = import["report"].as_str().expect("a path");
    let mut path = report.trim_start_matches("/api/v1").to_owned();
    let mut text = String::new();
    loop {
        let page = world.api().get(&path).await.expect(200);
        assert_eq!(
            page.header("content-type"),
            Some("text/csv; charset=utf-8; header=present")
        );
        let body = page.text();
        let rows = body.strip_prefix("row,outcome,code\r\n").expect("a header");
        text.push_str(rows);
        match page.header("link") {
            None => return (import, text),
            Some(link) => {
                let next = link.split(['<', '>']).nth(1).expect("a path");
                next.trim_start_matches("/api/v1").clone_into(&mut path);
            }
        }
    }
}

/// state, rows, created, updated, skipped, failed.
fn counts(import: &Value) -> (&str, [u64; 5]) {
    let names = ["rows", "created", "updated", "skipped", "failed"];
    (
        import["state"].as_str().expect("a state"),
        names.map(|name| import[name].as_u64().expect("a number")),
    )
}

async fn profiles(world: &World) -> Vec<Value> {
    let stored = world.scan_table().await;
    stored.of_kind("profile").into_iter().cloned().collect()
}

/// Whether nothing was written to a profile after the import that made it.
fn written_once(profile: &Value) -> bool {
    let import = profile["provenance"][0]["import"].as_str();
    let import = import.expect("an identifier");
    profile["rev"] == Profile::first_revision(import.as_bytes())
}

/// The stored subscriber with this spelling of an address.
async fn profile(world: &World, address: &str) -> Option<Value> {
    let mut found = profiles(world).await;
    found.retain(|profile| profile["spellings"].to_string().contains(address));
    assert!(found.len() <= 1);
    found.pop()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_file_becomes_subscribers_and_comes_again_as_updates() {
    let world = World::start().await;
    let [anna, bert, cleo] = ["anna", "bert", "cleo"].map(|name| world.person(name));
    let file = format!(
        "\u{feff}email;first_name;customer_number;advertising_criteria\r\n\
         {};{};{};rot|blau\r\n\
         {};;00007;\r\n\
         nobody;;;\r\n\
         {};Twice;;\r\n\
         {};;\r\n",
        anna.email,
        anna.first_name,
        anna.customer_number,
        bert.email,
        anna.email.to_uppercase(),
        cleo.email,
    );
    let (first, report) = import(&world, GOOD, file.clone()).await;
    assert_eq!(counts(&first), ("finished", [5, 2, 0, 1, 2]));
    assert_eq!(
        report,
        "2,created,\r\n3,created,\r\n4,failed,address_missing_at\r\n\
         5,skipped,repeated_in_file\r\n6,failed,row_cell_count\r\n"
    );
    for (name, value) in [
        ("source", json!("Messe Wien")),
        ("legal_basis", json!("consent")),
        ("consented_on", json!("2026-03-01")),
        ("proof", json!("Formular 17")),
        ("list", json!("news")),
        ("dry_run", json!(false)),
        ("sendable", json!(true)),
        ("warnings", json!([])),
        ("failure", Value::Null),
    ] {
        assert_eq!(first[name], value, "{name}");
    }
    let stored = profile(&world, &anna.email).await.expect("imported");
    assert_eq!(stored["values"]["first_name"], json!(anna.first_name));
    assert_eq!(
        stored["values"]["customer_number"],
        json!(anna.customer_number)
    );
    assert_eq!(
        stored["values"]["advertising_criteria"],
        json!(["rot", "blau"])
    );
    let consent = &stored["lists"]["news"];
    assert_eq!(consent["basis"], json!("consent"));
    assert_eq!(consent["proof"]["import"], first["id"]);
    let instant = |shown: &Value| shown.as_str().expect("a time").parse::<jiff::Timestamp>();
    let (since, created_at) = (instant(&consent["since"]), instant(&first["created_at"]));
    assert_eq!(since.expect("a time"), created_at.expect("a time"));

    // Cells that are empty now leave what is known; filled ones rectify it.
    let file = format!(
        "email,first_name,customer_number\n{},,1\n{},Berta,\n",
        anna.email, bert.email
    );
    let (second, report) = import(&world, GOOD, file).await;
    assert_eq!(counts(&second), ("finished", [2, 0, 2, 0, 0]));
    assert_eq!(report, "2,updated,\r\n3,updated,\r\n");
    let stored = profile(&world, &anna.email).await.expect("still there");
    assert_eq!(stored["values"]["first_name"], json!(anna.first_name));
    assert_eq!(stored["values"]["customer_number"], json!("1"));
    assert_eq!(stored["lists"]["news"]["proof"]["import"], first["id"]);
    let stored = profile(&world, &bert.email).await.expect("still there");
    assert_eq!(stored["values"]["first_name"], json!("Berta"));
    assert_eq!(stored["values"]["customer_number"], json!("00007"));

    let listed = world.api().all("/accounts/demo/imports?limit=1").await;
    assert_eq!(listed, [first, second]);
    world.finish().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_import_brings_back_nobody_who_left() {
    let world = World::start().await;
    let [anna, cleo] = ["anna", "cleo"].map(|name| world.person(name));
    world
        .sign_up("confirmed")
        .email(&cleo.email)
        .from(world.fresh_client())
        .send()
        .await
        .expect_accepted();
    world.drain().await;
    let mail = world.only_mail(&cleo.email).await;
    world.unsubscribe(&mail).send().await.expect_page(200);
    let before = profile(&world, &cleo.email).await;
    assert!(before.is_some());

    let file = format!("email,first_name\n{},C\n{},A\n", cleo.email, anna.email);
    for (round, outcome) in [(0, "created"), (1, "updated")] {
        let (import, report) = import(&world, GOOD, file.clone()).await;
        assert_eq!(counts(&import), ("finished", [2, 1 - round, round, 1, 0]));
        assert_eq!(
            report,
            format!("2,skipped,unsubscribed\r\n3,{outcome},\r\n")
        );
        assert_eq!(profile(&world, &cleo.email).await, before);
    }
    world.finish().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn files_of_several_chunks_have_one_outcome_per_row() {
    let world = World::start().await;
    let someone = world.person("x").email;
    let mut all = 0;
    for (round, rows) in [500, 501, 1_001].into_iter().enumerate() {
        let mut file = "email\n".to_owned();
        for row in 0..rows {
            // The last row of the file repeats the first one, chunks before.
            let row = if row == rows - 1 { 0 } else { row };
            let _ = writeln!(file, "r{round}n{row}{someone}");
        }
        let (import, report) = import(&world, GOOD, file).await;
        assert_eq!(counts(&import), ("finished", [rows, rows - 1, 0, 1, 0]));
        let report: Vec<&str> = report.lines().collect();
        assert_eq!(report.len(), usize::try_from(rows).expect("small"));
        for (line, number) in report.iter().zip(2..) {
            let expected = if number == rows + 1 {
                format!("{number},skipped,repeated_in_file")
            } else {
                format!("{number},created,")
            };
            assert_eq!(*line, expected);
        }
        all += rows - 1;
        let profiles = profiles(&world).await;
        assert_eq!(u64::try_from(profiles.len()), Ok(all));
        assert!(profiles.iter().all(written_once), "each written once");
    }
    world.finish().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn rows_that_cannot_be_read_fail_alone_and_a_dry_run_writes_nobody() {
    let world = World::start().await;
    let anna = world.person("anna");
    let mut file = b"email,first_name,date_of_birth\n".to_vec();
    file.extend(b"broken\xff@x.example,,\n");
    file.extend(format!("{},Latin-\u{e4},1999-12-31\n", anna.email).bytes());
    file.extend(b"late@x.example,,31.12.1999\n");
    file.extend(b",Nobody,\n");
    file.extend(b"inject@x.example,\"a\r\nBcc: b@x.example\",\n");
    let expected = "2,failed,row_not_utf8\r\n3,created,\r\n4,failed,date_of_birth:invalid\r\n\
                    5,failed,address_empty\r\n6,failed,first_name:control_character\r\n";
    let (dry, report) = import(&world, &format!("{GOOD}&dry_run=true"), file.clone()).await;
    assert_eq!(counts(&dry), ("finished", [5, 1, 0, 0, 4]));
    assert_eq!(report, expected);
    assert_eq!(profiles(&world).await, Vec::<Value>::new());
    let (wet, report) = import(&world, GOOD, file).await;
    assert_eq!(counts(&wet), ("finished", [5, 1, 0, 0, 4]));
    assert_eq!(report, expected);
    let (empty, report) = import(&world, GOOD, "email\n").await;
    assert_eq!(
        (counts(&empty), report.as_str()),
        (("finished", [0; 5]), "")
    );
    world.finish().await;
}

/// Query, file, and the fields with their codes.
type Refused<'a> = (&'a str, &'a str, &'a [(&'a str, &'a str)]);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_cannot_be_taken_is_refused_before_anything_is_stored() {
    let world = World::start().await;
    let file = "email\nanna@x.example\n";
    let before = world.stored().await;
    let table: &[Refused<'_>] = &[
        (
            "",
            file,
            &[
                ("list", "missing"),
                ("source", "missing"),
                ("legal_basis", "missing"),
            ],
        ),
        (
            "list=nope&source=x&legal_basis=consent",
            file,
            &[("list", "unknown")],
        ),
        (
            "list=A%23&source=x&legal_basis=consent",
            file,
            &[("list", "unknown")],
        ),
        (
            "list=news&source=%20&legal_basis=consent",
            file,
            &[("source", "empty")],
        ),
        (
            "list=news&source=a%0d%0ab&legal_basis=consent",
            file,
            &[("source", "control_character")],
        ),
        (
            "list=news&source=x&legal_basis=COI",
            file,
            &[("legal_basis", "unknown")],
        ),
        (
            "list=news&source=x&legal_basis=consent&proof=COI",
            file,
            &[("proof", "ambiguous_opt_in")],
        ),
        (
            "list=news&source=x&legal_basis=consent&consented_on=2999-01-01",
            file,
            &[("consented_on", "in_the_future")],
        ),
        (
            "list=news&source=x&legal_basis=consent&consented_on=1.2.2026",
            file,
            &[("consented_on", "invalid")],
        ),
        (
            "list=news&source=x&legal_basis=consent&poof=x",
            file,
            &[("query", "unknown_parameter")],
        ),
        (
            "list=news&source=x&source=y&legal_basis=consent",
            file,
            &[("query", "repeated_parameter")],
        ),
        (
            "list=news&source=x&legal_basis=consent&dry_run=1",
            file,
            &[("dry_run", "not_a_boolean")],
        ),
        (GOOD, "", &[("file", "file_empty")]),
        (
            GOOD,
            "first_name\nAnna\n",
            &[("file", "file_missing_email_column")],
        ),
        (
            GOOD,
            "email,shoe_size\na@x.example,41\n",
            &[("file.columns.2", "file_unknown_column")],
        ),
        (
            GOOD,
            "email,Email\na@x.example,b@x.example\n",
            &[("file.columns.2", "file_duplicate_column")],
        ),
        (
            GOOD,
            "anna@x.example\nbert@x.example\n",
            &[("file.columns.1", "file_unknown_column")],
        ),
    ];
    for (query, file, problems) in table {
        let refused = post(&world, query, *file)
            .await
            .expect_problem(422, "invalid");
        let expected: Vec<Value> = problems
            .iter()
            .map(|(field, code)| json!({"field": field, "code": code}))
            .collect();
        assert_eq!(refused.json()["errors"], json!(expected), "{query} {file}");
        assert!(!refused.text().contains("x.example"));
        let names = if problems.iter().any(|(field, _)| *field == "legal_basis") {
            let soft = ["soft_opt_in_AT_174_4", "soft_opt_in_DE_7_3"];
            json!(["consent", soft[0], soft[1], "transactional"])
        } else {
            Value::Null
        };
        assert_eq!(refused.json()["legal_bases"], names);
    }
    let refused = post(&world, GOOD, b"e\xffmail\n".to_vec()).await;
    assert_eq!(
        refused.expect(422).json()["errors"][0]["code"],
        "file_header_not_utf8"
    );
    let large = [b"email\n".to_vec(), vec![b'\n'; 4 * 1024 * 1024]].concat();
    post(&world, GOOD, large)
        .await
        .expect_problem(413, "too_large");
    let path = format!("/accounts/demo/imports?{GOOD}");
    for kind in [
        None,
        Some("text/plain"),
        Some("text/csv; charset=latin1"),
        Some("application/xml"),
    ] {
        let refused = world
            .api()
            .call_with("POST", &path, kind, file.into())
            .await;
        refused.expect_problem(415, "unsupported_type");
    }
    let csv = Some("text/csv");
    let stranger = world.api_with_key("rbk_demo.nobody.nothing-at-all");
    stranger
        .call_with("POST", &path, csv, file.into())
        .await
        .expect(401);
    let other = path.replace("demo", "other");
    world
        .api()
        .call_with("POST", &other, csv, file.into())
        .await
        .expect(404);
    world
        .api()
        .get("/accounts/demo/imports/imp_none")
        .await
        .expect(404);
    world
        .api()
        .get("/accounts/demo/imports/imp_none/report")
        .await
        .expect(404);
    assert_eq!(world.stored().await, before);
    world.finish().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_key_that_may_only_read_imports_nothing_and_a_repeated_request_imports_once() {
    let world = World::start().await;
    let key = json!({"name": "reader", "scopes": ["read"]});
    let key = world
        .api()
        .post("/accounts/demo/keys", &key)
        .await
        .expect(201)
        .json();
    let reader = world.api_with_key(key["key"].as_str().expect("a key"));
    let path = format!("/accounts/demo/imports?{GOOD}");
    let file = b"email\nanna@x.example\n".to_vec();
    let csv = Some("text/csv");
    let refused = reader.call_with("POST", &path, csv, file.clone()).await;
    refused.expect_problem(403, "missing_scope");

    let once = world.api().header("Idempotency-Key", "import-1");
    let first = once
        .call_with("POST", &path, csv, file.clone())
        .await
        .expect(202)
        .json();
    let again = once
        .call_with("POST", &path, csv, file)
        .await
        .expect(202)
        .json();
    assert_eq!(first["id"], again["id"]);
    world.drain().await;
    assert_eq!(world.api().all("/accounts/demo/imports").await.len(), 1);
    reader.get("/accounts/demo/imports").await.expect(200);
    world.finish().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_import_that_cannot_be_queued_is_refused_and_does_not_go_on() {
    let world = World::start().await;
    let file = format!("email\n{}\n", world.person("anna").email);
    // The SDK tries three times.
    world.fail_next(Service::Sqs, Fault::Before, 3);
    post(&world, GOOD, file.clone())
        .await
        .expect_problem(503, "unavailable");
    let failed = &world.api().all("/accounts/demo/imports").await[0];
    assert_eq!(failed["state"], "failed");
    assert_eq!(failed["failure"], "not_queued");
    let (import, _) = import(&world, GOOD, file).await;
    assert_eq!(counts(&import), ("finished", [1, 1, 0, 0, 0]));
    world.finish().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_killed_platform_goes_on_with_an_import_and_does_no_row_twice() {
    let mut world = World::start().await;
    let someone = world.person("y").email;
    let mut file = "email\n".to_owned();
    for row in 0..1_001 {
        let _ = writeln!(file, "n{row}{someone}");
    }
    let taken = post(&world, GOOD, file).await.expect(202).json();
    for _ in 0..2 {
        // As soon as something is written.
        let before = profiles(&world).await.len();
        while before < 1_001 && profiles(&world).await.len() == before {}
        world.kill_and_restart().await;
    }
    world.drain().await;
    let (import, report) = ended(&world, taken["id"].as_str().expect("an id")).await;
    assert_eq!(counts(&import), ("finished", [1_001, 1_001, 0, 0, 0]));
    assert!(report.lines().all(|line| line.ends_with(",created,")));
    let profiles = profiles(&world).await;
    assert_eq!(profiles.len(), 1_001);
    assert!(profiles.iter().all(written_once));
    world.finish().await;
}

/// Ten thousand with `IMPORT_ROWS=10000` at compile time.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn many_rows_are_imported_quickly_and_completely() {
    let rows: u64 = match std::option_env!("IMPORT_ROWS") {
        Some(rows) => rows.parse().expect("a number"),
        None => 2_000,
    };
    let world = World::start().await;
    let someone = world.person("z");
    let mut file = "email,first_name,last_name,customer_number\n".to_owned();
    for row in 0..rows {
        let _ = writeln!(
            file,
            "n{row}{},{},{},{row:08}",
            someone.email, someone.first_name, someone.last_name
        );
    }
    let started = Instant::now();
    let (import, report) = import(&world, GOOD, file).await;
    let took = started.elapsed();
    assert_eq!(counts(&import), ("finished", [rows, rows, 0, 0, 0]));
    assert_eq!(u64::try_from(report.lines().count()), Ok(rows));
    eprintln!("{rows} rows in {took:?}");
    world.finish().await;
}
