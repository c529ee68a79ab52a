use std::{
    collections::BTreeSet,
    ffi::OsString,
    fmt::Write as _,
    path::{Path, PathBuf},
};

use url::Url;

use super::{
    PypiError, Uv,
    agree::{Disagreement, contradiction},
    check, environment,
    project::{self, Project},
    pylock, torch_build,
    watch::watched,
};
use crate::{
    conda,
    context::Context,
    event::Stage,
    lock::{LockedPypi, LockedWheel},
    net::Silence,
    plan::Plan,
    process::Job,
    sources::{Index, SourceName},
    stack::Stacks,
    store::layout,
    target::Target,
};

/// What is to be resolved, and for which interpreter.
#[derive(Debug, Clone)]
pub struct ResolveRequest<'a> {
    /// The plan.
    pub plan: &'a Plan,
    /// The folder that is written to: the prefix, or matenv's own for a lock.
    pub folder: &'a Path,
    /// The interpreter that uv asks for markers and lets build sdists.
    pub python: PathBuf,
    /// The minor version of the environment's Python, such as `3.13`.
    pub python_version: &'a str,
    /// The platform that is resolved for; `None` is the interpreter's own.
    pub target: Option<&'a Target>,
    /// Requirements beside the plan's: what conda would have brought.
    pub extra: &'a [String],
    /// Names and versions of the Python packages that conda brings.
    pub by_conda: Vec<(String, String)>,
    /// Wheels whose versions stay if they can.
    pub keep: &'a [LockedWheel],
    /// The same of what builds need.
    pub keep_build: &'a [LockedWheel],
}

impl<'a> ResolveRequest<'a> {
    /// For a prefix with Python linked into it.
    #[must_use]
    pub fn for_prefix(plan: &'a Plan, prefix: &'a Path, python_version: &'a str, extra: &'a [String]) -> Self {
        Self {
            plan,
            folder: prefix,
            python: layout::python(prefix),
            python_version,
            target: None,
            extra,
            by_conda: project::constraints(&layout::site_packages(prefix, python_version)),
            keep: &[],
            keep_build: &[],
        }
    }
}

/// Resolve the wheels of a plan and check what uv answers.
pub async fn resolve(ctx: &Context, uv: &Uv, request: &ResolveRequest<'_>) -> Result<LockedPypi, PypiError> {
    let plan = request.plan;
    let sources = &ctx.settings.sources;
    let pypi = index_of(ctx, plan, SourceName::Pypi)?;
    if let Index::Url(url) = &pypi {
        answers(ctx, SourceName::Pypi, url).await?;
    }
    let torch_is_its_own = plan.wants(SourceName::Torch) && sources.effective(SourceName::Torch) == SourceName::Torch;
    let mut torch_from_pypi = false;
    let mut explicit = Vec::new();
    if torch_is_its_own && let Index::Url(url) = index_of(ctx, plan, SourceName::Torch)? {
        match answers(ctx, SourceName::Torch, &url).await {
            Ok(()) => explicit.push((SourceName::Torch, url)),
            Err(PypiError::Unreachable { because, .. }) if ctx.settings.torch_from_pypi => {
                ctx.events.note(format!("the torch index does not answer: {because}"));
                torch_from_pypi = true;
            }
            Err(error) => return Err(error),
        }
    }

    if plan.wants(SourceName::Nvidia)
        && sources.effective(SourceName::Nvidia) == SourceName::Nvidia
        && let Index::Url(url) = index_of(ctx, plan, SourceName::Nvidia)?
    {
        answers(ctx, SourceName::Nvidia, &url).await?;
        explicit.push((SourceName::Nvidia, url));
    }

    let files = Project::new().map_err(PypiError::Io)?;
    let run = Compile {
        ctx,
        uv,
        request,
        files: &files,
    };
    let configuration = project::configuration(&pypi).map_err(|error| PypiError::Answer(error.to_string()))?;
    files.write("uv.toml", &configuration).map_err(PypiError::Io)?;
    let build = run.build_requirements().await?;
    let by_conda = &request.by_conda;
    let (resolved, said) = match run.plan(&explicit, &build).await {
        Err(error) if ctx.settings.offline && ctx.settings.torch_from_pypi && has_torch(&explicit) => {
            // Offline only the cache answers, and it may hold PyPI's torch alone.
            tracing::debug!("the cache does not hold the torch index's wheels: {error}");
            torch_from_pypi = true;
            explicit.retain(|(name, _)| *name != SourceName::Torch);
            run.plan(&explicit, &build).await?
        }
        resolved => resolved?,
    };
    let wheels: Vec<LockedWheel> = resolved
        .into_iter()
        .map(|package| located(ctx, plan, package, &explicit))
        // What conda linked stays conda's.
        .filter(|wheel| {
            !by_conda
                .iter()
                .any(|(name, version)| *name == wheel.name && *version == wheel.version)
        })
        .collect();
    check::check(plan, &wheels, &said)?;
    let mut findings = Vec::new();
    if plan.wants(SourceName::Torch) && !has_torch(&explicit) {
        findings.extend(torch_build::backend_differs(plan, &wheels));
    }
    // Its libraries contradict the stack's too, but that it is the wrong torch is what can be mended.
    if let Some(unfit) = findings.iter().find(|finding| finding.blocks()) {
        let message = unfit.message.clone();
        return Err(PypiError::TorchUnfit { message });
    }
    if let Some(error) = contradiction(&wheels) {
        return Err(PypiError::Disagree(Box::new(run.asked_by(error).await)));
    }
    let computed = listed(ctx, plan, &wheels, &explicit).await?;
    Ok(LockedPypi {
        wheels,
        build,
        torch_from_pypi,
        findings,
        computed,
    })
}

