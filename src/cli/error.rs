//! An error as the user meets it: code, exit code, message, causes, excerpt, and the next command.

use std::{fmt, process::ExitCode};

use miette::{Diagnostic, LabeledSpan, NamedSource, SourceCode};
use serde::Serialize;

use crate::{context::settings::Settings, files::toml_file::TomlError};

/// The help of an error that may be the disk's; [`Failure::located`] says which disk.
pub(super) const DISK: &str =
    "look at the disk: free space and inodes (df -h, df -i), write permission; or choose another: MATENV_HOME=DIR";

/// What is said after Ctrl-C.
pub(super) const INTERRUPTED: &str = "interrupted: what was not finished is gone, what was there before is untouched";

/// How the program ends (design section 2).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum Exit {
    /// Done.
    Done = 0,
    /// The machine is in the way.
    Machine = 1,
    /// Usage.
    Usage = 2,
    /// Cannot resolve.
    Unresolvable = 3,
    /// A source is unreachable.
    Unreachable = 4,
    /// Integrity.
    Integrity = 5,
    /// Audit or verification found an error.
    Faulty = 6,
    /// The benchmark failed.
    BenchFailed = 7,
    /// The hardware does not support the profile.
    Unsupported = 8,
    /// Interrupted.
    Interrupted = 130,
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit as u8)
    }
}

impl Exit {
    /// Every way to end.
    pub const ALL: [Self; 10] = [
        Self::Done,
        Self::Machine,
        Self::Usage,
        Self::Unresolvable,
        Self::Unreachable,
        Self::Integrity,
        Self::Faulty,
        Self::BenchFailed,
        Self::Unsupported,
        Self::Interrupted,
    ];

    /// What it says, in a few words.
    #[must_use]
    pub fn meaning(self) -> &'static str {
        match self {
            Self::Done => "done",
            Self::Machine => "the machine is in the way",
            Self::Usage => "usage",
            Self::Unresolvable => "cannot resolve",
            Self::Unreachable => "source unreachable",
            Self::Integrity => "integrity",
            Self::Faulty => "audit or verification found an error",
            Self::BenchFailed => "benchmark failed",
            Self::Unsupported => "hardware does not support the profile",
            Self::Interrupted => "interrupted",
        }
    }

    /// What is behind it: a sentence.
    #[must_use]
    pub fn explained(self) -> &'static str {
        match self {
            Self::Done => "What was asked for is there, or was there already.",
            Self::Machine => {
                "Disk or inodes full, no permission, noexec, HOME unset, a lock that cannot be had, no usable Python, \
                 a program that ends as soon as it is launched."
            }
            Self::Usage => {
                "An unknown environment, profile or flag; a manifest, profile, hardware or configuration file at fault; \
                 a `MATENV_UV` out of range."
            }
            Self::Unresolvable => {
                "An unknown package, requirements that contradict each other, an extra that vanished, a release below a floor, a lab's lock that \
                 is missing or stale."
            }
            Self::Unreachable => "A channel or an index does not answer, or wants credentials.",
            Self::Integrity => "A hash or a size differs, or an archive, a lock or a record is damaged.",
            Self::Faulty => "The new environment is not made current; what was there before stays.",
            Self::BenchFailed => "Inference failed, was wrong, or ran on another provider than asked.",
            Self::Unsupported => {
                "Take another profile: `--profile cpu` needs no GPU. Or no package is for this platform, or the environment is for another machine (`--cross`)."
            }
            Self::Interrupted => "Ctrl-C or a termination signal; nothing was changed.",
        }
    }

    /// The exit code of clap's own messages: 0 for help and version.
    pub(super) fn of_clap(error: &clap::Error) -> Self {
        if error.use_stderr() { Self::Usage } else { Self::Done }
    }
}

/// An error with its exit code and the next command.
#[derive(Debug)]
pub struct Failure {
    code: &'static str,
    exit: Exit,
    message: String,
    help: Option<String>,
    causes: Option<Box<Causes>>,
    excerpt: Option<Box<Excerpt>>,
}

/// The causes of an error as texts, outermost first.
#[derive(Debug)]
struct Causes {
    message: String,
    next: Option<Box<Self>>,
}

#[derive(Debug)]
struct Excerpt {
    file: NamedSource<String>,
    label: Option<LabeledSpan>,
}

impl fmt::Display for Causes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for Causes {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        self.next.as_deref().map(|next| next as _)
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for Failure {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        self.causes.as_deref().map(|causes| causes as _)
    }
}

impl Diagnostic for Failure {
    fn code<'a>(&'a self) -> Option<Box<dyn fmt::Display + 'a>> {
        Some(Box::new(self.code))
    }

    fn help<'a>(&'a self) -> Option<Box<dyn fmt::Display + 'a>> {
        self.help.as_ref().map(|help| Box::new(help) as _)
    }

    fn source_code(&self) -> Option<&dyn SourceCode> {
        self.excerpt.as_ref().map(|excerpt| &excerpt.file as _)
    }

    fn labels(&self) -> Option<Box<dyn Iterator<Item = LabeledSpan> + '_>> {
        let label = self.excerpt.as_ref()?.label.clone()?;
        Some(Box::new(std::iter::once(label)))
    }
}

/// The document that `--json` prints for an error.
#[derive(Debug, Serialize)]
pub(super) struct Document {
    schema: u32,
    ok: bool,
    error: ErrorPart,
}

#[derive(Debug, Serialize)]
struct ErrorPart {
    code: &'static str,
    exit: u8,
    message: String,
    help: Option<String>,
    causes: Vec<String>,
}

