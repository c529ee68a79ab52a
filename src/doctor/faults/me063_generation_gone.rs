//! `EnvironmentLocationNotFound`, `.matenv/envs/sleap/bin/python: No such file or directory`: the environment is missing
//!
//! matenv's link to the environment is there, but the folder in the store that it points to is missing.
//! Somebody moved, renamed or deleted it, or its disk is not mounted. The cause can also be that matenv's
//! records of the environment (`share/matenv`) are missing or damaged.
//!
//! Remedy: move the folder back, use an earlier generation (`matenv rollback ENV`), or install the environment
//! again: `matenv install ENV`. To remove what is left of it, run `matenv remove ENV`.

use crate::{
    finding::{Code, Finding, Scope, Severity},
    store::Lost,
};

pub(crate) fn detect(lost: &Lost, has_manifest: bool) -> Finding {
    Finding::new(
        Code::GenerationGone,
        Severity::Error,
        Scope::Environment,
        lost.message(),
    )
    .with_evidence([lost.evidence()])
    .with_remedy(lost.remedy(has_manifest))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::doctor::tests::gpu_environment;

    #[test]
    fn the_install_command_comes_from_an_older_generation_or_a_manifest() {
        let newest = gpu_environment().records.map(|made| made.generation);
        let found = |newest, has_manifest| {
            let lost = Lost {
                env: "rig".parse().expect("a name"),
                link: "/h/.matenv/envs/rig".into(),
                target: "/h/.matenv/store/rig-2.0f4a21".into(),
                newest,
            };
            detect(&lost, has_manifest)
        };
        insta::assert_snapshot!(found(newest, false).render(), @"
        [error] ME063 the folder of `rig` is missing: it was moved or deleted
          /h/.matenv/envs/rig points to /h/.matenv/store/rig-2.0f4a21, which does not exist
          do: move it back, or use another generation, or install it again: matenv rollback rig   or   matenv install sleap --name rig   or   matenv remove rig
        ");
        let remedy = |has_manifest| found(None, has_manifest).remedy.unwrap_or_default();
        insta::assert_snapshot!(remedy(true), @"move it back, or install it again: matenv install rig   or   matenv remove rig");
        insta::assert_snapshot!(remedy(false), @"move it back, or install it again: matenv install MANIFEST --name rig   or   matenv remove rig");
    }
}
