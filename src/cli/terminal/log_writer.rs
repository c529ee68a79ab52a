//! Where the logs of `-v` are written to.

use std::io::{self, Write};

use crate::text;

/// Standard error, without control characters from outside. The colors of the logs are kept.
#[derive(Debug, Clone, Copy)]
pub(in crate::cli) struct LogWriter;

impl Write for LogWriter {
    /// Writes a whole event: `tracing-subscriber` formats each one before it writes it.
    fn write(&mut self, event: &[u8]) -> io::Result<usize> {
        let text = text::keeping_colors(&String::from_utf8_lossy(event));
        io::stderr().lock().write_all(text.as_bytes())?;
        Ok(event.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        io::stderr().flush()
    }
}
