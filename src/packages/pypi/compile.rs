//! Runs of `uv pip compile`, in a folder with generated files.

use std::{ffi::OsString, fmt::Write as _};

use url::Url;

use super::{
    PypiError, ResolveRequest, Uv, environment,
    project::{self, Project},
    pylock,
    resolve::{has_torch, places, with_sizes},
    watch::run_and_report,
};
use crate::{
    context::{Context, event::Stage, sources::SourceName},
    input::{self, Input},
    lock::{LockedWheel, WheelConflict},
    packages::conda,
    plan::Plan,
    process::Job,
    profile::stack::Stacks,
};

/// Runs `uv pip compile` for one request.
pub(super) struct Compile<'a> {
    pub(super) ctx: &'a Context,
    pub(super) uv: &'a Uv,
    pub(super) request: &'a ResolveRequest<'a>,
    pub(super) files: &'a Project,
}

impl Compile<'_> {
    /// Returns the pinned build requirements of the plan's sdists. Without pins uv would use the newest releases.
    pub(super) async fn build_requirements(&self) -> Result<Vec<LockedWheel>, PypiError> {
        let mut requires: Vec<&str> = self
            .request
            .plan
            .build
            .iter()
            .flat_map(|exception| exception.requires.iter().map(String::as_str))
            .collect();
        requires.sort_unstable();
        requires.dedup();
        if requires.is_empty() {
            return Ok(Vec::new());
        }
        let list = self
            .files
            .write("build-requirements.in", &requires.join("\n"))
            .map_err(PypiError::Io)?;
        self.prefer("pylock.build.toml", self.request.keep_build)?;
        let arguments = vec![list.into_os_string(), "--only-binary".into(), ":all:".into()];
        let (resolved, _) = self
            .compile("pylock.build.toml", arguments, self.request.keep_build)
            .await?;
        let places = places(&resolved);
        let resolved = with_sizes(self.ctx, resolved, &places, self.request.keep_build).await;
        Ok(resolved
            .into_iter()
            .map(|wheel| LockedWheel { url: None, ..wheel })
            .collect())
    }

    pub(super) async fn plan(
        &self,
        explicit: &[(SourceName, Url)],
        build: &[LockedWheel],
    ) -> Result<(Vec<LockedWheel>, String), PypiError> {
        let request = self.request;
        let text = project::pyproject(
            request.plan,
            request.python_version,
            request.extra,
            explicit,
            &self.ctx.settings.sources.keyring(),
        )
        .map_err(|error| PypiError::Answer(error.to_string()))?;
        let mut arguments: Vec<OsString> = vec![
            self.files
                .write("pyproject.toml", &text)
                .map_err(PypiError::Io)?
                .into_os_string(),
        ];
        arguments.extend(no_binary_arguments(request.plan));
        let mut lines: Vec<String> = request
            .by_conda
            .iter()
            .map(|(name, version)| format!("{name}=={version}"))
            .collect();
        lines.extend(request.plan.bounds.iter().map(|bound| bound.requirement.clone()));
        // PyPI has one build of each torch release. Older releases are for an older CUDA, which a resolver does not
        // see.
        if request.plan.wants(SourceName::Torch)
            && !has_torch(explicit)
            && let Some(major) = request.plan.backend.cuda_major()
            && let Some(least) = Stacks::table().least_torch(major)
        {
            lines.push(format!("torch>={least}"));
        }
        if !lines.is_empty() {
            let file = self
                .files
                .write("constraints.txt", &lines.join("\n"))
                .map_err(PypiError::Io)?;
            arguments.extend(["--constraints".into(), file.into_os_string()]);
        }
        if !build.is_empty() {
            let file = self
                .files
                .write("build-constraints.txt", &hashed(build))
                .map_err(PypiError::Io)?;
            arguments.extend(["--build-constraints".into(), file.into_os_string()]);
        }
        self.prefer("pylock.toml", request.keep)?;
        self.compile("pylock.toml", arguments, request.keep).await
    }

    /// Writes the kept versions to `output`: uv prefers the versions that its output file already contains.
    fn prefer(&self, output: &str, keep: &[LockedWheel]) -> Result<(), PypiError> {
        if keep.is_empty() {
            return Ok(());
        }
        let kept = pylock::preferences(keep).map_err(|error| PypiError::Answer(error.to_string()))?;
        self.files.write(output, &kept).map_err(PypiError::Io)?;
        Ok(())
    }

    /// Adds to `error` which packages require the two conflicting ones, according to the comments of a requirements
    /// list. The files written by [`Self::plan`] must still exist.
    pub(super) async fn asked_by(&self, mut error: WheelConflict) -> WheelConflict {
        let mut arguments: Vec<OsString> = vec![self.files.path("pyproject.toml").into_os_string()];
        arguments.extend(no_binary_arguments(self.request.plan));
        for (option, file) in [
            ("--constraints", "constraints.txt"),
            ("--build-constraints", "build-constraints.txt"),
        ] {
            let file = self.files.path(file);
            if file.exists() {
                arguments.extend([option.into(), file.into_os_string()]);
            }
        }
        arguments.extend(["--annotation-style".into(), "line".into()]);
        // If this run fails, the error still names the two packages.
        if let Ok((text, _)) = self.compiled("requirements.txt", "requirements.txt", arguments).await {
            for party in [&mut error.first, &mut error.second] {
                party.required_by = requirers(&text, &party.name);
            }
        }
        error
    }

    async fn compile(
        &self,
        output: &str,
        arguments: Vec<OsString>,
        keep: &[LockedWheel],
    ) -> Result<(Vec<LockedWheel>, String), PypiError> {
        let (text, stderr) = self.compiled("pylock.toml", output, arguments).await?;
        Ok((pylock::parse(&text, keep).map_err(PypiError::Answer)?, stderr))
    }

    /// Returns the indexes that uv may wait for. Sdists are built, which takes long and needs no index.
    fn sources(&self) -> Vec<SourceName> {
        let plan = self.request.plan;
        if !plan.build.is_empty() || plan.source.is_some() {
            return Vec::new();
        }
        let sources = &self.ctx.settings.sources;
        let named = plan.requirements.iter().map(|wanted| sources.effective(wanted.source));
        named.chain([SourceName::Pypi]).collect()
    }

    /// Runs uv and returns the file that it writes in this format and its standard error.
    async fn compiled(
        &self,
        format: &str,
        output: &str,
        arguments: Vec<OsString>,
    ) -> Result<(String, String), PypiError> {
        let ctx = self.ctx;
        let request = self.request;
        let written = self.files.path(output);
        let mut variables = environment::for_uv(&ctx.settings, request.folder);
        if let Some(macos) = request.target.and_then(|target| target.macos.as_ref()) {
            variables.insert("MACOSX_DEPLOYMENT_TARGET".into(), macos.to_string().into());
        }
        let mut job = Job::new(&self.uv.path, variables)
            .args(["pip", "compile", "--format", format, "--config-file"])
            .args([self.files.path("uv.toml")])
            .args(["--python".into(), request.python.clone().into_os_string()])
            .args(["--output-file".into(), written.clone().into_os_string()])
            .args(arguments)
            .cwd(self.files.folder());
        if let Some(target) = request.target {
            job = job.args([
                "--python-version",
                request.python_version,
                "--python-platform",
                &target.uv_platform(),
            ]);
        }
        if let Some(date) = &request.plan.exclude_newer {
            // uv would interpret a day in the local time zone.
            let until = conda::cutoff(date).map_or_else(|_| date.clone(), |time| time.to_string());
            job = job.args(["--exclude-newer", &until]);
        }
        if ctx.settings.offline {
            job = job.args(["--offline"]);
        }
        let ended = run_and_report(ctx, Stage::Resolve, job, &self.sources()).await?;
        if !ended.success() {
            return Err(PypiError::of_uv(request.folder, &ended).about(request.plan));
        }
        let text = input::read_text(&written, Input::Lock).map_err(PypiError::Io)?;
        Ok((text, ended.stderr))
    }
}

