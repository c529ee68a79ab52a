//! One run: a strike of one kind, and the checks after it.

use std::{collections::BTreeMap, process::Command, time::Duration};

use super::{
    Problem, cache, check, concurrent, disk, kill, network, power, record,
    server::{Fault, Faults},
    syscall,
    world::{BEFORE, CHANGES, CURRENT, ENV, Ended, Versions, World},
};

/// The kinds of strikes, in the order in which the runs use them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, clap::ValueEnum)]
pub(crate) enum Kind {
    /// SIGKILL of matenv, of uv or of all processes
    Kill,
    /// SIGTERM, SIGINT or SIGHUP to matenv
    Signal,
    /// A system call of matenv fails
    Syscall,
    /// A system call of matenv or of its children fails
    Strace,
    /// The power fails, and the disk has only what was written to it
    PowerCut,
    /// The disk or its inodes become full
    Disk,
    /// Files of the package caches are changed, emptied or deleted
    Cache,
    /// The server cuts, stalls, resets, lies or refuses
    Network,
    /// Two commands at once
    Concurrent,
    /// A record of the current generation is damaged
    Record,
}

impl Kind {
    pub(crate) const ALL: [Self; 10] = [
        Self::Kill,
        Self::Signal,
        Self::Syscall,
        Self::Strace,
        Self::PowerCut,
        Self::Disk,
        Self::Cache,
        Self::Network,
        Self::Concurrent,
        Self::Record,
    ];

    /// Returns the exit codes that name the cause of a failure by this kind of strike.
    pub(crate) const fn exit_codes(self) -> &'static [&'static str] {
        match self {
            Self::Network => &["0", "4", "5"],
            Self::Signal => &["0", "130", "killed"],
            Self::Kill | Self::Syscall | Self::Strace | Self::Disk => &["0", "1", "killed"],
            Self::PowerCut | Self::Concurrent => &["0", "killed"],
            Self::Cache | Self::Record => &["0"],
        }
    }

    /// Returns why this kind cannot be tested here, or `None`.
    pub(crate) fn skipped(self, world: &World) -> Option<String> {
        match self {
            Self::Syscall => world.faults.as_ref().err().cloned(),
            Self::Strace => which::which("strace")
                .err()
                .map(|_| "strace is not installed".to_owned()),
            Self::PowerCut => power::skipped(world),
            Self::Disk => disk::skipped(world),
            Self::Kill | Self::Signal | Self::Cache | Self::Network | Self::Concurrent | Self::Record => None,
        }
    }
}

/// The command that is struck.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Action {
    /// `install` of other versions.
    Install,
    /// `install --no-verify` of other versions.
    Unverified,
    /// `install --force` of the same versions.
    Force,
    /// `repair` of a damaged environment.
    Repair,
    Remove,
    Rollback,
    Clean,
}

impl Action {
    /// Returns the actions that a matenv with these commands has.
    pub(crate) fn of(world: &World) -> Vec<Self> {
        let mut actions = vec![Self::Install, Self::Unverified, Self::Force];
        for (action, name) in [
            (Self::Repair, "repair"),
            (Self::Remove, "remove"),
            (Self::Rollback, "rollback"),
            (Self::Clean, "clean"),
        ] {
            if world.commands.iter().any(|known| known == name) {
                actions.push(action);
            }
        }
        actions
    }
}

/// The measured numbers of a command without a strike.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Measured {
    pub(crate) took: Duration,
    /// The calls that [`Kind::Syscall`] can let fail.
    pub(crate) calls: u64,
    /// The calls that [`Kind::Strace`] can let fail, in the thread that makes the most of them.
    pub(crate) traced: u64,
    pub(crate) requests: usize,
}

/// The result of a strike.
pub(crate) struct Struck {
    pub(crate) action: Action,
    /// How the struck command ended.
    pub(crate) ended: Ended,
    /// Whether the strike hit the command before its end.
    pub(crate) hit: bool,
}

