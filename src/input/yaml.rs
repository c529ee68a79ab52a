//! A limit on the depth of YAML.

/// The largest number of brackets that may be open at once. Locks and configurations have fewer than ten.
const MOST_OPEN: usize = 1_000;

/// Checks that YAML is not nested so deeply that its parser takes minutes: for `{a: ` repeated 100,000 times, the time
/// grows with the square of the depth, and the parser's own limit comes after that.
///
/// This counts brackets without parsing the text, and never counts too few: a bracket may be part of a text, and a
/// closing one in a line with quotes or a comment may be too, so it does not close anything.
///
/// # Errors
/// Too many brackets may be open at once, with the line.
pub(crate) fn check_yaml_depth(text: &str) -> Result<(), String> {
    // Nothing that an earlier line opened is ever regarded as closed.
    let mut open_before = 0_usize;
    for (at, line) in text.lines().enumerate() {
        let quoted = line.contains(['"', '\'', '#']);
        let mut open = 0_usize;
        for byte in line.bytes() {
            match byte {
                b'[' | b'{' => open += 1,
                b']' | b'}' if !quoted => open = open.saturating_sub(1),
                _ => {}
            }
            if open_before + open > MOST_OPEN {
                return Err(format!("it is nested too deeply at line {}", at + 1));
            }
        }
        open_before += open;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn deep_yaml_is_refused() {
        for open in ["[", "{a: ", "[\n", "[ \"]\",\n", "[ '\n]', ", "- {a: \n", "[ # ]\n"] {
            assert!(check_yaml_depth(&open.repeat(100_000)).is_err(), "{open:?}");
        }
    }

    #[test]
    fn the_yaml_of_locks_and_of_conda_is_accepted() {
        for line in [
            "depends: []\n",
            "- numpy[version=1.2,build=*]\n",
            "{a: [1, {b: 2}]}\n",
            "channels: [conda-forge]\n",
            "- - - a\n",
        ] {
            assert_eq!(check_yaml_depth(&line.repeat(100_000)), Ok(()), "{line:?}");
        }
        assert_eq!(check_yaml_depth(&"- 'a[build=b]'\n".repeat(500)), Ok(()));
    }
}
