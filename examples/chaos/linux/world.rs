//! The folders of one worker: a server, a prepared home with two generations, and the home that the runs change.

use std::{
    fmt,
    path::{Path, PathBuf},
    process::{Child, Command, ExitStatus, Stdio},
    time::{Duration, Instant},
};

use matenv::packages::conda::pack::{self, PackageBuilder};
use rattler_conda_types::subdir::Subdir;

use super::{Problem, server::Server, wheel::Wheel};

/// The environment.
pub(crate) const ENV: &str = "tiny";

/// The versions of the environment's wheel and of its conda package.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Versions {
    pub(crate) app: &'static str,
    pub(crate) data: &'static str,
}

impl fmt::Display for Versions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "app {} data {}", self.app, self.data)
    }
}

/// The versions of the generation before the current one.
pub(crate) const BEFORE: Versions = Versions {
    app: "0.9",
    data: "1.0",
};
/// The versions of the current generation before each run.
pub(crate) const CURRENT: Versions = Versions {
    app: "1.0",
    data: "1.0",
};
/// The versions that a run installs.
pub(crate) const CHANGES: [Versions; 3] = [
    Versions {
        app: "2.0",
        data: "1.0",
    },
    Versions {
        app: "1.0",
        data: "2.0",
    },
    Versions {
        app: "2.0",
        data: "2.0",
    },
];

/// How a command ended.
#[derive(Debug)]
pub(crate) struct Ended {
    pub(crate) status: ExitStatus,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
    pub(crate) took: Duration,
}

impl Ended {
    /// Returns the last lines of standard error, for a report.
    pub(crate) fn tail(&self) -> String {
        // Finished steps are not part of an error.
        let said = |line: &&str| !line.trim().is_empty() && !line.starts_with('✓');
        let lines: Vec<&str> = self.stderr.lines().filter(said).collect();
        let tail = lines[lines.len().saturating_sub(12)..].join(" | ");
        format!("{}: {tail}", self.status)
    }
}

/// The longest time that a command may take.
const LIMIT: Duration = Duration::from_mins(2);

/// The folders and programs of one worker.
pub(crate) struct World {
    pub(crate) root: PathBuf,
    pub(crate) server: Server,
    /// The commands that this matenv has.
    pub(crate) commands: Vec<String>,
    matenv: PathBuf,
    uv: PathBuf,
    /// The library that lets system calls fail, or why there is none.
    pub(crate) faults: Result<PathBuf, String>,
    folder: tempfile::TempDir,
}

impl World {
    /// Creates the folders, the channel and the server, and installs two generations.
    pub(crate) fn new(matenv: &Path, uv: &Path) -> Result<Self, Problem> {
        let folder = tempfile::Builder::new().prefix("chaos-").tempdir()?;
        let root = fs_err::canonicalize(folder.path())?;
        let channel = root.join("channel");
        for package in [python(&root)?, data("1.0"), data("2.0")] {
            package.write(&channel)?;
        }
        tokio::runtime::Runtime::new()?.block_on(pack::index(&channel))?;
        let wheels =
            ["0.9", "1.0", "2.0"].map(|version| files(Wheel::new("tiny-app", version).requires("tiny-lib"), 40));
        let library = files(Wheel::new("tiny-lib", "1.0"), 120).padding(300_000);
        let server = Server::start(&channel, &[wheels.as_slice(), &[library]].concat())?;
        let faults = compile(&root);
        let mut world = Self {
            root,
            server,
            commands: Vec::new(),
            matenv: matenv.to_owned(),
            uv: uv.to_owned(),
            faults,
            folder,
        };
        let help = Self::finish(world.matenv(&["--help"]))?;
        let words = help.stdout.lines().filter_map(|line| line.split_whitespace().next());
        world.commands = words.map(ToOwned::to_owned).collect();
        for folder in ["home", "uv-cache", "rattler-cache", "tmp"] {
            fs_err::create_dir_all(world.work().join(folder))?;
        }
        // Nothing may change the files that a user has.
        fs_err::write(world.work().join("home/.bashrc"), "# a user's file\n")?;
        for versions in [BEFORE, CURRENT] {
            world.want(versions)?;
            let ended = Self::finish(world.install(&[]))?;
            if !ended.status.success() {
                return Err(format!("the first installation failed: {}", ended.stderr).into());
            }
        }
        fs_err::rename(world.work(), world.template())?;
        Ok(world)
    }

    /// Keeps the folders when this program ends, and returns their path.
    pub(crate) fn keep(self) -> PathBuf {
        self.folder.keep()
    }

    /// The folder that the runs change: home, caches and temporary folder.
    pub(crate) fn work(&self) -> PathBuf {
        self.root.join("a home")
    }

    /// The state of [`Self::work`] before each run.
    pub(crate) fn template(&self) -> PathBuf {
        self.root.join("template")
    }

