//! ONNX Runtime's profile of a run: which provider ran which operator. A session's options only say what was asked.

use std::{collections::BTreeMap, path::Path};

use serde::Deserialize;

#[derive(Deserialize)]
struct Entry {
    #[serde(default)]
    cat: String,
    #[serde(default)]
    name: String,
    #[serde(default)]
    args: Arguments,
}

#[derive(Default, Deserialize)]
struct Arguments {
    #[serde(default)]
    provider: String,
}

/// Add the operators that `file` tells of to `operators`, by provider.
pub(super) fn count(file: &Path, operators: &mut BTreeMap<String, u64>) -> std::io::Result<()> {
    let entries: Vec<Entry> = serde_json::from_slice(&fs_err::read(file)?)?;
    for entry in entries {
        // One entry an operator: its run itself, not what comes before and after.
        let ran = entry.cat == "Node" && entry.name.ends_with("_kernel_time");
        if ran && !entry.args.provider.is_empty() {
            *operators.entry(entry.args.provider).or_default() += 1;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn operators_are_counted_once_by_the_provider_that_ran_them() {
        let folder = tempfile::tempdir().expect("a temp folder");
        let file = folder.path().join("profile.json");
        let text = r#"[
            {"cat": "Session", "name": "model_run", "dur": 5, "args": {}},
            {"cat": "Node", "name": "enc0_fence_before", "args": {"op_name": "Conv"}},
            {"cat": "Node", "name": "enc0_kernel_time", "args": {"op_name": "Conv", "provider": "CUDAExecutionProvider"}},
            {"cat": "Node", "name": "cast_kernel_time", "args": {"provider": "CPUExecutionProvider"}},
            {"cat": "Node", "name": "enc1_kernel_time", "args": {"provider": "CUDAExecutionProvider"}}
        ]"#;
        fs_err::write(&file, text).expect("a file");
        let mut operators = BTreeMap::new();
        count(&file, &mut operators).expect("a profile");
        let expected = [("CPUExecutionProvider", 1), ("CUDAExecutionProvider", 2)];
        assert_eq!(operators, expected.map(|(name, count)| (name.to_owned(), count)).into());
    }
}
