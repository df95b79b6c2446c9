//! Handlers on threads of their own, whose CPU time is counted to the nanosecond.
//!
//! For tables of what they cost; nothing here judges. Engines and emulators run on other threads
//! and do not count. Linux only.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, mpsc};

use functions::app::App;
use functions::aws::{Clients, Meter};
use functions::settings::Settings;
use local::lambda::{Handlers, Invoke};
use local::platform::Functions;
use rundbrief::entropy::SystemEntropy;
use serde_json::Value;
use tokio::sync::oneshot;

/// What a handler used so far.
#[derive(Clone, Default)]
pub struct Used {
    cpu_ns: Arc<AtomicU64>,
    meter: Meter,
}

impl Used {
    /// CPU seconds and requests to services so far.
    pub fn now(&self) -> (f64, u64) {
        #[expect(clippy::cast_precision_loss, reason = "seconds for a table")]
        let seconds = self.cpu_ns.load(Ordering::SeqCst) as f64 / 1e9;
        (seconds, self.meter.calls())
    }

    /// CPU nanoseconds so far.
    pub fn cpu_ns(&self) -> u64 {
        self.cpu_ns.load(Ordering::SeqCst)
    }
}

/// Nanoseconds this thread was on a processor.
fn thread_cpu_ns() -> u64 {
    let text = std::fs::read_to_string("/proc/thread-self/schedstat").expect("Linux says");
    let first = text.split_whitespace().next().expect("a number");
    first.parse().expect("a number")
}

type Job = (String, Value, oneshot::Sender<Result<Value, String>>);

/// The template's functions, these with a thread of their own that is measured.
pub fn functions(measured: BTreeMap<&'static str, Used>) -> Functions {
    let real = local::handlers::functions();
    Arc::new(move |wiring| {
        let mut own: BTreeMap<String, mpsc::Sender<Job>> = BTreeMap::new();
        for (name, used) in &measured {
            let environment = wiring.environments.get(*name).ok_or("no such function")?;
            let settings = Settings::read(&|key| environment.get(key).cloned())
                .map_err(|error| error.to_string())?;
            let clients = Clients::new(settings.clone()).metered(used.meter.clone());
            let clock = wiring.clock.clone();
            let now = Arc::new(move || clock.now());
            let app = App::with_clients(clients, settings, now, Arc::new(SystemEntropy::new()));
            let (jobs, work) = mpsc::channel::<Job>();
            let used = used.clone();
            std::thread::spawn(move || measure(&Arc::new(app), &work, &used));
            own.insert((*name).to_owned(), jobs);
        }
        let Handlers {
            invoke: real,
            awaited,
        } = real(wiring)?;
        let own = std::sync::Mutex::new(own);
        let invoke: Invoke = Arc::new(move |name, event| {
            let jobs = own.lock().expect("no panic").get(name).cloned();
            let Some(jobs) = jobs else {
                return real(name, event);
            };
            let (answer, answered) = oneshot::channel();
            let sent = jobs.send((name.to_owned(), event, answer));
            Box::pin(async move {
                sent.map_err(|_| "the measured thread is gone".to_owned())?;
                answered
                    .await
                    .map_err(|_| "the measured thread is gone".to_owned())?
            })
        });
        Ok(Handlers { invoke, awaited })
    })
}

/// One handler's thread: single-threaded tokio, as in a Lambda.
fn measure(app: &Arc<App>, work: &mpsc::Receiver<Job>, used: &Used) {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .expect("a runtime");
    for (name, event, answer) in work {
        let before = thread_cpu_ns();
        let result = runtime.block_on(functions::function::invoke(&name, Arc::clone(app), event));
        used.cpu_ns
            .fetch_add(thread_cpu_ns() - before, Ordering::SeqCst);
        // Nobody waits any more when the platform has ended.
        let _ = answer.send(result.map_err(|error| error.to_string()));
    }
}