    pub(crate) fn home(&self) -> PathBuf {
        self.work().join("home")
    }

    /// Brings the prepared state back, and wants the versions that are current in it.
    pub(crate) fn reset(&self) -> Result<(), Problem> {
        self.server.set(None);
        self.want(CURRENT)?;
        remove(&self.work())?;
        self.copy_template(&self.work())
    }

    /// Copies the prepared state; hard links between its files stay.
    pub(crate) fn copy_template(&self, to: &Path) -> Result<(), Problem> {
        let mut copy = Command::new("cp");
        copy.arg("-a").arg(self.template().join(".")).arg(to);
        succeeds(&mut copy)
    }

    /// Writes the manifest.
    pub(crate) fn want(&self, versions: Versions) -> Result<(), Problem> {
        let folder = self.root.join("manifests");
        fs_err::create_dir_all(&folder)?;
        let minor = host_python()?.1;
        let Versions { app, data } = versions;
        let text = format!(
            "schema = 1\nname = \"{ENV}\"\ndescription = \"a tiny environment\"\ndefault = true\n\
             [python]\npreferred = \"{minor}\"\nsupported = \">={minor}\"\n\
             [conda]\nchannels = [\"conda-forge\"]\npackages = [\"tiny-data =={data}\"]\n\
             [[pypi]]\nrequirement = \"tiny-app=={app}\"\nbecause = \"the environment's program\"\n\
             [[probe]]\nname = \"versions\"\npython = \"\"\"\n{PRINT}\"\"\"\n"
        );
        Ok(fs_err::write(folder.join(format!("{ENV}.toml")), text)?)
    }

    /// Returns the command `matenv install tiny …`.
    pub(crate) fn install(&self, more: &[&str]) -> Command {
        let mut command = self.matenv(&["install", ENV, "--profile", "cpu", "--no-bench"]);
        self.sources(&mut command);
        command.args(more);
        command
    }

    /// Adds the arguments that name the server and the manifest.
    pub(crate) fn sources(&self, command: &mut Command) {
        let root = self.server.root();
        command.args(["--mirror", &format!("pypi={root}/simple")]);
        command.args(["--mirror", &format!("conda-forge={root}/conda")]);
        command.arg("--manifest-dir").arg(self.root.join("manifests"));
    }

    /// Returns a command of matenv in this world, with its own variables.
    pub(crate) fn matenv(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(&self.matenv);
        command.args(arguments);
        self.prepare(&mut command);
        command
    }

    /// Gives a command the variables of this world, and no others.
    pub(crate) fn prepare(&self, command: &mut Command) {
        command.env_clear().stdin(Stdio::null()).current_dir(&self.root);
        let keep = ["PATH", "PYENV_ROOT"];
        command.envs(std::env::vars_os().filter(|(name, _)| keep.iter().any(|keep| name == keep)));
        command.env("MATENV_UV", &self.uv).env("HOME", self.home());
        for (name, folder) in [
            ("RATTLER_CACHE_DIR", "rattler-cache"),
            ("UV_CACHE_DIR", "uv-cache"),
            ("TMPDIR", "tmp"),
        ] {
            command.env(name, self.work().join(folder));
        }
    }

    /// Starts a command whose output goes to files of this world.
    pub(crate) fn start(mut command: Command) -> Result<Started, Problem> {
        let [stdout, stderr] = [tempfile::NamedTempFile::new()?, tempfile::NamedTempFile::new()?];
        command.stdout(stdout.reopen()?).stderr(stderr.reopen()?);
        Ok(Started {
            child: command.spawn()?,
            at: Instant::now(),
            stdout,
            stderr,
        })
    }

    /// Runs a command to its end.
    pub(crate) fn finish(command: Command) -> Result<Ended, Problem> {
        Self::start(command)?.wait()
    }

    /// Returns the processes of this world, each with the file name of its program. They inherit its variables.
    pub(crate) fn processes(&self) -> Vec<(i32, String)> {
        let own = self.work().join("tmp").display().to_string();
        let entries = fs_err::read_dir("/proc").into_iter().flatten().flatten();
        let found = entries.filter_map(|entry| {
            let pid = entry.file_name().to_str()?.parse().ok()?;
            let variables = fs_err::read(entry.path().join("environ")).ok()?;
            if !String::from_utf8_lossy(&variables).contains(&own) {
                return None;
            }
            let program = fs_err::read_link(entry.path().join("exe")).unwrap_or_default();
            Some((pid, program.file_name()?.to_string_lossy().into_owned()))
        });
        found.collect()
    }
}

/// A command that runs.
pub(crate) struct Started {
    pub(crate) child: Child,
    pub(crate) at: Instant,
    stdout: tempfile::NamedTempFile,
    stderr: tempfile::NamedTempFile,
}

impl Started {
    pub(crate) fn pid(&self) -> i32 {
        self.child.id().cast_signed()
    }

