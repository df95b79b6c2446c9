//! The dependency policy, held over the resolved graph of `cargo metadata`.
//!
//! Says what may not be linked into what. Versions and licences are not its part.

use std::collections::{BTreeMap, BTreeSet};
use std::process::Command;

use serde_json::{Value, json};

/// Never in a Lambda: second TLS stacks (DESIGN section 7: aws-lc's entropy start costs
/// 22 ms of CPU), and the emulators with what only they need.
const BANNED_IN_FUNCTIONS: &[&str] = &[
    "native-tls",
    "openssl",
    "openssl-sys",
    "aws-lc-rs",
    "aws-lc-sys",
    "reqwest",
    "local",
    "dynoxide-rs",
    "s3s",
    "s3s-fs",
    "rusqlite",
    "libsqlite3-sys",
    "mail-builder",
];

/// `shared` decides and does no I/O: it must stay simulable.
const BANNED_IN_SHARED: &[&str] = &[
    "tokio", "tracing", "hyper", "axum", "http", "futures", "rustls", "reqwest",
];
const BANNED_PREFIXES_IN_SHARED: &[&str] = &["aws-", "aws_", "lambda_"];

/// What plays AWS, and who may reach it.
const EMULATORS: &[&str] = &["dynoxide-rs", "s3s", "s3s-fs", "mail-builder"];
const MAY_REACH_EMULATORS: &[&str] = &["local", "tests"];

/// One TLS stack and one HTTP stack, in one version each.
const ONE_VERSION_ONLY: &[&str] = &["rustls", "hyper", "http", "h2", "ring", "tokio"];

/// The resolved dependency graph without development dependencies.
struct Graph {
    /// Package id -> (name, version).
    packages: BTreeMap<String, (String, String)>,
    /// Package id -> ids it is built from.
    needs: BTreeMap<String, Vec<String>>,
    members: BTreeSet<String>,
}

impl Graph {
    fn parse(metadata: &Value) -> Self {
        let text = |value: &Value| value.as_str().expect("a string").to_owned();
        let items = |value: &Value| value.as_array().expect("a list").clone();
        let packages = items(&metadata["packages"])
            .iter()
            .map(|p| (text(&p["id"]), (text(&p["name"]), text(&p["version"]))))
            .collect();
        let needs = items(&metadata["resolve"]["nodes"])
            .iter()
            .map(|node| {
                let built_from = items(&node["deps"])
                    .iter()
                    .filter(|dep| items(&dep["dep_kinds"]).iter().any(|k| k["kind"] != "dev"))
                    .map(|dep| text(&dep["pkg"]))
                    .collect();
                (text(&node["id"]), built_from)
            })
            .collect();
        let members = items(&metadata["workspace_members"])
            .iter()
            .map(text)
            .collect();
        Self {
            packages,
            needs,
            members,
        }
    }

    fn member(&self, name: &str) -> &str {
        self.members
            .iter()
            .find(|id| self.packages[*id].0 == name)
            .unwrap_or_else(|| panic!("no workspace member {name}"))
    }

    /// Names and versions of everything that `member` is built from, itself left out.
    fn tree(&self, member: &str) -> BTreeSet<(String, String)> {
        let start = self.member(member);
        let mut seen = BTreeSet::from([start]);
        let mut waiting = vec![start];
        while let Some(id) = waiting.pop() {
            for next in &self.needs[id] {
                if seen.insert(next) {
                    waiting.push(next);
                }
            }
        }
        seen.remove(start);
        seen.into_iter()
            .map(|id| self.packages[id].clone())
            .collect()
    }

    /// Every breach of the policy, as a sentence.
    fn breaches(&self) -> Vec<String> {
        let mut found = Vec::new();
        let functions = self.tree("functions");
        for (name, version) in &functions {
            if BANNED_IN_FUNCTIONS.contains(&name.as_str()) {
                found.push(format!("functions is built from {name} {version}"));
            }
        }
        for (name, version) in self.tree("shared") {
            if BANNED_IN_SHARED.contains(&name.as_str())
                || BANNED_PREFIXES_IN_SHARED
                    .iter()
                    .any(|prefix| name.starts_with(prefix))
            {
                found.push(format!("shared is built from {name} {version}"));
            }
        }
        for member in &self.members {
            let member = &self.packages[member].0;
            if MAY_REACH_EMULATORS.contains(&member.as_str()) {
                continue;
            }
            for (name, _) in self.tree(member) {
                if EMULATORS.contains(&name.as_str()) {
                    found.push(format!("{member} reaches the emulator {name}"));
                }
            }
        }
        for name in ONE_VERSION_ONLY {
            let versions: Vec<_> = functions
                .iter()
                .filter(|(n, _)| n == name)
                .map(|(_, v)| v.as_str())
                .collect();
            if versions.len() > 1 {
                found.push(format!("functions is built from {name} in {versions:?}"));
            }
        }
        found
    }
}

