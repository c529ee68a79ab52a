//! A requirements list with the hash of each wheel, as uv and pip read it.

use super::{about_wheels, comments};
use crate::{lock::LabEntry, packages::pypi};

/// Writes the wheels of an entry.
pub(super) fn requirements(entry: &LabEntry) -> String {
    let mut lines = about_wheels(entry);
    lines.push("uv pip install --no-deps --require-hashes -r FILE (or pip with the same options)".to_owned());
    comments(&lines) + &pypi::requirements(&entry.lock.pypi.wheels, ToOwned::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::export::fixtures;

    #[test]
    fn wheels_of_the_index_go_by_name_and_others_by_url() {
        insta::assert_snapshot!(fixtures::shown(&requirements(&fixtures::entry())));
    }
}
