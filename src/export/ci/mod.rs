//! CI: a workflow that installs a lab's environments from its lock and stores their certificates.
//!
//! Input: jobs, one for each environment, profile and platform ([`jobs`]), and the wheels of matenv itself. Output: the
//! text of a workflow, a pipeline or a matrix ([`render`]). This module opens no connection. The names that
//! the services use are in `profiles/services.toml`.

mod github;
mod gitlab;
mod jobs;
mod wheel;

pub(crate) use jobs::jobs;
pub(crate) use wheel::MatenvWheel;

use std::path::{Path, PathBuf};

use serde::Serialize;

use crate::{
    export::services::Services,
    names::{Backend, EnvName, ProfileName},
};

/// The kind of file to write.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, clap::ValueEnum)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Kind {
    /// A workflow for GitHub Actions
    Github,
    /// A pipeline for GitLab
    Gitlab,
    /// The jobs as one line of JSON, for your own workflow
    Matrix,
}

/// A CI job.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct Job {
    /// The environment.
    pub env: EnvName,
    /// The profile.
    pub profile: ProfileName,
    /// The torch backend.
    pub backend: Backend,
    /// The conda subdir, such as `linux-64`.
    pub platform: String,
}

/// The rendered text and its jobs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct Rendered {
    /// The text.
    pub text: String,
    /// The jobs in the text.
    pub jobs: Vec<Job>,
    /// The jobs that were left out because the service has no runner for them.
    pub left_out: Vec<Job>,
}

/// An error while rendering a CI file.
#[derive(Debug, thiserror::Error)]
pub enum CiError {
    /// There is no wheel of matenv for a platform.
    #[error("no wheel of matenv given for {platform}")]
    NoWheel {
        /// The conda subdir.
        platform: String,
    },
    /// A job cannot use the given wheel.
    #[error("invalid wheel of matenv `{given}`: {because}")]
    Wheel {
        /// The given text.
        given: String,
        /// The reason.
        because: &'static str,
    },
    /// A wheel cannot be read.
    #[error("failed to read {}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// The cause.
        #[source]
        source: std::io::Error,
    },
    /// The service has no runner for a platform.
    #[error("no known runner for {platform}")]
    NoRunner {
        /// The conda subdir.
        platform: String,
    },
    /// The text could not be rendered.
    #[error("failed to render the file: {0}")]
    Form(String),
}

/// Renders `jobs` for a service. `wheels` may be empty for [`Kind::Matrix`].
///
/// # Errors
/// A wheel or a runner is missing for a platform.
pub(crate) fn render(kind: Kind, jobs: &[Job], wheels: &[MatenvWheel]) -> Result<Rendered, CiError> {
    let services = Services::load();
    let (shown, left_out): (Vec<Job>, Vec<Job>) = jobs.iter().cloned().partition(|job| {
        let platform = services.platform(&job.platform);
        kind != Kind::Gitlab || platform.is_some_and(|platform| platform.gitlab.is_some())
    });
    if let (true, Some(job)) = (shown.is_empty(), left_out.first()) {
        let platform = job.platform.clone();
        return Err(CiError::NoRunner { platform });
    }
    let text = match kind {
        Kind::Github => github::workflow(&shown, wheels, &services)?,
        Kind::Gitlab => gitlab::pipeline(&shown, wheels, &services)?,
        Kind::Matrix => github::matrix(&shown, wheels, &services)?,
    };
    Ok(Rendered {
        text,
        jobs: shown,
        left_out,
    })
}

impl Job {
    /// Returns the name of the lock's entry and the platform: `sleap-gpu-cu130 linux-64`.
    fn title(&self) -> String {
        let entry = crate::lock::LabEntry::name_of(&self.env, self.profile, &self.backend);
        format!("{entry} {}", self.platform)
    }

    /// Returns the additional flags of `matenv install`. Runners have no GPU, so GPU environments need `--cross`,
    /// which skips the checks that need one.
    fn flags(&self) -> &'static str {
        if self.profile == ProfileName::Cpu {
            ""
        } else {
            "--cross"
        }
    }
}

