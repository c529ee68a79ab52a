//! `Permission denied` or `Read-only file system` when an environment is changed
//!
//! The environment belongs to another user, for example because a lab shares it, or it is on a disk that is
//! mounted read-only. You can use it, but you cannot change it. Python cannot save its compiled files there,
//! so the first import after each start takes longer.
//!
//! Remedy: to use the environment, do nothing. To change it, work as its owner, or install your own copy:
//! `MATENV_HOME=DIR matenv install ENV`.

use crate::{
    doctor::examined::ExaminedPrefix,
    finding::{Code, Finding, Scope, Severity},
};

pub(crate) fn detect(read_only: bool, examined: &ExaminedPrefix) -> Vec<Finding> {
    if !read_only {
        return Vec::new();
    }
    let finding = Finding::new(
        Code::ReadOnlyPrefix,
        Severity::Info,
        Scope::Host,
        format!("{} can be used but not changed by this user", examined.name()),
    )
    .with_evidence([format!("no write permission: {}", examined.prefix.display())]);
    vec![match &examined.install_arguments {
        Some(typed) => finding.with_remedy(format!(
            "to install your own copy: MATENV_HOME=DIR matenv install {typed}"
        )),
        None => finding,
    }]
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    #[test]
    fn a_read_only_prefix_is_an_info() {
        let examined = ExaminedPrefix::foreign(Path::new("/srv/lab/env"));
        assert_eq!(detect(false, &examined), []);
        insta::assert_snapshot!(detect(true, &examined)[0].render(), @"
        [info] ME062 /srv/lab/env can be used but not changed by this user
          no write permission: /srv/lab/env
        ");
    }
}
