//! The harness itself: what it promises to find, it finds.

use tests::{World, log};

#[tokio::test]
async fn a_world_starts_with_empty_queues_and_ends_cleanly() {
    let started = std::time::Instant::now();
    let world = World::start().await;
    let up = started.elapsed();
    let mut queues = world.queues().await;
    queues.retain(|(_, count)| *count > 0);
    assert_eq!(queues, []);
    eprintln!("up after {up:?}");
    world.finish().await;
}

#[test]
fn a_person_in_a_log_is_found_and_not_repeated() {
    let anna = tests::Person::of(7, "anna");
    let private = tests::people::traces(7);
    for leaked in [
        anna.email.clone(),
        anna.email.replace('@', "%40"),
        anna.first_name.clone(),
        anna.last_name.clone(),
        anna.customer_number.clone(),
        tests::people::client(7, 9).to_string(),
    ] {
        let log = format!("INFO a fine line\nWARN could not mail {leaked} now\n");
        let found = log::leaks(&log, &private);
        assert!(!found.is_empty(), "{leaked}");
        let told = found.join("\n");
        assert!(!told.contains(&leaked) && !told.contains("fine"), "{told}");
    }
    let other = tests::Person::of(17, "anna");
    let log = format!("{other:?} {}", tests::people::client(17, 9));
    assert_eq!(log::leaks(&log, &private), Vec::<String>::new());
}
