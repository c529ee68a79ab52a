//! The effects of this shell's variables on an environment, found by inspection and by trial runs.
//!
//! Input: the variables of [`crate::context::settings`], a prefix. Output: [`ProcessFacts`], which the fault checks
//! ME040 to ME044 read. If no variable of that kind is set, no program is started. This module does not remove the
//! variables. Programs that matenv starts do not get them.

mod activation;
mod dependents;
mod libraries;
mod python_path;
mod qt;
mod trial;

pub(crate) use activation::MixedActivation;
pub(crate) use libraries::{Injection, Namesake};
#[cfg(test)]
pub(crate) use python_path::{Broken, Home};
pub(crate) use python_path::{PythonPath, Shadowed, Shadowing};
pub(crate) use qt::{BINDINGS, Plugins, binding};
pub(crate) use trial::Trial;

use crate::{audit::Installed, context::Context, doctor::examined::ExaminedPrefix};

/// The effects of this shell's variables on one environment.
#[derive(Debug, Clone, Default)]
pub(crate) struct ProcessFacts {
    pub(crate) injection: Injection,
    pub(crate) python: PythonPath,
    pub(crate) plugins: Vec<Plugins>,
    pub(crate) mixed: Option<MixedActivation>,
}

impl ProcessFacts {
    /// Gathers all facts concurrently.
    pub(crate) async fn gather(
        ctx: &Context,
        examined: &ExaminedPrefix,
        installed: Option<&Installed>,
    ) -> std::io::Result<Self> {
        let (injection, python, plugins) = tokio::try_join!(
            libraries::inspect(ctx, examined),
            python_path::inspect(ctx, examined, installed),
            qt::inspect(ctx, examined)
        )?;
        Ok(Self {
            injection,
            python,
            plugins,
            mixed: activation::inspect(&ctx.settings.variables, examined),
        })
    }
}
