//! Inline templates: plain substitution of `{{name}}`, nothing else (A-02).
//!
//! No escaping, as SES does none here. Whatever a real Handlebars could read differently
//! (helpers, triple braces, a backslash before braces) fails, so that nobody comes to rely on it.

use serde_json::{Map, Value};

/// Why a template was not rendered; SES says so in an event, not in its answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum RenderingFailure {
    Missing(String),
    Syntax,
}

/// The default data with the recipient's own over it.
pub(super) fn data(default: Option<&str>, own: Option<&str>) -> Option<Map<String, Value>> {
    let mut merged = parse(default)?;
    merged.extend(parse(own)?);
    Some(merged)
}

fn parse(data: Option<&str>) -> Option<Map<String, Value>> {
    match data.map(str::trim) {
        None | Some("") => Some(Map::new()),
        Some(text) => serde_json::from_str(text).ok(),
    }
}

pub(super) fn render(
    template: &str,
    data: &Map<String, Value>,
) -> Result<String, RenderingFailure> {
    let mut out = String::with_capacity(template.len());
    let mut rest = template;
    while let Some((before, after)) = rest.split_once("{{") {
        if before.ends_with(['\\', '{']) || after.starts_with('{') {
            return Err(RenderingFailure::Syntax);
        }
        let (name, after) = after.split_once("}}").ok_or(RenderingFailure::Syntax)?;
        if after.starts_with('}') {
            return Err(RenderingFailure::Syntax);
        }
        out.push_str(before);
        let name = name.trim();
        let plain = !name.is_empty()
            && name
                .chars()
                .all(|c| c.is_alphanumeric() || matches!(c, '_' | '-' | '.'));
        if !plain {
            return Err(RenderingFailure::Syntax);
        }
        match find(data, name) {
            Some(Value::String(text)) => out.push_str(text),
            Some(Value::Null) => {}
            Some(value @ (Value::Number(_) | Value::Bool(_))) => out.push_str(&value.to_string()),
            Some(_) | None => return Err(RenderingFailure::Missing(name.to_owned())),
        }
        rest = after;
    }
    out.push_str(rest);
    Ok(out)
}

fn find<'a>(data: &'a Map<String, Value>, name: &str) -> Option<&'a Value> {
    data.get(name).or_else(|| {
        let mut steps = name.split('.');
        let first = data.get(steps.next()?)?;
        steps.try_fold(first, |value, step| value.get(step))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn substitution_is_plain_and_everything_else_fails() {
        let data = data(
            Some(r#"{"a":"default","n":7}"#),
            Some(r#"{"a":"<b>{{n}}","o":{"p":"q"},"e":"","z":null}"#),
        );
        let data = data.unwrap();
        let table = [
            ("x {{a}} y", Some("x <b>{{n}} y")),
            ("{{ n }}{{e}}{{z}}|{{o.p}}", Some("7|q")),
            ("no tag, } and { alone", Some("no tag, } and { alone")),
            ("{{missing}}", None),
            ("{{o}}", None),
            ("{{{a}}}", None),
            ("{{#if a}}x{{/if}}", None),
            ("\\{{a}}", None),
            ("{{a", None),
        ];
        for (template, expected) in table {
            assert_eq!(
                render(template, &data).ok().as_deref(),
                expected,
                "{template}"
            );
        }
        assert_eq!(
            render("{{gone}}", &data),
            Err(RenderingFailure::Missing("gone".to_owned()))
        );
        assert!(super::data(Some("[1]"), None).is_none());
    }
}
