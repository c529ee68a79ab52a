use comfy_table::{CellAlignment, Table, presets};

use super::{Certificate, Verdict};
use crate::{names::EnvName, verify::Tally};

/// One row of the overview.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Row<'a> {
    /// The name of the environment.
    pub env: &'a EnvName,
    /// The certificate; `None` if the environment failed to install.
    pub certificate: Option<&'a Certificate>,
    /// Whether this run created a new generation.
    pub changed: bool,
}

/// Renders several environments as a table.
#[must_use]
pub(crate) fn render_overview(environments: &[Row<'_>]) -> String {
    let mut table = Table::new();
    table.load_style(presets::NOTHING).set_header([
        "environment",
        "state",
        "profile",
        "python",
        "packages",
        "probes",
        "ms an image",
        "seconds",
    ]);
    for row in environments {
        match row.certificate {
            Some(certificate) => table.add_row(cells(row, certificate)),
            None => table.add_row([row.env.as_str(), "not created"]),
        };
    }
    for column in table.column_iter_mut().skip(4) {
        column.set_cell_alignment(CellAlignment::Right);
    }
    let lines: Vec<_> = table.lines().map(|line| line.trim_end().to_owned()).collect();
    lines.join("\n")
}

fn cells(row: &Row<'_>, certificate: &Certificate) -> [String; 8] {
    let probes = Tally::count(&certificate.verification.probes);
    let skipped = match probes.skipped {
        0 => String::new(),
        some => format!(", {some} skipped"),
    };
    let image = certificate.bench.as_ref().and_then(|bench| match &bench.skipped {
        Some(_) => Some("skipped".to_owned()),
        None => bench.rows.first().map(|timed| format!("{:.1}", timed.p50_ms)),
    });
    let ms: u64 = certificate
        .timings
        .iter()
        .map(|timing| timing.ms)
        .fold(0, u64::saturating_add);
    [
        row.env.to_string(),
        state(certificate).to_owned(),
        certificate.profile.to_string(),
        certificate.version_of("python").unwrap_or("-").to_owned(),
        certificate.packages.len().to_string(),
        format!("{}/{}{skipped}", probes.passed, probes.all),
        image.unwrap_or_else(|| "-".to_owned()),
        if row.changed {
            format!("{:.0}", std::time::Duration::from_millis(ms).as_secs_f64())
        } else {
            "-".to_owned()
        },
    ]
}

fn state(certificate: &Certificate) -> &'static str {
    match (certificate.verdict(), certificate.proven) {
        (Verdict::Good, true) => "proven",
        (Verdict::Good, false) => "not proven",
        (Verdict::Faulty, _) => "faulty",
        (Verdict::BenchFailed, _) => "bench failed",
    }
}
