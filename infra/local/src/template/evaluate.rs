//! The intrinsic functions of the subset: `Ref`, `GetAtt`, `Sub`, `If`, `Equals`.
//!
//! Turns the tree into one without calls. What a reference yields is what this platform hands
//! out (its queue URLs, its API's address), not what AWS would.

use std::collections::BTreeMap;

use super::node::{Node, Value};
use super::{Handout, TemplateError};

/// Deeper than any sensible template; a value that refers to itself ends here.
const MAX_DEPTH: usize = 40;

/// The API's id, as `!Ref` of the HTTP API gives it.
const API_ID: &str = "local";

/// Everything a reference can point to.
pub(super) struct Scope<'a> {
    handout: &'a Handout,
    parameters: BTreeMap<String, Node>,
    conditions: BTreeMap<String, bool>,
    resources: BTreeMap<String, Node>,
}

impl<'a> Scope<'a> {
    /// Reads parameters, conditions and the resources' names.
    pub(super) fn new(root: &Node, handout: &'a Handout) -> Result<Self, TemplateError> {
        let mut scope = Self {
            handout,
            parameters: BTreeMap::new(),
            conditions: BTreeMap::new(),
            resources: BTreeMap::new(),
        };
        if let Some(parameters) = root.get("Parameters") {
            for (name, parameter) in parameters.entries()? {
                let value = match (handout.parameters.get(name), parameter.get("Default")) {
                    (Some(value), _) => Node::text(parameter.line, value),
                    (None, Some(default)) => default.clone(),
                    (None, None) => {
                        return parameter.refuse(format!("parameter `{name}` has no default"));
                    }
                };
                scope.parameters.insert(name.clone(), value);
            }
        }
        if let Some(conditions) = root.get("Conditions") {
            for (name, condition) in conditions.entries()? {
                let holds = scope.equals(condition)?;
                scope.conditions.insert(name.clone(), holds);
            }
        }
        for (name, resource) in root.require("Resources")?.entries()? {
            let exists = match resource.get("Condition") {
                Some(condition) => scope.condition(condition)?,
                None => true,
            };
            if exists {
                scope.resources.insert(name.clone(), resource.clone());
            }
        }
        Ok(scope)
    }

    /// The resources whose condition holds.
    pub(super) fn resources(&self) -> impl Iterator<Item = (&String, &Node)> {
        self.resources.iter()
    }

    /// The same tree without calls; entries that are `AWS::NoValue` are gone.
    pub(super) fn resolve(&self, node: &Node) -> Result<Node, TemplateError> {
        self.resolve_at(node, 0)
    }

    fn resolve_at(&self, node: &Node, depth: usize) -> Result<Node, TemplateError> {
        if depth > MAX_DEPTH {
            return node.refuse("the value refers to itself or is nested too deeply");
        }
        let kept = |node: &Node| !matches!(node.value, Value::Nothing);
        let value = match &node.value {
            Value::Scalar { .. } | Value::Nothing => return Ok(node.clone()),
            Value::List(items) => {
                let items: Result<Vec<_>, _> = items
                    .iter()
                    .map(|item| self.resolve_at(item, depth + 1))
                    .collect();
                Value::List(items?.into_iter().filter(kept).collect())
            }
            Value::Map(entries) => {
                let mut resolved = Vec::with_capacity(entries.len());
                for (key, entry) in entries {
                    let entry = self.resolve_at(entry, depth + 1)?;
                    if kept(&entry) {
                        resolved.push((key.clone(), entry));
                    }
                }
                Value::Map(resolved)
            }
            Value::Call { name, argument } => {
                let mut result = self.call(name, node, argument, depth + 1)?;
                result.line = node.line;
                return Ok(result);
            }
        };
        Ok(Node {
            line: node.line,
            value,
        })
    }

