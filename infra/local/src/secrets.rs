//! Secrets Manager on the wire (AWS JSON 1.1): reads only, values made once and kept.
//!
//! Not a safe: the values lie in the platform's state file, for a machine one person uses.

use std::collections::HashMap;
use std::sync::Arc;

use axum::Router;
use axum::body::Bytes;
use axum::extract::State as Shared;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::post;
use ring::rand::{SecureRandom as _, SystemRandom};
use rusqlite::{OptionalExtension as _, params};
use serde_json::{Value, json};

use crate::clock::Clock;
use crate::queues::{ACCOUNT, uuid};
use crate::state::State;

const LETTERS: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";
const PUNCTUATION: &[u8] = b"!\"#$%&'()*+,-./:;<=>?@[\\]^_`{|}~";

/// `GenerateSecretString` of a secret of the template.
#[derive(Clone, Debug)]
pub struct Generate {
    /// `SecretStringTemplate`, a JSON object; without one the string itself is the secret.
    pub template: Option<String>,
    /// `GenerateStringKey`, the member that gets the random string.
    pub key: Option<String>,
    /// `PasswordLength`; AWS's default is 32.
    pub length: usize,
    /// `ExcludePunctuation`.
    pub exclude_punctuation: bool,
}

/// A secret of the template.
#[derive(Clone, Debug)]
pub struct SecretSpec {
    /// Its name; the ARN is made of it.
    pub name: String,
    /// How its value is made on the first start.
    pub generate: Generate,
}

struct Secret {
    name: String,
    arn: String,
    version: String,
    value: String,
    created_at: i64,
}

/// All secrets; cheap to clone.
#[derive(Clone)]
pub struct Secrets(Arc<HashMap<String, Secret>>);

impl Secrets {
    /// Opens the secrets and makes those that have no value yet.
    ///
    /// # Errors
    /// With a text for people when the state file fails or a template is no JSON object.
    pub fn open(
        state: &State,
        clock: &Clock,
        region: &str,
        specs: Vec<SecretSpec>,
    ) -> Result<Self, String> {
        let random = SystemRandom::new();
        state
            .with(|db| {
                db.execute_batch(
                    "CREATE TABLE IF NOT EXISTS secret (name TEXT PRIMARY KEY, suffix TEXT NOT NULL, version TEXT NOT NULL,
                         value TEXT NOT NULL, created_at INTEGER NOT NULL);",
                )
            })
            .map_err(|error| error.to_string())?;
        let mut secrets = HashMap::new();
        for spec in specs {
            let stored = state
                .with(|db| {
                    db.query_row(
                        "SELECT suffix, version, value, created_at FROM secret WHERE name = ?1",
                        [&spec.name],
                        |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?)),
                    )
                    .optional()
                })
                .map_err(|error| error.to_string())?;
            let (suffix, version, value, created_at) = if let Some(stored) = stored {
                stored
            } else {
                let made: (String, String, String, i64) = (
                    characters(&random, LETTERS, 6)?,
                    uuid(&random),
                    generate(&random, &spec.generate)?,
                    clock.now().as_second(),
                );
                state
                    .with(|db| {
                        db.execute(
                            "INSERT INTO secret (name, suffix, version, value, created_at) VALUES (?1, ?2, ?3, ?4, ?5)",
                            params![spec.name, made.0, made.1, made.2, made.3],
                        )
                    })
                    .map_err(|error| error.to_string())?;
                made
            };
            let arn = format!(
                "arn:aws:secretsmanager:{region}:{ACCOUNT}:secret:{}-{suffix}",
                spec.name
            );
            secrets.insert(
                spec.name.clone(),
                Secret {
                    name: spec.name,
                    arn,
                    version,
                    value,
                    created_at,
                },
            );
        }
        Ok(Self(Arc::new(secrets)))
    }

    /// The ARN of a secret, what `Ref` gives in a template.
    pub fn arn(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(|secret| secret.arn.as_str())
    }

    /// The value of a secret.
    pub fn value(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(|secret| secret.value.as_str())
    }

    /// The Secrets Manager endpoint.
    pub fn router(&self) -> Router {
        Router::new()
            .route("/", post(call))
            .with_state(self.clone())
    }

    /// Speaks Secrets Manager to whoever connects, until the listener fails.
    ///
    /// # Errors
    /// When the listener fails.
    pub async fn serve(self, listener: tokio::net::TcpListener) -> std::io::Result<()> {
        axum::serve(listener, self.router()).await
    }

    /// By name, ARN, or ARN without the random suffix.
    fn find(&self, id: &str) -> Option<&Secret> {
        self.0.get(id).or_else(|| {
            self.0.values().find(|secret| {
                secret.arn == id
                    || secret
                        .arn
                        .rsplit_once('-')
                        .is_some_and(|(partial, _)| partial == id)
            })
        })
    }
}

