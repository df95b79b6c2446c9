//! The real functions, run inside this program.
//!
//! Each gets its own environment and nothing else, as in Lambda: what the template forgets to
//! hand over is missing here too.

use std::collections::BTreeMap;
use std::sync::Arc;

use functions::app::App;
use functions::settings::Settings;
use rundbrief::entropy::SystemEntropy;

use crate::lambda::{Awaited, Handlers, Invoke};
use crate::platform::Functions;

/// Makes the functions of the template from the crate that is deployed.
pub fn functions() -> Functions {
    Arc::new(|wiring| {
        let mut apps = BTreeMap::new();
        for (name, environment) in wiring.environments {
            let settings = Settings::read(&|key| environment.get(key).cloned())
                .map_err(|error| format!("{name}: {error}"))?;
            let clock = wiring.clock.clone();
            let app = App::new(
                settings,
                Arc::new(move || clock.now()),
                Arc::new(SystemEntropy::default()),
            );
            apps.insert(name, Arc::new(app));
        }
        let apps = Arc::new(apps);
        let known = Arc::clone(&apps);
        let awaited: Awaited = Arc::new(move |name, until| {
            let app = known.get(name).cloned();
            let name = name.to_owned();
            Box::pin(async move {
                let Some(app) = app else { return Vec::new() };
                let awaited = functions::function::awaited(&name, &app, until).await;
                awaited.unwrap_or_else(|trouble| {
                    tracing::error!(function = name, %trouble, "it cannot be told what waits");
                    Vec::new()
                })
            })
        });
        let invoke: Invoke = Arc::new(move |name, event| {
            let app = apps.get(name).cloned();
            let name = name.to_owned();
            Box::pin(async move {
                let app = app.ok_or_else(|| format!("there is no function {name}"))?;
                functions::function::invoke(&name, app, event)
                    .await
                    .map_err(|error| error.to_string())
            })
        });
        Ok(Handlers { invoke, awaited })
    })
}
