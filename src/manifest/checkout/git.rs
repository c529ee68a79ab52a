//! Runs the `git` command.

use std::{
    path::{Path, PathBuf},
    time::Duration,
};

use rattler_digest::{Sha256, compute_bytes_digest};
use url::Url;

use super::CheckoutError;
use crate::{
    context::Context,
    net::{holds_credentials, mask::masked, public},
    process::Job,
};

/// Time limit for git: long enough for gigabytes over a slow connection, but it ends a git that waits for input.
const LIMIT: Duration = Duration::from_mins(30);

/// Clones `url` below `src` and returns the folder of the commit that `rev` names, and the commit. The caller must hold
/// the lock of `src`.
///
/// ```text
/// SRC/3f2a….git      the repository, fetched again if the commit is unknown
/// SRC/0123456789ab   the files of one commit
/// ```
pub(super) async fn clone(
    ctx: &Context,
    src: &Path,
    url: &str,
    rev: Option<&str>,
) -> Result<(PathBuf, String), CheckoutError> {
    let what = redacted(url);
    // `ssh://git@example.org` names the account, and the key is elsewhere. On the web, the name may be a token.
    let has_credentials = |url: Url| match url.scheme() {
        "ssh" | "git+ssh" => url.password().is_some(),
        _ => holds_credentials(&url),
    };
    if Url::parse(url).is_ok_and(has_credentials) {
        return Err(CheckoutError::Credentials { url: what });
    }
    fs_err::create_dir_all(src).map_err(CheckoutError::Io)?;
    sweep(src).map_err(CheckoutError::Io)?;
    let digest = hex::encode(compute_bytes_digest::<Sha256>(url.as_bytes()));
    let repository = src.join(format!("{}.git", &digest[..8]));
    let known = repository.is_dir();
    if ctx.settings.offline && !known {
        return Err(git_error(&what)(
            "it has not been cloned yet, and --offline is set".to_owned(),
        ));
    }
    let is_known_commit = async |rev: &str| {
        let is_hash = rev.len() == 40 && rev.bytes().all(|byte| byte.is_ascii_hexdigit());
        is_hash && known && commit_of(ctx, &repository, rev).await.is_ok()
    };
    let needs_fetch = !ctx.settings.offline
        && match rev {
            Some(rev) => !is_known_commit(rev).await,
            None => true,
        };
    let mut default_branch = None;
    if needs_fetch {
        ctx.events.note(format!("fetching {what} with git"));
        if known {
            let everything = ["+refs/heads/*:refs/heads/*", "+refs/tags/*:refs/tags/*"];
            let arguments = [&["fetch", "--quiet", "--prune", "--force", "origin"][..], &everything].concat();
            run(ctx, &repository, &arguments).await.map_err(git_error(&what))?;
        } else {
            first_clone(ctx, src, url, &repository)
                .await
                .map_err(git_error(&what))?;
        }
        if rev.is_none() {
            // The HEAD of the clone stays at the branch that was the default when it was cloned.
            let head = run(ctx, &repository, &["ls-remote", "origin", "HEAD"])
                .await
                .map_err(git_error(&what))?;
            default_branch = head.split_whitespace().next().map(ToOwned::to_owned);
        }
    }
    let rev = rev.or(default_branch.as_deref()).unwrap_or("HEAD");
    let commit = commit_of(ctx, &repository, rev)
        .await
        .map_err(|_| git_error(&format!("`{rev}` of {what}"))("there is no such branch, tag or commit".to_owned()))?;
    let tree = src.join(&commit[..commit.len().min(12)]);
    if !tree.is_dir() {
        let staging = tempfile::Builder::new()
            .prefix(TREE)
            .tempdir_in(src)
            .map_err(CheckoutError::Io)?;
        let (from, to) = (repository.to_string_lossy(), staging.path().join("tree"));
        run(
            ctx,
            src,
            &["clone", "--quiet", "--no-checkout", "--", &from, &to.to_string_lossy()],
        )
        .await
        .map_err(git_error(&what))?;
        run(ctx, &to, &["checkout", "--quiet", "--detach", &commit])
            .await
            .map_err(git_error(&what))?;
        fs_err::rename(&to, &tree).map_err(CheckoutError::Io)?;
    }
    Ok((tree, commit))
}

const CLONE: &str = ".clone-";
const TREE: &str = ".tree-";

/// Removes the temporary folders of a crashed run.
fn sweep(src: &Path) -> std::io::Result<()> {
    for entry in fs_err::read_dir(src)? {
        let entry = entry?;
        let name = entry.file_name();
        let name = name.to_string_lossy();
        if name.starts_with(CLONE) || name.starts_with(TREE) {
            fs_err::remove_dir_all(entry.path())?;
        }
    }
    Ok(())
}

