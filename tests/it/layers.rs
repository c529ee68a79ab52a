//! The layers of the code: a module imports only modules below it.

use std::{fs, path::Path, str::FromStr as _};

use proc_macro2::{Delimiter, TokenStream, TokenTree};

/// Every module of `src/lib.rs` with one line about it, from the top layer to the bottom. A module may import those after it.
const LAYERS: &[(&str, &str)] = &[
    ("cli", "arguments in, one library call, output and exit code"),
    ("export", "files for other tools, containers and CI services"),
    ("doctor", "faults of the machine, the shell and environments; repair"),
    (
        "install",
        "the stages in order, from a manifest to a certificate; locking a lab",
    ),
    ("run", "starting programs of an environment; menu entries"),
    ("certificate", "the proof as a value, and how it is shown"),
    ("bench", "inference on the environment's own ONNX Runtime"),
    ("verify", "probes inside the environment"),
    ("audit", "the files of a prefix, and the faults that they show"),
    ("store", "generations, links, records, and changes to them"),
    ("packages", "conda and PyPI: resolving, downloading, installing"),
    ("lock", "exact packages: the two lock files, and what they satisfy"),
    (
        "plan",
        "all choices with their reasons; opens no file and no connection",
    ),
    ("manifest", "what environments are; a lab's recipe; program sources"),
    ("hardware", "what a machine is"),
    ("binary", "ELF, PE and Mach-O files, and the GPU code in them"),
    ("profile", "accelerator levels, GPU stacks, platforms and CUDA numbers"),
    ("context", "settings, package sources, events and what stages share"),
    ("process", "child processes with clean variables"),
    ("files", "the layout of a prefix, file systems, disk needs, TOML"),
    ("net", "the HTTP client"),
    ("names", "names with types of their own, and requirements"),
    ("finding", "a fault or a fact, as a value"),
    ("input", "files from outside: their kind and their size"),
    (
        "text",
        "text for a terminal: styles, and no control characters from outside",
    ),
];

/// Reads the module tree of `lib.rs` in `src` and returns one line for each violation.
fn violations(src: &Path, layers: &[(&str, &str)]) -> Vec<String> {
    let mut found = Vec::new();
    visit_file(&src.join("lib.rs"), &[], &mut |module, path, file, line| {
        let (Some(from), Some(to)) = (module.first(), path.first()) else {
            return;
        };
        let rank = |name: &String| {
            layers
                .iter()
                .rev()
                .position(|(known, _)| known == name)
                .map(|rank| rank + 1)
        };
        let place = format!("{}:{line}", file.strip_prefix(src.parent().unwrap()).unwrap().display());
        match (rank(from), rank(to)) {
            (None, _) => found.push(format!("`{from}` is not in the table of layers: {place}")),
            (Some(low), Some(high)) if high > low => {
                found.push(format!("`{from}` ({low}) may not import `{to}` ({high}): {place}"));
            }
            _ => {}
        }
    });
    found
}

/// Called with a module, a path in it from the crate's root, and the file and line of that path.
type Seen<'a> = dyn FnMut(&[String], &[String], &Path, usize) + 'a;

/// Calls `seen` for each path in a file that starts with `crate`, `self` or `super`, and for each module that it declares.
fn visit_file(file: &Path, module: &[String], seen: &mut Seen<'_>) {
    let tokens = TokenStream::from_str(&fs::read_to_string(file).unwrap()).unwrap();
    visit(&tokens.into_iter().collect::<Vec<_>>(), file, module, seen);
}

