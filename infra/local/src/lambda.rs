//! How the platform starts a function: by its name, with an event, as Lambda does.

use std::sync::Arc;

use futures::future::BoxFuture;
use serde_json::Value;

/// Starts the function with this name with this event.
///
/// `Err` is a crash or an error of the function (what Lambda calls a function error); the text
/// names no personal data.
pub type Invoke =
    Arc<dyn Fn(&str, Value) -> BoxFuture<'static, Result<Value, String>> + Send + Sync>;
