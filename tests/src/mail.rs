//! A mail as the inbox shows it.

use serde::Deserialize;
use serde_json::Value;

/// A mail.
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub struct Mail {
    /// Rises with each mail.
    pub id: String,
    /// By the platform's clock.
    pub received_at: jiff::Timestamp,
    /// Name and address of the sender.
    pub from: String,
    /// The bare address.
    pub to: String,
    /// The subject, decoded.
    pub subject: String,
    /// All header lines, unfolded.
    pub headers: Vec<(String, String)>,
    /// The text part.
    #[serde(default)]
    pub text: Option<String>,
    /// The HTML part.
    #[serde(default)]
    pub html: Option<String>,
    /// The message, with CRLF.
    pub raw: String,
    /// The tags that SES got with it.
    #[serde(default)]
    pub tags: Value,
}

impl Mail {
    /// All values of a header.
    pub fn header(&self, name: &str) -> Vec<&str> {
        self.headers
            .iter()
            .filter(|(known, _)| known.eq_ignore_ascii_case(name))
            .map(|(_, value)| value.as_str())
            .collect()
    }

    /// The text part.
    #[track_caller]
    pub fn text(&self) -> &str {
        self.text.as_deref().expect("a text part")
    }

    /// Every web address in text and `List-Unsubscribe`, in order.
    pub fn links(&self) -> Vec<String> {
        let mut links = Vec::new();
        let unsubscribe = self.header("List-Unsubscribe").join(" ");
        for text in [self.text.as_deref().unwrap_or_default(), &unsubscribe] {
            for (at, _) in text.match_indices("http") {
                let link: String = text[at..]
                    .chars()
                    .take_while(|c| !c.is_whitespace() && !"<>\"'".contains(*c))
                    .collect();
                if link.contains("://") && !links.contains(&link) {
                    links.push(link);
                }
            }
        }
        links
    }

    /// The path of the one link to `confirm`, `unsubscribe`, ...
    #[track_caller]
    pub fn path(&self, action: &str) -> String {
        let middle = format!("/{action}/");
        let paths: Vec<String> = self
            .links()
            .iter()
            .filter_map(|link| Some(format!("{middle}{}", link.split_once(&middle)?.1)))
            .collect();
        match &paths[..] {
            [path] => path.clone(),
            _ => panic!("{} links to {action}", paths.len()),
        }
    }

    /// The token of that link.
    #[track_caller]
    pub fn token(&self, action: &str) -> String {
        self.path(action)[action.len() + 2..].to_owned()
    }

    /// The text part with addresses and tokens masked, for snapshots.
    pub fn masked_text(&self, base: &str) -> String {
        let mut text = self.text.clone().unwrap_or_default();
        for link in self.links() {
            let path = link.trim_start_matches(base);
            let action = path.split('/').nth(1).unwrap_or_default();
            if link.starts_with(base) {
                text = text.replace(&link, &format!("[api]/{action}/[token]"));
            }
        }
        text
    }
}
