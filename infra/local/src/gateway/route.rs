//! Which function a request belongs to: path templates with `{name}` and `{name+}`, and `$default`.
//!
//! Knows methods and paths only.

use std::collections::BTreeMap;

use percent_encoding::percent_decode_str;

use crate::template::Stack;

/// The route for what no other route takes (API Gateway developer guide, "Create routes for HTTP
/// APIs").
pub(crate) const DEFAULT_ROUTE: &str = "$default";

/// What `ANY` stands for; of other methods no route is known.
const METHODS: [&str; 7] = ["DELETE", "GET", "HEAD", "OPTIONS", "PATCH", "POST", "PUT"];

/// All routes of the API.
pub(super) struct Routes(Vec<Entry>);

struct Entry {
    method: String,
    path: String,
    function: String,
}

/// A request's route.
pub(super) struct Found<'a> {
    pub(super) function: &'a str,
    /// `POST /signup/{account}/{setup}`, as the route is written.
    pub(super) route_key: String,
    /// Decoded values of the path's parameters.
    pub(super) parameters: BTreeMap<String, String>,
}

/// How exactly a segment matched; the earlier, the more specific.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Fit {
    Literal,
    Parameter,
    Greedy,
    Default,
}

impl Routes {
    pub(super) fn new(stack: &Stack) -> Self {
        let mut entries = Vec::new();
        for (name, function) in &stack.functions {
            entries.extend(function.routes.iter().map(|route| Entry {
                method: route.method.clone(),
                path: route.path.clone(),
                function: name.clone(),
            }));
        }
        Self(entries)
    }

    /// The most specific route: literal before parameter before greedy, segment by segment, then
    /// a named method before `ANY` (API Gateway developer guide, "Routing API requests").
    pub(super) fn find(&self, method: &str, path: &str) -> Option<Found<'_>> {
        self.0
            .iter()
            .filter(|entry| {
                entry.method == method || (entry.method == "ANY" && METHODS.contains(&method))
            })
            .filter_map(|entry| Some((matches(&entry.path, path)?, entry)))
            .min_by(|((left, _), a), ((right, _), b)| {
                left.cmp(right)
                    .then((a.method == "ANY").cmp(&(b.method == "ANY")))
            })
            .map(|((_, parameters), entry)| Found {
                function: &entry.function,
                route_key: match entry.path.as_str() {
                    DEFAULT_ROUTE => DEFAULT_ROUTE.to_owned(),
                    path => format!("{} {path}", entry.method),
                },
                parameters,
            })
    }

    pub(super) fn overview(&self) -> Vec<(String, String, String)> {
        let of = |entry: &Entry| {
            (
                entry.method.clone(),
                entry.path.clone(),
                entry.function.clone(),
            )
        };
        self.0.iter().map(of).collect()
    }
}

fn matches(template: &str, path: &str) -> Option<(Vec<Fit>, BTreeMap<String, String>)> {
    if template == DEFAULT_ROUTE {
        return Some((vec![Fit::Default], BTreeMap::new()));
    }
    let mut segments = path.strip_prefix('/')?.split('/');
    let mut fits = Vec::new();
    let mut parameters = BTreeMap::new();
    for part in template.trim_start_matches('/').split('/') {
        let segment = segments.next()?;
        let Some(name) = part
            .strip_prefix('{')
            .and_then(|part| part.strip_suffix('}'))
        else {
            fits.push(Fit::Literal);
            if part != segment {
                return None;
            }
            continue;
        };
        if segment.is_empty() {
            return None;
        }
        if let Some(name) = name.strip_suffix('+') {
            let rest: Vec<&str> = std::iter::once(segment).chain(segments.by_ref()).collect();
            parameters.insert(name.to_owned(), decode(&rest.join("/")));
            fits.push(Fit::Greedy);
        } else {
            parameters.insert(name.to_owned(), decode(segment));
            fits.push(Fit::Parameter);
        }
    }
    segments.next().is_none().then_some((fits, parameters))
}

fn decode(text: &str) -> String {
    percent_decode_str(text).decode_utf8_lossy().into_owned()
}
