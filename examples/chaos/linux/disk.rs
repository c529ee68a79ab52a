//! Strikes that fill a small disk, by bytes or by inodes.

use rustix::fs::statvfs;

use super::{
    Problem,
    mount::Mounted,
    strike::{Run, Struck},
    world::{World, remove},
};

/// The options of an empty disk that is large enough.
const LARGE: &str = "size=1g,nr_inodes=1000000";

/// Returns why this kind cannot be tested here, or `None`.
pub(crate) fn skipped(world: &World) -> Option<String> {
    let folder = world.root.join("try");
    let mounted = Mounted::new(&["-t", "tmpfs", "-o", LARGE, "disk"], &folder);
    // In a user namespace, the size of a mounted disk cannot be changed.
    let limited = mounted.and_then(|mounted| mounted.remount("size=512m,nr_inodes=500000"));
    limited
        .err()
        .map(|error| format!("no small disk can be mounted here: {error}"))
}

/// The disk becomes full at a random moment, or has little space from then on.
pub(crate) fn fill(run: &mut Run<'_>, mount: &mut Option<Mounted>) -> Result<Struck, Problem> {
    let world = run.world;
    world.server.set(None);
    remove(&world.work())?;
    let mounted = Mounted::new(&["-t", "tmpfs", "-o", LARGE, "disk"], &world.work())?;
    world.copy_template(&world.work())?;
    let action = run.action();
    let command = run.command(action)?;
    let moment = run.moment(action);
    let inodes = run.random.bool();
    let most = if inodes { 500 } else { 2_000_000 };
    // Often nothing is left; else the disk becomes full a little later.
    let left = if run.random.bool() { 0 } else { run.random.u64(..most) };
    let unit = if inodes { "inodes" } else { "bytes" };
    run.note(format!("{action:?}, {left} {unit} are left after {moment:?}"));
    let mut started = World::start(command)?;
    std::thread::sleep(moment);
    let hit = !started.ended();
    let used = statvfs(world.work())?;
    let limit = if inodes {
        format!("nr_inodes={}", used.f_files - used.f_ffree + left)
    } else {
        format!("size={}", (used.f_blocks - used.f_bfree) * used.f_frsize + left)
    };
    if let Err(error) = mounted.remount(&limit) {
        // The command used more in between, which the kernel does not allow.
        run.note(format!("not limited: {error}"));
    }
    let ended = started.wait()?;
    mounted.remount(LARGE)?;
    *mount = Some(mounted);
    Ok(Struck { action, ended, hit })
}
