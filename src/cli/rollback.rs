use std::{fmt::Write as _, process::ExitCode};

use serde::Serialize;

use super::{Exit, Failure, Session, install::exit_of, lock_wait::LockWait};
use crate::{
    certificate::summary,
    install::{self, RollbackRequest, RolledBack},
    names::EnvName,
};

const EXAMPLES: &str = "\
Examples:
  matenv rollback sleap                  go back to the proven generation before
  matenv rollback sleap --to 3           make generation 3 the current one
  matenv rollback sleap --with-settings  also restore the settings of its program";

/// Go back to an earlier generation of an environment
///
/// Without `--to`, selects the newest proven generation before the current one. It is audited and its probes run first,
/// as with `matenv verify`. If they find an error, nothing changes. Uses no network and copies no packages. Running
/// programs continue to use their generation. The next `matenv install` installs what the manifest requires, so it may
/// make a newer generation the current one again.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct Args {
    /// Environment to change
    env: EnvName,
    /// Number of the generation (see `matenv history`); it may be an older or a newer one
    #[arg(long, value_name = "N")]
    to: Option<u64>,
    /// Skip the audit and the probes
    #[arg(long)]
    no_verify: bool,
    /// Restore the settings of the program, such as `~/.sleap`, with which that generation was last used. The current
    /// settings are saved first
    #[arg(long)]
    with_settings: bool,
    #[command(flatten)]
    pub(super) lock_wait: LockWait,
}

#[derive(Serialize)]
struct Shown<'a> {
    schema: u32,
    ok: bool,
    #[serde(flatten)]
    rolled_back: &'a RolledBack,
}

pub(super) fn run(args: &Args, session: &Session) -> Result<ExitCode, Failure> {
    super::info::has_generations(&args.env, session)?;
    let request = RollbackRequest {
        to: args.to,
        verify: !args.no_verify,
        with_settings: args.with_settings,
    };
    let rolled_back = session.block_on(install::rollback(&session.ctx, &args.env, &request))?;
    let exit = rolled_back.certificate.as_ref().map_or(Exit::Done, exit_of);
    let shown = Shown {
        schema: 1,
        ok: exit == Exit::Done,
        rolled_back: &rolled_back,
    };
    let text = match (&rolled_back.certificate, exit) {
        (_, Exit::Done) | (None, _) => describe(&rolled_back),
        (Some(certificate), _) => format!("{}{}", summary(certificate), failed(&rolled_back)),
    };
    session.out.show_result(&shown, text, exit);
    Ok(exit.into())
}

fn failed(rolled_back: &RolledBack) -> String {
    let (env, number) = (&rolled_back.env, rolled_back.generation);
    format!(
        "{env}: generation {number} has an error, so nothing was changed; \
         to use it anyway: matenv rollback {env} --to {number} --no-verify\n"
    )
}

fn describe(rolled_back: &RolledBack) -> String {
    let (env, number) = (&rolled_back.env, rolled_back.generation);
    let mut text = String::new();
    // Writing into a String cannot fail.
    let _ = match (rolled_back.changed, rolled_back.before) {
        (true, Some(before)) => writeln!(text, "{env}: generation {number} is current now, instead of {before}"),
        (true, None) => writeln!(text, "{env}: generation {number} is current now"),
        (false, _) => writeln!(text, "{env}: generation {number} is already current"),
    };
    if !rolled_back.proven {
        let _ = writeln!(text, "  it was never proven; to check it: matenv verify {env}");
    }
    for path in &rolled_back.restored_settings {
        let _ = match &path.because {
            None => writeln!(text, "  restored {}", path.path),
            Some(because) => writeln!(text, "  left {} as it is: {because}", path.path),
        };
    }
    if let Some(folder) = &rolled_back.replaced_settings {
        let _ = writeln!(text, "  the replaced settings are in {}", folder.display());
    }
    if !rolled_back.changed_settings.is_empty() {
        let paths: Vec<String> = rolled_back.changed_settings.iter().map(ToString::to_string).collect();
        let _ = writeln!(
            text,
            "  {} changed since that generation was last used; to restore: matenv rollback {env} --to {number} --with-settings",
            paths.join(", ")
        );
    }
    if rolled_back.changed {
        if let Some(before) = rolled_back.before {
            let _ = writeln!(text, "  to go forward again: matenv rollback {env} --to {before}");
        }
        let _ = writeln!(
            text,
            "  `matenv install {env}` installs what the manifest requires now; to keep this generation: matenv pin {env} {number}"
        );
    }
    text
}
