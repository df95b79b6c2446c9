//! The input transformer of an `EventBridge` target: a template with `<name>` in it.
//!
//! Quoting as AWS documents it: outside quotes a value is put in as JSON, inside quotes bare.

use std::collections::BTreeMap;

use serde_json::Value;

/// `InputPathsMap` and `InputTemplate` of a target.
#[derive(Clone, Debug)]
pub struct InputTransformer {
    /// Variable name -> path (`$.detail.mail.tags`, `$.list[0].name`).
    pub paths: BTreeMap<String, String>,
    /// The template.
    pub template: String,
}

impl InputTransformer {
    /// What the target gets for this event.
    pub fn apply(&self, event: &Value) -> String {
        let json_template = self.template.trim_start().starts_with(['{', '[']);
        let mut out = String::with_capacity(self.template.len() * 2);
        let mut quoted = false;
        let mut rest = self.template.as_str();
        while let Some(at) = rest.find(['<', '"', '\\']) {
            let (before, from) = rest.split_at(at);
            out.push_str(before);
            rest = match from.as_bytes()[0] {
                b'"' => {
                    quoted = !quoted;
                    out.push('"');
                    &from[1..]
                }
                b'\\' => {
                    // An escaped quote inside a string does not end it.
                    let end = from
                        .char_indices()
                        .nth(2)
                        .map_or(from.len(), |(end, _)| end);
                    out.push_str(&from[..end]);
                    &from[end..]
                }
                _ => {
                    let name = from[1..]
                        .split_once('>')
                        .and_then(|(name, after)| self.paths.get(name).map(|path| (path, after)));
                    if let Some((path, after)) = name {
                        let value = find(event, path);
                        if json_template && !quoted {
                            // A path the event lacks becomes an empty string.
                            out.push_str(
                                &value.map_or_else(|| "\"\"".to_owned(), Value::to_string),
                            );
                        } else {
                            bare(&mut out, value, json_template);
                        }
                        after
                    } else {
                        out.push('<');
                        &from[1..]
                    }
                }
            };
        }
        out.push_str(rest);
        out
    }
}

/// A value inside a string: without its quotes, escaped so that the JSON stays valid.
fn bare(out: &mut String, value: Option<&Value>, escape: bool) {
    let text = match value {
        None | Some(Value::Null) => return,
        Some(Value::String(text)) => text.clone(),
        Some(other) => other.to_string(),
    };
    if escape {
        let escaped = Value::String(text).to_string();
        out.push_str(&escaped[1..escaped.len() - 1]);
    } else {
        out.push_str(&text);
    }
}

/// A JSON path of dots and indices.
fn find<'a>(event: &'a Value, path: &str) -> Option<&'a Value> {
    let path = path.strip_prefix('$')?;
    path.split('.')
        .filter(|step| !step.is_empty())
        .try_fold(event, |value, step| {
            let (name, indices) = step.find('[').map_or((step, ""), |at| step.split_at(at));
            let value = if name.is_empty() {
                value
            } else {
                value.get(name)?
            };
            indices
                .split(['[', ']'])
                .filter(|index| !index.is_empty())
                .try_fold(value, |value, index| {
                    value.get(index.parse::<usize>().ok()?)
                })
        })
}
