//! The workflow for GitHub Actions, and its matrix.

use std::collections::BTreeMap;

use serde::Serialize;

use super::{CiError, Job, MatenvWheel, comments};
use crate::export::services::Services;

#[derive(Serialize)]
struct Workflow<'a> {
    name: &'static str,
    on: Triggers,
    permissions: BTreeMap<&'static str, &'static str>,
    jobs: Jobs<'a>,
}

#[derive(Serialize)]
struct Triggers {
    push: Paths,
    pull_request: Paths,
    schedule: [Schedule; 1],
    workflow_dispatch: Option<()>,
}

#[derive(Serialize)]
struct Paths {
    paths: [&'static str; 5],
}

#[derive(Serialize)]
struct Schedule {
    cron: &'static str,
}

#[derive(Serialize)]
struct Jobs<'a> {
    environment: Environment<'a>,
}

#[derive(Serialize)]
#[serde(rename_all = "kebab-case")]
struct Environment<'a> {
    name: &'static str,
    runs_on: &'static str,
    timeout_minutes: u32,
    strategy: Strategy<'a>,
    defaults: Defaults,
    env: BTreeMap<&'static str, &'static str>,
    steps: Vec<Step<'a>>,
}

#[derive(Serialize)]
#[serde(rename_all = "kebab-case")]
struct Strategy<'a> {
    fail_fast: bool,
    matrix: Matrix<'a>,
}

#[derive(Serialize)]
struct Matrix<'a> {
    include: Vec<Row<'a>>,
}

#[derive(Serialize)]
struct Row<'a> {
    #[serde(flatten)]
    job: &'a Job,
    /// The CUDA version to plan for on a runner without a driver. Empty means no CUDA.
    cuda: String,
    flags: &'static str,
    runner: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    wheel: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    sha256: Option<&'a str>,
}

#[derive(Serialize)]
struct Defaults {
    run: Shell,
}

#[derive(Serialize)]
struct Shell {
    shell: &'static str,
}

#[derive(Serialize, Default)]
struct Step<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    name: Option<&'static str>,
    #[serde(rename = "if", skip_serializing_if = "Option::is_none")]
    condition: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    uses: Option<&'a str>,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    with: BTreeMap<&'static str, &'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    run: Option<&'static str>,
}

const PATHS: Paths = Paths {
    paths: [
        "matenv.toml",
        "matenv.lock",
        "matenv-lock.json",
        "manifests/**",
        ".github/workflows/**",
    ],
};

/// The installation. Its exit code is the exit code of the job, its JSON output is the artifact.
const INSTALL: &str =
    "matenv install \"$ENVIRONMENT\" --profile \"$PROFILE\" $FLAGS --locked --json > certificate.json";

