//! The resource types of the subset, each with the properties that are read here.
//!
//! Properties that only matter in AWS (encryption, rights, log retention) are named and passed
//! over; a property on neither list is refused.

use std::time::Duration;

use serde_json::{Value as Json, json};

use super::evaluate::Scope;
use super::node::{Node, Value};
use super::{
    Bucket, EventRule, Expression, Function, Handout, IGNORED_TYPES, Queue, QueueMapping, Redrive,
    Route, Schedule, Secret, Stack, Table, TemplateError,
};
use crate::gateway::route::DEFAULT_ROUTE;

const RESOURCE_KEYS: &[&str] = &[
    "Type",
    "Properties",
    "Condition",
    "DependsOn",
    "DeletionPolicy",
    "UpdateReplacePolicy",
    "Metadata",
];

const READ_TYPES: &[&str] = &[
    "AWS::DynamoDB::GlobalTable",
    "AWS::Events::Rule",
    "AWS::S3::Bucket",
    "AWS::SES::ConfigurationSet",
    "AWS::SES::ConfigurationSetEventDestination",
    "AWS::SQS::Queue",
    "AWS::SecretsManager::Secret",
    "AWS::Serverless::Function",
    "AWS::Serverless::HttpApi",
];

const FUNCTION_KEYS: &[&str] = &[
    // Read here.
    "Environment",
    "Events",
    "Timeout",
    // Only AWS's business.
    "Architectures",
    "AutoPublishAlias",
    "CodeUri",
    "Description",
    "EphemeralStorage",
    "EventInvokeConfig",
    "FunctionName",
    "Handler",
    "KmsKeyArn",
    "LoggingConfig",
    "MemorySize",
    "Metadata",
    "PackageType",
    "RecursiveLoop",
    "ReservedConcurrentExecutions",
    "Role",
    "Runtime",
    "RuntimeManagementConfig",
    "Tags",
    "Tracing",
];

pub(super) fn read(
    root: &Node,
    scope: &Scope<'_>,
    handout: &Handout,
) -> Result<Stack, TemplateError> {
    let globals = globals(root, scope)?;
    known_types(root)?;
    let mut stack = Stack::default();
    for (logical, resource) in scope.resources() {
        resource.only(logical, RESOURCE_KEYS)?;
        let kind = resource.require("Type")?;
        let empty = Node {
            line: resource.line,
            value: Value::Map(Vec::new()),
        };
        // Ignored ones are resolved too: a construct outside of the subset is refused wherever it is.
        let properties = scope.resolve(resource.get("Properties").unwrap_or(&empty))?;
        let name = scope.physical_name(logical, kind.str()?, 0)?;
        match kind.str()? {
            "AWS::Serverless::Function" => {
                let short = logical
                    .strip_suffix("Function")
                    .unwrap_or(logical)
                    .to_lowercase();
                stack.functions.insert(
                    short,
                    function(logical, &properties, globals.as_ref(), handout)?,
                );
            }
            "AWS::Serverless::HttpApi" => properties.only(
                "an HTTP API",
                &[
                    "AccessLogSettings",
                    "DefaultRouteSettings",
                    "Description",
                    "DisableExecuteApiEndpoint",
                    "FailOnWarnings",
                    "Name",
                    "RouteSettings",
                    "StageName",
                    "Tags",
                ],
            )?,
            "AWS::SQS::Queue" => {
                stack
                    .queues
                    .insert(name.clone(), queue(name, &properties, handout)?);
            }
            "AWS::DynamoDB::GlobalTable" => {
                stack
                    .tables
                    .insert(logical.clone(), table(name, &properties)?);
            }
            "AWS::S3::Bucket" => {
                stack
                    .buckets
                    .insert(logical.clone(), bucket(name, &properties)?);
            }
            "AWS::SecretsManager::Secret" => {
                let secret = secret(name, &properties, handout)?;
                stack.secrets.insert(secret.arn.clone(), secret);
            }
            "AWS::SES::ConfigurationSet" => stack.configuration_sets.push(name),
            "AWS::Events::Rule" => {
                stack
                    .event_rules
                    .insert(name.clone(), event_rule(name, &properties)?);
            }
            // Read above or of no use here; `known_types` refuses the rest.
            _ => {}
        }
    }
    known_queues(root, &stack)?;
    Ok(stack)
}

