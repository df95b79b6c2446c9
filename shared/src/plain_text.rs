//! The text part of a mail, made from its HTML.
//!
//! What a person can see, in reading order. Layout, styles and hidden elements are left out;
//! this is no check of what HTML a mail may contain.

use html2text::Handle;
use html2text::config;
use html2text::render::TextDecorator;

#[cfg(test)]
mod tests;

/// Longest HTML that is read. A template has at most 300 KB, its values come on top.
pub const MAX_HTML_OCTETS: usize = 512 * 1024;
/// Deepest nesting that is read; layout tables within tables reach about 60.
pub const MAX_DEPTH: usize = 400;
/// RFC 3676 section 4.2 recommends lines of at most 78 characters; 76 leaves room for a
/// reply's quote mark.
pub const LINE_CHARACTERS: usize = 76;
/// Wide enough that the converter itself never breaks a line, and with it a URL.
const UNWRAPPED: usize = 1_000_000;

// Noncharacters (Unicode chapter 23.7): never in a text, so they can mark places in one.
const LINK_START: char = '\u{fdd0}';
const LINK_URL: char = '\u{fdd1}';
const LINK_END: char = '\u{fdd2}';
const GLUE: char = '\u{fdd3}';

/// Why no text could be made.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PlainTextError {
    /// More than [`MAX_HTML_OCTETS`].
    #[error("the HTML is too long")]
    TooLong,
    /// Elements nested deeper than [`MAX_DEPTH`].
    #[error("the HTML is nested too deeply")]
    TooDeep,
    /// The converter gave up.
    #[error("the HTML cannot be turned into text")]
    Unreadable,
}

/// What a reader sees of a page.
pub(crate) struct Page {
    /// As [`from_html`] makes it.
    pub(crate) text: String,
    /// The URLs, in order, of those links that have something to click on.
    pub(crate) links: Vec<String>,
}

/// The text of a page: paragraphs wrapped at [`LINE_CHARACTERS`], links as
/// `label ( URL )`, images as their alternative text, one blank line at most in a row.
pub fn from_html(html: &str) -> Result<String, PlainTextError> {
    read_page(html).map(|page| page.text)
}

/// The text of a page and its links.
pub(crate) fn read_page(html: &str) -> Result<Page, PlainTextError> {
    let marked = convert(html)?;
    let mut text = String::with_capacity(marked.len());
    let mut links = Vec::new();
    let mut rest = marked.as_str();
    let mut after_url = false;
    while let Some((before, label, url, after)) = next_link(rest) {
        push_text(&mut text, before, after_url);
        let shown = shown_as(label, url);
        let runs_on = after_url && before.is_empty() || shown == Shown::Url;
        if runs_on && text.chars().next_back().is_some_and(touches_what_follows) {
            text.push(' ');
        }
        push_link(&mut text, label, url, shown);
        after_url = shown != Shown::Label;
        if !label.trim().is_empty() {
            links.push(url.to_owned());
        }
        rest = after;
    }
    push_text(&mut text, rest, after_url);
    let mut text = wrap(&text).replace(GLUE, " ");
    // A numeric character reference can bring one back.
    text.retain(|c| !is_mark(c));
    Ok(Page { text, links })
}

/// Breaks lines at spaces, never within a word: a URL in two pieces cannot be clicked.
fn wrap(text: &str) -> String {
    let mut wrapped = String::with_capacity(text.len() + text.len() / 32);
    let mut blank_lines = 0;
    for line in text.lines() {
        let line = line.trim_end();
        if line.is_empty() {
            blank_lines += 1;
            continue;
        }
        if blank_lines > 0 && !wrapped.is_empty() {
            wrapped.push('\n');
        }
        blank_lines = 0;
        wrap_line(&mut wrapped, line);
        wrapped.push('\n');
    }
    wrapped
}

fn wrap_line(wrapped: &mut String, line: &str) {
    let words_start = line.find(|c| !matches!(c, ' ' | '>')).unwrap_or(line.len());
    let (prefix, words) = line.split_at(words_start);
    wrapped.push_str(prefix);
    let mut column = prefix.chars().count();
    let mut line_is_new = true;
    for word in words.split(' ').filter(|word| !word.is_empty()) {
        let width = word.chars().count();
        if !line_is_new && column + 1 + width > LINE_CHARACTERS {
            wrapped.push('\n');
            wrapped.push_str(prefix);
            column = prefix.chars().count();
            line_is_new = true;
        }
        if !line_is_new {
            wrapped.push(' ');
            column += 1;
        }
        wrapped.push_str(word);
        column += width;
        line_is_new = false;
    }
}

