//! Mounts that only the programs of one test see: in a mount namespace as root, or in a user namespace where users may
//! create one.

use std::{
    io::{BufRead as _, BufReader},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
};

/// A mount.
#[derive(Debug, Clone)]
pub(crate) enum Mount {
    /// A filesystem in memory (tmpfs), with mount options such as `size=1m`.
    Disk(PathBuf, &'static str),
    /// A folder that becomes read-only.
    ReadOnly(PathBuf),
    /// A file that `/dev/null` covers.
    Hidden(PathBuf),
}

/// The namespace with the mounts; it exists as long as its process.
pub(crate) struct Mounts {
    holder: Child,
    user: bool,
}

impl Mounts {
    /// Mounts in order; returns `None` if the machine does not permit it.
    pub(crate) fn new(mounts: &[Mount]) -> Option<Self> {
        let lines: String = mounts.iter().map(line).collect();
        // The process lives until its standard input is closed.
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
        let read = BufReader::new(holder.stdout.as_mut().unwrap()).read_line(&mut line);
        let mounts = Self { holder, user };
        (read.is_ok() && line.trim() == "ready").then_some(mounts)
    }

    /// Returns the command that starts a program in the namespace. The program replaces it, so signals reach the
    /// program.
    pub(crate) fn enter(&self) -> Vec<String> {
        let mut command = vec![
            "nsenter".to_owned(),
            format!("--target={}", self.holder.id()),
            "--mount".to_owned(),
        ];
        if self.user {
            command.extend(["--user", "--preserve-credentials"].map(str::to_owned));
        }
        command
    }

    /// Returns the path under which this process sees `path` of the namespace.
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

/// Returns a line of the mount script.
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