/// The summary: the report of a proven environment, or else the error or the findings in the certificate.
const SUMMARY: &str = r####"{
  echo "### $ENVIRONMENT, profile $PROFILE, $PLATFORM"
  echo '```text'
  matenv report "$ENVIRONMENT" || jq -r '
    (.error // empty | "\(.code): \(.message)", .help // empty),
    (.audit.findings[]?, (.verification.probes[]? | .finding // empty) | "\(.severity) \(.code) \(.message)")
  ' certificate.json
  echo '```'
} >> "$GITHUB_STEP_SUMMARY"
"####;

pub(super) fn workflow(jobs: &[Job], wheels: &[MatenvWheel], services: &Services) -> Result<String, CiError> {
    let include = rows(jobs, wheels, services)?;
    if let Some(row) = include.iter().find(|row| row.wheel.is_none()) {
        return Err(CiError::NoWheel {
            platform: row.job.platform.clone(),
        });
    }
    let workflow = Workflow {
        name: "environments",
        on: Triggers {
            push: PATHS,
            pull_request: PATHS,
            // Sources may disappear without a change in the lab.
            schedule: [Schedule { cron: "17 3 * * 1" }],
            workflow_dispatch: None,
        },
        permissions: BTreeMap::from([("contents", "read")]),
        jobs: Jobs {
            environment: Environment {
                name: "${{ matrix.env }} ${{ matrix.profile }} ${{ matrix.backend }} ${{ matrix.platform }}",
                runs_on: "${{ matrix.runner }}",
                timeout_minutes: 60,
                strategy: Strategy {
                    fail_fast: false,
                    matrix: Matrix { include },
                },
                defaults: Defaults {
                    run: Shell { shell: "bash" },
                },
                env: BTreeMap::from([
                    ("CONDA_OVERRIDE_CUDA", "${{ matrix.cuda }}"),
                    ("ENVIRONMENT", "${{ matrix.env }}"),
                    ("FLAGS", "${{ matrix.flags }}"),
                    // On the same disk as the caches, so that files can be linked.
                    ("MATENV_HOME", "${{ github.workspace }}/.matenv"),
                    ("NO_COLOR", "1"),
                    ("PLATFORM", "${{ matrix.platform }}"),
                    ("PROFILE", "${{ matrix.profile }}"),
                    ("RATTLER_CACHE_DIR", "${{ github.workspace }}/.cache/rattler"),
                    ("SHA256", "${{ matrix.sha256 }}"),
                    ("UV_CACHE_DIR", "${{ github.workspace }}/.cache/uv"),
                    ("WHEEL", "${{ matrix.wheel }}"),
                ]),
                steps: steps(services),
            },
        },
    };
    let text = serde_yaml::to_string(&workflow).map_err(|error| CiError::Form(error.to_string()))?;
    Ok(comments("github") + &text)
}

fn steps(services: &Services) -> Vec<Step<'_>> {
    let actions = &services.github;
    vec![
        Step {
            uses: Some(&actions.checkout),
            ..Step::default()
        },
        Step {
            uses: Some(&actions.setup_python),
            with: BTreeMap::from([("python-version", services.python.version.as_str())]),
            ..Step::default()
        },
        Step {
            condition: Some("matrix.profile == 'cpu'"),
            uses: Some(&actions.cache),
            // No restore-keys: the cache would keep the packages of old locks forever.
            with: BTreeMap::from([
                (
                    "key",
                    "matenv-${{ matrix.platform }}-${{ matrix.env }}-${{ hashFiles('matenv.lock') }}",
                ),
                ("path", ".cache"),
            ]),
            ..Step::default()
        },
        Step {
            name: Some("Install matenv"),
            run: Some(super::wheel::INSTALL),
            ..Step::default()
        },
        Step {
            name: Some("Install the environment from the lock and prove it"),
            run: Some(INSTALL),
            ..Step::default()
        },
        Step {
            name: Some("Summary"),
            condition: Some("always()"),
            run: Some(SUMMARY),
            ..Step::default()
        },
        Step {
            name: Some("Certificate"),
            condition: Some("always()"),
            uses: Some(&actions.upload_artifact),
            with: BTreeMap::from([
                (
                    "name",
                    "certificate-${{ matrix.env }}-${{ matrix.profile }}-${{ matrix.backend }}-${{ matrix.platform }}",
                ),
                ("path", "certificate.json"),
            ]),
            ..Step::default()
        },
    ]
}

pub(super) fn matrix(jobs: &[Job], wheels: &[MatenvWheel], services: &Services) -> Result<String, CiError> {
    let include = rows(jobs, wheels, services)?;
    serde_json::to_string(&Matrix { include }).map_err(|error| CiError::Form(error.to_string()))
}

/// Returns the rows of the matrix. A row has no wheel if none is given for its platform.
fn rows<'a>(jobs: &'a [Job], wheels: &'a [MatenvWheel], services: &'a Services) -> Result<Vec<Row<'a>>, CiError> {
    let row = |job: &'a Job| {
        let platform = services.platform(&job.platform).ok_or_else(|| CiError::NoRunner {
            platform: job.platform.clone(),
        })?;
        let wheel = MatenvWheel::for_job(job, wheels, services).ok();
        Ok(Row {
            job,
            cuda: job.backend.cuda_version().unwrap_or_default(),
            flags: job.flags(),
            runner: &platform.github,
            wheel: wheel.map(|wheel| wheel.place.as_str()),
            sha256: wheel.map(|wheel| wheel.sha256.as_str()),
        })
    };
    jobs.iter().map(row).collect()
}
