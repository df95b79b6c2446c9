//! Keeps pages of other origins from driving the platform through a visitor's browser.
//!
//! Not a login: whoever runs a program on this machine may do everything.

use axum::body::Body;
use axum::extract::Request;
use axum::http::{HeaderMap, Method, StatusCode, Uri, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};

pub(super) async fn refuse_foreign(request: Request<Body>, next: Next) -> Response {
    if is_foreign(request.method(), request.headers()) {
        return (
            StatusCode::FORBIDDEN,
            "This is for pages and programs of this machine only.\n",
        )
            .into_response();
    }
    next.run(request).await
}

/// A browser says where a request comes from (`Sec-Fetch-Site`, `Origin`). A `Host` that is no
/// loopback name is a foreign name that somebody let point here (DNS rebinding).
fn is_foreign(method: &Method, headers: &HeaderMap) -> bool {
    let text = |name| headers.get(name).map(|value| value.to_str().unwrap_or("?"));
    let host = text(header::HOST).unwrap_or_default();
    if !is_loopback(host) {
        return true;
    }
    if method.is_safe() {
        return false;
    }
    let site = text(header::HeaderName::from_static("sec-fetch-site"));
    if site.is_some_and(|site| site != "same-origin" && site != "none") {
        return true;
    }
    text(header::ORIGIN).is_some_and(|origin| origin != format!("http://{host}"))
}

fn is_loopback(host: &str) -> bool {
    let Ok(uri) = format!("http://{host}/").parse::<Uri>() else {
        return false;
    };
    let name = uri.host().unwrap_or_default().trim_matches(['[', ']']);
    name.eq_ignore_ascii_case("localhost")
        || name
            .parse::<std::net::IpAddr>()
            .is_ok_and(|address| address.is_loopback())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_foreign_page_can_send_is_refused() {
        let here = "127.0.0.1:8080";
        for (method, headers, foreign) in [
            ("POST", &[("host", here)][..], false),
            (
                "POST",
                &[("host", here), ("origin", "http://127.0.0.1:8080")],
                false,
            ),
            (
                "POST",
                &[("host", here), ("sec-fetch-site", "same-origin")],
                false,
            ),
            ("POST", &[("host", here), ("sec-fetch-site", "none")], false),
            (
                "POST",
                &[
                    ("host", "localhost:8080"),
                    ("origin", "http://localhost:8080"),
                ],
                false,
            ),
            ("POST", &[("host", "[::1]:8080")], false),
            (
                "GET",
                &[("host", here), ("sec-fetch-site", "cross-site")],
                false,
            ),
            (
                "POST",
                &[("host", here), ("sec-fetch-site", "cross-site")],
                true,
            ),
            // The shop's page: the same site, another origin.
            (
                "POST",
                &[("host", here), ("sec-fetch-site", "same-site")],
                true,
            ),
            (
                "POST",
                &[("host", here), ("origin", "http://127.0.0.1:8081")],
                true,
            ),
            ("POST", &[("host", here), ("origin", "null")], true),
            (
                "DELETE",
                &[("host", here), ("origin", "https://evil.example")],
                true,
            ),
            ("POST", &[("host", "evil.example:8080")], true),
            ("GET", &[("host", "evil.example:8080")], true),
            ("GET", &[("host", "127.0.0.1.evil.example")], true),
            ("GET", &[], true),
        ] {
            let mut map = HeaderMap::new();
            for (name, value) in headers {
                map.insert(*name, value.parse().unwrap());
            }
            let method: Method = method.parse().unwrap();
            assert_eq!(is_foreign(&method, &map), foreign, "{method} {headers:?}");
        }
    }
}