/// Also of the resources whose condition does not hold here.
fn known_types(root: &Node) -> Result<(), TemplateError> {
    for (_, resource) in root.require("Resources")?.entries()? {
        let kind = resource.require("Type")?;
        if !READ_TYPES.contains(&kind.str()?) && !IGNORED_TYPES.contains(&kind.str()?) {
            return kind.refuse(format!(
                "resource type `{}` is not in the subset",
                kind.str()?
            ));
        }
    }
    Ok(())
}

/// A mapping or rule on a queue that is not in the template would silently never run.
fn known_queues(root: &Node, stack: &Stack) -> Result<(), TemplateError> {
    let mapped = stack
        .functions
        .values()
        .flat_map(|function| &function.queues)
        .map(|mapping| &mapping.queue);
    let ruled = stack.event_rules.values().map(|rule| &rule.queue);
    let redriven = stack
        .queues
        .values()
        .filter_map(|queue| queue.redrive.as_ref())
        .map(|redrive| &redrive.queue);
    for queue in mapped.chain(ruled).chain(redriven) {
        if !stack.queues.contains_key(queue) {
            return root
                .require("Resources")?
                .refuse(format!("queue `{queue}` is used but not in the template"));
        }
    }
    Ok(())
}

fn globals(root: &Node, scope: &Scope<'_>) -> Result<Option<Node>, TemplateError> {
    let Some(globals) = root.get("Globals") else {
        return Ok(None);
    };
    globals.only("Globals", &["Function"])?;
    let Some(function) = globals.get("Function") else {
        return Ok(None);
    };
    let function = scope.resolve(function)?;
    function.only("Globals.Function", FUNCTION_KEYS)?;
    Ok(Some(function))
}

fn function(
    logical: &str,
    properties: &Node,
    globals: Option<&Node>,
    handout: &Handout,
) -> Result<Function, TemplateError> {
    properties.only("a function", FUNCTION_KEYS)?;
    let mut function = Function {
        logical_id: logical.to_owned(),
        environment: std::collections::BTreeMap::new(),
        // Lambda's default timeout is three seconds.
        timeout: Duration::from_secs(3),
        routes: Vec::new(),
        queues: Vec::new(),
        schedules: Vec::new(),
    };
    for layer in globals.into_iter().chain([properties]) {
        if let Some(timeout) = layer.get("Timeout") {
            function.timeout = Duration::from_secs(timeout.number()?.into());
        }
        let Some(variables) = layer
            .get("Environment")
            .and_then(|environment| environment.get("Variables"))
        else {
            continue;
        };
        for (key, value) in variables.entries()? {
            function
                .environment
                .insert(key.clone(), value.str()?.to_owned());
        }
    }
    if let Some(events) = properties.get("Events") {
        for (key, event) in events.entries()? {
            event.only("an event", &["Type", "Properties"])?;
            add_event(&mut function, key, event, handout)?;
        }
    }
    Ok(function)
}

