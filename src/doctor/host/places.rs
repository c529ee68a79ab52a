use std::path::{Path, PathBuf};

use futures::future::join_all;

use super::Quota;
use crate::{
    context::Context,
    files::Filesystem,
    install::{PlaceFacts, lock_refused},
};

/// A folder that installations write to, and what was tried in it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Place {
    /// The variable that moves it.
    pub(crate) variable: &'static str,
    pub(crate) folder: PathBuf,
    /// What its filesystem offers; absent if it does not tell.
    pub(crate) filesystem: Option<Filesystem>,
    /// What this user's quota on it leaves; absent without one.
    pub(crate) quota: Option<Quota>,
    /// Why no file can be locked in it; nothing is tried where the folder is not there yet or is not this user's.
    pub(crate) lock_refused: Option<String>,
    /// Why a file of it cannot have a second name in the store; nothing is tried as before.
    pub(crate) link_refused: Option<String>,
}

/// Look at each and try it, side by side.
pub(super) async fn all(ctx: &Context) -> Vec<Place> {
    let store = ctx.settings.home.clone();
    let places = PlaceFacts::all(ctx).into_iter().map(|facts| {
        let (store, settings) = (store.clone(), ctx.settings.clone());
        async move {
            let asked = facts.folder.clone();
            let quota = tokio::task::spawn_blocking(move || Quota::of(&settings, &asked));
            let lock_refused = if facts.folder.is_dir() {
                lock_refused(&facts.folder).await
            } else {
                None
            };
            Place {
                link_refused: link_refused(&facts, &store),
                variable: facts.variable,
                folder: facts.folder,
                filesystem: facts.filesystem,
                quota: quota.await.unwrap_or_default(),
                lock_refused,
            }
        }
    });
    join_all(places).await
}

fn link_refused(facts: &PlaceFacts, store: &Path) -> Option<String> {
    if facts.folder == store || !facts.folder.is_dir() || !store.is_dir() {
        return None;
    }
    if !facts.shares_with_store {
        return Some("it is on another filesystem than the store".to_owned());
    }
    let file = tempfile::Builder::new()
        .prefix(".matenv-")
        .tempfile_in(&facts.folder)
        .ok()?;
    let folder = tempfile::Builder::new().prefix(".matenv-").tempdir_in(store).ok()?;
    let linked = fs_err::hard_link(file.path(), folder.path().join("link"));
    linked.err().map(|error| error.kind().to_string())
}
