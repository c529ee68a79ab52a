//! Tests that source the scripts in every installed shell and compare the variables that a child process sees.

use std::collections::BTreeMap;

use super::*;
use crate::{context::skip::skip, process::Job, store::conda_link};

type Variables = BTreeMap<String, String>;

struct Shell {
    program: PathBuf,
    arguments: &'static [&'static str],
    suffix: &'static str,
}

/// Returns the shells of this machine, in strict mode where possible.
fn shells() -> Vec<Shell> {
    let wanted: [(&str, &'static [&'static str], &'static str); 7] = [
        ("sh", &["-e", "-c"], "sh"),
        ("dash", &["-e", "-u", "-c"], "sh"),
        ("bash", &["-e", "-u", "-c"], "sh"),
        ("ksh", &["-e", "-u", "-c"], "sh"),
        ("zsh", &["-f", "-e", "-u", "-c"], "sh"),
        ("fish", &["--no-config", "-c"], "fish"),
        ("pwsh", &["-NoProfile", "-NonInteractive", "-Command"], "ps1"),
    ];
    let folders = ["/bin", "/usr/bin", "/usr/local/bin", "/opt/homebrew/bin"];
    let mut found = Vec::new();
    for (name, arguments, suffix) in wanted {
        match folders
            .iter()
            .map(|folder| Path::new(folder).join(name))
            .find(|path| path.is_file())
        {
            Some(program) => found.push(Shell {
                program,
                arguments,
                suffix,
            }),
            None => skip(&format!("this machine has no {name}")),
        }
    }
    found
}

/// One step in a shell.
#[derive(Clone, Copy)]
enum Step {
    Activate(usize),
    Deactivate(usize),
}
use Step::{Activate as A, Deactivate as D};

/// Two environments that a shell can activate.
struct Stage {
    bench: Bench,
    prefixes: Vec<PathBuf>,
}

impl Stage {
    fn new() -> Self {
        let bench = Bench::new();
        let settings = bench.settings();
        let prefixes = ["sleap", "x-anylabeling"].map(|name| {
            let env: EnvName = name.parse().expect("a name");
            let staged = bench.store().stage(&env).expect("staged");
            conda_link::write_conda_files(&settings, &staged.prefix, &env).expect("furnished");
            let record = GenerationRecord { env, ..record(1) };
            bench.store().commit(staged, &record).expect("committed").prefix
        });
        Self {
            bench,
            prefixes: prefixes.into(),
        }
    }

    fn env_link(&self) -> String {
        conda_link::link(self.bench.folder.path(), &env()).display().to_string()
    }

    /// Returns the variables that a child of the shell sees at the start and after each step.
    async fn walk(&self, shell: &Shell, variables: &[(&str, &str)], steps: &[Step]) -> Vec<Variables> {
        let seen = tempfile::tempdir().expect("a temp folder");
        let look = |number: usize| {
            let file = seen.path().join(number.to_string());
            format!("sh -c 'env -0 > \"$0\"' '{}'\n", file.display())
        };
        let mut script = vec![look(0)];
        for (number, step) in steps.iter().enumerate() {
            let word = match step {
                A(which) => format!("ACTIVATE_{which}"),
                D(which) => format!("DEACTIVATE_{which}"),
            };
            script.push(match shell.suffix {
                "sh" => format!(". \"${word}\"\n"),
                "fish" => format!("source \"${word}\"\n"),
                _ => format!(". $Env:{word}\n"),
            });
            script.push(look(number + 1));
        }
        let mut all: BTreeMap<OsString, OsString> = [
            ("HOME".into(), self.bench.folder.path().into()),
            ("PATH".into(), "/usr/bin:/bin".into()),
            // Without a UTF-8 locale, fish 3 garbles umlauts in variables at its start.
            ("LC_ALL".into(), "C.UTF-8".into()),
        ]
        .into();
        for (which, prefix) in self.prefixes.iter().enumerate() {
            for (word, folder) in [("ACTIVATE", "activate.d"), ("DEACTIVATE", "deactivate.d")] {
                let file = prefix
                    .join("etc/conda")
                    .join(folder)
                    .join(format!("00-matenv.{}", shell.suffix));
                all.insert(format!("{word}_{which}").into(), file.into());
            }
        }
        all.extend(variables.iter().map(|(name, value)| (name.into(), value.into())));
        let ended = Job::new(&shell.program, all)
            .args(shell.arguments)
            .args([script.concat()])
            .limit(Duration::from_secs(30))
            .run()
            .await
            .expect("it starts");
        assert!(ended.success(), "{}: {}", shell.program.display(), ended.stderr);
        (0..=steps.len())
            .map(|number| {
                let bytes = fs_err::read(seen.path().join(number.to_string())).expect("written by the shell");
                let text = String::from_utf8(bytes).expect("text");
                text.split_terminator('\0')
                    .filter_map(|line| line.split_once('='))
                    // These differ between any two child processes.
                    .filter(|(name, _)| !matches!(*name, "_" | "SHLVL" | "PWD" | "OLDPWD"))
                    .map(|(name, value)| (name.to_owned(), value.to_owned()))
                    .collect()
            })
            .collect()
    }
}

