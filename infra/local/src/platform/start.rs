//! The order in which the parts start.
//!
//! Ports before anything that needs their numbers, services before functions, requests last.

use std::collections::BTreeMap;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use axum::Router;
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::JoinHandle;

use super::{Options, Platform, StartError, Wiring, folder};
use crate::api::{Endpoints, Local};
use crate::bucket::Bucket;
use crate::clock::Clock;
use crate::events::{Events, InputTransformer, RuleSpec};
use crate::faults::Faults;
use crate::gateway::Gateway;
use crate::lambda::{Handlers, Invoke, Runner};
use crate::queues::{ACCOUNT, QueueSpec, Queues};
use crate::queues::{Delivery, MappingSpec};
use crate::schedule::Scheduler;
use crate::secrets::{Generate, SecretSpec, Secrets};
use crate::ses::{Ses, SesOptions};
use crate::state::State;
use crate::template::{Handout, Stack};

const REGION: &str = "eu-central-1";
const ACCESS_KEY_ID: &str = "rundbrief-local";
const SECRET_ACCESS_KEY: &str = "rundbrief-local-secret";

/// The listeners of the AWS services and of what people see.
struct Ports {
    api: TcpListener,
    shop: TcpListener,
    dynamodb: TcpListener,
    s3: TcpListener,
    ses: TcpListener,
    sqs: TcpListener,
    secrets: TcpListener,
}

fn url(listener: &TcpListener) -> String {
    // A bound listener has an address.
    listener
        .local_addr()
        .map(|address| format!("http://{address}"))
        .unwrap_or_default()
}

async fn bind(port: u16, flag: &'static str) -> Result<TcpListener, StartError> {
    TcpListener::bind((Ipv4Addr::LOCALHOST, port))
        .await
        .map_err(|error| {
            let reason = match error.kind() {
                std::io::ErrorKind::AddrInUse => "another program uses it".to_owned(),
                _ => error.to_string(),
            };
            StartError::Port { port, reason, flag }
        })
}

impl Ports {
    async fn take(options: &Options) -> Result<Self, StartError> {
        Ok(Self {
            api: bind(options.port, "--port").await?,
            shop: bind(options.shop_port, "--shop-port").await?,
            dynamodb: bind(0, "--port").await?,
            s3: bind(0, "--port").await?,
            ses: bind(0, "--port").await?,
            sqs: bind(0, "--port").await?,
            secrets: bind(0, "--port").await?,
        })
    }
}

fn part(part: &'static str) -> impl Fn(String) -> StartError {
    move |reason| StartError::Part { part, reason }
}

