//! Erased while an archive is being written.

use serde_json::json;
use tests::World;

use super::{erase, id_of};
use crate::restore;

#[tokio::test]
async fn somebody_erased_while_an_archive_is_written_is_counted_into_its_end_and_never_restored() {
    let world = World::start().await;
    let [anna, bert] = ["anna", "bert"].map(|name| world.person(name));
    world.subscribe(&anna).await;
    world.subscribe(&bert).await;
    let api = world.api();
    let id = id_of(&world, &anna).await;
    // Its messages wait or run: nothing says how far it is when she goes.
    let begun = api.post("/accounts/demo/backups", &json!({})).await;
    let backup = begun.expect(202).json()["id"].clone();
    let proof = erase(&world, &id).await;
    world.drain().await;

    let path = format!("/accounts/demo/backups/{}", backup.as_str().expect("an id"));
    let archive = api.get(&path).await.expect(200).json();
    assert_eq!(proof["last_archive_copy_gone_by"], archive["expires_at"]);
    let archived = archive["manifest"]["sets"]["subscribers"]["count"].as_u64();
    assert!([Some(1), Some(2)].contains(&archived), "{archive}");
    // Whatever it holds of her, a restore does not bring her back.
    let path = restore::begin(&world, &archive).await;
    world.drain().await;
    restore::release(&world, &path).await;
    assert_eq!(world.subscriber(&anna.email).await, None);
    assert!(world.scan_table().await.holding(&anna.email).is_empty());
    assert!(world.subscriber(&bert.email).await.is_some());
    world.finish().await;
}
