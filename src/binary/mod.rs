//! Binaries: reads compiled libraries without loading them.
//!
//! Input: an ELF shared object, a DLL, or a Mach-O file. Output: the libraries and symbol versions that it needs
//! ([`Dynamic`] and [`Versions`] for ELF, [`Imports`] for the others), its symbols ([`Symbols`]), and its GPU code
//! ([`GpuCode`]). Files can be 1 GB, so only the headers are read. A damaged file causes an error or an incomplete
//! result, but never a panic or a large allocation. This module only reads. The checks are in [`crate::audit`].

mod dynamic;
#[cfg(test)]
pub(crate) mod fixtures;
mod gpu_code;
mod imports;
mod source;
mod symbols;
mod versions;

pub use dynamic::Dynamic;
pub use gpu_code::GpuCode;
pub use imports::{Imports, Kind};
pub use symbols::Symbols;
pub use versions::{VersionNeed, Versions};
