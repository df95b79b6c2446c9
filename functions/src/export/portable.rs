//! What a person takes along (Art. 20 GDPR): JSON that describes itself, and a file for imports.

use rundbrief::form::{FieldValue, wire_name};
use rundbrief::person::{Person, Profile};
use rundbrief::personal::PersonalText;
use rundbrief::setup::BUILT_IN_FIELDS;
use rundbrief::subscriber_file::{VALUE_SEPARATOR, guard_formula};
use serde_json::{Map, Value, json};

use crate::app::Trouble;

/// The JSON form as a JSON Schema (2020-12); `docs/openapi.yaml` has it as `Portable`.
const SCHEMA: &str = include_str!("portable.schema.json");

/// What the person gave (Art. 20(1)): nothing that was concluded from it.
///
/// # Errors
/// Never: the schema is of our own making.
pub(crate) fn json(person: &Person, profile: &Profile) -> Result<Value, Trouble> {
    let schema: Value = serde_json::from_str(SCHEMA).map_err(|_| Trouble::Damaged)?;
    let mut fields = Map::new();
    for (key, value) in &profile.values {
        fields.insert(wire_name(key.as_str()), json!(value));
    }
    Ok(json!({
        "schema": schema,
        "email": profile.address,
        "fields": fields,
        "lists": person.active_lists(),
        "interests": profile.interests,
        "language": profile.language,
    }))
}

/// Address and fields as a file that an import takes, without loss and safe in a spreadsheet.
/// Lists, interests and language are in the JSON form alone: an import states its list with the
/// ground of its own.
///
/// # Errors
/// Never: it is written into memory.
pub(crate) fn csv(profile: &Profile) -> Result<String, Trouble> {
    file(profile).map_err(|_| Trouble::Damaged)
}

fn file(profile: &Profile) -> Result<String, csv::Error> {
    let mut header = vec!["email".to_owned()];
    let mut row = vec![guard_formula(profile.address.reveal()).into_owned()];
    let built_in = |key: &str| BUILT_IN_FIELDS.contains(&key);
    let mut values: Vec<_> = profile.values.iter().collect();
    values.sort_by_key(|(key, _)| !built_in(key.as_str()));
    for (key, value) in values {
        header.push(wire_name(key.as_str()));
        let text = match value {
            FieldValue::One(text) => text.reveal().to_owned(),
            FieldValue::Many(texts) => texts
                .iter()
                .map(PersonalText::reveal)
                .collect::<Vec<_>>()
                .join(&VALUE_SEPARATOR.to_string()),
        };
        row.push(guard_formula(&text).into_owned());
    }
    let mut writer = csv::Writer::from_writer(Vec::new());
    writer.write_record(&header)?;
    writer.write_record(&row)?;
    let bytes = writer
        .into_inner()
        .map_err(csv::IntoInnerError::into_error)?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_schema_is_the_one_that_the_api_is_described_with() {
        let described = include_str!("../../../docs/openapi.yaml")
            .lines()
            .find_map(|line| line.strip_prefix("    Portable: "))
            .expect("a component");
        // JSON on one line is YAML, too.
        let described: Value = serde_json::from_str(described).expect("JSON");
        let ours: Value = serde_json::from_str(SCHEMA).expect("JSON");
        assert_eq!(described, ours);
    }
}