fn add_event(
    function: &mut Function,
    key: &str,
    event: &Node,
    handout: &Handout,
) -> Result<(), TemplateError> {
    let kind = event.require("Type")?;
    let properties = event.require("Properties")?;
    match kind.str()? {
        "HttpApi" => {
            properties.only(
                "an HttpApi event",
                &[
                    "ApiId",
                    "Method",
                    "Path",
                    "PayloadFormatVersion",
                    "RouteSettings",
                    "TimeoutInMillis",
                ],
            )?;
            if let Some(version) = properties.get("PayloadFormatVersion")
                && version.str()? != "2.0"
            {
                return version.refuse("only payload format 2.0 is supported");
            }
            let method = properties
                .get("Method")
                .map_or(Ok("ANY"), Node::str)?
                .to_uppercase();
            // Without both, SAM makes the API's default route.
            let path = match (properties.get("Path"), properties.get("Method")) {
                (None, None) => DEFAULT_ROUTE.to_owned(),
                _ => properties.str_of("Path")?,
            };
            if !path.starts_with('/') && path != DEFAULT_ROUTE {
                return properties.refuse("a route's path begins with `/`");
            }
            function.routes.push(Route { method, path });
        }
        "SQS" => {
            properties.only(
                "an SQS event",
                &[
                    "BatchSize",
                    "Enabled",
                    "FunctionResponseTypes",
                    "MaximumBatchingWindowInSeconds",
                    "Queue",
                    "ScalingConfig",
                ],
            )?;
            if properties
                .get("Enabled")
                .is_some_and(|enabled| enabled.str() == Ok("false"))
            {
                return Ok(());
            }
            let report_failures = match properties.get("FunctionResponseTypes") {
                Some(types) => types
                    .items()?
                    .iter()
                    .any(|kind| kind.str() == Ok("ReportBatchItemFailures")),
                None => false,
            };
            let maximum_concurrency = properties
                .get("ScalingConfig")
                .and_then(|scaling| scaling.get("MaximumConcurrency"))
                .map(Node::number)
                .transpose()?;
            function.queues.push(QueueMapping {
                queue: queue_of_arn(properties.require("Queue")?, handout)?,
                batch_size: properties.number_of("BatchSize", 10)?,
                batching_window: Duration::from_secs(
                    properties
                        .number_of("MaximumBatchingWindowInSeconds", 0)?
                        .into(),
                ),
                report_failures,
                maximum_concurrency,
            });
        }
        "ScheduleV2" => {
            properties.only(
                "a ScheduleV2 event",
                &[
                    "DeadLetterConfig",
                    "Description",
                    "FlexibleTimeWindow",
                    "GroupName",
                    "Input",
                    "Name",
                    "OmitName",
                    "PermissionsBoundary",
                    "RetryPolicy",
                    "RoleArn",
                    "ScheduleExpression",
                    "ScheduleExpressionTimezone",
                    "State",
                ],
            )?;
            if properties
                .get("State")
                .is_some_and(|state| state.str() == Ok("DISABLED"))
            {
                return Ok(());
            }
            let expression = properties.require("ScheduleExpression")?;
            let parsed = match Expression::parse(expression.str()?) {
                Ok(parsed) => parsed,
                Err(what) => return expression.refuse(what),
            };
            let time_zone = match properties.get("ScheduleExpressionTimezone") {
                None => jiff::tz::TimeZone::UTC,
                Some(zone) => match jiff::tz::TimeZone::get(zone.str()?) {
                    Ok(found) => found,
                    Err(_) => return zone.refuse("this is no IANA time zone"),
                },
            };
            function.schedules.push(Schedule {
                name: format!("{}{key}", function.logical_id),
                expression: parsed,
                time_zone,
                input: properties
                    .get("Input")
                    .map(|input| input.str().map(str::to_owned))
                    .transpose()?,
            });
        }
        other => {
            return kind.refuse(format!(
                "event type `{other}` is not in the subset (HttpApi, SQS, ScheduleV2)"
            ));
        }
    }
    Ok(())
}

fn queue_of_arn(node: &Node, handout: &Handout) -> Result<String, TemplateError> {
    match node.str()?.strip_prefix(&handout.arn("sqs", "")) {
        Some(name) => Ok(name.to_owned()),
        None => node.refuse("the ARN of a queue of this template is expected here"),
    }
}

fn seconds(properties: &Node, key: &str, default: u32) -> Result<Duration, TemplateError> {
    Ok(Duration::from_secs(
        properties.number_of(key, default)?.into(),
    ))
}

fn queue(name: String, properties: &Node, handout: &Handout) -> Result<Queue, TemplateError> {
    properties.only(
        "a queue",
        &[
            "DelaySeconds",
            "KmsDataKeyReusePeriodSeconds",
            "KmsMasterKeyId",
            "MaximumMessageSize",
            "MessageRetentionPeriod",
            "QueueName",
            "ReceiveMessageWaitTimeSeconds",
            "RedriveAllowPolicy",
            "RedrivePolicy",
            "SqsManagedSseEnabled",
            "Tags",
            "VisibilityTimeout",
        ],
    )?;
    let redrive = match properties.get("RedrivePolicy") {
        None => None,
        Some(policy) => Some(Redrive {
            queue: queue_of_arn(policy.require("deadLetterTargetArn")?, handout)?,
            max_receive_count: policy.require("maxReceiveCount")?.number()?,
        }),
    };
    Ok(Queue {
        url: handout.queue_url(&name),
        arn: handout.arn("sqs", &name),
        // SQS's default visibility timeout is 30 seconds.
        visibility_timeout: seconds(properties, "VisibilityTimeout", 30)?,
        delay: seconds(properties, "DelaySeconds", 0)?,
        redrive,
        name,
    })
}

