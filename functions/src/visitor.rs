//! What visitors' requests have in common: where they come from, what they ask for, what they
//! carry. What a form's names and values mean is the domain's part.

use lambda_http::http::{HeaderMap, header};
use lambda_http::request::RequestContext;
use lambda_http::{Body, Request, RequestExt};
use rundbrief::form::SentValue;
use rundbrief::personal::ClientIp;
use rundbrief::web_address::ClaimedAddress;
use serde_json::Value;

use crate::problem::Problem;

/// The largest form body that is read: 64 KB.
pub const MAX_FORM_BYTES: usize = 64 * 1024;

/// The client's address as API Gateway saw it; never from a header (A-43).
pub fn client_ip(request: &Request) -> Option<ClientIp> {
    match request.request_context_ref()? {
        RequestContext::ApiGatewayV2(context) => {
            ClientIp::parse(context.http.source_ip.as_deref()?).ok()
        }
        _ => None,
    }
}

/// Whether the client asks for JSON; everybody else gets pages.
pub fn wants_json(headers: &HeaderMap) -> bool {
    let accept = headers
        .get(header::ACCEPT)
        .and_then(|value| value.to_str().ok())
        .unwrap_or_default();
    accept.split(',').any(|part| {
        let media_type = part.split(';').next().unwrap_or_default().trim();
        media_type.eq_ignore_ascii_case("application/json")
            || media_type.eq_ignore_ascii_case("application/problem+json")
    })
}

/// The page that the browser claims the form stood on (S-15).
pub fn claimed_page(headers: &HeaderMap) -> Option<ClaimedAddress> {
    let text = |name| headers.get(name).and_then(|value| value.to_str().ok());
    ClaimedAddress::of_request(text(header::REFERER), text(header::ORIGIN))
}

/// A path parameter.
pub fn path_parameter(request: &Request, name: &str) -> Option<String> {
    request
        .path_parameters_ref()?
        .first(name)
        .map(str::to_owned)
}

fn body_bytes(body: &Body) -> &[u8] {
    match body {
        Body::Text(text) => text.as_bytes(),
        Body::Binary(bytes) => bytes,
        _ => &[],
    }
}

/// The names and values of a form body: url-encoded, multipart or JSON.
///
/// # Errors
/// When it is larger than [`MAX_FORM_BYTES`], of another type, or cannot be read.
pub async fn form_pairs(request: &Request) -> Result<Vec<(String, SentValue)>, Problem> {
    let bytes = body_bytes(request.body());
    if bytes.len() > MAX_FORM_BYTES {
        return Err(Problem::TOO_LARGE);
    }
    let content_type = request
        .headers()
        .get(header::CONTENT_TYPE)
        .and_then(|value| value.to_str().ok())
        .unwrap_or_default();
    let media_type = content_type
        .split(';')
        .next()
        .unwrap_or_default()
        .trim()
        .to_ascii_lowercase();
    match media_type.as_str() {
        "application/x-www-form-urlencoded" => url_encoded(bytes),
        "multipart/form-data" => multipart(content_type, bytes).await,
        "application/json" => json(bytes),
        _ => Err(Problem::UNSUPPORTED_TYPE),
    }
}

fn url_encoded(bytes: &[u8]) -> Result<Vec<(String, SentValue)>, Problem> {
    let decode = |part: &[u8]| {
        let spaced: Vec<u8> = part
            .iter()
            .map(|byte| if *byte == b'+' { b' ' } else { *byte })
            .collect();
        let decoded: Vec<u8> = percent_encoding::percent_decode(&spaced).collect();
        // Strictly: a replacement character would become part of a name.
        String::from_utf8(decoded).map_err(|_| Problem::MALFORMED)
    };
    bytes
        .split(|byte| *byte == b'&')
        .filter(|pair| !pair.is_empty())
        .map(|pair| {
            let mut parts = pair.splitn(2, |byte| *byte == b'=');
            let name = decode(parts.next().unwrap_or_default())?;
            let value = decode(parts.next().unwrap_or_default())?;
            Ok((name, SentValue::Text(value)))
        })
        .collect()
}

