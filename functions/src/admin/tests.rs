//! Every route is in `docs/openapi.yaml`, and everything in there is a route.
//!
//! What the routes do is told by the system tests.

use std::collections::BTreeSet;

use lambda_http::http::{Method, header};

use super::*;

const OPENAPI: &str = include_str!("../../../docs/openapi.yaml");

/// `GET /accounts/{}`: a path without the names of its parameters.
fn anonymous(path: &str) -> String {
    path.split('/')
        .map(|part| if part.starts_with('{') { "{}" } else { part })
        .collect::<Vec<_>>()
        .join("/")
}

/// What the router answers to, as its own `Debug` and `Allow` tell it.
async fn routed() -> BTreeSet<String> {
    let told = format!("{:?}", *ROUTER);
    let paths: BTreeSet<&str> = told
        .split('"')
        .filter(|text| text.starts_with("/api/v1/"))
        .collect();
    let mut routed = BTreeSet::new();
    for path in paths {
        let uri = path.replace(['{', '}'], "");
        let mut request = axum::extract::Request::new(axum::body::Body::empty());
        *request.method_mut() = Method::from_bytes(b"BREW").unwrap();
        *request.uri_mut() = uri.parse().unwrap();
        let answer = tower::ServiceExt::oneshot(ROUTER.clone(), request)
            .await
            .unwrap();
        let allow = answer.headers()[header::ALLOW].to_str().unwrap();
        let path = anonymous(path.strip_prefix(PREFIX).unwrap());
        routed.extend(
            allow
                .split(',')
                .filter(|method| *method != "HEAD")
                .map(|method| format!("{method} {path}")),
        );
    }
    routed
}

/// What the file describes. It keeps to one form: a path in two spaces, a method in four.
fn described() -> BTreeSet<String> {
    let collections: Vec<&str> = OPENAPI
        .lines()
        .find_map(|line| line.strip_prefix("    collection: "))
        .and_then(|line| line.split("enum: [").nth(1)?.split(']').next())
        .unwrap()
        .split(", ")
        .collect();
    let paths = OPENAPI.split("\npaths:\n").nth(1).unwrap();
    let paths = paths.split("\ncomponents:\n").next().unwrap();
    let mut described = BTreeSet::new();
    let mut path = "";
    for line in paths.lines() {
        if let Some(begun) = line.strip_prefix("  /") {
            path = begun.trim_end_matches(':');
        } else if line.starts_with("    servers:") {
            // Not of the management API.
            path = "";
        } else if let Some(method) = line
            .strip_prefix("    ")
            .and_then(|line| line.strip_suffix(':'))
            && ["get", "put", "post", "patch", "delete"].contains(&method)
            && !path.is_empty()
        {
            let method = method.to_ascii_uppercase();
            for collection in &collections {
                let path = anonymous(&path.replace("{collection}", collection));
                described.insert(format!("{method} /{path}"));
            }
        }
    }
    described
}

#[tokio::test]
async fn the_api_is_described_as_it_is() {
    let (routed, described) = (routed().await, described());
    assert!(routed.len() > 50, "{routed:?}");
    let missing: Vec<_> = routed.difference(&described).collect();
    let unknown: Vec<_> = described.difference(&routed).collect();
    assert!(missing.is_empty(), "not in openapi.yaml: {missing:?}");
    assert!(unknown.is_empty(), "only in openapi.yaml: {unknown:?}");
}
