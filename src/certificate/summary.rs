use std::fmt::Write as _;

use comfy_table::{CellAlignment, Table, presets};

use super::{Certificate, Verdict};
use crate::{
    bench::Benchmark,
    finding::{Code, Finding, Severity},
    lock::Fallback,
    names::install_arguments,
    text::style,
    verify::Tally,
};

/// Renders the final message of an installation.
#[must_use]
pub(crate) fn describe_result(certificate: &Certificate, changed: bool) -> String {
    let env = &certificate.env;
    let text = summary(certificate);
    if certificate.verdict() != Verdict::Good {
        // A new generation with errors is already removed. If the folder exists, it is the current generation, which
        // was checked again.
        let outcome = if certificate.prefix.is_dir() {
            "It remains the current generation: matenv did not change its files."
        } else {
            "The new generation did not become current; what was installed before is unchanged."
        };
        format!("{text}\n{outcome}")
    } else if changed {
        let by_conda = if certificate
            .findings()
            .any(|finding| finding.code == Code::CondaNameTaken)
        {
            String::new()
        } else {
            format!("   or: conda activate {env}")
        };
        let by_launch = certificate
            .launch
            .as_ref()
            .map(|_| format!("matenv launch {env}   or: "));
        format!(
            "{text}\n  use it: {}matenv run {env} -- python …{by_conda}",
            by_launch.unwrap_or_default()
        )
    } else {
        format!("nothing to do: {text}")
    }
}

/// Renders the certificate in a few lines for a terminal. Colors follow the setting of `console`.
#[must_use]
pub(crate) fn summary(certificate: &Certificate) -> String {
    let mut text = headlines(certificate);
    if let Some(bench) = &certificate.bench {
        let _ = write!(text, "\n{}", bench_table(bench));
    }
    text
}

/// Renders [`summary`] without the benchmark's table.
#[must_use]
pub(crate) fn headlines(certificate: &Certificate) -> String {
    let mut text = String::new();
    let headline = headline(certificate);
    let mut line = |label: &str, value: &str| {
        // Writing into a String cannot fail.
        let _ = writeln!(text, "  {:<9} {value}", style(label).dim());
    };
    line("prefix", &certificate.prefix.display().to_string());
    line("packages", &packages(certificate));
    if let Some(source) = &certificate.source {
        line("source", &source.to_string());
    }
    if let Some(size) = certificate.size {
        line(
            "size",
            &format!("{} in {} files", indicatif::DecimalBytes(size.bytes), size.files),
        );
    }
    for fallback in &certificate.fallbacks {
        line("fallback", explain(*fallback));
    }
    line("probes", &probes(certificate));
    for probe in &certificate.verification.probes {
        if let Some(reason) = &probe.skipped {
            line("", &format!("{} skipped: {reason}", probe.name));
        }
    }
    if certificate.cross && !certificate.proven {
        let typed = install_arguments(&certificate.manifest, &certificate.env);
        line(
            "left",
            &format!(
                "created for another machine, {}; run there: matenv install {typed} --profile {}",
                certificate.backend, certificate.profile
            ),
        );
    }
    text.push_str(&finding_lines(certificate.findings()));
    format!("{headline}\n{text}")
}

/// Renders findings as in a summary, each with its evidence and its remedy.
#[must_use]
pub(crate) fn finding_lines<'a>(findings: impl IntoIterator<Item = &'a Finding>) -> String {
    let mut text = String::new();
    let mut line = |label: &str, value: &str| {
        // Writing into a String cannot fail.
        let _ = writeln!(text, "  {:<9} {value}", style(label).dim());
    };
    for finding in findings {
        let label = match finding.severity {
            Severity::Info => "info",
            Severity::Warning => "warning",
            Severity::Error => "error",
        };
        line(label, &format!("{} {}", finding.code, finding.message));
        for evidence in finding.evidence.iter().take(5) {
            line("", evidence);
        }
        if let Some(remedy) = &finding.remedy {
            line("", &format!("do: {remedy}"));
        }
    }
    text
}

fn headline(certificate: &Certificate) -> String {
    let env = style(&certificate.env).bold();
    let how = format!("profile {}, generation {}", certificate.profile, certificate.generation);
    match (certificate.verdict(), certificate.proven) {
        (Verdict::Good, true) => format!("{env} is {}: {how}", style("proven").green().bold()),
        (Verdict::Good, false) => format!("{env} is {}: {how}", style("installed, not proven").yellow().bold()),
        (Verdict::Faulty, _) => format!("{env} is {}: {how}", style("faulty").red().bold()),
        (Verdict::BenchFailed, _) => format!("{env} {}: {how}", style("failed its benchmark").red().bold()),
    }
}

fn packages(certificate: &Certificate) -> String {
    let versions = [
        "python",
        "sleap",
        "sleap-nn",
        "torch",
        "torchvision",
        "x-anylabeling-cvhub",
        "onnxruntime",
        "onnxruntime-gpu",
        "onnx",
    ]
    .iter()
    .filter_map(|name| certificate.version_of(name).map(|version| format!("{name} {version}")))
    .collect::<Vec<_>>();
    format!("{} ({})", certificate.packages.len(), versions.join(", "))
}

fn probes(certificate: &Certificate) -> String {
    let probes = &certificate.verification.probes;
    if probes.is_empty() {
        return "not run".to_owned();
    }
    Tally::count(probes).describe("")
}

fn explain(fallback: Fallback) -> &'static str {
    match fallback {
        Fallback::HostPython => {
            "host-python: no conda channel answered, so this machine's own Python is used instead; pip and uv change such an environment without a warning, and matenv reports the changes"
        }
        Fallback::UnhashedConda => {
            "unhashed-conda: the channel lists no hash of a package, so a changed archive would not be noticed"
        }
        Fallback::TorchFromPypi => "torch-from-pypi: the torch index did not answer, so PyPI's torch is used instead",
    }
}

/// Renders the benchmark as a table, with times in milliseconds.
#[must_use]
pub(crate) fn bench_table(bench: &Benchmark) -> String {
    let mut text = String::new();
    for one in std::iter::once(bench).chain(&bench.others) {
        if let Some(reason) = &one.skipped {
            let model = style(&one.model).bold();
            let _ = writeln!(text, "  {model} on {} skipped: {reason}", one.provider);
            continue;
        }
        let _ = writeln!(
            text,
            "  {} on {}, {}, {} threads",
            style(&one.model).bold(),
            one.provider,
            one.runtime,
            one.threads
        );
        if one.rows.is_empty() {
            continue;
        }
        let mut table = Table::new();
        table.load_style(presets::NOTHING).set_header([
            "batch",
            "p50 ms",
            "p95 ms",
            "p99 ms",
            "images/s",
            "session ms",
        ]);
        for row in &one.rows {
            table.add_row([
                row.batch.to_string(),
                format!("{:.2}", row.p50_ms),
                format!("{:.2}", row.p95_ms),
                format!("{:.2}", row.p99_ms),
                format!("{:.1}", row.images_per_s),
                format!("{:.1}", row.session_ms),
            ]);
        }
        for column in table.column_iter_mut() {
            column.set_cell_alignment(CellAlignment::Right);
        }
        for line in table.lines() {
            let _ = writeln!(text, "  {}", line.trim_end());
        }
    }
    text
}
