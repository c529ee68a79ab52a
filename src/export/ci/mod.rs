//! CI: a workflow that installs a lab's environments by its lock and keeps their certificates.
//!
//! In: jobs, one for each environment, profile and platform ([`jobs`]), and the wheels that bring matenv itself. Out:
//! the text of a workflow, a pipeline or a matrix ([`render`]). Absent on purpose: sockets; the services' own names stand
//! in `profiles/services.toml`.

mod github;
mod gitlab;
mod jobs;
mod wheel;

pub use jobs::jobs;
pub use wheel::MatenvWheel;

use std::path::{Path, PathBuf};

use serde::Serialize;

use crate::{
    export::services::Services,
    names::{Backend, EnvName, ProfileName},
};

/// What is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, clap::ValueEnum)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    /// A workflow of GitHub Actions
    Github,
    /// A pipeline of GitLab
    Gitlab,
    /// The jobs as one line of JSON, for a workflow of your own
    Matrix,
}

/// One job.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Job {
    /// The environment.
    pub env: EnvName,
    /// The accelerator level.
    pub profile: ProfileName,
    /// torch's backend.
    pub backend: Backend,
    /// conda's platform, such as `linux-64`.
    pub platform: String,
}

/// What was written, and what not.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Rendered {
    /// The text.
    pub text: String,
    /// The jobs that are in it.
    pub jobs: Vec<Job>,
    /// The jobs that the service has no runner for.
    pub left_out: Vec<Job>,
}

/// Why nothing could be written.
#[derive(Debug, thiserror::Error)]
pub enum CiError {
    /// No wheel brings matenv to a platform.
    #[error("no wheel of matenv is named for {platform}")]
    NoWheel {
        /// conda's name of it.
        platform: String,
    },
    /// A wheel is named in a way that a job cannot use.
    #[error("`{given}` cannot be the wheel of matenv: {because}")]
    Wheel {
        /// What was given.
        given: String,
        /// Why not.
        because: &'static str,
    },
    /// A wheel cannot be read.
    #[error("cannot read {}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// A platform that no service has a runner for.
    #[error("no runner is known for {platform}")]
    NoRunner {
        /// conda's name of it.
        platform: String,
    },
    /// The text could not be made.
    #[error("the text cannot be made: {0}")]
    Form(String),
}

/// Write `jobs` for a service. The wheels are needed where the text installs matenv.
pub fn render(kind: Kind, jobs: &[Job], wheels: &[MatenvWheel]) -> Result<Rendered, CiError> {
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
    /// `sleap-gpu-cu130 linux-64`, as the lock names it.
    fn title(&self) -> String {
        let entry = crate::lock::LabEntry::name_of(&self.env, self.profile, &self.backend);
        format!("{entry} {}", self.platform)
    }

    /// Runners have no GPU: what needs one is skipped, and the certificate says so.
    fn flags(&self) -> &'static str {
        if self.profile == ProfileName::Cpu {
            ""
        } else {
            "--cross"
        }
    }
}

/// What both files begin with.
pub const HEAD: &str = "# Written by `matenv ci ";

/// The top of the git repository that a lab lies in, if that is another folder.
#[must_use]
pub fn repository_above(root: &Path) -> Option<PathBuf> {
    let root = fs_err::canonicalize(root).ok()?;
    let top = root.ancestors().find(|folder| folder.join(".git").exists())?;
    (top != root).then(|| top.to_owned())
}

/// The first lines of both files.
fn comments(kind: &str) -> String {
    format!(
        "{HEAD}{kind}`, matenv {}; it was not run. Write it again when the lab's environments change.\n\
         # matenv comes from a wheel, pinned by hash. Cached is what matenv.lock names, on the processor only: a few GPU\n\
         # environments would fill the 10 GB that a repository has.\n",
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

    /// As a snapshot keeps it: the next version of matenv changes none.
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
    fn a_pipeline_leaves_out_what_the_service_has_no_runner_for() {
        let rendered = render(Kind::Gitlab, &all(), &wheels()).expect("a pipeline");
        assert_eq!(rendered.left_out, all()[2..]);
        insta::assert_snapshot!("gitlab", shown(&rendered));
    }

    /// A pipeline of nothing but a hidden job is refused by the service.
    #[test]
    fn what_no_runner_can_take_is_no_pipeline() {
        let error = render(Kind::Gitlab, &all()[2..], &wheels()).expect_err("no runner for Windows");
        assert_eq!(error.to_string(), "no runner is known for win-64");
    }

    #[test]
    fn a_matrix_is_one_line() {
        let text = render(Kind::Matrix, &all()[..2], &[]).expect("a matrix").text;
        insta::assert_snapshot!(text, @r#"{"include":[{"env":"sleap","profile":"cpu","backend":"cpu","platform":"linux-64","cuda":"","flags":"","runner":"ubuntu-24.04"},{"env":"sleap","profile":"gpu-trt","backend":"cu128","platform":"linux-64","cuda":"12.8","flags":"--cross","runner":"ubuntu-24.04"}]}"#);
    }

    #[test]
    fn a_platform_without_a_wheel_is_named() {
        let error = render(Kind::Github, &all(), &wheels()[..1]).expect_err("no wheel for Windows");
        assert_eq!(error.to_string(), "no wheel of matenv is named for win-64");
    }
}
