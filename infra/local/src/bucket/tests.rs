//! The bucket with the real S3 client over HTTP. Not what is kept in it.

use std::time::Duration;

use aws_sdk_s3::Client;
use aws_sdk_s3::presigning::PresigningConfig;
use aws_sdk_s3::types::{Delete, ObjectIdentifier};

use super::Bucket;
use crate::trial;

async fn client(folder: &trial::Folder, secret: &str) -> Client {
    let bucket = Bucket::open(folder.path(), "archive", "local", "secret").unwrap();
    let (listener, origin) = trial::listener().await;
    tokio::spawn(bucket.serve(listener));
    let config = aws_sdk_s3::Config::builder()
        .behavior_version(aws_sdk_s3::config::BehaviorVersion::latest())
        .region(aws_sdk_s3::config::Region::new("eu-central-1"))
        .credentials_provider(aws_credential_types::Credentials::from_keys(
            "local", secret, None,
        ))
        .http_client(aws_smithy_http_client::Builder::new().build_http())
        .endpoint_url(origin)
        .force_path_style(true)
        .build();
    Client::from_conf(config)
}

async fn put(s3: &Client, key: &str, body: &[u8]) {
    s3.put_object()
        .bucket("archive")
        .key(key)
        .metadata("kind", "x")
        .body(body.to_vec().into())
        .send()
        .await
        .unwrap();
}

#[tokio::test]
async fn an_object_comes_back_as_it_was_put_with_the_sdks_own_checksums() {
    let folder = trial::Folder::new("bucket-put");
    let s3 = client(&folder, "secret").await;
    for body in [Vec::new(), b"abc".to_vec(), vec![7; 300_000]] {
        put(&s3, "a/b.ndjson.zst", &body).await;
        let got = s3
            .get_object()
            .bucket("archive")
            .key("a/b.ndjson.zst")
            .send()
            .await
            .unwrap();
        assert_eq!(got.body.collect().await.unwrap().to_vec(), body);
    }
    let missing = s3
        .get_object()
        .bucket("archive")
        .key("nothing")
        .send()
        .await
        .unwrap_err();
    assert!(missing.into_service_error().is_no_such_key());
}

#[tokio::test]
async fn an_object_has_one_version_and_is_deleted_by_it_without_a_trace() {
    let folder = trial::Folder::new("bucket-versions");
    let s3 = client(&folder, "secret").await;
    for key in ["x/1", "x/2", "x/3", "y/1"] {
        put(&s3, key, b"1").await;
    }
    let listed = s3
        .list_object_versions()
        .bucket("archive")
        .prefix("x/")
        .max_keys(2)
        .send()
        .await
        .unwrap();
    let first: Vec<_> = listed
        .versions()
        .iter()
        .map(|version| version.key().unwrap())
        .collect();
    assert_eq!(
        (first, listed.is_truncated()),
        (vec!["x/1", "x/2"], Some(true))
    );
    assert_eq!(
        (
            listed.versions()[0].version_id(),
            listed.versions()[0].is_latest()
        ),
        (Some("null"), Some(true))
    );
    let next = listed.next_key_marker().unwrap();
    let rest = s3
        .list_object_versions()
        .bucket("archive")
        .prefix("x/")
        .key_marker(next)
        .send()
        .await
        .unwrap();
    assert_eq!(
        rest.versions()
            .iter()
            .map(|version| version.key().unwrap())
            .collect::<Vec<_>>(),
        ["x/3"]
    );

    let wrong = s3
        .delete_object()
        .bucket("archive")
        .key("x/1")
        .version_id("other")
        .send()
        .await
        .unwrap_err();
    assert_eq!(
        wrong.into_service_error().meta().code(),
        Some("NoSuchVersion")
    );
    s3.delete_object()
        .bucket("archive")
        .key("x/1")
        .version_id("null")
        .send()
        .await
        .unwrap();
    let object = |key: &str| {
        ObjectIdentifier::builder()
            .key(key)
            .version_id("null")
            .build()
            .unwrap()
    };
    let delete = Delete::builder()
        .objects(object("x/2"))
        .objects(object("x/3"))
        .build()
        .unwrap();
    let answer = s3
        .delete_objects()
        .bucket("archive")
        .delete(delete)
        .send()
        .await
        .unwrap();
    assert_eq!((answer.deleted().len(), answer.errors().len()), (2, 0));
    s3.delete_object()
        .bucket("archive")
        .key("x/1")
        .send()
        .await
        .unwrap();
    let left = s3.list_objects_v2().bucket("archive").send().await.unwrap();
    assert_eq!(
        left.contents()
            .iter()
            .map(|object| object.key().unwrap())
            .collect::<Vec<_>>(),
        ["y/1"]
    );
    let beside = std::fs::read_dir(folder.path())
        .unwrap()
        .filter(|entry| entry.as_ref().unwrap().path().is_file());
    assert!(
        beside.count() <= 2,
        "metadata only of the one object that is left"
    );
}

#[tokio::test]
async fn a_wrong_secret_is_refused_and_a_presigned_url_needs_none() {
    let folder = trial::Folder::new("bucket-auth");
    let stranger = client(&folder, "guess").await;
    let refused = stranger
        .list_objects_v2()
        .bucket("archive")
        .send()
        .await
        .unwrap_err();
    assert_eq!(
        refused.into_service_error().meta().code(),
        Some("SignatureDoesNotMatch")
    );

    let s3 = client(&folder, "secret").await;
    put(&s3, "file.csv", b"email\n").await;
    let presigned = PresigningConfig::expires_in(Duration::from_mins(1)).unwrap();
    let url = s3
        .get_object()
        .bucket("archive")
        .key("file.csv")
        .presigned(presigned)
        .await
        .unwrap();
    let url: http::Uri = url.uri().parse().unwrap();
    let plain = hyper_util::client::legacy::Client::builder(hyper_util::rt::TokioExecutor::new())
        .build_http();
    let request = http::Request::get(&url)
        .body(http_body_util::Empty::<hyper::body::Bytes>::new())
        .unwrap();
    let answer = plain.request(request).await.unwrap();
    assert_eq!(answer.status(), 200);
    let unsigned = format!("http://{}{}", url.authority().unwrap(), url.path());
    let request = http::Request::get(unsigned)
        .body(http_body_util::Empty::<hyper::body::Bytes>::new())
        .unwrap();
    assert_eq!(plain.request(request).await.unwrap().status(), 403);
}
