//! How the platform starts a function: by its name, with an event, as Lambda does.
//!
//! Not the functions themselves; whoever starts the platform brings those.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use futures::future::BoxFuture;
use jiff::Timestamp;
use serde_json::Value;
use tokio::sync::watch;

/// Starts the function with this name with this event.
///
/// `Err` is a crash or an error of the function (what Lambda calls a function error); the text
/// names no personal data.
pub type Invoke =
    Arc<dyn Fn(&str, Value) -> BoxFuture<'static, Result<Value, String>> + Send + Sync>;

/// Asks the function with this name at which instants, up to one, it has something to do that does
/// not wait: a moved clock lays its one run of a day there. In AWS there is nobody who asks.
pub type Awaited = Arc<dyn Fn(&str, Timestamp) -> BoxFuture<'static, Vec<Timestamp>> + Send + Sync>;

/// The functions, as the platform uses them.
pub struct Handlers {
    /// Starts one.
    pub invoke: Invoke,
    /// Asks one.
    pub awaited: Awaited,
}

impl From<Invoke> for Handlers {
    /// Functions that only their schedules call for.
    fn from(invoke: Invoke) -> Self {
        Self {
            invoke,
            awaited: Arc::new(|_, _| Box::pin(async { Vec::new() })),
        }
    }
}

/// Runs functions under Lambda's rules: each invocation on its own, within its timeout.
#[derive(Clone)]
pub struct Runner {
    invoke: Invoke,
    timeouts: Arc<BTreeMap<String, Duration>>,
    running: Arc<watch::Sender<usize>>,
}

impl Runner {
    /// Takes the functions and the timeout of each.
    pub fn new(invoke: Invoke, timeouts: BTreeMap<String, Duration>) -> Self {
        Self {
            invoke,
            timeouts: Arc::new(timeouts),
            running: Arc::new(watch::Sender::new(0)),
        }
    }

    /// The same as an [`Invoke`]. A caller that goes away does not stop an invocation, a panic is
    /// an error of the function, and one that takes too long is ended.
    pub fn as_invoke(&self) -> Invoke {
        let runner = self.clone();
        Arc::new(move |name, event| {
            let runner = runner.clone();
            let name = name.to_owned();
            Box::pin(async move { runner.run(&name, event).await })
        })
    }

    async fn run(&self, name: &str, event: Value) -> Result<Value, String> {
        let Some(timeout) = self.timeouts.get(name).copied() else {
            return Err(format!("there is no function {name}"));
        };
        let work = (self.invoke)(name, event);
        let running = Running::begin(&self.running);
        let task = tokio::spawn(async move {
            let _running = running;
            tokio::time::timeout(timeout, work).await
        });
        match task.await {
            Ok(Ok(answer)) => answer,
            Ok(Err(_)) => Err(format!("timed out after {} s", timeout.as_secs())),
            // The panic's text may hold data of the event: it stays where the hook printed it.
            Err(_) => Err("panicked".to_owned()),
        }
    }

    /// Waits until nothing runs, at most `within`.
    pub async fn finish(&self, within: Duration) {
        let mut running = self.running.subscribe();
        let quiet = running.wait_for(|count| *count == 0);
        if tokio::time::timeout(within, quiet).await.is_err() {
            tracing::warn!("stopped although functions were still running");
        }
    }
}

struct Running(Arc<watch::Sender<usize>>);

impl Running {
    fn begin(count: &Arc<watch::Sender<usize>>) -> Self {
        count.send_modify(|count| *count += 1);
        Self(Arc::clone(count))
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.0.send_modify(|count| *count -= 1);
    }
}
