//! Files that are too large for a request: promised, uploaded, started.

use std::fmt::Write as _;

use serde_json::{Value, json};
use tests::{Answer, World};

use super::{GOOD, counts, ended};

async fn promise(world: &World, body: &Value) -> Answer {
    let path = format!("/accounts/demo/imports?{GOOD}");
    world.api().post(&path, body).await
}

/// Does what the answer says with a file.
async fn put(world: &World, upload: &Value, file: Vec<u8>) -> Answer {
    let url = upload["url"].as_str().expect("a URL");
    let base = world.endpoint("s3");
    let path = url.strip_prefix(base).expect("of the bucket's endpoint");
    world.keep_private("a signature", path.rsplit('=').next().expect("a signature"));
    let headers: Vec<(String, String)> = upload["headers"]
        .as_object()
        .expect("headers")
        .iter()
        .filter(|(name, _)| *name != "host" && *name != "content-length")
        .map(|(name, value)| (name.clone(), value.as_str().expect("a text").to_owned()))
        .collect();
    let method = upload["method"].as_str().expect("a method");
    let from = world.client(1);
    tests::client::try_send(base, from, method, path, &headers, file)
        .await
        .expect("an answer")
}

fn start_path(import: &Value) -> String {
    format!(
        "/accounts/demo/imports/{}/start",
        import["id"].as_str().expect("an id")
    )
}

/// Every version of every import file in the bucket.
async fn stored_files(world: &World) -> usize {
    let list = world.clients().s3().list_object_versions();
    let list = list.bucket(world.endpoint("bucket")).prefix("imports/");
    let listed = list.send().await.expect("the bucket answers");
    listed.versions().len() + listed.delete_markers().len()
}

/// Six megabytes in not too many lines.
fn large_file(world: &World) -> Vec<u8> {
    let someone = world.person("u").email;
    let mut file = "email,first_name,advertising_criteria\n".to_owned();
    let many: Vec<String> = (10..60).map(|n| format!("{n}{}", "x".repeat(77))).collect();
    let many = many.join("|");
    for row in 0..1_600 {
        let _ = writeln!(file, "n{row}{someone},Vorname{row},{many}");
    }
    assert!(file.len() > 6_000_000);
    file.into_bytes()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_file_of_six_megabytes_is_uploaded_and_imported_once() {
    let world = World::start().await;
    let api = world.api();
    let file = large_file(&world);
    let promised = promise(&world, &json!({"upload": true, "bytes": file.len()}))
        .await
        .expect(202)
        .json();
    assert_eq!(promised["state"], "queued");
    assert_eq!(promised["upload"]["method"], "PUT");
    assert_eq!(promised["sendable"], true);
    let start = start_path(&promised);
    api.post(&start, &json!({}))
        .await
        .expect_problem(409, "not_uploaded");
    // No other length is taken.
    put(&world, &promised["upload"], b"email\n".to_vec())
        .await
        .expect(403);
    put(&world, &promised["upload"], file).await.expect(200);
    for _ in 0..2 {
        let started = api.post(&start, &json!({})).await.expect(202).json();
        assert!(started["upload"]["started_at"].is_string());
        assert_eq!(started["upload"]["url"], Value::Null, "said once");
    }
    world.drain().await;
    let (import, report) = ended(&world, promised["id"].as_str().expect("an id")).await;
    assert_eq!(counts(&import), ("finished", [1_600, 1_600, 0, 0, 0]));
    assert!(report.lines().all(|line| line.ends_with(",created,")));
    assert_eq!(super::profiles(&world).await.len(), 1_600);
    world.finish().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_upload_is_checked_when_it_starts_and_forgotten_when_nobody_starts_it() {
    let world = World::start().await;
    let api = world.api();
    for (body, errors) in [
        (
            json!({}),
            json!([["upload", "missing"], ["bytes", "missing"]]),
        ),
        (
            json!({"upload": false, "bytes": 1}),
            json!([["upload", "not_true"]]),
        ),
        (
            json!({"upload": true, "bytes": 0}),
            json!([["bytes", "out_of_range"]]),
        ),
        (
            json!({"upload": true, "bytes": 64 * 1024 * 1024 + 1}),
            json!([["bytes", "out_of_range"]]),
        ),
    ] {
        let refused = promise(&world, &body)
            .await
            .expect_problem(422, "invalid")
            .json();
        let found: Vec<_> = refused["errors"]
            .as_array()
            .expect("errors")
            .iter()
            .map(|error| json!([error["field"], error["code"]]))
            .collect();
        assert_eq!(json!(found), errors, "{body}");
    }
    let promised = async |file: &str| {
        let body = json!({"upload": true, "bytes": file.len()});
        promise(&world, &body).await
    };
    let bad = "email,shoe_size\na@x.example,41\n";
    let import = promised(bad).await.expect(202).json();
    put(&world, &import["upload"], bad.into()).await.expect(200);
    let refused = api.post(&start_path(&import), &json!({})).await;
    let refused = refused.expect_problem(422, "invalid").json();
    assert_eq!(
        refused["errors"],
        json!([{"field": "file.columns.2", "code": "file_unknown_column"}])
    );

    let none = "email\n";
    let empty = promised(none).await.expect(202).json();
    put(&world, &empty["upload"], none.into()).await.expect(200);
    api.post(&start_path(&empty), &json!({})).await.expect(202);
    world.drain().await;
    let (ended, _) = ended(&world, empty["id"].as_str().expect("an id")).await;
    assert_eq!(counts(&ended), ("finished", [0; 5]));

    // What came with its request cannot be started; what nobody started is gone a day later.
    let direct = super::post(&world, GOOD, none).await.expect(202).json();
    api.post(&start_path(&direct), &json!({})).await.expect(409);
    assert_eq!(api.all("/accounts/demo/imports").await.len(), 3);
    world.run("retention").await;
    assert_eq!(
        stored_files(&world).await,
        3,
        "not before their day is over"
    );
    world.advance("P1D").await;
    api.post(&start_path(&import), &json!({})).await.expect(404);
    assert_eq!(api.all("/accounts/demo/imports").await.len(), 2);
    world.drain().await;
    // Nor is any file left by then, started or not (DESIGN section 4).
    world.run("retention").await;
    assert_eq!(stored_files(&world).await, 0);
    world.finish().await;
}
