pub mod address;
pub mod page_language;