fn visit(tokens: &[TokenTree], file: &Path, module: &[String], seen: &mut Seen<'_>) {
    let mut at = 0;
    while at < tokens.len() {
        let text = tokens[at].to_string();
        let line = tokens[at].span().start().line;
        match &tokens[at] {
            TokenTree::Punct(_) if text == "#" && is_test_attribute(tokens.get(at + 1)) => {
                at += 2;
                // The item ends with its body or with a semicolon.
                while let Some(token) = tokens.get(at) {
                    at += 1;
                    if matches!(token, TokenTree::Group(group) if group.delimiter() == Delimiter::Brace)
                        || token.to_string() == ";"
                    {
                        break;
                    }
                }
                continue;
            }
            TokenTree::Ident(_) if text == "mod" => {
                let child: Vec<String> = [module, &[tokens[at + 1].to_string()]].concat();
                seen(&child, &child, file, line);
                if let TokenTree::Group(body) = &tokens[at + 2] {
                    visit(&body.stream().into_iter().collect::<Vec<_>>(), file, &child, seen);
                } else {
                    let name = child.last().unwrap();
                    let folder = file.parent().unwrap();
                    let (alone, root) = (folder.join(format!("{name}.rs")), folder.join(name).join("mod.rs"));
                    visit_file(if root.is_file() { &root } else { &alone }, &child, seen);
                }
                at += 3;
                continue;
            }
            TokenTree::Ident(_) if text == "use" => {
                at = visit_tree(tokens, at + 1, &[], &mut |path| {
                    seen(module, &absolute(path, module), file, line);
                });
                continue;
            }
            TokenTree::Ident(_) if ["crate", "super", "self"].contains(&text.as_str()) => {
                at = visit_tree(tokens, at, &[], &mut |path| {
                    seen(module, &absolute(path, module), file, line);
                });
                continue;
            }
            TokenTree::Group(group) => visit(&group.stream().into_iter().collect::<Vec<_>>(), file, module, seen),
            _ => {}
        }
        at += 1;
    }
}

/// Calls `leaf` for each path of a `use` tree, or for the one path that starts at `at`. Returns the position after it.
fn visit_tree(tokens: &[TokenTree], mut at: usize, prefix: &[String], leaf: &mut dyn FnMut(&[String])) -> usize {
    let mut path = prefix.to_vec();
    loop {
        match tokens.get(at) {
            Some(TokenTree::Ident(name)) => path.push(name.to_string()),
            Some(TokenTree::Group(group)) if group.delimiter() == Delimiter::Brace => {
                let inner: Vec<_> = group.stream().into_iter().collect();
                for branch in inner.split(|token| token.to_string() == ",") {
                    visit_tree(branch, 0, &path, leaf);
                }
                return at + 1;
            }
            _ => {}
        }
        let continues = |at: usize| tokens.get(at).is_some_and(|token| token.to_string() == ":");
        if !(continues(at + 1) && continues(at + 2)) {
            leaf(&path);
            return at + 1;
        }
        at += 3;
    }
}

/// The path from the crate's root, or nothing for a path of another crate.
fn absolute(path: &[String], module: &[String]) -> Vec<String> {
    let ups = path
        .iter()
        .take_while(|part| ["super", "self"].contains(&part.as_str()));
    let (words, supers) = (ups.clone().count(), ups.filter(|part| *part == "super").count());
    match path.first().map(String::as_str) {
        Some("crate") => path[1..].to_vec(),
        Some("super" | "self") => [&module[..module.len().saturating_sub(supers)], &path[words..]].concat(),
        _ => Vec::new(),
    }
}

fn is_test_attribute(attribute: Option<&TokenTree>) -> bool {
    let text = attribute
        .map(|group| group.to_string().replace(' ', ""))
        .unwrap_or_default();
    text.starts_with("[cfg(test") || text.starts_with("[cfg(all(test")
}

/// Reads that do not need a limit, with the reason.
const OWN_READS: &[(&str, &str)] = &[
    ("bench/worker.rs", "files that matenv wrote for the worker a moment ago"),
    ("store/durable.rs", "opens files and folders to sync them"),
    ("files/temporary.rs", "opens a file to lock it"),
    ("net/download/stale.rs", "opens a file to lock it"),
    ("input/mod.rs", "the functions that all others use"),
];

