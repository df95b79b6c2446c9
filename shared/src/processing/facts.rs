//! What the template deploys, in the numbers and names that the record speaks of.
//!
//! Read from `infra/template.yaml` by the `facts` program and kept in `infra/facts.json`; a test
//! fails when they drift apart, another when they disagree with the policy (P-41).

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::policy::{Kept, Period, Store};

/// The facts, as production is deployed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct InfrastructureFacts {
    /// Where it runs.
    pub regions: Regions,
    /// Tables of `DynamoDB`.
    pub tables: Vec<TableFacts>,
    /// Buckets of S3.
    pub buckets: Vec<BucketFacts>,
    /// Queues of SQS.
    pub queues: Vec<QueueFacts>,
    /// Logs of the functions.
    pub logs: Vec<LogFacts>,
    /// Functions of Lambda, and what each may reach.
    pub functions: Vec<FunctionFacts>,
    /// What runs by the clock.
    pub schedules: Vec<ScheduleFacts>,
    /// How mail is sent.
    pub mail: MailFacts,
    /// The provider's services that are used.
    pub services: Vec<Service>,
}

/// Where it runs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Regions {
    /// Unless another is chosen.
    pub primary: String,
    /// Where production keeps the second copy, unless another is chosen.
    pub replica: String,
    /// Those that may be chosen at all.
    pub allowed: Vec<String>,
}

/// A table.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TableFacts {
    /// Its logical id.
    pub name: String,
    /// `KMS`, or the service's default.
    pub encryption: String,
    /// Days that point-in-time recovery reaches back, of the replica that reaches furthest.
    pub recovery_days: u32,
    /// Copies in different regions.
    pub copies: u32,
    /// Whether each copy is protected against deletion.
    pub deletion_protection: bool,
    /// The attribute that holds the time to live.
    pub time_to_live: Option<String>,
}

/// A bucket.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BucketFacts {
    /// Its logical id.
    pub name: String,
    /// The algorithm.
    pub encryption: String,
    /// Whether it keeps versions.
    pub versioned: bool,
    /// Whether the public is shut out in every way.
    pub public_access_blocked: bool,
    /// Whether it is reached over TLS only.
    pub tls_only: bool,
    /// Prefix -> days until objects expire.
    pub expiration_days: BTreeMap<String, u32>,
}

/// A queue.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct QueueFacts {
    /// Its logical id.
    pub name: String,
    /// Hours a message is kept.
    pub retention_hours: u32,
    /// Whether it is encrypted at rest.
    pub encrypted: bool,
}

/// The log of a function.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LogFacts {
    /// Which function's.
    pub function: String,
    /// Days a line is kept.
    pub retention_days: u32,
}

/// A function.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FunctionFacts {
    /// The name of its program.
    pub name: String,
    /// Routes, queues and schedules.
    pub started_by: Vec<String>,
    /// What its role allows.
    pub access: Vec<Access>,
}

/// What a role allows on one resource.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Access {
    /// The service's prefix, `dynamodb`.
    pub service: String,
    /// The resource's logical id, or `*` where the service knows none.
    pub resource: String,
    /// The actions, without prefix.
    pub actions: Vec<String>,
}

/// A schedule.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ScheduleFacts {
    /// Which function it starts.
    pub function: String,
    /// `rate(1 hour)`, `cron(0 4 * * ? *)`.
    pub expression: String,
    /// The time zone the expression is meant in.
    pub time_zone: String,
}

/// How mail is sent.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MailFacts {
    /// Events that come back.
    pub events: Vec<String>,
    /// Whether openings and clicks are tracked for every mail.
    pub opens_and_clicks: bool,
}

/// A service of the provider.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Service {
    /// Amazon API Gateway.
    ApiGateway,
    /// AWS Lambda.
    Lambda,
    /// Amazon `DynamoDB`.
    DynamoDb,
    /// Amazon S3.
    S3,
    /// Amazon SQS.
    Sqs,
    /// Amazon SES.
    Ses,
    /// Amazon SNS.
    Sns,
    /// Amazon `EventBridge`.
    EventBridge,
    /// Amazon `EventBridge` Scheduler.
    Scheduler,
    /// AWS Secrets Manager.
    SecretsManager,
    /// AWS KMS.
    Kms,
    /// Amazon `CloudWatch` Logs.
    CloudWatchLogs,
    /// Amazon `CloudWatch`.
    CloudWatch,
}

