//! Tests of certificates with skipped parts.

use super::*;
use crate::{
    bench::{BenchRequest, Benchmark, Model},
    verify::{ProbeResult, Verification},
};

const REASON: &str = "needs an NVIDIA driver";

fn probe(name: &str, ok: bool, skipped: Option<&str>) -> ProbeResult {
    ProbeResult {
        name: name.to_owned(),
        ok,
        ms: 1,
        output: String::new(),
        skipped: skipped.map(ToOwned::to_owned),
        finding: None,
    }
}

fn request() -> BenchRequest {
    BenchRequest {
        model: Model::BuiltIn,
        providers: vec![crate::names::ExecutionProvider::Cuda],
        batches: vec![1],
        seconds: 1.0,
    }
}

/// Returns a certificate without errors and skipped parts, parsed from JSON.
fn certificate() -> Certificate {
    let mut certificate: Certificate = serde_json::from_value(serde_json::json!({
        "schema": 1, "matenv": "0.1.0", "ok": true, "proven": true, "env": "sleap", "manifest": "sleap",
        "profile": "gpu", "backend": "cu130", "generation": 1, "prefix": "/store/sleap-1", "created": "2026-11-25T08:00:00Z",
        "hardware": { "schema": 1, "triple": "x86_64-unknown-linux-gnu" },
        "sources": {}, "fallbacks": [], "plan": { "choices": [] }, "packages": [], "audit": { "findings": [] },
        "verification": { "probes": [] }, "bench": null, "timings": []
    }))
    .expect("a certificate");
    certificate.verification = Verification {
        probes: vec![probe("torch imports", true, None)],
    };
    certificate
}

#[test]
fn a_skipped_probe_is_not_proven_and_not_an_error() {
    let mut certificate = certificate();
    certificate.set_proven();
    assert!(certificate.ok && certificate.proven && !certificate.skipped());
    certificate
        .verification
        .probes
        .push(probe("torch sees the GPU", false, Some(REASON)));
    certificate.set_proven();
    assert_eq!(certificate.verdict(), Verdict::Good);
    assert!(!certificate.ok && !certificate.proven);
}

#[test]
fn a_skipped_benchmark_is_not_proven_and_not_an_error() {
    let mut certificate = certificate();
    certificate.bench = Some(Benchmark::skipped(&request(), REASON));
    certificate.set_proven();
    assert_eq!(certificate.verdict(), Verdict::Good);
    assert!(!certificate.ok && !certificate.proven);
}

#[test]
fn a_failed_probe_is_an_error_despite_a_skipped_one() {
    let mut certificate = certificate();
    certificate.verification.probes = vec![probe("a", false, Some(REASON)), probe("b", false, None)];
    assert_eq!(certificate.verdict(), Verdict::Faulty);
}

#[test]
fn the_summary_the_table_and_the_page_show_skipped_parts_with_the_reason() {
    let mut certificate = certificate();
    certificate
        .verification
        .probes
        .push(probe("torch sees the GPU", false, Some(REASON)));
    certificate.bench = Some(Benchmark::skipped(&request(), REASON));
    certificate.set_proven();
    let summary = summary(&certificate);
    for part in [
        "sleap is installed, not proven: profile gpu, generation 1",
        "probes    1 of 2 passed, 1 skipped",
        "torch sees the GPU skipped: needs an NVIDIA driver",
        "on CUDAExecutionProvider skipped: needs an NVIDIA driver",
    ] {
        assert!(summary.contains(part), "{part}\n{summary}");
    }
    let overview = render_overview(&[Row {
        env: &certificate.env,
        certificate: Some(&certificate),
        changed: false,
    }]);
    assert!(
        overview.contains("1/2, 1 skipped") && overview.contains("not proven"),
        "{overview}"
    );
    let page = render_page(&certificate);
    assert!(page.contains("<td>skipped</td><td>torch sees the GPU</td>"), "{page}");
    assert!(page.contains("<p>skipped: needs an NVIDIA driver</p>"), "{page}");
}

/// Certificates of older versions do not contain these fields, and neither do those without skipped parts.
#[test]
fn false_and_empty_fields_are_absent() {
    let text = serde_json::to_string(&certificate()).expect("JSON");
    assert!(!text.contains("cross") && !text.contains("skipped"), "{text}");
    let cross = Certificate {
        cross: true,
        ..certificate()
    };
    assert!(serde_json::to_string(&cross).expect("JSON").contains("\"cross\":true"));
}

#[test]
fn no_text_causes_a_panic_and_every_valid_certificate_comes_back() {
    use crate::proptests;
    let real = serde_json::to_string_pretty(&certificate()).expect("JSON");
    proptests::check(file!(), &proptests::text(&[&real]), |text| {
        let Ok(read) = serde_json::from_str::<Certificate>(&text) else {
            return;
        };
        let shown = crate::text::for_terminal(&summary(&read), false);
        assert!(!shown.contains(['\u{1b}', '\0', '\r']), "{shown:?}");
        assert!(!render_page(&read).contains(['\u{1b}', '\0', '\r']));
        let written = serde_json::to_string(&read).expect("JSON");
        let again: Certificate = serde_json::from_str(&written).expect("written by matenv");
        assert_eq!(serde_json::to_string(&again).expect("JSON"), written);
    });
}

/// Bug: control characters in the output of a probe reached the terminal and the page.
#[test]
fn markup_and_control_characters_from_outside_are_text() {
    let mut certificate = certificate();
    certificate.verification.probes[0].name = "<script>alert(1)</script>\u{1b}[2J\"".to_owned();
    certificate.verification.probes[0].output = "a & b\u{9b}".to_owned();
    let page = render_page(&certificate);
    assert!(
        page.contains("&lt;script&gt;alert(1)&lt;/script&gt;\\u{1b}[2J&quot;"),
        "{page}"
    );
    assert!(
        page.contains("a &amp; b\\u{9b}") && !page.contains("<script>"),
        "{page}"
    );
}
