//! Reads `infra/template.yaml`, so that what runs here and what deploys cannot drift.
//!
//! A closed subset of AWS SAM: whatever is not read is either on a list of things that one
//! machine has no use for, or refused at start with its line. Not a general `CloudFormation` engine.

mod evaluate;
pub mod facts;
mod node;
mod resources;

use std::collections::BTreeMap;
use std::time::Duration;

use serde_json::Value as Json;

pub use crate::schedule::expression::Expression;

/// The template that deploys, as it was when this program was built.
pub const TEMPLATE: &str = include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/../template.yaml"));

/// Resource types that mean nothing on one machine: rights, alarms, keys, DNS.
const IGNORED_TYPES: &[&str] = &[
    "AWS::Budgets::Budget",
    "AWS::CloudWatch::Alarm",
    "AWS::CloudWatch::Dashboard",
    "AWS::IAM::ManagedPolicy",
    "AWS::IAM::Role",
    "AWS::KMS::Alias",
    "AWS::KMS::Key",
    "AWS::Lambda::Permission",
    "AWS::Logs::LogGroup",
    "AWS::Logs::MetricFilter",
    "AWS::S3::BucketPolicy",
    "AWS::SES::EmailIdentity",
    "AWS::SNS::Subscription",
    "AWS::SNS::Topic",
    "AWS::SNS::TopicPolicy",
    "AWS::SQS::QueuePolicy",
    "AWS::Scheduler::ScheduleGroup",
];

/// A part of the template that this platform does not understand.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("infra/template.yaml, line {line}: {what}")]
pub struct TemplateError {
    /// The line, counted from 1.
    pub line: usize,
    /// The construct and what is wrong with it.
    pub what: String,
}

/// What references resolve to here.
#[derive(Debug, Clone)]
pub struct Handout {
    /// Base address of the API, without a slash at the end.
    pub api: String,
    /// Base address of the queue service.
    pub sqs: String,
    /// The region everything pretends to be in.
    pub region: String,
    /// The AWS account number everything pretends to be in.
    pub account: String,
    /// The stack's name.
    pub stack: String,
    /// Values for the template's parameters; the others take their defaults.
    pub parameters: BTreeMap<String, String>,
}

impl Handout {
    fn arn(&self, service: &str, resource: &str) -> String {
        format!(
            "arn:aws:{service}:{}:{}:{resource}",
            self.region, self.account
        )
    }

    fn queue_url(&self, name: &str) -> String {
        format!("{}/{}/{name}", self.sqs, self.account)
    }

    fn secret_arn(&self, name: &str) -> String {
        // Without the six characters that Secrets Manager adds: a partial ARN names a secret too.
        self.arn("secretsmanager", &format!("secret:{name}"))
    }
}

/// What the template asks this platform to run.
#[derive(Debug, Clone, Default)]
pub struct Stack {
    /// By the lower-case name of the binary: `signup`, `notice`.
    pub functions: BTreeMap<String, Function>,
    /// By queue name.
    pub queues: BTreeMap<String, Queue>,
    /// Tables of the engine, by logical id.
    pub tables: BTreeMap<String, Table>,
    /// Buckets, by logical id.
    pub buckets: BTreeMap<String, Bucket>,
    /// Generated secrets, by ARN.
    pub secrets: BTreeMap<String, Secret>,
    /// Rules from events to queues, by rule name.
    pub event_rules: BTreeMap<String, EventRule>,
    /// Names of the SES configuration sets.
    pub configuration_sets: Vec<String>,
}

/// One Lambda function.
#[derive(Debug, Clone)]
pub struct Function {
    /// The logical id in the template, `SignupFunction`.
    pub logical_id: String,
    /// Its environment as the template states it.
    pub environment: BTreeMap<String, String>,
    /// How long one invocation may run.
    pub timeout: Duration,
    /// Routes of the HTTP API that start it.
    pub routes: Vec<Route>,
    /// Queues that start it.
    pub queues: Vec<QueueMapping>,
    /// Schedules that start it.
    pub schedules: Vec<Schedule>,
}

