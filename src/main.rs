//! The `matenv` program: the runtime, and an exit code. Everything else is in the library.

fn main() {}
