//! The template in the numbers and names that the record of processing speaks of.
//!
//! Reads it as production is deployed, with the second replica. Writes no file: the `facts`
//! program does.

use std::collections::{BTreeMap, BTreeSet};

use rundbrief::processing::{
    Access, BucketFacts, FunctionFacts, InfrastructureFacts, LogFacts, MailFacts, QueueFacts,
    Regions, ScheduleFacts, Service, TableFacts,
};

use super::evaluate::Scope;
use super::node::{Node, Value, parse};
use super::{Handout, TemplateError};
use crate::gateway::route::DEFAULT_ROUTE;

const STACK: &str = "rundbrief";
/// Days that point-in-time recovery reaches back where the template names none.
const DEFAULT_RECOVERY_DAYS: u32 = 35;
/// Days that a queue keeps a message where the template names none.
const DEFAULT_QUEUE_SECONDS: u32 = 4 * 24 * 3_600;

/// Reads the facts from a template.
///
/// # Errors
/// What is outside of the subset, and a resource that the record has no words for.
pub fn read(source: &str) -> Result<InfrastructureFacts, TemplateError> {
    let root = parse(source)?;
    let parameters = root.require("Parameters")?;
    let default = |name: &str| parameters.require(name)?.str_of("Default");
    let handout = Handout {
        api: "https://api.example".to_owned(),
        sqs: "https://sqs.example".to_owned(),
        region: default("StackRegion")?,
        account: "0".to_owned(),
        stack: STACK.to_owned(),
        parameters: BTreeMap::from([("Stage".to_owned(), "production".to_owned())]),
    };
    let scope = Scope::new(&root, &handout)?;
    let mut reader = Reader {
        scope: &scope,
        services: BTreeSet::new(),
        encrypted_transport: false,
        facts: InfrastructureFacts {
            regions: Regions {
                primary: handout.region.clone(),
                replica: default("ReplicaRegion")?,
                allowed: texts(
                    parameters
                        .require("StackRegion")?
                        .require("AllowedValues")?,
                )?,
            },
            tables: Vec::new(),
            buckets: Vec::new(),
            queues: Vec::new(),
            logs: Vec::new(),
            functions: Vec::new(),
            schedules: Vec::new(),
            mail: MailFacts::default(),
            services: Vec::new(),
        },
    };
    for (logical, resource) in scope.resources() {
        reader.resource(logical, resource)?;
    }
    let mut facts = reader.facts;
    for bucket in &mut facts.buckets {
        bucket.tls_only = reader.encrypted_transport;
    }
    facts.services = reader.services.into_iter().collect();
    Ok(facts)
}

struct Reader<'a, 'b> {
    scope: &'a Scope<'b>,
    services: BTreeSet<Service>,
    encrypted_transport: bool,
    facts: InfrastructureFacts,
}

impl Reader<'_, '_> {
    fn resource(&mut self, logical: &str, resource: &Node) -> Result<(), TemplateError> {
        let kind = resource.str_of("Type")?;
        let empty = Node {
            line: resource.line,
            value: Value::Map(Vec::new()),
        };
        let properties = resource.get("Properties").unwrap_or(&empty);
        let properties = self.scope.resolve(properties)?;
        let service = match kind.split("::").nth(1).unwrap_or_default() {
            "DynamoDB" => Service::DynamoDb,
            "S3" => Service::S3,
            "SQS" => Service::Sqs,
            "SES" => Service::Ses,
            "SNS" => Service::Sns,
            "Events" => Service::EventBridge,
            "Scheduler" => Service::Scheduler,
            "SecretsManager" => Service::SecretsManager,
            "KMS" => Service::Kms,
            "Logs" => Service::CloudWatchLogs,
            "CloudWatch" => Service::CloudWatch,
            "Lambda" => Service::Lambda,
            "Serverless" if kind == "AWS::Serverless::HttpApi" => Service::ApiGateway,
            "Serverless" => Service::Lambda,
            // Rights and costs: no data pass through them.
            "IAM" | "Budgets" => return Ok(()),
            _ => {
                return resource.refuse(format!(
                    "the record of processing has no words for a `{kind}`"
                ));
            }
        };
        self.services.insert(service);
        match kind.as_str() {
            "AWS::DynamoDB::GlobalTable" => self.table(logical, &properties)?,
            "AWS::S3::Bucket" => self.bucket(logical, &properties)?,
            "AWS::S3::BucketPolicy" => self.bucket_policy(&properties)?,
            "AWS::SQS::Queue" => self.queue(logical, &properties)?,
            "AWS::Logs::LogGroup" => self.log(logical, &properties)?,
            "AWS::SES::ConfigurationSetEventDestination" => self.events(&properties)?,
            "AWS::Serverless::Function" => self.function(logical, &properties)?,
            _ => {}
        }
        Ok(())
    }

