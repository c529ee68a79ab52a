//! The operating system, the C library, the processor, the container and the batch system.

use std::{io::Read as _, path::Path, time::Duration};

use super::{Cpu, Gpu, Libc, Os};
use crate::process::{Variables, ask};

pub(super) fn os() -> Os {
    Os {
        name: Some(sysinfo::System::distribution_id()),
        version: sysinfo::System::os_version().ok(),
        kernel: sysinfo::System::kernel_version().ok(),
    }
}

/// Detects the C library that the system's own programs are linked to. Both glibc and musl may be installed, so
/// the loader of `sh` decides.
pub(super) fn libc(variables: &Variables) -> Option<Libc> {
    if !cfg!(target_os = "linux") {
        return None;
    }
    if let Some(loader) = musl_loader(Path::new("/bin/sh")) {
        // The loader prints its version on standard error, with exit code 1.
        let answer = ask(Path::new(&loader), &[], variables, Duration::from_secs(1));
        return Some(Libc {
            family: "musl".to_owned(),
            version: answer
                .ok()
                .and_then(|answer| musl_version(&answer.text))
                .unwrap_or_default(),
        });
    }
    let found = rattler_virtual_packages::LibC::current().ok()??;
    Some(Libc {
        family: found.family.clone(),
        version: found.version.to_string(),
    })
}

/// Returns whether a program is linked to musl. For a script or a missing program, `/bin/sh` is checked instead.
pub(crate) fn is_musl(program: &Path) -> bool {
    let mut magic = [0; 4];
    let is_elf = crate::input::open(program)
        .and_then(|mut file| file.read_exact(&mut magic))
        .is_ok()
        && magic == *b"\x7fELF";
    let checked = if is_elf { program } else { Path::new("/bin/sh") };
    cfg!(target_os = "linux") && musl_loader(checked).is_some()
}

/// Returns the path of musl's loader if `program` names it in its first 4096 bytes.
fn musl_loader(program: &Path) -> Option<String> {
    let mut head = Vec::new();
    crate::input::open(program)
        .ok()?
        .take(4096)
        .read_to_end(&mut head)
        .ok()?;
    let text = String::from_utf8_lossy(&head);
    let start = text.find("/lib/ld-musl-")?;
    text[start..].split('\0').next().map(ToOwned::to_owned)
}

fn musl_version(text: &str) -> Option<String> {
    let version = text.lines().find_map(|line| line.strip_prefix("Version "))?;
    Some(version.trim().to_owned())
}

/// Returns whether this is the Windows Subsystem for Linux. The kernel version names Microsoft.
pub(super) fn is_wsl(root: &Path, kernel: &str) -> bool {
    kernel.to_ascii_lowercase().contains("microsoft") || root.join("proc/sys/fs/binfmt_misc/WSLInterop").exists()
}

/// Detects the kind of container that matenv runs in.
pub(super) fn container(root: &Path, variables: &Variables) -> Option<String> {
    let set = |name: &str| variables.text(name).is_some();
    if set("APPTAINER_CONTAINER") || set("APPTAINER_NAME") {
        return Some("apptainer".to_owned());
    }
    if set("SINGULARITY_CONTAINER") || set("SINGULARITY_NAME") {
        return Some("singularity".to_owned());
    }
    // systemd's convention, which podman and lxc follow. WSL sets it too, but is not a container.
    if let Some(kind) = variables.text("container").filter(|kind| *kind != "wsl") {
        return Some(kind.to_owned());
    }
    if set("KUBERNETES_SERVICE_HOST") {
        return Some("kubernetes".to_owned());
    }
    for (file, kind) in [("run/.containerenv", "podman"), (".dockerenv", "docker")] {
        if root.join(file).exists() {
            return Some(kind.to_owned());
        }
    }
    let groups = crate::input::read_text(&root.join("proc/1/cgroup"), crate::input::Input::System).unwrap_or_default();
    [
        ("kubepods", "kubernetes"),
        ("docker", "docker"),
        ("libpod", "podman"),
        ("lxc", "lxc"),
        ("containerd", "containerd"),
    ]
    .into_iter()
    .find(|(word, _)| groups.contains(word))
    .map(|(_, kind)| kind.to_owned())
}

/// Detects the batch system of this job, or else the one that is installed.
pub(super) fn scheduler(root: &Path, variables: &Variables) -> Option<String> {
    let kinds = [
        ("slurm", "SLURM_", &["sbatch", "squeue", "scontrol"][..], "etc/slurm"),
        ("pbs", "PBS_", &["qstat", "pbsnodes"][..], "etc/pbs.conf"),
        ("lsf", "LSB_", &["bsub", "bjobs"][..], "etc/lsf.conf"),
        ("sge", "SGE_", &["qconf", "qhost"][..], "etc/default/gridengine"),
    ];
    let in_job = |prefix: &str| {
        let mut names = variables.iter();
        names.any(|(name, _)| name.to_str().is_some_and(|name| name.starts_with(prefix)))
    };
    let search: Vec<_> = variables
        .get("PATH")
        .map(|path| std::env::split_paths(path).collect())
        .unwrap_or_default();
    let on_path = |command: &&str| search.iter().any(|folder| folder.join(command).is_file());
    let of_this_job = kinds.iter().find(|(_, prefix, _, _)| in_job(prefix));
    let here = || {
        kinds
            .iter()
            .find(|(_, _, commands, file)| commands.iter().any(on_path) || root.join(file).exists())
    };
    of_this_job.or_else(here).map(|(kind, ..)| (*kind).to_owned())
}

pub(super) fn memory_bytes() -> Option<u64> {
    let kind = sysinfo::MemoryRefreshKind::nothing().with_ram();
    let system = sysinfo::System::new_with_specifics(sysinfo::RefreshKind::nothing().with_memory(kind)).ok()?;
    Some(system.total_memory()).filter(|bytes| *bytes > 0)
}

