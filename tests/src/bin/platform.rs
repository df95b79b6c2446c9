//! A platform for tests that kill it: like `local`, on free ports, saying only where its API is.
//!
//! Its log goes to standard error, as the program's does.

use std::io::Write;
use std::path::PathBuf;

use local::platform::{Options, Platform};
use tracing_subscriber::EnvFilter;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let folder = std::env::args_os().nth(1).ok_or("a folder is needed")?;
    tracing_subscriber::fmt()
        .compact()
        .with_env_filter(EnvFilter::new(local::LOG_FILTER))
        .with_writer(std::io::stderr)
        .with_ansi(false)
        .init();
    tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()?
        .block_on(async {
            let options = Options::new(PathBuf::from(folder), local::handlers::functions());
            let platform = Platform::start(options).await?;
            writeln!(std::io::stdout(), "{}", platform.endpoints().api)?;
            std::future::pending().await
        })
}
