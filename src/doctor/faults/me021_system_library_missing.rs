//! `libEGL.so.1: cannot open shared object file: No such file or directory`, `Could not load the Qt platform plugin "xcb"`
//!
//! A window needs libraries that come with the operating system's desktop, and this machine has none: a server, a container, WSL. All that opens no
//! window works.
//!
//! Remedy: the line with `apt-get` or `dnf` below the finding.