/// One run.
pub(crate) struct Run<'a> {
    pub(crate) world: &'a World,
    pub(crate) random: fastrand::Rng,
    pub(crate) wanted: Versions,
    measured: &'a BTreeMap<Action, Measured>,
    /// What was done, for a report.
    notes: Vec<String>,
}

impl<'a> Run<'a> {
    /// Prepares a run. The seed and the number determine everything that is random in it.
    pub(crate) fn new(world: &'a World, measured: &'a BTreeMap<Action, Measured>, seed: u64, number: u64) -> Self {
        let mut random = fastrand::Rng::with_seed(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ number);
        let wanted = CHANGES[random.usize(..CHANGES.len())];
        Self {
            world,
            random,
            wanted,
            measured,
            notes: Vec::new(),
        }
    }

    pub(crate) fn pick<T: Copy>(&mut self, from: &[T]) -> T {
        from[self.random.usize(..from.len())]
    }

    pub(crate) fn note(&mut self, text: String) {
        self.notes.push(text);
    }

    pub(crate) fn notes(&self) -> String {
        self.notes.join("; ")
    }

    /// Picks the command: half of the time `install`.
    pub(crate) fn action(&mut self) -> Action {
        if self.random.bool() {
            return Action::Install;
        }
        let actions = Action::of(self.world);
        self.pick(&actions)
    }

    pub(crate) fn measured(&self, action: Action) -> Measured {
        self.measured.get(&action).copied().unwrap_or_default()
    }

    /// Returns a random moment of a command.
    pub(crate) fn moment(&mut self, action: Action) -> Duration {
        self.measured(action).took.mul_f64(self.random.f64() * 1.05)
    }

    /// Lets the answers of the server stall, from a random one on.
    pub(crate) fn stall(&mut self) {
        let from = self.random.usize(..self.measured(Action::Install).requests.max(1));
        self.note(format!("the answers stall from number {from} on"));
        self.world.server.set(Some(Faults {
            fault: Fault::Stall,
            from,
            count: usize::MAX,
        }));
    }

    /// Prepares the files for an action and returns its command.
    pub(crate) fn command(&mut self, action: Action) -> Result<Command, Problem> {
        self.wanted = match action {
            Action::Install | Action::Unverified => self.wanted,
            _ => CURRENT,
        };
        command(self.world, action, self.wanted)
    }

    /// Strikes and checks. Returns whether the strike hit anything, and how the command ended.
    pub(crate) fn run(&mut self, kind: Kind) -> Result<(bool, String), Problem> {
        let mut mount = None;
        let struck = match kind {
            Kind::Kill => kill::kill(self)?,
            Kind::Signal => kill::signal(self)?,
            Kind::Syscall => syscall::preload(self)?,
            Kind::Strace => syscall::strace(self)?,
            Kind::PowerCut => power::cut(self, &mut mount)?,
            Kind::Disk => disk::fill(self, &mut mount)?,
            Kind::Cache => cache::strike(self)?,
            Kind::Network => network::strike(self)?,
            Kind::Concurrent => concurrent::strike(self)?,
            Kind::Record => record::strike(self)?,
        };
        let exit = match struck.ended.status.code() {
            Some(code) => code.to_string(),
            None => "killed".to_owned(),
        };
        self.note(format!("exit code {exit}"));
        self.world.server.set(None);
        check::no_crash(&struck.ended)?;
        self.world.check_orphans()?;
        // A damaged record is the one case in which the current generation cannot be found.
        if kind != Kind::Record {
            self.check_after(&struck)?;
        }
        self.world.want(self.wanted)?;
        let again = World::finish(self.world.install(&[]))?;
        check::must_succeed("install", &again).map_err(|lost| format!("the next {lost}"))?;
        self.world
            .check_current(&[self.wanted])
            .map_err(|lost| format!("after the next install, {lost}"))?;
        self.world.check_orphans()?;
        self.world
            .check_strays()
            .map_err(|lost| format!("after the next install, {lost}"))?;
        drop(mount);
        Ok((struck.hit, exit))
    }

