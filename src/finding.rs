//! Findings: a fault or a fact worth knowing, as a value.
//!
//! Input: nothing. Output: [`Finding`], with its [`Code`], [`Severity`] and [`Scope`]. Every stage can report one.
//! This module does not detect faults (see [`crate::audit`] and [`crate::doctor`]), does not print and does not choose
//! exit codes.

use std::fmt;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The severity of a finding.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// Information only.
    Info,
    /// It works now, but may fail later.
    Warning,
    /// A file differs or is missing, or something that the profile needs fails to load or conflicts.
    Error,
}

/// The place of a problem.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Scope {
    /// This machine.
    Host,
    /// The variables of this shell.
    Process,
    /// The files of the environment.
    Environment,
}

/// One detected problem, or one useful fact.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Finding {
    /// The code of the fault.
    pub code: Code,
    /// The severity.
    pub severity: Severity,
    /// The place of the problem.
    pub scope: Scope,
    /// The problem in one sentence.
    pub message: String,
    /// The evidence: paths, versions, symbols.
    pub evidence: Vec<String>,
    /// A command to paste, or an instruction.
    pub remedy: Option<String>,
    /// The missing libraries that the finding is about, to compare findings. They are not in the JSON document.
    #[serde(skip)]
    pub libraries: Vec<String>,
}

impl Finding {
    /// Creates a finding without evidence and without a remedy.
    pub fn new(code: Code, severity: Severity, scope: Scope, message: impl Into<String>) -> Self {
        Self {
            code,
            severity,
            scope,
            message: message.into(),
            evidence: Vec::new(),
            remedy: None,
            libraries: Vec::new(),
        }
    }

    /// Adds evidence.
    #[must_use]
    pub fn with_evidence(mut self, evidence: impl IntoIterator<Item = impl Into<String>>) -> Self {
        self.evidence.extend(evidence.into_iter().map(Into::into));
        self
    }

    /// Sets the remedy.
    #[must_use]
    pub fn with_remedy(mut self, remedy: impl Into<String>) -> Self {
        self.remedy = Some(remedy.into());
        self
    }

    /// Sets the missing libraries that the finding is about.
    #[must_use]
    pub fn with_libraries(mut self, libraries: impl IntoIterator<Item = impl Into<String>>) -> Self {
        self.libraries = libraries.into_iter().map(Into::into).collect();
        self
    }

    /// Returns whether the finding and another one with its code are about the same problem.
    #[must_use]
    pub fn repeats(&self, other: &Self) -> bool {
        let names_its_library = || other.libraries.iter().any(|library| self.libraries.contains(library));
        self.code == other.code && (self.message == other.message || names_its_library())
    }

    /// Renders the finding as text for snapshots in tests.
    #[cfg(test)]
    pub(crate) fn render(&self) -> String {
        let severity = match self.severity {
            Severity::Info => "info",
            Severity::Warning => "warning",
            Severity::Error => "error",
        };
        let head = format!("[{severity}] {} {}", self.code, self.message);
        let evidence = self.evidence.iter().map(|line| format!("  {line}"));
        let remedy = self.remedy.iter().map(|remedy| format!("  do: {remedy}"));
        [head]
            .into_iter()
            .chain(evidence)
            .chain(remedy)
            .collect::<Vec<_>>()
            .join("\n")
    }

    /// Returns whether the finding is an error, which makes the environment faulty.
    #[must_use]
    pub fn blocks(&self) -> bool {
        self.severity == Severity::Error
    }
}

