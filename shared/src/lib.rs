pub mod address;
pub mod header;
pub mod page_language;
pub mod web_address;
