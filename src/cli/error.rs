//! An error as the user sees it: code, exit code, message, causes, excerpt and help line.

use std::fmt;

use miette::{Diagnostic, LabeledSpan, SourceCode};
use serde::Serialize;

use super::Exit;
use super::excerpt::Excerpt;
use crate::{
    context::settings::Settings,
    files::toml_file::TomlError,
    input::InputError,
    net::mask::{masked, masked_in_place},
    text,
};

/// The help line of an error that a disk may have caused. [`Failure::located`] replaces it by one that names
/// the folder.
pub(super) const DISK: &str =
    "check free disk space (df -h), free inodes (df -i) and write permission; or use another disk: MATENV_HOME=DIR";

/// The message after Ctrl-C.
pub(super) const INTERRUPTED: &str = "interrupted: unfinished work was removed, existing environments are unchanged";

/// An error with its exit code and its help line.
#[derive(Debug)]
pub struct Failure {
    code: &'static str,
    exit: Exit,
    message: String,
    help: Option<String>,
    causes: Option<Box<Causes>>,
    excerpt: Option<Box<Excerpt>>,
}

/// The causes of an error as text, outermost first.
#[derive(Debug)]
struct Causes {
    message: String,
    next: Option<Box<Self>>,
}

impl fmt::Display for Causes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&text::message(&self.message))
    }
}

impl std::error::Error for Causes {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        self.next.as_deref().map(|next| next as _)
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&text::message(&self.message))
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
        self.help.as_ref().map(|help| Box::new(text::message(help)) as _)
    }

    fn source_code(&self) -> Option<&dyn SourceCode> {
        self.excerpt.as_deref().map(|excerpt| excerpt as _)
    }

    fn labels(&self) -> Option<Box<dyn Iterator<Item = LabeledSpan> + '_>> {
        let excerpt = self.excerpt.as_ref()?;
        Some(Box::new(std::iter::once(excerpt.label())))
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
    /// Creates an error with its code, exit code and help line. The error's sources become the causes.
    pub(super) fn new(
        error: &(dyn std::error::Error + 'static),
        code: &'static str,
        exit: Exit,
        help: impl Into<Option<String>>,
    ) -> Self {
        Self {
            code,
            exit,
            message: masked(&error.to_string()).into_owned(),
            // Only the file can be changed, whatever it was read for.
            help: InputError::find(error)
                .map(InputError::help)
                .or_else(|| help.into())
                .map(|help| masked(&help).into_owned()),
            causes: error.source().map(|cause| Box::new(causes(cause))),
            excerpt: None,
        }
    }

    /// Replaces a [`DISK`] help line by one with the folder that the message names, and the variable that moves it.
    pub(super) fn located(mut self, settings: &Settings) -> Self {
        if self.help.as_deref() != Some(DISK) {
            return self;
        }
        let causes = self.cause_texts();
        let text = causes
            .iter()
            .fold(self.message.clone(), |text, cause| text + "\n" + cause);
        // The error of a copy names the source first and the folder that it failed to write to last.
        let last = settings
            .folders()
            .into_iter()
            .filter_map(|(folder, variable)| {
                let folder = folder.display().to_string();
                let at = text.rfind(&folder)?;
                Some((at, folder.len(), folder, variable))
            })
            .max();
        if let Some((_, _, folder, variable)) = last {
            self.help = Some(format!(
                "free disk space or get write permission there: df -h '{folder}'; df -i '{folder}'; \
                 or use another folder: {variable}=DIR"
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
        let text = masked(&text);
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
            help: Some("see the options: matenv --help".to_owned()),
            causes: None,
            excerpt: None,
        }
    }

    /// Creates the error for an environment that is not installed.
    pub(super) fn not_installed(env: &crate::names::EnvName, has_manifest: bool, known: &[String]) -> Self {
        let help = match crate::names::closest(env.as_str(), known.iter().map(String::as_str)) {
            _ if has_manifest => format!("install it: matenv install {env}"),
            Some(similar) => format!("did you mean `{similar}`? Installed environments: {}", known.join(", ")),
            None if known.is_empty() => {
                "nothing is installed yet; install the default environments: matenv install".to_owned()
            }
            None => format!("installed environments: {}", known.join(", ")),
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

    /// Creates the error for an environment whose folder is missing.
    pub(super) fn lost(lost: &crate::store::Lost, has_manifest: bool) -> Self {
        Self {
            code: "environment::gone",
            exit: Exit::Faulty,
            message: lost.message(),
            help: Some(lost.remedy(has_manifest)),
            causes: Some(Box::new(Causes {
                message: lost.evidence(),
                next: None,
            })),
            excerpt: None,
        }
    }

    /// Creates the error for `--name` with several environments.
    pub(super) fn one_name(name: &crate::names::EnvName) -> Self {
        Self {
            code: "usage",
            exit: Exit::Usage,
            message: format!("invalid --name {name}: several environments are selected"),
            help: Some("select one environment, or omit --name".to_owned()),
            causes: None,
            excerpt: None,
        }
    }

    pub(super) fn no_cwd(error: &std::io::Error) -> Self {
        Self::io(
            "failed to find the current folder",
            error,
            "change to a folder that exists",
        )
    }

    pub(super) fn no_runtime(error: &std::io::Error) -> Self {
        Self::io(
            "failed to start threads",
            error,
            "check the limits of this shell: ulimit -a",
        )
    }

    /// Creates the error for a command that would overwrite or lose something.
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

    /// Creates the error for a failed call to the operating system.
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

    /// Creates the error for an invalid TOML file, with an excerpt of the invalid line.
    pub(super) fn toml(error: &TomlError, code: &'static str) -> Self {
        let name = error.path.display().to_string();
        Self {
            code,
            exit: Exit::Usage,
            message: masked(&error.to_string()).into_owned(),
            help: Some(format!("fix {name}, then run the command again")),
            causes: None,
            excerpt: error
                .span
                .as_ref()
                .map(|span| Box::new(Excerpt::new(name, &masked_in_place(&error.text), span))),
        }
    }
}

fn causes(error: &(dyn std::error::Error + 'static)) -> Causes {
    Causes {
        message: masked(&error.to_string()).into_owned(),
        next: error.source().map(|next| Box::new(causes(next))),
    }
}
