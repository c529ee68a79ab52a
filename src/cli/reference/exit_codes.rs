//! The page of exit codes.

use crate::cli::Exit;

pub(super) fn page() -> String {
    let rows: Vec<String> = Exit::ALL
        .iter()
        .map(|exit| format!("| {} | {} | {} |\n", *exit as u8, exit.meaning(), exit.explained()))
        .collect();
    format!(
        "# Exit codes\n\nScripts can rely on these codes. `matenv run` and `matenv launch --wait` return the \
         exit code of the program that they start instead.\n\n| code | meaning | explanation |\n|---|---|---|\n{}\n\
         With `--json`, an error is printed as JSON: `error.exit` is this code, `error.code` names the case, and \
         `error.help` is the next step.\n\nThe field `ok` of a certificate means proven, so it can differ from the exit code.\n\nWith `--cross`, `--no-verify` \
         or `--no-bench`, `ok` is false although the exit code is 0.\n\nA skipped probe is not `ok`; its `skipped` gives the \
         reason.\n",
        rows.concat()
    )
}
