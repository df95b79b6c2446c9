//! The start page: what is running, and links to it.
//!
//! One HTML text without anything from elsewhere.

use super::Local;

pub(super) fn start(local: &Local) -> String {
    let endpoints = &local.endpoints;
    let mut routes = String::new();
    for (method, path, function) in local.gateway.overview() {
        routes.push_str(&row(&[&format!("{method} {path}"), &function]));
    }
    let mut schedules = String::new();
    for (name, function) in local.scheduler.overview() {
        schedules.push_str(&row(&[&name, &function]));
    }
    let waiting = local.queues.counts().unwrap_or_default();
    let mut queues = String::new();
    for (name, count) in &waiting {
        queues.push_str(&row(&[name, &count.to_string()]));
    }
    if queues.is_empty() {
        queues = row(&["all queues", "0"]);
    }
    let mut services = String::new();
    for (name, url) in [
        ("DynamoDB", &endpoints.dynamodb),
        ("S3", &endpoints.s3),
        ("SES", &endpoints.ses),
        ("SQS", &endpoints.sqs),
    ] {
        services.push_str(&row(&[name, url]));
    }
    format!(
        "<!doctype html>
<html lang=\"en\">
<head>
<meta charset=\"utf-8\">
<meta name=\"viewport\" content=\"width=device-width\">
<title>Rundbrief on this machine</title>
<style>
body {{ font: 1rem/1.5 system-ui, sans-serif; max-width: 46rem; margin: 2rem auto; padding: 0 1rem; color: #222; background: #fff }}
table {{ border-collapse: collapse; width: 100%; margin-bottom: 1.5rem }}
td {{ border-top: 1px solid #ddd; padding: .25rem .5rem .25rem 0; overflow-wrap: anywhere }}
h2 {{ font-size: 1.1rem; margin-bottom: .25rem }}
</style>
</head>
<body>
<main>
<h1>Rundbrief on this machine</h1>
<p>It is {now} here.</p>
<ul>
<li><a href=\"{shop}\">The shop's page</a> with a sign-up form</li>
<li><a href=\"/_local/inbox\">The inbox</a>: every mail that was sent</li>
<li><a href=\"/signup/demo/double\">The hosted form</a> of the demo account</li>
<li><a href=\"/_local/endpoints\">Addresses and keys</a> for scripts</li>
</ul>
<h2>Functions behind the API</h2>
<table>{routes}</table>
<h2>Schedules</h2>
<table>{schedules}</table>
<h2>Messages in queues</h2>
<table>{queues}</table>
<h2>Services</h2>
<table>{services}</table>
</main>
</body>
</html>
",
        now = local.clock.now().strftime("%Y-%m-%d %H:%M:%S UTC"),
        shop = escape(&endpoints.shop),
    )
}

fn row(cells: &[&str]) -> String {
    let mut row = String::from("<tr>");
    for cell in cells {
        row.extend(["<td>", &escape(cell), "</td>"]);
    }
    row + "</tr>\n"
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('"', "&quot;")
}