    fn table(&mut self, logical: &str, properties: &Node) -> Result<(), TemplateError> {
        let replicas = properties.require("Replicas")?.items()?;
        let mut recovery_days = 0;
        let mut deletion_protection = true;
        for replica in replicas {
            let recovery = replica.require("PointInTimeRecoverySpecification")?;
            let days = if is_true(recovery.get("PointInTimeRecoveryEnabled")) {
                recovery.number_of("RecoveryPeriodInDays", DEFAULT_RECOVERY_DAYS)?
            } else {
                0
            };
            recovery_days = recovery_days.max(days);
            deletion_protection &= is_true(replica.get("DeletionProtectionEnabled"));
        }
        let encryption = properties.get("SSESpecification");
        let encryption = encryption.and_then(|sse| sse.get("SSEType"));
        let encryption = encryption.map_or(Ok("default"), Node::str)?;
        if encryption == "KMS" {
            self.services.insert(Service::Kms);
        }
        let time_to_live = properties.get("TimeToLiveSpecification");
        let time_to_live = time_to_live.map(|ttl| ttl.str_of("AttributeName"));
        self.facts.tables.push(TableFacts {
            name: logical.to_owned(),
            encryption: encryption.to_owned(),
            recovery_days,
            copies: u32::try_from(replicas.len()).unwrap_or(u32::MAX),
            deletion_protection,
            time_to_live: time_to_live.transpose()?,
        });
        Ok(())
    }

    fn bucket(&mut self, logical: &str, properties: &Node) -> Result<(), TemplateError> {
        let rules = properties
            .require("BucketEncryption")?
            .require("ServerSideEncryptionConfiguration")?
            .items()?;
        let mut encryption = "default".to_owned();
        for rule in rules {
            encryption = rule
                .require("ServerSideEncryptionByDefault")?
                .str_of("SSEAlgorithm")?;
        }
        let block = properties.require("PublicAccessBlockConfiguration")?;
        let blocks = [
            "BlockPublicAcls",
            "BlockPublicPolicy",
            "IgnorePublicAcls",
            "RestrictPublicBuckets",
        ];
        let mut expiration_days = BTreeMap::new();
        let rules = properties.require("LifecycleConfiguration")?;
        for rule in rules.require("Rules")?.items()? {
            let enabled = rule.get("Status").map(Node::str).transpose()? == Some("Enabled");
            if let (true, Some(prefix), Some(days)) =
                (enabled, rule.get("Prefix"), rule.get("ExpirationInDays"))
            {
                expiration_days.insert(prefix.str()?.to_owned(), days.number()?);
            }
        }
        let versioning = properties.get("VersioningConfiguration");
        let versioning = versioning.and_then(|one| one.get("Status"));
        self.facts.buckets.push(BucketFacts {
            name: logical.to_owned(),
            encryption,
            versioned: versioning.map(Node::str).transpose()? == Some("Enabled"),
            public_access_blocked: blocks.iter().all(|name| is_true(block.get(name))),
            tls_only: false,
            expiration_days,
        });
        Ok(())
    }

    fn bucket_policy(&mut self, properties: &Node) -> Result<(), TemplateError> {
        for statement in properties
            .require("PolicyDocument")?
            .require("Statement")?
            .items()?
        {
            let denies = statement.str_of("Effect")? == "Deny";
            let plain = statement
                .get("Condition")
                .and_then(|condition| condition.get("Bool"))
                .and_then(|bool| bool.get("aws:SecureTransport"));
            if denies && plain.map(Node::str).transpose()? == Some("false") {
                self.encrypted_transport = true;
            }
        }
        Ok(())
    }

    fn queue(&mut self, logical: &str, properties: &Node) -> Result<(), TemplateError> {
        let seconds = properties.number_of("MessageRetentionPeriod", DEFAULT_QUEUE_SECONDS)?;
        self.facts.queues.push(QueueFacts {
            name: logical.to_owned(),
            retention_hours: seconds.div_ceil(3_600),
            encrypted: is_true(properties.get("SqsManagedSseEnabled"))
                || properties.get("KmsMasterKeyId").is_some(),
        });
        Ok(())
    }

    fn log(&mut self, logical: &str, properties: &Node) -> Result<(), TemplateError> {
        let function = logical.strip_suffix("LogGroup").unwrap_or(logical);
        self.facts.logs.push(LogFacts {
            function: function.to_lowercase(),
            retention_days: properties.require("RetentionInDays")?.number()?,
        });
        Ok(())
    }

