use std::fmt::Write as _;

use super::{Certificate, Verdict};
use crate::text;

/// Renders the certificate as one HTML page without external files.
#[must_use]
pub(crate) fn render_page(certificate: &Certificate) -> String {
    let verdict = match (certificate.verdict(), certificate.proven) {
        (Verdict::Good, true) => "proven",
        (Verdict::Good, false) => "installed, not proven",
        (Verdict::Faulty, _) => "faulty",
        (Verdict::BenchFailed, _) => "failed its benchmark",
    };
    let title = format!("{}: {verdict}", escape(certificate.env.as_str()));
    let mut body = String::new();
    facts(certificate, &mut body);
    findings(certificate, &mut body);
    probes(certificate, &mut body);
    bench(certificate, &mut body);
    choices(certificate, &mut body);
    packages(certificate, &mut body);
    format!(
        "<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\"><title>{title}</title><style>\
         body{{font:15px/1.5 system-ui,sans-serif;max-width:60rem;margin:2rem auto;padding:0 1rem}}\
         table{{border-collapse:collapse;margin:.5rem 0 1.5rem}}td,th{{padding:.15rem .8rem .15rem 0;text-align:left;\
         vertical-align:top}}th{{font-weight:600}}code,pre{{font-size:13px}}pre{{white-space:pre-wrap}}\
         </style></head><body><h1>{title}</h1>\n{body}</body></html>\n"
    )
}

// Writing into a String cannot fail, so the results of `write!` below are ignored.

fn facts(certificate: &Certificate, body: &mut String) {
    let rows = [
        ("profile", certificate.profile.to_string()),
        ("backend", certificate.backend.to_string()),
        ("generation", certificate.generation.to_string()),
        ("prefix", certificate.prefix.display().to_string()),
        ("created", certificate.created.clone()),
        ("matenv", certificate.matenv.clone()),
        ("machine", certificate.hardware.triple.clone()),
    ];
    let _ = body.write_str("<table>");
    for (name, value) in rows {
        let _ = writeln!(body, "<tr><th>{name}</th><td>{}</td></tr>", escape(&value));
    }
    let _ = body.write_str("</table>\n");
}

fn findings(certificate: &Certificate, body: &mut String) {
    let _ = body.write_str("<h2>Findings</h2>\n");
    let mut any = false;
    for finding in certificate.findings() {
        any = true;
        let _ = writeln!(
            body,
            "<p><b>{}</b> {}<br>{}</p>",
            finding.code,
            escape(&finding.message),
            escape(finding.remedy.as_deref().unwrap_or_default())
        );
    }
    if !any {
        let _ = body.write_str("<p>None.</p>\n");
    }
}

fn probes(certificate: &Certificate, body: &mut String) {
    let _ = body.write_str("<h2>Probes</h2>\n<table>");
    for probe in &certificate.verification.probes {
        let _ = writeln!(
            body,
            "<tr><td>{}</td><td>{}</td><td>{} ms</td><td><pre>{}</pre></td></tr>",
            match (&probe.skipped, probe.ok) {
                (Some(_), _) => "skipped",
                (None, true) => "passed",
                (None, false) => "failed",
            },
            escape(&probe.name),
            probe.ms,
            escape(probe.skipped.as_deref().unwrap_or(&probe.output))
        );
    }
    let _ = body.write_str("</table>\n");
}

fn bench(certificate: &Certificate, body: &mut String) {
    let Some(bench) = &certificate.bench else {
        return;
    };
    for one in std::iter::once(bench).chain(&bench.others) {
        if let Some(reason) = &one.skipped {
            let (model, provider) = (escape(&one.model), escape(&one.provider));
            let _ = writeln!(
                body,
                "<h2>Benchmark: {model} on {provider}</h2>\n<p>skipped: {}</p>",
                escape(reason)
            );
            continue;
        }
        let _ = writeln!(
            body,
            "<h2>Benchmark: {} on {}, {}</h2>\n<table><tr><th>batch</th><th>p50 ms</th><th>p95 ms</th><th>p99 ms</th>\
             <th>images/s</th><th>session ms</th></tr>",
            escape(&one.model),
            escape(&one.provider),
            escape(&one.runtime)
        );
        for row in &one.rows {
            let _ = writeln!(
                body,
                "<tr><td>{}</td><td>{:.2}</td><td>{:.2}</td><td>{:.2}</td><td>{:.1}</td><td>{:.1}</td></tr>",
                row.batch, row.p50_ms, row.p95_ms, row.p99_ms, row.images_per_s, row.session_ms
            );
        }
        let _ = body.write_str("</table>\n");
    }
}

fn choices(certificate: &Certificate, body: &mut String) {
    let _ = body.write_str("<h2>Choices</h2>\n<table>");
    for choice in &certificate.plan.choices {
        let _ = writeln!(
            body,
            "<tr><th>{}</th><td><code>{}</code></td><td>{}</td></tr>",
            escape(&choice.what),
            escape(&choice.chosen),
            escape(&choice.because)
        );
    }
    let _ = body.write_str("</table>\n");
}

fn packages(certificate: &Certificate, body: &mut String) {
    let _ = body.write_str("<h2>Packages</h2>\n<table>");
    for package in &certificate.packages {
        let _ = writeln!(
            body,
            "<tr><td>{}</td><td>{}</td></tr>",
            escape(&package.name),
            escape(&package.version)
        );
    }
    let _ = body.write_str("</table>\n");
}

fn escape(text: &str) -> String {
    text::printable(text)
        .replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
        .replace('"', "&quot;")
}
