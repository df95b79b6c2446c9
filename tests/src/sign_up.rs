//! A visitor fills in a form: what is typed, how it is encoded, from where it comes.

use std::net::IpAddr;

use crate::answer::Answer;
use crate::world::World;

/// How a form travels.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Encoding {
    /// What browsers do.
    UrlEncoded,
    /// What browsers do when told so, or for files.
    Multipart,
    /// What scripts do.
    Json,
}

/// A form that is being filled in.
#[must_use = "a form does nothing until it is sent"]
pub struct SignUp<'a> {
    world: &'a World,
    path: String,
    pairs: Vec<(String, String)>,
    encoding: Encoding,
    headers: Vec<(String, String)>,
    from: IpAddr,
}

impl<'a> SignUp<'a> {
    pub(crate) fn new(world: &'a World, path: String) -> Self {
        Self {
            world,
            path,
            pairs: Vec::new(),
            encoding: Encoding::UrlEncoded,
            headers: Vec::new(),
            from: world.client(1),
        }
    }

    /// Fills in the address.
    pub fn email(self, email: &str) -> Self {
        self.world.keep_private("an address", email);
        self.field("email", email)
    }

    /// Fills in any field; one of the same name is added.
    pub fn field(mut self, name: &str, value: &str) -> Self {
        self.pairs.push((name.to_owned(), value.to_owned()));
        self
    }

    /// Comes from this address, `127.x.y.z`.
    pub fn from(mut self, ip: impl IntoAddress) -> Self {
        self.from = ip.into_address();
        self.world
            .keep_private("an IP address", &self.from.to_string());
        self
    }

    /// Adds a header.
    pub fn header(mut self, name: &str, value: &str) -> Self {
        self.headers.push((name.to_owned(), value.to_owned()));
        self
    }

    /// Sends it another way.
    pub fn encoded(mut self, encoding: Encoding) -> Self {
        self.encoding = encoding;
        self
    }

    /// Asks for JSON as the answer.
    pub fn accept_json(self) -> Self {
        self.header("accept", "application/json")
    }

    /// Presses the button.
    pub async fn send(self) -> Answer {
        let (content_type, body) = encode(self.encoding, &self.pairs);
        let mut headers = self.headers;
        headers.push(("content-type".to_owned(), content_type.to_owned()));
        self.world
            .send(self.from, "POST", &self.path, &headers, body)
            .await
    }
}

/// The content type and body of a form.
pub fn encode(encoding: Encoding, pairs: &[(String, String)]) -> (&'static str, Vec<u8>) {
    match encoding {
        Encoding::UrlEncoded => {
            let body = form_urlencoded::Serializer::new(String::new())
                .extend_pairs(pairs)
                .finish();
            ("application/x-www-form-urlencoded", body.into_bytes())
        }
        Encoding::Multipart => {
            let mut body = String::new();
            for (name, value) in pairs {
                body.push_str("--grenze\r\nContent-Disposition: form-data; name=\"");
                body.push_str(name);
                body.push_str("\"\r\n\r\n");
                body.push_str(value);
                body.push_str("\r\n");
            }
            body.push_str("--grenze--\r\n");
            ("multipart/form-data; boundary=grenze", body.into_bytes())
        }
        Encoding::Json => {
            let mut object = serde_json::Map::new();
            for (name, value) in pairs {
                match object.get_mut(name) {
                    Some(serde_json::Value::Array(values)) => values.push(value.clone().into()),
                    Some(first) => *first = vec![first.take(), value.clone().into()].into(),
                    None => {
                        object.insert(name.clone(), value.clone().into());
                    }
                }
            }
            let body = serde_json::Value::Object(object).to_string();
            ("application/json", body.into_bytes())
        }
    }
}

/// An address, also as text.
pub trait IntoAddress {
    /// The address.
    fn into_address(self) -> IpAddr;
}

impl IntoAddress for IpAddr {
    fn into_address(self) -> IpAddr {
        self
    }
}

impl IntoAddress for &str {
    fn into_address(self) -> IpAddr {
        self.parse().expect("an IP address")
    }
}