async fn call(Shared(secrets): Shared<Secrets>, headers: HeaderMap, body: Bytes) -> Response {
    let target = headers
        .get("x-amz-target")
        .and_then(|value| value.to_str().ok())
        .unwrap_or_default();
    let input: Value = serde_json::from_slice(&body).unwrap_or_default();
    let found = input["SecretId"].as_str().and_then(|id| secrets.find(id));
    let version_fits = |secret: &Secret| {
        input["VersionStage"]
            .as_str()
            .is_none_or(|stage| stage == "AWSCURRENT")
            && input["VersionId"]
                .as_str()
                .is_none_or(|version| version == secret.version)
    };
    let (status, answer) = match (
        target.strip_prefix("secretsmanager.").unwrap_or_default(),
        found,
    ) {
        ("GetSecretValue", Some(secret)) if version_fits(secret) => (
            StatusCode::OK,
            json!({
                "ARN": secret.arn, "Name": secret.name, "VersionId": secret.version,
                "SecretString": secret.value, "VersionStages": ["AWSCURRENT"], "CreatedDate": secret.created_at,
            }),
        ),
        ("DescribeSecret", Some(secret)) => (
            StatusCode::OK,
            json!({
                "ARN": secret.arn, "Name": secret.name, "CreatedDate": secret.created_at,
                "VersionIdsToStages": { secret.version.as_str(): ["AWSCURRENT"] },
            }),
        ),
        ("GetSecretValue" | "DescribeSecret", _) => (
            StatusCode::BAD_REQUEST,
            json!({ "__type": "ResourceNotFoundException", "Message": "Secrets Manager can't find the specified secret." }),
        ),
        _ => (
            StatusCode::BAD_REQUEST,
            json!({ "__type": "InvalidRequestException", "Message": "not offered here" }),
        ),
    };
    (
        status,
        [(header::CONTENT_TYPE, "application/x-amz-json-1.1")],
        answer.to_string(),
    )
        .into_response()
}

fn generate(random: &SystemRandom, how: &Generate) -> Result<String, String> {
    let alphabet = if how.exclude_punctuation {
        LETTERS.to_vec()
    } else {
        [LETTERS, PUNCTUATION].concat()
    };
    let string = characters(random, &alphabet, how.length)?;
    match (&how.template, &how.key) {
        (Some(template), Some(key)) => {
            let mut object: Value = serde_json::from_str(template).unwrap_or_default();
            let members = object
                .as_object_mut()
                .ok_or("SecretStringTemplate is no JSON object")?;
            members.insert(key.clone(), Value::String(string));
            Ok(object.to_string())
        }
        (None, None) => Ok(string),
        _ => Err("SecretStringTemplate and GenerateStringKey belong together".to_owned()),
    }
}

/// Random characters, each equally likely: bytes beyond the last whole alphabet are dropped.
fn characters(random: &SystemRandom, alphabet: &[u8], length: usize) -> Result<String, String> {
    let fair = 256 - 256 % alphabet.len();
    let mut out = String::with_capacity(length);
    let mut bytes = [0_u8; 64];
    while out.len() < length {
        random
            .fill(&mut bytes)
            .map_err(|_| "the system gives no random bytes")?;
        let fair = bytes
            .iter()
            .map(|byte| usize::from(*byte))
            .filter(|byte| *byte < fair);
        let wanted = length - out.len();
        out.extend(
            fair.take(wanted)
                .map(|byte| char::from(alphabet[byte % alphabet.len()])),
        );
    }
    Ok(out)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::trial;

    fn open(folder: &trial::Folder) -> Secrets {
        let state = State::open(&folder.path().join("state.sqlite")).unwrap();
        let clock = Clock::open(&state).unwrap();
        let generate = Generate {
            template: Some("{}".to_owned()),
            key: Some("1".to_owned()),
            length: 64,
            exclude_punctuation: true,
        };
        Secrets::open(
            &state,
            &clock,
            "eu-central-1",
            vec![SecretSpec {
                name: "Platform".to_owned(),
                generate,
            }],
        )
        .unwrap()
    }

    #[tokio::test]
    async fn a_secret_is_made_once_and_read_by_name_and_arn() {
        let folder = trial::Folder::new("secrets");
        let secrets = open(&folder);
        let (listener, origin) = trial::listener().await;
        tokio::spawn(secrets.clone().serve(listener));
        let config = aws_sdk_secretsmanager::Config::builder()
            .behavior_version(aws_sdk_secretsmanager::config::BehaviorVersion::latest())
            .region(aws_sdk_secretsmanager::config::Region::new("eu-central-1"))
            .credentials_provider(trial::credentials())
            .http_client(aws_smithy_http_client::Builder::new().build_http())
            .endpoint_url(origin)
            .build();
        let client = aws_sdk_secretsmanager::Client::from_conf(config);
        let arn = secrets.arn("Platform").unwrap();
        let by_arn = client
            .get_secret_value()
            .secret_id(arn)
            .send()
            .await
            .unwrap();
        let value: Value = serde_json::from_str(by_arn.secret_string().unwrap()).unwrap();
        assert_eq!(value["1"].as_str().unwrap().len(), 64);
        assert!(
            value["1"]
                .as_str()
                .unwrap()
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric())
        );
        let described = client
            .describe_secret()
            .secret_id("Platform")
            .send()
            .await
            .unwrap();
        assert_eq!(described.arn(), Some(arn));
        let missing = client
            .get_secret_value()
            .secret_id("Nothing")
            .send()
            .await
            .unwrap_err();
        assert!(
            missing
                .into_service_error()
                .is_resource_not_found_exception()
        );
        assert_eq!(
            open(&folder).value("Platform"),
            by_arn.secret_string(),
            "the same after a restart"
        );
        assert_eq!(open(&folder).arn("Platform"), Some(arn));
    }
}
