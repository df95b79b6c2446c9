//! What the platform answered, and what a test expects of it.
//!
//! Every call states the status that it expects.

use serde_json::Value;

/// An HTTP answer, read to its end.
#[derive(Clone, PartialEq, Eq)]
pub struct Answer {
    /// The status.
    pub status: u16,
    /// Names in lower case and values, in the order they came; without `date`.
    pub headers: Vec<(String, String)>,
    /// The body.
    pub body: Vec<u8>,
}

impl std::fmt::Debug for Answer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        writeln!(f, "{}", self.status)?;
        for (name, value) in &self.headers {
            writeln!(f, "{name}: {value}")?;
        }
        writeln!(f, "\n{}", String::from_utf8_lossy(&self.body))
    }
}

impl Answer {
    /// The value of a header, if it is there.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers
            .iter()
            .find(|(known, _)| known == name)
            .map(|(_, value)| value.as_str())
    }

    /// The body as text.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    /// The body as JSON.
    #[track_caller]
    pub fn json(&self) -> Value {
        match serde_json::from_slice(&self.body) {
            Ok(value) => value,
            Err(error) => panic!("no JSON ({error}): {self:?}"),
        }
    }

    /// Expects a status.
    #[track_caller]
    pub fn expect(self, status: u16) -> Self {
        assert_eq!(self.status, status, "{self:?}");
        self
    }

    /// Expects what every accepted sign-up is answered with: a redirect for browsers, `202` for
    /// scripts.
    #[track_caller]
    pub fn expect_accepted(self) -> Self {
        match self.status {
            303 => assert!(self.header("location").is_some(), "{self:?}"),
            202 => assert_eq!(self.json(), serde_json::json!({"status": "accepted"})),
            _ => panic!("not accepted: {self:?}"),
        }
        self
    }

    /// Expects a problem with this status and, where one is given, this code.
    #[track_caller]
    pub fn expect_problem(self, status: u16, code: &str) -> Self {
        let answer = self.expect(status);
        assert_eq!(answer.json()["code"], code, "{answer:?}");
        answer
    }

    /// Expects a page of ours: HTML, not cached, its address not passed on, nothing from
    /// elsewhere (M-34).
    #[track_caller]
    pub fn expect_page(self, status: u16) -> Self {
        let answer = self.expect(status);
        assert_eq!(
            answer.header("content-type"),
            Some("text/html; charset=utf-8")
        );
        assert_eq!(answer.header("cache-control"), Some("no-store"));
        assert_eq!(answer.header("referrer-policy"), Some("no-referrer"));
        assert_eq!(answer.header("set-cookie"), None);
        for elsewhere in ["src=", "<script", "<link", "url(", "@import"] {
            assert!(
                !answer.text().contains(elsewhere),
                "{elsewhere}: {answer:?}"
            );
        }
        answer
    }
}
