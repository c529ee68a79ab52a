#![expect(
    clippy::print_stdout,
    clippy::print_stderr,
    clippy::disallowed_methods,
    reason = "a program that prints its result, and starts others as a user does"
)]

mod cache;
mod check;
mod concurrent;
mod disk;
mod kill;
mod mount;
mod network;
mod power;
mod record;
mod server;
mod strike;
mod syscall;
#[expect(clippy::unwrap_used, dead_code, reason = "the tests use all of it")]
#[path = "../../../tests/it/support/wheel.rs"]
mod wheel;
mod world;

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
    process::{Command, ExitCode},
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::Instant,
};

use clap::Parser;

use strike::{Action, Kind, Run};
use world::World;

/// Describes what was lost, or why a strike was not possible.
type Problem = Box<dyn std::error::Error + Send + Sync>;

/// Strike matenv at random moments and check that nothing is lost
#[derive(Debug, Parser)]
struct Options {
    /// Number of runs, shared evenly by the kinds of strikes
    #[arg(long, default_value_t = 100)]
    runs: u64,
    /// Seed of everything that is random
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Only the run with this number, with all its steps
    #[arg(long)]
    only: Option<u64>,
    /// Only these kinds of strikes
    #[arg(long, value_delimiter = ',')]
    kind: Vec<Kind>,
    /// Only this number of power cuts
    #[arg(long, value_name = "RUNS", conflicts_with_all = ["runs", "kind"])]
    power_cut: Option<u64>,
    /// Number of runs at the same time; the numbers stay the same
    #[arg(long, default_value_t = 1)]
    jobs: usize,
    /// The matenv to strike; default: the one beside this program's folder
    #[arg(long)]
    matenv: Option<PathBuf>,
    /// Show each run
    #[arg(long, short)]
    verbose: bool,
    /// Keep the folders of the last run
    #[arg(long)]
    keep: bool,
}

/// The results of one kind.
#[derive(Debug, Default)]
struct Tally {
    survived: u64,
    lost: u64,
    /// Runs in which the command ended before the strike.
    missed: u64,
    /// How often the commands ended with each exit code.
    exits: BTreeMap<String, u64>,
}

pub(super) fn main() -> ExitCode {
    let options = Options::parse_from(mount::enter());
    match run(options) {
        Ok(code) => code,
        Err(problem) => {
            eprintln!("failed to prepare the runs: {problem}");
            ExitCode::from(2)
        }
    }
}

