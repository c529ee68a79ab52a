//! Fixtures: the texts in the `.dist-info` folder of a wheel.

/// Returns METADATA. `more` contains further lines.
pub(crate) fn metadata(name: &str, version: &str, more: &str) -> String {
    format!("Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n{more}")
}

/// Returns WHEEL.
pub(crate) fn wheel(tag: &str) -> String {
    format!("Wheel-Version: 1.0\nGenerator: tests\nRoot-Is-Purelib: true\nTag: {tag}\n")
}
