//! A platform in a process of its own, which can be killed for real.
//!
//! Runs the binary `platform` of this package, which does what `cargo run -p local` does.

use std::fs::File;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};

/// A process that is killed when it is let go.
pub struct Process {
    child: Child,
    /// Base address of its API.
    pub api: String,
}

impl Process {
    /// Starts `binary` on this folder and waits until it says where it is.
    pub fn start(binary: &str, folder: &Path, log: &Path) -> Self {
        let log = File::options()
            .create(true)
            .append(true)
            .open(log)
            .expect("a log file");
        let mut child = Command::new(binary)
            .arg(folder)
            .stdout(Stdio::piped())
            .stderr(log)
            .spawn()
            .expect("the binary starts");
        let mut api = String::new();
        let stdout = child.stdout.take().expect("a pipe");
        BufReader::new(stdout)
            .read_line(&mut api)
            .expect("it says where it is");
        Self {
            child,
            api: api.trim_end().to_owned(),
        }
    }

    /// `kill -9`.
    pub fn kill(&mut self) {
        self.child.kill().expect("the process was there");
        self.child.wait().expect("the process ended");
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