pub(super) fn cpu() -> Cpu {
    let kind = sysinfo::RefreshKind::nothing().with_cpu(sysinfo::CpuRefreshKind::nothing());
    let system = sysinfo::System::new_with_specifics(kind).ok();
    Cpu {
        model: system
            .as_ref()
            .and_then(|system| system.cpus().first())
            .map(|cpu| cpu.brand().trim().to_owned())
            .filter(|brand| !brand.is_empty()),
        cores: std::thread::available_parallelism()
            .ok()
            .map(|cores| cores.get() as u64),
        features: features(),
    }
}

#[cfg(target_arch = "x86_64")]
#[expect(clippy::unnecessary_wraps, reason = "the extensions are unknown on other processors")]
fn features() -> Option<Vec<String>> {
    let extensions = [
        ("avx", std::arch::is_x86_feature_detected!("avx")),
        ("avx2", std::arch::is_x86_feature_detected!("avx2")),
        ("avx512f", std::arch::is_x86_feature_detected!("avx512f")),
    ];
    let there = extensions.into_iter().filter(|(_, there)| *there);
    Some(there.map(|(name, _)| name.to_owned()).collect())
}

#[cfg(not(target_arch = "x86_64"))]
fn features() -> Option<Vec<String>> {
    None
}

/// Returns the GPU of an Apple processor. It is part of the chip and shares its name and memory.
pub(super) fn apple_gpu(cpu: &Cpu) -> Option<Gpu> {
    cfg!(all(target_os = "macos", target_arch = "aarch64")).then(|| Gpu {
        vendor: "apple".to_owned(),
        name: cpu.model.clone(),
        memory_bytes: None,
        compute_capability: None,
        mig: None,
        uuid: None,
        parent: None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn none() -> Variables {
        Variables::default()
    }

    #[test]
    fn wsl_is_detected_by_its_kernel() {
        let root = tempfile::tempdir().expect("a temp folder");
        assert!(is_wsl(root.path(), "5.15.167.4-microsoft-standard-WSL2"));
        assert!(!is_wsl(root.path(), "6.8.0-49-generic"));
        let interop = root.path().join("proc/sys/fs/binfmt_misc");
        fs_err::create_dir_all(&interop).expect("made");
        fs_err::write(interop.join("WSLInterop"), "").expect("written");
        assert!(is_wsl(root.path(), "6.6.0-mine"), "a custom kernel");
    }

    #[test]
    fn a_container_is_detected_by_its_variables_and_files() {
        let root = tempfile::tempdir().expect("a temp folder");
        let kind = |variables: &Variables| container(root.path(), variables);
        assert_eq!(kind(&none()), None);
        for (name, value, expected) in [
            ("APPTAINER_CONTAINER", "/lab/sleap.sif", Some("apptainer")),
            ("SINGULARITY_NAME", "sleap.sif", Some("singularity")),
            ("container", "lxc", Some("lxc")),
            ("container", "wsl", None),
        ] {
            let variables = Variables::from_pairs([(name, value)]);
            assert_eq!(kind(&variables).as_deref(), expected, "{name}={value}");
        }
        fs_err::create_dir_all(root.path().join("proc/1")).expect("made");
        fs_err::write(root.path().join("proc/1/cgroup"), "0::/kubepods/besteffort/pod1\n").expect("written");
        assert_eq!(kind(&none()).as_deref(), Some("kubernetes"));
        fs_err::write(root.path().join(".dockerenv"), "").expect("written");
        assert_eq!(kind(&none()).as_deref(), Some("docker"));
    }

    #[test]
    fn a_batch_system_is_detected_by_its_job_its_commands_or_its_folder() {
        let root = tempfile::tempdir().expect("a temp folder");
        assert_eq!(scheduler(root.path(), &none()), None);
        let job = Variables::from_pairs([("PBS_JOBID", "12.head")]);
        assert_eq!(scheduler(root.path(), &job).as_deref(), Some("pbs"));
        fs_err::write(root.path().join("bsub"), "").expect("written");
        let path = Variables::from_pairs([("PATH", root.path())]);
        assert_eq!(scheduler(root.path(), &path).as_deref(), Some("lsf"));
        fs_err::create_dir_all(root.path().join("etc/slurm")).expect("made");
        assert_eq!(scheduler(root.path(), &none()).as_deref(), Some("slurm"));
        assert_eq!(
            scheduler(root.path(), &job).as_deref(),
            Some("pbs"),
            "the variables of the job count more"
        );
    }

    #[test]
    fn musl_is_detected_by_the_loader_of_sh() {
        let folder = tempfile::tempdir().expect("a temp folder");
        let sh = folder.path().join("sh");
        fs_err::write(&sh, b"\x7fELF\x02\0\xff\0/lib/ld-musl-x86_64.so.1\0more").expect("written");
        assert_eq!(musl_loader(&sh).as_deref(), Some("/lib/ld-musl-x86_64.so.1"));
        assert_eq!(is_musl(&sh), cfg!(target_os = "linux"));
        fs_err::write(&sh, b"\x7fELF\x02\0/lib64/ld-linux-x86-64.so.2\0").expect("written");
        assert_eq!((musl_loader(&sh), is_musl(&sh)), (None, false));
        fs_err::write(&sh, "#!/opt/python\n").expect("written");
        assert_eq!(is_musl(&sh), is_musl(Path::new("/bin/sh")), "a script");
        let text = "musl libc (x86_64)\nVersion 1.2.5\nDynamic Program Loader\nUsage: …";
        assert_eq!(musl_version(text).as_deref(), Some("1.2.5"));
    }
}