    /// Checks the state directly after the strike.
    fn check_after(&self, struck: &Struck) -> Result<(), Problem> {
        let after = |lost| format!("directly after the strike, {lost}");
        let done = struck.ended.status.success();
        let allowed = match struck.action {
            Action::Install | Action::Unverified if done => vec![self.wanted],
            Action::Install | Action::Unverified => vec![CURRENT, self.wanted],
            Action::Rollback if done => vec![BEFORE],
            Action::Rollback => vec![CURRENT, BEFORE],
            Action::Force | Action::Clean | Action::Repair => vec![CURRENT],
            Action::Remove if done && self.world.current().is_some() => {
                return Err("`remove` succeeded, but the environment is still there".into());
            }
            Action::Remove => {
                // It is whole, or it is gone. The next install shows whether its remains are a problem.
                if self.world.current().is_some_and(|prefix| prefix.exists()) {
                    self.world.check_current(&[CURRENT]).map_err(after)?;
                }
                return Ok(());
            }
        };
        if struck.action == Action::Repair {
            if !done {
                let again = World::finish(command(self.world, Action::Repair, CURRENT)?)?;
                check::must_succeed("repair", &again).map_err(|lost| format!("the next {lost}"))?;
            }
            return Ok(self.world.check_current(&allowed).map_err(after)?);
        }
        Ok(self.world.check_current(&allowed).map_err(after)?)
    }
}

/// Prepares the files for an action and returns its command.
fn command(world: &World, action: Action, wanted: Versions) -> Result<Command, Problem> {
    world.want(wanted)?;
    let with_sources = |arguments: &[&str]| {
        let mut command = world.matenv(arguments);
        world.sources(&mut command);
        command
    };
    Ok(match action {
        Action::Install => world.install(&[]),
        Action::Unverified => world.install(&["--no-verify"]),
        Action::Force => world.install(&["--force"]),
        Action::Repair => {
            let prefix = world.current().ok_or("no environment is current")?;
            let damaged = format!("{}/lib/python3*/site-packages/tiny_lib/part_7.py", prefix.display());
            for path in glob::glob(&damaged)? {
                fs_err::remove_file(path?)?;
            }
            with_sources(&["repair", ENV, "--no-bench"])
        }
        Action::Remove => world.matenv(&["remove", ENV]),
        Action::Rollback => world.matenv(&["rollback", ENV, "--to", "1"]),
        Action::Clean => world.matenv(&["clean"]),
    })
}

/// Measures every action without a strike, for these kinds of strikes. All of them must succeed.
pub(crate) fn measure(world: &World, kinds: &[Kind]) -> Result<BTreeMap<Action, Measured>, Problem> {
    let mut found = BTreeMap::new();
    let alone = [Kind::Cache, Kind::Network];
    for action in Action::of(world) {
        if action != Action::Install && kinds.iter().all(|kind| alone.contains(kind)) {
            continue;
        }
        let wanted = match action {
            Action::Install | Action::Unverified => CHANGES[2],
            _ => CURRENT,
        };
        let mut measured = Measured::default();
        // The first attempt reads this program and uv from the disk.
        let mut took = Vec::new();
        for _ in 0..3 {
            world.reset()?;
            let ended = World::finish(command(world, action, wanted)?)?;
            check::must_succeed("a command without a strike", &ended)?;
            took.push(ended.took);
        }
        measured.took = took.into_iter().min().unwrap_or_default();
        measured.requests = world.server.set(None);
        if let Ok(library) = &world.faults
            && kinds.contains(&Kind::Syscall)
        {
            world.reset()?;
            measured.calls = syscall::count(world, library, command(world, action, wanted)?)?;
        }
        if kinds.contains(&Kind::Strace) {
            world.reset()?;
            measured.traced = syscall::count_traced(world, &command(world, action, wanted)?)?;
        }
        found.insert(action, measured);
    }
    Ok(found)
}