/// Cargo's own answer for the platform that the Lambdas run on. Restricted to it, because
/// without that cargo fetches the crates of every platform there is.
fn metadata() -> Value {
    let output = Command::new(env!("CARGO"))
        .args(["metadata", "--format-version", "1", "--locked"])
        .args(["--filter-platform", "aarch64-unknown-linux-gnu"])
        .args([
            "--manifest-path",
            concat!(env!("CARGO_MANIFEST_DIR"), "/../Cargo.toml"),
        ])
        .output()
        .expect("cargo runs");
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    serde_json::from_slice(&output.stdout).expect("cargo metadata is JSON")
}

/// Adds a package of this name and version that `member` is built from in this way.
fn smuggle(metadata: &mut Value, member: &str, name: &str, version: &str, kind: &Value) {
    let id = format!("smuggled#{name}@{version}");
    let of_member = Graph::parse(metadata).member(member).to_owned();
    let list = |value: &mut Value, item: Value| value.as_array_mut().expect("a list").push(item);
    list(
        &mut metadata["packages"],
        json!({"id": id, "name": name, "version": version}),
    );
    list(
        &mut metadata["resolve"]["nodes"],
        json!({"id": id, "deps": []}),
    );
    let nodes = metadata["resolve"]["nodes"].as_array_mut().expect("a list");
    let node = nodes
        .iter_mut()
        .find(|n| n["id"] == *of_member)
        .expect("the member's node");
    list(
        &mut node["deps"],
        json!({"pkg": id, "dep_kinds": [{"kind": kind}]}),
    );
}

#[test]
fn the_dependency_policy_holds() {
    assert_eq!(Graph::parse(&metadata()).breaches(), Vec::<String>::new());
}

#[test]
fn every_kind_of_breach_is_found() {
    let clean = metadata();
    let build = json!("build");
    let normal = Value::Null;
    for (member, name, kind, breach) in [
        (
            "functions",
            "openssl-sys",
            &normal,
            "functions is built from openssl-sys 0.0.1",
        ),
        (
            "functions",
            "aws-lc-sys",
            &build,
            "functions is built from aws-lc-sys 0.0.1",
        ),
        (
            "functions",
            "rusqlite",
            &normal,
            "functions is built from rusqlite 0.0.1",
        ),
        // Through `shared`, which `functions` is built from.
        (
            "shared",
            "native-tls",
            &normal,
            "functions is built from native-tls 0.0.1",
        ),
        (
            "shared",
            "tokio",
            &normal,
            "shared is built from tokio 0.0.1",
        ),
        (
            "shared",
            "aws-sdk-s3",
            &normal,
            "shared is built from aws-sdk-s3 0.0.1",
        ),
        (
            "functions",
            "s3s",
            &normal,
            "functions reaches the emulator s3s",
        ),
        (
            "shared",
            "dynoxide-rs",
            &build,
            "shared reaches the emulator dynoxide-rs",
        ),
    ] {
        let mut doctored = clean.clone();
        smuggle(&mut doctored, member, name, "0.0.1", kind);
        let found = Graph::parse(&doctored).breaches();
        assert!(found.iter().any(|b| b == breach), "{breach}: {found:?}");
    }
    for name in ["rustls", "hyper"] {
        let mut doctored = clean.clone();
        smuggle(&mut doctored, "functions", name, "0.0.1", &normal);
        let found = Graph::parse(&doctored).breaches();
        let start = format!("functions is built from {name} in [\"0.0.1\", ");
        assert!(
            found.iter().any(|b| b.starts_with(&start)),
            "{start}: {found:?}"
        );
    }
}

#[test]
fn development_dependencies_are_free() {
    let mut doctored = metadata();
    let before = Graph::parse(&doctored).breaches();
    smuggle(&mut doctored, "shared", "tokio", "0.0.1", &json!("dev"));
    assert_eq!(Graph::parse(&doctored).breaches(), before);
}