    pub(crate) fn ended(&mut self) -> bool {
        !matches!(self.child.try_wait(), Ok(None))
    }

    /// Waits for the end. A command that takes too long is killed and is an error.
    pub(crate) fn wait(mut self) -> Result<Ended, Problem> {
        loop {
            if let Some(status) = self.child.try_wait()? {
                let text = |file: &tempfile::NamedTempFile| fs_err::read(file.path());
                return Ok(Ended {
                    status,
                    took: self.at.elapsed(),
                    stdout: String::from_utf8_lossy(&text(&self.stdout)?).into_owned(),
                    stderr: String::from_utf8_lossy(&text(&self.stderr)?).into_owned(),
                });
            }
            if self.at.elapsed() > LIMIT {
                self.child.kill()?;
                self.child.wait()?;
                return Err(format!("a command did not end within {LIMIT:?}").into());
            }
            std::thread::sleep(Duration::from_millis(2));
        }
    }
}

/// Prints the versions in an environment.
pub(crate) const PRINT: &str = "import sys, tiny_app, tiny_lib\n\
    data = open(sys.prefix + '/share/tiny/version.txt').read().split()[0]\n\
    print('app', tiny_app.__version__, 'data', data)\n";

/// Removes a folder if it exists.
pub(crate) fn remove(folder: &Path) -> Result<(), Problem> {
    match fs_err::remove_dir_all(folder) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(error.into()),
        _ => Ok(()),
    }
}

/// Runs a program that has to succeed.
pub(crate) fn succeeds(command: &mut Command) -> Result<(), Problem> {
    let output = command.stdin(Stdio::null()).output()?;
    if output.status.success() {
        return Ok(());
    }
    let text = String::from_utf8_lossy(&output.stderr);
    Err(format!("{} failed: {}", command.get_program().display(), text.trim()).into())
}

/// Returns this machine's interpreter and its version, such as 3.13.
fn host_python() -> Result<(PathBuf, String), Problem> {
    static HOST: std::sync::OnceLock<(PathBuf, String)> = std::sync::OnceLock::new();
    if let Some(known) = HOST.get() {
        return Ok(known.clone());
    }
    let code = "import sys; print(sys._base_executable); print('%d.%d' % sys.version_info[:2])";
    let output = Command::new("python3").args(["-c", code]).output()?;
    let text = String::from_utf8(output.stdout)?;
    let mut lines = text.lines();
    let (Some(path), Some(minor)) = (lines.next(), lines.next()) else {
        return Err("python3 does not run".into());
    };
    Ok(HOST.get_or_init(|| (path.into(), minor.to_owned())).clone())
}

/// Returns this machine's Python as a conda package with a copy of its interpreter.
fn python(root: &Path) -> Result<PackageBuilder, Problem> {
    let (executable, minor) = host_python()?;
    let home = executable.parent().unwrap_or(root).display().to_string();
    let platform = Subdir::current().ok_or("conda does not know this platform")?;
    Ok(
        PackageBuilder::new("python", format!("{minor}.0"), "0_tiny", platform.as_str())
            .executable(format!("bin/python{minor}"), fs_err::read(&executable)?)
            .symlink("bin/python", format!("python{minor}"))
            .file("pyvenv.cfg", format!("home = {home}\nversion = {minor}.0\n")),
    )
}

/// Returns a conda package with many files; half of them contain the prefix.
fn data(version: &str) -> PackageBuilder {
    let placeholder = "/a/placeholder/for/the/prefix";
    let package = PackageBuilder::new("tiny-data", version, "0", "noarch");
    let package = package.file("share/tiny/version.txt", format!("{version}\n"));
    (0..60).fold(package, |package, number| {
        let text = format!("{version} {number} {placeholder}/share\n").repeat(20);
        package
            .file(format!("share/tiny/{number}.txt"), text.replace(placeholder, ""))
            .with_placeholder(format!("share/tiny/{number}.cfg"), text, placeholder)
    })
}

/// Adds files to a wheel.
fn files(wheel: Wheel, count: usize) -> Wheel {
    let folder = wheel.name().replace('-', "_");
    (0..count).fold(wheel, |wheel, number| {
        wheel.file(
            &format!("{folder}/part_{number}.py"),
            format!("VALUE = {number}\n").repeat(30),
        )
    })
}

/// Compiles the library that lets system calls fail.
fn compile(root: &Path) -> Result<PathBuf, String> {
    let (source, library) = (root.join("faults.c"), root.join("faults.so"));
    fs_err::write(&source, include_str!("faults.c")).map_err(|error| error.to_string())?;
    let mut cc = Command::new("cc");
    cc.args(["-shared", "-fPIC", "-O1", "-o"])
        .args([&library, &source])
        .arg("-ldl");
    succeeds(&mut cc).map_err(|problem| format!("a C compiler (cc) is needed: {problem}"))?;
    Ok(library)
}