macro_rules! codes {
    ($($(#[$doc:meta])* $variant:ident = $code:literal,)*) => {
        /// The code of a fault. Codes are stable, so that scripts and search engines can rely on them.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
        pub enum Code {
            $($(#[$doc])* #[serde(rename = $code)] $variant,)*
        }

        impl Code {
            /// All codes.
            pub const ALL: &[Self] = &[$(Self::$variant),*];

            /// Returns the code as text.
            #[must_use]
            pub fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $code,)* }
            }
        }
    };
}

codes! {
    /// A probe failed.
    ProbeFailed = "ME001",
    /// The bench worker crashed, hung or could not load ONNX Runtime.
    BenchFailed = "ME002",
    /// The bench's output differs from the reference.
    BenchWrong = "ME003",
    /// torch and torchvision come from different builds.
    TorchPairMismatch = "ME010",
    /// Two ONNX Runtime packages install into one folder.
    TwoOnnxRuntimes = "ME011",
    /// NCCL lacks symbols that torch needs.
    NcclSymbolsMissing = "ME012",
    /// An installed distribution's requirement is not satisfied.
    RequirementUnsatisfied = "ME013",
    /// torch is not the build that the backend requires.
    BackendDiffers = "ME014",
    /// A library that the profile's programs load is missing or damaged.
    LibraryMissing = "ME015",
    /// A GPU library has no code for this machine's GPU.
    NoCodeForCard = "ME016",
    /// A GPU of this machine is not used.
    GpuUnused = "ME017",
    /// The CPU lacks instructions that a package needs.
    ProcessorTooOld = "ME018",
    /// The C or C++ library is older than a file needs.
    SymbolVersionMissing = "ME019",
    /// A package's post-link script was not run.
    PostLinkNotRun = "ME020",
    /// A library of the operating system is missing.
    SystemLibraryMissing = "ME021",
    /// Another environment has the same name in conda, so the conda link is missing or has no effect.
    CondaNameTaken = "ME022",
    /// NVIDIA's packages are for two CUDA versions, or are not those that torch pins.
    CudaPackagesDisagree = "ME025",
    /// There are two runtimes, but a process can have only one.
    TwoRuntimes = "ME030",
    /// Two distributions install the same files.
    OwnedTwice = "ME031",
    /// A file differs from what its package installed.
    FileDiffers = "ME032",
    /// A file that a package installed is missing.
    FileMissing = "ME033",
    /// A library or a module belongs to no package.
    NotOwned = "ME034",
    /// A wheel was built for another Python or platform.
    WheelUnfit = "ME035",
    /// The packages differ from the environment's own lock.
    NotAsLocked = "ME036",
    /// A library from `LD_LIBRARY_PATH` or `LD_PRELOAD` has the same name as one that the environment needs.
    ShadowedLibrary = "ME040",
    /// `PYTHONPATH` or `PYTHONHOME` overrides the environment's packages.
    PythonVariables = "ME041",
    /// The user's own site-packages override the environment's packages.
    UserSite = "ME042",
    /// A variable of this shell points to the plugins of another Qt.
    QtPluginPath = "ME043",
    /// `CONDA_PREFIX` and PATH name two environments.
    CondaBaseLeak = "ME044",
    /// The NVIDIA driver or the GPU does not work or does not fit.
    DriverTrouble = "ME050",
    /// A disk is full or nearly full.
    DiskFull = "ME051",
    /// Programs cannot run from the store.
    NoExec = "ME052",
    /// A file system does not support file locks.
    NoLocking = "ME053",
    /// Files of a cache are copied into environments instead of linked.
    NoHardLinks = "ME054",
    /// A source presents the certificate of a proxy.
    TlsIntercepted = "ME055",
    /// An index serves no separate metadata for its wheels.
    NoMetadata = "ME056",
    /// This machine's clock is wrong.
    ClockWrong = "ME057",
    /// This machine's conda uses Anaconda's `defaults` channel.
    CondaDefaults = "ME058",
    /// There is no `conda` on PATH for programs that need it.
    NoCondaOnPath = "ME059",
    /// Windows does not allow long paths.
    LongPaths = "ME060",
    /// The prefix was created in another folder.
    MovedPrefix = "ME061",
    /// The prefix is read-only for this user.
    ReadOnlyPrefix = "ME062",
    /// The folder that an environment's link points to is missing.
    GenerationGone = "ME063",
    /// A package source does not answer.
    SourceSilent = "ME064",
}

impl std::str::FromStr for Code {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let matches = |code: &&Self| code.as_str().eq_ignore_ascii_case(text);
        let code = Self::ALL.iter().find(matches).copied();
        code.ok_or_else(|| format!("unknown finding code `{text}`: docs/reference/faults.md lists all codes"))
    }
}

impl fmt::Display for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    /// Adds the text of all files in a folder.
    fn read_all(folder: &Path, text: &mut String) {
        for entry in fs_err::read_dir(folder).expect("a folder") {
            let path = entry.expect("an entry").path();
            if path.is_dir() {
                read_all(&path, text);
            } else if path.extension().is_some_and(|ending| ending == "rs") {
                text.push_str(&fs_err::read_to_string(&path).expect("text"));
            }
        }
    }

    /// The snapshots show what users read, so that a changed message is noticed.
    #[test]
    fn each_code_is_rendered_in_a_snapshot() {
        let mut sources = String::new();
        read_all(&Path::new(env!("CARGO_MANIFEST_DIR")).join("src"), &mut sources);
        let rendered = |code: &Code| {
            let mut severities = ["info", "warning", "error"].iter();
            severities.any(|severity| sources.contains(&format!("[{severity}] {code} ")))
        };
        let missing: Vec<_> = Code::ALL.iter().filter(|code| !rendered(code)).collect();
        assert!(missing.is_empty(), "no snapshot: {missing:?}");
    }

    #[test]
    fn no_code_is_lost_or_reused() {
        let codes: Vec<_> = Code::ALL.iter().map(|code| format!("{code} {code:?}")).collect();
        insta::assert_snapshot!(codes.join("\n"), @r#"
        ME001 ProbeFailed
        ME002 BenchFailed
        ME003 BenchWrong
        ME010 TorchPairMismatch
        ME011 TwoOnnxRuntimes
        ME012 NcclSymbolsMissing
        ME013 RequirementUnsatisfied
        ME014 BackendDiffers
        ME015 LibraryMissing
        ME016 NoCodeForCard
        ME017 GpuUnused
        ME018 ProcessorTooOld
        ME019 SymbolVersionMissing
        ME020 PostLinkNotRun
        ME021 SystemLibraryMissing
        ME022 CondaNameTaken
        ME025 CudaPackagesDisagree
        ME030 TwoRuntimes
        ME031 OwnedTwice
        ME032 FileDiffers
        ME033 FileMissing
        ME034 NotOwned
        ME035 WheelUnfit
        ME036 NotAsLocked
        ME040 ShadowedLibrary
        ME041 PythonVariables
        ME042 UserSite
        ME043 QtPluginPath
        ME044 CondaBaseLeak
        ME050 DriverTrouble
        ME051 DiskFull
        ME052 NoExec
        ME053 NoLocking
        ME054 NoHardLinks
        ME055 TlsIntercepted
        ME056 NoMetadata
        ME057 ClockWrong
        ME058 CondaDefaults
        ME059 NoCondaOnPath
        ME060 LongPaths
        ME061 MovedPrefix
        ME062 ReadOnlyPrefix
        ME063 GenerationGone
        ME064 SourceSilent
        "#);
    }
}
