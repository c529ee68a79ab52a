/// A word that a POSIX shell takes as it is.
pub(crate) fn posix_quoted(word: &str) -> String {
    format!("'{}'", word.replace('\'', r"'\''"))
}