fn index_of(ctx: &Context, plan: &Plan, name: SourceName) -> Result<Index, PypiError> {
    ctx.settings
        .sources
        .index(name, &plan.backend)
        .map_err(|source| PypiError::Url {
            source_name: name,
            source,
        })
}

fn has_torch(explicit: &[(SourceName, Url)]) -> bool {
    explicit.iter().any(|(name, _)| *name == SourceName::Torch)
}

/// Ask the index once, so that a dead host costs seconds and not uv's retries.
async fn answers(ctx: &Context, name: SourceName, url: &Url) -> Result<(), PypiError> {
    if ctx.settings.offline || url.scheme() == "file" {
        return Ok(());
    }
    let project = match name {
        SourceName::Torch => "torch",
        SourceName::Nvidia => "tensorrt",
        SourceName::Pypi | SourceName::CondaForge => "pip",
    };
    let page = format!("{}/{project}/", url.as_str().trim_end_matches('/'));
    match ctx.client.answers(&page).await {
        Ok(()) => Ok(()),
        Err(Silence::Unauthorized) => Err(PypiError::Unauthorized { source_name: name }),
        // A lab's small index need not have pip; any page of it is an answer.
        Err(Silence::Status(404)) if name != SourceName::Torch => Ok(()),
        Err(Silence::Status(status)) => Err(PypiError::Unreachable {
            source_name: name,
            because: format!("it says {status}"),
        }),
        Err(Silence::NoAnswer(because)) => Err(PypiError::Unreachable {
            source_name: name,
            because,
        }),
    }
}

/// The wheel with its source by name, and its canonical URL where an explicit index serves it.
fn located(ctx: &Context, plan: &Plan, mut wheel: LockedWheel, explicit: &[(SourceName, Url)]) -> LockedWheel {
    let named = plan
        .requirements
        .iter()
        .find(|wanted| check::name_of(&wanted.requirement).as_deref() == Some(wheel.name.as_str()))
        .and_then(|wanted| explicit.iter().find(|(name, _)| *name == wanted.source));
    match named {
        Some((name, _)) => {
            wheel.source = *name;
            wheel.url = wheel
                .url
                .map(|url| ctx.settings.sources.canonical(*name, &plan.backend, &url));
        }
        // Found again through whatever index the machine has then.
        None => wheel.url = None,
    }
    wheel
}

/// What is taken for an explicit index's own is listed there: uv does not say which index served a file. Returns the files
/// that the index lists without a SHA-256.
async fn listed(
    ctx: &Context,
    plan: &Plan,
    wheels: &[LockedWheel],
    explicit: &[(SourceName, Url)],
) -> Result<BTreeSet<String>, PypiError> {
    let mut computed = BTreeSet::new();
    if ctx.settings.offline {
        return Ok(computed);
    }
    for (name, index) in explicit {
        for wheel in wheels.iter().filter(|wheel| wheel.source == *name) {
            let page = format!("{}/{}/", index.as_str().trim_end_matches('/'), wheel.name);
            let text = ctx.client.text(&page).await.map_err(|because| PypiError::Unreachable {
                source_name: *name,
                because,
            })?;
            if !text.contains(&wheel.file) && !text.contains(&wheel.file.replace('+', "%2B")) {
                return Err(PypiError::WrongBackend {
                    package: wheel.name.clone(),
                    version: wheel.version.clone(),
                    backend: plan.backend.to_string(),
                    source_name: *name,
                });
            }
            // With a hash it stands in the link, or beside the name where the page is JSON.
            if !text.contains(&wheel.sha256) {
                computed.insert(wheel.file.clone());
            }
        }
    }
    Ok(computed)
}

/// Runs of `uv pip compile`.
struct Compile<'a> {
    ctx: &'a Context,
    uv: &'a Uv,
    request: &'a ResolveRequest<'a>,
    files: &'a Project,
}