/// The beginning of the workflow and of the pipeline.
pub(crate) const HEAD: &str = "# Written by `matenv ci ";

/// Returns the root of the git repository that contains the lab, if it is another folder.
#[must_use]
pub(crate) fn repository_above(root: &Path) -> Option<PathBuf> {
    let root = fs_err::canonicalize(root).ok()?;
    let top = root.ancestors().find(|folder| folder.join(".git").exists())?;
    (top != root).then(|| top.to_owned())
}

/// Returns the first lines of the workflow and of the pipeline.
fn comments(kind: &str) -> String {
    format!(
        "{HEAD}{kind}`, matenv {}; not tested by running it. Run the command again when the lab's environments change.\n\
         # matenv is installed from a wheel, pinned by hash. Only packages of CPU environments are cached: a few GPU environments\n\
         # would fill the 10 GB that a repository has.\n",
        env!("CARGO_PKG_VERSION")
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn job(env: &str, profile: ProfileName, backend: &str, platform: &str) -> Job {
        Job {
            env: env.parse().expect("a name"),
            profile,
            backend: backend.parse().expect("a backend"),
            platform: platform.to_owned(),
        }
    }

    fn all() -> Vec<Job> {
        vec![
            job("sleap", ProfileName::Cpu, "cpu", "linux-64"),
            job("sleap", ProfileName::GpuTrt, "cu128", "linux-64"),
            job("runtime", ProfileName::Cpu, "cpu", "win-64"),
        ]
    }

    fn wheels() -> Vec<MatenvWheel> {
        let wheel = |place: &str, tag: &str, digit: char| MatenvWheel {
            place: format!("{place}matenv-0.1.0-py3-none-{tag}.whl"),
            file: format!("matenv-0.1.0-py3-none-{tag}.whl"),
            sha256: digit.to_string().repeat(64),
        };
        vec![
            wheel("./tools/", "manylinux_2_28_x86_64", 'a'),
            wheel("https://wheels.example.org/", "win_amd64", 'b'),
        ]
    }

    /// Replaces matenv's version, so that snapshots do not depend on it.
    fn shown(rendered: &Rendered) -> String {
        let version = concat!("matenv ", env!("CARGO_PKG_VERSION"));
        rendered.text.replace(version, "matenv [VERSION]")
    }

    #[test]
    fn a_workflow_has_one_job_for_each_environment_profile_and_platform() {
        let rendered = render(Kind::Github, &all(), &wheels()).expect("a workflow");
        insta::assert_snapshot!("github", shown(&rendered));
    }

    #[test]
    fn a_pipeline_leaves_out_jobs_without_a_runner() {
        let rendered = render(Kind::Gitlab, &all(), &wheels()).expect("a pipeline");
        assert_eq!(rendered.left_out, all()[2..]);
        insta::assert_snapshot!("gitlab", shown(&rendered));
    }

    /// GitLab refuses a pipeline with only a hidden job.
    #[test]
    fn a_pipeline_without_jobs_is_an_error() {
        let error = render(Kind::Gitlab, &all()[2..], &wheels()).expect_err("no runner for Windows");
        assert_eq!(error.to_string(), "no known runner for win-64");
    }

    #[test]
    fn a_matrix_is_one_line() {
        let text = render(Kind::Matrix, &all()[..2], &[]).expect("a matrix").text;
        insta::assert_snapshot!(text, @r#"{"include":[{"env":"sleap","profile":"cpu","backend":"cpu","platform":"linux-64","cuda":"","flags":"","runner":"ubuntu-24.04"},{"env":"sleap","profile":"gpu-trt","backend":"cu128","platform":"linux-64","cuda":"12.8","flags":"--cross","runner":"ubuntu-24.04"}]}"#);
    }

    #[test]
    fn a_platform_without_a_wheel_is_named() {
        let error = render(Kind::Github, &all(), &wheels()[..1]).expect_err("no wheel for Windows");
        assert_eq!(error.to_string(), "no wheel of matenv given for win-64");
    }
}
