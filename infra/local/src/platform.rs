//! Puts everything together: opens the data folder, takes the ports, starts every part.
//!
//! Used by the program and by tests; knows no command line.

mod folder;
mod start;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;
use tokio::task::JoinHandle;

use crate::api::Endpoints;
use crate::clock::Clock;
use crate::faults::Faults;
use crate::lambda::{Handlers, Runner};
use crate::queues::Queues;
use crate::template::TemplateError;

/// How long a stopping platform waits for functions that still run.
const STOP_TIMEOUT: Duration = Duration::from_secs(5);

/// What a function gets: its own environment, and the platform's time.
pub struct Wiring {
    /// By function name: the template's environment and the addresses of this platform.
    pub environments: BTreeMap<String, BTreeMap<String, String>>,
    /// The platform's clock.
    pub clock: Clock,
}

/// Makes the functions once the addresses are known.
pub type Functions = Arc<dyn Fn(Wiring) -> Result<Handlers, String> + Send + Sync>;

/// How to start a platform.
pub struct Options {
    /// Port of the API; 0 takes any.
    pub port: u16,
    /// Port of the shop's page; 0 takes any.
    pub shop_port: u16,
    /// The data folder; made if it is not there.
    pub data: PathBuf,
    /// Deliver every queue message once instead of twice.
    pub deliver_once: bool,
    /// Count mails instead of keeping them.
    pub null_ses: bool,
    /// Mails per second that SES reports as its limit.
    pub send_rate: f64,
    /// The template's text.
    pub template: String,
    /// Whether to make and complete the demo account.
    pub demo: bool,
    /// The functions.
    pub functions: Functions,
    /// Failures of services, for tests.
    pub faults: Faults,
}

impl Options {
    /// Any free ports, the template that deploys, everything else as a person gets it.
    pub fn new(data: PathBuf, functions: Functions) -> Self {
        Self {
            port: 0,
            shop_port: 0,
            data,
            deliver_once: false,
            null_ses: false,
            send_rate: 100_000.0,
            template: crate::template::TEMPLATE.to_owned(),
            demo: true,
            functions,
            faults: Faults::default(),
        }
    }
}

/// Why the platform did not start; a sentence for people.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// Another program has the port.
    #[error("port {port} on 127.0.0.1 cannot be used: {reason}; choose another with {flag}")]
    Port {
        /// The port.
        port: u16,
        /// What the system says.
        reason: String,
        /// The flag that changes it.
        flag: &'static str,
    },
    /// The data folder is not usable.
    #[error("the data folder {folder} cannot be used: {reason}")]
    Data {
        /// The folder.
        folder: String,
        /// What is wrong with it.
        reason: String,
    },
    /// The template has something the platform does not understand.
    #[error(transparent)]
    Template(#[from] TemplateError),
    /// A part did not start.
    #[error("{part} did not start: {reason}")]
    Part {
        /// The part.
        part: &'static str,
        /// What it says.
        reason: String,
    },
}

/// A running platform; dropping it ends its tasks at once, as a kill would.
pub struct Platform {
    endpoints: Arc<Endpoints>,
    clock: Clock,
    queues: Queues,
    runner: Runner,
    stop: watch::Sender<bool>,
    /// Answer until told to stop: the API and the shop.
    fronts: Vec<JoinHandle<()>>,
    /// Work until aborted: services, mappings, schedules.
    workers: Vec<JoinHandle<()>>,
    _lock: folder::Lock,
}

impl Platform {
    /// Where everything is.
    pub fn endpoints(&self) -> &Endpoints {
        &self.endpoints
    }

    /// The platform's clock.
    pub fn clock(&self) -> &Clock {
        &self.clock
    }

    /// The queues.
    pub fn queues(&self) -> &Queues {
        &self.queues
    }

    /// Stops taking requests, lets what runs finish for some seconds, then ends everything.
    pub async fn stop(mut self) {
        self.stop.send_replace(true);
        let fronts = futures::future::join_all(std::mem::take(&mut self.fronts));
        if tokio::time::timeout(STOP_TIMEOUT, fronts).await.is_err() {
            tracing::warn!("stopped although requests were still open");
        }
        self.runner.finish(STOP_TIMEOUT).await;
    }
}

impl Drop for Platform {
    fn drop(&mut self) {
        for task in self.fronts.iter().chain(&self.workers) {
            task.abort();
        }
    }
}

#[cfg(test)]
mod tests;
