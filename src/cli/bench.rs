use std::{collections::BTreeMap, path::PathBuf, process::ExitCode};

use super::{Failure, Session, install::exit_of};
use crate::{
    bench::Shape,
    certificate::bench_table,
    install::{self, BenchOptions},
    names::EnvName,
};

/// Time inference with an environment's ONNX Runtime
///
/// Without --model, times the built-in UNet and compares its output with a reference. Writes the results into the
/// environment's certificate.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Environment to time
    env: EnvName,
    /// Time this ONNX model instead of the built-in one
    #[arg(long, value_name = "FILE")]
    model: Option<PathBuf>,
    /// Shape of an input with dynamic axes, such as images=1x1x384x384
    #[arg(long, value_name = "[INPUT=]AxBxC", requires = "model")]
    shape: Vec<Shape>,
    /// Batch sizes
    #[arg(long, value_delimiter = ',', value_name = "N,…")]
    batch: Vec<u64>,
    /// Also write the certificate with the results to FILE, as JSON
    #[arg(long, value_name = "FILE")]
    report: Option<PathBuf>,
}

pub(super) fn run(args: &Args, session: &Session) -> Result<ExitCode, Failure> {
    let generation = super::info::installed(&args.env, session)?;
    let wanted = BenchOptions {
        model: args.model.clone(),
        shapes: args
            .shape
            .iter()
            .map(|shape| (shape.input.clone(), shape.axes.clone()))
            .collect::<BTreeMap<_, _>>(),
        batches: args.batch.clone(),
    };
    let certificate = session.block_on(install::bench_again(&session.ctx, &generation, &wanted))?;
    let text = certificate.bench.as_ref().map(bench_table).unwrap_or_default();
    super::report::write(&certificate, args.report.as_deref())?;
    let exit = exit_of(&certificate);
    session.out.show_result(&certificate, text, exit);
    Ok(exit.into())
}