impl Compile<'_> {
    /// What the builds of the plan's sdists need, pinned: uv would take the newest.
    async fn build_requirements(&self) -> Result<Vec<LockedWheel>, PypiError> {
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
        let (resolved, _) = self.compile("pylock.build.toml", arguments).await?;
        Ok(resolved
            .into_iter()
            .map(|wheel| LockedWheel { url: None, ..wheel })
            .collect())
    }

    async fn plan(
        &self,
        explicit: &[(SourceName, Url)],
        build: &[LockedWheel],
    ) -> Result<(Vec<LockedWheel>, String), PypiError> {
        let request = self.request;
        let text = project::pyproject(request.plan, request.python_version, request.extra, explicit)
            .map_err(|error| PypiError::Answer(error.to_string()))?;
        let mut arguments: Vec<OsString> = vec![
            self.files
                .write("pyproject.toml", &text)
                .map_err(PypiError::Io)?
                .into_os_string(),
        ];
        arguments.extend(only_wheels_but(request.plan));
        let mut lines: Vec<String> = request
            .by_conda
            .iter()
            .map(|(name, version)| format!("{name}=={version}"))
            .collect();
        lines.extend(request.plan.bounds.iter().map(|bound| bound.requirement.clone()));
        // PyPI has one build of each release: an older one is for an older CUDA, which a resolver does not see.
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
        self.compile("pylock.toml", arguments).await
    }

    /// uv keeps the versions of the file that it is to write.
    fn prefer(&self, output: &str, keep: &[LockedWheel]) -> Result<(), PypiError> {
        if keep.is_empty() {
            return Ok(());
        }
        let kept = pylock::preferences(keep).map_err(|error| PypiError::Answer(error.to_string()))?;
        self.files.write(output, &kept).map_err(PypiError::Io)?;
        Ok(())
    }

    /// Who asks for the two that contradict each other, by the comments of a requirements list. The files of the plan are
    /// still there.
    async fn asked_by(&self, mut error: Disagreement) -> Disagreement {
        let mut arguments: Vec<OsString> = vec![self.files.path("pyproject.toml").into_os_string()];
        arguments.extend(only_wheels_but(self.request.plan));
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
        // Without it the two are named all the same.
        if let Ok((text, _)) = self.compiled("requirements.txt", "requirements.txt", arguments).await {
            for party in [&mut error.first, &mut error.second] {
                party.asked_by = askers(&text, &party.name);
            }
        }
        error
    }

    async fn compile(&self, output: &str, arguments: Vec<OsString>) -> Result<(Vec<LockedWheel>, String), PypiError> {
        let (text, said) = self.compiled("pylock.toml", output, arguments).await?;
        Ok((pylock::parse(&text).map_err(PypiError::Answer)?, said))
    }

    /// What uv writes in that format, and what it says.
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
            // uv would read a day in the machine's own time zone.
            let until = conda::cutoff(date).map_or_else(|_| date.clone(), |time| time.to_string());
            job = job.args(["--exclude-newer", &until]);
        }
        if ctx.settings.offline {
            job = job.args(["--offline"]);
        }
        let ended = watched(ctx, Stage::Resolve, job).await?;
        if !ended.success() {
            return Err(PypiError::of_uv(request.folder, ended.how(), &ended.stderr).about(request.plan));
        }
        let text = fs_err::read_to_string(&written).map_err(PypiError::Io)?;
        Ok((text, ended.stderr))
    }
}

/// Who asks for a package, by the comment on its line: `numpy==2.1.0  # via sleap, torch`.
fn askers(list: &str, package: &str) -> Vec<String> {
    let of_package = |line: &&str| line.split("==").next() == Some(package);
    let Some((_, comment)) = list.lines().find(of_package).and_then(|line| line.split_once("# via ")) else {
        return Vec::new();
    };
    comment
        .split(',')
        .map(|asker| match asker.trim() {
            // The project that stands for the manifest.
            asker if asker.starts_with("matenv-plan") => "the manifest".to_owned(),
            asker => asker.to_owned(),
        })
        .collect()
}

/// `--only-binary :all:` and the plan's exceptions.
pub(super) fn only_wheels_but(plan: &Plan) -> Vec<OsString> {
    let mut arguments: Vec<OsString> = vec!["--only-binary".into(), ":all:".into()];
    for exception in &plan.build {
        arguments.extend(["--no-binary".into(), exception.package.clone().into()]);
    }
    arguments
}

/// A requirements list with hashes.
pub(super) fn hashed(wheels: &[LockedWheel]) -> String {
    let mut list = String::new();
    for wheel in wheels {
        // Writing into a String cannot fail.
        let _ = writeln!(list, "{}=={} --hash=sha256:{}", wheel.name, wheel.version, wheel.sha256);
    }
    list
}
