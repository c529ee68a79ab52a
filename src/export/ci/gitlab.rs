//! The pipeline for GitLab: a hidden job with the script, and one job for each environment with its variables.

use std::collections::BTreeMap;

use serde::Serialize;

use super::{CiError, Job, MatenvWheel, comments};
use crate::{export::services::Services, names::ProfileName};

#[derive(Serialize)]
struct Hidden<'a> {
    image: &'a str,
    timeout: &'static str,
    variables: BTreeMap<&'static str, &'static str>,
    rules: [Rule; 2],
    before_script: [&'static str; 2],
    script: [&'static str; 1],
    after_script: [&'static str; 1],
    artifacts: Artifacts,
    retry: Retry,
}

#[derive(Serialize)]
#[serde(untagged)]
enum Rule {
    If {
        #[serde(rename = "if")]
        condition: &'static str,
    },
    Changes {
        changes: [&'static str; 4],
    },
}

#[derive(Serialize)]
struct Artifacts {
    name: &'static str,
    expose_as: &'static str,
    when: &'static str,
    paths: [&'static str; 1],
}

#[derive(Serialize)]
struct Retry {
    max: u32,
    exit_codes: [u8; 1],
}

#[derive(Serialize)]
struct Environment<'a> {
    extends: &'static str,
    tags: [&'a str; 1],
    variables: BTreeMap<&'static str, String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    cache: Option<Cache>,
}

#[derive(Serialize)]
struct Cache {
    key: Key,
    paths: [&'static str; 1],
}

#[derive(Serialize)]
struct Key {
    files: [&'static str; 1],
    prefix: String,
}

pub(super) fn pipeline(jobs: &[Job], wheels: &[MatenvWheel], services: &Services) -> Result<String, CiError> {
    let form = |error: serde_yaml::Error| CiError::Form(error.to_string());
    let mut pipeline = serde_yaml::Mapping::new();
    let how = serde_yaml::to_value(hidden(services)).map_err(form)?;
    pipeline.insert(".matenv".into(), how);
    for job in jobs {
        let which = serde_yaml::to_value(environment(job, wheels, services)?).map_err(form)?;
        pipeline.insert(job.title().into(), which);
    }
    let text = serde_yaml::to_string(&pipeline).map_err(form)?;
    Ok(comments("gitlab") + &text)
}

fn hidden(services: &Services) -> Hidden<'_> {
    Hidden {
        image: &services.python.image,
        timeout: "1h",
        variables: BTreeMap::from([
            // On the same disk as the caches, so that files can be linked.
            ("MATENV_HOME", "$CI_PROJECT_DIR/.matenv"),
            ("NO_COLOR", "1"),
            ("RATTLER_CACHE_DIR", "$CI_PROJECT_DIR/.cache/rattler"),
            ("UV_CACHE_DIR", "$CI_PROJECT_DIR/.cache/uv"),
        ]),
        rules: [
            Rule::If {
                condition: "$CI_PIPELINE_SOURCE == \"schedule\" || $CI_PIPELINE_SOURCE == \"web\"",
            },
            Rule::Changes {
                changes: ["matenv.toml", "matenv.lock", "matenv-lock.json", "manifests/**/*"],
            },
        ],
        before_script: super::wheel::INSTALL_LINES,
        script: ["matenv install \"$ENVIRONMENT\" --profile \"$PROFILE\" $FLAGS --locked --json > certificate.json"],
        after_script: ["matenv report \"$ENVIRONMENT\" || cat certificate.json"],
        artifacts: Artifacts {
            name: "certificate-$CI_JOB_NAME_SLUG",
            expose_as: "certificate",
            when: "always",
            paths: ["certificate.json"],
        },
        // 4: a source does not answer. Other errors do not go away with a retry.
        retry: Retry {
            max: 1,
            exit_codes: [4],
        },
    }
}

fn environment<'a>(job: &Job, wheels: &[MatenvWheel], services: &'a Services) -> Result<Environment<'a>, CiError> {
    let wheel = MatenvWheel::for_job(job, wheels, services)?;
    let tag = services
        .platform(&job.platform)
        .and_then(|platform| platform.gitlab.as_deref())
        .ok_or_else(|| CiError::NoRunner {
            platform: job.platform.clone(),
        })?;
    let mut variables = BTreeMap::from([
        ("ENVIRONMENT", job.env.to_string()),
        ("FLAGS", job.flags().to_owned()),
        ("PROFILE", job.profile.to_string()),
        ("SHA256", wheel.sha256.clone()),
        ("WHEEL", wheel.place.clone()),
    ]);
    variables.extend(job.backend.cuda_version().map(|cuda| ("CONDA_OVERRIDE_CUDA", cuda)));
    Ok(Environment {
        extends: ".matenv",
        tags: [tag],
        variables,
        cache: (job.profile == ProfileName::Cpu).then(|| Cache {
            key: Key {
                files: ["matenv.lock"],
                prefix: format!("matenv-{}-{}", job.env, job.platform),
            },
            paths: [".cache"],
        }),
    })
}
