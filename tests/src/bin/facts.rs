//! Writes `infra/facts.json` from `infra/template.yaml`: `cargo run -p tests --bin facts`.
//!
//! Run it after each change of the template; a system test fails until it was.

use std::error::Error;
use std::fs;

const INFRA: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../infra");

fn main() -> Result<(), Box<dyn Error>> {
    let template = fs::read_to_string(format!("{INFRA}/template.yaml"))?;
    let facts = local::template::facts::read(&template)?;
    let text = serde_json::to_string_pretty(&facts)?;
    fs::write(format!("{INFRA}/facts.json"), text + "\n")?;
    Ok(())
}
