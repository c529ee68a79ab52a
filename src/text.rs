//! Text for a terminal: styles of matenv's own, and text from outside without control characters.
//!
//! Names of GPUs, metadata of packages, output of programs and paths may contain control characters, with which a
//! terminal moves the cursor, changes its title or hides text. [`for_terminal`] is applied to everything that is
//! printed: it shows these characters as text, such as `\u{1b}`, and turns [`style`] into colors.

use std::{
    borrow::Cow,
    fmt::{self, Display, Write as _},
    hash::{BuildHasher as _, Hasher as _},
    sync::LazyLock,
};

/// The longest line of a message, in characters.
pub(crate) const LONGEST_LINE: usize = 2_000;

/// The character that starts and ends a style. It is a different one in each process, so that text from outside cannot
/// contain it on purpose.
static MARK: LazyLock<char> = LazyLock::new(|| {
    let random = std::hash::RandomState::new().build_hasher().finish();
    // The private-use characters of plane 16.
    let code = 0x10_0000 + u32::try_from(random % 0xfffd).unwrap_or_default();
    char::from_u32(code).unwrap_or('\u{10_0000}')
});

/// Returns a value that [`for_terminal`] shows in a style.
pub(crate) fn style<D: Display>(value: D) -> Styled<D> {
    Styled {
        value,
        codes: Vec::new(),
    }
}

/// A value with a style.
#[derive(Debug, Clone)]
pub(crate) struct Styled<D> {
    value: D,
    codes: Vec<u8>,
}

impl<D> Styled<D> {
    fn with(mut self, code: u8) -> Self {
        self.codes.push(code);
        self
    }

    pub(crate) fn bold(self) -> Self {
        self.with(1)
    }

    pub(crate) fn dim(self) -> Self {
        self.with(2)
    }

    pub(crate) fn red(self) -> Self {
        self.with(31)
    }

    pub(crate) fn green(self) -> Self {
        self.with(32)
    }

    pub(crate) fn yellow(self) -> Self {
        self.with(33)
    }

    pub(crate) fn cyan(self) -> Self {
        self.with(36)
    }
}

impl<D: Display> Display for Styled<D> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for code in &self.codes {
            write!(f, "{}{code}m", *MARK)?;
        }
        // The width of the format applies to the value, not to its style.
        f.pad(&self.value.to_string())?;
        write!(f, "{}0m", *MARK)
    }
}

/// Returns a text as it is printed: styles are colors if `colors` is set, and all control characters but line breaks
/// and tabs are shown as text.
#[must_use]
pub(crate) fn for_terminal(text: &str, colors: bool) -> String {
    let mut shown = String::with_capacity(text.len());
    let mut rest = text.chars().peekable();
    while let Some(character) = rest.next() {
        if character == *MARK {
            let mut code = String::new();
            while let Some(digit) = rest.next_if(char::is_ascii_digit) {
                code.push(digit);
            }
            if rest.next_if_eq(&'m').is_some() && colors {
                let _ = write!(shown, "\u{1b}[{code}m");
            }
        } else if character == '\r' && rest.peek() == Some(&'\n') {
            shown.push(character);
        } else {
            push_shown(&mut shown, character);
        }
    }
    shown
}

/// Returns a text from outside without control characters other than line breaks and tabs. They are shown as text.
#[must_use]
pub(crate) fn printable(text: &str) -> Cow<'_, str> {
    if !text.contains(is_control) {
        return Cow::Borrowed(text);
    }
    let mut shown = String::with_capacity(text.len() + 8);
    for character in text.chars() {
        push_shown(&mut shown, character);
    }
    Cow::Owned(shown)
}

/// Returns a text from outside as a message shows it: without control characters, and with at most
/// [`LONGEST_LINE`] characters in a line.
#[must_use]
pub(crate) fn message(text: &str) -> String {
    printable(&with_short_lines(text)).into_owned()
}

/// Returns a text with at most [`LONGEST_LINE`] characters in a line.
#[must_use]
pub(crate) fn with_short_lines(text: &str) -> String {
    let lines: Vec<Cow<'_, str>> = text.split('\n').map(|line| shortened(line, LONGEST_LINE)).collect();
    lines.join("\n")
}

/// Returns a line with at most `longest` characters. The middle of a longer one is replaced by `…`.
#[must_use]
pub(crate) fn shortened(line: &str, longest: usize) -> Cow<'_, str> {
    if line.len() <= longest || line.chars().nth(longest).is_none() {
        return Cow::Borrowed(line);
    }
    let half = longest.saturating_sub(1) / 2;
    let start: String = line.chars().take(half).collect();
    let end: String = line.chars().rev().take(half).collect();
    let end: String = end.chars().rev().collect();
    Cow::Owned(format!("{start}…{end}"))
}

/// Returns a JSON document in which the control characters that JSON does not have to escape are escaped too.
#[must_use]
pub(crate) fn json(document: &str) -> Cow<'_, str> {
    if !document.contains(is_control) {
        return Cow::Borrowed(document);
    }
    // Only a string of the document can contain one. All are in the basic plane, so one escape is enough.
    let mut escaped = String::with_capacity(document.len() + 16);
    for character in document.chars() {
        if is_control(character) {
            let _ = write!(escaped, "\\u{:04x}", u32::from(character));
        } else {
            escaped.push(character);
        }
    }
    Cow::Owned(escaped)
}