    fn events(&mut self, properties: &Node) -> Result<(), TemplateError> {
        let destination = properties.require("EventDestination")?;
        let mail = &mut self.facts.mail;
        mail.events = texts(destination.require("MatchingEventTypes")?)?;
        let tracks = |event: &String| matches!(event.as_str(), "open" | "click");
        mail.opens_and_clicks |= mail.events.iter().any(tracks);
        Ok(())
    }

    fn function(&mut self, logical: &str, properties: &Node) -> Result<(), TemplateError> {
        let name = logical.strip_suffix("Function").unwrap_or(logical);
        let name = name.to_lowercase();
        let mut started_by = Vec::new();
        let none = Node {
            line: properties.line,
            value: Value::Map(Vec::new()),
        };
        for (_, event) in properties.get("Events").unwrap_or(&none).entries()? {
            let given = event.get("Properties").unwrap_or(&none);
            started_by.push(match event.str_of("Type")?.as_str() {
                // Without both, SAM makes the API's default route.
                "HttpApi" => match (given.get("Method"), given.get("Path")) {
                    (None, None) => DEFAULT_ROUTE.to_owned(),
                    _ => format!("{} {}", given.str_of("Method")?, given.str_of("Path")?),
                },
                "SQS" => logical_of(given.require("Queue")?.str()?),
                "ScheduleV2" => {
                    let expression = given.str_of("ScheduleExpression")?;
                    let zone = given.get("ScheduleExpressionTimezone");
                    self.services.insert(Service::Scheduler);
                    self.facts.schedules.push(ScheduleFacts {
                        function: name.clone(),
                        expression: expression.clone(),
                        time_zone: zone.map_or(Ok("UTC"), Node::str)?.to_owned(),
                    });
                    expression
                }
                other => return event.refuse(format!("the record has no words for a `{other}`")),
            });
        }
        let role = logical_of(properties.require("Role")?.str()?);
        let access = self.access(properties, &role)?;
        self.facts.functions.push(FunctionFacts {
            name,
            started_by,
            access,
        });
        Ok(())
    }

    /// What the role of a function allows, its own log left out.
    fn access(&self, function: &Node, role: &str) -> Result<Vec<Access>, TemplateError> {
        let Some((_, resource)) = self.scope.resources().find(|(name, _)| *name == role) else {
            return function.refuse(format!("there is no role `{role}`"));
        };
        let properties = self.scope.resolve(resource.require("Properties")?)?;
        let mut allowed: BTreeMap<(String, String), BTreeSet<String>> = BTreeMap::new();
        for policy in properties.require("Policies")?.items()? {
            let document = policy.require("PolicyDocument")?;
            for statement in document.require("Statement")?.items()? {
                if statement.str_of("Effect")? != "Allow" {
                    continue;
                }
                for resource in texts(statement.require("Resource")?)? {
                    for action in texts(statement.require("Action")?)? {
                        let (service, action) = action.split_once(':').unwrap_or((&action, "*"));
                        if service != "logs" {
                            let place = (service.to_owned(), logical_of(&resource));
                            allowed.entry(place).or_default().insert(action.to_owned());
                        }
                    }
                }
            }
        }
        let access = allowed
            .into_iter()
            .map(|((service, resource), actions)| Access {
                service,
                resource,
                actions: actions.into_iter().collect(),
            });
        Ok(access.collect())
    }
}

fn is_true(node: Option<&Node>) -> bool {
    node.is_some_and(|node| node.str() == Ok("true"))
}

/// One text or a list of them.
fn texts(node: &Node) -> Result<Vec<String>, TemplateError> {
    match &node.value {
        Value::List(items) => items
            .iter()
            .map(|item| item.str().map(str::to_owned))
            .collect(),
        _ => Ok(vec![node.str()?.to_owned()]),
    }
}

/// The logical id in an ARN or a queue's URL that this platform's names were put into.
fn logical_of(name: &str) -> String {
    let last = name.rsplit(':').next().unwrap_or(name);
    let last = ["table/", "role/"]
        .iter()
        .find_map(|kind| last.strip_prefix(kind))
        .unwrap_or(last);
    let own = format!("{STACK}-");
    match last.split_once(&own) {
        // The rest of a queue's URL; a path inside of the bucket stays.
        Some((before, rest)) if before.contains("//") => rest.to_owned(),
        Some((before, rest)) => format!("{before}{rest}"),
        None => last.to_owned(),
    }
}
