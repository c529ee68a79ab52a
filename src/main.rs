//! The `matenv` program: everything is in the library.

fn main() -> std::process::ExitCode {
    matenv::cli::main()
}
