//! A visitor with a real browser, from the shop's form to the inbox and out again.

use tests::World;
use tests::browser::Browser;

#[tokio::test]
async fn a_visitor_signs_up_confirms_and_leaves_in_a_browser() {
    let world = World::start().await;
    let folder = browser_folder();
    let Some(browser) = Browser::open(&folder).await else {
        eprintln!("SKIPPED: THERE IS NO chromedriver HERE, SO NO BROWSER WAS TRIED");
        world.finish().await;
        return;
    };
    let anna = world.person("anna");
    let (api, shop) = (
        world.endpoint("api").to_owned(),
        world.endpoint("shop").to_owned(),
    );

    browser.go(&shop).await;
    assert_eq!(
        browser.loaded_from_elsewhere().await,
        Vec::<String>::new(),
        "the shop's page loads nothing else"
    );
    browser.enter("#email", &anna.email).await;
    browser.enter("#first_name", &anna.first_name).await;
    browser.press("button[type=submit]").await;
    browser.sees("Fast geschafft").await;
    assert!(
        browser
            .address()
            .await
            .starts_with(&format!("{api}/signup/demo/double?accepted"))
    );
    world.drain().await;

    browser.go(&format!("{api}/_local/inbox")).await;
    browser.follow("Bitte bestätigen Sie").await;
    browser.follow("/confirm/").await;
    // Following the link only shows a button.
    browser.sees("Bitte bestätigen Sie Ihre Anmeldung").await;
    assert_eq!(
        browser.loaded_from_elsewhere().await,
        Vec::<String>::new(),
        "nothing is loaded from elsewhere (M-34)"
    );
    assert!(world.subscriber(&anna.email).await.is_none());

    browser.press("main button").await;
    browser.sees("Ihre Anmeldung ist bestätigt").await;
    let subscriber = world.subscriber(&anna.email).await.expect("a subscriber");
    assert_eq!(subscriber["state"], "active");
    let evidence = world.evidence(&anna.email).await;
    assert_eq!(
        evidence[0]["form_url_claimed"],
        format!("{}/", shop.trim_end_matches("/newsletter"))
    );

    // The information mail's link is a way out by button, as a list mail's is.
    let berta = world.person("berta");
    browser.go(&format!("{shop}?setup=confirmed")).await;
    browser.enter("#email", &berta.email).await;
    browser.press("button[type=submit]").await;
    browser.sees("Vielen Dank").await;
    world.drain().await;
    let address = browser.address().await;
    assert!(address.starts_with(&format!("{api}/signup/demo/confirmed?accepted")));
    let mail = world.only_mail(&berta.email).await;
    browser
        .go(&format!("{api}{}", mail.path("unsubscribe")))
        .await;
    assert_eq!(
        world.subscriber(&berta.email).await.expect("still there")["state"],
        "active"
    );
    browser.press("main button").await;
    browser.sees("Sie sind abgemeldet").await;
    assert_eq!(
        world.subscriber(&berta.email).await.expect("still there")["state"],
        "unsubscribed"
    );

    browser.close().await;
    let _ = std::fs::remove_dir_all(&folder);
    world.finish().await;
}

/// A folder for the browser's data.
fn browser_folder() -> std::path::PathBuf {
    let folder = std::env::temp_dir().join(format!("rundbrief-browser-{}", std::process::id()));
    std::fs::create_dir_all(&folder).expect("a temporary folder");
    folder
}
