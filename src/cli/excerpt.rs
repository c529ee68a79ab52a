//! The lines of a file around an error.

use std::ops::Range;

use miette::{LabeledSpan, MietteError, MietteSpanContents, SourceCode, SourceSpan, SpanContents};

use crate::text;

/// The largest number of characters of a line that are shown.
const WIDTH: usize = 120;

/// The line of an error and the lines next to it, none longer than [`WIDTH`] and all without control characters.
#[derive(Debug)]
pub(super) struct Excerpt {
    file: String,
    lines: String,
    /// The error, in `lines`.
    span: Range<usize>,
    /// The number of the first line of `lines` in the file, from 0.
    first_line: usize,
    /// The number of bytes that are missing before the error in its line.
    cut: usize,
}

impl Excerpt {
    /// Cuts the excerpt for an error at `span` out of the text of a file.
    pub(super) fn new(file: String, text: &str, span: &Range<usize>) -> Self {
        let start = floor(text, span.start);
        let line_start = text[..start].rfind('\n').map_or(0, |at| at + 1);
        let line_end = text[start..].find('\n').map_or(text.len(), |at| start + at);
        // The error may be a whole table. Its first line is enough.
        let end = floor(text, span.end).clamp(start, line_end);
        let number = text[..line_start].matches('\n').count();
        let mut lines = String::new();
        let mut first_line = number;
        if let Some(before) = text[..line_start].strip_suffix('\n') {
            first_line -= 1;
            let line = &before[before.rfind('\n').map_or(0, |at| at + 1)..];
            lines.push_str(&shown(line));
            lines.push('\n');
        }
        let (before, cut) = last_characters(&text[line_start..start], WIDTH / 3);
        lines.push_str(&text::printable(before));
        let from = lines.len();
        lines.push_str(&text::printable(first_characters(&text[start..end], WIDTH / 3)));
        let to = lines.len();
        lines.push_str(&text::printable(first_characters(
            text[end..line_end].trim_end_matches('\r'),
            WIDTH / 3,
        )));
        if let Some(after) = text[line_end..].strip_prefix('\n') {
            lines.push('\n');
            lines.push_str(&shown(after.split('\n').next().unwrap_or_default()));
        }
        Self {
            file: text::printable(&file).into_owned(),
            lines,
            span: from..to,
            first_line,
            cut,
        }
    }

    pub(super) fn label(&self) -> LabeledSpan {
        LabeledSpan::new_primary_with_span(Some("here".to_owned()), self.span.clone())
    }
}

impl SourceCode for Excerpt {
    fn read_span<'a>(
        &'a self,
        span: &SourceSpan,
        before: usize,
        after: usize,
    ) -> Result<Box<dyn SpanContents<'a> + 'a>, MietteError> {
        let inside = self.lines.read_span(span, before, after)?;
        // Without context lines, miette asks for the position of the error.
        let cut = if before == 0 && after == 0 { self.cut } else { 0 };
        Ok(Box::new(MietteSpanContents::new_named(
            self.file.clone(),
            inside.data(),
            *inside.span(),
            self.first_line + inside.line(),
            cut + inside.column(),
            inside.line_count(),
        )))
    }
}

/// Returns the nearest character boundary at or before a byte.
fn floor(text: &str, at: usize) -> usize {
    let mut at = at.min(text.len());
    while !text.is_char_boundary(at) {
        at -= 1;
    }
    at
}

fn shown(line: &str) -> String {
    text::printable(first_characters(line.trim_end_matches('\r'), WIDTH)).into_owned()
}

fn first_characters(text: &str, count: usize) -> &str {
    text.char_indices().nth(count).map_or(text, |(at, _)| &text[..at])
}

/// Returns the last characters of a text, and the number of bytes before them.
fn last_characters(text: &str, count: usize) -> (&str, usize) {
    match count
        .checked_sub(1)
        .and_then(|last| text.char_indices().rev().nth(last))
    {
        Some((at, _)) => (&text[at..], at),
        None => (text, 0),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn an_excerpt_has_three_lines() {
        let text = "one\ntwo\nthree = 4\r\nfive\nsix\n";
        let excerpt = Excerpt::new("a.toml".to_owned(), text, &(8..13));
        assert_eq!(
            (excerpt.lines.as_str(), excerpt.first_line),
            ("two\nthree = 4\nfive", 1)
        );
        assert_eq!(&excerpt.lines[excerpt.span.clone()], "three");
        let contents = excerpt.read_span(&excerpt.span.clone().into(), 0, 0).expect("inside");
        assert_eq!((contents.line(), contents.column()), (2, 0));
    }

    /// Bug: an error in a file of one huge line printed the whole file.
    #[test]
    fn a_huge_line_is_cut_around_the_error() {
        let text = format!("{}\u{1b}[2Jhere{}", "ä".repeat(500_000), "x".repeat(500_000));
        let at = text.find("here").expect("there");
        let excerpt = Excerpt::new("a.toml".to_owned(), &text, &(at..text.len()));
        assert!(excerpt.lines.chars().count() <= WIDTH + 10, "{}", excerpt.lines);
        assert!(excerpt.lines[excerpt.span.clone()].starts_with("herexx"));
        assert!(excerpt.lines.contains("ä\\u{1b}[2Jhere"), "{}", excerpt.lines);
        let contents = excerpt.read_span(&excerpt.span.clone().into(), 0, 0).expect("inside");
        assert_eq!(contents.column(), at + "\\u{1b}".len() - 1);
    }

    proptest! {
        #[test]
        fn every_span_gives_a_short_excerpt(text in "(.|\n|\r|\t){0,400}", a in 0_usize..900, b in 0_usize..900) {
            let excerpt = Excerpt::new("a".to_owned(), &text, &(a..b));
            prop_assert!(excerpt.lines.lines().count() <= 3);
            for lines in [0, 1] {
                prop_assert!(excerpt.read_span(&excerpt.span.clone().into(), lines, lines).is_ok());
            }
        }
    }
}
