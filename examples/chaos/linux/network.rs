//! Strikes of the server and of what is between it and matenv.

use super::{
    Problem,
    server::{FAULTS, Faults},
    strike::{Action, Run, Struck},
    world::World,
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
    let count = match faults.count {
        usize::MAX => "all".to_owned(),
        some => some.to_string(),
    };
    let Faults { fault, from, .. } = faults;
    run.note(format!(
        "{fault:?}, {count} of about {requests} answers, from number {from} on"
    ));
    world.server.set(Some(faults));
    let ended = World::finish(command)?;
    let made = world.server.set(None);
    Ok(Struck {
        action,
        ended,
        hit: made > faults.from,
    })
}