fn table(name: String, properties: &Node) -> Result<Table, TemplateError> {
    properties.only(
        "a table",
        &[
            "AttributeDefinitions",
            "BillingMode",
            "GlobalSecondaryIndexes",
            "KeySchema",
            "Replicas",
            "SSESpecification",
            "StreamSpecification",
            "TableName",
            "TimeToLiveSpecification",
            "WriteOnDemandThroughputSettings",
        ],
    )?;
    let mut definition = json!({
        "TableName": name,
        "BillingMode": "PAY_PER_REQUEST",
        "KeySchema": properties.require("KeySchema")?.json(),
        "AttributeDefinitions": properties.require("AttributeDefinitions")?.json(),
    });
    if let Some(indexes) = properties.get("GlobalSecondaryIndexes") {
        let mut list = Vec::new();
        for index in indexes.items()? {
            index.only(
                "an index",
                &[
                    "IndexName",
                    "KeySchema",
                    "Projection",
                    "WriteOnDemandThroughputSettings",
                ],
            )?;
            list.push(json!({
                "IndexName": index.require("IndexName")?.json(),
                "KeySchema": index.require("KeySchema")?.json(),
                "Projection": index.require("Projection")?.json(),
            }));
        }
        definition["GlobalSecondaryIndexes"] = Json::Array(list);
    }
    let time_to_live = match properties.get("TimeToLiveSpecification") {
        Some(setting) if setting.str_of("Enabled")? == "true" => {
            Some(setting.str_of("AttributeName")?)
        }
        _ => None,
    };
    Ok(Table {
        name,
        definition,
        time_to_live,
    })
}

fn bucket(name: String, properties: &Node) -> Result<Bucket, TemplateError> {
    properties.only(
        "a bucket",
        &[
            "BucketEncryption",
            "BucketName",
            "LifecycleConfiguration",
            "LoggingConfiguration",
            "ObjectLockConfiguration",
            "ObjectLockEnabled",
            "OwnershipControls",
            "PublicAccessBlockConfiguration",
            "Tags",
            "VersioningConfiguration",
        ],
    )?;
    let versioned = match properties.get("VersioningConfiguration") {
        Some(setting) => setting.str_of("Status")? == "Enabled",
        None => false,
    };
    Ok(Bucket { name, versioned })
}

fn secret(name: String, properties: &Node, handout: &Handout) -> Result<Secret, TemplateError> {
    properties.only(
        "a secret",
        &[
            "Description",
            "GenerateSecretString",
            "KmsKeyId",
            "Name",
            "ReplicaRegions",
            "Tags",
        ],
    )?;
    let generate = properties.require("GenerateSecretString")?;
    generate.only(
        "GenerateSecretString",
        &[
            "ExcludeCharacters",
            "ExcludePunctuation",
            "GenerateStringKey",
            "IncludeSpace",
            "PasswordLength",
            "SecretStringTemplate",
        ],
    )?;
    let template = generate.require("SecretStringTemplate")?;
    let parsed: Json = match serde_json::from_str(template.str()?) {
        Ok(parsed @ Json::Object(_)) => parsed,
        _ => return template.refuse("a JSON object as text is expected here"),
    };
    Ok(Secret {
        arn: handout.secret_arn(&name),
        template: parsed,
        key: generate.str_of("GenerateStringKey")?,
        // Secrets Manager's default length is 32.
        length: generate.number_of("PasswordLength", 32)?,
        exclude: generate
            .get("ExcludeCharacters")
            .map_or(Ok(""), Node::str)?
            .to_owned(),
        exclude_punctuation: generate
            .get("ExcludePunctuation")
            .map_or(Ok("false"), Node::str)?
            == "true",
        name,
    })
}

fn event_rule(name: String, properties: &Node) -> Result<EventRule, TemplateError> {
    properties.only(
        "a rule",
        &[
            "Description",
            "EventBusName",
            "EventPattern",
            "Name",
            "State",
            "Targets",
        ],
    )?;
    let targets = properties.require("Targets")?;
    let [target] = targets.items()? else {
        return targets.refuse("a rule has exactly one target here");
    };
    target.only(
        "a target",
        &[
            "Arn",
            "DeadLetterConfig",
            "Id",
            "InputTransformer",
            "RetryPolicy",
            "RoleArn",
        ],
    )?;
    let arn = target.require("Arn")?;
    let queue = match arn.str()?.rsplit_once(':') {
        Some((service, queue)) if service.starts_with("arn:aws:sqs:") => queue.to_owned(),
        _ => return arn.refuse("the target of a rule must be a queue"),
    };
    let mut rule = EventRule {
        name,
        pattern: properties.require("EventPattern")?.json(),
        queue,
        input_paths: std::collections::BTreeMap::new(),
        input_template: None,
    };
    if let Some(transformer) = target.get("InputTransformer") {
        rule.input_template = Some(transformer.str_of("InputTemplate")?);
        if let Some(paths) = transformer.get("InputPathsMap") {
            for (key, path) in paths.entries()? {
                rule.input_paths.insert(key.clone(), path.str()?.to_owned());
            }
        }
    }
    Ok(rule)
}
