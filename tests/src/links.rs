//! What people and their mailbox providers do with the links in a mail.

use std::net::IpAddr;

use crate::answer::Answer;
use crate::sign_up::IntoAddress;
use crate::world::World;

/// A request to a public page.
#[must_use = "nothing happens until it is sent"]
pub struct Press<'a> {
    world: &'a World,
    method: &'static str,
    path: String,
    headers: Vec<(String, String)>,
    body: Vec<u8>,
    from: IpAddr,
}

impl<'a> Press<'a> {
    pub(crate) fn new(world: &'a World, method: &'static str, path: String) -> Self {
        Self {
            world,
            method,
            path,
            headers: Vec::new(),
            body: Vec::new(),
            from: world.client(2),
        }
    }

    /// Comes from this address.
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

    /// Carries a body.
    pub fn body(mut self, content_type: &str, body: impl Into<Vec<u8>>) -> Self {
        self.body = body.into();
        self.header("content-type", content_type)
    }

    /// Sends it.
    pub async fn send(self) -> Answer {
        self.world
            .send(self.from, self.method, &self.path, &self.headers, self.body)
            .await
    }
}
