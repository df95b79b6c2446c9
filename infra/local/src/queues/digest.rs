//! The MD5 sums SQS answers with, which the SDKs compare. Not for anything secret.

use base64::Engine as _;
use s3s::crypto::{Checksum as _, Md5};
use serde_json::Value;

/// The MD5 of a body, in hexadecimal.
pub(super) fn body(text: &str) -> String {
    hex(Md5::checksum(text.as_bytes()).as_ref())
}

/// The MD5 of message attributes, by the scheme of the SQS developer guide: sorted by name; name,
/// type and value with their lengths, and one byte for the kind of value.
pub(super) fn attributes(attributes: Option<&Value>) -> Option<String> {
    let attributes = attributes?.as_object()?;
    if attributes.is_empty() {
        return None;
    }
    let mut sorted: Vec<_> = attributes.iter().collect();
    sorted.sort_by_key(|(name, _)| name.as_str());
    let mut bytes = Vec::new();
    for (name, value) in sorted {
        let kind = value["DataType"].as_str().unwrap_or_default();
        part(&mut bytes, name.as_bytes());
        part(&mut bytes, kind.as_bytes());
        if kind.starts_with("Binary") {
            let encoded = value["BinaryValue"].as_str().unwrap_or_default();
            bytes.push(2);
            part(
                &mut bytes,
                &base64::engine::general_purpose::STANDARD
                    .decode(encoded)
                    .unwrap_or_default(),
            );
        } else {
            bytes.push(1);
            part(
                &mut bytes,
                value["StringValue"].as_str().unwrap_or_default().as_bytes(),
            );
        }
    }
    Some(hex(Md5::checksum(&bytes).as_ref()))
}

pub(super) fn hex(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    bytes
        .iter()
        .flat_map(|byte| {
            [
                DIGITS[usize::from(byte >> 4)],
                DIGITS[usize::from(byte & 15)],
            ]
        })
        .map(char::from)
        .collect()
}

fn part(out: &mut Vec<u8>, value: &[u8]) {
    out.extend(u32::try_from(value.len()).unwrap_or(u32::MAX).to_be_bytes());
    out.extend(value);
}