#[tokio::test]
async fn an_activated_shell_keeps_to_the_generation_and_deactivation_restores_it_exactly() {
    let stage = Stage::new();
    let (env_link, store) = (stage.env_link(), stage.prefixes[0].display().to_string());
    let variables = [
        ("PATH", format!("/first:{env_link}/bin:/usr/bin:/bin:{env_link}/bin")),
        ("CONDA_PREFIX", env_link.clone()),
        ("LD_LIBRARY_PATH", "/bad cuda:/it's bad".to_owned()),
        ("LD_PRELOAD", String::new()),
        ("PYTHONPATH", "a\n$HOME \"b\"".to_owned()),
        ("PYTHONNOUSERSITE", String::new()),
    ];
    let variables: Vec<_> = variables.iter().map(|(name, value)| (*name, value.as_str())).collect();
    for shell in shells() {
        let name = shell.program.display();
        let seen = stage.walk(&shell, &variables, &[A(0), D(0)]).await;
        let [before, inside, after] = seen.as_slice() else {
            panic!("{name}: three looks");
        };
        for gone in ["LD_LIBRARY_PATH", "LD_PRELOAD", "PYTHONPATH", "PYTHONHOME"] {
            assert!(!inside.contains_key(gone), "{name}: {gone} is still there");
        }
        assert_eq!(inside["ORT_DISABLE_TELEMETRY"], "1", "{name}");
        assert_eq!(inside["PYTHONNOUSERSITE"], "1", "{name}");
        assert_eq!(inside["CONDA_PREFIX"], store, "{name}");
        assert_eq!(
            inside["PATH"],
            format!("/first:{store}/bin:/usr/bin:/bin:{store}/bin"),
            "{name}"
        );
        assert_eq!(before, after, "{name}");
    }
}

/// conda sources the scripts in different orders. `activate --stack` and the way back run `activate.d` again without
/// `deactivate.d` in between. A shell that `matenv run` started deactivates an environment that it never activated.
#[tokio::test]
async fn deactivation_restores_after_every_order_that_conda_uses() {
    let stage = Stage::new();
    let env_link = stage.env_link();
    let path = format!("{env_link}/bin:/usr/bin:/bin");
    let variables = [
        ("PATH", path.as_str()),
        ("CONDA_PREFIX", env_link.as_str()),
        ("LD_LIBRARY_PATH", "/bad"),
        ("ORT_DISABLE_TELEMETRY", "0"),
    ];
    let orders: [&[Step]; 5] = [
        &[D(0)],
        &[A(0), D(0), A(0), D(0)],
        &[A(0), A(0), D(0)],
        &[A(0), A(0), D(0), A(0), D(0)],
        &[A(0), A(1), D(1), A(0), D(0)],
    ];
    for shell in shells() {
        for (number, order) in orders.iter().enumerate() {
            let seen = stage.walk(&shell, &variables, order).await;
            let what = format!("{}, order {number}", shell.program.display());
            for (look, step) in seen.iter().skip(1).zip(*order) {
                if matches!(step, A(_)) {
                    assert_eq!(look.get("LD_LIBRARY_PATH"), None, "{what}");
                }
            }

            assert_eq!(seen.first(), seen.last(), "{what}");
        }
    }
}

#[tokio::test]
async fn a_script_sourced_by_hand_leaves_path_alone() {
    let stage = Stage::new();
    for shell in shells() {
        let seen = stage.walk(&shell, &[("LD_LIBRARY_PATH", "/bad")], &[A(0), D(0)]).await;
        let name = shell.program.display();
        assert_eq!(seen[1]["PATH"], "/usr/bin:/bin", "{name}");
        assert_eq!(seen[1].get("CONDA_PREFIX"), None, "{name}");
        assert_eq!(seen[0], seen[2], "{name}");
    }
}
