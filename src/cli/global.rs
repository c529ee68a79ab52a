//! The options of every command, and the logs that they ask for.

use std::path::PathBuf;

use tracing_subscriber::{
    EnvFilter, Layer as _, fmt::format::FmtSpan, layer::SubscriberExt as _, util::SubscriberInitExt as _,
};

use super::{
    Failure,
    terminal::{self, Verbosity},
};
use crate::{context::sources::Mirror, net::mask::Masked};

/// Options of every command.
#[derive(Debug, clap::Args)]
#[command(next_help_heading = "Global options")]
pub(super) struct Global {
    /// Print one JSON document on standard output, and logs on standard error
    #[arg(long, global = true)]
    pub(super) json: bool,
    /// Print only warnings and errors
    #[arg(short, long, global = true, conflicts_with = "verbose")]
    pub(super) quiet: bool,
    /// Print each step; use twice for the logs of libraries
    #[arg(short, long, global = true, action = clap::ArgAction::Count)]
    verbose: u8,
    /// When to use colors
    #[arg(long, global = true, value_enum, default_value_t, value_name = "WHEN")]
    color: Color,
    /// Hide progress bars
    #[arg(long, global = true)]
    no_progress: bool,
    /// Write the time of each step to FILE, as a trace for Perfetto or `chrome://tracing`
    #[arg(long, global = true, value_name = "FILE")]
    timings: Option<PathBuf>,
    /// Do not use the network; use only files in the caches
    #[arg(long, global = true)]
    pub(super) offline: bool,
    /// Use TARGET, a URL or the name of another source, instead of SOURCE: conda-forge, pypi, torch, nvidia or
    /// a URL prefix
    #[arg(long, global = true, value_name = "SOURCE=TARGET")]
    pub(super) mirror: Vec<Mirror>,
    /// Use the manifests in DIR instead of the built-in ones
    #[arg(long, global = true, value_name = "DIR")]
    pub(super) manifest_dir: Option<PathBuf>,
}

#[derive(Debug, Clone, Copy, Default, clap::ValueEnum)]
enum Color {
    #[default]
    Auto,
    Always,
    Never,
}

impl Global {
    pub(super) fn apply_color(&self) {
        let on = match self.color {
            Color::Auto => return,
            Color::Always => true,
            Color::Never => false,
        };
        console::set_colors_enabled(on);
        console::set_colors_enabled_stderr(on);
    }

    pub(super) fn style(&self, json: bool) -> terminal::Style {
        let verbosity = match (self.quiet, self.verbose) {
            (true, _) => Verbosity::Quiet,
            (false, 0) => Verbosity::Normal,
            (false, _) => Verbosity::Verbose,
        };
        terminal::Style {
            verbosity,
            live: !json && !self.no_progress && verbosity == Verbosity::Normal && terminal::is_live_terminal(),
        }
    }

    /// Starts the logs on standard error and the trace of `--timings`. The trace is complete when the guard is
    /// dropped.
    pub(super) fn start_logs(&self) -> Result<Option<tracing_chrome::FlushGuard>, Failure> {
        let level = match self.verbose {
            0 => "off",
            1 => "matenv=debug,warn",
            2 => "debug",
            _ => "trace",
        };
        let spans = if self.verbose > 1 {
            FmtSpan::CLOSE
        } else {
            FmtSpan::NONE
        };
        let logs = tracing_subscriber::fmt::layer()
            .with_writer(|| Masked(terminal::LogWriter))
            .with_ansi(console::colors_enabled_stderr())
            .with_target(self.verbose > 1)
            .with_span_events(spans)
            .with_filter(EnvFilter::new(level));
        let (trace, guard) = match &self.timings {
            None => (None, None),
            Some(path) => {
                let file = fs_err::File::create(path).map_err(|error| {
                    Failure::io(
                        "failed to write the timings",
                        &error,
                        "use a file in a folder that you can write to: --timings FILE",
                    )
                })?;
                let (layer, guard) = tracing_chrome::ChromeLayerBuilder::new()
                    // Whole lines, so that no credential is divided.
                    .writer(std::io::LineWriter::with_capacity(1 << 20, Masked(file)))
                    // Stages of several environments overlap, and only this style can show that.
                    .trace_style(tracing_chrome::TraceStyle::Async)
                    .include_args(true)
                    .build();
                (Some(layer.with_filter(EnvFilter::new("matenv=info"))), Some(guard))
            }
        };
        // This fails only on a second call in the same process, and there is one call.
        let _ = tracing_subscriber::registry().with(logs).with(trace).try_init();
        Ok(guard)
    }
}