    fn call(
        &self,
        name: &str,
        node: &Node,
        argument: &Node,
        depth: usize,
    ) -> Result<Node, TemplateError> {
        match name {
            "Ref" => self.reference(argument, argument.str()?, depth),
            "GetAtt" => {
                let path = match &argument.value {
                    Value::List(parts) => {
                        parts.iter().map(Node::str).collect::<Result<Vec<_>, _>>()?.join(".")
                    }
                    _ => argument.str()?.to_owned(),
                };
                match path.split_once('.') {
                    Some((resource, attribute)) => self.attribute(argument, resource, attribute, depth),
                    None => argument.refuse(format!("`{path}` is not of the form Resource.Attribute")),
                }
            }
            "Sub" => self.substitute(argument, depth),
            "If" => match argument.items()? {
                [condition, then, otherwise] => {
                    let branch = if self.condition(condition)? { then } else { otherwise };
                    self.resolve_at(branch, depth)
                }
                _ => argument.refuse("`If` takes a condition and two values"),
            },
            other => node.refuse(format!(
                "the intrinsic function `{other}` is not in the subset (Ref, GetAtt, Sub, If, Equals)"
            )),
        }
    }

    fn equals(&self, node: &Node) -> Result<bool, TemplateError> {
        let Value::Call { name, argument } = &node.value else {
            return node.refuse("a condition must be an `Equals`");
        };
        match (name.as_str(), argument.items()?) {
            ("Equals", [left, right]) => {
                let (left, right) = (self.resolve(left)?, self.resolve(right)?);
                Ok(left.str()? == right.str()?)
            }
            ("Equals", _) => argument.refuse("`Equals` takes two values"),
            (other, _) => node.refuse(format!("a condition must be an `Equals`, not `{other}`")),
        }
    }

    fn condition(&self, node: &Node) -> Result<bool, TemplateError> {
        let name = node.str()?;
        match self.conditions.get(name) {
            Some(holds) => Ok(*holds),
            None => node.refuse(format!("there is no condition `{name}`")),
        }
    }

    fn reference(&self, at: &Node, name: &str, depth: usize) -> Result<Node, TemplateError> {
        let handout = self.handout;
        let text = match name {
            "AWS::NoValue" => {
                return Ok(Node {
                    line: at.line,
                    value: Value::Nothing,
                });
            }
            "AWS::Region" => handout.region.clone(),
            "AWS::AccountId" => handout.account.clone(),
            "AWS::Partition" => "aws".to_owned(),
            "AWS::URLSuffix" => "amazonaws.com".to_owned(),
            "AWS::StackName" => handout.stack.clone(),
            _ => {
                if let Some(value) = self.parameters.get(name) {
                    return Ok(value.clone());
                }
                let kind = self.kind(at, name)?;
                let physical = self.physical_name(name, kind, depth)?;
                match kind {
                    "AWS::SQS::Queue" => handout.queue_url(&physical),
                    "AWS::SecretsManager::Secret" => handout.secret_arn(&physical),
                    "AWS::Serverless::HttpApi" => API_ID.to_owned(),
                    _ => physical,
                }
            }
        };
        Ok(Node::text(at.line, text))
    }