/// Returns which packages require a package, from the comment on its line: `numpy==2.1.0  # via sleap, torch`.
fn requirers(list: &str, package: &str) -> Vec<String> {
    let of_package = |line: &&str| line.split("==").next() == Some(package);
    let Some((_, comment)) = list.lines().find(of_package).and_then(|line| line.split_once("# via ")) else {
        return Vec::new();
    };
    comment
        .split(',')
        .map(|asker| match asker.trim() {
            // The generated project represents the manifest.
            asker if asker.starts_with("matenv-plan") => "the manifest".to_owned(),
            asker => asker.to_owned(),
        })
        .collect()
}

/// Returns `--only-binary :all:` and the plan's exceptions.
pub(super) fn no_binary_arguments(plan: &Plan) -> Vec<OsString> {
    let mut arguments: Vec<OsString> = vec!["--only-binary".into(), ":all:".into()];
    for exception in &plan.build {
        arguments.extend(["--no-binary".into(), exception.package.clone().into()]);
    }
    arguments
}

/// Returns a requirements list with hashes.
pub(super) fn hashed(wheels: &[LockedWheel]) -> String {
    let mut list = String::new();
    for wheel in wheels {
        // Writing into a String cannot fail.
        let _ = writeln!(list, "{}=={} --hash=sha256:{}", wheel.name, wheel.version, wheel.sha256);
    }
    list
}
