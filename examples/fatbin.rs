//! Lists the GPU code in libraries: `cargo run --release --example fatbin -- [--json] FILE…`
//!
//! Capabilities in parentheses have only a few kernels. They do not count as "built for".

use std::{collections::BTreeMap, path::PathBuf, process::ExitCode, time::Instant};

use matenv::{
    binary::{Dynamic, GpuCode},
    profile::ComputeCapability,
};

#[expect(clippy::print_stdout, clippy::print_stderr, reason = "a program prints its result")]
fn main() -> ExitCode {
    let (options, files): (Vec<_>, Vec<_>) = std::env::args_os()
        .skip(1)
        .map(PathBuf::from)
        .partition(|argument| argument.as_os_str() == "--json");
    if files.is_empty() {
        eprintln!("usage: fatbin [--json] FILE…");
        return ExitCode::from(2);
    }
    let mut exit = ExitCode::SUCCESS;
    for file in files {
        let started = Instant::now();
        let code = match GpuCode::read(&file) {
            Ok(code) => code,
            Err(error) => {
                eprintln!("{error}");
                exit = ExitCode::FAILURE;
                continue;
            }
        };
        let seconds = started.elapsed().as_secs_f64();
        if options.is_empty() {
            println!("{}  ({seconds:.3} s)", file.display());
            println!("  SASS {}", row(&code.sass, &code.main_sass()));
            println!("  PTX  {}", row(&code.ptx, &code.main_ptx()));
        } else {
            // A DLL has no dynamic section.
            let needed = Dynamic::read(&file).map(|dynamic| dynamic.needed).unwrap_or_default();
            let result = serde_json::json!({
                "file": file, "seconds": seconds, "needed": needed, "damaged": code.damaged,
                "sass": code.main_sass(), "ptx": code.main_ptx(),
                "entries": { "sass": code.sass, "ptx": code.ptx },
            });
            println!("{result}");
        }
    }
    exit
}

fn row(counts: &BTreeMap<ComputeCapability, u64>, main: &[ComputeCapability]) -> String {
    if counts.is_empty() {
        return "none".to_owned();
    }
    let entries: Vec<_> = counts
        .iter()
        .map(|(capability, count)| {
            let arch = capability.sm();
            let arch = arch.trim_start_matches("sm_");
            if main.contains(capability) {
                format!("{arch}×{count}")
            } else {
                format!("({arch}×{count})")
            }
        })
        .collect();
    entries.join(" ")
}
