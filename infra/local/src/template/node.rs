//! The template as a tree whose every node knows its line.
//!
//! Knows YAML and the two spellings of an intrinsic function; not what any of them means.

use saphyr_parser::{Event, Parser, ScalarStyle, StrInput};
use serde_json::{Map, Value as Json};

use super::TemplateError;

/// A piece of the template.
#[derive(Debug, Clone)]
pub(super) struct Node {
    pub(super) line: usize,
    pub(super) value: Value,
}

#[derive(Debug, Clone)]
pub(super) enum Value {
    /// A plain or quoted scalar; `quoted` ones are strings whatever they look like.
    Scalar {
        text: String,
        quoted: bool,
    },
    List(Vec<Node>),
    Map(Vec<(String, Node)>),
    /// `!Name argument` or `{"Fn::Name": argument}`; the name without `Fn::`.
    Call {
        name: String,
        argument: Box<Node>,
    },
    /// What `!Ref AWS::NoValue` leaves behind: as if the property were not there.
    Nothing,
}

impl Node {
    pub(super) fn text(line: usize, text: impl Into<String>) -> Self {
        Self {
            line,
            value: Value::Scalar {
                text: text.into(),
                quoted: true,
            },
        }
    }

    pub(super) fn refuse<T>(&self, what: impl Into<String>) -> Result<T, TemplateError> {
        Err(TemplateError {
            line: self.line,
            what: what.into(),
        })
    }

    /// The entries of a mapping.
    pub(super) fn entries(&self) -> Result<&[(String, Self)], TemplateError> {
        match &self.value {
            Value::Map(entries) => Ok(entries),
            _ => self.refuse("a mapping is expected here"),
        }
    }

    pub(super) fn items(&self) -> Result<&[Self], TemplateError> {
        match &self.value {
            Value::List(items) => Ok(items),
            _ => self.refuse("a list is expected here"),
        }
    }

    pub(super) fn get(&self, key: &str) -> Option<&Self> {
        match &self.value {
            Value::Map(entries) => entries
                .iter()
                .find(|(name, _)| name == key)
                .map(|(_, node)| node),
            _ => None,
        }
    }

    pub(super) fn require(&self, key: &str) -> Result<&Self, TemplateError> {
        match self.get(key) {
            Some(node) => Ok(node),
            None => self.refuse(format!("`{key}` is missing")),
        }
    }

    pub(super) fn str(&self) -> Result<&str, TemplateError> {
        match &self.value {
            Value::Scalar { text, .. } => Ok(text),
            _ => self.refuse("a text is expected here"),
        }
    }

    pub(super) fn str_of(&self, key: &str) -> Result<String, TemplateError> {
        self.require(key)?.str().map(str::to_owned)
    }

    pub(super) fn number(&self) -> Result<u32, TemplateError> {
        match self.str()?.parse() {
            Ok(number) => Ok(number),
            Err(_) => self.refuse("a whole number is expected here"),
        }
    }

    pub(super) fn number_of(&self, key: &str, default: u32) -> Result<u32, TemplateError> {
        self.get(key).map_or(Ok(default), Self::number)
    }

    /// Refuses every key that is not in `known`.
    pub(super) fn only(&self, place: &str, known: &[&str]) -> Result<(), TemplateError> {
        for (key, node) in self.entries()? {
            if !known.contains(&key.as_str()) {
                return node.refuse(format!(
                    "`{key}` of {place} is not in the subset that the platform reads"
                ));
            }
        }
        Ok(())
    }

    /// The node as JSON, for what is handed on as JSON (event patterns, key schemas).
    pub(super) fn json(&self) -> Json {
        match &self.value {
            Value::Scalar { text, quoted } => scalar_json(text, *quoted),
            Value::List(items) => Json::Array(items.iter().map(Self::json).collect()),
            Value::Map(entries) => Json::Object(
                entries
                    .iter()
                    .map(|(key, node)| (key.clone(), node.json()))
                    .collect::<Map<_, _>>(),
            ),
            Value::Call { .. } | Value::Nothing => Json::Null,
        }
    }
}

fn scalar_json(text: &str, quoted: bool) -> Json {
    if quoted {
        return Json::String(text.to_owned());
    }
    match text {
        "true" => Json::Bool(true),
        "false" => Json::Bool(false),
        "null" | "~" | "" => Json::Null,
        other => other
            .parse::<i64>()
            .map_or_else(|_| Json::String(other.to_owned()), Json::from),
    }
}