async fn first_clone(ctx: &Context, src: &Path, url: &str, repository: &Path) -> Result<(), String> {
    let staging = tempfile::Builder::new()
        .prefix(CLONE)
        .tempdir_in(src)
        .map_err(|error| error.to_string())?;
    let target = staging.path().join("git");
    // `--` keeps git from reading the URL as an option.
    run(
        ctx,
        src,
        &["clone", "--bare", "--quiet", "--", url, &target.to_string_lossy()],
    )
    .await?;
    fs_err::rename(&target, repository).map_err(|error| error.to_string())
}

async fn commit_of(ctx: &Context, repository: &Path, rev: &str) -> Result<String, String> {
    let commit = format!("{rev}^{{commit}}");
    run(ctx, repository, &["rev-parse", "--verify", "--quiet", &commit]).await
}

/// Removes the trees of commits that are not in `used`.
pub(super) fn prune(src: &Path, used: &[PathBuf]) -> std::io::Result<()> {
    for entry in fs_err::read_dir(src)? {
        let path = entry?.path();
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        let is_tree = name.len() == 12 && name.bytes().all(|byte| byte.is_ascii_hexdigit());
        if is_tree && !used.contains(&path) {
            fs_err::remove_dir_all(path)?;
        }
    }
    Ok(())
}

/// Returns the commit of a folder, and whether tracked files differ from it. If the folder is not the top folder of a
/// repository, returns no commit.
pub(super) async fn state(ctx: &Context, folder: &Path) -> (Option<String>, bool) {
    // A folder inside another repository does not count as a repository.
    let top = run(ctx, folder, &["rev-parse", "--show-toplevel"]).await;
    if let Err(because) = &top
        // The last line of git's error is the command that allows the access.
        && because.contains("safe.directory")
    {
        ctx.events.warn(format!(
            "the commit is not recorded, because the folder belongs to another user; to allow it, run: {because}"
        ));
    }
    let top = top.ok();
    let is_top = top.is_some_and(|top| fs_err::canonicalize(top).is_ok_and(|top| top == folder));
    if !is_top {
        return (None, false);
    }
    let commit = run(ctx, folder, &["rev-parse", "HEAD"]).await.ok();
    let changes = match &commit {
        // Untracked build output (egg-info) does not count as a change.
        Some(_) => run(ctx, folder, &["status", "--porcelain", "--untracked-files=no"]).await,
        None => Ok(String::new()),
    };
    (commit, changes.is_ok_and(|changes| !changes.is_empty()))
}

/// Returns `url` without credentials.
pub(super) fn redacted(url: &str) -> String {
    match Url::parse(url) {
        // The account of ssh is no secret, but it is not needed either.
        Ok(parsed) if parsed.scheme() != "file" => public(url),
        _ => url.to_owned(),
    }
}

fn git_error(what: &str) -> impl Fn(String) -> CheckoutError {
    let what = what.to_owned();
    move |because| match because.as_str() {
        NO_GIT => CheckoutError::NoGit,
        _ => CheckoutError::Git {
            what: what.clone(),
            because,
        },
    }
}

/// The protocols that git may use.
const PROTOCOLS: &str = "file:http:https:ssh";

const NO_GIT: &str = "git is not installed";

/// Runs git in `folder` and returns its output, or the last line of its error output.
async fn run(ctx: &Context, folder: &Path, arguments: &[&str]) -> Result<String, String> {
    let mut variables = ctx.settings.variables.clean();
    // If matenv runs in a git hook, these variables point to another repository.
    variables.retain(|name, _| {
        !name
            .to_str()
            .is_some_and(|name| matches!(name, "GIT_DIR" | "GIT_WORK_TREE" | "GIT_INDEX_FILE"))
    });
    // ssh would prompt on the terminal. The user's own command is kept.
    variables
        .entry("GIT_SSH_COMMAND".into())
        .or_insert_with(|| "ssh -oBatchMode=yes".into());
    let ended = Job::new("git", variables)
        // A user's configuration may fetch submodules, and a repository's may start a program for each command.
        .args(["-c", "submodule.recurse=false", "-c", "core.fsmonitor=false"])
        .args(arguments)
        .limit(LIMIT)
        // A password prompt would hang, because it is not visible.
        .env("GIT_TERMINAL_PROMPT", "0")
        // Others, such as `ext::` and `fd::`, run programs or wait for input.
        .env("GIT_ALLOW_PROTOCOL", PROTOCOLS)
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
        |line| masked(line.trim().trim_start_matches("fatal: ")).into_owned(),
    ))
}
