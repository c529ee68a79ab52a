//! Checks the files of any environment: `cargo run --example audit -- [--deep] PREFIX [PROFILE BACKEND]`
//!
//! PROFILE is `cpu`, `gpu` or `gpu-trt`. BACKEND is a backend such as `cu130`. Without them, GPU libraries are not
//! checked.

use std::{path::Path, process::ExitCode, time::Instant};

use matenv::audit::{self, Depth, Subject};

#[expect(clippy::print_stdout, clippy::print_stderr, reason = "a program prints its result")]
fn main() -> ExitCode {
    let (options, arguments): (Vec<String>, Vec<String>) = std::env::args()
        .skip(1)
        .partition(|argument| argument.starts_with("--"));
    let subject = match arguments.as_slice() {
        [_] => Some(Subject::cpu()),
        [_, profile, backend] => match (profile.parse(), backend.parse()) {
            (Ok(profile), Ok(backend)) => Some(Subject::new(profile, &backend, Vec::new())),
            _ => None,
        },
        _ => None,
    };
    let (Some(prefix), Some(subject)) = (arguments.first(), subject) else {
        eprintln!("usage: audit [--deep] PREFIX [PROFILE BACKEND]");
        return ExitCode::from(2);
    };
    let depth = Depth::from_flag(!options.is_empty());
    let started = Instant::now();
    let found = match audit::audit(Path::new(prefix), "ENV", &subject, depth) {
        Ok(found) => found.findings,
        Err(error) => {
            eprintln!("{error}");
            return ExitCode::FAILURE;
        }
    };
    for finding in &found {
        println!("{} {:?}: {}", finding.code, finding.severity, finding.message);
        for line in &finding.evidence {
            println!("    {line}");
        }
    }
    println!("{} findings in {:.2} s", found.len(), started.elapsed().as_secs_f64());
    if found.iter().any(matenv::finding::Finding::blocks) {
        ExitCode::from(6)
    } else {
        ExitCode::SUCCESS
    }
}
