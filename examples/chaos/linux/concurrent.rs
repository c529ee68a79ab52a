//! Two commands at once.

use std::time::Duration;

use super::{
    Problem,
    check::{must_succeed, no_crash},
    strike::{Action, Run, Struck},
    world::{CURRENT, ENV, PRINT, World},
};

/// The second command, which runs during an installation.
#[derive(Debug, Clone, Copy)]
enum Second {
    /// The same installation.
    Install,
    /// The same installation; one of the two is killed.
    Killed,
    /// Programs of the environment start again and again.
    Run,
    /// `list` again and again.
    List,
}

/// Starts a second command at a random moment of an installation.
pub(crate) fn strike(run: &mut Run<'_>) -> Result<Struck, Problem> {
    let world = run.world;
    world.reset()?;
    let action = run.pick(&[Action::Install, Action::Force]);
    let command = run.command(action)?;
    let second = run.pick(&[Second::Install, Second::Killed, Second::Run, Second::List]);
    let moment = run.moment(action);
    run.note(format!("{action:?} and {second:?} after {moment:?}"));
    let mut first = World::start(command)?;
    let mut hit = false;
    match second {
        Second::Install | Second::Killed => {
            std::thread::sleep(moment);
            hit = !first.ended();
            let other = World::start(world.install(&[]))?;
            if matches!(second, Second::Killed) {
                let moment = run.moment(action);
                run.note(format!("the first one is killed {moment:?} later"));
                std::thread::sleep(moment);
                let _ = first.child.kill();
            }
            let other = other.wait()?;
            no_crash(&other)?;
            must_succeed("install", &other).map_err(|lost| format!("the second {lost}"))?;
        }
        Second::Run => {
            while !first.ended() {
                hit = true;
                let ended = World::finish(world.matenv(&["run", ENV, "--", "python", "-B", "-c", PRINT]))?;
                must_succeed("run", &ended).map_err(|lost| format!("at the same time, {lost}"))?;
                let known = [CURRENT, run.wanted].map(|versions| versions.to_string());
                if !known.iter().any(|known| known == ended.stdout.trim()) {
                    return Err(format!("`run` printed {}", ended.stdout).into());
                }
            }
        }
        Second::List => {
            while !first.ended() {
                hit = true;
                let ended = World::finish(world.matenv(&["list", "--json"]))?;
                must_succeed("list", &ended).map_err(|lost| format!("at the same time, {lost}"))?;
                if !ended.stdout.contains("\"broken\": null") {
                    return Err(format!("`list` printed {}", ended.stdout).into());
                }
                std::thread::sleep(Duration::from_millis(20));
            }
        }
    }
    let ended = first.wait()?;
    if !matches!(second, Second::Killed) {
        must_succeed("install", &ended).map_err(|lost| format!("the first {lost}"))?;
    }
    Ok(Struck { action, ended, hit })
}
