//! The `DynamoDB` engine: dynoxide on a `SQLite` file, with the template's tables.
//!
//! Its own sweep of expired items is never called: tests see what our sweeper alone does.

use std::path::Path;

use dynoxide::Database;
use dynoxide::actions::update_time_to_live::{TimeToLiveSpecification, UpdateTimeToLiveRequest};

use crate::template::Table;

/// Opens the database file and creates the tables that are missing.
///
/// # Errors
/// What is wrong with the file or a table definition, as a sentence without data.
pub fn open<'a>(
    file: &Path,
    tables: impl IntoIterator<Item = &'a Table>,
) -> Result<Database, String> {
    let path = file.to_str().ok_or("the path is not valid UTF-8")?;
    let database =
        Database::new(path).map_err(|_| "the file is no database of this platform".to_owned())?;
    for table in tables {
        create(&database, table).map_err(|what| format!("table {}: {what}", table.name))?;
    }
    Ok(database)
}

/// A copy of the database file as it is at this moment, also of one that is in use: what
/// point-in-time recovery is elsewhere.
///
/// # Errors
/// When the file cannot be read, or the copy not be written.
pub fn copy(file: &Path, to: &Path) -> Result<(), String> {
    let to = to.to_str().ok_or("the path is not valid UTF-8")?;
    let connection = rusqlite::Connection::open(file).map_err(|error| error.to_string())?;
    connection
        .execute("VACUUM INTO ?1", [to])
        .map_err(|error| error.to_string())?;
    Ok(())
}

/// Serves a database file, such as a copy, until the task ends; nothing is created in it.
///
/// # Errors
/// When it is no database of this platform.
pub fn serve(
    file: &Path,
    listener: tokio::net::TcpListener,
) -> Result<tokio::task::JoinHandle<()>, String> {
    let database = open(file, [])?;
    Ok(tokio::spawn(async move {
        let _ =
            dynoxide::server::serve_with_shutdown(listener, database, std::future::pending()).await;
    }))
}

fn create(database: &Database, table: &Table) -> Result<(), String> {
    let known = database
        .get_table_metadata(&table.name)
        .map_err(|error| error.to_string())?;
    let has_time_to_live = known.as_ref().is_some_and(|known| known.ttl_enabled);
    if known.is_none() {
        let request =
            serde_json::from_value(table.definition.clone()).map_err(|error| error.to_string())?;
        database
            .create_table(request)
            .map_err(|error| error.to_string())?;
    }
    if let (Some(attribute), false) = (&table.time_to_live, has_time_to_live) {
        let time_to_live_specification = TimeToLiveSpecification {
            attribute_name: attribute.clone(),
            enabled: true,
        };
        database
            .update_time_to_live(UpdateTimeToLiveRequest {
                table_name: table.name.clone(),
                time_to_live_specification,
            })
            .map_err(|error| error.to_string())?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn table() -> Table {
        Table {
            name: "main".to_owned(),
            definition: json!({
                "TableName": "main",
                "BillingMode": "PAY_PER_REQUEST",
                "KeySchema": [{"AttributeName": "pk", "KeyType": "HASH"}],
                "AttributeDefinitions": [{"AttributeName": "pk", "AttributeType": "S"}],
            }),
            time_to_live: Some("expires_at".to_owned()),
        }
    }

    #[test]
    fn tables_are_created_once_with_their_time_to_live() {
        let folder = crate::trial::Folder::new("platform");
        let file = folder.path().join("engine.db");
        for _ in 0..2 {
            let database = open(&file, &[table()]).unwrap();
            let known = database.get_table_metadata("main").unwrap().unwrap();
            assert_eq!(known.ttl_attribute.as_deref(), Some("expires_at"));
        }
    }

    #[test]
    fn a_broken_file_is_said_and_no_panic() {
        let folder = crate::trial::Folder::new("platform");
        let file = folder.path().join("engine.db");
        std::fs::write(&file, "this is not SQLite, not by any means ".repeat(200)).unwrap();
        assert!(open(&file, &[]).is_err());
    }
}
