//! The `matenv` program. All its code is in the library.

fn main() -> std::process::ExitCode {
    matenv::cli::main()
}
