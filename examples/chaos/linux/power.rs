//! Power cuts: everything is on an image of a disk. What the image contains at a random moment is what a disk would
//! have after a power cut. Data that only the kernel's cache has is lost.

use std::{path::PathBuf, process::Command, time::Duration};

use rustix::process::Signal;

use super::{
    Problem, kill,
    mount::Mounted,
    strike::{Action, Run, Struck},
    world::{World, remove, succeeds},
};

/// Size of the image, in bytes.
const SIZE: u64 = 192 << 20;

/// Returns why this kind cannot be tested here, or `None`. Creates the image with the prepared state.
pub(crate) fn skipped(world: &World) -> Option<String> {
    let create = || -> Result<(), Problem> {
        let image = template(world);
        if image.exists() {
            return Ok(());
        }
        remove(&world.work())?;
        let new = world.root.join("new.img");
        fs_err::File::create(&new)?.set_len(SIZE)?;
        let options = ["-q", "-F", "-m", "0", "-E", "lazy_itable_init=0,lazy_journal_init=0"];
        succeeds(Command::new("mkfs.ext4").args(options).arg(&new))?;
        let path = new.display().to_string();
        let mounted = Mounted::new(&["-o", "loop", &path], &world.work())?;
        world.copy_template(&world.work())?;
        drop(mounted);
        Ok(fs_err::rename(new, image)?)
    };
    create()
        .err()
        .map(|error| format!("no disk image can be mounted here: {error}"))
}

fn template(world: &World) -> PathBuf {
    world.root.join("template.img")
}

fn copy(from: &PathBuf, to: &PathBuf) -> Result<(), Problem> {
    succeeds(Command::new("cp").arg("--sparse=always").args([from, to]))
}

/// Copies an image while nothing writes to it. A copy that differs from the image afterwards is made again, because
/// it would mix two moments, which no disk does.
fn copy_of_one_moment(from: &PathBuf, to: &PathBuf) -> Result<(), Problem> {
    for _ in 0..10 {
        copy(from, to)?;
        if succeeds(Command::new("cmp").arg("-s").args([from, to])).is_ok() {
            return Ok(());
        }
    }
    Err("the image changes too quickly".into())
}

/// The power fails during a command or up to a moment after its end.
pub(crate) fn cut(run: &mut Run<'_>, mount: &mut Option<Mounted>) -> Result<Struck, Problem> {
    let world = run.world;
    world.server.set(None);
    remove(&world.work())?;
    let (image, after) = (world.root.join("run.img"), world.root.join("after.img"));
    copy(&template(world), &image)?;
    // Seconds after which ext4 writes changes that nobody waits for.
    let seconds = run.pick(&[1, 5]);
    let options = format!("loop,commit={seconds}");
    let mounted = Mounted::new(&["-o", &options, &image.display().to_string()], &world.work())?;
    let action = run.action();
    let command = run.command(action)?;
    // In a third of the runs directly after the end, which is what a person does who sees a finished command.
    let at_the_end = run.random.u8(..3) == 0;
    let moment = if at_the_end {
        Duration::from_millis(run.random.u64(..200))
    } else {
        run.moment(action)
    };
    let when = if at_the_end { "after the end" } else { "after the start" };
    run.note(format!("{action:?}, {moment:?} {when}, commit={seconds}"));
    let mut started = World::start(command)?;
    while at_the_end && !started.ended() {
        std::thread::sleep(Duration::from_millis(2));
    }
    std::thread::sleep(moment);
    let finished = started.ended();
    kill::send_all(run, &started, Signal::STOP);
    copy_of_one_moment(&image, &after)?;
    kill::all(&world.processes());
    let mut ended = started.wait()?;
    drop(mounted);
    fs_err::remove_file(&image)?;
    fs_err::rename(&after, &image)?;
    *mount = Some(Mounted::new(
        &["-o", "loop", &image.display().to_string()],
        &world.work(),
    )?);
    if finished && action == Action::Remove && ended.status.success() {
        // That something was removed need not survive a power cut.
        ended.status = killed();
    }
    Ok(Struck {
        action,
        ended,
        hit: true,
    })
}

/// The status of a process that SIGKILL ended.
fn killed() -> std::process::ExitStatus {
    std::os::unix::process::ExitStatusExt::from_raw(9)
}
