//! A platform in this process, on threads of its own: it can be stopped, or killed in the middle.
//!
//! For a platform in a process of its own see `process`.

use std::path::Path;
use std::time::Duration;

use local::api::Endpoints;
use local::faults::Faults;
use local::platform::{Options, Platform};
use tokio::runtime::Runtime;

/// How long threads get to end after a kill; what they do then reaches nobody any more.
const END_TIMEOUT: Duration = Duration::from_secs(10);

/// A running platform.
pub struct Running {
    platform: Option<Platform>,
    runtime: Option<Runtime>,
    faults: Faults,
}

impl Running {
    /// Starts one on this folder, with the options as `change` leaves them.
    pub async fn start(folder: &Path, change: &(dyn Fn(&mut Options) + Send + Sync)) -> Self {
        crate::log::capture();
        let mut options = Options::new(folder.to_owned(), local::handlers::functions());
        change(&mut options);
        let faults = options.faults.clone();
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(2)
            .thread_name("platform")
            .enable_all()
            .build()
            .expect("a runtime");
        let started = runtime.spawn(Platform::start(options)).await;
        let platform = match started.expect("starting does not panic") {
            Ok(platform) => platform,
            Err(error) => panic!("{error}"),
        };
        Self {
            platform: Some(platform),
            runtime: Some(runtime),
            faults,
        }
    }

    /// Where everything is.
    pub fn endpoints(&self) -> Endpoints {
        self.platform.as_ref().expect("it runs").endpoints().clone()
    }

    /// Failures on purpose.
    pub fn faults(&self) -> &Faults {
        &self.faults
    }

    /// The platform's clock, to be held at an instant.
    pub fn clock(&self) -> &local::clock::Clock {
        self.platform.as_ref().expect("it runs").clock()
    }

    /// Stops it as Ctrl-C does.
    pub async fn stop(mut self) {
        let platform = self.platform.take().expect("it runs");
        let runtime = self.runtime.take().expect("it runs");
        runtime
            .spawn(platform.stop())
            .await
            .expect("stopping does not panic");
        end(runtime).await;
    }

    /// Ends every task where it stands, as a kill does.
    pub async fn kill(mut self) {
        let platform = self.platform.take();
        let runtime = self.runtime.take().expect("it runs");
        {
            let _inside = runtime.enter();
            drop(platform);
        }
        end(runtime).await;
    }
}

async fn end(runtime: Runtime) {
    tokio::task::spawn_blocking(move || runtime.shutdown_timeout(END_TIMEOUT))
        .await
        .expect("shutting down does not panic");
}

impl Drop for Running {
    fn drop(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}
