//! A function's environment as the template gives it, for running its code outside the platform.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use functions::settings::Settings;
use local::platform::Functions;

/// What a function's variables are, once the platform has started.
#[derive(Clone, Default)]
pub struct Environment(Arc<Mutex<BTreeMap<String, String>>>);

impl Environment {
    /// The variables.
    pub fn variables(&self) -> BTreeMap<String, String> {
        self.0.lock().expect("no panic while it is held").clone()
    }

    /// The settings that the function reads from them.
    pub fn settings(&self) -> Settings {
        let variables = self.variables();
        Settings::read(&|name| variables.get(name).cloned()).expect("complete settings")
    }
}

/// The template's functions; the variables of one of them are kept.
pub fn functions_and_environment_of(function: &'static str) -> (Functions, Environment) {
    let kept = Environment::default();
    let environment = kept.clone();
    let real = local::handlers::functions();
    let functions: Functions = Arc::new(move |wiring| {
        let variables = wiring
            .environments
            .get(function)
            .ok_or("no such function")?;
        let variables = variables
            .iter()
            .map(|(name, value)| (name.clone(), value.clone()));
        *environment.0.lock().expect("no panic while it is held") = variables.collect();
        real(wiring)
    });
    (functions, kept)
}
