//! People of a test: long values that occur nowhere else, so that any copy of them can be found.
//!
//! Only names and addresses; what people do is in `world`.

use std::net::{IpAddr, Ipv4Addr};

/// Somebody with an address and names of their own.
#[derive(Debug, Clone)]
pub struct Person {
    /// The address.
    pub email: String,
    /// The first name, with a letter that is not ASCII.
    pub first_name: String,
    /// The last name, with a letter that is not ASCII.
    pub last_name: String,
    /// The number at the shop, with leading zeros.
    pub customer_number: String,
}

impl Person {
    /// The person of this name in the world of this number.
    pub fn of(world: u32, name: &str) -> Self {
        Self {
            email: format!("{name}.quellwolke{world}q@zwirbelstein{world}z.example"),
            first_name: format!("Ännchen-{name}-Quellwolke{world}q"),
            last_name: format!("Zwirbelstein{world}z-{name}-Öd"),
            customer_number: format!("00{name}4711-{world}-0815"),
        }
    }
}

/// What all people of a world have in common: enough to find any of them.
pub fn traces(world: u32) -> Vec<(String, String)> {
    vec![
        (
            "a first name or address".to_owned(),
            format!("uellwolke{world}q"),
        ),
        (
            "a last name or domain".to_owned(),
            format!("wirbelstein{world}z"),
        ),
        ("a customer number".to_owned(), format!("4711-{world}-0815")),
        ("an IP address".to_owned(), client_prefix(world)),
    ]
}

fn client_prefix(world: u32) -> String {
    format!("127.{}.{}.", 64 + world / 250, world % 250 + 1)
}

/// The address of a world's client; numbers from 1 to 250.
pub fn client(world: u32, number: u8) -> IpAddr {
    let octet = |value: u32| u8::try_from(value).expect("fewer than 40,000 worlds");
    IpAddr::V4(Ipv4Addr::new(
        127,
        octet(64 + world / 250),
        octet(world % 250 + 1),
        number,
    ))
}