async fn multipart(content_type: &str, bytes: &[u8]) -> Result<Vec<(String, SentValue)>, Problem> {
    let boundary = multer::parse_boundary(content_type).map_err(|_| Problem::MALFORMED)?;
    let body = bytes.to_vec();
    let stream = futures::stream::once(async move { Ok::<_, std::convert::Infallible>(body) });
    let mut parts = multer::Multipart::new(stream, boundary);
    let mut pairs = Vec::new();
    while let Some(part) = parts.next_field().await.map_err(|_| Problem::MALFORMED)? {
        let Some(name) = part.name().map(str::to_owned) else {
            continue;
        };
        // A part with a file name is a file (RFC 7578, section 4.2), whatever is in it.
        let is_file = part.file_name().is_some();
        let value = part.bytes().await.map_err(|_| Problem::MALFORMED)?;
        let value = if is_file {
            SentValue::Unfit
        } else {
            SentValue::Text(String::from_utf8(value.to_vec()).map_err(|_| Problem::MALFORMED)?)
        };
        pairs.push((name, value));
    }
    Ok(pairs)
}

fn json(bytes: &[u8]) -> Result<Vec<(String, SentValue)>, Problem> {
    let Ok(Value::Object(members)) = serde_json::from_slice(bytes) else {
        return Err(Problem::MALFORMED);
    };
    let given = members.into_iter().filter(|(_, value)| !value.is_null());
    Ok(given.map(|(name, value)| (name, sent(value))).collect())
}

fn sent(value: Value) -> SentValue {
    match value {
        Value::String(text) => SentValue::Text(text),
        Value::Bool(flag) => SentValue::Boolean(flag),
        Value::Number(number) => SentValue::Number(number.to_string()),
        Value::Array(values) => SentValue::Many(values.into_iter().map(sent).collect()),
        Value::Null | Value::Object(_) => SentValue::Unfit,
    }
}

