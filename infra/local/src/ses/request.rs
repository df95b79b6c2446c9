//! The bodies of `SendEmail` and `SendBulkEmail`, by the SES v2 API reference.
//!
//! Only what is honoured here; attachments and contact lists are refused, not dropped.

use serde::Deserialize;

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct SendEmail {
    #[serde(default)]
    pub(super) from_email_address: Option<String>,
    #[serde(default)]
    pub(super) destination: Destination,
    #[serde(default)]
    pub(super) reply_to_addresses: Vec<String>,
    pub(super) content: Content,
    #[serde(default)]
    pub(super) email_tags: Vec<NameValue>,
    #[serde(default)]
    pub(super) configuration_set_name: Option<String>,
    #[serde(default)]
    pub(super) list_management_options: Option<serde_json::Value>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct SendBulkEmail {
    #[serde(default)]
    pub(super) from_email_address: Option<String>,
    #[serde(default)]
    pub(super) reply_to_addresses: Vec<String>,
    #[serde(default)]
    pub(super) default_email_tags: Vec<NameValue>,
    pub(super) default_content: BulkContent,
    #[serde(default)]
    pub(super) bulk_email_entries: Vec<BulkEntry>,
    #[serde(default)]
    pub(super) configuration_set_name: Option<String>,
}

#[expect(clippy::struct_field_names, reason = "the names of the API")]
#[derive(Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub(super) struct Destination {
    pub(super) to_addresses: Vec<String>,
    pub(super) cc_addresses: Vec<String>,
    pub(super) bcc_addresses: Vec<String>,
}

impl Destination {
    pub(super) fn all(&self) -> impl Iterator<Item = &String> {
        self.to_addresses
            .iter()
            .chain(&self.cc_addresses)
            .chain(&self.bcc_addresses)
    }
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub(super) struct Content {
    pub(super) simple: Option<Simple>,
    pub(super) raw: Option<Data>,
    pub(super) template: Option<Template>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Simple {
    pub(super) subject: Data,
    pub(super) body: Body,
    #[serde(default)]
    pub(super) headers: Vec<NameValue>,
    #[serde(default)]
    pub(super) attachments: Vec<serde_json::Value>,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub(super) struct Body {
    pub(super) text: Option<Data>,
    pub(super) html: Option<Data>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Data {
    pub(super) data: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct BulkContent {
    pub(super) template: Template,
}

#[expect(clippy::struct_field_names, reason = "the names of the API")]
#[derive(Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub(super) struct Template {
    pub(super) template_content: Option<TemplateContent>,
    pub(super) template_data: Option<String>,
    pub(super) headers: Vec<NameValue>,
    pub(super) attachments: Vec<serde_json::Value>,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub(super) struct TemplateContent {
    pub(super) subject: Option<String>,
    pub(super) text: Option<String>,
    pub(super) html: Option<String>,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub(super) struct BulkEntry {
    pub(super) destination: Destination,
    pub(super) replacement_tags: Vec<NameValue>,
    pub(super) replacement_email_content: Option<ReplacementContent>,
    pub(super) replacement_headers: Vec<NameValue>,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub(super) struct ReplacementContent {
    pub(super) replacement_template: Option<ReplacementTemplate>,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub(super) struct ReplacementTemplate {
    pub(super) replacement_template_data: Option<String>,
}

#[derive(Clone, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct NameValue {
    pub(super) name: String,
    pub(super) value: String,
}