impl Platform {
    /// Starts a platform and returns once it takes requests.
    ///
    /// # Errors
    /// With a sentence for people: a port, the data folder, the template, a part.
    pub async fn start(options: Options) -> Result<Self, StartError> {
        let data = options.data.as_path();
        let lock = folder::take(data)?;
        let state = open_state(data)?;
        let clock = Clock::open(&state).map_err(|_| broken_state(data))?;
        let ports = Ports::take(&options).await?;
        let handout = Handout {
            api: url(&ports.api),
            sqs: url(&ports.sqs),
            region: REGION.to_owned(),
            account: ACCOUNT.to_owned(),
            stack: "rundbrief".to_owned(),
            parameters: BTreeMap::from([
                ("PublicUrl".to_owned(), url(&ports.api)),
                // On one machine there is nobody else to tell.
                ("LocalWebhooks".to_owned(), "true".to_owned()),
            ]),
        };
        let stack = Stack::read(&options.template, &handout)?;
        let database = crate::engine::open(&data.join("engine.db"), stack.tables.values())
            .map_err(|reason| folder::refuse(data, format!("engine.db: {reason}")))?;
        let secrets = Secrets::open(&state, &clock, REGION, secret_specs(&stack))
            .map_err(part("the secrets"))?;
        let bucket_name = stack
            .buckets
            .values()
            .map(|bucket| bucket.name.clone())
            .next()
            .unwrap_or_default();
        let bucket = Bucket::open(
            &data.join("buckets"),
            &bucket_name,
            ACCESS_KEY_ID,
            SECRET_ACCESS_KEY,
        )
        .map_err(|reason| folder::refuse(data, reason))?;
        let queues = Queues::open(&state, &clock, REGION, queue_specs(&stack))
            .map_err(|_| broken_state(data))?;
        let events = Events::open(&queues, rule_specs(&stack)).map_err(part("the event bus"))?;
        let ses_options = SesOptions {
            region: REGION.to_owned(),
            null: options.null_ses,
            send_rate: options.send_rate,
            ..SesOptions::default()
        };
        let ses =
            Ses::open(&state, &clock, &events, ses_options).map_err(|_| broken_state(data))?;

        let mut endpoints = Endpoints {
            api: url(&ports.api),
            shop: format!("{}/newsletter", url(&ports.shop)),
            platform_key: platform_key(&stack, &secrets),
            demo_key: String::new(),
            region: REGION.to_owned(),
            access_key_id: ACCESS_KEY_ID.to_owned(),
            secret_access_key: SECRET_ACCESS_KEY.to_owned(),
            dynamodb: url(&ports.dynamodb),
            s3: url(&ports.s3),
            ses: url(&ports.ses),
            sqs: url(&ports.sqs),
            table: table_name(&stack, "MainTable"),
            tombstone_table: table_name(&stack, "TombstoneTable"),
            bucket: bucket_name,
        };
        let wiring = Wiring {
            environments: environments(&stack, &endpoints, &url(&ports.secrets)),
            clock: clock.clone(),
        };
        let Handlers { invoke, awaited } =
            (options.functions)(wiring).map_err(part("the functions"))?;
        let timeouts = stack
            .functions
            .iter()
            .map(|(name, function)| (name.clone(), function.timeout));
        let runner = Runner::new(invoke, timeouts.collect());
        let invoke = runner.as_invoke();

        let (stop, _) = watch::channel(false);
        let mut workers = vec![
            tokio::spawn(async move {
                let _ = dynoxide::server::serve_with_shutdown(
                    ports.dynamodb,
                    database,
                    std::future::pending(),
                )
                .await;
            }),
            service(bucket.serve(ports.s3)),
            service(faulty(ports.ses, ses.router(), &options.faults)),
            service(faulty(ports.sqs, queues.router(), &options.faults)),
            service(secrets.serve(ports.secrets)),
        ];
        workers.extend(
            mappings(&stack, &queues, &invoke, options.deliver_once)
                .map_err(part("a queue mapping"))?,
        );

        let handlers = Handlers {
            invoke: invoke.clone(),
            awaited,
        };
        let scheduler = Scheduler::open(&stack, clock.clone(), state.clone(), handlers)
            .map_err(|_| broken_state(data))?;
        // Its schedule is daily: here evidence of the first erasure is not to wait for it.
        if let Some(Err(error)) = scheduler.run("legal", None).await {
            tracing::warn!(error, "the legal key is not published yet");
        }
        let gateway = Gateway::new(&stack, invoke, clock.clone());
        if options.demo {
            let demo =
                crate::demo::complete(&gateway, &state, &endpoints.platform_key, &endpoints.shop);
            match demo.await {
                Ok(key) => endpoints.demo_key = key,
                // Everybody's own accounts work without it.
                Err(error) => {
                    tracing::error!(error, "the demo account is not complete");
                    let kept = crate::demo::load(&state).map_err(|_| broken_state(data))?;
                    endpoints.demo_key = kept.unwrap_or_default();
                }
            }
        }
        workers.push(tokio::spawn(scheduler.clone().follow_real_time()));

        let endpoints = Arc::new(endpoints);
        let ready = Arc::new(AtomicBool::new(false));
        let local = Local {
            endpoints: endpoints.clone(),
            clock: clock.clone(),
            queues: queues.clone(),
            scheduler,
            gateway: gateway.clone(),
            ready: ready.clone(),
        };
        let api = crate::api::router(local, ses.local_routes())
            .merge(Router::new().fallback(Gateway::handle).with_state(gateway));
        let fronts = vec![
            front(ports.api, api, &stop),
            front(ports.shop, crate::shop::router(&endpoints.api), &stop),
        ];
        ready.store(true, Ordering::SeqCst);
        Ok(Self {
            endpoints,
            clock,
            queues,
            runner,
            stop,
            fronts,
            workers,
            _lock: lock,
        })
    }
}

fn open_state(data: &Path) -> Result<State, StartError> {
    State::open(&data.join("state.db")).map_err(|_| broken_state(data))
}

fn broken_state(data: &Path) -> StartError {
    folder::refuse(data, "state.db is damaged or cannot be written")
}

fn service(serve: impl Future<Output = std::io::Result<()>> + Send + 'static) -> JoinHandle<()> {
    tokio::spawn(async move {
        if let Err(error) = serve.await {
            tracing::error!(%error, "a service stopped");
        }
    })
}

/// Serves a service of which calls may be made to fail.
fn faulty(
    listener: TcpListener,
    router: Router,
    faults: &Faults,
) -> impl Future<Output = std::io::Result<()>> + Send + use<> {
    let inject = axum::middleware::from_fn_with_state(faults.clone(), crate::faults::inject);
    axum::serve(listener, router.layer(inject)).into_future()
}