/// Whether the body is exactly the pair of RFC 8058, section 3.1.
pub async fn is_one_click(request: &Request) -> bool {
    // A body that cannot be read is no one-click, and the button's POST needs none.
    form_pairs(request).await.is_ok_and(|pairs| {
        let one_click = SentValue::Text("One-Click".to_owned());
        pairs == [("List-Unsubscribe".to_owned(), one_click)]
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request(content_type: &str, body: Body) -> Request {
        lambda_http::http::Request::builder()
            .header("content-type", content_type)
            .body(body)
            .unwrap()
    }

    fn text(value: &str) -> SentValue {
        SentValue::Text(value.to_owned())
    }

    async fn read(content_type: &str, body: &str) -> Vec<(String, SentValue)> {
        let mut answers = Vec::new();
        for body in [
            Body::Text(body.to_owned()),
            Body::Binary(body.to_owned().into_bytes()),
        ] {
            answers.push(form_pairs(&request(content_type, body)).await.unwrap());
        }
        assert!(answers[0] == answers[1], "{content_type}: {body}");
        answers.remove(0)
    }

    fn assert_pairs(found: &[(String, SentValue)], expected: &[(&str, SentValue)], what: &str) {
        // Compared one by one: values do not show themselves.
        assert_eq!(found.len(), expected.len(), "{what}");
        for ((name, value), (expected_name, expected_value)) in found.iter().zip(expected) {
            assert_eq!(name, expected_name, "{what}");
            assert!(value == expected_value, "{what}: {name}");
        }
    }

    #[tokio::test]
    async fn a_form_reads_the_same_in_every_type() {
        let email = ("email", text("max+x@x.example"));
        let name = ("last_name", text("Müller & Söhne"));
        let lists = [("list", text("a")), ("list", text("b"))];
        let expected = [&[email.clone(), name.clone()][..], &lists].concat();
        let multipart = [
            ("email", "max+x@x.example"),
            ("last_name", "Müller & Söhne"),
            ("list", "a"),
            ("list", "b"),
        ]
        .iter()
        .fold(String::new(), |body, (name, value)| {
            format!(
                "{body}--X\r\nContent-Disposition: form-data; name=\"{name}\"\r\n\r\n{value}\r\n"
            )
        }) + "--X--\r\n";
        for (content_type, body) in [
            (
                "application/x-www-form-urlencoded",
                "email=max%2Bx%40x.example&last_name=M%C3%BCller+%26+S%C3%B6hne&list=a&list=b",
            ),
            (
                "Application/X-WWW-form-urlencoded; charset=utf-8",
                "email=max%2Bx%40x.example&last_name=M%C3%BCller+%26+S%C3%B6hne&&list=a&list=b",
            ),
            ("multipart/form-data; boundary=X", &multipart),
        ] {
            assert_pairs(&read(content_type, body).await, &expected, content_type);
        }
        let json = r#"{"email":"max+x@x.example","last_name":"Müller & Söhne","list":["a","b"],"street":null}"#;
        let many = ("list", SentValue::Many(vec![text("a"), text("b")]));
        let found = read("application/json", json).await;
        assert_pairs(&found, &[email, name, many], "JSON");
    }

    #[tokio::test]
    async fn json_keeps_its_types_and_a_file_is_no_text() {
        let found = read(
            "application/json",
            r#"{"a":1.5,"b":true,"c":{"d":1},"e":[null,[]],"f":null}"#,
        )
        .await;
        let nested = SentValue::Many(vec![SentValue::Unfit, SentValue::Many(Vec::new())]);
        let expected = [
            ("a", SentValue::Number("1.5".to_owned())),
            ("b", SentValue::Boolean(true)),
            ("c", SentValue::Unfit),
            ("e", nested),
        ];
        assert_pairs(&found, &expected, "JSON");
        let part = |more: &str| {
            format!("--X\r\nContent-Disposition: form-data; name=\"a\"{more}\r\n\r\nx\r\n--X--\r\n")
        };
        for (more, value) in [
            ("", text("x")),
            ("; filename=\"x.txt\"", SentValue::Unfit),
            ("; filename=\"\"", SentValue::Unfit),
        ] {
            let found = read("multipart/form-data; boundary=X", &part(more)).await;
            assert_pairs(&found, &[("a", value)], more);
        }
    }

    #[tokio::test]
    async fn what_cannot_be_read_is_said_by_its_code() {
        for (content_type, body, problem) in [
            (
                "application/x-www-form-urlencoded",
                b"email=%FF%FE".to_vec(),
                Problem::MALFORMED,
            ),
            (
                "application/x-www-form-urlencoded",
                b"email=\xff".to_vec(),
                Problem::MALFORMED,
            ),
            ("application/json", b"{".to_vec(), Problem::MALFORMED),
            ("application/json", b"[]".to_vec(), Problem::MALFORMED),
            (
                "application/json",
                b"\"email\"".to_vec(),
                Problem::MALFORMED,
            ),
            ("multipart/form-data", b"x".to_vec(), Problem::MALFORMED),
            (
                "multipart/form-data; boundary=X",
                b"--X\r\nContent-Disp".to_vec(),
                Problem::MALFORMED,
            ),
            (
                "multipart/form-data; boundary=X",
                b"--X\r\nContent-Disposition: form-data; name=\"a\"\r\n\r\n\xff\r\n--X--".to_vec(),
                Problem::MALFORMED,
            ),
            ("text/plain", b"email=x".to_vec(), Problem::UNSUPPORTED_TYPE),
            ("", b"email=x".to_vec(), Problem::UNSUPPORTED_TYPE),
            (
                "application/x-www-form-urlencoded",
                vec![b'a'; MAX_FORM_BYTES + 1],
                Problem::TOO_LARGE,
            ),
        ] {
            assert_eq!(
                form_pairs(&request(content_type, Body::Binary(body))).await,
                Err(problem),
                "{content_type}"
            );
        }
    }

    #[tokio::test]
    async fn one_click_is_the_exact_pair_and_nothing_else() {
        for (content_type, body, expected) in [
            (
                "application/x-www-form-urlencoded",
                "List-Unsubscribe=One-Click",
                true,
            ),
            (
                "application/x-www-form-urlencoded; charset=UTF-8",
                "List-Unsubscribe=One-Click",
                true,
            ),
            (
                "multipart/form-data; boundary=X",
                "--X\r\nContent-Disposition: form-data; name=\"List-Unsubscribe\"\r\n\r\nOne-Click\r\n--X--\r\n",
                true,
            ),
            ("application/x-www-form-urlencoded", "", false),
            (
                "application/x-www-form-urlencoded",
                "List-Unsubscribe=one-click",
                false,
            ),
            (
                "application/x-www-form-urlencoded",
                "List-Unsubscribe=One-Click&x=y",
                false,
            ),
            ("text/plain", "List-Unsubscribe=One-Click", false),
        ] {
            assert_eq!(
                is_one_click(&request(content_type, Body::Text(body.to_owned()))).await,
                expected,
                "{body}"
            );
        }
    }

    #[test]
    fn only_who_asks_for_json_gets_json() {
        for (accept, expected) in [
            ("application/json", true),
            ("application/json;q=0.9, text/html", true),
            ("text/html,application/xhtml+xml,*/*;q=0.8", false),
            ("*/*", false),
            ("", false),
        ] {
            let mut headers = HeaderMap::new();
            headers.insert(header::ACCEPT, accept.parse().unwrap());
            assert_eq!(wants_json(&headers), expected, "{accept}");
        }
    }
}
