//! Strikes that let one system call fail: in matenv by a preloaded library, and in its children too by strace.

use std::{collections::BTreeMap, path::Path, process::Command};

use super::{
    Problem,
    check::must_succeed,
    strike::{Run, Struck},
    world::World,
};

/// The errors, with the name and the number that they have on Linux.
const ERRORS: [(&str, u32); 7] = [
    ("EIO", 5),
    ("EACCES", 13),
    ("EMFILE", 24),
    ("ENOSPC", 28),
    ("EROFS", 30),
    ("EINTR", 4),
    ("EDQUOT", 122),
];

/// The calls that strace lets fail. `write` is not among them, because strace cannot distinguish files from sockets.
const TRACED: &str = "rename,renameat,renameat2,link,linkat,symlink,symlinkat,unlink,unlinkat,rmdir,mkdir,mkdirat,\
                      fsync,fdatasync,syncfs,ftruncate,fallocate,copy_file_range,fchmod,fchmodat,chmod,pwrite64";

fn preloaded(command: &mut Command, world: &World, library: &Path) {
    command.env("LD_PRELOAD", library).env("CHAOS_ROOT", world.work());
}

/// Returns the number of calls that the library can let fail.
pub(crate) fn count(world: &World, library: &Path, mut command: Command) -> Result<u64, Problem> {
    let file = world.root.join("count");
    preloaded(&mut command, world, library);
    command.env("CHAOS_NTH", "0").env("CHAOS_COUNT", &file);
    must_succeed("a command that only counts", &World::finish(command)?)?;
    Ok(fs_err::read_to_string(file)?.trim().parse()?)
}

/// One call of matenv fails, or every call from it on.
pub(crate) fn preload(run: &mut Run<'_>) -> Result<Struck, Problem> {
    let world = run.world;
    world.reset()?;
    let action = run.action();
    let library = world.faults.clone()?;
    let mut command = run.command(action)?;
    let calls = run.measured(action).calls;
    let number = run.random.u64(1..=calls.max(1));
    let (name, error) = run.pick(&ERRORS);
    // A program repeats a call that was interrupted. It may do so for ever.
    let stays = name != "EINTR" && run.random.u8(..3) == 0;
    let length = if stays { "and all later ones fail" } else { "fails" };
    run.note(format!("{action:?}, call {number} of {calls} {length} with {name}"));
    preloaded(&mut command, world, &library);
    command
        .env("CHAOS_NTH", number.to_string())
        .env("CHAOS_ERRNO", error.to_string());
    if stays {
        command.env("CHAOS_STAYS", "1");
    }
    let file = world.root.join("count");
    command.env("CHAOS_COUNT", &file);
    let ended = World::finish(command)?;
    let made: u64 = fs_err::read_to_string(file)
        .unwrap_or_default()
        .trim()
        .parse()
        .unwrap_or(number);
    Ok(Struck {
        action,
        ended,
        hit: made >= number,
    })
}

/// Returns a command that runs `inner` under strace.
fn traced(world: &World, inner: &Command, arguments: &[String]) -> Command {
    let mut command = Command::new("strace");
    command
        .args(["-f", "-qq", "--seccomp-bpf", "-o"])
        .arg(world.root.join("trace"));
    command
        .args(arguments)
        .arg("--")
        .arg(inner.get_program())
        .args(inner.get_args());
    world.prepare(&mut command);
    command
}

/// Returns the number of calls of the thread that makes the most of them. strace counts the calls of each thread.
pub(crate) fn count_traced(world: &World, inner: &Command) -> Result<u64, Problem> {
    let ended = World::finish(traced(world, inner, &["-e".to_owned(), format!("trace={TRACED}")]))?;
    must_succeed("a command under strace", &ended)?;
    let mut by_thread: BTreeMap<String, u64> = BTreeMap::new();
    for line in fs_err::read_to_string(world.root.join("trace"))?.lines() {
        let Some((thread, call)) = line.split_once(' ') else {
            continue;
        };
        if !call.contains("exited") && !call.contains("resumed") {
            *by_thread.entry(thread.to_owned()).or_default() += 1;
        }
    }
    Ok(by_thread.into_values().max().unwrap_or_default())
}

/// One call of each thread fails, or every call from it on, in matenv and in the programs that it starts.
pub(crate) fn strace(run: &mut Run<'_>) -> Result<Struck, Problem> {
    let world = run.world;
    world.reset()?;
    let action = run.action();
    let inner = run.command(action)?;
    let calls = run.measured(action).traced.max(1);
    // Most threads make few calls, so small numbers reach more of them.
    let number = if run.random.bool() {
        run.random.u64(1..=calls.min(20))
    } else {
        run.random.u64(1..=calls)
    };
    let (name, _) = run.pick(&ERRORS);
    let stays = name != "EINTR" && run.random.u8(..3) == 0;
    let plus = if stays { "+" } else { "" };
    run.note(format!(
        "{action:?}, call {number}{plus} of each thread fails with {name} (at most {calls} calls)"
    ));
    let inject = format!("inject={TRACED}:error={name}:when={number}{plus}");
    let command = traced(
        world,
        &inner,
        &["-e".to_owned(), format!("trace={TRACED}"), "-e".to_owned(), inject],
    );
    let ended = World::finish(command)?;
    let trace = fs_err::read(world.root.join("trace"))?;
    Ok(Struck {
        action,
        ended,
        hit: String::from_utf8_lossy(&trace).contains("(INJECTED)"),
    })
}
