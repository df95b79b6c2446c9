//! Names in a template that no mail has a value for: `{{ subscriber.frist_name }}`.
//!
//! Asked when a template is saved. A mail that is rendered takes an unknown name for nothing, so a
//! campaign goes on when a declared field is deleted meanwhile.

use std::collections::BTreeSet;

use super::{Part, TemplateSource, add, environment};
use crate::setup::BUILT_IN_FIELDS;

/// A name that no mail has a value for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UnknownName {
    /// Where it stands.
    pub part: Part,
    /// The name with what it is asked for: `foo.bar`.
    pub name: String,
}

impl TemplateSource {
    /// The unknown names of each part, where `is_declared` says which fields the account has
    /// declared. A part that does not compile has none: that is another error.
    pub fn unknown_names(&self, is_declared: impl Fn(&str) -> bool) -> Vec<UnknownName> {
        let parts = [
            (Part::Subject, Some(&self.subject)),
            (Part::Html, Some(&self.html)),
            (Part::Text, self.text.as_ref()),
        ];
        let mut unknown = Vec::new();
        for (part, source) in parts {
            let Some(source) = source else { continue };
            let names = names(part, source);
            unknown.extend(
                names
                    .into_iter()
                    .filter(|name| !is_known(name, &is_declared))
                    .map(|name| UnknownName { part, name }),
            );
        }
        unknown
    }
}

/// The names that a part takes from outside, in order.
fn names(part: Part, source: &str) -> BTreeSet<String> {
    let mut environment = environment();
    if add(&mut environment, part, source.to_owned()).is_err() {
        return BTreeSet::new();
    }
    let Ok(template) = environment.get_template(part.name()) else {
        return BTreeSet::new();
    };
    let functions: BTreeSet<&str> = environment.globals().map(|(name, _)| name).collect();
    let own = assigned(source);
    template
        .undeclared_variables(true)
        .into_iter()
        .filter(|name| {
            let root = name.split('.').next().unwrap_or_default();
            !functions.contains(root) && !own.contains(root)
        })
        .collect()
}

fn is_known(name: &str, is_declared: &impl Fn(&str) -> bool) -> bool {
    let path: Vec<&str> = name.split('.').collect();
    match path.as_slice() {
        ["unsubscribe_url" | "preferences_url" | "imprint" | "subscriber"]
        | ["subscriber", "email" | "fields"] => true,
        ["subscriber", field] => BUILT_IN_FIELDS.contains(field),
        ["subscriber", "fields", key] => is_declared(key),
        _ => false,
    }
}

/// What the template sets itself, in any branch: the engine's own list takes a value that was set
/// within `{% if %}` for unknown behind it.
fn assigned(source: &str) -> BTreeSet<&str> {
    source
        .split("{%")
        .skip(1)
        .filter_map(|tag| {
            let tag = tag.trim_start_matches(['-', '+']).trim_start();
            let target = tag.strip_prefix("set")?;
            target.starts_with(char::is_whitespace).then_some(target)
        })
        .filter_map(|target| target.split(['=', '%', '|']).next())
        .flat_map(|targets| targets.split([',', '(', ')']))
        .map(str::trim)
        .filter(|name| !name.is_empty())
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_that_no_mail_has_is_found_in_its_part() {
        for (html, unknown) in [
            ("{{ foo.bar }} {{ foo.bar }}", &["foo.bar"][..]),
            ("{{ b }}{% if a.c %}x{% endif %}", &["a.c", "b"]),
            ("{{ subscriber.unknown }}", &["subscriber.unknown"]),
            (
                "{{ subscriber.first_name.x }}",
                &["subscriber.first_name.x"],
            ),
            ("{{ subscriber.fields.size }}", &[]),
            (
                "{{ subscriber.fields.colour }}",
                &["subscriber.fields.colour"],
            ),
            ("{{ subscriber.fields['colour'] }}", &[]),
            ("{{ imprint.x }}", &["imprint.x"]),
            ("{{ Subscriber.email }}", &["Subscriber.email"]),
            ("{{ name|default(other) }}", &["name", "other"]),
            (
                "{{ subscriber.email }}{{ subscriber.salutation|upper }}{{ imprint }}{{ unsubscribe_url }}{{ preferences_url }}",
                &[],
            ),
            (
                "{% for n in range(3) %}{{ loop.index }}{{ n }}{% endfor %}",
                &[],
            ),
            (
                "{%- if imprint -%}{%- set greeting = 'Hi' -%}{% else %}{% set greeting = 'Ho' %}{% endif %}{{ greeting }}",
                &[],
            ),
            ("{% set a, b = [1, 2] %}{{ a }}{{ b }}", &[]),
            (
                "{% macro m(x) %}{{ x }}{{ y }}{% endmacro %}{{ m(1) }}",
                &["y"],
            ),
            ("{# {{ foo }} #}{% raw %}{{ foo }}{% endraw %}", &[]),
            ("{{ foo", &[]),
        ] {
            let source = TemplateSource {
                subject: "{{ imprint }}".to_owned(),
                html: html.to_owned(),
                text: None,
            };
            let found = source.unknown_names(|key| key == "size");
            let names: Vec<&str> = found.iter().map(|found| found.name.as_str()).collect();
            assert_eq!(names, unknown, "{html}");
            assert!(found.iter().all(|found| found.part == Part::Html), "{html}");
        }
    }

    #[test]
    fn each_part_is_looked_at() {
        let source = TemplateSource {
            subject: "{{ a }}".to_owned(),
            html: "{{ b }}".to_owned(),
            text: Some("{{ c }}".to_owned()),
        };
        let found = source.unknown_names(|_| true);
        let parts: Vec<(&str, &str)> = found
            .iter()
            .map(|found| (found.part.name(), found.name.as_str()))
            .collect();
        assert_eq!(parts, [("subject", "a"), ("html", "b"), ("text", "c")]);
    }
}
