use std::path::{Path, PathBuf};

use futures::future::join_all;

use super::Quota;
use crate::{
    context::Context,
    files::{self, Filesystem},
    install::{FolderFacts, lock_refused},
};

/// A folder that installations write to, with the results of tests in it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Place {
    /// The environment variable that sets the folder.
    pub(crate) variable: &'static str,
    pub(crate) folder: PathBuf,
    /// The properties of its file system; `None` if they are unknown.
    pub(crate) filesystem: Option<Filesystem>,
    /// This user's remaining quota; `None` without a quota.
    pub(crate) quota: Option<Quota>,
    /// Why files cannot be locked in it. Not tested if the folder does not exist or belongs to another user.
    pub(crate) lock_refused: Option<String>,
    /// Why a file in it cannot be hard-linked into the store. Not tested in the same cases.
    pub(crate) link_refused: Option<String>,
}

/// Inspects and tests all folders concurrently.
pub(super) async fn all(ctx: &Context) -> Vec<Place> {
    let store = ctx.settings.home.clone();
    let places = FolderFacts::all(ctx).into_iter().map(|facts| {
        let (store, settings) = (store.clone(), ctx.settings.clone());
        async move {
            let asked = facts.folder.clone();
            let quota = tokio::task::spawn_blocking(move || Quota::read_for(&settings, &asked));
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

fn link_refused(facts: &FolderFacts, store: &Path) -> Option<String> {
    if facts.folder == store || !facts.folder.is_dir() || !store.is_dir() {
        return None;
    }
    if !facts.shares_with_store {
        return Some("it is on another file system than the store".to_owned());
    }
    let file = tempfile::Builder::new()
        .prefix(files::TEMPORARY)
        .tempfile_in(&facts.folder)
        .ok()?;
    let folder = tempfile::Builder::new()
        .prefix(files::TEMPORARY)
        .tempdir_in(store)
        .ok()?;
    let linked = fs_err::hard_link(file.path(), folder.path().join("link"));
    linked.err().map(|error| error.kind().to_string())
}
