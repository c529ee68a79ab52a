/// Quotes a word for a POSIX shell.
pub(crate) fn posix_quoted(word: &str) -> String {
    format!("'{}'", word.replace('\'', r"'\''"))
}