/// Returns the output of a library that colors it itself: its colors are kept, and every other control character is
/// shown as text.
#[must_use]
pub(crate) fn keeping_colors(text: &str) -> String {
    let mut shown = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find('\u{1b}') {
        shown.push_str(&printable(&rest[..at]));
        rest = &rest[at..];
        let length = color_length(rest);
        if length == 0 {
            push_shown(&mut shown, '\u{1b}');
            rest = &rest[1..];
        } else {
            shown.push_str(&rest[..length]);
            rest = &rest[length..];
        }
    }
    shown.push_str(&printable(rest));
    shown
}

/// Returns the length of the color (`ESC [ digits and semicolons m`) at the start of a text, or 0.
fn color_length(text: &str) -> usize {
    let Some(inside) = text.strip_prefix("\u{1b}[") else {
        return 0;
    };
    let length = inside
        .bytes()
        .take_while(|byte| byte.is_ascii_digit() || *byte == b';')
        .count();
    if length <= 24 && inside[length..].starts_with('m') {
        length + 3
    } else {
        0
    }
}

fn push_shown(into: &mut String, character: char) {
    if is_control(character) {
        into.extend(character.escape_unicode());
    } else {
        into.push(character);
    }
}

/// Returns whether a terminal would act on a character: control characters, and those that change the direction or the
/// lines of a text. Line breaks and tabs do not count.
fn is_control(character: char) -> bool {
    match character {
        '\n' | '\t' => false,
        '\u{200e}' | '\u{200f}' | '\u{061c}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}' => true,
        other => other.is_control(),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn styles_are_colors_only_where_there_are_colors() {
        let text = format!("{} and {:<6}|", style("good").green().bold(), style("ab").dim());
        assert_eq!(
            for_terminal(&text, true),
            "\u{1b}[32m\u{1b}[1mgood\u{1b}[0m and \u{1b}[2mab    \u{1b}[0m|"
        );
        assert_eq!(for_terminal(&text, false), "good and ab    |");
    }

    /// Bug: a control character in the name of a GPU reached the terminal.
    #[test]
    fn control_characters_from_outside_are_shown_as_text() {
        let hostile = "GTX\u{1b}]0;owned\u{7}\u{1b}[2J\u{9b}31m\r\u{202e}x\u{0}\ttab\nline\r\n";
        let shown = r"GTX\u{1b}]0;owned\u{7}\u{1b}[2J\u{9b}31m\u{d}\u{202e}x\u{0}".to_owned() + "\ttab\nline";
        assert_eq!(for_terminal(hostile, true), format!("{shown}\r\n"));
        assert_eq!(printable(hostile), format!("{shown}\\u{{d}}\n"));
        assert_eq!(printable("plain — ✓\n"), "plain — ✓\n");
    }

    #[test]
    fn a_json_document_stays_the_same_document() {
        let value = "a\u{1b}[2J\u{9b}\u{7f}\u{2028}\u{202e}\n\u{10ffff}";
        let document = serde_json::to_string(value).expect("JSON");
        let escaped = json(&document);
        assert!(!escaped.contains(is_control), "{escaped}");
        assert_eq!(serde_json::from_str::<String>(&escaped).expect("JSON"), value);
    }

    #[test]
    fn only_colors_are_kept_of_a_library() {
        let text = "\u{1b}[1;31mred\u{1b}[0m \u{1b}[2J\u{1b}]8;;x\u{1b}\\ \u{1b}";
        assert_eq!(
            keeping_colors(text),
            "\u{1b}[1;31mred\u{1b}[0m \\u{1b}[2J\\u{1b}]8;;x\\u{1b}\\ \\u{1b}"
        );
    }

    #[test]
    fn long_lines_lose_their_middle() {
        assert_eq!(shortened("short", 5), "short");
        assert_eq!(shortened("abcdefgh", 5), "ab…gh");
        assert_eq!(shortened("ääääää", 6), "ääääää");
        let text = message(&format!("first\n{}\nlast", "x".repeat(1_000_000)));
        assert!(text.len() < 3 * LONGEST_LINE, "{} bytes", text.len());
        assert!(text.starts_with("first\n") && text.ends_with("\nlast"), "{text}");
    }

    proptest! {
        #[test]
        fn nothing_from_outside_controls_a_terminal(text in "\\PC*|.{0,60}|[\u{0}-\u{ff}]{0,60}") {
            let safe = |shown: &str| shown.chars().all(|character| character == '\r' || !is_control(character));
            prop_assert!(safe(&for_terminal(&text, true)));
            prop_assert!(safe(&printable(&text)) && !printable(&text).contains('\r'));
            prop_assert!(safe(&message(&text)));
            for lonely in keeping_colors(&text).split('\u{1b}').skip(1) {
                prop_assert!(lonely.starts_with('['));
            }
        }
    }
}