/// A route of the HTTP API.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Route {
    /// `GET`, `POST`, or `ANY`.
    pub method: String,
    /// `/signup/{account}/{setup}`, `/api/v1/{proxy+}`.
    pub path: String,
}

/// A queue that starts a function.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct QueueMapping {
    /// The queue's name.
    pub queue: String,
    /// Most messages in one event.
    pub batch_size: u32,
    /// How long a batch may wait to fill up.
    pub batching_window: Duration,
    /// Whether the function answers with `batchItemFailures`.
    pub report_failures: bool,
    /// Most invocations at a time, if limited.
    pub maximum_concurrency: Option<u32>,
}

/// A schedule of `EventBridge` Scheduler that starts a function.
#[derive(Debug, Clone)]
pub struct Schedule {
    /// `{logical id of the function}{key of the event}`, unique in the stack.
    pub name: String,
    /// When it is due.
    pub expression: Expression,
    /// The time zone `expression` is meant in.
    pub time_zone: jiff::tz::TimeZone,
    /// What the function is started with, if stated.
    pub input: Option<String>,
}

/// A queue of SQS.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Queue {
    /// Its name.
    pub name: String,
    /// Its address here.
    pub url: String,
    /// Its ARN.
    pub arn: String,
    /// How long a received message stays invisible.
    pub visibility_timeout: Duration,
    /// How long every message stays invisible at first.
    pub delay: Duration,
    /// Where messages go that failed too often.
    pub redrive: Option<Redrive>,
}

/// Where messages go that failed too often.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Redrive {
    /// Name of the dead-letter queue.
    pub queue: String,
    /// Receives before a message goes there.
    pub max_receive_count: u32,
}

/// A table of `DynamoDB`.
#[derive(Debug, Clone)]
pub struct Table {
    /// Its name.
    pub name: String,
    /// The body of a `CreateTable` call: keys, attributes, indexes.
    pub definition: Json,
    /// The attribute that holds the time to live, if any.
    pub time_to_live: Option<String>,
}

/// A bucket of S3.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Bucket {
    /// Its name.
    pub name: String,
    /// Whether it keeps versions.
    pub versioned: bool,
}

/// A secret that is made on first start.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Secret {
    /// Its name.
    pub name: String,
    /// Its ARN.
    pub arn: String,
    /// The JSON object the generated text is put into (`SecretStringTemplate`).
    pub template: Json,
    /// The member that holds the generated text (`GenerateStringKey`).
    pub key: String,
    /// How many characters are generated.
    pub length: u32,
    /// Characters that must not occur.
    pub exclude: String,
    /// Whether punctuation is left out.
    pub exclude_punctuation: bool,
}

/// A rule that passes events on to a queue.
#[derive(Debug, Clone)]
pub struct EventRule {
    /// Its name.
    pub name: String,
    /// The event pattern.
    pub pattern: Json,
    /// Name of the queue that gets the events.
    pub queue: String,
    /// `InputPathsMap` of the input transformer: name -> JSON path. Empty without a transformer.
    pub input_paths: BTreeMap<String, String>,
    /// `InputTemplate` of the input transformer.
    pub input_template: Option<String>,
}

impl Stack {
    /// Reads a template.
    ///
    /// # Errors
    /// The first construct that is not in the subset, with its line.
    pub fn read(source: &str, handout: &Handout) -> Result<Self, TemplateError> {
        let root = node::parse(source)?;
        root.only(
            "the template",
            &[
                "AWSTemplateFormatVersion",
                "Conditions",
                "Description",
                "Globals",
                "Metadata",
                "Outputs",
                "Parameters",
                "Resources",
                // Checks of CloudFormation on parameters and regions.
                "Rules",
                "Transform",
            ],
        )?;
        let scope = evaluate::Scope::new(&root, handout)?;
        if let Some(outputs) = root.get("Outputs") {
            for (_, output) in outputs.entries()? {
                scope.resolve(output.require("Value")?)?;
            }
        }
        resources::read(&root, &scope, handout)
    }
}

#[cfg(test)]
mod tests;
