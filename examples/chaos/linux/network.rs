//! Strikes of the server and of what is between it and matenv.

use super::{
    Problem,
    strike::{Action, Run, Struck},
    server::{FAULTS, Faults},
};

/// Some answers of the server are wrong.
pub(crate) fn strike(run: &mut Run<'_>) -> Result<Struck, Problem> {
    let world = run.world;
    world.reset()?;
    let action = Action::Install;
    let command = run.command(action)?;
    let requests = run.measured(action).requests.max(1);
    let faults = Faults {
        fault: run.pick(&FAULTS),
        from: run.random.usize(..requests),
        count: run.pick(&[1, 2, usize::MAX]),
    };
    run.note(format!("{faults:?} of about {requests} answers"));
    world.server.set(Some(faults));
    let ended = world.finish(command)?;
    let made = world.server.set(None);
    Ok(Struck {
        action,
        ended,
        struck: made > faults.from,
    })
}