fn run(mut options: Options) -> Result<ExitCode, Problem> {
    if let Some(runs) = options.power_cut {
        (options.runs, options.kind) = (runs, vec![Kind::PowerCut]);
    }
    let mut kinds = if options.kind.is_empty() {
        Kind::ALL.to_vec()
    } else {
        options.kind.clone()
    };
    let (matenv, uv) = (find_matenv(options.matenv.as_deref())?, find_uv()?);
    let started = Instant::now();
    let worlds = (0..options.jobs.max(1))
        .map(|_| World::new(&matenv, &uv))
        .collect::<Result<Vec<_>, _>>()?;
    kinds.retain(|kind| {
        let skipped = worlds.iter().find_map(|world| kind.skipped(world));
        if let Some(why) = &skipped {
            println!("{} skipped: {why}", name(*kind));
        }
        skipped.is_none()
    });
    let Some(world) = worlds.first().filter(|_| !kinds.is_empty()) else {
        return Err("no kind of strike is possible here".into());
    };
    let kind_of = |number: u64| kinds[usize::try_from(number).unwrap_or_default() % kinds.len()];
    let numbers = options.only.map_or(0..options.runs, |only| only..only + 1);
    let used = options.only.map_or(kinds.clone(), |only| vec![kind_of(only)]);
    let measured = strike::measure(world, &used)?;
    if options.verbose {
        println!("{measured:#?}");
    }
    let next = AtomicU64::new(numbers.start);
    let tallies = Mutex::new(BTreeMap::new());
    std::thread::scope(|scope| {
        for world in &worlds {
            scope.spawn(|| {
                loop {
                    let number = next.fetch_add(1, Ordering::Relaxed);
                    if number >= numbers.end {
                        return;
                    }
                    one(world, &measured, &options, kind_of(number), number, &tallies);
                }
            });
        }
    });
    let tallies = tallies.into_inner().unwrap_or_else(PoisonError::into_inner);
    for (kind, tally) in &tallies {
        let Tally {
            survived,
            lost,
            missed,
            exits,
        } = tally;
        let missed = match missed {
            0 => String::new(),
            some => format!(" ({some} ended before the strike)"),
        };
        println!("{} {} survived {lost} lost{missed}", name(*kind), survived);
        if options.verbose {
            println!("  exit codes of the survived: {exits:?}");
        }
    }
    let (survived, lost) = tallies.values().fold((0, 0), |(survived, lost), tally| {
        (survived + tally.survived, lost + tally.lost)
    });
    println!("all {survived} survived {lost} lost in {:.0?}", started.elapsed());
    if options.keep {
        for world in worlds {
            println!("kept: {}", world.keep().display());
        }
    }
    Ok(if lost == 0 {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}

/// Makes one run and adds its result.
fn one(
    world: &World,
    measured: &BTreeMap<Action, strike::Measured>,
    options: &Options,
    kind: Kind,
    number: u64,
    tallies: &Mutex<BTreeMap<Kind, Tally>>,
) {
    let mut run = Run::new(world, measured, options.seed, number);
    let started = Instant::now();
    let result = run.run(kind);
    let (took, notes, kind_name) = (started.elapsed(), run.notes(), name(kind));
    let mut tallies = tallies.lock().unwrap_or_else(PoisonError::into_inner);
    let tally = tallies.entry(kind).or_default();
    match &result {
        Ok((hit, exit)) => {
            tally.survived += 1;
            tally.missed += u64::from(!hit);
            *tally.exits.entry(exit.clone()).or_default() += 1;
            let misleads = !kind.exit_codes().contains(&exit.as_str());
            if misleads {
                println!("run {number} {kind_name} survived with a misleading exit code: {notes}");
            } else if options.verbose || options.only.is_some() {
                println!("run {number} {kind_name} survived in {took:.1?}: {notes}");
            }
        }
        Err(lost) => {
            tally.lost += 1;
            println!("run {number} {kind_name} LOST in {took:.1?}: {lost}\n  {notes}");
            let kinds = match options.kind.as_slice() {
                [] => String::new(),
                some => format!(
                    " --kind {}",
                    some.iter().map(|kind| name(*kind)).collect::<Vec<_>>().join(",")
                ),
            };
            println!("  repeat: --seed {} --only {number}{kinds}", options.seed);
        }
    }
}

/// Returns the name of a kind, as on the command line.
fn name(kind: Kind) -> String {
    clap::ValueEnum::to_possible_value(&kind).map_or_else(String::new, |value| value.get_name().to_owned())
}

/// Returns the matenv to strike: the given one, or the one in the folder above this program's.
fn find_matenv(given: Option<&Path>) -> Result<PathBuf, Problem> {
    let beside = || Some(std::env::current_exe().ok()?.parent()?.parent()?.join("matenv"));
    let path = given.map(Path::to_owned).or_else(beside).ok_or("no matenv was found")?;
    let found = fs_err::canonicalize(&path);
    found.map_err(|error| format!("{error}: build it with `cargo build`, or use --matenv").into())
}

/// Returns uv: `MATENV_UV`, the one on PATH, or the pinned version, which pip installs into `target/tmp` once.
fn find_uv() -> Result<PathBuf, Problem> {
    if let Some(path) = std::env::var_os("MATENV_UV") {
        return Ok(path.into());
    }
    let tools: toml::Table = toml::from_str(include_str!("../../../profiles/tools.toml"))?;
    let version = tools["uv"]["pinned"].as_str().ok_or("no uv is pinned")?;
    let target = std::env::current_exe()?
        .ancestors()
        .nth(3)
        .ok_or("no target folder")?
        .to_owned();
    let folder = target.join("tmp").join(format!("uv-{version}"));
    let uv = folder.join("bin/uv");
    if !uv.is_file() {
        if let Ok(uv) = which::which("uv") {
            return Ok(uv);
        }
        let mut pip = Command::new("python3");
        pip.args(["-m", "pip", "install", "--quiet", "--no-deps", "--target"])
            .arg(&folder);
        world::succeeds(pip.arg(format!("uv=={version}")))?;
    }
    Ok(uv)
}