/// Serves until told to stop; requests that are being answered are finished.
fn front(listener: TcpListener, router: Router, stop: &watch::Sender<bool>) -> JoinHandle<()> {
    let mut stopped = stop.subscribe();
    let make = router.into_make_service_with_connect_info::<SocketAddr>();
    let until = async move {
        let _ = stopped.wait_for(|stopped| *stopped).await;
    };
    tokio::spawn(async move {
        if let Err(error) = axum::serve(listener, make)
            .with_graceful_shutdown(until)
            .await
        {
            tracing::error!(%error, "a server stopped");
        }
    })
}

fn table_name(stack: &Stack, logical: &str) -> String {
    stack
        .tables
        .get(logical)
        .map(|table| table.name.clone())
        .unwrap_or_default()
}

fn platform_key(stack: &Stack, secrets: &Secrets) -> String {
    stack
        .secrets
        .values()
        // By its name: other secrets have the same form, and must not be shown.
        .find(|secret| secret.name.ends_with("PlatformKey"))
        .and_then(|secret| {
            serde_json::from_str::<serde_json::Value>(secrets.value(&secret.name)?).ok()
        })
        .and_then(|value| value.get("key")?.as_str().map(str::to_owned))
        .unwrap_or_default()
}

fn secret_specs(stack: &Stack) -> Vec<SecretSpec> {
    let spec = |secret: &crate::template::Secret| SecretSpec {
        name: secret.name.clone(),
        generate: Generate {
            template: Some(secret.template.to_string()),
            key: Some(secret.key.clone()),
            length: usize::try_from(secret.length).unwrap_or(32),
            exclude_punctuation: secret.exclude_punctuation,
        },
    };
    stack.secrets.values().map(spec).collect()
}

fn queue_specs(stack: &Stack) -> Vec<QueueSpec> {
    let spec = |queue: &crate::template::Queue| QueueSpec {
        name: queue.name.clone(),
        visibility_timeout: queue.visibility_timeout,
        redrive: queue
            .redrive
            .as_ref()
            .map(|redrive| (redrive.queue.clone(), redrive.max_receive_count)),
    };
    stack.queues.values().map(spec).collect()
}

fn rule_specs(stack: &Stack) -> Vec<RuleSpec> {
    let spec = |rule: &crate::template::EventRule| RuleSpec {
        pattern: rule.pattern.clone(),
        input_transformer: rule
            .input_template
            .clone()
            .map(|template| InputTransformer {
                paths: rule.input_paths.clone(),
                template,
            }),
        target_queue: rule.queue.clone(),
    };
    stack.event_rules.values().map(spec).collect()
}

fn mappings(
    stack: &Stack,
    queues: &Queues,
    invoke: &Invoke,
    deliver_once: bool,
) -> Result<Vec<JoinHandle<()>>, String> {
    let delivery = if deliver_once {
        Delivery::Once
    } else {
        Delivery::Twice
    };
    let mut handles = Vec::new();
    for (name, function) in &stack.functions {
        for mapping in &function.queues {
            let size = |number: u32| usize::try_from(number).unwrap_or(1);
            let spec = MappingSpec {
                queue: mapping.queue.clone(),
                function: name.clone(),
                batch_size: size(mapping.batch_size),
                batching_window: mapping.batching_window,
                report_batch_item_failures: mapping.report_failures,
                parallel: mapping.maximum_concurrency.map(size),
            };
            let handle = queues.start_mapping(spec, invoke.clone(), delivery);
            handles.push(handle.map_err(|error| error.to_string())?);
        }
    }
    Ok(handles)
}

fn environments(
    stack: &Stack,
    endpoints: &Endpoints,
    secrets: &str,
) -> BTreeMap<String, BTreeMap<String, String>> {
    let machine = [
        ("AWS_REGION", endpoints.region.as_str()),
        ("AWS_ACCESS_KEY_ID", &endpoints.access_key_id),
        ("AWS_SECRET_ACCESS_KEY", &endpoints.secret_access_key),
        ("AWS_ENDPOINT_URL_DYNAMODB", &endpoints.dynamodb),
        ("AWS_ENDPOINT_URL_S3", &endpoints.s3),
        ("AWS_ENDPOINT_URL_SQS", &endpoints.sqs),
        ("AWS_ENDPOINT_URL_SESV2", &endpoints.ses),
        ("AWS_ENDPOINT_URL_SECRETS_MANAGER", secrets),
    ];
    let mut environments = BTreeMap::new();
    for (name, function) in &stack.functions {
        let mut environment = function.environment.clone();
        environment.extend(
            machine
                .iter()
                .map(|(key, value)| ((*key).to_owned(), (*value).to_owned())),
        );
        environments.insert(name.clone(), environment);
    }
    environments
}
