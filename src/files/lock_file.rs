//! Locks a file without waiting for another process.

use std::{fs::File, time::Duration};

/// How long to wait for the answer of the file system. On NFS without its lock daemon, the call never returns.
const ANSWER_WITHIN: Duration = Duration::from_secs(5);

/// Locks a file; the lock is released when the file is closed. Returns whether it is locked now: not if another process
/// has locked it, if the file system does not support locks, or if it does not answer.
pub(crate) fn lock_file(file: &File, shared: bool) -> bool {
    let Ok(again) = file.try_clone() else {
        return false;
    };
    let (sender, receiver) = std::sync::mpsc::channel();
    std::thread::spawn(move || {
        let locked = if shared {
            again.try_lock_shared()
        } else {
            again.try_lock()
        };
        // Sending fails after the time limit, which is fine.
        let _ = sender.send(locked.is_ok());
    });
    receiver.recv_timeout(ANSWER_WITHIN).unwrap_or(false)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_second_lock_is_refused_until_the_first_file_is_closed() {
        let folder = tempfile::tempdir().expect("a temp folder");
        let open = || File::create(folder.path().join("file")).expect("created");
        let (first, second) = (open(), open());
        assert!(lock_file(&first, true) && lock_file(&second, true));
        drop(second);
        let second = open();
        assert!(!lock_file(&second, false));
        drop(first);
        assert!(lock_file(&second, false));
    }
}
