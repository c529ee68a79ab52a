//! Installs the hook that preloads CUDA libraries into any prefix with CUDA wheels:
//! `cargo run --example preload -- PREFIX CUDA_MAJOR PROFILE`

use std::{path::Path, process::ExitCode};

use matenv::{names::ProfileName, packages::preload, profile::stack};

#[expect(clippy::print_stdout, clippy::print_stderr, reason = "a program prints its result")]
fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [prefix, cuda, profile] = arguments.as_slice() else {
        eprintln!("usage: preload PREFIX CUDA_MAJOR PROFILE");
        return ExitCode::from(2);
    };
    let (Ok(cuda), Ok(profile)) = (cuda.parse(), profile.parse::<ProfileName>()) else {
        eprintln!("invalid CUDA_MAJOR or PROFILE: use a number such as 13, and `gpu` or `gpu-trt`");
        return ExitCode::from(2);
    };
    match preload::install(Path::new(prefix), &stack::libraries(cuda, profile)) {
        Ok(list) => {
            for path in list {
                println!("{}", path.display());
            }
            ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}