impl Failure {
    /// An error with its code, exit code and help line; its sources become the causes.
    pub(super) fn new(
        error: &(dyn std::error::Error + 'static),
        code: &'static str,
        exit: Exit,
        help: impl Into<Option<String>>,
    ) -> Self {
        Self {
            code,
            exit,
            message: error.to_string(),
            help: help.into(),
            causes: error.source().map(|cause| Box::new(causes(cause))),
            excerpt: None,
        }
    }

    /// With the folder that is in the way, if the words name one, and the variable that names another.
    pub(super) fn located(mut self, settings: &Settings) -> Self {
        if self.help.as_deref() != Some(DISK) {
            return self;
        }
        let causes = self.cause_texts();
        let words = causes
            .iter()
            .fold(self.message.clone(), |words, cause| words + "\n" + cause);
        // A copy names its source first and where it could not write last.
        let last = settings
            .folders()
            .into_iter()
            .filter_map(|(folder, variable)| {
                let text = folder.display().to_string();
                let at = words.rfind(&text)?;
                Some((at, text.len(), text, variable))
            })
            .max();
        if let Some((_, _, folder, variable)) = last {
            self.help = Some(format!(
                "make room or get write permission there: df -h '{folder}'; df -i '{folder}'; \
                 or choose another folder: {variable}=DIR"
            ));
        }
        self
    }

    fn cause_texts(&self) -> Vec<String> {
        let mut texts = Vec::new();
        let mut at = self.causes.as_deref();
        while let Some(cause) = at {
            texts.push(cause.message.clone());
            at = cause.next.as_deref();
        }
        texts
    }

    pub(super) fn exit(&self) -> Exit {
        self.exit
    }

    pub(super) fn document(&self) -> Document {
        Document {
            schema: 1,
            ok: false,
            error: ErrorPart {
                code: self.code,
                exit: self.exit as u8,
                message: self.message.clone(),
                help: self.help.clone(),
                causes: self.cause_texts(),
            },
        }
    }

    pub(super) fn interrupted() -> Self {
        Self {
            code: "interrupted",
            exit: Exit::Interrupted,
            message: INTERRUPTED.to_owned(),
            help: None,
            causes: None,
            excerpt: None,
        }
    }

    pub(super) fn usage(error: &clap::Error) -> Self {
        let text = error.render().to_string();
        let message = text
            .lines()
            .next()
            .unwrap_or_default()
            .trim_start_matches("error: ")
            .to_owned();
        Self {
            code: "usage",
            exit: Exit::Usage,
            message,
            help: Some("see `matenv --help`".to_owned()),
            causes: None,
            excerpt: None,
        }
    }

    /// An environment that is not installed.
    pub(super) fn not_installed(env: &crate::names::EnvName, has_manifest: bool, known: &[String]) -> Self {
        let help = match crate::names::closest(env.as_str(), known.iter().map(String::as_str)) {
            _ if has_manifest => format!("make it: `matenv install {env}`"),
            Some(similar) => format!("did you mean `{similar}`? Installed are: {}", known.join(", ")),
            None if known.is_empty() => "nothing is installed yet: `matenv install` makes what there is".to_owned(),
            None => format!("installed are: {}", known.join(", ")),
        };
        Self {
            code: "environment::not_installed",
            exit: Exit::Usage,
            message: format!("the environment `{env}` is not installed"),
            help: Some(help),
            causes: None,
            excerpt: None,
        }
    }

    /// An environment whose folder is gone.
    pub(super) fn lost(lost: &crate::store::Lost, has_manifest: bool) -> Self {
        Self {
            code: "environment::gone",
            exit: Exit::Faulty,
            message: lost.sentence(),
            help: Some(lost.remedy(has_manifest)),
            causes: Some(Box::new(Causes {
                message: lost.evidence(),
                next: None,
            })),
            excerpt: None,
        }
    }

    /// One name for several environments.
    pub(super) fn one_name(name: &crate::names::EnvName) -> Self {
        Self {
            code: "usage",
            exit: Exit::Usage,
            message: format!("`{name}` can be the name of one environment only"),
            help: Some("name one environment, or leave --name out".to_owned()),
            causes: None,
            excerpt: None,
        }
    }

    pub(super) fn no_cwd(error: &std::io::Error) -> Self {
        Self::io("the current folder is gone", error, "change to a folder that exists")
    }

    pub(super) fn no_runtime(error: &std::io::Error) -> Self {
        Self::io("the machine gives no threads", error, "look at `ulimit -a`")
    }

    /// An error of the operating system.
    /// What was asked for would lose something.
    pub(super) fn refused(message: String, code: &'static str, help: &str) -> Self {
        Self {
            code,
            exit: Exit::Usage,
            message,
            help: Some(help.to_owned()),
            causes: None,
            excerpt: None,
        }
    }

    pub(super) fn io(message: impl Into<String>, error: &std::io::Error, help: &str) -> Self {
        Self {
            code: "machine::io",
            exit: Exit::Machine,
            message: message.into(),
            help: Some(help.to_owned()),
            causes: Some(Box::new(causes(error))),
            excerpt: None,
        }
    }

    /// A fault in a TOML file, shown with its line.
    pub(super) fn toml(error: &TomlError, code: &'static str) -> Self {
        let label = error
            .span
            .clone()
            .map(|span| LabeledSpan::new_primary_with_span(Some("here".to_owned()), span));
        let name = error.path.display().to_string();
        Self {
            code,
            exit: Exit::Usage,
            message: error.to_string(),
            help: Some(format!("mend {name}, then type the same command again")),
            causes: None,
            excerpt: label.map(|label| {
                Box::new(Excerpt {
                    file: NamedSource::new(name, error.text.clone()),
                    label: Some(label),
                })
            }),
        }
    }
}

fn causes(error: &(dyn std::error::Error + 'static)) -> Causes {
    Causes {
        message: error.to_string(),
        next: error.source().map(|next| Box::new(causes(next))),
    }
}
