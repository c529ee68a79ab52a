//! Binaries: what compiled libraries say, without loading them.
//!
//! In: an ELF shared object of Linux, a DLL, or a Mach-O file of macOS. Out: what its loader needs ([`Dynamic`], [`Versions`], of
//! the others [`Imports`]), what it needs of others and offers ([`Symbols`]), and for which GPUs it holds code ([`GpuCode`]). Files are up to 1 GB, so headers are read by seeking, never the whole file. A damaged file gives an
//! error or less, never a panic, and its sizes reserve no memory. Absent on purpose: judgement; see [`crate::audit`].

mod dynamic;
mod gpu_code;
mod imports;
mod source;
mod symbols;
mod versions;

#[cfg(test)]
pub(crate) mod made;

pub use dynamic::Dynamic;
pub use gpu_code::GpuCode;
pub use imports::{Imports, Kind};
pub use symbols::Symbols;
pub use versions::{VersionNeed, Versions};