    fn attribute(
        &self,
        at: &Node,
        name: &str,
        attribute: &str,
        depth: usize,
    ) -> Result<Node, TemplateError> {
        let kind = self.kind(at, name)?;
        let physical = self.physical_name(name, kind, depth)?;
        let handout = self.handout;
        let text = match (kind, attribute) {
            ("AWS::SQS::Queue", "Arn") => handout.arn("sqs", &physical),
            ("AWS::SQS::Queue", "QueueName") => physical,
            ("AWS::SQS::Queue", "QueueUrl") => handout.queue_url(&physical),
            ("AWS::Serverless::HttpApi", "ApiEndpoint") => handout.api.clone(),
            ("AWS::S3::Bucket", "Arn") => format!("arn:aws:s3:::{physical}"),
            ("AWS::SecretsManager::Secret", "Id") => handout.secret_arn(&physical),
            ("AWS::DynamoDB::GlobalTable", "Arn") => {
                handout.arn("dynamodb", &format!("table/{physical}"))
            }
            ("AWS::Serverless::Function", "Arn") => {
                handout.arn("lambda", &format!("function:{physical}"))
            }
            ("AWS::Events::Rule", "Arn") => handout.arn("events", &format!("rule/{physical}")),
            ("AWS::IAM::Role", "Arn") => {
                format!("arn:aws:iam::{}:role/{physical}", handout.account)
            }
            // Of what is left out here nobody asks more than a name.
            (kind, "Arn" | "KeyId" | "TopicArn") if super::IGNORED_TYPES.contains(&kind) => {
                handout.arn("local", &physical)
            }
            _ => {
                return at.refuse(format!(
                    "`GetAtt {name}.{attribute}` ({kind}) is not in the subset"
                ));
            }
        };
        Ok(Node::text(at.line, text))
    }

    fn kind(&self, at: &Node, name: &str) -> Result<&str, TemplateError> {
        match self.resources.get(name) {
            Some(resource) => resource.require("Type")?.str(),
            None => at.refuse(format!("there is no resource or parameter `{name}`")),
        }
    }

    /// The name a resource has here: the stated one, or one made of stack and logical id.
    pub(super) fn physical_name(
        &self,
        logical: &str,
        kind: &str,
        depth: usize,
    ) -> Result<String, TemplateError> {
        let key = match kind {
            "AWS::SQS::Queue" => "QueueName",
            "AWS::DynamoDB::GlobalTable" => "TableName",
            "AWS::S3::Bucket" => "BucketName",
            "AWS::Serverless::Function" => "FunctionName",
            "AWS::IAM::Role" => "RoleName",
            _ => "Name",
        };
        let stated = self
            .resources
            .get(logical)
            .and_then(|resource| resource.get("Properties")?.get(key));
        if let Some(stated) = stated {
            let stated = self.resolve_at(stated, depth + 1)?;
            if !matches!(stated.value, Value::Nothing) {
                return stated.str().map(str::to_owned);
            }
        }
        let made = format!("{}-{logical}", self.handout.stack);
        // Bucket names are lower-case (Amazon S3 user guide, "General purpose bucket naming rules").
        Ok(if kind == "AWS::S3::Bucket" {
            made.to_lowercase()
        } else {
            made
        })
    }

    fn substitute(&self, argument: &Node, depth: usize) -> Result<Node, TemplateError> {
        let (text, names) = match &argument.value {
            Value::List(items) => match items.as_slice() {
                [text, names] => (text.str()?, Some(names)),
                _ => return argument.refuse("`Sub` takes a text, or a text and a mapping"),
            },
            _ => (argument.str()?, None),
        };
        let mut result = String::new();
        let mut rest = text;
        while let Some((before, after)) = rest.split_once("${") {
            result.push_str(before);
            let Some((name, after)) = after.split_once('}') else {
                return argument.refuse("`Sub` has a `${` without `}`");
            };
            rest = after;
            if let Some(literal) = name.strip_prefix('!') {
                result.extend(["${", literal, "}"]);
                continue;
            }
            let value = if let Some(node) = names.and_then(|names| names.get(name)) {
                self.resolve_at(node, depth)?
            } else if let Some((resource, attribute)) = name.split_once('.') {
                self.attribute(argument, resource, attribute, depth)?
            } else {
                self.reference(argument, name, depth)?
            };
            result.push_str(value.str()?);
        }
        result.push_str(rest);
        // The address that AWS would give the API, written out by hand.
        let aws = format!(
            "https://{API_ID}.execute-api.{}.amazonaws.com",
            self.handout.region
        );
        Ok(Node::text(
            argument.line,
            result.replace(&aws, &self.handout.api),
        ))
    }
}
