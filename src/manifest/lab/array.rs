//! Edits arrays of texts in a TOML file and keeps the comments between their elements.

use toml_edit::{Array, Value};

/// The text between two elements: the rest of the previous element's line, and the part that belongs to the next
/// element.
struct Between {
    before: String,
    after: String,
}

impl Between {
    fn of(text: &str) -> Self {
        let at = text.find('\n').unwrap_or(0);
        Self {
            before: text[..at].to_owned(),
            after: text[at..].to_owned(),
        }
    }

    /// Joins both parts. A comment needs a line break after it.
    fn joined(&self) -> String {
        let newline = if self.before.contains('#') && !self.after.starts_with('\n') {
            "\n"
        } else {
            ""
        };
        format!("{}{newline}{}", self.before, self.after)
    }
}

fn prefix(value: &Value) -> String {
    text(value.decor().prefix())
}

fn text(raw: Option<&toml_edit::RawString>) -> String {
    raw.and_then(toml_edit::RawString::as_str)
        .unwrap_or_default()
        .to_owned()
}

/// Adds an element at the end, on its own line if the others have their own lines.
pub(super) fn push(array: &mut Array, element: &str) {
    let mut value = Value::from(element);
    let trailing = text(Some(array.trailing()));
    let indentation = array
        .iter()
        .map(prefix)
        .filter_map(|prefix| prefix.rsplit_once('\n').map(|(_, spaces)| spaces.to_owned()))
        .last();
    let after_last = array.iter_mut().last().map(|last| {
        let after = text(last.decor().suffix());
        last.decor_mut().set_suffix("");
        after
    });
    let closing = format!("{}{trailing}", after_last.clone().unwrap_or_default());
    match (closing.rsplit_once('\n'), indentation) {
        // The text before the bracket is the last element's comment, or a separate comment.
        (Some((comments, end)), indentation) => {
            let indentation = indentation.unwrap_or_else(|| "  ".to_owned());
            value
                .decor_mut()
                .set_prefix(format!("{}\n{indentation}", comments.trim_end()));
            array.set_trailing(format!("\n{end}"));
            array.set_trailing_comma(true);
        }
        (None, Some(indentation)) => value.decor_mut().set_prefix(format!("\n{indentation}")),
        (None, None) if array.is_empty() => {
            value.decor_mut().set_prefix("");
            array.set_trailing("");
        }
        (None, None) => {
            value.decor_mut().set_prefix(" ");
        }
    }
    array.push_formatted(value);
}

/// Replaces the text of an element.
pub(super) fn replace(array: &mut Array, index: usize, element: &str) {
    if let Some(old) = array.get_mut(index) {
        let decor = old.decor().clone();
        *old = Value::from(element);
        *old.decor_mut() = decor;
    }
}

/// Removes an element with the comments above it and on its line. The comments of its neighbors are kept.
pub(super) fn remove(array: &mut Array, index: usize) {
    if index >= array.len() {
        return;
    }
    let own = prefix(&array.remove(index));
    let is_line = own.contains('\n');
    let own = Between::of(&own);
    let next = match array.get(index) {
        Some(next) => prefix(next),
        None => text(Some(array.trailing())),
    };
    let rest = if is_line || next.contains('\n') {
        Between {
            before: own.before,
            after: Between::of(&next).after,
        }
        .joined()
    } else if index == 0 || index >= array.len() {
        // `["a", "b"]` without its first or last element has no space there.
        String::new()
    } else {
        next
    };
    if let Some(next) = array.get_mut(index) {
        next.decor_mut().set_prefix(rest);
        return;
    }
    // The new last element keeps its own line.
    let is_line = rest.contains('\n');
    array.set_trailing(rest);
    array.set_trailing_comma(!array.is_empty() && (is_line || array.trailing_comma()));
}

#[cfg(test)]
mod tests {
    use super::*;

    fn edited(before: &str, edit: impl FnOnce(&mut Array)) -> String {
        let mut document: toml_edit::DocumentMut = format!("a = {before}\n").parse().expect("TOML");
        edit(document["a"].as_array_mut().expect("an array"));
        let text = document.to_string();
        assert!(text.parse::<toml_edit::DocumentMut>().is_ok(), "{text}");
        text["a = ".len()..].trim_end().to_owned()
    }

    #[test]
    fn an_element_is_added_in_the_style_of_the_array() {
        for (before, after) in [
            ("[]", r#"["new"]"#),
            ("[ ]", r#"["new"]"#),
            (r#"["a"]"#, r#"["a", "new"]"#),
            (r#"["a",]"#, r#"["a", "new",]"#),
            ("[\n  \"a\",\n]", "[\n  \"a\",\n  \"new\",\n]"),
            ("[\n  \"a\"\n]", "[\n  \"a\",\n  \"new\",\n]"),
            ("[\n  \"a\", # one\n]", "[\n  \"a\", # one\n  \"new\",\n]"),
            ("[\n  \"a\" # one\n]", "[\n  \"a\", # one\n  \"new\",\n]"),
            (
                "[\n\t\"a\", # one\n\t# more\n]",
                "[\n\t\"a\", # one\n\t# more\n\t\"new\",\n]",
            ),
            ("[\n  # none\n]", "[\n  # none\n  \"new\",\n]"),
            ("[\n  \"a\", \"b\"]", "[\n  \"a\", \"b\",\n  \"new\"]"),
        ] {
            assert_eq!(edited(before, |array| push(array, "new")), after, "{before}");
        }
    }

    #[test]
    fn an_element_is_removed_with_its_own_comments_only() {
        for (before, index, after) in [
            (r#"["a"]"#, 0, "[]"),
            (r#"["a", "b", "c"]"#, 0, r#"["b", "c"]"#),
            (r#"["a", "b", "c"]"#, 1, r#"["a", "c"]"#),
            (r#"["a", "b", "c"]"#, 2, r#"["a", "b"]"#),
            (
                "[\n  \"a\", # one\n  # of b\n  \"b\", # two\n  \"c\", # three\n]",
                1,
                "[\n  \"a\", # one\n  \"c\", # three\n]",
            ),
            ("[\n  \"a\", # one\n  \"b\", # two\n]", 0, "[\n  \"b\", # two\n]"),
            ("[\n  \"a\", # one\n  \"b\", # two\n]", 1, "[\n  \"a\", # one\n]"),
            ("[\n  \"a\", # one\n  \"b\"]", 1, "[\n  \"a\", # one\n]"),
        ] {
            assert_eq!(edited(before, |array| remove(array, index)), after, "{before}");
        }
    }

    #[test]
    fn an_element_is_replaced_in_its_place() {
        assert_eq!(
            edited("[ \"a\", # one\n  \"b\" ]", |array| replace(array, 0, "a>=2")),
            "[ \"a>=2\", # one\n  \"b\" ]"
        );
    }
}