/// A file from outside may be a pipe, a device or 100 GB.
#[test]
fn files_are_read_with_a_limit() {
    let src = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut found = Vec::new();
    for file in crate::support::files_below(&src) {
        let name = file.strip_prefix(&src).unwrap().display().to_string();
        let of_tests = ["tests/", "tests.rs", "fixtures.rs"]
            .iter()
            .any(|part| name.contains(part));
        if of_tests
            || file.extension().is_none_or(|ending| ending != "rs")
            || OWN_READS.iter().any(|(own, _)| *own == name)
        {
            continue;
        }
        let text = fs::read_to_string(&file).unwrap();
        let code = text.split("\n#[cfg(test)]\nmod ").next().unwrap();
        let code = code.split("\n#[cfg(all(test").next().unwrap();
        for (at, line) in code.lines().enumerate() {
            let reads = ["fs_err::read(", "fs_err::read_to_string(", "fs_err::File::open("];
            if reads.iter().any(|read| line.contains(read)) {
                found.push(format!("src/{name}:{}: use `input::read` or `input::open`", at + 1));
            }
        }
    }
    assert!(found.is_empty(), "{}", found.join("\n"));
}

#[test]
fn modules_import_only_modules_below_them() {
    let src = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let found = violations(&src, LAYERS);
    assert!(found.is_empty(), "{}", found.join("\n"));
}

#[test]
fn the_crate_docs_show_the_layers() {
    let lib = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("src/lib.rs")).unwrap();
    let rows = LAYERS
        .iter()
        .map(|(module, about)| format!("//! | [`mod@{module}`] | {about} |\n"));
    let table = rows.collect::<String>();
    assert!(lib.contains(&table), "the table in src/lib.rs must be:\n{table}");
}

/// A folder with two layers, `high` above `low`, in which `files` replace or add modules.
fn planted(files: &[(&str, &str)]) -> Vec<String> {
    let folder = tempfile::tempdir().unwrap();
    let src = folder.path().join("src");
    let sound = [
        ("lib.rs", "mod high; mod low;"),
        ("high/mod.rs", "mod part; use crate::low::{self, Thing}; use std::fmt;"),
        (
            "high/part.rs",
            "use super::super::low::Thing; #[cfg(test)] mod tests { use crate::high; }",
        ),
        (
            "low.rs",
            "#[cfg(test)] use crate::high::part; // crate::high\npub struct Thing; #[cfg(test)] mod tests { fn t() { crate::high::f() } }",
        ),
    ];
    for (name, text) in sound.iter().chain(files) {
        let path = src.join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }
    violations(&src, &[("high", ""), ("low", "")])
}

#[test]
fn downward_imports_and_tests_are_allowed() {
    assert_eq!(planted(&[]), Vec::<String>::new());
}

#[test]
fn upward_imports_are_found() {
    let expected = ["`low` (1) may not import `high` (2): src/low.rs:2"];
    for text in [
        "\nuse crate::high::part;",
        "\nuse crate::{high::{part, other}};",
        "\nfn f() { let x = g(crate::high::f()); }",
        "\nmacro_rules! m { () => { crate::high::f() } }",
        "\nmod inner { use super::super::high; }",
    ] {
        let mut found = planted(&[("low.rs", text)]);
        found.dedup();
        assert_eq!(found, expected, "{text}");
    }
}

#[test]
fn paths_that_leave_their_module_by_super_are_found() {
    assert_eq!(
        planted(&[("low.rs", "use super::high::part;")]),
        ["`low` (1) may not import `high` (2): src/low.rs:1"]
    );
}

#[test]
fn unlisted_modules_are_found() {
    let files = [("lib.rs", "mod high; mod low; mod other;"), ("other.rs", "")];
    assert_eq!(planted(&files), ["`other` is not in the table of layers: src/lib.rs:1"]);
}