/// The unwrapped text with each link as `START label URL url END`.
fn convert(html: &str) -> Result<String, PlainTextError> {
    if html.len() > MAX_HTML_OCTETS {
        return Err(PlainTextError::TooLong);
    }
    let html = flatten_tables(html);
    let config = config::with_decorator(Decorator::default())
        .link_footnotes(false)
        .allow_width_overflow();
    let dom = config
        .parse_html(html.as_bytes())
        .map_err(|_| PlainTextError::Unreadable)?;
    remove_invisible(&dom.document)?;
    let tree = match config.dom_to_render_tree(&dom) {
        Ok(tree) => tree,
        // A page without anything to see.
        Err(html2text::Error::Fail) => return Ok(String::new()),
        Err(_) => return Err(PlainTextError::Unreadable),
    };
    config
        .render_to_string(tree, UNWRAPPED)
        .map_err(|_| PlainTextError::Unreadable)
}

/// Turns table elements into plain blocks and drops the marks that this module uses.
///
/// Newsletters are laid out in tables, so a cell is a paragraph, not a column. And an HTML
/// parser moves text that stands directly in a table out of it (HTML standard section
/// 13.2.6.1, "foster parent"), which would tear template loops over rows apart.
fn flatten_tables(html: &str) -> String {
    const TABLE_ELEMENTS: [&str; 9] = [
        "table", "tbody", "thead", "tfoot", "tr", "td", "th", "caption", "colgroup",
    ];
    let mut flat = String::with_capacity(html.len());
    let mut pieces = html.split('<');
    flat.extend(pieces.next());
    for piece in pieces {
        flat.push('<');
        let (slash, name_on) = match piece.strip_prefix('/') {
            Some(rest) => ("/", rest),
            None => ("", piece),
        };
        let end = name_on
            .find(|c: char| !c.is_ascii_alphanumeric())
            .unwrap_or(name_on.len());
        let (name, rest) = name_on.split_at(end);
        flat.push_str(slash);
        if TABLE_ELEMENTS
            .iter()
            .any(|element| element.eq_ignore_ascii_case(name))
        {
            flat.push_str("div");
        } else {
            flat.push_str(name);
        }
        flat.push_str(rest);
    }
    flat.retain(|c| !is_mark(c));
    flat
}

const fn is_mark(character: char) -> bool {
    matches!(character, '\u{fdd0}'..='\u{fdef}')
}

/// Takes out what a mail program does not show, and rules, which would be drawn as wide as
/// the page.
fn remove_invisible(document: &Handle) -> Result<(), PlainTextError> {
    let mut pending = vec![(document.clone(), 0)];
    while let Some((node, depth)) = pending.pop() {
        if depth > MAX_DEPTH {
            return Err(PlainTextError::TooDeep);
        }
        let mut children = node.children.borrow_mut();
        children.retain(is_visible);
        pending.extend(children.iter().map(|child| (child.clone(), depth + 1)));
    }
    Ok(())
}

fn is_visible(node: &Handle) -> bool {
    let html2text::Element { name, attrs, .. } = &node.data else {
        return true;
    };
    if matches!(
        &*name.local,
        "hr" | "head" | "script" | "style" | "template"
    ) {
        return false;
    }
    !attrs.borrow().iter().any(|attribute| {
        let value = attribute.value.to_ascii_lowercase();
        match &*attribute.name.local {
            "hidden" => true,
            "style" => {
                let style: String = value.split_ascii_whitespace().collect();
                style.contains("display:none") || style.contains("visibility:hidden")
            }
            _ => false,
        }
    })
}

/// Text before the next link, its label, its URL, and what follows.
fn next_link(text: &str) -> Option<(&str, &str, &str, &str)> {
    let (before, rest) = text.split_once(LINK_START)?;
    let (label, rest) = rest.split_once(LINK_URL)?;
    let (url, after) = rest.split_once(LINK_END)?;
    Some((before, label, url, after))
}

/// How a link is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Shown {
    /// Its label says it all: it leads nowhere else, or the label is a mail address.
    Label,
    /// The URL alone: there is no label, or it is the URL.
    Url,
    /// `label ( URL )`.
    Both,
}

