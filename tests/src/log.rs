//! Everything that this process logs, kept so that tests can look for people in it.
//!
//! One buffer for all worlds of the process: their people's data differ, so each finds its own.

use std::io::Write;
use std::sync::{Mutex, Once, PoisonError};

use tracing_subscriber::EnvFilter;

static BUFFER: Mutex<Vec<u8>> = Mutex::new(Vec::new());
static STARTED: Once = Once::new();

struct Buffer;

impl Write for Buffer {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        let mut buffer = BUFFER.lock().unwrap_or_else(PoisonError::into_inner);
        buffer.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

/// Starts keeping what is logged, at the level that the program logs at, and what panics say.
pub fn capture() {
    STARTED.call_once(|| {
        tracing_subscriber::fmt()
            .compact()
            .with_env_filter(EnvFilter::new(local::LOG_FILTER))
            .with_writer(|| Buffer)
            .with_ansi(false)
            .init();
        let before = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |panic| {
            // A failing test names what it likes; a panicking handler does not.
            if !std::thread::current()
                .name()
                .is_some_and(|name| name.contains("::"))
            {
                let _ = writeln!(Buffer, "{panic}");
            }
            before(panic);
        }));
    });
}

/// Everything so far.
pub fn captured() -> String {
    let buffer = BUFFER.lock().unwrap_or_else(PoisonError::into_inner);
    String::from_utf8_lossy(&buffer).into_owned()
}

/// The lines of a log that hold any of these texts; each with the text's name, never the text.
pub fn leaks(log: &str, private: &[(String, String)]) -> Vec<String> {
    let mut found = Vec::new();
    for (what, text) in private {
        for line in log.lines().filter(|line| line.contains(text.as_str())) {
            found.push(format!(
                "{what} in: {}",
                line.replace(text.as_str(), "<here>")
            ));
        }
    }
    found
}
