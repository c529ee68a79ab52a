//! Disks of a test's own: mounts that its programs see and nobody else, in a mount namespace as root or, where users
//! may have one, in a user namespace.

use std::{
    io::{BufRead as _, BufReader, Write as _},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
};

/// One thing to mount.
#[derive(Debug, Clone)]
pub(crate) enum Mount {
    /// A disk in memory, with mount options such as `size=1m`.
    Disk(PathBuf, &'static str),
    /// A folder that cannot be written any more.
    ReadOnly(PathBuf),
    /// A file that is none any more.
    Hidden(PathBuf),
}

/// A process that keeps the namespace.
pub(crate) struct Mounts {
    holder: Child,
    user: bool,
}

impl Mounts {
    /// Mount, in order; `None` where this machine lets nobody.
    pub(crate) fn new(mounts: &[Mount]) -> Option<Self> {
        let lines: String = mounts.iter().map(line).collect();
        // It lives until its standard input is closed.
        let script = format!("set -e\n{lines}echo ready\nread -r end\n");
        let user = !rustix::process::geteuid().is_root();
        let ways: &[&str] = if user {
            &["--user", "--map-root-user", "--mount"]
        } else {
            &["--mount"]
        };
        let mut holder = Command::new("unshare")
            .args(ways)
            .args(["sh", "-c", &script])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .ok()?;
        let mut line = String::new();
        let said = BufReader::new(holder.stdout.as_mut().unwrap()).read_line(&mut line);
        let mounts = Self { holder, user };
        (said.is_ok() && line.trim() == "ready").then_some(mounts)
    }

    /// The words that start a program among the mounts; it takes their place, so that signals reach it.
    pub(crate) fn enter(&self) -> Vec<String> {
        let mut words = vec![
            "nsenter".to_owned(),
            format!("--target={}", self.holder.id()),
            "--mount".to_owned(),
        ];
        if self.user {
            words.extend(["--user", "--preserve-credentials"].map(str::to_owned));
        }
        words
    }

    /// `path` as this process sees what is mounted there.
    pub(crate) fn seen(&self, path: &Path) -> PathBuf {
        let root = format!("/proc/{}/root", self.holder.id());
        Path::new(&root).join(path.strip_prefix("/").unwrap())
    }
}

impl Drop for Mounts {
    fn drop(&mut self) {
        let _ = self.holder.kill();
        let _ = self.holder.wait();
    }
}

/// A line of the script that mounts.
fn line(mount: &Mount) -> String {
    match mount {
        Mount::Disk(at, options) => {
            let at = quoted(at);
            format!("mkdir -p {at}; mount -t tmpfs -o {options} disk {at}\n")
        }
        Mount::ReadOnly(at) => {
            let at = quoted(at);
            format!("mount --bind {at} {at}; mount -o remount,bind,ro {at}\n")
        }
        Mount::Hidden(at) => format!("mount --bind /dev/null {}\n", quoted(at)),
    }
}

fn quoted(path: &Path) -> String {
    format!("'{}'", path.display())
}

/// Say on the terminal that a test did not run: output of the `print` macros is shown for failed tests only.
pub(crate) fn skipped(why: &str) {
    let test = std::thread::current().name().unwrap_or_default().to_owned();
    let _ = writeln!(std::io::stderr(), "SKIPPED: {test}: {why}");
}