/// Reads the YAML text into the tree.
pub(super) fn parse(source: &str) -> Result<Node, TemplateError> {
    let mut events = Events {
        parser: Parser::new_from_str(source),
    };
    let mut root = None;
    while let Some((event, line)) = events.next()? {
        match event {
            Event::StreamStart
            | Event::StreamEnd
            | Event::DocumentStart(_)
            | Event::DocumentEnd
            | Event::Nothing => {}
            other if root.is_none() => root = Some(events.node(other, line)?),
            _ => {
                return Err(TemplateError {
                    line,
                    what: "exactly one YAML document is expected".to_owned(),
                });
            }
        }
    }
    root.ok_or_else(|| TemplateError {
        line: 1,
        what: "the template is empty".to_owned(),
    })
}

/// The parser's events, each with its line.
///
/// The events and not `saphyr`'s tree, because that tree forgets the tag of a scalar (`!Ref X`).
struct Events<'a> {
    parser: Parser<'a, StrInput<'a>>,
}

impl<'a> Events<'a> {
    fn next(&mut self) -> Result<Option<(Event<'a>, usize)>, TemplateError> {
        match self.parser.next() {
            None => Ok(None),
            Some(Ok((event, span))) => Ok(Some((event, span.start.line()))),
            Some(Err(error)) => Err(TemplateError {
                line: error.marker().line(),
                what: format!("not valid YAML: {}", error.info()),
            }),
        }
    }

    fn more(&mut self, line: usize) -> Result<(Event<'a>, usize), TemplateError> {
        self.next()?.ok_or_else(|| TemplateError {
            line,
            what: "the template ends too early".to_owned(),
        })
    }

    fn node(&mut self, event: Event<'a>, line: usize) -> Result<Node, TemplateError> {
        let (value, tag) = match event {
            Event::Scalar(text, style, _, tag) => (
                Value::Scalar {
                    text: text.into_owned(),
                    quoted: style != ScalarStyle::Plain,
                },
                tag,
            ),
            Event::SequenceStart(_, tag) => {
                let mut items = Vec::new();
                loop {
                    match self.more(line)? {
                        (Event::SequenceEnd, _) => break,
                        (event, line) => items.push(self.node(event, line)?),
                    }
                }
                (Value::List(items), tag)
            }
            Event::MappingStart(_, tag) => {
                let entries = self.entries(line)?;
                (
                    if tag.is_some() {
                        Value::Map(entries)
                    } else {
                        long_form(entries)
                    },
                    tag,
                )
            }
            _ => {
                return Err(TemplateError {
                    line,
                    what: "YAML anchors and aliases are not in the subset".to_owned(),
                });
            }
        };
        let node = Node { line, value };
        Ok(match tag.filter(|tag| !tag.is_yaml_core_schema()) {
            None => node,
            Some(tag) => Node {
                line,
                value: call(&tag.suffix, node),
            },
        })
    }

    fn entries(&mut self, line: usize) -> Result<Vec<(String, Node)>, TemplateError> {
        let mut entries: Vec<(String, Node)> = Vec::new();
        loop {
            let (event, line) = self.more(line)?;
            if event == Event::MappingEnd {
                return Ok(entries);
            }
            let key = self.node(event, line)?.str()?.to_owned();
            if entries.iter().any(|(known, _)| *known == key) {
                return Err(TemplateError {
                    line,
                    what: format!("`{key}` stands here twice"),
                });
            }
            let (event, value_line) = self.more(line)?;
            let mut node = self.node(event, value_line)?;
            // An error about an entry names the line of its key.
            node.line = line;
            entries.push((key, node));
        }
    }
}

fn call(name: &str, argument: Node) -> Value {
    Value::Call {
        name: name.to_owned(),
        argument: Box::new(argument),
    }
}

fn long_form(mut entries: Vec<(String, Node)>) -> Value {
    let is_call =
        matches!(entries.as_slice(), [(key, _)] if key == "Ref" || key.starts_with("Fn::"));
    match is_call.then(|| entries.pop()).flatten() {
        Some((key, argument)) => call(key.trim_start_matches("Fn::"), argument),
        None => Value::Map(entries),
    }
}