/// A number of the template that is not the one the policy promises.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Disagreement {
    /// What is promised a period.
    pub store: Store,
    /// The resource of the template.
    pub resource: String,
    /// Hours by the template.
    pub template_hours: u32,
    /// Hours by the policy; for tombstones those they must outlast.
    pub policy_hours: u32,
}

impl InfrastructureFacts {
    /// Reads `infra/facts.json`.
    ///
    /// # Errors
    /// When the text is not what the `facts` program writes.
    pub fn parse(text: &str) -> Result<Self, serde_json::Error> {
        serde_json::from_str(text)
    }

    /// The main table's recovery window: the full copy.
    pub fn full_copy_days(&self) -> u32 {
        self.recovery_days("MainTable")
    }

    /// The tombstones' recovery window.
    pub fn tombstone_copy_days(&self) -> u32 {
        self.recovery_days("TombstoneTable")
    }

    fn recovery_days(&self, table: &str) -> u32 {
        self.tables
            .iter()
            .find(|known| known.name == table)
            .map_or(0, |known| known.recovery_days)
    }

    /// Days after which objects of a kind (`archives`, `imports`, `exports`) expire; 0 for never.
    pub fn expiration_days(&self, kind: &str) -> u32 {
        let prefix = format!("{kind}/");
        self.buckets
            .iter()
            .find_map(|bucket| bucket.expiration_days.get(&prefix))
            .copied()
            .unwrap_or(0)
    }

    /// The longest that a function's log is kept, in days.
    pub fn log_days(&self) -> u32 {
        let days = self.logs.iter().map(|log| log.retention_days);
        days.max().unwrap_or(0)
    }

    /// Where the template does not keep what the policy promises (P-41).
    pub fn disagreements(&self) -> Vec<Disagreement> {
        let mut places = vec![
            (Store::FullCopy, "MainTable", 24 * self.full_copy_days()),
            (
                Store::Archive,
                "Bucket archives/",
                24 * self.expiration_days("archives"),
            ),
            (
                Store::ImportFile,
                "Bucket imports/",
                24 * self.expiration_days("imports"),
            ),
            (
                Store::ExportFile,
                "Bucket exports/",
                24 * self.expiration_days("exports"),
            ),
        ];
        for log in &self.logs {
            places.push((Store::Log, log.function.as_str(), 24 * log.retention_days));
        }
        // What one part of an archive has written is good as long as its message.
        let backup = self.queues.iter().find(|queue| queue.name == "BackupQueue");
        let hours = backup.map_or(0, |queue| queue.retention_hours);
        places.push((Store::ArchivePart, "BackupQueue", hours));

        let mut found = Vec::new();
        for (store, resource, template_hours) in places {
            let policy_hours = promised_hours(store).unwrap_or(0);
            if template_hours != policy_hours {
                found.push(Disagreement {
                    store,
                    resource: resource.to_owned(),
                    template_hours,
                    policy_hours,
                });
            }
        }
        // Tombstones must be there longer than any copy that could bring somebody back (T-03).
        let longest = [Store::FullCopy, Store::Archive].map(promised_hours);
        let longest = longest.into_iter().flatten().max().unwrap_or(0);
        let kept = 24 * self.tombstone_copy_days();
        if kept <= longest {
            found.push(Disagreement {
                store: Store::Tombstone,
                resource: "TombstoneTable".to_owned(),
                template_hours: kept,
                policy_hours: longest,
            });
        }
        found
    }
}

fn promised_hours(store: Store) -> Option<u32> {
    match store.kept() {
        Kept::For(_, Period::Days { days, .. }) => Some(24 * days),
        Kept::For(_, Period::Hours(hours)) => Some(hours),
        Kept::For(_, Period::Months { .. }) | Kept::WithAccount | Kept::WithPlatform => None,
    }
}
