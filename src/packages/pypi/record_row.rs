use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use rattler_digest::{Sha256, compute_bytes_digest};

/// Returns the row of a file in a wheel's RECORD: path, hash and size, with the end of the line. The path contains no
/// comma and no quote.
pub(crate) fn record_row(path: &str, bytes: &[u8]) -> String {
    let hash = URL_SAFE_NO_PAD.encode(compute_bytes_digest::<Sha256>(bytes));
    format!("{path},sha256={hash},{}\n", bytes.len())
}
