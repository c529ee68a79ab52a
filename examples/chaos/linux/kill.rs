//! Strikes with signals: matenv, uv, or all processes.

use std::{collections::BTreeSet, time::Duration};

use rustix::process::{Pid, Signal, kill_process};

use super::{
    Problem,
    strike::{Action, Run, Struck},
    world::{Started, World},
};

/// The processes that a signal hits.
#[derive(Debug, Clone, Copy)]
enum Target {
    Matenv,
    Uv,
    All,
}

/// SIGKILL of matenv, of uv or of all processes.
pub(crate) fn kill(run: &mut Run<'_>) -> Result<Struck, Problem> {
    let target = run.pick(&[Target::Matenv, Target::Uv, Target::All]);
    // A uv that outlives matenv is easier to see while it waits for an answer.
    let stalls = matches!(target, Target::Matenv) && run.random.bool();
    strike(run, target, (Signal::KILL, "SIGKILL"), stalls)
}

/// SIGTERM, SIGINT or SIGHUP to matenv.
pub(crate) fn signal(run: &mut Run<'_>) -> Result<Struck, Problem> {
    let signal = run.pick(&[
        (Signal::TERM, "SIGTERM"),
        (Signal::INT, "SIGINT"),
        (Signal::HUP, "SIGHUP"),
    ]);
    let stalls = run.random.bool();
    strike(run, Target::Matenv, signal, stalls)
}

fn strike(run: &mut Run<'_>, target: Target, (signal, name): (Signal, &str), stalls: bool) -> Result<Struck, Problem> {
    run.world.reset()?;
    let action = if matches!(target, Target::Uv) {
        run.pick(&[Action::Install, Action::Unverified])
    } else if stalls {
        Action::Install
    } else {
        run.action()
    };
    let command = run.command(action)?;
    let (which, delay) = (run.random.usize(1..=2), Duration::from_millis(run.random.u64(..60)));
    let mut moment = run.moment(action);
    if stalls {
        run.stall();
        moment += Duration::from_secs_f64(run.random.f64() * 2.0);
    }
    if let Target::Uv = target {
        run.note(format!(
            "{action:?}, {name} to uv number {which}, after {delay:?} of it"
        ));
    } else {
        run.note(format!("{action:?}, {name} to {target:?} after {moment:?}"));
    }
    let mut started = World::start(command)?;
    if !matches!(target, Target::Uv) {
        std::thread::sleep(moment);
    }
    let mut seen = BTreeSet::new();
    let mut hit = false;
    while !hit && !started.ended() {
        match target {
            Target::Matenv => hit = send(started.pid(), signal),
            Target::All => {
                send(started.pid(), signal);
                hit = send_all(run, &started, signal);
            }
            Target::Uv => {
                let processes = run.world.processes().into_iter();
                for (pid, _) in processes.filter(|(_, program)| program == "uv") {
                    if seen.insert(pid) && seen.len() == which {
                        std::thread::sleep(delay);
                        hit = send(pid, signal);
                    }
                }
            }
        }
    }
    let ended = started.wait()?;
    Ok(Struck { action, ended, hit })
}

/// Sends a signal to all processes of the run. Returns whether there were any.
pub(crate) fn send_all(run: &Run<'_>, started: &Started, signal: Signal) -> bool {
    let processes = run.world.processes();
    for (pid, _) in &processes {
        send(*pid, signal);
    }
    processes.iter().any(|(pid, _)| *pid == started.pid())
}

/// Kills processes.
pub(crate) fn all(processes: &[(i32, String)]) {
    for (pid, _) in processes {
        send(*pid, Signal::KILL);
    }
}

fn send(pid: i32, signal: Signal) -> bool {
    Pid::from_raw(pid).is_some_and(|pid| kill_process(pid, signal).is_ok())
}
