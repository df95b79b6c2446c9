//! The template against what the workspace builds: its functions are our binaries.
//!
//! What must hold inside the template is `infra/checks`' part.

use std::collections::BTreeSet;
use std::process::Command;

use serde_json::Value;

const TEMPLATE: &str = include_str!("../../../infra/template.yaml");

/// Functions that the template names and nobody has written yet. To be emptied.
const WITHOUT_BINARY: &[&str] = &[
    "admin",
    "campaign",
    "confirm",
    "feedback",
    "notice",
    "send",
    "signup",
    "unsubscribe",
];

/// The folders that functions are packaged from, `../target/lambda/NAME/`.
fn packages(template: &str) -> BTreeSet<String> {
    template
        .lines()
        .filter_map(|line| line.trim().strip_prefix("CodeUri: ../target/lambda/"))
        .map(|rest| rest.trim_end_matches('/').to_owned())
        .collect()
}

/// The binaries of the package `functions`.
fn binaries() -> BTreeSet<String> {
    let output = Command::new(env!("CARGO"))
        .args(["metadata", "--format-version", "1", "--locked", "--no-deps"])
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
    let metadata: Value = serde_json::from_slice(&output.stdout).expect("cargo metadata is JSON");
    let packages = metadata["packages"].as_array().expect("packages");
    let functions = packages
        .iter()
        .find(|p| p["name"] == "functions")
        .expect("functions");
    let targets = functions["targets"].as_array().expect("targets");
    targets
        .iter()
        .filter(|target| target["kind"] == serde_json::json!(["bin"]))
        .map(|target| target["name"].as_str().expect("a name").to_owned())
        .collect()
}

/// Binaries that an operator starts at a terminal: no function, and in no function's role.
const COMMANDS: &[&str] = &["after-restore", "after-switch"];

#[test]
fn every_binary_is_a_function_of_the_template() {
    let mut deployed = packages(TEMPLATE);
    assert!(!deployed.is_empty());
    assert!(COMMANDS.iter().all(|command| !deployed.contains(*command)));
    deployed.extend(COMMANDS.iter().map(ToString::to_string));
    let forgotten: Vec<_> = binaries().difference(&deployed).cloned().collect();
    assert_eq!(forgotten, Vec::<String>::new());
}

#[test]
fn every_function_of_the_template_is_a_binary() {
    let mut built = binaries();
    built.extend(WITHOUT_BINARY.iter().map(ToString::to_string));
    let invented: Vec<_> = packages(TEMPLATE).difference(&built).cloned().collect();
    assert_eq!(invented, Vec::<String>::new());
}

#[test]
fn functions_roles_and_log_groups_are_named_alike() {
    for name in packages(TEMPLATE) {
        let id = format!("{}{}", name[..1].to_uppercase(), &name[1..]);
        for kind in ["Function", "Role", "LogGroup"] {
            let resource = format!("\n  {id}{kind}:\n");
            assert_eq!(TEMPLATE.matches(&resource).count(), 1, "{id}{kind}");
        }
    }
}

#[test]
fn the_alarm_of_a_setups_budget_looks_for_the_line_that_signup_logs() {
    // `function::serve` logs as JSON, a line's own fields under `fields`.
    let pattern = format!(
        "{{ $.fields.event = \"{}\" }}",
        functions::signup::OVER_BUDGET
    );
    let filter = format!("      FilterPattern: '{pattern}'\n");
    assert_eq!(TEMPLATE.matches(&filter).count(), 1, "{filter}");
}
