//! The page of exit codes.

use crate::cli::Exit;

pub(super) fn page() -> String {
    let rows: Vec<String> = Exit::ALL
        .iter()
        .map(|exit| format!("| {} | {} | {} |\n", *exit as u8, exit.meaning(), exit.explained()))
        .collect();
    format!(
        "# Exit codes\n\nScripts may rely on these. `matenv run` and `matenv launch --wait` pass on the \
         exit code of the program that they start instead.\n\n| code | meaning | what is behind it |\n|---|---|---|\n{}\n\
         Under `--json` an error is a document too: `error.exit` is this code, `error.code` names the case, `error.help` \
         the next step.\n\nA certificate's `ok` is another question: it means proven. With `--cross`, `--no-verify` or `--no-bench` it is false although \
         the code is 0, and a probe that was skipped is not `ok` and says why in `skipped`.\n",
        rows.concat()
    )
}
