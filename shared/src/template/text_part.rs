//! The text part's template, made from the HTML part's source, once per template.
//!
//! Turning each person's rendered HTML into text would cost a hundred times what rendering
//! costs. So every `{{ ... }}` and `{% ... %}` is replaced by one character that the HTML
//! parser carries along as text, and put back into the result.

use crate::plain_text;

/// First of the 65,534 private characters (Unicode plane 15) that stand for tags.
const FIRST_MARK: u32 = 0xF_0000;
const LAST_MARK: u32 = 0xF_FFFD;

/// A piece of template source.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Piece<'a> {
    Html(&'a str),
    /// `{{ ... }}`
    Expression(&'a str),
    /// `{% ... %}`
    Statement(&'a str),
}

/// The text template, or `None` where a statement would be lost or moved (it stands in an
/// attribute, or where HTML allows no text): then only rendered HTML can be converted.
pub(super) fn from_html_source(source: &str) -> Option<String> {
    let pieces = split(source)?;
    let mut tags = Vec::new();
    let mut html = String::with_capacity(source.len());
    for piece in &pieces {
        match piece {
            Piece::Html(text) => html.extend(text.chars().filter(|c| tag_index(*c).is_none())),
            Piece::Expression(_) | Piece::Statement(_) => {
                html.push(mark(tags.len())?);
                tags.push(*piece);
            }
        }
    }
    let text = plain_text::from_html(&html).ok()?;
    let is_statement = |index: &usize| matches!(tags.get(*index), Some(Piece::Statement(_)));
    let kept = text.chars().filter_map(tag_index).filter(is_statement);
    let all = (0..tags.len()).filter(is_statement);
    if !kept.eq(all) {
        return None;
    }
    let joined = join_statement_lines(&text, &is_statement)?;
    Some(put_back(&joined, &tags))
}

fn mark(index: usize) -> Option<char> {
    let code = FIRST_MARK.checked_add(u32::try_from(index).ok()?)?;
    (code <= LAST_MARK).then(|| char::from_u32(code)).flatten()
}

fn tag_index(character: char) -> Option<usize> {
    let code = u32::from(character);
    (FIRST_MARK..=LAST_MARK)
        .contains(&code)
        .then(|| usize::try_from(code - FIRST_MARK).ok())
        .flatten()
}

/// A line of statements alone prints nothing, so it must not leave an empty paragraph: its
/// line end and the blank line after it go, and the bullet that the converter gives to text
/// standing directly in a list. In a numbered list such a line has been counted: `None`.
fn join_statement_lines(text: &str, is_statement: &dyn Fn(&usize) -> bool) -> Option<String> {
    let mut joined = String::with_capacity(text.len());
    let mut after_statements = false;
    for line in text.split_inclusive('\n') {
        let shown = line.trim();
        if shown.is_empty() && after_statements {
            continue;
        }
        let number = shown.trim_start_matches(|c: char| c.is_ascii_digit());
        let (statements, is_numbered) = match number.strip_prefix(". ") {
            Some(item) if number.len() < shown.len() => (item, true),
            _ => (shown.strip_prefix("* ").unwrap_or(shown), false),
        };
        after_statements = !statements.is_empty()
            && statements
                .chars()
                .all(|c| tag_index(c).is_some_and(|index| is_statement(&index)));
        if after_statements && is_numbered {
            return None;
        }
        joined.push_str(if after_statements { statements } else { line });
    }
    Some(joined)
}

/// Replaces marks by their tags. What looks like a tag without being one (written with
/// character references in the HTML) is quoted, so it stays text.
fn put_back(text: &str, tags: &[Piece<'_>]) -> String {
    let mut template = String::with_capacity(text.len() * 2);
    let mut characters = text.chars().peekable();
    while let Some(character) = characters.next() {
        if let Some(index) = tag_index(character) {
            match tags.get(index) {
                Some(Piece::Expression(tag) | Piece::Statement(tag)) => template.push_str(tag),
                Some(Piece::Html(_)) | None => {}
            }
        } else if character == '{' {
            // Also a single one: a value or a tag may follow and complete it.
            if matches!(characters.peek(), Some('{' | '%' | '#'))
                || characters.peek().copied().and_then(tag_index).is_some()
            {
                template.push_str("{{ '{' }}");
            } else {
                template.push('{');
            }
        } else {
            template.push(character);
        }
    }
    template
}

/// Cuts a source at its tags; comments go. `None` for `{% raw %}`, whose content is no tags,
/// and for a tag without end.
fn split(source: &str) -> Option<Vec<Piece<'_>>> {
    let mut pieces = Vec::new();
    let mut rest = source;
    while let Some(start) = next_tag(rest) {
        let (html, tag) = rest.split_at(start);
        pieces.push(Piece::Html(html));
        let closing = match tag.as_bytes().get(1) {
            Some(b'{') => "}}",
            Some(b'%') => "%}",
            _ => "#}",
        };
        let end = if closing == "#}" {
            tag.find(closing)? + 2
        } else {
            end_of_tag(tag, closing)?
        };
        let (tag, after) = tag.split_at(end);
        match closing {
            "}}" => pieces.push(Piece::Expression(tag)),
            "%}" => {
                let words = tag.trim_matches(['{', '%', '}', '-', '+']);
                if words.split_whitespace().next() == Some("raw") {
                    return None;
                }
                pieces.push(Piece::Statement(tag));
            }
            _ => {}
        }
        rest = after;
    }
    pieces.push(Piece::Html(rest));
    Some(pieces)
}

fn next_tag(text: &str) -> Option<usize> {
    text.as_bytes()
        .windows(2)
        .position(|pair| matches!(pair, b"{{" | b"{%" | b"{#"))
}

/// Where a tag ends; a closing mark within a string literal is not its end.
fn end_of_tag(tag: &str, closing: &str) -> Option<usize> {
    let bytes = tag.as_bytes();
    let mut index = 2;
    let mut quote = None;
    let mut braces = 0_u32;
    while index < bytes.len() {
        match (quote, bytes[index]) {
            (Some(_), b'\\') => index += 1,
            (Some(open), octet) if octet == open => quote = None,
            (None, octet @ (b'"' | b'\'')) => quote = Some(octet),
            (None, _) if braces == 0 && bytes[index..].starts_with(closing.as_bytes()) => {
                return Some(index + closing.len());
            }
            (None, b'{') => braces += 1,
            (None, b'}') => braces = braces.saturating_sub(1),
            (Some(_) | None, _) => {}
        }
        index += 1;
    }
    None
}
