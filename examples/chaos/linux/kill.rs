//! Strikes with signals: matenv, uv, or all processes.

use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};

use super::{
    Problem,
    strike::{Action, Run, Struck},
    world::Started,
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
    // The uv that outlives matenv is easier to see while it waits for an answer.
    if matches!(target, Target::Matenv) && run.random.bool() {
        run.stall();
    }
    strike(run, target, Signal::KILL)
}

/// SIGTERM, SIGINT or SIGHUP to matenv.
pub(crate) fn signal(run: &mut Run<'_>) -> Result<Struck, Problem> {
    let signal = run.pick(&[Signal::TERM, Signal::INT, Signal::HUP]);
    strike(run, Target::Matenv, signal)
}

fn strike(run: &mut Run<'_>, target: Target, signal: Signal) -> Result<Struck, Problem> {
    run.world.reset()?;
    let action = if matches!(target, Target::Uv) {
        Action::Install
    } else {
        run.action()?
    };
    let command = run.command(action)?;
    let moment = run.moment(action);
    run.note(format!("{action:?}, {signal:?} to {target:?} after {moment:?}"));
    let mut started = run.world.start(command)?;
    std::thread::sleep(moment);
    let mut struck = false;
    while !struck && !started.ended() {
        match target {
            Target::Matenv => struck = send(started.pid(), signal),
            Target::All => {
                send(started.pid(), signal);
                struck = send_all(run, &started, signal);
            }
            Target::Uv => {
                let uv = run.world.processes().into_iter().filter(|(_, program)| program == "uv");
                struck = uv.map(|(pid, _)| send(pid, signal)).max().unwrap_or_default();
                std::thread::sleep(Duration::from_millis(1));
            }
        }
    }
    let ended = started.wait()?;
    Ok(Struck { action, ended, struck })
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
