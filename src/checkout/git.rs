//! git, through its own command.

use std::path::{Path, PathBuf};

use rattler_digest::{Sha256, compute_bytes_digest};
use url::Url;

use super::CheckoutError;
use crate::{context::Context, names::EnvName, process::Job};

/// Clone `url` below `MATENV_HOME/src` and give the folder of the commit that `rev` means.
///
/// ```text
/// MATENV_HOME/src/x-anylabeling/3f2a….git      the repository, fetched again each time
/// MATENV_HOME/src/x-anylabeling/0123456789ab   the files of one commit
/// ```
pub(super) async fn clone(
    ctx: &Context,
    env: &EnvName,
    url: &str,
    rev: Option<&str>,
) -> Result<(PathBuf, String), CheckoutError> {
    let folder = ctx.settings.home.join("src").join(env.as_str());
    fs_err::create_dir_all(&folder).map_err(CheckoutError::Io)?;
    let digest = hex::encode(compute_bytes_digest::<Sha256>(url.as_bytes()));
    let repository = folder.join(format!("{}.git", &digest[..8]));
    let what = redacted(url);
    let _alone = ctx.shared.tools.lock().await;
    ctx.events.note(format!("getting {what} with git"));
    if repository.is_dir() {
        if !ctx.settings.offline {
            run(
                ctx,
                &repository,
                &[
                    "fetch",
                    "--prune",
                    "--tags",
                    "--force",
                    "origin",
                    "+refs/heads/*:refs/heads/*",
                ],
            )
            .await
            .map_err(refused(&what))?;
        }
    } else if ctx.settings.offline {
        return Err(refused(&what)(
            "it was not cloned yet, and --offline forbids it".to_owned(),
        ));
    } else {
        let staging = tempfile::Builder::new()
            .prefix(".clone-")
            .tempdir_in(&folder)
            .map_err(CheckoutError::Io)?;
        let target = staging.path().join("git");
        run(
            ctx,
            &folder,
            &["clone", "--bare", "--quiet", url, &target.to_string_lossy()],
        )
        .await
        .map_err(refused(&what))?;
        fs_err::rename(&target, &repository).map_err(CheckoutError::Io)?;
    }
    let rev = rev.unwrap_or("HEAD");
    let commit = run(
        ctx,
        &repository,
        &["rev-parse", "--verify", "--quiet", &format!("{rev}^{{commit}}")],
    )
    .await
    .map_err(|_| refused(&format!("`{rev}` of {what}"))("there is no such branch, tag or commit".to_owned()))?;
    let tree = folder.join(&commit[..commit.len().min(12)]);
    if !tree.is_dir() {
        let staging = tempfile::Builder::new()
            .prefix(".tree-")
            .tempdir_in(&folder)
            .map_err(CheckoutError::Io)?;
        let (from, to) = (repository.to_string_lossy(), staging.path().join("tree"));
        run(
            ctx,
            &folder,
            &["clone", "--quiet", "--no-checkout", &from, &to.to_string_lossy()],
        )
        .await
        .map_err(refused(&what))?;
        run(ctx, &to, &["checkout", "--quiet", "--detach", &commit])
            .await
            .map_err(refused(&what))?;
        fs_err::rename(&to, &tree).map_err(CheckoutError::Io)?;
    }
    Ok((tree, commit))
}

/// The commit of a folder and whether tracked files differ from it; nothing of a folder that is no repository.
pub(super) async fn state(ctx: &Context, folder: &Path) -> (Option<String>, bool) {
    // A folder inside another repository is none itself.
    let top = run(ctx, folder, &["rev-parse", "--show-toplevel"]).await.ok();
    let is_top = top.is_some_and(|top| fs_err::canonicalize(top).is_ok_and(|top| top == folder));
    if !is_top {
        return (None, false);
    }
    let commit = run(ctx, folder, &["rev-parse", "HEAD"]).await.ok();
    let changes = match &commit {
        // What a build leaves beside the files (egg-info) is no change of them.
        Some(_) => run(ctx, folder, &["status", "--porcelain", "--untracked-files=no"]).await,
        None => Ok(String::new()),
    };
    (commit, changes.is_ok_and(|changes| !changes.is_empty()))
}

/// `url` without credentials.
pub(super) fn redacted(url: &str) -> String {
    match Url::parse(url) {
        Ok(mut url) => {
            // Fails for URLs that cannot have any.
            let _ = url.set_password(None);
            let _ = url.set_username("");
            url.to_string()
        }
        Err(_) => url.to_owned(),
    }
}

fn refused(what: &str) -> impl Fn(String) -> CheckoutError {
    let what = what.to_owned();
    move |because| match because.as_str() {
        NO_GIT => CheckoutError::NoGit,
        _ => CheckoutError::Git {
            what: what.clone(),
            because,
        },
    }
}

const NO_GIT: &str = "git is not installed";

/// Run git in `folder`; what it prints, or the last thing that it complains of.
async fn run(ctx: &Context, folder: &Path, arguments: &[&str]) -> Result<String, String> {
    let mut variables = ctx.settings.variables.clean();
    // Another repository's, when matenv is called from a hook.
    variables.retain(|name, _| {
        !name
            .to_str()
            .is_some_and(|name| matches!(name, "GIT_DIR" | "GIT_WORK_TREE" | "GIT_INDEX_FILE"))
    });
    let ended = Job::new("git", variables)
        .args(arguments)
        // A question for a password would hang: nobody sees it.
        .env("GIT_TERMINAL_PROMPT", "0")
        .env("LC_ALL", "C")
        .cwd(folder)
        .run()
        .await
        .map_err(|error| match error.kind() {
            std::io::ErrorKind::NotFound => NO_GIT.to_owned(),
            _ => error.to_string(),
        })?;
    if ended.success() {
        return Ok(ended.stdout_text().trim().to_owned());
    }
    let last = ended.stderr.lines().rev().find(|line| !line.trim().is_empty());
    Err(last.map_or_else(
        || ended.how(),
        |line| line.trim().trim_start_matches("fatal: ").to_owned(),
    ))
}