fn shown_as(label: &str, url: &str) -> Shown {
    let label = label.trim();
    let bare = |address: &str| {
        address
            .trim_start_matches("mailto:")
            .trim_start_matches("https://")
            .trim_start_matches("http://")
            .trim_end_matches('/')
            .to_owned()
    };
    if url.is_empty() || url.starts_with('#') {
        Shown::Label
    } else if label.is_empty() || bare(label) == bare(url) {
        if url.starts_with("mailto:") && !label.is_empty() {
            Shown::Label
        } else {
            Shown::Url
        }
    } else {
        Shown::Both
    }
}

/// Writes a link. The spaces in `label ( URL )` keep the closing bracket out of the URL in
/// programs that guess where one ends; glue keeps the three on one line.
fn push_link(text: &mut String, label: &str, url: &str, shown: Shown) {
    match shown {
        Shown::Label if url.starts_with("mailto:") => text.push_str(label.trim()),
        Shown::Label => text.push_str(label),
        Shown::Url => text.push_str(url),
        Shown::Both => {
            text.push_str(label.trim_end());
            text.push_str(if label.ends_with('\n') { "\n" } else { " " });
            text.push('(');
            text.push(GLUE);
            text.push_str(url);
            text.push(GLUE);
            text.push(')');
        }
    }
}

/// Writes what stands between links. Behind a URL it begins with a space, where the page has none:
/// in HTML the letters that follow a link are not part of it, in text they would be.
fn push_text(text: &mut String, piece: &str, after_url: bool) {
    let ends_url = |c: char| {
        c.is_whitespace()
            || matches!(
                c,
                '.' | ','
                    | ';'
                    | ':'
                    | '!'
                    | '?'
                    | ')'
                    | ']'
                    | '}'
                    | '"'
                    | '\''
                    | '»'
                    | '«'
                    | '“'
                    | '”'
                    | '’'
                    | '…'
            )
    };
    if after_url && piece.chars().next().is_some_and(|c| !ends_url(c)) {
        text.push(' ');
    }
    text.push_str(piece);
}

/// Whether a URL or a label that follows this character directly would run together with it.
fn touches_what_follows(character: char) -> bool {
    !character.is_whitespace()
        && !matches!(
            character,
            '(' | '[' | '{' | '<' | '"' | '\'' | '«' | '»' | '„' | '“' | '‘'
        )
}

/// Marks links and decorates nothing else.
#[derive(Clone, Default)]
struct Decorator {
    urls: Vec<String>,
}

impl TextDecorator for Decorator {
    type Annotation = ();

    fn decorate_link_start(&mut self, url: &str) -> (String, ()) {
        // White space in a URL would be folded or broken at.
        self.urls.push(url.split_whitespace().collect());
        (LINK_START.to_string(), ())
    }

    fn decorate_link_end(&mut self) -> String {
        let url = self.urls.pop().unwrap_or_default();
        format!("{LINK_URL}{url}{LINK_END}")
    }

    fn decorate_em_start(&self) -> (String, ()) {
        (String::new(), ())
    }

    fn decorate_em_end(&self) -> String {
        String::new()
    }

    fn decorate_strong_start(&self) -> (String, ()) {
        (String::new(), ())
    }

    fn decorate_strong_end(&self) -> String {
        String::new()
    }

    fn decorate_strikeout_start(&self) -> (String, ()) {
        (String::new(), ())
    }

    fn decorate_strikeout_end(&self) -> String {
        String::new()
    }

    fn decorate_code_start(&self) -> (String, ()) {
        (String::new(), ())
    }

    fn decorate_code_end(&self) -> String {
        String::new()
    }

    fn decorate_preformat_first(&self) {}

    fn decorate_preformat_cont(&self) {}

    fn decorate_image(&mut self, _src: &str, title: &str) -> (String, ()) {
        (title.to_owned(), ())
    }

    fn header_prefix(&self, _level: usize) -> String {
        String::new()
    }

    fn quote_prefix(&self) -> String {
        "> ".to_owned()
    }

    fn unordered_item_prefix(&self) -> String {
        "* ".to_owned()
    }

    fn ordered_item_prefix(&self, number: i64) -> String {
        format!("{number}. ")
    }

    fn make_subblock_decorator(&self) -> Self {
        // A link around a block: its end is drawn by the inner decorator's owner.
        Self::default()
    }
}
